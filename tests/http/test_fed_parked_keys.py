"""Who asks for keys of users of a slow server waits without a worker: hundreds of them delay nobody else, and take only so much memory."""
import json
import os
import socket

import pytest

from support.client import quote
from support.keys import Device, Person
from support.metrics import Metrics
from support.processes import peak_kib
from support.remote import FEDERATION
from support.remote_room import RemoteRoom
from support.server import free_port, wait_until
from support.twins import waiting
from test_fed_keys_remote import CLAIM, QUERY, Far, answering, asks, claim, query
from test_fed_parked import HANGING, WORKERS, Asks, Slow, assert_another_is_answered

HUNDREDS = 300
LONG = 60000  # as much time as a client may give others


@pytest.fixture
def server(make_federated):
    return make_federated(settings={"http.remote_workers": WORKERS,
                                    "listen.metrics": "127.0.0.1:%d" % free_port()}).start()


def sign(user, far):
    person = Person(user).upload()
    signed = person.user_signing.over(far.master, user.user_id)
    reply = user.post("/keys/signatures/upload", {far.user_id: {far.person.master.public: signed}}).ok()
    assert reply.json.get("failures", {}) == {}


def query_of(user, far):
    found = query(user, far.user_id, timeout=LONG)
    assert far.device_id in found["device_keys"][far.user_id] and found["failures"] == {}


def claim_of(user, far):
    found = claim(user, far.user_id, far.device_id, timeout=LONG)
    assert found["one_time_keys"][far.user_id][far.device_id] == far.one_time and found["failures"] == {}


@pytest.mark.tsan
@pytest.mark.parametrize("word, ask, path", [("/keys/query", query_of, QUERY), ("/keys/claim", claim_of, CLAIM),
                                             ("/keys/query", sign, QUERY)], ids=["query", "claim", "signatures"])
def test_keys__of_a_slow_server__others_are_asked_meanwhile(server, make_remote, word, ask, path):
    fars, users = [Far(make_remote()) for _ in range(HANGING)], [server.user() for _ in range(HANGING)]
    remotes = {far: far.remote for far in fars}
    for far, remote in remotes.items():
        far.one_time = far.device.one_time()
        answering(remote, far.answer())
        remote.on("POST", CLAIM, lambda ask, far=far: (
            200, {"one_time_keys": {far.user_id: {far.device_id: far.one_time}}}))
    slow = Slow(word, *remotes.values())
    hanging = Asks([lambda user=user, far=far: ask(user, far) for user, far in zip(users, fars)])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert hanging.all() == [None] * HANGING
    assert [len(asks(remote, path)) for remote in remotes.values()] == [1] * HANGING


@pytest.mark.tsan
@pytest.mark.one_process("how many one process has parked")
def test_keys__hundreds_at_a_silent_server__all_else_is_answered(server, remote, make_remote):
    """More than there are workers of any kind: nothing else of anybody may wait for them."""
    far, user, lin = Far(remote), server.user(), server.user()
    answering(remote, far.answer())
    room_id = lin.create_room()
    Device(lin).upload(keys=2)
    slow = Slow("/keys/query", remote)
    hanging = Asks([lambda: query_of(user, far)] * HUNDREDS)
    try:
        wait_until(lambda: waiting(server) == HUNDREDS, 60)
        assert lin.get("/account/whoami").ok()["user_id"] == lin.user_id
        event_id = lin.send(room_id)
        assert event_id in lin.sync().joined(room_id).ids()
        assert lin.device_id in query(user, lin.user_id)["device_keys"][lin.user_id]
        assert lin.device_id in claim(user, lin.user_id, lin.device_id)["one_time_keys"][lin.user_id]
        assert_another_is_answered(server, make_remote)
        assert waiting(server) == HUNDREDS
    finally:
        slow.hurry()
    assert hanging.all() == [None] * HUNDREDS


@pytest.mark.one_process("how many one process has parked")
def test_keys__of_ours_and_of_others__ours_are_not_taken_before_the_others_have_answered(server, remote):
    """A client that is told to come again, since the server stops, has cost nobody a key."""
    far, lin, user = Far(remote), server.user(), server.user()
    Device(lin).upload(keys=1)
    remote.on("POST", CLAIM, lambda ask: (200, {"one_time_keys": {}}))
    slow = Slow("/keys/claim", remote)
    both = {"one_time_keys": {far.user_id: {far.device_id: "signed_curve25519"}, lin.user_id: {lin.device_id: "signed_curve25519"}},
            "timeout": LONG}
    hanging = Asks([lambda: user.post("/keys/claim", both)])
    try:
        slow.await_hanging(1)
        assert lin.sync()["device_one_time_keys_count"]["signed_curve25519"] == 1
    finally:
        slow.hurry()
    assert lin.device_id in hanging.all()[0].ok()["one_time_keys"][lin.user_id]
    assert lin.sync()["device_one_time_keys_count"]["signed_curve25519"] == 0


def post_and_go(server, count, body):
    """Key queries of several users, whose clients hang up without an answer; the connections."""
    users, links = [server.user() for _ in range(20)], []
    host, port = server.url.split("://")[1].split(":")
    data = json.dumps(body).encode()
    for number in range(count):
        links.append(socket.create_connection((host, int(port))))
        links[-1].sendall(("POST /_matrix/client/v3/keys/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                           "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
                               users[number % len(users)].token, len(data))).encode() + data)
    return links


def many_users(remote, count):
    return {"@%06d%s:%s" % (number, "x" * 60, remote.name): [] for number in range(count)}


@pytest.mark.tsan
@pytest.mark.one_process("how many one process has parked")
def test_keys__clients_hang_up__what_they_took_is_given_back(server, remote, make_remote):
    far, user = Far(remote), server.user()
    answering(remote, far.answer())
    slow = Slow("/keys/query", remote)
    links = post_and_go(server, HUNDREDS, {"device_keys": {far.user_id: []}, "timeout": LONG})
    wait_until(lambda: waiting(server) == HUNDREDS, 60)
    for link in links:
        link.close()
    slow.hurry()
    wait_until(lambda: waiting(server) == 0, 60)
    query_of(user, far)
    assert_another_is_answered(server, make_remote)


@pytest.mark.tsan
@pytest.mark.one_process("how one process ends")
def test_sigterm__key_queries_at_a_silent_server__answered(server, remote):
    far, user = Far(remote), server.user()
    Device(user).upload(keys=1)
    slow = Slow("/keys/", remote)
    claims = {"one_time_keys": {far.user_id: {far.device_id: "signed_curve25519"},
                                user.user_id: {user.device_id: "signed_curve25519"}}, "timeout": LONG}
    queries = {"device_keys": {far.user_id: []}, "timeout": LONG}
    hanging = Asks([lambda: user.post("/keys/query", queries), lambda: user.post("/keys/claim", claims)] * 20)
    try:
        wait_until(lambda: waiting(server) == 40, 60)
        assert server.terminate() == 0
    finally:
        slow.hurry()
    assert {reply.status for reply in hanging.all()} == {503}


# -- memory

@pytest.fixture
def no_quarantine(monkeypatch):
    """Sanitizers keep freed memory for a while: not so much that growth could not be told from it."""
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4")


@pytest.mark.one_process("the memory of one process is looked at")
def test_keys__very_many_users_of_a_silent_server_again_and_again__only_so_many_are_parked(
        no_quarantine, server, remote, make_remote):
    """Each takes megabytes while it waits: those for which there is no room hold a worker, as few as a user may have."""
    user = server.user()
    answering(remote, {"device_keys": {}})
    body = {"device_keys": many_users(remote, 2500), "timeout": LONG}
    slow = Slow("/keys/query", remote)
    user.get("/account/whoami").ok()
    before = peak_kib(server.process.pid)
    metrics = Metrics.of(server)

    def under_way():
        return waiting(server) + sum(metrics['belfry_http_lane_%s{lane="remote"}' % word] for word in ("busy", "waiting"))
    links = post_and_go(server, 200, body)
    try:
        slow.await_hanging(1)
        wait_until(lambda: under_way() == 200, 60)
        wait_until(lambda: waiting(server) > 5, 60)  # the worker takes one after another until it has to hold one
        assert waiting(server) < 200
        assert (peak_kib(server.process.pid) - before) // 1024 < 350
        assert user.get("/account/whoami").ok()["user_id"] == user.user_id
    finally:
        for link in links:
            link.close()
        slow.hurry()
    wait_until(lambda: under_way() == 0, 120)
    hold = Slow("/keys/query", remote)
    hanging = Asks([lambda: user.post("/keys/query", {"device_keys": {"@a:" + remote.name: []}, "timeout": LONG})] * HANGING)
    try:
        wait_until(lambda: waiting(server) == HANGING, 60)  # there is room again
        assert_another_is_answered(server, make_remote)
    finally:
        hold.hurry()
    assert [reply.status for reply in hanging.all()] == [200] * HANGING


@pytest.fixture
def shared(make_federated):
    """With four workers for requests that may wait for others: a user has one of them."""
    server = make_federated(settings={"http.remote_workers": "4", "listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    server.metrics = Metrics.of(server)
    return server


def parked_mib(server):
    return server.metrics["belfry_http_parked_bytes"] / (1 << 20)


@pytest.mark.tsan
@pytest.mark.one_process("how many one process has parked")
def test_keys__very_many_users_by_one_who_asks__a_share_is_parked_and_others_have_theirs(shared, remote, make_remote):
    eve, lin, other = shared.user(), shared.user(), make_remote()
    slow, of_lin = Slow("/keys/query", remote), Slow("/keys/query", other)
    answering(remote, {"device_keys": {}})
    answering(other, {"device_keys": {}})
    many = [{"device_keys": {"@%x:%s" % (number, at.name): [] for number in range(8000)}, "timeout": LONG} for at in (remote, other)]
    hanging = Asks([lambda: eve.post("/keys/query", many[0]).ok()] * 12)
    last = None

    def under_way():
        return waiting(shared) + sum(shared.metrics['belfry_http_lane_%s{lane="remote"}' % word] for word in ("busy", "waiting"))
    try:
        slow.await_hanging(1)
        wait_until(lambda: under_way() == 12, 60)
        last = Asks([lambda: lin.post("/keys/query", many[1]).ok()])
        of_lin.await_hanging(1)
        wait_until(lambda: under_way() == 13 and shared.metrics['belfry_http_lane_busy{lane="remote"}'] == 1, 60)
        assert 1 < waiting(shared) < 6 and parked_mib(shared) < 20
    finally:
        slow.hurry()
        of_lin.hurry()
        assert all(reply is not None for asks in (hanging, last) if asks for reply in asks.all())
    wait_until(lambda: parked_mib(shared) == 0, 60)


@pytest.mark.one_process("how much one process has parked")
def test_keys__answer_there_and_lists_to_be_known__what_it_takes_is_counted(shared, remote):
    """Who waits while a list is fetched has the answer in memory, too."""
    eve, far = shared.user(), Far(remote)
    room = RemoteRoom(remote, creator=far.user_id).serve()
    eve.post("/join/%s?via=%s" % (quote(room.room_id), quote(remote.name)), {}).ok()
    answering(remote, far.answer(more="x" * (512 << 10)))
    remote.on("GET", FEDERATION + "/user/devices/(.+)", lambda ask: (200, far.list()))
    lists = Slow("/user/devices/", remote)
    hanging = Asks([lambda: query_of(eve, far) or "answered"])
    try:
        lists.await_hanging(1)
        wait_until(lambda: parked_mib(shared) > 0.5, 60)
    finally:
        lists.hurry()
    assert hanging.all() == ["answered"]
