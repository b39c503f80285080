"""Other servers that mean harm, over the wire: the server goes on, and its memory does not grow with what they send.
Numbers in names are those of shared/security.md."""
import os
import socket
import threading
import time

import pytest

from support.client import path_of, seconds, unique
from support.remote_room import RemoteRoom
from support.shared_room import SharedRoom

MIB = 1024  # in KiB


@pytest.fixture(autouse=True)
def no_quarantine(monkeypatch):
    """Sanitizers keep freed memory for a while: not so much that growth could not be told from it."""
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4")


def rss_kib(server):
    """Resident memory of the server's process."""
    with open("/proc/%d/status" % server.process.pid, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


# -- many ends

def test_forward_extremities__thousands_of_siblings__few_stay_and_memory_too(make_federated, remote):
    """Each names the same event before it, so that each would be a forward extremity of its own."""
    server = make_federated().start()
    shared = SharedRoom(server, remote)
    room = shared.room
    point = room.message("here it parts")
    shared.deliver(point)
    siblings = [room.sign(room.draft("m.room.message", {"body": str(number)}, prev=[point])) for number in range(2000)]
    for at in range(0, len(siblings), 50):
        shared.send(*siblings[at:at + 50])
        if at == 500:
            shared.deliver(room.message("so far", prev=[point]))
            before = rss_kib(server)
    shared.deliver(room.message("all of them", prev=[point]))
    assert rss_kib(server) - before < 100 * MIB
    assert shared.knows(siblings[0]) and shared.knows(siblings[-1])
    own = shared.user.send(shared.room_id, "ours joins what is left")
    assert len(room_extremities(remote, server, shared, own)) <= 20


def room_extremities(remote, server, shared, event_id):
    """What the server's own event stands on."""
    event = remote.send(server, "GET", path_of("event", event_id)).ok()["pdus"][0]
    return event["prev_events"]


# -- what an event costs in the database

ROWS = """SELECT sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I', tablename), false, true, '')))[1]::text::bigint)
FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'inbox%'"""


def test_sec_5_9__auth_chains_that_grow__rows_of_an_event_do_not(make_federated, remote):
    """Each event names the one before among its auth events, so its chain is the longest that there can be."""
    server = make_federated().start()
    shared = SharedRoom(server, remote)
    room = shared.room

    def rows_of_events(count):
        before = int(server.sql(ROWS))
        shared.deliver(*[room.send("m.room.power_levels", {"users": {room.creator: 100}, "ban": 50 + number % 2}, "")
                         for number in range(count)])
        return int(server.sql(ROWS)) - before
    rows_of_events(10)
    first, second = rows_of_events(45), rows_of_events(45)
    assert 45 <= first <= 4 * 45 and second <= first + 10


# -- state that is hard to resolve

@pytest.mark.parametrize("version", ["1", "6", "11", "12"])
def test_sec_5_8__long_forks_of_power_and_members__resolved_and_the_room_goes_on(federated, remote, version):
    """Two sides of a fork change the same state over and over; then one event stands on both."""
    shared = SharedRoom(federated, remote, version)
    room = shared.room
    guests = ["@guest%d:%s" % (number, remote.name) for number in range(20)]
    shared.deliver(*[room.join(guest) for guest in guests])
    point = room.events[room.heads[0]]
    ends = []
    for side in ("left", "right"):
        prev, events = point, []
        for number in range(60):
            users = {} if version == "12" else {room.creator: 100}
            users.update({guests[number % 20]: 50})
            kind, content, key = [
                ("m.room.power_levels", {"users": users, "ban": 50 + number % 3}, ""),
                ("m.room.member", {"membership": "ban" if number % 4 else "leave"}, guests[number % 20]),
                ("m.room.topic", {"topic": "%s %d" % (side, number)}, "")][number % 3]
            prev = room.send(kind, content, key, prev=[prev])
            events.append(prev)
        for at in range(0, len(events), 50):
            shared.send(*events[at:at + 50])
        ends.append(prev)
    both = room.send("m.room.message", {"body": "both"}, prev=ends, depth=1000)
    shared.deliver(both)
    topic = shared.user.get_state(shared.room_id, "m.room.topic").ok()["topic"]
    assert topic in ("left 59", "right 59")
    shared.user.send(shared.room_id, "on")


# -- access lists

def test_sec_5_27__access_list_of_wildcards_from_afar__matched_in_time(federated, remote):
    shared = SharedRoom(federated, remote)
    room = shared.room
    deny = ["*a" * 60 + "?%d" % number for number in range(450)]
    shared.deliver(room.send("m.room.server_acl", {"allow": ["*"], "deny": deny}, ""))
    begun = time.monotonic()
    messages = [room.message(str(number)) for number in range(50)]
    shared.deliver(*messages)
    assert time.monotonic() - begun < seconds(10)
    # One that shuts out this server is the room's affair: nothing hangs on it here.
    shared.deliver(room.send("m.room.server_acl", {"allow": []}, "", prev=[messages[-1]]))
    federated.user().create_room()


# -- bodies that drip

def drip(server, remote, body_bytes, answers):
    """A signed transaction whose body comes byte by byte; how the connection ended."""
    host, _, port = server.server_name.rpartition(":")
    target = "/_matrix/federation/v1/send/" + unique("t")
    with socket.create_connection((host, int(port))) as plain, \
            remote.trust.wrap_socket(plain, server_hostname=host) as link:
        link.sendall(("PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nAuthorization: %s\r\n\r\n" % (
            target, body_bytes, remote.authorization("PUT", target, server.server_name, {}))).encode())
        link.settimeout(0.05)
        try:
            while True:
                link.sendall(b" ")
                try:
                    answers.append(link.recv(1000))
                    return
                except TimeoutError:
                    pass
        except OSError as error:
            answers.append(error)


def test_body_of_a_transaction__drips__cut_off_and_others_served(make_federated, make_remote):
    server = make_federated(settings={"http.body_timeout": "%ds" % seconds(1)}).start()  # in which whole bodies have to come, too
    slow, other = make_remote(), make_remote()
    slow.transaction(server).ok()
    answers = []
    threads = [threading.Thread(target=drip, args=(server, slow, 1 << 20, answers)) for _ in range(20)]
    for thread in threads:
        thread.start()
    other.transaction(server).ok()
    for thread in threads:
        thread.join(seconds(60))
    assert len(answers) == 20  # each was ended by the server, long before its body would have been
    assert not [answer for answer in answers if isinstance(answer, bytes) and b" 200 " in answer]
    slow.transaction(server).ok()


def test_answer_to_a_question__drips__other_rooms_of_that_server_go_on(make_federated, remote):
    """What was missed is asked for, and never quite comes."""
    server = make_federated().start()
    shared = SharedRoom(server, remote)
    room = shared.room
    begun = threading.Event()

    def endless(handler):
        begun.set()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(1 << 24))
        handler.end_headers()
        handler.close_connection = True
        try:
            while not remote.closing.wait(0.05):
                handler.wfile.write(b" ")
                handler.wfile.flush()
        except OSError:
            pass
    remote.on("POST", r"/_matrix/federation/v1/get_missing_events/.*", lambda ask: endless)
    room.message("kept back")
    shared.send(room.message("late"))
    assert begun.wait(seconds(20))
    # Another room of the same server is not concerned.
    other = SharedRoom(server, remote)
    other.deliver(*[other.room.message("elsewhere %d" % number) for number in range(50)])


# -- answers without end

def test_join__answer_without_end__given_up_and_memory_stays(make_federated, remote):
    server = make_federated(settings={"federation.max_join_answer": "8388608"}).start()
    room = RemoteRoom(remote).serve()
    alice = server.user()
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        piece = b'{"a":"' + b"x" * 65536 + b'"},'
        try:
            while sum(sent) < 1 << 30:
                handler.wfile.write(piece)
                sent.append(len(piece))
        except OSError:
            pass
    remote.on("PUT", r"/_matrix/federation/v2/send_join/.*", lambda ask: endless)
    before = rss_kib(server)
    reply = alice.post(path_of("join", room.room_id), {}, query={"server_name": remote.name})
    assert reply.status >= 400 and reply.errcode
    assert rss_kib(server) - before < 100 * MIB
    assert sum(sent) < 64 << 20
    alice.create_room()
