EXTRA_DIST += lib/answer/.may_include
lib_libhourfold_a_SOURCES += \
	lib/answer/accept.c lib/answer/mount.c lib/answer/parameters.c lib/answer/part.c lib/answer/part.h \
	lib/answer/globs.c lib/answer/globs.h lib/answer/uri.c lib/answer/uri.h \
	lib/answer/answer.c lib/answer/answer.h lib/answer/inside.h lib/answer/reply.c lib/answer/layout.c \
	lib/answer/answer_page.c lib/answer/pages.c lib/answer/pages.h \
	lib/answer/answer_rows.c lib/answer/answer_series.c lib/answer/render_rows.c \
	lib/answer/answer_heatmap.c lib/answer/heatmap.c lib/answer/heatmap.h lib/answer/render_heatmap.c \
	lib/answer/answer_pattern.c lib/answer/render_pattern.c \
	lib/answer/answer_spikes.c lib/answer/render_spikes.c lib/answer/spikes.c lib/answer/spikes.h \
	lib/answer/slots.c lib/answer/slots.h lib/answer/slots_read.c \
	lib/answer/attempt.c lib/answer/attempt.h \
	lib/answer/etag.c lib/answer/etag.h \
	lib/answer/keys.c lib/answer/keys.h \
	lib/answer/metrics.c \
	lib/answer/path.c lib/answer/path.h \
	lib/answer/render.h lib/answer/render_csv.c lib/answer/render_json.c \
	lib/answer/series.c lib/answer/series.h \
	lib/answer/stat_name.c lib/answer/stat_value.c lib/answer/stat.h \
	lib/answer/status.c lib/answer/status.h
