# tests of consumer
check_PROGRAMS += tests/consumer/publish tests/consumer/spoil
tests_consumer_publish_SOURCES = tests/consumer/publish.c
tests_consumer_publish_LDADD = $(HOURFOLD_LIBS)
tests_consumer_spoil_SOURCES = tests/consumer/spoil.c
tests_consumer_spoil_LDADD = $(HOURFOLD_LIBS)
INTEGRATION_TESTS += tests/consumer/backup_test.py tests/consumer/consumer_test.py
EXTRA_DIST += tests/consumer/backup_test.py tests/consumer/consumer_test.py tests/consumer/feeder.py \
	tests/consumer/folding.py tests/consumer/two.batch
FAULT_TESTS += tests/consumer/backup_test.py
