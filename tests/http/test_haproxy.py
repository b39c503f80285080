"""The configuration of HAProxy that is shipped (packaging/haproxy/), with two processes behind it."""
import threading

import pytest

from support import accounts
from support.client import Client, Http, seconds
from support.database import Cluster
from support.haproxy import Haproxy
from support.server import Server, free_port, wait_until


@pytest.fixture(scope="module")
def school():
    with Cluster() as cluster:
        server = Server(processes=2, settings={
            "http.drain_time": "10m", "database.url": cluster.url, "database.statement_timeout": "3s"}).start()
        server.cluster = cluster
        yield server
        for process in (server.process, server.second.process):
            process.terminate()  # twice: now, not in ten minutes
        server.destroy()


@pytest.fixture
def shipped(school):
    """A second HAProxy before the same processes, which balances and forbids as the file says."""
    folder = school.root + "/shipped"
    proxy = Haproxy(folder, free_port(), school.proxy.servers, for_tests=False)
    proxy.start()
    proxy.wait_running()
    yield proxy
    proxy.stop()


def asked(server):
    """How many requests each process has answered."""
    counts = []
    for _, health in server.proxy.servers:
        page = Http("http://127.0.0.1:%d" % health).raw("GET", "/metrics").raw.decode()
        counts.append(sum(int(line.rpartition(" ")[2]) for line in page.splitlines()
                          if line.startswith('belfry_http_requests_total{route="getTokenOwner",')))
    return counts


def test_tests__requests_of_one_connection__reach_both(school):
    user = accounts.register(school.url)
    before = asked(school)
    for _ in range(30):
        user.get("/account/whoami").ok()
    assert all(new > old for old, new in zip(before, asked(school)))


def test_shipped__requests_of_one_user__reach_one_process(school, shipped):
    for user in [accounts.register(school.url) for _ in range(3)]:
        before = asked(school)
        user = Client("http://127.0.0.1:%d" % shipped.port, user.token, user.user_id)
        for _ in range(10):
            user.get("/account/whoami").ok()
            user.http.drop()
        assert sorted(new - old for old, new in zip(before, asked(school))) == [0, 10]


def test_shipped__paths_for_this_machine_only__are_not_passed_on(school, shipped):
    assert school.anonymous().get("/_synapse/admin/v1/register", token=False).status == 200
    outside = Http("http://127.0.0.1:%d" % shipped.port)
    for path in ("/_synapse/admin/v1/register", "/metrics", "/health", "/index.html"):
        assert outside.raw("GET", path).status == 404
    for path in ("/_matrix/client/versions", "/.well-known/matrix/client"):
        assert outside.raw("GET", path).headers["access-control-allow-origin"] == "*"


def test_shipped__address_opened_in_a_browser__page_that_says_what_to_do(school, shipped):
    page = Http("http://127.0.0.1:%d" % shipped.port).raw("GET", "/")
    assert page.status == 200 and "This is a Matrix homeserver" in page.raw.decode()


def test_process__drained__gets_no_more_requests_and_nobody_notices(school):
    user = accounts.register(school.url)
    failed, stop = [], threading.Event()

    def ask():
        mine = Client(school.url, user.token, user.user_id)
        while not stop.is_set():
            reply = mine.post("/createRoom", {})  # which nobody may repeat
            if reply.status != 200:
                failed.append(reply)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for process in (school.second.process, school.process):
        process.terminate()
        wait_until(lambda: len(school.proxy.running()) == 1, 20, "HAProxy notices")
        process.terminate()
        assert process.wait(seconds(20)) == 0
        school.start_one(0 if process is school.process else 1)
    stop.set()
    for thread in threads:
        thread.join(seconds(30))
    assert failed == []


def test_database_away__no_process_is_healthy__what_is_in_memory_is_answered(school, shipped):
    user = accounts.register(school.url)
    user = Client("http://127.0.0.1:%d" % shipped.port, user.token, user.user_id)
    user.get("/account/whoami").ok()
    with school.cluster.frozen():
        wait_until(lambda: not shipped.running(), 60, "HAProxy notices")
        user.get("/account/whoami").ok()
        user.get("/login", token=False).ok()
    shipped.wait_running()
    user.create_room()


def test_no_process__web_clients_can_read_why(school):
    school.kill()
    reply = Http(school.url).raw("GET", "/_matrix/client/versions")
    assert reply.status == 503 and reply.json["errcode"] == "M_UNKNOWN"
    assert reply.headers["access-control-allow-origin"] == "*"
    school.start()
    accounts.register(school.url)
