"""Who reads history that only slow servers have waits without a worker: more of them than there are workers delay nobody else."""
import pytest

from support.client import path_of
from support.handshake import asked
from support.remote_room import RemoteRoom
from test_fed_history import all_bodies
from test_fed_parked import Asks, Slow, assert_another_is_answered, join

WORKERS = 1  # for requests that may wait for another server
HANGING = WORKERS + 2
THREADS = 8  # that ask for history
OF_ONE_SERVER = 3  # of them
OF_ONE_CALLER = 3
SAID = ["one", "two", "three"]


@pytest.fixture(scope="module")
def server(authority):
    from support.server import FederatedServer
    server = FederatedServer(authority, settings={"http.remote_workers": WORKERS}).start()
    yield server
    server.destroy()


def room_with_history(remote):
    room = RemoteRoom(remote, age_ms=10 ** 8).serve()  # who comes in does so later, by whatever clock
    room.said = [room.message(body) for body in SAID]
    return room


def come_in(server, room):
    user = server.user()
    join(user, room.room_id, room.remote).ok()
    return user


def read(user, room):
    return all_bodies(user, room.room_id)


def read_around(user, room):
    """From the newest event that was said on: right below it history is missing."""
    member = user.state(room.room_id)["m.room.member", user.user_id]["event_id"]
    around = user.get(path_of("rooms", room.room_id, "context", member)).ok()
    return [event["content"]["body"] for event in around["events_before"] if event["type"] == "m.room.message"]


def read_one(user, room):
    return [user.event(room.room_id, event.event_id).ok()["content"]["body"] for event in room.said[::-1]]


def read_by_time(user, room):
    found = user.get("/_matrix/client/v1" + path_of("rooms", room.room_id, "timestamp_to_event"),
                     {"ts": room.said[-1]["origin_server_ts"], "dir": "b"}).ok()
    return [event["content"]["body"] for event in room.said if event.event_id == found["event_id"]]


@pytest.mark.tsan
@pytest.mark.parametrize("word, reads, wanted", [
    ("/backfill/", read, SAID[::-1]), ("/backfill/", read_around, SAID[::-1]), ("/event/", read_one, SAID[::-1]),
    ("/timestamp_to_event/", read_by_time, SAID[-1:])], ids=["messages", "context", "event", "time"])
def test_history__many_hang_at_slow_servers__others_are_asked_meanwhile(server, make_remote, word, reads, wanted):
    rooms = [room_with_history(make_remote()) for _ in range(HANGING)]
    users = [come_in(server, room) for room in rooms]
    slow = Slow(word, *(room.remote for room in rooms))
    readers = Asks([lambda user=user, room=room: reads(user, room) for user, room in zip(users, rooms)])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert readers.all() == [wanted] * HANGING
    for room in rooms:
        assert len(asked(room.remote, word.strip("/"))) == 1


@pytest.mark.one_process("those who read are joined within a process: two ask twice")
@pytest.mark.tsan
def test_history__many_readers_of_one_room__one_question(server, make_remote):
    room = room_with_history(make_remote())
    users = [come_in(server, room) for _ in range(HANGING)]
    slow = Slow("/backfill/", room.remote)
    readers = Asks([lambda user=user: read(user, room) for user in users])
    try:
        slow.await_hanging(1)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert readers.all() == [SAID[::-1]] * HANGING
    assert len(asked(room.remote, "backfill")) == 1


def test_history__more_rooms_of_a_slow_server_than_threads__other_rooms_are_read_meanwhile(server, make_remote):
    remote, other = make_remote(), make_remote()
    rooms = [room_with_history(remote) for _ in range(THREADS + 1)]
    users = [come_in(server, room) for room in rooms]
    quick = room_with_history(other)
    reader = come_in(server, quick)
    slow = Slow("/backfill/", remote)
    readers = Asks([lambda user=user, room=room: read(user, room) for user, room in zip(users, rooms)])
    try:
        slow.await_hanging(OF_ONE_SERVER)
        assert read(reader, quick) == SAID[::-1]
    finally:
        slow.hurry()
    assert readers.all() == [SAID[::-1]] * len(rooms)


def test_history__one_user_reads_in_rooms_of_several_slow_servers__others_read_meanwhile(server, make_remote):
    """Whoever has names of servers to spare, and an account here, has a share of the threads all the same."""
    remotes = [make_remote() for _ in range(3)]
    rooms = [room_with_history(remote) for remote in remotes for _ in range(3)]
    user = server.user()
    for room in rooms:
        join(user, room.room_id, room.remote).ok()
    quick = room_with_history(make_remote())
    reader = come_in(server, quick)
    slow = Slow("/backfill/", *remotes)
    readers = Asks([lambda room=room: read(user, room) for room in rooms])
    try:
        slow.await_hanging(OF_ONE_CALLER)
        assert read(reader, quick) == SAID[::-1]
    finally:
        slow.hurry()
    assert readers.all() == [SAID[::-1]] * len(rooms)


def test_history__answer_rests_on_what_a_slow_server_does_not_give__others_are_asked_meanwhile(server, make_remote):
    """An answer with an event of which the auth events do not exist: who makes it up can let us wait for them."""
    rooms = [room_with_history(make_remote()) for _ in range(HANGING)]
    for room in rooms:
        draft = room.draft("m.room.message", {"msgtype": "m.text", "body": "made up"})
        forged = room.sign({**draft, "auth_events": draft["auth_events"] + ["$" + "x" * 43]})
        room.remote.on("GET", r"/_matrix/federation/v1/backfill/.*", lambda ask, room=room, forged=forged: (
            200, {"pdus": [forged.json] + [event.json for event in room.before(ask.query["v"], 100)]}))
    users = [come_in(server, room) for room in rooms]
    slow = Slow("/event/", *(room.remote for room in rooms))
    readers = Asks([lambda user=user, room=room: read(user, room) for user, room in zip(users, rooms)])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert readers.all() == [SAID[::-1]] * HANGING
