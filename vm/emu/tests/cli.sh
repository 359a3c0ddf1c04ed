#!/bin/sh
# The program as a shell meets it: limits, closed and full outputs. TAP.
# environment: BULKHEAD, ERLC; SANITIZED: compiler flags of a build with a sanitizer
set -u
. "${srcdir:=.}/tools/tap.sh"

cat >"$dir/files.erl" <<'END'
-module(files).
-export([main/1, show/1]).
show(Args) -> io:format("~p", [Args]).
main(["hello"]) -> io:format("hello~n");
main(["write", File]) -> io:format(standard_error, "~p", [file:write_file(File, <<"text">>)]);
main(["streams", File]) ->
    {ok, F} = file:open(File, [write]),
    io:format("out~n"), io:format(standard_error, "err~n", []), erlang:display(x),
    "cmd" = os:cmd("printf cmd"),
    io:format(F, "own ~p", [io:get_line("")]);
main(["nonsense"]) ->
    Ask = fun(R) -> user ! {io_request, self(), r, R}, receive {io_reply, r, A} -> A after 2000 -> none end end,
    io:format("~0p", [[Ask(R) || R <- [{put_chars, unicode, [a]}, {put_chars, latin1, erlang, error, [x]}, foo,
                                       {setopts, foo}, {requests, foo}, {get_line, unicode, {format, x, y}}]]]);
main(["print", How]) ->
    R = case How of
        "put" -> catch io:put_chars("text");
        "request" -> user ! {io_request, self(), make_ref(), {put_chars, unicode, "text"}}, receive {io_reply, _, A} -> A end
    end,
    io:format(standard_error, "~0p", [case R of {'EXIT', {Why, _}} -> Why; _ -> R end]).
END
modules "$dir/files.erl"
files() { timeout -k 10 300 "$BULKHEAD" run "$dir/files.beam" "$@"; }

no_files='without leave to write files it runs'
too_large="and a file that gets too large is an error of the caller's"
case ${SANITIZED-} in
*thread*) # which writes a file itself
    is "$no_files # SKIP" x x
    is "$too_large # SKIP" x x ;;
*)
    is "$no_files" hello "$( (ulimit -f 0; files hello) 2>&1 | cat)"
    is "$too_large" "{error,efbig}" "$( (ulimit -f 0; files write "$dir/x") 2>&1 >/dev/null | cat)" ;;
esac
case ${SANITIZED-} in
'') is "little address space is told as that" "bulkhead: cannot reserve memory: address space or file descriptors are limited too tightly (ulimit -v, ulimit -n) status 2" \
        "$( (ulimit -v 100000; files hello) 2>&1 | tr '\n' ' '; (ulimit -v 100000; files hello) >/dev/null 2>&1; echo "status $?")" ;;
esac
is "a small stack is told as that" "bulkhead: the stack is limited too tightly (ulimit -s): 128 kB are needed" \
    "$( (ulimit -s 100; exec "$BULKHEAD" run "$dir/files.beam" hello) 2>&1)"
timeout -k 10 300 "$BULKHEAD" run "$dir/files.beam" streams "$dir/own" <&- >&- 2>&-
is "standard streams that were closed lead nowhere, and never to a file of the program's" "status 0: own eof" "status $?: $(cat "$dir/own")"
is "output that does not fit on its device says so" "{error,enospc}" "$(files print request 2>&1 >/dev/full)"
is "output survives requests that are none, and answers as OTP's" \
    '[{error,put_chars},{error,put_chars},{error,{request,foo}},{error,{request,{setopts,foo}}},ok,eof]' \
    "$(files nonsense </dev/null 2>&1)"
cat >"$dir/script" <<'END'
#!/usr/bin/env escript
main(Args) -> io:format("~p", [{filename:basename(escript:script_name()), Args}]).
END
is "an escript knows its name" '{"script",["a","b"]}' "$(timeout -k 10 300 "$BULKHEAD" run "$dir/script" a b 2>&1)"
commands() { LC_ALL=C.UTF-8 timeout -k 10 300 "$BULKHEAD" run -pa "$dir" "$@" 2>&1; echo " $?"; }
is "what follows -eval is evaluated" '{2,[228,8364]} 0' "$(commands -noshell -eval 'F = fun(X) -> X + 1 end, io:format("~w", [{F(1), "ä€"}])')"
is "with a dot, too, and its value printed" '3
 0' "$(commands --print -eval 'X = 1, X + 2.')"
is "commands run one after the other" '1["a","b"]{2,[a,b]}3 0' "$(commands -eval 'io:format("~p", [1])' -run files show a b -eval 'io:format("{2,")' \
    -s files show a b -eval 'io:format("}3")' -s init stop)"
is "an error in -eval is one" 'foo 1' "$(commands -eval 'erlang:error(foo)' | sed -n 's/^{\(foo\),.*/\1/p;s/^ 1/ 1/p' | tr -d '\n')"
is "what is no expression is told" "bulkhead: -eval: syntax error before: '.' in f( 2" "$(commands -eval 'f(' | tr -d '\n')"
is "and what is no token" "bulkhead: -eval: unterminated atom starting with 'a' in 'a 2" "$(commands -eval "'a" | tr -d '\n')"
is "-eval takes one argument" "bulkhead: -eval takes one argument, what is to be evaluated: 2 is too much 2" "$(commands -eval 1 2 | tr -d '\n')"
is "and needs it" "bulkhead: -eval needs a value 2" "$(commands -s init stop -eval | tr -d '\n')"
is "arguments behind -extra are the program's" '["-eval","x"] 0' "$(commands -eval 'io:format("~p", [init:get_plain_arguments()])' -extra -eval x)"
printf '%s\n' 'this line is skipped' 'main(Args) -> io:format("~p", [Args]).' >"$dir/plain"
is "an escript's first line is skipped, whatever it is" '["a"]' "$(timeout -k 10 300 "$BULKHEAD" run "$dir/plain" a 2>&1)"
cat >"$dir/arch_lib.erl" <<'END'
-module(arch_lib).
-export([text/0]).
text() -> "found".
END
cat >"$dir/arch_main.erl" <<'END'
-module(arch_main).
-export([main/1]).
main([Kind, File, Dir]) ->
    Beam = fun(M) -> {ok, B} = file:read_file(filename:join(Dir, M ++ ".beam")), B end,
    Files = [{"app/ebin/arch_main.beam", Beam("arch_main")}, {"arch_lib.beam", Beam("arch_lib")}, {"app/priv/text", <<"text">>}],
    Archive = case Kind of
        "stored" -> {archive, Files, [{uncompress, all}]};
        "outside" -> {archive, [{"app/../../../outside.beam", <<>>} | Files], []};
        _ -> {archive, Files, []}
    end,
    Flags = [{emu_args, "+sbtu -escript main arch_main"} || Kind =/= "unnamed"],
    ok = escript:create(File, [shebang | Flags] ++ [Archive]),
    {ok, Whole} = file:read_file(File),
    [file:write_file(File, binary:part(Whole, 0, byte_size(Whole) - 1)) || Kind =:= "cut"],
    Middle = byte_size(Whole) div 2,
    [file:write_file(File, [binary:part(Whole, 0, Middle), <<(bnot binary:at(Whole, Middle))>>, binary:part(Whole, Middle + 1, byte_size(Whole) - Middle - 1)])
        || Kind =:= "changed"];
main(Args) ->
    Priv = filename:join([filename:dirname(filename:dirname(code:which(?MODULE))), "priv", "text"]),
    io:format("~0p", [{arch_lib:text(), filename:basename(escript:script_name()), Args, file:read_file(Priv)}]).
END
modules "$dir/arch_lib.erl" "$dir/arch_main.erl"
mkdir "$dir/archived"
archive() # kind, file: what running it says
{
    timeout -k 10 300 "$BULKHEAD" run "$dir/arch_main.beam" "$1" "$dir/archived/$2" "$dir" &&
        (cd "$dir/archived" && XDG_CACHE_HOME=$dir/archive-cache timeout -k 10 300 "$BULKHEAD" run "$2" x 2>&1; echo " $?")
}
ran='{"found","script",["x"],{ok,<<"text">>}} 0'
is "an escript may be an archive" "$ran" "$(archive packed script)"
is "which is unpacked once" "$ran" "$(cd "$dir/archived" && XDG_CACHE_HOME=$dir/archive-cache timeout -k 10 300 "$BULKHEAD" run script x; echo " 0")"
is "one that is not compressed, too" "$ran" "$(archive stored script)"
is "its main module is called like itself if nothing else is said" '{"found","arch_main",["x"],{ok,<<"text">>}} 0' \
    "$(archive unnamed arch_main)"
is "or is missed" "bulkhead: other: no module other in its archive 2" "$(archive unnamed other | tr '\n' ' ' | sed 's/ *$//;s/  / /')"
damaged="cannot unpack its archive: it is damaged"
is "an archive that is cut off is damaged" "bulkhead: script: $damaged 2" "$(archive cut script | tr '\n' ' ' | sed 's/ *$//;s/  / /')"
is "and one with other bytes in it" "bulkhead: script: $damaged 2" "$(archive changed script | tr '\n' ' ' | sed 's/ *$//;s/  / /')"
is "also when directories of it are there already" "bulkhead: script: $damaged 2" \
    "$(archive changed script >/dev/null; archive changed script | tr '\n' ' ' | sed 's/ *$//;s/  / /')"
is "no name in an archive leads out of its directory" "bulkhead: script: $damaged 2, 0 files outside" \
    "$(archive outside script | tr '\n' ' ' | sed 's/ *$//;s/  / /'), $(find "$dir/archive-cache" "$dir/archived" -name 'outside*' | wc -l) files outside"
# While one program reads what is in the cache, others start.
{ printf '#!/usr/bin/env escript\n'; cat "$dir/arch_lib.beam"; } >"$dir/cached"
cached() { XDG_CACHE_HOME=$dir/cache timeout -k 10 300 "$BULKHEAD" run "$dir/cached" >/dev/null 2>&1; }
cached
made=$(find "$dir/cache" -name '*.beam')
ln "$made" "$dir/first"
cached
[ -e "$dir/first" ] && [ ! "$made" -ef "$dir/first" ] && cmp "$made" "$dir/first"
is "code in the cache is replaced as a whole" "status 0, 1 file" "status $?, $(find "$dir/cache" -type f | wc -l) file"
for i in 1 2 3 4 5 6; do
    XDG_CACHE_HOME=$dir/cache timeout -k 10 300 "$BULKHEAD" run "$dir/script" $i >"$dir/at_once.$i" 2>&1 &
done
wait
is "programs that start at once compile what they share" "6" "$(grep -lF '{"script",["' "$dir"/at_once.? | wc -l)"
is "a file in place of a command is asked about" \
    "bulkhead: unknown command '$dir/plain'; did you mean 'bulkhead run $dir/plain'?" "$("$BULKHEAD" "$dir/plain" 2>&1)"
echo 'main(_) -> ok.' >"$dir/short"
is "a file with one line is none" \
    "bulkhead: $dir/short: neither a .beam nor a .erl file, and no escript: there is nothing behind its first line status 2" \
    "$(timeout -k 10 300 "$BULKHEAD" run "$dir/short" 2>&1 | tr '\n' ' '; timeout -k 10 300 "$BULKHEAD" run "$dir/short" >/dev/null 2>&1; echo "status $?")"
printf 'FOR1\0\0' >"$dir/broken"
is "nor is one with other bytes than text" "status 2" "$(timeout -k 10 300 "$BULKHEAD" run "$dir/broken" 2>/dev/null; echo "status $?")"
# As on OTP: of each application the latest version, and what is no application is left out.
mkdir -p "$dir/libs/a-1.9/ebin" "$dir/libs/a-1.10/ebin" "$dir/libs/b-x/ebin" "$dir/libs/c-1"
touch "$dir/libs/file"
cat >"$dir/libs.erl" <<'END'
-module(libs).
-export([main/1]).
main([Libs]) -> io:format("~0p", [[string:prefix(P, Libs) || P <- code:get_path(), lists:prefix(Libs, P)]]).
END
modules "$dir/libs.erl"
is "ERL_LIBS adds the latest version of each application" '["/b-x/ebin","/a-1.10/ebin"]' \
    "$(ERL_LIBS=$dir/none::$dir/libs:$dir/libs/file timeout -k 10 300 "$BULKHEAD" run "$dir/libs.beam" "$dir/libs" 2>&1)"
cat >"$dir/nothing.erl" <<'END'
-module(nothing).
END
is "a module without a function to start with is told" "bulkhead: module nothing exports none of main/1, main/0 and start/0 status 2" \
    "$(timeout -k 10 300 "$BULKHEAD" run "$dir/nothing.erl" 2>&1 | tr '\n' ' '; timeout -k 10 300 "$BULKHEAD" run "$dir/nothing.erl" >/dev/null 2>&1; echo "status $?")"
cat >"$dir/unloadable.erl" <<'END'
-module(unloadable).
-on_load(load/0).
load() -> not_ok.
END
modules "$dir/unloadable.erl"
is "so is one whose on_load function fails" "bulkhead: the on_load function of unloadable did not return ok status 2" \
    "$(timeout -k 10 300 "$BULKHEAD" run "$dir/unloadable.beam" 2>&1 | tr '\n' ' '; timeout -k 10 300 "$BULKHEAD" run "$dir/unloadable.beam" >/dev/null 2>&1; echo "status $?")"
printf 'FOR1' >"$dir/damaged.beam"
cat >"$dir/calls.erl" <<'END'
-module(calls).
-export([main/1]).
main(_) -> catch damaged:f(), {error, badfile} = code:load_file(damaged).
END
"$ERLC" -o "$dir" "$dir/calls.erl" || exit 1
is "a module that cannot be loaded is an error with a time" "=ERROR REPORT==== TIME ===
Error loading module damaged:" \
    "$(timeout -k 10 300 "$BULKHEAD" run "$dir/calls.beam" 2>&1 | sed -E 's/[0-9]+-[A-Z][a-z]+-[0-9]{4}::[0-9:.]+/TIME/' | head -n 2)"
cat >"$dir/logs.erl" <<'END'
-module(logs).
-export([main/1]).
main([File, How]) ->
    ok = logger:add_handler(file, logger_std_h, #{config => #{file => File}, formatter => {logger_formatter, #{template => [msg, " "]}}}),
    [logger:error(T) || T <- ["one", "two"]],
    case How of "returns" -> ok; "stops" -> init:stop() end.
END
modules "$dir/logs.erl"
for how in returns stops; do
    timeout -k 10 300 "$BULKHEAD" run "$dir/logs.beam" "$dir/$how.log" $how 2>/dev/null
    is "what was logged is in the file when the program $how" "one two " "$(cat "$dir/$how.log")"
done

# ---- output that goes nowhere ----

# Message and exit status when standard output is full, and when nobody reads it.
full() { timeout -k 10 300 "$BULKHEAD" "$@" 2>&1 >/dev/full; echo "status $?"; }
sorry='bulkhead: cannot write the output: No space left on device
status 1'
for command in --help --version 'run --help' 'disasm --help' 'info --help' info 'info --all' "disasm $dir/files.beam"; do
    # shellcheck disable=SC2086 # words
    is "'${command%% "$dir"*}' notices that its output is lost" "$sorry" "$(full $command)"
done
is "a reader that goes away hears nothing more" "status 1" \
    "$({ sleep 1; timeout -k 10 300 "$BULKHEAD" info --all 2>&1 >&3; echo "status $?" >&2; } 3>&1 2>"$dir/said" | :; sleep 2; cat "$dir/said")"
for option in --help --list '--json --mode direct --only bad_term' '--mode direct --only bad_term'; do
    # shellcheck disable=SC2086
    is "'matrix $option' notices it" 'bulkhead: cannot write the output: no space left on device
status 1' "$(full matrix $option)"
done
is "a page that cannot be written is told" "bulkhead: cannot write /dev/full: no space left on device, status 1" \
    "$(timeout -k 10 300 "$BULKHEAD" matrix --mode direct --only bad_term --html /dev/full 2>&1 >/dev/null | tr '\n' ','; \
       timeout -k 10 300 "$BULKHEAD" matrix --mode direct --only bad_term --html /dev/full >/dev/null 2>&1; echo " status $?")"
is "so is a trace" "hello,bulkhead: --trace: events were lost: No space left on device, status 1" \
    "$(timeout -k 10 300 "$BULKHEAD" run --trace=all:/dev/full "$dir/files.beam" hello 2>&1 | tr '\n' ','; \
       timeout -k 10 300 "$BULKHEAD" run --trace=all:/dev/full "$dir/files.beam" hello >/dev/null 2>&1; echo " status $?")"

# ---- the matrix as text ----

timeout -k 10 300 "$BULKHEAD" matrix --mode ipc --mode direct --only bad_term --only segv --only kill_vm >"$dir/table" 2>"$dir/progress"
is "tables have at most 100 columns" yes \
    "$([ "$(LC_ALL=C.UTF-8 wc -L <"$dir/table")" -le 100 ] && echo yes)"
is "and no colours, nor is progress shown, but on a terminal" "0 0" \
    "$(tr -d -c '\033' <"$dir/table" | wc -c) $(wc -c <"$dir/progress")"
if command -v script >/dev/null; then
    NO_COLOR=1 timeout 300 script -qec "stty cols 80; '$BULKHEAD' matrix --mode ipc --only segv" /dev/null >"$dir/terminal" </dev/null
    is "NO_COLOR keeps escape sequences away" 0 "$(tr -d -c '\033' <"$dir/terminal" | wc -c)"
else
    is "NO_COLOR keeps escape sequences away # SKIP no script(1)" x x
fi
done_testing
