# tests of batch
UNIT_TESTS += tests/batch/batch_test
tests_batch_batch_test_SOURCES = tests/batch/batch_test.c
tests_batch_batch_test_LDADD = $(UNIT_LIBS)
