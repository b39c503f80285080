"""POST /register: user-interactive stages, names, availability, tokens; /_synapse/admin/v1/register."""
import pytest

from support import accounts
from support.client import Client, unique


def register(nobody, body, **more):
    return nobody.post("/register", body, token=False, **more)


def test_register__without_auth__401_with_flows_and_session(nobody):
    reply = register(nobody, {"username": unique("u"), "password": "xx words"}).expect(401)
    assert reply["session"]
    assert ["m.login.dummy"] in [flow["stages"] for flow in reply["flows"]]
    assert reply.errcode is None
    assert isinstance(reply.get("params", {}), dict)


def test_register__dummy_stage_in_session__account_and_token(nobody, hs):
    name = unique("u")
    body = {"username": name, "password": "secret words"}
    body["auth"] = {"type": "m.login.dummy", "session": register(nobody, body).expect(401)["session"]}
    reply = register(nobody, body).ok()
    assert reply["user_id"] == "@%s:%s" % (name, hs.server_name)
    assert reply["device_id"] and reply["access_token"]
    session = Client(nobody.http, reply["access_token"])
    who = session.get("/account/whoami").ok()
    assert who["user_id"] == reply["user_id"] and who["device_id"] == reply["device_id"]
    assert who.get("is_guest", False) is False


def test_register__no_username__server_picks_one(hs, nobody):
    body = {"password": "secret words"}
    body["auth"] = {"type": "m.login.dummy", "session": register(nobody, body).expect(401)["session"]}
    reply = register(nobody, body).ok()
    assert reply["user_id"].startswith("@") and reply["user_id"].endswith(":" + hs.server_name)


def test_register__device_given__device_has_id_and_name(hs):
    user = hs.user(device_id="PHONE1", initial_device_display_name="Jungle Phone")
    assert user.device_id == "PHONE1"
    assert user.get("/devices/PHONE1").ok()["display_name"] == "Jungle Phone"


def test_register__inhibit_login__no_token_but_login_works(hs, nobody):
    name = unique("u")
    body = {"username": name, "password": "pw words", "inhibit_login": True}
    body["auth"] = {"type": "m.login.dummy", "session": register(nobody, body).expect(401)["session"]}
    reply = register(nobody, body).ok()
    assert "access_token" not in reply and "device_id" not in reply
    Client(nobody.http, user_id=reply["user_id"]).login("pw words")


def test_register__name_taken__400_before_authentication(alice, nobody):
    local = alice.user_id[1:].partition(":")[0]
    register(nobody, {"username": local, "password": "xx words"}).expect(400, "M_USER_IN_USE")


def test_register__name_taken_in_other_case__not_a_second_account(alice, nobody, hs):
    """Appendices, User identifiers: upper-case names are mapped onto lower case, or refused."""
    local = alice.user_id[1:].partition(":")[0].upper()
    reply = register(nobody, {"username": local, "password": "xx words", "auth": {"type": "m.login.dummy"}})
    reply.expect(400, ("M_USER_IN_USE", "M_INVALID_USERNAME"))


@pytest.mark.parametrize("name", [
    "with space", "sla#sh", "käse", "colon:inside", "at@sign", "emoji🙂", "a" * 300, "nul\u0000l", "tab\t",
    "quote\"d", "per%cent", "back\\slash", "semi;colon", "brace{",
])
def test_register__invalid_username__400_invalid_username(nobody, name):
    register(nobody, {"username": name, "password": "xx words"}).expect(400, "M_INVALID_USERNAME")


@pytest.mark.parametrize("name", ["dot.ted", "under_score", "da-sh", "pl+us", "eq=ual", "sl/ash", "1number"])
def test_register__every_allowed_character__accepted(hs, name):
    name = name + unique("-")
    assert hs.user(name).user_id == "@%s:%s" % (name, hs.server_name)


def test_register__user_id_over_255_bytes__400(nobody, hs):
    """Appendices: the whole id with sigil and domain is at most 255 bytes."""
    fits = 255 - len("@:" + hs.server_name)
    register(nobody, {"username": "a" * (fits + 1), "password": "xx words"}).expect(400, "M_INVALID_USERNAME")


@pytest.mark.parametrize("body", [
    {"username": 5, "password": "xx words"}, {"username": ["a"], "password": "xx words"}, {"username": unique("u"), "password": 5},
    {"username": unique("u"), "password": ["x"]}, {"username": unique("u"), "password": {"a": 1}},
], ids=lambda body: str(body)[:40])
def test_register__wrong_types__400(nobody, body):
    register(nobody, body).expect(400)


def test_register__auth_is_no_object__4xx(nobody):
    for auth in ("m.login.dummy", 5, ["x"]):
        reply = register(nobody, {"username": unique("u"), "password": "xx words", "auth": auth})
        assert reply.status in (400, 401), reply


def test_register__unknown_session__no_account(nobody):
    name = unique("u")
    reply = register(nobody, {"username": name, "password": "xx words",
                              "auth": {"type": "m.login.dummy", "session": "never-given-out"}})
    reply.expect((400, 401, 403))
    nobody.get("/register/available", {"username": name}, token=False).ok()


def test_register__unknown_stage__401_or_400_and_no_account(nobody):
    name = unique("u")
    body = {"username": name, "password": "xx words"}
    session = register(nobody, body).expect(401)["session"]
    body["auth"] = {"type": "com.example.nothing", "session": session}
    register(nobody, body).expect((400, 401, 403))
    nobody.get("/register/available", {"username": name}, token=False).ok()


def test_register__kind_guest__refused_or_guest_account(nobody):
    """registration.yaml: 403 when guests are not allowed; else an account which says is_guest."""
    reply = nobody.post("/register", {}, query={"kind": "guest"}, token=False)
    reply.expect((200, 403))
    if reply.status == 200:
        who = Client(nobody.http, reply["access_token"]).get("/account/whoami").ok()
        assert who["is_guest"] is True
    else:
        assert reply.errcode in ("M_FORBIDDEN", "M_GUEST_ACCESS_FORBIDDEN")


def test_register__kind_unknown__400(nobody):
    reply = nobody.post("/register", {}, query={"kind": "robot"}, token=False)
    reply.expect(400, ("M_INVALID_PARAM", "M_UNKNOWN", "M_UNRECOGNIZED"))


def test_available__free_name__true(nobody):
    assert nobody.get("/register/available", {"username": unique("free")}, token=False).ok()["available"] is True


def test_available__taken__400_user_in_use(nobody, alice):
    local = alice.user_id[1:].partition(":")[0]
    nobody.get("/register/available", {"username": local}, token=False).expect(400, "M_USER_IN_USE")


def test_available__invalid__400_invalid_username(nobody):
    nobody.get("/register/available", {"username": "not valid!"}, token=False).expect(400, "M_INVALID_USERNAME")


def test_available__no_username__400_missing(nobody):
    nobody.get("/register/available", token=False).expect(400, ("M_MISSING_PARAM", "M_INVALID_PARAM"))


def test_register__deactivated_name__stays_taken(hs, nobody):
    user = hs.user()
    user.uia("POST", "/account/deactivate").ok()
    local = user.user_id[1:].partition(":")[0]
    register(nobody, {"username": local, "password": "xx words"}).expect(400, ("M_USER_IN_USE", "M_EXCLUSIVE"))


def test_register__refresh_token_asked__gives_one(hs):
    user = hs.user(refresh_token=True)
    assert user.refresh_token


@pytest.mark.tsan
def test_register__same_name_at_once__exactly_one_account(hs, nobody):
    from concurrent.futures import ThreadPoolExecutor
    name = unique("race")

    def attempt(number):
        return register(Client(hs.http), {"username": name, "password": "many words %d" % number,
                                          "auth": {"type": "m.login.dummy"}})

    def whole(number):
        reply = attempt(number)
        if reply.status == 401:
            reply = register(Client(hs.http), {
                "username": name, "password": "many words %d" % number,
                "auth": {"type": "m.login.dummy", "session": reply["session"]}})
        return reply
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(whole, range(4)))
    assert sorted(reply.status for reply in replies) == [200, 400, 400, 400], replies
    assert {reply.errcode for reply in replies if reply.status == 400} == {"M_USER_IN_USE"}


# -- Synapse's shared-secret registration

def test_admin_register__right_mac__user_can_log_in(hs):
    name = unique("s")
    user = accounts.register_by_secret(hs.http, hs.secret, name, "pw words")
    assert user.user_id == "@%s:%s" % (name, hs.server_name)
    user.get("/account/whoami").ok()
    user.login()


def test_admin_register__admin_flag__accepted(hs):
    accounts.register_by_secret(hs.http, hs.secret, admin=True).get("/account/whoami").ok()


def test_admin_register__wrong_secret__403(hs, nobody):
    body = accounts.shared_secret_body(hs.http, hs.secret + "x", unique("s"), "pw words")
    nobody.post("/_synapse/admin/v1/register", body, token=False).expect(403)


def test_admin_register__admin_flag_not_covered_by_mac__403(hs, nobody):
    body = accounts.shared_secret_body(hs.http, hs.secret, unique("s"), "pw words", admin=False)
    body["admin"] = True
    nobody.post("/_synapse/admin/v1/register", body, token=False).expect(403)


def test_admin_register__nonce_used_twice__400(hs, nobody):
    body = accounts.shared_secret_body(hs.http, hs.secret, unique("s"), "pw words")
    nobody.post("/_synapse/admin/v1/register", body, token=False).ok()
    nobody.post("/_synapse/admin/v1/register", body, token=False).expect(400)


def test_admin_register__nonce_made_up__400(hs, nobody):
    body = accounts.shared_secret_body(hs.http, hs.secret, unique("s"), "pw words")
    body["nonce"] = "0" * len(body["nonce"])
    nobody.post("/_synapse/admin/v1/register", body, token=False).expect((400, 403))


def test_admin_register__nul_in_the_password__400(hs, nobody):
    """It separates the fields under the MAC."""
    body = accounts.shared_secret_body(hs.http, hs.secret, unique("s"), "pw\0words")
    nobody.post("/_synapse/admin/v1/register", body, token=False).expect(400)


@pytest.mark.parametrize("missing", ["nonce", "username", "password", "mac"])
def test_admin_register__field_missing__400(hs, nobody, missing):
    body = accounts.shared_secret_body(hs.http, hs.secret, unique("s"), "pw words")
    del body[missing]
    nobody.post("/_synapse/admin/v1/register", body, token=False).expect(400)


# -- other registration modes, each on a server of its own

def test_register__mode_closed__403_but_secret_works(make_server):
    server = make_server(settings={"registration.mode": "closed"}).start()
    nobody = server.anonymous()
    for body in ({"username": "eve", "password": "xx words"},
                 {"username": "eve", "password": "xx words", "auth": {"type": "m.login.dummy"}}):
        register(nobody, body).expect(403, "M_FORBIDDEN")
    reply = nobody.get("/register/available", {"username": "eve"}, token=False)
    reply.expect((200, 403))
    nobody.get("/_matrix/client/v1/register/m.login.registration_token/validity", {"token": "x"}, token=False).expect(
        403, "M_FORBIDDEN")
    user = accounts.register_by_secret(server.url, server.secret, "adam", "pw words", admin=True)
    user.login()


def test_register__mode_token__only_with_valid_token_and_only_so_often(make_server):
    server = make_server(settings={"registration.mode": "token"}).start()
    nobody = server.anonymous()
    made = server.run("token", "create", "--uses", "1")
    assert made.returncode == 0, made.stderr
    token = made.stdout.split()[-1]

    def valid(text):
        return nobody.get("/_matrix/client/v1/register/m.login.registration_token/validity",
                          {"token": text}, token=False).ok()["valid"]
    assert valid(token) is True
    assert valid("made-up") is False

    first = register(nobody, {"username": "ann", "password": "pw words"}).expect(401)
    assert any("m.login.registration_token" in flow["stages"] for flow in first["flows"])
    assert ["m.login.dummy"] not in [flow["stages"] for flow in first["flows"]]

    def attempt(name, text, kind="m.login.registration_token"):
        body = {"username": name, "password": "pw words"}
        reply = register(nobody, body).expect(401)
        for flow in reply["flows"]:
            if "m.login.registration_token" in flow["stages"]:
                stages = flow["stages"]
        for stage in stages if kind == "m.login.registration_token" else [kind]:
            body["auth"] = {"type": stage, "session": reply["session"]}
            if stage == "m.login.registration_token":
                body["auth"]["token"] = text
            answer = register(nobody, body)
            if answer.status != 401 or answer.errcode:
                return answer
        return answer
    attempt("ann", "made-up").expect((401, 403))
    attempt("ann", "", kind="m.login.dummy").expect((400, 401, 403))
    attempt("ann", token).ok()
    assert valid(token) is False
    attempt("ben", token).expect((401, 403))


def test_sec_5_45__no_shared_secret_configured__refused(make_server):
    server = make_server(settings={"registration.shared_secret": None}).start()
    reply = server.anonymous().get("/_synapse/admin/v1/register", token=False)
    assert reply.status in (400, 403, 404), reply
