EXTRA_DIST += lib/sample/.may_include
lib_libhourfold_a_SOURCES += \
	lib/sample/boomerang.c \
	lib/sample/check.c \
	lib/sample/collectd.c \
	lib/sample/form.c lib/sample/form.h \
	lib/sample/json.c lib/sample/json.h \
	lib/sample/list.c \
	lib/sample/query.c \
	lib/sample/read_json.c \
	lib/sample/reader.h \
	lib/sample/sample.h
