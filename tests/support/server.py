"""Starts, stops and kills the server under test, and its database.

One `Server` is one data folder: it can be stopped, killed with SIGKILL (with or without its database) and
started again.  The program is BELFRY_BIN.

With BELFRY_TEST_PROCESSES=2 it is two processes on the database of the first, behind HAProxy (haproxy.py), and `url` and `port`
are the proxy's. To start, stop and kill is then meant for both; `process`, `data` and `run` are the first's, `log` has the lines of both.
"""
import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess

from .client import PROCESSES_AT, Client, Http, seconds
from .haproxy import Haproxy
from .processes import binary, children_of, free_port, is_alive, new_folder, wait_until

PROCESSES = int(os.environ.get("BELFRY_TEST_PROCESSES", "1"))
"""How many processes serve behind HAProxy where a test does not say it: one without a proxy, or two."""


class Server:
    secret = "harness-shared-secret-0123456789"

    def __init__(self, folder=None, server_name="hs1", settings=None, defaults=True, processes=PROCESSES):
        self.root = folder or new_folder()
        self.data = os.path.join(self.root, "data")
        self.server_name = server_name
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.log_path = os.path.join(self.root, "server.log")
        self.process = None
        self.known_children = set()
        self.environment = {}  # variables of the process besides ours
        self.binary = None  # another program than the usual one
        self.settings = {"server_name": server_name, "listen.client": "127.0.0.1:%d" % self.port}
        if defaults:
            self.settings.update({"registration.mode": "open", "registration.shared_secret": self.secret,
                                  "rate_limits.enabled": "false",
                                  # thousands of test users: their passwords need no strength
                                  "password.memory": "64KiB", "password.iterations": "1"})
        self.settings.update(settings or {})
        self.proxy = self.second = None
        if processes > 1:
            self.inner = [(free_port(), free_port()) for _ in range(2)]
            self.proxy = Haproxy(self.root, self.port, self.inner)
            self.second = Server(os.path.join(self.root, "second"), server_name, processes=1)
            PROCESSES_AT[self.url] = self.urls()

    def command(self):
        command = [self.binary or binary(), "serve", "--data", self.data]
        for key, value in (self.settings if self.proxy is None else self._settings_behind_proxy(0)).items():
            if value is not None:
                command += ["--set", "%s=%s" % (key, value)]
        return command

    def _settings_behind_proxy(self, number):
        """Of the first (0) or second process: the proxy takes over the addresses and TLS."""
        port, health = self.inner[number]
        settings = {key: value for key, value in self.settings.items() if key not in ("listen.federation", "tls.certificate", "tls.key")}
        settings["listen.client"] = "127.0.0.1:%d" % port
        if number == 1 or "listen.metrics" not in settings:
            settings["listen.metrics"] = "127.0.0.1:%d" % health
        if "database.url" not in self.settings and number == 0:
            settings.setdefault("database.pool_size", "24")  # its cluster takes so many connections, the second's too
        elif "database.url" not in self.settings:
            settings["database.url"] = "host=%s user=belfry dbname=postgres" % self.socket_folder()
        return settings

    def _start_second(self, limit):
        """The same keys, the same files."""
        second = self.second
        os.makedirs(second.data, mode=0o755, exist_ok=True)
        for name in os.listdir(self.data):
            if os.path.isfile(os.path.join(self.data, name)) and name not in ("lock", "postgres.log"):
                shutil.copy2(os.path.join(self.data, name), second.data)
        if not os.path.lexists(os.path.join(second.data, "media")):
            os.symlink(os.path.join(self.data, "media"), os.path.join(second.data, "media"))
        second.settings, second.environment, second.log_path = self._settings_behind_proxy(1), self.environment, self.log_path
        second.url = "http://" + second.settings["listen.client"]
        second.start(limit)

    def _start_proxy(self, limit):
        if self.proxy.process is None:
            self.proxy.servers = [(port, int(self._settings_behind_proxy(number)["listen.metrics"].rpartition(":")[2]))
                                  for number, (port, _) in enumerate(self.inner)]
            if self.settings.get("listen.federation"):
                self.proxy.federate(self.settings["listen.federation"], self.settings["tls.certificate"], self.settings["tls.key"])
            self.proxy.start()
        self.proxy.wait_running(limit)

    def launch(self):
        """Starts without waiting."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, cwd=self.root, start_new_session=True,
                                            env={**os.environ, **self.environment})
        return self

    def start(self, limit=60):
        self.launch()
        self.wait_ready(limit)
        return self

    def wait_ready(self, limit=60):
        def ready():
            assert self.process.poll() is None, "the server ended with %s:\n%s" % (
                self.process.returncode, self.log()[-3000:])
            return self.answers() if self.proxy is None else self._answers_at(self.urls()[0])
        wait_until(ready, limit, "server ready; log:\n" + self.log()[-2000:])
        self.known_children.update(children_of(self.process.pid))
        if self.proxy is not None:
            self._start_second(limit)
            self._start_proxy(limit)

    def answers(self):
        return self._answers_at(self.url)

    def _answers_at(self, url):
        try:
            return Http(url).raw("GET", "/_matrix/client/versions", timeout=seconds(2)).status == 200
        except OSError:
            return False

    def urls(self):
        """Where each process can be asked by itself."""
        return [self.url] if self.proxy is None else ["http://127.0.0.1:%d" % port for port, _ in self.inner]

    def metric(self, name):
        """The number of a server with `listen.metrics`, without labels or with its first ones; None before it is there."""
        reply = Http("http://" + self.settings["listen.metrics"]).raw("GET", "/metrics", headers={"Connection": "close"})
        found = re.search(r"^%s(?:{.*})? (\S+)$" % name, reply.raw.decode(), re.M)
        return float(found.group(1)) if found else None

    def queries(self):
        """How many the database has been asked so far."""
        return self.metric("belfry_db_queries_total")

    def kill_one(self, number):
        """SIGKILL to the first (0) or second (1) of two processes."""
        victim = (self, self.second)[number].process
        victim.kill()
        victim.wait()

    def start_one(self, number, limit=60):
        """Starts it again, and waits until the proxy finds both."""
        if number == 0:
            self.launch()
            wait_until(lambda: self._answers_at(self.urls()[0]), limit, "the first process")
        else:
            self.second.start(limit)
        self.proxy.wait_running(limit)

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def terminate(self, limit=20):
        """SIGTERM; returns the exit status."""
        if self.second is not None:
            assert self.second.terminate(limit) in (None, 0)
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.known_children.update(children_of(self.process.pid))
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds(limit))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the server did not end within %ss of SIGTERM; log:\n%s" % (
                seconds(limit), self.log()[-2000:])) from None

    def database_pid(self):
        """The embedded PostgreSQL's postmaster."""
        with open(os.path.join(self.data, "postgres", "postmaster.pid"), encoding="utf-8") as file:
            return int(file.readline())

    def database_pids(self):
        postmaster = self.database_pid()
        return [postmaster] + children_of(postmaster)

    def kill(self):
        """SIGKILL to the server alone."""
        if self.second is not None and self.second.process is not None:
            self.second.kill()
        self.known_children.update(children_of(self.process.pid))
        self.process.kill()
        self.process.wait()

    def kill_database(self):
        """SIGKILL to every process of the embedded database."""
        for pid in self.database_pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def kill_everything(self):
        """SIGKILL to server and database, as near to at once as can be."""
        try:
            victims = self.database_pids()
        except (OSError, ValueError):
            victims = []
        victims += children_of(self.process.pid)
        if self.second is not None and self.second.process is not None:
            self.second.kill()
        for pid in [self.process.pid] + victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        for pid in victims:
            wait_until(lambda pid=pid: not is_alive(pid), 10, "end of process %d" % pid)

    def destroy(self, keep=False):
        """Ends the server and removes its folder."""
        if self.second is not None:
            self.second.destroy(keep=True)
            self.proxy.stop()
        if self.process is not None and self.process.poll() is None:
            try:
                self.terminate()
            except AssertionError:
                pass
        for pid in self._database_left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not keep and not os.environ.get("BELFRY_TEST_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)

    def _database_left(self):
        """Processes of the database that outlived the server (only after a failure)."""
        left = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open("/proc/%s/cmdline" % name, "rb") as file:
                        arguments = file.read().split(b"\0")
                except OSError:
                    continue
                folder = os.path.join(self.data, "postgres").encode()
                if b"postgres" in arguments[0] and any(item.startswith(folder) for item in arguments):
                    left.append(int(name))
        return left

    def run(self, *arguments, input=None, settings=None, limit=60):
        """Another subcommand on the same data folder: CompletedProcess with text output."""
        command = [binary(), *arguments, "--data", self.data]
        merged = settings
        if settings is None:
            merged = {"server_name": self.server_name, **{key: value for key, value in self.settings.items() if key == "database.url"}}
        for key, value in merged.items():
            command += ["--set", "%s=%s" % (key, value)]
        return subprocess.run(command, input=input, capture_output=True, text=True, timeout=seconds(limit),
                              cwd=self.root, check=False)

    def anonymous(self):
        return Client(self.url)

    # -- a look into the embedded database, for faults that no client can make

    def socket_folder(self):
        """Where the cluster's Unix socket lies: the fifth line of postmaster.pid."""
        with open(os.path.join(self.data, "postgres", "postmaster.pid"), encoding="utf-8") as file:
            return file.read().splitlines()[4]

    def database_owner(self):
        import pwd
        return pwd.getpwuid(os.stat(os.path.join(self.data, "postgres")).st_uid)

    def as_owner(self, command, **more):
        """Runs a command as the account of the cluster."""
        owner = self.database_owner()
        if os.geteuid() == 0 and owner.pw_uid != 0:
            more.update(user=owner.pw_uid, group=owner.pw_gid, extra_groups=[])
        return subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=seconds(60), check=False, **more)

    def sql(self, text, database=None):
        """Runs SQL by psql, returns its bare output."""
        if database is None:
            names = self.sql("select datname from pg_database where not datistemplate and datname <> 'postgres'",
                             "postgres").split()
            database = names[0] if names else "postgres"
        done = self.as_owner(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.socket_folder(),
                              "-d", database, "-U", self.database_user(), "-c", text])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def database_user(self):
        return os.environ.get("BELFRY_TEST_DATABASE_USER", "belfry")

    @contextlib.contextmanager
    def database_alone(self):
        """The cluster running without the server."""
        tools = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))[-1]
        cluster = os.path.join(self.data, "postgres")
        done = self.as_owner([tools, "-D", cluster, "-w", "-l", "/dev/null", "-o",
                              "-c listen_addresses='' -c unix_socket_directories=%s" % cluster, "start"])
        assert done.returncode == 0, done.stdout + done.stderr
        try:
            yield
        finally:
            self.as_owner([tools, "-D", cluster, "-m", "fast", "-w", "stop"])


class FederatedServer(Server):
    """A server that others reach: 127.0.0.1:PORT with a certificate of the tests' authority."""

    def __init__(self, authority, settings=None, server_name=None, **more):
        """server_name: another port of 127.0.0.1, which leads to it."""
        port = free_port()
        certificate, key = authority.certificate("127.0.0.1")
        federation = {"listen.federation": "127.0.0.1:%d" % port, "tls.certificate": certificate, "tls.key": key,
                      "federation.ca_file": authority.ca_file, "network.allow_addresses": "127.0.0.0/8"}
        self.federation_port = port
        super().__init__(server_name=server_name or "127.0.0.1:%d" % port, settings={**federation, **(settings or {})}, **more)

    def answers(self):
        """Also to other servers: its listeners are opened one after the other."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.federation_port), seconds(2)):
            return super().answers()
        return False

    def user(self, name=None, **more):
        """A fresh user."""
        from . import accounts
        return accounts.register(Http(self.url), name, **more)
