"""region.py - the fictitious region as real processes on this machine.

  Region   a folder with keys, configuration, and the running processes
  Stream   a `tsunagi send --stream` kept open"""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from talk import Broken, say

# the program, which the build packed from these files, lies beside the others
BIN = os.path.dirname(os.path.realpath(sys.argv[0]))
ORIGIN = "tsunagi.example/region49"


def find_root():
    """Where policy, region and sample inputs lie: the source tree, or installed."""
    folder = BIN
    while folder != "/":
        if os.path.exists(os.path.join(folder, "deploy/policy/rules.tsv")):
            return folder
        folder = os.path.dirname(folder)
    return "/usr/share/tsunagi"


ROOT = find_root()
SAMPLES = os.path.join(ROOT, "tests/demo")
# stop, after which a wait has failed
PATIENCE = 20.0

# node: agency, module, options of the module
NODES = {
    "h1": ("MI-4910100017", "hospital", {}),
    "p1": ("WO-4931000014", "office", {"profile": "planning_office"}),
    "n1": ("MI-4960100016", "office", {"profile": "home_nursing"}),
    "k1": ("OW-K1-492019", "consultation_centre", {}),
    "b1-a": ("OW-B1-49", "life_support_hub", {}),
    "b1-b": ("OW-B1-49", "life_support_hub", {}),
    "c1": ("HC-492019-01", "health_centre", {}),
    "c2": ("HC-490008-01", "health_centre", {}),
    "m1": ("LG-492019", "municipality", {}),
    "m2": ("LG-492027", "municipality", {}),
    "a1": ("OW-AUDIT-49", "consultation_centre", {}),
    "v1": ("OW-VISIT-49", "consultation_centre", {}),
    "v2": ("OW-VIS-49", "consultation_centre", {}),
    "w1": ("OW-HOUSE-49", "office", {"profile": "housing"}),
    "s1": ("WO-4911000018", "office", {"profile": "short_stay"}),
    "s2": ("WO-4911000026", "office", {"profile": "short_stay"}),
    "s3": ("WO-4911000034", "office", {"profile": "short_stay"}),
    "x1": ("MI-4910100017", None, {}),  # enrolled, but runs no adapter
}

# where the hospital's messages are meant to go; who gets them is not for the
# hospital to decide
HOSPITAL_ROUTES = [
    ("ADMISSION_RECORDED", "WO-4931000014", "P_TRA"),
    ("ADMISSION_RECORDED", "MI-4960100016", "P_TRA"),
    ("ADMISSION_RECORDED", "LG-492019", "P_ADM"),
    ("ADMISSION_RECORDED", "OW-HOUSE-49", "P_TRA"),
    ("LEGAL_STATUS_STARTED", "WO-4931000014", "P_TRA"),
    ("LEGAL_STATUS_STARTED", "HC-492019-01", "P_PD"),
    ("FILING_SUBMITTED", "HC-492019-01", "P_FIL"),
    ("DISCHARGE_PLANNED", "WO-4931000014", "P_TRA"),
    ("DISCHARGE_PLANNED", "MI-4960100016", "P_TRA"),
    ("DISCHARGE_PLANNED", "OW-HOUSE-49", "P_TRA"),
    ("DISCHARGED", "WO-4931000014", "P_TRA"),
    ("DISCHARGED", "MI-4960100016", "P_TRA"),
    ("DISCHARGED", "OW-HOUSE-49", "P_TRA"),
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def quoted(text):
    return '"%s"' % str(text).replace("\\", "\\\\").replace('"', '\\"')


def write(path, text, mode=0o600):
    data = text if isinstance(text, bytes) else text.encode()
    part = path + ".part"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "wb") as f:
        f.write(data)
    os.rename(part, path)


def wait_for(what, seconds=PATIENCE):
    """Until what() is true; its value, or None."""
    end = time.monotonic() + seconds
    pause = 0.01
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value or None
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def command(*args, data=None, timeout=60):
    """Runs the public command line; (exit code, stdout, stderr)."""
    p = subprocess.run([os.path.join(BIN, "tsunagi"), *args], input=data,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=timeout, check=False)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def must(*args, data=None):
    code, out, err = command(*args, data=data)
    if code != 0:
        raise Broken("tsunagi %s: %d: %s" % (" ".join(args), code, err.strip()))
    return out


def alive(pid):
    """Also false for a process that is only waiting to be buried."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Region:
    """A folder, its keys and configuration, and the processes that run."""

    def __init__(self, folder, nodes=None, stays=False):
        self.folder = os.path.abspath(folder)
        self.nodes = list(nodes or [n for n in NODES if NODES[n][1]])
        self.stays = stays  # processes outlive this program
        self.running = {}
        self.ports = {}
        self.hub_program = os.path.join(BIN, "tsunagid")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def conf(self, node):
        return self.path(node, "node.conf")

    # -- making --

    def make(self):
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o700)
        if len(self.folder) > 70:
            raise Broken(say("フォルダーの名前が長すぎます", "the folder's name is too long"))
        for name in ("urgent", "normal", "mllp"):
            self.ports[name] = free_port()
        shutil.copytree(os.path.join(ROOT, "deploy/policy"), self.path("policy"))
        for table in ("agencies.tsv", "municipalities.tsv"):
            shutil.copy(os.path.join(ROOT, "deploy/region", table),
                        self.path(table))
        for name in ("state", "data", "keyring"):
            os.mkdir(self.path(name), 0o700)
        for name in ("hub", "log"):
            must("key", "make", name, "--out", self.path(name))
        self.write_hub_conf()
        self.approve_policy()
        for node in self.nodes:
            self.make_node(node)
        self.write_witnesses()
        write(self.path("region.json"),
              json.dumps({"ports": self.ports, "nodes": self.nodes}))

    def write_hub_conf(self):
        write(self.path("hub.conf"), """\
data = "data";
keyring = "keyring";
state = "state";
keys = { hub = "hub.key"; log = "log.key"; kek = "kek"; };
registry = { agencies = "agencies.tsv"; municipalities = "municipalities.tsv"; nodes = "nodes.tsv"; };
policy = "policy";
approvers = "approvers.tsv";
endpoint = { urgent = "tcp://127.0.0.1:%d"; normal = "tcp://127.0.0.1:%d"; };
control = "hub.sock";
origin = "%s";
witness = { policy = "witness.tlog"; interval = 1; };
fictitious = true;
""" % (self.ports["urgent"], self.ports["normal"], ORIGIN))

    def write_witnesses(self):
        """Every agency of the region cosigns the log."""
        write(self.path("witness.tlog"), must("node", "witnesses", "--dir", self.folder))

    def approve_policy(self):
        """Two approvers, who exist nowhere else, sign the policy that ships."""
        rows = ["name\tperson_ja\tsign\tstate"]
        for name, person in (("approver-a", "架空 花子"), ("approver-b", "架空 次郎")):
            must("key", "make", name, "--out", self.path(name))
            key = must("key", "show", self.path(name + ".pub"), "--json")
            rows.append("%s\t%s\t%s\tactive" % (name, person, json.loads(key)["sign"]))
        write(self.path("approvers.tsv"), "\n".join(rows) + "\n")
        for name in ("approver-a", "approver-b"):
            must("policy", "sign", self.path("policy"), "--key",
                 self.path(name + ".key"), "--dir", self.folder)

    def make_node(self, node, approve=True):
        agency = NODES[node][0]
        os.mkdir(self.path(node), 0o700)
        must("key", "make", node, "--out", self.path(node, "node"))
        write(self.conf(node), self.node_conf(node))
        if NODES[node][1] == "hospital":
            os.mkdir(self.path(node, "papers"), 0o700)
            write(self.path(node, "papers", "同意書-見本.pdf"), "(架空の同意書)")
        must("node", "add", self.path(node, "node.pub"), "--agency", agency,
             "--dir", self.folder)
        if approve:
            must("node", "approve", node, "--yes", "--dir", self.folder)

    def node_conf(self, node):
        agency, module, options = NODES[node]
        if module:
            options = {"name": module, "folder_quiet_ms": 100, **options}
        routes = ""
        if module == "hospital":
            options.update(mllp_listen="127.0.0.1:%d" % self.ports["mllp"],
                           hospital_name="架空こころ病院", person_digits=10)
            routes = "  routes = (\n%s\n  );\n" % ",\n".join(
                '    { event = "%s"; to = "%s"; purpose = "%s"; }' % r
                for r in HOSPITAL_ROUTES)
        lines = "".join("  %s = %s;\n" % (k, v if isinstance(v, int) else quoted(v))
                        for k, v in options.items())
        return """\
agency = "%s";
node = "%s";
key_file = "node.key";
spool = "spool";
hub = {
  urgent = "tcp://127.0.0.1:%d";
  normal = "tcp://127.0.0.1:%d";
  public_file = "../hub.pub";
  log_file = "../log.pub";
  origin = "%s";
  witnesses = "../witness.tlog";
};
socket = "node.sock";
fictitious = true;
module = {
%s%s};
""" % (agency, node, self.ports["urgent"], self.ports["normal"], ORIGIN, lines,
            routes)

    @classmethod
    def existing(cls, folder):
        try:
            with open(os.path.join(folder, "region.json")) as f:
                made = json.load(f)
        except OSError as e:
            raise Broken(say("%s に地域がありません(demo up)" % folder,
                             "no region in %s (demo up)" % folder)) from e
        region = cls(folder, made["nodes"], stays=True)
        region.ports = made["ports"]
        region.running = region.read_pids()
        return region

    # -- processes --

    def read_pids(self):
        pids = {}
        with contextlib.suppress(OSError), open(self.path("pids")) as f:
            for line in f:
                name, pid = line.split()
                if alive(int(pid)):
                    pids[name] = int(pid)
        return pids

    def write_pids(self):
        write(self.path("pids"), "".join("%s %d\n" % (n, p if isinstance(p, int) else p.pid)
                                         for n, p in self.running.items()))

    def start(self, name, wrapper=(), env=None):
        """Starts the hub or a node's adapter."""
        hub = name == "hub"
        program = self.hub_program if hub else os.path.join(BIN, "tsunagi-adapter")
        conf = self.path("hub.conf") if hub else self.conf(name)
        with open(self.path("%s.log" % name), "ab") as log:
            p = subprocess.Popen(
                [*wrapper, program, "-c", conf],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env={**os.environ, **(env or {})},
                preexec_fn=None if self.stays else die_with_parent)
        self.running[name] = p
        self.write_pids()
        return p

    def is_running(self, name):
        p = self.running.get(name)
        if p is None:
            return False
        return alive(p) if isinstance(p, int) else p.poll() is None

    def listens(self, node):
        """Does this node's adapter answer on its local socket?"""
        with socket.socket(socket.AF_UNIX) as s:
            with contextlib.suppress(OSError):
                s.connect(self.path(node, "node.sock"))
                return True
        return False

    def stop(self, name, how=signal.SIGTERM, seconds=15):
        p = self.running.pop(name, None)
        if p is None:
            return
        pid = p if isinstance(p, int) else p.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        gone = (lambda: not alive(pid)) if isinstance(p, int) else \
               (lambda: p.poll() is not None)
        if not wait_for(gone, seconds):
            print("tsunagi demo: " + say("%sは%d秒待っても止まりません", "%s does not stop within %d s")
                  % (name, seconds), file=sys.stderr)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_for(gone, 5)
        self.write_pids()

    def up(self):
        self.start("hub")
        if not wait_for(lambda: self.status() or not self.is_running("hub"), 15) \
                or not self.is_running("hub"):
            raise Broken(say("ハブが起動しません: ", "the hub does not start: ") + self.tail("hub"))
        adapters = [n for n in self.nodes if NODES[n][1]]
        for node in adapters:
            self.start(node)
        self.wait_connected(adapters)

    def down(self):
        for name in [n for n in self.running if n != "hub"]:
            p = self.running[name]
            with contextlib.suppress(ProcessLookupError):
                os.kill(p if isinstance(p, int) else p.pid, signal.SIGTERM)
        for name in [n for n in self.running if n != "hub"] + ["hub"]:
            self.stop(name)

    def tail(self, name):
        with contextlib.suppress(OSError), open(self.path("%s.log" % name), errors="replace") as f:
            return " / ".join(f.read().strip().splitlines()[-3:])
        return ""

    def status(self):
        code, out, _ = command("status", "--json", "--dir", self.folder)
        return json.loads(out) if code == 0 else None

    def connected(self):
        s = self.status() or {"nodes": []}
        return {n["node"] for n in s["nodes"] if n["urgent"] and n["normal"]}

    def wait_connected(self, nodes, seconds=PATIENCE):
        def all_there():
            for node in nodes:
                if node in self.running and not self.is_running(node):
                    raise Broken("%s: %s" % (node, self.tail(node)))
            return set(nodes) <= self.connected()
        if not wait_for(all_there, seconds):
            raise Broken(say("接続しません: ", "not connected: ") +
                         " ".join(sorted(set(nodes) - self.connected())))

    # -- what a node shows --

    def inbox(self, node):
        """Every delivery this node holds, through the public command."""
        out = must("inbox", "--config", self.conf(node), "--json", "--all",
                   "--limit", "1000000")
        return json.loads(out)["deliveries"]

    def outbox(self, node):
        out = must("outbox", "--config", self.conf(node), "--json", "--all",
                   "--limit", "1000000")
        return json.loads(out)["events"]

    def send(self, node, event):
        """The whole answer to one event, as `tsunagi send --json` prints it."""
        code, out, err = command("send", "--json", "-", "--config", self.conf(node),
                                 data=json.dumps(event, ensure_ascii=False).encode())
        try:
            return json.loads(out)
        except ValueError as e:
            raise Broken("send %s: %d: %s" % (event.get("type"), code, err.strip())) from e

    def wait_status(self, node, what, seconds=PATIENCE):
        """The node's own status, when what(status) holds."""
        def look():
            s = json.loads(must("inbox", "status", "--config", self.conf(node), "--json"))
            return s if what(s) else None
        return wait_for(look, seconds)

    def wait_delivery(self, node, kind, after=(), seconds=PATIENCE, match=None):
        """The first delivery of that kind that was not there before."""
        def look():
            for d in self.inbox(node):
                if d["type"] == kind and d["delivery_id"] not in after and \
                        (match is None or match(d)):
                    return d
            return None
        return wait_for(look, seconds)

    def drop(self, node, folder, name, data):
        """Puts a complete file into a folder of a node."""
        write(self.path(node, folder, name), data)

    def wait_taken(self, node, folder, name, seconds=PATIENCE):
        """None when it went to done/, else the text of the reason."""
        done = self.path(node, folder, "done", name)
        bad = self.path(node, folder, "rejected", name + ".reason.txt")
        end = wait_for(lambda: os.path.exists(done) or os.path.exists(bad), seconds)
        if not end:
            raise Broken(say("ファイルが読まれません: ", "a file is not read: ") + name)
        if os.path.exists(done):
            return None
        with open(bad, "rb") as f:
            return f.read().decode("utf-8", "replace").lstrip("\ufeff")

    def mllp(self, message, port=None):
        """Sends one HL7 message as a hospital's system does; the answer's text."""
        with socket.create_connection(("127.0.0.1", port or self.ports["mllp"]), 10) as s:
            s.sendall(b"\x0b" + message + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                part = s.recv(4096)
                if not part:
                    break
                answer += part
        return answer.strip(b"\x0b\x1c\r").decode("utf-8", "replace")

    def files(self, node):
        """(path, bytes) of every file under a node's folder."""
        for folder, _, names in os.walk(self.path(node)):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError), open(path, "rb") as f:
                    yield path, f.read()


class Stream:
    """A `tsunagi send --stream` kept open: one event a line, one answer a line."""

    def __init__(self, region, node, on_answer=None):
        self.p = subprocess.Popen(
            [os.path.join(BIN, "tsunagi"), "send", "--config", region.conf(node),
             "--stream", "--timeout", "60s"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent)
        self.on_answer = on_answer

    def put(self, event):
        self.p.stdin.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")
        self.p.stdin.flush()

    def answer(self):
        line = self.p.stdout.readline().decode().split()
        if not line:
            raise Broken(say("送信が途切れました", "the sending stream broke"))
        return line

    def ask(self, event):
        self.put(event)
        return self.answer()

    def all(self, events, window=200):
        """Sends all; every answer, in the order they came."""
        answers, open_now = [], 0
        for e in events:
            if open_now >= window:
                answers.append(self.answer())
                open_now -= 1
            self.put(e)
            open_now += 1
        answers += [self.answer() for _ in range(open_now)]
        return answers

    def close(self):
        with contextlib.suppress(OSError):
            self.p.stdin.close()
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
