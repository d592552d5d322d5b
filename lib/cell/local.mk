EXTRA_DIST += lib/cell/.may_include
lib_libhourfold_a_SOURCES += \
	lib/cell/cell.h
