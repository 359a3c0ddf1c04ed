%% Natives of lists, tuples, maps, hashes and external terms: results, and how they fail.
-module(native_tests).
-export([cases/0]).
-compile(nowarn_deprecated_function).
-import(t, [id/1, outcome/1]).
-define(O(E), outcome(fun() -> E end)).


cases() ->
    [{member, fun() ->
        [?O(lists:member(a, id(L))) || L <- [b, [b | c], [b, a | c], [], [b, a]]]
        ++ [lists:member(X, [1, 2.0, "s", {t}, 1 bsl 80]) || X <- [1.0, 2.0, "s", {t}, 1 bsl 80, 2]] end},
     {reverse, fun() ->
         [?O(lists:reverse(id(A), id(B))) || {A, B} <- [{[a | b], []}, {[], x}, {a, x}, {[1, 2, 3], [4]}, {[1], x}]]
         end},
     {keyfind, fun() ->
         [?O(lists:keyfind(id(K), id(N), id(L))) || {K, N, L} <- [{a, 0, []}, {a, b, []}, {a, 1, b}, {a, 1, [b | c]},
                 {1, 1, [{a}, {1.0, x}]}, {a, 1 bsl 70, []}, {a, 1 bsl 40, [{a}]}, {"k", 2, [{1, "k"}]}]] end},
     {keysearch, fun() ->
         [?O(lists:keysearch(id(K), id(N), id(L))) || {K, N, L} <- [{1, 1, [{1.0, x}]}, {a, 1, x}, {a, 2, [{a}]}]]
         end},
     {keymember, fun() ->
         [?O(lists:keymember(id(K), id(N), id(L))) || {K, N, L} <- [{1, 1, [{1.0, x}]}, {a, 1, x}, {a, 2, [{a}]}]]
         end},
     {append, fun() ->
         [?O(id(A) ++ id(B)) || {A, B} <- [{a, [b]}, {[a | b], [b]}, {[], b}, {[a], b}, {[1, 2], [3]}, {[a], []}]]
         end},
     {subtract, fun() ->
         [?O(id(A) -- id(B)) || {A, B} <- [{a, [b]}, {[a], b}, {[a | b], [a]}, {[a], [b | c]},
                 {[1, 2, 3, 1, 2], [2, 1, 1.0]}, {[], [b | c]}, {[a | b], []}, {[0.0, 1], [-0.0]}]] end},
     {subtract_many, fun() ->
         A = [I rem 100 || I <- lists:seq(1, 5000)], B = [(I * 7) rem 130 || I <- lists:seq(1, 3000)],
         {length(A -- B), lists:sublist(A -- B, 50), B -- A,
             [{X} || X <- A] -- [{X} || X <- B] =:= [{X} || X <- A -- B]} end},
     {setelement, fun() ->
         [?O(setelement(id(I), id(T), x)) || {I, T} <- [{0, {a}}, {2, {a}}, {a, {a}}, {1, a}, {1 bsl 70, {a}},
                 {2, {a, b, c}}]] end},
     {append_element, fun() -> [?O(erlang:append_element(id(T), x)) || T <- [a, {}, {a}]] end},
     {insert_element, fun() ->
         [?O(erlang:insert_element(id(I), id(T), x)) || {I, T} <- [{0, {}}, {2, {}}, {1, {}}, {2, {a}}, {3, {a}},
                 {1, {a}}]] end},
     {delete_element, fun() ->
         [?O(erlang:delete_element(id(I), id(T))) || {I, T} <- [{0, {a}}, {2, {a}}, {1, {a}}, {1, a}, {a, {}},
                 {2, {a, b, c}}]] end},
     {make_tuple, fun() -> [?O(erlang:make_tuple(id(N), a)) || N <- [-1, a, 1 bsl 24, 1 bsl 70, 0, 3]] end},
     {make_tuple_init, fun() ->
         [?O(erlang:make_tuple(3, a, id(L))) || L <- [[{1, b}, {3, c}, {1, d}], [{4, b}], [{a, b}], [x], x,
                 [{1, 2} | x], []]] end},
     {list_to_tuple, fun() ->
         [?O(list_to_tuple(id(L))) || L <- [a, [a | b], [], [a, b]]]
         ++ [?O(tuple_to_list(id(T))) || T <- [a, {}, {a, b}]] end},
     {phash, fun() -> [?O(erlang:phash(a, id(R))) || R <- [0, 1, 1 bsl 32, (1 bsl 32) + 1, b, -1]] end},
     {phash2, fun() ->
         [?O(erlang:phash2(a, id(R))) || R <- [0, 1, 1 bsl 32, (1 bsl 32) + 1, b, -1]]
         ++ [erlang:phash2(T) || T <- terms()] end},
     {cmp_term, fun() -> [[erts_internal:cmp_term(A, B) || B <- terms()] || A <- terms()] end},
     {maps_errors, fun() ->
         [?O(maps:find(a, id(b))), ?O(maps:from_keys(id([a | b]), 1)), ?O(maps:from_keys(id(a), 1)),
             ?O(maps:from_list(id([a]))), ?O(maps:from_list(id([{a, 1} | b]))),
         ?O(maps:from_list(id([{a, 1, 2}]))), ?O(maps:put(a, b, id(c))), ?O(maps:take(a, id(b))),
         ?O(maps:take(a, id(#{}))), ?O(maps:values(id(a))), ?O(maps:update(a, 1, id(x)))] end},
     {map_next, fun() ->
         [?O(erts_internal:map_next(id(P), id(M), id(A))) || {P, M, A} <- [{0, #{a => 1, b => 2}, []},
                 {0, #{a => 1, b => 2}, iterator}, {0, #{}, iterator}, {0, #{}, []}, {a, #{}, []}, {0, a, []},
                 {0, #{}, foo}, {0, #{a => 1}, [x]}]] end},
     {map_iterators, fun() ->
         [begin M = maps:from_list([{I, I} || I <- lists:seq(1, N)]),
                 {length(maps:to_list(M)), maps:fold(fun(K, K, A) -> K + A end, 0, M),
                     lists:sort(pairs(maps:next(maps:iterator(M)))) =:= [{I, I} || I <- lists:seq(1, N)]} end
             || N <- [0, 1, 32, 33, 61, 500, 5000]] end},
     {term_to_binary, fun() ->
         [term_to_binary(T) || T <- terms()] ++ [term_to_binary(T, [deterministic]) || T <- terms()]
         ++ [term_to_binary(T, [{minor_version, V}]) || T <- [1.5, a, [x, 2.0]], V <- [0, 1, 2]] end},
     {round_trip, fun() ->
         [T =:= binary_to_term(term_to_binary(T, O)) || T <- terms(),
             O <- [[], [compressed], [{minor_version, 2}], [{compressed, 1}]]] end},
     {compressed, fun() ->
         L = lists:duplicate(1000, a), [term_to_binary(L, [compressed]), term_to_binary(L, [{compressed, 9}]),
             term_to_binary(a, [compressed])] end},
     {term_to_binary_options, fun() ->
         [?O(term_to_binary(a, id(O))) || O <- [[foo], foo, [{compressed, 10}], [{compressed, 0}], [{compressed, -1}],
                 [compressed | foo], [{minor_version, a}], [{minor_version, 3}]]] end},
     {iovec, fun() ->
         [iolist_to_binary(term_to_iovec(T)) =:= term_to_binary(T) || T <- terms()]
         ++ [?O(term_to_iovec(a, id([foo])))] end},
     {external_size, fun() ->
         [erlang:external_size(T) || T <- terms()]
         ++ [?O(erlang:external_size(1.0, id(O))) || O <- [[], [{minor_version, 0}], [{minor_version, 2}], [foo],
                 [compressed], foo]] end},
     {binary_to_term, fun() ->
         [?O(binary_to_term(id(B), id(O))) || {B, O} <- [{<<131, 97, 1, 2>>, [used]}, {<<131, 97, 1, 2>>, [safe]},
                 {<<131, 97, 1>>, [foo]}, {<<131, 97, 1>>, foo}, {<<131, 119, 5, "ahjkl">>, [safe]}, {a, []},
                 {<<1>>, []}, {a, b}]] end},
     {binary_to_term_bad, fun() ->
         [?O(binary_to_term(id(B))) || B <- [a, <<>>, <<131>>, <<131, 97, 1:7>>, <<131, 104, 2, 97, 1>>,
                 <<131, 70, 127, 240, 0, 0, 0, 0, 0, 0>>, <<131, 116, 0, 0, 0, 2, 97, 1, 97, 1, 97, 1, 97, 2>>,
                 <<131, 80, 0, 0, 0, 9, 1, 2>>]] end},
     {unaligned, fun() -> <<_:3, B/bits>> = <<0:3, (term_to_binary({a, [1, 2], <<"b">>}))/binary>>, binary_to_term(B) end}].

pairs({K, V, I}) -> [{K, V} | pairs(maps:next(I))];
pairs(none) -> [].

terms() ->
    [0, -1, 255, 256, 1 bsl 31, -(1 bsl 31) - 1, 1 bsl 59, 1 bsl 64, -(1 bsl 200), 0.0, -0.0, 1.5, -1.0e300, a,
        'hello world', list_to_atom([233]), list_to_atom([8364]), {}, {a}, {1, {2, [3]}},
        [], "abc", [a | b], [[]], [256, 1], "abc" ++ [256], <<>>, <<1, 2, 3>>, <<5:3>>, <<1, 2, 1:1>>, #{},
        #{a => 1}, #{1 => a, 1.0 => b}, fun lists:map/2,
        binary_to_term(<<131, 103, 100, 0, 3, "a@b", 0, 0, 0, 1, 0, 0, 0, 2, 3>>),
        binary_to_term(<<131, 114, 0, 2, 100, 0, 3, "a@b", 1, 0, 0, 0, 1, 0, 0, 0, 2>>)].
