%% What a real library costs in each isolation mode: Debian's unmodified jiffy, from and to JSON of three sizes. Prints
%% "LABEL CASE NS", the best of several runs.
%%
%%   main([Label])   on Bulkhead: in the mode that --isolation says
%%   start()         on OTP
-module(bench_json).
-export([main/1, start/0]).

-define(RUN_NS, 3000000).
-define(RUNS, 15).

main([Label]) ->
    case code:ensure_loaded(jiffy) of
        {module, jiffy} -> [measure(Label, N) || N <- [1, 10, 100]], ok;
        {error, _} -> io:format(standard_error, "no jiffy: JSON is left out~n", [])
    end.

start() -> main(["otp_nif"]), halt().

measure(Label, Items) ->
    Term = [item(I) || I <- lists:seq(1, Items)],
    Json = iolist_to_binary(jiffy:encode(Term)),
    Term = jiffy:decode(Json, [return_maps]),
    Size = size_text(byte_size(Json)),
    report(Label, ["encode_", Size], fun() -> jiffy:encode(Term) end),
    report(Label, ["decode_", Size], fun() -> jiffy:decode(Json, [return_maps]) end).

item(I) ->
    #{<<"id">> => I, <<"name">> => <<"the name of a thing">>, <<"tags">> => [<<"a">>, <<"bb">>, <<"ccc">>],
      <<"price">> => 12.5 + I, <<"sold">> => false, <<"place">> => #{<<"x">> => 1, <<"y">> => [1, 2, 3]}}.

size_text(Bytes) when Bytes < 1000 -> io_lib:format("~bB", [Bytes]);
size_text(Bytes) -> io_lib:format("~.1fkB", [Bytes / 1000]).

report(Label, Case, Fun) ->
    N = max(1, ?RUN_NS div max(1, time(Fun, 20))),
    io:format("~s ~s ~b~n", [Label, Case, lists:min([time(Fun, N) || _ <- lists:seq(1, ?RUNS)])]).

%% Nanoseconds each.
time(Fun, N) ->
    Start = erlang:monotonic_time(nanosecond),
    repeat(Fun, N),
    (erlang:monotonic_time(nanosecond) - Start) div N.

repeat(_, 0) -> ok;
repeat(Fun, N) -> Fun(), repeat(Fun, N - 1).
