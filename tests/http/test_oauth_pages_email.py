"""Forgotten passwords and e-mail addresses on the pages for people: who reads the mail goes on by its link."""
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.browser import ACCOUNT, Browser
from support.oauth import OAuth, served
from support.proofs import addresses, new_address
from support.server import binary
from test_oauth_pages import LOGIN, can_log_in, grow_older, is_log_in, mixed, name_of

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")

FORGOT = "/_matrix/client/belfry/oauth/forgot"
RESET = "/_matrix/client/belfry/oauth/reset"
EMAIL = "belfry.email"
NEW = "another-password-9"


@pytest.fixture(scope="module")
def server(box):
    with served(**box.settings()) as started:
        yield started


@pytest.fixture
def browser(server):
    return Browser(server.url)


@pytest.fixture
def lin(server):
    user = accounts.register(server.url)
    user.address = new_address()
    server.sql("insert into threepids (medium, address, user_id, validated_at_ms, added_at_ms) values ('email', '%s', '%s', 1, 1)" % (
        user.address.lower(), user.user_id))
    return user


def link_of(server, mail):
    """Where the mail's one link leads; both languages have it."""
    link, = mail.links
    assert link.startswith(server.url + "/"), link
    return link


def forget(browser, address):
    page = browser.open(browser.open(LOGIN).link("Forgot your password?"))
    return browser.submit(page, "address", address=address)


def reset_link(server, box, browser, address):
    before = len(box.to(address.lower()))
    assert "信件已寄出" in forget(browser, address).text
    return link_of(server, box.wait(address.lower(), before + 1))


# -- the password

def test_forgot__address_of_an_account__new_password_and_sessions_ended(server, box, browser, lin):
    link = reset_link(server, box, browser, lin.address)
    other = Browser(server.url)  # the mail may be read on the phone
    page = other.open(link)
    assert page.status == 200 and page.form("new")["fields"]["of"] == lin.user_id and not mixed(page)
    page = other.submit(page, "new", new=NEW, again=NEW)
    assert "密碼已變更" in page.text and not mixed(page)
    lin.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    assert can_log_in(lin, NEW) and not can_log_in(lin, lin.password)
    assert is_log_in(other.open(ACCOUNT))


def test_forgot__devices_kept__stay_and_the_pages_are_signed_out(server, box, browser, lin):
    signed_in = Browser(server.url)
    signed_in.log_in_to_account(lin)
    page = browser.open(reset_link(server, box, browser, lin.address))
    browser.submit(page, "new", new=NEW, again=NEW, logout=None)
    lin.get("/account/whoami").ok()
    assert can_log_in(lin, NEW) and is_log_in(signed_in.open(ACCOUNT))


def test_sec_5_48__forgot__unknown_address__same_answer_and_no_link(server, box, browser, lin):
    address = new_address()
    known, unknown = forget(browser, lin.address), forget(browser, address)
    assert (known.status, known.text, known.url) == (unknown.status, unknown.text, unknown.url)
    assert box.wait(address.lower()).links == []


def test_sec_5_48__forgot__many_mails_to_one_address__limited(server, box, browser, lin):
    """Both to one that has an account and to one that has none."""
    for address in (lin.address, new_address()):
        pages = [forget(browser, address) for _ in range(10)]
        assert pages[0].status == 200 and pages[-1].status == 429 and "請稍候" in pages[-1].text
        assert len(box.to(address.lower())) <= 8


def test_forgot__form_of_another_site__no_mail(server, box, browser, lin):
    page = browser.ask("POST", FORGOT, urllib.parse.urlencode({"address": lin.address}))
    assert page.status == 400 and "開著太久" in page.text and box.to(lin.address.lower()) == []


@pytest.mark.parametrize("address", ["", "nobody", "a@b@c", "a@c.example\r\nBcc: d@e.example", "x" * 250 + "@c.example", "\"><script>@c.example"])
def test_forgot__no_address__asked_again(server, browser, address):
    page = forget(browser, address)
    assert page.status == 400 and "有沒有打錯" in page.text and "script" not in page.tags


def test_reset__passwords_that_will_not_do__link_stays_good(server, box, browser, lin):
    page = browser.open(reset_link(server, box, browser, lin.address))
    for new, again in (("x", "x"), (NEW, NEW + "8"), ("y" * 2000, "y" * 2000)):
        assert browser.submit(page, "new", new=new, again=again).status == 400
    assert not can_log_in(lin, "x") and can_log_in(lin, lin.password)
    assert browser.submit(page, "new", new=NEW, again=NEW).status == 200 and can_log_in(lin, NEW)


def test_sec_5_49__reset_link__counts_once(server, box, browser, lin):
    page = browser.open(reset_link(server, box, browser, lin.address))
    browsers = [Browser(server.url) for _ in range(4)]
    passwords = [NEW + str(number) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda one, new: one.submit(page, "new", new=new, again=new), browsers, passwords))
    assert sorted(page.status for page in pages) == [200, 404, 404, 404]
    assert [can_log_in(lin, new) for new in passwords] == [page.status == 200 for page in pages]


def test_reset__button_pressed_again__same_page_and_nothing_done_twice(server, box, browser, lin):
    """At the same time, as by a double click, and later."""
    page = browser.open(reset_link(server, box, browser, lin.address))
    browsers = [Browser(server.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda one: one.submit(page, "new", new=NEW, again=NEW), browsers))
    assert [(one.status, one.url) for one in pages] == [(200, pages[0].url)] * 4 and "密碼已變更" in pages[0].text
    session = lin.login(NEW)
    assert browser.submit(page, "new", new=NEW, again=NEW).url == pages[0].url
    session.get("/account/whoami").ok()
    other = accounts.register(server.url)
    for fields in ({"new": NEW + "8", "again": NEW + "8"}, {"new": NEW, "again": NEW, "of": other.user_id}, {"new": NEW, "again": NEW, "of": ""}):
        assert "這個連結無效" in browser.post(page, page.form("new"), **fields).text
    assert can_log_in(lin, NEW)


def test_sec_5_48__reset_link__another_was_used__no_longer_good(server, box, browser, lin):
    pages = [browser.open(reset_link(server, box, browser, lin.address)) for _ in range(2)]
    assert browser.submit(pages[1], "new", new=NEW, again=NEW).status == 200
    assert browser.submit(pages[0], "new", new=NEW + "evil", again=NEW + "evil").status == 404
    assert browser.open(pages[0].url).status == 404 and can_log_in(lin, NEW)


def test_sec_5_49__reset_link__wrong_or_of_another_purpose__refused(server, box, browser, lin):
    link = reset_link(server, box, browser, lin.address)
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(link).query))
    browser.log_in_to_account(lin)
    address = new_address()
    browser.submit(browser.action(EMAIL), "new_address", new_address=address)
    other = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(link_of(server, box.wait(address.lower()))).query))
    body = urllib.parse.urlencode({"new": NEW, "again": NEW})
    for sid, token in ((query["sid"], "x" * 32), (query["sid"], ""), ("", ""), (query["sid"], other["token"]), (other["sid"], other["token"])):
        for page in (browser.ask("GET", "%s?sid=%s&token=%s" % (RESET, sid, token)), browser.ask("POST", "%s?sid=%s&token=%s" % (RESET, sid, token), body)):
            assert page.status == 404 and "這個連結無效" in page.text and lin.user_id not in page.text
    assert not can_log_in(lin, NEW)


def test_sec_5_47__reset_link__account_ended_or_address_removed_meanwhile(server, box, browser, lin):
    link = reset_link(server, box, browser, lin.address)
    lin.uia("POST", "/account/deactivate").ok()
    assert browser.open(link).status == 404
    assert browser.ask("POST", link, urllib.parse.urlencode({"new": NEW, "again": NEW})).status == 404
    assert not can_log_in(lin, NEW)


def test_sec_5_46__secrets_of_the_mails__not_in_the_database_or_the_log(server, box, browser, lin):
    token = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(reset_link(server, box, browser, lin.address)).query))["token"]
    kept = server.sql("select * from email_validations") + server.log()
    assert token not in kept and token.encode().hex() not in kept and lin.address.lower() not in server.log()


def test_forgot__server_without_mails__no_such_pages():
    with served() as server:
        browser = Browser(server.url)
        page = browser.open(LOGIN)
        assert "Forgot" not in page.text and "忘記密碼時，請洽學校的管理員" in page.text
        for page in [browser.ask(method, path, body) for path in (FORGOT, RESET) for method, body in (("GET", None), ("POST", ""))]:
            assert page.status == 404 and "這裡沒有這一頁" in page.text
        assert "電子郵件" not in browser.log_in_to_account(accounts.register(server.url)).text
        assert "不使用電子郵件地址" in browser.action(EMAIL).text


# -- the addresses of an account

def add_link(server, box, browser, address):
    page = browser.submit(browser.action(EMAIL), "new_address", new_address=address)
    assert page.status == 200 and "信件已寄出" in page.text and not mixed(page), page
    return link_of(server, box.wait(address.lower()))


def test_email__added_by_the_mails_link__listed_and_good_for_a_log_in(server, box, browser, lin):
    address = new_address()
    assert "E-mail addresses" in browser.log_in_to_account(lin).text
    link = add_link(server, box, browser, address)
    assert addresses(lin) == [lin.address.lower()]
    page = browser.open(link)
    assert address.lower() in page.text and lin.user_id in page.text and not mixed(page)
    assert addresses(lin) == [lin.address.lower()], "following a link changes nothing"
    for _ in range(2):  # the second is a second click
        added = browser.submit(page, "sure")
        assert added.status == 200 and "已新增" in added.text and address.lower() in added.text
    assert sorted(addresses(lin)) == sorted([address.lower(), lin.address.lower()])
    assert "已經用過" in browser.open(link).text
    page = Browser(server.url)
    assert not is_log_in(page.submit(page.open(ACCOUNT), "user", user=address, password=lin.password))


def test_email__removed__gone(server, browser, lin):
    browser.log_in_to_account(lin)
    page = browser.action(EMAIL)
    assert "已移除" in browser.submit(page, "remove").text and addresses(lin) == []
    assert "已移除" in browser.submit(page, "remove").text  # clicked twice


def test_sec_5_48__email__link_of_another__goes_to_who_confirms_it(server, box, browser, lin):
    """Whoever has mails sent to others gains nothing: the reader decides, for the account to which the reader is signed in."""
    reader = accounts.register(server.url)
    browser.log_in_to_account(lin)
    address = new_address()
    link = add_link(server, box, browser, address)
    other = Browser(server.url)
    page = other.log_in(other.open(link), reader)
    other.submit(page, "sure")
    assert addresses(reader) == [address.lower()] and addresses(lin) == [lin.address.lower()]


def test_sec_5_48__email__address_of_another_account__same_answer_and_no_link(server, box, browser, lin):
    other = accounts.register(server.url)
    browser.log_in_to_account(other)
    page = browser.submit(browser.action(EMAIL), "new_address", new_address=lin.address)
    assert "信件已寄出" in page.text and box.wait(lin.address.lower()).links == []


def test_sec_5_48__email__address_becomes_anothers_meanwhile__refused(server, box, browser, lin):
    other, address = accounts.register(server.url), new_address()
    browser.log_in_to_account(lin)
    page = browser.open(add_link(server, box, browser, address))
    server.sql("insert into threepids (medium, address, user_id, validated_at_ms, added_at_ms) values ('email', '%s', '%s', 1, 1)" % (
        address.lower(), other.user_id))
    refused = browser.submit(page, "sure")
    assert refused.status == 400 and "另一個帳號" in refused.text and addresses(other) == [address.lower()]


def test_email__log_in_of_over_five_minutes_or_strange_form__nothing(server, box, browser, lin):
    browser.log_in_to_account(lin)
    page = browser.action(EMAIL)
    address = new_address()
    strange = Browser(server.url)
    strange.log_in_to_account(accounts.register(server.url))
    assert strange.post(page, page.form("new_address"), new_address=address).status == 303
    assert strange.post(page, page.form("remove"), remove="1").status == 403
    grow_older(server, lin, 6)
    assert is_log_in(browser.submit(page, "new_address", new_address=address)) and is_log_in(browser.submit(page, "remove"))
    assert box.to(address.lower()) == [] and addresses(lin) == [lin.address.lower()]


def test_email__suspended__not_removed(server, browser, lin):
    browser.log_in_to_account(lin)
    page = browser.action(EMAIL)
    server.sql("update accounts set is_suspended = true where user_id = '%s'" % lin.user_id)
    refused = browser.submit(page, "remove")
    assert refused.status == 400 and "只能閱讀" in refused.text and addresses(lin) == [lin.address.lower()]


def test_email__program_that_signed_in_by_the_pages__only_here(server, lin):
    """The endpoint asks for user-interactive authentication, which such programs cannot do."""
    session = OAuth(server).log_in(lin.user_id)
    session.post("/account/3pid/add", {"sid": "1", "client_secret": "s"}).expect(403)
    session.post("/account/3pid/delete", {"medium": "email", "address": "a@b.example"}).expect(404, "M_THREEPID_NOT_FOUND")


def test_forgot__log_in_page__leads_there_and_back(server, browser):
    page = browser.open(LOGIN + "?next=" + urllib.parse.quote(ACCOUNT + "?action=" + EMAIL, safe=""))
    page = browser.open(page.link("Forgot your password?"))
    assert page.status == 200 and not mixed(page) and page.headers["x-frame-options"] == "DENY"
    assert urllib.parse.quote(ACCOUNT + "?action=" + EMAIL, safe="") in page.link("Back to the log-in")
