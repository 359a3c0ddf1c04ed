%% Makes a case that differs smaller, as long as it differs.
-module(diff_shrink).
-export([shrink/1, each/1]).

-define(CANDIDATES, 150). % tried at once
-define(ROUNDS, 25).

%% The smallest {Case, OTP's text, ours} found; `unsteady` if it does not differ a second time.
shrink(Case) ->
    case diff_sides:differences([Case]) of
        [Found] -> rounds(Found, ?ROUNDS);
        [] -> unsteady
    end.

rounds(Found, 0) -> Found;
rounds({Case, _, _} = Found, N) ->
    Size = size_of(Case),
    Smaller = lists:usort([{size_of(C), C} || C <- candidates(Case), size_of(C) < Size]),
    case diff_sides:differences([C || {_, C} <- spread(Smaller, ?CANDIDATES)]) of
        [] -> Found;
        Different -> rounds(hd(lists:sort(fun({A, _, _}, {B, _, _}) -> size_of(A) =< size_of(B) end, Different)), N - 1)
    end.

size_of({module, _, _, _} = Module) -> diff_module:size_of(Module);
size_of(Case) -> weight(Case).

%% A byte more than an atom's name for each term: an atom is simpler than anything of its size.
weight([H | T]) -> 3 + weight(H) + weight(T);
weight(T) when is_tuple(T) -> 3 + lists:sum([weight(E) || E <- tuple_to_list(T)]);
weight(T) when is_map(T) -> 4 + weight(maps:to_list(T));
weight(T) when is_bitstring(T) -> 2 + bit_size(T) / 4 + lists:sum([1 || <<B>> <= T, B =/= $a]) / 100;
weight(T) when is_integer(T), abs(T) < 1000 -> 1 + abs(T) / 1000;
weight(T) when is_number(T) -> 2 + length(io_lib:format("~w", [T])) / 10;
weight(a) -> 1;
weight([]) -> 1;
weight(_) -> 2.

%% Of too many, some of every size.
spread(List, Max) when length(List) =< Max -> List;
spread(List, Max) ->
    {First, Rest} = lists:split(Max div 2, List),
    First ++ lists:sublist(diff_rand:shuffle(Rest), Max div 2).

candidates({module, _, _, _} = Module) -> diff_module:smaller(Module);
candidates({ets, Options, Operations}) ->
    [{ets, Options, O} || O <- list(Operations)] ++ [{ets, O, Operations} || O <- list(Options)];
candidates({Kind, M, F, Args}) ->
    [{Kind, M, F, A} || A <- each(Args)].

%% The same number of elements, one of them smaller.
each([]) -> [];
each([H | T]) -> [[S | T] || S <- term(H)] ++ [[H | S] || S <- each(T)].

term([H | T] = L) when is_list(T) ->
    case is_proper(L) of
        true -> [[], a] ++ L ++ list(L);
        false -> [H, T] ++ [[H | S] || S <- term(T)]
    end;
term([H | T]) -> [H, T, [H]] ++ [[S | T] || S <- term(H)] ++ [[H | S] || S <- term(T)];
term({'$fun', A, K}) -> [{'$fun', A, S} || S <- [0, 1, 3, 4], S < K];
term({'$call', M, F, Args}) -> [{'$call', M, F, A} || A <- each(Args)];
term(T) when is_tuple(T) ->
    L = tuple_to_list(T),
    [a | L] ++ [list_to_tuple(S) || S <- list(L)];
term(T) when is_map(T) ->
    [#{} | maps:values(T)] ++ [maps:remove(K, T) || K <- maps:keys(T)] ++ [T#{K := S} || {K, V} <- maps:to_list(T),
        S <- term(V)] ++
                              [(maps:remove(K, T))#{S => V} || {K, V} <- maps:to_list(T), S <- term(K)];
term(T) when is_binary(T), T =/= <<>> ->
    Half = byte_size(T) div 2,
    [<<>>, binary:part(T, 0, Half), binary:part(T, Half, byte_size(T) - Half)] ++
        [<<A/binary, B/binary>> || At <- lists:seq(0, min(60, byte_size(T) - 1)), <<A:At/binary, _, B/binary>> <- [T]] ++
        [<<A/binary, $a, B/binary>> || At <- lists:seq(0, min(20, byte_size(T) - 1)), <<A:At/binary, _, B/binary>> <- [T]];
term(T) when is_bitstring(T), T =/= <<>> ->
    Less = bit_size(T) - 1,
    <<Shorter:Less/bits, _/bits>> = T,
    [<<>>, Shorter];
term(T) when is_integer(T), T > 1 -> [0, 1, T div 2, T - 1];
term(T) when is_integer(T), T < 0 -> [0, 1, -T, T div 2];
term(T) when is_float(T) -> [0, 1, 0.0, 1.0];
term(T) when is_atom(T), T =/= a -> [a];
term(_) -> [].

is_proper(L) -> try length(L) of _ -> true catch error:_ -> false end.

list(L) ->
    Half = length(L) div 2,
    [lists:sublist(L, Half) || Half > 0] ++ [lists:nthtail(Half, L) || Half > 0] ++
        [lists:sublist(L, I - 1) ++ lists:nthtail(I, L) || I <- lists:seq(1, min(60, length(L)))] ++ each(L).
