"""The extensions of simplified sliding sync: to_device, e2ee, account_data, receipts, typing."""
import pytest

from support import accounts
from support.client import path_of, unique
from support.keys import Device, claim
from support.sliding import Sliding, ask, wanted, window

NAMES = ("to_device", "e2ee", "account_data", "receipts", "typing")


def with_extension(client, name, lists=None, rooms=None, **more):
    return Sliding(client, {"all": window()} if lists is None else lists, rooms, {name: more})


def tell(sender, receiver, *numbers):
    for number in numbers:
        sender.put(path_of("sendToDevice", "m.test", unique("t")), {"messages": {receiver.user_id: {receiver.device_id: {"n": number}}}}).ok()


def told(answer):
    return [event["content"]["n"] for event in answer.extension("to_device").get("events", [])]


def test_extensions__not_asked_for__absent(alice, room):
    assert Sliding(alice, {"all": window()}).first.get("extensions", {}) == {}
    answer = ask(alice, {"extensions": {name: {"enabled": False} for name in NAMES}}).ok().json
    assert answer.get("extensions", {}) == {}


# -- to_device

def test_to_device__message__with_its_sender_and_once(alice, bob):
    watch = with_extension(bob, "to_device")
    assert told(watch.first) == [] and watch.first.extension("to_device")["next_batch"]
    tell(alice, bob, 1)
    answer = watch.until(told)
    assert answer.extension("to_device")["events"] == [{"type": "m.test", "sender": alice.user_id, "content": {"n": 1}}]
    assert told(watch.next()) == []


def test_to_device__since_not_given_back__told_again(alice, bob):
    watch = with_extension(bob, "to_device")
    before = watch.extensions["to_device"]["since"]
    tell(alice, bob, 1)
    watch.until(told)
    watch.extensions["to_device"]["since"] = before
    assert told(watch.next()) == [1]
    tell(alice, bob, 2)
    watch.extensions["to_device"]["since"] = before
    assert told(watch.until(lambda answer: 2 in told(answer))) == [1, 2]
    assert told(watch.next()) == []
    watch.extensions["to_device"]["since"] = before
    assert told(watch.next()) == []  # they had arrived


def test_to_device__since_belongs_to_the_device_not_to_the_connection(alice, bob):
    """A client keeps it over the end of a connection."""
    watch = with_extension(bob, "to_device")
    tell(alice, bob, 1)
    watch.until(told)
    since = watch.extensions["to_device"]["since"]
    tell(alice, bob, 2)
    again = with_extension(bob, "to_device", since=since)
    assert told(again.first) == [2]


def test_to_device__no_since__everything_that_has_not_arrived(alice, bob):
    tell(alice, bob, 1, 2)
    assert told(with_extension(bob, "to_device").first) == [1, 2]
    assert told(with_extension(bob, "to_device").first) == [1, 2]


def test_to_device__limit__the_rest_follows_at_once(alice, bob):
    tell(alice, bob, *range(5))
    watch = with_extension(bob, "to_device", limit=2)
    answers = [watch.first] + [watch.at_once() for _ in range(2)]
    assert [told(answer) for answer in answers] == [[0, 1], [2, 3], [4]]


def test_to_device__more_than_a_hundred__a_hundred_at_a_time(alice, bob):
    tell(alice, bob, *range(130))
    watch = with_extension(bob, "to_device", limit=1000)
    second = watch.at_once()
    assert len(told(watch.first)) == 100 and told(watch.first) + told(second) == list(range(130))


def test_to_device__another_device__not_told(alice, bob):
    other = bob.login()
    watch = with_extension(other, "to_device")
    tell(alice, bob, 1)
    tell(alice, other, 2)
    assert told(watch.until(told)) == [2]


def test_to_device__disabled_meanwhile__kept(alice, bob):
    watch = with_extension(bob, "to_device")
    watch.extensions["to_device"]["enabled"] = False
    tell(alice, bob, 1)
    assert watch.next().get("extensions", {}) == {}
    watch.extensions["to_device"]["enabled"] = True
    assert told(watch.until(told)) == [1]


def test_to_device__beside_sync__each_position_counts(alice, bob):
    watch = with_extension(bob, "to_device")
    tell(alice, bob, 1)
    since = bob.sync().since
    assert told(watch.until(told)) == [1]
    watch.next()
    assert bob.sync(since).get("to_device", {}).get("events", []) == []


# -- e2ee

def test_e2ee__counts__of_the_own_device(alice):
    watch = with_extension(alice, "e2ee")
    first = watch.first.extension("e2ee")
    assert not first.get("device_one_time_keys_count", {}).get("signed_curve25519") and not first.get("device_unused_fallback_key_types")
    device = Device(alice)
    device.upload(keys=3, fallback=True)
    answer = watch.until(lambda answer: answer.extension("e2ee").get("device_one_time_keys_count", {}).get("signed_curve25519"))
    assert answer.extension("e2ee")["device_one_time_keys_count"]["signed_curve25519"] == 3
    assert answer.extension("e2ee")["device_unused_fallback_key_types"] == ["signed_curve25519"]


def test_e2ee__key_claimed__count_falls_and_fallback_is_used(alice, bob, shared):
    device = Device(bob)
    device.upload(keys=2, fallback=True)
    watch = with_extension(bob, "e2ee")
    claim(alice, device)
    assert watch.next().extension("e2ee")["device_one_time_keys_count"]["signed_curve25519"] == 1
    claim(alice, device)
    claim(alice, device)
    e2ee = watch.next().extension("e2ee")
    assert e2ee["device_one_time_keys_count"].get("signed_curve25519", 0) == 0 and e2ee["device_unused_fallback_key_types"] == []


def test_e2ee__all_keys_claimed_while_it_waits__told(alice, bob, shared):
    device = Device(bob)
    device.upload(keys=1)
    watch = with_extension(bob, "e2ee")
    watch.next()
    claim(alice, device)
    event = alice.send(shared, "x")
    answer = watch.until_event(shared, event)[-1]
    assert answer.extension("e2ee")["device_one_time_keys_count"].get("signed_curve25519", 0) == 0


def test_e2ee__device_lists__changed_once_also_outside_of_the_window(alice, bob, shared):
    watch = with_extension(bob, "e2ee", lists={})
    Device(alice).upload()
    answer = watch.until(lambda answer: answer.extension("e2ee").get("device_lists", {}).get("changed"))
    assert answer.extension("e2ee")["device_lists"]["changed"] == [alice.user_id]
    assert not watch.next().extension("e2ee").get("device_lists", {}).get("changed")


def test_e2ee__who_comes_and_goes__changed_and_left(alice, bob, carol, shared):
    watch = with_extension(alice, "e2ee")
    alice.invite(shared, carol).ok()
    carol.join(shared).ok()
    answer = watch.until(lambda answer: answer.extension("e2ee").get("device_lists", {}).get("changed"))
    assert answer.extension("e2ee")["device_lists"]["changed"] == [carol.user_id]
    carol.leave(shared).ok()
    answer = watch.until(lambda answer: answer.extension("e2ee").get("device_lists", {}).get("left"))
    assert answer.extension("e2ee")["device_lists"]["left"] == [carol.user_id]


def test_e2ee__strangers__not_told(alice, bob, carol, shared):
    watch = with_extension(bob, "e2ee")
    Device(carol).upload()
    Device(alice).upload()
    answer = watch.until(lambda answer: answer.extension("e2ee").get("device_lists", {}).get("changed"))
    assert answer.extension("e2ee")["device_lists"]["changed"] == [alice.user_id]


# -- account_data

def test_account_data__first__all_of_it_with_push_rules(alice, room):
    alice.account_data("org.example.x", {"n": 1}).ok()
    alice.account_data("org.example.x", {"n": 2}, room).ok()
    alice.put("/user/%s/rooms/%s/tags/u.x" % (alice.user_id, room), {"order": 0.25}).ok()
    first = with_extension(alice, "account_data").first
    assert first.account("org.example.x") == {"n": 1} and "override" in first.account("m.push_rules")["global"]
    assert first.account("org.example.x", room) == {"n": 2}
    assert first.account("m.tag", room) == {"tags": {"u.x": {"order": 0.25}}}


def test_account_data__later__changes_only(alice, room):
    alice.account_data("org.example.x", {"n": 1}).ok()
    watch = with_extension(alice, "account_data")
    assert watch.next().extension("account_data").get("global", []) == []
    alice.account_data("org.example.y", {"n": 3}).ok()
    alice.account_data("org.example.z", {"n": 4}, room).ok()
    answer = watch.next()
    assert answer.extension("account_data") == {"global": [{"type": "org.example.y", "content": {"n": 3}}],
                                                "rooms": {room: [{"type": "org.example.z", "content": {"n": 4}}]}}


def test_account_data__last_tag_removed__an_empty_list_of_them(alice, room):
    path = "/user/%s/rooms/%s/tags/u.x" % (alice.user_id, room)
    alice.put(path, {}).ok()
    watch = with_extension(alice, "account_data")
    alice.delete(path).ok()
    assert watch.next().account("m.tag", room) == {"tags": {}}


def test_account_data__push_rules_change__told_whole(alice):
    watch = with_extension(alice, "account_data")
    alice.put("/pushrules/global/content/mine", {"actions": ["notify"], "pattern": "x"}).ok()
    assert "mine" in [rule["rule_id"] for rule in watch.next().account("m.push_rules")["global"]["content"]]


def test_account_data__nothing_has_happened_on_the_server__told_once(fresh_server):
    """Its position is 0."""
    watch = with_extension(accounts.register(fresh_server.url), "account_data")
    assert watch.first.account("m.push_rules") and watch.next().extension("account_data") == {}


def test_account_data__somebody_elses__not_told(alice, bob, shared):
    watch = with_extension(bob, "account_data")
    alice.account_data("org.example.x", {"n": 1}).ok()
    alice.account_data("org.example.x", {"n": 1}, shared).ok()
    alice.send(shared, "x")
    answer = watch.until(lambda answer: answer.rooms)
    assert answer.extension("account_data").get("global", []) == [] and answer.extension("account_data").get("rooms", {}) == {}


def test_account_data__room_outside_of_the_window__told_when_it_comes_in(alice):
    first, second = [alice.create_room() for _ in range(2)][::-1]
    alice.account_data("org.example.x", {"n": 1}, second).ok()
    watch = with_extension(alice, "account_data", {"all": window(last=0)})
    assert second not in watch.first.extension("account_data").get("rooms", {})
    alice.account_data("org.example.y", {"n": 2}, second).ok()
    assert second not in watch.next().extension("account_data").get("rooms", {})
    alice.send(second, "up")
    answer = watch.until(lambda answer: second in answer.rooms)
    assert answer.account("org.example.x", second) == {"n": 1} and answer.account("org.example.y", second) == {"n": 2}
    alice.send(first, "up")
    watch.until(lambda answer: first in answer.rooms)
    alice.account_data("org.example.z", {"n": 3}, second).ok()
    watch.next()
    alice.send(second, "up again")
    answer = watch.until(lambda answer: second in answer.rooms)
    assert answer.extension("account_data")["rooms"][second] == [{"type": "org.example.z", "content": {"n": 3}}]


# -- receipts

@pytest.mark.peer("says 0 always")
def test_receipts__own_from_another_device__unread_counts_with_it(alice, bob, shared):
    alice.receipt(shared, alice.send(shared, "read by her")).ok()
    watch = with_extension(bob, "receipts", {"all": window()})
    newest = alice.send(shared, "unread")
    assert watch.until_room(shared)["notification_count"] > 0
    bob.receipt(shared, newest).ok()
    part = watch.until_room(shared)
    assert (part["notification_count"], part["highlight_count"]) == (0, 0)
    assert not part.timeline and "initial" not in part
    alice.receipt(shared, newest).ok()
    told = watch.until(lambda answer: answer.receipts(shared))
    assert not told.room(shared), "others' reading changes nothing of it"


def test_receipts__first__those_of_the_timeline_and_own(alice, bob, shared):
    old = alice.send(shared, "old")
    alice.receipt(shared, old).ok()
    events = [alice.send(shared, str(number)) for number in range(3)]
    bob.receipt(shared, events[-1]).ok()
    first = with_extension(alice, "receipts", {"all": window(timeline=2)}).first
    assert (events[-1], "m.read", bob.user_id) in first.receipts(shared)
    assert (old, "m.read", alice.user_id) in first.receipts(shared)
    assert first.extension("receipts")["rooms"][shared]["type"] == "m.receipt"


def test_receipts__later__new_ones_once(alice, bob, shared):
    event = alice.send(shared, "x")
    watch = with_extension(alice, "receipts")
    bob.receipt(shared, event).ok()
    answer = watch.until(lambda answer: answer.receipts(shared))
    assert set(answer.receipts(shared)) == {(event, "m.read", bob.user_id)}
    assert watch.next().receipts(shared) == {}


def test_receipts__private__by_oneself_only(alice, bob, shared):
    event = alice.send(shared, "x")
    mine, theirs = with_extension(bob, "receipts"), with_extension(alice, "receipts")
    bob.receipt(shared, event, "m.read.private").ok()
    mine.until(lambda answer: (event, "m.read.private", bob.user_id) in answer.receipts(shared))
    assert (event, "m.read.private", bob.user_id) in with_extension(bob, "receipts").first.receipts(shared)
    answers = theirs.until_event(shared, bob.send(shared, "barrier"))
    answers.append(with_extension(alice, "receipts").first)
    assert "m.read.private" not in str(answers)


def test_receipts__threaded__with_their_thread(alice, bob, shared):
    root = alice.send(shared, "root")
    event = alice.send(shared, {"msgtype": "m.text", "body": "x", "m.relates_to": {"rel_type": "m.thread", "event_id": root}})
    watch = with_extension(alice, "receipts")
    bob.receipt(shared, event, thread_id=root).ok()
    answer = watch.until(lambda answer: answer.receipts(shared))
    assert answer.receipts(shared)[event, "m.read", bob.user_id]["thread_id"] == root


def test_receipts__room_outside_of_the_window__told_when_it_comes_in(alice, bob, shared):
    event = alice.send(shared, "x")
    watch = with_extension(alice, "receipts", {"all": window(last=0)})
    other = alice.create_room()
    watch.until(lambda answer: other in answer.rooms)
    bob.receipt(shared, event).ok()
    assert watch.next().receipts(shared) == {}
    alice.send(shared, "up")
    answer = watch.until(lambda answer: shared in answer.rooms)
    assert (event, "m.read", bob.user_id) in answer.receipts(shared)


def test_receipts__timeline_grows__those_of_the_older_events(alice, bob, shared):
    events = [alice.send(shared, str(number)) for number in range(4)]
    bob.receipt(shared, events[1]).ok()
    watch = with_extension(alice, "receipts", {"all": window(timeline=1)})
    assert (events[1], "m.read", bob.user_id) not in watch.first.receipts(shared)
    watch.lists["all"]["timeline_limit"] = 10
    assert (events[1], "m.read", bob.user_id) in watch.next().receipts(shared)


def test_receipts__room_come_into_again__those_at_its_events_again(alice, bob, shared):
    """All of what is known of it is replaced by what is told anew."""
    event = alice.send(shared, "x")
    watch = with_extension(bob, "receipts")
    alice.receipt(shared, event).ok()
    watch.until(lambda answer: answer.receipts(shared))
    bob.leave(shared).ok()
    watch.until_room(shared)
    alice.invite(shared, bob).ok()
    bob.join(shared).ok()
    answer = watch.until(lambda answer: answer.room(shared) and "invite_state" not in answer.room(shared))
    assert event in answer.room(shared).ids() and (event, "m.read", alice.user_id) in answer.receipts(shared)


def test_receipts__new_one_at_an_older_event_than_those_that_are_told_with_it__told(alice, bob, shared):
    ids = [bob.send(shared, str(number)) for number in range(5)]
    watch = with_extension(bob, "receipts", {"all": window(timeline=1)})
    alice.receipt(shared, ids[0]).ok()
    watch.lists["all"]["timeline_limit"] = 2
    answer = watch.next()
    assert answer.room(shared).ids() == ids[-2:] and (ids[0], "m.read", alice.user_id) in answer.receipts(shared)


# -- typing

def test_typing__begins_and_ends__told_each_time(alice, bob, shared):
    watch = with_extension(bob, "typing")
    assert watch.first.typing(shared) in (None, [])
    alice.typing(shared).ok()
    assert watch.until(lambda answer: answer.typing(shared)).typing(shared) == [alice.user_id]
    assert watch.next().typing(shared) is None
    alice.typing(shared, False).ok()
    watch.until(lambda answer: answer.typing(shared) == [])


def test_typing__ended_by_a_message_while_out_of_view__told_with_the_room(alice, bob, shared):
    watch = with_extension(bob, "typing")
    alice.typing(shared).ok()
    watch.until(lambda answer: answer.typing(shared))
    watch.lists = {}
    watch.next()
    alice.typing(shared, False).ok()
    event = alice.send(shared, "said")
    assert watch.next().rooms == set()
    watch.lists = {"all": window()}
    answer = watch.next()
    assert event in answer.room(shared).ids() and answer.typing(shared) == []
    assert watch.next().typing(shared) is None


@pytest.mark.peer("shows it as typing on and on")
def test_typing__ended_while_out_of_view__told_once_when_it_comes_back(alice, bob, shared):
    """Without any news of the room."""
    other = alice.create_room(invite=[bob.user_id])
    bob.join(other).ok()
    watch = Sliding(bob, rooms={shared: wanted()}, extensions={"typing": {}})
    alice.typing(shared).ok()
    watch.until(lambda answer: answer.typing(shared))
    watch.rooms = {other: wanted()}
    watch.next()
    alice.typing(shared, False).ok()
    alice.typing(other).ok()
    watch.until(lambda answer: answer.typing(other))
    watch.rooms = {shared: wanted(), other: wanted()}
    assert watch.next().typing(shared) == []
    assert watch.next().typing(shared) is None


def test_typing__in_rooms_never_in_view__nothing_is_noted(alice, bob, shared):
    """Of who looks at one room, what is typed in others changes nothing that is stored."""
    other = alice.create_room(invite=[bob.user_id])
    bob.join(other).ok()
    watch = Sliding(bob, rooms={other: wanted()}, extensions={"typing": {}})
    before = watch.next().pos.partition("~")[2]
    alice.typing(shared).ok()
    alice.typing(other).ok()
    answer = watch.until(lambda answer: answer.typing(other))
    assert answer.typing(shared) is None and answer.pos.partition("~")[2] in (before, "")


def test_typing__under_way__in_the_first_answer(alice, bob, shared):
    alice.typing(shared).ok()
    assert with_extension(bob, "typing").first.typing(shared) == [alice.user_id]


# -- which rooms

class Two:
    """Rooms of the lists "dms" and "rest", and one of a subscription; each has news for an extension."""

    def __init__(self, alice, bob):
        self.rooms = {}
        for name in ("dms", "rest", "subscribed"):
            self.rooms[name] = alice.create_room(invite=[bob.user_id])
            bob.join(self.rooms[name]).ok()
        alice.account_data("m.direct", {bob.user_id: [self.rooms["dms"]]}).ok()
        alice.put("/user/%s/rooms/%s/tags/u.away" % (alice.user_id, self.rooms["subscribed"]), {}).ok()
        self.lists = {"dms": window(filters={"is_dm": True}), "rest": window(filters={"is_dm": False, "not_tags": ["u.away"]})}
        self.subscriptions = {self.rooms["subscribed"]: wanted()}
        for room in self.rooms.values():
            alice.account_data("org.example.x", {"n": 1}, room).ok()
            bob.receipt(room, alice.send(room, "x")).ok()
            bob.typing(room).ok()


@pytest.fixture
def two(alice, bob):
    return Two(alice, bob)


@pytest.mark.parametrize("name", ["account_data", "receipts", "typing"])
@pytest.mark.parametrize("lists, rooms, wants, may", [
    (None, None, "dms rest subscribed", ""), (["*"], ["*"], "dms rest subscribed", ""), (["dms"], [], "dms", ""),
    ([], ["*"], "subscribed", "dms rest"), ([], [], "", ""), (["dms", "unknown"], ["subscribed"], "dms subscribed", ""),
    (["rest"], ["dms"], "rest", "dms"), (["*"], [], "dms rest", "")])
def test_which_rooms__lists_and_rooms_of_the_extension__those_only(alice, two, name, lists, rooms, wants, may):
    """By `rooms` Synapse means all rooms that the answer could tell of, MSC3959 those with a subscription."""
    more = {key: value for key, value in (("lists", lists), ("rooms", rooms)) if value is not None}
    if rooms:
        more["rooms"] = [two.rooms.get(room, room) for room in rooms]
    first = Sliding(alice, two.lists, two.subscriptions, {name: more}).first
    told_of = {key for key, room in two.rooms.items() if room in first.extension(name).get("rooms", {})}
    assert set(wants.split()) <= told_of <= set(wants.split() + may.split())


@pytest.mark.parametrize("name", ["account_data", "receipts"])
def test_which_rooms__narrowed_and_widened__what_was_missed_is_told(alice, bob, two, name):
    watch = with_extension(alice, name, two.lists, two.subscriptions)
    room = two.rooms["rest"]
    watch.extensions[name].update(lists=["dms"], rooms=[])
    alice.account_data("org.example.missed", {"n": 2}, room).ok()
    event = alice.send(room, "y")
    bob.receipt(room, event).ok()
    assert room not in watch.next().extension(name).get("rooms", {})
    watch.extensions[name]["lists"] = ["*"]
    answer = watch.next()
    if name == "account_data":
        assert answer.extension(name)["rooms"][room] == [{"type": "org.example.missed", "content": {"n": 2}}]
    else:
        assert set(answer.receipts(room)) == {(event, "m.read", bob.user_id)}


def test_which_rooms__asked_for_later__all_that_there_is(alice, two):
    watch = Sliding(alice, two.lists, two.subscriptions)
    watch.extensions = {"account_data": {"enabled": True}}
    answer = watch.at_once()
    for room in two.rooms.values():
        assert answer.account("org.example.x", room) == {"n": 1}


def test_which_rooms__news_without_events__room_itself_is_not_told(alice, bob, shared):
    watch = with_extension(alice, "typing")
    bob.typing(shared).ok()
    answer = watch.until(lambda answer: answer.typing(shared))
    assert answer.rooms == set()
