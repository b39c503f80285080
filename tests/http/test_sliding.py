"""Simplified sliding sync (MSC4186): what is told of a room, and what changes when the client wants more of it."""
import pytest

from support.client import unique
from support.sliding import Sliding, wanted, window

ALL = [("*", "*")]
LAZY = [("m.room.member", "$LAZY")]


def talk(client, room, number, prefix="m"):
    return [client.send(room, "%s%d" % (prefix, index)) for index in range(number)]


# -- a room that is told for the first time

def test_first_answer__nothing_there__only_a_position(alice):
    watch = Sliding(alice, {"all": window()})
    assert watch.first.rooms == set() and watch.first.count() == 0
    assert Sliding(alice).first.rooms == set()


def test_room__first_time__everything_about_it(alice, bob, shared):
    alice.set_state(shared, "m.room.name", {"name": "Class 3B"})
    alice.set_state(shared, "m.room.avatar", {"url": "mxc://hs1/abc"})
    ids = talk(alice, shared, 12)
    part = Sliding(bob, {"all": window(timeline=5, state=[("m.room.create", ""), ("m.room.topic", "")])}).first.room(shared)
    assert part["initial"] is True and part["name"] == "Class 3B" and part["avatar"] == "mxc://hs1/abc"
    assert part.ids() == ids[-5:] and part["limited"] is True and part["prev_batch"]
    assert part["joined_count"] == 2 and part["invited_count"] == 0
    assert set(part.state) == {("m.room.create", "")}
    assert part.get("num_live", 0) == 0 and part["bump_stamp"] > 0
    assert "heroes" not in part and not part.get("is_dm") and not part.get("unstable_expanded_timeline") and "invite_state" not in part


def test_room__told_again__only_what_changed(alice, bob, shared):
    alice.set_state(shared, "m.room.name", {"name": "Class 3B"})
    watch = Sliding(bob, {"all": window(state=ALL)})
    event = alice.send(shared, "news")
    part = watch.until_room(shared)
    assert part.ids() == [event] and part["num_live"] == 1
    assert not part.get("initial") and not part.get("limited") and part.state == {}
    for name in ("name", "avatar", "heroes", "joined_count", "invited_count", "is_dm"):
        assert name not in part
    assert watch.next().rooms == set()


def test_room__state_changes__in_timeline_and_in_required_state(alice, bob, shared):
    watch = Sliding(bob, {"all": window(state=[("m.room.name", "")])})
    name = alice.set_state(shared, "m.room.name", {"name": "Later"})
    topic = alice.set_state(shared, "m.room.topic", {"topic": "not asked for"})
    parts = [answer.room(shared) for answer in watch.until_event(shared, topic)]
    assert [event_id for part in parts for event_id in part.ids()] == [name, topic]
    assert [part["name"] for part in parts if "name" in part] == ["Later"]
    state = [event["event_id"] for part in parts for event in part.get("required_state", [])]
    assert state == [name]


def test_room__avatar_changes__told(alice, bob, shared):
    watch = Sliding(bob, {"all": window()})
    alice.set_state(shared, "m.room.avatar", {"url": "mxc://hs1/new"})
    assert watch.until_room(shared)["avatar"] == "mxc://hs1/new"


def test_room__without_name__heroes_instead(alice, bob):
    alice.put("/profile/%s/displayname" % alice.user_id, {"displayname": "Al"}).ok()
    alice.put("/profile/%s/avatar_url" % alice.user_id, {"avatar_url": "mxc://hs1/al"}).ok()
    room = alice.create_room(invite=[bob.user_id])
    bob.join(room).ok()
    watch = Sliding(bob, {"all": window()})
    part = watch.first.room(room)
    assert "name" not in part
    assert part["heroes"] == [{"user_id": alice.user_id, "displayname": "Al", "avatar_url": "mxc://hs1/al"}]
    alice.send(room, "x")
    assert "heroes" not in watch.until_room(room)


def test_room__without_name_and_members_change__heroes_and_counts_anew(alice, bob, carol, shared):
    watch = Sliding(bob, {"all": window()})
    assert watch.first.room(shared)["invited_count"] == 0
    alice.invite(shared, carol).ok()
    part = watch.until_room(shared)
    assert (part["joined_count"], part["invited_count"]) == (2, 1)
    assert {hero["user_id"] for hero in part["heroes"]} == {alice.user_id, carol.user_id}
    carol.join(shared).ok()
    part = watch.until_room(shared)
    assert (part["joined_count"], part["invited_count"]) == (3, 0)


@pytest.mark.peer("hands out an empty name as no change")
def test_room__name_is_taken_away__said_so_and_heroes_instead(alice, bob, shared):
    alice.set_state(shared, "m.room.name", {"name": "Named"})
    watch = Sliding(bob, {"all": window()})
    assert watch.first.room(shared)["name"] == "Named"
    alice.set_state(shared, "m.room.name", {})
    part = watch.until_room(shared)
    assert "name" in part and not part["name"]
    assert "name" not in Sliding(bob, {"all": window()}).first.room(shared)


def test_room__direct__is_dm(alice, bob, shared):
    other = alice.create_room()
    alice.account_data("m.direct", {bob.user_id: [shared]}).ok()
    answer = Sliding(alice, {"all": window()}).first
    assert answer.room(shared)["is_dm"] is True
    assert not answer.room(other).get("is_dm")


@pytest.mark.peer("tells it with the room's next event")
def test_room__becomes_direct_and_no_more__told_at_once(alice, bob, shared):
    watch = Sliding(alice, {"all": window()})
    alice.account_data("m.direct", {bob.user_id: [shared]}).ok()
    assert watch.next().room(shared)["is_dm"] is True
    alice.account_data("m.direct", {}).ok()
    assert watch.next().room(shared)["is_dm"] is False
    assert watch.next().rooms == set()


@pytest.mark.peer("tells it with the room's next event")
@pytest.mark.parametrize("lists", [{}, {"invites": window(filters={"is_invite": True})}], ids=["nothing", "others"])
def test_room__becomes_direct_while_others_are_looked_at__told_when_it_comes_back(alice, bob, shared, lists):
    watch = Sliding(alice, {"all": window()})
    watch.lists = lists
    alice.account_data("m.direct", {bob.user_id: [shared]}).ok()
    assert watch.next().rooms == set()
    watch.lists = {"all": window()}
    assert watch.next().room(shared)["is_dm"] is True


def test_room__direct_and_come_into_again__said_again(alice, bob, shared):
    """What is left out of a room that is told anew is not so (MSC4186, "RoomResult")."""
    bob.account_data("m.direct", {alice.user_id: [shared]}).ok()
    watch = Sliding(bob, {"all": window()})
    bob.leave(shared).ok()
    watch.until_room(shared)
    alice.invite(shared, bob).ok()
    bob.join(shared).ok()
    part = watch.until_room(shared, lambda part: "invite_state" not in part)
    assert part["initial"] is True and part["is_dm"] is True


def test_room__direct_since_it_was_outside_of_the_window__said_when_it_comes_back(alice, bob):
    older, _ = alice.create_room(), alice.create_room()
    watch = Sliding(alice, {"all": window()})
    watch.lists = {"all": window(last=0)}
    watch.next()
    alice.account_data("m.direct", {bob.user_id: [older]}).ok()
    assert older not in watch.next().rooms
    watch.lists = {"all": window()}
    assert watch.next().room(older)["is_dm"] is True


def test_room__all_of_its_timeline_is_told__not_limited(alice, room):
    part = Sliding(alice, {"all": window(timeline=50)}).first.room(room)
    assert part.types()[0] == "m.room.create" and not part["limited"]


def test_room__timeline_of_nothing__no_events_but_the_rest(alice, room):
    alice.set_state(room, "m.room.name", {"name": "Quiet"})
    watch = Sliding(alice, {"all": window(timeline=0, state=[("m.room.name", "")])})
    part = watch.first.room(room)
    assert part["name"] == "Quiet" and part.timeline == [] and part["bump_stamp"] > 0
    assert ("m.room.name", "") in part.state
    alice.set_state(room, "m.room.name", {"name": "Quieter"})
    part = watch.until_room(room)
    assert part["name"] == "Quieter" and part.timeline == []


def test_room__events__with_own_transaction_id_and_aggregations(alice, room):
    event = alice.send(room, "asked", txn="my-txn-%s" % room[1:6])
    alice.send(room, {"m.relates_to": {"rel_type": "m.reference", "event_id": event}}, "m.room.message.x")
    talk(alice, room, 2)
    part = Sliding(alice, {"all": window(timeline=4)}).first.room(room)
    told = part.timeline[0]
    assert told["event_id"] == event and "room_id" not in told and told["unsigned"]["transaction_id"].startswith("my-txn-")
    assert told["unsigned"]["m.relations"]["m.reference"]["chunk"]


def test_room__redacted_event__without_its_content(alice, room):
    event = alice.send(room, "a secret")
    alice.redact(room, event).ok()
    part = Sliding(alice, {"all": window()}).first.room(room)
    assert "a secret" not in str(part)


# -- timeline

def test_timeline__more_than_the_limit__limited_and_messages_fill_the_gap(alice, bob, shared):
    watch = Sliding(bob, {"all": window(timeline=3)})
    ids = talk(alice, shared, 8)
    part = watch.next().room(shared)
    assert part.ids() == ids[-3:] and part["limited"] is True and part["num_live"] == 3
    gap = bob.messages(shared, "b", limit=5, **{"from": part["prev_batch"]}).ok()
    assert [event["event_id"] for event in gap["chunk"]] == ids[:5][::-1]


def test_timeline__exactly_the_limit__not_limited(alice, room):
    watch = Sliding(alice, {"all": window(timeline=3)})
    ids = talk(alice, room, 3)
    part = watch.next().room(room)
    assert part.ids() == ids and not part["limited"]


def test_timeline__one_more_than_the_limit__limited(alice, room):
    watch = Sliding(alice, {"all": window(timeline=3)})
    ids = talk(alice, room, 4)
    part = watch.next().room(room)
    assert part.ids() == ids[1:] and part["limited"] is True


def test_timeline__prev_batch_of_first_answer__continues_without_overlap(alice, room):
    talk(alice, room, 7)
    part = Sliding(alice, {"all": window(timeline=4)}).first.room(room)
    older = alice.history(room, "b", limit=3, start=part["prev_batch"])
    everything = [event["event_id"] for event in alice.history(room, "f")]
    assert [event["event_id"] for event in older][::-1] + part.ids() == everything


def test_timeline__many_at_once__each_told_once_in_order(alice, bob, shared):
    watch = Sliding(bob, {"all": window(timeline=50)})
    seen = []
    sent = talk(alice, shared, 20) + talk(bob, shared, 5)
    for answer in watch.until_event(shared, sent[-1]):
        seen += answer.room(shared).ids()
    assert seen == sent


def test_timeline__limit_raised__older_events_at_once_and_marked(alice, room):
    ids = talk(alice, room, 10)
    watch = Sliding(alice, {"all": window(timeline=1)})
    assert watch.first.room(room).ids() == ids[-1:]
    watch.lists["all"]["timeline_limit"] = 6
    part = watch.at_once().room(room)
    assert part.ids() == ids[-6:] and part["unstable_expanded_timeline"] is True
    assert not part.get("initial") and part.get("num_live", 0) == 0
    assert watch.next().room(room) == {}


def test_timeline__limit_raised_with_news__news_are_live(alice, room):
    ids = talk(alice, room, 10)
    watch = Sliding(alice, {"all": window(timeline=2)})
    ids += talk(alice, room, 2, "new")
    watch.lists["all"]["timeline_limit"] = 8
    part = watch.next().room(room)
    assert part.ids() == ids[-8:] and part["num_live"] == 2 and part["unstable_expanded_timeline"] is True


def test_timeline__limit_lowered_and_raised_without_gap__nothing_needed(alice, room):
    ids = talk(alice, room, 6)
    watch = Sliding(alice, {"all": window(timeline=4)})
    watch.lists["all"]["timeline_limit"] = 2
    assert watch.next().room(room) == {}
    watch.lists["all"]["timeline_limit"] = 4
    part = watch.next().room(room)
    assert part.ids() in ([], ids[-4:])


def test_timeline__limit_of_nothing_meanwhile__what_came_is_told_when_it_is_raised(alice, room):
    watch = Sliding(alice, {"all": window(timeline=4)})
    watch.lists["all"]["timeline_limit"] = 0
    event = alice.send(room, "x")
    watch.next()
    watch.lists["all"]["timeline_limit"] = 4
    assert watch.next().room(room).ids()[-1:] == [event]


def test_timeline__subscription_wants_more_than_the_list__more_at_once(alice, room):
    ids = talk(alice, room, 10)
    watch = Sliding(alice, {"all": window(timeline=1)})
    watch.rooms = {room: wanted(timeline=5)}
    part = watch.next().room(room)
    assert part.ids() == ids[-5:] and part["unstable_expanded_timeline"] is True


@pytest.mark.peer("tells its events each time")
def test_timeline__room_opened_again__told_twice_only_over_a_gap(alice, room):
    ids = talk(alice, room, 6)
    watch = Sliding(alice, {"all": window(timeline=1)}, {room: wanted(timeline=5)})
    assert watch.first.room(room).ids() == ids[-5:]
    watch.rooms = {}
    assert watch.next().rooms == set()
    watch.rooms = {room: wanted(timeline=5)}
    assert watch.next().rooms == set()
    watch.rooms = {}
    ids += talk(alice, room, 3, "later")
    part = watch.next().room(room)
    assert part.ids() == ids[-1:] and part["limited"] is True
    watch.rooms = {room: wanted(timeline=5)}
    part = watch.next().room(room)
    assert part.ids() == ids[-5:] and part["unstable_expanded_timeline"] is True


def test_timeline__rejoined__told_as_for_the_first_time(alice, bob, shared):
    watch = Sliding(bob, {"all": window(timeline=20)})
    bob.leave(shared).ok()
    watch.until_room(shared)
    missed = alice.send(shared, "missed")
    alice.invite(shared, bob).ok()
    bob.join(shared).ok()
    part = watch.until_room(shared, lambda part: "invite_state" not in part)
    assert part["initial"] is True and missed in part.ids()


# -- required state

def test_required_state__me__own_member_event_only(alice, bob, shared):
    part = Sliding(bob, {"all": window(timeline=1, state=[("m.room.member", "$ME")])}).first.room(shared)
    assert set(part.state) == {("m.room.member", bob.user_id)}


def test_required_state__named_key__that_one(alice, bob, shared):
    alice.set_state(shared, "org.example.x", {"n": 1}, "one")
    alice.set_state(shared, "org.example.x", {"n": 2}, "two")
    part = Sliding(bob, {"all": window(state=[("org.example.x", "two"), ("org.example.x", "none")])}).first.room(shared)
    assert set(part.state) == {("org.example.x", "two")}


@pytest.mark.parametrize("pairs, wants", [
    ([("*", "*")], lambda kind, key: True),
    ([("m.room.member", "*")], lambda kind, key: kind == "m.room.member"),
    ([("org.example.x", "*"), ("m.room.create", "")], lambda kind, key: kind in ("org.example.x", "m.room.create")),
    ([("*", "one")], lambda kind, key: key == "one"),
    ([], lambda kind, key: False)], ids=["all", "members", "type", "key", "none"])
@pytest.mark.peer("returns more than was asked for with a type of *", only=["key"])
def test_required_state__wildcards__what_they_cover(alice, bob, shared, pairs, wants):
    alice.set_state(shared, "org.example.x", {"n": 1}, "one")
    alice.set_state(shared, "org.example.x", {"n": 2}, "two")
    state = set(alice.state(shared))
    part = Sliding(bob, {"all": window(state=pairs)}).first.room(shared)
    assert set(part.state) == {pair for pair in state if wants(*pair)}


def test_required_state__grown__told_what_is_new_of_it(alice, room):
    """At once, or with the room's next event, as Synapse does."""
    alice.set_state(room, "m.room.name", {"name": "N"})
    alice.set_state(room, "m.room.topic", {"topic": "T"})
    watch = Sliding(alice, {"all": window(timeline=1, state=[("m.room.name", "")])})
    watch.lists["all"]["required_state"] = [["m.room.name", ""], ["m.room.topic", ""]]
    told = watch.next().room(room).get("required_state", [])
    event = alice.send(room, "next")
    for answer in watch.until_event(room, event):
        told = told + answer.room(room).get("required_state", [])
    assert [entry["type"] for entry in told if entry["type"] != "m.room.name"] == ["m.room.topic"]
    event = alice.send(room, "and next")
    assert watch.until_event(room, event)[-1].room(room).state == {}


@pytest.mark.peer("tells it with the room's next event")
def test_required_state__grown__at_once_and_only_what_is_new(alice, room):
    alice.set_state(room, "m.room.name", {"name": "N"})
    alice.set_state(room, "m.room.topic", {"topic": "T"})
    watch = Sliding(alice, {"all": window(timeline=1, state=[("m.room.name", "")])})
    watch.lists["all"]["required_state"] = [["m.room.name", ""], ["m.room.topic", ""]]
    assert set(watch.at_once().room(room).state) == {("m.room.topic", "")}


def test_required_state__own_member_event_changes_and_is_not_asked_for__not_told(alice, room):
    watch = Sliding(alice, {"all": window(state=[("m.room.name", "")])})
    alice.put_state(room, "m.room.member", {"membership": "join", "displayname": "Al"}, alice.user_id).ok()
    part = watch.until_room(room)
    assert part.types() == ["m.room.member"] and part.state == {}


def test_required_state__two_rules__the_union(alice, room):
    alice.set_state(room, "m.room.name", {"name": "N"})
    alice.set_state(room, "m.room.topic", {"topic": "T"})
    ids = talk(alice, room, 6)
    watch = Sliding(alice, {"a": window(timeline=1, state=[("m.room.name", "")]), "b": window(timeline=3, state=[("m.room.create", "")])},
                    {room: wanted(2, [("m.room.topic", "")])})
    part = watch.first.room(room)
    assert part.ids() == ids[-3:]
    assert set(part.state) == {("m.room.name", ""), ("m.room.create", ""), ("m.room.topic", "")}


def test_required_state__changed_while_unsent__newest_told_with_the_next(alice, bob, shared):
    """More happens than the timeline tells: the state is told all the same."""
    watch = Sliding(bob, {"all": window(timeline=1, state=[("m.room.topic", "")])})
    alice.set_state(shared, "m.room.topic", {"topic": "first"})
    newest = alice.set_state(shared, "m.room.topic", {"topic": "second"})
    talk(alice, shared, 3)
    part = watch.next().room(shared)
    assert part.state["m.room.topic", ""]["event_id"] == newest and part["limited"]


# -- lazy members

def members_of(room, alice, *others):
    for other in others:
        alice.invite(room, other).ok()
        other.join(room).ok()


def test_lazy_members__senders_of_the_timeline_only(alice, bob, carol, room):
    members_of(room, alice, bob, carol)
    bob.send(room, "x")
    part = Sliding(alice, {"all": window(timeline=1, state=LAZY)}).first.room(room)
    assert part.members == {bob.user_id}


def test_lazy_members__targets_in_the_timeline_too(alice, bob, carol, room):
    members_of(room, alice, bob, carol)
    alice.kick(room, carol).ok()
    part = Sliding(bob, {"all": window(timeline=1, state=LAZY)}).first.room(room)
    assert part.members == {alice.user_id, carol.user_id}


@pytest.mark.one_process("each process remembers whom it has told of")
def test_lazy_members__told_once(alice, bob, carol, room):
    members_of(room, alice, bob, carol)
    bob.send(room, "x")
    watch = Sliding(alice, {"all": window(timeline=1, state=LAZY)})
    told = list(watch.first.room(room).members)
    for sender in (bob, carol, bob, carol):
        for answer in watch.until_event(room, sender.send(room, "y")):
            told += answer.room(room).members
    assert sorted(told) == sorted([bob.user_id, carol.user_id])


def test_lazy_members__after_a_gap__who_is_new_in_the_timeline(alice, bob, carol, room):
    members_of(room, alice, bob, carol)
    talk(alice, room, 2)
    watch = Sliding(alice, {"all": window(timeline=2, state=LAZY)})
    alice.send(room, "y")
    talk(bob, room, 4)
    part = watch.next().room(room)
    assert part["limited"] and part.members == {bob.user_id}


@pytest.mark.parametrize("goes_on", ["the same", "another"])
def test_lazy_members__answer_that_did_not_arrive__told_again(alice, bob, room, goes_on):
    """Though nothing happened in between that would tell the answers' positions apart."""
    members_of(room, alice, bob)
    talk(bob, room, 3)
    alice.send(room, "x")
    watch = Sliding(alice, {"all": window(timeline=1, state=LAZY)})
    watch.rooms = {room: wanted(timeline=4, state=LAZY)}
    assert bob.user_id in watch.peek().room(room).members
    if goes_on == "another":
        watch.rooms = {}
        watch.next()
        watch.rooms = {room: wanted(timeline=4, state=LAZY)}
    assert bob.user_id in watch.next().room(room).members


def test_lazy_members__changes_without_gap__all_told(alice, bob, carol, room):
    members_of(room, alice, bob, carol)
    watch = Sliding(alice, {"all": window(timeline=20, state=LAZY)})
    name = unique("name")
    carol.put("/profile/%s/displayname" % carol.user_id, {"displayname": name}).ok()
    part = watch.until_room(room, lambda part: ("m.room.member", carol.user_id) in part.state)
    assert part.state["m.room.member", carol.user_id]["content"]["displayname"] == name


def test_lazy_members__changes_with_a_timeline_of_nothing__all_told(alice, bob, carol, room):
    """No gap is told then, at which the client would begin its list of members anew."""
    members_of(room, alice, bob, carol)
    watch = Sliding(alice, {"all": window(timeline=0, state=LAZY)})
    carol.leave(room).ok()
    assert watch.until_room(room).state["m.room.member", carol.user_id]["content"]["membership"] == "leave"


def test_lazy_members__changed_in_a_gap__told_anew_with_the_next_message(alice, bob, carol, room):
    """Who was told once, and changed in a part of the history that was not told, is told again."""
    members_of(room, alice, bob, carol)
    carol.send(room, "x")
    watch = Sliding(alice, {"all": window(timeline=1, state=LAZY)})
    assert carol.user_id in watch.first.room(room).members
    name = unique("name")
    carol.put("/profile/%s/displayname" % carol.user_id, {"displayname": name}).ok()
    talk(bob, room, 3)
    told = [watch.next().room(room)]
    assert told[0].members == {bob.user_id}
    told += [answer.room(room) for answer in watch.until_event(room, carol.send(room, "y"))]
    names = [part.state["m.room.member", carol.user_id]["content"].get("displayname") for part in told
             if carol.user_id in part.members]
    assert names and names[-1] == name


def test_lazy_members__no_timeline__those_that_change(alice, bob, shared):
    watch = Sliding(bob, {"all": window(timeline=0, state=LAZY)})
    assert watch.first.room(shared).state == {}
    alice.put_state(shared, "m.room.member", {"membership": "join", "displayname": unique("name")}, alice.user_id).ok()
    assert watch.until_room(shared).members == {alice.user_id}


def test_lazy_members__rejoined__told_again(alice, bob, shared):
    alice.send(shared, "x")
    watch = Sliding(bob, {"all": window(timeline=1, state=LAZY)})
    assert watch.first.room(shared).members == {alice.user_id}
    bob.leave(shared).ok()
    watch.until_room(shared)
    alice.invite(shared, bob).ok()
    bob.join(shared).ok()
    alice.send(shared, "y")
    assert alice.user_id in watch.until_room(shared, lambda part: "y" in part.bodies()).members


def test_lazy_members__with_own_by_me__both(alice, bob, shared):
    bob.send(shared, "x")
    part = Sliding(alice, {"all": window(timeline=1, state=LAZY + [("m.room.member", "$ME")])}).first.room(shared)
    assert part.members == {alice.user_id, bob.user_id}


def test_lazy_members__with_all_other_state__members_may_all_come(alice, bob, carol, room):
    """["*", "*"] beside "$LAZY": all state but members at the least (MSC4186, "Lazy loaded memberships")."""
    members_of(room, alice, bob, carol)
    bob.send(room, "x")
    part = Sliding(alice, {"all": window(timeline=1, state=LAZY + ALL)}).first.room(room)
    others = {pair for pair in alice.state(room) if pair[0] != "m.room.member"}
    assert others <= set(part.state) and bob.user_id in part.members
