"""What came before /sync, and peeking: /initialSync, /events (old_sync.yaml, room_initial_sync.yaml, peeking_events.yaml)."""
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import Client, path_of, seconds

WORLD = [{"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "world_readable"}}]


def snapshot(user, room, **query):
    rooms = [item for item in user.get("/initialSync", query).ok()["rooms"] if item["room_id"] == room]
    assert len(rooms) <= 1
    return rooms[0] if rooms else None


def ids(events):
    return [event["event_id"] for event in events]


def events(user, start=None, timeout=0, **query):
    return user.get("/events", {"from": start, "timeout": timeout, **query}, timeout=seconds(30) + timeout / 1000)


def now(user):
    return events(user).ok()["end"]


class Waiting:
    """A request to /events that waits in a thread of its own."""

    LONG_MS = 200 * 1000

    def __init__(self, user, start, **query):
        self.begun = time.monotonic()
        self.pool = ThreadPoolExecutor(1)
        self.reply = self.pool.submit(events, user, start, self.LONG_MS, **query)

    def result(self):
        """It was woken: it did not wait for its end."""
        answer = self.reply.result().ok()
        self.pool.shutdown()
        assert time.monotonic() - self.begun < self.LONG_MS / 1000 - 5
        return answer


# -- snapshots

def test_initial_sync__joined__state_messages_and_data(alice, bob, shared):
    alice.account_data("org.example.all", {"a": 1}).ok()
    alice.account_data("org.example.room", {"b": 2}, shared).ok()
    sent = [alice.send(shared, "%d" % number) for number in range(4)]
    answer = alice.get("/initialSync", {"limit": 3}).ok()
    assert {"type": "org.example.all", "content": {"a": 1}} in answer["account_data"]
    part = next(item for item in answer["rooms"] if item["room_id"] == shared)
    assert part["membership"] == "join" and ids(part["messages"]["chunk"]) == sent[1:]
    assert part["visibility"] == "private"
    assert part["account_data"] == [{"type": "org.example.room", "content": {"b": 2}}]
    members = {event["state_key"] for event in part["state"] if event["type"] == "m.room.member"}
    assert members == {alice.user_id, bob.user_id}
    earlier = alice.messages(shared, start=None, limit=1, **{"from": part["messages"]["start"]}).ok()["chunk"]
    assert ids(earlier) == sent[:1]
    # and /events goes on from its end
    later = alice.send(shared, "later")
    assert ids(events(alice, answer["end"]).ok()["chunk"]) == [later]


def test_initial_sync__whole_room__has_no_start(alice, room):
    part = snapshot(alice, room, limit=100)
    assert "start" not in part["messages"] and part["messages"]["chunk"][0]["type"] == "m.room.create"


def test_initial_sync__invited__only_the_invite(alice, bob, room):
    alice.invite(room, bob).ok()
    part = snapshot(bob, room)
    assert part["membership"] == "invite" and part["invite"]["sender"] == alice.user_id
    assert part["invite"]["state_key"] == bob.user_id
    assert set(part) == {"room_id", "membership", "invite"}
    bob.account_data("m.ignored_user_list", {"ignored_users": {alice.user_id: {}}}).ok()
    assert snapshot(bob, room) is None


def test_initial_sync__left__as_it_was_when_asked_for(alice, bob, shared):
    before = alice.send(shared, "before")
    bob.leave(shared).ok()
    after = alice.send(shared, "after")
    topic = alice.set_state(shared, "m.room.topic", {"topic": "after"})
    assert snapshot(bob, shared) is None
    part = snapshot(bob, shared, archived="true")
    chunk = ids(part["messages"]["chunk"])
    assert part["membership"] == "leave" and before in chunk and after not in chunk
    assert part["messages"]["chunk"][-1]["state_key"] == bob.user_id
    assert topic not in ids(part["state"])
    alone = bob.get(bob.room(shared, "initialSync")).ok()
    assert alone["membership"] == "leave" and ids(alone["messages"]["chunk"]) == chunk
    assert ids(alone["state"]) and topic not in ids(alone["state"])
    bob.forget(shared).ok()
    assert snapshot(bob, shared, archived="true") is None
    bob.get(bob.room(shared, "initialSync")).expect(403, "M_FORBIDDEN")


def test_initial_sync__hidden_events__not_told(alice, bob):
    room = alice.create_room(initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}])
    hidden = alice.send(room, "hidden")
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    shown = alice.send(room, "shown")
    for part in (snapshot(bob, room, limit=50), bob.get(bob.room(room, "initialSync"), {"limit": 50}).ok()):
        assert shown in ids(part["messages"]["chunk"]) and hidden not in ids(part["messages"]["chunk"])


def test_room_initial_sync__stranger__only_where_world_readable(alice, bob, room):
    bob.get(bob.room(room, "initialSync")).expect(403, "M_FORBIDDEN")
    alice.invite(room, bob).ok()
    bob.get(bob.room(room, "initialSync")).expect(403, "M_FORBIDDEN")
    world = alice.create_room(initial_state=WORLD, visibility="public")
    sent = alice.send(world, "for all")
    part = bob.get(bob.room(world, "initialSync")).ok()
    assert "membership" not in part and ids(part["messages"]["chunk"])[-1] == sent
    assert part["visibility"] == "public" and part["account_data"] == []
    assert "m.room.create" in [event["type"] for event in part["state"]]


# -- one event

def test_event_by_id__seen_by_members__hidden_and_unknown_look_the_same(alice, bob, room):
    sent = alice.send(room, "words")
    found = alice.get(path_of("events", sent)).ok()
    assert found["content"]["body"] == "words" and found["room_id"] == room
    hidden = bob.get(path_of("events", sent)).expect(404, "M_NOT_FOUND")
    unknown = bob.get(path_of("events", "$" + "A" * 43)).expect(404, "M_NOT_FOUND")
    assert hidden.raw == unknown.raw


# -- the stream

def test_events__several_rooms__in_order_and_once(alice, bob, shared):
    other = alice.create_room()
    start = now(alice)
    sent = [user.send(where, "x") for user, where in
            [(alice, shared), (alice, other), (bob, shared), (alice, other), (bob, shared)]]
    answer = events(alice, start).ok()
    assert answer["start"] == start and ids(answer["chunk"]) == sent
    assert events(alice, answer["end"]).ok()["chunk"] == []


def test_events__more_than_one_answer_holds__nothing_lost(alice, room):
    other = alice.create_room()
    start, got = now(alice), []
    sent = [alice.send((room, other)[number % 2], "x") for number in range(130)]
    while True:
        answer = events(alice, start).ok()
        if not answer["chunk"]:
            break
        assert len(answer["chunk"]) <= 100
        got, start = got + ids(answer["chunk"]), answer["end"]
    assert got == sent


def test_events__invite_join_and_leave__told(alice, bob, room):
    start = now(bob)
    alice.send(room, "before")
    alice.invite(room, bob).ok()
    answer = events(bob, start).ok()
    assert [event["content"].get("membership") for event in answer["chunk"]] == ["invite"]
    bob.join(room).ok()
    answer = events(bob, answer["end"]).ok()
    assert answer["chunk"][-1]["content"]["membership"] == "join"
    alice.kick(room, bob).ok()
    hidden = alice.send(room, "after")
    answer = events(bob, answer["end"]).ok()
    assert [event["content"].get("membership") for event in answer["chunk"]] == ["leave"]
    assert hidden not in ids(answer["chunk"])


def test_events__ignored__neither_messages_nor_invites(alice, bob, shared):
    alice.account_data("m.ignored_user_list", {"ignored_users": {bob.user_id: {}}}).ok()
    start = now(alice)
    bob.send(shared, "unheard")
    bob.invite(bob.create_room(), alice).ok()
    own = alice.send(shared, "own")
    assert ids(events(alice, start).ok()["chunk"]) == [own]


def test_events__waiting__woken_by_a_message(alice, bob, shared):
    waiting = Waiting(alice, now(alice))
    sent = bob.send(shared, "wake up")
    assert ids(waiting.result()["chunk"]) == [sent]


def test_events__waiting__woken_by_an_invite(alice, bob, room):
    waiting = Waiting(bob, now(bob))
    alice.invite(room, bob).ok()
    assert [event["room_id"] for event in waiting.result()["chunk"]] == [room]


def test_events__nothing_comes__answers_empty_at_its_end(alice, room):
    begun = time.monotonic()
    start = now(alice)
    answer = events(alice, start, timeout=300).ok()
    assert answer["chunk"] == [] and time.monotonic() - begun >= 0.3
    assert "end" in answer and answer["start"] == start


@pytest.mark.parametrize("token", ["", "s", "s1", "s-1_0", "s99999999999_0", "x1_0", "s1_0_0", "nonsense"])
def test_events__forged_token__400(alice, room, token):
    events(alice, token).expect(400, "M_INVALID_PARAM")
    events(alice, token, room_id=room).expect(400, "M_INVALID_PARAM")


# -- peeking

def test_peek__member__that_room_only_and_woken(alice, bob, shared):
    start = now(alice)
    alice.send(alice.create_room(), "elsewhere")
    waiting = Waiting(alice, start, room_id=shared)
    sent = bob.send(shared, "here")
    assert ids(waiting.result()["chunk"]) == [sent]


def test_peek__world_readable__stranger_waits_and_hears(alice, bob):
    room = alice.create_room(initial_state=WORLD)
    part = bob.get(bob.room(room, "initialSync")).ok()
    waiting = Waiting(bob, part["messages"]["end"], room_id=room)
    sent = alice.send(room, "for all")
    assert ids(waiting.result()["chunk"]) == [sent]


def test_peek__not_readable__403_as_an_unknown_room(alice, bob, room):
    alice.send(room, "private")
    hidden = events(bob, room_id=room).expect(403, "M_FORBIDDEN")
    unknown = events(bob, room_id="!" + "A" * 43).expect(403, "M_FORBIDDEN")
    assert hidden.raw == unknown.raw


def test_peek__closed_meanwhile__ends_without_what_came_after(alice, bob):
    room = alice.create_room(initial_state=WORLD)
    start = now(bob)
    alice.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    alice.send(room, "private")
    events(bob, start, room_id=room).expect(403, "M_FORBIDDEN")


def test_guest__peeks__and_gets_no_snapshot_of_all():
    from support.server import Server
    server = Server(settings={"registration.guests": "true"}).start()
    try:
        host = accounts.register(server.url)
        reply = Client(server.url).post("/register", {}, query={"kind": "guest"}, token=False).ok()
        guest = Client(server.url, reply["access_token"], reply["user_id"], reply["device_id"])
        room, private = host.create_room(initial_state=WORLD), host.create_room()
        part = guest.get(guest.room(room, "initialSync")).ok()
        sent = host.send(room, "for all")
        assert ids(events(guest, part["messages"]["end"], room_id=room).ok()["chunk"]) == [sent]
        assert events(guest, part["messages"]["end"]).ok()["chunk"] == []
        events(guest, room_id=private).expect(403, "M_FORBIDDEN")
        guest.get(guest.room(private, "initialSync")).expect(403, "M_FORBIDDEN")
        guest.get("/initialSync").expect(403, "M_GUEST_ACCESS_FORBIDDEN")
    finally:
        server.destroy()
