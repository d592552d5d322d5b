# tests of sample
UNIT_TESTS += tests/sample/sample_test tests/sample/json_test tests/sample/boomerang_test
tests_sample_sample_test_SOURCES = tests/sample/sample_test.c tests/sample/samples.h
tests_sample_sample_test_LDADD = $(UNIT_LIBS)
tests_sample_boomerang_test_SOURCES = tests/sample/boomerang_test.c tests/sample/samples.h
tests_sample_boomerang_test_LDADD = $(UNIT_LIBS)
tests_sample_json_test_SOURCES = tests/sample/json_test.c tests/sample/samples.h
tests_sample_json_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/sample/query_fuzz tests/sample/collectd_fuzz tests/sample/boomerang_fuzz
if HAVE_UNIT
FUZZ_TARGETS += tests/sample/json_fuzz
endif
tests_sample_query_fuzz_SOURCES = tests/sample/query_fuzz.c tests/sample/fuzz.h
tests_sample_query_fuzz_LDADD = $(FUZZ_LIBS)
tests_sample_json_fuzz_SOURCES = tests/sample/json_fuzz.c tests/sample/fuzz.h
tests_sample_json_fuzz_LDADD = $(FUZZ_LIBS) $(JSON_C_LIBS)
tests_sample_collectd_fuzz_SOURCES = tests/sample/collectd_fuzz.c tests/sample/fuzz.h
tests_sample_collectd_fuzz_LDADD = $(FUZZ_LIBS)
tests_sample_boomerang_fuzz_SOURCES = tests/sample/boomerang_fuzz.c tests/sample/fuzz.h
tests_sample_boomerang_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/sample/corpus/query tests/sample/corpus/json tests/sample/corpus/collectd tests/sample/corpus/boomerang

# The parser on all 268 million texts of seven characters.
check-json-full: tests/sample/json_test
	HF_TEST_FULL=1 tests/sample/json_test
.PHONY: check-json-full
