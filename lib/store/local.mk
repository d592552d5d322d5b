EXTRA_DIST += lib/store/.may_include
lib_libhourfold_a_SOURCES += \
	lib/store/backup.c \
	lib/store/env.c lib/store/env.h \
	lib/store/guard.c \
	lib/store/inside.h \
	lib/store/join.c \
	lib/store/meta.c \
	lib/store/page.c lib/store/page.h \
	lib/store/read.c \
	lib/store/region.c lib/store/region.h \
	lib/store/restore.c lib/store/restore.h \
	lib/store/share.c lib/store/share.h \
	lib/store/store.c lib/store/store.h \
	lib/store/write.c
