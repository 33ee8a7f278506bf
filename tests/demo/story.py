"""story.py - the teller: lines, checks, and the summary of who got what."""
import os
import shutil
import tempfile
import time

from region import command, must, wait_for
from talk import Broken, say
from words import WORDS


class Story:
    def __init__(self, title_ja, title_en, region):
        self.title = say(title_ja, title_en)
        self.region = region
        self.summary = []
        self.begun = time.monotonic()
        print("\n■ %s" % self.title, flush=True)

    def tell(self, ja, en):
        print("  %s" % say(ja, en), flush=True)

    def hold(self, ok, ja, en, detail=""):
        """Says what holds; ends the story when it does not."""
        if not ok:
            print("  ✗ %s" % say(ja, en), flush=True)
            raise Broken("%s%s" % (say("こうなるはずでした: ", "expected: ") + say(ja, en),
                                   " (%s)" % detail if detail else ""))
        print("  ✓ %s" % say(ja, en), flush=True)

    def got(self, code, ja, en):
        self.summary.append(say("○ %s: %s", "+ %s: %s") % (WORDS.agency(code), say(ja, en)))

    def not_got(self, code, ja, en):
        self.summary.append(say("× %s: %s", "- %s: %s") % (WORDS.agency(code), say(ja, en)))

    def note(self, ja, en):
        self.summary.append(say("・%s" % ja, "* %s" % en))

    def whole_log(self):
        """What the hub wrote while the story went on keeps every rule of the log."""
        if not self.region.is_running("hub"):  # a story that looked at what lies there
            self.region.start("hub")
            wait_for(self.region.status, 15)
        out = tempfile.mkdtemp(prefix="tsunagi-audit-")
        try:
            log = os.path.join(out, "log")
            must("audit", "export", log, "--newest", "--dir", self.region.folder)
            code, text, err = command("audit", "verify", log)
            self.hold(code == 0, "監査記録は、ハブなしで確かめても欠けも矛盾もない",
                      "the audit log, verified without the hub, is whole and keeps its rules",
                      (text + err).strip()[-300:])
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def end(self):
        self.whole_log()
        took = time.monotonic() - self.begun
        self.summary.insert(0, say("■ %s(%.1f秒)", "■ %s (%.1f s)") % (self.title, took))
        print(say("  %.1f秒", "  %.1f s") % took, flush=True)
        return self.summary
