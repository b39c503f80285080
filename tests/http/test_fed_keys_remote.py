"""Keys of other servers' users, for clients here: asked side by side, checked, kept where a room is shared.

Specification: server-server API, "End-to-End Encryption", "Device Management"; client-server API, "Key management API".
"""
import copy
import threading
import time
import types

import pytest

from support.client import quote, seconds, unique
from support.keys import Device, Person
from support.remote import FEDERATION
from support.remote_room import RemoteRoom
from support.server import wait_until


class Far:
    """A user of a remote, with a device and cross-signing keys."""

    def __init__(self, remote, name="zoe"):
        self.remote, self.user_id, self.device_id = remote, "@%s:%s" % (unique(name), remote.name), unique("D")
        self.device, self.person = Device(self), Person(self)
        self.master = self.person.key("master", self.person.master)
        self.self_signing = self.person.key("self_signing", self.person.self_signing, self.person.master)

    def answer(self, **changes):
        body = {"device_keys": {self.user_id: {self.device_id: self.device.identity()}},
                "master_keys": {self.user_id: self.master}, "self_signing_keys": {self.user_id: self.self_signing}}
        body.update(changes)
        return body

    def list(self, stream_id=3):
        return {"user_id": self.user_id, "stream_id": stream_id, "master_key": self.master,
                "self_signing_key": self.self_signing,
                "devices": [{"device_id": self.device_id, "keys": self.device.identity()}]}


QUERY, CLAIM = FEDERATION + "/user/keys/query", FEDERATION + "/user/keys/claim"


@pytest.fixture
def lin(federated):
    return federated.user()


@pytest.fixture
def far(remote):
    return Far(remote)


def query(client, *user_ids, **more):
    return client.post("/keys/query", {"device_keys": {user_id: [] for user_id in user_ids}, **more}).ok().json


def answering(remote, body):
    remote.on("POST", QUERY, lambda ask: (200, body(ask) if callable(body) else body))


def claim(client, user_id, device_id, **more):
    return client.post("/keys/claim", {"one_time_keys": {user_id: {device_id: "signed_curve25519"}}, **more}).ok().json


def asks(remote, path):
    return [ask for ask in remote.asked if ask.path == path]


# -- queries

def test_query__users_of_others__asked_there_and_told(federated, remote, lin, far):
    keys = far.device.identity()
    answering(remote, far.answer(device_keys={far.user_id: {far.device_id: {
        **keys, "unsigned": {"device_display_name": "Zoë's phone", "tracker": "x"}}}}))
    found = query(lin, far.user_id)
    shown = found["device_keys"][far.user_id][far.device_id]
    assert shown["keys"] == keys["keys"] and shown["unsigned"] == {"device_display_name": "Zoë's phone"}
    assert shown["signatures"] == keys["signatures"]
    assert found["master_keys"][far.user_id]["keys"] == far.master["keys"]
    assert found["self_signing_keys"][far.user_id]["signatures"] == far.self_signing["signatures"]
    assert found["failures"] == {}
    assert asks(remote, QUERY)[0].json == {"device_keys": {far.user_id: []}}


def test_query__one_server_away__others_and_ours_answered_and_it_a_failure(federated, remote, make_remote, lin, far):
    away = make_remote()
    name = away.name
    away.stop()
    answering(remote, far.answer())
    Device(lin).upload()
    found = query(lin, far.user_id, "@x:" + name, lin.user_id)
    assert far.device_id in found["device_keys"][far.user_id] and lin.device_id in found["device_keys"][lin.user_id]
    assert set(found["failures"]) == {name}


def test_query__slow_server__ended_by_the_timeout(federated, remote, lin, far):
    release = threading.Event()
    remote.on("POST", QUERY, lambda ask: (release.wait(seconds(60)), (200, far.answer()))[1])
    began = time.monotonic()
    found = query(lin, far.user_id, timeout=500)
    assert set(found["failures"]) == {remote.name} and time.monotonic() - began < seconds(15)
    release.set()


def test_query__thousands_of_users_of_one_server__asked_in_parts_and_all_told(federated, remote, lin):
    """19 MB: more than one answer may have; of one for all nothing would be told."""
    keys = {}
    for number in range(6000):
        someone = types.SimpleNamespace(user_id="@%d:%s" % (number, remote.name), device_id="D")
        keys[someone.user_id] = {"D": Device(someone).identity(padding="x" * 2600)}
    answering(remote, lambda ask: {"device_keys": {user_id: keys[user_id] for user_id in ask.json["device_keys"]}})
    found = query(lin, *keys, timeout=60000)
    assert found["failures"] == {} and found["device_keys"].keys() == keys.keys()
    assert max(len(ask.json["device_keys"]) for ask in asks(remote, QUERY)) == 500


def spoiled(far):
    """Answers of which nothing of the device may come through."""
    good = far.device.identity()
    forged = copy.deepcopy(good)
    forged["keys"]["curve25519:" + far.device_id] = "A" * 43
    return {"forged": {far.device_id: forged},
            "of another device": {"OTHER": good},
            "of another user": {far.device_id: far.device.identity(user_id="@eve:x")},
            "no object": {far.device_id: 7},
            "a number without canonical form": {far.device_id: {**good, "x": 1.5}},
            "not an Ed25519 key": {far.device_id: far.device.identity(keys={"ed25519:" + far.device_id: "short"})},
            "too large": {far.device_id: far.device.identity(padding="x" * 20000)}}


@pytest.mark.parametrize("kind", ["forged", "of another device", "of another user", "no object",
                                  "a number without canonical form", "not an Ed25519 key", "too large"])
def test_sec_5_14__device_of_a_remote_user__bad_ones_left_out_alone(federated, remote, lin, far, kind):
    second = Far(remote)
    second.user_id = far.user_id
    second.device = Device(second)
    bad = spoiled(far)[kind]
    answering(remote, far.answer(device_keys={far.user_id: {**bad, second.device_id: second.device.identity()}}))
    found = query(lin, far.user_id)
    assert set(found["device_keys"][far.user_id]) == {second.device_id} and not found["failures"]


def test_sec_5_16__answer_about_others__nothing_of_it_is_told(federated, remote, lin, far):
    eve = Far(remote, "eve")
    Device(lin).upload()
    mine = {lin.user_id: {"EVIL": far.device.identity()}}
    body = far.answer()
    body["device_keys"].update(eve.answer()["device_keys"], **mine)
    body["master_keys"].update({eve.user_id: eve.master, lin.user_id: far.master})
    body["user_signing_keys"] = {far.user_id: far.master}
    answering(remote, body)
    found = query(lin, far.user_id, lin.user_id)
    assert set(found["device_keys"]) == {far.user_id, lin.user_id}
    assert set(found["device_keys"][lin.user_id]) == {lin.device_id}
    assert set(found["master_keys"]) == {far.user_id} and found["user_signing_keys"] == {}


def test_sec_5_15__cross_signing_keys_of_a_remote_user__checked(federated, remote, lin, far):
    other = Far(remote)
    answering(remote, far.answer(self_signing_keys={far.user_id: far.person.key(
        "self_signing", far.person.self_signing, other.person.master)}))
    found = query(lin, far.user_id)
    assert far.user_id in found["master_keys"] and found["self_signing_keys"] == {}
    answering(remote, far.answer(master_keys={far.user_id: {**far.master, "usage": ["self_signing"]}}))
    found = query(lin, far.user_id)
    assert found["master_keys"] == {} and found["self_signing_keys"] == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"device_keys":[]}', b'{"device_keys":{"@a:b":5}}',
                                  b'{"device_keys":{"@a:b":{}},"master_keys":"x","self_signing_keys":7}',
                                  b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"a":"' + b"x" * (17 << 20) + b'"}'])
def test_query__answer_malformed_or_huge__a_failure_or_nothing_and_the_server_goes_on(federated, remote, lin, far, body):
    answering(remote, body)
    found = query(lin, far.user_id)
    assert not found["device_keys"].get(far.user_id) and set(found["failures"]) <= {remote.name}
    lin.get("/account/whoami").ok()


# -- claims

def test_claim__of_a_remote_device__asked_there_and_checked(federated, remote, lin, far):
    (name, key), = far.device.one_time(1).items()
    remote.on("POST", CLAIM, lambda ask: (200, {"one_time_keys": {far.user_id: {far.device_id: {name: key}}}}))
    found = claim(lin, far.user_id, far.device_id)
    assert found == {"one_time_keys": {far.user_id: {far.device_id: {name: key}}}, "failures": {}}
    assert asks(remote, CLAIM)[0].json == {"one_time_keys": {far.user_id: {far.device_id: "signed_curve25519"}}}


def bad_claims(far):
    (name, key), = far.device.one_time(1).items()
    other = dict(far.device.one_time(1))
    return {"another device": {far.user_id: {"OTHER": {name: key}}},
            "another user": {"@eve:" + far.user_id.partition(":")[2]: {far.device_id: {name: key}}},
            "another algorithm": {far.user_id: {far.device_id: {"curve25519:x": "A" * 43}}},
            "two keys": {far.user_id: {far.device_id: {name: key, **other}}},
            "none": {far.user_id: {far.device_id: {}}},
            "unsigned": {far.user_id: {far.device_id: {name: {"key": key["key"]}}}},
            "no key": {far.user_id: {far.device_id: {name: {**key, "key": "x"}}}},
            "no object": {far.user_id: {far.device_id: name}}}


@pytest.mark.parametrize("kind", ["another device", "another user", "another algorithm", "two keys", "none", "unsigned",
                                  "no key", "no object"])
def test_claim__answer_that_was_not_asked_for__left_out(federated, remote, lin, far, kind):
    remote.on("POST", CLAIM, lambda ask: (200, {"one_time_keys": bad_claims(far)[kind]}))
    assert claim(lin, far.user_id, far.device_id) == {"one_time_keys": {}, "failures": {}}


def test_claim__server_away__a_failure(federated, remote, lin, far):
    remote.on("POST", CLAIM, lambda ask: (500, {"errcode": "M_UNKNOWN", "error": "down"}))
    assert set(claim(lin, far.user_id, far.device_id)["failures"]) == {remote.name}


# -- those with whom a room is shared

def until_known(remote, client, user_id):
    """The list of whom was asked for is fetched to be kept beside the answer: queries until one asks nobody.  Its answer."""
    def is_known():
        count = len(asks(remote, QUERY))
        found.append(query(client, user_id))
        return len(asks(remote, QUERY)) == count
    found = []
    wait_until(is_known, 30)
    return found[-1]


def test_query__user_in_a_shared_room__asked_once_then_known(federated, remote, lin, far):
    room = RemoteRoom(remote, creator=far.user_id).serve()
    lin.post("/join/%s?via=%s" % (quote(room.room_id), quote(remote.name)), {}).ok()
    answering(remote, far.answer())
    remote.on("GET", FEDERATION + "/user/devices/(.+)", lambda ask: (200, far.list()))
    first = query(lin, far.user_id)
    assert far.device_id in first["device_keys"][far.user_id]
    second = until_known(remote, lin, far.user_id)
    assert set(second["device_keys"][far.user_id]) == {far.device_id}
    assert second["master_keys"][far.user_id]["keys"] == far.master["keys"]
    assert second["self_signing_keys"][far.user_id]["keys"] == far.self_signing["keys"]
    none = lin.post("/keys/query", {"device_keys": {far.user_id: ["NOT_THERE"]}}).ok()
    assert none["device_keys"] == {far.user_id: {}}


def signing_key(client, far):
    return query(client, far.user_id)["device_keys"][far.user_id][far.device_id]["keys"]["ed25519:" + far.device_id]


def changed_while_nobody_saw(remote, far):
    """The device's keys are others now; nobody here was told.  Its key for signatures."""
    far.device = Device(far)
    answer = far.answer()
    answering(remote, answer)
    return answer["device_keys"][far.user_id][far.device_id]["keys"]["ed25519:" + far.device_id]


@pytest.mark.parametrize("who_leaves", ["the other", "all of here"])
def test_query__no_room_was_shared_meanwhile__what_was_known_is_not_told(federated, remote, lin, far, who_leaves):
    """"Servers must send m.device_list_update EDUs to all the servers who share a room": nobody told of changes in between."""
    room = RemoteRoom(remote, creator=far.user_id).serve()
    join = "/join/%s?via=%s" % (quote(room.room_id), quote(remote.name))
    watch = lin.watch()
    lin.post(join, {}).ok()
    watch.until(lambda sync: sync.joined(room.room_id))
    answering(remote, far.answer())
    remote.on("GET", FEDERATION + "/user/devices/(.+)", lambda ask: (200, far.list()))
    until_known(remote, lin, far.user_id)
    if who_leaves == "the other":
        remote.transaction(federated, [room.send("m.room.member", {"membership": "leave"}, far.user_id, far.user_id)]).ok()
        watch.until(lambda sync: far.user_id in sync["device_lists"]["left"])
        now = changed_while_nobody_saw(remote, far)
        assert signing_key(lin, far) == now
        now = changed_while_nobody_saw(remote, far)
        remote.transaction(federated, [room.send("m.room.member", {"membership": "join"}, far.user_id, far.user_id)]).ok()
        watch.until(lambda sync: far.user_id in sync["device_lists"]["changed"])
    else:
        lin.leave(room.room_id).ok()
        watch.until(lambda sync: sync.left(room.room_id))
        now = changed_while_nobody_saw(remote, far)
        assert signing_key(lin, far) == now
        now = changed_while_nobody_saw(remote, far)
        lin.post(join, {}).ok()
    assert signing_key(lin, far) == now


def test_query__one_of_two_shared_rooms_left__what_is_known_is_told(federated, remote, lin, far):
    rooms = []
    for _ in range(2):
        rooms.append(RemoteRoom(remote, creator=far.user_id).serve())
        lin.post("/join/%s?via=%s" % (quote(rooms[-1].room_id), quote(remote.name)), {}).ok()
    answering(remote, far.answer())
    remote.on("GET", FEDERATION + "/user/devices/(.+)", lambda ask: (200, far.list()))
    until_known(remote, lin, far.user_id)
    asked = len(asks(remote, QUERY))
    lin.leave(rooms[0].room_id).ok()
    watch = lin.watch()
    leave = rooms[1].send("m.room.topic", {"topic": "still here"}, "")
    remote.transaction(federated, [leave]).ok()
    watch.until(lambda sync: sync.joined(rooms[1].room_id))
    signing_key(lin, far)
    assert len(asks(remote, QUERY)) == asked


def test_query__known_and_unknown_of_one_server_that_is_away__the_known_told_and_a_failure(federated, remote, lin, far):
    room = RemoteRoom(remote, creator=far.user_id).serve()
    lin.post("/join/%s?via=%s" % (quote(room.room_id), quote(remote.name)), {}).ok()
    answering(remote, far.answer())
    remote.on("GET", FEDERATION + "/user/devices/(.+)", lambda ask: (200, far.list()))
    until_known(remote, lin, far.user_id)
    remote.on("POST", QUERY, lambda ask: (500, {"errcode": "M_UNKNOWN", "error": "down"}))
    found = query(lin, far.user_id, "@stranger:" + remote.name)
    assert far.device_id in found["device_keys"][far.user_id] and set(found["failures"]) == {remote.name}


# -- verifying users of other servers

def test_signatures__of_a_remote_users_master_key__kept_and_shown_to_who_made_them(federated, remote, lin, far):
    answering(remote, far.answer())
    person, bob = Person(lin).upload(), federated.user()
    signed = person.user_signing.over(far.master, lin.user_id)
    reply = lin.post("/keys/signatures/upload", {far.user_id: {far.person.master.public: signed}}).ok()
    assert reply.json.get("failures", {}) == {}
    signatures = query(lin, far.user_id)["master_keys"][far.user_id]["signatures"]
    assert signatures[lin.user_id] == {person.user_signing.id: signed["signatures"][lin.user_id][person.user_signing.id]}
    assert lin.user_id not in query(bob, far.user_id)["master_keys"][far.user_id].get("signatures", {})


def test_sec_5_15__signature_over_another_key_than_the_remote_tells__refused(federated, remote, lin, far):
    answering(remote, far.answer())
    person = Person(lin).upload()
    other = Far(remote)
    other.user_id = far.user_id
    forged = person.user_signing.over(other.person.key("master", other.person.master), lin.user_id)
    forged["user_id"] = far.user_id
    reply = lin.post("/keys/signatures/upload", {far.user_id: {other.person.master.public: forged}}).ok()
    assert other.person.master.public in reply["failures"][far.user_id]
    wrong = copy.deepcopy(far.master)
    wrong["signatures"] = {lin.user_id: {person.user_signing.id: "A" * 86}}
    reply = lin.post("/keys/signatures/upload", {far.user_id: {far.person.master.public: wrong}}).ok()
    assert far.person.master.public in reply["failures"][far.user_id]
    assert lin.user_id not in query(lin, far.user_id)["master_keys"][far.user_id].get("signatures", {})
