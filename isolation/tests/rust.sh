#!/bin/sh
# A library in Rust, where there is a compiler for it: rust_tests.erl prints TAP.
: "${srcdir:=.}" "${builddir:=.}" "${BULKHEAD:=./bulkhead}" "${ERLC:=erlc}" "${RUSTC:=rustc}"
if ! "$RUSTC" --version > /dev/null 2>&1; then
    echo "1..0 # SKIP no rustc"
    exit 0
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
src=$srcdir/isolation/tests
"$RUSTC" --crate-type cdylib -O -o "$dir/rust_tests.so" "$src/libs/rust_panics.rs" || exit 1
"$ERLC" -o "$dir" "$src/rust_tests.erl" || exit 1
n=0
for mode in in_process ipc hybrid shared_heap; do
    n=$((n + 1))
    "$BULKHEAD" run "$dir/rust_tests.beam" "$dir/rust_tests" "$mode" "$n" 2> "$dir/reports" ||
        { echo "Bail out! $mode: exit status $?"; sed 's/^/# /' "$dir/reports" | tail -20; }
done
echo "1..$n"
