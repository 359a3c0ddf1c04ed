#!/bin/sh
# Elixir, where it is installed: its compiler, library, test framework and build tool, unmodified. TAP.
for e in "${ELIXIR_LIB-}" /usr/lib/elixir/lib /usr/local/lib/elixir/lib; do
    [ ! -f "$e/elixir/ebin/elixir.beam" ] || break
done
if [ ! -f "$e/elixir/ebin/elixir.beam" ]; then
    echo "1..0 # SKIP no Elixir (ELIXIR_LIB: where its applications are)"
    exit 0
fi
. "${srcdir:=.}/tools/tap.sh"
: "${ERL:=erl}"
ERL_LIBS=$e LC_ALL=C.UTF-8 NO_COLOR=1 HOME=$dir
export ERL_LIBS LC_ALL NO_COLOR HOME
here=$(cd "$srcdir" && pwd)/erts_tests/elixir
bulkhead=$(command -v "$BULKHEAD") && bulkhead=$(cd "$(dirname "$bulkhead")" && pwd)/$(basename "$bulkhead")

ours() { timeout -k 10 300 "$bulkhead" run "$@"; }
elixir() { ours -s elixir start_cli -extra "$@"; }
otp() { timeout -k 10 300 "$ERL" -noshell -noinput -s elixir start_cli -extra "$@"; }

otp "$here/script.exs" a 'b c' > "$dir/otp" 2>&1
elixir "$here/script.exs" a 'b c' > "$dir/ours" 2>&1
is "a script ends well" 0 $?
diff "$dir/otp" "$dir/ours" > "$dir/diff"
ok "and prints what it prints on OTP" $? "$dir/diff"

# Times and the order of tests that run at once apart.
outcome() { sed -e 's/ (.*on load.*//' -e '/^Finished/d' -e '/^\.*$/d' -e '/seed/d' "$1"; }
otp "$here/tests.exs" > "$dir/otp" 2>&1
elixir "$here/tests.exs" > "$dir/ours" 2>&1
is "ExUnit says by its exit status that a test failed" 2 $?
outcome "$dir/otp" > "$dir/otp.outcome"
outcome "$dir/ours" > "$dir/ours.outcome"
grep -q '5 tests, 1 failure' "$dir/ours"
ok "and how many" $? "$dir/ours"
diff "$dir/otp.outcome" "$dir/ours.outcome" > "$dir/diff"
ok "and why, as on OTP" $? "$dir/diff"

mix() { elixir -e 'Mix.start(); Mix.CLI.main(System.argv())' -- "$@"; }
(cd "$dir" && mix new project > mix 2>&1 && cd project && MIX_ENV=test mix test > ../mix 2>&1)
ok "mix makes a project, compiles and tests it" $? "$dir/mix"
grep -q '1 doctest, 1 test, 0 failures' "$dir/mix"
ok "with the results expected" $? "$dir/mix"

library crash "$here/crash_nif.c"
for mode in in_process ipc hybrid shared_heap; do
    ours --isolation "Elixir.Crash=$mode" -s elixir start_cli -extra "$here/crash.exs" "$dir/crash" > "$dir/out" 2> "$dir/err"
    is "$mode: a server of Elixir's that a NIF crashed is started again" \
        "the server ended with {:nif_signal, 11}, and another one answers" "$(cat "$dir/out")"
done
done_testing
