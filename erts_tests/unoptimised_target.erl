%% What the compiler leaves where it is told to leave much out: tests that cannot fail, paths with different catches that meet.
-module(unoptimised_target).
-export([meets/1, meets_after/1]).
-compile([no_copt, no_ssa_opt, no_postopt]).

meets(F) ->
    try
        try F() catch error:{r, X} -> X end
    of
        Y -> {value, Y}
    catch
        _:Z -> {caught, Z}
    end.

meets_after(F) ->
    <<A:3, _/bits>> = F(),
    abs(try 0 = F(), {} catch error:V -> element(1, V) after put(a, A) end).
