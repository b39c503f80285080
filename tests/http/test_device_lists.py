"""device_lists of /sync and /keys/changes: whose keys changed, who came, who left."""
import threading

import pytest

from support.keys import Device, Person, query


class Lists:
    """Follows /sync and gathers device_lists."""

    def __init__(self, client):
        self.client, self.watch = client, client.watch()
        self.start = self.watch.since

    def next(self):
        """(changed, left) of everything so far, and the same by /keys/changes."""
        before = self.watch.since
        answer = self.watch.next()
        lists = answer["device_lists"]
        by_changes = self.client.get("/keys/changes", {"from": before, "to": answer.since}).ok().json
        assert sorted(by_changes["changed"]) == sorted(lists["changed"]), "/keys/changes differs"
        assert sorted(by_changes["left"]) == sorted(lists["left"]), "/keys/changes differs"
        assert len(set(lists["changed"])) == len(lists["changed"])
        return set(lists["changed"]), set(lists["left"])


def test_lists__new_device_of_who_shares_a_room__changed(alice, bob, carol, shared):
    lists, others, own = Lists(bob), Lists(carol), Lists(alice)
    Device(alice).upload()
    assert lists.next() == ({alice.user_id}, set())
    assert lists.next() == (set(), set())
    assert own.next() == ({alice.user_id}, set())
    assert others.next() == (set(), set())


def test_lists__own_devices__each_hears_of_the_other(alice):
    tablet = alice.login()
    lists = Lists(tablet)
    Device(alice).upload()
    assert lists.next() == ({alice.user_id}, set())


def test_lists__same_keys_again_or_one_time_keys__nothing(alice, bob, shared):
    device = Device(alice)
    body = device.upload()
    lists = Lists(bob)
    alice.post("/keys/upload", body).ok()
    device.upload(keys=3, fallback=True, identity=False)
    assert lists.next() == (set(), set())


def test_lists__parked_sync__woken(alice, bob, shared):
    watch = bob.watch()
    found = []
    thread = threading.Thread(target=lambda: found.append(watch.next(timeout=20000)))
    thread.start()
    Device(alice).upload()
    thread.join()
    assert found[0]["device_lists"]["changed"] == [alice.user_id]


@pytest.mark.parametrize("end", ["delete", "logout", "logout_all", "rename", "password", "deactivate"])
def test_lists__device_ends_or_is_renamed__changed(alice, bob, shared, end):
    device = Device(alice)
    device.upload()
    tablet = alice.login()
    lists = Lists(bob)
    if end == "delete":
        tablet.uia("DELETE", "/devices/" + alice.device_id).ok()
    elif end == "logout":
        alice.post("/logout").ok()
    elif end == "logout_all":
        tablet.post("/logout/all").ok()
    elif end == "rename":
        tablet.put("/devices/" + alice.device_id, {"display_name": "Kitchen"}).ok()
    elif end == "password":
        tablet.uia("POST", "/account/password", {"new_password": "quite another one"}).ok()
    else:
        tablet.uia("POST", "/account/deactivate", {}).ok()
    changed, left = lists.next()
    if end == "deactivate":  # out of all rooms too
        assert left == {alice.user_id}
    else:
        assert (changed, left) == ({alice.user_id}, set())
    found = query(bob, alice.user_id)["device_keys"][alice.user_id]
    assert set(found) == ({alice.device_id} if end == "rename" else set())


def test_lists__device_without_keys_ends__nothing(alice, bob, shared):
    tablet = alice.login()
    lists = Lists(bob)
    tablet.post("/logout").ok()
    assert lists.next() == (set(), set())


def test_lists__somebody_joins__changed(alice, bob, room):
    lists = Lists(alice)
    alice.invite(room, bob).ok()
    assert lists.next() == (set(), set())
    bob.join(room).ok()
    assert lists.next() == ({bob.user_id}, set())


def test_lists__profile_changes__nothing(alice, bob, shared):
    lists = Lists(bob)
    alice.put("/profile/%s/displayname" % alice.user_id, {"displayname": "Al"}).ok()
    assert lists.next() == (set(), set())


def test_lists__oneself_joins__everybody_there_changed(alice, bob, carol, shared):
    lists = Lists(carol)
    alice.invite(shared, carol).ok()
    carol.join(shared).ok()
    assert lists.next() == ({alice.user_id, bob.user_id, carol.user_id}, set())


def test_lists__last_common_room_left_by_the_other__left(alice, bob, shared):
    lists = Lists(bob)
    alice.leave(shared).ok()
    assert lists.next() == (set(), {alice.user_id})
    Device(alice).upload()
    assert lists.next() == (set(), set())


def test_lists__last_common_room_left_by_oneself__left(alice, bob, shared):
    lists = Lists(bob)
    bob.leave(shared).ok()
    assert lists.next() == (set(), {alice.user_id})


def test_lists__kicked__left_on_both_sides(alice, bob, shared):
    lists, others = Lists(bob), Lists(alice)
    alice.kick(shared, bob).ok()
    assert lists.next() == (set(), {alice.user_id})
    assert others.next() == (set(), {bob.user_id})


def test_lists__another_common_room_is_left__nothing(alice, bob, shared):
    second = alice.create_room(invite=[bob.user_id])
    bob.join(second).ok()
    lists, own = Lists(bob), Lists(alice)
    alice.leave(second).ok()
    assert lists.next() == (set(), set())
    assert own.next() == (set(), set())


def test_lists__left_and_came_back_between_two_syncs__changed(alice, bob):
    room = alice.create_room(preset="public_chat")
    bob.join(room).ok()
    lists, own = Lists(alice), Lists(bob)
    bob.leave(room).ok()
    Device(bob).upload()
    bob.join(room).ok()
    assert lists.next() == ({bob.user_id}, set())
    changed, left = own.next()
    assert changed >= {alice.user_id} and left == set()


def test_lists__came_and_left_between_two_syncs__not_changed(alice, bob):
    room = alice.create_room(preset="public_chat")
    lists = Lists(alice)
    bob.join(room).ok()
    bob.leave(room).ok()
    changed, left = lists.next()
    assert changed == set() and left <= {bob.user_id}


def test_lists__new_room_of_two__each_hears_of_the_other(alice, bob):
    lists, others = Lists(alice), Lists(bob)
    room = alice.create_room(invite=[bob.user_id])
    assert lists.next()[1] == set()
    bob.join(room).ok()
    assert lists.next() == ({bob.user_id}, set())
    assert others.next() == ({alice.user_id, bob.user_id}, set())


def test_lists__invite_refused__nothing(alice, bob, room):
    lists, others = Lists(alice), Lists(bob)
    alice.invite(room, bob).ok()
    bob.leave(room).ok()
    assert lists.next() == (set(), set())
    assert others.next() == (set(), set())


def test_lists__busy_room_and_filters__still_told(alice, bob, room):
    lists = Lists(alice)
    lists.watch.filter = {"room": {"timeline": {"types": ["m.none"]}, "state": {"types": ["m.none"]}}}
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    for number in range(60):
        alice.send(room, "line %d" % number)
    assert lists.next() == ({bob.user_id}, set())


def test_lists__server_started_anew__nothing_lost(make_server):
    from support import accounts
    server = make_server().start()
    alice, bob = accounts.register(server.url), accounts.register(server.url)
    room = alice.create_room(invite=[bob.user_id])
    bob.join(room).ok()
    lists = Lists(bob)
    Device(alice).upload()
    server.kill()
    server.start()
    assert lists.next() == ({alice.user_id}, set())
    assert lists.next() == (set(), set())
    Device(alice.login()).upload()
    assert lists.next() == ({alice.user_id}, set())


def test_lists__signature_for_its_maker_alone__others_hear_nothing_after_a_restart_either(make_server):
    from support import accounts
    server = make_server().start()
    alice, bob, carol = (accounts.register(server.url) for _ in range(3))
    room = alice.create_room(invite=[bob.user_id, carol.user_id])
    bob.join(room).ok(), carol.join(room).ok()
    person, maker = Person(alice).upload(), Person(carol).upload()
    bobs, carols = Lists(bob), Lists(carol)
    signed = maker.user_signing.over(person.body()["master_key"], carol.user_id)
    carol.post("/keys/signatures/upload", {alice.user_id: {person.master.public: signed}}).ok()
    server.kill()
    server.start()
    assert carols.next() == ({alice.user_id}, set())
    assert bobs.next() == (set(), set())


def test_lists__device_ended_by_the_command_line__changed(make_server):
    from support import accounts
    server = make_server().start()
    alice, bob = accounts.register(server.url), accounts.register(server.url)
    room = alice.create_room(invite=[bob.user_id])
    bob.join(room).ok()
    Device(alice).upload()
    watch = bob.watch()
    done = server.run("user", "password", alice.user_id, input="another password\n")
    assert done.returncode == 0, done
    watch.until(lambda answer: alice.user_id in answer["device_lists"]["changed"], limit=20)
    assert query(bob, alice.user_id)["device_keys"] == {alice.user_id: {}}


@pytest.mark.parametrize("query_", [{}, {"from": "s0_0"}, {"to": "s0_0"}, {"from": "x", "to": "s0_0"},
                                    {"from": "s0_0", "to": "s99999999_0"}])
def test_changes__tokens_missing_or_wrong__400(alice, query_):
    alice.get("/keys/changes", query_).expect(400)
