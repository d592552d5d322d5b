# tests of access
UNIT_TESTS += tests/access/access_test
tests_access_access_test_SOURCES = tests/access/access_test.c
tests_access_access_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/access/access_fuzz
tests_access_access_fuzz_SOURCES = tests/access/access_fuzz.c
tests_access_access_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/access/corpus/access

# Whether time tells a token; in make check a short form, which objects to a gross difference alone. HF_TEST_SEED.
if HAVE_UNIT
check_PROGRAMS += tests/access/timing_test
TESTS += tests/access/timing_test
endif
tests_access_timing_test_SOURCES = tests/access/timing_test.c tests/answer/world.c tests/answer/world.h
tests_access_timing_test_LDADD = $(UNIT_LIBS)

# A million measurements of each question; a quiet machine helps.
check-timing: tests/access/timing_test
	HF_TEST_FULL=1 tests/access/timing_test
.PHONY: check-timing

UNIT_TESTS += tests/access/address_test
tests_access_address_test_SOURCES = tests/access/address_test.c
tests_access_address_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/access/address_fuzz
tests_access_address_fuzz_SOURCES = tests/access/address_fuzz.c
tests_access_address_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/access/corpus/address

UNIT_TESTS += tests/access/rate_test
tests_access_rate_test_SOURCES = tests/access/rate_test.c
tests_access_rate_test_LDADD = $(UNIT_LIBS)
