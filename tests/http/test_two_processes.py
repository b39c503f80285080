"""Two processes of one server on one database: what one commits, the other shows at once.

Each test lets users of one process meet users of the other. What a process keeps in memory was made before the other changed it. A
process hears of another's commit moments after that was acknowledged: who carries a token of the other is made to wait for it, and what is read
without one is asked for until it is there.
"""
import concurrent.futures

import pytest

from support import accounts
from support.client import path_of, unique
from support.keys import Device
from support.server import wait_until
from support.twins import at, twins


@pytest.fixture(scope="module")
def pair():
    with twins({"presence.enabled": "false"}) as servers:  # else it would be an answer to who waits for something else
        yield servers


def position_of(token):
    return int(token[1:].partition("_")[0])


@pytest.fixture
def people(pair):
    """Alice on the first, Bob on the second process, in a room of both; both follow it live."""
    alice = accounts.register(pair[0].url)
    bob = accounts.register(pair[1].url)
    room = alice.create_room(invite=[bob.user_id])
    bob.join(room).ok()
    alice.sync(bob.sync().since)  # so that its process has heard of the join
    return alice, bob, room


def test_messages__each_way__arrive_live_and_in_order(people):
    alice, bob, room = people
    for number in range(10):
        sender, reader = (alice, bob) if number % 2 else (bob, alice)
        since = reader.sync().since
        event = sender.send(room, "message %d" % number)
        live = reader.sync(since, timeout=20000)
        assert live.joined(room).ids() == [event]
    said = ["message %d" % number for number in range(10)]
    for reader in (alice, bob):
        assert [event["content"].get("body") for event in reader.history(room, "f")
                if event["type"] == "m.room.message"] == said


def test_messages__many_follow_them_at_the_other__each_has_all(pair, people):
    """One reader brings the room up to date while another takes its newest events: nobody may take them before they are all there."""
    alice, bob, room = people
    since = bob.sync().since

    def follow():
        reader, seen, token = at(pair[1], bob), [], since
        while not seen or seen[-1]["content"]["body"] != "149":
            answer = reader.sync(token, timeout=20000, filter={"room": {"timeline": {"limit": 200}}})
            if room not in answer.get("rooms", {}).get("join", {}):
                break  # 20 s without the rest
            seen += answer.joined(room).timeline
            token = answer.since
        return [event["event_id"] for event in seen]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(follow) for _ in range(6)]
        sent = [alice.send(room, str(number)) for number in range(150)]
        for reader in readers:
            assert reader.result() == sent


def test_token_of_the_other__whoever_reads_it__nothing_is_missing(pair, people):
    alice, _, room = people
    readers = (alice, at(pair[1], alice))
    since = alice.sync().since
    for number in range(20):
        event = readers[number % 2].send(room, str(number))
        own = readers[number % 2].sync(since)
        assert own.joined(room).ids() == [event]
        since = readers[1 - number % 2].sync(own.since).since
        assert position_of(since) >= position_of(own.since)
    alice.messages(room, **{"from": "s999999999999_0"}).expect(400, "M_INVALID_PARAM")


def test_waiting_sync__other_process_commits__answers(people):
    alice, bob, room = people
    since = bob.sync().since
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bob.sync, since, 30000)
        event = alice.send(room, "wake up")
        assert waiting.result().joined(room).ids() == [event]


def test_state_and_members__changed_by_the_other__known_at_once(pair, people):
    alice, bob, room = people
    assert alice.get_state(room, "m.room.name").status == 404
    here = at(pair[1], alice)
    here.set_state(room, "m.room.name", {"name": "3B"})
    wait_until(lambda: alice.get_state(room, "m.room.name").get("name") == "3B", what="the new name")
    here.kick(room, bob).ok()
    bob.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "no"}).expect(403, "M_FORBIDDEN")
    wait_until(lambda: alice.state(room)[("m.room.member", bob.user_id)]["content"]["membership"] == "leave", what="the kick")


def test_invite__by_the_other__told_to_who_waits(people):
    alice, bob, _ = people
    since = bob.sync().since
    room = alice.create_room(invite=[bob.user_id])
    live = bob.sync(since, timeout=20000)
    assert room in live["rooms"]["invite"]


def test_redaction__by_the_other__no_copy_of_the_text_is_left(people):
    alice, bob, room = people
    event = alice.send(room, "a secret")
    wait_until(lambda: bob.event(room, event).status == 200, what="the event")
    assert bob.event(room, event)["content"]["body"] == "a secret"
    alice.redact(room, event).ok()
    wait_until(lambda: bob.event(room, event).ok()["content"] == {}, what="the redaction")
    assert "a secret" not in str(bob.history(room))


def test_account_data_and_push_rules__set_by_the_other__hold(pair, people):
    alice, _, _ = people
    there = at(pair[1], alice)
    rule = path_of("pushrules", "global", "content", "homework")
    there.get("/pushrules/").ok()
    live = there.watch()
    alice.account_data("org.example.note", {"n": 1}).ok()
    live.until(lambda answer: answer.account("org.example.note") == {"n": 1})
    alice.put(rule, {"pattern": "homework", "actions": ["notify"]}).ok()
    live.until(lambda answer: answer.account("m.push_rules"))
    there.get(rule).ok()


def test_receipts__by_the_other__shown_and_counted(pair, people):
    alice, bob, room = people
    event = alice.send(room, "read this")
    there = at(pair[0], bob)
    assert there.sync().joined(room)["unread_notifications"]["notification_count"] == 1
    since = alice.sync().since
    bob.sync(since)  # so that its process knows the event
    bob.receipt(room, event).ok()
    live = alice.sync(since, timeout=20000)
    assert live.joined(room).ephemeral[0]["content"][event]["m.read"].keys() == {bob.user_id}
    assert there.sync(live.since).joined(room) == {}
    assert there.sync().joined(room)["unread_notifications"]["notification_count"] == 0


def test_messages_to_devices__through_the_other__each_once(pair, people):
    alice, bob, _ = people
    there = at(pair[0], bob)
    since = bob.sync().since
    for number in range(3):
        alice.put(path_of("sendToDevice", "org.example.kind", unique("t")),
                  {"messages": {bob.user_id: {bob.device_id: {"n": number}}}}).ok()
        reader = bob if number % 2 else there
        live = reader.sync(since, timeout=20000)
        assert [event["content"] for event in live["to_device"]["events"]] == [{"n": number}]
        since = live.since


def test_device_keys__uploaded_by_the_other__told_and_claimed_once(people):
    alice, bob, _ = people
    alice.sync()
    since = bob.sync().since
    device = Device(alice)
    device.upload(keys=6)
    live = bob.sync(since, timeout=20000)
    assert alice.user_id in live["device_lists"]["changed"]
    claimed = []
    for claimer in (alice, bob) * 3:
        reply = claimer.post("/keys/claim", {"one_time_keys": {alice.user_id: {alice.device_id: "signed_curve25519"}}}).ok()
        claimed += reply["one_time_keys"][alice.user_id][alice.device_id]
    assert len(set(claimed)) == 6


@pytest.mark.tsan
def test_many_senders__on_both__each_event_once_and_the_same_order(pair, people):
    alice, bob, room = people
    senders = [(client, number) for client in (alice, bob, at(pair[1], alice), at(pair[0], bob)) for number in range(12)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda job: job[0].send(room, "number %d" % job[1]), senders))
    for one, other in ((alice, bob), (bob, alice)):
        other.sync(one.sync().since)  # each has heard of all that the other has
    told = [[event["event_id"] for event in client.history(room, "f", limit=50) if event["type"] == "m.room.message"]
            for client in (alice, bob)]
    assert told[0] == told[1]
    assert sorted(told[0]) == sorted(sent)
    assert len(set(sent)) == len(sent)


def test_state__changed_by_many_at_both__nobody_is_turned_away(pair, people):
    """Each change lets those fail that others have built on what was before it: they try again, however often."""
    alice, _, room = people
    clients = [at(pair[number % 2], alice) for number in range(12)]

    def change(number):
        return [clients[number].put_state(room, "org.example.state", {"n": n}, "key %d" % number).status for n in range(4)]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(change, range(12)), []) == [200] * 48
    state = alice.state(room)
    assert all(state[("org.example.state", "key %d" % number)]["content"] == {"n": 3} for number in range(12))


def test_same_transaction_id__on_both__one_event(pair, people):
    alice, _, room = people
    clients = (alice, at(pair[1], alice))
    for number in range(5):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            events = set(pool.map(lambda client: client.send(room, "once", txn="t%d" % number), clients))
        assert len(events) == 1
