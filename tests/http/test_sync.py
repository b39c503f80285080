"""GET /sync: initial and incremental, limited timelines, memberships, unsigned, waiting, tokens."""
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.client import Client, path_of, seconds, unique
from support.processes import once_within

QUIET = {"presence": {"not_types": ["*"]}}
"""Without presence: its changes would answer a waiting sync."""


def limit(number, **more):
    return {"room": {"timeline": {"limit": number, **more}}}


# -- initial

def test_initial__fresh_user__next_batch_and_nothing_in_rooms(alice):
    answer = alice.sync()
    assert answer.since
    for section in ("join", "invite", "knock", "leave"):
        assert answer.rooms(section) == set()


def test_initial__joined_room__state_and_timeline_make_up_the_room(alice, room):
    part = alice.sync().joined(room)
    types = part.types("state") + part.types()
    assert types.count("m.room.create") == 1
    assert {"m.room.power_levels", "m.room.join_rules", "m.room.history_visibility", "m.room.member"} <= set(types)
    assert part.prev_batch


def test_initial__many_messages__newest_ten_or_so_and_limited(alice, room):
    ids = [alice.send(room, "m%d" % number) for number in range(30)]
    part = alice.sync().joined(room)
    assert part.limited is True
    assert 0 < len(part.timeline) <= 20
    assert part.ids() == ids[-len(part.timeline):]


def test_initial__state__as_of_the_start_of_the_timeline(alice, room):
    alice.set_state(room, "m.room.name", {"name": "early"})
    alice.send(room, "one")
    alice.set_state(room, "m.room.name", {"name": "late"})
    alice.send(room, "two")
    part = alice.sync(filter=limit(3)).joined(room)
    assert part.types() == ["m.room.message", "m.room.name", "m.room.message"]
    assert part.keyed()["m.room.name", ""]["content"]["name"] == "early"


def test_initial__state_event_in_timeline__not_also_in_state(alice, room):
    event = alice.set_state(room, "m.room.topic", {"topic": "only once"})
    part = alice.sync(filter=limit(1)).joined(room)
    assert part.ids() == [event]
    assert event not in part.ids("state")


def test_initial__events__have_no_room_id_and_all_required_fields(alice, room):
    event_id = alice.send(room)
    event = alice.sync().joined(room).timeline[-1]
    assert event["event_id"] == event_id
    assert {"type", "sender", "origin_server_ts", "content", "event_id"} <= set(event)
    for federation_only in ("hashes", "signatures", "prev_events", "auth_events", "depth", "room_id"):
        assert federation_only not in event


# -- incremental

def test_incremental__nothing_new__rooms_empty(alice, room):
    since = alice.sync().since
    answer = alice.sync(since)
    for section in ("join", "invite", "leave", "knock"):
        assert answer.rooms(section) == set()


def test_incremental__message__exactly_it(alice, bob, shared):
    watch = bob.watch()
    event = alice.send(shared, "news")
    answer, _ = watch.until(lambda answer: answer.joined(shared).timeline)
    part = answer.joined(shared)
    assert part.ids() == [event] and not part.limited and part.state == []
    assert answer.rooms("join") == {shared}


def test_incremental__same_token_again__same_events(alice, room):
    since = alice.sync().since
    event = alice.send(room)
    for _ in range(3):
        assert alice.sync(since).joined(room).ids() == [event]


@pytest.mark.tsan
def test_incremental__many_senders__all_once_in_the_order_of_history(alice, bob, shared):
    watch = bob.watch()
    with ThreadPoolExecutor(6) as pool:
        sent = list(pool.map(lambda n: (alice, bob)[n % 2].send(shared, "m%d" % n), range(40)))
    seen = []

    def all_there(answer):
        part = answer.joined(shared)
        if part.limited:
            raise AssertionError("more than the limit at once")
        seen.extend(part.ids())
        return set(sent) <= set(seen)
    watch.filter = limit(100)
    watch.until(all_there)
    assert sorted(seen) == sorted(sent)
    history = [e["event_id"] for e in bob.history(shared, "f") if e["event_id"] in set(sent)]
    assert seen == history


def test_incremental__state_change__in_timeline_not_in_state(alice, room):
    since = alice.sync().since
    event = alice.set_state(room, "m.room.name", {"name": "x"})
    part = alice.sync(since).joined(room)
    assert part.ids() == [event] and part.state == []


def test_incremental__gap__limited_prev_batch_and_state_of_the_gap(alice, room):
    alice.set_state(room, "m.room.name", {"name": "before"})
    since = alice.sync().since
    before = [alice.send(room, "g%d" % number) for number in range(5)]
    topic = alice.set_state(room, "m.room.topic", {"topic": "in the gap"})
    name = alice.set_state(room, "m.room.name", {"name": "in the gap"})
    after = [alice.send(room, "h%d" % number) for number in range(4)]
    part = alice.sync(since, filter=limit(3)).joined(room)
    assert part.limited is True
    assert part.ids() == after[1:]
    assert set(part.ids("state")) == {topic, name}
    gap = []
    token = part.prev_batch
    while len(gap) < 8:
        reply = alice.messages(room, "b", limit=3, **{"from": token}).ok()
        gap += [event["event_id"] for event in reply["chunk"]]
        token = reply["end"]
    assert gap[:8] == [after[0], name, topic] + before[::-1]


def test_incremental__rejoined__limited_so_that_the_client_sees_the_gap(alice, bob, shared):
    bob.leave(shared).ok()
    since = bob.sync().since
    missed = alice.send(shared, "missed")
    alice.invite(shared, bob).ok()
    bob.join(shared).ok()
    part = bob.sync(since, filter=limit(50)).joined(shared)
    assert part.limited and missed in part.ids()


def test_incremental__exactly_the_limit__not_limited(alice, room):
    since = alice.sync().since
    ids = [alice.send(room) for _ in range(3)]
    part = alice.sync(since, filter=limit(3)).joined(room)
    assert part.ids() == ids and not part.limited


def test_incremental__join__whole_state_and_own_membership(alice, bob):
    room = alice.create_room(preset="public_chat", name="Joinable")
    alice.send(room, "before")
    watch = bob.watch()
    bob.join(room).ok()
    answer, _ = watch.until(lambda answer: answer.joined(room))
    part = answer.joined(room)
    state = {**part.keyed(), **{(e["type"], e["state_key"]): e for e in part.timeline if "state_key" in e}}
    assert state["m.room.name", ""]["content"]["name"] == "Joinable"
    assert state["m.room.create", ""]["sender"] == alice.user_id
    assert state["m.room.member", bob.user_id]["content"]["membership"] == "join"
    assert state["m.room.member", alice.user_id]["content"]["membership"] == "join"
    assert "before" in part.bodies()


def test_incremental__room_created__appears(alice):
    watch = alice.watch()
    room = alice.create_room(name="New")
    answer, _ = watch.until(lambda answer: answer.joined(room))
    part = answer.joined(room)
    assert "m.room.create" in part.types() + part.types("state")


def test_full_state__since_given__all_state_but_only_new_timeline(alice, room):
    alice.set_state(room, "m.room.name", {"name": "x"})
    since = alice.sync().since
    start = time.monotonic()
    answer = alice.sync(since, timeout=60000, full_state=True)
    assert time.monotonic() - start < 60, "full_state answers at once"
    part = answer.joined(room)
    assert {("m.room.create", ""), ("m.room.name", ""), ("m.room.member", alice.user_id)} <= set(part.keyed())
    assert part.timeline == []
    event = alice.send(room, "new")
    assert alice.sync(since, full_state=True).joined(room).ids() == [event]


# -- use_state_after (v1.16)

@pytest.mark.peer("v1.16, known to it only by its unstable name")
def test_use_state_after__initial__state_as_of_the_end_and_no_state(alice, room):
    alice.set_state(room, "m.room.name", {"name": "early"})
    alice.send(room, "one")
    late = alice.set_state(room, "m.room.name", {"name": "late"})
    part = alice.sync(filter=limit(2), use_state_after=True).joined(room)
    assert "state" not in part
    assert part.keyed("state_after")["m.room.name", ""]["event_id"] == late
    assert ("m.room.create", "") in part.keyed("state_after")
    assert late in part.ids()


@pytest.mark.peer("v1.16, known to it only by its unstable name")
def test_use_state_after__incremental__changes_up_to_the_end(alice, room):
    since = alice.sync(use_state_after=True).since
    name = alice.set_state(room, "m.room.name", {"name": "x"})
    part = alice.sync(since, use_state_after=True).joined(room)
    assert "state" not in part
    assert part.ids("state_after") == [name] and part.ids() == [name]
    alice.send(room)
    part = alice.sync(alice.sync(since).since, use_state_after=True)
    assert part.joined(room) == {} or part.joined(room)["state_after"] == {"events": []}


@pytest.mark.peer("v1.16, known to it only by its unstable name")
def test_use_state_after__nothing_changed__present_though_empty(alice, room):
    since = alice.sync(use_state_after=True).since
    alice.send(room)
    part = alice.sync(since, use_state_after=True).joined(room)
    assert part["state_after"] == {"events": []} or part["state_after"] == {}


@pytest.mark.peer("v1.16, known to it only by its unstable name")
def test_use_state_after__gap__newest_of_each_key(alice, room):
    since = alice.sync(use_state_after=True).since
    alice.set_state(room, "m.room.name", {"name": "1"})
    for number in range(5):
        alice.send(room, str(number))
    newest = alice.set_state(room, "m.room.name", {"name": "2"})
    alice.send(room, "end")
    part = alice.sync(since, filter=limit(1), use_state_after=True).joined(room)
    assert part.ids("state_after") == [newest]


def test_use_state_after__false_or_absent__no_state_after(alice, room):
    alice.send(room)
    for query in ({}, {"use_state_after": False}):
        part = alice.sync(filter=limit(1), **query).joined(room)
        assert "state_after" not in part and part.state


@pytest.mark.peer("v1.16, known to it only by its unstable name")
def test_use_state_after__left_room__in_leave_too(alice, bob, shared):
    since = bob.sync(use_state_after=True).since
    bob.leave(shared).ok()
    part = bob.sync(since, use_state_after=True).left(shared)
    assert "state" not in part and "state_after" in part


# -- invites, knocks, leaving

def test_invite__arrives__stripped_state_with_create(alice, bob):
    watch = bob.watch()
    room = alice.create_room(name="Secret garden", topic="Roses")
    alice.send(room, "not for invitees")
    alice.invite(room, bob).ok()
    answer, _ = watch.until(lambda answer: answer.invited(room))
    stripped = answer.stripped(room)
    assert stripped["m.room.create", ""]["sender"] == alice.user_id
    assert stripped["m.room.name", ""]["content"] == {"name": "Secret garden"}
    assert stripped["m.room.join_rules", ""]["content"]["join_rule"] == "invite"
    invite = stripped["m.room.member", bob.user_id]
    assert invite["content"]["membership"] == "invite" and invite["sender"] == alice.user_id
    for event in stripped.values():
        assert {"type", "sender", "state_key", "content"} <= set(event)
    assert "not for invitees" not in str(dict(answer))
    assert room not in answer.rooms("join") and room not in answer.rooms("leave")


def test_invite__stripped_events__have_only_the_four_fields(alice, bob):
    room = alice.create_room(invite=[bob.user_id])
    for event in bob.sync().stripped(room).values():
        assert set(event) == {"type", "sender", "state_key", "content"}


def test_invite__initial_sync__still_there_and_not_again_incrementally(alice, bob, room):
    alice.invite(room, bob).ok()
    answer = bob.sync()
    assert answer.rooms("invite") == {room}
    assert bob.sync(answer.since).rooms("invite") == set()


def test_invite__accepted__moves_to_join(alice, bob, room):
    alice.invite(room, bob).ok()
    watch = bob.watch()
    bob.join(room).ok()
    answer, _ = watch.until(lambda answer: answer.joined(room))
    assert room not in answer.rooms("invite")


def test_invite__rejected__moves_to_leave(alice, bob, room):
    alice.invite(room, bob).ok()
    watch = bob.watch()
    bob.leave(room).ok()
    answer, _ = watch.until(lambda answer: answer.left(room))
    assert bob.sync().rooms("invite") == set()


def test_invite__taken_back__moves_to_leave(alice, bob, room):
    alice.invite(room, bob).ok()
    watch = bob.watch()
    alice.kick(room, bob).ok()
    watch.until(lambda answer: room in answer.rooms("leave"))
    assert bob.sync().rooms("invite") == set()


def test_knock__own__stripped_state(alice, bob):
    room = alice.create_room(room_version="11", name="Knockers", initial_state=[
        {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}])
    watch = bob.watch()
    reply = bob.post(path_of("knock", room), {})
    if reply.errcode == "M_UNRECOGNIZED":
        reply = bob.put_state(room, "m.room.member", {"membership": "knock"}, bob.user_id)
    reply.ok()
    answer, _ = watch.until(lambda answer: answer.knocked(room))
    stripped = answer.stripped(room)
    assert stripped["m.room.name", ""]["content"]["name"] == "Knockers"
    assert stripped["m.room.member", bob.user_id]["content"]["membership"] == "knock"
    assert ("m.room.create", "") in stripped
    assert room in bob.sync().rooms("knock")


def test_leave__own__room_in_leave_up_to_the_leave_event(alice, bob, shared):
    watch = bob.watch()
    bob.leave(shared).ok()
    alice.send(shared, "after")
    answer, _ = watch.until(lambda answer: answer.left(shared))
    last = answer.left(shared).timeline[-1]
    assert last["state_key"] == bob.user_id and last["content"]["membership"] == "leave"
    assert "after" not in str(dict(answer))
    assert shared not in bob.sync(answer.since).rooms("leave")


def test_leave__kicked__room_in_leave(alice, bob, shared):
    watch = bob.watch()
    alice.kick(shared, bob, reason="out").ok()
    answer, _ = watch.until(lambda answer: answer.left(shared))
    assert answer.left(shared).timeline[-1]["content"] .get("reason") == "out"


def test_leave__banned__room_in_leave(alice, bob, shared):
    watch = bob.watch()
    alice.ban(shared, bob).ok()
    answer, _ = watch.until(lambda answer: answer.left(shared))
    assert answer.left(shared).timeline[-1]["content"]["membership"] == "ban"


def test_leave__kicked_and_then_banned_unseen__as_it_was_until_the_kick_and_the_ban(alice, bob, shared):
    """And nothing of what lies between, as its state either."""
    since = bob.sync().since
    alice.send(shared, "before")
    alice.set_state(shared, "m.room.topic", {"topic": "before"})
    alice.kick(shared, bob, reason="noise").ok()
    alice.send(shared, "hidden")
    alice.set_state(shared, "m.room.topic", {"topic": "hidden"})
    alice.set_state(shared, "m.room.name", {"name": "hidden"})
    alice.ban(shared, bob, reason="for good").ok()
    for after in (False, True):
        more = {"use_state_after": True} if after else {}
        answer = bob.sync(since, **more)
        part = answer.left(shared)
        assert part.bodies() == ["before"] and "hidden" not in str(dict(answer))
        assert [event["content"] for event in part.timeline[1:]] == [
            {"topic": "before"}, {"membership": "leave", "reason": "noise"}, {"membership": "ban", "reason": "for good"}]
        assert part["timeline"].get("limited", False) is False
        if after:
            state = part.keyed("state_after")
            assert state["m.room.member", bob.user_id]["content"]["membership"] == "ban"
            assert state["m.room.topic", ""]["content"] == {"topic": "before"}
        one = bob.sync(since, filter={"room": {"timeline": {"limit": 1}}}, **more).left(shared)
        assert [event["content"].get("membership") for event in one.timeline] == ["ban"] and one["timeline"]["limited"] is True
        none = bob.sync(since, filter={"room": {"timeline": {"types": ["m.room.message"]}}}, **more).left(shared)
        assert none.bodies() == ["before"]
        assert none.keyed("state_after" if after else "state")["m.room.member", bob.user_id]["content"]["membership"] == "ban"
    first = bob.sync().left(shared)
    assert first.bodies() == ["before"] and first.timeline[-1]["content"]["membership"] == "ban" and "hidden" not in str(dict(first))
    assert bob.sync(answer.since).rooms("leave") == set()


def test_leave__kicked_banned_unbanned_and_an_invite_refused_unseen__as_it_was_until_the_kick_and_the_newest(alice, bob, shared):
    """Also where the room was forgotten meanwhile; of an invite refused later the refusal alone."""
    since = bob.sync().since
    alice.send(shared, "before")
    alice.kick(shared, bob).ok()
    alice.send(shared, "hidden")
    alice.ban(shared, bob, reason="for good").ok()
    bob.forget(shared).ok()
    assert bob.sync(since).left(shared).bodies() == ["before"]
    alice.unban(shared, bob).ok()
    alice.invite(shared, bob).ok()
    invited = bob.sync(since)
    assert shared in invited.rooms("invite") and shared not in invited.rooms("leave")
    bob.leave(shared).ok()
    part = bob.sync(since).left(shared)
    assert part.bodies() == ["before"] and "hidden" not in str(part)
    assert [(event["sender"], event["content"]["membership"]) for event in part.timeline[1:]] == [(alice.user_id, "leave"), (bob.user_id, "leave")]
    assert [event["sender"] for event in bob.sync(invited.since).left(shared).timeline] == [bob.user_id]


def test_leave__banned_after_the_kick_was_told__the_ban_alone(alice, bob, shared):
    alice.kick(shared, bob).ok()
    since = bob.sync(bob.sync().since).since
    alice.send(shared, "hidden")
    alice.ban(shared, bob).ok()
    part = bob.sync(since).left(shared)
    assert [event["content"] for event in part.timeline] == [{"membership": "ban"}] and part.state == []


@pytest.mark.peer("a sync with a token tells of none that were left before it")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("ends", [["leave"], ["leave", "ban"]], ids=["kicked", "kicked and banned"])
def test_leave__gone_before_the_token__include_leave_and_full_state_tell_all_state_and_no_events(alice, bob, shared, ends, after):
    alice.set_state(shared, "m.room.topic", {"topic": "before"})
    alice.kick(shared, bob).ok()
    alice.set_state(shared, "m.room.topic", {"topic": "hidden"})
    if "ban" in ends:
        alice.ban(shared, bob).ok()
    asked = {"filter": {"room": {"include_leave": True}}, "full_state": True, **({"use_state_after": True} if after else {})}
    since = bob.sync().since
    answer = bob.sync(since, **asked)
    part, state = answer.left(shared), answer.left(shared).keyed("state_after" if after else "state")
    assert part.timeline == [] and part["timeline"].get("limited", False) is False and "hidden" not in str(dict(answer))
    assert state["m.room.topic", ""]["content"] == {"topic": "before"} and ("m.room.create", "") in state
    assert state["m.room.member", bob.user_id]["content"]["membership"] == ends[-1]
    back = bob.messages(shared, "b", limit=1, **{"from": part["timeline"]["prev_batch"]}).ok()
    assert [event["content"]["membership"] for event in back["chunk"]] == ["leave"]


def test_leave__banned_after_a_kick_of_before_the_token__full_state_tells_all_state_and_the_ban(alice, bob, shared):
    alice.set_state(shared, "m.room.topic", {"topic": "before"})
    alice.kick(shared, bob).ok()
    since = bob.sync(bob.sync().since).since
    alice.set_state(shared, "m.room.topic", {"topic": "hidden"})
    alice.ban(shared, bob).ok()
    answer = bob.sync(since, full_state=True)
    part = answer.left(shared)
    assert [event["content"] for event in part.timeline] == [{"membership": "ban"}] and "hidden" not in str(dict(answer))
    assert part.keyed("state")["m.room.topic", ""]["content"] == {"topic": "before"}


def test_leave__initial_sync__only_with_include_leave(alice, bob, shared):
    bob.send(shared, "mine")
    bob.leave(shared).ok()
    alice.send(shared, "after")
    assert shared not in bob.sync().rooms("leave")
    answer = bob.sync(filter={"room": {"include_leave": True}})
    assert "mine" in answer.left(shared).bodies() and "after" not in answer.left(shared).bodies()
    assert shared not in answer.rooms("join")


def test_leave__thrown_out_before_first_sync__told_until_forgotten(alice, bob):
    kicked, banned, left, rejoined, unbanned = rooms = [alice.create_room(invite=[bob.user_id]) for _ in range(5)]
    for room in rooms:
        bob.join(room).ok()
        alice.send(room, "while there")
    alice.kick(kicked, bob, reason="out").ok()
    alice.ban(banned, bob, reason="for good").ok()
    bob.leave(left).ok()
    alice.kick(rejoined, bob).ok()
    alice.invite(rejoined, bob).ok()
    bob.join(rejoined).ok()
    bob.leave(rejoined).ok()
    alice.ban(unbanned, bob).ok()
    alice.unban(unbanned, bob).ok()
    alice.send(kicked, "after")
    answer = bob.sync()
    assert answer.rooms("leave") == {kicked, banned, unbanned} and answer.rooms("join") == set()
    assert answer.left(kicked).timeline[-1]["content"]["reason"] == "out"
    assert answer.left(kicked).bodies() == ["while there"]
    assert answer.left(banned).timeline[-1]["content"] == {"membership": "ban", "reason": "for good"}
    assert bob.sync(answer.since, full_state=True).rooms("leave") == set()
    asked = {"room": {"include_leave": True}}
    assert bob.sync(filter=asked).rooms("leave") == {kicked, banned, unbanned, left, rejoined}
    bob.forget(kicked).ok()
    assert bob.sync().rooms("leave") == {banned, unbanned}
    assert bob.sync(filter={"room": {"not_rooms": [banned]}}).rooms("leave") == {unbanned}


def test_leave__invite_taken_back_and_banned_unseen__only_that_in_first_sync(alice, bob):
    revoked, banned, refused = (alice.create_room(preset="public_chat") for _ in range(3))
    alice.invite(revoked, bob).ok()
    alice.kick(revoked, bob).ok()
    alice.ban(banned, bob).ok()
    alice.invite(refused, bob).ok()
    bob.leave(refused).ok()
    answer = bob.sync()
    assert answer.rooms("leave") == {revoked, banned} and answer.rooms("invite") == set()
    for room, membership in ((revoked, "leave"), (banned, "ban")):
        assert [event["content"] for event in answer.left(room).timeline] == [{"membership": membership}]
        assert answer.left(room).state == []


def test_leave__thrown_out_of_many_rooms__the_newest_hundred_in_first_sync(alice, bob):
    rooms = [alice.create_room() for _ in range(103)]
    for room in rooms[1:]:
        alice.ban(room, bob).ok()
    alice.ban(rooms[0], bob).ok()
    assert bob.sync().rooms("leave") == {rooms[0], *rooms[4:]}
    assert bob.sync(filter={"room": {"include_leave": True}}).rooms("leave") == set(rooms)


def test_leave__of_more_rooms_than_are_looked_at__first_sync_tells_of_the_newest(federated):
    """Why each was left stands in its event, and a first sync looks at no more of them the more there are."""
    alice, bob = federated.user(), federated.user()
    room = alice.create_room()
    alice.ban(room, bob).ok()
    alice.send(alice.create_room(), "later")
    assert bob.sync().rooms("leave") == {room}
    left = ("INSERT INTO members (user_id, room_nid, membership, position, is_local) "
            "SELECT '%s', 2000000000 + n, 'leave', (SELECT max(position) FROM events), true FROM generate_series(%d, %d) n")
    federated.sql(left % (bob.user_id, 1, 999))
    assert bob.sync().rooms("leave") == {room}
    federated.sql(left % (bob.user_id, 1000, 1000))
    assert bob.sync().rooms("leave") == set()


def test_leave__and_join_again_between_syncs__in_join(alice, bob, shared):
    since = bob.sync().since
    bob.leave(shared).ok()
    alice.invite(shared, bob).ok()
    bob.join(shared).ok()
    answer = bob.sync(since)
    assert answer.rooms("join") == {shared} and answer.rooms("leave") == set()


def test_leave__join_and_leave_between_syncs__in_leave(alice, bob, room):
    since = bob.sync().since
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    alice.send(room, "while there")
    bob.leave(room).ok()
    answer = bob.sync(since)
    assert answer.rooms("leave") == {room} and answer.rooms("join") == set()


def test_membership_of_others__changes__in_timeline(alice, bob, carol, shared):
    watch = bob.watch()
    alice.invite(shared, carol).ok()
    carol.join(shared).ok()
    carol.leave(shared).ok()
    seen = []
    watch.until(lambda answer: seen.extend(
        event["content"]["membership"] for event in answer.joined(shared).timeline
        if event.get("state_key") == carol.user_id) or len(seen) == 3)
    assert seen == ["invite", "join", "leave"]


# -- unsigned

def test_unsigned__own_event__transaction_id_on_the_sending_device_only(alice, bob, shared):
    other, namesake = alice.login(), bob.login(device_id=alice.device_id)
    watches = [alice.watch(), other.watch(), namesake.watch()]
    event_id = alice.send(shared, txn="txn-1-" + shared[-5:])
    found = []
    for watch in watches:
        event = watch.timeline_until(shared, event_id)[-1]
        found.append(event.get("unsigned", {}).get("transaction_id"))
    assert found == ["txn-1-" + shared[-5:], None, None]


def test_unsigned__age__milliseconds_since_sent(alice, room):
    alice.send(room)
    event = alice.sync().joined(room).timeline[-1]
    assert 0 <= event["unsigned"]["age"] < 60000


def test_unsigned__membership__of_the_reader_at_that_event(alice, bob):
    room = alice.create_room(preset="public_chat")
    alice.send(room, "before")
    bob.join(room).ok()
    alice.send(room, "after")
    events = bob.sync(filter=limit(50)).joined(room).timeline
    memberships = {event["content"]["body"]: event["unsigned"].get("membership")
                   for event in events if event["type"] == "m.room.message"}
    assert memberships["before"] in ("leave", None) and memberships["after"] == "join"


def test_unsigned__replaced_state__prev_content_and_replaces_state(alice, room):
    first = alice.set_state(room, "m.room.name", {"name": "one"})
    since = alice.sync().since
    alice.set_state(room, "m.room.name", {"name": "two"})
    event = alice.sync(since).joined(room).timeline[-1]
    assert event["unsigned"]["prev_content"] == {"name": "one"}
    assert event["unsigned"]["replaces_state"] == first


def test_unsigned__first_state_of_a_key__no_prev_content(alice, room):
    since = alice.sync().since
    alice.set_state(room, "m.room.name", {"name": "one"})
    assert "prev_content" not in alice.sync(since).joined(room).timeline[-1]["unsigned"]


def test_unsigned__redacted_event__redacted_because(alice, room):
    event = alice.send(room, "x")
    redaction = alice.redact(room, event).ok()["event_id"]
    shown = {item["event_id"]: item for item in alice.sync().joined(room).timeline}[event]
    assert shown["content"] == {} and shown["unsigned"]["redacted_because"]["event_id"] == redaction


# -- ephemeral: what is only in sync

def test_typing__started_and_stopped__shown_and_room_id_absent(alice, bob, shared):
    from support.client import typing_of
    watch = bob.watch()
    alice.typing(shared).ok()
    watch.until(lambda answer: typing_of(answer.joined(shared)) == [alice.user_id])
    alice.typing(shared, False).ok()
    watch.until(lambda answer: typing_of(answer.joined(shared)) == [])


def test_ephemeral__events__are_not_in_the_timeline(alice, bob, shared):
    watch = bob.watch()
    alice.typing(shared).ok()
    answer, _ = watch.until(lambda answer: answer.joined(shared).ephemeral)
    assert answer.joined(shared).timeline == [] and answer.joined(shared).state == []


# -- summary

@pytest.mark.peer("gives a summary only when members are loaded lazily; sync.yaml knows no such condition")
def test_summary__unnamed_room__heroes_and_counts(alice, bob, carol):
    room = alice.create_room(invite=[bob.user_id, carol.user_id])
    bob.join(room).ok()
    summary = alice.sync().joined(room)["summary"]
    assert set(summary["m.heroes"]) == {bob.user_id, carol.user_id}
    assert summary["m.joined_member_count"] == 2 and summary["m.invited_member_count"] == 1


@pytest.mark.peer("gives a summary only when members are loaded lazily; sync.yaml knows no such condition")
def test_summary__members_change__told_incrementally(alice, bob, carol, shared):
    watch = alice.watch()
    alice.invite(shared, carol).ok()
    answer, _ = watch.until(lambda answer: answer.joined(shared).get("summary"))
    assert answer.joined(shared)["summary"]["m.invited_member_count"] == 1
    carol.join(shared).ok()
    answer, _ = watch.until(
        lambda answer: answer.joined(shared).get("summary", {}).get("m.joined_member_count") == 3)


@pytest.mark.peer("gives a summary only when members are loaded lazily; sync.yaml knows no such condition")
def test_summary__more_than_five__five_heroes_never_oneself(hs, alice):
    others = [hs.user() for _ in range(7)]
    room = alice.create_room(preset="public_chat", invite=[user.user_id for user in others])
    for user in others[:3]:
        user.join(room).ok()
    summary = alice.sync().joined(room)["summary"]
    assert len(summary["m.heroes"]) >= 5 and alice.user_id not in summary["m.heroes"]
    assert len(set(summary["m.heroes"])) == len(summary["m.heroes"])
    assert summary["m.joined_member_count"] == 4 and summary["m.invited_member_count"] == 4


@pytest.mark.peer("gives a summary only when members are loaded lazily; sync.yaml knows no such condition")
def test_summary__everyone_else_left__heroes_are_those_who_left(alice, bob, shared):
    bob.leave(shared).ok()
    summary = alice.sync().joined(shared)["summary"]
    assert summary["m.heroes"] == [bob.user_id]
    assert summary["m.joined_member_count"] == 1 and summary["m.invited_member_count"] == 0


# -- ignored users

def test_ignored__message__not_shown_but_state_is(alice, bob, shared):
    alice.account_data("m.ignored_user_list", {"ignored_users": {bob.user_id: {}}}).ok()
    watch = alice.watch()
    bob.send(shared, "annoying")
    content = bob.get_state(shared, "m.room.member", bob.user_id).ok().json
    member = bob.set_state(shared, "m.room.member", dict(content, displayname="Renamed"), bob.user_id)
    barrier = alice.send(shared, "barrier")
    events = watch.timeline_until(shared, barrier)
    assert [event["event_id"] for event in events] == [member, barrier]


def test_ignored__invite__not_shown(alice, bob):
    alice.account_data("m.ignored_user_list", {"ignored_users": {bob.user_id: {}}}).ok()
    watch = alice.watch()
    room = bob.create_room()
    bob.invite(room, alice)
    alice.account_data("org.example.barrier", {}).ok()
    answer, _ = watch.until(lambda answer: answer.account("org.example.barrier") is not None)
    assert room not in answer.rooms("invite") and room not in alice.sync().rooms("invite")


def test_ignored__no_longer__shown_again(alice, bob, shared):
    alice.account_data("m.ignored_user_list", {"ignored_users": {bob.user_id: {}}}).ok()
    alice.account_data("m.ignored_user_list", {"ignored_users": {}}).ok()
    watch = alice.watch()
    event = bob.send(shared, "hello again")
    watch.timeline_until(shared, event)


@pytest.mark.parametrize("content", [{}, {"ignored_users": []}, {"ignored_users": 5}, {"ignored_users": {"x": 5}}], ids=str)
def test_ignored__malformed_list__sync_still_works(alice, bob, shared, content):
    alice.account_data("m.ignored_user_list", content).expect((200, 400))
    event = bob.send(shared)
    assert event in alice.sync().joined(shared).ids()


# -- waiting

def later(seconds_, function):
    timer = threading.Timer(seconds_, function)
    timer.start()
    return timer


def test_wait__event_comes__answered_at_once(alice, bob, shared):
    def wake():
        since = bob.sync().since
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: (bob.sync(since, timeout=30000, filter=QUIET), time.monotonic()))
            time.sleep(0.3)  # let it park: what is tested is the wake-up, not the early answer
            assert not waiting.done(), "a sync without news must wait"
            sent = alice.send(shared, "wake")
            acknowledged = time.monotonic()
            answer, arrived = waiting.result(seconds(30))
        assert answer.joined(shared).ids() == [sent]
        return arrived - acknowledged
    once_within(1, wake)


@pytest.mark.tsan
@pytest.mark.parametrize("what", ["invite", "account_data", "typing", "receipt", "join_elsewhere", "tag"])
def test_wait__anything_else_new__wakes_too(alice, bob, shared, what):
    from support.client import typing_of
    since = bob.sync().since
    event = bob.sync().joined(shared).timeline[-1]["event_id"]
    actions = {
        "invite": lambda: alice.create_room(invite=[bob.user_id]),
        "account_data": lambda: bob.account_data("org.example.x", {"a": unique()}).ok(),
        "typing": lambda: alice.typing(shared).ok(),
        "receipt": lambda: alice.receipt(shared, event).ok(),
        "join_elsewhere": bob.create_room,
        "tag": lambda: bob.put(path_of("user", bob.user_id, "rooms", shared, "tags", "u.x"), {}).ok(),
    }
    second = Client(bob.http, bob.token, bob.user_id)
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        waiting = pool.submit(second.sync, since, 60000, QUIET)
        time.sleep(0.1)
        actions[what]()
        answer = waiting.result(seconds(60))
    assert time.monotonic() - started < 60, "told only when the time was over"
    if what == "typing":
        assert typing_of(answer.joined(shared)) == [alice.user_id]
    else:
        assert answer.get("rooms") or answer.get("account_data")


def test_wait__nothing_comes__empty_answer_after_the_timeout(alice, room):
    def wait():
        since = alice.sync().since
        start = time.monotonic()
        answer = alice.sync(since, timeout=700, filter=QUIET)
        waited = time.monotonic() - start
        assert waited >= 0.6
        assert answer.rooms("join") == set() and answer.since
        return waited
    once_within(3, wait)


def test_wait__no_timeout__immediate(alice, room):
    since = alice.sync().since

    def ask():
        start = time.monotonic()
        alice.sync(since)
        return time.monotonic() - start
    once_within(2, ask)


def test_wait__event_of_a_foreign_room__does_not_wake(alice, bob, room):
    since = bob.sync().since
    start = time.monotonic()
    timer = later(0.2, lambda: alice.send(room, "not yours"))
    answer = bob.sync(since, timeout=1000, filter=QUIET)
    timer.join()
    assert time.monotonic() - start >= 0.9
    assert answer.rooms("join") == set()


def test_wait__filtered_out_event__no_answer_with_rooms(alice, bob, shared):
    since = bob.sync().since
    timer = later(0.1, lambda: alice.send(shared, "no"))
    answer = bob.sync(since, timeout=800, filter={"room": {"timeline": {"types": ["org.example.*"]},
                                                           "ephemeral": {"types": []}}})
    timer.join()
    assert answer.joined(shared).timeline == []


@pytest.mark.tsan
def test_wait__several_devices__all_woken(alice, bob, shared):
    sessions = [bob.login() for _ in range(4)]
    since = bob.sync().since
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(session.sync, since, 60000, QUIET) for session in sessions]
        time.sleep(0.2)
        event, sent = alice.send(shared), time.monotonic()
        for item in waiting:
            assert item.result(seconds(60)).joined(shared).ids() == [event]
    assert time.monotonic() - sent < 50, "told only when the time was over"


@pytest.mark.tsan
@pytest.mark.parametrize("how", ["ends", "reset"])
def test_wait__client_goes_away__server_lives(alice, room, how):
    """Each from a new device, of which the server has to read something before its request waits."""
    import socket
    import struct
    since = alice.sync().since
    for _ in range(20):
        connection = socket.create_connection((alice.http.host, alice.http.port))
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(("GET /_matrix/client/v3/sync?timeout=30000&since=%s HTTP/1.1\r\nHost: x\r\n"
                            "Authorization: Bearer %s\r\n\r\n" % (since, alice.login().token)).encode())
        connection.close()
    alice.send(room)
    assert alice.sync(since).joined(room).timeline


# -- tokens and parameters

@pytest.mark.parametrize("since", ["nonsense", "s", "-1", "99999999999999999999999999", "s1_2_3_x", "\u0000",
                                   "a" * 5000, "ü", " ", "' OR 1=1"])
def test_token__forged__400(alice, since):
    alice.sync_reply(since).expect(400)


def test_token__changed_by_one_character__400_or_harmless(alice, bob, room):
    """A forged token may at most name another position; it never shows what the user may not see."""
    secret = bob.create_room(name="bobs-secret")
    since = alice.sync().since
    for place in range(len(since)):
        for character in "0a9_":
            forged = since[:place] + character + since[place + 1:]
            reply = alice.sync_reply(forged)
            assert reply.status in (200, 400), reply
            assert secret not in reply.raw.decode() and "bobs-secret" not in reply.raw.decode()


def test_token__beyond_the_present__all_is_told_anew_and_goes_on(alice, bob, room, shared):
    """A database that comes back from a backup has not seen the time that clients have."""
    event_id = alice.send(room)
    answer = alice.sync("s%d_0" % (10 ** 12))
    assert answer.rooms("join") == {room, shared}
    assert event_id in {event["event_id"] for event in answer.joined(room).timeline}
    assert {"m.room.create"} <= {event["type"] for event in answer.joined(room).state + answer.joined(room).timeline}
    later = alice.send(room)
    assert [event["event_id"] for event in alice.sync(answer.since).joined(room).timeline] == [later]


def test_token__of_another_user__shows_only_ones_own(alice, bob, room, shared):
    own = bob.create_room(name="bobs-own")
    answer = alice.sync(bob.sync().since)
    assert own not in str(dict(answer))


def test_token__from_before_the_user_joined__room_shown(alice, bob, room):
    since = bob.sync().since
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    assert bob.sync(since).rooms("join") == {room}


@pytest.mark.parametrize("query", [{"timeout": "x"}, {"timeout": "-5"}, {"full_state": "maybe"}, {"filter": "{"},
                                   {"filter": "{\"room\":5}"}, {"set_presence": "dancing"}], ids=str)
def test_parameters__malformed__400(alice, query):
    alice.get("/sync", query).expect(400)


def test_sync__without_token__401(nobody):
    nobody.get("/sync", token=False).expect(401, "M_MISSING_TOKEN")


def test_sync__old_token_after_many_events__limited_not_lost(alice, room):
    since = alice.sync().since
    ids = [alice.send(room, str(number)) for number in range(60)]
    part = alice.sync(since, filter=limit(20)).joined(room)
    assert part.limited and part.ids() == ids[-20:]
    back = alice.messages(room, "b", limit=100, **{"from": part.prev_batch, "to": since}).ok()
    assert [event["event_id"] for event in back["chunk"]] == ids[:-20][::-1]


def test_sync__sections_of_later_parts__well_formed_if_present(alice):
    answer = alice.sync()
    assert isinstance(answer.get("to_device", {}).get("events", []), list)
    assert isinstance(answer.get("presence", {}).get("events", []), list)
    assert isinstance(answer.get("device_one_time_keys_count", {}), dict)
    assert isinstance(answer.get("device_lists", {}), dict)


def test_sync__push_rules__in_account_data_of_the_initial_sync(alice):
    rules = alice.sync().account("m.push_rules")
    assert rules is not None and {"override", "underride", "content", "room", "sender"} <= set(rules["global"])


def test_sync__set_presence_values__accepted(alice):
    for value in ("offline", "online", "unavailable"):
        alice.sync(set_presence=value)
