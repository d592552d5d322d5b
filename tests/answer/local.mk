# tests of answer
UNIT_TESTS += tests/answer/path_test
tests_answer_path_test_SOURCES = tests/answer/path_test.c
tests_answer_path_test_LDADD = $(UNIT_LIBS)

UNIT_TESTS += tests/answer/answer_test
tests_answer_answer_test_SOURCES = tests/answer/answer_test.c tests/answer/world.h
tests_answer_answer_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/answer/path_fuzz
tests_answer_path_fuzz_SOURCES = tests/answer/path_fuzz.c
tests_answer_path_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/answer/corpus/path

FUZZ_TARGETS += tests/answer/etag_fuzz
tests_answer_etag_fuzz_SOURCES = tests/answer/etag_fuzz.c
tests_answer_etag_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/answer/corpus/etag

UNIT_TESTS += tests/answer/status_test
tests_answer_status_test_SOURCES = tests/answer/status_test.c
tests_answer_status_test_LDADD = $(UNIT_LIBS)
