"""Who has seen a notice of the school (docs/notices.md): delivered, read, confirmed; per person and occurrence."""
import csv
import io
import re

import pytest

from support import accounts
from support.client import path_of, unique
from support.notices import until_noted
from support.proofs import BASE, with_address
from support.server import Server, wait_until


@pytest.fixture(scope="module")
def school(box):
    server = Server(settings={**box.settings(), "public_base_url": BASE, "registration.email": "optional",
                              "notices.time_zone": "Asia/Taipei"}).start()
    assert server.run("notice", "sender", "office", "--name", "校務處").returncode == 0
    yield server
    server.destroy()


def notice(server, *arguments):
    done = server.run("notice", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def class_room(teacher, *guardians, **options):
    """A room of a class; its id and alias."""
    alias = unique("class")
    room = teacher.create_room(preset="public_chat", room_alias_name=alias, **options)
    for guardian in guardians:
        guardian.join(room).ok()
    return room, "#" + alias


def post(server, client, room, targets, text):
    """A notice, once it is in its rooms and known to be: number and event id."""
    watch = client.watch()
    made = re.search(r"notice (\d+)", notice(server, "send", "office", targets, text)).group(1)
    found = []

    def arrived(answer):
        found.extend(event for event in answer.joined(room).timeline if event["content"].get("body") == text.replace("*", ""))
        return found
    watch.until(arrived)
    until_noted(server, made)
    return made, found[0]["event_id"]


def levels(server, made, *more):
    """{user: level}, by the table for other programs."""
    rows = list(csv.DictReader(io.StringIO(notice(server, "seen", made, "--csv", *more))))
    return {row["user_id"].lstrip("'"): row["level"] for row in rows}


def until_level(server, made, user, level):
    wait_until(lambda: levels(server, made).get(user.user_id) == level, 10, level)


def shown_with(server, made, alias):
    """What it shows once the directory has the room's alias, which follows the stream."""
    def look():
        shown = notice(server, "seen", made)
        return shown if alias in shown else None
    return wait_until(look, 10, alias)


def receipt(client, room, event_id, kind="m.read"):
    client.receipt(room, event_id, kind).ok()


def react(client, room, event_id):
    return client.send(room, {"m.relates_to": {
        "rel_type": "m.annotation", "event_id": event_id, "key": "👍"}}, kind="m.reaction")


def test_seen__three_levels__each_when_it_is_reached(school):
    teacher, lin, chen = (accounts.register(school.url) for _ in range(3))
    room, alias = class_room(teacher, lin, chen)
    made, event = post(school, teacher, room, alias, unique("trip"))
    assert levels(school, made)[lin.user_id] == "waiting"
    token = lin.sync().since
    lin.sync(since=token)  # coming back with it shows that the answer had arrived
    until_level(school, made, lin, "delivered")
    receipt(lin, room, event)
    until_level(school, made, lin, "read")
    reaction = react(lin, room, event)
    until_level(school, made, lin, "confirmed")
    lin.redact(room, reaction).ok()
    until_level(school, made, lin, "read")
    shown = shown_with(school, made, alias)
    assert "occurrence 1 of 1" in shown and "in 1 of 1 room(s)" in shown
    line = r"^read +\d{4}-\d\d-\d\d \d\d:\d\d +%s +" + re.escape(lin.user_id)
    assert re.search(line % re.escape(alias + ":hs1"), shown, re.MULTILINE)
    assert re.search(line % re.escape(room), notice(school, "seen", made, "--ids"), re.MULTILINE)
    assert "@office:hs1" not in shown


def test_seen__private_receipt__not_told(school):
    teacher, lin = accounts.register(school.url), accounts.register(school.url)
    room, alias = class_room(teacher, lin)
    made, event = post(school, teacher, room, alias, unique("quiet"))
    receipt(lin, room, event, "m.read.private")
    receipt(teacher, room, event)
    until_level(school, made, teacher, "read")
    assert levels(school, made)[lin.user_id] == "waiting"


def test_seen__receipt_before_it__not_read(school):
    teacher, lin = accounts.register(school.url), accounts.register(school.url)
    room, alias = class_room(teacher, lin)
    receipt(lin, room, teacher.send(room, "before"))
    made, _ = post(school, teacher, room, alias, unique("later"))
    assert levels(school, made)[lin.user_id] == "waiting"
    receipt(lin, room, teacher.send(room, "behind"))
    until_level(school, made, lin, "read")


def test_seen__in_several_rooms__a_person_counts_once_with_most(school):
    teacher, lin = accounts.register(school.url), accounts.register(school.url)
    one, one_alias = class_room(teacher, lin)
    two, two_alias = class_room(teacher, lin)
    text = unique("both")
    made, _ = post(school, teacher, one, one_alias + "," + two_alias, text)
    event = wait_until(lambda: next((e["event_id"] for e in teacher.messages(two, limit=10).ok()["chunk"]
                                     if e["content"].get("body") == text), None), 10, "the other room")
    react(lin, two, event)
    until_level(school, made, lin, "confirmed")

    def look():
        """The teacher has the same level in both and is shown with either; by their aliases once the directory has them."""
        shown = notice(school, "seen", made)
        return None if one in shown or two in shown else shown
    shown = wait_until(look, 10, "the aliases")
    assert "2 people: 1 confirmed" in shown and shown.count(lin.user_id) == 1
    assert two_alias in re.search(r"^confirmed .*$", shown, re.MULTILINE).group()


def test_seen__rooms__by_what_people_call_them(school):
    """Name and alias, or what there is of them; the id is for a room that has neither, and for programs."""
    teacher, lin = accounts.register(school.url), accounts.register(school.url)
    named, alias = class_room(teacher, lin, name="Class 1A\x1b[2J")
    made, _ = post(school, teacher, named, alias, unique("named"))
    wait_until(lambda: " Class 1A [2J (%s:hs1)  %s" % (alias, lin.user_id) in notice(school, "seen", made), 10, "name and alias")
    plain = teacher.create_room(preset="public_chat")
    made, _ = post(school, teacher, plain, plain, unique("plain"))
    assert plain in notice(school, "seen", made)
    teacher.set_state(plain, "m.room.name", {"name": "Chess"})
    wait_until(lambda: " Chess  %s" % teacher.user_id in notice(school, "seen", made), 10, "the name")


def test_seen__invited_or_gone__who_is_there_counts(school):
    teacher, lin, chen = (accounts.register(school.url) for _ in range(3))
    room, alias = class_room(teacher, chen)
    teacher.invite(room, lin.user_id).ok()
    made, _ = post(school, teacher, room, alias, unique("who"))
    chen.leave(room).ok()
    assert set(levels(school, made)) == {teacher.user_id, lin.user_id}
    assert levels(school, made)[lin.user_id] == "waiting"


def test_seen__edited__newest_text_counts_and_confirmation_says_which(school):
    teacher, lin = accounts.register(school.url), accounts.register(school.url)
    room, alias = class_room(teacher, lin)
    made, event = post(school, teacher, room, alias, unique("v1"))
    receipt(lin, room, event)
    react(teacher, room, event)
    until_level(school, made, lin, "read")
    # The sender has no client: what an edit leaves behind is put there as it would be.
    edit = teacher.send(room, {
        "msgtype": "m.text", "body": "* v2", "m.new_content": {"msgtype": "m.text", "body": "v2"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": event}})
    school.sql("UPDATE relations SET sender = '@office:hs1' WHERE parent_id = '%s' AND rel_type = 'm.replace'" % event)
    assert levels(school, made)[lin.user_id] == "waiting"
    assert re.search(r"^confirmed .*%s.*\(before it was edited\)$" % re.escape(teacher.user_id),
                     notice(school, "seen", made), re.MULTILINE)
    receipt(lin, room, edit)
    until_level(school, made, lin, "read")


def test_seen__edit_that_was_redacted__the_text_before_counts(school):
    teacher, lin = accounts.register(school.url), accounts.register(school.url)
    room, alias = class_room(teacher, lin)
    made, event = post(school, teacher, room, alias, unique("first"))
    receipt(lin, room, event)
    until_level(school, made, lin, "read")
    watch = teacher.watch()
    notice(school, "edit", made, unique("second"))
    edits = []

    def edited(answer):
        edits.extend(found for found in answer.joined(room).timeline
                     if found["content"].get("m.relates_to", {}).get("rel_type") == "m.replace")
        return edits
    watch.until(edited)
    until_level(school, made, lin, "waiting")
    teacher.redact(room, edits[0]["event_id"]).ok()
    until_level(school, made, lin, "read")


def test_seen__not_and_csv__whom_and_how(school):
    teacher = accounts.register(school.url)
    lin = accounts.register(school.url)
    lin.put(path_of("profile", lin.user_id, "displayname"), {"displayname": '=cmd|"x",y'}).ok()
    room, alias = class_room(teacher, lin)
    made, event = post(school, teacher, room, alias, unique("csv"))
    receipt(teacher, room, event)
    until_level(school, made, teacher, "read")
    assert set(levels(school, made, "--not", "read")) == {lin.user_id}
    assert set(levels(school, made, "--not", "confirmed")) == {lin.user_id, teacher.user_id}
    wait_until(lambda: "cmd" in (shown := notice(school, "seen", made, "--csv")) and alias in shown, 10, "the names")
    table = notice(school, "seen", made, "--csv", "--bom")
    assert table.startswith("\ufeffname,user_id,room_id,level,since,text,room\r\n") or \
        table.startswith("\ufeffname,user_id,room_id,level,since,text,room\n")  # newlines as the reader takes them
    assert '"\'=cmd|""x"",y",\'%s,%s,waiting,,current,%s:hs1' % (lin.user_id, room, alias) in table


@pytest.mark.parametrize("arguments, why", [
    (("seen", "999999"), "no notice 999999"), (("seen", "x"), "no number"), (("seen",), "words")])
def test_seen__wrong__says_why(school, arguments, why):
    done = school.run("notice", *arguments)
    assert done.returncode != 0 and why in done.stderr


def test_seen__wrong_level_or_not_sent__says_why(school):
    teacher = accounts.register(school.url)
    room, alias = class_room(teacher)
    later = re.search(r"notice (\d+)", notice(school, "schedule", "office", alias, "2099-01-01T07:00", "x")).group(1)
    made, _ = post(school, teacher, room, alias, unique("now"))
    for arguments, why in (((later,), "not been sent"), ((made, "2"), "sent 1 time"), ((made, "0"), "number of an occurrence"),
                           ((made, "--not", "seen"), "delivered, read or confirmed")):
        done = school.run("notice", "seen", *arguments)
        assert done.returncode != 0 and why in done.stderr, done
    notice(school, "cancel", later)


# -- reminders

def direct_message(client):
    """The room to which the sender invites, entered, and what is said there first."""
    watch = client.watch()
    found = []

    def invited(answer):
        found.extend(room for room in answer.rooms("invite"))
        return found
    if not invited(watch.first):
        watch.until(invited)
    client.join(found[0]).ok()
    said = []

    def arrived(answer):
        said.extend(event for event in answer.joined(found[0]).timeline if event["type"] == "m.room.message")
        return said
    watch.until(arrived)
    return found[0], said[0]


def test_remind__who_has_not_read__told_apart_once(school):
    teacher, lin, chen = (accounts.register(school.url) for _ in range(3))
    room, alias = class_room(teacher, lin, chen)
    title = unique("Trip *tomorrow*")
    made, event = post(school, teacher, room, alias, title)
    for reader in (teacher, chen):
        receipt(reader, room, event)
    until_level(school, made, chen, "read")
    assert notice(school, "remind", made) == "1 reminded\n"
    direct, said = direct_message(lin)
    assert said["sender"] == "@office:hs1" and said["content"]["m.mentions"] == {"user_ids": [lin.user_id]}
    assert title.replace("*", "") in said["content"]["body"] and "提醒" in said["content"]["body"]
    assert "https://matrix.to/#/" in said["content"]["formatted_body"]
    assert notice(school, "remind", made).startswith("0 reminded\n1 were reminded less than 10 minutes ago")
    # The next notice's reminder comes into the same room; one of this notice would have come before it.
    other, _ = post(school, teacher, room, alias, unique("second"))
    watch = lin.watch()
    notice(school, "remind", other, "--not", "confirmed")
    bodies = []

    def arrived(answer):
        bodies.extend(answer.joined(direct).bodies())
        return any("second" in body for body in bodies)
    watch.until(arrived)
    assert not any("Trip" in body for body in bodies)
    _, said = direct_message(chen)
    assert "second" in said["content"]["body"]


def page(server, method, target):
    return server.anonymous().http.raw(method, target)


def test_remind__no_client__mail_with_a_link_that_a_button_confirms(school, box):
    teacher, lin = accounts.register(school.url), with_address(school, box)
    room, alias = class_room(teacher, lin)
    before = len(box.to(lin.address.lower()))
    title = unique("Trip **tomorrow**")
    made, event = post(school, teacher, room, alias, title)
    receipt(teacher, room, event)
    until_level(school, made, teacher, "read")
    assert notice(school, "remind", made) == "1 reminded\n"
    mail = box.wait(lin.address.lower(), before + 1)
    plain = title.replace("*", "")
    assert plain in mail.text and "有一則通知給您" in mail.text and "has a notice for you" in mail.text
    written = mail.message.get_body(("html",)).get_content()
    assert "<strong>tomorrow</strong>" in written and "overflow-wrap:anywhere" in written
    link, = [link for link in mail.links if "/_belfry/" in link]
    assert link.startswith(BASE + "/_belfry/notices/confirm/")
    target = link[len(BASE):]
    for _ in range(2):  # programs that look at mails open what they find
        shown = page(school, "GET", target)
        assert shown.status == 200 and plain.encode() in shown.raw and "我已看到".encode() in shown.raw
    assert levels(school, made)[lin.user_id] == "waiting"
    assert page(school, "POST", target).status == 200
    assert levels(school, made)[lin.user_id] == "confirmed"
    assert "謝謝您".encode() in page(school, "GET", target).raw
    assert page(school, "POST", target).status == 200
    assert notice(school, "remind", made) == "0 reminded\n"
    assert len(box.to(lin.address.lower())) == before + 1


def test_confirm__link_of_another__refused(school, box):
    for link in ("x", "MSAxIEBhOmhzMQ.AAAA", "." * 700):
        for method in ("GET", "POST"):
            assert page(school, method, "/_belfry/notices/confirm/" + link).status == 404


def test_remind__to_be_delivered__says_why(school):
    done = school.run("notice", "remind", "1", "--not", "delivered")
    assert done.returncode != 0 and "--not confirmed" in done.stderr
