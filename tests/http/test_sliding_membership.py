"""Simplified sliding sync (MSC4186): invites, knocks, leaving; nothing that the user may not see."""
import pytest

from support.sliding import Sliding, wanted, window

ALL = [("*", "*")]


def knockable(client):
    return client.create_room(initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}])


def follow(client, **more):
    """A connection that is told of everything there is."""
    return Sliding(client, {"all": window(timeline=20, state=ALL)}, extensions={
        name: {} for name in ("account_data", "receipts", "typing", "e2ee", "to_device")}, **more)


def membership_of(part, user):
    """What a part says last of a user's membership."""
    for event in [*part.get("required_state", []), *part.timeline, *part.get("invite_state", [])][::-1]:
        if event["type"] == "m.room.member" and event["state_key"] == user.user_id:
            return event["content"]["membership"]
    return part.get("membership")


# -- invites and knocks

def test_invite__stripped_state_and_nothing_else_of_the_room(alice, bob):
    room = alice.create_room(name="Staff", invite=[bob.user_id], topic="secret topic")
    alice.send(room, "secret text")
    part = follow(bob).first.room(room)
    assert part["initial"] is True and part["bump_stamp"] > 0
    assert part.stripped["m.room.name", ""]["content"]["name"] == "Staff"
    assert part.stripped["m.room.member", bob.user_id]["content"]["membership"] == "invite"
    assert ("m.room.create", "") in part.stripped
    assert part.timeline == [] and part.state == {} and "prev_batch" not in part and "secret text" not in str(part)


def test_invite__waiting_connection__told_once(alice, bob):
    watch = follow(bob)
    room = alice.create_room(invite=[bob.user_id])
    part = watch.until_room(room)
    assert membership_of(part, bob) == "invite" and part["initial"] is True
    assert watch.next().room(room) == {}


def test_invite__events_of_the_room__not_told_before_the_join(alice, bob):
    room = alice.create_room(invite=[bob.user_id])
    watch = follow(bob)
    alice.send(room, "inside talk")
    alice.set_state(room, "m.room.name", {"name": "inside name"})
    assert "inside" not in str(watch.next())
    bob.join(room).ok()
    part = watch.until_room(room, lambda part: membership_of(part, bob) == "join")
    assert part["initial"] is True and part["name"] == "inside name" and "invite_state" not in part
    assert "inside talk" in part.bodies() and part["joined_count"] == 2


def test_invite__by_somebody_ignored__not_told(alice, bob, carol):
    bob.account_data("m.ignored_user_list", {"ignored_users": {alice.user_id: {}}}).ok()
    alice.create_room(invite=[bob.user_id])
    watch = follow(bob)
    assert watch.first.rooms == set() and watch.first.count() == 0
    alice.create_room(invite=[bob.user_id])
    heard = carol.create_room(invite=[bob.user_id])
    assert watch.until(lambda answer: heard in answer.rooms).rooms == {heard}


@pytest.mark.peer("knows no such setting")
def test_invite__again_and_then_none_are_taken__not_told(alice, bob, shared):
    watch = follow(bob)
    bob.leave(shared).ok()
    watch.until_room(shared)
    alice.invite(shared, bob).ok()
    bob.account_data("m.invite_permission_config", {"default_action": "block"}).ok()
    for answer in (watch.next(), follow(bob).first):
        assert answer.rooms == set() and answer.count() == 0


def test_invite__to_a_room_of_before_by_somebody_ignored__told_when_no_longer_ignored(alice, bob, shared):
    watch = follow(bob)
    bob.leave(shared).ok()
    watch.until_room(shared)
    bob.account_data("m.ignored_user_list", {"ignored_users": {alice.user_id: {}}}).ok()
    alice.invite(shared, bob).ok()
    for _ in range(2):
        assert shared not in watch.next().rooms
    bob.account_data("m.ignored_user_list", {"ignored_users": {}}).ok()
    assert membership_of(watch.until_room(shared), bob) == "invite"


def test_invite__rejected__told_as_left_and_once(alice, bob):
    room = alice.create_room(invite=[bob.user_id])
    watch = follow(bob)
    assert watch.first.rooms == {room}
    bob.leave(room).ok()
    assert membership_of(watch.until_room(room), bob) == "leave"
    alice.send(room, "inside")
    answer = watch.next()
    assert answer.rooms == set() and answer.count() == 0


def test_invite__taken_back__told(alice, bob):
    room = alice.create_room(invite=[bob.user_id])
    watch = follow(bob)
    alice.kick(room, bob, reason="a mistake").ok()
    assert membership_of(watch.until_room(room), bob) == "leave"
    assert watch.next().rooms == set()


def test_invite__rejected_before_the_connection__not_there(alice, bob):
    room = alice.create_room(invite=[bob.user_id])
    bob.leave(room).ok()
    watch = follow(bob)
    assert watch.first.rooms == set() and watch.first.count() == 0


def test_knock__stripped_state(alice, bob):
    room = knockable(alice)
    alice.send(room, "secret text")
    watch = follow(bob)
    bob.post("/knock/" + room, {}).ok()
    part = watch.until_room(room)
    assert membership_of(part, bob) == "knock" and ("m.room.create", "") in part.stripped
    assert part.timeline == [] and part.state == {} and "secret text" not in str(part)


def test_knock__refused__told(alice, bob):
    room = knockable(alice)
    bob.post("/knock/" + room, {}).ok()
    watch = follow(bob)
    alice.kick(room, bob).ok()
    assert membership_of(watch.until_room(room), bob) == "leave"


def test_knock__accepted__invite_then_join(alice, bob):
    room = knockable(alice)
    bob.post("/knock/" + room, {}).ok()
    watch = follow(bob)
    alice.invite(room, bob).ok()
    assert membership_of(watch.until_room(room), bob) == "invite"
    bob.join(room).ok()
    watch.until_room(room, lambda part: membership_of(part, bob) == "join")


# -- leaving

def test_leave__told_once_and_gone(alice, bob, shared):
    watch = follow(bob)
    bob.leave(shared).ok()
    part = watch.until_room(shared)
    assert membership_of(part, bob) == "leave" and not part.get("initial")
    answer = watch.next()
    assert answer.rooms == set() and answer.count() == 0
    assert follow(bob).first.rooms == set()


@pytest.mark.parametrize("how", ["kick", "ban"])
def test_put_out__told_and_still_in_new_connections(alice, bob, shared, how):
    watch = follow(bob)
    getattr(alice, how)(shared, bob, reason="noise").ok()
    wants = "leave" if how == "kick" else "ban"
    assert membership_of(watch.until_room(shared), bob) == wants
    answer = follow(bob).first
    assert answer.rooms == {shared} and membership_of(answer.room(shared), bob) == wants


@pytest.mark.peer("does not say it again")
def test_put_out__told_again_with_more_of_it__own_membership_too(alice, bob, shared):
    """Clients take a room for joined of which they are told without it."""
    watch = Sliding(bob, {"all": window(timeline=1)})
    alice.kick(shared, bob).ok()
    watch.until_room(shared)
    watch.rooms = {shared: wanted(timeline=5)}
    part = watch.until_room(shared)
    assert part.timeline and part.state["m.room.member", bob.user_id]["content"]["membership"] == "leave"


@pytest.mark.peer("tells name, state and timeline of it")
def test_ban__of_who_was_never_there__not_in_lists(alice, bob, room):
    """Nor when the ban was taken back. Who was invited and then banned is told so, and no more of it."""
    watch = follow(bob)
    alice.set_state(room, "m.room.name", {"name": "inside"})
    alice.ban(room, bob).ok()
    invited = alice.create_room(invite=[bob.user_id])
    watch.until_room(invited)
    alice.ban(invited, bob).ok()
    assert membership_of(watch.until_room(invited), bob) == "ban"
    answers = [watch.next(), follow(bob).first, follow(bob, rooms={room: wanted(50, ALL)}).first]
    alice.unban(room, bob).ok()
    answers += [watch.next(), follow(bob).first]
    assert all(room not in answer.rooms and "inside" not in str(answer) for answer in answers)
    assert [answer.count() for answer in answers[1:]] == [0, 0, 0, 0]


@pytest.mark.peer("tells of it what came after the kick, too")
def test_kicked_and_then_banned__shown_as_it_was_before_the_kick(alice, bob, shared):
    alice.set_state(shared, "m.room.name", {"name": "before"})
    watch = follow(bob)
    event = alice.send(shared, "the last one")
    alice.kick(shared, bob, reason="noise").ok()
    alice.set_state(shared, "m.room.name", {"name": "hidden"})
    alice.send(shared, "hidden")
    alice.ban(shared, bob).ok()
    anew, later = follow(bob).first.room(shared), watch.next().room(shared)
    assert anew["initial"] is True and anew["name"] == "before"
    for part in (anew, later):
        assert part.ids()[-2] == event and part.timeline[-1]["content"] == {"membership": "leave", "reason": "noise"}
        assert part["membership"] == part.state["m.room.member", bob.user_id]["content"]["membership"] == "ban"
        assert "hidden" not in str(part)
    assert watch.next().rooms == set()


def test_kicked_and_then_banned__encrypted_in_between__filtered_as_it_was_before(alice, bob, shared):
    alice.kick(shared, bob).ok()
    alice.set_state(shared, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    alice.ban(shared, bob).ok()
    counts = [Sliding(bob, {"all": window(filters={"is_encrypted": is_so})}).first.count() for is_so in (True, False)]
    assert counts == [0, 1]


def test_unbanned__after_the_ban_was_told__nothing_of_the_room(alice, bob, shared):
    watch = follow(bob)
    alice.ban(shared, bob).ok()
    watch.until_room(shared)
    alice.unban(shared, bob).ok()
    alice.send(shared, "inside")
    assert "inside" not in str(watch.next())


@pytest.mark.peer("shows who reads and types there now")
@pytest.mark.parametrize("how", ["kick", "ban", "leave"])
def test_sec_5_25__sliding_sync_after_one_is_gone__zero_bytes_of_what_comes_later(alice, bob, carol, shared, how):
    """By the list, by a subscription, in a new connection, and by extensions."""
    alice.invite(shared, carol).ok()
    watch = follow(bob)
    if how == "leave":
        bob.leave(shared).ok()
    else:
        getattr(alice, how)(shared, bob).ok()
    alice.set_state(shared, "m.room.name", {"name": "hidden name"})
    alice.set_state(shared, "m.room.avatar", {"url": "mxc://hs1/hidden"})
    alice.set_state(shared, "m.room.topic", {"topic": "hidden topic"})
    alice.set_state(shared, "org.example.x", {"x": "hidden"}, "hidden key")
    event = alice.send(shared, "hidden text")
    carol.put("/profile/%s/displayname" % carol.user_id, {"displayname": "hidden carol"}).ok()
    carol.join(shared).ok()
    carol.receipt(shared, event).ok()
    carol.typing(shared).ok()
    answers = [watch.next(), watch.next(), follow(bob).first, follow(bob, rooms={shared: wanted(50, ALL)}).first]
    watch.rooms = {shared: wanted(50, ALL + [("m.room.member", "$LAZY")])}
    answers += [watch.next(), watch.next()]
    for answer in answers:
        assert "hidden" not in str(answer) and event not in str(answer)
        assert answer.receipts(shared) == {} and answer.typing(shared) is None
        assert answer.room(shared).get("joined_count", 2) <= 2


def test_sec_5_25__encrypted_after_one_is_gone__sliding_lists_do_not_show_it(alice, bob, shared):
    before = alice.create_room(invite=[bob.user_id], initial_state=[
        {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}])
    bob.join(before).ok()
    for room in (before, shared):
        alice.kick(room, bob).ok()
    alice.set_state(shared, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    first = Sliding(bob, {str(wants): window(filters={"is_encrypted": wants}) for wants in (True, False)}).first
    assert first.rooms == {before, shared} and first.count("True") == 1 and first.count("False") == 1
    assert Sliding(bob, {"all": window(filters={"is_encrypted": True})}).first.rooms == {before}


def test_gone__timeline_of_before__told_up_to_the_leaving(alice, bob, shared):
    before = alice.send(shared, "before")
    alice.kick(shared, bob).ok()
    alice.send(shared, "after")
    part = Sliding(bob, {"all": window(timeline=10, state=[("m.room.member", "$ME")])}).first.room(shared)
    assert before in part.ids() and "after" not in str(part)
    assert part.timeline[-1]["content"]["membership"] == "leave"


@pytest.mark.peer("forgets what happened while nothing was asked for")
def test_put_out__while_nothing_was_asked_for__own_membership_told_when_it_is(alice, bob, shared):
    watch = Sliding(bob, {"all": window()})
    watch.lists = {}
    alice.kick(shared, bob).ok()
    assert watch.next().rooms == set()
    watch.lists = {"all": window()}
    part = watch.next().room(shared)
    assert set(part.state) == {("m.room.member", bob.user_id)} and membership_of(part, bob) == "leave"


def test_leave__forgotten_before_it_was_told__told_once(alice, bob, shared):
    watch = follow(bob)
    bob.leave(shared).ok()
    bob.forget(shared).ok()
    assert membership_of(watch.until_room(shared), bob) == "leave"
    answer = watch.next()
    assert answer.rooms == set() and answer.count() == 0


def test_leave__forgotten_before_it_was_told_and_joined_again__told_anew(alice, bob, shared):
    watch = follow(bob)
    bob.leave(shared).ok()
    bob.forget(shared).ok()
    watch.until_room(shared)
    alice.set_state(shared, "m.room.name", {"name": "another"})
    alice.invite(shared, bob).ok()
    assert membership_of(watch.until_room(shared), bob) == "invite"
    bob.join(shared).ok()
    part = watch.until_room(shared, lambda part: membership_of(part, bob) == "join")
    assert part["initial"] is True and part["name"] == "another" and part["joined_count"] == 2 and ("m.room.create", "") in part.state
    assert watch.next().rooms == set()


@pytest.mark.parametrize("how", ["kick", "ban", "refused"])
def test_gone__told_of_again__always_with_the_own_membership(alice, bob, how):
    """Clients (matrix-rust-sdk) look for it in required_state, and take a room for joined where it is not."""
    room = alice.create_room(invite=[bob.user_id])
    if how != "refused":
        bob.join(room).ok()
    watch = Sliding(bob, {"all": window(timeline=1, state=[("m.room.member", "$ME")])})
    getattr(alice, "ban" if how == "refused" else how)(room, bob).ok()
    watch.until_room(room)
    bob.put("/user/%s/account_data/m.direct" % bob.user_id, {alice.user_id: [room]}).ok()
    parts = [watch.next().room(room)]
    watch.rooms = {room: wanted(20, [("m.room.create", "")])}
    parts.append(watch.next().room(room))
    if how == "refused":  # it was told once, and is in no list after that
        assert parts == [{}, {}]
        return
    for part in parts:
        assert part.state[("m.room.member", bob.user_id)]["content"]["membership"] == ("leave" if how == "kick" else "ban")


def test_forgotten__no_longer_there(alice, bob, shared):
    alice.kick(shared, bob).ok()
    bob.forget(shared).ok()
    assert follow(bob).first.rooms == set()
    assert follow(bob, rooms={shared: wanted()}).first.rooms == set()


# -- what one may see

@pytest.mark.parametrize("visibility, sees", [("joined", False), ("invited", False), ("shared", True), ("world_readable", True)])
def test_history__before_the_join__as_the_visibility_says(alice, bob, visibility, sees):
    room = alice.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": visibility}}])
    alice.send(room, "before the join")
    watch = follow(bob)
    bob.join(room).ok()
    alice.send(room, "after the join")
    first = follow(bob).first.room(room)
    assert ("before the join" in first.bodies()) == sees and "after the join" in first.bodies()
    assert ("before the join" in str(watch.next())) == sees
    watch.lists["all"]["timeline_limit"] = 100
    assert ("before the join" in str(watch.next())) == sees


def test_ignored_user__messages_left_out(alice, bob, carol, shared):
    alice.invite(shared, carol).ok()
    carol.join(shared).ok()
    bob.account_data("m.ignored_user_list", {"ignored_users": {carol.user_id: {}}}).ok()
    watch = follow(bob)
    carol.send(shared, "unheard")
    heard = alice.send(shared, "heard")
    answers = watch.until_event(shared, heard)
    assert "unheard" not in str(answers) and "unheard" not in str(follow(bob).first)


@pytest.mark.peer("says 0 always")
def test_counts__notifications_and_highlights__as_sync_says(alice, bob, shared):
    watch = follow(bob)
    alice.send(shared, "x")
    event = alice.send(shared, {"msgtype": "m.text", "body": "Bob?", "m.mentions": {"user_ids": [bob.user_id]}})
    part = watch.until_event(shared, event)[-1].room(shared)
    counts = bob.sync().joined(shared)["unread_notifications"]
    assert {name: part[name] for name in counts} == counts == {"notification_count": 2, "highlight_count": 1}


def test_upgrade__new_room__told_to_who_joins_it(alice, bob, shared):
    watch = follow(bob)
    new = alice.post(alice.room(shared, "upgrade"), {"new_version": "11"}).ok()["replacement_room"]
    part = watch.until_room(shared, lambda part: ("m.room.tombstone", "") in part.state)
    assert part.state["m.room.tombstone", ""]["content"]["replacement_room"] == new
    alice.invite(new, bob).ok()
    bob.join(new).ok()
    watch.until_room(new, lambda part: membership_of(part, bob) == "join")


def test_many_connections__each_told_the_same(alice, bob, shared):
    watches = [follow(bob) for _ in range(3)]
    event = alice.send(shared, "to all")
    for watch in watches:
        watch.until_event(shared, event)
