"""The homeservers that are measured, each with a PostgreSQL of its own that flushes to disk or with what is embedded, and what their
processes use.

    with Cluster() as cluster: …                 a PostgreSQL on a Unix socket
    target = BelfryTarget(authority)             or SynapseTarget(authority, cluster)
    target = DendriteTarget(authority, cluster, program)
    target = TuwunelTarget(authority, program)   its database is embedded
    target = MachineTarget(…)                    no homeserver: what this machine can do at most
    target.cpu()                                 (server, database): seconds of processor time so far
"""
import base64
import glob
import json
import os
import pwd
import shutil
import re
import secrets
import signal
import subprocess
import time

from support.client import Http
from support.processes import cpu_of
from support.server import FederatedServer, children_of, free_port, new_folder, wait_until
from support.synapse import RATE, Synapse

def tree(pid):
    return {pid, *children_of(pid)}


class Cluster:
    """A PostgreSQL with its own defaults, for targets that bring none."""

    def __init__(self):
        self.folder = new_folder("bench-pg-")
        self.bin = os.path.dirname(sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))[-1])
        self.account = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        data = os.path.join(self.folder, "data")
        self._run("initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.bin, "postgres"), "-D", data, "-k", self.folder, "-c", "listen_addresses="],
                stdout=log, stderr=subprocess.STDOUT, cwd="/", start_new_session=True, **self.account)
        wait_until(lambda: subprocess.run([os.path.join(self.bin, "pg_isready"), "-q", "-h", self.folder],
                                          check=False).returncode == 0, 30, "PostgreSQL ready")

    def _run(self, program, *arguments):
        done = subprocess.run([os.path.join(self.bin, program), *arguments], capture_output=True, text=True, cwd="/",
                              check=False, **self.account)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self, name):
        """An empty database; settings of Synapse for it."""
        self._run("createdb", "-h", self.folder, "-U", "bench", name)
        return {"name": "psycopg2", "args": {"host": self.folder, "user": "bench", "dbname": name, "cp_min": 5, "cp_max": 10}}

    def inserts(self, connections, seconds):
        """Of rows that pgbench inserts, each in a transaction of its own that is flushed: how many a second, and the processor time of the
        database for one, µs; None when there were none."""
        if not os.path.exists(os.path.join(self.folder, "insert.sql")):
            self.create("rows")
            self._run("psql", "-X", "-q", "-h", self.folder, "-U", "bench", "-d", "rows", "-c",
                      "create table rows (id bigserial primary key, text text)")
            with open(os.path.join(self.folder, "insert.sql"), "w", encoding="utf-8") as file:
                file.write("insert into rows (text) values (repeat('x', 500));\n")
        before = cpu_of(tree(self.process.pid))
        text = self._run("pgbench", "-n", "-M", "prepared", "-c", str(connections), "-j", "2",
                         *(["-T", str(round(seconds))] if seconds >= 1 else ["-t", "10"]), "-f", os.path.join(self.folder, "insert.sql"), "-h", self.folder, "-U", "bench", "rows")
        tps, rows = re.search(r"tps = ([0-9.]+)", text), re.search(r"actually processed: ([0-9]+)", text)
        if not tps or not rows or int(rows.group(1)) == 0:
            return None, None
        return float(tps.group(1)), (cpu_of(tree(self.process.pid)) - before) / int(rows.group(1)) * 1e6

    def size(self, name):
        return int(self._run("psql", "-X", "-A", "-t", "-h", self.folder, "-U", "bench", "-d", name, "-c",
                             "select pg_database_size(current_database())"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class Target:
    """`server` is what is measured, `other` a second one of its kind (started when asked for)."""

    is_machine = False
    members_max = 10000
    """Of rooms, so that filling them ends in time."""
    pause = 0.5
    """Seconds that it has to rest, to be at rest."""

    def __init__(self, authority):
        self.authority = authority
        self.server = self.start_one()
        self._other = None
        self.school, self.rooms = None, {}  # the partner of its workloads, and large rooms by members
        self.users, self.notes, self.number = [], [], 0

    now = staticmethod(time.monotonic)

    def next_number(self):
        self.number += 1
        return self.number

    @property
    def other(self):
        if self._other is None:
            self._other = self.start_one()
        return self._other

    def database_processes(self):
        """Of the database, where it has some of its own."""
        raise NotImplementedError

    def start_one(self):
        raise NotImplementedError

    def database_bytes(self):
        raise NotImplementedError

    def row_bytes(self):
        """Of all rows that count, to the byte, without pages and indexes; None where that cannot be told."""

    def pad(self, events):
        """Makes up events until there are so many, where that can be done."""

    def start_again(self):
        """Ends the server; seconds from its start until it answers."""
        self.rest()
        self.server.terminate()
        begun = time.monotonic()
        self.server.start()
        return time.monotonic() - begun

    def cpu(self):
        database = self.database_processes()
        return cpu_of(tree(self.server.process.pid) - database), cpu_of(database)

    def processor(self):
        """As cpu(), both together and to the nanosecond, but without threads that have ended: for short times."""
        total = 0
        for pid in tree(self.server.process.pid) | self.database_processes():
            for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
                try:
                    with open(path, encoding="ascii") as file:
                        total += int(file.read().split()[0])
                except OSError:
                    continue
        return total / 1e9

    def memory(self, kind="Anonymous:"):
        """MiB of the server's processes, without the database: what only they use ("Anonymous:"), "Rss:" or "Pss:"."""
        total = 0
        for pid in tree(self.server.process.pid) - self.database_processes():
            try:
                with open("/proc/%d/smaps_rollup" % pid, encoding="utf-8") as file:
                    total += sum(int(line.split()[1]) for line in file if line.startswith(kind))
            except OSError:
                continue
        return total / 1024

    def rest(self, limit=30):
        """Waits until it has done what it put off: less than a twentieth of a processor for a while."""
        end, before = time.monotonic() + limit, sum(self.cpu())
        while time.monotonic() < end:
            time.sleep(self.pause)
            now = sum(self.cpu())
            if now - before <= self.pause / 20:
                return
            before = now

    def destroy(self):
        for server in (self.server, self._other):
            if server is not None:
                server.destroy()
        if self.school is not None:
            self.school.stop()


PIECE = 10000
"""Events of a room that `pad` makes up."""

# A room with copies of one event; what follows the stream has seen them.
PAD = """
    insert into rooms select made.* from (select * from rooms order by room_nid limit 1) old, nextval('room_nids') nid,
        jsonb_populate_record(null::rooms, to_jsonb(old) || jsonb_build_object('room_nid', nid, 'room_id', '!pad' || nid || old.room_id)) made;
    insert into events select made.* from generate_series(1, EVENTS) n,
        (select *, (select position from stream_head) as newest, (select max(room_nid) from rooms) as room
            from events where state_key is null order by position limit 1) old,
        jsonb_populate_record(null::events, to_jsonb(old) || jsonb_build_object(
            'room_nid', old.room, 'position', old.newest + n, 'event_id', old.event_id || old.newest + n)) made;
    update stream_head set position = position + EVENTS;
    update consumers set position = (select position from stream_head)"""


class BelfryTarget(Target):
    settings = {"http.max_connections": "20000", "http.max_connections_per_address": "20000"}

    def __init__(self, authority, program, name="Belfry"):
        self.program, self.name = program, name
        super().__init__(authority)

    def start_one(self):
        server = FederatedServer(authority=self.authority, settings=self.settings)
        server.binary = self.program
        return server.start()

    def pad(self, events):
        """In rooms that nobody is in, one a statement, so that none takes long."""
        missing = events - int(self.server.sql("select count(*) from events"))
        if missing <= 0:
            return
        self.rest()
        self.server.terminate()
        with self.server.database_alone():
            for first in range(0, missing, PIECE):
                self.server.sql(PAD.replace("EVENTS", str(min(PIECE, missing - first))))
            self.server.sql("analyze")
        self.server.start()

    def database_processes(self):
        return tree(self.server.database_pid())

    def database_bytes(self):
        return int(self.server.sql("select pg_database_size(current_database())"))

    def row_bytes(self):
        self.server.sql("create extension if not exists pgstattuple")
        return int(self.server.sql(
            "select sum((pgstattuple(part)).tuple_len) from (select unnest(array[oid, nullif(reltoastrelid, 0)]) as part from pg_class "
            "where relkind = 'r' and relnamespace = 'public'::regnamespace) as parts where part is not null"))


class SynapseTarget(Target):
    name = "Synapse"
    members_max = 1000

    def __init__(self, authority, cluster):
        self.cluster, self.databases = cluster, []
        super().__init__(authority)

    def start_one(self):
        self.databases.append("synapse_%d" % len(self.databases))
        server = Synapse(self.authority, database=self.cluster.create(self.databases[-1]), rc_room_creation=RATE)
        path = server.config["log_config"]
        with open(path, encoding="utf-8") as file:
            log = json.load(file)
        log["root"]["level"] = "WARNING"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(log, file)
        return server.start()

    def database_processes(self):
        return tree(self.cluster.process.pid)

    def database_bytes(self):
        return self.cluster.size(self.databases[0])


class DendriteTarget(Target):
    """One process, by its program (`go install github.com/matrix-org/dendrite/cmd/dendrite@v0.13.8`)."""

    name = "Dendrite"
    members_max = 1000

    def __init__(self, authority, cluster, program):
        self.cluster, self.program = cluster, program
        super().__init__(authority)

    def start_one(self):
        self.cluster.create("dendrite")
        return Dendrite(self.program, self.cluster.folder).start()

    def database_processes(self):
        return tree(self.cluster.process.pid)

    def database_bytes(self):
        return self.cluster.size("dendrite")


class TuwunelTarget(Target):
    """One process that has RocksDB in it: its database's processor time is in the server's. A message is not flushed to disk."""

    name = "Tuwunel"
    members_max = 1000

    def __init__(self, authority, program):
        self.program = program
        super().__init__(authority)

    def start_one(self):
        return Tuwunel(self.program).start()

    def database_processes(self):
        return set()

    def database_bytes(self):
        total = 0
        for folder, _, names in os.walk(self.server.database):
            for name in names:
                try:
                    total += os.stat(os.path.join(folder, name)).st_blocks * 512
                except FileNotFoundError:  # what it compacted meanwhile
                    continue
        return total


class Process:
    """One that is started with a command and answers at a path when it is ready."""

    ready = "/_matrix/client/versions"

    def __init__(self):
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.root, self.process = new_folder("bench-"), None

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(os.path.join(self.root, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, cwd=self.root)

        def answers():
            assert self.process.poll() is None, self.log()[-3000:]
            try:
                return Http(self.url).raw("GET", self.ready, timeout=2).status == 200
            except OSError:
                return False
        wait_until(answers, 60, "an answer of " + self.command()[0])
        return self

    def log(self):
        with open(os.path.join(self.root, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def terminate(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait(30)

    def destroy(self):
        self.terminate()
        shutil.rmtree(self.root, ignore_errors=True)


class Dendrite(Process):
    def __init__(self, program, database_folder):
        super().__init__()
        self.program = program
        key = os.path.join(self.root, "key.pem")
        with open(key, "w", encoding="utf-8") as file:
            file.write("-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ed25519:bench\n\n%s\n-----END MATRIX PRIVATE KEY-----\n"
                       % base64.b64encode(secrets.token_bytes(32)).decode())
        folder = os.path.join(self.root, "data")
        with open(os.path.join(self.root, "dendrite.yaml"), "w", encoding="utf-8") as file:
            json.dump({
                "version": 2,
                "global": {"server_name": "dendrite", "private_key": key, "disable_federation": True,
                           "database": {"connection_string": "postgres:///dendrite?host=%s&user=bench&sslmode=disable" % database_folder,
                                        "max_open_conns": 40, "max_idle_conns": 5},
                           "jetstream": {"storage_path": folder}, "report_stats": {"enabled": False}},
                "client_api": {"registration_disabled": False, "rate_limiting": {"enabled": False}},
                "media_api": {"base_path": folder}, "user_api": {"bcrypt_cost": 4},
                "sync_api": {"search": {"enabled": False, "index_path": folder}},
                "logging": [{"type": "std", "level": "error"}],
            }, file)

    def command(self):
        return [self.program, "-config", os.path.join(self.root, "dendrite.yaml"), "-http-bind-address",
                "127.0.0.1:%d" % self.port, "-really-enable-open-registration"]


class Tuwunel(Process):
    def __init__(self, program):
        super().__init__()
        self.program, self.database = program, os.path.join(self.root, "database")
        settings = {"server_name": "tuwunel", "database_path": self.database, "address": "127.0.0.1", "port": self.port,
                    "allow_registration": True, "yes_i_am_very_very_sure_i_want_an_open_registration_server_prone_to_abuse": True,
                    "allow_federation": False, "trusted_servers": [], "grant_admin_to_first_user": False, "log": "warn",
                    "client_sync_timeout_min": 0, "client_sync_timeout_max": 300000}
        with open(os.path.join(self.root, "tuwunel.toml"), "w", encoding="utf-8") as file:
            file.write("[global]\n" + "".join("%s = %s\n" % (name, json.dumps(value)) for name, value in settings.items()))

    def command(self):
        return [self.program, "--config", os.path.join(self.root, "tuwunel.toml")]


class Limits(Process):
    """bench-limits: a bare answer of libmicrohttpd, and what it measures of the machine."""

    ready = "/1"

    def __init__(self, programs, cluster):
        super().__init__()
        self.programs, self.cluster = programs, cluster
        self.inserts = cluster.inserts

    def command(self):
        return [os.path.join(self.programs, "bench-limits"), "serve", str(self.port)]

    def measure(self):
        """Microseconds of a flush and of a signature."""
        done = subprocess.run([os.path.join(self.programs, "bench-limits"), "measure", self.cluster.folder], capture_output=True,
                              text=True, check=True)
        return json.loads(done.stdout)

    def bare(self, seconds, connections=16, answer_bytes=57):
        """Of answers of so many bytes, by libmicrohttpd, about nothing: how many a second; processor time of the server for one, µs; and
        how long one takes, ms."""
        from load import Load, ask
        before = cpu_of([self.process.pid])
        line = ask("GET", "/account/whoami/%d" % answer_bytes, "a-token-of-usual-length")
        found = Load(self.url, self.programs).loop([line], connections, seconds)
        return found["rate"], (cpu_of([self.process.pid]) - before) / found["count"] * 1e6, found["time_p50"]

    def write(self, connections, seconds, signatures=1):
        """A row that is inserted and flushed, a bare answer, and so many signatures: how many such rows a second, and the processor time of
        all of it, ms; None where nothing was inserted."""
        rate, row = self.inserts(connections, seconds)
        if rate is None:
            return None, None
        return rate, (row + self.bare(seconds / 4, connections)[1] + signatures * self.measure()["signature_us"]) / 1000


class MachineTarget(Target):
    name = "limit"
    is_machine = True

    def __init__(self, authority, cluster, programs):
        self.cluster, self.programs = cluster, programs
        super().__init__(authority)

    def start_one(self):
        return Limits(self.programs, self.cluster).start()

    def database_processes(self):
        return tree(self.cluster.process.pid)
