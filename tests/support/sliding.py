"""Follows simplified sliding sync (MSC4186, in its unstable form) as a client does.

    watch = Sliding(alice, {"all": window(19)})     one connection; the first answer is watch.first
    watch.next()                                    what is new since the last answer
    watch.at_once()                                 the same, by a request that would wait
    watch.until(lambda answer: answer.room(room))   asks until it is there
"""
import json
import time

import jsonschema

from . import accounts
from .client import PROCESSES_AT, Client, seconds, unique

PATH = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"

_EVENT = {"type": "object", "required": ["type", "sender", "content", "event_id", "origin_server_ts"],
          "properties": {"prev_events": False, "auth_events": False, "hashes": False, "signatures": False,
                         "depth": False}}
_STATE = {"anyOf": [
    {**_EVENT, "required": _EVENT["required"] + ["state_key"]},
    {"type": "object", "required": ["type", "state_key"], "additionalProperties": False,
     "properties": {"type": {"type": "string"}, "state_key": {"type": "string"}}}]}
_STRIPPED = {"type": "object", "required": ["type", "state_key", "sender", "content"]}
_DATA = {"type": "object", "required": ["type", "content"], "additionalProperties": False,
         "properties": {"type": {"type": "string"}, "content": {"type": "object"}}}
_COUNT = {"type": "integer", "minimum": 0}
_USERS = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}


def _object(properties, required=()):
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


def _each(item):
    return {"type": "object", "additionalProperties": item}


def _ephemeral(kind):
    return _object({"type": {"const": kind}, "content": {"type": "object"}}, ("type", "content"))


_ROOM = _object({
    "name": {"type": ["string", "null"]}, "avatar": {"type": ["string", "null"]},
    "heroes": {"type": "array", "items": _object({
        "user_id": {"type": "string"}, "displayname": {"type": "string"}, "avatar_url": {"type": "string"}}, ("user_id",))},
    "is_dm": {"type": "boolean"}, "initial": {"const": True}, "unstable_expanded_timeline": {"const": True},
    "required_state": {"type": "array", "items": _STATE}, "timeline": {"type": "array", "items": _EVENT},
    "invite_state": {"type": "array", "items": _STRIPPED}, "prev_batch": {"type": "string"}, "limited": {"type": "boolean"},
    "num_live": _COUNT, "joined_count": _COUNT, "invited_count": _COUNT, "notification_count": _COUNT, "highlight_count": _COUNT,
    "bump_stamp": _COUNT, "membership": {"type": "string"}, "lists": {"type": "array", "items": {"type": "string"}}})
_EXTENSIONS = _object({
    "to_device": _object({"next_batch": {"type": "string"}, "events": {"type": "array", "items": {
        "type": "object", "required": ["type", "sender", "content"]}}}, ("next_batch",)),
    "e2ee": _object({"device_lists": _object({"changed": _USERS, "left": _USERS}),
                     "device_one_time_keys_count": _each(_COUNT),
                     "device_unused_fallback_key_types": {"type": "array", "items": {"type": "string"}}}),
    "account_data": _object({"global": {"type": "array", "items": _DATA}, "rooms": _each({"type": "array", "items": _DATA})}),
    "receipts": _object({"rooms": _each(_ephemeral("m.receipt"))}),
    "typing": _object({"rooms": _each(_ephemeral("m.typing"))})})
_ANSWER = jsonschema.Draft202012Validator(_object({
    "pos": {"type": "string", "minLength": 1},
    "lists": _each({"type": "object", "required": ["count"], "properties": {"count": _COUNT}}),
    "rooms": _each(_ROOM), "extensions": _EXTENSIONS}, ("pos",)))
"""As clients read it (ruma, sync_events::v5)."""


def window(last=19, timeline=10, state=(), first=0, **more):
    """A list of the rooms `first` to `last`; `more` goes in beside, such as filters."""
    return {"ranges": [[first, last]], "timeline_limit": timeline, "required_state": [list(pair) for pair in state], **more}


def wanted(timeline=10, state=()):
    """A subscription to a room."""
    return {"timeline_limit": timeline, "required_state": [list(pair) for pair in state]}


class Part(dict):
    """What an answer says of one room; false where it says nothing."""

    @property
    def timeline(self):
        return self.get("timeline", [])

    @property
    def state(self):
        """{(type, state key): event} of required_state, which has each once."""
        events = self.get("required_state", [])
        found = {(event["type"], event["state_key"]): event for event in events}
        assert len(found) == len(events), "told twice: %s" % events
        return found

    @property
    def stripped(self):
        return {(event["type"], event["state_key"]): event for event in self.get("invite_state", [])}

    @property
    def members(self):
        return {key for kind, key in self.state if kind == "m.room.member"}

    def ids(self):
        return [event["event_id"] for event in self.timeline]

    def types(self):
        return [event["type"] for event in self.timeline]

    def bodies(self):
        return [event["content"].get("body") for event in self.timeline if event["type"] == "m.room.message"]


class Answer(dict):
    """One answer of sliding sync."""

    def __init__(self, body):
        super().__init__(body)
        for error in _ANSWER.iter_errors(body):
            raise AssertionError("%s: %s\n%s" % ("/".join(map(str, error.absolute_path)), error.message[:300], json.dumps(body)[:2000]))

    @property
    def pos(self):
        return self["pos"]

    @property
    def rooms(self):
        return set(self.get("rooms", {}))

    def room(self, room_id):
        return Part(self.get("rooms", {}).get(room_id, {}))

    def count(self, name="all"):
        return self["lists"][name]["count"]

    def extension(self, name):
        return self.get("extensions", {}).get(name, {})

    def account(self, kind, room_id=None):
        """Content of account data, global or of a room; None: not told."""
        data = self.extension("account_data")
        events = data.get("rooms", {}).get(room_id, []) if room_id else data.get("global", [])
        return next((event["content"] for event in events if event["type"] == kind), None)

    def receipts(self, room_id):
        """{(event id, type, user): data}."""
        event = self.extension("receipts").get("rooms", {}).get(room_id, {"content": {}})
        return {(event_id, kind, user): data for event_id, kinds in event["content"].items()
                for kind, users in kinds.items() for user, data in users.items()}

    def typing(self, room_id):
        """User ids; None: not told."""
        return self.extension("typing").get("rooms", {}).get(room_id, {"content": {}})["content"].get("user_ids")


def ask(client, body, pos=None, timeout=0, **query):
    """One request; returns the Reply."""
    return client.post(PATH, body, query={"pos": pos, "timeout": timeout, **query}, timeout=seconds(30) + timeout / 1000)


_watchers = {}


def _all_show_the_same(client):
    """Where several processes serve, one may show moments after another what somebody did. Who is given a token of the other waits for it."""
    urls = PROCESSES_AT.get(client.http.base, ())
    if urls and client.http.base not in _watchers:
        _watchers[client.http.base] = accounts.register(client.http.base).token
    for url in urls:
        since = Client(url, _watchers[client.http.base]).sync().since
        for other in urls:
            Client(other, _watchers[client.http.base]).sync(since)


class Sliding:
    """One connection, with a name of its own if none is given. What it asks for may be changed between requests: lists, rooms (subscriptions),
    extensions."""

    def __init__(self, client, lists=None, rooms=None, extensions=None, conn_id=None, begins=True):
        self.client, self.conn_id = client, unique("c") if conn_id is None else conn_id
        self.lists, self.rooms = lists or {}, rooms or {}
        self.extensions = {name: {"enabled": True, **more} for name, more in (extensions or {}).items()}
        self.pos = None
        self.first = self.next() if begins else None

    def body(self):
        parts = {"conn_id": self.conn_id, "lists": self.lists, "room_subscriptions": self.rooms, "extensions": self.extensions}
        return {name: part for name, part in parts.items() if part}

    def peek(self, timeout=0, **query):
        """Asks, but stays at the position, as a client that the answer does not reach."""
        if timeout == 0:
            _all_show_the_same(self.client)
        return Answer(ask(self.client, self.body(), self.pos, timeout, **query).ok().json)

    def next(self, timeout=0, **query):
        answer = self.peek(timeout, **query)
        self.pos = answer.pos
        if "to_device" in answer.get("extensions", {}):
            self.extensions["to_device"]["since"] = answer["extensions"]["to_device"]["next_batch"]
        return answer

    def at_once(self):
        """The answer to who would wait a minute, where there is something to tell already."""
        began = time.monotonic()
        answer = self.next(timeout=60000)
        assert time.monotonic() - began < 30, "told only when the time was over: %s" % json.dumps(answer)[:2000]
        return answer

    def until(self, condition, limit=10):
        """Asks until condition(answer) is true (or returns something); the answer."""
        deadline = time.monotonic() + seconds(limit)
        seen = []
        while time.monotonic() < deadline:
            answer = self.next(timeout=int(min(2000, max(1, (deadline - time.monotonic()) * 1000))))
            if condition(answer):
                return answer
            seen.append(answer)
        raise AssertionError("not seen within %ss; seen: %s" % (seconds(limit), json.dumps(seen)[:2000]))

    def until_room(self, room_id, condition=bool):
        """The first part of a room for which the condition holds."""
        return self.until(lambda answer: answer.room(room_id) and condition(answer.room(room_id))).room(room_id)

    def until_event(self, room_id, event_id):
        """Each answer up to the one with an event in the room's timeline."""
        answers = []
        self.until(lambda answer: answers.append(answer) or event_id in answer.room(room_id).ids())
        return answers
