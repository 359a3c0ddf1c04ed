%% Libraries in workers, in every mode that has them: prints TAP. The C side is libs/remote_tests_nif.c.
%%   remote_tests Dir Program [Mode [Test]]      all of them, or one
%%   remote_tests Dir Program Mode child How     a VM with a worker, which then ends; see remote_worker_tests
-module(remote_tests).
-include("remote_tests.hrl").
-export([main/1, init/1]).
-nifs([act/2, dirty_cpu/2, dirty_io/2, count/3]).
-export([act/2, dirty_cpu/2, dirty_io/2, count/3]).
%% For the modules with the tests: remote_worker_tests, remote_term_tests.
-export([options/1, set/1, reason/1, ended/1, start/1, wait/1, file/1, release/1, letters/1, all_workers/0, workers/0,
         ready/0, kill_9/1, exists/1, number/1, descriptors/0, children/0, resident_kb/0, times/1, now_ms/0, seen_nested/2,
         other_mode/0, use/1]).

init(Dir) -> erlang:load_nif(filename:join(Dir, "remote_tests_nif"), 0).

act(_, _) -> erlang:nif_error(not_loaded).
dirty_cpu(_, _) -> erlang:nif_error(not_loaded).
dirty_io(_, _) -> erlang:nif_error(not_loaded).
count(_, _, _) -> erlang:nif_error(not_loaded).

main([Dir, _, Mode, "child", How]) -> remote_worker_tests:child(Dir, list_to_atom(Mode), How);
main([Dir, Program | Which]) ->
    put(dir, Dir),
    put(program, Program),
    Modes = [M || {M, _, Can} <- isolation:modes(), lists:member(async, Can), Which =:= [] orelse atom_to_list(M) =:= hd(Which)],
    All = remote_worker_tests:tests() ++ remote_term_tests:tests(),
    Tests = [{M, T} || M <- Modes, T = {Name, _} <- All, length(Which) < 2
        orelse string:find(Name, lists:last(Which)) =/= nomatch],
    io:format("1..~b~n", [length(Tests)]),
    lists:foldl(fun({M, {Name, Fun}}, N) -> run(N, M, Name, Fun), N + 1 end, 1, Tests).

run(N, Mode, Name, Fun) ->
    T0 = erlang:monotonic_time(millisecond),
    Context = [{K, get(K)} || K <- [dir, program]] ++ [{mode, Mode}],
    case in(Context, fun() -> fresh(Mode), Fun(), exit(passed) end, 2 * ?PATIENCE) of
        passed -> io:format("ok ~b - ~s: ~s~s~n", [N, Mode, Name, took(T0)]);
        Why -> io:format("not ok ~b - ~s: ~s~n# ~p~n", [N, Mode, Name, Why])
    end.

took(T0) ->
    case erlang:monotonic_time(millisecond) - T0 of
        Ms when Ms > 1500 -> io_lib:format(" # ~b ms", [Ms]);
        _ -> ""
    end.

in(Context, Fun, Patience) ->
    {Pid, Ref} = spawn_monitor(fun() -> [put(K, V) || {K, V} <- Context], Fun() end),
    receive
        {'DOWN', Ref, process, Pid, Why} -> Why
    after Patience ->
        exit(Pid, kill),
        receive {'DOWN', Ref, process, Pid, killed} -> hangs after ?PATIENCE -> hangs_for_ever end
    end.

%% What is in force when a test begins.
options(Mode) ->
    #{mode => Mode, timeout => infinity, crash => exit, threads => 8, pool => 1, spare => 0, restart => ?NO_LIMIT,
      after_crash => replace, transport => ring, scope => all, verify => false}.
fresh(Mode) ->
    set(options(Mode)),
    case isolation:info(?MODULE) of
        #{active := Mode} -> ok;
        _ -> ok = init(get(dir))
    end,
    wait(fun() -> reason(fun() -> act(give, ok) end) =:= {returned, ok} end). % one test that fails is not all that follow

set(Options) -> ok = isolation:set(?MODULE, Options).

%% What a process that runs Fun exits with.
reason(Fun) -> ended(start(Fun)).
ended({Pid, Ref}) ->
    receive {'DOWN', Ref, process, Pid, Reason} -> Reason after ?PATIENCE -> exit({still_runs, process_info(Pid, status)}) end.
start(Fun) ->
    Context = get(),
    spawn_monitor(fun() -> [put(K, V) || {K, V} <- Context], exit({returned, Fun()}) end).

wait(Fun) -> wait(Fun, ?PATIENCE div 10).
wait(_, 0) ->
    exit({never, maps:with([workers, waiting, circuit], isolation:info(?MODULE)),
            erlang:process_info(self(), current_stacktrace)});
wait(Fun, N) -> case Fun() of true -> ok; _ -> timer:sleep(10), wait(Fun, N - 1) end.

file(Name) ->
    File = filename:join(get(dir), atom_to_list(get(mode)) ++ "_" ++ Name),
    _ = file:delete(File),
    File.
%% What waits for the file, act(await, File), goes on.
release(File) -> ok = file:write_file(File, "go").
%% Letters in a file, sorted.
letters(File) -> case file:read_file(File) of {ok, B} -> lists:sort(binary_to_list(B)); _ -> "" end.

all_workers() -> maps:get(workers, isolation:info(?MODULE)).
workers() -> [W || W = #{state := S} <- all_workers(), S =/= embryo].
ready() -> [W || W = #{state := S} <- workers(), S =:= ready].
kill_9(Pid) -> os:cmd("kill -9 " ++ integer_to_list(Pid)).
exists(Pid) -> os:cmd("kill -0 " ++ integer_to_list(Pid) ++ " 2>&1") =:= "".
number(Command) -> list_to_integer(string:trim(os:cmd(Command))).
descriptors() -> number("ls /proc/" ++ os:getpid() ++ "/fd | wc -l").
%% Children of this VM: {all, of them dead and not waited for}.
children() ->
    Command = "cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^.*) //' | awk '$2 == " ++ os:getpid()
        ++ " { n++; if ($1 == \"Z\") z++ } END { print n+0, z+0 }'",
    {ok, [N, Z], _} = io_lib:fread("~d ~d", os:cmd(Command)),
    {N, Z}.
resident_kb() -> number("awk '/VmRSS/ { print $2 }' /proc/" ++ os:getpid() ++ "/status").

%% Work of this many times in make soak.
times(N) -> case os:getenv("BULKHEAD_TEST_TIMES") of false -> N; F -> N * list_to_integer(F) end.

now_ms() -> erlang:monotonic_time(millisecond).
other_mode() -> hd([M || {M, _, Can} <- isolation:modes(), lists:member(async, Can), M =/= get(mode)] ++ [get(mode)]).
%% What a call raises whose resources lie deeper in its arguments. Modes that share memory do not look there: to the
%% library such a resource is a reference.
seen_nested(Fun, Reason) ->
    try Fun() of
        _ -> false = get(mode) =:= ipc, Reason
    catch error:E -> E end.
use(_) -> ok.
