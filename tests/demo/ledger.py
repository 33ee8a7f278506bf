"""ledger.py - the log as anyone may read it: exported, verified without the
hub, and its entries in plain terms."""
import os
import re
import shutil
import tempfile
import uuid

from region import must

KINDS = {1: "DECISION", 2: "RELEASE", 3: "DELIVERED", 4: "READ", 17: "RECALL", 23: "WITHHELD"}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """The fields of one packed entry: number, value (a number or bytes)."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 2:
            size, at = varint(data, at)
            yield key >> 3, data[at:at + size]
            at += size
        else:
            value, at = varint(data, at)
            yield key >> 3, value


def leaf(data):
    f = {}
    for number, value in fields(data):
        f.setdefault(number, []).append(value)

    def text(n):
        return f[n][0].decode() if n in f else ""
    return {"kind": KINDS.get(f.get(3, [0])[0], f.get(3, [0])[0]),
            "event": str(uuid.UUID(bytes=f[4][0])) if 4 in f else "",
            "peer": text(8), "reason": text(21), "phase": text(24),
            "released": f.get(14, [0])[0], "basis": [b.decode() for b in f.get(13, [])]}


def tiles(folder):
    """The files of the entries tiles, in order. The last is a part: N.p/SIZE."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            found.setdefault(re.sub(r"\.p/\d+$", "", path), []).append(path)
    return [min(found[tile], key=lambda p: ".p/" in p) for tile in sorted(found)]


def raw_leaves(region):
    """The bytes of every entry, after an auditor without the hub found the log whole."""
    out = tempfile.mkdtemp(prefix="tsunagi-log-")
    try:
        log = os.path.join(out, "log")
        must("audit", "export", log, "--newest", "--dir", region.folder)
        must("audit", "verify", log)
        entries = []
        for path in tiles(os.path.join(log, "tile", "entries")):
            with open(path, "rb") as f:
                data = f.read()
            at = 0
            while at < len(data):
                size = data[at] << 8 | data[at + 1]
                entries.append(data[at + 2:at + 2 + size])
                at += 2 + size
        return entries
    finally:
        shutil.rmtree(out, ignore_errors=True)


def ledger(region):
    """The same in plain terms."""
    return [leaf(entry) for entry in raw_leaves(region)]
