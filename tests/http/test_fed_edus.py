"""EDUs of other servers.  Spec: server-server API, "EDUs", "Device Management", "Send-to-Device messaging"."""
import pytest

from support.client import receipts_of, typing_of, unique
from support.keys import *  # noqa: F401,F403
from support.shared_room import SharedRoom


@pytest.fixture
def shared(federated, remote):
    return SharedRoom(federated, remote)


def edu(kind, **content):
    return {"edu_type": "m." + kind, "content": content}


def typing(shared, user=None, value=True):
    return edu("typing", room_id=shared.room_id, user_id=user or shared.room.creator, typing=value)


def receipt(shared, event, user=None, **data):
    return {"edu_type": "m.receipt", "content": {shared.room_id: {"m.read": {user or shared.room.creator: {
        "event_ids": [getattr(event, "event_id", event)], "data": {"ts": 1700000000000, **data}}}}}}


def presence(user, state="online", **more):
    return edu("presence", push=[{"user_id": user, "presence": state, "last_active_ago": 5, **more}])


def to_device(sender, messages, kind="m.test", message_id=None):
    return edu("direct_to_device", sender=sender, type=kind, message_id=message_id or unique("m"), messages=messages)


def messages_of(answer):
    return answer.get("to_device", {}).get("events", [])


def presences_of(answer):
    return {event["sender"]: event["content"] for event in answer.get("presence", {}).get("events", [])}


def send(shared, *edus):
    shared.remote.transaction(shared.server, edus=list(edus)).ok()


# -- typing

def test_typing__begins_and_ends__shown(shared):
    send(shared, typing(shared))
    shared.watch.until(lambda answer: typing_of(answer.joined(shared.room_id)) == [shared.room.creator])
    send(shared, typing(shared, value=False))
    shared.watch.until(lambda answer: typing_of(answer.joined(shared.room_id)) == [])


def test_typing__not_joined_or_of_others__left_out(shared, make_remote):
    stranger = make_remote()
    stranger.transaction(shared.server, edus=[typing(shared)]).ok()
    send(shared, typing(shared, "@nobody:" + shared.remote.name), typing(shared, shared.user.user_id),
         edu("typing", room_id="!unknown:x", user_id=shared.room.creator, typing=True),
         edu("typing", room_id=7, user_id=[], typing="yes"), edu("typing"))
    send(shared, presence(shared.room.creator))
    seen = []

    def until_presence(answer):
        seen.append(typing_of(answer.joined(shared.room_id)))
        return presences_of(answer)
    shared.watch.until(until_presence)
    assert set(seen) == {None}


# -- receipts

def test_receipt__of_a_joined_user__shown_with_its_time(shared):
    event = shared.sentinel()[-1]["event_id"]
    send(shared, receipt(shared, event))
    answer, found = shared.watch.until(lambda answer: receipts_of(answer.joined(shared.room_id)))
    assert found == {(event, "m.read", shared.room.creator): {"ts": 1700000000000}}


def test_receipt__in_a_thread__shown_there(shared):
    event = shared.sentinel()[-1]["event_id"]
    send(shared, receipt(shared, event, thread_id="main"))
    answer, found = shared.watch.until(lambda answer: receipts_of(answer.joined(shared.room_id)))
    assert found[event, "m.read", shared.room.creator]["thread_id"] == "main"


def test_receipt__before_its_event__comes_with_it(shared):
    event = shared.room.message("later")
    send(shared, receipt(shared, event))
    shared.deliver(event)
    shared.watch.until(lambda answer: receipts_of(answer.joined(shared.room_id)), limit=60)


def test_sec_5_17__receipt_of_a_user_of_another_server__left_out(shared, make_remote):
    event = shared.sentinel()[-1]["event_id"]
    make_remote().transaction(shared.server, edus=[receipt(shared, event)]).ok()
    send(shared, receipt(shared, event, shared.user.user_id), receipt(shared, event, "@nobody:" + shared.remote.name),
         {"edu_type": "m.receipt", "content": {shared.room_id: {
             "m.read.private": {shared.room.creator: {"event_ids": [event], "data": {"ts": 1}}}}}},
         {"edu_type": "m.receipt", "content": {shared.room_id: {"m.read": {shared.room.creator: {
             "event_ids": [event, event], "data": {"ts": 1}}}}}},
         {"edu_type": "m.receipt", "content": {shared.room_id: [], "!x:y": {"m.read": 7}}})
    send(shared, presence(shared.room.creator))
    shared.watch.until(presences_of)
    assert receipts_of(shared.user.sync().joined(shared.room_id)) == {}


# -- presence

def test_presence__of_who_shares_a_room__shown(shared):
    send(shared, presence(shared.room.creator, status_msg="here", currently_active=True))
    answer, found = shared.watch.until(presences_of)
    content = found[shared.room.creator]
    assert content["presence"] == "online" and content["status_msg"] == "here" and content["currently_active"] is True
    assert content["last_active_ago"] >= 5
    asked = shared.user.get("/presence/%s/status" % shared.room.creator).ok()
    assert asked["presence"] == "online"
    send(shared, presence(shared.room.creator, "unavailable"))
    shared.watch.until(lambda answer: presences_of(answer).get(shared.room.creator, {}).get("presence") == "unavailable")


def test_presence__of_others_or_malformed__left_out(shared, make_remote):
    outsider = shared.server.user()
    watch = outsider.watch()
    stranger = make_remote()
    stranger.transaction(shared.server, edus=[presence(shared.room.creator)]).ok()
    send(shared, presence("@nobody:" + shared.remote.name), presence(shared.user.user_id, "offline"),
         edu("presence", push={}), edu("presence", push=[7, {}, {"user_id": shared.room.creator, "presence": "asleep"}]))
    send(shared, presence(shared.room.creator, "unavailable"))
    answer, found = shared.watch.until(presences_of)
    assert set(found) <= {shared.room.creator, shared.user.user_id}
    assert found[shared.room.creator]["presence"] == "unavailable"
    assert presences_of(watch.next()) == {} or shared.room.creator not in presences_of(outsider.sync())


# -- messages to devices

def test_to_device__one_device_and_all__delivered_once(shared):
    user, sender = shared.user, shared.room.creator
    other = user.login()
    watch = other.watch()
    send(shared, to_device(sender, {user.user_id: {user.device_id: {"n": 1}, "*": {"n": 2}}}, "m.room.encrypted"))
    answer, found = shared.watch.until(messages_of)
    assert found == [{"content": {"n": 1}, "sender": sender, "type": "m.room.encrypted"}]
    answer, found = watch.until(messages_of)
    assert [event["content"] for event in found] == [{"n": 2}]


def test_to_device__same_message_id_again__once(shared):
    user, sender = shared.user, shared.room.creator
    for n in (1, 1, 2):
        send(shared, to_device(sender, {user.user_id: {"*": {"n": n}}}, message_id="same" if n == 1 else None))
    got = []

    def until_two(answer):
        got.extend(event["content"]["n"] for event in messages_of(answer))
        return 2 in got
    shared.watch.until(until_two)
    assert got == [1, 2]


def test_to_device__sender_of_another_server_or_malformed__left_out(shared, make_remote):
    user, sender = shared.user, shared.room.creator
    to_user = {user.user_id: {"*": {"n": 1}}}
    make_remote().transaction(shared.server, edus=[to_device(sender, to_user)]).ok()
    send(shared, to_device(user.user_id, to_user), to_device(sender, {}), to_device(sender, {"nobody": {"*": {}}}),
         to_device(sender, {user.user_id: {"*": 7}}), to_device(sender, {user.user_id: []}),
         to_device(sender, {"@nobody:" + shared.server.server_name: {"*": {}}, "@x:" + shared.remote.name: {"*": {}}}),
         edu("direct_to_device", sender=sender, messages=to_user), edu("direct_to_device"))
    send(shared, to_device(sender, {user.user_id: {"*": {"n": 2}}}))
    answer, found = shared.watch.until(messages_of)
    assert [event["content"]["n"] for event in found] == [2]


def test_to_device__killed_after_the_answer__still_delivered(make_federated, remote):
    server = make_federated().start()
    shared = SharedRoom(server, remote)
    send(shared, *[to_device(shared.room.creator, {shared.user.user_id: {"*": {"n": n}}}) for n in range(100)])
    server.kill()
    server.start()
    shared.user.http.drop()
    got = []

    def until_all(answer):
        got.extend(event["content"]["n"] for event in messages_of(answer))
        return len(got) >= 100
    shared.watch.until(until_all, limit=60)
    assert got == list(range(100))


# -- the rest

def test_edus__unknown_types_and_traps__do_no_harm(shared):
    deep = {}
    for _ in range(500):
        deep = {"d": deep}
    send(shared, {"edu_type": "m.unknown", "content": {}}, {"edu_type": 7}, {}, {"edu_type": "m.typing", "content": []},
         {"edu_type": "m.presence", "content": deep}, edu("receipt", **{"\x00": {"m.read": {"\x00": 1}}}))
    send(shared, typing(shared))
    shared.watch.until(lambda answer: typing_of(answer.joined(shared.room_id)) == [shared.room.creator])
