"""talk.py - what the stories say, in Japanese or English, and how one ends."""
import unicodedata

JAPANESE = True


def speak(japanese):
    """From here on in Japanese, or not."""
    global JAPANESE
    JAPANESE = japanese


def say(ja, en):
    return ja if JAPANESE else en


class Broken(Exception):
    """The story does not hold."""


def padded(text, width):
    used = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
    return text + " " * max(0, width - used)
