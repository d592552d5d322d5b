EXTRA_DIST += lib/access/.may_include
lib_libhourfold_a_SOURCES += \
	lib/access/access.h
