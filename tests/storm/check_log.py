#!/usr/bin/env python3
"""check_log.py - does a log keep I-3? Nothing leaves, and nothing is shown,
on a consent that was taken back before.

Reads an export (C2SP tlog-tiles) and nothing else, with the parser of the
Python verifier (tests/verify/tlog.py), which shares no code with the programs
that wrote it. Exit 1 and one line per breach; else a line of counts, which must
show that withdrawals really did fall on both sides of releases.

  check_log.py FOLDER [--mutate]   --mutate: move one withdrawal before a
                                   release that relied on it; must be found
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "verify"))
import tlog  # noqa: E402

KIND, HANDLE, OUTCOME, REF, CONSENT, PHASE = 3, 5, 10, 19, 20, 24
DECISION, RELEASE, READ, GRANT, REVOKE = 1, 2, 4, 5, 6
RECALL, WITHHELD = 17, 23


def first(leaf, number, default=None):
    return leaf.get(number, [default])[0]


def judge(log):
    standing, revoked, of_person = set(), set(), {}
    count, breaches = dict.fromkeys(
        ("granted", "withdrawn", "queued", "released", "withheld", "read",
         "read refused", "recalled"), 0), []
    for index, leaf in enumerate(log):
        kind, relied = first(leaf, KIND), leaf.get(CONSENT, [])
        if kind == GRANT:
            count["granted"] += 1
            standing.update(relied)
            of_person.setdefault(first(leaf, HANDLE), set()).update(relied)
        elif kind == REVOKE:
            count["withdrawn"] += 1
            gone = set(relied) or of_person.get(first(leaf, HANDLE), set())
            revoked |= gone
            standing -= gone
        elif kind == DECISION:
            count["queued"] += first(leaf, OUTCOME, 0) > 0 and bool(relied)
        elif kind == WITHHELD:
            count["withheld"] += 1
        elif kind == RECALL:
            count["recalled"] += first(leaf, PHASE) is None
        if kind == READ and not first(leaf, OUTCOME, 0):
            count["read refused"] += 1
        elif kind in (RELEASE, READ) and relied:
            count["released" if kind == RELEASE else "read"] += 1
            for ref in relied:
                if ref not in standing:
                    breaches.append(
                        f"leaf {index}: {'taken back' if ref in revoked else 'unknown'}"
                        f" consent relied on")
    return count, breaches


def mutate(log):
    """The first withdrawal of a consent that a release relied on, moved to
    before that release."""
    for at, leaf in enumerate(log):
        if first(leaf, KIND) != REVOKE or CONSENT not in leaf:
            continue
        for before in range(at):
            if first(log[before], KIND) == RELEASE and \
                    leaf[CONSENT][0] in log[before].get(CONSENT, []):
                log.insert(before, log.pop(at))
                return True
    return False


def main():
    log = tlog.leaves(sys.argv[1])
    if "--mutate" in sys.argv and not mutate(log):
        sys.exit("check_log: nothing to mutate")
    count, breaches = judge(log)
    for line in breaches[:20]:
        print(line)
    print(f"log: {len(log)} leaves, " +
          ", ".join(f"{v} {k}" for k, v in count.items()))
    if breaches:
        sys.exit(f"check_log: {len(breaches)} breaches of I-3")
    if min(count["released"], count["withheld"], count["withdrawn"]) == 0:
        sys.exit("check_log: the withdrawals met no release; nothing was tested")


if __name__ == "__main__":
    main()
