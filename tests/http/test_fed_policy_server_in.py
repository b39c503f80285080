"""Policy servers of rooms: what others send to this server.  What its own users send is in test_fed_policy_server.py.
Spec: server-server API, "Checks performed on receipt of a PDU", 7; "Validating Policy Server signatures"."""
import pytest

from support.client import path_of, seconds, unique
from support.handshake import VERSIONS, Guest
from support.policy_server import PATH, PolicyServer, refusal
from support.server import wait_until
from support.shared_room import Hold, SharedRoom


@pytest.fixture
def guard(make_remote):
    """The policy server is another one than the sender's."""
    return PolicyServer(make_remote())


def shared_with(federated, remote, guard, version="11"):
    """A room of the remote that uses the policy server, and one of our users in it."""
    shared = SharedRoom(federated, remote, version)
    room, watch = shared.room, "@watch:" + guard.remote.name
    draft = room.draft("m.room.member", {"membership": "join"}, watch, watch)
    if "event_id" in draft:
        draft["event_id"] = "$%s:%s" % (unique("e"), guard.remote.name)
    join = room.add(room.sign(draft, signer=guard.remote))
    shared.deliver(join)
    shared.deliver(room.send("m.room.policy", guard.content, ""))
    return shared


@pytest.fixture
def shared(federated, remote, guard):
    return shared_with(federated, remote, guard)


def as_served(shared, event):
    """The event as this server gives it to others."""
    return shared.remote.send(shared.server, "GET", path_of("event", event.event_id)).ok()["pdus"][0]


# -- signatures

@pytest.mark.parametrize("version", VERSIONS)
def test_event__every_version__signed_is_taken_and_unsigned_asked_for(federated, remote, make_remote, version):
    guard = PolicyServer(make_remote(), version)
    shared = shared_with(federated, remote, guard, version)
    signed = guard.sign(shared.room.message("signed"))
    shared.deliver(signed)
    assert guard.asked == []
    unsigned = shared.room.message("unsigned")
    shared.deliver(unsigned)
    assert guard.bodies() == ["unsigned"]
    assert guard.has_signed(as_served(shared, unsigned)) and guard.has_signed(as_served(shared, signed))


def test_event__state_unsigned__asked_for(shared, guard):
    shared.deliver(shared.room.send("m.room.topic", {"topic": "x"}, ""))
    assert [pdu["type"] for pdu in guard.asked] == ["m.room.topic"]


def test_event__refused__soft_failed(shared, guard):
    guard.verdict = lambda pdu: refusal("spam") if "spam" in str(pdu["content"]) else None
    heads = list(shared.room.heads)
    spam = shared.room.message("spam")
    assert shared.send(spam) == {spam.event_id: {}}
    good = shared.room.message("good", prev=heads)
    timeline = shared.deliver(good)
    assert spam.event_id not in [event["event_id"] for event in timeline] and not shared.knows(spam)
    # What stands on it is no worse for that.
    above = shared.room.message("above", prev=[spam, good])
    shared.deliver(above)
    assert guard.bodies() == ["spam", "good", "above"]
    # Nor does it help to send it again.
    guard.verdict = lambda pdu: None
    shared.send(spam)
    shared.sentinel()
    assert not shared.knows(spam)


def test_event__refused__is_no_extremity_of_ours(shared, guard):
    guard.verdict = lambda pdu: refusal("spam") if "spam" in str(pdu["content"]) else None
    before = shared.room.message("before")
    shared.deliver(before)
    spam = shared.room.message("spam")
    shared.send(spam)
    good = shared.room.message("good", prev=[before])
    shared.deliver(good)
    event_id = shared.user.send(shared.room_id, "ours")
    pdu = shared.remote.send(shared.server, "GET", path_of("event", event_id)).ok()["pdus"][0]
    assert pdu["prev_events"] == [good.event_id]


def test_event__wrong_signature__asked_for_a_new_one(shared, guard):
    event = guard.sign(shared.room.message("old key"))
    guard.rotate()
    shared.deliver(shared.room.send("m.room.policy", guard.content, "", prev=shared.room.prev_ids(event)))
    assert shared.send(event) == {event.event_id: {}}
    shared.seen(event)
    assert guard.bodies() == ["old key"] and guard.has_signed(as_served(shared, event))


def test_event__no_signature_to_be_had__soft_failed(shared, guard):
    guard.verdict = lambda pdu: (200, {}) if pdu["content"].get("body") == "bad" else None
    bad = shared.room.message("bad")
    shared.send(bad)
    shared.sentinel()
    assert not shared.knows(bad)


def test_event__policy_servers_own__needs_both_signatures(shared, guard):
    """The key in the room signs no events of the policy server's users."""
    room, watch = shared.room, "@watch:" + guard.remote.name
    heads = list(room.heads)
    event = guard.sign(room.sign(room.draft("m.room.message", {"body": "both", "msgtype": "m.text"}, sender=watch),
                                 signer=guard.remote))
    shared.deliver(room.add(event))
    forged = room.sign(room.draft("m.room.message", {"body": "one", "msgtype": "m.text"}, sender=watch, prev=heads),
                       signer=guard.remote)
    forged.json["signatures"] = guard.signature(forged.json)
    shared.send(forged)
    shared.sentinel()
    assert not shared.knows(forged)


# -- who needs none

def test_event__policy_itself__needs_none(shared, guard):
    shared.deliver(shared.room.send("m.room.policy", {**guard.content, "again": 1}, ""))
    assert guard.asked == []


def test_event__room_without_policy_server__nobody_asked(federated, remote, guard):
    shared = SharedRoom(federated, remote)
    shared.deliver(shared.room.message("hello"))
    shared.deliver(shared.room.send("m.room.policy", guard.content, ""))  # of which nobody is here
    shared.deliver(shared.room.message("hello again"))
    assert guard.asked == []


def test_event__policy_taken_away__needs_none(shared, guard):
    shared.deliver(shared.room.send("m.room.policy", {}, ""))
    shared.deliver(shared.room.message("free"))
    assert guard.asked == []


def test_event__not_allowed_by_the_room__not_asked_for(shared, guard):
    """The policy server is the last check: nobody makes it work by what would be refused anyway."""
    intruder = shared.room.message("x", sender="@intruder:" + shared.remote.name)
    shared.send(intruder)
    shared.sentinel()
    assert guard.bodies() == ["sentinel"] and not shared.knows(intruder)


# -- missing events

def test_missing_events__between__each_is_checked(shared, guard):
    guard.verdict = lambda pdu: refusal("spam") if "spam" in str(pdu["content"]) else None
    first, spam, third = (shared.room.message(text) for text in ("first", "spam", "third"))
    last = shared.room.message("last")
    shared.send(last)
    shared.seen(last)
    assert sorted(guard.bodies()) == ["first", "last", "spam", "third"]
    assert shared.knows(first) and shared.knows(third) and not shared.knows(spam)


# -- when it is away

def test_event__away_for_a_while__comes_when_it_is_back(shared, guard):
    guard.verdict = lambda pdu: (500, {"errcode": "M_UNKNOWN", "error": "broken"}) if len(guard.asked) == 1 else None
    event = shared.room.message("late")
    shared.send(event)
    shared.seen(event)
    assert guard.bodies() == ["late", "late"]


def test_event__away_for_good__soft_failed_in_the_end(shared, guard):
    guard.verdict = lambda pdu: (500, {"errcode": "M_UNKNOWN", "error": "broken"}) if "lost" in str(pdu["content"]) else None
    heads = list(shared.room.heads)
    lost = shared.room.message("lost")
    shared.send(lost)
    wait_until(lambda: guard.asked, what="it is asked")
    # What stands on it has to be judged now, so that is too.
    guard.verdict = lambda pdu: None if "lost" not in str(pdu["content"]) else (200, {})
    above = guard.sign(shared.room.message("above", prev=[lost, *heads]))
    shared.send(above)
    shared.seen(above)
    assert not shared.knows(lost)


def test_event__hangs__other_rooms_go_on(federated, remote, shared, guard):
    hold = Hold(guard.remote, "POST", PATH)
    held = [shared.room.message("held %d" % number) for number in range(3)]
    assert set(shared.send(*held)) == {event.event_id for event in held}
    assert hold.waiting.wait(seconds(20))
    plain = SharedRoom(federated, remote)
    plain.deliver(plain.room.message("hello"))
    missing = plain.room.message("missing")  # which needs the threads that may wait
    plain.deliver(plain.room.message("after"))
    assert plain.knows(missing)
    hold.release()


# -- joins of others

def test_send_join__unsigned__asked_for_and_given_back_signed(federated, remote, guard):
    alice = federated.user()
    room = alice.create_room(preset="public_chat")
    Guest(guard.remote, federated, room).join("@watch:" + guard.remote.name)
    alice.set_state(room, "m.room.policy", guard.content)
    answer = Guest(remote, federated, room).join("@zoe:" + remote.name)
    assert len(guard.asked) == 1 and guard.has_signed(answer["event"])


def test_send_join__refused__not_in_the_room(federated, remote, guard):
    alice = federated.user()
    room = alice.create_room(preset="public_chat")
    Guest(guard.remote, federated, room).join("@watch:" + guard.remote.name)
    alice.set_state(room, "m.room.policy", guard.content)
    guard.verdict = lambda pdu: refusal("not you")
    zoe = "@zoe:" + remote.name
    Guest(remote, federated, room).enter("join", zoe).expect(403, "M_FORBIDDEN")
    assert ("m.room.member", zoe) not in alice.state(room)


def test_send_join__policy_server_away__may_be_tried_again(federated, remote, guard):
    alice = federated.user()
    room = alice.create_room(preset="public_chat")
    Guest(guard.remote, federated, room).join("@watch:" + guard.remote.name)
    alice.set_state(room, "m.room.policy", guard.content)
    guest, zoe = Guest(remote, federated, room), "@zoe:" + remote.name
    event = guest.sign(guest.make("join", zoe))
    guard.verdict = lambda pdu: refusal("slow down", "M_LIMIT_EXCEEDED", 429)
    guest.hand_in("join", event).expect(429, "M_LIMIT_EXCEEDED")
    guard.verdict = lambda pdu: None
    guest.hand_in("join", event).ok()
    assert alice.state(room)[("m.room.member", zoe)]["content"]["membership"] == "join"
