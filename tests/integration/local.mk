# tests of integration: the whole system with real servers. Longer forms: HF_TEST_FULL=1 (a million samples through each web
# server), HF_TEST_COLLECTD_S; HF_TEST_KEEP=1 leaves a test's folder behind.
INTEGRATION_TESTS += tests/integration/bad_input_test.py tests/integration/clients_test.py tests/integration/collectd_test.py \
	tests/integration/hosting_test.py tests/integration/install_test.py tests/integration/path_test.py \
	tests/integration/quickstart_test.py tests/integration/rate_test.py tests/integration/readme_test.py \
	tests/integration/shell_test.py

# Those that inject faults. make check runs their short forms.
INTEGRATION_FAULT_TESTS = tests/integration/accounting_test.py tests/integration/backlog_test.py \
	tests/integration/cardinality_test.py tests/integration/disk_full_test.py tests/integration/graceful_test.py \
	tests/integration/kill_test.py tests/integration/overload_test.py tests/integration/slow_test.py \
	tests/integration/spool_test.py tests/integration/store_full_test.py tests/integration/stream_test.py \
	tests/integration/torn_test.py
INTEGRATION_TESTS += $(INTEGRATION_FAULT_TESTS)
FAULT_TESTS += $(INTEGRATION_FAULT_TESTS)

EXTRA_DIST += tests/integration/prometheus-rules-test.yml tests/integration/telegraf/batch.http tests/integration/telegraf/gzip.http \
	tests/integration/telegraf/json.http tests/integration/telegraf/metrics.json
EXTRA_DIST += $(INTEGRATION_TESTS) tests/integration/bad_input_table.py tests/integration/check_faults.py \
	tests/integration/client.py tests/integration/faults.py tests/integration/ledger.py tests/integration/nats.py tests/integration/nats_auth.py \
	tests/integration/rig.py tests/integration/tap.py tests/integration/truth.py tests/integration/web.py

# The full forms of all tests of faults, one after another, for hours; a table of what came of them at the end. HF_TEST_FAULTS="kill
# disk" chooses by words in their names, HF_TEST_SEED repeats a run; each test says what else can be set.
check-faults: all $(filter-out %.py,$(FAULT_TESTS))
	@srcdir='$(abs_top_srcdir)' builddir='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	  $(PYTHON3) $(srcdir)/tests/integration/check_faults.py $(FAULT_TESTS)
.PHONY: check-faults
clean-local:
	rm -rf faults

check_PROGRAMS += tests/integration/load
tests_integration_load_SOURCES = tests/integration/load.c
check-faults: tests/integration/load

# README.md's installation on a minimal Debian 12 that boots: minutes, as root, with packages from Debian.
EXTRA_DIST += tests/integration/check_install.py
check-install: dist
	srcdir='$(abs_top_srcdir)' builddir='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	  $(PYTHON3) $(srcdir)/tests/integration/check_install.py
.PHONY: check-install
