"""night.py - the story of a break-glass (SC-11): someone found confused at
night, who can consent to nothing; a question, a human's answer, a review."""
import json
import re
import time

from consent import identity
from people import SABURO, token
from region import command, must, wait_for
from story import Story
from talk import Broken
from words import WORDS

NIGHT_NODES = ["h1", "b1-a", "b1-b", "a1", "c1", "p1"]
WHAT = "23時30分、駅で一人で混乱しているところを友人が見つけ、電話をくれた。"
WHY = "話しかけても答えがなく、家族も分からない。"
ASKED = ["G_MED_MIN", "G_PHYS_MIN"]


def now_ms():
    return str(int(time.time() * 1000))


# two computers stand at the hub: a handle says who it is at both, a name would
# be another person at each
ON_DUTY, COLLEAGUE = "11" * 16, "22" * 16


class Night:
    """One night at the life support hub."""

    def __init__(self, story):
        self.story, self.region = story, story.region
        self.number, self.case = "夜-" + token()[:8], "夜間 " + token()[:8]
        self.before = {n: {d["delivery_id"] for d in self.region.inbox(n)} for n in NIGHT_NODES}

    def glass(self, what, *args, text=WHAT + "\n" + WHY, node="b1-a"):
        return command("glass", what, *args, "--note", "-", "--config", self.region.conf(node),
                       "--json", data=text.encode())

    def open(self, actor=ON_DUTY, classes=ASKED, text=WHAT + "\n" + WHY, step_up=None,
             reason="LIFE_SELF"):
        self.region.drop("b1-a", ".", "number", self.number.encode())
        return self.glass("open", "--person", "@" + self.region.path("b1-a", "number"),
                          "--actor", actor, "--reason", reason, "--classes", ",".join(classes),
                          "--step-up", step_up or now_ms(), text=text)

    def got(self, node, kind, match=None):
        return self.region.wait_delivery(node, kind, self.before[node], match=match)

    def at_the_hub(self, kind):
        """Whichever of the two coordinators' computers took it."""
        def look():
            for n in ("b1-a", "b1-b"):
                for d in self.region.inbox(n):
                    if d["type"] == kind and d["delivery_id"] not in self.before[n]:
                        return n, d
            return None
        return wait_for(look)


def code_of(answer):
    found = re.search(r"E-[A-Z]+-\d+", answer[1] + answer[2])
    return found[0] if found else ""


def refused_openings(night):
    story = night.story
    for what, answer, code in (
            (("病名と入院形態まで見ようとする", "diagnosis and legal status too"), night.open(classes=[*ASKED, "G_DX", "G_LEGAL"]),
             "E-BTG-005"),
            (("事情を書かない", "no word of what happened"), night.open(text="緊急。\n意識がない。"), "E-BTG-003"),
            (("本人確認が古い", "an old second factor"), night.open(step_up=str(int(time.time() * 1000) - 600000)),
             "E-BTG-004"),
            (("60分より長く", "longer than an hour"), night.glass(
                "open", "--person", "@" + night.region.path("b1-a", "number"), "--actor", ON_DUTY,
                "--reason", "LIFE_SELF", "--classes", "G_MED_MIN", "--minutes", "90",
                "--step-up", now_ms()), "E-BTG-006")):
        story.hold(code_of(answer) == code, "開けない: %s(%s)" % (what[0], code),
                   "not opened: %s (%s)" % (what[1], code), str(answer))


def open_it(night):
    story, region = night.story, night.region
    answer = night.open()
    if answer[0] != 0:
        raise Broken(str(answer))
    ref = re.search(r"glass (\S+)", answer[1] + answer[2])[1]
    story.hold(ref, "夜勤の職員が、理由と事情を書いて緊急閲覧を開いた(薬の要点と身体面の注意だけ、60分)",
               "the coordinator on duty opened break-glass: medication and physical precautions, "
               "for an hour")
    told = night.got("a1", "BREAK_GLASS_NOTICE")
    body = told["body"] if told else {}
    story.hold(told and body.get("agency") == "OW-B1-49" and body.get("reason") == "LIFE_SELF" and
               sorted(body.get("classes", [])) == ASKED and "text" not in body,
               "個人情報の責任者には、すぐに知らされた(書いた事情そのものは含まれない)",
               "the privacy office is told at once, without the text", str(told))
    return ref


def ask_the_hospital(night, ref):
    story, region = night.story, night.region
    sent = region.send("b1-a", {
        "type": "CARE_ASKED", "person": night.number, "case": night.case, "actor": ON_DUTY,
        "to": [{"agency": "MI-4910100017", "purpose": "P_EMG"}],
        "body": {**identity(SABURO), "items": [*ASKED, "G_DX", "G_LEGAL"], "glass_ref": ref,
                 "contact_name": "夜間コーディネーター", "contact_phone": "000-0000-2001"}})
    asked = night.got("h1", "CARE_ASKED")
    story.hold(asked and WORDS.held(asked) <= {"G_META", "G_NAME", "G_ID"} and
               "G_NAME" in WORDS.held(asked),
               "病院の当直に、だれについての照会かだけが届いた",
               "the hospital's night duty is told whom it is about and no more", str(sent))
    notice = night.got("h1", "BREAK_GLASS_NOTICE")
    story.hold(notice, "病院にも、緊急閲覧による照会であることがすぐに分かる",
               "the hospital sees at once that it was asked under break-glass")
    time.sleep(0.5)
    story.hold(not night.region.wait_delivery("b1-a", "CARE_ANSWERED", night.before["b1-a"], 0.1),
               "答えるのは人。当直が答えるまで、何も返らない",
               "a human answers: until then nothing comes back")
    return asked


def answer_it(night, asked):
    story, region = night.story, night.region
    name = "回答-%s.json" % token()[:6]
    region.drop("h1", "answers", name, json.dumps(
        {"answer_to": asked["event_id"], "type": "CARE_ANSWERED", "body": {
            "medication": "頓服あり(お薬手帳のとおり)", "allergies": "ペニシリン",
            "physical": "てんかんの既往", "answered_by": "当直"}}, ensure_ascii=False))
    why = region.wait_taken("h1", "answers", name)
    if why:
        raise Broken(why)
    there = night.at_the_hub("CARE_ANSWERED")
    story.hold(there and WORDS.held(there[1]) == {"G_META"} and
               there[1].get("for_opener") == ASKED,
               "答えの中身は、拠点のフォルダーにも機械にも出ない(開いた職員だけのもの)",
               "what it says reaches no folder and no program there: it is for the one who opened",
               str(there))
    seen = json.loads(must("inbox", "show", there[1]["delivery_id"], "--actor", ON_DUTY, "--json",
                           "--config", region.conf(there[0])))
    story.hold(WORDS.held(seen) == {"G_META", "G_MED_MIN", "G_PHYS_MIN"},
               "拠点に届いたのは、薬の要点と身体面の注意だけ。尋ねた病名と入院形態は返らない",
               "the answer holds medication and physical precautions; diagnosis and legal status, "
               "though asked, are not in it", str(seen))
    return there


def read_it(night, there):
    story, region = night.story, night.region
    node, d = there
    shown = command("inbox", "show", d["delivery_id"], "--actor", ON_DUTY, "--config",
                    region.conf(node))
    story.hold(shown[0] == 0 and "ペニシリン" in shown[1],
               "開いた職員は、ハブに確かめてから読める", "who opened it reads it, after the hub was asked",
               str(shown))
    other = command("inbox", "show", d["delivery_id"], "--actor", COLLEAGUE, "--config",
                    region.conf(node))
    story.hold(other[0] != 0 and "ペニシリン" not in other[1] and code_of(other) == "E-NF-001",
               "同じ拠点のほかの職員には「該当なし」(E-NF-001)",
               "to a colleague of the same agency there is no such thing (E-NF-001)", str(other))


def review(night, ref):
    story, region = night.story, night.region
    own = night.glass("review", "JUSTIFIED", "--ref", ref, "--actor", "管理者", "--person",
                      "@" + region.path("b1-a", "number"), text="問題なし")
    story.hold(code_of(own) == "E-EVT-018", "開いた拠点が自分で点検することはできない(E-EVT-018)",
               "who opened it cannot review it (E-EVT-018)", str(own))
    told = night.got("a1", "BREAK_GLASS_NOTICE")
    verdict = night.glass("review", "NOT_JUSTIFIED", "--ref", ref, "--actor", "責任者1",
                          "--token", told.get("person_token", token()), node="a1",
                          text="友人に聞けば足りた。")
    story.hold(verdict[0] == 0, "別の機関の責任者が「妥当でない」と判定した",
               "the privacy office of another agency: not justified", str(verdict))
    listed = json.loads(must("glass", "list", "--dir", region.folder, "--json"))
    story.hold(listed.get("not_justified") == 1 and listed.get("reviewed") == 1,
               "その判定は、緊急閲覧の集計に残る", "the verdict is in the figures", str(listed))
    back = night.at_the_hub("BREAK_GLASS_NOTICE")
    judged = wait_for(lambda: next(
        (d for n in ("b1-a", "b1-b") for d in region.inbox(n)
         if d["type"] == "BREAK_GLASS_NOTICE" and d["delivery_id"] not in night.before[n] and
         d.get("body", {}).get("verdict") == "NOT_JUSTIFIED"), None))
    story.hold(back and judged, "開いた側にも判定が知らされた", "they are told the verdict")


def play_night(region, options):
    story = Story("夜間の緊急閲覧", "Break-glass at night", region)
    story.tell("SC-11 試験三郎さん(登録なし)が、23時30分、混乱しているところを見つけられた",
               "SC-11 Saburo, registered nowhere, is found confused at 23:30")
    night = Night(story)
    night.open(text="短い")  # writes the number's file; too short to open anything
    refused_openings(night)
    ref = open_it(night)
    asked = ask_the_hospital(night, ref)
    read_it(night, answer_it(night, asked))
    review(night, ref)
    story.got("OW-B1-49", "薬の要点と身体面の注意(緊急閲覧、60分、開いた人だけ)",
              "medication and physical precautions: an hour, the one who opened it alone")
    story.got("OW-AUDIT-49", "緊急閲覧が開かれたこと(すぐに)", "that it was opened, at once")
    story.got("MI-4910100017", "だれについての照会か", "whom the question is about")
    story.note("病名と入院形態は、求めても渡りません。点検の結果は集計に残ります",
               "neither diagnosis nor legal status passes, though asked; the verdict stays in the "
               "figures")
    return story.end()
