%% Links, monitors, aliases, ways to spawn and to suspend, beyond process_tests.
-module(signal_tests).
-export([cases/0, twice/2]).
-import(t, [id/1, outcome/1, messages/1, wait/0, wait/1, waiter/0, dead/0, down/1, hide/1, fails/1]).

cases() -> links() ++ monitors() ++ aliases() ++ spawns() ++ suspends().

twice(To, X) -> To ! {X, X}.
%% A process of a node that there is not.
far() -> binary_to_term(<<131, 88, 119, 3, "a@b", 1:32, 0:32, 5:32>>).
links() ->
    [{link_elsewhere, fun() ->
         Far = far(), %% a process that does not trap ends with it
         {_, R} = spawn_monitor(fun() -> true = link(Far), receive after 20000 -> exit(alive) end end),
         A = down(R), process_flag(trap_exit, true), B = link(Far), C = receive {'EXIT', Far, Why} -> Why after 20000 -> none end,
         {A, B, C, unlink(Far)}
     end},
     {monitor_elsewhere, fun() ->
         Far = far(), R = monitor(process, Far), receive {'DOWN', R, process, Far, Why} -> Why after 20000 -> none end
         end},
     {link_self, fun() -> {link(self()), unlink(self()), process_info(self(), links)} end},
     {link_twice, fun() ->
         P = waiter(), link(P), link(P), L = process_info(self(), links), unlink(P),
         {L =:= {links, [P]}, process_info(self(), links)} end},
     {link_both_sides, fun() ->
         S = self(), P = spawn(fun() -> link(S), S ! linked, wait() end), receive linked -> ok end, link(P),
         A = process_info(P, links), unlink(P), B = process_info(P, links), exit(P, kill),
         {A =:= {links, [S]}, B, messages(20)} end},
     {link_bad, fun() -> [fails(fun() -> link(id(X)) end) || X <- [a, 1, make_ref()]] end},
     {unlink_bad, fun() -> [fails(fun() -> unlink(id(X)) end) || X <- [a, 1]] end},
     {unlink_unknown, fun() -> unlink(dead()) end},
     {exit_shapes, fun() ->
         process_flag(trap_exit, true),
         [begin P = spawn_link(fun() -> exit(R) end), receive {'EXIT', P, X} -> X end end
             || R <- [normal, shutdown, {shutdown, x}, kill, killed, "s", 1 bsl 70, #{a => 1}]] end},
     {link_kill_reason_kills, fun() ->
         {P, R} = spawn_monitor(fun() -> spawn_link(fun() -> exit(kill) end), wait() end), X = down(R),
         {is_process_alive(P), X} end},
     {link_dead_no_trap, fun() -> D = dead(), {_, R} = spawn_monitor(fun() -> link(D), wait() end), hide(down(R)) end},
     {exit_to_dead, fun() -> exit(dead(), kill) end},
     {exit_bad, fun() -> [fails(fun() -> exit(id(X), y) end) || X <- [a, 1, {n, 'x@y'}]] end},
     {exit_self_trapped, fun() ->
         process_flag(trap_exit, true), exit(self(), normal), exit(self(), foo),
         messages(0) =:= [{'EXIT', self(), normal}, {'EXIT', self(), foo}] end},
     {exit_self_kill, fun() ->
         {_, R} = spawn_monitor(fun() -> process_flag(trap_exit, true), exit(self(), kill),
                 receive after 100 -> exit(survived) end end), down(R) end},
     {exit_self_is_at_once, fun() ->
         S = self(), {_, R} = spawn_monitor(fun() -> exit(self(), bye), S ! went_on end),
         {down(R), messages(20)} end},
     {exit_signal_order, fun() ->
         S = self(), P = spawn(fun() -> process_flag(trap_exit, true), S ! {ready, self()},
                 L = [receive M -> M end || _ <- lists:seq(1, 4)], S ! hide(L) end), receive {ready, P} -> ok end,
         P ! 1, exit(P, a), P ! 2, exit(P, b), receive L -> L end end},
     {tree_goes_down, fun() ->
         S = self(), {_, R} = spawn_monitor(
             fun() -> Ps = [spawn_link(fun() -> [spawn_link(t, wait, [S]) || _ <- [1, 2, 3]], wait(S) end)
                     || _ <- [1, 2, 3]], receive after 30 -> ok end, exit(hd(Ps), crash), wait() end), D = down(R),
         Ps = [P || {ready, P} <- messages(50)], receive after 20 -> ok end,
         {D, length(Ps), lists:any(fun is_process_alive/1, Ps)} end}].

monitors() ->
    [{monitor_self, fun() ->
        R = monitor(process, self()), {is_reference(R), process_info(self(), monitors), demonitor(R),
            demonitor(R, [info])} end},
     {monitor_bad, fun() ->
         [fails(fun() -> monitor(id(T), id(X)) end) || {T, X} <- [{process, 1}, {foo, self()}, {process, {a, 1}},
                 {process, {1, node()}}]] end},
     {monitor_options_bad, fun() ->
         [fails(fun() -> monitor(process, self(), id(O)) end) || O <- [[x], x, [{alias, x}], [{tag}],
                 [{alias, demonitor} | x]]] end},
     {monitor_name_node, fun() ->
         P = waiter(), register(mon_nn, P), R = monitor(process, {mon_nn, node()}),
         I = process_info(self(), monitors), exit(P, gone), {I, down(R)} end},
     {monitor_absent_name, fun() -> [down(monitor(process, N)) || N <- [nobody_is_this, {nobody_is_this, node()}]] end},
     {monitor_down_tuple, fun() ->
         {P, R} = spawn_monitor(fun() -> exit({a, [b], "c"}) end), receive {T, R, Y, P, X} -> {T, Y, X} end end},
     {monitor_tag_term, fun() ->
         P = waiter(), R = monitor(process, P, [{tag, {my, [tag], 1 bsl 80}}]), P ! stop,
         receive {Tag, R, process, P, X} -> {Tag, X} end end},
     {monitored_by, fun() ->
         P = waiter(), R = monitor(process, P), A = process_info(P, monitored_by), demonitor(R),
         B = process_info(P, monitored_by), exit(P, kill), {A =:= {monitored_by, [self()]}, B} end},
     {monitors_items, fun() ->
         P = waiter(), register(mon_items, P), monitor(process, P), monitor(process, mon_items),
         {monitors, L} = process_info(self(), monitors), exit(P, kill), lists:sort(hide(L)) end},
     {demonitor_bad, fun() ->
         [fails(fun() -> demonitor(id(R), id(O)) end) || {R, O} <- [{a, []}, {make_ref(), [x]}, {make_ref(), x}]]
         end},
     {demonitor_other_flush, fun() ->
         self() ! {'DOWN', make_ref(), process, self(), x}, demonitor(make_ref(), [flush]), length(messages(0)) end},
     {demonitor_info_flush, fun() ->
         {P, R} = spawn_monitor(fun() -> ok end), dead_wait(P), {demonitor(R, [info, flush]), messages(0)} end},
     {time_offset_monitor, fun() ->
         R = monitor(time_offset, clock_service),
         {is_reference(R), demonitor(R), fails(fun() -> monitor(time_offset, id(x)) end)} end},
     {down_after_exit_order, fun() ->
         process_flag(trap_exit, true), S = self(), {P, R} = spawn_opt(fun() -> S ! last_words, exit(bye) end,
             [link, monitor]), [receive last_words -> words end | lists:sort([receive {'EXIT', P, X} -> {exit, X} end,
                     receive {'DOWN', R, process, P, Y} -> {down, Y} end])] end}].

dead_wait(P) ->
    case is_process_alive(P) of
        true -> erlang:yield(), dead_wait(P);
        false -> receive after 10 -> ok end
    end.

aliases() ->
    [{alias_modes, fun() -> [alias_mode(M) || M <- [explicit_unalias, demonitor, reply_demonitor]] end},
     {alias_reply_once, fun() -> A = alias([reply]), A ! one, A ! two, {messages(0), unalias(A)} end},
     {alias_bad, fun() ->
         [fails(fun() -> alias(id(X)) end) || X <- [x, [x], [reply | x]]]
         ++ [fails(fun() -> unalias(id(x)) end)] end},
     {unalias_of_others, fun() ->
         S = self(), P = spawn(fun() -> S ! alias(), wait() end), A = receive X -> X end, R = unalias(A),
         exit(P, kill), R end},
     {alias_of_dead, fun() ->
         {P, R} = spawn_monitor(fun() -> exit(alias()) end), A = receive {'DOWN', R, process, P, X} -> X end,
         A ! hello end},
     {send_to_plain_ref, fun() -> {make_ref() ! hello, messages(0)} end},
     {alias_monitor_of_dead, fun() ->
         R = monitor(process, dead(), [{alias, explicit_unalias}]), D = down(R), R ! still,
         {D, messages(0), unalias(R)} end},
     {alias_in_message, fun() ->
         S = self(), spawn(fun() -> A = alias(), S ! {please, A}, receive M -> S ! {got, M} end end),
         receive {please, A} -> A ! {deep, [A =:= A]} end, receive {got, M} -> M end end},
     {erlang_send_alias, fun() -> A = alias(), {erlang:send(A, x, []), messages(0), unalias(A)} end}].

alias_mode(Mode) ->
    P = waiter(),
    R = monitor(process, P, [{alias, Mode}]),
    R ! a,
    A = messages(0),
    R ! b,
    B = messages(0),
    D = demonitor(R, [info]),
    R ! c,
    C = messages(0),
    U = unalias(R),
    P ! stop,
    {Mode, A, B, D, C, U, messages(10)}.

spawns() ->
    [{spawn_opt_all, fun() ->
        S = self(), {P, R} = spawn_opt(?MODULE, twice, [S, x], [link, monitor, {priority, high}, {fullsweep_after, 5},
                {min_heap_size, 400}, {min_bin_vheap_size, 100}, {message_queue_data, off_heap}, {max_heap_size, 0}]),
        receive M -> {M, is_pid(P), is_reference(R)} end end},
     {spawn_opt_errors, fun() ->
         [fails(fun() -> spawn_opt(t, wait, [], id(O)) end) || O <- [x, [x], [{priority, x}], [link | x],
                 [{min_heap_size, -1}], [{message_queue_data, x}], [{monitor, x}], [{monitor, [{tag}]}]]] end},
     {spawn_opt_monitor_options, fun() ->
         {P, R} = spawn_opt(fun() -> ok end, [{monitor, [{tag, 'T'}, {alias, explicit_unalias}]}]),
         X = receive {'T', R, process, P, Y} -> Y end, R ! ali, {X, messages(0), unalias(R)} end},
     {spawn_request, fun() ->
         R = spawn_request(?MODULE, twice, [self(), y], [monitor]),
         [receive {spawn_reply, R, ok, P} when is_pid(P) -> reply end, receive {y, y} -> ran end, down(R)] end},
     {spawn_request_fun, fun() ->
         S = self(), R = spawn_request(fun() -> S ! here end),
         hide(lists:sort(messages(50))) =:= [here, {spawn_reply, ref, ok, pid}] andalso is_reference(R) end},
     {spawn_request_tag, fun() ->
         R = spawn_request(t, wait, [], [{reply_tag, {my, tag}}, link]),
         receive {{my, tag}, R, ok, P} -> unlink(P), exit(P, kill) end end},
     {spawn_request_no_reply, fun() ->
         R = spawn_request(?MODULE, twice, [self(), z], [{reply, no}]), {is_reference(R), messages(50)} end},
     {spawn_request_badopt, fun() ->
         R = spawn_request(t, wait, [], [foo]), receive {spawn_reply, R, error, X} -> X after 50 -> none end
         end},
     {spawn_request_abandon, fun() ->
         R = spawn_request(?MODULE, twice, [self(), w]), receive {spawn_reply, R, ok, _} -> ok end,
         spawn_request_abandon(R) end},
     {spawn_node, fun() ->
         S = self(), spawn(node(), fun() -> S ! one end), spawn(node(), ?MODULE, twice, [S, two]),
         lists:sort(messages(50)) end},
     {spawn_apply_bad_arity, fun() ->
         {_, R} = spawn_monitor(lists, reverse, []),
         receive {'DOWN', R, process, _, {E, [{M, F, A, _} | _]}} -> {E, M, F, A} end end},
     {spawn_fun_bad_arity, fun() ->
         {_, R} = spawn_monitor(id(fun(X) -> X end)),
         receive {'DOWN', R, process, _, {{badarity, {F, As}}, _}} -> {is_function(F, 1), As} end end},
     {spawn_monitor_3, fun() ->
         {P, R} = spawn_monitor(?MODULE, twice, [self(), m]), receive {m, m} -> ok end,
         receive {'DOWN', R, process, P, X} -> X end end},
     {max_heap_no_kill, fun() ->
         {_, R} = spawn_opt(fun() -> X = lists:seq(1, 50000), exit(length(X)) end,
             [monitor, {max_heap_size, #{size => 5000, kill => false, error_logger => false}}]), down(R) end},
     {big_arguments, fun() ->
         L = lists:seq(1, 20000), spawn(?MODULE, twice, [self(), {L, <<0:8000>>}]),
         receive {{A, B}, _} -> {length(A), byte_size(B)} end end},
     {many_at_once, fun() ->
         N = 20000, S = self(), Ps = [spawn(fun() -> receive go -> S ! done end end) || _ <- lists:seq(1, N)],
         [P ! go || P <- Ps], length([receive done -> x end || _ <- Ps]) end}].

suspends() ->
    [{suspend_stops_it, fun() ->
        S = self(), P = spawn(fun F() -> receive stop -> ok; M -> S ! M, F() end end), erlang:suspend_process(P),
        P ! hello, A = messages(30), erlang:resume_process(P), B = messages(50), exit(P, kill), {A, B} end},
     {suspend_counts, fun() ->
         S = self(), P = spawn(fun() -> receive M -> S ! M end end), erlang:suspend_process(P),
         erlang:suspend_process(P), P ! x, erlang:resume_process(P), A = messages(20), erlang:resume_process(P),
         {A, messages(50)} end},
     {suspend_unless, fun() ->
         P = waiter(), A = erlang:suspend_process(P, [unless_suspending]),
         B = erlang:suspend_process(P, [unless_suspending]), erlang:resume_process(P), exit(P, kill), {A, B} end},
     {suspend_bad, fun() ->
         D = dead(), [fails(fun() -> id(erlang:suspend_process(id(P))) end) || P <- [self(), a, D]]
         ++ [fails(fun() -> erlang:resume_process(id(waiter())) end)] end},
     {suspended_can_be_killed, fun() ->
         P = waiter(), R = monitor(process, P), erlang:suspend_process(P), exit(P, kill), down(R) end},
     {suspender_dies, fun() ->
         S = self(), P = spawn(fun() -> receive M -> S ! M end end),
         {_, R} = spawn_monitor(fun() -> erlang:suspend_process(P) end), down(R), P ! awake, messages(50) end}].
