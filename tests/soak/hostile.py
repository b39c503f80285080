"""A server that is a member of every room and means no good: it forges, equivocates, answers nonsense or not at all.

What it says well goes to one server only, so the others have to find it behind what that one says next.  All that must not be
believed carries the word FORGED.
"""
import random
import threading
import time

from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures

from support.client import seconds, unique
from support.handshake import Guest
from support.remote import Remote
from support.remote_room import Pdu, now_ms

FORGED = "FORGED"


class Place:
    """What the peer knows of a room."""

    def __init__(self, room, user_id, join, answer):
        self.room, self.version, self.user_id = room, KNOWN_ROOM_VERSIONS[room.version], user_id
        self.last = (join.event_id, join.json["depth"])
        state = [Pdu(self.version, event) for event in answer["state"]]
        self.auth = {event.key: event.event_id for event in state if event.key in (
            ("m.room.create", ""), ("m.room.power_levels", ""))}
        self.auth[("m.room.member", user_id)] = join.event_id
        if room.version == "12":
            del self.auth[("m.room.create", "")]

    def refs(self, ids):
        return [[event_id, {}] for event_id in ids] if self.version.event_format == 1 else list(ids)


class Hostile(threading.Thread):
    def __init__(self, world, rooms, seed, pause_s=0.5):
        super().__init__(daemon=True, name="hostile")
        self.world, self.rooms, self.pause_s = world, rooms, pause_s
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self.is_good = False
        self.remote = Remote(world.authority)
        self.remote.server.handle_error = lambda *ends: None  # others hang up as they like
        self.user_id = "@mallory:" + self.remote.name
        self.places, self.counts, self.number = {}, {}, 0
        remote = self.remote
        remote.on("GET", r"/_matrix/federation/.*", self._nonsense)
        remote.on("POST", r"/_matrix/federation/.*", self._nonsense)
        remote.on("PUT", r"/_matrix/federation/v1/send/.*", self._take)
        remote.on("GET", r"/_matrix/key/v2/server", lambda ask: (200, remote.keys(
            valid_until_ts=self.world.now_ms() + 2 * 24 * 3600 * 1000)))
        remote.start()

    def enter(self):
        """Comes into all rooms as a decent server does."""
        for room in self.rooms:
            guest = Guest(self.remote, room.host.server, room.room_id)
            event = guest.sign(guest.make("join", self.user_id))
            self.places[room.room_id] = Place(room, self.user_id, event, guest.hand_in("join", event).ok().json)
        return self

    # -- what it answers

    def _take(self, ask):
        for pdu in (ask.json or {}).get("pdus", []):
            place = self.places.get(pdu.get("room_id"))
            if place is not None and pdu["depth"] >= place.last[1]:
                place.last = (Pdu(place.version, pdu).event_id, pdu["depth"])
        if self.is_good or self.random.random() < 0.8:
            return 200, {"pdus": {}}
        return self.random.choice([(500, {"errcode": "M_UNKNOWN", "error": "no"}), (200, b"nonsense"), (200, [])])

    def _nonsense(self, ask):
        if not self.is_good and self.random.random() < 0.2:
            self.stopping.wait(seconds(3))
        unrelated = [self.build(place, "m.room.message", {"body": "unrelated " + FORGED, "msgtype": "m.text"},
                                prev=["$unrelated"]).json for place in list(self.places.values())[:2]]
        return self.random.choice([
            (404, {"errcode": "M_NOT_FOUND", "error": "no"}), (200, {}), (200, b"[[[["),
            (403, {"errcode": "M_FORBIDDEN", "error": "no"}),
            (200, {"events": unrelated, "pdus": unrelated, "auth_chain": unrelated, "pdu_ids": [], "auth_chain_ids": [],
                   "origin": self.remote.name, "origin_server_ts": now_ms()})])

    # -- what it says

    def build(self, place, kind, content, state_key=None, sender=None, prev=None, auth=None, **more):
        pdu = {"type": kind, "content": content, "sender": sender or self.user_id, "room_id": place.room.room_id,
               "depth": place.last[1] + 1, "origin_server_ts": self.world.now_ms(),
               "prev_events": place.refs(prev or [place.last[0]]), "auth_events": place.refs(auth or place.auth.values())}
        if state_key is not None:
            pdu["state_key"] = state_key
        if place.version.event_format == 1:
            pdu["event_id"] = "$%s:%s" % (unique("m"), self.remote.name)
        pdu.update(more)
        add_hashes_and_signatures(place.version, pdu, self.remote.name, self.remote.key)
        return Pdu(place.version, pdu)

    def _bad(self, place):
        text = {"msgtype": "m.text", "body": FORGED}
        other = self.random.choice([user_id for user_id in place.room.order] or [self.user_id])
        kind = self.random.choice(("signature", "sender", "ancestor", "levels", "topic", "huge", "auth", "cycle", "ban"))
        if kind == "signature":
            event = self.build(place, "m.room.message", text)
            signatures = event.json["signatures"][self.remote.name]
            signatures[self.remote.key_id] = signatures[self.remote.key_id][::-1]
        elif kind == "sender" and other != self.user_id:
            event = self.build(place, "m.room.message", text, sender=other)
        elif kind == "ancestor":
            event = self.build(place, "m.room.message", text, prev=["$nobodyknowsthisevent0000000000000000000000000"])
        elif kind == "levels":
            event = self.build(place, "m.room.power_levels", {"users": {self.user_id: 100}, "note": FORGED}, "")
        elif kind == "huge":
            event = self.build(place, "m.room.message", {"msgtype": "m.text", "body": FORGED * 12000})
        elif kind == "auth":
            event = self.build(place, "m.room.message", text, auth=["$nosuchauthevent"])
        elif kind == "cycle":
            event = self.build(place, "m.room.message", text, prev=[place.last[0], "$ahead"])
        elif kind == "ban":
            event = self.build(place, "m.room.member", {"membership": "ban", "reason": FORGED}, other)
        else:
            event = self.build(place, "m.room.topic", {"topic": FORGED}, "")
        return kind, event

    def _edus(self, place):
        victim = self.random.choice([user_id for user_id in place.room.order] or [self.user_id])
        return self.random.choice([
            {"edu_type": "m.typing", "content": {"room_id": place.room.room_id, "user_id": victim, "typing": True}},
            {"edu_type": "m.presence", "content": {"push": [{"user_id": victim, "presence": "online"}]}},
            {"edu_type": "m.device_list_update", "content": {"user_id": victim, "device_id": "X", "stream_id": 7, "prev_id": [3]}},
            {"edu_type": "m.receipt", "content": {place.room.room_id: {"m.read": {victim: {"event_ids": ["$x"], "data": {}}}}}},
            {"edu_type": "m.nonsense", "content": {"a": [None] * 50}}])

    def run(self):
        while not self.stopping.is_set():
            try:
                self._act(self.random.choice(list(self.places.values())), self.random.choice(self.world.members).server)
            except (OSError, ValueError):
                self._count("not answered")
            self.stopping.wait(self.random.uniform(0, 2 * self.pause_s))

    def _count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def _act(self, place, server):
        if self.random.random() < 0.4:  # something decent, said to one server only
            self.number += 1
            event = self.build(place, "m.room.message", {"msgtype": "m.text", "body": "mallory says %d" % self.number})
            place.last = (event.event_id, event.json["depth"])
            self._count("good")
            self.remote.transaction(server, [event])
            return
        kind, event = self._bad(place)
        self._count(kind)
        self.remote.transaction(server, [event.json, {"room_id": place.room.room_id}], [self._edus(place)])

    def rest(self):
        """No more mischief; it takes what is sent to it."""
        self.is_good = True
        self.stopping.set()
        self.join(seconds(60))

    def stop(self):
        self.rest()
        self.remote.stop()
