#!/usr/bin/python3
"""mutate.py - three programs that verify a log must refuse every mutant.

  mutate.py BUILD [N [SEED]]

Exports of several sizes are made by the real code (tsunagi-make-export). Each
mutant changes one: bits, files, leaves, sizes, tiles, signatures; where a
dishonest operator could, the tree is made to fit again and the head signed
again, by the log and by its witnesses. `tsunagi audit verify`, the Go program
and the Python one must all refuse it, and all accept what is unharmed. A
mutant that anybody accepts is told with its file and offset.

Besides, leaves are made to say something else, and everything signed again by
everybody: bytes are then right, and `tsunagi audit verify` and meaning.py must
agree on whether what they say contradicts itself."""
import base64
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from nacl.signing import SigningKey

import meaning
import tlog

SIZES = (700, 512, 300, 257, 20)
OLDER = ".older"  # of a mutant: the older head, beside the folder
TEXTS = (6, 8, 9, 12, 13, 21, 24, 27, 29, 34, 36, 47)  # fields of a leaf
REFUSED = 9  # exit of `tsunagi audit verify`
PATIENCE = int(os.environ.get("VERIFY_PATIENCE", "120"))  # seconds


# ---- an export in memory ----

class Base:
    def __init__(self, folder):
        self.folder = folder
        x = tlog.Export(folder)
        self.files = {n: x.read(n) for n in x.names()}
        self.size = x.size()
        self.leaves = list(x.raw_leaves(self.size))
        seeds = open(folder + ".keys", encoding="ascii").read().split()
        self.keys = [SigningKey(bytes.fromhex(s)) for s in seeds]
        self.log = tlog.Key(self.files["log.vkey"][:-1].decode(), "log.vkey")
        self.witnesses = tlog.Policy(self.files["policy.tlog"], "").witnesses
        self.older = tlog.checkpoint(tlog.split_note(
            open(folder + ".older", "rb").read(), "")[0], "")[1]
        self.text, self.lines = tlog.split_note(self.files["checkpoint"], "")


def line(name, blob):
    return f"{tlog.DASH}{name} {base64.b64encode(blob).decode()}\n".encode()


def note(text, lines):
    return text + b"\n" + b"".join(line(*x) for x in lines)


def cosign(base, i, text, at=1774969200):
    w = base.witnesses[i]
    head = b"cosignature/v1\ntime %d\n" % at
    return w.name, w.id + at.to_bytes(8, "big") + \
        base.keys[1 + i].sign(head + text).signature


def sign(base, size, root, witnesses=(0, 1)):
    """A head, signed by those who hold the keys."""
    text = f"{base.log.name}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
    own = base.log.name, base.log.id + base.keys[0].sign(text).signature
    return note(text, [own] + [cosign(base, i, text) for i in witnesses])


def rebuilt(base, leaves, witnesses=(0, 1), size=None):
    """An export of other leaves in which everything else fits."""
    files = {n: base.files[n] for n in ("log.vkey", "policy.tlog")}
    for n, w in tlog.tiles_of(len(leaves)):
        part = leaves[n * tlog.WIDTH:n * tlog.WIDTH + w]
        files[tlog.tile_name("entries", n, w)] = b"".join(
            len(x).to_bytes(2, "big") + x for x in part)
    hashes = [tlog.leaf_hash(x) for x in leaves]
    row, level = hashes, 0
    while row:
        up = []
        for n, w in tlog.tiles_of(len(row)):
            part = row[n * tlog.WIDTH:n * tlog.WIDTH + w]
            files[tlog.tile_name(level, n, w)] = b"".join(part)
            if w == tlog.WIDTH:
                up.append(tlog.root_of(part))
        row, level = up, level + 1
    files["checkpoint"] = sign(base, len(leaves) if size is None else size,
                               tlog.root_of(hashes), witnesses)
    return files


# ---- mutants: each returns files and what was done, or None ----

def kind_of(name):
    if not name.startswith("tile/"):
        return name
    return name.split("/")[1] + ("p" if ".p/" in name else "")


def pick_file(base, rng):
    """Every kind of file as often."""
    kinds = {}
    for name in sorted(base.files):
        kinds.setdefault(kind_of(name), []).append(name)
    return rng.choice(kinds[rng.choice(sorted(kinds))])


def flip(base, rng):
    name = pick_file(base, rng)
    data = bytearray(base.files[name])
    at, bit = rng.randrange(len(data)), rng.randrange(8)
    data[at] ^= 1 << bit
    return {**base.files, name: bytes(data)}, f"{name} at {at}: bit {bit}"


def cut(base, rng):
    name = pick_file(base, rng)
    n = rng.randrange(len(base.files[name]))
    return {**base.files, name: base.files[name][:n]}, f"{name} cut at {n}"


def grow(base, rng):
    name = pick_file(base, rng)
    more = rng.choice([b"\n", b"\0", b"x", base.files[name][-40:],
                       rng.randbytes(32)])
    return {**base.files, name: base.files[name] + more}, \
        f"{name} grown by {len(more)}"


def insert_byte(base, rng):
    name = pick_file(base, rng)
    data, at = base.files[name], rng.randrange(len(base.files[name]))
    return {**base.files, name: data[:at] + bytes([rng.randrange(256)]) +
            data[at:]}, f"{name} at {at}: a byte more"


def remove(base, rng):
    name = pick_file(base, rng)
    return {k: v for k, v in base.files.items() if k != name}, f"{name} gone"


def extra(base, rng):
    name = rng.choice(["notes.txt", "checkpoint.old", "tile/0/900",
                       "tile/3/000", "tile/entries/900.p/3", "tile/x",
                       "policies/", "tile/0/003.p/", ".hidden"])
    if name in base.files:
        return None
    return {**base.files, name: rng.randbytes(32)}, f"{name} added"


def swap_files(base, rng):
    a, b = rng.sample(sorted(base.files), 2)
    return {**base.files, a: base.files[b], b: base.files[a]}, \
        f"{a} and {b} exchanged"


def swap_hashes(base, rng):
    """Two hashes of a tile change places."""
    tiles = [n for n in sorted(base.files) if kind_of(n) in "0 0p 1 1p".split()]
    name = rng.choice(tiles)
    row = [base.files[name][i:i + 32]
           for i in range(0, len(base.files[name]), 32)]
    if len(row) < 2:
        return None
    a, b = rng.sample(range(len(row)), 2)
    row[a], row[b] = row[b], row[a]
    return {**base.files, name: b"".join(row)}, f"{name}: {a} and {b} exchanged"


def leaf_ops(base, rng):
    """Leaves dropped, doubled, exchanged; (leaves, what)."""
    leaves, a = list(base.leaves), rng.randrange(base.size)
    what = rng.choice(["dropped", "doubled", "exchanged", "moved", "invented"])
    b = rng.randrange(base.size)
    if what == "dropped" and a < base.size - 1:
        del leaves[a]
    elif what == "doubled":
        leaves.insert(a, leaves[b])
    elif what == "exchanged" and a != b:
        leaves[a], leaves[b] = leaves[b], leaves[a]
    elif what == "moved" and a != b:
        leaves.insert(b, leaves.pop(a))
    elif what == "invented":
        leaves.insert(a, rng.randbytes(rng.randrange(1, 300)))
    else:
        return None
    return leaves, f"leaf {a} {what}"


def entries_alone(base, rng):
    """The leaves change, tiles and head do not."""
    done = leaf_ops(base, rng)
    if done is None:
        return None
    new = rebuilt(base, done[0])
    files = {n: v for n, v in base.files.items() if "entries" not in n}
    files.update({n: v for n, v in new.items() if "entries" in n})
    return files, done[1] + ", entries alone"


def all_but_witnesses(base, rng):
    """One who holds the log's key makes everything fit; so many of the towns
    sign with him as he has."""
    leaves, at = list(base.leaves), rng.randrange(base.size)
    leaf = bytearray(leaves[at])
    leaf[rng.randrange(len(leaf))] ^= 1 << rng.randrange(8)
    leaves[at] = bytes(leaf)
    return rebuilt(base, leaves, rng.choice([(), (0,), (1,), (2,)])), \
        f"leaf {at} changed, signed again by the log"


def by_everybody(base, rng):
    """Even when log and witnesses sign: leaves say where they belong."""
    done = leaf_ops(base, rng)
    if done is None:
        return None
    return rebuilt(base, done[0]), done[1] + ", signed again by everybody"


def shorter(base, rng):
    """An end cut off and signed again: the older head tells."""
    if base.older < 2:
        return None
    n = rng.randrange(1, base.older)
    return rebuilt(base, base.leaves[:n]), f"cut to {n} leaves, signed again"


def forged_size(base, rng):
    size = rng.choice([0, 1, base.size - 1, base.size + 1, base.size + 256,
                       base.size * 256, 2 ** 31, 2 ** 32 - 1, 2 ** 36, 2 ** 40,
                       2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1,
                       rng.randrange(1, base.size)])
    if size == base.size:
        return None
    root = rng.choice([tlog.root_of([tlog.leaf_hash(x) for x in base.leaves]),
                       tlog.root_of([tlog.leaf_hash(x)
                                     for x in base.leaves[:size]])])
    return {**base.files, "checkpoint": sign(base, size, root)}, \
        f"checkpoint: {size} leaves claimed and signed"


def forged_root(base, rng):
    root = rng.choice([rng.randbytes(32), bytes(32),
                       tlog.leaf_hash(base.leaves[0])])
    return {**base.files, "checkpoint": sign(base, base.size, root)}, \
        "checkpoint: another root signed"


def cosignatures(base, rng):
    """Lines dropped below the quorum, exchanged, doubled, forged."""
    lines, text = list(base.lines), base.text
    stranger = SigningKey(rng.randbytes(32))
    name0, blob0 = lines[1]
    name1, blob1 = lines[2]
    own = lines[0]
    time0 = int.from_bytes(blob0[4:12], "big")
    head = b"cosignature/v1\ntime %d\n" % time0
    what, lines = rng.choice([
        ("one alone", [own, lines[1]]),
        ("none", [own]),
        ("the log's gone", lines[1:]),
        ("signatures exchanged", [own, (name0, blob1), (name1, blob0)]),
        ("signatures exchanged but for the ids",
         [own, (name0, blob0[:4] + blob1[4:]), (name1, blob1[:4] + blob0[4:])]),
        ("names exchanged", [own, (name1, blob0), (name0, blob1)]),
        ("order exchanged", [own, lines[2], lines[1]]),
        ("the log's line last", [lines[1], lines[2], own]),
        ("one twice", [own, lines[1], lines[1]]),
        ("one twice beside a quorum", lines + [lines[2]]),
        ("a stranger's beside a quorum",
         lines + [("m9", rng.randbytes(4) + blob0[4:])]),
        ("forged", [own, (name0, blob0[:12] +
                          stranger.sign(head + text).signature), lines[2]]),
        ("another time", [own, (name0, blob0[:4] +
                                (time0 + 1).to_bytes(8, "big") + blob0[12:]),
                          lines[2]]),
        ("of another text",
         [own, cosign(base, 0, text.replace(b"\n", b"0\n", 1)), lines[2]]),
        ("the log's forged",
         [(own[0], own[1][:4] + stranger.sign(text).signature)] + lines[1:]),
        ("without time", [own, (name0, blob0[:4] + base.keys[1].sign(
            text).signature), lines[2]]),
    ])
    return {**base.files, "checkpoint": note(text, lines)}, \
        f"checkpoint: {what}"


def other_spelling(base, rng):
    """The same value, written in another way."""
    raw = base.files["checkpoint"].decode()
    old, new = rng.choice([
        ("\n\n", "\n\n\n"), (" ", "  "), ("\n\n", "\n \n"),
        (f"\n{base.size}\n", f"\n0{base.size}\n"),
        (f"\n{base.size}\n", f"\n+{base.size}\n"),
        (f"\n{base.size}\n", f"\n{base.size} \n"),
        (f"\n{base.size}\n", f"\n{base.size}\nmore\n"),
        ("=\n", "\n"), ("=\n", "==\n"), ("\u2014", "-")])
    if old not in raw:
        return None
    return {**base.files, "checkpoint": raw.replace(old, new, 1).encode()}, \
        f"checkpoint: {old!r} as {new!r}"


def spare_bits(base, rng):
    """Bits of base64 that carry nothing."""
    name = rng.choice(["checkpoint", "log.vkey"])
    raw = base.files[name].decode()
    at = [i for i, c in enumerate(raw) if c == "=" and raw[i - 1] != "="]
    if not at:
        return None
    i = rng.choice(at) - 1
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = digits[digits.index(raw[i]) ^ 1]
    return {**base.files, name: (raw[:i] + other + raw[i + 1:]).encode()}, \
        f"{name} at {i}: a spare bit"


def other_words(base, rng):
    """A leaf says something else: one field gone, or another's, or changed."""
    leaves, at = list(base.leaves), rng.randrange(base.size)
    f, other = tlog.fields(leaves[at]), tlog.fields(rng.choice(leaves))
    names = [n for n in f if n > 2 and n != 25]
    n = rng.choice(names + [3, 10, 14])
    what = rng.choice(["gone", "another's", "changed"])
    if what == "gone" and n in f:
        del f[n]
    elif what == "another's" and n in other:
        f[n] = other[n]
    elif n in f and isinstance(f[n][0], int):
        f[n] = [f[n][0] ^ 1 << rng.randrange(5)] + f[n][1:]
        if n == 3 and not 1 <= f[n][0] <= 26:
            return None
    elif n in f and n not in TEXTS:
        v = bytearray(f[n][0])
        v[rng.randrange(len(v))] ^= 1 << rng.randrange(8)
        f[n] = [bytes(v)] + f[n][1:]
    else:
        return None
    leaves[at] = tlog.pack(f)
    hashes = [tlog.leaf_hash(x) for x in leaves[:base.older]]
    return {**rebuilt(base, leaves), OLDER: sign(
        base, base.older, tlog.root_of(hashes))}, f"leaf {at}, field {n} {what}"


MUTANTS = [(flip, 50), (cut, 5), (grow, 4), (insert_byte, 4), (remove, 3),
           (extra, 3), (swap_files, 4), (swap_hashes, 4), (entries_alone, 4),
           (all_but_witnesses, 4), (by_everybody, 5), (shorter, 3),
           (forged_size, 3), (forged_root, 1), (cosignatures, 6),
           (other_spelling, 2), (spare_bits, 2), (other_words, 15)]


# ---- the three ----

class Three:
    """They look at a folder in which only the mutant's files change."""

    def __init__(self, build, base, go):
        self.base, self.go = base, go
        self.folder = base.folder + f".{os.getpid()}"
        shutil.copytree(base.folder, self.folder)
        self.brought = [base.folder + ".vkey", base.folder + ".policy",
                        self.folder + OLDER]
        self.older = open(base.folder + OLDER, "rb").read()
        self.keep_older(self.older)
        self.c = [os.path.join(build, "bin/tsunagi"), "audit", "verify",
                  self.folder, "--vkey", self.brought[0], "--policy",
                  self.brought[1], "--older", self.brought[2]]

    def write(self, files, over):
        for name in set(over) - set(files):
            path = os.path.join(self.folder, name)
            os.rmdir(path) if name.endswith("/") else os.remove(path)
            at = os.path.dirname(path.rstrip("/"))
            while at != self.folder and not os.listdir(at):
                os.rmdir(at)
                at = os.path.dirname(at)
        for name, data in files.items():
            path = os.path.join(self.folder, name)
            if over.get(name) == data:
                continue
            os.makedirs(os.path.dirname(path.rstrip("/")), exist_ok=True)
            if name.endswith("/"):
                os.mkdir(path)
            else:
                with open(path, "wb") as f:
                    f.write(data)

    def ask(self):
        """{who: accepted}; what is neither yes nor no, or says nothing for
        too long, is an error."""
        signal.alarm(2 * PATIENCE)
        self.go.stdin.write("\t".join([self.folder] + self.brought) + "\n")
        self.go.stdin.flush()
        p = subprocess.run(self.c, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, check=False,
                           timeout=PATIENCE)
        if p.returncode not in (0, REFUSED):
            raise RuntimeError(f"tsunagi: exit {p.returncode}: {p.stderr!r}")
        x = tlog.Export(self.folder)
        try:
            size = x.check(*(open(n, "rb").read() for n in self.brought))
            python = True
        except tlog.Bad:
            python = False
        said = self.go.stdout.readline()
        signal.alarm(0)
        if said[:3] not in ("ok ", "bad"):
            raise RuntimeError(f"go: {said!r}")
        if python: # as Go does, Python looks at bytes first, then at meaning
            words = not meaning.judge(x.raw_leaves(size), self.base.log.name)
        return {"tsunagi": p.returncode == 0, "go": said[:2] == "ok",
                "python": python and words, "bytes": python}

    def keep_older(self, raw):
        with open(self.folder + OLDER, "wb") as f:
            f.write(raw)

    def try_files(self, files):
        older = files.pop(OLDER, None)
        if older is not None:
            self.keep_older(older)
        self.write(files, self.base.files)
        try:
            return self.ask()
        finally:
            self.write(self.base.files, files)
            if older is not None:
                self.keep_older(self.older)


def mutant(base, rng):
    make = rng.choices([m for m, _ in MUTANTS], [w for _, w in MUTANTS])[0]
    done = make(base, rng)
    if done is None or done[0] == base.files:
        return mutant(base, rng)
    return make.__name__, done[0], done[1]


def too_long(_signal, _frame):
    raise TimeoutError("a verifier does not answer")


def judge(build, folders, go, first, count, seed):
    three = [Three(build, Base(f), go) for f in folders]
    wrong, kinds = [], {}
    for t in three:
        for who, yes in t.ask().items():
            if not yes:
                wrong.append(f"{who} refuses an unharmed export: {t.base.size}")
    for i in range(first, first + count if not wrong else first):
        rng = random.Random(f"{seed}/{i}")
        t = rng.choice(three)
        kind, files, what = mutant(t.base, rng)
        kinds[kind] = kinds.get(kind, 0) + 1
        said = t.try_files(files)
        if kind == "other_words":
            if said["tsunagi"] != said["python"] or not said["go"]:
                wrong.append(f"mutant {i}, {t.base.size} leaves, {what}: {said}")
            elif said["tsunagi"]:
                kinds["harmless words"] = kinds.get("harmless words", 0) + 1
        elif any(said.values()):
            who = ", ".join(w for w, yes in said.items() if yes)
            wrong.append(f"mutant {i}, {t.base.size} leaves, {what}: "
                         f"accepted by {who}")
    for t in three: # nothing has stuck
        if not all(t.ask().values()):
            wrong.append(f"an export of {t.base.size} was not put back")
    return wrong, kinds


def work(job):
    build, folders, first, count, seed = job
    signal.signal(signal.SIGALRM, too_long)
    go = subprocess.Popen([os.path.join(build, "verify/verify-go"), "serve"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True)
    try:
        return judge(build, folders, go, first, count, seed)
    finally:
        go.kill()
        go.wait()


def main():
    build = os.path.abspath(sys.argv[1])
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    seed = sys.argv[3] if len(sys.argv) > 3 else str(int(time.time()))
    begin, cpus = time.time(), os.cpu_count() or 1
    print(f"verifiers: {n} mutated exports, seed {seed}", flush=True)
    at = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tsunagi-mutate-", dir=at) as tmp:
        folders = [f"{tmp}/{size}" for size in SIZES]
        for folder, size in zip(folders, SIZES):
            subprocess.run([f"{build}/bin/tsunagi-make-export", folder,
                            str(size)], check=True)
        step = max(1, n // (8 * cpus))
        jobs = [(build, folders, i, min(step, n - i), seed)
                for i in range(0, n, step)]
        wrong, kinds = [], {}
        with multiprocessing.Pool(cpus, maxtasksperchild=1) as pool:
            for w, k in pool.imap_unordered(work, jobs):
                wrong += w
                for kind, count in k.items():
                    kinds[kind] = kinds.get(kind, 0) + count
    for w in wrong[:20]:
        print(w)
    print(", ".join(f"{k} {v}" for k, v in sorted(kinds.items())))
    kinds.pop("harmless words", None)
    print(f"verifiers: {sum(kinds.values())} mutants, {len(wrong)} wrong, "
          f"{time.time() - begin:.0f} s")
    return 1 if wrong or sum(kinds.values()) != n else 0


if __name__ == "__main__":
    sys.exit(main())
