# tests of integration: the whole system with real servers. HF_TEST_FULL=1 asks for the long forms.
EXTRA_DIST += tests/integration/bad_input_table.py tests/integration/client.py tests/integration/ledger.py \
	tests/integration/rig.py tests/integration/tap.py tests/integration/truth.py tests/integration/web.py \
	tests/integration/bad_input_test.py tests/integration/collectd_test.py tests/integration/graceful_test.py \
	tests/integration/kill_test.py tests/integration/path_test.py
