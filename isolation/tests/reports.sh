#!/bin/sh
# What is said about native code, and to whom. TAP.
. "${srcdir:=.}/tools/tap.sh"
src=$srcdir/isolation/tests

library reports "$src/libs/reports_nif.c"
modules "$src/reports.erl" "$src/reports_old.erl" "$src/reports_reload.erl"
run() { timeout -k 10 300 "$BULKHEAD" run "$@" 2>&1; }
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
    "$(timeout -k 10 300 "$BULKHEAD" run "$dir/reports.beam" event 2>/dev/null)"
is "of a library in a worker as well" \
    '#{access => write,address => 0,function => {reports,crash,0},label => {bulkhead,native_crash},library => <<"reports.so">>,mode => ipc,module => reports,place => <<"the NULL page">>,reason => {nif_signal,11},signal => 11} {reports,crash,0}' \
    "$(timeout -k 10 300 "$BULKHEAD" run --isolation reports=ipc "$dir/reports.beam" event 2>/dev/null)"
is "and handlers of error_logger" "native_crash {nif_signal,11}" "$(timeout -k 10 300 "$BULKHEAD" run "$dir/reports.beam" old_event 2>/dev/null)"
for mode in in_process ipc hybrid shared_heap; do
    is "isolation:info/1 has the reason of the last crash as a term ($mode)" "{nif_signal,11}" \
        "$(timeout -k 10 300 "$BULKHEAD" run --isolation "reports=$mode" "$dir/reports.beam" last_crash 2>/dev/null)"
    is "a trace shows a recursion once, and who began it ($mode)" 'true [<<"overflow">>] true' \
        "$(timeout -k 10 300 "$BULKHEAD" run --isolation "reports=$mode" "$dir/reports.beam" overflow 2>/dev/null)"
done

# ---- options that are none, or in vain ----

out() { timeout -k 10 300 "$BULKHEAD" run "$@" 2>/dev/null; }
err() { timeout -k 10 300 "$BULKHEAD" run "$@" 2>&1 >/dev/null; }
mkdir "$dir/bad" && cp "$dir/reports.so" "$dir/bad"
attribute() { "$ERLC" "-DATTRIBUTE=$1" -o "$dir/bad" "$src/reports.erl"; }

attribute '#{mode=>banana,timeout=>200,stack=>8,colour=>red}' || exit 1
is "what is wrong in an attribute is named once, with what holds instead" \
    "module reports: -isolation(#{colour => red}) is ignored: there is no such option
module reports: -isolation(#{mode => banana}) is ignored: mode is in_process (built_in)
module reports: -isolation(#{stack => 8}) is ignored: stack is 1048576 (built_in)" \
    "$(err "$dir/bad/reports.beam" info | grep -v '^=WARNING REPORT==== .*===$' | sort)"
is "and the rest of it holds" '#{mode => in_process,stack => 1048576,timeout => 200} 3' "$(out "$dir/bad/reports.beam" info)"
is "in a worker as well" "3" "$(err --isolation reports=ipc "$dir/bad/reports.beam" info | grep -c '^module')"
attribute '{mode,ipc}' || exit 1
is "what is no options at all is shown" \
    "module reports: -isolation({mode,ipc}) is ignored: it is neither a map of options nor a mode" \
    "$(err "$dir/bad/reports.beam" info | tail -n 1)"
attribute ipc || exit 1
is "a mode alone is short for a map" '#{mode => ipc,stack => 1048576,timeout => infinity} 3' "$(out "$dir/bad/reports.beam" info)"
is "an option for a module that is not there is told at the end" \
    "bulkhead: --isolation nosuch=... had no effect: there is no module nosuch" \
    "$(err --isolation nosuch=ipc --isolation ipc --isolation reports=timeout=5000 "$dir/reports.beam" info)"
is "and one for a module without native code" \
    "bulkhead: --isolation lists=... had no effect: module lists has loaded no native library" \
    "$(err --isolation lists=ipc "$dir/reports.beam" info)"
is "not one for a module that just was not needed" "" "$(err --isolation gb_trees=ipc "$dir/reports.beam" info)"
is "also when the program halts" "bulkhead: --isolation nosuch=... had no effect: there is no module nosuch" \
    "$(err --isolation nosuch=ipc "$dir/reports.beam" halt | tail -n 1)"

for n_dir in 1 2; do mkdir "$dir/$n_dir" && cp "$dir/reports.so" "$dir/$n_dir"; done
"$ERLC" '-DATTRIBUTE=#{timeout=>111}' -o "$dir/1" "$src/reports.erl" || exit 1
"$ERLC" '-DATTRIBUTE=#{stack=>65536}' -o "$dir/2" "$src/reports.erl" || exit 1
is "new code brings its own attribute, and what the old one said is forgotten" \
    "111 1048576,infinity 65536,111 1048576,infinity 65536,111 1048576,infinity 65536," \
    "$(out "$dir/reports_reload.beam" "$dir/1" "$dir/2")"

# ---- on_load ----

cat >"$dir/on_load_fails.erl" <<'END'
-module(on_load_fails).
-on_load(load/0).
load() -> {error, {no, file}}.
END
modules "$dir/on_load_fails.erl"
is "an on_load function that fails is a warning with a time, as on OTP" "=WARNING REPORT==== TIME ===
The on_load function for module on_load_fails returned:
{error,{no,file}}" "$(run "$dir/reports.beam" late | plain)"
done_testing
