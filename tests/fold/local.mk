# tests of fold
UNIT_TESTS += tests/fold/window_test tests/fold/fold_test tests/fold/model_test
tests_fold_window_test_SOURCES = tests/fold/window_test.c
tests_fold_window_test_LDADD = $(UNIT_LIBS)

tests_fold_fold_test_SOURCES = tests/fold/fold_test.c tests/fold/harness.c tests/fold/harness.h $(MEMORY)
tests_fold_fold_test_LDFLAGS = $(MEMORY_LINK) -Wl,--wrap=cell_add,--wrap=store_write_cell
tests_fold_fold_test_LDADD = $(UNIT_LIBS)

tests_fold_model_test_SOURCES = tests/fold/model_test.c tests/fold/harness.c tests/fold/harness.h
tests_fold_model_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/fold/window_fuzz
tests_fold_window_fuzz_SOURCES = tests/fold/window_fuzz.c
tests_fold_window_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/fold/corpus/window

UNIT_TESTS += tests/fold/cover_test
tests_fold_cover_test_SOURCES = tests/fold/cover_test.c
tests_fold_cover_test_LDADD = $(UNIT_LIBS)
