-module(exception_tests).
-export([cases/0, boom/1, undefined_target/0]).
-import(t, [id/1, outcome/1]).
-compile({nowarn_deprecated_function, {calendar, local_time_to_universal_time, 1}}).

cases() ->
    [{throw_catch, fun() -> try throw(id(x)) catch X -> {caught, X} end end},
     {old_catch, fun() -> {catch throw(a), catch exit(b), 1 + (catch 2)} end},
     {old_catch_error, fun() -> {'EXIT', {R, St}} = (catch boom(error)), {R, [element(2, F) || F <- lists:sublist(St, 1)]} end},
     {classes, fun() -> [outcome(fun() -> boom(C) end) || C <- [throw, error, exit]] end},
     {badmatch, fun() -> outcome(fun() -> {a, _} = id({b, 1}) end) end},
     {case_clause, fun() -> outcome(fun() -> case id(5) of 1 -> a; 2 -> b end end) end},
     {if_clause, fun() -> outcome(fun() -> X = id(5), if X > 10 -> a; X < 0 -> b end end) end},
     {function_clause, fun() -> outcome(fun() -> only_atoms(id(5)) end) end},
     {function_clause_fun, fun() -> F = fun(a) -> 1; (b) -> 2 end, outcome(fun() -> (id(F))(c) end) end},
     {try_clause, fun() -> outcome(fun() -> try id(3) of 1 -> ok catch _ -> no end end) end},
     {badfun, fun() -> outcome(fun() -> (id(notafun))(1) end) end},
     {badarity, fun() ->
         {error, {badarity, {F, Args}}, _} = outcome(fun() -> (id(fun(X) -> X end))(1, 2) end),
         {is_function(F, 1), Args} end},
     {badfun_shows_its_caller_twice, fun() ->
         [functions(fun() -> calls_last(F) end) ++ functions(fun() -> calls(F) end)
             || F <- [a, fun() -> 1 end, fun erlang:abs/2]] end},
     {bif_in_its_own_module, fun() ->
         [functions(fun() -> zlib:F(<<"aaaaaaaaaaa">>) end) || F <- [gunzip, unzip, uncompress]] end},
     {tail_call_of_a_bif_of_erlang, fun() ->
         [functions(fun() -> calendar:local_time_to_universal_time(id(a)) end),
             functions(fun() -> calls_bif(id(1)) end),
                                              functions(fun() -> {calls_bif(id(1))} end)] end},
     {undef, fun() -> outcome(fun() -> no_such_module:no_such_function(1, 2) end) end},
     {undef_function, fun() -> outcome(fun() -> lists:no_such_function(id(1)) end) end},
     {undef_apply, fun() -> outcome(fun() -> apply(id(lists), id(nope), [a]) end) end},
     {apply_applied, fun() ->
         [outcome(fun() -> R = apply(id(erlang), id(apply), A), {R} end) || A <- [[a, []], [fun(X) -> X end, []],
                 [fun(X) -> X end, a], [a, [b | c]], [1, f, []], [m, f, a], [m, f, []],
         [fun() -> id(error(x)) end, []], [erlang, apply, [a, []]]]] end},
     {apply_applied_last, fun() ->
         [outcome(fun() -> apply(id(erlang), id(apply), A) end) || A <- [[a, []], [fun(X) -> X end, []],
                 [fun(X) -> X end, a]]] end},
     {apply_as_fun, fun() ->
         F = id(fun erlang:apply/2),
         [outcome(fun() -> R = F(A, B), {R} end) || {A, B} <- [{a, []}, {fun(X) -> X end, []}, {fun(X) -> X end, a}]]
         end},
     {apply_in_code, fun() ->
         [outcome(fun() -> R = apply(id(A), id(B)), {R} end) || {A, B} <- [{a, []}, {fun(X) -> X end, []},
                 {fun(X) -> X end, a}]] end},
     {apply_spawned, fun() -> [begin {P, R} = spawn_monitor(erlang, apply, A), receive {'DOWN', R, process, P, E} -> E end end
         || A <- [[a, []], [fun(X) -> X end, []], [fun(X) -> X end, x], [m, f, []], [1, f, []]]] end},
     {spawn_monitor_traces, fun() ->
         [outcome(fun() -> R = spawn_monitor(id(M), id(F), id(A)), {R} end) || {M, F, A} <- [{1, f, []}, {m, 1, []},
                 {m, f, a}, {m, f, [a | b]}]] end},
     {apply_bad, fun() ->
         [outcome(fun() -> apply(id(M), id(F), id(A)) end) || {M, F, A} <- [{1, f, []}, {m, 2, []}, {lists, seq, x}]]
         end},
     {badkey, fun() -> outcome(fun() -> maps:get(id(x), #{a => 1}) end) end},
     {badkey_update, fun() -> outcome(fun() -> M = id(#{a => 1}), M#{b := 2} end) end},
     {badmap, fun() -> [outcome(fun() -> (id(notmap))#{a => 1} end), outcome(fun() -> maps:get(a, id([])) end)] end},
     {badrecord_like, fun() -> outcome(fun() -> element(2, id({})) end) end},
     {after_runs, fun() -> R = (catch try throw(x) after put(ran, yes) end), {R, get(ran)} end},
     {after_value, fun() -> X = try 1 + id(1) after ignored end, X end},
     {nested_try, fun() -> try try throw(inner) catch inner -> throw(outer) end catch outer -> done end end},
     {rethrow, fun() -> outcome(fun() -> try boom(error) catch C:R:S -> erlang:raise(C, R, S) end end) end},
     {backtrace_depth, fun() -> [depths(D) || D <- [0, 1, 2, 3]] ++ [erlang:system_flag(backtrace_depth, 8)] end},
     {backtrace_depth_bad, fun() -> [outcome(fun() -> erlang:system_flag(backtrace_depth, id(D)) end) || D <- [-1, x, 1.0]] end},
     {error_3_options, fun() -> [outcome(fun() -> erlang:error(why, [arg], id(O)) end)
                                 || O <- [[], bad, [bad], [{bad, tuple}],
                                     [{error_info, not_map}], [bad | bad], [{error_info, #{cause => c}}]]] end},
     {raise_own, fun() -> outcome(fun() -> erlang:raise(throw, mine, [{m, f, 2, []}]) end) end},
     {raise_bad, fun() -> erlang:raise(id(what), x, []) end},
     {error_args, fun() -> outcome(fun() -> erlang:error(reason, [1, 2]) end) end},
     {error_none, fun() -> outcome(fun() -> erlang:error(reason, none) end) end},
     {error_info, fun() -> outcome(fun() -> erlang:error(reason, [a], [{error_info, #{cause => "x"}}]) end) end},
     {guard_fails_quietly, fun() ->
         [case id(X) of Y when hd(Y) > 0 -> pos; Y when element(1, Y) =:= a -> tup; _ -> neither end
             || X <- [[1], {a}, 5, [], {b}]] end},
     {guard_arith, fun() -> [if X + 1 > 2 -> yes; true -> no end || X <- [id(1), 2, a]] end},
     {guard_map, fun() ->
         [case id(X) of M when map_get(k, M) =:= 1 -> one; M when is_map_key(k, M) -> has; _ -> no end
             || X <- [#{k => 1}, #{k => 2}, #{}, a]] end},
     {andalso_bad, fun() -> outcome(fun() -> id(5) andalso true end) end},
     {boolean_bad, fun() ->
         [outcome(fun() -> id(a) and id(true) end), outcome(fun() -> not id(1) end),
             outcome(fun() -> id(true) xor id(5) end)] end},
     {deep_stack, fun() -> {error, deep, Frames} = outcome(fun() -> deep(100) end), length(Frames) end},
     {stack_shape, fun() ->
         try deep(3) catch error:deep:S -> [{M, F, A} || {M, F, A, _} <- S, M =:= ?MODULE, is_integer(A), F =:= deep]
             end end},
     {line_numbers, fun() ->
         try boom(error) catch error:_:S -> [{_, _, _, Info} | _] = S,
             Info =/= [] andalso element(2, lists:keyfind(file, 1, Info)) end end},
     {exit_in_process, fun() -> {P, R} = spawn_monitor(fun() -> exit(why) end), receive {'DOWN', R, process, P, X} -> X end end},
     {throw_in_process, fun() ->
         {P, R} = spawn_monitor(fun() -> throw(ball) end),
         receive {'DOWN', R, process, P, {X, St}} -> {X, is_list(St)} end end},
     {error_in_process, fun() ->
         {P, R} = spawn_monitor(fun() -> error(bad) end),
         receive {'DOWN', R, process, P, {X, [{M, _, _, _} | _]}} -> {X, M} end end},
     {class_guard, fun() ->
         [try boom(C) catch K:_ when K =:= throw; K =:= exit -> {k, K}; error:E -> {e, E} end
             || C <- [throw, error, exit]] end},
     {try_of, fun() -> [try id(X) of 1 -> one; Y when Y > 5 -> big; _ -> other catch _:_ -> never end || X <- [1, 10, 3]] end},
     {try_in_catch, fun() -> catch try error(a) catch error:a -> exit(b) end end},
     {catch_value_types, fun() -> [catch id(V) || V <- [1, {a}, [x]]] end},
     {bif_badargs, fun() ->
         [outcome(F) || F <- [fun() -> atom_to_list(id(1)) end, fun() -> list_to_atom(id(1)) end,
                 fun() -> integer_to_list(id(a)) end,
                             fun() -> list_to_tuple(id(a)) end, fun() ->
                                 binary_to_list(id(a)) end, fun() -> tuple_size(id([])) end,
                             fun() -> map_size(id(1)) end]] end},
     {stdlib_error_info, fun() ->
         [outcome(F) || F <- [fun() -> lists:nth(id(0), [a]) end, fun() -> maps:from_list(id(a)) end,
                 fun() -> lists:keyfind(a, id(x), []) end, fun() -> binary:copy(id(a)) end]] end},
     {format_exception, fun() ->
         try atom_to_list(id(1))
             catch C:R:S -> [Line || Line <- string:split(
                     lists:flatten(erl_error:format_exception(C, R, lists:sublist(S, 1))), "\n", all)] end end},
     {nif_error, fun() -> outcome(fun() -> erlang:nif_error(not_here) end) end},
     {tail_in_try, fun() -> try_loop(50000, 0) end},
     {local_recursion_catch, fun() -> catch_depth(2000) end}].

boom(throw) -> throw(thrown);
boom(error) -> erlang:error(failed);
boom(exit) -> exit(exited).

only_atoms(a) -> 1;
only_atoms(b) -> 2.

deep(0) -> erlang:error(deep);
deep(N) -> 1 + deep(N - 1).

try_loop(0, Acc) -> Acc;
try_loop(N, Acc) ->
    V = try throw(N) catch N -> 1 end,
    try_loop(N - 1, Acc + V).

catch_depth(0) -> throw(bottom);
catch_depth(N) ->
    case catch catch_depth(N - 1) of
        bottom when N > 1 -> throw(bottom);
        X -> {N, X}
    end.

%% How long traces are with the flag set so: of an error, a trace made by hand, one passed on, and a deep one.
depths(Depth) ->
    Old = erlang:system_flag(backtrace_depth, Depth),
    {Old, [trace_length(F) || F <- [fun() -> error(id(a)) end,
                                    fun() -> {'EXIT', {_, [H | T]}} = (catch error(id(b))), erlang:raise(error, r, [H | T]) end,
                                    fun() -> try error(id(b)) catch error:_:S -> erlang:raise(error, r, S) end end,
                                    fun() -> deep(5) end,
                                    fun() -> atom_to_list(id(1)) end]]}.
trace_length(F) -> try F() catch _:_:S -> length(S) end.

undefined_target() -> ok.

calls_last(F) -> F(1).
calls(F) -> {F(1)}.
calls_bif(X) -> atom_to_binary(X).

functions(Fun) -> try Fun() catch _:_:Stack -> [element(2, F) || F <- Stack, element(1, F) =/= t] end.
