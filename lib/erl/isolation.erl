%% isolation - how native code is run: per library, changed at any time.
%%
%%   isolation:set(jiffy, #{timeout => 1000}).
%%   isolation:set(default, direct).
%%   isolation:info(jiffy).
%%   #{mode => in_process, timeout => 1000, stack => 1048576, crash => exit,
%%     origin => #{mode => built_in, timeout => set, ...},
%%     library => <<"/usr/lib/.../jiffy.so">>, calls => 3, crashes => 1,
%%     last_crash => #{reason => {nif_signal, 11}, time => 1700000000}}
%%
%% doc/isolation.md tells what each option means and what a caller exits with.
-module(isolation).
-export([set/2, info/1, info/0, modes/0, libraries/0, call_many/3]).
-export_type([mode/0, options/0, origin/0]).

-type mode() :: in_process | direct | ipc | hybrid | shared_heap.
-type options() :: #{mode => mode(),
                     timeout => pos_integer() | infinity,  % milliseconds a call may take
                     stack => pos_integer(),               % bytes
                     crash => exit | raise,
                     %% of the modes with workers:
                     threads => pos_integer(),             % calls at a time in one worker
                     pool => pos_integer(),                % workers
                     spare => non_neg_integer(),           % workers kept ready
                     restart => #{max := non_neg_integer(), within := pos_integer()},
                     after_crash => replace | keep,
                     transport => ring | socket,
                     scope => all | caller,                % hybrid: what the worker can read
                     verify => boolean()}.                 % shared_heap: look for damage after each call
-type origin() :: built_in | default_command_line | default_set | attribute | command_line | set.

%% Changes what is in force for a module's library, or for all that say nothing themselves. Calls in
%% progress go on as they began. error({bad_option, Key}) if an option is none: nothing is changed.
-spec set(module() | default, options() | mode()) -> ok.
set(_Module, _Options) ->
    erlang:nif_error(undef).

%% What is in force for a module, where each value came from, and what has happened so far.
-spec info(module() | default) -> map().
info(_Module) ->
    erlang:nif_error(undef).

%% The same for every module with native code.
-spec info() -> #{module() => map()}.
info() ->
    maps:from_list([{Module, info(Module)} || Module <- libraries()]).

%% The modes there are, and what each can do.
-spec modes() -> [{atom(), binary(), [atom()]}].
modes() ->
    erlang:nif_error(undef).

%% Modules whose native library has been loaded.
-spec libraries() -> [module()].
libraries() ->
    erlang:nif_error(undef).

%% [M:F(A1...), ...] for each argument list, in order. If M's library runs in a worker, all calls cross
%% to it and back in one message. The first call that raises, raises here; if one crashes, the caller exits.
-spec call_many(module(), atom(), [[term()]]) -> [term()].
call_many(_Module, _Function, []) ->
    [];
call_many(Module, Function, [First | _] = Lists) ->
    Arity = length(First),
    [length(Args) =:= Arity orelse error(badarg, [Module, Function, Lists]) || Args <- Lists],
    _ = erlang:function_exported(Module, module_info, 0) orelse code:ensure_loaded(Module),
    case call_elsewhere(Module, Function, Arity, Lists) of
        local -> [apply(Module, Function, Args) || Args <- Lists];
        Results -> Results
    end.

call_elsewhere(_Module, _Function, _Arity, _Lists) ->
    erlang:nif_error(undef).
