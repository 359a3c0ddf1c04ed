%% What is said about native code: run by reports.sh with a word for what to do.
-module(reports).
-export([main/1, crash/0, overflow/0, add/2, log/2]).
-on_load(load/0).
-ifdef(ATTRIBUTE).
-isolation(?ATTRIBUTE).
-endif.

load() -> erlang:load_nif(filename:rootname(code:which(?MODULE)), 0).
crash() -> erlang:nif_error(not_loaded).
overflow() -> erlang:nif_error(not_loaded).
add(_, _) -> erlang:nif_error(not_loaded).

main([What]) -> do(list_to_atom(What)).

do(crash) -> ended(fun crash/0);
do(halt) -> ended(fun crash/0), halt(3);
do(halt_now) -> ended(fun crash/0), halt(3, [{flush, false}]);
do(silent) -> ok = logger:set_handler_config(default, level, none), ended(fun crash/0);
do(no_logger) ->
    M = monitor(process, logger), exit(whereis(logger), kill), receive {'DOWN', M, _, _, _} -> ok end,
    ended(fun crash/0);
do(storm) -> [ended(fun crash/0) || _ <- lists:seq(1, 30)], timer:sleep(1100), ended(fun crash/0);
do(event) ->
    heard(fun crash/0, [label, module, library, function, reason, signal, access, address, place, mode]);
do(old_event) ->
    ok = error_logger:add_report_handler(reports_old, self()),
    Pid = ended(fun crash/0),
    receive {old, {error_report, _, {Pid, Type, #{reason := Reason}}}} -> io:format("~0p ~0p~n", [Type, Reason]) end;
do(overflow) ->
    Reason = ended_with(fun overflow/0),
    {nif_panic, stack_overflow, [{nif, Lib, <<"deeper">>, _}, {nif, Lib, <<"deeper">>, _},
                                 {nif, <<>>, <<"...">>, [{frames, N}]} | Rest]} = Reason,
    io:format("~p ~p ~p~n", [N > 500, [F || {nif, _, F, _} <- Rest], last_crash() =:= Reason]);
do(last_crash) -> ended(fun crash/0), io:format("~0p~n", [last_crash()]);
do(info) -> io:format("~0p ~0p~n", [maps:with([mode, timeout, stack], isolation:info(?MODULE)), add(1, 2)]);
do(late) -> {error, _} = code:load_abs(filename:join(filename:dirname(code:which(?MODULE)), "on_load_fails")).

last_crash() ->
    #{last_crash := #{reason := Reason}} = isolation:info(?MODULE),
    Reason.

ended(Fun) ->
    {Pid, Ref} = spawn_monitor(Fun),
    receive {'DOWN', Ref, process, Pid, _} -> Pid end.

ended_with(Fun) ->
    {Pid, Ref} = spawn_monitor(Fun),
    receive {'DOWN', Ref, process, Pid, Reason} -> Reason end.

%% The event that a handler of logger sees: these keys, and whether the rest is as it should be.
heard(Fun, Keys) ->
    ok = logger:add_handler(mine, ?MODULE, #{config => self()}),
    Pid = ended(Fun),
    receive
        {event, #{level := error, msg := {report, Report}, meta := Meta}} ->
            #{pid := Pid, gl := _, time := _, report_cb := Cb, mfa := Mfa} = Meta,
            {Format, Args} = Cb(Report),
            true = is_list(io_lib:format(Format, Args)),
            io:format("~0p ~0p~n", [maps:with(Keys, Report), Mfa])
    end,
    receive {event, Other} -> io:format("another: ~p~n", [Other]) after 200 -> ok end.

log(Event, #{config := Pid}) -> Pid ! {event, Event}.
