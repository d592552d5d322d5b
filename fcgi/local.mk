EXTRA_DIST += fcgi/.may_include
