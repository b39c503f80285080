"""How often other servers may ask, and how much at once: who asks too much is told to come later, others do not notice.
Spec: client-server API, "Rate limiting"; server-server API, "Transactions"."""
import socket
import subprocess
import threading

import pytest

from support.client import quote, seconds, unique
from support.database import Cluster
from support.inbox import federated_on
from support.metrics import Metrics
from support.remote_room import RemoteRoom, room_path
from support.server import free_port, wait_until
from support.shared_room import SharedRoom
from test_fed_parked import Asks, Slow, assert_another_is_answered

LIMITS = {"rate_limits.enabled": "true"}


def limited(make_federated, **settings):
    return make_federated(settings={**LIMITS, **{"rate_limits." + key: str(value) for key, value in settings.items()}})


def is_told_to_wait(reply):
    reply.expect(429, "M_LIMIT_EXCEEDED")
    assert reply["retry_after_ms"] > 0
    assert int(reply.headers["retry-after"]) * 1000 >= reply["retry_after_ms"]


def ask_cheap(remote, server):
    return remote.send(server, "GET", "/query/profile?user_id=@nobody:" + server.server_name)


def ask_heavy(remote, server):
    return remote.send(server, "GET", "/publicRooms")


@pytest.mark.one_process("each process gives out its share of a limit, one request at the least")
@pytest.mark.parametrize("name, ask, other", [("server", ask_cheap, ask_heavy), ("server_heavy", ask_heavy, ask_cheap)])
def test_questions__more_than_the_budget__429_for_that_server_and_class_only(make_federated, make_remote, name, ask, other):
    one, two = make_remote(), make_remote()
    server = limited(make_federated, **{name + ".per_minute": 1, name + ".burst": 3}).start()
    for _ in range(3):
        assert ask(one, server).status in (200, 404)
    is_told_to_wait(ask(one, server))
    assert other(one, server).status in (200, 404)
    assert ask(two, server).status in (200, 404)
    assert one.transaction(server).status == 200


def test_transactions__many_in_a_row__none_is_refused(make_federated, remote):
    budgets = {"%s.%s" % (name, key): 1 for name in ("server", "server_heavy") for key in ("per_minute", "burst")}
    server = limited(make_federated, **budgets).start()
    for number in range(100):
        assert remote.transaction(server, txn="t%d" % number).status == 200


@pytest.mark.one_process("each process gives out its share of a limit, one request at the least")
def test_unproven__by_address__only_what_was_wrong_is_charged(make_federated, remote):
    server = limited(make_federated, **{"server_unproven.per_minute": 1, "server_unproven.burst": 3}).start()
    for _ in range(10):
        assert ask_cheap(remote, server).status == 404
    wrong = {"sig": "A" * 86}
    for _ in range(3):
        remote.send(server, "GET", "/publicRooms", **wrong).expect(401, "M_UNAUTHORIZED")
    is_told_to_wait(remote.send(server, "GET", "/publicRooms", **wrong))


def nobody_at(count):
    """Names of servers that refuse the connection."""
    return ["127.0.0.1:%d" % (number + 1) for number in range(count)]


@pytest.mark.one_process("each process gives out its share of a limit, one request at the least")
@pytest.mark.parametrize("path, field, wanted", [("/keys/query", "device_keys", []),
                                                 ("/keys/claim", "one_time_keys", {"D": "signed_curve25519"})])
def test_keys__of_many_servers__charged_as_many_requests(make_federated, path, field, wanted):
    """Whoever does not wait for the answers leaves behind what is under way, again and again."""
    server = limited(make_federated, **{"read.per_minute": 1, "read.burst": 20}).start()

    def ask(user, count, **more):
        return user.post(path, {field: {"@u:" + name: wanted for name in nobody_at(count)}, "timeout": 0, **more})
    lin, eve = server.user(), server.user()
    assert len(ask(lin, 12).ok()["failures"]) == 12
    is_told_to_wait(ask(lin, 12))
    assert len(ask(lin, 7).ok()["failures"]) == 7
    is_told_to_wait(ask(lin, 1))
    assert len(ask(eve, 100).ok()["failures"]) == 100  # no more than a full budget
    is_told_to_wait(ask(eve, 1))


@pytest.mark.tsan
@pytest.mark.one_process("each process has workers of its own")
def test_files__slow_server_of_one_user__others_are_asked_meanwhile(make_federated, make_remote):
    """Each of these requests keeps a worker while it waits: a user has a quarter of them at the most."""
    port = free_port()
    server = make_federated(settings={"http.remote_workers": "4", "listen.metrics": "127.0.0.1:%d" % port}).start()
    metrics, user, remote = Metrics(port), server.user(), make_remote()
    slow = Slow("/media/", remote)
    user.get("/account/whoami").ok()  # whoever is not in memory yet is nobody when a worker is looked for
    asks = Asks([lambda number=number: user.get("/_matrix/client/v1/media/download/%s/file%d" % (
        quote(remote.name), number)) for number in range(5)])
    try:
        slow.await_hanging(1)
        wait_until(lambda: sum(metrics['belfry_http_lane_%s{lane="remote"}' % word] for word in ("busy", "waiting")) == 5, 60)
        assert_another_is_answered(server, make_remote)
        assert not asks.replies
    finally:
        slow.hurry()
    assert [reply.status for reply in asks.all()] == [404] * 5


def slow_reader(remote, server, target):
    """A signed GET whose answer is not read."""
    host, _, port = server.server_name.rpartition(":")
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect((host, int(port)))
    link = remote.trust.wrap_socket(plain, server_hostname=host)
    link.sendall(("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: %s\r\n\r\n" % (
        target, remote.authorization("GET", target, server.server_name))).encode())
    assert link.recv(1) == b"H"  # it is being sent
    return link


@pytest.mark.one_process("how many may be under way at once is counted by each process")
def test_heavy_answer__not_read__next_of_that_server_waits_and_others_do_not(make_federated, make_remote):
    port = free_port()
    server = make_federated(settings={**LIMITS, "rate_limits.server_heavy.at_once": "1",
                                      "listen.metrics": "127.0.0.1:%d" % port}).start()
    metrics = Metrics(port)
    host, other = make_remote(), make_remote()
    big = [("x.big", str(number), {"text": "x" * 60000}) for number in range(150)]  # 9 MB: more than sockets take
    shared = SharedRoom(server, host, more_state=big)
    target = "/_matrix/federation/v1" + room_path("state", shared.room_id) + "?event_id=" + \
        room_path(shared.room.heads[0])[1:]
    link = slow_reader(host, server, target)
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(ask_heavy(host, server)))
    waiting.start()
    wait_until(lambda: metrics["belfry_http_waiting_turns"] == 1, what="the second waits")
    ask_heavy(other, server).ok()
    ask_cheap(host, server).expect(404, "M_NOT_FOUND")
    assert not replies
    while link.recv(1 << 16):
        pass
    link.close()
    waiting.join(seconds(30))
    replies[0].ok()
    assert metrics["belfry_http_waiting_turns"] == 0


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


@pytest.mark.one_process("how many may be under way at once is counted by each process")
@pytest.mark.tsan
def test_transactions__several_at_once__wait_and_all_are_taken(make_federated, cluster, make_remote):
    port = free_port()
    server = federated_on(cluster, make_federated, **LIMITS, **{
        "rate_limits.transaction.at_once": "1", "listen.metrics": "127.0.0.1:%d" % port})
    remote, other = make_remote(), make_remote()
    metrics = Metrics(port)
    for server_of in (remote, other):
        server_of.transaction(server).ok()  # their keys are known
    nested = {}
    for _ in range(400):  # more than bodies of clients may be nested; it spoils its event alone
        nested = {"n": nested}
    room = RemoteRoom(remote, version="2")
    events = [room.message("one of %d" % number) for number in range(4)]
    replies = []

    def send(number):
        replies.append(remote.transaction(server, [events[number], {"content": nested}], txn=unique("t")))
    with subprocess.Popen(["psql", "-X", "-q", "-A", "-t", server.database], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as holder:
        holder.stdin.write("BEGIN; LOCK TABLE inbox_transactions; SELECT 'locked';\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "locked\n"
        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: metrics["belfry_http_waiting_turns"] == 3, what="three wait")
        assert not replies
        ask_cheap(remote, server).expect(404, "M_NOT_FOUND")
        holder.stdin.close()
    for thread in threads:
        thread.join(seconds(30))
    assert sorted(event_id for reply in replies for event_id in reply.ok()["pdus"]) == sorted(
        event.event_id for event in events)
