%% What the system says of processes and of itself: process_info, flags, timers, names, dictionary, times.
-module(system_tests).
-export([cases/0, woke/1]).
-import(t, [id/1, outcome/1, messages/1, wait/0, wait/1, waiter/0, dead/0, down/1, hide/1, fails/1]).

cases() -> infos() ++ flags() ++ timers() ++ names() ++ dictionary() ++ times() ++ system() ++ shared().

woke(To) -> To ! {woke, process_info(self(), messages)}.

infos() ->
    [{info_keys, fun() -> [{K, shape(process_info(self(), K))} || K <- keys()] end},
     {info_other_keys, fun() -> P = waiter(), X = [{K, shape(process_info(P, K))} || K <- keys()], exit(P, kill), X end},
     {info_standard, fun() ->
         P = waiter(), X = [K || {K, _} <- process_info(P)], register(info_named, P), Y = hd(process_info(P)),
         exit(P, kill), {X, Y} end},
     {info_dead, fun() -> D = dead(), {process_info(D), process_info(D, links), process_info(D, [links, status])} end},
     {info_bad, fun() ->
         [fails(fun() -> process_info(id(P), id(K)) end) || {P, K} <- [{a, links}, {self(), x}, {self(), [links, x]},
                 {self(), [links | x]}, {self(), 1}]] end},
     {info_empty_list, fun() -> process_info(self(), []) end},
     {info_name_in_list, fun() -> process_info(self(), [registered_name, trap_exit]) end},
     {info_messages_order, fun() ->
         P = waiter(), [P ! {m, I} || I <- lists:seq(1, 5)], X = process_info(P, [message_queue_len, messages]),
         exit(P, kill), X end},
     {info_self_messages, fun() ->
         self() ! a, self() ! {b, "c"}, X = process_info(self(), [message_queue_len, messages]), messages(0), X end},
     {info_current_function, fun() ->
         P = waiter(), erlang:yield(), X = process_info(P, [current_function, initial_call]), exit(P, kill), X end},
     {info_initial_call_fun, fun() ->
         S = self(), spawn(fun() -> S ! process_info(self(), initial_call) end), receive X -> X end end},
     {info_stacktrace, fun() ->
         P = waiter(), {current_stacktrace, [{M, F, A, L} | _]} = process_info(P, current_stacktrace), exit(P, kill),
         {M, F, A, is_list(L)} end},
     {info_dictionary, fun() ->
         S = self(), P = spawn(fun() -> put(a, {1, "x"}), put("k", 2), S ! {ready, self()}, wait() end),
         receive {ready, P} -> ok end, {dictionary, D} = process_info(P, dictionary), exit(P, kill),
         lists:sort(D) end},
     {info_parent, fun() -> S = self(), P = waiter(), X = process_info(P, parent), exit(P, kill), X =:= {parent, S} end},
     {info_group_leader, fun() -> process_info(self(), group_leader) =:= {group_leader, group_leader()} end},
     {info_suspending, fun() ->
         P = waiter(), erlang:suspend_process(P), {suspending, X} = process_info(self(), suspending),
         erlang:resume_process(P), exit(P, kill), {hide(X), process_info(self(), suspending)} end},
     {info_links_other, fun() ->
         S = self(), P = spawn_link(t, wait, [S]), X = process_info(P, links), unlink(P), exit(P, kill),
         X =:= {links, [S]} end},
     {processes, fun() ->
         P = waiter(), X = lists:member(P, processes()), exit(P, kill), D = dead(),
         {X, lists:member(D, processes()), lists:member(self(), processes())} end},
     {is_alive, fun() -> [fails(fun() -> is_process_alive(id(X)) end) || X <- [a, 1]] end},
     {is_alive_after_exit, fun() -> P = waiter(), exit(P, kill), is_process_alive(P) end}].

keys() ->
    [backtrace, binary, catchlevel, current_function, current_location, current_stacktrace, dictionary, error_handler,
     fullsweep_after, garbage_collection, garbage_collection_info, group_leader, heap_size, initial_call, last_calls,
     links, magic_ref, max_heap_size, memory, message_queue_data, message_queue_len, messages, min_bin_vheap_size,
     min_heap_size, monitored_by, monitors, parent, priority, reductions, registered_name, sequential_trace_token,
     stack_size, suspending, total_heap_size, trace, trap_exit].

%% What a value looks like, with numbers and pids left out.
shape({K, V}) when is_atom(K) -> {K, shape(V)};
shape({A, B}) -> {shape(A), shape(B)};
shape(T) when is_tuple(T) -> {tuple, tuple_size(T)};
shape(N) when is_integer(N) -> integer;
shape(B) when is_binary(B) -> binary;
shape(P) when is_pid(P) -> pid;
shape([{K, _} | _] = L) when is_atom(K) -> lists:sort([element(1, E) || E <- L, is_tuple(E)]);
shape([_ | _]) -> list;
shape(M) when is_map(M) -> lists:sort(maps:keys(M));
shape(X) -> X.

flags() ->
    [{flags_old_values, fun() ->
        [{F, process_flag(F, V), process_flag(F, V)} || {F, V} <- [{trap_exit, true}, {error_handler, my_handler},
                {fullsweep_after, 7}, {message_queue_data, off_heap}, {priority, low}, {save_calls, 5},
                {sensitive, true}]] end},
     {flag_heap_sizes, fun() ->
         A = process_flag(min_heap_size, 1000), B = process_flag(min_heap_size, 233),
         C = process_flag(min_bin_vheap_size, 50000), {A, B >= 1000, C} end},
     {flag_max_heap, fun() ->
         A = process_flag(max_heap_size, #{size => 10000000, kill => false}), B = process_flag(max_heap_size, 0),
         {A, B, process_info(self(), max_heap_size)} end},
     {flags_bad, fun() ->
         [fails(fun() -> process_flag(id(F), id(V)) end) || {F, V} <- [{trap_exit, x}, {nope, 1}, {priority, x},
                 {min_heap_size, -1}, {min_heap_size, x}, {max_heap_size, x}, {max_heap_size, #{}},
                 {message_queue_data, x}, {save_calls, -1}, {save_calls, 10001}, {error_handler, 1},
                 {fullsweep_after, -1}, {sensitive, 1}]] end},
     {flag_save_calls_other, fun() ->
         P = waiter(), A = process_flag(P, save_calls, 10), B = process_flag(P, save_calls, 0),
         exit(P, kill), {A, B} end},
     {garbage_collect, fun() ->
         P = waiter(), A = [garbage_collect(), garbage_collect(P), garbage_collect(P, [{type, minor}]),
             garbage_collect(self(), [])], B = garbage_collect(P, [{async, my_id}]), M = messages(50), exit(P, kill),
         {A, B, M, garbage_collect(dead())} end},
     {garbage_collect_bad, fun() ->
         [fails(fun() -> id(garbage_collect(id(a))) end), fails(fun() -> id(garbage_collect(self(), id([x]))) end)]
         end},
     {group_leader_other, fun() ->
         P = waiter(), S = self(), A = group_leader(S, P), B = process_info(P, group_leader) =:= {group_leader, S},
         exit(P, kill), {A, B} end},
     {group_leader_bad, fun() ->
         [fails(fun() -> id(group_leader(id(A), id(B))) end) || {A, B} <- [{a, self()}, {self(), a}]] end},
     {hibernate_messages, fun() ->
         P = spawn(fun() -> put(k, v), erlang:hibernate(?MODULE, woke, [id(pd(self()))]) end),
         receive after 20 -> ok end, is_process_alive(P) end},
     {hibernate_wakes, fun() ->
         S = self(), P = spawn(fun() -> erlang:hibernate(?MODULE, woke, [S]) end), receive after 20 -> ok end,
         P ! {hi, there}, receive X -> X end end},
     {hibernate_with_message, fun() ->
         S = self(), P = spawn(fun() -> receive go -> ok end, erlang:hibernate(?MODULE, woke, [S]) end), P ! first,
         P ! go, receive X -> X end end},
     {bump, fun() ->
         {erlang:bump_reductions(10), fails(fun() -> erlang:bump_reductions(id(0)) end),
             fails(fun() -> erlang:bump_reductions(id(a)) end)} end},
     {yield, fun() -> erlang:yield() end}].

pd(P) -> P.

timers() ->
    [{timer_messages, fun() -> R = erlang:start_timer(1, self(), {big, "message"}), receive {timeout, R, M} -> M end end},
     {timer_read, fun() ->
         R = erlang:send_after(100000, self(), x), A = erlang:read_timer(R), B = erlang:cancel_timer(R),
         {A > 99000, A =< 100000, B =< A, erlang:read_timer(R)} end},
     {timer_options, fun() ->
         R = erlang:send_after(100000, self(), x),
         {ok, T} = {erlang:read_timer(R, [{async, true}]), receive {read_timer, R, X} -> X end},
         C = erlang:cancel_timer(R, [{info, false}]),
         {T > 99000, C, erlang:cancel_timer(R, [{async, false}, {info, true}]),
             erlang:cancel_timer(R, [{async, true}, {info, false}]), messages(10)} end},
     {timer_bad_options, fun() ->
         R = make_ref(), [fails(fun() -> erlang:cancel_timer(R, id(O)) end)
             || O <- [x, [x], [{async, x}], [{info, true} | x]]]
         ++ [fails(fun() -> erlang:read_timer(R, id([{info, true}])) end),
             fails(fun() -> erlang:send_after(1, self(), x, id([{abs, x}])) end),
             fails(fun() -> erlang:send_after(1, self(), x, id(x)) end)] end},
     {timer_bad_dest, fun() -> [fails(fun() -> erlang:send_after(1, id(D), x) end) || D <- [1, "a", {a, node()}]] end},
     {timer_cancelled_by_other, fun() ->
         S = self(), R = erlang:send_after(50, self(), late),
         spawn(fun() -> S ! {cancelled, is_integer(erlang:cancel_timer(R))} end), messages(100) end},
     {timer_to_other, fun() ->
         S = self(), P = spawn(fun() -> receive M -> S ! {got, M} end end), erlang:send_after(5, P, tick),
         receive X -> X after 20000 -> none end end},
     {timer_dest_dies, fun() ->
         P = waiter(), R = erlang:send_after(100000, P, x), exit(P, kill), is_process_alive(P),
         receive after 10 -> ok end, {erlang:read_timer(R), erlang:cancel_timer(R)} end},
     {timer_same_time, fun() ->
         [erlang:send_after(10, self(), I) || I <- lists:seq(1, 20)],
         lists:sort([receive M -> M after 20000 -> none end || _ <- lists:seq(1, 20)]) =:= lists:seq(1, 20) end},
     {timer_past_abs, fun() ->
         erlang:send_after(erlang:monotonic_time(millisecond) - 1, self(), past, [{abs, true}]), messages(20) end},
     {after_accuracy, fun() ->
         T0 = erlang:monotonic_time(microsecond), [receive after 2 -> ok end || _ <- lists:seq(1, 20)],
         T = erlang:monotonic_time(microsecond) - T0, {T >= 40000, T < 4000000} end},
     {after_is_not_restarted, fun() ->
         [erlang:send_after(I * 5, self(), noise) || I <- lists:seq(1, 8)], T0 = erlang:monotonic_time(millisecond),
         receive never -> x after 20 -> ok end, T = erlang:monotonic_time(millisecond) - T0, messages(40),
         {T >= 20, T < 2000} end},
     {after_infinity, fun() ->
         P = spawn(fun() -> receive x -> y after infinity -> z end end), receive after 10 -> ok end,
         X = is_process_alive(P), exit(P, kill), X end},
     {after_big, fun() ->
         P = spawn(fun() -> receive x -> y after 16#FFFFFFFF -> z end end), receive after 10 -> ok end,
         X = is_process_alive(P), exit(P, kill), X end},
     {after_too_big, fun() -> fails(fun() -> receive x -> y after id(16#100000000) -> z end end) end},
     {many_sleepers, fun() ->
         S = self(), N = 1000, [spawn(fun() -> receive after (I rem 50) -> S ! I end end) || I <- lists:seq(1, N)],
         length([receive I -> I end || I <- lists:seq(1, N)]) end}].

names() ->
    [{names_bad, fun() ->
        [fails(fun() -> register(id(N), id(P)) end) || {N, P} <- [{undefined, self()}, {a_b_c, x}, {"x", self()}]]
        ++ [fails(fun() -> unregister(id(X)) end) || X <- [nobody_has_this, 1, undefined]]
        ++ [fails(fun() -> whereis(id(1)) end)] end},
     {name_of_dead, fun() -> D = dead(), fails(fun() -> register(name_of_dead_x, id(D)) end) end},
     {name_other, fun() ->
         P = waiter(), register(name_other_x, P), A = whereis(name_other_x) =:= P, name_other_x ! stop,
         R = monitor(process, P), down(R), {A, whereis(name_other_x)} end},
     {registered, fun() ->
         register(name_listed_x, self()), A = lists:member(name_listed_x, registered()), unregister(name_listed_x),
         {A, lists:member(name_listed_x, registered())} end},
     {send_name_node, fun() ->
         register(name_node_x, self()), {name_node_x, node()} ! hi, X = messages(0), unregister(name_node_x),
         {X, {name_node_x, node()} ! lost} end},
     {send_bad, fun() -> [fails(fun() -> id(T) ! x end) || T <- [1, 1.0, <<>>, [], {a}, {a, 1}, fun() -> ok end, #{}]] end},
     {send3_bad, fun() ->
         [fails(fun() -> erlang:send(id(T), x, id(O)) end) || {T, O} <- [{self(), x}, {self(), [x]},
                 {nobody_has_this, []}, {1, []}]] end},
     {rename, fun() ->
         register(rename_a_x, self()), A = process_info(self(), registered_name), unregister(rename_a_x),
         register(rename_b_x, self()), B = process_info(self(), registered_name), {A, B} end}].

dictionary() ->
    [{dict, fun() -> {put(a, 1), put(a, 2), get(a), get(b), erase(a), erase(a), get(a)} end},
     {dict_many, fun() ->
         [put({k, I}, I) || I <- lists:seq(1, 1000)], S = lists:sum([get({k, I}) || I <- lists:seq(1, 1000)]),
         [erase({k, I}) || I <- lists:seq(1, 1000, 2)],
         {S, length(get()), get({k, 1}), get({k, 2}), length(erase()), get()} end},
     {dict_keys, fun() ->
         put(x, 1), put(y, 2), put(z, 1), {lists:sort(get_keys()), lists:sort(get_keys(1)), get_keys(3),
             lists:sort(get())} end},
     {dict_keys_exact, fun() -> put(1, a), put(1.0, b), {get(1), get(1.0), get(<<>>), put([], x), get([])} end},
     {dict_survives_gc, fun() ->
         [put(I, lists:seq(1, I)) || I <- lists:seq(1, 200)], garbage_collect(),
         [put(I, [I | get(I)]) || I <- lists:seq(1, 200)], garbage_collect(),
         lists:sum([length(get(I)) || I <- lists:seq(1, 200)]) end}].

times() ->
    [{time_units, fun() ->
        [begin A = erlang:system_time(U), B = os:system_time(U), is_integer(A) andalso is_integer(B) end
            || U <- [second, millisecond, microsecond, nanosecond, native, perf_counter, seconds, milli_seconds,
                micro_seconds, nano_seconds, 1, 1000, 25]] end},
     {time_bad, fun() ->
         [fails(fun() -> erlang:monotonic_time(id(U)) end) || U <- [x, 0, -1, 1.0]]
         ++ [fails(fun() -> erlang:system_time(id(x)) end), fails(fun() -> erlang:time_offset(id(x)) end)] end},
     {time_sum, fun() ->
         D = erlang:system_time(millisecond) - (erlang:monotonic_time(millisecond) + erlang:time_offset(millisecond)),
         abs(D) =< 2 end},
     {time_is_now, fun() -> abs(erlang:system_time(second) - os:system_time(second)) =< 2 end},
     {timestamps, fun() ->
         {A, B, C} = erlang:timestamp(), {D, E, F} = os:timestamp(),
         lists:all(fun is_integer/1, [A, B, C, D, E, F]) end},
     {now_grows, fun() -> L = [erlang:now() || _ <- lists:seq(1, 100)], L =:= lists:usort(L) end},
     {monotonic_grows, fun() -> L = [erlang:monotonic_time() || _ <- lists:seq(1, 100)], L =:= lists:sort(L) end},
     {dates, fun() ->
         {{Y, Mo, D}, {H, Mi, S}} = erlang:localtime(), {{_, _, _}, {_, _, _}} = erlang:universaltime(),
         {_, _, _} = date(), {_, _, _} = time(), lists:all(fun is_integer/1, [Y, Mo, D, H, Mi, S]) end},
     {date_conversions, fun() ->
         [{erlang:universaltime_to_posixtime(T),
                 erlang:posixtime_to_universaltime(erlang:universaltime_to_posixtime(T))}
             || T <- [{{1970, 1, 1}, {0, 0, 0}}, {{2024, 2, 29}, {23, 59, 59}}, {{1969, 12, 31}, {23, 59, 59}}]] end},
     {date_local, fun() ->
         T = {{2021, 7, 1}, {12, 0, 0}}, U = erlang:localtime_to_universaltime(T),
         erlang:universaltime_to_localtime(U) =:= T end},
     {date_bad, fun() ->
         [fails(fun() -> id(erlang:localtime_to_universaltime(id(T))) end) || T <- [x, {{2000, 13, 1}, {0, 0, 0}},
                 {{2001, 2, 29}, {0, 0, 0}}, {{2000, 1, 1}, {24, 0, 0}}, {{2000, 1, 1}, {0, 60, 0}}]] end},
     {unique, fun() ->
         L = [erlang:unique_integer() || _ <- lists:seq(1, 1000)],
         M = [erlang:unique_integer([monotonic]) || _ <- lists:seq(1, 1000)],
         P = [erlang:unique_integer([positive]) || _ <- lists:seq(1, 100)],
         {length(lists:usort(L)), M =:= lists:usort(M), lists:all(fun(X) -> X > 0 end, P)} end},
     {unique_bad, fun() -> [fails(fun() -> erlang:unique_integer(id(X)) end) || X <- [x, [x], [positive | x]]] end},
     {unique_across, fun() ->
         S = self(), [spawn(fun() -> S ! [erlang:unique_integer() || _ <- lists:seq(1, 500)] end)
             || _ <- lists:seq(1, 10)],
         length(lists:usort(lists:append([receive L -> L end || _ <- lists:seq(1, 10)]))) end},
     {convert, fun() ->
         [erlang:convert_time_unit(X, A, B) || {X, A, B} <- [{1500, millisecond, second},
                 {-1500, millisecond, second}, {1, second, native}]] end}].

system() ->
    [{info_types, fun() ->
        [{K, shape(erlang:system_info(K))} || K <- [atom_count, atom_limit, compat_rel, creation, debug_compiled,
                dirty_cpu_schedulers, dirty_io_schedulers, dist_ctrl, driver_version, dynamic_trace, end_time,
                ets_count, ets_limit, fullsweep_after, kernel_poll, logical_processors, machine, max_heap_size,
                message_queue_data, min_heap_size, min_bin_vheap_size, multi_scheduling, nif_version, os_type,
                os_version, otp_release, port_count, port_limit, process_count, process_limit, scheduler_bind_type,
                scheduler_bindings, scheduler_id, update_cpu_info, schedulers, schedulers_online, smp_support,
                start_time, system_architecture, thread_pool_size, threads, time_correction, time_offset,
                time_warp_mode, tolerant_timeofday, trace_control_word, version, wordsize, {wordsize, internal},
                {wordsize, external}]] end},
     {info_values, fun() ->
         [erlang:system_info(K) || K <- [otp_release, wordsize, machine, os_type, system_architecture, atom_limit,
                 threads, smp_support, min_heap_size, min_bin_vheap_size, fullsweep_after]] end},
     {info_counts, fun() ->
         Count = fun() -> {erlang:system_info(ets_count), erlang:system_info(port_count)} end, {E0, P0} = Count(),
        Ts = [ets:new(x, []) || _ <- lists:seq(1, 5)], Port = open_port({spawn, "cat"}, []), {E1, P1} = Count(),
        [ets:delete(T) || T <- Ts], port_close(Port), {E2, P2} = Count(), {E1 - E0, P1 - P0, E2 - E0, P2 - P0} end},
     {info_build, fun() -> [lists:member(erlang:system_info(K), [opt, asan, tsan]) || K <- [build_type, emu_type]] end},
     {info_unknown, fun() -> [fails(fun() -> erlang:system_info(id(K)) end) || K <- [nope, 1, {wordsize, x}, "x"]] end},
     {statistics, fun() ->
         [{K, shape(erlang:statistics(K))} || K <- [context_switches, exact_reductions, garbage_collection,
                 reductions, run_queue, runtime, total_run_queue_lengths, total_active_tasks, wall_clock]] end},
     {statistics_gc, fun() -> {C, W, 0} = erlang:statistics(garbage_collection), lists:seq(1, 100000), garbage_collect(),
                              {C1, W1, 0} = erlang:statistics(garbage_collection), {C1 > C, W1 > W} end},
     {wall_time, fun wall_time/0},
     {statistics_bad, fun() -> fails(fun() -> erlang:statistics(id(x)) end) end},
     {system_flags, fun() ->
         [erlang:system_flag(K, V) || {K, V} <- [{min_heap_size, 233}, {fullsweep_after, 65535},
                 {scheduler_wall_time, false}, {backtrace_depth, 8}]] end},
     {process_display_bad, fun() ->
         P = spawn(fun() -> ok end), timer:sleep(50),
         [t:outcome(fun() -> erlang:process_display(A, B) end) || {A, B} <- [{self(), foo}, {a, backtrace},
                 {P, backtrace}]] end},
     {backtrace_text, fun() ->
         S = self(), P = spawn(fun() -> S ! ok, try waits([1, 2.5], <<"b">>) catch _:_ -> 1 end, {S} end),
         receive ok -> ok end, timer:sleep(100),
         {backtrace, B} = process_info(P, backtrace),
         re:replace(B, "0x[0-9a-f]+|\\+ [0-9]+|<[0-9.]+>", "", [global, {return, binary}]) end},
     {system_flag_sizes, fun() ->
         flags_for(fun new_process_sizes/0, [{min_heap_size, 300}, {min_bin_vheap_size, 50000}, {fullsweep_after, 7},
                 {max_heap_size, #{size => 100000, kill => false}}]) end},
     {system_flag_sizes_off, fun() -> new_process_sizes() end},
     {system_flag_max_heap_least, fun() ->
         flags_for(fun() -> {fails(fun() -> erlang:system_flag(max_heap_size, 200) end),
                     fails(fun() -> spawn_opt(fun() -> ok end, [{min_heap_size, 20000}]) end)} end,
             [{max_heap_size, 10000}]) end},
     {heap_sizes_step, fun() ->
         {[process_flag(K, V) || {K, V} <- [{min_heap_size, 400}, {min_heap_size, 233}, {min_bin_vheap_size, 50000},
                     {min_bin_vheap_size, 1}]],
         process_info(spawn_opt(fun() -> receive x -> x end end,
             [{min_heap_size, 500}, {min_bin_vheap_size, 60000}]), [min_heap_size, min_bin_vheap_size])} end},
     {multi_scheduling, fun() -> S = fun(V) -> erlang:system_flag(multi_scheduling, V) end,
         I = fun() ->
             {erlang:system_info(multi_scheduling),
                 [erlang:system_info(K) =:= [self()]
                     || K <- [multi_scheduling_blockers, normal_multi_scheduling_blockers]],
                 erlang:system_info(schedulers_online)} end,
         [{S(V), I()} || V <- [block_normal, block, block, unblock, unblock_normal, unblock, unblock]] end},
     {multi_scheduling_ends, fun() ->
         {P, R} = spawn_monitor(fun() -> exit(erlang:system_flag(multi_scheduling, block)) end),
         X = receive {'DOWN', R, process, P, Y} -> Y end,
         timer:sleep(50),
         {X, erlang:system_info(multi_scheduling),
             erlang:system_info(schedulers_active) =:= erlang:system_info(schedulers_online)} end},
     {system_flags_remembered, fun() ->
         [begin Old = erlang:system_flag(K, V),
                 {Old =:= erlang:system_flag(K, Old) orelse Old, erlang:system_flag(K, V), erlang:system_flag(K, Old)}
                 end
         || {K, V} <- [{trace_control_word, 5}, {outstanding_system_requests_limit, 10},
             {sequential_tracer, false}, {backtrace_depth, 5}]] end},
     {system_flags_info, fun() ->
         flags_for(fun() -> [erlang:system_info(K) || K <- [trace_control_word, outstanding_system_requests_limit,
                     sequential_tracer]] end, [{trace_control_word, 7}, {outstanding_system_requests_limit, 10}])
         end},
     {system_flags_bad, fun() ->
         [{K, fails(fun() -> erlang:system_flag(id(K), id(V)) end)} || {K, V} <- [{trace_control_word, -1},
                 {trace_control_word, 1 bsl 32}, {outstanding_system_requests_limit, 0},
         {outstanding_system_requests_limit, 1 bsl 27}, {fullsweep_after, -1}, {min_heap_size, -1},
         {min_bin_vheap_size, x}, {max_heap_size, x}, {max_heap_size, #{}}, {multi_scheduling, x},
         {schedulers_online, 0}, {schedulers_online, 2000}, {dirty_cpu_schedulers_online, 0},
         {dirty_cpu_schedulers_online, 2000}, {scheduler_wall_time, x}, {microstate_accounting, x},
         {time_offset, x}, {sequential_tracer, foo}, {system_logger, foo}, {scheduling_statistics, default},
         {reset_seq_trace, false}]] end},
     {system_flags_taken, fun() ->
         [erlang:system_flag(K, V) || {K, V} <- [{reset_seq_trace, true}, {scheduling_statistics, disable},
                 {time_offset, finalize}, {microstate_accounting, reset}]] end},
     {time_units_large, fun() ->
         [{F, [abs(abs(erlang:F(U)) div (abs(erlang:F(1000)) + 1) - U div 1000) < U div 100
                     || U <- [1 bsl 59, 1 bsl 60, 1 bsl 63, 1 bsl 64, 1 bsl 100]]}
             || F <- [monotonic_time, system_time, time_offset]] end},
     {time_units_bad, fun() ->
         [fails(fun() -> erlang:F(id(U)) end) || F <- [monotonic_time, system_time, time_offset],
             U <- [0, -1, -(1 bsl 70), 1.0, x]] end},
     {time_unit_convert, fun() ->
         [t:outcome(fun() -> erlang:convert_time_unit(id(A), id(B), id(C)) end)
             || {A, B, C} <- [{1, second, 1 bsl 70}, {-1, 1 bsl 70, second}, {1 bsl 80, 1 bsl 70, native},
                 {7, 1 bsl 59, millisecond}, {a, second, native}, {1, 0, 1}]] end},
     {system_flag_bad, fun() -> fails(fun() -> erlang:system_flag(id(nope), 1) end) end},
     {memory, fun() ->
         {lists:sort([K || {K, V} <- erlang:memory(), is_integer(V)]), erlang:memory(total) > 100000,
             [K || {K, _} <- erlang:memory([total, ets])], fails(fun() -> id(erlang:memory(id(x))) end)} end},
     {nodes, fun() ->
         {node(), nodes(), lists:delete('a@b', nodes(known)), nodes([this, visible]), is_alive(),
             fails(fun() -> nodes(id(x)) end), erlang:disconnect_node('a@b')} end},
     {env, fun() ->
         true = os:putenv("BULKHEAD_TEST_X", "v\x{e4}l\x{20ac}"), A = os:getenv("BULKHEAD_TEST_X"),
         true = os:unsetenv("BULKHEAD_TEST_X"),
         {A, os:getenv("BULKHEAD_TEST_X"), os:getenv("BULKHEAD_TEST_X", "default"), is_list(os:getenv("PATH")),
             lists:keymember("PATH", 1, os:env())} end},
     {env_bad, fun() ->
         [fails(fun() -> os:getenv(id(X)) end) || X <- [a, 1, "a=b"]]
         ++ [fails(fun() -> os:putenv(id(X), "y") end) || X <- ["", "a=b", x]] end},
     {os_pid, fun() -> list_to_integer(os:getpid()) > 1 end},
     {os_type, fun() -> os:type() end},
     {no_connection_wanted, fun() ->
         [outcome(fun() -> erlang:send(id(D), x, O) end) || D <- [{a, a}, {a, 'a@b'}, {a, node()}, self()],
             O <- [[], [noconnect], [nosuspend, noconnect]]] end},
     {monitor_node_wrong, fun() ->
         [outcome(fun() -> erlang:monitor_node(id(N), V, O) end) || N <- [a, 1, node()], V <- [true, x],
             O <- [[], [allow_passive_connect], [y], x]] end},
     {spawn_elsewhere_wrong, fun() ->
         [outcome(fun() -> is_reference(spawn_request(a, fun self/0, O)) end) || O <- [x, 5, <<>>]]
         ++ [outcome(fun() -> is_reference(spawn_request(id(N), fun self/0, O)) end) || N <- [node(), a],
             O <- [x, [a | b]]] ++ [outcome(fun() -> spawn_opt(id(a), M, A, O) end) || M <- [m, 1], A <- [[], x],
             O <- [[x], x]] end},
     {flag_of_no_process, fun() ->
         [outcome(fun() -> process_flag(id(P), F, V) end) || P <- [a, 1], F <- [save_calls, x], V <- [0, -1, a]]
         ++ [outcome(fun() -> process_flag(id(async_dist), x) end)] end},
     {info_of_no_port, fun() -> [outcome(fun() -> erlang:port_info(id(P), I) end) || P <- [1, [], nobody], I <- [links, x]] end},
     {purge_nothing, fun() -> [outcome(fun() -> erlang:purge_module(id(M)) end) || M <- [lists, nomodule, 1]] end}].

shared() ->
    [{atomics, fun() ->
        R = atomics:new(3, []), {atomics:put(R, 1, 5), atomics:add(R, 1, -7), atomics:get(R, 1),
            atomics:add_get(R, 2, 3), atomics:sub_get(R, 2, 1), atomics:exchange(R, 3, 9),
            atomics:compare_exchange(R, 3, 9, 10), atomics:compare_exchange(R, 3, 9, 11)} end},
     {atomics_wrap, fun() ->
         S = atomics:new(1, [{signed, true}]), U = atomics:new(1, [{signed, false}]), atomics:put(S, 1, 1 bsl 63 - 1),
         atomics:add(U, 1, -1), {atomics:add_get(S, 1, 1), atomics:get(U, 1), maps:remove(memory, atomics:info(S)),
             maps:remove(memory, atomics:info(U))} end},
     {atomics_bad, fun() ->
         R = atomics:new(2, []),
         [fails(F) || F <- [fun() -> atomics:get(R, id(0)) end, fun() -> atomics:get(R, id(3)) end,
                 fun() -> atomics:put(R, 1, id(1 bsl 64)) end, fun() -> atomics:put(R, 1, id(x)) end,
                 fun() -> atomics:get(id(make_ref()), 1) end]] end},
     {atomics_shared, fun() ->
         R = atomics:new(1, []), Ps = [spawn_monitor(fun() -> [atomics:add(R, 1, 1) || _ <- lists:seq(1, 1000)] end)
             || _ <- lists:seq(1, 8)], [receive {'DOWN', M, process, P, _} -> ok end || {P, M} <- Ps],
         atomics:get(R, 1) end},
     {counters, fun() ->
         [begin C = counters:new(2, O), counters:add(C, 1, 5), counters:sub(C, 1, 2), counters:put(C, 2, -1),
                 {counters:get(C, 1), counters:get(C, 2), maps:get(size, counters:info(C))} end
             || O <- [[], [atomics], [write_concurrency]]] end},
     {counter_is_ref, fun() -> R = atomics:new(1, []), is_reference(R) andalso R =:= R end}].

%% Half of the time busy on one scheduler.
wall_time() ->
    Off = erlang:statistics(scheduler_wall_time),
    Was = erlang:system_flag(scheduler_wall_time, true),
    spin(erlang:monotonic_time(millisecond) + 200),
    timer:sleep(200),
    Times = erlang:statistics(scheduler_wall_time),
    Busy = lists:max([A / T || {_, A, T} <- Times]),
    Dirty = erlang:system_info(dirty_cpu_schedulers),
    N = {length(Times) - erlang:system_info(schedulers) - Dirty,
         length(erlang:statistics(scheduler_wall_time_all)) - length(Times) - erlang:system_info(dirty_io_schedulers)},
    {Off, Was, Busy > 0.1, N, erlang:system_flag(scheduler_wall_time, false), erlang:statistics(scheduler_wall_time),
     fails(fun() -> erlang:system_flag(scheduler_wall_time, id(1)) end)}.
spin(End) ->
    case erlang:monotonic_time(millisecond) of
        T when T < End -> spin(End);
        _ -> ok
    end.

%% With flags of the system set so; they get their old values back.
flags_for(Fun, Flags) ->
    Old = [{K, erlang:system_flag(K, V)} || {K, V} <- Flags],
    try {Old, Fun()} after [erlang:system_flag(K, V) || {K, V} <- Old] end.

new_process_sizes() ->
    Keys = [min_heap_size, min_bin_vheap_size, fullsweep_after, max_heap_size],
    P = spawn(fun() -> receive x -> x end end),
    {process_info(P, min_heap_size), process_info(P, min_bin_vheap_size), process_info(P, fullsweep_after),
     lists:keydelete(minor_gcs, 1, element(2, process_info(P, garbage_collection))), [erlang:system_info(K) || K <- Keys],
     process_info(spawn_opt(fun() -> receive x -> x end end, [{fullsweep_after, 3}]), min_heap_size)}.

waits(X, Y) ->
    Z = receive never -> {X, Y} end,
    {Z, id(X)}.
