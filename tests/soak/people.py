"""Who lives on the servers: talkers, who say things and change rooms all the time, and visitors, who come, go and are thrown
out."""
import collections
import json
import random
import threading
import time

from support.client import Client, path_of, seconds

ENCOUNTERED = (OSError, ValueError)
"""What a request to a server ends with that is killed meanwhile."""


class Room:
    """A room that all servers share.  `said`: {event id: body}, what was acknowledged."""

    def __init__(self, room_id, version, host):
        self.room_id, self.version, self.host = room_id, version, host
        self.lock = threading.Lock()
        self.said = {}
        self.order = collections.defaultdict(list)  # user id -> event ids, in the order in which they were acknowledged

    def acknowledged(self, user_id, event_id, body):
        with self.lock:
            self.said[event_id] = body
            self.order[user_id].append(event_id)

    def any_said(self, random_):
        with self.lock:
            return random_.choice(list(self.said)) if self.said else None


class Talker(threading.Thread):
    """Does one thing after the other on one server, as its random numbers say, until told to stop."""

    def __init__(self, member, user, rooms, visitors, seed, pause_s):
        super().__init__(daemon=True, name="talker %s" % user.user_id)
        self.member, self.user = member, Client(member.server.url, user.token, user.user_id)
        self.user.http.check_schema = False
        self.rooms, self.visitors = rooms, visitors
        self.random = random.Random(seed)
        self.pause_s = pause_s
        self.stopping = threading.Event()
        self.counts = collections.Counter()
        self.surprises = []
        self.number = 0

    DEEDS = (("say", 60), ("name", 10), ("custom", 12), ("levels", 4), ("redact", 3), ("visit", 8), ("punish", 7), ("read_back", 3),
             ("receipt", 4), ("typing", 4))

    def run(self):
        names, weights = zip(*self.DEEDS)
        while not self.stopping.is_set():
            room = self.random.choice(self.rooms)
            deed = self.random.choices(names, weights)[0]
            try:
                getattr(self, "do_" + deed)(room)
                self.counts[deed] += 1
            except ENCOUNTERED:
                self.counts["not answered"] += 1
                self.stopping.wait(0.2)
            except Exception as error:  # a mistake here or an answer that makes no sense: either way a finding
                self.surprises.append("%s, %s: %r" % (self.name, deed, error))
            self.stopping.wait(self.random.uniform(0, 2 * self.pause_s))

    def _ask(self, method, path, body=None, client=None, **query):
        """The status; what a server says that restarts, is up or in trouble is counted."""
        reply = (client or self.user).request(method, path, body, query=query, timeout=seconds(20), check=False)
        if reply.status >= 500 and reply.status not in (502, 503, 504):
            self.surprises.append("%s: %r" % (self.member.letter, reply))
        self.counts[reply.status] += 1
        return reply

    def say(self, room, body):
        """A message that is repeated, as clients do, until it is acknowledged; its event id, or None when all is over."""
        path = path_of("rooms", room.room_id, "send", "m.room.message", "t-" + body)
        deadline = None
        while deadline is None or time.monotonic() < deadline:
            try:
                reply = self._ask("PUT", path, {"msgtype": "m.text", "body": body})
                if reply.status == 200:
                    room.acknowledged(self.user.user_id, reply["event_id"], body)
                    return reply["event_id"]
                if reply.status not in (429, 500, 502, 503, 504):
                    self.surprises.append("%s: %r" % (self.member.letter, reply))
                    return None
            except ENCOUNTERED:
                self.counts["not answered"] += 1
            if self.stopping.wait(0.2) and deadline is None:
                deadline = time.monotonic() + seconds(60)  # everything is healed
        self.surprises.append("%s: not acknowledged after all was healed: %s" % (self.member.letter, body))
        return None

    def do_say(self, room):
        self.number += 1
        self.say(room, "%s says %d" % (self.user.user_id, self.number))

    def _state(self, room, kind, content, key=""):
        self._ask("PUT", path_of("rooms", room.room_id, "state", kind, key), content)

    def do_name(self, room):
        kind, key = self.random.choice((("m.room.name", "name"), ("m.room.topic", "topic")))
        self._state(room, kind, {key: "%s by %s" % (key, self.member.letter), "n": self.random.randrange(1000)})

    def do_custom(self, room):
        self._state(room, "org.example.note", {"n": self.random.randrange(10 ** 6)}, "k%d" % self.random.randrange(6))

    def do_levels(self, room):
        """Levels of what nobody does, and of visitors: talkers keep theirs."""
        path = path_of("rooms", room.room_id, "state", "m.room.power_levels", "")
        reply = self._ask("GET", path)
        if reply.status == 200 and isinstance(reply.json, dict):
            content = json.loads(json.dumps(reply.json))
            content.setdefault("events", {})["org.example.k%d" % self.random.randrange(4)] = self.random.randrange(60)
            content.setdefault("users", {})[self.random.choice(self.visitors).user_id] = self.random.randrange(3)
            self._ask("PUT", path, content)

    def do_redact(self, room):
        event_id = room.any_said(self.random)
        if event_id:
            txn = "r%d-%d" % (self.number, self.random.randrange(10 ** 9))
            self._ask("PUT", path_of("rooms", room.room_id, "redact", event_id, txn), {})

    def do_visit(self, room):
        """A visitor of this server comes or goes."""
        own = [visitor for visitor in self.visitors if visitor.user_id.endswith(":" + self.member.name)]
        visitor = self.random.choice(own)
        self._ask("POST", path_of("rooms", room.room_id, self.random.choice(("join", "join", "leave"))), {}, client=visitor)

    def do_punish(self, room):
        visitor = self.random.choice(self.visitors)
        deed = self.random.choice(("invite", "kick", "ban", "unban", "unban"))
        self._ask("POST", path_of("rooms", room.room_id, deed), {"user_id": visitor.user_id})

    def do_read_back(self, room):
        self._ask("GET", path_of("rooms", room.room_id, "messages"), dir="b", limit="30")

    def do_receipt(self, room):
        event_id = room.any_said(self.random)
        if event_id:
            self._ask("POST", path_of("rooms", room.room_id, "receipt", "m.read", event_id), {})

    def do_typing(self, room):
        self._ask("PUT", path_of("rooms", room.room_id, "typing", self.user.user_id), {"typing": True, "timeout": 5000})


def settle(world, versions, talkers_each):
    """Users and rooms, while all is well: (rooms, talkers by member, visitors)."""
    talkers, visitors = {}, []
    for member in world.members:
        talkers[member] = [member.server.user() for _ in range(talkers_each)]
        for visitor in (member.server.user() for _ in range(2)):
            visitor.http.check_schema = False
            visitors.append(visitor)
    rooms = []
    for number, version in enumerate(versions):
        host = world.members[number % len(world.members)]
        creator = talkers[host][0]
        everybody = [user.user_id for users in talkers.values() for user in users]
        levels = {user_id: 100 for user_id in everybody if version != "12" or user_id != creator.user_id}
        room_id = creator.create_room(room_version=version, preset="public_chat",
                                      power_level_content_override={"users": levels})
        for member, users in talkers.items():
            for user in users:
                if user is not creator:
                    _join(user, room_id, host)
        rooms.append(Room(room_id, version, host))
    return rooms, talkers, visitors


def _join(user, room_id, host):
    deadline = time.monotonic() + seconds(60)
    path = path_of("join", room_id) + "?via=%s&server_name=%s" % (host.name, host.name)
    while True:
        reply = user.request("POST", path, {}, timeout=seconds(60), check=False)
        if reply.status == 200:
            return
        assert time.monotonic() < deadline, "cannot join: %r" % reply
        time.sleep(0.2)
