%% The handler `default` of logger: to standard error, as its formatter says.
-module(bulkhead_logger_h).
-export([log/2, native_crash/1]).

log(Event, #{formatter := {Formatter, Config}}) ->
    Text = Formatter:format(Event, Config),
    catch io:put_chars(standard_error, Text). % nobody may read it any more

%% A report of crashed native code brings its own text.
native_crash(#{text := Text}) ->
    {"~ts", [string:trim(Text, trailing, "\n")]}.
