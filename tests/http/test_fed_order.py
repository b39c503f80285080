"""History in the order of the event graph, when what others stand on comes after them.

/sync is in the order in which events came: "This can conflict with other APIs which order events based on their partial ordering in
the event graph. This can result in duplicate events being received (once per distinct API called)."
Spec: client-server API, "Syncing"; /messages, "in chronological order"
"""
import time

import pytest

from support.client import path_of
from support.handshake import VERSIONS
from support.processes import wait_until
from support.shared_room import SharedRoom

MISSING = r"/_matrix/federation/v1/get_missing_events/.*"


def missed(remote):
    """Missing events are not given, so what stands on them comes with the state before it."""
    remote.on("POST", MISSING, lambda ask: (404, {"errcode": "M_NOT_FOUND", "error": "no"}))


class Late:
    """A room in which the newest of what was missed came first: first ..., [missed ...], over, newest."""

    def __init__(self, server, remote, count, version="11"):
        self.shared = SharedRoom(server, remote, version)
        self.room, self.alice = self.shared.room, self.shared.user
        self.first = self.room.message("first")
        self.shared.deliver(self.first)
        self.missed = [self.room.message("missed %d" % number) for number in range(count)]
        self.over = self.room.message("over the gap")
        self.newest = self.room.message("newest")
        missed(remote)
        self.came = [event["event_id"] for event in self.shared.deliver(self.newest)]  # the state before `over` is given

    def all(self):
        return ids(self.first, *self.missed, self.over, self.newest)

    def has(self, event):
        """Whether it is part of the timeline.  Asking for it would have it fetched."""
        found = "SELECT count(*) FROM events WHERE position > -(1::bigint << 60) AND event_id = '%s'" % event.event_id
        return self.shared.server.sql(found).strip() == "1"

    def history(self, **query):
        """From what /sync has told last: another process may be a moment behind the one that told it."""
        return self.alice.history(self.room.room_id, start=self.shared.watch.since, **query)

    def shows(self, **query):
        """What history says of these, oldest first."""
        return told(reversed(self.history(**query)), self.all())


def ids(*events):
    return [event.event_id for event in events]


def told(events, of):
    return [event["event_id"] for event in events if event["event_id"] in of]


@pytest.mark.parametrize("version", VERSIONS)
def test_history__ancestors_came_last__shown_before_what_stands_on_them(federated, remote, version):
    late = Late(federated, remote, 5, version)
    assert late.came == ids(late.over, late.newest)
    came = late.shared.deliver(*late.missed)
    assert told(came, late.all()) == ids(*late.missed)
    for limit in (1, 3, 50):
        assert late.shows(limit=limit) == late.all()
    assert told(late.alice.history(late.room.room_id, "f"), late.all()) == late.all()
    # New ones come behind all of that.
    after = late.room.message("after")
    late.shared.deliver(after)
    assert late.history()[0]["event_id"] == after.event_id
    assert late.shows() == late.all()


def test_history__ancestors_came_last__a_limited_sync_and_pages_from_it_lack_none(federated, remote):
    late = Late(federated, remote, 12)
    late.shared.deliver(*late.missed)

    def limited():
        """Once the last has come to whichever process is asked."""
        sync = late.alice.get("/sync", {"filter": '{"room":{"timeline":{"limit":5}}}'}).ok()
        part = sync["rooms"]["join"][late.room.room_id]["timeline"]
        return part if part["events"][-1]["event_id"] == late.missed[-1].event_id else None
    timeline = wait_until(limited, what="the last of what was missed")
    assert told(timeline["events"], late.all()) == ids(*late.missed[-5:])
    older = late.alice.history(late.room.room_id, start=timeline["prev_batch"])
    assert told(reversed(older), late.all()) == late.all()


def test_context__ancestors_came_last__around_the_gap_in_order(federated, remote):
    late = Late(federated, remote, 4)
    late.shared.deliver(*late.missed)
    for at, event in enumerate([late.first, *late.missed, late.over, late.newest]):
        around = late.alice.get(path_of("rooms", late.room.room_id, "context", event.event_id), {"limit": 4}).ok()
        assert told(reversed(around["events_before"]), late.all()) == late.all()[max(at - 2, 0):at]
        assert told(around["events_after"], late.all()) == late.all()[at + 1:at + 3]
        before = late.alice.history(late.room.room_id, start=around["start"])
        assert told(reversed(before), late.all()) == late.all()[:max(at - 2, 0)]


def test_history__branch_over_a_gap_of_its_own__the_gap_goes_with_it(federated, remote):
    """Only the end of the branch comes by itself: the rest is fetched by whoever pages there, and stands before it."""
    late = Late(federated, remote, 9)
    late.shared.deliver(late.missed[7], late.missed[8])  # the state before `6` is given, and so it is over a gap
    assert late.has(late.missed[6]) and not late.has(late.missed[5])
    assert late.shows(limit=2) == late.all()
    assert late.shows() == late.all()


def test_history__known_branch_met_again_in_a_gap__shown_below_what_stands_on_it(federated, remote):
    """Part of what is missing came as a branch of its own before, and is met when the gap is filled."""
    late = Late(federated, remote, 9)
    late.shared.deliver(late.missed[4])  # the state before `3` is given
    assert [late.has(event) for event in late.missed[2:6]] == [False, True, True, False]
    assert late.shows() == late.all()
    assert late.shows(limit=2) == late.all()


@pytest.mark.one_process("each process has the faults that are set")
@pytest.mark.parametrize("then", ["stays", "leaves"])
def test_history__ended_before_it_was_in_order__the_next_reader_has_it_in_order(make_federated, remote, monkeypatch, then):
    """As above, but the server ends between the commit of what it fetched and putting it in order.  Nobody else helps afterwards."""
    monkeypatch.setenv("BELFRY_FAULTS", "history.order:1")
    server = make_federated().start()
    monkeypatch.delenv("BELFRY_FAULTS")
    late = Late(server, remote, 9)
    late.shared.deliver(late.missed[4])
    late.alice.messages(late.room.room_id, limit=50)
    assert late.has(late.missed[5])
    if server.sql("SELECT count(*) FROM event_places").strip() != "0":
        pytest.fail("this needs a build with fault points")
    server.kill()
    remote.on("GET", r"/_matrix/federation/v1/backfill/.*", lambda ask: (404, {"errcode": "M_NOT_FOUND", "error": "no"}))
    server.start()
    if then == "leaves":
        late.alice.leave(late.room.room_id).ok()
    assert late.shows() == late.all()
    assert late.shows(limit=2) == late.all()
    assert server.sql("SELECT count(*) FROM room_gaps g JOIN events e ON e.event_id = g.prev_id AND e.position > -(1::bigint << 60)").strip() == "0"


@pytest.mark.one_process("each process has the faults that are set")
@pytest.mark.parametrize("nth", [1, 2])
def test_history__what_gaps_are_left_cannot_be_read_once__in_order_all_the_same(make_federated, remote, monkeypatch, nth):
    """As above, but the database fails when all of it is stored: whoever reads next sees what is stored."""
    monkeypatch.setenv("BELFRY_FAULTS", "room.refresh_gaps:%d" % nth)
    server = make_federated().start()
    monkeypatch.delenv("BELFRY_FAULTS")
    late = Late(server, remote, 9)
    late.shared.deliver(late.missed[4])
    late.alice.messages(late.room.room_id, limit=50)
    assert late.shows() == late.all()
    assert late.shows(limit=2) == late.all()


@pytest.mark.parametrize("shown_over", [1, 0])
def test_history__what_a_soft_failed_event_stands_on__shown_before_what_stands_on_that(federated, remote, shown_over):
    """first, early, topic, over the topic (if that comes), over, ban: the ban came before the topic of the banned, which is not shown."""
    shared = SharedRoom(federated, remote)
    room, bob = shared.room, "@bob:" + remote.name
    shared.deliver(room.send("m.room.power_levels", {"users": {room.creator: 100, bob: 50}}, ""), room.join(bob))
    first, early = room.message("first"), room.message("early")
    topic = room.send("m.room.topic", {"topic": "of bob"}, "", bob)
    over_topic = [room.message("over the topic") for _ in range(shown_over)]
    over, ban = room.message("over"), room.send("m.room.member", {"membership": "ban"}, bob)
    shared.deliver(first)
    missed(remote)
    shared.deliver(ban)  # the state before `over` is given
    shared.deliver(early)
    shared.send(topic)
    end = shared.room.message("end")
    shared.deliver(*over_topic, end)
    assert federated.sql("SELECT fate FROM events WHERE event_id = '%s'" % topic.event_id).strip() == "2"
    events = ids(first, early, topic, *over_topic, over, ban, end)
    shown = shared.user.history(room.room_id, start=shared.watch.since)
    assert told(reversed(shown), events) == [event for event in events if event != topic.event_id]


def test_history__two_branches_at_one_gap__each_in_order(federated, remote):
    late = Late(federated, remote, 0)
    room = late.room
    point = late.newest
    one = [room.message("one", prev=[point.event_id])]
    one.append(room.message("one end", prev=[one[0].event_id]))
    other = [room.message("other", prev=[point.event_id])]
    other.append(room.message("other end", prev=[other[0].event_id]))
    room.heads = [one[-1].event_id, other[-1].event_id]
    both = room.message("on both")
    late.shared.deliver(room.message("newest of all"))  # the state before `both` is given
    assert late.has(both) and not late.has(one[0])
    late.shared.deliver(*other)
    late.shared.deliver(*one)
    shown = [event["event_id"] for event in reversed(late.alice.history(room.room_id))]
    for branch in (one, other):
        places = [shown.index(event_id) for event_id in ids(point, *branch, both)]
        assert places == sorted(places)
    assert len(shown) == len(set(shown))


def test_history__ancestors_came_after_somebody_had_left__not_shown_to_them(federated, remote):
    late, bob = Late(federated, remote, 3), federated.user()
    bob.join(late.room.room_id).ok()
    late.alice.leave(late.room.room_id).ok()
    watch = bob.watch()
    late.shared.send(*late.missed)
    watch.timeline_until(late.room.room_id, late.missed[-1].event_id)
    assert told(reversed(bob.history(late.room.room_id)), late.all()) == late.all()
    assert late.shows() == ids(late.first, late.over, late.newest)


def test_history_for_servers__ancestors_came_last__walked_as_the_graph_goes(federated, remote):
    late = Late(federated, remote, 5)
    late.shared.deliver(*late.missed)
    target = "/backfill" + path_of(late.room.room_id) + "?limit=50&v=" + late.newest.event_id
    pdus = remote.send(federated, "GET", target).ok()["pdus"]
    bodies = [pdu["content"].get("body") for pdu in pdus if pdu["type"] == "m.room.message"]
    assert bodies == ["newest", "over the gap", *["missed %d" % number for number in (4, 3, 2, 1, 0)], "first"]
    reply = remote.send(federated, "POST", "/get_missing_events" + path_of(late.room.room_id), {
        "latest_events": [late.over.event_id], "earliest_events": [late.first.event_id], "limit": 10}).ok()
    assert [pdu["content"].get("body") for pdu in reply["events"]] == ["missed %d" % number for number in range(5)]


def test_unread__ancestors_came_last__counted_as_they_came(federated, remote):
    late = Late(federated, remote, 3)
    late.alice.receipt(late.room.room_id, late.newest.event_id).ok()
    late.shared.deliver(*late.missed)
    counts = late.alice.get("/sync").ok()["rooms"]["join"][late.room.room_id]["unread_notifications"]
    assert counts["notification_count"] == 3


def test_gap__between_events_without_a_number_between__is_filled(federated, remote):
    """Two branches come at once, but for one event: what stands on it is right above the other branch."""
    shared = SharedRoom(federated, remote)
    room, alice = shared.room, shared.user
    point = room.message("here it parts")
    shared.deliver(point)
    one, other = [point], [point]
    for number in range(3):  # by depth they are in turn
        one.append(room.message("one %d" % number, prev=[one[-1]]))
        other.append(room.message("other %d" % number, prev=[other[-1]]))
    both = room.message("both", prev=[one[-1], other[-1]])
    over = room.message("over the gap", prev=[both])
    newest = room.message("newest", prev=[over])
    asked = []

    def backfill(ask):
        asked.append(ask.query["v"])
        left_out = [] if one[2].event_id in ask.query["v"] else [one[2]]
        status, answer = room._backfill(ask)
        answer["pdus"] = [event.json for event in room.before(ask.query["v"], 100) if event not in left_out]
        return status, answer

    missed(remote)
    remote.on("GET", r"/_matrix/federation/v1/backfill/.*", backfill)
    shared.deliver(newest)
    expected = ids(*one, *other[1:], both, over, newest)
    shown = told(reversed(alice.history(room.room_id)), expected)
    assert asked[:2] == [[both.event_id], [one[2].event_id]]
    assert sorted(shown) == sorted(expected)
    assert told_in_order(shown, one + [both, over, newest]) and told_in_order(shown, other + [both])


def test_gap__branch_beside_it_set_the_same_state__what_held_over_the_gap_counts(federated, remote):
    """As above: what comes last is state already, and stands below the other branch, which had set the same."""
    shared = SharedRoom(federated, remote)
    room, alice, bob = shared.room, shared.user, federated.user()

    def visible(to, prev, **more):
        return room.send("m.room.history_visibility", {"history_visibility": to}, "", prev=[prev], **more)

    point = room.message("here it parts")
    shared.deliver(point)
    other = visible("shared", point)
    one = visible("joined", room.message("one", prev=[point]), origin_server_ts=int(time.time() * 1000) + 1000)
    both = room.message("both", prev=[other, one])
    over = room.message("over the gap", prev=[both])
    newest = room.message("newest", prev=[over])

    def backfill(ask):
        status, answer = room._backfill(ask)
        given = room.before(ask.query["v"], 100)
        answer["pdus"] = [event.json for event in given if event is not one or one.event_id in ask.query["v"]]
        return status, answer

    missed(remote)
    remote.on("GET", r"/_matrix/federation/v1/backfill/.*", backfill)
    shared.deliver(newest)
    assert one.event_id in [event["event_id"] for event in alice.history(room.room_id)]
    shared.deliver(visible("shared", newest))
    bob.join(room.room_id).ok()
    assert told(bob.history(room.room_id), ids(newest)) == []
    assert federated.sql("SELECT count(*) FROM states WHERE to_position <= from_position").strip() == "0"


def told_in_order(shown, events):
    return [event_id for event_id in shown if event_id in ids(*events)] == ids(*events)


def test_history__came_between_the_newest_events__is_read_event_by_event(federated, remote):
    """What is kept of the newest events does not lead over what has come between them since."""
    late = Late(federated, remote, 9)
    assert late.shows(limit=50) == late.all()
    assert late.shows(limit=1) == late.all()


def test_history__came_between_the_newest_events__more_of_which_come__is_read(federated, remote):
    """The older ones go, and what is kept still begins above what has come between."""
    late = Late(federated, remote, 9)
    late.shared.deliver(*[late.room.message("more") for _ in range(43)])
    assert late.shows() == late.all()
    late.shared.deliver(*[late.room.message("still more") for _ in range(2)])  # 48 are kept, and of the 49 only our join goes
    assert told(late.alice.history(late.room.room_id, "f", limit=10), late.all()) == late.all()
