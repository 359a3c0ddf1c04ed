-module(code_onload).
-on_load(init/0).
-export([answer/0, adder/1]).

%% code_tests makes other versions by renaming the atom.
init() ->
    {_, Result} = lists:keyfind(t:id(onload_good), 1, [{onload_good, ok}, {onload_nope, {error, sorry}}, {onload_atom, no}]),
    Result.

answer() -> 42.

adder(N) -> fun(X) -> X + N + answer() end.
