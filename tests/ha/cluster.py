"""etcd and PostgreSQLs that Patroni watches over, on loopback, with the configuration that is shipped.

    with Patroni() as cluster:
        server = make_server(settings={"database.url": cluster.url}).start()
        victim = cluster.primary()
        victim.kill()
"""
import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import yaml

from support.client import seconds
from support.server import children_of, free_port, new_folder, wait_until
from support.standby import as_postgres, programs

SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "packaging", "patroni", "patroni.yml")


class Node:
    def __init__(self, cluster, number):
        self.cluster, self.name = cluster, "db%d" % number
        self.port, self.rest_port = free_port(), free_port()
        self.folder = os.path.join(cluster.root, self.name)
        self.process = None
        self.pids = []

    def configuration(self):
        with open(SHIPPED, encoding="utf-8") as file:
            conf = yaml.safe_load(file)
        address, rest = "127.0.0.1:%d" % self.port, "127.0.0.1:%d" % self.rest_port
        conf.update(name=self.name, restapi={"listen": rest, "connect_address": rest},
                    etcd={"hosts": ["127.0.0.1:%d" % self.cluster.etcd_port]}, watchdog={"mode": "off"})
        conf["postgresql"].update(listen=address, connect_address=address, data_dir=os.path.join(self.folder, "data"),
                                  bin_dir=programs(), pgpass=os.path.join(self.folder, "pgpass"),
                                  parameters={"unix_socket_directories": self.folder, "shared_buffers": "32MB"},
                                  pg_hba=["host replication replicator 127.0.0.0/8 scram-sha-256",
                                          "host all all 127.0.0.0/8 scram-sha-256"])
        return conf

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        path = os.path.join(self.cluster.root, self.name + ".yml")
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump(self.configuration(), file)
        with open(os.path.join(self.cluster.root, self.name + ".log"), "ab") as log:
            self.process = subprocess.Popen([*as_postgres(), "/usr/bin/patroni", path], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.cluster.root, start_new_session=True)
        return self

    def status(self, what="patroni"):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/%s" % (self.rest_port, what), timeout=2) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except (OSError, ValueError):
            return {}

    def postmaster(self):
        with open(os.path.join(self.folder, "data", "postmaster.pid"), encoding="utf-8") as file:
            return int(file.readline())

    def _postgres_pids(self):
        postmaster = self.postmaster()
        return [postmaster] + children_of(postmaster)

    def signal(self, what, pids):
        for pid in pids:
            try:
                os.kill(pid, what)
            except ProcessLookupError:
                pass

    def kill_postgres(self):
        """PostgreSQL crashes; Patroni sees it."""
        self.signal(signal.SIGKILL, self._postgres_pids())

    def kill(self):
        """The machine loses its power."""
        self.signal(signal.SIGKILL, [self.process.pid] + children_of(self.process.pid) + self._postgres_pids())
        self.process.wait()

    def freeze(self):
        """The machine neither answers nor closes."""
        self.pids = [self.process.pid] + children_of(self.process.pid) + self._postgres_pids()
        self.signal(signal.SIGSTOP, self.pids)

    def freeze_postgres(self):
        """PostgreSQL hangs, and with it Patroni, which asks it something in the middle of each round: before it renews the lock that it had
        when the round began."""
        self.pids = self._postgres_pids()
        self.signal(signal.SIGSTOP, self.pids)

    def thaw(self):
        self.signal(signal.SIGCONT, self.pids)

    def destroy(self):
        if self.process is not None:
            self.thaw()
            try:
                self.kill()
            except OSError:
                self.process.kill()
                self.process.wait()


class Patroni:
    def __enter__(self):
        self.root = new_folder("belfry-ha-")
        if os.geteuid() == 0:
            shutil.chown(self.root, "postgres", "postgres")
        self.etcd_port, peer_port = free_port(), free_port()
        client, peer = "http://127.0.0.1:%d" % self.etcd_port, "http://127.0.0.1:%d" % peer_port
        with open(os.path.join(self.root, "etcd.log"), "ab") as log:
            self.etcd = subprocess.Popen(
                [*as_postgres(), "/usr/bin/etcd", "--data-dir", os.path.join(self.root, "etcd"), "--listen-client-urls", client,
                 "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--initial-cluster", "default=" + peer, "--enable-v2"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.root, start_new_session=True)
        self.nodes = [Node(self, number) for number in (1, 2, 3)]
        self.nodes[0].start()
        wait_until(self.primary, 90, "a first primary", pause=0.2)
        for node in self.nodes[1:]:
            node.start()
        self.wait_whole()
        password = self.nodes[0].configuration()["postgresql"]["authentication"]["superuser"]["password"]
        self.password = password
        self.url = "postgresql://%s/postgres?user=postgres&password=%s&sslmode=disable&gssencmode=disable" % (
            ",".join("127.0.0.1:%d" % node.port for node in self.nodes), password.replace(" ", "%20"))
        return self

    def __exit__(self, *exception):
        for node in self.nodes:
            node.destroy()
        self.etcd.kill()
        self.etcd.wait()
        if not os.environ.get("BELFRY_TEST_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)

    def primary(self):
        """The node that takes writes; None while there is none."""
        for node in self.nodes:
            status = node.status() if node.process is not None else {}
            if status.get("role") in ("master", "primary") and status.get("state") == "running":
                return node
        return None

    def wait_whole(self):
        """A primary, and the others follow it; one of them synchronously, by Patroni's own record: only that one may take over.

        PostgreSQL calls a follower synchronous before: while none is chosen, any will do for it (`synchronous_standby_names = '*'`). And one
        that comes back runs, and even asks for what is new, before it is found that it has to be put back to where the others parted from it.
        """
        def whole():
            primary = self.primary()
            if primary is None:
                return False
            members = {member["name"]: member for member in primary.status("cluster").get("members", [])}
            timeline = members.get(primary.name, {}).get("timeline")
            streams = {link["application_name"] for link in primary.status().get("replication", []) if link["state"] == "streaming"}
            followers = [members[node.name] for node in self.nodes if node is not primary and node.name in streams & set(members)]
            return (len(followers) == len(self.nodes) - 1 and all(member.get("timeline") == timeline for member in followers)
                    and any(member["role"] == "sync_standby" for member in followers))
        wait_until(whole, 120, "a whole cluster; see " + self.root, pause=0.3)
