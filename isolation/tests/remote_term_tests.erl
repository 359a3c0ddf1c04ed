%% What crosses between the VM and its workers: terms, binaries, resources, messages. Run by remote_tests.
-module(remote_term_tests).
-export([tests/0]).
-include("remote_tests.hrl").
-import(remote_tests, [set/1, reason/1, ended/1, start/1, wait/1, file/1, release/1, letters/1, ready/0, kill_9/1,
    seen_nested/2, use/1, act/2, dirty_cpu/2, dirty_io/2, count/3]).

tests() ->
    [{"binaries of arguments that the library keeps stay what they are", fun kept_binaries/0},
     {"literals that were replaced are there for calls that read them, and gone without harm for callers that were killed",
         fun literals/0},
     {"transport => socket", fun socket/0},
     {"a destructor runs when the last reference in the VM dies", fun destructors/0},
     {"a handle of a dead worker says so",
      fun() -> R = act(make, file("lost")), Pid = act(os_pid, 0), kill_9(Pid), wait(fun() -> act(os_pid, 0) =/= Pid end),
               {nif_resource_lost, remote_tests} = try act(look, R) catch error:E -> E end,
               [{nif_resource_lost, remote_tests} = seen_nested(fun() -> act(give, Arg) end,
                   {nif_resource_lost, remote_tests}) || Arg <- [[R], {1, #{R => R}}]],
               true = is_reference(R), ok = act(give, ok) end},
     {"a resource is equal to itself, however often it is sent",
      fun() -> R = act(make, file("same")), {R1, R2} = act(twice, R), true = R =:= R1, true = R1 =:= R2, R3 = act(give, R),
               true = R3 =:= R, #{R := x} = #{R3 => x}, {N, P} = act(look, R), {N, P} = act(look, R3),
               true = is_reference(R) end},
     {"monitors and down callbacks", fun monitors/0},
     {"enif_select on a pipe", fun select/0},
     {"enif_send of calls and of threads, large ones too", fun sends/0},
     {"enif_whereis, enif_port_command, enif_is_process_alive", fun names_and_ports/0},
     {"enif_schedule_nif, dirty flags, thread types, unique integers, references", fun scheduling/0},
     {"terms of every kind and size both ways", fun terms/0},
     {"call_many", fun call_many/0},
     {"a failure in call_many has the trace of the call that failed", fun trace_of_many/0},
     {"a result that finds no memory is no fault of the worker", fun no_room_for_result/0}].

literals() ->
    Make = fun(Who) -> {Who, lists:seq(1, 3000), binary:copy(<<"b">>, 5000), #{key => [Who]}} end,
    Own = fun(Who) -> persistent_term:put(Who, Make(Who)), fun() -> persistent_term:get(Who) end end,
    Begin = fun(Who, File) ->
        Get = Own(Who), N = length(letters(File ++ ".begun")),
        Call = start(fun() -> act(await_copy, {File, Get()}) end),
        wait(fun() -> length(letters(File ++ ".begun")) > N end),
        persistent_term:erase(Who),
        Call
    end,
    %% What was let go is freed, and its memory used for something else.
    Churn = fun() ->
        [begin
            [begin persistent_term:put(churn, {I, lists:duplicate(I rem 500, I)}) end || I <- lists:seq(1, 3000)],
            timer:sleep(300)
         end || _ <- [1, 2]]
    end,
    File = file("literals"), Other = file("literals_killed"),
    [file:delete(F ++ ".begun") || F <- [File, Other]],
    ok = act(store, (Own(stored))()), persistent_term:erase(stored),
    Calls = [{Who, Begin(Who, File)} || Who <- [first, second]],
    Churn(),
    release(File),
    [{Who, {returned, {Who, _, _, _} = V}, true} = {Who, R, R =:= {returned, Make(Who)}} || {Who, Call} <- Calls,
        R <- [ended(Call)], {_, V} <- [R]],
    true = Make(stored) =:= act(stored, 0),
    {Pid, _} = Killed = Begin(killed, Other),
    Churn(), exit(Pid, kill), Churn(),
    killed = ended(Killed), Churn(),
    wait(fun() -> reason(fun() -> act(give, Make(x)) end) =:= {returned, Make(x)} end),
    persistent_term:erase(churn).

%% What comes after them lies where they lay.
kept_binaries() ->
    Fill = fun(N, Size) -> binary:copy(<<N>>, Size) end,
    [begin
        kill_9(act(os_pid, 0)),
        wait(fun() -> act(give, ok) =:= ok end),
        [begin
            First = Fill(N, Size),
            ok = act(store, {First, N, Fill(N + 1, 5001), First}),
            [0 = act(sum, Fill(0, Size + I)) || I <- [0, 1, 5000]],
            0 = lists:sum(isolation:call_many(remote_tests, act, [[sum, Fill(0, Size)], [sum, Fill(0, 20000)]])),
            Second = Fill(N + 1, 5001),
            true = act(stored, 0) =:= {First, N, Second, First}
         end || N <- [1, 3, 5]],
        Other = Fill(9, Size),
        true = [ok, 0, Other] =:= isolation:call_many(remote_tests, act, [[store, Other], [sum, Fill(0, Size)], [stored, 0]]),
        0 = act(sum, Fill(0, Size)),
        true = act(stored, 0) =:= Other,
        {nif_signal, 11} = reason(fun() -> act(crash, Other) end)
     end || Size <- [100, 4096, 20001, 1 bsl 20, 3 bsl 20]].

socket() ->
    set(#{transport => socket}),
    kill_9(act(os_pid, 0)),
    wait(fun() -> act(give, ok) =:= ok end),
    [begin T = act(give, T), T = act(copy, T) end || T <- [1, lists:seq(1, 1000), binary:copy(<<7>>, 1 bsl 20),
        binary:copy(<<1>>, 9 bsl 20)]],
    Calls = [start(fun() ->
                [lists:seq(1, N) || N <- lists:seq(1, 300)] =:= [act(give, lists:seq(1, N)) || N <- lists:seq(1, 300)] end)
        || _ <- [1, 2, 3]],
    [{returned, true} = ended(C) || C <- Calls],
    {nif_signal, 11} = reason(fun() -> act(crash, 0) end),
    true = is_pid(act(self, 0)),
    %% More than the socket takes, while others want the scheduler.
    Others = [spawn(fun Spin() -> receive stop -> ok after 0 -> Spin() end end) || _ <- lists:seq(1, 4)],
    [begin B0 = binary:copy(<<1>>, N), N = act(sum, B0), true = act(give, [B0]) =:= [B0] end || N <- [1 bsl 20, 20 bsl 20]],
    [P ! stop || P <- Others],
    Me = self(),
    1 = act(send, {Me, {large, binary:copy(<<2>>, 2 bsl 20)}}),
    receive {large, B} -> 2 bsl 20 = byte_size(B) after ?PATIENCE -> exit(no_message) end,
    set(#{timeout => 60}),
    {nif_timeout, 60} = reason(fun() -> act(pause, 0) end),
    set(#{timeout => infinity}),
    Pid = act(os_pid, 0),
    File = file("socket"),
    C1 = start(fun() -> act(note, {File, 100000}) end),
    wait(fun() -> letters(File) =:= "n" end),
    kill_9(Pid),
    {nif_signal, 9} = ended(C1),
    ok = act(give, ok).

%% ---- resources ----

destructors() ->
    F = file("destructors"),
    Gone = fun(N) -> erlang:garbage_collect(), wait(fun() -> length(letters(F)) =:= N end) end,
    {returned, ok} = reason(fun() -> act(make, F), ok end), % a process that dies
    Gone(1),
    use(act(make, F)),
    Gone(2),
    T = ets:new(t, [public]),
    ets:insert(T, {r, act(make, F)}),
    erlang:garbage_collect(),
    {_, _} = act(look, ets:lookup_element(T, r, 2)),
    timer:sleep(20),
    2 = length(letters(F)),
    ets:delete(T),
    Gone(3),
    Holder = spawn(fun Hold() -> receive {r, R, From} -> From ! act(look, R), erlang:garbage_collect(), Hold() end end),
    Holder ! {r, act(make, F), self()},
    receive {_, _} -> ok end,
    erlang:garbage_collect(),
    exit(Holder, kill),
    Gone(4),
    Persistent = file("persistent"),
    persistent_term:put(remote_tests, act(make, Persistent)),
    {_, _} = act(look, persistent_term:get(remote_tests)),
    persistent_term:erase(remote_tests), % it goes some time later
    use(act(make, F)),
    Gone(5),
    %% In the arguments alone; sent by the library; many at once.
    use([act(give, act(make, F)) || _ <- lists:seq(1, 100)]),
    Gone(105),
    1 = act(send, {self(), act(make, F)}),
    use(receive R when is_reference(R) -> R after ?PATIENCE -> exit(no_message) end),
    Gone(106),
    {returned, ok} = reason(fun() -> isolation:call_many(remote_tests, act, [[make, F] || _ <- lists:seq(1, 50)]), ok end),
    Gone(156),
    wait(fun() -> erlang:garbage_collect(), letters(Persistent) =:= "d" end),
    wait(fun() -> [0] =:= [N || #{resources := N} <- ready()] end).
monitors() ->
    F = file("monitors"),
    R = act(make, F),
    P = spawn(fun() -> receive stop -> ok end end),
    0 = act(monitor, {R, P}),
    timer:sleep(20),
    "" = letters(F),
    P ! stop,
    wait(fun() -> letters(F) =:= "m" end),
    true = act(monitor, {R, P}) > 0, % it is dead
    Q = spawn(fun() -> receive stop -> ok end end),
    0 = act(monitor, {R, Q}),
    0 = act(demonitor, R),
    Q ! stop,
    timer:sleep(30),
    "m" = letters(F),
    %% 50 at once.
    Rs = [act(make, F) || _ <- lists:seq(1, 50)],
    S = spawn(fun() -> receive stop -> ok end end),
    [0 = act(monitor, {X, S}) || X <- Rs],
    S ! stop,
    wait(fun() -> length(letters(F)) =:= 51 end),
    {_, _} = act(look, R),
    {_, _} = act(look, hd(Rs)).

select() ->
    F = file("select"),
    R = act(make, F),
    0 = act(select, R),
    receive Early -> exit({early, Early}) after 20 -> ok end,
    1 = act(fill, R),
    receive {select, R, undefined, ready_input} -> ok after ?PATIENCE -> exit(no_select) end,
    Stopped = act(stop, R),
    true = Stopped >= 0,
    wait(fun() -> lists:member($s, letters(F)) end).

sends() ->
    Me = self(),
    1 = act(send, {Me, {hello, [1, 2]}}),
    receive {hello, [1, 2]} -> ok after ?PATIENCE -> exit(1) end,
    [begin 1 = act(send, {Me, B = binary:copy(<<N>>, N)}), receive B -> ok after ?PATIENCE -> exit(N) end end
        || N <- [1000, 70000, 3 bsl 20]],
    [begin ok = act(send_from_thread, {Me, N}), receive {parcel, B} ->
        N = byte_size(B), B = binary:copy(<<"p">>, N) after ?PATIENCE -> exit({no_parcel, N}) end end
     || erlang:system_info(build_type) =/= tsan, N <- [0, 100, 65000, 66000, 1 bsl 20, 5 bsl 20]], % it does not know a library's threads
    Dead = spawn(fun() -> ok end),
    wait(fun() -> not is_process_alive(Dead) end),
    0 = act(send, {Dead, hello}),
    %% In order, and before the result.
    [1 = act(send, {Me, N}) || N <- lists:seq(1, 500)],
    [receive X -> X = N after 0 -> exit({late, N}) end || N <- lists:seq(1, 500)].

names_and_ports() ->
    true = register(remote_tests_name, self()),
    true = self() =:= act(whereis, remote_tests_name),
    unregister(remote_tests_name),
    undefined = act(whereis, remote_tests_name),
    1 = act(alive, self()),
    P = spawn(fun() -> ok end),
    wait(fun() -> act(alive, P) =:= 0 end),
    Port = open_port({spawn, "cat"}, [binary]),
    Port = act(give, Port),
    1 = act(port_command, {Port, <<"through">>}),
    receive {Port, {data, <<"through">>}} -> ok after ?PATIENCE -> exit(no_data) end,
    register(remote_tests_port, Port),
    {port} = act(whereis, remote_tests_port),
    port_close(Port),
    badarg = try act(port_command, {self(), <<>>}) catch error:E -> E end.

scheduling() ->
    done = count(0, 1000, done),
    1 = act(thread_type, 0),
    2 = dirty_cpu(thread_type, 0),
    3 = dirty_io(thread_type, 0),
    Us = [act(unique, 0) || _ <- lists:seq(1, 100)],
    Us = lists:usort(Us ++ Us),
    true = erlang:unique_integer([monotonic]) > lists:last(Us),
    Rs = [act(make_ref, 0) || _ <- lists:seq(1, 100)] ++ [make_ref()],
    101 = length(lists:usort(Rs)),
    {error, badarg} = try dirty_cpu(badarg, 0) catch C:E:S -> dirty_cpu = element(2, hd(S)), {C, E} end.

terms() ->
    Deep = lists:foldl(fun(N, T) -> [N, T] end, [], lists:seq(1, 100000)),
    Terms = [0, -1, 1 bsl 59, -(1 bsl 59), 1 bsl 64, -(1 bsl 5000), 1.5, -0.0, a, 'with space', 'ünïcode', [], {},
        #{}, <<>>, <<1:3>>, <<"x">>,
             self(), make_ref(), fun lists:map/2, fun(X) -> X + Deep end, [a | b], {1, {2, {3, #{k => [v]}}}},
             maps:from_list([{N, {N, integer_to_list(N)}} || N <- lists:seq(1, 2000)]), #{#{a => 1} => #{[] => {}}},
             lists:seq(1, 200000), Deep, list_to_tuple(lists:seq(1, 60000)),
             binary:copy(<<"1234567">>, 150000), binary:part(binary:copy(<<"ab">>, 70000), 1, 139000),
             [binary:copy(<<N>>, 5000) || N <- lists:seq(1, 100)], hd(erlang:ports() ++ [none])],
    [begin true = act(give, T) =:= T, true = act(copy, T) =:= T,
            [true, true] = [X =:= T || X <- isolation:call_many(remote_tests, act, [[give, T], [copy, T]])] end
        || T <- Terms],
    F = act(give, fun(X) -> {X, 7} end),
    {6, 7} = F(6),
    Large = binary:copy(<<1>>, 50 bsl 20),
    52428800 = act(sum, Large),
    true = act(give, Large) =:= Large,
    50000000 = byte_size(act(zeros, 50000000)),
    500000 = length(act(range, 500000)),
    Part = binary:part(Large, 3, 30 bsl 20),
    true = act(give, {Part, Part}) =:= {Part, Part}.

call_many() ->
    [1, 2, 3] = isolation:call_many(remote_tests, act, [[give, N] || N <- [1, 2, 3]]),
    [] = isolation:call_many(remote_tests, act, []),
    10000 = length(isolation:call_many(remote_tests, act, [[give, {N, [N]}] || N <- lists:seq(1, 10000)])),
    badarg = try isolation:call_many(remote_tests, act, [[give, 1], [badarg, 0], [give, 2]]) catch error:E -> E end,
    {mine} = try isolation:call_many(remote_tests, act, [[give, 1], [throw, {mine}], [crash, 2]]) catch error:E2 -> E2 end,
    {nif_signal, 11} = reason(fun() -> isolation:call_many(remote_tests, act, [[give, 1], [crash, 0], [give, 2]]) end),
    File = file("many"),
    {nif_signal, 11} = reason(fun() ->
        isolation:call_many(remote_tests, act, [[note, {File, 0}], [note, {File, -1}], [note, {File, 0}]]) end),
    "nn" = letters(File),
    Rs = isolation:call_many(remote_tests, act, [[make, file("many2")] || _ <- lists:seq(1, 10)]),
    10 = length(lists:usort([element(1, X) || X <- isolation:call_many(remote_tests, act, [[look, R] || R <- Rs])])),
    badarg = try isolation:call_many(remote_tests, act, [[give, 1], [give]]) catch error:E3 -> E3 end,
    set(#{timeout => 100}),
    {nif_timeout, 100} = reason(fun() -> isolation:call_many(remote_tests, act, [[give, 1], [loop, 0]]) end),
    set(#{timeout => infinity}).

trace_of_many() ->
    Trace = fun(Lists) -> try isolation:call_many(remote_tests, act, Lists) catch _:_:S -> lists:sublist(S, 2) end end,
    [{remote_tests, act, [badarg, 0], _}, {isolation, call_many, 3, _}] = Trace([[give, 1], [badarg, 0], [give, 2]]),
    set(#{crash => raise}),
    [{remote_tests, act, [crash, 0], _}, {isolation, call_many, 3, _}] = Trace([[give, 1], [give, 2], [crash, 0]]),
    set(#{crash => exit}).

%% The caller may have so much memory and no more. (In shared_heap the result is there already.)
no_room_for_result() ->
    Pid = act(os_pid, 0),
    Outcome = reason(fun() ->
        process_flag(max_heap_size, #{size => 30000, kill => false, error_logger => false}),
        act(range, 100000),
        ok
    end),
    case isolation:info(remote_tests) of
        #{mode := shared_heap} -> ok;
        _ -> {nif_limit, memory} = Outcome
    end,
    Pid = act(os_pid, 0).
