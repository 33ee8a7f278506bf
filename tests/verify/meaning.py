"""meaning.py - what the leaves of a log say, held against each other: the rules
M-1 to M-17 of tsunagi-log(5) a second time, from their text."""
import datetime
import hashlib

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from tlog import fields

(DECISION, RELEASE, DELIVERED, READ, GRANT, REVOKE) = range(1, 7)
OPEN, CLOSE, REVIEW, ACTIVATE, NODE_CHANGE = range(8, 13)
ERASE_BEGIN, EPOCH_START, RECALL, INGEST, WITHHELD = 14, 16, 17, 18, 23
MINUTE, HOUR = 60000, 3600000
LATE = 5 * MINUTE
JAPAN = datetime.timezone(datetime.timedelta(hours=9))
ANSWERS = {1: b"DELETED", 2: b"HANDED_OVER", 3: b"UNKNOWN"}


class Leaf:
    """One leaf by the names of its fields."""
    ONE = {"time": (2, 0), "kind": (3, 0), "event": (4, b""),
           "subject": (5, b""), "node": (6, b""), "actor": (7, b""),
           "peer": (8, b""), "purpose": (9, b""), "outcome": (10, None),
           "policy": (11, b""), "released": (14, 0), "withheld": (15, 0),
           "signature": (18, b""), "reason": (21, b""), "phase": (24, b""),
           "until": (33, 0), "signed": (40, b""), "sign_key": (41, b""),
           "previous": (44, b""), "previous_size": (45, None),
           "order": (46, b""), "origin": (47, b"")}

    def __init__(self, raw):
        f = fields(raw)
        for name, (number, default) in self.ONE.items():
            setattr(self, name, f.get(number, [default])[0])
        self.refs, self.consents = f.get(19, []), f.get(20, [])
        self.approvers, self.bases = f.get(34, []), f.get(13, [])
        self.sha256 = hashlib.sha256(raw).digest()
        self.ended = False

    def quarter(self):
        day = datetime.datetime.fromtimestamp(self.time / 1000, JAPAN)
        return day.year, (day.month - 1) // 3


class Log:
    def __init__(self, raw, origin):
        self.leaves = [Leaf(r) for r in raw]
        self.head = origin.encode()
        self.found = []  # (leaf, rule)
        self.nodes, self.consents, self.by_handle = {}, {}, {}
        self.erased, self.openings, self.policy = {}, {}, None
        self.epoch = None

    def judge(self):
        for self.at, l in enumerate(self.leaves):
            act = self.ACTS.get(l.kind)
            if act:
                act(self, l)
        self.at_the_end()
        return self.found

    def need(self, holds, rule):
        if not holds:
            self.found.append((self.at, rule))
        return holds

    # ---- what others say ----

    def cited(self, l, kind):
        for ref in l.refs:
            if ref < self.at and self.leaves[ref].kind == kind:
                return self.leaves[ref]
        return None

    @staticmethod
    def one_person(a, b):
        return a.subject == b.subject or a.quarter() != b.quarter()

    def follows(self, earlier, l):
        return (earlier is not None and len(l.event) == 16 and l.peer != b"" and
                (earlier.event, earlier.peer, earlier.purpose) ==
                (l.event, l.peer, l.purpose) and self.one_person(earlier, l))

    def active(self, l, own):
        """A node acts while it is active; own: in its agency's name."""
        refused = l.kind in (INGEST, READ) and l.outcome == 0
        if l.node in (b"", b"hub") or refused:
            return
        state, agency, _ = self.nodes.get(l.node, (b"", b"", b""))
        self.need(state == b"ACTIVE" and (not own or agency == l.peer), "M-6")

    # ---- decisions ----

    def grounds(self, l):
        self.need(l.released & l.withheld == 0, "M-2")
        for c in l.consents:
            self.need(self.consents.get(c) is True, "M-3")
        self.need(l.consents or b"LB_CONSENT" not in l.bases, "M-3")
        self.need(self.policy is not None and l.policy == self.policy, "M-4")

    def glass(self, l):
        for ref in l.refs:
            if ref < self.at and self.leaves[ref].kind == OPEN:
                o = self.openings[ref]
                self.need(not o["closed"] and l.time < o["until"] and
                          self.one_person(self.leaves[ref], l), "M-13")

    def passing(self, l, before):
        self.need(l.outcome and l.released, "M-2")
        self.grounds(l)
        self.glass(l)
        self.need(l.subject not in self.erased and
                  not (before and self.erased.get(before.subject)), "M-14")
        self.need(l.node not in (b"", b"hub"), "M-6")
        self.active(l, True)

    def decision(self, l):
        self.grounds(l)
        if l.outcome:
            self.glass(l)

    def release(self, l):
        d = self.cited(l, DECISION)
        if self.need(self.follows(d, l) and d.outcome and
                     l.phase == b"RELEASE" and
                     l.time <= d.time + 14 * 24 * HOUR, "M-1"):
            self.need(l.released & ~d.released == 0, "M-7")
        self.passing(l, d)

    def read(self, l):
        if l.event == b"":
            self.active(l, True)
            self.need(l.released == 0, "M-8")
            return
        r = self.cited(l, RELEASE)
        if self.need(self.follows(r, l), "M-8"):
            self.need(l.released & ~r.released == 0 and not r.ended, "M-9")
        self.passing(l, r)

    def withheld(self, l):
        d = self.cited(l, DECISION)
        self.need(d is not None and l.peer and d.peer == l.peer, "M-11")

    # ---- what nodes signed ----

    def signed(self, l, prefix):
        key = self.nodes.get(l.node, (b"", b"", b""))[2]
        good = len(key) == 32 and len(l.signature) == 64 and \
            0 < len(l.signed) <= 512
        if good:
            try:
                VerifyKey(key).verify(prefix + l.signed, l.signature)
            except (CryptoError, ValueError):
                good = False
        self.need(good, "M-12")

    def acknowledged(self, l, r):
        self.active(l, True)
        try:
            body = fields(l.signed)
        except (ValueError, IndexError):
            body = {}
        named, word = body.get(2), ANSWERS.get(body.get(4, [0])[0])
        if l.kind == RECALL:
            fits = named in (None, [r.sha256]) and word == l.reason
        else:
            fits = named == [r.sha256] and 4 not in body
        if not l.signed or self.need(fits, "M-12"):
            self.signed(l, b"tsunagi-ack/1\n")

    def erase_answered(self, l):
        self.active(l, True)
        try:
            body = fields(l.signed)
        except (ValueError, IndexError):
            body = {}
        fits = len(l.order) == 16 and body.get(1) == [l.order] and \
            ANSWERS.get(body.get(4, [0])[0]) == l.reason
        if not l.signed or self.need(fits, "M-12"):
            self.signed(l, b"tsunagi-erase/1\n")

    def delivered(self, l):
        r = self.cited(l, RELEASE)
        if self.need(r is not None and len(l.event) == 16 and l.peer and
                     (r.event, r.peer) == (l.event, l.peer), "M-5"):
            self.acknowledged(l, r)

    def recall(self, l):
        if l.phase == b"ERASE":
            self.erase_answered(l)
            return
        r, answer = self.cited(l, RELEASE), l.phase == b"ANSWER"
        if self.need(r is not None and l.peer and r.peer == l.peer and
                     not (answer and self.cited(l, RECALL) is None), "M-10"):
            r.ended = True
            if answer:
                self.acknowledged(l, r)

    # ---- consents, nodes, policies, epochs ----

    def ingest(self, l):
        self.active(l, False)

    def grant(self, l):
        self.active(l, False)
        if l.consents and len(l.consents[0]) == 16:
            self.consents[l.consents[0]] = True
            self.by_handle.setdefault(l.subject, []).append(l.consents[0])

    def revoke(self, l):
        self.active(l, False)
        gone = l.consents or \
            (self.by_handle.get(l.subject, []) if len(l.subject) == 16 else [])
        for c in gone:
            if c in self.consents:
                self.consents[c] = False

    def node_change(self, l):
        if l.node:
            self.nodes[l.node] = l.reason, l.peer, l.sign_key

    def activate(self, l):
        self.need(len(set(l.approvers)) >= 2, "M-16")
        self.policy = l.policy if len(l.policy) == 32 else None

    def erase_begin(self, l):
        if len(l.subject) == 16: # True: not only that quarter's content
            wholly = l.reason != b"EXPIRED"
            self.erased[l.subject] = self.erased.get(l.subject) or wholly

    def epoch_start(self, l):
        self.need(l.origin and l.previous_size is not None and
                  len(l.previous) == 32 and len(l.order) == 16, "M-15")
        self.epoch = l.origin or b"?"

    # ---- break-glass ----

    def opening(self, l):
        for ref in l.refs:
            if ref < self.at and self.leaves[ref].kind == OPEN:
                return self.openings[ref]
        return None

    def open(self, l):
        o = self.opening(l)
        self.active(l, True)
        good = l.until <= l.time + HOUR
        if o is None:
            o = {"at": self.at, "until": l.until, "due": l.time + 72 * HOUR,
                 "agency": l.peer, "actor": l.actor, "extended": False,
                 "closed": False, "reviewed": False}
            good = good and len(l.actor) == 16 and l.peer != b""
        else:
            good = good and not o["extended"] and not o["closed"] and \
                l.time < o["until"] and l.actor == o["actor"] and \
                l.peer == o["agency"] and \
                self.one_person(self.leaves[o["at"]], l)
            o["extended"], o["until"] = True, l.until
        self.openings[self.at] = o
        self.need(good, "M-13")

    def close(self, l):
        o = self.opening(l)
        if self.need(o is not None, "M-13"):
            o["closed"] = True

    def review(self, l):
        o = self.opening(l)
        self.active(l, False)
        if not self.need(o is not None, "M-13") or \
                l.reason not in (b"JUSTIFIED", b"NOT_JUSTIFIED", b"TRAINING"):
            return
        self.need(l.time <= o["due"] + LATE, "M-17")
        self.need(l.actor != o["actor"] and l.node in self.nodes and
                  self.nodes[l.node][1] != o["agency"], "M-17")
        o["reviewed"] = True

    def at_the_end(self):
        end = self.leaves[-1].time if self.leaves else 0
        for at, o in self.openings.items():
            if at != o["at"]:
                continue
            self.at = at
            self.need(o["closed"] or end <= o["until"] + LATE, "M-17")
            self.need(o["reviewed"] or end <= o["due"] + LATE, "M-17")
        self.need(self.epoch in (None, self.head), "M-15")

    ACTS = {DECISION: decision, RELEASE: release, DELIVERED: delivered,
            READ: read, GRANT: grant, REVOKE: revoke, OPEN: open, CLOSE: close,
            REVIEW: review, ACTIVATE: activate, NODE_CHANGE: node_change,
            ERASE_BEGIN: erase_begin, EPOCH_START: epoch_start,
            RECALL: recall, INGEST: ingest, WITHHELD: withheld}


def judge(raw, origin):
    """[(leaf, rule)] of what contradicts itself."""
    return Log(raw, origin).judge()
