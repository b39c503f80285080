"""EDUs of other servers.  Spec: server-server API, "EDUs", "Device Management", "Send-to-Device messaging"."""
import time

import pytest

from support.client import receipts_of, seconds, typing_of, unique
from support.keys import Device, SigningKey
from support.processes import wait_until
from support.shared_room import Hold, SharedRoom


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


def until_presence_of(shared, user):
    """The presence that somebody is shown with next. One's own is shown too, whenever it changes."""
    return shared.watch.until(lambda answer: presences_of(answer).get(user))[1]


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
        return presences_of(answer).get(shared.room.creator)
    shared.watch.until(until_presence)
    assert set(seen) == {None}


# -- receipts

def test_receipt__of_a_joined_user__shown_with_its_time(shared):
    event = shared.sentinel()[-1]["event_id"]
    send(shared, receipt(shared, event))
    answer, found = shared.watch.until(lambda answer: receipts_of(answer.joined(shared.room_id)))
    assert found == {(event, "m.read", shared.room.creator): {"ts": 1700000000000}}


@pytest.mark.parametrize("ts", [2 ** 53 - 1, 0, "now", None])
def test_receipt__of_a_time_that_cannot_be__shown_with_that_of_its_coming(shared, ts):
    event, begun = shared.sentinel()[-1]["event_id"], int(time.time() * 1000)
    send(shared, receipt(shared, event, ts=ts))
    _, found = shared.watch.until(lambda answer: receipts_of(answer.joined(shared.room_id)))
    assert begun <= found[event, "m.read", shared.room.creator]["ts"] <= int(time.time() * 1000)


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
    until_presence_of(shared, shared.room.creator)
    assert receipts_of(shared.user.sync().joined(shared.room_id)) == {}


# -- presence

def test_presence__of_who_shares_a_room__shown(shared):
    send(shared, presence(shared.room.creator, status_msg="here", currently_active=True))
    content = until_presence_of(shared, shared.room.creator)
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
    answer, found = shared.watch.until(lambda answer: presences_of(answer).get(shared.room.creator))
    assert set(presences_of(answer)) <= {shared.room.creator, shared.user.user_id}
    assert found["presence"] == "unavailable"
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


# -- device lists

class FarDevices:
    """Devices of a remote user, and the remote's answers about them."""

    def __init__(self, shared, user_id=None):
        self.shared, self.remote = shared, shared.remote
        self.user_id = user_id or shared.room.creator
        self.stream, self.keys, self.cross = 1, {}, {}
        self.remote.on("GET", r"/_matrix/federation/v1/user/devices/" + self.user_id, lambda ask: (200, self.list()))
        self.remote.on("POST", r"/_matrix/federation/v1/user/keys/query", lambda ask: (200, {"device_keys": {
            self.user_id: {device_id: {**keys, **({"unsigned": {"device_display_name": name}} if name else {})}
                           for device_id, (keys, name) in self.keys.items()}}}))

    def make(self, device_id, name=None):
        self.device_id = device_id
        keys = Device(self).identity()
        self.keys[device_id] = (keys, name)
        return keys

    def list(self):
        devices = [{"device_id": device_id, "keys": keys, **({"device_display_name": name} if name else {})}
                   for device_id, (keys, name) in self.keys.items()]
        return {"user_id": self.user_id, "stream_id": self.stream, "devices": devices, **self.cross}

    def update(self, device_id, prev=None, **more):
        """The EDU for the newest keys of a device."""
        prev = [self.stream] if prev is None else prev
        self.stream += 1
        content = {"user_id": self.user_id, "device_id": device_id, "stream_id": self.stream, "prev_id": prev}
        if device_id in self.keys:
            content["keys"], content["device_display_name"] = self.keys[device_id]
        content.update(more)
        return {"edu_type": "m.device_list_update",
                "content": {key: value for key, value in content.items() if value is not None}}

    def asked(self, word="user/devices"):
        return len([ask for ask in self.remote.asked if word in ask.path])

    def query(self, devices=()):
        return self.shared.user.post("/keys/query", {"device_keys": {self.user_id: list(devices)}}).ok()

    def known(self, devices=()):
        """What our user is told of the devices."""
        answer = self.query(devices)
        assert answer["failures"] == {}, answer
        return answer["device_keys"].get(self.user_id, {})


def changed(answer):
    return answer.get("device_lists", {}).get("changed", [])


def until_changed(shared, user_id):
    shared.watch.until(lambda answer: user_id in changed(answer))


@pytest.fixture
def far(shared):
    return FarDevices(shared)


def test_device_list__first_asked_then_known__not_asked_again(shared, far):
    keys = far.make("ONE", "My phone")
    assert far.known()["ONE"] == {**keys, "unsigned": {"device_display_name": "My phone"}}
    assert set(far.known()) == set(far.known(["ONE"])) == {"ONE"} and far.known(["OTHER"]) == {}
    assert far.asked() == 1 and far.asked("keys/query") == 1


def test_device_list__updates_in_order__applied_without_asking(shared, far):
    far.make("ONE")
    far.known()
    two = far.make("TWO", "Laptop")
    send(shared, far.update("TWO"))
    until_changed(shared, far.user_id)
    assert set(far.known()) == {"ONE", "TWO"} and far.known()["TWO"]["keys"] == two["keys"]
    del far.keys["ONE"]
    send(shared, far.update("ONE", deleted=True))
    until_changed(shared, far.user_id)
    assert set(far.known()) == {"TWO"}
    assert far.asked() == 1 and far.asked("keys/query") == 1


@pytest.mark.parametrize("prev", [[], [999], None])
def test_device_list__update_missed__whole_list_fetched(shared, far, prev):
    far.make("ONE")
    far.known()
    far.make("TWO")
    far.update("TWO")  # nobody hears of it
    far.make("THREE")
    send(shared, far.update("THREE", prev))
    until_changed(shared, far.user_id)
    assert set(far.known()) == {"ONE", "TWO", "THREE"}
    del far.keys["ONE"]
    send(shared, far.update("ONE", deleted=True))
    # That the list had changed may be told twice of the update before: when it was missed, and when it was fetched.
    wait_until(lambda: set(far.known()) == {"TWO", "THREE"}, 10, "the device is gone")
    assert far.asked() <= 3  # by the update; and by the query, if it came before the answer


def test_device_list__fetch_fails__asked_when_somebody_wants_it(shared, far):
    far.make("ONE")
    far.known()
    usual = list(shared.remote.handlers)
    shared.remote.on("GET", r"/_matrix/federation/v1/user/devices/.*", lambda ask: (500, {}))
    far.make("TWO")
    far.update("TWO")
    far.make("THREE")
    send(shared, far.update("THREE"))
    until_changed(shared, far.user_id)
    wait_until(lambda: far.asked() == 2, what="the fetch that fails")
    shared.remote.handlers[:] = usual

    def may_be_asked():
        """Once the server is heard after that failure, which may be noted behind what it says."""
        shared.sentinel()
        return far.query()["failures"] == {}
    wait_until(may_be_asked, what="the keys being asked for")
    assert set(far.known()) == {"ONE", "TWO", "THREE"}


def test_device_list__old_update_again__changes_nothing(shared, far):
    far.make("ONE")
    old = far.update("ONE")
    far.known()
    new = far.make("ONE", "new keys")
    send(shared, far.update("ONE"))
    until_changed(shared, far.user_id)
    send(shared, old)
    send(shared, typing(shared))
    shared.watch.until(lambda answer: typing_of(answer.joined(shared.room_id)))
    assert far.known()["ONE"]["keys"] == new["keys"] and far.asked() <= 3  # whether the server counts anew, only itself can tell


def test_device_list__late_update_that_the_list_had__not_asked_again(shared, far):
    """The devices of who has just come into the room are announced; somebody may have asked for them before."""
    far.make("ONE", "My phone")
    gone, first = far.update("GONE", deleted=True), far.update("ONE")
    far.make("TWO")
    second = far.update("TWO")
    far.known()
    send(shared, gone, first, second, second, typing(shared))
    shared.watch.until(lambda answer: typing_of(answer.joined(shared.room_id)))
    assert set(far.known()) == {"ONE", "TWO"} and far.asked() == 1


def test_device_list__server_put_back_to_an_earlier_time__followed(shared, far):
    """"If a server receives an EDU which refers to a prev_id it does not recognise, it must resynchronise its list"."""
    far.make("ONE")
    far.stream = 1000
    far.known()
    far.stream = 10
    two = far.make("TWO")
    send(shared, far.update("TWO"))
    until_changed(shared, far.user_id)
    assert set(far.known()) == {"ONE", "TWO"} and far.known()["TWO"]["keys"] == two["keys"]
    del far.keys["ONE"]
    send(shared, far.update("ONE", deleted=True))
    wait_until(lambda: set(far.known()) == {"TWO"}, 10, "the device is gone")
    assert far.asked() <= 3  # by the update; and by the query, if it came before the answer


def test_device_list__false_keys__not_handed_on(shared, far):
    keys = far.make("ONE")
    far.known()
    far.keys["ONE"] = ({**keys, "device_id": "OTHER"}, None)
    send(shared, far.update("ONE"))
    until_changed(shared, far.user_id)
    assert far.known() == {}
    mallory = far.make("TWO")
    mallory["keys"]["ed25519:TWO"] = SigningKey("TWO").public
    send(shared, far.update("TWO"))
    until_changed(shared, far.user_id)
    assert far.known() == {}


def test_device_list__of_others_or_malformed__left_out(shared, far, make_remote):
    far.make("ONE")
    far.known()
    update = far.update("ONE", device_display_name="forged")
    make_remote().transaction(shared.server, edus=[update]).ok()
    send(shared, edu("device_list_update"), edu("device_list_update", user_id=shared.user.user_id, device_id="X", stream_id=5),
         edu("device_list_update", user_id=far.user_id, device_id="\x00", stream_id=50),
         edu("device_list_update", user_id=far.user_id, device_id="X" * 300, stream_id=50),
         edu("device_list_update", user_id=far.user_id, device_id="X", stream_id="50"),
         edu("device_list_update", user_id="@nobody:" + shared.remote.name, device_id="X", stream_id=50))
    seen = []

    def until_typing(answer):
        seen.extend(changed(answer))
        return typing_of(answer.joined(shared.room_id))
    send(shared, typing(shared))
    shared.watch.until(until_typing)
    assert seen == [] and set(far.known()) == {"ONE"} and "unsigned" not in far.known()["ONE"]


def test_device_list__nobody_shares_a_room__not_kept(federated, remote, shared):
    stranger = FarDevices(shared, "@stranger:" + remote.name)
    stranger.make("ONE")
    assert set(stranger.known()) == {"ONE"} == set(stranger.known())
    assert stranger.asked() == 0 and stranger.asked("keys/query") == 2


def test_device_list__killed_after_the_answer__still_told(make_federated, remote):
    server = make_federated().start()
    shared = SharedRoom(server, remote)
    far = FarDevices(shared)
    far.make("ONE")
    far.known()
    far.make("TWO")
    send(shared, far.update("TWO"))
    server.kill()
    server.start()
    shared.user.http.drop()
    until_changed(shared, far.user_id)
    assert set(far.known()) == {"ONE", "TWO"}


def test_signing_keys__changed__told_and_kept(shared, far):
    far.make("ONE")
    far.known()
    master, self_signing, forger = SigningKey(), SigningKey(), SigningKey()

    def key(usage, key, signer=None):
        value = {"user_id": far.user_id, "usage": [usage], "keys": {key.id: key.public}}
        return (signer or key).over(value, far.user_id)
    send(shared, edu("signing_key_update", user_id=far.user_id, master_key=key("master", master),
                     self_signing_key=key("self_signing", self_signing, master)))
    until_changed(shared, far.user_id)
    answer = shared.user.post("/keys/query", {"device_keys": {far.user_id: []}}).ok()
    assert answer["master_keys"][far.user_id]["keys"] == {master.id: master.public}
    assert answer["self_signing_keys"][far.user_id]["keys"] == {self_signing.id: self_signing.public}
    # One that its master key has not signed is none.
    send(shared, edu("signing_key_update", user_id=far.user_id, self_signing_key=key("self_signing", forger)))
    until_changed(shared, far.user_id)
    answer = shared.user.post("/keys/query", {"device_keys": {far.user_id: []}}).ok()
    assert far.user_id in answer["master_keys"] and far.user_id not in answer.get("self_signing_keys", {})
    assert far.asked() == 1


@pytest.mark.tsan
def test_device_list__fetch_hangs__other_servers_edus_go_on(shared, far, federated, make_remote):
    other = SharedRoom(federated, make_remote(), user=shared.user)
    other.watch = shared.watch
    far.make("ONE")
    far.known()
    hold = Hold(shared.remote, "GET", r"/_matrix/federation/v1/user/devices/.*")
    far.make("TWO")
    send(shared, far.update("TWO", prev=[999]))
    assert hold.waiting.wait(seconds(30))
    send(other, typing(other))
    shared.watch.until(lambda answer: typing_of(answer.joined(other.room_id)) == [other.room.creator])
    hold.release()


# -- the rest

@pytest.mark.parametrize("localpart", ["", "two words", "ümlaut"])
def test_edus__of_non_compliant_users__left_out(shared, localpart):
    """Historical user ids with other characters are taken in events, but not handed on outside them.  Spec: appendices."""
    strange = "@%s:%s" % (localpart, shared.remote.name)
    join = shared.room.join(strange)
    shared.deliver(join)
    assert ("m.room.member", strange) in shared.user.state(shared.room_id)
    send(shared, typing(shared, strange), presence(strange), receipt(shared, join, strange),
         to_device(strange, {shared.user.user_id: {"*": {"n": 1}}}))
    send(shared, typing(shared), presence(shared.room.creator), receipt(shared, join),
         to_device(shared.room.creator, {shared.user.user_id: {"*": {"n": 2}}}))
    answer, found = shared.watch.until(messages_of)
    assert [event["content"]["n"] for event in found] == [2]
    first = shared.user.login().sync()
    assert strange not in presences_of(first)
    assert {user for event, kind, user in receipts_of(first.joined(shared.room_id))} == {shared.room.creator}
    assert typing_of(first.joined(shared.room_id)) == [shared.room.creator]


def test_edus__of_a_server_about_a_user_of_another__left_out(shared, far, make_remote):
    """Presence and cross-signing keys; what comes behind them in the same transaction is seen."""
    stranger, room, master = make_remote(), shared.room, SigningKey()
    guest = "@guest:" + stranger.name
    shared.deliver(room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, guest, guest), stranger)))
    far.make("ONE")
    far.known()
    send(shared, presence(far.user_id, "unavailable"))
    until_presence_of(shared, far.user_id)
    key = master.over({"user_id": far.user_id, "usage": ["master"], "keys": {master.id: master.public}}, far.user_id)
    stranger.transaction(shared.server, edus=[presence(far.user_id), edu("signing_key_update", user_id=far.user_id, master_key=key),
                                              typing(shared, guest)]).ok()
    shared.watch.until(lambda answer: typing_of(answer.joined(shared.room_id)) == [guest])
    answer = shared.user.post("/keys/query", {"device_keys": {far.user_id: []}}).ok()
    assert far.user_id not in answer.get("master_keys", {})
    assert presences_of(shared.user.login().sync())[far.user_id]["presence"] == "unavailable"


def test_edus__refused__done_with_and_not_tried_again(shared):
    """What a user who is not in the room may not do, comes to nothing whenever it is tried."""
    event, nobody = shared.sentinel()[-1], "@nobody:" + shared.remote.name
    send(shared, typing(shared, nobody), receipt(shared, event["event_id"], nobody))
    waiting = "SELECT count(*) FROM inbox WHERE origin = '%s'" % shared.remote.name
    wait_until(lambda: int(shared.server.sql(waiting)) == 0, what="nothing of it waits")


def test_edus__unknown_types_and_traps__do_no_harm(shared):
    deep = {}
    for _ in range(500):
        deep = {"d": deep}
    send(shared, {"edu_type": "m.unknown", "content": {}}, {"edu_type": 7}, {}, {"edu_type": "m.typing", "content": []},
         {"edu_type": "m.presence", "content": deep}, edu("receipt", **{"\x00": {"m.read": {"\x00": 1}}}))
    send(shared, typing(shared))
    shared.watch.until(lambda answer: typing_of(answer.joined(shared.room_id)) == [shared.room.creator])
