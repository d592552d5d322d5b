EXTRA_DIST += lib/base/.may_include
lib_libhourfold_a_SOURCES += \
	lib/base/buf.c lib/base/buf.h \
	lib/base/conf.h \
	lib/base/err.c lib/base/err.h \
	lib/base/log.h \
	lib/base/num.c lib/base/num.h \
	lib/base/utc.c lib/base/utc.h
