# tests of sample
