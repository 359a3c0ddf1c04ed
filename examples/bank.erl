%% A bank as a process, its customers as processes, and a monitor that sees one of them fail.
-module(bank).
-export([main/1]).

main(_) ->
    Bank = spawn_link(fun() -> bank(#{}) end),
    ok = call(Bank, {open, joe, 100}),
    ok = call(Bank, {open, mike, 50}),
    {Robert, Ref} = spawn_monitor(fun() -> greedy_customer(Bank) end),
    receive
        {'DOWN', Ref, process, Robert, {Reason, _Stack}} ->
            io:format("a customer failed: ~p~n", [Reason])
    end,
    ok = call(Bank, {transfer, joe, mike, 30}),
    {error, insufficient_funds} = call(Bank, {transfer, joe, mike, 1000}),
    [io:format("~s has ~b~n", [Who, call(Bank, {balance, Who})]) || Who <- [joe, mike]],
    ok.

greedy_customer(Bank) ->
    ok = call(Bank, {transfer, mike, joe, 51}).

call(Bank, Request) ->
    Ref = monitor(process, Bank),
    Bank ! {Ref, self(), Request},
    receive
        {Ref, Reply} -> demonitor(Ref, [flush]), Reply;
        {'DOWN', Ref, process, _, Reason} -> exit(Reason)
    end.

bank(Accounts) ->
    receive
        {Ref, From, Request} ->
            {Reply, NewAccounts} = handle(Request, Accounts),
            From ! {Ref, Reply},
            bank(NewAccounts)
    end.

handle({open, Who, Amount}, Accounts) ->
    {ok, Accounts#{Who => Amount}};
handle({balance, Who}, Accounts) ->
    {maps:get(Who, Accounts, no_account), Accounts};
handle({transfer, From, To, Amount}, Accounts) ->
    case Accounts of
        #{From := Balance, To := Other} when Balance >= Amount ->
            {ok, Accounts#{From := Balance - Amount, To := Other + Amount}};
        _ ->
            {{error, insufficient_funds}, Accounts}
    end.
