"""An application service on 127.0.0.1: an HTTP listener that keeps what it is asked and answers as told.

    service = AppService("irc", users=["@_irc_.*"])             exclusive; (pattern, False) for one that is not
    service.register(server)                                    by `belfry appservice add`; waits until the server knows it
    bot = service.client(server)                                acts as its sender
    ghost = service.ghost(server, "_irc_lin")                   registers a user and acts as that one
    service.on("GET", "/_matrix/app/v1/users/", lambda ask: (404, {}))
    service.wait_for(lambda ask: ask.method == "PUT")           the first request that fulfils it, seen or still to come
"""
import contextlib
import json
import os
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .client import Client, Http, seconds, unique
from .server import free_port, wait_until
from .serving import serve


class Ask:
    """One request to the service."""

    def __init__(self, method, target, headers, body):
        parts = urllib.parse.urlsplit(target)
        self.method, self.target = method, target
        self.path = urllib.parse.unquote(parts.path)
        self.query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body
        try:
            self.json = json.loads(body) if body else None
        except ValueError:
            self.json = None

    def __repr__(self):
        return "<%s %s %s>" % (self.method, self.target, self.body[:300])


class AppService:
    def __init__(self, name="as", users=(), aliases=(), rooms=(), listens=True, **more):
        """more: further keys of the registration."""
        self.id = unique(name)
        self.as_token, self.hs_token = unique("as-token"), unique("hs-token")
        self.sender_localpart = more.pop("sender_localpart", "_%s_bot" % self.id.replace("-", "_"))
        self.more = more
        self.namespaces = {kind: [self._rule(rule) for rule in rules]
                           for kind, rules in (("users", users), ("aliases", aliases), ("rooms", rooms))}
        self.asks, self.heard = [], threading.Condition()
        self.rules = []
        self.server = None
        self.port = 0
        if listens:
            self.listen()

    @staticmethod
    def _rule(rule):
        pattern, is_exclusive = (rule, True) if isinstance(rule, str) else rule
        return {"regex": pattern, "exclusive": is_exclusive}

    # -- its listener

    def listen(self):
        """Starts to listen; the same port after stop()."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16

            def _handle(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                ask = Ask(self.command, self.path, self.headers, body)
                if ask.headers.get("authorization") != "Bearer " + outer.hs_token:
                    self.send_error(403)  # meant for one that had the port before, and is registered still
                    return
                with outer.heard:
                    outer.asks.append(ask)
                    outer.heard.notify_all()
                status, answer = outer._answer(ask)
                if callable(answer):
                    self.close_connection = True
                    with contextlib.suppress(OSError):
                        answer(self)
                    return
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = _handle

            def log_message(self, *arguments):
                pass

        self.port = self.port or free_port()  # which nobody else gets while it does not listen
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        serve(self.server)
        return self

    def stop(self):
        """Nobody listens any more."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    close = stop

    def on(self, method, prefix, answer):
        """answer(ask) gives (status, JSON or bytes), or (None, a function that writes to the handler it is given); the newest rule
        wins.  Without one: 200 {} ."""
        self.rules.insert(0, (method, prefix, answer))
        return self

    def _answer(self, ask):
        for method, prefix, answer in list(self.rules):
            if ask.method == method and ask.path.startswith(prefix):
                return answer(ask)
        return 200, {}

    def wait_for(self, condition, limit=20):
        """The first request that fulfils it, among those that came and those to come."""
        found = []

        def look():
            found.extend(ask for ask in list(self.asks) if condition(ask))
            return bool(found)
        with self.heard:
            assert self.heard.wait_for(look, seconds(limit)), "not asked so; asked: %r" % self.asks[-20:]
        return found[0]

    # -- what it was told by transactions

    def transactions(self):
        """Requests that carry one, in order, each as often as it came."""
        return [ask for ask in list(self.asks) if ask.method == "PUT" and "/transactions/" in ask.path]

    def told(self, part="events"):
        """What the transactions hold, each once; one that came again has to be the same to the byte."""
        bodies = {}
        for ask in self.transactions():
            assert bodies.setdefault(ask.path.rpartition("/")[2], ask.body) == ask.body, ask
        return [item for body in bodies.values() for item in json.loads(body).get(part, [])]

    def until_told(self, condition, limit=20, part="events"):
        """Waits for the first that fulfils it."""
        found = []

        def look():
            found[:] = [item for item in self.told(part) if condition(item)]
            return bool(found)
        with self.heard:
            assert self.heard.wait_for(look, seconds(limit)), "not told so; told: %r" % self.told(part)[-20:]
        return found[0]

    def until_event(self, event_id, limit=20):
        return self.until_told(lambda event: event["event_id"] == event_id, limit)

    def ids(self, room_id=None):
        """Of the events that it was told, in order."""
        return [event["event_id"] for event in self.told() if room_id in (None, event["room_id"])]

    # -- its registration

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port if self.port else None

    @property
    def registration(self):
        return {"id": self.id, "url": self.url, "as_token": self.as_token, "hs_token": self.hs_token,
                "sender_localpart": self.sender_localpart, "namespaces": self.namespaces, **self.more}

    def write(self, folder, name=None):
        """Its registration file; the path."""
        path = os.path.join(folder, name or self.id + ".yaml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.registration, file)  # which is YAML too
        return path

    def register(self, server):
        """Adds it, and waits until the server that runs knows it."""
        done = server.run("appservice", "add", self.write(server.root))
        assert done.returncode == 0, done.stderr
        self.wait_known(server)
        return self

    def wait_known(self, server):
        """Until its token is good, at each process."""
        for url in server.urls():
            bot = Client(url, self.as_token)
            wait_until(lambda bot=bot: bot.get("/account/whoami").status == 200, 20, "the server knows %s" % self.id)

    # -- what it does on the server

    def user_id(self, server, localpart=None):
        return "@%s:%s" % (localpart or self.sender_localpart, server.server_name)

    def client(self, server, localpart=None, device_id=None):
        """Acts as a user that there is; its sender if none is named."""
        return Puppet(server.url, self.as_token, self.user_id(server, localpart), device_id, localpart is not None)

    def ghost(self, server, localpart):
        """Registers a user without password, and acts as that one."""
        self.client(server).post("/register", {"type": "m.login.application_service", "username": localpart,
                                               "inhibit_login": True}).ok()
        return self.client(server, localpart)


class Puppet(Client):
    """A client that names whom it acts as with every request."""

    def __init__(self, base, token, user_id, device_id=None, names_user=True):
        super().__init__(base if isinstance(base, Http) else Http(base), token, user_id, device_id)
        self.names_user = names_user

    def request(self, method, path, *arguments, query=None, **more):
        who = {"user_id": self.user_id} if self.names_user else {}
        if self.device_id:
            who["device_id"] = self.device_id
        return super().request(method, path, *arguments, query={**who, **(query or {})}, **more)
