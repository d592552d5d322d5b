# make check runs TESTS; every test speaks TAP. A module's tests are in the folder of its name.
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
EXTRA_DIST += tests/check-includes tests/child.h tests/lsan.supp tests/tsan.supp tests/unit.h tests/fuzz/replay.c tests/run-fuzz-corpus \
	tests/valgrind.supp
AM_TESTS_ENVIRONMENT = srcdir='$(abs_top_srcdir)'; builddir='$(abs_top_builddir)'; PYTHON3='$(PYTHON3)'; \
	PYTHONDONTWRITEBYTECODE=1; LSAN_OPTIONS="suppressions=$$srcdir/tests/lsan.supp:print_suppressions=0"; \
	TSAN_OPTIONS="suppressions=$$srcdir/tests/tsan.supp:print_suppressions=0"; \
	export srcdir builddir PYTHON3 PYTHONDONTWRITEBYTECODE LSAN_OPTIONS TSAN_OPTIONS;
TESTS += tests/check-includes

# What a unit test links with, and what a fuzz target does: libFuzzer, or an ordinary main that replays the corpus. json-c is what
# tests read our JSON with, no program of ours.
AM_CPPFLAGS += $(JSON_C_CFLAGS)
UNIT_LIBS = $(HOURFOLD_LIBS) $(CMOCKA_LIBS) $(JSON_C_LIBS)
check_LIBRARIES += tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c
if FUZZERS
FUZZ_LIBS = $(HOURFOLD_LIBS) $(FUZZ_ENGINE)
else
FUZZ_LIBS = tests/fuzz/libreplay.a $(HOURFOLD_LIBS)
endif

# What a test links with in which memory ends.
MEMORY = tests/memory.c tests/memory.h
MEMORY_LINK = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=free

include tests/base/local.mk
include tests/cell/local.mk
include tests/sample/local.mk
include tests/batch/local.mk
include tests/bus/local.mk
include tests/store/local.mk
include tests/fold/local.mk
include tests/answer/local.mk
include tests/access/local.mk
include tests/tally/local.mk
include tests/fcgi/local.mk
include tests/consumer/local.mk
include tests/fault/local.mk
include tests/integration/local.mk
include tests/browser/local.mk
include tests/bench/local.mk

check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(INTEGRATION_TESTS)
EXTRA_DIST += tests/no-unit-tests
if HAVE_UNIT
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
else
TESTS += tests/no-unit-tests
endif
if !FUZZERS
TESTS += $(FUZZ_TARGETS:=.corpus)
endif
TEST_EXTENSIONS = .corpus .py
CORPUS_LOG_DRIVER = $(LOG_DRIVER)
CORPUS_LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/run-fuzz-corpus
PY_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_COMPILER = $(PYTHON3)
%.corpus:
	@:

# The unit tests again, under valgrind. Left out are those that kill and fail on purpose, many times or at moments of real time: it
# runs one thread at a time, too slowly for them. Leaks are LeakSanitizer's to find: all have their turn with --enable-sanitizers.
VALGRIND_TESTS = $(filter-out tests/store/store_kill_test tests/fault/%,$(UNIT_TESTS))
check-valgrind: $(VALGRIND_TESTS)
	@failed=0; for test in $(VALGRIND_TESTS); do \
	  echo "valgrind $$test"; \
	  srcdir='$(abs_top_srcdir)' builddir='$(abs_top_builddir)' HF_TEST_SHORT=1 timeout -k 10 600 $(VALGRIND) -q --error-exitcode=9 \
	    --suppressions='$(top_srcdir)/tests/valgrind.supp' ./$$test >$$test.valgrind.log 2>&1 || \
	    { cat $$test.valgrind.log; echo "FAIL: valgrind $$test"; failed=1; }; \
	done; exit $$failed
.PHONY: check-valgrind

# What has threads, in a build with --enable-thread-sanitizer: the unit tests of it, and the programs under load. Left out are
# the tests of the store, which fork: ThreadSanitizer does not follow them.
THREAD_TESTS = tests/base/log_test tests/bus/bus_test tests/bus/spool_test tests/fcgi/loop_test tests/fcgi/collect_test \
	tests/fcgi/query_test tests/integration/threads_test.py
EXTRA_DIST += tests/integration/threads_test.py
check-tsan:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(THREAD_TESTS)'
.PHONY: check-tsan

# How much of what reads bytes from outside the seed corpora reach, in a build with --enable-coverage.
EXTRA_DIST += tests/fuzz/coverage.py
coverage-fuzz: $(FUZZ_TARGETS)
	srcdir='$(abs_top_srcdir)' builddir='$(abs_top_builddir)' $(PYTHON3) $(srcdir)/tests/fuzz/coverage.py
.PHONY: coverage-fuzz
