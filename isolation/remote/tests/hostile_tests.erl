%% Workers that do not keep to the protocol (hostile_worker.c): each ends its library's calls, and nothing else.
%% Prints TAP.   hostile_tests Path Seconds
-module(hostile_tests).
-export([main/1]).
-nifs([answer/0, silence/0, any_kind/0, wrong_number/0, answer_twice/0, answer_later/0, other_answer/0, header/0, term_header/0,
       term_bytes/0, other_handle/0, crash_record/0, questions/0, question_flood/0, send_flood/0, taken/0, stamps/0, rewrite/0,
       datagrams/0, datagram_flood/0, endless_message/0, descriptors/0, close_socket/0, ring_the_bell/0,
       stop/0, not_taken/0, exit/0,
       exit_in_the_middle/0]).
-export([answer/0, silence/0, any_kind/0, wrong_number/0, answer_twice/0, answer_later/0, other_answer/0, header/0, term_header/0,
         term_bytes/0, other_handle/0, crash_record/0, questions/0, question_flood/0, send_flood/0, taken/0, stamps/0, rewrite/0,
         datagrams/0, datagram_flood/0, endless_message/0, descriptors/0, close_socket/0, ring_the_bell/0,
         stop/0, not_taken/0, exit/0,
         exit_in_the_middle/0]).
-compile({no_auto_import, [exit/0]}).

-define(STUB(F), F() -> erlang:nif_error(not_loaded)).
?STUB(answer). ?STUB(silence). ?STUB(any_kind). ?STUB(wrong_number). ?STUB(answer_twice). ?STUB(answer_later). ?STUB(
    other_answer).
?STUB(header). ?STUB(term_header). ?STUB(term_bytes). ?STUB(other_handle). ?STUB(crash_record). ?STUB(questions).
?STUB(question_flood). ?STUB(send_flood). ?STUB(taken). ?STUB(stamps). ?STUB(rewrite). ?STUB(datagrams). ?STUB(datagram_flood).
?STUB(endless_message). ?STUB(descriptors). ?STUB(close_socket). ?STUB(ring_the_bell). ?STUB(stop). ?STUB(not_taken). ?STUB(exit).
?STUB(exit_in_the_middle).

%% How long anything may take before it counts as hanging, in ms. A busy machine is slow; nothing waits for as long.
-define(PATIENCE, 60000).

%% What may become of a call. violation: of this or the next, for what is wrong may come after an answer.
misdeeds() ->
    [{silence, timeout}, {any_kind, violation}, {wrong_number, violation}, {answer_twice, later}, {answer_later, later},
     {other_answer, violation}, {header, slow_violation}, {term_header, later}, {term_bytes, later}, {other_handle, violation},
     {crash_record, any}, {questions, violation}, {question_flood, slow_violation}, {send_flood, timeout},
     {taken, later}, {stamps, any},
     {rewrite, any}, {datagrams, violation}, {datagram_flood, slow_violation}, {endless_message, any}, {descriptors, ok},
     {close_socket, any}, {ring_the_bell, timeout}, {stop, timeout}, {not_taken, ok}, {exit, later_exit},
     {exit_in_the_middle, any}].

main([Path, Seconds]) ->
    Modes = [M || {M, _, Can} <- isolation:modes(), lists:member(async, Can)],
    Echo = spawn(fun Loop() -> receive {From, X} -> From ! {echo, X}, Loop() end end),
    put(echo, Echo),
    Tests = [{M, T, D} || M <- Modes, T <- [ring, socket], D <- misdeeds()],
    io:format("1..~b~n", [length(Tests) + length(Modes) + 3]),
    First = lists:foldl(fun({M, T, {What, Expected}}, I) ->
                        load(M, T, Path),
                        report(I,
                            [atom_to_list(M), ", ", atom_to_list(T), ": ", atom_to_list(What)],
                            catch check(What, Expected)),
                        I + 1
                    end, 1, Tests),
    N = lists:foldl(fun(M, I) ->
                        load(M, ring, Path),
                        report(I, [atom_to_list(M), ": a worker that never says what it has read"], catch never_taken()),
                        I + 1
                    end, First, Modes),
    report(N, "libraries that claim to be what they are not", catch claims(hd(Modes), Path)),
    report(N + 1, "any of them again and again", catch again(Modes, Path, now_ms() + list_to_integer(Seconds) * 1000, 0)),
    report(N + 2, "nothing is left behind", catch nothing_left()).

report(N, Name, ok) -> io:format("ok ~b - ~s~n", [N, Name]);
report(N, Name, Why) -> io:format("not ok ~b - ~s~n# ~p~n", [N, Name, Why]).

now_ms() -> erlang:monotonic_time(millisecond).

load(Mode, Transport, Path) ->
    Now = {Mode, Transport},
    case get(loaded) of
        Now -> ok;
        _ ->
            isolation:set(?MODULE, #{mode => Mode, transport => Transport, threads => 1, timeout => 100,
                restart => #{max => 255, within => 1}}),
            case get(loaded) of
                undefined -> ok = erlang:load_nif(Path, 0);
                _ -> ok % those that live have the old transport
            end,
            put(loaded, Now),
            _ = reason(fun() -> exit() end),
            _ = reason(fun() -> exit() end)
    end.

reason(Fun) ->
    {Pid, Ref} = spawn_monitor(fun() -> erlang:exit({returned, Fun()}) end),
    receive {'DOWN', Ref, process, Pid, Why} -> Why after ?PATIENCE -> error({hangs, erlang:process_info(Pid)}) end.
call(What) -> reason(fun() -> ?MODULE:What() end).

check(What, Expected) ->
    flush(),
    %% Where only a timeout ends a call it comes soon. Where it would be wrong it does not come because the machine is busy.
    ok = isolation:set(?MODULE,
        #{timeout => case lists:member(Expected, [violation, later, later_exit, ok]) of true -> ?PATIENCE div 2;
                false -> 100 end}),
    First = call(What),
    ok = isolation:set(?MODULE, #{timeout => 100}),
    Kinds = [kind(First)],
    true = fits(Expected, Kinds, What),
    %% The VM goes on, and so does the library: with a new worker, if need be.
    get(echo) ! {self(), What},
    receive {echo, What} -> ok after ?PATIENCE -> error(vm_is_slow) end,
    serves().

serves() -> serves(500).
serves(0) -> error(does_not_serve);
serves(N) ->
    case call(answer) of
        {returned, ok} -> ok;
        {nif_panic, _, _} -> serves(N - 1);
        {nif_signal, 9} -> serves(N - 1);
        {nif_exit, 7} -> serves(N - 1);
        {nif_timeout, 100} -> serves(N - 1);
        Why -> error({answer, Why})
    end.

kind({returned, ok}) -> ok;
kind({returned, _}) -> value;
kind({nif_panic, protocol_violation, _}) -> violation;
kind({nif_panic, heap_corrupted, _}) -> violation; % shared_heap's word for a result that is no term
kind({nif_timeout, 100}) -> timeout;
kind({nif_signal, 9}) -> killed;
kind({nif_exit, _}) -> exit;
kind({Reason, Stack}) when is_list(Stack) -> {raised, Reason};
kind(Other) -> Other.

fits(any, _, _) -> true;
fits(violation, [violation], _) -> true;
fits(slow_violation, [K], _) -> lists:member(K, [violation, timeout]);
fits(timeout, [timeout], _) -> true;
fits(ok, [ok], _) -> true;
fits(later, [K], _) -> lists:member(K, [ok, value, violation]) orelse is_tuple(K);
fits(later_exit, [K], _) -> lists:member(K, [ok, exit]);
fits(Expected, Kinds, What) -> error({What, Expected, Kinds}).

%% The ring has 64 places. What finds it full has not begun, and runs on the next worker.
never_taken() ->
    #{restarts := Before} = isolation:info(?MODULE),
    [{returned, ok} = call(not_taken) || _ <- lists:seq(1, 100)],
    #{restarts := After} = isolation:info(?MODULE),
    true = After > Before,
    serves().

flush() -> receive _ -> flush() after 0 -> ok end.

claims(Mode, Path) ->
    [begin
         Name = list_to_atom("claim_" ++ [C]),
         ok = isolation:set(Name, #{mode => Mode, timeout => 300}),
         Forms = [{attribute, 1, module, Name}, {attribute, 1, export, [{answer, 0}, {init, 1}]},
                  {function, 1, answer, 0, [{clause, 1, [], [], [{atom, 1, none}]}]},
                  {function, 1, init, 1,
                      [{clause, 1, [{var, 1, 'P'}], [],
                              [{call, 1, {remote, 1, {atom, 1, erlang}, {atom, 1, load_nif}},
                                  [{var, 1, 'P'}, {integer, 1, 0}]}]}]}],
         {ok, Name, Beam} = compile:forms(Forms),
         {module, Name} = code:load_binary(Name, atom_to_list(Name), Beam),
         case reason(fun() -> Name:init(filename:join(filename:dirname(Path), atom_to_list(Name))) end) of
             {returned, {error, _}} -> ok;
             {nif_panic, protocol_violation, _} -> ok;
             Why -> error({C, Why})
         end
     end || C <- "12345678"],
    ok.

again(Modes, Path, Until, N) ->
    case now_ms() of
        T when T > Until -> io:format("# ~b calls~n", [N]), ok;
        _ ->
            case N rem 50 of
                0 -> load(lists:nth(rand:uniform(length(Modes)), Modes), lists:nth(rand:uniform(2), [ring, socket]), Path);
                _ -> ok
            end,
            Quick = [W || {W, E} <- misdeeds(), E =/= timeout, W =/= endless_message, W =/= close_socket,
                W =/= rewrite, W =/= stamps],
            _ = call(lists:nth(rand:uniform(length(Quick)), Quick)),
            again(Modes, Path, Until, N + 1)
    end.

nothing_left() ->
    isolation:set(?MODULE, #{transport => ring}),
    serves(),
    Count = fun() -> list_to_integer(string:trim(os:cmd("ls /proc/" ++ os:getpid() ++ "/fd | wc -l"))) end,
    wait(fun() -> Count() < 40 end),
    wait(fun() ->
        re:run(os:cmd("cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^.*) //' | awk '$2 == " ++ os:getpid()
                ++ " && $1 == \"Z\"' | wc -l"), "^0") =/= nomatch end).
wait(F) -> wait(F, ?PATIENCE div 10).
wait(_, 0) -> error(never);
wait(F, N) -> case F() of true -> ok; false -> timer:sleep(10), wait(F, N - 1) end.
