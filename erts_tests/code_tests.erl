-module(code_tests).
-export([cases/0]).
-import(t, [id/1, outcome/1]).

cases() ->
    [{catches_that_meet_where_nothing_comes, fun() ->
         [outcome(fun() -> unoptimised_target:F(id(G)) end) || F <- [meets, meets_after],
             G <- [fun() -> 1 end, fun() -> <<5>> end, fun() -> error({r, 2}) end, fun() -> throw(x) end]]
     end},
     {load, fun() -> fresh(), {load(one), code_target:version(), code:which(code_target), code:is_loaded(code_target)} end},
     {load_again, fun() -> fresh(), load(one), {load(two), code_target:version(), erlang:check_old_code(code_target)} end},
     {old_process_runs_on, fun() ->
         fresh(), load(one), P = spawn(code_target, wait, []), A = ask(P, version), load(two), B = ask(P, version),
         C = ask(P, external), D = ask(P, version), P ! stop, {A, B, C, D}
     end},
     {check_process_code, fun() ->
         fresh(), load(one), P = spawn(code_target, wait, []), ask(P, version),
         A = erlang:check_process_code(P, code_target), load(two),
         B = erlang:check_process_code(P, code_target), ask(P, external), C = erlang:check_process_code(P, code_target),
         P ! stop, {A, B, C, erlang:check_process_code(self(), code_target)}
     end},
     {check_process_code_async, fun() ->
         fresh(), load(one), P = spawn(code_target, wait, []), ask(P, version), load(two),
         R = erlang:check_process_code(P, code_target, [{async, here}]), receive M -> {R, M} after 20000 -> timeout end
     end},
     {check_process_code_bad, fun() ->
         [element(1, outcome(fun() -> erlang:check_process_code(id(A), id(B)) end))
             || {A, B} <- [{x, m}, {self(), 1}]] end},
     {soft_purge, fun() ->
         fresh(), load(one), P = spawn(code_target, wait, []), ask(P, version), load(two), A = code:soft_purge(code_target),
         ask(P, external), B = code:soft_purge(code_target), P ! stop, {A, B, erlang:check_old_code(code_target)}
     end},
     {purge_kills, fun() ->
         fresh(), load(one), {P, R} = spawn_monitor(code_target, wait, []), ask(P, version), load(two),
         A = code:purge(code_target),
         receive {'DOWN', R, process, P, Why} -> {A, Why, code:purge(code_target)} after 20000 -> timeout end
     end},
     {load_three_versions, fun() -> fresh(), [begin load(V), code_target:version() end || V <- [one, two, one, two]] end},
     {not_purged, fun() ->
         fresh(), P = case {load(one), spawn(code_target, wait, [])} of {_, X} -> X end, ask(P, version), load(two),
         A = erlang:load_module(code_target, object(one)), P ! stop, {A, code_target:version()}
     end},
     {delete, fun() ->
         fresh(), load(one), {code:delete(code_target), code:is_loaded(code_target),
             erlang:function_exported(code_target, version, 0)} end},
     {module_status, fun() ->
         fresh(), load(two), code:load_file(t), All = code:module_status(),
         [begin {M, S} = lists:keyfind(M, 1, All), S end || M <- [t, lists, ?MODULE]] end},
     {modified_modules, fun() -> is_list(code:modified_modules()) end},
     {all_available, fun() ->
         All = code:all_available(), Find = fun(M) ->
             {M, File, Loaded} = lists:keyfind(M, 1, All), {filename:basename(File), Loaded} end,
         {[Find(M) || M <- ["lists", "t", "lcnt"]], lists:sort(All) =:= All,
             [N || {N, _, _} <- All] =:= lists:usort([N || {N, _, _} <- All])} end},
     {set_path, fun() ->
         Before = code:get_path(), A = code:set_path(["."]),
         R = {A, file:list_dir("/nonexistent"), lists:last(code:get_path())}, {R, code:set_path(Before)} end},
     {delete_twice, fun() -> fresh(), load(one), load(two), {code:delete(code_target), erlang:check_old_code(code_target)} end},
     {delete_module, fun() ->
         fresh(), load(one), {erlang:delete_module(code_target), erlang:delete_module(code_target),
             outcome(fun() -> erlang:delete_module(id("x")) end)} end},
     {autoload_after_delete, fun() ->
         fresh(), load(two), code:delete(code_target), code:purge(code_target), code_target:version() end},
     {purge_module_bad, fun() ->
         fresh(), [element(2, outcome(fun() -> erlang:purge_module(id(M)) end))
             || M <- [code_target, 1, no_such_module]] end},
     {fun_of_current, fun() -> fresh(), load(one), F = code_target:make_fun(a), F(b) end},
     {fun_of_old, fun() ->
         fresh(), load(one), F = code_target:make_fun(a), load(two), G = code_target:make_fun(c), {F(b), G(d)} end},
     {module_info, fun() ->
         fresh(), load(one), {lists:sort(code_target:module_info(exports)),
             [K || {K, _} <- code_target:module_info()], code_target:module_info(module)} end},
     {module_info_functions, fun() -> fresh(), load(one), lists:sort(code_target:module_info(functions)) end},
     {module_info_compile, fun() -> fresh(), load(one), [K || {K, _} <- code_target:module_info(compile)] end},
     {get_module_info, fun() ->
         fresh(), load(one), {erlang:get_module_info(code_target, nifs), erlang:get_module_info(code_target, native),
             erlang:get_module_info(code_target, native_addresses)} end},
     {get_module_info_bad, fun() ->
         [outcome(fun() -> erlang:get_module_info(id(M), id(K)) end) || {M, K} <- [{no_such_module, exports},
                 {?MODULE, nothing}, {"x", exports}]] end},
     {md5, fun() -> fresh(), load(one), code:module_md5(object(one)) =:= code_target:module_info(md5) end},
     {md5_versions, fun() -> code:module_md5(object(one)) =/= code:module_md5(object(two)) end},
     {md5_bad, fun() -> {code:module_md5(<<"nothing">>), element(2, outcome(fun() -> code:module_md5(id(x)) end))} end},
     {chunks, fun() ->
         B = object(one), [is_binary(erts_internal:beamfile_chunk(B, C)) || C <- ["AtU8", "Code", "StrT", "ImpT",
                 "ExpT", "FunT", "LitT", "LocT", "Attr", "CInf", "Nope"]] end},
     {chunk_bad, fun() ->
         [element(1, outcome(fun() -> erts_internal:beamfile_chunk(id(B), id(C)) end))
             || {B, C} <- [{x, "Code"}, {<<>>, "Co"}, {<<>>, code}, {<<"FOR1">>, "Code"}]] end},
     {beam_lib, fun() ->
         {ok, {code_target, [{exports, E}, {imports, _}]}} = beam_lib:chunks(object(one), [exports, imports]),
         lists:sort(E) end},
     {places_in_the_path, fun() ->
         Old = code:get_path(), D = case file:get_cwd() of {ok, Cwd} -> Cwd end, Up = filename:dirname(D),
         R = [{F, case t:outcome(fun() -> code:F(A) end) of {error, E, _} -> E; Good -> Good end,
             [lists:nth(N, ["d", "up", "."]) || X <- code:get_path(), {N, X} <- lists:zip([1, 2, 3], [D, Up, "."])],
             lists:last(code:get_path()) =:= D}
              || {F, A} <- [{add_path, "."}, {add_pathz, "."}, {add_patha, "."}, {add_pathz, D},
                  {add_patha, D}, {add_pathz, D}, {add_patha, D ++ "/"}, {add_pathsz, [D, Up]}, {add_pathsa, [D, Up]},
                            {del_path, D}, {del_path, "."}, {add_pathsz, ["."]},
                            {add_path, "/nope"}, {add_pathsa, ["/nope", "."]}, {add_patha, a},
                            {add_patha, <<"/tmp">>}, {add_pathsa, a}, {add_pathsz, [list_to_atom(D)]}]],
         code:set_path(Old), R end},
     {fun_of_replaced_code, fun() ->
         fresh(), load(one), F = code_target:make_fun(1), A = F(2), Other = renamed(object(one), make_fun, fun_make),
         code:delete(code_target), code:purge(code_target),
         {module, _} = code:load_binary(code_target, "x.beam", Other),
         R = t:outcome(fun() -> (id(F))(3) end), fresh(),
         {A, case R of {error, {Bad, G}, _} when G =:= F -> Bad; _ -> R end} end},
     {load_binary_with_atom, fun() ->
         fresh(), B = object(one),
         R = [{code:load_binary(code_target, F, B), code:is_loaded(code_target), code:which(code_target),
                 lists:keyfind(code_target, 1, code:all_loaded()), code:module_status(code_target)}
          || F <- [cover_compiled, "", "x.beam"]], fresh(), R end},
     {bad_files, fun() ->
         [code:load_binary(code_target, "x.beam", B) || B <- [<<>>, <<"FOR1">>, <<"FOR1", 0, 0, 0, 4, "BEAM">>,
                 binary:part(object(one), 0, 200), gibberish()]] end},
     {bad_load_module, fun() ->
         [outcome(fun() -> erlang:load_module(id(M), id(B)) end)
             || {M, B} <- [{code_target, <<"x">>}, {other_name, object(one)}]] end},
     {bad_load_module_args, fun() ->
         [element(2, outcome(fun() -> erlang:load_module(id(M), id(B)) end))
             || {M, B} <- [{1, <<>>}, {code_target, x}]] end},
     %% OTP's loader is not made for this.
     {mutants, fun() -> fresh(), not here() orelse lists:all(fun mutant_is_judged/1, lists:seq(1, 300)) end},
     {prepare_finish, fun() ->
         fresh(), P = erts_internal:prepare_loading(code_target, object(two)), A = is_reference(P),
         B = erlang:has_prepared_code_on_load(P), {A, B, erlang:finish_loading([P]), code_target:version()} end},
     {finish_twice, fun() ->
         fresh(), P = erts_internal:prepare_loading(code_target, object(two)), ok = erlang:finish_loading([P]),
         outcome(fun() -> erlang:finish_loading([P, id(P)]), second end) =/= ok end},
     {finish_duplicated, fun() ->
         fresh(), Two = fun() -> erts_internal:prepare_loading(code_target, object(two)) end,
         erlang:finish_loading([Two(), Two(), Two()]) end},
     {finish_bad, fun() -> [element(2, outcome(fun() -> erlang:finish_loading(id(L)) end)) || L <- [[x], x, [make_ref()]]] end},
     {prepare_dropped, fun() ->
         [erts_internal:prepare_loading(code_target, object(one)) || _ <- lists:seq(1, 50)],
         erlang:garbage_collect(), ok end},
     {on_load_good, fun() ->
         fresh(code_onload), {load(code_onload, onload_good, onload_good), code_onload:answer(),
             erlang:module_loaded(code_onload)} end},
     {on_load_auto, fun() -> fresh(code_onload), code_onload:answer() end},
     {on_load_nope, fun() -> fresh(code_onload), {load(code_onload, onload_good, onload_nope), code:is_loaded(code_onload)} end},
     {on_load_atom, fun() -> fresh(code_onload), {load(code_onload, onload_good, onload_atom), code:is_loaded(code_onload)} end},
     {on_load_many, fun() ->
         fresh(code_onload), Self = self(),
         Ps = [spawn_link(fun() -> Self ! {self(), code_onload:answer()} end) || _ <- lists:seq(1, 20)],
         [receive {P, A} -> A end || P <- Ps]
     end},
     {on_load_loader_killed, fun() ->
         [begin
              fresh(code_onload), {P, R} = spawn_monitor(fun() -> code_onload:answer() end),
              [erlang:yield() || _ <- lists:seq(1, N)], exit(P, kill),
              receive {'DOWN', R, process, P, _} -> ok end, 42 = code_onload:answer()
          end || _ <- [1, 2, 3], N <- lists:seq(0, 40)], ok
     end},
     {on_load_result, fun() ->
         fresh(code_onload), P = erts_internal:prepare_loading(code_onload, object_of(code_onload)),
         {erlang:has_prepared_code_on_load(P), erlang:finish_loading([P]), erlang:call_on_load_function(code_onload),
             erlang:finish_after_on_load(code_onload, true), code_onload:answer()} end},
     {on_load_bad, fun() ->
         [element(2, outcome(F)) || F <- [fun() -> erlang:call_on_load_function(id(no_such)) end,
                 fun() -> erlang:finish_after_on_load(id(no_such), true) end]] end},
     {undef_module, fun() -> outcome(fun() -> (id(no_such_module)):f(1, 2) end) end},
     {undef_function, fun() -> outcome(fun() -> (id(lists)):no_such_function(1) end) end},
     {undef_apply, fun() -> outcome(fun() -> apply(id(no_such_module), f, [a]) end) end},
     {undef_fun, fun() -> F = fun no_such_module:f/1, outcome(fun() -> (id(F))(x) end) end},
     {undef_spawn, fun() -> {P, R} = spawn_monitor(no_such_module, f, [1]), receive {'DOWN', R, process, P, Why} -> Why end end},
     {fun_needs_on_load, fun() ->
          fresh(code_onload), F = code_onload:adder(1), B = term_to_binary(F), A = F(1),
          code:purge(code_onload), code:delete(code_onload), code:purge(code_onload),
          G = binary_to_term(B), {A, G(2), apply(G, [3]), lists:map(G, [4, 5])} end},
     {own_handler_first, fun() ->
          Me = self(),
          {module, _} = code:ensure_loaded(code_own_handler),
          spawn(fun() -> process_flag(error_handler, code_own_handler), Me ! {code_handler:f(1), code_no_such:g(2)} end),
          receive Answer -> Answer after 20000 -> timeout end end},
     {handle_undefined, fun() ->
         {code_handler:f(1, 2), code_handler:'with space'(), (fun code_handler:g/1)(x), apply(code_handler, h, [])}
         end},
     {function_exported, fun() ->
         [erlang:function_exported(M, F, A) || {M, F, A} <- [{lists, map, 2}, {lists, map, 7}, {lists, reverse, 2},
                 {erlang, element, 2}, {no_such, f, 0}, {?MODULE, cases, 0}, {?MODULE, ask, 2}]] end},
     {function_exported_bad, fun() ->
         [outcome(fun() -> erlang:function_exported(id(M), id(F), id(A)) end) || {M, F, A} <- [{1, f, 0}, {m, "f", 0},
                 {m, f, a}, {m, f, -1}, {m, f, 1 bsl 70}]] end},
     {is_builtin, fun() ->
         [erlang:is_builtin(M, F, A) || {M, F, A} <- [{erlang, element, 2}, {lists, member, 2}, {lists, map, 2},
                 {no_such, f, 0}]] end},
     {module_loaded, fun() ->
         {erlang:module_loaded(erlang), erlang:module_loaded(?MODULE), erlang:module_loaded(no_such),
             outcome(fun() -> erlang:module_loaded(id("x")) end)} end},
     {pre_loaded, fun() -> erlang:pre_loaded() end},
     {loaded, fun() -> L = erlang:loaded(), {lists:member(?MODULE, L), lists:member(erlang, L), lists:member(no_such, L)} end},
     {ensure_loaded, fun() -> [code:ensure_loaded(M) || M <- [lists, no_such_module, ?MODULE]] end},
     {ensure_modules_loaded, fun() ->
         {code:ensure_modules_loaded([lists, maps]), code:ensure_modules_loaded([lists, no_such_module])} end},
     {load_file, fun() -> fresh(), {code:load_file(no_such_module), code:load_file(code_target), code_target:version()} end},
     {load_abs, fun() -> {code:load_abs("/no/such/file"), element(2, outcome(fun() -> code:load_file(id("x")) end))} end},
     {which, fun() ->
         {filename:basename(code:which(lists)), code:which(erlang), code:which(no_such_module),
             is_list(code:which(code_handler))} end},
     {is_loaded, fun() -> {code:is_loaded(erlang), code:is_loaded(no_such_module), element(1, code:is_loaded(lists))} end},
     {object_code, fun() ->
         {lists, B, F} = code:get_object_code(lists),
         {is_binary(B), filename:basename(F), code:get_object_code(no_such_module)} end},
     {dirs, fun() ->
         {code:root_dir(), code:lib_dir(), filename:basename(code:lib_dir(stdlib)), code:lib_dir(no_such_app),
             filename:basename(code:priv_dir(crypto)), code:priv_dir(no_such_app)} end},
     {lib_subdir, fun() -> filename:basename(code:lib_dir(stdlib, ebin)) end},
     {path, fun() ->
         {code:add_patha("/no/such/dir"), code:add_patha("/tmp"), lists:member("/tmp", code:get_path()),
             code:del_path("/tmp"), lists:member("/tmp", code:get_path()), code:del_path("/tmp")} end},
     {path_order, fun() -> code:add_pathz("/usr"), L = lists:last(code:get_path()), code:del_path("/usr"), L end},
     {where_is_file, fun() -> {filename:basename(code:where_is_file("lists.beam")), code:where_is_file("no_such_file")} end},
     {modes, fun() -> {code:get_mode(), code:objfile_extension()} end},
     {fun_info_local, fun() ->
         X = id(5), F = fun(Y) -> X + Y end,
         [erlang:fun_info(F, K) || K <- [module, arity, env, type, name, index, new_index]] end},
     {fun_info_pid, fun() -> F = fun(Y) -> Y end, {pid, P} = erlang:fun_info(F, pid), P =:= self() end},
     {fun_info_external, fun() ->
         F = fun lists:map/2, [erlang:fun_info(F, K) || K <- [module, arity, env, type, name, index, new_index, uniq,
                 new_uniq, pid]] end},
     {fun_info_1, fun() -> {[K || {K, _} <- erlang:fun_info(fun(Y) -> Y end)], erlang:fun_info(fun lists:map/2)} end},
     {fun_info_bad, fun() ->
         [outcome(fun() -> erlang:fun_info(id(F), id(K)) end) || {F, K} <- [{x, pid}, {fun lists:map/2, nothing},
                 {fun lists:map/2, 1}]] end},
     {fun_info_uniq, fun() -> {new_uniq, U} = erlang:fun_info(fun(Y) -> Y end, new_uniq), U =:= ?MODULE:module_info(md5) end},
     {fun_info_mfa, fun() ->
         {erlang:fun_info_mfa(fun(Y) -> Y end), erlang:fun_info_mfa(fun lists:map/2),
             element(2, outcome(fun() -> erlang:fun_info_mfa(id(x)) end))} end},
     {make_fun, fun() ->
         F = erlang:make_fun(lists, reverse, 1),
         {F([1, 2]), F =:= fun lists:reverse/1,
             [element(2, outcome(fun() -> erlang:make_fun(id(M), id(N), id(A)) end))
                 || {M, N, A} <- [{m, f, -1}, {m, f, 256}, {m, f, a}, {1, f, 0}, {m, "f", 0}]]} end},
     {nif_error, fun() ->
         [{C, R} || F <- [fun() -> erlang:nif_error(id(a)) end, fun() -> erlang:nif_error(id(a), [b]) end],
             {C, R, _} <- [outcome(F)]] end}].

%% ---- helpers ----

here() ->
    erlang:function_exported(bulkhead_code, root, 0).

fresh() ->
    fresh(code_target).

%% No code of it is loaded.
fresh(Module) ->
    code:purge(Module),
    code:delete(Module),
    code:purge(Module).

object(one) -> object_of(code_target);
object(two) -> renamed(object(one), version_one, version_two).

object_of(Module) ->
    {Module, Binary, _} = code:get_object_code(Module),
    Binary.

%% Another module of the same length: From stands in the atom table only.
renamed(Binary, From, To) ->
    binary:replace(Binary, atom_to_binary(From), atom_to_binary(To), [global]).

load(Version) ->
    code:load_binary(code_target, "code_target.beam", object(Version)).

load(Module, From, To) ->
    code:load_binary(Module, "x.beam", renamed(object_of(Module), From, To)).

ask(Pid, What) ->
    Pid ! {self(), What},
    receive {Pid, Answer} -> Answer after 20000 -> timeout end.

gibberish() ->
    << <<(erlang:phash2(I, 256))>> || I <- lists:seq(1, 3000)>>.

%% One byte of the code changed: it is loaded or it is not; either way the VM goes on.
mutant_is_judged(I) ->
    Binary = object(one),
    At = erlang:phash2({I, at}, byte_size(Binary)),
    <<Before:At/binary, _, After/binary>> = Binary,
    Mutant = <<Before/binary, (erlang:phash2({I, value}, 256)), After/binary>>,
    case erts_internal:prepare_loading(code_target, Mutant) of
        {error, badfile} -> true;
        Ref -> is_reference(Ref)
    end.
