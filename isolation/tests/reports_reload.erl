%% Loads code of the same name with other attributes, some times over, and tells what holds then.
-module(reports_reload).
-export([main/1]).

main(Dirs) ->
    [begin
         {module, reports} = code:load_abs(filename:join(Dir, "reports")),
         #{timeout := Timeout, stack := Stack} = isolation:info(reports),
         io:format("~p ~p,", [Timeout, Stack]),
         true = code:delete(reports),
         code:purge(reports) % a library without upgrade is closed first
     end || _ <- [1, 2, 3], Dir <- Dirs].
