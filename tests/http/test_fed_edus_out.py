"""EDUs to other servers: typing, receipts, presence, messages to devices, changes of keys.  Spec: server-server API,
"EDUs"; "Typing Notifications", "Receipts", "Presence", "Send-to-device messaging", "Device Management"."""
import contextlib
import threading
import time

import pytest

from support.client import path_of, unique
from support.database import Cluster, HeldTable
from support.handshake import Guest
from support.inbox import Inbox, federated_on, let_in
from support.keys import Device, Person
from support.server import wait_until


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as one:
        yield one


@pytest.fixture(scope="module")
def server(authority, cluster):
    from support.server import FederatedServer
    made = []

    def make(**more):
        made.append(FederatedServer(authority=authority, **more))
        return made[-1]
    yield federated_on(cluster, make)
    made[0].destroy()


@pytest.fixture
def inbox(remote):
    return Inbox(remote)


@pytest.fixture
def place(server, remote):
    """A user and a room with the remote server in it."""
    alice = server.user()
    room = alice.create_room(preset="public_chat")
    let_in(server, room, remote.name)
    return alice, room


def send_to_device(client, messages, txn=None, kind="m.test"):
    return client.put(path_of("sendToDevice", kind, txn or unique("t")), {"messages": messages}).ok()


@contextlib.contextmanager
def coming_in(server, remote, room):
    """A user of the remote joins, and the block runs while the outbox cannot note that its server is in the room: gives the thread that
    waits for the answer."""
    guest = Guest(remote, server, room)
    event = guest.sign(guest.make("join", "@zoe:" + remote.name))
    thread = threading.Thread(target=guest.hand_in, args=("join", event))
    with HeldTable(server.database, "server_stays") as held:
        thread.start()
        wait_until(held.is_waited_for, what="the outbox has seen the join")
        yield thread
    thread.join()


# -- typing

def test_typing__begins_and_ends__told_in_order(place, inbox):
    alice, room = place
    alice.typing(room)
    inbox.until(lambda i: len(i.edus("m.typing")) == 1)
    alice.typing(room, False)
    inbox.until(lambda i: len(i.edus("m.typing")) == 2)
    common = {"room_id": room, "user_id": alice.user_id}
    assert inbox.edus("m.typing") == [{**common, "typing": True}, {**common, "typing": False}]


def test_typing__runs_out__told(place, inbox):
    alice, room = place
    alice.typing(room, timeout=100)
    inbox.until(lambda i: [e["typing"] for e in i.edus("m.typing")][-1:] == [False])  # the news takes the place of what was not sent yet


def test_typing__room_without_the_server__not_told(place, inbox):
    alice, room = place
    alice.typing(alice.create_room())
    alice.typing(room)
    inbox.until(lambda i: i.edus("m.typing"))
    assert [e["room_id"] for e in inbox.edus("m.typing")] == [room]


@pytest.mark.tsan
def test_typing__right_after_another_server_came__told(server, remote, inbox):
    """Whose join has been answered, is known to be there: what is of the moment is kept for nobody."""
    alice = server.user()
    room = alice.create_room(preset="public_chat")
    with coming_in(server, remote, room) as answered:
        answered.join(0.3)
        assert answered.is_alive(), "answered before its server counts as one in the room"
    alice.typing(room)
    inbox.until(lambda i: i.edus("m.typing"))


# -- receipts

def test_receipts__public_and_in_threads__told_private_ones_not(place, inbox, server):
    alice, room = place
    bob = server.user()
    bob.join(room)
    first, second = alice.send(room), alice.send(room)
    inbox.until(lambda i: len(i.bodies()) == 2)
    bob.receipt(room, first, "m.read.private")
    bob.receipt(room, first)
    bob.receipt(room, second, thread_id="main")

    def told(box):
        return {(user, told["event_ids"][0], told["data"].get("thread_id"))
                for edu in box.edus("m.receipt") for kind, users in edu.get(room, {}).items()
                for user, told in users.items() if kind == "m.read" and told["data"]["ts"] > 0}
    inbox.until(lambda i: len(told(i)) == 2)
    assert told(inbox) == {(bob.user_id, first, None), (bob.user_id, second, "main")}
    assert all(set(kinds) == {"m.read"} for edu in inbox.edus("m.receipt") for kinds in edu.values())


# -- presence

def test_presence__set__told_to_servers_that_share_a_room(place, inbox, server):
    alice, _ = place
    stranger = server.user()
    for user in (stranger, alice):
        user.put(path_of("presence", user.user_id, "status"),
                 {"presence": "unavailable", "status_msg": "at lunch"}).ok()

    def told(box):
        return [push for edu in box.edus("m.presence") for push in edu["push"]]
    inbox.until(lambda i: any(p.get("status_msg") == "at lunch" for p in told(i)))
    assert {p["user_id"] for p in told(inbox)} == {alice.user_id}
    assert told(inbox)[-1]["presence"] == "unavailable"


def test_presence__user_who_has_not_acted_yet__told_since_when_all_the_same(place, inbox, server):
    """`last_active_ago` is required in an EDU; a client that is left alone says "unavailable" when it comes back to a server."""
    _, room = place
    bob = server.user()
    bob.join(room)
    bob.sync(filter={"room": {"rooms": []}}, set_presence="unavailable")  # what let_in() writes is no whole event

    def told(box):
        return [push for edu in box.edus("m.presence") for push in edu["push"] if push["user_id"] == bob.user_id]
    inbox.until(told)
    assert all(push["presence"] == "unavailable" and push["last_active_ago"] > 0 for push in told(inbox))


# -- down

def test_moment__destination_is_down__dropped_and_messages_to_devices_kept(place, inbox, remote):
    alice, room = place
    inbox.refuse = lambda ask: (500, {})
    alice.send(room, "hello")
    inbox.until(lambda i: i.transactions)
    inbox.until(lambda i: len(i.transactions) >= 2)
    alice.typing(room)
    send_to_device(alice, {"@bob:" + remote.name: {"D": {"n": 1}}})
    inbox.refuse = None
    inbox.until(lambda i: i.edus("m.direct_to_device"))
    alice.typing(room, False)
    inbox.until(lambda i: i.edus("m.typing"))
    assert [e["typing"] for e in inbox.edus("m.typing")] == [False]


# -- messages to devices

def test_to_device__sent_and_repeated__arrives_once(server, remote, inbox):
    """Also where no room is shared."""
    alice = server.user()
    bob = "@bob:" + remote.name
    txn = unique("t")
    send_to_device(alice, {bob: {"D1": {"n": 1}, "*": {"n": 2}}}, txn)
    send_to_device(alice, {bob: {"D1": {"n": 1}, "*": {"n": 2}}}, txn)
    inbox.until(lambda i: i.edus("m.direct_to_device"))
    send_to_device(alice, {bob: {"D1": {"n": 3}}})
    inbox.until(lambda i: len({e["message_id"] for e in i.edus("m.direct_to_device")}) == 2)
    sent = {e["message_id"]: e for e in inbox.edus("m.direct_to_device")}
    first, second = sent.values()
    assert first["sender"] == alice.user_id and first["type"] == "m.test"
    assert first["messages"] == {bob: {"D1": {"n": 1}, "*": {"n": 2}}}
    assert second["messages"] == {bob: {"D1": {"n": 3}}}
    assert all(len(name) <= 32 for name in sent)


@pytest.mark.tsan
def test_to_device__many_while_it_is_down__in_order_at_most_a_hundred_a_transaction(server, remote, inbox):
    alice = server.user()
    bob = "@bob:" + remote.name
    inbox.refuse = lambda ask: (500, {})
    for n in range(130):
        send_to_device(alice, {bob: {"D": {"n": n}}})
    inbox.until(lambda i: i.transactions)
    inbox.transactions.clear()
    inbox.refuse = None
    inbox.until(lambda i: len({e["message_id"] for e in i.edus("m.direct_to_device")}) == 130)
    seen = [e["messages"][bob]["D"]["n"] for e in inbox.edus("m.direct_to_device")]
    assert sorted(set(seen), key=seen.index) == list(range(130))
    assert max(len(ask.json["edus"]) for ask in inbox.transactions) <= 100


def test_to_device__server_killed_before_it_was_sent__arrives_after_the_start(server, remote, inbox):
    alice = server.user()
    inbox.refuse = lambda ask: (500, {})
    send_to_device(alice, {"@bob:" + remote.name: {"D": {"n": 7}}})
    inbox.until(lambda i: i.transactions)
    server.kill()
    txn = inbox.transactions[0].match.group(1)
    inbox.transactions.clear()
    inbox.refuse = None
    server.start()
    inbox.until(lambda i: i.edus("m.direct_to_device"))
    assert inbox.edus("m.direct_to_device")[0]["messages"]["@bob:" + remote.name] == {"D": {"n": 7}}
    assert inbox.transactions[0].match.group(1) == txn
    wait_until(lambda: server.sql("SELECT count(*) FROM outbox_edus WHERE server = '%s'" % remote.name) == "0",
               what="nothing waits")


def test_to_device__far_too_many_for_a_server_that_is_away__the_oldest_go_and_the_log_says_so(server, remote, inbox):
    alice = server.user()
    bob = "@bob:" + remote.name
    inbox.refuse = lambda ask: (500, {})
    send_to_device(alice, {bob: {"D": {"n": 0}}})
    inbox.until(lambda i: i.transactions)
    server.sql("INSERT INTO outbox_edus (server, key, edu_type, content) SELECT '%s', 'old ' || n, 'm.direct_to_device', "
               "'{}' FROM generate_series(1, 10000) n" % remote.name)
    line = "outbox.edus_dropped server=" + remote.name
    for n in range(1, 3000):  # one in 64 looks how many there are
        send_to_device(alice, {bob: {"D": {"n": n}}})
        if line in server.log():
            break
    assert line in server.log()
    kept = int(server.sql("SELECT count(*) FROM outbox_edus WHERE server = '%s'" % remote.name))
    assert 10000 <= kept < 10100
    assert server.sql("SELECT max(edu_id) = (SELECT edu_id FROM outbox_edus WHERE content LIKE '%%\"n\": %d}%%') "
                      "FROM outbox_edus" % n) == "t"


# -- keys

def updates(box, user):
    return [e for e in box.edus("m.device_list_update") if e["user_id"] == user.user_id]


def await_keys_looked_at(server):
    """Changes of keys until now are told to nobody who comes later."""
    passed = "SELECT position >= (SELECT position FROM stream_head) FROM consumers WHERE name = 'outbox_devices'"
    wait_until(lambda: server.sql(passed) == "t", what="who looks for changed keys has seen all")


def list_of(server, remote, user):
    """What the server answers about all devices of a user."""
    return remote.send(server, "GET", "/_matrix/federation/v1/user/devices/" + user.user_id.replace("@", "%40")
                       .replace(":", "%3A")).ok()


def test_device_list__devices_come_and_go__a_chain_of_updates(place, inbox, server, remote):
    alice, _ = place
    first = Device(alice)
    first.upload()
    inbox.until(lambda i: len(updates(i, alice)) == 1)
    tablet = alice.login()
    Device(tablet).upload()
    inbox.until(lambda i: len(updates(i, alice)) == 2)
    tablet.post("/logout").ok()
    inbox.until(lambda i: len(updates(i, alice)) == 3)
    one, two, three = updates(inbox, alice)
    assert one["device_id"] == alice.device_id and one["prev_id"] == [] and "deleted" not in one
    assert one["keys"]["keys"][first.signing.id] == first.signing.public
    assert first.signing.id in one["keys"]["signatures"][alice.user_id]
    assert two["device_id"] == tablet.device_id and two["prev_id"] == [one["stream_id"]]
    assert three["device_id"] == tablet.device_id and three["deleted"] is True and "keys" not in three
    assert three["prev_id"] == [two["stream_id"]]
    assert list_of(server, remote, alice)["stream_id"] == three["stream_id"]


def test_device_list__same_keys_again__not_told(place, inbox):
    alice, room = place
    device = Device(alice)
    identity = device.identity()
    alice.post("/keys/upload", {"device_keys": identity}).ok()
    inbox.until(lambda i: len(updates(i, alice)) == 1)
    alice.post("/keys/upload", {"device_keys": identity}).ok()
    alice.send(room, "after")
    inbox.until(lambda i: "after" in i.bodies())
    assert len(updates(inbox, alice)) == 1


def test_device_list__several_end_at_once__each_told_with_its_own_stream_id(place, inbox, server, remote):
    alice, room = place
    others = [alice.login() for _ in range(3)]
    for client in others:
        Device(client).upload()
    inbox.until(lambda i: len(updates(i, alice)) == 3)
    for _ in range(5):  # positions between, as in life
        alice.send(room)
    alice.uia("POST", "/delete_devices", {"devices": [client.device_id for client in others]}).ok()
    inbox.until(lambda i: len(updates(i, alice)) == 6)
    ended = updates(inbox, alice)[3:]
    assert {e["device_id"] for e in ended} == {client.device_id for client in others}
    assert all(e["deleted"] for e in ended)
    chain = updates(inbox, alice)
    assert all(after["prev_id"] == [before["stream_id"]] for before, after in zip(chain, chain[1:]))
    assert list_of(server, remote, alice)["stream_id"] == chain[-1]["stream_id"]


@pytest.mark.tsan
def test_device_list__changes_while_another_server_comes__told_to_it(server, remote, inbox):
    """Whoever looks for changed keys must not be ahead of who notes which servers are in rooms."""
    alice = server.user()
    room = alice.create_room(preset="public_chat")
    with coming_in(server, remote, room):
        Device(alice).upload()
        passed = ("SELECT c.position >= d.position FROM consumers c, device_list_changes d WHERE c.name = 'outbox_devices' "
                  "AND d.user_id = '%s'" % alice.user_id)
        until = time.monotonic() + 0.5
        while server.sql(passed) != "t" and time.monotonic() < until:
            time.sleep(0.05)
    inbox.until(lambda i: updates(i, alice))


def test_device_list__device_comes_and_goes_unheard__who_fetched_it_meanwhile_is_told(server, remote, inbox):
    alice = server.user()
    let_in(server, alice.create_room(preset="public_chat"), remote.name)
    Device(alice).upload()
    inbox.until(lambda i: updates(i, alice))
    with coming_in(server, remote, alice.create_room(preset="public_chat")):  # nobody looks for changed keys meanwhile
        tablet = alice.login()
        Device(tablet).upload()
        fetched = list_of(server, remote, alice)
        assert tablet.device_id in [device["device_id"] for device in fetched["devices"]]
        alice.uia("DELETE", path_of("devices", tablet.device_id)).ok()
        wait_until(lambda: list_of(server, remote, alice)["stream_id"] > fetched["stream_id"], what="the change has its place")
    inbox.until(lambda i: updates(i, alice)[-1]["stream_id"] > fetched["stream_id"])
    first = [update for update in updates(inbox, alice) if update["stream_id"] >= fetched["stream_id"]][0]
    assert first["stream_id"] > fetched["stream_id"] and first["prev_id"] != [fetched["stream_id"]]


def test_device_list__user_comes_into_a_room_with_a_new_server__told_all_devices(place, inbox, server):
    _, room = place
    bob = server.user()
    devices = [bob, bob.login()]
    for client in devices:
        Device(client).upload()
    await_keys_looked_at(server)
    bob.join(room)
    inbox.until(lambda i: len(updates(i, bob)) == 2)
    one, two = updates(inbox, bob)
    assert {one["device_id"], two["device_id"]} == {client.device_id for client in devices}
    assert one["prev_id"] == [] and two["prev_id"] == [one["stream_id"]]
    Device(bob.login()).upload()
    inbox.until(lambda i: len(updates(i, bob)) >= 3)


def test_device_list__user_whose_devices_have_no_keys_comes__told_without_keys(place, inbox, server):
    """Servers that do not get updates of the user yet begin to when the user joins; `keys` may be absent."""
    _, room = place
    bob = server.user()
    devices = [bob, bob.login()]
    Device(devices[1]).upload()
    await_keys_looked_at(server)
    bob.join(room)
    inbox.until(lambda i: len(updates(i, bob)) == 2)
    told = {e["device_id"]: e for e in updates(inbox, bob)}
    assert "keys" not in told[bob.device_id] and "deleted" not in told[bob.device_id]
    assert told[devices[1].device_id]["keys"]["device_id"] == devices[1].device_id
    Device(bob).upload()
    inbox.until(lambda i: any("keys" in update for update in updates(i, bob) if update["device_id"] == bob.device_id))
    carol = server.user()
    carol.join(room)
    inbox.until(lambda i: updates(i, carol))
    (one,) = updates(inbox, carol)
    assert one == {"user_id": carol.user_id, "device_id": carol.device_id, "stream_id": one["stream_id"], "prev_id": []}


def test_device_list__no_room_shared__not_told(server, remote, inbox, place):
    alice, _ = place
    Device(server.user()).upload()
    Device(alice).upload()
    inbox.until(lambda i: updates(i, alice))
    assert {e["user_id"] for e in inbox.edus("m.device_list_update")} == {alice.user_id}


def test_device_list__destination_down__one_update_with_the_newest_keys(place, inbox, remote, server):
    alice, room = place
    inbox.refuse = lambda ask: (500, {})
    alice.send(room, "down")
    inbox.until(lambda i: len(i.transactions) >= 2)
    tablet = alice.login()
    device = Device(tablet)
    device.upload()
    waits = "SELECT count(*) FROM outbox_edus WHERE server = '%s'" % remote.name
    wait_until(lambda: server.sql(waits) == "1", what="the update waits")
    tablet.post("/logout").ok()
    told = "SELECT count(*) FROM device_list_told WHERE user_id = '%s'" % alice.user_id
    wait_until(lambda: server.sql(told) == "1", what="the end of the device was seen")
    inbox.refuse = None
    inbox.until(lambda i: updates(i, alice))
    (one,) = updates(inbox, alice)
    assert one["device_id"] == tablet.device_id and one["deleted"] is True


def test_cross_signing__uploaded_and_device_signed__keys_and_the_device_told(place, inbox):
    alice, _ = place
    device = Device(alice)
    device.upload()
    inbox.until(lambda i: len(updates(i, alice)) == 1)
    person = Person(alice).upload()
    inbox.until(lambda i: i.edus("m.signing_key_update"))
    (told,) = inbox.edus("m.signing_key_update")
    body = person.body()
    assert told["user_id"] == alice.user_id and "user_signing_key" not in told
    assert told["master_key"]["keys"] == body["master_key"]["keys"]
    assert told["self_signing_key"] == body["self_signing_key"]
    signed = person.self_signing.over(device.keys, alice.user_id)
    alice.post("/keys/signatures/upload", {alice.user_id: {alice.device_id: signed}}).ok()
    inbox.until(lambda i: len(updates(i, alice)) == 2)
    one, two = updates(inbox, alice)
    assert two["prev_id"] == [one["stream_id"]]
    assert person.self_signing.id in two["keys"]["signatures"][alice.user_id]
    assert len(inbox.edus("m.signing_key_update")) == 1
