%% A library that misuses the API ends its caller and nothing else. TAP; argument: directory of the library.
-module(misuse).
-export([main/1, load/1]).
-compile([export_all, nowarn_export_all]).

-define(SEGV, {nif_signal, 11}).
-define(BAD_TERM(Api), {nif_panic, {bad_term, Api}}).
-define(BAD_HANDLE(Api), {nif_panic, {bad_handle, Api}}).

cases() ->
    [{get_long_of_wild_term, ?SEGV}, {get_to_wild_pointer, ?SEGV}, {make_string_of_wild_pointer, ?SEGV},
     {make_atom_of_wild_pointer, ?SEGV}, {get_atom_to_wild_pointer, ?SEGV}, {inspect_unused_memory, any},
     {inspect_iolist_of_wild_term, ?SEGV}, {send_to_wild_pointer, ?SEGV}, {send_from_wild_env, ?BAD_HANDLE(enif_send)},
     {send_wild_term, ?BAD_TERM(enif_send)}, {lock_wild_mutex, ?SEGV}, {lock_what_is_no_mutex, ?BAD_HANDLE(enif_mutex_lock)},
     {alloc_without_type, ?BAD_HANDLE(enif_alloc_resource)}, {free_wild_pointer, {nif_signal, 6}},
     {release_binary_twice, ?BAD_HANDLE(enif_release_binary)}, {free_env_twice, ?BAD_HANDLE(enif_free_env)},
     {free_call_env, ?BAD_HANDLE(enif_free_env)}, {realloc_wild_binary, ?BAD_HANDLE(enif_realloc_binary)},
     {use_wild_iterator, ?SEGV}, {schedule_nothing, ?SEGV}, {schedule_without_name, ?SEGV},
     {raise_no_term, ?BAD_TERM(enif_raise_exception)}, {return_zero, ?BAD_TERM(return)}, {return_wild_term, ?BAD_TERM(return)},
     {return_unused_memory, any}, {list_of_null, ?SEGV}, {tuple_of_wild_term, ?BAD_TERM(enif_make_tuple)},
     {huge_binary, system_limit}, {huge_list, system_limit}, {huge_string, system_limit},
     {release_resource_too_often, ?BAD_HANDLE(enif_release_resource)}, {resource_on_stack, ?BAD_HANDLE(enif_make_resource)},
     {write_before_resource, ?BAD_HANDLE(enif_make_resource)}, {resource_binary_of_wild_pointer, ?SEGV},
     {encode_wild_term, ?BAD_TERM(enif_term_to_binary)}, {decode_wild_pointer, ?SEGV}, {compare_wild_terms, ?SEGV},
     {hash_wild_term, ?BAD_TERM(enif_hash)}, {print_wild_string, ?SEGV}, {print_wild_term, ?BAD_TERM(enif_snprintf)},
     {put_wild_key, ?BAD_TERM(enif_make_map_put)}, {put_to_wild_map, ?SEGV}, {build_in_wild_env, ?SEGV},
     {monitor_for_wild_object, ?BAD_HANDLE(enif_monitor_process)}, {select_for_wild_object, ?BAD_HANDLE(enif_select)},
     {destroy_wild_queue, ?SEGV}, {half_built_terms, ?SEGV}].

load(Dir) -> erlang:load_nif(filename:join(Dir, "misuse"), 0).

main([Dir]) ->
    ok = load(Dir),
    Bystander = spawn(fun() -> count(0) end),
    %% A sanitizer has a heap of its own, which ends the program in its own way.
    Cases = case erlang:system_info(build_type) of opt -> cases(); _ -> lists:keydelete(free_wild_pointer, 1, cases()) end,
    Results = [run(Name, Expected) || {Name, Expected} <- Cases],
    Bystander ! {self(), stop},
    Counted = receive {counted, N} -> N > 1000 end,
    All = Results ++ [{a_bystander_counted_on, Counted, ok}],
    io:format("1..~p~n", [length(All)]),
    _ = lists:foldl(fun({Name, Good, Why}, I) ->
            io:format("~sok ~p - ~s~s~n", [["not " || not Good], I, Name, [io_lib:format(" # ~0p", [Why]) || not Good]]),
            I + 1
        end, 1, All),
    ok.

count(N) ->
    receive {From, stop} -> From ! {counted, N} after 0 -> count(N + 1) end.

%% Twenty times, each in a process of its own whose heap is looked through afterwards.
run(Name, Expected) ->
    Ends = [once(Name) || _ <- lists:seq(1, 20)],
    Bad = [E || E <- Ends, not fits(Expected, E)],
    {Name, Bad =:= [], Bad}.

fits(any, {died, _}) -> true;
fits(Expected, {died, End}) -> End =:= Expected.

once(Name) ->
    {_, Ref} = spawn_monitor(fun() ->
        Term = {Name, lists:seq(1, 50), binary:copy(<<"b">>, 100)},
        R = try ?MODULE:Name(Term) catch error:system_limit -> exit(system_limit) end,
        true = erlang:garbage_collect(),
        exit({returned, R, Term})
    end),
    receive {'DOWN', Ref, process, _, Why} -> {died, short(Why)} after 120000 -> timeout end.

short({nif_panic, Reason, Trace}) when is_list(Trace) -> {nif_panic, Reason};
short(Why) -> Why.

get_long_of_wild_term(_) -> erlang:nif_error(not_loaded).
get_to_wild_pointer(_) -> erlang:nif_error(not_loaded).
make_string_of_wild_pointer(_) -> erlang:nif_error(not_loaded).
make_atom_of_wild_pointer(_) -> erlang:nif_error(not_loaded).
get_atom_to_wild_pointer(_) -> erlang:nif_error(not_loaded).
inspect_unused_memory(_) -> erlang:nif_error(not_loaded).
inspect_iolist_of_wild_term(_) -> erlang:nif_error(not_loaded).
send_to_wild_pointer(_) -> erlang:nif_error(not_loaded).
send_from_wild_env(_) -> erlang:nif_error(not_loaded).
send_wild_term(_) -> erlang:nif_error(not_loaded).
lock_wild_mutex(_) -> erlang:nif_error(not_loaded).
lock_what_is_no_mutex(_) -> erlang:nif_error(not_loaded).
alloc_without_type(_) -> erlang:nif_error(not_loaded).
free_wild_pointer(_) -> erlang:nif_error(not_loaded).
release_binary_twice(_) -> erlang:nif_error(not_loaded).
free_env_twice(_) -> erlang:nif_error(not_loaded).
free_call_env(_) -> erlang:nif_error(not_loaded).
realloc_wild_binary(_) -> erlang:nif_error(not_loaded).
use_wild_iterator(_) -> erlang:nif_error(not_loaded).
schedule_nothing(_) -> erlang:nif_error(not_loaded).
schedule_without_name(_) -> erlang:nif_error(not_loaded).
raise_no_term(_) -> erlang:nif_error(not_loaded).
return_zero(_) -> erlang:nif_error(not_loaded).
return_wild_term(_) -> erlang:nif_error(not_loaded).
return_unused_memory(_) -> erlang:nif_error(not_loaded).
list_of_null(_) -> erlang:nif_error(not_loaded).
tuple_of_wild_term(_) -> erlang:nif_error(not_loaded).
huge_binary(_) -> erlang:nif_error(not_loaded).
huge_list(_) -> erlang:nif_error(not_loaded).
huge_string(_) -> erlang:nif_error(not_loaded).
release_resource_too_often(_) -> erlang:nif_error(not_loaded).
resource_on_stack(_) -> erlang:nif_error(not_loaded).
write_before_resource(_) -> erlang:nif_error(not_loaded).
resource_binary_of_wild_pointer(_) -> erlang:nif_error(not_loaded).
encode_wild_term(_) -> erlang:nif_error(not_loaded).
decode_wild_pointer(_) -> erlang:nif_error(not_loaded).
compare_wild_terms(_) -> erlang:nif_error(not_loaded).
hash_wild_term(_) -> erlang:nif_error(not_loaded).
print_wild_string(_) -> erlang:nif_error(not_loaded).
print_wild_term(_) -> erlang:nif_error(not_loaded).
put_wild_key(_) -> erlang:nif_error(not_loaded).
put_to_wild_map(_) -> erlang:nif_error(not_loaded).
build_in_wild_env(_) -> erlang:nif_error(not_loaded).
monitor_for_wild_object(_) -> erlang:nif_error(not_loaded).
select_for_wild_object(_) -> erlang:nif_error(not_loaded).
destroy_wild_queue(_) -> erlang:nif_error(not_loaded).
half_built_terms(_) -> erlang:nif_error(not_loaded).
