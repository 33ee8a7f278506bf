#!/usr/bin/python3
"""verify.py - verifies an exported log: the second of three programs that do.

  verify.py FOLDER --vkey FILE [--policy FILE] [--older FILE]

Exit 0: it holds; 1: it does not, and why."""
import argparse
import sys

import meaning
import tlog


def read(path):
    if path is None:
        return None
    with open(path, "rb") as f:
        return f.read()


def verify(folder, vkey, policy, older):
    """Bytes first, then what the leaves say."""
    export = tlog.Export(folder)
    size = export.check(read(vkey), read(policy), read(older))
    origin = tlog.Key(read(vkey)[:-1].decode(), vkey).name
    found = meaning.judge(export.raw_leaves(size), origin)
    tlog.need(not found, f"leaf {found[0][0]}" if found else "",
              f"{found[0][1]}" if found else "")
    return size


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("folder")
    p.add_argument("--vkey", required=True)
    p.add_argument("--policy")
    p.add_argument("--older")
    a = p.parse_args()
    try:
        size = verify(a.folder, a.vkey, a.policy, a.older)
    except tlog.Bad as e:
        print(e)
        return 1
    print(f"{a.folder}: all {size} leaves and the signed head hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
