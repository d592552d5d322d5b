EXTRA_DIST += lib/bus/.may_include
lib_libhourfold_a_SOURCES += \
	lib/bus/bus.h
