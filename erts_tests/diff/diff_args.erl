%% Arguments that a -spec does not say enough about.
-module(diff_args).
-export([type/2, args/3]).
-import(diff_rand, [int/2, pick/1, chance/1, pick_fun/1]).

%% A term of the named type, or `none`: as its definition says.
type(unicode, T) when T =:= chardata; T =:= charlist; T =:= unicode_charlist; T =:= external_chardata -> diff_text:chardata();
type(unicode, latin1_chardata) -> diff_term:iodata(2);
type(unicode, encoding) -> diff_text:encoding();
type(unicode, unicode_binary) -> diff_term:text_binary();
type(io_lib, chars) -> diff_term:text();
type(io, format) -> diff_text:format_string();
type(dict, dict) -> {'$call', dict, from_list, [pairs()]};
type(orddict, orddict) -> {'$call', orddict, from_list, [pairs()]};
type(gb_trees, T) when T =:= tree; T =:= gb_tree -> {'$call', gb_trees, from_orddict, [{'$call', orddict, from_list, [pairs()]}]};
type(gb_trees, iter) -> {'$call', gb_trees, iterator, [type(gb_trees, tree)]};
type(gb_sets, T) when T =:= set; T =:= gb_set -> {'$call', gb_sets, from_list, [keys()]};
type(gb_sets, iter) -> {'$call', gb_sets, iterator, [type(gb_sets, set)]};
type(sets, set) -> {'$call', sets, from_list, pick([[keys()], [keys(), [{version, 2}]]])};
type(ordsets, ordset) -> {'$call', ordsets, from_list, [keys()]};
type(queue, queue) -> {'$call', queue, from_list, [keys()]};
type(array, array) -> {'$call', array, from_list, pick([[keys()], [keys(), diff_term:atom()]])};
type(array, array_indx) -> int(0, 12);
type(maps, iterator) -> {'$call', maps, iterator, [diff_term:map(fun() -> diff_term:any(1) end)]};
type(rand, T) when T =:= state; T =:= alg_state; T =:= export_state ->
    {'$call', rand, seed_s, [pick([exsss, exrop, exsp, exro928ss, exs1024s, mwc59, dummy]), diff_term:integer()]};
type(sofs, T) when T =:= a_set; T =:= anyset -> {'$call', sofs, set, [keys()]};
type(sofs, T) when T =:= relation; T =:= a_function; T =:= binary_relation -> {'$call', sofs, relation, [pairs()]};
type(sofs, family) -> {'$call', sofs, family, [[{K, keys()} || K <- lists:usort(keys())]]};
type(sofs, set_of_sets) -> {'$call', sofs, from_term, [[keys(), keys()]]};
type(erl_parse, T) when T =:= abstract_expr; T =:= af_literal -> hd(diff_text:expressions());
type(erl_eval, T) when T =:= expressions -> diff_text:expressions();
type(erl_eval, expression) -> hd(diff_text:expressions());
type(erl_eval, bindings) -> #{};
type(erl_eval, T) when T =:= local_function_handler; T =:= non_local_function_handler -> none;
type(erl_scan, tokens) -> diff_text:tokens();
type(re, mp) -> diff_re:pattern();
type(uri_string, uri_string) -> diff_text:uri();
type(calendar, T) when T =:= datetime; T =:= datetime1970 -> {a_date(), a_time()};
type(calendar, T) when T =:= date; T =:= date1970 -> a_date();
type(calendar, time) -> a_time();
type(calendar, rfc3339_string) -> diff_text:rfc3339();
type(erlang, time_unit) ->
    pick([second, millisecond, microsecond, nanosecond, native, perf_counter, 1, 7, 1000, seconds, milli_seconds,
            micro_seconds, nano_seconds]);
type(zlib, T) when T =:= zlevel -> int(0, 9);
type(_, _) -> none.

pairs() -> [{key(), diff_term:small()} || _ <- lists:seq(1, int(0, pick([3, 8, 40])))].
keys() -> [key() || _ <- lists:seq(1, int(0, pick([3, 8, 40])))].
key() -> pick_fun([fun() -> int(0, 9) end, fun() -> float(int(0, 9)) end, fun diff_term:atom/0, fun() -> diff_term:any(1) end]).

a_date() -> {pick([0, 1969, 1970, 1999, 2000, 2023, 2024, int(0, 9999)]), int(1, 12), int(1, pick([28, 31]))}.
a_time() -> {int(0, 23), int(0, 59), int(0, 59)}.

%% All arguments of a function, or `none`: as its -spec says.
args(io_lib, F, 2) when F =:= format; F =:= fwrite; F =:= scan_format -> format(2);
args(io_lib, F, 3) when F =:= format; F =:= fwrite ->
    [Format, Args] = format(2), [Format, Args, pick([[], [{chars_limit, int(0, 80)}]])];
args(io_lib_format, F, 2) when F =:= fwrite; F =:= scan -> format(2);
args(io_lib, fread, 2) -> diff_text:fread();
args(io_lib, fread, 3) -> [Format, Text] = diff_text:fread(), [[], Text, Format];
args(io_lib, write, 2) -> [diff_term:any(), pick([int(-1, 8), [{depth, int(-1, 9)}, {encoding, pick([latin1, unicode])}]])];
args(io_lib, print, 4) -> [diff_term:any(4), int(1, 4), int(1, 40), int(-1, 12)];
args(io_lib, F, A) when F =:= write; F =:= write_atom; F =:= write_atom_as_latin1 -> [diff_term:any() || _ <- lists:seq(1, A)];
args(re, run, N) -> lists:sublist([diff_re:subject(), diff_re:pattern(), diff_re:options(run)], N);
args(re, split, N) -> lists:sublist([diff_re:subject(), diff_re:pattern(), diff_re:options(split)], N);
args(re, replace, N) -> lists:sublist([diff_re:subject(), diff_re:pattern(), diff_re:replacement(), diff_re:options(replace)], N);
args(re, compile, N) -> lists:sublist([diff_re:pattern(), diff_re:options(compile)], N);
args(erlang, binary_to_term, N) -> lists:sublist([diff_etf:bytes(), pick([[], [safe], [used], [safe, used], [bad]])], N);
%% OTP answers with a binary where it compresses.
args(erlang, term_to_iovec, 2) ->
    [diff_term:any(), [O || O <- diff_etf:options(), O =/= compressed,
            not (is_tuple(O) andalso element(1, O) =:= compressed)]];
args(erlang, external_size, 2) -> [diff_term:any(), diff_etf:options_that_work()]; % others end OTP
args(erlang, F, 2) when F =:= term_to_binary -> [diff_term:any(), diff_etf:options()];
args(erlang, F, N) when F =:= float_to_binary; F =:= float_to_list ->
    lists:sublist([diff_term:float(), diff_text:float_options()], N);
args(erlang, F, 1) when F =:= list_to_float; F =:= list_to_integer -> [diff_text:number()];
args(erlang, list_to_integer, 2) -> [diff_text:number(), int(1, 37)];
args(erlang, F, 1) when F =:= binary_to_float; F =:= binary_to_integer -> [list_to_binary(diff_text:number())];
args(erlang, binary_to_integer, 2) -> [list_to_binary(diff_text:number()), int(1, 37)];
args(erlang, F, 2) when F =:= integer_to_list; F =:= integer_to_binary -> [diff_term:integer(), int(1, 37)];
args(erlang, F, 1) when F =:= list_to_pid; F =:= list_to_port; F =:= list_to_ref ->
    [pick(["<0.1.2>", "<0.0.0>", "<1.2.3>", "<0.1", "#Port<0.5>", "#Port<0.x>", "#Ref<0.1.2.3>", "#Ref<0.1.2>",
        "#Ref<>", "<0.99999999999.1>", "<0.-1.2>", "x", ""])];
args(erlang, decode_packet, 3) -> diff_text:packet();
args(erlang, F, 2) when F =:= 'bsl' -> [diff_term:integer(), pick_fun([fun() -> int(-70, 300) end, fun diff_term:float/0])];
args(erlang, 'bsr', 2) -> [diff_term:integer(), pick_fun([fun() -> int(-70, 300) end, fun() -> 1 bsl 70 end])];
args(erlang, '!', 2) -> [pick(['$self', nobody, '$ref', a, {a, b}, {nobody, node()}, 5]), diff_term:any(1)];
args(erlang, F, 2) when F =:= 'and'; F =:= 'or'; F =:= 'xor' -> [boolean_or_not(), boolean_or_not()];
args(erlang, 'not', 1) -> [boolean_or_not()];
args(erlang, F, 2) when F =:= '+'; F =:= '-'; F =:= '*'; F =:= '/' -> [diff_term:number(), diff_term:number()];
args(erlang, F, 2) when F =:= 'div'; F =:= 'rem'; F =:= 'band'; F =:= 'bor'; F =:= 'bxor' ->
    [diff_term:integer(), diff_term:integer()];
args(erlang, F, 2) when F =:= '<'; F =:= '>'; F =:= '=<'; F =:= '>='; F =:= '=='; F =:= '/='; F =:= '=:=';
F =:= '=/='; F =:= max; F =:= min ->
    case chance(3) of
        true -> [diff_term:number(), diff_term:number()];
        false -> [diff_term:any(), diff_term:any()]
    end;
args(erlang, F, 2) when F =:= '++'; F =:= '--' -> [pick([keys(), diff_term:any(1)]), pick([keys(), diff_term:any(1)])];
args(erlang, F, 2) when F =:= element; F =:= delete_element -> [int(-1, 5), diff_term:tuple(fun diff_term:integer/0)];
args(erlang, F, 3) when F =:= setelement; F =:= insert_element ->
    case F of
        setelement -> [int(-1, 5), diff_term:tuple(fun diff_term:integer/0), diff_term:any(1)];
        insert_element -> [int(-1, 5), diff_term:tuple(fun diff_term:integer/0), diff_term:any(1)]
    end;
args(erlang, make_fun, 3) -> [diff_term:atom(), diff_term:atom(), pick([int(-1, 5), 255, 256, 1 bsl 70])];
args(erlang, apply, 2) -> [diff_term:function(int(0, 3)), diff_term:list(fun diff_term:integer/0)];
args(erlang, apply, 3) ->
    [pick([erlang, lists, nomodule, 5]), pick([length, abs, reverse, hd, '+', nofunction, 5]),
        pick([[diff_term:any(1)], [diff_term:any(1), 2], diff_term:any(1)])];
args(erlang, function_exported, 3) -> [pick([erlang, lists, maps, x]), pick([map, hd, put, x]), int(-1, 3)];
args(erlang, is_builtin, 3) ->
    [pick([erlang, lists, maps, ets, re, x]), pick([reverse, map, hd, get, new, insert, run, member, x]), int(-1, 3)];
args(erlang, raise, 3) -> [pick([error, exit, throw, other, diff_term:any(1)]), diff_term:any(1), stack()];
args(erlang, error, 3) ->
    [pick([badarg, badarith, undef, function_clause, {badmatch, 1}, diff_term:any(1)]), pick([none, [1, 2], a]),
                           pick([[], [{error_info, #{}}],
                               [{error_info, #{module => erl_erts_errors, cause => x}}], [{error_info, 1}], [x], x,
                               [{error_info, #{cause => 1, function => f, module => nomodule}}]])];
args(erlang, process_flag, 2) ->
    [pick([trap_exit, priority, min_heap_size, min_bin_vheap_size, max_heap_size, message_queue_data, save_calls,
        sensitive, fullsweep_after, error_handler, async_dist, monitor_nodes, x]),
     pick([true, false, low, normal, high, max, 0, 1000, -1, on_heap, off_heap, #{size => 0},
         #{size => 1000000, kill => false}, #{size => 100}, #{kill => x}, error_handler, a, 1 bsl 70,
         diff_term:any(1)])];
args(erlang, fun_info, 2) ->
    [pick([diff_term:function(1), {'$call', erlang, make_fun, [lists, map, 2]}]),
        pick([module, name, arity, env, type, new_index, x])];
args(erlang, fun_to_list, 1) -> [{'$call', erlang, make_fun, [diff_term:atom(), diff_term:atom(), int(0, 255)]}];
args(erlang, register, 2) -> [pick([me, undefined, true, diff_term:any(1)]), pick(['$self', '$ref', diff_term:any(1)])];
args(erlang, send, 3) ->
    [pick(['$self', nobody, {nobody, node()}, {nobody, 'x@y'}, '$ref', 5, {a, b, c}]), diff_term:any(1),
        pick([[], [noconnect], [nosuspend], [x], [noconnect | nosuspend], x])];
args(erlang, send, 2) -> [pick(['$self', nobody, {nobody, node()}, {nobody, 'x@y'}, '$ref', 5, {a, b, c}]), diff_term:any(1)];
args(erlang, demonitor, 2) -> ['$ref', pick([[], [flush], [info], [flush, info], [x], x])];
args(erlang, F, 2) when F =:= cancel_timer; F =:= read_timer ->
    ['$ref', pick([[], [{async, false}], [{info, false}], [{info, true}], [{async, x}], [x], x])];
args(erlang, node, 1) -> [pick(['$self', '$ref', diff_term:any(1)])];
args(erlang, binary_part, 2) -> [diff_term:binary(), {int(-2, 14), int(-8, 8)}];
args(erlang, binary_part, 3) -> [diff_term:binary(), int(-2, 14), int(-8, 8)];
args(binary, F, 2) when F =:= match; F =:= matches; F =:= split -> [text_ab(), pattern_ab()];
args(binary, F, 3) when F =:= match; F =:= matches ->
    [text_ab(), pattern_ab(), pick([[], [{scope, {int(-1, 6), int(-4, 6)}}], [x]])];
args(binary, split, 3) ->
    [text_ab(), pattern_ab(),
        diff_rand:list(3, fun() -> pick([global, trim, trim_all, {scope, {int(0, 5), int(-3, 5)}}, x]) end)];
args(binary, replace, 3) -> [text_ab(), pattern_ab(), diff_term:binary()];
args(binary, replace, 4) ->
    [text_ab(), pattern_ab(), diff_term:binary(),
        diff_rand:list(2, fun() ->
                pick([global, {insert_replaced, pick([0, 1, [0, 2], 9])}, {scope, {int(0, 5), int(0, 5)}}]) end)];
args(binary, F, 3) when F =:= part; F =:= bin_to_list -> [diff_term:binary(), int(-2, 14), int(-8, 8)];
args(binary, at, 2) -> [diff_term:binary(), int(-1, 9)];
args(maps, F, 2) when F =:= get; F =:= is_key; F =:= remove; F =:= take; F =:= find ->
    [pick([a, 1, 1.0, diff_term:any(1)]), diff_term:map(fun() -> pick([a, 1, 1.0, b, diff_term:any(1)]) end)];
args(lists, F, A) when F =:= keysort; F =:= ukeysort; F =:= keymember; F =:= keyfind; F =:= keysearch; F =:= keytake;
F =:= keydelete; F =:= keystore; F =:= keyreplace; F =:= keymap; F =:= keymerge; F =:= ukeymerge ->
    Pairs = [list_to_tuple([key() || _ <- lists:seq(1, int(1, 3))]) || _ <- lists:seq(1, int(0, 6))],
    case {F, A} of
        {_, 2} -> [int(1, 3), Pairs];
        {keymap, 3} -> [diff_term:function(1), int(1, 3), Pairs];
        {M, 3} when M =:= keymerge; M =:= ukeymerge -> [int(1, 2), Pairs, Pairs];
        {_, 3} -> [key(), int(0, 3), Pairs];
        {_, 4} -> [key(), int(0, 3), Pairs, {key(), x}]
    end;
args(lists, F, 2) when F =:= sublist; F =:= nth; F =:= nthtail; F =:= split -> 
    case F of
        sublist -> [keys(), int(-1, 8)];
        _ -> [int(-1, 8), keys()]
    end;
args(math, _, A) -> [diff_term:number() || _ <- lists:seq(1, A)];
args(unicode, characters_to_binary, N) -> lists:sublist([diff_text:raw(), diff_text:encoding(), diff_text:encoding()], N);
args(unicode, characters_to_list, N) -> lists:sublist([diff_text:raw(), diff_text:encoding()], N);
args(unicode, bom_to_encoding, 1) ->
    [iolist_to_binary([pick([<<16#ef, 16#bb, 16#bf>>, <<0, 0, 16#fe, 16#ff>>, <<16#ff, 16#fe, 0, 0>>,
                <<16#fe, 16#ff>>, <<>>]), diff_term:binary()])];
args(base64, F, 1) when F =:= decode; F =:= mime_decode; F =:= decode_to_string; F =:= mime_decode_to_string ->
    [diff_text:base64()];
args(erl_scan, F, N) when F =:= string; F =:= tokens, N =< 3 ->
    case F of
        string ->
            lists:sublist([diff_text:source(), pick([1, {1, 1}, 7]),
                    pick([[], [return], [text], [return_comments, text], return, [x],
                        [{reserved_word_fun, diff_term:function(1)}]])], N);
        tokens -> lists:sublist([[], diff_text:source(), 1], N)
    end;
args(erl_parse, F, 1) when F =:= parse_exprs; F =:= parse_term; F =:= parse_form; F =:= parse -> [diff_text:tokens()];
args(erl_eval, exprs, 2) -> [diff_text:expressions(), []];
args(erl_pp, F, 1) when F =:= exprs; F =:= guard -> [diff_text:expressions()];
args(erl_pp, expr, 1) -> [hd(diff_text:expressions())];
args(uri_string, F, 1) when F =:= parse; F =:= normalize; F =:= percent_decode; F =:= dissect_query -> [diff_text:uri()];
args(inet, F, 1) when F =/= ntoa -> [diff_text:address()];
args(inet_parse, F, 1) when F =/= ntoa -> [diff_text:address()];
args(zlib, F, 1) when F =:= unzip; F =:= gunzip; F =:= uncompress -> [diff_etf:deflated(F)];
args(calendar, rfc3339_to_system_time, N) ->
    lists:sublist([diff_text:rfc3339(), [{unit, pick([second, millisecond, nanosecond, x])}]], N);
args(calendar, system_time_to_rfc3339, 2) ->
    [int(-100000000000, 100000000000),
        [{unit, pick([second, millisecond, nanosecond])}, {offset, pick(["Z", "+02:00", 3600, x])}]];
args(crypto, hash, 2) -> [pick([md5, sha, sha256, sha512, sha3_256, blake2b, ripemd160, md4, x]), diff_term:iodata(2)];
args(crypto, mac, 4) -> [hmac, pick([md5, sha, sha256, x]), diff_term:binary(), diff_term:iodata(1)];
args(crypto, crypto_one_time, 4) ->
    [pick([rc4, aes_128_ecb, x]), binary:copy(<<7>>, pick([16, 15])), binary:copy(<<1>>, pick([16, 32, 5])),
        pick([true, false, []])];
args(crypto, crypto_one_time, 5) ->
    [pick([aes_128_cbc, aes_256_ctr, chacha20]), binary:copy(<<7>>, pick([16, 32])),
        binary:copy(<<1>>, pick([16, 12])), diff_term:iodata(1), pick([true, false, []])];
args(string, to_integer, 1) -> [diff_text:number()];
args(string, to_float, 1) -> [diff_text:number()];
args(sofs, _, _) -> none;
args(ms_transform, transform_from_shell, 3) -> [ets, [{clause, 1, [{var, 1, 'X'}], [], diff_text:expressions()}], []];
args(erl_error, format_exception, N) -> lists:sublist([pick([error, exit, throw]), diff_term:any(2), stack(), #{}], N);
args(beam_lib, _, A) -> [diff_term:any(1) || _ <- lists:seq(1, A)];
args(_, _, _) -> none.

format(2) ->
    {Format, Args} = diff_text:format(),
    [Format, Args].

boolean_or_not() -> pick([true, false, diff_term:any(1)]).

text_ab() -> << <<(pick("ab"))>> || _ <- lists:seq(1, int(0, pick([5, 12, 60]))) >>.
pattern_ab() ->
    Some = fun() -> << <<(pick("aab"))>> || _ <- lists:seq(1, int(0, 4)) >> end,
    pick_fun([Some, Some, fun() -> diff_rand:list(3, Some) end, fun() ->
        {'$call', binary, compile_pattern, [[<<"ab">>, <<"b">>]]} end]).

stack() ->
    diff_rand:list(2, fun() ->
                              pick([{lists, map, 2, []},
                                  {m, f, [1, b], [{line, 3}, {file, "m.erl"}]},
                                  {erlang, abs, [x], [{error_info, #{module => erl_erts_errors}}]},
                                    {m, f, 2}, {m, f, [a]}, {m, f, -1, []}, x,
                                    {'$fun', 1, 0}, {{'$fun', 1, 0}, [3]}, {{'$fun', 1, 1}, [3], []}])
                      end).
