%% Random calls of BIFs and of the exported functions of OTP's pure modules.
-module(diff_call).
-export([call/0, call/2, tame/2]).
-import(diff_rand, [int/2, pick/1, chance/1, pick_fun/1]).

%% Modules all of whose exports are pure, or nearly: see leave_out/2.
modules() ->
    [lists, maps, binary, string, unicode, re, io_lib, io_lib_format, io_lib_fread, proplists, sets, ordsets,
        orddict, gb_trees, gb_sets, dict, array,
     queue, math, base64, erl_scan, erl_parse, erl_anno, erl_pp, erl_eval, erl_internal, calendar, uri_string,
     sofs, filename, unicode_util,
     zlib, crypto, inet_parse, eval_bits, erl_error, erl_lint, beam_lib, ms_transform, rand, erl_posix_msg,
     string, lists, binary, inet, timer].

call() ->
    case int(1, 10) of
        N when N =< 3 -> erlang_call();
        _ ->
            Module = pick(modules()),
            case [FA || {F, A} = FA <- diff_type:exports(Module), not leave_out(Module, F, A)] of
                [] -> erlang_call();
                Exports -> call(Module, pick(Exports))
            end
    end.

erlang_call() ->
    case chance(4) of
        true -> {call, M, F, Args} = call(erlang, pick(only_errors())), {errors, M, F, wrong(Args)};
        false -> call(erlang, pick(pure()))
    end.

%% Mostly arguments of the right types; sometimes one is of any.
call(Module, {Function, Arity}) ->
    diff_term:allow(allowed(Module, Function)),
    Args = case diff_args:args(Module, Function, Arity) of
               none -> from_spec(Module, Function, Arity);
               Special -> Special
           end,
    Kind = case differs(Module, Function) of true -> errors; false -> call end,
    case chance(5) andalso not frail(Module, Function) of
        true -> {Kind, Module, Function, wrong(Args)};
        false -> {Kind, Module, Function, Args}
    end.

from_spec(Module, Function, Arity) ->
    case diff_type:args(Module, {Function, Arity}, tame(Module, Function)) of
        none -> [diff_term:any(2) || _ <- lists:seq(1, Arity)];
        Args -> Args
    end.

wrong([]) -> [];
wrong(Args) ->
    {Before, [_ | After]} = lists:split(int(0, length(Args) - 1), Args),
    Before ++ [diff_term:any(2) | After].

%% Makers of integers: where a number says how much to make, small ones.
tame(Module, _) when Module =:= string; Module =:= io_lib; Module =:= array; Module =:= io_lib_format;
Module =:= zlib; Module =:= crypto; Module =:= erl_pp ->
    fun diff_term:small/0;
tame(Module, F) ->
    case lists:member({Module, F}, [{binary, copy}, {lists, duplicate}, {lists, seq}, {erlang, make_tuple},
        {erlang, 'bsl'}, {erlang, 'bsr'}, {sofs, a_function},
                                    {queue, split}, {erlang, processes_next}]) of
        true -> fun() -> int(-3, 70) end;
        false -> fun diff_term:integer/0
    end.

allowed(erlang, F) ->
    case lists:member(F, [term_to_binary, term_to_iovec, external_size, phash, phash2, fun_to_list]) of
        true -> plain;
        false -> all
    end;
allowed(maps, F) ->
    case lists:member(F, [get, find, put, update, remove, take, merge, with, without, size, from_list, is_key]) of
        true -> all;
        false -> funs
    end;
allowed(Module, _) ->
    case lists:member(Module, [lists, maps, proplists, ordsets, orddict, gb_trees, gb_sets, queue, array, sets, dict]) of
        true -> funs;
        false -> plain
    end.

%% The VM's own numbers are in the result.
differs(re, F) -> F =:= compile orelse F =:= ucompile;
differs(erlang, term_to_iovec) -> true; % how many parts
differs(zlib, F) -> F =:= getQSize;
differs(crypto, _) -> false;
differs(_, _) -> false.

%% A wrong type in it makes a loop of OTP's own.
frail(erlang, external_size) -> true; % ends OTP
frail(_, _) -> false.

leave_out(_, module_info, _) -> true;
leave_out(_, behaviour_info, _) -> true;
leave_out(lists, F, _) -> lists:member(F, [zf]);
leave_out(re, F, _) -> lists:member(F, [internal_run, version]);
leave_out(inet, F, _) ->
    not lists:member(F, [parse_address, parse_ipv4_address, parse_ipv6_address, parse_ipv4strict_address,
            parse_ipv6strict_address,
                                              parse_strict_address,
                                              ntoa, is_ip_address, is_ipv4_address, is_ipv6_address,
                                              ipv4_mapped_ipv6_address]);
leave_out(timer, F, _) -> not lists:member(F, [hms, hours, minutes, seconds, now_diff]);
leave_out(calendar, F, _) ->
    lists:member(F, [local_time, universal_time, now_to_local_time, now_to_datetime, now_to_universal_time,
        system_time_to_local_time]);
leave_out(inet_parse, F, _) ->
    not lists:member(F, [ipv4_address, ipv6_address, address, visible_string, domain, ntoa, dots, split_line,
            ipv4strict_address, ipv6strict_address]);
leave_out(filename, F, _) -> lists:member(F, [absname, find_src, safe_relative_path, find_file, basedir]); % the file system
leave_out(zlib, F, _) -> not lists:member(F, [zip, unzip, gzip, gunzip, compress, uncompress]);
leave_out(crypto, F, _) ->
    not lists:member(F, [hash, mac, macN, exor, mod_pow, bytes_to_integer, hash_equals, crypto_one_time,
            crypto_one_time_aead, pbkdf2_hmac, hash_info, cipher_info]);
leave_out(rand, F, A) ->
    (F =:= jump andalso A =:= 0)
    orelse not lists:member(F, [uniform_s, normal_s, bytes_s, uniform_real_s, jump, exsp_next, exsp_jump,
            splitmix64_next, mwc59, mwc59_value32, mwc59_value, mwc59_float]);
leave_out(beam_lib, F, _) -> not lists:member(F, [chunks, info, md5, cmp, version, format_error, all_chunks]);
leave_out(erl_eval, F, _) -> lists:member(F, [check_command, partial_eval]);
leave_out(erl_lint, F, _) ->
    not lists:member(F, [exprs, is_guard_expr, is_guard_test, format_error, is_pattern_expr, bool_option,
            value_option]);
leave_out(ms_transform, F, _) -> not lists:member(F, [transform_from_shell, format_error]);
leave_out(erl_error, F, _) -> not lists:member(F, [format_exception]);
leave_out(eval_bits, F, _) -> not lists:member(F, [as_bit_type]);
leave_out(uri_string, F, _) -> lists:member(F, [is_host, is_path]);
leave_out(io_lib, F, _) ->
    lists:member(F, [collect_line, get_until, collect_chars, collect_chars_state, collect_line_no_eol,
            collect_chars_no_eol]);
leave_out(erl_scan, F, _) -> lists:member(F, [continuation_location]);
leave_out(erl_posix_msg, _, _) -> false;
leave_out(unicode_util, F, _) -> lists:member(F, [whitespace]);
leave_out(_, _, _) -> false.

%% BIFs whose results are the same on every VM: not those that ask which atoms there are, and not those that set what all
%% that follow would see, such as system_flag/2.
pure() ->
    [{abs, 1}, {apply, 2}, {apply, 3}, {adler32, 1}, {adler32, 2}, {adler32_combine, 3}, {append_element, 2}, {atom_to_binary, 1},
        {atom_to_binary, 2}, {atom_to_list, 1},
     {binary_part, 2}, {binary_part, 3}, {binary_to_atom, 1}, {binary_to_atom, 2}, {binary_to_float, 1},
     {binary_to_integer, 1}, {binary_to_integer, 2}, {binary_to_list, 1}, {binary_to_list, 3},
     {binary_to_term, 1}, {binary_to_term, 2}, {bit_size, 1},
     {bitstring_to_list, 1}, {byte_size, 1}, {ceil, 1}, {convert_time_unit, 3}, {crc32, 1}, {crc32, 2},
     {crc32_combine, 3}, {decode_packet, 3},
     {delete_element, 2}, {element, 2}, {error, 1}, {error, 2}, {error, 3}, {exit, 1}, {external_size, 1},
     {external_size, 2}, {float, 1},
     {float_to_binary, 1}, {float_to_binary, 2}, {float_to_list, 1}, {float_to_list, 2}, {floor, 1},
     {fun_info, 2}, {fun_to_list, 1},
     {function_exported, 3}, {hd, 1}, {insert_element, 3}, {integer_to_binary, 1}, {integer_to_binary, 2}, {integer_to_list, 1},
     {integer_to_list, 2}, {iolist_size, 1}, {iolist_to_binary, 1}, {iolist_to_iovec, 1}, {is_atom, 1},
     {is_binary, 1}, {is_bitstring, 1}, {is_boolean, 1},
     {is_builtin, 3}, {is_float, 1}, {is_function, 1}, {is_function, 2}, {is_integer, 1}, {is_list, 1},
     {is_map, 1}, {is_map_key, 2}, {is_number, 1},
     {is_pid, 1}, {is_record, 2}, {is_record, 3}, {is_reference, 1}, {is_tuple, 1}, {length, 1},
     {list_to_atom, 1}, {list_to_binary, 1},
     {list_to_bitstring, 1}, {list_to_float, 1}, {list_to_integer, 1}, {list_to_integer, 2}, {list_to_pid, 1}, {list_to_port, 1},
     {list_to_ref, 1}, {list_to_tuple, 1}, {make_fun, 3}, {make_tuple, 2}, {make_tuple, 3}, {map_get, 2},
     {map_size, 1}, {max, 2}, {md5, 1}, {min, 2}, {node, 1},
     {phash, 2}, {phash2, 1}, {phash2, 2}, {posixtime_to_universaltime, 1}, {put, 2}, {raise, 3}, {round, 1},
     {setelement, 3}, {size, 1}, {split_binary, 2},
     {term_to_binary, 1}, {term_to_binary, 2}, {term_to_iovec, 1}, {term_to_iovec, 2}, {throw, 1}, {tl, 1},
     {trunc, 1}, {tuple_size, 1}, {tuple_to_list, 1},
     {universaltime_to_posixtime, 1}, {localtime_to_universaltime, 1}, {localtime_to_universaltime, 2},
     {universaltime_to_localtime, 1}, {apply, 3}, {nif_error, 1}, {nif_error, 2},
     {'+', 1}, {'-', 1}, {'bnot', 1}, {'not', 1}, {'+', 2}, {'-', 2}, {'*', 2}, {'/', 2}, {'div', 2}, {'rem', 2},
     {'band', 2}, {'bor', 2}, {'bxor', 2},
     {'bsl', 2}, {'bsr', 2}, {'and', 2}, {'or', 2}, {'xor', 2}, {'++', 2}, {'--', 2}, {'<', 2}, {'>', 2},
     {'=<', 2}, {'>=', 2}, {'==', 2}, {'/=', 2},
     {'=:=', 2}, {'=/=', 2}, {'!', 2}, {get, 1}, {erase, 1}, {get_keys, 1}, {whereis, 1}, {unregister, 1},
     {register, 2}, {process_flag, 2}, {send, 2},
     {send, 3}, {send_nosuspend, 2}, {is_process_alive, 1}, {demonitor, 1}, {demonitor, 2}, {unlink, 1},
     {unalias, 1}, {cancel_timer, 1},
     {cancel_timer, 2}, {read_timer, 1}, {read_timer, 2}, {md5_update, 2}, {md5_final, 1}].

%% BIFs whose results are not: only how they fail is compared, and whether. spawn_monitor/3 is left out: on OTP its traces show
%% the function of Erlang that it is.
only_errors() ->
    [{spawn, 1}, {spawn, 3}, {spawn_link, 1}, {spawn_link, 3}, {spawn_monitor, 1}, {spawn_opt, 2}, {spawn_opt, 4},
        {link, 1}, {monitor, 2}, {monitor, 3},
     {alias, 1}, {exit, 2}, {group_leader, 2}, {process_info, 1}, {process_info, 2}, {process_flag, 3}, {start_timer, 3},
     {start_timer, 4}, {send_after, 3}, {send_after, 4}, {statistics, 1}, {system_info, 1}, {unique_integer, 1}, 
     {garbage_collect, 1}, {garbage_collect, 2}, {check_process_code, 2}, {fun_info, 1}, {pid_to_list, 1},
     {ref_to_list, 1}, {port_to_list, 1}, {port_info, 1},
     {port_info, 2}, {port_command, 2}, {port_close, 1}, {port_connect, 2}, {port_control, 3},
     {module_loaded, 1}, {suspend_process, 1}, {resume_process, 1},
     {bump_reductions, 1}, {spawn_request, 1}, {spawn_request, 3}, {spawn_request_abandon, 1},
     {delete_module, 1}, {purge_module, 1}, {check_old_code, 1}, {monitor_node, 2}, {monitor_node, 3}, {nodes, 1}].
