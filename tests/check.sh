#!/bin/sh
# check.sh MAKE - every test, in order of how soon a mistake shows. Stops at
# the first part that fails. Needs only what ./quickstart installed.
set -eu
make=${1:-make}
begin=$(date +%s)
part() {
    echo
    echo "== $1"
    from=$(date +%s)
    shift
    "$@"
    echo "   $(($(date +%s) - from)) s"
}
part 'layers and wire rules' $make --no-print-directory layers
part 'unit tests' $make --no-print-directory -j2 unit
part 'unit tests, ASan and UBSan' $make --no-print-directory -j2 unit-san
part 'unit tests, valgrind' $make --no-print-directory unit-valgrind
part 'policy, decided twice' $make --no-print-directory policy
part 'the log, verified three times' $make --no-print-directory verifiers
part 'integration' $make --no-print-directory it
part 'stories' $make --no-print-directory stories
part 'consents given and taken back at once' $make --no-print-directory storm
part 'integration and stories, ASan and UBSan' $make --no-print-directory it-san
part 'fuzzers' $make --no-print-directory fuzz
echo
echo "everything passed in $(($(date +%s) - begin)) s"
