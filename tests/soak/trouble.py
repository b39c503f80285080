"""What happens to servers and the network, as a seed says.  Each trouble lasts a while and is over by itself."""
import collections
import os
import random
import signal
import threading
import time


class Troubles:
    def __init__(self, world, seed, say, with_database=True):
        self.world, self.say = world, say
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.failures = []
        belfrys = [member for member in world.members if not member.is_synapse]
        self.kinds = [(self.partition, 4), (self.one_way, 3), (self.slow, 2), (self.drip, 2), (self.restart, 2), (self.kill, 3),
                      (self.freeze, 2)]
        if belfrys:
            self.kinds += [(self.kill_everything, 2)]
        if belfrys and with_database:
            self.kinds += [(self.kill_database, 2)]
        if world.with_clocks:
            self.kinds += [(self.skew, 3)]
        self.belfrys = belfrys

    def hour(self):
        """Some troubles at the same time, then a moment of peace; the clocks go on by hours."""
        chosen = self.random.choices(*zip(*self.kinds), k=self.random.choice((1, 1, 2, 3)))
        plans = [(make.__name__.replace("_", " "), *make()) for make in chosen]
        threads = []
        for name, text, begin, duration, end in plans:
            self.counts[name] += 1
            threads.append(threading.Thread(target=self._one, args=(begin, duration, end), daemon=True, name=text))
        self.say("trouble: " + "; ".join(text for _, text, *_ in plans))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.world.with_clocks:
            self.world.pass_time(self.random.randrange(3600, 5 * 3600))
        time.sleep(self.random.uniform(0, 3))

    def _one(self, begin, duration, end):
        try:
            begin()
            time.sleep(duration)
            end()
        except Exception as error:  # a server that does not come up is a finding, not the end of the run
            self.failures.append("%s: %r" % (threading.current_thread().name, error))

    # -- each: (what is printed, begin, seconds, end)

    def _wires(self, wires, mode, amount=0):
        def begin():
            for wire in wires:
                wire.set(mode, amount)

        def end():
            for wire in wires:
                wire.set("open")
        return begin, end

    def partition(self):
        """The servers fall into two groups which do not reach each other."""
        letters = [member.letter for member in self.world.members]
        self.random.shuffle(letters)
        group = set(letters[:self.random.randrange(1, len(letters))])
        wires = [wire for (one, other), wire in self.world.wires.items() if (one in group) != (other in group)]
        mode, duration = self.random.choice(("cut", "hole")), self.random.uniform(3, 14)
        begin, end = self._wires(wires, mode)
        return "%s apart (%s, %.0f s)" % ("".join(sorted(group)), mode, duration), begin, duration, end

    def _some_wire(self, mode, amount, duration, text):
        (one, other), wire = self.random.choice(list(self.world.wires.items()))
        begin, end = self._wires([wire], mode, amount)
        return "%s to %s %s (%.0f s)" % (one, other, text, duration), begin, duration, end

    def one_way(self):
        mode = self.random.choice(("cut", "hole"))
        return self._some_wire(mode, 0, self.random.uniform(3, 12), mode)

    def slow(self):
        late = self.random.uniform(0.1, 1.5)
        return self._some_wire("slow", late, self.random.uniform(4, 10), "%.1f s late" % late)

    def drip(self):
        rate = self.random.randrange(200, 3000)
        return self._some_wire("drip", rate, self.random.uniform(4, 10), "%d bytes/s" % rate)

    def _outage(self, member, how, duration):
        def begin():
            member.lock.acquire()
            member.stop(how)

        def end():
            member.start()
            member.lock.release()
        return "%s %s (%.0f s)" % (how.replace("_", " "), member.letter, duration), begin, duration, end

    def restart(self):
        return self._outage(self.random.choice(self.world.members), "terminate", self.random.uniform(0, 4))

    def kill(self):
        return self._outage(self.random.choice(self.world.members), "kill", self.random.uniform(0, 8))

    def kill_everything(self):
        return self._outage(self.random.choice(self.belfrys), "kill_everything", self.random.uniform(0, 8))

    def kill_database(self):
        member = self.random.choice(self.belfrys)

        def begin():
            with member.lock:
                member.server.kill_database()
        return "kill database of " + member.letter, begin, 1, lambda: None

    def freeze(self):
        member, duration = self.random.choice(self.world.members), self.random.uniform(1, 9)

        def begin():
            member.lock.acquire()
            member.server.process.send_signal(signal.SIGSTOP)

        def end():
            member.server.process.send_signal(signal.SIGCONT)
            member.lock.release()
        return "freeze %s (%.0f s)" % (member.letter, duration), begin, duration, end

    def skew(self):
        """A clock is wrong from now on, until it is set again."""
        member, skew_s = self.random.choice(self.world.members), self.random.randrange(-7200, 7200)
        return "clock of %s %+d s" % (member.letter, skew_s), lambda: self.world.set_clock(member, skew_s), 1, lambda: None
