# The gallery of `bulkhead matrix`: NIF libraries, built as their authors would and installed beside the
# VM's modules (lib/erl/bulkhead_matrix*.erl).
matrix_c = lib/matrix/matrix_nif.c lib/matrix/misdeed_endless.c lib/matrix/misdeed_fault.c \
  lib/matrix/misdeed_memory.c lib/matrix/misdeed_process.c
matrix_libraries = lib/priv/matrix_nif.so lib/priv/matrix_cxx_nif.so lib/priv/matrix_gap_nif.so
EXTRA_DIST += $(matrix_c) lib/matrix/misdeeds.h lib/matrix/misdeeds.def lib/matrix/matrix_cxx_nif.cc \
  lib/matrix/matrix_gap_nif.c
CLEANFILES += $(matrix_libraries)
matrixlibdir = $(erlmoddir)/../priv
matrixlib_DATA = $(matrix_libraries)

matrix_cc = $(MKDIR_P) $(@D) && $(CC) -std=gnu11 -g -O1 -Wall -Wextra -shared -fPIC -fmacro-prefix-map=$(srcdir)/lib/matrix/= \
  -I$(srcdir)/nif
lib/priv/matrix_nif.so: $(matrix_c) lib/matrix/misdeeds.h lib/matrix/misdeeds.def
	$(AM_V_CC)$(matrix_cc) -o $@ $(matrix_c:%=$(srcdir)/%) -lpthread
lib/priv/matrix_gap_nif.so: lib/matrix/matrix_gap_nif.c
	$(AM_V_CC)$(matrix_cc) -o $@ $(srcdir)/lib/matrix/matrix_gap_nif.c
# Without a C++ compiler an empty file: that misdeed is left out.
lib/priv/matrix_cxx_nif.so: lib/matrix/matrix_cxx_nif.cc
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { c++ -O1 -g -fPIC -shared -I$(srcdir)/nif -o $@ $(srcdir)/lib/matrix/matrix_cxx_nif.cc 2>/dev/null || : > $@; }

TESTS += lib/matrix/tests/matrix.sh
EXTRA_DIST += lib/matrix/tests/matrix.sh
