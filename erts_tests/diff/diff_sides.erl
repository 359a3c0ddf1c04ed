%% Runs cases on both VMs, each in a program of its own, and says where they differ.
-module(diff_sides).
-export([differences/1, results/1]).

%% [{Case, OTP's text, ours}]
differences(Cases) ->
    [Different || {Case, Otp, Ours} = Different <- results(Cases), Otp =/= Ours, not is_no_answer(Otp),
        lineless(Case, Otp) =/= lineless(Case, Ours)].

%% OTP's line of a call is sometimes that of the call behind it: where code for the first ends, that for the second begins.
lineless({module, _, _, _}, Text) -> re:replace(Text, "{line,[0-9]+}", "{line}", [global, {return, binary}]);
lineless(_, Text) -> Text.

%% Where OTP gives no answer to be compared with: it took too long, fails in the middle of itself (as re:run does with an offset
%% behind the subject), or does not load what its compiler made.
is_no_answer(<<"resources">>) -> true;
is_no_answer(<<"{died,{internal_error", _/binary>>) -> true;
is_no_answer(<<"error {badmatch,{error,badfile}}", _/binary>>) -> true;
is_no_answer(_) -> false.

results([]) -> [];
results(Cases) ->
    Dir = os:getenv("DIFF_DIR"),
    In = filename:join(Dir, "cases"),
    ok = file:write_file(In, term_to_binary(Cases)),
    Sides = [start(Name, Command, In, filename:join(Dir, Name ++ ".results")) || {Name, Command} <- commands()],
    [Otp, Ours] = [finish(Side) || Side <- Sides],
    Complete = min(length(Otp), length(Ours)),
    {Known, Rest} = lists:split(Complete, Cases),
    Results = lists:zip3(Known, lists:sublist(Otp, Complete), lists:sublist(Ours, Complete)),
    case Rest of
        [] -> Results;
        %% One of the two is gone, and it was this case that did it.
        [Fatal | After] -> Results ++ [{Fatal, survived(Otp, Complete), survived(Ours, Complete)} | results(After)]
    end.

survived(Results, Complete) when length(Results) > Complete -> lists:nth(Complete + 1, Results);
survived(_, _) -> <<"the VM ended">>.

commands() ->
    [{"otp", [os:getenv("ERL", "erl"), "-noshell", "-noinput", "-pa", ".", "-kernel", "logger_level", "none",
        "-s", "diff_run", "main"]},
     {"bulkhead", [os:getenv("BULKHEAD", "bulkhead"), "run", "-pa", ".", "-s", "diff_run", "main"]}].

start(Name, [Program | Args], In, Out) ->
    _ = file:delete(Out),
    Path = case filename:pathtype(Program) of
               absolute -> Program;
               _ -> os:find_executable(Program)
           end,
    Log = filename:join(os:getenv("DIFF_DIR"), Name ++ ".log"),
    Port = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", "exec timeout 300 \"$@\" >" ++ Log ++ " 2>&1 </dev/null",
                         "sh", Path | Args]}, {cd, filename:dirname(code:which(?MODULE))}, exit_status,
                      {env, [{"DIFF_CASES", In}, {"DIFF_RESULTS", Out}, {"LC_ALL", "C.UTF-8"}, {"TZ", "Europe/Berlin"}]}]),
    {Port, Out}.

finish({Port, Out}) ->
    receive {Port, {exit_status, _}} -> ok end,
    case file:read_file(Out) of
        {ok, Bytes} -> [Text || <<Size:32, Text:Size/binary>> <= Bytes];
        {error, enoent} -> []
    end.
