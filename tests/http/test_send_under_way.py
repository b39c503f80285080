"""A write between its handler and its answer: the commit hangs, and meanwhile the client goes, asks again, or the server stops.

No worker waits for the commit (http/handover.h), so each of these ends is another than that of a request that a worker has.
"""
import concurrent.futures
import contextlib
import json
import signal
import socket

import pytest

from support import accounts
from support.client import Client, Http, path_of, receipts_of, seconds, unique
from support.database import Cluster, HeldTable, in_time
from support.server import free_port, wait_until

pytestmark = pytest.mark.one_process("what one process does with what it has under way")
WORKERS = 2


class School:
    """A server with few workers, and a room; `held()` lets nothing be written to a table until the end of the block."""

    def __init__(self, cluster, make_server):
        name = "d" + unique("b").replace("-", "_").lower()
        cluster.sql("CREATE DATABASE %s" % name)
        self.cluster, self.make_server = cluster, make_server
        self.url = cluster.url.replace("/postgres?", "/%s?" % name)
        metrics = "127.0.0.1:%d" % free_port()
        self.server = make_server(settings={"database.url": self.url, "http.local_workers": WORKERS, "listen.metrics": metrics}).start()
        self.page = Http("http://" + metrics)
        self.user = accounts.register(self.server.url)
        self.room = self.user.create_room()

    def held(self, table="events"):
        return HeldTable(self.url, table)

    def figure(self, name):
        """None: what it counts has not happened yet."""
        lines = self.page.raw("GET", "/metrics").raw.decode().splitlines()
        return next((int(line.split()[-1]) for line in lines if line.startswith(name + " ")), None)

    def await_writes(self, count):
        """So many wait for their commit, and no worker does."""
        wait_until(lambda: self.figure("belfry_http_parked") == count, what="%d writes on their way to the disk" % count)
        wait_until(lambda: self.figure('belfry_http_lane_busy{lane="local"}') == 0, what="workers that have nothing to do")

    def is_stopping(self):
        try:
            return self.page.raw("GET", "/metrics").status != 200
        except OSError:
            return True

    def mine(self):
        """The user over a connection of its own."""
        return Client(self.server.url, self.user.token, self.user.user_id, self.user.device_id)

    def put(self, number, txn=None):
        return self.mine().put_event(self.room, "m.room.message", {"msgtype": "m.text", "body": str(number)}, txn)

    def send_and_go(self, target, body, held):
        """A request whose client does not wait for the commit."""
        connection = socket.create_connection(("127.0.0.1", self.server.port))
        connection.sendall(("PUT %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (
            target, self.user.token, len(body), body)).encode())
        wait_until(held.is_waited_for, what="it is being committed")
        connection.close()
        self.await_writes(1)

    def anew(self):
        self.server.terminate()
        return School(self.cluster, self.make_server)

    def bodies(self):
        return [event["content"].get("body") for event in self.user.history(self.room) if event["type"] == "m.room.message"]


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as it:
        yield it


@pytest.fixture
def school(cluster, make_server):
    it = School(cluster, make_server)
    yield it
    it.server.terminate()


@in_time
def test_many_messages__commit_hangs__workers_serve_others_and_nothing_is_answered_before(school):
    with concurrent.futures.ThreadPoolExecutor(8) as pool, school.held() as held:
        replies = [pool.submit(school.put, number) for number in range(8)]
        wait_until(held.is_waited_for, what="it is being committed")
        school.await_writes(8)
        assert school.user.get("/rooms/%s/state/m.room.create" % school.room).ok()  # a worker's
        assert not [reply for reply in replies if reply.done()]
        held.release()
        events = [reply.result(seconds(60)).ok()["event_id"] for reply in replies]
    assert len(set(events)) == 8 and sorted(school.bodies()) == [str(number) for number in range(8)]


@in_time
def test_same_transaction_id__commit_hangs__one_event(school):
    with concurrent.futures.ThreadPoolExecutor(3) as pool, school.held() as held:
        replies = [pool.submit(school.put, "once", "same") for _ in range(3)]
        wait_until(held.is_waited_for, what="it is being committed")
        school.await_writes(3)
        held.release()
        events = [reply.result(seconds(60)).ok()["event_id"] for reply in replies]
    assert len(set(events)) == 1 and school.bodies() == ["once"]


@in_time
def test_client__gone_while_the_commit_hangs__event_is_there_once(school):
    target = "/_matrix/client/v3/rooms/%s/send/m.room.message/gone" % school.room
    body = json.dumps({"msgtype": "m.text", "body": "gone"})
    with school.held() as held:
        school.send_and_go(target, body, held)
        held.release()
    again = school.put("gone", "gone").ok()["event_id"]
    assert school.user.event(school.room, again).ok() and school.bodies() == ["gone"]
    school.await_writes(0)


@pytest.mark.tsan
@in_time
def test_sigterm__commit_hangs__answered_when_it_is_done(school):
    with concurrent.futures.ThreadPoolExecutor(WORKERS + 1) as pool, school.held() as held:
        replies = [pool.submit(school.put, number) for number in range(WORKERS + 1)]
        wait_until(held.is_waited_for, what="it is being committed")
        school.await_writes(WORKERS + 1)
        school.server.process.send_signal(signal.SIGTERM)
        wait_until(school.is_stopping, what="the stop")
        assert not [reply for reply in replies if reply.done()]
        held.release()
        for reply in replies:
            reply.result(seconds(60)).ok()
    assert school.server.terminate() == 0
    school.server.start()
    school.user.http.drop()
    assert sorted(school.bodies()) == [str(number) for number in range(WORKERS + 1)]


def test_commit__takes_too_long__error_and_may_be_tried_again(school):
    with concurrent.futures.ThreadPoolExecutor(1) as pool, school.held() as held:
        reply = pool.submit(school.put, "late", "late")
        wait_until(held.is_waited_for, what="it is being committed")
        reply.result(seconds(60)).expect((503, 504))
    school.put("late", "late").ok()
    assert school.bodies() == ["late"]


# -- what is written beside events

COUNT = 4


class Messages:
    """To a device."""

    table = "device_messages"

    @staticmethod
    def do(school, number, txn=None):
        user = school.mine()
        return user.put(path_of("sendToDevice", "m.test", txn or "t%s" % number), {"messages": {user.user_id: {user.device_id: {"n": number}}}})

    @staticmethod
    def seen(school):
        return sorted(event["content"]["n"] for event in school.user.sync()["to_device"]["events"])


class AccountData:
    """Each of another type."""

    table = "account_data"

    @staticmethod
    def do(school, number):
        return school.mine().account_data("org.example.%s" % number, {"n": number})

    @staticmethod
    def seen(school):
        return sorted(event["content"]["n"] for event in school.user.sync()["account_data"]["events"] if "n" in event["content"])


class Tags:
    """All in one row, so that those of one moment are in each other's way."""

    table = "account_data"

    @staticmethod
    def do(school, number):
        return school.mine().put(path_of("user", school.user.user_id, "rooms", school.room, "tags", "u.%s" % number), {"order": 0.5})

    @staticmethod
    def seen(school):
        tags = school.user.get(path_of("user", school.user.user_id, "rooms", school.room, "tags")).ok()["tags"]
        return sorted(int(tag[2:]) for tag in tags)


class PushRules:
    """In one row, too."""

    table = "account_data"

    @staticmethod
    def do(school, number):
        return school.mine().put(path_of("pushrules", "global", "content", "r%s" % number), {"pattern": "x", "actions": ["notify"]})

    @staticmethod
    def seen(school):
        rules = school.user.get("/pushrules/global/").ok()["content"]
        return sorted(int(rule["rule_id"][1:]) for rule in rules if not rule["default"])


class Receipts:
    """Each in a thread of its own."""

    table = "receipts"

    @staticmethod
    def do(school, number):
        return school.mine().receipt(school.room, school.roots[number], thread_id=school.roots[number])

    @staticmethod
    def seen(school):
        read = [event for event, kind, user in receipts_of(school.user.sync().joined(school.room)) if user == school.user.user_id]
        return sorted(school.roots.index(event) for event in read if event in school.roots)


class ReadMarkers:
    """A receipt and the marker, in one write. Which of several comes last is open, and so is where the marker stands then."""

    table = "receipts"

    @staticmethod
    def do(school, number):
        event = school.roots[number]
        return school.mine().post(path_of("rooms", school.room, "read_markers"), {"m.fully_read": event, "m.read": event})

    @staticmethod
    def seen(school):
        joined = school.user.sync().joined(school.room)
        marks = [event["content"]["event_id"] for event in joined.account_data if event["type"] == "m.fully_read"]
        read = [event for event, kind, user in receipts_of(joined) if user == school.user.user_id]
        assert bool(marks) == bool(read) and set(marks + read) <= set(school.roots)
        return list(range(COUNT)) if read == school.roots[-1:] else []


class State:
    """Each in a room of its own, for it keeps the room's turn until its commit."""

    table = "events"

    @staticmethod
    def do(school, number):
        return school.mine().put_state(school.rooms[number], "org.example.state", {"n": number})

    @staticmethod
    def seen(school):
        found = [school.user.get_state(room, "org.example.state") for room in school.rooms]
        return [reply["n"] for reply in found if reply.status == 200]


class Redactions:
    """The same."""

    table = "events"

    @staticmethod
    def do(school, number):
        return school.mine().redact(school.rooms[number], school.firsts[number], "redaction")

    @staticmethod
    def seen(school):
        found = [school.user.event(room, event).ok() for room, event in zip(school.rooms, school.firsts)]
        return [number for number, event in enumerate(found) if not event["content"]]


KINDS = [Messages, AccountData, Tags, PushRules, Receipts, ReadMarkers, State, Redactions]


@contextlib.contextmanager
def begun(school, kind):
    """Requests of a kind of which the first waits for its commit, and none is committed before `held.release()`: gives (held, replies)."""
    school.roots = [school.put("root %d" % number).ok()["event_id"] for number in range(COUNT)]
    school.rooms = [school.user.create_room() for _ in range(COUNT)]
    school.firsts = [school.user.send(room) for room in school.rooms]
    with concurrent.futures.ThreadPoolExecutor(COUNT) as pool, school.held(kind.table) as held:
        replies = [pool.submit(kind.do, school, number) for number in range(COUNT)]
        wait_until(held.is_waited_for, what="it is being committed")
        yield held, replies


@contextlib.contextmanager
def under_way(school, kind):
    """The same, once all of them wait for it."""
    with begun(school, kind) as (held, replies):
        school.await_writes(COUNT)
        yield held, replies


@pytest.mark.tsan
@pytest.mark.parametrize("kind", KINDS)
@in_time
def test_many_of_a_kind__commit_hangs__workers_serve_others_and_all_are_there_after_their_answers(school, kind):
    with under_way(school, kind) as (held, replies):
        assert school.user.get("/rooms/%s/state/m.room.create" % school.room).ok()  # a worker's
        assert not [reply for reply in replies if reply.done()]
        held.release()
        for reply in replies:
            reply.result(seconds(60)).ok()
    assert kind.seen(school) == list(range(COUNT))


@pytest.mark.parametrize("kind", KINDS)
@in_time
def test_sigterm__commit_of_a_kind_hangs__what_is_acknowledged_is_there_after_the_start(school, kind):
    with under_way(school, kind) as (held, replies):
        school.server.process.send_signal(signal.SIGTERM)
        wait_until(school.is_stopping, what="the stop")
        assert not [reply for reply in replies if reply.done()]
        held.release()
        # Those that were in each other's way have to begin anew, which a server that stops may refuse.
        done = [number for number, reply in enumerate(replies) if reply.result(seconds(60)).expect((200, 503)).status == 200]
    assert done and school.server.terminate() == 0
    school.server.start()
    school.user.http.drop()
    for number in set(range(COUNT)) - set(done):
        kind.do(school, number).ok()
    assert kind.seen(school) == list(range(COUNT))


@pytest.mark.parametrize("kind", KINDS)
def test_commit_of_a_kind__takes_too_long__error_and_may_be_tried_again(school, kind):
    with begun(school, kind) as (held, replies):
        for reply in replies:
            reply.result(seconds(60)).expect((503, 504))
        held.release()
    assert kind.seen(school) == []
    for number in range(COUNT):
        kind.do(school, number).ok()
    assert kind.seen(school) == list(range(COUNT))


@contextlib.contextmanager
def levels_under_way(school):
    """The room is about to be closed to others, and an event of another waits for what becomes of that: gives (other, held, change, event)."""
    other = accounts.register(school.server.url)
    school.user.invite(school.room, other).ok()
    other.join(school.room).ok()
    levels = school.user.get_state(school.room, "m.room.power_levels").ok().json
    with concurrent.futures.ThreadPoolExecutor(2) as pool, school.held() as held:
        change = pool.submit(school.mine().put_state, school.room, "m.room.power_levels", dict(levels, events_default=100))
        wait_until(held.is_waited_for, what="it is being committed")
        yield other, held, change, pool.submit(other.put_event, school.room, "m.room.message", {"msgtype": "m.text", "body": "late"})


@pytest.mark.tsan
@in_time
def test_state__commit_hangs__next_event_is_judged_by_it(school):
    with levels_under_way(school) as (_, held, change, event):
        wait_until(lambda: school.figure('belfry_http_lane_busy{lane="local"}') == 1, what="the event waits for the room's turn")
        held.release()
        change.result(seconds(60)).ok()
        event.result(seconds(60)).expect(403, "M_FORBIDDEN")


@pytest.mark.tsan
def test_state__commit_takes_too_long__next_event_is_judged_by_what_was_before(school):
    """The event may come too late itself, but it is not forbidden, and neither is the next one."""
    with levels_under_way(school) as (other, held, change, event):
        change.result(seconds(60)).expect((503, 504))
        held.release()
        late = event.result(seconds(60)).expect((200, 503, 504))
    assert school.user.get_state(school.room, "m.room.power_levels").ok()["events_default"] != 100
    other.put_event(school.room, "m.room.message", {"msgtype": "m.text", "body": "later"}).ok()
    assert school.bodies() == ["later"] + ["late"] * (late.status == 200)


@pytest.mark.tsan
@in_time
def test_message_to_a_device__same_transaction_id_under_way__delivered_once_and_so_are_others(school):
    with concurrent.futures.ThreadPoolExecutor(6) as pool, school.held(Messages.table) as held:
        replies = [pool.submit(Messages.do, school, number, txn) for number, txn in
                   [(1, "same"), (2, None), (1, "same"), (3, None), (1, "same"), (4, None)]]
        wait_until(held.is_waited_for, what="it is being committed")
        school.await_writes(6)
        held.release()
        for reply in replies:
            reply.result(seconds(60)).ok()
    Messages.do(school, 1, "same").ok()
    assert Messages.seen(school) == [1, 2, 3, 4]


@in_time
def test_message_to_a_device__client_gone_while_the_commit_hangs__delivered_once(school):
    user = school.user
    body = json.dumps({"messages": {user.user_id: {user.device_id: {"n": 1}}}})
    with school.held(Messages.table) as held:
        school.send_and_go("/_matrix/client/v3/sendToDevice/m.test/gone", body, held)
        held.release()
    Messages.do(school, 1, "gone").ok()
    assert Messages.seen(school) == [1]
    school.await_writes(0)
