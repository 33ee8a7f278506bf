"""canary.py - a mark in every field of every event, then a search for it.

Every kind of event is sent with every field filled, each text marked with the
event's number and the class of its field, and addressed to every agency of the
region, most of whom may have little of it. Afterwards everything that any
process left is searched: files as they lie (the hub's store, journal, backup,
exported log, logs, metrics, answers) and what each node and the hub can decrypt
with every key they hold. A mark may be where its class was released to, and
nowhere else; and where it was released to the same search must find it."""
import collections
import datetime
import json
import os
import re
import subprocess
import time
import uuid

from region import BIN, NODES, ROOT, command, must
from story import Story
from talk import Broken

CANARY_NODES = [n for n in NODES if NODES[n][1]]
MARK = re.compile(rb"KANA(\d+)Q (G_[A-Z_0-9]+) ")
TRIES = 6  # of one event with one sender: on cases and people it knows
NOT_SENT = ("event_id", "of", "from")  # of what a node knows of a delivery
NOW = int(time.time() * 1000)
# what a sampler that fills every field gets wrong; None: leave the field out
RIGHT = {
    "CONSENT_GIVEN": {"purpose": "P_TRA", "classes": ["G_ID"], "giver": "SELF", "method": "PAPER",
                      "minor": None, "minor_view": None, "authority_sha256": None,
                      "except": None, "supersedes": None, "valid_from": None,
                      "recipient": [{"agency": "WO-4931000014"}],
                      "valid_to": (datetime.date.today() + datetime.timedelta(30)).isoformat()},
    "CONSENT_REFUSED": {"recipient": None, "giver": "SELF", "purpose": "P_PD"},
    "CONSENT_WITHDRAWN": {"consent_ref": None, "all": True},
    "BREAK_GLASS_OPENED": {"minutes": 30, "step_up_ms": NOW, "classes": ["G_MED_MIN"],
                           "extends": None},
    "CARE_ASKED": {"glass_ref": None},
    "MEETING_CALLED": {"kind": "MT_PD"}, "MEETING_PAPERS": {"kind": "MT_PD"},
    "MEETING_HELD": {"kind": "MT_PD"}, "MINUTES_CONFIRMED": {"kind": "MT_PD"},
}


def table(name):
    with open(os.path.join(ROOT, "deploy", name), encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f
                if line.strip() and not line.startswith("#")]
    return [dict(zip(rows[0], row + [""] * len(rows[0]))) for row in rows[1:]]


def sample(*args):
    return subprocess.run([os.path.join(BIN, "tsunagi-sample"), *args], check=True,
                          stdout=subprocess.PIPE).stdout.decode()


def longer(value):
    """Long enough for a reason that somebody is to read."""
    return value + "理由は二十字よりも長く書くものとする。" if isinstance(value, str) and \
        value.endswith(" G_AUDIT ") else value


class Kind:
    """One kind of event, from the list the sampler prints."""

    def __init__(self, line):
        self.name, _, hub_only, channel, roles = line.split("\t")
        self.sendable = hub_only == "0" and channel == "-"
        self.roles = set(roles.split())

    def may_send(self, roles):
        return self.roles == {"*"} or bool(self.roles & roles)


class Canaries:
    def __init__(self, region):
        self.region = region
        self.roles = {r["code"]: set(r["roles"].split()) for r in table("region/agencies.tsv")}
        self.vocab = table("policy/vocab.tsv")
        self.classes = [r["code"] for r in self.vocab if r["kind"] == "class"]
        self.third = [r["code"] for r in self.vocab if r["kind"] == "third"]
        self.purposes = [r["code"] for r in self.vocab if r["kind"] == "purpose"]
        self.wanted = collections.defaultdict(list)
        for row in table("policy/minimum.tsv"):
            for event in row["event"].split():
                self.wanted[event] += row["purpose"].replace("*", "P_ACC").split()
        self.number = 0
        self.number_of = {}  # event id: number
        self.why = collections.defaultdict(set)  # kind: codes it was refused with
        self.accepted, self.refused = {}, {}  # number: kind
        self.entitled = collections.defaultdict(set)  # agency: {(number, class)}
        self.tokens = collections.defaultdict(list)  # node: [{person.., case..}]
        self.marked = set()  # (number, class) that carry a mark at all
        self.sent_by = collections.defaultdict(set)  # agency: {number}

    # -- sending --

    def consents(self, node):
        """The person agreed to everything, for everyone; so did a relative."""
        everyone = [{"agency": a} for a in self.roles if a != NODES[node][0]]
        until = (datetime.date.today() + datetime.timedelta(days=300)).isoformat()
        own = [c for c in self.classes if c not in self.third]
        for purpose in self.purposes:
            for giver, classes in (("SELF", own), ("THIRD_PERSON", self.third)):
                body = {"consent_ref": str(uuid.uuid4()), "purpose": purpose,
                        "recipient": everyone, "classes": classes, "giver": giver,
                        "method": "PAPER", "paper_sha256": "ab" * 32,
                        "text_version": "2026-04", "valid_to": until}
                must("send", "--config", self.region.conf(node),
                     data=json.dumps({"type": "CONSENT_GIVEN", "person": "willing-" + node,
                                      "to": [], "body": body}).encode())

    def event(self, kind, node, about):
        self.number += 1
        text = sample(kind.name, "KANA%dQ" % self.number, str(self.number))
        event, mine = json.loads(text), NODES[node][0]
        self.marked |= self.marks(text.encode())
        self.sent_by[mine].add(self.number)
        to = [(a, p) for p in dict.fromkeys(self.wanted[kind.name])
              for a in self.roles if a != mine][:60]
        if kind.name == "CARE_ANSWERED":  # goes to whoever asked
            to = [t for t in to if t[0] == about.get("from")]
        event["to"] = [{"agency": a, "purpose": p} for a, p in to]
        event.update({k: v for k, v in about.items() if k not in NOT_SENT})
        for field in event["body"]:
            if field.endswith("_ref") and "event_id" in about:
                event["body"][field] = about["event_id"]
        event["body"].update(RIGHT.get(kind.name, {}))
        event["body"] = {k: longer(v) for k, v in event["body"].items() if v is not None}
        event["actor"] = "staff-" + node
        return event

    def send(self, kind, node, about):
        code, out, err = command("send", "--json", "--config", self.region.conf(node),
                                 data=json.dumps(self.event(kind, node, about)).encode())
        answer = json.loads(out) if out.strip() else {}
        self.number_of[answer.get("event_id")] = self.number
        if answer.get("outcome") not in ("ACCEPTED", "ACCEPTED_LATE", "PARKED"):
            self.refused[self.number] = kind.name
            self.why[kind.name].add(answer.get("code") or err.strip())
            return False
        self.accepted[self.number] = kind.name
        self.tokens[node].insert(0, {**about, "of": kind.name})
        for r in answer["receipt"].get("recipient", []):
            for c in released(r):
                self.entitled[r.get("agency", "")].add((self.number, c))
        return True

    def candidates(self, kind, node):
        """New people and cases first, then those the node has heard of. What
        changes a person's consents or protection is about somebody else."""
        fresh = {"person": "willing-" + node, "case": "case-%d" % self.number}
        if kind.name.startswith("CONSENT_") or kind.name == "ADDRESS_PROTECTION_SET":
            return [{"person": "other-" + node}]
        heard = [{"of": d["type"], "from": d.get("agency"), **{k: d[k] for k in ("person_token", "case_token", "event_id")
                                      if d.get(k)}} for d in reversed(self.region.inbox(node))]
        word = kind.name.split("_")[0]  # the same procedure, as like as not
        near = sorted(self.tokens[node] + heard, key=lambda a: a["of"].split("_")[0] != word)
        known, seen = [], set()
        for about in [fresh, {"person": fresh["person"]}] + near + [{}]:
            key = json.dumps({k: v for k, v in about.items() if k not in NOT_SENT},
                             sort_keys=True)
            if key not in seen:
                seen.add(key)
                known.append(about)
        return known[:TRIES]

    def try_kind(self, kind):
        """True when some agency got it accepted."""
        for node in CANARY_NODES:
            if not kind.may_send(self.roles[NODES[node][0]]):
                continue
            for about in self.candidates(kind, node):
                if self.send(kind, node, about):
                    return True
        return False

    # -- searching --

    def marks(self, data):
        return {(int(m[1]), m[2].decode()) for m in MARK.finditer(data)}

    def decrypted(self, node):
        path = self.region.path
        out = subprocess.run(
            [os.path.join(BIN, "tsunagi-look-node"), path(node, "node.key"), path(node, "spool")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if out.returncode != 0:
            raise Broken("%s: %s" % (node, out.stderr.decode()))
        return self.marks(out.stdout)


def released(recipient):
    mask = int(recipient.get("released", 0))
    return [CLASS_NAMES[n] for n in range(64) if mask >> n & 1]


CLASS_NAMES = {}


def read_class_names():
    with open(os.path.join(ROOT, "proto/tsunagi/v1/options.proto"), encoding="utf-8") as f:
        for name, number in re.findall(r"^  (G_\w+) = (\d+)", f.read(), re.M):
            CLASS_NAMES[int(number)] = name


def settled(region):
    """What still waits, waits for agencies that have no node here."""
    before, same = None, 0
    while same < 3:
        s = region.status()
        now = s and (s["waiting_urgent"], s["waiting_normal"], s["leaves"])
        same = same + 1 if now == before else 0
        before = now
        time.sleep(0.5)


def everything_sent(story, c):
    kinds = [Kind(line) for line in sample("--list").splitlines()]
    for node in CANARY_NODES:
        if self_collects(c, node):
            c.consents(node)
    left = [k for k in kinds if k.sendable]
    while True:  # what one event makes possible, another round may send
        still = [k for k in left if not c.try_kind(k)]
        if len(still) == len(left):
            break
        left = still
    for k in kinds:  # and by somebody who may not
        for node in CANARY_NODES:
            if not k.may_send(c.roles[NODES[node][0]]):
                c.send(k, node, {"person": "willing-" + node, "case": "not-mine"})
                break
    story.tell("%d種類のイベントに印をつけて%d回送り、%d回受け付けられた" %
               (len(kinds), c.number, len(c.accepted)),
               "%d kinds of events marked and sent %d times, %d times accepted" %
               (len(kinds), c.number, len(c.accepted)))
    never = ", ".join("%s (%s)" % (k.name, " ".join(sorted(c.why[k.name]))) for k in left)
    story.tell("受け付けられなかった種類: " + never, "never accepted: " + never)
    return left


COLLECTS = {"R_HOSP", "R_PLAN", "R_LOCAL", "R_KIKAN", "R_HC", "R_HUBC", "R_MUNI_W", "R_HVN",
            "R_OUTPT", "R_SHORT"}


def self_collects(c, node):
    return COLLECTS & c.roles[NODES[node][0]]


def leave_traces(region):
    """What an operator would run; their output is searched as well."""
    out = b""
    for args in (("status", "--json"), ("metrics",), ("case", "list", "--json"),
                 ("park", "list", "--json"), ("audit", "checkpoint"),
                 ("audit", "export", region.path("export")),
                 ("backup", "create", region.path("backup"), "--what", "all")):
        code, text, err = command(*args, "--dir", region.folder)
        out += (text + err).encode()
    return out


def search_plain(story, c, outputs):
    """As it lies: nobody finds anything but in the files an entitled agency's
    own adapter wrote for it."""
    story.hold(not c.marks(outputs), "状態・計測値・一覧・エラーの出力に印はない",
               "no mark in status, metrics, lists or errors")
    stray = []
    for folder, _, names in os.walk(c.region.folder):
        for name in names:
            path = os.path.join(folder, name)
            part = os.path.relpath(path, c.region.folder)
            allowed = c.entitled.get(NODES.get(part.split(os.sep)[0], ("",))[0], set())
            if MARK.search(part.encode()):
                stray.append(part)
            elif os.path.isfile(path):
                with open(path, "rb") as f:
                    if c.marks(f.read()) - allowed:
                        stray.append(part)
    story.hold(not stray, "どのファイルにも、ファイル名にも、平文の印はない(権限のある機関の書き出しを除く)",
               "no plain mark in any file or file name, but in what entitled agencies export",
               " ".join(stray[:5]))


def search_nodes(story, c):
    found = collections.defaultdict(set)
    for node in CANARY_NODES:
        agency = NODES[node][0]
        foreign = {m for m in c.decrypted(node) if m[0] not in c.sent_by[agency]}
        wrong = foreign - c.entitled[agency]
        story.hold(not wrong, "%s: 鍵で開けても、渡してよい印のほかは何もない(%d個)" % (node, len(foreign)),
                   "%s: opened with its keys, nothing but what it may have (%d marks)" %
                   (node, len(foreign)), str(sorted(wrong)[:5]))
        found[agency] |= foreign
    missing = {a: sorted(c.entitled[a] & c.marked - marks)[:3] for a, marks in found.items()
               if c.entitled[a] & c.marked - marks}
    story.hold(not missing, "渡してよいものは、同じ探し方ですべて見つかる",
               "what was released is found by the same search", str(missing))


def search_hub(story, c):
    out = subprocess.run([os.path.join(BIN, "tsunagi-look-hub"), c.region.path("hub.conf")],
                         stdout=subprocess.PIPE, check=True).stdout
    found = {n for n, _ in c.marks(out)}
    story.hold(not found & set(c.refused), "ハブは、断ったイベントの内容を何も持っていない",
               "the hub keeps nothing of an event it refused",
               str(sorted({c.refused[n] for n in found & set(c.refused)})))
    story.hold(found >= set(c.accepted) & {n for n, _ in c.marked},
               "受け付けたものは、ハブの鍵で開ければすべて見つかる",
               "what it accepted is all found once opened with its key")


def play_canary(region, _options):
    read_class_names()
    story = Story("すべての項目につけた印", "a mark in every field", region)
    c = Canaries(region)
    everything_sent(story, c)
    settled(region)
    outputs = leave_traces(region)
    region.down()
    search_plain(story, c, outputs)
    search_nodes(story, c)
    search_hub(story, c)
    story.note("%d回送った印を、ハブと%d台の持ち物すべてから探しました" % (c.number, len(CANARY_NODES)),
               "marks of %d events searched for in everything the hub and %d nodes hold"
               % (c.number, len(CANARY_NODES)))
    return story.end()
