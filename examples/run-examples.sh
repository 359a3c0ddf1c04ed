#!/bin/sh
# Runs every example and compares what it prints with expected/NAME. TAP.
# environment: SANITIZED: not empty in a build with a sanitizer
set -u
. "${srcdir:=.}/tools/tap.sh"
expected=$srcdir/examples/expected

# check NAME ARG...: `bulkhead run NAME.beam ARG...` must end with 0 and print $expected/NAME
check() {
    example=$1
    shift
    timeout -k 10 600 "$BULKHEAD" run "$builddir/examples/$example.beam" "$@" >"$dir/out" 2>"$dir/err"
    status=$?
    diff -u "$expected/$example" "$dir/out" >"$dir/diff" && [ $status = 0 ]
    ok "example $example (exit status $status)" $? "$dir/diff" "$dir/err"
}

check hello Joe Mike Robert
check ring 1000 100
check bank
check json "$srcdir/examples/capitals.json"
if [ -z "${SANITIZED-}" ]; then
    check gallery
else # its heap ends the program where something is freed twice
    grep -v '^free twice' "$expected/gallery" | sed 's/^11 misdeeds/10 misdeeds/' >"$dir/gallery"
    expected=$dir
    check gallery null_write wild_jump divide_by_zero overflow_stack abort failed_assert panic endless_loop exit_process destructor
    expected=$srcdir/examples/expected
fi
check phoenix
done_testing
