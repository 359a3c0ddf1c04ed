#!/bin/sh
# The VM against a worker that does not keep to the protocol. HOSTILE_SECONDS: of random misdeeds. TAP.
. "${srcdir:=.}/tools/tap.sh"
modules "$srcdir/isolation/remote/tests/hostile_tests.erl"
BULKHEAD_WORKER=$builddir/isolation/remote/tests/hostile_worker
export BULKHEAD_WORKER
run_tap "$dir/hostile_tests.beam" "$dir/hostile" "${HOSTILE_SECONDS:-2}"
