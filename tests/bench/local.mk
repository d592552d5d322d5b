# tests of bench
EXTRA_PROGRAMS = tests/bench/cell_bench
tests_bench_cell_bench_SOURCES = tests/bench/cell_bench.c
tests_bench_cell_bench_LDADD = $(HOURFOLD_LIBS)
CLEANFILES += tests/bench/cell_bench

bench-cell: tests/bench/cell_bench
	tests/bench/cell_bench
.PHONY: bench-cell
