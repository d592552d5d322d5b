# tests of answer
