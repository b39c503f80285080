"""Signing in by an identity provider that lies: what the server must not believe (security 5.37, 5.46 to 5.48).

tests/interop/test_sso.py has the same with a real provider; here each answer can be bent.
"""
import base64
import hashlib
import json
import os
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from support import accounts
from support.client import Http, path_of, unique
from support.server import Server, binary
from support.serving import serve

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")

CALLBACK = "/_matrix/client/belfry/sso/callback"
CLIENT = "https://chat.hs1.example/"
SECRET = "canary-client-secret"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Provider:
    """Discovery, keys, tokens and userinfo, with what a test changes: `header`, `claims`, `info`, `signer`."""

    def __init__(self):
        self.key = rsa.generate_private_key(65537, 2048)
        self.other = rsa.generate_private_key(65537, 2048)
        self.asked = []
        self.prompts = None  # those that it says it knows
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, status, value):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                outer.asked.append((self.path, None))
                paths = {"/.well-known/openid-configuration": outer.discovery, "/keys": outer.keys,
                         "/userinfo": lambda: outer.info}
                self.answer(200, paths[self.path]())

            def do_POST(self):
                form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                outer.asked.append((self.path, form))
                outer.authorization = self.headers["Authorization"]
                self.answer(*outer.token(form))

            def log_message(self, *_):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        serve(self.server)
        self.issuer = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.reset()

    def reset(self, subject=None):
        self.subject = subject or unique("sub")
        self.codes = {}
        self.header = {"alg": "RS256", "kid": "k1"}
        self.claims, self.dropped = {}, ()
        self.signer = lambda text: self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        self.info = {"sub": self.subject}

    def discovery(self):
        return {**({"prompt_values_supported": self.prompts} if self.prompts else {}),
                "issuer": self.issuer, "authorization_endpoint": self.issuer + "/authorize?x=1", "token_endpoint":
                self.issuer + "/token", "jwks_uri": self.issuer + "/keys", "userinfo_endpoint": self.issuer + "/userinfo"}

    def keys(self):
        numbers = self.key.public_key().public_numbers()
        key = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        return {"keys": [{**key, "kid": "k1", "use": "sig"}, {**key, "kid": "secret", "use": "enc"}]}

    def token(self, form):
        asked = self.codes.pop(form.get("code"), None)
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        claims = {"iss": self.issuer, "aud": "belfry", "sub": self.subject, "nonce": asked["nonce"],
                  "iat": int(time.time()), "exp": int(time.time()) + 300, "preferred_username": self.subject,
                  **self.claims}
        for name in self.dropped:
            claims.pop(name)
        text = b64(json.dumps(self.header).encode()) + "." + b64(json.dumps(claims).encode())
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": text + "." + b64(self.signer(text.encode()))}

    def authorize(self, url):
        """What the browser sees of the provider: (code, state)."""
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        assert url.startswith(self.issuer + "/authorize?x=1&") and asked["code_challenge_method"] == "S256"
        assert asked["response_type"] == "code" and "openid" in asked["scope"].split()
        code = unique("code")
        self.codes[code] = asked
        return code, asked["state"]


@pytest.fixture(scope="module")
def idp():
    provider = Provider()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()


def write_provider(server, idp, name, **more):
    os.makedirs(server.root + "/sso", exist_ok=True)
    settings = {"name": "School", "issuer": idp.issuer, "client_id": "belfry", "client_secret": SECRET, **more}
    with open("%s/sso/%s.yaml" % (server.root, name), "w", encoding="utf-8") as file:
        file.writelines("%s: %s\n" % (key, json.dumps(value)) for key, value in settings.items())


@pytest.fixture(scope="module")
def server(idp):
    started = Server()
    write_provider(started, idp, "school")
    write_provider(started, idp, "linking", link_existing=True)
    write_provider(started, idp, "closed", make_accounts=False)
    started.settings.update({"public_base_url": started.url, "registration.guests": "true", "sso.folder": started.root + "/sso",
                             "sso.client_whitelist": CLIENT, "network.allow_addresses": "127.0.0.0/8"})
    started.start()
    yield started
    started.destroy()


@pytest.fixture(autouse=True)
def _honest(idp):
    idp.reset()


def get(server, path, cookie=None):
    return server.anonymous().http.raw("GET", path, headers={"Cookie": cookie} if cookie else {})


def begin(server, provider="school", client=CLIENT):
    """(address at the provider, cookie) of a new sign-in."""
    reply = get(server, "/_matrix/client/v3/login/sso/redirect/%s?redirectUrl=%s" % (
        provider, urllib.parse.quote(client, safe="")))
    assert reply.status == 303, reply.raw
    return reply.headers["location"], reply.headers["set-cookie"].partition(";")[0]


def finish(server, idp, url, cookie, **changes):
    code, state = idp.authorize(url)
    query = {"code": code, "state": state, **changes}
    return get(server, CALLBACK + "?" + urllib.parse.urlencode(query), cookie)


def sign_in(server, idp, provider="school", client=CLIENT):
    return finish(server, idp, *begin(server, provider, client))


def token_of(reply):
    assert reply.status == 303, reply.raw
    return urllib.parse.parse_qs(urllib.parse.urlsplit(reply.headers["location"]).query)["loginToken"][0]


def log_in(server, reply):
    return server.anonymous().post("/login", {"type": "m.login.token", "token": token_of(reply)}, token=False)


def is_refused(reply, status=403):
    return reply.status == status and reply.headers["content-type"].startswith("text/html") and (
        "location" not in reply.headers and b"loginToken" not in reply.raw)


def has_account(server, name):
    return server.anonymous().get(path_of("profile", "@%s:%s" % (name, server.server_name)), token=False).status == 200


def test_sign_in__honest__account(server, idp):
    assert log_in(server, sign_in(server, idp)).ok()["user_id"] == "@%s:%s" % (idp.subject.lower(), server.server_name)
    assert idp.authorization == "Basic " + base64.b64encode(b"belfry:" + SECRET.encode()).decode()


def test_sign_in__provider_away__page_names_it_and_the_log_says_why(make_server, idp):
    started = make_server()
    write_provider(started, idp, "away", issuer="http://127.0.0.1:1")
    started.settings.update({"public_base_url": started.url, "sso.folder": started.root + "/sso", "network.allow_addresses": "127.0.0.0/8"})
    started.start()
    page = get(started, "/_matrix/client/v3/login/sso/redirect/away?redirectUrl=" + urllib.parse.quote(CLIENT, safe=""))
    assert "location" not in page.headers
    assert says(page, "目前連不上學校的登入系統，請稍後再試。", "The identity provider could not be reached")
    with open(started.log_path, encoding="utf-8") as log:
        line, = [line for line in log if " sso.provider_failed " in line]
    assert " warn " in line and "127.0.0.1" in line, line


def says(page, chinese, english):
    text = page.raw.decode()
    return '<span lang="zh-Hant">%s</span><span lang="en">%s</span>' % (chinese, english) in text


def test_sign_in__refused__reason_in_both_languages(server, idp):
    assert says(finish(server, idp, *begin(server), error="access_denied"), "學校的登入系統沒有讓您登入，或登入已取消。",
                "The identity provider let nobody in")
    assert says(get(server, CALLBACK), "這次登入是從別的瀏覽器開始的，或已經逾時；請重新登入。",
                "This sign-in was begun elsewhere or has ended; begin again")
    assert says(sign_in(server, idp, "closed"), "您在本伺服器還沒有帳號，請洽管理員。", "You have no account on this server yet")
    idp.claims.update(aud="another")
    assert says(sign_in(server, idp), "無法確認這次登入。", "The sign-in could not be confirmed")
    idp.reset()
    accounts.register(server.url, idp.subject.lower())
    assert says(sign_in(server, idp), "您的使用者名稱在本伺服器已有人使用，請洽管理員。",
                "Your user name is taken on this server; ask its administrator")
    idp.reset()
    user = log_in(server, sign_in(server, idp)).ok()["user_id"]
    server.run("user", "lock", user)
    assert says(sign_in(server, idp), "這個帳號已被鎖定，請洽管理員。", "This account has been locked")


LIES = {
    "issuer": lambda idp: idp.claims.update(iss="https://evil.example"),
    "audience": lambda idp: idp.claims.update(aud="another"),
    "audiences_without_party": lambda idp: idp.claims.update(aud=["belfry", "another"]),
    "party": lambda idp: idp.claims.update(azp="another"),
    "expired": lambda idp: idp.claims.update(exp=int(time.time()) - 120),
    "no_expiry": lambda idp: setattr(idp, "dropped", ("exp",)),
    "nonce": lambda idp: idp.claims.update(nonce="x"),
    "no_nonce": lambda idp: setattr(idp, "dropped", ("nonce",)),
    "no_subject": lambda idp: setattr(idp, "dropped", ("sub",)),
    "foreign_key": lambda idp: setattr(idp, "signer", lambda text: idp.other.sign(text, padding.PKCS1v15(), hashes.SHA256())),
    "unknown_key": lambda idp: idp.header.update(kid="k2"),
    "key_for_encryption": lambda idp: idp.header.update(kid="secret"),
    "no_signature": lambda idp: setattr(idp, "signer", lambda text: b""),
    "alg_none": lambda idp: (idp.header.update(alg="none"), setattr(idp, "signer", lambda text: b"")),
    "alg_hs256_by_the_public_key": lambda idp: (idp.header.update(alg="HS256"), setattr(idp, "signer", by_public_key(idp))),
    "critical_extension": lambda idp: idp.header.update(crit=["exp"]),
    "userinfo_of_another": lambda idp: setattr(idp, "info", {"sub": "another"}),
    "no_user_name": lambda idp: setattr(idp, "dropped", ("preferred_username",)),
    "empty_user_name": lambda idp: idp.claims.update(preferred_username=""),
    "user_name_too_long": lambda idp: idp.claims.update(preferred_username="x" * 300),
}


def by_public_key(idp):
    def sign(text):
        mac = hmac.HMAC(idp.keys()["keys"][0]["n"].encode(), hashes.SHA256())
        mac.update(text)
        return mac.finalize()
    return sign


@pytest.mark.parametrize("lie", sorted(LIES))
def test_sec_5_47__id_token_that_lies__nobody_comes_in(server, idp, lie):
    LIES[lie](idp)
    assert is_refused(sign_in(server, idp))
    assert not has_account(server, idp.subject.lower())


def test_callback__without_the_browsers_cookie__refused_and_over(server, idp):
    url, cookie = begin(server)
    other_cookie = begin(server)[1]
    forged = cookie.partition("=")[0] + "=" + other_cookie.partition("=")[2]
    code, state = idp.authorize(url)
    path = CALLBACK + "?" + urllib.parse.urlencode({"code": code, "state": state})
    for wrong in (None, other_cookie, forged):
        idp.asked.clear()
        assert is_refused(get(server, path, wrong))
        assert idp.asked == [], "the provider need not be asked"
        assert is_refused(get(server, path, cookie)), "the state was used"
        url, cookie = begin(server)
        code, state = idp.authorize(url)
        path = CALLBACK + "?" + urllib.parse.urlencode({"code": code, "state": state})
        forged = cookie.partition("=")[0] + "=" + other_cookie.partition("=")[2]
    assert get(server, path, cookie).status == 303
    assert is_refused(get(server, path, cookie))


def test_callback__code_of_another_sign_in__pkce_refuses(server, idp):
    stolen, _ = idp.authorize(begin(server)[0])
    assert is_refused(finish(server, idp, *begin(server), code=stolen))


def test_callback__provider_says_error_or_nothing__page(server, idp):
    assert is_refused(finish(server, idp, *begin(server), error="access_denied"))
    assert is_refused(finish(server, idp, *begin(server), code=""))
    for query in ("", "?state=x", "?code=x", "?state=x&code=y"):
        assert is_refused(get(server, CALLBACK + query))


def test_sec_5_48__account_of_that_name__never_taken_over_by_default(server, idp):
    owner = accounts.register(server.url, idp.subject.lower())
    assert is_refused(sign_in(server, idp))
    owner.get("/account/whoami").ok()
    idp.claims.update(preferred_username=owner.user_id)
    reply = sign_in(server, idp)
    assert reply.status == 303 and log_in(server, reply).ok()["user_id"] != owner.user_id


def test_sec_5_47__linking_allowed__ordinary_accounts_only(server, idp):
    owner = accounts.register(server.url, idp.subject.lower())
    assert log_in(server, sign_in(server, idp, "linking")).ok()["user_id"] == owner.user_id
    idp.reset()
    accounts.register_by_secret(server.url, server.secret, idp.subject.lower(), admin=True)
    assert is_refused(sign_in(server, idp, "linking"))
    idp.reset()
    gone = accounts.register(server.url, idp.subject.lower())
    assert server.run("user", "deactivate", gone.user_id).returncode == 0
    assert is_refused(sign_in(server, idp, "linking"))
    idp.reset()
    guest = server.anonymous().post("/register", {}, query={"kind": "guest"}, token=False).ok()["user_id"]
    idp.claims.update(preferred_username=guest[1:].partition(":")[0])
    assert is_refused(sign_in(server, idp, "linking"))


def test_sec_5_47__deactivated_locked_suspended__by_sign_in(server, idp):
    user = log_in(server, sign_in(server, idp)).ok()["user_id"]
    late = sign_in(server, idp)
    assert server.run("user", "lock", user).returncode == 0
    assert is_refused(sign_in(server, idp))
    log_in(server, late).expect(401, "M_USER_LOCKED")
    assert server.run("user", "unlock", user).returncode == 0
    assert server.run("user", "suspend", user).returncode == 0
    log_in(server, sign_in(server, idp)).ok()
    late = sign_in(server, idp)
    assert server.run("user", "deactivate", user).returncode == 0
    assert is_refused(sign_in(server, idp))
    log_in(server, late).expect(403, "M_FORBIDDEN")


def test_sign_in__provider_that_makes_no_accounts__refused(server, idp):
    assert is_refused(sign_in(server, idp, "closed"))
    assert not has_account(server, idp.subject.lower())


def test_sign_in__strange_user_names__valid_ids(server, idp):
    for number_, name in enumerate(("Ärger", "王小明", "a b", "x@school.example", "=40", "A/B", "<script>")):
        idp.reset()
        idp.claims.update(preferred_username="%s%s%d" % (name, unique(""), number_))
        user_id = log_in(server, sign_in(server, idp)).ok()["user_id"]
        localpart = user_id.partition(":")[0][1:]
        assert all(c in "abcdefghijklmnopqrstuvwxyz0123456789._=-/+" for c in localpart), localpart


def test_email__not_verified_or_anothers__not_taken_over(server, idp):
    idp.claims.update(email="head@school.example", email_verified=False)
    first = log_in(server, sign_in(server, idp)).ok()["access_token"]
    assert server.anonymous().get("/account/3pid", token=first).ok().json == {"threepids": []}
    owner = unique("o") + "@school.example"
    for wanted in ([owner], []):
        idp.reset()
        idp.claims.update(email=owner.upper(), email_verified=True)
        token = log_in(server, sign_in(server, idp)).ok()["access_token"]
        found = [item["address"] for item in server.anonymous().get("/account/3pid", token=token).ok()["threepids"]]
        assert found == wanted


@pytest.mark.parametrize("client", ["javascript:alert(1)", "data:text/html,x", "/relative", "", "https:evil", "https://a b/",
                                    "https://x.example/\r\nSet-Cookie: a=b", "vbscript:x", "https://x.example/\"><script>"])
def test_redirect_url__no_clients_address__400(server, client):
    for path in ("/_matrix/client/v3/login/sso/redirect", "/_matrix/client/v3/login/sso/redirect/school"):
        reply = get(server, path + "?redirectUrl=" + urllib.parse.quote(client, safe=""))
        assert reply.status == 400 and "location" not in reply.headers


def test_redirect__missing_parameter_or_provider__refused(server):
    assert get(server, "/_matrix/client/v3/login/sso/redirect").status == 400
    assert get(server, "/_matrix/client/v3/login/sso/redirect/school").status == 400
    assert get(server, "/_matrix/client/v3/login/sso/redirect/none?redirectUrl=" + CLIENT).status == 404


def test_redirect__several_providers__choice_with_links(server):
    reply = get(server, "/_matrix/client/v3/login/sso/redirect?redirectUrl=" + urllib.parse.quote(CLIENT + "?a=1&b=<x>"))
    assert reply.status == 400
    reply = get(server, "/_matrix/client/v3/login/sso/redirect?redirectUrl=" + urllib.parse.quote(CLIENT + "?a=1&b=2", safe=""))
    text = reply.raw.decode()
    assert reply.status == 200 and text.count("/login/sso/redirect/") == 3 and "redirectUrl=https%3A%2F%2Fchat" in text


@pytest.mark.parametrize("client", ["https://chat.hs1.example.evil.example/", "https://chat.hs1.example@evil.example/",
                                    "http://chat.hs1.example/", "https://evil.example/https://chat.hs1.example/", "app:login"])
def test_client__not_on_the_list__asked_first(server, idp, client):
    reply = sign_in(server, idp, client=client)
    assert reply.status == 200 and "location" not in reply.headers
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["referrer-policy"] == "no-referrer" and reply.headers["cache-control"] == "no-store"
    assert "loginToken=" in reply.raw.decode() and "Continue" in reply.raw.decode() and "繼續" in reply.raw.decode()


def test_stage__provider_did_not_ask_again__not_completed(server, idp):
    """Whoever comes to a device that was left open would change the account by a session at the provider that goes on."""
    user = server.anonymous().with_token(log_in(server, sign_in(server, idp)).ok()["access_token"])
    session = user.post("/_matrix/client/v1/login/get_token").expect(401)["session"]
    for auth_time, status in ((int(time.time()) - 3600, 403), (int(time.time()), 200)):
        reply = get(server, "/_matrix/client/belfry/sso/stage/school?session=" + session)
        url, cookie = reply.headers["location"], reply.headers["set-cookie"].partition(";")[0]
        assert "&max_age=0" in url and "prompt=" not in url  # it does not say that it knows the word
        idp.claims = {"auth_time": auth_time}
        assert finish(server, idp, url, cookie).status == status
    assert "max_age" not in begin(server)[0]


def test_client__address_with_query_and_fragment__token_added_once(server, idp):
    reply = sign_in(server, idp, client=CLIENT + "?a=1&loginToken=evil&loginToken#/login?loginToken=x")
    parts = urllib.parse.urlsplit(reply.headers["location"])
    query = urllib.parse.parse_qs(parts.query)
    assert query["a"] == ["1"] and len(query["loginToken"]) == 1 and query["loginToken"] != ["evil"]
    assert parts.fragment == "/login?loginToken=x"


def test_cookie__behind_tls__bound_to_host(make_server, idp):
    server = make_server()
    write_provider(server, idp, "school")
    server.settings.update({"public_base_url": "https://matrix.hs1.example", "sso.folder": server.root + "/sso",
                            "network.allow_addresses": "127.0.0.0/8"})
    server.start()
    reply = get(server, "/_matrix/client/v3/login/sso/redirect?redirectUrl=" + CLIENT)
    cookie, *rest = reply.headers["set-cookie"].split("; ")
    assert cookie.startswith("__Host-belfry_sso_")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(rest) and not any("Domain" in item for item in rest)


def test_sec_5_46__secrets_of_a_sign_in__not_in_the_database_or_the_log(server, idp):
    url, cookie = begin(server)
    state = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["state"][0]
    kept = server.sql("select * from account_secrets")
    reply = finish(server, idp, url, cookie)
    kept += server.sql("select * from account_secrets") + server.log()
    for secret in (state, cookie.partition("=")[2], token_of(reply), SECRET):
        assert secret not in kept and secret.encode().hex() not in kept


def test_provider__private_address_not_allowed__never_asked(make_server, idp):
    server = make_server()
    write_provider(server, idp, "school")
    server.settings.update({"public_base_url": server.url, "sso.folder": server.root + "/sso"})
    server.start()
    idp.asked.clear()
    reply = get(server, "/_matrix/client/v3/login/sso/redirect?redirectUrl=" + CLIENT)
    assert reply.status in (403, 502) and reply.headers["content-type"].startswith("text/html")
    assert idp.asked == []


def test_sso__off__404_and_no_flow(hs):
    assert get(hs, "/_matrix/client/v3/login/sso/redirect?redirectUrl=" + CLIENT).status == 404
    assert get(hs, "/_matrix/client/v3/login/sso/redirect/x?redirectUrl=" + CLIENT).status == 404
    assert "m.login.sso" not in [flow["type"] for flow in hs.anonymous().get("/login", token=False).ok()["flows"]]


@pytest.mark.parametrize("text, word", [
    ("name: X\nissuer: https://x.example\n", "client_id"), ("name: X\nissuer: ftp://x\nclient_id: y\n", "issuer"),
    ("nmae: X\n", "name"), ("name: X\nissuer: https://x.example\nclient_id: y\nicon: http://z\n", "icon")])
def test_provider_file__wrong__said_at_the_start(make_server, text, word):
    server = make_server()
    os.makedirs(server.root + "/sso")
    with open(server.root + "/sso/school.yaml", "w", encoding="utf-8") as file:
        file.write(text)
    done = server.run("config", "check", settings={"sso.folder": server.root + "/sso", "public_base_url": "https://x.example"})
    assert done.returncode != 0 and word in done.stderr and "school.yaml" in done.stderr
    missing = server.run("config", "check", settings={"sso.folder": server.root + "/none"})
    assert missing.returncode != 0 and "sso.folder" in missing.stderr


def test_icon__no_token__given_though_other_files_are_not(make_server, idp):
    server = make_server().start()
    alice = accounts.register(Http(server.url))
    icon, other = (alice.request("POST", "/_matrix/media/v3/upload", raw=b"text", headers={"Content-Type": "text/plain"})
                   .ok()["content_uri"] for _ in range(2))
    server.terminate()
    write_provider(server, idp, "school", icon=icon)
    server.settings.update({"public_base_url": server.url, "sso.folder": server.root + "/sso"})
    server.start()
    assert icon in [one.get("icon") for flow in server.anonymous().get("/login", token=False).ok()["flows"]
                    for one in flow.get("identity_providers", [])]
    path = "/_matrix/media/v3/download/"
    assert get(server, path + icon[len("mxc://"):]).raw == b"text"
    assert get(server, path + other[len("mxc://"):]).status == 404
    server.terminate()
    server.settings["media.unauthenticated"] = "off"
    server.start()
    assert get(server, path + icon[len("mxc://"):]).status == 404


def test_passwords_off__identity_provider_is_the_only_way(make_server, idp):
    server = make_server()
    write_provider(server, idp, "school")
    server.settings.update({"public_base_url": server.url, "sso.folder": server.root + "/sso", "sso.client_whitelist": CLIENT,
                            "network.allow_addresses": "127.0.0.0/8", "password.login": "false"})
    server.start()
    assert server.run("user", "add", "lin", "--password-stdin", input="lin words\n").returncode == 0
    flows = [flow["type"] for flow in server.anonymous().get("/login", token=False).ok()["flows"]]
    assert flows == ["m.login.token", "m.login.sso", "m.login.application_service"]
    server.anonymous().post("/login", {"type": "m.login.password", "password": "lin words", "identifier": {
        "type": "m.id.user", "user": "lin"}}, token=False).expect(403, "M_FORBIDDEN")
    token = log_in(server, sign_in(server, idp)).ok()["access_token"]
    user = server.anonymous().with_token(token)
    assert user.post("/_matrix/client/v1/login/get_token").expect(401)["flows"] == [{"stages": ["m.login.sso"]}]
    assert user.get("/capabilities").ok()["capabilities"]["m.change_password"]["enabled"] is False
    user.post("/account/password", {"new_password": "password-new"}).expect(403, "M_FORBIDDEN")


def test_stage__completed_by_another_account__refused_and_nothing_done(server, idp):
    owner = server.anonymous().with_token(log_in(server, sign_in(server, idp)).ok()["access_token"])
    path = "/_matrix/client/v1/login/get_token"
    session = owner.post(path).expect(401)["session"]
    idp.reset()
    log_in(server, sign_in(server, idp)).ok()
    begun = get(server, "/_matrix/client/belfry/sso/stage/school?session=" + urllib.parse.quote(session))
    page = finish(server, idp, begun.headers["location"], begun.headers["set-cookie"].partition(";")[0])
    assert is_refused(page) and b"ticket" not in page.raw
    owner.post(path, {"auth": {"session": session}}).expect(401)


def test_passwords_off__no_identity_provider__does_not_start(make_server):
    done = make_server().run("config", "check", settings={"password.login": "false"})
    assert done.returncode != 0 and "password.login" in done.stderr
