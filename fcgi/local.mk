EXTRA_DIST += fcgi/.may_include

noinst_LIBRARIES += fcgi/libloop.a
fcgi_libloop_a_SOURCES = \
	fcgi/loop.c fcgi/loop.h \
	fcgi/program.c fcgi/program.h \
	fcgi/socket.c fcgi/socket.h
FCGI_PROGRAM_LIBS = fcgi/libloop.a $(FCGI_LIBS) $(HOURFOLD_LIBS)
