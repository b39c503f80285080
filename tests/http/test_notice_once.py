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
from test_media_previews import Web
from test_notice_sources import Page, calendar, event, in_hours, rss

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


def heard(client, room):
    return [event["content"]["body"] for event in client.messages(room, limit=100).ok()["chunk"]
            if event["type"] == "m.room.message"]


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
        tried = server.log().count("broken by the test")
        server.start()
        lin = Client(server.url, lin.token, lin.user_id)
        # It tries again, and finds what it has sent.
        wait_until(lambda tried=tried: server.log().count("broken by the test") > tried, 20, "another try")
        server.sql(MEND)
        noted = "SELECT event_id FROM notice_deliveries WHERE room_id = '%s' AND event_id IS NOT NULL" % room
        wait_until(lambda noted=noted, event=event: server.sql(noted).split() == event, 20, "the note")
        assert said(lin, room, office) == event


def test_database_refuses_a_note__the_other_notices_go_on(make_server):
    server = make_server().start()
    office = notice(server, "sender", "office").strip()
    lin = accounts.register(server.url)
    rooms = sorted(lin.create_room(preset="public_chat") for _ in range(3))
    broken = BREAK.replace("NEW.event_id IS NOT NULL", "NEW.event_id IS NOT NULL AND NEW.room_id = '%s'" % rooms[0])
    server.sql(broken)
    notice(server, "send", "office", ",".join(rooms), unique("once"))
    noted = "SELECT room_id FROM notice_deliveries WHERE event_id IS NOT NULL ORDER BY room_id"
    wait_until(lambda: server.sql(noted).split() == rooms[1:], 20, "the others")
    server.sql(MEND)
    wait_until(lambda: server.sql(noted).split() == rooms, 20, "all")
    assert [len(said(lin, room, office)) for room in rooms] == [1, 1, 1]


@pytest.fixture(scope="module")
def pair():
    """Two processes on the same keys and database."""
    with Cluster() as cluster:
        name = unique("hs")
        settings = {"database.url": cluster.url, "network.allow_addresses": "127.0.0.1"}
        first = Server(server_name=name, settings=settings).start()
        second = Server(server_name=name, settings=settings)
        os.makedirs(second.data, mode=0o755)
        for key in ("signing.key", "secrets.key"):
            shutil.copy2(os.path.join(first.data, key), second.data)
        second.start()
        notice(first, "sender", "office")
        yield first, second, cluster
        for server in (second, first):
            server.destroy()


def test_pins__of_a_person_by_the_other_process_meanwhile__none_is_lost(pair):
    first, second, cluster = pair
    office = "@office:" + first.server_name
    lin = accounts.register(second.url)
    room = lin.create_room(preset="public_chat", power_level_content_override={"users": {office: 50}})
    theirs, done = ["$theirs-%d" % number for number in range(20)], "SELECT done_at_ms FROM notice_follow_ups WHERE room_id = '%s'" % room
    for number, event in enumerate(theirs):
        if number % 10 == 0:
            notice(first, "send", "office", room, "notice %d" % number, "--pin")
        reply = lin.get_state(room, "m.room.pinned_events")
        pinned = reply["pinned"] if reply.status == 200 else []
        lin.set_state(room, "m.room.pinned_events", {"pinned": pinned + [event]})
    wait_until(lambda: len(cluster.sql(done).split()) == 2, 30, "both are pinned")
    assert len(said(lin, room, office)) == 2
    pinned = lin.get_state(room, "m.room.pinned_events").ok()["pinned"]
    assert [event for event in pinned if event in theirs] == theirs


def test_sources__of_two_processes_one_killed__each_item_once(pair):
    first, second, cluster = pair
    web, lin = Web(), accounts.register(second.url)
    room = lin.create_room(preset="public_chat")
    feed, dates = Page(web, rss(unique("old"))), Page(web, calendar(event("old", in_hours(3))), "text/calendar")
    for page, options in ((feed, ()), (dates, ("--days-before", "2", "--at", "00:00"))):
        notice(second, "source", "add", "office", room, page.url, *options)
    asked = "SELECT count(*) FROM notice_sources WHERE asked_at_ms IS NOT NULL"
    wait_until(lambda: cluster.sql(asked).strip() == "2", 30, "both are asked for the first time")
    news, trips = [unique("news") for _ in range(4)], [unique("trip") for _ in range(4)]
    feed.body, dates.body = rss(*news), calendar(*(event(trip, in_hours(2), "SUMMARY:" + trip) for trip in trips))
    cluster.sql("UPDATE notice_sources SET next_at_ms = 1")
    first.kill()  # whichever of the two was asking
    taken = "SELECT count(*) FROM notices WHERE texts ~ '(news|trip)'"
    wait_until(lambda: int(cluster.sql(taken)) >= 8, 40, "eight items")
    first.start()
    cluster.sql("UPDATE notice_sources SET next_at_ms = 1, etag = NULL, modified = NULL")
    due = "SELECT count(*) FROM notice_sources WHERE next_at_ms = 1"
    wait_until(lambda: cluster.sql(due).strip() == "0", 40, "asked once more")
    words = news + trips
    told = wait_until(lambda: all(any(word in body for body in heard(lin, room)) for word in words) and heard(lin, room), 30, "all")
    assert [sum(word in body for body in told) for word in words] == [1] * 8
    web.close()


def test_two_processes__one_killed__each_notice_once(pair):
    first, second, cluster = pair
    office = "@office:" + first.server_name
    lin = accounts.register(second.url)
    rooms = [lin.create_room(preset="public_chat", initial_state=[ENCRYPTION]) for _ in range(3)]
    targets = ",".join(rooms)
    notice(first, "send", "office", targets, "one")
    wait_until(lambda: all(len(said(lin, room, office)) == 1 for room in rooms), 20, "the first notice")
    notice(first, "send", "office", targets, "two")
    first.kill()
    notice(second, "send", "office", targets, "three")
    marked = "SELECT count(*) FROM notice_deliveries WHERE event_id IS NOT NULL AND room_id IN ('%s')" % "','".join(rooms)
    wait_until(lambda: cluster.sql(marked).strip() == "9", 30, "nine deliveries")
    for room in rooms:
        assert len(said(lin, room, office)) == 3
    first.start()  # for the next test
