%% Random terms: ordinary ones, and those at the edges of every representation.
-module(diff_term).
-export([allow/1, any/0, any/1, integer/0, small/0, float/0, number/0, atom/0, binary/0, bitstring/0, text/0, text_binary/0,
         char/0, boolean/0, list/1, tuple/1, map/1, iodata/1, function/1]).
-import(diff_rand, [int/2, pick/1, chance/1, frequency/1, pick_fun/1]).

any() -> any(3).

any(Depth) when Depth =< 0 -> leaf();
any(Depth) ->
    frequency([{6, fun leaf/0},
               {2, fun() -> list(fun() -> any(Depth - 1) end) end},
               {1, fun() -> [any(Depth - 1) | any(Depth - 1)] end},
               {2, fun() -> tuple(fun() -> any(Depth - 1) end) end},
               {1, fun() -> map(fun() -> any(Depth - 1) end) end}]).

leaf() ->
    frequency([{4, fun integer/0}, {2, fun float/0}, {4, fun atom/0}, {2, fun binary/0}, {1, fun bitstring/0}, {1, fun text/0},
               {1, fun() -> [] end}, {1, fun() -> pick([{}, #{}]) end}, {2, fun living/0}]).

%% What differs from VM to VM, as far as allow/1 lets it.
living() ->
    case get(?MODULE) of
        all -> pick_fun([fun() -> function(int(0, 3)) end, fun() -> pick(['$self', '$ref']) end]);
        funs -> function(int(0, 3));
        _ -> atom()
    end.

%% What may be in a term: `all`; `funs`: no pids and references, which where terms are hashed or printed would show their numbers,
%% and no maps so large that their order is the VM's own; `plain`: no funs of this run, either.
allow(What) -> put(?MODULE, What).

%% Small, on both sides of a power of two, or long.
integer() ->
    frequency([{6, fun small/0},
               {3, fun() -> sign((1 bsl pick([7, 8, 15, 16, 24, 27, 28, 31, 32, 53, 58, 59, 60, 63, 64])) + int(-2, 2)) end},
               {1, fun() -> sign(1 bsl pick([65, 127, 128, 192, 1023, 1024, 2100]) + int(-2, 2)) end},
               {1, fun() -> sign(binary:decode_unsigned(bytes(int(1, 40)))) end}]).

small() -> frequency([{4, fun() -> int(-3, 12) end}, {1, fun() -> int(-300, 70000) end}, {1, fun() -> int(32, 126) end}]).

sign(N) -> pick([N, N, -N]).

number() -> pick_fun([fun integer/0, fun float/0]).

float() ->
    frequency([{4, fun() ->
                           pick([0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 0.1, 0.3,
                               1.0e-5, 1.0e5, 123456.789, 1.0e15, 1.0e16, 1.0e21, 1.0e22, 1.0e23, 5.0e-324,
                                 2.2250738585072014e-308, 1.7976931348623157e308, 9007199254740991.0, 9007199254740992.0,
                                 9007199254740993.0, 4294967296.0, 576460752303423488.0, 1152921504606846976.0,
                                 9223372036854775808.0, 18446744073709551616.0, 3.141592653589793, 100.0, 99.995, 0.05, 1.0e100])
                   end},
               {1, fun() -> float(small()) end},
               {1, fun() -> small() / pick([3, 7, 10, 100, 64]) end},
               {1, fun any_float/0}]).

any_float() ->
    case bytes(8) of
        <<F/float>> -> F;
        _ -> 1.0
    end.

atom() ->
    pick([a, b, c, d, true, false, undefined, ok, error, '', 'A b', infinity, nan, big, little, utf8, latin1,
        list, binary, return,
          all, trim, none, 'ä', 'λ', key, value, badarg, normal, kill, 'quo\'te', 'if', 'x@1', '\n']).

boolean() -> pick([true, false]).

bytes(N) -> << <<(int(0, 255))>> || _ <- lists:seq(1, N) >>.

binary() ->
    frequency([{2, fun() -> bytes(int(0, 12)) end}, {1, fun() -> bytes(pick([63, 64, 65, 80])) end}, {3, fun text_binary/0},
               {1, fun() -> sub_binary() end}]).

%% One that begins in the middle of another.
sub_binary() ->
    Binary = bytes(int(3, 90)),
    binary:part(Binary, int(0, 2), int(0, byte_size(Binary) - 2)).

bitstring() ->
    Size = int(0, 40),
    <<Bits:Size/bits, _/bits>> = bytes(5),
    Bits.

char() ->
    frequency([{6, fun() -> int($a, $f) end}, {2, fun() -> int(32, 126) end},
               {1, fun() -> pick([0, 9, 10, 13, 27, 127, 128, 255, 16#d7ff, 16#e000, 16#fffd, 16#ffff, 16#10ffff]) end},
               {1, fun() ->
                   pick([$ä, $ß, 16#3bb, 16#301, 16#308, 16#1f600, 16#200d, 16#1f1e6, 16#0130, 16#01c5, 16#20ac,
                           16#ac00, 16#11a8]) end}]).

text() -> diff_rand:list(8, fun char/0).

text_binary() -> unicode:characters_to_binary(text()).

list(Element) -> diff_rand:list(4, Element).

tuple(Element) -> list_to_tuple(diff_rand:list(4, Element)).

%% Sometimes so large that it is a tree.
map(Element) ->
    case get(?MODULE) =:= all andalso chance(12) of
        true -> maps:from_list([{key(I, Element), I} || I <- lists:seq(1, int(30, 40))]);
        false -> maps:from_list([{Element(), Element()} || _ <- lists:seq(1, int(0, 4))])
    end.

key(I, Element) ->
    case chance(4) of
        true -> Element();
        false -> I
    end.

iodata(Depth) ->
    frequency([{2, fun binary/0}, {1, fun() -> [] end}, {2, fun() -> iolist(Depth) end}]).

iolist(Depth) when Depth =< 0 -> [int(0, 255) || _ <- lists:seq(1, int(0, 3))];
iolist(Depth) ->
    Tail = case chance(4) of true -> bytes(int(0, 3)); false -> [] end,
    diff_rand:list(4, fun() -> pick_fun([fun() -> int(0, 255) end, fun() -> iodata(Depth - 1) end]) end) ++ Tail.

%% What diff_run makes a fun of when it runs the case.
function(Arity) -> {'$fun', Arity, int(0, 15)}.
