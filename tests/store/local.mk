# tests of store
UNIT_TESTS += tests/store/store_test
tests_store_store_test_SOURCES = tests/store/store_test.c
tests_store_store_test_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/store/store_kill_test
tests_store_store_kill_test_SOURCES = tests/store/store_kill_test.c
tests_store_store_kill_test_LDADD = $(HOURFOLD_LIBS)
