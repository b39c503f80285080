"""Hours of mixed load on a Belfry; see README.md."""
import argparse
import json
import os
import signal
import sys
import tempfile
import time

from support.authority import Authority
from support.client import seconds
from support.pump import Pause, Pump
from support.server import FederatedServer, Server, binary, wait_until

from .people import Crowd
from .watch import Watch, Window, verdict

# Small caches are full within the warm-up: what grows afterwards grows for ever.
SETTINGS = {"caches.rooms": "50", "caches.users": "50", "caches.events": "4MiB", "media.remote_cache_size": "16MiB"}


def options_of():
    parser = argparse.ArgumentParser(
        prog="tools/soak-load", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Mixed load of clients that come and go: messages, receipts, reactions, waiting and hasty syncs, joins, searches, files,\n"
                    "keys and messages to devices. Watches memory, descriptors, threads, connections, processor time and latency.",
        epilog="examples:\n"
               "  tools/soak-load --hours 4                          four hours, sixteen windows\n"
               "  tools/soak-load --hours 4 --federation             two servers that share the rooms\n"
               "  tools/soak-load --seconds 300 --pause 0.02         five minutes of as much as it takes\n"
               "  BELFRY_BIN=build/tsan/belfry BELFRY_TEST_SLOW=20 tools/with-sanitizer-reports tools/soak-load --seconds 60\n\n"
               "Ends with 1 when something leaks, grows or gets slower, or an answer was wrong, and says what. Control-C ends the load\n"
               "early: what was sampled until then is judged, but for leaks. SIGUSR1 lets all clients rest, when the machine is wanted for\n"
               "something else, and go on when it comes again; the time between is of no window.")
    parser.add_argument("--hours", type=float, help="how long (default: what --seconds says)")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--windows", type=int, help="samples (default: 16, or one each 5 s)")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--rooms", type=int, default=12)
    parser.add_argument("--watchers", type=int, default=16, help="devices of each server that sync at once (default %(default)s)")
    parser.add_argument("--pause", type=float, default=0.15, help="seconds between two deeds of a client, on average (default %(default)s)")
    parser.add_argument("--federation", action="store_true", help="a second Belfry, whose people are in the same rooms")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the servers' configuration")
    parser.add_argument("--keep", action="store_true", help="the servers' folders stay, with logs and databases")
    parser.add_argument("--json", help="writes all samples there, anew with each window")
    options = parser.parse_args()
    if not binary():
        parser.error("BELFRY_BIN is not set; tools/soak-load sets it")
    options.seconds = options.hours * 3600 if options.hours else options.seconds
    options.windows = options.windows or min(16, max(2, int(options.seconds / 5)))
    return options


class Soak:
    def __init__(self, options, servers):
        self.options, self.servers = options, servers
        self.begun = time.monotonic()
        self.window = Window()
        self.crowd = Crowd([server.port for server in servers], options.people, options.rooms, options.pause, self.window, options.seed)
        self.crowd.wait_ms = int(min(5000, options.seconds * 100))
        self.pump = Pump(servers[0].port)
        self.watches = [Watch(server) for server in servers]
        self.pump.rested = self.rested
        signal.signal(signal.SIGUSR1, self.turn)

    def turn(self, *_):
        self.pump.shall_rest = not self.pump.shall_rest

    def rested(self, is_over):
        for watch in self.watches:
            watch.rested(is_over)
        self.tell("the load goes on" if is_over else "the load rests; the same signal again lets it go on")

    def tell(self, text):
        print("[%7.1f s] %s" % (time.monotonic() - self.begun, text), flush=True)

    def settle(self):
        people = self.crowd.people
        self._all((self.crowd.settle(person), person.port) for person in people)
        self._all([(self.crowd.make_rooms(), people[0].port)])
        self._all((self.crowd.enter_rooms(person), person.port) for person in people[1:])

    def _all(self, scripts):
        for script, port in scripts:
            self.pump.add(script, port)
        self.pump.run()

    def load(self, length, windows=0):
        """All kinds of clients for so long, then all of them go."""
        self.crowd.is_over = False

        def clock():
            for number in range(windows):
                yield Pause(length / windows)
                self._sample(number)
            if not windows:
                yield Pause(length)
            self.crowd.is_over = True
        for server in self.servers:
            for script in self.crowd.scripts(server.port, self.options.watchers):
                self.pump.add(script, server.port)
        self.pump.add(clock())
        self.pump.run()

    def _sample(self, number):
        taken = self.window.take()
        for watch in self.watches:
            found = watch.sample(taken)
            self.tell("window %d: %d requests, %.2f + %.2f ms each; %.1f MiB, %d descriptors, %d threads; others %.2f processors; "
                      "%d wrong answers so far" % (
                          number, found["requests"], found["server_ms"], found["database_ms"], found["memory"] / (1 << 20),
                          found["descriptors"], found["threads"], found["foreign"], len(self.crowd.faults)))
        self._write()
        self.window.clear()

    def _write(self):
        if self.options.json:
            with open(self.options.json + ".new", "w", encoding="utf-8") as file:
                json.dump([watch.samples for watch in self.watches], file, indent=1)
            os.replace(self.options.json + ".new", self.options.json)

    def resting(self, watch):
        """What it holds without clients, once that has not changed for longer than a sync waits whose client hung up."""
        pause = self.crowd.wait_ms / 1000 + 0.3
        pause = min(seconds(pause), pause + 3)
        found, since = watch.still(), time.monotonic()
        while time.monotonic() - since < pause:
            time.sleep(0.1)
            now = watch.still()
            if (now["own"], now["threads"]) != (found["own"], found["threads"]):
                found, since = now, time.monotonic()
        return found

    def leaks(self, watch, before):
        """Findings: what it still holds when all clients are gone, and did not hold before."""
        try:
            wait_until(lambda: all(watch.still()[name] <= before[name] for name in ("own", "threads")), 20, "rest", 0.2)
        except AssertionError:
            after = watch.still()
            return ["%s: %s before, %s after" % (name, before[name], after[name]) for name in ("own", "threads", "kinds")]
        return []

    def run(self):
        """All findings."""
        self.settle()
        # Once all kinds of clients were there, what the server makes when it is first wanted is made.
        self.load(max(2.0, self.options.seconds * 0.04))
        before = [self.resting(watch) for watch in self.watches]
        for watch in self.watches:
            watch.begin()
        self.window.clear()
        try:
            self.load(self.options.seconds, self.options.windows)
        except KeyboardInterrupt:
            if not all(watch.samples for watch in self.watches):
                raise
            self.tell("ended early: what is left open by the clients that went is not counted")
            before = []
        findings = list(self.crowd.faults)
        for watch, held in zip(self.watches, before):
            findings += self.leaks(watch, held)
        for watch in self.watches:
            findings += verdict(watch.samples, self.tell)
        return findings


def main():
    options = options_of()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets what it starts in the background ignore the former
        signal.signal(number, signal.default_int_handler)
    settings = {**SETTINGS, **dict(item.split("=", 1) for item in options.set)}
    with tempfile.TemporaryDirectory(prefix="belfry-load-") as folder:
        os.chmod(folder, 0o755)
        if options.federation:
            authority = Authority(folder, days=2)
            servers = [FederatedServer(authority, settings) for _ in range(2)]
        else:
            servers = [Server(settings=settings)]
        try:
            for server in servers:
                server.start()
            soak = Soak(options, servers)
            findings = soak.run()
        finally:
            for server in servers:
                server.destroy(keep=options.keep)
                if options.keep:
                    print("kept: %s" % server.root)
    for line in findings[:40]:
        print("FOUND: " + line)
    print("%d findings" % len(findings) if findings else "no findings", flush=True)
    return 1 if findings else 0


sys.exit(main())
