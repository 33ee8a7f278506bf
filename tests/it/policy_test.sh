#!/bin/sh
# policy_test.sh - the real programs: a clerk changes a table, sees what would
# change, two people approve, and the running hub takes it.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d /tmp/tsunagi-it-XXXXXX)
old=$root/deploy/policy
new=$dir/new
trap 'tsunagi demo down --dir "$dir/r" >/dev/null 2>&1 || :; rm -rf "$dir"' EXIT

say() {
    echo "policy_test: $*"
}
die() {
    echo "policy_test: FAILED: $*" >&2
    exit 1
}
# expects CODE COMMAND...
expects() {
    want=$1
    shift
    got=0
    "$@" >"$dir/out" 2>"$dir/err" || got=$?
    [ "$got" = "$want" ] || {
        cat "$dir/out" "$dir/err" >&2
        die "exit $got, not $want: $*"
    }
}
# says WORDS: the last command said so
says() {
    grep -qF -- "$1" "$dir/out" "$dir/err" || {
        cat "$dir/out" "$dir/err" >&2
        die "did not say: $1"
    }
}

mkdir "$new"
cp "$old"/*.tsv "$new"

say "a table with a fault: every one is told, with its line"
sed -i 's/LB_CONSENT\t本人の同意があるため、支援し/LB_NONE\t本人の同意があるため、支援し/' "$new/rules.tsv"
cmp -s "$old/rules.tsv" "$new/rules.tsv" && die "no fault was made"
expects 3 tsunagi policy lint "$new"
says 'rules.tsv:'
says 'no such basis: LB_NONE'
expects 3 tsunagi policy lint "$new" --lang ja
says 'その根拠は basis.tsv にありません「LB_NONE」'
expects 3 tsunagi policy lint "$new" --json
says '"errors":'
expects 3 tsunagi policy matrix "$new" --tsv
expects 3 tsunagi policy diff "$old" "$new"
expects 6 tsunagi policy lint "$dir/nowhere"
cp "$old/rules.tsv" "$new/rules.tsv"

say "what is worth a look is a warning"
sed -i 's/^\(LB_LIFE\t.*\t\)2023-04-01\t[^\t]*\t/\12023-04-01\t2026-08-01\t/' "$new/basis.tsv"
cmp -s "$old/basis.tsv" "$new/basis.tsv" && die "no end was set"
tsunagi policy lint "$new" --day 2026-07-01 >"$dir/out" 2>"$dir/err" || :
says LB_LIFE
cp "$old/basis.tsv" "$new/basis.tsv"

say "the matrix is a table with a head and one line for every cell"
expects 0 tsunagi policy matrix "$old" --tsv
[ "$(head -1 "$dir/out")" = "$(printf 'event\tpurpose\trecipient\tclass\tpredicates\toutcome\trule\tbasis')" ] ||
    die "another head"
awk -F'\t' 'NF != 8 { exit 1 }' "$dir/out" || die "a line of another width"
[ "$(cut -f1-5 "$dir/out" | sort | uniq -d | wc -l)" = 0 ] || die "a cell twice"
cut -f6 "$dir/out" | sort -u | tr '\n' ' ' | grep -qx 'deny outcome permit ' ||
    die "another outcome"

say "a difference: nothing, less, more, another rule"
expects 0 tsunagi policy diff "$old" "$new"
says 'no cell changed'
awk -F'\t' -v OFS='\t' '$1 == "R036" { sub(/ G_DEST/, "", $8) } { print }' \
    "$old/rules.tsv" >"$new/rules.tsv"
expects 0 tsunagi policy diff "$old" "$new" --tsv
[ "$(tail -n +2 "$dir/out" | cut -f1,4,6 | sort -u)" = \
    "$(printf 'DISCHARGED\tG_DEST\tdeny\nDISCHARGE_PLANNED\tG_DEST\tdeny')" ] || die "not what was changed"
expects 0 tsunagi policy diff "$new" "$old" --lang ja
says '新しく渡すもの'
sed 's/^R020\t/R020X\t/' "$old/rules.tsv" >"$dir/renamed"
mv "$dir/renamed" "$new/rules.tsv"
expects 0 tsunagi policy diff "$old" "$new"
says 'decided by another rule'

say "cases hold, or are named"
expects 0 tsunagi policy test "$old" --day 2026-07-01
awk -F'\t' -v OFS='\t' '$1 == "R001" { sub(/ G_ID/, "", $8) } { print }' \
    "$old/rules.tsv" >"$new/rules.tsv"
expects 3 tsunagi policy test "$new" --day 2026-07-01
says 'cases.tsv:'

say "a hub under the policy that ships"
sed 's/statutory filing/filing by statute/' "$old/vocab.tsv" >"$new/vocab.tsv"
cp "$old/rules.tsv" "$new/rules.tsv"
expects 0 tsunagi demo up --dir "$dir/r"
expects 0 tsunagi policy status --dir "$dir/r"
says 'version 1'
says '2 approvers in force'

say "nothing without two people, nothing but what they saw"
expects 2 tsunagi policy sign "$new"
expects 5 tsunagi policy activate "$new" --dir "$dir/r"
says 'policy sign'
expects 0 tsunagi policy sign "$new" --key "$dir/r/approver-a.key" --dir "$dir/r" --number 2
expects 5 tsunagi policy activate "$new" --dir "$dir/r"
says '1 of 2'
expects 0 tsunagi policy sign "$new" --key "$dir/r/approver-a.key"
expects 5 tsunagi policy activate "$new" --dir "$dir/r"
expects 0 tsunagi policy sign "$new" --key "$dir/r/approver-b.key"
cp "$new/rules.tsv" "$dir/kept"
echo '# touched' >>"$new/rules.tsv"
expects 3 tsunagi policy activate "$new" --dir "$dir/r"
says 'rules.tsv'
cp "$dir/kept" "$new/rules.tsv"
expects 0 tsunagi policy status --dir "$dir/r"
says 'version 1'
says '2 approvers in force'
expects 0 tsunagi policy activate "$new" --dir "$dir/r"
says 'version 2'
expects 7 tsunagi policy activate "$new" --dir "$dir/r"

say "the next change begins with what is in force, not with an old folder"
expects 0 tsunagi policy export "$dir/out-2" --dir "$dir/r"
diff -r "$new" "$dir/out-2" || die "not what was activated"
expects 7 tsunagi policy export "$dir/out-2" --dir "$dir/r"

say "an end without a hub, and what is no decision"
expects 6 tsunagi policy replay 0 --dir "$dir/r"
expects 2 tsunagi policy replay none --dir "$dir/r"
expects 0 tsunagi demo down --dir "$dir/r"
expects 4 tsunagi policy status --dir "$dir/r"
say "ok"
