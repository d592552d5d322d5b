# tests of tally
UNIT_TESTS += tests/tally/tally_test
tests_tally_tally_test_SOURCES = tests/tally/tally_test.c
tests_tally_tally_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/tally/tally_fuzz
tests_tally_tally_fuzz_SOURCES = tests/tally/tally_fuzz.c
tests_tally_tally_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/tally/corpus/tally
