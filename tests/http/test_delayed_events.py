"""Delayed events (MSC4140): events that are given now and sent later, as Element Call does it to leave a meeting without a word.

The paths are those that matrix-js-sdk 43 uses; what has changed in the proposal since is understood as well.
"""
import os
import time

import pytest

from support import accounts
from support.client import Client, path_of, unique
from support.database import Cluster, HeldTable
from support.server import wait_until
from support.twins import at, twins

UNSTABLE = "/_matrix/client/unstable/org.matrix.msc4140"
MEMBER = "org.matrix.msc3401.call.member"
DELAY = "org.matrix.msc4140.delay"
DELAY_ID = "org.matrix.msc4140.delay_id"
LATER = 3600 * 1000  # nobody waits for it
SOON = 200
SLOW = float(os.environ.get("BELFRY_TEST_SLOW", "1"))


def delay_state(user, room, ms, content=None, kind=MEMBER, key=None, **query):
    return user.put(user.room(room, "state", kind, "_" + user.user_id if key is None else key), content or {},
                    query={DELAY: str(ms), **query}, check=False)


def delay_message(user, room, ms, content=None, kind="m.room.message", txn=None, **query):
    return user.put(user.room(room, "send", kind, txn or unique("t")), content or {"msgtype": "m.text", "body": "later"},
                    query={DELAY: str(ms), **query}, check=False)


def act(user, delay_id, action, **more):
    return user.post("%s/delayed_events/%s/%s" % (UNSTABLE, delay_id, action), **more)


def pending(user):
    return user.get(UNSTABLE + "/delayed_events").ok()["delayed_events"]


def said(user, room):
    return [event["content"]["body"] for event in user.history(room, "f") if event["type"] == "m.room.message"]


def key_of(user):
    return "_" + user.user_id


# -- what is there

def test_versions_and_capabilities__say_what_is_possible(alice):
    assert alice.get("/_matrix/client/versions").ok()["unstable_features"]["org.matrix.msc4140"] is True
    limits = alice.get("/capabilities").ok()["capabilities"]["org.matrix.msc4140.delayed_events"]
    assert limits == {"max_delay_ms": 24 * 3600 * 1000, "max_scheduled": 100}


# -- sent when due

@pytest.mark.tsan
def test_state__due__is_sent_and_not_before(alice, bob, room):
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    alice.set_state(room, MEMBER, {"device_id": "X"}, key_of(alice))
    watch = bob.watch()
    began = time.time()
    delay_id = delay_state(alice, room, 700).ok()["delay_id"]
    _, (event,) = watch.until(lambda answer: [event for event in answer.joined(room).timeline if event["content"] == {}])
    assert time.time() - began >= 0.7
    assert event["sender"] == alice.user_id and event["state_key"] == key_of(alice)
    assert event["origin_server_ts"] >= (began + 0.7) * 1000 - 50
    assert alice.get_state(room, MEMBER, key_of(alice)).ok().json == {}
    act(alice, delay_id, "restart").expect(404, "M_NOT_FOUND")


def test_message__due__is_sent_once_and_its_sender_is_told_which_it_was(alice, bob, room):
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    delay_id = delay_message(alice, room, SOON).ok()["delay_id"]
    wait_until(lambda: said(bob, room) == ["later"], 20 * SLOW, "the message")
    of_alice, = [event for event in alice.history(room) if event["type"] == "m.room.message"]
    of_bob, = [event for event in bob.history(room) if event["type"] == "m.room.message"]
    assert of_alice["unsigned"][DELAY_ID] == delay_id and "transaction_id" not in of_alice["unsigned"]
    assert DELAY_ID not in of_bob["unsigned"]
    elsewhere = alice.login()
    assert elsewhere.event(room, of_alice["event_id"]).ok()["unsigned"][DELAY_ID] == delay_id
    assert pending(alice) == []


def test_several__are_sent_in_the_order_in_which_they_are_due(alice, room):
    for number, ms in (("c", 4000), ("a", 300), ("b", 600)):
        delay_message(alice, room, ms, {"msgtype": "m.text", "body": number}).ok()
    wait_until(lambda: said(alice, room) == ["a", "b", "c"], 20 * SLOW, "all")


def test_one_that_is_due_earlier__wakes_who_sleeps_until_a_later_one(alice, room):
    delay_message(alice, room, LATER).ok()
    began = time.time()
    delay_message(alice, room, SOON, {"msgtype": "m.text", "body": "first"}).ok()
    wait_until(lambda: said(alice, room) == ["first"], 20 * SLOW, "the earlier")
    assert SLOW > 1 or time.time() - began < 3  # nobody looked only because of its pause


def test_redaction__due__redacts(alice, room):
    event_id = alice.send(room, "for a while")
    delay_message(alice, room, SOON, {"redacts": event_id}, "m.room.redaction").ok()
    wait_until(lambda: alice.event(room, event_id).ok()["content"] == {}, 20 * SLOW, "the redaction")


def test_member__due__bans(alice, bob, room):
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    delay_state(alice, room, SOON, {"membership": "ban"}, "m.room.member", bob.user_id).ok()
    wait_until(lambda: alice.get_state(room, "m.room.member", bob.user_id).ok()["membership"] == "ban", 20 * SLOW, "the ban")


def test_state_that_is_so_already__no_event_and_nothing_left(alice, room):
    event_id = alice.set_state(room, MEMBER, {}, key_of(alice))
    delay_state(alice, room, SOON).ok()
    wait_until(lambda: pending(alice) == [], 20 * SLOW, "its end")
    assert alice.state(room)[(MEMBER, key_of(alice))]["event_id"] == event_id


def test_state_sent_meanwhile__by_anybody__cancels_nothing(alice, bob, room):
    """The proposal once had others' state cancel it, and has given that up."""
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    levels = alice.get_state(room, "m.room.power_levels").ok().json
    alice.set_state(room, "m.room.power_levels", {**levels, "users": {**levels.get("users", {}), bob.user_id: 50}})
    delay_id = delay_state(alice, room, LATER, {"topic": "later"}, "m.room.topic", "").ok()["delay_id"]
    bob.set_state(room, "m.room.topic", {"topic": "now"})
    alice.set_state(room, "m.room.topic", {"topic": "now again"})
    act(alice, delay_id, "send").ok()
    assert alice.get_state(room, "m.room.topic").ok()["topic"] == "later"


# -- by who knows it

@pytest.mark.parametrize("in_body", [False, True])
def test_restart__puts_it_off(alice, room, in_body):
    began = time.time()
    delay_id = delay_message(alice, room, 4000).ok()["delay_id"]
    since = pending(alice)[0]["running_since"]
    for _ in range(3):
        time.sleep(0.7)
        if in_body:
            alice.post("%s/delayed_events/%s" % (UNSTABLE, delay_id), {"action": "restart"}).ok()
        else:
            act(alice, delay_id, "restart").ok()
    assert pending(alice)[0]["running_since"] >= since + 2000
    wait_until(lambda: said(alice, room) == ["later"], 20 * SLOW, "the message")
    assert time.time() - began >= 6.1


@pytest.mark.parametrize("in_body", [False, True])
def test_cancel__is_never_sent(alice, room, in_body):
    delay_id = delay_message(alice, room, LATER).ok()["delay_id"]
    if in_body:
        alice.post("%s/delayed_events/%s" % (UNSTABLE, delay_id), {"action": "cancel"}).ok()
    else:
        act(alice, delay_id, "cancel").ok()
    assert pending(alice) == []
    for action in ("cancel", "send", "restart"):
        act(alice, delay_id, action).expect(404, "M_NOT_FOUND")
    assert said(alice, room) == []


@pytest.mark.parametrize("in_body", [False, True])
def test_send__is_sent_at_once_and_not_again(alice, room, in_body):
    delay_id = delay_message(alice, room, LATER).ok()["delay_id"]
    if in_body:
        alice.post("%s/delayed_events/%s" % (UNSTABLE, delay_id), {"action": "send"}).ok()
    else:
        act(alice, delay_id, "send").ok()
    assert said(alice, room) == ["later"] and pending(alice) == []
    act(alice, delay_id, "send").expect(404, "M_NOT_FOUND")
    assert said(alice, room) == ["later"]


def test_who_knows_the_id__needs_no_token(alice, room):
    """A media server sends the leave of who has lost the connection."""
    delay_id = delay_message(alice, room, LATER).ok()["delay_id"]
    act(alice, delay_id, "restart", token=False).ok()
    act(alice, delay_id, "restart", token="wrong").expect(401, "M_UNKNOWN_TOKEN")
    act(alice, delay_id, "send", token=False).ok()
    assert said(alice, room) == ["later"]


def test_unknown_id_or_action__refused(alice):
    for action in ("cancel", "send", "restart"):
        act(alice, "nothing", action).expect(404, "M_NOT_FOUND")
    where = UNSTABLE + "/delayed_events/nothing"
    alice.post(where, {"action": "restart"}).expect(404, "M_NOT_FOUND")
    alice.post(where, {"action": "burn"}).expect(400, "M_INVALID_PARAM")
    alice.post(where, {}).expect(400, "M_MISSING_PARAM")


# -- lists

def test_list__has_ones_own_in_order(alice, bob, room):
    state = delay_state(alice, room, LATER + 60000, {"a": 1}).ok()["delay_id"]
    message = delay_message(alice, room, LATER).ok()["delay_id"]
    assert [event["delay_id"] for event in pending(alice)] == [message, state]
    one = alice.get("%s/delayed_events/%s" % (UNSTABLE, state)).ok().json
    since = one.pop("running_since")
    assert abs(since - time.time() * 1000) < 60000 and one.pop("delayed_since_ts") == since
    assert one == {"delay_id": state, "room_id": room, "type": MEMBER, "state_key": key_of(alice), "delay": LATER + 60000, "delay_ms": LATER + 60000,
                   "content": {"a": 1}}
    assert "state_key" not in pending(alice)[0]
    assert pending(bob) == []
    bob.get("%s/delayed_events/%s" % (UNSTABLE, state)).expect(404, "M_NOT_FOUND")
    scheduled = alice.get(UNSTABLE + "/delayed_events", {"status": "scheduled"}).ok().json
    assert [event["delay_id"] for event in scheduled["scheduled"]] == [message, state] and "finalised" not in scheduled
    assert alice.get(UNSTABLE + "/delayed_events", {"status": "finalised"}).ok().json == {"finalised": []}
    alice.get(UNSTABLE + "/delayed_events", {"status": "burnt"}).expect(400, "M_INVALID_PARAM")
    alice.get(UNSTABLE + "/delayed_events", token=False).expect(401, "M_MISSING_TOKEN")


# -- transactions

def test_same_transaction__same_delay_id_also_when_it_was_sent(alice, room):
    txn = unique("t")
    first = delay_message(alice, room, LATER, txn=txn).ok()["delay_id"]
    assert delay_message(alice, room, LATER, txn=txn).ok()["delay_id"] == first
    assert delay_message(alice, room, LATER).ok()["delay_id"] != first
    act(alice, first, "send").ok()
    assert delay_message(alice, room, SOON, txn=txn).ok()["delay_id"] == first
    assert len(pending(alice)) == 1 and said(alice, room) == ["later"]


def test_endpoint_of_its_own__message_and_state(alice, room):
    where = UNSTABLE + path_of("rooms", room, "delayed_event", MEMBER, unique("t"))
    body = {"delay_ms": LATER, "state_key": key_of(alice), "content": {"a": 1}}
    state = alice.put(where, body).ok()["delay_id"]
    assert alice.put(where, body).ok()["delay_id"] == state
    where = UNSTABLE + path_of("rooms", room, "delayed_event", "m.room.message", unique("t"))
    message = alice.put(where, {"delay": LATER, "content": {"msgtype": "m.text", "body": "x"}}).ok()["delay_id"]
    assert {event["delay_id"]: event.get("state_key") for event in pending(alice)} == {state: key_of(alice), message: None}
    for bad in ({"delay_ms": 0, "content": {}}, {"delay_ms": -1, "content": {}}, {"delay_ms": "1", "content": {}},
                {"delay_ms": 1}, {"content": {}}, {"delay_ms": 1, "content": []}, {"delay_ms": 1, "content": {}, "state_key": 5}):
        alice.put(where, bad).expect(400)


# -- what is refused

def test_delay__zero_negative_or_no_number__400(alice, room):
    for ms in ("0", "-1", "x", "1.5", ""):
        delay_message(alice, room, ms).expect(400, "M_INVALID_PARAM")
        delay_state(alice, room, ms).expect(400, "M_INVALID_PARAM")
    assert said(alice, room) == []


def test_delay__too_long__says_how_long_it_may_be(alice, room):
    refused = delay_state(alice, room, 24 * LATER + 1).expect(400, "M_UNKNOWN")
    assert refused["org.matrix.msc4140.errcode"] == "M_MAX_DELAY_EXCEEDED"
    assert refused["org.matrix.msc4140.max_delay"] == 24 * LATER
    delay_state(alice, room, 24 * LATER).ok()


def test_event__too_large_or_not_canonical__400_or_413(alice, room):
    delay_message(alice, room, LATER, {"body": "x" * 66000}).expect(413, "M_TOO_LARGE")
    delay_message(alice, room, LATER, kind="k" * 256).expect(413, "M_TOO_LARGE")
    delay_state(alice, room, LATER, key="k" * 256).expect(413, "M_TOO_LARGE")
    delay_message(alice, room, LATER, {"number": 1.5}).expect(400, "M_BAD_JSON")
    delay_message(alice, room, LATER, kind="a\0b").expect(400, "M_INVALID_PARAM")
    assert pending(alice) == []


def test_who_is_not_in_the_room__403(alice, bob, room):
    delay_message(bob, room, LATER).expect(403, "M_FORBIDDEN")
    delay_state(bob, room, LATER).expect(403, "M_FORBIDDEN")


def test_as_many_as_one_may_have__429_until_the_next_is_due(make_server):
    server = make_server(settings={"delayed_events.per_user": "2"}).start()
    lin, wang = accounts.register(server.url), accounts.register(server.url)
    room = lin.create_room(invite=[wang.user_id])
    wang.join(room).ok()
    txn = unique("t")
    first = delay_message(lin, room, 100 * 1000, txn=txn).ok()["delay_id"]
    delay_state(lin, room, LATER).ok()
    refused = delay_state(lin, room, LATER).expect(429, "M_LIMIT_EXCEEDED")
    assert 0 < refused["retry_after_ms"] <= 100 * 1000
    assert delay_message(lin, room, LATER, txn=txn).ok()["delay_id"] == first  # it is one of these
    delay_message(wang, room, LATER).ok()
    act(lin, first, "cancel").ok()
    delay_state(lin, room, LATER).ok()


def test_switched_off__403_and_not_announced(make_server):
    server = make_server(settings={"delayed_events.max_delay": "0"}).start()
    lin = accounts.register(server.url)
    room = lin.create_room()
    assert lin.get("/_matrix/client/versions").ok()["unstable_features"]["org.matrix.msc4140"] is False
    delay_message(lin, room, 1).expect(403, "M_FORBIDDEN")
    assert said(lin, room) == []


# -- allowed when it is sent

def test_power__is_asked_when_it_is_sent(alice, bob, room):
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    early = delay_state(bob, room, LATER, {"topic": "bob's"}, "m.room.topic", "").ok()["delay_id"]
    act(bob, early, "send").expect(403, "M_FORBIDDEN")
    assert [event["delay_id"] for event in pending(bob)] == [early]  # what is in its way may go
    levels = alice.get_state(room, "m.room.power_levels").ok().json
    alice.set_state(room, "m.room.power_levels", {**levels, "users": {**levels.get("users", {}), bob.user_id: 50}})
    act(bob, early, "send").ok()
    assert alice.get_state(room, "m.room.topic").ok()["topic"] == "bob's"


def test_due__sender_has_left__is_given_up_and_others_go_on(alice, bob, room):
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    delay_message(bob, room, int(1000 * SLOW), {"msgtype": "m.text", "body": "bob"}).ok()
    bob.post(path_of("rooms", room, "leave")).ok()
    delay_message(alice, room, int(1000 * SLOW), {"msgtype": "m.text", "body": "alice"}).ok()
    wait_until(lambda: said(alice, room) == ["alice"], 20 * SLOW, "the other")
    assert pending(bob) == []


def test_due__device_logged_out__is_sent(alice, room):
    """That the device went away is what such events are for."""
    device = alice.login()
    delay_message(device, room, 500).ok()
    device.post("/logout").ok()
    wait_until(lambda: said(alice, room) == ["later"], 20 * SLOW, "the message")


def test_due__sender_suspended_or_locked__is_not_sent(hs, room, alice):
    admin = accounts.register_by_secret(hs.url, hs.secret, admin=True)
    for action, field in (("suspend", "suspended"), ("lock", "locked")):
        user = accounts.register(hs.url)
        alice.invite(room, user).ok()
        user.join(room).ok()
        delay_id = delay_message(user, room, LATER, {"msgtype": "m.text", "body": action}).ok()["delay_id"]
        where = "/_matrix/client/v1/admin/%s/%s" % (action, user.user_id)
        admin.put(where, {field: True}).ok()
        act(alice, delay_id, "send", token=False).expect(403)
        admin.put(where, {field: False}).ok()
        act(alice, delay_id, "send", token=False).ok()
        assert said(alice, room)[-1] == action


def test_deactivated__nothing_is_left(hs, alice, room):
    user = accounts.register(hs.url)
    alice.invite(room, user).ok()
    user.join(room).ok()
    delay_id = delay_message(user, room, LATER).ok()["delay_id"]
    user.uia("POST", "/account/deactivate").ok()
    act(alice, delay_id, "send", token=False).expect(404, "M_NOT_FOUND")


# -- kept

def test_restarted_server__what_was_due_meanwhile_is_sent_in_order(make_server):
    server = make_server().start()
    lin = accounts.register(server.url)
    room = lin.create_room()
    for body, ms in (("b", 3500), ("a", 1000), ("c", LATER)):
        delay_message(lin, room, ms, {"msgtype": "m.text", "body": body}).ok()
    server.kill()
    time.sleep(3.6)
    server.start()
    lin = Client(server.url, lin.token, lin.user_id)
    wait_until(lambda: said(lin, room) == ["a", "b"], 20 * SLOW, "what was due")
    assert [event["content"]["body"] for event in pending(lin)] == ["c"]


# The commit that takes the delayed event is refused: as if the process ended right before it.
BREAK = """
CREATE FUNCTION break_take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken by the test'; END $$;
CREATE TRIGGER break_take BEFORE DELETE ON delayed_events FOR EACH ROW EXECUTE FUNCTION break_take();
"""
MEND = "DROP TRIGGER break_take ON delayed_events; DROP FUNCTION break_take();"


def test_commit_fails__neither_sent_nor_forgotten_until_it_does_not(make_server):
    server = make_server().start()
    lin = accounts.register(server.url)
    room = lin.create_room()
    server.sql(BREAK)
    delay_message(lin, room, SOON).ok()
    wait_until(lambda: "delayed.not_sent" in server.log(), 20 * SLOW, "a try")
    assert said(lin, room) == [] and len(pending(lin)) == 1
    server.kill()
    server.start()
    lin = Client(server.url, lin.token, lin.user_id)
    server.sql(MEND)
    wait_until(lambda: said(lin, room) == ["later"], 30 * SLOW, "the message")
    assert pending(lin) == []


@pytest.mark.parametrize("action", ["restart", "cancel"])
def test_put_off_or_cancelled_while_it_is_being_committed__is_not_sent(make_server, action):
    """Who is told that it was put off, or cancelled, gets no event."""
    with Cluster() as cluster:
        server = make_server(settings={"database.url": cluster.url}).start()
        lin = accounts.register(server.url)
        room = lin.create_room()
        delay_id = delay_message(lin, room, int(3000 * SLOW)).ok()["delay_id"]
        with HeldTable(cluster.url, "events") as held:
            wait_until(held.is_waited_for, 20 * SLOW, "the commit")
            act(lin, delay_id, action).ok()
        if action == "restart":
            act(lin, delay_id, "cancel").ok()
        lin.send(room, "after")
        assert said(lin, room) == ["after"]


# -- two processes

@pytest.fixture(scope="module")
def pair():
    with twins({"presence.enabled": "false"}) as servers:
        yield servers


def test_two_processes__each_event_is_sent_once_and_soon(pair):
    lin = accounts.register(pair[0].url)
    room = lin.create_room()
    both = [lin, at(pair[1], lin)]
    began = time.time()
    for number in range(40):
        delay_message(both[number % 2], room, 300 + 10 * number, {"msgtype": "m.text", "body": "%02d" % number}).ok()
    wait_until(lambda: len(said(lin, room)) >= 40, 30 * SLOW, "all")
    assert sorted(said(lin, room)) == ["%02d" % number for number in range(40)]
    assert SLOW > 1 or time.time() - began < 10


def test_two_processes__cancelled_at_one_while_the_other_sends__one_of_them_counts(pair):
    """Who is told that it was cancelled gets no event, and who is told that it is gone gets it."""
    lin = accounts.register(pair[0].url)
    room = lin.create_room()
    both, sent = [lin, at(pair[1], lin)], []
    for number in range(20):
        delay_id = delay_message(both[0], room, 150, {"msgtype": "m.text", "body": "%02d" % number}).ok()["delay_id"]
        time.sleep(0.14 + 0.001 * number)
        cancelled = act(both[number % 2], delay_id, "cancel")
        assert cancelled.status in (200, 404)
        wait_until(lambda delay_id=delay_id: delay_id not in [event["delay_id"] for event in pending(lin)], 20 * SLOW, "its end")
        sent += ["%02d" % number] * (cancelled.status == 404)
    lin.send(room, "end")  # where that is shown, all before it is, whichever of them has sent it
    assert said(lin, room) == sent + ["end"]


def test_two_processes__the_one_that_sends_is_killed__the_other_goes_on(pair):
    lin = accounts.register(pair[1].url)
    room = lin.create_room()
    delay_message(at(pair[0], lin), room, SOON).ok()
    wait_until(lambda: said(lin, room) == ["later"], 20 * SLOW, "the first")
    for number in range(30):
        delay_message(lin, room, 1000 + 20 * number, {"msgtype": "m.text", "body": "%02d" % number}).ok()
    time.sleep(1.2)
    pair[0].kill()
    try:
        wait_until(lambda: len(said(lin, room)) >= 31, 30 * SLOW, "all")
        assert sorted(said(lin, room)) == ["%02d" % number for number in range(30)] + ["later"]
    finally:
        pair[0].start()
