libbulkhead_a_SOURCES += \
  vm/core/arith.h vm/core/atom.h vm/core/atoms.def vm/core/bits.h vm/core/compare.h vm/core/copy.h \
  vm/core/etf.h vm/core/fun.h vm/core/heap.h vm/core/map.h vm/core/print.h vm/core/term.c vm/core/term.h
