%% Libraries in workers, in every mode that has them: prints TAP. The C side is libs/remote_tests_nif.c.
%%   remote_tests Dir Program [Mode [Test]]      all of them, or one
%%   remote_tests Dir Program Mode child How     a VM with a worker, which then ends; see nothing_is_left/2
-module(remote_tests).
-export([main/1, init/1]).
-nifs([act/2, dirty_cpu/2, dirty_io/2, count/3]).
-export([act/2, dirty_cpu/2, dirty_io/2, count/3]).

init(Dir) -> erlang:load_nif(filename:join(Dir, "remote_tests_nif"), 0).

act(_, _) -> erlang:nif_error(not_loaded).
dirty_cpu(_, _) -> erlang:nif_error(not_loaded).
dirty_io(_, _) -> erlang:nif_error(not_loaded).
count(_, _, _) -> erlang:nif_error(not_loaded).

-define(NO_LIMIT, #{max => 255, within => 1}). % no circuit breaker
%% How long anything may take before it counts as hanging, in ms. A busy machine is slow; nothing waits for as long.
-define(PATIENCE, 60000).

main([Dir, _, Mode, "child", How]) -> child(Dir, list_to_atom(Mode), How);
main([Dir, Program | Which]) ->
    put(dir, Dir),
    put(program, Program),
    Modes = [M || {M, _, Can} <- isolation:modes(), lists:member(async, Can), Which =:= [] orelse atom_to_list(M) =:= hd(Which)],
    Tests = [{M, T} || M <- Modes, T = {Name, _} <- tests(), length(Which) < 2 orelse string:find(Name, lists:last(Which)) =/= nomatch],
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
wait(_, 0) -> exit({never, maps:with([workers, waiting, circuit], isolation:info(?MODULE)), erlang:process_info(self(), current_stacktrace)});
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
    Command = "cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^.*) //' | awk '$2 == " ++ os:getpid() ++ " { n++; if ($1 == \"Z\") z++ } END { print n+0, z+0 }'",
    {ok, [N, Z], _} = io_lib:fread("~d ~d", os:cmd(Command)),
    {N, Z}.
resident_kb() -> number("awk '/VmRSS/ { print $2 }' /proc/" ++ os:getpid() ++ "/status").

%% Work of this many times in make soak.
times(N) -> case os:getenv("BULKHEAD_TEST_TIMES") of false -> N; F -> N * list_to_integer(F) end.

tests() ->
    [{"a call returns, raises, and keeps what is between calls",
      fun() -> [1, {two}] = act(give, [1, {two}]),
               badarg = try act(badarg, 0) catch error:E -> E end,
               {my, reason} = try act(throw, {my, reason}) catch error:E2 -> E2 end,
               N = act(calls, 0), true = act(calls, 0) =:= N + 1,
               true = integer_to_list(act(os_pid, 0)) =/= os:getpid(),
               true = self() =:= act(self, 0) end},
     {"each signal ends the caller with its number", fun signals/0},
     {"binaries of arguments that the library keeps stay what they are", fun kept_binaries/0},
     {"literals that were replaced are there for calls that read them, and gone without harm for callers that were killed", fun literals/0},
     {"panics have their text and the worker's trace",
      fun() -> {nif_panic, <<"no {a,1} today">>, [{nif, <<"remote_tests_nif.so">>, _, [{offset, _}]} | _]} =
                   reason(fun() -> act(panic, {a, 1}) end),
               {nif_panic, stack_overflow, [_ | _]} = reason(fun() -> act(overflow, 0) end),
               {nif_panic, {bad_term, _}, _} = reason(fun() -> act(nonsense, 0) end) end},
     {"exit and _exit",
      fun() -> {nif_exit, 3} = reason(fun() -> act(exit, 3) end),
               {nif_exit, 4} = reason(fun() -> act('_exit', 4) end) end},
     {"crash => raise can be caught",
      fun() -> set(#{crash => raise}), {nif_signal, 11} = try act(crash, 0) catch exit:R -> R end end},
     {"after_crash => replace gives a new worker, keep the same", fun after_crash/0},
     {"a worker killed from outside in the middle of a call",
      fun() -> Pid = act(os_pid, 0), File = file("outside"), Call = start(fun() -> act(note, {File, 100000}) end),
               wait(fun() -> letters(File) =:= "n" end), kill_9(Pid),
               {nif_signal, 9} = ended(Call), true = act(os_pid, 0) =/= Pid end},
     {"killed at random points of a loop of calls", fun random_kills/0},
     {"every caller in flight gets its reason",
      fun() -> File = file("in_flight"), Calls = [start(fun() -> act(note, {File, 100000}) end) || _ <- lists:seq(1, 8)],
               wait(fun() -> length(letters(File)) =:= 8 end), [#{os_pid := Pid}] = ready(), kill_9(Pid),
               [{nif_signal, 9} = ended(C) || C <- Calls] end},
     {"calls that had not begun run on the new worker, a call that had begun never twice", fun queued/0},
     {"an endless call ends in time, in C, in libc, asleep", fun timeouts/0},
     {"a timeout is changed while the worker lives",
      fun() -> set(#{timeout => 50}), {nif_timeout, 50} = reason(fun() -> act(pause, 0) end),
               set(#{timeout => infinity}), ok = act(give, ok), set(#{timeout => 100}), {nif_timeout, 100} = reason(fun() -> act(loop, 0) end),
               set(#{timeout => 50}), wait(fun() -> reason(fun() -> act(give, ok) end) =:= {returned, ok} end),
               set(#{timeout => ?PATIENCE}), 400 = act(sleep, 400),
               set(#{timeout => infinity}), 300 = act(sleep, 300) end},
     {"exit(Pid, kill) ends the native code, other calls of the same worker go on", fun killed_callers/0},
     {"slow calls do not hold up schedulers", fun not_blocked/0},
     {"threads => 1 makes a library one call at a time",
      fun() -> set(#{threads => 1}), act(raise_signal, 9 - 9), set(#{mode => other_mode()}), ok = act(give, ok), set(#{mode => get(mode)}),
               ok = act(give, ok), T0 = now_ms(), Calls = [start(fun() -> act(sleep, 50) end) || _ <- lists:seq(1, 4)],
               [{returned, 50} = ended(C) || C <- Calls], true = now_ms() - T0 >= 200 end},
     {"a pool spreads calls; resources go to their worker", fun pool/0},
     {"a spare is there at once", fun spare/0},
     {"after a crash the next worker is made of an embryo", fun embryo/0},
     {"too many deaths open the circuit, and it closes again", fun circuit/0},
     {"workers that other options replace count for nothing",
      fun() -> #{restarts := N} = isolation:info(?MODULE), set(#{restart => #{max => 0, within => 60000}}),
               [begin set(#{stack => 1 bsl Bits}), ok = act(give, ok) end || Bits <- [17, 18, 19]],
               #{restarts := N, circuit := closed} = isolation:info(?MODULE) end},
     {"transport => socket", fun socket/0},
     {"load runs anew in a new worker; upgrade, purge and unload", fun upgrade/0},
     {"a load that fails, crashes, ends or does not end", fun bad_loads/0},
     {"a destructor runs when the last reference in the VM dies", fun destructors/0},
     {"a handle of a dead worker says so",
      fun() -> R = act(make, file("lost")), Pid = act(os_pid, 0), kill_9(Pid), wait(fun() -> act(os_pid, 0) =/= Pid end),
               {nif_resource_lost, ?MODULE} = try act(look, R) catch error:E -> E end,
               [{nif_resource_lost, ?MODULE} = seen_nested(fun() -> act(give, Arg) end, {nif_resource_lost, ?MODULE}) || Arg <- [[R], {1, #{R => R}}]],
               true = is_reference(R), ok = act(give, ok) end},
     {"a resource is equal to itself, however often it is sent",
      fun() -> R = act(make, file("same")), {R1, R2} = act(twice, R), true = R =:= R1, true = R1 =:= R2, R3 = act(give, R),
               true = R3 =:= R, #{R := x} = #{R3 => x}, {N, P} = act(look, R), {N, P} = act(look, R3), true = is_reference(R) end},
     {"monitors and down callbacks", fun monitors/0},
     {"enif_select on a pipe", fun select/0},
     {"enif_send of calls and of threads, large ones too", fun sends/0},
     {"enif_whereis, enif_port_command, enif_is_process_alive", fun names_and_ports/0},
     {"enif_schedule_nif, dirty flags, thread types, unique integers, references", fun scheduling/0},
     {"terms of every kind and size both ways", fun terms/0},
     {"call_many", fun call_many/0},
     {"a failure in call_many has the trace of the call that failed", fun trace_of_many/0},
     {"a result that finds no memory is no fault of the worker", fun no_room_for_result/0},
     {"the mode changes: among workers at once, to the VM at the next load", fun change_mode/0},
     {"a crash in a thread of the library ends its worker only",
      fun() -> erlang:system_info(build_type) =:= tsan orelse reason(fun() -> act(crash_in_thread, 0) end), wait(fun() -> act(give, ok) =:= ok end) end},
     {"crashes leave no descriptor, memory or zombie", fun many_crashes/0},
     {"what a library prints goes out by lines, also into a pipe", fun() -> {match, _} = re:run(child_output("print"), "printed by [0-9]+\n") end},
     {"nothing is left when the VM ends", fun() -> nothing_is_left("halt") end},
     {"nor when it is killed", fun() -> nothing_is_left("killed") end}].

now_ms() -> erlang:monotonic_time(millisecond).
other_mode() -> hd([M || {M, _, Can} <- isolation:modes(), lists:member(async, Can), M =/= get(mode)] ++ [get(mode)]).

signals() ->
    {nif_signal, 11} = reason(fun() -> act(crash, 0) end),
    {nif_signal, 8} = reason(fun() -> act(divide, 0) end),
    {nif_signal, 4} = reason(fun() -> act(illegal, 0) end),
    [{S, {nif_signal, S}} = {S, reason(fun() -> act(raise_signal, S) end)} || S <- [1, 2, 3, 5, 6, 7, 9, 10, 12, 13, 14, 15, 31]],
    {nif_signal, 11} = reason(fun() -> dirty_cpu(crash, 0) end),
    ok = act(give, ok).

after_crash() ->
    Pid = act(os_pid, 0),
    {nif_signal, 11} = reason(fun() -> act(crash, 0) end),
    Pid2 = act(os_pid, 0),
    true = Pid =/= Pid2,
    set(#{after_crash => keep}),
    {nif_signal, 11} = reason(fun() -> act(crash, 0) end),
    Pid2 = act(os_pid, 0).

random_kills() ->
    Me = self(),
    Caller = fun Loop() ->
                 case reason(fun() -> {x, act(give, [lists:seq(1, 20)])} end) of
                     {returned, {x, [[1 | _]]}} -> ok;
                     {nif_signal, 9} -> Me ! hit
                 end,
                 receive stop -> ok after 0 -> Loop() end
             end,
    Callers = [start(Caller) || _ <- lists:seq(1, 3)],
    [begin timer:sleep(rand:uniform(8)), [kill_9(P) || #{os_pid := P} <- ready()] end || _ <- lists:seq(1, times(25))],
    [P ! stop || {P, _} <- Callers],
    [{returned, ok} = ended(C) || C <- Callers],
    timer:sleep(50), % the last one's death is noticed
    ok = act(give, ok).

queued() ->
    File = file("queued"),
    set(#{threads => 2}),
    kill_9(act(os_pid, 0)),
    wait(fun() -> act(give, ok) =:= ok andalso length(ready()) =:= 1 end),
    Pid = act(os_pid, 0),
    Running = [start(fun() -> act(note, {File, 100000}) end) || _ <- [1, 2]],
    wait(fun() -> letters(File) =:= "nn" end),
    Waiting = [start(fun() -> act(note, {File, 0}) end) || _ <- lists:seq(1, 10)],
    wait(fun() -> maps:get(waiting, isolation:info(?MODULE)) =:= 10 end),
    kill_9(Pid),
    [{nif_signal, 9} = ended(C) || C <- Running],
    [{returned, ok} = ended(C) || C <- Waiting],
    12 = length(letters(File)),
    %% Those that crash are not tried again either.
    {nif_signal, 11} = reason(fun() -> act(note, {File, -1}) end),
    13 = length(letters(File)),
    %% One whose caller is killed while it waits never begins.
    Go = file("queued_go"),
    Busy = [start(fun() -> act(await, Go) end) || _ <- [1, 2]],
    wait(fun() -> [2] =:= [B || #{busy := B} <- ready()] end),
    {Gone, _} = Call = start(fun() -> act(note, {File, 0}) end),
    wait(fun() -> maps:get(waiting, isolation:info(?MODULE)) =:= 1 end),
    exit(Gone, kill),
    killed = ended(Call),
    release(Go),
    [{returned, Go} = ended(C) || C <- Busy],
    ok = act(give, ok),
    13 = length(letters(File)).

timeouts() ->
    set(#{timeout => 60}),
    [{W, {nif_timeout, 60}} = {W, reason(fun() -> act(W, 0) end)} || W <- [loop, loop_in_libc, pause]],
    {nif_timeout, 60} = reason(fun() -> dirty_cpu(loop, 0) end),
    {nif_timeout, 60} = reason(fun() -> act(tick, file("timeout")) end),
    Ticks = fun() -> length(letters(filename:join(get(dir), atom_to_list(get(mode)) ++ "_timeout"))) end,
    N = Ticks(),
    timer:sleep(50),
    N = Ticks(),
    wait(fun() -> reason(fun() -> act(sleep, 20) end) =:= {returned, 20} end).

killed_callers() ->
    File = file("killed"),
    Other = start(fun() -> {act(sleep, 400), act(os_pid, 0)} end),
    Pid = act(os_pid, 0),
    Endless = [start(fun() -> act(tick, File) end), start(fun() -> act(loop, 0) end)],
    wait(fun() -> length(letters(File)) > 3 end),
    [exit(P, kill) || {P, _} <- Endless],
    [killed = ended(C) || C <- Endless],
    wait(fun() -> N = length(letters(File)), timer:sleep(30), N =:= length(letters(File)) end),
    {returned, {400, _}} = ended(Other),
    %% It has stopped burning time too, wherever calls go now.
    wait(fun() -> not exists(Pid) orelse begin C = cpu_ms(Pid), timer:sleep(100), cpu_ms(Pid) - C < 60 end end),
    ok = act(give, ok).
cpu_ms(Pid) -> number("awk '{ print ($14 + $15) * 10 }' /proc/" ++ integer_to_list(Pid) ++ "/stat 2>/dev/null || echo 0").

not_blocked() ->
    Calls = [start(fun() -> act(pause, 0) end) || _ <- lists:seq(1, 100)],
    Echo = spawn_link(fun Loop() -> receive {From, X} -> From ! X, Loop() end end),
    [begin Echo ! {self(), N}, receive N -> ok end end || N <- lists:seq(1, 2000)],
    unlink(Echo),
    exit(Echo, kill),
    [exit(P, kill) || {P, _} <- Calls],
    [killed = ended(C) || C <- Calls].

pool() ->
    set(#{pool => 3, threads => 1}),
    kill_9(act(os_pid, 0)),
    wait(fun() -> act(give, ok) =:= ok end),
    Go = file("pool_go"),
    Busy = [start(fun() -> act(await, Go), act(os_pid, 0) end) || _ <- lists:seq(1, 3)],
    wait(fun() -> length(ready()) =:= 3 end),
    Calls = [start(fun() -> act(sleep, 50), act(os_pid, 0) end) || _ <- lists:seq(1, 9)],
    release(Go),
    [{returned, _} = ended(C) || C <- Busy ++ Calls],
    3 = length(ready()),
    %% With all three busy but one, and each time another, resources come from different workers.
    Each = [busy("pool" ++ integer_to_list(N)) || N <- [1, 2, 3]],
    {Again, Rs} = lists:unzip([begin
        release(F), {returned, F} = ended(C), R = act(make, file("pool" ++ integer_to_list(N))), {busy("pool_again" ++ integer_to_list(N)), R}
        end || {N, {F, C}} <- lists:zip([1, 2, 3], Each)]),
    [begin release(F), {returned, F} = ended(C) end || {F, C} <- Again],
    Owners = [element(2, act(look, R)) || R <- Rs],
    3 = length(lists:usort(Owners)),
    [begin {_, P} = act(look, R), [{_, P}] = isolation:call_many(?MODULE, act, [[look, R]]) end || {R, P} <- lists:zip(Rs, Owners), _ <- [1, 2, 3]],
    [R1, R2, _] = Rs,
    %% Two of different workers in one call: an error, not a hang.
    {nif_resource_elsewhere, ?MODULE} = seen_nested(fun() -> act(give, [R1, R2]) end, {nif_resource_elsewhere, ?MODULE}),
    ok = act(give, ok).
%% A call that goes on until its file is there, begun: {File, Call}.
busy(Name) ->
    _ = file(Name ++ ".begun"),
    F = file(Name),
    C = start(fun() -> act(await, F) end),
    wait(fun() -> letters(F ++ ".begun") =:= "b" end),
    {F, C}.

%% What a call raises whose resources lie deeper in its arguments. Modes that share memory do not look there: to the
%% library such a resource is a reference.
seen_nested(Fun, Reason) ->
    try Fun() of
        _ -> false = get(mode) =:= ipc, Reason
    catch error:E -> E end.

spare() ->
    [kill_9(P) || #{os_pid := P} <- ready()], % the logger may hold resources of before
    wait(fun() -> is_integer(catch act(os_pid, 0)) end),
    set(#{spare => 1}),
    ok = act(give, ok),
    wait(fun() -> lists:sort([S || #{state := S} <- workers()]) =:= [ready, spare] end),
    [Spare] = [P || #{state := spare, os_pid := P} <- workers()],
    kill_9(act(os_pid, 0)),
    wait(fun() -> try act(os_pid, 0) =:= Spare catch exit:_ -> false end end),
    wait(fun() -> lists:sort([S || #{state := S} <- workers()]) =:= [ready, spare] end),
    set(#{spare => 0}).

%% The one that is kept, once it is.
embryo_of(Module) ->
    case [P || #{state := embryo, os_pid := P} <- maps:get(workers, isolation:info(Module))] of
        [Pid] -> Pid;
        [] -> timer:sleep(1), embryo_of(Module)
    end.
embryo() ->
    Crash = fun() -> {nif_signal, 11} = reason(fun() -> act(crash, 0) end) end,
    Crash(),
    ok = act(give, ok),
    First = embryo_of(?MODULE),
    nomatch = string:find(os:cmd("cat /proc/" ++ integer_to_list(First) ++ "/maps"), "remote_tests_nif"),
    Crash(),
    First = act(os_pid, 0),
    %% One that ends by itself harms nobody.
    Second = embryo_of(?MODULE),
    #{restarts := Restarts} = isolation:info(?MODULE),
    kill_9(Second),
    wait(fun() -> not exists(Second) end),
    First = act(os_pid, 0),
    Crash(),
    true = act(os_pid, 0) =/= Second,
    #{restarts := N} = isolation:info(?MODULE),
    N = Restarts + 1,
    %% Nor does one that does not run.
    Stopped = embryo_of(?MODULE),
    os:cmd("kill -STOP " ++ integer_to_list(Stopped)),
    set(#{timeout => 100}),
    wait(fun() -> not exists(Stopped) end),
    wait(fun() -> reason(fun() -> act(give, ok) end) =:= {returned, ok} end),
    set(#{timeout => infinity}),
    %% Other options ask for another, or for none.
    [begin
         set(#{spare => 0}),
         Crash(),
         ok = act(give, ok),
         Old = embryo_of(?MODULE),
         set(Options),
         ok = act(give, ok),
         wait(fun() -> not exists(Old) end),
         Crash(),
         true = act(os_pid, 0) =/= Old
     end || Options <- [#{spare => 1}, #{transport => socket}, #{stack => 1 bsl 18}, #{timeout => 60000}, #{mode => other_mode()}, #{mode => get(mode)}]],
    ok = act(give, ok).

circuit() ->
    opens(400),
    wait(fun() -> reason(fun() -> act(give, ok) end) =:= {returned, ok} end),
    wait(fun() -> maps:get(circuit, isolation:info(?MODULE)) =:= closed end), % a worker that was being started serves earlier
    %% Calls that wait when it opens do not wait for it to close.
    set(#{restart => ?NO_LIMIT, threads => 1}),
    [kill_9(P) || #{os_pid := P} <- ready()], % its lanes are of before
    timer:sleep(50),
    wait(fun() -> reason(fun() -> act(give, ok) end) =:= {returned, ok} end),
    set(#{restart => #{max => 0, within => 300}}),
    File = file("circuit"),
    Running = start(fun() -> act(note, {File, 100000}) end),
    wait(fun() -> letters(File) =:= "n" end),
    Waiting = [start(fun() -> act(give, ok) end) || _ <- [1, 2, 3]],
    wait(fun() -> maps:get(waiting, isolation:info(?MODULE)) =:= 3 end),
    [#{os_pid := Pid}] = ready(),
    kill_9(Pid),
    {nif_signal, 9} = ended(Running),
    [{nif_limit, restarts} = ended(W) || W <- Waiting],
    wait(fun() -> reason(fun() -> act(give, ok) end) =:= {returned, ok} end),
    set(#{restart => ?NO_LIMIT}).

%% Four deaths within Ms open it for Ms: where the machine takes longer for them, as much longer as it needs.
opens(Ms) when Ms < ?PATIENCE ->
    set(#{restart => #{max => 3, within => Ms}}),
    Ends = [reason(fun() -> act(crash, 0) end) || _ <- lists:seq(1, 12)],
    T0 = now_ms(),
    Circuit = maps:get(circuit, isolation:info(?MODULE)),
    Next = reason(fun() -> act(give, ok) end),
    case {lists:last(Ends), Circuit, Next, now_ms() - T0 < Ms div 4} of
        {{nif_limit, restarts}, open, {nif_limit, restarts}, true} -> ok;
        _ -> wait(fun() -> reason(fun() -> act(give, ok) end) =:= {returned, ok} end), opens(4 * Ms)
    end.

literals() ->
    Make = fun(Who) -> {Who, lists:seq(1, 3000), binary:copy(<<"b">>, 5000), #{key => [Who]}} end,
    Own = fun(Who) -> persistent_term:put(Who, Make(Who)), fun() -> persistent_term:get(Who) end end,
    Begin = fun(Who, File) ->
        Get = Own(Who), N = length(letters(File ++ ".begun")),
        Call = start(fun() -> act(await_copy, {File, Get()}) end),
        wait(fun() -> length(letters(File ++ ".begun")) > N end),
        persistent_term:erase(Who),
        Call
    end,
    %% What was let go is freed, and its memory used for something else.
    Churn = fun() ->
        [begin
            [begin persistent_term:put(churn, {I, lists:duplicate(I rem 500, I)}) end || I <- lists:seq(1, 3000)],
            timer:sleep(300)
         end || _ <- [1, 2]]
    end,
    File = file("literals"), Other = file("literals_killed"),
    [file:delete(F ++ ".begun") || F <- [File, Other]],
    ok = act(store, (Own(stored))()), persistent_term:erase(stored),
    Calls = [{Who, Begin(Who, File)} || Who <- [first, second]],
    Churn(),
    release(File),
    [{Who, {returned, {Who, _, _, _} = V}, true} = {Who, R, R =:= {returned, Make(Who)}} || {Who, Call} <- Calls, R <- [ended(Call)], {_, V} <- [R]],
    true = Make(stored) =:= act(stored, 0),
    {Pid, _} = Killed = Begin(killed, Other),
    Churn(), exit(Pid, kill), Churn(),
    killed = ended(Killed), Churn(),
    wait(fun() -> reason(fun() -> act(give, Make(x)) end) =:= {returned, Make(x)} end),
    persistent_term:erase(churn).

%% What comes after them lies where they lay.
kept_binaries() ->
    Fill = fun(N, Size) -> binary:copy(<<N>>, Size) end,
    [begin
        kill_9(act(os_pid, 0)),
        wait(fun() -> act(give, ok) =:= ok end),
        [begin
            First = Fill(N, Size),
            ok = act(store, {First, N, Fill(N + 1, 5001), First}),
            [0 = act(sum, Fill(0, Size + I)) || I <- [0, 1, 5000]],
            0 = lists:sum(isolation:call_many(?MODULE, act, [[sum, Fill(0, Size)], [sum, Fill(0, 20000)]])),
            Second = Fill(N + 1, 5001),
            true = act(stored, 0) =:= {First, N, Second, First}
         end || N <- [1, 3, 5]],
        Other = Fill(9, Size),
        true = [ok, 0, Other] =:= isolation:call_many(?MODULE, act, [[store, Other], [sum, Fill(0, Size)], [stored, 0]]),
        0 = act(sum, Fill(0, Size)),
        true = act(stored, 0) =:= Other,
        {nif_signal, 11} = reason(fun() -> act(crash, Other) end)
     end || Size <- [100, 4096, 20001, 1 bsl 20, 3 bsl 20]].

socket() ->
    set(#{transport => socket}),
    kill_9(act(os_pid, 0)),
    wait(fun() -> act(give, ok) =:= ok end),
    [begin T = act(give, T), T = act(copy, T) end || T <- [1, lists:seq(1, 1000), binary:copy(<<7>>, 1 bsl 20), binary:copy(<<1>>, 9 bsl 20)]],
    Calls = [start(fun() -> [lists:seq(1, N) || N <- lists:seq(1, 300)] =:= [act(give, lists:seq(1, N)) || N <- lists:seq(1, 300)] end) || _ <- [1, 2, 3]],
    [{returned, true} = ended(C) || C <- Calls],
    {nif_signal, 11} = reason(fun() -> act(crash, 0) end),
    true = is_pid(act(self, 0)),
    %% More than the socket takes, while others want the scheduler.
    Others = [spawn(fun Spin() -> receive stop -> ok after 0 -> Spin() end end) || _ <- lists:seq(1, 4)],
    [begin B0 = binary:copy(<<1>>, N), N = act(sum, B0), true = act(give, [B0]) =:= [B0] end || N <- [1 bsl 20, 20 bsl 20]],
    [P ! stop || P <- Others],
    Me = self(),
    1 = act(send, {Me, {large, binary:copy(<<2>>, 2 bsl 20)}}),
    receive {large, B} -> 2 bsl 20 = byte_size(B) after ?PATIENCE -> exit(no_message) end,
    set(#{timeout => 60}),
    {nif_timeout, 60} = reason(fun() -> act(pause, 0) end),
    set(#{timeout => infinity}),
    Pid = act(os_pid, 0),
    File = file("socket"),
    C1 = start(fun() -> act(note, {File, 100000}) end),
    wait(fun() -> letters(File) =:= "n" end),
    kill_9(Pid),
    {nif_signal, 9} = ended(C1),
    ok = act(give, ok).

%% ---- loading ----

load(Version, How) ->
    Info = filename:join(get(dir), atom_to_list(get(mode)) ++ "_load"),
    ok = file:write_file(Info, How),
    {module, remote_loads} = code:load_binary(remote_loads, "remote_loads", element(2, file:read_file(filename:join(get(dir), "remote_loads.beam")))),
    remote_loads:init(filename:join(get(dir), "remote_loads_" ++ integer_to_list(Version)), Info).
log() -> case file:read_file(filename:join(get(dir), atom_to_list(get(mode)) ++ "_load.log")) of {ok, B} -> binary_to_list(B); _ -> "" end.
forget_loads() ->
    code:delete(remote_loads),
    code:purge(remote_loads),
    code:delete(remote_loads),
    code:purge(remote_loads),
    _ = file:delete(filename:join(get(dir), atom_to_list(get(mode)) ++ "_load.log")),
    ok = isolation:set(remote_loads, (options(get(mode)))#{restart => ?NO_LIMIT}).

upgrade() ->
    forget_loads(),
    ok = load(1, "w"),
    {1, Pid} = remote_loads:version(),
    "l" = log(),
    {nif_signal, 11} = reason(fun() -> remote_loads:crash() end),
    {1, Pid2} = remote_loads:version(),
    true = Pid =/= Pid2,
    "ll" = log(),
    ok = load(2, "w"), % the first is old now
    {2, Pid2} = remote_loads:version(),
    "llu" = log(),
    true = code:purge(remote_loads) =:= false,
    wait(fun() -> log() =:= "llu1" end),
    {2, Pid2} = remote_loads:version(),
    kill_9(Pid2),
    wait(fun() -> element(1, remote_loads:version()) =:= 2 end),
    {2, Pid3} = remote_loads:version(),
    true = lists:member(log(), ["llu1l", "llu1lu"]),
    code:delete(remote_loads),
    code:purge(remote_loads),
    wait(fun() -> lists:last(log()) =:= $2 end),
    wait(fun() -> not exists(Pid3) end),
    %% And once more from the beginning, with a pool.
    ok = isolation:set(remote_loads, #{pool => 2, threads => 1}),
    ok = load(1, "w"),
    both(1),
    ok = load(2, "w"),
    both(2),
    forget_loads().
both(Version) ->
    Calls = [start(fun() -> remote_loads:version() end) || _ <- lists:seq(1, 50)],
    [{returned, {Version, _}} = ended(C) || C <- Calls].

%% A worker in which load crashed is not used for the next one.
crashed_then_good() ->
    forget_loads(),
    {error, {load, _}} = load(1, "c"),
    ok = load(1, "w"),
    {1, Pid} = remote_loads:version(),
    timer:sleep(5),
    {1, Pid} = remote_loads:version().

bad_loads() ->
    [crashed_then_good() || _ <- lists:seq(1, 10)],
    forget_loads(),
    {error, {load, _}} = load(1, "f"),
    {error, {load, _}} = load(1, "c"),
    {error, {load, _}} = load(1, "e"),
    Timeout = fun(T) -> ok = isolation:set(remote_loads, #{timeout => T}) end,
    Timeout(100),
    {error, {load, _}} = load(1, "l"),
    Timeout(infinity),
    ok = load(1, "w"),
    {1, _} = remote_loads:version(),
    %% The same when a new worker loads it again: the caller hears of it, and nothing spins.
    Info = filename:join(get(dir), atom_to_list(get(mode)) ++ "_load"),
    [begin
         ok = file:write_file(Info, How),
         {1, Pid} = remote_loads:version(),
         Timeout(case How of "l" -> 400; _ -> infinity end),
         kill_9(Pid),
         wait(fun() -> not exists(Pid) end),
         N = length(log()),
         Version = fun() -> reason(fun() -> remote_loads:version() end) end,
         Why = Version(),
         true = lists:member(element(1, Why), [nif_panic, nif_signal, nif_exit, nif_timeout, nif_limit]),
         timer:sleep(200),
         true = length(log()) - N < 60,
         ok = file:write_file(Info, "w"),
         wait(fun() -> element(1, Version()) =:= returned end),
         Timeout(infinity)
     end || How <- ["f", "c", "e", "l"]],
    {1, _} = remote_loads:version(),
    forget_loads().

%% ---- resources ----

destructors() ->
    F = file("destructors"),
    Gone = fun(N) -> erlang:garbage_collect(), wait(fun() -> length(letters(F)) =:= N end) end,
    {returned, ok} = reason(fun() -> act(make, F), ok end), % a process that dies
    Gone(1),
    use(act(make, F)),
    Gone(2),
    T = ets:new(t, [public]),
    ets:insert(T, {r, act(make, F)}),
    erlang:garbage_collect(),
    {_, _} = act(look, ets:lookup_element(T, r, 2)),
    timer:sleep(20),
    2 = length(letters(F)),
    ets:delete(T),
    Gone(3),
    Holder = spawn(fun Hold() -> receive {r, R, From} -> From ! act(look, R), erlang:garbage_collect(), Hold() end end),
    Holder ! {r, act(make, F), self()},
    receive {_, _} -> ok end,
    erlang:garbage_collect(),
    exit(Holder, kill),
    Gone(4),
    Persistent = file("persistent"),
    persistent_term:put(?MODULE, act(make, Persistent)),
    {_, _} = act(look, persistent_term:get(?MODULE)),
    persistent_term:erase(?MODULE), % it goes some time later
    use(act(make, F)),
    Gone(5),
    %% In the arguments alone; sent by the library; many at once.
    use([act(give, act(make, F)) || _ <- lists:seq(1, 100)]),
    Gone(105),
    1 = act(send, {self(), act(make, F)}),
    use(receive R when is_reference(R) -> R after ?PATIENCE -> exit(no_message) end),
    Gone(106),
    {returned, ok} = reason(fun() -> isolation:call_many(?MODULE, act, [[make, F] || _ <- lists:seq(1, 50)]), ok end),
    Gone(156),
    wait(fun() -> erlang:garbage_collect(), letters(Persistent) =:= "d" end),
    wait(fun() -> [0] =:= [N || #{resources := N} <- ready()] end).
use(_) -> ok.

monitors() ->
    F = file("monitors"),
    R = act(make, F),
    P = spawn(fun() -> receive stop -> ok end end),
    0 = act(monitor, {R, P}),
    timer:sleep(20),
    "" = letters(F),
    P ! stop,
    wait(fun() -> letters(F) =:= "m" end),
    true = act(monitor, {R, P}) > 0, % it is dead
    Q = spawn(fun() -> receive stop -> ok end end),
    0 = act(monitor, {R, Q}),
    0 = act(demonitor, R),
    Q ! stop,
    timer:sleep(30),
    "m" = letters(F),
    %% 50 at once.
    Rs = [act(make, F) || _ <- lists:seq(1, 50)],
    S = spawn(fun() -> receive stop -> ok end end),
    [0 = act(monitor, {X, S}) || X <- Rs],
    S ! stop,
    wait(fun() -> length(letters(F)) =:= 51 end),
    {_, _} = act(look, R),
    {_, _} = act(look, hd(Rs)).

select() ->
    F = file("select"),
    R = act(make, F),
    0 = act(select, R),
    receive Early -> exit({early, Early}) after 20 -> ok end,
    1 = act(fill, R),
    receive {select, R, undefined, ready_input} -> ok after ?PATIENCE -> exit(no_select) end,
    Stopped = act(stop, R),
    true = Stopped >= 0,
    wait(fun() -> lists:member($s, letters(F)) end).

sends() ->
    Me = self(),
    1 = act(send, {Me, {hello, [1, 2]}}),
    receive {hello, [1, 2]} -> ok after ?PATIENCE -> exit(1) end,
    [begin 1 = act(send, {Me, B = binary:copy(<<N>>, N)}), receive B -> ok after ?PATIENCE -> exit(N) end end || N <- [1000, 70000, 3 bsl 20]],
    [begin ok = act(send_from_thread, {Me, N}), receive {parcel, B} -> N = byte_size(B), B = binary:copy(<<"p">>, N) after ?PATIENCE -> exit({no_parcel, N}) end end
     || erlang:system_info(build_type) =/= tsan, N <- [0, 100, 65000, 66000, 1 bsl 20, 5 bsl 20]], % it does not know a library's threads
    Dead = spawn(fun() -> ok end),
    wait(fun() -> not is_process_alive(Dead) end),
    0 = act(send, {Dead, hello}),
    %% In order, and before the result.
    [1 = act(send, {Me, N}) || N <- lists:seq(1, 500)],
    [receive X -> X = N after 0 -> exit({late, N}) end || N <- lists:seq(1, 500)].

names_and_ports() ->
    true = register(remote_tests_name, self()),
    true = self() =:= act(whereis, remote_tests_name),
    unregister(remote_tests_name),
    undefined = act(whereis, remote_tests_name),
    1 = act(alive, self()),
    P = spawn(fun() -> ok end),
    wait(fun() -> act(alive, P) =:= 0 end),
    Port = open_port({spawn, "cat"}, [binary]),
    Port = act(give, Port),
    1 = act(port_command, {Port, <<"through">>}),
    receive {Port, {data, <<"through">>}} -> ok after ?PATIENCE -> exit(no_data) end,
    register(remote_tests_port, Port),
    {port} = act(whereis, remote_tests_port),
    port_close(Port),
    badarg = try act(port_command, {self(), <<>>}) catch error:E -> E end.

scheduling() ->
    done = count(0, 1000, done),
    1 = act(thread_type, 0),
    2 = dirty_cpu(thread_type, 0),
    3 = dirty_io(thread_type, 0),
    Us = [act(unique, 0) || _ <- lists:seq(1, 100)],
    Us = lists:usort(Us ++ Us),
    true = erlang:unique_integer([monotonic]) > lists:last(Us),
    Rs = [act(make_ref, 0) || _ <- lists:seq(1, 100)] ++ [make_ref()],
    101 = length(lists:usort(Rs)),
    {error, badarg} = try dirty_cpu(badarg, 0) catch C:E:S -> dirty_cpu = element(2, hd(S)), {C, E} end.

terms() ->
    Deep = lists:foldl(fun(N, T) -> [N, T] end, [], lists:seq(1, 100000)),
    Terms = [0, -1, 1 bsl 59, -(1 bsl 59), 1 bsl 64, -(1 bsl 5000), 1.5, -0.0, a, 'with space', 'ünïcode', [], {}, #{}, <<>>, <<1:3>>, <<"x">>,
             self(), make_ref(), fun lists:map/2, fun(X) -> X + Deep end, [a | b], {1, {2, {3, #{k => [v]}}}},
             maps:from_list([{N, {N, integer_to_list(N)}} || N <- lists:seq(1, 2000)]), #{#{a => 1} => #{[] => {}}},
             lists:seq(1, 200000), Deep, list_to_tuple(lists:seq(1, 60000)), binary:copy(<<"1234567">>, 150000), binary:part(binary:copy(<<"ab">>, 70000), 1, 139000),
             [binary:copy(<<N>>, 5000) || N <- lists:seq(1, 100)], hd(erlang:ports() ++ [none])],
    [begin true = act(give, T) =:= T, true = act(copy, T) =:= T, [true, true] = [X =:= T || X <- isolation:call_many(?MODULE, act, [[give, T], [copy, T]])] end || T <- Terms],
    F = act(give, fun(X) -> {X, 7} end),
    {6, 7} = F(6),
    Large = binary:copy(<<1>>, 50 bsl 20),
    52428800 = act(sum, Large),
    true = act(give, Large) =:= Large,
    50000000 = byte_size(act(zeros, 50000000)),
    500000 = length(act(range, 500000)),
    Part = binary:part(Large, 3, 30 bsl 20),
    true = act(give, {Part, Part}) =:= {Part, Part}.

call_many() ->
    [1, 2, 3] = isolation:call_many(?MODULE, act, [[give, N] || N <- [1, 2, 3]]),
    [] = isolation:call_many(?MODULE, act, []),
    10000 = length(isolation:call_many(?MODULE, act, [[give, {N, [N]}] || N <- lists:seq(1, 10000)])),
    badarg = try isolation:call_many(?MODULE, act, [[give, 1], [badarg, 0], [give, 2]]) catch error:E -> E end,
    {mine} = try isolation:call_many(?MODULE, act, [[give, 1], [throw, {mine}], [crash, 2]]) catch error:E2 -> E2 end,
    {nif_signal, 11} = reason(fun() -> isolation:call_many(?MODULE, act, [[give, 1], [crash, 0], [give, 2]]) end),
    File = file("many"),
    {nif_signal, 11} = reason(fun() -> isolation:call_many(?MODULE, act, [[note, {File, 0}], [note, {File, -1}], [note, {File, 0}]]) end),
    "nn" = letters(File),
    Rs = isolation:call_many(?MODULE, act, [[make, file("many2")] || _ <- lists:seq(1, 10)]),
    10 = length(lists:usort([element(1, X) || X <- isolation:call_many(?MODULE, act, [[look, R] || R <- Rs])])),
    badarg = try isolation:call_many(?MODULE, act, [[give, 1], [give]]) catch error:E3 -> E3 end,
    set(#{timeout => 100}),
    {nif_timeout, 100} = reason(fun() -> isolation:call_many(?MODULE, act, [[give, 1], [loop, 0]]) end),
    set(#{timeout => infinity}).

trace_of_many() ->
    Trace = fun(Lists) -> try isolation:call_many(?MODULE, act, Lists) catch _:_:S -> lists:sublist(S, 2) end end,
    [{?MODULE, act, [badarg, 0], _}, {isolation, call_many, 3, _}] = Trace([[give, 1], [badarg, 0], [give, 2]]),
    set(#{crash => raise}),
    [{?MODULE, act, [crash, 0], _}, {isolation, call_many, 3, _}] = Trace([[give, 1], [give, 2], [crash, 0]]),
    set(#{crash => exit}).

%% The caller may have so much memory and no more. (In shared_heap the result is there already.)
no_room_for_result() ->
    Pid = act(os_pid, 0),
    Outcome = reason(fun() ->
        process_flag(max_heap_size, #{size => 30000, kill => false, error_logger => false}),
        act(range, 100000),
        ok
    end),
    case isolation:info(?MODULE) of
        #{mode := shared_heap} -> ok;
        _ -> {nif_limit, memory} = Outcome
    end,
    Pid = act(os_pid, 0).

change_mode() ->
    Modes = [M || {M, _, Can} <- isolation:modes(), lists:member(async, Can)],
    {Go, Slow} = busy("change_mode"),
    Pids = [begin set(#{mode => M}), P = act(os_pid, 0), [1, 2] = act(give, [1, 2]), P = act(os_pid, 0), P end || M <- Modes ++ Modes],
    true = length(Modes) =:= 1 orelse length(lists:usort(Pids)) =:= 2 * length(Modes),
    release(Go),
    {returned, Go} = ended(Slow),
    %% While calls run.
    Callers = [start(fun() -> [N = act(give, N) || N <- lists:seq(1, 300)], ok end) || _ <- [1, 2, 3]],
    [begin set(#{mode => M}), timer:sleep(5) end || _ <- lists:seq(1, 5), M <- Modes],
    [{returned, ok} = ended(C) || C <- Callers],
    set(#{mode => get(mode)}),
    ok = act(give, ok),
    Mode = get(mode),
    set(#{mode => in_process}),
    true = integer_to_list(act(os_pid, 0)) =/= os:getpid(), % as it was loaded
    forget_loads(),
    ok = load(1, "w"),
    {1, There} = remote_loads:version(),
    true = integer_to_list(There) =/= os:getpid(),
    ok = isolation:set(remote_loads, in_process),
    {1, There} = remote_loads:version(),
    code:delete(remote_loads), code:purge(remote_loads),
    ok = load(1, "w"),
    Here = os:getpid(),
    {1, Here} = {1, integer_to_list(element(2, remote_loads:version()))},
    ok = isolation:set(remote_loads, Mode),
    code:delete(remote_loads), code:purge(remote_loads),
    ok = load(1, "w"),
    {1, Elsewhere} = remote_loads:version(),
    true = integer_to_list(Elsewhere) =/= os:getpid(),
    set(#{mode => Mode}),
    forget_loads().

many_crashes() ->
    Crash = fun(N) -> [case reason(fun() -> act(What, 9) end) of {nif_signal, _} -> ok end || I <- lists:seq(1, N), What <- [case I rem 3 of 0 -> raise_signal; _ -> crash end]] end,
    Crash(20),
    ok = act(give, ok),
    Settled = fun() -> wait(fun() -> ok = act(give, ok), lists:sort([S || #{state := S} <- all_workers()]) =:= [embryo, ready] end) end,
    Settled(),
    {D, {C, _}, M} = {descriptors(), children(), resident_kb()},
    %% With a handle of each that dies.
    Kept = [begin R = act(make, file("kept")), kill_9(act(os_pid, 0)), R end || _ <- lists:seq(1, 10)],
    Crash(times(200)),
    use(Kept),
    erlang:garbage_collect(),
    Settled(),
    wait(fun() -> erlang:garbage_collect(), descriptors() =< D + 2 end),
    wait(fun() -> {C2, Zombies} = children(), C2 =< C andalso Zombies =:= 0 end),
    case resident_kb() of
        M2 when M2 < M + 20000 -> ok;
        M2 -> exit({kilobytes, M, M2})
    end.

%% ---- the end of the VM ----

child(Dir, Mode, "print") ->
    [put(K, V) || {K, V} <- [{dir, Dir}, {mode, Mode}]],
    set(options(Mode)),
    ok = init(Dir),
    ok = act(print, 0),
    kill_9(list_to_integer(os:getpid())),
    timer:sleep(10000);
child(Dir, Mode, How) ->
    [put(K, V) || {K, V} <- [{dir, Dir}, {mode, Mode}]],
    set((options(Mode))#{spare => 1}),
    ok = init(Dir),
    wait(fun() -> ok = act(give, ok), length(workers()) =:= 2 end),
    [spawn(fun() -> act(What, 0) end) || What <- [pause, loop]],
    wait(fun() -> length(children_pids()) >= 3 end), % zygote, worker, spare
    %% An embryo, of another library.
    forget_loads(),
    ok = load(1, "w"),
    {nif_signal, 11} = reason(fun() -> remote_loads:crash() end),
    _ = embryo_of(remote_loads),
    io:format("pids ~p.~n", [children_pids()]),
    case How of
        "halt" -> halt(0);
        "killed" -> kill_9(list_to_integer(os:getpid())), timer:sleep(10000)
    end.
children_pids() ->
    [list_to_integer(P) || P <- string:lexemes(os:cmd("cat /proc/[0-9]*/stat 2>/dev/null | sed '/ (sh) /d; s/ (.*) / /' | awk '$3 == " ++ os:getpid() ++ " { print $1 }'"), "\n")].

child_output(How) ->
    os:cmd(lists:join($\s, [get(program), "run", filename:join(get(dir), "remote_tests.beam"), get(dir), get(program), atom_to_list(get(mode)), "child", How, "2>&1"])).

nothing_is_left(How) ->
    Out = child_output(How),
    {match, [Pids]} = re:run(Out, "pids (\\[[^]]*\\])", [{capture, [1], list}]),
    {ok, Tokens, _} = erl_scan:string(Pids ++ "."),
    {ok, List} = erl_parse:parse_term(Tokens),
    wait(fun() -> not lists:any(fun gone_or_not/1, List) end).
gone_or_not(Pid) -> os:cmd("test -d /proc/" ++ integer_to_list(Pid) ++ " && ! grep -q '^State:.Z' /proc/" ++ integer_to_list(Pid) ++ "/status && echo yes") =:= "yes\n".
