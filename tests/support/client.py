"""A thin Matrix client: one method per habit, status and body as they came, nothing hidden.

Paths without "/_matrix" are below /_matrix/client/v3 (but "/" alone).  Each answer is compared with the schema of the
specification.  Helpers that wait, wait for an event, never for a fixed time.
"""
import http.client
import itertools
import json
import os
import re
import threading
import time
import urllib.parse

from . import schema

SLOW = float(os.environ.get("BELFRY_TEST_SLOW", "1"))
"""Multiplies every time limit: sanitizer builds are slow."""

V3 = "/_matrix/client/v3"
MEDIA_BYTES = re.compile(r"/_matrix/(client/v1/)?media/((r0|v1|v3)/)?(download|thumbnail)/")
"""Where a good answer is a file instead of JSON."""
_counter = itertools.count(1)
_run = "%x" % (int(time.time() * 1000) & 0xFFFFFFF)


def seconds(value):
    """A time limit, stretched for slow builds."""
    return value * SLOW


def of_whole_index(ask):
    """The answer of `ask()`, which looks into an index. A server waits a moment for its own, 1.5 s, so that it has what was written before: an
    answer that took so long may be of an older one, and is asked for again."""
    deadline = time.monotonic() + seconds(30)
    while True:
        begun = time.monotonic()
        answer = ask()
        if time.monotonic() - begun < 1.4 or begun > deadline:
            return answer


def unique(prefix="x"):
    """A name that no other test uses, also across runs against the same server."""
    return "%s-%s-%d" % (prefix, _run, next(_counter))


def quote(text):
    """One path segment."""
    return urllib.parse.quote(text, safe="")


def path_of(*segments):
    """Segments joined and percent-encoded: path_of("rooms", room_id, "join")."""
    return "/" + "/".join(quote(segment) for segment in segments)


class Reply:
    """Status, headers (lower-case names) and body of one answer."""

    def __init__(self, method, target, status, headers, raw):
        self.method, self.target = method, target
        self.status, self.headers, self.raw = status, headers, raw
        self.json = None
        if raw:
            try:
                self.json = json.loads(raw.decode("utf-8"))
            except ValueError:
                pass

    @property
    def errcode(self):
        return self.json.get("errcode") if isinstance(self.json, dict) else None

    def __getitem__(self, key):
        assert isinstance(self.json, dict), "%r has no JSON object" % self
        assert key in self.json, "no %r in %r" % (key, self)
        return self.json[key]

    def __contains__(self, key):
        return isinstance(self.json, dict) and key in self.json

    def get(self, key, default=None):
        return self.json.get(key, default) if isinstance(self.json, dict) else default

    def __repr__(self):
        return "<%s %s -> %d %s>" % (self.method, urllib.parse.unquote(self.target)[:300], self.status,
                                     self.raw[:600].decode("utf-8", "replace"))

    def expect(self, status, errcode=None):
        """Asserts the status (one or several) and, if given, the errcode (one or several)."""
        statuses = status if isinstance(status, (tuple, list, set)) else (status,)
        assert self.status in statuses, "expected %s %s, got %r" % (status, errcode or "", self)
        if errcode is not None:
            codes = errcode if isinstance(errcode, (tuple, list, set)) else (errcode,)
            assert self.errcode in codes, "expected %s %s, got %r" % (status, errcode, self)
        return self

    def ok(self):
        return self.expect(200)


class Http:
    """Keep-alive connections, one for each thread."""

    check_schema = True
    ignored_violations = ()

    def __init__(self, base):
        self.base = base
        parts = urllib.parse.urlsplit(base)
        self.host, self.port = parts.hostname, parts.port or 80
        self.local = threading.local()

    def raw(self, method, target, body=None, headers=None, timeout=None):
        """One exchange; target is sent as it is.  Retries once on a connection that had been idle."""
        limit = seconds(30) if timeout is None else timeout
        for attempt in (0, 1):
            connection = getattr(self.local, "connection", None)
            fresh = connection is None
            if fresh:
                connection = http.client.HTTPConnection(self.host, self.port, timeout=limit)
                self.local.connection = connection
            connection.timeout = limit
            if connection.sock is not None:
                connection.sock.settimeout(limit)
            try:
                connection.request(method, target, body=body, headers=headers or {})
                response = connection.getresponse()
                data = response.read()
            except (http.client.HTTPException, OSError) as error:
                self.drop()
                idle_closed = isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError,
                                                 BrokenPipeError))
                if fresh or attempt or not idle_closed:
                    if isinstance(error, OSError):
                        raise
                    raise ConnectionError("%s %s: %r" % (method, target[:200], error)) from error
                continue
            if response.will_close:
                self.drop()
            return Reply(method, target, response.status,
                         {name.lower(): value for name, value in response.getheaders()}, data)
        raise AssertionError("unreachable")

    def drop(self):
        connection = getattr(self.local, "connection", None)
        if connection is not None:
            connection.close()
        self.local.connection = None


class Client:
    """A user's session on one server (or nobody's, without token)."""

    def __init__(self, base, token=None, user_id=None, device_id=None, password=None):
        self.http = base if isinstance(base, Http) else Http(base)
        self.token, self.user_id, self.device_id, self.password = token, user_id, device_id, password
        self.refresh_token = None

    # -- requests

    def request(self, method, path, body=None, query=None, token=True, raw=None, headers=None, timeout=None,
                check=True):
        """body: JSON value; raw: bytes sent as they are; token: True (ours), False (none) or a string."""
        is_whole = path.startswith(("/_", "/.well-known")) or path.partition("?")[0] == "/"
        target = path if is_whole else V3 + path
        plain = target
        if query:
            pairs = query.items() if isinstance(query, dict) else query
            target += "?" + urllib.parse.urlencode([(key, _query_value(value)) for key, value in pairs
                                                    if value is not None])
        sent = dict(headers or {})
        bearer = self.token if token is True else token
        if bearer:
            sent.setdefault("Authorization", "Bearer " + bearer)
        data = raw
        if raw is None and body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        elif method in ("POST", "PUT"):
            data = b"{}"
        reply = self.http.raw(method, target, data, sent, timeout)
        if check and Http.check_schema:
            check_reply(reply, plain)
        return reply

    def get(self, path, query=None, **more):
        return self.request("GET", path, query=query, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, {} if body is None else body, **more)

    def put(self, path, body=None, **more):
        return self.request("PUT", path, {} if body is None else body, **more)

    def delete(self, path, body=None, **more):
        return self.request("DELETE", path, body, **more)

    def anonymous(self):
        return Client(self.http)

    def with_token(self, token):
        return Client(self.http, token, self.user_id, self.device_id, self.password)

    # -- accounts

    def login(self, password=None, user=None, **more):
        """A new session of the same user; returns its Client."""
        body = {"type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": user or self.user_id},
                "password": password if password is not None else self.password}
        body.update(more)
        reply = self.post("/login", body, token=False).ok()
        session = Client(self.http, reply["access_token"], reply["user_id"], reply["device_id"],
                         body["password"])
        session.refresh_token = reply.get("refresh_token")
        return session

    def uia(self, method, path, body=None, password=None, **more):
        """A request that needs user-interactive authentication, completed with the password."""
        body = dict(body or {})
        first = self.request(method, path, body, **more).expect(401)
        body["auth"] = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": self.user_id},
                        "password": password if password is not None else self.password,
                        "session": first["session"]}
        return self.request(method, path, body, **more)

    # -- rooms

    def create_room(self, **options):
        """createRoom, returns the room id."""
        return self.post("/createRoom", options).ok()["room_id"]

    def room(self, room_id, *rest):
        return path_of("rooms", room_id, *rest)

    def invite(self, room_id, other, **more):
        return self.post(self.room(room_id, "invite"), {"user_id": user_of(other), **more})

    def join(self, room_id, **more):
        return self.post(self.room(room_id, "join"), more)

    def leave(self, room_id, **more):
        return self.post(self.room(room_id, "leave"), more)

    def forget(self, room_id):
        return self.post(self.room(room_id, "forget"), {})

    def kick(self, room_id, other, **more):
        return self.post(self.room(room_id, "kick"), {"user_id": user_of(other), **more})

    def ban(self, room_id, other, **more):
        return self.post(self.room(room_id, "ban"), {"user_id": user_of(other), **more})

    def unban(self, room_id, other, **more):
        return self.post(self.room(room_id, "unban"), {"user_id": user_of(other), **more})

    def put_event(self, room_id, kind, content, txn=None):
        """PUT /send; returns the Reply."""
        return self.put(self.room(room_id, "send", kind, txn or unique("t")), content)

    def send(self, room_id, content="hello", kind="m.room.message", txn=None):
        """Sends an event, returns its id; a string becomes an m.text message."""
        if isinstance(content, str):
            content = {"msgtype": "m.text", "body": content}
        return self.put_event(room_id, kind, content, txn).ok()["event_id"]

    def put_state(self, room_id, kind, content, state_key=""):
        return self.put(self.room(room_id, "state", kind, state_key), content)

    def set_state(self, room_id, kind, content, state_key=""):
        return self.put_state(room_id, kind, content, state_key).ok()["event_id"]

    def get_state(self, room_id, kind, state_key="", **query):
        return self.get(self.room(room_id, "state", kind, state_key), query)

    def state(self, room_id):
        """Current state: {(type, state_key): event}."""
        events = self.get(self.room(room_id, "state")).ok().json
        return {(event["type"], event["state_key"]): event for event in events}

    def redact(self, room_id, event_id, txn=None, **body):
        return self.put(self.room(room_id, "redact", event_id, txn or unique("r")), body)

    def event(self, room_id, event_id):
        return self.get(self.room(room_id, "event", event_id))

    def messages(self, room_id, direction="b", **query):
        if isinstance(query.get("filter"), dict):
            query["filter"] = json.dumps(query["filter"])
        return self.get(self.room(room_id, "messages"), {"dir": direction, **query})

    def history(self, room_id, direction="b", limit=20, **query):
        """Every event of the room by walking /messages to its end."""
        events, since = [], query.pop("start", None)
        for _ in range(1000):
            reply = self.messages(room_id, direction, limit=limit, **query,
                                  **({"from": since} if since else {})).ok()
            events.extend(reply["chunk"])
            if "end" not in reply or reply["end"] == since:
                return events
            since = reply["end"]
        raise AssertionError("/messages never ends")

    def receipt(self, room_id, event_id, kind="m.read", **body):
        return self.post(self.room(room_id, "receipt", kind, event_id), body)

    def typing(self, room_id, typing=True, timeout=30000, user=None):
        body = {"typing": typing, "timeout": timeout} if typing else {"typing": False}
        return self.put(self.room(room_id, "typing", user or self.user_id), body)

    def account_data(self, kind, content, room_id=None):
        where = ("user", self.user_id) + (("rooms", room_id) if room_id else ()) + ("account_data", kind)
        return self.put(path_of(*where), content)

    # -- sync

    def sync_reply(self, since=None, timeout=0, filter=None, **query):
        if isinstance(filter, dict):
            filter = json.dumps(filter)
        query = {"since": since, "timeout": timeout, "filter": filter, **query}
        return self.get("/sync", query, timeout=seconds(30) + timeout / 1000)

    def sync(self, since=None, timeout=0, filter=None, **query):
        return Sync(self.sync_reply(since, timeout, filter, **query).ok().json)

    def watch(self, filter=None, **query):
        """Begins to follow /sync from now on."""
        return Watch(self, filter, query)


def user_of(value):
    return value.user_id if isinstance(value, Client) else value


def _query_value(value):
    if value is True or value is False:
        return "true" if value else "false"
    return value


def check_reply(reply, path):
    """The rules that every answer of the API obeys."""
    if reply.status == 204 or reply.method in ("OPTIONS", "HEAD"):
        return
    if not path.startswith("/_matrix/"):
        return
    if MEDIA_BYTES.match(path) and reply.status in (200, 206, 304, 416):
        return
    assert reply.headers.get("content-type", "").split(";")[0] == "application/json", (
        "Content-Type %r of %r" % (reply.headers.get("content-type"), reply))
    assert reply.json is not None, "no JSON: %r" % reply
    assert reply.headers.get("access-control-allow-origin") == "*", "no CORS header on %r" % reply
    if reply.status >= 400 and not (reply.status == 401 and "flows" in reply):
        assert isinstance(reply.errcode, str) and isinstance(reply.get("error"), str), (
            "no standard error: %r" % reply)
    if reply.status == 401 and "flows" not in reply:
        return
    found = [text for text in schema.violations(reply.method, path, reply.status, reply.json)
             if not any(re.search(pattern, text) for pattern in Http.ignored_violations)]
    assert not found, "answer does not fit the specification's schema: %s\n%r" % (found[:4], reply)


class Room(dict):
    """One room's part of a sync answer, with lists instead of absent fields."""

    def part(self, name):
        return self.get(name, {}).get("events", [])

    @property
    def timeline(self):
        return self.part("timeline")

    @property
    def state(self):
        return self.part("state")

    @property
    def state_after(self):
        return self.part("state_after")

    @property
    def ephemeral(self):
        return self.part("ephemeral")

    @property
    def account_data(self):
        return self.part("account_data")

    @property
    def limited(self):
        return self.get("timeline", {}).get("limited", False)

    @property
    def prev_batch(self):
        return self.get("timeline", {}).get("prev_batch")

    def ids(self, part="timeline"):
        return [event["event_id"] for event in self.part(part)]

    def types(self, part="timeline"):
        return [event["type"] for event in self.part(part)]

    def bodies(self):
        return [event["content"].get("body") for event in self.timeline if event["type"] == "m.room.message"]

    def keyed(self, part="state"):
        return {(event["type"], event["state_key"]): event for event in self.part(part)}

    def members(self, part="state"):
        return {event["state_key"] for event in self.part(part) if event["type"] == "m.room.member"}


class Sync(dict):
    """One answer of /sync."""

    @property
    def since(self):
        return self["next_batch"]

    def _room(self, section, room_id):
        return Room(self.get("rooms", {}).get(section, {}).get(room_id, {}))

    def joined(self, room_id):
        return self._room("join", room_id)

    def left(self, room_id):
        return self._room("leave", room_id)

    def invited(self, room_id):
        return self._room("invite", room_id)

    def knocked(self, room_id):
        return self._room("knock", room_id)

    def rooms(self, section):
        return set(self.get("rooms", {}).get(section, {}))

    def stripped(self, room_id):
        room = self.invited(room_id) or self.knocked(room_id)
        events = room.get("invite_state", room.get("knock_state", {})).get("events", [])
        return {(event["type"], event["state_key"]): event for event in events}

    def account(self, kind):
        for event in self.get("account_data", {}).get("events", []):
            if event["type"] == kind:
                return event["content"]
        return None


PROCESSES_AT = {}
"""Addresses of the processes behind one address, where there are several (server.py)."""


class Watch:
    """Follows /sync of a client; each call returns what is new since the last."""

    def __init__(self, client, filter=None, query=None):
        self.client, self.filter, self.query = client, filter, query or {}
        self.first = client.sync(filter=filter, **self.query)
        self.since = self.first.since

    def next(self, timeout=0):
        answer = self.client.sync(self.since, timeout, self.filter, **self.query)
        self.since = answer.since
        return answer

    def until(self, condition, limit=10):
        """Syncs until condition(answer) is true (or returns something), and returns (answer, that)."""
        deadline = time.monotonic() + seconds(limit)
        seen = []
        while time.monotonic() < deadline:
            answer = self.next(timeout=int(min(2000, max(1, (deadline - time.monotonic()) * 1000))))
            found = condition(answer)
            if found:
                self._shown_by_all()
                return answer, found
            seen.append(answer)
        raise AssertionError("not seen in /sync within %ss; seen: %s" % (
            seconds(limit), json.dumps([dict(item) for item in seen])[:2000]))

    def _shown_by_all(self):
        """Who did not write may see a change at one process moments before another shows it; one that is given a token waits for it."""
        for url in PROCESSES_AT.get(self.client.http.base, ()):
            Client(url, self.client.token).sync(self.since, 0, self.filter, **self.query)

    def invited_to(self):
        """The room that the user is invited to, from the beginning or later."""
        return next(iter(self.first.rooms("invite") or self.until(lambda answer: answer.rooms("invite"))[1]))

    def timeline_until(self, room_id, event_id, limit=10):
        """The timeline events of a joined room up to and including event_id, from all answers until then."""
        events = []

        def arrived(answer):
            events.extend(answer.joined(room_id).timeline)
            return any(event["event_id"] == event_id for event in events)
        self.until(arrived, limit)
        return events


def receipts_of(room):
    """{(event id, type, user): data} of the m.receipt events of a sync room."""
    found = {}
    for event in room.ephemeral:
        if event["type"] == "m.receipt":
            for event_id, kinds in event["content"].items():
                for kind, users in kinds.items():
                    for user, data in users.items():
                        found[event_id, kind, user] = data
    return found


def typing_of(room):
    """User ids of the newest m.typing event of a sync room; None if there is none."""
    users = None
    for event in room.ephemeral:
        if event["type"] == "m.typing":
            users = event["content"]["user_ids"]
    return users
