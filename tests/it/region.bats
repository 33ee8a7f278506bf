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

@test "what was sent and what arrived is proved without the hub" {
    tsunagi consent give - --dir "$D" --node p1 <<<"$(consent it-7)"
    sent=$(tsunagi send --json - --dir "$D" --node p1 <<<"$(registration it-7)" |
        sed 's/.*"event_id":"\([^"]*\)".*/\1/')
    tsunagi audit proof "$sent" --dir "$D" --node p1 --out "$D/sent.tlog-proof"
    for _ in $(seq 50); do
        for n in b1-a b1-b; do
            got=$(tsunagi inbox --all --json --dir "$D" --node $n |
                grep -o '"delivery_id":"[^"]*"' | tail -1 | cut -d'"' -f4)
            [ -z "$got" ] || break 2
        done
        sleep 0.1
    done
    tsunagi audit proof "$got" --dir "$D" --node $n >"$D/got.tlog-proof"
    tsunagi audit export "$D/log" --newest --dir "$D"
    for f in sent got; do
        run tsunagi audit verify --json "$D/$f.tlog-proof" --dir "$D" --node $n
        [ "$status" -eq 0 ]
        [[ "$output" == *'"kind":"'[IR][NE]* ]] # INGEST, RELEASE
        run tsunagi audit verify "$D/$f.tlog-proof" --vkey "$D/log/log.vkey"
        [ "$status" -eq 0 ]
        sed 's/^index \(.*\)/index 1\1/' "$D/$f.tlog-proof" >"$D/bad.tlog-proof"
        run tsunagi audit verify "$D/bad.tlog-proof" --vkey "$D/log/log.vkey"
        [ "$status" -eq 9 ]
    done
    run tsunagi audit proof 00000000-0000-7000-8000-000000000000 --dir "$D" --node p1
    [ "$status" -eq 6 ]
}

@test "a preview says who would get what and why not, and sends nothing" {
    before=$(tsunagi outbox --all --json --dir "$D" --node p1 | wc -c)
    run tsunagi send --preview - --dir "$D" --node p1 --lang ja <<<"$(registration it-2)"
    [ "$status" -eq 0 ]
    [[ "$output" == *"まだ何も送っていません"*"OW-B1-49"*"渡るもの: "*"クライシスプラン"* ]]
    run tsunagi send --preview - --dir "$D" --node p1 --lang ja <<<"$(registration it-9)"
    [ "$status" -eq 0 ]
    [[ "$output" == *"何も渡りません"*"渡せる根拠がありません"* ]]
    [ "$(tsunagi outbox --all --json --dir "$D" --node p1 | wc -c)" -eq "$before" ]
}

@test "one delivery is opened by a person who says who they are, and is leafed" {
    for n in b1-a b1-b; do
        id=$(tsunagi inbox --all --dir "$D" --node $n | awk '/EMERGENCY_REGISTERED/ {print $1; exit}')
        [ -z "$id" ] || break
    done
    run tsunagi inbox show "$id" --dir "$D" --node $n
    [ "$status" -eq 2 ]
    run tsunagi inbox show "$id" --actor staff-1 --dir "$D" --node $n
    [ "$status" -eq 0 ]
    [[ "$output" == *レイジジロウ*静かな部屋で待つ* ]]
    run tsunagi inbox show 00000000-0000-4000-8000-000000000000 --actor staff-1 --dir "$D" --node $n
    [ "$status" -eq 6 ]
    run tsunagi inbox --all --dir "$D" --node $n
    [[ "$output" != *レイジジロウ* ]]
}

@test "a consent by options: paper by its hash, listed, withdrawn by its number" {
    echo scan >"$D/paper.pdf"
    echo it-20 >"$D/number"
    tsunagi consent give --person @"$D/number" --purpose P_REG --to OW-B1-49 \
        --classes G_ID,G_CRISIS --until "$(date -d '+90 days' +%F)" --paper "$D/paper.pdf" \
        --text-version 2026-04 --dir "$D" --node p1
    run tsunagi consent list --person - --json --dir "$D" --node p1 <<<it-20
    [ "$status" -eq 0 ]
    [[ "$output" == *"$(sha256sum <"$D/paper.pdf" | cut -c1-64)"* ]]
    [[ "$output" != *it-20* ]]
    ref=$(printf %s "$output" | grep -o '"consent_ref":"[^"]*' | cut -d'"' -f4)
    tsunagi consent withdraw --person @"$D/number" --ref "$ref" --dir "$D" --node p1
    run tsunagi consent withdraw --person @"$D/number" --ref "$ref" --dir "$D" --node p1
    [ "$status" -ne 0 ]
}

@test "a third person's data are consented to by the third person alone" {
    give() {
        tsunagi consent give --person - --purpose P_REG --to OW-B1-49 --until "$(date -d '+90 days' +%F)" \
            --paper "$D/paper.pdf" --text-version 2026-04 --dir "$D" --node p1 "$@" <<<it-21
    }
    run give --classes G_GUARD
    [[ "$output" == *E-VAL-021* ]]
    run give --classes G_GUARD --giver THIRD_PERSON
    [ "$status" -eq 0 ]
    run give --classes G_ID --giver PARENT
    [[ "$output" == *E-VAL-020* ]]
    run give --classes G_ID --giver PARENT --minor-view MINOR_DISAGREES
    [[ "$output" == *E-VAL-022* ]]
    run give --classes G_ID --giver PARENT --minor-view MINOR_AGREES
    [ "$status" -eq 0 ]
    run give --classes G_ID --giver STATUTORY_REP
    [[ "$output" == *E-VAL-020* ]]
    run give --classes G_ID --giver STATUTORY_REP --authority "$D/paper.pdf"
    [ "$status" -eq 0 ]
}

@test "neither number nor token of a person stays on the command line" {
    hub=$(awk '$1 == "hub" {print $2}' "$D/pids")
    kill -STOP "$hub"
    tsunagi consent refuse --person 0000777777 --purpose P_REG --timeout 3s --dir "$D" --node p1 &
    pid=$!
    sleep 0.5
    tsunagi order make lift --agency WO-4931000014 --token 00112233445566778899aabbccddeeff \
        --dir "$D" &
    order=$!
    sleep 0.5
    line=$(tr '\0' ' ' <"/proc/$pid/cmdline")
    token=$(tr '\0' ' ' <"/proc/$order/cmdline")
    kill -CONT "$hub"
    wait $pid || true
    wait $order || true
    [[ "$token" == *"--token xxxxxxxx"* ]]
    [[ "$token" != *00112233* ]]
    [[ "$line" == *"--person xxxxxxxxxx"* ]]
    [[ "$line" != *0000777777* ]]
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
    tsunagi audit export "$out/log" --newest --dir "$D"
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

@test "who has seen it: made once, by who may ask, after asking who asks" {
    out=$(mktemp -d)
    run tsunagi audit report --person - --actor desk --out "$out/r" --dir "$D" --node p1 <<<it-2
    [ "$status" -eq 5 ] # nobody said that the person was asked who they are
    run tsunagi audit report --person - --yes --out "$out/r" --dir "$D" --node p1 <<<it-2
    [ "$status" -eq 2 ]
    [[ "$output" == *--actor* ]]
    run tsunagi audit report --person - --actor desk --yes --dir "$D" --node p1 <<<it-2
    [ "$status" -eq 2 ] # no folder
    run tsunagi audit report --person - --actor desk --yes --out "$out/r" --dir "$D" --node p1 </dev/null
    [ "$status" -eq 2 ] # nobody is named
    run tsunagi audit report --person - --actor desk --yes --out "$out/r" --dir "$D" --node p1 --json <<<it-2
    [ "$status" -eq 0 ]
    [[ "$output" == *'"schema":"tsunagi.audit-report/1","rows":'* ]]
    [ "$(stat -c %a "$out/r" "$out/r/report.html" | xargs)" = "700 600" ]
    grep -q '<html lang="ja">' "$out/r/report.html"
    run tsunagi audit report --person - --actor desk --yes --out "$out/r" --dir "$D" --node p1 <<<it-2
    [ "$status" -eq 7 ]
    run tsunagi audit report --person - --actor desk --yes --out "$out/s" --dir "$D" --node p1 <<<nobody
    [ "$status" -eq 6 ]
    [ ! -e "$out/s" ]
    # half a report is none
    run bash -c 'trap "" XFSZ; ulimit -f 2; tsunagi "$@"' _ audit report --person @"$D/number" \
        --actor desk --yes --out "$out/t" --dir "$D" --node p1
    [[ "$output" == *E-IO-001* ]]
    [ ! -e "$out/t" ]
    rm -rf "$out"
}

@test "an erasure: two people sign, then nobody is left to name; the certificate says what is not gone" {
    tsunagi consent give - --dir "$D" --node p1 <<<"$(consent it-gone)"
    read -r agency token < <(tsunagi person token --dir "$D" --node p1 --person it-gone)
    [ "$agency" = WO-4931000014 ]
    run tsunagi order make erase --dir "$D" --agency "$agency" --token "$token"
    [ "$status" -eq 2 ]
    [[ "$output" == *PERSON_ASKED* ]]
    run tsunagi order make erase --dir "$D" --agency "$agency" \
        --token "${token//[0-9]/f}" --reason PERSON_ASKED
    [ "$status" -eq 6 ]
    tsunagi order make erase --dir "$D" --agency "$agency" --token "$token" \
        --reason PERSON_ASKED --asked-on 2026-11-10 --out "$D/e.order"
    ! grep -q "it-gone\|$token" "$D/e.order"
    tsunagi order sign "$D/e.order" --key "$D/approver-a.key"
    run tsunagi order submit "$D/e.order" --dir "$D"
    [ "$status" -eq 5 ]
    [[ "$output" == *"1 of 2 people"* ]]
    tsunagi order sign "$D/e.order" --key "$D/approver-b.key"
    order=$(tsunagi order submit "$D/e.order" --dir "$D" --json |
        sed 's/.*"order":"\([0-9a-f]*\)".*/\1/')
    run tsunagi order submit "$D/e.order" --dir "$D"
    [ "$status" -eq 7 ]
    run tsunagi order make hold --dir "$D" --agency "$agency" --token "$token" \
        --reason LAW --until 2099-01-01
    [ "$status" -eq 6 ]
    tsunagi erase run --dir "$D"
    run tsunagi erase certificate "$order" --dir "$D" --out "$D/certificate"
    [ "$status" -eq 0 ] || [ "$status" -eq 8 ] # 8: a node has not answered yet
    grep -q "承認した人: 架空 次郎" "$D/certificate/certificate.txt"
    grep -q "だれにも証明できません" "$D/certificate/certificate.txt"
    grep -q "$order" "$D/certificate/certificate.html"
    ! grep -rq "it-gone\|$token" "$D/certificate"
    run tsunagi order list --dir "$D"
    [[ "$output" == *"$order"*over* ]]
    run tsunagi erase certificate "${order//[0-9]/f}" --dir "$D"
    [ "$status" -eq 6 ]
    tsunagi audit export "$D/log-erased" --newest --dir "$D" >/dev/null
    tsunagi audit verify "$D/log-erased"
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
