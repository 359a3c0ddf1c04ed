libbulkhead_a_SOURCES += \
  vm/ets/bif_ets.c vm/ets/bif_ets.h vm/ets/bif_ets_info.c vm/ets/bif_ets_select.c vm/ets/bif_ets_table.c \
  vm/ets/bif_ets_update.c \
  vm/ets/ets.h vm/ets/ets_contents.c vm/ets/ets_hash.c vm/ets/ets_object.c vm/ets/ets_table.c vm/ets/ets_tree.c \
  vm/ets/match_compile.c vm/ets/match_internal.h vm/ets/match_keys.c vm/ets/match_run.c vm/ets/match_spec.h
check_PROGRAMS += vm/ets/tests/check_ets
vm_ets_tests_check_ets_SOURCES = vm/ets/tests/check_ets.c
