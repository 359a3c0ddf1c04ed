# The dispatch loop is compiled with flags of its own.
libinterp_a_SOURCES +=
libbulkhead_a_SOURCES += vm/emu/nif_host.c vm/emu/nif_host.h
# Only in the executable: the command line.
bulkhead_SOURCES += vm/emu/main.c vm/emu/boot.c vm/emu/boot.h vm/emu/cli.c vm/emu/cli.h vm/emu/cli_disasm.c \
  vm/emu/cli_info.c vm/emu/cli_run.c vm/emu/source.c vm/emu/source.h
