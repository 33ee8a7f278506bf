#!/bin/sh
# check.sh MAKE - every test, in order of how soon a mistake shows. Stops at
# the first part that fails. Needs only what ./quickstart installed. Valgrind
# reckons and the processes of the stories mostly wait, so it runs behind them.
set -eu
make="${1:-make} --no-print-directory"
begin=$(date +%s)
log=$(mktemp)
behind=
stop() {
    [ -z "$behind" ] || kill -- "-$behind" 2>/dev/null || :
    rm -f "$log"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP
part() {
    echo
    echo "== $1"
    from=$(date +%s)
    shift
    "$@"
    echo "   $(($(date +%s) - from)) s"
}
part 'layers and wire rules' $make layers
part 'unit tests' $make -j2 unit
part 'unit tests, ASan and UBSan' $make -j2 unit-san
setsid $make unit-valgrind VALGRIND_JOBS=1 >"$log" 2>&1 &
behind=$!
part 'policy, decided twice' $make policy
part 'the log, verified three times' $make verifiers
part 'integration' $make it
part 'stories' $make stories
part 'killed, without power, and all at once' $make storm
part 'integration and stories, ASan and UBSan' $make it-san
valgrind() {
    wait "$behind" || { tail -n 200 "$log"; exit 1; }
    behind=
    tail -n 1 "$log"
}
part 'unit tests, valgrind (begun before)' valgrind
part 'fuzzers' $make fuzz
echo
echo "everything passed in $(($(date +%s) - begin)) s"
