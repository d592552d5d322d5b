EXTRA_DIST += lib/answer/.may_include
lib_libhourfold_a_SOURCES += \
	lib/answer/answer.c lib/answer/answer.h \
	lib/answer/attempt.c lib/answer/attempt.h \
	lib/answer/etag.c lib/answer/etag.h \
	lib/answer/keys.c lib/answer/keys.h \
	lib/answer/metrics.c \
	lib/answer/path.c lib/answer/path.h \
	lib/answer/render.h lib/answer/render_csv.c lib/answer/render_json.c \
	lib/answer/series.c lib/answer/series.h \
	lib/answer/stat_name.c lib/answer/stat_value.c lib/answer/stat.h \
	lib/answer/status.c lib/answer/status.h
