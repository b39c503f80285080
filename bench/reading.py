"""What clients read: nothing new, everything at once, old pages, large lists."""
from load import SYNC_FILTER, ask, sliding_sync, sync
from workload import ClientWorkload, message


class Idle(ClientWorkload):
    """/sync with nothing new, and whoami, beside a bare answer of libmicrohttpd."""

    ways = (1, 16)

    def fill(self):
        user = self.fresh(1)[0]
        self.rooms([user] * 10)
        since = self.load.once([sync(user["access_token"])], 1)[1][0]["next_batch"]
        stored = self.load.once([ask("POST", "/user/%s/filter" % user["user_id"], user["access_token"], SYNC_FILTER)], 1)[1][0]["filter_id"]
        self.lines = {"idle sync": ask("GET", "/sync?set_presence=offline&timeout=0&filter=%s&since=%s" % (stored, since), user["access_token"]),
                      "whoami": ask("GET", "/account/whoami", user["access_token"])}
        self.load.loop([self.lines["idle sync"]], 1, 0.2)

    def rows(self):
        rows = {}
        for name, line in self.lines.items():
            for connections in self.ways:
                found = {}
                _, server, _ = self.measured(lambda f=found, l=line, n=connections: f.update(
                    self.load.loop([l], n, self.options.seconds)))
                rows["%s, %d at a time: requests/s" % (name, connections)] = found["rate"]
                if connections > 1:
                    rows["%s: server time, µs" % name] = server / found["count"] * 1e6
        return rows

    def limits(self, own):
        rows = {}
        for connections in self.ways:
            rate, each, _ = self.server.bare(self.options.seconds, connections)
            for name in ("idle sync", "whoami"):
                rows["%s, %d at a time: requests/s" % (name, connections)] = rate
                rows["%s: server time, µs" % name] = each
        return rows


class Initial(ClientWorkload):
    """The first sync of a user in many rooms with messages."""

    @property
    def window(self):
        """Rooms in view at once."""
        return min(20, self.options.rooms)

    @property
    def sliding_name(self):
        return "first sliding sync, %d rooms" % self.window

    def fill(self):
        self.user = self.fresh(1)[0]
        self.say("%d rooms of %d messages" % (self.options.rooms, self.options.messages))
        rooms = self.rooms([self.user] * self.options.rooms)
        self.load.once([message(self.user, room_id) for _ in range(self.options.messages) for room_id in rooms], 16)

    def rows(self):
        self.target.rest()
        before = self.target.memory()
        rows, what = {}, "first sync of %d rooms" % self.options.rooms
        for name, wanted in (("", {"room": {"timeline": {"limit": 20}}}),
                             (", lazy", {"room": {"timeline": {"limit": 20}, "state": {"lazy_load_members": True}}})):
            found = self.load.once([sync(self.user["access_token"], wanted=wanted)] * 3, 1)[0]
            rows.update({what + name + ": whole, ms": found["time_p50"], what + name + ": first byte, ms": found["first_p50"],
                         what + name + ": bytes": found["bytes"] / 3})
        rows[what + ": memory more, MiB"] = max(0, self.target.memory() - before)
        rows.update(self.sliding())
        return rows

    def sliding(self):
        """The newest rooms of the same user by sliding sync, and nothing new of them."""
        first = sliding_sync(self.user["access_token"], self.window)
        found, answers = self.load.once([first] * 3, 1)
        if len(answers[0]["rooms"]) != self.window:
            raise RuntimeError("%d rooms in place of %d" % (len(answers[0]["rooms"]), self.window))
        # The token of an answer that tells nothing more: then no server has anything to write down.
        again = self.load.once([sliding_sync(self.user["access_token"], self.window, answers[-1]["pos"])], 1)[1][0]
        idle = self.load.loop([sliding_sync(self.user["access_token"], self.window, again["pos"])], 1, self.options.seconds / 2)
        return {self.sliding_name + ": whole, ms": found["time_p50"], self.sliding_name + ": bytes": found["bytes"] / 3,
                "sliding sync of %d rooms, nothing new: p50, ms" % self.window: idle["time_p50"]}

    def limits(self, own):
        """A bare answer of as many bytes; and its head alone."""
        rows, first_ms = {}, self.server.bare(self.options.seconds / 4, 1)[2]
        for what in ("first sync of %d rooms" % self.options.rooms, "first sync of %d rooms, lazy" % self.options.rooms):
            if own(what + ": bytes"):
                rows.update({what + ": whole, ms": self.server.bare(self.options.seconds / 4, 1, own(what + ": bytes"))[2],
                             what + ": first byte, ms": first_ms})
        if own(self.sliding_name + ": bytes"):
            rows[self.sliding_name + ": whole, ms"] = self.server.bare(self.options.seconds / 4, 1, own(self.sliding_name + ": bytes"))[2]
        return rows


class Pages(ClientWorkload):
    """Old messages of one long room, from its end and from far back."""

    names = ("page of 50 backwards, newest", "page of 50 backwards, from the room's beginning", "context of the newest event",
             "context of an event at the room's beginning")

    def fill(self):
        self.user, self.room_id = self.fresh(1)[0], None
        self.room_id = self.room(self.user)
        sent = self.load.once([message(self.user, self.room_id)] * 80, 1)[1]
        self.event_id = sent[20]["event_id"]
        page = self.load.once([self.page("")], 1)[1][0]
        self.deep = "&from=" + page["end"]
        # As deep as the time allows.
        depth, begun = 80, self.target.now()
        while depth < self.options.depth and self.target.now() - begun < self.options.filling:
            depth += self.load.once([message(self.user, self.room_id)] * min(2000, self.options.depth // 20), 16)[0]["count"]
        self.say("%d events" % depth)
        self.newest = self.load.once([message(self.user, self.room_id)], 1)[1][0]["event_id"]
        self.target.notes.append("The long room has %d events." % depth)

    def page(self, start):
        return ask("GET", "/rooms/%s/messages?dir=b&limit=50%s" % (self.room_id, start), self.user["access_token"])

    def context(self, event_id):
        return ask("GET", "/rooms/%s/context/%s?limit=20" % (self.room_id, event_id), self.user["access_token"])

    def rows(self):
        return self.read(dict(zip(self.names, (self.page(""), self.page(self.deep), self.context(self.newest), self.context(self.event_id)))))

    def limits(self, own):
        return self.read_limits(own, self.names)


class Lists(ClientWorkload):
    """Members and state of a large room, most of which are a partner server's."""

    names = ("members", "joined_members", "state")

    def prepare(self, authority):
        self.authority = authority
        super().prepare(authority)

    def fill(self):
        from between import School
        if self.target.school is None:
            self.target.school = School(self.authority).start()
        room = self.target.school.room(self.options.listed)
        user = self.fresh(1)[0]
        line = ask("POST", "/join/%s?server_name=%s" % (room.room_id, self.target.school.name), user["access_token"], {})
        self.load.once([line], 1)
        self.target.rest()
        self.lines = {"%s of a room of %d" % (name, self.options.listed): ask("GET", "/rooms/%s/%s" % (room.room_id, name), user["access_token"])
                      for name in self.names}

    def rows(self):
        return self.read(self.lines)

    def limits(self, own):
        return self.read_limits(own, ["%s of a room of %d" % (name, self.options.listed) for name in self.names])
