%% N processes in a ring pass a token M times round: bulkhead run examples/ring.erl 1000 100
-module(ring).
-export([main/1]).

main([N, M]) -> run(list_to_integer(N), list_to_integer(M));
main([]) -> run(1000, 100).

run(N, M) ->
    First = self(),
    Last = lists:foldl(fun(_, Next) -> spawn(fun() -> node_loop(Next) end) end, First, lists:seq(2, N)),
    Last ! {token, 0},
    Hops = rounds(Last, M),
    Last ! stop,
    receive stop -> ok end,
    io:format("~b processes, ~b rounds, ~b hops~n", [N, M, Hops]).

%% The first node counts rounds; the others only pass on.
rounds(Next, M) ->
    receive
        {token, Hops} when M =:= 1 -> Hops + 1;
        {token, Hops} -> Next ! {token, Hops + 1}, rounds(Next, M - 1)
    end.

node_loop(Next) ->
    receive
        {token, Hops} -> Next ! {token, Hops + 1}, node_loop(Next);
        stop -> Next ! stop
    end.
