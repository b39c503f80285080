"""What is measured between servers: a partner in Python that sends, and two servers of a kind."""
import queue
import statistics
import threading
import time

from rooms import PDUS_MAX, School
from support.client import path_of
from workload import MS, Workload


class SchoolWorkload(Workload):
    """One with a partner server, which the target's workloads share, and so its large rooms."""

    def prepare(self, authority):
        if self.target.school is None:
            self.target.school = School(authority).start()
        self.school = self.target.school
        self.fill()

    def fill(self):
        raise NotImplementedError

    def wait_for(self, user, room, event, pause):
        """Until the user may see the event."""
        end = time.monotonic() + 300
        while user.event(room.room_id, event.event_id).status != 200:
            assert time.monotonic() < end, "%s never showed %s" % (self.target.name, event.event_id)
            time.sleep(pause)

    def joined(self, members):
        """A room of so many members: (room, a local user who has come in, what that took, MiB that stay)."""
        if members not in self.target.rooms:
            self.say("a room of %d members" % members)
            room, user = self.school.room(members), self.server.user()
            self.say("joining it")
            memory = self.target.memory()
            took = self.measured(lambda: (self.school.join(self.server, room, user), self.target.rest()))
            self.target.rooms[members] = (room, user, took, self.target.memory() - memory)
        return self.target.rooms[members]


class Inbound(SchoolWorkload):
    """Messages of another server, until a local member may see the last one of each room."""

    count, where = 1, "one room"

    def fill(self):
        self.say("%d rooms" % self.count)
        self.rooms = [self.school.room(10) for _ in range(self.count)]
        self.user = self.server.user()
        for room in self.rooms:
            self.school.join(self.server, room, self.user)
        self.many = 0
        self.many = max(PDUS_MAX, int(self.flood(2 * PDUS_MAX)[0] * self.options.seconds) // PDUS_MAX * PDUS_MAX)

    def flood(self, many):
        """Rate, and processor milliseconds of server and database for an event."""
        events = [self.rooms[number % self.count].message("message %d" % number) for number in range(many)]
        last = {event["room_id"]: event for event in events}

        def action():
            self.school.deliver(self.server, events)
            for room in self.rooms:
                if room.room_id in last:
                    self.wait_for(self.user, room, last[room.room_id], 0.05)
        took, server, database = self.measured(action)
        return many / took, server / many * MS, database / many * MS

    def run(self):
        rate, server, database = self.flood(self.many)
        return {"inbound, %s: events/s" % self.where: rate,
                "inbound, %s: processor of the server, ms an event" % self.where: server,
                "inbound, %s: processor of its database, ms an event" % self.where: database}


class InboundMany(Inbound):
    where = "spread over many"

    def fill(self):
        self.count, self.where = self.options.spread, "spread over %d" % self.options.spread
        super().fill()


class Delivery(Workload):
    """From a client's send until a client at another server of the same kind has it from /sync."""

    def prepare(self, authority):
        self.say("two servers")
        self.sender, self.reader = self.server.user(), self.target.other.user()
        self.room_id = self.sender.create_room(preset="public_chat")
        self.reader.post(path_of("join", self.room_id), {}, query={"server_name": self.server.server_name}).ok()
        self.arrived, self.is_over = queue.Queue(), False
        self.since = self.reader.sync().since
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()
        self.times(10)

    def follow(self):
        while not self.is_over:
            answer = self.reader.sync(self.since, timeout=2000)
            now = time.monotonic()
            self.since = answer.since
            for event in answer.joined(self.room_id).timeline if self.room_id in answer.rooms("join") else ():
                self.arrived.put((event["event_id"], now))

    def times(self, count):
        found = []
        for number in range(count):
            begun = time.monotonic()
            event_id = self.sender.send(self.room_id, "message %d" % number)
            while True:
                arrived, at = self.arrived.get(timeout=60)
                if arrived == event_id:
                    break
            found.append((at - begun) * MS)
        return sorted(found)

    def run(self):
        self.target.rest()
        times = self.times(self.options.crossing)
        return {"delivery to another server: p50, ms": statistics.median(times),
                "delivery to another server: p99, ms": times[int(len(times) * 0.99)]}

    def close(self):
        self.is_over = True
        self.thread.join()


class Large(SchoolWorkload):
    """Coming into a large room, and two forks of it with different topics that a message joins again."""

    def fill(self):
        self.members = self.options.large
        self.room, self.user, self.coming, self.memory = self.joined(self.members)

    def deliver(self, events):
        self.school.deliver(self.server, events)
        self.wait_for(self.user, self.room, events[-1], 0.01)

    def run(self):
        many = "%d members" % self.members
        head = list(self.room.heads)
        forks = [self.room.send("m.room.topic", {"topic": "%s %f" % (name, time.time())}, "", prev=head) for name in "ab"]
        merge = self.room.message("after both")
        took, server, database = self.measured(lambda: self.deliver([*forks, merge]))
        plain = [self.room.message("plain %d" % number) for number in range(3)]
        plain_took = self.measured(lambda: self.deliver(plain))[0]
        return {"join a room of %s: processor, s" % many: self.coming[1] + self.coming[2],
                "join a room of %s: memory that stays, MiB" % many: self.memory,
                "two forks joined, %s: ms" % many: took * MS,
                "two forks joined, %s: processor, ms" % many: (server + database) * MS,
                "the same without a fork: ms": plain_took * MS}


class Growth(SchoolWorkload):
    """Bytes of the database for each further state event (topics), by the room's size."""

    def fill(self):
        for size in self.options.sizes:
            self.joined(size)

    def run(self):
        rows = {}
        for size in self.options.sizes:
            room, user, _, _ = self.joined(size)
            events = [room.send("m.room.topic", {"topic": "number %d" % number}, "")
                      for number in range(self.options.growing)]
            before = self.target.database_bytes()
            self.school.deliver(self.server, events)
            self.wait_for(user, room, events[-1], 0.05)
            self.target.rest()
            rows["growth for a state event, %d members: bytes" % size] = (
                self.target.database_bytes() - before) / len(events)
        return rows


WORKLOADS = {"inbound": Inbound, "inbound_many": InboundMany, "delivery": Delivery, "large": Large, "growth": Growth}
