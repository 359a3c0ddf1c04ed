%% What the worker of a library costs when it dies, idles, or is slow: prints "MODE WHAT VALUE".
%%   main([Mode]), main([Mode, Cpu, OtherCpu])   with bench_native and bench_nif in that mode, bench_native_dirty in process
%%   main([])                                    the modes there are
-module(bench_worker).
-export([main/1]).

-define(OFTEN, #{max => 255, within => 1}). % restarts: no circuit breaker

main([]) ->
    io:format("~s~n", [lists:join(" ", [atom_to_list(Mode) || {Mode, _, _} <- isolation:modes()])]);
main([Mode | Cpus]) ->
    isolation:set(bench_native, #{restart => ?OFTEN}),
    3 = bench_native:add(1, 2),
    3 = bench_nif:add(1, 2),
    0 = bench_native_dirty:kill(os_pid(spare_process())),
    Report = fun(What, Value) -> io:format("~s ~s ~b~n", [Mode, What, round(Value)]) end,
    Report(idle_bytes, idle_bytes()),
    Report(kill_to_exit, lists:min([kill_to_exit() || _ <- lists:seq(1, 10)])),
    Report(respawn_cold, median([crash_to_reply() || _ <- lists:seq(1, 30)])),
    isolation:set(bench_native, #{spare => 1}),
    Report(respawn_spare, median([crash_to_reply() || _ <- lists:seq(1, 30)])),
    isolation:set(bench_native, #{spare => 0}),
    Report(pair_percent, pair_percent()),
    3 = bench_native:add(1, 2),
    bench_native:place(Cpus),
    Report(storm_percent, storm_percent()).

%% ---- its end ----

%% A process to kill once, so that what kills has been called before.
spare_process() -> open_port({spawn_executable, "/bin/cat"}, []).

os_pid(Port) -> {os_pid, Pid} = erlang:port_info(Port, os_pid), Pid.

worker_pid() ->
    #{workers := Workers} = isolation:info(bench_native),
    case [Pid || #{os_pid := Pid, state := ready} <- Workers] of
        [Pid | _] -> Pid;
        [] -> timer:sleep(1), worker_pid()
    end.

%% From the caller's end to the next reply. The least says nothing: a caller that hears of the end late finds the next
%% worker ready.
crash_to_reply() ->
    timer:sleep(20), % a spare gets ready, or the last worker goes
    3 = bench_native:add(1, 2),
    {_, Ref} = spawn_monitor(fun() -> bench_native:crash() end),
    receive {'DOWN', Ref, _, _, {nif_signal, 11}} -> ok end,
    T0 = now_ns(),
    3 = bench_native:add(1, 2),
    now_ns() - T0.

%% From kill(2) to the word that the caller has ended.
kill_to_exit() ->
    3 = bench_native:add(1, 2),
    Worker = worker_pid(),
    {_, Ref} = spawn_monitor(fun() -> bench_native:nap(10000) end),
    timer:sleep(20),
    T0 = now_ns(),
    0 = bench_native_dirty:kill(Worker),
    receive {'DOWN', Ref, _, _, {nif_signal, 9}} -> now_ns() - T0 end.

%% Memory that only the worker has.
idle_bytes() ->
    {ok, Text} = file:read_file("/proc/" ++ integer_to_list(worker_pid()) ++ "/smaps_rollup"),
    Lines = [string:lexemes(L, " ") || L <- string:lexemes(binary_to_list(Text), "\n")],
    1024 * lists:sum([list_to_integer(Kb) || ["Private_" ++ _, Kb | _] <- Lines]).

%% ---- others, meanwhile ----

%% Rate of a ping-pong pair while 100 processes wait in slow calls, in percent of its rate alone. Taken in turns,
%% the best of each.
pair_percent() ->
    isolation:set(bench_native, #{threads => 50, pool => 2}),
    Pairs = [begin
        Alone = rate(),
        Slow = [spawn_monitor(fun() -> bench_native:nap(100) end) || _ <- lists:seq(1, 100)],
        timer:sleep(20),
        Beside = rate(),
        [receive {'DOWN', Ref, _, Pid, normal} -> ok end || {Pid, Ref} <- Slow],
        {Alone, Beside}
    end || _ <- lists:seq(1, 12)],
    {Alones, Besides} = lists:unzip(Pairs),
    isolation:set(bench_native, #{threads => 1, pool => 1}),
    100 * lists:max(Besides) / lists:max(Alones).

rate() ->
    Self = self(),
    Other = spawn_link(fun() -> pong() end),
    Done = now_ns() + 30000000,
    Ping = spawn_link(fun() -> Self ! {rounds, ping(Other, Done, 0)} end),
    receive {rounds, N} -> unlink(Ping), unlink(Other), exit(Other, kill), N end.

ping(Other, Done, N) ->
    Other ! {self(), ping},
    receive pong -> ok end,
    case N rem 64 =/= 0 orelse now_ns() < Done of
        true -> ping(Other, Done, N + 1);
        false -> N
    end.

pong() -> receive {From, ping} -> From ! pong end, pong().

%% Time of a call of one library while another is called again each millisecond and always crashes, in percent of
%% its time in peace: medians, the best of several.
storm_percent() ->
    Rounds = [begin
        Calm = median_call(),
        Crasher = spawn_link(fun() -> storm() end),
        timer:sleep(20),
        Storm = median_call(),
        unlink(Crasher),
        exit(Crasher, kill),
        timer:sleep(20),
        {Calm, Storm}
    end || _ <- lists:seq(1, 8)],
    {Calms, Storms} = lists:unzip(Rounds),
    100 * lists:min(Storms) / lists:min(Calms).

storm() ->
    {_, Ref} = spawn_monitor(fun() -> bench_nif:crash() end),
    receive {'DOWN', Ref, _, _, _} -> ok end,
    timer:sleep(1),
    storm().

median_call() ->
    End = now_ns() + 60000000,
    median(call_times(End, [])).

median(Times) -> lists:nth(length(Times) div 2 + 1, lists:sort(Times)).

call_times(End, Times) ->
    T0 = now_ns(),
    3 = bench_native:add(1, 2),
    T1 = now_ns(),
    case T1 < End of
        true -> call_times(End, [T1 - T0 | Times]);
        false -> [T1 - T0 | Times]
    end.

now_ns() -> erlang:monotonic_time(nanosecond).
