"""Simplified sliding sync, of who waits: whatever happens, and with whatever filters, they are told at once what is told to who does not wait (seeded; the
seed is in the test's name)."""
import random
import time

import pytest

from support import accounts
from support.client import unique
from support.keys import Device
from support.sliding import Sliding, wanted, window
from support.twins import at, twins

STEPS = 200
EVERYTHING = ("account_data", "receipts", "typing", "to_device", "e2ee")


def without(value, *keys):
    if isinstance(value, dict):
        return {key: without(item, *keys) for key, item in value.items() if key not in keys}
    return [without(item, *keys) for item in value] if isinstance(value, list) else value


def told(answer):
    """What an answer tells, but for what differs with the moment or the device."""
    extensions = {name: part for name, part in without(answer.get("extensions", {}), "next_batch").items() if part and part != {"events": []}}
    return without(answer.get("rooms", {}), "num_live", "unsigned"), extensions, answer.get("lists")


def is_news(answer):
    rooms, extensions, _ = told(answer)
    return bool(rooms or [name for name, part in extensions.items() if name != "e2ee" or "device_lists" in part])


class Model:
    """Alice looks with two devices that ask for the same, one of which waits. Bob owns the rooms; Carol is there."""

    def __init__(self, alice, other, bob, carol, seed, extensions=EVERYTHING):
        self.random, self.alice, self.bob, self.carol = random.Random(seed), alice, bob, carol
        self.serial, self.rooms, self.keys = 0, [], {user: Device(user) for user in (bob, carol)}
        self.typing = {}  # (who, room): since when, of those that have not stopped
        for _ in range(6):
            self.create()
        self.space = self.create(creation_content={"type": "m.space"})
        self.looks = Sliding(alice, self.lists(), begins=False, extensions={name: {} for name in extensions})
        self.waits = Sliding(other, begins=False, extensions={name: {} for name in extensions})

    def lists(self):
        last = self.random.choice([0, 1, 2, 99])
        every = {
            "all": {}, "direct": {"is_dm": True}, "others": {"is_dm": False}, "encrypted": {"is_encrypted": True}, "invites": {"is_invite": True},
            "favourites": {"tags": ["m.favourite"]}, "quiet": {"not_tags": ["m.lowpriority"]}, "spaces": {"spaces": [self.space]},
            "rooms": {"not_room_types": ["m.space"]}}
        names = self.random.sample(sorted(every), self.random.choice([1, 2, 3]))
        return {name: window(last=last, timeline=self.random.choice([0, 1, 5]), state=[("*", "*")], filters=every[name]) for name in names}

    def create(self, **more):
        room = self.bob.create_room(preset="public_chat", **more)
        self.carol.join(room)
        if self.random.random() < 0.8:
            self.alice.join(room).ok()
        self.rooms.append(room)
        return room

    def act(self):
        """What may not be done now is refused, which is as good."""
        self.serial += 1
        room, text = self.random.choice(self.rooms), str(self.serial)
        alice, bob, carol, which = self.alice, self.bob, self.carol, self.random.random()
        other = self.random.choice(self.rooms)
        self.random.choice([
            lambda: bob.send(room, text), lambda: bob.send(room, text), lambda: bob.send(room, text),
            lambda: bob.send(room, {"msgtype": "m.text", "body": "@room " + alice.user_id, "m.mentions": {"user_ids": [alice.user_id]}}),
            lambda: bob.kick(room, alice), lambda: bob.kick(room, alice), lambda: bob.ban(room, alice), lambda: bob.unban(room, alice),
            lambda: bob.invite(room, alice), lambda: alice.join(room), lambda: alice.join(room),
            lambda: alice.leave(room), lambda: alice.forget(room), lambda: alice.forget(room), lambda: alice.forget(room),
            lambda: [bob.kick(room, alice), bob.set_state(room, "m.room.name", {"name": "hidden"}), bob.ban(room, alice)],
            lambda: bob.put_state(room, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}),
            lambda: bob.put_state(room, "m.room.name", {"name": text}),
            lambda: bob.put_state(room, "m.room.history_visibility", {"history_visibility": self.random.choice(["joined", "shared", "invited"])}),
            lambda: bob.put_state(self.space, "m.space.child", {"via": ["x"]} if which < 0.7 else {}, room),
            lambda: alice.account_data("m.direct", {bob.user_id: self.random.sample(self.rooms, 2)}),
            lambda: alice.account_data("m.tag", {"tags": {self.random.choice(["m.favourite", "m.lowpriority", "u.x"]): {}}}, room),
            lambda: alice.account_data("m.ignored_user_list", {"ignored_users": {} if which < 0.5 else {carol.user_id: {}}}),
            lambda: alice.account_data("m.invite_permission_config", {} if which < 0.5 else {"default_action": "block"}),
            lambda: alice.account_data("org.example.x", {"n": text}),
            lambda: alice.put("/pushrules/global/room/" + room, {"actions": []}),
            lambda: alice.receipt(room, bob.send(room, text), "m.read" if which < 0.5 else "m.read.private"),
            lambda: carol.receipt(room, bob.send(room, text)),
            lambda: carol.put_event(room, "m.room.message", {"msgtype": "m.text", "body": text}), lambda: carol.leave(room), lambda: carol.join(room),
            lambda: self.type(bob if which < 0.5 else carol, room, which < 0.7),
            lambda: self.type(bob, other, which < 0.7),
            lambda: bob.put("/sendToDevice/m.test/" + unique("t"), {"messages": {alice.user_id: {"*": {"n": text}}}}),
            lambda: self.keys[bob if which < 0.5 else carol].upload(),
            lambda: bob.post(bob.room(room, "upgrade"), {"new_version": "10"}) if which < 0.1 else None,
        ])()

    def type(self, who, room, is_typing):
        self.typing.pop((who, room), None)
        if is_typing:
            self.typing[who, room] = time.monotonic()
        who.typing(room, is_typing, timeout=120000)

    def stop_typing(self):
        """Before it ends by itself, which might be after one device has looked and before the other does."""
        for (who, room), since in list(self.typing.items()):
            if time.monotonic() - since > 20:
                self.type(who, room, False)

    def wish(self):
        if self.random.random() < 0.2:
            self.looks.lists = self.lists()
            chosen = self.random.sample(self.rooms, self.random.choice([0, 0, 1, 2]))
            self.looks.rooms = {room: wanted(self.random.choice([0, 1, 10]), [("*", "*")]) for room in chosen}
        self.waits.lists, self.waits.rooms = self.looks.lists, self.looks.rooms

    def look(self):
        """Before it waits; an answer that is lost is told again."""
        self.stop_typing()
        self.waits.client.sync(self.alice.sync(self.bob.sync().since).since)  # they may be of several processes
        answer = self.looks.next()
        if not is_news(answer):
            assert told(self.waits.next(timeout=1)) == told(answer)
            return False
        if self.random.random() < 0.3:
            self.waits.peek(timeout=60000)
        assert told(self.waits.at_once()) == told(answer)
        return True


@pytest.fixture
def carol(hs):
    return hs.user()


def run(model):
    for _ in range(STEPS):
        model.wish()
        for _ in range(model.random.choice([0, 1, 1, 2, 4])):
            model.act()
        while model.look():
            pass


@pytest.mark.parametrize("seed", range(10))
def test_waiting__after_random_actions__told_at_once_as_who_does_not_wait(alice, bob, carol, seed):
    run(Model(alice, alice.login(), bob, carol, seed))


@pytest.fixture(scope="module")
def pair():
    with twins({"presence.enabled": "false"}) as servers:
        yield servers


@pytest.mark.parametrize("seed", range(2))
def test_waiting__at_another_process__the_same(pair, seed):
    """But for who types, of which another process hears when it hears."""
    alice, carol = (accounts.register(pair[0].url) for _ in range(2))
    bob = accounts.register(pair[1].url)
    run(Model(alice, at(pair[1], alice.login()), bob, carol, seed, [name for name in EVERYTHING if name != "typing"]))
