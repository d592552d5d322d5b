EXTRA_DIST += lib/tally/.may_include
lib_libhourfold_a_SOURCES += lib/tally/tally.c lib/tally/tally.h
