"""PgBouncer before the database: its session mode serves; the others are refused at the start, with words that help."""
import concurrent.futures

import pytest

from support import accounts
from support.client import seconds, unique
from support.database import Cluster
from support.keys import Device, SigningKey, claim, curve25519
from support.pgbouncer import PgBouncer
from support.server import wait_until


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as it:
        yield it


def test_session_mode__messages_go_live__and_a_restart_of_it_is_got_over(make_server, cluster):
    with PgBouncer(cluster, "session") as bouncer:
        server = make_server(server_name=unique("hs"), settings={"database.url": bouncer.url}).start()
        user, other = accounts.register(server.url), accounts.register(server.url)
        room = user.create_room(invite=[other.user_id])
        other.join(room).ok()
        since = other.sync().since
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(other.sync, since, 30000)
            event = user.send(room, "by way of a pooler")
            assert waiting.result(seconds(30)).joined(room).ids() == [event]
        bouncer.kill()
        bouncer.start()
        wait_until(lambda: user.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "again"}).status == 200,
                   60, "writing again")
        assert server.terminate() == 0


def test_session_mode__one_time_keys_of_a_client_that_signs_wrongly__none_taken(make_server, cluster):
    """They are in the database already, not yet committed, when they are found bad: what was sent is undone, and the connection stays."""
    with PgBouncer(cluster, "session") as bouncer:
        server = make_server(server_name=unique("hs"), settings={"database.url": bouncer.url}).start()
        user, other = accounts.register(server.url), accounts.register(server.url)
        device, wrong = Device(user), SigningKey(user.device_id)
        device.upload()
        false = {"signed_curve25519:F%d" % n: wrong.over({"key": curve25519()}, user.user_id) for n in range(5)}
        for _ in range(5):
            user.post("/keys/upload", {"one_time_keys": false}).expect(400, "M_INVALID_SIGNATURE")
        assert claim(other, device) == {}
        good = device.one_time(2)
        user.post("/keys/upload", {"one_time_keys": good}).ok()
        taken, = claim(other, device).values()
        assert taken.keys() < good.keys()
        assert server.terminate() == 0


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_other_modes__start__is_refused_and_says_what_to_do(make_server, cluster, mode):
    with PgBouncer(cluster, mode) as bouncer:
        server = make_server(server_name=unique("hs"), settings={"database.url": bouncer.url}).launch()
        assert server.process.wait(seconds(30)) != 0
        assert "pool_mode = session" in server.log()
