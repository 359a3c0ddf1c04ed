#!/bin/sh
# init:stop and SIGTERM end applications in order, as on OTP: the same output and exit status. TAP.
. "${srcdir:=.}/tools/tap.sh"
: "${ERL:=erl}"
modules "$srcdir/erts_tests/stop_app.erl"

both() {
    "$@" stop_app main "$how" 2>/dev/null
    echo "status $?"
}
for how in stop status twice returns no_user inside bad busy sigterm ignored default handler; do
    is "$how: as on OTP" \
        "$(both timeout -k 10 300 "$ERL" -noshell -noinput -kernel logger_level none -pa "$dir" -s)" \
        "$(both timeout -k 10 300 "$BULKHEAD" run -pa "$dir" -s)"
done

# Nobody is there to stop it: the second signal does.
cat > "$dir/stuck.erl" <<'END'
-module(stuck).
-export([main/0]).
main() ->
    ok = gen_event:swap_handler(erl_signal_server, {erl_signal_handler, []}, {stuck_handler, []}),
    io:format("ready ~s~n", [os:getpid()]), timer:sleep(infinity).
END
cat > "$dir/stuck_handler.erl" <<'END'
-module(stuck_handler).
-export([init/1, handle_event/2, handle_call/2]).
init(_) -> {ok, []}.
handle_event(E, S) -> io:format("~p~n", [E]), {ok, S}.
handle_call(_, S) -> {ok, ok, S}.
END
modules "$dir/stuck.erl" "$dir/stuck_handler.erl"
"$BULKHEAD" run -pa "$dir" "$dir/stuck.beam" > "$dir/out" 2> "$dir/err" &
vm=$!
await() { # TEXT in its output
    i=0
    until grep -q "$1" "$dir/out" || [ $i -ge 1200 ]; do
        sleep 0.05
        i=$((i + 1))
    done
}
await ready
kill -TERM $vm
await sigterm
kill -TERM $vm
wait $vm
is "a second SIGTERM ends a program that does not stop" "143 sigterm" "$? $(sed -n 2p "$dir/out")"
done_testing
