%% error_handler - where a call ends up that found no function: the module is loaded if that can be
%% done, else the caller gets undef, with the missing function on top of its trace.
-module(error_handler).

-export([undefined_function/3, undefined_lambda/3, breakpoint/3, raise_undef_exception/3, stub_function/3]).

undefined_function(Module, Function, Args) ->
    case code:ensure_loaded(Module) of
        {module, Module} ->
            case erlang:function_exported(Module, Function, length(Args)) of
                true -> apply(Module, Function, Args);
                false -> no_function(Module, Function, Args)
            end;
        {error, _} ->
            crash({Module, Function, Args, []})
    end.

no_function(Module, Function, Args) ->
    case erlang:function_exported(Module, '$handle_undefined_function', 2) of
        true -> Module:'$handle_undefined_function'(Function, Args);
        false -> crash({Module, Function, Args, []})
    end.

undefined_lambda(Module, Fun, Args) ->
    case code:ensure_loaded(Module) of
        {module, Module} -> apply(Fun, Args);
        {error, _} -> crash({Fun, Args, []})
    end.

breakpoint(Module, Function, Args) ->
    undefined_function(Module, Function, Args).

raise_undef_exception(Module, Function, Args) ->
    crash({Module, Function, Args, []}).

stub_function(Module, Function, Args) ->
    exit({undef, [{Module, Function, Args, []}]}).

crash(Missing) ->
    try
        error(undef)
    catch
        error:undef:Trace ->
            Callers = lists:dropwhile(fun(Frame) -> element(1, Frame) =:= ?MODULE end, Trace),
            erlang:raise(error, undef, [Missing | Callers])
    end.
