libbulkhead_a_SOURCES += \
  vm/code/beam_chunk.c vm/code/beam_file.c vm/code/beam_file.h vm/code/beam_parser.h vm/code/beam_tables.c vm/code/beam_terms.c \
  vm/code/code.c vm/code/code.h vm/code/code_path.c vm/code/module.c vm/code/module.h \
  vm/code/disasm.c vm/code/disasm.h vm/code/opcode.c vm/code/opcode.h vm/code/opcodes.def \
  vm/code/gen.h vm/code/gen_decode.c vm/code/gen_internal.h \
  vm/code/gen_validate.c vm/code/gen_validate.h vm/code/gen_validate_bits.c vm/code/gen_validate_data.c \
  vm/code/gen_validate_flow.c vm/code/gen_validate_loops.c vm/code/gen_validate_merge.c vm/code/gen_validate_regs.c
check_PROGRAMS += vm/code/tests/check_beam_file vm/code/tests/check_gen vm/code/tests/check_module
vm_code_tests_check_beam_file_SOURCES = vm/code/tests/check_beam_file.c vm/code/tests/code_test.h
vm_code_tests_check_gen_SOURCES = vm/code/tests/check_gen.c vm/code/tests/code_test.h
vm_code_tests_check_module_SOURCES = vm/code/tests/check_module.c vm/code/tests/code_test.h
