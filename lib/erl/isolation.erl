%% isolation - how native code is run: per library, changed at any time.
%%
%%   isolation:set(jiffy, #{timeout => 1000}).
%%   isolation:set(default, direct).
%%   isolation:info(jiffy).
%%   #{mode => in_process, timeout => 1000, stack => 1048576, crash => exit,
%%     origin => #{mode => built_in, timeout => set, ...},
%%     library => <<"/usr/lib/.../jiffy.so">>, calls => 3, crashes => 0, last_crash => undefined}
%%
%% doc/isolation.md tells what each option means and what a caller exits with.
-module(isolation).
-export([set/2, info/1, info/0, modes/0, libraries/0]).
-export_type([options/0, origin/0]).

-type options() :: #{mode => in_process | direct,
                     timeout => pos_integer() | infinity,  % milliseconds a call may take
                     stack => pos_integer(),               % bytes
                     crash => exit | raise}.
-type origin() :: built_in | default_command_line | default_set | attribute | command_line | set.

%% Changes what is in force for a module's library, or for all that say nothing themselves. Calls in
%% progress go on as they began. error({bad_option, Key}) if an option is none: nothing is changed.
-spec set(module() | default, options() | in_process | direct) -> ok.
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
