EXTRA_DIST += lib/batch/.may_include
lib_libhourfold_a_SOURCES += \
	lib/batch/batch.c lib/batch/batch.h
