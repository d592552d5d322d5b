# tests in a browser: Debian's Chromium, headless
EXTRA_DIST += tests/browser/chromium.py
