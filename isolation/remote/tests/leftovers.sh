#!/bin/sh
# Whatever way the VM ends, no process of its workers is left. TAP.
# Workers here undo PDEATHSIG and have children of their own.
. "${srcdir:=.}/tools/tap.sh"
library leftovers "$srcdir/isolation/remote/tests/libs/leftovers.c"
modules "$srcdir/isolation/remote/tests/leftovers.erl"

# Processes of a session: the zygote's, which is its own and that of all it forked.
n_left() {
    cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^[0-9]* (.*) //' | awk -v s="$1" '$4 == s && $1 != "Z" { n++ } END { print n + 0 }'
}
check() { # how the VM ends, mode
    : > "$dir/out"
    "$BULKHEAD" run --isolation "$2" "$dir/leftovers.beam" "$dir/leftovers" "$1" >> "$dir/out" 2> "$dir/err" &
    vm=$!
    i=0
    while ! grep -q ready "$dir/out" && [ $i -lt 1200 ]; do
        sleep 0.1
        i=$((i + 1))
    done
    session=$(sed -n 's/^session //p' "$dir/out")
    before=$(n_left "${session:-none}")
    case $1 in
    killed) kill -KILL $vm ;;
    terminated) kill -TERM $vm ;;
    *) echo go > "$dir/leftovers.go" ;;
    esac
    i=0
    while [ -d /proc/$vm ] && ! grep -q '^State:.Z' /proc/$vm/status && [ $i -lt 1200 ]; do # a limit to the wait
        sleep 0.05
        i=$((i + 1))
    done
    kill -KILL $vm 2>/dev/null
    wait $vm 2>/dev/null
    i=0
    while [ "$(n_left "${session:-none}")" -gt 0 ] && [ $i -lt 1200 ]; do
        sleep 0.05
        i=$((i + 1))
    done
    left=$(n_left "${session:-none}")
    rm -f "$dir/leftovers.go"
    echo "processes of session $session: $before, then $left" >> "$dir/err"
    [ "$before" -ge 3 ] && [ "$left" -eq 0 ]
    ok "$2: nothing is left of a VM that is $1" $? "$dir/out" "$dir/err"
}
# starts OPTION...: does a VM that has loaded no library yet have a zygote?
starts() {
    "$BULKHEAD" run "$@" "$dir/leftovers.beam" "$dir/leftovers" idle > "$dir/out" 2> "$dir/err" &
    vm=$!
    found=1 i=0
    while ! grep -q idle "$dir/out" && [ $i -lt 1200 ]; do
        sleep 0.05
        i=$((i + 1))
    done
    i=0
    while [ $found -ne 0 ] && [ $i -lt "${patience:-600}" ]; do
        [ "$(cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^[0-9]* (bulkhead-zygote) . //p' | awk -v vm=$vm '$1 == vm' | wc -l)" = 0 ] || found=0
        [ $found -eq 0 ] || sleep 0.05
        i=$((i + 1))
    done
    kill -KILL $vm
    wait $vm 2>/dev/null
    return $found
}
starts --isolation leftovers=ipc
ok "the zygote is executed at start if a module is to have workers" $? "$dir/out" "$dir/err"
starts --isolation hybrid
ok "... or all" $? "$dir/out" "$dir/err"
! patience=10 starts --isolation leftovers=in_process
ok "... and else when the first one is wanted" $? "$dir/out" "$dir/err"
check killed ipc
check killed hybrid
check killed shared_heap
check terminated ipc
check halted ipc
check done ipc
done_testing
