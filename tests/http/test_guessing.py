"""Passwords that are guessed from everywhere: so many wrong ones for a name, whoever tries them, and those who are there already go on.

Networks are told by X-Forwarded-For; accounts are made, and their devices seen, at 127.0.0.1.
"""
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from support import accounts
from support.browser import Browser
from support.client import Client, Http, unique
from support.oauth import served
from support.proofs import new_address
from support.server import binary

pytestmark = [pytest.mark.skipif(not binary(), reason="needs the program"),
              pytest.mark.one_process("each process gives out its share of a limit")]

LOGIN = "/_matrix/client/belfry/oauth/login"
RESET = "/_matrix/client/belfry/oauth/reset"
SIGNUP = "/_matrix/client/belfry/oauth/signup"
BURST = 3
USED_UP = [403] * BURST + [429]
numbers = count(1)


@pytest.fixture(scope="module")
def server(box):
    with served(rate_limits__enabled="true", rate_limits__wrong_password__per_minute="1", rate_limits__wrong_password__burst=str(BURST),
                rate_limits__login__burst="100000", **box.settings()) as started:
        yield started


@pytest.fixture
def lin(server):
    return accounts.register(server.url)


def somewhere():
    """A network from which nobody came yet."""
    number = next(numbers)
    return "198.51.%d.%d" % (number // 250, number % 250 + 1)


def log_in(server, who, password="guess", network=None):
    """`who`: a user, a name, or a whole identifier."""
    identifier = who if isinstance(who, dict) else {"type": "m.id.user", "user": getattr(who, "user_id", who)}
    return server.anonymous().post("/login", {"type": "m.login.password", "identifier": identifier, "password": password}, token=False,
                                   headers={"X-Forwarded-For": network or somewhere()})


def guess(server, who, times=BURST + 1, network=None):
    return [log_in(server, who, network=network).status for _ in range(times)]


def by_email(address):
    return {"type": "m.id.thirdparty", "medium": "email", "address": address}


def test_sec_5_52__from_a_network_each__few_for_the_name_and_nobody_else_notices(server, lin):
    other = accounts.register(server.url)
    assert guess(server, lin) == USED_UP
    reply = log_in(server, lin, lin.password).expect(429, "M_LIMIT_EXCEEDED")
    assert 0 < reply["retry_after_ms"] <= 60000 and int(reply.headers["retry-after"]) <= 60
    lin.get("/account/whoami").ok()
    assert log_in(server, other, other.password).status == 200


def test_sec_5_52__at_once__no_more_than_one_after_another(server, lin):
    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(lambda _: log_in(server, lin).status, range(12))) == [403] * BURST + [429] * (12 - BURST)


def test_right_passwords__more_than_wrong_ones_may_be__not_counted(server, lin):
    assert guess(server, lin, BURST - 1) == [403] * (BURST - 1)
    assert [log_in(server, lin, lin.password).status for _ in range(BURST + 2)] == [200] * (BURST + 2)
    assert guess(server, lin, 2) == [403, 429]


def test_sec_5_52__nobody_of_that_name__same_answers(server, lin):
    def answers(who):
        replies = [log_in(server, who) for _ in range(BURST + 1)]
        return [(reply.status, {key: value for key, value in reply.json.items() if key != "retry_after_ms"}) for reply in replies]
    assert answers(unique("nobody")) == answers(lin)


def test_sec_5_52__name_written_in_other_ways__one_name(server, lin):
    localpart = lin.user_id[1:].partition(":")[0]
    ways = [lin.user_id, localpart, localpart.upper(), lin.user_id.upper().replace(server.server_name.upper(), server.server_name)]
    assert [log_in(server, way).status for way in ways] == USED_UP


def test_sec_5_52__by_strangers__who_is_where_a_device_is_comes_in(server, lin):
    guess(server, lin)
    assert log_in(server, lin, lin.password, "127.0.0.1").status == 200
    assert guess(server, lin, network="127.0.0.1") == USED_UP  # by who sits beside
    assert log_in(server, lin, lin.password, "127.0.0.1").status == 429


def test_wrong_passwords__where_a_device_is__strangers_budget_untouched(server, lin):
    assert guess(server, lin, network="127.0.0.1") == USED_UP
    assert log_in(server, lin, lin.password).status == 200


def test_wrong_passwords__device_in_a_network_of_ipv6__all_of_it_is_known(server, lin):
    network = "2001:db8:0:%x::" % next(numbers)
    log_in(server, lin, lin.password, network + "1").ok()
    guess(server, lin)
    assert log_in(server, lin, lin.password, network + "2").status == 200
    assert log_in(server, lin, lin.password, "2001:db8:1::2").status == 429


def confirm(user, password):
    """Takes a device that is not there, so nothing is done."""
    return user.uia("DELETE", "/devices/none", password=password).status


def test_sec_5_52__by_strangers__who_is_signed_in_confirms_with_theirs(server, lin):
    guess(server, lin)
    guess(server, lin, network="127.0.0.1")
    assert confirm(lin, lin.password) == 200


def test_sec_5_52__by_who_is_signed_in__few_on_all_ways_and_log_in_goes_on(server, lin):
    def by_page(password):
        session = lin.delete("/devices/none", {}).expect(401)["session"]
        return Http(server.url).raw("POST", "/_matrix/client/v3/auth/m.login.password/fallback/web?session=" + session,
                                    urllib.parse.urlencode({"password": password}).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
    assert [confirm(lin, "guess"), by_page("guess").status, confirm(lin, "guess")] == [401] * BURST
    assert confirm(lin, lin.password) == 429
    page = by_page(lin.password)
    assert page.status == 429 and "請稍候" in page.raw.decode()
    again = lin.login()
    assert confirm(again, lin.password) == 429
    again.get("/account/whoami").ok()


def with_address(server, user):
    address = new_address()
    server.sql("insert into threepids (medium, address, user_id, validated_at_ms, added_at_ms) values ('email', '%s', '%s', 1, 1)" % (
        address.lower(), user.user_id))
    return address


def test_sec_5_52__by_address__few_however_it_is_written_and_nothing_told(server, lin):
    address = with_address(server, lin)
    for one in (address, new_address()):
        ways = [one, one.lower(), one.upper(), one]
        assert [log_in(server, by_email(way)).status for way in ways] == USED_UP
        assert log_in(server, by_email(one), lin.password).status == 429
        assert log_in(server, by_email(one), lin.password, "127.0.0.1").status == 429
    assert log_in(server, lin, lin.password).status == 200


def test_sec_5_52__by_name__not_told_whose_an_address_is(server, lin):
    address = with_address(server, lin)
    assert guess(server, lin) == USED_UP
    assert guess(server, by_email(address)) == guess(server, by_email(new_address())) == USED_UP


# -- the pages: what is guessed there is counted with log-ins

def elsewhere(server):
    return Browser(server.url, {"X-Forwarded-For": somewhere()})


def test_sec_5_52__on_the_log_in_page__few_and_told_by_a_page(server, lin):
    name = lin.user_id[1:].partition(":")[0]
    browser = elsewhere(server)
    page = browser.open(LOGIN)
    answers = [browser.submit(page, "user", user=name, password="guess") for _ in range(BURST + 1)]
    assert [answer.status for answer in answers] == USED_UP and "請稍候" in answers[-1].text
    assert log_in(server, lin, lin.password).status == 429
    browser = Browser(server.url)
    assert browser.log_in(browser.open(LOGIN), lin).status == 200


def test_sec_5_52__on_the_page_of_a_dead_link__few(server, lin):
    name = lin.user_id[1:].partition(":")[0]

    def reset(password):
        form = urllib.parse.urlencode({"of": name, "new": password, "again": password})
        return elsewhere(server).ask("POST", RESET + "?sid=x&token=x", form).status
    assert [reset("guess-guess") for _ in range(BURST + 1)] == [404] * BURST + [429]
    assert log_in(server, lin, lin.password).status == 429


def test_sec_5_52__by_registering_the_name__counted(server, lin):
    name = lin.user_id[1:].partition(":")[0]
    browser = elsewhere(server)
    page = browser.open(SIGNUP)
    for password in ["guess-guess"] * BURST + [lin.password]:
        answer = browser.submit(page, "user", user=name, new=password, again=password)
        assert answer.status == 400 and "已經有人使用" in answer.text
    assert log_in(server, lin, lin.password).status == 429


def test_wrong_passwords__limits_off__none(server):
    with served() as free:
        user = accounts.register(free.url)
        assert guess(free, user, 30) == [403] * 30
        assert Client(free.url, user_id=user.user_id, password=user.password).login().user_id == user.user_id
