%% What calling C costs, in nanoseconds: prints "LABEL CASE NS", the best of many short runs.
%%
%%   main([Label])   on Bulkhead: this library, in the mode that --isolation says
%%   main([Label, Cpu, OtherCpu])   VM and worker each on one of these
%%   main(["small", Label, Cpu, OtherCpu])   the same, of the smallest call only
%%   start()         on OTP: as NIF, dirty NIF, port and, if told the program, C node
-module(bench_native).
-export([main/1, start/0, nothing/0, place/1]).
-export([add/2, take/1, give/1, copy/1, turn/1, nap/1, crash/0, kill/1]).
-nifs([add/2, take/1, give/1, copy/1, turn/1, nap/1, crash/0, kill/1]).
-on_load(load/0).

-define(RUN_NS, 300000).   % a run
-define(GROUP_NS, 6000000). % runs in a row
-define(GROUPS, 12).        % with a pause between: wherever the kernel has put the threads, it may think again
-define(BATCH, 100).

load() ->
    erlang:load_nif(filename:join(filename:dirname(code:which(?MODULE)), "bench_native"), 0).

add(_, _) -> erlang:nif_error(not_loaded).
take(_) -> erlang:nif_error(not_loaded).
give(_) -> erlang:nif_error(not_loaded).
copy(_) -> erlang:nif_error(not_loaded).
turn(_) -> erlang:nif_error(not_loaded).
nap(_) -> erlang:nif_error(not_loaded).
crash() -> erlang:nif_error(not_loaded).
kill(_) -> erlang:nif_error(not_loaded).

main(["small", Label | Cpus]) ->
    3 = add(1, 2), % what is first pays for the start of things
    place(Cpus),
    report(Label, "small", best(fun() -> add(1, 2) end), best(fun() -> nothing() end));
main([Label | Cpus]) ->
    3 = add(1, 2),
    place(Cpus),
    Many = fun(Lists) -> isolation:call_many(?MODULE, add, Lists) end,
    measure(Label, calls(?MODULE, Many)).

%% The kernel puts both on one CPU if others keep the rest busy: no fault of ours.
place([Cpu, OtherCpu]) ->
    Pids = [Pid || #{os_pid := Pid, state := ready} <- maps:get(workers, isolation:info(?MODULE), [])],
    place(Cpu, OtherCpu, Pids);
place([]) -> ok.

place(_, _, []) -> ok;
place(Cpu, OtherCpu, [Worker | _]) ->
    [os:cmd("taskset -acp " ++ C ++ " " ++ P) || {C, P} <- [{Cpu, os:getpid()}, {OtherCpu, integer_to_list(Worker)}]],
    ok.

start() ->
    measure("otp_nif", calls(?MODULE, each(?MODULE))),
    measure("otp_dirty", calls(bench_native_dirty, each(bench_native_dirty))),
    Dir = filename:dirname(code:which(?MODULE)),
    measure("otp_port", port_calls(filename:join(Dir, "bench_port"))),
    is_alive() andalso measure("otp_cnode", node_calls(filename:join(Dir, "bench_cnode"))),
    halt().

%% ---- what is called: by name, so that all ways are measured by the same code ----

each(Module) -> fun(Lists) -> [Module:add(A, B) || [A, B] <- Lists] end.

calls(M, Many) ->
    {fun(A, B) -> M:add(A, B) end, fun(Bin) -> M:take(Bin) end, fun(N) -> M:give(N) end, fun(Bin) -> M:copy(Bin) end,
     fun(L) -> M:turn(L) end, Many}.

%% The program gets bytes and gives bytes; the list is encoded and decoded on this side only.
port_calls(Program) ->
    Port = open_port({spawn_executable, Program}, [{packet, 4}, binary]),
    Call = fun(Data) -> true = port_command(Port, Data), port_reply(Port) end,
    Add = fun(A, B) -> [$a, <<A:64, B:64>>] end,
    {fun(A, B) -> <<Sum:64>> = Call(Add(A, B)), Sum end,
     fun(Bin) -> <<N:64>> = Call([$t, Bin]), N end,
     fun(N) -> Call([$g, <<N:64>>]) end,
     fun(Bin) -> Call([$c, Bin]) end,
     fun(L) -> lists:reverse(binary_to_term(Call([$c, term_to_binary(L)]))) end,
     fun(Lists) ->
         [port_command(Port, Add(A, B)) || [A, B] <- Lists],
         [begin <<Sum:64>> = port_reply(Port), Sum end || _ <- Lists]
     end}.

port_reply(Port) -> receive {Port, {data, Data}} -> Data end.

%% The C node connects to this node and says so.
node_calls(Program) ->
    register(bench_native, self()),
    open_port({spawn_executable, Program}, [{args, [atom_to_list(node()), atom_to_list(erlang:get_cookie())]}, nouse_stdio]),
    Node = receive {ready, Pid} -> node(Pid) after 5000 -> exit(no_c_node) end,
    To = {any, Node},
    Call = fun(What, Arg) -> To ! {self(), What, Arg}, node_reply() end,
    {fun(A, B) -> Call(add, {A, B}) end,
     fun(Bin) -> Call(take, Bin) end,
     fun(N) -> Call(give, N) end,
     fun(Bin) -> Call(copy, Bin) end,
     fun(L) -> Call(turn, L) end,
     fun(Lists) -> [To ! {self(), add, {A, B}} || [A, B] <- Lists], [node_reply() || _ <- Lists] end}.

node_reply() -> receive {reply, Result} -> Result end.

%% ---- measuring ----

measure(Label, {Add, Take, Give, Copy, Turn, Many}) ->
    Empty = best(fun() -> nothing() end),
    Report = fun(Name, Ns) -> report(Label, Name, Ns, Empty) end,
    3 = Add(1, 2),
    Report("small", best(fun() -> Add(1, 2) end)),
    [begin
        Bin = binary:copy(<<"x">>, Bytes),
        Bytes = Take(Bin),
        Bytes = byte_size(Give(Bytes)),
        Bin = Copy(Bin),
        Report("arg_" ++ Name, best(fun() -> Take(Bin) end)),
        Report("result_" ++ Name, best(fun() -> Give(Bytes) end)),
        Report("both_" ++ Name, best(fun() -> Copy(Bin) end))
     end || {Name, Bytes} <- [{"1KiB", 1 bsl 10}, {"64KiB", 1 bsl 16}, {"1MiB", 1 bsl 20}]],
    List = lists:seq(100001, 110000),
    List = lists:reverse(Turn(List)),
    Report("list", best(fun() -> Turn(List) end)),
    Lists = [[I, 1] || I <- lists:seq(1, ?BATCH)],
    Sums = [I + 1 || I <- lists:seq(1, ?BATCH)],
    Sums = Many(Lists),
    Report("batch", best(fun() -> Many(Lists) end) / ?BATCH).

report(Label, Name, Ns, Empty) -> io:format("~s ~s ~b~n", [Label, Name, round(max(0, Ns - Empty))]).

nothing() -> ok.

%% Nanoseconds each: the best of all runs, each of about ?RUN_NS.
best(Fun) -> lists:min([best_of_group(Fun) || _ <- lists:seq(1, ?GROUPS)]).

best_of_group(Fun) ->
    timer:sleep(1),
    warm(Fun, now_ns() + ?RUN_NS),
    One = max(1, time(Fun, 3) / 3),
    N = max(1, round(?RUN_NS / One)),
    best(Fun, N, now_ns() + ?GROUP_NS, One).

best(Fun, N, End, Best) ->
    Ns = min(Best, time(Fun, N) / N),
    case now_ns() < End of
        true -> best(Fun, N, End, Ns);
        false -> Ns
    end.

warm(Fun, End) ->
    Fun(),
    now_ns() < End andalso warm(Fun, End).

time(Fun, N) ->
    T0 = erlang:monotonic_time(),
    repeat(Fun, N),
    erlang:convert_time_unit(erlang:monotonic_time() - T0, native, nanosecond).

repeat(_, 0) -> ok;
repeat(Fun, N) -> Fun(), repeat(Fun, N - 1).

now_ns() -> erlang:monotonic_time(nanosecond).
