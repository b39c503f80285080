"""Simplified sliding sync (MSC4186): which rooms are told: windows, order, filters, subscriptions."""
import pytest

from support.client import unique
from support.sliding import Sliding, wanted, window


def rooms_of(client, number, **more):
    """Rooms of hers, the one with the newest event first."""
    return [client.create_room(**more) for _ in range(number)][::-1]


def filtered(**filters):
    return window(filters=filters)


def listed(client, **filters):
    return Sliding(client, {"all": filtered(**filters)}).first.rooms


# -- windows

def test_window__first_rooms__by_activity_and_the_count_is_of_all(alice):
    rooms = rooms_of(alice, 5)
    answer = Sliding(alice, {"all": window(last=1)}).first
    assert answer.rooms == set(rooms[:2]) and answer.count() == 5


def test_window__grows__only_new_rooms(alice):
    rooms = rooms_of(alice, 6)
    watch = Sliding(alice, {"all": window(last=1)})
    watch.lists["all"]["ranges"] = [[0, 3]]
    assert watch.at_once().rooms == set(rooms[2:4])  # they were never told
    watch.lists["all"]["ranges"] = [[0, 99]]
    answer = watch.next()
    assert answer.rooms == set(rooms[4:]) and all(answer.room(room)["initial"] for room in rooms[4:])
    assert watch.next().rooms == set()


def test_window__grows_with_news_in_it__both(alice):
    rooms = rooms_of(alice, 4)
    watch = Sliding(alice, {"all": window(last=1)})
    event = alice.send(rooms[0], "x")
    watch.lists["all"]["ranges"] = [[0, 2]]
    answer = watch.next()
    assert answer.rooms == {rooms[0], rooms[2]}
    assert answer.room(rooms[0]).ids() == [event] and not answer.room(rooms[0]).get("initial")


@pytest.mark.parametrize("ranges, wants", [([[0, 0], [2, 3]], [0, 2, 3]), ([[1, 2]], [1, 2]), ([[0, 1], [1, 2]], [0, 1, 2]),
                                           ([[3, 100]], [3]), ([[10, 20]], [])])
def test_window__ranges__rooms_at_those_places(alice, ranges, wants):
    rooms = rooms_of(alice, 4)
    answer = Sliding(alice, {"all": {**window(), "ranges": ranges}}).first
    assert answer.rooms == {rooms[index] for index in wants} and answer.count() == 4


@pytest.mark.peer("tells of none")
def test_window__no_ranges__all_rooms(alice):
    rooms = rooms_of(alice, 4)
    wants = window()
    del wants["ranges"]
    assert Sliding(alice, {"all": wants}).first.rooms == set(rooms)


def test_window__activity__moves_a_room_in(alice):
    rooms = rooms_of(alice, 4)
    watch = Sliding(alice, {"all": window(last=1)})
    event = alice.send(rooms[3], "up")
    part = watch.until_room(rooms[3])
    assert part["initial"] is True and part.ids()[-1] == event and part["num_live"] == 1
    assert watch.next().rooms == set()


def test_window__room_outside__not_told_until_it_is_inside_and_then_since_where_it_was(alice):
    first, second, third = rooms_of(alice, 3)
    watch = Sliding(alice, {"all": window(last=0)})
    assert watch.first.rooms == {first}
    alice.send(second, "second moves up")
    watch.until_room(second)
    missed = [alice.send(first, "while first is out of the window"), alice.send(second, "second is newest again")]
    answers = watch.until_event(second, missed[1])
    assert all(first not in answer.rooms or answer.room(first).ids() == [missed[0]] for answer in answers)
    last = alice.send(first, "first is back")
    part = watch.until_room(first)
    assert not part.get("initial") and last in part.ids() and set(part.ids()) <= {missed[0], last}
    assert third not in watch.next().rooms


def test_window__missed_more_than_the_limit__limited_when_it_comes_back(alice):
    first, second = rooms_of(alice, 2)
    watch = Sliding(alice, {"all": window(last=0, timeline=2)})
    alice.send(second, "up")
    watch.until_room(second)
    missed = [alice.send(first, "m%d" % number) for number in range(5)]
    alice.send(second, "up again")
    assert first not in watch.next().rooms
    missed.append(alice.send(first, "back"))
    part = watch.until_room(first)
    assert part.ids() == missed[-2:] and part["limited"] is True and not part.get("initial")
    older = alice.messages(first, "b", limit=4, **{"from": part["prev_batch"]}).ok()["chunk"]
    assert [event["event_id"] for event in older] == missed[:4][::-1]


def test_window__state_changed_outside__told_when_it_comes_back(alice):
    first, second = rooms_of(alice, 2)
    watch = Sliding(alice, {"all": window(last=0, timeline=1, state=[("m.room.topic", "")])})
    alice.send(second, "up")
    watch.until_room(second)
    alice.set_state(first, "m.room.name", {"name": "New name"})
    topic = alice.set_state(first, "m.room.topic", {"topic": "t"})
    alice.send(second, "up again")
    assert first not in watch.next().rooms
    alice.send(first, "back")
    part = watch.until_room(first)
    assert part["name"] == "New name" and part.state["m.room.topic", ""]["event_id"] == topic


def test_window__shrinks_and_grows__nothing_told_twice(alice):
    rooms = rooms_of(alice, 4)
    watch = Sliding(alice, {"all": window(last=3)})
    assert watch.first.rooms == set(rooms)
    for last in (0, 3, 1, 3):
        watch.lists["all"]["ranges"] = [[0, last]]
        assert watch.next().rooms == set()


def test_order__member_events_count_as_activity(alice, bob):
    first, second = rooms_of(alice, 2, preset="public_chat")
    bob.join(second).ok()
    assert Sliding(alice, {"all": window(last=0)}).first.rooms == {second}


def test_counts__each_list_its_own_and_in_each_answer(alice):
    rooms_of(alice, 2)
    alice.create_room(creation_content={"type": "m.space"})
    watch = Sliding(alice, {"rooms": window(filters={"not_room_types": ["m.space"]}), "spaces": window(filters={"room_types": ["m.space"]})})
    assert (watch.first.count("rooms"), watch.first.count("spaces")) == (2, 1)
    alice.create_room()
    answer = watch.until(lambda answer: answer.rooms)
    assert (answer.count("rooms"), answer.count("spaces")) == (3, 1)
    answer = watch.next()
    assert (answer.count("rooms"), answer.count("spaces")) == (3, 1)


def test_list__added_later__its_rooms_at_once(alice):
    rooms = rooms_of(alice, 2)
    watch = Sliding(alice)
    assert watch.first.rooms == set()
    watch.lists = {"all": window()}
    assert watch.at_once().rooms == set(rooms)


@pytest.mark.peer("forgets what happened while nothing was asked for")
def test_list__taken_away__its_rooms_are_told_no_more(alice, room):
    watch = Sliding(alice, {"all": window()})
    watch.lists = {}
    alice.send(room, "unheard")
    assert watch.next().rooms == set()
    watch.lists = {"all": window()}
    part = watch.next().room(room)
    assert part.bodies() == ["unheard"] and not part.get("initial")


# -- bump_stamp

def test_bump_stamp__messages_move_it_others_do_not(alice, bob, shared):
    watch = Sliding(alice, {"all": window()})
    stamps = [watch.first.room(shared)["bump_stamp"]]

    def after(event):
        told = [answer.room(shared)["bump_stamp"] for answer in watch.until_event(shared, event) if "bump_stamp" in answer.room(shared)]
        stamps.append(told[-1] if told else stamps[-1])
        return stamps[-1] > stamps[-2]

    message = alice.send(shared, "x")
    assert after(message)
    assert not after(alice.send(shared, {"m.relates_to": {"rel_type": "m.annotation", "event_id": message, "key": "+"}}, "m.reaction"))
    assert not after(alice.set_state(shared, "m.room.topic", {"topic": "t"}))
    bob.put("/profile/%s/displayname" % bob.user_id, {"displayname": unique("name")}).ok()
    part = watch.until_room(shared, lambda part: part.types() == ["m.room.member"])
    assert part.get("bump_stamp", stamps[-1]) == stamps[-1]
    for kind in ("m.room.encrypted", "m.sticker", "m.call.invite", "m.poll.start"):
        assert after(alice.send(shared, {"body": "x"}, kind)), kind


def test_bump_stamp__first_answer__orders_rooms_by_their_messages(alice):
    rooms = rooms_of(alice, 3)
    for room in (rooms[1], rooms[2], rooms[0]):
        alice.send(room, "x")
    alice.set_state(rooms[1], "m.room.topic", {"topic": "no message"})
    answer = Sliding(alice, {"all": window(timeline=1)}).first
    assert sorted(rooms, key=lambda room: answer.room(room)["bump_stamp"]) == [rooms[1], rooms[2], rooms[0]]


def test_bump_stamp__many_events_that_do_not_bump__still_the_message_of_before(alice):
    quiet, newer = rooms_of(alice, 2)
    for room in (quiet, newer):
        alice.send(room, "x")
    for number in range(20):
        alice.set_state(quiet, "m.room.topic", {"topic": str(number)})
    answer = Sliding(alice, {"all": window(timeline=1)}).first
    assert answer.room(quiet)["bump_stamp"] < answer.room(newer)["bump_stamp"]


# -- filters

def test_filter__is_dm__those_of_m_direct(alice, bob, room, shared):
    alice.account_data("m.direct", {bob.user_id: [shared]}).ok()
    assert listed(alice, is_dm=True) == {shared}
    assert listed(alice, is_dm=False) == {room}
    assert listed(alice, is_dm=None) == listed(alice) == {room, shared}


def test_filter__is_dm__strange_m_direct__no_harm(alice, bob, room):
    for content in ({bob.user_id: "no list"}, {bob.user_id: [1, None, {}]}, {"x": [room]}):
        alice.account_data("m.direct", content).ok()
        assert listed(alice, is_dm=False) | listed(alice, is_dm=True) == {room}


def test_filter__is_encrypted__by_the_rooms_state(alice, room):
    secret = alice.create_room(initial_state=[{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}])
    assert listed(alice, is_encrypted=True) == {secret}
    assert listed(alice, is_encrypted=False) == {room}


def test_filter__is_encrypted__room_becomes_so__noticed(alice, room):
    assert listed(alice, is_encrypted=False) == {room}
    alice.set_state(room, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    assert listed(alice, is_encrypted=True) == {room} and listed(alice, is_encrypted=False) == set()


def test_filter__is_invite__invites_only_or_none(alice, bob, shared):
    invited = alice.create_room(invite=[bob.user_id])
    assert listed(bob, is_invite=True) == {invited}
    assert listed(bob, is_invite=False) == {shared}
    assert listed(bob) == {invited, shared}


@pytest.mark.parametrize("types, not_types, wants", [
    (["m.space"], None, "space"), ([None], None, "room"), ([None, "m.space"], None, "room space"), (["org.example.x"], None, "other"),
    ([], None, ""), (None, ["m.space"], "room other"), (None, [None], "space other"), (None, [], "room space other"),
    (["m.space", None], ["m.space"], "room")])
def test_filter__room_types__null_is_a_room_without_one(alice, types, not_types, wants):
    rooms = {"room": alice.create_room(), "space": alice.create_room(creation_content={"type": "m.space"}),
             "other": alice.create_room(creation_content={"type": "org.example.x"})}
    filters = {name: value for name, value in (("room_types", types), ("not_room_types", not_types)) if value is not None}
    assert listed(alice, **filters) == {rooms[name] for name in wants.split()}


def test_filter__tags__any_of_them_and_none_of_those(alice):
    both, favourite, low, plain = rooms_of(alice, 4)
    for room, tag in ((both, "m.favourite"), (both, "u.work"), (favourite, "m.favourite"), (low, "m.lowpriority")):
        alice.put("/user/%s/rooms/%s/tags/%s" % (alice.user_id, room, tag), {"order": 0.5}).ok()
    assert listed(alice) == {both, favourite, low, plain}  # tags are not looked at
    assert listed(alice, tags=["m.favourite"]) == {both, favourite}
    assert listed(alice, tags=["m.favourite", "m.lowpriority"]) == {both, favourite, low}
    assert listed(alice, not_tags=["m.favourite"]) == {low, plain}
    assert listed(alice, tags=["m.favourite"], not_tags=["u.work"]) == {favourite}


@pytest.mark.peer("knows no such filter, and fails")
def test_filter__spaces__children_of_joined_spaces_without_theirs(alice, bob):
    top, sub, unjoined = (alice.create_room(creation_content={"type": "m.space"}, preset="public_chat") for _ in range(3))
    child, grandchild, hidden, other = (alice.create_room(invite=[bob.user_id]) for _ in range(4))
    for space, room in ((top, child), (top, sub), (sub, grandchild), (unjoined, hidden)):
        alice.set_state(space, "m.space.child", {"via": ["hs1"]}, room)
    for room in (top, sub, child, grandchild, hidden, other):
        bob.join(room).ok()
    assert listed(bob, spaces=[top]) == {child, sub}
    assert listed(bob, spaces=[top, sub]) == {child, sub, grandchild}
    assert listed(bob, spaces=[unjoined]) == set()
    assert listed(bob, spaces=["!unknown:hs1"]) == set()


@pytest.mark.peer("knows no such filter, and fails")
def test_filter__spaces__space_was_left__none_of_its_children(alice, bob):
    space, child = alice.create_room(creation_content={"type": "m.space"}, preset="public_chat"), alice.create_room(invite=[bob.user_id])
    alice.set_state(space, "m.space.child", {"via": ["hs1"]}, child)
    bob.join(space).ok()
    bob.join(child).ok()
    assert listed(bob, spaces=[space]) == {child}
    bob.leave(space).ok()
    assert listed(bob, spaces=[space]) == set()


@pytest.mark.peer("knows no such filter, and fails")
def test_filter__spaces__child_taken_out__no_more(alice):
    space, child = alice.create_room(creation_content={"type": "m.space"}), alice.create_room()
    alice.set_state(space, "m.space.child", {"via": ["hs1"]}, child)
    assert listed(alice, spaces=[space]) == {child}
    alice.set_state(space, "m.space.child", {}, child)
    assert listed(alice, spaces=[space]) == set()


def test_filter__several__all_have_to_hold(alice, bob, shared):
    space = alice.create_room(creation_content={"type": "m.space"})
    alice.account_data("m.direct", {bob.user_id: [shared]}).ok()
    assert listed(alice, is_dm=True, is_encrypted=False, not_room_types=["m.space"], is_invite=False) == {shared}
    assert listed(alice, is_dm=True, is_encrypted=True) == set()
    assert listed(alice, is_dm=False, room_types=["m.space"]) == {space}


def test_filter__what_it_looks_at_changes__room_comes_in_and_the_count_grows(alice, bob, shared):
    watch = Sliding(alice, {"all": filtered(is_dm=True)})
    assert watch.first.count() == 0
    alice.account_data("m.direct", {bob.user_id: [shared]}).ok()
    alice.send(shared, "x")
    answer = watch.until(lambda answer: answer.rooms)
    assert answer.rooms == {shared} and answer.count() == 1 and answer.room(shared)["initial"] is True


# -- subscriptions

def test_subscription__joined_room__told_wherever_it_stands(alice):
    rooms = rooms_of(alice, 3)
    watch = Sliding(alice, {"all": window(last=0)}, {rooms[2]: wanted()})
    assert watch.first.rooms == {rooms[0], rooms[2]}
    event = alice.send(rooms[2], "x")
    assert event in watch.until_room(rooms[2]).ids()


def test_subscription__alone__no_lists_in_the_answer(alice, room):
    watch = Sliding(alice, rooms={room: wanted(timeline=1)})
    assert watch.first.rooms == {room} and not watch.first.get("lists")
    watch.rooms = {}
    alice.send(room, "unheard")
    assert watch.next().rooms == set()


def test_subscription__added_later__at_once(alice):
    rooms = rooms_of(alice, 3)
    watch = Sliding(alice, {"all": window(last=0)})
    watch.rooms = {rooms[2]: wanted()}
    answer = watch.at_once()
    assert answer.rooms == {rooms[2]} and answer.room(rooms[2])["initial"] is True


@pytest.mark.parametrize("visibility", ["shared", "world_readable"])
def test_subscription__not_a_member__nothing(alice, bob, visibility):
    room = alice.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": visibility}}])
    alice.send(room, "not for bob")
    watch = Sliding(bob, rooms={room: wanted(state=[("*", "*")])})
    assert watch.first.rooms == set() and "not for bob" not in str(watch.first)
    alice.send(room, "nor this")
    assert watch.next().rooms == set()
    bob.join(room).ok()
    assert watch.until_room(room)["initial"] is True


@pytest.mark.parametrize("room", ["!nosuchroom:hs1", "!%s" % ("A" * 43), "no room id", "", "!" + "x" * 1000], ids=range(5))
def test_subscription__no_such_room__ignored(alice, room):
    mine = alice.create_room()
    assert Sliding(alice, rooms={room: wanted(), mine: wanted()}).first.rooms == {mine}


def test_subscription__left_long_ago__nothing_of_what_came_after(alice, bob, shared):
    """It is shown as it was then, but in no list. MSC4186: "must either be in the room, be invited/knocked to the room, or have historically been in the room"."""
    alice.set_state(shared, "m.room.name", {"name": "for bob"})
    event = alice.send(shared, "for bob")
    bob.leave(shared).ok()
    alice.set_state(shared, "m.room.name", {"name": "not for bob"})
    alice.send(shared, "not for bob")
    watch = Sliding(bob, {"all": window()}, {shared: wanted(timeline=2, state=[("*", "*")])})
    part = watch.first.room(shared)
    assert part.ids()[0] == event and part.timeline[1]["content"]["membership"] == part["membership"] == "leave"
    assert part["initial"] is True and part["name"] == "for bob" and "not for bob" not in str(watch.first) and watch.first.count() == 0
    alice.send(shared, "not for bob")
    assert watch.next().rooms == set()
    watch.rooms = {shared: wanted(timeline=3)}
    assert watch.next().room(shared).ids()[1:] == part.ids()


@pytest.mark.peer("tells of it by its invite")
def test_subscription__invite_refused_long_ago__nothing(alice, bob):
    room = alice.create_room(invite=[bob.user_id])
    bob.leave(room).ok()
    assert Sliding(bob, rooms={room: wanted(state=[("*", "*")])}).first.rooms == set()
