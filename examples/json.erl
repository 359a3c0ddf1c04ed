%% Debian's unmodified jiffy.so decodes and encodes a real JSON file, in isolation.
%% bulkhead run examples/json.erl FILE
-module(json).
-export([main/1]).

main([File]) ->
    {ok, Text} = file:read_file(File),
    Term = jiffy:decode(Text, [return_maps]),
    #{<<"features">> := Features} = Term,
    Names = [Name || #{<<"properties">> := #{<<"name">> := Name}} <- Features],
    io:format("~b features, the first is ~ts~n", [length(Features), hd(Names)]),
    Points = [P || #{<<"geometry">> := #{<<"coordinates">> := P}} <- Features],
    io:format("northernmost: ~p~n", [lists:max([Lat || [_, Lat] <- Points])]),
    Again = jiffy:decode(iolist_to_binary(jiffy:encode(Term)), [return_maps]),
    io:format("encoded and decoded again: ~s~n", [case Again of Term -> "equal"; _ -> "different" end]),
    try jiffy:decode(<<"{\"cut\": [1, 2">>) of
        _ -> io:format("a truncated text was taken~n")
    catch
        error:Reason -> io:format("a truncated text: ~p~n", [Reason])
    end.
