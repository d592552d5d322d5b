# tests of store
UNIT_TESTS += tests/store/store_test
tests_store_store_test_SOURCES = tests/store/store_test.c
tests_store_store_test_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/store/store_kill_test
tests_store_store_kill_test_SOURCES = tests/store/store_kill_test.c
tests_store_store_kill_test_LDADD = $(HOURFOLD_LIBS)

FUZZ_TARGETS += tests/store/status_fuzz
tests_store_status_fuzz_SOURCES = tests/store/status_fuzz.c
tests_store_status_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/store/corpus/status
FAULT_TESTS += tests/store/store_kill_test
