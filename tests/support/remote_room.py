"""Rooms as a remote homeserver keeps them: a graph of signed PDUs of any room version, its state, and the answers that
a resident server gives about it.  The rules are simple, since tests send what they want: state is what was set last.

    room = RemoteRoom(remote, version="11")           created by room.creator, public
    room.serve()                                      make_join, send_join, state, backfill, … for others
    event = room.send("m.room.message", {"body": "hello", "msgtype": "m.text"})
    remote.transaction(hs, [event])
"""
import copy
import hashlib
import time
import urllib.parse

from canonicaljson import encode_canonical_json
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures
from synapse.synapse_rust.events import redact_event_dict
from unpaddedbase64 import encode_base64

from .client import unique

AUTH_TYPES = ("m.room.create", "m.room.power_levels", "m.room.join_rules")


def now_ms(_last=[0]):
    """The time, never the same twice: alike rooms begun in one millisecond would have the same ID in version 12."""
    _last[0] = max(_last[0] + 1, int(time.time() * 1000))
    return _last[0]


def reference_hash(version, pdu):
    redacted = redact_event_dict(version, copy.deepcopy(pdu))
    for key in ("signatures", "unsigned", "age_ts"):
        redacted.pop(key, None)
    return hashlib.sha256(encode_canonical_json(redacted)).digest()


class Pdu:
    """A signed event: `json` as it travels, `event_id`."""

    def __init__(self, version, json):
        self.version, self.json = version, json
        explicit = version.event_format == 1
        self.event_id = json["event_id"] if explicit else "$" + encode_base64(
            reference_hash(version, json), urlsafe=version.identifier not in ("1", "2", "3"))

    def __getitem__(self, key):
        return self.json[key]

    @property
    def key(self):
        return (self.json["type"], self.json["state_key"]) if "state_key" in self.json else None


class RemoteRoom:
    """`age_ms`: its events are that old, so those of others certainly are later."""

    def __init__(self, remote, version="11", join_rule="public", creator=None, more_state=(), creation=None, age_ms=0):
        self.remote, self.version, self.age_ms = remote, KNOWN_ROOM_VERSIONS[version], age_ms
        self.creator = creator or "@creator:" + remote.name
        self.events, self.state, self.heads, self.rejected = {}, {}, [], set()
        self.states = {}  # event id -> the state after it
        self.omits_members = False  # from answers to joins, where they may be
        self.is_v12 = version == "12"
        self.deepest = 2 ** 63 - 1 if version in ("1", "2", "3", "4", "5") else 2 ** 53 - 1
        self.room_id = None if self.is_v12 else "!%s:%s" % (unique("room"), remote.name)
        content = {"room_version": version, **(creation or {})}
        if version not in ("11", "12"):
            content["creator"] = self.creator
        create = self.send("m.room.create", content, "")
        if self.is_v12:
            self.room_id = "!" + create.event_id[1:]
        self.send("m.room.member", {"membership": "join"}, self.creator)
        self.send("m.room.power_levels", {"users": {} if self.is_v12 else {self.creator: 100}}, "")
        self.send("m.room.join_rules", {"join_rule": join_rule}, "")
        for kind, key, value in more_state:
            self.send(kind, value, key)

    # -- building

    def auth_ids(self, kind, sender, state_key, content, state):
        keys = [(name, "") for name in AUTH_TYPES if not (self.is_v12 and name == "m.room.create")]
        keys.append(("m.room.member", sender))
        if kind == "m.room.member":
            keys.append(("m.room.member", state_key))
            via = content.get("join_authorised_via_users_server")
            if via:
                keys.append(("m.room.member", via))
        if kind != "m.room.member" or content.get("membership") not in ("join", "invite", "knock"):
            keys.remove(("m.room.join_rules", ""))
        found = []
        for key in keys:
            if key in state and state[key].event_id not in found:
                found.append(state[key].event_id)
        return [] if kind == "m.room.create" else found

    def refs(self, ids):
        return [[event_id, self.hash_of(event_id)] for event_id in ids] if self.version.event_format == 1 else list(ids)

    def hash_of(self, event_id):
        """What stands beside an event's ID in versions 1 and 2; {} when the event is not known."""
        if event_id not in self.events:
            return {}
        return {"sha256": encode_base64(reference_hash(self.version, self.events[event_id].json))}

    def draft(self, kind, content, state_key=None, sender=None, prev=None, **more):
        """The PDU without hashes and signatures; `more` sets or (None) removes keys."""
        sender = sender or self.creator
        prev = self.heads if prev is None else [getattr(event, "event_id", event) for event in prev]
        state = self.state_before(prev)
        depth = max([self.events[event_id].json["depth"] for event_id in prev if event_id in self.events] or [0]) + 1
        depth = min(depth, self.deepest)
        pdu = {"type": kind, "content": content, "sender": sender, "room_id": self.room_id, "depth": depth,
               "origin_server_ts": now_ms() - self.age_ms, "prev_events": self.refs(prev),
               "auth_events": self.refs(self.auth_ids(kind, sender, state_key, content, state))}
        if state_key is not None:
            pdu["state_key"] = state_key
        if self.version.event_format == 1:
            pdu["event_id"] = "$%s:%s" % (unique("e"), self.remote.name)
        if self.is_v12 and kind == "m.room.create":
            del pdu["room_id"]
        pdu.update(more)
        return {key: value for key, value in pdu.items() if value is not None}

    def sign(self, pdu, signer=None):
        """Hashes and signs a draft."""
        signer = signer or self.remote
        pdu = copy.deepcopy(pdu)
        add_hashes_and_signatures(self.version, pdu, signer.name, signer.key)
        return Pdu(self.version, pdu)

    def state_before(self, prev):
        if list(prev) == list(self.heads):
            return self.state
        merged = {}
        for event_id in prev:
            merged.update(self.states.get(event_id, {}))
        return merged

    def add(self, pdu):
        """Takes a signed event of anybody into the graph."""
        event = pdu if isinstance(pdu, Pdu) else Pdu(self.version, pdu)
        prev = [ref[0] if isinstance(ref, list) else ref for ref in event.json["prev_events"]]
        state = dict(self.state_before(prev))
        if event.key is not None:
            state[event.key] = event
        is_head = set(prev) >= set(self.heads)
        self.events[event.event_id] = event
        self.states[event.event_id] = state
        self.heads = [event_id for event_id in self.heads if event_id not in prev] + [event.event_id]
        self.state = state if is_head else {**self.state, **({event.key: event} if event.key else {})}
        return event

    def send(self, kind, content, state_key=None, sender=None, **more):
        """Builds, signs and adds an event of one of the remote's users."""
        return self.add(self.sign(self.draft(kind, content, state_key, sender, **more)))

    def join(self, user_id):
        return self.send("m.room.member", {"membership": "join"}, user_id, user_id)

    def crowd(self, count):
        """So many more members of the remote, without what add() keeps for each event: its own state."""
        for number in range(count):
            user = "@member%d:%s" % (number, self.remote.name)
            event = self.sign(self.draft("m.room.member", {"membership": "join", "displayname": "Member %d" % number},
                                         user, user))
            self.events[event.event_id] = self.state[event.key] = event

    def message(self, body, **more):
        return self.send("m.room.message", {"msgtype": "m.text", "body": body}, **more)

    # -- what a resident server knows

    def auth_chain(self, events):
        chain, todo = {}, list(events)
        while todo:
            for ref in todo.pop().json["auth_events"]:
                event_id = ref[0] if isinstance(ref, list) else ref
                if event_id not in chain and event_id in self.events:
                    chain[event_id] = self.events[event_id]
                    todo.append(chain[event_id])
        if self.is_v12 and events:
            create = self.state[("m.room.create", "")]
            chain[create.event_id] = create
        return list(chain.values())

    def join_answer(self, event):
        """The body of send_join v2 for a join that was just added."""
        prev = [ref[0] if isinstance(ref, list) else ref for ref in event.json["prev_events"]]
        state = list(self.state_before_of(event, prev).values())
        return {"origin": self.remote.name, "members_omitted": False, "event": event.json,
                "state": [item.json for item in state],
                "auth_chain": [item.json for item in self.auth_chain(state + [event])]}

    def join_answer_without_members(self, event):
        """The same as an answer to ?omit_members=true."""
        answer = self.join_answer(event)
        state = [item for item in self.state_before_of(event, self.prev_ids(event)).values()
                 if item.json["type"] != "m.room.member"]
        members = [item.json for item in self.states[event.event_id].values()
                   if item.json["type"] == "m.room.member" and item.json["content"]["membership"] == "join"]
        answer.update(members_omitted=True, state=[item.json for item in state],
                      auth_chain=[item.json for item in self.auth_chain(state + [event])],
                      servers_in_room=sorted({item["sender"].partition(":")[2] for item in members
                                              if item["sender"] != event.json["sender"]}))
        return answer

    def state_before_of(self, event, prev):
        merged = {}
        for event_id in prev:
            merged.update(self.states.get(event_id, {}))
        return merged

    def serve(self):
        """Answers others' questions about this room."""
        remote, room = self.remote, self.room_id
        fed = r"/_matrix/federation/v[12]"

        def of_room(answer):
            return lambda ask: answer(ask) if ask.match.group(1) == room else None

        def template(membership):
            def answer(ask):
                user = ask.match.group(2)
                draft = self.draft("m.room.member", {"membership": membership}, user, user)
                draft.pop("event_id", None)
                return 200, {"room_version": self.version.identifier, "event": draft}
            return of_room(answer)

        def take(make):
            def answer(ask):
                event = self.add(ask.json)
                return make(event)
            return of_room(answer)

        def take_join(ask):
            event = self.add(ask.json)
            may_omit = self.omits_members and ask.query.get("omit_members") == ["true"]
            return 200, self.join_answer_without_members(event) if may_omit else self.join_answer(event)

        def v1(answer):
            return [200, answer]

        rid = r"/([^/]+)"
        remote.on("GET", fed + "/make_join" + rid + "/(.+)", template("join"))
        remote.on("GET", fed + "/make_leave" + rid + "/(.+)", template("leave"))
        remote.on("GET", fed + "/make_knock" + rid + "/(.+)", template("knock"))
        remote.on("PUT", r"/_matrix/federation/v2/send_join" + rid + "/(.+)", of_room(take_join))
        remote.on("PUT", r"/_matrix/federation/v1/send_join" + rid + "/(.+)",
                  take(lambda event: (200, v1(self.join_answer(event)))))
        remote.on("PUT", r"/_matrix/federation/v2/send_leave" + rid + "/(.+)", take(lambda event: (200, {})))
        remote.on("PUT", r"/_matrix/federation/v1/send_leave" + rid + "/(.+)", take(lambda event: (200, v1({}))))
        remote.on("PUT", fed + "/send_knock" + rid + "/(.+)",
                  take(lambda event: (200, {"knock_room_state": [
                      self.state[key].json for key in (("m.room.create", ""), ("m.room.join_rules", ""))]})))
        remote.on("GET", fed + "/event/(.+)", self._event)
        remote.on("GET", fed + "/state" + rid, of_room(lambda ask: self._state(ask, False)))
        remote.on("GET", fed + "/state_ids" + rid, of_room(lambda ask: self._state(ask, True)))
        remote.on("GET", fed + "/event_auth" + rid + "/(.+)", of_room(lambda ask: (
            200, {"auth_chain": [item.json for item in self.auth_chain([self.events[ask.match.group(2)]])]})))
        remote.on("GET", fed + "/backfill" + rid, of_room(self._backfill))
        remote.on("POST", fed + "/get_missing_events" + rid, of_room(self._missing))
        remote.on("GET", fed + "/timestamp_to_event" + rid, of_room(self._near))
        return self

    def _event(self, ask):
        event = self.events.get(ask.match.group(1))
        if event is None:
            return None
        return 200, {"origin": self.remote.name, "origin_server_ts": now_ms(), "pdus": [event.json]}

    def _state(self, ask, as_ids):
        event = self.events.get(ask.query["event_id"][0])
        if event is None:
            return 404, {"errcode": "M_NOT_FOUND", "error": "no such event"}
        state = list(self.state_before_of(event, self.prev_ids(event)).values())
        chain = self.auth_chain(state)
        if as_ids:
            return 200, {"pdu_ids": [item.event_id for item in state],
                         "auth_chain_ids": [item.event_id for item in chain]}
        return 200, {"pdus": [item.json for item in state], "auth_chain": [item.json for item in chain]}

    def prev_ids(self, event):
        return [ref[0] if isinstance(ref, list) else ref for ref in event.json["prev_events"]]

    def before(self, ids, limit, stop=()):
        """Events backwards from these (themselves included), newest first."""
        found, todo = {}, list(ids)
        while todo and len(found) < limit:
            todo.sort(key=lambda event_id: self.events[event_id].json["depth"] if event_id in self.events else 0)
            event_id = todo.pop()
            if event_id in found or event_id in stop or event_id not in self.events:
                continue
            found[event_id] = self.events[event_id]
            todo += self.prev_ids(self.events[event_id])
        return list(found.values())

    def _backfill(self, ask):
        limit = min(int(ask.query.get("limit", ["100"])[0]), 100)
        return 200, {"origin": self.remote.name, "origin_server_ts": now_ms(),
                     "pdus": [event.json for event in self.before(ask.query["v"], limit)]}

    def near(self, ts, direction):
        """The event that is nearest to a time, or None."""
        events = sorted(self.events.values(), key=lambda event: event["origin_server_ts"])
        if direction == "b":
            events = [event for event in reversed(events) if event["origin_server_ts"] <= ts]
        else:
            events = [event for event in events if event["origin_server_ts"] >= ts]
        return events[0] if events else None

    def _near(self, ask):
        event = self.near(int(ask.query["ts"][0]), ask.query["dir"][0])
        if event is None:
            return 404, {"errcode": "M_NOT_FOUND", "error": "no such event"}
        return 200, {"event_id": event.event_id, "origin_server_ts": event["origin_server_ts"]}

    def _missing(self, ask):
        start = [event_id for latest in ask.json["latest_events"] if latest in self.events
                 for event_id in self.prev_ids(self.events[latest])]
        found = self.before(start, min(ask.json.get("limit", 10), 50), ask.json["earliest_events"])
        return 200, {"events": [event.json for event in reversed(found)]}


def room_path(*segments):
    """Segments of a federation path, encoded."""
    return "/" + "/".join(urllib.parse.quote(segment, safe="") for segment in segments)
