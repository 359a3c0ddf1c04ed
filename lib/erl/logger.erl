%% What programs and OTP's own libraries call as `logger`, without the kernel application's processes:
%% handlers, filters and levels as in OTP. The handler `default` writes to standard error. What a process
%% changes goes through the process `logger`, which also turns the VM's reports of errors into events.
-module(logger).
-export([allow/2, macro_log/3, macro_log/4, macro_log/5, log/2, log/3, log/4,
         emergency/1, emergency/2, emergency/3, alert/1, alert/2, alert/3, critical/1, critical/2, critical/3,
         error/1, error/2, error/3, warning/1, warning/2, warning/3, notice/1, notice/2, notice/3,
         info/1, info/2, info/3, debug/1, debug/2, debug/3, add_default_metadata/1,
         compare_levels/2, get_config/0, get_proxy_config/0, get_primary_config/0, set_primary_config/1, set_primary_config/2,
         update_primary_config/1, get_process_metadata/0, set_process_metadata/1, update_process_metadata/1,
         unset_process_metadata/0, timestamp/0, format_report/1, format_otp_report/1,
         get_handler_config/0, get_handler_config/1, get_handler_ids/0, get_module_level/0, get_module_level/1,
         set_module_level/2, unset_module_level/0, unset_module_level/1, add_handler/3, remove_handler/1,
         set_handler_config/2, set_handler_config/3, update_handler_config/2, update_handler_config/3,
         update_formatter_config/2, update_formatter_config/3, add_primary_filter/2, remove_primary_filter/1,
         add_handler_filter/3, remove_handler_filter/2, set_application_level/2, unset_application_level/1,
         add_handlers/1, set_proxy_config/1, update_proxy_config/1, i/0, i/1]).
-export([serve/1]).

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

log(Level, {Format, Args}) -> log(Level, Format, Args);
log(Level, What) -> macro_log(#{}, Level, What).

log(Level, Format, Args) when is_list(Format) orelse is_binary(Format) orelse is_atom(Format), is_list(Args) -> macro_log(#{}, Level, Format, Args, #{});
log(Level, Fun, Arg) when is_function(Fun, 1) -> macro_log(#{}, Level, Fun, Arg, #{});
log(Level, What, Meta) when is_map(Meta) -> macro_log(#{}, Level, What, Meta).

log(Level, Format, Args, Meta) -> macro_log(#{}, Level, Format, Args, Meta).

macro_log(Location, Level, What) -> macro_log(Location, Level, What, #{}).

macro_log(Location, Level, Fun, Arg) when is_function(Fun, 1) -> macro_log(Location, Level, Fun, Arg, #{});
macro_log(Location, Level, Format, Args) when is_list(Args) -> macro_log(Location, Level, Format, Args, #{});
macro_log(Location, Level, What, Meta) when is_map(Meta) ->
    allowed(Level, Location) andalso event(Location, Level, message(What), Meta),
    ok.

macro_log(Location, Level, Fun, Arg, Meta) when is_function(Fun, 1) ->
    allowed(Level, Location) andalso
        try Fun(Arg) of
            {Result, #{} = More} -> lazy_event(Location, Level, Result, maps:merge(Meta, More), {Fun, Arg});
            Result -> lazy_event(Location, Level, Result, Meta, {Fun, Arg})
        catch
            C:R -> event(Location, Level, {"LAZY_FUN CRASH: ~tp; Reason: ~tp", [{Fun, Arg}, {C, R}]}, Meta)
        end,
    ok;
macro_log(Location, Level, Format, Args, Meta) ->
    allowed(Level, Location) andalso event(Location, Level, format(Format, Args), Meta),
    ok.

format(Format, Args) when is_atom(Format) -> {atom_to_list(Format), Args};
format(Format, Args) -> {Format, Args}.

lazy_event(_, _, ignore, _, _) -> ok;
lazy_event(Location, Level, {Format, Args}, Meta, _) when is_list(Format) orelse is_binary(Format) orelse is_atom(Format), is_list(Args) ->
    event(Location, Level, format(Format, Args), Meta);
lazy_event(Location, Level, What, Meta, _) when is_map(What); is_list(What); is_binary(What) ->
    event(Location, Level, message(What), Meta);
lazy_event(Location, Level, What, Meta, Call) ->
    event(Location, Level, {"LAZY_FUN ERROR: ~tp; Returned: ~tp", [Call, What]}, Meta).

message(What) when is_map(What); is_tuple(hd(What)) -> {report, What};
message(What) -> {string, What}.

%% The macros of logger.hrl have asked already, and pass where they stand.
allowed(_, #{mfa := _}) -> true;
allowed(Level, _) -> rank(Level) =< rank(maps:get(level, get_primary_config())).

event(Location, Level, Msg, Meta) ->
    Own = maps:merge(process_metadata(), maps:merge(Location, Meta)),
    dispatch(#{level => Level, msg => Msg, meta => add_default_metadata(Own)}).

add_default_metadata(Meta) ->
    Default = #{pid => self(), gl => group_leader(), time => timestamp()},
    maps:merge(maps:get(metadata, get_primary_config()), maps:merge(Default, Meta)).

process_metadata() ->
    case get_process_metadata() of undefined -> #{}; Meta -> Meta end.

dispatch(Event0) ->
    {Primary, Handlers, _} = config(),
    case filter(primary, Event0, Primary) of
        stop -> ok;
        Event -> lists:foreach(fun(Handler) -> hand_over(Event, Handler) end, Handlers)
    end.

hand_over(#{level := Level} = Event0, #{id := Id, level := Limit, module := Module} = Config) ->
    case rank(Level) =< rank(Limit) andalso filter(Id, Event0, Config) of
        false -> ok;
        stop -> ok;
        Event ->
            try
                Module:log(Event, maps:without([level, filters, filter_default], Config))
            catch
                _:_ -> remove_handler(Id), complain({removed_failing_handler, Id})
            end
    end.

filter(Owner, Event, #{filters := Filters, filter_default := Default}) ->
    filter(Owner, Event, Filters, Default).

filter(_, Event, [], log) -> Event;
filter(_, _, [], stop) -> stop;
filter(Owner, Event, [{Id, {Fun, Extra}} | Filters], Default) ->
    try Fun(Event, Extra) of
        stop -> stop;
        ignore -> filter(Owner, Event, Filters, Default);
        #{level := _, meta := _} = Changed -> filter(Owner, Changed, Filters, log)
    catch
        _:_ ->
            remove_filter(Owner, Id),
            complain({removed_failing_filter, Id}),
            filter(Owner, Event, Filters, Default)
    end.

remove_filter(primary, Id) -> remove_primary_filter(Id);
remove_filter(Handler, Id) -> remove_handler_filter(Handler, Id).

complain(What) -> % which may be closed as well
    catch io:format(standard_error, "Logger - error: ~0tp~n", [What]).

%% ---- the process `logger`: changes one at a time, errors that the VM reports ----

serve(First) ->
    put('$logger_cb_process', true),
    receive_one(First),
    serve(receive M -> M end).

receive_one({change, From, Ref, Fun}) ->
    From ! {Ref, answer(Fun)};
receive_one({exit_report, Pid, Leader, Reason, Time}) ->
    Meta = #{pid => Pid, gl => Leader, time => Time, error_logger => #{emulator => true, tag => error}},
    try
        log(error, "Error in process ~p with exit value:~n~p~n", [Pid, Reason], Meta)
    after
        bulkhead_io:reported()
    end;
receive_one({native_crash, Slot, Meta, Report}) ->
    Own = #{error_logger => #{tag => error_report, type => native_crash}, report_cb => fun bulkhead_logger_h:native_crash/1,
            logger_formatter => #{title => "NATIVE CRASH REPORT"}},
    try
        log(error, Report, maps:merge(Own, Meta))
    after
        bulkhead_io:reported(Slot)
    end;
receive_one({report_text, Level, Text}) ->
    try
        log(Level, "~ts", [Text], #{error_logger => #{tag => tag(Level)}})
    after
        bulkhead_io:reported()
    end;
receive_one({log, Level, Format, Args, Meta}) when is_map(Meta) ->
    log(Level, Format, Args, Meta);
receive_one(_) ->
    ok.

%% As error_logger knows it.
tag(warning) -> warning_msg;
tag(_) -> error.

%% Fun's result; a term it throws is the answer as well. A handler or filter that fails may have been called by `logger` itself.
change(Fun) ->
    case whereis(logger) =:= self() of
        true -> answer(Fun);
        false -> ask_for(Fun)
    end.

answer(Fun) ->
    try Fun() catch throw:Error -> Error; _:Reason -> {error, Reason} end.

ask_for(Fun) ->
    Ref = monitor(process, logger),
    logger ! {change, self(), Ref, Fun},
    receive
        {Ref, Answer} -> demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, process, _, Reason} -> exit(Reason)
    end.

%% {Primary, Handlers, Levels of modules}
config() -> persistent_term:get(?MODULE, {default_primary(), [default_handler()], #{}}).
store(Config) -> persistent_term:put(?MODULE, Config).

default_primary() ->
    #{level => notice, filter_default => log, filters => [], metadata => #{}}.

default_handler() ->
    #{id => default, module => bulkhead_logger_h, level => all, filter_default => stop,
      filters => [{remote_gl, {fun logger_filters:remote_gl/2, stop}},
                  {domain, {fun logger_filters:domain/2, {log, super, [otp, sasl]}}},
                  {no_domain, {fun logger_filters:domain/2, {log, undefined, []}}}],
      config => #{type => standard_error},
      formatter => {logger_formatter, #{legacy_header => true, single_line => false}}}.

%% ---- levels ----

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

is_level(Level) -> lists:member(Level, [none, emergency, alert, critical, error, warning, notice, info, debug, all]).

compare_levels(A, B) ->
    case is_level(A) andalso is_level(B) andalso {rank(A), rank(B)} of
        false -> erlang:error(badarg, [A, B]);
        {R, R} -> eq;
        {X, Y} when X < Y -> gt;
        _ -> lt
    end.

allow(Level, Module) ->
    {#{level := Limit}, _, Modules} = config(),
    rank(Level) =< rank(maps:get(Module, Modules, Limit)).

get_module_level() ->
    {_, _, Modules} = config(),
    lists:sort(maps:to_list(Modules)).
get_module_level(Module) when is_atom(Module) -> get_module_level([Module]);
get_module_level(Modules) -> [Pair || {M, _} = Pair <- get_module_level(), lists:member(M, Modules)].

set_module_level(Module, Level) when is_atom(Module) -> set_module_level([Module], Level);
set_module_level(Modules, Level) ->
    change(fun() ->
        check_level(Level),
        is_list(Modules) andalso lists:all(fun is_atom/1, Modules) orelse throw({error, {not_a_list_of_modules, Modules}}),
        {P, Hs, Old} = config(),
        store({P, Hs, lists:foldl(fun(M, Map) -> Map#{M => Level} end, Old, Modules)})
    end).

unset_module_level() ->
    change(fun() -> {P, Hs, _} = config(), store({P, Hs, #{}}) end).
unset_module_level(Module) when is_atom(Module) -> unset_module_level([Module]);
unset_module_level(Modules) ->
    change(fun() -> {P, Hs, Old} = config(), store({P, Hs, maps:without(Modules, Old)}) end).

set_application_level(App, Level) -> of_application(App, fun(Modules) -> set_module_level(Modules, Level) end).
unset_application_level(App) -> of_application(App, fun unset_module_level/1).

of_application(App, Fun) ->
    case application:get_key(App, modules) of
        {ok, Modules} -> Fun(Modules);
        undefined -> {error, {not_loaded, App}}
    end.

%% ---- primary configuration ----

get_config() ->
    #{primary => get_primary_config(), handlers => get_handler_config(), module_levels => get_module_level(),
      proxy => get_proxy_config()}.

%% For events of other nodes, of which there are none; the process that would pass them on asks.
get_proxy_config() -> persistent_term:get({?MODULE, proxy}, logger_proxy:get_default_config()).

set_proxy_config(Config) -> change_proxy(logger_proxy:get_default_config(), Config).
update_proxy_config(Config) -> change_proxy(get_proxy_config(), Config).

change_proxy(Old, Config) when is_map(Config) ->
    change(fun() ->
        Default = logger_proxy:get_default_config(),
        case maps:filter(fun(K, V) -> not is_proxy_option(V, maps:get(K, Default, none)) end, Config) of
            Bad when Bad =:= #{} -> persistent_term:put({?MODULE, proxy}, maps:merge(Old, Config));
            Bad -> {error, {invalid_olp_config, Bad}}
        end
    end);
change_proxy(_, Config) -> {error, {invalid_config, Config}}.

is_proxy_option(Value, Default) when is_boolean(Default) -> is_boolean(Value);
is_proxy_option(Value, Default) when is_integer(Default) -> is_integer(Value) andalso Value >= 0;
is_proxy_option(_, none) -> false.

get_primary_config() -> element(1, config()).

set_primary_config(Key, Value) -> update_primary_config(#{Key => Value}).
set_primary_config(Config) when is_map(Config) -> change_primary(fun(_) -> maps:merge(default_primary(), Config) end);
set_primary_config(Config) -> {error, {invalid_config, Config}}.
update_primary_config(Config) when is_map(Config) -> change_primary(fun(Old) -> maps:merge(Old, Config) end);
update_primary_config(Config) -> {error, {invalid_config, Config}}.

change_primary(Fun) ->
    change(fun() ->
        {Old, Hs, Ms} = config(),
        New = Fun(Old),
        maps:foreach(fun check_primary/2, New),
        store({New, Hs, Ms})
    end).

check_primary(metadata, M) when is_map(M) -> ok;
check_primary(Key, Value) when Key =:= level; Key =:= filters; Key =:= filter_default -> check(Key, Value);
check_primary(Key, Value) -> throw({error, {invalid_primary_config, {Key, Value}}}).

check(level, Level) -> check_level(Level);
check(filter_default, Default) when Default =:= log; Default =:= stop -> ok;
check(filter_default, Default) -> throw({error, {invalid_filter_default, Default}});
check(filters, Filters) when is_list(Filters) -> lists:foreach(fun check_filter/1, Filters);
check(filters, Filters) -> throw({error, {invalid_filters, Filters}});
check(formatter, {Module, #{}}) when is_atom(Module) -> ok;
check(formatter, Formatter) -> throw({error, {invalid_formatter, Formatter}});
check(_, _) -> ok.

check_level(Level) -> is_level(Level) orelse throw({error, {invalid_level, Level}}).
check_filter({Id, {Fun, _}}) when is_atom(Id), is_function(Fun, 2) -> ok;
check_filter(Filter) -> throw({error, {invalid_filter, Filter}}).

add_primary_filter(Id, Filter) ->
    change_filters(fun() -> get_primary_config() end, fun(F) -> set_filters(primary, F) end, add(Id, Filter)).
remove_primary_filter(Id) ->
    change_filters(fun() -> get_primary_config() end, fun(F) -> set_filters(primary, F) end, drop(Id)).
add_handler_filter(Handler, Id, Filter) ->
    change_filters(fun() -> handler(Handler) end, fun(F) -> set_filters(Handler, F) end, add(Id, Filter)).
remove_handler_filter(Handler, Id) ->
    change_filters(fun() -> handler(Handler) end, fun(F) -> set_filters(Handler, F) end, drop(Id)).

change_filters(Get, Set, Change) ->
    change(fun() -> #{filters := Old} = Get(), Set(Change(Old)) end).

add(Id, Filter) ->
    fun(Old) ->
        check_filter({Id, Filter}),
        lists:keymember(Id, 1, Old) andalso throw({error, {already_exist, Id}}),
        Old ++ [{Id, Filter}]
    end.
drop(Id) ->
    fun(Old) ->
        lists:keymember(Id, 1, Old) orelse throw({error, {not_found, Id}}),
        lists:keydelete(Id, 1, Old)
    end.

set_filters(primary, Filters) ->
    {P, Hs, Ms} = config(),
    store({P#{filters := Filters}, Hs, Ms});
set_filters(Id, Filters) ->
    store_handler((handler(Id))#{filters := Filters}).

%% ---- handlers ----

get_handler_config() -> element(2, config()).
get_handler_ids() -> [Id || #{id := Id} <- get_handler_config()].
get_handler_config(Id) ->
    try {ok, handler(Id)} catch throw:Error -> Error end.

handler(Id) ->
    case [H || #{id := I} = H <- get_handler_config(), I =:= Id] of
        [H] -> H;
        [] -> throw({error, {not_found, Id}})
    end.

%% In the place of the one of that name, or before all: the newest is asked first, as on OTP.
store_handler(#{id := Id} = H) ->
    {P, Hs, Ms} = config(),
    New = case lists:member(Id, get_handler_ids()) of
        true -> [case I of Id -> H; _ -> Other end || #{id := I} = Other <- Hs];
        false -> [H | Hs]
    end,
    store({P, New, Ms}).

add_handler(Id, Module, Config) when is_map(Config) ->
    change(fun() ->
        Wanted = maps:merge(handler_defaults(), Config#{id => Id, module => Module}),
        maps:foreach(fun check/2, Wanted),
        lists:member(Id, get_handler_ids()) andalso throw({error, {already_exist, Id}}),
        _ = code:ensure_loaded(Module),
        erlang:function_exported(Module, log, 2) orelse
            throw({error, {invalid_handler, {function_not_exported, {Module, log, 2}}}}),
        store_handler(asked(adding_handler, Module, [Wanted], Wanted))
    end);
add_handler(_, _, Config) ->
    {error, {invalid_config, Config}}.

handler_defaults() ->
    #{level => all, filter_default => log, filters => [], formatter => {logger_formatter, #{}}}.

%% What the handler's module makes of a configuration, if it wants to be asked.
asked(Callback, Module, Args, Otherwise) ->
    case erlang:function_exported(Module, Callback, length(Args)) of
        false -> Otherwise;
        true ->
            case apply(Module, Callback, Args) of
                {ok, Config} -> Config;
                {error, _} = Error -> throw(Error)
            end
    end.

remove_handler(Id) ->
    change(fun() ->
        #{module := Module} = Config = handler(Id),
        {P, Hs, Ms} = config(),
        store({P, Hs -- [Config], Ms}),
        erlang:function_exported(Module, removing_handler, 1) andalso Module:removing_handler(Config),
        ok
    end).

set_handler_config(Id, Key, Value) -> change_handler(set, Id, fun(Old) -> Old#{Key => Value} end).
set_handler_config(Id, Config) when is_map(Config) ->
    change_handler(set, Id, fun(#{module := M}) -> maps:merge(handler_defaults(), Config#{id => Id, module => M}) end);
set_handler_config(_, Config) -> {error, {invalid_config, Config}}.
update_handler_config(Id, Key, Value) -> update_handler_config(Id, #{Key => Value}).
update_handler_config(Id, Config) when is_map(Config) ->
    change_handler(update, Id, fun(#{module := M} = Old) -> maps:merge(Old, Config#{id => Id, module => M}) end);
update_handler_config(_, Config) -> {error, {invalid_config, Config}}.

change_handler(How, Id, Fun) ->
    change(fun() ->
        #{module := Module} = Old = handler(Id),
        New = Fun(Old),
        maps:foreach(fun check/2, New),
        store_handler(asked(changing_config, Module, [How, Old, New], New))
    end).

update_formatter_config(Id, Key, Value) -> update_formatter_config(Id, #{Key => Value}).
update_formatter_config(Id, Changes) when is_map(Changes) ->
    change(fun() ->
        #{formatter := {Module, Config}} = Handler = handler(Id),
        store_handler(Handler#{formatter := {Module, maps:merge(Config, Changes)}})
    end);
update_formatter_config(_, Changes) -> {error, {invalid_config, Changes}}.

%% Of an application's environment, or as it stands there: [{handler, Id, Module, Config}].
add_handlers(App) when is_atom(App) -> add_handlers(application:get_env(App, logger, []));
add_handlers([]) -> ok;
add_handlers([{handler, Id, Module, Config} | Rest]) ->
    case add_handler(Id, Module, Config) of
        ok -> add_handlers(Rest);
        {error, Why} -> bad_handler(Why)
    end;
add_handlers(Other) -> bad_handler(Other).

bad_handler(Why) ->
    ?MODULE:error("Invalid logger handler config: ~p", [Why]),
    {error, {bad_config, {handler, Why}}}.

%% ---- for people ----

i() ->
    lists:foreach(fun i/1, [primary, handlers, proxy, modules]).

i(primary) ->
    #{level := Level, filter_default := Default, filters := Filters} = get_primary_config(),
    io:format("Primary configuration: ~n    Level: ~p~n    Filter Default: ~p~n    Filters: ~n", [Level, Default]),
    show_filters("        ", Filters);
i(handlers) ->
    io:format("Handler configuration: ~n"),
    lists:foreach(fun show_handler/1, get_handler_config());
i(proxy) ->
    io:format("Proxy configuration: ~n"),
    show_map("    ", get_proxy_config());
i(modules) ->
    io:format("Level set per module: ~n"),
    [io:format("    (none)~n") || get_module_level() =:= []],
    [io:format("    Module: ~p~n        Level: ~p~n", [Module, Level]) || {Module, Level} <- get_module_level()],
    ok;
i(Id) ->
    case get_handler_config(Id) of
        {ok, Config} -> io:format("Handler configuration: ~n"), show_handler(Config);
        Error -> Error
    end.

show_handler(#{id := Id, module := Module, level := Level, formatter := {Formatter, FormatterConfig},
               filter_default := Default, filters := Filters} = Config) ->
    io:format("    Id: ~p~n        Module: ~p~n        Level:  ~p~n"
              "        Formatter:~n            Module: ~p~n            Config:~n",
        [Id, Module, Level, Formatter]),
    show_map("                ", FormatterConfig),
    io:format("        Filter Default: ~p~n        Filters:~n", [Default]),
    show_filters("            ", Filters),
    [begin
         io:format("        ~ts:~n", [Title]),
         show_map("            ", Map)
     end || {Title, Map} <- [{"Handler Config", maps:get(config, Config, #{})},
                             {"Custom Config",
                              maps:without([id, module, level, formatter, filter_default, filters, config], Config)}],
            Map =/= #{}],
    ok.

show_filters(Indent, []) -> io:format("~ts(none)~n", [Indent]);
show_filters(Indent, Filters) ->
    [io:format("~tsId: ~tp~n~ts    Fun: ~tp~n~ts    Arg: ~tp~n", [Indent, Id, Indent, Fun, Indent, Arg])
        || {Id, {Fun, Arg}} <- Filters],
    ok.

show_map(Indent, Map) ->
    [io:format("~ts~tp: ~tp~n", [Indent, Key, Value]) || {Key, Value} <- lists:sort(maps:to_list(Map))],
    ok.

%% ---- metadata, time, reports ----

get_process_metadata() -> get('$logger_metadata$').
set_process_metadata(Meta) when is_map(Meta) -> put('$logger_metadata$', Meta), ok.
update_process_metadata(Meta) -> set_process_metadata(maps:merge(process_metadata(), Meta)).
unset_process_metadata() -> erase('$logger_metadata$'), ok.
timestamp() -> os:system_time(microsecond).

%% As OTP formats reports that bring no format of their own.
format_report(Report) when is_map(Report) -> format_report(maps:to_list(Report));
format_report([]) -> {"~tp", [[]]};
format_report(Report) when is_list(Report) ->
    case io_lib:printable_unicode_list(Report) of
        true -> {"~ts", [Report]};
        false -> format_pairs(Report)
    end;
format_report(Report) -> {"~tp", [Report]}.

format_pairs(Pairs) ->
    {Formats, Args} = lists:unzip([case P of
        {K, V} -> {"    ~tp: " ++ text_or_term(V), [K, V]};
        _ -> {"    " ++ text_or_term(P), [P]}
    end || P <- Pairs]),
    {lists:append(lists:join("\n", Formats)), lists:append(Args)}.

text_or_term([_ | _] = V) ->
    case io_lib:printable_unicode_list(V) of true -> "~ts"; false -> "~tp" end;
text_or_term(_) -> "~tp".

format_otp_report(#{label := _, report := Report}) -> format_report(Report);
format_otp_report(Report) -> format_report(Report).
