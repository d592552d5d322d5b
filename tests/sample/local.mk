# tests of sample
UNIT_TESTS += tests/sample/sample_test tests/sample/json_test
tests_sample_sample_test_SOURCES = tests/sample/sample_test.c tests/sample/samples.h
tests_sample_sample_test_LDADD = $(UNIT_LIBS)
tests_sample_json_test_SOURCES = tests/sample/json_test.c tests/sample/samples.h
tests_sample_json_test_LDADD = $(UNIT_LIBS)
