%% Workers die without end: libraries crash in them, and they are killed from outside at any moment, while many call
%% and 200 others count. Each call must end once, with a result or a reason it may have, and nothing grow. Part of `make soak`
%%
%%   main([Crashes, Mode...])   default: 100000, all modes with workers
-module(soak_workers).
-export([main/1, call/2]).

-define(SIGNALS, [4, 5, 6, 7, 8, 11, 31]).
-define(DRIVERS, 12).
-define(BYSTANDERS, 200).
-define(OPTIONS, #{pool => 3, threads => 4, spare => 2, restart => #{max => 255, within => 1}}). % no circuit breaker
-define(CALL_MS, 60000). % no call takes that long

main([]) -> main(["100000"]);
main([Count]) ->
    [main([Count, atom_to_list(Mode)]) || {Mode, _, Can} <- isolation:modes(), lists:member(async, Can)],
    ok;
main([Count | Modes]) ->
    [soak(list_to_atom(Mode), list_to_integer(Count)) || Mode <- Modes],
    ok.

soak(Mode, Total) ->
    ok = isolation:set(soak_killer, in_process),
    ok = isolation:set(soak, ?OPTIONS#{mode => Mode}),
    {module, soak} = code:ensure_loaded(soak),
    Bystanders = [spawn_link(fun() -> count(0) end) || _ <- lists:seq(1, ?BYSTANDERS)],
    %% The first tenth fills pools and caches; what comes after must be flat.
    _ = rounds(Total div 10),
    _ = figures(), % loads what it needs
    Start = figures(),
    io:format("~s: after ~b crashes ~p~n", [Mode, Total div 10, Start]),
    Outcomes = lists:foldl(fun(Tenth, Sums) ->
        New = rounds(Total div 10),
        io:format("~s: after ~b crashes ~p~n", [Mode, Total div 10 * Tenth, figures()]),
        add(New, Sums)
    end, #{}, lists:seq(2, 10)),
    End = figures(),
    account(Outcomes),
    Counts = [begin P ! {how_many, self()}, receive {P, N} -> N after 1000 -> exit({bystander, P}) end end || P <- Bystanders],
    lists:min(Counts) > 0 orelse exit(bystander_stood_still),
    [begin unlink(P), exit(P, kill) end || P <- Bystanders],
    check(rss_kb, Start, End, 6144),
    check(vm_kb, Start, End, 64 * 1024),
    check(fds, Start, End, 0),
    check(threads, Start, End, dirty_threads()), % those are made when they are wanted
    check(os_processes, Start, End, 0),
    check(processes, Start, End, 0),
    io:format("soak ~s: ~p~nsoak ~s: every call accounted for, ~b bystanders, all flat~n",
        [Mode, lists:sort(maps:to_list(Outcomes)), Mode, ?BYSTANDERS]).

dirty_threads() ->
    erlang:system_info(dirty_cpu_schedulers) + erlang:system_info(dirty_io_schedulers).

check(Key, Start, End, Slack) ->
    {Key, A} = lists:keyfind(Key, 1, Start),
    {Key, B} = lists:keyfind(Key, 1, End),
    B =< A + Slack orelse exit({grew, Key, A, B}).

%% ---- calls ----

%% So many crashes, as many calls that return, and kills beside them: #{What => how often}.
rounds(Crashes) ->
    Self = self(),
    Each = max(1, Crashes div ?DRIVERS),
    Killer = spawn_link(fun() -> kill_now_and_then(0) end),
    Pids = [spawn_link(fun() -> Self ! {self(), drive(Each, ?SIGNALS, [], #{})} end) || _ <- lists:seq(1, ?DRIVERS)],
    Sums = lists:foldl(fun(Pid, All) -> receive {Pid, Sums} -> add(Sums, All) end end, #{}, Pids),
    Killer ! {stop, self()},
    Kills = receive {Killer, N} -> N end,
    add(Sums, #{kills => Kills}).

add(A, B) -> maps:fold(fun(K, N, M) -> maps:update_with(K, fun(Old) -> Old + N end, N, M) end, B, A).

drive(0, _, _, Sums) -> Sums;
drive(N, [], Used, Sums) -> drive(N, lists:reverse(Used), [], Sums);
drive(N, [Signal | Rest], Used, Sums) ->
    Calls = [start(crash, Signal), start(echo, {N, <<N:4096>>})],
    drive(N - 1, Rest, [Signal | Used], lists:foldl(fun finish/2, Sums, Calls)).

start(What, Arg) ->
    {_, Ref} = spawn_monitor(?MODULE, call, [What, Arg]),
    {Ref, What, Arg}.

call(crash, Signal) -> exit({returned, soak:crash(Signal)});
call(echo, Term) -> exit({returned, soak:echo(Term)}).

finish({Ref, What, Arg}, Sums) ->
    receive {'DOWN', Ref, process, _, Reason} -> add(#{{started, What} => 1, {What, ended(What, Arg, Reason)} => 1}, Sums)
    after ?CALL_MS -> exit({lost, What, Arg, isolation:info(soak)})
    end.

ended(crash, Signal, {nif_signal, Signal}) -> its_signal;
ended(echo, Term, {returned, Term}) -> its_result;
ended(_, _, {nif_signal, 9}) -> killed;
ended(What, Arg, Other) -> exit({wrong_end, What, Arg, Other}).

account(Sums) ->
    Of = fun(Key) -> maps:get(Key, Sums, 0) end,
    [begin
        All = Of({started, What}),
        All = Of({What, How}) + Of({What, killed})
     end || {What, How} <- [{crash, its_signal}, {echo, its_result}]],
    ok.

%% ---- from outside ----

kill_now_and_then(Kills) ->
    receive {stop, From} -> From ! {self(), Kills}
    after rand:uniform(40) ->
        #{workers := Workers} = isolation:info(soak),
        Pids = [Pid || #{os_pid := Pid} <- Workers],
        kill_now_and_then(Kills + kill(Pids))
    end.

kill([]) -> 0;
kill(Pids) -> soak_killer:kill(lists:nth(rand:uniform(length(Pids)), Pids)).

%% ---- figures ----

count(N) ->
    receive {how_many, From} -> From ! {self(), N}, count(N)
    after 10 -> count(N + 1)
    end.

%% Once all is quiet: workers that end have ended, and those that start have started.
figures() ->
    settle(100),
    [erlang:garbage_collect(P) || P <- processes()],
    Status = proc_file("/proc/self/status"),
    {ok, Fds} = file:list_dir("/proc/self/fd"),
    [{rss_kb, field("VmRSS:", Status)}, {vm_kb, field("VmSize:", Status)}, {threads, field("Threads:", Status)},
     {fds, length(Fds)}, {os_processes, length(descendants())}, {processes, length(processes())}].

settle(0) -> ok;
settle(N) ->
    timer:sleep(50),
    #{workers := Workers} = isolation:info(soak),
    Busy = [W || #{state := State} = W <- Workers, State =/= ready, State =/= spare],
    length(Workers) =:= 5 andalso Busy =:= [] orelse settle(N - 1).

%% Of this OS process: zygote and workers.
descendants() ->
    {ok, Names} = file:list_dir("/proc"),
    Parents = [P || Name <- Names, P <- parent(Name)],
    descendants([list_to_integer(os:getpid())], Parents).

descendants([], _) -> [];
descendants([Pid | Rest], Parents) ->
    Children = [Child || {Child, Parent} <- Parents, Parent =:= Pid],
    Children ++ descendants(Children ++ Rest, Parents).

parent(Name) ->
    case catch {list_to_integer(Name), file:read_file("/proc/" ++ Name ++ "/stat")} of
        {Pid, {ok, Stat}} ->
            [_, AfterName] = string:split(Stat, ")", trailing),
            [_State, Parent | _] = string:lexemes(AfterName, " "),
            [{Pid, binary_to_integer(Parent)}];
        _ -> []
    end.

field(Name, Text) ->
    [Line] = [L || L <- string:split(Text, "\n", all), lists:prefix(Name, L)],
    [_, Number | _] = string:lexemes(Line, " \t"),
    list_to_integer(Number).

proc_file(Path) ->
    {ok, Text} = file:read_file(Path),
    binary_to_list(Text).
