%% Runs cases and writes what came of them: the half of the fuzzer that runs on both VMs.
%%
%%   {call, Module, Function, Args}       Args after terms that no file can hold were put in, see live/1
%%   {errors, Module, Function, Args}     likewise; what it returns is not compared
%%   {module, Name, Code, [{F, Args}]}    the module is loaded, and gone afterwards
%%   {ets, Options, Operations}           see diff_ets
%%
%% The file of results has for each case in turn its length in 4 bytes and the text, written at once: after a crash of the VM
%% the number of texts is the number of the case that did it.
-module(diff_run).
-export([main/0, outcome/1, live/1]).

-define(HEAP_WORDS, 4000000). % more is not compared

main() ->
    [In, Out] = [os:getenv(Name) || Name <- ["DIFF_CASES", "DIFF_RESULTS"]],
    {ok, Bytes} = file:read_file(In),
    {ok, File} = file:open(Out, [write, raw, binary]),
    lists:foreach(fun(Case) ->
                          Text = run(Case),
                          ok = file:write(File, [<<(byte_size(Text)):32>>, Text])
                  end, binary_to_term(Bytes)),
    file:close(File),
    halt().

%% <<"resources">>: it takes too much time or memory to be compared.
run(Case) ->
    Self = self(),
    Tag = make_ref(),
    {Pid, Monitor} = spawn_opt(fun() -> Self ! {Tag, text(outcome(fun() -> perform(Case) end))} end,
                               [monitor, {max_heap_size, #{size => ?HEAP_WORDS, kill => true, error_logger => false}}]),
    Text = receive
               {Tag, Printed} -> receive {'DOWN', Monitor, _, _, _} -> Printed end;
               {'DOWN', Monitor, _, _, killed} -> <<"resources">>;
               {'DOWN', Monitor, _, _, Reason} -> text({died, Reason})
           after 5000 * patience() ->
               exit(Pid, kill),
               receive {'DOWN', Monitor, _, _, _} -> <<"resources">> end
           end,
    after_case(Case),
    Text.

patience() -> list_to_integer(os:getenv("PATIENCE", "1")).

perform({call, Module, Function, Args}) -> apply(Module, Function, [live(Arg) || Arg <- Args]);
perform({errors, Module, Function, Args}) ->
    apply(Module, Function, [live(Arg) || Arg <- Args]),
    returned;
perform({ets, Options, Operations}) -> diff_ets:perform(Options, Operations);
perform({module, Module, Code, Calls}) ->
    {module, Module} = code:load_binary(Module, atom_to_list(Module) ++ ".erl", Code),
    [outcome_of_call(Module, F, Args) || {F, Args} <- Calls].

%% Each in a process of its own: what one leaves in its mailbox or dictionary is not the next one's.
outcome_of_call(Module, F, Args) ->
    Self = self(),
    Tag = make_ref(),
    {_, Monitor} = spawn_opt(fun() -> Self ! {Tag, outcome(fun() -> apply(Module, F, [live(A) || A <- Args]) end)} end,
                             [monitor, {max_heap_size, #{size => ?HEAP_WORDS div 4, kill => true, error_logger => false}}]),
    receive
        {Tag, Outcome} -> erlang:demonitor(Monitor, [flush]), {F, Outcome};
        {'DOWN', Monitor, _, _, Reason} -> {F, {died, Reason}}
    after 2000 * patience() ->
        exit(killed)
    end.

after_case({module, Module, _, _}) ->
    code:purge(Module),
    code:delete(Module),
    code:purge(Module);
after_case(_) ->
    ok.

outcome(Fun) ->
    try Fun() of
        Value -> {ok, Value}
    catch
        Class:Reason:Stack -> {Class, Reason, ours(Stack)}
    end.

%% Up to where this module begins: what called it is not the case's.
ours(Stack) -> lists:takewhile(fun(Frame) -> element(1, Frame) =/= ?MODULE end, Stack).

%% Printed here, since what a file could hold of a fun or a reference is less than what printing shows.
text({Class, Reason0, Stack0}) when Class =:= error; Class =:= exit; Class =:= throw ->
    {Reason, Stack} = mask({Reason0, Stack0}),
    bounded([io_lib:format("~ts ~0tp~n~0tp~n", [Class, Reason, Stack]),
             try erl_error:format_exception(Class, Reason, Stack) catch C:R ->
                 io_lib:format("format_exception: ~0tp", [{C, R}]) end]);
text(Outcome) ->
    bounded(io_lib:format("~0tp", [mask(Outcome)])).

bounded(Text) ->
    case unicode:characters_to_binary(Text) of
        Binary when is_binary(Binary) -> short(numberless(Binary, <<>>));
        Failed -> list_to_binary(io_lib:format("~w", [Failed]))
    end.

short(Text) when byte_size(Text) < 50000 -> Text;
short(Text) -> <<(binary:part(Text, 0, 50000))/binary, (integer_to_binary(erlang:phash2(Text)))/binary>>.

%% A pid or reference may have become text before mask/1 could see it.
numberless(<<"<0.", C, Rest/binary>>, Text) when C >= $0, C =< $9 -> numberless(digits(Rest), <<Text/binary, "<0.">>);
numberless(<<"#Ref<", Rest/binary>>, Text) -> numberless(digits(Rest), <<Text/binary, "#Ref<">>);
numberless(<<"#Port<", Rest/binary>>, Text) -> numberless(digits(Rest), <<Text/binary, "#Port<">>);
numberless(<<C, Rest/binary>>, Text) -> numberless(Rest, <<Text/binary, C>>);
numberless(<<>>, Text) -> Text.

digits(<<C, Rest/binary>>) when C >= $0, C =< $9; C =:= $. -> digits(Rest);
digits(Rest) -> Rest.

%% Numbers of pids, references and ports differ from run to run: each becomes the same one of its type. So does the number
%% of a fun of erl_eval or of the shell, which is that of its module's version.
mask(T) when is_pid(T) -> list_to_pid("<0.0.0>");
mask(T) when is_reference(T) -> list_to_ref("#Ref<0.0.0.0>");
mask(T) when is_port(T) -> list_to_port("#Port<0.0>");
mask([H | T]) -> [mask(H) | mask(T)];
%% binary:compile_pattern/1: what is in it is the VM's affair.
mask({Pattern, _}) when Pattern =:= bm; Pattern =:= ac -> {Pattern, compiled};
mask(T) when is_tuple(T) -> list_to_tuple(mask(tuple_to_list(T)));
mask(T) when is_map(T), map_size(T) =< 32 -> maps:from_list(mask(maps:to_list(T)));
%% The order of a large map's keys is nobody's promise; this one's is.
%% 1 before 1.0
mask(T) when is_map(T) ->
    {large_map, [KV || {_, KV} <- lists:sort([{#{K => 0}, KV} || {K, _} = KV <- mask(maps:to_list(T))])]};
mask(T) -> T.

%% What stands for a term that no file can hold, or that differs between VMs.
live('$self') -> self();
live('$ref') -> make_ref();
live({'$fun', Arity, Kind}) -> function(Arity, Kind);
live({'$call', M, F, Args}) -> apply(M, F, live(Args));
live([H | T]) -> [live(H) | live(T)];
live(T) when is_tuple(T) -> list_to_tuple(live(tuple_to_list(T)));
live(T) when is_map(T) -> maps:from_list(live(maps:to_list(T)));
live(T) -> T.

%% Fifteen characters of functions, by number.
function(0, K) -> fun() -> result(K, []) end;
function(1, K) -> fun(A) -> result(K, [A]) end;
function(2, K) -> fun(A, B) -> result(K, [A, B]) end;
function(3, K) -> fun(A, B, C) -> result(K, [A, B, C]) end;
function(4, K) -> fun(A, B, C, D) -> result(K, [A, B, C, D]) end;
function(_, _) -> fun erlang:node/0.

result(0, _) -> true;
result(1, _) -> false;
result(2, Args) -> Args < [5];
result(3, Args) -> erlang:phash2(Args) rem 2 =:= 0;
result(4, [A | _]) -> A;
result(5, [_, B | _]) -> B;
result(6, Args) -> list_to_tuple(Args);
result(7, Args) -> Args;
result(8, [A, B | _]) -> A =< B;
result(9, Args) -> error({made, Args});
result(10, _) -> throw(thrown);
result(11, [A | _]) -> {true, A};
result(12, [A, B | _]) when is_number(A), is_number(B) -> A + B;
result(12, [A | _]) when is_integer(A) -> A + 1;
result(13, [A | _]) -> [A, A];
result(14, [A, B | _]) -> {A, B};
result(15, Args) -> erlang:phash2(Args, 100);
result(_, _) -> false.
