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

get_status() -> {started, started}.
script_id() -> {"Bulkhead", "1"}.
stop() -> stop(0).
stop(Status) -> finish(), erlang:halt(Status), ok.
%% The program ends in good order: what handlers of logger have not written yet.
finish() ->
    case erlang:module_loaded(logger) of
        true -> [catch M:filesync(Id) || #{module := M, id := Id} <- logger:get_handler_config(), erlang:function_exported(M, filesync, 1)];
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
