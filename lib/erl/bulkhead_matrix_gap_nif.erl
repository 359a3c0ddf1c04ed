%% See lib/matrix/matrix_gap_nif.c.
-module(bulkhead_matrix_gap_nif).
-export([init/0, use/0]).
-nifs([use/0]).

init() ->
    erlang:load_nif(bulkhead_matrix_cell:library("matrix_gap_nif"), none).

use() -> erlang:nif_error(not_loaded).
