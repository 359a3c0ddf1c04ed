%% The handler `default` of logger: to standard error, as its formatter says.
-module(bulkhead_logger_h).
-export([log/2]).

log(Event, #{formatter := {Formatter, Config}}) ->
    io:put_chars(standard_error, Formatter:format(Event, Config)).
