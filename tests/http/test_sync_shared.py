"""GET /sync: what one who waits in a room is told is written for others who wait there too. Each gets what the reader would have got alone."""
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.client import path_of, seconds

QUIET = {"presence": {"not_types": ["*"]}}
LAZY = {**QUIET, "room": {"state": {"lazy_load_members": True}}}
MESSAGES = {**QUIET, "room": {"timeline": {"types": ["m.room.message"]}, "state": {"types": []}}}
FIELDS = ["content", "event_id", "origin_server_ts", "sender", "state_key", "type", "unsigned"]
ALIKE = 6


@pytest.fixture
def hall(alice, bob):
    """A room that all may enter."""
    room = alice.create_room(preset="public_chat")
    bob.join(room).ok()
    return room


def told(answer, room):
    """All that the answer tells of the room, but for the events' ages."""
    part = answer.joined(room)
    for event in part.timeline + part.state:
        event["unsigned"].pop("age")
    return part


def now(client, wanted, **query):
    """A reader from now on: client, token, filter, more of the query."""
    return client, client.sync(filter=wanted, **query).since, wanted, query


class Waiting:
    """Readers that wait at the same time."""

    def __init__(self, *readers):
        self.readers, self.pool = readers, ThreadPoolExecutor(len(readers))
        self.answers = [self.pool.submit(client.sync, since, 30000, wanted, **query) for client, since, wanted, query in readers]
        time.sleep(0.3)  # let them park: what is tested is that they are woken together

    def together(self, room):
        with self.pool:
            return [told(answer.result(seconds(30)), room) for answer in self.answers]

    def alone(self, room):
        """What each gets for the same token by itself, when what was written for others is too old."""
        parts = []
        for client, since, wanted, query in self.readers:
            time.sleep(0.05)
            parts.append(told(client.sync(since, 0, wanted, **query), room))
        return parts


@pytest.mark.one_process("each process remembers by itself which members a device was told")
@pytest.mark.tsan
def test_many_wait__message__each_is_told_what_it_would_be_alone(hs, alice, bob, carol, hall):
    others = [hs.user() for _ in range(ALIKE)]
    for other in (carol, *others):
        other.join(hall).ok()
    for ignoring in (carol, others[-1]):
        ignoring.account_data("m.ignored_user_list", {"ignored_users": {alice.user_id: {}}}).ok()
    waiting = Waiting(
        now(carol, QUIET), *(now(other, QUIET) for other in others), now(alice, QUIET), now(alice.login(), QUIET), now(bob, LAZY),
        now(bob, {**QUIET, "event_fields": FIELDS}), now(bob, {**QUIET, "event_format": "federation"}),
        now(bob, QUIET, use_state_after=True))
    event = alice.send(hall, "to all", txn="txn-" + hall[-5:])
    for ignoring in (carol, others[-1]):
        ignoring.account_data("org.example.wake", {}).ok()
    together = waiting.together(hall)
    assert together == waiting.alone(hall)
    expected = [[], *[[event]] * (ALIKE - 1), [], *[[event]] * 6]
    assert [part.ids() for part in together] == expected
    sent_as = [part.timeline[0]["unsigned"].get("transaction_id") for part in together if part.timeline]
    assert [txn for txn in sent_as if txn is not None] == ["txn-" + hall[-5:]]


@pytest.mark.one_process("each process remembers by itself which members a device was told")
def test_many_wait__one_device_knows_the_sender__the_other_gets_the_member(alice, bob, hall):
    new = bob.login()
    since = bob.sync(filter=LAZY).since
    alice.send(hall, "makes the sender known to the first device")
    since = bob.sync(since, 0, LAZY).since
    waiting = Waiting((bob, since, LAZY, {}), (new, since, LAZY, {}))
    alice.send(hall, "to both")
    together = waiting.together(hall)
    assert [part.types("state") for part in together] == [[], ["m.room.member"]]
    assert together == waiting.alone(hall)


def test_many_wait__joined_again_meanwhile__own_memberships(alice, bob, carol, hall):
    """Who was away for a part of the span is not told of it as the others are, even where only messages are asked for."""
    carol.join(hall).ok()
    waiting_from = [now(bob, MESSAGES), now(carol, MESSAGES)]
    carol.leave(hall).ok()
    alice.send(hall, "while one is away")
    carol.join(hall).ok()
    alice.send(hall, "afterwards")
    waiting = Waiting(*waiting_from)
    together = waiting.together(hall)
    assert together == waiting.alone(hall)
    assert [[event["unsigned"]["membership"] for event in part.timeline] for part in together] == [["join", "join"], ["leave", "join"]]


@pytest.mark.parametrize("kind", ["own rules", "ignored user"])
def test_counts__user_begins_to_judge__from_the_next_message_on(alice, bob, carol, hall, kind):
    """Rules and whom the user ignores are not looked up while nothing of the user's has changed."""
    carol.join(hall).ok()
    watch = carol.watch(QUIET)

    def count(event):
        answer, _ = watch.until(lambda answer: event in answer.joined(hall).ids())
        return answer.joined(hall)["unread_notifications"]["notification_count"]

    counts = [count(alice.send(hall, "message %d" % number)) for number in range(3)]
    assert counts == [counts[0], counts[0] + 1, counts[0] + 2]
    if kind == "own rules":
        carol.put(path_of("pushrules", "global", "room", hall), {"actions": []}).ok()
    else:
        carol.account_data("m.ignored_user_list", {"ignored_users": {alice.user_id: {}}}).ok()
    before = 0 if kind == "own rules" else 1
    assert count(bob.send(hall, "one more")) == before
