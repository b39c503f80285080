"""What goes to other servers by transaction: events, in order, until they are taken.  Spec: server-server API,
"Transactions"."""
import concurrent.futures
import threading
import time

import pytest

from support.client import seconds
from support.database import Cluster
from support.inbox import SEND, Inbox, federated_on, let_in, let_out
from support.server import free_port, wait_until

@pytest.fixture(scope="module")
def cluster():
    with Cluster() as one:
        yield one


@pytest.fixture
def server(make_federated, cluster):
    return federated_on(cluster, make_federated)


@pytest.fixture
def patient(make_federated, cluster):
    """Waits for an answer as long as a starved machine needs to make many messages: it does not count them as missed meanwhile."""
    return federated_on(cluster, make_federated, **{"federation.transaction_timeout": "5m"})


def test_message__another_server_in_the_room__gets_it_signed(server, remote):
    inbox = Inbox(remote)
    alice = server.user()
    room = alice.create_room(preset="public_chat")
    let_in(server, room, remote.name)
    event_id = alice.send(room, "hello")
    inbox.until(lambda i: i.bodies() == ["hello"])
    (ask,) = inbox.transactions
    assert ask.authorization["origin"] == server.server_name
    assert ask.authorization["destination"] == remote.name
    assert ask.json["origin"] == server.server_name
    assert abs(ask.json["origin_server_ts"] - time.time() * 1000) < seconds(30) * 1000
    (pdu,) = ask.json["pdus"]
    assert pdu["sender"] == alice.user_id and "event_id" not in pdu and "unsigned" not in pdu
    assert server.server_name in pdu["signatures"] and event_id.startswith("$")


@pytest.mark.tsan
def test_messages__many__in_order_and_at_most_fifty_a_transaction(patient, remote):
    inbox = Inbox(remote)
    alice = patient.user()
    room = alice.create_room()
    let_in(patient, room, remote.name)
    gate = threading.Event()
    inbox.refuse = lambda ask: (gate.wait(seconds(20)), (200, {"pdus": {}}))[1]
    wanted = ["m%d" % i for i in range(120)]
    for body in wanted:
        alice.send(room, body)
    inbox.refuse = None
    gate.set()
    inbox.until(lambda i: len(i.bodies()) >= 120)
    assert inbox.bodies() == wanted
    assert max(len(ask.json["pdus"]) for ask in inbox.transactions) == 50
    ids = [ask.match.group(1) for ask in inbox.transactions]
    assert len(set(ids)) == len(ids)


@pytest.mark.tsan
def test_messages__one_under_way__others_wait_for_it(server, remote):
    """At most one transaction at a time to each destination."""
    inbox = Inbox(remote)
    alice = server.user()
    room = alice.create_room()
    let_in(server, room, remote.name)
    under_way, most, lock = 0, 0, threading.Lock()

    def slow(ask):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1
        return 200, {"pdus": {}}
    inbox.refuse = slow
    for i in range(30):
        alice.send(room, "m%d" % i)
    inbox.until(lambda i: len(i.bodies()) == 30)
    assert most == 1 and inbox.bodies() == ["m%d" % i for i in range(30)]


@pytest.mark.parametrize("trouble", ["500", "429", "closes", "hangs", "no json"])
def test_destination__fails__same_transaction_again_then_the_rest(server, remote, trouble):
    inbox = Inbox(remote)
    alice = server.user()
    room = alice.create_room()
    let_in(server, room, remote.name)

    def closes(handler):
        handler.close_connection = True

    def hangs(handler):
        remote.closing.wait(seconds(8))
        handler.close_connection = True
    inbox.refuse = lambda ask: {"500": (500, {}), "429": (429, {"errcode": "M_LIMIT_EXCEEDED"}), "closes": closes,
                                "hangs": hangs, "no json": (200, b"<html>")}[trouble]
    alice.send(room, "first")
    inbox.until(lambda i: len(i.transactions) >= 1)
    alice.send(room, "second")
    inbox.until(lambda i: len(i.transactions) >= 2, 60)
    inbox.refuse = None
    inbox.until(lambda i: "second" in i.bodies(), 60)
    first = [ask for ask in inbox.transactions if "first" in [pdu["content"].get("body") for pdu in ask.json["pdus"]]]
    assert len(first) >= 2
    assert len({ask.match.group(1) for ask in first}) == 1
    assert all(len(ask.json["pdus"]) == 1 for ask in first)
    assert inbox.bodies().count("second") == 1 and inbox.bodies()[-1] == "second"


def test_sec_5_11__event_that_a_server_chokes_on__left_out_and_the_rest_goes_on(server, remote):
    """A transaction that is refused again and again is given up, not kept at the head of the queue for ever."""
    inbox = Inbox(remote)
    alice = server.user()
    room = alice.create_room()
    let_in(server, room, remote.name)
    inbox.refuse = lambda ask: (400, {"errcode": "M_BAD_JSON", "error": "poison"}) if "poison" in str(ask.json) else (
        200, {"pdus": {}})
    alice.send(room, "poison")
    inbox.until(lambda i: i.bodies() == ["poison"])
    alice.send(room, "healthy")
    inbox.until(lambda i: [ask for ask in i.transactions if "healthy" in str(ask.json) and "poison" not in str(ask.json)], 60)
    assert "outbox.given_up" in server.log()


def test_destinations__more_are_silent_than_are_tried_at_once__each_is_tried_and_who_speaks_gets_its_events(
        make_federated, cluster, make_remote):
    """They take the request and say nothing for as long as they are waited for: that keeps no place from the others."""
    server = federated_on(cluster, make_federated, **{"federation.transaction_timeout": "3m"})
    silent, hangs, asked = [make_remote() for _ in range(40)], threading.Event(), set()

    def answer(remote):
        if not hangs.is_set():
            return 500, {}
        asked.add(remote.name)
        remote.closing.wait()
        return 500, {}
    for one in silent:
        one.on("PUT", SEND, lambda ask, one=one: answer(one))
    remote = make_remote()
    inbox = Inbox(remote)
    inbox.refuse = lambda ask: (500, {})
    alice = server.user()
    room = alice.create_room()
    let_in(server, room, remote.name, *(one.name for one in silent))
    alice.send(room, "hello")
    wait_until(lambda: server.log().count("outbox.not_reached") == 1 + len(silent), 60, "each has failed")
    hangs.set()
    wait_until(lambda: len(asked) == len(silent), 60, "each being asked again")
    inbox.refuse = None
    remote.transaction(server).ok()
    inbox.until(lambda i: i.taken)
    assert inbox.bodies()[-1:] == ["hello"]


class Held:
    """Remotes that take their time: for six seconds at first, so that they are slow, then until they are let go."""

    def __init__(self, remotes, status):
        self.remotes, self.status, self.hangs = remotes, status, False
        self.first, self.asked, self.ended, self.go = [], [], [], threading.Event()
        for one in remotes:
            one.on("PUT", SEND, lambda ask, one=one: self.answer(one))

    def answer(self, remote):
        if self.go.is_set():
            self.asked.append(remote.name)
            return 200, {"pdus": {}}
        (self.asked if self.hangs else self.first).append(remote.name)
        (self.go if self.hangs else remote.closing).wait(100 if self.hangs else 6)
        self.ended.append(remote.name)
        return self.status, {"pdus": {}}


def test_destinations__many_speak_and_never_answer__places_are_left_for_who_is_quick(make_federated, cluster, make_remote):
    """That they speak has them tried again, but not at the cost of those that refused at once."""
    server = federated_on(cluster, make_federated, **{
        "federation.transaction_timeout": "1m", "federation.retry_first": "12s", "federation.retry_longest": "1m"})
    held = Held([make_remote() for _ in range(40)], 500)
    remote = make_remote()
    inbox = Inbox(remote)
    inbox.refuse = lambda ask: (500, {})
    alice = server.user()
    room = alice.create_room()
    let_in(server, room, remote.name, *(one.name for one in held.remotes))
    alice.send(room, "hello")
    wait_until(lambda: server.log().count("outbox.not_reached") == 1 + len(held.remotes), 90, "each has failed")
    held.hangs, inbox.refuse = True, None
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(held.remotes)) as all_at_once:
        list(all_at_once.map(lambda one: one.transaction(server).ok(), [remote] + held.remotes))
    wait_until(lambda: held.asked, 60, "the first being asked again")
    inbox.until(lambda i: i.taken)
    assert inbox.bodies()[-1:] == ["hello"]
    wait_until(lambda: len(held.asked) >= 28, 60, "as many being asked again as may be")
    asked, places = len(held.asked), 1 + (time.monotonic() - begun) // 5  # so long one keeps its place
    held.go.set()
    assert asked <= 28 * places


def test_transactions__large_and_slow__half_of_the_memory_and_others_get_theirs(make_federated, cluster, make_remote):
    """Eighteen messages of 60 KB at once are more than the budget; who was slow the last time has half of it."""
    server = federated_on(cluster, make_federated, **{
        "federation.transaction_timeout": "1m", "federation.transaction_budget": "1MiB"})
    held = Held([make_remote() for _ in range(40)], 200)
    remote = make_remote()
    inbox = Inbox(remote)
    alice = server.user()
    room, other = alice.create_room(), alice.create_room()
    let_in(server, room, *(one.name for one in held.remotes))
    let_in(server, other, remote.name)
    alice.send(room, "hello")
    wait_until(lambda: len(set(held.ended)) == len(held.remotes), 60, "each has taken its time")
    held.hangs = True
    alice.send(room, "x" * 60_000)
    wait_until(lambda: len(held.asked) >= 9, 60, "as many being asked as may be")
    for i in range(3):
        alice.send(other, "m%d" % i)
        inbox.until(lambda x: x.bodies()[-1:] == ["m%d" % i])
    assert len(held.asked) == 9
    held.go.set()
    wait_until(lambda: len(set(held.asked)) == len(held.remotes), 60, "what has waited is sent")


@pytest.mark.tsan
def test_destination__down_for_long__newest_events_of_each_room_once(server, make_remote, authority):
    """Others fetch what is between by asking for missing events."""
    remote = make_remote()
    inbox = Inbox(remote)
    alice = server.user()
    rooms = [alice.create_room() for _ in range(3)]
    for room in rooms:
        let_in(server, room, remote.name)
    inbox.refuse = lambda ask: (503, {})
    alice.send(rooms[0], "lost")
    inbox.until(lambda i: i.transactions)
    for i in range(50):
        alice.send(rooms[i % 2], "m%d" % i)
    alice.send(rooms[2], "last")
    rows = "SELECT count(*) FROM outbox_missed"
    wait_until(lambda: server.sql(rows) == "3", what="three rooms are missed")
    before = len(inbox.transactions)
    inbox.refuse = None
    inbox.until(lambda i: "last" in i.bodies(), 30)
    wait_until(lambda: server.sql(rows) == "0", what="nothing is missed")
    after = [pdu for ask in inbox.transactions[before:] for pdu in ask.json["pdus"]]
    bodies = [pdu["content"]["body"] for pdu in after]
    assert bodies.count("last") == 1
    for index, room in enumerate(rooms[:2]):
        mine = [pdu["content"]["body"] for pdu in after if pdu["room_id"] == room and pdu["content"]["body"] != "lost"]
        newest = ["m%d" % i for i in range(50) if i % 2 == index][-16:]
        assert mine == newest
    assert bodies.index("last") < bodies.index("m49") < bodies.index("m48")
    alice.send(rooms[1], "on we go")
    inbox.until(lambda i: i.bodies()[-1] == "on we go")


@pytest.mark.tsan
def test_server__killed_after_the_commit__sends_after_the_start(patient, remote):
    inbox = Inbox(remote)
    alice = patient.user()
    room = alice.create_room()
    let_in(patient, room, remote.name)
    gate = threading.Event()
    inbox.refuse = lambda ask: (gate.wait(seconds(30)), (500, {}))[1]
    for i in range(60):
        alice.send(room, "m%d" % i)
    inbox.until(lambda i: i.transactions)
    patient.kill()
    inbox.transactions.clear()
    inbox.refuse = None
    gate.set()
    patient.start()
    inbox.until(lambda i: i.bodies()[-1:] == ["m59"], 30)
    got = inbox.bodies()
    assert sorted(set(got), key=got.index) == ["m%d" % i for i in range(60)]


def test_server__killed_while_a_destination_is_down__knows_it_after_the_start(server, remote):
    inbox = Inbox(remote)
    alice = server.user()
    room = alice.create_room()
    let_in(server, room, remote.name)
    inbox.refuse = lambda ask: (500, {})
    alice.send(room, "open")
    inbox.until(lambda i: len(i.transactions) >= 2)
    alice.send(room, "missed")
    wait_until(lambda: server.sql("SELECT count(*) FROM outbox_missed") == "1", what="the room is missed")
    server.kill()
    txn = inbox.transactions[0].match.group(1)
    inbox.transactions.clear()
    inbox.refuse = None
    server.start()
    inbox.until(lambda i: "missed" in i.bodies(), 30)
    assert list(dict.fromkeys(inbox.bodies())) == ["open", "missed"]  # the one that was killed may have said "open" once more
    assert inbox.transactions[0].match.group(1) == txn


def test_database__has_lost_how_far_it_came__what_waits_in_memory_is_sent_all_the_same(patient, remote):
    """The position is not flushed: a database that was killed may be behind what the server remembers. Nothing new is said after that."""
    inbox = Inbox(remote)
    alice = patient.user()
    room = alice.create_room()
    let_in(patient, room, remote.name)
    gates = [threading.Event(), threading.Event()]
    inbox.refuse = lambda ask: (gates[min(inbox.transactions.index(ask), 1)].wait(seconds(20)), (200, {"pdus": {}}))[1]
    first = alice.send(room, "m0")
    inbox.until(lambda i: i.transactions)
    position = "FROM consumers c, events e WHERE c.name = 'outbox' AND e.event_id = '%s'" % first
    wait_until(lambda: patient.sql("SELECT e.position - c.position " + position) == "1", what="all before it is done with")
    for number in range(1, 61):
        alice.send(room, "m%d" % number)
    patient.sql("UPDATE consumers SET position = position - 1 WHERE name = 'outbox'")
    gates[0].set()
    inbox.until(lambda i: len(i.transactions) == 2)
    wait_until(lambda: "outbox.begins_anew" in patient.log(), what="it is noticed")
    gates[1].set()
    inbox.until(lambda i: "m60" in i.bodies())
    assert list(dict.fromkeys(inbox.bodies())) == ["m%d" % number for number in range(61)]


def test_destination__asks_for_something__is_tried_at_once(make_federated, cluster, make_remote):
    """Its pause, which failures enough would make as long, is an hour when it asks: nothing else has it tried within the test."""
    one = federated_on(cluster, make_federated, **{"federation.retry_first": "100ms", "federation.retry_longest": "1h"})
    away, fine = make_remote(), make_remote()
    inbox, other = Inbox(away), Inbox(fine)
    alice = one.user()
    room = alice.create_room()
    let_in(one, room, away.name, fine.name)
    inbox.refuse = lambda ask: (500, {})
    alice.send(room, "hello")
    wait_until(lambda: one.sql("SELECT failures > 2 FROM destinations WHERE server = '%s'" % away.name) == "t", what="it fails")
    one.terminate()
    one.sql("UPDATE destinations SET interval_ms = 3600000, retry_at_ms = %d WHERE server = '%s'" % (
        (time.time() + 3600) * 1000, away.name))
    inbox.refuse, tries = None, len(inbox.transactions)
    one.start()
    alice.http.drop()
    alice.send(room, "again")
    other.until(lambda i: i.bodies() == ["hello", "again"])
    assert len(inbox.transactions) == tries
    away.send(one, "GET", "/_matrix/federation/v1/user/devices/%40a%3A" + one.server_name)
    inbox.until(lambda i: i.bodies() == ["hello"] * (tries + 1) + ["again"])


def test_acl__server_is_shut_out__gets_events_as_long_as_it_has_users_there(server, make_remote):
    """"Servers should still send events to denied servers if they are still residents of the room." (Server ACLs)"""
    shut = make_remote(host="127.0.0.2")
    inbox = Inbox(shut)
    alice = server.user()
    room = alice.create_room()
    let_in(server, room, shut.name)
    alice.set_state(room, "m.room.server_acl", {"allow": ["*"], "deny": ["127.0.0.2"]})
    alice.send(room, "after")
    inbox.until(lambda i: i.bodies() == ["after"])
    assert [pdu["type"] for pdu in inbox.pdus()] == ["m.room.server_acl", "m.room.message"]


@pytest.mark.tsan
def test_dead_destinations__two_hundred__a_live_one_gets_its_events_at_once(server, remote):
    inbox = Inbox(remote)
    alice = server.user()
    room = alice.create_room()
    port = free_port()
    let_in(server, room, *["127.0.1.%d:%d" % (i, port) for i in range(200)], remote.name)
    alice.send(room, "one")
    inbox.until(lambda i: i.bodies() == ["one"])
    wait_until(lambda: server.sql("SELECT count(*) FROM destinations WHERE failures > 0") == "200", 60,
               "all are known as dead")
    times = []
    for i in range(20):
        started = time.monotonic()
        alice.send(room, "m%d" % i)
        inbox.until(lambda box, i=i: box.bodies()[-1] == "m%d" % i)
        times.append(time.monotonic() - started)
    assert sorted(times)[10] < seconds(2), times  # what else the machine does may delay single ones
    assert inbox.bodies() == ["one"] + ["m%d" % i for i in range(20)]


def test_server__leaves_the_room__gets_the_leave_and_nothing_after_it(server, make_remote):
    """The last event that concerns it is the one by which its user is no longer there."""
    leaver, stayer = make_remote(), make_remote()
    inbox, other = Inbox(leaver), Inbox(stayer)
    alice = server.user()
    room, witness = alice.create_room(), alice.create_room()
    let_in(server, room, leaver.name, stayer.name)
    let_in(server, witness, leaver.name)
    alice.send(room, "before")
    let_out(server, room, leaver.name)
    alice.send(room, "after")
    alice.send(witness, "witness")
    other.until(lambda i: i.bodies() == ["before", "after"])
    inbox.until(lambda i: "witness" in i.bodies())
    assert inbox.bodies() == ["before", "witness"]


def test_server__away_while_it_left_and_came_back__gets_nothing_from_between(server, remote):
    """Catching up, too, gives only what happened while it was in the room."""
    inbox = Inbox(remote)
    alice = server.user()
    room = alice.create_room()
    let_in(server, room, remote.name)
    inbox.refuse = lambda ask: (500, {})
    alice.send(room, "open")
    inbox.until(lambda i: len(i.transactions) >= 2)
    alice.send(room, "in")
    let_out(server, room, remote.name)
    alice.send(room, "secret")
    let_in(server, room, remote.name)
    alice.send(room, "in again")
    inbox.refuse = None
    inbox.until(lambda i: "in again" in i.bodies(), 30)
    assert list(dict.fromkeys(inbox.bodies())) == ["open", "in", "in again"]


def test_user_of_another_server__invited_and_banned__its_server_is_told(server, remote):
    inbox = Inbox(remote)
    alice = server.user()
    room = alice.create_room()
    bob = "@bob:" + remote.name
    alice.ban(room, bob).ok()
    inbox.until(lambda i: [(p["state_key"], p["content"]["membership"]) for p in i.pdus()] == [(bob, "ban")])


def test_last_user_of_this_server__leaves__others_get_the_leave(server, remote):
    inbox = Inbox(remote)
    alice = server.user()
    room = alice.create_room()
    let_in(server, room, remote.name)
    alice.leave(room)
    inbox.until(lambda i: [p["content"].get("membership") for p in i.pdus()] == ["leave"])
    wait_until(lambda: server.sql("SELECT count(*) FROM server_stays WHERE to_position = 9223372036854775807 AND "
                                  "server = '%s'" % remote.name) == "0", what="nobody is known to be there")


def test_destinations_command__one_fails__listed_with_its_cause_and_tried_when_asked(make_federated, cluster, make_remote):
    one = federated_on(cluster, make_federated, **{"federation.retry_first": "1h"})
    fine, away = make_remote(), make_remote()
    inboxes = [Inbox(fine), Inbox(away)]
    alice = one.user()
    room = alice.create_room()

    def command(*words):
        return one.run("destinations", *words, settings=one.settings)
    assert "Nothing was sent" in command("list").stdout
    let_in(one, room, fine.name, away.name)
    inboxes[1].refuse = lambda ask: (503, {"errcode": "M_UNKNOWN"})
    alice.send(room, "hello")
    for inbox in inboxes:
        inbox.until(lambda i: i.bodies() == ["hello"])

    def listed(*options):
        return {line.split()[0]: line for line in command("list", *options).stdout.splitlines()[1:]
                if not line.startswith(" ")}
    for name, how in ((away.name, " failing "), (fine.name, " reached ")):  # each row is written by itself, behind the answer
        wait_until(lambda name=name, how=how: how in listed().get(name, ""), what="a row that says" + how)
    assert "1 event(s)" in listed()[away.name]
    assert set(listed("--failing")) == {away.name}
    assert "status 503" in command("list").stdout
    inboxes[1].refuse = None
    assert command("retry", fine.name).returncode == 1
    assert command("retry", "--all").returncode == 0
    inboxes[1].until(lambda i: i.bodies() == ["hello", "hello"])
    wait_until(lambda: not listed("--failing"), what="nothing fails")
