"""One of two processes behind HAProxy is killed under load, and started anew: nobody loses anything, nothing counts twice.

All kinds of load go on at once while the processes are killed in turn; the tests look at what came of each kind.
"""
import contextlib
import itertools
import threading
import time

import pytest

from support import accounts
from support.client import path_of, seconds, unique
from support.conversation import Conversation
from support.database import Cluster
from support.gateway import Gateway, pusher
from support.inbox import QUICK, Inbox, let_in
from support.keys import Device
from support.remote import Remote
from support.server import FederatedServer
from support.shared_room import SharedRoom

KEYS = 50
LEASES_MOVE_S = 10
"""docs/scaling.md, "A process that dies"."""


class Load(threading.Thread):
    """Does one thing again and again until stop(); what fails is tried anew with the same number."""

    def __init__(self, do):
        super().__init__(daemon=True)
        self.do, self.stopping, self.done, self.surprises = do, threading.Event(), [], []
        self.start()

    def run(self):
        for number in itertools.count():
            while not self.stopping.is_set():
                try:
                    reply = self.do(number)
                except OSError:
                    continue
                if reply.status == 200:
                    self.done.append(reply)
                    break
                if reply.status not in (502, 503, 504):
                    self.surprises.append(reply)
                    return
            if self.stopping.is_set():
                return

    def stop(self):
        self.stopping.set()
        self.join(seconds(60))
        assert not self.is_alive() and not self.surprises


class Letters:
    """Messages to a device: who writes them, and who reads them by /sync."""

    def __init__(self, server):
        writer, self.reader = accounts.register(server.url), accounts.register(server.url)
        self.since, self.heard = self.reader.sync().since, []
        self.sending = Load(lambda number: writer.put(
            path_of("sendToDevice", "org.example.letter", "letter-%d" % number),
            {"messages": {self.reader.user_id: {self.reader.device_id: {"number": number}}}}))
        self.reading = Load(self._read)

    def _read(self, _, timeout=1000):
        reply = self.reader.sync_reply(self.since, timeout)
        if reply.status == 200:
            self.heard += [event["content"]["number"] for event in reply["to_device"]["events"]]
            self.since = reply["next_batch"]
        return reply

    def finish(self):
        self.sending.stop()
        self.reading.stop()
        while len(self.heard) < len(self.sending.done):
            before = len(self.heard)
            self._read(None, 0).ok()
            assert len(self.heard) > before, "%d of %d letters came" % (before, len(self.sending.done))


class Claims:
    """Several claim the keys of one device, which uploads more as they are used up."""

    def __init__(self, server):
        self.owner, self.tries = accounts.register(server.url), itertools.count(1)
        self.device = Device(self.owner)
        self.device.upload(keys=2 * KEYS)
        self.claiming = [Load(lambda _, client=accounts.register(server.url): self._claim(client)) for _ in range(2)]

    def _claim(self, client):
        if next(self.tries) % KEYS == 0:
            self._refill()
        return client.post("/keys/claim", {"one_time_keys": {self.owner.user_id: {self.owner.device_id: "signed_curve25519"}}})

    def _refill(self):
        body = {"one_time_keys": self.device.one_time(KEYS)}
        while True:
            with contextlib.suppress(OSError):
                if self.owner.post("/keys/upload", body).status == 200:
                    return

    def finish(self):
        for load in self.claiming:
            load.stop()

    def given(self):
        """What each answer held: the key's id, or None."""
        return [next(iter(reply["one_time_keys"].get(self.owner.user_id, {}).get(self.owner.device_id, {})), None)
                for load in self.claiming for reply in load.done]


class Partner:
    """Another homeserver whose transactions are sent until they are taken."""

    def __init__(self, server, remote):
        self.shared, self.events = SharedRoom(server, remote), []
        self.server, self.remote = server, remote
        self.sending = Load(self._send)

    def _send(self, number):
        if len(self.events) == number:
            self.events.append(self.shared.room.message("partner %d" % number))
        return self.remote.transaction(self.server, [self.events[number]], txn="of-the-partner-%d" % number)

    def finish(self):
        self.sending.stop()
        self.events = self.events[:len(self.sending.done)]
        self.shared.sentinel()


class Day:
    """What goes on while one process after the other is killed."""

    def __init__(self, server, remote):
        self.talk, self.letters, self.claims, self.partner = (
            Conversation(server, writers=3), Letters(server), Claims(server), Partner(server, remote))
        for number in (0, 1, 0):
            self.talk.progress(20)
            server.kill_one(number)
            self.talk.progress(20)  # the other goes on
            server.start_one(number)
        self.talk.progress(20)
        for part in (self.letters, self.claims, self.partner, self.talk):
            part.finish()


@pytest.fixture(scope="module")
def school(authority):
    """Two processes on a database that outlives both."""
    with Cluster() as cluster:
        server = FederatedServer(authority=authority, processes=2, settings={**QUICK, "database.url": cluster.url})
        server.sql = cluster.sql
        yield server.start()
        server.destroy()


@pytest.fixture(scope="module")
def day(school, authority):
    remote = Remote(authority).start()
    yield Day(school, remote)
    remote.stop()


def test_events__processes_killed__acknowledged_once_and_in_order(day):
    day.talk.check()


def test_messages_to_devices__processes_killed__each_once_and_in_order(day):
    sent = len(day.letters.sending.done)
    assert sent > 0 and day.letters.heard[:sent] == list(range(sent))
    assert len(day.letters.heard) == len(set(day.letters.heard))


def test_key_claims__processes_killed__no_key_twice_and_none_refused(day):
    given = day.claims.given()
    assert given and None not in given and len(set(given)) == len(given)


def test_transactions_of_a_homeserver__processes_killed__each_event_once_and_in_order(day):
    ids = [event.event_id for event in day.partner.events]
    assert ids
    history = [event["event_id"] for event in day.partner.shared.user.history(day.partner.shared.room_id, "f", limit=100)]
    assert [event_id for event_id in history if event_id in ids] == ids


def notice(server, *words):
    done = server.run("notice", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def gateway():
    made = Gateway()
    yield made
    made.close()


def test_leases__either_process_killed__the_other_delivers_soon_and_once(school, make_appservice, make_remote, gateway):
    service, inbox = make_appservice(users=[("@.*", False)]).register(school), Inbox(make_remote())
    office = notice(school, "sender", unique("office"))
    alice, bob = school.user(), school.user()
    room = alice.create_room(preset="public_chat")
    bob.join(room).ok()
    let_in(school, room, inbox.remote.name)
    bob.post("/pushers/set", pusher(gateway, unique("key"), data={"format": "event_id_only"})).ok()
    sent = [alice.send(room, "both are there")]
    inbox.until(lambda i: i.bodies())
    service.until_event(sent[0])
    gateway.until(lambda n: n.get("event_id") == sent[0])
    for number in (0, 1):
        school.kill_one(number)
        begin = time.monotonic()
        sent.append(alice.send(room, "without %d" % number))
        service.until_event(sent[-1])
        inbox.until(lambda i, text="without %d" % number: text in i.bodies())
        gateway.until(lambda n: n.get("event_id") == sent[-1])
        notice(school, "send", office, room, "notice %d" % number)
        sent.append(service.until_told(lambda event, text="notice %d" % number: event["content"].get("body") == text)["event_id"])
        assert time.monotonic() - begin < seconds(LEASES_MOVE_S)
        school.start_one(number)
    sent.append(alice.send(room, "last"))
    inbox.until(lambda i: "last" in i.bodies())
    service.until_event(sent[-1])
    assert [event["event_id"] for event in service.told() if event.get("room_id") == room and event["type"] == "m.room.message"] == sent
    # A transaction whose answer nobody noted comes again, as the specification wants it; each event of it counts once.
    assert [text for text in dict.fromkeys(inbox.bodies()) if not text.startswith("notice")] == [
        "both are there", "without 0", "without 1", "last"]
