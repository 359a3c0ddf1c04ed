%% Random modules: how they are made, compiled and made smaller.
-module(diff_module).
-export(['case'/2, size_of/1, smaller/1, source/1]).
-import(diff_rand, [int/2, pick/1]).

-define(TRIED, 70). % smaller modules compiled at once

'case'(Seed, I) ->
    diff_rand:seed(Seed * 100000007 + I),
    Name = list_to_atom("fuzz" ++ integer_to_list(I)),
    [put({diff_expr, What}, 0) || What <- [line, variable, template]],
    Functions = [{list_to_atom("f" ++ integer_to_list(N)), int(0, 3)} || N <- lists:seq(1, int(2, 8))],
    Forms = forms(Name, Functions),
    Calls = [{F, [diff_term:any(2) || _ <- lists:seq(1, A)]} || {F, A} <- Functions, F =/= id, _ <- [1, 2, 3]],
    case compile(Forms, options()) of
        {ok, Code} -> {module, Name, Code, Calls};
        error -> 'case'(Seed, I + 1000000) % what a generator this simple makes is not always a program
    end.

%% Passes left out leave other instructions.
options() ->
    pick([[], [], [], [no_type_opt], [no_copt], [no_ssa_opt], [no_postopt], [inline], [no_bsm_opt], [no_bool_opt],
        [no_fun_opt], [r23], [r24], [no_copt, no_ssa_opt, no_postopt]]).

compile(Forms, Options) ->
    try compile:forms(Forms, [debug_info, return_errors | Options]) of
        {ok, _, Code} -> {ok, Code};
        _ -> error
    catch
        _:_ -> error
    end.

forms(Name, Functions) ->
    [{attribute, 1, file, {"m.erl", 1}}, {attribute, 1, module, Name}, {attribute, 1, export, [{id, 1} | Functions]},
     {attribute, 1, record,
         {r, [{record_field, 1, {atom, 1, a}}, {record_field, 1, {atom, 1, b}, {integer, 1, 7}},
                 {record_field, 1, {atom, 1, c}, {atom, 1, x}}]}},
     {function, 1, id, 1, [{clause, 1, [{var, 1, 'X'}], [], [{var, 1, 'X'}]}]} | functions(Functions)].

%% A function calls those behind it: all end.
functions([]) -> [];
functions([{Name, Arity} | Behind]) ->
    Env = #{vars => [], functions => [{id, 1} | Behind]},
    [{function, diff_expr:line(), Name, Arity,
        [diff_expr:clause_of_function(Arity, int(2, 4), Env) || _ <- lists:seq(1, int(1, 3))]} | functions(Behind)].

parts({module, _, Code, Calls}) ->
    {ok, {_, [{abstract_code, {_, Forms}}, {compile_info, Info}]}} = beam_lib:chunks(Code, [abstract_code, compile_info]),
    {Forms, proplists:get_value(options, Info, []) -- [debug_info, return_errors], Calls}.

source(Module) ->
    {Forms, _, _} = parts(Module),
    lists:append([erl_pp:form(F) || F <- Forms, element(1, F) =/= eof]).

size_of({module, _, _, Calls} = Module) ->
    {Forms, _, _} = parts(Module),
    nodes_of(Forms) + erlang:external_size(Calls) / 10.

nodes_of({Tag, Line, _} = T) when is_atom(Tag), is_integer(Line), Tag =:= integer; Tag =:= atom; Tag =:= var ->
    1 + literal_size(T);
nodes_of({nil, _}) -> 0.5;
nodes_of(T) when is_tuple(T) -> 1 + lists:sum([nodes_of(E) || E <- tuple_to_list(T)]);
nodes_of([H | T]) -> nodes_of(H) + nodes_of(T);
nodes_of(_) -> 0.

literal_size({integer, _, N}) when abs(N) > 9 -> 0.5;
literal_size({integer, _, 0}) -> 0;
literal_size({var, _, _}) -> 0.2;
literal_size(_) -> 0.1.

smaller({module, Name, _, Calls} = Module) ->
    {Forms, Options, _} = parts(Module),
    Fewer = case Calls of
                [_] -> [{module, Name, element(3, Module), [{F, A}]} || {F, Args} <- Calls, A <- diff_shrink:each(Args)];
                _ -> [{module, Name, element(3, Module), [C]} || C <- Calls]
            end,
    case Calls of
        [{F, Args}] -> lists:sublist(Fewer, 40) ++ recompiled(Name, smaller_forms(Forms, {F, length(Args)}), Options, Calls);
        _ -> Fewer
    end.

recompiled(Name, Variants, Options, Calls) ->
    Sized = lists:sort([{nodes_of(V), V} || V <- Variants]),
    Chosen = case length(Sized) > ?TRIED of
                 true ->
                     {Small, Large} = lists:split(?TRIED div 2, Sized),
                     Small ++ lists:sublist(diff_rand:shuffle(Large), ?TRIED div 2);
                 false -> Sized
             end,
    [{module, Name, Code, Calls} || {_, V} <- Chosen, {ok, Code} <- [compile(V, Options)]].

%% Without one of the functions, or with something in one of them smaller.
smaller_forms(Forms, Called) ->
    Kept = [F || F <- Forms, element(1, F) =/= eof],
    [lists:delete(Form, fewer_exports(Kept, {N, A})) || {function, _, N, A, _} = Form <- Kept, {N, A} =/= Called] ++
        [[case F of Form -> setelement(5, Form, Clauses); _ -> F end || F <- Kept]
            || {function, _, _, _, Old} = Form <- Kept, Clauses <- variants(Old)].

fewer_exports(Forms, Function) ->
    [case F of {attribute, L, export, Es} -> {attribute, L, export, lists:delete(Function, Es)}; _ -> F end || F <- Forms].

%% A tree with one node replaced by a part of it or by something simple, or one element of a list left out.
variants(List) when is_list(List) ->
    case length(List) > 1 of true -> [lists:delete(E, List) || E <- List]; false -> [] end ++ elements(List);
variants({clause, _, _, _, _} = C) ->
    inside(C);
variants({Tag, Line}) when is_atom(Tag), is_integer(Line) -> [];
variants(T) when is_tuple(T), tuple_size(T) > 1, is_atom(element(1, T)), is_integer(element(2, T)) ->
    L = element(2, T),
    [{atom, L, a}, {integer, L, 0}, {nil, L}] ++ [E || E <- lists:flatten(tl(tl(tuple_to_list(T)))),
        is_expression(E)] ++ inside(T);
variants(T) when is_tuple(T), tuple_size(T) > 0 -> inside(T);
variants(_) -> [].

is_expression(T) ->
    is_tuple(T) andalso tuple_size(T) > 1 andalso is_atom(element(1, T)) andalso is_integer(element(2, T))
    andalso element(1, T) =/= clause.

inside(T) ->
    [setelement(I, T, V) || I <- lists:seq(2, tuple_size(T)), V <- variants(element(I, T))].

elements([]) -> [];
elements([H | T]) -> [[V | T] || V <- variants(H)] ++ [[H | Vs] || Vs <- elements(T)].
