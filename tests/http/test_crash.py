"""SIGKILL to the server and its database under load: what was acknowledged is there, once, in order.

Who writes and reads meanwhile, and what is asserted at the end: support/conversation.py.
"""
import os
import signal
import time

import pytest

from support import accounts
from support.client import Client, Http, path_of, seconds
from support.conversation import Conversation
from support.processes import free_port, once_within, wait_until
from support.standby import Held


@pytest.mark.parametrize("victim", ["server", "database", "everything"])
def test_sigkill__under_load_several_times__acknowledged_events_once_and_in_order(make_server, victim):
    server = make_server().start()
    talk = Conversation(server)
    for round_number in range(3):
        talk.progress(40 + 30 * round_number)
        if victim == "server":
            server.kill()
            server.start()
        elif victim == "database":
            server.kill_database()
        else:
            server.kill_everything()
            server.start()
    talk.progress(40)
    talk.finish()
    talk.check()


@pytest.mark.tsan
def test_sigkill__once__acknowledged_events_once_and_in_order(make_server):
    server = make_server().start()
    talk = Conversation(server, writers=3)
    talk.progress(30)
    server.kill_everything()
    server.start()
    talk.progress(30)
    talk.finish()
    talk.check()


def test_sigkill__during_start_and_migration__next_start_works(make_server):
    server = make_server()
    for delay in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8):
        server.launch()
        time.sleep(delay)
        server.kill_everything()
    server.start()
    user = accounts.register(server.url)
    user.send(user.create_room())


def test_sigkill__state_and_account_data__kept(make_server):
    server = make_server().start()
    user = accounts.register(server.url)
    room = user.create_room()
    user.set_state(room, "m.room.name", {"name": "kept"})
    user.account_data("org.example.kept", {"v": 1}).ok()
    user.put("/profile/%s/displayname" % user.user_id, {"displayname": "Kept"}).ok()
    event = user.send(room)
    user.receipt(room, event, "m.fully_read").ok()
    server.kill_everything()
    server.start()
    user.http.drop()
    assert user.get_state(room, "m.room.name").ok()["name"] == "kept"
    assert user.get("/user/%s/account_data/org.example.kept" % user.user_id).ok().json == {"v": 1}
    assert user.get("/profile/%s/displayname" % user.user_id).ok()["displayname"] == "Kept"
    part = user.sync().joined(room)
    assert {"type": "m.fully_read", "content": {"event_id": event}} in part.account_data


# -- the database goes away while the server lives

def attempt_send(client, room, txn, limit):
    """(status, seconds it took); the connection must be answered within the limit."""
    start = time.monotonic()
    try:
        reply = client.request("PUT", client.room(room, "send", "m.room.message", txn),
                               {"msgtype": "m.text", "body": txn}, timeout=limit)
        return reply, time.monotonic() - start
    finally:
        client.http.drop()


def test_database_killed__requests__503_quickly_then_recovers_by_itself(make_server):
    server = make_server().start()
    user = accounts.register(server.url)
    room = user.create_room()
    for _ in range(3):
        server.kill_database()
        seen = []

        def works():
            reply, took = attempt_send(user, room, "after-kill-%d" % time.monotonic_ns(), seconds(15))
            assert took < seconds(10), "a request hung for %.1f s" % took
            assert reply.status in (200, 503), reply
            seen.append(reply.status)
            return reply.status == 200
        wait_until(works, 60, "recovery", pause=0.05)
        assert server.process.poll() is None
    assert user.sync().joined(room)


def test_database_stopped__requests__503_in_bounded_time_and_wake_up_after(make_server):
    """SIGSTOP is the partner that neither answers nor closes."""
    server = make_server().start()
    user = accounts.register(server.url)
    room = user.create_room()
    user.send(room, "before")
    pids = server.database_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        reply, took = attempt_send(user, room, "while-stopped", seconds(40))
        reply.expect(503)
        assert reply.errcode and took < seconds(30)

        def ask():
            start = time.monotonic()
            server.anonymous().get("/_matrix/client/versions", token=False).ok()
            return time.monotonic() - start
        once_within(2, ask)  # what needs no database
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
    wait_until(lambda: attempt_send(user, room, "while-stopped", seconds(15))[0].status == 200, 60, "recovery",
               pause=0.1)
    bodies = [event["content"].get("body") for event in user.history(room)]
    assert bodies.count("while-stopped") == 1, "the retried transaction was stored once"


@pytest.fixture
def patient(make_server):
    """(server, its page for load balancers): it lets a statement take an hour, and a request."""
    port = free_port()
    server = make_server(settings={"database.statement_timeout": "1h", "http.call_timeout": "1h",
                                   "listen.metrics": "127.0.0.1:%d" % port}).start()
    return server, Http("http://127.0.0.1:%d" % port)


def health(page):
    return page.raw("GET", "/health").status


def test_database_stopped__reads_however_long_a_statement_may_take__given_up(patient):
    server, page = patient
    user = accounts.register(server.url)
    devices = path_of("devices")
    pids = server.database_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        for url in server.urls():  # of one that does not write either
            client = Client(url, user.token, user.user_id)
            client.request("GET", devices, timeout=seconds(120)).expect(503)
            client.http.drop()
        wait_until(lambda: health(page) == 503, 60, "word that the database is away")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: health(page) == 200, 60, "word that it is back")
    wait_until(lambda: user.get(devices).status == 200, 60, "recovery")


def test_health__database_does_not_answer__503_before_the_question_has_come_to_an_end(patient):
    server, page = patient
    assert health(page) == 200
    with Held("host=%s user=%s dbname=postgres" % (server.socket_folder(), server.database_user()), "session_epoch"):
        wait_until(lambda: health(page) == 503, 60, "word that it does not answer")
        assert "serve.database_is_away" not in server.log()  # which would stand there if the question had been given up
    wait_until(lambda: health(page) == 200, 60, "word that it does")


def test_database_killed__parked_sync__wakes_for_events_after_recovery(make_server):
    server = make_server().start()
    user, other = accounts.register(server.url), accounts.register(server.url)
    room = user.create_room(invite=[other.user_id])
    other.join(room).ok()
    watch = other.watch()
    server.kill_database()
    wait_until(lambda: attempt_send(user, room, "after", seconds(15))[0].status == 200, 60, "recovery", pause=0.1)
    deadline = time.monotonic() + seconds(30)
    seen = []
    while "after" not in seen:
        assert time.monotonic() < deadline, "the event did not come by /sync"
        reply = other.sync_reply(watch.since, timeout=1000)
        if reply.status == 200:
            watch.since = reply["next_batch"]
            part = reply.get("rooms", {}).get("join", {}).get(room, {})
            seen += [event["content"].get("body") for event in part.get("timeline", {}).get("events", [])]
        else:
            reply.expect(503)
    assert seen.count("after") == 1
