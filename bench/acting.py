"""What clients do besides: rooms, keys, messages to devices; and what the server needs to stand by."""
import time

from load import ask, sync
from support.keys import Device
from workload import ClientWorkload, message


class Rooms(ClientWorkload):
    """Rooms made; one joined by many; many invited to one."""

    def fill(self):
        self.people = self.users(self.options.people)

    def rows(self):
        maker, rest = self.people[0], self.people[1:]
        public, private = self.room(maker), self.room(maker, preset="private_chat")
        rows = {}
        create = ask("POST", "/createRoom", maker["access_token"], {"preset": "private_chat"})
        invites = [ask("POST", "/rooms/%s/invite" % private, maker["access_token"], {"user_id": user["user_id"]}) for user in rest]
        joins = [ask("POST", "/rooms/%s/join" % public, user["access_token"], {}) for user in rest]
        for connections in (1, 8):
            rows["create a room, %d at a time: rooms/s" % connections] = self.load.loop(
                [create], connections, self.options.seconds)["rate"]
        for name, lines in (("join", joins), ("invite", invites)):
            found = {}
            _, server, database = self.measured(lambda f=found, l=lines: f.update(self.load.once(l, 8)[0]))
            rows["%s, 8 at a time: requests/s" % name] = found["rate"]
            rows["%s: processor, ms" % name] = (server + database) / len(lines) * 1000
        return rows

    def limits(self, own):
        """One row that is flushed and signed, as though a room were one event."""
        rate, processor = self.server.write(8, self.options.seconds)
        return {"create a room, 1 at a time: rooms/s": self.server.write(1, self.options.seconds)[0], "create a room, 8 at a time: rooms/s": rate,
                "join, 8 at a time: requests/s": rate, "invite, 8 at a time: requests/s": rate, "join: processor, ms": processor,
                "invite: processor, ms": processor}


class Owner:
    """Of a device, as support.keys knows it."""

    def __init__(self, user):
        self.user_id, self.device_id = user["user_id"], user["device_id"]


class Keys(ClientWorkload):
    """One-time keys given and claimed, messages to devices."""

    batch = 50

    def fill(self):
        self.people = self.fresh(8)
        self.devices = [Device(Owner(user)) for user in self.people]
        self.load.once([ask("POST", "/keys/upload", user["access_token"], {"device_keys": device.identity()})
                        for user, device in zip(self.people, self.devices)], 1)
        # Signatures do not cover a key's name, so that the same keys go up again under other names, which count upwards as clients' do.
        self.uploads = [ask("POST", "/keys/upload", user["access_token"], {"one_time_keys": {
            name.replace(":", ":{n}-"): value for name, value in device.one_time(self.batch).items()}})
            for user, device in zip(self.people, self.devices)]

    def rows(self):
        rows, claims = {}, self.options.claims
        rounds = -(-claims // (self.batch * len(self.uploads)))
        found, answers = {}, []
        _, server, database = self.measured(lambda: found.update(self.load.once(self.uploads * rounds, 1)[0]))
        rows["upload of 50 one-time keys: p50, ms"] = found["time_p50"]
        rows["upload of 50 one-time keys: processor, ms"] = (server + database) / len(self.uploads * rounds) * 1000
        lines = [self.claim(number) for number in range(claims)]

        def action():
            figures, bodies = self.load.once(lines, 8)
            found.update(figures)
            answers.extend(bodies)
        _, server, database = self.measured(action)
        rows["claim of a key, 8 at a time: claims/s"] = found["rate"]
        rows["claim of a key: processor, ms"] = (server + database) / claims * 1000
        rows["claims without a key while some are left: of 1,000"] = 1000 * sum(
            1 for answer in answers if not any(device for user in answer["one_time_keys"].values() for device in user.values())) / claims
        line = ask("PUT", "/sendToDevice/m.room.encrypted/d{n}", self.people[0]["access_token"],
                   {"messages": {self.people[1]["user_id"]: {self.people[1]["device_id"]: {"ciphertext": "x" * 750}}}})
        _, server, database = self.measured(lambda: found.update(self.load.loop([line], 8, self.options.seconds)))
        rows["message of 800 bytes to a device, 8 at a time: messages/s"] = found["rate"]
        rows["message of 800 bytes to a device: processor, ms"] = (server + database) / found["count"] * 1000
        query = ask("POST", "/keys/query", self.people[0]["access_token"], {"device_keys": {user["user_id"]: [] for user in self.people}})
        found = self.load.loop([query], 8, self.options.seconds)
        rows["query of 8 users' keys, 8 at a time: requests/s"] = found["rate"]
        rows["query of 8 users' keys: bytes"] = found["bytes"] / found["count"]
        return rows

    def claim(self, number):
        user = self.people[number % len(self.people)]
        return ask("POST", "/keys/claim", self.people[(number + 1) % len(self.people)]["access_token"],
                   {"one_time_keys": {user["user_id"]: {user["device_id"]: "signed_curve25519"}}})

    def limits(self, own):
        """A row that is flushed; the signature of an upload that is checked; a bare answer of as many bytes as a query's."""
        rate, processor = self.server.write(8, self.options.seconds, signatures=0)
        found, query_bytes = self.server.measure(), own("query of 8 users' keys: bytes")
        rows = {"upload of 50 one-time keys: p50, ms": (found["signature_us"] + found["flush_us"]) / 1000,
                "upload of 50 one-time keys: processor, ms": self.server.write(1, self.options.seconds)[1],
                "message of 800 bytes to a device, 8 at a time: messages/s": rate, "claim of a key, 8 at a time: claims/s": rate,
                "message of 800 bytes to a device: processor, ms": processor, "claim of a key: processor, ms": processor}
        if query_bytes:
            rows["query of 8 users' keys, 8 at a time: requests/s"] = self.server.bare(self.options.seconds, 8, query_bytes)[0]
        return rows


class Memory(ClientWorkload):
    """Of the server's processes: at rest, with many syncs that wait, of few users and of many (where so many come in together in time).

    Resident is what `ps` shows, libraries that other processes use too included; proportional counts of those a share; anonymous is
    what is the process's own.
    """

    kinds = (("resident", "Rss:"), ("proportional", "Pss:"), ("anonymous", "Anonymous:"))

    def fill(self):
        self.waiting = self.options.parked
        self.target.start_again()
        self.target.rest()
        self.fresh_server = {name: self.target.memory(kind) for name, kind in self.kinds}
        self.tokens = {}
        for count in self.options.parked_users if self.waiting <= self.target.members_max else ():
            users = min(count, self.waiting)
            if users not in self.tokens:
                self.say("%d sessions of %d users" % (self.waiting, users))
                self.tokens[users] = self.sessions(users)

    def sessions(self, count):
        """As many as will wait, of so many users, who are in rooms of 50."""
        users = self.fresh(count)
        rooms = self.rooms(users[::50])
        self.load.once([ask("POST", "/rooms/%s/join" % rooms[at // 50], user["access_token"], {})
                        for at, user in enumerate(users) if at % 50], 16)
        lines = [ask("POST", "/login", body={"type": "m.login.password", "password": "password-of-bench",
                                             "identifier": {"type": "m.id.user", "user": users[at % count]["user_id"]}})
                 for at in range(count, self.waiting)]
        more = self.load.once(lines, 4)[1] if lines else []
        return [user["access_token"] for user in users + more]

    def settle(self):
        """Until it has given back what it does not use; Belfry looks each 10 seconds."""
        self.target.rest()
        time.sleep(self.options.settling)

    def rows(self):
        rows = {"memory of the fresh server, %s, MiB" % name: value for name, value in self.fresh_server.items()}
        for users, tokens in self.tokens.items():
            self.target.start_again()
            self.target.rest()
            before = self.target.memory("Anonymous:")
            wake = self.load.wake(sync(tokens[0]), [sync(token, 300000) for token in tokens])
            what = "memory, %d waiting syncs of %d users" % (self.waiting, users)
            try:
                self.settle()
                rows.update({"%s, %s, MiB" % (what, name): self.target.memory(kind) for name, kind in self.kinds})
                rows[what + ": anonymous of each, KiB"] = (self.target.memory("Anonymous:") - before) * 1024 / self.waiting
            finally:
                wake.close()
        return rows


class Start(ClientWorkload):
    """Started again on all that this run left, and more where it may be made up."""

    def fill(self):
        user = self.users(1)[0]
        self.load.once([message(user, self.room(user))], 1)
        self.target.pad(self.options.events)

    def rows(self):
        return {"start with the events of this run: s": self.target.start_again()}
