"""Lets the school live: accounts, rooms, then day after day, all by the client-server API over many connections.

What has a time of the year is sent by an application service that acts as the person, for only these may say when it was
(`?ts=`); the rest is done with the people's own sessions.
"""
import collections
import os
import sys
import time

from support.pump import Pause, Pump, Request

from .school import STAFF, quote
from .texts import Texts

API = "/_matrix/client/v3"
FAMILY = "陳林黃張李王吳劉蔡楊許鄭謝郭洪曾邱廖賴周"
GIVEN = "家豪志明俊傑建宏雅婷怡君淑芬美玲冠宇宜庭承恩品妍子晴宥翔詠晴柏翰思妤"
BACKLOG = 4000  # deeds that wait at the most, before the next day is thought of


class Loader:
    def __init__(self, server, service, school, connections=48, media_scale=0.02):
        self.server, self.service, self.school = server, service, school
        self.connections, self.media_scale = connections, media_scale
        self.chance, self.texts = school.chance, Texts(school.chance)
        self.begun = time.monotonic()
        self.counts = collections.Counter()
        self.media_bytes = self.media_told_bytes = 0  # uploaded, and what they would be unscaled
        self.answers = collections.Counter()
        self.number = 0

    def say(self, text):
        print("%5d s  %s" % (time.monotonic() - self.begun, text), file=sys.stderr, flush=True)

    def _ask(self, *request):
        """What the answer holds."""
        return (yield from self._answer(*request)).good()

    def _answer(self, *request):
        """The answer; a server that is busy is asked again a moment later, as clients do."""
        for attempt in range(20):
            answer = yield Request(*request)
            if answer.status not in (429, 503, 504):
                break
            self.counts["asked again"] += 1
            yield Pause(0.2 * (attempt + 1))
        return answer

    # -- before the year

    def settle(self):
        """Accounts, sessions, rooms and their members."""
        for name, work, script in (("accounts", self.school.people + self.school.newcomers, self._account),
                                   ("rooms", self.school.rooms, self._room),
                                   ("children of spaces", [room for room in self.school.rooms if room.parents], self._child),
                                   ("members", self._entries(), self._entry)):
            work = list(work)
            self._all(work, script)
            self.say("%d %s" % (len(work), name))

    def _all(self, work, script):
        """A script for each item, as many at once as there are connections."""
        todo = collections.deque(work)

        def lane():
            while todo:
                yield from script(todo.popleft())
        pump = Pump(self.server.port)
        for _ in range(min(self.connections, len(work))):
            pump.add(lane())
        pump.run()

    def _account(self, person):
        name = self.chance.choice(FAMILY) + self.chance.choice(GIVEN) + self.chance.choice(GIVEN)
        password = "password-" + person.localpart
        found = yield from self._ask("POST", API + "/register", {"username": person.localpart, "password": password, "auth": {"type": "m.login.dummy"},
                                                           "initial_device_display_name": "Element X (手機)"})
        person.user_id, person.device_id, person.token = found["user_id"], found["device_id"], found["access_token"]
        person.quoted = quote(person.user_id)
        yield from self._ask("PUT", "%s/profile/%s/displayname" % (API, person.quoted), {"displayname": name}, person.token)
        if person.kind == STAFF or self.chance.random() < 0.2:
            body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": person.localpart}, "password": password,
                    "initial_device_display_name": "Element (電腦)"}
            person.second_token = (yield from self._ask("POST", API + "/login", body))["access_token"]

    def _room(self, room):
        body = {"preset": "public_chat" if room.is_published else "private_chat", "name": room.name,
                "visibility": "public" if room.is_published else "private"}
        if room.kind == "space":
            body["creation_content"] = {"type": "m.space"}
        if not room.is_published:
            body["invite"] = [person.user_id for person in room.members[1:]]
        if room.kind == "direct":
            del body["name"]
            body["is_direct"] = True
        if room.is_encrypted:
            body["initial_state"] = [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
        room.id = (yield from self._ask("POST", API + "/createRoom", body, room.members[0].token))["room_id"]
        room.quoted = quote(room.id)

    def _child(self, room):
        for parent in room.parents:
            yield from self._ask("PUT", "%s/rooms/%s/state/m.space.child/%s" % (API, parent.quoted, room.quoted),
                           {"via": [self.server.server_name]}, parent.members[0].token)

    def _entries(self):
        """Interleaved, so that not all connections stand before one room."""
        pairs = [(room, person) for room in self.school.rooms for person in room.members[1:]]
        self.chance.shuffle(pairs)
        return pairs

    def _entry(self, pair):
        room, person = pair
        yield from self._ask("POST", "%s/rooms/%s/join" % (API, room.quoted), {}, person.token)
        if room.kind == "direct":
            yield from self._ask("PUT", "%s/user/%s/account_data/m.direct" % (API, person.quoted),
                           {room.members[0].user_id: [room.id]}, person.token)

    def notify(self, people, url):
        """They have a pusher each."""
        def script(person):
            yield Request("POST", API + "/pushers/set", {"kind": "http", "app_id": "example", "pushkey": person.localpart, "lang": "zh-TW",
                                                         "app_display_name": "Element", "device_display_name": "手機", "append": True,
                                                         "data": {"url": url}}, person.token)
        self._all(people, script)

    # -- the year

    def live(self, year, is_over):
        """Day after day, until the last or until it is over; the days that were lived."""
        queues = self._queues()
        days = collections.deque(year.days)
        lived = []
        waiting = [0]

        def feed():
            lived.append(days.popleft())
            deeds = year.deeds(lived[-1])
            waiting[0] += len(deeds)
            for deed in deeds:
                queues[deed.room].append(deed)
            if len(lived) % 7 == 0 or not days:
                self.say("%s: %d events, %d receipts, %.0f requests/s" % (
                    lived[-1], self.counts["events"], self.counts["read"], pump.asked / (time.monotonic() - begun)))

        def lane(queue):
            while True:
                while not queue:
                    if waiting[0] > BACKLOG:
                        yield Pause(0.02)
                    elif days and not is_over():
                        feed()
                    else:
                        return
                deed = queue.popleft()
                waiting[0] -= 1
                yield from self._deed(deed)
        begun, pump = time.monotonic(), Pump(self.server.port)
        for queue in {id(queue): queue for queue in queues.values()}.values():
            pump.add(lane(queue))
        pump.run()
        self.counts["requests"] += pump.asked
        return lived

    def _queues(self):
        """A queue for each connection; the rooms are dealt out so that each gets as much to do."""
        queues = [[0, number, collections.deque()] for number in range(self.connections)]
        dealt = {}
        for room in sorted(self.school.rooms, key=lambda room: -(room.rate + 0.12 * len(room.members))):
            queues.sort(key=lambda item: item[:2])
            queues[0][0] += room.rate + 0.12 * len(room.members)
            dealt[room] = queues[0][2]
        return dealt

    def _deed(self, deed):
        yield from getattr(self, "_" + deed.kind)(deed)

    def _send(self, deed, kind, content, what="send", state_key=None):
        self.number += 1
        last = self.number if state_key is None else state_key
        path = "%s/rooms/%s/%s/%s/%s?ts=%d&user_id=%s" % (API, deed.room.quoted, what, kind, last, deed.at_ms, deed.person.quoted)
        event_id = (yield from self._ask("PUT", path, content, self.service.as_token))["event_id"]
        self.counts["events"] += 1
        self.counts[kind] += 1
        return event_id

    def _say(self, deed, content):
        kind = "m.room.message"
        if deed.room.is_encrypted:
            kind = "m.room.encrypted"
            sealed = (len(content.get("body", "").encode()) + 300) // 128 * 128
            content = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": os.urandom(sealed).hex()[:sealed * 4 // 3],
                       "session_id": os.urandom(21).hex(), "device_id": deed.person.device_id, "sender_key": os.urandom(21).hex(),
                       **({"m.relates_to": content["m.relates_to"]} if "m.relates_to" in content else {})}
        event_id = yield from self._send(deed, kind, content)
        if "rel_type" not in content.get("m.relates_to", {}):
            deed.room.said = deed.room.said[-19:] + [(event_id, deed.person)]

    def _message(self, deed, **more):
        yield from self._say(deed, {"msgtype": "m.text", "body": self.texts.message(), **more})

    def _reply(self, deed):
        target, author = self._earlier(deed)
        yield from self._message(deed, **({"m.relates_to": {"m.in_reply_to": {"event_id": target}},
                                           "m.mentions": {"user_ids": [author.user_id]}} if target else {}))

    def _thread(self, deed):
        root = deed.room.said[0][0] if deed.room.said else None
        yield from self._message(deed, **({"m.relates_to": {"rel_type": "m.thread", "event_id": root, "is_falling_back": True,
                                                            "m.in_reply_to": {"event_id": root}}} if root else {}))

    def _earlier(self, deed):
        return self.chance.choice(deed.room.said) if deed.room.said else (None, None)

    def _reaction(self, deed):
        target, _ = self._earlier(deed)
        if target is None:
            yield from self._message(deed)
            return
        path = {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": "%s" % self.texts.reaction()}}
        self.number += 1
        answer = yield from self._answer("PUT", "%s/rooms/%s/send/m.reaction/%d?ts=%d&user_id=%s" % (
            API, deed.room.quoted, self.number, deed.at_ms, deed.person.quoted), path, self.service.as_token)
        if answer.status == 400 and answer.json()["errcode"] == "M_DUPLICATE_ANNOTATION":
            self.counts["reactions twice"] += 1
            return
        answer.good()
        self.counts["events"] += 1
        self.counts["m.reaction"] += 1

    def _edit(self, deed):
        mine = [event_id for event_id, author in deed.room.said if author is deed.person]
        text = self.texts.message()
        yield from self._message(deed, **({"m.new_content": {"msgtype": "m.text", "body": text},
                                           "m.relates_to": {"rel_type": "m.replace", "event_id": mine[-1]}} if mine else {}))

    def _media(self, deed):
        size = max(2000, min(50 << 20, int(self.chance.lognormvariate(12.3, 1.2))))  # half above 220 KB
        scaled = max(200, int(size * self.media_scale))
        is_image = self.chance.random() < 0.75
        mime = "image/jpeg" if is_image else "application/pdf"
        name = "IMG_%d.jpg" % self.number if is_image else "講義%d.pdf" % self.number
        uri = (yield from self._ask("POST", "/_matrix/media/v3/upload?filename=%s&user_id=%s" % (quote(name), deed.person.quoted), os.urandom(scaled),
                             self.service.as_token, mime))["content_uri"]
        self.counts["uploads"] += 1
        self.media_bytes += scaled
        self.media_told_bytes += size
        info = {"mimetype": mime, "size": size, **({"w": 3024, "h": 4032} if is_image else {})}
        yield from self._say(deed, {"msgtype": "m.image" if is_image else "m.file", "body": name, "url": uri, "info": info})

    def _redaction(self, deed):
        mine = [event_id for event_id, author in deed.room.said if author is deed.person]
        if not mine:
            yield from self._message(deed)
            return
        deed.room.said = [pair for pair in deed.room.said if pair[0] != mine[-1]]
        yield from self._send(deed, quote(mine[-1]), {}, "redact")

    def _state(self, deed):
        deed.person = deed.room.members[0]
        yield from self._send(deed, "m.room.topic", {"topic": self.texts.message()}, "state", "")

    def _read(self, deed):
        if not deed.room.said:
            return
        event_id = deed.room.said[-1][0]
        yield from self._ask("POST", "%s/rooms/%s/read_markers?user_id=%s" % (API, deed.room.quoted, deed.person.quoted),
                       {"m.fully_read": event_id, "m.read": event_id}, self.service.as_token)
        self.counts["read"] += 1

    def _leave(self, deed):
        yield from self._ask("POST", "%s/rooms/%s/leave" % (API, deed.room.quoted), {}, deed.person.token)
        self.counts["events"] += 1

    def _enter(self, deed):
        if not deed.room.is_published:
            yield from self._ask("POST", "%s/rooms/%s/invite" % (API, deed.room.quoted), {"user_id": deed.person.user_id},
                           deed.room.members[0].token)
            self.counts["events"] += 1
        yield from self._ask("POST", "%s/rooms/%s/join" % (API, deed.room.quoted), {}, deed.person.token)
        self.counts["events"] += 1
