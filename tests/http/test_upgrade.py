"""Room upgrades (modules/room_upgrades.md)."""
import pytest

from support import accounts
from support.client import Client, path_of, unique

VERSIONS = ["1", "6", "9", "11", "12"]


def upgrade(client, room_id, version="12", **more):
    return client.post(client.room(room_id, "upgrade"), {"new_version": version, **more})


def content(client, room_id, kind, key=""):
    return client.get_state(room_id, kind, key).ok().json


@pytest.mark.parametrize("to", VERSIONS)
@pytest.mark.parametrize("source", VERSIONS)
def test_upgrade__any_to_any__new_room_and_tombstone(alice, bob, source, to):
    old = alice.create_room(room_version=source, name="The choir", topic="Songs", invite=[bob.user_id])
    bob.join(old).ok()
    last = alice.send(old, "last words")
    new = upgrade(alice, old, to).ok()["replacement_room"]
    create = content(alice, new, "m.room.create")
    assert create["room_version"] == to
    assert create["predecessor"] == {"room_id": old, **({"event_id": last} if to != "12" else {})}
    tombstone = content(alice, old, "m.room.tombstone")
    assert tombstone["replacement_room"] == new and tombstone["body"]
    assert content(alice, new, "m.room.name") == {"name": "The choir"}
    assert content(alice, new, "m.room.topic")["topic"] == "Songs"
    levels = content(alice, new, "m.room.power_levels")
    assert (alice.user_id in levels["users"]) == (to != "12")
    alice.send(new, "hello")
    bob.put_event(old, "m.room.message", {"body": "still here"}).expect(403, "M_FORBIDDEN")
    assert content(bob, old, "m.room.power_levels")["events_default"] == 50


def test_upgrade__state__what_describes_and_governs_is_copied(alice, bob, hs):
    old = alice.create_room(room_version="11", preset="public_chat")
    wanted = {
        "m.room.server_acl": {"allow": ["*"], "deny": ["evil.example"], "allow_ip_literals": False},
        "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
        "m.room.avatar": {"url": "mxc://x.example/a"},
        "m.room.guest_access": {"guest_access": "can_join"},
        "m.room.history_visibility": {"history_visibility": "invited"},
        "m.room.join_rules": {"join_rule": "restricted",
                              "allow": [{"type": "m.room_membership", "room_id": "!s:x.example"}]},
    }
    for kind, value in wanted.items():
        alice.set_state(old, kind, value)
    alice.set_state(old, "org.example.custom", {"by": "alice"})
    alice.ban(old, bob, reason="rude").ok()
    new = upgrade(alice, old).ok()["replacement_room"]
    for kind, value in wanted.items():
        assert content(alice, new, kind) == value, kind
    alice.get_state(new, "org.example.custom").expect(404)
    member = content(alice, new, "m.room.member", bob.user_id)
    assert member["membership"] == "ban" and member["reason"] == "rude"
    bob.join(new).expect(403, "M_FORBIDDEN")


def test_upgrade__power_levels__kept_but_creators_taken_out(alice, bob, carol):
    old = alice.create_room(room_version="10", invite=[bob.user_id, carol.user_id],
                            power_level_content_override={"users": {alice.user_id: 100, bob.user_id: 100,
                                                                    carol.user_id: 50}, "kick": 77})
    new = upgrade(alice, old, additional_creators=[bob.user_id]).ok()["replacement_room"]
    assert content(alice, new, "m.room.create")["additional_creators"] == [bob.user_id]
    levels = content(alice, new, "m.room.power_levels")
    assert levels["users"] == {carol.user_id: 50} and levels["kick"] == 77


def test_upgrade__from_12_to_older__creators_have_the_highest_level(alice, bob):
    old = alice.create_room(room_version="12", creation_content={"additional_creators": [bob.user_id]})
    new = upgrade(alice, old, "11", additional_creators=["ignored there"]).ok()["replacement_room"]
    users = content(alice, new, "m.room.power_levels")["users"]
    assert users[alice.user_id] >= 100 and users[bob.user_id] >= 100
    assert "additional_creators" not in content(alice, new, "m.room.create")


def test_upgrade__by_a_moderator__own_level_at_the_end(alice, bob):
    """Copying needs more power than bob has; in the end he has what he had."""
    old = alice.create_room(room_version="10", invite=[bob.user_id], power_level_content_override={
        "users": {alice.user_id: 100, bob.user_id: 60}, "events": {"m.room.tombstone": 60}})
    bob.join(old).ok()
    alice.set_state(old, "m.room.server_acl", {"allow": ["*"]})
    new = upgrade(bob, old, "10").ok()["replacement_room"]
    levels = content(bob, new, "m.room.power_levels")
    assert levels["users"] == {alice.user_id: 100, bob.user_id: 60}
    assert content(bob, new, "m.room.server_acl") == {"allow": ["*"]}
    assert content(bob, old, "m.room.tombstone")["replacement_room"] == new


@pytest.mark.parametrize("state_default, before, after", [(50, None, 150), (50, 100, 100), (50, 51, 51), (50, 50, 150), (50, 0, 150),
                                                          (200, 100, 250)])
def test_upgrade__to_privileged_creators__tombstones_above_state_default(alice, state_default, before, after):
    """createRoom: "MUST explicitly be higher than state_default"; a level that is so already is copied."""
    users = {alice.user_id: 250}
    old = alice.create_room(room_version="11", power_level_content_override={"users": users})
    levels = {"users": users, "state_default": state_default}
    if before is not None:
        levels["events"] = {"m.room.tombstone": before}
    alice.set_state(old, "m.room.power_levels", levels)
    new = upgrade(alice, old, "12").ok()["replacement_room"]
    assert content(alice, new, "m.room.power_levels")["events"]["m.room.tombstone"] == after


def test_upgrade__banned_administrator__stays_banned(alice, bob):
    old = alice.create_room(room_version="10", power_level_content_override={
        "users": {alice.user_id: 101, bob.user_id: 100}})
    alice.ban(old, bob).ok()
    new = upgrade(alice, old, "10").ok()["replacement_room"]
    assert content(alice, new, "m.room.member", bob.user_id)["membership"] == "ban"
    assert bob.user_id not in content(alice, new, "m.room.power_levels")["users"]


def test_upgrade__aliases_and_directory__move(alice, hs):
    name = unique("choir")
    alias = "#%s:%s" % (name, hs.server_name)
    old = alice.create_room(room_version="11", room_alias_name=name, visibility="public")
    other = "#%s:%s" % (unique("second"), hs.server_name)
    alice.put(path_of("directory", "room", other), {"room_id": old}).ok()
    alice.set_state(old, "m.room.canonical_alias", {"alias": alias, "alt_aliases": [other]})
    new = upgrade(alice, old).ok()["replacement_room"]
    for which in (alias, other):
        assert alice.get(path_of("directory", "room", which)).ok()["room_id"] == new
    assert content(alice, new, "m.room.canonical_alias") == {"alias": alias, "alt_aliases": [other]}
    assert content(alice, old, "m.room.canonical_alias") == {}
    assert alice.get(alice.room(old, "aliases")).ok()["aliases"] == []


def test_upgrade__space__type_and_children_copied(alice, room, hs):
    space = alice.create_room(room_version="11", creation_content={"type": "m.space", "m.federate": False})
    alice.set_state(space, "m.space.child", {"via": [hs.server_name], "order": "a"}, room)
    alice.set_state(space, "m.space.child", {}, "!removed:x.example")
    new = upgrade(alice, space).ok()["replacement_room"]
    create = content(alice, new, "m.room.create")
    assert create["type"] == "m.space" and create["m.federate"] is False
    assert content(alice, new, "m.space.child", room) == {"via": [hs.server_name], "order": "a"}
    alice.get_state(new, "m.space.child", "!removed:x.example").expect(404)


def test_upgrade__join_rule_unknown_to_the_version__nearest_known(alice):
    for version, rule in (("8", "restricted"), ("6", "invite")):
        old = alice.create_room(room_version="11", initial_state=[{
            "type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock_restricted", "allow": []}}])
        new = upgrade(alice, old, version).ok()["replacement_room"]
        assert content(alice, new, "m.room.join_rules")["join_rule"] == rule


def test_upgrade__no_power_for_tombstone__nothing_made(alice, bob, shared):
    before = bob.get("/joined_rooms").ok()["joined_rooms"]
    upgrade(bob, shared).expect(403, "M_FORBIDDEN")
    assert bob.get("/joined_rooms").ok()["joined_rooms"] == before
    alice.get_state(shared, "m.room.tombstone").expect(404)


def test_upgrade__stranger_or_unknown__forbidden(carol, shared):
    upgrade(carol, shared).expect(403, "M_FORBIDDEN")
    upgrade(carol, "!nowhere:x.example").expect(403, "M_FORBIDDEN")


@pytest.mark.parametrize("body, errcode", [({"new_version": "nonsense"}, "M_UNSUPPORTED_ROOM_VERSION"),
                                           ({}, ("M_MISSING_PARAM", "M_BAD_JSON")),
                                           ({"new_version": 12}, "M_BAD_JSON"),
                                           ({"new_version": "12", "additional_creators": "x"}, "M_BAD_JSON"),
                                           ({"new_version": "12", "additional_creators": ["x"]}, "M_BAD_JSON")])
def test_upgrade__bad_request__refused(alice, room, body, errcode):
    alice.post(alice.room(room, "upgrade"), body).expect(400, errcode)
    alice.get_state(room, "m.room.tombstone").expect(404)


def test_upgrade__sync__both_rooms_told(alice):
    old = alice.create_room(room_version="11")
    watch = alice.watch()
    new = upgrade(alice, old).ok()["replacement_room"]
    answer = watch.next()
    assert "m.room.tombstone" in answer.joined(old).types()
    assert answer.joined(new).keyed("timeline")["m.room.create", ""]["content"]["predecessor"]["room_id"] == old


def test_upgrade__killed_afterwards__all_of_it_there(fresh_server):
    alice = accounts.register(fresh_server.url)
    old = alice.create_room(room_version="11", name="kept")
    new = upgrade(alice, old).ok()["replacement_room"]
    fresh_server.kill()
    fresh_server.start()
    alice = Client(fresh_server.url, alice.token, alice.user_id)
    assert content(alice, old, "m.room.tombstone")["replacement_room"] == new
    assert content(alice, new, "m.room.name") == {"name": "kept"}
    alice.send(new, "goes on")


# -- what users take along

MUTE = {"actions": ["dont_notify"]}


def set_for(client, room_id):
    """Tags, and actions of the push rule (None: there is no rule)."""
    tags = client.get("/user/%s/rooms/%s/tags" % (client.user_id, room_id)).ok()["tags"]
    rules = client.get("/pushrules/global/").ok()["room"]
    return tags, next((rule["actions"] for rule in rules if rule["rule_id"] == room_id), None)


def tag_and_mute(client, room_id):
    client.put(path_of("user", client.user_id, "rooms", room_id, "tags", "m.favourite"), {"order": 0.5}).ok()
    client.put(path_of("pushrules", "global", "room", room_id), MUTE).ok()


def by_request(client, old):
    return upgrade(client, old, "11").ok()["replacement_room"]


def by_hand(client, old):
    new = client.create_room(preset="public_chat", room_version="11", creation_content={"predecessor": {"room_id": old}})
    client.set_state(old, "m.room.tombstone", {"body": "moved", "replacement_room": new})
    return new


def join_by_request(client, room):
    client.join(room).ok()


def join_by_state(client, room):
    client.set_state(room, "m.room.member", {"membership": "join"}, client.user_id)


@pytest.mark.parametrize("join", [join_by_request, join_by_state])
@pytest.mark.parametrize("replace", [by_request, by_hand])
def test_upgrade__tags_and_push_rule__taken_along(alice, bob, replace, join):
    old = alice.create_room(room_version="10", preset="public_chat")
    bob.join(old).ok()
    for client in (alice, bob):
        tag_and_mute(client, old)
    before = set_for(alice, old)
    assert before[0] == {"m.favourite": {"order": 0.5}} and before[1] is not None
    new = replace(alice, old)
    assert set_for(alice, new) == before
    watch = bob.watch()
    join(bob, new)
    assert set_for(bob, new) == before and set_for(bob, old) == before
    watch.until(lambda answer: any(
        rule["rule_id"] == new for event in answer.get("account_data", {}).get("events", [])
        if event["type"] == "m.push_rules" for rule in event["content"]["global"]["room"]))


def test_upgrade__set_for_the_new_room_already__kept(alice, bob):
    old = alice.create_room(room_version="10", preset="public_chat")
    bob.join(old).ok()
    tag_and_mute(bob, old)
    new = by_request(alice, old)
    bob.put(path_of("pushrules", "global", "room", new), {"actions": ["notify"]}).ok()
    bob.join(new).ok()
    assert set_for(bob, new) == ({"m.favourite": {"order": 0.5}}, ["notify"])
    bob.put(path_of("user", bob.user_id, "rooms", new, "tags", "u.mine"), {}).ok()
    bob.delete(path_of("user", bob.user_id, "rooms", new, "tags", "m.favourite")).ok()
    bob.leave(new).ok()
    bob.join(new).ok()
    assert set_for(bob, new) == ({"u.mine": {}}, ["notify"])


def test_upgrade__room_claims_to_follow_one_that_the_user_was_never_in__nothing_taken_along(alice, bob):
    old = alice.create_room()
    bob.put(path_of("pushrules", "global", "room", old), MUTE).ok()
    new = bob.create_room(creation_content={"predecessor": {"room_id": old}})
    assert set_for(bob, new) == ({}, None)
    for odd in ({"room_id": 7}, {"room_id": "!nowhere:x.example"}, {}, "text"):
        bob.create_room(room_version="11", creation_content={"predecessor": odd})
