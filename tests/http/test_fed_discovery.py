"""Where other servers are reached.  Spec: server-server API, "Resolving server names".

Each step's decision is a case of tests/unit/matrix/server_route_test.c; here are the questions to others.  Names are led to
loopback ports by network.connect_to, SRV records and what addresses are wanted come from a name server of the test's own.
"""
import contextlib
import os
import queue
import select
import socket
import threading
import time

import pytest

from support.client import seconds, unique
from support.server import wait_until
from support.dns_server import DnsServer
from support.remote import Remote

WELL_KNOWN = "/.well-known/matrix/server"
KEYS = "/_matrix/key/v2/server"


class Named(Remote):
    """A remote whose name is not its address."""

    def __init__(self, authority, name, *hosts, bind="127.0.0.1"):
        super().__init__(authority, bind)
        self.bind = bind
        self.name = name
        self.context.load_cert_chain(*authority.certificate(*(hosts or (name.partition(":")[0],))))
        self.sni = []
        self.context.sni_callback = lambda socket, name, context: self.sni.append(name)


@pytest.fixture
def net(make_federated, authority):
    """A server, and others that it finds by name."""
    class Net:
        def __init__(self):
            self.dns = DnsServer()
            self.ways = []
            self.remotes = []
            self.server = None

        def remote(self, name, *hosts, **more):
            self.remotes.append(Named(authority, name, *hosts, **more).start())
            return self.remotes[-1]

        def lead(self, host, port, remote):
            self.ways.append("%s:%d=%s:%d" % (host, port, remote.bind, remote.port))

        def start(self, **settings):
            for host in {remote.name.partition(":")[0] for remote in self.remotes}:
                for port in (443, 8448):  # nowhere, unless it was led before: nobody outside is asked
                    self.ways.append("%s:%d=127.0.0.1:1" % (host, port))
            self.server = make_federated(settings={"network.connect_to": ",".join(self.ways),
                                                   "network.dns_servers": self.dns.address, **settings}).start()
            return self

        def keys_of(self, name, limit=30):
            """The server's keys by way of our server, which has to find it; None: it did not."""
            reply = self.server.anonymous().request("GET", "/_matrix/key/v2/query/" + name, token=False, check=False).ok()
            return reply["server_keys"][0] if reply["server_keys"] else None

    net = Net()
    yield net
    net.dns.stop()
    for remote in net.remotes:
        remote.stop()


def paths(remote):
    return [ask.path for ask in remote.asked]


def host_of(remote):
    (ask,) = [ask for ask in remote.asked if ask.path == KEYS]
    return ask.headers["host"]


def test_literal_address__no_question__its_certificate(net):
    remote = Remote(net.remote("unused.example").authority).start()
    net.remotes.append(remote)
    net.start()
    assert net.keys_of(remote.name)["server_name"] == remote.name
    assert paths(remote) == [KEYS] and host_of(remote) == remote.name
    assert net.dns.asked == []


def test_name_with_port__host_and_sni_are_the_name(net):
    remote = net.remote("port.example:8999")
    net.lead("port.example", 8999, remote)
    net.start()
    assert net.keys_of("port.example:8999")
    assert paths(remote) == [KEYS] and host_of(remote) == "port.example:8999"
    assert remote.sni == ["port.example"] and net.dns.asked == []


def test_well_known__port__delegated_host_and_certificate(net):
    site = net.remote("school.example")
    remote = net.remote("school.example", "matrix.school.example")
    site.on("GET", WELL_KNOWN, lambda ask: (200, {"m.server": "matrix.school.example:8443"}))
    net.lead("school.example", 443, site)
    net.lead("matrix.school.example", 8443, remote)
    net.start()
    assert net.keys_of("school.example")
    assert paths(site) == [WELL_KNOWN] and paths(remote) == [KEYS]
    assert host_of(remote) == "matrix.school.example:8443" and remote.sni == ["matrix.school.example"]
    assert net.dns.asked == []


def test_well_known__literal_address__its_certificate(net):
    site = net.remote("school.example")
    remote = net.remote("school.example", "127.0.0.1")
    site.on("GET", WELL_KNOWN, lambda ask: (200, {"m.server": "127.0.0.1:%d" % remote.port}))
    net.lead("school.example", 443, site)
    net.start()
    assert net.keys_of("school.example")
    assert host_of(remote) == "127.0.0.1:%d" % remote.port and remote.sni == [None]


@pytest.mark.parametrize("service", ["_matrix-fed._tcp", "_matrix._tcp"])
def test_well_known__name__srv_records_of_the_delegated_host(net, service):
    site = net.remote("school.example")
    remote = net.remote("school.example", "matrix.school.example")
    site.on("GET", WELL_KNOWN, lambda ask: (200, {"m.server": "matrix.school.example"}))
    net.dns.records[service + ".matrix.school.example"] = [(10, 5, 8555, "host7.example")]
    net.lead("school.example", 443, site)
    net.lead("host7.example", 8555, remote)
    net.start()
    assert net.keys_of("school.example")
    assert host_of(remote) == "matrix.school.example" and remote.sni == ["matrix.school.example"]
    asked = ["_matrix-fed._tcp.matrix.school.example", "_matrix._tcp.matrix.school.example"]
    assert net.dns.asked == asked[:asked.index(service + ".matrix.school.example") + 1]


def test_no_well_known__srv_records__the_name_s_certificate(net):
    remote = net.remote("school.example")
    net.dns.records["_matrix-fed._tcp.school.example"] = [(10, 5, 8555, "host7.example")]
    net.lead("host7.example", 8555, remote)
    net.start()
    assert net.keys_of("school.example")
    assert host_of(remote) == "school.example" and remote.sni == ["school.example"]


def test_srv_records__first_is_down__next_by_priority(net):
    remote = net.remote("school.example")
    net.dns.records["_matrix-fed._tcp.school.example"] = [(30, 0, 8557, "c.example"), (10, 0, 8555, "a.example"),
                                                          (20, 0, 8556, "b.example")]
    net.lead("b.example", 8556, remote)
    net.ways.append("a.example:8555=127.0.0.1:1")
    net.start()
    assert net.keys_of("school.example")


class Silence:
    """A place where somebody seems to be: a connection comes about and nothing is said, or what comes is dropped."""

    def __init__(self, kind):
        self.bind = "127.0.0.1"
        self.sockets = [socket.create_server((self.bind, 0), backlog=0 if kind == "full backlog" else 100)]
        self.port = self.sockets[0].getsockname()[1]
        for _ in range(4 if kind == "full backlog" else 0):
            self.sockets.append(socket.socket())
            self.sockets[-1].setblocking(False)
            self.sockets[-1].connect_ex((self.bind, self.port))

    def took(self):
        """How many connections have come about since the last call."""
        count = 0
        self.sockets[0].setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.sockets.append(self.sockets[0].accept()[0])
                count += 1
        return count

    def stop(self):
        for one in self.sockets:
            one.close()


def multipart(data):
    return 200, (b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + data +
                 b"\r\n--b--\r\n"), {"Content-Type": "multipart/mixed; boundary=b"}


@pytest.mark.parametrize("silence", ["no TLS", "full backlog"])
def test_srv_records__first_is_silent__requests_of_all_kinds_reach_the_next(net, silence):
    """Each place has its share of a request's time for a connection."""
    remote, silent = net.remote("school.example"), Silence(silence)
    net.remotes.append(silent)
    silent.name = "a.example"
    net.dns.records["_matrix-fed._tcp.school.example"] = [(10, 0, 8555, "a.example"), (20, 0, 8556, "b.example")]
    net.lead("a.example", 8555, silent)
    net.lead("b.example", 8556, remote)
    remote.on("GET", "/_matrix/federation/v1/query/profile", lambda ask: (200, {"displayname": "Zoë"}))
    remote.on("POST", "/_matrix/federation/v1/user/keys/query", lambda ask: (200, {"device_keys": {"@u:school.example": {}}}))
    remote.on("GET", "/_matrix/federation/v1/media/download/.*", lambda ask: multipart(b"a file"))
    remote.on("PUT", "/_matrix/federation/v1/send/.*", lambda ask: (200, {"pdus": {}}))
    net.start(**{"federation.transaction_timeout": "20s"})
    alice, found = net.server.user(), {}
    kinds = {
        "keys of the server": lambda: net.keys_of("school.example"),
        "profile": lambda: alice.get("/profile/@u:school.example").ok()["displayname"],
        "keys of a user": lambda: alice.post("/keys/query", {"device_keys": {"@u:school.example": []}, "timeout": 20000}).ok()["device_keys"],
        "media": lambda: alice.get("/_matrix/client/v1/media/download/school.example/abc").raw,
    }
    alice.put("/sendToDevice/x.y/" + unique(), {"messages": {"@u:school.example": {"D": {"n": 1}}}}).ok()
    asking = [threading.Thread(target=lambda kind=kind: found.update({kind: kinds[kind]()})) for kind in kinds]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert found.pop("keys of the server")
    assert found == {"profile": "Zoë", "keys of a user": {"@u:school.example": {}}, "media": b"a file"}
    wait_until(lambda: any("/federation/v1/send/" in path for path in paths(remote)), what="the transaction")


def test_srv_records__first_was_silent__asked_last_afterwards(net):
    """It costs one request its share of the time, not each."""
    remote, silent = net.remote("school.example"), Silence("no TLS")
    net.remotes.append(silent)
    silent.name = "a.example"
    net.dns.records["_matrix-fed._tcp.school.example"] = [(10, 0, 8555, "a.example"), (20, 0, 8556, "b.example")]
    net.lead("a.example", 8555, silent)
    net.lead("b.example", 8556, remote)
    remote.on("GET", "/_matrix/federation/v1/query/profile", lambda ask: (200, {"displayname": "Zoë"}))
    net.start()
    alice = net.server.user()
    assert alice.get("/profile/@u:school.example").ok()["displayname"] == "Zoë"
    assert silent.took() > 0
    assert alice.get("/profile/@v:school.example").ok()["displayname"] == "Zoë"
    assert silent.took() == 0


def test_srv_records__another_server_names_the_first_place_in_vain__asked_first_all_the_same(net):
    """It has no certificate for that one, which says nothing of those for which it has."""
    remote, silent = net.remote("school.example"), Silence("no TLS")
    net.remotes.append(silent)
    silent.name = "b.example"
    net.dns.records["_matrix-fed._tcp.school.example"] = [(10, 0, 8555, "a.example"), (20, 0, 8556, "b.example")]
    net.dns.records["_matrix-fed._tcp.other.example"] = [(10, 0, 8555, "a.example"), (20, 0, 8557, "c.example")]
    net.lead("a.example", 8555, remote)
    net.lead("c.example", 8557, remote)
    net.lead("b.example", 8556, silent)
    remote.on("GET", "/_matrix/federation/v1/query/profile", lambda ask: (200, {"displayname": "Zoë"}))
    net.start()
    alice = net.server.user()
    assert alice.get("/profile/@u:other.example").status != 200
    assert alice.get("/profile/@u:school.example").ok()["displayname"] == "Zoë"
    assert silent.took() == 0


def test_srv_records__many_and_slow_to_connect__reached(net):
    """A place's share of the time is never so small that it is only good for fast lines."""
    remote, ports = net.remote("school.example"), range(8500, 8512)
    remote.context.sni_callback = lambda *of: time.sleep(1.2)
    remote.on("GET", "/_matrix/federation/v1/query/profile", lambda ask: (200, {"displayname": "Zoë"}))
    net.dns.records["_matrix-fed._tcp.school.example"] = [(10, 0, port, "a.example") for port in ports]
    for port in ports:
        net.lead("a.example", port, remote)
    net.start()
    assert net.server.user().get("/profile/@u:school.example").ok()["displayname"] == "Zoë"


def test_nothing__port_8448_of_the_name(net):
    remote = net.remote("school.example")
    net.lead("school.example", 8448, remote)
    net.start()
    assert net.keys_of("school.example")
    assert host_of(remote) == "school.example" and paths(remote) == [KEYS]
    assert net.dns.asked == ["_matrix-fed._tcp.school.example", "_matrix._tcp.school.example"]


def test_name_server__silent__port_8448_all_the_same(net):
    remote = net.remote("school.example")
    net.dns.is_silent = True
    net.lead("school.example", 8448, remote)
    net.start()
    assert net.keys_of("school.example")


@pytest.mark.parametrize("answer", [
    (404, {}), (200, b"no json"), (200, {"m.server": "https://x.example/"}), (200, {"m.server": ["x"]}), (200, {}),
    (500, {"m.server": "x.example"}), (200, b'{"m.server":"x.example:1"' + b" " * 60000 + b"}"),
    (200, {"m.server": "x.example:99999"}),
], ids=["404", "no json", "URL", "list", "absent", "500", "too large", "port"])
def test_well_known__of_no_use__goes_on_without(net, answer):
    site = net.remote("school.example")
    remote = net.remote("school.example")
    site.on("GET", WELL_KNOWN, lambda ask: answer)
    net.lead("school.example", 443, site)
    net.lead("school.example", 8448, remote)
    net.start()
    assert net.keys_of("school.example")
    assert paths(site) == [WELL_KNOWN]


def test_well_known__redirects__followed_but_not_for_ever(net):
    site = net.remote("school.example")
    remote = net.remote("school.example", "matrix.school.example")
    site.on("GET", WELL_KNOWN, lambda ask: (302, {}, {"Location": "/moved"}))
    site.on("GET", "/moved", lambda ask: (200, {"m.server": "matrix.school.example:8443"}))
    endless = net.remote("endless.example")
    endless.on("GET", "/.*", lambda ask: (302, {}, {"Location": "/" + unique()}))
    end = net.remote("endless.example")
    net.lead("school.example", 443, site)
    net.lead("matrix.school.example", 8443, remote)
    net.lead("endless.example", 443, endless)
    net.lead("endless.example", 8448, end)
    net.start()
    assert net.keys_of("school.example")
    assert net.keys_of("endless.example")
    assert len(endless.asked) <= 6


def test_well_known__redirect_to_http__not_followed(net):
    site = net.remote("school.example")
    remote = net.remote("school.example")
    site.on("GET", WELL_KNOWN, lambda ask: (302, {}, {"Location": "http://127.0.0.1:%d%s" % (net.server.port, WELL_KNOWN)}))
    net.lead("school.example", 443, site)
    net.lead("school.example", 8448, remote)
    net.start(**{"federation.announce": "127.0.0.1:1"})
    assert net.keys_of("school.example")


def dead_names(net):
    return {name for name in net.dns.asked if name.endswith("dead.example")}


def threads_of(server):
    return len(os.listdir("/proc/%d/task" % server.process.pid))


def test_names__thousands_that_no_name_server_tells__no_thread_for_each_and_others_are_found(net):
    net.dns.is_silent = True
    good = net.remote("good.example")
    net.dns.addresses["good.example"] = "127.0.0.1"
    net.start()
    good.name = "good.example:%d" % good.port
    alice = net.server.user()
    threads = threads_of(net.server)
    wanted = {"@u:s%d.dead.example:1" % number: [] for number in range(6000)}
    found = []

    def are_looked_up():
        assert threads_of(net.server) < threads + 50
        return len(dead_names(net)) > 100
    # Shorter than the name server is waited for: none of those that are asked first makes room for others.
    asking = threading.Thread(target=lambda: found.append(alice.post("/keys/query", {"device_keys": wanted, "timeout": 2000}).ok()))
    asking.start()
    wait_until(are_looked_up, what="names that are looked up")
    assert net.keys_of(good.name)
    assert threads_of(net.server) < threads + 50
    asking.join()
    assert len(found[0]["failures"]) == 6000
    wait_until(lambda: len(dead_names(net)) >= 128, what="the names of all that are asked at once")
    assert len(dead_names(net)) == 128


def test_names__address_that_is_not_public__not_connected_to(net):
    """Also when it is a name server that says so."""
    near = net.remote("near.example")
    net.dns.addresses["near.example"] = "127.0.0.1"
    net.start(**{"network.allow_addresses": "127.0.0.2"})
    near.name = "near.example:%d" % near.port
    assert net.keys_of(near.name) is None
    assert "near.example" in net.dns.asked and near.asked == []


def test_names__redirect_to_another__looked_up_too(net):
    site, other = net.remote("school.example"), net.remote("other.example")
    matrix = net.remote("matrix.school.example")
    net.dns.addresses["other.example"] = "127.0.0.1"
    site.on("GET", WELL_KNOWN, lambda ask: (302, {}, {"Location": "https://other.example:%d/there" % other.port}))
    other.on("GET", "/there", lambda ask: (200, {"m.server": "matrix.school.example:8448"}))
    net.lead("school.example", 443, site)
    net.lead("matrix.school.example", 8448, matrix)
    net.start()
    matrix.name = "school.example"
    assert net.keys_of("school.example")
    assert paths(other) == ["/there"]


def test_well_known__does_not_come__who_asks_for_keys_waits_no_longer_than_it_wanted(net):
    """The look for the server goes on for ten seconds; the answer comes before it has been given up."""
    looks, over = queue.Queue(), threading.Event()

    def hang(handler):
        looks.put(handler.connection)
        over.wait(seconds(60))
        handler.close_connection = True
    for name in ("query.example", "claim.example"):
        site = net.remote(name)
        site.on("GET", WELL_KNOWN, lambda ask: hang)
        net.lead(name, 443, site)
    net.start()
    alice = net.server.user()
    for path, field, of_user in (("query", "device_keys", []), ("claim", "one_time_keys", {"D": "signed_curve25519"})):
        name = path + ".example"
        found = alice.post("/keys/" + path, {field: {"@a:" + name: of_user}, "timeout": 100}).ok()
        assert list(found["failures"]) == [name]
        assert select.select([looks.get(timeout=seconds(10))], [], [], 0)[0] == [], "it has hung up"
    over.set()


@pytest.mark.one_process("each process remembers by itself where a server is")
def test_well_known__kept__not_asked_again(net):
    """Neither what it says nor that it says nothing is asked for by every request."""
    site = net.remote("school.example")
    remote = net.remote("school.example", "matrix.school.example")
    site.on("GET", WELL_KNOWN, lambda ask: (200, {"m.server": "matrix.school.example:8443"}, {"Cache-Control": "max-age=1"}))
    remote.on("GET", KEYS, lambda ask: (500, {}))
    silent = net.remote("silent.example")
    other = net.remote("silent.example")
    silent.on("GET", WELL_KNOWN, lambda ask: (404, {}))
    other.on("GET", KEYS, lambda ask: (500, {}))
    net.lead("school.example", 443, site)
    net.lead("matrix.school.example", 8443, remote)
    net.lead("silent.example", 443, silent)
    net.lead("silent.example", 8448, other)
    net.start()
    for name, there in (("school.example", remote), ("silent.example", other)):
        deadline = time.monotonic() + seconds(20)
        while len(there.asked) < 2:  # a server that failed is left alone for a second
            assert net.keys_of(name) is None and time.monotonic() < deadline
            time.sleep(0.1)
    assert paths(site) == [WELL_KNOWN] and paths(silent) == [WELL_KNOWN]
    assert len(net.dns.asked) == 2


def test_certificate__of_another_name__not_trusted(net):
    """Also when the address is right: the name decides."""
    remote = net.remote("school.example", "other.example")
    net.lead("school.example", 8448, remote)
    net.start()
    assert net.keys_of("school.example") is None
    assert remote.asked == []


def test_certificate__of_the_srv_target__not_trusted(net):
    """DNS is not to be believed: the target has to show the certificate of the name."""
    remote = net.remote("school.example", "host7.example")
    net.dns.records["_matrix-fed._tcp.school.example"] = [(10, 5, 8555, "host7.example")]
    net.lead("host7.example", 8555, remote)
    net.start()
    assert net.keys_of("school.example") is None
    assert remote.asked == []


@pytest.mark.parametrize("target", ["127.0.0.1", "localhost"])
def test_sec_5_39__srv_record_with_inner_address__not_reached(net, target):
    """Unless the configuration allows it."""
    remote = net.remote("school.example", "school.example")
    net.dns.records["_matrix-fed._tcp.school.example"] = [(10, 5, remote.port, target)]
    net.start(**{"network.allow_addresses": ""})
    assert net.keys_of("school.example") is None
    assert remote.asked == []


def test_srv_record__no_service__not_tried_elsewhere(net):
    """RFC 2782: a target of "." says that there is none."""
    remote = net.remote("school.example")
    net.dns.records["_matrix-fed._tcp.school.example"] = [(0, 0, 1, ".")]
    net.lead("school.example", 8448, remote)
    net.start()
    assert net.keys_of("school.example") is None
    assert remote.asked == []


@pytest.mark.parametrize("where", ["delegation", "redirect", "name"])
def test_sec_5_39__inner_address_of_a_server__not_reached(net, where):
    """The address is looked at when it is connected to, whoever named it."""
    site, inner = net.remote("school.example", bind="127.0.0.2"), net.remote("inner.example", "127.0.0.1")
    name = "127.0.0.1:%d" % inner.port if where == "name" else "school.example"
    site.on("GET", WELL_KNOWN, lambda ask: (
        (200, {"m.server": "127.0.0.1:%d" % inner.port}) if where == "delegation" else
        (302, {}, {"Location": "https://127.0.0.1:%d/inner" % inner.port})))
    net.lead("school.example", 443, site)
    net.start(**{"network.allow_addresses": "127.0.0.2"})
    assert net.keys_of(name) is None
    assert paths(site) == ([] if where == "name" else [WELL_KNOWN])
    assert inner.asked == [] and inner.sni == []


@pytest.mark.parametrize("name", ["127.1", "0x7f000001", "a..example", "-.example", "x" * 230 + ".example", "2130706433"])
def test_odd_name__answered(net, name):
    net.start(**{"network.allow_addresses": ""})
    assert net.keys_of(name) is None
