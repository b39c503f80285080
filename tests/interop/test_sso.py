"""Signing in by a real OpenID Connect provider (oidc-provider, by a script for Node: oidc.mjs)."""
import html
import http.cookiejar
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

from support.client import Client, path_of
from support.server import Server, binary, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
CALLBACK = "/_matrix/client/belfry/sso/callback"

pytestmark = [pytest.mark.skipif(not binary(), reason="needs the program"), pytest.mark.timeout(300)]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Browser:
    """Follows redirects by itself, keeps cookies, fills in the provider's forms."""

    def __init__(self):
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPCookieProcessor(self.jar))

    def open(self, url, form=None, until=None):
        """The page at the end, or the first address that begins with `until`: (status, url, text)."""
        for _ in range(20):
            data = None if form is None else urllib.parse.urlencode(form).encode()
            try:
                with self.opener.open(urllib.request.Request(url, data), timeout=60) as reply:
                    return reply.status, url, reply.read().decode()
            except urllib.error.HTTPError as error:
                if error.code not in (301, 302, 303, 307):
                    return error.code, url, error.read().decode()
                url, form = urllib.parse.urljoin(url, error.headers["Location"]), None
                if until is not None and url.startswith(until):
                    return error.code, url, ""
        raise AssertionError("redirects without end")

    def sign_in(self, url, name, until=None):
        """Logs in at the provider and consents, whichever of the two it asks for."""
        status, url, text = self.open(url, until=until)
        while 'name="prompt"' in text:
            action = html.unescape(re.search(r'action="([^"]+)"', text).group(1))
            prompt = re.search(r'name="prompt" value="(\w+)"', text).group(1)
            form = {"prompt": prompt, **({"login": name, "password": "x"} if prompt == "login" else {})}
            status, url, text = self.open(urllib.parse.urljoin(url, action), form, until)
        return status, url, text


@pytest.fixture(scope="module")
def server():
    node = shutil.which("node")
    assert node, "node is not installed (package nodejs)"
    assert os.path.isdir(os.path.join(HERE, "node_modules", "oidc-provider")), (
        "oidc-provider is not installed: npm ci in tests/interop")
    started, port = Server(), free_port()
    folder = os.path.join(started.root, "sso")
    os.mkdir(folder)
    for name in ("basic", "post"):
        with open(os.path.join(folder, name + ".yaml"), "w", encoding="utf-8") as file:
            file.write('name: "School %s"\nbrand: "school"\nissuer: "http://127.0.0.1:%d"\nclient_id: "%s"\n'
                       'client_secret: "%s:s%%cret & more"\nclient_auth: %s\n' % (name, port, name, name, name))
    provider = subprocess.Popen([node, "oidc.mjs", str(port), started.url + CALLBACK], cwd=HERE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)
    try:
        assert provider.stdout.readline().strip() == "listening"
        started.settings.update({"public_base_url": started.url, "sso.folder": folder,
                                 "sso.client_whitelist": "https://chat.school.example/",
                                 "network.allow_addresses": "127.0.0.0/8"})
        started.start()
        yield started
    finally:
        started.destroy()
        provider.terminate()
        provider.wait()


def start(server, provider, client="https://chat.school.example/?a=1#/x"):
    return "%s/_matrix/client/v3/login/sso/redirect/%s?redirectUrl=%s" % (
        server.url, provider, urllib.parse.quote(client, safe=""))


def log_in(server, browser, provider, name):
    """A session of somebody who signs in: their Client."""
    _, url, _ = browser.sign_in(start(server, provider), name, "https://chat.school.example/")
    parts = urllib.parse.urlsplit(url)
    query = urllib.parse.parse_qs(parts.query)
    assert query["a"] == ["1"] and parts.fragment == "/x", url
    reply = server.anonymous().post("/login", {"type": "m.login.token", "token": query["loginToken"][0]}, token=False).ok()
    return Client(server.url, reply["access_token"], reply["user_id"], reply["device_id"])


@pytest.mark.parametrize("provider", ["basic", "post"])
def test_sign_in__first_and_again__account_with_name_and_address(server, provider):
    name = "ann-" + provider
    first = log_in(server, Browser(), provider, name)
    assert first.user_id == "@lin.%s:%s" % (name, server.server_name)
    assert first.get(path_of("profile", first.user_id, "displayname")).ok()["displayname"] == "林 " + name
    assert [item["address"] for item in first.get("/account/3pid").ok()["threepids"]] == [name + "@post.example"]
    assert log_in(server, Browser(), provider, name).user_id == first.user_id


def test_sign_in__two_providers_and_one_name__not_the_same_account(server):
    log_in(server, Browser(), "basic", "both")
    status, _, text = Browser().sign_in(start(server, "post"), "both")
    assert status == 403 and "taken" in text


def test_login_flows__providers__listed(server):
    flows = {flow["type"]: flow for flow in server.anonymous().get("/login", token=False).ok()["flows"]}
    assert flows["m.login.sso"]["identity_providers"] == [
        {"id": "basic", "name": "School basic", "brand": "school"}, {"id": "post", "name": "School post", "brand": "school"}]


def test_stage__own_account__completed_by_signing_in_and_a_button(server):
    browser = Browser()
    user = log_in(server, browser, "basic", "stage")
    path = "/_matrix/client/v1/login/get_token"
    reply = user.post(path).expect(401)
    assert {"stages": ["m.login.sso"]} in reply["flows"]
    session = reply["session"]
    _, url, text = browser.open("%s/_matrix/client/v3/auth/m.login.sso/fallback/web?session=%s" % (server.url, session))
    link = next(html.unescape(item) for item in re.findall(r'href="([^"]+)"', text) if "/stage/basic" in item)
    _, url, text = browser.sign_in(link, "stage")
    assert url.startswith(server.url + CALLBACK) and user.user_id in text
    user.post(path, {"auth": {"session": session}}).expect(401)
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', text))
    status, _, text = browser.open(urllib.parse.urljoin(url, "confirm"), form)
    assert status == 200 and "onAuthDone" in text
    user.post(path, {"auth": {"session": session}}).ok()
    status, _, _ = browser.open(urllib.parse.urljoin(url, "confirm"), form)
    assert status == 404


def test_stage__another_account__refused(server):
    victim = log_in(server, Browser(), "basic", "victim")
    session = victim.post("/_matrix/client/v1/login/get_token").expect(401)["session"]
    status, _, text = Browser().sign_in(
        "%s/_matrix/client/belfry/sso/stage/basic?session=%s" % (server.url, session), "thief")
    assert status == 403 and "ticket" not in text


def test_unknown_client__person_is_asked_first(server):
    status, url, text = Browser().sign_in(start(server, "basic", "https://other.example/app?x=1"), "asked")
    assert status == 200 and url.startswith(server.url + CALLBACK)
    assert "https://other.example" in text and "lin.asked" in text
    link = html.unescape(re.search(r'href="(https://other[^"]+)"', text).group(1))
    token = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)["loginToken"][0]
    server.anonymous().post("/login", {"type": "m.login.token", "token": token}, token=False).ok()
