# tests in a browser: Debian's Chromium, headless
EXTRA_DIST += tests/browser/chromium.py tests/browser/accessible.py
INTEGRATION_TESTS += tests/browser/pages_test.py
