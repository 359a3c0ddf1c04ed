%% The native side of `bulkhead matrix`: lib/matrix/matrix_nif.c.
-module(bulkhead_matrix_nif).
-export([init/1, commit/2, add/2]).
-nifs([commit/2, add/2]).

%% Info: crash_in_load and its kin make that callback crash.
init(Info) ->
    erlang:load_nif(bulkhead_matrix_cell:library("matrix_nif"), Info).

%% Commits the misdeed of that name.
commit(_Name, _Argument) -> erlang:nif_error(not_loaded).

%% A good call.
add(_, _) -> erlang:nif_error(not_loaded).
