"""The tree of rooms below a space: /hierarchy.  Spec: client-server API, "Spaces"."""
import pytest

from support.client import path_of


def space(client, **more):
    return client.create_room(creation_content={"type": "m.space"}, **{"preset": "public_chat", **more})


def add(client, parent, child, **content):
    client.set_state(parent, "m.space.child", {"via": ["hs1"], **content}, child)


def hierarchy(client, room_id, **query):
    return client.get("/_matrix/client/v1" + path_of("rooms", room_id, "hierarchy"), query)


def ids(reply):
    return [room["room_id"] for room in reply["rooms"]]


def test_hierarchy__room_and_space__what_they_are(alice):
    root = space(alice, name="School", topic="All of it")
    child = alice.create_room(preset="public_chat", name="Class", initial_state=[
        {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}])
    add(alice, root, child, order="a", suggested=True)
    rooms = hierarchy(alice, root).ok()["rooms"]
    assert [room["room_id"] for room in rooms] == [root, child]
    event = alice.state(root)["m.space.child", child]
    assert rooms[0]["children_state"] == [{key: event[key] for key in (
        "type", "state_key", "content", "sender", "origin_server_ts")}]
    assert rooms[0]["room_type"] == "m.space" and rooms[0]["topic"] == "All of it"
    assert rooms[1]["children_state"] == [] and "room_type" not in rooms[1]
    assert rooms[1]["encryption"] == "m.megolm.v1.aes-sha2" and rooms[1]["num_joined_members"] == 1
    assert rooms[1]["join_rule"] == "public" and rooms[1]["room_version"]


def test_hierarchy__order__by_order_then_time_then_id(alice):
    root = space(alice)
    rooms = [alice.create_room(preset="public_chat", name=str(number)) for number in range(6)]
    add(alice, root, rooms[0])
    add(alice, root, rooms[1], order="b")
    add(alice, root, rooms[2], order=" ")
    add(alice, root, rooms[3], order="x" * 51)
    add(alice, root, rooms[4], order="a")
    add(alice, root, rooms[5], order="\u00e9")
    children = alice.state(root)  # within a millisecond it is the room's id that decides
    unordered = sorted((rooms[0], rooms[3], rooms[5]), key=lambda child: (children["m.space.child", child]["origin_server_ts"], child))
    assert ids(hierarchy(alice, root).ok()) == [root, rooms[2], rooms[4], rooms[1], *unordered]


def test_hierarchy__deep_and_looping__each_room_once_depth_first(alice):
    root, left, right = space(alice), space(alice), space(alice)
    rooms = [alice.create_room(preset="public_chat") for _ in range(3)]
    add(alice, root, left, order="1")
    add(alice, root, right, order="2")
    add(alice, left, rooms[0], order="1")
    add(alice, left, rooms[1], order="2")
    add(alice, right, rooms[1], order="1")
    add(alice, right, rooms[2], order="2")
    add(alice, right, root, order="3")
    assert ids(hierarchy(alice, root).ok()) == [root, left, rooms[0], rooms[1], right, rooms[2]]
    assert ids(hierarchy(alice, root, max_depth=1).ok()) == [root, left, right]
    assert ids(hierarchy(alice, root, max_depth=0).ok()) == [root]


def test_hierarchy__suggested_only__others_are_left_out(alice):
    root = space(alice)
    plain, suggested = (alice.create_room(preset="public_chat") for _ in range(2))
    add(alice, root, plain)
    add(alice, root, suggested, suggested=True)
    answer = hierarchy(alice, root, suggested_only=True).ok()
    assert ids(answer) == [root, suggested]
    assert [child["state_key"] for child in answer["rooms"][0]["children_state"]] == [suggested]


def test_hierarchy__removed_and_malformed_children__ignored(alice):
    root = space(alice)
    child, other = (alice.create_room(preset="public_chat") for _ in range(2))
    add(alice, root, child)
    alice.set_state(root, "m.space.child", {}, child)
    alice.set_state(root, "m.space.child", {"via": "hs1"}, other)
    alice.set_state(root, "m.space.child", {"via": ["hs1"]}, "no-room-id")
    add(alice, root, "!unknown:elsewhere.example")
    answer = hierarchy(alice, root).ok()
    assert ids(answer) == [root]
    assert [event["state_key"] for event in answer["rooms"][0]["children_state"]] == ["!unknown:elsewhere.example"]


def test_hierarchy__children_of_a_plain_room__none(alice):
    root = alice.create_room(preset="public_chat")
    child = alice.create_room(preset="public_chat")
    add(alice, root, child)
    assert ids(hierarchy(alice, root).ok()) == [root]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_hierarchy__pages__every_room_once_in_order(alice, limit):
    root, inner = space(alice), space(alice)
    rooms = [alice.create_room(preset="public_chat") for _ in range(4)]
    add(alice, root, inner, order="0")
    for number, room_id in enumerate(rooms):
        add(alice, (root, inner)[number % 2], room_id, order=str(number + 1))
    everything = ids(hierarchy(alice, root).ok())
    seen, query = [], {}
    for _ in range(10):
        answer = hierarchy(alice, root, limit=limit, **query).ok()
        assert len(answer["rooms"]) <= limit
        seen += ids(answer)
        if "next_batch" not in answer:
            break
        query = {"from": answer["next_batch"]}
    assert seen == everything and len(everything) == 6


def test_hierarchy__last_room_of_a_page_taken_out__goes_on(alice):
    root = space(alice)
    rooms = [alice.create_room(preset="public_chat") for _ in range(4)]
    for number, room_id in enumerate(rooms):
        add(alice, root, room_id, order=str(number))
    answer = hierarchy(alice, root, limit=2).ok()
    assert ids(answer) == [root, rooms[0]]
    alice.set_state(root, "m.space.child", {}, rooms[0])
    rest = ids(hierarchy(alice, root, limit=5, **{"from": answer["next_batch"]}).ok())
    assert rest and set(rest) <= set(rooms[1:]) and rooms[3] in rest


def test_hierarchy__tokens__bound_to_their_question(alice):
    root = space(alice)
    for _ in range(2):
        add(alice, root, alice.create_room(preset="public_chat"), suggested=True)
    token = hierarchy(alice, root, limit=1, max_depth=3).ok()["next_batch"]
    hierarchy(alice, root, max_depth=3, **{"from": token}).ok()
    hierarchy(alice, root, max_depth=4, **{"from": token}).expect(400, "M_INVALID_PARAM")
    hierarchy(alice, root, max_depth=3, suggested_only=True, **{"from": token}).expect(400, "M_INVALID_PARAM")
    for text in ("", "x", "0.3.1", "0.3.-1.!a:b", "0.3.1.room", "9.9.9.!a:b", "0.3.99999999.!a:b"):
        hierarchy(alice, root, max_depth=3, **{"from": text}).expect(400, "M_INVALID_PARAM")
    for query in ({"limit": 0}, {"limit": "x"}, {"max_depth": -1}, {"suggested_only": "maybe"}):
        hierarchy(alice, root, **query).expect(400, "M_INVALID_PARAM")


# -- who may see what

def test_sec_5_26__hierarchy_of_a_private_space__forbidden_for_others(alice, bob, nobody):
    root = space(alice, preset="private_chat", name="Staff only")
    for room_id in (root, "!unknown:hs1"):
        reply = hierarchy(bob, room_id).expect(403, "M_FORBIDDEN")
        assert "Staff" not in reply.raw.decode()
    assert hierarchy(bob, root).json == hierarchy(bob, "!unknown:hs1").json
    hierarchy(nobody, root).expect(401, "M_MISSING_TOKEN")
    alice.invite(root, bob).ok()
    assert ids(hierarchy(bob, root).ok()) == [root]
    bob.leave(root).ok()
    hierarchy(bob, root).expect(403, "M_FORBIDDEN")


def test_sec_5_26__hierarchy_with_private_children__only_those_one_may_know(alice, bob, carol):
    root = space(alice)
    rules = {"public": {"join_rule": "public"}, "knock": {"join_rule": "knock"}, "invite": {"join_rule": "invite"},
             "restricted": {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": root}]}}
    rooms = {}
    for number, (name, content) in enumerate(rules.items()):
        rooms[name] = alice.create_room(preset="private_chat", name=name, initial_state=[
            {"type": "m.room.join_rules", "state_key": "", "content": content}])
        add(alice, root, rooms[name], order=str(number))
    readable = alice.create_room(preset="private_chat", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "world_readable"}}])
    add(alice, root, readable, order="9")
    assert ids(hierarchy(alice, root).ok()) == [root, *rooms.values(), readable]
    bob.join(root).ok()
    assert ids(hierarchy(bob, root).ok()) == [root, rooms["public"], rooms["knock"], rooms["restricted"], readable]
    assert ids(hierarchy(carol, root).ok()) == [root, rooms["public"], rooms["knock"], readable]
    restricted = [room for room in hierarchy(bob, root).ok()["rooms"] if room["room_id"] == rooms["restricted"]]
    assert restricted[0]["allowed_room_ids"] == [root]
    alice.ban(rooms["public"], bob).ok()
    assert rooms["public"] not in ids(hierarchy(bob, root).ok())
