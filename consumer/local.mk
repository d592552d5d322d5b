EXTRA_DIST += consumer/.may_include

sbin_PROGRAMS += consumer/hourfold-consumer
consumer_hourfold_consumer_SOURCES = \
	consumer/consumer.c \
	consumer/daemon.h \
	consumer/feed.c \
	consumer/clock.c consumer/clock.h \
	consumer/upkeep.c
consumer_hourfold_consumer_LDADD = $(HOURFOLD_LIBS)

bin_PROGRAMS += consumer/hourfold
consumer_hourfold_SOURCES = \
	consumer/backup.c \
	consumer/check_config.c \
	consumer/decode.c \
	consumer/export.c \
	consumer/hourfold.c \
	consumer/keys.c \
	consumer/restore.c \
	consumer/stat.c \
	consumer/token.c \
	consumer/tool.c consumer/tool.h \
	consumer/verify.c
consumer_hourfold_LDADD = $(HOURFOLD_LIBS)
