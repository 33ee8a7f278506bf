#!/bin/sh
# check_wire.sh - every rule of proto/WIRE.md is named by at least one test and
# by every file that stands in its brackets, and no test names a rule that does
# not exist. Lists those at fault; exit 1.
set -eu
cd "$(dirname "$0")/.."
wire=proto/WIRE.md
bad=0
say() {
    echo "check_wire: $1"
    bad=1
}
# whole words: "E-FLW-001" names no rule
named_in() {
    grep -how 'W-[0-9][0-9][0-9]' "$@" | sort -u
}
tests=$(find tests -type f \( -name '*.c' -o -name '*.h' -o -name '*.sh' \
    -o -name '*.bats' -o -name '*.js' -o -name '*.mjs' -o -name '*.py' \) \
    ! -name check_wire.sh)
rules=$(sed -n 's/^\*\*\(W-[0-9][0-9][0-9]\)\*\*.*/\1/p' $wire)
# shellcheck disable=SC2086 # no test has a blank in its name
cited=$(named_in $tests)

for r in $(printf '%s\n' "$rules" | sort | uniq -d); do
    say "$r is written twice in $wire"
done
for r in $rules; do
    printf '%s\n' "$cited" | grep -qx "$r" || say "no test names $r"
    files=$(sed -n "s/^\*\*$r\*\*.*\[\([^]]*\)]\$/\1/p" $wire | tr -d ,)
    [ -n "$files" ] || say "$r does not say where it is proved"
    for f in $files; do
        if [ ! -f "tests/$f" ]; then
            say "$r is proved in tests/$f, which does not exist"
        elif ! named_in "tests/$f" | grep -qx "$r"; then
            say "tests/$f does not name $r"
        fi
    done
done
for r in $cited; do
    printf '%s\n' "$rules" | grep -qx "$r" ||
        say "a test names $r, which is not in $wire"
done
# a span of rules is a heading, not a test of each of them
# shellcheck disable=SC2086
spans=$(grep -lE 'W-[0-9]+(\.\.|–|-W)' $tests || true)
for f in $spans; do
    say "$f names a span of rules; name them at their cases"
done
exit $bad
