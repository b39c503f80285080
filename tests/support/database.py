"""A PostgreSQL of a test's own, and a proxy before it that breaks connections at the moment of COMMIT.

    with Cluster() as cluster, CommitProxy(cluster) as proxy:
        server = make_server(settings={"database.url": proxy.url}).start()
        proxy.cut("answer")     # the next COMMIT of the writer happens, its answer is lost
"""
import contextlib
import functools
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.parse

import psycopg2

from .client import seconds
from .processes import children_of
from .server import wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# How the group-commit writer ends a transaction: by COMMIT in a pipeline, as an unnamed statement (other transactions end by a simple query, which
# looks different), or, where it sends a group at once, by the end of that, which begins with positions that are known.
COMMIT, AT_ONCE = b"\0COMMIT\0", b"\0stream_advance_known\0"
WRITER, OTHERS = "writer", "others"  # whose transaction
ENDED = b"Z\0\0\0\x05I"


class Cluster:
    """Thrown away at the end. Unlike with-postgres by itself, COMMIT means written."""

    def __enter__(self):
        environment = {key: value for key, value in os.environ.items() if key != "BELFRY_TEST_DATABASE_URL"}
        self.keeper = subprocess.Popen(
            [os.path.join(ROOT, "tools", "with-postgres"), "sh", "-c",
             'echo "$BELFRY_TEST_DATABASE_URL"; exec cat >/dev/null'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.url = self.keeper.stdout.readline().strip()
        assert self.url, "no PostgreSQL"
        self.folder = urllib.parse.parse_qs(urllib.parse.urlsplit(self.url).query)["host"][0]
        self.sql("ALTER DATABASE postgres SET synchronous_commit = on")
        return self

    def __exit__(self, *exception):
        self.keeper.stdin.close()
        self.keeper.wait(seconds(30))
        self.keeper.stdout.close()

    def sql(self, text):
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url, "-c", text],
                              capture_output=True, text=True, timeout=seconds(30), check=False)
        if done.returncode != 0:
            raise OSError(done.stderr)
        return done.stdout.strip()

    def crash(self):
        """SIGKILL to one backend: PostgreSQL throws all memory away and recovers from what is written."""
        with subprocess.Popen(["psql", "-X", "-q", "-A", "-t", self.url, "-c", "select pg_backend_pid()",
                               "-c", "select pg_sleep(60)"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as victim:
            os.kill(int(victim.stdout.readline()), signal.SIGKILL)

    @contextlib.contextmanager
    def frozen(self):
        """It neither answers nor closes until the end of the block."""
        with open(os.path.join(self.folder, "data", "postmaster.pid"), encoding="utf-8") as file:
            postmaster = int(file.readline())
        pids = [postmaster, *children_of(postmaster)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def works(self):
        try:
            return self.sql("SELECT 1") == "1"
        except OSError:
            return False


class HeldTable:
    """Nobody writes to a table until the end of the block; who reads it goes on."""

    def __init__(self, url, table):
        self.url, self.table = url, table

    def __enter__(self):
        self.connection = psycopg2.connect(self.url)
        self._ask("LOCK TABLE %s IN EXCLUSIVE MODE" % self.table)
        return self

    def __exit__(self, *exception):
        self.release()

    def release(self):
        self.connection.close()

    def _ask(self, text):
        cursor = self.connection.cursor()
        cursor.execute(text)
        return cursor

    def is_waited_for(self):
        """Whether somebody wants to write to it."""
        return self._ask("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE relation = '%s'::regclass AND NOT granted)"
                         % self.table).fetchone()[0]


def in_time(test):
    """For a test that holds a commit back and looks at what happens meanwhile. The writer gives one up after four seconds, which no setting changes:
    where a machine needs longer to look, nothing is shown, and the test begins anew. Its `school` has the `server`; anew() gives another."""
    def gave_up(school):
        return re.search(r" db\.write_failed .*(statement timeout|did not answer in time)", school.server.log()) is not None

    @functools.wraps(test)
    def run(school, **more):
        for _ in range(4):
            try:
                test(school, **more)
            except AssertionError:
                if not gave_up(school):
                    raise
            if not gave_up(school):
                return
            school = school.anew()
        test(school, **more)
    return run


class CommitProxy:
    """Carries bytes between the server under test and a cluster."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = "postgresql://belfry@127.0.0.1:%d/postgres?sslmode=disable&gssencmode=disable" % (
            self.listener.getsockname()[1])
        self.lock = threading.Lock()
        self.plan = None
        self.refuses = False
        self.was_cut = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.listener.close()

    def cut(self, what, then_refuse=False, of=WRITER):
        """Breaks the connection where the writer's next transaction, or one of others, ends: "commit" before it is passed on, "answer" after it was
        answered, "race" right after it was passed on.  of: may be a statement that stands alone.  then_refuse: nobody connects until allow()."""
        with self.lock:
            self.was_cut.clear()
            self.plan = (what, then_refuse, of)

    def wait_cut(self):
        assert self.was_cut.wait(seconds(30)), "no COMMIT came"

    def allow(self):
        self.refuses = False

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refuses:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(os.path.join(self.cluster.folder, ".s.PGSQL.5432"))
            except OSError:
                server.close()
                client.close()
                continue
            link = _Link(self, client, server)
            threading.Thread(target=link.upstream, daemon=True).start()
            threading.Thread(target=link.downstream, daemon=True).start()

    def take_plan(self, whose):
        with self.lock:
            if self.plan is None or self.plan[2] not in whose:
                return None
            plan, self.plan = self.plan, None
            if plan[1]:
                self.refuses = True
            return plan[0]


class Trip:
    """What is sent up to a sync point, read message by message."""

    def __init__(self):
        self.rest, self.has_started, self.is_end, self.statements = b"", False, False, set()

    def commits(self, data):
        """Whose transactions end with some of this; a statement that stands alone is one, and goes by its name."""
        self.rest += data
        ends = set()
        while len(self.rest) >= 5:
            head = 1 if self.has_started else 0  # the first message has no type
            size = head + int.from_bytes(self.rest[head:head + 4], "big")
            if len(self.rest) < size:
                break
            kind, text, self.rest = self.rest[:head], self.rest[head + 4:size], self.rest[size:]
            self.has_started = True
            if kind in (b"P", b"B"):
                self.is_end |= text.startswith((COMMIT, AT_ONCE))
                self.statements |= {text.split(b"\0", 2)[1].decode()} if kind == b"B" else set()
            elif kind == b"Q" and text == b"COMMIT\0":
                ends.add(OTHERS)
            elif kind == b"S":
                ends |= {WRITER} if self.is_end else self.statements
                self.is_end, self.statements = False, set()
        return ends


class _Link:
    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.holds_answer = False

    def close(self):
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def upstream(self):
        """What the server under test says."""
        trip = Trip()
        try:
            while data := self.client.recv(1 << 16):
                plan = self.proxy.take_plan(trip.commits(data))
                self.holds_answer = plan == "answer"
                if plan != "commit":
                    self.server.sendall(data)
                if plan in ("commit", "race"):
                    self.close()
                    self.proxy.was_cut.set()
        except OSError:
            pass
        self.close()

    def downstream(self):
        """What PostgreSQL says."""
        held = b""
        try:
            while data := self.server.recv(1 << 16):
                if not self.holds_answer:
                    self.client.sendall(data)
                    continue
                held += data
                if ENDED in held:
                    self.close()
                    self.proxy.was_cut.set()
        except OSError:
            pass
        self.close()


def burn_transactions(cluster, count=4):
    """Waits for a cluster that has crashed and lets other transactions have the next numbers."""
    wait_until(cluster.works, 30, "recovery of the cluster", pause=0.02)
    for _ in range(count):
        cluster.sql("SELECT pg_current_xact_id()")

