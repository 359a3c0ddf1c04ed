%% The results of `bulkhead matrix` as one HTML page that needs nothing else: no network, no script.
%% Meaning never hangs on colour alone: every cell has a mark and words; it prints, and knows dark screens.
-module(bulkhead_matrix_page).
-export([html/2]).

-import(bulkhead_matrix_print, [caller/1, bystanders/1, data/1, vm/1, library/1, time/1, after_call/1, promise/1, mark/1]).

-define(KINDS, [contained, harmless, harmed, differs]).

-spec html([bulkhead_matrix:result()], [{atom(), binary(), [atom()]}]) -> binary().
html(Results, Modes) ->
    unicode:characters_to_binary(
        ["<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<title>The isolation matrix</title>\n<style>\n", style(), "</style>\n</head>\n<body>\n<main>\n",
         head(Results, Modes), modes(Results, Modes), legend(Results), matrix(Results, Modes), method(Results),
         "</main>\n</body>\n</html>\n"]).

%% ---- above the table ----

head(Results, Modes) ->
    Cells = [R || R = #{verdict := V} <- Results, lists:member(V, ?KINDS)],
    Rows = length(lists:usort([Name || #{row := #{name := Name}} <- Cells])),
    ["<header>\n<h1>The isolation matrix</h1>\n<p class=\"lead\">",
     text("~b native misdeeds, ~b isolation mode~s, ~b experiments. Each was committed by a NIF in a virtual machine of its "
          "own, while ~b other processes counted and watched over their data. Below is what was <em>observed</em>; "
          "open a cell to see it beside what the mode promises.",
          [Rows, length(Modes), [$s || length(Modes) =/= 1], length(Cells), bystanders_of(Cells)]),
     "</p>\n", conclusion(count(differs, Cells)), "</header>\n"].

conclusion(0) -> "<p class=\"verdict contained\"><b>✓ Every promise was kept.</b></p>\n";
conclusion(N) -> text("<p class=\"verdict differs\"><b>✗ ~b experiment~s differ~s from the promise.</b></p>\n",
                      [N, [$s || N > 1], [$s || N =:= 1]]).

bystanders_of([#{seen := #{bystanders := {_, Of}}} | _]) -> Of;
bystanders_of([_ | Rest]) -> bystanders_of(Rest);
bystanders_of([]) -> 0.

modes(Results, Modes) ->
    ["<section class=\"modes\">\n",
     [mode(Mode, Summary, [R || R = #{mode := M} <- Results, M =:= Mode]) || {Mode, Summary, _} <- Modes],
     "</section>\n"].

mode(Mode, Summary, Results) ->
    Counts = [{Kind, count(Kind, Results)} || Kind <- ?KINDS],
    Good = lists:sort([Ns || #{seen := #{good_call_ns := Ns}} <- Results]),
    ["<div class=\"mode\">\n<h2><code>", escape(atom_to_list(Mode)), "</code></h2>\n<p>", escape(Summary), "</p>\n",
     "<div class=\"bar\" role=\"img\" aria-label=\"",
     lists:join(", ", [text("~b ~s", [N, short(Kind)]) || {Kind, N} <- Counts, N > 0]), "\">",
     [text("<span class=\"~s\" style=\"flex-grow:~b\">~ts ~b</span>", [Kind, N, mark(Kind), N]) || {Kind, N} <- Counts, N > 0],
     "</div>\n<p class=\"small\">",
     [["a good call: ", time(lists:nth((length(Good) + 1) div 2, Good))] || Good =/= []],
     "</p>\n</div>\n"].

legend(Results) ->
    ["<ul class=\"legend\" aria-label=\"Legend\">\n",
     [["<li><span class=\"swatch ", atom_to_list(Kind), "\">", mark(Kind), "</span> <span><b>", short(Kind), "</b>: ", long(Kind),
       "</span></li>\n"] || Kind <- ?KINDS, Kind =/= differs orelse count(differs, Results) > 0],
     "</ul>\n"].

short(contained) -> "contained";
short(harmless) -> "no harm seen";
short(harmed) -> "harm";
short(differs) -> "differs".

long(contained) -> "the caller alone pays, as the mode promises: all others count on, their data is intact, the VM is alive "
                   "and the library serves the next call";
long(harmless) -> "the mode promises nothing here, and this time nothing happened";
long(harmed) -> "others were harmed or the VM ended; the mode does not claim to prevent it";
long(differs) -> "not what the mode promises".

%% ---- the table ----

matrix(Results, Modes) ->
    By = maps:from_list([{{Mode, Name}, R} || R = #{mode := Mode, row := #{name := Name}} <- Results]),
    Rows = [Row || Row = #{name := Name} <- bulkhead_matrix_gallery:rows(),
                   lists:any(fun({Mode, _, _}) -> applies(maps:get({Mode, Name}, By, none)) end, Modes)],
    Groups = [{Title, [Row || Row = #{group := G} <- Rows, G =:= Group]} || {Group, Title} <- bulkhead_matrix_gallery:groups()],
    ["<div class=\"scroll\">\n<table>\n<thead><tr><th scope=\"col\">a NIF does</th>",
     [["<th scope=\"col\"><code>", escape(atom_to_list(Mode)), "</code></th>"] || {Mode, _, _} <- Modes],
     "</tr></thead>\n",
     [["<tbody>\n<tr class=\"group\"><th colspan=\"", integer_to_list(length(Modes) + 1), "\" scope=\"rowgroup\">", escape(Title),
       "</th></tr>\n", [row(Row, Modes, By) || Row <- In], "</tbody>\n"] || {Title, In} <- Groups, In =/= []],
     "</table>\n</div>\n"].

applies(none) -> false;
applies(#{verdict := Verdict}) -> Verdict =/= none.

row(#{name := Name, title := Title}, Modes, By) ->
    ["<tr><th scope=\"row\">", escape(Title), "<span class=\"name\">", escape(atom_to_list(Name)), "</span></th>\n",
     [cell(maps:get({Mode, Name}, By)) || {Mode, _, _} <- Modes], "</tr>\n"].

cell(#{verdict := none}) ->
    "<td class=\"none\"><span title=\"does not apply\">–</span></td>\n";
cell(#{verdict := skipped}) ->
    "<td class=\"none\">not built</td>\n";
cell(#{verdict := Verdict, seen := Seen, promise := Promise}) ->
    ["<td class=\"", atom_to_list(Verdict), "\"><details><summary><span class=\"mark\" title=\"", short(Verdict), "\">", mark(Verdict), "</span> ",
     gist(Seen), [["<span class=\"but\">promised: ", breakable(escape(promised(Promise))), "</span>"] || Verdict =:= differs],
     "<span class=\"after\">", after_call(Seen), "</span></summary>\n<dl>",
     [["<dt>", Label, "</dt><dd>", breakable(escape(Value)), "</dd>"]
      || {Label, Value} <- [{"promised", promised(Promise)}, {"caller", or_dash(caller(Seen))},
                            {"bystanders", counting(bystanders(Seen))}, {"data of others", or_dash(data(Seen))},
                            {"VM", vm(Seen)}, {"library", or_dash(library(Seen))},
                            {"a good call", or_dash(time(maps:get(good_call_ns, Seen, none)))}]],
     "</dl>", said(maps:get(said, Seen, <<>>)), "</details></td>\n"].

%% What matters most, in few words: the end of the VM, harm to others, else what became of the caller.
gist(Seen = #{vm := alive, data := [_ | _]}) ->
    ["<b>others’ data changed</b><br><code>", escape(caller(Seen)), "</code>"];
gist(Seen = #{vm := alive}) ->
    case {bystanders(Seen), caller(Seen)} of
        {_, "never came back"} -> "<b>never comes back</b>";
        {_, Caller} -> ["<code>", breakable(escape(Caller)), "</code>", [["<br><b>", escape(library(Seen)), "</b>"] || library(Seen) =:= "does not serve"]]
    end;
gist(Seen) ->
    ["<b>VM ", escape(vm(Seen)), "</b>"].

%% Long reasons may be broken after commas.
breakable(Text) -> string:replace(Text, ",", ",<wbr>", all).

promised(may_harm) -> "nothing";
promised(Promise) -> promise(Promise).

counting("") -> "–";
counting(Text) -> [Text, " count on"].

or_dash("") -> "–";
or_dash(Text) -> Text.

said(<<>>) -> "";
said(Bytes) ->
    Text = case unicode:characters_to_list(Bytes) of
        List when is_list(List) -> List;
        _ -> binary_to_list(Bytes)
    end,
    Lines = [L || L <- string:split(string:trim(Text), "\n", all)],
    {Shown, More} = case length(Lines) > 14 of
        true -> {lists:sublist(Lines, 13), ["..."]};
        false -> {Lines, []}
    end,
    ["<pre>", escape(lists:join("\n", Shown ++ More)), "</pre>"].

%% ---- below the table ----

method(Results) ->
    {{Y, Mo, D}, {H, Mi, _}} = calendar:universal_time(),
    ["<footer>\n<h2>Method</h2>\n<p>Every experiment starts the executable anew with <code>--isolation MODE</code>. ",
     text("~b processes each hold lists, maps, floats, big integers, a closure and a shared binary, and count every millisecond. ",
          [bystanders_of([R || R = #{verdict := V} <- Results, lists:member(V, ?KINDS)])]),
     "A good call is timed, then another process calls the misdeed. Observed are: how that process ended; how many of the "
     "others go on counting from then on; whether MD5 sums over their terms, a persistent term, a table and code are what they "
     "were; whether the VM still spawns, schedules and collects; whether the library serves the next caller. What was seen is "
     "appended to a file at once, so what happened before a VM died is known. The number in a cell is the time from the call "
     "to the news of its end. Promises stand in <code>lib/erl/bulkhead_matrix_gallery.erl</code>; <code>make check</code> "
     "fails when a cell differs.</p>\n",
     text("<p class=\"small\"><code>bulkhead matrix --html</code>, ~4..0b-~2..0b-~2..0b ~2..0b:~2..0b UTC; ~ts; Linux ~ts; ~b scheduler threads per VM.</p>\n",
          [Y, Mo, D, H, Mi, escape(processor()), escape(first_line("/proc/sys/kernel/osrelease", "?")), 2]),
     "</footer>\n"].

processor() ->
    case file:read_file("/proc/cpuinfo") of
        {ok, Text} ->
            case [Name || Line <- binary:split(Text, <<"\n">>, [global]),
                          [<<"model name", _/binary>>, Name] <- [binary:split(Line, <<": ">>)]] of
                [Name | _] = All -> text("~b × ~ts", [length(All), Name]);
                [] -> "unknown processor"
            end;
        {error, _} -> "unknown processor"
    end.

first_line(File, Otherwise) ->
    case file:read_file(File) of
        {ok, Text} -> hd(binary:split(Text, <<"\n">>));
        {error, _} -> Otherwise
    end.

count(Verdict, Results) -> length([R || R = #{verdict := V} <- Results, V =:= Verdict]).

text(Format, Args) -> io_lib:format(Format, Args).

escape(Text) ->
    [case C of
         $< -> "&lt;";
         $> -> "&gt;";
         $& -> "&amp;";
         $" -> "&quot;";
         _ -> C
     end || C <- unicode:characters_to_list(Text)].

style() ->
    ":root{--ink:#1c2126;--soft:#5b6570;--line:#d9dee3;--paper:#fff;--sheet:#f6f8f9;\n"
    "--contained:#d6efe8;--contained-ink:#0b5a47;--harmless:#eef0d6;--harmless-ink:#59590c;\n"
    "--harmed:#ffe1c2;--harmed-ink:#8a3f00;--differs:#f4c2de;--differs-ink:#8a0050}\n"
    "@media (prefers-color-scheme:dark){:root{--ink:#e6eaee;--soft:#9aa6b2;--line:#39424b;--paper:#14181c;--sheet:#1c2228;\n"
    "--contained:#113c32;--contained-ink:#8fe0c8;--harmless:#33341a;--harmless-ink:#d9d98a;\n"
    "--harmed:#4a2a0c;--harmed-ink:#ffc48a;--differs:#561338;--differs-ink:#ffa6d4}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,'Segoe UI','Helvetica Neue',Arial,sans-serif}\n"
    "main{max-width:1400px;margin:0 auto;padding:2.5rem 1.5rem 4rem}\n"
    "h1{font-size:2rem;letter-spacing:-.02em;margin:0 0 .4rem}h2{font-size:1.05rem;margin:0 0 .2rem}\n"
    ".lead{max-width:72ch;color:var(--soft);margin:.2rem 0 1rem}.small{font-size:.82rem;color:var(--soft);margin:.35rem 0 0}\n"
    "code,pre{font-family:ui-monospace,'SF Mono','DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:.88em}\n"
    ".verdict{display:inline-block;padding:.35rem .8rem;border-radius:6px;margin:0 0 1.4rem}\n"
    ".modes{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:.9rem;margin-bottom:1.4rem}\n"
    ".mode{border:1px solid var(--line);border-radius:8px;padding:.8rem .9rem;display:flex;flex-direction:column}\n"
    ".mode p{margin:0 0 .5rem;color:var(--soft);font-size:.88rem;flex:1}.mode p.small{flex:none;margin:.4rem 0 0}\n"
    ".bar{display:flex;height:1.5rem;border-radius:4px;overflow:hidden;gap:1px}\n"
    ".bar span{flex-basis:2.3rem;display:flex;align-items:center;justify-content:center;font-size:.76rem;font-weight:600;white-space:nowrap}\n"
    ".contained{background:var(--contained);color:var(--contained-ink)}.harmless{background:var(--harmless);color:var(--harmless-ink)}\n"
    ".harmed{background:var(--harmed);color:var(--harmed-ink)}.differs{background:var(--differs);color:var(--differs-ink)}\n"
    ".legend{list-style:none;padding:0;margin:0 0 1.4rem;display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:.5rem 1.4rem;font-size:.86rem}\n"
    ".legend li{display:flex;gap:.6rem}.swatch{flex:none;width:1.6rem;height:1.6rem;border-radius:4px;display:grid;place-items:center;font-weight:700}\n"
        ".scroll{border:1px solid var(--line);border-radius:8px}\n"
    "table{border-collapse:separate;border-spacing:0;width:100%;table-layout:fixed;min-width:760px;font-size:.86rem}\n"
    "thead th:first-child{width:14.5rem}td code{overflow-wrap:anywhere}\n"
    "@media (max-width:900px){.scroll{overflow-x:auto}table{min-width:1000px}thead th:first-child{width:10rem}}\n"
    "thead th{position:sticky;top:0;background:var(--paper);text-align:left;padding:.6rem .7rem;border-bottom:2px solid var(--ink);z-index:1}\n"
    "th[scope=row]{font-weight:500;text-align:left;padding:.42rem .7rem;vertical-align:top;border-bottom:1px solid var(--line)}\n"
    ".name{display:block;font:.76rem ui-monospace,'DejaVu Sans Mono',monospace;color:var(--soft)}\n"
    ".group th{text-align:left;background:var(--sheet);padding:.75rem .7rem .35rem;font-size:.78rem;letter-spacing:.06em;text-transform:uppercase;color:var(--soft);border-bottom:1px solid var(--line)}\n"
    "td{vertical-align:top;border-bottom:2px solid var(--paper);border-left:2px solid var(--paper)}\n"
    "td.none{color:var(--soft);text-align:center;padding:.45rem}\n"
    "summary{cursor:pointer;list-style:none;padding:.42rem .6rem;display:block;position:relative}summary::-webkit-details-marker{display:none}\n"
    "summary:hover{text-decoration:underline dotted}summary:focus-visible{outline:2px solid currentColor;outline-offset:-2px}\n"
    ".mark{font-weight:700;display:inline-block;width:1.1em}.after{float:right;opacity:.75;font-size:.8em;padding-left:.6em}\n"
    ".but{display:block;font-size:.86em}\n"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.1rem .7rem;margin:0;padding:.3rem .6rem .5rem;font-size:.82rem}dt{opacity:.75}dd{margin:0;overflow-wrap:anywhere}\n"
    "pre{margin:0 .6rem .6rem;padding:.5rem .6rem;background:var(--paper);color:var(--ink);border-radius:5px;font-size:.72rem;overflow-x:auto;line-height:1.35}\n"
    "footer{margin-top:2rem;max-width:80ch}footer p{color:var(--soft);font-size:.9rem}\n"
    "@media print{main{max-width:none;padding:0}body{font-size:9pt}.scroll{overflow:visible;border:0}thead th{position:static}\n"
    "*{-webkit-print-color-adjust:exact;print-color-adjust:exact}tr{break-inside:avoid}}\n".
