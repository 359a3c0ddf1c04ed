#!/bin/sh
# Random programs and calls must come out as on OTP: see erts_tests/diff/diff.erl. TAP, of seeds that are always the same;
# with FUZZ_SECONDS in the environment new seeds until time is up, and the differences found. A batch again: diff.sh KIND:SEED
. "${srcdir:=.}/tools/tap.sh"

: "${ERL:=erl}"
# Random programs that wait for each other wait for so long, and no longer.
if [ "${PATIENCE:-1}" -gt 1 ]; then
    echo "1..0 # SKIP this build is slow"
    exit
fi
DIFF_DIR=$dir LC_ALL=C.UTF-8
export DIFF_DIR LC_ALL BULKHEAD ERL
cd "$builddir/erts_tests/diff" || exit 1
if [ -n "${FUZZ_SECONDS-}" ]; then
    exec "$ERL" -noshell -noinput -s diff main
fi
[ $# -gt 0 ] || set -- calls:1 calls:2 modules:1 modules:2 ets:1
"$ERL" -noshell -noinput -s diff main "$@"
