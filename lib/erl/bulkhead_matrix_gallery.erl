%% The gallery of `bulkhead matrix`: each misdeed once, and what every mode promises about it. This is
%% the only place where promises stand; `make check` fails when one is not kept.
%%
%% A promise:
%%   {ends, Reasons}    the caller ends with one of these exit reasons ('_' is anything)
%%   {returns, Values}  the call returns one of these values
%%   contained          the caller ends or the call returns: which is not said
%%                      -- with these three nobody else notices: every bystander goes on, the data of
%%                      others is intact, the VM is alive and the library serves the next caller (with
%%                      `contained`: one of the next, once its worker is known to be spoilt)
%%   {dies, How}        the VM ends: {signal, N} or {exit, Status}
%%   stuck              the call never comes back, and no scheduler can be had from it
%%   may_harm           nothing: data of others may change, the VM may end
%%   none               does not apply
%%
%% promise/2 takes the one under the mode's own name, else that of its kind: `remote` (another OS
%% process), `isolated` (survives a crash). A mode without any is reported as differing.
-module(bulkhead_matrix_gallery).
-export([rows/0, row/1, promise/2, groups/0]).
-export_type([row/0, promise/0]).

-type promise() :: {ends, [term()]} | {returns, [term()]} | contained | {dies, {signal | exit, integer()}}
                 | stuck | may_harm | none.
-type how() :: commit                     % bulkhead_matrix_nif:commit(Name, none)
             | {commit, atom()}           % with that argument of bulkhead_matrix_cell
             | atom().                    % a function of bulkhead_matrix_cell
-type row() :: #{name := atom(), group := atom(), title := string(), how := how(), timeout := pos_integer(),
                 options := string(), promises := #{atom() => promise()}}.

-define(SIGNAL(N), {ends, [{nif_signal, N}]}).
-define(REPORTED, {dies, {signal, 6}}). % abort(), after the VM has written what happened
-define(PANIC(Why), {ends, [{nif_panic, Why, '_'}]}).
-define(TIMEOUT, {ends, [{nif_timeout, '_'}]}).

%% {Name, Title, How, Promises}; group by group.
table() ->
    [{signals, "Signals",
      [{segv, "write to NULL", commit, #{isolated => ?SIGNAL(11), direct => ?REPORTED}},
       {wild_jump, "jump to nowhere", commit, #{isolated => ?SIGNAL(11), direct => ?REPORTED}},
       {lost_stack, "lose the stack pointer", commit,
        #{isolated => {ends, [{nif_signal, 11}, {nif_signal, 7}]}, direct => may_harm}},
       {bus, "read past the end of a file", commit, #{isolated => ?SIGNAL(7), direct => ?REPORTED}},
       {fpe, "divide by zero", commit, #{isolated => ?SIGNAL(8), direct => ?REPORTED}},
       {ill, "illegal instruction", commit, #{isolated => ?SIGNAL(4), direct => ?REPORTED}},
       {trap, "breakpoint", commit, #{isolated => ?SIGNAL(5), direct => ?REPORTED}},
       {abrt, "abort()", commit, #{isolated => ?SIGNAL(6), direct => ?REPORTED}},
       {sys, "bad system call", commit, #{isolated => ?SIGNAL(31), direct => ?REPORTED}}]},

     {panics, "Stack and panics",
      [{stack_overflow, "overflow its stack", commit,
        #{isolated => ?PANIC(stack_overflow), direct => ?REPORTED}},
       {panic, "nif_panic()", commit, #{isolated => ?PANIC('_'), direct => ?REPORTED}},
       {failed_assert, "failed assert()", commit, #{isolated => ?PANIC('_'), direct => ?REPORTED}},
       {cxx_exception, "uncaught C++ exception", cxx_exception,
        #{isolated => ?PANIC({cxx_exception, '_', '_'}), direct => ?REPORTED}},
       {missing_api, "needs an API that is not there", missing_api,
        #{isolated => {returns, [{error, {load_failed, '_'}}]}, direct => {returns, [{error, {load_failed, '_'}}]}}},
       {bad_term, "return a word that is no term", commit,
        #{isolated => ?PANIC({bad_term, '_'}), direct => may_harm}}]},

     {endless, "Without end",
      [{loop, "loop in C", commit, #{isolated => ?TIMEOUT, direct => stuck}},
       {loop_in_libc, "loop inside libc", commit, #{isolated => ?TIMEOUT, direct => stuck}},
       {sleep_forever, "sleep for ever", commit, #{isolated => ?TIMEOUT, direct => stuck}},
       {deadlock, "take its own lock twice", commit, #{isolated => ?TIMEOUT, direct => stuck}},
       {eat_malloc, "malloc() without end", commit,
        #{isolated => {ends, [{nif_signal, 11}, {nif_limit, '_'}]}, direct => ?REPORTED}},
       {eat_terms, "build terms without end", commit,
        #{isolated => {ends, [{nif_limit, '_'}]}, direct => may_harm}}]},

     {memory, "Memory of others",
      [{write_binary, "write to a binary of others", {commit, shared_binary},
        #{in_process => may_harm, direct => may_harm, ipc => contained, hybrid => ?SIGNAL(11),
          shared_heap => may_harm}},
       {write_term, "write to a term of the VM", {commit, shared_term},
        #{in_process => may_harm, direct => may_harm, ipc => contained, hybrid => ?SIGNAL(11),
          shared_heap => may_harm}},
       {write_own_term, "write to the caller's own term", {commit, own_term},
        #{isolated => contained, direct => may_harm, hybrid => ?SIGNAL(11)}},
       {write_verified, "the same, with verify => true", verified,
        #{isolated => none, direct => none, shared_heap => ?PANIC(heap_corrupted)}},
       {write_stale, "write through a stale term", stale,
        #{in_process => may_harm, direct => may_harm, ipc => contained, hybrid => ?SIGNAL(11),
          shared_heap => may_harm}},
       {write_past, "write past its own binary", commit,
        #{in_process => may_harm, direct => may_harm, ipc => contained, hybrid => contained,
          shared_heap => may_harm}},
       {write_vm, "write over the VM's variables", {commit, vm_memory},
        #{in_process => may_harm, direct => may_harm, remote => contained}},
       {unprotect_vm, "make it writable, then write", {commit, shared_binary},
        #{in_process => may_harm, direct => may_harm, ipc => contained, hybrid => ?SIGNAL(11),
          shared_heap => may_harm}},
       {poke_vm, "write as a debugger does", {commit, vm_process_and_memory},
        #{isolated => may_harm, direct => may_harm}},
       {free_vm, "free() memory of the VM", {commit, shared_binary},
        #{in_process => ?SIGNAL(6), direct => may_harm, remote => contained}},
       {unmap_vm, "unmap memory of the VM", {commit, shared_binary},
        #{in_process => may_harm, direct => may_harm, remote => contained}}]},

     {process, "The OS process",
      [{exit, "exit(3)", commit, #{isolated => {ends, [{nif_exit, 3}]}, direct => {dies, {exit, 3}}}},
       {'_exit', "_exit(4)", commit, #{isolated => {ends, [{nif_exit, 4}]}, direct => {dies, {exit, 4}}}},
       {raw_exit, "exit by raw system call", commit,
        #{in_process => {dies, {exit, 5}}, direct => {dies, {exit, 5}}, remote => {ends, [{nif_exit, 5}]}}},
       {raw_kill, "kill itself by raw system call", commit,
        #{in_process => {dies, {signal, 9}}, direct => {dies, {signal, 9}}, remote => ?SIGNAL(9)}},
       {kill_vm, "kill the VM by its number", {commit, vm_process},
        #{isolated => {dies, {signal, 9}}, direct => {dies, {signal, 9}}}},
       {exit_in_thread, "exit() in a second thread", commit, #{isolated => contained, direct => may_harm}},
       {thread_exit, "pthread_exit()", commit, #{isolated => ?PANIC(thread_exit), direct => may_harm}},
       {exec, "become another program", commit,
        #{isolated => {ends, [{nif_policy, exec}]}, direct => {dies, {exit, 0}}}},
       {fork, "fork, and both return", commit, #{isolated => {returns, [parent]}, direct => may_harm}},
       {close_all, "close every descriptor", commit,
        #{in_process => may_harm, direct => may_harm, remote => contained}},
       {block_signals, "block all signals, crash", commit,
        #{isolated => ?SIGNAL(11), direct => {dies, {signal, 11}}}},
       {handle_signals, "handle all signals, crash", commit,
        #{isolated => ?SIGNAL(11), direct => {dies, {exit, 111}}}},
       {raw_handler, "undo the VM's handler, crash", commit,
        #{in_process => {dies, {signal, 11}}, direct => {dies, {signal, 11}}, remote => ?SIGNAL(11)}}]},

     {places, "Crash in an awkward place",
      [{in_thread, "in a second thread", commit, #{isolated => {returns, [none]}, direct => may_harm}},
       {load, "in load()", load,
        #{isolated => {returns, [{error, {load, '_'}}]}, direct => ?REPORTED}},
       {upgrade, "in upgrade()", upgrade,
        #{isolated => {returns, [{error, {upgrade, '_'}}]}, direct => ?REPORTED}},
       {unload, "in unload()", unload, #{isolated => {returns, [reported]}, direct => ?REPORTED}},
       {destructor, "in a destructor", destructor,
        #{isolated => {returns, [reported]}, direct => ?REPORTED}},
       {down, "in a down callback", down,
        #{isolated => {returns, [reported]}, direct => ?REPORTED}},
       {with_lock, "while it holds an enif lock", commit,
        #{isolated => ?SIGNAL(11), direct => ?REPORTED}},
       {in_malloc, "inside malloc()", commit, #{isolated => ?SIGNAL(11), direct => ?REPORTED}},
       {in_printf, "inside printf()", commit, #{isolated => ?SIGNAL(11), direct => ?REPORTED}},
       {in_qsort, "in a callback of libc", commit,
        #{isolated => ?SIGNAL(11), direct => ?REPORTED}}]},

     {hostile, "Hostile workers",
      [{forge_ring, "overwrite shared channels", forge_ring,
        #{in_process => none, direct => none, remote => contained}},
       {forge_race, "rewrite them while being read", forge_race,
        #{in_process => none, direct => none, remote => contained}},
       {forge_socket, "write noise to every descriptor", forge_socket,
        #{in_process => none, direct => none, remote => contained}},
       {killed, "killed from outside, at random", killed,
        #{in_process => none, direct => none, remote => {returns, [killed]}}}]}].

%% Milliseconds a call may take in this cell. Long where a busy machine must not end the call first.
timeout(endless, Name) when Name =/= eat_malloc, Name =/= eat_terms -> 150;
timeout(_, killed) -> 5000;
timeout(hostile, _) -> 300;
timeout(memory, _) -> 1000;
timeout(_, close_all) -> 1000;
timeout(_, _) -> 5000.

%% What is added to the mode for this cell.
options(write_verified) -> ",verify=true";
options(_) -> "".

-spec groups() -> [{atom(), string()}].
groups() ->
    [{Group, Title} || {Group, Title, _} <- table()].

-spec rows() -> [row()].
rows() ->
    [#{name => Name, group => Group, title => Title, how => How, promises => Promises,
       timeout => timeout(Group, Name), options => options(Name)}
     || {Group, _, Rows} <- table(), {Name, Title, How, Promises} <- Rows].

-spec row(atom()) -> row() | undefined.
row(Name) ->
    case [Row || Row = #{name := N} <- rows(), N =:= Name] of
        [Row] -> Row;
        [] -> undefined
    end.

%% Mode: its name and what it can do, as isolation:modes/0 tells.
-spec promise(row(), {atom(), [atom()]}) -> promise() | unknown.
promise(#{promises := Promises}, {Mode, Abilities}) ->
    Kinds = [Mode]
        ++ [remote || not lists:member(local, Abilities)]
        ++ [isolated || lists:member(survives_crash, Abilities)],
    case [maps:get(Kind, Promises) || Kind <- Kinds, maps:is_key(Kind, Promises)] of
        [Promise | _] -> Promise;
        [] -> unknown
    end.
