"""Users of other servers come into rooms of this one.  Spec: server-server API, "Joining Rooms", "Restricted rooms"."""
import pytest
from signedjson.key import decode_verify_key_bytes
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from unpaddedbase64 import decode_base64, encode_base64

from support.client import path_of
from support.federated_people import alice, zoe  # noqa: F401
from support.handshake import VERSIONS, Guest, countersign, membership
from support.inbox import Inbox
from support.remote_room import Pdu, reference_hash

PUBLIC = {"preset": "public_chat"}


@pytest.fixture
def room(alice):
    return alice.create_room(**PUBLIC)


@pytest.fixture
def guest(remote, federated, room):
    return Guest(remote, federated, room)


def pdus(version, events):
    return {Pdu(KNOWN_ROOM_VERSIONS[version], event).event_id: event for event in events}


def refs(event):
    return [ref[0] if isinstance(ref, list) else ref for ref in event["auth_events"]]


# -- the plain way

@pytest.mark.parametrize("version", VERSIONS)
def test_send_join__every_version__whole_state_and_auth_chain(federated, remote, zoe, version):
    alice = federated.user()
    room = alice.create_room(room_version=version, name="Choir", **PUBLIC)
    alice.put_state(room, "m.room.topic", {"topic": "old"}).ok()
    alice.put_state(room, "m.room.topic", {"topic": "new"}).ok()
    before = alice.state(room)
    guest = Guest(remote, federated, room)
    template = guest.make("join", zoe)
    assert template["room_version"] == version
    event = guest.sign(template)
    answer = guest.hand_in("join", event).ok()
    state, chain = pdus(version, answer["state"]), pdus(version, answer["auth_chain"])
    assert len(state) == len(answer["state"]) and len(chain) == len(answer["auth_chain"])
    assert set(state) == {item["event_id"] for item in before.values()}
    known = {**state, **chain}
    for item in [event.json, *answer["state"], *answer["auth_chain"]]:
        assert set(refs(item)) <= set(known)
    assert answer["members_omitted"] is False
    assert Pdu(KNOWN_ROOM_VERSIONS[version], answer["event"]).event_id == event.event_id
    assert membership(alice, room, zoe) == "join"
    check_signatures(federated, remote, version, answer["state"] + answer["auth_chain"])


def check_signatures(federated, remote, version, events):
    """Every event is signed by this server, as Synapse checks it."""
    from signedjson.sign import verify_signed_json
    from synapse.synapse_rust.events import redact_event_dict
    keys = remote.raw(federated, "GET", "/_matrix/key/v2/server").ok()["verify_keys"]
    (key_id, key), = keys.items()
    verify_key = decode_verify_key_bytes(key_id, decode_base64(key["key"]))
    for event in events:
        redacted = redact_event_dict(KNOWN_ROOM_VERSIONS[version], dict(event))
        redacted.pop("unsigned", None)
        redacted.pop("age_ts", None)
        verify_signed_json(redacted, federated.server_name, verify_key)


@pytest.mark.parametrize("version", ["1", "2"])
def test_send_join__versions_with_hashes_beside_ids__the_reference_hashes(federated, remote, zoe, version):
    """rooms/v1, "Event format": [event id, {"sha256": reference hash}].  Of what was built with the room, after it, redacted, and
    of others."""
    alice, inbox = federated.user(), Inbox(remote)
    alice.put(path_of("profile", alice.user_id, "displayname"), {"displayname": "Alice"}).ok()
    room = alice.create_room(room_version=version, name="Choir", **PUBLIC)
    alice.redact(room, alice.state(room)[("m.room.member", alice.user_id)]["event_id"]).ok()
    guest = Guest(remote, federated, room)
    template = guest.make("join", zoe)["event"]
    answer = guest.join(zoe)
    message = alice.send(room, "hello")
    inbox.until(lambda i: "hello" in i.bodies())
    events = [*answer["state"], *answer["auth_chain"], answer["event"], *inbox.pdus()]
    known = pdus(version, events)
    assert message in known
    checked = set()
    for event in [template, *events]:
        for event_id, hashes in event["prev_events"] + event["auth_events"]:
            assert set(hashes) == {"sha256"}
            if event_id in known:
                expected = reference_hash(KNOWN_ROOM_VERSIONS[version], known[event_id])
                assert hashes["sha256"] == encode_base64(expected)
                checked.add(event_id)
    assert len(checked) > 5 and Pdu(KNOWN_ROOM_VERSIONS[version], answer["event"]).event_id in checked


def test_send_join__v1__in_an_array(guest, zoe):
    answer = guest.join(zoe, api="v1").json
    assert answer[0] == 200 and {"state", "auth_chain"} <= set(answer[1])


def test_send_join__again__the_same_answer(guest, zoe):
    event = guest.sign(guest.make("join", zoe))
    first, second = (guest.hand_in("join", event).ok() for _ in range(2))
    assert first["event"] == second["event"]
    assert len(first["state"]) == len(second["state"])


def test_make_join__template_is_of_what_was_asked_for(federated, guest, zoe, room):
    event = guest.make("join", zoe)["event"]
    assert event["origin"] == federated.server_name
    assert (event["type"], event["sender"], event["state_key"], event["room_id"]) == ("m.room.member", zoe, zoe, room)
    assert event["content"] == {"membership": "join"}
    assert event["prev_events"] and event["auth_events"] and isinstance(event["depth"], int)


def test_send_join__client_sees_it_at_once(guest, alice, room, zoe):
    watch = alice.watch()
    guest.join(zoe)
    watch.until(lambda sync: zoe in sync.joined(room).members("timeline"))


# -- a reduced answer

def test_omit_members__named_room__no_members(federated, remote, alice, zoe):
    room = alice.create_room(name="Choir", **PUBLIC)
    federated.user().join(room).ok()
    answer = Guest(remote, federated, room).join(zoe, query="?omit_members=true")
    assert answer["members_omitted"] is True
    assert answer["servers_in_room"] == [federated.server_name]
    assert not [event for event in answer["state"] if event["type"] == "m.room.member"]
    state, chain = pdus("12", answer["state"]), pdus("12", answer["auth_chain"])
    assert not set(state) & set(chain)
    for item in answer["state"] + answer["auth_chain"] + [answer["event"]]:
        assert set(refs(item)) <= set(state) | set(chain)


def test_omit_members__room_without_a_name__its_first_members(federated, remote, alice, zoe, room):
    others = [federated.user() for _ in range(7)]
    for other in others:
        other.join(room).ok()
    answer = Guest(remote, federated, room).join(zoe, query="?omit_members=true")
    members = [event["state_key"] for event in answer["state"] if event["type"] == "m.room.member"]
    assert sorted(members) == sorted([alice.user_id] + [other.user_id for other in others[:4]])


# -- who may not

def test_make_join__user_of_another_server__403(guest):
    guest.ask("join", "@zoe:elsewhere.example").expect(403, "M_FORBIDDEN")


@pytest.mark.parametrize("kind", ["join", "leave", "knock"])
def test_make__unknown_room__404(federated, remote, zoe, kind):
    Guest(remote, federated, "!nowhere:" + federated.server_name).ask(kind, zoe).expect(404, "M_NOT_FOUND")


@pytest.mark.parametrize("versions", [["1", "2"], [], ["org.example"]])
def test_make_join__version_not_known_there__400_and_the_version(guest, zoe, versions):
    reply = guest.ask("join", zoe, versions).expect(400, "M_INCOMPATIBLE_ROOM_VERSION")
    assert reply["room_version"] == "12"


def test_make_join__no_version_given__means_1(federated, remote, alice, zoe):
    """joins-v1.yaml: "Defaults to [1]"."""
    room = alice.create_room(room_version="1", **PUBLIC)
    Guest(remote, federated, room).ask("join", zoe, []).ok()


def test_make_join__private_room__403(federated, remote, alice, zoe):
    Guest(remote, federated, alice.create_room()).ask("join", zoe).expect(403, "M_FORBIDDEN")


def test_make_join__banned__403(guest, alice, room, zoe):
    alice.ban(room, zoe).ok()
    guest.ask("join", zoe).expect(403, "M_FORBIDDEN")


@pytest.mark.parametrize("kind", ["join", "leave", "knock"])
def test_sec_5_28__server_is_shut_out__403(federated, make_remote, alice, room, kind):
    """"Server Access Control Lists (ACLs)": whatever it asks for, and in whatever case it writes its name."""
    evil = make_remote(host="127.0.0.2")
    alice.put_state(room, "m.room.server_acl", {"allow": ["*"], "deny": ["127.0.0.2"]}).ok()
    Guest(evil, federated, room).ask(kind, "@eve:" + evil.name).expect(403, "M_FORBIDDEN")


def test_sec_5_28__shut_out_after_the_template__403(federated, make_remote, alice, room):
    evil = make_remote(host="127.0.0.2")
    guest = Guest(evil, federated, room)
    event = guest.sign(guest.make("join", "@eve:" + evil.name))
    alice.put_state(room, "m.room.server_acl", {"allow": ["*"], "deny": ["127.0.0.2"]}).ok()
    guest.hand_in("join", event).expect(403, "M_FORBIDDEN")
    assert membership(alice, room, "@eve:" + evil.name) is None


def test_make_join__nobody_of_here_is_left__404(guest, alice, room, zoe):
    alice.leave(room).ok()
    guest.ask("join", zoe).expect(404, "M_NOT_FOUND")


# -- what is not taken

BAD_EVENTS = {
    "leave": lambda event: {"content": {"membership": "leave"}},
    "ban": lambda event: {"content": {"membership": "ban"}},
    "invite": lambda event: {"content": {"membership": "invite"}},
    "no_membership": lambda event: {"content": {}},
    "message": lambda event: {"type": "m.room.message"},
    "no_state_key": lambda event: {"state_key": None},
    "of_another_user": lambda event: {"state_key": "@other:" + event["sender"].partition(":")[2]},
    "of_another_server": lambda event: {"sender": "@zoe:elsewhere.example", "state_key": "@zoe:elsewhere.example"},
    "of_another_room": lambda event: {"room_id": "!other:example.org"},
    "unknown_prev": lambda event: {"prev_events": ["$" + "A" * 43]},
    "odd_auth": lambda event: {"auth_events": 7},
    "depth_text": lambda event: {"depth": "7"},
    "lets_itself_in": lambda event: {"content": {"membership": "join", "join_authorised_via_users_server": event["sender"]}},
}


@pytest.mark.parametrize("what", BAD_EVENTS)
def test_sec_5_12__send_join__event_of_another_kind__400(guest, alice, room, zoe, what):
    template = guest.make("join", zoe)
    event = guest.sign(template, **BAD_EVENTS[what](template["event"]))
    guest.hand_in("join", event).expect(400, ("M_INVALID_PARAM", "M_BAD_JSON"))
    assert membership(alice, room, zoe) is None


def test_send_join__number_without_canonical_form__400_bad_json(guest, alice, room, zoe):
    event = guest.sign(guest.make("join", zoe))
    event.json["content"]["number"] = 1.5
    guest.hand_in("join", event).expect(400, "M_BAD_JSON")
    assert membership(alice, room, zoe) is None


def test_sec_5_22__local_user_joined_by_another_server__refused(guest, alice, federated, room):
    """2019 #5744: membership of a local user only by that user's own request."""
    bob = federated.user()
    guest.ask("join", bob.user_id).expect(403, "M_FORBIDDEN")
    template = guest.make("join", "@zoe:" + guest.remote.name)
    event = guest.sign(template, sender=bob.user_id, state_key=bob.user_id)
    guest.hand_in("join", event).expect(400, "M_INVALID_PARAM")
    assert membership(alice, room, bob.user_id) is None


def test_send_join__handed_in_by_another_server_than_the_senders__400(guest, make_remote, federated, alice, room, zoe):
    event = guest.sign(guest.make("join", zoe))
    Guest(make_remote(), federated, room).hand_in("join", event).expect(400, "M_INVALID_PARAM")
    assert membership(alice, room, zoe) is None
    guest.hand_in("join", event).ok()


def test_send_join__another_id_in_the_path__400(guest, zoe):
    event = guest.sign(guest.make("join", zoe))
    guest.hand_in("join", event, event_id="$" + "B" * 43).expect(400, "M_INVALID_PARAM")


def test_sec_5_5__send_join__flipped_signature__400(guest, alice, room, zoe):
    event = guest.sign(guest.make("join", zoe))
    for keys in event.json["signatures"].values():
        for key in keys:
            keys[key] = ("B" if keys[key][0] == "A" else "A") + keys[key][1:]
    guest.hand_in("join", event).expect(400, "M_INVALID_PARAM")
    event.json["signatures"] = {}
    guest.hand_in("join", event).expect(400, "M_INVALID_PARAM")
    assert membership(alice, room, zoe) is None


def test_send_join__content_changed_after_the_hash__400(guest, zoe):
    event = guest.sign(guest.make("join", zoe))
    event.json["content"]["displayname"] = "Evil"
    guest.hand_in("join", event).expect(400, "M_INVALID_PARAM")


def test_sec_5_6__send_join__stands_on_another_rooms_events__refused(guest, federated, alice, room, zoe):
    other = Guest(guest.remote, federated, alice.create_room(**PUBLIC)).make("join", zoe)["event"]
    template = guest.make("join", zoe)
    event = guest.sign(template, auth_events=other["auth_events"])
    guest.hand_in("join", event).expect((400, 403))
    assert membership(alice, room, zoe) is None


@pytest.mark.parametrize("body", [[], "x", 7, None])
def test_send_join__no_object__400(guest, remote, federated, room, body):
    reply = remote.send(federated, "PUT", "/_matrix/federation/v2" + path_of("send_join", room, "$x"), body)
    reply.expect(400)


def test_send_join__room_became_private_meanwhile__403(guest, alice, room, zoe):
    event = guest.sign(guest.make("join", zoe))
    alice.put_state(room, "m.room.join_rules", {"join_rule": "invite"}).ok()
    guest.hand_in("join", event).expect(403, "M_FORBIDDEN")
    assert membership(alice, room, zoe) is None


# -- restricted rooms

def restrict(user, room, *rooms):
    user.put_state(room, "m.room.join_rules", {"join_rule": "restricted", "allow": [
        {"type": "m.room_membership", "room_id": item} for item in rooms]}).ok()


@pytest.mark.parametrize("version", ["8", "9", "10", "11", "12"])
def test_restricted__in_an_allowed_room__our_user_lets_in_and_we_sign(federated, remote, alice, zoe, version):
    hall = alice.create_room(**PUBLIC)
    room = alice.create_room(room_version=version)
    restrict(alice, room, hall)
    Guest(remote, federated, hall).join(zoe)
    guest = Guest(remote, federated, room)
    template = guest.make("join", zoe)
    assert template["event"]["content"]["join_authorised_via_users_server"] == alice.user_id
    answer = guest.hand_in("join", guest.sign(template)).ok()
    assert set(answer["event"]["signatures"]) == {remote.name, federated.server_name}
    check_signatures(federated, remote, version, [answer["event"]])
    assert membership(alice, room, zoe) == "join"


def test_restricted__in_no_allowed_room__403(federated, remote, alice, zoe):
    hall, room = alice.create_room(**PUBLIC), alice.create_room()
    restrict(alice, room, hall)
    Guest(remote, federated, room).ask("join", zoe).expect(403, "M_FORBIDDEN")


def test_restricted__allowed_room_unknown_here__unable_to_authorise(federated, remote, alice, zoe):
    room = alice.create_room()
    restrict(alice, room, "!nobody-knows:elsewhere.example")
    Guest(remote, federated, room).ask("join", zoe).expect(400, "M_UNABLE_TO_AUTHORISE_JOIN")


def test_restricted__nobody_of_here_may_invite__unable_to_grant(federated, remote, zoe):
    """The only one with the power has gone; a member without it is left."""
    alice, bob = federated.user(), federated.user()
    hall = alice.create_room(**PUBLIC)
    room = alice.create_room(room_version="11", invite=[bob.user_id], power_level_content_override={"invite": 50})
    restrict(alice, room, hall)
    bob.join(room).ok()
    Guest(remote, federated, hall).join(zoe)
    alice.leave(room).ok()
    Guest(remote, federated, room).ask("join", zoe).expect(400, "M_UNABLE_TO_GRANT_JOIN")


def test_restricted__left_the_allowed_room_before_send_join__refused(federated, remote, alice, zoe):
    hall, room = alice.create_room(**PUBLIC), alice.create_room()
    restrict(alice, room, hall)
    inside = Guest(remote, federated, hall)
    inside.join(zoe)
    guest = Guest(remote, federated, room)
    event = guest.sign(guest.make("join", zoe))
    inside.enter("leave", zoe).ok()
    guest.hand_in("join", event).expect(403, "M_FORBIDDEN")
    assert membership(alice, room, zoe) is None


def test_restricted__invited__needs_nobody(federated, remote, alice, zoe):
    room = alice.create_room()
    restrict(alice, room, "!nobody-knows:elsewhere.example")
    remote.on("PUT", r"/_matrix/federation/v2/invite/.*", lambda ask: countersign(remote, ask))
    alice.invite(room, zoe).ok()
    template = Guest(remote, federated, room).make("join", zoe)
    assert "join_authorised_via_users_server" not in template["event"]["content"]


def test_sec_5_22__our_user_named_in_an_open_room__its_signature_is_not_given_to_who_has_no_right(
        federated, remote, alice, zoe):
    """A private restricted room: naming one of ours in the event does not make us sign."""
    hall, room = alice.create_room(**PUBLIC), alice.create_room()
    restrict(alice, room, hall)
    inside = Guest(remote, federated, hall)
    template = inside.make("join", zoe)
    guest = Guest(remote, federated, room)
    heads = alice.messages(room, limit=1).ok()["chunk"]
    event = guest.sign(template, room_id=room, prev_events=[heads[0]["event_id"]], auth_events=[], content={
        "membership": "join", "join_authorised_via_users_server": alice.user_id})
    guest.hand_in("join", event).expect(403, "M_FORBIDDEN")
