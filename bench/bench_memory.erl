%% Memory of idle processes, and how many can be alive: prints "memory NAME FIGURE".
-module(bench_memory).
-export([main/1]).

main([Count]) ->
    N = list_to_integer(Count),
    Before = resident_kb(),
    T0 = erlang:monotonic_time(millisecond),
    Pids = [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, N)],
    T1 = erlang:monotonic_time(millisecond),
    {memory, Own} = process_info(hd(Pids), memory),
    After = resident_kb(),
    io:format("memory idle_process_bytes ~b~n", [Own]),
    io:format("memory resident_bytes_per_process ~b~n", [(After - Before) * 1024 div N]),
    io:format("memory processes_alive ~b~n", [length([P || P <- Pids, is_process_alive(P)])]),
    io:format("memory spawn_all_ms ~b~n", [T1 - T0]),
    [P ! stop || P <- Pids],
    ok.

resident_kb() ->
    Text = os_read("/proc/self/status"),
    {match, [Kb]} = re:run(Text, "VmRSS:\\s+([0-9]+)", [{capture, all_but_first, list}]),
    list_to_integer(Kb).

os_read(Path) ->
    {ok, Fd} = file:open(Path, [read, raw, binary]),
    {ok, Text} = file:read(Fd, 65536),
    ok = file:close(Fd),
    Text.
