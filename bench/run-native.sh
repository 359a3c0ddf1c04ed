#!/bin/sh
# What calling native code costs in each isolation mode, beside OTP's ways of doing it in the same run, and
# what is aimed at. With two CPUs everything is measured on both and on one.
# environment: BULKHEAD, builddir, ERL
set -eu
: "${builddir:=.}" "${BULKHEAD:=./bulkhead}"
dir=$builddir/bench/native
tmp=$(mktemp -d)
epmd=
trap 'rm -rf "$tmp"; [ -z "$epmd" ] || kill $epmd' EXIT

modes=$("$BULKHEAD" run "$dir/bench_worker.beam")

say() { echo "$*" >&2; }

bare_channel() {
    say "the bare channel..."
    timeout -k 10 60 "$builddir/bench/bench_channel" 0 >>"$tmp/channel" || echo "bench_channel failed" >>"$tmp/channel"
}

# measure CPUS COMMAND-PREFIX SCHEDULERS [CPU-OF-VM CPU-OF-WORKER]
measure() {
    cpus=$1 prefix=$2 schedulers=$3 place=${4-}
    for mode in $modes; do
        say "native calls: $mode, $cpus..."
        # shellcheck disable=SC2086
        timeout -k 10 60 $prefix "$BULKHEAD" run -S "$schedulers" --isolation "bench_native=$mode" "$dir/bench_native.beam" "$mode" $place 2>>"$tmp/errors" \
            || echo "$mode failed"
    done
    [ -n "${ERL-}" ] || return 0
    say "native calls: OTP, $cpus..."
    # shellcheck disable=SC2086
    ERL_EPMD_PORT=$port timeout -k 10 60 $prefix "$ERL" -noshell -noinput +S "$schedulers:$schedulers" +sbwt none $node -pa "$dir" -s bench_native start \
        2>>"$tmp/errors" || echo "otp failed"
}

# The C node needs libei to build, and epmd.
node='' port=
if [ -z "${ERL-}" ]; then
    say "no erl: OTP is left out"
elif [ ! -x "$dir/bench_cnode" ]; then
    say "no ei.h and libei: the C node is left out"
elif ! command -v epmd >/dev/null; then
    say "no epmd: the C node is left out"
else
    port=$((20000 + $$ % 20000))
    epmd -address 127.0.0.1 -port $port >/dev/null 2>&1 &
    epmd=$!
    sleep 0.2
    node="-name bench@127.0.0.1 -setcookie bench -start_epmd false"
fi

# pairs CPU-OF-VM CPU-OF-WORKER: the bare channel (an empty frame there and back, without VM and terms), the least there can be
# (two words in shared memory) and a small call, one after the other. Virtual CPUs come nearer to each other and part again, and
# what a cache line takes from one to the other changes tenfold: only figures of the same moment can be compared.
pairs() {
    say "native calls: ipc and the bare channel in turns..."
    for i in 1 2 3 4 5 6 7 8 9; do
        bare=$(timeout -k 10 20 "$builddir/bench/bench_channel" 0 | awk '/^channel_2cpu_0 / { c = $2 } /^bare_2cpu_0 / { w = $2 } END { if (c && w) print c, w }')
        small=$(timeout -k 10 20 "$BULKHEAD" run -S 2 --isolation bench_native=ipc "$dir/bench_native.beam" small ipc "$@" 2>>"$tmp/errors" | sed -n 's/^ipc small //p')
        [ -z "$bare" ] || [ -z "$small" ] || echo "$bare $small"
    done
}

n_cpus=$(nproc)
first_cpus='' # two that we may run on
if command -v taskset >/dev/null; then
    cpu=0
    while [ $cpu -lt 1024 ] && [ "$(echo "$first_cpus" | wc -w)" -lt 2 ]; do
        ! taskset -c $cpu true 2>/dev/null || first_cpus="$first_cpus $cpu"
        cpu=$((cpu + 1))
    done
fi
say "load: $(cut -d' ' -f1-3 /proc/loadavg)"
if [ "$n_cpus" -gt 1 ]; then
    bare_channel # and once more later: the better figure counts
    measure "two CPUs" "" 2 "$first_cpus" >"$tmp/2cpu"
    # shellcheck disable=SC2086
    pairs $first_cpus >"$tmp/pairs"
fi
if [ -n "$first_cpus" ]; then
    measure "one CPU" "taskset -c ${first_cpus##* }" 1 >"$tmp/1cpu"
elif [ "$n_cpus" -eq 1 ]; then
    measure "one CPU" "" 1 >"$tmp/1cpu"
fi
bare_channel
for mode in $modes; do
    case $mode in direct | in_process) continue ;; esac
    say "workers: $mode..."
    # shellcheck disable=SC2086
    timeout -k 10 60 "$BULKHEAD" run -S 2 -pa "$builddir/bench" --isolation "bench_native=$mode" --isolation "bench_nif=$mode" "$dir/bench_worker.beam" "$mode" $first_cpus 2>>"$tmp/errors" \
        || echo "$mode failed"
done >"$tmp/workers"

{
    for mode in $modes; do
        say "JSON: $mode..."
        timeout -k 10 60 "$BULKHEAD" run -S 2 --isolation "jiffy=$mode" "$dir/bench_json.beam" "$mode" 2>>"$tmp/errors" || echo "$mode failed"
    done
    [ -z "${ERL-}" ] || timeout -k 10 60 "$ERL" -noshell -noinput +S 2:2 +sbwt none -pa "$dir" -s bench_json start 2>>"$tmp/errors" || echo "otp failed"
} >"$tmp/json"

table() { # table FILE TITLE
    [ -s "$1" ] || return 0
    echo
    echo "$2, ns each"
    awk '
        NF == 2 { print "  " $0; next }
        !($1 in col) { col[$1] = ++n; name[n] = $1 }
        !($2 in row) { row[$2] = ++m; what[m] = $2 }
        { value[$2, $1] = $3 }
        END {
            printf "  %-14s", ""
            for (i = 1; i <= n; i++) printf " %11s", name[i]
            print ""
            for (j = 1; j <= m; j++) {
                printf "  %-14s", what[j]
                for (i = 1; i <= n; i++) printf " %11s", (what[j], name[i]) in value ? value[what[j], name[i]] : "-"
                print ""
            }
        }' "$1"
}
table "$tmp/2cpu" "native calls on two CPUs (the worker on one of its own)"
table "$tmp/1cpu" "native calls on one CPU"
table "$tmp/json" "Debian's jiffy: to and from JSON of that size"

echo
echo "native calls: aims (load $(cut -d' ' -f1-3 /proc/loadavg))"
[ -f "$tmp/2cpu" ] || : >"$tmp/2cpu"
[ -f "$tmp/1cpu" ] || : >"$tmp/1cpu"
[ -f "$tmp/pairs" ] || : >"$tmp/pairs"
awk '
    function aim(text, value, limit, unit, at_least) {
        met = at_least ? value >= limit : value <= limit
        printf "  %-64s %9.2f %-5s %s %6.2f   %s\n", text, value, unit, at_least ? "min" : "max", limit, met ? "met" : "missed"
    }
    function sort(a, n,    i, k, x) { # from the least to the greatest
        for (i = 2; i <= n; i++) {
            x = a[i]
            for (k = i - 1; k > 0 && a[k] > x; k--) a[k + 1] = a[k]
            a[k + 1] = x
        }
    }
    function have(a, b) { return (a in v) && (b in v) && v[b] > 0 }
    function ratio(text, a, b, limit, at_least) { if (have(a, b)) aim(text, v[a] / v[b], limit, "times", at_least) }
    # The function itself fills 1 MiB: what that takes in process is not the price of crossing.
    function without_filling(text, c, mode, base, limit,    r, p) {
        r = c SUBSEP mode SUBSEP "result_1MiB"; p = c SUBSEP "in_process" SUBSEP "result_1MiB"
        if (have(r, base) && p in v) aim(text, (v[r] - v[p]) / v[base], limit, "times")
    }
    function time(text, a, scale, limit, unit) { if (a in v) aim(text, v[a] / scale, limit, unit) }
    FILENAME ~ /2cpu$/ { v["2", $1, $2] = $3 }
    FILENAME ~ /1cpu$/ { v["1", $1, $2] = $3 }
    FILENAME ~ /channel$/ { if (!(("c", $1) in v) || $2 < v["c", $1]) v["c", $1] = $2 }
    FILENAME ~ /pairs$/ { over_channel[++pairs] = $3 / $1; over_words[pairs] = $3 / $2 }
    FILENAME ~ /workers$/ { v["w", $1, $2] = $3; if (NF == 3) mode[$1] = 1 }
    END {
        time("ipc, small call, two CPUs", "2" SUBSEP "ipc" SUBSEP "small", 1000, 1, "us")
        time("ipc, small call, one CPU", "1" SUBSEP "ipc" SUBSEP "small", 1000, 6, "us")
        if (pairs) {
            sort(over_channel, pairs)
            sort(over_words, pairs)
            aim("ipc, small call / bare channel, two CPUs, median of " pairs, over_channel[int((pairs + 1) / 2)], 1.5, "times")
            printf "  %-64s %9.2f to %.2f times\n", "  the same, least and greatest", over_channel[1], over_channel[pairs]
            printf "  %-64s %9.2f, %.2f to %.2f times\n", "  the same / exchange of two words", over_words[int((pairs + 1) / 2)], over_words[1], over_words[pairs]
        }
        ratio("ipc, small call / bare channel, one CPU", "1" SUBSEP "ipc" SUBSEP "small", "c" SUBSEP "channel_1cpu_0", 1.5)
        for (c = 2; c >= 1; c--) {
            cpus = c == 2 ? ", two CPUs" : ", one CPU"
            ratio("port / ipc, small call" cpus, c SUBSEP "otp_port" SUBSEP "small", c SUBSEP "ipc" SUBSEP "small", 10, 1)
            ratio("dirty NIF / ipc, small call" cpus, c SUBSEP "otp_dirty" SUBSEP "small", c SUBSEP "ipc" SUBSEP "small", 1, 1)
        }
        for (c = 2; c >= 1; c--) {
            cpus = c == 2 ? ", two CPUs" : ", one CPU"
            ratio("ipc, 1 MiB to it / memcpy" cpus, c SUBSEP "ipc" SUBSEP "arg_1MiB", "c" SUBSEP "memcpy_1MiB", 3)
            without_filling("ipc, 1 MiB from it, without filling it / memcpy" cpus, c, "ipc", "c" SUBSEP "memcpy_1MiB", 3)
            ratio("hybrid, 1 MiB to it / small call" cpus, c SUBSEP "hybrid" SUBSEP "arg_1MiB", c SUBSEP "hybrid" SUBSEP "small", 2)
            ratio("shared_heap, 1 MiB to it / small call" cpus, c SUBSEP "shared_heap" SUBSEP "arg_1MiB", c SUBSEP "shared_heap" SUBSEP "small", 2)
            without_filling("shared_heap, 1 MiB from it, without filling / small" cpus, c, "shared_heap", c SUBSEP "shared_heap" SUBSEP "small", 2)
        }
        for (m in mode) {
            time(m ", crash: from the exit to the next reply, cold", "w" SUBSEP m SUBSEP "respawn_cold", 1000, 1000, "us")
            time(m ", the same with a spare", "w" SUBSEP m SUBSEP "respawn_spare", 1000, 100, "us")
            time(m ", idle worker, private memory", "w" SUBSEP m SUBSEP "idle_bytes", 1000000, 1.5, "MB")
            k = "w" SUBSEP m SUBSEP "pair_percent"; if (k in v) aim(m ", ping-pong beside 100 slow calls", v[k], 90, "%", 1)
            time(m ", call while another library crashes / in peace", "w" SUBSEP m SUBSEP "storm_percent", 1, 110, "%")
            k = "w" SUBSEP m SUBSEP "kill_to_exit"; if (k in v) printf "  %-64s %9.2f us\n", m ", kill -9 of the worker to the exit of its caller", v[k] / 1000
        }
    }' "$tmp/2cpu" "$tmp/1cpu" "$tmp/channel" "$tmp/pairs" "$tmp/workers"
grep failed "$tmp/2cpu" "$tmp/1cpu" "$tmp/workers" "$tmp/channel" "$tmp/json" >"$tmp/failed" || exit 0
echo
echo "not everything ran:"
sed 's/.*:/  /' "$tmp/failed"
grep -v '^ *\(signal\|caller\|#\|$\)' "$tmp/errors" | head -5
exit 1
