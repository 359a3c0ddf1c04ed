#!/bin/sh
# Misuse and bad luck in every worker mode: break_tests.erl prints TAP.
. "${srcdir:=.}/tools/tap.sh"
library break_tests_nif "$srcdir/isolation/tests/libs/break_tests_nif.c"
modules "$srcdir/isolation/tests/break_tests.erl"
run_tap "$dir/break_tests.beam" "$dir" "$@"
