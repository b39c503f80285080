"""Talk that goes on over every crash, and the check afterwards that nothing acknowledged is lost.

Writers send numbered messages and retry each, with the same transaction id, until it is acknowledged.  A reader
follows /sync all the time, over every crash, from its last token, and fills gaps by /messages.  At the end:
- every acknowledged event is in /messages and came by /sync, exactly once, with the id that was acknowledged;
- no message is there twice, also of those that were retried;
- each writer's messages are in the order in which they were acknowledged; /sync and /messages agree on the order.
"""
import threading
import time

from . import accounts
from .client import Client, seconds
from .server import wait_until


class Writer(threading.Thread):
    """Sends messages one after the other; each is retried until its answer is 200."""

    def __init__(self, server, user, room, number):
        super().__init__(daemon=True)
        self.client = Client(server.url, user.token, user.user_id)
        self.room, self.number = room, number
        self.acknowledged = []  # (body, event id)
        self.times = []  # when each was; monotonic
        self.refusals = []  # answers meanwhile
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
            self.times.append(time.monotonic())
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
                self.refusals.append(reply)
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
    """A room with writers and a reader. others: processes on the same database; the writers are spread over all."""

    def __init__(self, server, writers=4, others=()):
        self.servers = servers = [server, *others]
        owner = accounts.register(server.url)
        self.owner = owner
        self.room = owner.create_room(preset="public_chat")
        users = [accounts.register(server.url) for _ in range(writers)]
        for user in users:
            user.join(self.room).ok()
        self.reader = Reader(server, owner, self.room)
        self.writers = [Writer(servers[number % len(servers)], user, self.room, number)
                        for number, user in enumerate(users)]
        for thread in [self.reader] + self.writers:
            thread.start()

    def acknowledged(self):
        return sum(len(writer.acknowledged) for writer in self.writers)

    def silence(self):
        """The longest time in which nothing was acknowledged, in seconds."""
        times = sorted(at for writer in self.writers for at in writer.times)
        return max(later - sooner for sooner, later in zip(times, times[1:]))

    def refusals(self):
        return [reply for writer in self.writers for reply in writer.refusals]

    def progress(self, more, limit=90):
        """Waits until `more` further messages were acknowledged; fails at once when a writer has given up, since fewer and fewer may then."""
        goal = self.acknowledged() + more

        def reached():
            assert all(writer.is_alive() for writer in self.writers), self.account()
            return self.acknowledged() >= goal
        try:
            wait_until(reached, limit, "%d more acknowledged messages" % more)
        except AssertionError as error:
            raise AssertionError("%s; %s" % (error, self.account())) from None

    def account(self):
        """How far each writer is and what it was told last, for who reads of a failure."""
        now = time.monotonic()
        lines = ["writer %d: %d acknowledged, the last %s s ago, %d retries, surprises: %s, last refusals: %s" % (
            writer.number, len(writer.acknowledged), "%.1f" % (now - writer.times[-1]) if writer.times else "-", writer.retries,
            writer.surprises, writer.refusals[-3:]) for writer in self.writers]
        lines += ["log of %s:\n%s" % (server.url, server.log()[-3000:]) for server in self.servers]
        return "\n".join(lines)

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
        assert surprises == [], surprises
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
