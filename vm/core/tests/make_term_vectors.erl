%% Writes term_vectors.h: terms in external format with what OTP says of them (phash2, phash, order).
%% Run on the OTP that is the model: erlc make_term_vectors.erl && erl -noshell -s make_term_vectors main N
%% with N random terms; the repository's file has 100.
-module(make_term_vectors).
-export([main/1]).

main([N]) ->
    _ = rand:seed(exsss, {1, 2, 3}),
    Count = list_to_integer(atom_to_list(N)),
    {ok, F} = file:open("term_vectors.h", [write]),
    io:format(F, "/* Made by make_term_vectors.erl on OTP ~s. */~n", [erlang:system_info(otp_release)]),
    io:format(F, "struct term_vector {~n    size_t n;~n    uint32_t phash2, phash;~n    const char *bytes;~n};~n~n", []),
    io:format(F, "static const struct term_vector term_vectors[] = {~n", []),
    [vector(F, T) || T <- fixed() ++ [rand_term(4) || _ <- lists:seq(1, Count)]],
    io:format(F, "};~n", []),
    Order = ordered(),
    io:format(F, "/* Row a, column b: '<', '=' or '>' for a and b; then the same in exact order. */~n", []),
    io:format(F, "static const struct term_vector order_vectors[] = {~n", []),
    [vector(F, T) || T <- Order],
    io:format(F, "};~nstatic const char *const order_arith[] = {~n", []),
    [io:format(F, "    \"~s\",~n", [[arith(A, B) || B <- Order]]) || A <- Order],
    io:format(F, "};~nstatic const char *const order_exact[] = {~n", []),
    [io:format(F, "    \"~s\",~n", [[exact(A, B) || B <- Order]]) || A <- Order],
    io:format(F, "};~n", []),
    halt().

arith(A, B) when A < B -> $<;
arith(A, B) when A == B -> $=;
arith(_, _) -> $>.

exact(A, B) ->
    C = erts_internal:cmp_term(A, B),
    if C < 0 -> $<; C =:= 0 -> $=; true -> $> end.

vector(F, T) ->
    Bytes = term_to_binary(T, [deterministic]),
    Text = [io_lib:format("\\~3.8.0b", [B]) || <<B>> <= Bytes],
    io:format(F, "    { ~b, ~w, ~w,~n", [byte_size(Bytes), erlang:phash2(T, 1 bsl 32), erlang:phash(T, 1 bsl 32) - 1]),
    lines(F, Text),
    io:format(F, "    },~n", []).

lines(F, Text) when length(Text) > 24 ->
    {A, B} = lists:split(24, Text),
    io:format(F, "        \"~s\"~n", [A]),
    lines(F, B);
lines(F, Text) ->
    io:format(F, "        \"~s\"~n", [Text]).

fixed() ->
    Ints = lists:append([[N - 1, N, N + 1, -N - 1, -N, -N + 1]
        || S <- [0, 7, 8, 15, 16, 26, 27, 28, 31, 32, 33, 58, 59, 60, 61, 63, 64, 65, 95, 96, 120, 127, 128,
            180, 256, 2000], N <- [1 bsl S]]),
    Atoms = ['', a, foo, nonode@nohost, list_to_atom([233]), list_to_atom([255, 256, 8364]), list_to_atom([16#1F600]),
        list_to_atom(lists:duplicate(255, $x)), list_to_atom(lists:duplicate(255, 16#1F600)),
        list_to_atom(lists:duplicate(255, 233)), list_to_atom(lists:duplicate(64, 16#1F600)), '\x{80}\x{ff}'],
    Floats = [0.0, -0.0, 1.0, -1.0, 1.5, 1.0e308, 5.0e-324, 3.1415],
    Bits = [<<>>, <<1>>, <<1:1>>, <<0:7>>, <<5:3>>, <<1, 2, 3, 4:5>>, list_to_binary(lists:seq(0, 255)), <<0:65>>,
        <<"hello world!">>, <<"hello world">>, <<"hello world!!">>, binary:copy(<<"abc">>, 50)],
    Pids = [binary_to_term(<<131, 88, 100, 0, 13, "nonode@nohost", 0, 0, 0, 80, 0, 0, 0, 3, 0, 0, 0, 0>>),
        binary_to_term(<<131, 88, 119, 3, "a@b", 0, 0, 0, 80, 0, 0, 0, 3, 0, 0, 0, 9>>),
        binary_to_term(<<131, 89, 119, 3, "a@b", 0, 0, 0, 80, 0, 0, 0, 3>>),
        binary_to_term(<<131, 120, 119, 3, "a@b", 1, 2, 3, 4, 0, 0, 0, 80, 0, 0, 0, 3>>),
        binary_to_term(<<131, 90, 0, 3, 119, 3, "a@b", 0, 0, 0, 80, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2>>),
        binary_to_term(<<131, 90, 0, 3, 119, 13, "nonode@nohost", 0, 0, 0, 0, 0, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2>>)],
    Funs = [fun lists:map/2, fun erlang:'+'/2,
        binary_to_term(<<131, 112, 0, 0, 0, 72, 1, 152, 118, 229, 2, 21, 116, 106, 27, 123, 46, 210, 208, 44, 79, 171, 26, 0,
            0, 0, 0, 0, 0, 0, 1, 100, 0, 2, 116, 113, 97, 0, 98, 4, 195, 183, 40, 88, 100, 0, 13, "nonode@nohost", 0, 0, 0, 9,
            0, 0, 0, 0, 0, 0, 0, 0, 97, 1>>),
        binary_to_term(<<131, 112, 0, 0, 0, 76, 2, 152, 118, 229, 2, 21, 116, 106, 27, 123, 46, 210, 208, 44, 79, 171, 26, 0,
            0, 0, 1, 0, 0, 0, 2, 100, 0, 2, 116, 113, 97, 1, 98, 4, 195, 183, 40, 88, 100, 0, 13, "nonode@nohost", 0, 0, 0, 9,
            0, 0, 0, 0, 0, 0, 0, 0, 97, 1, 107, 0, 1, 98>>)],
    Lists = [[], [[]], "a", "ab", "abc", "abcd", "abcde", "abcdefghi", [a | b], [1 | 2], [1, 2 | a],
        "abc" ++ [256], [256 | "abcde"],
        [[], [], []], ["abc", "de", ""], [1, [2, [3, [4]]]], [0, 0, 0, 0], [-1, 1], [1 | <<>>], lists:seq(1, 300)],
    Tuples = [{}, {{}}, {1}, {a, b, c}, {[], []}, {{1, 2}, [3, {4}]}, list_to_tuple(lists:seq(1, 255)),
        list_to_tuple(lists:seq(1, 256))],
    Maps = [#{}, #{a => 1}, #{1 => a, 1.0 => b}, #{[] => #{}, #{} => []}, #{a => #{b => #{c => d}}}, #{{} => 1, [] => 2},
        maps:from_list([{I, I * I} || I <- lists:seq(1, 32)]), maps:from_list([{I, I * I} || I <- lists:seq(1, 33)]),
        maps:from_list([{{I, "x"}, [I]} || I <- lists:seq(1, 200)])],
    Ints ++ Atoms ++ Floats ++ Bits ++ Pids ++ Funs ++ Lists ++ Tuples ++ Maps.

rand_term(0) -> leaf();
rand_term(D) ->
    case rand:uniform(8) of
        1 -> [rand_term(D - 1) || _ <- lists:seq(1, rand:uniform(6))];
        2 -> list_to_tuple([rand_term(D - 1) || _ <- lists:seq(1, rand:uniform(6) - 1)]);
        3 -> maps:from_list([{rand_term(D - 2), rand_term(D - 1)} || D > 1, _ <- lists:seq(1, rand:uniform(6))]);
        4 -> [rand_term(D - 1) | rand_term(D - 1)];
        5 -> [rand:uniform(258) - 2 || _ <- lists:seq(1, rand:uniform(9))] ++ rand_term(D - 1);
        6 when D =:= 3 -> maps:from_list([{rand_term(D - 2), rand_term(D - 2)} || _ <- lists:seq(1, 45)]);
        _ -> leaf()
    end.

leaf() ->
    case rand:uniform(9) of
        1 -> rand:uniform(300) - 20;
        2 -> (rand:uniform(2) * 2 - 3) * (rand:uniform(1 bsl rand:uniform(70)));
        3 -> (rand:uniform(2) * 2 - 3) * rand:uniform(1 bsl (60 + rand:uniform(200)));
        4 -> (rand:uniform() - 0.5) * math:pow(10, rand:uniform(40) - 20);
        5 -> list_to_atom([$a + rand:uniform(26) - 1 || _ <- lists:seq(1, rand:uniform(12))]);
        6 -> rand:bytes(rand:uniform(40) - 1);
        7 -> N = rand:uniform(100), <<(rand:uniform(1 bsl N)):N>>;
        8 -> [];
        9 -> lists:nth(rand:uniform(4), [true, {}, <<>>, ok])
    end.

ordered() ->
    Big = 1 bsl 80,
    M = fun(L) -> maps:from_list(L) end,
    L40 = [{I, I} || I <- lists:seq(1, 40)],
    [0, 1, -1, 1.0, 0.0, 2, 1 bsl 53, float(1 bsl 53), (1 bsl 53) + 1, (1 bsl 53) - 1, float(1 bsl 53) + 2,
        1 bsl 59, (1 bsl 59) - 1,
        float(1 bsl 59), 1 bsl 60, float(1 bsl 60), (1 bsl 60) + 1, -(1 bsl 60), -float(1 bsl 60),
        -(1 bsl 60) - 1, 16#7FFFFFFFFFFFFFFF,
        9223372036854775808.0, Big, -Big, Big + 1, float(Big), -float(Big), 1 bsl 1023, float(1 bsl 1023),
        (1 bsl 1023) + 1, 1 bsl 1100,
        -(1 bsl 1100), 1.0e308, -1.0e308, 5.0e-324, 1.5, a, b, ab, aa, '', list_to_atom([233]),
        list_to_atom([8364]), list_to_atom([16#1F600]),
        fun lists:map/2, fun lists:map/3, fun a:b/1, {}, {1}, {1.0}, {2}, {a, b}, {a, b, c}, {1, 2}, #{},
        #{a => 1}, #{a => 1.0}, #{b => 1},
        #{1 => a}, #{1.0 => a}, #{2 => a}, #{1 => a, 1.0 => b}, #{1 => #{1 => 2}}, #{1 => #{1.0 => 2}},
        M(L40), M([{1.0, 1} | tl(L40)]),
        M([{1, 1.0} | tl(L40)]), M([{41, 41} | L40]), M([{0, 1} | tl(L40)]), M([{I, I + 1} || I <- lists:seq(1, 40)]),
        M([{M(L40), 1} | tl(L40)]), M([{M([{1, 1.0} | tl(L40)]), 1} | tl(L40)]),
        [], [1], [1.0], [a], [1, 2], [1, 2 | 3], [1 | 2], [[1], 2], [[1.0], 3], "abc", "abd", [[]], <<>>,
        <<1>>, <<1, 0>>, <<1:1>>, <<128>>,
        <<1:7>>, <<2>>, <<0:3>>, <<255, 1:2>>, [{1, a}, #{x => [1.0]}], [{1, a}, #{x => [1]}], [{1.0, a}, #{x => [0]}]].
