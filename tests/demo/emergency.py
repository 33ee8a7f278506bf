"""emergency.py - the story of a bed tonight: asked without a name, one confirmed."""
import datetime
import json
import random
import time

from people import MISAKI, consents, fill, new_number, token, values
from region import NODES, Stream, must, wait_for
from search import Identity
from story import Story
from talk import Broken, say
from words import WORDS

EMERGENCY_NODES = ["p1", "b1-a", "b1-b", "s1", "s2", "s3"]
PROVIDERS = ["s1", "s2", "s3"]
STAGE_TWO = {"G_META", "G_ID", "G_GUARD", "G_CARE", "G_CRISIS", "G_MED_MIN", "G_PHYS_MIN",
             "G_RISK_MIN"}
FAMILIES = [("仮名", "カメイ"), ("例示", "レイジ"), ("試験", "シケン"), ("見本", "ミホン"),
            ("練習", "レンシュウ"), ("架空", "カクウ"), ("想定", "ソウテイ"), ("仮想", "カソウ"),
            ("空想", "クウソウ"), ("模擬", "モギ")]
GIVENS = [("美空", "ミソラ"), ("二郎", "ジロウ"), ("三郎", "サブロウ"), ("四葉", "ヨツバ"),
          ("五月", "サツキ"), ("六花", "リッカ"), ("七海", "ナナミ"), ("八重", "ヤエコ"),
          ("九太", "キュウタ"), ("十和", "トワコ"), ("千里", "センリ"), ("万里", "バンリ"),
          ("一葉", "カズハ"), ("青葉", "アオバ"), ("若葉", "ワカバ"), ("光希", "ミツキ"),
          ("夏帆", "カホリ"), ("秋穂", "アキホ"), ("冬馬", "トウマ"), ("春菜", "ハルナ"),
          ("正春", "マサハル")]


class Round:
    """One request for a bed tonight."""

    def __init__(self, i):
        family, given = FAMILIES[i % 10], GIVENS[i // 10]
        self.i = i
        self.kanji, self.kana = family[0] + given[0], family[1] + given[1]
        self.birth = datetime.date(1950, 1, 11) + datetime.timedelta(days=97 * i)
        self.person, self.case = token(), token()
        self.first, self.second, self.late = random.sample(PROVIDERS, 3)
        self.need_from = (int(time.time()) + 3600 + i) * 1000 // 1000 * 1000
        self.offers, self.canvass, self.winner, self.code = {}, {}, None, None

    def identity(self):
        return {"name": {"kanji": self.kanji, "kana": self.kana},
                "birth": self.birth.isoformat(), "sex": "FEMALE"}

    def about(self, kind, body, to=()):
        return {"type": kind, "person_token": self.person, "case_token": self.case,
                "to": [{"agency": a, "purpose": "P_EMG"} for a in to], "body": body}

    def consents(self):
        """By telephone, recorded: hers, and her mother's for the mother's number."""
        return [{"type": "CONSENT_GIVEN", "person_token": self.person, "to": [], "body": body}
                for body in consents("P_EMG", [NODES[n][0] for n in PROVIDERS],
                                     STAGE_TWO - {"G_META"}, method="ORAL_RECORDED", days=30)]

    def request(self):
        return self.about("EMERGENCY_REQUESTED", {
            "registration": "REGISTERED", "reason": "CARER_ADMITTED",
            "need_from_ms": self.need_from, "care": "食事の声かけ", **self.identity()})

    def ask_providers(self):
        return self.about("STAY_CANVASS", {
            "need_from_ms": self.need_from, "nights": 3, "sex": "FEMALE", "age_band": "AGE_20S",
            "support_level": 3, "mobility": "SUPPORT_NONE", "night_watch": True,
            "diet": ["DIET_REGULAR"], "pick_up": True},
            [NODES[n][0] for n in PROVIDERS])

    def offer(self, node):
        return {"type": "STAY_OFFERED", "case_token": self.canvass[node]["case_token"],
                "to": [{"agency": "OW-B1-49", "purpose": "P_EMG"}],
                "body": {"condition": ["NO_CONDITION"], "contact_phone": "000-0000-2002"}}

    def confirm(self, node):
        offer = self.offers[node]
        body = {"offer_ref": offer["event_id"], "reason": "CARER_ADMITTED",
                "guardian": [{"name": {"kanji": "連絡先一", "kana": "レンラクサキ"},
                              "relation": "母", "phone": "000-0000-4001"}],
                "care": "食事の声かけ", "crisis": "静かな部屋で待つ。",
                "medication": "頓服あり", "physical": "てんかんの既往",
                "watch_for": "大きな音", "dx_main": "双極性障害", **self.identity()}
        return {"type": "STAY_CONFIRMED", "case_token": offer["case_token"],
                "to": [{"agency": NODES[node][0], "purpose": "P_EMG"}], "body": body}


def all_accepted(answers, what):
    bad = [a for a in answers if a[0] != "ACK"]
    if bad:
        raise Broken("%s: %s" % (what, " ".join(bad[0])))


def register(story):
    """Before anything happens: the person is registered with consent."""
    region, number = story.region, new_number()
    before = {d["delivery_id"] for n in ("b1-a", "b1-b") for d in region.inbox(n)}
    for body in consents("P_REG", ["OW-B1-49"], [
            "G_ID", "G_CONTACT", "G_GUARD", "G_CARE", "G_CRISIS", "G_ELIG", "G_MED_MIN",
            "G_PHYS_MIN", "G_RISK_MIN"]):
        must("consent", "give", "-", "--config", region.conf("p1"), data=json.dumps(
            {"type": "CONSENT_GIVEN", "person": number, "to": [], "body": body}).encode())
    region.drop("p1", "answers", "登録-%s.json" % number,
                fill("registration.json", values(MISAKI, number)))
    why = region.wait_taken("p1", "answers", "登録-%s.json" % number)
    if why:
        raise Broken(why)
    found = wait_for(lambda: [d for n in ("b1-a", "b1-b") for d in region.inbox(n)
                              if d["delivery_id"] not in before and
                              d["type"] == "EMERGENCY_REGISTERED"])
    story.hold(found, "仮名美咲さんは同意のうえ、相談室みちしるべを通じて緊急時の登録を済ませている",
               "Misaki is registered for emergencies, with her consent, by the consultation office")
    held = WORDS.held(found[0])
    story.hold("G_ELIG_DETAIL" not in held and "G_CRISIS" in held,
               "同意しなかった受給者証の番号は、登録にも入っていない",
               "the certificate number, which she did not agree to, is not in it", str(held))
    return found[0]["person_token"]


def canvass(story, rounds, before):
    region = story.region
    coordinator = Stream(region, "b1-a")
    all_accepted(coordinator.all(e for r in rounds for e in r.consents()), "consent")
    for make, what in ((Round.request, "request"),
                       (lambda r: r.about("EMERGENCY_TRIAGED", {"branch": "CANVASS"}), "triage"),
                       (Round.ask_providers, "canvass")):
        all_accepted(coordinator.all(make(r) for r in rounds), what)
    coordinator.close()
    by_time = {r.need_from: r for r in rounds}

    def look():
        for node in PROVIDERS:
            for d in region.inbox(node):
                if d["type"] == "STAY_CANVASS" and d["delivery_id"] not in before:
                    r = by_time.get(int(d["body"]["need_from_ms"]))
                    if r:
                        r.canvass[node] = d
        return all(len(r.canvass) == 3 for r in rounds)
    story.hold(wait_for(look, 30),
               "夜間の依頼%d件を、短期入所3か所に、名前を伏せて打診した" % len(rounds),
               "%d requests at night: three providers were asked, without a name" % len(rounds))
    kinds = set().union(*(WORDS.held(d) for r in rounds for d in r.canvass.values()))
    tokens = any("person_token" in d for r in rounds for d in r.canvass.values())
    story.hold(kinds == {"G_CARE_CLASS"} and not tokens,
               "打診に入っているのは、介護の粗い区分だけ",
               "what they were told are coarse classes of care alone", str(kinds))


def offer_twice(story, rounds, before):
    """Two providers offer each bed in the same second."""
    region = story.region
    streams = {n: Stream(region, n) for n in PROVIDERS}
    times = {}
    for r in rounds:
        streams[r.first].put(r.offer(r.first))
        streams[r.second].put(r.offer(r.second))
        times[r.i] = time.monotonic()
        all_accepted([streams[r.first].answer(), streams[r.second].answer()], "offer")
        times[r.i] = time.monotonic() - times[r.i]
    for s in streams.values():
        s.close()
    cases = {r.case: r for r in rounds}

    def look():
        for node in ("b1-a", "b1-b"):
            for d in region.inbox(node):
                r = cases.get(d.get("case_token"))
                if d["type"] == "STAY_OFFERED" and r and d["delivery_id"] not in before:
                    r.offers[next(n for n in PROVIDERS if NODES[n][0] == d["agency"])] = d
        return all(len(r.offers) == 2 for r in rounds)
    arrived = wait_for(look, 30)
    story.hold(arrived and max(times.values()) < 1,
               "どの依頼にも、2か所が同じ1秒のうちに「受け入れます」と答えた",
               "for each, two providers offered within the same second")


def confirm_both(story, rounds):
    """Two coordinators choose different providers at the same moment."""
    region = story.region
    a, b = Stream(region, "b1-a"), Stream(region, "b1-b")
    wins = {"b1-a": 0, "b1-b": 0}
    for r in rounds:
        one, other = random.sample([r.first, r.second], 2)
        order = [(a, one), (b, other)]
        if r.i % 2:
            order.reverse()
        for stream, node in order:
            stream.put(r.confirm(node))
        got = {one: a.answer(), other: b.answer()}
        yes = [n for n, line in got.items() if line[0] == "ACK"]
        no = [line[2] for line in got.values() if line[0] == "NACK"]
        if len(yes) != 1 or no != ["E-FLW-002"]:
            raise Broken(say("決まったのは一つだけのはず: ", "exactly one is confirmed: ") + str(got))
        r.winner = yes[0]
        wins["b1-a" if r.winner == one else "b1-b"] += 1
    a.close()
    b.close()
    story.hold(True, "2人のコーディネーターが同じ瞬間に別々の事業所へ決めた: %d回とも、決まったのは一つだけ"
               "(もう一人には「受入れ先はすでに決まっています」)" % len(rounds),
               "two coordinators chose different providers at the same moment: %d times out of %d "
               "one was confirmed, the other was told that it is filled" % ((len(rounds),) * 2))
    story.tell("先に届いたのは、一人目%d回・二人目%d回" % (wins["b1-a"], wins["b1-b"]),
               "first came: coordinator one %d times, two %d times" % (wins["b1-a"], wins["b1-b"]))
    if len(rounds) >= 20 and 0 in wins.values():
        raise Broken(say("いつも同じ人が先でした", "the same one always came first"))


def offer_late(story, rounds):
    region = story.region
    streams = {n: Stream(region, n) for n in PROVIDERS}
    for r in rounds:
        line = streams[r.late].ask(r.offer(r.late))
        if line[0] != "ACK" and line[2:3] != ["E-FLW-003"]:
            raise Broken("late: %s" % line)
    for s in streams.values():
        s.close()


def check_told(story, rounds, before):
    region = story.region

    def look():
        got = {n: {} for n in PROVIDERS}
        for n in PROVIDERS:
            for d in region.inbox(n):
                if d["delivery_id"] not in before:
                    got[n].setdefault(d["type"], []).append(d.get("case_token"))
        for r in rounds:
            for n in PROVIDERS:
                case = r.canvass[n]["case_token"]
                want = {"STAY_CONFIRMED": n == r.winner,
                        "STAY_RELEASED": n != r.winner,
                        "OFFER_REJECTED_LATE": n == r.late}
                for kind, wanted in want.items():
                    if got[n].get(kind, []).count(case) != int(wanted):
                        look.wrong = (r.i, n, kind)
                        return False
        return True
    look.wrong = None
    ok = wait_for(look, 30)
    story.hold(ok, "決まった1か所にだけ本人の情報が届き、ほかの2か所には「決まりました」の知らせが一度だけ届いた",
               "only the one confirmed got the person's data; the others were told once that "
               "it is filled", str(look.wrong))
    story.hold(ok, "決まったあとの申し出には「間に合いませんでした」と答えた",
               "an offer that came after was answered: too late")
    for r in rounds:
        if r.late == r.winner:
            raise Broken("late winner")
    for n in PROVIDERS:
        for d in region.inbox(n):
            if d["type"] == "STAY_CONFIRMED" and d["delivery_id"] not in before and \
                    WORDS.held(d) != STAGE_TWO:
                raise Broken(str(WORDS.held(d)))


def search_everything(story, rounds):
    region = story.region
    for n in PROVIDERS:
        region.stop(n)
    people = [(r.i, r.kanji, r.kana, r.birth) for r in rounds]
    identity = Identity(people)
    total = 0
    for n in PROVIDERS:
        known = set()
        for _, data in region.files(n):
            known |= identity.found(data)
            total += len(data)
        for what in ("inbox", "outbox"):
            text = must(what, "--config", region.conf(n), "--json", "--all",
                        "--limit", "1000000").encode()
            known |= identity.found(text)
            total += len(text)
        won = {r.i for r in rounds if r.winner == n}
        story.hold(known == won,
                   "%s: 受け入れた%d人は見つかり、断られた%d人は氏名・読みがな・生年月日のどれも見つからない"
                   % (WORDS.agency(NODES[n][0]), len(won), len(rounds) - len(won)),
                   "%s: the %d accepted are found; of the %d others neither name nor reading nor "
                   "date of birth" % (WORDS.agency(NODES[n][0]), len(won), len(rounds) - len(won)),
                   "missing %s, too many %s" % (sorted(won - known)[:3], sorted(known - won)[:3]))
    story.tell("(止めた3か所のファイルすべてと、その鍵で開けた受信箱・送信箱、合わせて%dKiBを探しました)"
               % (total // 1024),
               "(all files of the three, stopped, and their boxes opened with their own keys: "
               "%d KiB)" % (total // 1024))
    for n in PROVIDERS:
        region.start(n)
    region.wait_connected(PROVIDERS)


def play_emergency(region, options):
    story = Story("緊急時の受入れ", "Emergency acceptance", region)
    before = {d["delivery_id"] for n in EMERGENCY_NODES for d in region.inbox(n)}
    rounds = [Round(i) for i in range(10 if options.quick else 200)]
    misaki = Round(200)
    misaki.person = register(story)
    misaki.kanji, misaki.kana, misaki.birth = "仮名美咲", "カメイミサキ", MISAKI["birth"]
    rounds.append(misaki)
    canvass(story, rounds, before)
    offer_twice(story, rounds, before)
    confirm_both(story, rounds)
    offer_late(story, rounds)
    check_told(story, rounds, before)
    search_everything(story, rounds)
    winner = NODES[misaki.winner][0]
    story.got("OW-B1-49", "登録と、2か所からの申し出", "the registration and two offers")
    story.got(winner, "仮名美咲さんの氏名・連絡先・介護・クライシスプラン(受入れが決まったため)",
              "Misaki's name, contacts, care and crisis plan: confirmed as her provider")
    for n in PROVIDERS:
        if n != misaki.winner:
            story.not_got(NODES[n][0], "受入れ先がほかに決まったことだけを知らせました",
                          "only that another provider was confirmed")
    story.note("同時の決定%d回: 毎回一つだけが決まり、名前は決まった先だけにあります" % len(rounds),
               "%d simultaneous choices: one each time, and names only where confirmed" % len(rounds))
    return story.end()
