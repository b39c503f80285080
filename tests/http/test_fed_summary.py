"""Summaries of rooms that only other servers know.

Specification: client-server API, "Room Summary API"; server-server API, "Spaces", "Querying for information".
"""
import pytest

from support.client import Client, Http, path_of, quote, seconds, unique
from support.remote import FEDERATION
from support.remote_room import RemoteRoom
from test_fed_history import come_in
from test_fed_parked import Slow
from test_fed_queries import chunk


@pytest.fixture
def lin(federated):
    return federated.user()


def summary(user, room, *via, **more):
    query = "&".join("via=" + quote(getattr(server, "name", server)) for server in via)
    return user.get("/_matrix/client/v1%s%s" % (path_of("room_summary", room), "?" + query if query else ""), **more)


def tells(remote, room_id, *children, **more):
    """The remote tells this of a room."""
    remote.on("GET", FEDERATION + "/hierarchy/" + room_id.replace("!", "[!]").replace(".", "[.]"), lambda ask: (200, {
        "room": chunk(room_id, *children, **more), "children": [], "inaccessible_children": []}))
    return room_id


def a_room(remote):
    return "!%s:%s" % (unique("room"), remote.name)


def asked(remote):
    return [ask for ask in remote.asked if "/hierarchy/" in ask.path]


def test_summary__room_elsewhere__as_its_server_tells(federated, remote, lin):
    room_id = tells(remote, a_room(remote), name="Chess", topic="Club", room_type="m.space", room_version="11",
                    encryption="m.megolm.v1.aes-sha2", canonical_alias="#chess:" + remote.name, num_joined_members=7)
    found = summary(lin, room_id, remote).ok().json
    assert found == {"room_id": room_id, "name": "Chess", "topic": "Club", "room_type": "m.space", "room_version": "11",
                     "encryption": "m.megolm.v1.aes-sha2", "canonical_alias": "#chess:" + remote.name, "join_rule": "public",
                     "num_joined_members": 7, "world_readable": False, "guest_can_join": False, "membership": "leave"}
    assert summary(lin, room_id, remote).ok().json == found
    assert len(asked(remote)) == 1, "it is kept for some minutes"


def test_summary__alias_elsewhere__found_by_its_server(federated, remote, lin):
    room_id = tells(remote, a_room(remote), name="Chess")
    alias = "#%s:%s" % (unique("chess"), remote.name)
    remote.on("GET", FEDERATION + "/query/directory", lambda ask: (200, {"room_id": room_id, "servers": [remote.name]})
              if ask.query["room_alias"] == [alias] else (404, {"errcode": "M_NOT_FOUND", "error": "no"}))
    assert summary(lin, alias).ok()["room_id"] == room_id
    summary(lin, "#other:" + remote.name).expect(404, "M_NOT_FOUND")


def test_summary__id_that_names_no_server__by_via_only(federated, remote, lin):
    room_id = tells(remote, "!" + unique("v12"), name="New")
    summary(lin, room_id).expect(404, "M_NOT_FOUND")
    summary(lin, room_id, "no server name!").expect(404, "M_NOT_FOUND")
    assert asked(remote) == []
    assert summary(lin, room_id, remote).ok()["name"] == "New"


def test_summary__first_server_is_down__the_next_is_asked(federated, remote, make_remote, lin):
    down, other = make_remote(), make_remote()
    down.on("GET", FEDERATION + "/hierarchy/(.*)", lambda ask: (500, {"errcode": "M_UNKNOWN", "error": "down"}))
    other.on("GET", FEDERATION + "/hierarchy/(.*)", lambda ask: (404, {"errcode": "M_NOT_FOUND", "error": "no"}))
    room_id = tells(remote, a_room(remote), name="Chess")
    assert summary(lin, room_id, down, other, remote).ok()["name"] == "Chess"
    assert len(asked(down)) == len(asked(other)) == len(asked(remote)) == 1


def test_summary__many_servers__only_so_many_are_asked(federated, remote, make_remote, lin):
    room_id = tells(remote, a_room(remote))
    others = ["127.0.0.1:%d" % port for port in range(1, 6)]
    summary(lin, room_id, *others, remote).expect(404, "M_NOT_FOUND")
    assert asked(remote) == []


@pytest.mark.parametrize("join_rule, more, is_told", [
    ("public", {}, True), ("knock", {}, True), ("knock_restricted", {}, True), ("invite", {}, False), ("private", {}, False),
    ("invite", {"world_readable": True}, True), ("restricted", {}, False), ("restricted", {"allowed_room_ids": ["!x:y"]}, False)])
def test_summary__join_rule__tells_who_may_know(federated, remote, lin, join_rule, more, is_told):
    room_id = tells(remote, a_room(remote), join_rule=join_rule, **more)
    reply = summary(lin, room_id, remote)
    if is_told:
        assert reply.ok()["join_rule"] == join_rule
    else:
        reply.expect(404, "M_NOT_FOUND")


def test_summary__restricted__for_members_of_the_allowed_room(federated, remote, lin):
    class_room = lin.create_room(preset="public_chat")
    room_id = tells(remote, a_room(remote), join_rule="restricted", allowed_room_ids=["!x:y", class_room])
    found = summary(lin, room_id, remote).ok()
    assert found["allowed_room_ids"] == ["!x:y", class_room] and found["membership"] == "leave"
    other = federated.user()
    summary(other, room_id, remote).expect(404, "M_NOT_FOUND")
    other.join(class_room).ok()
    summary(other, room_id, remote).ok()
    other.leave(class_room).ok()
    summary(other, room_id, remote).expect(404, "M_NOT_FOUND")


def test_summary__nobody_of_ours_is_there_any_more__its_servers_tell_how_it_is_now(federated, remote, lin):
    room = RemoteRoom(remote).serve()
    come_in(lin, room)
    lin.leave(room.room_id).ok()
    tells(remote, room.room_id, name="Renamed since", num_joined_members=5)
    found = summary(federated.user(), room.room_id, remote).ok()
    assert (found["name"], found["num_joined_members"], found["membership"]) == ("Renamed since", 5, "leave")


def test_summary__room_that_we_are_in__nobody_is_asked(federated, remote, lin):
    room = RemoteRoom(remote).serve()
    come_in(lin, room)
    assert summary(lin, room.room_id, remote).ok()["membership"] == "join"
    assert asked(remote) == []


def test_sec_5_26__summary_without_account__of_what_is_here_only(federated, remote, lin):
    room_id = tells(remote, a_room(remote), name="Chess")
    alias = "#%s:%s" % (unique("chess"), remote.name)
    summary(Client(Http(federated.url)), room_id, remote).expect(404, "M_NOT_FOUND")
    summary(Client(Http(federated.url)), alias, remote).expect(404, "M_NOT_FOUND")
    assert remote.asked == []


@pytest.mark.parametrize("answer", [
    [], {}, {"room": 5}, {"room": {"room_id": "!other:x.example", "join_rule": "public"}},
    {"room": {"room_id": 7}}, {"children": [{"room_id": "ROOM"}], "room": None}])
def test_summary__answer_that_is_wrong__404(federated, remote, lin, answer):
    room_id = a_room(remote)
    remote.on("GET", FEDERATION + "/hierarchy/(.*)", lambda ask: (200, answer))
    summary(lin, room_id, remote).expect(404, "M_NOT_FOUND")
    assert len(asked(remote)) == 1


def test_two_servers__summary_of_a_room_and_its_alias(federated, make_federated, lin):
    other = make_federated().start()
    zoe = other.user()
    name = unique("hall")
    room_id = zoe.create_room(preset="public_chat", name="Hall", room_alias_name=name)
    closed, other_closed = zoe.create_room(name="Staff"), zoe.create_room(name="Board")
    expected = {"name": "Hall", "join_rule": "public", "num_joined_members": 1, "membership": "leave"}
    for found in (summary(lin, "#%s:%s" % (name, other.server_name)), summary(lin, room_id, other.server_name)):
        assert {key: found.ok()[key] for key in expected} == expected and found["room_id"] == room_id
    summary(lin, other_closed, other.server_name).expect(404, "M_NOT_FOUND")
    zoe.invite(closed, lin.user_id).ok()
    found = summary(lin, closed, other.server_name).ok()
    assert found["name"] == "Staff" and found["membership"] == "invite"


def test_summary__of_servers_that_never_answer__the_time_of_all_together_ends(federated, make_remote, lin):
    """Twenty seconds from the first question on, of which one server has no more than half: the last ones are not asked."""
    silent = [make_remote() for _ in range(5)]
    slow = Slow("/hierarchy/", *silent)
    try:
        summary(lin, a_room(silent[0]), *silent, timeout=seconds(60)).expect(404, "M_NOT_FOUND")
    finally:
        slow.hurry()
    assert asked(silent[0]) and not asked(silent[4])
