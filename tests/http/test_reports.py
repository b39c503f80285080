"""Reports of events, rooms and users (modules/report_content.md), and how administrators read them."""
import pytest

from support import accounts
from support.client import Client, path_of, unique


@pytest.fixture(scope="module")
def running():
    from support.server import Server
    server = Server().start()
    yield server
    server.destroy()


def report_of(server, text):
    """The lines of the report whose reason holds a text; None if there is none."""
    done = server.run("report", "list", "--limit", "1000")
    assert done.returncode == 0, done.stderr
    blocks, block = [], []
    for line in done.stdout.splitlines():
        if not line.startswith(" "):
            block = []
            blocks.append(block)
        block.append(line)
    return next((block for block in blocks if any(text in line for line in block)), None)


@pytest.fixture
def people(running):
    lin, mo, out = (accounts.register(running.url) for _ in range(3))
    room = lin.create_room(invite=[mo.user_id])
    mo.join(room).ok()
    return lin, mo, out, room


def test_report_event__joined__listed_and_shown_even_after_redaction(running, people):
    lin, mo, _, room = people
    event = mo.send(room, "very rude words")
    reason = unique("rude")
    assert lin.post(lin.room(room, "report", event), {"reason": reason}).ok().json == {}
    mo.redact(room, event).ok()
    block = report_of(running, reason)
    text = "\n".join(block)
    assert lin.user_id in block[0] and mo.user_id in text and event in text and room in text
    shown = running.run("report", "show", block[0].split(":")[0])
    assert "very rude words" in shown.stdout


def test_report_event__killed_at_once__kept(make_server):
    server = make_server().start()
    lin = accounts.register(server.url)
    room = lin.create_room()
    event = lin.send(room, "x")
    reason = unique("kept")
    lin.post(lin.room(room, "report", event), {"reason": reason}).ok()
    server.kill()
    server.start()
    assert report_of(server, reason) is not None


def test_report_event__without_reason__accepted(people):
    lin, mo, _, room = people
    event = mo.send(room, "x")
    lin.post(lin.room(room, "report", event), {}).ok()
    lin.post(lin.room(room, "report", event), {"reason": "spam", "score": -100}).ok()


def test_sec_5_26__report_of_an_event_one_may_not_know__same_answer(people):
    """Not joined, unknown event, unknown room, event of another room, hidden event: one answer."""
    lin, mo, out, room = people
    event = mo.send(room, "x")
    other = lin.create_room()
    hidden_room = lin.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}])
    hidden = lin.send(hidden_room, "before mo came")
    mo.join(hidden_room).ok()
    answers = [out.post(out.room(room, "report", event), {"reason": "x"}),
               out.post(out.room(room, "report", "$unknown"), {"reason": "x"}),
               out.post(out.room("!unknown:hs1", "report", event), {"reason": "x"}),
               lin.post(lin.room(other, "report", event), {"reason": "x"}),
               lin.post(lin.room(room, "report", "$unknown"), {"reason": "x"}),
               mo.post(mo.room(hidden_room, "report", hidden), {"reason": "x"})]
    for answer in answers:
        answer.expect(404, "M_NOT_FOUND")
    assert len({answer.raw for answer in answers}) == 1
    mo.leave(room).ok()
    mo.post(mo.room(room, "report", event), {"reason": "x"}).expect(404, "M_NOT_FOUND")


def test_report_room__not_joined__listed(running, people):
    """ "servers MUST NOT restrict room reports based on whether or not the reporting user is joined" """
    _, _, out, room = people
    reason = unique("room")
    out.post(out.room(room, "report"), {"reason": reason}).ok()
    assert room in "\n".join(report_of(running, reason))


def test_report_room_and_user__unknown__200_and_nothing_stored(running, people):
    _, _, out, _ = people
    reason = unique("nothing")
    out.post(out.room("!unknown:hs1", "report"), {"reason": reason}).ok()
    out.post(path_of("users", "@unknown:hs1", "report"), {"reason": reason}).ok()
    assert report_of(running, reason) is None


def test_report_user__no_common_room__listed(running, people):
    lin, _, out, _ = people
    for user in (lin.user_id, "@remote:other.example"):
        reason = unique("user")
        out.post(path_of("users", user, "report"), {"reason": reason}).ok()
        assert user in "\n".join(report_of(running, reason))


def test_report__blank_reason__accepted(people):
    lin, mo, _, room = people
    lin.post(lin.room(room, "report"), {"reason": ""}).ok()
    lin.post(path_of("users", mo.user_id, "report"), {"reason": ""}).ok()


@pytest.mark.parametrize("body, status, errcode", [({}, 400, ("M_MISSING_PARAM", "M_BAD_JSON")),
                                                   ({"reason": 1}, 400, "M_BAD_JSON"),
                                                   ({"reason": "x\0y"}, 400, "M_INVALID_PARAM"),
                                                   ({"reason": "x" * 5000}, 413, "M_TOO_LARGE")])
def test_report__bad_reason__refused(people, body, status, errcode):
    lin, mo, _, room = people
    lin.post(lin.room(room, "report"), body).expect(status, errcode)
    lin.post(path_of("users", mo.user_id, "report"), body).expect(status, errcode)


def test_report_user__no_user_id__refused(people):
    people[0].post(path_of("users", "nobody", "report"), {"reason": "x"}).expect(400, "M_INVALID_PARAM")


def test_report__without_token__401(running):
    Client(running.url).post(path_of("rooms", "!x:hs1", "report"), {"reason": "x"}).expect(401, "M_MISSING_TOKEN")


def test_report_command__control_characters__not_printed(running, people):
    lin, _, _, room = people
    reason = unique("esc")
    lin.post(lin.room(room, "report"), {"reason": reason + " \x1b[31mred"}).ok()
    assert "\x1b" not in "\n".join(report_of(running, reason))


def test_report_command__remove__gone(running, people):
    lin, _, _, room = people
    reason = unique("gone")
    lin.post(lin.room(room, "report"), {"reason": reason}).ok()
    number = report_of(running, reason)[0].split(":")[0]
    assert running.run("report", "remove", number).returncode == 0
    assert report_of(running, reason) is None
    for word in ("show", "remove"):
        done = running.run("report", word, number)
        assert done.returncode != 0 and number in done.stderr


@pytest.mark.parametrize("arguments", [(), ("show",), ("show", "x"), ("burn", "1"), ("list", "--limit", "0")])
def test_report_command__misused__says_so(running, arguments):
    done = running.run("report", *arguments)
    assert done.returncode != 0 and done.stderr
