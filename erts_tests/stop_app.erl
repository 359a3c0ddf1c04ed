%% An application, its supervisor and servers, which say how they are stopped. stop.sh runs it on OTP, too.
-module(stop_app).
-behaviour(application).
-export([handle_event/2, main/1, start/2, prep_stop/1, stop/1, init/1, handle_call/3, handle_cast/2, terminate/2]).

main([How]) ->
    [ok = application:load({application, A, [{mod, {?MODULE, A}}, {registered, []}]}) || A <- [first_app, second_app]],
    [ok = application:start(A) || A <- [first_app, second_app]],
    stop_by(How).

stop_by(stop) -> ok = init:stop(), timer:sleep(infinity);
stop_by(status) -> ok = init:stop(3), timer:sleep(infinity);
stop_by(twice) -> ok = init:stop(4), ok = init:stop(5), timer:sleep(infinity);
stop_by(returns) -> ok = init:stop(6);
stop_by(no_user) -> unregister(user), ok = init:stop(10), timer:sleep(infinity);
stop_by(inside) -> gen_server:cast(second_app, stop), timer:sleep(infinity);
stop_by(bad) -> io:format("~p~n", [[catch element(1, element(2, catch init:stop(S))) || S <- [-1, stop, 1.0, ["x"]]]]), halt(7);
stop_by(busy) -> [spawn(fun Loop() -> Loop() end) || _ <- lists:seq(1, 8)], init:stop(), timer:sleep(infinity);
stop_by(sigterm) -> terminate_me(), timer:sleep(infinity);
stop_by(ignored) -> os:set_signal(sigterm, ignore), terminate_me(), timer:sleep(300), io:format("lives~n"), halt(8);
stop_by(default) -> os:set_signal(sigterm, default), terminate_me(), timer:sleep(infinity);
stop_by(handler) ->
    ok = gen_event:swap_handler(erl_signal_server, {erl_signal_handler, []}, {?MODULE, []}),
    terminate_me(), timer:sleep(infinity).

terminate_me() -> "" = os:cmd("kill -TERM " ++ os:getpid()).

start(normal, A) -> supervisor:start_link(?MODULE, {supervisor, A}).
prep_stop(State) -> io:format("prep_stop ~p~n", [State]), State.
stop(State) -> io:format("stop ~p ~p~n", [State, init:get_status()]).

init({supervisor, A}) -> {ok, {#{}, [#{id => I, start => {gen_server, start_link, name(A, I)}} || I <- [1, 2]]}};
init({server, A, I}) -> process_flag(trap_exit, true), {ok, {A, I}};
init(_) -> {ok, {handler}}. % as an event handler

name(A, 1) -> [{local, A}, ?MODULE, {server, A, 1}, []];
name(A, I) -> [?MODULE, {server, A, I}, []].

handle_event(sigterm, State) -> io:format("my handler~n"), halt(9), {ok, State}.
handle_call(_, _, State) -> {reply, ok, State}.
handle_cast(stop, State) -> ok = init:stop(), {noreply, State}.
terminate(Why, State) -> io:format("~p ends: ~p~n", [State, Why]).
