"""The page on which people make themselves an account: it asks for what registration by an app asks for."""
import re
import urllib.parse

import pytest

from support import accounts
from support.browser import ACCOUNT, Browser
from support.client import Client, unique
from support.oauth import OAuth, served
from support.server import binary
from test_oauth_pages import LOGIN, can_log_in, is_log_in, is_signed_in
from test_oauth_pages_consent import Request, say

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")
SIGNUP = "/_matrix/client/belfry/oauth/signup"
PASSWORD = "password-of-a-new-one"
TERMS = "terms 2 zh-Hant https://school.example/terms 使用條款,terms 2 en https://school.example/terms.en Terms of use"


@pytest.fixture(scope="module")
def server():
    with served() as started:
        yield started


@pytest.fixture(scope="module")
def strict():
    """Asks for a token and for terms."""
    with served(registration__mode="token", terms__policies=TERMS) as started:
        yield started


@pytest.fixture
def browser(server):
    return Browser(server.url)


def prompts(server):
    return server.anonymous().get("/_matrix/client/v1/auth_metadata", token=False).ok().get("prompt_values_supported")


def fill(browser, page, name, **fields):
    return browser.submit(page, "user", user=name, **{"new": PASSWORD, "again": PASSWORD, **fields})


def named(server, name):
    return Client(server.url, user_id="@%s:%s" % (name, server.server_name))


def test_register__asked_for_by_a_program__account_and_then_the_question(server, browser):
    assert prompts(server) == ["create"]
    app, name = OAuth(server), unique("new")
    request = Request(app, prompt="create")
    page = browser.open(request.path)
    assert page.url.startswith(SIGNUP)
    page = fill(browser, page, name)
    user = named(server, name)
    assert page.url == request.path and user.user_id in page.text
    session = request.log_in(user, say(browser, page, "allow"))
    assert session.get("/account/whoami").ok()["user_id"] == user.user_id
    assert can_log_in(user, PASSWORD)


def test_register__from_the_log_in_page_and_back__same_way_on(server, browser):
    page = browser.action("org.matrix.devices_list")
    page = browser.open(page.link("建立帳號"))
    page = browser.open(page.link("已經有帳號"))
    assert is_log_in(page)
    page = fill(browser, browser.open(page.link("建立帳號")), unique("new"))
    assert "org.matrix.devices_list" in page.url and "裝置" in page.text


@pytest.mark.parametrize("name, fields, words", [
    ("Bad Name", {}, "不能使用"), ("", {}, "不能使用"), (None, {}, "已經有人使用"), ("x-fine", {"again": "other"}, "不一樣"),
    ("x-fine", {"new": "x", "again": "x"}, "太短"), ("x-fine", {"new": "y" * 2000, "again": "y" * 2000}, "太長"), ("<b>", {}, "不能使用")])
def test_register__form_not_right__says_why_and_no_account(server, browser, name, fields, words):
    taken = server.anonymous().post("/register", {"username": unique("t"), "password": "of-another-9", "auth": {"type": "m.login.dummy"}},
                                    token=False).ok()["user_id"]
    page = fill(browser, browser.open(SIGNUP), taken[1:].partition(":")[0] if name is None else name, **fields)
    assert page.status == 400 and words in page.text and "b" not in page.tags and not is_signed_in(browser)
    assert server.sql("select count(*) from accounts where user_id like '@x-fine:%'").strip() == "0"


def test_sec_5_48__name_that_is_taken__owner_keeps_it(server, browser):
    """Neither the password that was typed nor the log-in that would follow."""
    owner = accounts.register(server.url)
    fill(browser, browser.open(SIGNUP), owner.user_id[1:].partition(":")[0])
    assert not is_signed_in(browser) and not can_log_in(owner, PASSWORD) and can_log_in(owner, owner.password)
    owner.get("/account/whoami").ok()


def test_register__clicked_twice__in_by_the_account_of_the_first(strict):
    browser, name = Browser(strict.url), unique("new")
    token = strict.run("token", "create", "--uses", "1").stdout.strip()
    page = browser.open(SIGNUP)
    before = dict(browser.cookies)
    for _ in range(2):
        browser.cookies = dict(before)  # the first answer has not come yet
        again = fill(browser, page, name, token=token, terms="1")
        assert again.status == 200 and again.url.startswith(ACCOUNT) and name in again.text
    again = fill(browser, page, name, token=token, terms="1")  # it has come, and ended the cookie of the form
    assert again.status == 200 and again.url.startswith(ACCOUNT) and name in again.text
    assert fill(browser, page, name + "x", token=token, terms="1").status == 400
    browser.cookies = dict(before)
    assert fill(browser, page, name, token=token, terms="1", new="another-9-password", again="another-9-password").status == 400
    assert not is_signed_in(browser)


def test_register__form_without_the_browsers_own_proof__no_account(server, browser):
    name = unique("new")
    foreign = Browser(server.url).open(SIGNUP).form("user")["fields"]["proof"]
    log_in = browser.open(LOGIN).form("user")["fields"]["proof"]
    for proof in ("", foreign, log_in):
        form = urllib.parse.urlencode({"user": name, "new": PASSWORD, "again": PASSWORD, "proof": proof})
        assert browser.ask("POST", SIGNUP, form).status == 400
    assert not is_signed_in(browser) and not can_log_in(named(server, name), PASSWORD)


def test_register__token_and_terms_asked_for__both_needed_and_noted(strict):
    browser, name = Browser(strict.url), unique("new")
    token = strict.run("token", "create", "--uses", "1").stdout.strip()
    page = browser.open(SIGNUP)
    assert page.link("使用條款") and page.form("user")["kinds"]["terms"] == "checkbox"
    for language, name_of_terms in (("zh-Hant", "使用條款"), ("en", "Terms of use")):  # to be read out in their language
        assert re.search('<p lang="%s"><a [^>]*>%s</a>' % (language, name_of_terms), page.html)
    page = fill(browser, page, name, token="wrong", terms="1")
    assert "註冊碼無效" in page.text and page.form("user")["fields"]["token"] == "wrong"
    assert PASSWORD not in page.html
    assert "同意使用條款" in fill(browser, page, name, token=token, terms=None).text
    page = fill(browser, page, name, token=token, terms="1")
    assert page.status == 200 and page.url.startswith(ACCOUNT)
    assert strict.sql("select count(*) from terms_accepted where user_id = '@%s:%s'" % (name, strict.server_name)).strip() != "0"
    other = Browser(strict.url)
    assert "註冊碼無效" in fill(other, other.open(SIGNUP), unique("new"), token=token, terms="1").text


def is_not_offered(server):
    browser = Browser(server.url)
    assert prompts(server) is None
    page = browser.open(SIGNUP)
    assert page.status == 403 and "不能自行註冊" in page.text
    assert not any("signup" in link for link, _ in browser.open("/").links)
    assert browser.ask("POST", SIGNUP, "user=x&new=y&again=y").status == 403
    assert is_log_in(browser.open(Request(OAuth(server), prompt="create").path))
    return "建立帳號" not in browser.open(LOGIN).text


def test_register__closed__not_offered():
    with served(registration__mode="closed") as started:
        assert is_not_offered(started)


def test_register__address_needed__not_offered(box):
    with served(registration__email="required", **box.settings()) as started:
        assert is_not_offered(started)
