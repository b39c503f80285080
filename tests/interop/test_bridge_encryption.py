"""A bridge that encrypts: mautrix-python's cryptography (libolm) runs a puppet of an application service, which talks with matrix-nio in an
encrypted room. All that it knows of keys comes by transactions (MSC4203, MSC3202), and it acts as a device that it made itself (MSC4190)."""
import asyncio
import json
import time

import nio
import pytest
from mautrix.api import HTTPAPI
from mautrix.appservice import AppService
from mautrix.appservice.state_store import FileASStateStore
from mautrix.client import Client
from mautrix.crypto import MemoryCryptoStore, OlmMachine, StateStore
from mautrix.types import EventType, TextMessageEventContent
from test_encryption import Session, good

from support.client import Client as OurClient
from support.client import seconds, unique
from support.server import Server, free_port, wait_until


@pytest.fixture(scope="module")
def server():
    server = Server().start()
    yield server
    server.destroy()


class Rooms(StateStore):
    """What the machine wants to know of rooms: here all are encrypted."""

    def __init__(self):
        self.known = set()

    async def is_encrypted(self, room_id):
        return True

    async def get_encryption_info(self, room_id):
        return None

    async def find_shared_rooms(self, user_id):
        return list(self.known)


class Bridge:
    def __init__(self, server, folder):
        self.server, self.port, self.name = server, free_port(), unique("mxe").replace("-", "_")
        self.registration = {
            "id": self.name, "url": "http://127.0.0.1:%d" % self.port, "as_token": unique("as-token"),
            "hs_token": unique("hs-token"), "sender_localpart": self.name + "_bot", "receive_ephemeral": True,
            "de.sorunome.msc2409.push_ephemeral": True, "org.matrix.msc3202": True, "io.element.msc4190": True,
            "rate_limited": False, "namespaces": {"users": [{
                "regex": "@%s_.*:%s" % (self.name, server.server_name), "exclusive": True}], "aliases": [], "rooms": []}}
        path = folder / "registration.yaml"
        path.write_text(json.dumps(self.registration))
        done = server.run("appservice", "add", str(path))
        assert done.returncode == 0, done.stderr
        token = self.registration["as_token"]
        wait_until(lambda: OurClient(server.url, token).get("/account/whoami").status == 200, 20, "the service is known")
        self.az = AppService(
            server.url, server.server_name, token, self.registration["hs_token"], self.registration["sender_localpart"],
            self.name, ephemeral_events=True, encryption_events=True,
            state_store=FileASStateStore(path=str(folder / "state.json"), binary=False))
        self.az.matrix_event_handler(self.take)
        self.read, self.changed, self.left, self.counts = {}, [], [], []
        self.news = asyncio.Condition()
        self.lin = "@%s_lin:%s" % (self.name, server.server_name)

    async def start(self):
        await self.az.start("127.0.0.1", self.port)
        await self.az.intent.user(self.lin).ensure_registered()
        self.client = Client(mxid=self.lin, api=HTTPAPI(
            self.server.url, self.registration["as_token"], as_user_id=self.lin, client_session=self.az.http_session))
        await self.client.create_device_msc4190("", "bridge")
        self.machine = OlmMachine(self.client, MemoryCryptoStore("lin", "pickle"), Rooms())
        await self.machine.crypto_store.put_device_id(self.client.device_id)
        await self.machine.load()
        await self.machine.share_keys()
        self.az.to_device_handler = self.machine.handle_as_to_device_event
        self.az.device_list_handler = self.take_lists
        self.az.otk_handler = self.take_counts

    async def told(self):
        async with self.news:
            self.news.notify_all()

    async def take(self, event):
        if event.type == EventType.ROOM_ENCRYPTED and event.sender != self.lin:
            self.read[event.event_id] = (await self.machine.decrypt_megolm_event(event)).content.body
        elif event.type == EventType.ROOM_MEMBER:
            await self.machine.handle_member_event(event)
        await self.told()

    async def take_lists(self, lists):
        self.changed += lists.changed
        self.left += lists.left
        await self.machine.handle_device_lists(lists)
        await self.told()

    async def take_counts(self, counts):
        self.counts.append(counts[self.lin][self.client.device_id].signed_curve25519)
        await self.machine.handle_as_otk_counts(counts)
        await self.told()

    async def until(self, condition, what):
        async with self.news:
            try:
                await asyncio.wait_for(self.news.wait_for(condition), seconds(20))
            except asyncio.TimeoutError:
                raise AssertionError("the bridge: did not come: %s; changed %s, left %s, read %s" % (
                    what, self.changed, self.left, self.read)) from None

    async def knows(self, user_id, device_id):
        """Waits until it has the keys of the device."""
        deadline = time.monotonic() + seconds(30)
        while device_id not in (await self.machine.crypto_store.get_devices(user_id) or {}):
            assert time.monotonic() < deadline, "the bridge never knew " + device_id
            await asyncio.sleep(0.05)

    async def say(self, room_id, members, body):
        """As bridges do: whoever is in the room gets the key first, if it is new."""
        if not await self.machine.crypto_store.get_outbound_group_session(room_id):
            await self.machine.share_group_session(room_id, members)
        content = await self.machine.encrypt_megolm_event(room_id, EventType.ROOM_MESSAGE, TextMessageEventContent(
            msgtype="m.text", body=body))
        return await self.client.send_message_event(room_id, EventType.ROOM_ENCRYPTED, content)


async def conversation(server, folder):
    bridge, ann_name = Bridge(server, folder), unique("ann")
    ann, late = Session(server.url, ann_name, folder / "ann"), None
    await bridge.start()
    try:
        # a person invites the puppet into an encrypted room
        good(await ann.client.register(ann_name, "ann's words"), nio.RegisterResponse)
        await ann.sync()
        room = good(await ann.client.room_create(initial_state=[nio.EnableEncryptionBuilder().as_dict()],
                                                 invite=[bridge.lin]), nio.RoomCreateResponse).room_id
        await bridge.client.join_room_by_id(room)
        await bridge.until(lambda: ann.client.user_id in bridge.changed, "whose keys matter now")
        await ann.until(lambda: room in ann.client.rooms and ann.client.rooms[room].encrypted and
                        ann.client.rooms[room].member_count == 2, "the encrypted room of two")

        # both ways
        said = await ann.say(room, "can you read this?")
        await bridge.until(lambda: said in bridge.read, "a message")
        assert bridge.read[said] == "can you read this?"
        await bridge.until(lambda: any(count < 50 for count in bridge.counts), "how many keys are left")
        answer = await bridge.say(room, [ann.client.user_id], "yes, and you?")
        await ann.until(lambda: answer in ann.read, "the answer")
        assert ann.read[answer] == ("yes, and you?", True)

        # a new device of the person's gets what is said from then on
        bridge.changed.clear()
        late = Session(server.url, ann.client.user_id, folder / "late")
        good(await late.client.login("ann's words"), nio.LoginResponse)
        await late.sync()
        await bridge.until(lambda: ann.client.user_id in bridge.changed, "the new device")
        await bridge.knows(ann.client.user_id, late.client.device_id)  # the login is told of, too, before there are keys
        await bridge.machine.crypto_store.remove_outbound_group_session(room)
        answer = await bridge.say(room, [ann.client.user_id], "to both devices")
        for session in (ann, late):
            await session.until(lambda session=session: answer in session.read, "a message on both devices")
        said = await late.say(room, "from the new one")
        await bridge.until(lambda: said in bridge.read, "a message of the new device")

        # nobody is left
        good(await ann.client.room_leave(room), nio.RoomLeaveResponse)
        await bridge.until(lambda: ann.client.user_id in bridge.left, "whose keys matter no more")
    finally:
        await bridge.az.stop()
        for session in (ann, late):
            if session is not None:
                await session.client.close()


@pytest.mark.timeout(300)
def test_bridge__puppet_with_a_device_in_an_encrypted_room__reads_and_is_read(server, tmp_path):
    asyncio.run(conversation(server, tmp_path))
