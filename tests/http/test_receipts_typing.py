"""Read receipts (public, private, threaded), read markers, unread counts, typing."""
import pytest

from support.client import path_of, receipts_of, typing_of


def receipt(watch, room, key):
    """Waits for a receipt (event, type, user) and returns its data."""
    def found(answer):
        return receipts_of(answer.joined(room)).get(key)
    return watch.until(found)[1]


def unread(user, room, threads=False):
    part = user.sync(filter={"room": {"timeline": {"unread_thread_notifications": threads}}}).joined(room)
    counts = part.get("unread_notifications", {})
    main = (counts.get("notification_count", 0), counts.get("highlight_count", 0))
    if not threads:
        return main
    return main, {root: (item.get("notification_count", 0), item.get("highlight_count", 0))
                  for root, item in part.get("unread_thread_notifications", {}).items()
                  if item.get("notification_count", 0) or item.get("highlight_count", 0)}


def in_thread(user, room, root, body="in thread"):
    return user.send(room, {"msgtype": "m.text", "body": body,
                            "m.relates_to": {"rel_type": "m.thread", "event_id": root}})


# -- receipts

def test_receipt__public__seen_by_all(alice, bob, shared):
    event = alice.send(shared)
    watches = [alice.watch(), bob.watch()]
    assert bob.receipt(shared, event).ok().json == {}
    for watch in watches:
        data = receipt(watch, shared, (event, "m.read", bob.user_id))
        assert abs(data["ts"] - alice.event(shared, event).ok()["origin_server_ts"]) < 600000
        assert "thread_id" not in data


def test_receipt__initial_sync__present(alice, bob, shared):
    event = alice.send(shared)
    bob.receipt(shared, event).ok()
    assert (event, "m.read", bob.user_id) in receipts_of(alice.sync().joined(shared))


def test_receipt__private__seen_by_oneself_only(alice, bob, shared):
    event = alice.send(shared)
    mine, theirs = bob.watch(), alice.watch()
    bob.receipt(shared, event, "m.read.private").ok()
    receipt(mine, shared, (event, "m.read.private", bob.user_id))
    barrier = alice.send(shared, "barrier")
    seen = []
    theirs.until(lambda answer: seen.append(str(dict(answer))) or barrier in answer.joined(shared).ids())
    assert "m.read.private" not in "".join(seen)
    assert "m.read.private" not in str(dict(alice.sync()))


def test_receipt__moves_on__newest_event_in_initial_sync(alice, bob, shared):
    first, second = alice.send(shared), alice.send(shared)
    bob.receipt(shared, first).ok()
    bob.receipt(shared, second).ok()
    found = [key for key in receipts_of(alice.sync().joined(shared)) if key[2] == bob.user_id]
    assert found == [(second, "m.read", bob.user_id)]


def test_receipt__threaded_and_unthreaded__kept_apart(alice, bob, shared):
    root = alice.send(shared)
    child = in_thread(alice, shared, root)
    last = alice.send(shared)
    bob.receipt(shared, child, thread_id=root).ok()
    bob.receipt(shared, root, thread_id="main").ok()
    bob.receipt(shared, last).ok()
    found = {key[0]: data.get("thread_id") for key, data in receipts_of(alice.sync().joined(shared)).items()
             if key[2] == bob.user_id}
    assert found == {child: root, root: "main", last: None}


@pytest.mark.peer("shows the last one only")
def test_receipt__several_of_a_user_at_one_event__each_shown(alice, bob, shared):
    """One object has room for one: so there are as many m.receipt events as needed."""
    root = alice.send(shared, "root")
    in_thread(alice, shared, root)
    since = alice.sync().since
    bob.receipt(shared, root).ok()
    bob.receipt(shared, root, thread_id="main").ok()
    bob.receipt(shared, root, thread_id=root).ok()
    alice.receipt(shared, root).ok()
    for room in (alice.sync().joined(shared), alice.sync(since).joined(shared)):
        events = [event["content"] for event in room.ephemeral if event["type"] == "m.receipt"]
        told = [content[root]["m.read"][bob.user_id].get("thread_id") for content in events]
        assert told == [None, "main", root]
        assert [alice.user_id in content[root]["m.read"] for content in events] == [True, False, False]


@pytest.mark.parametrize("body", [{"thread_id": 5}, {"thread_id": ""}, {"thread_id": None}, {"thread_id": ["x"]}], ids=str)
def test_receipt__bad_thread_id__400(alice, shared, body):
    event = alice.send(shared)
    alice.receipt(shared, event, **body).expect(400)


def test_receipt__thread_id_for_fully_read__400(alice, shared):
    event = alice.send(shared)
    alice.receipt(shared, event, "m.fully_read", thread_id="main").expect(400)


def test_receipt__event_related_to_the_root_over_others__reads_the_thread(alice, bob, shared):
    root = alice.send(shared, "root")
    in_thread(alice, shared, root)
    beside = root
    for hop in range(4):
        beside = alice.send(shared, {"msgtype": "m.text", "body": "beside", "m.relates_to": {
            "rel_type": "m.reference", "event_id": beside}})
        if hop == 2:
            bob.receipt(shared, beside, thread_id=root).ok()
            assert unread(bob, shared, threads=True) == ((4, 0), {})
    bob.receipt(shared, beside, thread_id=root).expect(400, "M_INVALID_PARAM")


def test_receipt__event_not_in_that_thread__400(alice, shared):
    root, other = alice.send(shared), alice.send(shared)
    in_thread(alice, shared, root)
    alice.receipt(shared, other, thread_id=root).expect(400)


def test_receipt__unknown_type__400(alice, shared):
    alice.receipt(shared, alice.send(shared), "m.nonsense").expect(400)


def test_receipt__not_a_member__403(alice, carol, shared):
    event = alice.send(shared)
    reply = carol.receipt(shared, event)
    reply.expect((403, 404))


def test_receipt__unknown_event_or_of_another_room__no_receipt_shown(alice, bob, shared):
    other = alice.create_room()
    foreign = alice.send(other)
    for event in ("$none", foreign):
        alice.receipt(shared, event).expect((200, 400, 403, 404))
    assert foreign not in {key[0] for key in receipts_of(bob.sync().joined(shared))}


def test_receipt__without_body__accepted(alice, shared):
    """receipts.yaml: the body's only field is optional; old clients send none at all."""
    event = alice.send(shared)
    alice.request("POST", path_of("rooms", shared, "receipt", "m.read", event), raw=b"{}").ok()


# -- read markers

def markers(user, room):
    return {event["type"]: event["content"] for event in user.sync().joined(room).account_data}


def test_read_markers__all_three__account_data_and_receipts(alice, bob, shared):
    event = alice.send(shared)
    watch = bob.watch()
    bob.post(path_of("rooms", shared, "read_markers"),
             {"m.fully_read": event, "m.read": event, "m.read.private": event}).ok()
    seen = {"receipts": set()}

    def complete(answer):
        part = answer.joined(shared)
        seen["receipts"] |= {key[1] for key in receipts_of(part) if key[2] == bob.user_id}
        for item in part.account_data:
            seen[item["type"]] = item["content"]
        return "m.fully_read" in seen and len(seen["receipts"]) == 2
    watch.until(complete)
    assert seen["m.fully_read"] == {"event_id": event}
    assert markers(bob, shared)["m.fully_read"] == {"event_id": event}


def test_read_markers__fully_read_by_receipt_endpoint__same(alice, shared):
    event = alice.send(shared)
    alice.receipt(shared, event, "m.fully_read").ok()
    assert markers(alice, shared)["m.fully_read"] == {"event_id": event}
    assert "m.fully_read" not in str(receipts_of(alice.sync().joined(shared)))


def test_read_markers__empty_body__200(alice, shared):
    alice.post(path_of("rooms", shared, "read_markers"), {}).ok()


@pytest.mark.parametrize("body", [{"m.fully_read": 5}, {"m.read": ["x"]}, {"m.read.private": {}}], ids=str)
@pytest.mark.peer("500")
def test_read_markers__malformed__400(alice, shared, body):
    alice.post(path_of("rooms", shared, "read_markers"), body).expect(400)


def test_read_markers__not_a_member__no_receipt_shown(alice, carol, shared):
    event = alice.send(shared)
    carol.post(path_of("rooms", shared, "read_markers"), {"m.fully_read": event, "m.read": event}).expect(
        (200, 403, 404))
    assert carol.user_id not in str(receipts_of(alice.sync().joined(shared)))


# -- unread counts

def test_unread__messages_of_others__counted(alice, bob, shared):
    bob.receipt(shared, alice.send(shared)).ok()
    for number in range(3):
        alice.send(shared, str(number))
    assert unread(bob, shared) == (3, 0)


def test_unread__own_messages__not_counted(alice, bob, shared):
    bob.send(shared)
    bob.send(shared)
    assert unread(bob, shared) == (0, 0)


@pytest.mark.peer("push.md, Marking notifications as read: sending an event does it too")
def test_unread__own_message__reads_what_was_before(alice, bob, shared):
    alice.send(shared)
    assert unread(bob, shared)[0] == 1
    bob.send(shared, "I have seen it")
    assert unread(bob, shared) == (0, 0)


@pytest.mark.parametrize("kind", ["m.read", "m.read.private"])
def test_unread__receipt__clears_up_to_it(alice, bob, shared, kind):
    events = [alice.send(shared, str(number)) for number in range(4)]
    assert unread(bob, shared) == (4, 0)
    bob.receipt(shared, events[1], kind).ok()
    assert unread(bob, shared) == (2, 0)
    bob.receipt(shared, events[3], kind).ok()
    assert unread(bob, shared) == (0, 0)


def test_unread__receipt__count_told_to_the_waiting(alice, bob, shared):
    event = alice.send(shared)
    watch = bob.watch()
    bob.receipt(shared, event).ok()
    watch.until(lambda answer: answer.joined(shared).get("unread_notifications", {}).get("notification_count") == 0)


def test_unread__receipt_goes_back__count_not_rewound(alice, bob, shared):
    events = [alice.send(shared, str(number)) for number in range(3)]
    bob.receipt(shared, events[2]).ok()
    bob.receipt(shared, events[0]).ok()
    assert unread(bob, shared) == (0, 0)


def test_unread__private_ahead_of_public__furthest_counts(alice, bob, shared):
    events = [alice.send(shared, str(number)) for number in range(3)]
    bob.receipt(shared, events[2], "m.read.private").ok()
    bob.receipt(shared, events[0], "m.read").ok()
    assert unread(bob, shared) == (0, 0)


def test_unread__mention__highlight(alice, bob, shared):
    alice.send(shared, {"msgtype": "m.text", "body": "hey", "m.mentions": {"user_ids": [bob.user_id]}})
    assert unread(bob, shared) == (1, 1)
    alice.send(shared, {"msgtype": "m.text", "body": "@room", "m.mentions": {"room": True}})
    assert unread(bob, shared) == (2, 2)


def test_unread__mention_of_another__no_highlight(alice, bob, shared):
    alice.send(shared, {"msgtype": "m.text", "body": "hey", "m.mentions": {"user_ids": [alice.user_id]}})
    assert unread(bob, shared) == (1, 0)


def test_unread__room_mention_without_power__no_highlight(alice, bob, shared):
    bob.send(shared, {"msgtype": "m.text", "body": "@room", "m.mentions": {"room": True}})
    assert unread(alice, shared) == (1, 0)


def test_unread__reactions_edits_notices_state__not_counted(alice, bob, shared):
    event = alice.send(shared, "one")
    bob.receipt(shared, event).ok()
    alice.send(shared, {"m.relates_to": {"rel_type": "m.annotation", "event_id": event, "key": "x"}}, kind="m.reaction")
    alice.send(shared, {"msgtype": "m.text", "body": "* two", "m.new_content": {"msgtype": "m.text", "body": "two"},
                        "m.relates_to": {"rel_type": "m.replace", "event_id": event}})
    alice.send(shared, {"msgtype": "m.notice", "body": "beep"})
    alice.set_state(shared, "m.room.topic", {"topic": "x"})
    assert unread(bob, shared) == (0, 0)


def test_unread__before_joining__not_counted(alice, bob):
    room = alice.create_room(preset="public_chat")
    for _ in range(3):
        alice.send(room)
    bob.join(room).ok()
    assert unread(bob, room) == (0, 0)


def test_unread__incremental__told_with_the_message(alice, bob, shared):
    bob.receipt(shared, alice.send(shared)).ok()
    watch = bob.watch()
    alice.send(shared, "news")
    answer, _ = watch.until(lambda answer: answer.joined(shared).timeline)
    assert answer.joined(shared)["unread_notifications"]["notification_count"] == 1


def test_unread__threads__apart_when_asked(alice, bob, shared):
    root = alice.send(shared)
    bob.receipt(shared, root).ok()
    for _ in range(2):
        in_thread(alice, shared, root)
    alice.send(shared, "main")
    assert unread(bob, shared, threads=True) == ((1, 0), {root: (2, 0)})
    assert unread(bob, shared) == (3, 0)


def test_unread__threaded_receipt__clears_that_thread_only(alice, bob, shared):
    root = alice.send(shared)
    bob.receipt(shared, root).ok()
    children = [in_thread(alice, shared, root) for _ in range(3)]
    main = alice.send(shared, "main")
    bob.receipt(shared, children[1], thread_id=root).ok()
    assert unread(bob, shared, threads=True) == ((1, 0), {root: (1, 0)})
    bob.receipt(shared, main, thread_id="main").ok()
    assert unread(bob, shared, threads=True) == ((0, 0), {root: (1, 0)})
    bob.receipt(shared, main).ok()
    assert unread(bob, shared, threads=True) == ((0, 0), {})


def test_unread__redacted_message__no_longer_counted_or_still__sync_lives(alice, bob, shared):
    event = alice.send(shared)
    alice.redact(shared, event).ok()
    assert unread(bob, shared)[0] in (0, 1)


# -- typing

def test_typing__set__others_and_oneself_see_it(alice, bob, shared):
    watches = [alice.watch(), bob.watch()]
    assert alice.typing(shared).ok().json == {}
    for watch in watches:
        watch.until(lambda answer: typing_of(answer.joined(shared)) == [alice.user_id])


def test_typing__two__both_listed_then_one(alice, bob, shared):
    watch = alice.watch()
    alice.typing(shared).ok()
    bob.typing(shared).ok()
    watch.until(lambda answer: set(typing_of(answer.joined(shared)) or ()) == {alice.user_id, bob.user_id})
    bob.typing(shared, False).ok()
    watch.until(lambda answer: typing_of(answer.joined(shared)) == [alice.user_id])


def test_typing__times_out__gone(alice, bob, shared):
    watch = bob.watch()
    alice.typing(shared, timeout=1000).ok()
    watch.until(lambda answer: typing_of(answer.joined(shared)) == [], limit=20)  # it may be over before the first look


def test_typing__initial_sync__present(alice, bob, shared):
    alice.typing(shared).ok()
    assert typing_of(bob.sync().joined(shared)) == [alice.user_id]


def test_typing__for_another_user__403(alice, bob, shared):
    alice.typing(shared, user=bob.user_id).expect((400, 403), ("M_FORBIDDEN", "M_UNKNOWN"))


def test_typing__not_a_member__403(carol, shared):
    carol.typing(shared).expect(403, "M_FORBIDDEN")


@pytest.mark.parametrize("body", [{}, {"typing": "yes"}, {"typing": True, "timeout": "long"}, {"typing": 1},
                                  {"typing": True, "timeout": 1.5}, {"typing": None}], ids=str)
@pytest.mark.peer("500 or lenient")
def test_typing__malformed__400(alice, shared, body):
    alice.put(path_of("rooms", shared, "typing", alice.user_id), body).expect(400)


def test_typing__huge_or_negative_timeout__no_crash(alice, shared):
    for timeout in (-1, 0, 2 ** 53 - 1):
        alice.put(path_of("rooms", shared, "typing", alice.user_id),
                  {"typing": True, "timeout": timeout}).expect((200, 400))
    alice.send(shared)


def test_typing__left_the_room__no_longer_listed(alice, bob, shared):
    watch = alice.watch()
    bob.typing(shared).ok()
    watch.until(lambda answer: typing_of(answer.joined(shared)) == [bob.user_id])
    bob.leave(shared).ok()
    assert not typing_of(alice.sync().joined(shared))
