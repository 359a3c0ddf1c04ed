# tap.sh - what test scripts share. They begin with
#
#   . "${srcdir:=.}/tools/tap.sh"
#
# and print TAP. `make check` sets srcdir, builddir, BULKHEAD, ERLC and CC; by hand, in a folder where the VM was built,
# srcdir will do. KEEP=DIR: work there, and leave it.
: "${srcdir:=.}" "${builddir:=.}" "${BULKHEAD:=./bulkhead}" "${ERLC:=erlc}" "${CC:=cc}"
dir=${KEEP:-$(mktemp -d)} || exit 1 # for whatever a test makes
[ -n "${KEEP-}" ] || trap 'rm -rf "$dir"' EXIT
n=0 failed=0

# library NAME SOURCE [FLAG...]: $dir/NAME.so from C
library() {
    name=$1 source=$2
    shift 2
    $CC -O1 -g -w -fPIC -shared "-I$srcdir/nif" "$@" -o "$dir/$name.so" "$source" -lpthread || exit 1
}

# modules FILE.erl...: to $dir
modules() {
    "$ERLC" -o "$dir" "$@" || exit 1
}

# run_tap ARG...: `bulkhead run ARG...`, which prints TAP itself; what it says on standard error is shown if it fails
run_tap() {
    "$BULKHEAD" run "$@" 2> "$dir/reports" || {
        echo "Bail out! exit status $?"
        tail -n 40 "$dir/reports" | sed 's/^/# /'
    }
}

# ok NAME STATUS [FILE...]: passed if STATUS is 0; if not, the files say why
ok() {
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $n - $1"
        return
    fi
    echo "not ok $n - $1"
    failed=1
    shift 2
    [ $# -eq 0 ] || sed 's/^/# /' "$@"
}

# is NAME EXPECTED ACTUAL
is() {
    [ "$2" = "$3" ]
    ok "$1" $?
    [ "$2" = "$3" ] || printf '%s\n' "expected: $2" "got: $3" | sed 's/^/# /'
}

# done_testing: the plan, and the exit status
done_testing() {
    echo "1..$n"
    exit $failed
}
