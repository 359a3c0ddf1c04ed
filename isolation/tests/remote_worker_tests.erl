%% Workers begin, serve, end and are replaced; what loads in them; and the end of the VM. Run by remote_tests.
-module(remote_worker_tests).
-export([tests/0, child/3]).
-include("remote_tests.hrl").
-import(remote_tests, [options/1, set/1, reason/1, ended/1, start/1, wait/1, file/1, release/1, letters/1,
    all_workers/0, workers/0, ready/0, kill_9/1, exists/1, number/1, descriptors/0, children/0, resident_kb/0,
    times/1, now_ms/0, seen_nested/2, other_mode/0, use/1, act/2, dirty_cpu/2, init/1]).

tests() ->
    [{"a call returns, raises, and keeps what is between calls",
      fun() -> [1, {two}] = act(give, [1, {two}]),
               badarg = try act(badarg, 0) catch error:E -> E end,
               {my, reason} = try act(throw, {my, reason}) catch error:E2 -> E2 end,
               N = act(calls, 0), true = act(calls, 0) =:= N + 1,
               true = integer_to_list(act(os_pid, 0)) =/= os:getpid(),
               true = self() =:= act(self, 0) end},
     {"each signal ends the caller with its number", fun signals/0},
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
     {"what ended it is told, also if that is a signal of crashes", fun killed_by/0},
     {"killed at random points of a loop of calls", fun random_kills/0},
     {"every caller in flight gets its reason",
      fun() -> File = file("in_flight"), Calls = [start(fun() -> act(note, {File, 100000}) end) || _ <- lists:seq(1, 8)],
               wait(fun() -> length(letters(File)) =:= 8 end), [#{os_pid := Pid}] = ready(), kill_9(Pid),
               [{nif_signal, 9} = ended(C) || C <- Calls] end},
     {"calls that had not begun run on the new worker, a call that had begun never twice", fun queued/0},
     {"an endless call ends in time, in C, in libc, asleep", fun timeouts/0},
     {"a timeout is changed while the worker lives",
      fun() -> set(#{timeout => 50}), {nif_timeout, 50} = reason(fun() -> act(pause, 0) end),
               set(#{timeout => infinity}), ok = act(give, ok), set(#{timeout => 100}),
               {nif_timeout, 100} = reason(fun() -> act(loop, 0) end),
               set(#{timeout => 50}), wait(fun() -> reason(fun() -> act(give, ok) end) =:= {returned, ok} end),
               set(#{timeout => ?PATIENCE}), 400 = act(sleep, 400),
               set(#{timeout => infinity}), 300 = act(sleep, 300) end},
     {"whatever follows small calls in a row is what it would be alone", fun after_small_calls/0},
     {"exit(Pid, kill) ends the native code, other calls of the same worker go on", fun killed_callers/0},
     {"slow calls do not hold up schedulers", fun not_blocked/0},
     {"threads => 1 makes a library one call at a time",
      fun() ->
          set(#{threads => 1}), act(raise_signal, 9 - 9), set(#{mode => other_mode()}), ok = act(give, ok),
          set(#{mode => get(mode)}),
               ok = act(give, ok), T0 = now_ms(), Calls = [start(fun() -> act(sleep, 50) end) || _ <- lists:seq(1, 4)],
               [{returned, 50} = ended(C) || C <- Calls], true = now_ms() - T0 >= 200 end},
     {"a pool spreads calls; resources go to their worker", fun pool/0},
     {"a spare is there at once", fun spare/0},
     {"after a crash the next worker is made of an embryo", fun embryo/0},
     {"too many deaths open the circuit, and it closes again", fun circuit/0},
     {"workers that other options replace count for nothing",
      fun() -> #{restarts := N} = isolation:info(remote_tests), set(#{restart => #{max => 0, within => 60000}}),
               [begin set(#{stack => 1 bsl Bits}), ok = act(give, ok) end || Bits <- [17, 18, 19]],
               #{restarts := N, circuit := closed} = isolation:info(remote_tests) end},
     {"load runs anew in a new worker; upgrade, purge and unload", fun upgrade/0},
     {"what is loaded, purged and set while a load or a batch is on its way", fun meanwhile/0},
     {"a load that fails, crashes, ends or does not end", fun bad_loads/0},
     {"the mode changes: among workers at once, to the VM at the next load", fun change_mode/0},
     {"a crash in a thread of the library ends its worker only",
      fun() ->
          erlang:system_info(build_type) =:= tsan orelse reason(fun() -> act(crash_in_thread, 0) end),
          wait(fun() -> act(give, ok) =:= ok end) end},
     {"crashes leave no descriptor, memory or zombie", fun many_crashes/0},
     {"what a library prints goes out by lines, also into a pipe", fun() ->
         {match, _} = re:run(child_output("print"), "printed by [0-9]+\n") end},
     {"nothing is left when the VM ends", fun() -> nothing_is_left("halt") end},
     {"nor when it is killed", fun() -> nothing_is_left("killed") end}].

%% Small calls in a row take a way of their own. What is not small, or slow, or does not return, or comes with another
%% option, leaves it at every point.
after_small_calls() ->
    Small = fun() -> [I = act(give, I) || I <- lists:seq(1, 40)] end,
    Calls = fun() -> lists:sum([N || #{calls := N} <- all_workers()]) end,
    Small(), Before = Calls(), Small(), 40 = Calls() - Before,
    Small(), Long = lists:seq(1, 100000), Long = act(give, Long),
    Small(), Bin = binary:copy(<<"b">>, 100000), Bin = act(give, Bin),
    Large = binary:copy(<<"l">>, 200000), act(store, Large), % so often that its memory is given back in between
    Small(), [Large = act(stored, 0) || _ <- lists:seq(1, 8000)],
    Small(), "a" = act(give, "a"), 1.5 = act(give, 1.5), [] = act(give, []), {} = act(give, {}), <<"b">> = act(give, <<"b">>),
    Small(), badarg = try act(badarg, 0) catch error:E -> E end,
    Small(), {my, reason} = try act(throw, {my, reason}) catch error:E2 -> E2 end,
    Small(), 20 = act(sleep, 20),
    Small(), Me = self(), Me = act(self, 0),
    Small(), R = act(make, file("after")), {N, P} = act(look, R), Small(), {N, P} = act(look, R),
    Small(), {nif_signal, 11} = reason(fun() -> Small(), act(crash, 0) end),
    Small(), Raised = try act(look, R) catch error:Lost -> Lost end, {nif_resource_lost, remote_tests} = Raised,
    Small(), {Pid, Ref} = start(fun() -> Small(), act(pause, 0) end), timer:sleep(20), exit(Pid, kill),
    killed = ended({Pid, Ref}),
    Small(), set(#{timeout => 50}), {nif_timeout, 50} = reason(fun() -> act(loop, 0) end),
    Small(), {nif_timeout, 50} = reason(fun() -> Small(), act(loop, 0) end),
    set(#{timeout => infinity}), Small(), 100 = act(sleep, 100),
    Small(), Was = act(os_pid, 0), set(#{mode => other_mode()}), Small(), true = Was =/= act(os_pid, 0),
    set(#{mode => get(mode)}), Small(),
    set(#{verify => true}), Small(), set(#{verify => false}),
    set(#{transport => socket, pool => 2}), Small(), set(#{transport => ring, pool => 1}), Small(),
    Ended = [start(fun() -> [Small() || _ <- lists:seq(1, 25)] end) || _ <- lists:seq(1, 8)],
    [{returned, _} = ended(C) || C <- Ended].

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
    wait(fun() -> maps:get(waiting, isolation:info(remote_tests)) =:= 10 end),
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
    wait(fun() -> maps:get(waiting, isolation:info(remote_tests)) =:= 1 end),
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
        release(F), {returned, F} = ended(C), R = act(make, file("pool" ++ integer_to_list(N))),
        {busy("pool_again" ++ integer_to_list(N)), R}
        end || {N, {F, C}} <- lists:zip([1, 2, 3], Each)]),
    [begin release(F), {returned, F} = ended(C) end || {F, C} <- Again],
    Owners = [element(2, act(look, R)) || R <- Rs],
    3 = length(lists:usort(Owners)),
    [begin {_, P} = act(look, R), [{_, P}] = isolation:call_many(remote_tests, act, [[look, R]]) end
        || {R, P} <- lists:zip(Rs, Owners), _ <- [1, 2, 3]],
    [R1, R2, _] = Rs,
    %% Two of different workers in one call: an error, not a hang.
    {nif_resource_elsewhere, remote_tests} = seen_nested(fun() -> act(give, [R1, R2]) end,
        {nif_resource_elsewhere, remote_tests}),
    ok = act(give, ok).
%% A call that goes on until its file is there, begun: {File, Call}.
busy(Name) ->
    _ = file(Name ++ ".begun"),
    F = file(Name),
    C = start(fun() -> act(await, F) end),
    wait(fun() -> letters(F ++ ".begun") =:= "b" end),
    {F, C}.

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
    many_spares(erlang:system_info(build_type)),
    set(#{spare => 0}).

%% As many as there may be, and each is shown.
many_spares(opt) ->
    set(#{pool => 32, spare => 32}),
    [wait(fun() -> length([S || #{state := S} <- workers(), S =:= State]) =:= 32 end) || State <- [ready, spare]],
    set(#{pool => 1, spare => 0}),
    wait(fun() -> length(ready()) =:= 1 end);
many_spares(_) -> ok. % those of a sanitizer are large

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
    First = embryo_of(remote_tests),
    nomatch = string:find(os:cmd("cat /proc/" ++ integer_to_list(First) ++ "/maps"), "remote_tests_nif"),
    Crash(),
    First = act(os_pid, 0),
    %% One that ends by itself harms nobody.
    Second = embryo_of(remote_tests),
    #{restarts := Restarts} = isolation:info(remote_tests),
    kill_9(Second),
    wait(fun() -> not exists(Second) end),
    First = act(os_pid, 0),
    Crash(),
    true = act(os_pid, 0) =/= Second,
    #{restarts := N} = isolation:info(remote_tests),
    N = Restarts + 1,
    %% Nor does one that does not run.
    Stopped = embryo_of(remote_tests),
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
         Old = embryo_of(remote_tests),
         set(Options),
         ok = act(give, ok),
         wait(fun() -> not exists(Old) end),
         Crash(),
         true = act(os_pid, 0) =/= Old
     end || Options <- [#{spare => 1}, #{transport => socket}, #{stack => 1 bsl 18}, #{timeout => 60000},
     #{mode => other_mode()}, #{mode => get(mode)}]],
    ok = act(give, ok).

%% A sanitizer ends the program in its own way.
killed_by() ->
    Crashes = case erlang:system_info(build_type) of opt -> [4, 5, 6, 7, 8, 11, 31]; _ -> [] end,
    [begin
         {Pid, File} = {act(os_pid, 0), file("by" ++ integer_to_list(N))},
         Call = start(fun() -> act(note, {File, 100000}) end),
         wait(fun() -> letters(File) =:= "n" end),
         os:cmd("kill -" ++ integer_to_list(N) ++ " " ++ integer_to_list(Pid)),
         {nif_signal, N} = ended(Call)
     end || N <- [1, 2, 15 | Crashes]].

circuit() ->
    opens(400),
    #{last_crash := #{reason := Last}, crashes := Crashes} = isolation:info(remote_tests),
    {nif_signal, 11} = Last, % calls that were refused are no crashes
    _ = [reason(fun() -> act(give, ok) end) || _ <- lists:seq(1, 20)],
    #{crashes := Crashes} = isolation:info(remote_tests),
    wait(fun() -> reason(fun() -> act(give, ok) end) =:= {returned, ok} end),
    wait(fun() -> maps:get(circuit, isolation:info(remote_tests)) =:= closed end), % a worker that was being started serves earlier
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
    wait(fun() -> maps:get(waiting, isolation:info(remote_tests)) =:= 3 end),
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
    Circuit = maps:get(circuit, isolation:info(remote_tests)),
    Next = reason(fun() -> act(give, ok) end),
    case {lists:last(Ends), Circuit, Next, now_ms() - T0 < Ms div 4} of
        {{nif_limit, restarts}, open, {nif_limit, restarts}, true} -> ok;
        _ -> wait(fun() -> reason(fun() -> act(give, ok) end) =:= {returned, ok} end), opens(4 * Ms)
    end.

%% ---- loading ----

load(Version, How) ->
    Info = filename:join(get(dir), atom_to_list(get(mode)) ++ "_load"),
    ok = file:write_file(Info, How),
    {module, remote_loads} = code:load_binary(remote_loads, "remote_loads",
        element(2, file:read_file(filename:join(get(dir), "remote_loads.beam")))),
    remote_loads:init(filename:join(get(dir), "remote_loads_" ++ integer_to_list(Version)), Info).
log() ->
    case file:read_file(filename:join(get(dir), atom_to_list(get(mode)) ++ "_load.log")) of
    {ok, B} -> binary_to_list(B); _ -> "" end.
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
meanwhile() ->
    forget_loads(),
    ok = load(1, "w"),
    Batch = start(fun() -> {isolation:call_many(remote_loads, nap, [[300], [1]]), act(give, own)} end),
    wait(fun() -> [B || #{busy := B} <- maps:get(workers, isolation:info(remote_loads)), B > 0] =/= [] end),
    forget_loads(),
    {returned, {[300, 1], own}} = ended(Batch),
    Info = filename:join(get(dir), atom_to_list(get(mode)) ++ "_load"),
    ok = file:write_file(Info, "s"),
    Init = fun() ->
        Answer = remote_loads:init(filename:join(get(dir), "remote_loads_1"), Info),
        {Answer, remote_loads:version()} end,
    {module, remote_loads} = code:load_binary(remote_loads, "remote_loads",
        element(2, file:read_file(filename:join(get(dir), "remote_loads.beam")))),
    Two = [start(Init), start(Init)],
    [{returned, {ok, {1, Pid}}}, {returned, {{error, {reload, _}}, {1, Pid}}}] = lists:sort([ended(T) || T <- Two]),
    forget_loads(),
    {module, remote_loads} = code:load_binary(remote_loads, "remote_loads",
        element(2, file:read_file(filename:join(get(dir), "remote_loads.beam")))),
    One = start(Init),
    wait(fun() -> lists:member($l, log()) end), % those that were loaded before may leave theirs late
    ok = isolation:set(remote_loads, #{mode => in_process}),
    {returned, {ok, {1, _}}} = ended(One),
    "l" = [L || L <- log(), L =:= $l],
    Mode = get(mode),
    #{active := Mode} = isolation:info(remote_loads),
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
         How =/= "f" orelse <<"unsuccessful (1).">> =:= string:find(element(2, Why), "unsuccessful") orelse exit(Why),
         timer:sleep(200),
         true = length(log()) - N < 60,
         ok = file:write_file(Info, "w"),
         wait(fun() -> element(1, Version()) =:= returned end),
         Timeout(infinity)
     end || How <- ["f", "c", "e", "l"]],
    {1, _} = remote_loads:version(),
    forget_loads().

%% ---- modes and crashes ----

change_mode() ->
    Modes = [M || {M, _, Can} <- isolation:modes(), lists:member(async, Can)],
    {Go, Slow} = busy("change_mode"),
    Pids = [begin set(#{mode => M}), P = act(os_pid, 0), [1, 2] = act(give, [1, 2]), P = act(os_pid, 0), P end
        || M <- Modes ++ Modes],
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
    Crash = fun(N) ->
        [case reason(fun() -> act(What, 9) end) of {nif_signal, _} -> ok end || I <- lists:seq(1, N),
            What <- [case I rem 3 of 0 -> raise_signal; _ -> crash end]] end,
    Crash(20),
    ok = act(give, ok),
    Settled = fun() ->
        wait(fun() -> ok = act(give, ok), lists:sort([S || #{state := S} <- all_workers()]) =:= [embryo, ready] end)
        end,
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
    [list_to_integer(P)
        || P <- string:lexemes(os:cmd("cat /proc/[0-9]*/stat 2>/dev/null | sed '/ (sh) /d; s/ (.*) / /' | awk '$3 == "
                ++ os:getpid() ++ " { print $1 }'"), "\n")].

child_output(How) ->
    os:cmd(lists:join($\s, [get(program), "run", filename:join(get(dir), "remote_tests.beam"), get(dir),
        get(program), atom_to_list(get(mode)), "child", How, "2>&1"])).

nothing_is_left(How) ->
    Out = child_output(How),
    {match, [Pids]} = re:run(Out, "pids (\\[[^]]*\\])", [{capture, [1], list}]),
    {ok, Tokens, _} = erl_scan:string(Pids ++ "."),
    {ok, List} = erl_parse:parse_term(Tokens),
    wait(fun() -> not lists:any(fun gone_or_not/1, List) end).
gone_or_not(Pid) ->
    os:cmd("test -d /proc/" ++ integer_to_list(Pid) ++ " && ! grep -q '^State:.Z' /proc/" ++ integer_to_list(Pid)
        ++ "/status && echo yes") =:= "yes\n".
