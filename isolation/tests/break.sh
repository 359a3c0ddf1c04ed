#!/bin/sh
# Misuse and bad luck in every worker mode: break_tests.erl prints TAP.
: "${srcdir:=.}" "${builddir:=.}" "${BULKHEAD:=./bulkhead}" "${ERLC:=erlc}" "${CC:=cc}"
dir=${KEEP:-$(mktemp -d)} || exit 1
[ -n "$KEEP" ] || trap 'rm -rf "$dir"' EXIT
src=$srcdir/isolation/tests
$CC -O1 -g -fPIC -shared "-I$srcdir/nif" -o "$dir/break_tests_nif.so" "$src/libs/break_tests_nif.c" -lpthread || exit 1
"$ERLC" -o "$dir" "$src/break_tests.erl" || exit 1
"$BULKHEAD" run "$dir/break_tests.beam" "$dir" "$@" 2> "$dir/reports" ||
    { echo "Bail out! exit status $?"; sed 's/^/# /' "$dir/reports" | tail -20; }
