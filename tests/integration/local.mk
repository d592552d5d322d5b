# tests of integration: the whole system with real servers. Longer forms: HF_TEST_FULL=1 (a million samples through each web
# server), HF_TEST_COLLECTD_S, HF_TEST_RESTARTS, HF_TEST_KILLS; HF_TEST_KEEP=1 leaves a test's folder behind.
INTEGRATION_TESTS += tests/integration/backlog_test.py tests/integration/bad_input_test.py tests/integration/cardinality_test.py tests/integration/collectd_test.py tests/integration/disk_full_test.py \
	tests/integration/graceful_test.py tests/integration/kill_test.py tests/integration/path_test.py \
	tests/integration/quickstart_test.py tests/integration/readme_test.py tests/integration/spool_test.py
EXTRA_DIST += $(INTEGRATION_TESTS) tests/integration/bad_input_table.py tests/integration/client.py \
	tests/integration/faults.py tests/integration/ledger.py tests/integration/nats.py tests/integration/rig.py tests/integration/tap.py \
	tests/integration/truth.py tests/integration/web.py

# 100 kill -9 each of the consumer, of nats-server, of the web server, of readers and of collect, with a spool and without; fewer with mod_fcgid. The seed is printed; HF_TEST_SEED repeats it.
check-kill: all
	srcdir='$(abs_top_srcdir)' builddir='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 HF_TEST_FULL=1 \
	  $(PYTHON3) $(srcdir)/tests/integration/kill_test.py
.PHONY: check-kill

# Outages of 10 s and 3 min (longer than JetStream's own duplicate window), 5 of the short ones, with kills meanwhile and during the
# drain.
check-spool: all
	srcdir='$(abs_top_srcdir)' builddir='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	  HF_TEST_OUTAGES=10,10,10,10,180,10 $(PYTHON3) $(srcdir)/tests/integration/spool_test.py
.PHONY: check-spool
