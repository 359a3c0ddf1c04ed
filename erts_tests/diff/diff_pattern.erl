%% Random patterns, and values that they may fit.
-module(diff_pattern).
-compile({no_auto_import, [size/1]}).
-export([pattern/3, with_value/2, segments/1, generated/1]).
-import(diff_rand, [int/2, pick/1, chance/1, frequency/1, pick_fun/1]).
-import(diff_expr, [line/0, fresh/0, expr/3]).

%% {Pattern, variables that it binds}. Those of Env that are bound may stand in it to be compared.
pattern(_, Depth, Env = #{vars := Vars}) ->
    frequency([{5, fun variable/0},
               {1, fun() -> {{var, line(), '_'}, []} end},
               {2, fun literal/0},
               {case Vars of [] -> 0; _ -> 1 end, fun() -> {{var, line(), pick(Vars)}, []} end},
               {case Depth > 0 of true -> 6; false -> 0 end, fun() -> compound(Depth, Env) end}]).

variable() ->
    V = fresh(),
    {{var, line(), V}, [V]}.

literal() ->
    diff_term:allow(plain),
    {erl_parse:abstract(pick_fun([fun diff_term:small/0, fun diff_term:atom/0, fun diff_term:integer/0,
        fun diff_term:float/0, fun() -> [] end, fun diff_term:text/0, fun() -> diff_term:any(1) end]) , line()), []}.

compound(Depth, Env) ->
    pick_fun([fun() ->
                      {Ps, Vs} = several(int(0, 3), Depth, Env),
                      {{tuple, line(), Ps}, Vs}
              end,
              fun() ->
                      {[H, T], Vs} = several(2, Depth, Env),
                      {{cons, line(), H, T}, Vs}
              end,
              fun() ->
                      {P, Vs} = pattern(any, Depth - 1, Env),
                      {{map, line(), [{map_field_exact, line(), key(Env), P}]}, Vs}
              end,
              fun() -> segments(Env) end,
              fun() ->
                      {P, Vs} = pattern(any, Depth - 1, Env),
                      V = fresh(),
                      {{match, line(), {var, line(), V}, P}, [V | Vs]}
              end,
              fun() ->
                      {P, Vs} = pattern(any, Depth - 1, Env),
                      {{op, line(), '++', {string, line(), pick(["", "a", "abc"])}, P}, Vs}
              end,
              fun() ->
                      {P, Vs} = pattern(any, Depth - 1, Env),
                      case maps:get(records, Env, true) of
                          true -> {{record, line(), r, [{record_field, line(), {atom, line(), pick([a, b, c])}, P}]}, Vs};
                          false -> {{tuple, line(), [{atom, line(), r}, P]}, Vs}
                      end
              end]).

several(0, _, _) -> {[], []};
several(N, Depth, Env) ->
    {P, Vs} = pattern(any, Depth - 1, Env),
    {Ps, Ws} = several(N - 1, Depth, Env),
    {[P | Ps], Vs ++ Ws}.

key(#{vars := []}) -> {atom, line(), a};
key(#{vars := Vars}) ->
    pick_fun([fun() -> {atom, line(), pick([a, b])} end, fun() -> {integer, line(), int(0, 3)} end,
            fun() -> {var, line(), pick(Vars)} end]).

%% A binary pattern: segments of every kind, sizes out of earlier ones; nearly always with a tail.
segments(Env) ->
    {Segments, Bound} = segments(int(0, 3), Env, []),
    case chance(5) of
        true -> {{bin, line(), Segments}, Bound};
        false ->
            V = fresh(),
            {{bin, line(),
                Segments ++ [{bin_element, line(), {var, line(), V}, default,
                        [pick([bitstring, bitstring, binary])]}]}, [V | Bound]}
    end.

%% The same for a generator, where there is no tail.
generated(Env) ->
    {Segments, Bound} = segments(int(0, 2), Env, []),
    V = fresh(),
    {{bin, line(), Segments
        ++ [{bin_element, line(), {var, line(), V}, {integer, line(), pick([3, 8, 16])},
                pick([default, [bitstring], [signed]])}]}, [V | Bound]}.

segments(0, _, Bound) -> {[], Bound};
segments(N, Env, Bound) ->
    {Segment, Vs} = segment(Env, Bound),
    {Rest, All} = segments(N - 1, Env, Vs ++ Bound),
    {[Segment | Rest], All}.

segment(Env, Bound) ->
    {Value, Vs} = case int(1, 5) of
                      1 -> {{integer, line(), int(0, 255)}, []};
                      2 -> {{var, line(), '_'}, []};
                      _ -> variable()
                  end,
    Element = frequency([{6, fun() ->
        {bin_element, line(), Value, size(Env, Bound, [default, 0, 1, 4, 7, 8, 12, 16, 24, 32, 33, 64, 65]),
            integer_type()} end},
                         {1, fun() ->
                             {bin_element, line(), Value, {integer, line(), pick([16, 32, 64])},
                                 [float, pick([big, little])]} end},
                         {2, fun() ->
                             {bin_element, line(), no_integer(Value), size(Env, Bound, [0, 1, 2, 5]),
                                 [pick([binary, bitstring])]} end},
                         {1, fun() ->
                             {bin_element, line(), no_integer(Value), size(Env, Bound, [1, 2, 3]),
                                 [binary, {unit, pick([1, 3, 8, 16])}]} end},
                         {1, fun() ->
                             {bin_element, line(), Value, default, [pick([utf8, utf16, utf32]), pick([big, little])]}
                             end},
                         {1, fun() ->
                             {bin_element, line(), {string, line(), pick(["a", "ab"])}, default,
                                 pick([default, [utf8], [utf16]])} end}]),
    case element(3, Element) =:= Value of
        true -> {Element, Vs};
        false -> {Element, []}
    end.

no_integer({integer, _, _}) -> {var, line(), '_'};
no_integer(V) -> V.

integer_type() ->
    case lists:usort([pick([integer, big]), pick([signed, unsigned]), pick([integer, little, native])]) of
        Ts -> case length([T || T <- Ts, lists:member(T, [big, little, native])]) > 1 of
                  true -> [little];
                  false -> Ts
              end
    end.

size(#{vars := Vars}, Bound, Known) ->
    case Vars ++ Bound of
        [_ | _] = All when length(All) > 0 ->
            case chance(4) of
                true -> {op, line(), 'band', {var, line(), pick(All)}, {integer, line(), 31}};
                false -> known(pick(Known))
            end;
        [] -> known(pick(Known))
    end.

known(default) -> default;
known(N) -> {integer, line(), N}.

%% {Pattern, Expression, variables}: often the value has the pattern's form.
with_value(Depth, Env) ->
    case int(1, 3) of
        1 ->
            {P, Vs} = pattern(any, 2, Env),
            {P, expr(any, Depth, Env), Vs};
        2 ->
            {P, Vs} = pattern(any, 2, Env),
            {P, value(P, Depth, Env), Vs};
        3 ->
            {P, Vs} = segments(Env),
            {P, value(P, Depth, Env), Vs}
    end.

%% An expression after a pattern.
value({var, _, _}, Depth, Env) -> expr(any, Depth - 1, Env);
value({tuple, _, Ps}, D, E) -> {tuple, line(), [value(P, D, E) || P <- Ps]};
value({cons, _, H, T}, D, E) -> {cons, line(), value(H, D, E), value(T, D, E)};
value({map, _, Fields}, D, E) ->
    {map, line(), [{map_field_assoc, line(), K, value(P, D, E)} || {map_field_exact, _, K, P} <- Fields]};
value({match, _, _, P}, D, E) -> value(P, D, E);
value({op, _, '++', S, P}, D, E) -> {op, line(), '++', S, value(P, D, E)};
value({record, _, r, Fields}, D, E) ->
    {record, line(), r, [{record_field, line(), F, value(P, D, E)} || {record_field, _, F, P} <- Fields]};
value({bin, _, Segments}, D, E) -> {bin, line(), [segment_value(S, D, E) || S <- Segments]};
value(Literal, _, _) -> Literal.

segment_value({bin_element, _, {var, _, _}, Size, Types} = Segment, D, E) ->
    Type = case Types of default ->
        int; _ -> case lists:member(float, Types) of true -> num;
            false -> case lists:member(binary, Types) orelse lists:member(bitstring, Types) of true -> bin;
                false -> int end end end,
    case sized_by_outer(Size, E) of
        true -> {bin_element, line(), expr(Type, D - 1, E), Size, Types};
        false -> {bin_element, line(), expr(Type, D - 1, E), {integer, line(), int(0, 9)}, element(5, Segment)}
    end;
segment_value(Segment, _, E) ->
    case sized_by_outer(element(4, Segment), E) of
        true -> Segment;
        false -> setelement(4, Segment, {integer, line(), 8})
    end.

sized_by_outer({op, _, _, {var, _, V}, _}, #{vars := Vars}) -> lists:member(V, Vars);
sized_by_outer(_, _) -> true.
