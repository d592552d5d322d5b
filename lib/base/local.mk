EXTRA_DIST += lib/base/.may_include
lib_libhourfold_a_SOURCES += \
	lib/base/buf.c lib/base/buf.h \
	lib/base/checksum.c lib/base/checksum.h \
	lib/base/cli.c lib/base/cli.h \
	lib/base/conf.c lib/base/conf.h lib/base/conf_digest.c lib/base/conf_print.c \
	lib/base/conf_table.c lib/base/conf_table.h lib/base/options.def \
	lib/base/err.c lib/base/err.h \
	lib/base/log.c lib/base/log.h \
	lib/base/mapped.c lib/base/mapped.h \
	lib/base/names.c lib/base/names.h \
	lib/base/num.c lib/base/num.h \
	lib/base/utc.c lib/base/utc.h \
	lib/base/zone.c lib/base/zone.h lib/base/zone_rule.c lib/base/zone_rule.h
