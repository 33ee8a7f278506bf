"""meeting.py - the story of two meetings: police who want to join (SC-13), and
a statutory meeting without consent (SC-16)."""
import time

from consent import identity
from people import JIRO, TARO, consent, today, token
from region import wait_for
from story import Story
from words import WORDS

MEETING_NODES = ["c2", "m1", "k1", "c1", "w1", "p1", "h1"]
NAMED = ["G_ID", "G_CARE", "G_HOUSING"]
MEMBERS = {"k1": "OW-K1-492019", "c1": "HC-492019-01", "w1": "OW-HOUSE-49"}
ALL = {"k1": {"G_META", "G_ID", "G_CARE", "G_HOUSING"},
       "c1": {"G_META", "G_ID", "G_CARE", "G_HOUSING"},
       "w1": {"G_META", "G_ID", "G_CARE", "G_HOUSING"}}
PAPERS = {**identity(JIRO), "address": "架空県架空市見本町1-2-3", "family": "(架空の記載)",
          "care": "食事の声かけ", "housing_need": "雨漏りがある", "finance": "(架空の記載)"}


class Meeting:
    def __init__(self, story, convenor, kind, purpose, person):
        self.story, self.region = story, story.region
        self.convenor, self.kind, self.purpose = convenor, kind, purpose
        self.person, self.case = person, "会議 " + token()[:8]
        self.before = {n: {d["delivery_id"] for d in self.region.inbox(n)} for n in MEETING_NODES}

    def say(self, type_, to=(), body=None, **more):
        """An event of the convenor; to: agencies, or roles at a place."""
        wishes = [{"purpose": self.purpose, **(w if isinstance(w, dict) else {"agency": w})}
                  for w in to]
        return self.region.send(self.convenor, {
            "type": type_, "person": self.person, "case": self.case, "to": wishes,
            "body": body or {}, **more})

    def call(self, to, classes):
        return self.say("MEETING_CALLED", to, {
            "kind": self.kind, "classes": classes, "held_on": today().isoformat(),
            "meeting_place": "市役所 2階"})

    def papers(self, to):
        return self.say("MEETING_PAPERS", to, {"kind": self.kind, **PAPERS})

    def end(self):
        return self.say("MEETING_CLOSED", MEMBERS.values(), {"closed_on": today().isoformat()})

    def new(self, node, kind):
        return [d for d in self.region.inbox(node)
                if d["type"] == kind and d["delivery_id"] not in self.before[node]]

    def wait(self, node, kind):
        return self.region.wait_delivery(node, kind, self.before[node])

    def pledge(self, node):
        """A member pledges secrecy on the case it was called to."""
        call = self.wait(node, "MEETING_CALLED")
        return self.region.send(node, {
            "type": "MEETING_PLEDGED", "case_token": call["case_token"], "to": [],
            "body": {"member_name": "担当01", "pledge_version": "1",
                     "pledged_on": today().isoformat()}})

    def quiet(self, nodes, kind):
        wait_for(lambda: (self.region.status() or {}).get("waiting_normal") == 0, 5)
        time.sleep(0.3)
        return [n for n in nodes if self.new(n, kind)]


def taken(answer):
    return answer.get("outcome") == "ACCEPTED"


# ---- SC-13 ------------------------------------------------------------------------


def police(story):
    region = story.region
    story.tell("SC-13 見本太郎さんの退院後支援の会議を、県中央保健所が開く",
               "SC-13 the health centre calls the meeting about Taro's support")
    m = Meeting(story, "c2", "MT_PD", "P_MCON", "太郎-" + token()[:6])
    for why, reason in (("防犯のため", "against crime"), ("支援のため", "for support")):
        a = m.call([{"role": "R_POLICE", "place": "49202"}], ["G_ID", "G_PLAN"])
        story.hold(a.get("outcome") == "REFUSED" and a.get("code") == "E-POL-005",
                   "架空警察署を「%s」加えようとしても断られる(%s)" % (why, a.get("text_ja", "")),
                   "the police as a member, %s: refused (%s)" % (reason, a.get("text_en", "")),
                   str(a))
    opened = m.call(["MI-4910100017", "WO-4931000014"], ["G_ID", "G_PLAN"])
    story.hold(taken(opened) and m.wait("h1", "MEETING_CALLED"),
               "警察を除いて会議は開かれる", "without them the meeting is called", str(opened))
    a = m.say("MEETING_PAPERS", [{"role": "R_POLICE", "place": "49202"}], {
        "kind": "MT_PD", **identity(TARO), "wishes": "(架空の記載)"})
    story.hold(not taken(a) and a.get("code") == "E-POL-005",
               "本人・家族・参加者の全員が認めても、ハブは警察に資料を送らない",
               "even if everybody agrees, the hub sends them no papers", str(a))
    held = m.say("MEETING_HELD", [], {
        "kind": "MT_PD", "held_on": today().isoformat(), "attendee": ["保健所 担当01"],
        "person_attended": True, "attendance_note": "本人の希望で一人が同席した。"})
    story.hold(taken(held), "できるのは、同席した人がいたと保健所が書き残すことだけ",
               "all that can be done is a note, by the health centre, that someone attended",
               str(held))
    got = m.quiet(["h1", "p1", "m1", "k1", "w1"], "MEETING_PAPERS")
    story.hold(not got, "資料はだれにも渡っていない", "no papers went to anyone", str(got))


# ---- SC-16 ------------------------------------------------------------------------


def statutory(story):
    region = story.region
    story.tell("SC-16 架空市の世帯。息子の例示次郎さんは関わりを断っている",
               "SC-16 a household in Kakuu City; the son, Jiro, refuses contact")
    m = Meeting(story, "m1", "MT_106", "P_M106", "世帯-" + token()[:6])
    refused = region.send("m1", {"type": "CONSENT_REFUSED", "person": m.person, "to": [], "body": {
        "consent_ref": consent("P_MCON", [], [])["consent_ref"], "purpose": "P_MCON",
        "giver": "SELF"}})
    called = m.call(MEMBERS.values(), NAMED)
    story.hold(taken(refused) and taken(called) and
               all(m.wait(n, "MEETING_CALLED") for n in MEMBERS),
               "架空市が支援会議(社会福祉法106条の6)を招集し、持ち寄る情報を%sと決めた"
               % WORDS.kinds(NAMED),
               "the city calls the statutory meeting for: %s" % WORDS.kinds(NAMED),
               str((refused, called)))
    m.papers(MEMBERS.values())
    got = m.quiet(MEMBERS, "MEETING_PAPERS")
    story.hold(not got, "守秘を誓約するまで、保健所にもほかの参加者にも資料は渡らない",
               "until they pledge secrecy no member has the papers", str(got))
    for node in MEMBERS:
        a = m.pledge(node)
        story.hold(taken(a), "%sが守秘を誓約した" % WORDS.agency(MEMBERS[node]),
                   "%s pledged secrecy" % WORDS.agency(MEMBERS[node]), str(a))
    m.papers([*MEMBERS.values(), "WO-4931000014"])
    for node, classes in ALL.items():
        d = m.wait(node, "MEETING_PAPERS")
        story.hold(d and WORDS.held(d) == classes,
                   "誓約した%sに届いた資料: %s" % (WORDS.agency(MEMBERS[node]), WORDS.kinds(classes)),
                   "%s, pledged, has: %s" % (WORDS.agency(MEMBERS[node]), WORDS.kinds(classes)),
                   str(d and WORDS.held(d)))
    outsider = region.send("p1", {"type": "MEETING_PLEDGED", "case_token": token(), "to": [],
                                  "body": {"member_name": "担当01", "pledge_version": "1"}})
    story.hold(not m.new("p1", "MEETING_PAPERS") and not taken(outsider),
               "参加者でない相談室には、宛先に書いても渡らず、あとから誓約もできない",
               "the office, no member, gets nothing though addressed, and cannot pledge",
               str(outsider))
    return m


def close(story, m):
    region = story.region
    held = m.say("MEETING_HELD", [], {"kind": "MT_106", "held_on": today().isoformat(),
                                      "attendee": ["4機関"]})
    minutes = m.say("MINUTES_CONFIRMED", MEMBERS.values(), {
        "kind": "MT_106", "held_on": today().isoformat(), "discussion": "(架空の記載)"})
    ended = m.end()
    story.hold(taken(held) and taken(minutes) and taken(ended), "会議を終えた", "the meeting is closed",
               str((held, minutes, ended)))
    gone = wait_for(lambda: all(d["recalled"] and "body" not in d for n in MEMBERS
                                for d in m.new(n, "MEETING_PAPERS")) or None)
    story.hold(gone, "終わると、参加者の資料は取り消され、もう読めない",
               "its end calls the papers back: no member can read them any more",
               str({n: m.new(n, "MEETING_PAPERS") for n in MEMBERS}))
    kept = [n for n in MEMBERS if any("G_MEET" in WORDS.held(d) for d in
                                      m.new(n, "MINUTES_CONFIRMED") if "body" in d)]
    story.hold(not kept, "議事録は招集した市だけにある", "the minutes stay with the city alone", str(kept))
    late = m.papers(MEMBERS.values())
    story.hold(not taken(late), "終わった会議には、もう資料を出せない",
               "no papers can be added to a meeting that is over", str(late))


def agreed(story, old):
    region = story.region
    story.tell("11月2日、例示次郎さんが同意した", "On 2 November Jiro agrees")
    body = consent("P_MCON", MEMBERS.values(), [*NAMED, "G_META"])
    given = region.send("m1", {"type": "CONSENT_GIVEN", "person": old.person, "to": [],
                               "body": body})
    m = Meeting(story, "m1", "MT_JUSO", "P_MCON", old.person)
    called = m.call(MEMBERS.values(), NAMED)
    for node in MEMBERS:
        m.pledge(node)
    story.hold(taken(given) and taken(called) and not m.quiet(MEMBERS, "MEETING_PAPERS"),
               "同意による新しい会議(重層的支援会議)が始まる。前の会議の資料は何も引き継がれない",
               "a new meeting starts, by consent; nothing of the former is carried over",
               str((given, called)))
    old_call = {n: [d.get("case_token") for d in old.new(n, "MEETING_CALLED")][:1]
                for n in MEMBERS}
    new_call = {n: [d.get("case_token") for d in m.new(n, "MEETING_CALLED")] for n in MEMBERS}
    story.hold(all(old_call[n] and new_call[n] and old_call[n] != new_call[n] for n in MEMBERS),
               "案件も別のもの", "it is a case of its own", str((old_call, new_call)))
    m.papers(MEMBERS.values())
    d = m.wait("c1", "MEETING_PAPERS")
    story.hold(d and WORDS.held(d) <= ALL["c1"] and "G_CARE" in WORDS.held(d),
               "新しく出した資料は、同意した範囲で届く", "papers sent anew arrive, as agreed",
               str(d and WORDS.held(d)))


def play_meeting(region, options):
    story = Story("支援の会議", "Meetings", region)
    police(story)
    m = statutory(story)
    close(story, m)
    agreed(story, m)
    for code in MEMBERS.values():
        story.got(code, "会議のあいだだけの資料(誓約のあと、決めた種類だけ)",
                  "papers while the meeting lasted: after the pledge, of the kinds named")
    story.not_got("WO-4931000014", "参加者ではないので、渡していません", "no member")
    story.note("警察と司法は、どんな理由でも資料を受け取れません",
               "police and justice receive no papers, whatever the reason")
    return story.end()
