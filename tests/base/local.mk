# tests of base
UNIT_TESTS += tests/base/base_test tests/base/cli_test tests/base/conf_test tests/base/log_test
tests_base_base_test_SOURCES = tests/base/base_test.c
tests_base_base_test_LDADD = $(UNIT_LIBS)
tests_base_cli_test_SOURCES = tests/base/cli_test.c
tests_base_cli_test_LDADD = $(UNIT_LIBS)
tests_base_conf_test_SOURCES = tests/base/conf_test.c
tests_base_conf_test_LDADD = $(UNIT_LIBS)
tests_base_log_test_SOURCES = tests/base/log_test.c
tests_base_log_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/base/conf_fuzz
tests_base_conf_fuzz_SOURCES = tests/base/conf_fuzz.c
tests_base_conf_fuzz_LDADD = $(FUZZ_LIBS)

EXTRA_DIST += tests/base/conf tests/base/corpus

check_PROGRAMS += tests/base/print_options
tests_base_print_options_SOURCES = tests/base/print_options.c
tests_base_print_options_LDADD = $(HOURFOLD_LIBS)

TESTS += tests/base/check-docs
EXTRA_DIST += tests/base/check-docs

UNIT_TESTS += tests/base/names_test
tests_base_names_test_SOURCES = tests/base/names_test.c
tests_base_names_test_LDADD = $(UNIT_LIBS)

UNIT_TESTS += tests/base/zone_test
tests_base_zone_test_SOURCES = tests/base/zone_test.c
tests_base_zone_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/base/zone_fuzz
tests_base_zone_fuzz_SOURCES = tests/base/zone_fuzz.c
tests_base_zone_fuzz_LDADD = $(FUZZ_LIBS)
