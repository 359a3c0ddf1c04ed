#!/bin/sh
# Runs every example and compares what it prints with expected/NAME. TAP.
# environment: srcdir, builddir, BULKHEAD; SANITIZED: not empty in a build with a sanitizer
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
    timeout 600 "$BULKHEAD" run "$builddir/examples/$name.beam" "$@" >"$out" 2>"$out.err"
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
if [ -z "${SANITIZED-}" ]; then
    check gallery
else # its heap ends the program where something is freed twice
    mine=$(mktemp -d)
    grep -v '^free twice' "$expected/gallery" | sed 's/^11 misdeeds/10 misdeeds/' >"$mine/gallery"
    expected=$mine
    check gallery null_write wild_jump divide_by_zero overflow_stack abort failed_assert panic endless_loop exit_process destructor
    expected=$srcdir/examples/expected
    rm -r "$mine"
fi
check phoenix
exit $failed
