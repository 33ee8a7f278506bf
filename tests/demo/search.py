"""search.py - finds texts and people in the files of a node, however they are
written and encoded."""
import contextlib
import json
import os
import re
import unicodedata

from people import era


def spellings(text):
    """A text in every encoding it could lie on a disk in."""
    forms = {text, unicodedata.normalize("NFKC", text), unicodedata.normalize("NFD", text)}
    out = set()
    for form_ in forms:
        for encoding in ("utf-8", "cp932", "euc_jp", "utf-16-le", "utf-16-be"):
            with contextlib.suppress(UnicodeEncodeError):
                out.add(form_.encode(encoding))
        out.add(json.dumps(form_)[1:-1].encode())
    return out


def found_in_files(region, node, texts):
    """The first of the texts that lies anywhere under a node's folder."""
    for path, data in region.files(node):
        for text in texts:
            if any(s in data for s in spellings(text)):
                return "%s: %s" % (os.path.basename(path), text)
    return ""


def birth_forms(d):
    """A date of birth in the ways people write it."""
    e = era(d)
    name = {"S": "昭和", "H": "平成", "R": "令和"}[e[0]]
    y, m, day = e[1:].split(".")
    return [d.isoformat(), d.strftime("%Y%m%d"), d.strftime("%Y/%m/%d"),
            "%d年%d月%d日" % (d.year, d.month, d.day), e,
            "%s%02d.%02d.%02d" % (e[0], int(y), d.month, d.day),
            "%s%02d%02d%02d" % (e[0], int(y), d.month, d.day),
            "%s%s年%s月%s日" % (name, y, m, day)]


def trie(words):
    """One pattern for many byte strings that looks at each byte once."""
    tree = {}
    for word in words:
        node = tree
        for byte in word:
            node = node.setdefault(byte, {})
        node[None] = None

    def pattern(node):
        branches = [re.escape(bytes([b])) + pattern(sub)
                    for b, sub in node.items() if b is not None]
        if not branches:
            return b""
        inner = branches[0] if len(branches) == 1 else b"(?:" + b"|".join(branches) + b")"
        return b"(?:" + inner + b")?" if None in node else inner
    return pattern(tree)


class Identity:
    """Finds people in bytes: name, reading, date of birth, in every spelling
    and encoding. One pass over the bytes for all people."""

    def __init__(self, people):
        self.of = {}
        for key, kanji, kana, birth in people:
            words = [kanji, kanji[:2] + " " + kanji[2:], kanji[:2] + "　" + kanji[2:], kana,
                     self.hiragana(kana), self.half_width(kana)]
            for w in words:
                for s in spellings(w):
                    self.of[s] = key
            for w in birth_forms(birth):
                for s in spellings(w):
                    self.of[s] = key
        self.pattern = re.compile(trie(self.of))

    @staticmethod
    def hiragana(kana):
        return "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in kana)

    @staticmethod
    def half_width(kana):
        table = {}
        for code in range(0xff66, 0xffa0):
            table[unicodedata.normalize("NFKC", chr(code))] = chr(code)
        return "".join(table.get(c, c) for c in unicodedata.normalize("NFD", kana)
                       .replace("\u3099", "ﾞ").replace("\u309a", "ﾟ"))

    def found(self, data):
        out = set()
        for m in self.pattern.finditer(data):
            near = data[max(0, m.start() - 1):m.start()] + b"," + data[m.end():m.end() + 1]
            number = m[0][-1:].isdigit()
            if number and re.search(rb"[0-9a-f],|,[0-9a-f]", near):
                continue  # digits inside a longer number
            out.add(self.of[m[0]])
        return out
