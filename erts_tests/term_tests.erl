-module(term_tests).
-export([cases/0]).
-import(t, [id/1, outcome/1]).

cases() ->
    [{bits_referenced, fun() ->
        [binary:referenced_byte_size(id(B)) || B <- [<<36, 141, 95, 1:1>>, <<1:1>>, <<>>, <<1>>]]
        ++ [binary:copy(id(<<1:3>>), 0)] end},
     {search_in_nothing, fun() ->
         [outcome(fun() -> binary:F(S, id(P), O) end) || F <- [match, matches, split],
             {S, O} <- [{<<>>, []}, {<<"abc">>, [{scope, {0, 0}}]}, {<<"abc">>, [{scope, {1, 0}}]},
                 {<<>>, [x]}, {a, []}],
                                                                                            P <- [a, [], <<>>, <<"a">>]] end},
     {order, fun() -> lists:sort(zoo()) end},
     {compare_matrix, fun() -> [[sign(A, B) || B <- zoo()] || A <- zoo()] end},
     {equal_matrix, fun() -> [{A, B} || A <- zoo(), B <- zoo(), A == B, A =/= B] end},
     {tuple_access, fun() -> T = id({a, b, c}), {element(1, T), element(3, T), tuple_size(T), setelement(2, T, x)} end},
     {element_bad, fun() -> [outcome(fun() -> element(id(N), {a, b}) end) || N <- [0, 3, -1, 1 bsl 64, 1.0, a]] end},
     {element_not_tuple, fun() -> outcome(fun() -> element(1, id([a])) end) end},
     {setelement_bad, fun() -> [outcome(fun() -> setelement(id(N), {a, b}, x) end) || N <- [0, 3, a]] end},
     {tuple_build, fun() -> {erlang:make_tuple(3, x), erlang:make_tuple(4, [], [{2, b}, {4, d}]), erlang:append_element({a}, b),
                             erlang:insert_element(1, {a, b}, x), erlang:delete_element(2, {a, b, c})} end},
     {tuple_convert, fun() -> {list_to_tuple([1, 2, 3]), tuple_to_list({a, {b}}), list_to_tuple([]), tuple_to_list({})} end},
     {tuple_bad, fun() -> [outcome(fun() -> list_to_tuple(id(X)) end) || X <- [a, [a | b]]] end},
     {hd_tl, fun() -> {hd(id([1, 2])), tl(id([1, 2])), outcome(fun() -> hd(id([])) end), outcome(fun() -> tl(id(a)) end)} end},
     {length_bad, fun() -> [outcome(fun() -> length(id(X)) end) || X <- [a, [a | b], {}]] end},
     {append, fun() ->
         {id([1]) ++ id([2]), id([]) ++ id(a), id([a]) ++ id(b), outcome(fun() -> id(a) ++ id([]) end),
             outcome(fun() -> id([a | b]) ++ [] end)} end},
     {subtract, fun() -> {id([1, 2, 3, 2, 1]) -- id([2, 1]), id([]) -- id([1]), lists:seq(1, 100) -- lists:seq(1, 100, 2)} end},
     {subtract_bad, fun() -> [outcome(fun() -> id(A) -- id(B) end) || {A, B} <- [{a, []}, {[], b}, {[1 | 2], [1]}]] end},
     {atoms, fun() ->
         {list_to_atom("abc"), atom_to_list('hello world'), atom_to_binary('ä', utf8),
             binary_to_atom(<<"žluť"/utf8>>, utf8), list_to_atom([955])} end},
     {atom_bad_utf8, fun() -> [outcome(fun() -> binary_to_atom(iolist_to_binary([lists:duplicate(id(N), 0), 255, Z]), utf8) end)
                               || N <- [0, 254, 255, 256, 1020, 1021], Z <- [[], lists:duplicate(1021, 0)]] end},
     {atom_bad, fun() -> [outcome(fun() -> list_to_atom(id(X)) end) || X <- [a, [a], [16#110000], lists:duplicate(256, $a)]] end},
     {existing_atom, fun() ->
         {list_to_existing_atom("ok"),
             outcome(fun() -> list_to_existing_atom("surely_this_atom_is_not_there_" ++ "yet") end)} end},
     {print_atoms, fun() -> fmt([abc, 'A', 'a b', '', 'ä', '\n', '1a', a@b, 'if', 'it\'s']) end},
     {print_strings, fun() -> fmt(["abc", "a\"b\n", [1, 2, 3], [$a | b], "ä", [955], ""]) end},
     {print_binaries, fun() -> fmt([<<"abc">>, <<1, 2, 3>>, <<5:3>>, <<"ä"/utf8>>, <<>>, <<255, "a">>, <<1:1, 2:9>>]) end},
     {print_nested, fun() -> fmt([{}, {a, [b, {c}]}, #{a => 1, "k" => <<"v">>}, [[], [[]]], [{a, 1}, {b, 2.0}]]) end},
     {print_w, fun() -> lists:flatten(io_lib:format("~w ~w ~w ~w", ["abc", <<"abc">>, 'A b', {1.5, -0.0}])) end},
     {print_wide, fun() -> lists:flatten(io_lib:format("~p", [lists:seq(1, 60)])) end},
     {print_records, fun() ->
         lists:flatten(io_lib:format("~p~n~20p~n~-10w|~10w|",
                 [{person, "Joe", [{age, 42}]}, lists:seq(100, 120), ab, cd])) end},
     {format_misc, fun() ->
         lists:flatten(io_lib:format("~s ~10s|~-10s|~c~c ~b ~.16b ~.8x ~.16+ ~i~n",
                 [abc, "r", "l", $x, $y, 42, 255, 64, "0o", 255, b])) end},
     {format_ts, fun() -> lists:flatten(io_lib:format("~ts ~tp ~5.2.0f ~B ~#", [[955, "x"], <<"é"/utf8>>, 3.14159, 7, 31])) end},
     {type_tests, fun() ->
         [[F(X) || F <- [fun is_atom/1, fun is_binary/1, fun is_bitstring/1, fun is_boolean/1, fun is_function/1,
                     fun is_list/1,
                             fun is_map/1, fun is_pid/1, fun is_port/1,
                             fun is_reference/1, fun is_tuple/1]] || X <- zoo() ++ [self(), make_ref(), fun t:id/1]]
                                 end},
     {phash2, fun() -> [erlang:phash2(X) || X <- zoo()] end},
     {phash2_bits, fun() -> [erlang:phash2(X) || X <- [<<5:3>>, <<1, 2, 3:5>>, <<0:1>>, binary:copy(<<"abc">>, 100)]] end},
     {phash2_lists, fun() ->
         [erlang:phash2(X) || X <- ["", "a", "abcdefg", lists:seq(0, 300), [1 | 2], [[[]]], [a, "bc", {d}]]] end},
     {phash2_maps, fun() -> [erlang:phash2(M) || M <- [#{}, #{a => 1}, maps:from_list([{I, I} || I <- lists:seq(1, 50)])]] end},
     {phash_old, fun() -> [erlang:phash(X, 1 bsl 20) || X <- [a, 1, -1, 1 bsl 70, "abc", {a, b}, 1.5, <<"x">>, []]] end},
     {etf_bytes, fun() -> [term_to_binary(X) || X <- zoo()] end},
     {etf_round_trip, fun() -> [binary_to_term(term_to_binary(X)) =:= X || X <- zoo()] end},
     {etf_compressed, fun() ->
         B = term_to_binary(lists:duplicate(1000, abc), [compressed]),
         {byte_size(B) < 200, binary_to_term(B) =:= lists:duplicate(1000, abc)} end},
     {etf_minor, fun() -> [term_to_binary(1.5, [{minor_version, V}]) || V <- [0, 1, 2]] end},
     {etf_bad, fun() ->
         [outcome(fun() -> binary_to_term(id(B)) end) || B <- [<<>>, <<131>>, <<131, 200>>, <<131, 104, 5, 97>>,
                 <<131, 108, 255, 255, 255, 255>>, <<131, 109, 0, 0, 1, 0, 1>>]] end},
     {etf_used, fun() -> binary_to_term(<<131, 97, 5, 1, 2, 3>>, [used]) end},
     {etf_safe, fun() -> outcome(fun() -> binary_to_term(<<131, 119, 24, "an_atom_not_yet_made_x1y">>, [safe]) end) end},
     {external_size, fun() -> [erlang:external_size(X) || X <- [a, 1, "abc", {a, b}, 1.5]] end},
     {deep_list, fun() ->
         L = lists:foldl(fun(_, A) -> [A] end, [], lists:seq(1, 200000)),
         {L =:= binary_to_term(term_to_binary(L)), erlang:phash2(L), L < [L]} end},
     {deep_tuple, fun() -> T = lists:foldl(fun(_, A) -> {A} end, {}, lists:seq(1, 100000)), T == T andalso not (T < T) end},
     {lists_natives, fun() ->
         {lists:member(2.0, [1, 2]), lists:member(b, [a, b]), lists:reverse([1, 2], [3]),
             lists:keyfind(1, 1, [{1.0, a}]), lists:keymember(b, 2, [{a, b}]), lists:keysearch(c, 1, [])} end},
     {lists_natives_bad, fun() ->
         [outcome(fun() -> lists:member(a, id(b)) end), outcome(fun() -> lists:keyfind(a, id(0), []) end),
             outcome(fun() -> lists:reverse(id([a | b]), []) end)] end},
     {sort_stable, fun() ->
         {lists:sort([3, 1.0, 1, 2]), lists:keysort(1, [{1, a}, {1.0, b}, {0, c}]), lists:usort([1, 1.0, 2, 2])} end},
     {list_funs, fun() ->
         {lists:zip([1, 2], [a, b]), lists:partition(fun(X) -> X > 2 end, [1, 2, 3, 4]), lists:nth(2, [a, b, c]),
             lists:flatten([1, [2, [3]]]), lists:sublist([1, 2, 3], 2)} end},
     {string_mod, fun() ->
         {string:split("a,b,c", ",", all), string:uppercase("straße"), string:trim("  x "), string:length("äö"),
             string:find("hello", "l"), string:pad("x", 3)} end},
     {io_lib_fread, fun() -> {io_lib:fread("~d ~s", "42 abc"), io_lib:fread("~f", "1.5")} end},
     {record_like, fun() -> R = {rec, 1, 2}, case id(R) of {rec, A, B} when A < B -> {lt, A}; _ -> no end end},
     {select_many, fun() -> [kind(X) || X <- [a, b, c, 1, 2, 300, 1 bsl 62, 1.5, "x", {}, {1}, {1, 2}, <<>>, #{}]] end},
     {dict_mod, fun() -> lists:sort(dict:to_list(dict:from_list([{I, I * I} || I <- lists:seq(1, 20)]))) end},
     {gb_trees_mod, fun() -> gb_trees:to_list(gb_trees:from_orddict([{I, a} || I <- lists:seq(1, 5)])) end},
     {sets_mod, fun() -> lists:sort(sets:to_list(sets:union(sets:from_list([1, 2]), sets:from_list([2, 3])))) end},
     {ordsets_mod, fun() -> ordsets:subtract([1, 2, 3, 4], [2, 4]) end},
     {queue_mod, fun() -> queue:to_list(queue:in(3, queue:from_list([1, 2]))) end},
     {rand_mod, fun() ->
         S0 = rand:seed_s(exsss, {1, 2, 3}), {A, S1} = rand:uniform_s(1000, S0),
         {B, _} = rand:uniform_s(S1), {A, B} end},
     {base64_mod, fun() -> {base64:encode("hello world"), base64:decode(<<"aGk=">>)} end},
     {calendar_mod, fun() ->
         {calendar:day_of_the_week(2026, 11, 21), calendar:datetime_to_gregorian_seconds({{2000, 1, 1}, {0, 0, 0}})}
         end},
     {md5, fun() -> {erlang:md5("abc"), erlang:crc32("abc"), erlang:adler32(<<"abc">>)} end},
     {erl_parse, fun() ->
         {ok, Ts, _} = erl_scan:string("foo(X, [1,2.5,\"s\"|T]) -> {X, $a, <<1:8>>}."), erl_parse:parse_form(Ts) end},
     {erl_pp, fun() ->
         {ok, Ts, _} = erl_scan:string("f(X) when X > 1 -> X + 1; f(_) -> ok."), {ok, F} = erl_parse:parse_form(Ts),
         lists:flatten(erl_pp:form(F)) end},
     {erl_eval, fun() ->
         {ok, Ts, _} = erl_scan:string("lists:map(fun(X) -> X * X end, [1, 2, 3])."),
         {ok, Es} = erl_parse:parse_exprs(Ts), {value, V, _} = erl_eval:exprs(Es, []), V end}].

zoo() ->
    [1, 1.0, 2, -1, 0.5, 1 bsl 70, a, b, 'A', true, {}, {1}, {1, 2}, {1, 2.0}, [], [1], [1, 2], [1 | 2], "abc",
        <<>>, <<1>>, <<1, 2>>, <<1:1>>,
     #{}, #{a => 1}, #{a => 2}, #{b => 1}, #{1 => a}, #{1.0 => a}, #{a => 1, b => 2}, [[]], {a, {b, [c]}}].

sign(A, B) when A < B -> -1;
sign(A, B) when A == B -> 0;
sign(_, _) -> 1.

fmt(Terms) -> lists:flatten([io_lib:format("~p|~w|~tp~n", [T, T, T]) || T <- Terms]).

kind(a) -> atom_a;
kind(b) -> atom_b;
kind(1) -> one;
kind(300) -> three_hundred;
kind(X) when is_integer(X), X > 1 bsl 60 -> big;
kind(X) when is_integer(X) -> int;
kind(X) when is_float(X) -> float;
kind({}) -> t0;
kind({_}) -> t1;
kind({_, _}) -> t2;
kind([_ | _]) -> list;
kind(<<>>) -> bin;
kind(M) when is_map(M) -> map;
kind(_) -> other.
