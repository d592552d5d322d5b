# tests of consumer
