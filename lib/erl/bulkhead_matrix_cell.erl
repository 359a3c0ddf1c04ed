%% One cell of `bulkhead matrix`: a fresh VM in which one misdeed is committed, and what is seen of it.
%%
%%   bulkhead_matrix                 this program, another VM
%%     starts it ─────────────────►  bystanders start; a good call is timed
%%                                   caller ──► native misdeed
%%                                   how did the caller end? do all go on? is all data as it was?
%%     reads the file when  ◄──────  each answer is appended to a file at once: what was seen before
%%     the program has ended         the VM died is known, and closed descriptors do not matter
-module(bulkhead_matrix_cell).
-export([main/1, library/1, read/2]).
-export([cxx_exception/0, missing_api/0, verified/0, stale/0, load/0, upgrade/0, unload/0, destructor/0, down/0,
         forge_ring/0, forge_race/0, forge_socket/0, killed/0]).

-define(BYSTANDERS, 20).
-define(NIF, bulkhead_matrix_nif).
-define(PATIENCE, 60000).      % ms for what is expected: long, for a busy machine
-define(SHORT_PATIENCE, 500).  % where nothing will end the call
-define(KEY, {?MODULE, shared}).

%% The file of a native library that came with the VM.
library(Name) ->
    filename:join([filename:dirname(filename:dirname(code:which(?MODULE))), "priv", Name]).

main([Name, File]) ->
    put(file, File),
    put(has_timers, has_timers()),
    Row = bulkhead_matrix_gallery:row(list_to_atom(Name)),
    Shared = prepare(Row),
    Bystanders = [spawn(fun() -> bystander(Shared) end) || _ <- lists:seq(1, ?BYSTANDERS)],
    _ = look(Bystanders),
    Before = digest(),
    cost_of_good_call(Row),
    report(started),
    Outcome = misdeed(Row, Shared),
    report({caller, Outcome}),
    report({bystanders, going_on(Bystanders), ?BYSTANDERS}),
    report({data, damage(Bystanders, Before)}),
    report({library, serves(Row)}),
    report({info, info()}),
    report({vm, works()}),
    report(finished),
    halt(0).

%% A mode without timeouts may lose a scheduler to a call, and the timers on it: then only looking at the
%% clock again and again tells how late it is.
has_timers() ->
    #{mode := Mode} = isolation:info(default),
    {Mode, _, Able} = lists:keyfind(Mode, 1, isolation:modes()),
    lists:member(timeout, Able).

pause(Ms) ->
    case get(has_timers) of
        true -> timer:sleep(Ms);
        false -> spin_until(now_ms() + Ms)
    end.

spin_until(End) ->
    case now_ms() < End of
        true -> erlang:yield(), spin_until(End);
        false -> ok
    end.

now_ms() -> erlang:monotonic_time(millisecond).

%% Where nothing contains a call nothing is promised either.
patience() ->
    case get(has_timers) of
        true -> ?PATIENCE;
        _ -> 2000
    end.

%% ---- the report: one term a line, marked with the OS process that saw it ----

report(Term) ->
    Line = [base64:encode(term_to_binary({os:getpid(), Term})), $\n],
    ok = file:write_file(get(file), Line, [append, raw]).

%% What the OS process OsPid reported.
read(File, OsPid) ->
    case file:read_file(File) of
        {ok, Text} ->
            Lines = binary:split(Text, <<"\n">>, [global, trim_all]),
            [Term || Line <- Lines, {Pid, Term} <- [decode(Line)], Pid =:= OsPid];
        {error, _} ->
            []
    end.

decode(Line) ->
    try binary_to_term(base64:decode(Line)) catch _:_ -> bad_line end.

%% ---- what others hold ----

prepare(#{name := Name}) ->
    case lists:member(Name, [load, missing_api, unload]) of
        true -> ok; % brings its own
        false -> ok = ?NIF:init(none)
    end,
    Shared = binary:copy(<<"shared by all ">>, 8192),
    persistent_term:put(?KEY, {Name, "a tuple that all processes share", 1.5, 1 bsl 100, Shared}),
    ets:new(?MODULE, [named_table, public]),
    ets:insert(?MODULE, [{N, {row, N, integer_to_list(N)}} || N <- lists:seq(1, 100)]),
    Shared.

%% Counts, and knows what its data must be.
bystander(Shared) ->
    Data = {Shared, lists:seq(1, 200), maps:from_list([{N, {N, float(N)}} || N <- lists:seq(1, 50)]),
            binary:copy(<<"own">>, 100), 3.25, 1 bsl 200, self(), fun() -> Shared end},
    count(0, Data, digest(Data)).

count(N, Data, Digest) ->
    receive
        {look, From} -> From ! {self(), N}, count(N, Data, Digest);
        {verify, From} -> From ! {self(), digest(Data) =:= Digest}, count(N, Data, Digest)
    after 1 ->
        count(N + 1, Data, Digest)
    end.

digest(Term) ->
    erlang:md5(term_to_binary(Term)).

digest() ->
    #{persistent_term => digest(persistent_term:get(?KEY)),
      table => digest(lists:sort(ets:tab2list(?MODULE))),
      code => digest(bulkhead_matrix_gallery:rows()),
      atoms => digest([atom_to_list(M) || M <- [persistent_term, table, code, atoms]])}.

damage(Bystanders, Before) ->
    After = try digest() catch _:_ -> #{} end,
    Processes = length([x || Intact <- ask(Bystanders, verify), Intact =/= true]),
    lists:sort([What || {What, D} <- maps:to_list(Before), maps:get(What, After, gone) =/= D])
        ++ [{processes, Processes} || Processes > 0].

ask(Pids, Question) ->
    [Pid ! {Question, self()} || Pid <- Pids],
    End = now_ms() + patience(),
    [answer(Pid, End) || Pid <- Pids].

answer(Pid, End) ->
    receive {Pid, Answer} -> Answer
    after 0 ->
        case now_ms() < End of
            true -> pause(1), answer(Pid, End);
            false -> silent
        end
    end.

look(Bystanders) -> ask(Bystanders, look).

%% How many count on from now; a busy machine gets some time for it.
going_on(Bystanders) ->
    going_on(Bystanders, look(Bystanders), 500).

going_on(Bystanders, Before, Tries) ->
    pause(10),
    Going = length([x || {B, A} <- lists:zip(Before, look(Bystanders)), is_integer(A), is_integer(B), A > B]),
    case Going < ?BYSTANDERS andalso Tries > 0 of
        true -> going_on(Bystanders, Before, Tries - 1);
        false -> Going
    end.

%% Does the VM still do what VMs do?
works() ->
    Pid = spawn(fun() -> answer_once(lists:sum(lists:map(fun(N) -> N * N end, lists:seq(1, 100)))) end),
    case ask([Pid], sum) of
        [338350] -> erlang:garbage_collect(), alive;
        _ -> stuck
    end.

answer_once(Answer) ->
    receive {_, From} -> From ! {self(), Answer} end.

serves(#{name := Name}) when Name =:= load; Name =:= missing_api; Name =:= upgrade; Name =:= unload ->
    none; % there is no library to serve
serves(_) ->
    serves(0, now_ms() + patience()).

%% {after_lost, N}: so many callers came to grief first.
serves(Lost, End) ->
    Pid = spawn(fun() -> Sum = ?NIF:add(20, 22), answer_once(Sum) end),
    Ref = monitor(process, Pid),
    Pid ! {sum, self()},
    case sum_from(Pid, Ref, End) of
        42 when Lost =:= 0 -> true;
        42 -> {after_lost, Lost};
        {lost, Reason} ->
            case now_ms() < End andalso Lost < 500 of
                true -> pause(10), serves(Lost + 1, End);
                false -> {false, Reason}
            end;
        Other -> {false, Other}
    end.

sum_from(Pid, Ref, End) ->
    receive
        {Pid, Sum} -> Sum;
        {'DOWN', Ref, process, Pid, Reason} when Reason =/= normal -> {lost, Reason}
    after 0 ->
        case now_ms() < End of
            true -> pause(1), sum_from(Pid, Ref, End);
            false -> silent
        end
    end.

info() ->
    maps:with([crashes, last_crash], isolation:info(?NIF)).

%% ---- cost ----

%% ns of a call that adds two numbers: the best of some rounds.
cost_of_good_call(#{how := How}) ->
    case erlang:function_exported(?NIF, add, 2) andalso not lists:member(How, [load, missing_api, unload]) of
        true -> report({good_call_ns, lists:min([round_of_calls(100) || _ <- lists:seq(1, 5)])});
        false -> ok
    end.

round_of_calls(N) ->
    T0 = erlang:monotonic_time(nanosecond),
    calls(N),
    (erlang:monotonic_time(nanosecond) - T0) div N.

calls(0) -> ok;
calls(N) -> 42 = ?NIF:add(20, 22), calls(N - 1).

%% ---- the misdeed ----

misdeed(#{name := Name, how := How}, Shared) ->
    Me = self(),
    File = get(file),
    {_, Ref} = spawn_monitor(fun() ->
        put(file, File),
        Act = act(Name, How, Shared),
        Me ! {called, erlang:monotonic_time(nanosecond)},
        exit({returned, plain(Act())})
    end),
    Outcome = case get(has_timers) of
        true -> outcome(Ref, ?PATIENCE, 0);
        false -> outcome(Ref, 0, now_ms() + ?SHORT_PATIENCE)
    end,
    Now = erlang:monotonic_time(nanosecond),
    receive {called, At} -> report({outcome_ns, Now - At}) after 0 -> ok end,
    Outcome.

%% Waits Ms, then looks until End.
outcome(Ref, Ms, End) ->
    receive
        {'DOWN', Ref, process, _, {returned, Value}} -> {returned, Value};
        {'DOWN', Ref, process, _, Reason} -> {exit, Reason}
    after Ms ->
        case now_ms() < End of
            true -> erlang:yield(), outcome(Ref, Ms, End);
            false -> hangs
        end
    end.

act(Name, commit, _) -> fun() -> ?NIF:commit(Name, none) end;
act(Name, {commit, What}, Shared) -> Argument = argument(What, Shared), fun() -> ?NIF:commit(Name, Argument) end;
act(_, Function, _) -> fun ?MODULE:Function/0.

argument(shared_binary, Shared) -> Shared;
argument(shared_term, _) -> persistent_term:get(?KEY);
argument(own_term, _) -> list_to_tuple(lists:seq(1, 8));
argument(vm_memory, _) -> vm_memory();
argument(vm_process, _) -> list_to_integer(os:getpid());
argument(vm_process_and_memory, _) -> {list_to_integer(os:getpid()), vm_memory()}.

%% Where the variables of this program are: [{Start, Bytes}].
vm_memory() ->
    {ok, Maps} = file:read_file("/proc/self/maps"),
    {ok, Program} = file:read_link("/proc/self/exe"),
    [range(Range) || Line <- binary:split(Maps, <<"\n">>, [global, trim_all]),
                     [Range, <<"rw-p">> | Rest] <- [binary:split(Line, <<" ">>, [global, trim_all])],
                     lists:last(Rest) =:= list_to_binary(Program)].

range(Text) ->
    [Low, High] = [binary_to_integer(N, 16) || N <- binary:split(Text, <<"-">>)],
    {Low, High - Low}.

%% Values are told to another VM: handles mean nothing there.
plain(Value) when is_reference(Value); is_pid(Value); is_function(Value) -> handle;
plain(Value) -> Value.

%% Waits for the VM to note a crash that no caller is told of.
crash_reported(Act) ->
    #{crashes := Before} = isolation:info(?NIF),
    Act(),
    crash_reported(Before, ?PATIENCE div 5).

crash_reported(_, 0) -> unnoticed;
crash_reported(Before, Tries) ->
    erlang:garbage_collect(),
    timer:sleep(5),
    case isolation:info(?NIF) of
        #{crashes := Crashes} when Crashes > Before -> reported;
        _ -> crash_reported(Before, Tries - 1)
    end.

cxx_exception() ->
    ok = bulkhead_matrix_cxx_nif:init(),
    bulkhead_matrix_cxx_nif:toss().

missing_api() ->
    bulkhead_matrix_gap_nif:init().

verified() ->
    ?NIF:commit(write_own_term, argument(own_term, none)).

stale() ->
    ?NIF:commit(keep_term, list_to_tuple(lists:seq(1, 500))),
    erlang:garbage_collect(),
    _ = [spawn(fun() -> lists:seq(1, 300), timer:sleep(200) end) || _ <- lists:seq(1, 50)], % memory is used again
    ?NIF:commit(write_stale, none).

load() -> ?NIF:init(crash_in_load).

upgrade() ->
    {module, ?NIF} = code:load_file(?NIF),
    ?NIF:init(crash_in_upgrade).

unload() ->
    ok = ?NIF:init(crash_in_unload),
    crash_reported(fun() -> code:delete(?NIF), code:purge(?NIF) end).

destructor() ->
    crash_reported(fun() -> ?NIF:commit(make_bomb, none), ok end).

down() ->
    Pid = spawn(fun() -> receive stop -> ok end end),
    Resource = ?NIF:commit(watch, Pid),
    Result = crash_reported(fun() -> Pid ! stop end),
    put(keep, Resource),
    Result.

forge_ring() -> forge(forge_ring).
forge_socket() -> forge(forge_socket).

%% Again and again with other noise: a call that is refused shows in its caller only.
forge(What) ->
    [begin
         {Pid, Ref} = spawn_monitor(fun() -> ?NIF:commit(What, Seed) end),
         receive {'DOWN', Ref, process, Pid, _} -> ok after ?PATIENCE -> exit(hangs) end
     end || Seed <- [1, 2, 3]],
    ?NIF:commit(What, 4).

%% Calls go on beside the forger, for as long as its worker lasts; then a few more.
forge_race() ->
    _ = ?NIF:commit(forge_race, none),
    calls_until(now_ms() + 150).

calls_until(End) ->
    {Pid, Ref} = spawn_monitor(fun() -> [42 = ?NIF:add(20, 22) || _ <- lists:seq(1, 1000)] end),
    Reason = receive {'DOWN', Ref, process, Pid, R} -> R after ?PATIENCE -> exit(hangs) end,
    case now_ms() < End of
        true -> calls_until(End);
        false -> exit(Reason)
    end.

%% Workers are killed while calls run in them: their callers are told, and nobody else.
killed() ->
    [kill_once(rand:uniform(3000)) || _ <- lists:seq(1, 4)],
    killed.

kill_once(AfterUs) ->
    Me = self(),
    {Pid, Ref} = spawn_monitor(fun() -> ?NIF:commit(busy, Me) end),
    receive begun -> ok after ?PATIENCE -> exit(does_not_begin) end,
    wait_us(AfterUs),
    #{workers := [_ | _] = Workers} = isolation:info(?NIF),
    os:cmd(["kill -9", [[" ", integer_to_list(OsPid)] || #{os_pid := OsPid} <- Workers]]),
    receive
        {'DOWN', Ref, process, Pid, {nif_signal, 9}} -> ok;
        {'DOWN', Ref, process, Pid, Other} -> exit({told, Other})
    after ?PATIENCE -> exit(not_told)
    end.

wait_us(Us) ->
    End = erlang:monotonic_time(microsecond) + Us,
    wait_until_us(End).

wait_until_us(End) ->
    case erlang:monotonic_time(microsecond) < End of
        true -> erlang:yield(), wait_until_us(End);
        false -> ok
    end.
