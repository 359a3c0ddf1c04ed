%% Random expressions, patterns and guards in abstract form. Most come out of tables of templates: in a template an atom such as
%% '@int' is a hole for an expression of that type, and variables get names of their own.
-module(diff_expr).
-export([expr/3, body/3, pattern/3, guard/2, clause_of_function/3, closed_expressions/0, line/0, fresh/0]).
-import(diff_rand, [int/2, pick/1, chance/1, frequency/1, pick_fun/1]).

%% An environment: vars that are bound, and functions of the module that may be called.
closed_expressions() ->
    element(1, body(pick([int, list, any, bin]), 2, #{vars => [], functions => [], records => false})).

%% Every expression stands on a line of its own: traces tell which it was.
line() -> next(line).

fresh() -> list_to_atom("V" ++ integer_to_list(next(variable))).

next(What) ->
    N = case get({?MODULE, What}) of undefined -> 1; Old -> Old + 1 end,
    put({?MODULE, What}, N),
    N.

%% Some expressions, the last of the type; those before may bind variables. {Expressions, Env}
body(Type, Depth, Env) -> body(pick([0, 0, 0, 1, 1, 2]), Type, Depth, Env, []).

body(0, Type, Depth, Env, Before) -> {lists:reverse([expr(Type, Depth, Env) | Before]), Env};
body(N, Type, Depth, Env, Before) ->
    {E, After} = statement(Depth, Env),
    body(N - 1, Type, Depth, After, [E | Before]).

statement(Depth, Env) ->
    frequency([{4, fun() ->
                           V = fresh(),
                           {{match, line(), {var, line(), V}, expr(pick(types()), Depth - 1, Env)}, bind(V, Env)}
                   end},
               {2, fun() ->
                           {Pattern, Matched, Bound} = diff_pattern:with_value(Depth - 1, Env),
                           {{match, line(), Pattern, Matched}, bind(Bound, Env)}
                   end},
               {1, fun() -> {expr(effect, Depth - 1, Env), Env} end}]).

bind(Vars, Env) when is_list(Vars) -> Env#{vars := Vars ++ maps:get(vars, Env)};
bind(Var, Env) -> bind([Var], Env).

types() -> [int, num, bool, list, tuple, map, bin, atom, any].

expr(Type, Depth, Env) when Depth =< 0 -> simple(Type, Env);
expr(Type, Depth, Env) ->
    Wanted = case chance(25) of true -> pick(types()); false -> Type end,
    frequency([{3, fun() -> simple(Wanted, Env) end},
               {8, fun() -> template(pick(templates(Wanted)), Depth, Env) end},
               {4, fun() -> control(Wanted, Depth, Env) end}]).

%% A literal or a variable.
simple(Type, Env = #{vars := Vars}) ->
    case Vars =/= [] andalso not chance(3) of
        true -> {var, line(), pick(lists:sublist(Vars, 6))};
        false -> opaque(literal(Type), Env)
    end.

%% What the compiler must not know it hides behind id/1.
opaque(Literal, #{functions := [_ | _]}) ->
    case chance(3) of
        true -> {call, line(), {atom, line(), id}, [Literal]};
        false -> Literal
    end;
opaque(Literal, _) -> Literal.

literal(int) -> abstract(diff_term:integer());
literal(small) -> abstract(int(0, 9));
literal(num) -> abstract(diff_term:number());
literal(bool) -> abstract(diff_term:boolean());
literal(list) -> abstract(diff_term:list(fun() -> diff_term:any(1) end));
literal(ints) -> abstract(diff_term:list(fun diff_term:small/0));
literal(tuple) -> abstract(diff_term:tuple(fun() -> diff_term:any(1) end));
literal(map) -> abstract(diff_term:map(fun() -> diff_term:any(1) end));
literal(bin) -> abstract(diff_term:binary());
literal(atom) -> abstract(diff_term:atom());
literal('fun') -> template("fun erlang:length/1", 0, #{});
literal(_) -> abstract(diff_term:any(2)).

abstract(Term) ->
    diff_term:allow(plain),
    erl_parse:abstract(Term, line()).

templates(int) ->
    {"'@int' + '@int'", "'@int' - '@int'", "'@int' * '@int'", "'@int' div '@int'", "'@int' rem '@int'",
        "- '@int'", "'@int' band '@int'", "'@int' bor '@int'",
     "'@int' bxor '@int'", "bnot '@int'", "'@int' bsl ('@int' band 127)", "'@int' bsr ('@int' band 127)",
     "'@int' bsl '@small'", "'@int' bsr - '@small'", "abs('@int')", "trunc('@num')", "round('@num')", "ceil('@num')",
     "floor('@num')", "length('@list')", "tuple_size('@tuple')", "map_size('@map')", "byte_size('@bin')",
     "bit_size('@bin')", "size('@tuple')", "size('@bin')",
     "hd('@ints')", "lists:sum('@ints')", "lists:foldl(fun(X, Y) -> X + Y end, '@int', '@ints')",
     "max('@int', '@int')", "min('@int', '@int')", "erlang:phash2('@any')",
     "binary_to_integer(integer_to_binary('@int', 16), 16)", "begin <<X:'@size'>> = <<('@int'):'@size'>>, X end",
     "list_to_integer(integer_to_list('@int'))", "length([X || X <- '@list', is_atom(X)])",
     "erlang:crc32('@bin')", "binary:decode_unsigned('@bin')", "'@int' + 1", "1 - '@int'", "'@int' * 2",
     "'@int' div 2", "'@int' rem 16"};
%% No unary +: of a literal OTP makes a sum with 0, and says so in traces.
templates(num) ->
    {"'@num' + '@num'", "'@num' - '@num'", "'@num' * '@num'", "'@num' / '@num'", "float('@num')", "- '@num'",
        "abs('@num')", "math:sqrt(abs('@num'))", "math:floor('@num')", "'@num' + 1.0", "'@num' * 0.5",
     "'@int' / '@int'", "lists:max(['@num', '@num'])", "binary_to_float(float_to_binary(float('@num')))",
     "begin <<X/float>> = <<('@num')/float>>, X end", "begin <<X:32/float>> = <<('@num'):32/float>>, X end",
     "begin <<X:16/float-little>> = <<('@num'):16/float-little>>, X end"};
templates(bool) ->
    {"'@any' =:= '@any'", "'@any' == '@any'", "'@any' /= '@any'", "'@any' =/= '@any'", "'@any' < '@any'",
        "'@any' =< '@any'", "'@num' < '@num'", "'@num' >= '@num'", "'@num' == '@num'", "'@int' > '@int'",
        "not '@bool'", "'@bool' and '@bool'",
     "'@bool' or '@bool'", "'@bool' xor '@bool'", "'@bool' andalso '@bool'", "'@bool' orelse '@bool'",
     "is_integer('@any')", "is_float('@any')", "is_list('@any')", "is_map('@any')", "is_binary('@any')",
     "is_tuple('@any')",
     "is_atom('@any')", "is_function('@any', 1)", "is_map_key('@any', '@map')", "lists:member('@any', '@list')",
     "is_bitstring('@any')", "is_boolean('@any')", "is_number('@any')", "is_record('@any', r)",
     "is_record('@any', a, 2)", "[] == '@list'", "'@map' == '@map'", "'@tuple' < '@tuple'"};
templates(list) ->
    {"['@any' | '@list']", "['@any', '@any']", "'@list' ++ '@list'", "'@list' -- '@list'", "tl('@list')",
        "lists:reverse('@list')", "tuple_to_list('@tuple')", "binary_to_list('@bin')", "maps:to_list('@map')",
        "lists:sort('@list')",
     "lists:usort('@list')", "lists:map('@fun', '@list')", "[{X, Y} || X <- '@list', Y <- '@ints']",
     "lists:zip('@list', '@list')", "atom_to_list('@atom')", "maps:keys('@map')", "maps:values('@map')",
     "integer_to_list('@int')",
     "[X || <<X>> <= '@bin']", "[X || <<X:4/signed>> <= '@bin']", "[X || <<X:16/little>> <= '@bin']",
     "[X || <<X/utf8>> <= '@bin']", "[X || <<1:2, X:6>> <= '@bin']", "\"abc\" ++ '@list'",
     "[X || X <- '@list', X > '@any']", "[X || {X, _} <- '@list']",
     "lists:filter(fun(X) -> X =/= '@any' end, '@list')", "['@int' | '@any']",
     "float_to_list(float('@num'), [short])", "lists:flatten('@list')",
     "lists:keysort(1, [{X, a} || X <- '@list'])", "[X || [X | _] <- ['@list', '@list']]", "get_keys('@any')",
     "[Y || X <- '@list', Y <- X]", "[X || #{a := X} <- ['@map', '@any']]"};
templates(ints) ->
    {"['@int', '@int', '@int']", "[X || X <- '@list', is_integer(X)]", "lists:seq('@small', '@small')",
        "binary_to_list('@bin')", "['@int' | '@ints']", "[X * 2 || X <- '@ints']"};
templates(tuple) ->
    {"{'@any'}", "{'@any', '@any'}", "{'@any', '@any', '@any'}", "setelement('@small', '@tuple', '@any')",
        "list_to_tuple('@list')", "erlang:append_element('@tuple', '@any')",
        "erlang:delete_element('@small', '@tuple')", "erlang:make_tuple('@small', '@any')",
        "erlang:insert_element(1, '@tuple', '@any')",
     "setelement(1, setelement(2, {a, b, '@any'}, '@any'), '@any')", "#r{a = '@any'}",
     "#r{b = '@any', c = '@any'}", "('@tuple')#r{a = '@any'}", "(#r{a = '@any'})#r{b = '@any'}"};
templates(map) ->
    {"#{}", "#{'@any' => '@any'}", "#{a => '@any', '@any' => '@any'}", "('@map')#{a => '@any'}",
        "('@map')#{'@any' => '@any', b => '@any'}", "('@map')#{a := '@any'}", "maps:put('@any', '@any', '@map')",
        "maps:remove('@any', '@map')",
     "maps:merge('@map', '@map')", "maps:from_list([{X, a} || X <- '@list'])",
     "maps:map(fun(X, Y) -> {X, Y} end, '@map')", "maps:filter(fun(_, Y) -> Y =/= '@any' end, '@map')",
     "maps:update(a, '@any', '@map')", "(#{a => '@any', b => '@any'})#{a := '@any', c => '@any'}",
     "#{1 => '@any', 1.0 => '@any', c => '@any', '@atom' => '@any'}"};
templates(bin) ->
    {"<<('@int')>>", "<<('@int'):'@size'>>", "<<('@int'):'@size'/little, ('@bin')/bits>>",
        "<<('@bin')/binary, ('@bin')/binary>>", "<<('@bin')/bits, ('@int'):'@size'/signed>>",
        "list_to_binary('@list')", "term_to_binary('@any')", "integer_to_binary('@int')", "atom_to_binary('@atom')",
     "<< <<X>> || X <- '@ints' >>", "<< <<X:'@size'>> || X <- '@ints' >>", "<< <<X/utf8>> || X <- '@ints' >>",
     "<< <<X:3>> || <<X:5>> <= '@bin' >>", "<< <<X/bits, 1:1>> || <<X:7/bits>> <= '@bin' >>", "<<('@num')/float>>",
     "<<('@num'):32/float-little>>", "<<('@num'):16/float>>", "<<('@int')/utf8>>", "<<('@int')/utf16-little>>",
     "<<('@int')/utf32>>", "<<\"abc\", ('@int'):16>>", "<<\"aλ\"/utf8>>", "<<\"ab\"/utf16, ('@bin')/binary>>",
     "<<\"abc\":4>>", "binary:part('@bin', '@small', '@small')", "<<('@bin'):'@small'/binary>>",
     "<<('@bin'):'@size'/bits>>", "<<('@bin'):'@small'/binary-unit:4>>", "<<('@int'):'@small'/unit:8>>",
     "<<('@int'):'@small'/integer-unit:7-little>>", "<<('@any')/binary, 1>>", "<<0:'@size', ('@bin')/bits>>",
     "<<('@int'):64/native, ('@int'):65/little-signed>>", "iolist_to_binary('@list')",
     "binary:copy('@bin', '@small')", "begin <<X:'@small'/binary, Y/bits>> = '@bin', <<Y/bits, X/binary>> end",
     "<<('@int'):12, ('@int'):12/little, ('@int'):13, ('@bin')/bits>>",
     "float_to_binary(float('@num'), [{decimals, '@small'}, compact])"};
templates(atom) ->
    {"element(1, {'@atom', '@any'})", "list_to_atom('@list')", "binary_to_atom('@bin')", "hd(['@atom'])",
        "case '@bool' of true -> '@atom'; false -> '@atom' end", "'@bool'"};
templates('fun') ->
    {"fun(X) -> {X, '@any'} end", "fun(X) -> X end", "fun(X) -> '@any' =:= X end", "fun erlang:abs/1",
        "fun lists:reverse/1", "fun id/1", "fun(X) when X > '@any' -> 1; (X) -> X end", "fun(X) -> X + '@int' end",
        "fun([X | _]) -> X; ({X}) -> X end",
     "fun F(0) -> '@any'; F(X) when is_integer(X), X > 0, X < 5 -> F(X - 1) end", "fun(X) -> fun() -> X end end",
     "fun(<<X:3, Y/bits>>) -> {X, Y}; (#{a := X}) -> X end"};
templates(effect) ->
    {"put('@atom', '@any')", "erase('@atom')", "self() ! '@any'", "put('@any', '@any')", "'@any' ! '@any'",
        "erase()", "self() ! {'@atom', '@any'}", "id('@any')", "process_flag(trap_exit, '@bool')",
        "exit(self(), '@any')"};
templates(any) ->
    {"'@int'", "'@num'", "'@list'", "'@map'", "'@tuple'", "'@bin'", "'@bool'", "'@atom'",
        "element('@small', '@tuple')", "hd('@list')", "get('@atom')", "get('@any')", "maps:get('@any', '@map')",
        "map_get(a, '@map')", "maps:get(a, '@map', '@any')", "('@fun')('@any')", "('@fun')('@any', '@any')",
     "apply('@fun', '@list')", "apply(lists, reverse, ['@list'])", "apply(erlang, '@atom', '@list')",
     "'@atom':'@atom'('@any')", "catch '@any'", "catch throw('@any')", "catch error('@any')", "catch exit('@any')",
     "(catch '@any')", "throw('@any')", "error('@any')", "exit('@any')", "error('@any', '@list')", "'@any'('@any')",
     "binary_to_term(term_to_binary('@any'))", "case '@map' of #{a := X} -> X; #{} -> '@any' end",
     "case '@list' of [X, Y | Z] -> {Y, Z, X}; [X] -> X; X -> X end",
     "case '@bin' of <<X:8/signed, Y/bits>> -> {X, Y}; X -> X end",
     "case '@bin' of <<X/utf8, _/bits>> -> X; <<X:'@size'/bits, Y/bits>> -> {X, Y}; _ -> no end",
     "case '@bin' of <<X:'@size'/integer-little, Y/binary>> -> {X, Y}; <<X/float, _/bits>> -> X; <<X:32/float-little, _/bits>> -> X; _ -> no end",
     "case '@bin' of <<X, Y:X/bits, Z/bits>> -> {Y, Z}; <<X:4, Y:X/binary, Z/bits>> -> {Y, Z}; _ -> no end",
     "case '@bin' of <<X:4/binary-unit:3, \"a\", Y/bits>> -> {X, Y}; <<_:3, X/bits>> -> X; _ -> no end",
     "case '@tuple' of #r{a = X, b = Y} -> [X | Y]; {X} -> X; {X, _} -> X; _ -> no end",
     "(#r{a = '@any', b = '@any'})#r.b", "('@tuple')#r.a", "#r.c",
     "case '@any' of X when X > '@any' -> big; X -> {small, X} end",
     "case {'@any', '@any'} of {X, X} -> same; {X, Y} when X == Y -> equal; {_, _} -> neither end",
     "case '@num' of 0 -> zero; 1.0 -> one; X when X > 1 -> more; _ -> less end",
     "case '@int' of 1 -> a; 2 -> b; 3 -> c; 4 -> d; 5 -> e; 100 -> f; _ -> g end",
     "case '@atom' of a -> 1; b -> 2; c -> 3; d -> 4; ok -> 5; true -> 6; X -> X end",
     "case '@any' of \"abc\" -> 1; <<\"abc\">> -> 2; 3.0 -> 3; {a, [b]} -> 4; #{a := b} -> 5; 18446744073709551616 -> 6; X -> X end",
     "if '@num' > '@num' -> '@any'; '@atom' == a -> '@any'; true -> '@any' end", "if '@bool' -> '@any' end",
     "receive X -> X after 0 -> none end", "receive {a, X} -> X; X when is_integer(X) -> X after 0 -> none end",
     "receive X when X =:= '@any' -> yes after '@small' -> no end", "receive after 0 -> '@any' end",
     "receive after '@any' -> ok end",
     "begin self() ! '@any', self() ! '@any', receive X when is_atom(X) -> X; {X, Y} -> [X | Y] after 0 -> none end end",
     "try '@any' of X when is_list(X) -> X; {X, _} -> X catch throw:X -> {thrown, X}; error:{badmatch, X} -> X; error:X:S -> {X, [{F, A} || {_, F, A, _} <- S, not is_list(A)]} after put(k, '@any') end",
     "try '@any' catch C:X:S -> {C, X, hd(S)} end", "try '@any' catch X -> {thrown, X}; exit:X -> X end",
     "try '@any' after erase('@atom') end",
     "try '@any' catch C:X:S when is_atom(X) -> erlang:raise(C, {again, X}, S) end",
     "try error('@any') catch error:badarg -> 1; error:X when X > '@any' -> X end",
     "begin {P, R} = spawn_monitor(fun() -> '@any' end), receive {'DOWN', R, process, P, X} -> X after 1500 -> timeout end end",
     "begin {P, R} = spawn_monitor(fun() -> exit('@any') end), receive {'DOWN', R, process, P, X} -> X after 1500 -> timeout end end",
     "begin process_flag(trap_exit, true), P = spawn_link(fun() -> '@any' end), receive {'EXIT', P, X} -> X after 1500 -> timeout end end",
     "begin S = self(), {P, R} = spawn_monitor(fun() -> receive {S, X} -> S ! {self(), ('@fun')(X)} end end), P ! {S, '@any'}, receive {P, X} -> demonitor(R, [flush]), X; {'DOWN', R, process, P, X} -> X after 1500 -> timeout end end",
     "begin {P, R} = spawn_monitor(fun() -> receive never -> ok end end), exit(P, '@atom'), X = receive {'DOWN', R, process, P, Y} -> Y after 0 -> alive end, exit(P, kill), X =:= alive orelse demonitor(R, [flush]), receive {'DOWN', R, process, P, Z} -> Z after 100 -> X end end",
     "begin R = erlang:start_timer(0, self(), '@any'), receive {timeout, R, X} -> X after 1500 -> timeout end end",
     "begin R = make_ref(), self() ! '@any', self() ! {R, '@any'}, receive {R, X} -> X end end",
     "begin {P, R} = spawn_monitor(fun() -> process_flag(trap_exit, true), Q = spawn_link(fun() -> exit('@any') end), receive {'EXIT', Q, X} -> exit({got, X}) end end), receive {'DOWN', R, _, P, X} -> X end end",
     "begin {P, R} = spawn_monitor(fun() -> {_, Q} = spawn_monitor(fun() -> '@any' end), receive {'DOWN', Q, _, _, X} -> error(X) end end), receive {'DOWN', R, _, P, X} -> X end end",
     "begin R = monitor(process, spawn(fun() -> ok end)), receive {'DOWN', R, process, _, X} when X =:= normal; X =:= noproc -> down end end",
     "begin R = monitor(process, '@atom'), receive {'DOWN', R, A, B, C} -> {A, B, C} after 100 -> none end end",
     "begin A = alias([reply]), {P, R} = spawn_monitor(fun() -> A ! '@any', A ! '@any' end), receive {'DOWN', R, _, P, X} -> X end, receive X1 -> receive X2 -> {X1, X2} after 0 -> X1 end after 0 -> none end end",
     "exit(self(), '@any')", "link(self())", "unlink(self())", "register('@atom', self())", "whereis('@atom')",
     "process_flag(trap_exit, '@any')", "erlang:send(self(), '@any', [])",
     "element(2, process_info(self(), message_queue_len))", "element(2, process_info(self(), messages))",
     "element(2, process_info(self(), trap_exit))", "erlang:get()",
     "begin ets:insert(T = ets:new(t, ['@atom']), {'@any', '@any'}), ets:tab2list(T) end",
     "lists:foldl('@fun', '@any', '@list')", "lists:sort(fun(X, Y) -> X >= Y end, '@list')", "'@atom' = '@any'",
     "{X, Y} = {'@any', '@any'}", "[X | _] = '@list'", "<<_:2, X/bits>> = '@bin'", "#{a := X} = '@map'"};
templates(Other) -> {"'" ++ atom_to_list(Other) ++ "'"}.

template(Text, Depth, Env) ->
    Parsed = case get({?MODULE, Text}) of
                 undefined ->
                     {ok, Tokens, _} = erl_scan:string(Text ++ "."),
                     {ok, [Expr]} = erl_parse:parse_exprs(Tokens),
                     put({?MODULE, Text}, Expr),
                     Expr;
                 Known -> Known
             end,
    Records = maps:get(records, Env, true),
    case Records orelse not (uses_records(Parsed) orelse uses_id(Parsed)) of
        true -> fill(Parsed, Depth, Env, "_" ++ integer_to_list(next(template)));
        false -> abstract(diff_term:any(1))
    end.

uses_records(T) -> uses([record, record_field, record_index], T).
uses_id(T) -> uses_atom(id, T).
uses(Tags, T) when is_tuple(T), tuple_size(T) > 0 ->
    lists:member(element(1, T), Tags) orelse lists:any(fun(E) -> uses(Tags, E) end, tuple_to_list(T));
uses(Tags, [H | T]) -> uses(Tags, H) orelse uses(Tags, T);
uses(_, _) -> false.
uses_atom(A, {atom, _, A}) -> true;
uses_atom(A, {'fun', _, {function, A, _}}) -> true;
uses_atom(A, T) when is_tuple(T) -> lists:any(fun(E) -> uses_atom(A, E) end, tuple_to_list(T));
uses_atom(A, [H | T]) -> uses_atom(A, H) orelse uses_atom(A, T);
uses_atom(_, _) -> false.

fill({atom, _, Name} = Atom, Depth, Env, Suffix) ->
    case atom_to_list(Name) of
        "@size" -> segment_size(Env);
        "@" ++ Type -> expr(list_to_atom(Type), Depth - 1, Env);
        _ -> _ = Suffix, setelement(2, Atom, line())
    end;
fill({var, _, '_'}, _, _, _) -> {var, line(), '_'};
fill({var, _, Name}, _, _, Suffix) -> {var, line(), list_to_atom(atom_to_list(Name) ++ Suffix)};
fill({bin_element, _, V, S, T}, D, E, X) -> {bin_element, line(), fill(V, D, E, X), fill(S, D, E, X), T};
fill({named_fun, _, Name, Cs}, D, E, X) -> {named_fun, line(), list_to_atom(atom_to_list(Name) ++ X), fill(Cs, D, E, X)};
fill({clauses, Cs}, D, E, X) -> {clauses, fill(Cs, D, E, X)};
fill({'fun', _, F}, _, _, _) when element(1, F) =:= function -> {'fun', line(), F};
fill({record_field, L, Name, V}, D, E, X) when element(1, Name) =:= atom -> {record_field, L, Name, fill(V, D, E, X)};
fill(T, D, E, X) when is_tuple(T), tuple_size(T) > 1, is_atom(element(1, T)) ->
    [Tag, _ | Rest] = tuple_to_list(T),
    Line = line(),
    list_to_tuple([Tag, Line | [fill(R, D, E, X) || R <- Rest]]);
fill([H | T], D, E, X) -> [fill(H, D, E, X) | fill(T, D, E, X)];
fill(Other, _, _, _) -> Other.

%% A size of a segment: a small number, known to the compiler or not. Allowed in patterns, too.
segment_size(#{vars := [_ | _] = Vars}) ->
    case chance(3) of
        true -> {op, line(), 'band', {var, line(), pick(Vars)}, {integer, line(), 63}};
        false -> {integer, line(), pick([0, 1, 3, 4, 7, 8, 9, 12, 16, 24, 31, 32, 33, 63, 64, 65, 100])}
    end;
segment_size(_) -> {integer, line(), pick([0, 1, 3, 8, 12, 16, 32, 33, 64, 65, 128])}.

%% Where variables are bound that the parts may use.
control(Type, Depth, Env = #{functions := Functions}) ->
    frequency([{3, fun() -> 'case'(Type, Depth, Env) end},
               {2, fun() -> {block, line(), element(1, body(Type, Depth - 1, Env))} end},
               {1, fun() -> comprehension(Type, Depth, Env) end},
               {1, fun() -> fun_called(Type, Depth, Env) end},
               {1, fun() -> 'try'(Type, Depth, Env) end},
               {1, fun() -> received(Type, Depth, Env) end},
               {case Functions of [] -> 0; _ -> 2 end, fun() -> local_call(Depth, Env) end}]).

local_call(Depth, Env = #{functions := Functions}) ->
    {Name, Arity} = pick(Functions),
    {call, line(), {atom, line(), Name}, [expr(any, Depth - 1, Env) || _ <- lists:seq(1, Arity)]}.

'case'(Type, Depth, Env) ->
    {Pattern, Value, Bound} = diff_pattern:with_value(Depth - 1, Env),
    First = {clause, line(), [Pattern], guards(bind(Bound, Env)), element(1, body(Type, Depth - 1, bind(Bound, Env)))},
    {'case', line(), Value, [First | clauses(1, Type, Depth - 1, Env)]}.

clauses(Arity, Type, Depth, Env) -> [clause(Arity, Type, Depth, Env) || _ <- lists:seq(1, int(0, 2))].

clause(Arity, Type, Depth, Env) ->
    {Patterns, Bound} = patterns(Arity, Depth, Env, []),
    {clause, line(), Patterns, guards(Bound), element(1, body(Type, Depth, Bound))}.

patterns(0, _, Env, Patterns) -> {lists:reverse(Patterns), Env};
patterns(N, Depth, Env, Patterns) ->
    {P, Bound} = pattern(any, min(2, Depth), Env),
    patterns(N - 1, Depth, bind(Bound, Env), [P | Patterns]).

pattern(Type, Depth, Env) -> diff_pattern:pattern(Type, Depth, Env).

comprehension(Type, Depth, Env) ->
    {Qualifiers, Inner} = qualifiers(int(1, 2), Depth, Env),
    case Type of
        bin ->
            {bc, line(), {bin, line(),
                    [{bin_element, line(), expr(int, Depth - 2, Inner), default,
                        pick([default, [little], [signed]])}]}, Qualifiers};
        _ -> {lc, line(), expr(any, Depth - 2, Inner), Qualifiers}
    end.

qualifiers(0, _, Env) -> {[], Env};
qualifiers(N, Depth, Env) ->
    {Q, Bound} = case int(1, 4) of
                     1 -> {expr(bool, Depth - 2, Env), Env};
                     2 ->
                         {P, B} = diff_pattern:generated(Env),
                         {{b_generate, line(), P, expr(bin, Depth - 1, Env)}, bind(B, Env)};
                     _ ->
                         {P, B} = pattern(any, 1, Env),
                         {{generate, line(), P, expr(pick([list, ints]), Depth - 1, Env)}, bind(B, Env)}
                 end,
    {Qs, Inner} = qualifiers(N - 1, Depth, Bound),
    {[Q | Qs], Inner}.

fun_called(Type, Depth, Env) ->
    Arity = int(0, 2),
    Fun = {'fun', line(), {clauses, [clause(Arity, Type, Depth - 1, Env) | clauses(Arity, Type, Depth - 1, Env)]}},
    {call, line(), Fun, [expr(any, Depth - 2, Env) || _ <- lists:seq(1, Arity)]}.

'try'(Type, Depth, Env) ->
    {Body, _} = body(any, Depth - 1, Env),
    Of = clauses(1, Type, Depth - 1, Env),
    Class = pick([{atom, line(), error}, {atom, line(), throw}, {atom, line(), exit}, {var, line(), '_'}]),
    {P, Bound} = pattern(any, 1, Env),
    Catch = {clause, line(), [{tuple, line(), [Class, P, {var, line(), '_'}]}], guards(bind(Bound, Env)),
        element(1, body(Type, Depth - 1, bind(Bound, Env)))},
    After = case chance(4) of true -> [expr(effect, Depth - 1, Env)]; false -> [] end,
    {'try', line(), Body, Of, [Catch], After}.

received(Type, Depth, Env) ->
    {'receive', line(), [clause(1, Type, Depth - 1, Env) | clauses(1, Type, Depth - 1, Env)],
        {integer, line(), 0}, element(1, body(Type, Depth - 1, Env))}.

%% [] or one of one or two tests
guards(Env = #{vars := Vars}) when Vars =/= [] ->
    case chance(3) of
        true -> [[guard(2, Env) || _ <- lists:seq(1, int(1, 2))] || _ <- lists:seq(1, int(1, 2))];
        false -> []
    end;
guards(_) -> [].

guard(Depth, Env) -> template(pick(guard_templates()), Depth, Env#{guard => true}, guard).

template(Text, Depth, Env, guard) ->
    Filled = template(Text, 0, Env),
    _ = Depth,
    without_calls(Filled).

%% id/1 is no guard.
without_calls({call, _, {atom, _, id}, [Arg]}) -> without_calls(Arg);
without_calls(T) when is_tuple(T) -> list_to_tuple(without_calls(tuple_to_list(T)));
without_calls([H | T]) -> [without_calls(H) | without_calls(T)];
without_calls(T) -> T.

guard_templates() ->
    {"'@any' > '@any'", "'@any' =:= '@any'", "'@any' == '@any'", "'@num' =< '@num'", "is_integer('@any')",
        "is_list('@any')", "is_atom('@any')", "is_map('@any')", "is_binary('@any')", "is_float('@any')",
        "is_tuple('@any')", "length('@list') > '@small'",
     "hd('@list') =:= '@any'", "element(1, '@tuple') == '@any'", "tuple_size('@tuple') < 3",
     "map_size('@map') > 0", "is_map_key(a, '@map')", "map_get(a, '@map') =/= '@any'", "byte_size('@bin') > 2",
     "not is_atom('@any')", "is_atom('@any') orelse is_list('@any')", "is_integer('@any') andalso '@int' > 0",
     "is_integer('@any') and ('@int' > 0)",
     "'@int' + '@int' > '@int'", "'@num' * 2 == '@num'", "'@int' rem 2 =:= 0", "'@int' band 7 < 4",
     "abs('@num') > 1", "tl('@list') == []", "is_function('@any', 1)", "is_record('@any', r)", "is_boolean('@any')",
     "'@bool'", "bit_size('@bin') rem 8 =:= 0", "round('@num') =:= '@int'", "float('@num') == '@num'",
     "self() =:= '@any'", "node() =:= '@any'", "size('@any') > 1", "'@int' div '@int' =:= 0", "is_bitstring('@any')",
     "ceil('@num') > 0"}.

%% One clause of a function whose arguments the patterns bind.
clause_of_function(Arity, Depth, Env) ->
    case chance(3) of
        true -> clause(Arity, pick(types()), Depth, Env);
        false ->
            Vars = [fresh() || _ <- lists:seq(1, Arity)],
            Bound = bind(Vars, Env),
            {clause, line(), [{var, line(), V} || V <- Vars], guards(Bound), element(1, body(pick(types()), Depth, Bound))}
    end.
