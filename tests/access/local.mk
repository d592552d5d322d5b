# tests of access
UNIT_TESTS += tests/access/access_test
tests_access_access_test_SOURCES = tests/access/access_test.c
tests_access_access_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/access/access_fuzz
tests_access_access_fuzz_SOURCES = tests/access/access_fuzz.c
tests_access_access_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/access/corpus/access
