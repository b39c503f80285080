"""What other servers may ask, and what this one asks others: profiles, aliases, published rooms, spaces.

Specification: server-server API, "Querying for information", "Published Room Directory", "Spaces", "Device Management",
"End-to-End Encryption", "OpenID".
"""
import threading

import pytest

from support.client import of_whole_index, path_of, quote, seconds, unique
from support.keys import Device, Person, claim
from support.remote import FEDERATION
from support.remote_room import RemoteRoom
from support.server import PROCESSES
from support.shared_room import SharedRoom
from test_fed_history import come_in
from test_fed_invite import Invite

MALFORMED = [b"", b"[]", b"{", b'"x"', b'{"a":1,"a":2}', b"\xff", b"null"]


@pytest.fixture
def lin(federated):
    return federated.user()


def get(remote, server, *segments, **query):
    target = path_of(*segments)
    if query:
        target += "?" + "&".join("%s=%s" % (key, quote(str(value))) for key, value in query.items())
    return remote.send(server, "GET", target)


# -- who asks

TARGETS = [("GET", "/query/profile?user_id=%40a%3Ab"), ("GET", "/query/directory?room_alias=%23a%3Ab"),
           ("GET", "/query/else"), ("GET", "/publicRooms"), ("POST", "/publicRooms"), ("GET", "/hierarchy/!a:b"),
           ("GET", "/user/devices/@a:b"), ("POST", "/user/keys/query"), ("POST", "/user/keys/claim"),
           ("GET", "/media/download/abc"), ("GET", "/media/thumbnail/abc?width=1&height=1")]


@pytest.mark.parametrize("method,target", TARGETS)
def test_query__not_signed__401(federated, remote, method, target):
    reply = remote.raw(federated, method, FEDERATION + target, b"{}" if method == "POST" else None)
    reply.expect(401, "M_UNAUTHORIZED")
    body = {} if method == "POST" else None
    remote.send(federated, method, target, body, sig="AAAA").expect(401, "M_UNAUTHORIZED")


def test_query__unknown_kind__404_unrecognized(federated, remote):
    get(remote, federated, "query", "moon").expect(404, "M_UNRECOGNIZED")


# -- profiles

def test_profile__of_what_is_no_user_id__refused(federated, remote):
    for name in ("@a:localhost:http", "a", "@a"):
        get(remote, federated, "query", "profile", user_id=name).expect(400, "M_INVALID_PARAM")


def test_profile__asked_by_another_server__all_fields_or_one(federated, remote, lin):
    lin.put("/profile/%s/displayname" % quote(lin.user_id), {"displayname": "Lín 林"}).ok()
    lin.put("/profile/%s/m.tz" % quote(lin.user_id), {"m.tz": "Asia/Taipei"}).ok()
    found = get(remote, federated, "query", "profile", user_id=lin.user_id).ok().json
    assert found["displayname"] == "Lín 林" and found["m.tz"] == "Asia/Taipei"
    one = get(remote, federated, "query", "profile", user_id=lin.user_id, field="displayname").ok().json
    assert one == {"displayname": "Lín 林"}
    assert get(remote, federated, "query", "profile", user_id=lin.user_id, field="avatar_url").ok().json == {}


def test_profile__field_that_does_not_exist__404(federated, remote, lin):
    for field in ("m.tz", "org.example.x", ""):
        get(remote, federated, "query", "profile", user_id=lin.user_id, field=field).expect(404, "M_NOT_FOUND")
    lin.put("/profile/%s/m.tz" % quote(lin.user_id), {"m.tz": "Asia/Taipei"}).ok()
    found = get(remote, federated, "query", "profile", user_id=lin.user_id, field="m.tz").ok().json
    assert found == {"m.tz": "Asia/Taipei"}


def test_profile__of_nobody_or_of_another_server__404_and_nobody_is_asked(federated, remote, make_remote):
    third = make_remote()
    get(remote, federated, "query", "profile", user_id="@nobody:" + federated.server_name).expect(404, "M_NOT_FOUND")
    get(remote, federated, "query", "profile", user_id="@x:" + third.name).expect(404, "M_NOT_FOUND")
    get(remote, federated, "query", "profile").expect(400, "M_MISSING_PARAM")
    assert not any("profile" in ask.path for ask in third.asked)


def test_profile__configured_to_be_told_nobody__403(make_federated, remote):
    server = make_federated(settings={"profiles.for_servers": "false"}).start()
    user = server.user()
    get(remote, server, "query", "profile", user_id=user.user_id).expect(403, "M_FORBIDDEN")


def profile(client, user_id, *field):
    return client.get("/profile/" + "/".join(quote(part) for part in (user_id,) + field))


def test_profile__of_a_remote_user__asked_once_and_checked(federated, remote, lin):
    user_id = "@zoe:" + remote.name
    remote.on("GET", FEDERATION + "/query/profile", lambda ask: (200, {
        "displayname": "Zoë", "avatar_url": "http://tracker.example/x.png", "m.tz": "Europe/Paris", "bad key": 1,
        "org.example.x": {"y": [1]}}))
    found = profile(lin, user_id).ok().json
    assert found == {"displayname": "Zoë", "m.tz": "Europe/Paris", "org.example.x": {"y": [1]}}
    assert profile(lin, user_id, "displayname").ok().json == {"displayname": "Zoë"}
    asks = [ask for ask in remote.asked if ask.path.endswith("/query/profile")]
    assert 1 <= len(asks) <= PROCESSES and asks[0].query["user_id"] == [user_id]
    assert asks[0].is_signed_by(federated.server_name, federated_key(federated, remote), remote.name)


def federated_key(server, remote):
    from signedjson.key import decode_verify_key_bytes
    from unpaddedbase64 import decode_base64
    (key_id, key), = remote.raw(server, "GET", "/_matrix/key/v2/server").ok()["verify_keys"].items()
    return decode_verify_key_bytes(key_id, decode_base64(key["key"]))


@pytest.mark.one_process("each process remembers by itself what others answered")
def test_profile__remote_user_unknown_there__404_remembered(federated, remote, lin):
    user_id = "@nobody:" + remote.name
    remote.on("GET", FEDERATION + "/query/profile", lambda ask: (404, {"errcode": "M_NOT_FOUND", "error": "no"}))
    profile(lin, user_id).expect(404, "M_NOT_FOUND")
    profile(lin, user_id).expect(404, "M_NOT_FOUND")
    assert len([ask for ask in remote.asked if ask.path.endswith("/query/profile")]) == 1


@pytest.mark.parametrize("body", MALFORMED + [b'{"displayname":"' + b"x" * 300000 + b'"}'])
def test_profile__remote_answer_malformed_or_huge__502_and_the_server_goes_on(federated, remote, lin, body):
    remote.on("GET", FEDERATION + "/query/profile", lambda ask: (200, body))
    reply = profile(lin, "@x:" + remote.name)
    assert reply.status in (429, 502, 504) and reply.errcode
    profile(lin, lin.user_id).ok()


def test_profile__remote_server_slow__local_requests_go_on(federated, remote, lin):
    reached, release = threading.Event(), threading.Event()
    remote.on("GET", FEDERATION + "/query/profile",
              lambda ask: (reached.set(), release.wait(seconds(20)), (200, {}))[2])
    waiting = [threading.Thread(target=profile, args=(lin, "@slow%d:%s" % (number, remote.name)))
               for number in range(12)]
    for thread in waiting:
        thread.start()
    assert reached.wait(seconds(10))
    for _ in range(20):
        profile(lin, lin.user_id).ok()
        lin.create_room()
    release.set()
    for thread in waiting:
        thread.join()


# -- aliases

def test_directory__local_alias__room_and_servers(federated, remote, lin):
    name = unique("alias")
    room_id = lin.create_room(preset="public_chat", room_alias_name=name)
    found = get(remote, federated, "query", "directory", room_alias="#%s:%s" % (name, federated.server_name)).ok()
    assert found["room_id"] == room_id and federated.server_name in found["servers"]


def test_directory__unknown_foreign_or_malformed__refused(federated, remote):
    get(remote, federated, "query", "directory",
        room_alias="#%s:%s" % (unique(), federated.server_name)).expect(404, "M_NOT_FOUND")
    get(remote, federated, "query", "directory", room_alias="#x:third.example").expect(404, "M_NOT_FOUND")
    get(remote, federated, "query", "directory", room_alias="x").expect(400, "M_INVALID_PARAM")
    get(remote, federated, "query", "directory").expect(400, "M_MISSING_PARAM")


# -- published rooms

def published(client, **more):
    return client.create_room(preset="public_chat", visibility="public", **more)


def test_public_rooms__asked_by_another_server__listed_and_filtered(federated, remote, lin):
    word = unique("physik")
    wanted, other = published(lin, name=word + " club"), published(lin, name="chess")
    found = of_whole_index(lambda: get(remote, federated, "publicRooms", limit=100)).ok()
    assert {wanted, other} <= {room["room_id"] for room in found["chunk"]}
    found = of_whole_index(lambda: remote.send(federated, "POST", "/publicRooms", {"filter": {"generic_search_term": word}})).ok()
    assert [room["room_id"] for room in found["chunk"]] == [wanted]
    page = remote.send(federated, "POST", "/publicRooms", {"limit": 1}).ok()
    more = remote.send(federated, "POST", "/publicRooms", {"limit": 1, "since": page["next_batch"]}).ok()
    assert len(page["chunk"]) == len(more["chunk"]) == 1
    assert page["chunk"][0]["room_id"] != more["chunk"][0]["room_id"]


def test_public_rooms__configured_to_be_told_nobody__403(make_federated, remote):
    server = make_federated(settings={"room_directory.for_servers": "false"}).start()
    get(remote, server, "publicRooms").expect(403, "M_FORBIDDEN")
    remote.send(server, "POST", "/publicRooms", {}).expect(403, "M_FORBIDDEN")


def test_public_rooms__of_another_server__asked_there_and_read_field_by_field(federated, remote, lin):
    remote.on("POST", FEDERATION + "/publicRooms", lambda ask: (200, {
        "chunk": [{"room_id": "!a:b", "num_joined_members": 3, "name": "A", "topic": 5, "world_readable": "yes",
                   "guest_can_join": True, "avatar_url": "javascript:alert(1)", "evil": {"x": 1}},
                  {"room_id": "nonsense", "num_joined_members": 1}, 7, None,
                  {"room_id": "!c:d", "num_joined_members": -4}],
        "next_batch": "n1", "prev_batch": 7, "total_room_count_estimate": 9}))
    found = lin.post("/publicRooms?server=" + quote(remote.name), {"limit": 5, "filter": {
        "generic_search_term": "a"}}).ok().json
    assert found == {"chunk": [{"room_id": "!a:b", "num_joined_members": 3, "name": "A", "join_rule": "public",
                                "world_readable": False, "guest_can_join": True},
                               {"room_id": "!c:d", "num_joined_members": 0, "join_rule": "public",
                                "world_readable": False, "guest_can_join": False}],
                     "next_batch": "n1", "total_room_count_estimate": 9}
    assert remote.next("POST", FEDERATION + "/publicRooms").json["filter"] == {"generic_search_term": "a"}
    lin.get("/publicRooms", {"server": remote.name, "limit": 2}).ok()
    assert remote.next("POST", FEDERATION + "/publicRooms").json["limit"] == 2


@pytest.mark.parametrize("body", MALFORMED)
def test_public_rooms__remote_answer_malformed__502(federated, remote, lin, body):
    remote.on("POST", FEDERATION + "/publicRooms", lambda ask: (200, body))
    reply = lin.get("/publicRooms", {"server": remote.name})
    assert reply.status in (200, 502), reply
    assert reply.status == 502 or reply["chunk"] == []


def test_public_rooms__remote_server_refuses__its_reason_comes_through(federated, remote, lin):
    remote.on("POST", FEDERATION + "/publicRooms", lambda ask: (403, {"errcode": "M_FORBIDDEN", "error": "not you"}))
    assert "not you" in lin.get("/publicRooms", {"server": remote.name}).expect(403, "M_FORBIDDEN")["error"]


# -- keys and devices

def test_devices__of_a_local_user__keys_cross_keys_and_stream_id(federated, remote, lin):
    device, person = Device(lin), Person(lin)
    device.upload(keys=1)
    lin.put("/devices/" + quote(lin.device_id), {"display_name": "Lin's private phone"}).ok()
    person.upload()
    found = get(remote, federated, "user", "devices", lin.user_id).ok().json
    assert found["user_id"] == lin.user_id and found["stream_id"] > 0
    (shown,) = found["devices"]
    assert shown["device_id"] == lin.device_id
    assert shown["keys"]["keys"] == device.keys["keys"] and lin.user_id in shown["keys"]["signatures"]
    assert "phone" not in str(found)
    assert found["master_key"]["usage"] == ["master"] and found["self_signing_key"]["usage"] == ["self_signing"]
    before = found["stream_id"]
    second = Device(lin.login())
    second.upload()
    found = get(remote, federated, "user", "devices", lin.user_id).ok().json
    assert found["stream_id"] > before and len(found["devices"]) == 2


def test_devices__names_configured_to_be_told__told(make_federated, remote):
    server = make_federated(settings={"devices.names_for_servers": "true"}).start()
    user = server.user()
    Device(user).upload()
    user.put("/devices/" + quote(user.device_id), {"display_name": "tablet"}).ok()
    (shown,) = get(remote, server, "user", "devices", user.user_id).ok()["devices"]
    assert shown["device_display_name"] == "tablet"
    found = remote.send(server, "POST", "/user/keys/query", {"device_keys": {user.user_id: []}}).ok()
    assert found["device_keys"][user.user_id][user.device_id]["unsigned"] == {"device_display_name": "tablet"}


def test_sec_5_16__devices_and_keys_of_users_elsewhere__told_nobody(federated, remote, make_remote, lin):
    third = make_remote()
    stranger = "@x:" + third.name
    third.on("POST", FEDERATION + "/user/keys/query", lambda ask: (200, {"device_keys": {stranger: {}}}))
    lin.post("/keys/query", {"device_keys": {stranger: []}}).ok()
    get(remote, federated, "user", "devices", stranger).expect(400, "M_INVALID_PARAM")
    found = remote.send(federated, "POST", "/user/keys/query", {"device_keys": {stranger: [], lin.user_id: []}}).ok()
    assert set(found["device_keys"]) == {lin.user_id}
    found = remote.send(federated, "POST", "/user/keys/claim", {"one_time_keys": {stranger: {"D": "signed_curve25519"}}})
    assert found.ok().json == {"one_time_keys": {}}
    assert len([ask for ask in third.asked if ask.path.endswith("/keys/query")]) == 1
    unknown = "@%s:%s" % (unique(), federated.server_name)
    found = get(remote, federated, "user", "devices", unknown).ok().json
    assert found == {"user_id": unknown, "stream_id": 0, "devices": []}


def test_key_query__by_another_server__no_user_signing_key_no_foreign_signatures(federated, remote, lin):
    bob = federated.user()
    person, bobs = Person(lin).upload(), Person(bob).upload()
    Device(lin).upload()
    signed = bobs.user_signing.over(person.key("master", person.master), bob.user_id)
    bob.post("/keys/signatures/upload", {lin.user_id: {person.master.public: signed}}).ok()
    found = remote.send(federated, "POST", "/user/keys/query", {"device_keys": {lin.user_id: []}}).ok().json
    assert set(found) == {"device_keys", "master_keys", "self_signing_keys"}
    assert set(found["master_keys"][lin.user_id].get("signatures", {})) <= {lin.user_id}
    assert found["device_keys"][lin.user_id][lin.device_id]["user_id"] == lin.user_id


@pytest.mark.parametrize("body", [{"device_keys": []}, {"device_keys": {"x": []}}, {"device_keys": {"@a:b": "c"}},
                                  {"device_keys": {"@a:b": [5]}}, {}])
def test_key_query__wrong_types__400(federated, remote, body):
    assert remote.send(federated, "POST", "/user/keys/query", body).status == 400
    wrong = {"one_time_keys": body.get("device_keys")} if body else {}
    assert remote.send(federated, "POST", "/user/keys/claim", wrong).status == 400


def test_key_claim__by_another_server__each_key_once_then_the_fallback(federated, remote, lin):
    device = Device(lin)
    device.upload(keys=2, fallback=True)
    asked = {"one_time_keys": {lin.user_id: {lin.device_id: "signed_curve25519"}}}
    found = [next(iter(remote.send(federated, "POST", "/user/keys/claim", asked).ok()
                       ["one_time_keys"][lin.user_id][lin.device_id].items())) for _ in range(4)]
    names = [name for name, _ in found]
    assert len(set(names[:2])) == 2 and names[2] == names[3] not in names[:2]
    assert found[2][1]["fallback"] is True


# -- spaces

def space(client, **more):
    return client.create_room(creation_content={"type": "m.space"}, **{"preset": "public_chat", **more})


def add(client, parent, child, via="x.example", **content):
    client.set_state(parent, "m.space.child", {"via": [via], **content}, child)


def test_hierarchy__asked_by_another_server__what_it_may_know(federated, remote, lin):
    root, inner = space(lin, name="School"), space(lin, name="Clubs")
    public, secret = lin.create_room(preset="public_chat", name="Hall"), lin.create_room(name="Staff")
    below = lin.create_room(preset="public_chat")
    for room_id in (inner, public, secret, "!unknown:third.example"):
        add(lin, root, room_id)
    add(lin, inner, below, suggested=True)
    found = get(remote, federated, "hierarchy", root).ok().json
    assert found["room"]["room_id"] == root and found["room"]["room_type"] == "m.space"
    assert {state["state_key"] for state in found["room"]["children_state"]} == {
        inner, public, secret, "!unknown:third.example"}
    assert {room["room_id"] for room in found["children"]} == {inner, public}
    assert found["inaccessible_children"] == [secret] and "Staff" not in str(found)
    (clubs,) = [room for room in found["children"] if room["room_id"] == inner]
    assert [state["state_key"] for state in clubs["children_state"]] == [below]
    found = get(remote, federated, "hierarchy", root, suggested_only="true").ok().json
    assert found["room"]["children_state"] == found["children"] == found["inaccessible_children"] == []


def test_hierarchy__room_that_the_server_may_not_know__404_like_an_unknown_one(federated, remote, lin):
    secret = lin.create_room()
    refused = get(remote, federated, "hierarchy", secret).expect(404, "M_NOT_FOUND")
    unknown = get(remote, federated, "hierarchy", "!%s:%s" % (unique(), federated.server_name)).expect(404, "M_NOT_FOUND")
    assert refused.json == unknown.json


def left_room(federated, remote, join_rule):
    """A room of another server in which somebody of here was, and is no more."""
    shared = SharedRoom(federated, remote, join_rule="public")
    shared.deliver(shared.room.send("m.room.join_rules", {"join_rule": join_rule}, ""))
    shared.user.post(path_of("rooms", shared.room_id, "leave"), {}).ok()
    return shared


@pytest.mark.parametrize("join_rule", ["invite", "public"])
def test_hierarchy__room_that_this_server_has_left__not_told_of_and_not_called_inaccessible(
        federated, remote, make_remote, lin, join_rule):
    """"Rooms which the responding server cannot provide details on will be outright excluded": inaccessible is the last word."""
    root, other = space(lin), make_remote()
    gone = left_room(federated, remote, join_rule).room_id
    add(lin, root, gone, via=remote.name)
    found = get(other, federated, "hierarchy", root).ok().json
    assert [state["state_key"] for state in found["room"]["children_state"]] == [gone]
    assert found["children"] == found["inaccessible_children"] == []
    get(other, federated, "hierarchy", gone).expect(404, "M_NOT_FOUND")


def test_hierarchy__restricted_to_a_room_that_this_server_has_left__not_told_of(federated, remote, lin):
    """Who is in that room now, this server cannot tell: whoever was in it when it left may not join."""
    old = RemoteRoom(remote).serve()
    come_in(lin, old)
    hall = lin.create_room(initial_state=[{"type": "m.room.join_rules", "content": {
        "join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": old.room_id}]}}])
    assert get(remote, federated, "hierarchy", hall).ok()["room"]["allowed_room_ids"] == [old.room_id]
    lin.leave(old.room_id).ok()
    get(remote, federated, "hierarchy", hall).expect(404, "M_NOT_FOUND")


def hierarchy(client, room_id, **query):
    return client.get("/_matrix/client/v1" + path_of("rooms", room_id, "hierarchy"), query).ok().json


def child_state(remote, room_id, via=None):
    return {"type": "m.space.child", "state_key": room_id, "sender": "@a:" + remote.name, "origin_server_ts": 5,
            "content": {"via": [via or remote.name]}}


def chunk(room_id, *children, **more):
    return {"room_id": room_id, "num_joined_members": 2, "world_readable": False, "guest_can_join": False,
            "join_rule": "public", "children_state": list(children), **more}


@pytest.mark.one_process("each process remembers by itself what others answered")
def test_hierarchy__rooms_of_another_server__asked_by_via_and_kept(federated, remote, lin):
    root = space(lin)
    far, hall, staff = ("!%s:%s" % (unique(name), remote.name) for name in ("far", "hall", "staff"))
    add(lin, root, far, via=remote.name)
    remote.on("GET", FEDERATION + "/hierarchy/(.*)", lambda ask: (200, {
        "room": chunk(far, child_state(remote, hall), child_state(remote, staff), room_type="m.space", name="Partner"),
        "children": [chunk(hall, name="Hall"), chunk(staff, join_rule="invite", name="Staff"),
                     chunk("!other:x.example", name="Not in it")],
        "inaccessible_children": []}))
    found = hierarchy(lin, root)["rooms"]
    assert [room["room_id"] for room in found] == [root, far, hall]
    assert found[1]["name"] == "Partner" and len(found[1]["children_state"]) == 2 and found[2]["name"] == "Hall"
    assert hierarchy(lin, root)["rooms"] == found
    assert len([ask for ask in remote.asked if "/hierarchy/" in ask.path]) == 1


def test_hierarchy__refused_and_then_told__shown_at_once(federated, remote, lin):
    """Somebody of the other server came into the space meanwhile, so that it knows who may see the room."""
    root, far = space(lin), "!%s:%s" % (unique("far"), remote.name)
    add(lin, root, far, via=remote.name)
    remote.on("GET", FEDERATION + "/hierarchy/(.*)", lambda ask: (404, {"errcode": "M_NOT_FOUND", "error": "?"}))
    assert [room["room_id"] for room in hierarchy(lin, root)["rooms"]] == [root]
    remote.on("GET", FEDERATION + "/hierarchy/(.*)", lambda ask: (200, {
        "room": chunk(far, name="Partner"), "children": [], "inaccessible_children": []}))
    assert [room["room_id"] for room in hierarchy(lin, root)["rooms"]] == [root, far]


def known_of_old(remote, lin):
    """A room of another server in which somebody of this one was."""
    room = RemoteRoom(remote).serve()
    come_in(lin, room)
    lin.leave(room.room_id).ok()
    return room.room_id


def test_hierarchy__nobody_of_ours_is_there_any_more__its_servers_tell_how_it_is_now(federated, remote, lin):
    root, old = space(lin), known_of_old(remote, lin)
    add(lin, root, old, via=remote.name)
    remote.on("GET", FEDERATION + "/hierarchy/(.*)", lambda ask: (200, {
        "room": chunk(old, name="Renamed since", num_joined_members=5), "children": [], "inaccessible_children": []}))
    found = hierarchy(lin, root)["rooms"]
    assert [(room["room_id"], room["num_joined_members"]) for room in found] == [(root, 1), (old, 5)]
    assert found[1]["name"] == "Renamed since"
    told = get(remote, federated, "hierarchy", root).ok()
    assert (told["children"], told["inaccessible_children"]) == ([], []), "its own servers know better"
    get(remote, federated, "hierarchy", old).expect(404, "M_NOT_FOUND")


def test_hierarchy__of_a_space_to_which_one_is_invited__its_server_tells(federated, remote, lin):
    room = RemoteRoom(remote, "12", join_rule="invite", creation={"type": "m.space"})
    Invite(remote, federated, lin.user_id, "12", room).put().ok()
    hall = "!%s:%s" % (unique("hall"), remote.name)
    remote.on("GET", FEDERATION + "/hierarchy/(.*)", lambda ask: (200, {
        "room": chunk(room.room_id, child_state(remote, hall), room_type="m.space", join_rule="invite"),
        "children": [chunk(hall, name="Hall")], "inaccessible_children": []}))
    assert [found["room_id"] for found in hierarchy(lin, room.room_id)["rooms"]] == [room.room_id, hall]


def test_hierarchy__remote_answers_hostile__left_out(federated, remote, lin):
    root = space(lin)
    rooms = ["!%s:%s" % (unique("h"), remote.name) for _ in range(6)]
    for number, room_id in enumerate(rooms):
        add(lin, root, room_id, via=remote.name, order=str(number))
    answers = {rooms[0]: {"room": chunk(rooms[1]), "children": [], "inaccessible_children": []},
               rooms[1]: {"room": 5, "children": {}}, rooms[2]: [],
               rooms[3]: {"room": chunk(rooms[3], 7, {"type": "m.space.child"}, None, num_joined_members="many",
                                        name={"x": 1}), "children": 5, "inaccessible_children": "x"},
               rooms[4]: {"room": chunk(rooms[4], child_state(remote, rooms[4]), child_state(remote, rooms[3]),
                                        room_type="m.space"), "children": [chunk(rooms[4])]}}
    remote.on("GET", FEDERATION + "/hierarchy/(.*)", lambda ask: (200, answers[ask.match.group(1)])
              if ask.match.group(1) in answers else (404, {"errcode": "M_NOT_FOUND", "error": "?"}))
    found = hierarchy(lin, root)["rooms"]
    assert [room["room_id"] for room in found] == [root, rooms[3], rooms[4]]
    assert "name" not in found[1] and found[1]["num_joined_members"] == 0 and found[1]["children_state"] == []


def test_hierarchy__remote_tree_without_end__bounded(federated, remote, lin):
    root = space(lin)
    add(lin, root, "!0:" + remote.name, via=remote.name)

    def deeper(ask):
        number = int(ask.match.group(1))
        below = ["!%d:%s" % (number * 3 + more, remote.name) for more in (1, 2, 3)]
        return 200, {"room": chunk("!%d:%s" % (number, remote.name), *[child_state(remote, room) for room in below],
                                   room_type="m.space"),
                     "children": [chunk(room, room_type="m.space") for room in below], "inaccessible_children": []}
    remote.on("GET", FEDERATION + "/hierarchy/!([0-9]+):.*", deeper)
    assert len(hierarchy(lin, root, limit=100)["rooms"]) > 20
    assert len([ask for ask in remote.asked if "/hierarchy/" in ask.path]) <= 20


# -- OpenID

def test_openid__token_of_a_local_user__whose_it_is(federated, remote, lin):
    token = lin.post("/user/%s/openid/request_token" % quote(lin.user_id), {}).ok()
    found = remote.raw(federated, "GET", FEDERATION + "/openid/userinfo?access_token=" + token["access_token"]).ok()
    assert found.json == {"sub": lin.user_id}
    remote.raw(federated, "GET", FEDERATION + "/openid/userinfo?access_token=x").expect(401, "M_UNKNOWN_TOKEN")


# -- two servers of this kind

def test_two_servers__profile_rooms_keys__one_asks_the_other(federated, make_federated, lin):
    other = make_federated().start()
    zoe = other.user()
    zoe.put("/profile/%s/displayname" % quote(zoe.user_id), {"displayname": "Zoë"}).ok()
    room_id = published(zoe, name="Partner hall")
    device = Device(zoe)
    device.upload(keys=1)
    assert profile(lin, zoe.user_id).ok()["displayname"] == "Zoë"
    found = of_whole_index(lambda: lin.get("/publicRooms", {"server": other.server_name})).ok()
    assert [room["room_id"] for room in found["chunk"]] == [room_id]
    found = lin.post("/keys/query", {"device_keys": {zoe.user_id: []}}).ok()
    assert found["device_keys"][zoe.user_id][zoe.device_id]["keys"] == device.keys["keys"] and not found["failures"]
    assert list(claim(lin, device)) == [(zoe.user_id, zoe.device_id)]


def test_two_servers__alias__followed_from_the_other(federated, make_federated, lin):
    other = make_federated().start()
    name = unique("alias")
    room_id = lin.create_room(preset="public_chat", room_alias_name=name)
    zoe, alias = other.user(), "#%s:%s" % (name, federated.server_name)
    found = zoe.get("/directory/room/" + quote(alias)).ok().json
    assert found == {"room_id": room_id, "servers": [federated.server_name]}
    zoe.post("/join/" + quote(alias), {}).ok()
    assert set(lin.get("/directory/room/" + quote(alias)).ok()["servers"]) == {federated.server_name, other.server_name}
    zoe.get("/directory/room/" + quote("#nothing%s:%s" % (name, federated.server_name))).expect(404, "M_NOT_FOUND")
