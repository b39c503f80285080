"""Terms that are enforced: who has not accepted the newest ones reads, but does not act (errcode M_CONSENT_NOT_GIVEN)."""
import re
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.appservice import AppService
from support.client import Client, Http, seconds
from support.database import Cluster, HeldTable
from support.server import Server, binary, free_port, wait_until

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")

PAGE = "/_matrix/client/belfry/terms"
POLICIES = "terms 2 zh-Hant https://school.example/terms 使用條款,terms 2 en https://school.example/terms.en Terms of use"


def settings(**more):
    return {"public_base_url": "https://matrix.hs1.example", "registration.guests": "true", "terms.policies": POLICIES,
            "terms.enforced_from": "2024-02-29", "terms.notices": "false",
            **{key.replace("__", "."): value for key, value in more.items()}}


@pytest.fixture(scope="module")
def server():
    started = Server(settings=settings(listen__metrics="127.0.0.1:%d" % free_port())).start()
    yield started
    started.destroy()


@pytest.fixture
def lin(server):
    """Made by an administrator: was never asked."""
    return accounts.register_by_secret(server.url, server.secret)


@pytest.fixture
def host(server):
    return accept_at_registration(server)


def accept_at_registration(server):
    return accounts.register(server.url, auth={"type": "m.login.terms"})


def refused(reply):
    """The link, as a path of this server."""
    link = reply.expect(403, "M_CONSENT_NOT_GIVEN")["consent_uri"]
    assert link.startswith("https://matrix.hs1.example" + PAGE + "?") and link in reply["error"]
    return link[len("https://matrix.hs1.example"):]


def link_of(user):
    return refused(user.post("/createRoom", {}))


def page(server, method, target):
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else None
    return server.anonymous().http.raw(method, target, b"" if method == "POST" else None, headers)


# -- who is refused what

def test_consent__lacking__reads_but_does_not_act(server, lin, host):
    room = host.create_room(preset="public_chat", invite=[lin.user_id])
    refused(lin.join(room))
    refused(lin.post("/join/" + urllib.parse.quote(room)))
    refused(lin.request("POST", "/_matrix/media/v3/upload", raw=b"x", headers={"Content-Type": "text/plain"}, check=False))
    assert room in lin.sync().rooms("invite")
    lin.leave(room).ok()
    lin.get("/profile/" + lin.user_id).ok()


def test_consent__lacking__can_log_in_and_out_and_be_deactivated(server, lin):
    again = Client(server.url, user_id=lin.user_id, password=lin.password).login()
    refused(again.post("/createRoom", {}))
    again.post("/logout").ok()
    lin.uia("POST", "/account/deactivate", {}).ok()


def test_consent__locked_while_told_of_the_terms__locked(make_server):
    """What was read of a session before the lock may not be kept: it would let the user in from then on."""
    with Cluster() as cluster:
        server = make_server(settings=settings(terms__notices="true", database__url=cluster.url), processes=1).start()
        admin, lin = (accounts.register_by_secret(server.url, server.secret, admin=is_admin) for is_admin in (True, False))
        page(server, "POST", link_of(admin))
        locked = "/_matrix/client/v1/admin/lock/" + urllib.parse.quote(lin.user_id)
        admin.get(locked).ok()
        with ThreadPoolExecutor(1) as pool, HeldTable(cluster.url, "terms_told") as held:
            asked = pool.submit(lin.get, "/account/whoami")
            wait_until(held.is_waited_for, what="the user is told of the terms")
            admin.put(locked, {"locked": True}).ok()
            held.release()
            asked.result(seconds(30)).ok()
        lin.get("/account/whoami").expect(401, "M_USER_LOCKED")
        server.terminate()


def test_consent__lacking__takes_back_own_words_but_nobody_elses(server, host):
    """Whoever does not agree any more may leave, and take along what they have said; to moderate is to act."""
    lin = accept_at_registration(server)
    room = lin.create_room(preset="public_chat")
    host.join(room).ok()
    own, other, of_host = lin.send(room, "mine"), lin.send(room, "mine too"), host.send(room, "not mine")
    server.sql("delete from terms_accepted where user_id = '%s'" % lin.user_id)
    lin = lin.login()  # the session in memory knows nothing of that
    refused(lin.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "x"}))
    lin.redact(room, own).ok()
    assert "body" not in host.event(room, own).ok()["content"]
    refused(lin.redact(room, of_host))
    refused(lin.put_event(room, "m.room.redaction", {"redacts": other}))
    assert host.event(room, of_host).ok()["content"]["body"] == "not mine"
    host.redact(room, own).expect(403, "M_FORBIDDEN")


def test_consent__accepted_at_registration__acts(host):
    host.send(host.create_room())


def test_consent__guest__asked_too(server):
    reply = server.anonymous().post("/register", {}, query={"kind": "guest"}, token=False).ok()
    guest = Client(server.url, reply["access_token"], reply["user_id"], reply["device_id"])
    refused(guest.put("/profile/%s/displayname" % guest.user_id, {"displayname": "G"}))
    guest.sync()


def test_consent__application_service_and_its_users__not_asked(server):
    """As its users, and with a token of such a user's own."""
    service = AppService("irc", users=["@_irc_.*"], listens=False).register(server)
    ghost = service.ghost(server, "_irc_lin")
    service.client(server).post("/createRoom", {}).ok()
    ghost.send(ghost.create_room())
    body = {"type": "m.login.application_service", "identifier": {"type": "m.id.user", "user": "_irc_lin"}}
    own = Client(server.url, service.client(server).post("/login", body).ok()["access_token"], ghost.user_id)
    own.send(own.create_room())


@pytest.mark.parametrize("day", ["tomorrow", "2026-02-30", "2026-13-01", "2026-1-1", "2026-01-01T00:00"])
def test_consent__no_day__does_not_start(server, day):
    done = server.run("config", "check", settings=settings(terms__enforced_from=day))
    assert done.returncode != 0 and "terms.enforced_from" in done.stderr


def test_consent__without_policies_or_address__does_not_start(server):
    for missing in ("terms.policies", "public_base_url"):
        rest = {key: value for key, value in settings().items() if key != missing}
        done = server.run("config", "check", settings={"server_name": "hs1", **rest})
        assert done.returncode != 0 and "terms.enforced_from needs" in done.stderr


# -- the page

def test_sec_5_37__consent_page__documents_in_both_languages_and_no_frames(server, lin):
    shown = page(server, "GET", link_of(lin))
    text = shown.raw.decode()
    assert shown.status == 200 and "使用條款" in text and "https://school.example/terms.en" in text and "我同意" in text
    assert "I accept" in text and lin.user_id in text
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "form-action 'self'" in policy and "frame-ancestors 'none'" in policy
    assert shown.headers["referrer-policy"] == "no-referrer" and shown.headers["cache-control"] == "no-store"


def test_consent_page__read__accepts_nothing(server, lin):
    link = link_of(lin)
    assert page(server, "GET", link).status == page(server, "HEAD", link).status == 200
    assert link_of(lin) == link


def test_consent_page__button__acts_at_once(server, lin):
    link = link_of(lin)
    done = page(server, "POST", link)
    assert done.status == 200 and "Thank you" in done.raw.decode()
    lin.send(lin.create_room())
    listed = server.run("terms", "list", lin.user_id, settings={"server_name": "hs1"}).stdout.split()
    assert listed[:3] == [lin.user_id, "terms", "2"]
    assert "<form" not in page(server, "GET", link).raw.decode()


def test_consent_page__button_again__first_time_stays(server, lin):
    link = link_of(lin)
    times = set()
    for _ in range(2):
        assert page(server, "POST", link).status == 200
        times.add(server.sql("select accepted_at_ms from terms_accepted where user_id = '%s'" % lin.user_id))
    assert len(times) == 1


def test_consent_link__of_one__does_not_accept_for_another(server, lin, host):
    other = accounts.register_by_secret(server.url, server.secret)
    link = link_of(lin)
    signature = urllib.parse.parse_qs(link.split("?")[1])["signature"][0]
    forged = [link.replace(urllib.parse.quote(lin.user_id, safe=""), urllib.parse.quote(other.user_id, safe="")),
              link.replace(signature, signature[:-4] + "AAAA"), link.replace(signature, ""), PAGE, PAGE + "?user=",
              PAGE + "?user=%s" % urllib.parse.quote(lin.user_id)]
    for target in forged:
        for method in ("GET", "POST"):
            reply = page(server, method, target)
            assert reply.status == 403 and "失效" in reply.raw.decode() and "<form" not in reply.raw.decode(), target
    link_of(other)
    link_of(lin)


def test_consent_page__deactivated_user__nothing_noted(server, lin):
    link = link_of(lin)
    lin.uia("POST", "/account/deactivate", {}).ok()
    page(server, "POST", link)
    assert server.sql("select count(*) from terms_accepted where user_id = '%s'" % lin.user_id).strip() == "0"


# -- before the day, the notice, and new terms

@pytest.fixture(scope="module")
def early():
    """A server that tells, and does not enforce yet."""
    started = Server(settings=settings(terms__notices="true", terms__enforced_from="9999-12-31")).start()
    yield started
    started.destroy()


def told(server, user, watch, before=None):
    """The room and the link of the notice that comes once the user has asked for something; not of the one with the link before, which the room shows to
    who joins again while the newer one is still to come."""
    other = accounts.register_by_secret(server.url, server.secret)
    assert server.run("server-notice", "send", other.user_id, "makes the server look for notices now").returncode == 0
    room = watch.invited_to()
    user.join(room).ok()
    text = watch.until(lambda answer: [body for body in answer.joined(room).bodies() if before is None or before not in body])[1][-1]
    return room, text, re.search(r"https://matrix\.hs1\.example(\S+)", text).group(1)


def count(server, table, user):
    return int(server.sql("select count(*) from %s where user_id = '%s'" % (table, user.user_id)))


def test_consent__before_the_day__acts_and_is_told_once(early):
    user, accepted = accounts.register_by_secret(early.url, early.secret), accept_at_registration(early)
    user.send(user.create_room())
    accepted.send(accepted.create_room())
    notices, text, link = told(early, user, user.watch())
    assert "使用條款" in text and "new terms" in text and "9999-12-31" in text
    assert count(early, "terms_told", user) == 1 and count(early, "terms_told", accepted) == 0
    again = Client(early.url, user_id=user.user_id, password=user.password).login()
    again.create_room()
    wait_until(lambda: count(early, "server_notices", user) == 0, what="all that was to be told is told")
    assert [event["type"] for event in user.history(notices)].count("m.room.message") == 1
    assert page(early, "POST", link).status == 200
    assert count(early, "terms_accepted", user) == 1


def test_consent__new_terms_enforced__asked_again_told_again_and_old_link_is_dead(early):
    user = accounts.register_by_secret(early.url, early.secret)
    notices, _, link = told(early, user, user.watch())
    user.leave(notices).ok()
    room = user.create_room()
    assert page(early, "POST", link).status == 200
    early.terminate()
    early.settings.update({"terms.policies": POLICIES.replace("terms 2", "terms 3"), "terms.enforced_from": "2024-02-29"})
    early.start()
    user = Client(early.url, user.token, user.user_id, user.device_id)
    newer = refused(user.put_event(room, "m.room.message", {"body": "x"}))
    assert newer != link and page(early, "POST", link).status == 403
    refused(user.join("!unknown:hs1"))
    assert told(early, user, user.watch(), before=link)[::2] == (notices, newer), "the room of notices can be joined again"
    refused(user.put_event(room, "m.room.message", {"body": "x"}))
    assert page(early, "POST", newer).status == 200
    user.send(room)


# -- another process

def test_consent__given_at_another_process__known_within_seconds(server, lin):
    """What the other process leaves is this row."""
    link_of(lin)
    server.sql("insert into terms_accepted (user_id, policy_id, version, accepted_at_ms) values ('%s', 'terms', '2', 1)"
               % lin.user_id)
    wait_until(lambda: lin.post("/createRoom", {}).status == 200, what="the consent known here")


def test_consent__refused_again_and_again__the_database_is_asked_once_a_second_at_most(server, lin):
    metrics = Http("http://" + server.settings["listen.metrics"])

    def asked():
        return int(re.search(r"belfry_session_misses_total (\d+)", metrics.raw("GET", "/metrics").raw.decode()).group(1))
    link_of(lin)
    before, began = asked(), time.monotonic()
    for _ in range(30):
        link_of(lin)
    assert asked() - before <= time.monotonic() - began + 1
