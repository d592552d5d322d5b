# what is installed below $(sysconfdir), and examples

# Snippets for web servers, nats-server and collectd. In the source they hold placeholders, which the integration tests and
# quickstart fill in; the installed copies hold this installation's directories.
EXTRA_DIST += etc/lighttpd.conf etc/apache-mod_fcgid.conf etc/apache-mod_proxy_fcgi.conf etc/htaccess etc/wrapper.fcgi \
	etc/nats-server.conf etc/collectd.conf
examplesdir = $(docdir)/examples
nodist_examples_DATA = etc/examples/lighttpd.conf etc/examples/apache-mod_fcgid.conf \
	etc/examples/apache-mod_proxy_fcgi.conf etc/examples/htaccess etc/examples/wrapper.fcgi \
	etc/examples/nats-server.conf etc/examples/collectd.conf
CLEANFILES += $(nodist_examples_DATA)

# [@] keeps configure from filling in the names here.
etc/examples/%: etc/% Makefile
	$(AM_V_GEN)$(MKDIR_P) etc/examples && sed -e '/^#$$/{N;/To fill in/d;}' -e '/^#   [@][a-z]*[@] /d' \
	  -e 's|[@]libexecdir@|$(pkglibexecdir)|g' -e 's|[@]sysconfdir@|$(pkgsysconfdir)|g' \
	  -e 's|[@]rundir@|$(runstatedir)/hourfold|g' -e 's|[@]localstatedir@|$(localstatedir)/lib/hourfold|g' \
	  -e 's|[@]port@|4222|g' -e 's|[@]url@|http://127.0.0.1:8080|g' $(srcdir)/etc/$* >$@.tmp && mv $@.tmp $@
