# tests of cell
