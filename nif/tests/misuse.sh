#!/bin/sh
# Runs misuse.erl, which prints TAP.
: "${srcdir:=.}" "${BULKHEAD:=./bulkhead}" "${ERLC:=erlc}" "${CC:=cc}"
dir=${KEEP:-$(mktemp -d)} || exit 1
[ -n "$KEEP" ] || trap 'rm -rf "$dir"' EXIT
$CC -O1 -g -w -fPIC -shared "-I$srcdir/nif" -o "$dir/misuse.so" "$srcdir/nif/tests/libs/misuse.c" || exit 1
"$ERLC" -o "$dir" "$srcdir/nif/tests/misuse.erl" || exit 1
"$BULKHEAD" run --isolation in_process "$dir/misuse.beam" "$dir" 2> "$dir/reports"
status=$?
[ $status -eq 0 ] || { echo "Bail out! exit status $status"; tail -n 20 "$dir/reports" | sed 's/^/# /'; }
