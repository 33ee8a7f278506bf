"""check_field.py - proto/FIELD.md names the purposes and the rows of the decision
table that deploy/policy has, and no others: a clerk finds every one in both."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def table(name):
    lines = [l for l in (ROOT / "deploy/policy" / name).read_text(encoding="utf-8").splitlines()
             if l and not l.startswith("#")]
    head = lines[0].split("\t")
    return [dict(zip(head, l.split("\t"))) for l in lines[1:]]


def section(text, title):
    return text.split("\n## %s\n" % title, 1)[1].split("\n## ", 1)[0]


def told_rows(text):
    """The first cells of the table under Decisions: "001–008", "014, 090–093"."""
    rows = set()
    for cell in re.findall(r"^\| ([^|]*\d[^|]*) \|", text, re.M):
        for first, last in re.findall(r"([A-Z]?\d+)(?:–([A-Z]?\d+))?", cell):
            letter = first[0] if first[0].isalpha() else ""
            width = len(first) - len(letter)
            for n in range(int(first[len(letter):]), int((last or first)[len(letter):]) + 1):
                rows.add("%s%0*d" % (letter, width, n))
    return rows


def main():
    field = (ROOT / "proto/FIELD.md").read_text(encoding="utf-8")
    bad = []
    rows = {w for r in table("rules.tsv") for w in r["row"].split()}
    told = told_rows(section(field, "Decisions"))
    bad += ["row %s is in rules.tsv, not in FIELD.md" % r for r in sorted(rows - told)]
    # a range may step over numbers that the decision table does not have, not over its ends
    ends = set(re.findall(r"[A-Z]?\d{2,3}", " ".join(
        re.findall(r"^\| ([^|]*\d[^|]*) \|", section(field, "Decisions"), re.M))))
    bad += ["row %s is in FIELD.md, not in rules.tsv" % r for r in sorted(ends - rows)]
    purposes = {r["code"]: r["ja"] for r in table("vocab.tsv") if r["kind"] == "purpose"}
    text = section(field, "Purposes")
    for code, ja in purposes.items():
        if "`%s`" % code not in text or ("`%s` %s" % (code, ja) not in text and code != "P_OPS"):
            bad.append("purpose %s %s is not in FIELD.md so" % (code, ja))
    bad += ["purpose %s is in FIELD.md alone" % c
            for c in sorted(set(re.findall(r"`(P_[A-Z0-9]+)`", text)) - set(purposes))]
    for b in bad:
        print("check_field: " + b, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
