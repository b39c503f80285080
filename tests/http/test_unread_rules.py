"""Unread counts of users who have push rules of their own.  Spec: client-server API, "Receiving notifications"."""
import random

import pytest

from support import accounts
from support.client import path_of, unique


def rule(user, kind, name, **body):
    user.put(path_of("pushrules", "global", kind, name), {"actions": ["notify"], **body}).ok()


def counts(user, room):
    part = user.sync().joined(room)["unread_notifications"]
    return part["notification_count"], part["highlight_count"]


def mute(user, room):
    rule(user, "override", room, actions=[],
         conditions=[{"kind": "event_match", "key": "room_id", "pattern": room}])


def mention(other):
    return {"msgtype": "m.text", "body": "hi", "m.mentions": {"user_ids": [other.user_id]}}


HIGHLIGHT = ["notify", {"set_tweak": "highlight"}]


def test_muted_room__nothing_counts__others_do(alice, bob, shared):
    other = alice.create_room(invite=[bob.user_id])
    bob.join(other).ok()
    mute(bob, shared)
    for room in (shared, other):
        alice.send(room, "one")
        alice.send(room, mention(bob))
    assert counts(bob, shared) == (0, 0)
    assert counts(bob, other) == (2, 1)


def test_muted_room__unmuted__counts_what_is_unread(alice, bob, shared):
    mute(bob, shared)
    alice.send(shared, "one")
    assert counts(bob, shared) == (0, 0)
    bob.delete(path_of("pushrules", "global", "override", shared)).ok()
    assert counts(bob, shared) == (1, 0)


def ignore(user, *others):
    user.account_data("m.ignored_user_list", {"ignored_users": {one.user_id: {} for one in others}}).ok()


def test_ignored_sender__counts_while_not_ignored_only(alice, bob, carol, shared):
    bob.invite(shared, carol).ok()
    carol.join(shared).ok()
    watch = bob.watch()
    alice.send(shared, mention(bob))
    carol.send(shared, mention(bob))
    assert counts(bob, shared) == (2, 2)
    ignore(bob, carol)
    assert counts(bob, shared) == (1, 1)
    carol.send(shared, mention(bob))
    last = alice.send(shared, "one")
    answer, _ = watch.until(lambda one: last in one.joined(shared).ids())
    assert answer.joined(shared)["unread_notifications"] == {"notification_count": 2, "highlight_count": 1}
    assert counts(bob, shared) == (2, 1)
    ignore(bob)
    assert counts(bob, shared) == (4, 3)


def test_ignored_sender__of_a_thread__and_who_has_left(alice, bob, carol, shared):
    bob.invite(shared, carol).ok()
    carol.join(shared).ok()
    root = alice.send(shared, "root")
    carol.send(shared, {"msgtype": "m.text", "body": "in it",
                        "m.relates_to": {"rel_type": "m.thread", "event_id": root}})
    carol.leave(shared).ok()
    assert counts(bob, shared) == (2, 0)
    ignore(bob, carol)
    assert counts(bob, shared) == (1, 0)
    bob.receipt(shared, root).ok()
    assert counts(bob, shared) == (0, 0)


def test_ignored_sender__with_own_rules__both_hold(alice, bob, carol, shared):
    bob.invite(shared, carol).ok()
    carol.join(shared).ok()
    rule(bob, "content", "exam", pattern="exam", actions=HIGHLIGHT)
    ignore(bob, carol)
    for user in (alice, carol):
        user.send(shared, "exam")
    assert counts(bob, shared) == (1, 1)


def test_mentions_only__room_rule__mentions_count(alice, bob, shared):
    rule(bob, "room", shared, actions=[])
    alice.send(shared, "one")
    alice.send(shared, mention(bob))
    alice.send(shared, mention(alice))
    assert counts(bob, shared) == (1, 1)


def test_keyword__highlights_live_and_anew(alice, bob, shared):
    rule(bob, "content", "exam", pattern="exam*", actions=HIGHLIGHT)
    watch = bob.watch()
    seen = []
    for body in ("the exams", "lunch", "EXAM!", "reexam"):
        event = alice.send(shared, body)
        answer, _ = watch.until(lambda one, event=event: event in one.joined(shared).ids())
        part = answer.joined(shared)["unread_notifications"]
        seen.append((part["notification_count"], part["highlight_count"]))
    assert seen == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert counts(bob, shared) == (4, 2)


def test_predefined_rule_off__messages_do_not_count(alice, bob, carol, shared):
    bob.invite(shared, carol).ok()
    carol.join(shared).ok()
    bob.put(path_of("pushrules", "global", "underride", ".m.rule.message", "enabled"), {"enabled": False}).ok()
    alice.send(shared, "one")
    alice.send(shared, mention(bob))
    assert counts(bob, shared) == (1, 1)
    assert counts(carol, shared) == (2, 0)


def test_one_to_one__rule_off__messages_still_count_by_the_next_rule(alice, bob, shared):
    where = ("pushrules", "global", "underride")
    bob.put(path_of(*where, ".m.rule.room_one_to_one", "enabled"), {"enabled": False}).ok()
    alice.send(shared, "one")
    assert counts(bob, shared) == (1, 0)
    bob.put(path_of(*where, ".m.rule.message", "actions"), {"actions": []}).ok()
    assert counts(bob, shared) == (0, 0)
    bob.put(path_of(*where, ".m.rule.room_one_to_one", "enabled"), {"enabled": True}).ok()
    assert counts(bob, shared) == (1, 0)


def test_master__everything_off__zero(alice, bob, shared):
    bob.put(path_of("pushrules", "global", "override", ".m.rule.master", "enabled"), {"enabled": True}).ok()
    alice.send(shared, mention(bob))
    assert counts(bob, shared) == (0, 0)


def test_sender__muted__others_count(alice, bob, carol, shared):
    bob.invite(shared, carol).ok()
    carol.join(shared).ok()
    rule(bob, "sender", carol.user_id, actions=[])
    carol.send(shared, "one")
    alice.send(shared, "two")
    assert counts(bob, shared) == (1, 0)


def test_silent_type__own_rule__counts(alice, bob, shared):
    rule(bob, "underride", unique("poll"), actions=HIGHLIGHT,
         conditions=[{"kind": "event_match", "key": "type", "pattern": "org.example.poll"}])
    alice.send(shared, {"x": 1}, "org.example.poll")
    assert counts(bob, shared) == (1, 1)
    assert counts(alice, shared) == (0, 0)


# -- against a model

class Model:
    """Every event is looked at for every user."""

    def __init__(self):
        self.events, self.marks = [], {}

    def mark(self, user, thread, index):
        self.marks[user, thread] = max(self.marks.get((user, thread), -1), index)

    def counts(self, user, judge):
        found = {}
        for index, (_, sender, thread, content) in enumerate(self.events):
            read = max(self.marks.get((user, None), -1), self.marks.get((user, thread or "main"), -1))
            notifies, highlights = judge(content)
            if index > read and sender != user and notifies:
                count = found.setdefault(thread or "main", [0, 0])
                count[0] += 1
                count[1] += highlights
        return {key: tuple(count) for key, count in found.items()}


def judge_plain(content):
    return True, False


def judge_keyword(content):
    return True, content["body"] == "loud"


def judge_quiet(content):
    return content["body"] == "loud", False


def shown(user, room):
    part = user.sync(filter={"room": {"timeline": {"unread_thread_notifications": True}}}).joined(room)
    found = {"main": part["unread_notifications"], **part.get("unread_thread_notifications", {})}
    found = {key: (one.get("notification_count", 0), one.get("highlight_count", 0)) for key, one in found.items()}
    return {key: count for key, count in found.items() if count != (0, 0)}


def step(dice, model, users, room):
    user = dice.choice(users)
    if model.events and dice.random() < 0.3:
        index = dice.randrange(max(0, len(model.events) - 12), len(model.events))
        event_id, _, thread, _ = model.events[index]
        scope = dice.choice([None, thread or "main"])
        user.receipt(room, event_id, **({"thread_id": scope} if scope else {})).ok()
        model.mark(user.user_id, scope, index)
        return
    roots = [event[0] for event in model.events if event[2] is None]
    thread = dice.choice(roots[:4]) if roots and dice.random() < 0.4 else None
    content = {"msgtype": "m.text", "body": dice.choice(["loud", "soft"])}
    if thread:
        content["m.relates_to"] = {"rel_type": "m.thread", "event_id": thread}
    model.events.append((user.send(room, content), user.user_id, thread, content))
    model.mark(user.user_id, thread or "main", len(model.events) - 1)


@pytest.mark.parametrize("seed", [1, 2])
def test_own_rules__random_events_and_receipts__as_the_model_says(make_server, seed):
    dice = random.Random(seed)
    server = make_server().start()
    users = [accounts.register(server.anonymous().http) for _ in range(3)]
    room = users[0].create_room(preset="public_chat")
    for user in users[1:]:
        user.join(room).ok()
    judges = {users[0].user_id: judge_plain, users[1].user_id: judge_keyword, users[2].user_id: judge_quiet}
    rule(users[1], "content", "loud", pattern="loud", actions=HIGHLIGHT)
    rule(users[2], "content", "loud", pattern="loud")
    rule(users[2], "room", room, actions=[])
    model = Model()
    for number in range(120):
        step(dice, model, users, room)
        if dice.random() < 0.5:
            user = dice.choice(users)
            assert shown(user, room) == model.counts(user.user_id, judges[user.user_id]), (seed, number)
    server.terminate()
    server.start()
    for user in users:
        assert shown(user, room) == model.counts(user.user_id, judges[user.user_id]), "after the restart"
