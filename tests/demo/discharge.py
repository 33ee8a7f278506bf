"""discharge.py - the story of a discharge: with consent, and without."""
import os
import signal

from hospital import ADMISSION, FILING, Hospital, INTRODUCTION, LEAVING, answer
from ledger import ledger
from people import HANAKO, TARO, era, today
from region import NODES, wait_for, write
from search import found_in_files
from story import Story
from talk import Broken, say
from words import WORDS

DISCHARGE_NODES = ["h1", "p1", "n1", "k1", "m1", "w1", "c1"]


def admit_with_power_cut(stay):
    """The acknowledgement is a promise: nothing may be lost after it."""
    story, region = stay.story, stay.region
    hub = region.running["hub"]
    hub = hub if isinstance(hub, int) else hub.pid
    os.kill(hub, signal.SIGSTOP)
    try:
        verdict = stay.message("adt_a01.hl7")
        region.stop("h1", signal.SIGKILL)
    finally:
        os.kill(hub, signal.SIGCONT)
    region.start("h1")
    story.hold(verdict == "AA",
               "入院の電文(ISO-2022-JP)を病院の端末から受け取り、保管してから受付済み(AA)を返した",
               "the admission message (ISO-2022-JP) was stored, then acknowledged (AA)", verdict)
    story.tell("…その直後に病院側の機械の電源を切り、入れ直しました",
               "... and right then the hospital's machine lost its power and was restarted")


def with_consent(story):
    stay = Hospital(story, HANAKO)
    region = story.region
    story.tell("架空花子さんは、相談室みちしるべ・訪問看護そら・基幹相談支援センターと市の窓口に伝えることに同意しました",
               "Hanako agreed: the consultation office, the home-visit nurses, the base centre "
               "and the city may be told")
    stay.form(("consents.csv", "同意書"))
    for r in stay.receipts("CONSENT_GIVEN", 2):
        if r.get("code"):
            raise Broken(str(r))
    admit_with_power_cut(stay)
    p1 = stay.expect("p1", "ADMISSION_RECORDED", ADMISSION)
    stay.expect("n1", "ADMISSION_RECORDED", ADMISSION)
    stay.expect("m1", "ADMISSION_RECORDED", ADMISSION)
    name = p1["body"]["name"]["kanji"].replace(" ", "")
    story.hold(name == "架空花子", "氏名が一字も化けずに届いた(架空花子)",
               "the name arrived unharmed (架空花子)", name)

    stay.form(("introduction.csv", "紹介"))
    intro = stay.expect("p1", "COMMUNITY_PROVIDER_INTRODUCED", INTRODUCTION)
    stay.expect("k1", "COMMUNITY_PROVIDER_INTRODUCED", INTRODUCTION)
    answer(region, "p1", intro, "INTRO_ANSWERED",
           {"answer": "INTRO_ACCEPTED", "contact_name": "相談室みちしるべ 担当01",
            "contact_phone": "000-0000-3001"}, "返事-%s.json" % stay.number)
    stay.expect("h1", "INTRO_ANSWERED", {"G_META"})

    stay.form(("filing.csv", "入院届"))
    filing = stay.expect("c1", "FILING_SUBMITTED", FILING)
    write(region.path("c1", "answers", "受理-%s.csv" % stay.number),
          ("番号,受理日,受理した機関\r\n%s,%s,架空市保健所\r\n" %
           (filing["event_id"], era(today()))).encode("cp932"))
    stay.expect("h1", "FILING_RECEIVED", {"G_META"})

    stay.form(("discharge.csv", "退院予定"))
    for node in ("p1", "n1"):
        stay.expect(node, "DISCHARGE_PLANNED", LEAVING)
    verdict = stay.message("adt_a03.hl7")
    story.hold(verdict == "AA", "退院の電文を受け付けた(AA)", "the discharge was acknowledged", verdict)
    for node in ("p1", "n1"):
        stay.expect(node, "DISCHARGED", LEAVING - {"G_DEST"})
    check_nobody_else(stay)
    return stay


def check_nobody_else(stay):
    story, region = stay.story, stay.region
    for r in stay.receipts("DISCHARGED") + stay.receipts("LEGAL_STATUS_STARTED"):
        if r.get("code"):
            raise Broken(str(r))
    status = wait_for(lambda: (region.status() or {}).get("waiting_normal") == 0)
    story.hold(status, "配り残しはない", "nothing waits to be delivered")
    office = stay.new("p1")
    kinds = set().union(*(WORDS.held(d) for d in office))
    story.hold(not kinds & {"G_DX", "G_LEGAL"},
               "相談室には病名も入院形態も渡っていない",
               "the office got neither the diagnosis nor the legal status")
    hit = found_in_files(region, "p1", [stay.person["diagnosis"], "医療保護入院", "MP_FAMILY"])
    story.hold(not hit, "相談室のどのファイルを探しても、病名と入院形態の語は見つからない",
               "no file of the office holds the words of either", hit)
    story.hold(not stay.new("w1"), "居住支援には何も届いていない",
               "housing support received nothing")
    types = {d["type"] for d in stay.new("c1")}
    story.hold(types == {"FILING_SUBMITTED"}, "保健所に届いたのは入院届だけで、紹介は届いていない",
               "the health centre has the filing and not the introduction", str(types))
    check_municipal_csv(stay)


def check_municipal_csv(stay):
    folder = stay.region.path("m1", "export")
    wanted = {d["event_id"] for d in stay.new("m1")}

    def look():
        return [n for n in os.listdir(folder)
                if n.endswith(".csv") and n[:36] in wanted] or None
    name = wait_for(look)
    text = ""
    if name:
        with open(os.path.join(folder, name[0]), "rb") as f:
            text = f.read().decode("cp932", "strict")
    ok = "架空 花子" in text.replace("　", " ") and "カクウ" in text and "\r\n" in text
    stay.story.hold(ok, "市のCSVはCP932でそのまま開け、氏名と読みがなが正しい",
                    "the city's CSV opens in CP932 with the right name and reading",
                    text[:200] if text else "no CSV")


def without_consent(story):
    stay = Hospital(story, TARO)
    region = story.region
    story.tell("見本太郎さんは、まだ誰にも同意していません。病院は同じ電文と書類を出しました",
               "Taro has agreed to nothing yet. The hospital sends the same messages and forms")
    verdict = stay.message("adt_a01.hl7")
    stay.form(("introduction.csv", "紹介"), ("filing.csv", "入院届"),
              ("discharge.csv", "退院予定"))
    verdict += stay.message("adt_a03.hl7")
    story.hold(verdict == "AAAA", "病院からの電文はどれも受け付けられた",
               "every message of the hospital was acknowledged", verdict)
    stay.expect("c1", "FILING_SUBMITTED", FILING)
    told = {}
    for kind in ("ADMISSION_RECORDED", "COMMUNITY_PROVIDER_INTRODUCED",
                 "LEGAL_STATUS_STARTED", "DISCHARGE_PLANNED", "DISCHARGED"):
        for receipt in stay.receipts(kind):
            for r in receipt.get("recipient", []):
                why = r.get(say("reason_ja", "reason_en"))
                told.setdefault(r.get("agency"), set()).add(why)
                if r.get("released") not in (None, 0, "0", []):
                    raise Broken("%s: %s" % (kind, r))
    wait_for(lambda: (region.status() or {}).get("waiting_normal") == 0)
    for node in DISCHARGE_NODES:
        got = {d["type"] for d in stay.new(node)}
        if got - {"FILING_SUBMITTED"} or (got and node != "c1"):
            raise Broken("%s: %s" % (node, got))
    story.hold(True, "法律で決まった入院届のほかは、どこにも届いていない",
               "beyond the filing that the law requires nothing went anywhere")
    expected = {NODES[n][0] for n in ("p1", "n1", "m1", "w1", "k1")}
    story.hold(expected <= set(told) and all(None not in w and w for w in told.values()),
               "病院には、宛先ごとに理由が返った",
               "the hospital was told why, recipient by recipient", str(sorted(map(str, told))))
    for code in sorted(expected):
        why = " / ".join(sorted(told[code]))
        story.tell("　%s: %s" % (WORDS.agency(code), why), "  %s: %s" % (WORDS.agency(code), why))
    return told


# what SC-01 says may have been given to whom, and nothing else to anyone
SC01 = {
    "p1": {"COMMUNITY_PROVIDER_INTRODUCED": INTRODUCTION, "DISCHARGE_PLANNED": LEAVING,
           "DISCHARGED": LEAVING - {"G_DEST"}},
    "n1": {"DISCHARGE_PLANNED": LEAVING, "DISCHARGED": LEAVING - {"G_DEST"}},
    "k1": {"COMMUNITY_PROVIDER_INTRODUCED": INTRODUCTION},
    "c1": {"FILING_SUBMITTED": None},
}


def sc01(story):
    """The whole list of what went to whom, from the inboxes and from the log."""
    stay, region = Hospital(story, HANAKO), story.region
    story.tell("SC-01 架空花子さん。先月入院し、退院支援(相談室・訪問看護・基幹相談支援センター)に同意した",
               "SC-01 Hanako, admitted last month, agreed to discharge planning: office, nurses, "
               "base centre")
    stay.form(("sc01_consent.csv", "同意書"))
    stay.receipts("CONSENT_GIVEN")
    stay.message("adt_a01.hl7")  # the admission itself was not agreed to
    stay.form(("filing.csv", "入院届"), ("introduction.csv", "紹介"))
    intro = region.wait_delivery("p1", "COMMUNITY_PROVIDER_INTRODUCED", stay.before["p1"])
    answer(region, "p1", intro, "INTRO_ANSWERED",
           {"answer": "INTRO_ACCEPTED", "contact_name": "相談室みちしるべ 担当01"},
           "返事01-%s.json" % stay.number)
    stay.form(("discharge.csv", "退院予定"))
    planned = region.wait_delivery("n1", "DISCHARGE_PLANNED", stay.before["n1"])
    stay.message("adt_a03.hl7")
    stay.form(("sc01_end.csv", "退院届"))
    for node in ("p1", "n1"):
        region.wait_delivery(node, "DISCHARGED", stay.before[node])
    filed = wait_for(lambda: len([d for d in stay.new("c1")
                                  if d["type"] == "FILING_SUBMITTED"]) == 2)
    wait_for(lambda: (region.status() or {}).get("waiting_normal") == 0)
    visit = region.send("n1", {"type": "FIRST_CONTACT_CONFIRMED",
                               "person_token": planned["person_token"], "to": [], "body": {
                                   "contact_on": today().isoformat()}})
    story.hold(visit.get("outcome") == "ACCEPTED", "最初の訪問が確かめられた",
               "the first visit is confirmed", str(visit))
    got = {n: {} for n in SC01}
    for node in DISCHARGE_NODES:
        for d in stay.new(node):
            if node != "h1":
                got.setdefault(node, {}).setdefault(d["type"], []).append(WORDS.held(d))
    right = filed and set(got) == set(SC01) and all(
        set(got[n]) == set(SC01[n]) and
        all(len(got[n][t]) == (2 if t == "FILING_SUBMITTED" else 1) and
            (c is None or got[n][t] == [c]) for t, c in SC01[n].items()) for n in SC01)
    story.hold(right, "渡したものの一覧は、決めたとおり: 相談室3件、訪問看護2件、基幹相談支援センター1件、"
               "保健所は届出2件(紹介は含まない)、市と居住支援は0件",
               "the list of what was given is exactly: office 3, nurses 2, base centre 1, health "
               "centre the two filings and not the introduction, city and housing nothing", str(got))
    events = {d["event_id"]: n for n in ("p1", "n1", "k1", "c1") for d in stay.new(n)}
    releases = [e for e in ledger(region) if e["kind"] == "RELEASE" and e["event"] in events]
    count = {a: sum(e["peer"] == a for e in releases) for a in ("WO-4931000014", "MI-4960100016")}
    story.hold(count == {"WO-4931000014": 3, "MI-4960100016": 2} and
               all(e["released"] and e["basis"] for e in releases),
               "監査記録にも同じ数の提供の記録(相談室3、訪問看護2)があり、どれにも情報の種類と根拠が書かれている",
               "the log has as many records of provision (office 3, nurses 2), each with its kinds "
               "of data and its ground", str(count))


def play_discharge(region, options):
    story = Story("退院支援", "Discharge planning", region)
    sc01(story)
    with_consent(story)
    told = without_consent(story)
    story.note("架空花子さん(同意あり)", "Hanako, who agreed")
    story.got("WO-4931000014", "入院、紹介、退院の予定と退院。病名と入院形態は渡していません(同意も必要もないため)",
              "admission, introduction, discharge; neither diagnosis nor legal status")
    story.got("MI-4960100016", "入院と退院の予定、退院", "admission, planned discharge, discharge")
    story.got("OW-K1-492019", "紹介", "the introduction")
    story.got("LG-492019", "支給決定の事務のための入院の知らせ(CP932のCSV)",
              "the admission, for the benefit (CSV in CP932)")
    story.got("HC-492019-01", "入院届(法律による届出)", "the admission filing, required by law")
    story.not_got("OW-HOUSE-49", "入院の事実は住まいの支援には渡せません",
                  "an admission is not passed on to housing support")
    story.note("見本太郎さん(同意なし)", "Taro, who has not agreed")
    story.got("HC-492019-01", "入院届だけ(法律による届出)", "the filing alone, required by law")
    for code in ("WO-4931000014", "MI-4960100016", "OW-K1-492019", "LG-492019", "OW-HOUSE-49"):
        why = sorted(told[code])[0]
        story.not_got(code, why, why)
    return story.end()
