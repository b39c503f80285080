"""Encrypted rooms with the libraries of others: matrix-js-sdk (encryption.mjs) and matrix-nio."""
import asyncio
import os
import shutil
import subprocess
import time

import nio
import pytest

from support.client import SLOW, seconds, unique

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.mark.timeout(900)
def test_js_sdk__verify_talk_lose_a_device_restore__works(hs):
    node = shutil.which("node")
    assert node, "node is not installed (package nodejs)"
    assert os.path.isdir(os.path.join(HERE, "node_modules", "matrix-js-sdk")), (
        "matrix-js-sdk is not installed: npm ci in tests/interop")
    done = subprocess.run([node, "encryption.mjs", hs.url, str(SLOW)], cwd=HERE, capture_output=True, text=True,
                          timeout=seconds(270), check=False)
    assert done.returncode == 0, "matrix-js-sdk:\n%s\n%s" % (done.stdout[-3000:], done.stderr[-3000:])


class Session:
    """A nio client with keys of its own, kept in a folder."""

    def __init__(self, url, name, folder):
        os.makedirs(folder, exist_ok=True)
        self.client = nio.AsyncClient(url, name, store_path=str(folder), config=nio.AsyncClientConfig(
            request_timeout=seconds(30), encryption_enabled=True, max_timeouts=1, max_limit_exceeded=0))
        self.read, self.unread = {}, []
        self.client.add_event_callback(self._message, nio.RoomMessageText)
        self.client.add_event_callback(lambda room, event: self.unread.append(event.event_id), nio.MegolmEvent)

    def _message(self, room, event):
        self.read[event.event_id] = (event.body, event.decrypted)

    async def sync(self):
        """One sync, and the requests that a client makes after it."""
        answer = await self.client.sync(timeout=500)
        assert isinstance(answer, nio.SyncResponse), answer
        if self.client.should_upload_keys:
            good(await self.client.keys_upload(), nio.KeysUploadResponse)
        if self.client.should_query_keys:
            good(await self.client.keys_query(), nio.KeysQueryResponse)
        for sent in await self.client.send_to_device_messages():
            good(sent, nio.ToDeviceResponse)

    async def until(self, condition, what, limit=30):
        deadline = time.monotonic() + seconds(limit)
        while not condition():
            assert time.monotonic() < deadline, "nio: did not come: %s; unreadable: %s" % (what, self.unread)
            await self.sync()

    async def say(self, room, body):
        return good(await self.client.room_send(room, "m.room.message", {"msgtype": "m.text", "body": body},
                                                ignore_unverified_devices=True), nio.RoomSendResponse).event_id


def good(response, kind):
    assert isinstance(response, kind), "nio: expected %s, got %r" % (kind.__name__, response)
    return response


async def conversation(hs, folder):
    ann_name, ben_name = unique("ann"), unique("ben")
    ann, ben = Session(hs.url, ann_name, folder / "ann"), Session(hs.url, ben_name, folder / "ben")
    late = None
    try:
        good(await ann.client.register(ann_name, "ann's words"), nio.RegisterResponse)
        good(await ben.client.register(ben_name, "ben's words"), nio.RegisterResponse)
        for session in (ann, ben):
            await session.sync()
        room = good(await ann.client.room_create(initial_state=[nio.EnableEncryptionBuilder().as_dict()],
                                                 invite=[ben.client.user_id]), nio.RoomCreateResponse).room_id
        await ben.until(lambda: room in ben.client.invited_rooms, "the invite")
        good(await ben.client.join(room), nio.JoinResponse)
        for session in (ann, ben):
            await session.until(lambda session=session: room in session.client.rooms and
                                session.client.rooms[room].encrypted and session.client.rooms[room].member_count == 2,
                                "the encrypted room of two")

        # talk both ways
        before = set()
        for sender, reader in ((ann, ben), (ben, ann), (ann, ben)):
            body = "from " + sender.client.device_id
            event_id = await sender.say(room, body)
            await reader.until(lambda: event_id in reader.read, "a message")
            assert reader.read[event_id] == (body, True)
            before.add(event_id)
        # a new device of ben's is heard of, and gets what is said from then on
        late = Session(hs.url, ben.client.user_id, folder / "late")
        good(await late.client.login("ben's words"), nio.LoginResponse)
        await late.sync()
        devices = lambda: ann.client.device_store.active_user_devices(ben.client.user_id)
        await ann.until(lambda: late.client.device_id in {device.id for device in devices()}, "the new device")
        event_id = await ann.say(room, "to both devices")
        for session in (ben, late):
            await session.until(lambda session=session: event_id in session.read, "a message on both devices")
            assert session.read[event_id] == ("to both devices", True)

        # one that ends is heard of too
        good(await ben.client.logout(), nio.LogoutResponse)
        await ann.until(lambda: ben.client.device_id not in {device.id for device in devices()}, "the end of the device")
        event_id = await ann.say(room, "to the other one")
        await late.until(lambda: event_id in late.read, "a message on the other device")
        assert late.read[event_id] == ("to the other one", True)
        assert set(late.unread) <= before  # what was said before the device was there
    finally:
        for session in (ann, ben, late):
            if session is not None:
                await session.client.close()


@pytest.mark.timeout(600)
def test_nio__encrypted_conversation__works(hs, tmp_path):
    asyncio.run(conversation(hs, tmp_path))
