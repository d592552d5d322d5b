# what is installed below $(sysconfdir), and examples

# Snippets for web servers, nats-server, and the clients and dashboards of others. In the source they hold placeholders, which the
# integration tests and quickstart fill in; the installed copies hold this installation's directories.
EXTRA_DIST += etc/lighttpd.conf etc/apache-mod_fcgid.conf etc/apache-mod_proxy_fcgi.conf etc/htaccess etc/wrapper.fcgi \
	etc/nats-server.conf etc/collectd.conf etc/telegraf.conf etc/prometheus.yml etc/prometheus-rules.yml \
	etc/grafana-datasource.yml etc/grafana-dashboard.json etc/hourfold.sh
examplesdir = $(docdir)/examples
nodist_examples_DATA = etc/examples/lighttpd.conf etc/examples/apache-mod_fcgid.conf \
	etc/examples/apache-mod_proxy_fcgi.conf etc/examples/htaccess etc/examples/wrapper.fcgi \
	etc/examples/nats-server.conf etc/examples/collectd.conf etc/examples/telegraf.conf etc/examples/prometheus.yml \
	etc/examples/prometheus-rules.yml etc/examples/grafana-datasource.yml etc/examples/grafana-dashboard.json \
	etc/examples/hourfold.sh
CLEANFILES += $(nodist_examples_DATA)

# [@] keeps configure from filling in the names here.
etc/examples/%: etc/% Makefile
	$(AM_V_GEN)$(MKDIR_P) etc/examples && sed -e '/^#$$/{N;/To fill in/d;}' -e '/^#   [@][a-z]*[@] /d' \
	  -e 's|[@]libexecdir@|$(pkglibexecdir)|g' -e 's|[@]sysconfdir@|$(pkgsysconfdir)|g' \
	  -e 's|[@]rundir@|$(runstatedir)/hourfold|g' -e 's|[@]localstatedir@|$(localstatedir)/lib/hourfold|g' \
	  -e 's|[@]port@|4222|g' -e 's|[@]storelimit@|50GB|g' -e 's|[@]url@|http://127.0.0.1:8080|g' -e 's|[@]address@|127.0.0.1:8080|g' \
	  $(srcdir)/etc/$* >$@.tmp && mv $@.tmp $@

# Other files with the directories of this installation in them.
systemd_units = etc/systemd/hourfold.target etc/systemd/hourfold-nats.service etc/systemd/hourfold-consumer.service \
	etc/systemd/hourfold-collect.service etc/systemd/hourfold-collect.socket etc/systemd/hourfold-query.service \
	etc/systemd/hourfold-query.socket
edited = etc/hourfold.conf etc/sysusers.d/hourfold.conf etc/tmpfiles.d/hourfold.conf etc/apache2/hourfold.conf \
	etc/lighttpd/50-hourfold.conf $(systemd_units)
EXTRA_DIST += $(edited:=.in)
CLEANFILES += $(edited)
$(edited): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(edit_paths) $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@

# ---- what systemd reads ----

if WITH_SYSTEMDSYSTEMUNITDIR
nodist_systemdsystemunit_DATA = $(systemd_units)
endif
if WITH_SYSUSERSDIR
nodist_sysusers_DATA = etc/sysusers.d/hourfold.conf
endif
if WITH_TMPFILESDIR
nodist_tmpfiles_DATA = etc/tmpfiles.d/hourfold.conf
endif

# ---- completion ----

# bash looks for a file of the command's name.
EXTRA_DIST += etc/bash-completion/hourfold
CLEANFILES += etc/bash-completion/hourfold-consumer
if WITH_BASHCOMPLETIONDIR
bashcompletion_DATA = etc/bash-completion/hourfold
nodist_bashcompletion_DATA = etc/bash-completion/hourfold-consumer
endif
etc/bash-completion/hourfold-consumer: etc/bash-completion/hourfold
	$(AM_V_GEN)$(MKDIR_P) $(@D) && cp $(srcdir)/etc/bash-completion/hourfold $@

# ---- the configuration ----

# What an administrator may change: a file that is there already stays, and one that was changed is not removed.
config_files = $(pkgsysconfdir)/hourfold.conf=etc/system/hourfold.conf $(pkgsysconfdir)/nats-server.conf=etc/examples/nats-server.conf
nodist_noinst_DATA = etc/hourfold.conf etc/system/hourfold.conf
CLEANFILES += etc/system/hourfold.conf
if WITH_APACHECONFDIR
config_files += $(apacheconfdir)/hourfold.conf=etc/apache2/hourfold.conf
nodist_noinst_DATA += etc/apache2/hourfold.conf
endif
if WITH_LIGHTTPDCONFDIR
config_files += $(lighttpdconfdir)/50-hourfold.conf=etc/lighttpd/50-hourfold.conf
nodist_noinst_DATA += etc/lighttpd/50-hourfold.conf
endif

# As the units have it: with a spool.
etc/system/hourfold.conf: etc/hourfold.conf
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed 's|^#spool =.*|spool = $(localstatedir)/lib/hourfold/spool|' etc/hourfold.conf >$@.tmp && mv $@.tmp $@

install-data-local: $(nodist_noinst_DATA) etc/examples/nats-server.conf
	@for pair in $(config_files); do \
	  to="$(DESTDIR)$${pair%%=*}"; from=$${pair#*=}; \
	  $(MKDIR_P) "$${to%/*}" || exit; \
	  if cmp -s "$$from" "$$to"; then :; \
	  elif test -e "$$to"; then \
	    echo "keeping $$to; this version's is $$to.new"; \
	    $(INSTALL_DATA) "$$from" "$$to.new" || exit; \
	  else \
	    echo " $(INSTALL_DATA) $$from $$to"; \
	    $(INSTALL_DATA) "$$from" "$$to" || exit; \
	  fi; \
	done
uninstall-local: $(nodist_noinst_DATA) etc/examples/nats-server.conf
	@for pair in $(config_files); do \
	  to="$(DESTDIR)$${pair%%=*}"; from=$${pair#*=}; \
	  rm -f "$$to.new"; \
	  if cmp -s "$$from" "$$to"; then \
	    echo " rm -f $$to"; \
	    rm -f "$$to"; \
	  elif test -e "$$to"; then \
	    echo "keeping $$to, which was changed"; \
	  fi; \
	done
# Directories that are ours alone, when nothing is left in them.
uninstall-hook:
	@for folder in '$(pkgsysconfdir)' '$(pkglibexecdir)' '$(examplesdir)' '$(docdir)' '$(pagesdir)' '$(pkgdatadir)'; do \
	  rmdir "$(DESTDIR)$$folder" 2>/dev/null || :; \
	done

# ---- manual pages ----

nodist_man_MANS += etc/hourfold.conf.5 etc/hourfold-hosting.7 fcgi/hourfold-collect.8 fcgi/hourfold-query.8 consumer/hourfold-consumer.8 \
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
