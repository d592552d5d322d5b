EXTRA_DIST += lib/answer/.may_include
lib_libhourfold_a_SOURCES += \
	lib/answer/path.c lib/answer/path.h \
	lib/answer/stat.c lib/answer/stat_value.c lib/answer/stat.h
