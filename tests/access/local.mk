# tests of access
UNIT_TESTS += tests/access/access_test
tests_access_access_test_SOURCES = tests/access/access_test.c
tests_access_access_test_LDADD = $(UNIT_LIBS)
