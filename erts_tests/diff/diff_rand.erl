%% Choices of a generator, out of one seed: the same seed makes the same choices on every machine.
-module(diff_rand).
-export([seed/1, int/2, chance/1, pick/1, pick_fun/1, frequency/1, list/2, shuffle/1]).

seed(Seed) ->
    rand:seed(exsss, Seed),
    ok.

%% An integer from Low to High, both included.
int(Low, High) -> Low + rand:uniform(High - Low + 1) - 1.

%% true once in N times.
chance(N) -> rand:uniform(N) =:= 1.

pick(List) when is_list(List) -> lists:nth(rand:uniform(length(List)), List);
pick(Tuple) -> element(rand:uniform(tuple_size(Tuple)), Tuple).

%% Calls one of the functions.
pick_fun(Funs) -> (pick(Funs))().

%% [{Weight, Fun}]: calls one, the heavier the more often.
frequency(Weighted) ->
    frequency(int(1, lists:sum([W || {W, _} <- Weighted])), Weighted).

frequency(N, [{W, Fun} | _]) when N =< W -> Fun();
frequency(N, [{W, _} | Rest]) -> frequency(N - W, Rest).

%% Up to Max results of Fun.
list(Max, Fun) -> [Fun() || _ <- lists:seq(1, int(0, Max))].

shuffle(List) -> [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- List])].
