"""What one may know of a room from outside: /room_summary.  Spec: client-server API, "Room Summary API"."""
import pytest

from support.client import path_of, unique


def summary(client, room):
    return client.get("/_matrix/client/v1" + path_of("room_summary", room))


def test_summary__member__everything(alice):
    alias = "s" + unique("").replace("-", "")
    room_id = alice.create_room(name="Chess", topic="Club", room_alias_name=alias, preset="public_chat", initial_state=[
        {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}])
    version = alice.get_state(room_id, "m.room.create").ok()["room_version"]
    expected = {"room_id": room_id, "name": "Chess", "topic": "Club", "num_joined_members": 1, "join_rule": "public",
                "canonical_alias": "#%s:%s" % (alias, alice.user_id.partition(":")[2]), "world_readable": False,
                "guest_can_join": False, "encryption": "m.megolm.v1.aes-sha2", "room_version": version}
    assert summary(alice, room_id).ok().json == {**expected, "membership": "join"}
    assert summary(alice, expected["canonical_alias"]).ok().json == {**expected, "membership": "join"}


def test_summary__membership__as_it_is(alice, bob, nobody):
    room_id = alice.create_room(preset="public_chat")
    assert summary(bob, room_id).ok()["membership"] == "leave"
    bob.join(room_id).ok()
    assert summary(bob, room_id).ok()["membership"] == "join"
    assert summary(bob, room_id).ok()["num_joined_members"] == 2
    bob.leave(room_id).ok()
    assert summary(bob, room_id).ok()["membership"] == "leave"
    assert "membership" not in summary(nobody, room_id).ok()


@pytest.mark.parametrize("rule", ["public", "knock"])
def test_summary__open_rooms__for_everybody(alice, bob, nobody, rule):
    room_id = alice.create_room(preset="private_chat", initial_state=[
        {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": rule}}])
    for client in (bob, nobody):
        assert summary(client, room_id).ok()["join_rule"] == rule


def test_summary__world_readable__for_everybody(alice, nobody):
    room_id = alice.create_room(preset="private_chat", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "world_readable"}}])
    assert summary(nobody, room_id).ok()["world_readable"] is True


def test_summary__restricted__for_members_of_the_allowed_room(alice, bob, carol):
    parent = alice.create_room(preset="public_chat")
    room_id = alice.create_room(preset="private_chat", initial_state=[
        {"type": "m.room.join_rules", "state_key": "", "content": {
            "join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": parent}]}}])
    bob.join(parent).ok()
    assert summary(bob, room_id).ok()["allowed_room_ids"] == [parent]
    summary(carol, room_id).expect(404, "M_NOT_FOUND")
    bob.leave(parent).ok()
    summary(bob, room_id).expect(404, "M_NOT_FOUND")


def test_sec_5_26__summary_of_a_private_room__as_if_there_were_none(alice, bob, nobody):
    room_id = alice.create_room(preset="private_chat", name="Secret staff")
    unknown = summary(bob, "!unknown:hs1").expect(404, "M_NOT_FOUND")
    for client in (bob, nobody):
        assert summary(client, room_id).expect(404, "M_NOT_FOUND").json == unknown.json
    alice.invite(room_id, bob).ok()
    assert summary(bob, room_id).ok()["membership"] == "invite"
    alice.ban(room_id, bob).ok()
    summary(bob, room_id).expect(404, "M_NOT_FOUND")


def test_summary__bad_ids__refused(alice):
    summary(alice, "#nothing:hs1").expect(404, "M_NOT_FOUND")
    for text in ("x", "@user:hs1", "#", "!"):
        summary(alice, text).expect((400, 404), ("M_INVALID_PARAM", "M_NOT_FOUND"))
