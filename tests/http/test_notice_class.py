"""Rooms of classes (docs/notices.md): made by a sender, who stays their creator, and brought into the state that is wanted."""
import re

import pytest

from support import accounts
from support.client import unique
from support.server import wait_until
from test_notices import bodies, notice, refused


@pytest.fixture(scope="module")
def school():
    from support.server import Server
    server = Server().start()
    notice(server, "sender", "office")
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def people(school):
    return [accounts.register(school.url) for _ in range(4)]


def settled(server, name):
    """What `class show` says once the server has done what it can. @return (room, all of it)"""
    said = wait_until(lambda: re.search("is as wanted|is there, but", shown := notice(server, "class", "show", name)) and shown, 15, name)
    return re.search(r"(!\S+)", said).group(1), said


def create(server, name, *options):
    notice(server, "class", "create", name, "--sender", "office", *options)
    return settled(server, name)


def state(client, room, kind, key=""):
    return client.get_state(room, kind, key).ok().json


def membership(client, room, user):
    return state(client, room, "m.room.member", user)["membership"]


def test_create__staff_and_members__creator_is_the_sender_and_power_is_the_templates(school, people):
    teacher, other, student, guardian = people
    name = unique("class")
    room, _ = create(school, name, "--name", "三年乙班", "--staff", "%s,%s" % (teacher.user_id, other.user_id[:-4]),
                     "--members", student.user_id, "--guardians", guardian.user_id, "--template", "class", "--encrypted")
    for one in people:
        one.join("#%s:hs1" % name)
    made = state(teacher, room, "m.room.create")
    assert made["room_version"] == "12"
    assert teacher.state(room)["m.room.create", ""]["sender"] == "@office:hs1"
    power = state(teacher, room, "m.room.power_levels")
    assert power["users"] == {teacher.user_id: 50, other.user_id: 50}
    assert (power["events_default"], power["invite"], power["events"]["m.room.power_levels"]) == (0, 50, 100)
    assert state(teacher, room, "m.room.name")["name"] == "三年乙班"
    assert state(teacher, room, "m.room.encryption")["algorithm"] == "m.megolm.v1.aes-sha2"
    assert state(teacher, room, "m.room.join_rules")["join_rule"] == "invite"
    # Staff cannot give or take power, nor the creator's place.
    teacher.put_state(room, "m.room.power_levels", {**power, "users": {teacher.user_id: 100}}).expect(403, "M_FORBIDDEN")
    teacher.kick(room, "@office:hs1").expect(403, "M_FORBIDDEN")
    teacher.kick(room, guardian.user_id).ok()


def test_create__again__changes_what_differs_and_nothing_else(school, people):
    teacher, other, student, _ = people
    name = unique("class")
    room, _ = create(school, name, "--staff", teacher.user_id, "--members", student.user_id)
    teacher.join(room)
    create(school, name, "--staff", teacher.user_id)
    teacher.send(room, "marker")
    first = [event["type"] for event in teacher.messages(room, limit=100).ok()["chunk"]]
    assert first.count("m.room.power_levels") == 1 and first[0] == "m.room.message"
    same, _ = create(school, name, "--name", "New name", "--staff", other.user_id, "--template", "notices")
    assert same == room
    power = state(teacher, room, "m.room.power_levels")
    assert power["users"] == {teacher.user_id: 50, other.user_id: 50} and power["events_default"] == 50
    assert membership(teacher, room, other.user_id) == "invite"
    student.join(room)
    student.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "x"}).expect(403, "M_FORBIDDEN")
    # The power that somebody else took away comes back, and who left is invited again.
    student.leave(room).ok()
    notice(school, "class", "add", name, "--members", other.user_id)
    settled(school, name)
    assert membership(teacher, room, student.user_id) == "invite"
    assert state(teacher, room, "m.room.power_levels")["users"] == {teacher.user_id: 50}


def test_remove__of_staff__out_and_without_power(school, people):
    teacher, other, student, _ = people
    name = unique("class")
    room, _ = create(school, name, "--staff", "%s,%s" % (teacher.user_id, other.user_id), "--members", student.user_id)
    for one in (teacher, other):
        one.join(room)
    notice(school, "class", "remove", name, "%s,%s" % (other.user_id, student.user_id))
    _, said = settled(school, name)
    assert other.user_id not in said and student.user_id not in said
    assert [membership(teacher, room, one.user_id) for one in (other, student)] == ["leave", "leave"]
    assert state(teacher, room, "m.room.power_levels")["users"] == {teacher.user_id: 50}


def test_create__in_a_space__notices_to_the_space_reach_it(school, people):
    teacher = people[0]
    space, name = unique("school"), unique("class")
    hall, _ = create(school, space, "--template", "space", "--staff", teacher.user_id)
    room, _ = create(school, name, "--space", "#" + space, "--staff", teacher.user_id, "--template", "notices")
    for one in (hall, room):
        teacher.join(one)
    assert state(teacher, hall, "m.room.create")["type"] == "m.space"
    assert state(teacher, hall, "m.space.child", room) == {"via": ["hs1"]}
    assert state(teacher, room, "m.space.parent", hall) == {"via": ["hs1"], "canonical": True}
    text = unique("to all")
    notice(school, "send", "office", "#" + space, text)
    wait_until(lambda: bodies(teacher, room) == [text], 10, text)


def test_create__what_cannot_be__is_told_and_the_rest_is_done(school, people):
    teacher = people[0]
    name = unique("class")
    _, said = create(school, name, "--staff", "%s,@nobody-here" % teacher.user_id, "--space", "#nowhere")
    assert "@nobody-here:hs1: there is no such account; make it" in said and "#nowhere:hs1: " in said
    assert "is there, but for what follows" in said and "is as wanted" not in said
    assert teacher.sync().invited(re.search(r"(!\S+)", said).group(1))
    taken = unique("taken")
    teacher.create_room(room_alias_name=taken)
    notice(school, "class", "create", taken, "--sender", "office")
    said = wait_until(lambda: "cannot be made" in (shown := notice(school, "classes")) and shown, 15, taken)
    assert "@office:hs1 has not made" in said


def test_create__server_killed_at_once__made_once(make_server):
    server = make_server().start()
    notice(server, "sender", "office")
    lin = accounts.register(server.url)
    names = [unique("class") for _ in range(3)]
    for name in names:
        notice(server, "class", "create", name, "--sender", "office", "--staff", lin.user_id)
    server.kill()
    server.start()
    rooms = {settled(server, name)[0] for name in names}
    assert len(rooms) == 3
    lin = type(lin)(server.url, lin.token, lin.user_id)
    assert lin.sync().rooms("invite") == rooms


@pytest.mark.parametrize("arguments, why", [
    (("create", "x"), "--sender"), (("create", "x", "--sender", "nobody"), "no sender"),
    (("create", "a b", "--sender", "office"), "no alias"), (("create", "#x:other", "--sender", "office"), "no alias"),
    (("create", "x", "--sender", "office", "--template", "palace"), "class, notices and space"),
    (("create", "x", "--sender", "office", "--staff", "@a", "--members", "@a"), "named twice"),
    (("create", "x", "--sender", "office", "--space", "hall"), "neither"),
    (("add", "nowhere", "--staff", "@a"), "no class"), (("add", "x"), "who?"), (("remove", "x"), "who?"),
    (("show", "nowhere"), "no class"), (("burn", "x"), "none of them")])
def test_class__wrong__says_why(school, arguments, why):
    assert why in refused(school, "class", *arguments)
