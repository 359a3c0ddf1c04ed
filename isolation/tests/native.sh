#!/bin/sh
# Native calls as Erlang sees them: native_tests.erl prints TAP.
: "${srcdir:=.}" "${builddir:=.}" "${BULKHEAD:=./bulkhead}" "${ERLC:=erlc}" "${CC:=cc}"
dir=${KEEP:-$(mktemp -d)} || exit 1
[ -n "$KEEP" ] || trap 'rm -rf "$dir"' EXIT
src=$srcdir/isolation/tests
cc="$CC -O1 -g -fPIC -shared -I$srcdir/nif"
$cc -o "$dir/native_tests_nif.so" "$src/libs/native_tests_nif.c" -lpthread || exit 1
for name in crash_in_load crash_in_constructor load_well; do
    define=$(echo "$name" | tr a-z A-Z)
    $cc -D"$define" -DNAME="$name" -o "$dir/$name.so" "$src/libs/crash_in_load.c" || exit 1
    sed "s/@NAME@/$name/" "$src/loads.erl.in" > "$dir/$name.erl"
    "$ERLC" -o "$dir" "$dir/$name.erl" || exit 1
done
"$ERLC" -o "$dir" "$src/native_tests.erl" || exit 1
"$BULKHEAD" run "$dir/native_tests.beam" "$dir" 2> "$dir/reports" || { echo "Bail out! exit status $?"; sed 's/^/# /' "$dir/reports" | tail -20; }
