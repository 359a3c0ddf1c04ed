# Conformance: the same modules on OTP and here, compared case by case.
erts_tests_erl = erts_tests/t.erl erts_tests/number_tests.erl erts_tests/term_tests.erl erts_tests/bit_tests.erl \
  erts_tests/exception_tests.erl erts_tests/map_tests.erl erts_tests/code_tests.erl erts_tests/code_target.erl \
  erts_tests/code_onload.erl erts_tests/code_handler.erl erts_tests/code_own_handler.erl erts_tests/logger_tests.erl \
  erts_tests/native_tests.erl erts_tests/packet_tests.erl erts_tests/re_tests.erl erts_tests/text_tests.erl \
  erts_tests/process_tests.erl erts_tests/signal_tests.erl erts_tests/system_tests.erl erts_tests/port_tests.erl \
  erts_tests/nif_tests.erl erts_tests/ets_tests.erl erts_tests/literal_tests.erl erts_tests/literal_target.erl \
  erts_tests/unoptimised_target.erl erts_tests/os_signal_tests.erl
erts_tests_beams = $(erts_tests_erl:.erl=.beam)
EXTRA_DIST += $(erts_tests_erl) erts_tests/run-conformance.sh erts_tests/nif_tests_nif.c
CLEANFILES += $(erts_tests_beams) erts_tests/nif_tests_nif.so
check_DATA += $(erts_tests_beams) erts_tests/nif_tests_nif.so
TESTS += erts_tests/run-conformance.sh erts_tests/stop.sh erts_tests/elixir.sh erts_tests/libraries.sh
EXTRA_DIST += erts_tests/stop.sh erts_tests/stop_app.erl
EXTRA_DIST += erts_tests/libraries.sh erts_tests/library_tests.erl erts_tests/elixir.sh erts_tests/elixir/script.exs \
  erts_tests/elixir/tests.exs erts_tests/elixir/crash.exs erts_tests/elixir/crash_nif.c

# A differential fuzzer: random programs and calls must come out as on OTP. `make check` runs a few seeds, `make fuzz-otp` new ones.
diff_erl = erts_tests/diff/diff.erl erts_tests/diff/diff_args.erl erts_tests/diff/diff_call.erl erts_tests/diff/diff_etf.erl \
  erts_tests/diff/diff_ets.erl erts_tests/diff/diff_expr.erl erts_tests/diff/diff_module.erl erts_tests/diff/diff_pattern.erl \
  erts_tests/diff/diff_rand.erl erts_tests/diff/diff_re.erl erts_tests/diff/diff_run.erl erts_tests/diff/diff_shrink.erl \
  erts_tests/diff/diff_sides.erl erts_tests/diff/diff_term.erl erts_tests/diff/diff_text.erl erts_tests/diff/diff_type.erl
diff_beams = $(diff_erl:.erl=.beam)
EXTRA_DIST += $(diff_erl) erts_tests/diff.sh
CLEANFILES += $(diff_beams)
check_DATA += $(diff_beams)
TESTS += erts_tests/diff.sh
.PHONY: fuzz-otp
fuzz-otp: bulkhead bulkhead-worker $(erl_beams) $(diff_beams)
	$(AM_TESTS_ENVIRONMENT) FUZZ_SECONDS=$(FUZZ_SECONDS) sh $(srcdir)/erts_tests/diff.sh

# Long runs, not part of `make check`.
soak_files = erts_tests/soak.beam erts_tests/soak_nif.so \
  erts_tests/soak_workers.beam erts_tests/soak_killer.beam erts_tests/soak_killer_nif.so
EXTRA_DIST += erts_tests/soak.erl erts_tests/soak_nif.c erts_tests/soak_workers.erl erts_tests/soak_killer.erl \
  erts_tests/soak_killer_nif.c
CLEANFILES += $(soak_files)
.PHONY: soak
soak: bulkhead bulkhead-worker $(erl_beams) $(soak_files)
	BULKHEAD_LIB=lib/erl ./bulkhead run erts_tests/soak.beam $(SOAK_CRASHES) 2>/dev/null
	BULKHEAD_LIB=lib/erl ./bulkhead run erts_tests/soak_workers.beam $(SOAK_WORKER_CRASHES) 2>/dev/null
