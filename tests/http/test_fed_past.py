"""Events of long ago that only other servers have: found by their time or by their id, and what is around them.

Specification: client-server API, getEventByTimestamp, getOneRoomEvent, getEventContext, "Room History Visibility"; server-server
API, "Retrieving events", "Backfilling and retrieving missing events".
"""
import pytest

from support.client import path_of, quote, unique
from support.handshake import asked
from support.remote import FEDERATION
from support.remote_room import RemoteRoom
from support.server import PROCESSES
from support.shared_room import SharedRoom
from test_fed_history import all_bodies, come_in

FAR = 250  # more than one filling of a gap brings


@pytest.fixture
def lin(federated):
    return federated.user()


def near(user, room_id, ts, direction):
    return user.get("/_matrix/client/v1" + path_of("rooms", room_id, "timestamp_to_event"), {"ts": ts, "dir": direction})


def context(user, room_id, event_id, limit=10):
    return user.get(user.room(room_id, "context", event_id), {"limit": limit})


def bodies(events):
    return [event["content"].get("body") for event in events if event["type"] == "m.room.message"]


def old_room(remote, **more):
    return RemoteRoom(remote, age_ms=10 ** 8, **more).serve()


def spoken(remote, count, version="11"):
    """A room in which that many messages were sent: (room, messages)."""
    room = old_room(remote, version=version)
    return room, [room.message(str(number)) for number in range(count)]


# -- by time

@pytest.mark.parametrize("direction", ["f", "b"])
def test_time__before_we_came__found_with_all_between(federated, remote, lin, direction):
    room, said = spoken(remote, 9)
    come_in(lin, room)
    found = near(lin, room.room_id, said[4]["origin_server_ts"], direction).ok()
    assert found.json == {"event_id": said[4].event_id, "origin_server_ts": said[4]["origin_server_ts"]}
    around = context(lin, room.room_id, said[4].event_id, 8).ok()
    assert around["event"]["event_id"] == said[4].event_id
    assert bodies(around["events_before"]) == ["3", "2", "1", "0"] and bodies(around["events_after"]) == ["5", "6", "7", "8"]


def test_time__earlier_than_the_room__only_forwards(federated, remote, lin):
    room, said = spoken(remote, 3)
    come_in(lin, room)
    create = room.state[("m.room.create", "")]
    near(lin, room.room_id, create["origin_server_ts"] - 1, "b").expect(404, "M_NOT_FOUND")
    assert near(lin, room.room_id, 0, "f").ok()["event_id"] == create.event_id
    assert near(lin, room.room_id, create["origin_server_ts"] - 1, "f").ok()["event_id"] == create.event_id


def test_time__later_than_all__nobody_is_asked(federated, remote, lin):
    room, said = spoken(remote, 3)
    come_in(lin, room)
    mine = lin.send(room.room_id, "mine")
    ts = lin.event(room.room_id, mine).ok()["origin_server_ts"]
    assert near(lin, room.room_id, ts + 10 ** 9, "b").ok()["event_id"] == mine
    near(lin, room.room_id, ts + 10 ** 9, "f").expect(404, "M_NOT_FOUND")
    assert not asked(remote, "timestamp_to_event")


def test_time__room_without_gaps__nobody_is_asked(federated, remote, lin):
    room, said = spoken(remote, 3)
    come_in(lin, room)
    all_bodies(lin, room.room_id)
    near(lin, room.room_id, 1, "b").expect(404, "M_NOT_FOUND")
    assert near(lin, room.room_id, said[1]["origin_server_ts"], "b").ok()["event_id"] == said[1].event_id
    assert not asked(remote, "timestamp_to_event")


@pytest.mark.parametrize("version", ["1", "6", "11", "12"])
def test_time__long_before_we_came__found_without_all_between(federated, remote, lin, version):
    room, said = spoken(remote, FAR, version)
    come_in(lin, room)
    assert near(lin, room.room_id, said[20]["origin_server_ts"], "b").ok()["event_id"] == said[20].event_id
    assert not asked(remote, "backfill")
    around = context(lin, room.room_id, said[20].event_id).ok()
    assert bodies(around["events_before"]) == ["19", "18", "17", "16", "15"]
    page = lin.messages(room.room_id, "b", limit=10, **{"from": around["start"]}).ok()
    assert bodies(page["chunk"]) == [str(number) for number in range(14, 4, -1)]
    asked_for = len(asked(remote, "timestamp_to_event"))
    assert lin.event(room.room_id, said[20].event_id).ok()["content"]["body"] == "20"
    assert len(asked(remote, "timestamp_to_event")) == asked_for


def test_time__many_jumps__history_is_whole_and_in_order_afterwards(federated, remote, lin):
    room, said = spoken(remote, 3 * FAR)
    come_in(lin, room)
    ids = [event.event_id for event in said]
    for number in (300, 5, 560, 301, 150):
        found = near(lin, room.room_id, said[number]["origin_server_ts"], "b").ok()["event_id"]
        assert ids.index(found) == number
    assert bodies(context(lin, room.room_id, said[150].event_id, 4).ok()["events_before"]) == ["149", "148"]
    everything = [str(number) for number in reversed(range(len(said)))]
    assert all_bodies(lin, room.room_id, limit=100) == everything
    events = lin.history(room.room_id, "f", limit=100)
    assert bodies(events) == everything[::-1]
    assert all_bodies(lin, room.room_id, limit=100) == everything


def forwards(user, room_id, token, limit=50):
    """Bodies from a token on, in how many pages."""
    found, pages = [], 0
    while token is not None and pages < 60:
        page = user.messages(room_id, "f", limit=limit, **{"from": token}).ok()
        found, pages = found + bodies(page["chunk"]), pages + 1
        assert page.get("end") != token or not page["chunk"]
        token = page.get("end") if page.get("end") != token else None
    return found, pages


def test_paging_forwards__after_a_jump__what_lies_between_is_fetched(federated, remote, lin):
    room, said = spoken(remote, FAR)
    come_in(lin, room)
    lin.send(room.room_id, "mine")
    near(lin, room.room_id, said[20]["origin_server_ts"], "b").ok()
    around = context(lin, room.room_id, said[20].event_id, 6).ok()
    assert bodies(around["events_before"]) == ["19", "18", "17"] and around["events_after"] == []
    found, pages = forwards(lin, room.room_id, around["end"])
    assert found == [str(number) for number in range(21, FAR)] + ["mine"]
    assert len(asked(remote, "backfill")) <= 5


@pytest.mark.parametrize("is_down", [False, True])
def test_paging_forwards__more_lies_between_than_is_fetched_at_once__goes_on_to_the_newest(federated, remote, lin, is_down):
    room, said = spoken(remote, 3 * FAR)
    come_in(lin, room)
    lin.send(room.room_id, "mine")
    near(lin, room.room_id, said[20]["origin_server_ts"], "b").ok()
    token = context(lin, room.room_id, said[20].event_id, 0).ok()["end"]
    if is_down:
        remote.on("GET", FEDERATION + "/backfill/(.+)", lambda ask: (500, {"errcode": "M_UNKNOWN", "error": "down"}))
    found, pages = forwards(lin, room.room_id, token)
    assert found[-1] == "mine" and len(found) == len(set(found)) and pages < 30
    numbers = [int(body) for body in found[:-1]]
    assert numbers == sorted(numbers) and (len(numbers) >= 300 or is_down)


def test_time__another_server_is_away__the_next_is_asked(federated, remote, make_remote, lin):
    other = make_remote()
    room, said = spoken(remote, 5)
    come_in(lin, room)
    room.join("@zoe:" + other.name)
    remote.transaction(federated, [room.events[room.heads[0]]]).ok()
    room.message("hello")
    remote.transaction(federated, [room.events[room.heads[0]]]).ok()
    other.on("GET", FEDERATION + "/timestamp_to_event/(.+)", lambda ask: (500, {"errcode": "M_UNKNOWN", "error": "down"}))
    assert near(lin, room.room_id, said[1]["origin_server_ts"], "b").ok()["event_id"] == said[1].event_id


LIES = {
    "rubbish": lambda room, event: [],
    "no id": lambda room, event: {"event_id": 5, "origin_server_ts": event["origin_server_ts"]},
    "no event": lambda room, event: {"event_id": "$" + "A" * 43, "origin_server_ts": event["origin_server_ts"]},
    "wrong time": lambda room, event: {"event_id": event.event_id, "origin_server_ts": event["origin_server_ts"] - 1},
    "worse": lambda room, event: {"event_id": room.heads[0], "origin_server_ts": room.events[room.heads[0]]["origin_server_ts"]},
    "no time": lambda room, event: {"event_id": event.event_id},
}


@pytest.mark.parametrize("kind", sorted(LIES))
def test_time__an_answer_that_is_wrong__what_is_here_counts(federated, remote, lin, kind):
    room, said = spoken(remote, 5)
    come_in(lin, room)
    remote.on("GET", FEDERATION + "/timestamp_to_event/(.+)", lambda ask: (200, LIES[kind](room, said[2])))
    near(lin, room.room_id, said[2]["origin_server_ts"], "b").expect(404, "M_NOT_FOUND")
    found = near(lin, room.room_id, said[2]["origin_server_ts"], "f").ok()
    assert found["event_id"] not in [event.event_id for event in said]
    assert asked(remote, "timestamp_to_event")


def test_time__who_is_not_in_the_room__403_and_nobody_is_asked(federated, remote, lin):
    room, said = spoken(remote, 3)
    come_in(lin, room)
    near(federated.user(), room.room_id, said[1]["origin_server_ts"], "b").expect(403, "M_FORBIDDEN")
    assert not asked(remote, "timestamp_to_event")


# -- by id

@pytest.mark.parametrize("version", ["1", "11", "12"])
@pytest.mark.parametrize("count", [20, FAR])
def test_event__of_before_we_came__fetched(federated, remote, lin, version, count):
    room, said = spoken(remote, count, version)
    come_in(lin, room)
    event = lin.event(room.room_id, said[7].event_id).ok().json
    assert event["content"]["body"] == "7" and event["sender"] == room.creator
    assert event["room_id"] == room.room_id and event["event_id"] == said[7].event_id
    count = len(remote.asked)
    lin.event(room.room_id, said[7].event_id).ok()
    assert len(remote.asked) == count
    assert bodies(context(lin, room.room_id, said[7].event_id, 6).ok()["events_before"]) == ["6", "5", "4"]


def test_context__of_an_event_of_long_ago__with_the_state_of_then(federated, remote, lin):
    room = old_room(remote)
    room.send("m.room.name", {"name": "then"}, "")
    room.send("m.room.topic", {"topic": "only then"}, "")
    old = room.message("old")
    room.send("m.room.name", {"name": "now"}, "")
    room.send("m.room.avatar", {"url": "mxc://x/y"}, "")
    for number in range(FAR):
        room.message(str(number))
    room.send("m.room.topic", {"topic": "now"}, "")
    come_in(lin, room)
    around = context(lin, room.room_id, old.event_id, 0).ok()
    state = {event["type"]: event["content"] for event in around["state"] if event["state_key"] == ""}
    assert state["m.room.name"] == {"name": "then"} and state["m.room.topic"] == {"topic": "only then"}
    assert "m.room.avatar" not in state and "m.room.create" in state
    now = {event["type"]: event["content"] for event in lin.get(lin.room(room.room_id, "state")).ok().json}
    assert now["m.room.name"] == {"name": "now"} and now["m.room.topic"] == {"topic": "now"} and "m.room.avatar" in now


@pytest.mark.parametrize("then, now, is_seen", [
    ("shared", "joined", True), ("world_readable", "invited", True), ("joined", "shared", False), ("invited", "shared", False),
    (None, "joined", True)])
def test_event__of_long_ago__seen_by_the_history_visibility_of_then(federated, remote, lin, then, now, is_seen):
    kind = "m.room.history_visibility"
    room = old_room(remote, more_state=[(kind, "", {"history_visibility": then})] if then else [])
    old = room.message("old")
    room.send(kind, {"history_visibility": now}, "")
    for number in range(FAR):
        room.message(str(number))
    come_in(lin, room)
    if is_seen:
        assert lin.event(room.room_id, old.event_id).ok()["content"]["body"] == "old"
        assert near(lin, room.room_id, old["origin_server_ts"], "b").ok()["event_id"] == old.event_id
    else:
        lin.event(room.room_id, old.event_id).expect(404, "M_NOT_FOUND")
        context(lin, room.room_id, old.event_id).expect(404, "M_NOT_FOUND")
        reply = near(lin, room.room_id, old["origin_server_ts"], "b").expect((200, 404))
        assert reply.get("event_id") != old.event_id


def other_room(room, event):
    room = RemoteRoom(room.remote)
    return room.message("of another room").json


SPOILED = {
    "no event": lambda room, event: [],
    "two": lambda room, event: [event.json, event.json],
    "another event": lambda room, event: [room.message("another").json],
    "another room's": lambda room, event: [other_room(room, event)],
    "unsigned": lambda room, event: [{**event.json, "signatures": {}}],
    "signed by another": lambda room, event: [{**event.json, "signatures": {"x.example": event.json["signatures"][room.remote.name]}}],
    "changed": lambda room, event: [{**event.json, "sender": "@other:" + room.remote.name}],
    "rubbish": lambda room, event: ["x"],
}


@pytest.mark.parametrize("kind", sorted(SPOILED))
def test_sec_5_5__event_answer_that_is_wrong__404_and_nothing_of_it_is_kept(federated, remote, lin, kind):
    room, said = spoken(remote, FAR)
    come_in(lin, room)
    remote.on("GET", FEDERATION + "/event/(.+)", lambda ask: (200, {"pdus": SPOILED[kind](room, said[7])}))
    lin.event(room.room_id, said[7].event_id).expect(404, "M_NOT_FOUND")
    context(lin, room.room_id, said[7].event_id).expect(404, "M_NOT_FOUND")
    assert len(asked(remote, "event")) <= PROCESSES, "what nobody had is not asked for again at once"
    assert "of another room" not in all_bodies(lin, room.room_id, limit=100)


def test_event__not_allowed_by_the_state_before_it__404(federated, remote, lin):
    room = old_room(remote)
    guest = "@guest:" + remote.name
    came = room.join(guest)
    room.send("m.room.member", {"membership": "ban"}, guest)
    levels = [room.state[(kind, "")].event_id for kind in ("m.room.create", "m.room.power_levels")]
    for number in range(5):
        room.message(str(number))
    # By its auth events the guest is still there.
    forged = room.send("m.room.message", {"body": "late", "msgtype": "m.text"}, sender=guest,
                       auth_events=levels + [came.event_id])
    for number in range(FAR):
        room.message(str(number))
    come_in(lin, room)
    lin.event(room.room_id, forged.event_id).expect(404, "M_NOT_FOUND")


@pytest.mark.parametrize("answer", [
    lambda state: (404, {"errcode": "M_NOT_FOUND", "error": "no"}),
    lambda state: (200, {"pdu_ids": [], "auth_chain_ids": []}),
    lambda state: (200, {"pdu_ids": state[1:], "auth_chain_ids": []}),  # without the create event
    lambda state: (200, {"pdu_ids": state + ["$" + "A" * 43], "auth_chain_ids": []}),
])
def test_event__the_state_before_it_cannot_be_had__404(federated, remote, lin, answer):
    room, said = spoken(remote, FAR)
    come_in(lin, room)
    state = [event.event_id for event in room.states[said[7].event_id].values()]
    remote.on("GET", FEDERATION + "/state_ids/(.+)", lambda ask: answer(state))
    lin.event(room.room_id, said[7].event_id).expect(404, "M_NOT_FOUND")


@pytest.mark.one_process("each process remembers by itself what nobody had")
def test_event__unknown_to_all__404_and_asked_once(federated, remote, lin):
    room, said = spoken(remote, 3)
    come_in(lin, room)
    nowhere = "$" + unique("x").ljust(43, "A")
    for _ in range(3):
        lin.event(room.room_id, nowhere).expect(404, "M_NOT_FOUND")
    assert len(asked(remote, "event")) == 1
    lin.event(room.room_id, "nonsense").expect(404, "M_NOT_FOUND")
    assert len(asked(remote, "event")) == 1


def test_event__who_is_not_in_the_room__404_and_nobody_is_asked(federated, remote, lin):
    room, said = spoken(remote, 3)
    come_in(lin, room)
    federated.user().event(room.room_id, said[1].event_id).expect(404, "M_NOT_FOUND")
    mine = lin.create_room()
    lin.event(mine, said[1].event_id).expect(404, "M_NOT_FOUND")
    assert not asked(remote, "event")


# -- two servers of this kind

def test_history__branch_that_lost__the_state_of_now_stays(federated, remote):
    """A member was banned, and went on elsewhere. That comes as history of a gap, whose end knows of the ban."""
    shared = SharedRoom(federated, remote)
    room, guest = shared.room, "@guest:" + remote.name
    joined = room.join(guest)
    ban = room.send("m.room.member", {"membership": "ban"}, guest)
    shared.deliver(joined, ban)
    chain = [joined]
    for number in range(60):
        chain.append(room.send("m.room.member", {"membership": "join", "displayname": str(number)}, guest, guest, prev=[chain[-1]]))
    room.heads, room.state = [chain[-1].event_id, ban.event_id], room.states[ban.event_id]
    shared.deliver(room.message("stands on both"))
    all_bodies(shared.user, room.room_id)
    assert shared.knows(chain[1])  # it is in the history now
    state = shared.user.state(room.room_id)
    assert state[("m.room.member", guest)]["event_id"] == ban.event_id
    assert [event["content"]["membership"] for event in context(shared.user, room.room_id, ban.event_id, 0).ok()["state"]
            if event["state_key"] == guest] == ["ban"]


def test_two_servers__jump_to_a_date_and_page_from_there(federated, make_federated, lin):
    other = make_federated().start()
    zoe = other.user()
    room_id = lin.create_room(preset="public_chat")
    events = [lin.send(room_id, str(number)) for number in range(130)]
    zoe.post("/join/%s?via=%s" % (quote(room_id), quote(federated.server_name)), {}).ok()
    old = lin.event(room_id, events[4]).ok()
    assert near(zoe, room_id, old["origin_server_ts"], "f").ok()["event_id"] in events[:5]
    assert zoe.event(room_id, events[4]).ok()["content"]["body"] == "4"
    around = context(zoe, room_id, events[4], 6).ok()
    assert bodies(around["events_before"]) == ["3", "2", "1"]
    assert all_bodies(zoe, room_id, limit=100) == [str(number) for number in reversed(range(130))]
