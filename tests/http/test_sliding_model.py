"""Simplified sliding sync as a client keeps it: whatever happens and however it looks, it ends up with what there is (seeded; the seed is in the
test's name)."""
import random

import pytest

from support.sliding import Sliding, wanted, window

STEPS = 60


class Held:
    """What the client has of a room."""

    def __init__(self):
        self.data, self.read = {}, {}
        self.forget()

    def forget(self):
        self.state, self.ids, self.name, self.joined = {}, [], None, 0

    def take(self, part):
        if part.get("initial"):
            self.forget()
        known = set(self.ids)
        if part.get("unstable_expanded_timeline"):
            older = [event_id for event_id in self.ids if event_id not in set(part.ids())]
            self.ids = (older if known & set(part.ids()) else []) + part.ids()  # without a common event there is a gap
        else:
            assert not known & set(part.ids()), "told twice"
            self.ids = ([] if part.get("limited") else self.ids) + part.ids()
        for key, event in part.state.items():
            self.state[key] = event
        if part.get("initial") or "name" in part:
            self.name = part.get("name")
        self.joined = part.get("joined_count", self.joined)


class Model:
    """Alice looks, Bob and she act."""

    def __init__(self, alice, bob, seed):
        self.random, self.alice, self.bob = random.Random(seed), alice, bob
        self.rooms, self.held, self.serial, self.with_bob = [], {}, 0, set()
        self.data, self.read = {}, {}
        self.left = {}  # rooms that she is not in: what was said there since
        for _ in range(6):
            self.create()
        self.watch = Sliding(alice, {"all": self.window()}, begins=False, extensions={"account_data": {}, "receipts": {}})
        self.waiting = Sliding(alice, begins=False)  # another connection that asks for the same, and waits
        self.look()

    def window(self):
        return window(last=self.random.choice([0, 1, 2, 4, 30]), timeline=self.random.choice([0, 1, 2, 5, 20]), state=[("*", "*")])

    def create(self):
        room = self.alice.create_room(preset="public_chat", name="start" if self.random.random() < 0.5 else None)
        if self.random.random() < 0.7:
            self.bob.join(room).ok()
            self.with_bob.add(room)
        self.rooms.append(room)

    def act(self):
        self.serial += 1
        room = self.random.choice(self.rooms)
        text = str(self.serial)
        who = self.alice if self.random.random() < 0.5 or room not in self.with_bob else self.bob
        action = self.random.randrange(13)
        if room in self.left:
            if action < 4:
                self.alice.join(room).ok()
                del self.left[room]
            else:
                self.left[room].append("hidden-%s-" % text)
                self.bob.send(room, self.left[room][-1])
                self.bob.put_state(room, "m.room.member", {"membership": "join", "displayname": self.left[room][-1]}, self.bob.user_id).ok()
        elif action < 4:
            who.send(room, text)
        elif action == 9 and room in self.with_bob:
            self.alice.leave(room).ok()
            self.left[room] = []
        elif action == 10:
            self.alice.account_data("org.example.x", {"n": text}, room).ok()
            self.data[room] = {"n": text}
        elif action == 11 and room in self.with_bob:
            self.read[room] = self.bob.send(room, text)
            self.bob.receipt(room, self.read[room]).ok()
        elif action == 4:
            self.alice.set_state(room, "m.room.name", {"name": text})
        elif action == 5:
            self.alice.set_state(room, "org.example.x", {"n": text}, self.random.choice(["a", "b"]))
        elif action == 6:
            (self.bob.leave if room in self.with_bob else self.bob.join)(room).ok()
            self.with_bob ^= {room}
        elif action == 7:
            for number in range(self.random.choice([3, 8])):
                who.send(room, "%s.%d" % (text, number))
        elif len(self.rooms) < 10:
            self.create()

    def look(self):
        if self.random.random() < 0.3:
            self.watch.peek()  # an answer that is lost
        answer = self.watch.next()
        for room in answer.rooms:
            self.held.setdefault(room, Held()).take(answer.room(room))
        for room in self.rooms:
            held = self.held.setdefault(room, Held())
            held.data = answer.account("org.example.x", room) or held.data
            for event_id, _, user in answer.receipts(room):
                held.read[user] = event_id
        assert not any(text in str(answer) for texts in self.left.values() for text in texts)
        self.wait_for(answer)
        return answer

    def wait_for(self, answer):
        """What one who does not wait is told, one who waits is told at once, also where it came before the waiting."""
        self.waiting.lists, self.waiting.rooms, self.waiting.extensions = self.watch.lists, self.watch.rooms, self.watch.extensions
        waited = self.waiting.at_once() if answer.rooms or answer.get("extensions") else self.waiting.next(timeout=1)
        assert {room: answer.room(room).ids() for room in answer.rooms} == {room: waited.room(room).ids() for room in waited.rooms}
        assert answer.get("extensions") == waited.get("extensions") and answer["lists"] == waited["lists"]

    def change(self):
        """Looks at others, or at more of them."""
        self.watch.lists = {"all": self.window()}
        chosen = self.random.sample(self.rooms, self.random.choice([0, 0, 1, 2]))
        self.watch.rooms = {room: wanted(self.random.choice([0, 1, 10]), [("*", "*")]) for room in chosen}
        if self.random.random() < 0.3:
            self.watch.lists = {}
        for name, extension in self.watch.extensions.items():
            extension["enabled"] = self.random.random() < 0.8
            extension["lists"] = self.random.choice([["*"], [], ["other"]])
            extension["rooms"] = self.random.choice([["*"], [], chosen])

    def check(self):
        """All rooms once more; each is then as it is."""
        self.watch.lists = {"all": window(last=99, timeline=5, state=[("*", "*")])}
        self.watch.extensions = {name: {"enabled": True} for name in self.watch.extensions}
        self.look()
        answer = self.look()
        assert answer.rooms == set() and answer.count() == len(self.rooms) - len(self.left)
        for room in set(self.rooms) - set(self.left):
            assert self.held[room].data == self.data.get(room, {})
            assert room not in self.read or self.held[room].read.get(self.bob.user_id) in (self.read[room], None)
            held, state = self.held[room], self.alice.state(room)
            assert {key: event["event_id"] for key, event in held.state.items()} == {key: event["event_id"] for key, event in state.items()}
            history = [event["event_id"] for event in self.alice.history(room, "f", limit=200)]
            assert held.ids == history[-len(held.ids):], (held.ids, history)
            assert held.name == state.get(("m.room.name", ""), {"content": {}})["content"].get("name")
            assert held.joined == sum(event["content"]["membership"] == "join" for (kind, _), event in state.items() if kind == "m.room.member")


@pytest.mark.parametrize("seed", range(10))
def test_model__random_actions_and_windows__ends_with_what_there_is(alice, bob, seed):
    model = Model(alice, bob, seed)
    for _ in range(STEPS):
        for _ in range(model.random.choice([0, 1, 1, 2])):
            model.act()
        if model.random.random() < 0.3:
            model.change()
        model.look()
    model.check()
