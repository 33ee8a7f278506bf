"""report.py - the story of a question (SC-19): who has seen my data? The answer
on paper, whole, in words, with proofs; counted here from the log itself."""
import base64
import csv
import datetime
import hashlib
import html.parser
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from hospital import Hospital
from ledger import fields, raw_leaves
from people import HANAKO, today
from region import command, must, wait_for
from story import Story

REPORT_NODES = ["h1", "p1", "n1", "c1", "k1", "w1", "m1"]
STAFF = "5a" * 16  # a member of staff of the office, by their handle
CODE = re.compile(r"\b(?:[RPG]_[A-Z0-9_]+|LB_[A-Z0-9_]+|[EA-Z]+-[A-Z]+-\d{3}|R\d{3}[A-Z]?|"
                  r"[A-Z]+_[A-Z_]{3,})\b")


# ---- her stay ---------------------------------------------------------------------


def stay(story):
    story.tell("架空花子さんが入院し、届出が保健所へ行き、同意したことが相談室と訪問看護に伝わりました",
               "Hanako is admitted: the filing goes its way, and what she agreed to is told")
    hospital, region = Hospital(story, HANAKO), story.region
    hospital.form(("consents.csv", "同意書"))
    hospital.receipts("CONSENT_GIVEN", 2)
    hospital.form(("filing.csv", "入院届"))
    hospital.message("adt_a01.hl7")
    d = region.wait_delivery("p1", "ADMISSION_RECORDED", hospital.before["p1"])
    filed = region.wait_delivery("c1", "FILING_SUBMITTED", hospital.before["c1"])
    story.hold(d and filed, "保健所に入院届、相談室に入院の知らせが届いた",
               "the filing is at the health centre, the admission at the office")
    shown = must("inbox", "show", d["delivery_id"], "--actor", STAFF, "--config",
                 region.conf("p1"), "--lang", "ja")
    story.hold("花子" in shown, "相談室の職員が、画面で開いて読んだ",
               "a member of the office's staff opened it and read it")
    wait_for(lambda: (region.status() or {}).get("waiting_normal") == 0, 5)
    return hospital, d["person_token"]


# ---- the report ---------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """What a reader of the page meets: its words, its tables, what it fetches."""

    def __init__(self, text):
        super().__init__()
        self.words, self.heads, self.tables, self.fetches = [], 0, 0, []
        self.lang, self.phone, self.hidden = "", False, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.lang = attrs.get("lang", "") if tag == "html" else self.lang
        self.phone |= tag == "meta" and attrs.get("name") == "viewport"
        self.tables += tag == "table"
        self.heads += tag == "th" and attrs.get("scope") == "col"
        self.hidden = tag == "style"
        self.fetches += [v for k, v in attrs.items() if k in ("src", "href", "action")]
        self.fetches += [tag] if tag in ("script", "link", "iframe", "img", "object") else []

    def handle_endtag(self, tag):
        if tag == "style":
            self.hidden = False

    def handle_data(self, data):
        if not self.hidden:
            self.words.append(data)


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8-sig", newline="") as f:
        return f.read()


def make(region, number, folder, *more):
    begun = time.monotonic()
    must("audit", "report", "--person", "-", "--actor", "窓口の職員", "--yes", "--out", folder,
         "--config", region.conf("h1"), "--lang", "ja", *more, data=number.encode())
    return json.loads(read(folder, "report.json")), time.monotonic() - begun


def subject(entry):
    return dict(fields(entry)).get(5, b"")


def whole(story, report, entries):
    """The lines are the entries of the log under her handles, one for one."""
    size = report["size"]
    lines = [r["leaf"] for r in report["rows"]]
    handles = {subject(entries[i]) for i in lines}
    about = [i for i, e in enumerate(entries[:size]) if subject(e) in handles]
    story.hold(lines == about and b"" not in handles,
               "記録は%d件。台帳を別に数えても同じ%d件で、抜けはない" % (len(lines), len(about)),
               "%d lines, and counted from the log apart from that: %d" % (len(lines), len(about)))


# ---- proofs, by RFC 6962 and C2SP alone ------------------------------------------------


def sha(data):
    return hashlib.sha256(data).digest()


def root_from(index, size, leaf, path):
    """RFC 9162, 2.1.3.2"""
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            r = sha(b"\x01" + p + r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha(b"\x01" + r + p)
        fn, sn = fn >> 1, sn >> 1
    return r if sn == 0 else None


def proved(row, entry):
    text, note = row["tlog_proof"].split("\n\n", 1)
    lines = text.split("\n")
    extra = [base64.b64decode(x[6:]) for x in lines if x.startswith("extra ")]
    path = [base64.b64decode(x) for x in lines[lines.index("index %d" % row["leaf"]) + 1:]]
    size, root = int(note.split("\n")[1]), base64.b64decode(note.split("\n")[2])
    leaf = sha(b"\x00" + extra[0]) if extra else base64.b64decode(row["hash"])
    return (lines[0] == "c2sp.org/tlog-proof@v1" and leaf == sha(b"\x00" + entry) and
            root_from(row["leaf"], size, leaf, path) == root)


# ---- checks -----------------------------------------------------------------------------


def in_words(story, report, folder):
    page = Page(read(folder, "report.html"))
    text = "".join(page.words)
    story.hold(page.lang == "ja" and page.tables > 0 and page.heads > page.tables and
               page.phone and not page.fetches,
               "一枚のページ: 日本語、見出しのある表、外から何も取り込まず、電話でも読める",
               "one page: Japanese, tables with heads, nothing fetched, fit for a phone",
               str(page.fetches))
    found = CODE.findall(text)
    story.hold(not found, "符号だけの言葉は一つもない", "no code stands for a word", str(found))
    delivered = [r for r in report["rows"] if r["section"] == "deliveries"]
    story.hold({"架空市保健所", "相談室みちしるべ", "訪問看護そら"} <= {r["agency"] for r in delivered} and
               all(r[k] for r in delivered for k in ("role", "purpose", "kinds", "why", "ground")),
               "渡した先ごとに、機関・役割・目的・情報の種類・理由・根拠がある(入院届の道すじも)",
               "for each recipient: agency, role, purpose, kinds, why and ground, the filing too",
               str(delivered))
    sections = {r["section"] for r in report["rows"]}
    story.hold({"reads", "refusals", "consents"} <= sections,
               "開いて読んだこと、渡さなかったこと、同意のことも書いてある",
               "so are what was opened, what was refused, and her consent", str(sections))
    filing = [r for r in delivered if r["agency"] == "架空市保健所"][0]
    story.hold("家族" not in filing["kinds"] and "ほかの人についての情報" in filing["kinds"] and
               all("\nextra " not in r["tlog_proof"] for r in report["rows"]
                   if "ほかの人についての情報" in r["kinds"]),
               "家族のことは「ほかの人についての情報」とだけ書いてある",
               "what is about her family is only said to be about another person", str(filing))


def no_staff(story, folder):
    handle = bytes.fromhex(STAFF)
    secret = [STAFF.encode(), handle, base64.b64encode(handle)[:20]]
    found = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        for extra in re.findall(rb"extra ([A-Za-z0-9+/=]+)", data):
            data += base64.b64decode(extra)
        found += [name for s in secret if s in data]
    story.hold(not found, "職員の名前も、職員を表す番号も、どのファイルにもない",
               "neither a name nor a handle of staff is in any file", str(found))


def printed(story, folder):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        story.tell("(A4の印刷は、ここにブラウザーがないので試していません。ページの指定は @page A4 横です)",
                   "(no browser here: printing on A4 is not tried; the page says @page A4 landscape)")
        return
    pdf = os.path.join(folder, "report.pdf")
    subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--print-to-pdf=" + pdf,
                    "file://" + os.path.join(folder, "report.html")], check=True, timeout=120,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(pdf, "rb") as f:
        boxes = {tuple(round(float(x)) for x in b.split()) for b in
                 re.findall(rb"/MediaBox\s*\[([\d. ]+)\]", f.read())}
    story.hold(boxes and all({b[2], b[3]} <= {841, 842, 595, 596} for b in boxes),
               "A4に印刷できる", "it prints on A4", str(boxes))


def refused(story, token):
    """Neither who may not ask nor who asks about nobody learns anything."""
    region = story.region
    answers = {}
    for node, who in (("w1", token), ("p1", "00" * 16), ("w1", "00" * 16)):
        with tempfile.TemporaryDirectory() as d:
            code, out, err = command("audit", "report", "--token", who, "--actor", STAFF, "--yes",
                                     "--out", os.path.join(d, "r"), "--config", region.conf(node))
            answers[(node, who)] = (code, out, err, os.listdir(d))
    story.hold(len(set(map(str, answers.values()))) == 1 and list(answers.values())[0][0] == 6,
               "求める立場にない機関にも、知らない人についても、答えは一字も違わない「ありません」",
               "who may not ask and who asks about nobody get the same no, letter by letter",
               str(answers))


def later(story, report, token, number, folder):
    """Two people order that one line waits; the next report says so and counts it."""
    region = story.region
    one = [r["leaf"] for r in report["rows"] if r["section"] == "reads"][0]
    day = today() + datetime.timedelta(days=30)
    order = os.path.join(folder, "delay.note")
    must("order", "make", "delay", "--agency", "WO-4931000014", "--token", token, "--leaves",
         str(one), "--until", day.isoformat(), "--basis", "LB_LIFE", "--out", order,
         "--dir", region.folder)
    for who in ("approver-a", "approver-b"):
        must("order", "sign", order, "--key", region.path(who + ".key"))
    must("order", "submit", order, "--dir", region.folder)
    again, _ = make(region, number, os.path.join(folder, "3"))
    waits = [r for r in again["rows"] if r["section"] == "delayed"]
    told = "%d年%d月%d日から見られるようになります(1件)" % (day.year, day.month, day.day)
    story.hold(len(waits) == 1 and waits[0]["act"] == told and "leaf" not in waits[0] and
               not [r for r in again["rows"] if r.get("leaf") == one] and
               again["rows"][-1] == waits[0] and
               told in read(os.path.join(folder, "3"), "report.html"),
               "2人が承認した一行は、その日まで「%s」とだけ出る。数には入っている" % told,
               "a line that two people delayed says from when on it is shown, and is counted",
               str(waits))


def provisions(story, number):
    region, day = story.region, today().isoformat()
    region.drop("h1", ".", "番号一覧.txt", ("1\r\n%s\r\n2\r\n" % number).encode())
    given = list(csv.DictReader(must("audit", "provisions", "--from", day, "--to", day, "--persons",
                                     region.path("h1", "番号一覧.txt"), "--config",
                                     region.conf("h1")).lstrip("\ufeff").splitlines()))
    got = list(csv.DictReader(must("audit", "provisions", "--from", day, "--to", day, "--config",
                                   region.conf("p1")).lstrip("\ufeff").splitlines()))
    gave = [r for r in given if r["区分"] == "提供" and r["相手の名称"] == "相談室みちしるべ" and
            r["本人の番号(自機関のもの)"] == number]
    took = [r for r in got if r["区分"] == "取得" and r["相手の名称"] == "架空こころ病院"]
    story.hold(gave and took and all(r["相手の住所"] and r["相手の代表者"] and r["情報の項目"] and
                                     r["同意または法律の根拠"] for r in gave + took),
               "病院の第三者提供の記録と、相談室の取得の記録も、同じ台帳から出せる",
               "the records of provision and of acquisition come from the same log",
               str((gave[:1], took[:1])))


def play_report(region, options):
    story = Story("わたしの情報を見たのはだれですか", "Who has seen my data?", region)
    hospital, token = stay(story)
    folder = tempfile.mkdtemp(prefix="tsunagi-report-")
    try:
        first = os.path.join(folder, "1")
        report, took = make(region, hospital.number, first)
        story.hold(took < 60, "病院の窓口で求めると、%.1f秒で紙になる" % took,
                   "asked at the hospital's counter it is on paper in %.1f s" % took)
        entries = raw_leaves(region)
        whole(story, report, entries)
        story.hold(all(proved(r, entries[r["leaf"]]) for r in report["rows"]),
                   "どの行にも証明があり、台帳だけから確かめられる",
                   "every line has its proof, checked against the log alone")
        alone = os.path.join(folder, "x.tlog-proof")
        with open(alone, "w") as f:
            f.write([r for r in report["rows"]
                     if r["kind"] == "RELEASE" and "hash" not in r][0]["tlog_proof"])
        must("audit", "verify", alone, "--config", region.conf("p1"))
        in_words(story, report, first)
        no_staff(story, first)
        printed(story, first)
        refused(story, token)
        again, _ = make(region, hospital.number, os.path.join(folder, "2"))
        story.hold([r for r in again["rows"] if r["leaf"] == report["report"] and
                    r["section"] == "lookups" and r["agency"] == "架空こころ病院"],
                   "この紙を作ったことも、次の紙に書いてある",
                   "that it was asked for is in the next one")
        later(story, report, token, hospital.number, folder)
        provisions(story, hospital.number)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    story.note("架空花子さん", "Hanako")
    story.got("MI-4910100017", "本人に渡す記録(%d件)" % len(report["rows"]),
              "the record for her, %d lines" % len(report["rows"]))
    story.not_got("OW-HOUSE-49", "求めても「ありません」", "asks, and is told there is none")
    return story.end()
