# tests in a browser: Debian's Chromium, headless. Longer forms: HF_TEST_FULL=1.
BROWSER_TESTS = tests/browser/boomerang_test.py tests/browser/hourfold_js_test.py tests/browser/pages_test.py
INTEGRATION_TESTS += $(BROWSER_TESTS)
EXTRA_DIST += tests/browser/accessible.py tests/browser/chromium.py tests/browser/front.py tests/browser/pages_bench.py
# What boomerang_test.py fetched.
CLEANFILES += tests/browser/boomerangjs-1.815.1.tgz
