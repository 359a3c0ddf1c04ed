%% The functions of bench_native, from the same source, as dirty ones. On Bulkhead it also stands for
%% a library that is not in a worker: kill/1.
-module(bench_native_dirty).
-export([add/2, take/1, give/1, copy/1, turn/1, nap/1, crash/0, kill/1]).
-nifs([add/2, take/1, give/1, copy/1, turn/1, nap/1, crash/0, kill/1]).
-on_load(load/0).

load() ->
    erlang:load_nif(filename:join(filename:dirname(code:which(?MODULE)), "bench_native_dirty"), 0).

add(_, _) -> erlang:nif_error(not_loaded).
take(_) -> erlang:nif_error(not_loaded).
give(_) -> erlang:nif_error(not_loaded).
copy(_) -> erlang:nif_error(not_loaded).
turn(_) -> erlang:nif_error(not_loaded).
nap(_) -> erlang:nif_error(not_loaded).
crash() -> erlang:nif_error(not_loaded).
kill(_) -> erlang:nif_error(not_loaded).
