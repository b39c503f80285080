"""Notices of the school in encrypted rooms, read by real clients: matrix-js-sdk's Rust cryptography (notices.mjs) and matrix-nio.
What is stored of the sender's device lives through kills of the server and a database that comes back from a dump.
Spec: client-server API, "End-to-End Encryption"."""
import os
import shutil
import subprocess

import pytest

from support.client import SLOW, seconds, unique

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture
def school(make_server):
    """A server with a sender."""
    server = make_server(settings={"registration.mode": "open"}).start()
    notice(server, "sender", "office", "--name", "Office")
    return server


def notice(server, *arguments):
    done = server.run("notice", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_database(server, *command, **more):
    """A tool of PostgreSQL on the embedded database, as its owner."""
    done = server.as_owner([*command[:1], "-h", server.socket_folder(), "-U", server.database_user(), *command[1:]], **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Hands:
    """Does to the server what the script asks for."""

    def __init__(self, server):
        self.server, self.copy, self._name = server, None, None

    def send(self, room_id, *words):
        notice(self.server, "send", "office", room_id, " ".join(words))

    def file(self, room_id, *words):
        """Sends a file; what is in it."""
        path = os.path.join(self.server.root, "form.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("請填寫 " + unique("form"))
        notice(self.server, "send", "office", room_id, " ".join(words), "--file", path)
        with open(path, encoding="utf-8") as file:
            return file.read()

    def name(self):
        """Of the database; asked for while the server runs."""
        self._name = self._name or self.server.sql("select current_database()").strip()
        return self._name

    def restart(self):
        self.server.kill()
        self.server.start()

    def dump(self):
        self.copy = of_database(self.server, "pg_dump", "--clean", "--if-exists", self.name())

    def restore(self):
        self.server.terminate()
        with self.server.database_alone():
            of_database(self.server, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.name(), input=self.copy)
        done = self.server.run("restored")
        assert done.returncode == 0, done.stderr
        self.server.start()


def converse(script, hands, *arguments):
    """Runs a script of Node, and does what it asks for."""
    node = shutil.which("node")
    assert node, "node is not installed (package nodejs)"
    assert os.path.isdir(os.path.join(HERE, "node_modules", "matrix-js-sdk")), (
        "matrix-js-sdk is not installed: npm ci in tests/interop")
    process = subprocess.Popen([node, script, *arguments, str(SLOW)], cwd=HERE, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith("ask: "):
                word, *rest = line.split()[1:]
                answer = getattr(hands, word)(*rest)
                process.stdin.write("%s\n" % (answer or "done"))
                process.stdin.flush()
        assert process.wait(seconds(10)) == 0, "matrix-js-sdk:\n" + "".join(said)[-3000:] + hands.server.log()[-2000:]
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(600)
def test_js_sdk__notices__read_by_devices_that_may_over_kills_and_restores(school):
    converse("notices.mjs", Hands(school), school.url, "@office:hs1")
