"""tsunagi-demo - the fictitious region as real processes on this machine.

It only starts processes, drops files, speaks to the doors that a hospital or
an office would use, runs public commands and reads inboxes. A story is told
line by line, checked as it goes, and ends at the first thing that does not
hold. Nothing here knows how the hub works inside. One file for each story;
the build packs them into one program."""
import argparse
import atexit
import os
import shutil
import signal
import sys
import tempfile

from badinput import BADINPUT_NODES, play_badinput
from canary import CANARY_NODES, play_canary
from consent import CONSENT_NODES, play_consent
from discharge import DISCHARGE_NODES, play_discharge
from emergency import EMERGENCY_NODES, play_emergency
from erasure import ERASURE_NODES, play_erasure
from meeting import MEETING_NODES, play_meeting
from night import NIGHT_NODES, play_night
from outage import OUTAGE_NODES, play_outage
from plan import PLAN_NODES, play_plan
from region import Region, write
from report import REPORT_NODES, play_report
from talk import Broken, say, speak

STORIES = {
    "discharge": (play_discharge, DISCHARGE_NODES),
    "emergency": (play_emergency, EMERGENCY_NODES),
    "plan": (play_plan, PLAN_NODES),
    "consent": (play_consent, CONSENT_NODES),
    "night": (play_night, NIGHT_NODES),
    "meeting": (play_meeting, MEETING_NODES),
    "report": (play_report, REPORT_NODES),
    "outage": (play_outage, OUTAGE_NODES),
    "badinput": (play_badinput, BADINPUT_NODES),
    "canary": (play_canary, CANARY_NODES),
    "erasure": (play_erasure, ERASURE_NODES),
}


def show(text):
    print("\n" + "\n".join(text), flush=True)


def play_one(name, options):
    play, nodes = STORIES[name]
    if options.dir:
        return play(Region.existing(options.dir), options)
    folder = tempfile.mkdtemp(prefix="tsunagi-")
    region = Region(folder, nodes)
    kept = options.keep

    def clean():
        region.down()
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    atexit.register(clean)
    try:
        region.make()
        region.up()
        return play(region, options)
    except Exception:
        for name_ in ("hub", *nodes):
            if region.tail(name_):
                print("    %s: %s" % (name_, region.tail(name_)), file=sys.stderr)
        raise
    finally:
        clean()
        atexit.unregister(clean)


def play(options):
    names = list(STORIES) if options.story == "all" else [options.story]
    lines = []
    for name in names:
        lines += play_one(name, options) + [""]
    if options.summary:
        write(options.summary, "\n".join(lines), 0o644)
    else:
        show(lines)


def up(options):
    region = Region(options.dir, stays=True)
    if os.path.exists(region.path("region.json")):
        region = Region.existing(options.dir)
        if region.running:
            raise Broken(say("すでに動いています", "it is running already"))
    else:
        region.make()
    region.up()
    print(say("動いています: %s(止めるには demo down --dir %s)",
              "running in %s (stop it with: demo down --dir %s)") % ((region.folder,) * 2))


def down(options):
    region = Region.existing(options.dir)
    region.down()
    print(say("止めました", "stopped"))


def parse():
    p = argparse.ArgumentParser(
        prog="tsunagi demo", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=say("架空の地域(県番号49)を、このマシンの中だけで動かします。",
                        "Runs the fictitious region (prefecture 49) on this machine alone."))
    p.add_argument("--lang", help="ja, en")
    sub = p.add_subparsers(dest="what", required=True, metavar="up|down|play")
    for name, ja, en in (("up", "地域を作って動かす", "make a region and start it"),
                         ("down", "止める", "stop it")):
        s = sub.add_parser(name, help=say(ja, en))
        s.add_argument("--dir", required=True, help=say("地域のフォルダー", "the region's folder"))
        s.add_argument("--lang")
    s = sub.add_parser("play", help=say("物語を一つ動かして確かめる", "play a story and check it"))
    s.add_argument("story", choices=[*STORIES, "all"])
    s.add_argument("--dir", help=say("動いている地域を使う", "use a running region"))
    s.add_argument("--quick", action="store_true", help=say("回数を減らす", "fewer rounds"))
    s.add_argument("--summary", metavar="FILE", help=say("まとめをファイルに書く", "write the summary to a file"))
    s.add_argument("--keep", action="store_true", help=say("終わっても消さない", "do not remove the region"))
    s.add_argument("--sabotage", choices=["fsync"],
                   help=say("(outage) わざと壊し、見つかることを確かめる",
                            "(outage) break it on purpose; succeeds when that is noticed"))
    s.add_argument("--lang")
    return p.parse_args()


def language(argv):
    for i, word in enumerate(argv):
        if word.startswith("--lang"):
            value = word[7:] if "=" in word else (argv[i + 1:] or [""])[0]
            return value.startswith("ja")
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if os.environ.get(name):
            return os.environ[name].startswith("ja")
    return True


def stopped(number, _frame):
    sys.exit(128 + number)


def main():
    japanese = language(sys.argv[1:])
    speak(japanese)
    os.environ["LC_ALL"] = "ja_JP.UTF-8" if japanese else "C.UTF-8"
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stderr.reconfigure(encoding="utf-8")
    options = parse()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stopped)
    try:
        {"up": up, "down": down, "play": play}[options.what](options)
    except Broken as e:
        print("tsunagi demo: %s" % e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
