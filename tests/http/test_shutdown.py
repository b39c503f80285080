"""SIGTERM: quick, clean, nothing acknowledged is lost, whoever waits gets an answer."""
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import Client, Http, seconds
from support.processes import free_port, is_alive, once_within, wait_until
from support.twins import waiting

pytestmark = pytest.mark.one_process("how one process ends")


def test_sigterm__idle__ends_within_a_second_with_status_0(make_server):
    server = make_server()

    def end():
        server.start()
        children = set(server.known_children)
        start = time.monotonic()
        assert server.terminate() == 0
        took = time.monotonic() - start
        assert not [pid for pid in children if is_alive(pid)], "processes of the database outlived the server"
        return took
    once_within(1, end)


@pytest.mark.tsan
def test_sigterm__parked_syncs__answered(make_server):
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    user = accounts.register(server.url)
    user.create_room()
    since = user.sync().since

    def end():
        if server.process.poll() is not None:
            server.start()
        return end_with_parked_syncs(server, user, since)
    once_within(1.5, end)


def end_with_parked_syncs(server, user, since):
    """The seconds that the end takes. All get an answer."""
    replies, dropped = [], []

    def park():
        mine = Client(server.url, user.token, user.user_id)
        try:
            replies.append(mine.sync_reply(since, timeout=600000, filter={"presence": {"not_types": ["*"]}}))
        except OSError as error:
            dropped.append(error)
    threads = [threading.Thread(target=park) for _ in range(20)]
    for thread in threads:
        thread.start()
    wait_until(lambda: waiting(server) == 20, what="the waiting syncs")
    assert not replies
    start = time.monotonic()
    assert server.terminate() == 0
    took = time.monotonic() - start
    for thread in threads:
        thread.join(seconds(10))
    assert not dropped and len(replies) == 20, dropped
    for reply in replies:
        assert reply.status in (200, 503), reply
        if reply.status == 200:
            assert reply["next_batch"]
    return took


@pytest.mark.tsan
def test_sigterm__under_load__acknowledged_stays(make_server):
    server = make_server().start()
    user = accounts.register(server.url)
    room = user.create_room()
    acknowledged, stop = [], threading.Event()

    def send(number):
        mine = Client(server.url, user.token, user.user_id)
        count = 0
        while not stop.is_set():
            body = "%d-%d" % (number, count)
            count += 1
            try:
                reply = mine.put_event(room, "m.room.message", {"msgtype": "m.text", "body": body}, "t" + body)
            except OSError:
                return
            if reply.status != 200:
                return
            acknowledged.append((body, reply["event_id"]))
    with ThreadPoolExecutor(6) as pool:
        for number in range(6):
            pool.submit(send, number)
        while len(acknowledged) < 50:
            time.sleep(0.01)
        start = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - start < seconds(10), "it waits for who goes on sending"
        stop.set()
    server.start()
    user.http.drop()
    stored = {event["content"].get("body"): event["event_id"] for event in user.history(room, limit=100)}
    assert [item for item in acknowledged if stored.get(item[0]) != item[1]] == []


def test_sigterm__twice__still_clean(make_server):
    server = make_server().start()
    server.process.send_signal(signal.SIGTERM)
    server.process.send_signal(signal.SIGTERM)
    assert server.terminate() == 0


def test_sigterm__with_drain_time__served_while_health_says_no(make_server):
    port = free_port()
    server = make_server(settings={"http.drain_time": "10m", "listen.metrics": "127.0.0.1:%d" % port}, processes=1).start()
    health = Http("http://127.0.0.1:%d" % port)
    assert health.raw("GET", "/health").status == 200
    user = accounts.register(server.url)
    room = user.create_room()
    since = user.sync().since
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Client(server.url, user.token, user.user_id).sync, since, 60000)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: health.raw("GET", "/health").status == 503, what="it is drained")
        accounts.register(server.url)  # by a new connection
        event = user.send(room, "still here")
        assert waiting.result().joined(room).ids() == [event]
    assert server.terminate() == 0


def test_sigterm__drain_time_is_over__ends(make_server):
    server = make_server(settings={"http.drain_time": "300ms"}, processes=1).start()
    start = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - start >= 0.3


def test_sigint__ends_too(make_server):
    server = make_server().start()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(seconds(10)) == 0


def test_sigterm__while_starting__ends(make_server):
    server = make_server()
    server.launch()
    time.sleep(0.15)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(seconds(20)) is not None
    server.start()
    accounts.register(server.url)


def test_restart__sessions_rooms_and_tokens__still_valid(make_server):
    server = make_server().start()
    user = accounts.register(server.url, refresh_token=True)
    room = user.create_room(name="kept")
    first = user.send(room, "before")
    since = user.sync().since
    end = user.messages(room, limit=1).ok()["end"]
    server.terminate()
    server.start()
    user.http.drop()
    assert user.get("/account/whoami").ok()["device_id"] == user.device_id
    assert user.get_state(room, "m.room.name").ok()["name"] == "kept"
    second = user.send(room, "after")
    assert user.sync(since).joined(room).ids() == [second]
    assert first not in [e["event_id"] for e in user.messages(room, **{"from": end}).ok()["chunk"]]
    server.anonymous().post("/refresh", {"refresh_token": user.refresh_token}, token=False).ok()
