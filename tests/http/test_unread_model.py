"""Unread counts against a plain model: random events and receipts; from memory, and read anew after a restart."""
import os
import random

import pytest

from support import accounts

STEPS = 150


class Model:
    """Counts as the specification words them: every event is looked at for every user."""

    def __init__(self):
        self.events = []  # (id, sender, thread or None, notifies, highlights all, mentioned users)
        self.marks = {}   # (user, thread: None for all, "main", root) → index read up to

    def mark(self, user, thread, index):
        key = (user, thread)
        self.marks[key] = max(self.marks.get(key, -1), index)

    def add(self, event_id, sender, thread, notifies, for_all, mentioned):
        self.events.append((event_id, sender, thread, notifies, for_all, mentioned))
        self.mark(sender, thread or "main", len(self.events) - 1)

    def counts(self, user):
        found = {}
        for index, (_, sender, thread, notifies, for_all, mentioned) in enumerate(self.events):
            read = max(self.marks.get((user, None), -1), self.marks.get((user, thread or "main"), -1))
            highlights = for_all or user in mentioned
            if index > read and sender != user and (notifies or highlights):
                count = found.setdefault(thread or "main", [0, 0])
                count[0] += 1
                count[1] += highlights
        return {key: tuple(count) for key, count in found.items()}


def shown(user, room):
    part = user.sync(filter={"room": {"timeline": {"unread_thread_notifications": True}}}).joined(room)
    counts = {"main": part["unread_notifications"], **part.get("unread_thread_notifications", {})}
    counts = {key: (item.get("notification_count", 0), item.get("highlight_count", 0))
              for key, item in counts.items()}
    return {key: count for key, count in counts.items() if count != (0, 0)}


def send(dice, model, users, room):
    user = dice.choice(users)
    roots = [event[0] for event in model.events if event[2] is None]
    thread = dice.choice(roots[:4]) if roots and dice.random() < 0.4 else None
    mentioned = {other.user_id for other in users if dice.random() < 0.15}
    for_all = user is users[0] and dice.random() < 0.1
    kind = dice.choice(["m.text", "m.text", "m.text", "m.notice", "x"])
    content = {"body": "x", "m.mentions": {"user_ids": sorted(mentioned), **({"room": True} if for_all else {})}}
    if kind != "x":
        content["msgtype"] = kind
    if thread:
        content["m.relates_to"] = {"rel_type": "m.thread", "event_id": thread}
    event_id = user.send(room, content, "org.example.silent" if kind == "x" else "m.room.message")
    if kind == "m.notice":
        mentioned, for_all = set(), False
    model.add(event_id, user.user_id, thread, kind == "m.text", for_all, mentioned - {user.user_id})


def read(dice, model, users, room):
    user = dice.choice(users)
    index = dice.randrange(max(0, len(model.events) - 12), len(model.events))
    event_id, _, thread, *_ = model.events[index]
    scope = dice.choice([None, thread or "main"])
    user.receipt(room, event_id, dice.choice(["m.read", "m.read.private"]),
                 **({"thread_id": scope} if scope else {})).ok()
    model.mark(user.user_id, scope, index)


@pytest.mark.parametrize("seed", [int(seed) for seed in os.environ.get("BELFRY_TEST_SEED", "1,2").split(",")])
def test_unread__random_events_and_receipts__as_the_model_says(make_server, seed):
    dice = random.Random(seed)
    server = make_server().start()
    users = [accounts.register(server.anonymous().http) for _ in range(3)]
    room = users[0].create_room(preset="public_chat")
    for user in users[1:]:
        user.join(room).ok()
    model = Model()
    for step in range(STEPS):
        if model.events and dice.random() < 0.3:
            read(dice, model, users, room)
        else:
            send(dice, model, users, room)
        if dice.random() < 0.5:
            user = dice.choice(users)
            assert shown(user, room) == model.counts(user.user_id), (seed, step)
    for user in users:
        assert shown(user, room) == model.counts(user.user_id)
    server.terminate()
    server.start()
    for user in users:
        assert shown(user, room) == model.counts(user.user_id), "after the restart"


def test_unread__relation_to_an_event_of_a_thread_that_is_not_in_memory__counts_there(make_server):
    server = make_server().start()
    writer, reader = (accounts.register(server.anonymous().http) for _ in range(2))
    room = writer.create_room(preset="public_chat")
    reader.join(room).ok()
    root = writer.send(room, "root")
    reply = writer.send(room, {"msgtype": "m.text", "body": "in it", "m.relates_to": {"rel_type": "m.thread", "event_id": root}})
    for number in range(60):
        last = writer.send(room, "m%d" % number)
    reader.receipt(room, last, "m.read").ok()
    server.terminate()
    server.start()
    writer.send(room, "the room is in memory now")
    writer.send(room, {"msgtype": "m.text", "body": "of it", "m.relates_to": {"rel_type": "m.reference", "event_id": reply}})
    assert shown(reader, room) == {"main": (1, 0), root: (1, 0)}
