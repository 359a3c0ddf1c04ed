%% The part of `logger` that programs and OTP's own libraries call, without the kernel application:
%% events at or above the primary level go to standard error in OTP's format, by way of OTP's
%% logger_formatter. There is one handler and it cannot be replaced.
-module(logger).
-export([allow/2, macro_log/3, macro_log/4, macro_log/5, log/2, log/3, log/4,
         emergency/1, emergency/2, emergency/3, alert/1, alert/2, alert/3, critical/1, critical/2, critical/3,
         error/1, error/2, error/3, warning/1, warning/2, warning/3, notice/1, notice/2, notice/3,
         info/1, info/2, info/3, debug/1, debug/2, debug/3,
         compare_levels/2, get_primary_config/0, set_primary_config/2, get_process_metadata/0,
         set_process_metadata/1, update_process_metadata/1, unset_process_metadata/0,
         timestamp/0, format_report/1, format_otp_report/1, get_handler_config/0, get_handler_ids/0,
         set_module_level/2, unset_module_level/1, add_handler/3, remove_handler/1,
         set_handler_config/2, set_handler_config/3, update_handler_config/2, update_handler_config/3,
         add_primary_filter/2, remove_primary_filter/1, add_handler_filter/3,
         remove_handler_filter/2, set_application_level/2, unset_application_level/1]).

%% ---- by level ----

emergency(X) -> log(emergency, X).
emergency(X, Y) -> log(emergency, X, Y).
emergency(F, As, M) -> log(emergency, F, As, M).
alert(X) -> log(alert, X).
alert(X, Y) -> log(alert, X, Y).
alert(F, As, M) -> log(alert, F, As, M).
critical(X) -> log(critical, X).
critical(X, Y) -> log(critical, X, Y).
critical(F, As, M) -> log(critical, F, As, M).
error(X) -> log(error, X).
error(X, Y) -> log(error, X, Y).
error(F, As, M) -> log(error, F, As, M).
warning(X) -> log(warning, X).
warning(X, Y) -> log(warning, X, Y).
warning(F, As, M) -> log(warning, F, As, M).
notice(X) -> log(notice, X).
notice(X, Y) -> log(notice, X, Y).
notice(F, As, M) -> log(notice, F, As, M).
info(X) -> log(info, X).
info(X, Y) -> log(info, X, Y).
info(F, As, M) -> log(info, F, As, M).
debug(X) -> log(debug, X).
debug(X, Y) -> log(debug, X, Y).
debug(F, As, M) -> log(debug, F, As, M).

%% ---- events ----

allow(Level, _Module) ->
    rank(Level) =< rank(maps:get(level, get_primary_config())).

log(Level, {Format, Args}) when is_list(Format), is_list(Args) -> log(Level, Format, Args);
log(Level, What) -> macro_log(#{}, Level, What).

log(Level, Format, Args) when is_list(Format), is_list(Args) -> macro_log(#{}, Level, Format, Args, #{});
log(Level, What, Meta) when is_map(Meta) -> macro_log(#{}, Level, What, Meta).

log(Level, Format, Args, Meta) -> macro_log(#{}, Level, Format, Args, Meta).

macro_log(Location, Level, What) -> macro_log(Location, Level, What, #{}).

macro_log(Location, Level, Format, Args) when is_list(Args) -> macro_log(Location, Level, Format, Args, #{});
macro_log(Location, Level, Report, Meta) when is_map(Meta) ->
    Msg = case io_lib:printable_unicode_list(Report) of
        true -> {string, Report};
        false -> {report, Report}
    end,
    event(Location, Level, Msg, Meta).

macro_log(Location, Level, Fun, FunArg, Meta) when is_function(Fun, 1) ->
    case allow(Level, undefined) of
        true ->
            case Fun(FunArg) of
                {Format, Args} when is_list(Args) -> event(Location, Level, {Format, Args}, Meta);
                Report when is_map(Report); is_list(Report) -> macro_log(Location, Level, Report, Meta);
                _ -> ok
            end;
        false -> ok
    end;
macro_log(Location, Level, Format, Args, Meta) ->
    event(Location, Level, {Format, Args}, Meta).

event(Location, Level, Msg, Meta0) ->
    case allow(Level, undefined) of
        false ->
            ok;
        true ->
            Meta = maps:merge(
                maps:merge(#{pid => self(), gl => group_leader(), time => timestamp()}, Location),
                maps:merge(get_process_metadata_map(), Meta0)),
            Event = #{level => Level, msg => Msg, meta => Meta},
            Text = logger_formatter:format(Event, #{legacy_header => true, single_line => false}),
            io:put_chars(standard_error, Text),
            ok
    end.

get_process_metadata_map() ->
    case get_process_metadata() of undefined -> #{}; Meta -> Meta end.

%% ---- configuration ----

rank(none) -> -1;
rank(emergency) -> 0;
rank(alert) -> 1;
rank(critical) -> 2;
rank(error) -> 3;
rank(warning) -> 4;
rank(notice) -> 5;
rank(info) -> 6;
rank(debug) -> 7;
rank(all) -> 8.

compare_levels(A, B) ->
    case {rank(A), rank(B)} of
        {R, R} -> eq;
        {X, Y} when X < Y -> gt;
        _ -> lt
    end.

get_primary_config() ->
    persistent_term:get({logger, primary}, #{level => notice, filter_default => log, filters => [], metadata => #{}}).

set_primary_config(Key, Value) ->
    persistent_term:put({logger, primary}, maps:put(Key, Value, get_primary_config())).

get_process_metadata() -> get('$logger_metadata$').
set_process_metadata(Meta) when is_map(Meta) -> put('$logger_metadata$', Meta), ok.
update_process_metadata(Meta) -> set_process_metadata(maps:merge(get_process_metadata_map(), Meta)).
unset_process_metadata() -> erase('$logger_metadata$'), ok.
timestamp() -> os:system_time(microsecond).

get_handler_ids() -> [default].
get_handler_config() -> [#{id => default, module => logger, level => all}].
set_module_level(_, _) -> {error, not_supported}.
unset_module_level(_) -> {error, not_supported}.
add_handler(_, _, _) -> {error, not_supported}.
remove_handler(_) -> {error, not_supported}.
set_handler_config(_, _) -> {error, not_supported}.
set_handler_config(_, _, _) -> {error, not_supported}.
update_handler_config(_, _) -> {error, not_supported}.
update_handler_config(_, _, _) -> {error, not_supported}.
add_primary_filter(_, _) -> {error, not_supported}.
remove_primary_filter(_) -> {error, not_supported}.
add_handler_filter(_, _, _) -> {error, not_supported}.
remove_handler_filter(_, _) -> {error, not_supported}.
set_application_level(_, _) -> {error, not_supported}.
unset_application_level(_) -> {error, not_supported}.

%% As OTP formats reports that bring no format of their own.
format_report(Report) when is_map(Report) -> format_report(maps:to_list(Report));
format_report(Report) when is_list(Report) ->
    case lists:flatten(Report) of
        [] -> {"~tp", [[]]};
        Flat ->
            case io_lib:printable_unicode_list(Flat) of
                true -> {"~ts", [Flat]};
                false -> format_pairs(Flat)
            end
    end;
format_report(Report) -> {"~tp", [Report]}.

format_pairs(Pairs) ->
    {Formats, Args} = lists:unzip([case P of
        {K, V} -> {"    ~tp: ~tp", [K, V]};
        _ -> {"    ~tp", [P]}
    end || P <- Pairs]),
    {lists:flatten(lists:join("~n", Formats)), lists:append(Args)}.

format_otp_report(#{label := _, report := Report}) -> format_report(Report);
format_otp_report(Report) -> format_report(Report).
