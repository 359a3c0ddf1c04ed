%% Crashes without end: callers die of every signal in turn on all schedulers while bystanders count;
%% memory, address space and descriptors must not grow. `make soak`
-module(soak).
-export([main/1, crash/1, echo/1]).
-nifs([crash/1, echo/1]).
-on_load(load/0).

-define(SIGNALS, [4, 5, 6, 7, 8, 11, 31]).
-define(WORKERS, 4).
-define(BYSTANDERS, 200).

load() ->
    erlang:load_nif(filename:join(filename:dirname(code:which(?MODULE)), "soak_nif"), 0).

crash(_) -> erlang:nif_error(not_loaded).
echo(_) -> erlang:nif_error(not_loaded).

main([]) -> main(["1000000"]);
main([Count]) ->
    Total = list_to_integer(Count),
    Bystanders = [spawn_link(fun() -> count(0) end) || _ <- lists:seq(1, ?BYSTANDERS)],
    %% The first tenth fills pools and caches; what comes after must be flat.
    rounds(Total div 10),
    _ = figures(), % loads what it needs
    Start = figures(),
    io:format("after ~b crashes: ~p~n", [Total div 10, Start]),
    lists:foldl(fun(I, Done) ->
        rounds(Total div 10),
        io:format("after ~b crashes: ~p~n", [Done, figures()]),
        _ = I,
        Done + Total div 10
    end, Total div 10 * 2, lists:seq(2, 10)),
    End = figures(),
    ?BYSTANDERS = length([P || P <- Bystanders, is_process_alive(P)]),
    check(rss_kb, Start, End, 4096),
    check(vm_kb, Start, End, 64 * 1024),
    check(fds, Start, End, 0),
    check(threads, Start, End, 1),
    io:format("soak: ~b crashes, ~b bystanders, all flat~n", [Total, ?BYSTANDERS]).

check(Key, Start, End, Slack) ->
    {Key, A} = lists:keyfind(Key, 1, Start),
    {Key, B} = lists:keyfind(Key, 1, End),
    case B =< A + Slack of
        true -> ok;
        false -> exit({grew, Key, A, B})
    end.

rounds(N) ->
    Self = self(),
    Each = max(1, N div ?WORKERS),
    Pids = [spawn_link(fun() -> crashes(Each, ?SIGNALS, []), Self ! {self(), done} end) || _ <- lists:seq(1, ?WORKERS)],
    [receive {Pid, done} -> ok end || Pid <- Pids],
    ok.

crashes(0, _, _) -> ok;
crashes(N, [], Used) -> crashes(N, lists:reverse(Used), []);
crashes(N, [Signal | Rest], Used) ->
    {Pid, Ref} = spawn_monitor(?MODULE, crash, [Signal]),
    receive
        {'DOWN', Ref, process, Pid, {nif_signal, Signal}} -> ok;
        {'DOWN', Ref, process, Pid, Other} -> exit({wrong_end, Signal, Other})
    end,
    crashes(N - 1, Rest, [Signal | Used]).

count(N) ->
    receive {how_many, From} -> From ! {self(), N}, count(N)
    after 10 -> count(N + 1)
    end.

figures() ->
    erlang:garbage_collect(),
    Status = proc_file("/proc/self/status"),
    {ok, Fds} = file:list_dir("/proc/self/fd"),
    [{rss_kb, field("VmRSS:", Status)}, {vm_kb, field("VmSize:", Status)}, {threads, field("Threads:", Status)},
        {fds, length(Fds)}].

field(Name, Text) ->
    [Line] = [L || L <- string:split(Text, "\n", all), lists:prefix(Name, L)],
    [_, Number | _] = string:lexemes(Line, " \t"),
    list_to_integer(Number).

proc_file(Path) ->
    {ok, Text} = file:read_file(Path),
    binary_to_list(Text).
