EXTRA_DIST += lib/sample/.may_include
lib_libhourfold_a_SOURCES += \
	lib/sample/sample.h
