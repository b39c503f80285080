"""The OAuth 2.0 API: discovery, registration of clients, sessions by a code and by a device's code, and what such a session may do."""
import json
import threading
import time

import pytest

from support import accounts
from support.client import Client, unique
from support.keys import Device, Person
from support.oauth import DEVICE_CODE, METADATA, PATH, REDIRECT, OAuth, error_of, scope_of, served
from support.server import binary

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")
AUTH_METADATA = "/_matrix/client/v1/auth_metadata"


@pytest.fixture(scope="module")
def server():
    with served() as started:
        yield started


@pytest.fixture(scope="module")
def app(server):
    return OAuth(server)


@pytest.fixture
def ann(server):
    return accounts.register(server.url)


@pytest.fixture(scope="module")
def admin(server):
    return accounts.register_by_secret(server.url, server.secret, admin=True)


def lock(admin, user_id, is_on=True):
    admin.put("/_matrix/client/v1/admin/lock/" + user_id, {"locked": is_on}).ok()


def is_over(session):
    return session.get("/account/whoami").expect(401).errcode == "M_UNKNOWN_TOKEN"


# -- what there is

def test_metadata__stable_and_unstable__endpoints_of_this_server(server):
    reply = server.anonymous().get(AUTH_METADATA, token=False).ok()
    assert reply["issuer"] == server.url + PATH + "/" and "max-age" in reply.headers["cache-control"]
    assert reply["token_endpoint"] == server.url + PATH + "/token"
    assert reply["code_challenge_methods_supported"] == ["S256"] and reply["response_types_supported"] == ["code"]
    assert {"query", "fragment"} <= set(reply["response_modes_supported"])
    assert reply["account_management_uri"] == server.url + "/_matrix/client/belfry/account"
    assert "org.matrix.cross_signing_reset" in reply["account_management_actions_supported"]
    assert {"authorization_code", "refresh_token", DEVICE_CODE} == set(reply["grant_types_supported"])
    assert server.anonymous().get("/_matrix/client/unstable/org.matrix.msc2965/auth_metadata", token=False).ok().json == reply.json


@pytest.mark.parametrize("settings", [{"public_base_url": "https://matrix.school.example", "oauth.enabled": "false"}, {}],
                         ids=["off", "no address"])
def test_metadata__off__404(make_server, settings):
    started = make_server(settings=settings)
    started.start()
    nobody = started.anonymous()
    nobody.get(AUTH_METADATA, token=False).expect(404, "M_UNRECOGNIZED")
    for name in ("register", "token", "device", "revoke"):
        nobody.post("%s/%s" % (PATH, name), METADATA, token=False).expect(404, "M_UNRECOGNIZED")


# -- clients

def test_register__same_metadata__same_client(server, app):
    reply = app.register().expect(201)
    assert reply["client_id"] == app.id and {key: reply[key] for key in METADATA} == METADATA
    assert OAuth(server, contacts=["x"], logo_uri="https://school.example/logo.png").id == app.id
    assert OAuth(server, client_name="Other").id != app.id


def test_register__kept_for_a_day__longer_when_somebody_has_logged_in(server, ann):
    """Anybody can register, so what nobody uses must not pile up."""
    app = OAuth(server, client_name=unique("App"))

    def kept_days():
        used_ms = int(server.sql("select last_used_ms from oauth_clients where client_id = '%s'" % app.id))
        return round((used_ms / 1000 - time.time()) / 86400 + 30, 2)
    assert kept_days() == 1
    app.log_in(ann.user_id)
    assert kept_days() == 30


def test_register__very_long__refused(app):
    metadata = {**METADATA, "redirect_uris": ["https://app.school.example/%d%s" % (i, "x" * 1000) for i in range(9)]}
    assert error_of(app.http.raw("POST", PATH + "/register", json.dumps(metadata).encode())) == "invalid_client_metadata"


def test_register__grant_types_that_are_not_known__left_out(server):
    reply = OAuth(server, grant_types=["authorization_code", "urn:x"]).register().expect(201)
    assert reply["grant_types"] == ["authorization_code"]


@pytest.mark.parametrize("change, word", [
    ({"redirect_uris": ["http://app.school.example/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://other.example/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://app.school.example/#x"]}, "invalid_redirect_uri"),
    ({"redirect_uris": []}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://app.school.example/%d" % i for i in range(100)]}, "invalid_redirect_uri"),
    ({"client_uri": "http://school.example/"}, "invalid_client_metadata"),
    ({"client_name": "x" * 1000}, "invalid_client_metadata"),
    ({"client_name": "a\u202eb"}, "invalid_client_metadata"),
    ({"client_name": 7}, "invalid_client_metadata"),
    ({"grant_types": ["password"]}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "client_secret_post"}, "invalid_client_metadata"),
    ({"application_type": "x"}, "invalid_client_metadata")], ids=lambda value: str(value)[:40])
def test_register__odd__refused(app, change, word):
    reply = app.http.raw("POST", PATH + "/register", json.dumps({**METADATA, **change}).encode())
    assert error_of(reply) == word


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"a":1,"a":2}'])
def test_register__no_object__refused(app, body):
    assert error_of(app.http.raw("POST", PATH + "/register", body)) == "invalid_client_metadata"


def test_register__too_large__413(app):
    reply = app.http.raw("POST", PATH + "/register", json.dumps({**METADATA, "x": "y" * 100000}).encode())
    assert reply.status == 413 and reply.errcode == "M_TOO_LARGE"


# -- by a code

def test_code__exchanged__session_of_that_device(app, ann):
    device_id = unique("D")
    reply = app.exchange(app.allow(ann.user_id, device_id)).ok()
    assert reply["token_type"] == "Bearer" and reply["scope"] == scope_of(device_id) and 0 < reply["expires_in"] <= 3600
    assert reply.headers["cache-control"] == "no-store"
    session = Client(app.http, reply["access_token"])
    assert session.get("/account/whoami").ok().json == {"user_id": ann.user_id, "device_id": device_id, "is_guest": False}
    assert session.get("/devices/" + device_id).ok()["display_name"] == METADATA["client_name"]


def test_code__used_again__refused_and_its_session_ends(app, ann):
    proof = app.allow(ann.user_id)
    session = app.session(ann.user_id, app.exchange(proof))
    session.get("/account/whoami").ok()
    assert error_of(app.exchange(proof)) == "invalid_grant"
    assert is_over(session) and error_of(app.refresh(session.refresh_token)) == "invalid_grant"
    ann.get("/account/whoami").ok()


@pytest.mark.tsan
def test_code__twice_at_once__one_session_that_ends(app, ann):
    proof = app.allow(ann.user_id)
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(app.exchange(proof))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [reply for reply in replies if reply.status == 200]
    assert len(good) == 1 and all(error_of(reply) == "invalid_grant" for reply in replies if reply.status != 200)
    assert is_over(Client(app.http, good[0]["access_token"]))


@pytest.mark.parametrize("other", [
    {"code_verifier": "x" * 43}, {"code_verifier": "short"}, {"redirect_uri": REDIRECT + "/"}, {"code": "bfc_unknown"}],
    ids=lambda value: next(iter(value)))
def test_code__shown_with_something_else__refused_and_still_good(app, ann, other):
    proof = app.allow(ann.user_id)
    assert error_of(app.exchange(proof, **other)) == "invalid_grant"
    app.exchange(proof).ok()


@pytest.mark.parametrize("name", ["code", "code_verifier", "redirect_uri", "grant_type"])
@pytest.mark.parametrize("value", [None, ""])
def test_code__a_parameter_missing__invalid_request(app, ann, name, value):
    form = {"client_id": app.id, "grant_type": "authorization_code", **app.allow(ann.user_id), name: value}
    assert error_of(app.post("token", form)) == "invalid_request"


def test_code__of_another_client__refused(server, app, ann):
    other = OAuth(server, client_name="Other")
    proof = app.allow(ann.user_id)
    assert error_of(other.exchange(proof)) == "invalid_grant"
    app.exchange(proof).ok()


def test_code__ended__refused(app, ann):
    assert error_of(app.exchange(app.allow(ann.user_id, lifetime=-60))) == "invalid_grant"


def test_code__password_changed_meanwhile__refused(app, ann):
    proof = app.allow(ann.user_id)
    ann.uia("POST", "/account/password", {"new_password": "another-password"}).ok()
    assert error_of(app.exchange(proof)) == "invalid_grant"


def test_code__logged_out_everywhere_meanwhile__refused(app, ann):
    proof = app.allow(ann.user_id)
    ann.post("/logout/all").ok()
    assert error_of(app.exchange(proof)) == "invalid_grant"


def test_sec_5_47__code__account_locked_or_deactivated_meanwhile(app, admin, ann):
    proof = app.allow(ann.user_id)
    lock(admin, ann.user_id)
    assert error_of(app.exchange(proof)) == "invalid_grant"
    lock(admin, ann.user_id, False)
    app.exchange(proof).ok()
    proof = app.allow(ann.user_id)
    ann.uia("POST", "/account/deactivate", {}).ok()
    assert error_of(app.exchange(proof)) == "invalid_grant"
    assert error_of(app.exchange(app.allow(ann.user_id))) == "invalid_grant"


def test_code__for_a_device_that_is_there__its_tokens_end(app, ann):
    first = app.log_in(ann.user_id, ann.device_id)
    assert is_over(ann)
    second = app.log_in(ann.user_id, ann.device_id)
    assert is_over(first) and error_of(app.refresh(first.refresh_token)) == "invalid_grant"
    second.get("/account/whoami").ok()


# -- requests for tokens that are none

def test_token__unknown_client__401(app, ann):
    for form in ({"client_id": "nobody"}, {"client_id": None}, {"client_id": ""}):
        assert error_of(app.exchange(app.allow(ann.user_id), **form), 401) == "invalid_client"


def test_token__client_with_a_secret__401(app, ann):
    reply = app.post("token", {"client_id": app.id, "grant_type": "authorization_code", **app.allow(ann.user_id)},
                     Authorization="Basic eDp5")
    assert error_of(reply, 401) == "invalid_client" and reply.headers["www-authenticate"].startswith("Basic")


def test_token__grant_types__unknown_or_not_registered(server, app):
    assert error_of(app.token("password", username="x", password="y")) == "unsupported_grant_type"
    plain = OAuth(server, grant_types=["authorization_code"])
    assert error_of(plain.token("refresh_token", refresh_token="x")) == "unauthorized_client"
    assert error_of(plain.begin()) == "unauthorized_client"


@pytest.mark.parametrize("what", ["token", "device", "revoke"])
def test_form__no_form_or_a_parameter_twice__invalid_request(app, what):
    assert error_of(app.post(what, b"{}", **{"Content-Type": "application/json"})) == "invalid_request"
    assert error_of(app.post(what, b"a=%zz")) == "invalid_request"
    assert error_of(app.post(what, b"token=a&client_id=%s&token=b&client_id=x" % app.id.encode())) == "invalid_request"
    assert error_of(app.post(what, b"&".join(b"p%d=1" % i for i in range(500)))) == "invalid_request"
    assert app.post(what, b"a=" + b"x" * 100000).status in (400, 413)


# -- refresh

def test_refresh__new_pair__the_old_ends_with_its_first_use(app, ann):
    session = app.log_in(ann.user_id)
    fresh = app.session(ann.user_id, app.refresh(session.refresh_token))
    assert fresh.device_id == session.device_id and fresh.token != session.token and fresh.refresh_token != session.refresh_token
    session.get("/account/whoami").ok()
    fresh.get("/account/whoami").ok()
    assert is_over(session)


def test_refresh__answer_lost__again_with_the_same(app, ann):
    session = app.log_in(ann.user_id)
    app.refresh(session.refresh_token).ok()
    app.refresh(session.refresh_token).ok()
    fresh = app.session(ann.user_id, app.refresh(session.refresh_token))
    fresh.get("/account/whoami").ok()
    app.refresh(fresh.refresh_token).ok()


def test_refresh__old_token_after_its_successor_was_used__session_ends(server, app, ann):
    session = app.log_in(ann.user_id)
    fresh = app.session(ann.user_id, app.refresh(session.refresh_token))
    newest = app.session(ann.user_id, app.refresh(fresh.refresh_token))
    newest.get("/account/whoami").ok()
    assert error_of(app.refresh(session.refresh_token)) == "invalid_grant"
    assert is_over(newest) and error_of(app.refresh(newest.refresh_token)) == "invalid_grant"
    with open(server.log_path, encoding="utf-8") as log:
        assert any(" oauth.refresh.reused " in line for line in log)


def test_refresh__token_that_has_expired__refused_and_not_taken_for_a_copy(server, app, ann):
    session = app.log_in(ann.user_id)
    server.sql("update refresh_tokens set expires_at_ms = 1 where user_id = '%s' and device_id = '%s'" % (ann.user_id, session.device_id))
    before = server.log().count("oauth.refresh.reused")
    for _ in range(2):
        assert error_of(app.refresh(session.refresh_token)) == "invalid_grant"
    assert server.log().count("oauth.refresh.reused") == before
    session.get("/account/whoami").ok()


def test_refresh__token_made_up_for_a_family__session_ends(app, ann):
    session = app.log_in(ann.user_id)
    family = session.refresh_token.rpartition("_")[0]
    assert error_of(app.refresh("bfr_nobody_x")) == "invalid_grant"
    session.get("/account/whoami").ok()
    assert error_of(app.refresh(family + "_x")) == "invalid_grant"
    assert is_over(session)


def test_refresh__by_another_client__refused_and_still_good(server, app, ann):
    session = app.log_in(ann.user_id)
    assert error_of(OAuth(server, client_name="Other").refresh(session.refresh_token)) == "invalid_grant"
    app.refresh(session.refresh_token).ok()


def test_refresh__twice_at_once__one_of_the_pairs_goes_on(app, ann):
    session = app.log_in(ann.user_id)
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(app.refresh(session.refresh_token))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pairs = [app.session(ann.user_id, reply) for reply in replies]
    pairs[0].get("/account/whoami").ok()
    assert all(is_over(pair) for pair in pairs[1:])


def test_refresh__the_two_apis__do_not_mix(server, app, ann):
    session = app.log_in(ann.user_id)
    server.anonymous().post("/refresh", {"refresh_token": session.refresh_token}, token=False).expect(401, "M_UNKNOWN_TOKEN")
    legacy = server.anonymous().post("/login", {"type": "m.login.password", "password": ann.password, "refresh_token": True,
                                                "identifier": {"type": "m.id.user", "user": ann.user_id}}, token=False).ok()
    assert error_of(app.refresh(legacy["refresh_token"])) == "invalid_grant"
    server.anonymous().post("/refresh", {"refresh_token": legacy["refresh_token"]}, token=False).ok()
    app.refresh(session.refresh_token).ok()


def test_sec_5_47__refresh__account_locked__503_and_later_good(app, admin, ann):
    session = app.log_in(ann.user_id)
    lock(admin, ann.user_id)
    assert error_of(app.refresh(session.refresh_token), 503) == "temporarily_unavailable"
    session.get("/account/whoami").expect(401, "M_USER_LOCKED")
    lock(admin, ann.user_id, False)
    app.session(ann.user_id, app.refresh(session.refresh_token)).get("/account/whoami").ok()


def test_sec_5_47__refresh__account_deactivated__refused(app, ann):
    session = app.log_in(ann.user_id)
    ann.uia("POST", "/account/deactivate", {}).ok()
    assert error_of(app.refresh(session.refresh_token)) == "invalid_grant"


def test_refresh__legacy_log_in_of_the_same_device__ends_the_session(app, ann):
    session = app.log_in(ann.user_id)
    legacy = ann.login(device_id=session.device_id, refresh_token=True)
    assert is_over(session) and error_of(app.refresh(session.refresh_token)) == "invalid_grant"
    legacy.get("/account/whoami").ok()
    # the device is the legacy API's now: it may confirm by password again
    reply = legacy.delete("/devices/" + session.device_id).expect(401)
    assert "flows" in reply


def test_session__lifetime_of_access_tokens_off__short_all_the_same():
    with served(sessions__access_token_lifetime="0") as started:
        app, ann = OAuth(started), accounts.register(started.url)
        reply = app.exchange(app.allow(ann.user_id)).ok()
        assert reply["expires_in"] == 3600
        assert app.refresh(reply["refresh_token"]).ok()["expires_in"] == 3600


# -- the end

@pytest.mark.parametrize("kind", ["token", "refresh_token"])
def test_revoke__either_token__device_ends(app, ann, kind):
    session = app.log_in(ann.user_id)
    assert app.revoke(getattr(session, kind)).ok().json == {}
    assert is_over(session) and error_of(app.refresh(session.refresh_token)) == "invalid_grant"
    ann.get("/devices/" + session.device_id).expect(404)
    app.revoke(session.token).ok()


def test_revoke__without_client_or_by_another__revoked_all_the_same(server, app, ann):
    for form in ({"client_id": None}, {"client_id": "nobody"}, {"token_type_hint": "odd"}):
        session = app.log_in(ann.user_id)
        app.revoke(session.token, **form).ok()
        assert is_over(session)


def test_revoke__replaced_refresh_token__device_ends(app, ann):
    session = app.log_in(ann.user_id)
    fresh = app.session(ann.user_id, app.refresh(session.refresh_token))
    fresh.get("/account/whoami").ok()
    app.revoke(session.refresh_token).ok()
    assert is_over(fresh)


def test_revoke__unknown_or_none(app):
    app.revoke("bfa_unknown").ok()
    app.revoke("bfr_x_y").ok()
    assert error_of(app.revoke(None)) == "invalid_request"


def test_logout__of_a_session__device_ends(app, ann):
    session = app.log_in(ann.user_id)
    session.post("/logout").ok()
    assert is_over(session) and error_of(app.refresh(session.refresh_token)) == "invalid_grant"


# -- devices without a browser

def test_device__approved__session_once(app, ann):
    device_id = unique("D")
    begun = app.begin(device_id).ok()
    assert len(begun["user_code"]) == 9 and begun["user_code"][4] == "-"
    assert begun["verification_uri_complete"] == begun["verification_uri"] + "?user_code=" + begun["user_code"]
    assert begun["interval"] == 5 and begun["expires_in"] == 1800
    assert error_of(app.poll(begun)) == "authorization_pending"
    app.answer(begun, ann.user_id)
    session = app.session(ann.user_id, app.poll(begun))
    assert session.get("/account/whoami").ok()["device_id"] == device_id
    assert error_of(app.poll(begun)) == "invalid_grant"
    session.get("/account/whoami").ok()
    app.refresh(session.refresh_token).ok()


def test_device__asked_too_often__slow_down(app):
    begun = app.begin().ok()
    words = [error_of(app.poll(begun)) for _ in range(2)]
    while words[-1] == "authorization_pending" and len(words) < 10:  # they were five seconds apart
        words.append(error_of(app.poll(begun)))
    assert words == ["authorization_pending"] * (len(words) - 1) + ["slow_down"]


def test_device__denied_ended_unknown_or_anothers__refused(server, app, ann):
    begun = app.begin().ok()
    app.answer(begun, ann.user_id, "denied")
    assert error_of(app.poll(begun)) == "access_denied"
    begun = app.begin().ok()
    app.answer(begun, ann.user_id)
    other = OAuth(server, client_name="Other")
    assert error_of(other.poll(begun)) == "invalid_grant"
    server.sql("update oauth_device_grants set expires_at_ms = %d where user_code = '%s'" % (
        (time.time() - 60) * 1000, begun["user_code"].replace("-", "")))
    assert error_of(app.poll(begun)) == "expired_token"
    assert error_of(app.poll({"device_code": "bfd_unknown"})) == "invalid_grant"
    assert error_of(app.token(DEVICE_CODE)) == "invalid_request"


@pytest.mark.parametrize("scope", [None, "", "openid", "urn:matrix:client:api:*", scope_of("A") + " urn:matrix:client:device:B"])
def test_device__bad_scope__refused(app, scope):
    assert error_of(app.begin(scope=scope)) == "invalid_scope"


def test_device__password_changed_or_account_locked_meanwhile__refused(app, admin, ann):
    begun = app.begin().ok()
    app.answer(begun, ann.user_id)
    lock(admin, ann.user_id)
    assert error_of(app.poll(begun)) == "invalid_grant"
    lock(admin, ann.user_id, False)
    ann.uia("POST", "/account/password", {"new_password": "another-password"}).ok()
    assert error_of(app.poll(begun)) == "invalid_grant"


def test_device__used_twice_at_once__one_session(app, ann):
    begun = app.begin().ok()
    app.answer(begun, ann.user_id)
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(app.poll(begun))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [reply for reply in replies if reply.status == 200]
    assert len(good) == 1 and all(error_of(reply) == "invalid_grant" for reply in replies if reply.status != 200)
    Client(app.http, good[0]["access_token"]).get("/account/whoami").ok()


def test_device__unknown_client__401(app):
    assert error_of(app.begin(client_id="nobody"), 401) == "invalid_client"


# -- what such a session may do

@pytest.mark.parametrize("method, path, body", [
    ("POST", "/account/password", {"new_password": "another-password"}), ("POST", "/account/deactivate", {}),
    ("POST", "/delete_devices", {"devices": ["X"]}), ("DELETE", "/devices/%s", {}),
    ("POST", "/_matrix/client/v1/login/get_token", {})], ids=lambda value: str(value)[:30])
def test_uia__by_an_oauth_session__403_names_the_account_page(server, app, ann, method, path, body):
    session = app.log_in(ann.user_id)
    path = path.replace("%s", ann.device_id)
    for auth in ({}, {"auth": {"type": "m.login.password", "password": ann.password,
                               "identifier": {"type": "m.id.user", "user": ann.user_id}}}):
        reply = session.request(method, path, {**body, **auth}).expect(403, "M_FORBIDDEN")
        assert server.url + "/_matrix/client/belfry/account" in reply["error"]
    ann.get("/account/whoami").ok()


def test_sec_5_49__new_keys_by_an_oauth_session__only_by_the_account_page(server, app, ann):
    session = app.log_in(ann.user_id)
    Device(session).upload()
    session.post("/keys/device_signing/upload", Person(session).body()).ok()
    body = Person(session).body()
    reply = session.post("/keys/device_signing/upload", body).expect(401)
    assert reply["flows"] == [{"stages": ["m.oauth"]}, {"stages": ["org.matrix.cross_signing_reset"]}]
    url = "%s/_matrix/client/belfry/account?action=org.matrix.cross_signing_reset&session=%s" % (server.url, reply["session"])
    assert reply["params"] == {"m.oauth": {"url": url}, "org.matrix.cross_signing_reset": {"url": url}}
    # neither the session alone, nor a password, nor the stage's name does it
    for auth in ({}, {"type": "m.oauth"}, {"type": "m.login.password", "password": ann.password,
                                           "identifier": {"type": "m.id.user", "user": ann.user_id}}):
        session.post("/keys/device_signing/upload", {**body, "auth": {"session": reply["session"], **auth}}).expect(401)
    # the same request has the same session, another one has another
    assert session.post("/keys/device_signing/upload", body).expect(401)["session"] == reply["session"]
    assert session.post("/keys/device_signing/upload", Person(session).body()).expect(401)["session"] != reply["session"]
    complete(server, reply["session"])
    session.post("/keys/device_signing/upload", {**body, "auth": {"session": reply["session"]}}).ok()
    session.post("/keys/device_signing/upload", Person(session).body()).expect(401)


def test_cross_signing__sent_again_without_auth__goes_on_once_the_user_said_so(server, app, ann):
    session = app.log_in(ann.user_id)
    session.post("/keys/device_signing/upload", Person(session).body()).ok()
    body = Person(session).body()
    reply = session.post("/keys/device_signing/upload", body).expect(401)
    complete(server, reply["session"])
    session.post("/keys/device_signing/upload", body).ok()


def test_sec_5_49__reset_that_was_allowed__that_request_once(server, app, ann):
    """Neither the keys of another request nor, after they were replaced, the same once more."""
    session = app.log_in(ann.user_id)
    session.post("/keys/device_signing/upload", Person(session).body()).ok()
    body = Person(session).body()
    begun = session.post("/keys/device_signing/upload", body).expect(401)["session"]
    complete(server, begun)
    other = Person(session).body()
    session.post("/keys/device_signing/upload", {**other, "auth": {"session": begun}}).expect(401)
    session.post("/keys/device_signing/upload", {**body, "auth": {"session": begun}}).ok()
    complete(server, session.post("/keys/device_signing/upload", other).expect(401)["session"])
    session.post("/keys/device_signing/upload", other).ok()
    session.post("/keys/device_signing/upload", {**body, "auth": {"session": begun}}).expect(401)


def test_cross_signing__same_request_by_another_device__a_session_of_its_own(app, ann):
    session, other = app.log_in(ann.user_id), app.log_in(ann.user_id)
    session.post("/keys/device_signing/upload", Person(session).body()).ok()
    body = Person(session).body()
    ids = [one.post("/keys/device_signing/upload", body).expect(401)["session"] for one in (session, other)]
    assert ids[0] != ids[1]


def test_cross_signing__its_session_has_ended__begins_anew(server, app, ann):
    session = app.log_in(ann.user_id)
    session.post("/keys/device_signing/upload", Person(session).body()).ok()
    body = Person(session).body()
    reply = session.post("/keys/device_signing/upload", body).expect(401)
    complete(server, reply["session"])
    server.sql("update uia_sessions set expires_at_ms = 0 where session_hash = sha256('%s')" % reply["session"])
    assert session.post("/keys/device_signing/upload", body).expect(401)["session"] == reply["session"]
    session.post("/keys/device_signing/upload", body).expect(401)


def complete(server, session_id):
    """What the account page does."""
    server.sql("update uia_sessions set completed = 'm.oauth' where session_hash = sha256('%s')" % session_id)
