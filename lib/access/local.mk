EXTRA_DIST += lib/access/.may_include
lib_libhourfold_a_SOURCES += \
	lib/access/access.c lib/access/access.h \
	lib/access/glob.c \
	lib/access/token.c
