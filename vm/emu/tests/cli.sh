#!/bin/sh
# The program as a shell meets it: limits, closed and full outputs. TAP.
# environment: BULKHEAD, ERLC; SANITIZED: compiler flags of a build with a sanitizer
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
failed=0

# is NAME EXPECTED ACTUAL
is()
{
    n=$((n + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        printf '# expected: %s\n# got: %s\n' "$2" "$3"
        failed=1
    fi
}

cat >"$dir/files.erl" <<'END'
-module(files).
-export([main/1]).
main(["hello"]) -> io:format("hello~n");
main(["write", File]) -> io:format(standard_error, "~p", [file:write_file(File, <<"text">>)]);
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
"$ERLC" -o "$dir" "$dir/files.erl" || exit 1
files() { timeout 300 "$BULKHEAD" run "$dir/files.beam" "$@"; }

echo 1..7
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
is "output that does not fit on its device says so" "{error,enospc}" "$(files print request 2>&1 >/dev/full)"
is "output survives requests that are none, and answers as OTP's" \
    '[{error,put_chars},{error,put_chars},{error,{request,foo}},{error,{request,{setopts,foo}}},ok,eof]' \
    "$(files nonsense </dev/null 2>&1)"
cat >"$dir/script" <<'END'
#!/usr/bin/env escript
main(Args) -> io:format("~p", [{filename:basename(escript:script_name()), Args}]).
END
is "an escript knows its name" '{"script",["a","b"]}' "$(timeout 300 "$BULKHEAD" run "$dir/script" a b 2>&1)"
cat >"$dir/logs.erl" <<'END'
-module(logs).
-export([main/1]).
main([File, How]) ->
    ok = logger:add_handler(file, logger_std_h, #{config => #{file => File}, formatter => {logger_formatter, #{template => [msg, " "]}}}),
    [logger:error(T) || T <- ["one", "two"]],
    case How of "returns" -> ok; "stops" -> init:stop() end.
END
"$ERLC" -o "$dir" "$dir/logs.erl" || exit 1
for how in returns stops; do
    timeout 300 "$BULKHEAD" run "$dir/logs.beam" "$dir/$how.log" $how 2>/dev/null
    is "what was logged is in the file when the program $how" "one two " "$(cat "$dir/$how.log")"
done
exit $failed
