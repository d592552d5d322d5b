EXTRA_DIST += lib/access/.may_include
lib_libhourfold_a_SOURCES += \
	lib/access/access.c lib/access/access.h \
	lib/access/address.c lib/access/address.h \
	lib/access/glob.c \
	lib/access/rate.c lib/access/rate.h \
	lib/access/token.c
