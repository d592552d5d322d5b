# tests of answer
ANSWER_WORLD = tests/answer/asking.c tests/answer/asking.h tests/answer/world.c tests/answer/world.h

UNIT_TESTS += tests/answer/path_test
tests_answer_path_test_SOURCES = tests/answer/path_test.c
tests_answer_path_test_LDADD = $(UNIT_LIBS)

UNIT_TESTS += tests/answer/answer_test
tests_answer_answer_test_SOURCES = tests/answer/answer_test.c $(ANSWER_WORLD)
tests_answer_answer_test_LDADD = $(UNIT_LIBS)

UNIT_TESTS += tests/answer/rows_test tests/answer/local_time_test
tests_answer_rows_test_SOURCES = tests/answer/rows_test.c $(ANSWER_WORLD)
tests_answer_rows_test_LDADD = $(UNIT_LIBS)
tests_answer_local_time_test_SOURCES = tests/answer/local_time_test.c $(ANSWER_WORLD)
tests_answer_local_time_test_LDADD = $(UNIT_LIBS)

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

UNIT_TESTS += tests/answer/keys_test
tests_answer_keys_test_SOURCES = tests/answer/keys_test.c $(ANSWER_WORLD)
tests_answer_keys_test_LDADD = $(UNIT_LIBS)

UNIT_TESTS += tests/answer/pages_test
tests_answer_pages_test_SOURCES = tests/answer/pages_test.c $(ANSWER_WORLD)
tests_answer_pages_test_LDADD = $(UNIT_LIBS)

UNIT_TESTS += tests/answer/spikes_test
tests_answer_spikes_test_SOURCES = tests/answer/spikes_test.c $(ANSWER_WORLD)
tests_answer_spikes_test_LDADD = $(UNIT_LIBS)

UNIT_TESTS += tests/answer/heatmap_test
tests_answer_heatmap_test_SOURCES = tests/answer/heatmap_test.c $(ANSWER_WORLD)
tests_answer_heatmap_test_LDADD = $(UNIT_LIBS)
