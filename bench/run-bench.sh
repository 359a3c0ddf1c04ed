#!/bin/sh
# Times our programs on Bulkhead and, when erl is there, on OTP in the same run; prints ratios.
# usage: run-bench.sh [NAME...]     environment: BULKHEAD, builddir, ERL
set -eu
dir=$builddir/bench
schedulers=${BENCH_SCHEDULERS-2}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

otp() { # otp MODULE [ARG...]: prints nothing when there is no erl
    [ -n "${ERL-}" ] || return 0
    "$ERL" -noshell -noinput +S "$schedulers:$schedulers" -pa "$dir" -s "$@"
}

echo "running on Bulkhead..." >&2
"$BULKHEAD" run -S "$schedulers" "$dir/bench.beam" "$@" >"$tmp/ours"
echo "running on OTP..." >&2
# shellcheck disable=SC2086
otp bench start "$@" >"$tmp/theirs"

awk -v have_otp="$([ -n "${ERL-}" ] && echo 1)" '
    NR == FNR { otp[$2] = $3; next }
    FNR == 1 { printf "%-11s %-18s %12s %12s %7s\n", "group", "program", "bulkhead us", "otp us", "ratio" }
    {
        if (!($2 in otp)) { printf "%-11s %-18s %12.0f %12s %7s\n", $1, $2, $3 / 1000, "-", "-"; next }
        ratio = $3 / otp[$2]
        printf "%-11s %-18s %12.0f %12.0f %7.2f\n", $1, $2, $3 / 1000, otp[$2] / 1000, ratio
        n[$1]++; logs[$1] += log(ratio)
        if ($1 != "processes") { n_all++; logs_all += log(ratio); if (ratio > worst) worst = ratio }
    }
    END {
        if (!n_all) exit
        print ""
        for (g in n) printf "geometric mean %-11s %.2f\n", g, exp(logs[g] / n[g])
        printf "geometric mean of all but processes: %.2f (target 1.32), worst %.2f (target 3)\n", exp(logs_all / n_all), worst
    }' "$tmp/theirs" "$tmp/ours"

[ $# -gt 0 ] && exit 0
echo
echo "native calls, ns each"
{
    otp bench_nif start | sed 's/^nif/otp/'
    for mode in direct in_process; do
        "$BULKHEAD" run -S 1 --isolation "bench_nif=$mode" "$dir/bench_nif.beam" | sed "s/^nif/$mode/"
    done
    "$BULKHEAD" run -S 1 --isolation bench_nif=in_process "$dir/bench_nif.beam" crash 2>/dev/null | sed -n 's/^nif crash/in_process crash/p'
} | awk '{ printf "  %-12s %-20s %10s\n", $1, $2, $3 }'

echo
"${SHELL-sh}" "$(dirname "$0")/run-native.sh" || :

echo
echo "start-up and memory"
start_ms() { # best of 20 runs of the command
    i=0
    while [ $i -lt 20 ]; do
        t0=$(date +%s%N)
        "$@" >/dev/null 2>&1
        t1=$(date +%s%N)
        echo $(((t1 - t0) / 1000))
        i=$((i + 1))
    done | sort -n | head -1 | awk '{ printf "%.1f", $1 / 1000 }'
}
echo "  bulkhead run, whole program    $(start_ms "$BULKHEAD" run "$dir/bench_nothing.beam") ms"
[ -z "${ERL-}" ] || echo "  erl, whole program             $(start_ms "$ERL" -noshell -pa "$dir" -s bench_nothing start) ms"
"$BULKHEAD" run "$dir/bench_memory.beam" 100000 | sed 's/^memory/  bulkhead/'
