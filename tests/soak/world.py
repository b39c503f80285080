"""The servers of a soak run, the network between them, and their clocks."""
import os
import struct
import subprocess
import threading
import time

from support.client import Http, seconds
from support.server import FederatedServer, wait_until
from support.synapse import Synapse
from support.wires import Wires

HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = {"federation.retry_first": "200ms", "federation.retry_longest": "2s", "federation.transaction_timeout": "5s", "log.level": "debug"}
"""A partner that was away is asked again soon; the log says what became of each event (inquest.py)."""


class Member:
    """One server: `letter` names it in what is printed, `server` runs it."""

    def __init__(self, letter, server, front):
        self.letter, self.server, self.front = letter, server, front
        self.is_synapse = isinstance(server, Synapse)
        self.lock = threading.Lock()  # who stops it, starts it again
        self.is_meant_to_run = True
        self.users = []
        self.skew_s = 0
        self.furthest_s = 0  # how far its clock has ever been ahead of the machine's

    @property
    def name(self):
        return self.server.server_name

    @property
    def kind(self):
        return "synapse" if self.is_synapse else "belfry"

    def start(self):
        self.server.start()
        self.is_meant_to_run = True

    def stop(self, how):
        """how: "terminate", "kill" or "kill_everything"."""
        self.is_meant_to_run = False
        getattr(self.server, how)()

    def has_died(self):
        """Whether it ended by itself."""
        return self.is_meant_to_run and self.server.process.poll() is not None

    def answers(self):
        try:
            return Http(self.server.url).raw("GET", "/_matrix/client/versions", timeout=seconds(5)).status == 200
        except OSError:
            return False

    def memory_mb(self):
        with open("/proc/%d/status" % self.server.process.pid, encoding="utf-8") as file:
            return next(int(line.split()[1]) // 1024 for line in file if line.startswith("VmRSS"))


class World:
    """`members`: Belfrys, then one Synapse.  `wires`: {(from, to): wire}, by letters; the hostile peer's come last."""

    def __init__(self, authority, folder, belfrys=2, with_synapse=True, with_clocks=True):
        self.authority, self.folder = authority, folder
        self.network = Wires().__enter__()
        self.with_clocks = with_clocks
        self.base_s = 0  # how far the day has gone by jumps
        letters = "abcdefgh"[:belfrys]
        fronts = {letter: self.network.add() for letter in letters + ("s" if with_synapse else "")}
        names = {letter: "127.0.0.1:%d" % wire.port for letter, wire in fronts.items()}
        self.wires = {}
        self.members = []
        for letter in letters:
            detours = []
            for other in fronts:
                if other != letter:
                    wire = self.wires[letter, other] = self.network.add()
                    detours.append("%s=127.0.0.1:%d" % (names[other], wire.port))
            server = FederatedServer(authority, server_name=names[letter],
                                     settings={**SETTINGS, "network.connect_to": ",".join(detours)})
            self.members.append(Member(letter, server, fronts[letter]))
        if with_synapse:
            self.members.append(Member("s", Synapse(authority, server_name=names["s"]), fronts["s"]))
        for member in self.members:
            member.front.target = member.server.federation_port
            if with_synapse and not member.is_synapse:
                self.wires["s", member.letter] = member.front
            for (_, to), wire in self.wires.items():
                if to == member.letter:
                    wire.target = member.server.federation_port
            if self.with_clocks:
                self._give_clock(member)

    def _give_clock(self, member):
        """A wall clock of its own (clock.c); its database keeps the machine's."""
        library, path = os.path.join(self.folder, "clock.so"), os.path.join(self.folder, "clock-" + member.letter)
        if not os.path.exists(library):
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "clock.c")], check=True)
        member.clock = open(path, "w+b", buffering=0)
        self.set_clock(member, 0)
        member.server.environment = {"LD_PRELOAD": library, "SOAK_CLOCK": path}

    def set_clock(self, member, skew_s):
        """The wall clock of a server, also while it runs; what measures durations goes on as it was."""
        member.skew_s = skew_s
        member.furthest_s = max(member.furthest_s, self.base_s + skew_s)
        os.pwrite(member.clock.fileno(), struct.pack("=q", self.base_s + skew_s), 0)

    def pass_time(self, jump_s):
        """It is later, for all."""
        self.base_s += jump_s
        for member in self.members:
            self.set_clock(member, member.skew_s)

    def now_ms(self):
        """The time of day without any server's skew."""
        return int((time.time() + self.base_s) * 1000)

    def start(self):
        for member in self.members:
            member.server.launch()
        for member in self.members:
            member.server.wait_ready()

    def heal(self):
        """Everything works: no wire is cut, every server runs, clocks agree.

        The day goes on until no Synapse's clock has to be set back.  Twisted's timers go by the wall clock, sleep(0) too: set back
        while it runs, what waits for one waits for those hours (its keyring, and with that all events and transactions).
        """
        self.network.heal()
        if self.with_clocks:
            self.base_s = max([self.base_s] + [member.furthest_s for member in self.members if member.is_synapse])
        for member in self.members:
            with member.lock:
                if not member.is_meant_to_run:
                    member.start()
                if self.with_clocks:
                    self.set_clock(member, 0)
                wait_until(lambda member=member: member.has_died() or member.answers(), 90, "server %s answers" % member.letter,
                           pause=0.1)

    def destroy(self, keep=False):
        if keep:
            os.environ["BELFRY_TEST_KEEP"] = "1"
        for member in self.members:
            member.server.destroy()
            if self.with_clocks:
                member.clock.close()
        self.network.__exit__()
