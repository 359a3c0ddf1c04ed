#!/bin/sh
# The main job, end to end: a real JSON library and a gallery of crashing NIFs, in one VM each.
# usage: run-demo.sh BULKHEAD EXAMPLES_DIR     (crash reports go to demo-crash-reports.log)
set -eu
bulkhead=$1
examples=$2
here=$(dirname "$0")
reports=demo-crash-reports.log

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
    bold= plain=
fi
title() { printf '\n%s%s%s\n\n' "$bold" "$1" "$plain"; }

title "Debian's unmodified jiffy.so, isolated, reads a JSON file"
"$bulkhead" run "$examples/json.beam" "$here/capitals.json"

title "Native code misbehaves; 1,000 processes go on counting"
"$bulkhead" run "$examples/gallery.beam" 2>"$reports" || { cat "$reports" >&2; exit 1; }

title "What the VM said of the first crash (all of them: $reports)"
awk 'NR > 1 && /^=|^bulkhead: / { exit } { print }' "$reports"
