# tests of cell
UNIT_TESTS += tests/cell/cell_test tests/cell/cell_property_test
tests_cell_cell_test_SOURCES = tests/cell/cell_test.c $(MEMORY)
tests_cell_cell_test_LDADD = $(UNIT_LIBS)
tests_cell_cell_test_LDFLAGS = $(MEMORY_LINK)

tests_cell_cell_property_test_SOURCES = tests/cell/cell_property_test.c
tests_cell_cell_property_test_LDADD = $(UNIT_LIBS)
tests_cell_cell_property_test_CPPFLAGS = $(AM_CPPFLAGS)
if HAVE_MPFR
tests_cell_cell_property_test_CPPFLAGS += -DHAVE_MPFR
tests_cell_cell_property_test_LDADD += -lmpfr -lgmp
endif

FUZZ_TARGETS += tests/cell/cell_fuzz
tests_cell_cell_fuzz_SOURCES = tests/cell/cell_fuzz.c
tests_cell_cell_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/cell/corpus/cell
