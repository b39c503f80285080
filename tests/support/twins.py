"""Two processes of one server on one database."""
import contextlib
import os
import shutil

from .client import Client, unique
from .database import Cluster
from .server import Server


@contextlib.contextmanager
def twins(settings=None):
    """Two Servers on the same keys, files and database."""
    with Cluster() as cluster:
        name = unique("hs")
        settings = {"database.url": cluster.url, **(settings or {})}
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


def at(server, user):
    """The same session by way of another process."""
    return Client(server.url, user.token, user.user_id, user.device_id, user.password)
