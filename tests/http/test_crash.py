"""SIGKILL to the server and its database under load: what was acknowledged is there, once, in order.

Writers send numbered messages and retry each, with the same transaction id, until it is acknowledged.  A reader
follows /sync all the time, over every crash, from its last token, and fills gaps by /messages.  At the end:
- every acknowledged event is in /messages and came by /sync, exactly once, with the id that was acknowledged;
- no message is there twice, also of those that were retried;
- each writer's messages are in the order in which they were acknowledged; /sync and /messages agree on the order.
"""
import os
import signal
import threading
import time

import pytest

from support import accounts
from support.client import Client, seconds
from support.server import wait_until


class Writer(threading.Thread):
    """Sends messages one after the other; each is retried until its answer is 200."""

    def __init__(self, server, user, room, number):
        super().__init__(daemon=True)
        self.client = Client(server.url, user.token, user.user_id)
        self.room, self.number = room, number
        self.acknowledged = []  # (body, event id)
        self.stopping = threading.Event()
        self.surprises = []
        self.retries = 0

    def run(self):
        count = 0
        while not self.stopping.is_set():
            body = "w%d-%d" % (self.number, count)
            event_id = self.deliver(body)
            if event_id is None:
                return
            self.acknowledged.append((body, event_id))
            count += 1

    def deliver(self, body):
        deadline = time.monotonic() + seconds(120)
        while time.monotonic() < deadline:
            try:
                reply = self.client.request(
                    "PUT", self.client.room(self.room, "send", "m.room.message", "txn-" + body),
                    {"msgtype": "m.text", "body": body}, timeout=seconds(30))
            except OSError:
                reply = None
            except Exception as error:  # an answer cut off, or one that is no answer of the API
                self.surprises.append(repr(error))
                reply = None
            if reply is not None:
                if reply.status == 200:
                    return reply["event_id"]
                if reply.status not in (502, 503, 504):
                    self.surprises.append(repr(reply))
                    return None
            self.retries += 1
            self.client.http.drop()
            time.sleep(0.02)
        self.surprises.append("gave up on " + body)
        return None


class Reader(threading.Thread):
    """Follows /sync across crashes; `events` is everything it was told, gaps filled."""

    def __init__(self, server, user, room):
        super().__init__(daemon=True)
        self.client = Client(server.url, user.token, user.user_id)
        self.room = room
        self.since = self.client.sync().since
        self.events = []
        self.stopping = threading.Event()
        self.surprises = []

    def run(self):
        while not self.stopping.is_set():
            self.step(timeout=1000)

    def step(self, timeout=0):
        """One /sync and what is missing between it and the last; True if it was answered."""
        try:
            reply = self.client.sync_reply(self.since, timeout)
            if reply.status != 200:
                if reply.status not in (502, 503, 504):
                    self.surprises.append(repr(reply))
                raise OSError
            part = reply["rooms"]["join"].get(self.room, {}) if "join" in reply.get("rooms", {}) else {}
            timeline = part.get("timeline", {})
            fresh = timeline.get("events", [])
            if timeline.get("limited"):
                fresh = self.gap(timeline["prev_batch"]) + fresh
        except (OSError, ConnectionError):
            self.client.http.drop()
            time.sleep(0.02)
            return False
        except AssertionError as error:
            self.surprises.append(repr(error)[:500])
            time.sleep(0.05)
            return False
        self.events += fresh
        self.since = reply["next_batch"]
        return True

    def gap(self, token):
        missing = []
        while True:
            reply = self.client.messages(self.room, "b", limit=100, to=self.since, **{"from": token})
            if reply.status != 200:
                raise OSError
            missing += reply["chunk"]
            if "end" not in reply or not reply["chunk"]:
                return missing[::-1]
            token = reply["end"]


class Conversation:
    """A room with writers and a reader."""

    def __init__(self, server, writers=4):
        self.server = server
        owner = accounts.register(server.url)
        self.owner = owner
        self.room = owner.create_room(preset="public_chat")
        users = [accounts.register(server.url) for _ in range(writers)]
        for user in users:
            user.join(self.room).ok()
        self.reader = Reader(server, owner, self.room)
        self.writers = [Writer(server, user, self.room, number) for number, user in enumerate(users)]
        for thread in [self.reader] + self.writers:
            thread.start()

    def acknowledged(self):
        return sum(len(writer.acknowledged) for writer in self.writers)

    def progress(self, more, limit=90):
        """Waits until `more` further messages were acknowledged."""
        goal = self.acknowledged() + more
        wait_until(lambda: self.acknowledged() >= goal, limit, "%d more acknowledged messages; surprises: %s; log:\n%s" % (
            more, [w.surprises for w in self.writers], self.server.log()[-1500:]))

    def finish(self):
        for writer in self.writers:
            writer.stopping.set()
        for writer in self.writers:
            writer.join(seconds(130))
            assert not writer.is_alive()
        self.reader.stopping.set()
        self.reader.join(seconds(60))
        wait_until(lambda: self.reader.step(), 30, "a last sync")

    def check(self):
        surprises = [text for thread in self.writers + [self.reader] for text in thread.surprises]
        assert surprises == []
        self.owner.http.drop()
        history = [(event["content"].get("body"), event["event_id"])
                   for event in self.owner.history(self.room, "f", limit=100)
                   if event["type"] == "m.room.message"]
        synced = [(event["content"].get("body"), event["event_id"]) for event in self.reader.events
                  if event["type"] == "m.room.message"]
        expected = {item for writer in self.writers for item in writer.acknowledged}
        for name, seen in (("/messages", history), ("/sync", synced)):
            lost = expected - set(seen)
            assert not lost, "%s lost %d acknowledged: %s" % (name, len(lost), sorted(lost)[:5])
            bodies = [body for body, _ in seen]
            twice = {body for body in bodies if bodies.count(body) > 1}
            assert not twice, "%s shows twice: %s" % (name, sorted(twice)[:5])
            for writer in self.writers:
                own = [item for item in seen if item[0].startswith("w%d-" % writer.number)]
                assert [item for item in own if item in expected] == writer.acknowledged, (
                    "%s: order of writer %d" % (name, writer.number))
        backward = [(event["content"].get("body"), event["event_id"])
                    for event in self.owner.history(self.room, "b", limit=37) if event["type"] == "m.room.message"]
        assert backward[::-1] == history
        assert synced == history, "the orders of /sync and /messages differ"


@pytest.mark.parametrize("victim", ["server", "database", "everything"])
def test_sigkill__under_load_several_times__acknowledged_events_once_and_in_order(make_server, victim):
    server = make_server().start()
    talk = Conversation(server)
    for round_number in range(3):
        talk.progress(40 + 30 * round_number)
        if victim == "server":
            server.kill()
            server.start()
        elif victim == "database":
            server.kill_database()
        else:
            server.kill_everything()
            server.start()
    talk.progress(40)
    talk.finish()
    talk.check()


@pytest.mark.tsan
def test_sigkill__once__acknowledged_events_once_and_in_order(make_server):
    server = make_server().start()
    talk = Conversation(server, writers=3)
    talk.progress(30)
    server.kill_everything()
    server.start()
    talk.progress(30)
    talk.finish()
    talk.check()


def test_sigkill__during_start_and_migration__next_start_works(make_server):
    server = make_server()
    for delay in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8):
        server.launch()
        time.sleep(delay)
        server.kill_everything()
    server.start()
    user = accounts.register(server.url)
    user.send(user.create_room())


def test_sigkill__state_and_account_data__kept(make_server):
    server = make_server().start()
    user = accounts.register(server.url)
    room = user.create_room()
    user.set_state(room, "m.room.name", {"name": "kept"})
    user.account_data("org.example.kept", {"v": 1}).ok()
    user.put("/profile/%s/displayname" % user.user_id, {"displayname": "Kept"}).ok()
    event = user.send(room)
    user.receipt(room, event, "m.fully_read").ok()
    server.kill_everything()
    server.start()
    user.http.drop()
    assert user.get_state(room, "m.room.name").ok()["name"] == "kept"
    assert user.get("/user/%s/account_data/org.example.kept" % user.user_id).ok().json == {"v": 1}
    assert user.get("/profile/%s/displayname" % user.user_id).ok()["displayname"] == "Kept"
    part = user.sync().joined(room)
    assert {"type": "m.fully_read", "content": {"event_id": event}} in part.account_data


# -- the database goes away while the server lives

def attempt_send(client, room, txn, limit):
    """(status, seconds it took); the connection must be answered within the limit."""
    start = time.monotonic()
    try:
        reply = client.request("PUT", client.room(room, "send", "m.room.message", txn),
                               {"msgtype": "m.text", "body": txn}, timeout=limit)
        return reply, time.monotonic() - start
    finally:
        client.http.drop()


def test_database_killed__requests__503_quickly_then_recovers_by_itself(make_server):
    server = make_server().start()
    user = accounts.register(server.url)
    room = user.create_room()
    for _ in range(3):
        server.kill_database()
        seen = []

        def works():
            reply, took = attempt_send(user, room, "after-kill-%d" % time.monotonic_ns(), seconds(15))
            assert took < seconds(10), "a request hung for %.1f s" % took
            assert reply.status in (200, 503), reply
            seen.append(reply.status)
            return reply.status == 200
        wait_until(works, 60, "recovery", pause=0.05)
        assert server.process.poll() is None
    assert user.sync().joined(room)


def test_database_stopped__requests__503_in_bounded_time_and_wake_up_after(make_server):
    """SIGSTOP is the partner that neither answers nor closes."""
    server = make_server().start()
    user = accounts.register(server.url)
    room = user.create_room()
    user.send(room, "before")
    pids = server.database_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        reply, took = attempt_send(user, room, "while-stopped", seconds(40))
        reply.expect(503)
        assert reply.errcode and took < seconds(30)
        start = time.monotonic()
        server.anonymous().get("/_matrix/client/versions", token=False).ok()
        assert time.monotonic() - start < seconds(2), "what needs no database is answered at once"
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
    wait_until(lambda: attempt_send(user, room, "while-stopped", seconds(15))[0].status == 200, 60, "recovery",
               pause=0.1)
    bodies = [event["content"].get("body") for event in user.history(room)]
    assert bodies.count("while-stopped") == 1, "the retried transaction was stored once"


def test_database_killed__parked_sync__wakes_for_events_after_recovery(make_server):
    server = make_server().start()
    user, other = accounts.register(server.url), accounts.register(server.url)
    room = user.create_room(invite=[other.user_id])
    other.join(room).ok()
    watch = other.watch()
    server.kill_database()
    wait_until(lambda: attempt_send(user, room, "after", seconds(15))[0].status == 200, 60, "recovery", pause=0.1)
    deadline = time.monotonic() + seconds(30)
    seen = []
    while "after" not in seen:
        assert time.monotonic() < deadline, "the event did not come by /sync"
        reply = other.sync_reply(watch.since, timeout=1000)
        if reply.status == 200:
            watch.since = reply["next_batch"]
            part = reply.get("rooms", {}).get("join", {}).get(room, {})
            seen += [event["content"].get("body") for event in part.get("timeline", {}).get("events", [])]
        else:
            reply.expect(503)
    assert seen.count("after") == 1
