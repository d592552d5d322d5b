# tests of consumer
check_PROGRAMS += tests/consumer/publish
tests_consumer_publish_SOURCES = tests/consumer/publish.c
tests_consumer_publish_LDADD = $(HOURFOLD_LIBS)
