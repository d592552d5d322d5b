# tests of access
