"""Commands to a sender of notices in an encrypted direct room, with matrix-nio: read by the sender, answered encrypted; and a notice with a
file, which the client opens."""
import asyncio

import nio
import pytest
from nio.crypto.attachments import decrypt_attachment

from support.client import unique
from test_encryption import Session, good

OFFICE = "@office:hs1"


def notice(server, *arguments):
    done = server.run("notice", *arguments)
    assert done.returncode == 0, done.stderr


async def conversation(server, folder):
    name = unique("lin")
    lin = Session(server.url, name, folder)
    files = []
    lin.client.add_event_callback(lin._message, nio.RoomMessageNotice)
    lin.client.add_event_callback(lambda _, event: files.append(event), nio.RoomEncryptedFile)
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
        body, form = unique("notice"), ("表格 " + unique("form")).encode()
        (folder / "form.pdf").write_bytes(form)
        notice(server, "send", "office", room, body, "--file", str(folder / "form.pdf"))
        await lin.until(lambda: body in [said for said, _ in lin.read.values()] and files, "the notice and its file")
        assert all(decrypted for _, decrypted in lin.read.values()) and not lin.unread
        assert files[0].body == "form.pdf" and files[0].decrypted
        sealed = good(await lin.client.download(files[0].url), nio.DownloadResponse).body
        assert sealed != form and decrypt_attachment(sealed, files[0].key["k"], files[0].hashes["sha256"], files[0].iv) == form
    finally:
        await lin.client.close()


@pytest.mark.timeout(300)
def test_nio__commands_and_a_notice_with_a_file_in_an_encrypted_room__read_and_answered(make_server, tmp_path):
    server = make_server(settings={"registration.mode": "open", "notices.keys": "all"}).start()
    notice(server, "sender", "office")
    asyncio.run(conversation(server, tmp_path))
