# tests of fcgi
FCGI_CLIENT = tests/fcgi/client.c tests/fcgi/client.h tests/bus/server.c tests/bus/server.h

UNIT_TESTS += tests/fcgi/loop_test
tests_fcgi_loop_test_SOURCES = tests/fcgi/loop_test.c $(FCGI_CLIENT)
tests_fcgi_loop_test_LDADD = fcgi/libloop.a $(FCGI_LIBS) $(UNIT_LIBS)
