"""Signing in to the pages by an identity provider: only who began it in this browser gets in."""
import time
import urllib.parse

import pytest

from support.browser import ACCOUNT, Browser
from support.client import unique
from support.oauth import PATH, OAuth
from support.server import Server, binary
from test_oauth_pages import LOGIN, is_log_in, is_signed_in
from test_oauth_pages_consent import Request
from test_sso import CALLBACK, Provider, write_provider

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")


@pytest.fixture(scope="module")
def idp():
    provider = Provider()
    provider.prompts = ["none", "login"]
    yield provider
    provider.server.shutdown()
    provider.server.server_close()


def start(idp, **settings):
    started = Server()
    write_provider(started, idp, "school")
    started.settings.update({"public_base_url": started.url, "sso.folder": started.root + "/sso",
                             "network.allow_addresses": "127.0.0.0/8", **settings})
    return started.start()


@pytest.fixture(scope="module")
def server(idp):
    started = start(idp)
    yield started
    started.destroy()


@pytest.fixture
def browser(server):
    return Browser(server.url)


def depart(browser, page):
    """Presses the provider's button: the address there."""
    answer = browser.ask("GET", page.link("School"))
    assert answer.status == 303, answer
    return answer.headers["location"]


def come_back(browser, idp, url, subject=None):
    """The provider sends the browser back, where that leads is the answer: not followed."""
    idp.reset(subject)
    code, state = idp.authorize(url)
    return browser.ask("GET", CALLBACK + "?" + urllib.parse.urlencode({"code": code, "state": state}))


def sign_in(browser, idp, page, subject=None):
    return browser.follow(come_back(browser, idp, depart(browser, page), subject))


def test_provider__sign_in__leads_back_to_the_page(server, idp, browser):
    page = browser.action("org.matrix.devices_list")
    page = sign_in(browser, idp, page)
    assert page.status == 200 and "org.matrix.devices_list" in page.url and "loginToken" not in page.url
    assert "@%s:%s" % (idp.subject.lower(), server.server_name) in page.text


def test_provider__link_of_a_sign_in_that_another_browser_began__nobody_in(server, idp, browser):
    """Whoever has such a link would have the victim work in the sender's account."""
    other = Browser(server.url)
    link = come_back(other, idp, depart(other, other.open(ACCOUNT))).headers["location"]
    browser.open(ACCOUNT)
    page = browser.ask("GET", link)
    assert page.status == 403 and "登入已經逾時" in page.text and not is_signed_in(browser)
    assert other.ask("GET", link).status == 403 and not is_signed_in(other)  # it is used up


def test_provider__link_twice__once(server, idp, browser):
    link = come_back(browser, idp, depart(browser, browser.open(ACCOUNT))).headers["location"]
    assert browser.open(link).status == 200 and is_signed_in(browser)
    browser.cookies.clear()
    assert browser.ask("GET", link).status == 403


def test_provider__link_for_another_page__nobody_in(server, idp, browser):
    link = come_back(browser, idp, depart(browser, browser.open(ACCOUNT))).headers["location"]
    other = link.replace(urllib.parse.quote(ACCOUNT, safe=""), urllib.parse.quote(ACCOUNT + "?action=org.matrix.profile", safe=""))
    assert other != link and browser.ask("GET", other).status == 403 and not is_signed_in(browser)


def test_provider__no_password__not_offered_and_log_in_again_is_the_provider(server, idp, browser):
    subject = unique("sub")
    page = sign_in(browser, idp, browser.open(ACCOUNT), subject)
    user = "@%s:%s" % (subject.lower(), server.server_name)
    assert user in page.text and "學校的登入系統" in page.text and "belfry.password" not in page.html
    page = browser.action("belfry.password")
    assert "沒有密碼" in page.text and not any(form["kinds"].get("new") for form in page.forms)
    server.sql("update account_secrets set expires_at_ms = expires_at_ms - 360000 where kind = 'web' and user_id = '%s'" % user)
    page = browser.action("org.matrix.account_deactivate")
    assert is_log_in(page) and page.url.startswith(LOGIN)
    page = sign_in(browser, idp, page, subject)
    assert "org.matrix.account_deactivate" in page.url
    page = browser.submit(page, "sure", name=subject.lower())
    assert "帳號已停用" in page.text


def asked_at(url):
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    return query.get("max_age"), query.get("prompt")


def test_provider__log_in_to_the_account__asked_again_there(server, idp, browser):
    """The next person at a shared computer does not come into the account of who is signed in at the provider still."""
    assert asked_at(depart(browser, browser.open(ACCOUNT))) == ("0", "login")
    assert asked_at(depart(browser, browser.action("belfry.password"))) == ("0", "login")
    for target in ("", "?next=%2Felsewhere", "?next=", "?a#&next=" + urllib.parse.quote(PATH + "/authorize?x", safe="")):
        back = urllib.parse.quote(server.url + LOGIN + target, safe="")
        answer = browser.ask("GET", "/_matrix/client/v3/login/sso/redirect/school?redirectUrl=" + back)
        assert asked_at(answer.headers["location"]) == ("0", "login"), target
    assert asked_at(depart(browser, browser.open(Request(OAuth(server)).path))) == (None, None)
    answer = browser.ask("GET", "/_matrix/client/v3/login/sso/redirect/school?redirectUrl=https%3A%2F%2Fapp.example%2F")
    assert asked_at(answer.headers["location"]) == (None, None)


def test_provider__did_not_ask_again__nobody_in(server, idp, browser):
    idp.reset()
    for auth_time, is_good in ((int(time.time()) - 3600, False), (int(time.time()) - 300, False), ("now", False), (-1, False), (None, False), (int(time.time()), True)):
        idp.claims = {"auth_time": auth_time}
        url = depart(browser, browser.open(ACCOUNT))
        code, state = idp.authorize(url)
        page = browser.follow(browser.ask("GET", CALLBACK + "?" + urllib.parse.urlencode({"code": code, "state": state})))
        assert is_signed_in(browser) == is_good, (auth_time, page)


def test_provider__log_in_for_an_app__does_not_do_for_what_cannot_be_undone(server, idp, browser):
    page = sign_in(browser, idp, browser.open(Request(OAuth(server)).path))
    assert page.form("answer")
    assert is_signed_in(browser) and is_log_in(browser.action("org.matrix.account_deactivate"))


def test_provider__log_in_that_was_for_something_else__does_not_do_either(server, idp, browser):
    """Whoever sits at the computer has all addresses in their hands, and each leads to a login token."""
    page = browser.open(ACCOUNT)
    answer = browser.ask("GET", "/_matrix/client/v3/login/sso/redirect/school?redirectUrl=https%3A%2F%2Fapp.example%2F")
    assert asked_at(answer.headers["location"]) == (None, None)
    shown = come_back(browser, idp, answer.headers["location"])
    token = urllib.parse.parse_qs(urllib.parse.urlsplit(shown.links[0][0]).query)["loginToken"][0]
    back = urllib.parse.parse_qs(urllib.parse.urlsplit(page.link("School")).query)["redirectUrl"][0]
    assert browser.open(back + "&loginToken=" + token).status == 200 and is_signed_in(browser)
    assert is_log_in(browser.action("org.matrix.account_deactivate"))


def test_provider__passwords_off__only_the_button(idp, box):
    started = start(idp, **{**box.settings(), "password.login": "false"})
    try:
        browser = Browser(started.url)
        page = browser.open(ACCOUNT)
        assert not page.forms and page.link("School") and "建立帳號" not in page.text and "忘記密碼" not in page.text
        assert browser.open("/_matrix/client/belfry/oauth/signup").status == 403
        assert browser.ask("POST", LOGIN, "user=x&password=y").status == 403
        assert sign_in(browser, idp, page).status == 200
    finally:
        started.destroy()
