%% code - the code server's interface without a server: the state is in the VM.
%%
%% Stands in for the module of that name of OTP's kernel, which needs the kernel application running.
%% The natives are in vm/bif/bif_code.c. Modules are found, loaded and published in C; a module with
%% an -on_load function comes here, because that function needs a process to run in.
-module(code).

-export([get_path/0, set_path/1, add_path/1, add_pathz/1, add_patha/1, add_paths/1, add_pathsz/1,
    add_pathsa/1, del_path/1, del_paths/1, replace_path/2]).
-export([ensure_loaded/1, ensure_modules_loaded/1, atomic_load/1, prepare_loading/1, finish_loading/1,
    load_file/1, load_abs/1, load_abs/2, load_binary/3, delete/1, purge/1, soft_purge/1]).
-export([is_loaded/1, all_loaded/0, which/1, where_is_file/1, where_is_file/2, get_object_code/1,
    root_dir/0, lib_dir/0, lib_dir/1, lib_dir/2, compiler_dir/0, priv_dir/1, module_md5/1, get_chunk/2,
    module_status/0, module_status/1, modified_modules/0, all_available/0, clash/0, get_mode/0,
    objfile_extension/0, is_module_native/1, rehash/0,
    stick_dir/1, unstick_dir/1, stick_mod/1, unstick_mod/1, is_sticky/1]).
%% The native purge_module/1 comes here.
-export([purge_module/1]).

%% ---- the path ----

get_path() ->
    lists:reverse(bulkhead_code:path()).

set_path(Dirs) ->
    case lists:all(fun is_dir_name/1, Dirs) of
        true ->
            [bulkhead_code:del_path(native(Dir)) || Dir <- get_path()],
            add_pathsz(Dirs),
            true;
        false ->
            {error, bad_directory}
    end.

add_path(Dir) when is_list(Dir) ->
    add_dir(Dir, last).

add_pathz(Dir) when is_list(Dir) ->
    add_dir(Dir, last).

add_patha(Dir) when is_list(Dir) ->
    add_dir(Dir, first).

add_paths(Dirs) when is_list(Dirs) ->
    add_dirs(Dirs, last).

add_pathsz(Dirs) when is_list(Dirs) ->
    add_dirs(Dirs, last).

add_pathsa(Dirs) when is_list(Dirs) ->
    add_dirs(Dirs, first).

add_dirs(Dirs, Where) ->
    lists:foreach(fun(Dir) -> add_dir(name(Dir), Where) end, Dirs).

%% One that is there already keeps its place, or comes first.
add_dir(Dir0, Where) ->
    case is_dir_name(Dir0) andalso bulkhead_code:is_there(native(Dir0)) of
        true ->
            Dir = filename:join([Dir0]),
            case Where =:= last andalso lists:member(Dir, get_path()) of
                true -> true;
                false -> bulkhead_code:add_path(native(Dir), Where)
            end;
        false ->
            {error, bad_directory}
    end.

del_path(Name) ->
    case is_dir_name(name(Name)) of
        true ->
            bulkhead_code:del_path(native(name(Name))) orelse
                case app_ebin(name(Name)) of
                    {ok, Dir} -> bulkhead_code:del_path(native(Dir));
                    error -> false
                end;
        false ->
            {error, bad_name}
    end.

del_paths(Dirs) ->
    lists:foreach(fun del_path/1, Dirs).

replace_path(Name, Dir) ->
    _ = del_path(Name),
    add_pathz(Dir).

name(Name) when is_atom(Name) -> atom_to_list(Name);
name(Name) -> Name.

is_dir_name(Name) ->
    is_list(Name) andalso Name =/= [] andalso io_lib:char_list(Name).

native(Name) when is_atom(Name) -> atom_to_binary(Name);
native(Name) -> unicode:characters_to_binary(Name).

%% ---- loading ----

ensure_loaded(Module) when is_atom(Module) ->
    case erlang:module_loaded(Module) of
        true ->
            {module, Module};
        false ->
            case apart(fun() -> load_and_start(Module) end) of
                wait -> wait_started(Module);
                Result -> Result
            end
    end.

load_and_start(Module) ->
    case bulkhead_code:load(Module) of
        loaded -> {module, Module};
        start -> run_on_load(Module);
        wait -> wait;
        Reason -> {error, Reason}
    end.

%% In a process of its own, which goes on if ours is killed: code that waits for its -on_load function must be finished.
apart(Fun) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit({apart, Fun()}) end),
    receive
        {'DOWN', Ref, process, Pid, {apart, Result}} -> Result;
        {'DOWN', Ref, process, Pid, Reason} -> exit(Reason)
    end.

%% Somebody else runs the -on_load function. The process that does must not wait for itself.
wait_started(Module) ->
    case erlang:get('$on_load') of
        Module -> {error, on_load};
        _ ->
            receive after 1 -> ok end,
            ensure_loaded(Module)
    end.

ensure_modules_loaded(Modules) ->
    case [{M, R} || M <- lists:usort(Modules), {error, R} <- [ensure_loaded(M)]] of
        [] -> ok;
        Errors -> {error, Errors}
    end.

load_file(Module) when is_atom(Module) ->
    load_found(Module).

load_found(Module) ->
    case get_object_code(Module) of
        {Module, Binary, File} -> load_bytes(Module, File, Binary);
        error -> {error, nofile}
    end.

load_abs(File) ->
    load_abs(File, list_to_atom(filename:basename(name(File)))).

load_abs(File0, Module) when is_atom(Module) ->
    File = filename:absname(name(File0) ++ objfile_extension()),
    case bulkhead_code:read_file(native(File)) of
        {ok, Binary} -> load_bytes(Module, File, Binary);
        error -> {error, nofile}
    end.

load_binary(Module, File, Binary)
  when is_atom(Module), (is_list(File) orelse is_atom(File)), is_binary(Binary) ->
    load_bytes(Module, File, Binary).

load_bytes(Module, File, Binary) ->
    %% Old code of a deleted module may stay: nothing becomes old now.
    case erlang:module_loaded(Module) andalso erlang:check_old_code(Module) of
        true -> purge(Module);
        false -> ok
    end,
    Result = apart(fun() ->
        case prepare_file(Module, File, Binary) of
            {error, _} = Error -> Error;
            Ref -> finish_one(Module, Ref)
        end
    end),
    case Result of
        {error, not_purged} ->
            %% Another process loads it too.
            case bulkhead_code:is_starting(Module) of
                true -> wait_started(Module);
                false -> Result
            end;
        _ ->
            Result
    end.

%% Whoever sees the code sees where it came from.
prepare_file(Module, File, Binary) ->
    case erts_internal:prepare_loading(Module, Binary) of
        {error, _} = Error ->
            Error;
        Ref ->
            _ = bulkhead_code:set_path(Ref, native(File), is_atom(File)),
            Ref
    end.

finish_one(Module, Ref) ->
    case erlang:finish_loading([Ref]) of
        ok -> {module, Module};
        {on_load, [Module]} -> run_on_load(Module);
        {not_purged, [Module]} -> {error, not_purged}
    end.

run_on_load(Module) ->
    {Pid, Ref} = spawn_monitor(fun() ->
        erlang:put('$on_load', Module),
        exit({on_load, erlang:call_on_load_function(Module)})
    end),
    receive
        {'DOWN', Ref, process, Pid, {on_load, ok}} ->
            started(Module),
            {module, Module};
        {'DOWN', Ref, process, Pid, Reason} ->
            _ = erlang:finish_after_on_load(Module, false),
            report_on_load(Module, Reason),
            {error, on_load_failure}
    end.

started(Module) ->
    try
        erlang:finish_after_on_load(Module, true)
    catch
        error:badarg ->
            %% Other code was loaded in the meantime.
            purge(Module),
            erlang:finish_after_on_load(Module, true)
    end.

report_on_load(_Module, {on_load, Value}) when is_atom(Value) ->
    ok;
report_on_load(Module, Reason) ->
    Value = case Reason of
        {on_load, V} -> V;
        _ -> Reason
    end,
    error_logger:warning_msg("The on_load function for module ~s returned:~n~tP~n", [Module, Value, 10]).

%% [Module | {Module, File, Binary}]
atomic_load(Modules) ->
    case prepare_loading(Modules) of
        {ok, Prepared} -> finish_loading(Prepared);
        Error -> Error
    end.

prepare_loading(Modules) ->
    prepare(Modules, [], []).

prepare([], Prepared, []) ->
    {ok, {'$prepared$', lists:reverse(Prepared)}};
prepare([], _, Errors) ->
    {error, lists:reverse(Errors)};
prepare([Module | Rest], Prepared, Errors) when is_atom(Module) ->
    case get_object_code(Module) of
        {Module, Binary, File} -> prepare([{Module, File, Binary} | Rest], Prepared, Errors);
        error -> prepare(Rest, Prepared, [{Module, nofile} | Errors])
    end;
prepare([{Module, File, Binary} | Rest], Prepared, Errors) ->
    case prepare_file(Module, File, Binary) of
        {error, Reason} ->
            prepare(Rest, Prepared, [{Module, Reason} | Errors]);
        Ref ->
            case erlang:has_prepared_code_on_load(Ref) of
                true -> prepare(Rest, Prepared, [{Module, on_load_not_allowed} | Errors]);
                false -> prepare(Rest, [{Module, Ref} | Prepared], Errors)
            end
    end.

finish_loading({'$prepared$', Prepared}) ->
    [purge(Module) || {Module, _} <- Prepared, erlang:check_old_code(Module)],
    case erlang:finish_loading([Ref || {_, Ref} <- Prepared]) of
        ok ->
            ok;
        {Error, Modules} ->
            {error, [{Module, Error} || Module <- Modules]}
    end.

%% ---- deleting and purging ----

delete(Module) when is_atom(Module) ->
    not erlang:check_old_code(Module) andalso erlang:delete_module(Module) =:= true.

%% Ends every process that still runs old code. true if there was one.
purge(Module) when is_atom(Module) ->
    case erts_internal:purge_module(Module, prepare) of
        false ->
            false;
        true ->
            Killed = [kill(Pid) || Pid <- processes(), erlang:check_process_code(Pid, Module)],
            _ = erts_internal:purge_module(Module, complete),
            Killed =/= []
    end.

kill(Pid) ->
    Ref = erlang:monitor(process, Pid),
    exit(Pid, kill),
    receive {'DOWN', Ref, process, Pid, _} -> ok end.

soft_purge(Module) when is_atom(Module) ->
    case erlang:check_old_code(Module) andalso in_use(Module) of
        true ->
            false;
        false ->
            %% From here on nobody gets into it; whoever did in the meantime stops us.
            case erts_internal:purge_module(Module, prepare) andalso in_use(Module) of
                true ->
                    _ = erts_internal:purge_module(Module, abort),
                    false;
                false ->
                    _ = erts_internal:purge_module(Module, complete),
                    true
            end
    end.

in_use(Module) ->
    lists:any(fun(Pid) -> erlang:check_process_code(Pid, Module) end, processes()).

purge_module(Module) ->
    case erlang:check_old_code(Module) of
        true ->
            _ = purge(Module),
            true;
        false ->
            error(badarg)
    end.

%% ---- asking ----

is_loaded(Module) when is_atom(Module) ->
    case bulkhead_code:loaded_path(Module) of
        false -> false;
        File -> {file, File}
    end.

all_loaded() ->
    [{M, bulkhead_code:loaded_path(M)} || M <- erlang:loaded()].

which(Module) when is_atom(Module) ->
    case bulkhead_code:loaded_path(Module) of
        false -> bulkhead_code:find(Module);
        File -> File
    end.

get_object_code(Module) when is_atom(Module) ->
    case bulkhead_code:find(Module) of
        non_existing ->
            error;
        File ->
            case bulkhead_code:read_file(native(File)) of
                {ok, Binary} -> {Module, Binary, absolute(File)};
                error -> error
            end
    end.

absolute([$/ | _] = File) -> File;
absolute(File) -> filename:absname(File).

where_is_file(File) ->
    where_is_file(get_path(), File).

where_is_file([Dir | Dirs], File) ->
    Path = filename:append(Dir, File),
    case bulkhead_code:is_there(native(Path)) of
        true -> Path;
        false -> where_is_file(Dirs, File)
    end;
where_is_file([], _) ->
    non_existing.

root_dir() ->
    bulkhead_code:root().

lib_dir() ->
    root_dir() ++ "/lib".

lib_dir(App) when is_atom(App); is_list(App) ->
    case app_ebin(name(App)) of
        {ok, Ebin} -> filename:dirname(Ebin);
        error -> {error, bad_name}
    end.

lib_dir(App, SubDir) when is_atom(SubDir) ->
    case lib_dir(App) of
        {error, _} = Error -> Error;
        Dir -> filename:append(Dir, atom_to_list(SubDir))
    end.

compiler_dir() ->
    lib_dir(compiler).

priv_dir(App) ->
    case lib_dir(App) of
        {error, _} = Error -> Error;
        Dir -> Dir ++ "/priv"
    end.

%% The directory of the path that is .../Name/ebin, .../Name-Version/ebin, or, for one without ebin, .../Name.
app_ebin(Name) ->
    app_ebin(get_path(), Name, Name ++ "-").

app_ebin([Dir | Dirs], Name, Prefix) ->
    App = case lists:reverse(filename:split(Dir)) of
        ["ebin", N | _] -> N;
        _ -> ""
    end,
    case App =:= Name orelse lists:prefix(Prefix, App) of
        true ->
            case bulkhead_code:is_there(native(Dir)) of
                true -> {ok, Dir};
                false -> app_ebin(Dirs, Name, Prefix)
            end;
        false ->
            app_ebin(Dirs, Name, Prefix)
    end;
app_ebin([], _, _) ->
    error.

module_md5(Binary) ->
    erts_internal:beamfile_module_md5(Binary).

get_chunk(Binary, Chunk) ->
    erts_internal:beamfile_chunk(Binary, Chunk).

module_status(Module) when is_atom(Module) ->
    case is_loaded(Module) of
        false -> not_loaded;
        {file, preloaded} -> loaded;
        {file, []} -> loaded; % generated
        {file, File} ->
            case get_object_code(Module) of
                {_, _, _} when is_atom(File) -> modified; % cover_compiled
                error -> removed;
                {_, Binary, _} ->
                    case module_md5(Binary) =:= Module:module_info(md5) of
                        true -> loaded;
                        false -> modified
                    end
            end
    end.

get_mode() ->
    interactive.

objfile_extension() ->
    ".beam".

is_module_native(Module) ->
    case erlang:module_loaded(Module) of
        true -> false;
        false -> undefined
    end.

rehash() ->
    ok.

%% Directories cannot be made sticky.
stick_dir(_) -> ok.
unstick_dir(_) -> ok.
stick_mod(_) -> true.
unstick_mod(_) -> true.
is_sticky(_) -> false.

module_status() ->
    [{M, module_status(M)} || {M, _} <- all_loaded()].

modified_modules() ->
    [M || {M, modified} <- module_status()].

%% [{Name, File, Loaded}] of what is loaded and of what could be, by name.
all_available() ->
    Loaded = [{atom_to_list(M), File, true} || {M, File} <- all_loaded()],
    Known = maps:from_list([{Name, true} || {Name, _, _} <- Loaded]),
    Found = lists:foldl(fun({Name, File}, Seen) -> maps:merge(#{Name => File}, Seen) end, #{}, object_files(get_path())),
    lists:sort(Loaded ++ [{Name, File, false} || {Name, File} <- maps:to_list(Found), not is_map_key(Name, Known)]).

%% Says which files of the path cannot be reached, as one of that name comes before them.
clash() ->
    Hidden = hidden(object_files(tl(get_path())), #{}), % in the first directory are modules of ours that stand in for OTP's
    [io:format("** ~ts hides ~ts~n", [First, Other]) || {First, Other} <- Hidden],
    io:format("** Found ~w name clashes in code paths ~n", [length(Hidden)]).

hidden([], _) -> [];
hidden([{Name, File} | Rest], Seen) ->
    case Seen of
        #{Name := First} -> [{First, File} | hidden(Rest, Seen)];
        _ -> hidden(Rest, Seen#{Name => File})
    end.

%% [{Name, File}] in the order of the path.
object_files(Path) ->
    [{filename:rootname(Name, ".beam"), filename:append(Dir, Name)}
     || Dir <- Path, {ok, Names} <- [file:list_dir(Dir)], Name <- lists:sort(Names), filename:extension(Name) =:= ".beam"].
