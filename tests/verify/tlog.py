"""tlog.py - an exported log, read and checked without any code of the programs
that wrote it: C2SP signed notes and cosignatures, tlog-tiles, RFC 6962 trees,
tlog-policy, and the protobuf of a leaf, of which only numbered fields are
looked at. Signatures are PyNaCl's (Debian: python3-nacl).

Everything that is not right raises Bad, with the file it is about."""
import base64
import hashlib
import os
import stat

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

SIGNER, COSIGNER = 1, 4
DASH = "\u2014 "
WIDTH = 256


class Bad(Exception):
    """What does not hold, and where."""


def need(holds, where, what):
    if not holds:
        raise Bad(f"{where}: {what}")


# ---- protobuf ----

def varint(b, at):
    value = shift = 0
    while True:
        value |= (b[at] & 127) << shift
        shift += 7
        at += 1
        if b[at - 1] < 128:
            return value, at


def fields(b):
    """{field number: [values]} of one message, packed or not."""
    out, at = {}, 0
    while at < len(b):
        key, at = varint(b, at)
        if key & 7 == 0:
            value, at = varint(b, at)
        elif key & 7 == 2:
            n, at = varint(b, at)
            if at + n > len(b):
                raise ValueError("cut off")
            value, at = b[at:at + n], at + n
        else:
            raise ValueError(f"wire type {key & 7}")
        out.setdefault(key >> 3, []).append(value)
    return out


def put_varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def pack(f):
    """The bytes of {field number: [values]}: numbers and bytes alone."""
    out = b""
    for n, values in sorted(f.items()):
        for v in values:
            if isinstance(v, int):
                out += put_varint(n << 3) + put_varint(v)
            else:
                out += put_varint(n << 3 | 2) + put_varint(len(v)) + v
    return out


# ---- keys and notes ----

def unbase64(text, where):
    """One way to write each value."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as e:
        raise Bad(f"{where}: no base64") from e
    need(base64.b64encode(raw).decode() == text, where, "base64 of another form")
    return raw


def number(text, where):
    need(text.isascii() and text.isdigit() and
         (text == "0" or text[0] != "0") and int(text) < 1 << 64,
         where, "no number")
    return int(text)


class Key:
    """name+id+base64(type, key), as C2SP writes verifier keys."""

    def __init__(self, text, where):
        parts = text.split("+", 2)
        need(len(parts) == 3 and parts[0] != "", where, "no key")
        raw = unbase64(parts[2], where)
        need(len(raw) == 33, where, "no key")
        self.text, self.name, self.type = text, parts[0], raw[0]
        self.public = raw[1:]
        self.id = hashlib.sha256(
            self.name.encode() + b"\n" + raw).digest()[:4]
        need(parts[1] == self.id.hex(), where, "the key has another id")

    def signs(self, message, signature):
        try:
            VerifyKey(self.public).verify(message, signature)
            return True
        except (CryptoError, ValueError):
            return False

    def signed(self, text, blob):
        """None: another's line. Else whether it is a good signature."""
        if blob[:4] != self.id:
            return None
        if self.type == SIGNER:
            return len(blob) == 68 and self.signs(text, blob[4:])
        if self.type == COSIGNER and len(blob) == 76:
            time = int.from_bytes(blob[4:12], "big")
            return self.signs(b"cosignature/v1\ntime %d\n" % time + text,
                              blob[12:])
        return False


def split_note(raw, where):
    """The text that is signed, and [(name, blob)]."""
    try:
        note = raw.decode()
    except UnicodeDecodeError as e:
        raise Bad(f"{where}: not UTF-8") from e
    need(len(raw) <= 128 << 10 and
         all(c >= " " and c != "\x7f" or c == "\n" for c in note),
         where, "no note")
    at = note.rfind("\n\n")
    need(at >= 0 and note.endswith("\n"), where, "no note")
    lines = []
    for line in note[at + 2:-1].split("\n") if len(note) > at + 2 else []:
        need(line.startswith(DASH), where, "no signature line")
        name, space, blob = line[len(DASH):].partition(" ")
        need(space and name, where, "no signature line")
        lines.append((name, unbase64(blob, where)))
    need(lines, where, "not signed")
    return note[:at + 1].encode(), lines


def checkpoint(text, where):
    """(origin, size, root) of three lines and no more."""
    lines = text.decode().split("\n")
    need(len(lines) == 4 and lines[3] == "", where, "no checkpoint")
    root = unbase64(lines[2], where)
    need(len(root) == 32, where, "no checkpoint")
    return lines[0], number(lines[1], where), root


def open_note(raw, log, where):
    """A checkpoint that the log has signed, whoever else has."""
    text, lines = split_note(raw, where)
    said = [log.signed(text, blob) for name, blob in lines if name == log.name]
    need(True in said and False not in said, where, "not signed by the log")
    head = checkpoint(text, where)
    need(head[0] == log.name, where, "of another log")
    return head


# ---- witnesses ----

class Policy:
    """C2SP tlog-policy."""

    def __init__(self, raw, where):
        self.logs, self.witnesses, self.parts = [], [], {}
        self.quorum = None
        try:
            text = raw.decode()
        except UnicodeDecodeError as e:
            raise Bad(f"{where}: not UTF-8") from e
        for line in text.split("\n"):
            words = line.split("#")[0].split() if line.lstrip()[:1] == "#" \
                else line.split()
            if words:
                self.read(words, where)
        need(self.quorum is not None, where, "no quorum")

    def read(self, words, where):
        what, rest = words[0], words[1:]
        if what == "log" and rest:
            self.logs.append(Key(rest[0], where))
        elif what == "witness" and len(rest) >= 2:
            key = Key(rest[1], where)
            need(key.type == COSIGNER and rest[0] not in self.parts, where,
                 "no witness")
            self.witnesses.append(key)
            self.parts[rest[0]] = key
        elif what == "group" and len(rest) >= 3:
            members, k = rest[2:], rest[1]
            need(all(m in self.parts for m in members) and
                 rest[0] not in self.parts, where, "no group")
            k = {"any": 1, "all": len(members)}.get(k) or number(k, where)
            need(1 <= k <= len(members), where, "no group")
            self.parts[rest[0]] = (k, members)
        elif what == "quorum" and len(rest) == 1:
            need(rest[0] in self.parts or rest[0] == "none", where, "no quorum")
            self.quorum = rest[0]
        else:
            raise Bad(f"{where}: no such line")

    def met(self, good, name=None):
        part = self.quorum if name is None else name
        if part == "none":
            return True
        part = self.parts[part]
        if isinstance(part, Key):
            return part in good
        return sum(self.met(good, m) for m in part[1]) >= part[0]


# ---- the tree ----

def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    """RFC 6962, 2.1, from the leaves' hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    row = hashes
    while len(row) > 1:
        up = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = up + row[len(row) - len(row) % 2:]
    return row[0]


def tile_name(level, n, width):
    digits = f"{n % 1000:03d}"
    while n >= 1000:
        n //= 1000
        digits = f"x{n % 1000:03d}/{digits}"
    return f"tile/{level}/{digits}" + (f".p/{width}" if width < WIDTH else "")


def tiles_of(size):
    """(n, width) of one row of so many things."""
    return [(n, min(WIDTH, size - n * WIDTH))
            for n in range((size + WIDTH - 1) // WIDTH)]


# ---- the folder ----

class Export:
    """The files of a folder, each of them accounted for by check()."""

    def __init__(self, folder):
        self.folder = str(folder)

    def read(self, name):
        try:
            with open(os.path.join(self.folder, name), "rb") as f:
                return f.read()
        except OSError as e:
            raise Bad(f"{name}: {e.strerror}") from e

    def names(self):
        """Files and whatever is no folder; and folders without anything."""
        out = []
        for at, folders, files in os.walk(self.folder):
            below = os.path.relpath(at, self.folder)
            out += [os.path.normpath(os.path.join(below, f)) for f in files]
            out += [os.path.join(below, f) for f in folders
                    if os.path.islink(os.path.join(at, f)) or
                    not os.listdir(os.path.join(at, f))]
        return out

    def tile(self, n, width):
        """The leaves of one tile of entries."""
        name = tile_name("entries", n, width)
        data, at, out = self.read(name), 0, []
        while at < len(data):
            size = int.from_bytes(data[at:at + 2], "big")
            need(size > 0 and at + 2 + size <= len(data), name, "cut off")
            out.append(data[at + 2:at + 2 + size])
            at += 2 + size
        need(len(out) == width, name, "another number of leaves")
        return out

    def raw_leaves(self, size):
        for n, width in tiles_of(size):
            yield from self.tile(n, width)

    def size(self):
        """What the head says, believed."""
        return checkpoint(split_note(self.read("checkpoint"),
                                     "checkpoint")[0], "checkpoint")[1]

    # ---- checking ----

    def head(self, log, policy):
        """Its lines: the log's, then witnesses' in the policy's order."""
        raw = self.read("checkpoint")
        text, lines = split_note(raw, "checkpoint")
        head = open_note(raw, log, "checkpoint")
        need(lines[0][0] == log.name and log.signed(text, lines[0][1]),
             "checkpoint", "the log does not sign first")
        good, rest = [], list(policy.witnesses if policy else [])
        for name, blob in lines[1:]:
            while rest and not (rest[0].name == name and
                                rest[0].signed(text, blob)):
                rest.pop(0)
            need(rest, "checkpoint", "a line that is no good cosignature")
            good.append(rest.pop(0))
        need(policy is None or policy.met(good), "checkpoint",
             "too few witnesses")
        return head

    def leaves(self, size):
        """Hashes; each leaf in its place, times never going back."""
        out, last = [], 0
        for i, leaf in enumerate(self.raw_leaves(size)):
            try:
                f = fields(leaf)
            except (ValueError, IndexError) as e:
                raise Bad(f"leaf {i}: unreadable") from e
            need(f.get(1) == [i], f"leaf {i}", "out of place")
            time = f.get(2, [0])[0]
            need(time >= last, f"leaf {i}", "time goes back")
            last = time
            out.append(leaf_hash(leaf))
        return out

    def tiles(self, hashes):
        """Every row of tiles; returns the names of all."""
        names, row, level = [], hashes, 0
        while row:
            up = []
            for n, width in tiles_of(len(row)):
                name, part = tile_name(level, n, width), \
                    row[n * WIDTH:n * WIDTH + width]
                need(self.read(name) == b"".join(part), name,
                     "does not fit the leaves")
                names.append(name)
                if width == WIDTH:
                    up.append(root_of(part))
            row, level = up, level + 1
        return names

    def check(self, vkey, policy=None, older=None):
        """Everything. vkey, policy: bytes brought along; older: a note."""
        need(self.read("log.vkey") == vkey and vkey.endswith(b"\n"),
             "log.vkey", "another key")
        log = Key(vkey[:-1].decode(), "log.vkey")
        need(log.type == SIGNER, "log.vkey", "no log's key")
        names = ["checkpoint", "log.vkey"]
        rules = None
        if policy is not None:
            need(self.read("policy.tlog") == policy, "policy.tlog", "another")
            rules = Policy(policy, "policy.tlog")
            need(log.text in [k.text for k in rules.logs], "policy.tlog",
                 "of another log")
            names.append("policy.tlog")
        _, size, root = self.head(log, rules)
        if size > 0:
            last = tile_name("entries", *tiles_of_last(size))
            need(os.path.isfile(os.path.join(self.folder, last)), last,
                 "missing")
        hashes = self.leaves(size)
        names += [tile_name("entries", n, w) for n, w in tiles_of(size)]
        names += self.tiles(hashes)
        need(root_of(hashes) == root, "checkpoint", "another root")
        if older is not None:
            _, old, old_root = open_note(older, log, "older")
            need(old <= size and root_of(hashes[:old]) == old_root, "older",
                 "not of this log")
        extra = sorted(set(self.names()) - set(names))
        need(not extra, extra[0] if extra else "", "does not belong here")
        for name in names:
            mode = os.lstat(os.path.join(self.folder, name)).st_mode
            need(stat.S_ISREG(mode), name, "no file")
        return size


def tiles_of_last(size):
    n = (size - 1) // WIDTH
    return n, size - n * WIDTH


def leaves(folder):
    """The fields of every leaf of an export, unverified."""
    export = Export(folder)
    return [fields(leaf) for leaf in export.raw_leaves(export.size())]
