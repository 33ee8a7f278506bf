#!/bin/sh
# audit_test.sh - the real programs: a hub makes a log, `tsunagi audit` exports
# it, and a verifier without the hub finds whatever was touched (exit 9).
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d /tmp/tsunagi-it-XXXXXX)
hub=
trap 'if [ -n "$hub" ]; then kill "$hub" 2>/dev/null || :; fi; rm -rf "$dir"' EXIT

say() {
    echo "audit_test: $*"
}
die() {
    echo "audit_test: FAILED: $*" >&2
    sed 's/^/  hub: /' "$dir/hub.log" >&2 || :
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
free_port() {
    for p in $(shuf -i 20000-32000 -n 50); do
        if ! grep -qi ":$(printf %04X "$p") " /proc/net/tcp; then
            echo "$p"
            return
        fi
    done
}
start() {
    tsunagid -c "$dir/hub.conf" 2>>"$dir/hub.log" &
    hub=$!
    for _ in $(seq 100); do
        [ -S "$dir/control" ] && tsunagi status --config "$dir/hub.conf" \
            >/dev/null 2>&1 && return
        sleep 0.05
    done
    die "the hub does not answer"
}
stop() {
    kill "$hub"
    wait "$hub" || die "the hub ended with $?"
    hub=
}

mkdir "$dir/data" "$dir/state" "$dir/keys"
(cd "$dir/keys" && tsunagi key make hub >/dev/null &&
    tsunagi key make log >/dev/null && tsunagi key make h1 >/dev/null)
urgent=$(free_port)
normal=$(free_port)
[ "$urgent" != "$normal" ] || normal=$((normal + 1))
cat >"$dir/hub.conf" <<EOF
data = "data";
keyring = "keyring";
state = "state";
keys = { hub = "keys/hub.key"; log = "keys/log.key"; kek = "keys/kek"; };
registry = { agencies = "$root/deploy/region/agencies.tsv"; municipalities = "$root/deploy/region/municipalities.tsv"; nodes = "nodes.tsv"; };
policy = "policy";
approvers = "approvers.tsv";
endpoint = { urgent = "tcp://127.0.0.1:$urgent"; normal = "tcp://127.0.0.1:$normal"; };
control = "control";
origin = "kakuu.example/log";
fictitious = true;
EOF

mkdir "$dir/policy"
cp "$root"/deploy/policy/*.tsv "$dir/policy"
printf 'name\tperson_ja\tsign\tstate\n' >"$dir/approvers.tsv"
for who in a b; do
    (cd "$dir/keys" && tsunagi key make approver-$who >/dev/null)
    sign=$(tsunagi key show "$dir/keys/approver-$who.pub" --json |
        sed 's/.*"sign":"\([0-9a-f]*\)".*/\1/')
    printf 'approver-%s\t架空 %s\t%s\tactive\n' "$who" "$who" "$sign" \
        >>"$dir/approvers.tsv"
done
for who in a b; do
    tsunagi policy sign "$dir/policy" --key "$dir/keys/approver-$who.key" \
        --config "$dir/hub.conf" >/dev/null || die "not signed"
done

say "a hub with a log of some hundred leaves"
start
expects 0 tsunagi node add "$dir/keys/h1.pub" --agency MI-4910100017 --config "$dir/hub.conf"
expects 0 tsunagi node approve h1 --yes --config "$dir/hub.conf"
expects 0 tsunagi audit checkpoint --config "$dir/hub.conf"
cp "$dir/out" "$dir/older"
for _ in $(seq 280); do
    tsunagi case list --config "$dir/hub.conf" >/dev/null # each look is a leaf
done

say "the export holds, alone and against an older head"
expects 0 tsunagi audit export "$dir/log" --config "$dir/hub.conf"
stop
expects 0 tsunagi audit verify "$dir/log"
expects 0 tsunagi audit verify "$dir/log" --older "$dir/older"
expects 0 tsunagi audit verify "$dir/log" --json
grep -q '"schema":"tsunagi.audit-verify/1"' "$dir/out" || die "no schema"

say "code of others says the same"
cp "$dir/log/log.vkey" "$dir/vkey"
expects 0 tsunagi audit verify "$dir/log" --vkey "$dir/vkey"
expects 0 /usr/bin/python3 -B "$root/tests/verify/verify.py" "$dir/log" --vkey "$dir/vkey" --older "$dir/older"
go=$(dirname "$(command -v tsunagi)")/../verify/verify-go
expects 0 "$go" export "$dir/log" --vkey "$dir/vkey" --older "$dir/older"

say "one flipped byte in every kind of file is found"
find "$dir/log" -type f | sort >"$dir/files"
[ "$(wc -l <"$dir/files")" -ge 7 ] || die "too few files: $(cat "$dir/files")"
while read -r file; do
    for at in 0 5 $(($(wc -c <"$file") / 2)) $(($(wc -c <"$file") - 2)); do
        cp "$file" "$dir/kept"
        byte=$(od -An -tu1 -j "$at" -N 1 "$file" | tr -d ' ')
        # shellcheck disable=SC2059 # the octal escape is the format
        printf "\\$(printf %03o $((byte ^ 1)))" |
            dd of="$file" bs=1 seek="$at" conv=notrunc 2>/dev/null
        expects 9 tsunagi audit verify "$dir/log"
        cp "$dir/kept" "$file"
    done
    mv "$file" "$dir/kept"
    expects 9 tsunagi audit verify "$dir/log"
    mv "$dir/kept" "$file"
done <"$dir/files"
expects 0 tsunagi audit verify "$dir/log"

say "another key, another hub's head"
expects 9 tsunagi audit verify "$dir/log" --older "$dir/hub.conf"
sed 's/.*/&x/' "$dir/log/log.vkey" >"$dir/other.vkey"
expects 9 tsunagi audit verify "$dir/log" --vkey "$dir/other.vkey"

say "a data folder put back is refused (78)"
cp -a "$dir/data" "$dir/data-then"
start
expects 0 tsunagi case list --config "$dir/hub.conf"
expects 0 tsunagi audit checkpoint --config "$dir/hub.conf"
cp "$dir/out" "$dir/newest"
stop
rm -rf "$dir/data"
cp -a "$dir/data-then" "$dir/data"
expects 78 tsunagid -c "$dir/hub.conf"

say "and goes on under a new name, by two people's order"
sed -i 's|kakuu.example/log|kakuu.example/log/2|' "$dir/hub.conf"
expects 78 tsunagid -c "$dir/hub.conf"
expects 0 tsunagi order make epoch --reason RESTORED --older "$dir/newest" \
    --new-origin kakuu.example/log/2 --out "$dir/order"
expects 0 tsunagi order sign "$dir/order" --key "$dir/keys/approver-a.key"
expects 78 tsunagid -c "$dir/hub.conf" --new-epoch "$dir/order"
expects 0 tsunagi order sign "$dir/order" --key "$dir/keys/approver-b.key"
expects 0 tsunagid -c "$dir/hub.conf" --new-epoch "$dir/order"
expects 0 tsunagid -c "$dir/hub.conf" --new-epoch "$dir/order" # nothing more
start
rm -rf "$dir/log"
expects 0 tsunagi audit export "$dir/log" --config "$dir/hub.conf"
stop
expects 0 tsunagi audit verify "$dir/log"
expects 0 tsunagi audit verify "$dir/log" --older "$dir/older" # the old name
expects 9 tsunagi audit verify "$dir/log" --older "$dir/newest" # what was lost
grep -q '^kakuu.example/log/2$' "$dir/log/checkpoint" || die "not the new name"
sed -i 's|kakuu.example/log/2|kakuu.example/log|' "$dir/hub.conf"
expects 78 tsunagid -c "$dir/hub.conf"
say "ok"
