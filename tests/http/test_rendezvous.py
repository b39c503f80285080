"""Sign-in on a new device by a QR code: the sessions by which the two devices meet.
Spec: MSC4108 as of 2024, "Insecure rendezvous session" and "Unstable prefix"."""
import concurrent.futures
import contextlib
import email.utils
import urllib.parse

import pytest

from support import accounts
from support.client import Http
from support.database import Cluster
from support.oauth import served
from support.processes import wait_until
from support.server import Server, binary
from support.twins import twins

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")
PATH = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous"
PLAIN = {"Content-Type": "text/plain"}


class Session:
    """As one device sees it, which has just seen what stands there."""

    def __init__(self, server, url, etag=None):
        self.http, self.url, self.etag = Http(server.url), url, etag
        self.path = urllib.parse.urlsplit(url).path

    def get(self, **headers):
        return self.http.raw("GET", self.path, headers={key.replace("_", "-"): value for key, value in headers.items()})

    def put(self, body, etag=None, **headers):
        return self.http.raw("PUT", self.path, body, {**PLAIN, "If-Match": etag or self.etag, **headers})

    def delete(self):
        return self.http.raw("DELETE", self.path)

    def poll(self):
        """What is new; None: nothing."""
        reply = self.get(If_None_Match=self.etag).expect((200, 304))
        is_told(reply)
        self.etag = reply.headers["etag"]
        return reply.raw if reply.status == 200 else None

    def send(self, body):
        reply = self.put(body).expect(202)
        is_told(reply)
        assert reply.raw == b"" and reply.headers["content-type"] == "text/plain"
        assert reply.headers["etag"] != self.etag
        self.etag = reply.headers["etag"]


def post(server, body=b"", headers=None):
    return Http(server.url).raw("POST", PATH, body, PLAIN if headers is None else headers)


def begin(server, body=b""):
    reply = post(server, body).expect(201)
    return Session(server, reply["url"], reply.headers["etag"])


def is_told(reply):
    """The "common HTTP response headers"; gives how long the session was to live when it was last written."""
    headers = reply.headers
    assert headers["etag"][0] == headers["etag"][-1] == '"' and len(headers["etag"]) > 10, reply
    assert "no-store" in headers["cache-control"] and headers["pragma"] == "no-cache", reply
    assert headers["access-control-expose-headers"] == "ETag" and headers["access-control-allow-origin"] == "*", reply
    expires, modified, now = [email.utils.parsedate_to_datetime(headers[name]) for name in ("expires", "last-modified", "date")]
    assert modified <= now <= expires, reply
    return (expires - modified).total_seconds()


@pytest.fixture(scope="module")
def server():
    with served(rate_limits__enabled="false") as started:
        yield started


# -- from beginning to end

def test_post__answers_with_the_address(server):
    reply = post(server).expect(201)
    assert reply.headers["content-type"] == "application/json" and set(reply.json) == {"url"}
    assert reply["url"].startswith(server.url + PATH + "/") and len(reply["url"].rpartition("/")[2]) >= 22
    assert 300 <= is_told(reply) <= 301  # the Date may be of a second before, and Last-Modified is not after it
    assert post(server).expect(201)["url"] != reply["url"]


def test_post__behind_a_proxy__address_of_the_proxy():
    with served(public_base_url="https://matrix.school.example/") as started:
        assert post(started).expect(201)["url"].startswith("https://matrix.school.example" + PATH + "/")


def test_two_devices__talk_in_turn__each_reads_the_other(server):
    new = begin(server)
    old = Session(server, new.url)
    reply = old.get().expect(200)
    assert reply.raw == b"" and reply.headers["content-type"] == "text/plain" and reply.headers["etag"] == new.etag
    old.etag = reply.headers["etag"]
    for number in range(3):
        assert new.poll() is None
        old.send(b"from old %d" % number)
        assert new.poll() == b"from old %d" % number and old.poll() is None
        new.send(b"from new %d" % number)
        assert old.poll() == b"from new %d" % number
    old.delete().expect(204)


def test_put__the_same_once_more__another_etag(server):
    """"unique to the rendezvous session and the last modified time so that two clients can distinguish between identical payloads"."""
    one, other = begin(server, b"same"), begin(server, b"same")
    etags = {one.etag, other.etag}
    one.send(b"same")
    one.send(b"same")
    assert len(etags | {one.etag}) == 3


def test_put__end_stays(server):
    session = begin(server)
    before = session.get().headers["expires"]
    server.sql("update rendezvous_sessions set modified_ms = modified_ms - 60000, expires_ms = expires_ms - 60000")
    session.send(b"x")
    reply = session.get()
    assert is_told(reply) <= 240 and email.utils.parsedate_to_datetime(reply.headers["expires"]) < email.utils.parsedate_to_datetime(before)


def test_put__another_was_first__412_and_what_stands_there(server):
    session = begin(server)
    late = session.etag
    session.send(b"first")
    reply = session.put(b"late", late).expect(412, "M_UNKNOWN")
    assert reply["org.matrix.msc4108.errcode"] == "M_CONCURRENT_WRITE"
    is_told(reply)
    assert reply.headers["etag"] == session.etag
    assert session.get().raw == b"first"


def test_delete__over_for_everybody(server):
    session = begin(server)
    reply = session.delete().expect(204)
    assert reply.raw == b""
    for reply in (session.get(), session.get(If_None_Match=session.etag), session.put(b"x"), session.delete()):
        reply.expect(404, "M_NOT_FOUND")


def test_ended__as_one_that_was_never_there(server):
    session, never = begin(server), Session(server, server.url + PATH + "/" + "A" * 24, '"x"')
    server.sql("update rendezvous_sessions set expires_ms = (extract(epoch from now()) * 1000)::bigint")
    for one in (session, never):
        replies = [one.get(), one.get(If_None_Match=one.etag), one.put(b"x"), one.delete()]
        assert {(reply.status, reply.raw) for reply in replies} == {(404, replies[0].raw)}
        replies[0].expect(404, "M_NOT_FOUND")


# -- hostile input

def test_payload__any_bytes__plain_text_to_every_browser(server):
    payload = b"<script>alert(1)</script>\0\xff\r\n\r\n"
    session = begin(server, payload)
    for _ in range(2):
        reply = session.get().expect(200)
        assert reply.raw == payload and reply.headers["content-type"] == "text/plain"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert {"sandbox", "default-src 'none'"} <= set(reply.headers["content-security-policy"].split("; "))
        session.send(payload)


def test_payload__4_KiB_and_no_more(server):
    session = begin(server, b"a" * 4096)
    session.send(b"b" * 4096)
    post(server, b"c" * 4097).expect(413, "M_TOO_LARGE")
    session.put(b"c" * 4097).expect(413, "M_TOO_LARGE")
    assert session.get().raw == b"b" * 4096


@pytest.mark.parametrize("kind", ["application/json", "text/html", "text/plain; charset=utf-8", "text/plain, text/html", "x"])
def test_content_type__another__refused(server, kind):
    session = begin(server)
    post(server, b"x", {"Content-Type": kind}).expect(400, "M_INVALID_PARAM")
    session.put(b"x", **{"Content-Type": kind}).expect(400, "M_INVALID_PARAM")
    assert session.get().raw == b""


def test_content_type__large_letters__is_the_same(server):
    post(server, b"x", {"Content-Type": "Text/Plain"}).expect(201)


@pytest.mark.parametrize("without", ["Content-Type", "Content-Length", "If-Match"])
def test_header__missing__refused(server, without):
    session = begin(server)
    headers = {key: value for key, value in {**PLAIN, "If-Match": session.etag}.items() if key != without}
    body = iter([b"x"]) if without == "Content-Length" else b"x"  # sent in chunks
    session.http.raw("PUT", session.path, body, headers).expect(400, "M_MISSING_PARAM")
    if without != "If-Match":
        body = iter([b"x"]) if without == "Content-Length" else b"x"
        post(server, body, headers).expect(400, "M_MISSING_PARAM")
    assert session.get().raw == b""


@pytest.mark.parametrize("header", ["W/%s", '%s, "other"', '"other", %s', "*", "%s%s", '"', "", "x", '"a b"', '"caf\xe9"', "'%s'"])
def test_if_match__not_one_strong_etag__malformed(server, header):
    """"we only accept strong, single-valued ETag values; anything else constitutes a malformed request"."""
    session = begin(server)
    header = header.replace("%s", session.etag)
    session.http.raw("PUT", session.path, b"x", {**PLAIN, "If-Match": header}).expect(400, "M_INVALID_PARAM")
    session.http.raw("PUT", session.path, b"x", {**PLAIN, "If-Match": session.etag.strip('"')}).expect(400, "M_INVALID_PARAM")
    assert session.get().raw == b""


@pytest.mark.parametrize("header", ['""', '"other"', '"%s"' % ("x" * 4000)])
def test_if_match__of_no_payload__412(server, header):
    begin(server).put(b"x", header).expect(412, "M_UNKNOWN")


@pytest.mark.parametrize("header, status", [
    ("%s", 304), ("W/%s", 304), ('"other", %s', 304), ("*", 304), ('"other"', 200), ("x", 200), ("", 200), ('"caf\xe9"', 200)])
def test_if_none_match__as_anywhere(server, header, status):
    """RFC 9110, 13.1.2: a list, compared weakly."""
    session = begin(server, b"x")
    reply = session.get(If_None_Match=header.replace("%s", session.etag)).expect(status)
    is_told(reply)
    assert reply.raw == (b"x" if status == 200 else b"")


def test_left_by_a_machine_whose_clock_is_ahead__last_modified_not_after_the_date(server):
    """RFC 9110, 8.8.2.1."""
    session = begin(server, b"x")
    server.sql("update rendezvous_sessions set modified_ms = modified_ms + 5000, expires_ms = expires_ms + 5000")
    is_told(session.get().expect(200))


@pytest.mark.parametrize("session_id", ["x", "%F0%9F%99%82", "x" * 3000, "..%2F", "'"])
def test_id__odd__404(server, session_id):
    session = Session(server, server.url + PATH + "/" + session_id, '"x"')
    for reply in (session.get(), session.put(b"x"), session.delete()):
        reply.expect(404, "M_NOT_FOUND")


def test_many_sessions__as_fast_as_somebody_likes__one_address_is_bounded():
    with served(rate_limits__enabled="true", rate_limits__login__per_minute="1", rate_limits__login__burst="5") as started:
        replies = [post(started) for _ in range(20)]
        refused = [reply for reply in replies if reply.status != 201]
        assert len(refused) >= 5 and int(started.sql("select count(*) from rendezvous_sessions")) == 20 - len(refused)
        for reply in refused:
            reply.expect(429, "M_LIMIT_EXCEEDED")


def test_preflight__allows_what_clients_send(server):
    session = begin(server)
    for path in (PATH, session.path):
        reply = session.http.raw("OPTIONS", path, headers={
            "Origin": "https://chat.school.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "if-match"})
        reply.expect((200, 204))
        assert {"If-Match", "If-None-Match", "Content-Type"} <= set(reply.headers["access-control-allow-headers"].split(", "))
        assert {"GET", "PUT", "DELETE", "POST"} <= set(reply.headers["access-control-allow-methods"].split(", "))


# -- whether it is there

def is_announced(server):
    return server.anonymous().get("/_matrix/client/versions", token=False).ok()["unstable_features"]["org.matrix.msc4108"]


def test_versions__on__announced(server):
    assert is_announced(server) is True


@pytest.mark.parametrize("settings", [
    {"public_base_url": "https://matrix.school.example", "oauth.qr_login": "false"},
    {"public_base_url": "https://matrix.school.example", "oauth.enabled": "false"}, {}], ids=["off", "OAuth off", "no address"])
def test_off__not_announced_and_not_there(make_server, settings):
    started = make_server(settings=settings).start()
    assert is_announced(started) is False
    session = Session(started, PATH + "/x", '"x"')
    for reply in (post(started), session.get(), session.put(b"x"), session.delete()):
        reply.expect(404, "M_UNRECOGNIZED")


# -- what lives how long

@contextlib.contextmanager
def on_cluster():
    with Cluster() as cluster:
        started = Server()
        started.settings.update({"public_base_url": started.url, "database.url": cluster.url})
        try:
            yield cluster, started.start()
        finally:
            started.destroy()


def test_restart__of_the_server_keeps_sessions__a_crash_of_the_database_ends_them():
    """The table is unlogged.  People show a new code then."""
    with on_cluster() as (cluster, started):
        session = begin(started, b"x")
        started.terminate()
        started.start()
        assert session.get().expect(200).raw == b"x"
        cluster.crash()
        wait_until(lambda: session.get().status == 404, what="the database is back")
        session.get().expect(404, "M_NOT_FOUND")
        assert begin(started, b"y").get().raw == b"y"


def test_housekeeper__forgets_what_has_ended():
    """The messages of those who signed in do not stay until others take their place."""
    with served() as started:
        ended, living = begin(started, b"x"), begin(started, b"y")
        started.sql("update rendezvous_sessions set expires_ms = 1 where payload = 'x'")
        ended.get().expect(404)
        started.terminate()
        started.start()
        accounts.register(started.url).get("/account/whoami").ok()
        wait_until(lambda: int(started.sql("select count(*) from rendezvous_sessions where expires_ms = 1")) == 0, what="it is forgotten")
        living.get().expect(200)


# -- several at once

def write_at_once(sessions, etag):
    with concurrent.futures.ThreadPoolExecutor(len(sessions)) as pool:
        replies = list(pool.map(lambda number: sessions[number].put(b"%d" % number, etag), range(len(sessions))))
    won = [number for number, reply in enumerate(replies) if reply.status == 202]
    assert len(won) == 1 and {reply.status for reply in replies} == {202, 412}, replies
    return won[0], replies[won[0]].headers["etag"]


@pytest.mark.tsan
def test_put__many_at_once__one_is_first(server):
    sessions = [begin(server)]
    sessions += [Session(server, sessions[0].url) for _ in range(7)]
    etag = sessions[0].etag
    for _ in range(5):
        winner, etag = write_at_once(sessions, etag)
        assert sessions[0].get().raw == b"%d" % winner


def test_two_processes__each_request_at_another__one_session():
    with twins({"public_base_url": "https://matrix.school.example"}) as pair:
        assert is_announced(pair[0]) and is_announced(pair[1])
        new = begin(pair[0], b"x")
        at_other = Session(pair[1], new.url, new.etag)
        assert at_other.get().expect(200).raw == b"x" and at_other.poll() is None
        at_other.send(b"y")
        assert new.poll() == b"y"
        for _ in range(5):
            winner, etag = write_at_once([new, at_other] * 2, new.etag)
            assert new.poll() == at_other.get().raw == b"%d" % winner and new.etag == etag
        at_other.delete().expect(204)
        new.get().expect(404, "M_NOT_FOUND")
