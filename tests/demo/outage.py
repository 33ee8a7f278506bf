"""outage.py - the story of power cuts: nothing acknowledged is lost or doubled."""
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from emergency import all_accepted
from people import consent as agreed, today, token
from region import BIN, NODES, Stream, alive, die_with_parent, must, wait_for
from story import Story
from talk import Broken

OUTAGE_NODES = ["h1", "c1", "c2", "b1-a", "p1", "n1", "s1"]
OUTAGE_CASES = 10
BATCH = 10
# system calls to die in, and how many of them may pass first
DEATHS = {"fdatasync": 20, "pwrite64": 150, "sendto": 60, "write": 100, "fsync": 5,
          "recvfrom": 100}


class Sender(threading.Thread):
    """One node's events, sent in batches until each is answered. What was
    answered goes to a ledger outside every folder that is cut off."""

    def __init__(self, outage, node, make, count, to):
        super().__init__(daemon=True)
        self.outage, self.node, self.to = outage, node, to
        self.lines = [make(i % OUTAGE_CASES, i // OUTAGE_CASES) for i in range(count)]
        self.count, self.done, self.trouble = count, 0, None
        self.stream, self.resent = None, 0
        self.ledger = open(os.path.join(outage.ledgers, "receipts-%s" % node), "a")
        self.acked = {}

    def key(self, i):
        return "%s-%d-%d" % (self.node, i % OUTAGE_CASES, i // OUTAGE_CASES)

    def run(self):
        try:
            while self.done < self.count and not self.outage.over:
                if self.done >= self.outage.allowed(self.count):
                    time.sleep(0.01)
                    continue
                batch = range(self.done, min(self.done + BATCH, self.count))
                if self.send(batch):
                    self.done = batch.stop
        except Broken as e:
            self.trouble = str(e)
        finally:
            self.close()

    def close(self):
        if self.stream:
            self.stream.p.kill()
            self.stream.p.wait()
            self.stream = None

    def send(self, batch):
        """True when every event of the batch was answered."""
        if self.stream is None:
            if not wait_for(lambda: self.outage.region.listens(self.node), 1):
                return False
            self.stream = Stream(self.outage.region, self.node)
            self.fd = self.stream.p.stdout.fileno()
            os.set_blocking(self.fd, False)
        self.stream.p.stdin.flush()
        started, answers, rest = self.outage.deaths.get(self.node, 0), 0, b""
        try:
            for i in batch:
                self.stream.put(self.lines[i])
        except OSError:
            self.close()
            return False
        while answers < len(batch):
            if self.outage.over or self.outage.deaths.get(self.node, 0) != started or \
                    self.stream.p.poll() is not None:
                self.resent += 1
                self.close()
                return False
            try:
                part = os.read(self.fd, 65536)
            except BlockingIOError:
                time.sleep(0.005)
                continue
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                if not self.take(line.decode().split()):
                    self.resent += 1
                    self.close()
                    return False
                answers += 1
        return True

    def take(self, words):
        if words[0] == "ACK":
            self.acked[words[1]] = int(words[2])
            self.ledger.write("%s %s\n" % (words[1], words[2]))
            self.ledger.flush()
            os.fsync(self.ledger.fileno())
            return True
        if words[2] in ("E-NET-001", "E-BSY-001", "E-STO-001"):
            return False
        raise Broken("%s: %s" % (self.node, " ".join(words)))


class Outage:
    """Four nodes send while the hub and one node die again and again."""

    def __init__(self, story, events, kills, lie=None):
        self.story, self.region = story, story.region
        self.kills, self.killed, self.injected = kills, 0, 0
        self.deaths, self.over = {"h1": 0, "hub": 0}, False
        self.lie = lie  # None: only processes die; else the disk, honest or not
        self.ledgers = tempfile.mkdtemp(prefix="tsunagi-ledger-")
        self.followers = []
        self.stamp = int(time.time()) * 1000 + 10**12  # tells this run from others
        count = events // 4
        self.prepare()
        self.senders = [Sender(self, "h1", self.admission, count, ["p1"]),
                        Sender(self, "c1", self.plan("c1", ["n1", "h1"]), count, ["n1", "h1"]),
                        Sender(self, "c2", self.plan("c2", ["n1"]), count, ["n1"]),
                        Sender(self, "b1-a", self.canvass, count, ["s1"])]

    # -- what is sent --

    def prepare(self):
        self.person = {n: token() for n in ("h1", "c1", "c2", "b1-a")}
        self.case = {(n, c): token() for n in self.person for c in range(OUTAGE_CASES)}

        def consent(node, purpose, to, classes):
            return {"type": "CONSENT_GIVEN", "person_token": self.person[node], "to": [],
                    "body": agreed(purpose, [NODES[n][0] for n in to], classes)}
        first = {"h1": [consent("h1", "P_TRA", ["p1"], ["G_ID", "G_ADM"])],
                 "c1": [consent("c1", "P_PD", ["n1", "h1"], ["G_ID", "G_PLAN", "G_CRISIS"])],
                 "c2": [consent("c2", "P_PD", ["n1"], ["G_ID", "G_PLAN", "G_CRISIS"])],
                 "b1-a": []}
        for c in range(OUTAGE_CASES):
            about = {"person_token": self.person["b1-a"], "case_token": self.case["b1-a", c],
                     "to": []}
            first["b1-a"] += [
                {"type": "EMERGENCY_REQUESTED", **about,
                 "body": {"registration": "REGISTERED", "reason": "CARER_ILL",
                          "need_from_ms": self.stamp, "care": "食事の声かけ"}},
                {"type": "EMERGENCY_TRIAGED", **about, "body": {"branch": "CANVASS"}}]
        for node, events in first.items():
            stream = Stream(self.region, node)
            for e in events:
                all_accepted([stream.ask(e)], e["type"])
            stream.close()

    def event(self, node, kind, c, n, to, purpose, body):
        return {"type": kind, "person_token": self.person[node],
                "case_token": self.case[node, c], "source": "%d %s %d %d" % (self.stamp, node, c, n),
                "to": [{"agency": NODES[t][0], "purpose": purpose} for t in to], "body": body}

    def admission(self, c, n):
        return self.event("h1", "ADMISSION_RECORDED", c, n, ["p1"], "P_TRA", {
            "name": {"kanji": "試験三郎", "kana": "シケンサブロウ"}, "birth": "1958-08-09",
            "sex": "MALE", "admitted_on": today().isoformat(), "ward": "5E",
            "source_id": "%d h1-%d-%d" % (self.stamp, c, n), "corrects": n > 0})

    def plan(self, node, to):
        return lambda c, n: self.event(node, "PLAN_ISSUED", c, n, to, "P_PD", {
            "plan_no": "%d %s-%d-%d" % (self.stamp, node, c, n), "issued_on": today().isoformat(),
            "name": {"kanji": "例示次郎", "kana": "レイジジロウ"}, "birth": "1983-01-15",
            "sex": "MALE", "crisis": "眠れない日が3日続いたら電話する。"})

    def canvass(self, c, n):
        return self.event("b1-a", "STAY_CANVASS", c, n, ["s1"], "P_EMG", {
            "need_from_ms": self.stamp + c * 1000 + n, "nights": 1, "sex": "MALE",
            "age_band": "AGE_60S"})

    def key_of(self, d):
        """Sender, case and number of what arrived; None: none of ours."""
        body = d.get("body", {})
        if d["type"] == "STAY_CANVASS":
            n = int(body["need_from_ms"]) - self.stamp
            return "b1-a-%d-%d" % (n // 1000, n % 1000) if 0 <= n < 1000000 else None
        key = str(body.get("source_id") or body.get("plan_no"))
        mine = "%d " % self.stamp
        return key[len(mine):] if key.startswith(mine) else None

    # -- what is cut --

    def allowed(self, count):
        """Something is always left to be sent while something is being cut."""
        return min(count, count * (self.killed + 2) // (self.kills + 1))

    def await_progress(self):
        """Each cut finds work in full flow: a share was answered since the last."""
        share = sum(s.count for s in self.senders) * (self.killed + 1) // (self.kills + 2)
        wait_for(lambda: sum(len(s.acked) for s in self.senders) >= share or
                 any(s.trouble for s in self.senders), 15)
        time.sleep(random.uniform(0, 0.1))

    def run(self):
        """With a disk that may lie the recipients are away until the end, so
        that what was accepted rests with the hub alone."""
        recipients = ("p1", "n1", "s1")
        if self.lie is None:
            for node in recipients:
                self.follow(node)
        else:
            for node in recipients:
                self.region.stop(node)
        for s in self.senders:
            s.start()
        while self.killed < self.kills or \
                (self.lie is None and self.injected * 2 < self.kills and self.killed < 2 * self.kills):
            victim = "h1" if self.lie is None and self.killed % 5 in (1, 3) else "hub"
            self.cut(victim)
            self.killed += 1
        end = time.monotonic() + (60 if self.lie is None else 12)
        while any(s.is_alive() for s in self.senders) and time.monotonic() < end and \
                not any(s.trouble for s in self.senders):
            time.sleep(0.05)
        if self.lie is not None:
            for node in recipients:
                self.region.start(node)
            wait_for(lambda: all(self.region.listens(n) for n in recipients), 5)
            for node in recipients:
                self.follow(node)

    def follow(self, node):
        """Another process writes down what arrives."""
        self.followers.append(subprocess.Popen(
            [os.path.join(BIN, "tsunagi"), "inbox", "--config", self.region.conf(node),
             "--follow", "--exec", "cat >> '%s/arrivals-%s'" % (self.ledgers, node)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=die_with_parent))

    def cut(self, victim):
        """Restarts it so that it dies in a random system call, or kills it at a
        random moment; then starts it again."""
        region = self.region
        ahead = self.injected * 2 > self.killed + 2
        self.await_progress()
        if self.lie is not None or (ahead and self.killed % 4 == 3):
            self.kill(victim)
            self.restart(victim)
            return
        self.kill(victim)
        call = random.choice(list(DEATHS))
        few = self.kills < 10  # a short story makes few calls
        when = random.randint(1, DEATHS[call] // 5 if few else DEATHS[call])
        wrapper = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e",
                   "inject=%s:signal=KILL:when=%d" % (call, when)]
        self.restart(victim, wrapper)
        p = region.running[victim]
        if wait_for(lambda: p.poll() is not None, 2 if few else 4):
            self.injected += 1
        self.kill(victim)
        self.restart(victim)

    def kill(self, victim):
        p = self.region.running.pop(victim)
        pid = p if isinstance(p, int) else p.pid
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        if isinstance(p, int):
            wait_for(lambda: not alive(p), 5)
        else:
            p.wait()
        self.deaths[victim] += 1
        if victim == "hub" and self.lie is not None:
            self.power("cut")

    def restart(self, victim, wrapper=()):
        """As a service manager does; again when its spool was still in use by a
        `send` that found no adapter running."""
        env = None
        if victim == "hub" and self.lie is not None:
            env = self.disk()
        self.region.start(victim, wrapper, env)
        p = self.region.running[victim]
        if victim == "hub" or wrapper:
            return
        end = time.monotonic() + 15
        while not self.region.listens(victim) and time.monotonic() < end:
            if p.poll() is not None:
                p = self.region.start(victim)
            time.sleep(0.02)

    def disk(self):
        """What a power cut would leave: to begin with, everything there is."""
        self.power("settle")
        return {"LD_PRELOAD": os.path.join(os.path.dirname(BIN), "fault/nosync.so"),
                "NOSYNC_LIE": "1" if self.lie else "0", **self.folders()}

    def folders(self):
        region = self.region
        return {"NOSYNC_ROOT": ":".join(region.path(n) for n in ("data", "keyring", "state")),
                "NOSYNC_SHADOW": region.path("shadow")}

    def power(self, what):
        subprocess.run([os.path.join(BIN, "tsunagi-powercut"), what], check=True,
                       env={**os.environ, **self.folders()})

    # -- what came of it --

    def settle(self, seconds):
        def quiet():
            s = self.region.status()
            return s and s["waiting_normal"] == 0 and s["waiting_urgent"] == 0
        return wait_for(quiet, seconds)

    def arrivals(self):
        """node: [(key, event id)] in the order of arrival."""
        out = {}
        for node in ("p1", "n1", "s1", "h1"):
            out[node] = [(self.key_of(d), d["event_id"])
                         for d in sorted(self.region.inbox(node), key=lambda d: d["seq"])
                         if self.key_of(d)]
        return out

    def problems(self):
        """Everything that is not as it was promised."""
        bad = [s.trouble for s in self.senders if s.trouble]
        bad += ["%s: %d/%d" % (s.node, s.done, s.count) for s in self.senders
                if s.done < s.count]
        arrived = self.arrivals()
        for s in self.senders:
            for node in s.to:
                mine = [(k, e) for k, e in arrived[node] if k.startswith(s.node + "-")]
                ids = [e for _, e in mine]
                bad += ["lost %s at %s" % (e, node) for e in s.acked if e not in set(ids)]
                keys = [k for k, _ in mine]
                bad += ["twice %s at %s" % (k, node) for k in set(keys) if keys.count(k) > 1]
                bad += self.out_of_order(s, node, keys)
        bad += self.compare_ledgers(arrived)
        return bad

    @staticmethod
    def out_of_order(sender, node, keys):
        last, bad = {}, []
        for k in keys:
            case, n = k.rsplit("-", 1)
            if int(n) < last.get(case, -1):
                bad.append("order %s at %s" % (k, node))
            last[case] = int(n)
        return bad

    def compare_ledgers(self, arrived):
        bad = []
        for node in ("p1", "n1", "s1"):
            path = os.path.join(self.ledgers, "arrivals-%s" % node)
            wanted = [e for _, e in arrived[node]]
            read = []

            def whole():
                read.clear()
                with contextlib.suppress(OSError), open(path) as f:
                    for line in f:
                        d = json.loads(line)
                        if self.key_of(d):
                            read.append(d["event_id"])
                return len(read) >= len(wanted)
            wait_for(whole, 30 if self.lie is None else 3)
            if sorted(read) != sorted(wanted):
                bad.append("ledger of %s: %d, inbox: %d" % (node, len(read), len(wanted)))
        return bad

    def close(self):
        self.over = True
        for p in self.followers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(p.pid, signal.SIGKILL)
            p.wait()
        for s in self.senders:
            s.join(5)
            s.ledger.close()
        shutil.rmtree(self.ledgers, ignore_errors=True)


def play_outage(region, options):
    if options.sabotage:
        return play_sabotage(region)
    story = Story("電源断・故障", "Outages", region)
    events, kills = (40, 2) if options.quick else (2000, 20)
    before = {n: region.running[n].pid for n in OUTAGE_NODES if n != "h1"
              and not isinstance(region.running[n], int)}
    outage = Outage(story, events, kills)
    try:
        story.tell("病院・保健所2か所・拠点から%d件を送るあいだに、ハブと病院の端末を%d回、突然止めます" % (events, kills),
                   "hospital, two health centres and the hub coordinator send %d events; meanwhile "
                   "the hub and the hospital's computer are killed %d times" % (events, kills))
        outage.run()
        story.hold(all(s.done == s.count for s in outage.senders),
                   "%d件すべてに「受け付けました」が返った" % events, "all %d were answered: accepted" % events,
                   str([(s.node, s.done, s.trouble) for s in outage.senders]))
        story.tell("止めた回数: ハブ%d回、病院の端末%d回(うち%d回は、書込みや送信などの処理の最中)"
                   % (outage.deaths["hub"], outage.deaths["h1"], outage.injected),
                   "killed: the hub %d times, the hospital's computer %d times; %d of them inside "
                   "a chosen system call" % (outage.deaths["hub"], outage.deaths["h1"], outage.injected))
        story.hold(outage.injected * 2 >= kills, "半分以上は、狙った処理の最中に止まった",
                   "at least half died inside a chosen system call", str(outage.injected))
        region.wait_connected(OUTAGE_NODES)
        same = all(region.running[n].pid == pid for n, pid in before.items())
        story.hold(same, "ほかの機関の端末は、何もしなくても自分でつなぎ直した",
                   "the other nodes reconnected by themselves")
        story.hold(outage.settle(60), "配り残しはない", "nothing waits to be delivered")
        bad = outage.problems()
        story.hold(not bad, "受付済みの%d件は、宛先に一度ずつ、案件ごとに順番どおり届いた(失われたもの0、二重0)" % events,
                   "each of the %d arrived once, in order within its case: none lost, none twice" % events,
                   "; ".join(bad[:5]))
    finally:
        outage.close()
    story.note("%d件を送り、%d回止めました: 失われたもの0、二重に届いたもの0、順番の狂い0" % (events, outage.deaths["hub"] + outage.deaths["h1"]),
               "%d events, %d kills: none lost, none twice, none out of order" % (events, outage.deaths["hub"] + outage.deaths["h1"]))
    return story.end()


def play_sabotage(region):
    story = Story("電源断: うそをつくディスクを見抜く", "Outages: a disk that lies is found out", region)
    region.stop("hub")
    found = {}
    for lie in (False, True):
        outage = None
        try:
            region.start("hub")
            region.wait_connected(OUTAGE_NODES)
            outage = Outage(story, 200, 4, lie)
            region.stop("hub")
            outage.restart("hub")
            region.wait_connected(OUTAGE_NODES)
            outage.run()
            outage.settle(8 if lie else 30)
            found[lie] = outage.problems()
        finally:
            if outage:
                outage.close()
        if not lie:
            story.hold(not found[False], "電源を4回抜き、書込みの済んでいない分をすべて消した。正直なディスクでは、何も失われない",
                       "the power was cut four times and all that was not synced is gone: on an "
                       "honest disk nothing is lost", "; ".join(found[False][:3]))
            region.stop("hub")
    lost = sum(b.startswith("lost") for b in found[True])
    story.hold(lost > 0, "「書いた」とうそをつくディスクでは、検査が赤になった(受付済みなのに消えた配送%d件)" % lost,
               "on a disk that lies about its syncs the check turns red: %d deliveries that were "
               "acknowledged are gone" % lost)
    story.note("うそをつくディスクを、検査は見逃しませんでした", "the check did not miss a disk that lies")
    return story.end()
