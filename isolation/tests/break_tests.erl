%% Misuse and bad luck in every mode that has workers: prints TAP. The C side is libs/break_tests_nif.c.
%%   break_tests Dir [Mode [Test]]
-module(break_tests).
-export([main/1]).
-nifs([act/2]).
-export([act/2]).

%% How long anything may take before it counts as hanging, in ms. A busy machine is slow; nothing waits for as long.
-define(PATIENCE, 60000).

act(_, _) -> erlang:nif_error(not_loaded).

main([Dir | Which]) ->
    Modes = [M || {M, _, Can} <- isolation:modes(), lists:member(async, Can), Which =:= [] orelse atom_to_list(M) =:= hd(Which)],
    Tests = [{M, T} || M <- Modes, T = {Name, _, _} <- tests(), length(Which) < 2
        orelse string:find(Name, lists:last(Which)) =/= nomatch],
    io:format("1..~b~n", [length(Tests)]),
    ok = isolation:set(?MODULE, #{mode => hd(Modes)}),
    ok = erlang:load_nif(filename:join(Dir, "break_tests_nif"), 0),
    lists:foldl(fun({M, T}, N) -> run(N, M, T), N + 1 end, 1, Tests).

run(N, Mode, {Name, Options, Fun}) ->
    Defaults = #{mode => Mode, timeout => infinity, threads => 8, pool => 1, spare => 0, restart => #{max => 255, within => 1},
                 transport => ring, scope => all, verify => false},
    ok = isolation:set(?MODULE, maps:merge(Defaults, Options)),
    serves(),
    case reason(Fun, 2 * ?PATIENCE) of
        {returned, _} -> io:format("ok ~b - ~s: ~s~n", [N, Mode, Name]);
        Why -> io:format("not ok ~b - ~s: ~s~n# ~P~n", [N, Mode, Name, Why, 30])
    end.

serves() -> serves(?PATIENCE div 10).
serves(0) -> exit(does_not_serve);
serves(N) -> case reason(fun() -> act(give, 1) end) of {returned, 1} -> ok; _ -> timer:sleep(10), serves(N - 1) end.

reason(Fun) -> reason(Fun, ?PATIENCE).
reason(Fun, Patience) ->
    {Pid, Ref} = start(Fun),
    receive {'DOWN', Ref, process, Pid, Why} -> Why
    after Patience -> exit(Pid, kill), receive {'DOWN', Ref, process, Pid, _} -> hangs after ?PATIENCE -> hangs_for_ever end
    end.
start(Fun) -> spawn_monitor(fun() -> exit({returned, Fun()}) end).
ended({Pid, Ref}) -> receive {'DOWN', Ref, process, Pid, Why} -> Why after ?PATIENCE -> exit({still_runs, Pid}) end.
os_pids() -> [P || #{os_pid := P} <- maps:get(workers, isolation:info(?MODULE))].
%% Returns when every thread stands still.
stop(Pid) ->
    send_signal("STOP", Pid),
    os:cmd("for i in $(seq 3000); do grep -L '^State:.T' /proc/" ++ integer_to_list(Pid)
        ++ "/task/*/status | grep -q . || break; sleep 0.01; done").
await_state(State, Pid) ->
    File = "/proc/" ++ integer_to_list(Pid) ++ "/status",
    os:cmd("for i in $(seq 3000); do grep -qs '^State:." ++ State ++ "' " ++ File ++ " && break; [ -e " ++ File
        ++ " ] || break; sleep 0.01; done").
send_signal(Signal, Pid) -> os:cmd("kill -" ++ Signal ++ " " ++ integer_to_list(Pid)).

tests() ->
    [{"what is built is what comes out, about the limits of each way", #{}, fun built/0},
     {"a reason of any kind is raised", #{}, fun raised/0},
     {"a heap whose call is on its way stands still, whatever others do", #{}, fun still/0},
     {"callers are suspended and resumed in the middle", #{}, fun suspended/0},
     {"callers are killed in the middle", #{}, fun killed/0},
     {"workers are killed in the middle, over a ring", #{}, fun workers_killed/0},
     {"workers are killed in the middle, over a socket", #{transport => socket}, fun workers_killed/0},
     {"a request cannot be sent, and its caller is woken before the worker has ended",
         #{transport => socket, stack => 3 bsl 16}, fun not_sent/0},
     {"a worker that is killed while it starts has not failed to load", #{}, fun killed_at_start/0},
     {"a worker that was stopped does not keep its caller", #{}, fun stopped/0},
     {"a call that schedules itself for ever ends alone", #{}, fun for_ever/0},
     {"a batch whose caller is killed ends with the call it is in, alone", #{}, fun batch_killed/0},
     {"callbacks that ask the VM while processes end", #{}, fun callbacks/0},
     {"handles of workers that have ended keep their memory and descriptors from nobody", #{}, fun handles/0},
     {"a worker that cannot have another thread serves with those it has", #{}, fun few_threads/0},
     {"the same over a socket", #{transport => socket}, fun few_threads/0},
     {"more resources than a worker has handles for are an error", #{mode => ipc}, fun too_many/0},
     {"what there is to tell of workers is asked for while they work", #{}, fun told/0},
     {"options change in the middle", #{}, fun options/0},
     {"verify => true: an argument of an earlier call and what is off by a word are not let in",
         #{mode => shared_heap, verify => true}, fun verified/0},
     {"a worker full of atoms says so, and the next one serves", #{mode => ipc}, fun atoms/0}].

built() ->
    [begin T = act(tuple_of, N), T = list_to_tuple(lists:seq(0, N - 1)) end || N <- [0, 1, 4093, 4094, 4095, 4096, 4097, 65536]],
    [begin L = act(bins_of, N), L = [binary:copy(<<I>>, 5000) || I <- lists:seq(1, N)] end || N <- [1, 63, 64, 65, 200]],
    Deep = lists:foldl(fun(_, A) -> [A] end, [], lists:seq(1, 300000)),
    true = act(nest, 300000) =:= Deep, true = act(give, Deep) =:= Deep, true = act(copy, Deep) =:= Deep,
    {Deep, Deep} = act(via_env, Deep).
raised() ->
    Object = act(object, 0),
    [T = try act(raise, T) catch error:E -> E end
     || T <- [1 bsl 1000, binary:copy(<<1>>, 200000), #{a => [fun() -> T0 = self(), T0 end]}, lists:seq(1, 50000), Object]],
    system_limit = try act(raise_large, 0) catch error:E2 -> E2 end.

%% What killed it knows nothing of the library: who waits for a worker gets the next one.
killed_at_start() ->
    [begin
        [Next] = await_workers(embryo),
        stop(Next),
        [Ready] = await_workers(ready),
        send_signal("KILL", Ready),
        Call = start(fun() -> act(give, N) end),
        [Next] = await_workers(starting),
        send_signal("KILL", Next),
        {returned, N} = ended(Call)
     end || N <- lists:seq(1, 5)].

await_workers(State) -> await_workers(State, ?PATIENCE div 10).
await_workers(State, N) ->
    case [P || #{os_pid := P, state := S} <- maps:get(workers, isolation:info(?MODULE)), S =:= State] of
        [] when N > 0 -> timer:sleep(10), await_workers(State, N - 1);
        Pids -> Pids
    end.

still() ->
    Data = [{I, <<I:64>>, #{I => integer_to_list(I)}} || I <- lists:seq(1, 1000)],
    Calls = [start(fun() -> D = {K, Data}, D = act(still, {400, D}), fine end) || K <- lists:seq(1, 3)],
    [disturb(P, erlang:monotonic_time(millisecond) + 100) || {P, _} <- Calls],
    [{returned, fine} = ended(C) || C <- Calls].
disturb(P, End) ->
    [P ! {junk, I, lists:seq(1, 100)} || I <- lists:seq(1, 50)],
    erlang:garbage_collect(P, [{async, x}]),
    [process_info(P, K) || K <- [status, messages, memory, total_heap_size, current_stacktrace, dictionary, binary, backtrace]],
    spawn(fun() -> catch erlang:suspend_process(P), timer:sleep(5) end),
    exit(P, normal),
    erlang:monotonic_time(millisecond) > End orelse disturb(P, End).

suspended() ->
    {P, _} = Call = start(fun() -> [begin T = {I, lists:seq(1, 50)}, T = act(give, T) end || I <- lists:seq(1, 1000)], fine end),
    [begin catch erlang:suspend_process(P), catch erlang:resume_process(P) end || _ <- lists:seq(1, 100)],
    {returned, fine} = ended(Call),
    {Q, _} = Pausing = start(fun() -> act(pause, 0) end),
    timer:sleep(20), true = erlang:suspend_process(Q), exit(Q, kill), killed = ended(Pausing).

killed() ->
    [begin
         Calls = [start(fun() -> work(X) end) || X <- lists:seq(1, 20)],
         timer:sleep(rand:uniform(20)),
         [exit(P, kill) || {P, _} <- Calls],
         [killed = ended(C) || C <- Calls]
     end || _ <- lists:seq(1, 10)],
    serves().
work(X) ->
    T = {X, lists:seq(1, 500)}, T = act(give, T), T = act(copy, T), _ = act(object, 0),
    ok = act(send, {self(), 1}), receive 1 -> ok end, work(X).

workers_killed() ->
    Loops = [start(fun() -> work_or_die(0) end) || _ <- lists:seq(1, 5)],
    [begin timer:sleep(rand:uniform(15)), [send_signal("KILL", P) || P <- os_pids()] end || _ <- lists:seq(1, 25)],
    [P ! stop || {P, _} <- Loops],
    [{returned, stopped} = ended(L) || L <- Loops].
%% To its end: what it began must not run on beside the next test.
work_or_die(N) ->
    B = binary:copy(<<N>>, 100000),
    case reason(fun() ->
        {B, B} = act(via_env, B), ok = act(send, {self(), 3}), _ = act(object, 0), T = lists:seq(1, 3000),
        T = act(give, T) end) of
        How when element(1, How) =:= returned; How =:= {nif_signal, 9} ->
            receive stop -> stopped after 0 -> work_or_die(N + 1) end;
        Other -> exit({ended_by, Other})
    end.

%% The worker is deaf: the VM finds out when it sends, and kills it. Until that is done the caller is woken again and again.
not_sent() ->
    [begin
         Call = start(fun() ->
             Me = self(), {Os, Child} = act(deaf, 0),
             await_state("T", Child), send_signal("CONT", Child), await_state("Z", Child), stop(Os),
             spawn_link(fun() -> pester(Me) end), act(give, 1)
         end),
         {returned, 1} = ended(Call)
     end || _ <- lists:seq(1, 10)].
pester(P) -> erlang:process_info(P, status), pester(P).

stopped() ->
    Os = act(os_pid, 0), {P, _} = Call = start(fun() -> act(pause, 0) end), timer:sleep(50),
    stop(Os), exit(P, kill), killed = ended(Call), serves(),
    Next = act(os_pid, 0),
    isolation:set(?MODULE, #{timeout => 1000}), stop(Next),
    {returned, 2} = reason(fun() -> act(give, 2) end). % it had not begun: the next worker has it

for_ever() ->
    Os = act(os_pid, 0),
    {Other, _} = Bystander = start(fun() -> act(pause, 0) end),
    {P, _} = Call = start(fun() -> act(for_ever, 0) end),
    timer:sleep(30), exit(P, kill), killed = ended(Call),
    timer:sleep(400), true = is_process_alive(Other), true = lists:member(Os, os_pids()),
    exit(Other, kill), killed = ended(Bystander), serves(),
    isolation:set(?MODULE, #{timeout => 100}), {nif_timeout, 100} = reason(fun() -> act(for_ever, 0) end).

batch_killed() ->
    Os = act(os_pid, 0),
    {Other, _} = Bystander = start(fun() -> act(pause, 0) end),
    {P, _} = Call = start(fun() -> isolation:call_many(?MODULE, act, [[nap, 10] || _ <- lists:seq(1, 1000)]) end),
    timer:sleep(100), exit(P, kill), killed = ended(Call),
    timer:sleep(2500), true = is_process_alive(Other), true = lists:member(Os, os_pids()),
    exit(Other, kill), killed = ended(Bystander).

callbacks() ->
    Object = act(object, 0),
    [begin
         Ps = [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 100)],
         [0 = act(monitor, {Object, P}) || P <- Ps],
         _ = os:cmd("true"), % a port ends as well: nobody watches ports
         [P ! stop || P <- Ps],
         [receive {down, P} -> ok after ?PATIENCE -> exit({no_down, P}) end || P <- Ps]
     end || _ <- lists:seq(1, 10)].

handles() ->
    Before = fds(),
    Objects = [begin O = act(object, 0), send_signal("KILL", act(os_pid, 0)), serves(), O end || _ <- lists:seq(1, 20)],
    few_fds(Before + 20, ?PATIENCE div 10),
    [true = (try act(monitor, {O, self()}) catch error:_ -> lost end) =:= lost || O <- Objects].
fds() -> {ok, Names} = file:list_dir("/proc/self/fd"), length(Names).
few_fds(Most, N) ->
    case fds() of Few when Few =< Most -> ok; Many when N =:= 0 -> exit({fds, Many}); _ -> timer:sleep(10),
        few_fds(Most, N - 1) end.

few_threads() -> few_threads(erlang:system_info(build_type)).
%% A sanitizer does not live without memory.
few_threads(Build) when Build =/= opt -> ok;
few_threads(_) ->
    send_signal("KILL", act(os_pid, 0)), serves(),
    ok = act(no_more_memory, 0), Os = act(os_pid, 0),
    Calls = [start(fun() -> act(nap, 20) end) || _ <- lists:seq(1, 20)],
    {Killed, _} = Gone = start(fun() -> act(nap, 20) end), exit(Killed, kill), killed = ended(Gone),
    [{returned, 20} = ended(C) || C <- Calls],
    Os = act(os_pid, 0),
    send_signal("KILL", Os), serves().

%% In one call, whose objects go when it ends.
too_many() ->
    system_limit = try act(objects, 1 bsl 20 + 1) catch error:E -> E end,
    free_handle(?PATIENCE div 10). % the call that had them all may not have given them back yet

free_handle(0) -> exit(no_handle);
free_handle(N) ->
    try true = is_reference(act(object, 0)) of true -> ok
    catch error:system_limit -> timer:sleep(10), free_handle(N - 1) end.

told() ->
    Loops = [start(fun() -> objects_for_ever() end) || _ <- lists:seq(1, 3)],
    [#{workers := [_ | _]} = isolation:info(?MODULE) || _ <- lists:seq(1, 300)],
    [exit(P, stop) || {P, _} <- Loops],
    [stop = ended(L) || L <- Loops].
objects_for_ever() -> [_, _, _] = act(objects, 3), objects_for_ever().

options() ->
    Loops = [start(fun() -> give_for_ever() end) || _ <- lists:seq(1, 6)],
    Modes = [M || {M, _, Can} <- isolation:modes(), lists:member(async, Can)],
    One = fun(L) -> lists:nth(rand:uniform(length(L)), L) end,
    [begin
         ok = isolation:set(?MODULE,
             #{mode => One(Modes), pool => rand:uniform(4), threads => rand:uniform(8), spare => One([0, 1]),
                                       timeout => One([infinity, 30000]),
                                       transport => One([ring, socket]), scope => One([all, caller]),
                                       verify => One([true, false]), stack => 65536 * rand:uniform(20)}),
         timer:sleep(rand:uniform(30))
     end || _ <- lists:seq(1, 30)],
    [exit(P, stop) || {P, _} <- Loops],
    [stop = ended(L) || L <- Loops].
give_for_ever() -> {x, [1, 2]} = act(give, {x, [1, 2]}), give_for_ever().

verified() ->
    Terms = fun() ->
        [{1, self()}, [self()], #{self() => 1}, 1 bsl 70 + length(processes()), list_to_binary(pid_to_list(self())),
            make_ref()] end,
    [begin
         T = act(give, T), ok = act(keep, 0), {0, T} = act(pair_with, T),
         {Later, _} = Call = start(fun() -> receive go -> act(How, self()) end end),
         {returned, ok} = reason(fun() -> act(keep, T) end),
         Later ! go,
         {T, How, {nif_panic, _, _}} = {T, How, ended(Call)}
     end || T <- Terms(), How <- [kept, pair_with]],
    [{T, {nif_panic, _, _}} = {T, reason(fun() -> act(one_word_on, T) end)} || T <- Terms()].

atoms() ->
    _ = reason(fun() -> act(atoms, 1100000) end),
    New = [list_to_atom("new to it " ++ integer_to_list(I)) || I <- lists:seq(1, 60000)],
    case reason(fun() -> act(give, New) end) of {nif_limit, atoms} -> ok; {returned, New} -> ok end, % the latter in a new worker
    {returned, New} = reason(fun() -> act(give, New) end).
