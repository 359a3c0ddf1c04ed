#!/bin/sh
# The NIF API misused: misuse.erl prints TAP.
. "${srcdir:=.}/tools/tap.sh"
library misuse "$srcdir/nif/tests/libs/misuse.c"
modules "$srcdir/nif/tests/misuse.erl"
run_tap --isolation in_process "$dir/misuse.beam" "$dir"
