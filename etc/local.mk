# what is installed below $(sysconfdir), and examples

# Snippets for web servers, nats-server, and the clients and dashboards of others. In the source they hold placeholders, which the
# integration tests and quickstart fill in; the installed copies hold this installation's directories.
EXTRA_DIST += etc/lighttpd.conf etc/apache-mod_fcgid.conf etc/apache-mod_proxy_fcgi.conf etc/htaccess etc/wrapper.fcgi \
	etc/nats-server.conf etc/collectd.conf etc/telegraf.conf etc/prometheus.yml etc/prometheus-rules.yml \
	etc/grafana-datasource.yml etc/grafana-dashboard.json
examplesdir = $(docdir)/examples
nodist_examples_DATA = etc/examples/lighttpd.conf etc/examples/apache-mod_fcgid.conf \
	etc/examples/apache-mod_proxy_fcgi.conf etc/examples/htaccess etc/examples/wrapper.fcgi \
	etc/examples/nats-server.conf etc/examples/collectd.conf etc/examples/telegraf.conf etc/examples/prometheus.yml \
	etc/examples/prometheus-rules.yml etc/examples/grafana-datasource.yml etc/examples/grafana-dashboard.json
CLEANFILES += $(nodist_examples_DATA)

# [@] keeps configure from filling in the names here.
etc/examples/%: etc/% Makefile
	$(AM_V_GEN)$(MKDIR_P) etc/examples && sed -e '/^#$$/{N;/To fill in/d;}' -e '/^#   [@][a-z]*[@] /d' \
	  -e 's|[@]libexecdir@|$(pkglibexecdir)|g' -e 's|[@]sysconfdir@|$(pkgsysconfdir)|g' \
	  -e 's|[@]rundir@|$(runstatedir)/hourfold|g' -e 's|[@]localstatedir@|$(localstatedir)/lib/hourfold|g' \
	  -e 's|[@]port@|4222|g' -e 's|[@]storelimit@|50GB|g' -e 's|[@]url@|http://127.0.0.1:8080|g' -e 's|[@]address@|127.0.0.1:8080|g' \
	  $(srcdir)/etc/$* >$@.tmp && mv $@.tmp $@

# The configuration. A file that is there already stays, and one that was changed is not removed.
nodist_noinst_DATA = etc/hourfold.conf
EXTRA_DIST += etc/hourfold.conf.in
CLEANFILES += etc/hourfold.conf
etc/hourfold.conf: etc/hourfold.conf.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc && $(edit_paths) $(srcdir)/etc/hourfold.conf.in >$@.tmp && mv $@.tmp $@

install-data-local: etc/hourfold.conf
	@$(MKDIR_P) '$(DESTDIR)$(pkgsysconfdir)'
	@if test -e '$(DESTDIR)$(pkgsysconfdir)/hourfold.conf'; then \
	  echo 'keeping $(DESTDIR)$(pkgsysconfdir)/hourfold.conf, which is there already'; \
	else \
	  echo ' $(INSTALL_DATA) etc/hourfold.conf $(DESTDIR)$(pkgsysconfdir)'; \
	  $(INSTALL_DATA) etc/hourfold.conf '$(DESTDIR)$(pkgsysconfdir)/hourfold.conf'; \
	fi
uninstall-local: etc/hourfold.conf
	@if cmp -s etc/hourfold.conf '$(DESTDIR)$(pkgsysconfdir)/hourfold.conf'; then \
	  echo " rm -f '$(DESTDIR)$(pkgsysconfdir)/hourfold.conf'"; \
	  rm -f '$(DESTDIR)$(pkgsysconfdir)/hourfold.conf'; \
	elif test -e '$(DESTDIR)$(pkgsysconfdir)/hourfold.conf'; then \
	  echo 'keeping $(DESTDIR)$(pkgsysconfdir)/hourfold.conf, which was changed'; \
	fi

# ---- manual pages ----

nodist_man_MANS += etc/hourfold.conf.5 fcgi/hourfold-collect.8 fcgi/hourfold-query.8 consumer/hourfold-consumer.8 \
	consumer/hourfold.1
EXTRA_DIST += $(nodist_man_MANS:=.in)
CLEANFILES += $(nodist_man_MANS)
$(nodist_man_MANS): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(edit_paths) $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@

# Write the options into the files that hold them, after a change of lib/base/options.def.
update-options: tests/base/print_options
	tests/base/print_options ini >$(srcdir)/etc/hourfold.conf.in
	tests/base/print_options mdoc >options.tmp
	sed -i -e '/^\.\\" The options begin/,/^\.\\" The options end/{/^\.\\" The options /!d}' \
	  -e '/^\.\\" The options begin/r options.tmp' $(srcdir)/etc/hourfold.conf.5.in
	rm -f options.tmp
.PHONY: update-options
