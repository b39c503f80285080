"""The database fails over to a synchronous standby: what was acknowledged is there, and whoever still answers for the old one is not asked.

The connection string names both servers; the test decides when the standby takes over (support/standby.py). With Patroni: tests/ha.
"""
import concurrent.futures
import time

import pytest

from support import accounts
from support.client import path_of, seconds, unique
from support.conversation import Conversation
from support.standby import StandbyPair
from support.server import Server, free_port, wait_until

READERS = 3


@pytest.fixture(scope="module")
def pair_of_all():
    with StandbyPair() as it:
        yield it


@pytest.fixture(scope="module")
def server(pair_of_all):
    it = Server(server_name=unique("hs"), settings={"database.url": pair_of_all.url}).start()
    yield it
    it.destroy()


@pytest.fixture
def pair(pair_of_all):
    pair_of_all.make_whole()
    return pair_of_all


def put(user, room, body):
    """Once, however often it has to be asked for: the first answer may get lost with the database."""
    return user.put_event(room, "m.room.message", {"msgtype": "m.text", "body": body}, body)


def bodies(user, room):
    return [event["content"].get("body") for event in user.messages(room, limit=50).ok()["chunk"]
            if event["type"] == "m.room.message"]


def rename(user, name):
    return user.put(path_of("devices", user.device_id), {"display_name": name})


def device_name(user):
    """Not kept in memory."""
    return user.get(path_of("devices", user.device_id)).ok().get("display_name")


def read_at_once(user, pool, holding):
    """The device's name, asked for so that each holds a connection of its own to the database."""
    with holding as held:
        reads = [pool.submit(device_name, user) for _ in range(READERS)]
        wait_until(lambda: held.waiting() >= READERS, 30, "readers on connections of their own")
    return [read.result(seconds(30)) for read in reads]


def test_primary_killed__under_load__goes_on_at_the_standby_with_all_that_was_acknowledged(server, pair):
    user = accounts.register(server.url)
    room = user.create_room()
    talk = Conversation(server)
    talk.progress(60)
    pair.kill(pair.primary)
    refused = put(user, room, "refused").expect(503)
    assert refused.errcode and int(refused.headers["retry-after"]) > 0
    pair.promote()
    talk.progress(60)
    talk.finish()
    talk.check()


def test_primary_hangs_and_comes_back__nobody_waits_for_it_long_or_reads_it(server, pair):
    pair.prefer(0)  # so the first server of the connection string is the one that comes back: connections that are opened then meet it first
    user = accounts.register(server.url)
    room = user.create_room()
    rename(user, "old").ok()
    old, new = pair.primary, pair.standby
    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        assert read_at_once(user, pool, pair.held(old, "devices")) == ["old"] * READERS
        pair.freeze(old)  # and so many connections lead to it
        waiting = pool.submit(user.get, path_of("devices"))
        pair.promote()
        wait_until(lambda: put(user, room, "found").status == 200, 60, "writing again", pause=0.05)
        start = time.monotonic()
        waiting.result(seconds(30)).expect((200, 503))
        assert time.monotonic() - start < seconds(5), "who waits for the old one is told soon"
        wait_until(lambda: rename(user, "new").status == 200, 60, "writing again", pause=0.05)
        pair.thaw(old)  # it takes itself for the primary
        assert read_at_once(user, pool, pair.held(new, "devices")) == ["new"] * READERS
    assert pair.sql(old, "SELECT count(*) FROM devices WHERE display_name = 'new'") == "0"


def test_old_primary_comes_back_alone__nothing_is_written_to_it_and_the_log_says_why(server, pair):
    """So whoever made it the primary again, a person or Patroni by mistake, cannot make what was acknowledged meanwhile unsaid in silence."""
    user = accounts.register(server.url)
    room = user.create_room()
    old, new = pair.primary, pair.standby
    pair.freeze(old)
    pair.promote()
    wait_until(lambda: put(user, room, "found").status == 200, 60, "writing again", pause=0.05)
    pair.thaw(old)
    pair.kill(new)
    said = "the server at 127.0.0.1:%d takes writes, but the one at 127.0.0.1:%d has taken over from it" % (pair.ports[old], pair.ports[new])
    wait_until(lambda: said in server.log(), 60, "word that it is refused")
    put(user, room, "refused").expect(503)
    pair.start(new)
    wait_until(lambda: put(user, room, "again").status == 200, 60, "writing again", pause=0.05)
    assert bodies(user, room) == ["again", "found"]


def test_server__begun_during_a_failover__waits_says_so_and_serves(server, pair):
    it = Server(server_name=server.server_name, settings={"database.url": pair.url})
    try:
        pair.kill(pair.primary)
        it.launch()
        wait_until(lambda: "db.awaited" in it.log(), 60, "word that it waits")
        assert "session is read-only" in it.log() and it.process.poll() is None
        pair.promote()
        it.wait_ready()
        assert "db.came" in it.log()
    finally:
        it.destroy()


def test_server__waits_for_a_database__ends_by_a_signal_or_when_the_time_is_over():
    nobody = "postgresql://belfry@127.0.0.1:%d/postgres" % free_port()
    it = Server(settings={"database.url": nobody})
    try:
        it.launch()
        wait_until(lambda: "db.awaited" in it.log(), 60, "word that it waits")
        it.process.terminate()
        assert it.process.wait(seconds(30)) == 0
        it.settings["database.start_timeout"] = "1s"
        assert it.launch().process.wait(seconds(30)) == 1
        assert "There is no database that takes writes" in it.log() and "Connection refused" in it.log()
    finally:
        it.destroy()


@pytest.mark.parametrize("old,new,said", [
    ("belfry@", "stranger@", 'role "stranger" does not exist'),
    ("/postgres?", "/elsewhere?", 'database "elsewhere" does not exist'),
    ("sslmode=disable", "sslmode=sometimes", "sslmode"),
    ("sslmode=disable", "colour=red", "colour"),
])
def test_server__refused_for_good__ends_at_once_and_says_what_to_do(pair_of_all, old, new, said):
    url = "postgresql://belfry@127.0.0.1:%d/postgres?sslmode=disable" % pair_of_all.ports[pair_of_all.primary]
    it = Server(settings={"database.url": url.replace(old, new)})
    try:
        assert it.launch().process.wait(seconds(30)) == 1
        assert said in it.log() and "Correct database.url" in it.log() and "db.awaited" not in it.log()
    finally:
        it.destroy()


def test_standby_that_lacks_events_takes_over__positions_go_on_behind_those_given_out(server, pair):
    """Without a synchronous standby the last moments may be lost; what comes after them has to reach all clients nevertheless."""
    user = accounts.register(server.url)
    room = user.create_room()
    user.send(room, "kept")
    old, new = pair.primary, pair.standby
    pair.expect_no_standby()
    pair.kill(new)
    for number in range(5):
        user.send(room, "lost %d" % number)
    since = user.sync().since
    pair.kill(old)
    pair.start(new)
    pair.promote()
    wait_until(lambda: put(user, room, "new").status == 200, 60, "writing again", pause=0.05)
    live = user.sync(since, timeout=0)
    assert live.joined(room).bodies() == ["new"]
    assert bodies(user, room) == ["new", "kept"]
    assert "db.behind" in server.log()
