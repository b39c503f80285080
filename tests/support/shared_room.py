"""A room of a remote homeserver (remote_room.py) that a user of the server under test has joined.

    shared = SharedRoom(server, remote, version="11")
    shared.deliver(shared.room.message("hello"))      as a transaction; waits until the user sees it
    shared.user, shared.watch                         the local user, and its /sync
"""
import threading

from .client import path_of, seconds
from .remote_room import RemoteRoom


class SharedRoom:
    def __init__(self, server, remote, version="11", user=None, **more):
        self.server, self.remote = server, remote
        self.room = RemoteRoom(remote, version, **more).serve()
        self.user = user or server.user()
        self.user.post(path_of("join", self.room_id), {}, query={"server_name": remote.name}).ok()
        self.watch = self.user.watch()

    @property
    def room_id(self):
        return self.room.room_id

    def send(self, *pdus, **more):
        """A transaction with these; its `pdus`."""
        return self.remote.transaction(self.server, pdus, **more).ok()["pdus"]

    def seen(self, event, limit=20):
        """Waits until the user is told of the event; the timeline up to it."""
        return self.watch.timeline_until(self.room_id, event.event_id, limit)

    def deliver(self, *pdus):
        """Sends events that are good, and waits for the last; the user's timeline since the last call."""
        assert self.send(*pdus) == {pdu.event_id: {} for pdu in pdus}
        return self.seen(pdus[-1])

    def sentinel(self, text="sentinel"):
        """What comes after everything that was sent so far; the timeline up to it.  So what is not in it did not come."""
        return self.deliver(self.room.message(text))

    def order(self, *events):
        """Ids of these events as the room's history has them, oldest first; a sync may leave a gap."""
        sent = {event.event_id for event in events}
        return [event["event_id"] for event in reversed(self.user.history(self.room_id)) if event["event_id"] in sent]

    def knows(self, event):
        """Whether clients may see the event."""
        return self.user.event(self.room_id, getattr(event, "event_id", event)).status == 200


class Hold:
    """Keeps requests of a kind at a remote waiting until release(); then they are answered as before."""

    def __init__(self, remote, method, path):
        self.waiting, self._event = threading.Event(), threading.Event()
        usual = [(verb, pattern, answer) for verb, pattern, answer in remote.handlers]

        def answer(ask):
            self.waiting.set()
            self._event.wait(seconds(120))
            for verb, pattern, other in usual:
                ask.match = pattern.fullmatch(ask.path)
                if verb == ask.method and ask.match:
                    return other(ask)
            return 404, {"errcode": "M_NOT_FOUND", "error": "nothing"}
        remote.on(method, path, answer)

    def release(self):
        self._event.set()
