%% Ports: external programs.
-module(port_tests).
-export([cases/0]).
-import(t, [id/1, outcome/1, messages/1]).

cases() ->
    [{cat_binary, fun() ->
        P = open_port({spawn, "cat"}, [binary]), P ! {self(), {command, "hello"}}, R = data(P, 5),
        P ! {self(), close}, {R, closed(P)} end},
     {file_errors, fun() ->
         {ok, Cwd} = file:get_cwd(), D = filename:join(Cwd, "file_errors_dir"), ok = file:make_dir(D),
         In = fun(F) -> filename:join(D, F) end,
         [file:make_dir(In(X)) || X <- ["a", "b"]], [file:write_file(In(X), "") || X <- ["b/x", "f"]],
         [file:make_symlink(X, In(Y)) || {X, Y} <- [{"a", "la"}, {"nope", "ln"}]], file:set_cwd(D),
         R = [{F, A, apply(file, F, A)} || {F, A} <- [{del_dir, ["b"]}, {del_dir, ["f"]}, {del_dir, ["la"]},
             {del_dir, ["."]}, {del_dir, ["../" ++ filename:basename(D)]}, {del_dir, ["/"]}, {del_dir, [""]},
             {delete, ["a"]}, {delete, ["nope"]},
             {delete, ["f/x"]}, {delete, ["/"]}, {rename, ["a", "b"]}, {rename, ["f", "a"]},
             {rename, ["a", "f"]}, {rename, ["a", "a/c"]}, {rename, ["/", "x"]}, {rename, ["nope", "x"]},
             {rename, ["f", "n/x"]}, {make_dir, ["a"]},
             {make_dir, ["f/x"]}, {make_dir, ["n/x"]}, {make_dir, ["/"]}, {make_link, ["f", "f2"]},
             {make_link, ["f", "f2"]}, {make_symlink, ["f", "f2"]}, {read_link, ["f"]}, {read_link, ["nope"]},
             {read_file, ["b"]}, {read_file, ["b/"]},
             {write_file, ["b", "x"]}, {open, ["b", [read]]}, {open, ["b", [write]]},
             {open, ["b", [read, raw]]}, {list_dir, ["f"]}, {set_cwd, ["f"]}, {set_cwd, [""]}, {read_file, [""]},
             {copy, ["b", "c"]}, {consult, ["b"]}, {del_dir_r, ["nope"]}]],
         file:set_cwd(Cwd), ok = file:del_dir_r(D), R end},
     {ram_open, fun() ->
         [element(1, file:open(D, M)) =:= ok orelse file:open(D, M) || D <- [<<"abc">>, "abc", [<<"a">> | "b"],
                 a, "\x{400}"],
         M <- [[ram], [ram, read], [ram, write], [ram, read, write, binary], [ram, append], [ram, raw],
             [ram, {encoding, utf8}], [ram, read_ahead, read]]] end},
     {ram_files, fun() -> [begin
         {ok, F} = file:open("hello world", M),
         Calls = [{Fn, A, catch apply(file, Fn, [F | A])} || {Fn, A} <- ram_calls()],
         {M, Calls, ram_file:get_file(F), ram_file:get_size(F), ram_file:ipread_s32bu_p32bu(F, 0, 100),
             file:close(F), file:close(F), file:read(F, 1)}
         end || M <- [[ram, read], [ram, write], [ram, read, write, binary], [ram, read, write]]] end},
     {ram_ipread, fun() ->
         {ok, F} = file:open(<<0, 0, 0, 3, 0, 0, 0, 9, 7, 65, 66, 67>>, [ram, read, binary]),
         [ram_file:ipread_s32bu_p32bu(F, O, M) || O <- [0, 4, 100], M <- [100, 2]] end},
     {ram_copy, fun() ->
         {ok, F} = file:open("text", [ram, read]), {ok, G} = file:open(<<>>, [ram, read, write]),
         {file:copy(F, G), file:position(G, bof), file:read(G, 100)} end},
     {ram_owner, fun() ->
         S = self(), {P, R} = spawn_monitor(fun() -> S ! file:open("x", [ram, read]) end),
         {ok, F} = receive X -> X end, receive {'DOWN', R, process, P, _} -> ok end, timer:sleep(50),
         process_flag(trap_exit, true), {ok, G} = file:open("x", [ram, read]), file:close(G),
         {file:read(F, 1), messages(20)} end},
     {ram_archives, fun() ->
         Name = "ram_archives." ++ os:getpid(), ok = erl_tar:create(Name, [{"a", <<"b">>}]),
         {ok, Tar} = file:read_file(Name), file:delete(Name),
         {ok, {_, Zip}} = zip:create("z.zip", [{"m", <<"mem">>}], [memory]),
         {erl_tar:extract({binary, Tar}, [memory]), erl_tar:table({binary, Tar}), zip:unzip(Zip, [memory])} end},
     {cat_list, fun() ->
         P = open_port({spawn, "cat"}, []), true = port_command(P, ["he", [$l, <<"lo">>]]), R = data(P, 5),
         true = port_close(P), R end},
     {packets, fun() ->
         [begin P = open_port({spawn, "cat"}, [binary, {packet, N}]),
                 [port_command(P, X) || X <- ["", "a", lists:duplicate(200, $b)]],
                 R = [receive {P, {data, D}} -> byte_size(D) end || _ <- [1, 2, 3]], port_close(P), R end
             || N <- [1, 2, 4]] end},
     {packet_too_long, fun() ->
         process_flag(trap_exit, true), P = open_port({spawn, "cat"}, [{packet, 1}]),
         catch port_command(P, lists:duplicate(256, $x)), receive {'EXIT', P, R} -> R after 20000 -> none end end},
     {lines, fun() -> P = open_port({spawn, "printf 'one\\ntwo and more\\n\\nend\\n'"}, [{line, 6}, exit_status]), all(P) end},
     {lines_binary, fun() -> P = open_port({spawn, "printf 'a\\nb\\n'"}, [{line, 100}, binary, exit_status]), all(P) end},
     {exit_statuses, fun() ->
         [all(open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", "exit " ++ integer_to_list(N)]}, exit_status]))
             || N <- [0, 1, 77]] end},
     {exit_signal_status, fun() -> all(open_port({spawn, "sh -c 'kill -9 $$'"}, [exit_status])) end},
     {eof_then_exit_status, fun() -> lists:sort(all(open_port({spawn, "true"}, [eof, exit_status]))) end},
     {eof_only, fun() ->
         P = open_port({spawn, "echo x"}, [eof, binary]),
         R = [receive {P, X} -> X after 20000 -> none end || _ <- [1, 2]], port_close(P), R end},
     {normal_exit, fun() ->
         process_flag(trap_exit, true), P = open_port({spawn, "echo bye"}, [binary]),
         [receive {P, {data, D}} -> D end, receive {'EXIT', P, R} -> R end, erlang:port_info(P)] end},
     {stderr, fun() -> text(all(open_port({spawn, "sh -c 'echo out; echo err >&2'"}, [stderr_to_stdout, exit_status]))) end},
     {args, fun() ->
         all(open_port({spawn_executable, "/bin/echo"}, [{args, ["a b", <<"c">>, "d\x{e9}"]}, exit_status, binary]))
         end},
     {arg0, fun() ->
         text(all(open_port({spawn_executable, "/bin/sh"},
                     [{arg0, "my name"}, {args, ["-c", "echo $0"]}, exit_status]))) end},
     {env, fun() ->
         text(all(open_port({spawn, "sh -c 'echo $BULKHEAD_A:$BULKHEAD_B:${HOME-unset}'"},
                     [{env, [{"BULKHEAD_A", "x"}, {"BULKHEAD_B", "y z"}, {"HOME", false}]}, exit_status]))) end},
     {cd, fun() -> text(all(open_port({spawn, "pwd"}, [{cd, "/usr"}, exit_status]))) end},
     {big_data, fun() ->
         P = open_port({spawn, "cat"}, [binary]), B = binary:copy(<<"0123456789">>, 100000), port_command(P, B),
         R = data(P, byte_size(B)), port_close(P), R =:= B end},
     {out_only, fun() ->
         F = "/tmp/bulkhead_port_test." ++ os:getpid(), P = open_port({spawn, "sh -c 'cat > " ++ F ++ "'"}, [out]),
         port_command(P, "written"), port_close(P), receive after 200 -> ok end, R = os:cmd("cat " ++ F),
         os:cmd("rm " ++ F), R end},
     {no_program, fun() ->
         [shape(outcome(fun() -> id(open_port({spawn_executable, id(F)}, [])) end))
             || F <- ["/no/such/program", "/etc/passwd"]] end},
     {bad_options, fun() ->
         [shape(outcome(fun() -> id(open_port({spawn, "true"}, id(O))) end))
             || O <- [[x], x, [{packet, 3}], [{line, 0}], [{args, ["x"]}], [binary | x]]] end},
     {bad_names, fun() ->
         [shape(outcome(fun() -> id(open_port(id(N), [])) end))
             || N <- [{spawn, 1}, {spawn, ""}, {spawn_executable, {}}, {fd, a, b}, {foo, "x"}]] end},
     {bad_uses, fun() ->
         P = open_port({spawn, "cat"}, []), port_close(P),
         [shape(outcome(F)) || F <- [fun() -> id(port_command(P, "x")) end, fun() -> id(port_close(P)) end,
                 fun() -> id(port_connect(P, self())) end, fun() -> id(port_command(id(x), "x")) end,
                 fun() -> id(erlang:port_info(id(1))) end, fun() -> id(port_control(P, 1, "x")) end]] end},
     {bad_data, fun() ->
         P = open_port({spawn, "cat"}, []), R = shape(outcome(fun() -> id(port_command(P, id([a]))) end)),
         port_close(P), R end},
     {kinds, fun() ->
         P = open_port({spawn, "cat"}, []), R = {is_port(P), is_pid(P), lists:member(P, erlang:ports()),
             hd(erlang:port_to_list(P)), lists:member(P, processes())}, port_close(P),
         {R, lists:member(P, erlang:ports())} end},
     {info, fun() ->
         P = open_port({spawn, "cat"}, []), port_command(P, "123"), data(P, 3),
         I = [{K, V} || K <- [name, connected, input, output, links, registered_name, queue_size, monitors,
                 monitored_by], V <- [erlang:port_info(P, K)]], {os_pid, OsPid} = erlang:port_info(P, os_pid),
         port_close(P), {hide(I), is_integer(OsPid)} end},
     {info_keys, fun() -> P = open_port({spawn, "cat"}, []), R = [K || {K, _} <- erlang:port_info(P)], port_close(P), R end},
     {links, fun() ->
         P = open_port({spawn, "cat"}, []), {links, A} = process_info(self(), links), unlink(P),
         {links, B} = process_info(self(), links), port_close(P), {A =:= [P], B} end},
     {owner_dies, fun() ->
         S = self(), {Q, R} = spawn_monitor(fun() -> S ! {port, open_port({spawn, "cat"}, [])} end),
         receive {'DOWN', R, process, Q, _} -> ok end, P = receive {port, X} -> X end, receive after 100 -> ok end,
         erlang:port_info(P) end},
     {exit_port, fun() ->
         process_flag(trap_exit, true), P = open_port({spawn, "cat"}, []), exit(P, why),
         receive {'EXIT', P, R} -> {R, erlang:port_info(P)} after 20000 -> none end end},
     {monitor_port, fun() ->
         P = open_port({spawn, "cat"}, []), R = monitor(port, P), I = hide(process_info(self(), monitors)),
         port_close(P), {I, receive {'DOWN', R, T, P, X} -> {T, X} after 20000 -> none end} end},
     {monitor_dead_port, fun() ->
         P = open_port({spawn, "cat"}, []), port_close(P), R = monitor(port, P),
         receive {'DOWN', R, T, P, X} -> {T, X} after 20000 -> none end end},
     {register, fun() ->
         P = open_port({spawn, "cat"}, [binary]), register(a_cat, P), a_cat ! {self(), {command, "by name"}},
         R = data(P, 7), W = whereis(a_cat) =:= P, port_close(a_cat), {R, W, whereis(a_cat)} end},
     {connect, fun() ->
         S = self(), P = open_port({spawn, "cat"}, [binary]),
         Q = spawn(fun() -> receive {P, {data, D}} -> S ! {got, D} end end), port_connect(P, Q), unlink(P),
         port_command(P, "for q"), receive {got, D} -> D after 20000 -> none end end},
     {connect_message, fun() ->
         S = self(), P = open_port({spawn, "cat"}, [binary]),
         Q = spawn(fun() -> receive {P, {data, D}} -> S ! {got, D} end end), P ! {self(), {connect, Q}},
         receive {P, connected} -> ok end, unlink(P), port_command(P, "now"),
         receive {got, D} -> D after 20000 -> none end end},
     {not_owner, fun() ->
         P = open_port({spawn, "cat"}, [binary]),
         {Q, R} = spawn_monitor(fun() -> P ! {self(), {command, "x"}}, receive after 500 -> survived end end),
         X = receive {'DOWN', R, process, Q, Y} -> Y end, port_close(P), X end},
     {port_data, fun() ->
         P = open_port({spawn, "cat"}, []), A = erlang:port_get_data(P), erlang:port_set_data(P, {my, [data]}),
         B = erlang:port_get_data(P), port_close(P), {A, B} end},
     {os_cmd, fun() ->
         {os:cmd("echo hello"), os:cmd("printf 'a\\nb'"), os:cmd("exit 3"), os:cmd("cat", #{max_size => 10}),
             os:cmd("echo err >&2")} end},
     {os_cmd_many, fun() ->
         S = self(), [spawn(fun() -> S ! {I, os:cmd("echo " ++ integer_to_list(I))} end) || I <- lists:seq(1, 20)],
         lists:sort([receive X -> X end || _ <- lists:seq(1, 20)]) end},
     {os_find_executable, fun() -> {os:find_executable("sh") =/= false, os:find_executable("no_such_program_x")} end},
     {many_ports, fun() ->
         Ps = [open_port({spawn, "cat"}, [binary]) || _ <- lists:seq(1, 30)], [port_command(P, "x") || P <- Ps],
         R = [data(P, 1) || P <- Ps], [port_close(P) || P <- Ps], length(R) end}].

data(P, N) -> data(P, N, []).
data(_, N, Acc) when N =< 0 -> join(lists:reverse(Acc));
data(P, N, Acc) ->
    receive {P, {data, D}} -> data(P, N - iolist_size(D), [D | Acc])
        after 20000 -> {timeout, join(lists:reverse(Acc))} end.
join([B | _] = L) when is_binary(B) -> iolist_to_binary(L);
join(L) -> lists:append(L).

%% Everything until the exit status.
all(P) -> receive {P, {exit_status, S}} -> rest(P, [{exit_status, S}]); {P, X} -> [X | all(P)] after 20000 -> [timeout] end.
rest(P, Acc) -> receive {P, X} -> rest(P, Acc ++ [X]) after 20 -> Acc end.
text(L) -> {lists:append([D || {data, D} <- L]), [X || X <- L, element(1, X) =/= data]}.
closed(P) -> receive {P, closed} -> closed after 20000 -> none end.
shape({Class, Reason, [{M, F, _, _} | _]}) -> {Class, Reason, M, F};
shape(X) -> hide(X).
hide(P) when is_pid(P) -> pid;
hide(P) when is_port(P) -> port;
hide(R) when is_reference(R) -> ref;
hide([H | T]) -> [hide(H) | hide(T)];
hide(T) when is_tuple(T) -> list_to_tuple(hide(tuple_to_list(T)));
hide(X) -> X.

ram_calls() ->
    [{read, [3]}, {position, [{cur, 0}]}, {write, ["XY"]}, {position, [{eof, -2}]}, {read, [10]}, {read, [1]},
        {read, [0]}, {position, [20]}, {read, [1]}, {write, ["zz"]}, {position, [bof]},
     {read, [100]}, {position, [-1]}, {position, [{cur, -1}]}, {position, [a]}, {pread, [2, 3]},
     {pread, [[{0, 2}, {50, 1}, {21, 5}]]}, {pread, [50, 0]}, {pread, [50, 1]}, {pread, [-1, 1]},
     {pwrite, [3, "QQ"]}, {pwrite, [[{0, "a"}, {30, "b"}]]}, {position, [cur]}, {position, [5]}, {truncate, []},
     {position, [bof]}, {read, [100]}, {sync, []}, {datasync, []}, {advise, [0, 1, normal]},
     {advise, [0, 1, foo]}, {allocate, [0, 10]}, {write, [[a]]}, {write, [a]}, {pwrite, [1 bsl 40, "x"]},
     {read, [-1]}, {read, [a]}, {position, [{bof, 1 bsl 40}]}].
