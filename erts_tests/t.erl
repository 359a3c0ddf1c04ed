%% Runs conformance modules: each case in a process of its own, one line of output per case, the
%% same on every BEAM. A case is {Name, Fun}; what matters is what Fun returns or how it fails.
-module(t).
-export([main/1, start/1, main_atoms/1, id/1, outcome/1, messages/1]).
-export([wait/0, wait/1, waiter/0, dead/0, down/1, hide/1, fails/1]).

%% From a command line, where arguments are atoms: `-s t start M...` on OTP, `-s t main_atoms M...` here.
start(Modules) ->
    main_atoms(Modules),
    halt().

main_atoms(Modules) ->
    main([atom_to_list(M) || M <- Modules]).

main(Modules) ->
    [module(list_to_atom(M)) || M <- Modules],
    ok.

module(Module) ->
    [io:format("~s:~s ~0p~n", [Module, Name, mask(run(Fun))]) || {Name, Fun} <- Module:cases()].

%% Pids differ from run to run.
mask(T) when is_pid(T) -> pid;
mask([H | T]) -> [mask(H) | mask(T)];
mask(T) when is_tuple(T) -> list_to_tuple(mask(tuple_to_list(T)));
mask(T) -> T.

run(Fun) ->
    Self = self(),
    {Pid, Ref} = spawn_monitor(fun() -> Self ! {self(), outcome(Fun)} end),
    receive
        {Pid, Outcome} -> erlang:demonitor(Ref, [flush]), Outcome;
        {'DOWN', Ref, process, Pid, Reason} -> {died, Reason}
    after 60000 * list_to_integer(os:getenv("PATIENCE", "1")) ->
        exit(Pid, kill),
        timeout
    end.

%% {ok, Value} or {Class, Reason, [frames without lines of this module]}.
outcome(Fun) ->
    try Fun() of
        Value -> {ok, Value}
    catch
        Class:Reason:Stack -> {Class, Reason, [frame(F) || F <- lists:sublist(Stack, 3), element(1, F) =/= t]}
    end.

frame({M, F, A, Info}) when is_list(A) -> {M, name(F), A, info(Info)};
frame({M, F, A, Info}) -> {M, name(F), A, info(Info)};
frame(Other) -> Other.

name(F) -> F.

info(Info) -> [I || {K, _} = I <- Info, K =:= line orelse K =:= error_info].

%% What the compiler must not see through.
id(X) -> X.

%% All messages that arrive within Ms milliseconds of each other.
messages(Ms) ->
    receive M -> [M | messages(Ms)] after Ms -> [] end.

%% A process that waits, and one that is gone.
waiter() -> P = spawn(?MODULE, wait, [self()]), receive {ready, P} -> P end.
wait() -> receive stop -> ok end.
wait(To) -> To ! {ready, self()}, receive stop -> ok end.
dead() -> {P, R} = spawn_monitor(fun() -> ok end), receive {'DOWN', R, process, P, _} -> P end.
down(R) -> receive {'DOWN', R, _, Item, Reason} -> {name_of(Item), Reason} after 20000 -> no_down end.
name_of(P) when is_pid(P) -> pid;
name_of(X) -> X.

%% Pids and references differ from run to run.
hide(P) when is_pid(P) -> pid;
hide(R) when is_reference(R) -> ref;
hide(F) when is_function(F) -> function;
hide([H | T]) -> [hide(H) | hide(T)];
hide(T) when is_tuple(T) -> list_to_tuple(hide(tuple_to_list(T)));
hide(X) -> X.
fails(F) -> hide(outcome(F)).
