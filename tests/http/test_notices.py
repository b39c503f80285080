"""The notices of a school (docs/notices.md): posted and scheduled by the command line, sent once by the server."""
import datetime
import json
import re
import subprocess
import time

import pytest

from support import accounts
from support.client import Client, seconds, unique
from support.keys import query
from support.notices import bodies, class_room, notice, number, refused, until_body
from support.server import wait_until


@pytest.fixture(scope="module")
def school():
    from support.server import Server
    server = Server(settings={"notices.time_zone": "Asia/Taipei"}).start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def office(school):
    return notice(school, "sender", "office", "--name", "校務處 · Office").strip()


def until_shown(server, made, text):
    """Deliveries go out one after the other: what `show` says once a text is in it."""
    return wait_until(lambda: text in (shown := notice(server, "show", made)) and shown, 10, text)


def test_send__two_languages__one_message_of_the_sender(school, office):
    lin = accounts.register(school.url)
    room, alias, watch = class_room(lin)
    notice(school, "send", "office", alias, "明天**停課**", "No school <b>tomorrow</b>", "--lang", "zh-Hant,en")
    event = until_body(watch, room, "停課")
    assert event["sender"] == office == "@office:hs1"
    content = event["content"]
    assert content["body"] == "明天停課\n\n———\n\nNo school <b>tomorrow</b>"
    assert content["formatted_body"] == ("<p>明天<strong>停課</strong></p><hr>"
                                         "<p>No school &lt;b&gt;tomorrow&lt;/b&gt;</p>")
    assert (content["msgtype"], content["m.mentions"]) == ("m.text", {})
    assert lin.get_state(room, "m.room.member", office).ok()["displayname"] == "校務處 · Office"


def test_send__what_it_says_to_type_next__is_for_the_same_server(school, office):
    """Somebody with a folder of another name than ./data types what is printed."""
    _, alias, _ = class_room(accounts.register(school.url))
    for said, shown in ((notice(school, "send", "office", alias, "停課"), "sent by " + office),
                        (notice(school, "class", "create", unique("class"), "--sender", "office"), office)):
        words = re.search(r"see: belfry (.+)", said).group(1).split()

        def says():
            done = subprocess.run([school.command()[0], *words], capture_output=True, text=True, timeout=seconds(60), check=False)
            assert done.returncode == 0, (said, done.stderr)
            return shown in done.stdout
        wait_until(says, 10, "%s by what was said: %s" % (shown, said))


def test_send__languages_of_a_target__those_alone(school, office):
    lin = accounts.register(school.url)
    zh, en = unique("停課"), unique("closed")
    rooms = [class_room(lin) for _ in range(3)]
    targets = "%s=en,%s=en-GB+zh,%s" % tuple(alias for _, alias, _ in rooms)
    notice(school, "send", "office", targets, zh, en, "--lang", "zh-Hant,en")
    for (room, _, watch), body in zip(rooms, (en, "%s\n\n———\n\n%s" % (en, zh), "%s\n\n———\n\n%s" % (zh, en))):
        assert until_body(watch, room, en)["content"]["body"] == body


def test_send__space__each_room_in_it_once(school, office):
    lin = accounts.register(school.url)
    space = lin.create_room(preset="public_chat", creation_content={"type": "m.space"})
    inner = lin.create_room(preset="public_chat", creation_content={"type": "m.space"})
    rooms = [lin.create_room(preset="public_chat") for _ in range(2)]
    for parent, child in ((space, rooms[0]), (space, inner), (inner, rooms[1]), (inner, rooms[0]), (inner, space)):
        lin.set_state(parent, "m.space.child", {"via": ["hs1"]}, child)
    text = unique("to all")
    watch = lin.watch()
    notice(school, "send", "office", "%s,%s" % (space, rooms[0]), text)
    for room in rooms:
        until_body(watch, room, text) if text not in bodies(lin, room) else None
        assert bodies(lin, room) == [text]
    assert bodies(lin, space) == bodies(lin, inner) == []


def test_send__room_by_invitation__joined_once_invited(school, office):
    lin = accounts.register(school.url)
    room = lin.create_room(preset="private_chat", invite=[office])
    watch = lin.watch()
    notice(school, "send", "office", room, "hello guardians")
    until_body(watch, room, "hello guardians")


def test_send__no_such_room_yet__said_at_once(school, office):
    lin = accounts.register(school.url)
    _, alias, _ = class_room(lin)
    missing = "#" + unique("nowhere")
    done = school.run("notice", "send", "office", "%s,%s=en,#elsewhere:partner.example" % (alias, missing), "text")
    assert done.returncode == 0 and done.stderr.count("There is no room") == 1
    assert "There is no room %s:hs1:" % missing in done.stderr


def test_send__some_rooms_cannot_be__reasons_are_shown_and_others_have_it(school, office):
    lin = accounts.register(school.url)
    room, alias, watch = class_room(lin)
    closed = lin.create_room(preset="private_chat")
    secret = lin.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "org.example.secret"}}])
    text = unique("some")
    missing = "#" + unique("nowhere")
    made = number(notice(school, "send", "office", ",".join((closed, secret, missing, alias)), text))
    until_body(watch, room, text)
    until_shown(school, made, "encrypted")
    wait_until(lambda: re.search(r" sent +%s " % re.escape(room), notice(school, "show", made)), 10, "noted as sent")
    lines = notice(school, "show", made)
    assert re.search(r"not sent +%s:hs1 " % missing, lines)
    assert re.search(r"waits +%s .*encrypted" % re.escape(secret), lines)
    assert re.search(r"waits +%s " % re.escape(closed), lines)
    assert re.search(r"^%s .*%s  \(not sent to 1; see: show\)$" % (made, text), notice(school, "list"), re.MULTILINE)
    assert bodies(lin, secret) == []
    # What waits goes out once it can: the next try is no further than some seconds away.
    lin.invite(closed, office)
    watch = lin.watch()
    until_body(watch, closed, text)
    notice(school, "cancel", made)
    assert re.search(r"not sent +%s cancelled" % re.escape(secret), notice(school, "show", made))


def test_send__encrypted_room__encrypted_by_a_device_of_the_sender_that_its_owner_has_signed(school, office):
    lin = accounts.register(school.url)
    room = lin.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}])
    watch = lin.watch()
    text = unique("secret")
    made = number(notice(school, "send", "office", room, text))
    events = []

    def arrived(answer):
        events.extend(event for event in answer.joined(room).timeline if event["sender"] == office)
        return len(events) == 2
    watch.until(arrived)
    assert [event["type"] for event in events] == ["m.room.member", "m.room.encrypted"], notice(school, "show", made)
    content = events[1]["content"]
    assert set(content) == {"algorithm", "ciphertext", "device_id", "sender_key", "session_id"}
    keys = query(lin, office)
    device = keys["device_keys"][office][content["device_id"]]
    assert device["keys"]["curve25519:" + content["device_id"]] == content["sender_key"]
    assert any(key_id in device["signatures"][office] for key_id in keys["self_signing_keys"][office]["keys"])
    assert text not in json.dumps(lin.messages(room, limit=50).ok().json)


def in_taipei(seconds_):
    zone = datetime.timezone(datetime.timedelta(hours=8))
    return (datetime.datetime.now(zone) + datetime.timedelta(seconds=seconds_)).strftime("%Y-%m-%dT%H:%M:%S")


def test_schedule__comes_due__sent_then_and_once(school, office):
    lin = accounts.register(school.url)
    room, alias, watch = class_room(lin)
    text, delay = unique("water bottle"), int(seconds(2))  # for the command to be there in time
    before = time.time()
    made = number(notice(school, "schedule", "office", alias, in_taipei(delay), text))
    event = until_body(watch, room, text)
    assert event["origin_server_ts"] >= (int(before) + delay) * 1000
    assert event["content"]["body"] == text  # not late
    assert re.search(r"^%s +sent" % made, notice(school, "list"), re.MULTILINE)
    assert bodies(lin, room) == [text]


def test_schedule__rule__next_one_is_listed_and_can_be_cancelled(school, office):
    lin = accounts.register(school.url)
    _, alias, _ = class_room(lin)
    said = notice(school, "schedule", "office", alias, "2099-01-05T07:00", unique("weekly"),
                  "--rule", "FREQ=WEEKLY;BYDAY=MO;COUNT=3", "--except", "2099-01-05")
    made = number(said)
    assert "2099-01-12 07:00 Asia/Taipei, the first time" in said
    assert re.search(r"^%s +scheduled next: 2099-01-12 07:00 Asia/Taipei" % made, notice(school, "list"), re.MULTILINE)
    notice(school, "cancel", made)
    assert re.search(r"^%s +cancelled next: -" % made, notice(school, "list"), re.MULTILINE)
    assert "still to be sent" in refused(school, "cancel", made)
    said = notice(school, "schedule", "office", alias, "2099-07-01T07:00", "x", "--zone", "Europe/Berlin")
    assert "2099-07-01 07:00 Europe/Berlin" in said
    notice(school, "cancel", number(said))


def test_down_at_that_minute__sent_late_and_says_so_once(make_server):
    server = make_server().start()
    notice(server, "sender", "office")
    lin = accounts.register(server.url)
    room, alias, _ = class_room(lin)
    daily, past = unique("daily"), unique("past")
    notice(server, "schedule", "office", alias, "2099-01-01T07:00", daily, past, "--lang", "zh-Hant,en")
    # As if no server had run since yesterday: the clock cannot be moved, so what is stored is.
    due = int(time.time() - 86400) * 1000
    server.sql("UPDATE notices SET next_at_ms = %d" % due)
    server.kill()
    server.start()
    lin = Client(server.url, lin.token, lin.user_id)
    event = until_body(lin.watch(), room, daily)
    zone = datetime.timezone(datetime.timedelta(hours=8))
    shown = datetime.datetime.fromtimestamp(due / 1000, zone).strftime("%Y-%m-%d %H:%M")
    assert event["content"]["body"].startswith("（延遲送達：原定 %s）\n\n%s" % (shown, daily))
    assert "(Late: this was due %s.)\n\n%s" % (shown, past) in event["content"]["body"]


@pytest.mark.parametrize("arguments, why", [
    (("send", "office", "#x"), "words"),
    (("send", "nobody", "#x", "t"), "no sender 'nobody'"),
    (("send", "office", "class", "t"), "neither a room id nor an alias"),
    (("send", "office", ",", "t"), "1 to 100"),
    (("send", "office", "#x", " "), "empty"),
    (("send", "office", "#x", "a", "b", "--lang", "en"), "2 text(s) and 1 language(s)"),
    (("send", "office", "#x", "a", "--lang", "英文"), "no language"),
    (("send", "office", "#x", "a", "b", "--lang", "en,EN"), "Two texts"),
    (("send", "office", "#x", "a", "--expires", "2020-01-01T00:00"), "expire before"),
    (("schedule", "office", "#x", "2020-01-01T00:00", "t"), "in the past"),
    (("schedule", "office", "#x", "tomorrow", "t"), "write it as"),
    (("schedule", "office", "#x", "2099-01-01T00:00", "t", "--zone", "Mars"), "time zone"),
    (("schedule", "office", "#x", "2099-01-01T00:00", "t", "--rule", "FREQ=SECONDLY"), "FREQ=DAILY"),
    (("schedule", "office", "#x", "2099-01-01T00:00", "t", "--rule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "never"),
    (("show", "x"), "no number"), (("show", "999999"), "no notice"), (("cancel", "999999"), "no notice"),
    (("revoke", "999999"), "no token"), (("shout",), "cannot do"), ((), "send, schedule"),
    (("token", "office", "nowhere"), "neither"), (("sender", "Bad Name"), "")])
def test_command__wrong__says_why(school, office, arguments, why):
    assert why in refused(school, *arguments)


def test_sender__name_of_somebody__refused_and_nobody_logs_in_as_one(school, office):
    lin = accounts.register(school.url)
    assert "somebody" in refused(school, "sender", lin.user_id)
    assert notice(school, "sender", "office").strip() == office
    assert office in notice(school, "senders").split()
    school.anonymous().post("/login", {"type": "m.login.password", "password": "",
                                       "identifier": {"type": "m.id.user", "user": "office"}}, token=False).expect(403)
