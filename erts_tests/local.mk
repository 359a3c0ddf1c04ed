# Conformance: the same modules on OTP and here, compared case by case.
erts_tests_erl = erts_tests/t.erl erts_tests/number_tests.erl erts_tests/term_tests.erl \
  erts_tests/bit_tests.erl erts_tests/exception_tests.erl erts_tests/map_tests.erl \
  erts_tests/process_tests.erl
erts_tests_beams = $(erts_tests_erl:.erl=.beam)
EXTRA_DIST += $(erts_tests_erl) erts_tests/run-conformance.sh
CLEANFILES += $(erts_tests_beams)
check_DATA += $(erts_tests_beams)
TESTS += erts_tests/run-conformance.sh
