# tests of batch
