libbulkhead_a_SOURCES += \
  vm/code/beam_file.h vm/code/code.h vm/code/gen.h vm/code/module.h
