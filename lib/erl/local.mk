# Erlang modules shipped with the VM.
erl_sources = lib/erl/bulkhead.erl lib/erl/bulkhead_lazy.erl lib/erl/bulkhead_user.erl lib/erl/init.erl \
  lib/erl/logger.erl lib/erl/bulkhead_logger_h.erl lib/erl/isolation.erl lib/erl/code.erl lib/erl/error_handler.erl \
  lib/erl/ram_file.erl lib/erl/bulkhead_matrix.erl lib/erl/bulkhead_matrix_cell.erl \
  lib/erl/bulkhead_matrix_gallery.erl lib/erl/bulkhead_matrix_page.erl lib/erl/bulkhead_matrix_print.erl \
  lib/erl/bulkhead_matrix_nif.erl lib/erl/bulkhead_matrix_cxx_nif.erl lib/erl/bulkhead_matrix_gap_nif.erl
erl_beams = $(erl_sources:.erl=.beam)
erlmod_DATA += $(erl_beams)
EXTRA_DIST += $(erl_sources)
CLEANFILES += $(erl_beams)
SUFFIXES = .erl .beam
.erl.beam:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(ERLC) +deterministic +debug_info -o $(@D) $<
