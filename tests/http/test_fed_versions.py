"""A room's life of every version between two Belfry servers: what a version changes holds at both, and both agree.

Specification: rooms/v1 to v12.
"""
import pytest

from support.client import path_of
from support.handshake import VERSIONS
from support.server import FederatedServer

QUICK = {"federation.retry_first": "200ms", "federation.retry_longest": "1s"}


@pytest.fixture(scope="module")
def servers(authority):
    pair = [FederatedServer(authority=authority, settings=QUICK).start() for _ in range(2)]
    yield pair
    for server in pair:
        server.destroy()


class Pair:
    """ann of the first server, who makes a room, ben of the second, and what each of them has heard."""

    def __init__(self, servers, version, **options):
        self.servers, self.version = servers, int(version)
        self.ann, self.ben = servers[0].user(), servers[1].user()
        self.watches = {}
        self.room = self.ann.create_room(room_version=version, **{"preset": "public_chat", **options})

    def via(self, name, body=None):
        return self.ben.post(path_of(name, self.room), body or {}, query={"server_name": self.servers[0].server_name,
                                                                           "via": self.servers[0].server_name})

    def join(self):
        self.via("join").ok()
        self.watches = {user: user.watch() for user in (self.ann, self.ben)}
        return self

    def heard(self, event_id):
        """Both see the event; as the second's."""
        for user, watch in self.watches.items():
            if not any(event["event_id"] == event_id for event in user.history(self.room)):
                watch.timeline_until(self.room, event_id, 30)
        return self.ben.event(self.room, event_id).ok().json

    def agree(self):
        """Both have the same state."""
        of_ann, of_ben = ({key: event["event_id"] for key, event in user.state(self.room).items()} for user in (self.ann, self.ben))
        assert of_ann == of_ben
        return of_ann

    def power(self, **changes):
        levels = self.ann.get_state(self.room, "m.room.power_levels").ok().json
        return self.ann.put_state(self.room, "m.room.power_levels", {**levels, **changes})


@pytest.fixture
def pair(servers, request):
    return Pair(servers, request.param).join()


every_version = pytest.mark.parametrize("pair", VERSIONS, indirect=True)


@every_version
def test_versions__messages_names_and_leave__the_same_at_both(pair):
    ids = [user.send(pair.room, "hello") for user in (pair.ann, pair.ben, pair.ann)]
    for event_id in ids:
        pair.heard(event_id)
    is_explicit, is_hash = pair.version <= 2, pair.version >= 3
    assert all((":" in event_id) == is_explicit and (len(event_id) == 44) == is_hash for event_id in ids)
    assert (":" not in pair.room) == (pair.version >= 12)
    create = pair.ben.get_state(pair.room, "m.room.create").ok().json
    assert create.get("room_version", "1") == str(pair.version)
    assert create.get("creator") == (pair.ann.user_id if pair.version < 11 else None)
    pair.heard(pair.ann.put_state(pair.room, "m.room.name", {"name": "Both"}).ok()["event_id"])
    pair.agree()
    pair.ben.leave(pair.room).ok()
    pair.watches[pair.ann].until(lambda answer: any(
        event.get("state_key") == pair.ben.user_id and event["content"]["membership"] == "leave"
        for event in answer.joined(pair.room).timeline))


@every_version
def test_versions__redaction_by_sender_and_by_power__applied_at_both(pair):
    target, own = pair.ben.send(pair.room, "by ben"), pair.ben.send(pair.room, "by ben too")
    theirs = pair.ann.send(pair.room, "by ann")
    for event_id in (target, own, theirs):
        pair.heard(event_id)
    pair.ben.redact(pair.room, theirs).expect(403, "M_FORBIDDEN")
    for redaction, redacted in ((pair.ann.redact(pair.room, target, reason="because"), target),
                                (pair.ben.redact(pair.room, own), own)):
        event = pair.heard(redaction.ok()["event_id"])
        assert event["redacts"] == event["content"]["redacts"] == redacted  # clients of any age read it, in every version
        for user in (pair.ann, pair.ben):
            gone = user.event(pair.room, redacted).ok()
            assert gone["content"] == {} and "redacted_because" in gone["unsigned"]
    assert pair.ben.event(pair.room, theirs).ok()["content"]["body"] == "by ann"


KEPT = {
    "m.room.aliases": ({"aliases": ["#a:x.example"], "other": 1}, lambda version: {"aliases"} if version <= 5 else set()),
    "m.room.join_rules": ({"join_rule": "public", "allow": [], "other": 1},
                          lambda version: {"join_rule", "allow"} if version >= 8 else {"join_rule"}),
    "m.room.history_visibility": ({"history_visibility": "shared", "other": 1}, lambda version: {"history_visibility"}),
    "m.room.power_levels": ({"invite": 7, "other": 1}, lambda version: {"invite"} if version >= 11 else set()),
}


@every_version
@pytest.mark.parametrize("kind", KEPT)
def test_versions__redacted_state__keeps_what_the_version_keeps(pair, kind):
    content, kept = KEPT[kind]
    if kind == "m.room.power_levels":
        levels = pair.ann.get_state(pair.room, kind).ok().json
        content = {**levels, **content}
    state_key = pair.ann.user_id.partition(":")[2] if kind == "m.room.aliases" else ""
    event_id = pair.ann.put_state(pair.room, kind, content, state_key).ok()["event_id"]
    pair.heard(event_id)
    pair.heard(pair.ann.redact(pair.room, event_id).ok()["event_id"])
    for user in (pair.ann, pair.ben):
        left = set(user.event(pair.room, event_id).ok()["content"])
        assert left & set(KEPT[kind][0]) == kept(pair.version), (user.user_id, left)
    pair.heard(pair.ann.send(pair.room, "and on"))


@every_version
def test_versions__moderator_of_the_other_server__kicks_and_bans(pair):
    levels = pair.ann.get_state(pair.room, "m.room.power_levels").ok().json
    assert (pair.ann.user_id in levels.get("users", {})) == (pair.version < 12)  # creators stand above all levels
    pair.heard(pair.power(users={**levels.get("users", {}), pair.ben.user_id: 50}).ok()["event_id"])
    cat = pair.servers[0].user()
    cat.join(pair.room).ok()
    pair.watches[pair.ben].until(lambda answer: any(event.get("state_key") == cat.user_id for event in answer.joined(pair.room).timeline))
    pair.ben.ban(pair.room, cat).ok()
    pair.watches[pair.ann].until(lambda answer: any(
        event.get("state_key") == cat.user_id and event["content"]["membership"] == "ban" for event in answer.joined(pair.room).timeline))
    cat.join(pair.room).expect(403, "M_FORBIDDEN")
    pair.ben.kick(pair.room, pair.ann).expect(403, "M_FORBIDDEN")
    pair.agree()


@pytest.mark.parametrize("version", VERSIONS)
def test_versions__knock__from_version_7(servers, version):
    pair = Pair(servers, version, preset="private_chat")
    pair.watches = {pair.ann: pair.ann.watch()}
    reply = pair.ann.put_state(pair.room, "m.room.join_rules", {"join_rule": "knock"})
    if pair.version < 7:
        assert reply.status in (200, 400)
        assert pair.via("knock").expect(403).errcode == "M_FORBIDDEN"
        return
    reply.ok()
    pair.via("join").expect(403, "M_FORBIDDEN")
    pair.via("knock", {"reason": "let me in"}).ok()
    pair.watches[pair.ann].until(lambda answer: any(
        event.get("state_key") == pair.ben.user_id and event["content"]["membership"] == "knock"
        for event in answer.joined(pair.room).timeline))
    pair.ann.invite(pair.room, pair.ben.user_id).ok()
    pair.via("join").ok()
    pair.agree()


@pytest.mark.parametrize("rule, first", [("restricted", 8), ("knock_restricted", 10)])
@pytest.mark.parametrize("version", VERSIONS)
def test_versions__restricted__from_the_version_that_brought_it(servers, version, rule, first):
    pair = Pair(servers, version)
    hall = Pair(servers, version)
    hall.ann = pair.ann
    hall.room = pair.ann.create_room(preset="public_chat")
    pair.ann.put_state(pair.room, "m.room.join_rules", {
        "join_rule": rule, "allow": [{"type": "m.room_membership", "room_id": hall.room}]})
    hall.ben = pair.ben
    if pair.version >= first:
        pair.via("join").expect(403, "M_FORBIDDEN")
    hall.via("join").ok()
    if pair.version < first:
        assert pair.via("join").status in (200, 403)
        joined = pair.room in pair.ben.sync().rooms("join")
        rules = pair.ann.get_state(pair.room, "m.room.join_rules").ok()["join_rule"]
        assert joined == (rules == "public"), "a rule that the version does not know lets nobody in"
        return
    pair.via("join").ok()
    pair.watches = {user: user.watch() for user in (pair.ann, pair.ben)}
    pair.heard(pair.ben.send(pair.room, "in"))
    member = pair.ann.get_state(pair.room, "m.room.member", pair.ben.user_id).ok()
    assert member["join_authorised_via_users_server"] == pair.ann.user_id
    pair.agree()


@pytest.mark.parametrize("version", VERSIONS)
def test_versions__upgrade_to_it__both_follow(servers, version):
    pair = Pair(servers, "10" if version != "10" else "9").join()
    old = pair.room
    pair.room = pair.ann.post(path_of("rooms", old, "upgrade"), {"new_version": version}).ok()["replacement_room"]
    pair.version = int(version)
    pair.watches[pair.ben].until(lambda answer: any(event["type"] == "m.room.tombstone" for event in answer.joined(old).timeline), 30)
    assert pair.ben.get_state(old, "m.room.tombstone").ok()["replacement_room"] == pair.room
    pair.join()
    assert pair.ben.get_state(pair.room, "m.room.create").ok()["predecessor"]["room_id"] == old
    pair.heard(pair.ben.send(pair.room, "here we are"))
    pair.agree()
