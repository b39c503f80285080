"""A disk that fills up: what was acknowledged stays, the rest is refused, and the server recovers by itself."""
import os
import shutil
import subprocess
import time

import pytest

from support import accounts
from support.server import new_folder
from support.client import seconds, unique

AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


def mount(*arguments):
    return subprocess.run([*AS_ROOT, "mount", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def small_disk():
    """A file system of 90 MB of its own; mounting needs root or sudo without a password, as tools/test does."""
    folder = new_folder()
    done = mount("-t", "tmpfs", "-o", "size=90m,mode=0777", "none", folder)
    assert done.returncode == 0, "cannot mount a small file system: " + done.stderr
    yield folder
    subprocess.run([*AS_ROOT, "umount", "--lazy", folder], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def send(user, room, body):
    return user.request("PUT", user.room(room, "send", "m.room.message", unique("t")),
                        {"msgtype": "m.text", "body": body}, timeout=60)


def everything(user, room):
    """Ids of all messages of the room, oldest first."""
    ids, token = [], None
    while True:
        page = user.messages(room, limit=100, **({"from": token} if token else {})).ok()
        ids += [event["event_id"] for event in page["chunk"] if event["type"] == "m.room.message"]
        token = page.json.get("end")
        if not token or not page["chunk"]:
            return ids[::-1]


def test_full_disk__nothing_acknowledged_is_lost_and_the_server_recovers(make_server, small_disk):
    server = make_server(folder=small_disk).start()
    user = accounts.register(server.url, "ann")
    room = user.create_room()
    acknowledged, refused = [], 0
    while refused < 5:
        reply = send(user, room, "x" * 50000)
        if reply.status == 200:
            acknowledged.append(reply["event_id"])
        else:
            assert reply.status == 503, reply
            refused += 1
        assert len(acknowledged) < 5000, "the disk never fills"
    assert acknowledged
    assert mount("-o", "remount,size=300m", small_disk).returncode == 0
    deadline = time.monotonic() + 120
    while True:
        reply = send(user, room, "there is room again")
        if reply.status == 200:
            break
        assert time.monotonic() < deadline, reply
        time.sleep(0.2)
    acknowledged.append(reply["event_id"])
    found = everything(user, room)
    assert len(found) == len(set(found))
    known = set(acknowledged)
    assert [event for event in found if event in known] == acknowledged


def test_start__disk_is_full__says_so_in_plain_words_and_starts_once_there_is_room(make_server, small_disk, tmp_path):
    server = make_server(folder=small_disk)
    server.log_path = str(tmp_path / "server.log")  # which the full disk does not take
    server.start()
    user = accounts.register(server.url, "ann")
    server.terminate()
    with open(os.path.join(small_disk, "filler"), "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            pass  # it is full
    server.launch()
    assert server.process.wait(seconds(60)) != 0
    assert "is full: 0 of 90 MiB are free" in server.log() and "磁碟已滿" in server.log(), server.log()
    assert "troubles.md" in server.log() and small_disk in server.log()
    assert mount("-o", "remount,size=300m", small_disk).returncode == 0
    server.start()
    user.get("/account/whoami").ok()
