%% leftovers - runs a library that clings to life, and ends as it is told, once FILE.go is there. idle: loads nothing, and stays.
-module(leftovers).
-export([main/1, cling/0]).

cling() -> erlang:nif_error(not_loaded).

main([_, "idle"]) ->
    io:format("idle~n"),
    receive after infinity -> ok end;
main([File, How]) ->
    ok = erlang:load_nif(File, 0),
    io:format("session ~p~nready~n", [cling()]),
    await(File ++ ".go"),
    case How of
        "halted" -> halt(3);
        _ -> ok
    end.

await(File) ->
    case file:read_file_info(File) of
        {ok, _} -> ok;
        _ ->
            receive after 20 -> ok end,
            await(File)
    end.
