"""matrix-js-sdk by the OAuth 2.0 API (oauth.mjs), by a QR code (oauth_qr.mjs), and the one of before it was specified (oauth_older.mjs).  What a person does in a browser
is done here, on the server's pages."""
import pytest

from support import accounts
from support.browser import Browser
from support.server import Server, binary
from test_notices import converse

pytestmark = [pytest.mark.skipif(not binary(), reason="needs the program"), pytest.mark.timeout(600)]


class Hands:
    """Of a person at a browser in which nobody is signed in."""

    def __init__(self, server):
        self.server, self.person = server, accounts.register(server.url)

    def _log_in(self, url):
        browser = Browser(self.server.url)
        return browser, browser.log_in(browser.open(url), self.person)

    def browse(self, url):
        """Lets the program in that asks; where that leads."""
        browser, page = self._log_in(url)
        page = browser.post(page, page.form("answer"), answer="allow")
        assert page.status in (200, 303), page
        return page.headers.get("location")

    def approve(self, url):
        browser, page = self._log_in(url)
        page = browser.submit(page, "sure")
        assert page.status == 200, page


@pytest.fixture
def hands(make_server):
    server = make_server(settings={"sessions.access_token_lifetime": "3s", "rate_limits.enabled": "false"})
    server.settings["public_base_url"] = server.url
    return Hands(server.start())


def test_js_sdk__oauth__log_in_refresh_reset_keys_and_log_out(hands, monkeypatch):
    monkeypatch.setenv("BELFRY_TEST_SDK", "matrix-js-sdk-oauth")
    converse("oauth.mjs", hands, hands.server.url)


def test_js_sdk__qr_code__signs_the_other_device_in_with_its_secrets(hands, monkeypatch):
    monkeypatch.setenv("BELFRY_TEST_SDK", "matrix-js-sdk-oauth")
    converse("oauth_qr.mjs", hands, hands.server.url)


def test_js_sdk__of_before_the_specification__logs_in_and_refreshes(hands, monkeypatch):
    monkeypatch.setenv("BELFRY_TEST_SDK", "matrix-js-sdk-sliding")
    converse("oauth_older.mjs", hands, hands.server.url)
