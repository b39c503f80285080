"""Published rooms: /publicRooms, /directory/list/room.  Spec: client-server API, "Published room directory"."""
import pytest

from support import accounts
from support.client import of_whole_index, path_of, unique


def word():
    return "w" + unique("").replace("-", "")


def publish(client, room_id, visibility="public"):
    return client.put(path_of("directory", "list", "room", room_id), {"visibility": visibility})


def listed(client, term=None, **more):
    body = dict(more)
    if term is not None:
        body["filter"] = {**body.get("filter", {}), "generic_search_term": term}
    return of_whole_index(lambda: client.post("/publicRooms", body)).ok()


def ids(answer):
    return [room["room_id"] for room in answer["chunk"]]


def test_public_rooms__created_public__listed_with_what_it_is(alice, nobody):
    name = word()
    room_id = alice.create_room(visibility="public", preset="public_chat", name="Room " + name, topic="Topic of it",
                                room_alias_name=name, initial_state=[
                                    {"type": "m.room.avatar", "state_key": "", "content": {"url": "mxc://hs/a"}}])
    server = alice.user_id.partition(":")[2]
    assert listed(alice, name)["chunk"] == [{
        "room_id": room_id, "name": "Room " + name, "topic": "Topic of it", "avatar_url": "mxc://hs/a",
        "canonical_alias": "#%s:%s" % (name, server), "num_joined_members": 1, "join_rule": "public",
        "world_readable": False, "guest_can_join": False}]
    assert room_id in ids(nobody.get("/publicRooms", {"limit": 500}).ok())


def test_public_rooms__everybody_left__not_listed(alice, bob):
    """Nobody could join it: there is no server in it any more."""
    name = word()
    room_id = alice.create_room(visibility="public", preset="public_chat", name=name)
    bob.join(room_id).ok()
    alice.leave(room_id).ok()
    assert ids(listed(bob, name)) == [room_id]
    bob.leave(room_id).ok()
    assert ids(listed(bob, name)) == [] and listed(bob, name)["total_room_count_estimate"] == 0
    alice.join(room_id).expect((403, 404))


@pytest.mark.parametrize("text", ["\u0000", "a\u0000b"])
def test_public_rooms__name_that_no_database_takes__others_still_listed(alice, text):
    name = word()
    spoilt = alice.create_room(visibility="public", name=text, topic=text + name)
    alice.send(spoilt, {"msgtype": "m.text", "body": text})
    room_id = alice.create_room(visibility="public", name=name)
    assert ids(listed(alice, name)) == [room_id]


def test_public_rooms__private_by_default__published_and_hidden_again(alice):
    name = word()
    room_id = alice.create_room(name=name)
    assert ids(listed(alice, name)) == []
    publish(alice, room_id).ok()
    assert ids(listed(alice, name)) == [room_id]
    assert alice.get(path_of("directory", "list", "room", room_id)).ok().json == {"visibility": "public"}
    publish(alice, room_id, "private").ok()
    assert ids(listed(alice, name)) == []
    assert alice.get(path_of("directory", "list", "room", room_id)).ok().json == {"visibility": "private"}
    alice.put(path_of("directory", "list", "room", room_id), {}).ok()
    assert ids(listed(alice, name)) == [room_id]


def test_public_rooms__who_may_publish__moderators_and_administrators(hs, alice, bob, carol, shared):
    publish(bob, shared).expect(403, "M_FORBIDDEN")
    publish(carol, shared).expect(404, "M_NOT_FOUND")
    levels = alice.get_state(shared, "m.room.power_levels").ok().json
    levels.setdefault("users", {})[bob.user_id] = 50
    if alice.set_state(shared, "m.room.power_levels", levels):
        publish(bob, shared).ok()
    hs.admin().put(path_of("directory", "list", "room", shared), {"visibility": "private"}).ok()
    publish(alice, "!unknown:hs").expect(404, "M_NOT_FOUND")
    publish(alice, shared, "hidden").expect(400, "M_INVALID_PARAM")
    alice.get(path_of("directory", "list", "room", "!unknown:hs")).expect(404, "M_NOT_FOUND")


def test_sec_5_26__visibility_of_an_unpublished_room__only_for_who_is_in_it(alice, bob, nobody):
    room_id = alice.create_room()
    where = path_of("directory", "list", "room", room_id)
    unknown = bob.get(path_of("directory", "list", "room", "!unknown:hs1")).expect(404, "M_NOT_FOUND")
    for client in (bob, nobody):
        assert client.get(where).expect(404, "M_NOT_FOUND").json == unknown.json
    publish(alice, room_id).ok()
    for client in (alice, bob, nobody):
        assert client.get(where).ok().json == {"visibility": "public"}


def test_public_rooms__changes_of_state__followed(alice, bob):
    first, second = word(), word()
    room_id = alice.create_room(visibility="public", preset="public_chat", name=first)
    bob.join(room_id).ok()
    assert listed(alice, first)["chunk"][0]["num_joined_members"] == 2
    alice.set_state(room_id, "m.room.name", {"name": second})
    alice.set_state(room_id, "m.room.guest_access", {"guest_access": "can_join"})
    alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "world_readable"})
    alice.set_state(room_id, "m.room.join_rules", {"join_rule": "knock"})
    bob.leave(room_id).ok()
    assert ids(listed(alice, first)) == []
    room = listed(alice, second)["chunk"][0]
    assert room["num_joined_members"] == 1 and room["join_rule"] == "knock"
    assert room["world_readable"] is True and room["guest_can_join"] is True


@pytest.mark.parametrize("name,query", [("自然科學社%s", "科学"), ("Math Club %s", "clu math"), ("図書室%s", "図書"),
                                        ("영화 동아리%s", "동아리")])
def test_public_rooms__search_in_every_script__finds(alice, name, query):
    room_id = alice.create_room(visibility="public", preset="public_chat", name=name % (" " + word()))
    assert room_id in ids(listed(alice, query, limit=500))


def test_public_rooms__room_types__filtered(alice):
    name = word()
    plain = alice.create_room(visibility="public", preset="public_chat", name=name)
    space = alice.create_room(visibility="public", preset="public_chat", name=name, creation_content={"type": "m.space"})
    answer = listed(alice, name, filter={"room_types": ["m.space"]})
    assert ids(answer) == [space] and answer["chunk"][0]["room_type"] == "m.space"
    assert ids(listed(alice, name, filter={"room_types": [None]})) == [plain]
    assert sorted(ids(listed(alice, name, filter={"room_types": [None, "m.space"]}))) == sorted([plain, space])
    assert ids(listed(alice, name, filter={"room_types": []})) == []


def test_public_rooms__pages__both_ways_largest_first(hs, alice, bob):
    name = word()
    rooms = [alice.create_room(visibility="public", preset="public_chat", name=name) for _ in range(7)]
    for room_id in rooms[3:5]:
        bob.join(room_id).ok()
    hs.user().join(rooms[4]).ok()
    first = listed(alice, name, limit=3)
    assert ids(first)[:2] == [rooms[4], rooms[3]] and "prev_batch" not in first
    assert first["total_room_count_estimate"] == 7
    second = listed(alice, name, limit=3, since=first["next_batch"])
    third = listed(alice, name, limit=3, since=second["next_batch"])
    assert sorted(ids(first) + ids(second) + ids(third)) == sorted(rooms)
    assert "next_batch" not in third
    back = listed(alice, name, limit=3, since=third["prev_batch"])
    assert ids(back) == ids(second)
    back = listed(alice, name, limit=3, since=back["prev_batch"])
    assert ids(back) == ids(first) and "prev_batch" not in back
    assert ids(listed(alice, name, limit=3, since=back["next_batch"])) == ids(second)


@pytest.mark.parametrize("body,errcode", [
    ({"since": "x"}, "M_INVALID_PARAM"), ({"since": "n.1"}, "M_INVALID_PARAM"), ({"since": "q.1.1"}, "M_INVALID_PARAM"),
    ({"since": "n.-1.1"}, "M_INVALID_PARAM"), ({"limit": -1}, ("M_INVALID_PARAM", "M_BAD_JSON")),
    ({"limit": "1"}, "M_BAD_JSON"), ({"filter": {"room_types": [1]}}, "M_BAD_JSON"),
    ({"filter": {"generic_search_term": "x" * 2000}}, "M_INVALID_PARAM"),
    ({"include_all_networks": True, "third_party_instance_id": "irc"}, "M_INVALID_PARAM")])
def test_public_rooms__bad_body__refused(alice, body, errcode):
    alice.post("/publicRooms", body).expect(400, errcode)


def test_public_rooms__server__own_name_or_elsewhere(alice, nobody):
    name = word()
    room_id = alice.create_room(visibility="public", preset="public_chat", name=name)
    own = alice.user_id.partition(":")[2]
    body = {"filter": {"generic_search_term": name}}
    assert ids(of_whole_index(lambda: alice.post("/publicRooms", body, query={"server": own})).ok()) == [room_id]
    alice.post("/publicRooms", body, query={"server": "not a name"}).expect(400, "M_INVALID_PARAM")
    nobody.post("/publicRooms", body).expect(401, "M_MISSING_TOKEN")


def test_public_rooms__network_without_rooms__empty(alice):
    assert ids(listed(alice, third_party_instance_id="irc")) == []


def test_public_rooms__needs_login__nothing_for_others(make_server):
    server = make_server(settings={"room_directory.needs_login": "true"}).start()
    alice = accounts.register(server.url)
    room_id = alice.create_room(visibility="public", preset="public_chat")
    alice.anonymous().get("/publicRooms").expect(401, "M_MISSING_TOKEN")
    assert ids(of_whole_index(lambda: alice.get("/publicRooms")).ok()) == [room_id]
