"""Two processes of one server: what is in no database (typing, presence), or is kept in memory as well (sessions, counts of keys, nonces,
rooms that were forgotten), and who waits at one for what comes by way of the other.

What is said at one process is there at the other when the request has been answered: no test here waits for it.
"""
import concurrent.futures
import glob
import itertools
import os
import time

import pytest

from support import accounts
from support.client import Client, path_of, seconds, typing_of, unique
from support.keys import Device, claim
from support.server import wait_until
from support.twins import at, twins, waiting


@pytest.fixture(scope="module")
def pair():
    with twins({"presence.idle_after": "60s", "presence.offline_after": "60s"}) as servers:
        yield servers


@pytest.fixture
def people(pair):
    """Alice on the first, Bob on the second process, in a room of both; both have synced."""
    alice = accounts.register(pair[0].url)
    bob = accounts.register(pair[1].url)
    room = alice.create_room(invite=[bob.user_id])
    bob.join(room).ok()
    alice.sync()
    bob.sync()
    return alice, bob, room


def typists(answer, room):
    return typing_of(answer.joined(room)) if room in answer.get("rooms", {}).get("join", {}) else None


# -- typing

def test_typing__at_one__shown_by_the_other_at_once(people):
    alice, bob, room = people
    for one, other in ((alice, bob), (bob, alice)):
        since = other.sync().since
        one.typing(room).ok()
        answer = other.sync(since)
        assert typists(answer, room) == [one.user_id]
        assert typists(other.sync(), room) == [one.user_id]
        one.typing(room, False).ok()
        assert typists(other.sync(answer.since), room) == []


def test_typing__at_one_stopped_at_the_other__over_at_both(pair, people):
    alice, bob, room = people
    since = bob.sync().since
    alice.typing(room).ok()
    at(pair[1], alice).typing(room, False).ok()
    for reader in (bob, at(pair[0], bob)):
        assert typists(reader.sync(since), room) in ([], None)
        assert typists(reader.sync(), room) in ([], None)


def test_typing__reader_changes_processes__each_change_told_once(pair, people):
    alice, bob, room = people
    writers = itertools.cycle((alice, at(pair[1], alice)))
    readers = (at(pair[0], bob), at(pair[0], bob), bob, bob)
    since = bob.sync().since
    for number in range(24):
        is_typing = number % 2 == 0
        next(writers).typing(room, is_typing).ok()
        answer = readers[number % 4].sync(since)
        assert typists(answer, room) == ([alice.user_id] if is_typing else [])
        for reader in readers:
            again = reader.sync(answer.since)
            assert typists(again, room) is None
            answer = again
        since = answer.since


def test_typing__times_out__over_at_both(pair, people):
    alice, bob, room = people
    watches = [reader.watch() for reader in (bob, at(pair[0], bob))]
    alice.typing(room, timeout=1000).ok()
    for watch in watches:
        watch.until(lambda answer: typists(answer, room) == [], limit=20)


# -- presence

def status(client, other):
    return client.get(path_of("presence", other.user_id, "status")).ok()


def put_status(client, presence, **more):
    client.put(path_of("presence", client.user_id, "status"), {"presence": presence, **more}).ok()


def told(answer, user):
    found = [event["content"] for event in answer.get("presence", {}).get("events", []) if event["sender"] == user.user_id]
    return found[-1] if found else None


def test_presence__set_at_one__shown_by_the_other_at_once(pair, people):
    alice, bob, _ = people
    for number, (one, other) in enumerate(((alice, bob), (bob, alice), (at(pair[1], alice), at(pair[0], bob)))):
        watch = other.watch()
        words = "unavailable" if number % 2 else "online"
        put_status(one, words, status_msg="number %d" % number)
        seen = status(other, one)
        assert (seen["presence"], seen["status_msg"]) == (words, "number %d" % number)
        watch.until(lambda answer, one=one, number=number:
                    told(answer, one) is not None and told(answer, one).get("status_msg") == "number %d" % number)


def test_presence__sync_at_one__online_at_the_other(pair, people):
    alice, bob, _ = people
    for words in ("unavailable", "online", "offline", "unavailable"):
        alice.sync(set_presence=words)
        assert status(bob, alice)["presence"] == words
        at(pair[1], alice).sync(set_presence=words)
        assert status(at(pair[0], bob), alice)["presence"] == words


def test_presence__new_name_at_one__told_with_the_others_next_sync(pair, people):
    """The member event with it puts away there what is known of the user."""
    alice, bob, _ = people
    for number, (one, other) in enumerate(((alice, bob), (bob, alice), (at(pair[1], alice), at(pair[0], bob)))):
        since, name = other.sync().since, "Number %d" % number
        one.put(path_of("profile", one.user_id, "displayname"), {"displayname": name}).ok()
        assert told(other.sync(since), one)["displayname"] == name


def test_presence__who_waits_at_the_other__woken(people):
    alice, bob, _ = people
    watch = bob.watch()
    alice.sync(set_presence="unavailable")
    watch.until(lambda answer: told(answer, alice) is not None and told(answer, alice)["presence"] == "unavailable")


def test_presence__user_who_is_at_one_only__shown_to_the_others_sync(pair):
    """Which rooms a user shares is known of those who are active: the other process makes them so, at once for who asks then."""
    alice = accounts.register(pair[0].url)
    bob = accounts.register(pair[1].url)
    room = bob.create_room(invite=[alice.user_id])
    alice.join(room).ok()
    bob.sync()
    watch = bob.watch()
    alice.sync(set_presence="unavailable")
    assert told(bob.sync(), alice)["presence"] == "unavailable"
    watch.until(lambda answer: told(answer, alice) is not None and told(answer, alice)["presence"] == "unavailable")


# -- sessions

def is_refused(user):
    return user.get("/account/whoami").status == 401


@pytest.mark.tsan
def test_session__ended_at_one__refused_by_the_other_at_once(pair):
    for _ in range(5):
        alice = accounts.register(pair[0].url)
        there = at(pair[1], alice)
        there.get("/account/whoami").ok()
        alice.post("/logout", {}).ok()
        assert is_refused(there)


def test_session__device_deleted_or_password_changed_at_one__refused_by_the_other(pair):
    alice = accounts.register(pair[0].url)
    nobody = Client(pair[1].url)
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": alice.user_id}, "password": alice.password}
    phone = nobody.post("/login", body, token=False).ok()
    laptop = nobody.post("/login", body, token=False).ok()
    auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": alice.user_id}, "password": alice.password}
    sessions = [Client(pair[1].url, reply["access_token"], alice.user_id, reply["device_id"]) for reply in (phone, laptop)]
    for session in sessions:
        session.get("/account/whoami").ok()
    session_id = alice.delete(path_of("devices", phone["device_id"]), {}).expect(401)["session"]
    alice.delete(path_of("devices", phone["device_id"]), {"auth": {**auth, "session": session_id}}).ok()
    assert is_refused(sessions[0])
    sessions[1].get("/account/whoami").ok()
    session_id = alice.post("/account/password", {"new_password": "another one"}).expect(401)["session"]
    alice.post("/account/password", {"new_password": "another one", "auth": {**auth, "session": session_id}}).ok()
    assert is_refused(sessions[1])


def test_account__suspended_or_locked_at_one__holds_at_the_other(pair, people):
    alice, bob, room = people
    boss = accounts.register_by_secret(pair[0].url, pair[0].secret, admin=True)
    bob.send(room, "still may")
    path = path_of("admin", "suspend", bob.user_id)
    boss.put("/_matrix/client/v1" + path, {"suspended": True}).ok()
    bob.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "no"}).expect(403, "M_USER_SUSPENDED")
    boss.put("/_matrix/client/v1" + path, {"suspended": False}).ok()
    bob.send(room, "may again")
    boss.put("/_matrix/client/v1" + path_of("admin", "lock", bob.user_id), {"locked": True}).ok()
    bob.get("/account/whoami").expect(401, "M_USER_LOCKED")


def test_nonce__of_one__good_at_the_other_and_once(pair):
    body = accounts.shared_secret_body(pair[0].url, pair[0].secret, unique("s"), "pw words")
    Client(pair[1].url).post("/_synapse/admin/v1/register", body, token=False).ok()
    again = Client(pair[0].url).post("/_synapse/admin/v1/register", body, token=False).expect(400)
    assert again["errcode"] != "M_USER_IN_USE"


# -- keys

def count_left(answer):
    return answer["device_one_time_keys_count"]["signed_curve25519"]


@pytest.mark.parametrize("end", ["logout", "logout/all"])
def test_keys__of_a_device_that_ended_at_one__none_shown_by_the_other(pair, people, end):
    """Its name is taken by another device."""
    alice, _, _ = people
    device = alice.login()
    Device(device).upload(keys=3)
    assert count_left(at(pair[1], device).sync()) == 3
    device.post("/" + end).ok()
    assert count_left(at(pair[1], alice).login(device_id=device.device_id).sync()) == 0


def test_keys__claimed_at_one__fewer_shown_by_the_other_at_once(pair, people):
    alice, bob, _ = people
    device = Device(alice)
    device.upload(keys=3, fallback=True)
    for number, (owner, claimer) in enumerate(((alice, bob), (at(pair[1], alice), at(pair[0], bob)), (alice, bob)), 1):
        assert claim(claimer, device)
        assert count_left(owner.sync()) == 3 - number
        assert count_left(at(pair[1], alice).sync()) == 3 - number
    assert "signed_curve25519" in alice.sync()["device_unused_fallback_key_types"]
    assert claim(bob, device)
    assert "signed_curve25519" not in alice.sync()["device_unused_fallback_key_types"]
    at(pair[1], alice).post("/keys/upload", {"one_time_keys": device.one_time(2)}).ok()
    assert count_left(alice.sync()) == 2


# -- rooms that were forgotten

INCLUDE_LEAVE = {"room": {"include_leave": True}}


def test_forget__at_one__left_out_by_the_other_at_once(pair, people):
    alice, bob, room = people
    there = at(pair[0], bob)
    second = alice.create_room(invite=[bob.user_id])
    bob.join(second).ok()
    for left, one, other in ((room, bob, there), (second, there, bob)):
        one.leave(left).ok()
        for reader in (one, other):
            assert left in reader.sync(filter=INCLUDE_LEAVE)["rooms"]["leave"]
        one.forget(left).ok()
        for reader in (one, other):
            assert left not in reader.sync(filter=INCLUDE_LEAVE).get("rooms", {}).get("leave", {})


def test_forget__who_waits_at_the_other__still_woken_by_what_is_not_stored(pair, people):
    """The list of rooms is read anew; somebody who types publishes nothing that would wake who waited before."""
    alice, bob, room = people
    old = bob.create_room()
    bob.leave(old).ok()
    since = bob.sync().since
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiter = pool.submit(bob.sync, since, 600000, {"presence": {"not_types": ["*"]}})  # presence would be an answer
        wait_until(lambda: waiting(pair[1]) == 1, what="the waiting sync")
        at(pair[0], bob).forget(old).ok()
        alice.typing(room).ok()
        assert typists(waiter.result(), room) == [alice.user_id]


# -- users who are erased

def test_erased__at_one__hidden_by_the_other_at_once(pair, people):
    _, bob, _ = people
    reader = accounts.register(pair[1].url)
    room = bob.create_room(preset="public_chat")
    bob.set_state(room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    for _ in range(5):
        author = accounts.register(pair[0].url)
        author.join(room).ok()
        event = author.send(room, "a secret")
        assert reader.event(room, event)["content"]["body"] == "a secret"
        author.uia("POST", "/account/deactivate", {"erase": True}).ok()
        assert reader.event(room, event).ok()["content"] == {}
        assert bob.event(room, event)["content"]["body"] == "a secret"


# -- files

def test_upload__by_way_of_one__told_to_who_waits_at_the_other(pair, people):
    alice, bob, _ = people
    for one, other, server in ((alice, bob, pair[1]), (bob, alice, pair[0])):
        name = one.post("/_matrix/media/v1/create").ok()["content_uri"][len("mxc://"):]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            began = time.monotonic()
            waiter = pool.submit(other.get, "/_matrix/client/v1/media/download/" + name, {"timeout_ms": 60000}, timeout=seconds(90))
            wait_until(lambda server=server: waiting(server) == 1, what="the waiting download")
            one.request("PUT", "/_matrix/media/v3/upload/" + name, raw=b"late", headers={"Content-Type": "text/plain"}).ok()
            assert waiter.result().ok().raw == b"late"
        assert time.monotonic() - began < 60  # it did not look when its time was over


def test_upload__under_way_when_another_process_starts__is_kept(pair):
    """The store is common. Who starts removes what it had not finished, and what others, who are gone, left long ago."""
    folders = glob.glob(os.path.join(pair[0].data, "media", "incoming", "*"))
    assert len(folders) == 2  # one for each
    for folder in folders:
        for name, age in (("fresh", 60), ("left", 2 * 3600)):
            path = os.path.join(folder, name)
            with open(path, "wb"):
                pass
            os.utime(path, (time.time() - age,) * 2)
    pair[1].terminate()
    pair[1].start()
    assert sorted(os.listdir(folder) for folder in folders) == [[], ["fresh"]]
