libbulkhead_a_SOURCES += \
  vm/bif/bif.c vm/bif/bif.h vm/bif/bifs.def
