#!/bin/sh
# What is said about native code, and to whom. TAP.
: "${srcdir:=.}" "${builddir:=.}" "${BULKHEAD:=./bulkhead}" "${ERLC:=erlc}" "${CC:=cc}"
dir=${KEEP:-$(mktemp -d)} || exit 1
[ -n "$KEEP" ] || trap 'rm -rf "$dir"' EXIT
src=$srcdir/isolation/tests
n=0
failed=0

# is NAME EXPECTED ACTUAL
is()
{
    n=$((n + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        printf '%s\n' "expected: $2" "got: $3" | sed 's/^/# /'
        failed=1
    fi
}

$CC -O1 -g -fPIC -shared "-I$srcdir/nif" -o "$dir/reports.so" "$src/libs/reports_nif.c" || exit 1
"$ERLC" -o "$dir" "$src/reports.erl" "$src/reports_old.erl" || exit 1
run() { timeout 300 "$BULKHEAD" run "$@" 2>&1; }
reports() { run "$dir/reports.beam" "$@"; }
# Times, addresses and pids differ.
plain() { sed -E 's/[0-9]+-[A-Z][a-z]+-[0-9]{4}::[0-9:.]+/TIME/; s/<[0-9]+\.[0-9]+\.[0-9]+>/PID/g; s/crash\+[0-9a-fx]+/crash+N/'; }

report='reports:crash/0 in reports.so did not return; its caller ends with {nif_signal,11}
  signal  SIGSEGV (11), writing to 0: the NULL page
  #0      crash+N (reports.so)
  caller  PID'
titled="=NATIVE CRASH REPORT==== TIME ===
$report"

is "a crash is reported once, by the default handler" "$titled" "$(reports crash | plain)"
is "also when the program halts at once" "$titled" "$(reports halt | plain)"
is "or does not wait for anything" "bulkhead: $report" "$(reports halt_now | plain | sed '/^=/s/.*/bulkhead:/' | tr '\n' '~' | sed 's/bulkhead:~/bulkhead: /; s/~$//' | tr '~' '\n')"
is "whoever silences the default handler silences it" "" "$(reports silent)"
is "without a logger it goes to standard error" "bulkhead: $report" "$(reports no_logger | plain)"
is "of a storm a few are reported, and how many were not" "31, not all" \
    "$(reports storm | awk '/did not return/ { n++ } /were not reported/ { missed += $1 } END { print n + missed ", " (n < 31 ? "not all" : "all") }')"
is "handlers of logger see an event with a report" \
    '#{access => write,address => 0,function => {reports,crash,0},label => {bulkhead,native_crash},library => <<"reports.so">>,mode => in_process,module => reports,place => <<"the NULL page">>,reason => {nif_signal,11},signal => 11} {reports,crash,0}' \
    "$(timeout 300 "$BULKHEAD" run "$dir/reports.beam" event 2>/dev/null)"
is "of a library in a worker as well" \
    '#{access => write,address => 0,function => {reports,crash,0},label => {bulkhead,native_crash},library => <<"reports.so">>,mode => ipc,module => reports,place => <<"the NULL page">>,reason => {nif_signal,11},signal => 11} {reports,crash,0}' \
    "$(timeout 300 "$BULKHEAD" run --isolation reports=ipc "$dir/reports.beam" event 2>/dev/null)"
is "and handlers of error_logger" "native_crash {nif_signal,11}" "$(timeout 300 "$BULKHEAD" run "$dir/reports.beam" old_event 2>/dev/null)"
for mode in in_process ipc hybrid shared_heap; do
    is "isolation:info/1 has the reason of the last crash as a term ($mode)" "{nif_signal,11}" \
        "$(timeout 300 "$BULKHEAD" run --isolation "reports=$mode" "$dir/reports.beam" last_crash 2>/dev/null)"
    is "a trace shows a recursion once, and who began it ($mode)" 'true [<<"overflow">>] true' \
        "$(timeout 300 "$BULKHEAD" run --isolation "reports=$mode" "$dir/reports.beam" overflow 2>/dev/null)"
done
echo "1..$n"
exit $failed
