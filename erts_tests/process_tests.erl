-module(process_tests).
-export([cases/0, loop/0, hibernated/1]).
-import(t, [id/1, outcome/1, messages/1]).

cases() ->
    [{send_receive, fun() -> self() ! {a, 1}, receive {a, X} -> X end end},
     {pids_by_age, fun() ->
         Spawn = fun() -> spawn(fun() -> receive stop -> ok end end) end,
         Stop = fun(P) -> R = monitor(process, P), P ! stop, receive {'DOWN', R, process, P, _} -> ok end end,
         Pids = lists:append([begin Kept = Spawn(), Gone = [Spawn() || _ <- lists:seq(1, 7)],
             lists:foreach(Stop, Gone), [Kept | Gone] end || _ <- lists:seq(1, 200)]),
         {lists:sort(Pids) =:= Pids, length(lists:usort(Pids)), lists:last(Pids) > hd(Pids)} end},
     {self_send_large, fun() ->
         L = lists:seq(1, 10000), [self() ! {I, L, <<I:4000>>, #{I => L}} || I <- lists:seq(1, 20)],
         garbage_collect(), X = lists:seq(1, 50000),
         {length(X), [receive {I, M, <<I:4000>>, #{I := M}} -> length(M) end
             || I <- lists:reverse(lists:seq(1, 20))], messages(0)} end},
     {self_send_selective, fun() ->
         [self() ! {I, [I]} || I <- lists:seq(1, 200)],
         A = [receive {I, V} when hd(V) * 2.0 == I * 2 -> V end || I <- lists:seq(200, 2, -2)], garbage_collect(),
         [self() ! {I, {I}} || I <- lists:seq(2, 200, 2)],
         {A, process_info(self(), message_queue_len), element(2, process_info(self(), messages)), messages(0)} end},
     {self_send_steady, fun() ->
         [self() ! {I, [I]} || I <- [1, 2, 3]],
         F = fun F(0) -> ok; F(N) -> receive {A, [A]} -> self() ! {A + 3, [A + 3]}, _ = lists:seq(1, 50), F(N - 1) end
             end, F(20000), messages(0) end},
     {self_send_order, fun() ->
         S = self(), register(self_send_order, S), S ! {a, [1]}, self_send_order ! {a, [2]}, S ! {a, [3]},
         spawn(fun() -> S ! {b, [1]} end), receive {b, _} -> ok end, erlang:send(S, {a, [4]}), messages(10) end},
     {self_send_off_heap, fun() ->
         process_flag(message_queue_data, off_heap), self() ! {a, lists:seq(1, 100)},
         process_flag(message_queue_data, on_heap), self() ! {b, lists:seq(1, 100)}, garbage_collect(),
         [{K, length(V)} || {K, V} <- messages(0)] end},
     {self_send_dies_with, fun() ->
         {P, R} = spawn_monitor(fun() -> [self() ! {I, lists:seq(1, 100)} || I <- lists:seq(1, 100)], exit(done) end),
         receive {'DOWN', R, process, P, X} -> X end end},
     {self_send_literal, fun() ->
         self() ! {literal, [1, 2, 3]}, self() ! [], self() ! "text", self() ! 1.5, self() ! 1 bsl 80,
         garbage_collect(), messages(0) end},
     {selective, fun() ->
         [self() ! M || M <- [1, a, 2, b]], [receive X when is_atom(X) -> X end, receive Y when is_atom(Y) -> Y end,
             receive Z -> Z end, receive Z2 -> Z2 end] end},
     {receive_order, fun() ->
         S = self(), P = spawn(fun() -> [S ! I || I <- lists:seq(1, 100)] end),
         is_pid(P) andalso [receive X -> X end || _ <- lists:seq(1, 100)] end},
     {after_zero, fun() -> receive x -> got after 0 -> none end end},
     {after_ms, fun() ->
         T0 = erlang:monotonic_time(millisecond), receive never -> x after 30 -> ok end,
         D = erlang:monotonic_time(millisecond) - T0, {D >= 30, D < 500} end},
     {after_bad, fun() -> [outcome(fun() -> receive x -> y after id(T) -> z end end) || T <- [-1, a, 1.0]] end},
     {guard_in_receive, fun() -> self() ! {n, 5}, self() ! {n, 50}, receive {n, N} when N * 2 > 20 -> N end end},
     {guard_builds_float, fun() ->
         self() ! {n, 5}, self() ! {n, 50}, receive {n, N} when N * 1.5 + 0.5 > 20.0 -> {N, messages(0)} end end},
     {spawn_args, fun() -> S = self(), spawn(lists, foreach, [fun(X) -> S ! X end, [1, 2]]), messages(100) end},
     {spawn_fun_env, fun() -> S = self(), A = id([big, {term}]), spawn(fun() -> S ! {A, A} end), receive X -> X end end},
     {spawn_bad, fun() ->
         [outcome(fun() -> spawn(id(M), id(F), id(A)) end) || {M, F, A} <- [{1, f, []}, {m, 2, []}, {m, f, x}]] end},
     {spawn_tuple_fun, fun() -> process_flag(trap_exit, true), T = id({m, f}),
         [case t:outcome(Make) of {ok, P} when is_pid(P) ->
             receive {'EXIT', P, R} -> {exit, R} after 100 -> none end; Bad -> Bad end
          || Make <- [fun() -> spawn_link(T) end, fun() -> spawn(T) end, fun() -> spawn_opt(T, [link]) end,
              fun() -> spawn_link(node(), T) end, fun() -> spawn_link(id({m, 1})) end,
              fun() -> spawn_opt(id({m, 1}), []) end, fun() -> spawn_monitor(T) end]] end},
     {spawn_undef, fun() ->
         {P, R} = spawn_monitor(no_such_mod, f, [1]),
         receive {'DOWN', R, process, P, {E, [{M, F, A, _} | _]}} -> {E, M, F, A} end end},
     {spawn_elsewhere, fun() -> process_flag(trap_exit, true), N = there@nowhere, F = fun() -> ok end,
         [remote(Make) || Make <- [fun() -> spawn(N, F) end, fun() -> spawn(N, lists, reverse, [[]]) end,
             fun() -> spawn_link(N, F) end,
                                   fun() -> spawn_monitor(N, F) end, fun() -> spawn_opt(N, F, [link, monitor]) end]] end},
     {spawn_request_elsewhere, fun() -> N = there@nowhere, F = fun() -> ok end,
         [remote(Make) || Make <- [fun() -> spawn_request(N, F) end, fun() -> spawn_request(N, F, [link, {reply_tag, x}]) end,
                                   fun() -> spawn_request(N, lists, reverse, [[]], [{reply, no}]) end,
                                   fun() ->
                                       spawn_request(N, F, [{reply, success_only}]) end,
                                   fun() -> spawn_request(N, F, [{reply, x}]) end]] end},
     {spawn_elsewhere_bad, fun() ->
         [outcome(fun() -> spawn(id(N), id(M), f, []) end) || {N, M} <- [{"n", m}, {there@nowhere, 1}]] end},
     {rpc_elsewhere, fun() -> N = there@nowhere,
         {rpc:call(N, lists, reverse, [[]]), rpc:cast(N, lists, reverse, [[]]), rpc:multicall([node(), N], lists, reverse, [[a]]),
          rpc:yield(rpc:async_call(N, lists, reverse, [[a]])), erpc:multicall([node(), N], lists, reverse, [[a]]),
          element(1, catch erpc:call(N, lists, reverse, [[]]))} end},
     {rpc_here, fun() ->
         {rpc:call(node(), lists, reverse, [[a, b]]), rpc:call(node(), lists, reverse, [[a, b]], 1000),
             erpc:call(node(), lists, reverse, [[a]])} end},
     {link_exit, fun() ->
         process_flag(trap_exit, true), P = spawn_link(fun() -> exit(bye) end), receive {'EXIT', P, R} -> R end end},
     {link_normal, fun() -> process_flag(trap_exit, true), P = spawn_link(fun() -> ok end), receive {'EXIT', P, R} -> R end end},
     {link_error, fun() ->
         process_flag(trap_exit, true), P = spawn_link(fun() -> error(oops) end),
         receive {'EXIT', P, {R, [_ | _]}} -> R end end},
     {link_dead, fun() ->
         process_flag(trap_exit, true), P = spawn(fun() -> ok end), wait_dead(P), R = outcome(fun() -> link(P) end),
         {element(1, R), receive {'EXIT', P, X} -> X after 100 -> none end} end},
     {link_dies_with, fun() ->
         {P, R} = spawn_monitor(fun() -> spawn_link(fun() -> exit(together) end), receive x -> y end end),
         receive {'DOWN', R, process, P, X} -> X end end},
     {normal_exit_no_kill, fun() ->
         {P, R} = spawn_monitor(fun() -> spawn_link(fun() -> ok end), receive x -> y after 50 -> lived end end),
         receive {'DOWN', R, process, P, X} -> X end end},
     {unlink, fun() ->
         process_flag(trap_exit, true), P = spawn_link(fun() -> receive go -> exit(x) end end), unlink(P), P ! go,
         messages(50) end},
     {exit_signal, fun() ->
         {P, R} = spawn_monitor(fun() -> receive x -> y end end), exit(P, why),
         receive {'DOWN', R, process, P, X} -> X end end},
     {exit_trapped, fun() ->
         S = self(), P = spawn(fun() -> process_flag(trap_exit, true), S ! ready, receive M -> S ! M end end),
         receive ready -> ok end, exit(P, soft), receive {'EXIT', S2, R} -> {S2 =:= S, R} end end},
     {exit_kill, fun() ->
         S = self(), {P, R} = spawn_monitor(fun() -> process_flag(trap_exit, true), S ! ready, receive x -> y end
                 end), receive ready -> ok end, exit(P, kill), receive {'DOWN', R, process, P, X} -> X end end},
     {exit_normal_ignored, fun() ->
         {P, R} = spawn_monitor(fun() -> receive x -> seen end end), exit(P, normal), P ! x,
         receive {'DOWN', R, process, P, X} -> X end end},
     {exit_self_normal, fun() ->
         {P, R} = spawn_monitor(fun() -> exit(self(), normal), receive after 100 -> exit(survived) end end),
         receive {'DOWN', R, process, P, X} -> X end end},
     {kill_busy, fun() ->
         P = spawn(fun loop/0), R = monitor(process, P), exit(P, kill),
         receive {'DOWN', R, process, P, X} -> X end end},
     {kill_link_chain, fun() ->
         process_flag(trap_exit, true), P = spawn_link(fun() -> receive x -> y end end), exit(P, kill),
         receive {'EXIT', P, X} -> X end end},
     {monitor_down, fun() ->
         {P, R} = spawn_monitor(fun() -> exit({a, tuple}) end), receive {'DOWN', R, process, P, X} -> X end end},
     {monitor_noproc, fun() ->
         P = spawn(fun() -> ok end), wait_dead(P), R = monitor(process, P),
         receive {'DOWN', R, process, P, X} -> X end end},
     {monitor_name, fun() ->
         P = spawn(fun() -> register(mon_name, self()), receive x -> y end end), wait_registered(mon_name),
         R = monitor(process, mon_name), exit(P, gone),
         receive {'DOWN', R, process, N, X} -> {N =:= {mon_name, node()}, X} end end},
     {monitor_no_name, fun() -> R = monitor(process, no_such_name_here), receive {'DOWN', R, process, N, X} -> {N, X} end end},
     {demonitor, fun() ->
         {P, R} = spawn_monitor(fun() -> receive x -> y end end), true = demonitor(R), exit(P, x), messages(50) end},
     {demonitor_flush, fun() -> {P, R} = spawn_monitor(fun() -> ok end), wait_dead(P), demonitor(R, [flush]), messages(20) end},
     {demonitor_info, fun() ->
         {P, R} = spawn_monitor(fun() -> receive x -> y end end), A = demonitor(R, [info]), B = demonitor(R, [info]),
         exit(P, kill), {A, B} end},
     {monitor_many, fun() ->
         P = spawn(fun() -> receive go -> exit(all) end end), Rs = [monitor(process, P) || _ <- lists:seq(1, 50)],
         P ! go, length([receive {'DOWN', R, process, P, all} -> x end || R <- Rs]) end},
     {monitor_tag, fun() ->
         P = spawn(fun() -> receive go -> ok end end), R = monitor(process, P, [{tag, 'MY_DOWN'}]), P ! go,
         receive {'MY_DOWN', R, process, P, X} -> X end end},
     {alias, fun() ->
         A = alias(), S = spawn(fun() -> receive {to, X} -> X ! hi end end), S ! {to, A}, R = receive M -> M end,
         {R, unalias(A), unalias(A)} end},
     {alias_inactive, fun() -> A = alias(), unalias(A), A ! lost, messages(20) end},
     {alias_reply, fun() ->
         P = spawn(fun() -> receive {R, From} -> From ! {R, one}, From ! {R, two} end end),
         R = monitor(process, P, [{alias, reply_demonitor}]), P ! {R, R}, messages(50) =:= [{R, one}] end},
     {register, fun() ->
         register(a_name, self()), X = whereis(a_name) =:= self(), a_name ! hello, M = receive Y -> Y end,
         true = unregister(a_name), {X, M, whereis(a_name)} end},
     {register_bad, fun() ->
         register(name1, self()),
         [outcome(fun() -> register(id(N), id(P)) end) || {N, P} <- [{name1, self()}, {undefined, self()},
                 {1, self()}, {name2, notpid}]] end},
     {send_no_name, fun() -> outcome(fun() -> id(nobody_here) ! x end) end},
     {send_bad, fun() -> [outcome(fun() -> id(T) ! x end) || T <- [1, "a", {}]] end},
     {send_dead, fun() -> P = spawn(fun() -> ok end), wait_dead(P), P ! hello end},
     {send_opts, fun() -> {erlang:send(self(), m, [nosuspend]), messages(0)} end},
     {name_freed_on_exit, fun() ->
         P = spawn(fun() -> register(gone_name, self()), receive stop -> ok end end), wait_registered(gone_name),
         P ! stop, wait_dead(P), whereis(gone_name) end},
     {dictionary, fun() ->
         [put(a, 1), put(a, 2), get(a), get(b), put(c, 3), lists:sort(get_keys(3)), erase(a), lists:sort(get()),
             erase(), get()] end},
     {process_info, fun() ->
         [element(1, process_info(self(), K)) || K <- [message_queue_len, status, links, monitors, trap_exit,
                 priority, reductions, memory, heap_size, stack_size, dictionary, group_leader, initial_call,
                 current_function]] end},
     {process_info_values, fun() ->
         self() ! m, [process_info(self(), K) || K <- [message_queue_len, messages, status, trap_exit, priority,
                 registered_name, links, monitors, dictionary, error_handler]] end},
     {process_info_other, fun() ->
         P = spawn(fun() -> put(k, v), receive x -> y end end), receive after 20 -> ok end,
         Waits = process_info(P, status), P ! hello, [Waits | process_info(P, [])]
         ++ [process_info(P, K) || K <- [message_queue_len, messages, dictionary, registered_name, trap_exit]] end},
     {process_info_dead, fun() -> P = spawn(fun() -> ok end), wait_dead(P), process_info(P, status) end},
     {process_info_list, fun() -> process_info(self(), [message_queue_len, trap_exit]) end},
     {process_info_bad, fun() ->
         [outcome(fun() -> process_info(self(), id(nonsense)) end), outcome(fun() -> process_info(id(a)) end)] end},
     {current_function, fun() ->
         P = spawn(?MODULE, hibernated, [self()]), receive after 50 -> ok end, X = process_info(P, current_function),
         exit(P, kill), X end},
     {process_flags, fun() ->
         {process_flag(trap_exit, true), process_flag(trap_exit, false), process_flag(priority, high),
             process_flag(priority, normal), process_flag(min_heap_size, 500) > 0} end},
     {process_flag_bad, fun() ->
         [outcome(fun() -> process_flag(id(trap_exit), id(1)) end),
             outcome(fun() -> process_flag(id(nonsense), x) end)] end},
     {is_alive, fun() ->
         P = spawn(fun() -> receive x -> y end end), A = is_process_alive(P), exit(P, kill), wait_dead(P),
         {A, is_process_alive(P), is_process_alive(self())} end},
     {hibernate, fun() ->
         S = self(), P = spawn(fun() -> erlang:hibernate(?MODULE, hibernated, [S]) end), receive after 20 -> ok end,
         P ! wake, receive M -> M end end},
     {group_leader, fun() ->
         G = group_leader(), S = self(), spawn(fun() -> S ! (group_leader() =:= G) end), A = receive X -> X end,
         group_leader(self(), self()), {A, group_leader() =:= self()} end},
     {spawn_opt, fun() ->
         S = self(), {P, R} = spawn_opt(fun() -> S ! process_info(self(), priority), ok end,
             [monitor, {priority, low}, {min_heap_size, 1000}]),
         [receive {priority, X} -> X end, receive {'DOWN', R, process, P, Y} -> Y end] end},
     {spawn_opt_bad, fun() -> outcome(fun() -> id(spawn_opt(fun() -> ok end, id([nonsense]))) end) end},
     {max_heap_size_messages, fun() -> [flooded(D) || D <- [on_heap, off_heap]] end},
     {max_heap_size, fun() ->
         {P, R} = spawn_opt(fun() -> lists:seq(1, 1000000) end,
             [monitor, {max_heap_size, #{size => 10000, kill => true, error_logger => false}}]),
         receive {'DOWN', R, process, P, X} -> X end end},
     {pid_text, fun() ->
         L = pid_to_list(self()), {hd(L), list_to_pid(L) =:= self(), outcome(fun() -> list_to_pid(id("<a>")) end)}
         end},
     {ref_unique, fun() -> Rs = [make_ref() || _ <- lists:seq(1, 1000)], {length(lists:usort(Rs)), hd(Rs) < lists:last(Rs)} end},
     {self_pid, fun() -> {self() =:= self(), is_pid(self()), node(self()), node()} end},
     {timer_send_after, fun() ->
         R = erlang:send_after(20, self(), ding), {is_integer(erlang:read_timer(R)), receive ding -> ok end,
             erlang:read_timer(R), erlang:cancel_timer(R)} end},
     {timer_cancel, fun() ->
         R = erlang:send_after(10000, self(), never), T = erlang:cancel_timer(R),
         {is_integer(T), T > 9000, erlang:cancel_timer(R), messages(10)} end},
     {timer_start, fun() -> R = erlang:start_timer(10, self(), data), receive {timeout, R, X} -> X end end},
     {timer_order, fun() -> [erlang:send_after(T, self(), T) || T <- [30, 10, 50, 20, 40]], messages(200) end},
     {timer_name, fun() -> register(timed, self()), erlang:send_after(5, timed, x), receive M -> M after 20000 -> none end end},
     {timer_zero, fun() -> erlang:send_after(0, self(), now), receive now -> ok end end},
     {timer_bad, fun() ->
         [outcome(fun() -> erlang:send_after(id(T), self(), x) end) || T <- [-1, a, 1 bsl 70]]
         ++ [outcome(fun() -> erlang:cancel_timer(id(a)) end)] end},
     {timer_cancel_async, fun() ->
         R = erlang:send_after(5000, self(), x), ok = erlang:cancel_timer(R, [{async, true}]),
         receive {cancel_timer, R, T} -> is_integer(T) end end},
     {timer_dead_process, fun() ->
         P = spawn(fun() -> receive x -> y end end), erlang:send_after(5, P, x), R = monitor(process, P),
         receive {'DOWN', R, process, P, X} -> X end end},
     {timer_abs, fun() ->
         T = erlang:monotonic_time(millisecond) + 20, erlang:send_after(T, self(), at, [{abs, true}]),
         receive at -> erlang:monotonic_time(millisecond) >= T end end},
     {many_timers, fun() -> [erlang:send_after(I rem 20, self(), I) || I <- lists:seq(1, 2000)], length(messages(100)) end},
     {many_processes, fun() ->
         S = self(), [spawn(fun() -> S ! {done, I} end) || I <- lists:seq(1, 5000)],
         length(lists:usort(messages(200))) end},
     {ring, fun() ->
         S = self(), Last = lists:foldl(fun(_, Next) -> spawn(fun() -> receive M -> Next ! M end end) end, S,
             lists:seq(1, 1000)), Last ! token, receive token -> around end end},
     {big_message, fun() -> S = self(), L = lists:seq(1, 100000), spawn(fun() -> S ! L end), receive X -> X =:= L end end},
     {recv_marker, fun() ->
         [self() ! {noise, I} || I <- lists:seq(1, 1000)], R = make_ref(), self() ! {R, x},
         receive {R, V} -> {V, length(messages(0))} end end},
     {large_binaries_take_reductions, fun() ->
         B = binary:copy(<<1>>, id(1 bsl 20)), {_, R} = process_info(self(), reductions),
         _ = [<<B/binary, N>> || N <- lists:seq(1, 50)], {_, R2} = process_info(self(), reductions),
         R2 - R > 10000 end},
     {fairness, fun() ->
         P = spawn(fun loop/0), S = self(), spawn(fun() -> S ! still_here end),
         X = receive M -> M after 20000 -> starved end, exit(P, kill), X end},
     {gc_keeps, fun() ->
         L = [{I, integer_to_list(I)} || I <- lists:seq(1, 10000)], erlang:garbage_collect(),
         lists:all(fun({I, S}) -> list_to_integer(S) =:= I end, L) end},
     {gc_other, fun() -> P = spawn(fun() -> receive x -> y end end), X = erlang:garbage_collect(P), exit(P, kill), X end},
     {unique_integer, fun() ->
         A = erlang:unique_integer([monotonic, positive]), B = erlang:unique_integer([monotonic, positive]),
         {A < B, is_integer(erlang:unique_integer())} end},
     {time, fun() ->
         A = erlang:monotonic_time(), B = erlang:monotonic_time(),
         {A =< B, is_integer(erlang:system_time(second)), erlang:convert_time_unit(1, second, millisecond),
             outcome(fun() -> erlang:monotonic_time(id(eon)) end)} end},
     {suspend, fun() ->
         P = spawn(fun loop/0), true = erlang:suspend_process(P), S = process_info(P, status),
         true = erlang:resume_process(P), exit(P, kill), S end},
     {kill_waits_not, fun() ->
         Ps = [spawn(fun() -> receive x -> y end end) || _ <- lists:seq(1, 100)],
         Rs = [monitor(process, P) || P <- Ps], [exit(P, kill) || P <- Ps],
         lists:usort([receive {'DOWN', R, process, _, X} -> X end || R <- Rs]) end},
     {exit_reason_shapes, fun() ->
         [begin {P, R} = spawn_monitor(F), receive {'DOWN', R, process, P, X} -> shape(X) end end
             || F <- [fun() -> ok end, fun() -> exit(normal) end, fun() -> exit({shutdown, x}) end,
                 fun() -> throw(t) end, fun() -> error(e) end, fun() -> 1 = id(2) end]] end},
     {fun_identity, fun() ->
         F = fun(X) -> X + 1 end, {F(1), is_function(F, 1), is_function(F, 2), (fun lists:reverse/1)([1, 2]),
             fun t:id/1 =:= fun t:id/1} end},
     {fun_info, fun() ->
         F = fun t:id/1, {erlang:fun_info(F, module), erlang:fun_info(F, name), erlang:fun_info(F, arity),
             erlang:fun_info(F, type), erlang:fun_info(fun() -> F end, arity)} end},
     {module_info, fun() ->
         {lists:member({cases, 0}, ?MODULE:module_info(exports)), ?MODULE:module_info(module),
             erlang:function_exported(?MODULE, loop, 0), erlang:function_exported(?MODULE, nope, 0)} end},
     {apply_forms, fun() ->
         {apply(lists, reverse, [[1, 2]]), apply(fun(A, B) -> A - B end, [5, 3]), erlang:apply(erlang, '+', [1, 2]),
             (id(lists)):(id(max))([1, 5])} end},
     {persistent_term, fun() ->
         persistent_term:put({?MODULE, k}, {v, [1]}),
         {persistent_term:get({?MODULE, k}), persistent_term:get(nokey, default), persistent_term:erase({?MODULE, k}),
             outcome(fun() -> persistent_term:get(id(nokey)) end)} end},
     {global_names, fun() ->
         N = {name, os:getpid()}, A = global:whereis_name(N), B = global:register_name(N, self()),
         C = global:whereis_name(N) =:= self(), global:send(N, hi), D = receive hi -> yes after 20000 -> no end,
         E = global:register_name(N, self()), F = global:unregister_name(N),
         {A, B, C, D, E, F, global:whereis_name(N), global:unregister_name(N),
             outcome(fun() -> global:send(nobody, x) end)} end},
     {global_name_goes_with_its_process, fun() ->
         S = self(), {P, M} = spawn_monitor(fun() -> yes = global:register_name(?MODULE, self()), S ! registered end),
         receive registered -> ok end, receive {'DOWN', M, process, P, _} -> timer:sleep(100) end,
         global:whereis_name(?MODULE) end},
     {global_trans, fun() ->
         {global:trans({lock, self()}, fun() -> 42 end), global:set_lock({r, self()}), global:del_lock({r, self()})}
         end},
     %% Such calls run elsewhere than on the scheduler.
     {large_terms, fun() ->
         L = lists:seq(1, 60000), B = term_to_binary(L), C = term_to_binary(L, [compressed]),
         {byte_size(B), binary_to_term(C) =:= L, is_binary(hd(term_to_iovec(L))), length(L -- lists:seq(1, 59990)),
             [element(2, outcome(fun() -> F(id(L)) end)) || F <- [fun(X) -> term_to_binary(X, [nope]) end,
                     fun(X) -> X -- [1 | 2] end]]} end},
     {large_binaries, fun() ->
         B = binary:copy(<<"abcdefgh", 0:8000>>, 500),
         {length(binary:matches(B, <<"ef">>)), length(binary:matches(B, <<"ef">>, [{scope, {0, 80}}])),
             length(binary:split(B, <<"ef">>, [global])), length(binary:split(B, <<"ef">>)),
             length(binary_to_list(B)), erlang:md5(binary:copy(B, 8)),
             element(2, outcome(fun() -> binary:matches(B, id(x)) end))} end},
     {large_numbers, fun() ->
         I = (id(1) bsl 150000) - 1, T = integer_to_list(I),
         {list_to_integer(T) =:= I, binary_to_integer(integer_to_binary(I)) =:= I, erlang:phash2(T),
             element(2, outcome(fun() -> list_to_integer(T ++ id("x")) end))} end},
     {large_tables, fun() -> [begin
         T = ets:new(t, [K]), true = ets:insert(T, [{X, X rem 7} || X <- lists:seq(1, 30000)]),
         false = ets:insert_new(T, [{X, x} || X <- lists:seq(30000, 50000)]),
         A = {length(ets:tab2list(T)), length(ets:select(T, [{{'$1', 3}, [], ['$1']}])),
             length(ets:match(T, {'$1', 3})), length(ets:match_object(T, {'_', 3})),
             ets:select(T, [{{5, '$1'}, [], ['$1']}]),
              ets:select_count(T, [{{'$1', 3}, [], [true]}]),
              ets:select_delete(T, [{{'$1', 3}, [], [true]}]), ets:info(T, size),
              element(2, outcome(fun() -> ets:select(T, id([{x}])) end))},
         {A, ets:delete_all_objects(T), ets:insert(T, [{X} || X <- lists:seq(1, 30000)]), ets:delete(T), ets:info(T)}
     end || K <- [set, ordered_set, duplicate_bag, bag], K =/= bag, K =/= duplicate_bag] end},
     {others_run_during_large_calls, fun() ->
         L = lists:seq(1, 300000), S = self(), P = spawn(fun() -> receive {go, R} -> S ! {R, here} end end),
         R = make_ref(), P ! {go, R}, _ = term_to_binary(L), receive {R, A} -> A after 20000 -> never end end}].

%% What a process on a node that is not connected looks like from here; its pid and references differ.
remote(Make) ->
    Hide = fun H(T) when is_tuple(T) -> list_to_tuple(H(tuple_to_list(T)));
               H(L) when is_list(L) -> [H(X) || X <- L];
               H(T) when is_pid(T) -> pid;
               H(T) when is_reference(T) -> ref;
               H(T) -> T end,
    Made = Make(),
    {Hide(Made), Hide(messages(50))}.

shape({R, [_ | _]}) -> {R, stack};
shape(R) -> R.

loop() -> loop().

hibernated(S) -> receive M -> S ! {woke, M} end.

wait_dead(P) ->
    R = monitor(process, P),
    receive {'DOWN', R, process, P, _} -> ok end.

wait_registered(Name) ->
    case whereis(Name) of
        undefined -> receive after 1 -> ok end, wait_registered(Name);
        _ -> ok
    end.

%% Messages count as heap unless they are kept off it.
flooded(Where) ->
    {Pid, Ref} = spawn_opt(fun() -> receive never -> ok end end,
                           [monitor,
                               {max_heap_size, #{size => 1024, error_logger => false, kill => true}},
                               {message_queue_data, Where}]),
    [Pid ! lists:duplicate(N, N) || N <- lists:seq(1, 100)],
    {messages, _} = process_info(Pid, messages),
    {total_heap_size, Words} = process_info(Pid, total_heap_size),
    garbage_collect(Pid),
    receive
        {'DOWN', Ref, process, Pid, Why} -> {Why, Words > 5000}
    after 300 -> exit(Pid, kill), {lives, Words > 5000}
    end.
