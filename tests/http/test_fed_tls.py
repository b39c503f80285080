"""The TLS listener: its certificate is replaced while the server runs."""
import http.client
import os
import shutil
import signal
import ssl

import pytest

from support.client import seconds
from support.server import wait_until

pytestmark = pytest.mark.one_process("of two, HAProxy speaks TLS")


def shown(server, authority):
    """The certificate that a new connection gets, in DER."""
    context = ssl.create_default_context(cafile=authority.ca_file)
    host, _, port = server.server_name.rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=seconds(20))
    connection.connect()
    try:
        return connection.sock.getpeercert(binary_form=True)
    finally:
        connection.close()


class Files:
    """The certificate's files of a server."""

    def __init__(self, folder, authority):
        self.authority = authority
        os.chmod(folder, 0o755)
        self.certificate, self.key = str(folder / "tls.pem"), str(folder / "tls.key")
        self.renew()

    def put(self, certificate=None, key=None):
        for source, to in ((certificate, self.certificate), (key, self.key)):
            if source is not None:
                shutil.copyfile(source, to + ".new")
                os.chmod(to + ".new", 0o644)
                os.replace(to + ".new", to)

    def renew(self, days=None):
        self.put(*self.authority.certificate("127.0.0.1", days=days))


@pytest.fixture
def files(tmp_path, authority):
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    return Files(tmp_path, authority)


@pytest.fixture
def server(make_federated, files):
    return make_federated(settings={"tls.certificate": files.certificate, "tls.key": files.key}).start()


def reload(server):
    server.process.send_signal(signal.SIGHUP)


def test_certificate__replaced__new_connections_get_it_and_old_ones_go_on(server, files, authority):
    before = shown(server, authority)
    context = ssl.create_default_context(cafile=authority.ca_file)
    host, _, port = server.server_name.rpartition(":")
    old = http.client.HTTPSConnection(host, int(port), context=context, timeout=seconds(20))
    old.request("GET", "/_matrix/key/v2/server")
    assert old.getresponse().read()
    files.renew()
    assert shown(server, authority) == before, "not before it is asked to"
    reload(server)
    wait_until(lambda: shown(server, authority) != before, 20, "the new certificate")
    old.request("GET", "/_matrix/key/v2/server")
    response = old.getresponse()
    assert response.status == 200 and response.read()
    old.close()
    for _ in range(3):
        last = shown(server, authority)
        files.renew()
        reload(server)
        wait_until(lambda last=last: shown(server, authority) != last, 20, "another new certificate")


@pytest.mark.parametrize("fault", ["key of another", "no certificate", "gone"])
def test_certificate__of_no_use__the_present_one_stays(server, files, authority, fault):
    before = shown(server, authority)
    if fault == "key of another":
        files.put(key=authority.certificate("127.0.0.1")[1])
    elif fault == "no certificate":
        files.put(certificate=__file__)
    else:
        os.remove(files.certificate)
    reload(server)
    wait_until(lambda: "http.tls.not_reloaded" in server.log(), 20, "that it is told")
    assert shown(server, authority) == before
    files.renew()
    reload(server)
    wait_until(lambda: shown(server, authority) != before, 20, "the new certificate")


def test_start__certificate_and_key_do_not_fit__says_so(make_federated, files, authority):
    files.put(key=authority.certificate("127.0.0.1")[1])
    server = make_federated(settings={"tls.certificate": files.certificate, "tls.key": files.key}).launch()
    assert server.process.wait(seconds(30)) != 0
    assert "cannot be used" in server.log() and files.key in server.log()


def test_certificate__that_ends__is_told_before_and_after_and_once(make_federated, files):
    files.renew(days=60)
    server = make_federated(settings={"tls.certificate": files.certificate, "tls.key": files.key}).start()
    assert "http.tls.expire" not in server.log()
    files.renew(days=10)
    for _ in range(3):
        reload(server)
        wait_until(lambda: "http.tls.expires" in server.log(), 20, "that it is told")
    files.renew(days=0.5)
    reload(server)
    wait_until(lambda: "http.tls.expired" in server.log(), 20, "that it is told")
    lines = [line for line in server.log().splitlines() if "http.tls.expire" in line]
    assert len(lines) == 2
    assert " warn " in lines[0] and "days_left=8" in lines[0] and " error " in lines[1] and "days_ago=0" in lines[1]
