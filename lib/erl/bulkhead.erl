%% Runs the program named on the command line. The C side (vm/emu/cli_run.c) spawns a process
%% that applies one of these and waits for it: a normal end is exit status 0, anything else 1, and 2 if there
%% is nothing to run.
-module(bulkhead).
-export([run_file/5, run_commands/2, evaluate/1, process_display/1]).

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

%% `bulkhead run COMMAND... [-extra ARG...]`, a command being -s, -run or -eval: as `erl` runs them, one after the other in
%% one process. The arguments behind -extra are for init:get_plain_arguments/0.
run_commands(Args, Print) ->
    {Own, Extra} = lists:splitwith(fun(A) -> A =/= "-extra" end, Args),
    persistent_term:put({bulkhead, arguments}, lists:nthtail(min(1, length(Extra)), Extra)),
    [Last | Before] = lists:reverse(commands(Own)),
    [apply(M, F, As) || {M, F, As} <- lists:reverse(Before)],
    {M, F, As} = Last,
    run(M, F, As, Print).

commands([]) ->
    [];
commands(["-eval", Text | Rest]) ->
    case arguments(Rest) of
        {[], More} -> [{?MODULE, evaluate, [expressions(Text)]} | commands(More)];
        {[Other | _], _} -> give_up("-eval takes one argument, what is to be evaluated: ~ts is too much", [Other])
    end;
commands([Kind, Module | Rest]) ->
    {Args, More} = arguments(Rest),
    Given = fun([]) -> []; (As) when Kind =:= "-s" -> [[list_to_atom(A) || A <- As]]; (As) -> [As] end,
    [case Args of
         [] -> {list_to_atom(Module), start, []};
         [Function | As] -> {list_to_atom(Module), list_to_atom(Function), Given(As)}
     end | commands(More)].

expressions(Text) ->
    Parsed = case erl_scan:string(Text, 1) of
        {ok, Tokens, End} ->
            Dot = [{dot, End} || Tokens =:= [] orelse element(1, lists:last(Tokens)) =/= dot],
            erl_parse:parse_exprs(Tokens ++ Dot);
        {error, Info, _} ->
            {error, Info}
    end,
    case Parsed of
        {ok, Expressions} -> Expressions;
        {error, {_, Module, Error}} -> give_up("-eval: ~ts in ~ts", [Module:format_error(Error), Text])
    end.

evaluate(Expressions) ->
    {value, Value, _} = erl_eval:exprs(Expressions, erl_eval:new_bindings()),
    Value.

arguments(Args) ->
    lists:splitwith(fun(A) -> not lists:member(A, ["-s", "-run", "-eval"]) end, Args).

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
