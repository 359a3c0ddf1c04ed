#!/bin/sh
# Every cell of the isolation matrix is what its mode promises, as TAP; and the command line.
: "${builddir:=.}" "${BULKHEAD:=./bulkhead}"
if grep -q '^#define HAVE_SANITIZER' "$builddir/config.h" 2>/dev/null; then
    echo "1..0 # SKIP a sanitizer handles the signals"
    exit 0
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0
check() { # TITLE STATUS
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; fi
}
"$BULKHEAD" matrix --tap > "$dir/cells"
status=$?
grep -v '^1\.\.' "$dir/cells"
n=$(grep -cE '^(not )?ok ' "$dir/cells")
[ "$status" -le 1 ] && [ "$n" -gt 0 ]; check "it ends with status $status" $?

cd "$dir" || exit 1
"$BULKHEAD" matrix --mode in_process --only segv --only fork --json --html page.html > json 2> errors
check "JSON, a page and a choice of misdeeds" $?
grep -q '"misdeed":"segv"' json && grep -q '"verdict":"contained"' json; check "the JSON says what was seen" $?
grep -q '</html>' page.html && ! grep -qE 'src=|href=|url\(|@import' page.html; check "the page refers to nothing" $?
[ ! -s errors ]; check "nothing on standard error" $?
for wrong in '--mode nowhere' '--only nothing' '--jobs 0' '--html' '--html /nowhere/page.html' 'segv'; do
    "$BULKHEAD" matrix $wrong > out 2> errors
    [ $? -eq 2 ] && [ "$(wc -l < errors)" -eq 1 ]; check "matrix $wrong: status 2 and one line" $?
done
"$BULKHEAD" matrix --list > out; grep -q "^segv " out; check "--list" $?
echo "1..$n"
