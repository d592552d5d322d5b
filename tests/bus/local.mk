# tests of bus
NATS_SERVER = tests/bus/proxy.c tests/bus/proxy.h tests/bus/server.c tests/bus/server.h

UNIT_TESTS += tests/bus/bus_test
tests_bus_bus_test_SOURCES = tests/bus/bus_test.c $(NATS_SERVER)
tests_bus_bus_test_LDADD = $(UNIT_LIBS)
