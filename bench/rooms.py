"""A partner server that hosts many and large rooms, and keeps one connection to whom it sends.

    school = School(authority).start()
    room = school.room(members=10000)            created, full of users of its own
    school.join(server, room)                    a user of the server, who has come in
    school.deliver(server, events)               transactions of up to 50, one after the other, each acknowledged
"""
import http.client
import time

from canonicaljson import encode_canonical_json

from support.client import path_of
from support.remote import FEDERATION, Remote
from support.remote_room import Pdu, RemoteRoom

PDUS_MAX = 50


class Room(RemoteRoom):
    """Its events share a state until it changes, so that a large one has room."""

    is_filling = False

    def add(self, pdu):
        event = pdu if isinstance(pdu, Pdu) else Pdu(self.version, pdu)
        prev = self.prev_ids(event)
        is_head = set(prev) >= set(self.heads)
        before = self.state if is_head else self.state_before(prev)
        if self.is_filling:
            before[event.key] = event
        state = before if event.key is None or self.is_filling else {**before, event.key: event}
        self.events[event.event_id] = event
        self.states[event.event_id] = state
        self.heads = [event_id for event_id in self.heads if event_id not in prev] + [event.event_id]
        self.state = state if is_head else {**self.state, **({event.key: event} if event.key else {})}
        return event

    def fill(self, members):
        """Joins so many users.  Only the state behind all of them is kept."""
        self.is_filling = True
        for number in range(members):
            self.join("@m%d:%s" % (number, self.remote.name))
        self.is_filling = False
        self.states = {self.heads[0]: self.state}


class School(Remote):
    def __init__(self, authority):
        super().__init__(authority)
        self.rooms = {}
        self.connections = {}
        self.on("PUT", FEDERATION + "/send/.+", lambda ask: (200, {"pdus": {}}))
        self.general = self.handlers

    def room(self, members=1):
        """A public room with so many members."""
        room = Room(self, version="11")
        room.fill(members - 1)
        self.handlers = []
        room.serve()
        self.rooms[room.room_id], self.handlers = self.handlers, self.general
        return room

    def answer(self, ask):
        """Each room answers for itself; what names none (an event) is asked of all."""
        self.asked.clear()
        named = [handlers for room_id, handlers in self.rooms.items() if room_id in ask.path]
        for handlers in named or [*self.rooms.values(), self.general]:
            for method, path, answer in handlers:
                ask.match = path.fullmatch(ask.path)
                found = answer(ask) if method == ask.method and ask.match else None
                if found is not None and found[0] != 404:  # None: of another room
                    return found
        return 404, {"errcode": "M_NOT_FOUND", "error": "nothing"}

    def join(self, server, room, user=None):
        user = user or server.user()
        user.post(path_of("join", room.room_id), {}, query={"server_name": self.name}, timeout=600).ok()
        return user

    def put(self, server, target, content):
        """A signed request on the connection that is kept; its status."""
        host, _, port = server.server_name.rpartition(":")
        if server.server_name not in self.connections:
            self.connections[server.server_name] = http.client.HTTPSConnection(host, int(port), context=self.trust, timeout=120)
        connection = self.connections[server.server_name]
        headers = {"Authorization": self.authorization("PUT", target, server.server_name, content),
                   "Content-Type": "application/json"}
        try:
            connection.request("PUT", target, encode_canonical_json(content), headers)
            response = connection.getresponse()
            response.read()
            return response.status
        except (http.client.HTTPException, OSError):
            connection.close()  # the next request opens it anew
            return 0

    def deliver(self, server, events):
        """One transaction after the other; one that is not acknowledged is repeated."""
        for start in range(0, len(events), PDUS_MAX):
            self.transactions = getattr(self, "transactions", 0) + 1
            target = "%s/send/b%d" % (FEDERATION, self.transactions)
            content = {"origin": self.name, "origin_server_ts": int(time.time() * 1000), "edus": [],
                       "pdus": [event.json for event in events[start:start + PDUS_MAX]]}
            while self.put(server, target, content) != 200:
                time.sleep(0.1)
