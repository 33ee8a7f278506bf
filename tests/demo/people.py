"""people.py - the people of the stories, and the samples filled with them."""
import datetime
import hashlib
import os
import re
import time
import uuid

from region import SAMPLES

HANAKO = {"family": "架空", "given": "花子", "family_kana": "カクウ",
          "given_kana": "ハナコ", "birth": datetime.date(1971, 4, 7), "sex": "F",
          "diagnosis": "統合失調症"}
TARO = {"family": "見本", "given": "太郎", "family_kana": "ミホン",
        "given_kana": "タロウ", "birth": datetime.date(1990, 11, 30), "sex": "M",
        "diagnosis": "双極性障害"}
JIRO = {"family": "例示", "given": "次郎", "family_kana": "レイジ",
        "given_kana": "ジロウ", "birth": datetime.date(1983, 1, 15), "sex": "M",
        "diagnosis": ""}
SABURO = {"family": "試験", "given": "三郎", "family_kana": "シケン",
          "given_kana": "サブロウ", "birth": datetime.date(1958, 8, 9), "sex": "M",
          "diagnosis": ""}
MISAKI = {"family": "仮名", "given": "美咲", "family_kana": "カメイ",
          "given_kana": "ミサキ", "birth": datetime.date(2001, 2, 28), "sex": "F",
          "diagnosis": ""}


def era(d):
    """S46.4.7"""
    for first, letter in ((datetime.date(2019, 5, 1), "R"), (datetime.date(1989, 1, 8), "H"),
                          (datetime.date(1926, 12, 25), "S")):
        if d >= first:
            return "%s%d.%d.%d" % (letter, d.year - first.year + 1, d.month, d.day)
    return d.isoformat()


def today():
    """In Japan."""
    return (datetime.datetime.now(datetime.timezone.utc) +
            datetime.timedelta(hours=9)).date()


def values(person, number, **more):
    """What the sample files' {words} stand for."""
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=9)
    day = now.date()
    v = dict(person)
    v.update(person=number, visit="V" + number[-6:], id="M" + uuid.uuid4().hex[:12],
             birth=era(person["birth"]), now=now.strftime("%Y%m%d%H%M%S"),
             today=day.isoformat(), admitted=(day - datetime.timedelta(days=14)).isoformat(),
             week=(day + datetime.timedelta(days=7)).isoformat(),
             quarter=(day + datetime.timedelta(days=76)).isoformat(),
             half=(day + datetime.timedelta(days=180)).isoformat(),
             sex_ja={"F": "女", "M": "男"}[person["sex"]],
             sex_code={"F": "FEMALE", "M": "MALE"}[person["sex"]])
    v.update(more)
    return v


def fill(name, v):
    with open(os.path.join(SAMPLES, name), encoding="utf-8") as f:
        text = f.read()
    return re.sub(r"\{(\w+)\}", lambda m: v[m[1]], text)


def adt(name, person, number, **more):
    """A message as the hospital's system sends it: ISO-2022-JP with its escapes,
    segments that end with a carriage return."""
    v = values(person, number, **more)
    v["birth"] = person["birth"].strftime("%Y%m%d")
    for key in ("admitted", "today"):
        v[key] = v[key].replace("-", "")
    return fill(name, v).replace("\n", "\r").encode("iso2022_jp")


def form(name, person, number, **more):
    """A form as a ward's Windows computer exports it: CP932, CRLF."""
    return fill(name, values(person, number, **more)).replace("\n", "\r\n").encode("cp932")


THIRD = {"G_GUARD", "G_FAMILY"}  # of someone else, who is asked apart


def consent(purpose, to, classes, giver="SELF", method="PAPER", days=180, **more):
    """The body of a consent: one purpose, these agencies, these kinds of data."""
    body = {"consent_ref": str(uuid.uuid4()), "purpose": purpose,
            "recipient": [{"agency": a} for a in to], "classes": sorted(classes),
            "giver": giver, "method": method, "text_version": "架空-2026-04",
            "valid_from": today().isoformat(),
            "valid_to": (today() + datetime.timedelta(days=days)).isoformat()}
    if method == "PAPER":
        body["paper_sha256"] = hashlib.sha256("(架空の同意書)".encode()).hexdigest()
    return {**body, **more}


def consents(purpose, to, classes, **more):
    """The person's own, and beside it that of the third person for their data."""
    out = [consent(purpose, to, set(classes) - THIRD, **more)]
    if set(classes) & THIRD:
        out.append(consent(purpose, to, set(classes) & THIRD, giver="THIRD_PERSON", **more))
    return out


def new_number():
    """A patient number of ten digits, another one each time."""
    return "%010d" % (int(time.time() * 100) % 10**10)


def token():
    return uuid.uuid4().hex
