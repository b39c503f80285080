"""A notice is one event in each room (docs/notices.md, "Sent exactly once"): when the process is killed between the event and the note that
it was sent, and when several processes send from one database."""
import os
import shutil
import time

import pytest

from support import accounts
from support.client import Client, unique
from support.database import Cluster
from support.server import Server, wait_until

ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}

# The note that a delivery was sent fails, as if the process ended right before it.
BREAK = """
CREATE FUNCTION break_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken by the test'; END $$;
CREATE TRIGGER break_note BEFORE UPDATE ON notice_deliveries FOR EACH ROW WHEN (NEW.event_id IS NOT NULL)
	EXECUTE FUNCTION break_note();
"""
MEND = "DROP TRIGGER break_note ON notice_deliveries; DROP FUNCTION break_note();"


def notice(server, *arguments):
    done = server.run("notice", *arguments, settings={"server_name": server.server_name, **{
        key: value for key, value in server.settings.items() if key == "database.url"}})
    assert done.returncode == 0, done.stderr
    return done.stdout


def said(client, room, sender):
    """Ids of what the sender has said."""
    return [event["event_id"] for event in client.messages(room, limit=100).ok()["chunk"]
            if event["sender"] == sender and event["type"] in ("m.room.message", "m.room.encrypted")]


def test_killed_between_event_and_note__one_event_in_clear_and_encrypted_rooms(make_server):
    server = make_server().start()
    office = notice(server, "sender", "office").strip()
    lin = accounts.register(server.url)
    rooms = [lin.create_room(preset="public_chat"), lin.create_room(preset="public_chat", initial_state=[ENCRYPTION])]
    for room in rooms:
        server.sql(BREAK)
        notice(server, "send", "office", room, unique("once"))
        event = wait_until(lambda room=room: said(lin, room, office), 20, "the event")
        # As if put off by a clock that was ten days ahead: the next start calls it back.
        server.sql("UPDATE notice_deliveries SET failures = 1, next_try_ms = %d WHERE next_try_ms IS NOT NULL" % (
            (time.time() + 10 * 86400) * 1000))
        server.kill()
        server.start()
        lin = Client(server.url, lin.token, lin.user_id)
        # It tries again, and finds what it has sent.
        wait_until(lambda: "broken by the test" in server.log().rpartition("serve.ready")[2], 20, "another try")
        server.sql(MEND)
        noted = "SELECT event_id FROM notice_deliveries WHERE room_id = '%s' AND event_id IS NOT NULL" % room
        wait_until(lambda noted=noted, event=event: server.sql(noted).split() == event, 20, "the note")
        assert said(lin, room, office) == event


@pytest.fixture
def pair():
    """Two processes on the same keys and database."""
    with Cluster() as cluster:
        name = unique("hs")
        first = Server(server_name=name, settings={"database.url": cluster.url}).start()
        second = Server(server_name=name, settings={"database.url": cluster.url})
        os.makedirs(second.data, mode=0o755)
        for key in ("signing.key", "secrets.key"):
            shutil.copy2(os.path.join(first.data, key), second.data)
        second.start()
        yield first, second, cluster
        for server in (second, first):
            server.destroy()


def test_two_processes__one_killed__each_notice_once(pair):
    first, second, cluster = pair
    office = notice(first, "sender", "office").strip()
    lin = accounts.register(second.url)
    rooms = [lin.create_room(preset="public_chat", initial_state=[ENCRYPTION]) for _ in range(3)]
    targets = ",".join(rooms)
    notice(first, "send", "office", targets, "one")
    wait_until(lambda: all(len(said(lin, room, office)) == 1 for room in rooms), 20, "the first notice")
    notice(first, "send", "office", targets, "two")
    first.kill()
    notice(second, "send", "office", targets, "three")
    marked = "SELECT count(*) FROM notice_deliveries WHERE event_id IS NOT NULL"
    wait_until(lambda: cluster.sql(marked).strip() == "9", 30, "nine deliveries")
    for room in rooms:
        assert len(said(lin, room, office)) == 3
