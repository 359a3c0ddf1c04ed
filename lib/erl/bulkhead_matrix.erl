%% `bulkhead matrix`: commits every misdeed of the gallery in every isolation mode, each in a VM of its
%% own, and holds what was seen against what the mode promises.
%%
%%   bulkhead_matrix_gallery  the misdeeds and the promises
%%   bulkhead_matrix_cell     runs in the fresh VM: commits one, reports what it sees
%%   bulkhead_matrix          this: starts the cells, judges, exit status 1 if one differs
%%   bulkhead_matrix_print    shows the results: text, TAP, JSON, HTML
%%
%% Started by vm/emu/cli_matrix.c with what a terminal is, and the user's arguments.
-module(bulkhead_matrix).
-export([main/1]).
-export_type([result/0, seen/0, verdict/0]).

-type seen() :: #{caller => {exit, term()} | {returned, term()} | hangs | unknown,
                  bystanders => {non_neg_integer(), pos_integer()} | unknown,
                  data => [term()] | unknown,       % what has changed
                  library => true | {after_lost, pos_integer()} | none | {false, term()} | unknown,
                  vm => alive | stuck | hangs | {exit, integer()} | {signal, integer()},
                  good_call_ns => integer(), outcome_ns => integer(),
                  said => binary()}.                % what the VM wrote
-type verdict() :: contained | harmed | harmless | differs | none | skipped.
-type result() :: #{mode := atom(), row := bulkhead_matrix_gallery:row(), promise := term(),
                    verdict := verdict(), seen := seen()}.

-define(DEADLINE, 180000). % ms for a cell, start to end: of a machine that is busy

-record(options, {modes = [], only = [], format = text, html, jobs, terminal = "", help = false, list = false}).

main([Terminal | Args]) ->
    try
        commit(options(Args, #options{terminal = Terminal}))
    catch
        error:badarg:Stack ->
            case [Why || {io, _, _, Info} <- lists:sublist(Stack, 1), {error_info, Why} <- Info] of
                [#{cause := {device, epipe}}] -> halt(1); % the reader went away
                [#{cause := {device, Why}}] ->
                    bulkhead_matrix_print:error("cannot write the output: ~ts", [file:format_error(Why)]),
                    halt(1);
                _ -> erlang:raise(error, badarg, Stack)
            end
    end.

commit(Wanted) ->
    case Wanted of
        {error, Why} ->
            bulkhead_matrix_print:error("~ts; try 'bulkhead matrix --help'", [Why]),
            halt(2);
        #options{help = true} ->
            bulkhead_matrix_print:help();
        #options{list = true} ->
            bulkhead_matrix_print:list(bulkhead_matrix_gallery:rows());
        Options ->
            Library = bulkhead_matrix_cell:library("matrix_nif.so"),
            case filelib:is_regular(Library) of
                true -> halt(run(Options));
                false -> bulkhead_matrix_print:error("~ts is not there: it is built with the VM", [Library]), halt(2)
            end
    end.

%% The first mistake counts; --help needs nothing else to be right.
options(["--help" | _], O) -> O#options{help = true};
options(["-h" | _], O) -> O#options{help = true};
options(["--list" | Rest], O) -> options(Rest, O#options{list = true});
options(["--json" | Rest], O) -> options(Rest, O#options{format = json});
options(["--tap" | Rest], O) -> options(Rest, O#options{format = tap});
options(["--html", File | Rest], O) -> options(Rest, O#options{html = File});
options(["--mode", Mode | Rest], O = #options{modes = Modes}) ->
    case [M || {M, _, _} <- isolation:modes(), atom_to_list(M) =:= Mode] of
        [M] -> options(Rest, O#options{modes = Modes ++ [M]});
        [] -> {error, ["no isolation mode '", Mode, "'"]}
    end;
options(["--only", Name | Rest], O = #options{only = Only}) ->
    case [N || #{name := N} <- bulkhead_matrix_gallery:rows(), atom_to_list(N) =:= Name] of
        [N] -> options(Rest, O#options{only = Only ++ [N]});
        [] -> {error, ["no misdeed '", Name, "' (--list shows them)"]}
    end;
options(["--jobs", Text | Rest], O) ->
    case string:to_integer(Text) of
        {N, ""} when N >= 1, N =< 256 -> options(Rest, O#options{jobs = N});
        _ -> {error, ["--jobs ", Text, ": give a number from 1 to 256"]}
    end;
options([Option], _) when Option =:= "--html"; Option =:= "--mode"; Option =:= "--only"; Option =:= "--jobs" ->
    {error, [Option, " needs a value"]};
options([Unknown | _], _) ->
    {error, ["unknown argument '", Unknown, "'"]};
options([], O) ->
    O.

run(O = #options{html = Html, format = Format}) ->
    Modes = [{Mode, Summary, Able} || {Mode, Summary, Able} <- isolation:modes(),
                                      O#options.modes =:= [] orelse lists:member(Mode, O#options.modes)],
    Rows = [Row || Row = #{name := Name} <- bulkhead_matrix_gallery:rows(),
                   O#options.only =:= [] orelse lists:member(Name, O#options.only)],
    case Html =/= undefined andalso file:write_file(Html, <<>>) of
        {error, Why} ->
            bulkhead_matrix_print:error("cannot write ~ts: ~ts", [Html, file:format_error(Why)]),
            2;
        _ ->
            Results = in_scratch(fun(Dir) -> results(Modes, Rows, Dir, O) end),
            bulkhead_matrix_print:show(Format, Results, Modes, O#options.terminal),
            Written = Html =:= undefined orelse file:write_file(Html, bulkhead_matrix_page:html(Results, Modes)),
            case {Written, [R || R = #{verdict := differs} <- Results]} of
                {{error, No}, _} -> bulkhead_matrix_print:error("cannot write ~ts: ~ts", [Html, file:format_error(No)]), 1;
                {_, []} -> 0;
                _ -> 1
            end
    end.

in_scratch(Fun) ->
    Parent = case os:getenv("TMPDIR") of false -> "/tmp"; "" -> "/tmp"; Set -> Set end,
    Dir = filename:join(Parent, "bulkhead-matrix-" ++ os:getpid()),
    case file:make_dir(Dir) of
        ok ->
            try Fun(Dir) after
                {ok, Files} = file:list_dir(Dir),
                _ = [file:delete(filename:join(Dir, File)) || File <- Files],
                file:del_dir(Dir)
            end;
        {error, Why} ->
            bulkhead_matrix_print:error("cannot make ~ts: ~ts", [Dir, file:format_error(Why)]),
            halt(2)
    end.

%% ---- cells, some at a time ----

results(Modes, Rows, Dir, O) ->
    Cells = [{Mode, Row} || Mode <- Modes, Row <- Rows],
    Jobs = case O#options.jobs of
        undefined -> 2 * erlang:system_info(schedulers_online);
        N -> N
    end,
    Tell = case lists:member($e, O#options.terminal) of
        true -> fun(Done) -> bulkhead_matrix_print:progress(Done, length(Cells)) end;
        false -> fun(_) -> ok end
    end,
    parallel(fun(Cell) -> result(Cell, Dir) end, Cells, Jobs, Tell).

%% lists:map(Fun, Items), Jobs at a time.
parallel(Fun, Items, Jobs, Tell) ->
    Numbered = lists:zip(lists:seq(1, length(Items)), Items),
    Results = parallel(Fun, Numbered, Jobs, Tell, 0, #{}),
    [maps:get(N, Results) || {N, _} <- Numbered].

parallel(_, [], _, _, 0, Results) ->
    Results;
parallel(Fun, [{N, Item} | Rest], Jobs, Tell, Running, Results) when Running < Jobs ->
    spawn_monitor(fun() -> exit({result, N, Fun(Item)}) end),
    parallel(Fun, Rest, Jobs, Tell, Running + 1, Results);
parallel(Fun, Items, Jobs, Tell, Running, Results) ->
    receive
        {'DOWN', _, process, _, {result, N, Result}} ->
            Tell(maps:size(Results) + 1),
            parallel(Fun, Items, Jobs, Tell, Running - 1, Results#{N => Result});
        {'DOWN', _, process, _, Reason} ->
            error({cell_failed, Reason})
    end.

-spec result({{atom(), binary(), [atom()]}, bulkhead_matrix_gallery:row()}, file:filename()) -> result().
result({{Mode, _, Able}, Row}, Dir) ->
    Promise = bulkhead_matrix_gallery:promise(Row, {Mode, Able}),
    Result = #{mode => Mode, row => Row, promise => Promise},
    case {Promise, is_built(Row)} of
        {none, _} ->
            Result#{verdict => none, seen => #{}};
        {_, false} ->
            Result#{verdict => skipped, seen => #{}};
        _ ->
            Seen = observe(Mode, Row, Dir),
            Result#{verdict => judge(Promise, Seen), seen => Seen}
    end.

%% Without a C++ compiler that library is an empty file.
is_built(#{name := cxx_exception}) ->
    filelib:file_size(bulkhead_matrix_cell:library("matrix_cxx_nif.so")) > 0;
is_built(_) ->
    true.

%% ---- one cell: a fresh VM ----

observe(Mode, #{name := Name, timeout := Timeout, options := More}, Dir) ->
    {ok, Program} = file:read_link("/proc/self/exe"),
    File = filename:join(Dir, lists:concat([Mode, ".", Name])),
    Spec = lists:concat([Mode, ",timeout=", Timeout, More]),
    Memory = [{"BULKHEAD_MEMORY_MB", "192"} || Name =:= eat_terms],
    Port = open_port({spawn_executable, Program},
        [{args, ["matrix", "--cell", Spec, atom_to_list(Name), File]}, {env, Memory},
         exit_status, binary, in]),
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    End = await_end(Port, Pid, erlang:monotonic_time(millisecond) + ?DEADLINE),
    kill_group(Pid), % what it forked may still be there
    Said = case file:read_file(File ++ ".said") of
        {ok, Text} -> Text;
        {error, _} -> <<>>
    end,
    (seen(bulkhead_matrix_cell:read(File, integer_to_list(Pid)), End))#{said => Said}.

await_end(Port, Pid, Deadline) ->
    receive
        {Port, {data, _}} -> await_end(Port, Pid, Deadline);
        {Port, {exit_status, Status}} -> ended(Status)
    after max(0, Deadline - erlang:monotonic_time(millisecond)) ->
        kill_group(Pid),
        receive {Port, {exit_status, _}} -> ok after 2000 -> catch port_close(Port) end,
        hangs
    end.

%% As a shell tells it.
ended(Status) when Status > 128 -> {signal, Status - 128};
ended(Status) -> {exit, Status}.

%% The cell made itself the leader of a group of its own.
kill_group(Pid) ->
    os:cmd("kill -s KILL -- -" ++ integer_to_list(Pid)).

seen(Reports, End) ->
    Finished = lists:member(finished, Reports),
    Nothing = #{caller => unknown, bystanders => unknown, data => unknown, library => unknown},
    Seen = lists:foldl(fun note/2, Nothing, Reports),
    Seen#{vm => case {Finished, End} of
        {true, {exit, 0}} -> maps:get(vm, Seen, stuck);
        _ -> End
    end}.

note({bystanders, N, Of}, Seen) -> Seen#{bystanders => {N, Of}};
note({What, Value}, Seen) -> Seen#{What => Value};
note(_, Seen) -> Seen.

%% ---- judging ----

-spec judge(bulkhead_matrix_gallery:promise() | unknown, seen()) -> verdict().
judge(Promise, Seen = #{library := Library}) ->
    Unharmed = is_unharmed(Seen),
    AtOnce = Unharmed andalso (Library =:= true orelse Library =:= none),
    case Promise of
        {ends, Reasons} -> contained_if(AtOnce andalso is_one(exit, Reasons, Seen));
        {returns, Values} -> contained_if(AtOnce andalso is_one(returned, Values, Seen));
        contained -> contained_if(Unharmed);
        {dies, How} -> harmed_if(maps:get(vm, Seen) =:= How);
        stuck -> harmed_if(not has_outcome(Seen));
        may_harm when Unharmed -> harmless;
        may_harm -> harmed;
        unknown -> differs
    end.

contained_if(true) -> contained;
contained_if(false) -> differs.

harmed_if(true) -> harmed;
harmed_if(false) -> differs.

is_unharmed(Seen = #{vm := alive, data := [], bystanders := {All, All}, library := Library}) ->
    has_outcome(Seen) andalso case Library of
        {after_lost, _} -> true;
        _ -> Library =:= true orelse Library =:= none
    end;
is_unharmed(_) ->
    false.

has_outcome(#{caller := {_, _}}) -> true;
has_outcome(_) -> false.

is_one(Kind, Patterns, #{caller := {Kind, Value}}) ->
    lists:any(fun(Pattern) -> fits(Pattern, Value) end, Patterns);
is_one(_, _, _) ->
    false.

fits('_', _) -> true;
fits(Pattern, Value) when is_tuple(Pattern), is_tuple(Value), tuple_size(Pattern) =:= tuple_size(Value) ->
    lists:all(fun({P, V}) -> fits(P, V) end, lists:zip(tuple_to_list(Pattern), tuple_to_list(Value)));
fits(Same, Value) -> Same =:= Value.
