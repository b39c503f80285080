"""POST /createRoom: presets, options, order of the first events, room versions 1 to 12, errors."""
import re

import pytest

from support.client import unique

VERSIONS = [str(number) for number in range(1, 13)]
OLD = [str(number) for number in range(1, 12)]

PRESETS = {
    "private_chat": ("invite", "shared", "can_join"),
    "trusted_private_chat": ("invite", "shared", "can_join"),
    "public_chat": ("public", "shared", "forbidden"),
}


def create(user, **options):
    return user.post("/createRoom", options)


def rules(state):
    return (state["m.room.join_rules", ""]["content"]["join_rule"],
            state["m.room.history_visibility", ""]["content"]["history_visibility"],
            state.get(("m.room.guest_access", ""), {"content": {}})["content"].get("guest_access", "forbidden"))


@pytest.mark.parametrize("preset", PRESETS)
def test_create_room__preset__join_rule_visibility_guest_access(alice, preset):
    state = alice.state(alice.create_room(preset=preset))
    assert rules(state) == PRESETS[preset]


@pytest.mark.parametrize("options, preset", [
    ({}, "private_chat"), ({"visibility": "private"}, "private_chat"), ({"visibility": "public"}, "public_chat"),
    ({"visibility": "public", "preset": "private_chat"}, "private_chat"),
], ids=str)
def test_create_room__no_preset__derived_from_visibility(alice, options, preset):
    assert rules(alice.state(alice.create_room(**options))) == PRESETS[preset]


def test_create_room__empty_body__room_with_creator_joined(alice):
    room = alice.create_room()
    state = alice.state(room)
    assert state["m.room.member", alice.user_id]["content"]["membership"] == "join"
    assert state["m.room.create", ""]["sender"] == alice.user_id
    assert room in alice.get("/joined_rooms").ok()["joined_rooms"]


def test_create_room__name_and_topic__in_state(alice):
    state = alice.state(alice.create_room(name="The Grand Duke Pub", topic="All about happy hour"))
    assert state["m.room.name", ""]["content"] == {"name": "The Grand Duke Pub"}
    assert state["m.room.topic", ""]["content"]["topic"] == "All about happy hour"


def test_create_room__topic__has_plain_text_block(alice):
    """create_room.yaml: an m.room.topic event with a text/plain mimetype (v1.15)."""
    content = alice.get_state(alice.create_room(topic="Plain words"), "m.room.topic").ok().json
    assert {"body": "Plain words"}.items() <= content["m.topic"]["m.text"][0].items()
    assert content["m.topic"]["m.text"][0].get("mimetype", "text/plain") == "text/plain"


def test_create_room__alias__made_and_canonical(alice, hs):
    local = unique("pub")
    room = alice.create_room(room_alias_name=local)
    alias = "#%s:%s" % (local, hs.server_name)
    assert alice.get("/directory/room/" + alias.replace("#", "%23")).ok()["room_id"] == room
    assert alice.get_state(room, "m.room.canonical_alias").ok()["alias"] == alias


def test_create_room__alias_taken__400_room_in_use(alice, bob):
    local = unique("pub")
    alice.create_room(room_alias_name=local)
    create(bob, room_alias_name=local).expect(400, "M_ROOM_IN_USE")


@pytest.mark.parametrize("local", ["with:colon", "nul\u0000", "a" * 300])
@pytest.mark.peer("takes a NUL, appendices, Room aliases", only=["nul"])
def test_create_room__bad_alias_name__400(alice, local):
    create(alice, room_alias_name=local).expect(400, ("M_INVALID_PARAM", "M_UNKNOWN", "M_BAD_JSON"))


def test_create_room__bad_alias__no_room_left_behind(alice):
    create(alice, room_alias_name="with:colon").expect(400)
    assert alice.get("/joined_rooms").ok()["joined_rooms"] == []


def test_create_room__invite__invited_with_stripped_state(alice, bob):
    watch = bob.watch()
    room = alice.create_room(invite=[bob.user_id], name="Pub", is_direct=True)
    member = alice.get_state(room, "m.room.member", bob.user_id).ok()
    assert member["membership"] == "invite" and member["is_direct"] is True
    answer, _ = watch.until(lambda answer: answer.invited(room))
    stripped = answer.stripped(room)
    assert stripped["m.room.name", ""]["content"]["name"] == "Pub"
    assert stripped["m.room.member", bob.user_id]["content"]["membership"] == "invite"


def test_create_room__is_direct_false__not_in_invites(alice, bob):
    room = alice.create_room(invite=[bob.user_id])
    assert not alice.get_state(room, "m.room.member", bob.user_id).ok().get("is_direct")


def test_create_room__initial_state__applied_and_overrides_preset(alice):
    room = alice.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.join_rules", "content": {"join_rule": "invite"}},
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}},
        {"type": "org.example.custom", "state_key": "key", "content": {"a": 1}},
        {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}},
    ])
    state = alice.state(room)
    assert state["m.room.join_rules", ""]["content"]["join_rule"] == "invite"
    assert state["m.room.history_visibility", ""]["content"]["history_visibility"] == "joined"
    assert state["org.example.custom", "key"]["content"] == {"a": 1}
    assert state["m.room.encryption", ""]["content"]["algorithm"] == "m.megolm.v1.aes-sha2"


def test_create_room__name_beside_initial_state__name_wins(alice):
    room = alice.create_room(name="from name", topic="from topic", initial_state=[
        {"type": "m.room.name", "state_key": "", "content": {"name": "from state"}},
        {"type": "m.room.topic", "state_key": "", "content": {"topic": "from state"}}])
    assert alice.get_state(room, "m.room.name").ok()["name"] == "from name"
    assert alice.get_state(room, "m.room.topic").ok()["topic"] == "from topic"


def test_create_room__first_events__in_the_specified_order(alice, bob, hs):
    local = unique("order")
    room = alice.create_room(
        room_alias_name=local, preset="public_chat", name="n", topic="t", invite=[bob.user_id],
        initial_state=[{"type": "org.example.one", "state_key": "", "content": {}},
                       {"type": "org.example.two", "state_key": "", "content": {}}])
    types = [event["type"] for event in alice.history(room, "f")]
    assert types[:3] == ["m.room.create", "m.room.member", "m.room.power_levels"]
    wanted = ["m.room.power_levels", "m.room.canonical_alias", "m.room.join_rules", "org.example.one",
              "org.example.two", "m.room.name", "m.room.topic"]
    assert [kind for kind in types if kind in wanted] == wanted
    last = alice.history(room, "b")[0]
    assert last["type"] == "m.room.member" and last["state_key"] == bob.user_id
    assert types.index("m.room.history_visibility") < types.index("org.example.one")


@pytest.mark.parametrize("version", VERSIONS)
def test_create_room__version__works_and_is_told(alice, bob, version):
    room = alice.create_room(room_version=version, preset="public_chat", name="v" + version)
    create_event = alice.state(room)["m.room.create", ""]
    assert create_event["content"]["room_version"] == version
    assert create_event["sender"] == alice.user_id
    bob.join(room).ok()
    event = bob.send(room, "in version " + version)
    assert alice.event(room, event).ok()["content"]["body"] == "in version " + version
    if int(version) < 3:
        assert re.fullmatch(r"\$[^:]+:.+", event)
    elif int(version) == 3:
        assert re.fullmatch(r"\$[A-Za-z0-9+/]{43}", event)
    else:
        assert re.fullmatch(r"\$[A-Za-z0-9_-]{43}", event)


@pytest.mark.parametrize("version", OLD)
def test_create_room__creator_in_content__only_before_version_11(alice, version):
    content = alice.get_state(alice.create_room(room_version=version), "m.room.create").ok().json
    if int(version) <= 10:
        assert content["creator"] == alice.user_id
    else:
        assert "creator" not in content


@pytest.mark.parametrize("version", OLD)
def test_create_room__version_below_12__room_id_has_domain_and_creator_100(alice, hs, version):
    room = alice.create_room(room_version=version)
    assert re.fullmatch(r"![^:]+:" + re.escape(hs.server_name), room)
    power = alice.get_state(room, "m.room.power_levels").ok()
    assert power["users"] == {alice.user_id: 100}


def test_create_room__version_12__room_id_is_create_event_id(alice):
    room = alice.create_room(room_version="12")
    assert re.fullmatch(r"![A-Za-z0-9_-]{43}", room)
    assert alice.state(room)["m.room.create", ""]["event_id"] == "$" + room[1:]


def test_create_room__version_12__creator_not_in_power_levels_tombstone_above_state_default(alice):
    power = alice.get_state(alice.create_room(room_version="12"), "m.room.power_levels").ok()
    assert alice.user_id not in power.get("users", {})
    assert power["events"]["m.room.tombstone"] > power.get("state_default", 50)


def test_create_room__version_12_client_event__has_room_id(alice):
    room = alice.create_room(room_version="12")
    for event in alice.history(room):
        assert event["room_id"] == room


def test_create_room__version_12_additional_creators__have_all_power(alice, bob, carol):
    room = alice.create_room(room_version="12", invite=[bob.user_id, carol.user_id],
                             creation_content={"additional_creators": [bob.user_id]})
    assert alice.get_state(room, "m.room.create").ok()["additional_creators"] == [bob.user_id]
    bob.join(room).ok()
    carol.join(room).ok()
    bob.set_state(room, "m.room.name", {"name": "by additional creator"})
    carol.put_state(room, "m.room.name", {"name": "by a member"}).expect(403, "M_FORBIDDEN")
    bob.set_state(room, "m.room.tombstone", {"body": "x", "replacement_room": "!x"})


@pytest.mark.parametrize("value", ["x", [5], ["not-a-user"], {"a": 1}], ids=str)
def test_create_room__version_12_bad_additional_creators__400(alice, value):
    create(alice, room_version="12", creation_content={"additional_creators": value}).expect(400)


def test_create_room__version_12_creator_in_power_levels__400(alice):
    create(alice, room_version="12",
           power_level_content_override={"users": {alice.user_id: 100}}).expect(400)


def test_create_room__version_12_trusted_private_chat__invitees_are_creators(alice, bob, carol):
    room = alice.create_room(room_version="12", preset="trusted_private_chat", invite=[bob.user_id, carol.user_id],
                             creation_content={"additional_creators": [bob.user_id]})
    creators = alice.get_state(room, "m.room.create").ok()["additional_creators"]
    assert sorted(creators) == sorted([bob.user_id, carol.user_id])


@pytest.mark.parametrize("version", ["6", "11"])
def test_create_room__trusted_private_chat__invitees_have_creators_power(alice, bob, version):
    room = alice.create_room(room_version=version, preset="trusted_private_chat", invite=[bob.user_id])
    assert alice.get_state(room, "m.room.power_levels").ok()["users"] == {alice.user_id: 100, bob.user_id: 100}


def test_create_room__power_level_override__laid_over_the_default(alice, bob):
    room = alice.create_room(room_version="11", power_level_content_override={
        "events_default": 25, "events": {"m.room.name": 77}, "users": {alice.user_id: 100, bob.user_id: 30}})
    power = alice.get_state(room, "m.room.power_levels").ok()
    assert power["events_default"] == 25
    assert power["events"]["m.room.name"] == 77
    assert power["users"] == {alice.user_id: 100, bob.user_id: 30}
    assert power.get("state_default", 50) == 50


def test_create_room__default_power_levels__protect_what_matters(alice):
    power = alice.get_state(alice.create_room(room_version="11"), "m.room.power_levels").ok()
    assert power.get("users_default", 0) == 0 and power.get("events_default", 0) == 0
    assert power.get("ban", 50) == 50 and power.get("kick", 50) == 50 and power.get("redact", 50) == 50
    events = power.get("events", {})
    for kind in ("m.room.power_levels", "m.room.history_visibility", "m.room.server_acl", "m.room.tombstone",
                 "m.room.encryption"):
        assert events.get(kind, power.get("state_default", 50)) >= 50


def test_create_room__creation_content__kept_but_version_and_creator_overwritten(alice, bob):
    room = alice.create_room(room_version="10", creation_content={
        "m.federate": False, "type": "m.space", "org.example.k": [1], "creator": bob.user_id, "room_version": "1"})
    content = alice.get_state(room, "m.room.create").ok().json
    assert content["m.federate"] is False and content["type"] == "m.space" and content["org.example.k"] == [1]
    assert content["creator"] == alice.user_id and content["room_version"] == "10"


@pytest.mark.parametrize("version", ["0", "13", "999", "org.example.none", "", "1.0", "x" * 300])
def test_create_room__unknown_version__400_unsupported(alice, version):
    create(alice, room_version=version).expect(400, "M_UNSUPPORTED_ROOM_VERSION")


@pytest.mark.parametrize("body", [
    {"preset": "no_such_preset"}, {"preset": 5}, {"visibility": "secret"}, {"visibility": 5}, {"name": 5},
    {"name": ["x"]}, {"topic": 5}, {"invite": "x"}, {"invite": [5]}, {"invite": ["not-a-user"]}, {"invite": {}},
    {"room_version": 11}, {"creation_content": "x"}, {"creation_content": []}, {"initial_state": {}},
    {"initial_state": ["x"]}, {"initial_state": [{"state_key": "", "content": {}}]},
    {"initial_state": [{"type": "a.b", "state_key": 5, "content": {}}]},
    {"initial_state": [{"type": "a.b", "content": []}]}, {"initial_state": [{"type": 5, "content": {}}]},
    {"initial_state": [{"type": "a.b"}]}, {"room_alias_name": 5}, {"is_direct": "x"},
    {"power_level_content_override": "x"}, {"power_level_content_override": {"users": []}},
    {"power_level_content_override": {"ban": {}}}, {"power_level_content_override": {"ban": "high"}},
    {"power_level_content_override": {"users": {"nobody": 5}}},
], ids=str)
@pytest.mark.peer("does not check these types (500, or ignores them)", only=[
    "{'name': 5}", "['x']", "'topic': 5", "'invite': {}", "'creation_content'", "'initial_state': {}", "'is_direct'",
    "'state_key': 5", "'content': []", "'type': 5", "'power_level_content_override'", "{'type': 'a.b'}",
    "'visibility'", "[{'state_key'", "'room_alias_name'"])
def test_create_room__malformed__400(alice, body):
    create(alice, **body).expect(400)
    assert alice.get("/joined_rooms").ok()["joined_rooms"] == []


def test_create_room__power_too_low_for_own_request__400_invalid_room_state(alice):
    """create_room.yaml, 400: "the user's power_level is set below that necessary to set the room name"."""
    reply = create(alice, room_version="11", name="x",
                   power_level_content_override={"users": {alice.user_id: 10}, "events": {"m.room.name": 50}})
    assert (reply.status, reply.errcode) in ((400, "M_INVALID_ROOM_STATE"), (403, "M_FORBIDDEN")), reply


def test_create_room__without_token__401(nobody):
    nobody.post("/createRoom", {}, token=False).expect(401, "M_MISSING_TOKEN")


@pytest.mark.tsan
def test_create_room__many_at_once__ids_differ(alice):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(4) as pool:
        rooms = list(pool.map(lambda _: alice.create_room(), range(8)))
    assert len(set(rooms)) == 8
    assert set(rooms) <= set(alice.get("/joined_rooms").ok()["joined_rooms"])


def test_create_room__invite_self__no_double_membership(alice):
    reply = create(alice, invite=[alice.user_id])
    if reply.status == 200:
        assert alice.get_state(reply["room_id"], "m.room.member", alice.user_id).ok()["membership"] == "join"
    else:
        reply.expect((400, 403))


def test_create_room__public__visible_on_directory_setting(alice):
    from support.client import path_of
    public = alice.create_room(visibility="public")
    private = alice.create_room()
    for room, value in ((public, "public"), (private, "private")):
        reply = alice.get(path_of("directory", "list", "room", room))
        if reply.errcode != "M_UNRECOGNIZED":
            assert reply.ok()["visibility"] == value
