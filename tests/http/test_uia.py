"""User-interactive authentication: stages, sessions, and what a session is bound to (security 5.49)."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import seconds, unique
from support.database import Cluster, HeldTable
from support.processes import wait_until


def password_auth(user, session=None, password=None):
    auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id},
            "password": password or user.password}
    if session is not None:
        auth["session"] = session
    return auth


def delete_device(user, device, auth=None):
    return user.delete("/devices/" + device, {"auth": auth} if auth is not None else {})


def device_is_there(user, device):
    return user.get("/devices/" + device).status == 200


def test_uia__no_auth__401_flows_session_and_nothing_done(alice):
    other = alice.login()
    reply = delete_device(alice, other.device_id).expect(401)
    assert ["m.login.password"] in [flow["stages"] for flow in reply["flows"]]
    assert reply["session"] and reply.errcode is None
    assert device_is_there(alice, other.device_id)


def test_uia__right_password__done(alice):
    other = alice.login()
    session = delete_device(alice, other.device_id).expect(401)["session"]
    delete_device(alice, other.device_id, password_auth(alice, session)).ok()
    assert not device_is_there(alice, other.device_id)


def test_uia__localpart_or_deprecated_user_field__accepted(alice):
    other = alice.login()
    session = delete_device(alice, other.device_id).expect(401)["session"]
    auth = password_auth(alice, session)
    auth["identifier"]["user"] = alice.user_id[1:].partition(":")[0]
    delete_device(alice, other.device_id, auth).ok()


def test_uia__wrong_password__401_with_error_then_second_try_works(alice):
    other = alice.login()
    session = delete_device(alice, other.device_id).expect(401)["session"]
    reply = delete_device(alice, other.device_id, password_auth(alice, session, "wrong"))
    reply.expect(401, "M_FORBIDDEN")
    assert reply["session"] == session and reply["flows"] and isinstance(reply["error"], str)
    assert reply.get("completed", []) == []
    assert device_is_there(alice, other.device_id)
    delete_device(alice, other.device_id, password_auth(alice, session)).ok()


def test_uia__other_users_identity__refused(alice, bob):
    """The stage must prove the owner of the token, not just anybody."""
    other = alice.login()
    session = delete_device(alice, other.device_id).expect(401)["session"]
    for password in (bob.password, alice.password):
        reply = delete_device(alice, other.device_id, password_auth(bob, session, password))
        assert reply.status in (401, 403), reply
        assert device_is_there(alice, other.device_id)


@pytest.mark.parametrize("stage", [
    "m.login.dummy", "m.login.registration_token", "m.login.terms", "m.login.recaptcha", "com.example.x", ""])
def test_uia__stage_not_in_flow__never_completes(alice, stage):
    other = alice.login()
    session = delete_device(alice, other.device_id).expect(401)["session"]
    reply = delete_device(alice, other.device_id, {"type": stage, "session": session, "token": "x"})
    assert reply.status in (400, 401, 403), reply
    assert device_is_there(alice, other.device_id)


def test_uia__session_alone__never_completes(alice):
    other = alice.login()
    session = delete_device(alice, other.device_id).expect(401)["session"]
    reply = delete_device(alice, other.device_id, {"session": session}).expect(401)
    assert reply.get("completed", []) == []
    assert device_is_there(alice, other.device_id)


def test_uia__session_never_given_out__refused(alice):
    other = alice.login()
    reply = delete_device(alice, other.device_id, password_auth(alice, "never-given-out"))
    assert reply.status in (400, 401, 403), reply
    assert device_is_there(alice, other.device_id)


def test_uia__session_of_another_user__refused(alice, bob):
    mine, theirs = alice.login(), bob.login()
    session = delete_device(bob, theirs.device_id).expect(401)["session"]
    reply = delete_device(alice, mine.device_id, password_auth(alice, session))
    assert reply.status in (400, 401, 403), reply
    assert device_is_there(alice, mine.device_id)


def test_uia__session_of_another_user__of_the_same_request__refused(alice, bob):
    """Same method, path and body: what tells the two apart is the user alone."""
    mine, _ = alice.login(device_id="SAME"), bob.login(device_id="SAME")
    session = delete_device(bob, "SAME").expect(401)["session"]
    reply = delete_device(alice, "SAME", password_auth(alice, session)).expect(401, "M_FORBIDDEN")
    assert reply["session"] != session
    assert device_is_there(alice, mine.device_id)


def test_uia__session_of_another_endpoint__refused(alice):
    other = alice.login()
    session = alice.post("/account/password", {"new_password": "new words"}).expect(401)["session"]
    reply = delete_device(alice, other.device_id, password_auth(alice, session))
    assert reply.status in (400, 401, 403), reply
    assert device_is_there(alice, other.device_id)


@pytest.mark.peer("lets a client change the body between the stages")
def test_uia__session_with_other_body__refused(alice):
    """Synapse lets a client change the body for compatibility; 5.49 asks that a session is bound to it."""
    first, second = alice.login(), alice.login()
    session = alice.post("/delete_devices", {"devices": [first.device_id]}).expect(401)["session"]
    reply = alice.post("/delete_devices", {"devices": [second.device_id],
                                           "auth": password_auth(alice, session)})
    assert reply.status in (400, 401, 403), reply
    assert device_is_there(alice, second.device_id)


def test_uia__auth_alone__goes_on_with_the_first_body(alice):
    """Older Element Android sends nothing but `auth` from the second request on; Synapse keeps the first body."""
    kept, gone = alice.login(), alice.login()
    session = alice.post("/delete_devices", {"devices": [gone.device_id]}).expect(401)["session"]
    alice.post("/delete_devices", {"auth": password_auth(alice, session, "wrong")}).expect(401, "M_FORBIDDEN")
    alice.post("/delete_devices", {"auth": password_auth(alice, session)}).ok()
    assert not device_is_there(alice, gone.device_id)
    assert device_is_there(alice, kept.device_id)


def test_uia__registration_with_auth_alone__name_and_password_of_the_first_body(nobody):
    name = unique("u")
    session = nobody.post("/register", {"username": name, "password": "first words", "device_id": "FIRST"},
                          token=False).expect(401)["session"]
    reply = nobody.post("/register", {"auth": {"type": "m.login.dummy", "session": session}}, token=False).ok()
    assert reply["user_id"].startswith("@" + name + ":") and reply["device_id"] == "FIRST"
    nobody.post("/login", {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": name},
                           "password": "first words"}, token=False).ok()


def test_uia__change_of_password_with_auth_alone__done(alice):
    session = alice.post("/account/password", {"new_password": "second words", "logout_devices": False}
                         ).expect(401)["session"]
    alice.post("/account/password", {"auth": password_auth(alice, session)}).ok()
    alice.password = "second words"
    alice.login()


def test_sec_5_49__auth_alone_with_session_of_another__nothing_done(alice, bob):
    """The remembered body counts for the user, method and path of its session only."""
    mine = alice.login()
    session = alice.post("/delete_devices", {"devices": [mine.device_id]}).expect(401)["session"]
    assert bob.post("/delete_devices", {"auth": password_auth(bob, session)}).status in (400, 401, 403)
    assert bob.post("/account/password", {"auth": password_auth(bob, session)}).status in (400, 401, 403)
    assert alice.post("/account/password", {"auth": password_auth(alice, session)}).status in (400, 401, 403)
    assert alice.post("/account/deactivate", {"auth": password_auth(alice, session)}).status in (400, 401, 403)
    assert device_is_there(alice, mine.device_id)
    alice.login()


def test_sec_5_49__auth_alone_after_the_session_was_used__refused(alice):
    first, second = alice.login(), alice.login()
    body = {"devices": [first.device_id]}
    session = alice.post("/delete_devices", body).expect(401)["session"]
    alice.post("/delete_devices", {"auth": password_auth(alice, session)}).ok()
    again = alice.post("/delete_devices", {"auth": password_auth(alice, session)})
    assert again.status in (400, 401, 403), again
    assert device_is_there(alice, second.device_id)


def test_uia__session_used_twice_at_once__one_request_is_done(make_server):
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'uia_sessions'::regclass AND NOT granted"
    with Cluster() as cluster:
        server = make_server(settings={"database.url": cluster.url}, processes=1).start()
        user = accounts.register(server.url)
        gone = user.login()
        session = delete_device(user, gone.device_id).expect(401)["session"]
        auth = password_auth(user, session)
        with ThreadPoolExecutor(2) as pool, HeldTable(cluster.url, "uia_sessions") as held:
            replies = [pool.submit(delete_device, user, gone.device_id, auth) for _ in range(2)]
            wait_until(lambda: cluster.sql(waiting) == "2", what="both have found the session")
            held.release()
            replies = [reply.result(seconds(30)) for reply in replies]
        assert sorted(reply.status for reply in replies) == [200, 401]
        assert session not in [reply["session"] for reply in replies if reply.status == 401]
        server.terminate()


def test_uia__completed_session_used_again__refused(alice):
    first, second = alice.login(), alice.login()
    session = delete_device(alice, first.device_id).expect(401)["session"]
    delete_device(alice, first.device_id, password_auth(alice, session)).ok()
    reply = delete_device(alice, second.device_id, {"session": session})
    assert reply.status in (400, 401, 403), reply
    assert device_is_there(alice, second.device_id)


@pytest.mark.parametrize("auth", ["x", 5, [], {"type": 5}, {"type": "m.login.password"},
                                  {"type": "m.login.password", "password": 5},
                                  {"type": "m.login.password", "identifier": 5, "password": "xx words"},
                                  {"session": 5}], ids=str)
@pytest.mark.peer("500", only=["'identifier': 5"])
def test_uia__malformed_auth__4xx_and_nothing_done(alice, auth):
    other = alice.login()
    reply = delete_device(alice, other.device_id, auth)
    assert reply.status in (400, 401, 403), reply
    assert device_is_there(alice, other.device_id)


def test_uia__registration_session__not_usable_elsewhere(alice, nobody):
    session = nobody.post("/register", {"username": unique("u"), "password": "xx words"}, token=False).expect(401)["session"]
    other = alice.login()
    reply = delete_device(alice, other.device_id, {"type": "m.login.dummy", "session": session})
    assert reply.status in (400, 401, 403), reply
    assert device_is_there(alice, other.device_id)


def test_uia__registration_session_with_other_name__no_account_for_the_other(nobody):
    first, second = unique("u"), unique("u")
    session = nobody.post("/register", {"username": first, "password": "xx words"}, token=False).expect(401)["session"]
    reply = nobody.post("/register", {"username": second, "password": "xx words",
                                      "auth": {"type": "m.login.dummy", "session": session}}, token=False)
    if reply.status == 200:
        # Synapse keeps the first request's parameters for some clients; then the account must be the first's
        assert reply["user_id"].startswith("@" + first + ":") or reply["user_id"].startswith("@" + second + ":")
    else:
        reply.expect((400, 401, 403))


def test_uia__without_token__401_missing_token(nobody):
    nobody.delete("/devices/X", {}, token=False).expect(401, "M_MISSING_TOKEN")
    nobody.post("/delete_devices", {"devices": []}, token=False).expect(401, "M_MISSING_TOKEN")


def test_uia__unfinished_sessions__are_independent(alice):
    first, second = alice.login(), alice.login()
    one = delete_device(alice, first.device_id).expect(401)["session"]
    two = delete_device(alice, second.device_id).expect(401)["session"]
    assert one != two
    delete_device(alice, second.device_id, password_auth(alice, two)).ok()
    assert device_is_there(alice, first.device_id)
    delete_device(alice, first.device_id, password_auth(alice, one)).ok()
