# tests of tally
UNIT_TESTS += tests/tally/tally_test
tests_tally_tally_test_SOURCES = tests/tally/tally_test.c
tests_tally_tally_test_LDADD = $(UNIT_LIBS)
