#!/bin/sh
# Where the system gives little: it runs on, or says what is lacking. Never does it crash.
. "${srcdir:=.}/tools/tap.sh"
if [ -n "${SANITIZED-}" ] || ! command -v prlimit >/dev/null; then
    echo "1..0 # SKIP needs prlimit, and a build without sanitizers"
    exit 0
fi
cat >"$dir/limits.erl" <<'END_ERL'
-module(limits).
-export([main/1, add/2]).
-nifs([add/2]).
add(_, _) -> erlang:nif_error(not_loaded).
main(["hello"]) -> io:format("hello");
main(["crash"]) ->
    Pids = [spawn_monitor(fun() -> exit(N + a) end) || N <- [1, 2]],
    [receive {'DOWN', Ref, process, _, _} -> ok end || {_, Ref} <- Pids],
    logger:error("and what the program says itself"),
    io:format("hello");
main(["port"]) ->
    Open = fun() -> catch open_port({spawn, "cat"}, []) end,
    io:format("~0p", [case Open() of {'EXIT', {Why, _}} -> Why; P when is_port(P) -> opened end]);
main(["worker", Mode, File]) ->
    ok = isolation:set(limits, list_to_atom(Mode)),
    io:format("~0p", [case erlang:load_nif(File, 0) of ok -> add(1, 2); {error, {_, Text}} -> Text end]);
main(["timeout", File]) ->
    ok = isolation:set(limits, #{mode => in_process, timeout => 1000}),
    ok = erlang:load_nif(File, 0),
    io:format("~0p", [add(1, 2)]);
%% At first no thread gets a stack; when one does, nothing is left for that of its signals.
main(["threads", Done]) ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Text]} = re:run(Status, "VmSize:\\s+(\\d+)", [{capture, all_but_first, list}]),
    Kb = list_to_integer(Text),
    Limits = [integer_to_list((Kb + More) * 1024) || More <- lists:seq(7500, 9500, 25)],
    Work = lists:seq(1, 300000),
    Widen = ["for limit in ", lists:join(" ", Limits), "; do prlimit --pid ", os:getpid(), " --as=$limit:; sleep 0.01; done"],
    os:cmd(["(", Widen, "; : >", Done, ") >/dev/null 2>&1 &"]),
    dirty_until(Done, Work),
    io:format("all done").
dirty_until(Done, Work) ->
    Pids = [spawn_monitor(fun() -> erlang:term_to_binary(Work) end) || _ <- lists:seq(1, 20)],
    [receive {'DOWN', Ref, process, _, _} -> ok end || {_, Ref} <- Pids],
    filelib:is_regular(Done) orelse dirty_until(Done, Work).
END_ERL
cat >"$dir/limits_nif.c" <<'END_C'
#include <erl_nif.h>
static ERL_NIF_TERM add(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int a, b;
    (void) argc;
    return enif_get_int(env, argv[0], &a) && enif_get_int(env, argv[1], &b) ? enif_make_int(env, a + b) : enif_make_badarg(env);
}
static ErlNifFunc funcs[] = { { "add", 2, add, 0 } };
ERL_NIF_INIT(limits, funcs, NULL, NULL, NULL, NULL)
END_C
modules "$dir/limits.erl"
library limits_nif "$dir/limits_nif.c"
chmod -R a+rX "$dir"
# The first line of what it prints.
run() { timeout -k 10 300 "$@" 2>&1 | head -n 1; }
program() { # OPTION ARG...
    option=$1
    shift
    run prlimit $option "$BULKHEAD" run "$dir/limits.beam" "$@"
}
is "a gigabyte of address space is enough" hello "$(program --as=1000000000 hello)"
is "and four for a worker that sees the VM's memory" 3 "$(program --as=4000000000 worker shared_heap "$dir/limits_nif")"
is "when no memory is left for more threads, those there are do the work" "all done" "$(program --as=8000000000: threads "$dir/done")"
is "twenty descriptors are enough for a worker" 3 "$(program --nofile=20 worker hybrid "$dir/limits_nif")"
# How far it comes depends on what it inherits.
is "with twelve it says what is lacking" "bulkhead: no worker for limits: ...: Too many open files (ulimit -n)" \
    "$(program --nofile=12 worker ipc "$dir/limits_nif" | sed 's/limits: .*: Too/limits: ...: Too/')"
is "a program that cannot be started for lack of descriptors" emfile "$(program --nofile=9 port)"
is "files may be small" 3 "$(program --fsize=4096: worker hybrid "$dir/limits_nif")"
is "if they must be, it is told as that" \
    "bulkhead: no worker for limits: files, and with them memory that is shared, are limited too tightly (ulimit -f)" \
    "$(program --fsize=100000 worker ipc "$dir/limits_nif")"
is "where no report can be written nobody waits for it" hello "$(timeout -k 1 60 "$BULKHEAD" run "$dir/limits.beam" crash 2>/dev/full)"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then # limits of processes are not root's
    few() { # N ARG...: with so many threads
        processes=$1
        shift
        timeout -k 10 300 setpriv --reuid=65432 --regid=65432 --clear-groups \
            prlimit --nproc="$processes" "$BULKHEAD" run "$dir/limits.beam" "$@" 2>&1
    }
    for what in hello port "worker ipc $dir/limits_nif" "timeout $dir/limits_nif"; do
        answers=$(for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do few $i $what; echo; done)
        echo "$answers" | grep -q 'internal error\|FATAL\|Segmentation'
        ok "with few threads there is no crash: ${what%% *}" $((! $?)) /dev/null
    done
fi
done_testing
