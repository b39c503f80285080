"""Answers of other servers that are made to cost: few bytes on the wire, since they are packed, and much here."""
import gzip
import json
import os

import pytest

from support.client import path_of, quote, unique
from support.handshake import asked
from support.processes import peak_kib
from support.remote import FEDERATION
from support.remote_room import RemoteRoom
from support.server import wait_until
from support.shared_room import SharedRoom
from test_fed_queries import chunk

pytestmark = pytest.mark.one_process("the memory of one process is looked at")

MIB = 1024  # in KiB


@pytest.fixture(autouse=True)
def no_quarantine(monkeypatch):
    """Sanitizers keep freed memory for a while: not so much that growth could not be told from it."""
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4")


@pytest.fixture
def server(make_federated):
    """Each test's own: the most memory that a process ever had never falls."""
    return make_federated().start()


@pytest.fixture
def quick(make_federated):
    """The same, and it soon asks again."""
    return make_federated(settings={"federation.retry_first": "200ms", "federation.retry_longest": "1s"}).start()


@pytest.fixture
def lin(server):
    return server.user()


class Growth:
    """with Growth(server) as growth: …; then growth.mib"""

    def __init__(self, server):
        self.pid = server.process.pid

    def __enter__(self):
        self.before = peak_kib(self.pid)
        return self

    def __exit__(self, *error):
        self.mib = (peak_kib(self.pid) - self.before) // MIB


def packed(body):
    """Quickly: another level takes 20 times as long for as many bytes, and the server under test waits meanwhile."""
    data = gzip.compress(body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode(), compresslevel=1)
    return lambda ask: (200, data, {"Content-Encoding": "gzip"})


def countless(before, after, count):
    """Values of three bytes each; one takes 32 bytes once it is read, as many again while it is."""
    return before + b"[]," * (count - 1) + b"[]" + after


def child(room_id):
    return {"type": "m.space.child", "state_key": room_id, "sender": "@zoe:x.example", "origin_server_ts": 1,
            "content": {"via": ["x.example"]}}


def far_room(remote):
    return "!%s:%s" % (unique("far"), remote.name)


def hierarchy(user, room_id):
    return user.get("/_matrix/client/v1" + path_of("rooms", room_id, "hierarchy"))


# -- spaces

def test_hierarchy__one_room_a_thousand_times_in_a_space__read_once(server, remote, lin):
    """Each time it was read anew with all the rooms in it: 2.4 GB and 15 s where these were 26,000."""
    space, room = far_room(remote), far_room(remote)
    remote.on("GET", FEDERATION + "/hierarchy/.*", packed({
        "room": chunk(space, *[child(room)] * 1000, room_type="m.space"),
        "children": [chunk(room, *[child("!%x:x.example" % number) for number in range(9000)], name="Hall")]}))
    with Growth(server) as growth:
        rooms = hierarchy(lin, space).ok()["rooms"]
    assert [found["room_id"] for found in rooms][:2] == [space, room] and rooms[1]["name"] == "Hall"
    assert len(rooms[0]["children_state"]) == 1 and len(rooms[1]["children_state"]) == 1000
    assert growth.mib < 150


def test_summary__members_of_very_many_rooms_let_in__memory_stays(server, remote, lin):
    """For each of them the rooms of the user were copied: 3.7 GB for somebody in 50 rooms and 400,000 ids."""
    for _ in range(20):
        own = lin.create_room()
    allowed = ["!%x:x.y" % number for number in range(90_000)] + [own]
    far, lie = far_room(remote), far_room(remote)
    for room_id, ids in ((far, allowed), (lie, allowed[:-1])):
        remote.on("GET", FEDERATION + "/hierarchy/" + room_id, packed({
            "room": chunk(room_id, join_rule="restricted", allowed_room_ids=ids), "children": []}))

    def summary(room_id):
        return lin.get("/_matrix/client/v1%s?via=%s" % (path_of("room_summary", room_id), quote(remote.name)))
    with Growth(server) as growth:
        assert summary(far).ok()["room_id"] == far
        summary(lie).expect(404, "M_NOT_FOUND")
    assert growth.mib < 150


def test_hierarchy__countless_values__nothing_is_read(server, remote, lin):
    """A request asks up to twenty times and keeps what it is told: 2.2 GB."""
    space = far_room(remote)
    rooms = [far_room(remote) for _ in range(30)]

    def answer(ask):
        room_id = ask.path.rpartition("/")[2]
        if room_id == space:
            return 200, {"room": chunk(space, *map(child_here, rooms), room_type="m.space"), "children": []}
        told = json.dumps(chunk(room_id)).encode()
        return packed(countless(b'{"room":' + told + b',"children":[', b"]}", 690_000))(ask)

    def child_here(room_id):
        return {**child(room_id), "content": {"via": [remote.name]}}
    remote.on("GET", FEDERATION + "/hierarchy/.*", answer)
    with Growth(server) as growth:
        found = hierarchy(lin, space).ok()["rooms"]
    assert [room["room_id"] for room in found] == [space] and len(remote.asked) >= 20
    assert growth.mib < 250


# -- others

def test_public_rooms__countless_values__502(server, remote, lin):
    remote.on("POST", FEDERATION + "/publicRooms", packed(countless(b'{"chunk":[', b"]}", 1_390_000)))
    with Growth(server) as growth:
        lin.post("/publicRooms?server=" + quote(remote.name), {}).expect(502)
    assert growth.mib < 60


def test_keys_query__each_server_tells_as_much_as_it_can__together_so_much(server, make_remote, lin):
    """16 MiB each, of as many servers as a request names: 126 MiB for each of them."""
    remotes = [make_remote() for _ in range(8)]
    for remote in remotes[1:]:
        remote.on("POST", FEDERATION + "/user/keys/query", packed(countless(
            b'{"device_keys":{},"pad":"' + b"x" * (12 << 20) + b'","more":[', b"]}", 990_000)))
    remotes[0].on("POST", FEDERATION + "/user/keys/query", lambda ask: (200, {"device_keys": {}}))
    with Growth(server) as growth:
        reply = lin.post("/keys/query", {"device_keys": {"@zoe:" + remote.name: [] for remote in remotes}}).ok()
    assert set(reply["failures"]) == {remote.name for remote in remotes[1:]}
    assert growth.mib < 150


# -- events

COUNT = 7_990_000  # what was let through once: 1.3 GB


def join(user, room):
    return user.post(path_of("join", room.room_id), {}, query={"server_name": room.remote.name})


def list_in(key, values=b"[],"):
    """An answer whose list has 24 MB of values that are no events."""
    return packed(b'{"' + key.encode() + b'":[' + values * (3 * COUNT // len(values)) + b'0],"auth_chain":[],"event":{}}')


def dense(number):
    """A content of 60 KB, as events may have it: a value in every three bytes."""
    return {"number": number, "x": [[]] * 20_000}


@pytest.mark.parametrize("values", [b"[],", b'{"a":0},'])
def test_join__countless_values__502_and_can_be_joined_later(server, remote, lin, values):
    room = RemoteRoom(remote).serve()
    usual = list(remote.handlers)
    remote.on("PUT", r"/_matrix/federation/v2/send_join/.*", list_in("state", values))
    with Growth(server) as growth:
        join(lin, room).expect(502, "M_UNKNOWN")
    assert growth.mib < 250
    remote.handlers[:] = usual
    join(server.user(), room).ok()


def test_join__countless_members_of_one_event__left_out(server, remote, lin):
    """One event of 24 MB: it is passed over with the list, and then too much to be read."""
    room = RemoteRoom(remote).serve()
    members = b",".join(b'"%x":0' % number for number in range(2_600_000))

    def answer(ask):
        event = room.add(ask.json)
        told = json.dumps(room.join_answer(event)).encode()
        return packed(told.replace(b'"state": [', b'"state": [{' + members + b"},", 1))(ask)
    remote.on("PUT", r"/_matrix/federation/v2/send_join/.*", answer)
    with Growth(server) as growth:
        join(lin, room).ok()
    assert growth.mib < 350


def test_join__very_many_events_of_countless_values__last_ones_left_out(server, remote, lin):
    """
    Anybody may have such an event in a room: it does not keep others out of it, and those for which nothing is left of what is given to
    all of them are left out. Memory by itself tells little here: what is kept of the others is more than their trees.
    """
    room = RemoteRoom(remote).serve()
    for number in range(250):
        user = "@far%d:%s" % (number, remote.name)
        room.send("m.room.member", {"membership": "join", **dense(number)}, user, user)
    room.send("m.room.topic", {"topic": "behind them"}, "")
    join(lin, room).ok()
    assert lin.get_state(room.room_id, "m.room.topic").ok()["topic"] == "behind them"
    members = lin.get(path_of("rooms", room.room_id, "joined_members")).ok()["joined"]
    assert 100 < len(members) < 252


def test_state__countless_values__asked_for_again(quick, remote):
    """The members of a room that came without them."""
    user, room = quick.user(), RemoteRoom(remote).serve()
    room.omits_members = True
    far = room.join("@far:" + remote.name).json["sender"]
    usual = list(remote.handlers)
    remote.on("GET", FEDERATION + "/state/.*", list_in("pdus"))
    with Growth(quick) as growth:
        join(user, room).ok()
        wait_until(lambda: len(asked(remote, "state")) >= 2, what="it is asked again")
    assert growth.mib < 250
    remote.handlers[:] = usual
    members = path_of("rooms", room.room_id, "joined_members")
    wait_until(lambda: user.get(members).status == 200, what="they come")
    assert far in user.get(members).ok()["joined"]


def test_backfill__countless_values__nothing_comes(server, remote, lin):
    room = RemoteRoom(remote).serve()
    room.message("far")
    join(lin, room).ok()
    remote.on("GET", FEDERATION + "/backfill/.*", packed(countless(b'{"pdus":[', b"]}", 5_500_000)))
    with Growth(server) as growth:
        lin.messages(room.room_id, "b").ok()
    assert asked(remote, "backfill") and growth.mib < 200


def test_backfill__whole_page_of_events_with_countless_values__comes(server, remote, lin):
    """What is allowed in a room is let in: who said such things does not hide what others said before."""
    room = RemoteRoom(remote).serve()
    said = [room.send("m.room.message", {"body": str(number), **dense(number)}) for number in range(99)]
    join(lin, room).ok()

    def found():
        """By paging back; what has not been read in the time of a request is not in it yet."""
        ids, token = set(), None
        for _ in range(20):
            page = lin.messages(room.room_id, "b", limit=20, **({"from": token} if token else {})).ok()
            ids |= {event["event_id"] for event in page["chunk"]}
            token = page.get("end")
            if token is None:
                break
        return ids
    wait_until(lambda: {event.event_id for event in said} <= found(), what="all of them come")


@pytest.mark.parametrize("method, path, key", [
    ("POST", "get_missing_events", "events"), ("GET", "state_ids", "pdu_ids"), ("GET", "state", "pdus"), ("GET", "event", "pdus"),
    ("GET", "event_auth", "auth_chain")])
def test_missing__countless_values__comes_when_the_answer_is_one(server, remote, lin, method, path, key):
    shared = SharedRoom(server, remote, user=lin)
    room = shared.room
    nothing = lambda ask: (404, {"errcode": "M_NOT_FOUND", "error": "no"})
    if path == "event_auth":  # of a sender whose membership did not come
        user = "@new:" + remote.name
        room.join(user)
        newest = room.message("newest", sender=user)
    else:
        for number in range(200 if path == "state" else 60):
            room.send("org.example.gap", {"number": number}, str(number))
        newest = room.message("newest")
    usual = list(remote.handlers)
    for verb, other in (("POST", "get_missing_events"), ("GET", "event"), ("GET", "state"), ("GET", "event_auth")):
        if path in ("get_missing_events", "event", "event_auth") and other != path:
            remote.on(verb, FEDERATION + "/" + other + "/.*", nothing)
    remote.on(method, FEDERATION + "/" + path + "/.*", list_in(key))
    with Growth(server) as growth:
        shared.send(newest)
        wait_until(lambda: asked(remote, path), what="it is asked for")
        lin.send(room.room_id, "meanwhile")
        remote.handlers[:] = usual
        shared.seen(newest, limit=300)  # so that answer has been read
    assert growth.mib < 250


def test_join__thousands_of_members__memory_stays_near_the_answers_text(server, remote, lin):
    """With each event's tree, what its hash and signature cover, and each read back from the database it was 20 times the text."""
    room = RemoteRoom(remote)
    room.crowd(5000)
    room.serve()
    join(lin, RemoteRoom(remote).serve()).ok()
    text_mib = len(json.dumps([event.json for event in room.events.values()])) >> 20
    with Growth(server) as growth:
        join(lin, room).ok()
    assert text_mib == 3 and growth.mib < 50  # 5 times in a build for use; sanitizers take some themselves
    assert len(lin.get(path_of("rooms", room.room_id, "joined_members")).ok()["joined"]) == 5002
