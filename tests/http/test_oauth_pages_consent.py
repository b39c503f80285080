"""The page on which people say whether a program may use their account, and that on which they type the code of another device."""
import base64
import hashlib
import secrets
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.browser import ACCOUNT, Browser
from support.client import unique
from support.keys import Person
from support.oauth import PATH, REDIRECT, OAuth, error_of, scope_of, served
from support.server import binary
from support.twins import twins
from test_oauth_pages import grow_older, is_log_in, is_signed_in, mixed, name_of
from test_security import files_with

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")
EVIL = "\"><script>alert(1)</script><b>x</b>"


@pytest.fixture(scope="module")
def server():
    with served() as started:
        yield started


@pytest.fixture(scope="module")
def app(server):
    return OAuth(server)


@pytest.fixture
def lin(server):
    return accounts.register(server.url)


@pytest.fixture
def browser(server):
    return Browser(server.url)


class Request:
    """What a program asks, and what it needs to use the answer."""

    def __init__(self, app, **other):
        self.app, self.verifier, self.state = app, secrets.token_urlsafe(32), unique("state")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        self.query = {"response_type": "code", "client_id": app.id, "redirect_uri": REDIRECT, "scope": scope_of(unique("D")),
                      "state": self.state, "response_mode": "query", "code_challenge": challenge, "code_challenge_method": "S256", **other}

    @property
    def path(self):
        return PATH + "/authorize?" + urllib.parse.urlencode({name: value for name, value in self.query.items() if value is not None})

    def answer(self, page):
        """The parameters with which the browser goes back."""
        assert page.status == 303 and page.headers["location"].startswith(REDIRECT + "?"), page
        answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.headers["location"]).query))
        assert answer.pop("state") == self.state
        return answer

    def log_in(self, user, page):
        """A session with the code that the browser brings."""
        return self.app.session(user.user_id, self.exchange(self.answer(page)["code"]))

    def exchange(self, code):
        return self.app.exchange({"code": code, "redirect_uri": REDIRECT, "code_verifier": self.verifier})


def ask(browser, request, user):
    """Signs in where that is needed: the page that asks."""
    page = browser.open(request.path)
    page = browser.log_in(page, user) if is_log_in(page) else page
    assert page.status == 200 and page.url == request.path and user.user_id in page.text, page
    return page


def say(browser, page, answer):
    return browser.post(page, page.form("answer"), answer=answer)


# -- yes and no

def test_consent__allowed__session_of_the_program_and_browser_signed_out(server, app, lin, browser):
    request = Request(app)
    page = ask(browser, request, lin)
    assert "School chat" in page.text and "https://app.school.example" in page.text
    session = request.log_in(lin, say(browser, page, "allow"))
    assert session.get("/account/whoami").ok()["user_id"] == lin.user_id
    assert not is_signed_in(browser)
    assert is_log_in(browser.open(request.path))


def test_consent__denied__program_hears_of_it_and_gets_nothing(server, app, lin, browser):
    request = Request(app)
    answer = request.answer(say(browser, ask(browser, request, lin), "deny"))
    assert answer["error"] == "access_denied" and "code" not in answer
    assert not is_signed_in(browser)


def test_consent__fragment_asked_for__answer_in_the_fragment(server, app, lin, browser):
    page = say(browser, ask(browser, Request(app, response_mode="fragment"), lin), "allow")
    assert page.headers["location"].startswith(REDIRECT + "#") and "code=" in page.headers["location"]


def test_consent__signed_in_for_account_management__goes_on_after_it(server, app, lin, browser):
    browser.log_in_to_account(lin)
    request = Request(app)
    request.log_in(lin, say(browser, ask(browser, request, lin), "allow"))
    assert is_signed_in(browser)


def test_consent__not_you__signed_out_and_back_at_the_request(server, app, lin, browser):
    request, other = Request(app), accounts.register(server.url)
    page = browser.submit(ask(browser, request, lin), "leave")
    assert is_log_in(page)
    page = browser.log_in(page, other)
    assert page.url == request.path and other.user_id in page.text and lin.user_id not in page.text


def test_consent__hint__is_filled_in(server, app, lin, browser):
    page = browser.open(Request(app, login_hint="mxid:" + lin.user_id).path)
    assert page.form("user")["fields"]["user"] == name_of(lin)


# -- what others may try

def test_consent__proof_of_another_request__nothing_allowed(server, app, lin, browser):
    """The page of an honest program is shown, and its form posted for another."""
    other = OAuth(server, client_name="Other", client_uri="https://other.example/", redirect_uris=["https://other.example/cb"])
    shown = ask(browser, Request(app), lin)
    wanted = Request(other, redirect_uri="https://other.example/cb")
    page = browser.ask("POST", wanted.path, urllib.parse.urlencode({"answer": "allow", "proof": shown.form("answer")["fields"]["proof"]}))
    assert page.status == 403 and "location" not in page.headers
    mine = shown.form("answer")["fields"]["proof"]
    second = Request(app)
    assert browser.ask("POST", second.path, urllib.parse.urlencode({"answer": "allow", "proof": mine})).status == 403


def test_consent__proof_missing_or_of_another_session__nothing_allowed(server, app, lin, browser):
    request, other = Request(app), Browser(server.url)
    foreign = ask(other, request, accounts.register(server.url)).form("answer")["fields"]["proof"]
    page = ask(browser, request, lin)
    for proof in (None, "", foreign):
        refused = browser.post(page, page.form("answer"), answer="allow", proof=proof)
        assert refused.status == 403 and "location" not in refused.headers
    assert browser.post(page, page.form("answer"), answer="perhaps").status == 403


def test_consent__browser_signed_out_meanwhile__asked_to_sign_in(server, app, lin, browser):
    page = ask(browser, Request(app), lin)
    browser.cookies.clear()
    assert is_log_in(browser.follow(say(browser, page, "allow")))


# -- people click twice

@pytest.mark.parametrize("is_for_account", [False, True])
def test_consent__clicked_twice__the_same_code_until_it_is_used(server, app, lin, browser, is_for_account):
    if is_for_account:
        browser.log_in_to_account(lin)
    request = Request(app)
    page = ask(browser, request, lin)
    before = dict(browser.cookies)
    first = say(browser, page, "allow")
    second = say(browser, page, "allow")  # the first answer has come
    browser.cookies = before
    third = say(browser, page, "allow")  # it has not come yet
    assert first.headers["location"] == second.headers["location"] == third.headers["location"]
    session = request.log_in(lin, first)
    page = browser.follow(say(browser, page, "allow"))
    assert page.status == 200 and "已經回答過了" in page.text
    session.get("/account/whoami").ok()
    assert is_signed_in(browser) == is_for_account


def test_consent__two_clicks_at_once__the_same_code(server, app, lin, browser):
    request = Request(app)
    page = ask(browser, request, lin)
    others = [Browser(server.url) for _ in range(4)]
    for other in others:
        other.cookies = dict(browser.cookies)
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda other: say(other, page, "allow"), others))
    assert len({reply.headers.get("location") for reply in replies}) == 1, replies
    request.log_in(lin, replies[0])


def test_consent__denied_twice__program_hears_the_same(server, app, lin, browser):
    request = Request(app)
    page = ask(browser, request, lin)
    first, second = say(browser, page, "deny"), say(browser, page, "deny")
    assert request.answer(first) == request.answer(second) and request.answer(second)["error"] == "access_denied"
    assert is_log_in(browser.follow(say(browser, page, "allow")))  # the first word counts


def test_consent__code_that_has_ended__is_not_given_again(server, app, lin, browser):
    browser.log_in_to_account(lin)
    request = Request(app)
    page = ask(browser, request, lin)
    code = request.answer(say(browser, page, "allow"))["code"]
    server.sql("update account_secrets set expires_at_ms = 1 where kind = 'oauth_code' and user_id = '%s'" % lin.user_id)
    assert "已經回答過了" in browser.follow(say(browser, page, "allow")).text
    assert error_of(request.exchange(code)) == "invalid_grant"


def test_sec_5_47__second_click__all_sessions_ended_meanwhile(server, app, lin, browser):
    page = ask(browser, Request(app), lin)
    assert say(browser, page, "allow").status == 303
    lin.post("/logout/all").ok()
    assert is_log_in(browser.follow(say(browser, page, "allow")))


def test_link__clicked_twice__says_that_it_was_answered(server, app, lin, browser):
    begun = app.begin().ok().json
    page = browser.log_in(browser.open(begun["verification_uri_complete"]), lin)
    before = dict(browser.cookies)
    assert "已允許" in browser.follow(say(browser, page, "allow")).text
    for cookies in (dict(browser.cookies), before):
        browser.cookies = cookies
        assert "已經回答過了" in browser.follow(say(browser, page, "deny")).text
    app.session(lin.user_id, app.poll(begun)).get("/account/whoami").ok()


@pytest.mark.parametrize("state", ["locked", "deactivated"])
def test_sec_5_47__page_that_asks__account_locked_or_ended_meanwhile(server, app, lin, browser, state):
    page = ask(browser, Request(app), lin)
    server.sql("update accounts set state = '%s', password_hash = null where user_id = '%s'" % (state, lin.user_id))
    assert is_log_in(browser.follow(say(browser, page, "allow")))


@pytest.mark.parametrize("wrong", [{"client_id": "x"}, {"client_id": None}, {"redirect_uri": "https://evil.example/"},
                                   {"redirect_uri": REDIRECT + ".evil.example"}, {"redirect_uri": None}, {"redirect_uri": "javascript:alert(1)"}])
def test_consent__client_or_address_not_known__page_and_the_browser_stays(server, app, lin, browser, wrong):
    page = browser.ask("GET", Request(app, **wrong).path)
    assert page.status == 400 and "location" not in page.headers and "script" not in page.tags
    assert "這個登入無法進行" in page.text and "frame-ancestors 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("wrong, word", [({"code_challenge_method": "plain"}, "invalid_request"), ({"scope": "openid"}, "invalid_scope"),
                                         ({"prompt": "none"}, "login_required"), ({"response_type": "token"}, "unsupported_response_type")])
def test_consent__request_with_faults__page_that_leads_back_but_sends_nobody(server, app, browser, wrong, word):
    """Anybody may register a program: a link to this server must not lead to where its maker likes."""
    request = Request(app, **wrong)
    page = browser.ask("GET", request.path)
    assert page.status == 400 and "location" not in page.headers and "https://app.school.example" in page.text
    back = urllib.parse.urlsplit(page.link("Go back there"))
    answer = dict(urllib.parse.parse_qsl(back.query))
    assert back._replace(query="").geturl() == REDIRECT and answer["error"] == word and answer["state"] == request.state


def test_consent__markup_in_names__is_text(server, lin, browser):
    app = OAuth(server, client_name=EVIL, **{"client_name#zh-Hant": "中" + EVIL})
    page = ask(browser, Request(app), lin)
    assert EVIL in page.text and "中" + EVIL in page.text and not {"script", "b"} & set(page.tags)


def test_sec_5_37__page_that_asks__no_frames_and_leads_to_the_program_only(server, app, lin, browser):
    page = ask(browser, Request(app), lin)
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "form-action 'self' https://app.school.example;" in policy
    assert page.headers["x-frame-options"] == "DENY" and page.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("registered, used, target", [
    ("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb", "http://127.0.0.1:4711"), ("http://[::1]/cb", "http://[::1]:4711/cb", "http:"),
    ("example.school.chat:/cb", "example.school.chat:/cb", "example.school.chat:")])
def test_consent__program_of_the_device__page_says_that_any_could_be_it(server, lin, browser, registered, used, target):
    app = OAuth(server, application_type="native", client_uri="https://chat.school.example/", redirect_uris=[registered])
    page = ask(browser, Request(app, redirect_uri=used), lin)
    assert "任何程式" in page.text and "form-action 'self' %s;" % target in page.headers["content-security-policy"]
    assert say(browser, page, "allow").headers["location"].startswith(used + "?")


def test_sec_5_46__secrets_of_a_log_in__not_in_the_database_or_the_log(server, app, lin, browser):
    request = Request(app)
    page = ask(browser, request, lin)
    cookie, = browser.cookies.values()
    code = request.answer(say(browser, page, "allow"))["code"]
    tokens, begun = request.exchange(code).ok(), app.begin().ok()
    fresh = app.refresh(tokens["refresh_token"]).ok()
    needles = {"cookie": cookie, "code": code, "verifier": request.verifier, "access token": tokens["access_token"],
               "refresh token": tokens["refresh_token"], "new access token": fresh["access_token"],
               "new refresh token": fresh["refresh_token"], "device code": begun["device_code"], "state": request.state}
    assert files_with(server.data, {name: text.encode() for name, text in needles.items()}) == []
    assert [name for name, text in needles.items() if text in server.log()] == []


def test_consent__policy_and_terms__links_of_which_each_word_has_its_language(server, lin, browser):
    app = OAuth(server, policy_uri="https://school.example/privacy", tos_uri="https://school.example/terms")
    page = ask(browser, Request(app), lin)
    assert page.link("隱私權政策") == "https://school.example/privacy" and page.link("terms of service") == "https://school.example/terms"
    assert not mixed(page)


# -- the code of another device

def test_link__code_typed_and_allowed__device_is_in(server, app, lin, browser):
    begun = app.begin().ok().json
    page = browser.log_in(browser.open(begun["verification_uri"]), lin)
    page = browser.submit(page, user_code=" " + begun["user_code"].lower().replace("-", "") + " ")
    assert page.status == 200 and "School chat" in page.text and "另一個裝置" in page.text
    assert begun["user_code"] in page.text  # as the device shows it
    page = browser.follow(say(browser, page, "allow"))
    assert "已允許" in page.text and not is_signed_in(browser)
    assert app.session(lin.user_id, app.poll(begun)).get("/account/whoami").ok()["user_id"] == lin.user_id


def test_link__address_with_the_code__leads_to_the_question(server, app, lin, browser):
    begun = app.begin().ok().json
    page = browser.log_in(browser.open(begun["verification_uri_complete"]), lin)
    assert begun["user_code"] in page.text
    assert "已拒絕" in browser.follow(say(browser, page, "deny")).text
    assert app.poll(begun)["error"] == "access_denied"


def test_link__wrong_code_or_one_that_was_answered__says_so(server, app, lin, browser):
    page = browser.log_in(browser.open(PATH + "/link"), lin)
    for code in ("BBBB-BBBB", "x", "", EVIL, "b" * 3000):
        refused = browser.submit(page, user_code=code)
        assert refused.status == 404 and "沒有這個代碼" in refused.text and "b" not in refused.tags
        assert refused.form("user_code")["fields"]["user_code"] == (code if len(code) <= 64 else "")  # to put right
    begun = app.begin().ok().json
    page = browser.submit(page, user_code=begun["user_code"])
    app.answer(begun, lin.user_id, "denied")
    assert "已經回答過了" in browser.follow(say(browser, page, "allow")).text


def test_link__proof_of_another_code__nothing_allowed(server, app, lin, browser):
    mine, wanted = app.begin().ok().json, app.begin().ok().json
    page = browser.log_in(browser.open(mine["verification_uri_complete"]), lin)
    page.url = page.url.replace(mine["user_code"], wanted["user_code"])
    assert say(browser, page, "allow").status == 403
    assert app.poll(wanted)["error"] == "authorization_pending"


# -- new cross-signing keys

def upload(session, keys, auth=None):
    return session.post("/keys/device_signing/upload", {**keys, **({"auth": auth} if auth else {})})


def test_reset__allowed_on_the_page__program_goes_on(server, app, lin, browser):
    session = app.log_in(lin.user_id)
    upload(session, Person(session).body()).ok()
    keys = Person(session).body()
    asked = upload(session, keys).expect(401)
    url = asked["params"]["m.oauth"]["url"]
    page = browser.log_in(browser.open(url), lin)
    assert upload(session, keys, {"session": asked["session"]}).status == 401
    page = browser.submit(page, "sure")
    assert page.status == 200 and "已允許重設" in page.text
    upload(session, keys, {"session": asked["session"]}).ok()


def test_reset__odd_characters_in_the_address__harmless(server, app, lin, browser):
    session = app.log_in(lin.user_id)
    upload(session, Person(session).body()).ok()
    keys = Person(session).body()
    asked = upload(session, keys).expect(401)
    browser.log_in_to_account(lin)
    page = browser.ask("GET", "%s?action=org.matrix.cross_signing_reset&session=%s&x=\"<>" % (ACCOUNT, asked["session"]))
    assert "已允許重設" in browser.submit(page, "sure").text
    upload(session, keys, {"session": asked["session"]}).ok()


def test_reset__session_of_another_user_or_none__says_where_to_begin(server, app, lin, browser):
    other = accounts.register(server.url)
    session = app.log_in(other.user_id)
    upload(session, Person(session).body()).ok()
    keys = Person(session).body()
    asked = upload(session, keys).expect(401)
    browser.log_in_to_account(lin)
    for query in ({"session": asked["session"]}, {"session": "x"}, {}):
        page = browser.action("org.matrix.cross_signing_reset", **query)
        assert "請在您的程式中開始重設" in page.text and "sure" not in page.html
    page = browser.action("org.matrix.profile")
    page.url = ACCOUNT + "?action=org.matrix.cross_signing_reset&session=" + asked["session"]
    assert browser.post(page, page.form("displayname")).status == 403
    upload(session, keys, {"session": asked["session"]}).expect(401)


def test_reset__log_in_of_over_five_minutes__asked_again(server, app, lin, browser):
    browser.log_in_to_account(lin)
    grow_older(server, lin, 6)
    assert is_log_in(browser.action("org.matrix.cross_signing_reset", session="x"))


# -- two processes

def test_consent__log_in_at_one_process_consent_at_the_other__allowed():
    with twins({"public_base_url": "http://hs1.example"}) as servers:
        first, second = servers
        user = accounts.register(first.url)
        app, browser = OAuth(first), Browser(first.url)
        request = Request(app)
        ask(browser, request, user)
        browser.base = second.url
        page = ask(browser, request, user)
        browser.base = first.url
        request.log_in(user, say(browser, page, "allow"))
        browser.base = second.url
        assert is_log_in(browser.open(request.path))
