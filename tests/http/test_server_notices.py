"""Server notices (modules/server_notices.md): from the command, or an administrator's request, to the user's room."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import Client, unique


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


def tagged(client, room):
    return client.get("/user/%s/rooms/%s/tags" % (client.user_id, room)).ok()["tags"]


def test_notice__sent__invited_to_a_tagged_room_with_the_text(running):
    lin = accounts.register(running.url)
    watch = lin.watch()
    send(running, lin, "校門週日關閉 · closed on Sunday")
    room = watch.invited_to()
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
    room = watch.invited_to()
    lin.join(room).ok()
    send(running, lin, "two")
    watch.until(lambda answer: "two" in answer.joined(room).bodies())
    assert lin.get("/joined_rooms").ok()["joined_rooms"] == [room]


def test_notice__invite__cannot_be_rejected_but_the_room_be_left(running):
    lin = accounts.register(running.url)
    watch = lin.watch()
    send(running, lin, "stay")
    room = watch.invited_to()
    lin.leave(room).expect(403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM")
    lin.put_state(room, "m.room.member", {"membership": "leave"}, lin.user_id).expect(
        403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM")
    lin.join(room).ok()
    lin.leave(room).ok()
    send(running, lin, "again")
    assert watch.invited_to() == room


def test_notice__to_who_takes_no_invites__arrives(running):
    lin = accounts.register(running.url)
    lin.account_data("m.invite_permission_config", {"default_action": "block"}).ok()
    send(running, lin, "important")
    lin.account_data("m.invite_permission_config", {}).ok()
    watch = lin.watch()
    assert watch.invited_to()


def test_notice__without_a_server__delivered_at_the_start_once(make_server):
    server = make_server().start()
    lin = accounts.register(server.url)
    server.kill()
    assert "start" in send(server, lin, "later")
    server.start()
    lin = Client(server.url, lin.token, lin.user_id)
    watch = lin.watch()
    room = watch.invited_to()
    lin.join(room).ok()
    server.kill()
    server.start()
    lin = Client(server.url, lin.token, lin.user_id)
    watch = lin.watch()
    send(server, lin, "the last")  # they go in order: what stands before it will not come any more
    if "the last" not in watch.first.joined(room).bodies():
        watch.until(lambda answer: "the last" in answer.joined(room).bodies())
    bodies = [event["content"].get("body") for event in lin.messages(room, limit=50).ok()["chunk"]]
    assert bodies.count("later") == 1


def test_notice__account__nobody_can_log_in(running):
    lin = accounts.register(running.url)
    watch = lin.watch()
    send(running, lin, "x")
    watch.invited_to()
    running.anonymous().post("/login", {"type": "m.login.password", "password": "",
                                        "identifier": {"type": "m.id.user", "user": "office"}}, token=False).expect(403)
    running.anonymous().get("/register/available", {"username": "office"}, token=False).expect(400, "M_USER_IN_USE")


@pytest.mark.parametrize("arguments", [(), ("send",), ("send", "lin"), ("send", "nobody-here", "x"), ("send", "@x:other", "x"),
                                       ("shout", "lin", "x")])
def test_notice__misused__says_so(running, arguments):
    done = running.run("server-notice", *arguments)
    assert done.returncode != 0 and done.stderr


# -- by request, as Synapse has it

NOTICE = "/_synapse/admin/v1/send_server_notice"


@pytest.fixture(scope="module")
def admin(running):
    return accounts.register_by_secret(running.url, running.secret, admin=True)


def notice(user, text="hello", **other):
    return {"user_id": user.user_id, "content": {"msgtype": "m.text", "body": text}, **other}


def test_request__administrator__arrives_under_the_event_id(running, admin):
    lin = accounts.register(running.url)
    watch = lin.watch()
    event_id = admin.post(NOTICE, notice(lin, "校門週日關閉")).ok()["event_id"]
    room = watch.invited_to()
    lin.leave(room).expect(403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM")
    lin.join(room).ok()
    event = lin.event(room, event_id).ok()
    assert (event["type"], event["content"]["body"], event["sender"]) == ("m.room.message", "校門週日關閉", "@office:hs1")
    assert "m.server_notice" in tagged(lin, room)


def test_request__user_has_left__invited_to_the_same_room(running, admin):
    lin = accounts.register(running.url)
    watch = lin.watch()
    admin.post(NOTICE, notice(lin)).ok()
    room = watch.invited_to()
    lin.join(room).ok()
    lin.leave(room).ok()
    watch.until(lambda answer: room in answer.rooms("leave"))
    admin.post(NOTICE, notice(lin)).ok()
    assert watch.invited_to() == room


def test_request__state_event__sets_the_state(running, admin):
    lin = accounts.register(running.url)
    watch = lin.watch()
    body = {"user_id": lin.user_id, "type": "m.room.topic", "state_key": "", "content": {"topic": "holidays"}}
    event_id = admin.post(NOTICE, body).ok()["event_id"]
    room = watch.invited_to()
    lin.join(room).ok()
    assert lin.event(room, event_id).ok()["state_key"] == ""
    assert lin.get_state(room, "m.room.topic").ok()["topic"] == "holidays"


def test_request__same_transaction_id__sent_once_without_another_invite(running, admin):
    lin = accounts.register(running.url)
    watch = lin.watch()
    path = NOTICE + "/" + unique("t")
    first = admin.put(path, notice(lin, "once")).ok()["event_id"]
    room = watch.invited_to()
    lin.join(room).ok()
    lin.leave(room).ok()
    assert admin.put(path, notice(lin, "once")).ok()["event_id"] == first
    assert lin.sync().rooms("invite") == set()
    assert admin.put(NOTICE + "/" + unique("t"), notice(lin, "once")).ok()["event_id"] != first


def test_request__same_transaction_id_of_another_administrator__another_notice(running, admin):
    lin = accounts.register(running.url)
    other = accounts.register_by_secret(running.url, running.secret, admin=True)
    path = NOTICE + "/" + unique("t")
    assert admin.put(path, notice(lin)).ok()["event_id"] != other.put(path, notice(lin)).ok()["event_id"]


def test_request__many_at_the_same_moment__one_room(running, admin):
    lin = accounts.register(running.url)
    with ThreadPoolExecutor(6) as pool:
        askers = [Client(running.url, admin.token, admin.user_id) for _ in range(6)]
        replies = list(pool.map(lambda asker: asker.post(NOTICE, notice(lin)).ok()["event_id"], askers))
    assert len(set(replies)) == 6
    assert len(lin.sync().rooms("invite")) == 1


@pytest.mark.parametrize("change, status, errcode", [
    ({"user_id": None}, 400, "M_MISSING_PARAM"), ({"user_id": 7}, 400, "M_BAD_JSON"),
    ({"content": None}, 400, "M_MISSING_PARAM"), ({"content": "text"}, 400, "M_BAD_JSON"),
    ({"type": {}}, 400, "M_BAD_JSON"), ({"state_key": 1}, 400, "M_BAD_JSON"),
    ({"user_id": "@lin:elsewhere.example"}, 400, "M_INVALID_PARAM"), ({"user_id": "lin"}, 400, "M_INVALID_PARAM"),
    ({"user_id": "@nobody-here:hs1"}, 404, "M_NOT_FOUND"),
    ({"type": "m.room.create", "state_key": ""}, 403, "M_FORBIDDEN")])
def test_request__bad__refused(running, admin, change, status, errcode):
    lin = accounts.register(running.url)
    body = {key: value for key, value in {**notice(lin), **change}.items() if value is not None}
    admin.post(NOTICE, body).expect(status, errcode)


def test_request__ordinary_user__forbidden_and_nothing_sent(running):
    lin = accounts.register(running.url)
    lin.post(NOTICE, notice(lin)).expect(403, "M_FORBIDDEN")
    lin.put(NOTICE + "/1", notice(lin)).expect(403, "M_FORBIDDEN")
    assert lin.sync().rooms("invite") == set()
