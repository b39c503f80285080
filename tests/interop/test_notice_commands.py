"""Commands to a sender of notices in an encrypted direct room, with matrix-nio: read by the sender, answered encrypted."""
import asyncio

import nio
import pytest

from support.client import unique
from test_encryption import Session, good

OFFICE = "@office:hs1"


def notice(server, *arguments):
    done = server.run("notice", *arguments)
    assert done.returncode == 0, done.stderr


async def conversation(server, folder):
    name = unique("lin")
    lin = Session(server.url, name, folder)
    lin.client.add_event_callback(lin._message, nio.RoomMessageNotice)
    try:
        good(await lin.client.register(name, "lin's words"), nio.RegisterResponse)
        notice(server, "allow", "office", lin.client.user_id)
        await lin.sync()
        room = good(await lin.client.room_create(initial_state=[nio.EnableEncryptionBuilder().as_dict()], is_direct=True,
                                                 invite=[OFFICE]), nio.RoomCreateResponse).room_id
        await lin.until(lambda: room in lin.client.rooms and OFFICE in lin.client.rooms[room].users and
                        lin.client.rooms[room].encrypted and lin.client.rooms[room].member_count == 2 and
                        not lin.client.rooms[room].invited_users, "the sender in the room")
        await lin.until(lambda: list(lin.client.device_store.active_user_devices(OFFICE)), "the sender's device")
        for command, answer in (("說明", "發送 #class-3b"), ("show 999999", "no notice 999999")):
            await lin.say(room, command)
            await lin.until(lambda answer=answer: any(answer in body for body, _ in lin.read.values()), "an answer")
        assert all(decrypted for _, decrypted in lin.read.values()) and not lin.unread
    finally:
        await lin.client.close()


@pytest.mark.timeout(300)
def test_nio__commands_in_an_encrypted_room__read_and_answered(make_server, tmp_path):
    server = make_server(settings={"registration.mode": "open", "notices.keys": "all"}).start()
    notice(server, "sender", "office")
    asyncio.run(conversation(server, tmp_path))
