"""The benchmark's load generator (bench/load.c): what it takes for an error of the server, and what not."""
import os
import sys

import pytest
from support import accounts
from support.processes import binary, wait_until
from support.server import Server

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
from load import Load, ask, sync  # noqa: E402

FOLLOWERS = 3


@pytest.fixture
def hasty():
    """A server that ends idle connections soon."""
    server = Server(settings={"http.idle_timeout": "1s"}, processes=1).start()
    yield server
    server.destroy()


def waiting(server, wait_ms):
    """A room's members who wait in /sync, each wait that long."""
    load = Load(server.url, os.path.join(os.path.dirname(binary()), "bench"))
    user = accounts.register(server.url)
    line = ask("PUT", "/rooms/%s/send/m.room.message/b{n}" % user.create_room(), user.token, {"msgtype": "m.text", "body": "bench-{n}-"})
    return load, load.wake(line, [sync(user.token, wait_ms)] * FOLLOWERS)


def ended_by(port):
    """Connections to it that it has ended, and its client not yet."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        lines = [line.split() for line in file][1:]
    return sum(1 for line in lines if line[2].endswith(":%04X" % port) and line[3] == "08")


def test_idle_connection_that_the_server_ended__comes_back(hasty):
    load, wake = waiting(hasty, 2000)
    assert wake.send(2)["count"] == 2
    wait_until(lambda: ended_by(hasty.port) == FOLLOWERS + 1, 60, "all connections ended")
    assert wake.send(2)["count"] == 2
    assert load.reopened == FOLLOWERS + 1
    wake.close()


def test_connection_that_ends_in_the_middle_of_a_request__is_an_error(hasty):
    load, wake = waiting(hasty, 60000)
    hasty.kill()
    with pytest.raises(AssertionError, match="bench-load ended"):
        wake.send(1)
    assert load.reopened == 0
    wake.process.wait(10)
