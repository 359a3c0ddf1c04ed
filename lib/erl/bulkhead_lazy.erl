%% A gen_server, registered by the VM, that is started by its first message: programs that never use the file
%% server do not pay for it.
-module(bulkhead_lazy).
-export([start/2]).

start(Name, Module) ->
    process_flag(trap_exit, true),
    receive First -> serve(First, Name, Module) end.

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

%% dets and disk_log start their servers below this supervisor.
argument(kernel_safe_sup) -> {{local, kernel_safe_sup}, kernel, safe};
argument(_) -> [].
