%% Random operations on a table, with random match specifications.
-module(diff_ets).
-export(['case'/0, perform/2, spec/0]).
-import(diff_rand, [int/2, pick/1, chance/1, frequency/1, pick_fun/1]).

'case'() ->
    diff_term:allow(funs),
    Type = pick([set, ordered_set, ordered_set, bag, duplicate_bag]),
    Options = diff_rand:shuffle([Type | diff_rand:list(2, fun() ->
        pick([{keypos, 1}, {keypos, 2}, public, private, {read_concurrency, true}, named_table,
                {write_concurrency, true}, x, {keypos, 0}]) end)]),
    {ets, Options, [{insert, [[object() || _ <- lists:seq(1, int(0, 6))]]} | [operation(Type) || _ <- lists:seq(1, int(1, 6))]]}.

object() ->
    frequency([{12, fun() -> list_to_tuple([key() | [value() || _ <- lists:seq(1, int(1, 3))]]) end},
        {1, fun() -> {key()} end}, {1, fun() -> diff_term:any(1) end}]).

key() ->
    pick_fun([fun() -> pick([1, 2, 3, 1.0, 2.0, a, b, {a, 1}, {a, 2}, "k", <<"k">>, #{a => 1}]) end,
            fun() -> diff_term:any(1) end]).
value() -> pick_fun([fun diff_term:small/0, fun diff_term:atom/0, fun() -> diff_term:any(2) end, fun key/0, fun() -> 0 end]).

operation(Type) ->
    Ordered = Type =:= ordered_set,
    pick_fun([fun() -> {insert, [object()]} end, fun() -> {insert, [[object(), object()]]} end, fun() ->
        {insert_new, [pick_fun([fun object/0, fun() -> [object(), object()] end])]} end,
              fun() -> {lookup, [key()]} end, fun() -> {lookup_element, [key(), int(0, 4)]} end,
              fun() -> {member, [key()]} end, fun() -> {delete, [key()]} end,
              fun() -> {delete_object, [object()]} end, fun() -> {take, [key()]} end, fun() ->
                  {match, [pattern()]} end, fun() -> {match_object, [pattern()]} end,
              fun() -> {match_delete, [pattern()]} end, fun() -> {select, [spec()]} end, fun() ->
                  {select, [spec()]} end, fun() -> {select, [spec()]} end,
              fun() -> {select_count, [spec()]} end, fun() -> {select_delete, [spec()]} end, fun() ->
                  {select_replace, [replacing()]} end,
              fun() -> {update_counter, [key(), counter()]} end, fun() ->
                  {update_counter, [key(), counter(), pick([{k, 1, 0}, {k, 0}, x])]} end,
              fun() -> {update_element, [key(), element_spec()]} end,
              fun() -> {delete_all_objects, []} end,
              fun() -> {info, [pick([size, type, keypos, protection, named_table, x])]} end,
              fun() -> case Ordered of true -> {pick([first, last]), []}; false -> {member, [key()]} end end,
              fun() -> case Ordered of true -> {pick([next, prev]), [key()]}; false -> {lookup, [key()]} end end,
              fun() ->
                  case Ordered of true -> {pick([select, select_reverse, match, match_object]),
                          [spec_or_pattern(), pick([1, 2, 100, 0, x])]}; false -> {select_count, [spec()]} end end,
              fun() -> case Ordered of true -> {select_reverse, [spec()]}; false -> {select, [spec()]} end end,
              fun() -> {run, [[object() || _ <- lists:seq(1, int(0, 5))], spec()]} end,
              fun() -> {test, [object(), spec()]} end,
              fun() ->
                  {pick([tab2list, delete, rename, setopts, safe_fixtable, give_away]),
                      diff_rand:list(2, fun() -> pick([true, false, a, {heir, none}, {x, 1}]) end)} end]).

spec_or_pattern() -> pick_fun([fun spec/0, fun pattern/0]).

counter() -> pick_fun([fun diff_term:integer/0, fun one_counter/0, fun() -> diff_rand:list(3, fun one_counter/0) end]).
one_counter() ->
    pick_fun([fun() -> {int(0, 4), diff_term:integer()} end, fun() -> {int(2, 3), int(-5, 5), int(-5, 5), int(-5, 5)}
                end, fun() -> {2, pick([a, 1.0])} end]).

element_spec() ->
    pick_fun([fun() -> {int(0, 4), value()} end, fun() -> diff_rand:list(3, fun() -> {int(1, 4), value()} end) end,
            fun() -> diff_term:any(1) end]).

%% ---- match specifications ----

spec() ->
    case chance(20) of
        true -> diff_term:any(2);
        false -> [{pattern(), diff_rand:list(2, fun() -> expression(3) end), body()} || _ <- lists:seq(1, int(1, 2))]
    end.

%% Objects keep their keys, most of the time.
replacing() ->
    case chance(3) of
        true -> spec();
        false ->
            Key = pick(['$1', {a, '$1'}, 1]),
            [{{Key, '$2'}, diff_rand:list(1, fun() -> expression(2) end), [{{pick([Key, '$1', '$2', {Key}]), expression(2)}}]}]
    end.

pattern() ->
    frequency([{10, fun() -> list_to_tuple([part(2) || _ <- lists:seq(1, int(1, 4))]) end}, {2, fun() ->
        pick(['_', '$1']) end}, {1, fun() -> part(2) end}]).

part(0) -> pick_fun([fun variable/0, fun() -> '_' end, fun key/0]);
part(Depth) ->
    frequency([{5, fun() -> part(0) end}, {1, fun() -> list_to_tuple([part(Depth - 1) || _ <- lists:seq(1, int(0, 3))]) end},
               {1, fun() -> [part(Depth - 1) | part(Depth - 1)] end},
               {1, fun() -> [part(Depth - 1)] end}, {1, fun() -> #{pick([a, 1, '$1']) => part(Depth - 1)} end}]).

variable() -> pick(['$1', '$1', '$2', '$2', '$3', '$0', '$10', '$_', '$$', '$01', '$x']).

body() -> [expression(3) || _ <- lists:seq(1, pick([1, 1, 1, 1, 2, 0]))].

expression(0) ->
    pick_fun([fun() -> pick(['$1', '$2', '$_', '$$', '$3']) end, fun diff_term:small/0, fun() -> {const, key()} end,
            fun() -> pick([true, false, a]) end,
            fun() -> pick_fun([fun() -> <<"b">> end, fun diff_term:number/0, fun() -> [] end]) end]);
expression(Depth) ->
    E = fun() -> expression(Depth - 1) end,
    frequency([{4, fun() -> expression(0) end},
               {4, fun() ->
                   {pick(['+', '-', '*', 'div', 'rem', 'band', 'bor', 'bxor', '/', '=:=', '==', '=/=', '/=', '<', '>',
                               '=<', '>=', 'and', 'or', 'xor', 'andalso', 'orelse', is_map_key, element, map_get,
                               is_function, max, min, binary_part, 'bsl']), E(), E()} end},
               {3, fun() ->
                   {pick([abs, hd, tl, length, size, tuple_size, map_size, byte_size, bit_size, round, trunc, float,
                               ceil, floor, 'not', 'bnot', '-', '+', is_atom, is_integer, is_list, is_tuple, is_map,
                               is_binary, is_float, is_number, is_pid, is_function, node]), E()} end},
               {1, fun() -> {pick([self, node, 'is_seq_trace', get_tcw, display, nofunction, return_trace])} end},
               {1, fun() -> {pick(['andalso', 'orelse', 'and', 'or']), E(), E(), E()} end},
               {2, fun() -> {{E(), E()}} end},
               {1, fun() -> {{}} end},
               {1, fun() -> [E(), E()] end},
               {1, fun() -> [E() | E()] end},
               {1, fun() -> #{a => E(), E() => 1} end},
               {1, fun() -> {is_record, E(), pick([a, {const, a}]), pick([2, {const, 3}, E()])} end},
               {1, fun() -> {E(), E()} end},
               {1, fun() -> {} end}]).

%% ---- on both sides ----

perform(Options, Operations) ->
    Table = ets:new(diff, Options),
    Ordered = ets:info(Table, type) =:= ordered_set,
    Results = [result(Ordered, diff_run:outcome(fun() -> run_on(Table, Operation) end)) || Operation <- Operations],
    {Results, case ets:info(Table, size) of undefined -> gone; _ -> sorted(ets:tab2list(Table)) end}.

run_on(_, {run, [Objects, Spec]}) -> ets:match_spec_run(diff_run:live(Objects), ets:match_spec_compile(diff_run:live(Spec)));
run_on(_, {test, [Object, Spec]}) -> ets:test_ms(diff_run:live(Object), diff_run:live(Spec));
run_on(Table, {Function, Args}) -> apply(ets, Function, [Table | diff_run:live(Args)]).

%% What is in no order comes out sorted; a continuation is the VM's own.
%% Why a match specification is wrong OTP says in many words, for programs that print them.
result(_, {ok, {error, [{error, _} | _]}}) -> {ok, error};
result(Ordered, {ok, {List, Continuation}}) when is_list(List), Continuation =/= '$end_of_table' ->
    result(Ordered, {ok, {List, more}});
result(false, {ok, List}) when is_list(List) -> {ok, sorted(List)};
result(_, Outcome) -> Outcome.

%% As keys of maps, of which 2 and 2.0 are two.
sorted(List) -> try [T || {_, T} <- lists:sort([{#{T => 0}, T} || T <- List])] catch error:_ -> List end.
