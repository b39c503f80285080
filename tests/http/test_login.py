"""Login, sessions, refresh tokens, logout."""

import pytest

from support.client import Client, seconds, unique
from support.server import wait_until


def login(nobody, body):
    return nobody.post("/login", body, token=False)


def password_body(user, password=None, **more):
    return {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id},
            "password": password or user.password, **more}


def dead(client, path="/account/whoami"):
    return client.get(path).expect(401, "M_UNKNOWN_TOKEN")


def test_login_flows__asked__password_among_them(nobody):
    flows = nobody.get("/login", token=False).ok()["flows"]
    assert {"m.login.password"} <= {flow["type"] for flow in flows}


def test_login__user_id__token_and_device(alice, nobody):
    reply = login(nobody, password_body(alice)).ok()
    assert reply["user_id"] == alice.user_id
    assert reply["access_token"] != alice.token and reply["device_id"] != alice.device_id
    Client(nobody.http, reply["access_token"]).get("/account/whoami").ok()


def test_login__localpart__accepted(alice, nobody):
    body = password_body(alice)
    body["identifier"]["user"] = alice.user_id[1:].partition(":")[0]
    assert login(nobody, body).ok()["user_id"] == alice.user_id


def test_login__deprecated_user_field__accepted(alice, nobody):
    for name in (alice.user_id, alice.user_id[1:].partition(":")[0]):
        reply = login(nobody, {"type": "m.login.password", "user": name, "password": alice.password})
        assert reply.ok()["user_id"] == alice.user_id


def test_login__foreign_server_name__403(alice, nobody):
    body = password_body(alice)
    body["identifier"]["user"] = alice.user_id.partition(":")[0] + ":elsewhere.example"
    login(nobody, body).expect((400, 403))


def test_login__wrong_password__403_forbidden(alice, nobody):
    login(nobody, password_body(alice, "wrong")).expect(403, "M_FORBIDDEN")


def test_login__unknown_user__same_answer_as_wrong_password(alice, nobody):
    body = password_body(alice, "wrong")
    first = login(nobody, body).expect(403, "M_FORBIDDEN")
    body["identifier"]["user"] = "@%s:%s" % (unique("ghost"), alice.user_id.partition(":")[2])
    second = login(nobody, body).expect(403, "M_FORBIDDEN")
    assert first["error"] == second["error"]


def test_login__empty_password__refused(alice, nobody):
    body = password_body(alice)
    body["password"] = ""
    login(nobody, body).expect((400, 403))


def test_login__unknown_type__400(alice, nobody):
    body = password_body(alice)
    body["type"] = "m.login.nothing"
    login(nobody, body).expect(400, ("M_UNKNOWN", "M_INVALID_PARAM", "M_UNRECOGNIZED"))


@pytest.mark.parametrize("body", [
    {}, {"type": None}, {"type": 5}, {"type": "m.login.password"},
    {"type": "m.login.password", "password": "xx words"},
    {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "x"}},
    {"type": "m.login.password", "identifier": {"type": "m.id.user"}, "password": "xx words"},
    {"type": "m.login.password", "identifier": {}, "password": "xx words"},
    {"type": "m.login.password", "identifier": {"type": "m.id.nothing", "user": "x"}, "password": "xx words"},
    {"type": "m.login.password", "identifier": "me", "password": "xx words"},
    {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": 5}, "password": "xx words"},
    {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "x"}, "password": 5},
], ids=str)
@pytest.mark.peer("500 for a user that is no string", only=["'user': 5"])
def test_login__malformed__400(nobody, body):
    login(nobody, body).expect((400, 403))


def test_login__third_party_identifier_unknown__403(nobody):
    body = {"type": "m.login.password", "password": "xx words",
            "identifier": {"type": "m.id.thirdparty", "medium": "email", "address": "nobody@example.org"}}
    login(nobody, body).expect((400, 403))


def test_login__new_device_id__device_made_with_name(alice, nobody):
    reply = login(nobody, password_body(alice, device_id="LAPTOP", initial_device_display_name="My laptop")).ok()
    assert reply["device_id"] == "LAPTOP"
    assert alice.get("/devices/LAPTOP").ok()["display_name"] == "My laptop"


@pytest.mark.peer("leaves the older token alive")
def test_login__known_device_id__old_token_dies_and_name_stays(alice, nobody):
    """_index.md, Relationship between access tokens and devices: the server invalidates the tokens
    previously assigned to that device."""
    first = alice.login(device_id="TABLET", initial_device_display_name="First name")
    second = alice.login(device_id="TABLET", initial_device_display_name="Second name")
    assert second.device_id == "TABLET"
    dead(first)
    assert second.get("/devices/TABLET").ok()["display_name"] == "First name"
    assert len([d for d in second.get("/devices").ok()["devices"] if d["device_id"] == "TABLET"]) == 1


def test_login__twice_without_device_id__two_devices(alice):
    first, second = alice.login(), alice.login()
    assert len({alice.device_id, first.device_id, second.device_id}) == 3
    assert first.token != second.token
    assert {alice.device_id, first.device_id, second.device_id} <= {
        device["device_id"] for device in alice.get("/devices").ok()["devices"]}


def test_login__device_id_of_another_user__is_its_own_device(alice, bob):
    mine, other = alice.login(device_id="SAME"), bob.login(device_id="SAME")
    mine.get("/account/whoami").ok()
    other.get("/account/whoami").ok()


def test_login__deactivated__403(hs, nobody):
    user = hs.user()
    user.uia("POST", "/account/deactivate").ok()
    login(nobody, password_body(user)).expect(403, ("M_FORBIDDEN", "M_USER_DEACTIVATED"))


def test_whoami__token__user_and_device(alice):
    who = alice.get("/account/whoami").ok()
    assert who["user_id"] == alice.user_id and who["device_id"] == alice.device_id


def test_whoami__no_token__401_missing_token(nobody):
    nobody.get("/account/whoami", token=False).expect(401, "M_MISSING_TOKEN")


@pytest.mark.parametrize("token", ["x", "a" * 5000, "syt_made_up", "%00", "../../etc/passwd", "'OR'1'='1"])
@pytest.mark.peer("500", only=["OR"])
def test_whoami__made_up_token__401_unknown_token(nobody, token):
    reply = nobody.get("/account/whoami", token=token)
    reply.expect(401, "M_UNKNOWN_TOKEN")
    assert reply.get("soft_logout", False) is False


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "bearer", "Token x", "Bearer a b"])
def test_whoami__malformed_authorization__401(nobody, header):
    reply = nobody.get("/account/whoami", token=False, headers={"Authorization": header})
    reply.expect(401, ("M_MISSING_TOKEN", "M_UNKNOWN_TOKEN"))


def test_logout__own_session__only_that_one_ends(alice):
    other = alice.login()
    reply = other.request("POST", "/logout").ok()
    assert reply.json == {}
    reply = dead(other)
    assert reply.get("soft_logout", False) is False
    alice.get("/account/whoami").ok()
    assert other.device_id not in {d["device_id"] for d in alice.get("/devices").ok()["devices"]}


def test_logout__empty_body__accepted(alice):
    """_index.md, API Standards: logout takes an empty request body."""
    other = alice.login()
    other.request("POST", "/logout", raw=b"").ok()
    dead(other)


def test_logout__twice__second_401(alice):
    other = alice.login()
    other.post("/logout").ok()
    other.post("/logout").expect(401, "M_UNKNOWN_TOKEN")


def test_logout_all__every_session_and_device_ends(alice):
    others = [alice.login(), alice.login()]
    others[0].get("/account/whoami").ok()  # so that it is in memory
    alice.request("POST", "/logout/all", raw=b"").ok()
    for session in [alice] + others:
        dead(session)
    again = alice.login()
    assert [d["device_id"] for d in again.get("/devices").ok()["devices"]] == [again.device_id]


def test_logout_all__other_user__untouched(alice, bob):
    alice.post("/logout/all").ok()
    bob.get("/account/whoami").ok()


def test_logout__during_a_waiting_sync__the_sync_ends(alice):
    """A revoked token is no longer used: the parked request must not deliver what comes later."""
    import threading
    other = alice.login()
    since = other.sync().since
    answers = []
    thread = threading.Thread(target=lambda: answers.append(other.sync_reply(since, timeout=3000)))
    thread.start()
    alice.uia("DELETE", "/devices/" + other.device_id).ok()
    alice.create_room(name="after the logout")
    thread.join(seconds(20))
    assert answers and answers[0].status in (200, 401)
    if answers[0].status == 200:
        assert "after the logout" not in answers[0].raw.decode()


# -- refresh tokens

def refreshable(user):
    session = user.login(refresh_token=True)
    assert session.refresh_token
    return session


def refresh(nobody, token):
    return nobody.post("/refresh", {"refresh_token": token}, token=False)


def test_login__refresh_token_not_asked__none_given(alice):
    assert alice.login().refresh_token is None


def test_login__refresh_token_asked__gives_token_and_perhaps_expiry(alice, nobody):
    reply = login(nobody, password_body(alice, refresh_token=True)).ok()
    assert reply["refresh_token"] != reply["access_token"]
    assert "expires_in_ms" not in reply or reply["expires_in_ms"] > 0


def test_refresh__valid__new_tokens_for_the_same_device(alice, nobody):
    session = refreshable(alice)
    reply = refresh(nobody, session.refresh_token).ok()
    assert reply["access_token"] != session.token
    assert reply["refresh_token"] != session.refresh_token
    who = alice.with_token(reply["access_token"]).get("/account/whoami").ok()
    assert who["device_id"] == session.device_id and who["user_id"] == alice.user_id


def test_refresh__used_again_before_the_new_is_used__still_valid(alice, nobody):
    """refresh.yaml: the old refresh token remains valid until the new access or refresh token is used."""
    session = refreshable(alice)
    refresh(nobody, session.refresh_token).ok()
    refresh(nobody, session.refresh_token).ok()


def test_refresh__old_token_after_new_access_token_used__401(alice, nobody):
    session = refreshable(alice)
    reply = refresh(nobody, session.refresh_token).ok()
    alice.with_token(reply["access_token"]).get("/account/whoami").ok()
    refresh(nobody, session.refresh_token).expect((401, 403), ("M_UNKNOWN_TOKEN", "M_FORBIDDEN"))


def test_refresh__old_token_after_new_refresh_token_used__401(alice, nobody):
    session = refreshable(alice)
    reply = refresh(nobody, session.refresh_token).ok()
    second = refresh(nobody, reply["refresh_token"]).ok()
    refresh(nobody, session.refresh_token).expect((401, 403), ("M_UNKNOWN_TOKEN", "M_FORBIDDEN"))
    alice.with_token(second["access_token"]).get("/account/whoami").ok()


def test_refresh__new_refresh_token_used__the_access_token_before_it_ends_at_once(alice, nobody):
    session = refreshable(alice)
    reply = refresh(nobody, session.refresh_token).ok()
    session.get("/account/whoami").ok()
    refresh(nobody, reply["refresh_token"]).ok()
    dead(session)


def test_refresh__unknown_token__401_unknown_token(nobody):
    refresh(nobody, "made-up").expect(401, "M_UNKNOWN_TOKEN")


def test_refresh__access_token_in_its_place__refused(alice, nobody):
    refresh(nobody, refreshable(alice).token).expect((401, 403))


def test_refresh__refresh_token_used_as_access_token__401(alice):
    session = refreshable(alice)
    dead(alice.with_token(session.refresh_token))


@pytest.mark.parametrize("body", [{}, {"refresh_token": 5}, {"refresh_token": None}, {"refresh_token": ["x"]}], ids=str)
def test_refresh__malformed__400(nobody, body):
    nobody.post("/refresh", body, token=False).expect(400, ("M_MISSING_PARAM", "M_BAD_JSON", "M_INVALID_PARAM"))


def test_refresh__after_logout__refused(alice, nobody):
    session = refreshable(alice)
    session.post("/logout").ok()
    refresh(nobody, session.refresh_token).expect((401, 403))


@pytest.mark.peer("leaves the older token alive")
def test_refresh__after_new_login_on_the_device__refused(alice, nobody):
    session = refreshable(alice)
    alice.login(device_id=session.device_id)
    refresh(nobody, session.refresh_token).expect((401, 403))


def test_refresh__several_times_in_a_row__chain_holds(alice, nobody):
    session = refreshable(alice)
    token = session.refresh_token
    for _ in range(5):
        reply = refresh(nobody, token).ok()
        alice.with_token(reply["access_token"]).get("/account/whoami").ok()
        token = reply["refresh_token"]


def test_expired_access_token__used__401_with_soft_logout_then_refresh_works(make_server):
    from support import accounts
    server = make_server(settings={"sessions.access_token_lifetime": "1s"}).start()
    user = accounts.register(server.url)
    session = user.login(refresh_token=True)
    wait_until(lambda: session.get("/account/whoami").status == 401, what="the token's end")
    assert session.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")["soft_logout"] is True

    def renewed():
        """A slow machine lets the second of the new token pass too."""
        fresh = refresh(server.anonymous(), session.refresh_token).ok()
        session.refresh_token = fresh["refresh_token"]
        return user.with_token(fresh["access_token"]).get("/account/whoami").status == 200
    wait_until(renewed, what="a token that works")


def test_expired_refresh_token__used__401_with_soft_logout(make_server):
    from support import accounts
    server = make_server(settings={"sessions.refresh_token_lifetime": "1s"}).start()
    session = accounts.register(server.url).login(refresh_token=True)
    wait_until(lambda: refresh(server.anonymous(), session.refresh_token).status == 401, what="the token's end")
    assert refresh(server.anonymous(), session.refresh_token).expect(401, "M_UNKNOWN_TOKEN")["soft_logout"] is True
