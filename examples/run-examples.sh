#!/bin/sh
# Runs every example and compares what it prints with expected/NAME. TAP.
# environment: srcdir, builddir, BULKHEAD
set -u
expected=$srcdir/examples/expected
n=0
failed=0

# check NAME ARG...: `bulkhead run NAME.beam ARG...` must end with 0 and print expected/NAME
check()
{
    name=$1
    shift
    n=$((n + 1))
    out=$(mktemp)
    timeout 120 "$BULKHEAD" run "$builddir/examples/$name.beam" "$@" >"$out" 2>"$out.err"
    status=$?
    if [ $status = 0 ] && diff -u "$expected/$name" "$out" >"$out.diff"; then
        echo "ok $n - example $name"
    else
        echo "not ok $n - example $name (exit status $status)"
        sed 's/^/# /' "$out.diff" "$out.err"
        failed=1
    fi
    rm -f "$out" "$out.err" "$out.diff"
}

echo 1..6
check hello Joe Mike Robert
check ring 1000 100
check bank
check json "$srcdir/examples/capitals.json"
check gallery
check phoenix
exit $failed
