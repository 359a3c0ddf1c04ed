%% Random terms of a type: arguments of a function after its -spec, which OTP's .beam files have.
-module(diff_type).
-export([exports/1, args/3]).
-import(diff_rand, [int/2, pick/1, chance/1, pick_fun/1]).

-record(module, {exports, types, specs}).
-record(env, {module, vars = #{}, depth = 5, integer}).

exports(Module) -> (module(Module))#module.exports.

%% One argument after the other, or `none` without a spec. Integer makes integers.
args(Module, {Function, Arity}, Integer) ->
    case module(Module) of
        #module{specs = #{{Function, Arity} := Clauses}} ->
            {Types, Vars} = clause(pick(Clauses)),
            [gen(T, #env{module = Module, vars = Vars, integer = Integer}) || T <- Types];
        _ ->
            none
    end.

clause({type, _, bounded_fun, [{type, _, 'fun', [{type, _, product, Types}, _]}, Constraints]}) ->
    {Types, maps:from_list([{V, T} || {type, _, constraint, [_, [{var, _, V}, T]]} <- Constraints])};
clause({type, _, 'fun', [{type, _, product, Types}, _]}) ->
    {Types, #{}}.

module(Module) ->
    case get({?MODULE, Module}) of
        undefined ->
            Read = read(Module),
            put({?MODULE, Module}, Read),
            Read;
        Known -> Known
    end.

read(Module) ->
    Where = case code:which(Module) of
                preloaded ->
                    filename:join([code:root_dir(), "lib", "erts-" ++ erlang:system_info(version), "ebin",
                            atom_to_list(Module) ++ ".beam"]);
                Path -> Path
            end,
    {ok, {_, [{exports, Exports}, {abstract_code, {_, Forms}}]}} = beam_lib:chunks(Where, [exports, abstract_code]),
    #module{exports = Exports,
            types = maps:from_list([{{N, length(Ps)}, {[V || {var, _, V} <- Ps], T}} || {attribute, _, Kind, {N, T, Ps}} <- Forms,
                                                                                       Kind =:= type orelse Kind =:= opaque]),
            specs = maps:from_list([{spec_of(F), Clauses} || {attribute, _, spec, {F, Clauses}} <- Forms])}.

spec_of({_, F, A}) -> {F, A};
spec_of(FA) -> FA.

gen(_, #env{depth = D}) when D < -3 -> [];
gen({ann_type, _, [_, T]}, E) -> gen(T, E);
gen({var, _, '_'}, E) -> diff_term:any(min(2, E#env.depth));
gen({var, _, V}, E = #env{vars = Vars}) ->
    case Vars of
        #{V := {bound, T, Module, Of}} -> gen(T, E#env{vars = Of, module = Module});
        #{V := T} -> gen(T, deeper(E));
        _ -> variable(V)
    end;
gen({Literal, _, Value}, _) when Literal =:= atom; Literal =:= integer; Literal =:= char -> Value;
gen(Op, _) when element(1, Op) =:= op ->
    {value, Value, _} = erl_eval:expr(Op, []),
    Value;
gen({remote_type, _, [{atom, _, M}, {atom, _, N}, Args]}, E) ->
    case diff_args:type(M, N) of
        none -> named(M, N, Args, E);
        Term -> Term
    end;
gen({user_type, _, N, Args}, E) ->
    case diff_args:type(E#env.module, N) of
        none -> named(E#env.module, N, Args, E);
        Term -> Term
    end;
gen({type, _, Name, Args}, E) -> built_in(Name, Args, deeper(E)).

deeper(E) -> E#env{depth = E#env.depth - 1}.

%% Terms of a variable without a bound are alike, as elements of a list mostly are.
variable(_) -> pick_fun([fun diff_term:small/0, fun diff_term:atom/0, fun() -> diff_term:any(1) end]).

named(Module, Name, Args, E) ->
    case module(Module) of
        #module{types = Types} when is_map_key({Name, length(Args)}, Types) ->
            {Params, T} = maps:get({Name, length(Args)}, Types),
            Vars = maps:from_list([{P, {bound, A, E#env.module, E#env.vars}} || {P, A} <- lists:zip(Params, Args)]),
            gen(T, (deeper(E))#env{module = Module, vars = Vars});
        _ -> diff_term:any(1)
    end.

built_in(union, Types, E) ->
    gen(pick(Types), E);
built_in(Any, [], #env{depth = D}) when Any =:= any; Any =:= term -> diff_term:any(min(D, 2));
built_in(integer, [], E) -> (E#env.integer)();
built_in(non_neg_integer, [], E) -> abs((E#env.integer)());
built_in(pos_integer, [], E) -> max(1, abs((E#env.integer)()));
built_in(neg_integer, [], E) -> -max(1, abs((E#env.integer)()));
built_in(number, [], E) -> pick_fun([E#env.integer, fun diff_term:float/0]);
built_in(float, [], _) -> diff_term:float();
built_in(range, [L, H], E) -> int(gen(L, E), gen(H, E));
built_in(byte, [], _) -> int(0, 255);
built_in(arity, [], _) -> int(0, 4);
built_in(char, [], _) -> diff_term:char();
built_in(boolean, [], _) -> diff_term:boolean();
built_in(atom, [], _) -> diff_term:atom();
built_in(module, [], _) -> pick([lists, erlang, maps, nomodule]);
built_in(mfa, [], _) -> {pick([lists, nomodule]), pick([reverse, append, x]), int(0, 2)};
built_in(node, [], _) -> node();
built_in(nil, [], _) -> [];
built_in(pid, [], _) -> '$self';
built_in(reference, [], _) -> '$ref';
built_in(port, [], _) -> '$self';
built_in(timeout, [], _) -> pick([0, 1, infinity]);
built_in(string, [], _) -> diff_term:text();
built_in(nonempty_string, [], _) -> [diff_term:char() | diff_term:text()];
built_in(iodata, [], _) -> diff_term:iodata(2);
built_in(iolist, [], _) -> diff_term:iodata(2);
built_in(bitstring, [], _) -> pick_fun([fun diff_term:bitstring/0, fun diff_term:binary/0]);
built_in(Binary, _, _) when Binary =:= binary; Binary =:= nonempty_binary -> diff_term:binary();
built_in(list, [], E) -> elements({type, 0, any, []}, E);
built_in(nonempty_list, [], E) -> [gen({type, 0, any, []}, E) | elements({type, 0, any, []}, E)];
built_in(list, [T], E) -> elements(T, E);
built_in(nonempty_list, [T], E) -> [gen(T, E) | elements(T, E)];
built_in(maybe_improper_list, [T, Tail], E) -> elements(T, E) ++ pick_fun([fun() -> [] end, fun() -> gen(Tail, E) end]);
built_in(nonempty_maybe_improper_list, [T, Tail], E) -> [gen(T, E) | elements(T, E)] ++ gen(Tail, E);
built_in(tuple, any, _) -> diff_term:tuple(fun() -> diff_term:any(1) end);
built_in(tuple, Types, E) -> list_to_tuple([gen(T, E) || T <- Types]);
built_in(map, any, _) -> diff_term:map(fun() -> diff_term:any(1) end);
built_in(map, Fields, E) ->
    maps:from_list(lists:append([field(F, E) || F <- Fields]));
built_in('fun', [], _) -> diff_term:function(int(0, 3));
built_in('fun', [{type, _, any}, _], _) -> diff_term:function(int(0, 3));
built_in('fun', [{type, _, product, Args}, Result], E) -> function(length(Args), Result, E);
built_in(function, [], _) -> diff_term:function(int(0, 3));
built_in(record, [{atom, _, Name} | _], _) -> {Name, diff_term:any(1)};
built_in(_, _, _) -> diff_term:any(1).

elements(_, #env{depth = D}) when D =< 0 -> [];
elements(T, E) -> [gen(T, E) || _ <- lists:seq(1, int(0, pick([1, 4, 4, 8])))].

field({type, _, map_field_exact, [K, V]}, E) -> [{gen(K, E), gen(V, E)}];
field({type, _, map_field_assoc, [K, V]}, E) -> [{gen(K, E), gen(V, E)} || _ <- lists:seq(1, int(0, 4))].

function(Arity, {type, _, boolean, []}, _) -> {'$fun', Arity, pick([0, 1, 2, 3, 3, 3, 8, 8, 9, 15])};
function(Arity, {type, _, Number, []}, _) when Number =:= integer; Number =:= number -> {'$fun', Arity, pick([12, 15])};
function(Arity, {type, _, list, _}, _) -> {'$fun', Arity, pick([7, 13])};
function(Arity, _, _) ->
    case chance(3) of
        true -> diff_term:function(Arity);
        false -> {'$fun', Arity, pick([3, 4, 5, 8, 11, 12, 14, 15])}
    end.
