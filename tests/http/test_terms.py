"""Terms at registration, and the pages by which people authenticate where their client cannot."""
import re
import urllib.parse

import pytest

from support.client import unique
from support.database import Cluster
from support.server import Server, binary, wait_until

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")

BASE = "https://matrix.hs1.example"


@pytest.fixture(scope="module")
def server():
    started = Server(settings={"public_base_url": BASE})
    path = started.root + "/terms.zh.txt"
    with open(path, "w", encoding="utf-8") as file:
        file.write("一、請勿霸凌。\n二、<script>alert(1)</script> & \"引號\"\n")
    started.settings["terms.policies"] = (
        "terms 1.2 zh-Hant %s 使用條款,terms 1.2 en https://school.example/terms?a=1 Terms of use,"
        "privacy 2025-09 en https://school.example/privacy Privacy" % path)
    started.start()
    yield started
    started.destroy()


def begin(server):
    body = {"username": unique("t"), "password": "password-x"}
    return body, server.anonymous().post("/register", body, token=False).expect(401)


def page(server, method, stage, session, form=None):
    return server.anonymous().http.raw(
        method, "/_matrix/client/v3/auth/%s/fallback/web?session=%s" % (stage, urllib.parse.quote(session)),
        None if form is None else urllib.parse.urlencode(form).encode(),
        {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else None)


def test_terms__flow_and_params__as_configured(server):
    _, reply = begin(server)
    assert reply["flows"] == [{"stages": ["m.login.terms"]}]
    assert reply["params"] == {"m.login.terms": {"policies": {
        "terms": {"version": "1.2",
                  "zh-Hant": {"name": "使用條款", "url": BASE + "/_matrix/client/belfry/terms/terms/zh-Hant"},
                  "en": {"name": "Terms of use", "url": "https://school.example/terms?a=1"}},
        "privacy": {"version": "2025-09", "en": {"name": "Privacy", "url": "https://school.example/privacy"}}}}}


def test_terms__accepted__registered(server):
    body, reply = begin(server)
    server.anonymous().post("/register", {**body, "auth": {"type": "m.login.dummy", "session": reply["session"]}},
                            token=False).expect(401)
    server.anonymous().post("/register", {**body, "auth": {"type": "m.login.terms", "session": reply["session"]}},
                            token=False).ok()


def test_terms__document_of_a_file__shown_as_text(server):
    reply = server.anonymous().http.raw("GET", "/_matrix/client/belfry/terms/terms/zh-Hant")
    text = reply.raw.decode()
    assert reply.status == 200 and "請勿霸凌" in text and "使用條款" in text
    assert "<script>alert" not in text and "&#60;script&#62;" in text
    for other in ("terms/en", "terms/fr", "privacy/zh-Hant", "..%2f..%2fetc/passwd"):
        assert server.anonymous().http.raw("GET", "/_matrix/client/belfry/terms/" + other).status == 404


@pytest.mark.parametrize("policies", ["terms", "terms 1 en notaurl Name", "terms 1 en https://x.example", "terms 1 en /x Y",
                                      "t 1 en https://x.example A,t 2 de https://x.example B",
                                      "t 1 en javascript:alert(1) A"])
def test_terms__malformed__does_not_start(server, policies):
    done = server.run("config", "check", settings={"terms.policies": policies})
    assert done.returncode != 0 and "terms.policies" in done.stderr


def test_fallback_terms__accepted_on_the_page__session_alone_completes(server):
    body, reply = begin(server)
    shown = page(server, "GET", "m.login.terms", reply["session"])
    text = shown.raw.decode()
    assert shown.status == 200 and "https://school.example/privacy" in text and "使用條款" in text
    server.anonymous().post("/register", {**body, "auth": {"session": reply["session"]}}, token=False).expect(401)
    done = page(server, "POST", "m.login.terms", reply["session"], {})
    assert done.status == 200 and "onAuthDone" in done.raw.decode() and "authDone" in done.raw.decode()
    server.anonymous().post("/register", {**body, "auth": {"session": reply["session"]}}, token=False).ok()
    assert page(server, "GET", "m.login.terms", reply["session"]).status == 404


def test_fallback_password__right_one_only__for_the_sessions_user(hs, alice, bob):
    class Own:
        anonymous = hs.anonymous
    session = alice.post("/_matrix/client/v1/login/get_token").expect(401)["session"]
    assert alice.user_id in page(Own, "GET", "m.login.password", session).raw.decode()
    for wrong in ("", "wrong", bob.password):
        reply = page(Own, "POST", "m.login.password", session, {"password": wrong})
        assert reply.status == 401 and "onAuthDone" not in reply.raw.decode()
    alice.post("/_matrix/client/v1/login/get_token", {"auth": {"session": session}}).expect(401)
    assert page(Own, "POST", "m.login.password", session, {"password": alice.password}).status == 200
    bob.post("/_matrix/client/v1/login/get_token", {"auth": {"session": session}}).expect(401)
    alice.post("/_matrix/client/v1/login/get_token", {"auth": {"session": session}}).ok()
    alice.post("/_matrix/client/v1/login/get_token", {"auth": {"session": session}}).expect(401)


def test_sec_5_49__fallback__stage_outside_the_flow__does_not_count(hs, alice):
    class Own:
        anonymous = hs.anonymous
    session = alice.post("/_matrix/client/v1/login/get_token").expect(401)["session"]
    for stage in ("m.login.dummy", "m.login.terms"):
        page(Own, "POST", stage, session, {})
    assert page(Own, "POST", "m.login.email.identity", session, {}).status == 401
    assert page(Own, "POST", "m.login.registration_token", session, {"token": "x"}).status == 401
    alice.post("/_matrix/client/v1/login/get_token", {"auth": {"session": session}}).expect(401)


def test_fallback__unknown_stage_or_session__404_page(server):
    _, reply = begin(server)
    for stage, session in (("m.login.recaptcha", reply["session"]), ("m.login.terms", "nothing"), ("m.login.terms", "")):
        for method in ("GET", "POST"):
            answer = page(server, method, stage, session, {} if method == "POST" else None)
            assert answer.status == 404 and answer.headers["content-type"].startswith("text/html")


def test_fallback__session_that_is_over__404_page(server):
    """A page finds a session by its id alone."""
    _, reply = begin(server)
    assert page(server, "GET", "m.login.terms", reply["session"]).status == 200
    server.sql("UPDATE uia_sessions SET expires_at_ms = 1")
    for method in ("GET", "POST"):
        assert page(server, method, "m.login.terms", reply["session"], {} if method == "POST" else None).status == 404


def test_fallback_registration_token__right_one__completes(make_server):
    server = make_server(settings={"registration.mode": "token"}).start()
    assert server.run("token", "create", "--token", "letmein", "--uses", "1").returncode == 0
    body, reply = begin(server)
    assert page(server, "POST", "m.login.registration_token", reply["session"], {"token": "wrong"}).status == 401
    assert page(server, "POST", "m.login.registration_token", reply["session"], {"token": "letmein"}).status == 200
    server.anonymous().post("/register", {**body, "auth": {"session": reply["session"]}}, token=False).ok()


def test_sec_5_37__every_page__no_frames(server):
    _, reply = begin(server)
    pages = [page(server, "GET", "m.login.terms", reply["session"]), page(server, "GET", "x", "y"),
             server.anonymous().http.raw("GET", "/_matrix/static/client/login/"),
             server.anonymous().http.raw("GET", "/_matrix/client/belfry/terms/terms/zh-Hant")]
    nonces = set()
    for answer in pages:
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY" and answer.headers["cache-control"] == "no-store"
        nonces.add(re.search(r"style-src 'nonce-(\w+)'", policy).group(1))
    assert len(nonces) == len(pages)


def test_login_page__for_clients_without_one__has_form_and_hook(server):
    reply = server.anonymous().http.raw("GET", "/_matrix/static/client/login/?device_id=X")
    text = reply.raw.decode()
    assert reply.status == 200 and "matrixLogin" in text and "<form" in text and "登入" in text
    for code in ("M_FORBIDDEN", "M_LIMIT_EXCEEDED", "M_USER_LOCKED", "other", "token", "done"):  # what the script shows of
        assert '<p hidden class="outcome" id="%s"><span lang="zh-Hant">' % code in text
    assert 'autocomplete="username" autocapitalize="none"' in text, "a phone would begin the name with a capital"
    assert "忘記密碼時，請洽學校的管理員" in text


def assert_page(reply, status, text):
    """People see it, not a program: what failed is told as everything else is."""
    assert reply.status == status and reply.headers["content-type"] == "text/html; charset=utf-8", reply
    assert text in reply.raw.decode() and "errcode" not in reply.raw.decode()
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert int(reply.headers["retry-after"]) >= 1


def test_pages__more_than_the_limit__told_by_a_page(make_server):
    server = make_server(settings={"rate_limits.enabled": "true", "rate_limits.login.per_minute": "1",
                                   "rate_limits.login.burst": "1"}, processes=1).start()
    http = server.anonymous().http
    assert http.raw("GET", "/_matrix/static/client/login/").status == 200
    for path in ("/_matrix/static/client/login/", "/_matrix/client/v3/login/sso/redirect?redirectUrl=x",
                 "/_matrix/client/v3/auth/m.login.terms/fallback/web?session=x"):
        assert_page(http.raw("GET", path), 429, "請稍候")
    reply = server.anonymous().post("/login", {}, token=False).expect(429, "M_LIMIT_EXCEEDED")
    assert reply["retry_after_ms"] > 0 and reply.headers["content-type"] == "application/json"


def test_pages__database_gone__told_by_a_page(make_server):
    with Cluster() as cluster:
        server = make_server(settings={"database.url": cluster.url, "database.statement_timeout": "1s"}).start()
        with cluster.frozen():
            assert_page(page(server, "GET", "m.login.terms", "x"), 503, "暫時無法使用")
        server.terminate()


def test_flow__later_stage_first__401_and_not_completed(make_server):
    """_index.md, User-interactive authentication: "the flow's stages must be completed in order"."""
    started = make_server(settings={"registration.mode": "token",
                                    "terms.policies": "t 1 en https://school.example/terms Terms"}).start()
    token = started.run("token", "create", "--uses", "1").stdout.split()[-1]
    body, reply = begin(started)
    assert reply["flows"] == [{"stages": ["m.login.registration_token", "m.login.terms"]}]

    def attempt(**auth):
        return started.anonymous().post("/register", {**body, "auth": {"session": reply["session"], **auth}},
                                        token=False)
    early = attempt(type="m.login.terms").expect(401, "M_FORBIDDEN")
    assert early["completed"] == []
    assert attempt(type="m.login.registration_token", token=token).expect(401)["completed"] == [
        "m.login.registration_token"]
    attempt(type="m.login.terms").ok()


# -- who has accepted what

def listed(server, *arguments, policies=None):
    """Lines of `belfry terms …` as lists of words."""
    settings = {"server_name": server.server_name, "public_base_url": BASE,
                "terms.policies": policies or server.settings["terms.policies"]}
    done = server.run("terms", *arguments, settings=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def accept(server, body, session):
    return server.anonymous().post("/register", {**body, "auth": {"type": "m.login.terms", "session": session}}, token=False)


def test_terms__accepted__kept_by_version_and_time(server):
    body, reply = begin(server)
    user = accept(server, body, reply["session"]).ok()["user_id"]
    lines = listed(server, "list", body["username"])
    assert [line[:3] for line in lines] == [[user, "privacy", "2025-09"], [user, "terms", "1.2"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", " ".join(line[3:])) for line in lines)
    assert [line for line in listed(server, "list") if line[0] == user] == lines
    assert user not in [line[0] for line in listed(server, "missing")]


def test_terms__accepted_on_the_page__kept(server):
    body, reply = begin(server)
    assert page(server, "POST", "m.login.terms", reply["session"], {}).status == 200
    user = server.anonymous().post("/register", {**body, "auth": {"session": reply["session"]}}, token=False).ok()["user_id"]
    assert [line[1:3] for line in listed(server, "list", user)] == [["privacy", "2025-09"], ["terms", "1.2"]]


def test_terms__newer_version__those_without_it_are_shown(server):
    body, reply = begin(server)
    user = accept(server, body, reply["session"]).ok()["user_id"]
    newer = server.settings["terms.policies"].replace("terms 1.2", "terms 1.3")
    assert [user, "terms", "1.3"] in listed(server, "missing", policies=newer)
    assert server.run("user", "add", "made-by-hand", "--generate").returncode == 0
    assert ["@made-by-hand:hs1", "terms", "1.2,", "privacy", "2025-09"] in listed(server, "missing")
    assert listed(server, "list", "made-by-hand") == []


def test_terms_missing__accounts_of_nobody__are_not_listed(server):
    """They are not asked: senders of notices, and who sends the server's own."""
    assert server.run("user", "add", "reader", "--generate").returncode == 0
    assert server.run("notice", "sender", "office-of-terms").returncode == 0
    assert server.run("server-notice", "send", "reader", "welcome").returncode == 0
    wait_until(lambda: server.sql("select count(*) from accounts where user_id = '@notices:hs1'").strip() == "1", 10, "its account")
    users = [line[0] for line in listed(server, "missing")]
    assert "@reader:hs1" in users and not {"@office-of-terms:hs1", "@notices:hs1"} & set(users)


def test_terms__version_changes_during_a_registration__the_one_that_was_accepted(make_server):
    policies = "a %s en https://school.example/a A,b 1 en https://school.example/b B"
    server = make_server(settings={"public_base_url": BASE, "terms.policies": policies % "1",
                                   "registration.mode": "token"}).start()
    token = server.run("token", "create", "--uses", "1").stdout.split()[-1]
    body = {"username": unique("t"), "password": "password-x"}
    session = server.anonymous().post("/register", body, token=False).expect(401)["session"]

    def stage(kind, **more):
        return server.anonymous().post("/register", {**body, "auth": {"type": kind, "session": session, **more}}, token=False)
    assert stage("m.login.registration_token", token=token).status == 401
    assert page(server, "POST", "m.login.terms", session, {}).status == 200
    server.kill()
    server.settings["terms.policies"] = policies % "2"
    server.start()
    user = server.anonymous().post("/register", {**body, "auth": {"session": session}}, token=False).ok()["user_id"]
    assert [line[:3] for line in listed(server, "list", user)] == [[user, "a", "1"], [user, "b", "1"]]
    server.run("user", "deactivate", user)
    assert len(listed(server, "list", user)) == 2, "kept with a deactivated account"


def test_terms__bad_command_line__refused(server):
    assert server.run("terms").returncode == 2
    assert server.run("terms", "burn").returncode == 2
    assert server.run("terms", "list", "a", "b").returncode == 2
    done = server.run("terms", "missing")
    assert done.returncode == 1 and "terms.policies is empty" in done.stderr
