"""plan.py - the story of a support plan, and of a consent taken back."""
import os
import re
import time

from hospital import Hospital
from people import TARO, fill, new_number, values
from region import must, wait_for
from story import Story
from talk import Broken
from words import WORDS

PLAN_NODES = ["h1", "c2", "n1", "m1", "p1"]
WHOLE_PLAN = {"G_META", "G_ID", "G_PLAN", "G_CRISIS"}
CARE_PLAN = WHOLE_PLAN | {"G_NEEDS", "G_NEEDS_SAFETY"}
OWN_PART = {"G_META", "G_ID", "G_PLAN_OWN", "G_CRISIS"}


class Plan(Hospital):
    """The same person, through the health centre."""

    def __init__(self, story):
        self.story, self.region = story, story.region
        self.person, self.number = TARO, new_number()
        self.before = {n: {d["delivery_id"] for d in self.region.inbox(n)} for n in PLAN_NODES}
        self.sent_before = {e["event_id"] for e in self.region.outbox("h1")}
        self.candidate = None

    def issue(self, name):
        self.region.drop("c2", "answers", name + ".json", fill("plan.json", values(
            self.person, self.number, answer_to=self.candidate["event_id"], source=name)))
        why = self.region.wait_taken("c2", "answers", name + ".json")
        if why:
            raise Broken(why)

    def refused_without_consent(self, name):
        sent = {e["event_id"] for e in self.region.outbox("c2")}
        self.issue(name)

        def look():
            mine = [e for e in self.region.outbox("c2") if e["event_id"] not in sent]
            return [e for e in mine if e["state"] not in ("waiting", "new")] == mine and mine
        answers = wait_for(look) or []
        codes = {e.get("code") for e in answers}
        self.story.hold(codes == {"E-POL-001"},
                        "本人の同意がまだないので、計画は受け付けられない",
                        "without the person's consent the plan is not taken", str(codes))

    def has(self, node, number):
        return lambda: [d for d in self.new(node) if d["type"] == "PLAN_ISSUED" and
                        d.get("body", {}).get("plan_no") == number]


def consent_number(stay):
    """The consent's number is on the receipt that lies beside the form."""
    folder = stay.region.path("h1", "forms", "done")
    name = "同意書-%s.csv.receipt.txt" % stay.number
    with open(os.path.join(folder, name), "rb") as f:
        return re.search(r"CONSENT_GIVEN \S+ (\S+)", f.read().decode("utf-8-sig"))[1]


def play_plan(region, options):
    story = Story("退院後支援計画", "Post-discharge support plan", region)
    stay = Plan(story)
    region.drop("h1", "answers", "候補-%s.json" % stay.number,
                fill("candidate.json", values(TARO, stay.number)))
    why = region.wait_taken("h1", "answers", "候補-%s.json" % stay.number)
    if why:
        raise Broken(why)
    stay.candidate = stay.expect("c2", "PD_CANDIDATE_NOTIFIED", {"G_META", "G_ID", "G_ADM", "G_DEST"}
                                 - {"G_META"})
    stay.refused_without_consent("PD-0-%s" % stay.number)
    stay.form(("plan_consent.csv", "同意書"))
    for r in stay.receipts("CONSENT_GIVEN"):
        if r.get("code"):
            raise Broken(str(r))
    story.tell("見本太郎さんは、計画を病院・訪問看護・市・相談室に渡すことに同意しました",
               "Taro agreed that hospital, visiting nurses, city and office have the plan")
    stay.issue("PD-1-%s" % stay.number)
    for node, classes in (("h1", CARE_PLAN), ("n1", CARE_PLAN), ("m1", WHOLE_PLAN),
                          ("p1", OWN_PART)):
        stay.expect(node, "PLAN_ISSUED", classes)
    kinds = set().union(*(WORDS.held(d) for n in PLAN_NODES for d in stay.new(n)))
    story.hold(not kinds & {"G_DX", "G_LEGAL"}, "病名と「措置」の語は、誰の計画にも入っていない",
               "neither the diagnosis nor the compulsory measure is in anyone's copy", str(kinds))
    withdraw(story, stay)
    story.got("MI-4910100017", "計画の全体とニーズ", "the plan and the needs")
    story.got("MI-4960100016", "計画の全体とニーズ(改訂版は、撤回のため届いていません)",
              "the plan and the needs; the revision, withdrawn in time, never came")
    story.got("LG-492019", "計画の全体(ニーズは含みません)", "the plan, without the needs")
    story.got("WO-4931000014", "担当する支援とクライシスプランだけ", "its own part and the crisis plan")
    story.got("HC-490008-01", "病院からの候補の知らせ", "the hospital's notice of a candidate")
    story.note("撤回のあとは、送信待ちだったものも含めて誰にも渡していません",
               "after the withdrawal nothing was passed on, not even what was already queued")
    return story.end()


def withdraw(story, stay):
    region = story.region
    region.stop("n1")
    stay.issue("PD-2-%s" % stay.number)
    story.hold(wait_for(stay.has("h1", "PD-2-%s" % stay.number)),
               "改訂した計画は病院に届いた。訪問看護そらは端末を切っていて、まだ受け取っていない",
               "the revised plan reached the hospital; the nurses' computer is off, so it waits")
    waiting = (region.status() or {}).get("waiting_normal", 0)
    story.hold(waiting == 1, "訪問看護そらあての改訂版が1件、送信待ち",
               "one delivery waits for the nurses", str(waiting))
    must("consent", "withdraw", "--config", region.conf("h1"), "--person", stay.number,
         "--ref", consent_number(stay))
    story.tell("ここで見本太郎さんが同意を撤回しました(電話)", "Now Taro withdraws his consent")
    region.start("n1")
    region.wait_connected(["n1"])
    told = region.wait_delivery("n1", "CONSENT_WITHDRAWN", stay.before["n1"])
    story.hold(told, "訪問看護そらには、撤回されたことが届いた", "the nurses were told of the withdrawal")
    wait_for(lambda: (region.status() or {}).get("waiting_normal") == 0)
    time.sleep(0.5)
    story.hold(not stay.has("n1", "PD-2-%s" % stay.number)(),
               "送信待ちだった改訂版は、つながっても渡されない",
               "the revision that waited is not delivered any more")
    first = [d for d in stay.new("n1") if d["type"] == "PLAN_ISSUED"]
    story.hold(len(first) == 1 and first[0]["withdrawn"],
               "先に受け取っていた計画には「撤回」の印が付いた",
               "the plan received before is marked: withdrawn")
    stay.issue("PD-3-%s" % stay.number)
    time.sleep(0.7)
    story.hold(not any(stay.has(n, "PD-3-%s" % stay.number)() for n in ("h1", "n1", "m1", "p1")),
               "撤回のあとに出した計画は、誰にも届かない",
               "a plan issued after it reaches nobody")
