"""What a server measures of itself."""
import re

from .client import Http


class Metrics:
    def __init__(self, port):
        self.http = Http("http://127.0.0.1:%d" % port)

    @classmethod
    def of(cls, server):
        return cls(int(server.settings["listen.metrics"].split(":")[1]))

    def __getitem__(self, name):
        text = self.http.raw("GET", "/metrics").raw.decode()
        found = re.search(r"^%s (\d+)$" % re.escape(name), text, re.M)
        return int(found.group(1)) if found else 0  # shown once it has changed
