"""TURN credentials, with a real TURN server (coturn) on loopback."""
import base64
import contextlib
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import time

import pytest

from support import accounts
from support.client import Client
from support.server import binary, free_port, new_folder, wait_until

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")

SECRET = "shared-turn-secret"


def test_turn__none_configured__404(alice):
    alice.get("/voip/turnServer").expect(404, "M_NOT_FOUND")


def test_turn__without_token_or_as_guest__refused(make_server):
    server = make_server(settings={"turn.uris": "turn:t.example", "turn.shared_secret": SECRET,
                                   "registration.guests": "true"}).start()
    server.anonymous().get("/voip/turnServer", token=False).expect(401, "M_MISSING_TOKEN")
    guest = server.anonymous().post("/register", {}, query={"kind": "guest"}, token=False).ok()
    Client(server.url, guest["access_token"]).get("/voip/turnServer").expect(403, "M_GUEST_ACCESS_FORBIDDEN")


def test_turn__fixed_user__handed_out(make_server):
    server = make_server(settings={"turn.uris": "turn:a.example?transport=udp,turns:b.example", "turn.username": "school",
                                   "turn.password": "chalk", "turn.lifetime": "1h"}).start()
    assert accounts.register(server.url).get("/voip/turnServer").ok().json == {
        "username": "school", "password": "chalk", "uris": ["turn:a.example?transport=udp", "turns:b.example"],
        "ttl": 3600}


@pytest.mark.parametrize("settings", [{"turn.uris": "turn:a.example"}, {"turn.uris": "http://a.example",
                                                                         "turn.shared_secret": "x"}])
def test_turn__half_configured__does_not_start(make_server, settings):
    server = make_server(settings=settings)
    done = server.run("config", "check", settings=settings)
    assert done.returncode != 0 and "turn.uris" in done.stderr


@contextlib.contextmanager
def coturn(port):
    """A TURN server that knows the secret, on loopback only."""
    program = shutil.which("turnserver")
    assert program, "coturn is not installed (tools/install-deps test)"
    folder = new_folder("coturn-")
    process = subprocess.Popen(
        [program, "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--listening-port=%d" % port,
         "--use-auth-secret", "--static-auth-secret=" + SECRET, "--realm=hs1", "--no-tls", "--no-dtls", "--no-cli",
         "--allow-loopback-peers", "--log-file=stdout", "--simple-log", "--pidfile=%s/pid" % folder,
         "--userdb=%s/db" % folder],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)

    def listens():
        assert process.poll() is None, "coturn ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    try:
        wait_until(listens, 20, "coturn")
        yield
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def allocate(port, username, password):
    """Whether the TURN server relays for these credentials: turnutils_uclient sends itself packets."""
    done = subprocess.run(["turnutils_uclient", "-u", username, "-w", password, "-p", str(port), "-y", "-c", "-n", "3", "-m", "1",
                           "-t", "127.0.0.1"], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0


def test_turn__credentials_of_a_user__coturn_relays(make_server):
    port = free_port()
    server = make_server(settings={"turn.uris": "turn:127.0.0.1:%d?transport=tcp" % port, "turn.shared_secret": SECRET,
                                   "turn.lifetime": "1h"}).start()
    user = accounts.register(server.url)
    reply = user.get("/voip/turnServer").ok()
    expiry, _, name = reply["username"].partition(":")
    assert name == user.user_id and abs(int(expiry) - time.time() - 3600) < 60 and reply["ttl"] == 3600
    mac = hmac.new(SECRET.encode(), reply["username"].encode(), hashlib.sha1).digest()
    assert reply["password"] == base64.b64encode(mac).decode()
    assert SECRET not in server.log()
    with coturn(port):
        assert allocate(port, reply["username"], reply["password"])
        assert not allocate(port, reply["username"], "wrong" + reply["password"])
        stale = "%d:%s" % (time.time() - 10, user.user_id)
        mac = hmac.new(SECRET.encode(), stale.encode(), hashlib.sha1).digest()
        assert not allocate(port, stale, base64.b64encode(mac).decode())
