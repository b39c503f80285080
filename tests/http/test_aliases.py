"""Room aliases and the canonical alias."""
import pytest

from support.client import path_of, unique


def alias_path(alias):
    return path_of("directory", "room", alias)


@pytest.fixture
def alias(hs):
    return "#%s:%s" % (unique("alias"), hs.server_name)


def test_alias__set__resolves(alice, bob, nobody, room, alias, hs):
    assert alice.put(alias_path(alias), {"room_id": room}).ok().json == {}
    reply = bob.get(alias_path(alias)).ok()
    assert reply["room_id"] == room and hs.server_name in reply["servers"]
    nobody.get(alias_path(alias), token=False).expect((200, 401))


def test_alias__taken__409(alice, room, alias):
    alice.put(alias_path(alias), {"room_id": room}).ok()
    other = alice.create_room()
    alice.put(alias_path(alias), {"room_id": other}).expect(409)
    assert alice.get(alias_path(alias)).ok()["room_id"] == room


def test_alias__unknown__404(alice, alias):
    alice.get(alias_path(alias)).expect(404, "M_NOT_FOUND")
    alice.delete(alias_path(alias)).expect(404, "M_NOT_FOUND")


@pytest.mark.parametrize("text", ["nonsense", "#nocolon", "!room:hs1", "@user:hs1", "#"])
def test_alias__not_an_alias__400(alice, room, text):
    alice.get(alias_path(text)).expect(400, ("M_INVALID_PARAM", "M_UNKNOWN"))
    alice.put(alias_path(text), {"room_id": room}).expect(400, ("M_INVALID_PARAM", "M_UNKNOWN"))


def test_alias__of_another_server__not_set_here(alice, room):
    alice.put(alias_path("#x:elsewhere.example"), {"room_id": room}).expect((400, 403))


def test_alias__over_255_bytes__400(alice, room, hs):
    alice.put(alias_path("#%s:%s" % ("x" * 260, hs.server_name)), {"room_id": room}).expect(400)


@pytest.mark.parametrize("body", [{}, {"room_id": 5}, {"room_id": "nonsense"}, {"room_id": None}], ids=str)
def test_alias__malformed_body__400(alice, alias, body):
    alice.put(alias_path(alias), body).expect(400)


def test_alias__unknown_room__4xx(alice, alias, hs):
    alice.put(alias_path(alias), {"room_id": "!none:" + hs.server_name}).expect((400, 403, 404))


def test_alias__by_non_member__403(alice, bob, room, alias, hs):
    """Security 5.26: who is not in the room has no say in its names (Synapse's default lets them)."""
    reply = bob.put(alias_path(alias), {"room_id": room})
    if not hs.is_synapse:
        reply.expect(403, "M_FORBIDDEN")


def test_alias__without_token__401(nobody, room, alias):
    nobody.put(alias_path(alias), {"room_id": room}, token=False).expect(401, "M_MISSING_TOKEN")
    nobody.delete(alias_path(alias), token=False).expect(401, "M_MISSING_TOKEN")


def test_alias__deleted_by_its_maker__gone(alice, room, alias):
    alice.put(alias_path(alias), {"room_id": room}).ok()
    assert alice.delete(alias_path(alias)).ok().json == {}
    alice.get(alias_path(alias)).expect(404, "M_NOT_FOUND")


def test_alias__deleted_by_a_plain_member__403(alice, bob, shared, alias):
    alice.put(alias_path(alias), {"room_id": shared}).ok()
    bob.delete(alias_path(alias)).expect(403, "M_FORBIDDEN")
    alice.get(alias_path(alias)).ok()


def test_alias__several__listed_for_members_only(alice, bob, carol, shared, hs):
    names = sorted("#%s:%s" % (unique("many"), hs.server_name) for _ in range(3))
    for name in names:
        alice.put(alias_path(name), {"room_id": shared}).ok()
    assert sorted(alice.get(alice.room(shared, "aliases")).ok()["aliases"]) == names
    assert sorted(bob.get(bob.room(shared, "aliases")).ok()["aliases"]) == names
    carol.get(carol.room(shared, "aliases")).expect(403, "M_FORBIDDEN")


def test_alias__world_readable_room__listed_for_anyone(alice, bob, alias):
    room = alice.create_room(initial_state=[
        {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}])
    alice.put(alias_path(alias), {"room_id": room}).ok()
    assert bob.get(bob.room(room, "aliases")).ok()["aliases"] == [alias]


def test_alias__unicode__kept(alice, room, hs):
    alias = "#%s-käse-漢字:%s" % (unique("u"), hs.server_name)
    alice.put(alias_path(alias), {"room_id": room}).ok()
    assert alice.get(alias_path(alias)).ok()["room_id"] == room


# -- canonical alias

def test_canonical_alias__pointing_here__accepted(alice, room, alias):
    alice.put(alias_path(alias), {"room_id": room}).ok()
    alice.set_state(room, "m.room.canonical_alias", {"alias": alias})
    assert alice.get_state(room, "m.room.canonical_alias").ok()["alias"] == alias


def test_canonical_alias__pointing_elsewhere_or_nowhere__400_bad_alias(alice, room, alias, hs):
    other = alice.create_room()
    alice.put(alias_path(alias), {"room_id": other}).ok()
    for content in ({"alias": alias}, {"alt_aliases": [alias]},
                    {"alias": "#%s:%s" % (unique("none"), hs.server_name)}):
        alice.put_state(room, "m.room.canonical_alias", content).expect(400, "M_BAD_ALIAS")


@pytest.mark.parametrize("content", [{"alias": "nonsense"}, {"alt_aliases": ["nonsense"]}, {"alias": 5},
                                     {"alt_aliases": "x"}, {"alt_aliases": [5]}], ids=str)
def test_canonical_alias__invalid__400(alice, room, content):
    alice.put_state(room, "m.room.canonical_alias", content).expect(
        400, ("M_INVALID_PARAM", "M_BAD_JSON", "M_UNKNOWN", "M_BAD_ALIAS"))


def test_canonical_alias__removed__accepted(alice, room, alias):
    alice.put(alias_path(alias), {"room_id": room}).ok()
    alice.set_state(room, "m.room.canonical_alias", {"alias": alias})
    alice.delete(alias_path(alias)).ok()
    alice.set_state(room, "m.room.canonical_alias", {})


def test_canonical_alias__unchanged_but_dead_alias__still_accepted(alice, room, alias, hs):
    """room_state.yaml: aliases already present in the state event are not validated."""
    second = "#%s:%s" % (unique("second"), hs.server_name)
    for name in (alias, second):
        alice.put(alias_path(name), {"room_id": room}).ok()
    alice.set_state(room, "m.room.canonical_alias", {"alias": alias, "alt_aliases": [second]})
    content = alice.get_state(room, "m.room.canonical_alias").ok().json
    content["org.example"] = 1
    alice.set_state(room, "m.room.canonical_alias", content)
