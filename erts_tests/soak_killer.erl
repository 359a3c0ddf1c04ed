%% Kills workers as an administrator would: from the outside, with SIGKILL.
-module(soak_killer).
-export([kill/1]).
-nifs([kill/1]).
-on_load(load/0).

load() ->
    erlang:load_nif(filename:join(filename:dirname(code:which(?MODULE)), "soak_killer_nif"), 0).

%% 1: it was a worker, and was killed.
kill(_OsPid) -> erlang:nif_error(not_loaded).
