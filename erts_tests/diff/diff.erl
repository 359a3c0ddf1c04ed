%% A differential fuzzer: random programs and calls, on OTP and here, must come out the same.
%%
%%   DIFF_DIR=DIR erl -noshell -s diff main KIND:SEED...   those batches; TAP
%%   FUZZ_SECONDS=N                         ... -s diff main      batches of new seeds until time is up
%%
%% KIND is one of kinds(). A batch and its seed make the same cases wherever they are made, by the same OTP.
-module(diff).
-export([main/0, main/1]).

main() ->
    Seconds = list_to_integer(os:getenv("FUZZ_SECONDS", "60")),
    rand:seed(exsss, erlang:system_time()),
    Until = erlang:monotonic_time(second) + Seconds,
    Only = [list_to_atom(K) || K <- string:lexemes(os:getenv("FUZZ_KINDS", ""), " ")],
    Kinds = [K || K <- kinds(), Only =:= [] orelse lists:member(K, Only)],
    {Cases, Found} = until(Until, Kinds, rand:uniform(1 bsl 40), 0, 0),
    io:format("# ~b cases, ~b differences~n", [Cases, Found]),
    halt(min(1, Found)).

main(Batches) ->
    io:format("1..~b~n", [length(Batches)]),
    Failed = [B || {N, B} <- lists:zip(lists:seq(1, length(Batches)), Batches), not tap(N, atom_to_list(B))],
    halt(min(1, length(Failed))).

%% {Kind, cases in a batch}
kinds() -> [calls, modules, calls, ets, modules].

size_of(calls) -> 3000;
size_of(ets) -> 800;
size_of(modules) -> 40.

until(Until, [Kind | Kinds], Seed, Cases, Found) ->
    case erlang:monotonic_time(second) < Until of
        false -> {Cases, Found};
        true ->
            io:format("# ~s:~b~n", [Kind, Seed]),
            Batch = batch(Kind, Seed),
            Different = report(diff_sides:differences(Batch), Until),
            until(Until, Kinds ++ [Kind], Seed + 1, Cases + count(Batch), Found + Different)
    end.

count(Batch) -> lists:sum([case C of {module, _, _, Calls} -> length(Calls); _ -> 1 end || C <- Batch]).

tap(N, Batch) ->
    [Kind, Seed] = string:split(Batch, ":"),
    Cases = batch(list_to_atom(Kind), list_to_integer(Seed)),
    %% One that does not differ a second time was about a busy machine.
    {Good, Words} = case report(diff_sides:differences(Cases), infinity) of
                        0 -> {true, "ok"};
                        _ -> {false, "not ok"}
                    end,
    io:format("~s ~b - ~s: ~b cases come out as on OTP~n", [Words, N, Batch, count(Cases)]),
    Good.

batch(Kind, Seed) ->
    diff_rand:seed(Seed),
    [one(Kind, Seed, I) || I <- lists:seq(1, size_of(Kind))].

one(calls, _, _) -> diff_call:call();
one(ets, _, _) -> diff_ets:'case'();
one(modules, Seed, I) -> diff_module:'case'(Seed, I).

%% Shrinks and prints differences; of those of one function only the first. How many there were.
report(Different, Until) ->
    lists:foldl(fun(D, N) -> report_one(D, Until, N) end, 0, Different).

report_one({Case, _, _} = Different, Until, N) ->
    Key = key(Case),
    case get(Key) of
        undefined ->
            Small = case erlang:monotonic_time(second) < Until of true -> diff_shrink:shrink(Case); false -> Different end,
            case Small of
                unsteady ->
                    io:format("# not a second time: ~0tP~n", [Case, 60]),
                    N;
                {Smallest, Otp, Ours} ->
                    put(Key, true),
                    print(Smallest, Otp, Ours),
                    N + 1
            end;
        true -> N
    end.

key({module, Name, _, _}) -> Name;
key({ets, _, Operations}) -> {ets, [element(1, O) || O <- Operations]};
key({_, M, F, Args}) -> {M, F, length(Args)}.

print({module, _, _, Calls} = Module, Otp, Ours) ->
    print(diff_module:source(Module) ++ io_lib:format("~0tp", [Calls]), Otp, Ours);
print(Case, Otp, Ours) when is_tuple(Case) ->
    print(io_lib:format("~0tp", [Case]), Otp, Ours);
print(Text, Otp, Ours) ->
    io:format("#~n~ts#      OTP: ~ts~n# Bulkhead: ~ts~n", [lines(Text), cut(Otp), cut(Ours)]).

lines(Text) -> [["# ", Line, "\n"] || Line <- string:split(string:trim(unicode:characters_to_list(Text), trailing), "\n", all)].

cut(Text) -> string:replace(string:slice(Text, 0, 1500), "\n", "\n#           ", all).
