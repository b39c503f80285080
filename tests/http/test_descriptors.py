"""A server that has no file descriptor left: it goes on, says so, and does what it could not do once there are some again."""
import contextlib
import os
import resource
import socket
import time

import pytest

from support import accounts
from support.processes import wait_until

pytestmark = pytest.mark.one_process("its descriptors are taken away")


@contextlib.contextmanager
def none_left(server):
    """Who has one keeps it; there is no further one."""
    pid = server.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = {int(name) for name in os.listdir("/proc/%d/fd" % pid)}
    first_free = next(number for number in range(max(taken) + 2) if number not in taken)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def test_library_of_later__no_descriptor_to_read_it_with__waits_for_one(make_server):
    server = make_server().start()
    ann = accounts.register(server.url, "ann")
    room = ann.create_room()
    with none_left(server):
        ann.send(room, "\uff28\uff25\uff2c\uff2c\uff2f")  # full width: to be made searchable, by libraries that nobody needed before
        wait_until(lambda: "library.waits name=lib" in server.log(), 30, "the library being wanted")
        assert ann.get("/account/whoami").ok()

    def found():
        terms = {"search_categories": {"room_events": {"search_term": "hello"}}}
        return ann.post("/search", terms).ok()["search_categories"]["room_events"]["count"]
    wait_until(lambda: found() == 1, 30, "the message being found")


def lines(server):
    return [line for line in server.log().splitlines() if "http.accept.waits" in line]


def test_who_connects__no_descriptor_left__waits_and_the_log_says_once_what_to_do(make_server):
    server = make_server().start()
    begun = time.monotonic()
    comers = []
    with none_left(server):
        for _ in range(3):
            comer = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            comer.sendall(b"GET /_matrix/client/versions HTTP/1.1\r\nHost: hs1\r\n\r\n")
            comers.append(comer)
        wait_until(lambda: lines(server), 30, "the log saying it")
        time.sleep(0.5)  # it tries again, and nothing tells of that
    for comer in comers:
        with comer:
            assert comer.recv(12) == b"HTTP/1.1 200"
    told = lines(server)
    assert " error " in told[0] and "LimitNOFILE" in told[0]
    assert len(told) <= 1 + (time.monotonic() - begun) // 60


def test_limit_of_a_shell__more_allowed__raised_to_what_all_connections_need(make_server):
    server = make_server()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    given, _ = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    assert given >= min(hard, 2 * 16384) or hard == resource.RLIM_INFINITY and given >= 2 * 16384
