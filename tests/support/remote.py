"""Another homeserver, in Python: it signs what it says, answers what a test tells it to, and misbehaves on demand.

    remote = Remote(authority).start()
    remote.on("GET", r"/_matrix/federation/v1/query/profile", lambda ask: (200, {"displayname": "Zoë"}))
    remote.send(hs, "GET", "/_matrix/federation/v1/version")      a signed request to a Server

Its name is 127.0.0.1:PORT.  Rooms that it hosts are in remote_room.py.  Hashes, signatures and redaction come from
Synapse, so what a test builds does not rest on the code under test.
"""
import http.client
import json
import queue
import re
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from canonicaljson import encode_canonical_json
from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
from signedjson.sign import sign_json, verify_signed_json

from .client import Reply, seconds, unique
from .processes import free_port
from .serving import serve

FEDERATION = "/_matrix/federation/v1"


class Ask:
    """One request that the remote got."""

    def __init__(self, method, target, headers, raw):
        self.method, self.target, self.headers, self.raw = method, target, headers, raw
        parts = urllib.parse.urlsplit(target)
        self.path = urllib.parse.unquote(parts.path)
        self.query = urllib.parse.parse_qs(parts.query)
        self.match = None
        try:
            self.json = json.loads(raw) if raw else None
        except ValueError:
            self.json = None

    @property
    def authorization(self):
        """The parameters of the X-Matrix header."""
        text = self.headers.get("authorization", "")
        assert text.startswith("X-Matrix "), text
        return dict(re.findall(r'(\w+)="?([^",]*)"?', text[9:]))

    def is_signed_by(self, origin, verify_key, destination):
        """Whether the request carries that server's signature."""
        auth = self.authorization
        signed = {"method": self.method, "uri": self.target, "origin": auth["origin"],
                  "destination": auth["destination"], "signatures": {auth["origin"]: {auth["key"]: auth["sig"]}}}
        if self.json is not None:
            signed["content"] = self.json
        if auth["origin"] != origin or auth["destination"] != destination:
            return False
        try:
            verify_signed_json(signed, origin, verify_key)
        except Exception:  # signedjson's own type
            return False
        return True


class Remote:
    """`asked` is the list of requests so far; `heard` a queue of the same."""

    def __init__(self, authority, host="127.0.0.1"):
        self.authority = authority
        self.key = generate_signing_key("k1")
        self.handlers = []
        self.asked = []
        self.heard = queue.Queue()
        self.closing = threading.Event()
        self.port = free_port()  # its name: who knows another of that name knows another key, other rooms, and that it cannot be reached
        self.server = ThreadingHTTPServer((host, self.port), self._handler())
        self.server.daemon_threads = True
        self.name = "%s:%d" % (host, self.port)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*authority.certificate(host))
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
        self.trust = ssl.create_default_context(cafile=authority.ca_file)
        self.on("GET", r"/_matrix/key/v2/server", lambda ask: (200, self.keys()))
        self.on("GET", r"/_matrix/federation/v1/version", lambda ask: (200, {"server": {"name": "remote", "version": "1"}}))

    # -- its own answers

    def _handler(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16

            def handle_any(self):
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                ask = Ask(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, raw)
                outer.asked.append(ask)
                answer = outer.answer(ask)
                outer.heard.put(ask)
                if callable(answer):  # a misbehaving one writes by itself
                    answer(self)
                    return
                status, body = answer[0], answer[1]
                headers = dict(answer[2]) if len(answer) > 2 else {}
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                headers.setdefault("Content-Type", "application/json")
                headers["Content-Length"] = str(len(data))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = handle_any

            def log_message(self, *arguments):
                pass

        return Handler

    def on(self, method, path, answer):
        """`path` is a regular expression for the whole decoded path; `answer` a function of the Ask (its groups in
        ask.match) that gives (status, JSON or bytes[, headers]), or a function that writes to the handler, or None: it is not
        for this one.  The newest wins."""
        self.handlers.insert(0, (method, re.compile(path), answer))

    def answer(self, ask):
        errcode = "M_UNRECOGNIZED"
        for method, path, answer in self.handlers:
            ask.match = path.fullmatch(ask.path)
            if method == ask.method and ask.match:
                reply = answer(ask)
                if reply is not None:
                    return reply
                errcode = "M_NOT_FOUND"
        return 404, {"errcode": errcode, "error": "the test has no answer"}

    def start(self):
        serve(self.server)
        return self

    def stop(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def next(self, method, path, limit=20):
        """The next request of that kind; others are passed over."""
        pattern = re.compile(path)
        while True:
            ask = self.heard.get(timeout=seconds(limit))
            if ask.method == method and pattern.fullmatch(ask.path):
                return ask

    # -- keys and signatures

    @property
    def key_id(self):
        return "%s:%s" % (self.key.alg, self.key.version)

    def keys(self, **more):
        """Its answer about its keys."""
        import time
        answer = {"server_name": self.name, "valid_until_ts": int(time.time() * 1000) + 24 * 3600 * 1000,
                  "verify_keys": {self.key_id: {"key": encode_verify_key_base64(get_verify_key(self.key))}},
                  "old_verify_keys": {}}
        answer.update(more)
        return sign_json(answer, self.name, self.key)

    def sign(self, value):
        return sign_json(value, self.name, self.key)

    def authorization(self, method, target, destination, /, content=None, **other):
        """The header's value; `other` puts a parameter in the place of the right one."""
        signed = {"method": method, "uri": target, "origin": self.name, "destination": destination}
        if content is not None:
            signed["content"] = content
        signature = sign_json(signed, self.name, self.key)["signatures"][self.name][self.key_id]
        values = {"origin": self.name, "destination": destination, "key": self.key_id, "sig": signature}
        values.update(other)
        return "X-Matrix " + ",".join('%s="%s"' % item for item in values.items() if item[1] is not None)

    # -- its requests

    def raw(self, server, method, target, body=None, headers=None, limit=30):
        """A request as it is, to the server's TLS listener; to one process of several (twins.Process) as from a proxy."""
        inner = getattr(server, "inner_port", None)
        host, _, port = server.server_name.rpartition(":")
        connection = (http.client.HTTPConnection(host, inner, timeout=seconds(limit)) if inner is not None else
                      http.client.HTTPSConnection(host, int(port), context=self.trust, timeout=seconds(limit)))
        try:
            connection.request(method, target, body=body, headers=headers or {})
            response = connection.getresponse()
            return Reply(method, target, response.status, {k.lower(): v for k, v in response.getheaders()},
                         response.read())
        finally:
            connection.close()

    def send(self, server, method, target, content=None, limit=30, **other):
        """A signed request; targets without "/_matrix" are below /_matrix/federation/v1."""
        if not target.startswith("/_matrix"):
            target = FEDERATION + target
        headers = {"Authorization": self.authorization(method, target, server.server_name, content, **other)}
        body = None
        if content is not None:
            headers["Content-Type"] = "application/json"
            body = encode_canonical_json(content)
        return self.raw(server, method, target, body, headers, limit)

    def transaction(self, server, pdus=(), edus=(), txn=None, **more):
        """PUT /send with these; the reply."""
        import time
        txn = txn or unique("t")
        content = {"origin": self.name, "origin_server_ts": int(time.time() * 1000),
                   "pdus": [getattr(pdu, "json", pdu) for pdu in pdus], "edus": list(edus)}
        content.update(more)
        return self.send(server, "PUT", "/send/%s" % txn, content)
