"""PUT /_matrix/federation/v1/send/{txnId}: what is taken, what is refused, and that nothing acknowledged is lost.
Spec: server-server API, "Transactions", "PDUs".  Numbers in names are those of shared/security.md."""
import json

import pytest

from support.client import path_of, quote, receipts_of, typing_of, unique
from support.remote_room import Pdu, RemoteRoom
from support.server import wait_until
from support.shared_room import Hold, SharedRoom


# -- the shape of transactions

def test_send__empty__answered_with_no_pdus(federated, remote):
    reply = remote.transaction(federated).ok()
    assert reply.json == {"pdus": {}}


def test_send__more_than_fifty_pdus_or_hundred_edus__refused(federated, remote):
    edu = {"edu_type": "m.presence", "content": {"push": []}}
    remote.transaction(federated, [{}] * 51).expect(400, "M_TOO_LARGE")
    remote.transaction(federated, edus=[edu] * 101).expect(400, "M_TOO_LARGE")
    remote.transaction(federated, [{}] * 50, [edu] * 100).ok()


@pytest.mark.parametrize("more", [{"pdus": {}}, {"pdus": "x"}, {"edus": {}}, {"edus": 1}])
def test_send__lists_that_are_none__refused(federated, remote, more):
    body = {"origin": remote.name, "origin_server_ts": 1, "pdus": [], **more}
    remote.send(federated, "PUT", "/send/" + unique("t"), body).expect(400, "M_BAD_JSON")


def test_send__not_json__refused(federated, remote):
    target = "/_matrix/federation/v1/send/" + unique("t")
    for body in (b"", b"{", b"[]", b'{"pdus":[],"pdus":[]}', b"\xff"):
        headers = {"Authorization": remote.authorization("PUT", target, federated.server_name, {}),
                   "Content-Type": "application/json"}
        reply = remote.raw(federated, "PUT", target, body, headers)
        assert reply.status in (400, 401), reply
        assert reply.errcode in ("M_NOT_JSON", "M_BAD_JSON", "M_UNAUTHORIZED", "M_MISSING_PARAM"), reply


def test_send__long_transaction_id__refused(federated, remote):
    remote.transaction(federated, txn="t" * 256).expect(400, "M_INVALID_PARAM")
    remote.transaction(federated, txn="t" * 255).ok()


def test_send__pdus_of_no_room__told_where_they_have_an_id(federated, remote):
    room = RemoteRoom(remote, version="2")
    known = room.message("hello")
    reply = remote.transaction(federated, [known, 7, None, [], {}, {"room_id": 7}, {"room_id": "!x:y"}]).ok()
    assert list(reply["pdus"]) == [known.event_id]
    assert reply["pdus"][known.event_id]["error"]


def test_send__same_transaction_again__same_answer(federated, remote):
    room = RemoteRoom(remote, version="1")
    event, other = room.message("one"), room.message("two")
    first = remote.transaction(federated, [event], txn="again").ok()
    assert remote.transaction(federated, [event], txn="again").ok().json == first.json
    # What else comes under the same id is not looked at.
    assert remote.transaction(federated, [other], txn="again").ok().json == first.json
    assert list(remote.transaction(federated, [other], txn="another").ok()["pdus"]) == [other.event_id]


def test_send__same_transaction_id_of_two_servers__kept_apart(federated, make_remote):
    one, two = make_remote(), make_remote()
    event, other = (RemoteRoom(remote, version="1").message("x") for remote in (one, two))
    one.transaction(federated, [event], txn="t").ok()
    assert list(two.transaction(federated, [other], txn="t").ok()["pdus"]) == [other.event_id]


# -- events of a shared room

@pytest.fixture
def shared(federated, remote):
    return SharedRoom(federated, remote)


def ids(events):
    return [event["event_id"] for event in events]


@pytest.mark.parametrize("version", [str(number) for number in range(1, 13)])
def test_event__good__clients_see_it(federated, remote, version):
    shared = SharedRoom(federated, remote, version)
    message = shared.room.message("from afar")
    told = shared.deliver(message)[-1]
    assert told["content"]["body"] == "from afar" and told["sender"] == shared.room.creator
    topic = shared.room.send("m.room.topic", {"topic": "far"}, "")
    shared.deliver(topic)
    assert shared.user.get_state(shared.room_id, "m.room.topic").ok()["topic"] == "far"


@pytest.mark.tsan
def test_sec_5_51__one_bad_among_fifty__others_stored(shared):
    good = [shared.room.message("good %d" % i) for i in range(49)]
    bad = shared.room.sign(shared.room.draft("m.room.message", {"body": "bad"}, depth="deep"))
    told = shared.send(*good[:20], bad, *good[20:])
    assert set(told) == {event.event_id for event in good} | {bad.event_id}
    assert "depth" in told[bad.event_id]["error"]
    assert all(told[event.event_id] == {} for event in good)
    shared.seen(good[-1])
    assert shared.order(*good) == [event.event_id for event in good]


def test_event__malformed__refused_alone(shared):
    room = shared.room
    nested = {}
    for _ in range(300):
        nested = {"n": nested}
    cases = [
        room.draft("m.room.message", {"n": nested}),
        room.draft("m.room.message", {"f": 1.5}),
        room.draft("m.room.message", {"n": 2 ** 53}),
        room.draft("m.room.message", {"long": "x" * 65536}),
        room.draft("m.room.message", "no object"),
        room.draft("x" * 256, {}),
        room.draft("m.room.message", {}, state_key="k" * 256),
        room.draft("m.room.message", {}, sender="nobody", auth_events=[]),
        room.draft("m.room.message", {}, prev_events=["$x"] * 21),
        room.draft("m.room.message", {}, auth_events=["$x"] * 11),
        room.draft("m.room.message", {}, prev_events=[["$x", {}]]),
        room.draft("m.room.message", {}, prev_events=None),
        room.draft("m.room.message", {}, depth=None),
        room.draft("m.room.message", {}, origin_server_ts="now"),
    ]
    bad = []
    for number, draft in enumerate(cases):
        draft["hashes"], draft["signatures"] = {"sha256": str(number)}, {shared.remote.name: {"ed25519:1": "x"}}
        bad.append(draft)
    good = room.message("good")
    reply = shared.send(*bad[:7], good, *bad[7:])
    errors = [value for value in reply.values() if "error" in value]
    assert len(errors) == len(bad) and reply[good.event_id] == {}
    shared.seen(good)


@pytest.mark.parametrize("depth", [-1, 2 ** 63 - 1, 2 ** 63, 10 ** 30])
def test_sec_5_1__depth_out_of_range__refused_and_federation_goes_on(shared, depth):
    draft = shared.room.draft("m.room.message", {"body": "deep"}, depth=depth)
    draft["hashes"], draft["signatures"] = {"sha256": "x"}, {}
    told, = shared.send(draft).values()
    assert told["error"]
    shared.sentinel()


@pytest.mark.parametrize("depth", [0, 2 ** 53 - 1])
def test_sec_5_1__depth_at_its_limits__later_messages_in_order(shared, depth):
    odd = shared.room.send("m.room.message", {"body": "odd"}, depth=depth)
    shared.deliver(odd)
    first, second = shared.user.send(shared.room_id, "first"), shared.user.send(shared.room_id, "second")
    events = shared.watch.timeline_until(shared.room_id, second)
    assert ids(events)[-2:] == [first, second]
    newest = [event["event_id"] for event in shared.user.history(shared.room_id, limit=3)]
    assert newest[:3] == [second, first, odd.event_id]
    shared.deliver(shared.room.message("after", prev=[odd.event_id], depth=2 ** 53 - 1))


@pytest.mark.parametrize("ts", [-2 ** 63, 2 ** 63 - 1])
def test_event__time_at_its_limits_in_an_old_room__seen_found_and_looked_for(federated, remote, ts):
    """Rooms up to version 5 take any integer, up to 4 past the end of keys; what reckons with it stays within its type."""
    shared = SharedRoom(federated, remote, "4")
    word = unique("word").replace("-", "")
    odd = shared.room.send("m.room.message", {"msgtype": "m.text", "body": word}, origin_server_ts=ts)
    shared.deliver(odd)
    assert shared.user.event(shared.room_id, odd.event_id).ok()["origin_server_ts"] == ts
    search = {"search_categories": {"room_events": {"search_term": word, "order_by": "rank"}}}
    wait_until(lambda: shared.user.post("/search", search).ok()["search_categories"]["room_events"]["count"] == 1)
    near = "/_matrix/client/v1/rooms/%s/timestamp_to_event" % quote(shared.room_id)
    for direction in "fb":
        assert shared.user.get(near, {"ts": ts, "dir": direction}).ok()["event_id"] == odd.event_id


@pytest.mark.parametrize("version", ["1", "5", "12"])
def test_sec_5_5__one_byte_flipped__dropped(federated, remote, version):
    shared = SharedRoom(federated, remote, version)
    good = shared.room.sign(shared.room.draft("m.room.message", {"body": "flip me"}))
    flipped = json.loads(json.dumps(good.json))
    signature = next(iter(flipped["signatures"][remote.name].values()))
    key_id = next(iter(flipped["signatures"][remote.name]))
    changed = ("A" if signature[0] != "A" else "B") + signature[1:]
    flipped["signatures"][remote.name][key_id] = changed
    shared.send(Pdu(shared.room.version, flipped))
    shared.sentinel()
    assert not shared.knows(good)
    # The true one is not kept away by the false one.
    shared.room.add(good)
    shared.deliver(good)


def test_event__unsigned_or_signed_by_another__dropped(shared, make_remote):
    stranger = make_remote()
    room = shared.room
    by_stranger = room.sign(room.draft("m.room.message", {"body": "stranger"}), signer=stranger)
    unsigned = room.sign(room.draft("m.room.message", {"body": "unsigned"}))
    unsigned.json["signatures"] = {}
    of_others = room.sign(room.draft("m.room.message", {"body": "of others"}, sender="@x:" + stranger.name))
    shared.send(by_stranger, unsigned, of_others)
    shared.sentinel()
    assert not any(shared.knows(event) for event in (by_stranger, unsigned, of_others))


def test_event__of_our_own_user__dropped_without_our_signature(shared):
    forged = shared.room.sign(shared.room.draft("m.room.message", {"body": "I?"}, sender=shared.user.user_id))
    shared.send(forged)
    shared.sentinel()
    assert not shared.knows(forged)


def test_event__wrong_hash__redacted(shared):
    event = shared.room.sign(shared.room.draft("m.room.message", {"body": "true"}))
    event.json["content"] = {"body": "false"}
    shared.room.add(event)
    told = shared.deliver(event)[-1]
    assert told["content"] == {}
    assert shared.user.event(shared.room_id, event.event_id).ok()["content"] == {}


def test_event__format_of_another_version__refused(shared):
    old = RemoteRoom(shared.remote, version="2")
    event = old.sign(old.draft("m.room.message", {"body": "old"}, room_id=shared.room_id))
    told = shared.send(event)
    assert len(told) == 1 and all("error" in value for value in told.values())
    shared.sentinel()


def test_event__room_unknown__refused(federated, remote):
    room = RemoteRoom(remote, version="2")
    event = room.message("to nobody")
    assert "error" in remote.transaction(federated, [event]).ok()["pdus"][event.event_id]


def test_event__room_that_was_left__refused(shared):
    """The room is known, but nobody of here is in it."""
    event = shared.room.message("before")
    shared.deliver(event)
    shared.user.leave(shared.room_id).ok()
    late = shared.room.message("after", prev=[event])
    assert shared.send(late)[late.event_id]["error"]


def test_event__again_in_another_transaction__once(shared):
    event = shared.room.message("once")
    shared.deliver(event)
    assert shared.send(event, event) == {event.event_id: {}}
    assert event.event_id not in ids(shared.sentinel())
    assert [item["event_id"] for item in shared.user.history(shared.room_id)].count(event.event_id) == 1


def test_event__not_allowed__rejected_and_not_seen(shared):
    room = shared.room
    nobody = "@nobody:" + shared.remote.name
    bad = room.sign(room.draft("m.room.message", {"body": "not joined"}, sender=nobody))
    assert shared.send(bad) == {bad.event_id: {}}
    shared.sentinel()
    assert not shared.knows(bad)
    good, server = room.message("good"), shared.server
    shared.deliver(good)
    shared.remote.send(server, "GET", "/event" + path_of(good.event_id)).ok()
    shared.remote.send(server, "GET", "/event" + path_of(bad.event_id)).expect(404, "M_NOT_FOUND")


def test_event__of_a_user_banned_since__soft_failed(shared):
    room = shared.room
    evil = "@evil:" + shared.remote.name
    shared.deliver(room.join(evil))
    before = list(room.heads)
    shared.deliver(room.send("m.room.member", {"membership": "ban"}, evil))
    late = room.sign(room.draft("m.room.message", {"body": "late"}, sender=evil, prev=before))
    shared.send(late)
    shared.sentinel()
    assert not shared.knows(late)


def test_sec_5_28__server_shut_out__pdus_and_edus_left_out(federated, make_remote):
    host, evil = make_remote(), make_remote(host="localhost")
    shared = SharedRoom(federated, host)
    room = shared.room
    mallory = "@mallory:" + evil.name
    shared.deliver(room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, mallory, mallory), evil)))
    typing = {"edu_type": "m.typing", "content": {"room_id": room.room_id, "user_id": mallory, "typing": True}}
    evil.transaction(federated, edus=[typing]).ok()
    shared.watch.until(lambda answer: typing_of(answer.joined(room.room_id)) == [mallory])
    typing["content"]["typing"] = False
    evil.transaction(federated, edus=[typing]).ok()
    shared.watch.until(lambda answer: typing_of(answer.joined(room.room_id)) == [])
    # The rule is written in other letters than the name.
    shared.deliver(room.send("m.room.server_acl", {"allow": ["*"], "deny": ["LocalHost"]}, ""))
    late = room.sign(room.draft("m.room.message", {"body": "still here"}, sender=mallory), evil)
    typing["content"]["typing"] = True
    receipt = {"edu_type": "m.receipt", "content": {room.room_id: {"m.read": {mallory: {
        "event_ids": [room.heads[0]], "data": {"ts": 1}}}}}}
    told = evil.transaction(federated, [late], [typing, receipt]).ok()
    assert "error" in told["pdus"][late.event_id]
    by_host = host.transaction(federated, [late]).ok()
    assert "error" in by_host["pdus"][late.event_id]
    # What comes after it from the same server is there, and nothing of it.
    evil.transaction(federated, edus=[{"edu_type": "m.presence", "content": {"push": [
        {"user_id": mallory, "presence": "online", "last_active_ago": 1}]}}]).ok()
    answer, _ = shared.watch.until(lambda answer: [
        event for event in answer.get("presence", {}).get("events", []) if event["sender"] == mallory])
    assert typing_of(shared.user.sync().joined(room.room_id)) in (None, [])
    assert not receipts_of(shared.user.sync().joined(room.room_id))
    assert not shared.knows(late)


def test_sec_5_20__redactions_in_a_circle__end(federated, remote):
    shared = SharedRoom(federated, remote, "1")
    room = shared.room
    one, two = ("$%s:%s" % (unique("r"), remote.name) for _ in range(2))
    shared.deliver(room.send("m.room.redaction", {}, redacts=two, event_id=one),
                   room.send("m.room.redaction", {}, redacts=one, event_id=two))
    shared.sentinel()


@pytest.mark.parametrize("version", ["1", "11", "12"])
def test_sec_5_7__known_state_sent_again__undoes_nothing(federated, remote, version):
    shared = SharedRoom(federated, remote, version)
    room = shared.room
    before = {key: event["event_id"] for key, event in shared.user.state(shared.room_id).items()}
    # What the room stands on, as if it were news, on a state in which none of it is allowed.
    create = room.state[("m.room.create", "")].event_id
    remote.on("GET", r"/_matrix/federation/v1/state_ids/.*",
              lambda ask: (200, {"pdu_ids": [create], "auth_chain_ids": [create]}))
    shared.send(*[event for key, event in room.state.items() if key != ("m.room.member", shared.user.user_id)])
    shared.sentinel("still allowed")
    assert {key: event["event_id"] for key, event in shared.user.state(shared.room_id).items()} == before
    shared.user.send(shared.room_id, "and so am I")


@pytest.mark.parametrize("version", ["1", "11"])
def test_event__refers_to_itself_or_in_circles__does_no_harm(federated, remote, version):
    shared = SharedRoom(federated, remote, version)
    room = shared.room
    if version == "1":
        one, two = ("$%s:%s" % (unique("c"), remote.name) for _ in range(2))
        drafts = [room.draft("m.room.message", {}, event_id=one, prev_events=[[one, {}]]),
                  room.draft("m.room.message", {}, event_id=two, auth_events=[[two, {}]])]
        three, four = ("$%s:%s" % (unique("c"), remote.name) for _ in range(2))
        drafts += [room.draft("m.room.message", {}, event_id=three, prev_events=[[four, {}]]),
                   room.draft("m.room.message", {}, event_id=four, prev_events=[[three, {}]])]
    else:
        drafts = [room.draft("m.room.message", {}, prev_events=["$" + "A" * 43]),
                  room.draft("m.room.message", {}, prev_events=[])]
    events = [room.sign(draft) for draft in drafts]
    for event in events:
        room.events[event.event_id] = event  # so that it answers about them
        room.states[event.event_id] = room.state
    shared.send(*events)
    shared.sentinel()
    assert [event["prev_events"] for event in events if shared.knows(event)] == []


# -- nothing acknowledged is lost

@pytest.mark.tsan
def test_send__killed_after_the_answer__everything_arrives(make_federated, remote):
    server = make_federated().start()
    shared = SharedRoom(server, remote)
    for round_number in range(3):
        events = [shared.room.message("%d-%d" % (round_number, i)) for i in range(50)]
        assert shared.send(*events, txn="kill%d" % round_number) == {event.event_id: {} for event in events}
        server.kill()
        server.start()
        again = remote.transaction(server, events, txn="kill%d" % round_number).ok()
        assert again["pdus"] == {event.event_id: {} for event in events}
        shared.watch.client.http.drop()
        shared.seen(events[-1], limit=60)
        assert shared.order(*events) == [event.event_id for event in events]


@pytest.mark.parametrize("setting,status_of_others", [
    ("federation.inbox_per_server", 200),
    pytest.param("federation.inbox_total", 429, marks=pytest.mark.one_process("a process sees what another has taken within some seconds")),
])
def test_send__too_much_waits__told_to_come_later(make_federated, remote, make_remote, setting, status_of_others):
    server = make_federated(settings={setting: "150"}).start()
    shared = SharedRoom(server, remote)
    room = shared.room
    hold = Hold(remote, "POST", r"/_matrix/federation/v1/get_missing_events/.*")
    kept_back = room.message("kept back")
    sent = []
    reply = remote.transaction(server, [room.message("first")])
    while reply.status == 200 and len(sent) < 20:
        sent.append([room.message("x") for _ in range(50)])
        reply = remote.transaction(server, sent[-1])
    reply.expect(429, "M_LIMIT_EXCEEDED")
    assert reply["retry_after_ms"] > 0 and len(sent) == 4
    make_remote().transaction(server).expect(status_of_others)
    hold.release()
    shared.seen(sent[-2][-1], limit=60)
    assert shared.knows(kept_back)
    remote.transaction(server, sent[-1]).ok()
    shared.seen(sent[-1][-1], limit=60)


# -- keys that cannot be had

def test_event__key_server_of_its_sender_is_away__waits_and_comes_when_it_is_back(federated, remote, make_remote):
    """What another server brings of it is not given up because its own does not answer for its keys."""
    shared = SharedRoom(federated, remote)
    room, away = shared.room, make_remote()
    away.on("GET", r"/_matrix/key/v2/server", lambda ask: (503, {"errcode": "M_UNKNOWN", "error": "away"}))
    guest = "@guest:" + away.name
    before = list(room.heads)
    joined = room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, guest, guest), away))
    said = room.add(room.sign(room.draft("m.room.message", {"body": "said meanwhile"}, sender=guest), away))
    forged = room.sign(room.draft("m.room.message", {"body": "forged"}, sender=guest))  # not by its server
    assert shared.send(joined, said, forged) == {event.event_id: {} for event in (joined, said, forged)}
    away.next("GET", r"/_matrix/key/v2/server")
    shared.deliver(room.message("of others, meanwhile", prev=before))
    assert not shared.knows(said)
    away.handlers.pop(0)
    shared.seen(said, limit=60)
    assert shared.knows(joined) and not shared.knows(forged)


def test_sec_5_28__shut_out_while_its_event_waits__comes_only_with_what_others_build_on_it(federated, remote, make_remote):
    shared = SharedRoom(federated, remote)
    room, away = shared.room, make_remote(host="localhost")
    away.on("GET", r"/_matrix/key/v2/server", lambda ask: (503, {"errcode": "M_UNKNOWN", "error": "away"}))
    guest = "@guest:" + away.name
    before = list(room.heads)
    joined = room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, guest, guest), away))
    said = room.add(room.sign(room.draft("m.room.message", {"body": "said before"}, sender=guest), away))
    aside = room.sign(room.draft("m.room.message", {"body": "nobody builds on it"}, sender=guest, prev=[joined.event_id]), away)
    assert shared.send(joined, said, aside) == {event.event_id: {} for event in (joined, said, aside)}
    away.next("GET", r"/_matrix/key/v2/server")
    shared.deliver(room.send("m.room.server_acl", {"allow": ["*"], "deny": ["localhost"]}, "", prev=before))
    away.handlers.pop(0)
    for event in (joined, said, aside):
        wait_until(lambda: any("inbox.dropped" in line and event.event_id in line and "access list" in line for line in federated.log().splitlines()),
                   60, "the event is dropped")
        assert not shared.knows(event)
    shared.deliver(room.message("upon both", prev=[*room.heads, said.event_id]))
    assert shared.knows(joined) and shared.knows(said) and not shared.knows(aside)
