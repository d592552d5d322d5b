# tests of base
UNIT_TESTS += tests/base/base_test
tests_base_base_test_SOURCES = tests/base/base_test.c
tests_base_base_test_LDADD = $(UNIT_LIBS)
