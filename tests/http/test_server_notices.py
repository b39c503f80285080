"""Server notices (modules/server_notices.md): from the command to the user's room."""
import pytest

from support import accounts
from support.client import Client


@pytest.fixture(scope="module")
def running():
    from support.server import Server
    server = Server(settings={"server_notices.localpart": "office", "server_notices.room_name": "From the office"}).start()
    yield server
    server.destroy()


def send(server, user, text):
    done = server.run("server-notice", "send", user.user_id, text)
    assert done.returncode == 0, done.stderr
    return done.stdout


def invited(watch):
    return watch.until(lambda answer: answer.rooms("invite"))[1].pop()


def tagged(client, room):
    return client.get("/user/%s/rooms/%s/tags" % (client.user_id, room)).ok()["tags"]


def test_notice__sent__invited_to_a_tagged_room_with_the_text(running):
    lin = accounts.register(running.url)
    watch = lin.watch()
    send(running, lin, "校門週日關閉 · closed on Sunday")
    room = invited(watch)
    state = watch.client.sync().stripped(room)
    assert state["m.room.name", ""]["content"]["name"] == "From the office"
    assert state["m.room.member", lin.user_id]["sender"] == "@office:hs1"
    lin.join(room).ok()
    watch.until(lambda answer: "校門週日關閉 · closed on Sunday" in answer.joined(room).bodies())
    assert "m.server_notice" in tagged(lin, room)
    lin.put_event(room, "m.room.message", {"body": "thanks"}).expect(403, "M_FORBIDDEN")


def test_notice__second__same_room(running):
    lin = accounts.register(running.url)
    watch = lin.watch()
    send(running, lin, "one")
    room = invited(watch)
    lin.join(room).ok()
    send(running, lin, "two")
    watch.until(lambda answer: "two" in answer.joined(room).bodies())
    assert lin.get("/joined_rooms").ok()["joined_rooms"] == [room]


def test_notice__invite__cannot_be_rejected_but_the_room_be_left(running):
    lin = accounts.register(running.url)
    watch = lin.watch()
    send(running, lin, "stay")
    room = invited(watch)
    lin.leave(room).expect(403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM")
    lin.put_state(room, "m.room.member", {"membership": "leave"}, lin.user_id).expect(
        403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM")
    lin.join(room).ok()
    lin.leave(room).ok()
    send(running, lin, "again")
    assert invited(watch) == room


def test_notice__to_who_takes_no_invites__arrives(running):
    lin = accounts.register(running.url)
    lin.account_data("m.invite_permission_config", {"default_action": "block"}).ok()
    send(running, lin, "important")
    lin.account_data("m.invite_permission_config", {}).ok()
    watch = lin.watch()
    assert watch.first.rooms("invite") or invited(watch)


def test_notice__without_a_server__delivered_at_the_start_once(make_server):
    server = make_server().start()
    lin = accounts.register(server.url)
    server.kill()
    assert "start" in send(server, lin, "later")
    server.start()
    lin = Client(server.url, lin.token, lin.user_id)
    watch = lin.watch()
    room = next(iter(watch.first.rooms("invite")), None) or invited(watch)
    lin.join(room).ok()
    server.kill()
    server.start()
    lin = Client(server.url, lin.token, lin.user_id)
    bodies = [event["content"].get("body") for event in lin.messages(room, limit=50).ok()["chunk"]]
    assert bodies.count("later") == 1


def test_notice__account__nobody_can_log_in(running):
    lin = accounts.register(running.url)
    watch = lin.watch()
    send(running, lin, "x")
    invited(watch)
    running.anonymous().post("/login", {"type": "m.login.password", "password": "",
                                        "identifier": {"type": "m.id.user", "user": "office"}}, token=False).expect(403)
    running.anonymous().get("/register/available", {"username": "office"}, token=False).expect(400, "M_USER_IN_USE")


@pytest.mark.parametrize("arguments", [(), ("send",), ("send", "lin"), ("send", "nobody-here", "x"), ("send", "@x:other", "x"),
                                       ("shout", "lin", "x")])
def test_notice__misused__says_so(running, arguments):
    done = running.run("server-notice", *arguments)
    assert done.returncode != 0 and done.stderr
