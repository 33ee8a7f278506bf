"""witness.py - what the witnesses are for, with real processes.

  split     a hub forked its log for two health centres, in both orders
  restored  an older copy of the database, and of all the hub remembers
  unleafed  a hub built to release without a RELEASE leaf
  quorum    witnesses that are off, closed, or sign with another key

Give names to run some of them. A hub that cheats is the hub itself, on copied
folders or without its witnesses; only `unleafed` is one with a function
replaced at link time (tests/fault/unleafed.c)."""
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN = os.environ["TSUNAGI_BIN"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/demo"))
sys.argv[0] = os.path.join(BIN, "tsunagi")  # region.py looks for the programs beside it

import region as world  # noqa: E402  pylint: disable=wrong-import-position
import talk  # noqa: E402  pylint: disable=wrong-import-position
from region import Region, must, wait_for  # noqa: E402  pylint: disable=wrong-import-position

talk.speak(False)
GO = os.path.join(os.path.dirname(BIN), "verify/verify-go")
VERIFY = os.path.join(ROOT, "tests/verify/verify.py")
# the hub's own seconds; a node's least is 10
QUORUM_SECONDS = 4
WITNESSES = ["m1", "m2", "v1", "v2"]
KINDS = {"c1": ("FILING_SUBMITTED", "HC-492019-01", "P_FIL"),
         "c2": ("PD_CANDIDATE_NOTIFIED", "HC-490008-01", "P_PD")}


# a second computer of the hospital
world.NODES["h2"] = ("MI-4910100017", "office", {"profile": "home_nursing"})


class Failed(Exception):
    pass


def check(ok, what, detail=""):
    if not ok:
        raise Failed("%s %s" % (what, detail))
    print("  ok  " + what, flush=True)


class Town(Region):
    """A small region whose hub can be put back, copied and swapped."""

    def write_witnesses(self):
        """Of a larger region four are chosen."""
        chosen = [n for n in self.nodes if n in WITNESSES]
        if len(chosen) < 4:
            chosen = self.nodes
        world.write(self.path("witness.tlog"),
                    must("node", "witnesses", *chosen, "--dir", self.folder))

    def node_conf(self, node):
        return super().node_conf(node).replace(
            'witnesses = "../witness.tlog";',
            'witnesses = "../witness.tlog"; quorum_seconds = 10;')

    def write_hub_conf(self):
        super().write_hub_conf()
        self.edit("hub.conf", "interval = 1;", "interval = 1; quorum_seconds = %d;"
                  % QUORUM_SECONDS)

    def edit(self, name, old, new):
        with open(self.path(name)) as f:
            text = f.read()
        if old not in text:
            raise Failed("%s lacks %s" % (name, old))
        world.write(self.path(name), text.replace(old, new))

    def start_hub(self, env=None):
        """The hub alone; its exit code when it does not stay."""
        p = self.start("hub", env=env)
        if wait_for(lambda: p.poll() is not None or self.status(), 15) and p.poll() is None:
            return None
        self.running.pop("hub", None)
        return p.poll()

    def keep(self, to, names=("data", "keyring", "state")):
        for name in names:
            shutil.rmtree(self.path(to, name), ignore_errors=True)
            shutil.copytree(self.path(name), self.path(to, name))

    def put_back(self, kept, names=("data", "keyring", "state")):
        for name in names:
            shutil.rmtree(self.path(name))
            shutil.copytree(self.path(kept, name), self.path(name))

    def log(self, name):
        with contextlib.suppress(OSError), open(self.path(name + ".log"), errors="replace") as f:
            return f.read()
        return ""

    def witness(self):
        return (self.status() or {}).get("witness", {})

    def cosigned_all(self, seconds=20):
        """The quorum has the whole log."""
        def look():
            s = self.status()
            return s and s["witness"]["cosigned"] == s["leaves"] and s["leaves"] > 0
        return wait_for(look, seconds)

    @staticmethod
    def sample(kind):
        p = subprocess.run([os.path.join(BIN, "tsunagi-sample"), kind, "X", "0"], check=True,
                           stdout=subprocess.PIPE)
        return json.loads(p.stdout)["body"]

    def post(self, to, person, sender="h1"):
        """Something that the hospital owes this health centre by law."""
        kind, agency, purpose = KINDS[to]
        person = "%s of %s" % (person, to)
        answer = self.send(sender, {"type": kind, "person": person, "case": "case " + person,
                                    "to": [{"agency": agency, "purpose": purpose}],
                                    "body": self.sample(kind)})
        if answer.get("outcome") != "ACCEPTED":
            raise Failed("post: %s" % answer)

    def quorum(self, node):
        return json.loads(must("inbox", "status", "--config", self.conf(node),
                               "--json"))["hub"]["quorum"]

    def start_is_good(self):
        return wait_for(lambda: self.witness().get("vouched"), 15) and \
            self.running["hub"].poll() is None

    def forge(self, node):
        """The node signs with a key that the policy does not name."""
        with open(self.path(node, "node.key")) as f:
            lines = [("witness-seed: " + "5a" * 32) if line.startswith("witness-seed") else line
                     for line in f.read().splitlines()]
        world.write(self.path(node, "node.key"), "\n".join(lines) + "\n")

    def count(self, node):
        return len(self.inbox(node))

    def wait_count(self, node, n, seconds=15):
        return wait_for(lambda: self.count(node) >= n, seconds)

    def forked(self, node):
        """Said in the exit code (9), too."""
        code, out, _ = world.command("inbox", "status", "--config", self.conf(node), "--json")
        says = json.loads(out)["hub"]["forked"]
        if code != (9 if says else 0):
            raise Failed("inbox status: exit %d, forked %s" % (code, says))
        return says

    def evidence(self, node):
        return glob.glob(self.path(node, "**", "fork-evidence-*.txt"), recursive=True)


@contextlib.contextmanager
def town(nodes):
    folder = tempfile.mkdtemp(prefix="tsunagi-witness-")
    t = Town(os.path.join(folder, "r"), nodes)
    try:
        t.make()
        yield t
    except BaseException:
        for name in ["hub", *t.nodes]:
            print("--- %s\n%s" % (name, "\n".join(t.log(name).splitlines()[-12:])))
        raise
    finally:
        t.down()
        shutil.rmtree(folder, ignore_errors=True)


def go_verifies(path):
    """The evidence, read by tests/verify/verify.go."""
    p = subprocess.run([GO, "fork", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       check=False)
    return p.returncode == 0, p.stdout.decode()


def go_refuses(path):
    """Either note changed by one byte, or one of them twice, is no evidence."""
    with open(path, "rb") as f:
        text = f.read()
    seen, now = (text.split(b"---- %s ----\n" % name)[1].split(b"---- ")[0]
                 for name in (b"seen before", b"received now"))
    spoilt = [text.replace(seen, seen.replace(b"\n", b"0\n", 2).replace(b"0\n", b"\n", 1)),
              text.replace(now, now.replace(b"\n", b"0\n", 2).replace(b"0\n", b"\n", 1)),
              text.replace(seen, now)]
    for i, bad in enumerate(spoilt):
        name = "%s.%d" % (path, i)
        with open(name, "wb") as f:
            f.write(bad)
        good, _ = go_verifies(name)
        os.unlink(name)
        if good:
            return False
    return True


def prove(t, node):
    """The node refuses and has evidence that stands by itself."""
    check(wait_for(lambda: t.forked(node), 20), "%s says that the log is forked" % node)
    files = t.evidence(node)
    check(len(files) >= 1, "%s kept evidence" % node)
    good, said = go_verifies(files[0])
    check(good, "a Go program verifies %s's evidence" % node, said)
    check(go_refuses(files[0]), "and none that was changed")


def clear(t, node):
    """A person decides, and says why; what was seen before counts no more."""
    conf = ("--config", t.conf(node))
    code, out, _ = world.command("witness", "status", *conf)
    check(code == 9 and t.evidence(node)[0] in out, "%s shows where its evidence is" % node, out)
    code = world.command("witness", "clear", *conf)[0]
    check(code == 2 and t.forked(node), "nobody clears it without a reason")
    must("witness", "clear", "--reason", "rehearsal 1", *conf)
    with open(t.path(node, "node.key.witness")) as f:
        check(f.read().rstrip().count(" rehearsal 1\n") == 1, "the reason is kept")
    check(not t.forked(node) and len(t.evidence(node)) >= 1, "cleared; the evidence stays")
    code = world.command("witness", "clear", "--reason", "again", *conf)[0]
    check(code != 0, "nothing is cleared twice")


# ---- a hub that tells two stories ----

def one_history(t, towns):
    """Everybody sees the same log, and cosigns it."""
    t.up()
    for node in towns:
        t.post(node, "before")
        check(t.wait_count(node, 1), "%s gets what came before the fork" % node)
    check(t.cosigned_all(), "all have cosigned that log")
    t.down()


def split(first, second):
    """h1 and first see one story, h2 and second the other."""
    print("split: %s is told one story, %s another" % (first, second))
    with town(["h1", "h2", "c1", "c2", "m1"]) as t:
        one_history(t, (first, second))
        t.keep("fork")
        t.start("hub")
        for node in ("h1", "m1", first):
            t.start(node)
        t.post(first, "one story")
        check(t.wait_count(first, 2) and t.cosigned_all(), "%s gets the one story" % first)
        t.down()

        # the same keys, the same addresses, and no questions to witnesses
        t.put_back("fork")
        t.edit("hub.conf", "witness = ", "# ")
        t.start("hub")
        for node in ("h2", second):
            t.start(node)
        for i in range(3):
            t.post(second, "other story %d" % i, "h2")
        check(t.wait_count(second, 4), "%s gets the other story" % second)

        t.start(first)
        t.post(first, "other story", "h2")
        prove(t, first)
        check(t.count(first) == 2, "%s takes nothing of the other story" % first)
        clear(t, first)
        check(t.wait_count(first, 3), "%s takes what the log has now" % first)

        check(wait_for(lambda: t.quorum(second) == "late", 30) and not t.forked(second),
              "%s, which is alone in it, stops its ordinary lane for want of a quorum" % second)
        t.post(second, "more", "h2")
        time.sleep(2)
        check(t.count(second) == 4, "%s takes nothing more" % second)


# ---- a hub that went back in time ----

def restored():
    print("restored: an older copy")
    with town(["h1", "c1", "m1"]) as t:
        t.up()
        t.post("c1", "one")
        check(t.wait_count("c1", 1) and t.cosigned_all(), "a log that all have cosigned")
        t.stop("c1")
        t.post("c1", "waits for c1")
        t.down()
        t.keep("old")
        t.up()
        t.post("c1", "three")
        check(t.wait_count("c1", 3) and t.cosigned_all(), "and that went on")
        t.down()

        t.keep("new")
        t.put_back("old", ("data", "keyring"))
        check(t.start_hub() == 78, "an old database does not start: exit 78")
        check("E-STO-003" in t.log("hub"), "and says why")

        t.put_back("old")
        check(t.start_hub() is None, "old database, old state: nothing at the hub tells")
        hub = t.running["hub"]
        before = t.count("c1")
        t.start("c1")
        check(wait_for(lambda: hub.poll() is not None, 20), "the first witness ends it")
        check(hub.poll() == 78, "exit 78", str(hub.poll()))
        t.running.pop("hub")
        check("the log's own key signed a head" in t.log("hub"), "and says why")
        files = glob.glob(t.path("state", "fork-evidence-*.txt"))
        check(len(files) == 1 and go_verifies(files[0])[0], "with evidence that Go verifies")
        status = json.loads(must("inbox", "status", "--config", t.conf("c1"), "--json"))
        check(t.count("c1") == before and status["hub"]["repeated"] == 0,
              "nothing was released before")
        t.stop("c1")

        t.put_back("new")
        t.start("hub")
        t.start("c1")
        check(t.start_is_good(), "the true log goes on")


# ---- a hub that releases without a leaf ----

def unleafed(how):
    print("unleafed: a hub that skips the RELEASE leaf (%s)" % how)
    with town(["h1", "c1", "m1"]) as t:
        t.hub_program = os.path.join(os.path.dirname(BIN), "fault/tsunagid-unleafed")
        check(t.start_hub({"UNLEAFED": how}) is None, "it starts")
        for node in t.nodes:
            t.start(node)
        t.wait_connected(t.nodes)
        t.post("c1", "one")
        check(wait_for(lambda: "refused delivery code=E-DLV-003" in t.log("c1"), 20),
              "c1 refuses the delivery")
        time.sleep(1)
        check(t.count("c1") == 0, "and has nothing")


# ---- who must sign ----

def urgent(t, n):
    """A bed is sought: s1 is asked over the urgent lane."""
    case = {"person_token": "%032x" % (0xa0 + n), "case_token": "%032x" % (0xb0 + n)}
    for kind, to in (("EMERGENCY_REQUESTED", []), ("EMERGENCY_TRIAGED", []),
                     ("STAY_CANVASS", [{"agency": "WO-4911000018", "purpose": "P_EMG"}])):
        t.send("b1-a", {"type": kind, "to": to, "body": t.sample(kind), **case})


def exported(t):
    """What an auditor is given: the newest head with its quorum, whole for three
    programs that share no code, and refused by a policy that asks for more."""
    folder, more = t.path("export"), t.path("more.tlog")
    must("audit", "export", folder, "--dir", t.folder)
    own = {n: t.path("own." + n) for n in ("log.vkey", "policy.tlog")}
    for name, to in own.items():
        shutil.copy(os.path.join(folder, name), to)
    with open(own["policy.tlog"], encoding="utf-8") as f:
        text = f.read()
    with open(more, "w", encoding="utf-8") as f:
        f.write("# another\n" + text)
    trust = ["--vkey", own["log.vkey"], "--policy"]
    python = ["/usr/bin/python3", "-B", VERIFY]
    programs = {"tsunagi": [os.path.join(BIN, "tsunagi"), "audit", "verify"],
                "Go": [GO, "export"], "Python": python}
    for who, words in programs.items():
        for policy, want in (own["policy.tlog"], True), (more, False):
            p = subprocess.run([*words, folder, *trust, policy], check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            check((p.returncode == 0) == want,
                  "%s %s" % (who, "accepts the export" if want else
                             "refuses it by another policy"),
                  p.stdout.decode())


def quorum():
    print("quorum: three of four must sign")
    with town(["h1", "c1", "b1-a", "s1", *WITNESSES]) as t:
        t.up()
        check(t.cosigned_all(), "all four sign")
        exported(t)

        t.stop("v2")
        t.post("c1", "one")
        check(t.wait_count("c1", 1) and t.cosigned_all(), "one is off: the log is cosigned")

        t.stop("v1")
        t.post("c1", "two")
        check(wait_for(lambda: t.witness().get("normal_stopped"), 20),
              "two are off: ordinary deliveries wait")
        had, asked = t.count("c1"), t.count("s1")
        t.post("c1", "three")
        urgent(t, 1)
        check(t.wait_count("s1", asked + 1), "urgent ones go on")
        check(t.count("c1") == had, "and ordinary ones still wait")

        t.forge("v1")
        t.start("v1")
        check(wait_for(lambda: any(s["name"] == "v1" and s["lies"] > 0
                                   for s in t.witness()["list"]), 20),
              "one is back and signs with another key: it is counted")
        check(t.witness()["normal_stopped"], "and it does not count")
        check(t.running["hub"].poll() is None, "nor does it stop the hub")

        t.start("v2")
        check(t.wait_count("c1", 3, 30), "three sign again: ordinary deliveries go on")


def closed():
    print("quorum: those who are closed do not count")
    with town(["h1", "c1", *WITNESSES]) as t:
        world.write(t.path("hours.tsv"), "witness\tdays\tfrom\tto\n" + "".join(
            "%s\tclosed\t2020-01-01\t2099-12-31\n" % n for n in ("v1", "v2")))
        t.edit("hub.conf", 'policy = "witness.tlog";',
               'policy = "witness.tlog"; hours = "hours.tsv";')
        for node in t.nodes:
            t.edit(os.path.join(node, "node.conf"), 'quorum_seconds = 10;',
                   'quorum_seconds = 10; witness_hours = "../hours.tsv";')
        t.nodes = ["h1", "c1", "m1", "m2"]
        t.up()
        t.post("c1", "one")
        check(t.wait_count("c1", 1) and t.cosigned_all(), "the two that are open are enough")
        t.stop("m1")
        t.post("c1", "two")
        check(wait_for(lambda: t.witness().get("normal_stopped"), 20), "one of them is not")


STORIES = {
    "split": lambda: (split("c1", "c2"), split("c2", "c1")),
    "restored": restored,
    "unleafed": lambda: (unleafed("cite"), unleafed("forge")),
    "quorum": lambda: (quorum(), closed()),
}


def main():
    for name in sys.argv[1:] or STORIES:
        STORIES[name]()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        main()
    except Failed as e:
        sys.exit("witness.py: FAILED: %s" % e)
