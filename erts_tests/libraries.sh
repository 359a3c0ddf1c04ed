#!/bin/sh
# Native libraries of Debian's packages, unmodified, in every mode: they answer as on OTP. TAP.
# Those that are not installed are left out; with all of them:
#   apt-get install erlang-jiffy erlang-bitcask erlang-jose erlang-p1-{cache-tab,zlib,tls,xml,yaml,iconv,mqtree,sip,stringprep,xmpp}
. "${srcdir:=.}/tools/tap.sh"
: "${ERL:=erl}"
TMPDIR=$dir
export TMPDIR
modules "$srcdir/erts_tests/library_tests.erl"

(cd "$dir" && timeout -k 10 300 "$ERL" -noshell -noinput -kernel logger_level none -s library_tests main -s init stop \
    >otp 2>otp.err)
is "OTP answers for each" "0, 15 lines" "$?, $(wc -l <"$dir/otp") lines"
for mode in direct in_process ipc hybrid shared_heap; do
    timeout -k 10 300 "$BULKHEAD" run --isolation $mode -pa "$dir" -s library_tests main >"$dir/$mode" 2>"$dir/$mode.err"
    is "$mode ends well" 0 $?
    while read -r app answers; do
        if [ "$answers" = not_installed ]; then
            ok "$mode: $app # SKIP not installed" 0
        else
            grep -Fx "$app $answers" "$dir/$mode" >/dev/null
            status=$?
            { echo "on OTP: $app $answers" | cut -c1-1000; grep "^$app " "$dir/$mode" | cut -c1-1000; tail -n 20 "$dir/$mode.err"; } >"$dir/why"
            ok "$mode: $app" $status "$dir/why"
        fi
    done <"$dir/otp"
done
done_testing
