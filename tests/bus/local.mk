# tests of bus
UNIT_TESTS += tests/bus/bus_test
tests_bus_bus_test_SOURCES = tests/bus/bus_test.c tests/bus/server.c tests/bus/server.h
tests_bus_bus_test_LDADD = $(UNIT_LIBS)
