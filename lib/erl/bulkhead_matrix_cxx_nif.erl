%% See lib/matrix/matrix_cxx_nif.cc.
-module(bulkhead_matrix_cxx_nif).
-export([init/0, toss/0]).
-nifs([toss/0]).

init() ->
    erlang:load_nif(bulkhead_matrix_cell:library("matrix_cxx_nif"), none).

toss() -> erlang:nif_error(not_loaded).
