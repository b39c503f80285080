"""Events that are rejected or soft-failed: a server in the room can make as many of them as it likes, but only so many are kept.
Spec: server-server API, "Rejection", "Soft failure"."""
import pytest

from support.server import PROCESSES, FederatedServer, wait_until
from support.shared_room import SharedRoom

CEILING = 50
MOST = CEILING + 10 + PROCESSES * (CEILING // 10 + 1)  # as many as the room's state has, too; and no process looks at it for each


@pytest.fixture(scope="module")
def federated(authority):
    server = FederatedServer(authority=authority, settings={"federation.set_aside_max": str(CEILING)}).start()
    yield server
    server.destroy()


def kept(server, room_id):
    """Rows of what was set aside in a room, and of the states after them."""
    return [int(server.sql("SELECT count(*) FROM %s JOIN rooms USING (room_nid) WHERE room_id = '%s' AND position < 0 AND %s"
                           % (table, room_id, which))) for table, which in
            (("events", "fate IN (2, 3)"), ("event_states", "true"))]


def wait_for_few(shared):
    """The inbox looks at the ceiling when it has worked something off."""
    wait_until(lambda: all(rows <= MOST for rows in kept(shared.server, shared.room_id)), what="the oldest are given up")


def banned(shared):
    """A member of the other server who is banned by now, and the event before the ban."""
    room, guest = shared.room, "@guest:" + shared.remote.name
    joined = room.join(guest)
    ban = room.send("m.room.member", {"membership": "ban"}, guest)
    shared.deliver(joined, ban)
    return guest, joined, ban


def flood(shared, make, count):
    """Sends as many as `make` makes; all of them."""
    events = [make(number) for number in range(count)]
    for at in range(0, count, 50):
        assert shared.send(*events[at:at + 50]) == {event.event_id: {} for event in events[at:at + 50]}
    return events


@pytest.mark.parametrize("kind", ["messages", "state", "rejected"])
def test_set_aside__without_end__ceiling_and_the_room_goes_on(federated, remote, kind):
    shared = SharedRoom(federated, remote)
    room = shared.room
    guest, joined, ban = banned(shared)

    def make(number):
        if kind == "messages":
            draft = room.draft("m.room.message", {"body": str(number)}, sender=guest, prev=[joined])
        elif kind == "state":
            draft = room.draft("m.room.member", {"membership": "join", "displayname": str(number)}, guest, guest, prev=[joined])
        else:
            draft = room.draft("m.room.topic", {"topic": str(number)}, "", sender=guest, prev=[joined])
        return room.sign(draft)
    events = flood(shared, make, 150)
    shared.sentinel()
    wait_for_few(shared)
    assert min(kept(shared.server, room.room_id)) > CEILING // 2
    assert not shared.knows(events[0]) and not shared.knows(events[-1])
    # Honest servers may stand on what was forgotten, and on what was not: both are taken in, and nothing else is seen of it.
    for event in events[0], events[-1]:
        room.add(event)
        room.heads, room.state = [event.event_id], room.states[ban.event_id]
        on_it = room.message("on one of them")
        told = shared.deliver(on_it)
        assert [item["event_id"] for item in told] == [on_it.event_id]
        assert not shared.knows(event)
    state = shared.user.state(room.room_id)
    assert state[("m.room.member", guest)]["event_id"] == ban.event_id and ("m.room.topic", "") not in state
    own = shared.user.send(room.room_id, "ours joins all ends")
    assert shared.knows(own)


def test_set_aside__chain_without_end__ceiling_and_what_stands_on_its_end_comes(federated, remote):
    """Each stands on the one before, in states that name one another."""
    shared = SharedRoom(federated, remote)
    room = shared.room
    guest, joined, ban = banned(shared)
    last = [joined]

    def make(number):
        event = room.send("m.room.member", {"membership": "join", "displayname": str(number)}, guest, guest, prev=last)
        last[:] = [event]
        return event
    flood(shared, make, 70)
    wait_for_few(shared)
    room.heads, room.state = [last[0].event_id, ban.event_id], room.states[ban.event_id]
    shared.deliver(room.message("on the end of it"))
    assert not shared.knows(last[0])
    assert shared.user.state(room.room_id)[("m.room.member", guest)]["content"]["membership"] == "ban"
    wait_for_few(shared)
