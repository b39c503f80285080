"""Simplified sliding sync (MSC4186) of rooms of which other servers tell."""
import pytest

from support.federated_people import alice  # noqa: F401
from support.remote_room import RemoteRoom
from support.sliding import Sliding, wanted, window
from test_fed_history import all_bodies
from test_fed_invite import Invite
from test_fed_partial import join, large

ALL = [("*", "*")]


@pytest.mark.parametrize("version", ["1", "11", "12"])
def test_remote_invite__stripped_state_then_refused__told_each_once(federated, remote, alice, version):
    invite = Invite(remote, federated, alice.user_id, version)
    room = invite.room.room_id
    watch = Sliding(alice, {"all": window(state=ALL)}, {room: wanted(20, ALL)})
    invite.put().ok()
    part = watch.until_room(room)
    assert part.stripped["m.room.name", ""]["content"] == {"name": "Far away"}
    assert part.stripped["m.room.member", alice.user_id]["content"]["membership"] == "invite"
    assert Sliding(alice, {"all": window(filters={"is_invite": True})}).first.rooms == {room}
    alice.leave(room).ok()
    part = watch.until_room(room)
    assert part.state["m.room.member", alice.user_id]["content"]["membership"] == "leave" and part.timeline == []
    answer = watch.next()
    assert answer.rooms == set() and answer.count() == 0
    assert Sliding(alice, {"all": window(state=ALL)}).first.rooms == set()


def test_remote_invite__of_types_and_encrypted__filtered_by_stripped_state(federated, remote, alice):
    room = RemoteRoom(remote, "11", join_rule="invite", more_state=[("m.room.name", "", {"name": "Far away"})])
    invite = Invite(remote, federated, alice.user_id, room=room)
    invite.state.append({"type": "m.room.encryption", "state_key": "", "sender": room.creator, "content": {"algorithm": "m.megolm.v1.aes-sha2"}})
    invite.put().ok()
    for filters, is_there in (({"is_encrypted": True}, True), ({"is_encrypted": False}, False), ({"room_types": [None]}, True),
                              ({"room_types": ["m.space"]}, False), ({"not_room_types": ["m.space"]}, True)):
        assert (room.room_id in Sliding(alice, {"all": window(filters=filters)}).first.rooms) == is_there, filters


def test_remote_join__room_and_what_comes_later__told(federated, remote, alice):
    room = RemoteRoom(remote, "11").serve()
    watch = Sliding(alice, {"all": window(state=ALL)})
    join(alice, room, remote).ok()
    part = watch.until_room(room.room_id)
    assert part["initial"] is True and part.state["m.room.member", alice.user_id]["content"]["membership"] == "join"
    remote.transaction(federated, [room.message("from afar")]).ok()
    assert "from afar" in watch.until_room(room.room_id).bodies()


def test_remote_join__history_that_was_fetched_later__does_not_make_it_older(federated, remote, alice):
    older = alice.create_room()
    room = RemoteRoom(remote, "11").serve()
    room.message("one")
    room.message("two")
    join(alice, room, remote).ok()
    assert all_bodies(alice, room.room_id) == ["two", "one"]
    first = Sliding(alice, {"all": window()}).first
    assert first.room(room.room_id)["bump_stamp"] > first.room(older)["bump_stamp"]


def test_partial_join__members_come_later__told_as_whole(federated, remote, alice):
    room = large(remote)
    watch = Sliding(alice, {"all": window(state=ALL)})
    join(alice, room, remote).ok()
    told = set()

    def has_all(answer):
        part = answer.room(room.room_id)
        if part.get("initial"):
            told.clear()
        told.update(part.members)
        return set(room.far) <= told
    watch.until(has_all)
