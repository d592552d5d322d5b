# tests of bus
NATS_SERVER = tests/bus/proxy.c tests/bus/proxy.h tests/bus/server.c tests/bus/server.h

UNIT_TESTS += tests/bus/bus_test
tests_bus_bus_test_SOURCES = tests/bus/bus_test.c $(NATS_SERVER)
tests_bus_bus_test_LDADD = $(UNIT_LIBS)

# HF_TEST_DAMAGE: how many damaged files.
UNIT_TESTS += tests/bus/spool_test
tests_bus_spool_test_SOURCES = tests/bus/spool_test.c
tests_bus_spool_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/bus/spool_fuzz
tests_bus_spool_fuzz_SOURCES = tests/bus/spool_fuzz.c
tests_bus_spool_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/bus/corpus/spool
