%% Files in memory: file:open(Data, [ram | Modes]). OTP keeps one in a driver, here it is a process, which ends with its owner.
-module(ram_file).
-export([open/2, close/1, read/2, write/2, position/2, pread/2, pread/3, pwrite/2, pwrite/3, truncate/1, sync/1, datasync/1,
         copy/3, advise/4, allocate/3, ipread_s32bu_p32bu/3, get_file/1, get_size/1]).

-record(ram, {owner, data, at = 0, read = false, write = false, binary = false}).

-define(IS_32(N), is_integer(N), N >= -(1 bsl 31), N < 1 bsl 31).
-define(RAM(Pid), {file_descriptor, ?MODULE, Pid}). % the record of kernel's file.hrl

open(Data, Modes) when is_list(Modes) ->
    case {modes(Modes, #ram{}), bytes(Data)} of
        {#ram{} = Ram, Bytes} when is_binary(Bytes) ->
            Owner = self(),
            {ok, ?RAM(spawn(fun() -> serve(Ram#ram{data = Bytes, owner = monitor(process, Owner)}) end))};
        _ ->
            {error, badarg}
    end.

modes([], #ram{write = false} = Ram) -> Ram#ram{read = true};
modes([], Ram) -> Ram;
modes([read | Modes], Ram) -> modes(Modes, Ram#ram{read = true});
modes([write | Modes], Ram) -> modes(Modes, Ram#ram{write = true});
modes([binary | Modes], Ram) -> modes(Modes, Ram#ram{binary = true});
modes([ram | Modes], Ram) -> modes(Modes, Ram);
modes(_, _) -> badarg.

bytes(Data) ->
    try iolist_to_binary(Data) catch error:_ -> badarg end.

%% ---- what file.erl and others call ----

close(?RAM(Pid)) ->
    _ = call(Pid, close),
    ok.

read(?RAM(Pid), N) when ?IS_32(N), N >= 0 -> call(Pid, {read, N});
read(?RAM(_), N) -> out_of_range(N).

write(?RAM(Pid), Data) ->
    case bytes(Data) of
        badarg -> {error, badarg};
        Bytes -> call(Pid, {write, Bytes})
    end.

position(?RAM(Pid), Position) ->
    case from(Position) of
        {_, Offset} = From when ?IS_32(Offset) -> call(Pid, {position, From});
        {_, _} -> {error, einval};
        badarg -> {error, badarg}
    end.

from(bof) -> {bof, 0};
from(cur) -> {cur, 0};
from(eof) -> {eof, 0};
from({Base, Offset}) when Base =:= bof; Base =:= cur; Base =:= eof ->
    case is_integer(Offset) of true -> {Base, Offset}; false -> badarg end;
from(Offset) when is_integer(Offset) -> {bof, Offset};
from(_) -> badarg.

pread(File, List) when is_list(List) -> preads(File, List, []).

preads(_, [], Read) ->
    {ok, lists:reverse(Read)};
preads(File, [{At, N} | More], Read) ->
    case pread(File, At, N) of
        {ok, Data} -> preads(File, More, [Data | Read]);
        eof -> preads(File, More, [eof | Read]);
        Error -> Error
    end;
preads(_, _, _) ->
    {error, badarg}.

pread(?RAM(Pid), At, N) when ?IS_32(At), ?IS_32(N), N >= 0 -> call(Pid, {pread, At, N});
pread(?RAM(_), At, N) when is_integer(At), is_integer(N), N >= 0 -> {error, einval};
pread(_, _, _) -> {error, badarg}.

pwrite(File, List) when is_list(List) -> pwrites(File, List, 0).

pwrites(_, [], _) ->
    ok;
pwrites(File, [{At, Data} | More], Done) ->
    case pwrite(File, At, Data) of
        ok -> pwrites(File, More, Done + 1);
        {error, Reason} -> {error, {Done, Reason}}
    end;
pwrites(_, _, _) ->
    {error, badarg}.

pwrite(?RAM(Pid), At, Data) when ?IS_32(At) ->
    case bytes(Data) of
        badarg -> {error, badarg};
        Bytes -> call(Pid, {pwrite, At, Bytes})
    end;
pwrite(?RAM(_), At, _) -> out_of_range(At).

out_of_range(N) when is_integer(N), N >= 0 -> {error, einval};
out_of_range(_) -> {error, badarg}.

truncate(?RAM(Pid)) -> call(Pid, truncate).
sync(?RAM(Pid)) -> call(Pid, sync).
datasync(?RAM(Pid)) -> call(Pid, sync).

copy(?RAM(_) = Source, ?RAM(_) = Dest, Length) when is_integer(Length), Length >= 0; is_atom(Length) ->
    file:copy_opened(Source, Dest, Length).

advise(?RAM(Pid), _Offset, _Length, Advise) ->
    case lists:member(Advise, [normal, random, sequential, will_need, dont_need, no_reuse]) of
        true -> call(Pid, sync);
        false -> {error, einval}
    end.

allocate(?RAM(Pid), _Offset, _Length) -> call(Pid, sync).

%% A header at At, <<Size:32, Pointer:32>>, and what it points to.
ipread_s32bu_p32bu(File, At, Max) ->
    case pread(File, At, 8) of
        {ok, Header} ->
            case bytes(Header) of
                <<0:32, _:32>> -> eof;
                <<Size:32, Pointer:32>> when Size =< Max ->
                    case pread(File, Pointer, Size) of
                        {ok, Data} -> {ok, {Size, Pointer, Data}};
                        eof -> {ok, {Size, Pointer, eof}};
                        Error -> Error
                    end;
                _ -> eof
            end;
        Other ->
            Other
    end.

get_file(?RAM(Pid)) -> call(Pid, get_file).
get_size(?RAM(Pid)) -> call(Pid, get_size).

%% ---- the file ----

call(Pid, Request) ->
    Ref = monitor(process, Pid),
    Pid ! {self(), Ref, Request},
    receive
        {Ref, Answer} ->
            demonitor(Ref, [flush]),
            Answer;
        {'DOWN', Ref, process, Pid, _} ->
            {error, einval}
    end.

serve(#ram{owner = Owner} = Ram) ->
    receive
        {From, Ref, close} ->
            From ! {Ref, ok};
        {From, Ref, Request} ->
            {Answer, Next} = do(Request, Ram),
            From ! {Ref, Answer},
            serve(Next);
        {'DOWN', Owner, process, _, _} ->
            ok
    end.

do({read, _}, #ram{read = false} = Ram) -> {{error, ebadf}, Ram};
do({read, N}, #ram{at = At} = Ram) ->
    {Answer, Size} = part(Ram, At, N),
    {Answer, Ram#ram{at = At + Size}};
do({pread, At, _}, Ram) when At < 0 -> {{error, einval}, Ram};
do({pread, _, _}, #ram{read = false} = Ram) -> {{error, ebadf}, Ram};
do({pread, At, N}, Ram) -> {element(1, part(Ram, At, N)), Ram};
do({pwrite, At, _}, Ram) when At < 0 -> {{error, einval}, Ram};
do({Write, _}, #ram{write = false} = Ram) when Write =:= write -> {{error, ebadf}, Ram};
do({pwrite, _, _}, #ram{write = false} = Ram) -> {{error, ebadf}, Ram};
do({write, Bytes}, #ram{at = At} = Ram) ->
    {ok, (put_at(Ram, At, Bytes))#ram{at = At + byte_size(Bytes)}};
do({pwrite, At, Bytes}, Ram) -> {ok, put_at(Ram, At, Bytes)};
do({position, {Base, Offset}}, #ram{at = At, data = Data} = Ram) ->
    case Offset + case Base of bof -> 0; cur -> At; eof -> byte_size(Data) end of
        To when To >= 0 -> {{ok, To}, Ram#ram{at = To}};
        _ -> {{error, einval}, Ram}
    end;
do(truncate, #ram{write = false} = Ram) -> {{error, eacces}, Ram};
do(truncate, #ram{at = At} = Ram) ->
    #ram{data = Data} = Longer = put_at(Ram, At, <<>>),
    {ok, Longer#ram{data = binary:part(Data, 0, At)}};
do(sync, Ram) -> {ok, Ram};
do(get_file, #ram{data = Data} = Ram) -> {{ok, out(Data, Ram)}, Ram};
do(get_size, #ram{data = Data} = Ram) -> {{ok, byte_size(Data)}, Ram}.

%% {What a read there answers, its size}
part(#ram{data = Data} = Ram, At, N) ->
    case min(N, byte_size(Data) - At) of
        Size when Size > 0 -> {{ok, out(binary:part(Data, At, Size), Ram)}, Size};
        _ when N > 0 -> {eof, 0};
        _ -> {{ok, out(<<>>, Ram)}, 0}
    end.

out(Bytes, #ram{binary = true}) -> Bytes;
out(Bytes, _) -> binary_to_list(Bytes).

%% A gap before it becomes zeros.
put_at(#ram{data = Data} = Ram, At, Bytes) when At >= byte_size(Data) ->
    Gap = At - byte_size(Data),
    Ram#ram{data = <<Data/binary, 0:Gap/unit:8, Bytes/binary>>};
put_at(#ram{data = Data} = Ram, At, Bytes) ->
    <<Before:At/binary, After/binary>> = Data,
    Rest = binary:part(After, min(byte_size(Bytes), byte_size(After)), max(0, byte_size(After) - byte_size(Bytes))),
    Ram#ram{data = <<Before/binary, Bytes/binary, Rest/binary>>}.
