# tests of fold
