%% Runs the program named on the command line. The C side (vm/emu/cli_run.c) spawns a process
%% that applies one of these and waits for it: a normal end is exit status 0, anything else 1, and 2 if there
%% is nothing to run.
-module(bulkhead).
-export([run_file/5, run_module/4, process_display/1]).

%% `bulkhead run FILE ARG...`: main/1 with the arguments as strings, else main/0, else start/0.
%% Load: the file still to be loaded because it has an on_load function, or false.
%% Script: the file's name if it is an escript, or false; escript:script_name/0 takes it from the arguments.
run_file(Module, Load, Script, Args, Print) ->
    load(Module, Load),
    persistent_term:put({bulkhead, arguments}, [Script || Script =/= false] ++ Args),
    Exports = Module:module_info(exports),
    Entries = [{main, [Args]}, {main, []}, {start, []}],
    case [Entry || {F, As} = Entry <- Entries, lists:member({F, length(As)}, Exports)] of
        [{F, As} | _] -> run(Module, F, As, Print);
        [] -> give_up("module ~p exports none of main/1, main/0 and start/0", [Module])
    end.

%% `bulkhead run -s MOD [FUN [ARG...]] [-extra ARG...]`: as `erl -s`, arguments are one list of atoms; those behind -extra
%% are for init:get_plain_arguments/0.
run_module(Module, Function, Args, Print) ->
    {Own, Extra} = lists:splitwith(fun(A) -> A =/= "-extra" end, Args),
    persistent_term:put({bulkhead, arguments}, lists:nthtail(min(1, length(Extra)), Extra)),
    run(Module, Function, [[list_to_atom(A) || A <- Own] || Own =/= []], Print).

load(_, false) ->
    ok;
load(Module, Path) ->
    case code:load_abs(filename:rootname(Path)) of
        {module, _} -> ok;
        {error, on_load_failure} -> give_up("the on_load function of ~p did not return ok", [Module]);
        {error, Reason} -> give_up("cannot load ~ts: ~0tp", [Path, Reason])
    end.

%% Nothing was run.
give_up(Format, Args) ->
    io:format(standard_error, "bulkhead: " ++ Format ++ "~n", Args),
    halt(2).

run(Module, Function, Args, Print) ->
    Value = apply(Module, Function, Args),
    case Print of
        true -> io:format("~p~n", [Value]);
        false -> ok
    end,
    case init:get_status() of
        {stopping, _} -> receive after infinity -> ok end; % it ends the program, with its own status
        _ -> init:finish()
    end.

%% erts_internal:process_display(Pid, backtrace), of a process that was alive just now.
process_display(Pid) ->
    case erlang:process_info(Pid, backtrace) of
        {backtrace, Text} -> bulkhead_io:write(2, Text), true;
        undefined -> badarg
    end.
