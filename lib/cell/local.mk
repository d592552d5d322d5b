EXTRA_DIST += lib/cell/.may_include
lib_libhourfold_a_SOURCES += \
	lib/cell/bands.c lib/cell/buckets.c lib/cell/buckets.h \
	lib/cell/cell.c lib/cell/cell.h lib/cell/cell_impl.h \
	lib/cell/encode.c \
	lib/cell/form.c lib/cell/form.h \
	lib/cell/key.h \
	lib/cell/limbs.c lib/cell/limbs.h \
	lib/cell/stat.c \
	lib/cell/sums.c lib/cell/sums.h \
	lib/cell/wide.h
