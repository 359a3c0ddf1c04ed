# Terms, and the heaps they are on.
libcore_a_SOURCES += \
  vm/core/term.c vm/core/term.h \
  vm/core/atom.c vm/core/atom.h vm/core/atoms.def \
  vm/core/fun.c vm/core/fun.h \
  vm/core/ref.h vm/core/resource.h vm/core/shared_root.h \
  vm/core/heap.c vm/core/heap.h vm/core/gc.c vm/core/offheap.c \
  vm/core/heap_map.c vm/core/heap_map.h vm/core/heap_verify.c vm/core/word_kind.c vm/core/word_kind.h \
  vm/core/copy.c vm/core/copy.h vm/core/literal.c vm/core/literal.h
# What is done with any term.
libcore_a_SOURCES += \
  vm/core/worklist.c vm/core/worklist.h \
  vm/core/compare.c vm/core/compare.h vm/core/equal.c \
  vm/core/hash.c vm/core/hash_parts.h vm/core/phash.c \
  vm/core/print.c vm/core/print.h vm/core/compress.c vm/core/compress.h \
  vm/core/etf.h vm/core/etf_ext.h vm/core/etf_leaf.h vm/core/etf_tags.h \
  vm/core/etf_decode.c vm/core/etf_decode_leaf.c vm/core/etf_decoder.h \
  vm/core/etf_encode.c vm/core/etf_encode_leaf.c vm/core/etf_encoder.h
# What is done with terms of one kind.
libcore_a_SOURCES += \
  vm/core/arith.c vm/core/arith.h vm/core/arith_compare.c vm/core/bignum.c vm/core/bignum.h \
  vm/core/float_powers.h vm/core/float_text.c vm/core/float_text.h \
  vm/core/bits.c vm/core/bits.h vm/core/bits_build.c vm/core/bits_match.c \
  vm/core/chars.c vm/core/chars.h vm/core/iolist.c vm/core/iolist.h \
  vm/core/map.c vm/core/map.h vm/core/map_hamt.c vm/core/map_internal.h

core_tests = vm/core/tests/core_test.h
check_PROGRAMS += \
  vm/core/tests/check_arith vm/core/tests/check_atom vm/core/tests/check_bits vm/core/tests/check_compare \
  vm/core/tests/check_copy vm/core/tests/check_etf vm/core/tests/check_etf_crossing vm/core/tests/check_foreign \
  vm/core/tests/check_hash vm/core/tests/check_heap vm/core/tests/check_heap_map vm/core/tests/check_literal \
  vm/core/tests/check_map vm/core/tests/check_print
vm_core_tests_check_arith_SOURCES = vm/core/tests/check_arith.c $(core_tests) vm/core/tests/number_vectors.h
vm_core_tests_check_atom_SOURCES = vm/core/tests/check_atom.c $(core_tests)
vm_core_tests_check_bits_SOURCES = vm/core/tests/check_bits.c $(core_tests) vm/core/tests/number_vectors.h
vm_core_tests_check_compare_SOURCES = vm/core/tests/check_compare.c $(core_tests) vm/core/tests/term_vectors.h
vm_core_tests_check_copy_SOURCES = vm/core/tests/check_copy.c
vm_core_tests_check_etf_SOURCES = vm/core/tests/check_etf.c $(core_tests) vm/core/tests/term_vectors.h
vm_core_tests_check_etf_crossing_SOURCES = vm/core/tests/check_etf_crossing.c $(core_tests) vm/core/tests/term_vectors.h
vm_core_tests_check_foreign_SOURCES = vm/core/tests/check_foreign.c
vm_core_tests_check_hash_SOURCES = vm/core/tests/check_hash.c $(core_tests) vm/core/tests/term_vectors.h
vm_core_tests_check_heap_SOURCES = vm/core/tests/check_heap.c
vm_core_tests_check_heap_map_SOURCES = vm/core/tests/check_heap_map.c $(core_tests)
vm_core_tests_check_literal_SOURCES = vm/core/tests/check_literal.c
vm_core_tests_check_map_SOURCES = vm/core/tests/check_map.c $(core_tests)
vm_core_tests_check_print_SOURCES = vm/core/tests/check_print.c $(core_tests) vm/core/tests/number_vectors.h
EXTRA_DIST += vm/core/tests/make_number_vectors.erl vm/core/tests/make_term_vectors.erl
