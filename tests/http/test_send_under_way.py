"""A message between its write and its answer: the commit hangs, and meanwhile the client goes, asks again, or the server stops.

No worker waits for the commit (http/handover.h), so each of these ends is another than that of a request that a worker has.
"""
import concurrent.futures
import json
import signal
import socket

import pytest

from support import accounts
from support.client import Client, Http, seconds, unique
from support.database import Cluster, HeldTable
from support.server import free_port, wait_until

pytestmark = pytest.mark.one_process("what one process does with what it has under way")
WORKERS = 2


class School:
    """A server with few workers, and a room; `held()` lets no event be written until the end of the block."""

    def __init__(self, cluster, make_server):
        name = "d" + unique("b").replace("-", "_").lower()
        cluster.sql("CREATE DATABASE %s" % name)
        self.url = cluster.url.replace("/postgres?", "/%s?" % name)
        metrics = "127.0.0.1:%d" % free_port()
        self.server = make_server(settings={"database.url": self.url, "http.local_workers": WORKERS, "listen.metrics": metrics}).start()
        self.page = Http("http://" + metrics)
        self.user = accounts.register(self.server.url)
        self.room = self.user.create_room()

    def held(self):
        return HeldTable(self.url, "events")

    def figure(self, name):
        lines = self.page.raw("GET", "/metrics").raw.decode().splitlines()
        return int(next(line.split()[-1] for line in lines if line.startswith(name + " ")))

    def await_sends(self, count):
        """So many wait for their commit, and no worker does."""
        wait_until(lambda: self.figure("belfry_http_parked") == count, what="%d messages on their way to the disk" % count)
        wait_until(lambda: self.figure('belfry_http_lane_busy{lane="local"}') == 0, what="workers that have nothing to do")

    def is_stopping(self):
        try:
            return self.page.raw("GET", "/metrics").status != 200
        except OSError:
            return True

    def put(self, number, txn=None):
        mine = Client(self.server.url, self.user.token, self.user.user_id)
        return mine.put_event(self.room, "m.room.message", {"msgtype": "m.text", "body": str(number)}, txn)

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


def test_many_messages__commit_hangs__workers_serve_others_and_nothing_is_answered_before(school):
    with concurrent.futures.ThreadPoolExecutor(8) as pool, school.held() as held:
        replies = [pool.submit(school.put, number) for number in range(8)]
        wait_until(held.is_waited_for, what="it is being committed")
        school.await_sends(8)
        assert school.user.get("/rooms/%s/state/m.room.create" % school.room).ok()  # a worker's
        assert not [reply for reply in replies if reply.done()]
        held.release()
        events = [reply.result(seconds(60)).ok()["event_id"] for reply in replies]
    assert len(set(events)) == 8 and sorted(school.bodies()) == [str(number) for number in range(8)]


def test_same_transaction_id__commit_hangs__one_event(school):
    with concurrent.futures.ThreadPoolExecutor(3) as pool, school.held() as held:
        replies = [pool.submit(school.put, "once", "same") for _ in range(3)]
        wait_until(held.is_waited_for, what="it is being committed")
        school.await_sends(3)
        held.release()
        events = [reply.result(seconds(60)).ok()["event_id"] for reply in replies]
    assert len(set(events)) == 1 and school.bodies() == ["once"]


def test_client__gone_while_the_commit_hangs__event_is_there_once(school):
    target = "/_matrix/client/v3/rooms/%s/send/m.room.message/gone" % school.room
    body = json.dumps({"msgtype": "m.text", "body": "gone"})
    with school.held() as held:
        connection = socket.create_connection(("127.0.0.1", school.server.port))
        connection.sendall(("PUT %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (
            target, school.user.token, len(body), body)).encode())
        wait_until(held.is_waited_for, what="it is being committed")
        connection.close()
        school.await_sends(1)
        held.release()
    again = school.put("gone", "gone").ok()["event_id"]
    assert school.user.event(school.room, again).ok() and school.bodies() == ["gone"]
    school.await_sends(0)


@pytest.mark.tsan
def test_sigterm__commit_hangs__answered_when_it_is_done(school):
    with concurrent.futures.ThreadPoolExecutor(WORKERS + 1) as pool, school.held() as held:
        replies = [pool.submit(school.put, number) for number in range(WORKERS + 1)]
        wait_until(held.is_waited_for, what="it is being committed")
        school.await_sends(WORKERS + 1)
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
