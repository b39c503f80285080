"""Invites across servers, both ways.  Spec: server-server API, "Inviting to a room"."""
import copy
import threading
import time
import types

import pytest
from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures

from support.client import path_of, seconds, unique
from support.federated_people import alice, zoe  # noqa: F401
from support.gateway import Gateway, pusher
from support.handshake import VERSIONS, add_signature, asked, countersign, membership
from support.processes import peak_kib
from support.proofs import BASE, with_address
from support.remote_room import Pdu, RemoteRoom
from support.shared_room import SharedRoom

INVITE_V1 = r"/_matrix/federation/v1/invite/.*"
INVITE_V2 = r"/_matrix/federation/v2/invite/.*"


# -- to us

class Invite:
    """An invite of the remote's user to one of ours, of a room that the remote has."""

    def __init__(self, remote, server, user_id, version="11", room=None, **content):
        self.remote, self.server, self.version = remote, server, version
        self.room = room or RemoteRoom(remote, version, join_rule="invite", more_state=[
            ("m.room.name", "", {"name": "Far away"})])
        self.event = self.room.sign(self.room.draft(
            "m.room.member", {"membership": "invite", **content}, user_id))
        self.state = [self.room.state[key].json for key in (
            ("m.room.create", ""), ("m.room.join_rules", ""), ("m.room.name", ""),
            ("m.room.member", self.room.creator)) if key in self.room.state]

    def put(self, api="v2", event=None, event_id=None, version=None, room_id=None, **more):
        event = event or self.event
        path = "/_matrix/federation/%s%s" % (api, path_of(
            "invite", room_id or self.room.room_id, event_id or event.event_id))
        if api == "v1":
            body = {**event.json, "unsigned": {"invite_room_state": self.state}}
        else:
            body = {"event": event.json, "room_version": version or self.version, "invite_room_state": self.state, **more}
            body = {key: value for key, value in body.items() if value is not None}
        return self.remote.send(self.server, "PUT", path, body)


@pytest.mark.parametrize("version", VERSIONS)
def test_invite__every_version__signed_and_told(federated, remote, alice, version):
    invite = Invite(remote, federated, alice.user_id, version)
    watch = alice.watch()
    event = invite.put().ok()["event"]
    assert set(event["signatures"]) == {remote.name, federated.server_name}
    assert {key: value for key, value in event.items() if key not in ("signatures", "unsigned")} == {
        key: value for key, value in invite.event.json.items() if key not in ("signatures", "unsigned")}
    answer, _ = watch.until(lambda sync: sync.invited(invite.room.room_id))
    stripped = answer.stripped(invite.room.room_id)
    assert stripped[("m.room.name", "")]["content"] == {"name": "Far away"}
    assert stripped[("m.room.member", alice.user_id)]["sender"] == invite.room.creator
    assert ("m.room.create", "") in stripped
    assert all(set(item) == {"type", "state_key", "sender", "content"} for item in stripped.values())


def test_invite__pusher__told_what_the_invite_shows_of_the_room(federated, remote, alice):
    """Push gateway API: "the homeserver is expected to include all of the event-related fields"."""
    gateway = Gateway()
    alice.post(path_of("pushers", "set"), pusher(gateway, unique("key"))).ok()
    invite = Invite(remote, federated, alice.user_id)
    invite.put().ok()
    got = gateway.next()
    gateway.close()
    assert (got["type"], got["room_id"], got["user_is_target"]) == ("m.room.member", invite.room.room_id, True)
    assert (got["sender"], got["room_name"]) == (invite.room.creator, "Far away")


def test_invite__again_while_the_first_is_queued_at_the_gateway__each_told_as_itself(federated, remote):
    """The one gateway is held up; the other tells when an invite has been queued for both."""
    alice, go = federated.user(), threading.Event()
    held, free = Gateway(lambda notification: (go.wait(seconds(60)) and 200 or 503, {"rejected": []})), Gateway()
    for gateway in (held, free):
        alice.post(path_of("pushers", "set"), pusher(gateway, unique("key"))).ok()
    Invite(remote, federated, alice.user_id).put().ok()
    free.next()
    room = RemoteRoom(remote, "11", join_rule="invite")
    invites = []
    for reason in ("come", "do come"):
        invites.append(Invite(remote, federated, alice.user_id, room=room, reason=reason))
        invites[-1].put().ok()
        free.next()
    go.set()
    held.next()
    told = [held.next()["event_id"] for _ in invites]
    held.close(), free.close()
    assert told == [invite.event.event_id for invite in invites]


def test_invite__email_pusher__mail_of_what_the_invite_shows(make_federated, remote, box):
    """The room is in no stream of ours: its name and who invites are told by the invite alone."""
    server = make_federated(settings={**box.settings(), "public_base_url": BASE, "registration.email": "optional",
                                      "mail.unread_after": "1s"}).start()
    lin = with_address(server, box)
    before = len(box.to(lin.address))
    lin.post(path_of("pushers", "set"), {
        "kind": "email", "app_id": "m.email", "pushkey": lin.address, "app_display_name": "Mail", "device_display_name": "Mail",
        "lang": "en", "data": {}}).ok()
    invite = Invite(remote, server, lin.user_id, room=RemoteRoom(remote, "11", join_rule="invite", more_state=[
        ("m.room.name", "", {"name": "Far away"}),
        ("m.room.member", "@creator:" + remote.name, {"membership": "join", "displayname": "Zoe Far"})]))
    invite.put().ok()
    text = box.wait(lin.address, before + 1).text
    assert "== Far away ==" in text and "Zoe Far" in text and "invites you" in text


@pytest.mark.parametrize("version", ["1", "2"])
def test_invite__v1__in_an_array(federated, remote, alice, version):
    invite = Invite(remote, federated, alice.user_id, version)
    answer = invite.put("v1").ok().json
    assert answer[0] == 200
    assert set(answer[1]["event"]["signatures"]) == {remote.name, federated.server_name}
    assert alice.sync().invited(invite.room.room_id)


@pytest.mark.parametrize("version", ["3", "11", "12"])
def test_invite__v1_of_a_newer_room__refused(federated, remote, alice, version):
    """Whoever gets a v1 invite "must assume that the room version is either 1 or 2"."""
    invite = Invite(remote, federated, alice.user_id, version)
    invite.put("v1").expect(400, "M_INVALID_PARAM")
    assert not alice.sync().invited(invite.room.room_id)


def test_invite__accepted__joined_by_way_of_the_inviter(federated, remote, alice):
    """No `via` is needed: who invited is in the room."""
    invite = Invite(remote, federated, alice.user_id)
    invite.put().ok()
    invite.room.add(invite.event)
    invite.room.serve()
    alice.join(invite.room.room_id).ok()
    assert membership(alice, invite.room.room_id, alice.user_id) == "join"
    assert not alice.sync().invited(invite.room.room_id)


def test_invite__again__told_once_more(federated, remote, alice):
    invite = Invite(remote, federated, alice.user_id)
    invite.put().ok()
    invite.put().ok()
    assert alice.sync().invited(invite.room.room_id)


@pytest.mark.parametrize("version", ["org.example", "13", "x", 'a"b'])
def test_invite__unknown_room_version__400_and_the_version(federated, remote, alice, version):
    reply = Invite(remote, federated, alice.user_id).put(version=version).expect(400, "M_INCOMPATIBLE_ROOM_VERSION")
    assert reply["room_version"] == version


def test_invite__no_room_version__400(federated, remote, alice):
    Invite(remote, federated, alice.user_id).put(room_version=None).expect(400, "M_MISSING_PARAM")


BAD_INVITES = {
    "join": {"content": {"membership": "join"}},
    "leave": {"content": {"membership": "leave"}},
    "no_membership": {"content": {}},
    "power_levels": {"type": "m.room.power_levels", "state_key": "", "content": {"users": {}}},
    "message": {"type": "m.room.message", "state_key": None, "content": {"body": "x"}},
    "no_state_key": {"state_key": None},
    "of_another_room": {"room_id": "!other:example.org"},
    "sender_elsewhere": {"sender": "@a:elsewhere.example"},
    "of_a_stranger": {"state_key": "@a:elsewhere.example"},
    "no_user": {"state_key": "nobody"},
    "depth_text": {"depth": "1"},
    "depth_negative": {"depth": -1},
    "huge_type": {"type": "m" * 300},
    "no_auth": {"auth_events": None},
    "content_list": {"content": []},
    "float": {"content": {"membership": "invite", "a": 1.5}},
}


@pytest.mark.parametrize("what", BAD_INVITES)
def test_sec_5_12__no_invite_of_ours__not_signed(federated, remote, alice, what):
    """CVE-2023-32323: what is no proper invite is refused before anything is signed."""
    invite = Invite(remote, federated, alice.user_id)
    draft = {**invite.room.draft("m.room.member", {"membership": "invite"}, alice.user_id), **BAD_INVITES[what]}
    draft = {key: value for key, value in draft.items() if value is not None}
    if what == "float":
        event = Pdu(invite.room.version, {**invite.event.json, "content": {"membership": "invite", "a": 1.5}})
    else:
        event = invite.room.sign(draft)
    reply = invite.put(event=event)
    reply.expect(400, "M_BAD_JSON" if what == "float" else "M_INVALID_PARAM")
    assert "event" not in reply
    assert not alice.sync().invited(invite.room.room_id)


def test_sec_5_12__other_id_or_room_in_the_path__not_signed(federated, remote, alice):
    invite = Invite(remote, federated, alice.user_id)
    invite.put(event_id="$" + "A" * 43).expect(400, "M_INVALID_PARAM")
    invite.put(room_id="!x:elsewhere.example").expect(400, "M_INVALID_PARAM")


def test_sec_5_5__invite__flipped_signature__400(federated, remote, alice):
    invite = Invite(remote, federated, alice.user_id)
    event = Pdu(invite.room.version, copy.deepcopy(invite.event.json))
    keys = event.json["signatures"][remote.name]
    for key in keys:
        keys[key] = ("B" if keys[key][0] == "A" else "A") + keys[key][1:]
    invite.put(event=event).expect(400, "M_INVALID_PARAM")
    assert not alice.sync().invited(invite.room.room_id)


def test_sec_5_5__invite__signed_by_a_key_that_was_given_up__good_if_dated_before(federated, make_remote, alice):
    remote = make_remote()
    old, remote.key = types.SimpleNamespace(name=remote.name, key=remote.key), generate_signing_key("k2")
    given_up = int(time.time() * 1000) - 3600 * 1000
    old_keys = {"ed25519:k1": {"expired_ts": given_up, "key": encode_verify_key_base64(get_verify_key(old.key))}}
    remote.on("GET", "/_matrix/key/v2/server", lambda ask: (200, remote.keys(old_verify_keys=old_keys)))
    invite = Invite(remote, federated, alice.user_id)
    draft = invite.room.draft("m.room.member", {"membership": "invite"}, alice.user_id)
    for ts, status in ((given_up + 1, 400), (given_up, 200)):
        invite.put(event=invite.room.sign({**draft, "origin_server_ts": ts}, old)).expect(status)


def test_invite__content_changed_after_the_hash__400_and_not_signed(federated, remote, alice):
    invite = Invite(remote, federated, alice.user_id)
    event = Pdu(invite.room.version, copy.deepcopy(invite.event.json))
    event.json["content"]["displayname"] = "Evil"
    assert "event" not in invite.put(event=event).expect(400, "M_INVALID_PARAM")
    assert not alice.sync().invited(invite.room.room_id)


def test_invite__sent_by_another_server__400(federated, remote, make_remote, alice):
    invite = Invite(remote, federated, alice.user_id)
    invite.remote = make_remote()
    invite.put().expect(400, "M_INVALID_PARAM")


def test_invite__no_such_user__403(federated, remote):
    Invite(remote, federated, "@nobody-%s:%s" % (unique("x"), federated.server_name)).put().expect(403, "M_FORBIDDEN")


def test_invite__deactivated_user__403_and_not_signed(federated, remote):
    user = federated.user()
    user.uia("POST", "/account/deactivate").ok()
    assert "event" not in Invite(remote, federated, user.user_id).put().expect(403, "M_FORBIDDEN")


def test_invite__user_takes_none__403_invite_blocked(federated, remote, alice):
    alice.account_data("m.invite_permission_config", {"default_action": "block"}).ok()
    invite = Invite(remote, federated, alice.user_id)
    invite.put().expect(403, "M_INVITE_BLOCKED")
    assert not alice.sync().invited(invite.room.room_id)


def test_invite__of_an_ignored_user__not_shown(federated, remote, alice):
    room = RemoteRoom(remote, "11", join_rule="invite")
    alice.account_data("m.ignored_user_list", {"ignored_users": {room.creator: {}}}).ok()
    Invite(remote, federated, alice.user_id, room=room).put().ok()
    assert not alice.sync().invited(room.room_id)


def nested(levels):
    """An object of so many levels."""
    value = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_invite__of_an_ignored_user_with_state_as_deep_as_may_be__not_shown(federated, remote, alice):
    """In the list the state lies a level deeper than an event may: so nobody saw who had sent the invite."""
    room = RemoteRoom(remote, "11", join_rule="invite", more_state=[("m.room.name", "", {"name": "Far", "deep": nested(98)})])
    alice.account_data("m.ignored_user_list", {"ignored_users": {room.creator: {}}}).ok()
    Invite(remote, federated, alice.user_id, room=room).put().ok()
    assert not alice.sync().invited(room.room_id)


def no_create(state):
    return [event for event in state if event["type"] != "m.room.create"]


STATES = {
    "no_create": no_create,
    "nothing": lambda state: [],
    "stripped": lambda state: [{key: event[key] for key in ("type", "state_key", "sender", "content")} for event in state],
    "junk": lambda state: state + [7],
    "unsigned": lambda state: [{**event, "signatures": {}} for event in state],
}


@pytest.mark.parametrize("what", STATES)
def test_invite_state__version_12__has_to_be_as_specified(federated, remote, alice, what):
    """v1.16: PDUs of the room, signed, with m.room.create."""
    invite = Invite(remote, federated, alice.user_id, "12")
    invite.state = STATES[what](invite.state)
    invite.put().expect(400, "M_INVALID_PARAM")
    assert not alice.sync().invited(invite.room.room_id)


def test_invite_state__version_12__of_another_room__400(federated, remote, alice):
    other = RemoteRoom(remote, "12", more_state=[("m.room.name", "", {"name": "Other"})])
    invite = Invite(remote, federated, alice.user_id, "12")
    invite.state.append(other.state[("m.room.name", "")].json)
    invite.put().expect(400, "M_INVALID_PARAM")


@pytest.mark.parametrize("what", STATES)
def test_invite_state__older_version__lenient(federated, remote, alice, what):
    invite = Invite(remote, federated, alice.user_id, "10")
    invite.state = STATES[what](invite.state)
    invite.put().ok()
    stripped = alice.sync().stripped(invite.room.room_id)
    assert ("m.room.member", alice.user_id) in stripped
    assert (("m.room.name", "") in stripped) == (what in ("no_create", "stripped", "junk"))


HOSTILE_STATE = [None, 7, "x", [], [[]], {}, {"a": []}, [None, 7, "x", [], {}], [{"type": 1}], [{"type": "m.room.name"}],
                 [{"type": "m.room.name", "state_key": "", "sender": "x", "content": "y"}],
                 [{"type": "m.room.name", "state_key": [], "sender": {}, "content": {}}],
                 [{"type": "m.room.member", "state_key": "@x:y", "sender": "@x:y", "content": {"membership": 7}}] * 500,
                 [{"type": "m.room.name", "state_key": "", "sender": "@x:y", "content": {"name": ["a", {"b": None}]}}]]


@pytest.mark.parametrize("state", HOSTILE_STATE, ids=[str(index) for index in range(len(HOSTILE_STATE))])
def test_sec_5_13__invite_state_of_any_shape__sync_goes_on(federated, remote, state):
    """CVE-2024-52815: a malformed invite breaks a user's sync."""
    alice = federated.user()
    invite = Invite(remote, federated, alice.user_id, "10")
    invite.state = state
    invite.put().expect((200, 400))
    alice.sync()
    alice.sync(full_state="true")


def test_invite__room_in_which_we_are__signed_and_nothing_else(federated, remote, alice):
    """It comes once more as an event of the room; until then it is none."""
    bob = federated.user()
    room = RemoteRoom(remote, "11").serve()
    bob.post(path_of("join", room.room_id), {}, query={"via": remote.name}).ok()
    invite = Invite(remote, federated, alice.user_id, room=room)
    event = invite.put().ok()["event"]
    assert federated.server_name in event["signatures"]
    watch = alice.watch()
    remote.transaction(federated, [room.add(event)]).ok()
    watch.until(lambda sync: sync.invited(room.room_id))


def test_invite__room_in_which_we_are__of_another_version__400(federated, remote, alice):
    """The event is good in the version that was told, but the room is known to be of another one."""
    room = RemoteRoom(remote, "11").serve()
    federated.user().post(path_of("join", room.room_id), {}, query={"via": remote.name}).ok()
    draft, told = room.draft("m.room.member", {"membership": "invite"}, alice.user_id), KNOWN_ROOM_VERSIONS["10"]
    add_hashes_and_signatures(told, draft, remote.name, remote.key)
    reply = Invite(remote, federated, alice.user_id, room=room).put(version="10", event=Pdu(told, draft))
    assert "event" not in reply.expect(400, "M_INVALID_PARAM")


def test_sec_5_28__invite_by_a_server_that_is_shut_out__403_and_not_signed(federated, remote, make_remote, alice):
    """"Server Access Control Lists (ACLs)" protect the invites to a room too."""
    evil = make_remote(host="localhost")
    shared = SharedRoom(federated, remote)
    room, mallory = shared.room, "@mallory:" + evil.name
    shared.deliver(room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, mallory, mallory), evil)))
    invite = Invite(evil, federated, alice.user_id, room=room)
    invite.event = room.sign(room.draft("m.room.member", {"membership": "invite"}, alice.user_id, mallory), evil)
    invite.put().ok()
    shared.deliver(room.send("m.room.server_acl", {"allow": ["*"], "deny": ["localhost"]}, ""))
    assert "event" not in invite.put().expect(403, "M_FORBIDDEN")
    Invite(remote, federated, alice.user_id, room=room).put().ok()


def test_invite__taken_back__gone_from_sync(federated, remote, alice):
    """The inviter's server sends the leave although nobody of here is in the room."""
    invite = Invite(remote, federated, alice.user_id)
    event = invite.put().ok()["event"]
    invite.room.add(event)
    watch = alice.watch()
    leave = invite.room.send("m.room.member", {"membership": "leave"}, alice.user_id)
    remote.transaction(federated, [leave]).ok()
    watch.until(lambda sync: sync.left(invite.room.room_id))
    assert not alice.sync().invited(invite.room.room_id)


def deliver(remote, server, room, *events):
    """And waits until they were looked at: a room's events are worked off in order, and the last one is told to a user."""
    bob = server.user()
    room.add(Invite(remote, server, bob.user_id, room=room).put().ok()["event"])
    watch = bob.watch()
    remote.transaction(server, [*events, room.send("m.room.member", {"membership": "leave"}, bob.user_id)]).ok()
    watch.until(lambda sync: sync.left(room.room_id))


def test_sec_5_22__taken_back_by_a_stranger__stays(federated, remote, make_remote, alice):
    """Whoever knows the room's id could otherwise make invites of others vanish."""
    stranger, invite = make_remote(), Invite(remote, federated, alice.user_id)
    room = invite.room
    room.add(invite.put().ok()["event"])
    draft = room.draft("m.room.member", {"membership": "leave"}, alice.user_id, sender="@eve:" + stranger.name)
    ban = {**draft, "content": {"membership": "ban"}}
    for event in (room.sign(draft, stranger), room.sign(ban, stranger), room.sign({**draft, "sender": room.creator}, stranger)):
        stranger.transaction(federated, [event]).ok()
    deliver(remote, federated, room)
    assert alice.sync().invited(room.room_id)


def test_invite__older_ban_comes_after_it__stays(federated, remote, alice):
    """Events come in any order: what ended something else, before, does not have the invite among its auth events."""
    room = RemoteRoom(remote, "11", join_rule="invite")
    older = [room.send("m.room.member", {"membership": what}, alice.user_id) for what in ("ban", "leave")]
    room.add(Invite(remote, federated, alice.user_id, room=room).put().ok()["event"])
    deliver(remote, federated, room, *older)
    assert alice.sync().invited(room.room_id)


def test_invite__ended_by_another_member__only_a_ban_is_believed(federated, remote, alice):
    """Nobody here knows who has the power to take it back."""
    invite, other = Invite(remote, federated, alice.user_id), "@mod:" + remote.name
    room = invite.room
    room.add(invite.put().ok()["event"])
    ends = [room.sign(room.draft("m.room.member", {"membership": what}, alice.user_id, other)) for what in ("leave", "ban")]
    deliver(remote, federated, room, ends[0])
    assert alice.sync().invited(room.room_id)
    watch = alice.watch()
    remote.transaction(federated, [ends[1]]).ok()
    watch.until(lambda sync: sync.left(room.room_id))


# -- to others

@pytest.mark.parametrize("version", VERSIONS)
def test_invite_out__every_version__signed_by_both(federated, remote, alice, zoe, version):
    room = alice.create_room(room_version=version, name="Choir")
    remote.on("PUT", INVITE_V2, lambda ask: countersign(remote, ask))
    alice.invite(room, zoe, reason="sing").ok()
    ask, = asked(remote, "invite")
    assert ask.json["room_version"] == version
    event = ask.json["event"]
    assert (event["type"], event["state_key"], event["sender"]) == ("m.room.member", zoe, alice.user_id)
    assert event["content"] == {"membership": "invite", "reason": "sing"}
    assert event["origin"] == federated.server_name
    assert ask.path.endswith("/" + Pdu(KNOWN_ROOM_VERSIONS[version], event).event_id)
    kinds = {item["type"]: item for item in ask.json["invite_room_state"]}
    assert {"m.room.create", "m.room.join_rules", "m.room.name", "m.room.member"} <= set(kinds)
    assert all("signatures" in item and "auth_events" in item for item in kinds.values())
    assert membership(alice, room, zoe) == "invite"


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("status", [400, 404])
def test_invite_out__old_server__asked_by_v1(federated, remote, alice, zoe, version, status):
    room = alice.create_room(room_version=version)
    remote.on("PUT", INVITE_V2, lambda ask: (status, {"errcode": "M_UNRECOGNIZED", "error": "old"}))
    remote.on("PUT", INVITE_V1, lambda ask: countersign(remote, ask))
    alice.invite(room, zoe).ok()
    last = asked(remote, "invite")[-1]
    assert [item for item in last.json["unsigned"]["invite_room_state"] if item["type"] == "m.room.create"]
    assert membership(alice, room, zoe) == "invite"


@pytest.mark.parametrize("answer", [(404, {"errcode": "M_UNRECOGNIZED", "error": "old"}), (405, {"errcode": "M_UNRECOGNIZED", "error": "old"}),
                                    (400, {"errcode": "M_UNRECOGNIZED", "error": "old"}), (404, b"<h1>not found</h1>"), (404, {})])
def test_invite_out__newer_room_version__not_asked_by_v1(federated, remote, alice, zoe, answer):
    room = alice.create_room(room_version="11")
    remote.on("PUT", INVITE_V2, lambda ask: answer)
    remote.on("PUT", INVITE_V1, lambda ask: countersign(remote, ask))
    alice.invite(room, zoe).expect(400, "M_UNSUPPORTED_ROOM_VERSION")
    assert len(asked(remote, "invite")) == 1
    assert membership(alice, room, zoe) is None


@pytest.mark.parametrize("status, errcode, wanted", [
    (404, "M_UNKNOWN", (502, "M_UNKNOWN")), (404, "M_INVALID_PARAM", (502, "M_UNKNOWN")), (404, "M_NOT_FOUND", (404, "M_NOT_FOUND")),
    (403, "M_FORBIDDEN", (403, "M_FORBIDDEN")), (403, "M_INVITE_BLOCKED", (403, "M_INVITE_BLOCKED")),
    (400, "M_INCOMPATIBLE_ROOM_VERSION", (400, "M_UNSUPPORTED_ROOM_VERSION")), (400, "M_INVALID_PARAM", (502, "M_UNKNOWN")),
    (500, "M_UNKNOWN", (502, "M_UNKNOWN"))])
def test_invite_out__refused__client_hears_of_it(federated, remote, alice, zoe, status, errcode, wanted):
    room = alice.create_room()
    remote.on("PUT", INVITE_V2, lambda ask: (status, {"errcode": errcode, "error": "no"}))
    alice.invite(room, zoe).expect(*wanted)
    assert membership(alice, room, zoe) is None


def test_create_room__invitees_server_does_not_know_the_version__client_hears_of_it(remote, alice, zoe):
    remote.on("PUT", INVITE_V2, lambda ask: (400, {
        "errcode": "M_INCOMPATIBLE_ROOM_VERSION", "error": "no", "room_version": "11"}))
    alice.post("/createRoom", {"invite": [zoe]}).expect(400, "M_UNSUPPORTED_ROOM_VERSION")


def test_invite_out__unreachable__502_and_not_invited(federated, alice):
    room = alice.create_room()
    alice.invite(room, "@zoe:127.0.0.1:1").expect(502)
    assert membership(alice, room, "@zoe:127.0.0.1:1") is None


BAD_ANSWERS = {
    "unsigned": lambda remote, ask: {"event": ask.json["event"]},
    "nothing": lambda remote, ask: {},
    "text": lambda remote, ask: {"event": "yes"},
    "wrong_signature": lambda remote, ask: {"event": {**ask.json["event"], "signatures": {
        **ask.json["event"]["signatures"], remote.name: {"ed25519:k1": "A" * 86}}}},
    "signature_of_another": lambda remote, ask: {"event": add_signature(ask.json["room_version"], {
        **ask.json["event"], "content": {"membership": "invite", "reason": "other"},
        "hashes": {"sha256": "A" * 43}}, remote)},
}


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_invite_out__not_signed_by_theirs__refused(federated, remote, alice, zoe, what):
    room = alice.create_room()
    remote.on("PUT", INVITE_V2, lambda ask: (200, BAD_ANSWERS[what](remote, ask)))
    alice.invite(room, zoe).expect(502)
    assert membership(alice, room, zoe) is None


def test_sec_5_21__answer_is_another_event__only_the_signature_counts(federated, remote, alice, zoe):
    room = alice.create_room()

    def answer(ask):
        event = add_signature(ask.json["room_version"], ask.json["event"], remote)
        event["content"] = {"membership": "join"}
        event["sender"] = zoe
        event["type"] = "m.room.power_levels"
        return 200, {"event": event}
    remote.on("PUT", INVITE_V2, answer)
    alice.invite(room, zoe).ok()
    member = alice.state(room)[("m.room.member", zoe)]
    assert member["sender"] == alice.user_id and member["content"] == {"membership": "invite"}


@pytest.mark.one_process("the memory of one process is looked at")
def test_invite_out__answer_with_thousands_of_signatures__memory_stays(federated, remote, alice, zoe):
    room = alice.create_room()

    def answer(ask):
        event = add_signature(ask.json["room_version"], ask.json["event"], remote)
        event["signatures"][remote.name].update({"ed25519:x%x" % number: "x" for number in range(4000)})
        return 200, {"event": event}
    remote.on("PUT", INVITE_V2, answer)
    before = peak_kib(federated.process.pid)
    assert alice.invite(room, zoe).status in (200, 413, 502)
    assert peak_kib(federated.process.pid) - before < 150 << 10


def test_invite_out__state_as_deep_as_may_be__asked(federated, remote, alice, zoe):
    """A topic that is nested as deeply as events may be kept everybody from inviting users of other servers."""
    room = alice.create_room()
    alice.put(path_of("rooms", room, "state", "m.room.topic", ""), {"topic": "Deep", "deep": nested(98)}).ok()
    remote.on("PUT", INVITE_V2, lambda ask: (200, {"event": add_signature(ask.json["room_version"], ask.json["event"], remote)}))
    alice.invite(room, zoe).ok()
    assert "Deep" in [event["content"].get("topic") for event in asked(remote, "invite")[-1].json["invite_room_state"]]


def test_invite_out__room_goes_on_while_theirs_thinks(federated, remote, alice, zoe):
    """The room is not held while the other server answers; the invite keeps the place that it was built at."""
    room = alice.create_room()
    release = threading.Event()

    def slow(ask):
        release.wait(20)
        return countersign(remote, ask)
    remote.on("PUT", INVITE_V2, slow)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(alice.invite(room, zoe)))
    thread.start()
    remote_asked = threading.Event()
    while not asked(remote, "invite") and not remote_asked.wait(0.01):
        pass
    other = alice.login()
    sent = other.send(room, "meanwhile")
    other.set_state(room, "m.room.topic", {"topic": "meanwhile"})
    release.set()
    thread.join()
    replies[0].ok()
    assert membership(alice, room, zoe) == "invite"
    assert alice.event(room, sent).ok()


def test_invite_out__inviter_banned_while_theirs_thinks__refused(federated, remote, zoe):
    alice, bob = federated.user(), federated.user()
    room = alice.create_room(invite=[bob.user_id])
    bob.join(room).ok()

    def slow(ask):
        alice.ban(room, bob).ok()
        return countersign(remote, ask)
    remote.on("PUT", INVITE_V2, slow)
    bob.invite(room, zoe).expect(403, "M_FORBIDDEN")
    assert membership(alice, room, zoe) is None


def test_invite_out__by_the_state_endpoint__asked_too(federated, remote, alice, zoe):
    room = alice.create_room()
    remote.on("PUT", INVITE_V2, lambda ask: countersign(remote, ask))
    alice.put_state(room, "m.room.member", {"membership": "invite", "displayname": "Zoë"}, zoe).ok()
    assert len(asked(remote, "invite")) == 1
    assert membership(alice, room, zoe) == "invite"


def test_create_room__invites_users_of_other_servers(federated, remote, alice, zoe):
    remote.on("PUT", INVITE_V2, lambda ask: countersign(remote, ask))
    room = alice.create_room(invite=[zoe], is_direct=True, preset="trusted_private_chat")
    assert membership(alice, room, zoe) == "invite"
    ask, = asked(remote, "invite")
    assert ask.json["event"]["content"]["is_direct"] is True


def test_create_room__one_of_several_servers_is_gone__the_others_are_invited(federated, remote, alice, zoe):
    bob = federated.user()
    remote.on("PUT", INVITE_V2, lambda ask: countersign(remote, ask))
    gone = ["@a:127.0.0.1:1", "@b:127.0.0.1:1"]
    room = alice.create_room(invite=gone + [zoe, bob.user_id])
    assert [membership(alice, room, user) for user in gone + [zoe, bob.user_id]] == [None, None, "invite", "invite"]


def test_create_room__the_only_invitee_cannot_be_reached__told(federated, alice):
    alice.post("/createRoom", {"invite": ["@a:127.0.0.1:1"], "is_direct": True}).expect(502)


def test_invite_out__shut_out_by_the_access_list__403(federated, make_remote, alice):
    evil = make_remote(host="127.0.0.2")
    room = alice.create_room()
    alice.put_state(room, "m.room.server_acl", {"allow": ["*"], "deny": ["127.0.0.2"]}).ok()
    alice.invite(room, "@eve:" + evil.name).expect(403, "M_FORBIDDEN")
    assert not asked(evil, "invite")


# -- two of this server

def test_two_servers__invite_and_join(make_federated):
    one, two = make_federated().start(), make_federated().start()
    alice, bob = one.user(), two.user()
    room = alice.create_room(name="Choir")
    watch = bob.watch()
    alice.invite(room, bob).ok()
    answer, _ = watch.until(lambda sync: sync.invited(room))
    assert answer.stripped(room)[("m.room.name", "")]["content"]["name"] == "Choir"
    bob.join(room).ok()
    assert membership(alice, room, bob.user_id) == "join"
    assert bob.state(room)[("m.room.name", "")]["content"]["name"] == "Choir"
