#!/bin/sh
# Runs each conformance module on OTP and on Bulkhead and compares them case by case. TAP.
# environment: builddir, BULKHEAD, ERL      usage: run-conformance.sh [MODULE...]
set -u
dir=$builddir/erts_tests
modules=${*:-number_tests term_tests bit_tests exception_tests map_tests native_tests packet_tests re_tests text_tests process_tests signal_tests system_tests port_tests ets_tests code_tests literal_tests logger_tests os_signal_tests}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# PATIENCE: how many times longer than usual things may take. t.erl asks for it, too.
limit=$((900 * ${PATIENCE:-1}))
# Both sides print in the same locale, without colours.
LC_ALL=C.UTF-8
export LC_ALL

# The tests' own processes die on purpose: their reports are no news here.
run_both()
{
    (cd "$dir" && timeout -k 10 $limit "$ERL" -noshell -noinput -kernel logger_level none -s t start "$1") >"$tmp/$1.otp" 2>&1
    (cd "$dir" && timeout -k 10 $limit "$BULKHEAD" run -s t main_atoms "$1") >"$tmp/$1.ours" 2>"$tmp/$1.err"
    echo $? >"$tmp/$1.status"
}

# Cases about time come out differently on a busy machine, on either side. So a module that differs
# runs up to twice more, and only the cases that differ every time count.
for module in $modules; do
    run_both "$module"
    : >"$tmp/$module.equal"
    for attempt in 1 2 3; do
        LC_ALL=C grep -aFx -f "$tmp/$module.ours" "$tmp/$module.otp" | LC_ALL=C sed 's/ .*//' >>"$tmp/$module.equal"
        if cmp -s "$tmp/$module.otp" "$tmp/$module.ours" || [ $attempt = 3 ]; then
            break
        fi
        run_both "$module"
    done
done

total=$(($(cat "$tmp"/*.otp | wc -l) + $(echo "$modules" | wc -w)))
echo "1..$total"
failed=0
n=0
for module in $modules; do
    awk -v start=$n -v equal="$tmp/$module.equal" -v theirs="$tmp/$module.ours" '
        FILENAME == equal { same[$1] = 1; next }
        FILENAME == theirs { name = $1; sub(/^[^ ]+ /, ""); ours[name] = $0; next }
        {
            n++
            name = $1; sub(/^[^ ]+ /, "")
            if (name in same) { print "ok " start + n " - " name; next }
            print "not ok " start + n " - " name
            print "#      OTP: " substr($0, 1, 1500)
            print "# Bulkhead: " (name in ours ? substr(ours[name], 1, 1500) : "(nothing)")
        }' "$tmp/$module.equal" "$tmp/$module.ours" "$tmp/$module.otp" >"$tmp/tap"
    # A sanitizer that saw something, for one, says so at the end.
    n=$((n + $(wc -l <"$tmp/$module.otp") + 1))
    status=$(cat "$tmp/$module.status")
    [ "$status" = 0 ] && printf 'ok' >>"$tmp/tap" || printf 'not ok' >>"$tmp/tap"
    echo " $n - $module ends well (exit status $status)" >>"$tmp/tap"
    cat "$tmp/tap"
    if grep -q '^not ok' "$tmp/tap"; then
        failed=1
        grep -v '^$' "$tmp/$module.err" | tail -n 20 | cut -c1-300 | sed 's/^/# /'
    fi
done
exit $failed
