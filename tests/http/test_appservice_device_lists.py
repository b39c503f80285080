"""Whose keys matter to an application service that encrypts: `device_lists` in transactions, as /sync tells its users.
Spec: MSC3202; client-server API, "Tracking the device list for a user"."""
import json

import pytest

from support.appservice import AppService
from support.client import unique
from support.keys import Device
from support.server import FederatedServer
from support.shared_room import SharedRoom

FAST = {"appservices.retry_first": "20ms", "appservices.retry_longest": "50ms"}
PART = "org.matrix.msc3202.device_lists"


@pytest.fixture(scope="module")
def server(authority):
    server = FederatedServer(authority=authority, settings=FAST).start()
    yield server
    server.destroy()


class Scene:
    """A service that takes device lists, with two users; alice and ben, who share nothing with them yet."""

    def __init__(self, server):
        name = unique("_d").replace("-", "_")
        self.service = AppService(users=[("@%s.*" % name, False)], **{"org.matrix.msc3202": True}).register(server)
        self.alice, self.ben = server.user(), server.user()
        self.lin, self.mei = server.user(name + "lin"), server.user(name + "mei")

    def lists(self):
        """Of each transaction that has some."""
        bodies = {ask.path: json.loads(ask.body) for ask in list(self.service.asks) if "/transactions/" in ask.path}
        return [body[PART] for body in bodies.values() if PART in body]

    def named(self, key):
        return {user for lists in self.lists() for user in lists[key]}

    def left(self):
        """Those of this test that have left; the server has others, of tests before."""
        return self.named("left") & {user.user_id for user in (self.alice, self.ben, self.lin, self.mei)}

    def until(self, key, *users):
        wanted = {user.user_id for user in users}
        with self.service.heard:
            assert self.service.heard.wait_for(lambda: wanted <= self.named(key), 200), (key, wanted, self.lists())

    def settle(self):
        """All that happened until now was told."""
        room_id = self.lin.create_room()
        self.service.until_event(self.lin.send(room_id, "sentinel"))

    def forget(self):
        self.settle()
        self.service.asks.clear()


@pytest.fixture
def scene(server):
    scene = Scene(server)
    yield scene
    scene.service.stop()


def room_of(*users):
    room_id = users[0].create_room(preset="public_chat")
    for user in users[1:]:
        user.join(room_id).ok()
    return room_id


def test_lists__somebody_comes_and_goes__changed_then_left(scene):
    room_id = room_of(scene.lin)
    scene.alice.join(room_id).ok()
    scene.until("changed", scene.alice)
    assert scene.left() == set()
    scene.alice.leave(room_id).ok()
    scene.until("left", scene.alice)
    scene.forget()
    scene.alice.join(room_id).ok()
    scene.until("changed", scene.alice)
    assert scene.lists()[-1] == {"changed": [scene.alice.user_id], "left": []}


@pytest.mark.parametrize("how", ["kick", "ban"])
def test_lists__somebody_is_sent_away__left(scene, how):
    room_id = room_of(scene.lin, scene.alice)
    getattr(scene.lin, how)(room_id, scene.alice).ok()
    scene.until("left", scene.alice)


def test_lists__user_of_the_service_comes_into_a_room__everybody_in_it_changed(scene):
    room_id = room_of(scene.alice, scene.ben)
    scene.lin.join(room_id).ok()
    scene.until("changed", scene.alice, scene.ben)


def test_lists__last_user_of_the_service_goes__left_but_who_shares_another_room(scene):
    room_of(scene.mei, scene.ben)
    room_id = room_of(scene.alice, scene.ben, scene.lin, scene.mei)
    scene.lin.leave(room_id).ok()
    scene.settle()
    assert scene.left() == set()
    scene.mei.leave(room_id).ok()
    scene.until("left", scene.alice)
    scene.settle()
    assert scene.left() == {scene.alice.user_id}


def test_lists__somebody_goes_and_shares_another_room__not_left(scene):
    room_id = room_of(scene.lin, scene.alice)
    other = room_of(scene.mei, scene.alice)
    scene.alice.leave(room_id).ok()
    scene.settle()
    assert scene.left() == set()
    scene.alice.leave(other).ok()
    scene.until("left", scene.alice)


def test_lists__invited_or_renamed__nobody_is_told(scene):
    room_id = room_of(scene.lin, scene.alice)
    scene.forget()
    scene.lin.invite(room_id, scene.ben).ok()
    scene.alice.put("/profile/%s/displayname" % scene.alice.user_id, {"displayname": "Alice"}).ok()
    scene.ben.leave(room_id).ok()
    scene.settle()
    assert scene.named("changed") | scene.named("left") <= {scene.lin.user_id}


def test_lists__keys_change_before_and_after_leaving__only_before(scene):
    room_id = room_of(scene.lin, scene.alice)
    scene.forget()
    Device(scene.alice).upload()
    scene.until("changed", scene.alice)
    scene.alice.leave(room_id).ok()
    scene.until("left", scene.alice)
    scene.forget()
    Device(scene.alice).upload()
    scene.settle()
    assert scene.alice.user_id not in scene.named("changed")


def test_lists__room_of_another_server__its_users_too(server, scene, remote):
    shared = SharedRoom(server, remote)
    scene.lin.join(shared.room_id).ok()
    scene.settle()
    assert shared.room.creator in scene.named("changed")
    guest = "@guest:" + remote.name
    joined = shared.room.join(guest)
    shared.deliver(joined)
    scene.settle()
    assert guest in scene.named("changed") and guest not in scene.named("left")
    shared.deliver(shared.room.send("m.room.member", {"membership": "leave"}, guest, sender=guest, prev=[joined]))
    scene.settle()
    assert guest in scene.named("left") and shared.room.creator not in scene.named("left")
    scene.lin.leave(shared.room_id).ok()
    scene.settle()
    assert scene.named("left") >= {guest, shared.room.creator}


def test_lists__many_rooms_at_once__all_told(scene):
    rooms = [room_of(scene.alice if number % 2 else scene.ben) for number in range(4)]
    scene.service.stop()
    for room_id in rooms:
        scene.lin.join(room_id).ok()
    scene.lin.leave(rooms[0]).ok()
    scene.service.listen()
    scene.until("changed", scene.alice, scene.ben)
    scene.settle()
    assert scene.left() == set()


def test_interest__counted_for_two_of_a_rooms_users_at_once__right_all_the_same(server, scene):
    """The room's first news after a start is a message to devices of two of its users."""
    name = unique("_c").replace("-", "_")
    service = AppService(users=[("@%s.*" % name, False)], receive_ephemeral=True).register(server)
    member = server.user(name)
    room_id = room_of(scene.alice, scene.ben, member)
    service.until_told(lambda event: event.get("state_key") == member.user_id)
    server.kill()
    server.start()
    scene.alice.put("/sendToDevice/m.test/" + unique("t"), {"messages": {
        user.user_id: {user.device_id: {}} for user in (scene.alice, scene.ben, member)}}).ok()
    service.until_told(lambda item: item["to_user_id"] == member.user_id, part="de.sorunome.msc2409.to_device")
    member.leave(room_id).ok()
    after = scene.alice.send(room_id, "nobody listens")
    on = member.send(member.create_room(), "on")
    service.until_event(on)
    assert after not in service.ids()
    service.stop()
