#!/bin/sh
# run.sh - runs tests, a program or script each, and says how it went.
#   run.sh [-j N] [-w WRAPPER] NAME...
# A failing test's whole output is shown. Closes with "N passed, N failed".
jobs=2
wrap=
while getopts j:w: o; do
    case $o in
    j) jobs=$OPTARG ;;
    w) wrap=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { echo "run.sh: no tests" >&2; exit 2; }
out=$(mktemp -d) || exit 2
trap 'rm -rf "$out"' EXIT
export out wrap
printf '%s\n' "$@" | xargs -P "$jobs" -I{} sh -c '
    log="$out/$(echo "{}" | tr "/ " "__")"
    begin=$(date +%s)
    if $wrap {} >"$log" 2>&1; then
        echo "  ok    {} ($(($(date +%s) - begin)) s)"
        : >"$log.ok"
    else
        code=$?
        echo "  FAIL  {} (exit $code)"
        sed "s/^/        | /" "$log" | tail -n 60
        : >"$log.bad"
    fi'
passed=$(find "$out" -name '*.ok' | wc -l)
failed=$(($# - passed))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
