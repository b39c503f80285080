"""A push gateway on 127.0.0.1: a real HTTP server in a thread, which keeps what it hears."""
import json
import queue
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event

from .client import seconds
from .processes import free_port
from .serving import serve


class Gateway:
    """`answer(notification)` gives (status, JSON) for each request; the default takes everything."""

    def __init__(self, answer=None):
        self.answer = answer or (lambda notification: (200, {"rejected": []}))
        self.heard = queue.Queue()
        self.headers = []
        self.closing = Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body in one packet: no waiting for the other side's acknowledgement

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.headers.append((self.path, dict(self.headers)))
                notification = body["notification"]
                status, answer = outer.answer(notification)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                outer.heard.put((status, notification))

            def log_message(self, *arguments):
                pass

        # Not a port that another had: pushers of tests before may still send there.
        self.server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self.server.daemon_threads = True
        serve(self.server)

    @property
    def url(self):
        return "http://127.0.0.1:%d/_matrix/push/v1/notify" % self.server.server_port

    def next(self, limit=20):
        """The next notification that was taken with 200."""
        while True:
            status, notification = self.heard.get(timeout=seconds(limit))
            if status == 200:
                return notification

    def until(self, condition, limit=20):
        """Notifications up to the first that fulfils the condition, which is the last of the list."""
        seen = []
        while not seen or not condition(seen[-1]):
            seen.append(self.next(limit))
        return seen

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


def pusher(gateway, pushkey, app_id="org.example.app", **more):
    """Body of POST /pushers/set; data, append and others by name."""
    data = {"url": gateway.url, **more.pop("data", {})}
    return {"kind": "http", "app_id": app_id, "pushkey": pushkey, "app_display_name": "App", "lang": "en",
            "device_display_name": "Phone", "data": data, **more}
