%% The crash gallery: each native misdeed happens while 1,000 bystanders count, and ends one process.
%% gallery [MISDEED...]: all of them, or those named.
-module(gallery).
-export([main/1]).

-define(BYSTANDERS, 1000).

main(Chosen) ->
    Bystanders = [spawn_link(fun() -> count(0) end) || _ <- lists:seq(1, ?BYSTANDERS)],
    io:format("~-20s ~-46s ~-12s ~s~n", ["a NIF does", "its caller exits with", "bystanders", "library"]),
    Rows = [row(Title, Function, Bystanders) || {Title, Function} <- misdeeds(),
                                                  Chosen =:= [] orelse lists:member(atom_to_list(Function), Chosen)],
    io:format("~n~b misdeeds, ~b bystanders counting, 1 VM alive~n", [length(Rows), count_alive(Bystanders)]).

misdeeds() ->
    [{"write to NULL", null_write},
     {"jump to nowhere", wild_jump},
     {"divide by zero", divide_by_zero},
     {"overflow its stack", overflow_stack},
     {"abort()", abort},
     {"fail an assert", failed_assert},
     {"panic", panic},
     {"loop for ever", endless_loop},
     {"free twice", double_free},
     {"exit(3)", exit_process},
     {"crash in destructor", destructor}].

row(Title, Function, Bystanders) ->
    Before = counts(Bystanders),
    {Pid, Ref} = spawn_monitor(fun() -> misdeed(Function) end),
    Reason = receive {'DOWN', Ref, process, Pid, R} -> R end,
    Counting = count_going_on(Bystanders, Before, 100),
    Serves = case catch crashes:add(20, 22) of 42 -> "serves"; Other -> io_lib:format("~p", [Other]) end,
    io:format("~-20s ~-46s ~4b of ~4b ~s~n", [Title, describe(Reason), Counting, ?BYSTANDERS, Serves]).

misdeed(destructor) ->
    crashes:make_bomb(),
    erlang:garbage_collect(),
    timer:sleep(10);
misdeed(Function) ->
    crashes:Function().

%% The stack trace of a panic is for people; its length depends on the machine.
describe({nif_panic, Why, [_ | _]}) when is_atom(Why) -> io_lib:format("{nif_panic,~p,[...]}", [Why]);
describe({nif_panic, Why, [_ | _]}) -> io_lib:format("{nif_panic,\"~ts\",...}", [shorten(text(Why))]);
describe(Reason) -> io_lib:format("~p", [Reason]).

text(Why) when is_binary(Why) -> unicode:characters_to_list(Why);
text(Why) when is_list(Why) -> Why.

shorten(Text) when length(Text) > 27 -> lists:sublist(Text, 24) ++ "...";
shorten(Text) -> Text.

count(N) ->
    receive
        {how_many, From} -> From ! {self(), N}, count(N)
    after 5 ->
        count(N + 1)
    end.

counts(Bystanders) ->
    [Pid ! {how_many, self()} || Pid <- Bystanders],
    [receive {Pid, N} -> N end || Pid <- Bystanders].

%% How many have counted on since Before; a busy machine gives them up to Tries * 20 ms for it.
count_going_on(Bystanders, Before, Tries) ->
    timer:sleep(20),
    Going = length([x || {B, A} <- lists:zip(Before, counts(Bystanders)), A > B]),
    case Going < ?BYSTANDERS andalso Tries > 0 of
        true -> count_going_on(Bystanders, Before, Tries - 1);
        false -> Going
    end.

count_alive(Bystanders) ->
    length([Pid || Pid <- Bystanders, is_process_alive(Pid)]).
