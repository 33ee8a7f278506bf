"""story.py - the teller: lines, checks, and the summary of who got what."""
import time

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

    def end(self):
        took = time.monotonic() - self.begun
        self.summary.insert(0, say("■ %s(%.1f秒)", "■ %s (%.1f s)") % (self.title, took))
        print(say("  %.1f秒", "  %.1f s") % took, flush=True)
        return self.summary
