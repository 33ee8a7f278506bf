"""erasure.py - people who asked that everything of theirs be erased.

The marks of the canary story are sent about many people; then those who asked
are erased, each by an order that two approvers signed. Everything is searched
before and after: files as they lie, and all that the hub and each node can
decrypt with every key they still hold. What was found of them is found no more
- also not with the keyring of yesterday's backup - and what is of others is
found as before. The log stays whole, and says so to whoever asks."""
import contextlib
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time

from canary import CANARY_NODES, Canaries, Kind, leave_traces, read_class_names, sample, \
    self_collects, settled
from region import BIN, NODES, command, must, wait_for
from story import Story
from talk import Broken

ERASURE_NODES = CANARY_NODES
AWAY = "p1"  # switched off when the orders come


class People(Canaries):
    """Marks, and about whom each of them is."""

    def __init__(self, region):
        super().__init__(region)
        self.person = {}  # number: name, or None

    def about_whom(self, about):
        """None: about nobody, as what only answers another event without token."""
        if "person" in about:
            return about["person"]
        if "person_token" not in about and "case_token" not in about:
            return None
        return self.person.get(self.number_of.get(about.get("event_id")))

    def candidates(self, kind, node):
        """Only where it is known whom it would be about. A break-glass has to be
        reviewed before anything of its person is erased: it is opened on others."""
        if kind.name.startswith("BREAK_GLASS_"):
            return [{"person": "other-" + node, "case": "night-" + node}]
        return [a for a in super().candidates(kind, node)
                if self.about_whom(a) is not None or not {"person_token", "case_token"} & set(a)]

    def event(self, kind, node, about):
        event = super().event(kind, node, about)
        self.person[self.number] = self.about_whom(about)
        return event

    def of(self, people, numbers):
        return {n for n in numbers if self.person.get(n) in people}


# ---- sending -----------------------------------------------------------------------


def everything_sent(story, c):
    kinds = [k for k in map(Kind, sample("--list").splitlines()) if k.sendable]
    for node in CANARY_NODES:
        if self_collects(c, node):
            c.consents(node)
    for _ in range(2):  # what one event makes possible, another round may send
        kinds = [k for k in kinds if not c.try_kind(k)]
    classes = {cls for n, cls in c.marked if n in c.accepted}
    story.tell("印をつけた知らせを%d回送り、%d回受け付けられた(情報の種類は%d)" %
               (c.number, len(c.accepted), len(classes)),
               "%d marked events, %d of them accepted, in %d classes of data" %
               (c.number, len(c.accepted), len(classes)))


# ---- what is kept ------------------------------------------------------------------


def secrets_of(region, node):
    with open(region.path(node, "node.key"), encoding="utf-8") as f:
        return dict(line.strip().split(": ") for line in f if ": " in line)


def own_token(region, node, person):
    """As the node makes it: BLAKE2b keyed, over the kind, a zero byte, the number."""
    key = bytes.fromhex(secrets_of(region, node)["token-secret"])
    return hashlib.blake2b(b"person\0" + person.encode(), key=key, digest_size=16).digest()


def look_hub(conf):
    return subprocess.run([os.path.join(BIN, "tsunagi-look-hub"), conf], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)


def files_below(folder):
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            with contextlib.suppress(OSError), open(path, "rb") as f:
                yield os.path.relpath(path, folder), f.read()


class Kept:
    """What everybody holds, raw and decrypted; the region is down."""

    def __init__(self, c):
        region = c.region
        self.raw = list(files_below(region.folder))
        self.plain = {path: c.marks(data) for path, data in self.raw}
        hub = look_hub(region.path("hub.conf"))
        if hub.returncode != 0:
            raise Broken("look-hub: " + hub.stderr.decode())
        self.opened = {"hub": c.marks(hub.stdout)}
        for node in CANARY_NODES:
            self.opened[node] = c.decrypted(node)

    def numbers(self):
        found = set()
        for marks in [*self.plain.values(), *self.opened.values()]:
            found |= {n for n, _ in marks}
        return found

    def classes_of(self, numbers):
        return {cls for marks in self.opened.values() for n, cls in marks if n in numbers}

    def holders(self, numbers):
        return {who for who, marks in self.opened.items() if any(n in numbers for n, _ in marks)}

    def files_with(self, needles):
        """The files in which one of these byte strings lies."""
        pattern = re.compile(b"|".join(re.escape(n) for n in needles)) if needles else None
        return [path for path, data in self.raw if pattern and pattern.search(data)]


def tokens_of(c, people):
    """Everything by which anybody calls them, as bytes."""
    out = set()
    for node in CANARY_NODES:
        for person in people:
            out.add(own_token(c.region, node, person))
        for d in c.region.inbox(node):
            if c.person.get(c.number_of.get(d.get("event_id"))) in people:
                out |= {bytes.fromhex(d[k].replace("-", "")) for k in
                        ("person_token", "case_token") if d.get(k)}
    return out


def spellings(tokens):
    return {t for t in tokens} | {t.hex().encode() for t in tokens}


# ---- a copy from before ----------------------------------------------------------------


class Yesterday:
    """A backup, with a copy of what no backup has: the keys that wrap keys."""

    def __init__(self, region, folder):
        self.region, self.folder = region, folder
        must("backup", "create", os.path.join(folder, "all"), "--what", "all", "--dir",
             region.folder)
        shutil.copytree(region.path("kek"), os.path.join(folder, "kek"))
        for node in CANARY_NODES:
            shutil.copytree(region.path(node, "spool"), os.path.join(folder, node),
                            ignore=shutil.ignore_patterns("owner.lock"))

    def look(self, kek):
        """The hub's backup, opened with the keys that wrap keys of then or of now."""
        with tempfile.TemporaryDirectory(prefix="tsunagi-old-") as d:
            for part in ("data", "keyring"):
                shutil.copytree(os.path.join(self.folder, "all", part), os.path.join(d, part))
            os.mkdir(os.path.join(d, "state"), 0o700)  # a backup is an earlier log
            shutil.copytree(kek, os.path.join(d, "kek"))
            with open(self.region.path("hub.conf"), encoding="utf-8") as f:
                text = f.read()
            for name in ("hub.key", "log.key", "agencies.tsv", "municipalities.tsv", "nodes.tsv",
                         "policy", "approvers.tsv", "witness.tlog"):
                text = text.replace('"%s"' % name, '"%s"' % self.region.path(name))
            conf = os.path.join(d, "hub.conf")
            with open(conf, "w", encoding="utf-8") as f:
                f.write(text)
            return look_hub(conf)

    def wrapped(self):
        """Every wrapped key of the hub, and of each node those of people."""
        out = {"hub": self.column(os.path.join(self.folder, "all/keyring/keyring.db"),
                                  "SELECT wrapped FROM dek")}
        for node in CANARY_NODES:
            out[node] = dict(self.column(os.path.join(self.folder, node, "spool.db"),
                                         "SELECT person, wrapped FROM person_key", 2))
        return out

    @staticmethod
    def column(path, sql, n=1):
        with contextlib.closing(sqlite3.connect(path)) as db:
            return [r[0] if n == 1 else r for r in db.execute(sql)]


# ---- orders ---------------------------------------------------------------------------


def ordered(region, folder, person):
    """The order's number, signed by two and handed in; None: the hub knows no such person."""
    node = person.partition("-")[2]
    path = os.path.join(folder, person + ".order")
    code, _, err = command("order", "make", "erase", "--agency", NODES[node][0], "--token",
                           own_token(region, node, person).hex(), "--reason", "PERSON_ASKED",
                           "--dir", region.folder, "--out", path)
    if code != 0:
        if "E-NF-001" not in err:
            raise Broken("order make: " + err)
        return None
    for name in ("approver-a", "approver-b"):
        must("order", "sign", path, "--key", region.path(name + ".key"))
    return json.loads(must("order", "submit", path, "--dir", region.folder, "--json"))["order"]


def one_is_too_few(story, folder):
    region = story.region
    path = os.path.join(folder, "one.order")
    must("order", "make", "erase", "--agency", NODES["h1"][0], "--token",
         own_token(region, "h1", "willing-h1").hex(), "--reason", "PERSON_ASKED", "--dir",
         region.folder, "--out", path)
    must("order", "sign", path, "--key", region.path("approver-a.key"))
    code, _, err = command("order", "submit", path, "--dir", region.folder)
    story.hold(code != 0, "一人の署名だけでは、消せない", "the signature of one erases nobody", err)


def unanswered(region, orders):
    """Machines that have not answered; an agency without one is told on paper."""
    return [h["node"] for o in orders.values() for h in certificate(region, o)["holders"]
            if h["node"] and not h.get("outcome")]


def erased(story, people, folder):
    """The orders of all who asked, the night, and every machine's answer."""
    region = story.region
    one_is_too_few(story, folder)
    region.stop(AWAY)
    orders = {p: ordered(region, folder, p) for p in people}
    orders = {p: o for p, o in orders.items() if o}
    story.tell("%d人が、すべて消してほしいと求め、二人が署名した。%sの機械は止まっている" %
               (len(orders), NODES[AWAY][0]),
               "%d people asked for everything to be erased, two signed; %s is switched off" %
               (len(orders), AWAY))
    must("erase", "run", "--dir", region.folder)
    for node in CANARY_NODES:  # a machine asks as soon as it starts
        if node != AWAY:
            region.stop(node)
            region.start(node)
    region.wait_connected([n for n in CANARY_NODES if n != AWAY])
    wait_for(lambda: set(unanswered(region, orders)) == {AWAY}, 20)
    waiting = unanswered(region, orders)
    story.hold(set(waiting) == {AWAY}, "止まっている機械からだけ、まだ答えがない(%d)" % len(waiting),
               "of the machine that is off alone there is no answer yet (%d)" % len(waiting),
               str(waiting))
    region.start(AWAY)
    region.wait_connected([AWAY])
    story.hold(wait_for(lambda: not unanswered(region, orders), 20),
               "起動すると、持っていたものを消し、署名して答えた",
               "switched on, it forgets what it had, and signs that it did")
    return orders


def certificate(region, order):
    """Also of an erasure that is not answered by all yet (8)."""
    code, out, err = command("erase", "certificate", order, "--dir", region.folder, "--json")
    if code not in (0, 8):
        raise Broken("certificate: %d: %s" % (code, err))
    return json.loads(out)


# ---- afterwards ---------------------------------------------------------------------------


def said_so(story, orders, folder):
    region, order = story.region, orders["willing-h1"]
    c = certificate(region, order)
    story.hold(c["state"] == "over" and c["destroyed"] and
               all(h["outcome"] in ("DELETED", "HANDED_OVER", "UNKNOWN")
                   for h in c["holders"] if h["node"]),
               "証明書に、壊した鍵と、%d台の答えがある" % len(c["holders"]),
               "the certificate has the keys destroyed and the answers of %d machines" %
               len(c["holders"]), json.dumps(c))
    report = os.path.join(folder, "report")
    must("audit", "report", "--order", order, "--actor", "窓口の職員", "--yes", "--out", report,
         "--config", region.conf("h1"))
    with open(os.path.join(report, "report.json"), encoding="utf-8") as f:
        said = json.load(f)
    story.hold(said.get("erased"), "本人への報告は「消去済み」と言う", "the report says: erased")


def nothing_left(story, c, before, after, asked):
    """By marks: theirs are gone, all others are where they were."""
    theirs = c.of(asked, before.numbers())
    left = c.of(asked, after.numbers())
    story.hold(not left, "ハブにも%d台の機械にも、鍵で開けても、消した人の印は一つもない(前は%d件)" %
               (len(CANARY_NODES), len(theirs)),
               "neither the hub nor %d nodes hold a mark of theirs, opened or not (before: %d)" %
               (len(CANARY_NODES), len(theirs)),
               str({n: c.accepted.get(n, c.refused.get(n)) for n in sorted(left)[:5]}) + " " +
               str([p for p, m in after.plain.items() if any(n in left for n, _ in m)][:5]) +
               str([p for p, m in after.opened.items() if any(n in left for n, _ in m)][:5]))
    others = before.numbers() - theirs
    gone = others - after.numbers()
    story.hold(others and not gone, "ほかの人の印は、前と同じところにある(%d件)" % len(others),
               "the marks of others are where they were (%d)" % len(others), str(sorted(gone)[:5]))


def no_trace(story, before, after, tokens, yesterday, people):
    """No token, no wrapped key, in any file."""
    needles = spellings(tokens)
    story.hold(before.files_with(needles), "番号は、前はハブと機械のファイルにあった",
               "their tokens lay in files of hub and nodes before")
    left = after.files_with(needles)
    story.hold(not left, "消した人を指す番号は、どのファイルにもない",
               "no token of theirs lies in any file", " ".join(left[:5]))
    wrapped = yesterday.wrapped()
    keys = set(wrapped["hub"])
    for node in CANARY_NODES:
        keys |= {w for t, w in wrapped[node].items() if bytes(t) in tokens}
    story.hold(keys and not after.files_with(keys),
               "包まれた鍵も、どのファイルにもない(前は%d個)" % len(keys),
               "no wrapped key of theirs lies in any file (before: %d)" % len(keys))


def backup_is_useless(story, c, yesterday, asked, then):
    with_old = {n for n, _ in c.marks(then.stdout)}
    story.hold(c.of(asked, with_old), "前日の控えは、前日の鍵では開いた",
               "yesterday's backup opened with yesterday's keys", then.stderr.decode())
    now = yesterday.look(story.region.path("kek"))
    left = c.of(asked, {n for n, _ in c.marks(now.stdout)})
    story.hold(not left, "いま残っている鍵では、前日の鍵束の控えから何も読めない",
               "with the keys that are left yesterday's keyring opens nothing", str(sorted(left)[:5]))


def play_erasure(region, _options):
    read_class_names()
    story = Story("すべて消してほしい", "erase everything of mine", region)
    c = People(region)
    everything_sent(story, c)
    settled(region)
    people = ["willing-" + n for n in CANARY_NODES]
    tokens = tokens_of(c, people)
    folder = tempfile.mkdtemp(prefix="tsunagi-erasure-")
    try:
        region.down()
        before = Kept(c)
        region.up()
        yesterday = Yesterday(region, folder)
        then = yesterday.look(os.path.join(folder, "kek"))
        orders = erased(story, people, folder)
        leave_traces(region)
        said_so(story, orders, folder)
        region.down()
        asked = set(orders)
        after = Kept(c)
        found = c.of(asked, before.numbers())
        story.hold(len(before.holders(found)) > 10, "前は、ハブと%d台が持っていた" %
                   (len(before.holders(found)) - 1),
                   "before, the hub and %d nodes held something of theirs (%d classes of data)" %
                   (len(before.holders(found)) - 1, len(before.classes_of(found))))
        nothing_left(story, c, before, after, asked)
        no_trace(story, before, after, tokens, yesterday, asked)
        backup_is_useless(story, c, yesterday, asked, then)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    story.note("%d人の%d件の印を、消す前と後に、全部のファイルから探しました" %
               (len(asked), len(found)),
               "%d marks of %d people searched for in every file, before and after" %
               (len(found), len(asked)))
    return story.end()
