"""Drives bench-load (load.c), which asks what a plan says, on many connections and for little processor time.

    load = Load(url, programs)                   programs: the folder of bench-load
    figures, answers = load.once(lines, 8)       each line once, 8 at a time; the answers' JSON in the lines' order, and figures["times"]
    figures = load.loop(lines, 16, 3)            16 connections, each asks its lines again and again for 3 seconds
    wake = load.wake(line, followers)            a sender's line, and those of who waits in /sync
    load.reopened                                connections that were made anew, since the server had ended them while they were idle

A line is ask(method, target, token, body); "{n}" in target and body is another number each time, "{since}" in a target what the last
answer on that connection gave. Times in figures are milliseconds.
"""
import itertools
import json
import os
import subprocess
import urllib.parse

V3 = "/_matrix/client/v3"
SYNC_FILTER = {"room": {"timeline": {"limit": 1}, "state": {"lazy_load_members": True}}, "presence": {"types": []}}


def ask(method, target, token="", body=None):
    target = target if target.startswith("/_matrix") else V3 + target
    return "\t".join((method, target, token, "" if body is None else json.dumps(body, separators=(",", ":"))))


def sync(token, timeout=0, wanted=None):
    """A line for /sync; waits up to so many milliseconds once there is a since."""
    wanted = SYNC_FILTER if wanted is None else wanted
    return ask("GET", "/sync?set_presence=offline&timeout=%d&filter=%s{since}" % (
        timeout, urllib.parse.quote(json.dumps(wanted))), token)


def sliding_sync(token, rooms, pos=None):
    """A line for sliding sync as Element X asks: a list of the newest rooms, with one event each and the state that a list of rooms shows."""
    wanted = [[kind, ""] for kind in ("m.room.name", "m.room.encryption", "m.room.topic", "m.room.avatar", "m.room.canonical_alias",
                                      "m.room.power_levels", "m.room.join_rules", "m.room.create")]
    wanted += [["m.room.member", "$LAZY"], ["m.room.member", "$ME"]]
    body = {"conn_id": "room-list", "lists": {"all_rooms": {"ranges": [[0, rooms - 1]], "timeline_limit": 1, "required_state": wanted,
                                                            "filters": {"not_room_types": ["m.space"]}}},
            "extensions": {"account_data": {"enabled": True}, "receipts": {"enabled": True}, "typing": {"enabled": True}}}
    return ask("POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?set_presence=offline&timeout=0%s" % (
        "&pos=" + urllib.parse.quote(pos) if pos else ""), token, body)


def milliseconds(figures):
    """Those that end with p50, p99 or max, and the times of each line."""
    figures["times"] = [value / 1000 for value in figures.get("times", ())]
    return {name: value / 1000 if name[-3:] in ("p50", "p99", "max") else value for name, value in figures.items()}


class Load:
    numbers = itertools.count(10**9, 10**9)
    """Where the numbers of a Load or Wake begin: no two of a run share any, for a transaction id that a device uses again sends nothing
    (to some servers in another room, too)."""

    def __init__(self, url, programs):
        self.port = urllib.parse.urlsplit(url).port
        self.program = os.path.join(programs, "bench-load")
        self.number = next(self.numbers)
        self.reopened = 0

    def command(self, kind, connections, number, ms=0):
        return [self.program, kind, str(self.port), str(connections), str(ms), str(number)]

    def run(self, kind, lines, connections, ms=0, allowed=0):
        done = subprocess.run(self.command(kind, connections, self.number, ms), input="\n".join(lines) + "\n\n", capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        first, _, rest = done.stdout.partition("\n")
        figures = milliseconds(json.loads(first))
        assert figures["failed"] <= allowed, "%d failed: %s" % (figures["failed"], done.stderr)
        figures["rate"] = figures["count"] / figures["seconds"]
        self.number = figures["number"] + 1
        self.reopened += figures["reopened"]
        return figures, rest

    def once(self, lines, connections=8, allowed=0):
        figures, rest = self.run("once", lines, connections, allowed=allowed)
        return figures, [json.loads(line) if line.strip() else {} for line in rest.split("\n")[:len(lines)]]

    def loop(self, lines, connections, seconds):
        return self.run("loop", lines, connections, int(seconds * 1000))[0]

    def wake(self, sender, followers):
        return Wake(self, sender, followers)


class Wake:
    """Followers that wait in /sync, until close()."""

    def __init__(self, load, sender, followers):
        self.load = load
        self.process = subprocess.Popen(load.command("wake", len(followers) + 1, next(load.numbers)), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("\n".join([sender, *followers]) + "\n\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ready\n", "the followers never waited"

    def send(self, messages):
        """Figures of so many messages, one after the other: `after_…` from the sender's answer to the last one who has it."""
        self.process.stdin.write("%d\n" % messages)
        self.process.stdin.flush()
        told = self.process.stdout.readline()
        assert told, "bench-load ended; what it said stands above"
        figures = milliseconds(json.loads(told))
        assert not figures["failed"] and not figures["missing"], figures
        self.load.reopened += figures["reopened"]
        return figures

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()
