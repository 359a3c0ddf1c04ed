%% What code_tests loads, purges and deletes; it makes other versions by renaming version_one.
-module(code_target).
-export([version/0, wait/0, make_fun/1, extra/1]).

version() -> version_one.

wait() ->
    receive
        {From, version} -> From ! {self(), version()}, wait();
        {From, external} -> From ! {self(), ?MODULE:version()}, ?MODULE:wait();
        stop -> ok
    end.

make_fun(X) -> fun(Y) -> {version(), X, Y} end.

extra([H | T]) -> {H, T, <<H:16>>, #{h => H}}.
