EXTRA_DIST += lib/bus/.may_include
lib_libhourfold_a_SOURCES += \
	lib/bus/bus.c lib/bus/bus.h \
	lib/bus/deliver.c \
	lib/bus/internal.h \
	lib/bus/link.c \
	lib/bus/options.c \
	lib/bus/publish.c \
	lib/bus/spool.c lib/bus/spool.h \
	lib/bus/stream.c
