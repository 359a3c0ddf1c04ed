#!/bin/sh
# A number that a worker wrote does not compile into a trusted place: tainted_misuse.c, case by case. TAP.
: "${srcdir:=.}" "${builddir:=.}" "${CC:=cc}"
compile() {
    $CC -std=gnu11 -c -o /dev/null -Werror=unused-result -D_GNU_SOURCE "-I$srcdir" "-I$builddir" -include config.h \
        -DMISUSE="$1" "$srcdir/isolation/remote/tests/tainted_misuse.c" 2>&1
}
cases=14
echo "1..$((cases + 1))"
if out=$(compile 0); then
    echo "ok 1 - checked first, it compiles"
else
    echo "not ok 1 - checked first, it compiles"
    echo "$out" | sed 's/^/# /'
fi
for n in $(seq 1 $cases); do
    what=$(sed -n "s|^#elif MISUSE == $n /\* \(.*\) \*/|\1|p" "$srcdir/isolation/remote/tests/tainted_misuse.c")
    # It must be refused for what it does, not for something else that is wrong.
    if out=$(compile "$n"); then
        echo "not ok $((n + 1)) - unchecked, it is refused as $what"
    elif echo "$out" | grep -q "tainted_misuse.c:.*error"; then
        echo "ok $((n + 1)) - unchecked, it is refused as $what"
    else
        echo "not ok $((n + 1)) - unchecked, it is refused as $what"
        echo "$out" | sed 's/^/# /'
    fi
done
