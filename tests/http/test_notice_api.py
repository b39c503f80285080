"""The API by which other programs post notices of the school (docs/notices-api.md)."""
import pytest

from support import accounts
from support.client import Client, unique
from support.notices import API, Program, bodies, class_room, notice, until_body


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


def test_post__two_languages_a_target_of_its_own__sent_as_asked(school, lin):
    room, alias, watch = class_room(lin)
    other, other_alias, other_watch = class_room(lin)
    program = Program(school, "office", alias, other_alias)
    zh, en = unique("停課"), unique("no school")
    made = program.post("/notices", {
        "texts": [{"lang": "zh-Hant", "text": zh}, {"lang": "en", "text": "**%s**" % en}],
        "targets": [alias, {"target": other_alias, "languages": ["en"]}]}).ok()
    assert (made["sender"], made["texts"][0]) == ("@office:hs1", {"lang": "zh-Hant", "text": zh})
    assert until_body(watch, room, zh)["content"]["body"] == "%s\n\n———\n\n%s" % (zh, en)
    event = until_body(other_watch, other, en)
    assert event["content"]["body"] == en
    shown = program.get("/notices/%d" % made["notice_id"]).ok()
    assert shown["targets"] == [{"target": alias + ":hs1", "languages": []},
                                {"target": other_alias + ":hs1", "languages": ["en"]}]
    assert shown["zone"] == "Asia/Taipei" and "start" not in shown
    assert {item["room_id"] for item in shown["deliveries"]} == {room, other}


def test_post__no_targets__all_of_the_token(school, lin):
    rooms = [class_room(lin) for _ in range(2)]
    text = unique("all")
    Program(school, "office", rooms[0][1], rooms[1][0]).send(text)
    for room, _, watch in rooms:
        until_body(watch, room, text)


def test_post__scheduled__listed_shown_and_cancelled(school, lin):
    program = Program(school, "office", class_room(lin)[1])
    made = program.send("weekly", start="2099-01-05T07:00", rule="FREQ=WEEKLY;BYDAY=MO", zone="Europe/Berlin",
                        **{"except": ["2099-01-05"]}, expires="2100-01-01T00:00")
    again = program.send("once", start="2099-01-05T07:00")
    shown = program.get("/notices/%d" % made).ok()
    assert (shown["start"], shown["rule"], shown["except"]) == ("2099-01-05T07:00", "FREQ=WEEKLY;BYDAY=MO", ["2099-01-05"])
    assert shown["next_ts"] == 4071880800000  # 2099-01-12 06:00 UTC
    assert shown["expires_ts"] == 4102441200000
    assert (shown["state"], shown["deliveries"]) == ("scheduled", [])
    assert [item["notice_id"] for item in program.get("/notices").ok()["notices"]] == [again, made]
    page = program.get("/notices", query={"limit": 1}).ok()
    assert [item["notice_id"] for item in page["notices"]] == [again] and page["next_before"] == again
    page = program.get("/notices", query={"limit": 1, "before": again}).ok()
    assert [item["notice_id"] for item in page["notices"]] == [made]
    program.post("/notices/%d/cancel" % made).ok()
    shown = program.get("/notices/%d" % made).ok()
    assert shown["state"] == "cancelled" and "next_ts" not in shown
    program.post("/notices/%d/cancel" % made).expect(404, "M_NOT_FOUND")
    program.post("/notices/%d/cancel" % again, {"now": True}).expect(400, "M_BAD_JSON")


def test_request_key__same_again__same_notice_and_sent_once(school, lin):
    room, alias, watch = class_room(lin)
    program = Program(school, "office", alias)
    text = unique("once")
    first = program.send(text, request_key="k1")
    assert program.send(text, request_key="k1") == first
    refusal = program.post("/notices", {"text": text + "!", "request_key": "k1"}).expect(409, "M_INVALID_PARAM")
    assert "notice %d" % first in refusal["error"]
    assert Program(school, "office", alias).send(unique("other"), request_key="k1") != first
    last = unique("last")
    program.send(last)
    until_body(watch, room, last)
    assert bodies(lin, room).count(text) == 1
    # Also when what was asked for has become the past meanwhile.
    made = program.send(text, request_key="k2", start="2099-01-05T07:00")
    school.sql("UPDATE notices SET start_at = '2000-01-01T00:00' WHERE notice_id = %d" % made)
    assert program.send(text, request_key="k2", start="2099-01-05T07:00") == made
    program.post("/notices/%d/cancel" % made).ok()


def test_token__others_targets_and_senders__403(school, lin):
    notice(school, "sender", "nurse")
    _, alias, _ = class_room(lin)
    _, beside, _ = class_room(lin)
    space = lin.create_room(preset="public_chat", creation_content={"type": "m.space"})
    inner, _, _ = class_room(lin)
    lin.set_state(space, "m.space.child", {"via": ["hs1"]}, inner)
    program = Program(school, "office", alias, space)
    for target in (beside, inner, alias + ":other.example"):
        refusal = program.post("/notices", {"text": "x", "targets": [alias, target]}).expect(403, "M_FORBIDDEN")
        assert target in refusal["error"]
    later = {"start": "2099-01-01T00:00"}
    mine = program.send("x", targets=[alias], **later)
    wide = Program(school, "office", alias, beside).send("x", **later)
    nurse = Program(school, "nurse", alias)
    nurses = nurse.send("x", **later)
    for number in (wide, nurses):
        program.get("/notices/%d" % number).expect(403, "M_FORBIDDEN")
        program.post("/notices/%d/cancel" % number).expect(403, "M_FORBIDDEN")
    assert [item["notice_id"] for item in program.get("/notices").ok()["notices"]] == [mine]
    assert [item["notice_id"] for item in nurse.get("/notices").ok()["notices"]] == [nurses]
    for number in ("0", "-1", "x", "9" * 30, "999999999"):
        program.get("/notices/" + number).expect(404, "M_NOT_FOUND")


def test_token__revoked_or_of_a_closed_account__401_at_once(school, lin):
    program = Program(school, "office", class_room(lin)[1])
    program.get("/notices").ok()
    listed = notice(school, "tokens")
    assert program.token not in listed
    notice(school, "revoke", listed.splitlines()[-1].split()[0])
    program.get("/notices").expect(401, "M_UNKNOWN_TOKEN")
    notice(school, "sender", "gone")
    program = Program(school, "gone", class_room(lin)[1])
    program.get("/notices").ok()
    assert school.run("user", "deactivate", "gone").returncode == 0
    program.get("/notices").expect(401, "M_UNKNOWN_TOKEN")


def test_token__of_a_user__none_here_and_nothing_elsewhere(school, lin):
    lin.get(API + "/notices").expect(401, "M_UNKNOWN_TOKEN")
    lin.get(API + "/notices", token=False).expect(401, "M_MISSING_TOKEN")
    lin.get(API + "/notices", token=False, headers={"Authorization": "Basic eDp5"}).expect(401, "M_MISSING_TOKEN")
    program = Program(school, "office", class_room(lin)[1])
    program.client.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    program.client.get(API + "/notices", token=False, query={"access_token": program.token}).expect(401, "M_MISSING_TOKEN")


@pytest.mark.parametrize("fields, status, errcode, why", [
    ({"text": "x", "expire": "2099-01-01T00:00"}, 400, "M_BAD_JSON", "no field 'expire'"),
    ({"texts": [{"text": "x", "language": "en"}]}, 400, "M_BAD_JSON", "no field 'language'"),
    ({"text": "x", "targets": [{"target": "#x", "lang": "en"}]}, 400, "M_BAD_JSON", "no field 'lang'"),
    ({}, 400, "M_MISSING_PARAM", "text"),
    ({"texts": []}, 400, "M_INVALID_PARAM", "1 to 8 texts"),
    ({"text": 7}, 400, "M_BAD_JSON", "'text'"),
    ({"texts": "x"}, 400, "M_BAD_JSON", "'texts'"),
    ({"texts": ["x"]}, 400, "M_BAD_JSON", "'texts'"),
    ({"text": "x", "texts": [{"text": "y"}]}, 400, "M_BAD_JSON", "either"),
    ({"text": "x", "targets": []}, 400, "M_BAD_JSON", "'targets'"),
    ({"text": "x", "targets": [7]}, 400, "M_BAD_JSON", "'targets'"),
    ({"text": "x", "targets": [{"languages": ["en"]}]}, 400, "M_MISSING_PARAM", "target"),
    ({"text": "x", "targets": ["class"]}, 400, "M_INVALID_PARAM", "neither a room id nor an alias"),
    ({"text": "x", "except": [1]}, 400, "M_BAD_JSON", "'except'"),
    ({"text": "x", "start": "2020-01-01T00:00"}, 400, "M_INVALID_PARAM", "in the past"),
    ({"text": "x", "start": "2099-01-01T00:00", "zone": "Mars"}, 400, "M_INVALID_PARAM", "time zone"),
    ({"text": "x", "start": "2099-01-01T00:00", "rule": "FREQ=SECONDLY"}, 400, "M_INVALID_PARAM", "FREQ=DAILY"),
    ({"text": "x", "request_key": "k" * 256}, 400, "M_INVALID_PARAM", "key"),
    ({"text": "x" * 20000}, 400, "M_TOO_LARGE", "")])
def test_post__wrong__says_why(school, program, fields, status, errcode, why):
    assert why in program.post("/notices", fields).expect(status, errcode)["error"]


@pytest.fixture(scope="module")
def program(school, lin):
    return Program(school, "office", class_room(lin)[1])
