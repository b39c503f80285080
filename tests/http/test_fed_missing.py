"""Events whose ancestors this server does not have: fetched from others, within limits.
Spec: server-server API, "Backfilling and retrieving missing events", "Retrieving events"."""
import threading
import time

import pytest

from support.client import path_of, seconds
from support.handshake import asked
from support.remote_room import Pdu, RemoteRoom
from support.server import wait_until
from support.shared_room import Hold, SharedRoom

MISSING = r"/_matrix/federation/v1/get_missing_events/.*"
STATE_IDS = r"/_matrix/federation/v1/state_ids/.*"
STATE = r"/_matrix/federation/v1/state/.*"
EVENT = r"/_matrix/federation/v1/event/(.*)"
EVENT_AUTH = r"/_matrix/federation/v1/event_auth/.*"


@pytest.fixture
def shared(federated, remote):
    return SharedRoom(federated, remote)


def ids(events):
    return [event["event_id"] for event in events]


def nothing(ask):
    return 404, {"errcode": "M_NOT_FOUND", "error": "no"}


# -- a few were missed

@pytest.mark.parametrize("version", ["1", "3", "11", "12"])
def test_missing__a_few_events__fetched_in_order_without_state(federated, remote, version):
    shared = SharedRoom(federated, remote, version)
    last = shared.sentinel()[-1]["event_id"]
    missed = [shared.room.message("missed %d" % i) for i in range(5)]
    newest = shared.room.message("newest")
    told = shared.deliver(newest)
    assert ids(told) == [event.event_id for event in missed + [newest]]
    ask, = asked(remote, "get_missing_events")
    assert ask.json["earliest_events"] == [last] and ask.json["latest_events"] == [newest.event_id]
    assert ask.json["limit"] > 0 and ask.json["min_depth"] >= 0
    assert not asked(remote, "state_ids") and not asked(remote, "state")


def test_missing__state_among_them__is_the_rooms(shared):
    shared.room.send("m.room.topic", {"topic": "missed"}, "")
    shared.deliver(shared.room.message("newest"))
    assert shared.user.get_state(shared.room_id, "m.room.topic").ok()["topic"] == "missed"


@pytest.mark.tsan
def test_missing__two_branches__both_fetched(shared):
    room = shared.room
    base = list(room.heads)
    left = room.message("left", prev=base)
    room.heads = list(base)
    right = room.message("right", prev=base)
    room.heads = [left.event_id, right.event_id]
    newest = room.message("newest")
    assert set(ids(shared.deliver(newest))) == {left.event_id, right.event_id, newest.event_id}


# -- answers that are wrong

def test_missing__unrelated_events_in_the_answer__left_aside(shared):
    room, remote = shared.room, shared.remote
    shared.sentinel()
    missed = room.message("missed")
    newest = room.message("newest")
    other = RemoteRoom(remote)
    unrelated = room.sign(room.draft("m.room.message", {"body": "unrelated"}, prev=[newest.event_id]))
    remote.on("POST", MISSING, lambda ask: (200, {"events": [
        unrelated.json, other.message("elsewhere").json, 7, None, {}, newest.json, missed.json]}))
    assert ids(shared.deliver(newest)) == [missed.event_id, newest.event_id]
    assert unrelated.event_id not in ids(shared.sentinel())
    assert not shared.knows(unrelated)


def spoil(event, remote):
    """The same event; its signature has another first letter, so it is one of something else."""
    key_id, signature = next(iter(event.json["signatures"][remote.name].items()))
    event.json["signatures"][remote.name][key_id] = ("A" if signature[0] != "A" else "B") + signature[1:]
    return event


def test_sec_5_5__flipped_byte_in_the_answer__not_taken(shared):
    room, remote = shared.room, shared.remote
    shared.sentinel()
    base = list(room.heads)
    forged = spoil(room.sign(room.draft("m.room.message", {"body": "forged"})), remote)
    room.add(forged)
    on_forged = room.message("on the forged one")
    for path in (STATE_IDS, STATE):
        remote.on("GET", path, nothing)
    shared.send(on_forged)
    room.heads = base
    room.state = room.states[base[0]]
    shared.sentinel()
    assert not shared.knows(forged) and not shared.knows(on_forged)


def test_missing__what_the_answer_has_is_no_event__not_asked_for_again(shared):
    """A number that is none in canonical JSON: asked for by its id it would be the same once more."""
    room, remote = shared.room, shared.remote
    shared.sentinel()
    base = list(room.heads)
    bad = room.message("bad")
    bad.json["content"]["number"] = 1.5
    on_bad = room.message("on the bad one")
    remote.on("POST", MISSING, lambda ask: (200, {"events": [bad.json]}))
    shared.send(on_bad)
    wait_until(lambda: asked(remote, "get_missing_events"))
    room.heads, room.state = base, room.states[base[0]]
    assert on_bad.event_id not in ids(shared.sentinel())
    room.heads, room.state = [on_bad.event_id], room.states[on_bad.event_id]
    shared.send(room.message("on both"))
    wait_until(lambda: len(asked(remote, "get_missing_events")) == 2)
    ask = asked(remote, "get_missing_events")[1]
    assert on_bad.event_id not in ask.json["earliest_events"]
    assert not [ask for ask in asked(remote, "event") if ask.path.endswith(bad.event_id)]


@pytest.mark.parametrize("version, is_taken", [("10", True), ("11", False)])
def test_event__state_key_of_85_emoji__part_of_rooms_up_to_version_10(federated, remote, version, is_taken):
    """340 bytes: servers have always measured code points in old rooms, so what stands on such an event would be lost."""
    shared = SharedRoom(federated, remote, version)
    long = shared.room.send("org.example.long", {"x": 1}, "\U0001f4a5" * 85)
    too_long = shared.room.sign(shared.room.draft("org.example.long", {"x": 1}, "\U0001f4a5" * 256))
    told = shared.send(long, too_long)
    assert ("error" not in told[long.event_id]) == is_taken and "error" in told[too_long.event_id]
    if is_taken:
        shared.sentinel()
        assert shared.user.get_state(shared.room_id, "org.example.long", "\U0001f4a5" * 85).ok()["x"] == 1


@pytest.mark.parametrize("answer", [
    lambda ask: (200, {"events": {}}), lambda ask: (200, []), lambda ask: (200, b"{"), lambda ask: (500, {}),
    lambda ask: (200, {"events": [[]] * 1000}), lambda ask: (200, b"[" * 100000), nothing])
def test_missing__answers_that_are_none__next_step_helps(shared, answer):
    missed = shared.room.message("missed")
    newest = shared.room.message("newest")
    shared.remote.on("POST", MISSING, answer)
    # The state before the missing one is asked for, and it is taken in with it.
    assert newest.event_id in ids(shared.deliver(newest))
    assert shared.knows(missed)


def test_missing__nobody_answers__comes_when_they_do(shared):
    room, remote = shared.room, shared.remote
    usual = list(remote.handlers)
    missed = room.message("missed")
    newest = room.message("newest")
    remote.on("POST", MISSING, nothing)
    for path in (EVENT, STATE_IDS, STATE):
        remote.on("GET", path, nothing)
    shared.send(newest)
    base = missed.json["prev_events"]
    other = room.sign(room.draft("m.room.message", {"body": "meanwhile"}, prev=base))
    shared.deliver(other)
    assert not shared.knows(newest)
    remote.handlers[:] = usual
    shared.seen(newest, limit=60)  # tried again by itself
    assert shared.knows(missed)


def test_missing__put_off_and_sent_again__tried_at_once(shared):
    room, remote = shared.room, shared.remote
    missed = room.message("missed")
    newest = room.message("newest")
    usual = list(remote.handlers)
    remote.on("POST", MISSING, nothing)
    for path in (EVENT, STATE_IDS, STATE):
        remote.on("GET", path, nothing)
    shared.send(newest)
    waits = "SELECT count(*) FROM inbox WHERE event_id = '%s' AND attempts > 0" % newest.event_id
    wait_until(lambda: shared.server.sql(waits).strip() == "1", 30, "the event is put off")
    shared.server.sql("UPDATE inbox SET due_at_ms = due_at_ms + 1800000 WHERE event_id = '%s'" % newest.event_id)
    remote.handlers[:] = usual
    shared.deliver(missed)
    shared.deliver(newest)


def test_missing__ancestor_that_nobody_has_any_more__taken_over_a_gap_in_the_end(shared):
    """Not before the last attempt: who has it may be away.  Then rather with a gap than never, like all that is said upon it."""
    room, remote = shared.room, shared.remote
    shared.sentinel()
    lost = room.message("lost")
    newest = room.message("newest")
    remote.on("POST", MISSING, nothing)
    remote.on("GET", EVENT, lambda ask: nothing(ask) if ask.match.group(1) == lost.event_id else room._event(ask))
    shared.send(newest)
    waits = "SELECT count(*) FROM inbox WHERE event_id = '%s' AND attempts > 0" % newest.event_id
    wait_until(lambda: shared.server.sql(waits).strip() == "1", 30, "the event is put off")
    assert not shared.knows(newest)
    shared.server.sql("UPDATE inbox SET attempts = 5, due_at_ms = 0 WHERE event_id = '%s'" % newest.event_id)
    shared.seen(newest, limit=60)
    shared.deliver(room.message("upon it"))
    # When it turns up after all it has its place.
    remote.on("GET", EVENT, room._event)
    shared.deliver(lost)
    shown = [event["event_id"] for event in shared.user.history(room.room_id)]
    assert shown.index(newest.event_id) < shown.index(lost.event_id)


@pytest.mark.parametrize("later_ms, attempts", [(86400000, "attempts"), (1800000, "0")])
def test_inbox__clock_set_back__what_waits_is_tried_all_the_same(shared, later_ms, attempts):
    """As if it had been put off, or staged, by a clock that was ahead."""
    room, remote = shared.room, shared.remote
    room.message("missed")
    newest = room.message("newest")
    usual = list(remote.handlers)
    remote.on("POST", MISSING, nothing)
    for path in (EVENT, STATE_IDS, STATE):
        remote.on("GET", path, nothing)
    shared.send(newest)
    waits = "SELECT count(*) FROM inbox WHERE event_id = '%s' AND attempts > 0" % newest.event_id
    wait_until(lambda: shared.server.sql(waits).strip() == "1", 30, "the event is put off")
    shared.server.sql("UPDATE inbox SET due_at_ms = due_at_ms + %d, attempts = %s WHERE event_id = '%s'"
                      % (later_ms, attempts, newest.event_id))
    remote.handlers[:] = usual
    shared.seen(newest, limit=60)


def test_missing__bad_event_of_strict_version__left_out(shared):
    room, remote = shared.room, shared.remote
    base = list(room.heads)
    bad = room.draft("m.room.message", {"f": 1.5})
    bad.update(hashes={"sha256": "x"}, signatures={remote.name: {"ed25519:k1": "x"}})
    bad = Pdu(room.version, bad)
    room.add(bad)
    on_bad = room.message("on the bad one")
    shared.send(on_bad)
    room.heads, room.state = base, room.states[base[0]]
    shared.sentinel()
    assert not shared.knows(on_bad)


# -- gaps

def long_gap(room, count=40):
    """Messages that nobody sends, with one change of state."""
    for i in range(count // 2):
        room.message("gap %d" % i)
    room.send("m.room.topic", {"topic": "in the gap"}, "")
    for i in range(count // 2):
        room.message("gap %d" % (count // 2 + i))


def test_gap__longer_than_one_answer__state_fetched_and_newest_told(shared):
    long_gap(shared.room, 60)
    newest = shared.room.message("newest")
    assert newest.event_id in ids(shared.deliver(newest))
    assert asked(shared.remote, "state_ids") and not asked(shared.remote, "state")
    assert shared.user.get_state(shared.room_id, "m.room.topic").ok()["topic"] == "in the gap"
    shared.deliver(shared.room.message("and on"))


def test_gap__state_with_a_nul_in_its_keys__taken_without_it(shared):
    """Others may keep such events, and stand on them for ever."""
    long_gap(shared.room, 30)
    shared.room.send("org.example\0", {}, "")
    long_gap(shared.room, 30)
    shared.deliver(shared.room.message("newest"))
    assert asked(shared.remote, "state_ids")
    assert shared.user.get_state(shared.room_id, "m.room.topic").ok()["topic"] == "in the gap"


def test_gap__many_unknown_in_its_state__whole_state_fetched_at_once(federated, remote):
    shared = SharedRoom(federated, remote)
    for i in range(150):
        shared.room.join("@member%d:%s" % (i, remote.name))
    long_gap(shared.room)
    newest = shared.room.message("newest")
    shared.deliver(newest)
    assert len(asked(remote, "state")) == 1 and len(asked(remote, "event")) < 20
    members = shared.user.get(shared.user.room(shared.room_id, "joined_members")).ok()["joined"]
    assert len(members) == 152


def test_sec_5_7__state_without_its_auth_chain__not_taken(shared):
    room, remote = shared.room, shared.remote
    base = list(room.heads)
    zoe = "@zoe:" + remote.name
    first = room.join(zoe)
    second = room.send("m.room.member", {"membership": "join", "displayname": "Z"}, zoe, zoe)
    long_gap(room)
    newest = room.message("newest")

    def without_first(ask):
        if ask.match.group(1) == first.event_id:
            return nothing(ask)
        event = room.events.get(ask.match.group(1))
        return (200, {"pdus": [event.json]}) if event else nothing(ask)
    remote.on("GET", EVENT, without_first)
    shared.send(newest)
    room.heads, room.state = base, room.states[base[0]]
    shared.sentinel()
    assert not shared.knows(newest)
    assert shared.user.get_state(shared.room_id, "m.room.member", zoe).status == 404
    assert second


@pytest.mark.parametrize("members", [1, 150], ids=["event by its id", "state as a whole"])
@pytest.mark.parametrize("is_spoilt", [False, True], ids=["good", "flipped"])
def test_sec_5_5__flipped_byte_in_a_state__not_taken(shared, members, is_spoilt):
    room, remote = shared.room, shared.remote
    base = list(room.heads)
    zoe = "@zoe:" + remote.name
    joined = room.join(zoe)
    for number in range(members - 1):
        room.join("@member%d:%s" % (number, remote.name))
    long_gap(room)
    newest = room.message("newest")
    if not is_spoilt:
        shared.deliver(newest)
        assert shared.user.get_state(shared.room_id, "m.room.member", zoe).ok()["membership"] == "join"
    else:
        spoil(joined, remote)
        shared.send(newest)
        room.heads, room.state = base, room.states[base[0]]
        shared.sentinel()
        assert not shared.knows(newest)
        assert shared.user.get_state(shared.room_id, "m.room.member", zoe).status == 404
    assert bool(asked(remote, "state")) == (members > 100)


def test_sec_5_7__state_of_another_room_or_empty__not_taken(shared):
    room, remote = shared.room, shared.remote
    base = list(room.heads)
    other = RemoteRoom(remote)
    foreign = [event.event_id for event in other.state.values()]
    create = room.state[("m.room.create", "")]
    headless = [event.event_id for event in room.state.values() if event is not create]
    for answer in ({"pdu_ids": foreign, "auth_chain_ids": foreign}, {"pdu_ids": [], "auth_chain_ids": []}, {},
                   {"pdu_ids": headless, "auth_chain_ids": [create.event_id]}):
        remote.on("GET", STATE_IDS, lambda ask, answer=answer: (200, answer))
        long_gap(room)
        newest = room.message("newest")
        shared.send(newest)
        room.heads, room.state = base, room.states[base[0]]
        base = [shared.sentinel()[-1]["event_id"]]
        assert not shared.knows(newest)
        # Nor is it rejected for ever, for what another says of it.
        assert int(shared.server.sql("SELECT count(*) FROM events WHERE event_id = '%s'" % newest.event_id)) == 0
        assert not [ask for ask in asked(remote, "event") if any(event_id[1:] in ask.path for event_id in foreign)]
    assert shared.user.get_state(shared.room_id, "m.room.topic").status == 404


def test_gap__gigantic_state__refused_within_bounds(shared):
    room, remote = shared.room, shared.remote
    base = list(room.heads)
    many = ["$%043d" % i for i in range(120000)]
    create = room.state[("m.room.create", "")].event_id
    remote.on("GET", STATE_IDS, lambda ask: (200, {"pdu_ids": [create] + many, "auth_chain_ids": many}))
    long_gap(room)
    newest = room.message("newest")
    shared.send(newest)
    room.heads, room.state = base, room.states[base[0]]
    shared.sentinel()
    assert not shared.knows(newest)
    assert len(asked(remote, "event")) < 100


# -- auth events

@pytest.mark.parametrize("is_spoilt", [False, True], ids=["good", "flipped"])
def test_sec_5_5__missing_auth__fetched_by_event_auth_unless_flipped(shared, is_spoilt):
    room, remote = shared.room, shared.remote
    zoe = "@zoe:" + remote.name
    base = list(room.heads)
    join = room.join(zoe)
    if is_spoilt:
        spoil(join, remote)
    # Stands where the join is not before it, but names it.
    late = room.sign(room.draft("m.room.message", {"body": "hi"}, sender=zoe, prev=base,
                                auth_events=room.refs(room.auth_ids("m.room.message", zoe, None, {}, room.state))))
    room.events[late.event_id] = late
    shared.send(late)
    room.heads, room.state = base, room.states[base[0]]
    shared.sentinel()
    assert asked(remote, "event_auth")
    assert not shared.knows(late)  # by the state before it nobody called zoe was there
    assert not shared.knows(join)
    kept = shared.server.sql("SELECT count(*) FROM events WHERE event_id = '%s'" % join.event_id)
    assert kept.strip() == ("0" if is_spoilt else "1")  # as an outlier
    before = remote.send(shared.server, "POST", "/get_missing_events" + path_of(room.room_id), {
        "latest_events": [join.event_id], "earliest_events": []}).ok()
    assert before["events"] == []  # what came before it is not known here, whatever it says itself


def test_sec_5_6__auth_events_of_another_room__not_allowed(shared):
    room = shared.room
    other = RemoteRoom(shared.remote).serve()
    room.serve()
    bad = room.sign(room.draft("m.room.message", {"body": "x"}, auth_events=room.refs(
        other.auth_ids("m.room.message", room.creator, None, {}, other.state))))
    base = list(room.heads)
    shared.send(bad)
    room.heads = base
    shared.sentinel()
    assert not shared.knows(bad)


def test_sec_5_10__endless_auth_chain__given_up_within_bounds(shared):
    room, remote = shared.room, shared.remote
    base = list(room.heads)
    chain = {}

    def next_link(event_id):
        """Each event names one more that nobody has seen."""
        draft = room.draft("m.room.message", {"n": len(chain)}, prev=base)
        deeper = room.sign({**draft, "content": {"deeper": len(chain)}, "auth_events": room.refs(
            ["$" + ("%043d" % (len(chain) + 1))])})
        chain[event_id] = deeper
        return deeper

    first = next_link("first")

    def endless(ask):
        return 200, {"pdus": [next_link(ask.match.group(1)).json]}
    remote.on("GET", EVENT, endless)
    remote.on("GET", EVENT_AUTH, nothing)
    shared.send(first)
    shared.sentinel()
    assert not shared.knows(first)
    assert len(asked(remote, "event")) < 1000


# -- who is slow delays nobody else

@pytest.mark.tsan
def test_missing__hanging_server__other_rooms_go_on(federated, make_remote):
    slow, quick = make_remote(), make_remote()
    held, other = SharedRoom(federated, slow), SharedRoom(federated, quick)
    hold = Hold(slow, "POST", MISSING)
    held.room.message("missed")
    newest = held.room.message("newest")
    held.send(newest)
    assert hold.waiting.wait(seconds(30))
    began = time.monotonic()
    for i in range(5):
        other.sentinel("quick %d" % i)
    assert time.monotonic() - began < 60
    assert not held.knows(newest)
    hold.release()
    held.seen(newest, limit=60)


def test_missing__answer_that_drips__given_up_and_taken_over_a_gap(federated, make_remote):
    """Who drips one kind of answer, and goes on with it, is asked the other questions at once: nothing waits for a next attempt."""
    slow, quick = make_remote(), make_remote()
    held, other = SharedRoom(federated, slow), SharedRoom(federated, quick)
    dripping = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        dripping.set()
        try:
            while not slow.closing.wait(0.2):
                handler.wfile.write(b" ")
                handler.wfile.flush()
        except OSError:
            pass  # given up
        handler.close_connection = True
    slow.on("POST", MISSING, lambda ask: drip)
    held.room.message("missed")
    newest = held.room.message("newest")
    held.send(newest)
    assert dripping.wait(seconds(30))
    other.sentinel("quick")
    assert not held.knows(newest)
    held.seen(newest, limit=60)
    assert len(asked(slow, "get_missing_events")) == 1


def test_missing__sender_cannot_help__others_in_the_room_are_asked(federated, make_remote):
    host, other = make_remote(), make_remote()
    shared = SharedRoom(federated, host)
    room = shared.room
    zoe = "@zoe:" + other.name
    shared.deliver(room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, zoe, zoe), other)))
    missed = room.message("missed")
    newest = room.add(room.sign(room.draft("m.room.message", {"body": "newest"}, sender=zoe), other))
    other.transaction(federated, [newest]).ok()
    assert ids(shared.seen(newest)) == [missed.event_id, newest.event_id]
