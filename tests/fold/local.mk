# tests of fold
UNIT_TESTS += tests/fold/window_test
tests_fold_window_test_SOURCES = tests/fold/window_test.c
tests_fold_window_test_LDADD = $(UNIT_LIBS)
