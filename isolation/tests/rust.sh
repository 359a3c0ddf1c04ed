#!/bin/sh
# A library in Rust, where there is a compiler for it: rust_tests.erl prints TAP.
: "${RUSTC:=rustc}"
if ! "$RUSTC" --version > /dev/null 2>&1; then
    echo "1..0 # SKIP no rustc"
    exit 0
fi
. "${srcdir:=.}/tools/tap.sh"
"$RUSTC" --crate-type cdylib -O -o "$dir/rust_tests.so" "$srcdir/isolation/tests/libs/rust_panics.rs" || exit 1
modules "$srcdir/isolation/tests/rust_tests.erl"
for mode in in_process ipc hybrid shared_heap; do
    n=$((n + 1))
    run_tap "$dir/rust_tests.beam" "$dir/rust_tests" $mode $n
done
done_testing
