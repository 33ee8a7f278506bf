"""hospital.py - one patient's stay, sent through the hospital's own doors, and
the answers of those it reaches."""
import contextlib
import json
import re
import time

from people import adt, form, new_number
from region import NODES, wait_for
from talk import Broken, say
from words import WORDS

ADMISSION = {"G_META", "G_ID", "G_ADM"}
INTRODUCTION = {"G_META", "G_ID", "G_CONTACT_AREA", "G_WISH"}
LEAVING = {"G_META", "G_ID", "G_CONTACT", "G_DIS_DATE", "G_DEST"}
FILING = {"G_META", "G_ID", "G_CONTACT", "G_FAMILY", "G_ADM", "G_LEGAL", "G_DX", "G_SYM"}


class Hospital:
    """One patient's stay, sent through the hospital's own doors."""

    def __init__(self, story, person):
        self.story, self.region = story, story.region
        self.person, self.number = person, new_number()
        self.before = {n: {d["delivery_id"] for d in self.region.inbox(n)}
                       for n in self.region.nodes if NODES[n][1]}
        self.sent_before = {e["event_id"] for e in self.region.outbox("h1")}
        time.sleep(0.02)

    def message(self, name):
        answer = self.region.mllp(adt(name, self.person, self.number))
        return re.search(r"MSA\|(\w\w)", answer)[1] if "MSA|" in answer else answer

    def form(self, *forms):
        """Drops forms (sample, label), all of them, and waits until they are read."""
        for name, label in forms:
            self.region.drop("h1", "forms", "%s-%s.csv" % (label, self.number),
                             form(name, self.person, self.number))
        for _, label in forms:
            file = "%s-%s.csv" % (label, self.number)
            why = self.region.wait_taken("h1", "forms", file)
            if why:
                raise Broken("%s: %s" % (file, why))

    def receipts(self, kind, count=1):
        """The hub's answers to this stay's events of a kind."""
        def look():
            mine = [e for e in self.region.outbox("h1")
                    if e["type"] == kind and e["event_id"] not in self.sent_before]
            ready = []
            for e in mine:
                with contextlib.suppress(OSError, ValueError), \
                        open(self.region.path("h1", "receipts", e["event_id"] + ".json")) as f:
                    ready.append(json.load(f))
            return ready if len(ready) >= count else None
        found = wait_for(look)
        if not found:
            raise Broken(say("受付の返事がありません: ", "no answer to: ") + WORDS.event(kind))
        return found

    def new(self, node):
        return [d for d in self.region.inbox(node)
                if d["delivery_id"] not in self.before[node]]

    def expect(self, node, kind, classes):
        """This node gets it, with exactly these kinds of data."""
        d = self.region.wait_delivery(node, kind, self.before[node])
        code = NODES[node][0]
        self.story.hold(
            d is not None and WORDS.held(d) == classes,
            "%sに届いた「%s」: %s" % (WORDS.agency(code), WORDS.event(kind), WORDS.kinds(classes)),
            "%s received \"%s\": %s" % (WORDS.agency(code), WORDS.event(kind),
                                        WORDS.kinds(classes)),
            "nothing" if d is None else WORDS.kinds(WORDS.held(d)))
        return d


def answer(region, node, delivery, kind, body, name):
    """Answers a delivery with a file, as an office's staff do."""
    region.drop(node, "answers", name, json.dumps(
        {"answer_to": delivery["event_id"], "type": kind, "body": body}, ensure_ascii=False))
    why = region.wait_taken(node, "answers", name)
    if why:
        raise Broken("%s: %s" % (name, why))
