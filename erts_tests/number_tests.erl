-module(number_tests).
-export([cases/0]).
-import(t, [id/1, outcome/1]).

cases() ->
    [{float_options_overruled, fun() -> [outcome(fun() -> float_to_list(1.5, id(O)) end)
                                         || O <- [[{decimals, 254}],
                                             [{decimals, 254}, short], [{scientific, -1}], [{scientific, 250}],
                                             [{scientific, 250}, {decimals, 2}], [{decimals, -3}],
                                             [{decimals, 1 bsl 70}, short]]] end},
     {negated_zeros, fun() -> [io_lib:format("~w", [X]) || Z <- [0.0, -0.0], X <- [-id(Z), case id(Z) of F when is_float(F) -> -F end, begin <<F32:32/float>> = <<(id(Z)):32/float>>, -F32 end, -(id(Z) * 1.0), apply(erlang, '-', [Z]), 0 - id(Z), 0.0 - id(Z)]] end},
     {constants_in_traces, fun() -> [case t:outcome(Op) of {error, badarith, [{M, F, A, _} | _]} when M =:= erlang -> {M, F, A}; {error, badarith, _} -> own; Other -> Other end || Op <- [
         fun() -> {id([]) + 5} end, fun() -> {id([]) + -5} end, fun() -> {id([]) - 5} end, fun() -> {id([]) - -5} end, fun() -> {id([]) - 1000000000000} end, fun() -> {id([]) - -1000000000000} end, fun() -> {id([]) + (1 bsl 57)} end,
         fun() -> {id([]) - (1 bsl 57)} end, fun() -> {id([]) - (-(1 bsl 57))} end, fun() -> {5 - id([])} end, fun() -> {5 + id([])} end]] end},
     {abs_of_zeros, fun() -> [io_lib:format("~w", [X]) || Z <- [-0.0, 0.0], X <- [abs(id(Z)), apply(erlang, abs, [Z]), case id(Z) of V when abs(V) == 0 -> abs(V) end]] end},
     {far_years, fun() -> [case t:outcome(fun() -> erlang:F({{Y, 1, 1}, {0, 0, 0}}) end) of {ok, X} -> X; _ -> bad end || F <- [universaltime_to_localtime, localtime_to_universaltime, universaltime_to_posixtime],
         Y <- [99999999, 100000001, 285428751, 2147483646, 2147483647, 2147483648, 1 bsl 58, 1 bsl 70]] end},
     {checksums_combined, fun() ->
         [outcome(fun() -> erlang:F(A, B, C) end) || F <- [crc32_combine, adler32_combine], A <- [0, 1, 5, x],
             B <- [0, 6], C <- [0, 1, 1 bsl 32 - 1, 1 bsl 32, -1]] end},
     {math_wrong_twice, fun() ->
         B = 1 bsl 1024, [outcome(fun() -> math:F(id(X), Y) end) || F <- [pow, atan2, fmod],
             {X, Y} <- [{B, a}, {a, B}, {a, a}, {B, 1}, {1, B}, {1, a}]] end},
     {checksum_of_nothing, fun() ->
         [erlang:F(id(N), D) || F <- [crc32, adler32], N <- [0, 1, 2147483646, 16#ffffffff], D <- [[], <<>>, "a"]]
         end},
     {posixtime_far_away, fun() -> [outcome(fun() -> erlang:posixtime_to_universaltime(id(S)) end)
                                    || S <- [0, -1, 1 bsl 58, 1 bsl 63 - 1,
                                        1 bsl 63, -(1 bsl 40), -62167219200, -62167219201, -(1 bsl 60), 951782400,
                                        951868800, -2203977600]] end},
     {posixtime_of_long_ago, fun() ->
         [outcome(fun() -> erlang:universaltime_to_posixtime({id(D), {0, 0, 0}}) end)
             || D <- [{0, 1, 1}, {1599, 12, 31}, {1600, 1, 1}, {1900, 2, 29}]] end},
     {small_add, fun() -> [id(A) + id(B) || A <- ints(), B <- ints()] end},
     {small_sub, fun() -> [id(A) - id(B) || A <- ints(), B <- ints()] end},
     {small_mul, fun() -> [id(A) * id(B) || A <- ints(), B <- ints()] end},
     {int_div, fun() -> [{id(A) div id(B), A rem B} || A <- ints(), B <- ints(), B =/= 0] end},
     {bit_ops, fun() -> [{A band B, A bor B, A bxor B} || A <- ints(), B <- ints()] end},
     {shifts, fun() -> [{A bsl N, A bsr N} || A <- ints(), N <- [0, 1, 3, 59, 60, 64, 100, -1, -60, -64]] end},
     {bnot_all, fun() -> [bnot A || A <- ints()] end},
     {negate, fun() -> [-A || A <- ints()] end},
     {abs_all, fun() -> [abs(A) || A <- ints() ++ floats()] end},
     {div_zero, fun() -> [outcome(fun() -> id(A) div id(0) end) || A <- [0, 1, 1 bsl 70]] end},
     {rem_zero, fun() -> outcome(fun() -> id(5) rem id(0) end) end},
     {div_badarith, fun() -> [outcome(fun() -> id(A) div id(2) end) || A <- [a, 1.0, [], {}]] end},
     {add_badarith, fun() -> [outcome(fun() -> id(A) + id(1) end) || A <- [a, [], {}, <<>>, #{}]] end},
     {float_ops, fun() -> [{A + B, A - B, A * B} || A <- floats(), B <- floats(), abs(A) < 1.0e100, abs(B) < 1.0e100] end},
     {float_div, fun() -> [A / B || A <- [1, 2.5, 1 bsl 64, -7], B <- [3, 0.5, -2, 1 bsl 70]] end},
     {float_div_zero, fun() -> [outcome(fun() -> id(1) / id(Z) end) || Z <- [0, 0.0]] end},
     {float_overflow, fun() -> outcome(fun() -> id(1.0e308) * id(10) end) end},
     {big_to_float_overflow, fun() -> outcome(fun() -> id(1 bsl 1100) * id(1.0) end) end},
     {mixed_compare, fun() -> [{A < B, A == B, A =:= B, A =< B} || A <- mixed(), B <- mixed()] end},
     {big_float_compare, fun() -> [{A, A < F, A == F, A > F} || A <- [1 bsl 53, (1 bsl 53) + 1, 1 bsl 64, (1 bsl 64) - 1],
                                   F <- [9007199254740992.0, 1.8446744073709552e19]] end},
     {max_min, fun() -> {max(1, 1.0), max(1.0, 1), min(1, 1.0), min(1.0, 1), max(a, 1), min([], {})} end},
     {round_all, fun() ->
         [{round(F), trunc(F), floor(F), ceil(F)} || F <- floats() ++ [2.5, -2.5, 0.5, -0.5, 1.0e20, -1.0e30]] end},
     {round_int, fun() -> [{round(I), trunc(I), floor(I), ceil(I)} || I <- ints()] end},
     {round_bad, fun() -> [outcome(fun() -> round(id(X)) end) || X <- [a, "1"]] end},
     {to_list, fun() ->
         [{integer_to_list(I), integer_to_list(I, 16), integer_to_list(I, 36), integer_to_binary(I, 2)}
             || I <- ints()] end},
     {from_list, fun() ->
         [list_to_integer(S) || S <- ["0", "-0", "+17", "123456789012345678901234567890", "-99999999999999999999"]]
         end},
     {from_list_base, fun() ->
         [list_to_integer(S, B) || {S, B} <- [{"ff", 16}, {"-ZZ", 36}, {"1011", 2}, {"7777777777777777777777", 8}]]
         end},
     {from_list_bad, fun() -> [outcome(fun() -> list_to_integer(id(S)) end) || S <- ["", "-", "1.0", " 1", "12a", a]] end},
     {float_to_list, fun() -> [float_to_list(F) || F <- floats()] end},
     {float_short, fun() ->
         [float_to_list(F, [short]) || F <- floats() ++ [0.1, 1.0e21, 1.0e22, 123456789.125, 1.0e-5, 0.001, 1.5e300]]
         end},
     {float_decimals, fun() ->
         [float_to_list(F, [{decimals, D}]) || F <- [1.0, 3.14159, -2.5, 1234.5678, 0.0005], D <- [0, 1, 3, 10]] end},
     {float_compact, fun() -> [float_to_binary(F, [{decimals, 6}, compact]) || F <- [1.0, 3.5, 0.125]] end},
     {float_scientific, fun() -> [float_to_list(F, [{scientific, 5}]) || F <- [1.0, 31415.9, 1.0e-10]] end},
     {list_to_float, fun() -> [list_to_float(S) || S <- ["1.0", "-2.5e10", "+3.25E-3", "0.1"]] end},
     {list_to_float_bad, fun() -> [outcome(fun() -> list_to_float(id(S)) end) || S <- ["1", "1.", ".5", "1e5", "abc"]] end},
     {print_floats, fun() -> lists:flatten(io_lib:format("~p ~w ~g ~.3f ~e", [1.0e10, 0.1, 1.5, 2.0, 12345.678])) end},
     {big_fact, fun() -> lists:foldl(fun(X, A) -> X * A end, 1, lists:seq(1, 60)) end},
     {big_pow, fun() -> pow(3, 200) end},
     {big_div, fun() ->
         [{pow(7, 50) div X, pow(7, 50) rem X} || X <- [3, 1 bsl 60, pow(11, 20), -pow(5, 30), pow(7, 50),
                 pow(7, 51)]] end},
     {big_bits, fun() ->
         [{A band B, A bor B, A bxor B} || A <- [pow(3, 50), -pow(3, 50)], B <- [pow(5, 30), -pow(5, 30), 255, -256]]
         end},
     {big_shift, fun() -> [{-pow(3, 50) bsr N, pow(3, 50) bsl N} || N <- [1, 7, 59, 60, 61, 120]] end},
     {boundaries, fun() -> B = 1 bsl 59, [{B - 1 + id(1), -B - id(1), (B - 1) * id(2), -(-B), B - 1 - (B - 1)}] end},
     {big_hash, fun() -> [erlang:phash2(X) || X <- ints() ++ floats()] end},
     {phash2_range, fun() -> [erlang:phash2(X, R) || X <- [a, 1, "str", {t, 1.5}], R <- [1, 7, 1 bsl 27, 1 bsl 32]] end},
     {math, fun() ->
         [math:sqrt(2), math:sin(1), math:pow(2, 0.5), math:exp(1), math:log(10), math:atan2(1, 2), math:floor(-1.5),
             math:fmod(7, 3)] end},
     {math_bad, fun() ->
         [outcome(fun() -> math:sqrt(id(-1)) end), outcome(fun() -> math:log(id(0)) end),
             outcome(fun() -> math:pow(id(a), 1) end)] end},
     {is_tests, fun() -> [{is_integer(X), is_float(X), is_number(X)} || X <- [1, 1.0, 1 bsl 70, a, []]] end},
     {integer_bytes, fun() -> [binary:encode_unsigned(I) || I <- [0, 255, 256, 1 bsl 64, pow(3, 50)]] end},
     {bytes_integer, fun() ->
         [binary:decode_unsigned(B, E) || B <- [<<1, 2, 3>>, <<0, 0, 1>>, <<255:128>>], E <- [big, little]] end},
     {system_limit_bsl, fun() -> outcome(fun() -> id(1) bsl id(1 bsl 70) end) end},
     {zero_bsl_huge, fun() -> {id(0) bsl (1 bsl 70), id(5) bsr (1 bsl 70), id(-5) bsr (1 bsl 70)} end},
     {gcd, fun() -> gcd(pow(2, 100) * pow(3, 40), pow(2, 80) * pow(3, 60) * 7) end},
     {large_integers_travel, fun() -> [begin
         I = (id(1) bsl Bits) + id(16#2a2a2a2a2a2a2a2a) * ((1 bsl (Bits - 64)) div (1 bsl 64 - 1)),
             Me = self(), self() ! {message, I},
         R = receive {message, X} -> X =:= I end, spawn(fun() -> Me ! {spawned, I} end), T = ets:new(t, []),
             ets:insert(T, {k, I}), put(k, I), erlang:garbage_collect(),
         {R, receive {spawned, Y} -> Y =:= I end, ets:lookup(T, k) =:= [{k, I}],
             binary_to_term(term_to_binary(I)) =:= I, get(k) =:= I, erlang:phash2(I)}
     end || Bits <- [8000, 16256, 16320, 16384, 40000, 1000000]] end},
     {large_literal, fun() -> erlang:phash2(1 bsl 300000) end}].

ints() ->
    [0, 1, -1, 2, 7, -13, 255, 1 bsl 31, -(1 bsl 31), (1 bsl 59) - 1, -(1 bsl 59), 1 bsl 59, (1 bsl 60) - 1, 1 bsl 60,
     -(1 bsl 60) - 1, 1 bsl 63, 1 bsl 64, -(1 bsl 64), 123456789012345678901234567890].

floats() -> [0.0, 1.0, -1.0, 0.5, 3.141592653589793, -2.5e-10, 1.0e10, 1.0e22, 1.7976931348623157e308, 2.2250738585072014e-308].

mixed() -> [0, 0.0, 1, 1.0, -1.5, 1 bsl 64, 1.8446744073709552e19, 1.0e300].

pow(_, 0) -> 1;
pow(B, N) -> B * pow(B, N - 1).

gcd(A, 0) -> A;
gcd(A, B) -> gcd(B, A rem B).
