EXTRA_DIST += fcgi/.may_include

noinst_LIBRARIES += fcgi/libloop.a
fcgi_libloop_a_SOURCES = \
	fcgi/clock.h \
	fcgi/lend.c fcgi/lend.h \
	fcgi/loop.c fcgi/loop.h fcgi/loop_inner.h \
	fcgi/reactor.c \
	fcgi/record.c fcgi/record.h \
	fcgi/request.c \
	fcgi/socket.c fcgi/socket.h
FCGI_PROGRAM_LIBS = fcgi/libloop.a $(HOURFOLD_LIBS)

pkglibexec_PROGRAMS += fcgi/hourfold-collect
fcgi_hourfold_collect_SOURCES = \
	fcgi/collect.c \
	fcgi/drain.c fcgi/drain.h \
	fcgi/hold.c fcgi/hold.h fcgi/hold_inner.h \
	fcgi/route.c fcgi/route.h \
	fcgi/sender.c \
	fcgi/ticket.h
fcgi_hourfold_collect_LDADD = $(FCGI_PROGRAM_LIBS)

# The pages for browsers, which hourfold-query serves; a new file has to be named in lib/answer/pages.c too.
pagesdir = $(pkgdatadir)/pages
dist_pages_DATA = fcgi/pages/api.js fcgi/pages/chart.js fcgi/pages/dom.js fcgi/pages/format.js fcgi/pages/grid.js fcgi/pages/hourfold.js \
	fcgi/pages/icon.svg fcgi/pages/index.html fcgi/pages/keys.js fcgi/pages/main.js fcgi/pages/state.js fcgi/pages/status.js \
	fcgi/pages/style.css

pkglibexec_PROGRAMS += fcgi/hourfold-query
fcgi_hourfold_query_SOURCES = fcgi/query.c
fcgi_hourfold_query_LDADD = $(FCGI_PROGRAM_LIBS)
