"""PgBouncer before a cluster.

    with Cluster() as cluster, PgBouncer(cluster, "session") as bouncer:
        server = make_server(settings={"database.url": bouncer.url}).start()
"""
import os
import shutil
import socket
import subprocess

from .client import seconds
from .server import free_port, new_folder, wait_until
from .standby import as_postgres


class PgBouncer:
    def __init__(self, cluster, mode):
        self.cluster, self.mode, self.port = cluster, mode, free_port()
        self.url = "postgresql://belfry@127.0.0.1:%d/postgres?sslmode=disable&gssencmode=disable" % self.port

    def __enter__(self):
        self.root = new_folder("belfry-bouncer-")
        with open(os.path.join(self.root, "pgbouncer.ini"), "w", encoding="utf-8") as file:
            file.write("[databases]\npostgres = host=%s dbname=postgres user=belfry\n"
                       "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n"
                       "auth_type = any\npool_mode = %s\ndefault_pool_size = 40\n" % (self.cluster.folder, self.port, self.mode))
        self.start()
        return self

    def start(self):
        self.process = subprocess.Popen([*as_postgres(), shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin"), "-q",
                                         os.path.join(self.root, "pgbouncer.ini")],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, 30, "PgBouncer")

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), seconds(2)).close()
            return True
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, *exception):
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)
