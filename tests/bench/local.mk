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
