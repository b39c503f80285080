"""Events of others that stand on forks, come too late, or before what they are about: what clients see of them.
Spec: server-server API, "Soft failure", "Rejection"; rooms/v2, "State resolution"; rooms/v3, "Handling redactions"."""
import pytest

from support.handshake import VERSIONS
from support.shared_room import SharedRoom


def topic(user, room_id):
    return user.state(room_id)[("m.room.topic", "")]["content"]["topic"]


def state_ids(user, room_id):
    return {key: event["event_id"] for key, event in user.state(room_id).items()}


def synced_state(user, room_id):
    """What a client that begins now takes the state to be."""
    room = user.get("/sync", {"filter": '{"room":{"timeline":{"limit":1}}}'}).ok()["rooms"]["join"][room_id]
    events = room["state"]["events"] + [event for event in room["timeline"]["events"] if "state_key" in event]
    return {(event["type"], event["state_key"]): event["event_id"] for event in events}


@pytest.mark.parametrize("version", VERSIONS)
def test_fork__state_on_both_sides__resolved_and_told(federated, remote, version):
    shared = SharedRoom(federated, remote, version=version)
    room, alice = shared.room, shared.user
    point = room.message("here it parts")
    shared.deliver(point)
    one = room.send("m.room.topic", {"topic": "one"}, "", prev=[point])
    other = room.send("m.room.topic", {"topic": "other"}, "", prev=[point])
    name = room.send("m.room.name", {"name": "of one side"}, "", prev=[one])
    shared.deliver(one)
    shared.deliver(other)
    shared.deliver(name)
    resolved = topic(alice, room.room_id)
    assert resolved in ("one", "other")
    assert alice.state(room.room_id)[("m.room.name", "")]["content"]["name"] == "of one side"
    alice.send(room.room_id, {"msgtype": "m.text", "body": "both sides"})
    assert topic(alice, room.room_id) == resolved
    assert synced_state(alice, room.room_id) == state_ids(alice, room.room_id)


def test_fork__message_of_somebody_banned_meanwhile__soft_failed(federated, remote):
    shared = SharedRoom(federated, remote)
    room = shared.room
    guest = "@guest:" + remote.name
    joined = room.join(guest)
    shared.deliver(joined)
    late = room.send("m.room.message", {"msgtype": "m.text", "body": "late"}, sender=guest, prev=[joined])
    ban = room.send("m.room.member", {"membership": "ban"}, guest, prev=[joined])
    shared.deliver(ban)
    assert shared.send(late) == {late.event_id: {}}
    shown = shared.deliver(room.send("m.room.message", {"msgtype": "m.text", "body": "on"}, prev=[ban]))
    assert late.event_id not in [event["event_id"] for event in shown]
    assert not shared.knows(late)
    # Others stand on it: that is no reason to refuse them.
    after = room.send("m.room.message", {"msgtype": "m.text", "body": "after"}, prev=[late])
    shared.deliver(after)
    assert not shared.knows(late)


def test_redaction__before_its_event__applied_when_it_comes(federated, remote):
    shared = SharedRoom(federated, remote)
    room = shared.room
    point = room.message("first")
    shared.deliver(point)
    target = room.send("m.room.message", {"msgtype": "m.text", "body": "secret"}, prev=[point])
    redaction = room.send("m.room.redaction", {"redacts": target.event_id}, prev=[point])
    shared.deliver(redaction)
    shared.deliver(target)
    assert shared.user.event(room.room_id, target.event_id).ok()["content"] == {}


def test_rejected__topic_without_power__never_shown(federated, remote):
    shared = SharedRoom(federated, remote)
    room = shared.room
    guest = "@guest:" + remote.name
    shared.deliver(room.join(guest))
    before = list(room.heads)
    bad = room.send("m.room.topic", {"topic": "mine"}, "", sender=guest, prev=before)
    shared.send(bad)
    shared.deliver(room.send("m.room.message", {"msgtype": "m.text", "body": "on"}, prev=before))
    assert not shared.knows(bad)
    assert ("m.room.topic", "") not in shared.user.state(room.room_id)
