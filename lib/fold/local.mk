EXTRA_DIST += lib/fold/.may_include
lib_libhourfold_a_SOURCES += \
	lib/fold/cache.c lib/fold/cache.h \
	lib/fold/commit.c \
	lib/fold/cover.c lib/fold/cover.h \
	lib/fold/fold.c lib/fold/fold.h \
	lib/fold/ids.c lib/fold/ids.h \
	lib/fold/inner.h \
	lib/fold/load.c \
	lib/fold/producers.c lib/fold/producers.h \
	lib/fold/table.h \
	lib/fold/window.c lib/fold/window.h
