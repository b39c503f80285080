"""History visibility: four values, for members, invited, former members and strangers (security 5.25, 5.26)."""
import pytest

from support.client import path_of

VALUES = ["world_readable", "shared", "invited", "joined"]


def make(alice, value, *events):
    room = alice.create_room(room_version="11", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": value}}])
    return room


def bodies(reply):
    return [event["content"].get("body") for event in reply.ok()["chunk"] if event["type"] == "m.room.message"]


def readable(user, room, event_id):
    reply = user.event(room, event_id)
    reply.expect((200, 403, 404))
    context = user.get(path_of("rooms", room, "context", event_id)).expect((200, 403, 404))
    assert (context.status == 200) == (reply.status == 200), (reply, context)
    return reply.status == 200


@pytest.mark.parametrize("value", VALUES)
def test_visibility__stranger__reads_only_world_readable(alice, bob, value):
    room = make(alice, value)
    event = alice.send(room, "words")
    assert readable(bob, room, event) == (value == "world_readable")
    reply = bob.messages(room)
    if value == "world_readable":
        assert "words" in bodies(reply)
        bob.get(bob.room(room, "state")).ok()
    else:
        reply.expect(403, "M_FORBIDDEN")
        bob.get(bob.room(room, "state")).expect(403, "M_FORBIDDEN")
        bob.get(bob.room(room, "members")).expect(403, "M_FORBIDDEN")


@pytest.mark.parametrize("value", VALUES)
def test_visibility__joined_later__sees_earlier_as_the_value_allows(alice, bob, value):
    room = make(alice, value)
    before_invite = alice.send(room, "before invite")
    alice.invite(room, bob).ok()
    between = alice.send(room, "between")
    bob.join(room).ok()
    after = alice.send(room, "after join")
    seen = {event: readable(bob, room, event) for event in (before_invite, between, after)}
    assert seen == {before_invite: value in ("world_readable", "shared"), between: value != "joined", after: True}
    wanted = ["after join"] + (["between"] if value != "joined" else []) + (
        ["before invite"] if value in ("world_readable", "shared") else [])
    assert bodies(bob.messages(room, limit=50)) == wanted
    assert bob.sync().joined(room).bodies() == wanted[::-1]


@pytest.mark.parametrize("value", VALUES)
def test_visibility__only_invited__never_more_than_the_value_allows(alice, bob, value):
    room = make(alice, value)
    before = alice.send(room, "before invite")
    alice.invite(room, bob).ok()
    after = alice.send(room, "after invite")
    if value == "world_readable":
        assert readable(bob, room, before) and readable(bob, room, after)
    elif value in ("shared", "joined"):
        assert not readable(bob, room, before)
        if value == "joined":
            assert not readable(bob, room, after)
    else:
        assert not readable(bob, room, before)
    answer = bob.sync()
    assert "before invite" not in str(dict(answer)) and "after invite" not in str(dict(answer))


@pytest.mark.parametrize("value", ["shared", "invited", "joined"])
def test_visibility__left__earlier_yes_later_no(alice, bob, value):
    room = make(alice, value)
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    during = alice.send(room, "during")
    bob.leave(room).ok()
    after = alice.send(room, "after")
    assert readable(bob, room, during)
    assert not readable(bob, room, after)
    assert bodies(bob.messages(room, limit=50)) == ["during"]


@pytest.mark.parametrize("value", ["shared", "invited", "joined"])
@pytest.mark.peer("/messages forward shows a former member what came later", only=["shared"])
def test_visibility__kicked__nothing_later_by_any_way(alice, bob, value):
    """Security 5.25: after the kick not one byte of later events, state or ephemera."""
    room = make(alice, value)
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    alice.send(room, "during")
    watch = bob.watch()
    alice.kick(room, bob).ok()
    secret = "later-secret"
    later = alice.send(room, secret)
    alice.set_state(room, "m.room.name", {"name": secret})
    alice.set_state(room, "org.example." + secret, {"v": secret})
    alice.typing(room).ok()
    alice.receipt(room, later).ok()
    answer, _ = watch.until(lambda answer: answer.left(room))
    texts = [str(dict(answer)), str(dict(watch.next())), str(dict(bob.sync())),
             str(dict(bob.sync(filter={"room": {"include_leave": True}}))),
             str(dict(bob.sync(watch.first.since, filter={"room": {"include_leave": True}}, full_state=True)))]
    for direction in "bf":
        texts.append(bob.messages(room, direction, limit=100).raw.decode())
    for rest in (("state",), ("members",), ("joined_members",), ("aliases",), ("event", later), ("context", later),
                 ("state", "m.room.name", ""), ("state", "org.example." + secret, "")):
        reply = bob.get(bob.room(room, *rest))
        texts.append("" if reply.status in (403, 404) else reply.raw.decode())
    for text in texts:
        assert secret not in text and later not in text, text
    last = answer.left(room).timeline[-1]
    assert last["type"] == "m.room.member" and last["content"]["membership"] == "leave"


def test_visibility__left__state_of_that_moment_each_entry_once(alice, bob):
    room = make(alice, "shared")
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    bob.leave(room).ok()
    alice.leave(room).ok()
    for path in ("members", "state"):
        reply = bob.get(path_of("rooms", room, path)).ok().json
        members = [(event["state_key"], event["content"]["membership"])
                   for event in (reply["chunk"] if path == "members" else reply) if event["type"] == "m.room.member"]
        assert sorted(members) == sorted([(alice.user_id, "join"), (bob.user_id, "leave")]), path


def test_visibility__left_world_readable__still_reads_later(alice, bob):
    room = make(alice, "world_readable")
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    bob.leave(room).ok()
    assert readable(bob, room, alice.send(room, "after"))


def test_visibility__rejoined__gap_as_the_value_allows(alice, bob):
    for value, sees in (("shared", True), ("joined", False)):
        room = make(alice, value)
        alice.invite(room, bob).ok()
        bob.join(room).ok()
        bob.leave(room).ok()
        gap = alice.send(room, "in the gap")
        alice.invite(room, bob).ok()
        bob.join(room).ok()
        assert readable(bob, room, gap) == sees, value


def test_visibility__redacted_in_a_gap_that_is_hidden__content_gone_but_not_told_why(alice, bob):
    room = make(alice, "joined")
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    event = alice.send(room, "seen, then redacted")
    bob.leave(room).ok()
    alice.redact(room, event, reason="not for bob").ok()
    assert alice.event(room, event).ok()["unsigned"]["redacted_because"]["content"]["reason"] == "not for bob"
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    shown = bob.event(room, event).ok()
    assert shown["content"] == {} and "redacted_because" not in shown.get("unsigned", {})


def test_visibility__related_to_in_a_gap_that_is_hidden__not_bundled(alice, bob):
    room = make(alice, "joined")
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    edited, root = alice.send(room, "edited"), alice.send(room, "root")
    bob.leave(room).ok()
    alice.send(room, {"msgtype": "m.text", "body": "* x", "m.new_content": {"msgtype": "m.text", "body": "not for bob"},
                      "m.relates_to": {"rel_type": "m.replace", "event_id": edited}})
    alice.send(room, {"msgtype": "m.text", "body": "not for bob", "m.relates_to": {"rel_type": "m.thread", "event_id": root}})
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    for event in (edited, root):
        assert "not for bob" in str(alice.event(room, event).ok()["unsigned"])
        assert "not for bob" not in str(bob.event(room, event).ok().json)


def test_visibility__changed_to_stricter__old_events_keep_theirs(alice, bob):
    room = make(alice, "world_readable")
    open_event = alice.send(room, "open")
    alice.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    closed = alice.send(room, "closed")
    assert not readable(bob, room, closed)
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    assert readable(bob, room, open_event)
    assert not readable(bob, room, closed)


def test_visibility__changed_to_looser__old_events_keep_theirs(alice, bob):
    room = make(alice, "joined")
    closed = alice.send(room, "closed")
    alice.set_state(room, "m.room.history_visibility", {"history_visibility": "shared"})
    open_event = alice.send(room, "open")
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    assert not readable(bob, room, closed)
    assert readable(bob, room, open_event)


def test_visibility__unknown_value__treated_as_shared(alice, bob):
    """history_visibility.md: an invalid value is taken as shared."""
    room = make(alice, "org.example.nonsense")
    event = alice.send(room, "x")
    assert not readable(bob, room, event)
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    assert readable(bob, room, event)


def test_visibility__stranger_and_ids_of_a_private_room__same_answer_as_for_none(alice, bob, room):
    """Security 5.26: neither lists nor the difference of two errors tell that the room is there."""
    event = alice.send(room, "x")
    fake_room = room[:5] + ("a" if room[5] != "a" else "b") + room[6:]
    for rest in (("state",), ("members",), ("joined_members",), ("messages",), ("aliases",),
                 ("event", event), ("context", event)):
        query = {"dir": "b"} if rest == ("messages",) else None
        there, none = bob.get(bob.room(room, *rest), query), bob.get(bob.room(fake_room, *rest), query)
        assert there.status in (403, 404) and none.status in (403, 404)


def test_visibility__banned__reads_what_was_before_only(alice, bob, shared):
    before = alice.send(shared, "before ban")
    alice.ban(shared, bob).ok()
    after = alice.send(shared, "after ban")
    assert readable(bob, shared, before)
    assert not readable(bob, shared, after)


@pytest.mark.peer("shows shared history to who was only ever invited; history_visibility.md allows it after joining")
def test_visibility__never_joined_but_kicked_from_invite__nothing(alice, bob, room):
    event = alice.send(room, "x")
    alice.invite(room, bob).ok()
    alice.kick(room, bob).ok()
    reply = bob.messages(room, limit=100).expect((200, 403))
    if reply.status == 200:  # their own membership is theirs to know
        assert {item.get("state_key") for item in reply["chunk"]} <= {bob.user_id}
    assert not readable(bob, room, event)


# -- what an event replaced

def visible_room(owner, *visibilities):
    room = owner.create_room(preset="public_chat")
    for visibility in visibilities:
        owner.set_state(room, "m.room.history_visibility", {"history_visibility": visibility})
    return room


def renamed(alice, bob, room):
    """`unsigned` of the second name as bob gets it by /sync, /messages and /event, who joined after the first."""
    bob.join(room).ok()
    since = bob.sync().since
    event_id = alice.set_state(room, "m.room.name", {"name": "two"})
    live = [event for event in bob.sync(since).joined(room).timeline if event["event_id"] == event_id]
    first = [event for event in bob.login().sync().joined(room).timeline if event["event_id"] == event_id]
    page = [event for event in bob.messages(room).ok()["chunk"] if event["event_id"] == event_id]
    found = [event["unsigned"] for event in live + first + page + [bob.event(room, event_id).ok().json]]
    assert len(found) == 4
    return found


@pytest.mark.peer("shows prev_content whatever the visibility")
@pytest.mark.parametrize("visibilities", [["joined"], ["invited"], ["joined", "shared"]], ids=str)
def test_prev_content__earlier_event_hidden__not_shown_but_its_id(alice, bob, visibilities):
    """`joined`, `shared`: what was hidden when it happened stays so.  `replaces_state`: "included regardless of history visibility"."""
    room = visible_room(alice, visibilities[0])
    first = alice.set_state(room, "m.room.name", {"name": "one"})
    for visibility in visibilities[1:]:
        alice.set_state(room, "m.room.history_visibility", {"history_visibility": visibility})
    for unsigned in renamed(alice, bob, room):
        assert not {"prev_content", "prev_sender"} & set(unsigned), unsigned
        assert unsigned["replaces_state"] == first
    own = alice.messages(room).ok()["chunk"][0]["unsigned"]
    assert own["prev_content"] == {"name": "one"} and own["replaces_state"] == first


@pytest.mark.parametrize("visibilities", [[], ["shared"], ["world_readable"], ["joined", "shared"]], ids=str)
def test_prev_content__earlier_event_open_to_members__shown(alice, bob, visibilities):
    room = visible_room(alice, *visibilities)
    first = alice.set_state(room, "m.room.name", {"name": "one"})
    for unsigned in renamed(alice, bob, room):
        assert unsigned["prev_content"] == {"name": "one"} and unsigned["replaces_state"] == first


def test_prev_content__own_invite__shown_where_only_members_see(alice, bob):
    room = visible_room(alice, "joined")
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    [join] = [event for event in bob.sync().joined(room).timeline
              if event.get("state_key") == bob.user_id and event["content"]["membership"] == "join"]
    assert join["unsigned"]["prev_content"]["membership"] == "invite"
