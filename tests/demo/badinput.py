"""badinput.py - the story of wrong and hostile input: refused, nothing lost."""
import contextlib
import json
import os
import re
import subprocess
import time
import uuid

from people import HANAKO, MISAKI, consent, fill, form, new_number, token, values
from region import BIN, NODES, command, wait_for
from story import Story
from talk import Broken, padded, say

BADINPUT_NODES = ["h1", "p1", "x1"]
TAKATA = {**HANAKO, "family": "髙田"}


def adt_text(number, **more):
    v = values(HANAKO, number, **more)
    v["birth"] = more.get("birth", "19710407")
    v["admitted"] = v["admitted"].replace("-", "")
    return fill("adt_a01.hl7", v).replace("\n", "\r")


def jis(text):
    """ISO-2022-JP as Japanese Windows systems write it: ① and 髙 too, which
    the standard does not have."""
    out, kanji = b"", False
    for c in text:
        two = len(c.encode("cp932")) == 2
        if two != kanji:
            out += b"\x1b$B" if two else b"\x1b(B"
            kanji = two
        raw = c.encode("cp932")
        if two:
            hi, lo = raw
            if c in "髙":
                hi, lo = 0xee, 0xe0  # the form that has a place in JIS rows
            hi = (hi - (0x71 if hi < 0xa0 else 0xb1)) * 2 + 1
            lo -= 1 if lo > 0x7f else 0
            if lo >= 0x9e:
                hi, lo = hi + 1, lo - 0x7d
            else:
                lo -= 0x1f
            raw = bytes((hi, lo))
        out += raw
    return out + (b"\x1b(B" if kanji else b"")


def hl7_cases(number):
    """What a hospital's system might send: (name ja, en, bytes, code)."""
    good = adt_text(number)
    enc = good.encode("iso2022_jp")
    pid, pv1 = good.index("PID|"), good.index("PV1|")

    def changed(old, new):
        assert old in good, old
        return good.replace(old, new, 1).encode("iso2022_jp")
    return [
        ("文字集合の指定と中身が違う", "another character set than it says",
         good.encode("utf-8"), "E-TXT-002"),
        ("知らない文字集合", "an unknown character set", changed("~ISO IR87", "KLINGON"), "E-TXT-001"),
        ("漢字の途中で切れた電文", "cut inside a kanji sequence",
         enc[:enc.index(b"\x1b$B") + 5], "E-TXT-004"),
        ("途中で切れた電文", "cut off", good[:pv1 + 9].encode("iso2022_jp"), "E-HL7-002"),
        ("MSHのない電文", "no MSH", b"PID|0001||1\r", "E-HL7-001"),
        ("PIDのない電文", "no PID", (good[:pid] + good[pv1:]).encode("iso2022_jp"), "E-HL7-004"),
        ("別の種類の電文", "another kind of message", changed("ADT^A01^ADT_A01", "ORU^R01^ORU_R01"),
         "E-HL7-003"),
        ("別の版の電文", "another version", changed("|P|2.5|", "|P|2.3|"), "E-HL7-006"),
        ("検証番号の合わない医療機関コード", "a hospital's number with a wrong check digit",
         changed("EHR|4910100017", "EHR|4910100018"), "E-VAL-005"),
        ("ほかの病院の医療機関コード", "another hospital's number",
         changed("EHR|4910100017", "EHR|4910100025"), "E-HL7-005"),
        ("2月30日生まれ", "born on 30 February", changed("||19710407|", "||19710230|"), "E-VAL-001"),
        ("13月生まれ", "born in the 13th month", changed("||19710407|", "||19711301|"), "E-VAL-001"),
        ("性別の欄に知らない文字", "an unknown sex", changed("|F|||", "|Z|||"), "E-HL7-005"),
        ("住所の欄にマイナンバー", "a My Number in the address",
         changed("見本町1-2-3", "見本町 123456789018"), "E-VAL-009"),
        ("患者番号にならべてマイナンバー", "a My Number beside the patient's number",
         changed("^^^^PI|", "^^^^PI~123456789018^^^^NI|"), "E-VAL-009"),
        ("読みがなの欄に漢字", "kanji for a reading", changed("カクウ^", "架空^"), "E-VAL-013"),
    ]


def csv_cases(number):
    head, row, *_ = fill("introduction.csv", values(HANAKO, number)).split("\n")
    consents = fill("consents.csv", values(HANAKO, number)).split("\n")

    def table(*rows, encoding="cp932"):
        return "".join(r + "\r\n" for r in rows).encode(encoding)

    def changed(old, new):
        assert old in row, old
        return table(head, row.replace(old, new, 1))
    return [
        ("閉じていない引用符", "an open quote", changed("自分の部屋", '"自分の部屋'), "E-CSV-001"),
        ("列の足りない行", "a row with a column missing", table(head, row.rpartition(",")[0]), "E-CSV-002"),
        ("知らない見出し", "an unknown heading", table(head.replace("希望", "きぼう"), row), "E-CSV-003"),
        ("見出しだけの表", "no rows", table(head), "E-CSV-005"),
        ("Excelが壊した患者番号(4.91E+09)", "a patient number that Excel destroyed",
         changed(number, "4.91E+09"), "E-CSV-004"),
        ("先頭の0が落ちた患者番号", "a patient number without its leading 0",
         changed(number, number[1:]), "E-CSV-004"),
        ("検証番号の合わない事業所番号", "an office number with a wrong check digit",
         changed("4931000014", "4931000015"), "E-VAL-006"),
        ("令和8年2月30日", "30 February Reiwa 8", changed("S46.4.7", "R8.2.30"), "E-VAL-001"),
        ("昭和46年13月", "the 13th month of Showa 46", changed("S46.4.7", "S46.13.7"), "E-VAL-001"),
        ("読めない日付", "an unreadable date", changed("S46.4.7", "ずっと前"), "E-VAL-002"),
        ("外字", "a user-defined character",
         changed("自分の部屋", "@").replace(b"@", b"\xf0\x40"), "E-VAL-010"),
        ("UTF-16で保存した表", "a table saved as UTF-16", table(head, row, encoding="utf-16"), "E-VAL-011"),
        ("知らない性別の語", "an unknown word for sex", changed(",女,", ",おんな,"), "E-PB-005"),
        ("期限のない同意書", "a consent without an end",
         table(consents[0], consents[1].replace(values(HANAKO, number)["half"], "")), "E-VAL-012"),
        ("控えのない同意書", "a consent whose paper was not scanned",
         table(consents[0], consents[1].replace("同意書-見本.pdf", "ない.pdf")), "E-VAL-023"),
        ("入院番号の欄にマイナンバー", "a My Number for a stay",
         changed("V" + number[-6:], "123456789018"), "E-VAL-009"),
        ("5MiBの表", "a table of 5 MiB", table(head, *[row] * 40000), "E-FIL-001"),
    ]


def json_cases(number):
    whole = json.loads(fill("registration.json", values(MISAKI, number)))["body"]

    def event(kind="EMERGENCY_REGISTERED", body=None, **more):
        e = {"type": kind, "person": number, "to": [{"agency": "OW-B1-49", "purpose": "P_REG"}],
             "body": body or whole}
        e.update(more)
        return json.dumps(e, ensure_ascii=False).encode()
    grant = consent("P_REG", ["OW-B1-49"], ["G_ID"])
    return [
        ("閉じていないJSON", "broken JSON", event()[:-3], "E-VAL-014"),
        ("同じ名前が二度あるJSON", "a name twice", b'{"type":"CANCELLED","type":"CANCELLED"}', "E-VAL-014"),
        ("様式にない項目", "a field that no form has", event(body={"favourite_colour": "red"}), "E-VAL-015"),
        ("数であるべき所に文字", "text where a flag belongs",
         event(body={"short_stay_granted": "maybe"}), "E-VAL-016"),
        ("備考にマイナンバー", "a My Number in the notes",
         event(body={**whole, "note": "番号は1234 5678 9018です"}), "E-VAL-009"),
        ("読みがなに漢字", "kanji for a reading",
         event(body={**whole, "name": {"kanji": "仮名美咲", "kana": "仮名"}}), "E-VAL-013"),
        ("知らない種類", "an unknown type", event(kind="PARTY_INVITED", body={"x": 1}), "E-EVT-002"),
        ("名簿にない宛先", "an unknown recipient",
         event(to=[{"agency": "OW-NOBODY-49", "purpose": "P_REG"}]), "E-EVT-014"),
        ("知らない目的", "an unknown purpose",
         event(to=[{"agency": "OW-B1-49", "purpose": "P_FUN"}]), "E-EVT-015"),
        ("相談室からの入院の知らせ", "an admission from an office", event(
            kind="ADMISSION_RECORDED", case="x", to=[], body={
                "name": {"kanji": "仮名美咲", "kana": "カメイミサキ"}, "admitted_on": "2026-04-01"}),
         "E-EVT-018"),
        ("ほかの機関の案件への返事", "an answer on a case of others", event(
            kind="INTRO_ANSWERED", case_token=token(), to=[], body={
                "intro_ref": str(uuid.uuid4()), "answer": "INTRO_ACCEPTED"}), "E-FLW-004"),
        ("「関係機関すべて」への同意", "a consent to all related agencies", event(
            kind="CONSENT_GIVEN", to=[], body={**grant, "recipient": []}), "E-VAL-019"),
        ("大人に代わる家族の同意", "family consenting for an adult", event(
            kind="CONSENT_GIVEN", to=[], body={**grant, "giver": "PARENT"}), "E-VAL-020"),
        ("家族の情報への本人の同意", "the person's consent for a third person's data", event(
            kind="CONSENT_GIVEN", to=[], body={**grant, "classes": ["G_GUARD"]}), "E-VAL-021"),
        ("反対している未成年についての親の同意", "a parent's consent against the minor's will", event(
            kind="CONSENT_GIVEN", to=[], body={**grant, "giver": "PARENT", "minor": True,
                                               "minor_view": "MINOR_DISAGREES"}), "E-VAL-022"),
        ("控えのない書面の同意", "a consent on paper without its hash", event(
            kind="CONSENT_GIVEN", to=[], body={k: v for k, v in grant.items()
                                               if k != "paper_sha256"}), "E-VAL-023"),
        ("終わりが遠すぎる同意", "a consent that lasts too long", event(
            kind="CONSENT_GIVEN", to=[], body={**grant, "valid_to": "2099-01-01"}), "E-VAL-025"),
        ("ない同意の撤回", "the withdrawal of no consent", event(
            kind="CONSENT_WITHDRAWN", to=[], body={"consent_ref": str(uuid.uuid4()),
                                                   "channel": "WITHDRAW_PHONE"}), "E-NF-001"),
    ]


RAW = {  # case of tsunagi-rawpeer: what it is, and the code it deserves
    "unknown-field": ("様式にない項目", "an unknown field", "E-PB-004"),
    "unknown-choice": ("様式にない選択肢", "an unknown choice", "E-PB-005"),
    "not-utf8": ("UTF-8でない文字", "text that is not UTF-8", "E-PB-006"),
    "nul": ("文字の中のNUL", "NUL inside text", "E-PB-007"),
    "wrong-class": ("別の区分に混ぜた病名", "a diagnosis hidden in another part", "E-EVT-008"),
    "twice": ("二度書かれた項目", "a field twice", "E-PB-009"),
    "other-form": ("同じ内容の別の書き方", "the same in another form", "E-PB-008"),
    "no-such-day": ("2月30日", "30 February", "E-VAL-001"),
    "month-13": ("13月", "the 13th month", "E-VAL-001"),
    "my-number": ("備考にマイナンバー", "a My Number in the notes", "E-VAL-009"),
    "control": ("制御文字", "control characters", "E-VAL-011"),
    "oversize": ("256KiBを超える内容", "more than 256 KiB", "E-EVT-017"),
    "commitment": ("署名した要約と違う内容", "content that is not what was signed", "E-EVT-006"),
    "missing-part": ("足りない部品", "a part missing", "E-EVT-007"),
    "other-agency": ("ほかの機関を名乗る", "another agency's code", "E-EVT-003"),
    "other-node": ("ほかの接続を名乗る", "another node's name", "E-EVT-003"),
    "id": ("でたらめな番号", "a bad event number", "E-EVT-001"),
    "type": ("知らない種類", "an unknown type", "E-EVT-002"),
    "schema": ("知らない様式の版", "an unknown schema", "E-EVT-004"),
    "future": ("あしたの日付の電文", "made tomorrow", "E-EVT-009"),
    "old": ("30日前の電文", "made 30 days ago", "E-EVT-009"),
    "expired": ("期限切れの電文", "expired", "E-EVT-010"),
    "sequence": ("順番の番号がない", "no sequence number", "E-EVT-019"),
    "recipient": ("名簿にない宛先", "an unknown recipient", "E-EVT-014"),
    "purpose": ("知らない目的", "an unknown purpose", "E-EVT-015"),
    "no-person": ("本人の番号がない", "no person", "E-EVT-016"),
    "hub-only": ("ハブだけが作る種類", "a type that only the hub makes", "E-EVT-013"),
    "lane": ("回線の取り違え", "the wrong lane", "E-EVT-012"),
    "role": ("役割の外の種類", "not for this role", "E-EVT-018"),
    "signature": ("合わない署名", "a bad signature", "E-EVT-005"),
    "replay": ("同じ番号で中身を変えた電文", "the same number with another body", "E-EVT-011"),
    "version": ("知らない通信の版", "an unknown protocol version", "E-FRM-001"),
    "verb": ("知らない命令", "an unknown verb", "E-FRM-002"),
    "shape": ("枠の足りない電文", "a frame missing", "E-FRM-003"),
    "garbage": ("でたらめなバイト列", "garbage", "E-PB-004"),
    "too-large": ("512KiBを超える電文", "more than 512 KiB", "E-FRM-004"),
    "nesting-bomb": ("35KBの入れ子", "a nesting bomb of 35 kB", "E-PB-001"),
    "unknown-key": ("登録のない鍵での接続", "an unknown key", "HANDSHAKE"),
    "2-MiB-frame": ("2MiBの電文", "a frame of 2 MiB", "CUT"),
}


class BadInput:
    def __init__(self, story):
        self.story, self.region = story, story.region
        self.count, self.codes = 0, set()

    def judge(self, name, got, sentence, code):
        label = say(*name)
        self.count += 1
        if got and got.startswith("E-"):
            self.codes.add(got)
        if got != code or not sentence:
            raise Broken("%s: %s, %s (%s)" % (label, code, got or "-", sentence))
        print("    %s %s %s" % (padded(label, 46), got, sentence), flush=True)

    def hl7(self):
        self.story.tell("病院の端末から(HL7)", "from the hospital's system (HL7)")
        for ja, en, data, code in hl7_cases(new_number()):
            answer = self.region.mllp(data)
            got = re.search(r"E-[A-Z0-9]+-\d+", answer)
            verdict = re.search(r"MSA\|(A[ER])", answer)
            text = re.search(r"MSA\|A[ER]\|[^|]*\|E-\S+ ([^\r|]+)", answer)
            self.judge((ja, en), got and verdict and got[0], text and text[1], code)

    def files(self):
        self.story.tell("病院の書類のフォルダーから(CSV)", "from the hospital's folder of forms (CSV)")
        number = "0" + new_number()[1:]
        cases = [("%02d-%s.csv" % (i, number), *c) for i, c in enumerate(csv_cases(number))]
        for name, _, _, data, _ in cases:
            self.region.drop("h1", "forms", name, data)
        for name, ja, en, data, code in cases:
            why = self.region.wait_taken("h1", "forms", name) or ""
            got = re.search(r"E-[A-Z0-9]+-\d+", why)
            lines = [x for x in re.split(r"[\r\n]+", why) if x and not x.startswith("E-")]
            self.judge((ja, en), got and got[0], lines and lines[0], code)

    def half_written(self):
        name, number = "書きかけ-%s.csv" % new_number(), new_number()
        data = form("consents.csv", TAKATA, number)
        path = self.region.path("h1", "forms", name)
        early = False
        with open(path, "wb", buffering=0) as f:
            for i in range(0, len(data), len(data) // 12):
                f.write(data[i:i + len(data) // 12])
                time.sleep(0.06)
                early |= not os.path.exists(path)
        why = self.region.wait_taken("h1", "forms", name)
        self.count += 1
        self.story.hold(not early and why is None,
                        "書きかけのファイルは読まれず、書き終わってから一度だけ読まれた",
                        "a half-written file is not read; when whole it is, once", why or "early")
        return number

    def json(self):
        self.story.tell("相談室から(JSON)", "from the consultation office (JSON)")
        for ja, en, data, code in json_cases(new_number()):
            _, out, err = command("send", "--json", "-", "--config", self.region.conf("p1"),
                                  data=data)
            got = re.search(r"E-[A-Z0-9]+-\d+", out + err)
            with contextlib.suppress(ValueError):
                err = json.loads(out).get(say("text_ja", "text_en"), "")
            self.judge((ja, en), got and got[0], err.strip().rpartition(": ")[2], code)

    def peer(self, *more):
        region = self.region
        p = subprocess.run(
            [os.path.join(BIN, "tsunagi-rawpeer"), "--key", region.path("x1", "node.key"),
             "--hub", region.path("hub.pub"), "--agency", NODES["x1"][0], "--to",
             "tcp://127.0.0.1:%d" % region.ports["normal"], *more],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)
        if p.returncode != 0:
            raise Broken("tsunagi-rawpeer: %s" % p.stderr.decode())
        return p.stdout.decode()

    def raw(self):
        self.story.tell("回線から直接", "straight on the wire")
        seen = set()
        for line in self.peer().splitlines():
            case, code, sentences = line.split(" ", 2)
            ja, en, expected = RAW[case]
            self.judge((ja, en), code, sentences.split("\t")[say(0, 1)], expected)
            seen.add(case)
        if seen != set(RAW):
            raise Broken(str(set(RAW) - seen))

    def resident(self):
        hub = self.region.running["hub"]
        with open("/proc/%d/status" % (hub if isinstance(hub, int) else hub.pid)) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])

    # Each is an entry of the log, and the store keeps up to 16 MiB of its pages:
    # 9,000 fill 1.7 MiB of that. What grew by the message would be far more.
    def many(self, first, all_of_them):
        def send(n):
            if self.peer("--count", str(n)).strip() != str(n):
                raise Broken(say("返事のない電文がありました", "a message was not answered"))
            return self.resident()
        before = send(first)
        after = send(all_of_them - first)
        self.story.hold(after - before <= 2048,
                        "悪い電文を%d件受けても、ハブのメモリは%d件のときとほぼ同じ(%+dKiB)"
                        % (all_of_them, first, after - before),
                        "after %d bad messages the hub's memory is that after %d (%+d KiB)"
                        % (all_of_them, first, after - before))


def rare_characters(story, number):
    """Not bad at all, though glibc would say so: ① and 髙 in ISO-2022-JP."""
    region = story.region
    text = adt_text(number).replace("架空^花子", "髙田^花子").replace("|5E^", "|①病棟^")
    answer = region.mllp(jis(text))
    d = region.wait_delivery("p1", "ADMISSION_RECORDED",
                             match=lambda d: "髙" in d["body"]["name"]["kanji"])
    body = d["body"] if d else {}
    story.hold("MSA|AA" in answer and body.get("ward") == "①病棟" and
               body["name"]["kanji"] == "髙田 花子",
               "①と髙の入った電文(ISO-2022-JP)は、断らずに正しく読む(髙田 花子、①病棟)",
               "① and 髙 in ISO-2022-JP are not refused but read right (髙田 花子, ①病棟)",
               answer[:300] + str(body))


def play_badinput(region, options):
    story = Story("まちがった入力", "Bad input", region)
    bad = BadInput(story)
    before = {n: len(region.inbox(n)) for n in ("h1", "p1")}
    number = bad.half_written()
    rare_characters(story, number)
    bad.hl7()
    bad.files()
    bad.json()
    bad.raw()
    story.hold(bad.count >= 40, "%d通りの悪い入力は、どれも断られた(コードは%d種。つながる前や大きすぎる電文は接続ごと)"
               % (bad.count, len(bad.codes)),
               "%d bad inputs were refused (%d codes; a strange key and a huge frame by ending the connection)"
               % (bad.count, len(bad.codes)))
    bad.many(*((1000, 1400) if options.quick else (1000, 10000)))
    answer_ = region.mllp(adt_text(number, id="AFTER").encode("iso2022_jp"))
    arrived = wait_for(lambda: len(region.inbox("p1")) == before["p1"] + 2)
    story.hold("MSA|AA" in answer_ and arrived and region.is_running("hub") and
               len(region.inbox("h1")) == before["h1"],
               "正しい電文は、そのあとも普通に届く。失われたものはない",
               "right messages still arrive; nothing was lost", answer_[:200])
    story.note("%d通りの悪い入力をすべて断り、正しい入力はすべて届きました" % bad.count,
               "%d bad inputs were refused; every right one arrived" % bad.count)
    return story.end()
