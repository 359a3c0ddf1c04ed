%% What a native call costs: prints "nif NAME NANOSECONDS_PER_CALL", the loop around it subtracted.
-module(bench_nif).
-export([main/1, start/0, identity/1, add/2, crash/0]).
-nifs([identity/1, add/2, crash/0]).
-on_load(load/0).

-define(CALLS, 1000000).
-define(CRASHES, 2000).

load() ->
    erlang:load_nif(filename:join(filename:dirname(code:which(?MODULE)), "bench_nif"), 0).

identity(_) -> erlang:nif_error(not_loaded).
add(_, _) -> erlang:nif_error(not_loaded).
crash() -> erlang:nif_error(not_loaded).

start() -> main([]), halt().

%% "crash" asks for the price of a crash too: not on OTP.
main(What) ->
    Empty = best(fun() -> empty(?CALLS) end),
    report(identity, best(fun() -> call_identity(?CALLS) end) - Empty, ?CALLS),
    report(add, best(fun() -> call_add(?CALLS) end) - Empty, ?CALLS),
    case What of
        ["crash"] -> report(crash_and_next_call, best(fun() -> crashes(?CRASHES) end) - best(fun() -> spawns(?CRASHES) end), ?CRASHES);
        _ -> ok
    end.

report(Name, Ns, N) ->
    io:format("nif ~s ~.1f~n", [Name, max(0, Ns) / N]).

best(Fun) ->
    lists:min([begin T0 = erlang:monotonic_time(), Fun(), T1 = erlang:monotonic_time(),
                     erlang:convert_time_unit(T1 - T0, native, nanosecond) end || _ <- lists:seq(1, 7)]).

empty(0) -> ok;
empty(N) -> local(N), empty(N - 1).

local(N) -> N.

call_identity(0) -> ok;
call_identity(N) -> identity(N), call_identity(N - 1).

call_add(0) -> ok;
call_add(N) -> add(N, 1), call_add(N - 1).

crashes(0) -> ok;
crashes(N) ->
    {_, Ref} = spawn_monitor(fun() -> crash() end),
    receive {'DOWN', Ref, _, _, {nif_signal, 11}} -> 3 = add(1, 2) end,
    crashes(N - 1).

spawns(0) -> ok;
spawns(N) ->
    {_, Ref} = spawn_monitor(fun() -> local(N) end),
    receive {'DOWN', Ref, _, _, normal} -> 3 = add(1, 2) end,
    spawns(N - 1).
