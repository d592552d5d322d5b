EXTRA_DIST += consumer/.may_include
