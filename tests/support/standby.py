"""A PostgreSQL and its synchronous standby: no commit is acknowledged that the standby has not.

    with StandbyPair() as pair:
        server = make_server(settings={"database.url": pair.url}).start()
        pair.make_whole()
        pair.kill(pair.primary)
        pair.promote()

Nobody watches over the two: the test is what takes over. What Patroni does: tests/ha.
"""
import glob
import os
import shutil
import signal
import subprocess

import psycopg2

from .client import seconds
from .server import children_of, free_port, new_folder, wait_until


def programs():
    return sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]


def as_postgres():
    """The start of a command that runs as an ordinary account, and ends with this process."""
    if os.geteuid() != 0:
        return ["setpriv", "--pdeathsig", "QUIT"]
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--pdeathsig", "QUIT"]


class StandbyPair:
    def __enter__(self):
        self.root = new_folder("belfry-pair-")
        if os.geteuid() == 0:
            shutil.chown(self.root, "postgres", "postgres")
        self.ports = [free_port(), free_port()]
        self.processes = [None, None]
        self.url = "postgresql://belfry@%s/postgres?sslmode=disable&gssencmode=disable" % ",".join(
            "127.0.0.1:%d" % port for port in self.ports)
        self._run("initdb", "-D", self._data(0), "-U", "belfry", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.primary = 0
        self.start(0)
        return self

    def __exit__(self, *exception):
        for number in (0, 1):
            self.kill(number)
        shutil.rmtree(self.root, ignore_errors=True)

    def _data(self, number):
        return os.path.join(self.root, "data%d" % number)

    def _run(self, program, *arguments):
        done = subprocess.run([*as_postgres(), os.path.join(programs(), program), *arguments], capture_output=True,
                              text=True, cwd=self.root, timeout=seconds(60), check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, number):
        settings = {"listen_addresses": "127.0.0.1", "port": self.ports[number], "unix_socket_directories": "",
                    "fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB", "max_connections": 100,
                    "wal_receiver_status_interval": "100ms", "wal_retrieve_retry_interval": "100ms",
                    "max_wal_size": "1GB"}
        command = [*as_postgres(), os.path.join(programs(), "postgres"), "-D", self._data(number)]
        for key, value in settings.items():
            command += ["-c", "%s=%s" % (key, value)]
        with open(os.path.join(self.root, "postgres%d.log" % number), "ab") as log:
            self.processes[number] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                      cwd=self.root, start_new_session=True)
        wait_until(lambda: self.answers(number), 60, "PostgreSQL %d" % number)

    def url_of(self, number):
        return "host=127.0.0.1 port=%d user=belfry dbname=postgres" % self.ports[number]

    def sql(self, number, text):
        done = subprocess.run([os.path.join(programs(), "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               self.url_of(number), "-c", text],
                              capture_output=True, text=True, timeout=seconds(30), check=False)
        if done.returncode != 0:
            raise OSError(done.stderr)
        return done.stdout.strip()

    def answers(self, number):
        try:
            return self.sql(number, "SELECT 1") == "1"
        except OSError:
            return False

    def signal(self, number, what):
        postmaster = self.processes[number].pid
        for pid in [postmaster] + children_of(postmaster):
            try:
                os.kill(pid, what)
            except ProcessLookupError:
                pass

    def freeze(self, number):
        """It neither answers nor closes, like a machine behind a broken cable."""
        self.signal(number, signal.SIGSTOP)

    def thaw(self, number):
        self.signal(number, signal.SIGCONT)

    def kill(self, number):
        if self.processes[number] is not None:
            self.signal(number, signal.SIGKILL)
            self.processes[number].wait()
            self.processes[number] = None

    @property
    def standby(self):
        return 1 - self.primary

    def promote(self):
        """The standby takes over, without a standby of its own."""
        self.primary = self.standby
        self.expect_no_standby()
        self.sql(self.primary, "SELECT pg_promote()")

    def expect_no_standby(self):
        """Commits are acknowledged that the other one may not have."""
        self._expect_standbys("")

    def _expect_standbys(self, names):
        self.sql(self.primary, "ALTER SYSTEM SET synchronous_standby_names = '%s'" % names)
        self.sql(self.primary, "SELECT pg_reload_conf()")
        wait_until(lambda: self.sql(self.primary, "SHOW synchronous_standby_names") == names, 30, "the setting")

    def make_whole(self):
        """The primary has a new synchronous standby in place of what the other one was."""
        self.kill(self.standby)
        shutil.rmtree(self._data(self.standby), ignore_errors=True)
        self._run("pg_basebackup", "-D", self._data(self.standby), "-d", self.url_of(self.primary), "-R", "-X", "stream",
                  "-c", "fast", "--no-sync")
        self.start(self.standby)
        self._expect_standbys("*")
        wait_until(lambda: self.sql(self.primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1",
                   30, "a synchronous standby")

    def prefer(self, number):
        """This one is the primary, with the other one as its standby."""
        if self.primary != number:
            self.kill(self.primary)
            self.promote()
            self.make_whole()

    def held(self, number, table):
        return Held(self.url_of(number), table)


class Held:
    """Nobody reads a table until the end of the block."""

    def __init__(self, url, table):
        self.url, self.table = url, table

    def __enter__(self):
        self.connection, self.looker = psycopg2.connect(self.url), psycopg2.connect(self.url)
        self.looker.autocommit = True
        self.connection.cursor().execute("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE" % self.table)
        return self

    def __exit__(self, *exception):
        self.connection.close()
        self.looker.close()

    def waiting(self):
        """How many connections wait with the same question."""
        cursor = self.looker.cursor()
        cursor.execute("SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM pg_stat_activity"
                       " WHERE wait_event_type = 'Lock' AND application_name = 'belfry' GROUP BY query) AS waiting")
        return cursor.fetchone()[0]
