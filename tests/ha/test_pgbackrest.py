"""pgBackRest takes a full copy and archives the log of a database that Belfry works on; it is put back as it was at a moment in between."""
import json
import os
import shutil
import signal
import subprocess

import pytest

from support import accounts
from support.client import seconds, unique
from support.server import free_port, new_folder, wait_until
from support.standby import as_postgres, programs

SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "packaging", "pgbackrest", "pgbackrest.conf")


class Archived:
    """A PostgreSQL whose log pgBackRest archives."""

    def __enter__(self):
        self.root = new_folder("belfry-archived-")
        if os.geteuid() == 0:
            shutil.chown(self.root, "postgres", "postgres")
        self.data, self.port, self.process = os.path.join(self.root, "data"), free_port(), None
        self.url = "postgresql://belfry@127.0.0.1:%d/postgres?sslmode=disable&gssencmode=disable" % self.port
        self.conf = os.path.join(self.root, "pgbackrest.conf")
        with open(SHIPPED, encoding="utf-8") as file:
            text = file.read()
        text = text.replace("/var/lib/pgbackrest", self.root + "/repo").replace("/var/lib/postgresql/15/main", self.data)
        text = text.replace("[belfry]", "log-path=%s\nlock-path=%s/lock\nspool-path=%s/spool\n[belfry]\npg1-port=%d\npg1-socket-path=%s\n"
                            "pg1-user=belfry\npg1-database=postgres" % (self.root, self.root, self.root, self.port, self.root))
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(text)
        self.run(os.path.join(programs(), "initdb"), "-D", self.data, "-U", "belfry", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()
        self.backrest("stanza-create")
        self.backrest("check")
        return self

    def run(self, *command):
        done = subprocess.run([*as_postgres(), *command], capture_output=True, text=True, cwd=self.root, timeout=seconds(120), check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def backrest(self, command, *options):
        return self.run("pgbackrest", "--config=" + self.conf, "--stanza=belfry", *options, command)

    def is_after_copy(self):
        """Whether a restore can end now: pgBackRest counts in seconds, and asks for a copy that ended in an earlier one."""
        ended = json.loads(self.backrest("info", "--output=json"))[0]["backup"][-1]["timestamp"]["stop"]
        return self.sql("SELECT floor(extract(epoch FROM clock_timestamp())) > %d" % ended) == "t"

    def sql(self, text):
        return self.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url, "-c", text)

    def start(self):
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.root, "archive_mode": "on",
                    "archive_command": "pgbackrest --config=%s --stanza=belfry archive-push %%p" % self.conf, "shared_buffers": "32MB"}
        command = [*as_postgres(), os.path.join(programs(), "postgres"), "-D", self.data]
        for key, value in settings.items():
            command += ["-c", "%s=%s" % (key, value)]
        with open(os.path.join(self.root, "postgres.log"), "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.root)
        wait_until(self.takes_writes, 90, "PostgreSQL; see " + self.root, pause=0.1)

    def takes_writes(self):
        try:
            return self.sql("SELECT pg_is_in_recovery()") == "f"
        except AssertionError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # clients may still be there
            self.process.wait(seconds(60))
            self.process = None

    def __exit__(self, *exception):
        self.stop()
        if not os.environ.get("BELFRY_TEST_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)


@pytest.fixture
def archived():
    with Archived() as it:
        yield it


def test_point_in_time__put_back_and_restored__everything_until_then_is_there_and_clients_go_on(make_server, archived):
    server = make_server(server_name=unique("hs"), settings={"database.url": archived.url}).start()
    user = accounts.register(server.url)
    room = user.create_room()
    before_copy = user.send(room, "before the copy")
    archived.backrest("backup", "--type=full")
    wait_until(archived.is_after_copy, 10, "the second after the copy", pause=0.1)
    after_copy = user.send(room, "after the copy")
    moment = archived.sql("SELECT clock_timestamp()")
    user.send(room, "a mistake, say")
    since = user.sync().since
    archived.sql("SELECT pg_switch_wal()")
    archived.backrest("check")  # waits until all is archived
    server.terminate()
    archived.stop()
    shutil.rmtree(archived.data)  # the disk is gone
    archived.backrest("restore", "--type=time", "--target=" + moment, "--target-action=promote")
    archived.start()
    done = server.run("restored", settings={"server_name": server.server_name, "database.url": archived.url})
    assert done.returncode == 0, done.stdout + done.stderr
    server.start()
    user.http.drop()
    assert [event["event_id"] for event in user.history(room, "f") if event["type"] == "m.room.message"] == [before_copy, after_copy]
    fresh = user.send(room, "and on it goes")
    assert user.sync(since).joined(room).ids() == [fresh]
