#!/bin/sh
# check_faults.sh - every sentence with which core tells a fault of a policy
# table has a Japanese one in hub/ctl/policy_faults.c: clerks read them.
set -eu
cd "$(dirname "$0")/.."
bad=0
sentences() {
    # load_fault(l, "column", "sentence") on one line or two, then the others
    cat hub/core/policy_*.c | tr '\n' ' ' |
        grep -oE 'load_fault\( *l, *[^,]*, *"[^"]*"\)' |
        sed 's/.*, *"\([^"]*\)")$/\1/'
    grep -ohE '"[^"]*%s (has no|is missing)[^"]*"' hub/core/policy_*.c |
        sed 's/.*%s //; s/\\n"$//; s/"$//'
    echo 'too many rules'
}
sentences | sort -u >"${TMPDIR:-/tmp}/faults.$$"
trap 'rm -f "${TMPDIR:-/tmp}/faults.$$"' EXIT
[ "$(wc -l <"${TMPDIR:-/tmp}/faults.$$")" -gt 15 ] || {
    echo "check_faults: found too few sentences" >&2
    exit 1
}
while read -r sentence; do
    grep -qF "{\"$sentence\"," hub/ctl/policy_faults.c || {
        echo "check_faults: no Japanese for: $sentence" >&2
        bad=1
    }
done <"${TMPDIR:-/tmp}/faults.$$"
exit $bad
