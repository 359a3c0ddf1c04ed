#!/bin/sh
# Libraries in workers as Erlang sees them, in every mode: remote_tests.erl prints TAP.
: "${srcdir:=.}" "${builddir:=.}" "${BULKHEAD:=./bulkhead}" "${ERLC:=erlc}" "${CC:=cc}"
dir=${KEEP:-$(mktemp -d)} || exit 1
[ -n "$KEEP" ] || trap 'rm -rf "$dir"' EXIT
src=$srcdir/isolation/tests
cc="$CC -O1 -g -fPIC -shared -I$srcdir/nif"
$cc -o "$dir/remote_tests_nif.so" "$src/libs/remote_tests_nif.c" -lpthread || exit 1
for version in 1 2; do
    $cc -DVERSION=$version -o "$dir/remote_loads_$version.so" "$src/libs/remote_loads_nif.c" || exit 1
done
"$ERLC" -o "$dir" "$src/remote_tests.erl" "$src/remote_loads.erl" || exit 1
"$BULKHEAD" run "$dir/remote_tests.beam" "$dir" "$BULKHEAD" "$@" 2> "$dir/reports" ||
    { echo "Bail out! exit status $?"; sed 's/^/# /' "$dir/reports" | tail -20; }
