"""consent.py - the story of a no: a plan refused (SC-06), a consent taken back
while a computer is off, an address that must not leave."""
import os
import re
import time

from hospital import Hospital
from ledger import ledger
from people import HANAKO, JIRO, fill, new_number, today, values
from region import must, wait_for, write
from search import Identity
from story import Story

CONSENT_NODES = ["h1", "p1", "n1", "c1", "c2", "m2", "w1", "k1", "m1"]
PLAN_TO = ["HC-490008-01", "LG-492027", "WO-4931000014"]


def identity(person):
    return {"name": {"kanji": person["family"] + person["given"],
                     "kana": person["family_kana"] + person["given_kana"]},
            "birth": person["birth"].isoformat(),
            "sex": {"F": "FEMALE", "M": "MALE"}[person["sex"]]}


def nobody_told(stay, nodes, kinds):
    """None of these nodes got any of these kinds; waits for what is under way."""
    wait_for(lambda: (stay.region.status() or {}).get("waiting_normal") == 0, 5)
    time.sleep(0.3)
    return {n: t for n in nodes for t in {d["type"] for d in stay.new(n)} & kinds}


# ---- SC-06: the plan is refused ---------------------------------------------------


def outcome(region, node, event):
    """What the hub answers to an event, without what differs from one to the next."""
    a = region.send(node, event)
    receipt = a.get("receipt", {})
    return {"code": a.get("code", ""), "outcome": a.get("outcome"),
            "recipient": receipt.get("recipient", [])}


def refuse(story):
    story.tell("SC-06 例示次郎さん(措置入院中)は、退院後支援計画の説明を二度受け、断りました",
               "SC-06 Jiro, compulsorily admitted, was told of the support plan twice and refuses")
    stay, region = Hospital(story, JIRO), story.region
    region.send("h1", {"type": "PD_CANDIDATE_NOTIFIED", "person": stay.number, "case": "pd", "to": [
        {"agency": "HC-490008-01", "purpose": "P_PD"}], "body": {
            **identity(JIRO), "admitted_on": "2026-02-10", "destination": "自宅"}})
    candidate = region.wait_delivery("c2", "PD_CANDIDATE_NOTIFIED", stay.before["c2"])
    must("consent", "refuse", "--person", "-", "--purpose", "P_PD", "--config",
         region.conf("h1"), data=stay.number.encode())
    listed = must("consent", "list", "--json", "--person", "-", "--config", region.conf("h1"),
                  data=stay.number.encode())
    story.hold("CONSENT_REFUSED" in listed and '"accepted"' in listed,
               "断ったことは「同意しない」として記録された",
               "the refusal is a record of its own", listed)
    needs = outcome(region, "h1", {
        "type": "NEEDS_ASSESSED", "person": stay.number, "case": "pd",
        "to": [{"agency": a, "purpose": "P_PD"} for a in PLAN_TO],
        "body": {"assessed_on": today().isoformat(), "summary": "(架空の記載)"}})
    released = [r for r in needs["recipient"] if r.get("released") not in (None, 0, "0")]
    story.hold(len(needs["recipient"]) == 3 and not released,
               "ニーズの評価は、県中央保健所・見本市・相談室のどこにも渡らない",
               "the needs go neither to the health centre nor to the city nor to the office",
               str(needs))
    if candidate:
        region.drop("c2", "answers", "計画-%s.json" % stay.number, fill("plan.json", values(
            JIRO, stay.number, answer_to=candidate["event_id"], source="SC06-" + stay.number)))
        region.wait_taken("c2", "answers", "計画-%s.json" % stay.number)
    got = nobody_told(stay, ["h1", "c2", "m2", "p1", "n1", "m1"],
                      {"PLAN_ISSUED", "NEEDS_ASSESSED", "CONSENT_REFUSED"})
    story.hold(not got, "保健所が作った計画も、断ったという事実も、だれにも届かない",
               "neither the plan that the health centre wrote nor the refusal reaches anyone",
               str(got))
    return stay


def ask_of_a_plan(story, refused):
    """The office knows him from another matter and asks: is there a plan?"""
    region = story.region
    refused.form(("consents.csv", "同意書"), ("introduction.csv", "紹介"))
    d = region.wait_delivery("p1", "COMMUNITY_PROVIDER_INTRODUCED", refused.before["p1"])
    story.hold(d, "相談室は、住まいの相談(別の目的の同意)で例示次郎さんを知っている",
               "the office knows him from another matter, to which he agreed")

    def ask(**who):
        return outcome(region, "p1", {
            "type": "EARLY_WARNING", **who, "to": [{"agency": "HC-490008-01", "purpose": "P_PD"}],
            "body": {**identity(JIRO), "signs": "(架空の記載)"}})
    his, nobody = ask(person_token=d["person_token"]), ask(person="いない人")
    story.hold(his == nobody and his["recipient"],
               "相談室が計画のことを確かめようとしても、答えは、いない人についてのものと一字も違わない",
               "whatever the office asks about a plan, the answer is that about somebody who "
               "does not exist, letter by letter", str((his, nobody)))
    got = nobody_told(refused, ["c2"], {"EARLY_WARNING"})
    story.hold(not got, "問い合わせは、保健所にも届いていない", "nor did the question reach the health centre")


def file_all_the_same(story, refused):
    region = story.region
    sent = region.send("h1", {
        "type": "FILING_SUBMITTED", "person": refused.number, "case": "filing SC06",
        "to": [{"agency": "HC-492019-01", "purpose": "P_FIL"}],
        "body": {**identity(JIRO), "form_code": "SOCHI_CEASE", "legal_status": "INVOLUNTARY",
                 "admitted_on": "2026-02-10", "submitted_on": today().isoformat(),
                 "hospital_name": "架空こころ病院", "dx_main": "(架空の病名)",
                 "history": "(架空の記載)"}})
    d = region.wait_delivery("c1", "FILING_SUBMITTED", refused.before["c1"])
    story.hold(d, "法律で決まった症状消退届は、断っても変わらず保健所に届く",
               "the filing that the law requires arrives all the same", str(sent))


# ---- taken back while the nurses' computer is off -------------------------------------


def paper_number(stay):
    folder = stay.region.path("h1", "forms", "done")
    with open(os.path.join(folder, "同意書-%s.csv.receipt.txt" % stay.number), "rb") as f:
        return re.search(r"CONSENT_GIVEN \S+ (\S+)", f.read().decode("utf-8-sig"))[1]


def jam(region, node):
    """The node's folder takes no files any more: what comes stays unread."""
    os.rename(region.path(node, "inbox"), region.path(node, "inbox.away"))
    write(region.path(node, "inbox"), "")


def unjam(region, node):
    os.remove(region.path(node, "inbox"))
    os.rename(region.path(node, "inbox.away"), region.path(node, "inbox"))


def withdraw_offline(story):
    story.tell("架空花子さんは、入院のことを相談室と訪問看護に伝えることに同意しました",
               "Hanako agreed that the office and the nurses may be told of her admission")
    stay, region = Hospital(story, HANAKO), story.region
    stay.form(("consents.csv", "同意書"))
    stay.receipts("CONSENT_GIVEN", 2)
    jam(region, "n1")
    stay.message("adt_a01.hl7")
    p1 = region.wait_delivery("p1", "ADMISSION_RECORDED", stay.before["p1"])
    unread = region.wait_status("n1", lambda s: s["inbox"]["new"] == 1)
    story.hold(p1 and unread, "入院の知らせは届いたが、訪問看護の端末ではまだだれも読んでいない",
               "it arrived; at the nurses' nobody has read it yet")
    region.stop("n1")
    must("consent", "withdraw", "--person", "-", "--ref", paper_number(stay), "--config",
         region.conf("h1"), data=stay.number.encode())
    story.tell("訪問看護の端末は電源が切れている。ここで本人が同意を撤回した",
               "The nurses' computer is off. Now she withdraws")
    unjam(region, "n1")
    region.start("n1")
    region.wait_connected(["n1"])
    gone = region.wait_status("n1", lambda s: s["inbox"]["recalled"] >= 1)
    mine = [d for d in region.inbox("n1") if d["delivery_id"] not in stay.before["n1"] and
            d["type"] == "ADMISSION_RECORDED"]
    story.hold(gone and len(mine) == 1 and mine[0]["recalled"] and "body" not in mine[0],
               "つないだとたんに回収された。端末の記録には「取り消されました」だけが残る",
               "it is called back the moment the computer connects; only that remains", str(mine))
    region.stop("n1")
    known = set()
    for _, data in region.files("n1"):
        known |= Identity([("花子", "架空花子", "カクウハナコ", HANAKO["birth"])]).found(data)
    files = os.listdir(region.path("n1", "inbox"))
    story.hold(not known and not any(mine[0].get("event_id", "?") in f for f in files),
               "端末のどのファイルにも、花子さんの氏名・読みがな・生年月日は残っていない",
               "no file of that computer holds her name, reading or date of birth", str(known))
    region.start("n1")
    region.wait_connected(["n1"])
    held = wait_for(lambda: next((d for d in region.inbox("p1")
                                  if d["delivery_id"] == p1["delivery_id"] and d["recalled"]),
                                 None))
    story.hold(held and "body" not in held,
               "すでに読んだ相談室では「取り消されました」の印が付き、もう表示されない",
               "at the office, which had read it, it is marked and shown no more", str(held))
    answers = [e["reason"] for e in ledger(region) if e["kind"] == "RECALL" and
               e["phase"] == "ANSWER"]
    story.hold(len(answers) == 2, "回収の結果(消した、渡し済み)は、監査記録に残る",
               "what became of each recall (deleted, handed over) is in the log", str(answers))
    told = {n: region.wait_delivery(n, "CONSENT_WITHDRAWN", stay.before[n]) for n in ("p1", "n1")}
    story.hold(told["p1"], "持っている相手には、撤回されたことが知らされた",
               "who holds something was told of the withdrawal", str(told))
    return stay


# ---- the protection of an address ------------------------------------------------------


def protect(story):
    region = story.region
    story.tell("花子さんはあらためて同意したが、住所を知られてはならない事情ができた",
               "Hanako agrees anew; but now there are those who must not learn her address")
    stay = Hospital(story, HANAKO)
    stay.form(("consents.csv", "同意書"))
    stay.receipts("CONSENT_GIVEN", 2)
    stay.message("adt_a01.hl7")
    first = region.wait_delivery("p1", "ADMISSION_RECORDED", stay.before["p1"])
    token = first["person_token"]
    on = must("person", "protect", "--on", "--ground", "ASKED_BY_PERSON", "--until",
              values(HANAKO, stay.number)["half"], "--token", token, "--config",
              region.conf("p1"), "--json")
    story.hold('"ACCEPTED"' in on, "相談室が、本人の申し出で住所の保護を付けた",
               "the office protects the address, as she asked", on)
    stay.form(("discharge.csv", "退院予定"))
    stay.expect("p1", "DISCHARGE_PLANNED", {"G_META", "G_ID", "G_DIS_DATE"})
    off = region.send("p1", {"type": "ADDRESS_PROTECTION_SET", "person_token": token, "to": [],
                             "body": {"on": False}})
    story.hold(off.get("outcome") == "REFUSED",
               "保護を外すことは、相談室にはできない", "the office cannot take it off", str(off))
    return stay


def places(story):
    region, number = story.region, new_number()
    line = must("person", "places", "--person", "-", "--resident", "49202", "--present", "49201",
                "--shikyu", "49202", "--plan", "49202", "--config", region.conf("h1"), "--json",
                data=number.encode())
    story.hold('"ACCEPTED"' in line, "四つの市区町村(住所地・現在地・支給決定・退院後)を登録した",
               "the four municipalities of a person are recorded", line)


def play_consent(region, options):
    story = Story("同意しない、取り消す、知られない", "Refused, withdrawn, protected", region)
    refused = refuse(story)
    ask_of_a_plan(story, refused)
    file_all_the_same(story, refused)
    withdraw_offline(story)
    protect(story)
    places(story)
    story.note("例示次郎さん(計画を断った)", "Jiro, who refused the plan")
    story.got("HC-492019-01", "症状消退届だけ(法律による届出)", "the filing alone, required by law")
    for code in PLAN_TO:
        story.not_got(code, "計画もニーズも渡していません", "neither the plan nor the needs")
    story.note("架空花子さん(撤回した)", "Hanako, who withdrew")
    story.not_got("MI-4960100016", "読まれる前に、端末から回収しました",
                  "called back from the computer before anyone read it")
    story.not_got("WO-4931000014", "読んだものに取消しの印を付けました。住所は渡していません",
                  "what was read is marked; the address never left")
    return story.end()
