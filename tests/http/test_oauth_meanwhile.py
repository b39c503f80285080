"""What somebody allows in the moment in which all sessions of theirs end."""
import contextlib
import threading

import psycopg2
import pytest

from support import accounts
from support.browser import Browser
from support.database import Cluster
from support.oauth import OAuth, error_of
from support.processes import wait_until
from support.server import Server, binary
from test_oauth_pages import is_log_in
from test_oauth_pages_consent import Request, ask, say

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")


@pytest.fixture(scope="module")
def server():
    with Cluster() as cluster:
        started = Server()
        started.settings.update({"public_base_url": started.url, "database.url": cluster.url})
        started.database, started.sql = cluster.url, cluster.sql
        started.start()
        yield started
        started.destroy()


@pytest.fixture(scope="module")
def app(server):
    return OAuth(server)


@pytest.fixture
def mei(server):
    return accounts.register(server.url)


@contextlib.contextmanager
def meanwhile(server, user, act):
    """`act` begins while a transaction has the account, and waits for it; what the block does with the transaction comes first."""
    connection = psycopg2.connect(server.database)
    thread = threading.Thread(target=act)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1 from accounts where user_id = %s for no key update", (user.user_id,))
            thread.start()
            wait_until(lambda: server.sql("select count(*) from pg_locks where not granted") != "0", what="it waits for the account")
            yield cursor
        connection.commit()
    finally:
        connection.close()
        thread.join()


def allow_too_late(server, user, browser, page):
    replies = []
    with meanwhile(server, user, lambda: replies.append(say(browser, page, "allow"))) as cursor:
        cursor.execute("delete from account_secrets where user_id = %s", (user.user_id,))
    return replies[0]


def test_consent__signed_out_everywhere_while_it_is_given__nothing_allowed(server, app, mei):
    browser = Browser(server.url)
    refused = allow_too_late(server, mei, browser, ask(browser, Request(app), mei))
    assert refused.status == 400 and "location" not in refused.headers


def test_link__signed_out_everywhere_while_it_is_allowed__device_waits_on(server, app, mei):
    browser, begun = Browser(server.url), app.begin().ok().json
    page = browser.log_in(browser.open(begun["verification_uri_complete"]), mei)
    assert is_log_in(browser.follow(allow_too_late(server, mei, browser, page)))
    assert app.poll(begun)["error"] == "authorization_pending"


def test_logout_all__a_code_is_made_while_it_waits__ends_too(server, app, mei):
    with meanwhile(server, mei, lambda: mei.post("/logout/all")):
        proof = app.allow(mei.user_id)
    mei.get("/account/whoami").expect(401)
    assert error_of(app.exchange(proof)) == "invalid_grant"
