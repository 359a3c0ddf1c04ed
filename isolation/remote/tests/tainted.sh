#!/bin/sh
# A number that a worker wrote does not compile into a trusted place: tainted_misuse.c, case by case. TAP.
. "${srcdir:=.}/tools/tap.sh"
compile() {
    $CC -std=gnu11 -c -o /dev/null -Werror=unused-result -D_GNU_SOURCE "-I$srcdir" "-I$builddir" -include config.h \
        -DMISUSE="$1" "$srcdir/isolation/remote/tests/tainted_misuse.c" > "$dir/said" 2>&1
}
compile 0
ok "checked first, it compiles" $? "$dir/said"
for case in $(seq 1 14); do
    what=$(sed -n "s|^#elif MISUSE == $case /\* \(.*\) \*/|\1|p" "$srcdir/isolation/remote/tests/tainted_misuse.c")
    # It must be refused for what it does, not for something else that is wrong.
    ! compile "$case" && grep -q "tainted_misuse.c:.*error" "$dir/said"
    ok "unchecked, it is refused as $what" $? "$dir/said"
done
done_testing
