"""History between servers: what those inside a room may read of it, and how clients page back into what only others have.

Specification: server-server API, "Backfilling and retrieving missing events", "Retrieving events", "Retrieving event
authorisation information"; client-server API, "Room History Visibility".
"""
import time

import pytest
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures

from support.client import of_whole_index, path_of, quote, receipts_of, unique
from support.inbox import Inbox
from support.remote import FEDERATION
from support.remote_room import Pdu, RemoteRoom
from support.server import wait_until
from support.shared_room import SharedRoom


@pytest.fixture
def lin(federated):
    return federated.user()


def get(remote, server, *segments, **query):
    pairs = [(key, value) for key, values in query.items()
             for value in (values if isinstance(values, list) else [values])]
    target = path_of(*segments)
    if pairs:
        target += "?" + "&".join("%s=%s" % (key, quote(str(value))) for key, value in pairs)
    return remote.send(server, "GET", target)


def join(remote, server, room_id, user_id=None, version="11"):
    """A user of the remote comes into a room of the server; the join's event id."""
    user_id = user_id or "@zoe:" + remote.name
    draft = get(remote, server, "make_join", room_id, user_id, ver=version).ok()["event"]
    if version == "1":
        draft["event_id"] = "$%s:%s" % (unique(), remote.name)
    add_hashes_and_signatures(KNOWN_ROOM_VERSIONS[version], draft, remote.name, remote.key)
    event = Pdu(KNOWN_ROOM_VERSIONS[version], draft)
    remote.send(server, "PUT", "/_matrix/federation/v2/send_join" + path_of(room_id, event.event_id), draft).ok()
    return event.event_id


def leave(remote, server, room_id, user_id=None, version="11"):
    user_id = user_id or "@zoe:" + remote.name
    draft = get(remote, server, "make_leave", room_id, user_id).ok()["event"]
    add_hashes_and_signatures(KNOWN_ROOM_VERSIONS[version], draft, remote.name, remote.key)
    event = Pdu(KNOWN_ROOM_VERSIONS[version], draft)
    remote.send(server, "PUT", "/_matrix/federation/v2/send_leave" + path_of(room_id, event.event_id), draft).ok()


def open_room(user, visibility="shared", **more):
    return user.create_room(preset="public_chat", room_version="11", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": visibility}}], **more)


def event_ids(pdus, version="11"):
    return [Pdu(KNOWN_ROOM_VERSIONS[version], pdu).event_id for pdu in pdus]


def bodies(pdus):
    return [pdu["content"].get("body") for pdu in pdus if pdu["type"] == "m.room.message"]


def backfill(remote, server, room_id, *ids, limit=100):
    return get(remote, server, "backfill", room_id, v=list(ids), limit=limit).ok()["pdus"]


def missing(remote, server, room_id, latest, earliest=(), **more):
    return remote.send(server, "POST", "/get_missing_events" + path_of(room_id), {
        "latest_events": list(latest), "earliest_events": list(earliest), **more})


# -- the door

def questions(room_id, event_id):
    return [("GET", "/backfill%s?v=%s&limit=5" % (path_of(room_id), quote(event_id)), None),
            ("POST", "/get_missing_events" + path_of(room_id), {"latest_events": [event_id], "earliest_events": []}),
            ("GET", "/state%s?event_id=%s" % (path_of(room_id), quote(event_id)), None),
            ("GET", "/state_ids%s?event_id=%s" % (path_of(room_id), quote(event_id)), None),
            ("GET", "/event_auth" + path_of(room_id, event_id), None),
            ("GET", "/timestamp_to_event%s?ts=1&dir=f" % path_of(room_id), None)]


def test_history__not_signed__401(federated, remote, lin):
    room_id = open_room(lin)
    event_id = lin.send(room_id)
    for method, target, body in questions(room_id, event_id) + [("GET", "/event" + path_of(event_id), None)]:
        remote.raw(federated, method, FEDERATION + target, b"{}" if body else None).expect(401, "M_UNAUTHORIZED")


def test_sec_5_24__server_outside_the_room__nothing_not_even_whether_it_exists(federated, remote, lin):
    room_id, nowhere = open_room(lin, "world_readable"), "!%s:%s" % (unique(), federated.server_name)
    event_id = lin.send(room_id)
    for inside, outside in zip(questions(room_id, event_id), questions(nowhere, event_id)):
        refused = remote.send(federated, *inside).expect(403, "M_FORBIDDEN")
        assert refused.json == remote.send(federated, *outside).expect(403, "M_FORBIDDEN").json
    unknown = get(remote, federated, "event", "$" + "x" * 43).expect(404, "M_NOT_FOUND")
    assert get(remote, federated, "event", event_id).expect(404, "M_NOT_FOUND").json == unknown.json


def test_history__shut_out_by_the_access_list__403(federated, make_remote, lin):
    remote = make_remote(host="127.0.0.2")
    room_id = open_room(lin)
    event_id = lin.send(room_id)
    join(remote, federated, room_id)
    get(remote, federated, "event", event_id).ok()
    lin.set_state(room_id, "m.room.server_acl", {"allow": ["*"], "deny": ["127.0.0.2"]})
    for question in questions(room_id, event_id):
        remote.send(federated, *question).expect(403, "M_FORBIDDEN")
    get(remote, federated, "event", event_id).expect(404, "M_NOT_FOUND")


def test_history__after_the_server_left__403(federated, remote, lin):
    room_id = open_room(lin)
    event_id = lin.send(room_id)
    join(remote, federated, room_id)
    leave(remote, federated, room_id)
    for question in questions(room_id, event_id):
        remote.send(federated, *question).expect(403, "M_FORBIDDEN")
    get(remote, federated, "event", event_id).expect(404, "M_NOT_FOUND")


def test_sec_5_23__event_of_another_room__like_one_that_is_missing(federated, remote, lin):
    room_id, other = open_room(lin), lin.create_room()
    join(remote, federated, room_id)
    foreign = lin.send(other, "secret")
    for asked, unknown in zip(questions(room_id, foreign), questions(room_id, "$" + "x" * 43)):
        reply, nothing = remote.send(federated, *asked), remote.send(federated, *unknown)
        assert (reply.status, strip(reply)) == (nothing.status, strip(nothing)), asked
        assert "secret" not in str(reply.json)


def strip(reply):
    return {key: value for key, value in reply.json.items() if key != "origin_server_ts"}


# -- events, backfill, missing events

def test_event__server_inside__the_signed_pdu(federated, remote, lin):
    room_id = open_room(lin)
    event_id = lin.send(room_id, "hello")
    join(remote, federated, room_id)
    found = get(remote, federated, "event", event_id).ok().json
    assert found["origin"] == federated.server_name and found["origin_server_ts"] > 0
    (pdu,) = found["pdus"]
    assert event_ids([pdu]) == [event_id] and pdu["content"]["body"] == "hello"
    assert federated.server_name in pdu["signatures"] and "unsigned" not in pdu


@pytest.mark.parametrize("version", ["1", "3", "6", "11", "12"])
def test_backfill__from_events__they_and_what_was_before_newest_first(federated, remote, lin, version):
    room_id = lin.create_room(preset="public_chat", room_version=version)
    sent = [lin.send(room_id, str(number)) for number in range(20)]
    join(remote, federated, room_id, version=version)
    later = lin.send(room_id, "later")
    pdus = backfill(remote, federated, room_id, sent[15], limit=10)
    assert event_ids(pdus, version) == sent[15:5:-1] and later not in event_ids(pdus, version)
    whole = backfill(remote, federated, room_id, later)
    assert bodies(whole) == ["later"] + [str(number) for number in reversed(range(20))]
    assert whole[-1]["type"] == "m.room.create"


def test_backfill__limits__kept(federated, remote, lin):
    room_id = open_room(lin)
    sent = [lin.send(room_id, str(number)) for number in range(150)]
    join(remote, federated, room_id)
    assert len(backfill(remote, federated, room_id, sent[-1], limit=10 ** 9)) == 100
    assert backfill(remote, federated, room_id, sent[-1], limit=0) == []
    assert backfill(remote, federated, room_id, "$unknown", "", "x" * 300) == []
    get(remote, federated, "backfill", room_id, limit=3).expect(400, "M_MISSING_PARAM")
    get(remote, federated, "backfill", room_id, v=sent[0]).expect(400, "M_MISSING_PARAM")
    get(remote, federated, "backfill", room_id, v=sent[0], limit="many").expect(400, "M_INVALID_PARAM")


def test_missing_events__between_two__oldest_first_and_limited(federated, remote, lin):
    room_id = open_room(lin)
    sent = [lin.send(room_id, str(number)) for number in range(30)]
    join(remote, federated, room_id)
    found = missing(remote, federated, room_id, [sent[9]], [sent[4]]).ok()["events"]
    assert event_ids(found) == sent[5:9]
    found = missing(remote, federated, room_id, [sent[29]], [sent[4]], limit=5).ok()["events"]
    assert event_ids(found) == sent[24:29]
    found = missing(remote, federated, room_id, [sent[29]], [sent[4]]).ok()["events"]
    assert event_ids(found) == sent[19:29]
    depth = get(remote, federated, "event", sent[25]).ok()["pdus"][0]["depth"]
    found = missing(remote, federated, room_id, [sent[29]], min_depth=depth, limit=50).ok()["events"]
    assert event_ids(found) == sent[25:29]
    assert missing(remote, federated, room_id, ["$unknown"]).ok()["events"] == []
    assert missing(remote, federated, room_id, [], []).ok()["events"] == []


@pytest.mark.parametrize("body", [{}, {"latest_events": "x", "earliest_events": []},
                                  {"latest_events": [5], "earliest_events": []},
                                  {"latest_events": [], "earliest_events": {}},
                                  {"latest_events": [], "earliest_events": [], "limit": "x"},
                                  {"latest_events": [], "earliest_events": [], "min_depth": -1}])
def test_missing_events__wrong_types__400(federated, remote, lin, body):
    room_id = open_room(lin)
    join(remote, federated, room_id)
    assert remote.send(federated, "POST", "/get_missing_events" + path_of(room_id), body).status == 400


# -- state

def test_state__before_an_event__as_it_was_with_its_auth_chain(federated, remote, lin):
    room_id = open_room(lin)
    lin.set_state(room_id, "m.room.name", {"name": "first"})
    renaming = lin.set_state(room_id, "m.room.name", {"name": "second"})
    after = lin.send(room_id)
    join(remote, federated, room_id)
    at = get(remote, federated, "state", room_id, event_id=renaming).ok().json
    assert [pdu["content"]["name"] for pdu in at["pdus"] if pdu["type"] == "m.room.name"] == ["first"]
    later = get(remote, federated, "state", room_id, event_id=after).ok().json
    assert [pdu["content"]["name"] for pdu in later["pdus"] if pdu["type"] == "m.room.name"] == ["second"]
    known = set(event_ids(at["pdus"]) + event_ids(at["auth_chain"]))
    assert all(ref in known for pdu in at["pdus"] + at["auth_chain"] for ref in pdu["auth_events"])
    assert not any(pdu["sender"].endswith(remote.name) for pdu in at["pdus"])
    as_ids = get(remote, federated, "state_ids", room_id, event_id=renaming).ok().json
    assert sorted(as_ids["pdu_ids"]) == sorted(event_ids(at["pdus"]))
    assert sorted(as_ids["auth_chain_ids"]) == sorted(event_ids(at["auth_chain"]))
    get(remote, federated, "state", room_id).expect(400, "M_MISSING_PARAM")
    get(remote, federated, "state_ids", room_id, event_id="$" + "x" * 43).expect(404, "M_NOT_FOUND")


def test_event_auth__of_an_event__closed(federated, remote, lin):
    room_id = open_room(lin)
    event_id = lin.send(room_id)
    join(remote, federated, room_id)
    chain = get(remote, federated, "event_auth", room_id, event_id).ok()["auth_chain"]
    ids = event_ids(chain)
    (pdu,) = get(remote, federated, "event", event_id).ok()["pdus"]
    assert set(pdu["auth_events"]) <= set(ids) and event_id not in ids
    assert all(ref in ids for item in chain for ref in item["auth_events"])
    assert "m.room.create" in {item["type"] for item in chain}


def test_timestamp__both_directions__the_nearest_event(federated, remote, lin):
    room_id = open_room(lin)
    first = lin.send(room_id, "first")
    (pdu,) = lin.event(room_id, first).ok().json,
    join(remote, federated, room_id)
    ts = pdu["origin_server_ts"]
    found = get(remote, federated, "timestamp_to_event", room_id, ts=ts, dir="f").ok().json
    assert found["origin_server_ts"] >= ts
    late = int(time.time() * 1000) + 10 ** 9
    get(remote, federated, "timestamp_to_event", room_id, ts=late, dir="f").expect(404, "M_NOT_FOUND")
    get(remote, federated, "timestamp_to_event", room_id, ts=late, dir="b").ok()
    get(remote, federated, "timestamp_to_event", room_id, ts=ts, dir="x").expect(400, "M_INVALID_PARAM")
    get(remote, federated, "timestamp_to_event", room_id, dir="f").expect(400, "M_MISSING_PARAM")


# -- what may be seen

@pytest.mark.parametrize("visibility,is_seen", [("world_readable", True), ("shared", True), ("invited", False), ("joined", False)])
def test_sec_5_24__events_of_before_the_server_came__by_the_history_visibility(federated, remote, lin, visibility, is_seen):
    room_id = open_room(lin, visibility)
    before = lin.send(room_id, "before")
    came = join(remote, federated, room_id)
    after = lin.send(room_id, "after")
    expected = ["before"] if is_seen else [None]
    assert bodies(get(remote, federated, "event", before).ok()["pdus"]) == expected
    assert bodies(get(remote, federated, "event", after).ok()["pdus"]) == ["after"]
    pdus = backfill(remote, federated, room_id, after)
    assert bodies(pdus) == ["after"] + expected
    assert {before, came, after} <= set(event_ids(pdus))
    assert bodies(missing(remote, federated, room_id, [came]).ok()["events"]) == expected
    ts = lin.event(room_id, before).ok()["origin_server_ts"]
    near = get(remote, federated, "timestamp_to_event", room_id, ts=ts, dir="f").ok()["event_id"]
    assert (near not in (came, after)) == is_seen  # another event before the server came may be of the same millisecond


def test_sec_5_24__between_two_stays__not_seen_where_history_is_for_the_joined(federated, remote, lin):
    room_id = open_room(lin, "joined")
    join(remote, federated, room_id)
    first = lin.send(room_id, "first stay")
    leave(remote, federated, room_id)
    gone = lin.send(room_id, "while gone")
    join(remote, federated, room_id, "@other:" + remote.name)
    last = lin.send(room_id, "second stay")
    assert bodies(backfill(remote, federated, room_id, last)) == ["second stay", None, "first stay"]
    assert bodies(get(remote, federated, "event", gone).ok()["pdus"]) == [None]
    assert bodies(get(remote, federated, "event", first).ok()["pdus"]) == ["first stay"]


def test_history__redacted_event__only_its_redacted_form(federated, remote, lin):
    room_id = open_room(lin)
    event_id = lin.send(room_id, "regretted")
    join(remote, federated, room_id)
    lin.redact(room_id, event_id).ok()
    assert "regretted" not in get(remote, federated, "event", event_id).ok().raw.decode()


# -- for our clients: what only others have

def all_bodies(client, room_id, limit=20):
    """Everything that paging back gives, and in how many pages."""
    found, token, pages = [], None, 0
    while pages < 40:
        page = client.messages(room_id, "b", limit=limit, **({"from": token} if token else {})).ok()
        pages += 1
        found += [event["content"].get("body") for event in page["chunk"] if event["type"] == "m.room.message"]
        token = page.get("end")
        if token is None:
            return found
    raise AssertionError("no end")


def come_in(client, room):
    client.post("/join/%s?via=%s" % (quote(room.room_id), quote(room.remote.name)), {}).ok()


def test_paging_back__over_a_join_that_was_replaced__sync_still_tells_of_it(federated, remote, lin):
    """The join was known as state alone, a leave replaced it, then it comes into the history."""
    room, ghost = RemoteRoom(remote).serve(), "@ghost:" + remote.name
    room.join(ghost)
    said = [room.message(str(number)) for number in range(3)]
    come_in(lin, room)
    watch = lin.watch()
    since = watch.since
    gone = room.send("m.room.member", {"membership": "leave"}, ghost, ghost)
    remote.transaction(federated, [gone]).ok()
    watch.timeline_until(room.room_id, gone.event_id)
    assert len(all_bodies(lin, room.room_id)) == len(said)
    answer = lin.sync(since)
    assert ghost in answer["device_lists"]["left"]
    event = next(event for event in answer.joined(room.room_id).timeline if event["event_id"] == gone.event_id)
    assert event["unsigned"]["prev_content"] == {"membership": "join"}


@pytest.mark.parametrize("version", ["1", "10", "11", "12"])
def test_paging_back__into_the_time_before_the_server_came__fetched_from_others(federated, remote, lin, version):
    room = RemoteRoom(remote, version=version).serve()
    said = [str(number) for number in range(250)]
    for body in said:
        room.message(body)
    come_in(lin, room)
    lin.send(room.room_id, "mine")
    assert all_bodies(lin, room.room_id) == ["mine"] + said[::-1]
    asked = [ask for ask in remote.asked if "/backfill/" in ask.path]
    assert 1 <= len(asked) <= 6
    assert all_bodies(lin, room.room_id) == ["mine"] + said[::-1]
    assert len([ask for ask in remote.asked if "/backfill/" in ask.path]) == len(asked)


def test_paging_back__invite_known_as_state_alone__opens_nothing_of_before(federated, remote, lin):
    """History is for those who are invited, and nobody tells where in it the invite stands: that may be behind all that was said."""
    bob = federated.user()
    room = RemoteRoom(remote, more_state=[("m.room.history_visibility", "", {"history_visibility": "invited"})]).serve()
    said = room.message("before the invite")
    invite = room.send("m.room.member", {"membership": "invite"}, lin.user_id)
    room.message("after both", prev=[said, invite])
    remote.on("GET", FEDERATION + "/backfill/(.+)", lambda ask: (200, {"pdus": [
        event.json for event in room.before(ask.query["v"], 100) if event is not invite]}))
    come_in(bob, room)
    come_in(lin, room)
    bob.send(room.room_id, "now")
    assert all_bodies(lin, room.room_id) == ["now"]
    assert any("/backfill/" in ask.path for ask in remote.asked)


@pytest.mark.parametrize("version", ["1", "11"])
def test_paging_back__event_of_long_ago_with_many_previous_ones__comes(federated, remote, lin, version):
    """"The response of backfill MUST NOT be validated on these specific restrictions": servers of old made such events."""
    room = RemoteRoom(remote, version=version).serve()
    start = room.message("start")
    for number in range(30):
        room.message("branch %d" % number, prev=[start])
    merge = room.message("merge")
    assert len(merge["prev_events"]) == 30
    for number in range(3):
        room.message("after %d" % number)
    come_in(lin, room)
    found = all_bodies(lin, room.room_id)
    assert {"merge", "start", *("branch %d" % number for number in range(30))} <= set(found) and len(found) == 35
    late = room.sign(room.draft("m.room.message", {"body": "late"}, prev=list(room.events)[4:25]))
    assert "error" in remote.transaction(federated, [late]).ok()["pdus"][late.event_id]


def test_receipt__on_an_event_of_before_the_join__kept_and_moves_on_only(federated, remote, lin):
    """Who has just come in has read what others wrote before: there is nothing newer but the own join."""
    room, inbox = RemoteRoom(remote).serve(), Inbox(remote)
    said = [room.message(str(number)) for number in range(5)]
    come_in(lin, room)
    all_bodies(lin, room.room_id)

    def read_up_to(event):
        lin.receipt(room.room_id, event.event_id).ok()
        return {key[0] for key in receipts_of(lin.sync().joined(room.room_id)) if key[2] == lin.user_id}
    assert read_up_to(said[2]) == {said[2].event_id}
    assert read_up_to(said[4]) == {said[4].event_id}
    assert read_up_to(said[1]) == {said[4].event_id}
    wait_until(lambda: said[4].event_id in str(inbox.edus("m.receipt")), what="the others are told")
    watch, now = lin.watch(), room.message("now")
    remote.transaction(federated, [now]).ok()
    watch.timeline_until(room.room_id, now.event_id)
    assert lin.sync().joined(room.room_id)["unread_notifications"]["notification_count"] == 1


def test_paging_back__what_was_fetched__is_no_notification(federated, remote, lin):
    room = RemoteRoom(remote).serve()
    said = [str(number) for number in range(5)]
    for body in said:
        room.message(body)
    come_in(lin, room)
    watch = lin.watch()
    now = room.message("now")
    remote.transaction(federated, [now]).ok()
    watch.timeline_until(room.room_id, now.event_id)
    assert all_bodies(lin, room.room_id) == ["now"] + said[::-1]
    listed = lin.get("/notifications").ok()
    told = [one["event"]["event_id"] for one in listed["notifications"]]
    assert told == [now.event_id] and "next_token" not in listed


def test_paging_back__answers_with_events_of_strangers__their_keys_are_waited_for_and_history_comes(federated, make_remote, lin):
    """Each of two servers has an event of a server whose keys nobody here knows; both are asked by the same request."""
    remote, other, strangers = make_remote(), make_remote(), [make_remote() for _ in range(2)]
    room = RemoteRoom(remote).serve()
    resident = "@resident:" + other.name
    room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, resident, resident), other))
    said = [str(number) for number in range(3)]
    for body in said:
        room.message(body)
    strange = [room.sign(room.draft("m.room.message", {"body": "strange"}, sender="@far:" + stranger.name), stranger)
               for stranger in strangers]
    room.add(strange[0])
    room.message("last")
    other.on("GET", r"/_matrix/federation/v1/backfill/.*", lambda ask: (200, {
        "origin": other.name, "origin_server_ts": 0, "pdus": [strange[1].json]}))
    come_in(lin, room)
    assert not strangers[0].asked
    assert all_bodies(lin, room.room_id) == ["last"] + said[::-1]
    assert any("/key/" in ask.path for ask in strangers[0].asked)


def test_paging_back__local_room__nobody_is_asked(federated, remote, lin):
    room_id = open_room(lin)
    lin.send(room_id, "one")
    join(remote, federated, room_id)
    assert all_bodies(lin, room_id) == ["one"]
    assert not [ask for ask in remote.asked if "/backfill/" in ask.path]


def test_context__of_the_first_event_here__what_was_before_is_fetched(federated, remote, lin):
    room = RemoteRoom(remote).serve()
    for body in ("one", "two", "three"):
        room.message(body)
    come_in(lin, room)
    event_id = lin.send(room.room_id, "mine")
    found = lin.get(path_of("rooms", room.room_id, "context", event_id), {"limit": 20}).ok()
    assert [event["content"]["body"] for event in found["events_before"] if event["type"] == "m.room.message"] == [
        "three", "two", "one"]


def spoil(pdu):
    return {**pdu, "content": {**pdu["content"], "body": "forged"}, "hashes": {"sha256": "A" * 43}}


BAD_ANSWERS = {
    "empty": lambda room, pdus: {"pdus": []},
    "no list": lambda room, pdus: {"pdus": {"x": 1}},
    "no object": lambda room, pdus: [],
    "rubbish": lambda room, pdus: {"pdus": [None, 5, "x", [], {}]},
    "unsigned": lambda room, pdus: {"pdus": [{**pdu, "signatures": {}} for pdu in pdus]},
    "another room": lambda room, pdus: {"pdus": [{**pdu, "room_id": "!other:x"} for pdu in pdus]},
}


@pytest.mark.parametrize("kind", sorted(BAD_ANSWERS))
def test_sec_5_5__backfill_answer_that_is_bad__paging_ends_and_nothing_is_believed(federated, remote, lin, kind):
    room = RemoteRoom(remote).serve()
    room.message("before")
    remote.on("GET", FEDERATION + "/backfill/(.+)", lambda ask: (200, BAD_ANSWERS[kind](
        room, [event.json for event in room.before(ask.query["v"], 100)])))
    come_in(lin, room)
    assert all_bodies(lin, room.room_id) == []
    lin.send(room.room_id, "goes on")
    assert all_bodies(lin, room.room_id) == ["goes on"]
    assert len([ask for ask in remote.asked if "/backfill/" in ask.path]) == 1


def test_sec_5_5__backfilled_event_with_a_wrong_hash__shown_redacted(federated, remote, lin):
    room = RemoteRoom(remote).serve()
    room.message("before")
    remote.on("GET", FEDERATION + "/backfill/(.+)", lambda ask: (200, {"pdus": [
        {**event.json, "content": {**event.json["content"], "body": "forged"}}
        if event.json["type"] == "m.room.message" else event.json for event in room.before(ask.query["v"], 100)]}))
    come_in(lin, room)
    assert all_bodies(lin, room.room_id) == [None]


def test_paging_back__everybody_else_unreachable__ends_without_error(federated, remote, lin):
    room = RemoteRoom(remote).serve()
    room.message("before")
    come_in(lin, room)
    remote.on("GET", FEDERATION + "/backfill/(.+)", lambda ask: (500, {"errcode": "M_UNKNOWN", "error": "down"}))
    assert all_bodies(lin, room.room_id) == []


def test_paging_back__others_unreachable_for_a_moment__asked_again_within_seconds(federated, remote, lin):
    """An outage says nothing about what they have, so it is not taken for a gap that nobody can fill."""
    room = RemoteRoom(remote).serve()
    room.message("before")
    come_in(lin, room)
    usual = list(remote.handlers)
    remote.on("GET", FEDERATION + "/backfill/(.+)", lambda ask: (500, {"errcode": "M_UNKNOWN", "error": "down"}))
    assert all_bodies(lin, room.room_id) == []
    waits = "SELECT retry_at_ms - (extract(epoch FROM now()) * 1000)::bigint FROM room_gaps g JOIN rooms r USING (room_nid) WHERE "
    assert int(federated.sql(waits + "r.room_id = '%s'" % room.room_id)) < 10000
    remote.handlers[:] = usual
    wait_until(lambda: all_bodies(lin, room.room_id) == ["before"], 30, "history is fetched")


# -- two servers of this kind

def test_two_servers__history_of_before__readable_from_both(federated, make_federated, lin):
    other = make_federated().start()
    zoe = other.user()
    room_id = open_room(lin)
    for number in range(130):
        lin.send(room_id, str(number))
    zoe.post("/join/%s?via=%s" % (quote(room_id), quote(federated.server_name)), {}).ok()
    zoe.send(room_id, "hello")
    assert all_bodies(zoe, room_id) == ["hello"] + [str(number) for number in reversed(range(130))]


@pytest.mark.parametrize("visibility", ["joined", "invited"])
def test_two_servers__history_for_the_joined__stays_closed(federated, make_federated, lin, visibility):
    other = make_federated().start()
    zoe = other.user()
    room_id = open_room(lin, visibility)
    lin.send(room_id, "before")
    zoe.post("/join/%s?via=%s" % (quote(room_id), quote(federated.server_name)), {}).ok()
    zoe.send(room_id, "hello")
    assert all_bodies(zoe, room_id) == ["hello"]


@pytest.mark.parametrize("direction", ["b", "f"])
def test_relations__in_history_of_before_the_join__all_in_both_directions(federated, remote, lin, direction):
    room = RemoteRoom(remote, "11").serve()
    root = room.message("root")
    refers = {"m.relates_to": {"rel_type": "m.reference", "event_id": root.event_id}}
    children = [room.send("m.room.message", {"body": "child %d" % number, **refers}).event_id for number in range(30)]
    lin.post(path_of("join", room.room_id), {}, query={"server_name": remote.name}).ok()
    lin.history(room.room_id)
    told, token = [], {}
    while token is not None:
        page = lin.get("/_matrix/client/v1" + path_of("rooms", room.room_id, "relations", root.event_id),
                       {"dir": direction, "limit": 20, **token}).ok().json
        told += [event["event_id"] for event in page["chunk"]]
        token = {"from": page["next_batch"]} if "next_batch" in page else None
    assert told == (children if direction == "f" else children[::-1])


def test_messages__up_to_a_bound_in_history_of_before_the_join__there_is_more(federated, remote, lin):
    """`end` is left out only "if no further events are available"."""
    room = RemoteRoom(remote, "11").serve()
    said = [room.message(str(number)) for number in range(20)]
    lin.post(path_of("join", room.room_id), {}, query={"server_name": remote.name}).ok()
    lin.history(room.room_id)
    around = lin.get(path_of("rooms", room.room_id, "context", said[10].event_id), {"limit": 0}).ok().json
    path = path_of("rooms", room.room_id, "messages")
    page = lin.get(path, {"dir": "b", "limit": 50, "to": around["end"]}).ok().json
    assert bodies(page["chunk"])[-1] == "11"
    rest = lin.get(path, {"dir": "b", "limit": 50, "from": page["end"]}).ok().json
    assert bodies(rest["chunk"]) == [str(number) for number in range(10, -1, -1)] and "end" not in rest


# -- redactions in what is fetched later

def redact(room, event, **more):
    """A redaction as the room's version has it."""
    place = {"content": {"redacts": event.event_id}} if room.version.identifier == "11" else {
        "content": {}, "redacts": event.event_id}
    return room.send("m.room.redaction", place.pop("content"), **place, **more)


def gap(room, count=60):
    """More messages than are fetched when one is missing."""
    for number in range(count):
        room.message("gap %d" % number)


def is_redacted(user, room_id, event, redaction):
    seen = user.event(room_id, event.event_id).ok()
    return seen["content"] == {} and seen["unsigned"]["redacted_because"]["event_id"] == redaction.event_id


@pytest.mark.parametrize("version", ["3", "11"])
def test_redaction_in_a_gap__of_what_is_known__applied_when_it_is_fetched(federated, remote, version):
    shared = SharedRoom(federated, remote, version)
    word = unique("geheim").replace("-", "")
    known = shared.room.message(word)
    shared.deliver(known)
    redaction = redact(shared.room, known)
    gap(shared.room)
    shared.deliver(shared.room.message("newest"))
    find = {"search_categories": {"room_events": {"search_term": word}}}
    user = shared.user
    wait_until(lambda: user.post("/search", find).ok()["search_categories"]["room_events"]["results"], 20, "the text in the index")
    assert word not in all_bodies(user, shared.room_id)
    assert is_redacted(user, shared.room_id, known, redaction)
    assert not of_whole_index(lambda: user.post("/search", find)).ok()["search_categories"]["room_events"]["results"]


@pytest.mark.parametrize("version", ["3", "11"])
def test_redaction_known__of_what_is_in_a_gap__applied_when_it_is_fetched(federated, remote, version):
    shared = SharedRoom(federated, remote, version)
    room = shared.room
    shared.sentinel()
    target = room.message("secret")
    gap(room)
    shared.deliver(room.message("newest"))
    redaction = redact(room, target)
    shared.send(redaction)
    shared.sentinel()
    assert not shared.knows(redaction)  # nobody can tell yet whether it may redact
    assert "secret" not in all_bodies(shared.user, shared.room_id)
    assert is_redacted(shared.user, shared.room_id, target, redaction) and shared.knows(redaction)


def test_redaction_in_a_gap__of_what_is_in_one_below__told_when_that_is_fetched(federated, remote):
    shared = SharedRoom(federated, remote)
    room = shared.room
    shared.sentinel()
    target = room.message("secret")
    gap(room, 150)
    redaction = redact(room, target)
    gap(room)
    shared.deliver(room.message("newest"))
    room_path = path_of("rooms", shared.room_id, "messages")
    page = shared.user.get(room_path, {"dir": "b", "limit": 100}).ok()
    assert redaction.event_id not in [event["event_id"] for event in page["chunk"]]
    assert page["chunk"][-1]["content"]["body"].startswith("gap")
    assert "secret" not in all_bodies(shared.user, shared.room_id)
    assert is_redacted(shared.user, shared.room_id, target, redaction) and shared.knows(redaction)


def test_redaction_and_its_event_in_a_gap__fetched_as_they_were__applied(federated, remote):
    shared = SharedRoom(federated, remote)
    room = shared.room
    shared.sentinel()
    target, kept = room.message("secret"), room.message("kept")
    redaction = redact(room, target)
    gap(room)
    shared.deliver(room.message("newest"))
    bodies = all_bodies(shared.user, shared.room_id)
    assert "secret" not in bodies and "kept" in bodies
    assert is_redacted(shared.user, shared.room_id, target, redaction)
    assert shared.user.event(shared.room_id, kept.event_id).ok()["content"]["body"] == "kept"


def test_redaction_in_a_gap__by_somebody_without_the_power__does_nothing(federated, make_remote):
    remote, other = make_remote(), make_remote()
    shared = SharedRoom(federated, remote)
    room = shared.room
    guest = "@guest:" + other.name
    join = room.draft("m.room.member", {"membership": "join"}, guest, guest)
    shared.deliver(room.add(room.sign(join, other)))
    known = room.message("stays")
    shared.deliver(known)
    draft = room.draft("m.room.redaction", {"redacts": known.event_id}, sender=guest)
    room.add(room.sign(draft, other))
    gap(room)
    shared.deliver(room.message("newest"))
    assert "stays" in all_bodies(shared.user, shared.room_id)
    assert shared.user.event(shared.room_id, known.event_id).ok()["content"]["body"] == "stays"
