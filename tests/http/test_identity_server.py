"""What Belfry asks of its identity server and makes of odd answers, with a stand-in; tests/interop/test_identity_server.py has a real one."""
import concurrent.futures
import hashlib
import json
import threading
from base64 import urlsafe_b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support import accounts
from support.client import path_of, seconds, unique
from support.server import Server, free_port
from support.serving import serve

V2 = "/_matrix/identity/v2"
BIND, UNBIND, DETAILS, LOOKUP, STORE = (V2 + path for path in ("/3pid/bind", "/3pid/unbind", "/hash_details", "/lookup", "/store-invite"))


class IdentityServer:
    """Remembers what was asked, answers as told: (status, object or text), or a function of the body that gives it."""

    def __init__(self):
        self.asked, self.answers = [], {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                outer.asked.append((self.path, self.headers["Authorization"], body))
                answer = outer.answers.get(self.path, (404, "nothing here"))
                status, answer = answer(body) if callable(answer) else answer
                data = (json.dumps(answer) if isinstance(answer, dict) else answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST

            def log_message(self, *_):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        serve(self.server)
        self.name = "127.0.0.1:%d" % self.server.server_address[1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def stand_in():
    started = IdentityServer()
    yield started
    started.close()


@pytest.fixture(scope="module")
def bound_server(stand_in):
    """It may ask no other address of this machine than the identity server's."""
    started = Server(settings={"identity_server": "http://" + stand_in.name, "password.parallel": "1"}).start()
    yield started
    started.destroy()


@pytest.fixture
def identity(stand_in):
    stand_in.asked.clear()
    stand_in.answers.clear()
    return stand_in


@pytest.fixture
def user(bound_server):
    return accounts.register(bound_server.url)


# -- publishing

def bind(user, identity, **more):
    return user.post("/account/3pid/bind", {"id_server": identity.name, "id_access_token": "id-token", "sid": "42",
                                            "client_secret": "hush", **more})


def bound_answer(user, address="lin@post.example"):
    return 200, {"medium": "email", "address": address, "mxid": user.user_id, "not_before": 0, "not_after": 1, "ts": 0,
                 "signatures": {}}


def unbind(user, address="lin@post.example"):
    return user.post("/account/3pid/unbind", {"medium": "email", "address": address}).ok()["id_server_unbind_result"]


def test_bind_and_unbind__identity_server_agrees__asked_properly(bound_server, user, identity):
    identity.answers.update({BIND: bound_answer(user), UNBIND: (200, {})})
    bind(user, identity).ok()
    path, authorization, body = identity.asked.pop()
    assert (path, authorization) == (BIND, "Bearer id-token")
    assert body == {"sid": "42", "client_secret": "hush", "mxid": user.user_id}
    assert user.get("/account/3pid").ok()["threepids"] == [], "what an identity server publishes is not the account's"
    assert unbind(user, "Lin@post.example") == "success"
    path, authorization, body = identity.asked.pop()
    assert path == UNBIND and body == {"mxid": user.user_id,
                                       "threepid": {"medium": "email", "address": "lin@post.example"}}
    assert authorization.startswith("X-Matrix ") and 'origin="%s"' % bound_server.server_name in authorization
    assert unbind(user) == "no-support"
    assert identity.asked == []


def test_bind__identity_server_refuses__its_error_handed_on(user, identity):
    identity.answers[BIND] = (400, {"errcode": "M_SESSION_NOT_VALIDATED", "error": "not yet"})
    assert bind(user, identity).expect(400, "M_SESSION_NOT_VALIDATED")["error"] == "not yet"
    for answer in ((500, "broken"), (200, "[]"), (200, {}), (302, {"errcode": "M_X", "error": "x"})):
        identity.answers[BIND] = answer
        assert bind(user, identity).status == 502


@pytest.mark.parametrize("status, errcode", [(401, "M_UNKNOWN_TOKEN"), (401, "M_UNAUTHORIZED"), (403, "M_UNKNOWN_TOKEN"),
                                             (400, "M_MISSING_TOKEN")])
def test_bind__identity_server_speaks_of_its_token__not_of_the_clients_session_here(user, identity, status, errcode):
    identity.answers[BIND] = (status, {"errcode": errcode, "error": "who are you?", "soft_logout": True})
    assert "soft_logout" not in bind(user, identity).expect(403, "M_UNAUTHORIZED")


def test_unbind__identity_server_refuses__no_support(user, identity):
    identity.answers.update({BIND: bound_answer(user), UNBIND: (501, "cannot")})
    bind(user, identity).ok()
    assert unbind(user) == "no-support"
    assert user.uia("POST", "/account/deactivate").ok()["id_server_unbind_result"] == "no-support"


def test_deactivate__bound__unbound_before(user, identity):
    identity.answers.update({BIND: bound_answer(user), UNBIND: (200, {})})
    bind(user, identity).ok()
    identity.asked.clear()
    assert user.uia("POST", "/account/deactivate").ok()["id_server_unbind_result"] == "success"
    assert [path for path, _, _ in identity.asked] == [UNBIND]


def test_deactivate__identity_server_is_named__asked_and_no_other(user, identity):
    """"The identity server to unbind all of the user's 3PIDs from": published where we trust, but to be taken from elsewhere."""
    identity.answers.update({BIND: bound_answer(user), UNBIND: (200, {})})
    bind(user, identity).ok()
    identity.asked.clear()
    reply = user.uia("POST", "/account/deactivate", {"id_server": "elsewhere.example"}).ok()
    assert reply["id_server_unbind_result"] == "no-support"
    assert identity.asked == []


@pytest.mark.parametrize("addresses", [0, 1, 2])
def test_deactivate__our_identity_server_is_named__each_identifier_once(user, identity, addresses):
    for number in range(addresses):
        identity.answers.update({BIND: bound_answer(user, "lin%d@post.example" % number), UNBIND: (200, {})})
        bind(user, identity).ok()
    identity.asked.clear()
    reply = user.uia("POST", "/account/deactivate", {"id_server": identity.name}).ok()
    assert reply["id_server_unbind_result"] == "success"
    assert [body["threepid"]["address"] for _, _, body in identity.asked] == [
        "lin%d@post.example" % number for number in range(addresses)]


def test_deactivate__id_server_is_no_text__400(user, identity):
    user.post("/account/deactivate", {"id_server": 7}).expect(400)


def test_deactivate__identity_server_is_slow__holds_no_worker(bound_server, user, identity):
    come, gate = threading.Event(), threading.Event()

    def slow(_):
        come.set()
        gate.wait(seconds(30))
        return 200, {}
    identity.answers.update({BIND: bound_answer(user), UNBIND: slow})
    bind(user, identity).ok()
    other = accounts.register(bound_server.url)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        ended = pool.submit(user.uia, "POST", "/account/deactivate")
        try:
            assert come.wait(seconds(20))
            # the only worker that checks passwords is free
            other.login().get("/account/whoami").ok()
            assert not ended.done()
        finally:
            gate.set()
        assert ended.result(seconds(30)).ok()["id_server_unbind_result"] == "success"
    user.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    assert [path for path, _, _ in identity.asked] == [BIND, UNBIND]


def test_bind__identity_server_that_nobody_trusts__never_asked(user, alice, identity):
    for name in ("evil.example", "127.0.0.1:%d" % free_port(), identity.name + "/x", "x@" + identity.name, ""):
        bind(user, identity, id_server=name).expect(400, "M_SERVER_NOT_TRUSTED")
    bind(alice, identity).expect(400, "M_SERVER_NOT_TRUSTED")
    assert identity.asked == []


# -- invites by address

KEYS = [{"public_key": "ta8IQ0u1sp44HVpxYi7dFOdS/bfwDjcy4xLFlfY5KOA", "key_validity_url": "https://id.example/valid"}]
KEPT = {"token": "sometoken", "public_keys": KEYS, "display_name": "f...@b..."}


def asked_as(text, pepper):
    return urlsafe_b64encode(hashlib.sha256((text + " " + pepper).encode()).digest()).rstrip(b"=").decode()


def invite(user, identity, room_id, address="Bob@post.example", **more):
    return user.post(path_of("rooms", room_id, "invite"), {
        "id_server": identity.name, "id_access_token": "id-token", "medium": "email", "address": address, **more})


def knows_nobody(identity, algorithms=("sha256", "none"), kept=KEPT):
    identity.answers.update({DETAILS: (200, {"lookup_pepper": "salt", "algorithms": list(algorithms)}),
                             LOOKUP: (200, {"mappings": {}}), STORE: (200, kept)})


def promises(user, room_id):
    return {key: event["content"] for (kind, key), event in user.state(room_id).items() if kind == "m.room.third_party_invite"}


def test_invite__nobody_has_the_address__told_what_the_mail_may_say(user, identity):
    knows_nobody(identity)
    alias = unique("choir")
    room_id = user.create_room(name="Choir", room_alias_name=alias, preset="public_chat", creation_content={"type": "m.space"})
    user.put(path_of("profile", user.user_id, "displayname"), {"displayname": "Ann"}).ok()
    invite(user, identity, room_id).ok()
    (details, token, _), (lookup, _, asked), (store, _, about) = identity.asked
    assert (details, lookup, store, token) == (DETAILS, LOOKUP, STORE, "Bearer id-token")
    assert asked == {"addresses": [asked_as("bob@post.example email", "salt")], "algorithm": "sha256", "pepper": "salt"}
    assert about == {"medium": "email", "address": "Bob@post.example", "room_id": room_id, "sender": user.user_id,
                     "sender_display_name": "Ann", "room_name": "Choir", "room_type": "m.space", "room_join_rules": "public",
                     "room_alias": "#%s:%s" % (alias, user.user_id.partition(":")[2])}
    assert promises(user, room_id) == {"sometoken": {**KEYS[0], "public_keys": KEYS, "display_name": "f...@b..."}}


def test_invite__only_plain_addresses_are_taken__asked_so(user, identity):
    knows_nobody(identity, algorithms=["sha3", "none"])
    invite(user, identity, user.create_room()).ok()
    assert identity.asked[1][2]["addresses"] == ["bob@post.example email"]


def test_invite__pepper_has_just_changed__asked_once_more(user, identity):
    knows_nobody(identity)
    other = accounts.register("http://127.0.0.1:%d" % user.http.port)
    found = {asked_as("bob@post.example email", "pepper"): other.user_id}

    def look_up(body):
        if body["pepper"] == "salt":
            identity.answers[DETAILS] = (200, {"lookup_pepper": "pepper", "algorithms": ["sha256"]})
            return 400, {"errcode": "M_INVALID_PEPPER", "error": "changed", "algorithm": "sha256", "lookup_pepper": "pepper"}
        return 200, {"mappings": found}
    identity.answers[LOOKUP] = look_up
    room_id = user.create_room()
    invite(user, identity, room_id).ok()
    assert user.state(room_id)[("m.room.member", other.user_id)]["content"]["membership"] == "invite"
    assert [path for path, _, _ in identity.asked] == [DETAILS, LOOKUP, DETAILS, LOOKUP]


def test_invite__pepper_changes_without_end__given_up(user, identity):
    knows_nobody(identity)
    identity.answers[LOOKUP] = (400, {"errcode": "M_INVALID_PEPPER", "error": "changed"})
    invite(user, identity, user.create_room()).expect(400, "M_INVALID_PEPPER")
    assert len(identity.asked) == 4


@pytest.mark.parametrize("path, answer", [
    (DETAILS, {}), (DETAILS, {"lookup_pepper": 1, "algorithms": ["sha256"]}), (DETAILS, {"lookup_pepper": "x", "algorithms": ["md5", 7]}),
    (LOOKUP, {"mappings": {asked_as("bob@post.example email", "salt"): "no user id"}}),
    *((STORE, {**KEPT, **change}) for change in (
        {"token": ""}, {"token": 7}, {"token": "a/b"}, {"token": "x" * 256}, {"display_name": None}, {"public_keys": []},
        {"public_keys": [{"public_key": "x"}]}, {"public_keys": [7]}))])
def test_invite__answer_of_another_form__502_and_nothing_in_the_room(user, identity, path, answer):
    knows_nobody(identity)
    identity.answers[path] = (200, answer)
    room_id = user.create_room()
    assert invite(user, identity, room_id).status == 502
    assert promises(user, room_id) == {}


def test_invite__refused_before_the_identity_server_matters__never_asked(user, identity, alice, room):
    other = accounts.register("http://127.0.0.1:%d" % user.http.port)
    room_id = user.create_room()
    invite(other, identity, room_id).expect(403, "M_FORBIDDEN")
    invite(user, identity, room_id, id_server="evil.example").expect(400, "M_SERVER_NOT_TRUSTED")
    invite(alice, identity, room).expect(403, "M_THREEPID_DENIED")
    third = {"id_server": identity.name, "id_access_token": "id-token", "medium": "email", "address": "a@b.example"}
    for field in ("id_server", "id_access_token", "medium"):
        lacking = {key: value for key, value in third.items() if key != field}
        user.post(path_of("rooms", room_id, "invite"), lacking).expect(400, "M_MISSING_PARAM")
        user.post("/createRoom", {"invite_3pid": [lacking]}).expect(400, "M_MISSING_PARAM")
        invite(user, identity, room_id, **{field: 7}).expect(400, "M_BAD_JSON")
    assert identity.asked == []


def test_create_room__address_that_cannot_be_invited__said_only_if_nobody_else_is(user, identity):
    third = {"id_server": identity.name, "id_access_token": "t", "medium": "email", "address": "a@b.example"}
    user.post("/createRoom", {"invite_3pid": [{**third, "id_server": "evil.example"}]}).expect(400, "M_SERVER_NOT_TRUSTED")
    user.post("/createRoom", {"invite_3pid": [{**third, "address": 7}]}).expect(400, "M_BAD_JSON")
    user.post("/createRoom", {"invite_3pid": [third] * 21}).expect(413, "M_TOO_LARGE")
    assert identity.asked == []
    assert user.post("/createRoom", {"invite_3pid": [third]}).status == 502
    other = accounts.register("http://127.0.0.1:%d" % user.http.port)
    user.post("/createRoom", {"invite_3pid": [third], "invite": [other.user_id]}).ok()
