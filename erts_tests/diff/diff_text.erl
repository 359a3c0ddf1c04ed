%% Random texts that something reads: format strings, numbers, source code, addresses.
-module(diff_text).
-export([chardata/0, raw/0, encoding/0, format_string/0, format/0, fread/0, number/0, float_options/0, source/0,
    tokens/0, expressions/0, uri/0,
         rfc3339/0, packet/0, address/0, base64/0]).
-import(diff_rand, [int/2, pick/1, chance/1, frequency/1, pick_fun/1]).

chardata() ->
    frequency([{4, fun diff_term:text/0}, {4, fun diff_term:text_binary/0},
               {2, fun() -> diff_rand:list(4, fun() -> pick_fun([fun diff_term:char/0, fun chardata/0]) end) end},
               {1, fun() -> [diff_term:char() | diff_term:text_binary()] end},
               {1, fun raw/0}]).

%% Bytes that are no text, or only half.
raw() ->
    frequency([{3, fun chardata_good/0},
               {2, fun() ->
                   unicode:characters_to_binary(diff_term:text(), unicode,
                       pick([utf8, {utf16, big}, {utf16, little}, {utf32, big}])) end},
               {2, fun() ->
                           B = diff_term:text_binary(),
                           binary:part(B, 0, int(0, byte_size(B)))
                   end},
               {1, fun() ->
                   [diff_term:text_binary(), <<(pick([128, 16#c0, 16#c3, 16#e0, 16#ed, 16#f4, 255]))>>,
                       diff_term:text_binary()] end},
               {1, fun diff_term:binary/0},
               {1, fun() -> [diff_term:text(), pick([16#d800, 16#dfff, 16#110000, -1, a, 1.0, 16#fffe])] end},
               {1, fun() -> [<<16#c3>>, [<<16#a4>>], "x"] end},
               {1, fun() -> [diff_term:bitstring(), diff_term:text()] end}]).

chardata_good() -> [diff_term:text(), diff_term:text_binary() | pick([[], <<"end">>])].

encoding() -> pick([latin1, unicode, utf8, utf16, utf32, {utf16, big}, {utf16, little}, {utf32, little}, {utf32, big}, x]).

format_string() -> element(1, format()).

%% {Format, Args}: mostly as many as it wants, and of the types.
format() ->
    {Format, Args} = lists:unzip([control() || _ <- lists:seq(1, int(0, 4))]),
    All = lists:append(Args),
    {lists:append(Format), case int(1, 15) of 1 -> All ++ [x]; 2 when All =/= [] -> tl(All); _ -> All end}.

control() ->
    Field = frequency([{5, fun() -> "" end}, {2, fun() -> integer_to_list(int(-20, 20)) end}, {1, fun() ->
        "0" ++ integer_to_list(int(0, 9)) end}]),
    Precision = frequency([{5, fun() -> "" end}, {2, fun() -> [$. | integer_to_list(int(0, 12))] end}]),
    Pad = frequency([{9, fun() -> "" end}, {1, fun() -> [$., pick("*0 .")] end}]),
    Modifier = pick(["", "", "", "t", "t", "l", "tl", "k", "K"]),
    {Control, Args} = pick_fun(
        [fun() -> {"w", [diff_term:any()]} end, fun() -> {"p", [diff_term:any()]} end, fun() -> {"s", [text()]} end,
         fun() -> {"c", [diff_term:char()]} end, fun() -> {"f", [diff_term:number()]} end,
         fun() -> {"e", [diff_term:number()]} end, fun() -> {"g", [diff_term:float()]} end,
         fun() -> {"W", [diff_term:any(), int(-1, 6)]} end, fun() -> {"P", [diff_term:any(), int(-1, 6)]} end,
         fun() -> {"b", [diff_term:integer()]} end, fun() -> {"B", [diff_term:integer()]} end,
         fun() -> {"x", [diff_term:integer(), pick(["0x", 'x', []])]} end,
         fun() -> {"X", [diff_term:integer(), "16r"]} end, fun() -> {"#", [diff_term:integer()]} end,
         fun() -> {"+", [diff_term:integer()]} end, fun() -> {"n", []} end, fun() -> {"~", []} end,
         fun() -> {"i", [diff_term:any(1)]} end, fun() -> {"q", [1]} end]),
    Wrong = case chance(12) of true -> [diff_term:any(1) || _ <- Args]; false -> Args end,
    case chance(10) of
        true -> {[$~, $* | Precision ++ Pad ++ Control], [int(-3, 12) | Wrong]};
        false -> {[pick("ab ") || _ <- lists:seq(1, int(0, 2))] ++ [$~ | Field ++ Precision ++ Pad ++ Modifier ++ Control], Wrong}
    end.

text() -> pick_fun([fun chardata/0, fun diff_term:atom/0, fun() -> diff_term:iodata(2) end]).

fread() ->
    Format = lists:append(
        [pick(["~d", "~s", "~f", "~c", "~a", "~u", "~#", "~-", "~16u", "~3s", "~*d", "~l", " ", "x", "~2d", "~ts",
                    "~n", "~~"]) || _ <- lists:seq(1, int(0, 4))]),
    [Format, lists:append([pick(["12", "-3", " ", "abc", "1.5", "16#ff", "x", "\n", "ä", "1.0e5", "", "~", "ff"])
        || _ <- lists:seq(1, int(0, 5))])].

number() ->
    frequency([{3, fun() -> integer_to_list(diff_term:integer(), pick([10, 10, 16, 36, 2])) end},
               {3, fun() -> float_text(diff_term:float()) end},
               {2, fun() ->
                   lists:append([pick(["1", "0", "9", ".", "e", "-", "+", "E", "5", "308", "a", " ", "_"])
                           || _ <- lists:seq(1, int(0, 7))]) end},
               {1, fun() ->
                   pick(["", "-", "+", "1.0e309", "1.0e-400", "0.0e400", "-0.0", "+0", "-0", "1e5", "1.", ".5",
                           "1.0E+5", "1.0e-", "00012"]) end}]).

%% With decimals only so far as they fit OTP's buffer.
float_text(F) -> float_to_list(F, pick([[], [short], [{scientific, 3}]] ++ [[{decimals, 5}, compact] || abs(F) < 1.0e200])).

float_options() ->
    diff_rand:list(3, fun() ->
        pick([{decimals, pick([0, 1, 2, 5, 10, 20, 253, 254, -1])}, {scientific, pick([0, 1, 3, 20, 249, 250, -1])},
                compact, short, x]) end).

source() ->
    pick_fun([fun() -> lists:flatten(erl_pp:exprs(expressions())) ++ pick([".", ". ", "", ".\n"]) end,
              fun() -> lists:append([token() || _ <- lists:seq(1, int(0, 8))]) end]).

token() ->
    pick(["foo", "Bar", "_", " ", "\n", "12", "1.5", "16#fF", "37#1", "2#12", "1_000", "$a", "$\\n", "\"str\"",
        "\"a\\x{3bb}\\^A\\\"\"", "'q a'", "'", "\"", "->", ":=", "=>", "=:=", "=<",
          "<<", ">>", "||", "<-", "<=", "#", "?", "%c\n", ".", ",", ";", "case", "of", "end", "if", "fun",
          "maybe", "begin", "(", ")", "{", "}", "[", "]", "|", "+", "-", "/",
          "++", "1.0e400", "1e", "\\", "ä", "λ", "\"\\777\"", "$\\^@", "and", "1.5e3", "$\\x{10ffff}", "!", "::", "..", "..."]).

tokens() ->
    case erl_scan:string(source()) of
        {ok, Tokens, _} -> Tokens;
        _ -> [{atom, 1, a}, {dot, 1}]
    end.

%% Expressions without variables of an environment, for erl_eval and the printer.
expressions() ->
    Texts = ["1 + 2.", "X = {a, [1, 2 | 3]}, element(1, X).", "case 1 of X when X > 0 -> ok; _ -> no end.",
        "[X * 2 || X <- [1, 2, 3], X > 1].", "<< <<X:4>> || <<X:2>> <= <<1, 2>> >>.", "fun(X) -> X + 1 end.",
        "(fun F(0) -> a; F(N) -> F(N - 1) end)(5).", "try error(x) catch error:R:_ -> R after ok end.",
        "M = #{a => 1}, M#{a := 2, b => 3}.", "#{a := X} = #{a => 1}, X.", "<<A:8, B/bits>> = <<1, 2:4>>, {A, B}.",
        "receive x -> y after 0 -> z end.", "if true -> 1; false -> 2 end.", "a = b.", "1 / 0.", "foo(1).",
        "fun lists:map/2.", "catch throw(x).", "begin A = 1, A + 1 end.", "[a | b].", "\"abc\" ++ \"def\".", "-1.",
        "not true.", "true andalso x.", "self() ! x.", "<<\"abc\"/utf16-little>>.", "(fun() -> 1 end)(2).",
        "[1, 2] -- [1].", "#{1 => 2}#{3 := 4}.", "if false -> 1 end.", "case 5 of 6 -> a end.",
        "try 1 of 2 -> 3 catch _ -> 4 end.", "<<1.5:16/float>>.", "<<X/utf8>> = <<195>>, X.",
        "[{X, Y} || X <- [1, 2], Y <- [a, b]].", "fun erlang:abs/1(-5).", "{a, b} =:= {a, b}.", "1 =< 2.0.",
        "atom_to_list(5)."],
    {ok, Tokens, _} = erl_scan:string(pick(Texts)),
    {ok, Exprs} = erl_parse:parse_exprs(Tokens),
    case chance(3) of
        true -> diff_expr:closed_expressions();
        false -> Exprs
    end.

uri() ->
    lists:append([pick(["http", "urn", "", ""]), pick([":", "", "://"]), pick(["", "user@", "u:p@"]),
        pick(["host", "127.0.0.1", "[::1]", "[v1.x]", "", "a.b"]), pick(["", ":80", ":", ":x"]),
                  pick(["", "/", "/a/b", "/a/../b/./c", "/%41%7e", "/%zz", "a", "/λ"]),
                  pick(["", "?", "?a=b&c", "?q=%20+x", "?é"]), pick(["", "#", "#f", "#%4"])]).

rfc3339() ->
    lists:append([pick(["1985-04-12", "2000-02-30", "0000-01-01", "1970-1-01", "9999-12-31"]),
        pick(["T", "t", " ", ""]), pick(["23:20:50", "24:00:00", "00:00:60", "1:2:3"]),
                  pick(["", ".52", ".123456789", ".", ".1234567890123"]),
                  pick(["Z", "z", "+02:00", "-08:30", "", "+1", "+25:00"])]).

packet() ->
    Type = pick([raw, 0, 1, 2, 4, line, http, httph, http_bin, httph_bin, asn1, cdr, sunrm, fcgi, tpkt, x, 3]),
    Data = iolist_to_binary(case int(1, 4) of
               1 -> diff_term:binary();
               2 -> [<<(int(0, 9)):(pick([8, 16, 32]))>>, diff_term:binary()];
               _ ->
                   [[pick(["GET ", "POST", "OPTIONS ", "*", "/", "/a?b", " ", " HTTP/1.1", "HTTP/1.0 ", "200", " OK",
                               "\r\n", "\r\n", "\n", "Host", ":", "Content-Length: ", "5", "x-y-z: q", "abs://h:8/p",
                               "http://h/", "https://h:1", "\t", "a"])
                      || _ <- lists:seq(1, int(1, 8))]]
           end),
    [Type, Data, diff_rand:list(2, fun() ->
        pick([{packet_size, int(0, 20)}, {line_length, int(0, 10)}, {line_delimiter, pick([10, $a])}, x]) end)].

address() ->
    pick_fun([fun() ->
        lists:append(lists:join(".", [pick(["127", "0", "1", "255", "256", "x", "0x10", "010", "4294967295"])
                    || _ <- lists:seq(1, int(1, 5))])) end,
              fun() ->
                  lists:append([pick(["::", ":", "1", "ffff", "0", "abcd", "12345", "127.0.0.1", "%eth0", "fe80"])
                          || _ <- lists:seq(1, int(0, 8))]) end,
              fun diff_term:text/0]).

base64() ->
    Good = base64:encode(diff_term:binary()),
    case int(1, 4) of
        1 -> Good;
        2 -> binary_to_list(Good);
        3 -> [pick("AZaz09+/= \n\t-_!") || _ <- lists:seq(1, int(0, 9))];
        4 -> iolist_to_binary([Good, pick(["=", " ", "\n", "é", "A"])])
    end.
