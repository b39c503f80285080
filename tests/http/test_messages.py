"""Reading history: /messages, /context, /event, /members, /joined_members."""
import json

import pytest

from support import accounts
from support.client import path_of
from support.processes import free_port


def ids(events):
    return [event["event_id"] for event in events]


@pytest.fixture
def talk(alice, room):
    """A room with 25 messages; their ids in order."""
    return [alice.send(room, "m%d" % number) for number in range(25)]


# -- /messages

def test_messages__backward_from_the_end__newest_first(alice, room, talk):
    reply = alice.messages(room, "b", limit=5).ok()
    assert ids(reply["chunk"]) == talk[:-6:-1]
    assert reply["start"] and reply["end"]


def test_messages__no_limit__ten(alice, room, talk):
    assert ids(alice.messages(room, "b").ok()["chunk"]) == talk[:-11:-1]


def test_messages__forward_without_from__from_the_beginning(alice, room, talk):
    reply = alice.messages(room, "f", limit=3).ok()
    assert [event["type"] for event in reply["chunk"]][0] == "m.room.create"


@pytest.mark.parametrize("direction", ["b", "f"])
@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_messages__walked_to_the_end__every_event_once_in_order(alice, room, talk, direction, limit):
    events = ids(alice.history(room, direction, limit=limit))
    assert len(events) == len(set(events))
    everything = ids(alice.history(room, "b", limit=100))
    assert events == (everything if direction == "b" else everything[::-1])
    assert [event for event in events if event in talk] == (talk[::-1] if direction == "b" else talk)


def test_messages__backward_to_the_start__no_end(alice, room):
    """message_pagination.yaml: end is omitted when there are no further events."""
    reply = alice.messages(room, "b", limit=100).ok()
    if "end" in reply:
        last = alice.messages(room, "b", limit=100, **{"from": reply["end"]}).ok()
        assert last["chunk"] == [] and "end" not in last
    assert reply["chunk"][-1]["type"] == "m.room.create"


def test_messages__filtered_to_the_start__an_end_and_then_nothing(alice, room, talk):
    url = alice.send(room, {"msgtype": "m.file", "body": "f", "url": "mxc://hs1/a"})
    where = path_of("rooms", room, "messages")
    page = alice.get(where, {"dir": "b", "filter": json.dumps({"contains_url": True})}).ok()
    assert ids(page["chunk"]) == [url]
    rest = alice.get(where, {"dir": "b", "from": page["end"], "filter": json.dumps({"contains_url": True})}).ok()
    assert rest["chunk"] == [] and "end" not in rest.json


def test_messages__not_a_member_and_no_dir__403_first(bob, room):
    bob.get(path_of("rooms", room, "messages")).expect(403, "M_FORBIDDEN")


def test_members__at_the_beginning_of_the_room__its_creator(alice, bob):
    room = alice.create_room(preset="public_chat")
    start = alice.sync().joined(room)["timeline"]["prev_batch"]
    bob.join(room).ok()
    chunk = alice.get(path_of("rooms", room, "members"), {"at": start}).ok()["chunk"]
    assert [event["state_key"] for event in chunk] == [alice.user_id]


def test_messages__turn_around__same_events(alice, room, talk):
    back = alice.messages(room, "b", limit=10).ok()
    forth = alice.messages(room, "f", limit=10, **{"from": back["end"]}).ok()
    assert ids(forth["chunk"]) == ids(back["chunk"])[::-1]
    again = alice.messages(room, "b", limit=10, **{"from": forth["end"]}).ok()
    assert ids(again["chunk"]) == ids(back["chunk"])


def test_messages__from_sync_tokens__join_without_gap_or_overlap(alice, room, talk):
    sync = alice.sync(filter={"room": {"timeline": {"limit": 4}}})
    part = sync.joined(room)
    assert part.limited and part.ids() == talk[-4:]
    back = alice.messages(room, "b", limit=6, **{"from": part.prev_batch}).ok()
    assert ids(back["chunk"]) == talk[-5:-11:-1]
    later = alice.send(room, "later")
    forth = alice.messages(room, "f", limit=10, **{"from": sync.since}).ok()
    assert ids(forth["chunk"]) == [later]


def test_messages__start__the_from_that_was_given(alice, room, talk):
    """message_pagination.yaml: start "will be the same as the value given in from"."""
    alice.put(alice.room(room, "typing", alice.user_id), {"typing": True}).ok()
    since = alice.sync().since
    for direction in ("b", "f"):
        assert alice.messages(room, direction, **{"from": since}).ok()["start"] == since


def test_messages__to_token__stops_there(alice, room):
    alice.send(room, "before")
    start = alice.sync().since
    wanted = [alice.send(room, "inside %d" % number) for number in range(5)]
    end = alice.sync().since
    alice.send(room, "after")
    back = alice.messages(room, "b", limit=50, **{"from": end, "to": start}).ok()
    assert ids(back["chunk"]) == wanted[::-1]
    forth = alice.messages(room, "f", limit=50, **{"from": start, "to": end}).ok()
    assert ids(forth["chunk"]) == wanted


def test_messages__filter_types__only_these(alice, room, talk):
    other = alice.send(room, {}, kind="org.example.other")
    reply = alice.messages(room, "b", filter={"types": ["org.example.*"]}, limit=50).ok()
    assert ids(reply["chunk"]) == [other]
    reply = alice.messages(room, "b", filter={"not_types": ["m.room.*", "org.*"]}, limit=50).ok()
    assert reply["chunk"] == []


def test_messages__filter_senders__only_these(alice, bob, shared):
    mine, theirs = alice.send(shared), bob.send(shared)
    types = {"types": ["m.room.message"]}
    assert ids(alice.messages(shared, filter={"senders": [bob.user_id], **types}).ok()["chunk"]) == [theirs]
    assert ids(alice.messages(shared, filter={"not_senders": [bob.user_id], **types}).ok()["chunk"]) == [mine]
    both = {"senders": [bob.user_id], "not_senders": [bob.user_id]}
    assert alice.messages(shared, filter=both).ok()["chunk"] == []


def test_messages__filter_contains_url__by_presence(alice, room):
    plain = alice.send(room, "plain")
    image = alice.send(room, {"msgtype": "m.image", "body": "i", "url": "mxc://hs1/x"})
    types = {"types": ["m.room.message"]}
    assert ids(alice.messages(room, filter={"contains_url": True, **types}).ok()["chunk"]) == [image]
    assert ids(alice.messages(room, filter={"contains_url": False, **types}).ok()["chunk"]) == [plain]


def test_messages__filter_rooms_without_this_one__empty(alice, room, talk):
    other = alice.create_room()
    assert alice.messages(room, filter={"rooms": [other]}).ok()["chunk"] == []
    assert alice.messages(room, filter={"not_rooms": [room]}).ok()["chunk"] == []


def test_messages__filtered_and_paged__all_found(alice, room):
    wanted = []
    for number in range(30):
        alice.send(room, "noise")
        if number % 10 == 0:
            wanted.append(alice.send(room, {"n": number}, kind="org.example.rare"))
    found = ids(alice.history(room, "b", limit=2, filter={"types": ["org.example.rare"]}))
    assert found == wanted[::-1]


def test_messages__lazy_members__state_holds_the_senders(alice, bob, carol, shared):
    alice.invite(shared, carol).ok()
    carol.join(shared).ok()
    bob.send(shared, "from bob")
    reply = alice.messages(shared, "b", limit=1, filter={"lazy_load_members": True}).ok()
    members = {event["state_key"] for event in reply.get("state", []) if event["type"] == "m.room.member"}
    assert members == {bob.user_id}


@pytest.mark.parametrize("query", [
    {"dir": "x"}, {"dir": "b", "limit": "x"}, {"dir": "b", "from": "nonsense"}, {"dir": "b", "to": "nonsense"},
    {"dir": "b", "filter": "{"}, {"dir": "b", "filter": "[]"}, {"dir": "b", "filter": '{"types":5}'},
    {"dir": "b", "limit": "-1"}, {"dir": "b", "from": "s"}, {"dir": "b", "from": "s99999999999999999999999"},
], ids=str)
@pytest.mark.peer("500 or a lenient reading", only=["'[]'", "types", "99999"])
def test_messages__malformed_query__400(alice, room, query):
    alice.get(alice.room(room, "messages"), query).expect(400)


@pytest.mark.peer("dir is required, message_pagination.yaml; Synapse takes forward")
def test_messages__no_dir__400(alice, room):
    alice.get(alice.room(room, "messages")).expect(400, ("M_MISSING_PARAM", "M_INVALID_PARAM"))


def test_messages__limit_huge__bounded_but_answered(alice, room, talk):
    assert set(talk) <= set(ids(alice.messages(room, "b", limit=1000000).ok()["chunk"])) | set(talk[:0])


def test_messages__limit_zero__no_events_or_400(alice, room, talk):
    reply = alice.messages(room, "b", limit=0)
    reply.expect((200, 400))


def test_messages__non_member__403(bob, room, talk):
    bob.messages(room).expect(403, "M_FORBIDDEN")


def test_messages__token_of_another_users_sync__positions_only(alice, bob, shared):
    """A token is a position, it grants nothing."""
    since = bob.sync().since
    secret = alice.create_room()
    alice.send(secret, "secret")
    bob.messages(secret, "b", **{"from": since}).expect(403, "M_FORBIDDEN")


# -- /context

def test_context__middle__events_around_and_tokens(alice, room, talk):
    reply = alice.get(path_of("rooms", room, "context", talk[12]), {"limit": 6}).ok()
    assert reply["event"]["event_id"] == talk[12]
    assert ids(reply["events_before"]) == talk[11:8:-1]
    assert ids(reply["events_after"]) == talk[13:16]
    assert any(event["type"] == "m.room.create" for event in reply["state"])
    back = alice.messages(room, "b", limit=3, **{"from": reply["start"]}).ok()
    assert ids(back["chunk"]) == talk[8:5:-1]
    forth = alice.messages(room, "f", limit=3, **{"from": reply["end"]}).ok()
    assert ids(forth["chunk"]) == talk[16:19]


def test_context__filter_without_this_room__event_alone(alice, room, talk):
    """event_context.yaml: the filter applies to all but the event itself."""
    query = {"filter": json.dumps({"not_rooms": [room]})}
    reply = alice.get(path_of("rooms", room, "context", talk[12]), query).ok()
    assert reply["event"]["event_id"] == talk[12]
    assert reply["events_before"] == reply["events_after"] == reply["state"] == []


def test_context__limit_zero__event_alone(alice, room, talk):
    reply = alice.get(path_of("rooms", room, "context", talk[12]), {"limit": 0}).ok()
    assert reply["event"]["event_id"] == talk[12]
    assert reply.get("events_before", []) == [] and reply.get("events_after", []) == []


def test_context__first_and_last_event__no_more_on_that_side(alice, room, talk):
    assert alice.get(path_of("rooms", room, "context", talk[-1])).ok().get("events_after", []) == []
    create = alice.state(room)["m.room.create", ""]["event_id"]
    assert alice.get(path_of("rooms", room, "context", create)).ok().get("events_before", []) == []


def test_context__state__as_of_the_last_event_returned(alice, room):
    alice.set_state(room, "m.room.name", {"name": "early"})
    middle = alice.send(room, "middle")
    for number in range(5):
        alice.send(room, "filler %d" % number)
    alice.set_state(room, "m.room.name", {"name": "late"})
    reply = alice.get(path_of("rooms", room, "context", middle), {"limit": 2}).ok()
    names = [event["content"]["name"] for event in reply["state"] if event["type"] == "m.room.name"]
    assert names == ["early"]


def test_context__filter__only_around(alice, room, talk):
    other = alice.send(room, {}, kind="org.example.other")
    reply = alice.get(path_of("rooms", room, "context", other),
                      {"limit": 10, "filter": json.dumps({"types": ["m.room.message"]})}).ok()
    assert reply["event"]["event_id"] == other
    assert ids(reply["events_before"])[:1] == [talk[-1]]
    assert {event["type"] for event in reply["events_before"]} == {"m.room.message"}


def test_context__lazy_members__only_senders_in_state(alice, bob, shared):
    event = bob.send(shared)
    reply = alice.get(path_of("rooms", shared, "context", event),
                      {"limit": 0, "filter": json.dumps({"lazy_load_members": True})}).ok()
    members = {item["state_key"] for item in reply["state"] if item["type"] == "m.room.member"}
    assert members == {bob.user_id}


def test_context__unknown_event__404(alice, room):
    alice.get(path_of("rooms", room, "context", "$none")).expect(404, "M_NOT_FOUND")


@pytest.mark.peer("M_UNKNOWN instead of M_NOT_FOUND")
def test_context__event_of_another_room__404(alice, room):
    other = alice.create_room()
    event = alice.send(other)
    alice.get(path_of("rooms", room, "context", event)).expect(404, "M_NOT_FOUND")


def test_context__non_member__403_or_404(bob, room, talk):
    bob.get(path_of("rooms", room, "context", talk[0])).expect((403, 404))


# -- /event

def test_event__unknown__404(alice, room):
    for text in ("$none", "nonsense", "$" + "a" * 43, "$" + "a" * 300):
        alice.event(room, text).expect((400, 404), ("M_NOT_FOUND", "M_INVALID_PARAM"))


def test_event__under_another_room__404(alice, room):
    other = alice.create_room()
    event = alice.send(other)
    alice.event(room, event).expect(404, "M_NOT_FOUND")


def test_event__non_member__same_answer_as_missing(alice, bob, room):
    event = alice.send(room, "secret")
    there, missing = bob.event(room, event), bob.event(room, "$" + "a" * 43)
    assert there.status == missing.status and there.errcode == missing.errcode
    assert there.status in (403, 404)


def test_event__own_from_own_device__transaction_id(alice, bob, shared):
    event = alice.send(shared, txn="my-transaction")
    assert alice.event(shared, event).ok()["unsigned"]["transaction_id"] == "my-transaction"
    assert "transaction_id" not in bob.event(shared, event).ok().get("unsigned", {})


# -- /members and /joined_members

def members(user, room, **query):
    reply = user.get(user.room(room, "members"), query).ok()
    return {event["state_key"]: event["content"]["membership"] for event in reply["chunk"]}


@pytest.fixture
def crowd(hs, alice):
    """A room with one member of each membership."""
    users = {name: hs.user() for name in ("join", "invite", "leave", "ban")}
    room = alice.create_room(preset="public_chat", invite=[users["invite"].user_id])
    for name in ("join", "leave", "ban"):
        users[name].join(room).ok()
    users["leave"].leave(room).ok()
    alice.ban(room, users["ban"]).ok()
    return room, {name: user.user_id for name, user in users.items()}


def test_members__no_filter__everybody(alice, crowd):
    room, users = crowd
    assert members(alice, room) == {alice.user_id: "join", users["join"]: "join", users["invite"]: "invite",
                                    users["leave"]: "leave", users["ban"]: "ban"}


@pytest.mark.parametrize("kind", ["join", "invite", "leave", "ban"])
def test_members__membership__only_that(alice, crowd, kind):
    room, users = crowd
    found = members(alice, room, membership=kind)
    assert set(found.values()) == {kind} and users[kind] in found


@pytest.mark.parametrize("kind", ["join", "invite", "leave", "ban"])
def test_members__not_membership__all_but_that(alice, crowd, kind):
    room, users = crowd
    found = members(alice, room, not_membership=kind)
    assert kind not in found.values()
    assert set(found) == ({alice.user_id, *users.values()} - {users[kind]} - (
        {alice.user_id} if kind == "join" else set()))


@pytest.mark.peer("takes the two as 'and'; rooms.yaml says 'or'")
def test_members__membership_or_not_membership__union(alice, crowd):
    room, users = crowd
    found = members(alice, room, membership="join", not_membership="leave")
    assert set(found.values()) == {"join", "invite", "ban"}


def test_members__unknown_membership__400(alice, room, hs):
    reply = alice.get(alice.room(room, "members"), {"membership": "nonsense"})
    reply.expect((200, 400))


def test_members__at_token__as_of_then(alice, bob, room):
    at = alice.sync(filter={"room": {"timeline": {"limit": 1}}}).since
    alice.invite(room, bob).ok()
    assert bob.user_id in members(alice, room)
    assert bob.user_id not in members(alice, room, at=at)


def test_members__forged_at__400(alice, room):
    alice.get(alice.room(room, "members"), {"at": "nonsense"}).expect(400)


def test_members__non_member__403(bob, room):
    bob.get(bob.room(room, "members")).expect(403, "M_FORBIDDEN")
    bob.get(bob.room(room, "joined_members")).expect(403, "M_FORBIDDEN")


def test_members__after_leaving__as_when_left(alice, bob, carol, shared):
    bob.leave(shared).ok()
    alice.invite(shared, carol).ok()
    found = members(bob, shared)
    assert carol.user_id not in found and found[bob.user_id] == "leave"


def test_joined_members__joined__only_joined(alice, crowd):
    room, users = crowd
    assert set(alice.get(alice.room(room, "joined_members")).ok()["joined"]) == {alice.user_id, users["join"]}


def test_joined_members__after_leaving__403(bob, shared):
    bob.leave(shared).ok()
    bob.get(bob.room(shared, "joined_members")).expect(403, "M_FORBIDDEN")


# -- what is read, and how often the database is asked

FILLER = 60  # more than a room keeps in memory


def without_age(event):
    return {**event, "unsigned": {key: value for key, value in event["unsigned"].items() if key != "age"}}


def related(parent, rel_type, **more):
    return {"msgtype": "m.text", "body": rel_type, "m.relates_to": {"rel_type": rel_type, "event_id": parent, **more}}


def told_of(client, room, event_ids):
    """Each of the events as /event, as /context in its middle and among the others, and as pages either way give it."""
    told = {event_id: [without_age(client.get(path_of("rooms", room, "event", event_id)).ok().json)] for event_id in event_ids}
    found = client.history(room, "b", limit=7) + client.history(room, "f", limit=7)
    for event_id in event_ids:
        around = client.get(path_of("rooms", room, "context", event_id), {"limit": 20}).ok()
        found += [around["event"], *around["events_before"], *around["events_after"]]
    for event in found:
        if event["event_id"] in told:
            told[event["event_id"]].append(without_age(event))
    return told


def test_old_events__bundled_relations__as_while_they_were_new(alice, bob, shared):
    """Whether nothing relates to an old event is read with it, and only of the others it is asked what does."""
    plain, edited, referred, rooted, liked, ignored = parents = [alice.send(shared, "parent %d" % number) for number in range(6)]
    edit = alice.send(shared, {**related(edited, "m.replace"), "m.new_content": {"msgtype": "m.text", "body": "better"}})
    reference = alice.send(shared, related(referred, "m.reference"))
    inner = alice.send(shared, related(rooted, "m.thread"))
    alice.send(shared, related(inner, "m.reference"))
    alice.send(shared, {"m.relates_to": {"rel_type": "m.annotation", "event_id": liked, "key": "x"}}, kind="m.reaction")
    bob.send(shared, related(ignored, "m.reference"))
    alice.put("/user/%s/account_data/m.ignored_user_list" % alice.user_id, {"ignored_users": {bob.user_id: {}}}).ok()
    new = told_of(alice, shared, parents + [inner])
    for number in range(FILLER):
        alice.send(shared, "filler %d" % number)
    late = alice.send(shared, related(plain, "m.reference"))
    old = told_of(alice, shared, parents + [inner])
    for event_id, ways in old.items():
        assert ways == [ways[0]] * len(ways) and len(ways) >= 4, ways
        if event_id != plain:
            assert ways[0] == new[event_id][0]
    bundled = {event_id: ways[0]["unsigned"].get("m.relations") for event_id, ways in old.items()}
    assert bundled[edited]["m.replace"]["event_id"] == edit
    assert bundled[referred]["m.reference"]["chunk"] == [{"event_id": reference}]
    assert bundled[rooted]["m.thread"]["latest_event"]["event_id"] == inner
    assert bundled[plain]["m.reference"]["chunk"] == [{"event_id": late}]
    assert bundled[liked] is None and bundled[ignored] is None and bundled[inner]["m.reference"]["chunk"]


@pytest.mark.parametrize("limit", [0, 1, 7, 200])
def test_context__all_along_the_room__as_the_history_has_it(alice, room, talk, limit):
    """New ones are in memory, old ones are not, and some have only what is behind them there."""
    for number in range(FILLER):
        alice.send(room, "filler %d" % number)
    everything = ids(alice.history(room, "f", limit=100))
    for at in [*range(0, len(everything), 5), len(everything) - 1]:
        event_id = everything[at]
        around = alice.get(path_of("rooms", room, "context", event_id), {"limit": limit}).ok()
        before, after = everything[max(at - limit // 2, 0):at], everything[at + 1:at + 1 + limit - limit // 2]
        assert around["event"]["event_id"] == event_id
        assert ids(around["events_before"]) == before[::-1] and ids(around["events_after"]) == after


def test_context__old_event_with_a_filter__goes_on_behind_what_was_read_first(alice, room, talk):
    for number in range(FILLER):
        alice.send(room, {}, kind="org.example.other")
    said = alice.send(room, "said")
    for number in range(FILLER):
        alice.send(room, {}, kind="org.example.other")
    middle = ids(alice.history(room, "f", limit=100, filter=json.dumps({"types": ["org.example.other"]})))[FILLER // 2]
    around = alice.get(path_of("rooms", room, "context", middle),
                       {"limit": 4, "filter": json.dumps({"types": ["m.room.message"]})}).ok()
    assert ids(around["events_before"]) == [talk[-1], talk[-2]] and ids(around["events_after"]) == [said]


@pytest.mark.one_process("where there are several, each follows what the other has done, which is a query")
def test_old_events__to_which_nothing_relates__asked_for_once(make_server):
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    user = accounts.register(server.url)
    room = user.create_room()
    sent = [user.send(room, "m%d" % number) for number in range(2 * FILLER)]
    old = user.get(path_of("rooms", room, "context", sent[20]), {"limit": 10}).ok()
    asked = {"context": [], "messages": [], "newest": []}
    for _ in range(20):
        for what, ask in (("context", lambda: user.get(path_of("rooms", room, "context", sent[20]), {"limit": 10})),
                          ("messages", lambda: user.messages(room, "b", limit=5, **{"from": old["end"]})),
                          ("newest", lambda: user.messages(room, "b", limit=50))):
            before = server.queries()
            ask().ok()
            asked[what].append(server.queries() - before)
    assert {what: min(counts) for what, counts in asked.items()} == {"context": 1, "messages": 1, "newest": 1}, asked
