EXTRA_DIST += lib/fold/.may_include
lib_libhourfold_a_SOURCES += \
	lib/fold/fold.h \
	lib/fold/window.c lib/fold/window.h
