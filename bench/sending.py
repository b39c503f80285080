"""Messages: sent, delivered to who waits, and what the room's size does to both."""
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

    def limits(self):
        """Rows that pgbench inserts one by one; a sender alone waits for a flush."""
        rows = {"send, 1 in own rooms: p50, ms": self.server.measure()["flush_us"] / MS}
        for where, senders in self.ways:
            rows["send, %d in %s: messages/s" % (senders, where)] = self.server.inserts(senders, self.options.seconds)
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

    def limits(self):
        """A request and its answer, nothing else."""
        return {"message to %d waiting: server time of a delivery, µs" % self.members: self.server.bare(self.options.seconds)[1]}

    def close(self):
        super().close()
        if not self.target.is_machine:
            self.wake.close()


class DeliverMany(Deliver):
    def prepare(self, authority):
        self.members = self.options.waiting
        super().prepare(authority)


class Grow(ClientWorkload):
    """One room that grows: what its size does to a message, a join, a sync, and to the database."""

    def fill(self):
        self.stages = []  # (members, room, its first user, who may still come)
        for members in self.options.members:
            if members > self.target.members_max:
                break
            self.say("a room of %d members" % members)
            users = self.users(members)
            room_id = self.room(users[0])
            self.join(users[1:], room_id, 16)
            self.stages.append((members, room_id, users[0]))

    def rows(self):
        rows = {}
        many = self.options.growing
        for members, room_id, user in self.stages:
            what, found = "room of %d: " % members, {}
            line = message(user, room_id)
            before = self.target.database_bytes()
            _, server, database = self.measured(lambda f=found, l=line: f.update(self.load.once([l] * many, 1)[0]))
            rows[what + "database of a message, bytes"] = (self.target.database_bytes() - before) / many
            rows[what + "send, p50, ms"] = found["time_p50"]
            rows[what + "processor of a message, ms"] = (server + database) / many * MS
            rows[what + "sync of a new message, p50, ms"] = self.sync_of_new(user, room_id)
            comers = self.fresh(self.options.comers)
            rows[what + "join, p50, ms"] = self.join(comers, room_id, 1)["time_p50"]
            before = self.target.database_bytes()
            self.load.once([ask("PUT", "/rooms/%s/state/m.room.topic" % room_id, user["access_token"],
                                {"topic": "number {n}"})] * many, 1)
            self.target.rest()
            rows[what + "database of a state event, bytes"] = (self.target.database_bytes() - before) / many
            first, _ = self.load.once([sync(comers[0]["access_token"])], 1)
            rows[what + "lazy first sync, bytes"] = first["bytes"]
        return rows

    def sync_of_new(self, user, room_id):
        """Median of syncs that each find one new message."""
        since = self.load.once([sync(user["access_token"])], 1)[1][0]["next_batch"]
        times = []
        for _ in range(self.options.comers):
            self.load.once([message(user, room_id)], 1)
            line = sync(user["access_token"]).replace("{since}", "&since=" + since)
            found, answers = self.load.once([line], 1)
            times.append(found["time_p50"])
            since = answers[0]["next_batch"]
        return sorted(times)[len(times) // 2]
