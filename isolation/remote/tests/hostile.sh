#!/bin/sh
# The VM against a worker that does not keep to the protocol. HOSTILE_SECONDS: of random misdeeds. TAP.
: "${srcdir:=.}" "${builddir:=.}" "${BULKHEAD:=./bulkhead}" "${ERLC:=erlc}" "${HOSTILE_SECONDS:=2}"
dir=${KEEP:-$(mktemp -d)} || exit 1
[ -n "$KEEP" ] || trap 'rm -rf "$dir"' EXIT
"$ERLC" -o "$dir" "$srcdir/isolation/remote/tests/hostile_tests.erl" || exit 1
BULKHEAD_WORKER=$builddir/isolation/remote/tests/hostile_worker
export BULKHEAD_WORKER
"$BULKHEAD" run "$dir/hostile_tests.beam" "$dir/hostile" "$HOSTILE_SECONDS" 2> "$dir/reports" ||
    { echo "Bail out! exit status $?"; sed 's/^/# /' "$dir/reports" | tail -40; }
