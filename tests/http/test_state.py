"""Room state: reading and writing."""
import pytest

from support.client import path_of


def test_state__written__read_by_type_and_key(alice, room):
    alice.set_state(room, "org.example.s", {"v": 1})
    alice.set_state(room, "org.example.s", {"v": 2}, "key")
    assert alice.get_state(room, "org.example.s").ok().json == {"v": 1}
    assert alice.get_state(room, "org.example.s", "key").ok().json == {"v": 2}


def test_state__empty_key__with_and_without_trailing_slash(alice, room):
    base = path_of("rooms", room, "state", "org.example.s")
    alice.put(base, {"v": 1}).ok()
    assert alice.get(base + "/").ok().json == {"v": 1}
    alice.put(base + "/", {"v": 2}).ok()
    assert alice.get(base).ok().json == {"v": 2}


@pytest.mark.parametrize("key", ["with space", "sla/sh", "ünï🙂", "%2F", "?x", "#y", "@user:hs1", "..", "."])
def test_state__odd_key__kept_exactly(alice, room, key):
    if key.startswith("@"):
        key = alice.user_id  # auth rules: a key beginning with @ belongs to that user
    alice.set_state(room, "org.example.s", {"k": key}, key)
    assert alice.state(room)["org.example.s", key]["content"] == {"k": key}
    assert alice.get_state(room, "org.example.s", key).ok().json == {"k": key}


def test_state__key_of_another_user__403(alice, bob, shared):
    alice.put_state(shared, "org.example.s", {}, bob.user_id).expect(403, "M_FORBIDDEN")


def test_state__missing__404(alice, room):
    alice.get_state(room, "m.room.name").expect(404, "M_NOT_FOUND")
    alice.get_state(room, "m.room.name", "other key").expect(404, "M_NOT_FOUND")


def test_state__format_event__whole_event(alice, room):
    event_id = alice.set_state(room, "m.room.name", {"name": "x"})
    event = alice.get_state(room, "m.room.name", format="event").ok()
    assert event["event_id"] == event_id and event["content"] == {"name": "x"} and event["state_key"] == ""
    assert event["sender"] == alice.user_id and event["room_id"] == room


def test_state__format_content__same_as_default(alice, room):
    alice.set_state(room, "m.room.name", {"name": "x"})
    assert alice.get_state(room, "m.room.name", format="content").ok().json == {"name": "x"}


def test_state__format_unknown__400(alice, room, hs):
    alice.set_state(room, "m.room.name", {"name": "x"})
    alice.get_state(room, "m.room.name", format="xml").expect(400)


def test_state__all__holds_each_key_once_with_newest(alice, room):
    for number in range(3):
        last = alice.set_state(room, "m.room.name", {"name": str(number)})
    events = alice.get(alice.room(room, "state")).ok().json
    keys = [(event["type"], event["state_key"]) for event in events]
    assert len(keys) == len(set(keys))
    assert alice.state(room)["m.room.name", ""]["event_id"] == last


def test_state__replaced__unsigned_tells_the_previous(alice, room):
    first = alice.set_state(room, "m.room.name", {"name": "one"})
    alice.set_state(room, "m.room.name", {"name": "two"})
    event = alice.messages(room, limit=1).ok()["chunk"][0]
    assert event["unsigned"]["prev_content"] == {"name": "one"}
    assert event["unsigned"]["replaces_state"] == first


def test_state__same_content_again__no_new_event(alice, room):
    """Not demanded by the specification, but clients rely on it (Synapse answers with the old event)."""
    first = alice.set_state(room, "m.room.name", {"name": "same"})
    assert alice.set_state(room, "m.room.name", {"name": "same"}) == first


def test_state__non_member__403(bob, room):
    bob.get(bob.room(room, "state")).expect(403, "M_FORBIDDEN")
    bob.get_state(room, "m.room.create").expect(403, "M_FORBIDDEN")
    bob.put_state(room, "m.room.name", {"name": "x"}).expect(403, "M_FORBIDDEN")


def test_state__unknown_room__403_or_404(alice, hs):
    alice.get(alice.room("!none:" + hs.server_name, "state")).expect((403, 404))


def test_state__plain_member__may_not_write(bob, shared):
    bob.put_state(shared, "m.room.name", {"name": "x"}).expect(403, "M_FORBIDDEN")


def test_state__after_leaving__as_it_was_when_left(alice, bob, shared):
    alice.set_state(shared, "m.room.name", {"name": "before"})
    bob.leave(shared).ok()
    alice.set_state(shared, "m.room.name", {"name": "after"})
    alice.set_state(shared, "org.example.later", {"v": 1})
    assert bob.get_state(shared, "m.room.name").ok()["name"] == "before"
    state = bob.state(shared)
    assert state["m.room.name", ""]["content"]["name"] == "before"
    assert ("org.example.later", "") not in state
    bob.get_state(shared, "org.example.later").expect((403, 404))


@pytest.mark.parametrize("version", ["11", "12"])
def test_state__create_event_again__400(alice, version):
    room = alice.create_room(room_version=version)
    alice.put_state(room, "m.room.create", {"room_version": version, "more": 1}).expect(400, "M_BAD_STATE")


def test_state__power_levels_name_a_creator__400(alice, bob):
    """Room version 12: creators have no entry in `users`; that is no question of power."""
    room = alice.create_room(room_version="12", creation_content={"additional_creators": [bob.user_id]})
    for user in (alice, bob):
        alice.put_state(room, "m.room.power_levels", {"users": {user.user_id: 100}}).expect(400, "M_BAD_STATE")
    alice.put_state(room, "m.room.power_levels", {"users": {"@carol:example.org": 100}}).ok()


@pytest.mark.parametrize("version,level", [("5", 50.5), ("5", 1 << 60), ("9", "50"), ("9", " +50 "), ("12", "50")])
def test_state__power_level_that_is_no_integer__400(alice, version, level):
    """Older versions take others for a level; users of ours do not send them.  Spec: server-server API, "Definitions"."""
    room = alice.create_room(room_version=version)
    levels = alice.state(room)["m.room.power_levels", ""]["content"]
    for more in ({"ban": level}, {"users": {**levels["users"], "@carol:example.org": level}}, {"events": {"a.b": level}},
                 {"notifications": {"room": level}}):
        alice.put_state(room, "m.room.power_levels", {**levels, **more}).expect(400, "M_BAD_JSON")
    alice.put_state(room, "m.room.power_levels", {**levels, "ban": 51}).ok()


@pytest.mark.parametrize("raw", [b"[]", b"5", b'"x"', b"null", b"true"])
def test_state__content_no_object__400(alice, room, raw):
    alice.request("PUT", path_of("rooms", room, "state", "org.example.s", ""), raw=raw).expect(
        400, ("M_BAD_JSON", "M_NOT_JSON"))


def test_state__post__405(alice, room):
    """room_state.yaml: POST is unsupported on state paths."""
    alice.post(path_of("rooms", room, "state", "org.example.s"), {}).expect(405, "M_UNRECOGNIZED")


@pytest.mark.tsan
def test_state__written_by_two_at_once__one_winner_and_both_in_history(alice, bob):
    from concurrent.futures import ThreadPoolExecutor
    room = alice.create_room(preset="public_chat", room_version="11",
                             power_level_content_override={"state_default": 0})
    bob.join(room).ok()
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda pair: pair[1].set_state(room, "org.example.race", {"n": pair[0]}),
                            [(n, (alice, bob)[n % 2]) for n in range(12)]))
    history = [e["event_id"] for e in alice.history(room, "f") if e["type"] == "org.example.race"]
    assert sorted(history) == sorted(ids)
    assert alice.state(room)["org.example.race", ""]["event_id"] == history[-1]
    assert bob.state(room)["org.example.race", ""]["event_id"] == history[-1]


def test_state__history_visibility_and_join_rules__readable(alice, room):
    assert alice.get_state(room, "m.room.join_rules").ok()["join_rule"] == "invite"
    assert alice.get_state(room, "m.room.history_visibility").ok()["history_visibility"] == "shared"
