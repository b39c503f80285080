"""Encrypted rooms with the libraries of others: matrix-js-sdk (encryption.mjs) and matrix-nio."""
import asyncio
import json
import os
import shutil
import subprocess
import time

import nio
import pytest
import vodozemac
from nio.crypto.key_export import decrypt_and_read, encrypt_and_save

from support.client import SLOW, Client, path_of, seconds, unique

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
        self.read, self.unread = {}, {}
        self.client.add_event_callback(self._message, nio.RoomMessageText)
        self.client.add_event_callback(lambda room, event: self.unread.update({event.event_id: event}), nio.MegolmEvent)

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


    def rest(self):
        """The same session, for what nio has no call for."""
        return Client(self.client.homeserver, self.client.access_token, self.client.user_id)

    def device(self, other):
        """Another session's device, as this one knows it."""
        return self.client.device_store[other.client.user_id].get(other.client.device_id)


def good(response, kind):
    assert isinstance(response, kind), "nio: expected %s, got %r" % (kind.__name__, response)
    return response


async def verify(one, other):
    """Two devices verify each other by emoji."""
    await one.until(lambda: one.device(other), "the other device")
    await other.until(lambda: other.device(one), "the device that begins")
    known = set(one.client.key_verifications)
    good(await one.client.start_key_verification(one.device(other)), nio.ToDeviceResponse)
    name, = set(one.client.key_verifications) - known
    await other.until(lambda: name in other.client.key_verifications, "the start of the verification")
    good(await other.client.accept_key_verification(name), nio.ToDeviceResponse)
    sas = [session.client.key_verifications[name] for session in (one, other)]
    for session in (one, other, one):  # accepted; the keys, both ways
        await session.sync()
    for session, its in zip((one, other), sas):
        await session.until(lambda its=its: its.established_sas, "the other's key")
    assert sas[0].get_emoji() == sas[1].get_emoji()
    for session in (one, other):
        good(await session.client.confirm_short_auth_string(name), nio.ToDeviceResponse)
    for session, its in zip((one, other), sas):
        await session.until(lambda its=its: its.verified, "the other's confirmation")
    assert one.device(other).verified and other.device(one).verified


async def back_up(session, folder):
    """Puts all room keys of a session into a backup at the server; returns the key that opens it."""
    await session.client.export_keys(str(folder / "export"), "x", 1000)
    opener = vodozemac.PkDecryption()
    rest, rooms = session.rest(), {}
    version = rest.post("/room_keys/version", {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {
        "public_key": opener.public_key.to_base64()}}).ok()["version"]
    for key in json.loads(decrypt_and_read(str(folder / "export"), "x")):
        sealed = vodozemac.PkEncryption.from_key(opener.public_key).encrypt(json.dumps(key).encode())
        ephemeral, mac, ciphertext = sealed.to_base64()  # in another order than they are read in
        rooms.setdefault(key["room_id"], {"sessions": {}})["sessions"][key["session_id"]] = {
            "first_message_index": 0, "forwarded_count": 0, "is_verified": True,
            "session_data": {"ciphertext": ciphertext, "mac": mac, "ephemeral": ephemeral}}
    assert rest.put("/room_keys/keys", {"rooms": rooms}, query={"version": version}).ok()["count"] > 0
    return opener


async def restore(session, opener, folder):
    """Gives a session all keys of the newest backup."""
    version = session.rest().get("/room_keys/version").ok()["version"]
    keys = []
    for room in session.rest().get("/room_keys/keys", {"version": version}).ok()["rooms"].values():
        for stored in room["sessions"].values():
            data = stored["session_data"]
            sealed = vodozemac.Message.from_base64(data["ciphertext"], data["mac"], data["ephemeral"])
            keys.append(json.loads(opener.decrypt(sealed)))
    encrypt_and_save(json.dumps(keys).encode(), str(folder / "import"), "x", 1000)
    await session.client.import_keys(str(folder / "import"), "x")


async def conversation(hs, folder):
    ann_name, ben_name = unique("ann"), unique("ben")
    ann, ben = Session(hs.url, ann_name, folder / "ann"), Session(hs.url, ben_name, folder / "ben")
    tablet = late = None
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

        await verify(ann, ben)

        # talk both ways
        before = set()
        for sender, reader in ((ann, ben), (ben, ann), (ann, ben)):
            body = "from " + sender.client.device_id
            event_id = await sender.say(room, body)
            await reader.until(lambda: event_id in reader.read, "a message")
            assert reader.read[event_id] == (body, True)
            before.add(event_id)
        # each has a second device; it is heard of, and gets what is said from then on
        tablet = Session(hs.url, ann.client.user_id, folder / "tablet")
        good(await tablet.client.login("ann's words"), nio.LoginResponse)
        late = Session(hs.url, ben.client.user_id, folder / "late")
        good(await late.client.login("ben's words"), nio.LoginResponse)
        for session in (tablet, late):
            await session.sync()
        await verify(ben, late)
        await ann.until(lambda: ann.device(tablet), "one's own new device")
        devices = lambda: ann.client.device_store.active_user_devices(ben.client.user_id)
        await ann.until(lambda: late.client.device_id in {device.id for device in devices()}, "the new device")
        event_id = await ann.say(room, "to both devices")
        for session in (ben, late, tablet):
            await session.until(lambda session=session: event_id in session.read, "a message on all devices")
            assert session.read[event_id] == ("to both devices", True)

        # one that ends is heard of too
        opener = await back_up(ben, folder)
        good(await ben.client.logout(), nio.LogoutResponse)
        await ann.until(lambda: ben.client.device_id not in {device.id for device in devices()}, "the end of the device")
        event_id = await ann.say(room, "to the other one")
        await late.until(lambda: event_id in late.read, "a message on the other device")
        assert late.read[event_id] == ("to the other one", True)

        # what was said before the device was there comes back with the backup
        assert set(late.unread) <= before
        history = good(await late.client.room_messages(room, limit=100), nio.RoomMessagesResponse).chunk
        sealed = {event.event_id: event for event in history if isinstance(event, nio.MegolmEvent)}
        assert before <= set(sealed)
        for event_id in before:
            sealed[event_id].room_id = room
            with pytest.raises(nio.EncryptionError):
                late.client.decrypt_event(sealed[event_id])
        await restore(late, opener, folder)
        for event_id in before:
            assert late.client.decrypt_event(sealed[event_id]).body.startswith("from ")
    finally:
        for session in (ann, ben, tablet, late):
            if session is not None:
                await session.client.close()


@pytest.mark.timeout(600)
def test_nio__encrypted_conversation__works(hs, tmp_path):
    asyncio.run(conversation(hs, tmp_path))
