%% os:set_signal/2 and erl_signal_server. The signals come from `kill`, as from any program.
-module(os_signal_tests).
-behaviour(gen_event).
-export([cases/0, init/1, handle_event/2, handle_call/2]).
-import(t, [id/1, outcome/1]).

cases() ->
    [{names, fun() ->
         [{S, [outcome(fun() -> os:set_signal(id(S), A) end) || A <- [ignore, default]]}
          || S <- [sighup, sigquit, sigabrt, sigalrm, sigterm, sigusr1, sigusr2, sigchld, sigstop, sigtstp]]
     end},
     {bad, fun() ->
         [element(1, outcome(fun() -> os:set_signal(id(S), id(A)) end))
          || {S, A} <- [{sigint, handle}, {sigcont, default}, {sigpipe, ignore}, {foo, handle}, {1, handle},
              {"sigterm", handle}, {sigterm, x}, {sigterm, 1}]]
     end},
     {server, fun() -> {is_pid(whereis(erl_signal_server)), gen_event:which_handlers(erl_signal_server)} end},
     {events, fun() ->
         listening(fun() -> [begin os:set_signal(S, handle), kill(N), event(S) end || {S, N} <- handled()] end) end},
     {again, fun() ->
         listening(fun() -> os:set_signal(sigusr2, handle),
                 [begin kill("USR2"), event(sigusr2) end || _ <- lists:seq(1, 20)] end) end},
     {ignored, fun() ->
         listening(fun() ->
             os:set_signal(sigusr2, handle), os:set_signal(sighup, ignore), kill("HUP"),
             os:set_signal(sighup, handle), kill("USR2"), A = event(sigusr2), kill("HUP"), [A, event(sighup)]
         end)
     end},
     {many, fun() -> %% signals of one kind that come close together are one, but never none
         listening(fun() ->
             os:set_signal(sigusr2, handle),
             [kill("USR2 " ++ os:getpid() ++ "; kill -USR2") || _ <- lists:seq(1, 20)], event(sigusr2)
         end)
     end},
     {children_are_waited_for, fun() ->
         R = [begin os:set_signal(sigchld, A), exit_status("exit 3") end || A <- [ignore, handle, default]], R
     end},
     {busy, fun() -> %% all schedulers run Erlang code, none is idle
         Ps = [spawn_link(fun Loop() -> Loop() end) || _ <- lists:seq(1, 2 * erlang:system_info(schedulers))],
         R = listening(fun() -> os:set_signal(sigusr2, handle), kill("USR2"), event(sigusr2) end),
         [begin unlink(P), exit(P, kill) end || P <- Ps], R
     end}].

handled() -> [{sighup, "HUP"}, {sigusr2, "USR2"}, {sigalrm, "ALRM"}, {sigtstp, "TSTP"}].

kill(What) -> "" = os:cmd("kill -" ++ What ++ " " ++ os:getpid()).

exit_status(Command) ->
    P = open_port({spawn, "sh -c '" ++ Command ++ "'"}, [exit_status]),
    receive {P, {exit_status, S}} -> S after 20000 -> timeout end.

listening(Fun) ->
    ok = gen_event:add_handler(erl_signal_server, ?MODULE, self()),
    try Fun() after
        gen_event:delete_handler(erl_signal_server, ?MODULE, x),
        [os:set_signal(S, default) || {S, _} <- handled()]
    end.

event(Name) -> receive {signal, Name} -> Name after 20000 -> timeout end.

init(Pid) -> {ok, Pid}.
handle_event(Event, Pid) -> Pid ! {signal, Event}, {ok, Pid}.
handle_call(_, Pid) -> {ok, ok, Pid}.
