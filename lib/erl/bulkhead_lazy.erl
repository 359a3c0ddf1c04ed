%% A gen_server, registered by the VM, that is started by its first message: programs that never use the file
%% server do not pay for it.
-module(bulkhead_lazy).
-export([start/2]).

start(Name, Module) ->
    process_flag(trap_exit, true),
    receive First -> serve(First, Name, Module) end.

serve(First, application_controller, _) ->
    start_applications(),
    forward(application_controller, First);
serve(First, erl_signal_server, _) ->
    unregister(erl_signal_server),
    {ok, _} = gen_event:start({local, erl_signal_server}),
    ok = erl_signal_handler:start(),
    forward(erl_signal_server, First);
serve(First, logger, _) ->
    logger:serve(First);
serve(First, Name, Module) ->
    put('$ancestors', [self()]),
    put('$initial_call', {Module, init, 1}),
    {ok, State0} = Module:init(argument(Name)),
    State = case First of
        {'$gen_call', From, Request} ->
            case Module:handle_call(Request, From, State0) of
                {reply, Reply, State1} -> gen_server:reply(From, Reply), State1;
                {noreply, State1} -> State1
            end;
        _ ->
            {noreply, State1} = Module:handle_info(First, State0),
            State1
    end,
    gen_server:enter_loop(Module, [], State, {local, Name}).

%% OTP's own controller registers itself and makes its own table. Of kernel only the name, the version and the
%% environment are there: what its start function would start is either ours already or not to be had.
start_applications() ->
    {ok, _} = erl_prim_loader:start(), % .app files are read through it
    {ok, [{application, kernel, Keys}]} = file:consult(filename:join(code:lib_dir(kernel, ebin), "kernel.app")),
    unregister(application_controller),
    ets:delete(ac_tab),
    {ok, _} = application_controller:start({application, kernel, lists:keydelete(mod, 1, Keys)}),
    ok = application:start(kernel),
    ok = application:start(stdlib).

%% For those who looked up the name before.
forward(Name, Message) ->
    Name ! Message,
    receive Next -> forward(Name, Next) end.

%% dets and disk_log start their servers below this supervisor.
argument(kernel_safe_sup) -> {{local, kernel_safe_sup}, kernel, safe};
argument(logger_sup) -> {{local, logger_sup}, logger_sup, []}; % below it are handlers with a process
argument(global_name_server) -> ets:delete(global_names), [];
argument(_) -> [].
