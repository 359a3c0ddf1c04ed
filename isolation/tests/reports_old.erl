%% A handler of error_logger, as programs older than logger have them.
-module(reports_old).
-behaviour(gen_event).
-export([init/1, handle_event/2, handle_call/2]).

init(Pid) -> {ok, Pid}.
handle_event(Event, Pid) -> Pid ! {old, Event}, {ok, Pid}.
handle_call(_, Pid) -> {ok, ok, Pid}.
