# tests of batch
UNIT_TESTS += tests/batch/batch_test
tests_batch_batch_test_SOURCES = tests/batch/batch_test.c
tests_batch_batch_test_LDADD = $(UNIT_LIBS)

UNIT_TESTS += tests/batch/memory_test
tests_batch_memory_test_SOURCES = tests/batch/memory_test.c $(MEMORY)
tests_batch_memory_test_LDFLAGS = $(MEMORY_LINK)
tests_batch_memory_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/batch/batch_fuzz
tests_batch_batch_fuzz_SOURCES = tests/batch/batch_fuzz.c
tests_batch_batch_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/batch/corpus/batch
