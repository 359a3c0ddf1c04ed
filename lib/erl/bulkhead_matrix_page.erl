-module(bulkhead_matrix_page).
-export([html/2]).
html(_, _) -> "".
