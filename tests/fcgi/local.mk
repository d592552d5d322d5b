# tests of fcgi
FCGI_CLIENT = tests/fcgi/client.c tests/fcgi/client.h $(NATS_SERVER)

UNIT_TESTS += tests/fcgi/loop_test
tests_fcgi_loop_test_SOURCES = tests/fcgi/loop_test.c $(FCGI_CLIENT)
tests_fcgi_loop_test_LDADD = fcgi/libloop.a $(UNIT_LIBS)

UNIT_TESTS += tests/fcgi/lend_test
tests_fcgi_lend_test_SOURCES = tests/fcgi/lend_test.c $(FCGI_CLIENT)
tests_fcgi_lend_test_LDADD = fcgi/libloop.a $(UNIT_LIBS)

FUZZ_TARGETS += tests/fcgi/record_fuzz
tests_fcgi_record_fuzz_SOURCES = tests/fcgi/record_fuzz.c
tests_fcgi_record_fuzz_LDADD = fcgi/libloop.a $(FUZZ_LIBS)
EXTRA_DIST += tests/fcgi/corpus/record

UNIT_TESTS += tests/fcgi/query_test
tests_fcgi_query_test_SOURCES = tests/fcgi/query_test.c tests/answer/world.c tests/answer/world.h $(FCGI_CLIENT)
tests_fcgi_query_test_LDADD = $(UNIT_LIBS)

# HF_TEST_FULL: 100,000 malformed FastCGI sequences; HF_TEST_MALFORMED is another number of them.
UNIT_TESTS += tests/fcgi/collect_test
FAULT_TESTS += tests/fcgi/collect_test
tests_fcgi_collect_test_SOURCES = tests/fcgi/collect_test.c $(FCGI_CLIENT)
tests_fcgi_collect_test_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/fcgi/route_fuzz
tests_fcgi_route_fuzz_SOURCES = tests/fcgi/route_fuzz.c fcgi/route.c fcgi/route.h
tests_fcgi_route_fuzz_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += tests/fcgi/corpus/route
