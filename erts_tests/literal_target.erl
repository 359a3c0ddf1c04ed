%% Has literals, and is loaded again and again by literal_tests.
-module(literal_target).
-export([value/0, fields/0, table/0, long/0, short/0, pattern/0, spec/0, fun_with/1, wait_with/1, large/0]).

value() ->
    {an_atom, "a string", [1, 2.5, 123456789012345678901234567890 | improper], short(), long(), fields(),
     #{[key] => {nested, ["deep", [{er}]]}}, fun lists:map/2}.

fields() -> #{name => "Name", list => [a, {b}], number => 1.25}.

%% More than 32 keys: a tree.
table() ->
    #{k1 => [1], k2 => [2], k3 => [3], k4 => [4], k5 => [5], k6 => [6], k7 => [7], k8 => [8], k9 => [9], k10 => [10],
      k11 => [11], k12 => [12], k13 => [13], k14 => [14], k15 => [15], k16 => [16], k17 => [17], k18 => [18], k19 => [19],
      k20 => [20], k21 => [21], k22 => [22], k23 => [23], k24 => [24], k25 => [25], k26 => [26], k27 => [27], k28 => [28],
      k29 => [29], k30 => [30], k31 => [31], k32 => [32], k33 => [33], k34 => [34], k35 => [35], k36 => [36]}.

long() -> <<"more than sixty-four bytes, and so counted by references: 0123456789abcdefghijklmnopqrstuvwxyz">>.
short() -> <<"on the heap">>.
pattern() -> [<<"counted">>, <<"zyx">>].
spec() -> [{{'$1', '$2'}, [{'>', '$1', 0}], [{{'$1', {const, ["a", <<"part">>]}, '$2'}}]}].

fun_with(X) -> fun() -> {X, value()} end.

%% Waits in its own code: whoever purges it kills it.
wait_with(X) -> receive {From, go} -> From ! {self(), X} end.

-define(WORDS,
    {"these are many words", [1.5, 2.5, 3.5], {x, "y", [z, "zz"]},
        <<"0123456789012345678901234567890123456789012345678901234567890123456789">>}).
large() -> [?WORDS, ?WORDS, ?WORDS, ?WORDS, ?WORDS, ?WORDS, ?WORDS].
