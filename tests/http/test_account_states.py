"""Locked, suspended, erased and guest accounts; what another process changes (security 5.47)."""
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import Client, path_of, seconds
from support.server import binary, free_port

# its own server, whose database it writes to
pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")


@pytest.fixture(scope="module")
def server():
    from support.server import Server
    started = Server(settings={"registration.guests": "true"}).start()
    yield started
    started.destroy()


def set_state(server, user, state):
    """As another process does it: no server hears of it but by the epoch."""
    server.sql("update accounts set state = '%s' where user_id = '%s'; "
               "update session_epoch set epoch = epoch + 1" % (state, user.user_id))


def until(server, client, status, errcode=None):
    """Asks each process who it is until the answer is that."""
    deadline = time.monotonic() + seconds(20)
    for url in server.urls():
        asking = Client(url, token=client.token)
        while True:
            reply = asking.get("/account/whoami")
            if (reply.status, reply.errcode) == (status, errcode):
                break
            assert time.monotonic() < deadline, reply
            time.sleep(0.05)
    return reply


def login(server, user, password=None):
    return server.anonymous().post("/login", {
        "type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id},
        "password": password or user.password}, token=False)


def test_locked__session_in_use__401_locked_until_unlocked(server):
    user = accounts.register(server.url)
    user.get("/account/whoami").ok()
    set_state(server, user, "locked")
    assert until(server, user, 401, "M_USER_LOCKED")["soft_logout"] is True
    for path in ("/sync", "/devices", "/capabilities"):
        assert user.get(path).expect(401, "M_USER_LOCKED")["soft_logout"] is True
    set_state(server, user, "active")
    until(server, user, 200)


def test_locked__login_and_refresh__401_with_the_right_secret_only(server):
    user = accounts.register(server.url)
    session = user.login(refresh_token=True)
    set_state(server, user, "locked")
    assert login(server, user).expect(401, "M_USER_LOCKED")["soft_logout"] is True
    login(server, user, "wrong").expect(403, "M_FORBIDDEN")
    server.anonymous().post("/refresh", {"refresh_token": session.refresh_token}, token=False).expect(
        401, "M_USER_LOCKED")
    set_state(server, user, "active")
    login(server, user).ok()


def test_locked__log_out__works(server):
    user = accounts.register(server.url)
    other = user.login()
    set_state(server, user, "locked")
    until(server, other, 401, "M_USER_LOCKED")
    other.post("/logout").ok()
    other.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    user.post("/logout/all").ok()
    user.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")


def test_suspended__login_and_reading__work(server):
    user = accounts.register(server.url)
    assert server.run("user", "suspend", user.user_id).returncode == 0
    session = Client(server.url, login(server, user).ok()["access_token"])
    session.get("/sync").ok()
    session.post("/logout").ok()


@pytest.mark.one_process("another process tells what this one has seen once that is written, within a minute")
def test_last_seen__sessions_read_anew_after_others_changed__is_kept(server):
    user, other = accounts.register(server.url), accounts.register(server.url)
    other.get("/account/whoami").ok()  # known in memory from here on, so that a refusal tells that it was read anew
    user.get("/account/whoami", headers={"User-Agent": "Bell/2.0"}).ok()
    set_state(server, other, "locked")
    until(server, other, 401, "M_USER_LOCKED")
    admin = accounts.register_by_secret(server.url, server.secret, admin=True)
    connections = admin.get(path_of("admin", "whois", user.user_id)).ok()["devices"][user.device_id]["sessions"][0]["connections"]
    assert [seen.get("user_agent") for seen in connections] == ["Bell/2.0"]


def test_waiting_sync__deactivated_by_command__gets_nothing_more(server):
    owner, user = accounts.register(server.url), accounts.register(server.url)
    room = owner.create_room(invite=[user.user_id])
    user.join(room).ok()
    since = user.sync().since
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(user.sync_reply, since, 20000)
        assert server.run("user", "deactivate", user.user_id).returncode == 0
        until(server, user, 401, "M_UNKNOWN_TOKEN")
        owner.send(room, "not for those who have gone")
        assert "not for those" not in waiting.result(seconds(30)).expect((200, 401)).raw.decode()
    deadline = time.monotonic() + seconds(20)
    while user.user_id in owner.get(owner.room(room, "joined_members")).ok()["joined"]:
        assert time.monotonic() < deadline, "the deactivated user is still joined"
        time.sleep(0.05)


@pytest.mark.one_process("each of several looks for itself")
def test_deactivated_by_commands__one_after_the_other__none_costs_what_those_before_it_did(make_server):
    """Each was a look at all of the last minutes, each of whom is asked about again."""
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    owner = accounts.register(server.url)
    room, asked = owner.create_room(preset="public_chat"), []
    users = [accounts.register(server.url) for _ in range(16)]
    for user in users:
        user.join(room).ok()
    for user in users:
        watch, before = owner.watch(), server.queries()
        assert server.run("user", "deactivate", user.user_id).returncode == 0
        watch.until(lambda answer, user=user: [event for event in answer.joined(room).timeline if event.get("state_key") == user.user_id])
        asked.append(server.queries() - before)
    # Together: what follows a leaving may be counted with the next one.
    assert sum(asked[-5:]) < sum(asked[:5]) + 5 * len(users), asked


def test_erased__profile_and_account_data__gone(server):
    user = accounts.register(server.url)
    user.put("/profile/%s/displayname" % user.user_id, {"displayname": "Forget me"}).ok()
    user.put("/user/%s/account_data/org.example.x" % user.user_id, {"forget": "me"}).ok()
    user.uia("POST", "/account/deactivate", {"erase": True}).ok()
    for table in ("profiles", "account_data"):
        rows = server.sql("select count(*) from %s where user_id = '%s'" % (table, user.user_id))
        assert rows.strip() == "0", table


def test_guest__registered__may_read_and_not_change_the_account(server):
    reply = server.anonymous().post("/register", {"initial_device_display_name": "Kiosk", "device_id": "MINE"},
                                    query={"kind": "guest"}, token=False).ok()
    guest = Client(server.url, reply["access_token"])
    who = guest.get("/account/whoami").ok()
    assert who["is_guest"] is True and who["device_id"] != "MINE"
    guest.get("/capabilities").ok()
    assert guest.get("/devices").ok()["devices"][0]["display_name"] == "Kiosk"
    guest.post("/account/password", {"new_password": "secret words"}).expect(403, "M_GUEST_ACCESS_FORBIDDEN")
    login(server, Client(server.url, user_id=reply["user_id"], password="x")).expect(403, "M_FORBIDDEN")


def test_guest__profile__display_name_only(server):
    """guest_access.md: "Guest users may only modify their display name"; and the capabilities say so."""
    reply = server.anonymous().post("/register", {}, query={"kind": "guest"}, token=False).ok()
    guest = Client(server.url, reply["access_token"], reply["user_id"])
    where = path_of("profile", guest.user_id)
    guest.put(where + "/displayname", {"displayname": "Visitor"}).ok()
    for field, value in (("avatar_url", "mxc://hs1/x"), ("m.tz", "Asia/Taipei"), ("org.example.x", 1)):
        guest.put(where + "/" + field, {field: value}).expect(403, "M_GUEST_ACCESS_FORBIDDEN")
        guest.delete(where + "/" + field).expect(403, "M_GUEST_ACCESS_FORBIDDEN")
    assert guest.get(where).ok().json == {"displayname": "Visitor"}
    guest.delete(where + "/displayname").ok()
    able = guest.get("/capabilities").ok()["capabilities"]
    assert able["m.profile_fields"] == {"enabled": True, "allowed": ["displayname"]}
    assert able["m.set_avatar_url"] == {"enabled": False} and able["m.set_displayname"] == {"enabled": True}


def test_admin_register__two_at_once_with_one_nonce__one_account(server):
    from support.client import unique
    body = accounts.shared_secret_body(server.url, server.secret, unique("s"), "secret words")

    def attempt(_):
        return server.anonymous().post("/_synapse/admin/v1/register", body, token=False).status
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [200, 400, 400, 400]
