EXTRA_DIST += lib/store/.may_include
lib_libhourfold_a_SOURCES += \
	lib/store/store.h
