"""Login tokens and OpenID tokens: single use, ends, what they are good for (security 5.46, 5.47, 5.49)."""
from concurrent.futures import ThreadPoolExecutor

from support.client import Client, path_of

GET_TOKEN = "/_matrix/client/v1/login/get_token"
USERINFO = "/_matrix/federation/v1/openid/userinfo"


def get_token(user):
    reply = user.uia("POST", GET_TOKEN).ok()
    assert reply["expires_in_ms"] == 120000
    return reply["login_token"]


def log_in(hs, token, **more):
    return hs.anonymous().post("/login", {"type": "m.login.token", "token": token, **more}, token=False)


def test_login_flows__password_and_token__announced(nobody):
    flows = {flow["type"]: flow for flow in nobody.get("/login", token=False).ok()["flows"]}
    assert "m.login.password" in flows
    assert flows["m.login.token"]["get_login_token"] is True


def test_get_token__without_proof__asked_each_time(alice):
    get_token(alice)
    alice.post(GET_TOKEN).expect(401)
    assert alice.get("/capabilities").ok()["capabilities"]["m.get_login_token"]["enabled"] is True


def test_login_token__used__once_only(hs, alice):
    token = get_token(alice)
    reply = log_in(hs, token, device_id="TABLET", initial_device_display_name="Tablet", refresh_token=True).ok()
    assert reply["user_id"] == alice.user_id and reply["device_id"] == "TABLET" and "refresh_token" in reply
    Client(hs.url, reply["access_token"]).get("/account/whoami").ok()
    log_in(hs, token).expect(403, "M_FORBIDDEN")


def test_login_token__by_many_at_once__one_session(hs, alice):
    token = get_token(alice)
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: log_in(hs, token).status, range(4))) == [200, 403, 403, 403]


def test_login_token__made_up_or_of_another_kind__refused(hs, alice):
    openid = alice.post(path_of("user", alice.user_id, "openid", "request_token")).ok()["access_token"]
    for token in ("", "bfl_" + "x" * 40, alice.token, openid):
        log_in(hs, token).expect(403, "M_FORBIDDEN")
    hs.anonymous().post("/login", {"type": "m.login.token"}, token=False).expect(400, "M_MISSING_PARAM")


def test_sec_5_47__login_token__account_ended_or_locked_meanwhile(hs):
    admin, user = hs.admin(), hs.user()
    locked = get_token(user)
    lock = "/_matrix/client/v1" + path_of("admin", "lock", user.user_id)
    admin.put(lock, {"locked": True}).ok()
    log_in(hs, locked).expect(401, "M_USER_LOCKED")
    admin.put(lock, {"locked": False}).ok()
    after_password, after_end = get_token(user), get_token(user)
    user.uia("POST", "/account/password", {"new_password": "another password"}).ok()
    user.password = "another password"
    log_in(hs, after_password).expect(403, "M_FORBIDDEN")
    after_end = get_token(user)
    user.uia("POST", "/account/deactivate").ok()
    log_in(hs, after_end).expect(403, "M_FORBIDDEN")


def test_login_token__too_late__refused(make_server):
    from support import accounts
    server = make_server(settings={"sessions.login_token_lifetime": "1s"}).start()
    user = accounts.register(server.url)
    token = user.uia("POST", GET_TOKEN).ok()["login_token"]
    server.sql("update account_secrets set expires_at_ms = expires_at_ms - 1000")
    log_in(server, token).expect(403, "M_FORBIDDEN")


def test_openid__own_token__userinfo_says_who(hs, alice):
    reply = alice.post(path_of("user", alice.user_id, "openid", "request_token")).ok()
    assert reply["token_type"] == "Bearer" and reply["expires_in"] == 3600
    assert reply["matrix_server_name"] == alice.user_id.partition(":")[2]
    for _ in range(2):
        assert hs.anonymous().get(USERINFO, {"access_token": reply["access_token"]}).ok().json == {"sub": alice.user_id}


def test_openid__account_locked__nobody_until_unlocked(hs, alice):
    token = alice.post(path_of("user", alice.user_id, "openid", "request_token")).ok()["access_token"]
    admin, lock = hs.admin(), "/_matrix/client/v1" + path_of("admin", "lock", alice.user_id)
    admin.put(lock, {"locked": True}).ok()
    hs.anonymous().get(USERINFO, {"access_token": token}).expect(401, "M_UNKNOWN_TOKEN")
    admin.put(lock, {"locked": False}).ok()
    hs.anonymous().get(USERINFO, {"access_token": token}).ok()


def test_openid__token_of_another__forbidden(alice, bob):
    alice.post(path_of("user", bob.user_id, "openid", "request_token")).expect(403, "M_FORBIDDEN")


def test_openid_token__for_anything_else__unknown(hs, alice):
    token = alice.post(path_of("user", alice.user_id, "openid", "request_token")).ok()["access_token"]
    alice.with_token(token).get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    alice.with_token(token).post(path_of("user", alice.user_id, "openid", "request_token")).expect(401, "M_UNKNOWN_TOKEN")


def test_openid_userinfo__no_or_wrong_token__401(hs, alice):
    hs.anonymous().get(USERINFO).expect(401, "M_MISSING_TOKEN")
    for token in ("", "x", alice.token):
        hs.anonymous().get(USERINFO, {"access_token": token}).expect(401, "M_UNKNOWN_TOKEN")


def test_openid__deactivated__nobody_any_more(hs, alice):
    token = alice.post(path_of("user", alice.user_id, "openid", "request_token")).ok()["access_token"]
    alice.uia("POST", "/account/deactivate").ok()
    hs.anonymous().get(USERINFO, {"access_token": token}).expect(401, "M_UNKNOWN_TOKEN")


def test_sec_5_46__tokens__not_in_the_database_or_the_log(fresh_server):
    from support import accounts
    user = accounts.register(fresh_server.url)
    secrets = [user.post(path_of("user", user.user_id, "openid", "request_token")).ok()["access_token"],
               user.uia("POST", GET_TOKEN).ok()["login_token"], user.token, user.password]
    kept = fresh_server.sql("select * from account_secrets") + fresh_server.sql("select * from access_tokens") + (
        fresh_server.sql("select * from accounts")) + fresh_server.log()
    for secret in secrets:
        assert secret not in kept
        assert secret.encode().hex() not in kept
