# tests of integration: the whole system with real servers. HF_TEST_FULL=1 asks for the long forms.
INTEGRATION_TESTS +=
EXTRA_DIST += tests/integration/client.py tests/integration/rig.py tests/integration/tap.py tests/integration/truth.py \
	tests/integration/web.py
