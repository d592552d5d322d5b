# tests of cell
UNIT_TESTS += tests/cell/cell_property_test
tests_cell_cell_property_test_SOURCES = tests/cell/cell_property_test.c
tests_cell_cell_property_test_LDADD = $(UNIT_LIBS)
tests_cell_cell_property_test_CPPFLAGS = $(AM_CPPFLAGS)
if HAVE_MPFR
tests_cell_cell_property_test_CPPFLAGS += -DHAVE_MPFR
tests_cell_cell_property_test_LDADD += -lmpfr -lgmp
endif
