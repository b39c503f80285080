"""Who uses the server: people whose devices come, do something, wait, and go again. Each kind of client is a script (support/pump.py);
all of them go on until `is_over`, and tell their answers to a window (watch.py)."""
import json
import os
import random
import types
import urllib.parse

from support.keys import Device
from support.pump import HANG_UP, Pause, Request

from .slider import Slider

SLIDING = 0.4  # of all devices that come, the share that follows sliding sync
API = "/_matrix/client/v3"
WORDS = "明天 考試 作業 數學 老師 同學 the homework is due tomorrow please bring your book 圖書館 集合 謝謝 see you later".split()


def quote(text):
    return urllib.parse.quote(text, safe="")


class Person:
    def __init__(self, name, port):
        self.name, self.port, self.password = name, port, "password-" + name
        self.user_id = self.token = self.device_id = self.device = None
        self.rooms = []
        self.stays = True  # in them


class Crowd:
    """`ports`: of the servers, one or two; who is of the second shares the rooms of the first."""

    def __init__(self, ports, people, rooms, pause_s, window, seed):
        self.chance = random.Random(seed)
        self.ports, self.pause_s, self.window = ports, pause_s, window
        self.people = [Person("p%d" % n, ports[n % len(ports)]) for n in range(people)]
        self.room_count, self.rooms = rooms, []
        self.number = 0
        self.is_over = False
        self.wait_ms = 5000  # of a sync
        self.faults = []

    # -- asking

    def ask(self, person, what, method, path, body=None, token=None, good=(200,), **more):
        """The answer, or None when the client hung up meanwhile; one that is not good is a finding."""
        answer = yield Request(method, path, body, person.token if token is None else token, **more)
        if answer is None:
            self.window.count("hung up")
            return None
        self.window.answered(what, answer.seconds)
        if answer.status not in good:
            self.faults.append("%s %s %s: %d %s" % (person.user_id, method, path[:160], answer.status, answer.body[:200]))
        return answer

    def pause(self, factor=1.0):
        return Pause(self.chance.expovariate(1 / (self.pause_s * factor)))

    def text(self):
        return " ".join(self.chance.choices(WORDS, k=self.chance.randrange(2, 20)))

    def unique(self):
        self.number += 1
        return "n%d" % self.number

    # -- before

    def settle(self, person):
        """An account with keys; the first person of the first server makes the rooms."""
        body = {"username": person.name, "password": person.password, "auth": {"type": "m.login.dummy"}}
        answer = yield from self.ask(person, "other", "POST", API + "/register", body, token="")
        found = answer.json()
        person.user_id, person.token, person.device_id = found["user_id"], found["access_token"], found["device_id"]
        person.device = Device(types.SimpleNamespace(user_id=person.user_id, device_id=person.device_id))
        yield from self.more_keys(person, device_keys=person.device.identity(), fallback_keys=person.device.fallback())

    def make_rooms(self):
        person = self.people[0]
        for number in range(self.room_count):
            body = {"preset": "public_chat", "name": "Room %d" % number, "room_alias_name": "room%d" % number}
            answer = yield from self.ask(person, "other", "POST", API + "/createRoom", body)
            self.rooms.append(answer.json()["room_id"])
        person.rooms = list(self.rooms)

    def enter_rooms(self, person):
        for room in self.chance.sample(self.rooms, max(1, len(self.rooms) // 2)):
            yield from self.join(person, room)

    def join(self, person, room):
        server = self.people[0].user_id.partition(":")[2]
        answer = yield from self.ask(person, "join", "POST", "%s/join/%s?server_name=%s" % (API, quote(room), quote(server)), {})
        if answer.status == 200:
            person.rooms.append(room)

    # -- kinds of clients

    def watcher(self, local):
        """A device of somebody comes, syncs for a while, sometimes hangs up in the middle, and goes."""
        while not self.is_over:
            person = self.chance.choice(local)
            guest = Person(person.name, person.port)
            guest.user_id, guest.rooms, guest.stays = person.user_id, person.rooms, person.stays
            body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": person.name}, "password": person.password}
            answer = yield from self.ask(guest, "other", "POST", API + "/login", body, token="")
            guest.token = answer.json()["access_token"]
            yield from Slider(self, guest).follow() if self.chance.random() < SLIDING else self._watch(guest)
            yield from self.ask(guest, "other", "POST", API + "/logout", {})
            yield HANG_UP
            yield self.pause(2)

    def _watch(self, guest):
        wish = quote(json.dumps({"room": {"timeline": {"limit": 10}, "state": {"lazy_load_members": True}}}))
        answer = yield from self.ask(guest, "first sync", "GET", "%s/sync?filter=%s" % (API, wish))
        for _ in range(self.chance.randrange(2, 25)):
            if self.is_over or answer is None:
                return
            since = answer.json()["next_batch"]
            hasty = self.chance.random() < 0.05
            answer = yield from self.ask(guest, "waiting sync", "GET", "%s/sync?timeout=%d&since=%s" % (API, self.wait_ms, quote(since)),
                                         patience=0.2 if hasty else None)

    def talker(self, local):
        while not self.is_over:
            person = self.chance.choice(local)
            room = self.chance.choice(person.rooms)
            answer = yield from self.say(person, room)
            if answer.status == 200:
                yield from self._about(person, quote(room), answer.json()["event_id"])
            yield self.pause()

    def say(self, person, room):
        content = {"msgtype": "m.text", "body": self.text()}
        return self.ask(person, "send", "PUT", "%s/rooms/%s/send/m.room.message/%s" % (API, quote(room), self.unique()), content)

    def _about(self, person, room, event_id):
        chance = self.chance.random()
        target = quote(event_id)
        if chance < 0.3:
            yield from self.ask(person, "other", "POST", "%s/rooms/%s/receipt/m.read/%s" % (API, room, target), {})
        elif chance < 0.4:
            content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": "👍"}}
            yield from self.ask(person, "send", "PUT", "%s/rooms/%s/send/m.reaction/%s" % (API, room, self.unique()), content)
        elif chance < 0.45:
            yield from self.ask(person, "send", "PUT", "%s/rooms/%s/redact/%s/%s" % (API, room, target, self.unique()), {})
        elif chance < 0.6:
            yield from self.ask(person, "other", "PUT", "%s/rooms/%s/typing/%s" % (API, room, quote(person.user_id)),
                                {"typing": True, "timeout": 3000})

    def reader(self, local):
        while not self.is_over:
            person = self.chance.choice(local)
            room = quote(self.chance.choice(person.rooms))
            deed = self.chance.randrange(4)
            if deed == 0:
                body = {"search_categories": {"room_events": {"search_term": self.chance.choice(WORDS), "order_by": "recent"}}}
                yield from self.ask(person, "search", "POST", API + "/search", body)
            elif deed == 1:
                yield from self.ask(person, "other", "POST", API + "/user_directory/search", {"search_term": "p1"})
            elif deed == 2:
                yield from self.ask(person, "other", "GET", API + "/publicRooms?limit=20")
            else:
                yield from self._page_back(person, room)
            yield self.pause(2)

    def _page_back(self, person, room):
        since = ""
        for _ in range(5):
            answer = yield from self.ask(person, "page", "GET", "%s/rooms/%s/messages?dir=b&limit=50%s" % (API, room, since))
            if answer.status != 200 or "end" not in answer.json():
                return
            since = "&from=" + quote(answer.json()["end"])

    def uploader(self, local):
        while not self.is_over:
            person = self.chance.choice(local)
            data = os.urandom(self.chance.randrange(1000, 200000))
            answer = yield from self.ask(person, "upload", "POST", "/_matrix/media/v3/upload?filename=a.bin", data,
                                         kind="application/octet-stream")
            if answer.status == 200:
                uri = answer.json()["content_uri"].partition("//")[2]
                answer = yield from self.ask(person, "download", "GET", "/_matrix/client/v1/media/download/" + uri)
                if answer.body != data:
                    self.faults.append("a file came back otherwise: %s" % uri)
            yield self.pause(6)

    def mover(self, local):
        """Somebody leaves a room and comes again."""
        while not self.is_over:
            person = self.chance.choice(local)
            if len(person.rooms) > 1:
                room = person.rooms.pop(self.chance.randrange(len(person.rooms)))
                yield from self.ask(person, "join", "POST", "%s/rooms/%s/leave" % (API, quote(room)), {})
                yield self.pause(1)
                yield from self.join(person, room)
            name = "Name %d" % self.chance.randrange(1000)
            yield from self.ask(person, "other", "PUT", "%s/profile/%s/displayname" % (API, quote(person.user_id)), {"displayname": name})
            yield self.pause(6)

    def locksmith(self, local):
        """Keys are claimed, used for a message to the device, and made up for."""
        while not self.is_over:
            person, other = self.chance.choice(local), self.chance.choice(self.people)
            claim = {"one_time_keys": {other.user_id: {other.device_id: "signed_curve25519"}}}
            answer = yield from self.ask(person, "claim", "POST", API + "/keys/claim", claim)
            if answer.status == 200 and not answer.json()["one_time_keys"].get(other.user_id):
                self.faults.append("no key of %s" % other.user_id)
            message = {"messages": {other.user_id: {other.device_id: {"algorithm": "m.olm.v1", "ciphertext": os.urandom(200).hex()}}}}
            yield from self.ask(person, "to-device", "PUT", "%s/sendToDevice/m.room.encrypted/%s" % (API, self.unique()), message)
            if other.port == person.port:
                yield from self.more_keys(other)
            yield self.pause(3)

    def more_keys(self, person, **more):
        # As many as are claimed meanwhile: of two servers one's people claim half of the other's, who make up for those of their own.
        body = {"one_time_keys": person.device.one_time(len(self.ports)), **more}
        yield from self.ask(person, "other", "POST", API + "/keys/upload", body)

    def collector(self, local):
        """The people's first devices fetch what was sent to them."""
        since = {}
        while not self.is_over:
            person = self.chance.choice(local)
            token = since.get(person.name, "")
            answer = yield from self.ask(person, "sync", "GET", "%s/sync?timeout=0%s" % (API, token and "&since=" + quote(token)))
            if answer.status == 200:
                since[person.name] = answer.json()["next_batch"]
            yield self.pause(1)

    def scripts(self, port, watchers):
        """Those of one server's people. Two thirds stay in their rooms, the others move."""
        local = [person for person in self.people if person.port == port]
        stay, move = local[:len(local) * 2 // 3], local[len(local) * 2 // 3:]
        for person in move:
            person.stays = False
        return [self.talker(stay), self.talker(stay), self.talker(stay), self.reader(stay), self.uploader(stay), self.locksmith(local),
                self.collector(local), self.mover(move)] + [self.watcher(local) for _ in range(watchers)]
