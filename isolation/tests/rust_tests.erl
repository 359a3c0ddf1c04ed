%% Panics of a library written in Rust: prints a line of TAP.
%%   rust_tests Library Mode Number
-module(rust_tests).
-nifs([go/1]).
-export([main/1, go/1]).

go(_) -> erlang:nif_error(not_loaded).

main([Library, Mode, Number]) ->
    {_, Ref} = spawn_monitor(fun() -> in(list_to_atom(Mode), Library) end),
    receive
        {'DOWN', Ref, process, _, normal} -> io:format("ok ~s - ~s~n", [Number, Mode]);
        {'DOWN', Ref, process, _, Why} -> io:format("not ok ~s - ~s~n# ~p~n", [Number, Mode, Why])
    after 120000 -> io:format("not ok ~s - ~s: no end~n", [Number, Mode])
    end.

in(Mode, Library) ->
    ok = isolation:set(?MODULE, #{mode => Mode, after_crash => keep, restart => #{max => 255, within => 1}}),
    ok = erlang:load_nif(Library, 0),
    #{active := Mode} = isolation:info(?MODULE),
    [{N, Text} = {N, panic(N)} || {N, Text} <- texts()],
    7 = go(8), % each panic dropped the values it passed
    {nif_signal, 6} = reason(7),
    9 = go(9),
    ok.

texts() ->
    [{0, <<"a literal">>},
     {1, <<"formatted 42">>},
     {2, <<"index out of bounds: the len is 1 but the index is 7">>},
     {3, <<"called `Option::unwrap()` on a `None` value">>},
     {4, <<"called `Result::unwrap()` on an `Err` value: \"bad\"">>},
     {5, <<"a number: ParseIntError { kind: InvalidDigit }">>},
     {6, <<>>}]. % a payload that is no text

panic(N) ->
    {nif_panic, {rust_panic, Text}, Trace} = reason(N),
    true = lists:any(fun({nif, _, Function, _}) -> binary:match(Function, <<"go">>) =/= nomatch end, Trace),
    Text.

reason(N) ->
    {_, Ref} = spawn_monitor(fun() -> exit({returned, go(N)}) end),
    receive {'DOWN', Ref, process, _, Why} -> Why end.
