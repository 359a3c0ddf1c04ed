#!/bin/sh
# Native calls as Erlang sees them: native_tests.erl prints TAP.
. "${srcdir:=.}/tools/tap.sh"
tests=$srcdir/isolation/tests
library native_tests_nif "$tests/libs/native_tests_nif.c"
for name in crash_in_load crash_in_constructor load_well; do
    library $name "$tests/libs/crash_in_load.c" "-D$(echo $name | tr a-z A-Z)" "-DNAME=$name"
    sed "s/@NAME@/$name/" "$tests/loads.erl.in" > "$dir/$name.erl"
    modules "$dir/$name.erl"
done
modules "$tests/native_tests.erl"
run_tap "$dir/native_tests.beam" "$dir"
