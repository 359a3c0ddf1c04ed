%% Micro-programs, timed the same way on any BEAM: prints one line "GROUP NAME NANOSECONDS", the
%% best of several runs, for each. `bench:main([])` runs all, `bench:main(["fib", ...])` those named.
-module(bench).
-export([main/1, start/0, start/1]).
-export([pong/0, hop/1]).

-define(RUNS, 7).

%% erl -s bench start: all, then stop the node.
start() -> start([]).
start(Args) ->
    main([atom_to_list(A) || A <- Args]),
    halt().

main([]) -> [report(P) || P <- programs()], ok;
main(Names) -> [report(P) || {_, Name, _} = P <- programs(), lists:member(atom_to_list(Name), Names)], ok.

report({Group, Name, Fun}) ->
    io:format("~s ~s ~b~n", [Group, Name, time(Fun)]).

%% Each run in a fresh process, so that heaps start alike.
time(Fun) ->
    lists:min([one_run(Fun) || _ <- lists:seq(1, ?RUNS)]).

one_run(Fun) ->
    Self = self(),
    {Pid, Ref} = spawn_monitor(fun() ->
        T0 = erlang:monotonic_time(),
        _ = Fun(),
        T1 = erlang:monotonic_time(),
        Self ! {self(), erlang:convert_time_unit(T1 - T0, native, nanosecond)}
    end),
    receive
        {Pid, Ns} -> erlang:demonitor(Ref, [flush]), Ns;
        {'DOWN', Ref, process, Pid, Reason} -> exit({benchmark_failed, Reason})
    end.

programs() ->
    [{compute, fib, fun() -> fib(27) end},
     {compute, tak, fun() -> tak(18, 12, 6) end},
     {compute, nrev, fun() -> repeat(300, fun() -> nrev(lists:seq(1, 300)) end) end},
     {compute, nqueens, fun() -> queens(8) end},
     {compute, fannkuch, fun() -> fannkuch(8) end},
     {compute, bintree, fun() -> bintree(16) end},
     {compute, tuples, fun() -> tuples(200000, {1, 2, 3, 4}) end},
     {compute, records, fun() -> dispatch(300000, {state, 0, 0, []}) end},
     {compute, funs, fun() -> funs(300000) end},
     {compute, exceptions, fun() -> exceptions(100000, 0) end},
     {compute, sieve, fun() -> sieve(20000) end},
     {floats, mandelbrot, fun() -> mandelbrot(60) end},
     {floats, nbody, fun() -> nbody(8000) end},
     {lists, lists_map_fold, fun() -> repeat(40, fun map_fold/0) end},
     {lists, sort, fun() -> lists:sort(random_list(50000, 42)) end},
     {lists, keyfind, fun() -> keyfind(3000) end},
     {lists, append, fun() -> repeat(2000, fun() -> lists:seq(1, 100) ++ lists:seq(1, 10) end) end},
     {maps, small_map_update, fun() -> small_map(200000, #{a => 0, b => 0, c => 0}) end},
     {maps, large_map_build, fun() -> large_map(30000) end},
     {maps, large_map_get, fun() -> map_gets(large_map(10000), 10000, 5) end},
     {binaries, binary_build, fun() -> binary_build(200000, <<>>) end},
     {binaries, binary_parse, fun() -> binary_parse(binary:copy(<<1, 2, 3, 4, 5, 6, 7, 8>>, 30000), 0) end},
     {binaries, bits, fun() -> bits(binary:copy(<<16#A5, 16#5A>>, 20000), 0) end},
     {binaries, binary_split, fun() -> length(binary:split(binary:copy(<<"word,">>, 20000), <<",">>, [global])) end},
     {binaries, utf8, fun() -> length(unicode:characters_to_list(binary:copy(<<"grüße "/utf8>>, 10000))) end},
     {bignums, factorial, fun() -> factorial(800) end},
     {bignums, big_fib, fun() -> big_fib(4000, 0, 1) end},
     {bignums, big_text, fun() -> length(integer_to_list(1 bsl 4000)) end},
     {text, format, fun() -> repeat(2000, fun() -> io_lib:format("~p ~s ~b~n", [{a, [1, 2]}, "text", 42]) end) end},
     {processes, ping_pong, fun() -> ping_pong(50000) end},
     {processes, ring, fun() -> ring(1000, 50) end},
     {processes, spawn_exit, fun() -> spawns(20000) end},
     {processes, send_self, fun() -> send_self(100000) end},
     {processes, selective_receive, fun() -> selective(20000) end}].

repeat(0, _) -> ok;
repeat(N, F) -> F(), repeat(N - 1, F).

%% ---- compute ----

fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).

tak(X, Y, Z) when Y >= X -> Z;
tak(X, Y, Z) -> tak(tak(X - 1, Y, Z), tak(Y - 1, Z, X), tak(Z - 1, X, Y)).

nrev([]) -> [];
nrev([H | T]) -> app(nrev(T), [H]).

app([], L) -> L;
app([H | T], L) -> [H | app(T, L)].

queens(N) -> length(place(N, N)).

place(0, _) -> [[]];
place(K, N) -> [[Q | Qs] || Qs <- place(K - 1, N), Q <- lists:seq(1, N), safe(Q, Qs, 1)].

safe(_, [], _) -> true;
safe(Q, [P | Ps], D) -> Q =/= P andalso abs(Q - P) =/= D andalso safe(Q, Ps, D + 1).

fannkuch(N) -> lists:max([flips(P, 0) || P <- permutations(lists:seq(1, N - 1))]).

permutations([]) -> [[]];
permutations(L) -> [[X | P] || X <- L, P <- permutations(L -- [X])].

flips([1 | _], N) -> N;
flips([X | _] = L, N) -> flips(flip(X, L, []), N + 1).

flip(0, L, Acc) -> lists:reverse(lists:reverse(Acc), L);
flip(N, [H | T], Acc) -> flip(N - 1, T, [H | Acc]).

bintree(D) -> check(tree(D)).

tree(0) -> {leaf, leaf};
tree(D) -> {tree(D - 1), tree(D - 1)}.

check({leaf, leaf}) -> 1;
check({L, R}) -> 1 + check(L) + check(R).

tuples(0, T) -> T;
tuples(N, {A, B, C, D} = T) when is_integer(A) ->
    tuples(N - 1, setelement(1 + N rem 4, {B, C, D, A}, element(1, T))).

dispatch(0, S) -> S;
dispatch(N, S) -> dispatch(N - 1, step(kind(N rem 5), S)).

kind(0) -> inc;
kind(1) -> dec;
kind(2) -> push;
kind(3) -> pop;
kind(4) -> noop.

step(inc, {state, A, B, L}) -> {state, A + 1, B, L};
step(dec, {state, A, B, L}) -> {state, A, B - 1, L};
step(push, {state, A, B, L}) -> {state, A, B, [A | L]};
step(pop, {state, A, B, [_ | L]}) -> {state, A, B, L};
step(_, S) -> S.

funs(N) -> compose(N, fun(X) -> X + 1 end, fun(X) -> X - 1 end, 0).

compose(0, _, _, X) -> X;
compose(N, F, G, X) -> compose(N - 1, F, G, G(F(X))).

exceptions(0, Acc) -> Acc;
exceptions(N, Acc) ->
    V = try thrower(N) catch throw:{value, X} -> X; error:badarith -> 0 end,
    exceptions(N - 1, Acc + V).

thrower(N) when N rem 2 =:= 0 -> throw({value, N});
thrower(N) -> N.

sieve(N) -> length(sift(lists:seq(2, N), [])).

sift([P | Rest], Primes) when P * P =< 20000 -> sift([X || X <- Rest, X rem P =/= 0], [P | Primes]);
sift(Rest, Primes) -> lists:reverse(Primes, Rest).

%% ---- floats ----

mandelbrot(N) ->
    lists:sum([escape(X * 3.0 / N - 2.0, Y * 2.0 / N - 1.0, 0.0, 0.0, 50)
               || X <- lists:seq(0, N - 1), Y <- lists:seq(0, N - 1)]).

escape(_, _, _, _, 0) -> 0;
escape(Cx, Cy, X, Y, N) ->
    X2 = X * X,
    Y2 = Y * Y,
    if X2 + Y2 > 4.0 -> N; true -> escape(Cx, Cy, X2 - Y2 + Cx, 2.0 * X * Y + Cy, N - 1) end.

nbody(N) -> orbit(N, {1.0, 0.0, 0.0, 1.0}).

orbit(0, S) -> S;
orbit(N, {X, Y, Vx, Vy}) ->
    R2 = X * X + Y * Y,
    A = -1.0 / (R2 * math:sqrt(R2)),
    Vx1 = Vx + A * X * 0.001,
    Vy1 = Vy + A * Y * 0.001,
    orbit(N - 1, {X + Vx1 * 0.001, Y + Vy1 * 0.001, Vx1, Vy1}).

%% ---- lists ----

map_fold() ->
    L = lists:seq(1, 1000),
    lists:foldl(fun(X, A) -> X + A end, 0, lists:map(fun(X) -> X * 2 end, lists:filter(fun(X) -> X rem 3 =:= 0 end, L))).

random_list(0, _) -> [];
random_list(N, S) -> [S | random_list(N - 1, (S * 1103515245 + 12345) band 16#7fffffff)].

keyfind(N) ->
    L = [{I, I * I} || I <- lists:seq(1, 100)],
    repeat(N, fun() -> {100, _} = lists:keyfind(100, 1, L) end).

%% ---- maps ----

small_map(0, M) -> M;
small_map(N, #{a := A, b := B} = M) -> small_map(N - 1, M#{a := A + 1, b := B + A}).

large_map(N) -> lists:foldl(fun(I, M) -> M#{I => I} end, #{}, lists:seq(1, N)).

map_gets(_, _, 0) -> ok;
map_gets(M, N, Times) -> map_gets1(M, N), map_gets(M, N, Times - 1).

map_gets1(_, 0) -> ok;
map_gets1(M, N) -> #{N := N} = M, map_gets1(M, N - 1).

%% ---- binaries ----

binary_build(0, B) -> byte_size(B);
binary_build(N, B) -> binary_build(N - 1, <<B/binary, N:16>>).

binary_parse(<<A, B:16/little, C:8/signed, D:32, Rest/binary>>, Sum) -> binary_parse(Rest, Sum + A + B + C + D);
binary_parse(<<>>, Sum) -> Sum.

bits(<<1:1, Rest/bits>>, N) -> bits(Rest, N + 1);
bits(<<0:1, Rest/bits>>, N) -> bits(Rest, N);
bits(<<>>, N) -> N.

%% ---- bignums ----

factorial(0) -> 1;
factorial(N) -> N * factorial(N - 1).

big_fib(0, A, _) -> A;
big_fib(N, A, B) -> big_fib(N - 1, B, A + B).

%% ---- processes ----

ping_pong(N) ->
    Pid = spawn_link(?MODULE, pong, []),
    ping(N, Pid),
    Pid ! stop.

ping(0, _) -> ok;
ping(N, Pid) -> Pid ! {ping, self()}, receive pong -> ping(N - 1, Pid) end.

pong() ->
    receive
        {ping, From} -> From ! pong, pong();
        stop -> ok
    end.

ring(N, Rounds) ->
    First = lists:foldl(fun(_, Next) -> spawn_link(?MODULE, hop, [Next]) end, self(), lists:seq(1, N)),
    rounds(First, Rounds),
    First ! stop,
    receive stop -> ok end.

rounds(_, 0) -> ok;
rounds(First, N) -> First ! token, receive token -> rounds(First, N - 1) end.

hop(Next) ->
    receive
        token -> Next ! token, hop(Next);
        stop -> Next ! stop
    end.

spawns(0) -> ok;
spawns(N) ->
    Self = self(),
    spawn(fun() -> Self ! done end),
    receive done -> spawns(N - 1) end.

send_self(0) -> ok;
send_self(N) -> self() ! N, receive N -> send_self(N - 1) end.

selective(N) ->
    [self() ! {noise, I} || I <- lists:seq(1, 100)],
    selective_loop(N).

selective_loop(0) -> ok;
selective_loop(N) ->
    Ref = make_ref(),
    self() ! {Ref, N},
    receive {Ref, N} -> selective_loop(N - 1) end.
