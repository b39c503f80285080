"""What application services are asked: a ping, users and aliases that there are not yet.
Spec: application-service API, "Pinging", "Querying"."""
import re
import threading

import pytest

from support import accounts
from support.appservice import AppService
from support.client import Http, path_of, seconds, unique
from support.server import Server, wait_until

FAST = {"appservices.retry_first": "60s", "appservices.retry_longest": "60s",
        "appservices.transaction_timeout": "%ds" % seconds(1)}


@pytest.fixture(scope="module")
def server():
    server = Server(settings=FAST).start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def service(server):
    service = AppService("q", users=["@_q_.*"], aliases=["#_q_.*"]).register(server)
    yield service
    service.stop()


@pytest.fixture(autouse=True)
def _rules(service):
    yield
    service.rules.clear()


@pytest.fixture
def alice(server):
    return accounts.register(Http(server.url))


def ping(server, service, **body):
    return service.client(server).post("/_matrix/client/v1" + path_of("appservice", service.id, "ping"), body)


# -- ping

def test_ping__answered__how_long_it_took(server, service):
    txn = unique("ping")
    reply = ping(server, service, transaction_id=txn).ok()
    assert isinstance(reply["duration_ms"], int)
    ask = service.wait_for(lambda ask: ask.path == "/_matrix/app/v1/ping" and ask.json == {"transaction_id": txn})
    assert ask.method == "POST" and ask.headers["authorization"] == "Bearer " + service.hs_token


def test_ping__bad_body__400_and_the_server_goes_on(server, service):
    path = "/_matrix/client/v1" + path_of("appservice", service.id, "ping")
    ping(server, service, transaction_id=5).expect(400, "M_BAD_JSON")
    service.client(server).request("POST", path, raw=b'{"').expect(400, "M_NOT_JSON")
    ping(server, service).ok()


def test_ping__bad_status__passed_on(server, service):
    service.on("POST", "/_matrix/app/v1/ping", lambda ask: (403, {"errcode": "M_FORBIDDEN"}))
    reply = ping(server, service).expect(502, "M_BAD_STATUS")
    assert reply["status"] == 403 and "M_FORBIDDEN" in reply["body"]


def test_ping__nobody_there_or_no_answer__told_apart(server, service):
    stop = threading.Event()
    service.on("POST", "/_matrix/app/v1/ping", lambda ask: (None, lambda handler: stop.wait(60)))
    ping(server, service).expect(504, "M_CONNECTION_TIMEOUT")
    stop.set()
    service.stop()
    try:
        ping(server, service).expect(502, "M_CONNECTION_FAILED")
    finally:
        service.listen()


def test_ping__of_another_service_or_a_user__forbidden(server, service, alice):
    other = AppService("other").register(server)
    path = "/_matrix/client/v1" + path_of("appservice", service.id, "ping")
    other.client(server).post(path, {}).expect(403, "M_FORBIDDEN")
    assert alice.post(path, {}).status in (401, 403)
    other.stop()


def test_ping__service_without_url__said_so(server):
    silent = AppService("silent", listens=False).register(server)
    ping(server, silent).expect(400, "M_URL_NOT_SET")


def test_ping__service_was_away__its_pause_ends(server, service, alice):
    ghost = service.ghost(server, "_q_" + unique("p"))
    room_id = alice.create_room(preset="public_chat")
    ghost.join(room_id).ok()
    service.until_told(lambda event: event.get("state_key") == ghost.user_id)
    service.on("PUT", "/", lambda ask: (503, {}))
    event_id = alice.send(room_id, "missed")
    service.wait_for(lambda ask: event_id.encode() in ask.body)
    service.rules.clear()
    seen = len(service.asks)
    # The failure is written down before the pause begins: until then a ping finds nothing to end.
    while not any(event_id.encode() in ask.body for ask in service.asks[seen:]):
        ping(server, service).ok()
    service.until_event(event_id)


# -- ping by command

def refused(server, service_id, *words, within="20s"):
    done = server.run("appservice", "ping", service_id, "--set", "appservices.transaction_timeout=" + within)
    assert done.returncode == 1 and not done.stdout, done.stdout
    for word in words:
        assert word in done.stderr, done.stderr


def test_ping_command__answered__says_how_long_it_took(server, service):
    done = server.run("appservice", "ping", service.id)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"'%s' answered at %s after \d+ ms\.\n" % (service.id, re.escape(service.url)), done.stdout)
    ask = service.wait_for(lambda ask: ask.path == "/_matrix/app/v1/ping" and ask.json == {})
    assert ask.method == "POST" and ask.headers["authorization"] == "Bearer " + service.hs_token


def test_ping_command__answered_badly__its_words_and_what_to_do(server, service):
    answers = [(403, {"errcode": "M_FORBIDDEN", "error": "Bad\x1b token"}, ("403", "M_FORBIDDEN: Bad  token", "--replace")),
               (404, b"<html>", ("404, <html>", "knows no pings")), (302, b"", ("status 302; something else listens",)),
               (500, b"x" * 5000, ("500, " + "x" * 200 + ";", "its log"))]
    for status, body, words in answers:
        service.on("POST", "/_matrix/app/v1/ping", lambda ask, answer=(status, body): answer)
        refused(server, service.id, *words)


def test_ping_command__no_answer__says_which_way(server, service):
    stop = threading.Event()
    service.on("POST", "/_matrix/app/v1/ping", lambda ask: (None, lambda handler: stop.wait(60)))
    refused(server, service.id, service.url, "did not answer within 1 s", within="1s")
    stop.set()
    service.stop()
    try:
        refused(server, service.id, "could not be reached", "does it listen at the 'url'")
    finally:
        service.listen()
    secure = AppService("tls", listens=False, url=service.url.replace("http:", "https:")).register(server)
    refused(server, secure.id, "could not be reached", "SSL", "federation.ca_file")


def test_ping_command__nobody_to_ask__says_why(server):
    silent = AppService("silent", listens=False).register(server)
    refused(server, silent.id, "has no 'url'")
    refused(server, "nowhere", "no application service 'nowhere'", "belfry appservice list")


def test_ping_command__service_was_away__what_waits_comes_at_once(server, service, alice):
    ghost = service.ghost(server, "_q_" + unique("p"))
    room_id = alice.create_room(preset="public_chat")
    ghost.join(room_id).ok()
    service.until_told(lambda event: event.get("state_key") == ghost.user_id)
    service.on("PUT", "/", lambda ask: (503, {}))
    event_id = alice.send(room_id, "missed")
    wait_until(lambda: "status 503" in server.run("appservice", "list").stdout, 20, "the failure is written down")
    service.rules.clear()
    assert server.run("appservice", "ping", service.id).returncode == 0
    service.until_event(event_id)


# -- users

def made(service, server, localpart):
    def answer(ask):
        service.ghost(server, localpart)
        return 200, {}
    return answer


def test_user__unknown_and_in_the_namespace__made_when_asked_for(server, service, alice):
    name = "_q_" + unique("u")
    user_id = service.user_id(server, name)
    service.on("GET", "/_matrix/app/v1/users/" + user_id, made(service, server, name))
    alice.get("/profile/" + user_id).ok()
    ask = service.wait_for(lambda ask: ask.method == "GET" and user_id in ask.path)
    assert ask.headers["authorization"] == "Bearer " + service.hs_token


def test_user__invited__asked_for_before_the_invite(server, service, alice):
    name = "_q_" + unique("i")
    user_id = service.user_id(server, name)
    service.on("GET", "/_matrix/app/v1/users/" + user_id, made(service, server, name))
    room_id = alice.create_room()
    alice.invite(room_id, user_id).ok()
    service.wait_for(lambda ask: ask.method == "GET" and user_id in ask.path)
    service.client(server, name).join(room_id).ok()


@pytest.mark.one_process("each process remembers by itself what a service has answered")
def test_user__service_knows_none__not_found_and_not_asked_again_at_once(server, service, alice):
    user_id = service.user_id(server, "_q_" + unique("n"))
    service.on("GET", "/", lambda ask: (404, {"errcode": "M_NOT_FOUND"}))
    for _ in range(3):
        alice.get("/profile/" + user_id).expect(404, "M_NOT_FOUND")
    paths = [ask.path for ask in service.asks if user_id in ask.path]
    assert paths == ["/_matrix/app/v1/users/" + user_id, "/users/" + user_id]


def test_user__outside_of_the_namespace__nobody_asked(server, service, alice):
    user_id = "@%s:%s" % (unique("else"), server.server_name)
    alice.get("/profile/" + user_id).expect(404, "M_NOT_FOUND")
    assert not any(user_id in ask.path for ask in service.asks)


@pytest.mark.one_process("each process remembers by itself that a service hung")
def test_user__service_hangs__timed_out_in_the_end_and_not_asked_again_at_once(server, service, alice):
    stop, user_id = threading.Event(), service.user_id(server, "_q_" + unique("h"))
    service.on("GET", "/", lambda ask: (None, lambda handler: stop.wait(60)))
    for _ in range(2):
        alice.get("/profile/" + user_id).expect(408, "M_CONNECTION_TIMEOUT")
    stop.set()
    assert [ask.path for ask in service.asks if user_id in ask.path] == ["/_matrix/app/v1/users/" + user_id]


def test_user__service_breaks_off__asked_again(server, service, alice):
    name = "_q_" + unique("b")
    user_id, broken = service.user_id(server, name), []

    def answer(ask):
        broken.append(ask)
        return made(service, server, name)(ask) if len(broken) == 3 else (None, lambda handler: None)
    service.on("GET", "/_matrix/app/v1/users/" + user_id, answer)
    alice.get("/profile/" + user_id).ok()
    assert len(broken) == 3


def test_user__invited_while_the_service_is_down__hears_of_it_later(server, service, alice):
    ghost = service.ghost(server, "_q_" + unique("g"))
    name = "_q_" + unique("d")
    room_id = alice.create_room()
    alice.invite(room_id, ghost).ok()
    ghost.join(room_id).ok()
    service.stop()
    alice.get("/profile/" + service.user_id(server, "_q_" + unique("x"))).expect(408, "M_CONNECTION_TIMEOUT")
    alice.invite(room_id, service.user_id(server, name)).ok()
    service.listen()
    while not any(event.get("state_key") == service.user_id(server, name) for event in service.told()):
        ping(server, service).ok()


# -- aliases

def test_alias__unknown_and_in_the_namespace__made_when_joined(server, service, alice):
    name = "_q_" + unique("a")
    alias = "#%s:%s" % (name, server.server_name)
    rooms = []

    def answer(ask):
        rooms.append(service.client(server).create_room(room_alias_name=name, preset="public_chat"))
        return 200, {}
    service.on("GET", "/_matrix/app/v1/rooms/" + alias, answer)
    reply = alice.post("/join" + path_of(alias), {}).ok()
    assert [reply["room_id"]] == rooms
    assert alice.get("/directory/room" + path_of(alias)).ok()["room_id"] == rooms[0]


def test_alias__service_knows_none__not_found(server, service, alice):
    service.on("GET", "/", lambda ask: (404, {}))
    alias = "#_q_%s:%s" % (unique("n"), server.server_name)
    alice.get("/directory/room" + path_of(alias)).expect(404, "M_NOT_FOUND")
    service.wait_for(lambda ask: ask.path == "/_matrix/app/v1/rooms/" + alias)


def test_alias__service_hangs__joining_times_out(server, service, alice):
    stop = threading.Event()
    service.on("GET", "/", lambda ask: (None, lambda handler: stop.wait(60)))
    alias = "#_q_%s:%s" % (unique("h"), server.server_name)
    alice.post("/join" + path_of(alias), {}).expect(408, "M_CONNECTION_TIMEOUT")
    stop.set()
