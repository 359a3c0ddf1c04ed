%% Writes number_vectors.h: what OTP makes of arithmetic, bit fields and number texts.
%% erlc make_number_vectors.erl && erl -noshell -s make_number_vectors main N; the file has N = 60.
-module(make_number_vectors).
-export([main/1]).

main([N]) ->
    _ = rand:seed(exsss, {4, 5, 6}),
    Count = list_to_integer(atom_to_list(N)),
    {ok, F} = file:open("number_vectors.h", [write]),
    io:format(F, "/* Made by make_number_vectors.erl on OTP ~s. Integers in base 16; floats: f and their bits. */~n",
        [erlang:system_info(otp_release)]),
    io:format(F, "struct arith_vector {~n    const char *op, *a, *b, *want;~n};~n", []),
    io:format(F, "static const struct arith_vector arith_vectors[] = {~n", []),
    [arith(F) || _ <- lists:seq(1, Count)],
    io:format(F, "};~nstruct base_vector {~n    const char *hex;~n    int base;~n    const char *text;~n};~n", []),
    io:format(F, "static const struct base_vector base_vectors[] = {~n", []),
    [base(F) || _ <- lists:seq(1, Count)],
    io:format(F, "};~nstruct field_vector {~n    unsigned bits, flags;~n    const char *value, *bytes, *read;~n};~n", []),
    io:format(F, "static const struct field_vector field_vectors[] = {~n", []),
    [field(F) || _ <- lists:seq(1, Count)],
    io:format(F, "};~nstruct float_vector {~n    uint64_t bits;~n    const char *plain;~n    unsigned decimals;~n"
        "    const char *fixed, *compact;~n};~n", []),
    io:format(F, "static const struct float_vector float_vectors[] = {~n", []),
    [float_texts(F, X) || X <- floats() ++ [rand_float() || _ <- lists:seq(1, 3 * Count)]],
    io:format(F, "};~n", []),
    halt().

row(F, Op, A, B, Fun) ->
    R = try Fun() catch error:Reason -> Reason end,
    io:format(F, "    { \"~s\", \"~s\", \"~s\", \"~s\" },~n", [Op, s(A), s(B), s(R)]).

arith(F) ->
    A = rand_number(),
    B = case rand:uniform(8) of 1 when is_integer(A) -> A + rand:uniform(3) - 2; _ -> rand_number() end,
    C = rand:uniform(300) - 150,
    Two = [{"+", fun() -> A + B end}, {"-", fun() -> A - B end}, {"*", fun() -> A * B end}, {"/", fun() -> A / B end},
        {"div", fun() -> A div B end}, {"rem", fun() -> A rem B end}, {"band", fun() -> A band B end},
        {"bor", fun() -> A bor B end}, {"bxor", fun() -> A bxor B end}],
    [row(F, Op, A, B, Fun) || {Op, Fun} <- Two],
    row(F, "bsl", A, C, fun() -> A bsl C end),
    row(F, "bsr", A, C, fun() -> A bsr C end),
    row(F, "cmp", A, B, fun() -> if A < B -> -1; A > B -> 1; true -> 0 end end),
    One = [{"neg", fun() -> -A end}, {"bnot", fun() -> bnot A end}, {"abs", fun() -> abs(A) end},
        {"trunc", fun() -> trunc(A) end}, {"round", fun() -> round(A) end}, {"floor", fun() -> floor(A) end},
        {"ceil", fun() -> ceil(A) end}],
    [row(F, Op, A, 0, Fun) || {Op, Fun} <- One].

base(F) ->
    I = rand_integer(),
    B = 1 + rand:uniform(35),
    io:format(F, "    { \"~s\", ~b, \"~s\" },~n", [s(I), B, integer_to_list(I, B)]),
    io:format(F, "    { \"~s\", 10, \"~b\" },~n", [s(I), I]).

field(F) ->
    I = rand_integer(),
    N = case rand:uniform(3) of 1 -> 8 * rand:uniform(10); 2 -> rand:uniform(64); 3 -> rand:uniform(200) end,
    [begin
        Bits = case Flags band 1 of 0 -> <<I:N>>; 1 -> <<I:N/little>> end,
        <<R:N/bits>> = Bits,
        Read = case Flags of
            0 -> <<X:N>> = R, X;
            1 -> <<X:N/little>> = R, X;
            2 -> <<X:N/signed>> = R, X;
            3 -> <<X:N/little-signed>> = R, X
        end,
        Padded = <<Bits/bits, 0:(-N band 7)>>,
        io:format(F, "    { ~b, ~b, \"~s\", \"~s\", \"~s\" },~n", [N, Flags, s(I),
            [io_lib:format("~2.16.0B", [C]) || <<C>> <= Padded], s(Read)])
    end || Flags <- [0, 1, 2, 3]].

float_texts(F, X) ->
    <<Bits:64>> = <<X/float>>,
    D = rand:uniform(22) - 1,
    {Fixed, Compact} = try {float_to_list(X, [{decimals, D}]), float_to_list(X, [{decimals, D}, compact])}
        catch error:badarg -> {"", ""} end,
    io:format(F, "    { 0x~.16b, \"~s\", ~b, \"~s\", \"~s\" },~n", [Bits, float_to_list(X, [short]), D, Fixed, Compact]).

s(X) when is_float(X) -> <<I:64>> = <<X/float>>, [$f | integer_to_list(I, 16)];
s(X) when is_integer(X) -> integer_to_list(X, 16);
s(X) -> atom_to_list(X).

rand_number() ->
    case rand:uniform(4) of 1 -> rand_float(); _ -> rand_integer() end.

rand_integer() ->
    N = case rand:uniform(6) of
        1 -> rand:uniform(6);
        2 -> 55 + rand:uniform(10);
        3 -> 115 + rand:uniform(10);
        4 -> 60 * rand:uniform(5);
        _ -> rand:uniform(300)
    end,
    I = case rand:uniform(5) of 1 -> (1 bsl N) - 1; 2 -> 1 bsl N; 3 -> (1 bsl N) + 1; _ -> rand:uniform(1 bsl N) - 1 end,
    case rand:uniform(2) of 1 -> I; 2 -> -I end.

rand_float() ->
    case rand:uniform(5) of
        1 -> (rand:uniform(2000000) - 1000000) / 1000;
        2 -> float(rand:uniform(1 bsl 60));
        3 -> math:pow(2, rand:uniform(2000) - 1050);
        4 -> rand:uniform(1 bsl 53) / (1 bsl rand:uniform(120));
        5 -> any_float()
    end.

any_float() ->
    case <<(rand:uniform(1 bsl 64) - 1):64>> of
        <<X/float>> -> X;
        _ -> any_float()
    end.

floats() ->
    [0.0, -0.0, 1.0, 0.1, 1.0e-4, 1.2e-4, 100.0, 1.0e3, 123456789012.0, 1.0e22, 5.0e-324, 2.2250738585072014e-308,
        1.7976931348623157e308, 9007199254740991.0, 9007199254740992.0, 9007199254740993.0e1].
