"""Two processes of one server on one database."""
import contextlib
import os
import shutil

from .client import Client, unique
from .database import Cluster
from .server import Server


@contextlib.contextmanager
def twins_on(url, settings=None):
    """Two Servers on the same keys and files, and on the database of a URL."""
    name = unique("hs")
    settings = {"database.url": url, **(settings or {})}
    first = Server(server_name=name, settings=settings).start()
    second = Server(server_name=name, settings=settings)
    second.secret = first.secret
    os.makedirs(second.data, mode=0o755)
    for key in ("signing.key", "secrets.key"):
        shutil.copy2(os.path.join(first.data, key), second.data)
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


def at(server, user):
    """The same session by way of another process."""
    return Client(server.url, user.token, user.user_id, user.device_id, user.password)
