#!/bin/sh
# Every cell of the isolation matrix is what its mode promises, as TAP; and the command line.
if grep -q '^#define HAVE_SANITIZER' "${builddir:-.}/config.h" 2>/dev/null; then
    echo "1..0 # SKIP a sanitizer handles the signals"
    exit 0
fi
. "${srcdir:=.}/tools/tap.sh"
"$BULKHEAD" matrix --tap > "$dir/cells"
status=$?
grep -v '^1\.\.' "$dir/cells"
n=$(grep -cE '^(not )?ok ' "$dir/cells")
[ "$status" -le 1 ] && [ "$n" -gt 0 ]; ok "it ends with status $status" $?

cd "$dir" || exit 1
"$BULKHEAD" matrix --mode in_process --only segv --only fork --json --html page.html > json 2> errors
ok "JSON, a page and a choice of misdeeds" $?
grep -q '"misdeed":"segv"' json && grep -q '"verdict":"contained"' json; ok "the JSON says what was seen" $?
grep -q '</html>' page.html && ! grep -qE 'src=|href=|url\(|@import' page.html; ok "the page refers to nothing" $?
[ ! -s errors ]; ok "nothing on standard error" $?
for wrong in '--mode nowhere' '--only nothing' '--jobs 0' '--html' '--html /nowhere/page.html' 'segv'; do
    "$BULKHEAD" matrix $wrong > out 2> errors
    [ $? -eq 2 ] && [ "$(wc -l < errors)" -eq 1 ]; ok "matrix $wrong: status 2 and one line" $?
done
"$BULKHEAD" matrix --list > out; grep -q "^segv " out; ok "--list" $?
done_testing
