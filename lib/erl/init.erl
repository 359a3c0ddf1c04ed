%% What programs ask of `init`, without OTP's boot procedure: arguments and stopping.
-module(init).
-export([get_argument/1, get_arguments/0, get_plain_arguments/0, get_status/0, script_id/0,
         stop/0, stop/1, finish/0, restart/0, restart/1, reboot/0, ensure_loaded/1, objfile_extension/0, archive_extension/0,
         code_path_choice/0, run_on_load_handlers/0, notify_when_started/1, wait_until_started/0]).

get_plain_arguments() -> persistent_term:get({bulkhead, arguments}, []).

%% Flags belong to `erl`; ours are bulkhead's own, so there are none but what every node has.
get_argument(root) -> {ok, [[bulkhead_io:otp_root()]]};
get_argument(progname) -> {ok, [["bulkhead"]]};
get_argument(noshell) -> {ok, [[]]}; % libraries ask, to find out what standard output is
get_argument(home) ->
    case os:getenv("HOME") of
        false -> error;
        Home -> {ok, [[Home]]}
    end;
get_argument(_) -> error.

get_arguments() ->
    [{F, Vs} || F <- [root, progname, home, noshell], {ok, [Vs]} <- [get_argument(F)]].

get_status() ->
    case whereis(bulkhead_stop) of
        undefined -> {started, started};
        _ -> {stopping, started}
    end.
script_id() -> {"Bulkhead", "1"}.

stop() -> stop(0).
%% Returns at once; the program goes on until all applications have stopped.
stop(Status) when is_integer(Status), Status >= 0 -> begin_stop(Status);
stop(Slogan) when is_list(Slogan) ->
    case lists:all(fun(C) -> is_integer(C) andalso C >= 0 andalso C =< 255 end, Slogan) of
        true -> begin_stop(Slogan);
        false -> erlang:error(badarg)
    end;
stop(_) -> erlang:error(badarg).

begin_stop(Status) ->
    %% Not one of an application's processes, which end with it.
    Pid = spawn(fun() ->
        [group_leader(User, self()) || User <- [whereis(user)], is_pid(User)],
        receive go -> ok end,
        stop_applications(),
        finish(),
        erlang:halt(Status)
    end),
    try register(bulkhead_stop, Pid) of
        true -> Pid ! go, ok
    catch
        error:badarg -> exit(Pid, kill), ok % it stops already
    end.

%% Their controller ends all of them, the last one first, when the process that it has for its parent ends.
stop_applications() ->
    Controller = whereis(application_controller),
    case is_pid(Controller) andalso process_info(Controller, dictionary) of
        {dictionary, Dictionary} ->
            case proplists:get_value('$ancestors', Dictionary) of
                [Parent | _] ->
                    Ref = monitor(process, Controller),
                    Controller ! {'EXIT', Parent, shutdown},
                    receive {'DOWN', Ref, process, _, _} -> ok end;
                undefined -> ok % it never started: no application did
            end;
        _ -> ok
    end.

%% At the end of the program: what handlers of logger have not written yet.
finish() ->
    case erlang:module_loaded(logger) of
        true ->
            [catch M:filesync(Id) || #{module := M, id := Id} <- logger:get_handler_config(),
                erlang:function_exported(M, filesync, 1)];
        false -> []
    end,
    ok.
restart() -> erlang:error({not_supported, restart}).
restart(_Options) -> restart().
reboot() -> stop().
ensure_loaded(Module) -> code:ensure_loaded(Module).
objfile_extension() -> ".beam".
archive_extension() -> ".ez".
code_path_choice() -> strict.
run_on_load_handlers() -> ok. % each ran when its module was loaded
notify_when_started(Pid) -> Pid ! {init, started}, ok.
wait_until_started() -> ok.
