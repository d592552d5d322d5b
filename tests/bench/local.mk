# tests of bench
EXTRA_PROGRAMS += tests/bench/cell_bench
tests_bench_cell_bench_SOURCES = tests/bench/cell_bench.c
tests_bench_cell_bench_LDADD = $(HOURFOLD_LIBS)

bench-cell: tests/bench/cell_bench
	tests/bench/cell_bench
.PHONY: bench-cell

EXTRA_PROGRAMS += tests/bench/reader_bench
tests_bench_reader_bench_SOURCES = tests/bench/reader_bench.c
tests_bench_reader_bench_LDADD = $(HOURFOLD_LIBS)

bench-reader: tests/bench/reader_bench
	tests/bench/reader_bench
.PHONY: bench-reader

EXTRA_PROGRAMS += tests/bench/fold_bench
tests_bench_fold_bench_SOURCES = tests/bench/fold_bench.c
tests_bench_fold_bench_LDADD = $(HOURFOLD_LIBS)

bench-fold: tests/bench/fold_bench
	tests/bench/fold_bench
.PHONY: bench-fold

EXTRA_PROGRAMS += tests/bench/store_bench
tests_bench_store_bench_SOURCES = tests/bench/store_bench.c
tests_bench_store_bench_LDADD = $(HOURFOLD_LIBS)

bench-store: tests/bench/store_bench
	tests/bench/store_bench
.PHONY: bench-store

EXTRA_PROGRAMS += tests/bench/answer_bench
tests_bench_answer_bench_SOURCES = tests/bench/answer_bench.c $(ANSWER_WORLD)
tests_bench_answer_bench_LDADD = $(UNIT_LIBS)

bench-answer: tests/bench/answer_bench
	tests/bench/answer_bench
.PHONY: bench-answer

# hourfold beside its peers: see README.md here. Needs what no test does, and takes minutes: `make bench BENCH="lighttpd queries"`
# measures the named rows alone.
BENCH_PARTS = tests/bench/backlog tests/bench/empty tests/bench/fill
EXTRA_PROGRAMS += $(BENCH_PARTS)
tests_bench_backlog_SOURCES = tests/bench/backlog.c
tests_bench_backlog_LDADD = $(HOURFOLD_LIBS)
tests_bench_empty_SOURCES = tests/bench/empty.c
tests_bench_empty_LDADD = -lfcgi -lpthread
tests_bench_fill_SOURCES = tests/bench/fill.c
tests_bench_fill_LDADD = $(HOURFOLD_LIBS)
EXTRA_DIST += tests/bench/bench.py tests/bench/growth.gp tests/bench/growth.py \
	tests/bench/instructions.py tests/bench/load.py tests/bench/peers.py tests/bench/requests.lua

RUN_BENCH = srcdir='$(abs_top_srcdir)' builddir='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	$(PYTHON3) $(srcdir)/tests/bench/bench.py
bench:
	@$(RUN_BENCH) --check
	@$(MAKE) $(AM_MAKEFLAGS) all
	@$(MAKE) $(AM_MAKEFLAGS) $(BENCH_PARTS) tests/integration/load
	@$(RUN_BENCH) $(BENCH)
.PHONY: bench

# How things grow: rows for growth.csv, and the picture of those that are there.
bench-growth:
	@$(RUN_BENCH) --check
	@$(MAKE) $(AM_MAKEFLAGS) all >&2
	@$(MAKE) $(AM_MAKEFLAGS) $(BENCH_PARTS) >&2
	@srcdir='$(abs_top_srcdir)' builddir='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	  $(PYTHON3) $(srcdir)/tests/bench/growth.py $(BENCH)
EXTRA_DIST += tests/bench/README.md tests/bench/growth.csv tests/bench/histogram_bench.c
bench-plots:
	@command -v gnuplot >/dev/null || { echo "bench-plots: missing Debian package: gnuplot-nox" >&2; exit 1; }
	@$(MKDIR_P) tests/bench
	gnuplot -e "data='$(srcdir)/tests/bench/growth.csv'; picture='tests/bench/growth.svg'" $(srcdir)/tests/bench/growth.gp
CLEANFILES += tests/bench/growth.svg
.PHONY: bench-growth bench-plots

# All that measures one part alone, in nanoseconds, and the same in instructions.
bench-micro: bench-cell bench-reader bench-fold bench-store bench-answer bench-instructions
bench-instructions: tests/bench/cell_bench tests/bench/reader_bench tests/bench/fold_bench
	@$(PYTHON3) $(srcdir)/tests/bench/instructions.py tests/bench
.PHONY: bench-micro bench-instructions

EXTRA_PROGRAMS += tests/bench/fill_days
tests_bench_fill_days_SOURCES = tests/bench/fill_days.c
tests_bench_fill_days_LDADD = $(HOURFOLD_LIBS)

# The first view of the pages in a browser, from a store of 10,000 keys over 31 days (about 3 GB in TMPDIR).
bench-pages: all tests/bench/fill_days
	srcdir='$(abs_top_srcdir)' builddir='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	  $(PYTHON3) $(srcdir)/tests/browser/pages_bench.py
.PHONY: bench-pages
