-module(map_tests).
-export([cases/0]).
-import(t, [id/1, outcome/1]).

cases() ->
    [{literal, fun() -> id(#{a => 1, "b" => 2, 3.0 => c, {d} => []}) end},
     {zeros_as_keys, fun() -> B = [{I, I} || I <- lists:seq(1, 40)], L = maps:from_list([{id(-0.0), 1} | B]), Z = #{id(0.0) => 2}, S = #{id(-0.0) => 1},
         [io_lib:format("~w", [lists:keyfind(0.0, 1, maps:to_list(M))]) || M <- [maps:from_keys([-0.0, 0.0], 1), maps:from_list([{-0.0, 1}, {0.0, 2}]), S#{id(0.0) => 2}, S#{id(0.0) := 2}, maps:put(0.0, 3, S), maps:update(0.0, 3, S), maps:merge(S, Z), maps:merge(Z, S),
             maps:from_keys([-0.0, 0.0 | lists:seq(1, 40)], 1), maps:from_list([{-0.0, 1}, {0.0, 2} | B]), L#{id(0.0) => 2}, L#{id(0.0) := 2}, maps:put(0.0, 3, L), maps:put(0.0, 1, L), maps:update(0.0, 3, L), maps:merge(L, Z), maps:merge(Z, L), maps:merge(L, maps:from_list([{0.0, 1} | B])),
             maps:merge(maps:from_list([{0.0, 1} | B]), L)]] end},
     {update, fun() -> M = id(#{a => 1}), {M#{b => 2}, M#{a := 3}, M#{a => 4, c => 5}} end},
     {match, fun() -> #{a := X, b := Y} = id(#{a => 1, b => 2, c => 3}), {X, Y} end},
     {match_var_key, fun() -> K = id(k), #{K := V} = id(#{k => v}), V end},
     {match_fail, fun() ->
         [case id(M) of #{a := 1} -> one; #{a := _} -> other; #{} -> none; _ -> no_map end
             || M <- [#{a => 1}, #{a => 1.0}, #{b => 1}, x]] end},
     {key_types, fun() ->
         M = #{1 => int, 1.0 => float, a => atom, "a" => str, <<"a">> => bin, {1} => tup, #{} => map, [] => nil},
         [maps:get(K, M) || K <- [1, 1.0, a, "a", <<"a">>, {1}, #{}, []]] end},
     {size, fun() -> [map_size(big(N)) || N <- [0, 1, 31, 32, 33, 34, 100, 1000]] end},
     {grow_shrink, fun() ->
         M = big(200), M2 = lists:foldl(fun maps:remove/2, M, lists:seq(1, 190)), lists:sort(maps:to_list(M2)) end},
     {boundary, fun() ->
         M = big(32), A = M#{33 => x}, B = maps:remove(33, A),
         {B =:= M, map_size(A), B == M, erlang:phash2(B) =:= erlang:phash2(M)} end},
     {get_all, fun() -> M = big(500), lists:sum([maps:get(I, M) || I <- lists:seq(1, 500)]) end},
     {get_missing, fun() -> M = big(500), [maps:find(I, M) || I <- [0, 501, a, 1.0]] end},
     {keys_values, fun() ->
         {maps:keys(#{b => 1, a => 2}), maps:values(#{b => 1, a => 2}), maps:to_list(#{c => 1, b => 2, a => 3})} end},
     {big_keys, fun() -> lists:sort(maps:keys(big(64))) =:= lists:seq(1, 64) end},
     {fold_map, fun() ->
         {maps:fold(fun(_, V, A) -> V + A end, 0, big(100)), maps:map(fun(K, V) -> {K, V} end, #{a => 1}),
             maps:filter(fun(_, V) -> V > 1 end, #{a => 1, b => 2})} end},
     {merge, fun() ->
         {maps:merge(#{a => 1, b => 2}, #{b => 3}), map_size(maps:merge(big(40), big(60))),
             maps:merge(#{}, #{a => 1}), lists:sort(maps:to_list(maps:merge(#{0 => z}, big(40))))} end},
     {merge_bad, fun() -> [outcome(fun() -> maps:merge(id(A), id(B)) end) || {A, B} <- [{a, #{}}, {#{}, b}]] end},
     {with_without, fun() -> {maps:with([a, x], #{a => 1, b => 2}), maps:without([a], #{a => 1, b => 2})} end},
     {take_put, fun() ->
         {maps:take(a, #{a => 1, b => 2}), maps:take(x, #{}), maps:put(a, 1, #{}), maps:update(a, 2, #{a => 1})} end},
     {update_bad, fun() ->
         [outcome(fun() -> maps:update(id(x), 1, #{}) end), outcome(fun() -> maps:remove(a, id(b)) end),
             outcome(fun() -> maps:keys(id(1)) end)] end},
     {from_list, fun() ->
         {maps:from_list([{a, 1}, {b, 2}, {a, 3}]), maps:from_keys([a, b], 0),
             outcome(fun() -> maps:from_list(id([a])) end)} end},
     {iterator, fun() ->
         I = maps:iterator(#{a => 1, b => 2}), {K, V, I2} = maps:next(I), {K2, V2, I3} = maps:next(I2),
         {K, V, K2, V2, maps:next(I3)} end},
     {iterator_big, fun() -> lists:sort(iterate(maps:next(maps:iterator(big(100))))) =:= lists:sort(maps:to_list(big(100))) end},
     {groups_from, fun() -> maps:groups_from_list(fun(X) -> X rem 3 end, lists:seq(1, 9)) end},
     {update_with, fun() ->
         {maps:update_with(a, fun(X) -> X + 1 end, #{a => 1}), maps:update_with(b, fun(X) -> X end, 0, #{})} end},
     {compare, fun() -> [{A < B, A == B} || A <- maps(), B <- maps()] end},
     {equal_order, fun() ->
         A = maps:from_list([{I, I} || I <- lists:seq(1, 100)]),
         B = maps:from_list([{I, I} || I <- lists:seq(100, 1, -1)]),
         {A =:= B, A == B, erlang:phash2(A) =:= erlang:phash2(B), term_to_binary(A) =:= term_to_binary(B)} end},
     {nested, fun() -> M = id(#{a => #{b => #{c => 1}}}), #{a := #{b := #{c := X}}} = M, {X, M#{a := #{b => 2}}} end},
     {guards, fun() ->
         [if is_map(M), map_size(M) > 1 -> big; is_map(M) -> small; true -> no end
             || M <- [#{}, #{a => 1, b => 2}, a]] end},
     {print, fun() -> lists:flatten(io_lib:format("~p ~w", [#{a => "x", 1 => [b]}, #{"k" => #{}}])) end},
     {etf, fun() -> [binary_to_term(term_to_binary(M)) =:= M || M <- maps() ++ [big(33), big(300)]] end},
     {send, fun() -> Self = self(), M = big(100), spawn(fun() -> Self ! M end), receive X -> X =:= M end end},
     {mixed_number_keys, fun() ->
         M = maps:from_list([{I, i} || I <- lists:seq(1, 40)] ++ [{I * 1.0, f} || I <- lists:seq(1, 40)]),
         {map_size(M), maps:get(5, M), maps:get(5.0, M)} end},
     {overwrite_many, fun() ->
         M = lists:foldl(fun(I, A) -> A#{I rem 50 => I} end, #{}, lists:seq(1, 5000)), lists:sum(maps:values(M)) end},
     {atom_keys_many, fun() ->
         M = maps:from_list([{list_to_atom("k" ++ integer_to_list(I)), I} || I <- lists:seq(1, 60)]),
         {maps:get(k37, M), map_size(M)} end},
     {string_keys, fun() ->
         M = maps:from_list([{integer_to_list(I), I} || I <- lists:seq(1, 100)]),
         lists:sum([maps:get(integer_to_list(I), M) || I <- lists:seq(1, 100)]) end},
     {intersect, fun() ->
         {maps:intersect(#{a => 1, b => 2}, #{b => 3, c => 4}),
             maps:intersect_with(fun(_, A, B) -> {A, B} end, #{a => 1}, #{a => 2})} end},
     {comprehension_like, fun() -> maps:from_list([{K, V * 2} || {K, V} <- maps:to_list(#{a => 1, b => 2})]) end}].

big(N) -> maps:from_list([{I, I} || I <- lists:seq(1, N)]).

maps() -> [#{}, #{a => 1}, #{b => 1}, #{a => 2}, #{1 => a}, #{1.0 => a}, #{a => 1, b => 2}].

iterate(none) -> [];
iterate({K, V, I}) -> [{K, V} | iterate(maps:next(I))].
