"""Patroni and etcd replace a primary that crashes, loses its power, or hangs, while two processes of Belfry are under load.

Nothing acknowledged is lost, nobody saw what is not there afterwards, no one-time key is given out twice, and what the processes have in memory
is what the database has. How long nothing could be written is printed, and has to be less than docs/scaling.md says.
"""
import threading
import time

import pytest

from cluster import Patroni
from support import accounts
from support.client import Client, seconds
from support.conversation import Conversation
from support.keys import Device
from support.twins import twins_on

ALLOWED_S = 30  # longest silence; docs/scaling.md says so
KEYS = 900


@pytest.fixture(scope="module")
def cluster():
    with Patroni() as it:
        yield it


@pytest.fixture(scope="module")
def processes(cluster):
    with twins_on(cluster.url) as servers:
        yield servers


class Claimer(threading.Thread):
    """Claims one-time keys of a device until it is stopped."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.owner, self.claimer = accounts.register(server.url), accounts.register(server.url)
        keys = Device(self.owner)
        self.owner.post("/keys/upload", {"device_keys": keys.identity()}).ok()
        for _ in range(KEYS // 100):
            self.owner.post("/keys/upload", {"one_time_keys": keys.one_time(100)}).ok()
        self.claimed = []
        self.times = []  # when each was; monotonic
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                reply = self.claimer.post("/keys/claim", {"one_time_keys": {
                    self.owner.user_id: {self.owner.device_id: "signed_curve25519"}}})
            except OSError:
                self.claimer.http.drop()
                continue
            if reply.status == 200:
                self.claimed += reply["one_time_keys"][self.owner.user_id][self.owner.device_id]
                self.times.append(time.monotonic())
                time.sleep(0.1)  # they have to last
            else:
                reply.expect(503)

    def finish(self):
        self.stopping.set()
        self.join(seconds(60))
        assert not self.is_alive()
        given = ["%s at %.1f" % (key, at) for key, at in zip(self.claimed, self.times)]
        assert len(self.claimed) == len(set(self.claimed)), "a key was given out twice: " + ", ".join(given)


def one_round(cluster, processes, trouble):
    """@return the Conversation that went on over it"""
    cluster.wait_whole()
    talk, claimer = Conversation(processes[0], others=processes[1:]), Claimer(processes[0])
    claimer.start()
    talk.progress(200)
    victim = cluster.primary()
    getattr(victim, trouble)()
    talk.progress(200)
    if trouble.startswith("freeze"):
        victim.thaw()
        talk.progress(100)
        cluster.wait_whole()  # so it has seen that another has taken over
        talk.progress(100)
    talk.finish()
    claimer.finish()
    refusals = talk.refusals()
    print("%s: nothing was written for %.1f s; %d refusals; %d messages, %d keys given out; %s was replaced by %s" % (
        trouble, talk.silence(), len(refusals), talk.acknowledged(), len(claimer.claimed), victim.name, cluster.primary().name))
    talk.check()
    for reply in refusals:
        assert reply.status in (503, 504) and reply.errcode and int(reply.headers["retry-after"]) > 0, reply
    assert talk.silence() < seconds(ALLOWED_S)
    if trouble == "kill":
        victim.start()
    return talk


def shown(server, user):
    """What a process says of a user's rooms."""
    sync = Client(server.url, user.token, user.user_id).sync()
    return sync["device_one_time_keys_count"], {
        room_id: ([event["event_id"] for event in room["timeline"]["events"]], room.get("unread_notifications"), room["summary"])
        for room_id, room in sync["rooms"]["join"].items()}


def test_primary_fails__under_load__writes_go_on_nothing_is_lost_and_memory_is_what_the_database_is(cluster, processes):
    talks = [one_round(cluster, processes, trouble) for trouble in ("kill_postgres", "kill", "freeze", "freeze_postgres")]
    people = [talk.owner for talk in talks]
    before = [[shown(server, user) for user in people] for server in processes]
    assert before[0] == before[1]
    cluster.wait_whole()  # who starts while an old primary still takes writes knows of no newer one
    for server in processes:
        server.terminate()
    for server in processes:
        server.start()
    assert [[shown(server, user) for user in people] for server in processes] == before
