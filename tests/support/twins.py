"""Two processes of one server on one database."""
import contextlib
import os
import re
import shutil

from .client import Client, Http, unique
from .database import Cluster
from .processes import free_port
from .server import Server


@contextlib.contextmanager
def twins_on(url, settings=None):
    """Two Servers on the same keys and files, and on the database of a URL."""
    name = unique("hs")
    first, second = [Server(server_name=name, processes=1, settings={
        "database.url": url, "listen.metrics": "127.0.0.1:%d" % free_port(), **(settings or {})}) for _ in range(2)]
    first.start()
    second.secret = first.secret
    os.makedirs(second.data, mode=0o755)
    for key in ("signing.key", "secrets.key"):
        shutil.copy2(os.path.join(first.data, key), second.data)
    os.symlink(os.path.join(first.data, "media"), os.path.join(second.data, "media"))
    second.start()
    try:
        yield first, second
    finally:
        for server in (second, first):
            server.destroy()


@contextlib.contextmanager
def twins(settings=None):
    """The same, with a database of their own."""
    with Cluster() as cluster, twins_on(cluster.url, settings) as servers:
        yield servers


def waiting(server):
    """How many requests wait at one of them without a thread."""
    metrics = Http("http://" + server.settings["listen.metrics"]).raw("GET", "/metrics").raw.decode()
    told = re.search(r"^belfry_http_parked (\d+)", metrics, re.M)
    return int(told.group(1)) if told else 0  # it is told of once somebody waits


class Process:
    """One of the two processes of a Server behind HAProxy: for who sends to it (remote.py), or asks it (at())."""

    def __init__(self, server, number):
        self.server_name, self.url = server.server_name, server.urls()[number]
        self.inner_port = server.inner[number][0]


def at(server, user):
    """The same session by way of another process."""
    return Client(server.url, user.token, user.user_id, user.device_id, user.password)
