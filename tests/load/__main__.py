"""Hours of mixed load on a Belfry; see README.md."""
import json
import os
import signal
import sys
import tempfile
import time

from support.authority import Authority
from support.client import seconds
from support.pump import Pause, Pump
from support.server import FederatedServer, Server, free_port, wait_until

from .options import options_of
from .people import Crowd
from .watch import Watch, Window, verdict

# Small caches are full within the warm-up: what grows afterwards grows for ever.
SETTINGS = {"caches.rooms": "50", "caches.users": "50", "caches.events": "4MiB", "media.remote_cache_size": "16MiB"}

LOOK_SECONDS = 7
"""How often the server's memory is looked at. It counts what is in use in its heap, and gives pages back, every ten: not in step with that."""

CUT = 3
"""How a run ends in which nothing was found, but windows are missing."""


def told(findings):
    for line in findings[:40]:
        print("FOUND: " + line, flush=True)
    return findings


def judge(all_samples, wanted, tell):
    """Findings of the windows that there are, of each server; `wanted`: how many there were to be."""
    had = min(len(samples) for samples in all_samples)
    tell("%d of %d windows%s" % (had, wanted, "" if had == wanted else ": ENDED EARLY, the verdict is of these alone"))
    return told([line for samples in all_samples if samples for line in verdict(samples, tell)])


def end(findings, is_whole):
    """What the program ends with."""
    print(("%d findings" % len(findings) if findings else "no findings") + ("" if is_whole else " so far: windows are missing"), flush=True)
    return 1 if findings else 0 if is_whole else CUT


class Soak:
    def __init__(self, options, servers):
        self.options, self.servers = options, servers
        self.is_cut = False
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

    def cut(self, number, _):
        """All clients go; the windows so far are what is judged. The same signal again ends everything at once."""
        self.is_cut = self.crowd.is_over = True
        self.pump.shall_rest = False
        signal.signal(number, signal.default_int_handler)

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
            each = length / max(1, windows)
            steps = max(1, round(each))  # so that it ends soon when it is cut
            for number in range(max(1, windows)):
                for step in range(steps):
                    yield Pause(each / steps)
                    if self.is_cut:
                        self.tell("ended early, within window %d" % number)
                        return
                    if step % LOOK_SECONDS == LOOK_SECONDS - 1:
                        for watch in self.watches:
                            watch.look()
                if windows:
                    self._sample(number)
            self.crowd.is_over = True
        for server in self.servers:
            for script in self.crowd.scripts(server.port, self.options.watchers):
                self.pump.add(script, server.port)
        self.pump.add(clock())
        self.pump.run()

    def _sample(self, number):
        taken = self.window.take()
        for watch in self.watches:
            found = watch.sample({**taken, "of": self.options.windows, "faults": len(self.crowd.faults)})
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
        """All findings, and whether there are all windows."""
        self.settle()
        # Once all kinds of clients were there, what the server makes when it is first wanted is made.
        self.load(max(2.0, self.options.seconds * 0.04))
        before = [self.resting(watch) for watch in self.watches]
        for watch in self.watches:
            watch.begin()
        self.window.clear()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.cut)
        self.load(self.options.seconds, self.options.windows)
        all_samples = [watch.samples for watch in self.watches]
        findings = told(self.crowd.faults) + judge(all_samples, self.options.windows, self.tell)
        for watch, held in zip(self.watches, before):
            findings += told(self.leaks(watch, held))
        return findings, all(len(samples) == self.options.windows for samples in all_samples)


def judge_file(path):
    with open(path, encoding="utf-8") as file:
        all_samples = json.load(file)
    wanted, faults = all_samples[0][-1]["of"], all_samples[0][-1]["faults"]
    findings = told(["%d wrong answers" % faults] if faults else [])
    return end(findings + judge(all_samples, wanted, print), len(all_samples[0]) == wanted)


def main():
    options = options_of()
    if options.judge:
        return judge_file(options.judge)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets what it starts in the background ignore the former
        signal.signal(number, signal.default_int_handler)
    settings = {**SETTINGS, **dict(item.split("=", 1) for item in options.set)}
    with tempfile.TemporaryDirectory(prefix="belfry-load-") as folder:
        os.chmod(folder, 0o755)
        def its_own():
            return {"listen.metrics": "127.0.0.1:%d" % free_port(), **settings}
        if options.federation:
            authority = Authority(folder, days=2)
            servers = [FederatedServer(authority, its_own()) for _ in range(2)]
        else:
            servers = [Server(settings=its_own())]
        try:
            for server in servers:
                server.start()
            soak = Soak(options, servers)
            result = end(*soak.run())
        finally:
            for server in servers:
                server.destroy(keep=options.keep)
                if options.keep:
                    print("kept: %s" % server.root)
    return result


sys.exit(main())
