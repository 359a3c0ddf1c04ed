%% Loads and unloads libs/remote_loads_nif.c for remote_tests.erl.
-module(remote_loads).
-export([init/2, version/0, crash/0, nap/1]).
init(Path, Info) -> erlang:load_nif(Path, Info).
version() -> erlang:nif_error(not_loaded).
nap(_) -> erlang:nif_error(not_loaded).
crash() -> erlang:nif_error(not_loaded).
