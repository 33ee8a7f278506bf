#!/usr/bin/env bats
# region.bats - the public commands against a running region, as a script of a
# customer would use them: exit codes, JSON, what lands where.

setup_file() {
    LC_ALL=C.UTF-8
    export LC_ALL
    D=$(mktemp -d)/r
    export D
    tsunagi demo up --dir "$D"
}

teardown_file() {
    tsunagi demo down --dir "$D"
    rm -rf "$(dirname "$D")"
}

registration() { # PERSON
    printf '{"type":"EMERGENCY_REGISTERED","person":"%s",
      "to":[{"agency":"OW-B1-49","purpose":"P_REG"}],
      "body":{"name":{"kanji":"例示次郎","kana":"レイジジロウ"},"birth":"S58.1.15",
      "sex":"MALE","crisis":"静かな部屋で待つ。","valid_to":"2099-03-31"}}' "$1"
}

consent() { # PERSON
    printf '{"type":"CONSENT_GIVEN","person":"%s","to":[],"body":{
      "consent_ref":"%s","purpose":"P_REG","recipient":[{"agency":"OW-B1-49"}],
      "classes":["G_ID","G_CRISIS"],"giver":"SELF","method":"PAPER",
      "text_version":"2026-04","paper_sha256":"%064d","valid_to":"%s"}}' "$1" \
        "$(cat /proc/sys/kernel/random/uuid)" 7 "$(date -d '+100 days' +%F)"
}

@test "status shows every node connected, as JSON with its schema" {
    run tsunagi status --json --dir "$D"
    [ "$status" -eq 0 ]
    [[ "$output" == *'"schema":"tsunagi.status/1"'* ]]
    [[ "$output" != *'"normal":false'* ]]
}

@test "without consent nothing is delivered and the sender is told why" {
    run tsunagi send --json - --dir "$D" --node p1 <<<"$(registration it-1)"
    [ "$status" -eq 0 ]
    [[ "$output" == *'OW-B1-49'* ]]
    [[ "$output" == *'"reason_en":"'* ]]
    for n in b1-a b1-b; do
        run tsunagi inbox --all --dir "$D" --node $n
        [[ "$output" != *EMERGENCY_REGISTERED* ]]
    done
}

@test "with consent it is delivered, with what the consent covers" {
    tsunagi consent give - --dir "$D" --node p1 <<<"$(consent it-2)"
    tsunagi send - --dir "$D" --node p1 <<<"$(registration it-2)"
    for _ in $(seq 50); do
        got=$(tsunagi inbox --all --json --dir "$D" --node b1-a
            tsunagi inbox --all --json --dir "$D" --node b1-b)
        [[ "$got" == *EMERGENCY_REGISTERED* ]] && break
        sleep 0.1
    done
    [[ "$got" == *レイジジロウ* ]]
    [[ "$got" == *1983-01-15* ]]
}

@test "a stream answers line by line while it stays open" {
    run python3 - "$D" <<'PY'
import json, subprocess, sys
p = subprocess.Popen(["tsunagi", "send", "--stream", "--dir", sys.argv[1], "--node", "p1"],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
for line in ('{"type":"CONSENT_REFUSED","person":"it-3","to":[],"body":{"consent_ref":'
             '"11111111-2222-4333-8444-555555555555","purpose":"P_REG","giver":"SELF"}}',
             '{"type":"NOTHING"}'):
    p.stdin.write(line.encode() + b"\n")
    p.stdin.flush()
    print(p.stdout.readline().decode().split()[0])
p.stdin.close()
sys.exit(p.wait())
PY
    [ "$status" -eq 8 ]
    [ "${lines[0]}" = ACK ]
    [ "${lines[1]}" = NACK ]
}

@test "the log is exported and verified without the hub; a changed byte is found" {
    out=$(mktemp -d)
    tsunagi audit export "$out/log" --dir "$D"
    run tsunagi audit verify "$out/log"
    [ "$status" -eq 0 ]
    big=$(find "$out/log" -type f -path '*entries*' -o -type f -path '*data*' | head -n 1)
    [ -n "$big" ] || big=$(find "$out/log" -type f -size +1k | head -n 1)
    python3 - "$big" <<'PY'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
b[len(b) // 2] ^= 1
open(sys.argv[1], "wb").write(b)
PY
    run tsunagi audit verify "$out/log"
    [ "$status" -eq 9 ]
    rm -rf "$out"
}

@test "a revoked node is cut off within two seconds" {
    tsunagi node revoke s3 --dir "$D"
    sleep 2
    run tsunagi status --json --dir "$D"
    [[ "$output" == *'"node":"s3"'*'"state":"revoked","urgent":false,"normal":false'* ]]
}

@test "exit codes: usage 2, configuration 3, hub unreachable 4" {
    run tsunagi nosuch
    [ "$status" -eq 2 ]
    echo 'data = ;' >"$D/bad.conf"
    run tsunagi status --config "$D/bad.conf"
    [ "$status" -eq 3 ]
    sed "s|control = .*|control = \"none.sock\";|" "$D/hub.conf" >"$D/none.conf"
    run tsunagi status --config "$D/none.conf"
    [ "$status" -eq 4 ]
}
