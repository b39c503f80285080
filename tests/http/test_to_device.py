"""Messages from device to device: sending, delivery by /sync exactly once, limits."""
import threading

import pytest

from support import accounts
from support.client import path_of, unique


def send(client, messages, kind="m.test", txn=None, **more):
    return client.put(path_of("sendToDevice", kind, txn or unique("t")), {"messages": messages}, **more)


def events(answer):
    return answer.get("to_device", {}).get("events", [])


def bodies(answer):
    return [event["content"]["n"] for event in events(answer)]


def test_to_device__one_device__that_one_and_once(alice, bob):
    other = bob.login()
    watch, others = bob.watch(), other.watch()
    send(alice, {bob.user_id: {bob.device_id: {"n": 1}}}, "m.room_key_request").ok()
    answer, _ = watch.until(events)
    assert events(answer) == [{"content": {"n": 1}, "sender": alice.user_id, "type": "m.room_key_request"}]
    assert events(watch.next()) == [] and events(watch.next()) == []
    assert events(others.next()) == []


def test_to_device__answer_lost__told_again_until_the_token_comes_back(alice, bob):
    since = bob.sync().since
    send(alice, {bob.user_id: {bob.device_id: {"n": 1}}}).ok()
    first, again = bob.sync(since), bob.sync(since)
    assert bodies(first) == bodies(again) == [1]
    assert bodies(bob.sync(first.since)) == []
    assert bodies(bob.sync(since)) == []  # it has arrived: nobody gets it any more
    assert bodies(bob.sync()) == []


def test_to_device__arrived_at_one_device__waits_on_for_the_others(alice, bob):
    other, third = bob.login(), alice.login()
    beginnings = other.sync().since, third.sync().since
    send(alice, {bob.user_id: {"*": {"n": 1}}, alice.user_id: {third.device_id: {"n": 1}}}).ok()
    answer = bob.sync()
    assert bodies(answer) == [1] and bodies(bob.sync(answer.since)) == []
    assert bodies(other.sync(beginnings[0])) == [1] and bodies(third.sync(beginnings[1])) == [1]


def test_to_device__star__all_devices_and_their_own_for_those_named(alice, bob):
    other = bob.login()
    send(alice, {bob.user_id: {"*": {"n": 1}, other.device_id: {"n": 2}}, alice.user_id: {"*": {"n": 3}}}).ok()
    assert bodies(bob.sync()) == [1] and bodies(other.sync()) == [2] and bodies(alice.sync()) == [3]


def test_to_device__parked_sync__woken(alice, bob):
    watch = bob.watch()
    found = []
    thread = threading.Thread(target=lambda: found.append(watch.next(timeout=20000)))
    thread.start()
    send(alice, {bob.user_id: {bob.device_id: {"n": 7}}}).ok()
    thread.join()
    assert bodies(found[0]) == [7]


def test_to_device__unknown_devices_and_users__nothing_happens(hs, alice, bob):
    send(alice, {bob.user_id: {"NOSUCH": {"n": 1}}, "@nosuch:%s" % hs.server_name: {"*": {"n": 1}},
                 "@who:elsewhere.example": {"*": {"n": 1}}}).ok()
    assert bodies(bob.sync()) == []


def test_to_device__same_transaction__once_also_at_once(alice, bob):
    txn = unique("t")
    threads = [threading.Thread(target=lambda: send(alice, {bob.user_id: {bob.device_id: {"n": 1}}}, txn=txn).ok())
               for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    send(alice, {bob.user_id: {bob.device_id: {"n": 2}}}, txn=txn).ok()
    assert bodies(bob.sync()) == [1]
    send(alice.login(), {bob.user_id: {bob.device_id: {"n": 3}}}, txn=txn).ok()  # another device's ids are its own
    assert bodies(bob.sync()) == [1, 3]


def test_to_device__many__in_order_a_hundred_at_a_time_none_lost(alice, bob):
    watch = bob.watch()
    for number in range(230):
        send(alice, {bob.user_id: {bob.device_id: {"n": number}}}).ok()
    answers = [watch.next() for _ in range(4)]
    assert [len(events(answer)) for answer in answers] == [100, 100, 30, 0]
    assert [n for answer in answers for n in bodies(answer)] == list(range(230))
    assert bodies(bob.sync()) == []


def test_to_device__many_and_initial_sync__the_rest_follows(alice, bob):
    for number in range(130):
        send(alice, {bob.user_id: {bob.device_id: {"n": number}}}).ok()
    first = bob.sync()
    second = bob.sync(first.since, timeout=20000)
    assert bodies(first) + bodies(second) == list(range(130))


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": {"bob": {}}}, {"messages": {"@a:b": []}},
                                  {"messages": {"@a:b": {"D": "x"}}}])
def test_to_device__malformed__400(alice, body):
    alice.put(path_of("sendToDevice", "m.test", unique("t")), body).expect(400)


def test_to_device__too_large__413_and_nothing_sent(alice, bob):
    send(alice, {bob.user_id: {bob.device_id: {"n": "x" * 65536}}}).expect(413, "M_TOO_LARGE")
    many = {"D%d" % number: {} for number in range(10001)}
    send(alice, {bob.user_id: {bob.device_id: {"n": 1}, **many}}).expect(413, "M_TOO_LARGE")
    assert bodies(bob.sync()) == []


def test_to_device__text_with_nul_and_lone_keys__carried(alice, bob):
    send(alice, {bob.user_id: {bob.device_id: {"n": "a\0b", "é": 1.5}}}).ok()
    assert events(bob.sync())[0]["content"] == {"n": "a\0b", "é": 1.5}


def test_to_device__device_ended__its_messages_end(alice, bob):
    other = bob.login(device_id="TABLET")
    send(alice, {bob.user_id: {"TABLET": {"n": 1}}}).ok()
    other.post("/logout").ok()
    assert bodies(bob.login(device_id="TABLET").sync()) == []


def test_to_device__inbox_full__oldest_go(make_server):
    server = make_server(settings={"to_device.limit": "50"}).start()
    alice, bob = accounts.register(server.url), accounts.register(server.url)
    for number in range(600):
        send(alice, {bob.user_id: {bob.device_id: {"n": number}}}).ok()
    got, answer = [], bob.sync()
    while events(answer):
        got += bodies(answer)
        answer = bob.sync(answer.since)
    assert got == list(range(600))[-len(got):] and 50 <= len(got) < 600


def test_to_device__server_killed__acknowledged_ones_arrive_once(make_server):
    server = make_server().start()
    alice, bob = accounts.register(server.url), accounts.register(server.url)
    since = bob.sync().since
    for number in range(5):
        send(alice, {bob.user_id: {bob.device_id: {"n": number}}}, txn="t%d" % number).ok()
    server.kill()
    server.start()
    for number in range(5):  # the client was not sure
        send(alice, {bob.user_id: {bob.device_id: {"n": number}}}, txn="t%d" % number).ok()
    answer = bob.sync(since)
    assert bodies(answer) == list(range(5))
    assert bodies(bob.sync(answer.since)) == []
