"""Clients that mean harm, or many that mean well at once: nobody else notices, and all views agree afterwards.

Bad input by itself is in test_bad_input.py and, for every route, in test_every_route.py.
"""
import random
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import Http, path_of, quote, seconds, unique
from support.processes import peak_kib

pytestmark = pytest.mark.tsan


def connect(user):
    return socket.create_connection((user.http.host, user.http.port), timeout=seconds(20))


def head(user, method, path, *more):
    lines = ["%s /_matrix/client/v3%s HTTP/1.1" % (method, path), "Host: x", "Authorization: Bearer " + user.token]
    return ("\r\n".join(lines + list(more)) + "\r\n\r\n").encode()


def read_answers(connection, number):
    """Bytes until so many answers have begun, or the end of the connection."""
    got = b""
    while got.count(b"HTTP/1.1 ") < number:
        part = connection.recv(65536)
        if not part:
            break
        got += part
    return got


def still_served(user, room):
    assert user.event(room, user.send(room)).ok()


def test_pipelining__many_requests_of_all_lanes__each_answered_in_order(alice):
    """Inline, slow and local ones in turn; the answers come in the order of the requests."""
    body = b'{"name":"x"}'
    create = head(alice, "POST", "/createRoom", "Content-Length: %d" % len(body)) + body
    missing = head(alice, "GET", "/profile/@nobody-here:hs1")
    with connect(alice) as connection:
        connection.sendall((head(alice, "GET", "/account/whoami") + create + missing) * 20)
        got = read_answers(connection, 60)
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"200", b"200", b"404"] * 20


@pytest.mark.peer("answers only one request at a time")
def test_waiting_sync__gone_or_with_a_request_behind__others_are_answered(alice, room):
    since = alice.sync().since
    both = head(alice, "GET", "/sync?timeout=60000&since=" + since) + head(alice, "GET", "/account/whoami")
    connections = [connect(alice) for _ in range(20)]
    for connection in connections:
        connection.sendall(both)
    for connection in connections[:10]:
        connection.close()
    alice.send(room)
    for connection in connections[10:]:
        got = read_answers(connection, 2)
        assert got.count(b"HTTP/1.1 200") == 2 and b'"next_batch"' in got and b'"user_id"' in got
        connection.close()
    still_served(alice, room)


@pytest.mark.parametrize("begun", [b"GET /_matrix/client/versions HTTP/1.1\r\nX-", None], ids=["heads", "bodies"])
def test_slow_requests__many_begun_and_not_ended__others_are_served(alice, room, begun):
    begun = begun or head(alice, "POST", "/createRoom", "Content-Length: 100000") + b"{"
    connections = [connect(alice) for _ in range(100)]
    for connection in connections:
        connection.sendall(begun)
    alice.http.drop()
    still_served(alice, room)
    for connection in connections:
        connection.close()


def test_slow_readers__large_answers_not_read__others_are_served(alice, room):
    for _ in range(10):
        alice.send(room, "x" * 30000)
    connections = []
    for _ in range(30):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((alice.http.host, alice.http.port))
        connection.sendall(head(alice, "GET", "/rooms/%s/messages?dir=b&limit=100" % quote(room)))
        connections.append(connection)
    still_served(alice, room)
    for connection in connections:
        connection.close()


def test_membership__changed_by_all_at_once__every_view_agrees(hs, alice):
    """State, lists of members and each user's own list of rooms tell the same afterwards."""
    room = alice.create_room(preset="public_chat")
    users = [hs.user() for _ in range(6)]
    chance = random.Random(5)
    changes = (lambda one, _: one.join(room), lambda one, _: one.leave(room), lambda one, other: one.kick(room, other),
               lambda _, other: alice.ban(room, other), lambda _, other: alice.unban(room, other),
               lambda one, other: one.invite(room, other), lambda one, _: one.forget(room),
               lambda one, _: one.put_event(room, "m.room.message", {"body": "x"}),
               lambda one, _: one.put(path_of("profile", one.user_id, "displayname"), {"displayname": unique("n")}),
               lambda one, _: one.sync_reply())
    with ThreadPoolExecutor(12) as pool:
        replies = [pool.submit(chance.choice(changes), chance.choice(users), chance.choice(users)) for _ in range(200)]
        for reply in replies:
            assert reply.result(seconds(120)).status < 500, reply.result()
    state = alice.get(alice.room(room, "state")).ok().json
    keys = [(event["type"], event["state_key"]) for event in state]
    assert len(keys) == len(set(keys))
    joined = {event["state_key"] for event in state
              if event["type"] == "m.room.member" and event["content"]["membership"] == "join"}
    assert set(alice.get(alice.room(room, "joined_members")).ok()["joined"]) == joined
    for user in users + [alice]:
        assert (room in user.get("/joined_rooms").ok()["joined_rooms"]) == (user.user_id in joined)
        assert (room in user.sync().rooms("join")) == (user.user_id in joined)


@pytest.mark.one_process("each process gives out its share of a limit")
def test_passwords_guessed__from_all_addresses_of_a_network__one_budget(make_server):
    """Who has one IPv6 address has 2^64 of them; neighbours by IPv4 are somebody else."""
    server = make_server(settings={"rate_limits.enabled": "true", "rate_limits.login.per_minute": "1", "rate_limits.login.burst": "2"}).start()
    guess = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "nobody"}, "password": "guess"}

    def status_from(address):
        return server.anonymous().post("/login", guess, token=False, headers={"X-Forwarded-For": address}).status
    assert [status_from("2001:db8:0:1::%d" % host) for host in range(1, 4)] == [403, 403, 429]
    assert status_from("2001:db8:0:2::1") == 403
    assert [status_from("192.0.2.%d" % host) for host in range(1, 4)] == [403] * 3


@pytest.mark.one_process("each process gives out its share of a limit")
def test_passwords_guessed__by_several_accounts__one_budget_of_their_address(make_server):
    server = make_server(settings={"rate_limits.enabled": "true", "rate_limits.login.per_minute": "1", "rate_limits.login.burst": "2"}).start()
    users = [accounts.register(server.url) for _ in range(3)]
    assert [user.delete("/devices/" + user.device_id, {}).status for user in users] == [401, 401, 429]


# -- bodies of very many members: what they cost is not the square of them

MANY = {"%x" % number: 1 for number in range(4000)}


def join_with_fields(alice, bob):
    room = alice.create_room(preset="public_chat")
    reply = bob.post(path_of("join", room), MANY).ok()
    assert alice.get(alice.room(room, "state", "m.room.member", bob.user_id)).ok()["f9f"] == 1
    return reply


def room_with_invite_of_fields(alice, bob):
    invite = {"type": "m.room.member", "state_key": bob.user_id, "content": {"membership": "invite", **MANY}}
    return alice.post("/createRoom", {"initial_state": [invite]}).expect((200, 400, 403))


def upgrade_with_creators(alice, _):
    creators = ["@%s:x" % name for name in MANY]
    room = alice.create_room(room_version="12", creation_content={"additional_creators": creators[:3500]})
    return alice.post(alice.room(room, "upgrade"), {"new_version": "11"}).ok()


def upgrade_with_users(alice, _):
    creators = ["@%s:x" % name for name in MANY][:3500]
    room = alice.create_room(room_version="11", power_level_content_override={
        "users": {alice.user_id: 100, **dict.fromkeys(creators, 50)}})
    return alice.post(alice.room(room, "upgrade"), {"new_version": "12", "additional_creators": creators}).ok()


@pytest.mark.one_process("the memory of one process is looked at")
@pytest.mark.parametrize("act", [join_with_fields, room_with_invite_of_fields, upgrade_with_creators, upgrade_with_users],
                         ids=lambda act: act.__name__)
def test_thousands_of_members_in_a_body__memory_stays(make_server, act):
    """A join of 128 KiB once took more than 5 GiB."""
    server = make_server().start()
    alice, bob = (accounts.register(Http(server.url)) for _ in range(2))
    alice.sync()
    before = peak_kib(server.process.pid)
    act(alice, bob)
    assert peak_kib(server.process.pid) - before < 150 << 10
