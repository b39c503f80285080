"""Sending: transaction ids, redactions, size limits, what is refused."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.client import path_of, unique

TEXT = {"msgtype": "m.text", "body": "hello"}


# -- sending

def test_send__message__event_id_and_content_kept(alice, room):
    content = {"msgtype": "m.text", "body": "hello", "org.example": {"a": [1, None, True, {"b": "ü🙂"}]}, "n": -5}
    event_id = alice.send(room, content)
    event = alice.event(room, event_id).ok().json
    assert event["content"] == content and event["type"] == "m.room.message"
    assert event["sender"] == alice.user_id and event["room_id"] == room and event["event_id"] == event_id
    assert "state_key" not in event


def test_send__order_of_acknowledgement__is_order_of_history(alice, room):
    ids = [alice.send(room, "m%d" % number) for number in range(30)]
    history = [event["event_id"] for event in alice.history(room, "f") if event["type"] == "m.room.message"]
    assert history == ids


def test_send__any_type__accepted(alice, room):
    for kind in ("org.example.type", "m.reaction", "type with space", "t/slash", "ünïcode", "%41", "a" * 255):
        event_id = alice.send(room, {"k": 1}, kind=kind)
        assert alice.event(room, event_id).ok()["type"] == kind


def test_send__empty_content__accepted_for_custom_type(alice, room):
    assert alice.event(room, alice.send(room, {}, kind="org.example.empty")).ok()["content"] == {}


def test_send__state_type_without_state_key__is_a_plain_event(alice, room):
    alice.set_state(room, "org.example.s", {"v": "state"})
    event_id = alice.send(room, {"v": "plain"}, kind="org.example.s")
    assert "state_key" not in alice.event(room, event_id).ok()
    assert alice.get_state(room, "org.example.s").ok().json == {"v": "state"}


def test_send__not_a_member__403(bob, room):
    bob.put_event(room, "m.room.message", TEXT).expect(403, "M_FORBIDDEN")


def test_send__only_invited__403(alice, bob, room):
    alice.invite(room, bob).ok()
    bob.put_event(room, "m.room.message", TEXT).expect(403, "M_FORBIDDEN")


def test_send__unknown_room__403_or_404(alice, hs):
    alice.put_event("!none:" + hs.server_name, "m.room.message", TEXT).expect((403, 404))


@pytest.mark.parametrize("kind", ["m.room.create", "m.room.member"])
@pytest.mark.peer("500")
def test_send__type_that_must_be_state__refused(alice, room, kind):
    alice.put_event(room, kind, {"membership": "join"}).expect((400, 403))


def test_send__origin_server_ts__is_now(alice, room):
    import time
    before = time.time() * 1000
    event = alice.event(room, alice.send(room)).ok()
    assert before - 5000 <= event["origin_server_ts"] <= time.time() * 1000 + 5000


def test_send__numbers_at_the_edge_of_canonical_json__kept(alice, room):
    content = {"max": 9007199254740991, "min": -9007199254740991, "zero": 0}
    assert alice.event(room, alice.send(room, content, kind="org.example.n")).ok()["content"] == content


# -- transaction ids

def test_txn__repeated__same_event_id_and_one_event(alice, room):
    txn = unique("t")
    first = alice.send(room, "once", txn=txn)
    assert alice.send(room, "once", txn=txn) == first
    assert alice.send(room, "other content", txn=txn) == first
    bodies = [event["content"].get("body") for event in alice.history(room)]
    assert bodies.count("once") == 1 and "other content" not in bodies


@pytest.mark.tsan
def test_txn__repeated_concurrently__same_event_id_and_one_event(alice, room):
    for _ in range(5):
        txn = unique("t")
        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(lambda _, txn=txn: alice.send(room, "body " + txn, txn=txn), range(8)))
        assert len(set(ids)) == 1
        assert [event["content"].get("body") for event in alice.history(room)].count("body " + txn) == 1


def test_txn__other_device__distinct(alice, room):
    other, txn = alice.login(), unique("t")
    assert alice.send(room, txn=txn) != other.send(room, txn=txn)


def test_txn__other_room__distinct(alice, room):
    """_index.md, Transaction identifiers: a retransmission has the same transaction id and the same path."""
    second, txn = alice.create_room(), unique("t")
    one, two = alice.send(room, txn=txn), alice.send(second, txn=txn)
    assert one != two
    alice.event(second, two).ok()


@pytest.mark.peer("keys on room and transaction id only")
def test_txn__other_event_type__distinct(alice, room):
    txn = unique("t")
    assert alice.send(room, kind="org.example.one", content={}, txn=txn) != alice.send(
        room, kind="org.example.two", content={}, txn=txn)


@pytest.mark.peer("keys on room and transaction id only")
def test_txn__of_send_and_redact__distinct(alice, room):
    txn = unique("t")
    event = alice.send(room, txn=txn)
    assert alice.redact(room, event, txn=txn).ok()["event_id"] != event


def test_txn__after_refresh__still_the_same(alice, room, nobody):
    session, txn = alice.login(refresh_token=True), unique("t")
    first = session.send(room, txn=txn)
    reply = nobody.post("/refresh", {"refresh_token": session.refresh_token}, token=False).ok()
    again = session.with_token(reply["access_token"])
    assert again.send(room, txn=txn) == first


def test_txn__failed_request__may_be_repeated(alice, bob, room):
    txn = unique("t")
    bob.put_event(room, "m.room.message", TEXT, txn).expect(403)
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    bob.put_event(room, "m.room.message", TEXT, txn).ok()


@pytest.mark.parametrize("txn", ["with space", "sla/sh", "ünï🙂", "%", "..", "a" * 255, "?x=1", "#"])
def test_txn__odd_characters__work(alice, room, txn):
    assert alice.send(room, txn=txn) == alice.send(room, txn=txn)


def test_txn__after_restart__same_event_id(make_server):
    from support import accounts
    server = make_server().start()
    user = accounts.register(server.url)
    room, txn = user.create_room(), unique("t")
    first = user.send(room, "once", txn=txn)
    server.terminate()
    server.start()
    user.http.drop()
    assert user.send(room, "once", txn=txn) == first
    server.kill_everything()
    server.start()
    user.http.drop()
    assert user.send(room, "once", txn=txn) == first
    assert [event["content"].get("body") for event in user.history(room)].count("once") == 1


# -- redaction

def redacted(user, room, event_id):
    event = user.event(room, event_id).ok().json
    return event["content"] == {} and "redacted_because" in event["unsigned"]


def test_redact__own_message__content_gone_everywhere(alice, bob, shared):
    event_id = bob.send(shared, "to be removed")
    redaction = bob.redact(shared, event_id, reason="typo").ok()["event_id"]
    event = alice.event(shared, event_id).ok()
    assert event["content"] == {}
    because = event["unsigned"]["redacted_because"]
    assert because["event_id"] == redaction and because["type"] == "m.room.redaction"
    assert because["sender"] == bob.user_id and because["content"]["reason"] == "typo"
    assert "to be removed" not in alice.messages(shared, limit=50).ok().raw.decode()
    assert "to be removed" not in str(dict(alice.sync()))


@pytest.mark.parametrize("version", ["1", "3", "10", "11", "12"])
def test_redact__redacts_field__at_the_place_of_the_version(alice, version):
    """room version 11: redacts moved into content; for clients servers show it in both places (client_event)."""
    room = alice.create_room(room_version=version)
    event_id = alice.send(room, "x")
    redaction = alice.event(room, alice.redact(room, event_id).ok()["event_id"]).ok()
    assert redaction["content"]["redacts"] == event_id
    assert redaction["redacts"] == event_id
    assert redacted(alice, room, event_id)


@pytest.mark.parametrize("version", ["10", "11"])
@pytest.mark.peer("v1.18, not there yet", only=["10"])
def test_redact__by_send_endpoint__works(alice, version):
    """room_send.yaml, v1.18: m.room.redaction may be sent with /send in every room version."""
    room = alice.create_room(room_version=version)
    event_id = alice.send(room, "x")
    alice.send(room, {"redacts": event_id, "reason": "y"}, kind="m.room.redaction")
    assert redacted(alice, room, event_id)


def test_redact__by_send_endpoint_before_version_11__redacts_leaves_the_content(alice):
    """room_send.yaml: "they MUST move the redacts property inside the content to the top level"."""
    room = alice.create_room(room_version="10")
    event_id = alice.send(room, "x")
    redaction = alice.send(room, {"redacts": event_id, "reason": "y"}, kind="m.room.redaction")
    events = alice.sync(filter={"event_format": "federation"}).joined(room).timeline
    (event,) = [event for event in events if event.get("event_id") == redaction]
    assert event["redacts"] == event_id and event["content"] == {"reason": "y"}


def test_redact__others_message_with_power__gone(alice, bob, shared):
    event_id = bob.send(shared, "x")
    alice.redact(shared, event_id).ok()
    assert redacted(alice, shared, event_id)


def test_redact__twice__both_answered(alice, room):
    event_id = alice.send(room)
    alice.redact(room, event_id).ok()
    alice.redact(room, event_id).ok()
    assert redacted(alice, room, event_id)


def test_redact__unknown_event__answered_and_room_lives(alice, room):
    """From version 3 on a redaction may come before its event; a server may as well refuse it from a client."""
    alice.redact(room, "$nosuchevent").expect((200, 400, 403, 404))
    alice.send(room)


def test_redact__event_of_another_room__not_redacted(alice, room):
    other = alice.create_room()
    event_id = alice.send(other, "stays")
    reply = alice.redact(room, event_id)
    assert alice.event(other, event_id).ok()["content"]["body"] == "stays", reply


def test_redact__state_event__keeps_what_the_version_keeps(alice, bob):
    room = alice.create_room(room_version="11", invite=[bob.user_id])
    name = alice.set_state(room, "m.room.name", {"name": "secret"})
    alice.redact(room, name).ok()
    assert alice.get_state(room, "m.room.name").ok().json == {}
    member = alice.state(room)["m.room.member", bob.user_id]["event_id"]
    alice.redact(room, member).ok()
    assert alice.get_state(room, "m.room.member", bob.user_id).ok()["membership"] == "invite"


def test_redact__create_event__refused_or_harmless(alice, room):
    create = alice.state(room)["m.room.create", ""]["event_id"]
    alice.redact(room, create)
    alice.send(room, "still works")


@pytest.mark.parametrize("body", [{"reason": 5}, {"reason": ["x"]}], ids=str)
def test_redact__reason_no_string__400_or_taken(alice, room, body, hs):
    reply = alice.put(path_of("rooms", room, "redact", alice.send(room), unique("r")), body)
    reply.expect(200 if hs.is_synapse else (200, 400))


def test_redact__message__sync_shows_redaction_and_redacted_event(alice, bob, shared):
    event_id = bob.send(shared, "gone soon")
    watch = alice.watch()
    redaction = bob.redact(shared, event_id).ok()["event_id"]
    events = watch.timeline_until(shared, redaction)
    assert [event["type"] for event in events] == ["m.room.redaction"]
    fresh = {event["event_id"]: event for event in alice.sync().joined(shared).timeline}
    assert fresh[event_id]["content"] == {}
    assert fresh[event_id]["unsigned"]["redacted_because"]["event_id"] == redaction


# -- relations as far as sending goes

def test_send__same_reaction_twice__400_duplicate_annotation(alice, room):
    target = alice.send(room)
    content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": "👍"}}
    first = alice.send(room, content, kind="m.reaction")
    alice.put_event(room, "m.reaction", content).expect(400, ("M_DUPLICATE_ANNOTATION", "M_UNKNOWN"))
    content["m.relates_to"]["key"] = "👎"
    alice.send(room, content, kind="m.reaction")
    alice.redact(room, first).ok()
    content["m.relates_to"]["key"] = "👍"
    alice.send(room, content, kind="m.reaction")


def test_send__edit__replacement_event_kept(alice, bob, shared):
    target = alice.send(shared, "helo")
    edit = alice.send(shared, {"msgtype": "m.text", "body": "* hello", "m.new_content": TEXT,
                               "m.relates_to": {"rel_type": "m.replace", "event_id": target}})
    assert bob.event(shared, edit).ok()["content"]["m.new_content"] == TEXT
    assert bob.event(shared, target).ok()["content"]["body"] == "helo"


# -- size

def body_of(size):
    return {"msgtype": "m.text", "body": "x" * size}


def test_send__60_kib__accepted(alice, room):
    assert len(alice.event(room, alice.send(room, body_of(60000))).ok()["content"]["body"]) == 60000


def test_send__event_over_65536_bytes__413_too_large(alice, room):
    """_index.md, Size limits: the complete event must not be larger than 65536 bytes."""
    for size in (65536, 65536 - 100, 100000):
        alice.put_event(room, "m.room.message", body_of(size)).expect(413, "M_TOO_LARGE")
    alice.send(room, "still works")


def test_send__size_counts_bytes_not_characters(alice, room):
    alice.put_event(room, "m.room.message", body_of(0) | {"body": "漢" * 22000}).expect(413, "M_TOO_LARGE")
    alice.send(room, {"msgtype": "m.text", "body": "漢" * 20000})


def test_send__escapes_in_the_request__do_not_count_as_sent(alice, room):
    """The limit is on the canonical form: \\u0041 six times as long on the wire is one byte of it."""
    raw = b'{"msgtype":"m.text","body":"' + b"\\u0041" * 20000 + b'"}'
    reply = alice.request("PUT", path_of("rooms", room, "send", "m.room.message", unique("t")), raw=raw)
    assert alice.event(room, reply.ok()["event_id"]).ok()["content"]["body"] == "A" * 20000


@pytest.mark.parametrize("kind", ["a" * 256, "漢" * 90])
def test_send__type_over_255_bytes__refused(alice, room, kind, hs):
    reply = alice.put_event(room, kind, {})
    if hs.is_synapse and kind.startswith("漢"):
        return  # counts characters, not bytes as in _index.md, Size limits
    reply.expect((400, 413), ("M_TOO_LARGE", "M_INVALID_PARAM", "M_BAD_JSON", "M_UNKNOWN"))


def test_state__key_over_255_bytes__refused(alice, room):
    reply = alice.put_state(room, "org.example.k", {}, "k" * 256)
    reply.expect((400, 413), ("M_TOO_LARGE", "M_INVALID_PARAM", "M_BAD_JSON", "M_UNKNOWN"))
    alice.set_state(room, "org.example.k", {}, "k" * 255)
