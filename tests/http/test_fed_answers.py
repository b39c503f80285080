"""Answers of other servers that are made to cost: few bytes on the wire, since they are packed, and much here."""
import gzip
import json
import os

import pytest

from support.client import path_of, quote, unique
from support.processes import peak_kib
from support.remote import FEDERATION
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
    data = gzip.compress(body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode())
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
