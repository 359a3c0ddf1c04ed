%% Tables: all four types, match specifications, ownership, persistent_term.
-module(ets_tests).
-export([cases/0]).
-import(t, [id/1, outcome/1, messages/1]).

-define(TYPES, [set, ordered_set, bag, duplicate_bag]).

cases() ->
    [{compile_nothing, fun() -> [t:outcome(fun() -> is_reference(ets:match_spec_compile(S)) end) || S <- [[], a]] end},
     {no_variables, fun() ->
         T = ets:new(t, []), ets:insert(T, {9}),
         [ets:match(T, {V}) || V <- ['$01', '$00', '$1', '$001', '$0', '$x', '$']] end},
     {counters_in_lists, fun() -> [begin T = ets:new(t, [{keypos, K}]), ets:insert(T, {k, k, 1, 2}),
             {case t:outcome(fun() -> apply(ets, update_counter, [T, Key, Op | D]) end) of
                 {error, R, [{_, _, _, I} | _]} -> {R, I}; Good -> Good end, lists:sort(ets:tab2list(T))}
         end || K <- [1, 2], Key <- [k, x], Op <- [0, [0], [1], [], {3, 1}, [{3, 1}, {4, 2}], [{3, 1}, 1],
         [{3, 1}, a], {5, 1}, {3, a}, {3, 1, 0, 5}, [{3, 1}, {1, 1}], a, {3}],
         D <- [[], [{k, k, 0, 0}], [{x, x}], [a]]] end},
     {order_in_bags, fun() ->
         [begin T = ets:new(t, [Type]), [ets:F(T, L) || L <- Ls], {ets:tab2list(T), ets:lookup(T, 0)} end
             || Type <- [bag, duplicate_bag], F <- [insert, insert_new],
         Ls <- [[[{0, a}, {0, b}]], [{0, a}, {0, b}], [[{0, a}, {0, b}, {0, c}], {0, d}, [{0, e}, {0, f}]],
             [[{0, a}, {0, b}, {0, c}, {0, a}, {0, d}], {0, c}], [{0, a}, {0, b}, [{0, a}, {0, c}]]]] end},
     {insert_into_none, fun() ->
         T = ets:new(t, []), ets:delete(T),
         [case t:outcome(fun() -> ets:F(T, A) end) of {error, R, [{_, _, _, I} | _]} -> {R, I}; Good -> Good end
             || F <- [insert, insert_new], A <- [a, [a], [{}], {}, [], {a}]] end},
     {test_ms_empty, fun() -> [element(1, ets:test_ms(A, B)) || A <- [a, {a}], B <- [[], [{'_', [], [true]}]]] end},
     {variables_within_map_keys, fun() -> T = ets:new(t, []),
         ets:insert(T, [{1, #{{a, b} => 1}}, {2, #{{a, '$2'} => 2}}, {3, #{[x] => 3}}, {4, #{'$1' => 4}},
             {5, #{{a, '_'} => 5}}, {6, #{#{k => '_'} => 6}}]),
         [case t:outcome(fun() -> lists:sort(ets:match(T, {'$1', #{K => '$2'}})) end) of
             {error, badarg, _} -> badarg; Good -> Good end
          || K <- [{a, b}, {a, '$2'}, {a, '_'}, ['$1'], #{k => '_'}, #{'_' => '_'}, '$1', '$7', '_', {{{'$9'}}}]] end},
     {element_that_is_not_there, fun() ->
         T = ets:new(named, [named_table]), ets:insert(T, {2, 1}),
         [t:outcome(fun() -> ets:lookup_element(named, K, P) end) || K <- [2, 3], P <- [0, 1, 3, a]] end},
     {what_fails_in_a_body, fun() -> T = ets:new(t, []), ets:insert(T, {a, 0}),
                                   [ets:select(T, [{{a, 0}, [], [B]}])
                                       || B <- [{{1, {hd, a}}}, {is_atom, {hd, a}}, {'andalso', 5, true},
                                           {'orelse', false, 5, true}, {{{'andalso', 5, true}, {'orelse', true, 5}}},
                                           #{{hd, a} => {hd, b}}, [{hd, a} | {tl, a}], {hd, {hd, a}}]] end},
     {not_in_match_specifications, fun() ->
         [element(1, ets:test_ms({a}, [{'$1', [], [G]}])) || G <- [{ceil, 1.0}, {floor, 1.0}, {max, 1, 2},
                 {is_boolean, true}, {tuple_size, '$1'}, {is_function, a, 1},
                 {is_record, '$1', a}, {is_record, '$1', a, 1}, {is_bitstring, 1}, {size, '$1'}]] end},
     {replace_in_bags, fun() ->
         [begin T = ets:new(t, [Type]), ets:insert(T, {a, 0}), R = t:outcome(fun() -> ets:select_replace(T, S) end),
                 {element(1, R), ets:tab2list(T)} end
                                 || Type <- [set, bag, duplicate_bag],
                                     S <- [a, [], [{{'$1', '$2'}, [], [{hd, a}, {{'$1', 1}}]}],
                                         [{{'$1', '$2'}, [], [{{'$1', {hd, a}}}]}]]] end},
     {updates_of_what_is_not_there, fun() -> [begin T = ets:new(t, [Type]), ets:insert(T, {k, 1, b}),
                                                    case t:outcome(
                                                                fun() -> ets:F(T, K, Op) end) of
                                                        {error, R, [{_, _, _, I} | _]} -> {R, I}; Good -> Good end
                 end || F <- [update_counter, update_element], Type <- [set, bag], K <- [k, x],
                                                     Op <- [
                                                         {1, 1}, {2, 1}, {4, 1}, {0, 1}, {-1, 1}, {4, a},
                                                         [{2, 1}, {1, 1}], [{2, 1} | a], a, [], {3, 1}, {1 bsl 70, 1},
                                                         {2, 1, 5, 0}]] end},
     {new_names, fun() ->
         T = ets:new(x, [named_table]), R = {T, ets:whereis(x) =:= ets:info(x, id), is_reference(ets:whereis(x))},
         ets:delete(x), {R, ets:whereis(x), ets:info(x)} end},
     {new_bad, fun() ->
         [class(fun() -> ets:new(N, id(O)) end) || {N, O} <- [{"x", []}, {x, [foo]}, {x, [{keypos, 0}]},
                 {x, [{keypos, a}]}, {x, a}, {x, [set | b]}, {x, [{heir, a, b}]}]] end},
     {new_taken, fun() -> ets:new(taken, [named_table]), class(fun() -> ets:new(taken, [named_table]) end) end},
     {insert_lookup, fun() ->
         each(fun(T) -> [ets:insert(T, O) || O <- objects()],
                 [lists:sort(ets:lookup(T, K)) || K <- [1, 1.0, 2, a, "k", {t}, none]] end) end},
     {insert_returns, fun() ->
         each(fun(T) -> {ets:insert(T, {a, 1}), ets:insert(T, [{b, 1}, {c, 2}, {b, 3}]), ets:insert(T, []),
                     lists:sort(ets:tab2list(T))} end) end},
     {insert_bad, fun() ->
         T = ets:new(x, []), {[class(fun() -> ets:insert(T, id(O)) end) || O <- [a, {}, [{a}, b], [{a} | b], 1]],
             ets:tab2list(T)} end},
     {insert_new, fun() ->
         each(fun(T) -> {ets:insert_new(T, {a, 1}), ets:insert_new(T, {a, 2}), ets:insert_new(T, [{b, 1}, {a, 3}]),
                     ets:insert_new(T, [{c, 1}, {d, 1}]), lists:sort(ets:tab2list(T))} end) end},
     {keypos, fun() ->
         T = ets:new(x, [{keypos, 2}]), ets:insert(T, {1, k, z}),
         {ets:lookup(T, k), class(fun() -> ets:insert(T, {short}) end), ets:info(T, keypos)} end},
     {bag_order, fun() ->
         T = ets:new(x, [bag]), [ets:insert(T, {k, I}) || I <- [3, 1, 2, 3, 1]], D = ets:new(x, [duplicate_bag]),
         [ets:insert(D, {k, I}) || I <- [3, 1, 2, 3, 1]],
         {ets:lookup(T, k), ets:lookup(D, k), ets:lookup_element(D, k, 2)} end},
     {lookup_element, fun() ->
         T = ets:new(x, []), ets:insert(T, {k, v, "w"}), {ets:lookup_element(T, k, 2), ets:lookup_element(T, k, 3),
             [class(fun() -> ets:lookup_element(T, K, N) end) || {K, N} <- [{k, 4}, {k, 0}, {none, 1}, {k, a}]]} end},
     {member, fun() -> each(fun(T) -> ets:insert(T, {a}), {ets:member(T, a), ets:member(T, b)} end) end},
     {delete_key, fun() ->
         each(fun(T) -> ets:insert(T, [{a, 1}, {a, 2}, {b, 1}]),
                 {ets:delete(T, a), ets:delete(T, zz), ets:tab2list(T), ets:info(T, size)} end) end},
     {delete_object, fun() ->
         each(fun(T) -> ets:insert(T, [{a, 1}, {a, 2}, {a, 2}, {b, 1}]), ets:delete_object(T, {a, 2}),
                 ets:delete_object(T, {b, 2}), lists:sort(ets:tab2list(T)) end) end},
     {delete_all, fun() ->
         each(fun(T) -> ets:insert(T, [{I} || I <- lists:seq(1, 1000)]),
                 {ets:delete_all_objects(T), ets:tab2list(T), ets:insert(T, {1}), ets:info(T, size)} end) end},
     {take, fun() ->
         each(fun(T) -> ets:insert(T, [{a, 1}, {a, 2}, {b, 1}]),
                 {lists:sort(ets:take(T, a)), ets:take(T, a), ets:tab2list(T)} end) end},
     {many, fun() ->
         each(fun(T) -> [ets:insert(T, {I, I * I}) || I <- lists:seq(1, 20000)],
                 [ets:delete(T, I) || I <- lists:seq(1, 20000, 3)],
                 {ets:info(T, size), lists:sum([V || {_, V} <- ets:tab2list(T)]), ets:lookup(T, 2), ets:lookup(T, 4),
                     ets:lookup(T, 19999)} end) end},
     {ordered_numbers, fun() ->
         T = ets:new(x, [ordered_set]), ets:insert(T, [{1, i}, {1.0, f}, {2.0, f}, {2, i}]),
         {ets:tab2list(T), ets:lookup(T, 1), ets:lookup(T, 2.0), ets:first(T), ets:last(T)} end},
     {set_numbers, fun() ->
         T = ets:new(x, [set]), ets:insert(T, [{1, i}, {1.0, f}]),
         {lists:sort(ets:tab2list(T)), ets:lookup(T, 1), ets:lookup(T, 1.0)} end},
     {ordered_walk, fun() ->
         T = ets:new(x, [ordered_set]), ets:insert(T, [{K} || K <- [c, 1, "s", {t}, b, 2.5, a, <<"x">>]]),
         {walk(T, ets:first(T), next), walk(T, ets:last(T), prev), ets:next(T, b1), ets:prev(T, 0),
             ets:next(T, <<"x">>)} end},
     {ordered_random, fun() ->
         T = ets:new(x, [ordered_set]), Ks = random(5000, 1), [ets:insert(T, {K}) || K <- Ks],
         D = lists:sublist(Ks, 2500), [ets:delete(T, K) || K <- D],
         ets:tab2list(T) =:= [{K} || K <- lists:usort(Ks) -- lists:usort(D)] end},
     {set_walk, fun() ->
         T = ets:new(x, []), ets:insert(T, [{I} || I <- lists:seq(1, 500)]),
         {lists:sort(walk(T, ets:first(T), next)) =:= lists:seq(1, 500), class(fun() -> ets:next(T, none) end)} end},
     {empty_walk, fun() -> each(fun(T) -> {ets:first(T), ets:last(T)} end) end},
     {fixed_walk_with_deletes, fun() ->
         T = ets:new(x, []), ets:insert(T, [{I} || I <- lists:seq(1, 500)]), ets:safe_fixtable(T, true),
         N = delete_walk(T, ets:first(T), 0), F = ets:info(T, fixed), ets:safe_fixtable(T, false),
         {N, F, ets:info(T, fixed), ets:info(T, size), ets:first(T)} end},
     {fixed_insert_again, fun() ->
         T = ets:new(x, [bag]), ets:insert(T, [{a, 1}, {a, 2}]), ets:safe_fixtable(T, true), ets:delete(T, a),
         ets:insert(T, {a, 3}), R = {ets:lookup(T, a), ets:info(T, size)}, ets:safe_fixtable(T, false),
         {R, ets:lookup(T, a)} end},
     {update_counter, fun() ->
         each([set, ordered_set],
             fun(T) -> ets:insert(T, {k, 1, 10, x}), {ets:update_counter(T, k, 5), ets:update_counter(T, k, {3, -4}),
                     ets:update_counter(T, k, [{2, 1}, {2, 1}, {3, 1}]), ets:update_counter(T, k, {2, 10, 12, 0}),
                     ets:update_counter(T, k, {2, -10, -5, 7}), ets:update_counter(T, k, []), ets:lookup(T, k)} end)
         end},
     {update_counter_big, fun() ->
         T = ets:new(x, []), ets:insert(T, {k, 1 bsl 59 - 1}), [ets:update_counter(T, k, 1) || _ <- [1, 2]]
         ++ [ets:update_counter(T, k, 1 bsl 80), ets:update_counter(T, k, -(1 bsl 80))] ++ ets:lookup(T, k) end},
     {update_counter_default, fun() ->
         T = ets:new(x, []), {ets:update_counter(T, k, 3, {z, 1, q}), ets:update_counter(T, k, {2, 3}, {k, 9}),
             ets:tab2list(T), class(fun() -> ets:update_counter(T, n, {3, 1}, {z, 1, a}) end), ets:lookup(T, n)} end},
     {update_counter_bad, fun() ->
         T = ets:new(x, []), ets:insert(T, {k, 1, a}), B = ets:new(x, [bag]), ets:insert(B, {k, 1}),
         {[class(fun() -> ets:update_counter(T, K, id(O)) end) || {K, O} <- [{none, 1}, {k, {3, 1}}, {k, {4, 1}},
                     {k, {1, 1}}, {k, 1.0}, {k, {2, a}}, {k, [{2, 1}, {3, 1}]}, {k, x}]],
             class(fun() -> ets:update_counter(B, k, 1) end), ets:lookup(T, k)} end},
     {update_element, fun() ->
         T = ets:new(x, []), ets:insert(T, {k, 1, "b", c}),
         {ets:update_element(T, k, {2, {big, <<1:800>>}}), ets:update_element(T, k, [{3, x}, {4, [y]}]),
             ets:update_element(T, none, {2, 1}), ets:lookup(T, k),
             [class(fun() -> ets:update_element(T, k, id(E)) end)
                 || E <- [{1, z}, {5, z}, {0, z}, a, [{2, 1}, b], {2}]]} end},
     {rename, fun() ->
         T = ets:new(old, [named_table]), ets:insert(T, {a}), R = ets:rename(old, new),
         {R, ets:lookup(new, a), ets:info(old), class(fun() -> ets:lookup(old, a) end), ets:info(new, name)} end},
     {info, fun() ->
         T = ets:new(nm, [ordered_set, public, {keypos, 2}, {read_concurrency, true}, {write_concurrency, true}]),
         [ets:info(T, I) || I <- [name, type, protection, keypos, size, named_table, heir, compressed, node,
                 read_concurrency, write_concurrency, fixed, safe_fixed]]
         ++ [ets:info(T, owner) =:= self(), is_integer(ets:info(T, memory)), class(fun() -> ets:info(T, foo) end)]
         end},
     {info_all, fun() -> T = ets:new(nm, []), [K || {K, _} <- ets:info(T)] end},
     {protection, fun() ->
         [begin T = ets:new(x, [P]), ets:insert(T, {a, 1}),
                 in_other(fun() -> {class(fun() -> ets:lookup(T, a) end), class(fun() -> ets:insert(T, {b, 2}) end),
                     class(fun() -> ets:delete(T) end), ets:info(T, size)} end) end
             || P <- [private, protected, public]] end},
     {owner_dies, fun() ->
         Self = self(), {P, R} =
         spawn_monitor(fun() -> T = ets:new(gone, [named_table]), Self ! T, receive stop -> ok end end),
         receive gone -> ok end, A = ets:info(gone, size), P ! stop, receive {'DOWN', R, _, _, _} -> ok end,
         {A, ets:info(gone, size)} end},
     {heir, fun() ->
         Self = self(), {P, R} =
         spawn_monitor(fun() -> T = ets:new(inherit, [named_table, {heir, Self, {some, "data"}}]),
                 ets:insert(T, {a, 1}) end), receive {'DOWN', R, _, _, _} -> ok end,
         M = receive {'ETS-TRANSFER', T, P, D} -> {T, D} after 20000 -> none end,
         {M, ets:lookup(inherit, a), ets:info(inherit, owner) =:= Self, ets:info(inherit, heir) =:= Self} end},
     {give_away, fun() ->
         Self = self(), T = ets:new(x, []), ets:insert(T, {a}),
         P = spawn(fun() -> receive {'ETS-TRANSFER', T2, From, gift} -> Self ! {got, T2 =:= T, From =:= Self,
                     ets:lookup(T2, a), ets:info(T2, owner) =:= self()} end, receive stop -> ok end end),
         G = ets:give_away(T, P, gift), M = receive {got, _, _, _, _} = Got -> Got end,
         C = class(fun() -> ets:give_away(T, P, x) end), P ! stop, {G, M, C} end},
     {setopts, fun() ->
         T = ets:new(x, []), {ets:setopts(T, {heir, self(), d}), ets:info(T, heir) =:= self(),
             ets:setopts(T, [{heir, none}]), ets:info(T, heir), class(fun() -> ets:setopts(T, foo) end)} end},
     {all, fun() ->
         T = ets:new(x, []), N = ets:new(in_all, [named_table]), L = ets:all(),
         {lists:member(T, L), lists:member(N, L), lists:member(ets:whereis(N), L)} end},
     {slots, fun() ->
         each(fun(T) -> ets:insert(T, [{I} || I <- lists:seq(1, 300)]),
                 {length(slots(T, 0)), class(fun() -> ets:slot(T, -1) end), class(fun() -> ets:slot(T, 1 bsl 40) end)}
                 end) end},
     {match, fun() ->
         each(fun(T) -> ets:insert(T, people()),
                 {lists:sort(ets:match(T, {'$1', '_', '$0'})), lists:sort(ets:match(T, {'_', '$1', '$1'})),
                     ets:match(T, {eve, '_', '$7'}), ets:match(T, {nobody, '_', '_'}), lists:sort(ets:match(T, '$1')),
                     length(ets:match(T, '_'))} end) end},
     {match_object, fun() ->
         each(fun(T) -> ets:insert(T, people()),
                 {lists:sort(ets:match_object(T, {'_', 30, '_'})), ets:match_object(T, {bob, '_', '_'}),
                     lists:sort(ets:match_object(T, {'_', '_', ["x" | '_']}))} end) end},
     {match_deep, fun() ->
         T = ets:new(x, []), ets:insert(T, [{1, {a, [b, #{k => v, z => 1}]}}, {2, {a, [c, #{k => w}]}}, {3, {a, b}}]),
         {lists:sort(ets:match(T, {'$1', {a, ['$2', #{k => '$3'}]}})),
             ets:match_object(T, {'_', {a, ['_', #{z => '_'}]}}), ets:match(T, {'$1', {'$2', '$2'}})} end},
     {match_delete, fun() ->
         each(fun(T) -> ets:insert(T, people()), ets:match_delete(T, {'_', 30, '_'}), lists:sort(ets:tab2list(T)) end)
         end},
     {select, fun() -> each(fun(T) -> ets:insert(T, people()), [lists:sort(ets:select(T, MS)) || MS <- specs()] end) end},
     {select_bad, fun() ->
         T = ets:new(x, []), [class(fun() -> ets:select(T, id(MS)) end) || MS <- [a, [], [a], [{'_', [], []}],
                 [{'_', a, [true]}], [{'_', [{foo, 1}], [true]}], [{'$1', ['$2'], [true]}], [{'_', [], [{}]}],
                 [{{a}, [{'+', 1}], ['$_']}], [{'_', [] , ['$1']}], [{a, [], [true]}]]] end},
     {guards, fun() ->
         T = ets:new(x, [ordered_set]), ets:insert(T, [{I, V} || {I, V} <- lists:zip(lists:seq(1, 14), values())]),
         [{G, ets:select(T, [{{'$1', '$2'}, [G], ['$1']}])} || G <- guards()] end},
     {bodies, fun() ->
         T = ets:new(x, []), ets:insert(T, {k, 7, [1, 2, 3], {t, 1.5}}),
         [{B, ets:select(T, [{{'$1', '$2', '$3', '$4'}, [], [B]}])} || B <- bodies()] end},
     {clauses, fun() ->
         T = ets:new(x, [ordered_set]), ets:insert(T, [{I} || I <- lists:seq(1, 9)]),
         ets:select(T, [{{'$1'}, [{'<', '$1', 4}], [{{low, '$1'}}]}, {{'$1'}, [{'>', '$1', 7}], [high]},
                 {{5}, [], ['$_']}]) end},
     {by_key, fun() ->
         each(fun(T) -> ets:insert(T, [{{k, I}, I} || I <- lists:seq(1, 100)]), ets:insert(T, {{k, 5}, x}),
                 {lists:sort(ets:select(T, [{{{k, 5}, '$1'}, [], ['$1']}])),
                     ets:select(T, [{{{k, 101}, '$1'}, [], ['$1']}])} end) end},
     {select_limit, fun() ->
         each(fun(T) -> ets:insert(T, [{I, I} || I <- lists:seq(1, 257)]),
                 {Ls, All} = portions(ets:select(T, [{{'$1', '_'}, [{'>', '$1', 7}], ['$1']}], 50), [], []),
                 {Ls, lists:sort(All) =:= lists:seq(8, 257)} end) end},
     {select_limit_exact, fun() ->
         each([ordered_set], fun(T) -> ets:insert(T, [{I} || I <- lists:seq(1, 10)]),
                 {A, C} = ets:select(T, [{{'$1'}, [], ['$1']}], 10),
                 {A, ets:select(C), ets:select('$end_of_table'), ets:select(T, [{{a}, [], [true]}], 3)} end) end},
     {match_limit, fun() ->
         T = ets:new(x, [ordered_set]), ets:insert(T, [{I, I rem 2} || I <- lists:seq(1, 7)]),
         {M1, C1} = ets:match(T, {'$1', 1}, 3), {O1, D1} = ets:match_object(T, {'_', 0}, 2),
         {M1, ets:match(C1), O1, element(1, ets:match_object(D1))} end},
     {bag_limit, fun() ->
         T = ets:new(x, [bag]), ets:insert(T, [{k, I} || I <- lists:seq(1, 20)] ++ [{l, I} || I <- lists:seq(1, 20)]),
         {Ls, All} = portions(ets:select(T, [{'$1', [], ['$1']}], 7), [], []),
         {lists:all(fun(L) -> L =< 7 end, Ls), length(All), length(lists:usort(All))} end},
     {select_reverse, fun() ->
         T = ets:new(x, [ordered_set]), ets:insert(T, [{I} || I <- lists:seq(1, 7)]), MS = [{{'$1'}, [], ['$1']}],
         {A, C} = ets:select_reverse(T, MS, 4), {B, _} = ets:select_reverse(C),
         {ets:select_reverse(T, MS), A, B} end},
     {select_count, fun() ->
         each(fun(T) -> ets:insert(T, people()),
                 {ets:select_count(T, [{{'_', '$1', '_'}, [{'>', '$1', 25}], [true]}]),
                     ets:select_count(T, [{'_', [], [false]}]), ets:select_count(T, [{'_', [], [true]}])} end) end},
     {select_delete, fun() ->
         each(fun(T) -> ets:insert(T, people()),
                 N = ets:select_delete(T, [{{'_', '$1', '_'}, [{'>', '$1', 25}], [true]}]),
                 {N, lists:sort(ets:tab2list(T)), ets:select_delete(T, [{'_', [], [true]}]), ets:info(T, size)} end)
         end},
     {select_replace, fun() ->
         each([set, ordered_set], fun(T) -> ets:insert(T, [{I, I} || I <- lists:seq(1, 9)]),
                 N = ets:select_replace(T, [{{'$1', '$2'}, [{'>', '$2', 6}], [{{'$1', {{new, {'*', '$2', 10}}}}}]}]),
                 {N, lists:sort(ets:tab2list(T)),
                     class(fun() -> ets:select_replace(T, [{{'$1', '$2'}, [], [{{'$2', 1}}]}]) end)} end) end},
     {match_spec_run, fun() ->
         C = ets:match_spec_compile([{{'$1', '$2'}, [{'>', '$1', 1}], [{{'$2', "s"}}]}]),
         {ets:match_spec_run([{1, a}, {2, b}, x, {3, c}], C), ets:is_compiled_ms(C), ets:is_compiled_ms(a),
             class(fun() -> ets:match_spec_run([a | b], C) end)} end},
     {test_ms, fun() ->
         {ets:test_ms({a, 1}, [{{'$1', '$2'}, [{is_integer, '$2'}], [{{'$2', '$1'}}]}]),
             ets:test_ms({a, b}, [{{'$1', '$2'}, [{is_integer, '$2'}], ['$1']}]),
             element(1, ets:test_ms({a}, [{foo}]))} end},
     {repair, fun() ->
         T = ets:new(x, [ordered_set]), ets:insert(T, [{I} || I <- lists:seq(1, 9)]), MS = [{{'$1'}, [], ['$1']}],
         {A, C} = ets:select(T, MS, 4), {B, _} = ets:select(ets:repair_continuation(C, MS)), {A, B} end},
     {fold, fun() ->
         T = ets:new(x, [ordered_set]), ets:insert(T, [{I} || I <- lists:seq(1, 9)]),
         {ets:foldl(fun({I}, A) -> [I | A] end, [], T), ets:foldr(fun({I}, A) -> [I | A] end, [], T)} end},
     {init_table, fun() ->
         T = ets:new(x, []), ets:insert(T, {old}),
         ets:init_table(T, fun(read) -> {[{a}, {b}], fun(read) -> end_of_input; (close) -> ok end}; (close) -> ok
                 end), lists:sort(ets:tab2list(T)) end},
     {large_terms, fun() ->
         each(fun(T) -> O = {k, lists:seq(1, 3000), <<7:80000>>, #{a => list_to_tuple(lists:seq(1, 500))},
                     fun erlang:self/0, self(), make_ref(), 1 bsl 300, 1.5}, ets:insert(T, O),
                 [ets:insert(T, {I, O}) || I <- lists:seq(1, 50)], erlang:garbage_collect(), ets:lookup(T, k) =:= [O]
                 andalso lists:all(fun(I) -> ets:lookup(T, I) =:= [{I, O}] end, lists:seq(1, 50)) end) end},
     {binaries_live, fun() ->
         T = ets:new(x, []), B = list_to_binary(lists:duplicate(1000, $x)), <<_:3, P:700/bitstring, _/bitstring>> = B,
         ets:insert(T, {k, B, P, binary:part(B, 10, 20)}), [{k, B2, P2, Q2}] = ets:lookup(T, k), ets:delete(T, k),
         erlang:garbage_collect(), {B2 =:= B, P2 =:= P, Q2} end},
     {parallel_counters, fun() ->
         T = ets:new(x, [public, {write_concurrency, true}]), ets:insert(T, {c, 0}),
         Ps = [spawn_monitor(fun() -> [ets:update_counter(T, c, 1) || _ <- lists:seq(1, 5000)] end)
             || _ <- lists:seq(1, 8)], [receive {'DOWN', R, _, _, normal} -> ok end || {_, R} <- Ps],
         ets:lookup(T, c) end},
     {parallel_mix, fun() ->
         T = ets:new(x, [public, ordered_set]),
         Ps = [spawn_monitor(fun() -> mix(T, N * 7919, 3000) end) || N <- lists:seq(1, 6)],
         [receive {'DOWN', R, _, _, normal} -> ok end || {_, R} <- Ps], L = ets:tab2list(T),
         {length(L) =:= ets:info(T, size), L =:= lists:sort(L)} end},
     {parallel_tables, fun() ->
         Ps = [spawn_monitor(fun() ->
                     [begin T = ets:new(p, [public]), ets:insert(T, {a, I}), [{a, I}] = ets:lookup(T, a),
                     I rem 2 =:= 0 andalso ets:delete(T) end || I <- lists:seq(1, 300)] end) || _ <- lists:seq(1, 6)],
         [receive {'DOWN', R, _, _, Why} -> Why end || {_, R} <- Ps] end},
     {bad_tables, fun() ->
         [class(fun() -> F(id(T)) end) || T <- [none, make_ref(), 1, "x"],
             F <- [fun(X) -> ets:lookup(X, a) end, fun(X) -> ets:insert(X, {a}) end, fun ets:first/1,
                 fun ets:delete/1, fun(X) -> ets:select(X, [{'_', [], [true]}]) end]] end},
     {error_causes, fun() ->
         T = ets:new(x, []), [case outcome(F) of
             {error, badarg, [{ets, N, A, I} | _]} -> {N, if is_list(A) -> length(A); true -> A end,
                     [maps:get(cause, E, none) || {error_info, E} <- I]}; O -> O end
             || F <- [fun() -> ets:lookup(none, a) end, fun() -> ets:lookup_element(T, a, 1) end,
                 fun() -> ets:next(T, a) end]] end},
     {persistent_term, fun() ->
         K = {?MODULE, k}, V = #{a => [1, {b, <<1:900>>}, 1 bsl 100]}, D0 = persistent_term:get(K, none),
         ok = persistent_term:put(K, V),
         R = {D0, persistent_term:get(K) =:= V, in_other(fun() -> persistent_term:get(K) =:= V end),
             lists:member({K, V}, persistent_term:get()), persistent_term:put(K, V), persistent_term:put(K, w),
             persistent_term:get(K)}, {R, persistent_term:erase(K), persistent_term:erase(K),
             persistent_term:get(K, gone), class(fun() -> persistent_term:get(K) end)} end},
     {persistent_many, fun() ->
         [persistent_term:put({?MODULE, I}, {I}) || I <- lists:seq(1, 300)],
         S = lists:sum([element(1, persistent_term:get({?MODULE, I})) || I <- lists:seq(1, 300)]),
         [persistent_term:erase({?MODULE, I}) || I <- lists:seq(1, 300)],
         {S, persistent_term:get({?MODULE, 7}, x), lists:sort(maps:keys(persistent_term:info()))} end}].

each(F) -> each(?TYPES, F).
each(Types, F) ->
    [begin T = ets:new(each, [Type]), R = F(T), ets:delete(T), {Type, R} end || Type <- Types].

class(F) ->
    case outcome(F) of
        {ok, V} -> {ok, V};
        {C, R, _} -> {C, R}
    end.

in_other(F) ->
    Self = self(),
    P = spawn(fun() -> Self ! {self(), F()} end),
    receive {P, R} -> R after 20000 -> timeout end.

objects() -> [{1, int}, {1.0, float}, {a, atom}, {"k", string}, {{t}, tuple}, {a, again}, {2}].

people() -> [{ann, 30, "x"}, {bob, 25, ["x", y]}, {cid, 30, 30}, {dan, 41, <<"b">>}, {eve, 19, {z}}].

specs() ->
    [[{{'$1', '$2', '_'}, [{'>=', '$2', 30}], ['$1']}],
     [{{'$1', '$2', '$3'}, [], ['$$']}],
     [{{'$1', '$2', '$3'}, [{is_list, '$3'}], ['$_']}],
     [{'$1', [], [{element, 2, '$1'}]}],
     [{{bob, '$1', '_'}, [], [{{'$1', x, {const, {'$1'}}}}]}],
     [{{'$1', '$2', '_'}, [{'andalso', {'>', '$2', 20}, {'<', '$2', 35}}], [['$1', '$2' | tail]]}],
     [{{'$1', '$2', '_'}, [{'orelse', {'==', '$1', ann}, {'>', '$2', 40}}], [#{who => '$1', age => '$2'}]}],
     [{{'$1', '$2', '_'}, [{'>', '$2', 20}, {'<', {'+', '$2', 1}, 31}], [{{'$1', {'+', '$2', {'*', 2, 3}}}}]}]].

values() -> [1, -5, 2.5, a, true, "str", [], {}, {x, y, z}, <<"bin">>, #{k => 1}, self(), make_ref(), fun erlang:self/0].

guards() ->
    [{is_integer, '$2'}, {is_float, '$2'}, {is_number, '$2'}, {is_atom, '$2'}, {is_list, '$2'}, {is_tuple, '$2'},
     {is_binary, '$2'}, {is_map, '$2'}, {is_pid, '$2'}, {is_reference, '$2'}, {is_function, '$2'}, {is_port, '$2'},
     {'not', {is_atom, '$2'}}, {'and', {is_number, '$2'}, {'>', '$2', 0}},
         {'or', {is_atom, '$2'}, {is_list, '$2'}, {is_map, '$2'}},
     {'xor', {is_atom, '$2'}, {'==', '$1', 4}}, {'==', {abs, '$2'}, 5}, {'==', {hd, '$2'}, $s}, {'==', {length, '$2'}, 3},
     {'==', {tl, '$2'}, "tr"}, {'==', {size, '$2'}, 3}, {'==', {byte_size, '$2'}, 3}, {'==', {map_size, '$2'}, 1},
     {'==', {map_get, k, '$2'}, 1}, {is_map_key, k, '$2'}, {'==', {element, 2, '$2'}, y},
         {'==', {round, '$2'}, 3}, {'==', {trunc, '$2'}, 2},
     {'=:=', {'+', '$2', 1}, 2}, {'=:=', '$2', 1.0}, {'==', '$2', 1.0}, {'=/=', '$2', a}, {'/=', '$2', 1},
         {'=<', '$2', 1}, {'>', {'bsl', '$2', 3}, 0},
     {'==', {'rem', '$2', 2}, -1}, {'==', {'div', '$2', 2}, -2}, {'==', {'band', '$2', 3}, 1},
         {'==', {'bnot', '$2'}, 4}, {'==', '$2', {self}},
     {is_record, '$2', x, 3}, true, false, '$2', {'==', {node, '$2'}, {node}}, {'==', {float, '$1'}, 3.0},
         {'==', {binary_part, '$2', 0, 1}, <<"b">>}].

bodies() ->
    ['$1', '$_', '$$', a, 1, "s", [], {{}}, {{'$1', '$2'}}, {{{{'$1'}}, ['$2']}}, ['$1' | '$3'], {const, '$1'},
        {'+', '$2', 1}, {'+', '$1', 1},
     {element, 1, '$_'}, {element, 9, '$_'}, {hd, '$3'}, {tl, '$3'}, {'andalso', true, '$2'},
         {'orelse', false, false, x}, #{'$1' => '$2'},
     {size, '$4'}, {{[[['$4']]], {const, {}}}}, {'>', '$2', 3}, {length, '$3'}, {is_atom, '$1'},
         [{{'$1', '$2'}}, {{'$2', '$1'}}]].

walk(_, '$end_of_table', _) -> [];
walk(T, K, next) -> [K | walk(T, ets:next(T, K), next)];
walk(T, K, prev) -> [K | walk(T, ets:prev(T, K), prev)].

delete_walk(_, '$end_of_table', N) -> N;
delete_walk(T, K, N) -> ets:delete(T, K), delete_walk(T, ets:next(T, K), N + 1).

slots(T, I) ->
    case ets:slot(T, I) of
        '$end_of_table' -> [];
        L -> L ++ slots(T, I + 1)
    end.

portions('$end_of_table', Ls, All) -> {lists:reverse(Ls), lists:append(All)};
portions({L, C}, Ls, All) -> portions(ets:select(C), [length(L) | Ls], [L | All]).

random(0, _) -> [];
random(N, S) -> S2 = (S * 1103515245 + 12345) band 16#7fffffff, [S2 rem 10000 | random(N - 1, S2)].

mix(_, _, 0) -> ok;
mix(T, S, N) ->
    S2 = (S * 1103515245 + 12345) band 16#7fffffff,
    K = (S2 bsr 8) rem 200,
    case S2 rem 5 of
        0 -> ets:delete(T, K);
        1 -> ets:lookup(T, K);
        2 -> ets:next(T, K);
        _ -> ets:insert(T, {K, [S2, {K}]})
    end,
    mix(T, S2, N - 1).
