"""Messages: sent, delivered to who waits, and what the room's size does to both."""
import statistics
import time

from load import ask, sync
from workload import MS, ClientWorkload, message

WAIT_MS = 120000


class Send(ClientWorkload):
    """Senders that each send again when they have their answer, in rooms of their own or in one."""

    ways = (("own rooms", 1), ("own rooms", 16), ("own rooms", 64), ("one room", 16), ("one room", 64))

    def fill(self):
        senders = self.users(64)
        own = self.rooms(senders)
        one = self.room(senders[0])
        self.join(senders[1:], one)
        self.lines = {"own rooms": [message(user, room) for user, room in zip(senders, own)],
                      "one room": [message(user, one) for user in senders]}

    def rows(self):
        rows = {}
        for where, senders in self.ways:
            what, found = "send, %d in %s" % (senders, where), {}
            _, server, database = self.measured(lambda w=where, n=senders, f=found: f.update(
                self.load.loop(self.lines[w][:n], n, self.options.seconds)))
            rows.update({what + ": messages/s": found["rate"], what + ": p50, ms": found["time_p50"],
                         what + ": p99, ms": found["time_p99"],
                         what + ": processor for 1,000, s": (server + database) / found["count"] * 1000,
                         what + ": of which the database, s": database / found["count"] * 1000,
                         what + ": the load generator itself, s": found["own_cpu"] / found["count"] * 1000})
        return rows

    def limits(self, own):
        """Rows that pgbench inserts one by one; a sender alone waits for a flush. Processor: such a row, a signature, a bare answer."""
        rows = {}
        for where, senders in self.ways:
            rate, processor = self.server.write(senders, self.options.seconds)
            what = "send, %d in %s" % (senders, where)
            rows.update({what + ": messages/s": rate, what + ": processor for 1,000, s": processor,
                         what + ": p50, ms": senders / rate * MS if rate and senders > 1 else self.server.measure()["flush_us"] / MS})
        return rows


class Deliver(ClientWorkload):
    """A message until the last waiting member of its room has it."""

    members = 50

    def fill(self):
        members = self.users(self.members + 1)
        self.say("a room of %d waiting members" % self.members)
        room_id = self.room(members[0])
        self.join(members[1:], room_id)
        self.wake = self.load.wake(message(members[0], room_id),
                                   [sync(user["access_token"], WAIT_MS) for user in members[1:]])
        self.sends = max(2, min(50, self.options.deliveries // self.members))

    def rows(self):
        self.wake.send(0)  # so that all wait
        found = {}
        _, server, database = self.measured(lambda: found.update(self.wake.send(self.sends)))
        what, each = "message to %d waiting" % self.members, self.sends * self.members
        return {what + ": last one after the sender's answer, p50, ms": found["after_p50"],
                what + ": last one after the sending, p50, ms": found["all_p50"],
                what + ": server time of a delivery, µs": server / each * MS * MS,
                what + ": database time of a delivery, µs": database / each * MS * MS}

    def limits(self, own):
        """A request and its answer, nothing else: of one, and of all by two processors, behind a flush when seen from the sending."""
        each = self.server.bare(self.options.seconds)[1]
        what, all_ms = "message to %d waiting" % self.members, each * self.members / 2 / MS
        return {what + ": server time of a delivery, µs": each, what + ": last one after the sender's answer, p50, ms": all_ms,
                what + ": last one after the sending, p50, ms": all_ms + self.server.measure()["flush_us"] / MS}

    def close(self):
        super().close()
        if not self.target.is_machine:
            self.wake.close()


class DeliverMany(Deliver):
    def prepare(self, authority):
        self.members = self.options.waiting
        super().prepare(authority)


class Stage:
    """A room of so many members, one of whom only sends; and who comes and goes."""

    def __init__(self, members, room_id, user, comers):
        self.members, self.room_id, self.user, self.comers = members, room_id, user, comers
        self.what, self.since = "room of %d: " % members, None

    def membership(self, user, deed):
        return ask("POST", "/rooms/%s/%s" % (self.room_id, deed), user["access_token"], {})


class Grow(ClientWorkload):
    """What a room's size does to a message, a join, a sync, and to the database.

    Times are measured in many short slices, each of all rooms in turn, so that what else the machine does meets all of them: a row has
    a value of each slice, and rooms are compared slice by slice (aims.py).
    """

    def fill(self):
        self.stages = []
        for members in self.options.members:
            if members > self.target.members_max:
                break
            self.say("a room of %d members" % members)
            maker, *comers = self.fresh(1 + self.options.comers)
            room_id = self.room(maker)
            self.join(self.users(members - 1), room_id, 16)
            self.stages.append(Stage(members, room_id, maker, comers))

    def rows(self):
        found = {stage: self.sizes(stage) for stage in self.stages}
        # The largest room is next to the smallest one, before it and behind it in turn.
        order, end = [self.stages[-1], *self.stages[:-1]], self.target.now() + self.options.slicing
        while True:
            for stage in order:
                for name, value in self.slice(stage).items():
                    found[stage].setdefault(name, []).append(value)
            order.reverse()
            if self.target.now() > end:
                return {stage.what + name: values for stage in self.stages for name, values in found[stage].items()}

    def limits(self, own):
        """As a message, a read and a write of a room of any size."""
        found = self.server.measure()
        processor, sync_ms = self.server.write(1, self.options.seconds)[1], self.server.bare(self.options.seconds / 4, 1, 1000)[2]
        return {"room of %d: %s" % (members, name): value for members in self.options.members for name, value in (
            ("send, p50, ms", found["flush_us"] / MS), ("processor of a message, ms", processor), ("sync of a new message, p50, ms", sync_ms),
            ("join, p50, ms", (found["flush_us"] + found["signature_us"]) / MS))}

    def sizes(self, stage):
        """Bytes: of the database, and of an answer."""
        rows, many = {}, self.options.growing
        for name, line in (("message", message(stage.user, stage.room_id)),
                           ("state event", ask("PUT", "/rooms/%s/state/m.room.topic" % stage.room_id, stage.user["access_token"],
                                               {"topic": "number {n}"}))):
            self.target.rest()
            before, rows_before = self.target.database_bytes(), self.target.row_bytes()
            self.load.once([line] * many, 1)
            self.target.rest()
            rows["database of a %s, bytes" % name] = (self.target.database_bytes() - before) / many
            if rows_before is not None:
                rows["rows of a %s, bytes" % name] = (self.target.row_bytes() - rows_before) / many
        first = stage.comers[0]
        self.join([first], stage.room_id)
        rows["lazy first sync, bytes"] = self.load.once([sync(first["access_token"])], 1)[0]["bytes"]
        self.load.once([stage.membership(user, deed) for user in stage.comers for deed in ("join", "leave")], 1)
        stage.since = self.load.once([sync(stage.user["access_token"])], 1)[1][0]["next_batch"]
        return rows

    def slice(self, stage):
        """Of one room. What the server puts off it does within the pause."""
        line, processor = message(stage.user, stage.room_id), self.target.processor()
        found = self.load.loop([line], 1, self.options.seconds / 25)
        time.sleep(self.target.pause / 5)
        rows = {"send, p50, ms": found["time_p50"],
                "processor of a message, ms": (self.target.processor() - processor) / found["count"] * MS}
        times = []
        for _ in stage.comers:
            figures, answers = self.load.once([line, sync(stage.user["access_token"]).replace("{since}", "&since=" + stage.since)], 1)
            stage.since = answers[1]["next_batch"]
            times.append(figures["times"][1])
        rows["sync of a new message, p50, ms"] = statistics.median(times)
        moves = [stage.membership(user, deed) for user in stage.comers for deed in ("join", "leave")]
        rows["join, p50, ms"] = statistics.median(self.load.once(moves, 1)[0]["times"][::2])
        return rows
