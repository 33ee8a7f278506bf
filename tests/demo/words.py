"""words.py - names of agencies, kinds of data and events in the field's words."""
import glob
import os
import re

from region import ROOT
from talk import say


class Words:
    """Names of agencies, kinds of data and events, in the field's words; which
    field is of which kind. Read from the region's table and the schemas."""

    def __init__(self):
        self.agencies, self.classes, self.fields, self.events = {}, {}, {}, {}
        with open(os.path.join(ROOT, "deploy/region/agencies.tsv")) as f:
            for line in f:
                cells = line.rstrip("\n").split("\t")
                if not line.startswith("#") and len(cells) > 3:
                    self.agencies[cells[0]] = (cells[1], cells[2])
        for path in sorted(glob.glob(os.path.join(ROOT, "proto/tsunagi/v1/*.proto"))):
            with open(path) as f:
                self.read_schema(f.read())

    def read_schema(self, text):
        for m in re.finditer(r'(G_\w+) = \d+ \[\(value_ja\) = "([^"]*)", '
                             r'\(value_en\) = "([^"]*)"', text):
            self.classes[m[1]] = (m[2], m[3])
        for m in re.finditer(r"^message (\w+) \{(.*?)^\}", text, re.S | re.M):
            if "option (event)" not in m[2]:
                continue
            kind = re.sub(r"(?<!^)([A-Z])", r"_\1", m[1]).upper()
            label = [re.search(r'\(event_%s\) = "([^"]*)"' % x, m[2])[1]
                     for x in ("ja", "en")]
            self.events[kind] = tuple(label)
            self.fields[kind] = dict(re.findall(
                r"(\w+) = \d+ \[\(cls\) = (G_\w+)", m[2]))

    def agency(self, code):
        return say(*self.agencies.get(code, (code, code)))

    def kinds(self, classes):
        """「氏名・生年月日・性別、入院の事実」; status and dates go without saying."""
        names = [say(*self.classes.get(c, (c, c))) for c in sorted(classes)
                 if c != "G_META"]
        if not names:
            names = [say(*self.classes.get("G_META", ("状態", "status")))]
        return say("、", ", ").join(names)

    def event(self, kind):
        return say(*self.events.get(kind, (kind, kind)))

    def held(self, delivery):
        """The kinds of data that are in a delivery."""
        of = self.fields[delivery["type"]]
        return {of[f] for f in delivery["body"]}


WORDS = Words()
