"""A device that follows sliding sync (MSC4186): a window of the list of its rooms, the one that it has open, and all extensions. It goes on from answer to
answer, and as apps do: it looks at more or fewer rooms, loses answers, comes back with an older position, begins anew. What it says itself has to be in the next
answer."""
from support.sliding import PATH, wanted, window

CONNECTIONS = ("main", "other", "third")
LIST_STATE = [("m.room.name", ""), ("m.room.avatar", ""), ("m.room.encryption", ""), ("m.room.member", "$ME"), ("m.room.member", "$LAZY")]
OPEN_STATE = LIST_STATE + [("m.room.topic", ""), ("m.room.power_levels", ""), ("m.room.pinned_events", "")]
REMEMBERED = 4  # positions


class Slider:
    def __init__(self, crowd, guest):
        self.crowd, self.guest, self.chance = crowd, guest, crowd.chance
        self.positions = []  # of the connection, the newest last; none: it begins
        self.conn_id, self.arrived, self.last, self.open = CONNECTIONS[0], None, 4, None

    def follow(self):
        """Until it goes; a script like those of people.py."""
        yield from self._ask("first sliding sync")
        for _ in range(self.chance.randrange(2, 25)):
            if self.crowd.is_over:
                return
            deed = self.chance.random()
            if deed < 0.06:
                self._begin()
                yield from self._ask("first sliding sync")
            elif deed < 0.12:
                yield from self._come_back()
            elif deed < 0.35 and self.guest.stays:
                yield from self._say()
            else:
                if deed > 0.8:
                    self.last = self.chance.choice([0, 4, 19])
                yield from self._ask("waiting sync", self.crowd.wait_ms, patience=0.2 if self.chance.random() < 0.05 else None)

    def _begin(self):
        self.positions = []
        self.conn_id = self.chance.choice(CONNECTIONS)

    def _come_back(self):
        """With an older position: that of the answer before the last is known, one before need not be, and then it begins anew."""
        del self.positions[1 + int(self.chance.random() * len(self.positions)):]
        answer = yield from self._ask("sliding sync", good=(200, 400))
        if answer.status == 400:
            if answer.json()["errcode"] != "M_UNKNOWN_POS":
                self._fault("an old position: %s" % answer.json())
            self._begin()
            yield from self._ask("first sliding sync")

    def _say(self):
        self.open = self.chance.choice(self.guest.rooms)
        answer = yield from self.crowd.say(self.guest, self.open)
        if answer.status != 200:
            return
        event_id = answer.json()["event_id"]
        answer = yield from self._ask("sliding sync", self.crowd.wait_ms)
        if answer.status == 200:
            room = answer.json()["rooms"].get(self.open, {})
            ids = [event["event_id"] for event in room.get("timeline", [])]
            if event_id not in ids and not room.get("limited"):  # behind a gap others may have said very much since
                self._fault("%s in %s is not in the answer, but %s" % (event_id, self.open, ids))

    def _ask(self, what, timeout_ms=0, **more):
        path = "%s?timeout=%d%s" % (PATH, timeout_ms, "&pos=" + self.positions[-1] if self.positions else "")
        answer = yield from self.crowd.ask(self.guest, what, "POST", path, self._body(), **more)
        if answer is not None and answer.status == 200:
            found = answer.json()
            self.positions = self.positions[1 - REMEMBERED:] + [found["pos"]]
            self.arrived = found["extensions"]["to_device"]["next_batch"]
        return answer

    def _body(self):
        extensions = {name: {"enabled": True} for name in ("to_device", "e2ee", "account_data", "receipts", "typing")}
        if self.arrived:
            extensions["to_device"]["since"] = self.arrived
        return {"conn_id": self.conn_id, "lists": {"all": window(self.last, 1, LIST_STATE)}, "extensions": extensions,
                "room_subscriptions": {self.open: wanted(20, OPEN_STATE)} if self.open else {}}

    def _fault(self, text):
        self.crowd.faults.append("%s sliding: %s" % (self.guest.user_id, text))
