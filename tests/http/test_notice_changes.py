"""Notices of the school that are changed after they were taken: moved, edited, pinned, released (docs/notices.md)."""
import re

import pytest

from support import accounts
from support.client import unique
from support.notices import Program, bodies, class_room, notice, number, refused, until_body, until_event, until_noted
from support.server import wait_until


@pytest.fixture(scope="module")
def school():
    from support.server import Server
    server = Server(settings={"notices.time_zone": "Asia/Taipei"}).start()
    notice(server, "sender", "office")
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def lin(school):
    return accounts.register(school.url)


def is_edit_of(event_id):
    return lambda event: event["content"].get("m.relates_to", {}).get("event_id") == event_id


def is_answer_to(event_id):
    return lambda event: event["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id") == event_id


def until_followed(program, made, what):
    """Until all of a kind that follows a notice is noted as done: that is behind the event by which it is."""
    def states():
        return {item["state"] for item in program.get("/notices/%s" % made).ok()["follow_ups"] if item["what"] == what}
    wait_until(lambda: states() == {"done"}, 10, "%s of notice %s noted as done" % (what, made))


def test_move__what_has_not_gone_out__due_then(school, lin):
    room, alias, watch = class_room(lin)
    text = unique("moved")
    made = number(notice(school, "schedule", "office", alias, "2099-01-05T07:00", text))
    assert "2099-01-06 08:30 Asia/Taipei" in notice(school, "move", made, "2099-01-06T08:30")
    assert "in the past" in refused(school, "move", made, "2020-01-01T00:00")
    program = Program(school, "office", alias)
    assert program.post("/notices/%s/move" % made, {"start": "2099-01-07T08:30"}).ok()["next_ts"] == 4071429000000
    program.post("/notices/%s/move" % made).expect(400, "M_MISSING_PARAM")
    weekly = number(notice(school, "schedule", "office", alias, "2099-01-05T07:00", "x", "--rule", "FREQ=WEEKLY;BYDAY=MO",
                           "--expires", "2099-03-01T00:00"))
    assert "2099-01-12 07:30 Asia/Taipei" in notice(school, "move", weekly, "2099-01-06T07:30")
    assert "expires" in refused(school, "move", weekly, "2099-03-02T00:00")
    # What has gone out stays.
    sent = program.send(text)
    until_body(watch, room, text)
    assert "still to be sent" in refused(school, "move", str(sent), "2099-01-01T00:00")
    program.post("/notices/%d/move" % sent, {"start": "2099-01-01T00:00"}).expect(404, "M_NOT_FOUND")


def test_edit__sent__replaced_in_each_room_and_people_told(school, lin):
    rooms = [class_room(lin) for _ in range(2)]
    zh, en, later = unique("停課"), unique("closed"), unique("改期")
    made = number(notice(school, "send", "office", "%s,%s=en" % (rooms[0][1], rooms[1][1]), zh, en, "--lang", "zh-Hant,en"))
    first = [until_body(watch, room, en) for room, _, watch in rooms]
    until_noted(school, made)
    notice(school, "edit", made, later, "**%s**!" % en)
    for (room, _, watch), event, body in zip(rooms, first, ("%s\n\n———\n\n%s!" % (later, en), en + "!")):
        told = until_event(watch, room, is_answer_to(event["event_id"]))
        assert told["content"]["body"] == "已更新 · Updated"
        replaced = lin.get("/_matrix/client/v1/rooms/%s/relations/%s/m.replace" % (room, event["event_id"])).ok()["chunk"]
        assert len(replaced) == 1
        content = replaced[0]["content"]
        assert content["m.new_content"]["body"] == body and content["body"] == "* " + body
        assert content["m.new_content"]["m.mentions"] == content["m.mentions"] == {}
        assert "<strong>%s</strong>!" % en in content["m.new_content"]["formatted_body"]
    program = Program(school, "office", *(alias for _, alias, _ in rooms))
    shown = program.get("/notices/" + made).ok()
    assert shown["texts"] == [{"lang": "zh-Hant", "text": later}, {"lang": "en", "text": "**%s**!" % en}]
    assert [item["texts"][0]["text"] for item in shown["edits"]] == [zh]
    until_followed(program, made, "edit")
    assert {item["what"] for item in program.get("/notices/" + made).ok()["follow_ups"]} == {"edit"}
    program.post("/notices/%s/edit" % made, {"text": ""}).expect(400, "M_BAD_JSON")
    program.post("/notices/%s/edit" % made, {"text": "x", "targets": []}).expect(400, "M_BAD_JSON")
    assert "no notice" in refused(school, "edit", "999999", "x")


def test_edit__still_to_come__sent_with_the_new_text_alone(school, lin):
    room, alias, watch = class_room(lin)
    program = Program(school, "office", alias)
    before, after = unique("before"), unique("after")
    made = program.send(before, start="2099-01-05T07:00")
    assert program.post("/notices/%d/edit" % made, {"text": after, "lang": "en"}).ok()["texts"] == [
        {"lang": "en", "text": after}]
    school.sql("UPDATE notices SET next_at_ms = extract(epoch FROM now()) * 1000 WHERE notice_id = %d" % made)
    assert until_body(watch, room, after)["content"]["body"] == after
    last = unique("last")
    program.send(last)
    until_body(watch, room, last)
    assert bodies(lin, room) == [last, after]


def come_due(school, made):
    school.sql("UPDATE notices SET next_at_ms = extract(epoch FROM now()) * 1000 WHERE notice_id = %s" % made)


def test_edit__later__what_was_sent_stays_also_in_reminders(school, lin):
    room, alias, watch = class_room(lin)
    first, second, third = unique("first"), unique("second"), unique("third")
    made = number(notice(school, "schedule", "office", alias, "2099-01-05T07:00", first, "--rule", "FREQ=WEEKLY;BYDAY=MO"))
    come_due(school, made)
    events = [until_body(watch, room, first)["event_id"]]
    until_noted(school, made)
    assert "what was sent stays" in notice(school, "edit", made, second, "--later")
    program = Program(school, "office", alias)
    assert program.get("/notices/" + made).ok()["follow_ups"] == []
    notice(school, "remind", made, "--not", "confirmed")
    told = lin.watch()
    direct = next(iter(told.first.rooms("invite") or told.until(lambda answer: answer.rooms("invite"))[1]))
    lin.join(direct).ok()
    said = until_event(lin.watch(), direct, lambda event: "提醒" in event["content"].get("body", ""))
    assert first in said["content"]["body"] and second not in said["content"]["body"]
    come_due(school, made)
    events.append(until_body(watch, room, second)["event_id"])
    until_noted(school, made)
    # Without it the newest that went out is edited, too, and the first stays.
    program.post("/notices/%s/edit" % made, {"text": third}).ok()
    edit = until_event(watch, room, is_edit_of(events[1]))
    assert edit["content"]["m.new_content"]["body"] == third
    until_event(watch, room, is_answer_to(events[1]))
    assert lin.get("/_matrix/client/v1/rooms/%s/relations/%s/m.replace" % (room, events[0])).ok()["chunk"] == []
    sent = program.send(unique("once"))
    wait_until(lambda: program.get("/notices/%d" % sent).ok()["state"] == "sent", 10, "sent")
    program.post("/notices/%d/edit" % sent, {"text": "x", "later": True}).expect(404, "M_NOT_FOUND")
    program.post("/notices/%d/edit" % sent, {"text": "x", "later": 1}).expect(400)


def test_edit__of_a_delivery_that_waited__the_room_has_the_new_text(school, lin):
    """It may have been sent by somebody who died before he wrote that down: then it is amended, and nobody is told twice."""
    room, alias, watch = class_room(lin)
    program = Program(school, "office", alias)
    before, after = unique("before"), unique("after")
    made = program.send(before)
    event = until_body(watch, room, before)
    wait_until(lambda: program.get("/notices/%d" % made).ok()["deliveries"][0]["state"] == "sent", 10, "sent")
    school.sql("UPDATE notice_deliveries SET event_id = NULL, sent_at_ms = NULL, next_try_ms = 9000000000000 "
               "WHERE notice_id = %d" % made)
    program.post("/notices/%d/edit" % made, {"text": after}).ok()
    school.sql("UPDATE notice_deliveries SET next_try_ms = 1 WHERE notice_id = %d" % made)
    edit = until_event(watch, room, is_edit_of(event["event_id"]))
    assert edit["content"]["m.new_content"]["body"] == after
    last = unique("last")
    program.send(last)
    until_body(watch, room, last)
    assert [body for body in bodies(lin, room) if "已更新" in body] == []


def pinned(client, room):
    reply = client.get("/rooms/%s/state/m.room.pinned_events" % room)
    return reply.ok()["pinned"] if reply.status != 404 else []


def may_pin(client, room):
    """Gives the sender the power, who has to be known to the room for nothing else."""
    levels = client.get_state(room, "m.room.power_levels").ok().json
    client.set_state(room, "m.room.power_levels", {**levels, "users": {**levels.get("users", {}), "@office:hs1": 50}})


def test_pin__until_it_expires_or_is_cancelled__others_pins_stay(school, lin):
    room, alias, watch = class_room(lin)
    may_pin(lin, room)
    lin.set_state(room, "m.room.pinned_events", {"pinned": ["$theirs"], "org.example": 1})
    program = Program(school, "office", alias)
    watch = lin.watch()
    texts = [unique("pin") for _ in range(2)]
    numbers = [program.send(texts[0], pin=True, expires="2099-01-01T00:00"), program.send(texts[1], pin=True)]
    events = [until_body(watch, room, text)["event_id"] for text in texts]
    wait_until(lambda: pinned(lin, room) == ["$theirs"] + events, 10, "pinned")
    assert lin.get_state(room, "m.room.pinned_events").ok()["org.example"] == 1
    program.post("/notices/%d/cancel" % numbers[1]).ok()
    wait_until(lambda: pinned(lin, room) == ["$theirs", events[0]], 10, "cancelled")
    until_followed(program, numbers[1], "unpin")
    program.post("/notices/%d/cancel" % numbers[1]).expect(404)
    school.sql("UPDATE notice_follow_ups SET next_try_ms = 1 WHERE notice_id = %d AND kind = 'unpin'" % numbers[0])
    wait_until(lambda: pinned(lin, room) == ["$theirs"], 10, "expired")


def test_pin__no_power__sent_all_the_same_and_shown(school, lin):
    room, alias, watch = class_room(lin)
    text = unique("pin")
    made = number(notice(school, "send", "office", alias, text, "--pin"))
    event = until_body(watch, room, text)["event_id"]
    shown = wait_until(lambda: re.search("pin: waits .*power", text := notice(school, "show", made)) and text, 10, "told")
    assert re.search("sent +%s" % re.escape(room), shown)
    # It is pinned once the sender may.
    may_pin(lin, room)
    school.sql("UPDATE notice_follow_ups SET next_try_ms = 1 WHERE notice_id = %s" % made)
    wait_until(lambda: pinned(lin, room) == [event], 10, "pinned")


def test_draft__released_by_somebody_else__sent_then(school, lin):
    room, alias, watch = class_room(lin)
    program, other = Program(school, "office", alias), Program(school, "office", alias)
    text = unique("draft")
    made = program.send(text, draft=True)
    shown = program.get("/notices/%d" % made).ok()
    assert shown["state"] == "draft" and "next_ts" not in shown
    program.post("/notices/%d/release" % made).expect(403, "M_FORBIDDEN")
    program.post("/notices/%d/move" % made, {"start": "2099-01-01T00:00"}).expect(404, "M_NOT_FOUND")
    assert other.post("/notices/%d/release" % made).ok()["state"] in ("scheduled", "sent")
    until_body(watch, room, text)
    other.post("/notices/%d/release" % made).expect(404, "M_NOT_FOUND")
    later = number(notice(school, "schedule", "office", alias, "2099-01-05T07:00", text, "--draft"))
    assert "2099-01-06 07:00 Asia/Taipei" in notice(school, "release", later, "2099-01-06T07:00")
    dropped = number(notice(school, "send", "office", alias, text, "--draft"))
    notice(school, "cancel", dropped)
    assert "no draft" in refused(school, "release", dropped)
    past = number(notice(school, "schedule", "office", alias, "2099-01-05T07:00", text, "--draft"))
    school.sql("UPDATE notices SET start_at = '2020-01-05T07:00' WHERE notice_id = " + past)
    assert "in the past" in refused(school, "release", past)
