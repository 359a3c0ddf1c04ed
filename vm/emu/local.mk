# The dispatch loop is compiled with flags of its own.
libinterp_a_SOURCES += vm/emu/interp.c vm/emu/interp_parts.h vm/emu/arith_fast.h vm/emu/interp_data.inc \
  vm/emu/interp_calls.inc vm/emu/interp_numbers.inc vm/emu/interp_control.inc vm/emu/interp_bits.inc
libbulkhead_a_SOURCES += vm/emu/nif_host.c vm/emu/nif_host.h vm/emu/native.c vm/emu/native.h vm/emu/native_report.c \
  vm/emu/native_policy.c vm/emu/bif_isolation.c
# Only in the executable: the command line.
bulkhead_SOURCES += vm/emu/main.c vm/emu/boot.c vm/emu/boot.h vm/emu/cli.c vm/emu/cli.h vm/emu/cli_disasm.c \
  vm/emu/archive.c vm/emu/archive.h vm/emu/code_cache.c vm/emu/code_cache.h \
  vm/emu/cli_info.c vm/emu/cli_matrix.c vm/emu/cli_run.c vm/emu/source.c vm/emu/source.h
libbulkhead_a_SOURCES += \
  vm/emu/emit.c vm/emu/emit.h vm/emu/emit_bits.c vm/emu/emit_call.c vm/emu/emit_data.c vm/emu/emit_move.c vm/emu/emit_test.c \
  vm/emu/backtrace.c vm/emu/exception.c \
  vm/emu/interp.h vm/emu/ops.def vm/emu/ops_arith.c vm/emu/ops_bits.c vm/emu/ops_build.c vm/emu/ops_call.c \
  vm/emu/ops_map.c vm/emu/ops_tuple.c
check_PROGRAMS += vm/emu/tests/check_interp
vm_emu_tests_check_interp_SOURCES = vm/emu/tests/check_interp.c
TESTS += vm/emu/tests/cli.sh vm/emu/tests/limits.sh
EXTRA_DIST += vm/emu/tests/cli.sh vm/emu/tests/limits.sh
