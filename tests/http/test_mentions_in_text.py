"""The option push.mentions_in_text: mentions by names in the text, for senders that know no m.mentions.

Spec: client-server API v1.16, "Predefined Rules" (.m.rule.contains_display_name, .m.rule.roomnotif, .m.rule.contains_user_name, to be
ignored for events with m.mentions).
"""
import pytest

from support import accounts
from support.client import Http, path_of
from support.server import Server

RULES = {("override", ".m.rule.contains_display_name"), ("override", ".m.rule.roomnotif"), ("content", ".m.rule.contains_user_name")}


@pytest.fixture(scope="module")
def lenient():
    """A server that looks for names in the text, shared by the tests of this file."""
    server = Server(settings={"push.mentions_in_text": "true"}).start()
    yield server
    server.destroy()


@pytest.fixture
def people(lenient):
    """Two who share a room, a third that makes it more than a talk of two; the second is called Mina Harker."""
    alice, mina, other = (accounts.register(Http(lenient.url)) for _ in range(3))
    mina.put(path_of("profile", mina.user_id, "displayname"), {"displayname": "Mina Harker"}).ok()
    room = alice.create_room(invite=[mina.user_id, other.user_id])
    mina.join(room).ok()
    other.join(room).ok()
    return alice, mina, room


def counts(user, room, **more):
    part = user.sync(**more).joined(room)["unread_notifications"]
    return part["notification_count"], part["highlight_count"]


def rules_of(user):
    rules = user.get("/pushrules/").ok()["global"]
    assert user.sync().account("m.push_rules")["global"] == rules
    return rules


def text(body, **more):
    return {"msgtype": "m.text", "body": body, **more}


def test_rules__option_on__at_their_old_places(lenient):
    user = accounts.register(Http(lenient.url))
    rules = rules_of(user)
    order = [rule["rule_id"] for rule in rules["override"]]
    assert order[4:8] == [".m.rule.is_user_mention", ".m.rule.contains_display_name", ".m.rule.is_room_mention", ".m.rule.roomnotif"]
    name = user.user_id[1:].partition(":")[0]
    assert [(rule["rule_id"], rule["pattern"], rule["default"]) for rule in rules["content"]] == [
        (".m.rule.contains_user_name", name, True)]


def test_rules__option_off__not_there(hs):
    rules = rules_of(hs.user())
    assert not RULES & {(kind, rule["rule_id"]) for kind in rules for rule in rules[kind]}


@pytest.mark.parametrize("body, highlights", [
    ("hello mina harker!", 1), ("Mina Harkers", 0), ("Mina", 0), ("{user}: your turn", 1), ("@{user}x", 0), ("@room lunch", 1)])
def test_text__without_mentions__by_names(people, body, highlights):
    alice, mina, room = people
    name = mina.user_id[1:].partition(":")[0]
    alice.send(room, text(body.replace("{user}", name)))
    assert counts(mina, room) == (1, highlights)


def test_text__event_says_whom_it_mentions__text_does_not_count(people):
    alice, mina, room = people
    alice.send(room, text("Mina Harker, @room", **{"m.mentions": {}}))
    assert counts(mina, room) == (1, 0)
    alice.send(room, text("you", **{"m.mentions": {"user_ids": [mina.user_id]}}))
    assert counts(mina, room) == (2, 1)


def test_room_in_text__without_the_power__no_highlight(people):
    alice, mina, room = people
    mina.send(room, text("@room"))
    assert counts(alice, room) == (1, 0)


def test_counts__as_messages_come_and_are_read__right(people):
    """The counts are kept while they are asked for, also by thread, and those of a fresh look are the same."""
    alice, mina, room = people
    root = alice.send(room, text("root"))
    watch = mina.watch(filter={"room": {"timeline": {"unread_thread_notifications": True}}})
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}
    named = alice.send(room, text("Mina Harker?", **thread))
    last = alice.send(room, text("mina harker!"))
    answer, _ = watch.until(lambda one: last in one.joined(room).ids())
    part = answer.joined(room)
    assert part["unread_notifications"] == {"notification_count": 2, "highlight_count": 1}
    assert part["unread_thread_notifications"] == {root: {"notification_count": 1, "highlight_count": 1}}
    assert counts(mina, room) == (3, 2)
    mina.receipt(room, named, thread_id=root).ok()
    assert counts(mina, room) == (2, 1)
    mina.receipt(room, last).ok()
    assert counts(mina, room) == (0, 0)


def test_rule__switched_off__counts_no_more(people):
    alice, mina, room = people
    mina.put(path_of("pushrules", "global", "override", ".m.rule.contains_display_name", "enabled"), {"enabled": False}).ok()
    alice.send(room, text("Mina Harker"))
    assert counts(mina, room) == (1, 0)
