#!/bin/sh
# check_wire.sh - every rule of proto/WIRE.md is named by at least one test,
# and no test names a rule that does not exist. Lists those at fault; exit 1.
set -eu
cd "$(dirname "$0")/.."
rules=$(sed -n 's/^\*\*\(W-[0-9][0-9][0-9]\)\*\*.*/\1/p' proto/WIRE.md)
twice=$(printf '%s\n' "$rules" | sort | uniq -d)
# "W-020..W-029" at the top of a file is a heading, not a test of ten rules
cited=$(find tests -type f \( -name '*.c' -o -name '*.h' -o -name '*.sh' \
    -o -name '*.bats' -o -name '*.js' -o -name '*.mjs' -o -name '*.py' \) \
    ! -name check_wire.sh -exec cat {} + |
    sed 's/W-[0-9]*\.\.W-[0-9]*//g' |
    grep -o 'W-[0-9][0-9][0-9]' | sort -u)
bad=0
for r in $twice; do
    echo "check_wire: $r is written twice in proto/WIRE.md"
    bad=1
done
for r in $rules; do
    if ! printf '%s\n' "$cited" | grep -qx "$r"; then
        echo "check_wire: no test names $r"
        bad=1
    fi
done
for r in $cited; do
    if ! printf '%s\n' "$rules" | grep -qx "$r"; then
        echo "check_wire: a test names $r, which is not in proto/WIRE.md"
        bad=1
    fi
done
exit $bad
