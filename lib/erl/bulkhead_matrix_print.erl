%% What `bulkhead matrix` shows on a terminal: tables, TAP, JSON.
-module(bulkhead_matrix_print).
-export([help/0, list/1, error/2, progress/2, show/4]).
-export([caller/1, bystanders/1, data/1, vm/1, library/1, time/1, after_call/1, promise/1, mark/1, verdict/1, signal_name/1]).

%% Of the tables: what they need, and beyond what a wider terminal does not help.
-define(COLUMNS, 100).
-define(MAX_COLUMNS, 130).

help() ->
    io:put_chars(
        "Usage: bulkhead matrix [OPTIONS]\n\n"
        "Commits a gallery of native misdeeds in every isolation mode, each in a fresh VM with bystanders,\n"
        "and shows what was observed beside what the mode promises.\n\n"
        "Options:\n"
        "  --mode MODE    only this mode; may be repeated ('bulkhead info' lists them)\n"
        "  --only NAME    only this misdeed; may be repeated\n"
        "  --list         the misdeeds and their names\n"
        "  --json         everything that was observed, as JSON\n"
        "  --tap          the same, as TAP: for tests\n"
        "  --html FILE    also write a page that stands for itself\n"
        "  --jobs N       N at a time (default: two per core)\n"
        "  --help         this text\n\n"
        "Exit status: 0 every promise was kept, 1 a cell differs from its promise, 2 usage.\n").

list(Rows) ->
    io:put_chars([io_lib:format("~-18s ~ts~n", [Name, Title]) || #{name := Name, title := Title} <- Rows]).

error(Format, Args) ->
    io:format(standard_error, "bulkhead: " ++ Format ++ "~n", Args).

progress(N, N) -> io:put_chars(standard_error, ["\r", lists:duplicate(20, $\s), "\r"]); % no terminal is too dumb for that
progress(Done, Of) -> io:format(standard_error, "\r~b of ~b cells", [Done, Of]).

show(Format, Results, Modes, Terminal) ->
    ok = io:setopts([{encoding, unicode}]), % whatever the locale
    print(Format, Results, Modes, style(Terminal)).

%% {coloured or not, columns}; Terminal is as vm/emu/cli_matrix.c says.
style(Terminal) ->
    {Letters, Digits} = lists:splitwith(fun(C) -> C > $9 end, Terminal),
    Columns = case Digits of "" -> ?COLUMNS; _ -> min(max(?COLUMNS, list_to_integer(Digits)), ?MAX_COLUMNS) end,
    {lists:member($o, Letters), Columns}.

print(text, Results, Modes, {Colours, Columns}) -> text(Results, Modes, Colours, Columns);
print(tap, Results, _, _) -> tap(Results);
print(json, Results, Modes, _) -> io:put_chars([json(to_json(Results, Modes)), $\n]).

%% ---- words for what was seen ----

caller(#{caller := {exit, normal}}) -> "goes on";
caller(#{caller := {exit, Reason}}) -> reason(Reason);
caller(#{caller := {returned, {error, {Why, _}}}}) -> text("gets {error,{~p,...}}", [Why]);
caller(#{caller := {returned, reported}}) -> "goes on; crash reported";
caller(#{caller := {returned, unnoticed}}) -> "goes on; crash unnoticed";
caller(#{caller := {returned, none}}) -> "goes on";
caller(#{caller := {returned, Value}}) -> text("goes on: ~0p", [Value]);
caller(#{caller := hangs}) -> "never came back";
caller(_) -> "".

reason({nif_panic, Why, Trace}) when is_list(Trace) -> text("{nif_panic,~ts,...}", [panic(Why)]);
reason(Reason) -> text("~0p", [Reason]).

panic({cxx_exception, Class, _}) -> text("{cxx_exception,\"~ts\",...}", [Class]);
panic(Why) when is_binary(Why) ->
    [Last | _] = lists:reverse(string:split(Why, "/", all)), % without the directory
    text("\"~ts\"", [shorten(unicode:characters_to_list(Last), 60)]);
panic(Why) -> text("~0p", [Why]).

shorten(Text, Max) when length(Text) > Max -> lists:sublist(Text, Max - 1) ++ "…";
shorten(Text, _) -> Text.

bystanders(#{bystanders := {N, Of}}) -> text("~b/~b", [N, Of]);
bystanders(_) -> "".

data(#{data := []}) -> "intact";
data(#{data := Changed}) when is_list(Changed) -> ["changed: ", lists:join(", ", [changed(C) || C <- Changed])];
data(_) -> "".

changed({processes, N}) -> text("~b process~s", [N, [$e || N > 1] ++ [$s || N > 1]]);
changed(persistent_term) -> "shared term";
changed(What) -> atom_to_list(What).

vm(#{vm := alive}) -> "alive";
vm(#{vm := stuck}) -> "stuck";
vm(#{vm := hangs}) -> "hangs";
vm(#{vm := {signal, N}}) -> ["dead: ", signal_name(N)];
vm(#{vm := {exit, N}}) -> text("dead: exit ~b", [N]);
vm(_) -> "".

library(#{library := true}) -> "serves";
library(#{library := {after_lost, N}}) -> text("serves again, after ~b lost call~s", [N, [$s || N > 1]]);
library(#{library := {false, _}}) -> "does not serve";
library(_) -> "".

time(Ns) when not is_integer(Ns) -> "";
time(Ns) when Ns < 1000 -> text("~b ns", [Ns]);
time(Ns) when Ns < 1000000 -> scaled(Ns, 1000, "µs");
time(Ns) -> scaled(Ns, 1000000, "ms").

scaled(Ns, Unit, Name) when Ns < 10 * Unit -> text("~.1f ~s", [Ns / Unit, Name]);
scaled(Ns, Unit, Name) -> text("~b ~s", [(Ns + Unit div 2) div Unit, Name]).

%% How long until the caller's end was known.
after_call(#{caller := {_, _}, outcome_ns := Ns}) -> time(Ns);
after_call(_) -> "".

signal_name(N) ->
    case lists:keyfind(N, 1, [{4, "SIGILL"}, {5, "SIGTRAP"}, {6, "SIGABRT"}, {7, "SIGBUS"}, {8, "SIGFPE"},
                              {9, "SIGKILL"}, {11, "SIGSEGV"}, {31, "SIGSYS"}]) of
        {_, Name} -> Name;
        false -> text("signal ~b", [N])
    end.

promise({ends, Reasons}) -> lists:join(" or ", [pattern(R) || R <- Reasons]);
promise({returns, [{error, _}]}) -> "returns an error";
promise({returns, [reported]}) -> "nobody ends; it is reported";
promise({returns, [killed]}) -> "callers get {nif_signal,9}";
promise({returns, _}) -> "returns";
promise(contained) -> "contained";
promise({dies, {signal, N}}) -> ["the VM dies: ", signal_name(N)];
promise({dies, {exit, N}}) -> text("the VM dies: exit ~b", [N]);
promise(stuck) -> "a scheduler is lost";
promise(may_harm) -> "nothing";
promise(none) -> "";
promise(unknown) -> "MISSING in the gallery".

pattern({nif_panic, '_', _}) -> "{nif_panic,Text,...}";
pattern({nif_panic, {What, _}, _}) -> text("{nif_panic,{~p,_},...}", [What]);
pattern({nif_panic, {What, _, _}, _}) -> text("{nif_panic,{~p,...},...}", [What]);
pattern({nif_panic, Why, _}) -> text("{nif_panic,~p,...}", [Why]);
pattern({nif_limit, '_'}) -> "{nif_limit,What}";
pattern({nif_timeout, '_'}) -> "{nif_timeout,Ms}";
pattern(Reason) -> text("~0p", [Reason]).

mark(contained) -> "✓";
mark(harmless) -> "~";
mark(harmed) -> "!";
mark(differs) -> "✗";
mark(skipped) -> "-";
mark(none) -> " ".

verdict(contained) -> "contained, as promised";
verdict(harmless) -> "not promised, no harm seen";
verdict(harmed) -> "harms others, as this mode says";
verdict(differs) -> "DIFFERS from the promise";
verdict(skipped) -> "not built: no C++ compiler";
verdict(none) -> "does not apply".

text(Format, Args) -> lists:flatten(io_lib:format(Format, Args)).

%% ---- tables ----

text(Results, Modes, Colours, Columns) ->
    [table(Mode, Summary, [R || R = #{mode := M} <- Results, M =:= Mode], Colours, Columns) || {Mode, Summary, _} <- Modes],
    legend(Results, Modes, Colours).

table(Mode, Summary, Results, Colours, Columns) ->
    io:format("~n~ts: ~ts~n", [paint(bold, atom_to_list(Mode), Colours), Summary]),
    Good = lists:sort([Ns || #{seen := #{good_call_ns := Ns}} <- Results]),
    [io:format("a good call: ~ts (median of the VMs)~n", [time(lists:nth((length(Good) + 1) div 2, Good))]) || Good =/= []],
    Shown = [R || R = #{verdict := V} <- Results, V =/= none],
    lists:foldl(fun(Result, Group) -> line(Result, Group, Colours, Columns) end, none, Shown),
    ok.

line(#{row := #{group := Group, title := Title}, verdict := Verdict, seen := Seen, promise := Promise}, Before,
    Colours, Columns) ->
    [heading(Group, Colours, Columns) || Group =/= Before],
    Line = columns([[mark(Verdict), $\s, Title], caller(Seen), around(Seen), after_call(Seen), in_short(Promise)], Columns),
    io:format("~ts~n", [paint(colour(Verdict), Line, Colours)]),
    [io:format("    ~ts~n", [More]) || More <- more(Verdict, Seen, Promise)],
    Group.

heading(Group, Colours, Columns) ->
    {Group, Title} = lists:keyfind(Group, 1, bulkhead_matrix_gallery:groups()),
    io:format("~n~ts~n", [paint(bold, columns([Title, "its caller", "all others", "after", "promised"], Columns), Colours)]).

columns(Texts, Columns) ->
    Widths = [34, 33 + Columns - ?COLUMNS, 14, 8, 11],
    string:trim([pad(unicode:characters_to_list(T), W) || {T, W} <- lists:zip(Texts, Widths)], trailing).

%% How it went for everybody but the caller, in a word.
around(#{vm := alive, data := [], bystanders := {N, N}}) -> "all well";
around(#{vm := alive, data := [_ | _]}) -> "data changed";
around(#{vm := alive, bystanders := {N, Of}}) -> text("~b/~b count on", [N, Of]);
around(#{vm := {signal, N}}) -> ["VM: ", signal_name(N)];
around(#{vm := {exit, N}}) -> text("VM: exit ~b", [N]);
around(#{vm := How}) when How =/= alive -> ["VM ", vm(#{vm => How})];
around(_) -> "".

%% As promise/1, where the mark and the other columns say the rest.
in_short({ends, _}) -> "this end";
in_short({returns, [{error, _}]}) -> "an error";
in_short({returns, [reported]}) -> "a report";
in_short({returns, [killed]}) -> "signal 9";
in_short({dies, _}) -> "VM dies";
in_short(stuck) -> "stuck";
in_short(unknown) -> "MISSING";
in_short(Promise) -> promise(Promise).

%% What the columns do not show.
more(harmed, #{data := [_ | _]} = Seen, _) -> [data(Seen)];
more(differs, Seen, Promise) ->
    [text("~ts: promised is ~ts", [verdict(differs), promise(Promise)]) | but(Seen)];
more(_, _, _) -> [].

but(#{library := {false, Why}}) -> [text("the library does not serve: ~0p", [Why])];
but(#{library := {after_lost, N}}) -> [text("the library lost ~b calls before it served", [N])];
but(#{data := [_ | _]} = Seen) -> [data(Seen)];
but(_) -> [].

%% One column: always a space behind it, and a mark where it was cut.
pad(Text, Width) -> string:pad(shorten(Text, Width - 1), Width).

%% How many of each kind, by mode, and what the marks mean.
legend(Results, Modes, Colours) ->
    Kinds = [V || V <- [contained, harmless, harmed, skipped, differs], count(V, Results) > 0],
    Names = [atom_to_list(M) || {M, _, _} <- Modes],
    io:format("~n~ts~n", [paint(bold, string:trim([pad(Name, 13) || Name <- Names], trailing), Colours)]),
    [begin
         Numbers = [pad(text("~3b", [count(V, [R || R = #{mode := Mode} <- Results, Mode =:= M])]), 13) || {M, _, _} <- Modes],
         io:format("~ts~n", [paint(colour(V), text("~ts~ts ~ts", [Numbers, mark(V), verdict(V)]), Colours)])
     end || V <- Kinds],
    ok.

count(Verdict, Results) -> length([R || R = #{verdict := V} <- Results, V =:= Verdict]).

colour(contained) -> green;
colour(harmless) -> plain;
colour(harmed) -> yellow;
colour(differs) -> red;
colour(_) -> plain.

paint(_, Text, false) -> Text;
paint(plain, Text, true) -> Text;
paint(Colour, Text, true) ->
    ["\e[", maps:get(Colour, #{bold => "1", green => "32", yellow => "33", red => "1;31"}), $m, Text, "\e[0m"].

%% ---- TAP ----

tap(Results) ->
    io:format("1..~b~n", [length(Results)]),
    lists:foldl(fun(Result, N) -> tap(N, Result), N + 1 end, 1, Results),
    ok.

tap(N, #{mode := Mode, row := #{name := Name, title := Title}, verdict := Verdict, seen := Seen, promise := Promise}) ->
    Ok = case Verdict of differs -> "not ok"; _ -> "ok" end,
    Skip = case Verdict of none -> " # SKIP does not apply"; skipped -> " # SKIP no C++ compiler"; _ -> "" end,
    io:format("~s ~b - ~s: ~ts (~s)~s~n", [Ok, N, Mode, Title, Name, Skip]),
    [io:format("# promised: ~ts~n# ~0p~n~ts", [promise(Promise), maps:remove(said, Seen),
        [["#   ", Line, $\n] || Line <- binary:split(maps:get(said, Seen, <<>>), <<"\n">>, [global, trim_all])]])
     || Verdict =:= differs].

%% ---- JSON ----

to_json(Results, Modes) ->
    [{modes, {list, [[{name, M}, {summary, S}, {abilities, {list, Able}}] || {M, S, Able} <- Modes]}},
     {cells, {lines, [cell(R) || R <- Results]}}].

cell(#{mode := Mode, row := #{name := Name, group := Group, title := Title}, verdict := Verdict, seen := Seen,
    promise := Promise}) ->
    [{mode, Mode}, {misdeed, Name}, {group, Group}, {title, {text, Title}}, {verdict, Verdict},
     {promise, {text, promise(Promise)}}, {caller, optional(caller(Seen))},
     {bystanders, case Seen of #{bystanders := {N, Of}} -> [{counting, N}, {'of', Of}]; _ -> null end},
     {data, optional(data(Seen))}, {vm, optional(vm(Seen))}, {library, optional(library(Seen))},
     {outcome_ns, maps:get(outcome_ns, Seen, null)}, {good_call_ns, maps:get(good_call_ns, Seen, null)},
     {said, {text, maps:get(said, Seen, "")}}].

optional("") -> null;
optional(Text) -> {text, Text}.

json({list, Items}) -> [$[, lists:join(",", [json(I) || I <- Items]), $]];
json({lines, Items}) -> ["[\n", lists:join(",\n", [json(I) || I <- Items]), "\n]"];
json({text, Text}) -> string(characters(Text));
json(null) -> "null";
json(Atom) when is_atom(Atom) -> string(atom_to_list(Atom));
json(N) when is_integer(N) -> integer_to_list(N);
json(Binary) when is_binary(Binary) -> string(characters(Binary));
json(Pairs) when is_list(Pairs) -> [${, lists:join(",", [[string(atom_to_list(K)), $:, json(V)] || {K, V} <- Pairs]), $}].

characters(Text) ->
    case unicode:characters_to_list(Text) of
        List when is_list(List) -> List;
        _ -> binary_to_list(iolist_to_binary(Text)) % bytes of who knows what
    end.

string(Characters) -> [$", [escape(C) || C <- Characters], $"].

escape($") -> "\\\"";
escape($\\) -> "\\\\";
escape(C) when C < 32; C =:= 127 -> io_lib:format("\\u~4.16.0b", [C]);
escape(C) -> C.
