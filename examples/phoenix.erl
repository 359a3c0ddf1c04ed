%% A worker calls a NIF that crashes; the process that monitors it starts it again, ten times.
-module(phoenix).
-export([main/1]).

main(_) ->
    watch(spawn_monitor(fun worker/0), 1).

watch({Pid, Ref}, Life) ->
    receive
        {'DOWN', Ref, process, Pid, Reason} when Life =< 10 ->
            io:format("life ~b ended with ~p~n", [Life, Reason]),
            watch(spawn_monitor(fun worker/0), Life + 1);
        {'DOWN', Ref, process, Pid, Reason} ->
            io:format("gave up after ~b lives: ~p~n", [Life, Reason])
    end.

worker() ->
    42 = crashes:add(40, 2),
    crashes:null_write().
