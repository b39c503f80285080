"""The pages on which people sign in and look after their account, as a browser without scripts sees them, and what others may try with it."""
import re
import subprocess
import urllib.parse

import pytest

from support import accounts
from support.browser import ACCOUNT, Browser
from support.client import Client, unique
from support.oauth import OAuth, served
from support.server import Server, binary

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")

LOGIN = "/_matrix/client/belfry/oauth/login"
LOGOUT = "/_matrix/client/belfry/oauth/logout"
MINUTE = 60_000


@pytest.fixture(scope="module")
def server():
    with served() as started:
        yield started


@pytest.fixture
def lin(server):
    return accounts.register(server.url)


@pytest.fixture
def browser(server):
    return Browser(server.url)


def name_of(user):
    return user.user_id[1:].partition(":")[0]


def grow_older(server, user, minutes):
    """The user's log-in in the browser was so long ago."""
    changed = server.sql("with u as (update account_secrets set expires_at_ms = expires_at_ms - %d where kind = 'web' and user_id = '%s' "
                         "returning 1) select count(*) from u" % (minutes * MINUTE, user.user_id))
    assert changed.strip() == "1"


def is_log_in(page):
    return page.status == 200 and page.url.startswith(LOGIN) and bool(page.forms)


def is_signed_in(browser):
    return not is_log_in(browser.open(ACCOUNT))


def can_log_in(user, password):
    return Client(user.http.base, user_id=user.user_id, password=password).post("/login", {
        "type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id}, "password": password}, token=False).status == 200


# -- signing in

def test_log_in__password__leads_back_to_the_page(server, lin, browser):
    page = browser.action("org.matrix.devices_list")
    assert is_log_in(page)
    page = browser.log_in(page, lin)
    assert page.status == 200 and "org.matrix.devices_list" in page.url and lin.user_id in page.text


def test_log_in__clicked_twice__in(server, lin, browser):
    page = browser.action("org.matrix.devices_list")
    assert browser.log_in(page, lin).status == 200
    page = browser.log_in(page, lin)  # the first click has ended the cookie of the log-in
    assert page.status == 200 and "org.matrix.devices_list" in page.url and lin.user_id in page.text


def test_log_in__page_from_before_another_came_in__not_taken_for_a_second_click(server, lin, browser):
    """Whoever types a name at a shared computer must not find themselves in the account of another."""
    page, other = browser.open(ACCOUNT), accounts.register(server.url)
    browser.log_in(browser.open(ACCOUNT), other)
    again = browser.log_in(page, lin)
    assert again.status == 403 and "已經逾時" in again.text
    assert browser.log_in(again, lin).status == 200 and lin.user_id in browser.open(ACCOUNT).text


def test_log_in__wrong_password_and_unknown_user__the_same_page_and_nobody_in(server, lin, browser):
    page = browser.open(ACCOUNT)
    for user in (lin.user_id, "@nobody:" + server.server_name, "nobody", "@x:elsewhere.example", "\N{SNOWMAN}", "a@b.example"):
        refused = browser.submit(page, "user", user=user, password="wrong")
        assert refused.status == 403 and "使用者名稱或密碼不正確" in refused.text and "web" not in str(refused.cookies)
    assert is_log_in(browser.open(ACCOUNT))
    assert browser.log_in(refused, lin).status == 200 and is_signed_in(browser)


def test_log_in__locked_account__says_so_only_to_who_knows_the_password(server, lin, browser):
    server.sql("update accounts set state = 'locked' where user_id = '%s'" % lin.user_id)
    page = browser.open(ACCOUNT)
    assert "鎖定" in browser.log_in(page, lin).text
    assert "鎖定" not in browser.log_in(page, lin, "wrong").text
    assert is_log_in(browser.open(ACCOUNT))


def test_log_in__form_without_the_browsers_own_proof__nobody_in(server, lin, browser):
    """Another site posts its own user's name and password, so that the victim works in its account."""
    form = browser.open(ACCOUNT).form("user")
    strange = Browser(server.url).open(ACCOUNT).form("user")["fields"]["proof"]
    for proof in (None, "", strange, form["fields"]["proof"][:-1]):
        page = browser.ask("POST", LOGIN, urllib.parse.urlencode(
            {"user": name_of(lin), "password": lin.password, **({} if proof is None else {"proof": proof})}))
        assert page.status == 403 and not is_signed_in(browser)
    bare = Browser(server.url)
    page = bare.ask("POST", LOGIN, urllib.parse.urlencode({"user": name_of(lin), "password": lin.password, **form["fields"]}))
    assert page.status == 403 and not is_signed_in(bare)


def test_log_in__token_of_another__is_used_up_and_nobody_in(server, lin, browser):
    """A link with the login token of whoever made it."""
    browser.open(ACCOUNT)
    for more in ("", "&proof=", "&proof=" + "A" * 43):
        token = lin.uia("POST", "/_matrix/client/v1/login/get_token", {}).ok()["login_token"]
        page = browser.ask("GET", LOGIN + "?loginToken=" + token + more)
        assert page.status == 403 and not is_signed_in(browser)
        Client(server.url).post("/login", {"type": "m.login.token", "token": token}, token=False).expect(403)


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", ACCOUNT + "x", ACCOUNT + "@evil.example",
                                    ACCOUNT + "/../../../../evil", "javascript:alert(1)", "/_matrix/client/v3/logout", ACCOUNT + "?\r\nSet-Cookie: a=b",
                                    ".evil.example" + ACCOUNT])
def test_log_in__address_of_another_site_to_go_on_to__leads_to_the_account(server, lin, browser, target):
    page = browser.open(LOGIN + "?next=" + urllib.parse.quote(target, safe=""))
    form = page.form("user")
    answer = browser.post(page, form, user=name_of(lin), password=lin.password)
    assert answer.status == 303 and answer.headers["location"] == ACCOUNT
    page = browser.open(ACCOUNT)
    form = page.form("leave")
    answer = browser.post(page, form, next=target)
    assert answer.headers["location"].startswith(LOGIN)
    page = browser.open(answer.headers["location"])
    assert browser.post(page, page.form("user"), user=name_of(lin), password=lin.password).headers["location"] == ACCOUNT


def test_log_in__markup_in_the_address__is_text(server, browser):
    evil = "\"><script>alert(1)</script>"
    for query in ({"next": ACCOUNT + "?" + evil}, {"login_hint": "mxid:@" + evil + ":" + server.server_name}, {"loginToken": evil}):
        page = browser.open(LOGIN + "?" + urllib.parse.urlencode(query))
        assert "script" not in page.tags


def test_log_in__hint__is_filled_in(server, lin, browser):
    page = browser.open(LOGIN + "?login_hint=" + urllib.parse.quote("mxid:" + lin.user_id))
    assert page.form("user")["fields"]["user"] == name_of(lin)
    page = browser.open(LOGIN + "?login_hint=" + urllib.parse.quote("mxid:@lin:elsewhere.example"))
    assert page.form("user")["fields"]["user"] == ""


def test_sec_5_37__pages_of_the_account__no_frames_and_no_scripts(server, lin, browser):
    pages = [browser.open(LOGIN), browser.log_in_to_account(lin), browser.action("org.matrix.account_deactivate"),
             browser.action("org.matrix.device_view", device_id=lin.device_id)]
    for page in pages:
        assert page.headers["x-frame-options"] == "DENY" and "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "default-src 'none'" in page.headers["content-security-policy"] and "script-src" not in page.headers["content-security-policy"]
        assert "script" not in page.tags and "img" not in page.tags


def test_log_in__page__the_first_empty_line_has_the_focus_and_trouble_is_read_out(server, browser):
    page = browser.open(LOGIN)
    assert re.findall(r'name="(\w+)"[^>]* autofocus', page.html) == ["user"] and 'role="alert"' not in page.html
    page = browser.submit(page, "user", user="nobody", password="wrong")
    assert re.findall(r'name="(\w+)"[^>]* autofocus', page.html) == ["password"] and 'role="alert"' in page.html


def mixed(page):
    """Texts of which a screen reader cannot tell the language: Chinese and English words in one."""
    shown = page.html[page.html.index("<main>"):]
    return [text for text in re.findall(r">([^<]+)<", shown) if re.search("[\u4e00-\u9fff]", text) and re.search("[A-Za-z]{3}", text)]


def test_pages__any__each_text_says_which_language_it_is(server, lin, browser):
    pages = [browser.open(LOGIN), browser.open(LOGIN.replace("login", "signup")), browser.log_in_to_account(lin)]
    pages += [browser.action("org.matrix." + name) for name in (
        "profile", "devices_list", "account_deactivate", "cross_signing_reset")]
    pages += [browser.action("org.matrix." + name, device_id=lin.device_id) for name in ("device_view", "device_delete")]
    pages += [browser.action("belfry.password"), browser.open("/_matrix/client/belfry/oauth/link")]
    for page in pages:
        assert page.status == 200 and not mixed(page), (page, mixed(page))
        assert '<html lang="zh-Hant">' in page.html and page.html.count("<h1>") == 1 and 'lang="en"' in page.html


def test_password__form__says_whose_it_is_and_how_long_it_has_to_be(server, lin, browser):
    browser.log_in_to_account(lin)
    page = browser.action("belfry.password")
    form = page.form("new")
    assert form["fields"]["of"] == lin.user_id
    assert "[hidden]{display:none!important}" in page.html  # else the look of other lines would show it
    for page in (browser.action("belfry.password"), browser.open(LOGIN.replace("login", "signup"))):
        assert "至少 8 個字元" in page.text and "at least 8 characters" in page.text
    assert browser.submit(browser.action("belfry.password"), "new", new="another-password", again="another-password").status == 200
    assert can_log_in(lin, "another-password")


# -- setting it up

def test_config_check__without_the_servers_address__says_that_the_pages_are_off(tmp_path):
    path = tmp_path / "belfry.yaml"
    for text, is_said in (("server_name: school.example\n", True),
                          ("server_name: school.example\noauth:\n  enabled: true\n", True),
                          ("server_name: school.example\noauth:\n  enabled: false\n", False),
                          ("server_name: school.example\npublic_base_url: https://matrix.school.example\n", False)):
        path.write_text(text)
        done = subprocess.run([binary(), "config", "check", str(path)], capture_output=True, text=True, timeout=60, check=True)
        assert ("public_base_url is not set" in done.stdout) == is_said, (text, done.stdout)


# -- signing in again

def test_log_in__again__new_cookie_and_the_old_one_has_ended(server, lin, browser):
    browser.log_in_to_account(lin)
    before = dict(browser.cookies)
    browser.log_in(browser.open(LOGIN), lin)
    assert browser.cookies["belfry_web"] != before["belfry_web"] and is_signed_in(browser)
    browser.cookies = before
    assert not is_signed_in(browser)


# -- how long, and what ends it

def test_session__fifteen_minutes__over(server, lin, browser):
    browser.log_in_to_account(lin)
    grow_older(server, lin, 14)
    assert is_signed_in(browser)
    grow_older(server, lin, 2)
    assert not is_signed_in(browser)


def test_session__signed_out__back_button_shows_nothing(server, lin, browser):
    page = browser.log_in_to_account(lin)
    before = dict(browser.cookies)
    assert is_log_in(browser.submit(page, "leave"))
    browser.cookies = before
    assert not is_signed_in(browser)


def test_session__signed_out_by_another_site__stays(server, lin, browser):
    browser.log_in_to_account(lin)
    assert browser.ask("POST", LOGOUT, "next=x&proof=wrong").status == 403
    assert is_signed_in(browser)


@pytest.mark.parametrize("state", ["locked", "deactivated"])
def test_sec_5_47__signed_in_to_the_pages__account_locked_or_ended_meanwhile(server, lin, browser, state):
    browser.log_in_to_account(lin)
    page = browser.action("org.matrix.profile")
    server.sql("update accounts set state = '%s', password_hash = null where user_id = '%s'" % (state, lin.user_id))
    assert not is_signed_in(browser)
    assert is_log_in(browser.submit(page, displayname="New"))
    assert server.sql("select count(*) from profiles where user_id = '%s' and value like '%%New%%'" % lin.user_id).strip() == "0"


def test_session__logged_out_everywhere__over(server, lin, browser):
    browser.log_in_to_account(lin)
    lin.post("/logout/all").ok()
    assert not is_signed_in(browser)


def test_session__password_changed_by_an_app__over(server, lin, browser):
    browser.log_in_to_account(lin)
    lin.uia("POST", "/account/password", {"new_password": "another-password-9"}).ok()
    assert not is_signed_in(browser)


def test_session__cookie_made_up__nobody(server, browser):
    for value in ("A" * 40, "", "x", "A" * 5000):
        browser.cookies = {"belfry_web": value}
        assert is_log_in(browser.open(ACCOUNT))


# -- forms

def test_form__proof_wrong_or_of_another_session_or_page__nothing_done(server, lin, browser):
    browser.log_in_to_account(lin)
    page = browser.action("org.matrix.profile")
    other = Browser(server.url)
    other.log_in_to_account(accounts.register(server.url))
    proofs = [None, "", "A" * 43, other.action("org.matrix.profile").form("displayname")["fields"]["proof"],
              browser.action("org.matrix.device_view", device_id=lin.device_id).form("name")["fields"]["proof"],
              browser.open(ACCOUNT).form("leave")["fields"]["proof"]]
    for proof in proofs:
        refused = browser.follow(browser.post(page, page.form("displayname"), displayname="Stolen", proof=proof))
        assert refused.status == 403 and "請再試一次" in refused.text
    assert lin.get("/profile/%s/displayname" % lin.user_id).ok()["displayname"] == name_of(lin)


# -- profile

def test_profile__new_name__saved_and_in_rooms(server, lin, browser):
    room = lin.create_room()
    browser.log_in_to_account(lin)
    page = browser.action("org.matrix.profile")
    assert page.form("displayname")["fields"]["displayname"] == name_of(lin)
    page = browser.submit(page, displayname=" 林<b>小明 ")
    assert page.status == 200 and "已儲存" in page.text and page.form("displayname")["fields"]["displayname"] == "林<b>小明"
    assert "b" not in page.tags
    assert lin.get("/rooms/%s/state/m.room.member/%s" % (room, lin.user_id)).ok()["displayname"] == "林<b>小明"


def test_profile__suspended__says_so(server, lin, browser):
    browser.log_in_to_account(lin)
    page = browser.action("org.matrix.profile")
    server.sql("update accounts set is_suspended = true where user_id = '%s'" % lin.user_id)
    refused = browser.submit(page, displayname="New")
    assert refused.status == 400 and "只能閱讀" in refused.text


# -- devices

def test_devices__listed_viewed_and_renamed(server, lin, browser):
    other = lin.login()
    browser.log_in_to_account(lin)
    page = browser.action("org.matrix.devices_list")
    assert other.device_id in page.text and "剛才使用" in page.text
    page = browser.open(page.link(other.device_id))
    assert other.device_id in page.text
    page = browser.submit(page, name="圖書館<i>")
    assert "圖書館<i>" in page.text and "i" not in page.tags
    assert lin.get("/devices/" + other.device_id).ok()["display_name"] == "圖書館<i>"
    assert browser.submit(page, name="x" * 101).status == 400


def test_devices__names_of_before_the_specification__the_same_pages(server, lin, browser):
    browser.log_in_to_account(lin)
    assert lin.device_id in browser.action("org.matrix.sessions_list").text
    assert lin.device_id in browser.action("org.matrix.session_view", device_id=lin.device_id).text
    browser.submit(browser.action("org.matrix.session_end", device_id=lin.device_id), "sure")
    lin.get("/account/whoami").expect(401)


def test_devices__signed_out__its_token_has_ended_and_others_not(server, lin, browser):
    other = lin.login()
    browser.log_in_to_account(lin)
    page = browser.open(browser.action("org.matrix.device_view", device_id=other.device_id).link("登出這個裝置"))
    page = browser.submit(page, "sure")
    assert "已登出該裝置" in page.text and other.device_id not in page.text
    other.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    lin.get("/account/whoami").ok()


def test_devices__of_another_user__not_there(server, lin, browser):
    other = accounts.register(server.url)
    browser.log_in_to_account(lin)
    for action in ("org.matrix.device_view", "org.matrix.device_delete"):
        assert browser.action(action, device_id=other.device_id).status == 404
    page = browser.action("org.matrix.device_delete", device_id=lin.device_id)
    page.url = page.url.replace(lin.device_id, other.device_id)
    assert browser.post(page, page.form("sure")).status == 403
    other.get("/account/whoami").ok()


# -- what cannot be undone

@pytest.mark.parametrize("action", ["org.matrix.device_delete", "org.matrix.account_deactivate", "belfry.password"])
def test_final__log_in_of_over_five_minutes__asked_again(server, lin, browser, action):
    browser.log_in_to_account(lin)
    page = browser.action(action, device_id=lin.device_id)
    assert page.status == 200 and action in page.url
    grow_older(server, lin, 6)
    assert is_log_in(browser.action(action, device_id=lin.device_id)) and is_signed_in(browser)
    fields = {"sure": "1", "name": name_of(lin), "new": "another-password-9", "again": "another-password-9"}
    form = next(form for form in page.forms if not form["action"])
    again = browser.follow(browser.post(page, form, **fields))
    assert is_log_in(again)
    lin.get("/account/whoami").ok()
    assert can_log_in(lin, lin.password)
    assert action in browser.log_in(again, lin).url


def test_password__changed__old_ended_and_devices_signed_out(server, lin, browser):
    browser.log_in_to_account(lin)
    page = browser.action("belfry.password")
    page = browser.submit(page, new="another-password-9", again="another-password-9")
    assert page.status == 200 and "密碼已變更" in page.text and page.url.startswith(ACCOUNT)
    lin.get("/account/whoami").expect(401)
    assert not can_log_in(lin, lin.password) and can_log_in(lin, "another-password-9")


def test_password__devices_kept__stay(server, lin, browser):
    browser.log_in_to_account(lin)
    page = browser.action("belfry.password")
    browser.submit(page, new="another-password-9", again="another-password-9", logout=None)
    lin.get("/account/whoami").ok()


def test_password__too_short_or_not_the_same__not_changed(server, lin, browser):
    browser.log_in_to_account(lin)
    page = browser.action("belfry.password")
    for new, again in (("x", "x"), ("another-password-9", "another-password-8"), ("y" * 2000, "y" * 2000)):
        assert browser.submit(page, new=new, again=again).status == 400
    assert can_log_in(lin, lin.password)


def test_deactivate__other_name_typed__nothing(server, lin, browser):
    browser.log_in_to_account(lin)
    page = browser.action("org.matrix.account_deactivate")
    for name in ("", "x", "@%s:elsewhere.example" % name_of(lin)):
        assert browser.submit(page, "sure", name=name).status == 400
    lin.get("/account/whoami").ok()


@pytest.mark.parametrize("erase", [None, "1"])
def test_deactivate__own_name_typed__the_end(server, lin, browser, erase):
    room, watcher = lin.create_room(preset="public_chat"), accounts.register(server.url)
    watcher.join(room).ok()
    browser.log_in_to_account(lin)
    page = browser.action("org.matrix.account_deactivate")
    page = browser.submit(page, "sure", name=name_of(lin), erase=erase)
    assert page.status == 200 and "帳號已停用" in page.text and "belfry_web" not in browser.cookies
    assert not is_signed_in(browser) and not can_log_in(lin, lin.password)
    lin.get("/account/whoami").expect(401)
    row = server.sql("select state, is_erased from accounts where user_id = '%s'" % lin.user_id).split("|")
    assert [text.strip() for text in row] == ["deactivated", "t" if erase else "f"]
    assert watcher.get("/rooms/%s/state/m.room.member/%s" % (room, lin.user_id)).ok()["membership"] == "leave"


# -- an address of an account

def test_actions__each_that_the_metadata_names__has_a_page_of_its_own(server, lin, browser):
    metadata = server.anonymous().get("/_matrix/client/v1/auth_metadata", token=False).ok()
    assert metadata["account_management_uri"] == server.url + ACCOUNT
    overview = browser.log_in_to_account(lin)
    actions = metadata["account_management_actions_supported"]
    assert sorted(actions) == sorted("org.matrix." + name for name in (
        "profile", "devices_list", "device_view", "device_delete", "account_deactivate", "cross_signing_reset"))
    for action in actions:
        page = browser.action(action, device_id=lin.device_id)
        assert page.status == 200 and page.text != overview.text and "我的帳號 My account" not in page.text, action


def test_pages__turned_off__a_page_says_that_there_is_none():
    started = Server(settings={"oauth.enabled": "false", "public_base_url": "https://hs1.example"}).start()
    try:
        browser, paths = Browser(started.url), ["/_matrix/client/belfry/oauth/" + name for name in ("authorize", "link", "done", "signup", "login")]
        pages = [browser.ask("GET", path) for path in [ACCOUNT, *paths]]
        pages += [browser.ask("POST", path, "") for path in [ACCOUNT, LOGOUT, *paths] if not path.endswith("/done")]
        for page in pages:
            assert page.status == 404 and "這裡沒有這一頁" in page.text and not mixed(page), page
    finally:
        started.destroy()


def test_overview__unknown_action__overview(server, lin, browser):
    browser.log_in_to_account(lin)
    page = browser.action("org.example.other")
    assert page.status == 200 and "我的帳號" in page.text
    assert not re.search(r"[?&]done=", page.url)
    name = unique("x")
    assert name not in browser.open(ACCOUNT + "?done=" + name).text
