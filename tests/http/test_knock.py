"""Knocking and restricted joins, where they meet (joining.yaml, knocking.yaml, rooms/v10)."""
import pytest

from support.client import path_of, unique


def knock(client, room, **more):
    return client.post(path_of("knock", room), more)


def room_with(client, rule, allow=(), **more):
    content = {"join_rule": rule, "allow": [{"type": "m.room_membership", "room_id": room} for room in allow]}
    return client.create_room(initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": content}], **more)


@pytest.fixture
def open_to_knocks(alice):
    return room_with(alice, "knock")


def member(client, room, user):
    return client.get_state(room, "m.room.member", user.user_id).ok()


def test_knock__reason__told_to_members_and_to_oneself(alice, bob, open_to_knocks, hs):
    watch = alice.watch()
    reply = knock(bob, open_to_knocks, reason="let me in").ok()
    assert reply["room_id"] == open_to_knocks
    answer = watch.next()
    event = answer.joined(open_to_knocks).timeline[-1]
    assert event["content"]["membership"] == "knock" and event["content"]["reason"] == "let me in"
    state = bob.sync().stripped(open_to_knocks)
    assert state["m.room.member", bob.user_id]["content"]["membership"] == "knock"
    assert ("m.room.create", "") in state


def test_knock__by_alias_with_via__knocks(alice, bob, hs):
    name = unique("door")
    room = room_with(alice, "knock", room_alias_name=name)
    path = path_of("knock", "#%s:%s" % (name, hs.server_name))
    assert bob.post(path, {}, query={"via": hs.server_name}).ok()["room_id"] == room


def test_knock__taken_back__left(alice, bob, open_to_knocks):
    knock(bob, open_to_knocks).ok()
    since = bob.sync().since
    bob.leave(open_to_knocks, reason="never mind").ok()
    assert member(alice, open_to_knocks, bob)["membership"] == "leave"
    assert open_to_knocks in bob.sync(since).rooms("leave")
    knock(bob, open_to_knocks).ok()


def test_knock__refused_by_kick__may_knock_again_unless_banned(alice, bob, open_to_knocks):
    knock(bob, open_to_knocks).ok()
    alice.kick(open_to_knocks, bob, reason="no").ok()
    knock(bob, open_to_knocks).ok()
    alice.ban(open_to_knocks, bob).ok()
    knock(bob, open_to_knocks).expect(403, "M_FORBIDDEN")


def test_knock__joined_or_invited__403(alice, bob, open_to_knocks):
    knock(alice, open_to_knocks).expect(403, "M_FORBIDDEN")
    alice.invite(open_to_knocks, bob).ok()
    knock(bob, open_to_knocks).expect(403, "M_FORBIDDEN")


def test_knock__does_not_let_in_by_itself(alice, bob, open_to_knocks):
    """sec 5.22: membership only by the user's request or a rule."""
    knock(bob, open_to_knocks).ok()
    bob.join(open_to_knocks).expect(403, "M_FORBIDDEN")
    bob.messages(open_to_knocks).expect(403, "M_FORBIDDEN")


def test_knock__room_version_without_knocking__403(alice, bob):
    room = room_with(alice, "knock", room_version="6")
    knock(bob, room).expect(403)


def test_knock__unknown_room__404(bob):
    knock(bob, "!nowhere:x.example").expect((403, 404))


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_knock_restricted__in_the_allowed_room__joins_with_authoriser(alice, bob, carol, version):
    hall = alice.create_room(preset="public_chat")
    room = room_with(alice, "knock_restricted", [hall], room_version=version)
    bob.join(hall).ok()
    bob.join(room).ok()
    assert member(alice, room, bob)["join_authorised_via_users_server"] == alice.user_id
    carol.join(room).expect(403, "M_FORBIDDEN")
    knock(carol, room).ok()
    alice.invite(room, carol).ok()
    carol.join(room).ok()
    assert "join_authorised_via_users_server" not in member(alice, room, carol)


def test_knock_restricted__version_9__neither(alice, bob):
    hall = alice.create_room(preset="public_chat")
    room = room_with(alice, "knock_restricted", [hall], room_version="9")
    bob.join(hall).ok()
    bob.join(room).expect(403, "M_FORBIDDEN")
    knock(bob, room).expect(403, "M_FORBIDDEN")


def test_restricted__nobody_left_who_may_invite__403(alice, bob, carol):
    hall = alice.create_room(preset="public_chat")
    room = room_with(alice, "restricted", [hall], room_version="10",
                     power_level_content_override={"invite": 100, "users": {alice.user_id: 100}})
    carol.join(hall).ok()
    bob.join(hall).ok()
    bob.join(room).ok()
    alice.leave(room).ok()
    carol.join(room).expect(403, "M_FORBIDDEN")


def test_restricted__banned_there_but_in_the_allowed_room__403(alice, bob):
    hall = alice.create_room(preset="public_chat")
    room = room_with(alice, "restricted", [hall])
    bob.join(hall).ok()
    alice.ban(room, bob).ok()
    bob.join(room).expect(403, "M_FORBIDDEN")


@pytest.mark.parametrize("allow", ["x", [1], [{"type": "other", "room_id": "!x:y"}], [{"type": "m.room_membership"}],
                                   [{"type": "m.room_membership", "room_id": 5}]], ids=str)
def test_restricted__odd_allow__nobody_but_the_invited(alice, bob, allow):
    room = alice.create_room(initial_state=[{"type": "m.room.join_rules", "state_key": "",
                                             "content": {"join_rule": "restricted", "allow": allow}}])
    bob.join(room).expect(403, "M_FORBIDDEN")
    alice.invite(room, bob).ok()
    bob.join(room).ok()
