"""The homeservers that are measured, each with a PostgreSQL of its own that flushes to disk, and what their processes use.

    with Cluster() as cluster: …                 a PostgreSQL on a Unix socket
    target = BelfryTarget(authority)             or SynapseTarget(authority, cluster)
    target.cpu()                                 (server, database): seconds of processor time so far
"""
import glob
import json
import os
import pwd
import shutil
import signal
import subprocess
import time

from support.server import FederatedServer, children_of, new_folder, wait_until
from support.synapse import Synapse

TICK = os.sysconf("SC_CLK_TCK")


def tree(pid):
    return {pid, *children_of(pid)}


def cpu_of(pids):
    """User and system seconds of processes, with those of their children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
                ticks += sum(int(value) for value in file.read().rpartition(")")[2].split()[11:15])
        except (OSError, ValueError):
            continue
    return ticks / TICK


def cpu_of_machine():
    """Busy seconds of all processors."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system, _, _, irq, soft = (int(value) for value in file.readline().split()[1:8])
    return (user + nice + system + irq + soft) / TICK


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

    def __init__(self, authority):
        self.authority = authority
        self.server = self.start_one()
        self._other = None
        self.school, self.rooms = None, {}  # the partner of its workloads, and large rooms by members

    @property
    def other(self):
        if self._other is None:
            self._other = self.start_one()
        return self._other

    def database_root(self):
        raise NotImplementedError

    def start_one(self):
        raise NotImplementedError

    def database_bytes(self):
        raise NotImplementedError

    def cpu(self):
        database = tree(self.database_root())
        return cpu_of(tree(self.server.process.pid) - database), cpu_of(database)

    def memory(self):
        """MiB of the server's processes that only they use (anonymous), without the database."""
        total = 0
        for pid in tree(self.server.process.pid) - tree(self.database_root()):
            try:
                with open("/proc/%d/status" % pid, encoding="utf-8") as file:
                    total += sum(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))
            except OSError:
                continue
        return total / 1024

    def rest(self, limit=30):
        """Waits until it has done what it put off: less than a twentieth of a processor in half a second."""
        end, before = time.monotonic() + limit, sum(self.cpu())
        while time.monotonic() < end:
            time.sleep(0.5)
            now = sum(self.cpu())
            if now - before < 0.025:
                return
            before = now

    def destroy(self):
        for server in (self.server, self._other):
            if server is not None:
                server.destroy()
        if self.school is not None:
            self.school.stop()


class BelfryTarget(Target):
    name = "Belfry"

    def start_one(self):
        return FederatedServer(authority=self.authority).start()

    def database_root(self):
        return self.server.database_pid()

    def database_bytes(self):
        return int(self.server.sql("select pg_database_size(current_database())"))


class SynapseTarget(Target):
    name = "Synapse"

    def __init__(self, authority, cluster):
        self.cluster, self.databases = cluster, []
        super().__init__(authority)

    def start_one(self):
        self.databases.append("synapse_%d" % len(self.databases))
        server = Synapse(self.authority, database=self.cluster.create(self.databases[-1]))
        path = server.config["log_config"]
        with open(path, encoding="utf-8") as file:
            log = json.load(file)
        log["root"]["level"] = "WARNING"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(log, file)
        return server.start()

    def database_root(self):
        return self.cluster.process.pid

    def database_bytes(self):
        return self.cluster.size(self.databases[0])
