%% The NIF API: the same library on OTP and here.
-module(nif_tests).
-compile([nowarn_unused_function, nowarn_nif_inline]).
-export([cases/0, load_again/1, whereis/1]).
-import(t, [id/1, outcome/1, messages/1]).
-on_load(load/0).

load() -> erlang:load_nif("./nif_tests_nif", 17).
load_again(Path) -> erlang:load_nif(Path, 1).

-define(NIF, erlang:nif_error(not_loaded)).
describe(_) -> ?NIF.
numbers(_) -> ?NIF.
text(_, _) -> ?NIF.
make_atoms(_) -> ?NIF.
rebuild(_) -> ?NIF.
compare(_, _) -> ?NIF.
hash(_) -> ?NIF.
lists(_) -> ?NIF.
print(_) -> ?NIF.
doubles() -> ?NIF.
doubles(_) -> ?NIF.
upcase(_) -> ?NIF.
iolist(_) -> ?NIF.
part(_, _, _) -> ?NIF.
external(_) -> ?NIF.
queue(_, _) -> ?NIF.
map_walk(_) -> ?NIF.
map_ops(_, _, _) -> ?NIF.
map_arrays(_) -> ?NIF.
raise(_) -> ?NIF.
raise_and_return(_) -> ?NIF.
thread_type() -> ?NIF.
thread_type_cpu() -> ?NIF.
thread_type_io() -> ?NIF.
raise_dirty(_) -> ?NIF.
hop(_, _) -> ?NIF.
hop_and_fail(_) -> ?NIF.
count_up(_, _) -> ?NIF.
send_self(_) -> ?NIF.
send_self_dirty(_) -> ?NIF.
send_to(_, _) -> ?NIF.
send_from_thread(_) -> ?NIF.
whereis(_) -> ?NIF.
alive(_) -> ?NIF.
unique() -> ?NIF.
box(_) -> ?NIF.
unbox(_) -> ?NIF.
box_bytes(_) -> ?NIF.
watch(_, _) -> ?NIF.
unwatch(_) -> ?NIF.
watch_pipe(_) -> ?NIF.
stop_pipe(_) -> ?NIF.
private_data() -> ?NIF.
times() -> ?NIF.

cases() ->
    [{describe, fun() -> [describe(T) || T <- terms()] end},
     {numbers, fun() -> [numbers(N) || N <- integers()] end},
     {not_numbers, fun() -> [numbers(T) || T <- [a, "1", <<1>>, 1.5, -0.0, 1.0e300, {}]] end},
     {atom_text, fun() ->
         [text(A, L) || A <- [a, '', hello, 'æøå', 'λ', list_to_atom(lists:duplicate(255, $x))], L <- [1, 2, 6, 256]]
         end},
     {string_text, fun() ->
         [text(S, L) || S <- ["", "a", "hello", "æøå", [955], [256], [a], [1 | 2], 17], L <- [0, 1, 2, 6, 100]] end},
     {make_atoms, fun() -> [make_atoms(B) || B <- [<<"lists">>, <<>>, <<"a b">>, <<229>>, binary:copy(<<"y">>, 255)]] end},
     {atom_too_long, fun() -> outcome(fun() -> make_atoms(binary:copy(<<"y">>, 256)) end) end},
     {rebuild, fun() -> [rebuild(T) =:= T || T <- terms()] end},
     {rebuild_deep, fun() -> T = lists:foldl(fun(I, A) -> {I, [A], #{I => I}} end, x, lists:seq(1, 1000)), rebuild(T) =:= T end},
     {rebuild_big_maps, fun() ->
         [begin M = maps:from_list([{I, {I}} || I <- lists:seq(1, N)]), rebuild(M) =:= M end
             || N <- [0, 1, 31, 32, 33, 40, 1000]] end},
     {rebuild_garbage, fun() -> L = lists:seq(1, 1000), [rebuild(L) || _ <- lists:seq(1, 500)], length(rebuild(L)) end},
     {compare, fun() -> [compare(A, B) || A <- ordered(), B <- ordered()] end},
     {hash, fun() -> [hash(T) =:= erlang:phash2(T) || T <- ordered()] end},
     {hash_values, fun() -> [hash(T) || T <- [1, a, "abc", <<"abc">>, {a, 1}, 1.5, #{a => 1}, 1 bsl 70]] end},
     {lists, fun() -> [lists(L) || L <- [[], [1], "abc", [1, 2 | 3], a]] end},
     {print, fun() ->
         [print(T) || T <- [a, 'A b', 1, -1 bsl 70, 1.5, "abc", [1, 2], {}, {a, [b]}, <<"abc">>, <<1, 2>>, <<5:3>>,
                 #{a => 1}, [], [a | b]]] end},
     {infinite, fun() -> [outcome(fun() -> doubles() end), outcome(fun() -> doubles(1) end)] end},
     {upcase, fun() -> [upcase(B) || B <- [<<>>, <<"abc">>, binary:copy(<<"hello">>, 100)]] end},
     {upcase_parts, fun() ->
         B = binary:copy(<<"abcdefgh">>, 20), <<_:4, U:100/binary, _/bits>> = B,
         {upcase(binary:part(B, 3, 5)), upcase(binary:part(B, 3, 100)), upcase(U)} end},
     {upcase_bits, fun() -> outcome(fun() -> upcase(<<1:7>>) end) end},
     {upcase_not, fun() -> outcome(fun() -> upcase(abc) end) end},
     {iolist, fun() ->
         [iolist(L) || L <- [[], <<>>, "abc", [$a, [<<"bc">>, [[]], "d"] | <<"e">>],
                 [binary:copy(<<"z">>, 200), [0, 255]]]] end},
     {iolist_deep, fun() -> iolist(lists:foldl(fun(_, A) -> [A] end, "x", lists:seq(1, 3000))) end},
     {iolist_bad, fun() -> [outcome(fun() -> iolist(L) end) || L <- [a, [a], [256], [-1], [1 | 2], [<<1:1>>], 1]] end},
     {part, fun() ->
         B = list_to_binary(lists:seq(0, 255)),
         [part(B, 0, 256), part(B, 255, 1), part(B, 256, 0), part(part(B, 10, 100), 10, 5)] end},
     {external, fun() -> [external(T) || T <- [a, 1, "abc", {a, [b], 1.5}, <<"abc">>, #{a => 1}, 1 bsl 100]] end},
     {queue, fun() ->
         V = [<<"abc">>, <<>>, binary:copy(<<"d">>, 100), <<"e">>],
         [queue(V, N) || N <- [0, 1, 3, 50, 103, 104]] end},
     {queue_bad, fun() -> [outcome(fun() -> queue(V, N) end) || {V, N} <- [{[a], 0}, {[<<1>>], 2}]] end},
     {map_walk, fun() -> [map_walk(M) || M <- [#{}, #{a => 1}, #{c => 1, a => 2, b => 3, 1 => 4}]] end},
     {map_walk_big, fun() ->
         M = maps:from_list([{I, I * I} || I <- lists:seq(1, 300)]),
         lists:sort(map_walk(M)) =:= lists:sort(maps:to_list(M)) end},
     {map_walk_not, fun() -> outcome(fun() -> map_walk([]) end) end},
     {map_ops, fun() -> [map_ops(M, K, new) || M <- [#{}, #{a => 1, b => 2}, x], K <- [a, c]] end},
     {map_ops_big, fun() ->
         M = maps:from_list([{I, I} || I <- lists:seq(1, 33)]), {P, U, R, G, N} = map_ops(M, 7, new),
         {maps:get(7, P), maps:get(7, U), map_size(R), R =:= maps:remove(7, M), G, N} end},
     {map_arrays, fun() -> [map_arrays(L) || L <- [[], [{a, 1}], [{b, 1}, {a, 2}], [{a, 1}, {a, 2}], [{1, a}, {1.0, b}]]] end},
     {map_arrays_big, fun() -> L = [{I, I} || I <- lists:seq(1, 100)], map_arrays(L) =:= maps:from_list(L) end},
     {raise, fun() -> outcome(fun() -> raise({my, reason}) end) end},
     {raise_caught, fun() -> try raise(oops) catch error:E -> {caught, E} end end},
     {raise_and_return, fun() -> outcome(fun() -> raise_and_return(x) end) end},
     {raise_dirty, fun() -> outcome(fun() -> raise_dirty({d}) end) end},
     {thread_types, fun() -> {thread_type(), thread_type_cpu(), thread_type_io()} end},
     {hop, fun() -> hop(12, []) end},
     {hop_and_fail, fun() -> {C, R, [{M, F, A, _} | _]} = outcome(fun() -> hop_and_fail(late) end), {C, R, M, F, A} end},
     {count_up, fun() -> T = count_up(1000, 0), {T >= 9, T =< 20} end},
     {send_self, fun() -> {C, M, Pid} = send_self({hello, "x"}), {C, M, Pid =:= self(), messages(50)} end},
     {send_self_dirty, fun() -> {C, M, Pid} = send_self_dirty({hello, "x"}), {C, M, Pid =:= self(), messages(50)} end},
     {send_big, fun() ->
         T = {lists:seq(1, 1000), binary:copy(<<"b">>, 1000)}, send_self(T), receive T -> ok end,
         receive {T, 2} -> ok end, erlang:garbage_collect(),
         T =:= {lists:seq(1, 1000), binary:copy(<<"b">>, 1000)} end},
     {send_to_other, fun() ->
         Self = self(), P = spawn(fun() -> receive X -> Self ! {got, X} end end), R = send_to(P, [1, 2]),
         receive {got, Y} -> {R, Y} end end},
     {send_to_dead, fun() -> {P, R} = spawn_monitor(fun() -> ok end), receive {'DOWN', R, _, _, _} -> ok end, send_to(P, x) end},
     {send_from_thread, fun() -> R = send_from_thread({from, [thread]}), {R, messages(50)} end},
     {whereis, fun() ->
         register(nif_test_name, self()), R = nif_tests:whereis(nif_test_name) =:= {self(), 1},
         unregister(nif_test_name), {R, nif_tests:whereis(nif_test_name)} end},
     {alive, fun() ->
         {P, R} = spawn_monitor(fun() -> ok end), receive {'DOWN', R, _, _, _} -> ok end,
         {alive(self()), alive(P)} end},
     {unique, fun() ->
         [A, B, C, D] = unique(), {is_integer(A), B > 0, A =/= B, is_reference(C), C =/= D, C < D orelse C > D} end},
     {box, fun() -> B = box(42), {is_reference(B), unbox(B), B =:= id(B)} end},
     {unbox_not, fun() -> [outcome(fun() -> unbox(X) end) || X <- [a, 1]] end},
     {unbox_ref, fun() -> {C, R, _} = outcome(fun() -> unbox(make_ref()) end), {C, R} end},
     {box_destroyed, fun() -> make_and_drop(1), erlang:garbage_collect(), messages(500) end},
     {box_sent, fun() ->
         Self = self(), B = box(7), spawn(fun() -> Self ! {number, unbox(B)} end),
         {messages(100), is_reference(B)} end},
     {box_outlives_maker, fun() ->
         Self = self(), spawn(fun() -> Self ! {b, box(8)} end), receive {b, B} -> {N, _, _} = unbox(B), N end end},
     {box_in_ets_free, fun() -> spawn(fun() -> put(b, box(9)), exit(done) end), timer:sleep(10), ok end},
     {box_dies_with_owner, fun() ->
         Self = self(), {_, R} = spawn_monitor(fun() -> make_for(Self) end),
         receive {'DOWN', R, _, _, W} -> W end end},
     {box_bytes, fun() ->
         B = box_bytes(box(3)), erlang:garbage_collect(), {byte_size(B), binary:part(B, 0, 5), messages(100)} end},
     {box_bytes_dropped, fun() -> make_bytes_and_drop(4), erlang:garbage_collect(), messages(500) end},
     {many_boxes, fun() -> [box(I) || I <- lists:seq(1, 1000)], erlang:garbage_collect(), length(messages(500)) end},
     {watch, fun() ->
         B = box(5), P = spawn(fun() -> receive stop -> ok end end), R = watch(B, P), P ! stop,
         [{down, 5, Q}] = messages(500), {R, Q =:= P, unbox(B)} end},
     {watch_dead, fun() ->
         {P, R} = spawn_monitor(fun() -> ok end), receive {'DOWN', R, _, _, _} -> ok end, watch(box(5), P) > 0 end},
     {unwatch, fun() ->
         B = box(6), P = spawn(fun() -> receive stop -> ok end end), R = {watch(B, P), unwatch(B), unwatch(B)},
         P ! stop, {R, messages(100), unbox(B)} end},
     {watch_many, fun() ->
         Bs = [box(I) || I <- lists:seq(1, 100)], P = spawn(fun() -> receive stop -> ok end end),
         [0 = watch(B, P) || B <- Bs], P ! stop, {length(messages(500)), length(Bs)} end},
     {watch_pipe, fun() ->
         Ref = make_ref(), {0, R} = watch_pipe(Ref), [{select, R2, Ref2, Event}] = messages(1000),
         {R =:= R2, Ref =:= Ref2, Event, stop_pipe(R)} end},
     {private_data, fun() -> private_data() end},
     {times, fun() -> times() end},
     {load_twice, fun() -> load_again("./nif_tests_nif") end},
     {load_badarg, fun() -> [outcome(fun() -> load_again(P) end) || P <- [a, 1, [a], {}]] end}].

make_and_drop(N) -> box(N), ok.
make_bytes_and_drop(N) -> box_bytes(box(N)), ok.
make_for(_) -> box(1), exit(finished).

terms() ->
    [a, '', 0, -1, 1 bsl 59, 1 bsl 64, -(1 bsl 200), 1.5, "", "abc", [a | b], {}, {1, [2]}, <<>>, <<"abc">>,
     <<1:3>>, binary:copy(<<"x">>, 100), #{}, #{a => [1]}, self(), make_ref(), fun cases/0, fun() -> ok end].
integers() ->
    [I + D || I <- [0, 1 bsl 31, 1 bsl 32, 1 bsl 59, 1 bsl 63, 1 bsl 64, -(1 bsl 31), -(1 bsl 32), -(1 bsl 59),
        -(1 bsl 63), -(1 bsl 64)], D <- [-1, 0, 1]].
ordered() ->
    [-1, 0, 1, 1.0, 1.5, 1 bsl 70, a, b, {}, {a}, {a, b}, #{}, #{a => 1}, [], [a], "ab", <<>>, <<"a">>, <<1:1>>].
