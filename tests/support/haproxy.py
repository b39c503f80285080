"""HAProxy before two processes of a server, with the configuration that is shipped (packaging/haproxy/).

What differs: addresses, rights, and that clients speak without TLS; for tests also that all paths are open, and that each request goes to a
random process, whatever connection it comes by.
"""
import os
import re
import shutil
import socket
import subprocess

from .client import seconds
from .processes import wait_until

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "packaging", "haproxy")
RUNNING = "2"
"""srv_op_state of `show servers state`."""


def program():
    return shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")


def _swap(text, count, *changes):
    """Each pattern is replaced; it has to be there so often, or the test would run with something else than it says."""
    for pattern, new in changes:
        text, found = re.subn(pattern, lambda _, new=new: new, text, flags=re.M)
        assert found == count, "haproxy.cfg has %r %d times" % (pattern, found)
    return text


class Haproxy:
    def __init__(self, folder, port, servers, for_tests=True):
        """servers: pairs of the ports for requests and for health, one for each process.
        for_tests: all paths are open, and each request goes to a random process."""
        self.folder, self.port, self.servers, self.for_tests = folder, port, servers, for_tests
        self.path = os.path.join(folder, "haproxy.cfg")
        self.socket = os.path.join(folder, "haproxy.sock")
        self.federation = None
        self.process = None

    def federate(self, address, certificate, key):
        """Other homeservers come to this address, by TLS."""
        pem = os.path.join(self.folder, "haproxy.pem")
        with open(pem, "w", encoding="ascii") as file:
            for source in (certificate, key):
                with open(source, encoding="ascii") as part:
                    file.write(part.read())
        self.federation = "bind %s ssl crt %s alpn http/1.1" % (address, pem)

    def text(self):
        with open(os.path.join(FOLDER, "haproxy.cfg"), encoding="utf-8") as file:
            text = file.read()
        text = _swap(
            text, 1,
            (r"^\tlog /dev/log local0$", "\tlog stdout format raw local0"), (r"^\tmaxconn 40000$", "\tmaxconn 2000"),
            (r"^\tchroot .*\n", ""), (r"^\tuser .*\n", ""), (r"^\tgroup .*\n", ""),
            (r"/run/haproxy/admin.sock mode 660(?= level admin$)", self.socket),
            (r"/etc/haproxy/belfry-502.http", os.path.join(FOLDER, "belfry-502.http")),
            (r"/etc/haproxy/belfry-503.http", os.path.join(FOLDER, "belfry-503.http")),
            (r"^\tbind :443 .*$", "\tbind 127.0.0.1:%d" % self.port),
            (r"^\tbind :80\n", ""), (r"^\thttp-request redirect scheme .*\n", ""),
            (r"^\tbind :8448 .*$", "\t" + (self.federation or "bind unix@%s/federation.sock" % self.folder)),
            (r"inter 1s", "inter 200ms"))
        if self.for_tests:
            text = _swap(text, 1, (r"^\thttp-request deny .* /_belfry/ .*\n", ""))
            text = _swap(text, 3, (r"^\tbalance .*$", "\tbalance random"), (r"^\thash-type .*\n", ""))
        for number, (port, health) in enumerate(self.servers, 1):
            text = _swap(text, 3, (r"127\.0\.0\.1:80%d8\b" % number, "127.0.0.1:%d" % port))
            text = _swap(text, 1, (r"port 90%d8\b" % number, "port %d" % health))
        return text

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.text())
        with open(os.path.join(self.folder, "haproxy.log"), "ab") as log:
            self.process = subprocess.Popen([program(), "-db", "-f", self.path], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, command):
        """What the socket for administrators answers."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(seconds(10))
            link.connect(self.socket)
            link.sendall(command.encode() + b"\n")
            answer = b""
            while data := link.recv(1 << 16):
                answer += data
        return answer.decode()

    def running(self):
        """Names of the servers that take requests of clients."""
        rows = [line.split() for line in self.ask("show servers state belfry").splitlines()[2:]]
        return [row[3] for row in rows if row and row[5] == RUNNING]

    def wait_running(self, limit=30):
        """Until all processes get requests."""
        def all_run():
            assert self.process.poll() is None, "HAProxy ended, see %s" % self.folder
            try:
                return len(self.running()) == len(self.servers)
            except OSError:
                return False
        wait_until(all_run, limit, "HAProxy finds all processes")
