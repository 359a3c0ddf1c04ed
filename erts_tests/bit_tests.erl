-module(bit_tests).
-export([cases/0]).
-import(t, [id/1, outcome/1]).

cases() ->
    [{which_segment_fails_first, fun() ->
         [t:outcome(fun() -> two(K, id(A), id(B)) end) || K <- lists:seq(1, 12),
             {A, B} <- [{a, b}, {<<1:3>>, b}, {1, <<1:3>>}, {16#d800, <<1:7>>}, {<<1:3>>, 1.5}]]
     end},
     {scopes_in_turn, fun() -> [element(1, t:outcome(fun() -> binary:F(<<"xa">>, <<"a">>, id(O)) end)) || F <- [split, match, matches],
         O <- [[{scope, {0, -1}}, {scope, {1, 0}}], [{scope, {0, 1}}, {scope, {1, 1}}], [{scope, {5, 1}}, {scope, {0, 1}}], [{scope, {0, 1}}, {scope, {5, 1}}], [foo, {scope, {9, 9}}], [{scope, {9, 9}} | x]]] end},
     {match_ints, fun() -> <<A:8, B:16/little, C:16/signed, D/binary>> = id(<<1, 2, 3, 255, 254, "rest">>), {A, B, C, D} end},
     {match_bits, fun() -> <<A:3, B:5, C:7/bits, D/bits>> = id(<<16#A5, 16#5A, 16#C3>>), {A, B, C, D} end},
     {match_sizes, fun() ->
         [begin <<X:N, _/bits>> = id(<<16#123456789ABCDEF0:64, 16#0FEDCBA987654321:64>>), X end
             || N <- [0, 1, 7, 8, 9, 31, 32, 33, 59, 60, 61, 63, 64, 65, 100, 128]] end},
     {match_signed, fun() ->
         [begin <<X:N/signed, _/bits>> = id(<<16#F23456789ABCDEF0:64, 0:64>>), X end
             || N <- [1, 4, 8, 12, 60, 61, 64, 65, 100]] end},
     {match_little, fun() ->
         [begin <<X:N/little, _/bits>> = id(<<16#123456789ABCDEF0:64, 16#0FEDCBA987654321:64>>), X end
             || N <- [4, 8, 12, 16, 20, 60, 64, 68, 100]] end},
     {match_little_signed, fun() ->
         [begin <<X:N/little-signed, _/bits>> = id(<<16#F2F4F6F8FAFCFEF0:64, 16#8F:8, 0:64>>), X end
             || N <- [8, 12, 16, 24, 64, 72]] end},
     {match_unaligned, fun() -> <<_:3, X:16, Y:16/little, Z/bits>> = id(<<16#1234567890ABCDEF:64>>), {X, Y, Z} end},
     {match_ints_at_once, fun() -> [case B of
             <<_:Skip, A:8, C:16/little, D:9/signed, E:24, F:7/signed, _/bits>> -> {A, C, D, E, F};
             <<_:Skip, A:8, C:16/little, R/bits>> -> {short, A, C, R};
             <<R/bits>> -> {shorter, R}
         end || Skip <- [0, 1, 7], N <- [0, 16, 24, 40, 64, 71, 72, 200],
                B <- [<<(id(16#F1E2D3C4B5A69788796A5B4C3D2E1F0F1E2D3C4B5A69788796)):N>>]] end},
     {match_float, fun() ->
         <<A:64/float, B:32/float, C:64/float-little>> = id(<<1.5:64/float, 2.5:32/float, -0.25:64/float-little>>),
         {A, B, C} end},
     {match_float16, fun() -> <<A:16/float>> = id(<<16#3C00:16>>), A end},
     {match_nan, fun() -> case id(<<16#7FF8000000000000:64>>) of <<F:64/float>> -> F; _ -> no_match end end},
     {match_utf8, fun() -> <<A/utf8, B/utf8, C/utf8, D/utf8>> = id(<<"aé€𐍈"/utf8>>), [A, B, C, D] end},
     {match_utf8_bad, fun() ->
         [case id(B) of <<C/utf8, _/bits>> -> C; _ -> no end || B <- [<<192, 128>>, <<237, 160, 128>>, <<255>>,
                 <<226, 130>>, <<244, 144, 128, 128>>]] end},
     {match_utf16, fun() -> <<A/utf16, B/utf16-little>> = id(<<16#10348/utf16, 16#20AC/utf16-little>>), {A, B} end},
     {match_utf32, fun() -> <<A/utf32, B/utf32-little>> = id(<<16#10348/utf32, 16#20AC/utf32-little>>), {A, B} end},
     {match_string, fun() -> case id(<<"GET / HTTP">>) of <<"GET ", P, _/binary>> -> P; _ -> no end end},
     {match_size_var, fun() -> <<N, S:N/binary, R/binary>> = id(<<3, "abcdef">>), {S, R} end},
     {match_size_expr, fun() -> <<N, S:(N * 2)/binary, _/binary>> = id(<<2, "abcdef">>), S end},
     {match_unit, fun() -> <<A:2/binary-unit:4, B/bits>> = id(<<1, 2>>), {A, B} end},
     {match_fail, fun() ->
         [case id(B) of <<_:8, R/binary>> -> R; <<R:4, _/bits>> -> {bits, R}; <<>> -> empty; _ -> none end
             || B <- [<<1, 2>>, <<5:4>>, <<>>, <<1:1>>, a]] end},
     {match_skip, fun() -> <<_:12, X:4, _/binary>> = id(<<1, 2, 3>>), X end},
     {match_badmatch, fun() -> outcome(fun() -> <<A:16>> = id(<<1>>), A end) end},
     {match_bad_size, fun() -> N = id(a), case id(<<1, 2>>) of <<X:N, _/bits>> -> X; _ -> no end end},
     {match_negative_size, fun() -> N = id(-1), case id(<<1, 2>>) of <<X:N, _/bits>> -> X; _ -> no end end},
     {match_huge_size, fun() -> N = id(1 bsl 70), case id(<<1, 2>>) of <<X:N, _/bits>> -> X; _ -> no end end},
     {rest_loop, fun() -> loop(<<"hello world">>, []) end},
     {bit_loop, fun() -> bitloop(<<16#A5, 16#0F, 1:3>>) end},
     {comprehension, fun() -> [X || <<X:4>> <= <<1, 2, 3>>] end},
     {bin_comprehension, fun() -> << <<(X * 2):16>> || <<X>> <= <<1, 2, 3>> >> end},
     {bit_comprehension, fun() -> << <<X:3>> || X <- [1, 2, 3, 4, 5] >> end},
     {build_ints, fun() -> [<<(id(-1)):N, 0:4>> || N <- [1, 7, 8, 9, 16, 33, 64, 65, 100]] end},
     {build_little, fun() -> [<<(id(16#123456789ABCDEF)):N/little>> || N <- [8, 12, 16, 20, 60, 64, 72]] end},
     {build_big, fun() ->
         [<<(id(1 bsl 100 + 12345)):N>> || N <- [64, 101, 128, 130]]
         ++ [<<(id(-(1 bsl 90))):N/little>> || N <- [91, 96, 128]] end},
     {build_float, fun() -> [<<(id(F)):64/float, F:32/float, F:16/float>> || F <- [0.0, 1.5, -2.25, 1.0e-7]] end},
     {build_float_int, fun() -> <<(id(42)):64/float, (id(1 bsl 70)):64/float>> end},
     {build_utf, fun() -> [<<C/utf8, C/utf16, C/utf32, C/utf16-little>> || C <- [id($a), 233, 8364, 66376]] end},
     {build_bin, fun() -> B = id(<<"abc">>), <<B/binary, 1:1, B/binary, B:2/binary>> end},
     {build_unaligned, fun() -> B = id(<<16#FF, 0, 16#AA>>), <<1:3, B/bits, 2:5, B/bits>> end},
     {build_sub, fun() -> <<_:4, S:12/bits, _/bits>> = id(<<16#12, 16#34, 16#56>>), <<S/bits, S/bits>> end},
     {build_bad, fun() -> [outcome(fun() -> <<(id(V)):8>> end) || V <- [a, 1.0, "x"]] end},
     {build_bad_bin, fun() -> [outcome(fun() -> <<(id(V))/binary>> end) || V <- [a, <<1:1>>, 5]] end},
     {build_bad_size, fun() -> [outcome(fun() -> <<1:(id(N))>> end) || N <- [-1, a]] end},
     {build_bad_utf, fun() -> [outcome(fun() -> <<(id(C))/utf8>> end) || C <- [16#D800, 16#110000, -1, a]] end},
     {build_short, fun() -> outcome(fun() -> B = id(<<"ab">>), <<B:3/binary>> end) end},
     {build_float_overflow, fun() -> outcome(fun() -> <<(id(1 bsl 1100)):64/float>> end) end},
     {append_many, fun() ->
         B = lists:foldl(fun(I, A) -> <<A/binary, I:16>> end, <<>>, lists:seq(1, 2000)),
         {byte_size(B), erlang:md5(B)} end},
     {append_fork, fun() ->
         B = lists:foldl(fun(I, A) -> <<A/binary, I>> end, <<>>, lists:seq(1, 200)), X = <<B/binary, "x">>,
         Y = <<B/binary, "y">>, {binary:last(X), binary:last(Y), byte_size(B)} end},
     {append_bits, fun() -> lists:foldl(fun(I, A) -> <<A/bits, I:3>> end, <<>>, lists:seq(1, 21)) end},
     {sizes, fun() -> [{bit_size(B), byte_size(B)} || B <- [<<>>, <<1:1>>, <<1>>, <<1, 2:7>>]] end},
     {size_bad, fun() -> [outcome(fun() -> byte_size(id(X)) end) || X <- [a, "abc"]] end},
     {binary_part, fun() ->
         {binary_part(<<"hello">>, 1, 3), binary_part(<<"hello">>, {5, -2}),
             outcome(fun() -> binary_part(id(<<"ab">>), 1, 2) end)} end},
     {split_binary, fun() -> {split_binary(<<"hello">>, 2), outcome(fun() -> split_binary(id(<<"a">>), 2) end)} end},
     {to_list, fun() -> {binary_to_list(<<"abc">>), binary_to_list(<<"abcdef">>, 2, 4), bitstring_to_list(<<1, 2, 5:3>>)} end},
     {from_list, fun() ->
         {list_to_binary([1, "ab", <<"c">>, [[2]] | <<"d">>]), list_to_bitstring([<<1:1>>, <<2:7>>]),
             iolist_size([1, <<"abc">>, "de"])} end},
     {from_list_bad, fun() ->
         [outcome(fun() -> list_to_binary(id(L)) end) || L <- [[256], [a], [-1], a, [<<1:1>>], [1 | 2]]] end},
     {iolist, fun() ->
         {iolist_to_binary(<<"x">>), erlang:iolist_to_iovec([<<"a">>, "b"]),
             outcome(fun() -> iolist_to_binary(id([a])) end)} end},
     {binary_match, fun() ->
         {binary:match(<<"hello world">>, <<"o">>), binary:matches(<<"hello world">>, [<<"o">>, <<"wor">>]),
             binary:match(<<"abc">>, <<"z">>), binary:match(<<"abcabc">>, <<"a">>, [{scope, {1, 5}}])} end},
     {binary_split, fun() ->
         {binary:split(<<"a,b,c">>, <<",">>), binary:split(<<"a,b,,c">>, <<",">>, [global, trim_all]),
             binary:split(<<"ab">>, <<"x">>)} end},
     {binary_replace, fun() ->
         {binary:replace(<<"a.b.c">>, <<".">>, <<"--">>, [global]),
             binary:replace(<<"abc">>, <<"b">>, <<"[]">>, [{insert_replaced, 1}])} end},
     {binary_misc, fun() ->
         {binary:copy(<<"ab">>, 3), binary:first(<<"xyz">>), binary:at(<<"xyz">>, 1),
             binary:longest_common_prefix([<<"abcd">>, <<"abx">>]),
             binary:longest_common_suffix([<<"xab">>, <<"yab">>])} end},
     {binary_search, fun() -> %% where the first byte of a pattern is rare, common, and all there is
         Texts = [list_to_binary([element(1 + (I * I div 7 + I) rem N, {$a, $b, $a, $c, $d})
             || I <- lists:seq(1, 3000)]) || N <- [1, 2, 3, 5]],
         [erlang:phash2([{N, F, binary:matches(T, binary:part(T, F, N)), binary:match(T, <<(binary:part(T, F, N))/binary, "!">>)}
                         || N <- [2, 3, 8, 40, 64, 65, 200], F <- [0, 17, 1000, 2700]]) || T <- Texts]
     end},
     {binary_bad, fun() ->
         [outcome(fun() -> binary:at(id(<<"a">>), 1) end), outcome(fun() -> binary:first(id(<<>>)) end),
             outcome(fun() -> binary:match(id(<<"a">>), <<>>) end),
             outcome(fun() -> binary:part(id(<<"ab">>), 1, 5) end)] end},
     {binary_hex, fun() -> {binary:encode_hex(<<1, 171, 255>>), binary:decode_hex(<<"01ABFF">>)} end},
     {unicode, fun() ->
         {unicode:characters_to_binary([228, "ö", <<"ü"/utf8>>]), unicode:characters_to_list(<<"grüße"/utf8>>),
             unicode:characters_to_binary("äö", unicode, latin1)} end},
     {unicode_bad, fun() ->
         {unicode:characters_to_binary([16#D800]), unicode:characters_to_list(<<"ab", 226, 130>>),
             unicode:characters_to_list(<<"ab", 255, "cd">>), unicode:characters_to_binary(<<228>>, latin1, utf8)}
         end},
     {unicode_wide, fun() ->
         {unicode:characters_to_binary([8364], unicode, utf16), unicode:characters_to_list(<<32, 172>>, utf16),
             unicode:characters_to_binary([8364], unicode, {utf32, little})} end},
     {compare_bits, fun() -> [{A < B, A =:= B} || A <- bits(), B <- bits()] end},
     {hash_sub, fun() ->
         <<_:4, S/bits>> = id(<<16#12345678:32, 0:4>>), {erlang:phash2(S) =:= erlang:phash2(<<16#23456780:32>>), S}
         end},
     {decode_packet_like, fun() ->
         parse_ip(id(<<4:4, 5:4, 0, 60:16, 0:16, 0:16, 64, 6, 0:16, 127, 0, 0, 1, 10, 0, 0, 2, "data">>)) end},
     {big_shared, fun() ->
         B = binary:copy(<<"0123456789">>, 1000), <<_:5000/binary, P:10/binary, _/binary>> = B, Self = self(),
         spawn(fun() -> Self ! {p, P, B} end), receive {p, X, Y} -> {X, Y =:= B} end end},
     {reuse_context, fun() -> tokens(<<"one two  three">>, <<>>, []) end},
     {sizes_that_no_binary_has, fun() ->
         [[F(id(B)) || B <- [<<>>, <<1>>]] || F <- [fun huge31/1, fun huge32/1, fun huge64/1, fun huge_skip/1]] end}].

huge31(<<_:2147483648>>) -> huge;
huge31(_) -> other.
huge32(<<_:4294967296>>) -> huge;
huge32(_) -> other.
huge64(<<_:18446744073709551616>>) -> huge;
huge64(_) -> other.
huge_skip(<<_:2147483648, X:8, _/binary>>) -> X;
huge_skip(<<_:1000000000000/unit:8, _/binary>>) -> huge;
huge_skip(_) -> other.

loop(<<C, R/binary>>, Acc) when C > $d -> loop(R, [C | Acc]);
loop(<<_, R/binary>>, Acc) -> loop(R, Acc);
loop(<<>>, Acc) -> lists:reverse(Acc).

bitloop(<<1:1, R/bits>>) -> [1 | bitloop(R)];
bitloop(<<0:1, R/bits>>) -> [0 | bitloop(R)];
bitloop(<<>>) -> [].

bits() -> [<<>>, <<0>>, <<0:1>>, <<1:1>>, <<1>>, <<128>>, <<0, 0>>, <<1:2>>, <<255, 255>>].

parse_ip(<<4:4, Ihl:4, _, Len:16, _:32, Ttl, Proto, _:16, Src:4/binary, Dst:32, Rest/binary>>) ->
    {Ihl, Len, Ttl, Proto, Src, Dst, Rest}.

tokens(<<$\s, R/binary>>, <<>>, Acc) -> tokens(R, <<>>, Acc);
tokens(<<$\s, R/binary>>, T, Acc) -> tokens(R, <<>>, [T | Acc]);
tokens(<<C, R/binary>>, T, Acc) -> tokens(R, <<T/binary, C>>, Acc);
tokens(<<>>, T, Acc) -> lists:reverse([T | Acc]).

%% Two segments, of which both may be wrong.
two(1, A, B) -> <<A/utf8, B/binary>>;
two(2, A, B) -> <<A/utf8, B/utf32>>;
two(3, A, B) -> <<A:8, B/bits>>;
two(4, A, B) -> <<A:8, B/utf16>>;
two(5, A, B) -> <<A/binary, B/binary>>;
two(6, A, B) -> <<A/binary, 1:B>>;
two(7, A, B) -> <<A/float, B:8/binary>>;
two(8, A, B) -> <<A:7/binary, B/utf32>>;
two(9, A, B) -> <<1, A/binary, B:64/float>>;
two(10, A, B) -> <<A/utf16, 0:B, 1>>;
two(11, A, B) -> <<1.0:A/float, B:8>>;
two(12, A, B) -> <<A/utf32, B/binary>>.
