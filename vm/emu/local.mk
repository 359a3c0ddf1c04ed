# The dispatch loop is compiled with flags of its own.
libinterp_a_SOURCES +=
libbulkhead_a_SOURCES +=
# Only in the executable: the command line.
bulkhead_SOURCES += vm/emu/main.c
