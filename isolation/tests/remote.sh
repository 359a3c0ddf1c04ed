#!/bin/sh
# Libraries in workers as Erlang sees them, in every mode: remote_tests.erl prints TAP.
. "${srcdir:=.}/tools/tap.sh"
tests=$srcdir/isolation/tests
library remote_tests_nif "$tests/libs/remote_tests_nif.c"
for version in 1 2; do
    library remote_loads_$version "$tests/libs/remote_loads_nif.c" -DVERSION=$version
done
modules "$tests/remote_tests.erl" "$tests/remote_worker_tests.erl" "$tests/remote_term_tests.erl" "$tests/remote_loads.erl"
run_tap "$dir/remote_tests.beam" "$dir" "$BULKHEAD" "$@"
