#!/bin/sh
# The program as a shell meets it: limits, closed and full outputs. TAP.
# environment: BULKHEAD, ERLC
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
main(["print", How]) ->
    R = case How of
        "put" -> catch io:put_chars("text");
        "request" -> user ! {io_request, self(), make_ref(), {put_chars, unicode, "text"}}, receive {io_reply, _, A} -> A end
    end,
    io:format(standard_error, "~0p", [case R of {'EXIT', {Why, _}} -> Why; _ -> R end]).
END
"$ERLC" -o "$dir" "$dir/files.erl" || exit 1
files() { timeout 30 "$BULKHEAD" run "$dir/files.beam" "$@"; }

echo 1..3
is "without leave to write files it runs" hello "$( (ulimit -f 0; files hello) 2>&1 | cat)"
is "and a file that gets too large is an error of the caller's" "{error,efbig}" "$( (ulimit -f 0; files write "$dir/x") 2>&1 >/dev/null | cat)"
is "output that does not fit on its device says so" "{error,enospc}" "$(files print request 2>&1 >/dev/full)"
exit $failed
