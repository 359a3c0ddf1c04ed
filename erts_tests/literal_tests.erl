%% Literals of modules that are purged, and persistent terms that are replaced: whoever holds one keeps what he has,
%% and nobody else keeps the memory.
-module(literal_tests).
-export([cases/0, work/3]).
-import(t, [id/1]).

cases() ->
    [{held, fun() -> held(fun load/0, fun literal_target:value/0) end},
     %% OTP 25.2 loses some of them, or hangs.
     {held_persistent, fun() ->
         Packed = term_to_binary(literal_target:value()),
         not here() orelse [length(names()), 4] =:= held(fun() ->
             persistent_term:erase(literal_tests), persistent_term:put(literal_tests, binary_to_term(Packed)) end,
              fun() -> persistent_term:get(literal_tests) end)
     end},
     {parts, fun parts/0},
     {mixed_traffic, fun() -> traffic(4000 div slower()) end},
     {persistent_traffic, fun() -> persistent_traffic(case here() of true -> 40000; false -> 300 end) end},
     {hot, fun() -> hot(10000 div slower()) end},
     {asked_while_purged, fun() -> not here() orelse asked_while_purged() end},
     {keys, fun keys/0},
     {many_puts, fun() ->
         grows(fun(N) -> [persistent_term:put(literal_tests, {I, lists:seq(1, 20)}) || I <- lists:seq(1, N)] end,
             1000000) end},
     {many_keys, fun() ->
         grows(fun(N) -> [begin persistent_term:put({literal_tests, I}, [I]),
                     persistent_term:erase({literal_tests, I}) end || I <- lists:seq(1, N)] end, 200000) end},
     {many_loads, fun() ->
         grows(fun(N) -> [begin load(), _ = literal_target:large() end || _ <- lists:seq(1, N)] end, 10000) end},
     {killed_while_held, fun killed_while_held/0},
     %% Nor does a signal keep a term that somebody else holds.
     {monitor_other_node_collected, fun() ->
         P = binary_to_term(<<131, 88, 119, 7, "foo@bar", 1:32, 0:32, 1:32>>), R = monitor(process, P),
         garbage_collect(), _ = lists:seq(1, 10000), garbage_collect(),
         receive {'DOWN', R, process, Q, Why} -> {Q =:= P, Why} after 20000 -> timeout end
     end},
     {count, fun() ->
         #{count := Before} = persistent_term:info(), persistent_term:put({literal_tests, a}, [1]),
         persistent_term:put({literal_tests, a}, [2]),
         #{count := During, memory := Memory} = persistent_term:info(),
         {persistent_term:erase({literal_tests, a}), persistent_term:erase({literal_tests, a}), During - Before, Memory > 0,
          maps:get(count, persistent_term:info()) - Before}
     end}].

here() ->
    erlang:function_exported(bulkhead_code, root, 0).

%% OTP looks through all processes for each single one.
slower() ->
    case here() of true -> 1; false -> 20 end.

load() ->
    {_, Binary, _} = code:get_object_code(literal_target),
    code:purge(literal_target),
    {module, _} = code:load_binary(literal_target, "literal_target.beam", Binary),
    code:purge(literal_target).

%% Everything that was let go is collected meanwhile, and its memory used for something else.
churn() ->
    [begin
         load(),
         persistent_term:put(literal_tests, {other, "words"}),
         [persistent_term:put({literal_tests, churn}, {I, lists:duplicate(I rem 50, {I})})
             || I <- lists:seq(1, case here() of true -> 2000; false -> 5 end)],
         persistent_term:put({literal_tests, churn}, binary:copy(<<"x">>, 200)),
         timer:sleep(400)
     end || _ <- rounds()].

%% Those who ask about a module may still read what a purge is about to free.
asked_while_purged() ->
    M = literal_tests_asked, L = 1, Me = self(),
    Names = [list_to_atom([$f | integer_to_list(I)]) || I <- lists:seq(1, 100)],
    {ok, M, Binary} = compile:forms([{attribute, L, module, M}, {attribute, L, export, [{N, 0} || N <- Names]}
                                     | [{function, L, N, 0, [{clause, L, [], [], [{atom, L, N}]}]} || N <- Names]]),
    Load = fun() -> {module, M} = code:load_binary(M, "nowhere", Binary), code:purge(M) end,
    Load(),
    Askers = [spawn_link(fun() -> ask_about(F, Me) end) || F <- [
        fun() -> 102 = length(erlang:get_module_info(M, functions)) end,
        fun() -> 102 = length(erlang:get_module_info(M, functions)) end,
        fun() -> [{module, M} | _] = erlang:get_module_info(M) end,
        fun() -> "nowhere" = code:which(M) end]],
    [Load() || _ <- lists:seq(1, 100)],
    [begin unlink(A), A ! stop, receive {A, N} when N > 0 -> ok end end || A <- Askers],
    code:delete(M).

ask_about(F, Parent) -> ask_about(F, Parent, 0).
ask_about(F, Parent, N) ->
    receive stop -> Parent ! {self(), N + 1} after 0 -> F(), ask_about(F, Parent, N + 1) end.

rounds() ->
    case here() of true -> [1, 2, 3]; false -> [1] end.

%% ---- whoever holds one ----

%% Each has one of its own, which Make makes: nobody else keeps that alive.
held(Make, Get) ->
    Make(),
    Packed = term_to_binary(Get()),
    Self = self(),
    Holders = [begin
         Make(),
         P = spawn_link(fun() -> Hold = hold(Name, Get), Self ! {self(), ready}, after_all(Self, Hold) end),
         receive {P, ready} -> {Name, P} after 20000 -> exit({not_ready, Name}) end
     end || Name <- names()],
    Elsewhere = [begin Make(), {Name, elsewhere(Name, Get)} end || Name <- [table, match_spec_result, heir, compiled]],
    Make(),
    churn(),
    Expected = binary_to_term(Packed),
    Answers = [begin
         P ! {Self, tell},
         receive {P, Answer} -> {Name, same(Expected, Answer)} after 20000 -> {Name, timeout} end
     end || {Name, P} <- Holders],
    Others = [{Name, same(Expected, Fetch())} || {Name, Fetch} <- Elsewhere],
    [unlink(P) || {_, P} <- Holders],
    [exit(P, kill) || {_, P} <- Holders],
    [{N, W} || {N, W} <- Answers ++ Others, W =/= ok] ++ [length(Answers), length(Others)].

same(Expected, Expected) -> ok;
same(_, Other) -> {wrong, Other}.

after_all(Self, Hold) ->
    receive {Self, tell} -> Self ! {self(), Hold()} end.

names() ->
    [variable, received, tuple, list, dictionary, dictionary_key, mailbox, mailbox_behind, closure, map_key,
        map_value, large_map, exception,
     try_after, collected, old_generation, alias, ets, ets_key, ets_counted, timer, timer_start, monitor_tag,
     spawned, spawned_low,
     exit_reason, linked_exit, answer, port_data, select, hibernated, suspended, busy, dirty, group].

%% Puts it somewhere; the fun gets it from there.
hold(variable, Get) -> V = Get(), fun() -> V end;
hold(received, Get) ->
    Me = self(), spawn_link(fun() -> Me ! {held, Get()} end), T = receive {held, _} = X -> X end,
    fun() -> element(2, T) end;
hold(tuple, Get) -> T = {self(), Get(), make_ref()}, fun() -> element(2, T) end;
hold(list, Get) -> L = [{I, Get()} || I <- lists:seq(1, 100)], fun() -> [V] = lists:usort([V || {_, V} <- L]), V end;
hold(dictionary, Get) -> put(held, Get()), fun() -> get(held) end;
hold(dictionary_key, Get) -> put(Get(), held), fun() -> hd([K || {K, held} <- get()]) end;
hold(mailbox, Get) -> self() ! {held, Get()}, fun() -> receive {held, V} -> V end end;
hold(mailbox_behind, Get) ->
    [self() ! {number, I} || I <- lists:seq(1, 50)],
    self() ! [held | Get()],
    receive nothing -> ok after 10 -> ok end,
    fun() -> receive [held | V] -> V end end;
hold(closure, Get) -> V = Get(), F = fun(X) -> {X, V} end, fun() -> element(2, F(1)) end;
hold(map_key, Get) -> M = #{Get() => 1, a => 2}, fun() -> hd([K || K <- maps:keys(M), K =/= a]) end;
hold(map_value, Get) -> M = (id(#{v => 0, a => 2}))#{v := Get()}, fun() -> maps:get(v, M) end;
hold(large_map, Get) -> V = Get(), M = maps:from_list([{I, V} || I <- lists:seq(1, 100)]), fun() -> maps:get(77, M) end;
hold(exception, Get) ->
    X = (catch throw({held, Get()})), fun() -> element(2, X) end;
hold(try_after, Get) ->
    Self = self(),
    X = Get(),
    P = spawn_link(fun() ->
        try
            try throw({held, X}) after receive go -> ok end end
        catch {held, V} -> Self ! {thrown, V}
        end
    end),
    fun() -> P ! go, receive {thrown, V} -> V end end;
hold(collected, Get) -> T = {Get()}, garbage_collect(), fun() -> element(1, T) end;
hold(old_generation, Get) ->
    T = {Get()},
    garbage_collect(), _ = lists:seq(1, 100000), garbage_collect(self(), [{type, minor}]), _ = lists:seq(1, 100000),
    fun() -> element(1, T) end;
hold(alias, Get) -> A = alias(), A ! {aliased, Get()}, fun() -> receive {aliased, V} -> V end end;
hold(ets, Get) -> T = ets:new(t, []), ets:insert(T, {1, Get()}), fun() -> ets:lookup_element(T, 1, 2) end;
hold(ets_key, Get) -> T = ets:new(t, [ordered_set]), ets:insert(T, {Get(), 1}), fun() -> ets:first(T) end;
hold(ets_counted, Get) ->
    T = ets:new(t, []), ets:insert(T, {Get(), 1}), ets:update_counter(T, Get(), 1),
    fun() -> [{K, 2}] = ets:tab2list(T), K end;
hold(timer, Get) -> erlang:send_after(3000, self(), {timed, Get()}), fun() -> receive {timed, V} -> V end end;
hold(timer_start, Get) ->
    Self = self(),
    Other = spawn_link(fun() -> receive {timeout, _, V} -> Self ! {passed, V} end end),
    erlang:start_timer(3000, Other, Get()),
    fun() -> receive {passed, V} -> V end end;
hold(monitor_tag, Get) ->
    P = spawn(fun() -> receive go -> ok end end),
    R = erlang:monitor(process, P, [{tag, Get()}]),
    fun() -> P ! go, receive {Tag, R, process, P, normal} -> Tag end end;
hold(spawned, Get) -> P = spawn_link(?MODULE, work, [self(), held, Get()]), fun() -> P ! go, receive {P, held, V} -> V end end;
hold(spawned_low, Get) ->
    P = spawn_opt(?MODULE, work, [self(), held, Get()], [{priority, low}, link]),
    fun() -> P ! go, receive {P, held, V} -> V end end;
hold(exit_reason, Get) ->
    X = Get(), {P, R} = spawn_monitor(fun() -> exit({held, X}) end),
    fun() -> receive {'DOWN', R, process, P, {held, V}} -> V end end;
hold(linked_exit, Get) ->
    process_flag(trap_exit, true),
    X = Get(),
    P = spawn_link(fun() -> exit(X) end),
    fun() -> receive {'EXIT', P, V} -> V end end;
hold(answer, Get) ->
    Self = self(),
    P = spawn_link(fun() -> V = Get(), put(v, V), Self ! ok, receive stop -> V end end),
    receive ok -> ok end,
    {dictionary, [{v, V}]} = process_info(P, dictionary),
    fun() -> V end;
hold(port_data, Get) ->
    Port = open_port({spawn, "cat"}, []),
    erlang:port_set_data(Port, Get()),
    fun() -> erlang:port_get_data(Port) end;
hold(select, Get) ->
    T = ets:new(t, [ordered_set]), ets:insert(T, [{I, I} || I <- lists:seq(1, 10)]),
    {_, More} = ets:select(T, [{{'$1', '_'}, [], [{{'$1', {const, Get()}}}]}], 5),
    fun() -> {[{6, V} | _], _} = ets:select(More), V end;
hold(hibernated, Get) ->
    X = Get(),
    P = proc_lib:spawn_link(fun() -> proc_lib:hibernate(?MODULE, work, [hibernated, held, X]) end),
    Self = self(),
    fun() -> P ! {Self, go}, receive {P, held, V} -> V end end;
hold(suspended, Get) ->
    P = spawn_link(?MODULE, work, [self(), held, Get()]), timer:sleep(10), erlang:suspend_process(P),
    P ! go,
    fun() -> erlang:resume_process(P), receive {P, held, V} -> V end end;
hold(busy, Get) ->
    %% OTP 25.2 does not look at registers there.
    case here() of true -> hold(registers, Get); false -> hold(variable, Get) end;
hold(registers, Get) ->
    Self = self(),
    P = spawn_link(fun() -> V = Get(), Self ! {self(), has}, spin(V, Self, 1) end),
    receive {P, has} -> ok end,
    fun() -> P ! stop, receive {P, spun, V} -> V end end;
hold(dirty, Get) ->
    Self = self(),
    X = Get(),
    P = spawn_link(fun() -> B = long_work(X), Self ! {self(), dirty, binary_to_term(B)} end),
    fun() -> receive {P, dirty, {_, V}} -> V end end;
hold(group, Get) ->
    %% Passed on from one to the next all the time.
    Self = self(),
    [P | _] = Ring = [spawn_link(fun() -> ring(undefined) end) || _ <- lists:seq(1, 5)],
    [A ! {next, B} || {A, B} <- lists:zip(Ring, tl(Ring) ++ [P])],
    P ! {ball, Get()},
    fun() -> P ! {stop, Self}, receive {ball, V} -> V end end.

work(hibernated, Tag, V) -> receive {To, go} -> To ! {self(), Tag, V} end;
work(To, Tag, V) -> receive go -> To ! {self(), Tag, V} end.

%% Has it in a register and nowhere else.
spin(V, To, N) when N rem 100000 =:= 0 -> receive stop -> To ! {self(), spun, V} after 0 -> spin(V, To, N + 1) end;
spin(V, To, N) -> spin(V, To, N + 1).

long_work(V) -> term_to_binary({lists:seq(1, 300000), V}).

ring(Next) ->
    receive
        {next, P} -> ring(P);
        {ball, V} -> timer:sleep(1), Next ! {ball, V}, ring(Next);
        {stop, To} -> receive {ball, V} -> To ! {ball, V} end
    end.

%% What no process has.
elsewhere(table, Get) ->
    T = ets:new(literal_tests_table, []), ets:insert(T, {held, [Get()]}),
    fun() -> [[V]] = [V || {held, V} <- ets:lookup(T, held)], V end;
elsewhere(match_spec_result, Get) ->
    T = ets:new(literal_tests_table, []), ets:insert(T, {held, [Get()]}),
    fun() -> [[V]] = ets:select(T, [{{held, '$1'}, [], ['$1']}]), V end;
elsewhere(heir, Get) ->
    Self = self(),
    X = Get(),
    Giver = spawn(fun() -> ets:new(given, [{heir, Self, {held, X}}]), receive go -> ok end end),
    fun() -> Giver ! go, receive {'ETS-TRANSFER', _, Giver, {held, V}} -> V end end;
elsewhere(compiled, Get) ->
    Pattern = binary:compile_pattern([<<"held">>, element(4, Get())]),
    {ok, Re} = re:compile(element(4, Get())),
    V = binary_to_term(term_to_binary(Get())),
    fun() -> {2, 11} = binary:match(<<"..on the heap">>, Pattern), {match, [{2, 11}]} = re:run(<<"..on the heap">>, Re), V end.

%% ---- parts of literals ----

parts() ->
    load(),
    Long = literal_target:long(), Short = literal_target:short(),
    <<_:5/binary, Part:70/binary, _/binary>> = Long,
    <<_:3, Bits:50/bitstring, _/bitstring>> = Short,
    <<_:2/binary, Rest/binary>> = Short,
    Updated = (literal_target:fields())#{number := 2, list := [new]},
    Tree = (literal_target:table())#{k40 => [40], k5 := five},
    Less = maps:remove(k7, literal_target:table()),
    Fun = literal_target:fun_with(x),
    Tail = tl(tl(element(3, literal_target:value()))),
    Joined = <<Part/binary, Rest/binary>>,
    Setup = term_to_binary({Long, Short, Part, Bits, Rest, Updated, Tree, Less, Tail, Joined, literal_target:pattern()}),
    Self = self(),
    P = spawn_link(fun() -> receive {hold, X} -> receive tell -> Self ! {self(), X} end end end),
    Now = {Long, Short, Part, Bits, Rest, Updated, Tree, Less, Tail, Joined, literal_target:pattern()},
    P ! {hold, Now},
    M = match_slowly(Short, Self),
    Spec = literal_target:spec(),
    T = ets:new(t, [ordered_set]), ets:insert(T, [{I, I} || I <- lists:seq(1, 3)]),
    {[First], More} = ets:select(T, Spec, 1),
    churn(),
    P ! tell,
    M ! go,
    Matched = receive {M, X} -> X after 20000 -> timeout end,
    {[Second], _} = ets:select(More),
    {receive {P, Y} -> Y =:= binary_to_term(Setup) after 20000 -> timeout end, Now =:= binary_to_term(Setup),
        Matched, First, Second,
     ets:select(T, Spec) =:= ets:select(T, binary_to_term(term_to_binary(Spec))),
     {Tree, maps:size(Less), maps:get(k36, Less)} =:= {(literal_target:table())#{k40 => [40], k5 := five}, 35, [36]},
     try Fun() of {x, V} -> V =:= literal_target:value() catch error:undef -> true; error:{badfun, _} -> true end}.

%% Waits in the middle of a binary.
match_slowly(B, To) ->
    spawn_link(fun() -> To ! {self(), match(B, 0, [])} end).

match(<<C, Rest/binary>>, 4, Acc) -> receive go -> match(Rest, 5, [C | Acc]) end;
match(<<C, Rest/binary>>, N, Acc) -> match(Rest, N + 1, [C | Acc]);
match(<<>>, _, Acc) -> lists:reverse(Acc).

%% ---- at the same time ----

%% Some load, some get literals and send them round, and look whether they are what they should be.
traffic(N) ->
    load(),
    Self = self(),
    Good = term_to_binary(literal_target:value()),
    Players = [spawn_link(fun() -> player(binary_to_term(Good), [], 0) end) || _ <- lists:seq(1, 8)],
    [P ! {others, Players} || P <- Players],
    Loader = spawn_link(fun() ->
        [begin load(), case I rem 50 of 0 -> timer:sleep(5); _ -> ok end end || I <- lists:seq(1, N div 10)],
        Self ! loaded end),
    receive loaded -> ok end,
    _ = Loader,
    [P ! {stop, Self} || P <- Players],
    lists:usort([receive {P, Played} -> Played end || P <- Players]).

player(Good, Others, Bad) ->
    receive
        {others, O} -> self() ! play, player(Good, O, Bad);
        {stop, To} -> To ! {self(), Bad};
        {have, V} -> player(Good, Others, Bad + wrong(V, Good));
        play ->
            V = try literal_target:value() catch error:undef -> Good end,
            Other = lists:nth(rand:uniform(length(Others)), Others),
            Other ! {have, V},
            put(rand:uniform(5), {V}),
            case rand:uniform(4) of
                1 -> spawn(fun() -> Other ! {have, V} end);
                2 -> catch exit(spawn(fun() -> receive after 1 -> {have, V} end end), V);
                3 -> [self() ! {have, X} || {_, {X}} <- get()];
                4 -> erlang:send_after(2, self(), {have, V})
            end,
            erlang:send_after(1, self(), play),
            player(Good, Others, Bad)
    end.

wrong(Good, Good) -> 0;
wrong(_, _) -> 1.

%% One replaces, others read and send.
persistent_traffic(N) ->
    Self = self(),
    Make = fun(I) -> {I, lists:duplicate(10, I), <<I:64, I:800>>} end,
    persistent_term:put({literal_tests, v}, Make(0)),
    Check = fun Check(Bad) ->
        receive
            {stop, To} -> To ! {self(), Bad};
            {I, L, B} -> Check(Bad + wrong({I, L, B}, Make(I)))
        after 0 ->
            {I, L, B} = V = persistent_term:get({literal_tests, v}),
            case I rem 7 of
                0 ->
                    {P, R} = spawn_monitor(fun() -> exit(V) end),
                    receive {'DOWN', R, process, P, X} -> Check(Bad + wrong(X, Make(I))) end;
                1 -> erlang:send_after(0, self(), V), Check(Bad);
                2 -> hd([P || P <- get(others), P =/= self()]) ! V, Check(Bad);
                3 -> put(v, V), erlang:yield(), Check(Bad + wrong(get(v), Make(I)));
                _ -> Check(Bad + wrong({I, L, B}, Make(I)))
            end
        end
    end,
    Players = [spawn_link(fun() -> receive {others, O} -> put(others, O) end, Check(0) end) || _ <- lists:seq(1, 4)],
    [P ! {others, Players} || P <- Players],
    [begin persistent_term:put({literal_tests, v}, Make(I)), case I rem 1000 of 0 -> timer:sleep(1); _ -> ok end
        end || I <- lists:seq(1, N)],
    [P ! {stop, Self} || P <- Players],
    Result = lists:usort([receive {P, Bad} -> Bad end || P <- Players]),
    persistent_term:erase({literal_tests, v}),
    Result.

%% Those who have it are always others: each passes it on and forgets it.
hot(N) ->
    Self = self(),
    Make = fun(I) -> {I, lists:seq(I, I + 3000)} end,
    Players = [spawn_link(fun() -> receive {next, P} -> pass(P, Self) end end) || _ <- lists:seq(1, 6)],
    [A ! {next, B} || {A, B} <- lists:zip(Players, tl(Players) ++ [hd(Players)])],
    Start = fun(I) ->
        persistent_term:put({literal_tests, hot}, Make(I)),
        lists:nth(I rem 6 + 1, Players) ! {ball, I rem 50, persistent_term:get({literal_tests, hot})}
    end,
    [Start(I) || I <- lists:seq(1, 8)],
    Bad = [I || J <- lists:seq(9, N), I <- receive {ended, {I, V}} -> Start(J), [I || {I, V} =/= Make(I)] end],
    Rest = [receive {ended, {I, V}} -> {I, V} =:= Make(I) end || _ <- lists:seq(1, 8)],
    persistent_term:erase({literal_tests, hot}),
    [begin unlink(P), exit(P, kill) end || P <- Players],
    {Bad, lists:usort(Rest)}.

pass(Next, To) ->
    receive
        {ball, 0, V} -> To ! {ended, V}, pass(Next, To);
        {ball, N, V} -> count(case N rem 5 of 0 -> 3000; _ -> 10 end), Next ! {ball, N - 1, V}, pass(Next, To)
    end.

count(0) -> ok;
count(N) -> count(N - 1).

%% Keys are terms, too: they stay for those who got them.
keys() ->
    [persistent_term:put({literal_tests, key, I, <<I:1000>>}, I) || I <- lists:seq(1, 50)],
    Before = lists:sort([K || {K, _} <- persistent_term:get(), is_tuple(K), tuple_size(K) =:= 4]),
    Copy = binary_to_term(term_to_binary(Before)),
    [persistent_term:erase(K) || K <- Before],
    [begin persistent_term:put({literal_tests, other, I}, I), persistent_term:erase({literal_tests, other, I}) end
        || I <- lists:seq(1, 500)],
    churn(),
    {length(Before), Before =:= Copy, [persistent_term:get(K, gone) || K <- lists:sublist(Before, 2)]}.

%% A process with literals of old code among its own is killed; so is one in that code.
killed_while_held() ->
    load(),
    Self = self(),
    Killed = [spawn(fun() -> V = literal_target:value(), Self ! ready, receive never -> V end end) || _ <- lists:seq(1, 20)],
    [receive ready -> ok end || _ <- Killed],
    {P, R} = spawn_monitor(literal_target, wait_with, [literal_target:value()]),
    wait_for(P),
    load(),
    Why = receive {'DOWN', R, process, P, X} -> X after 20000 -> timeout end,
    [exit(K, kill) || K <- Killed],
    churn(),
    {Why, [K || K <- Killed, is_process_alive(K)]}.

wait_for(P) ->
    case process_info(P, current_function) of
        {_, {literal_target, _, _}} -> ok;
        _ -> timer:sleep(1), wait_for(P)
    end.

%% ---- memory ----

%% Does N times of it leave more than a tenth does?
grows(Do, N) ->
    Times = N div slower(),
    Do(Times div 10),
    settle(),
    Before = erlang:memory(code),
    Do(Times),
    shrinks_below(Before + 4000000, 100).

%% It goes when there is time.
shrinks_below(Limit, 0) -> {grew, Limit, erlang:memory(code)};
shrinks_below(Limit, N) ->
    settle(),
    erlang:memory(code) < Limit orelse shrinks_below(Limit, N - 1).

settle() ->
    _ = [begin persistent_term:put({literal_tests, settle}, make_ref()), timer:sleep(400) end || _ <- [1, 2, 3]].
