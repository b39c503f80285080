"""Fixtures and options of the black-box tests; conftest.py of http/ and interop/ take them from here.

    BELFRY_BIN=…/belfry pytest tests/http              starts servers as the tests need them
    BELFRY_TEST_TARGET=http://… BELFRY_TEST_SECRET=… pytest tests/http
                                                       against a running server; tests that start, kill or
                                                       configure a server are deselected
    BELFRY_TEST_PROCESSES=2                            each server is two processes behind HAProxy (server.py); tests marked
                                                       `one_process(reason)` are deselected
    BELFRY_TEST_SLOW=5                                 multiplies all time limits (sanitizer builds)
    BELFRY_TEST_KEEP=1                                 keeps the data folders

Tests marked `peer(reason)` say where Synapse departs from the specification: against Synapse their failure
is expected.
"""
import os
import signal

import pytest

from . import accounts
from .authority import Authority
from .client import Client, Http
from .mailbox import Mailbox
from .server import PROCESSES, FederatedServer, Server, binary

TARGET = os.environ.get("BELFRY_TEST_TARGET", "")
PROCESS_FIXTURES = {"make_server", "fresh_server", "running", "federated", "make_federated", "synapse", "bridged", "make_appservice"}

# Schema deviations of Synapse, each looked at: null where the specification wants a string or nothing.
SYNAPSE_VIOLATIONS = (
    r"None is not of type",
    r"'prev_batch' is a required|'limited' is a required",
)


def pytest_configure(config):
    # A shell lets what it starts in the background ignore it, and the programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "peer(reason, only=[…]): Synapse departs from the specification here; "
                                       "only: in the cases whose names contain one of these")
    config.addinivalue_line("markers", "one_process(reason): not run with BELFRY_TEST_PROCESSES=2")
    config.addinivalue_line("markers", "tsan: worth its time under ThreadSanitizer too")
    if not TARGET and not binary():
        raise pytest.UsageError("give BELFRY_BIN (the program) or BELFRY_TEST_TARGET (a running server)")


def pytest_collection_modifyitems(config, items):
    kept, dropped = [], []
    for item in items:
        leaves_out = PROCESS_FIXTURES & set(getattr(item, "fixturenames", ())) if TARGET else (
            PROCESSES > 1 and item.get_closest_marker("one_process"))
        (dropped if leaves_out else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


class Homeserver:
    """The server that ordinary tests share."""

    def __init__(self, url, secret, process=None):
        self.url, self.secret, self.process = url, secret, process
        self.http = Http(url)
        reply = Client(self.http).get("/_matrix/client/versions", token=False)
        self.is_synapse = "synapse" in reply.headers.get("server", "").lower()
        if self.is_synapse:
            Http.ignored_violations = SYNAPSE_VIOLATIONS
        self._name = None

    @property
    def server_name(self):
        if self._name is None:
            self._name = self.user().user_id.partition(":")[2]
        return self._name

    def user(self, name=None, **more):
        """A fresh user."""
        return accounts.register(self.http, name, **more)

    def admin(self):
        return accounts.register_by_secret(self.http, self.secret, admin=True)

    def anonymous(self):
        return Client(self.http)


@pytest.fixture(scope="session")
def hs():
    if TARGET:
        yield Homeserver(TARGET.rstrip("/"), os.environ.get("BELFRY_TEST_SECRET", ""))
        return
    server = Server().start()
    try:
        yield Homeserver(server.url, server.secret, server)
    finally:
        server.destroy()


@pytest.fixture(autouse=True)
def _peer(request):
    marker = request.node.get_closest_marker("peer")
    only = marker.kwargs.get("only") if marker is not None else None
    concerned = only is None or any(text in request.node.name for text in only)
    if marker is not None and concerned and TARGET and "hs" in request.fixturenames:
        if request.getfixturevalue("hs").is_synapse:
            request.node.add_marker(pytest.mark.xfail(reason=marker.args[0], strict=False))
    yield


@pytest.fixture
def alice(hs):
    return hs.user()


@pytest.fixture
def bob(hs):
    return hs.user()


@pytest.fixture
def carol(hs):
    return hs.user()


@pytest.fixture
def nobody(hs):
    return hs.anonymous()


@pytest.fixture
def room(alice):
    """A private room of alice."""
    return alice.create_room()


@pytest.fixture
def shared(alice, bob):
    """A room of alice that bob has joined."""
    room_id = alice.create_room(invite=[bob.user_id])
    bob.join(room_id).ok()
    return room_id


@pytest.fixture(scope="module")
def box():
    """Takes the mail of those servers that were made with its settings()."""
    mailbox = Mailbox()
    yield mailbox
    mailbox.close()


@pytest.fixture
def make_server():
    """Makes servers of the test's own; they are ended and removed after it."""
    servers = []

    def make(kind=Server, **more):
        server = kind(**more)
        servers.append(server)
        return server
    yield make
    for server in servers:
        server.destroy()


@pytest.fixture
def fresh_server(make_server):
    """A running server of the test's own."""
    return make_server().start()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """The certificate authority that servers of tests trust."""
    folder = tmp_path_factory.mktemp("authority")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    return Authority(str(folder))


@pytest.fixture
def make_federated(make_server, authority):
    """Makes servers that speak TLS to others; their names are 127.0.0.1:PORT."""
    def make(**more):
        return make_server(kind=FederatedServer, authority=authority, **more)
    return make


@pytest.fixture(scope="module")
def federated(authority):
    """A running server with federation, which the tests of a file share."""
    server = FederatedServer(authority=authority).start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def bridged():
    """A running server for application services, which the tests of a file share."""
    server = Server().start()
    yield server
    server.destroy()


@pytest.fixture
def make_appservice():
    """Makes application services (appservice.py); they stop to listen after the test."""
    from .appservice import AppService
    services = []

    def make(*arguments, **more):
        services.append(AppService(*arguments, **more))
        return services[-1]
    yield make
    for service in services:
        service.stop()


@pytest.fixture(scope="module")
def synapse(authority):
    """A running Synapse, which the tests of a file share."""
    from .synapse import Synapse
    server = Synapse(authority)
    try:
        yield server.start()
    finally:
        server.destroy()


@pytest.fixture
def make_remote(authority):
    """Makes remote homeservers in Python (remote.py)."""
    from .remote import Remote
    remotes = []

    def make(**more):
        remotes.append(Remote(authority, **more).start())
        return remotes[-1]
    yield make
    for remote in remotes:
        remote.stop()


@pytest.fixture
def remote(make_remote):
    return make_remote()
