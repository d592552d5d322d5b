# tests of faults: crash points and failures of each system call, and of each allocation
FAULT = tests/fault/fault.c tests/fault/fault.h

UNIT_TESTS += tests/fault/spool_crash_test
tests_fault_spool_crash_test_SOURCES = tests/fault/spool_crash_test.c $(FAULT)
tests_fault_spool_crash_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic
tests_fault_spool_crash_test_LDADD = $(UNIT_LIBS)

# HF_TEST_FULL=1: at every call, not at some chosen by HF_TEST_SEED.
FAULT_STREAM = tests/fault/stream.c tests/fault/stream.h $(FAULT)
UNIT_TESTS += tests/fault/store_crash_test
tests_fault_store_crash_test_SOURCES = tests/fault/store_crash_test.c $(FAULT_STREAM)
tests_fault_store_crash_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic
tests_fault_store_crash_test_LDADD = $(UNIT_LIBS)

check-crash: tests/fault/spool_crash_test tests/fault/store_crash_test
	tests/fault/spool_crash_test
	HF_TEST_FULL=1 tests/fault/store_crash_test
.PHONY: check-crash

# HF_TEST_DAMAGE: how many damages.
UNIT_TESTS += tests/fault/store_damage_test
tests_fault_store_damage_test_SOURCES = tests/fault/store_damage_test.c $(FAULT_STREAM)
tests_fault_store_damage_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic
tests_fault_store_damage_test_LDADD = $(UNIT_LIBS)

check-damage: tests/bus/spool_test tests/fault/store_damage_test
	HF_TEST_DAMAGE=10000 tests/bus/spool_test
	HF_TEST_DAMAGE=10000 tests/fault/store_damage_test
.PHONY: check-damage

UNIT_TESTS += tests/fault/memory_test
tests_fault_memory_test_SOURCES = tests/fault/memory_test.c tests/answer/world.c tests/answer/world.h $(MEMORY)
tests_fault_memory_test_LDFLAGS = $(MEMORY_LINK)
tests_fault_memory_test_LDADD = $(UNIT_LIBS)

FAULT_TESTS += tests/fault/spool_crash_test tests/fault/store_crash_test tests/fault/store_damage_test \
	tests/fault/memory_test tests/fault/hold_memory_test tests/bus/spool_test

UNIT_TESTS += tests/fault/hold_memory_test
tests_fault_hold_memory_test_SOURCES = tests/fault/hold_memory_test.c fcgi/hold.c fcgi/sender.c fcgi/drain.c $(MEMORY)
tests_fault_hold_memory_test_LDFLAGS = $(MEMORY_LINK)
tests_fault_hold_memory_test_LDADD = $(UNIT_LIBS)
