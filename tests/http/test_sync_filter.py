"""Every field of a /sync filter; lazy-loaded members."""
import http.client
import json
import time
import urllib.parse

import pytest

from support.client import path_of, seconds


def timeline(**fields):
    return {"room": {"timeline": fields}}


def room_filter(**fields):
    return {"room": fields}


# -- rooms

@pytest.mark.peer("applies the room filter to events, not to the rooms")
def test_limit__zero__state_alone(alice, room):
    alice.send(room, "not told")
    part = alice.sync(filter={"room": {"timeline": {"limit": 0}}}).joined(room)
    assert part.timeline == [] and part.limited
    assert "m.room.create" in [event["type"] for event in part.state]


def test_room_rooms__only_these(alice):
    first, second = alice.create_room(), alice.create_room()
    assert alice.sync(filter=room_filter(rooms=[first])).rooms("join") == {first}
    assert alice.sync(filter=room_filter(not_rooms=[first])).rooms("join") == {second}
    assert alice.sync(filter=room_filter(rooms=[first], not_rooms=[first])).rooms("join") == set()
    assert alice.sync(filter=room_filter(rooms=[])).rooms("join") == set()


@pytest.mark.peer("applies the room filter to events, not to the rooms")
def test_room_rooms__invites_too(alice, bob):
    first = alice.create_room(invite=[bob.user_id])
    second = alice.create_room(invite=[bob.user_id])
    assert second not in bob.sync(filter=room_filter(rooms=[first])).rooms("invite")


def test_timeline_rooms__only_their_timelines(alice):
    first, second = alice.create_room(room_version="11"), alice.create_room(room_version="11")
    alice.send(first)
    alice.send(second)
    answer = alice.sync(filter=timeline(rooms=[first]))
    assert answer.joined(first).timeline and not answer.joined(second).timeline
    answer = alice.sync(filter=timeline(not_rooms=[first]))
    assert not answer.joined(first).timeline and answer.joined(second).timeline


# -- timeline

def test_timeline_limit__obeyed(alice, room):
    ids = [alice.send(room, str(number)) for number in range(8)]
    part = alice.sync(filter=timeline(limit=3)).joined(room)
    assert part.ids() == ids[-3:] and part.limited


def test_timeline_types__only_these(alice, room):
    message = alice.send(room)
    custom = alice.send(room, {}, kind="org.example.one")
    assert alice.sync(filter=timeline(types=["org.example.one"])).joined(room).ids() == [custom]
    assert alice.sync(filter=timeline(types=["org.*"])).joined(room).ids() == [custom]
    assert alice.sync(filter=timeline(types=["m.room.message"])).joined(room).ids() == [message]
    assert alice.sync(filter=timeline(types=["*"], not_types=["m.*"])).joined(room).ids() == [custom]
    assert alice.sync(filter=timeline(types=[])).joined(room).ids() == []
    assert custom not in alice.sync(filter=timeline(not_types=["org.example.one"])).joined(room).ids()


@pytest.mark.peer("knows * only at the end; event_filter.yaml has it anywhere")
def test_timeline_types__wildcard_inside__matches(alice, room):
    wanted = alice.send(room, {}, kind="org.example.middle.end")
    alice.send(room, {}, kind="org.example.other")
    assert alice.sync(filter=timeline(types=["org.*.end"])).joined(room).ids() == [wanted]


def test_timeline_types__regex_characters__are_literal(alice, room):
    alice.send(room, {}, kind="org.example.axb")
    wanted = alice.send(room, {}, kind="org.example.a.b")
    assert alice.sync(filter=timeline(types=["org.example.a.b"])).joined(room).ids() == [wanted]


def test_timeline_senders__only_these(alice, bob, shared):
    mine, theirs = alice.send(shared), bob.send(shared)
    types = ["m.room.message"]
    assert alice.sync(filter=timeline(types=types, senders=[bob.user_id])).joined(shared).ids() == [theirs]
    assert alice.sync(filter=timeline(types=types, not_senders=[bob.user_id])).joined(shared).ids() == [mine]
    assert alice.sync(filter=timeline(senders=[bob.user_id], not_senders=[bob.user_id])).joined(shared).ids() == []


def test_timeline_contains_url__by_presence(alice, room):
    plain = alice.send(room)
    image = alice.send(room, {"msgtype": "m.image", "body": "i", "url": "mxc://hs1/x"})
    types = ["m.room.message"]
    assert alice.sync(filter=timeline(types=types, contains_url=True)).joined(room).ids() == [image]
    assert alice.sync(filter=timeline(types=types, contains_url=False)).joined(room).ids() == [plain]


def test_timeline_filtered__limit_counts_what_is_shown(alice, room):
    wanted = []
    for number in range(12):
        alice.send(room)
        if number % 4 == 0:
            wanted.append(alice.send(room, {}, kind="org.example.rare"))
    assert alice.sync(filter=timeline(types=["org.example.rare"], limit=3)).joined(room).ids() == wanted


def test_timeline_filtered__incremental__only_matching(alice, room):
    since = alice.sync().since
    alice.send(room)
    custom = alice.send(room, {}, kind="org.example.one")
    alice.send(room)
    part = alice.sync(since, filter=timeline(types=["org.example.one"])).joined(room)
    assert part.ids() == [custom]


# -- state

def test_state_types__only_these(alice, room):
    alice.set_state(room, "m.room.name", {"name": "x"})
    for number in range(12):
        alice.send(room, str(number))
    part = alice.sync(filter=room_filter(state={"types": ["m.room.name"]}, timeline={"limit": 1})).joined(room)
    assert part.types("state") == ["m.room.name"]
    part = alice.sync(filter=room_filter(state={"not_types": ["m.room.name"]}, timeline={"limit": 1})).joined(room)
    assert "m.room.name" not in part.types("state") and "m.room.create" in part.types("state")
    part = alice.sync(filter=room_filter(state={"types": []}, timeline={"limit": 1})).joined(room)
    assert part.state == []


def test_state_senders__only_these(alice, bob, shared):
    alice.send(shared)
    part = alice.sync(filter=room_filter(state={"senders": [bob.user_id]}, timeline={"limit": 1})).joined(shared)
    assert {event["sender"] for event in part.state} == {bob.user_id}


def test_state_rooms__only_theirs(alice):
    first, second = alice.create_room(), alice.create_room()
    for room in (first, second):
        alice.send(room)
    answer = alice.sync(filter=room_filter(state={"rooms": [first]}, timeline={"limit": 1}))
    assert answer.joined(first).state and not answer.joined(second).state


# -- ephemeral, account data, presence, fields, format

def test_ephemeral_types__only_these(alice, bob, shared):
    event = alice.send(shared)
    watch_all = alice.watch()
    watch = alice.watch(filter=room_filter(ephemeral={"types": ["m.receipt"]}))
    none = alice.watch(filter=room_filter(ephemeral={"not_types": ["*"]}))
    bob.typing(shared).ok()
    bob.receipt(shared, event).ok()
    seen = set()
    watch_all.until(lambda answer: seen.update(e["type"] for e in answer.joined(shared).ephemeral) or len(seen) == 2)
    answer, _ = watch.until(lambda answer: answer.joined(shared).ephemeral)
    assert {e["type"] for e in answer.joined(shared).ephemeral} == {"m.receipt"}
    assert none.next().joined(shared).ephemeral == []


def test_account_data_types__only_these(alice):
    alice.account_data("org.example.one", {}).ok()
    alice.account_data("org.example.two", {}).ok()
    answer = alice.sync(filter={"account_data": {"types": ["org.example.one"]}})
    assert [event["type"] for event in answer["account_data"]["events"]] == ["org.example.one"]
    answer = alice.sync(filter={"account_data": {"not_types": ["org.example.one", "m.*"]}})
    assert "org.example.one" not in {event["type"] for event in answer["account_data"]["events"]}
    assert "org.example.two" in {event["type"] for event in answer["account_data"]["events"]}


def test_room_account_data_types__only_these(alice, room):
    alice.account_data("org.example.one", {}, room).ok()
    alice.account_data("org.example.two", {}, room).ok()
    part = alice.sync(filter=room_filter(account_data={"types": ["org.example.two"]})).joined(room)
    assert [event["type"] for event in part.account_data] == ["org.example.two"]


def test_presence_types__none__no_presence(alice):
    assert alice.sync(filter={"presence": {"not_types": ["*"]}}).get("presence", {}).get("events", []) == []


def test_event_fields__given__events_hold_at_least_these(alice, room):
    """sync_filter.yaml: a server may include more fields than were requested."""
    alice.send(room, {"msgtype": "m.text", "body": "b", "other": 1})
    reply = alice.request("GET", "/sync", query={
        "filter": '{"event_fields":["content.body","type"],"room":{"timeline":{"limit":1}}}'}, check=False).ok()
    event = reply["rooms"]["join"][room]["timeline"]["events"][-1]
    assert event["content"]["body"] == "b" and event["type"] == "m.room.message"


def test_event_format__federation__raw_event(alice, room):
    alice.send(room, "raw")
    reply = alice.request("GET", "/sync", query={
        "filter": '{"event_format":"federation","room":{"timeline":{"limit":1}}}'}, check=False).ok()
    event = reply["rooms"]["join"][room]["timeline"]["events"][-1]
    assert event["content"]["body"] == "raw" and {"hashes", "signatures", "prev_events", "auth_events"} <= set(event)


def test_filter__everything_off__still_a_next_batch(alice, room):
    off = {"types": []}
    answer = alice.sync(filter={"presence": off, "account_data": off, "room": {
        "state": off, "timeline": off, "ephemeral": off, "account_data": off}})
    assert answer.since
    part = answer.joined(room)
    assert part.timeline == [] and part.state == [] and part.ephemeral == [] and part.account_data == []


# -- lazy-loaded members

def lazy(limit=1, **more):
    return {"room": {"state": {"lazy_load_members": True, **more}, "timeline": {"limit": limit}}}


def crowd(hs, alice, number=4):
    users = [hs.user() for _ in range(number)]
    room = alice.create_room(preset="public_chat", name="Crowd")
    for user in users:
        user.join(room).ok()
    return room, users


def test_lazy__initial__only_senders_of_the_timeline_and_oneself(hs, alice):
    room, users = crowd(hs, alice)
    users[0].send(room, "from the first")
    part = alice.sync(filter=lazy()).joined(room)
    assert part.members() == {alice.user_id, users[0].user_id}
    assert ("m.room.name", "") in part.keyed()


def test_lazy__off__all_members(hs, alice):
    room, users = crowd(hs, alice)
    users[0].send(room)
    part = alice.sync(filter={"room": {"timeline": {"limit": 1}}}).joined(room)
    assert part.members() == {alice.user_id, *(user.user_id for user in users)}


def test_lazy__unnamed_room__heroes_members_included(hs, alice):
    users = [hs.user() for _ in range(3)]
    room = alice.create_room(preset="public_chat")
    for user in users:
        user.join(room).ok()
    alice.send(room)
    part = alice.sync(filter=lazy()).joined(room)
    assert set(part["summary"]["m.heroes"]) <= part.members()


def test_lazy__new_sender_incrementally__their_member_event(hs, alice):
    room, users = crowd(hs, alice)
    alice.send(room)
    since = alice.sync(filter=lazy()).since
    users[2].send(room, "hello")
    part = alice.sync(since, filter=lazy(10)).joined(room)
    assert users[2].user_id in part.members()
    assert users[1].user_id not in part.members()


def test_lazy__another_user_on_the_same_connection__their_member_event(hs, alice, bob):
    """Proxies send what several clients ask by one connection; what the last one's device has says nothing of the next one's."""
    room, (carol, *_) = crowd(hs, alice)
    bob.join(room).ok()
    alice.send(room)
    since = alice.sync(filter=lazy()).since
    host, port = alice.http.host, alice.http.port
    connection = http.client.HTTPConnection(host, port, timeout=seconds(30))

    def ask(user, since):
        query = {"access_token": user.token, "since": since, "filter": json.dumps(lazy(10)), "timeout": 20000}
        connection.request("GET", "/_matrix/client/v3/sync?" + urllib.parse.urlencode(query))

    def waits(user, since, meanwhile):
        ask(user, since)
        time.sleep(0.3)  # mostly it waits by then
        meanwhile()
        answer = json.load(connection.getresponse())
        while "rooms" not in answer:  # who is there, for example
            ask(user, answer["next_batch"])
            answer = json.load(connection.getresponse())
        state = answer["rooms"]["join"][room]["state"]["events"]
        return answer["next_batch"], {event["state_key"] for event in state if event["type"] == "m.room.member"}

    since, told = waits(alice, since, lambda: carol.send(room, "one"))
    assert told == {carol.user_id}
    bobs = bob.sync(filter=room_filter(not_rooms=[room])).since
    since, told = waits(alice, since, lambda: carol.send(room, "two"))
    assert told == set()
    _, told = waits(bob, bobs, lambda: None)
    assert carol.user_id in told
    connection.close()


def test_lazy__redundant_members__left_out_or_few_and_given_when_asked(hs, alice):
    room, users = crowd(hs, alice)
    users[0].send(room, "one")
    answer = alice.sync(filter=lazy())
    assert users[0].user_id in answer.joined(room).members()
    users[0].send(room, "two")
    asked = alice.sync(answer.since, filter=lazy(10, include_redundant_members=True)).joined(room)
    assert users[0].user_id in asked.members()


@pytest.mark.one_process("each process remembers by itself what it has sent a device")
def test_lazy__already_sent_member__not_sent_again(hs, alice):
    """The specification lets servers send redundant members; this one is to leave them out."""
    room, users = crowd(hs, alice)
    users[0].send(room, "one")
    answer = alice.sync(filter=lazy())
    users[0].send(room, "two")
    assert alice.sync(answer.since, filter=lazy(10)).joined(room).members() == set()


def test_lazy__membership_changed_in_the_gap__sent_though_no_sender(hs, alice):
    """sync.yaml: on a limited sync the member events of the gap must be returned."""
    room, users = crowd(hs, alice)
    since = alice.sync(filter=lazy()).since
    users[3].leave(room).ok()
    for number in range(5):
        alice.send(room, str(number))
    part = alice.sync(since, filter=lazy(1)).joined(room)
    assert part.limited
    assert part.keyed()["m.room.member", users[3].user_id]["content"]["membership"] == "leave"


def test_lazy__own_join__own_member_event(hs, alice, bob):
    room, users = crowd(hs, alice)
    since = bob.sync(filter=lazy()).since
    bob.join(room).ok()
    part = bob.sync(since, filter=lazy()).joined(room)
    own = part.members() | {event["state_key"] for event in part.timeline if event["type"] == "m.room.member"}
    assert bob.user_id in own and users[1].user_id not in own


@pytest.mark.peer("sync.yaml: the own member event MUST be there when the full state is requested")
@pytest.mark.parametrize("query", [{}, {"use_state_after": True}], ids=str)
def test_lazy__full_state_since_a_token__members_who_changed_in_the_gap_too(alice, bob, carol, query):
    room = alice.create_room(preset="public_chat")
    for user in (bob, carol):
        user.join(room).ok()
    since = bob.sync(filter=lazy(50)).since
    carol.leave(room).ok()
    for number in range(3):
        alice.send(room, str(number))
    part = bob.sync(since, filter=lazy(1), full_state=True, **query).joined(room)
    assert part.limited
    state = part.keyed("state_after" if query else "state")
    assert state["m.room.member", carol.user_id]["content"]["membership"] == "leave"
    assert ("m.room.create", "") in state and {alice.user_id, bob.user_id} <= {key for _, key in state}


def test_lazy__full_state__senders_and_oneself(hs, alice):
    room, users = crowd(hs, alice)
    since = alice.sync(filter=lazy()).since
    users[1].send(room, "x")
    part = alice.sync(since, filter=lazy(), full_state=True).joined(room)
    assert {alice.user_id, users[1].user_id} <= part.members()
    assert ("m.room.create", "") in part.keyed()


def test_lazy__members_at_token__agrees_with_the_sync(hs, alice):
    room, users = crowd(hs, alice)
    answer = alice.sync(filter=lazy())
    reply = alice.get(path_of("rooms", room, "members"), {"at": answer.since, "membership": "join"}).ok()
    assert {event["state_key"] for event in reply["chunk"]} == {alice.user_id, *(u.user_id for u in users)}
