"""Simplified sliding sync (MSC4186): what clients that ask for very much make the server hold."""
import http.client
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import SLOW, unique
from support.processes import peak_kib
from support.server import free_port, wait_until
from support.sliding import PATH, Answer, Sliding, ask, wanted, window

MIB = 1024

pytestmark = pytest.mark.one_process("the memory of one process is looked at")


@pytest.fixture(autouse=True)
def no_quarantine(monkeypatch):
    """Sanitizers keep freed memory for a while: not so much that growth could not be told from it."""
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4")


def rss_kib(server):
    """Resident memory of the server's process."""
    with open("/proc/%d/status" % server.process.pid, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


@pytest.fixture
def server(make_server):
    return make_server(settings={"rate_limits.enabled": "false", "listen.metrics": "127.0.0.1:%d" % free_port()}).start()


def test_lists__each_wants_other_state_of_the_same_rooms__joined_once(server):
    """Not again for each list and room: that were 130 MiB here, and 16 GiB for 5,000 rooms."""
    alice = accounts.register(server.url)
    rooms = {alice.create_room() for _ in range(40)}
    lists = {"l%d" % number: window(99, 0, [("t%d.%d" % (number, entry), "") for entry in range(9)] + [("m.room.topic", "")])
             for number in range(100)}
    lists["l42"]["required_state"][0] = ["m.room.create", ""]
    before = peak_kib(server.process.pid)
    answer = Answer(ask(alice, {"lists": lists}).ok().json)
    assert answer.rooms == rooms
    assert all(set(answer.room(room).state) == {("m.room.create", "")} for room in rooms)
    assert ask(alice, {"lists": lists}, answer.pos).ok().json["rooms"] == {}
    assert peak_kib(server.process.pid) - before < 60 * MIB


def test_account_data__very_much_of_one_room__the_others_are_spared(server):
    """Room for all of it in each room were 100 MiB here."""
    alice = accounts.register(server.url)
    rooms = [alice.create_room() for _ in range(100)]
    alice.put("/user/%s/rooms/%s/account_data/org.example.x" % (alice.user_id, rooms[0]), {"n": 1}).ok()
    server.sql("INSERT INTO account_data SELECT user_id, room_nid, 'org.example.' || n, '{}', position FROM account_data, "
               "generate_series(1, 20000) AS n WHERE type = 'org.example.x'")
    body = {"lists": {"all": window(99, 0)}, "extensions": {"account_data": {"enabled": True}}}
    before = peak_kib(server.process.pid)
    answer = Answer(ask(alice, body).ok().json)
    assert {room: len(data) for room, data in answer.extension("account_data")["rooms"].items()} == {rooms[0]: 20001}
    assert peak_kib(server.process.pid) - before < 60 * MIB


@pytest.mark.skipif(SLOW > 1, reason="a sanitizer takes more beside each piece of memory than is looked for")
def test_positions__many_of_few_rooms__each_takes_as_much_as_it_is(server):
    """Not an arena's first block of 8 KiB, of which the budget of the cache knew nothing: 16 MiB of it were 115."""
    alice = accounts.register(server.url)
    room = alice.create_room()
    body = {"lists": {"all": window(9, 0, [("m.room.name", "")])}}
    begin = [ask(alice, {**body, "conn_id": "c%d" % number}).ok().json["rooms"].keys() for number in range(100)]
    before = rss_kib(server)
    begin += [ask(alice, {**body, "conn_id": "c%d" % number}).ok().json["rooms"].keys() for number in range(1500)]
    assert all(rooms == {room} for rooms in begin)
    assert rss_kib(server) - before < 6 * MIB


def test_positions__of_one_connection__two_in_memory(server):
    """As in the database: the client may come back with the newest, or with the one before."""
    alice = accounts.register(server.url)
    alice.create_room()
    taken, pos = [], None
    for number in range(12):
        answer = ask(alice, {"lists": {"all": window(9, 0, [("m.room.%s" % ("name", "icon")[number % 2], "")])}}, pos).ok()["pos"]
        assert answer != pos
        pos = answer
        taken.append(server.metric(r'belfry_cache_used_bytes{cache="sliding_positions"}'))
    assert taken[1] > taken[0] > 0 and max(taken[1:]) < 2.5 * taken[0], taken


def events_asked(server):
    return sum(server.metric(r'belfry_cache_%s_total{cache="events"}' % kind) or 0 for kind in ("hits", "misses"))


@pytest.mark.parametrize("others", [1, 30], ids=["next to the newest", "behind more than are in memory"])
def test_bump_stamp__newest_event_does_not_bump__few_are_read(server, others):
    """What happened is mostly next to it; else the database is asked where, not for a thousand events."""
    alice = accounts.register(server.url)
    room = alice.create_room()
    for number in range(60):
        event = alice.send(room, str(number))
    for number in range(others):
        alice.send(room, {"m.relates_to": {"rel_type": "m.annotation", "event_id": event, "key": str(number)}}, "m.reaction")
    before = events_asked(server)
    part = Answer(ask(alice, {"lists": {"all": window(9, 1)}}).ok().json).room(room)
    assert events_asked(server) - before < 5
    assert part["bump_stamp"] == int(server.sql("select position from events where event_id = '%s'" % event))


@pytest.mark.parametrize("body", [
    b'{"lists":{"a":{"ranges":[[0,9]],"x":[%s]}}}' % b",".join([b"0"] * 120000),
    b'{"room_subscriptions":{%s}}' % b",".join(
        b'"!%d:hs1":{"required_state":[%s]}' % (number, b",".join([b'["",""]'] * 200)) for number in range(150)),
], ids=["unknown fields", "subscriptions that want the same"])
def test_wait__large_body__what_waits_is_not_many_times_as_large(server, body):
    """With 30 times its size it were 300 MiB here."""
    alice = accounts.register(server.url)
    pos = alice.post(PATH, raw=body).ok()["pos"]
    waiting = [http.client.HTTPConnection(server.url.partition("//")[2]) for _ in range(40)]
    before = rss_kib(server)
    for connection in waiting:
        connection.request("POST", "%s?timeout=60000&pos=%s" % (PATH, pos), body, {"Authorization": "Bearer " + alice.token})
    wait_until(lambda: (server.metric("belfry_http_parked") or 0) >= len(waiting), 60, "all wait")
    assert rss_kib(server) - before < 120 * MIB


def runs_of(server):
    """Runs through all rooms of a user: each looks once at what lists filter by."""
    return sum(server.metric(r'belfry_cache_%s_total{cache="sliding_facts"}' % kind) or 0 for kind in ("hits", "misses"))


def test_wait__back_from_an_answer__rooms_are_not_gone_through(server):
    """Where nothing came meanwhile. Else each message costs two runs."""
    alice = accounts.register(server.url)
    room = alice.create_room()
    watch = Sliding(alice, {"all": window()}, extensions={"receipts": {}, "typing": {}, "account_data": {}})
    with ThreadPoolExecutor(1) as pool:
        before = runs_of(server)
        for number in range(1, 4):
            held = pool.submit(watch.next, timeout=60000)
            wait_until(lambda: server.metric("belfry_http_parked") == 1, 60, "it waits")
            assert runs_of(server) == before + number - 1
            event = alice.send(room, "seen")
            assert held.result().room(room).ids() == [event]
            assert runs_of(server) == before + number
        event = alice.send(room, "between")
        assert watch.at_once().room(room).ids() == [event]


def test_wait__back_from_an_answer_with_another_wish__told_at_once(server):
    alice = accounts.register(server.url)
    rooms = [alice.create_room() for _ in range(3)]
    watch = Sliding(alice, {"all": window(last=0)})
    watch.lists["all"]["ranges"] = [[0, 1]]
    assert watch.at_once().rooms == {rooms[1]}
    watch.rooms = {rooms[0]: wanted()}
    assert watch.at_once().rooms == {rooms[0]}


def test_wait__a_room_was_left__the_next_comes_in_at_once(server):
    alice = accounts.register(server.url)
    rooms = [alice.create_room() for _ in range(3)]
    watch = Sliding(alice, {"all": window(last=0)})
    alice.leave(rooms[2]).ok()
    assert watch.at_once().rooms == {rooms[2]}
    assert watch.at_once().rooms == {rooms[1]}


@pytest.mark.parametrize("waits", [False, True])
def test_wait__a_room_was_forgotten__the_next_comes_in_at_once(server, waits):
    """One out of which she was put stands in lists until then. Nothing is committed."""
    alice, bob = (accounts.register(server.url) for _ in range(2))
    own, room = alice.create_room(), bob.create_room(preset="public_chat")
    alice.join(room).ok()
    bob.kick(room, alice).ok()
    watch = Sliding(alice, {"all": window(last=0)})
    assert watch.first.rooms == {room}
    assert watch.next(timeout=1).rooms == set()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(watch.at_once) if waits else None
        wait_until(lambda: (server.metric("belfry_http_parked") or 0) == int(waits), 60, "it waits")  # there once somebody has waited
        alice.forget(room).ok()
        answer = held.result() if waits else watch.at_once()
    assert answer.rooms == {own} and answer.count() == 1


def test_wait__messages_to_the_device_are_not_taken__told_again_at_once(server):
    alice = accounts.register(server.url)
    alice.create_room()
    watch = Sliding(alice, {"all": window()}, extensions={"to_device": {}})
    alice.put("/sendToDevice/m.test/" + unique("t"), {"messages": {alice.user_id: {"*": {"a": 1}}}}).ok()
    body = json.loads(json.dumps(watch.body()))
    first = Answer(ask(alice, body, watch.pos).ok().json)
    for _ in range(3):  # something else may wake one of them
        watch.pos, watch.extensions["to_device"] = first.pos, dict(body["extensions"]["to_device"])
        assert watch.at_once().extension("to_device")["events"] == first.extension("to_device")["events"] != []


def test_wait__woken_by_what_is_not_told__rooms_are_not_gone_through(server):
    """By who is online, and who types or reads where the client does not look."""
    alice, bob = accounts.register(server.url), accounts.register(server.url)
    hidden = alice.create_room(invite=[bob.user_id])
    bob.join(hidden).ok()
    event = alice.send(hidden, "read it")
    room = alice.create_room()
    watch = Sliding(alice, {"all": window(last=0)}, extensions={"receipts": {}, "typing": {}})
    assert watch.first.rooms == {room}

    def wakes():
        """A counter is not there before it counted."""
        return server.metric("belfry_http_parks_woken_total") or 0

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(watch.next, timeout=60000)
        wait_until(lambda: server.metric("belfry_http_parked") == 1, 60, "it waits")
        before = runs_of(server)
        for act in (lambda: bob.typing(hidden), lambda: bob.receipt(hidden, event),
                    lambda: bob.put("/presence/%s/status" % bob.user_id, {"presence": "unavailable", "status_msg": "away"})):
            woken = wakes()
            act().ok()
            wait_until(lambda: wakes() > woken and server.metric("belfry_http_parked") == 1, 60, "it was woken")
        assert runs_of(server) == before
        event = alice.send(room, "seen")
        assert event in held.result().room(room).ids() and runs_of(server) > before


def test_wait__body_that_asks_for_too_much__refused(server):
    """It would wait with several times its size."""
    alice = accounts.register(server.url)
    rooms = {"!%d:hs1" % number: {"required_state": [["%d" % (number * 200 + entry), ""] for entry in range(200)]} for number in range(80)}
    ask(alice, {"room_subscriptions": rooms}).expect(400, "M_TOO_LARGE")
