%% logger: events, handlers, filters, levels. This module is also the handler.
-module(logger_tests).
-export([cases/0]).
-export([adding_handler/1, removing_handler/1, changing_config/3, log/2, double/1]).
-import(t, [id/1, outcome/1]).
-include_lib("kernel/include/logger.hrl").

cases() ->
    [{functions, fun() ->
        heard(fun() -> logger:error("text ~p", [1]), logger:warning("string"), logger:notice(#{a => 1}),
                logger:notice([{b, 2}]), logger:info("not heard") end) end},
     {by_level, fun() ->
         heard(all, fun() -> [logger:log(L, "x") || L <- [emergency, alert, critical, error, warning, notice, info,
                     debug]] end) end},
     {macros, fun() ->
         heard(fun() -> ?LOG_ERROR("macro ~p", [1]), ?LOG_NOTICE(#{r => 1}, #{m => 1}), ?LOG_INFO("not heard") end)
         end},
     {funs, fun() ->
         heard(fun() -> logger:error(fun ?MODULE:double/1, 4), logger:error(fun(X) -> #{x => X} end, 5, #{m => 1}),
                 logger:debug(fun(_) -> exit(called) end, 1) end) end},
     {error_logger, fun() -> {error_logger:warning_map(), error_logger:logfile(filename), error_logger:get_format_depth(), lists:sort(maps:keys(logger:get_config()))} end},
     {fun_results, fun() ->
         heard(fun() -> [logger:error(fun(_) -> id(R) end, x) || R <- [["ok", $:, 'ex'], "text", <<"bin">>, ignore, {"~p", [1]}, {<<"~p">>, [2]}, {a, []}, [{k, v}], [{k, v} | x],
                     #{r => 1}, 42, {x, y}, [], [a, b], {#{r => 1}, #{m => 1}}, {"text", #{m => 1}}, {ignore, #{}}]] end) end},
     {fun_crashes, fun() -> heard(fun() -> F = fun ?MODULE:double/1, logger:error(F, a), logger:error(F, a, #{m => 1}) end) end},
     {text_or_report, fun() -> heard(fun() -> [logger:error(id(W)) || W <- [["a", $b, [99]], [a, b], [], [{a}], [{a, 1} | x], #{}]],
             logger:error(<<"~p">>, [1]), logger:error('at ~p', [2]), logger:log(error, {"~p", [3]}) end) end},
     {metadata, fun() ->
         heard(fun() -> A = logger:get_process_metadata(), logger:set_process_metadata(#{p => 1}),
                 logger:update_process_metadata(#{q => 2}), logger:error("m", [], #{q => 3}),
                 B = logger:get_process_metadata(), logger:unset_process_metadata(),
                 logger:error(#{values => [A, B]}) end) end},
     {levels, fun() -> heard(fun() -> [logger:allow(L, ?MODULE) || L <- [error, notice, info]] end) end},
     {module_levels, fun() ->
         heard(fun() -> logger:set_module_level(?MODULE, debug), A = logger:get_module_level(?MODULE),
                 ?LOG_DEBUG("heard"), logger:unset_module_level(?MODULE), ?LOG_DEBUG("not heard"),
                 {A, logger:get_module_level(?MODULE)} end) end},
     {compare_levels, fun() -> [logger:compare_levels(A, B) || A <- [error, info, none], B <- [error, debug, all, none]] end},
     {primary_filter, fun() -> heard(fun() ->
         A = logger:add_primary_filter(f, {fun(#{level := error} = E, X) ->
             E#{level := X}; (#{level := warning}, _) -> stop; (_, _) -> ignore end, alert}),
         B = logger:add_primary_filter(f, {fun(E, _) -> E end, x}), logger:error("a"), logger:warning("b"), logger:notice("c"),
         {A, B, logger:remove_primary_filter(f), logger:remove_primary_filter(f)} end) end},
     {handler_filter, fun() -> heard(fun() ->
         A = logger:add_handler_filter(mine, f,
             {fun(#{level := L}, L) -> stop; (_, _) -> ignore end, error}), logger:error("a"), logger:warning("b"),
         logger:update_handler_config(mine, filter_default, stop), logger:warning("c"),
             {A, logger:remove_handler_filter(mine, f), logger:remove_handler_filter(nobody, f)} end) end},
     {handlers, fun() ->
         heard(fun() -> {lists:member(mine, logger:get_handler_ids()), logger:add_handler(mine, ?MODULE, #{}),
                     logger:get_handler_config(nobody), logger:remove_handler(nobody)} end) end},
     {handler_config, fun() -> heard(fun() ->
         A = [logger:set_handler_config(mine, level, error),
             logger:update_handler_config(mine, #{extra => 1}),
             logger:update_formatter_config(mine, single_line, true),
             logger:set_handler_config(nobody, level, error)],
         logger:warning("not heard"), logger:error("heard"), {ok, C} = logger:get_handler_config(mine),
             {A, maps:without([config], C)} end) end},
     {bad_handlers, fun() ->
         [logger:add_handler(new, M, C) || {M, C} <- [{no_such_module, #{}}, {?MODULE, #{level => x}},
                 {?MODULE, #{formatter => x}}, {?MODULE, #{filters => x}}, {?MODULE, #{filter_default => x}}]] end},
     {bad_config, fun() ->
         [logger:set_primary_config(foo, 1), logger:set_primary_config(level, foo),
             logger:update_primary_config(#{x => 1}), logger:add_primary_filter(f, foo),
             logger:set_module_level(?MODULE, foo)] end},
     {primary_metadata, fun() ->
         heard(fun() -> logger:update_primary_config(#{metadata => #{prim => 1}}), logger:error("with"),
                 R = maps:get(metadata, logger:get_primary_config()),
                 logger:update_primary_config(#{metadata => #{}}), R end) end},
     {format_report, fun() ->
         [logger:format_report(R) || R <- [[], #{}, [{a, 1}, {"b", "text"}, c], "text", foo, [{a, []}],
                 #{report => [{x, y}], label => l}]] end},
     {format_otp_report, fun() ->
         [logger:format_otp_report(R) || R <- [#{label => a, report => [{a, 1}]},
                 #{label => {error, b}, report => #{a => 1}}]] end},
     {error_logger, fun() ->
         heard(fun() -> error_logger:error_msg("el ~p", [1]), error_logger:warning_report(my_type, [{a, 1}]),
                 error_logger:info_report([{a, 1}]) end) end},
     {uncaught_error, fun() ->
         heard(fun() -> {P, M} = spawn_monitor(fun() -> error(oops) end),
                 receive {'DOWN', M, process, P, _} -> timer:sleep(50) end end) end},
     {uncaught_error_of_name, fun() ->
         heard(fun() -> {P, M} = spawn_monitor(fun() -> register(a_name, self()), throw(oops) end),
                 receive {'DOWN', M, process, P, _} -> timer:sleep(50) end end) end},
     {exits_are_silent, fun() ->
         heard(fun() -> {P, M} = spawn_monitor(fun() -> exit(oops) end),
                 receive {'DOWN', M, process, P, _} -> timer:sleep(50) end end) end},
     {to_a_file, fun() ->
         File = "/tmp/bulkhead_logger_test." ++ os:getpid(),
         R = heard(fun() ->
             A = logger:add_handler(to_file, logger_std_h,
                 #{config => #{file => File},
                     formatter => {logger_formatter, #{template => [level, " ", msg, "\n"]}}}),
             logger:error("to file ~p", [1]), logger:warning(#{a => 1}),
             {A, logger_std_h:filesync(to_file), file:read_file(File), logger:remove_handler(to_file)} end),
         file:delete(File), R
     end},
     {add_handlers, fun() ->
         heard(fun() -> [{logger:add_handlers(H),
                     [I || I <- logger:get_handler_ids(), I =/= default, I =/= ssl_handler]} ||
         H <- [[], [{handler, a, ?MODULE, #{config => #{to => self()}}}], [{handler, a, ?MODULE, #{}}],
             [{handler, b, ?MODULE}], [{handler, c, no_such_module, #{}}], "x", 7, stdlib]] end) end},
     {add_handlers_end, fun() -> logger:remove_handler(a), logger:get_handler_ids() end},
     {proxy_config, fun() -> Before = logger:get_proxy_config(),
         R = [logger:set_proxy_config(C) || C <- [#{}, #{x => 1}, x, #{burst_limit_enable => 7}, #{flush_qlen => 6000}]] ++
             [logger:get_proxy_config(), logger:update_proxy_config(#{burst_limit_enable => true}),
                 logger:get_proxy_config(), logger:update_proxy_config(y)],
         {R, logger:set_proxy_config(Before)} end},
     {i, fun() ->
         #{level := Level} = logger:get_primary_config(), logger:set_primary_config(level, notice),
         logger:set_module_level(lh, debug),
         logger:add_primary_filter(q, {fun logger_filters:level/2, {stop, eq, info}}),
         ok = logger:add_handler(w, ?MODULE, #{config => #{b => 1, a => "x", to => none}, extra => 1,
             formatter => {logger_formatter, #{template => ["x", msg]}},
                                               filters => [{f, {fun logger_filters:level/2, {log, eq, info}}}]}),
         R = printed(fun() -> [logger:i(X) || X <- [primary, w, modules, proxy, nosuch]] end),
         logger:remove_handler(w), logger:remove_primary_filter(q), logger:unset_module_level(lh),
             logger:set_primary_config(level, Level), R end},
     {default_filters, fun() ->
         {ok, #{filters := F, filter_default := D, formatter := Fo}} = logger:get_handler_config(default),
         {F, D, Fo} end},
     {get_config, fun() -> lists:sort(maps:keys(logger:get_config())) end}].

%% What Fun gives, and the events that a handler of ours heard meanwhile.
heard(Fun) -> heard(notice, Fun).
heard(Level, Fun) ->
    Before = logger:get_primary_config(),
    {ok, #{level := Default}} = logger:get_handler_config(default),
    logger:set_handler_config(default, level, none),
    logger:set_primary_config(level, Level),
    ok = logger:add_handler(mine, ?MODULE, #{config => #{to => self()}}),
    Value = Fun(),
    logger:remove_handler(mine),
    logger:set_primary_config(Before),
    logger:set_handler_config(default, level, Default),
    {Value, events()}.

%% What Fun gives, and what it printed.
printed(Fun) ->
    Leader = group_leader(),
    Me = self(),
    Printer = spawn_link(fun() -> printer(Me, []) end),
    group_leader(Printer, Me),
    Value = Fun(),
    group_leader(Leader, Me),
    Printer ! stop,
    receive {Printer, Text} -> {Value, Text} end.

printer(To, Text) ->
    receive
        stop -> To ! {self(), unicode:characters_to_binary(lists:reverse(Text))};
        {io_request, From, Ref, {put_chars, _, M, F, As}} -> From ! {io_reply, Ref, ok}, printer(To, [apply(M, F, As) | Text]);
        {io_request, From, Ref, {put_chars, _, Chars}} -> From ! {io_reply, Ref, ok}, printer(To, [Chars | Text]);
        {io_request, From, Ref, getopts} -> From ! {io_reply, Ref, [{encoding, unicode}]}, printer(To, Text)
    end.

events() ->
    receive
        {event, #{meta := Meta, msg := Msg} = E} ->
            [E#{meta := maps:map(fun hide/2, without_place(Meta)), msg := hide_pid(Msg)} | events()];
        {called, What} -> [What | events()]
    after 20 -> []
    end.

%% OTP logs by its own macros.
without_place(#{mfa := {logger, _, _}} = Meta) -> maps:without([mfa, file, line], Meta);
without_place(Meta) -> Meta.

hide(Key, Value) ->
    case lists:member(Key, [pid, gl, time, file, line, report_cb]) of true -> hidden; false -> Value end.

hide_pid({Format, [Pid | Rest]}) when is_pid(Pid) -> {Format, Rest};
hide_pid(Msg) -> Msg.

double(X) -> {"~p doubled", [2 * X]}.

%% ---- the handler ----

adding_handler(Config) -> {ok, Config#{added => yes}}.
removing_handler(#{config := #{to := none}}) -> ok;
removing_handler(#{config := #{to := Pid}}) -> Pid ! {called, removing_handler}, ok.
changing_config(_, _, #{config := #{to := none}} = New) -> {ok, New};
changing_config(How, _, #{config := #{to := Pid}} = New) -> Pid ! {called, {changing_config, How}}, {ok, New}.
log(_, #{config := #{to := none}}) -> ok;
log(Event, #{config := #{to := Pid}}) -> Pid ! {event, Event}.
