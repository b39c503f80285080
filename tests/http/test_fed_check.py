"""`belfry federation check`: why another school is reached or not, with real TLS servers on loopback.

Names are led to loopback ports by network.connect_to; the name server is the test's own.
"""
import fcntl
import signal
import socket
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.client import seconds
from support.dns_server import DnsServer
from support.remote import Remote
from support.server import binary, free_port
from support.serving import serve

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")

WELL_KNOWN = "/.well-known/matrix/server"
VERSION = "/_matrix/federation/v1/version"
DIRECTORY = "/_matrix/federation/v1/query/directory"


class Net:
    """Partners by name, and the command of a school that looks for them."""

    def __init__(self, server, authority):
        self.server, self.authority = server, authority
        self.dns = DnsServer()
        self.ways = {}
        self.remotes = []

    def remote(self, name, port=8448, host=None, **more):
        """One with that server name, reached at host:port, with a certificate for its host."""
        remote = Remote(self.authority)
        host = host or name
        remote.context.load_cert_chain(*self.authority.certificate(host, **more))
        remote.name = name
        remote.on("GET", DIRECTORY, lambda ask: (404, {"errcode": "M_NOT_FOUND", "error": "no such alias"}))
        self.remotes.append(remote.start())
        self.ways[host, port] = remote.port
        return remote

    def check(self, name, **more):
        """(exit status, lines by step, all that was said)."""
        nowhere = free_port()
        for port in (443, 8448):
            self.ways.setdefault((name.partition(":")[0], port), nowhere)
        settings = {"server_name": self.server.server_name, "federation.ca_file": self.authority.ca_file,
                    "network.dns_servers": self.dns.address, "network.allow_addresses": "127.0.0.0/8",
                    "network.connect_to": ",".join("%s:%d=127.0.0.1:%d" % (*at, to) for at, to in self.ways.items()),
                    **more}
        done = self.server.run("federation", "check", name, settings=settings)
        steps = {}
        for line in done.stdout.splitlines():
            if line[:4].strip() in ("ok", "-", "BAD"):
                steps.setdefault(line[5:21].strip(), []).append(line)
        return done.returncode, steps, done.stdout + done.stderr

    def stop(self):
        self.dns.stop()
        for remote in self.remotes:
            remote.stop()


@pytest.fixture
def net(federated, authority):
    made = Net(federated, authority)
    yield made
    made.stop()


def is_bad(steps, step):
    return [line.startswith("BAD") for line in steps[step]][-1]


def test_check__all_is_well__each_step_says_what_was_seen(net):
    site = net.remote("school.example", 443)
    remote = net.remote("school.example", 8443, "matrix.school.example")
    site.on("GET", WELL_KNOWN, lambda ask: (200, {"m.server": "matrix.school.example:8443"}))
    status, steps, said = net.check("school.example")
    assert status == 0 and "BAD" not in said, said
    assert "leads to matrix.school.example:8443" in steps["well-known"][0] and "SRV" not in steps
    assert "127.0.0.1, port %d" % remote.port in steps["address"][0]
    assert "matrix.school.example" in steps["certificate"][0] and "until " in steps["certificate"][0]
    assert "GMT: trusted" in steps["certificate"][0] and "remote 1" in steps["version"][0]
    assert remote.key_id in steps["keys"][0] and steps["signed question"][0].startswith("ok")
    asked, = [ask for ask in remote.asked if ask.path == DIRECTORY]
    assert asked.authorization["destination"] == "school.example", "it is signed"


def test_check__srv_records__next_place_is_tried(net):
    net.dns.records["_matrix-fed._tcp.school.example"] = [(1, 0, 8999, "down.example"), (2, 0, 8555, "up.example")]
    remote = net.remote("school.example")
    net.ways["down.example", 8999], net.ways["up.example", 8555] = free_port(), remote.port
    status, steps, said = net.check("school.example")
    assert status == 0, said
    assert "down.example:8999 up.example:8555" in steps["SRV"][0]
    assert steps["address"][0].startswith("- ") and steps["address"][1].startswith("ok")


def test_check__srv_records__place_where_requests_end_is_bad_though_the_next_is_good(net):
    net.dns.records["_matrix-fed._tcp.school.example"] = [(1, 0, 8555, "big.example"), (2, 0, 8556, "up.example")]
    big, good = net.remote("school.example"), net.remote("school.example")
    big.on("GET", VERSION, lambda ask: (200, b"x" * 300000))
    net.ways["big.example", 8555], net.ways["up.example", 8556] = big.port, good.port
    status, steps, said = net.check("school.example")
    assert status == 1 and [line[:3] for line in steps["address"]] == ["BAD", "ok "] and steps["signed question"][0].startswith("ok"), said


def test_check__nobody_there__says_the_port_and_what_to_do(net):
    status, steps, said = net.check("school.example")
    assert status == 1 and is_bad(steps, "address") and "school.example:8448" in steps["address"][0]
    assert steps["well-known"][0].startswith("-") and "firewall" in said and "防火牆" in said and "keys" not in steps


def test_check__name_without_address__says_so(net):
    net.ways.update({("matrix.typo.example", 8448): 1})
    site = net.remote("school.example", 443)
    site.on("GET", WELL_KNOWN, lambda ask: (200, {"m.server": "matrix.tpyo.example:8448"}))
    status, steps, said = net.check("school.example")
    assert status == 1 and is_bad(steps, "address") and "DNS" in said


def test_check__well_known_that_nobody_understands__bad(net):
    site = net.remote("school.example", 443)
    site.on("GET", WELL_KNOWN, lambda ask: (200, b"<html>"))
    net.remote("school.example")
    status, steps, said = net.check("school.example")
    assert status == 1 and is_bad(steps, "well-known") and "m.server" in said and not is_bad(steps, "keys")


@pytest.mark.parametrize("fault", ["expired", "other name", "nobody's"])
def test_check__certificate_is_no_good__is_shown_all_the_same(net, fault, tmp_path_factory):
    remote = net.remote("school.example")
    if fault == "expired":
        remote.context.load_cert_chain(*net.authority.certificate("school.example", days=0.5))
    elif fault == "other name":
        remote.context.load_cert_chain(*net.authority.certificate("www.school.example"))
    else:
        other = type(net.authority)(str(tmp_path_factory.mktemp("other")))
        remote.context.load_cert_chain(*other.certificate("school.example"))
    status, steps, said = net.check("school.example")
    assert status == 1 and "TLS" in steps and is_bad(steps, "TLS") and is_bad(steps, "certificate"), said
    assert "school.example" in steps["certificate"][0] and "GMT: not trusted" in steps["certificate"][0]
    assert "憑證" in said and "version" not in steps
    assert all(not ask.headers.get("authorization") for ask in remote.asked), "nothing signed goes to somebody else"


def test_check__no_tls_at_the_port__says_so(net):
    plain = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    serve(plain)
    net.ways["school.example", 8448] = plain.server_port
    status, steps, said = net.check("school.example")
    plain.shutdown()
    plain.server_close()
    assert status == 1 and is_bad(steps, "TLS") and "TLS is not spoken" in said, said


def test_check__web_server_without_homeserver__says_so(net):
    net.remote("school.example").on("GET", VERSION, lambda ask: (502, b"Bad Gateway"))
    status, steps, said = net.check("school.example")
    assert status == 1 and is_bad(steps, "version") and "502" in steps["version"][0] and "反向代理" in said


def test_check__texts_of_others__do_not_steer_the_terminal_and_are_short(net):
    net.remote("school.example").on("GET", VERSION, lambda ask: (200, {"server": {"name": "a\u009b31m\u202eb", "version": "9" * 5000}}))
    status, steps, said = net.check("school.example")
    assert status == 0 and "a 31m b 999" in steps["version"][0] and steps["version"][0].endswith("9 …"), said
    assert len(steps["version"][0]) < 300


@pytest.mark.parametrize("body", [b"<html>", {"errcode": "M_UNRECOGNIZED", "error": "no such route"}])
def test_check__404_of_no_alias_directory__they_do_not_know_us(net, body):
    net.remote("school.example").on("GET", DIRECTORY, lambda ask: (404, body))
    status, steps, said = net.check("school.example")
    assert status == 1 and is_bad(steps, "signed question") and "status 404" in steps["signed question"][0]
    assert ("反向代理" in said) == isinstance(body, bytes)


def test_check__signed_question_is_not_answered__says_that_they_may_not_reach_us(net):
    """As by a server that asks for our keys and waits for them."""
    net.remote("school.example").on("GET", DIRECTORY, lambda ask: lambda handler: handler.connection.close())
    status, steps, said = net.check("school.example")
    assert status == 1 and is_bad(steps, "signed question") and "look for this server's keys" in said and "連不到" in said


def test_check__answer_too_large__certificate_is_trusted_all_the_same(net):
    net.remote("school.example").on("GET", VERSION, lambda ask: (200, b"x" * 300000))
    status, steps, said = net.check("school.example")
    assert status == 1 and is_bad(steps, "address") and "too large" in said
    assert steps["certificate"][0].startswith("ok") and "GMT: trusted" in steps["certificate"][0]


@pytest.mark.parametrize("fault", ["another name", "signature", "ended"])
def test_check__keys_are_not_the_server_s__says_so(net, fault):
    remote = net.remote("school.example")
    answer = {"another name": lambda: {**remote.keys(), "server_name": "old.example"},
              "signature": lambda: {**remote.keys(), "valid_until_ts": 1},
              "ended": lambda: remote.keys(valid_until_ts=1000)}[fault]
    remote.on("GET", "/_matrix/key/v2/server", lambda ask: (200, answer()))
    status, steps, said = net.check("school.example")
    assert status == 1 and is_bad(steps, "keys") and "signed question" not in steps
    assert ("timedatectl" if fault == "ended" else "server_name") in said


@pytest.mark.parametrize("refusal", [401, 403])
def test_check__they_do_not_take_us__says_why(net, refusal):
    net.remote("school.example").on("GET", DIRECTORY, lambda ask: (refusal, {"errcode": "M_X", "error": "no \x1b[31mthanks"}))
    status, steps, said = net.check("school.example")
    assert status == 1 and is_bad(steps, "signed question") and "thanks" in steps["signed question"][0]
    assert "\x1b" not in said and ("cannot verify" if refusal == 401 else "allow it") in said


def test_check__policy_refuses__looks_but_signs_nothing(net):
    remote = net.remote("school.example")
    net.server.run("federation", "deny", "school.example")
    try:
        status, steps, said = net.check("school.example")
    finally:
        net.server.run("federation", "remove", "school.example")
    assert status == 1 and is_bad(steps, "policy") and "federation allow" in said
    assert steps["keys"][0].startswith("ok") and DIRECTORY not in [ask.path for ask in remote.asked]


def test_check__own_name__as_others_find_it(net):
    status, steps, said = net.check(net.server.server_name, **{"network.allow_addresses": ""})
    assert status == 0, "also at an address of the school's network: " + said
    assert "itself" in steps["policy"][0] and "Belfry" in steps["version"][0] and "signed question" not in steps


def test_check__private_address_that_is_not_allowed__names_the_option(net):
    net.remote("school.example")
    status, steps, said = net.check("school.example", **{"network.allow_addresses": ""})
    assert status == 1 and is_bad(steps, "address") and "network.allow_addresses" in said


def test_check__ipv6_address__has_its_brackets(net):
    status, steps, said = net.check("[::1]:%d" % free_port())
    assert status == 1 and "[::1]:" in steps["address"][0] and "network.allow_addresses" in said


def test_check__waits__holds_no_data_folder_and_can_be_ended(make_server, authority):
    server = make_server().start()
    server.terminate()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(seconds(60))
        name = "127.0.0.1:%d" % silent.getsockname()[1]
        checking = subprocess.Popen([binary(), "federation", "check", name, "--data", server.data, "--set", "network.allow_addresses=127.0.0.0/8"],
                                    stdout=subprocess.DEVNULL)
        connection, _ = silent.accept()
        with connection, open(server.data + "/lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as a server that starts now
            checking.send_signal(signal.SIGINT)
            assert checking.wait(seconds(60)) == -signal.SIGINT, "not only when it has waited to the end"


def test_check__no_server_name__usage(net):
    assert net.check("no server!")[0] == 1
    done = net.server.run("federation", "check")
    assert done.returncode == 2


@pytest.mark.parametrize("moment", ["TLS", "address"])
def test_check__silence__says_where_it_ended(net, moment):
    """Somebody who takes connections and says nothing; and an answer that never comes."""
    if moment == "TLS":
        silent = socket.create_server(("127.0.0.1", 0))
        net.ways["school.example", 8448] = silent.getsockname()[1]
    else:
        remote = net.remote("school.example")
        remote.on("GET", VERSION, lambda ask: lambda handler: handler.connection.close())
    status, steps, said = net.check("school.example")
    if moment == "TLS":
        silent.close()
    assert status == 1 and is_bad(steps, moment) and ("TLS is not spoken" if moment == "TLS" else "no answer") in said, said
