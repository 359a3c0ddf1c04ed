%% Native calls as Erlang sees them: prints TAP. The C side is libs/native_tests_nif.c.
-module(native_tests).
-export([main/1, init/1]).
-nifs([act/2, dirty_cpu/2, dirty_io/2, make_bomb/0, count/3]).
-export([act/2, dirty_cpu/2, dirty_io/2, make_bomb/0, count/3]).
-isolation(#{timeout => 2000}).

%% How long anything may take before it counts as hanging, in ms. A busy machine is slow; nothing waits for as long.
-define(PATIENCE, 60000).

init(Dir) -> erlang:load_nif(filename:join(Dir, "native_tests_nif"), 0).

act(_, _) -> erlang:nif_error(not_loaded).
dirty_cpu(_, _) -> erlang:nif_error(not_loaded).
dirty_io(_, _) -> erlang:nif_error(not_loaded).
make_bomb() -> erlang:nif_error(not_loaded).
count(_, _, _) -> erlang:nif_error(not_loaded).

main([Dir]) ->
    ok = init(Dir),
    Tests = tests(Dir),
    io:format("1..~b~n", [length(Tests)]),
    lists:foldl(fun({Name, Fun}, N) -> run(N, Name, Fun), N + 1 end, 1, Tests).

run(N, Name, Fun) ->
    {Pid, Ref} = spawn_monitor(fun() -> Fun(), exit(passed) end),
    receive
        {'DOWN', Ref, process, Pid, passed} -> io:format("ok ~b - ~s~n", [N, Name]);
        {'DOWN', Ref, process, Pid, Why} -> io:format("not ok ~b - ~s~n# ~p~n", [N, Name, Why])
    after ?PATIENCE ->
        io:format("not ok ~b - ~s~n# hangs~n", [N, Name])
    end.

%% What a process that runs Fun exits with.
reason(Fun) ->
    {Pid, Ref} = spawn_monitor(Fun),
    receive {'DOWN', Ref, process, Pid, Reason} -> Reason end.

with(Options, Fun) ->
    ok = isolation:set(?MODULE, Options),
    try Fun() after isolation:set(?MODULE,
        #{mode => in_process, timeout => 2000, crash => exit, stack => 1 bsl 20, verify => false}) end.

tests(Dir) ->
    [{"a native function returns",
      fun() -> [1, {two}] = act(give, [1, {two}]) end},
     {"it raises, and that is caught like any error",
      fun() -> badarg = try act(badarg, 0) catch error:E -> E end,
               {my, reason} = try act(raise, {my, reason}) catch error:E2 -> E2 end end},
     {"a crash ends the caller; catch and after do not see it",
      fun() -> Me = self(),
               {nif_signal, 11} = reason(fun() -> try act(crash, 0) catch _:_ -> Me ! caught after Me ! 'after' end end),
               receive X -> exit({seen, X}) after 0 -> ok end end},
     {"crash => raise makes it an exception that can be caught",
      fun() -> with(#{crash => raise}, fun() -> {nif_signal, 11} = try act(crash, 0) catch exit:R -> R end,
                                                ok = act(give, ok) end) end},
     {"links see the reason",
      fun() -> process_flag(trap_exit, true),
               Pid = spawn_link(fun() -> act(crash, 0) end),
               receive {'EXIT', Pid, {nif_signal, 11}} -> ok end end},
     {"dirty functions run on dirty schedulers and return",
      fun() -> {2, x} = dirty_cpu(where, x), {3, y} = dirty_io(where, y), {1, z} = act(where, z) end},
     {"dirty functions raise with their own name in the trace",
      fun() -> try dirty_cpu(badarg, 0) catch error:badarg:S -> [{?MODULE, dirty_cpu, _, _} | _] = S end end},
     {"a crash of a dirty function ends its caller",
      fun() -> {nif_signal, 11} = reason(fun() -> dirty_cpu(crash, 0) end),
               {nif_signal, 8} = reason(fun() -> dirty_io(divide, 7) end) end},
     {"an endless dirty function ends in time",
      fun() -> with(#{timeout => 100}, fun() -> {nif_timeout, 100} = reason(fun() -> dirty_cpu(loop, 0) end) end) end},
     {"enif_schedule_nif continues with other arguments, a thousand times",
      fun() -> 1000 = count(0, 1000, normal) end},
     {"and moves between kinds of schedulers",
      fun() -> 300 = count(0, 300, mixed) end},
     {"others run meanwhile",
      fun() -> Pid = spawn(fun() -> count(0, 1 bsl 26, normal) end),
               [receive after 1 -> ok end || _ <- lists:seq(1, 20)], true = is_process_alive(Pid), exit(Pid, kill) end},
     {"a process that is killed while its function waits to go on takes it along",
      fun() -> Pid = spawn(fun() -> count(0, 1 bsl 26, normal) end), timer:sleep(20),
               exit(Pid, kill), wait(fun() -> not is_process_alive(Pid) end) end},
     {"an endless loop ends with the timeout of the attribute",
      fun() -> #{timeout := 2000, origin := #{timeout := T}} = isolation:info(?MODULE),
               true = lists:member(T, [attribute, set]),
               with(#{timeout => 60}, fun() -> {nif_timeout, 60} = reason(fun() -> act(loop, 0) end) end) end},
     {"a stack that was asked for is there",
      fun() -> {nif_panic, stack_overflow, [_ | _]} = reason(fun() -> act(use_stack, 3 bsl 20) end),
               with(#{stack => 8 bsl 20}, fun() -> ok = act(use_stack, 3 bsl 20) end) end},
     {"a word that is no term is not let in",
      fun() -> [{W, {nif_panic, {bad_term, _}, _}} = {W, reason(fun() -> act(return_word, W) end)}
                || W <- [16#123456789a, 16#7ffffffffb, 16#1b, 16#2b, 0, 1, 2, 3 bsl 46 + 2, 16#500000000002]],
               {nif_panic, {bad_term, _}, _} = reason(fun() -> act(tuple_of_word, 16#7fff12345002) end) end},
     {"nor is an argument of an earlier call, nor one that is off by a word",
      fun() -> [{T, {nif_panic, {bad_term, _}, _}} = {T, after_keeping(T, fun() -> act(return_kept, 0) end)} || T <- terms()],
               [{T, {nif_panic, {bad_term, _}, _}} = {T, reason(fun() -> act(one_word_on, T) end)}
                   || T <- [{1, self()}, #{self() => 1}]] end},
     {"verify => true: nor inside of what is built, raised or scheduled, nor anything that is off by a word",
      fun() -> with(#{verify => true}, fun() ->
                   [{T, How, {nif_panic, {bad_term, _}, _}} = {T, How, after_keeping(T, fun() -> act(How, self()) end)}
                    || T <- terms(), How <- [return_kept, tuple_of_kept, list_of_kept, raise_kept, schedule_kept]],
                   [{T, {nif_panic, {bad_term, _}, _}} =
                       {T, reason(fun() -> act(one_word_on, T) end)} || T <- terms(), not is_list(T)] end) end},
     {"verify => true: what is in order passes",
      fun() -> with(#{verify => true}, fun() ->
                   [begin T = act(give, T), {1, T} = act(where, T),
                       T = try act(raise, T) catch error:E -> E end, T = act(give, T) end
                    || T <- [0, ok, [], {}, <<>>, self(), <<1:3>>, [hd(terms()) | tail],
                        maps:from_list([{N, {N}} || N <- lists:seq(1, 100)]),
                        {terms(), lists:seq(1, 5000)} | terms()]],
                   badarg = try act(badarg, 0) catch error:badarg -> badarg end, {2, x} = dirty_cpu(where, x),
                   100 = count(0, 100, mixed), {nif_signal, 11} = reason(fun() -> act(crash, 0) end) end) end},
     {"verify => true: a write to the caller's heap is noticed, and nothing goes on with it",
      fun() -> with(#{verify => true, crash => raise}, fun() ->
                   [{T, {nif_panic, heap_corrupted, _}} = {T, reason(fun() -> catch act(write_into, T) end)}
                    || T <- [{1, self()}, [1, self()], list_to_binary(pid_to_list(self())),
                        binary:copy(<<"large">>, 100)]] end), ok = act(give, ok) end},
     {"a pointer that is none, given to the API, is the library's fault",
      fun() -> {nif_signal, 11} = reason(fun() -> act(get_into_null, 5) end) end},
     {"waits inside the API end in time too",
      fun() -> with(#{timeout => 60}, fun() ->
                   [{nif_timeout, 60} = reason(fun() -> act(F, 0) end) || F <- waits(erlang:system_info(build_type))] end) end},
     {"other misuse of the API ends the caller, or nobody",
      fun() -> {nif_signal, 11} = reason(fun() -> act(null_env, 0) end),
               {nif_signal, 11} = reason(fun() -> act(null_env, 4096) end),
               _ = reason(fun() -> act(release_twice, 0) end),
               7 = act(write_argv, 7),
               _ = reason(fun() -> act(return_none, 0) end),
               ok = act(give, ok) end},
     {"freeing twice is seen by the library's own heap",
      fun() -> case erlang:system_info(build_type) of
                   opt -> {nif_signal, 6} = reason(fun() -> act(free_twice, 0) end);
                   _ -> ok % a sanitizer has the heap, and ends the program there
               end end},
     {"what changes the signals of the VM by raw system calls is contained as well",
      fun() -> raw_signal_calls(erlang:system_info(build_type)), ok = act(give, ok) end},
     {"kin of exec, exit and cancellation that libc reaches by inner names",
      fun() -> {nif_policy, exec} = reason(fun() -> act(execl, 0) end),
               {nif_exit, 9} = reason(fun() -> act(errx, 9) end),
               {nif_panic, thread_exit, _} = reason(fun() -> act(cancel, 0) end),
               ok = act(give, ok) end},
     {"the alignment check flag does not reach the VM",
      fun() -> _ = reason(fun() -> act(check_alignment, 0) end), ok = act(give, ok) end},
     {"a binary given away twice is the library's fault",
      fun() -> {nif_panic, {bad_handle, enif_make_binary}, _} = reason(fun() -> act(make_twice, 0) end) end},
     {"a panic has its text and its trace",
      fun() -> {nif_panic, <<"no [17,{a}] today">>, [{nif, <<"native_tests_nif.so">>, _, [{offset, _}]} | _]} =
                   reason(fun() -> act(panic, [17, {a}]) end) end},
     {"exit, abort, assert",
      fun() -> {nif_exit, 3} = reason(fun() -> act(exit, 3) end),
               {nif_signal, 6} = reason(fun() -> act(abort, 0) end),
               {nif_panic, Text, _} = reason(fun() -> act(assert, 0) end),
               {_, _} = binary:match(Text, <<"native_tests_nif.c:">>) end},
     {"what was half built is dropped",
      fun() -> [{nif_signal, 11} = reason(fun() -> act(build_and_crash, 10000) end) || _ <- lists:seq(1, 200)],
               {total, M0} = {total, erlang:memory(total)},
               [{nif_signal, 11} = reason(fun() -> act(build_and_crash, 10000) end) || _ <- lists:seq(1, 200)],
               true = erlang:memory(total) < M0 + 4000000 end},
     {"a crash in a destructor is reported and nobody ends",
      fun() -> #{crashes := C0} = isolation:info(?MODULE), make_bomb(), erlang:garbage_collect(),
               wait(fun() -> maps:get(crashes, isolation:info(?MODULE)) > C0 end), ok = act(give, ok) end},
     {"a thread of the library begins as a whole, or is refused",
      fun() -> threads_without_memory(erlang:system_info(build_type)) end},
     {"threads of the library come and go, a thousand of them",
      fun() ->
          Calls = [spawn_monitor(fun() ->
              ok = act(threads, 0), [receive sent -> ok end || _ <- lists:seq(1, 20)] end) || _ <- lists:seq(1, 50)],
          [receive {'DOWN', R, process, P, Why} -> normal = Why end || {P, R} <- Calls] end},
     {"a thread of the library crashes alone",
      fun() -> crash_in_thread(erlang:system_info(build_type)), ok = act(give, ok) end},
     {"a library whose load crashes is not loaded",
      fun() -> {error, {load, _}} = fresh("crash_in_load", Dir) end},
     {"nor one whose constructor crashes",
      fun() -> {error, {load_failed, _}} = fresh("crash_in_constructor", Dir) end},
     {"others still load afterwards",
      fun() -> ok = fresh("load_well", Dir) end},
     {"info tells what happened",
      fun() ->
          #{mode := in_process, calls := Calls, crashes := Crashes, last_crash := #{reason := R, time := T}} =
          isolation:info(?MODULE),
               true = Calls > 1000, true = Crashes > 10, true = is_tuple(R), true = T > 1700000000,
               true = lists:member(?MODULE, isolation:libraries()) end},
     {"bad options change nothing",
      fun() -> Before = isolation:info(?MODULE),
               [{bad_option, _} = try isolation:set(?MODULE, O) catch error:E -> E end
                || O <- [#{mode => wild}, #{colour => red}, nonsense, #{timeout => 0},
                    #{timeout => soon}, #{stack => 1}, #{crash => boom}]],
               Before = maps:merge(isolation:info(?MODULE), maps:with([calls], Before)) end}].

wait(Fun) -> wait(Fun, ?PATIENCE div 20).
wait(_, 0) -> exit(waited_in_vain);
wait(Fun, N) -> case Fun() of true -> ok; false -> timer:sleep(10), wait(Fun, N - 1) end.

%% On the heap, that is, no literals.
terms() ->
    [list_to_tuple(lists:seq(1, 5)), lists:seq(1, 5), #{self() => 1}, 1 bsl 70 + length(processes()),
        list_to_binary(pid_to_list(self())),
            binary:copy(<<"large">>, 100), float(length(processes())), fun() -> self() end, make_ref()].

%% What a process that runs Fun exits with, when the library has kept a term of another one, since dead. Its heap is not
%% where that of the other was.
after_keeping(T, Fun) ->
    {Pid, Ref} = spawn_monitor(fun() -> receive go -> Fun() end end),
    normal = reason(fun() -> ok = act(keep, T) end),
    Pid ! go,
    receive {'DOWN', Ref, process, Pid, Reason} -> Reason end.

%% Loads a module made here, whose only business is to load the library of the same name.
fresh(Name, Dir) ->
    Module = list_to_atom(Name),
    {ok, Module, Code} = {ok, Module, element(2, file:read_file(filename:join(Dir, Name ++ ".beam")))},
    {module, Module} = code:load_binary(Module, Name ++ ".beam", Code),
    Module:init(Dir).

%% A sanitizer does not live without memory.
threads_without_memory(opt) ->
    {N, Refused} = act(threads_without_memory, 0), {_, _, true} = {N, Refused, N > 10 andalso Refused > 10};
threads_without_memory(_) -> ok.
crash_in_thread(tsan) -> ok; % it keeps a record of each thread, which does not get over this
crash_in_thread(_) -> ok = act(crash_in_thread, 0).

raw_signal_calls(tsan) -> ok; % its own handlers go
raw_signal_calls(_) ->
    {nif_signal, 11} = reason(fun() -> act(raw_mask, 0) end),
    {nif_signal, 11} = reason(fun() -> act(raw_action, 0) end),
    {nif_panic, stack_overflow, _} = reason(fun() -> act(raw_altstack, 0) end).

%% TSan keeps signals back while a thread waits for a lock.
waits(tsan) -> [];
waits(_) -> [deadlock, wait_for_ever].
