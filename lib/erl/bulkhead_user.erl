%% The I/O servers behind stdin, stdout and stderr: Erlang's I/O protocol over two natives,
%% bulkhead_io:write/2 and bulkhead_io:read/2. `user` is also the first group leader.
%%
%% Source: "The Erlang I/O Protocol", STDLIB user's guide.
-module(bulkhead_user).
-export([start/1]).

-record(state, {
    fd,                  % where characters go
    encoding = latin1,   % what a terminal without a shell has in OTP 25
    binary = false,      % how input is handed out
    buffer = [],         % characters read and not yet handed out
    eof = false,
    reader,              % process that reads fd 0, made at the first read
    waiting = queue:new()  % requests for input, oldest first
}).

%% Serves; the VM has registered the process as `user` or `standard_error`.
start(Fd) ->
    process_flag(trap_exit, true),
    %% application:get_env/2,3 and global:whereis_name/1 look here, before the servers whose tables these are to
    %% be have been started: see bulkhead_lazy.
    Fd =:= 1 andalso [ets:new(Name, [set, public, named_table, {read_concurrency, true}]) || Name <- [ac_tab, global_names]],
    loop(#state{fd = Fd}).

loop(State) ->
    receive
        {io_request, From, ReplyAs, Request} ->
            loop(request(Request, {From, ReplyAs}, State));
        {Reader, input, Data} when Reader =:= State#state.reader ->
            loop(serve_waiting(add_input(Data, State)));
        {'EXIT', Reader, _} when Reader =:= State#state.reader ->
            loop(serve_waiting(State#state{eof = true, reader = undefined}));
        _ ->
            loop(State)
    end.

%% Whatever a client sends, all others still want to read and write.
request(Request, Client, State) ->
    Answer = try output(Request, State) catch _:_ -> {{error, {request, Request}}, State} end,
    case Answer of
        {Reply, NewState} ->
            reply(Client, Reply),
            NewState;
        input when State#state.fd =:= 1 ->
            Waiting = queue:in({Client, Request}, State#state.waiting),
            catch prompt(Request, State),
            serve_waiting(State#state{waiting = Waiting});
        input ->
            reply(Client, {error, enotsup}),
            State
    end.

reply({From, ReplyAs}, Reply) ->
    From ! {io_reply, ReplyAs, Reply}.

%% ---- output and options: answered at once ----

output({put_chars, Encoding, Chars}, State) ->
    {put_chars(Encoding, Chars, State), State};
output({put_chars, Encoding, M, F, As}, State) ->
    try apply(M, F, As) of
        Chars -> {put_chars(Encoding, Chars, State), State}
    catch
        _:_ -> {{error, put_chars}, State}
    end;
output({put_chars, Chars}, State) ->
    output({put_chars, latin1, Chars}, State);
output({put_chars, M, F, As}, State) ->
    output({put_chars, latin1, M, F, As}, State);
output({requests, Requests}, State) ->
    requests(Requests, {ok, State});
output({setopts, Options}, State) ->
    setopts(Options, State);
output(getopts, State) ->
    {[{binary, State#state.binary}, {encoding, State#state.encoding}], State};
output({get_geometry, _}, State) ->
    {{error, enotsup}, State};
output({get_line, _}, _) -> input;
output({get_line, _, _}, _) -> input;
output({get_chars, _, _}, _) -> input;
output({get_chars, _, _, _}, _) -> input;
output({get_until, _, _, _, _}, _) -> input;
output({get_until, _, _, _, _, _}, _) -> input;
output({get_password, _}, State) -> {{error, enotsup}, State};
output(Request, State) -> {{error, {request, Request}}, State}.

%% Stops at the first error. Input inside a list of requests is not supported, as with OTP's user.
requests([Request | Rest], {ok, State}) ->
    case output(Request, State) of
        input -> {{error, enotsup}, State};
        Result -> requests(Rest, Result)
    end;
requests(_, Result) ->
    Result.

put_chars(Encoding, Chars, #state{fd = Fd, encoding = Out}) ->
    try unicode:characters_to_binary(Chars, Encoding, Out) of
        Bytes when is_binary(Bytes) -> write(Fd, Bytes);
        {_, Good, Rest} when Out =:= latin1 ->
            case escape(Rest, Encoding) of
                error -> {error, put_chars};
                Escaped -> write(Fd, [Good, Escaped])
            end;
        _ -> {error, put_chars}
    catch
        _:_ -> {error, put_chars}
    end.

%% Characters that latin1 does not have are shown as \x{HEX}.
escape(Chars, Encoding) ->
    case catch unicode:characters_to_list(Chars, Encoding) of
        List when is_list(List) ->
            [if C > 255 -> ["\\x{", integer_to_list(C, 16), $}]; true -> C end || C <- List];
        _ ->
            error
    end.

write(Fd, Data) ->
    case bulkhead_io:write(Fd, Data) of
        ok -> ok;
        {again, Rest} -> bulkhead_io:write_blocking(Fd, Rest);
        {error, _} = Error -> Error
    end.

setopts(Options, State) ->
    try lists:foldl(fun option/2, State, proplists:unfold(Options)) of
        NewState -> {ok, NewState}
    catch
        throw:enotsup -> {{error, enotsup}, State}
    end.

option({binary, B}, State) when is_boolean(B) -> State#state{binary = B};
option({list, B}, State) when is_boolean(B) -> State#state{binary = not B};
option({encoding, E}, State) when E =:= utf8; E =:= unicode -> State#state{encoding = unicode};
option({encoding, latin1}, State) -> State#state{encoding = latin1};
option({echo, _}, State) -> State;
option(_, _) -> throw(enotsup).

%% ---- input: requests wait in a queue until enough has been read ----

prompt(Request, State) ->
    Prompt = case Request of
        {get_line, P} -> P;
        {get_chars, P, _} -> P;
        {get_until, P, _, _, _} -> P;
        _ -> element(3, Request)
    end,
    case Prompt of
        '' -> ok;
        {format, F, As} -> put_chars(unicode, io_lib:format(F, As), State);
        _ when is_atom(Prompt) -> put_chars(unicode, atom_to_list(Prompt), State);
        _ -> put_chars(unicode, io_lib:format("~ts", [Prompt]), State)
    end.

serve_waiting(State) ->
    case queue:out(State#state.waiting) of
        {empty, _} ->
            State;
        {{value, {Client, Request}}, Rest} ->
            case input(Request, State) of
                {Reply, NewState} ->
                    reply(Client, Reply),
                    serve_waiting(NewState#state{waiting = Rest});
                {more, NewRequest, NewState} ->
                    read_more(NewState#state{waiting = queue:in_r({Client, NewRequest}, Rest)})
            end
    end.

read_more(#state{reader = undefined} = State) ->
    Server = self(),
    Reader = spawn_link(fun() -> reader(Server) end),
    read_more(State#state{reader = Reader});
read_more(#state{reader = Reader} = State) ->
    Reader ! read,
    State.

reader(Server) ->
    receive
        read ->
            Server ! {self(), input, bulkhead_io:read(0, 8192)},
            reader(Server)
    end.

add_input(Bytes, State) when is_binary(Bytes) ->
    %% A character cut in half by the read stays as bytes until the rest is there.
    Pending = case get(partial) of undefined -> <<>>; P -> P end,
    All = <<Pending/binary, Bytes/binary>>,
    In = case State#state.encoding of latin1 -> latin1; _ -> utf8 end,
    {Chars, Left} = case unicode:characters_to_list(All, In) of
        {incomplete, Good, Tail} -> {Good, Tail};
        {error, Good, Bad} -> {Good ++ binary_to_list(Bad), <<>>};
        Good -> {Good, <<>>}
    end,
    put(partial, Left),
    State#state{buffer = State#state.buffer ++ Chars};
add_input(_, State) ->
    State#state{eof = true}.

input({get_line, _}, State) -> get_line(State);
input({get_line, _, _}, State) -> get_line(State);
input({get_chars, _, N}, State) -> get_chars(N, State);
input({get_chars, _, _, N}, State) -> get_chars(N, State);
input({get_until, P, M, F, As}, State) -> get_until({get_until, unicode, P, M, F, As}, [], State);
input({get_until, _, _, _, _, _} = Request, State) -> get_until(Request, [], State);
input({continue_until, Request, Cont}, State) -> get_until(Request, Cont, State).

get_line(#state{buffer = Buffer, eof = Eof} = State) ->
    case lists:splitwith(fun(C) -> C =/= $\n end, Buffer) of
        {Line, [$\n | Rest]} -> {data(Line ++ "\n", State), State#state{buffer = Rest}};
        {[], []} when Eof -> {eof, State#state{eof = false}};
        {Line, []} when Eof -> {data(Line, State), State#state{buffer = []}};
        _ -> {more, {get_line, ''}, State}
    end.

get_chars(N, State) when not is_integer(N); N < 0 ->
    {{error, get_chars}, State};
get_chars(N, #state{buffer = Buffer, eof = Eof} = State) ->
    case length(Buffer) of
        Len when Len >= N ->
            {Chars, Rest} = lists:split(N, Buffer),
            {data(Chars, State), State#state{buffer = Rest}};
        0 when Eof -> {eof, State#state{eof = false}};
        _ when Eof -> {data(Buffer, State), State#state{buffer = []}};
        _ -> {more, {get_chars, '', N}, State}
    end.

get_until({get_until, _, _, M, F, As} = Request, Cont, #state{buffer = Buffer, eof = Eof} = State) ->
    if
        Buffer =:= [], not Eof ->
            {more, {continue_until, Request, Cont}, State};
        true ->
            Data = case Buffer of [] -> eof; _ -> Buffer end,
            try apply(M, F, [Cont, Data | As]) of
                {done, Result, Rest} when is_list(Rest) ->
                    {until_result(Result, State), State#state{buffer = Rest}};
                {done, Result, _} ->
                    {until_result(Result, State), State#state{buffer = [], eof = false}};
                {more, NewCont} when Data =/= eof ->
                    get_until(Request, NewCont, State#state{buffer = []});
                _ ->
                    {{error, F}, State#state{buffer = []}}
            catch
                _:_ -> {{error, F}, State#state{buffer = []}}
            end
    end.

until_result(Result, #state{binary = true} = State) when is_list(Result) -> data(Result, State);
until_result(Result, _) -> Result.

data(Chars, #state{binary = true}) -> unicode:characters_to_binary(Chars);
data(Chars, #state{binary = false}) -> Chars.
