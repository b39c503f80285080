"""Bad input on every endpoint: JSON, types, numbers, text, sizes, paths, tokens.

Each case gets the status and errcode that the specification names, and the server goes on: after each test
`still_alive` sends a message and finds it.
"""
import contextlib
import json
import re
import socket
import time

import pytest

from support import accounts
from support.client import path_of, seconds, unique
from support.processes import cpu_of

J400 = ("M_NOT_JSON", "M_BAD_JSON")


@pytest.fixture(scope="module")
def alice(hs):
    """One user and one room for the whole module: nothing here may harm them."""
    return hs.user()


@pytest.fixture(scope="module")
def room(alice):
    return alice.create_room(room_version="11")


@pytest.fixture
def still_alive(alice, room):
    yield
    alice.http.drop()
    event = alice.send(room, "still alive")
    assert alice.event(room, event).ok()["content"]["body"] == "still alive"


def bodies(user, room, event):
    """Endpoints with a JSON body: (name, method, path, a good body)."""
    me = user.user_id
    return {
        "createRoom": ("POST", "/createRoom", {}),
        "send": ("PUT", path_of("rooms", room, "send", "m.room.message", unique("t")), {"body": "x", "msgtype": "m.text"}),
        "state": ("PUT", path_of("rooms", room, "state", "org.example.s", ""), {"a": 1}),
        "redact": ("PUT", path_of("rooms", room, "redact", event, unique("r")), {}),
        "invite": ("POST", path_of("rooms", room, "invite"), {"user_id": "@someone:hs1"}),
        "join": ("POST", path_of("rooms", room, "join"), {}),
        "join_alias": ("POST", path_of("join", room), {}),
        "leave": ("POST", path_of("rooms", room, "leave"), {}),
        "forget": ("POST", path_of("rooms", room, "forget"), {}),
        "kick": ("POST", path_of("rooms", room, "kick"), {"user_id": "@someone:hs1"}),
        "ban": ("POST", path_of("rooms", room, "ban"), {"user_id": "@someone:hs1"}),
        "unban": ("POST", path_of("rooms", room, "unban"), {"user_id": "@someone:hs1"}),
        "typing": ("PUT", path_of("rooms", room, "typing", me), {"typing": False}),
        "receipt": ("POST", path_of("rooms", room, "receipt", "m.read", event), {}),
        "read_markers": ("POST", path_of("rooms", room, "read_markers"), {}),
        "alias": ("PUT", path_of("directory", "room", "#%s:hs1" % unique("a")), {"room_id": room}),
        "displayname": ("PUT", path_of("profile", me, "displayname"), {"displayname": "x"}),
        "avatar_url": ("PUT", path_of("profile", me, "avatar_url"), {"avatar_url": "mxc://hs1/x"}),
        "account_data": ("PUT", path_of("user", me, "account_data", "org.example.x"), {}),
        "room_account_data": ("PUT", path_of("user", me, "rooms", room, "account_data", "org.example.x"), {}),
        "tag": ("PUT", path_of("user", me, "rooms", room, "tags", "u.x"), {}),
        "filter": ("POST", path_of("user", me, "filter"), {}),
        "device": ("PUT", path_of("devices", user.device_id), {}),
        "delete_devices": ("POST", "/delete_devices", {"devices": []}),
        "password": ("POST", "/account/password", {"new_password": "xx words"}),
        "deactivate": ("POST", "/account/deactivate", {}),
        "register": ("POST", "/register", {"username": unique("u"), "password": "xx words"}),
        "login": ("POST", "/login", {"type": "m.login.password"}),
        "refresh": ("POST", "/refresh", {"refresh_token": "x"}),
    }


ENDPOINTS = sorted(bodies(type("U", (), {"user_id": "@x:y", "device_id": "D"}), "!r:y", "$e"))
SYNAPSE_LENIENT = {"forget", "leave", "join", "join_alias", "receipt", "deactivate", "redact", "delete_devices"}
"""Endpoints of which Synapse does not always look at the body."""


_events = {}


def request(alice, room, name, raw, **more):
    if name in ("leave", "forget"):
        room = alice.create_room()  # in case it is taken
    if room not in _events:
        _events[room] = alice.send(room)
    method, path, _ = bodies(alice, room, _events[room])[name]
    return alice.request(method, path, raw=raw, **more)


def refused(hs, alice, room, name, raws, codes):
    """Sends each body; all must get 400 with one of the errcodes."""
    wrong = []
    for raw in raws:
        reply = request(alice, room, name, raw)
        if reply.status != 400 or reply.errcode not in codes:
            if hs.is_synapse and (name in SYNAPSE_LENIENT or reply.status == 500 or raw == b""):
                continue
            wrong.append("%r -> %d %s" % (raw, reply.status, reply.raw[:120]))
    assert not wrong, "%s: expected 400 %s\n%s" % (name, " or ".join(codes), "\n".join(wrong))


MALFORMED = [
    b"{", b"}", b"{\"a\":}", b"{'a':1}", b"nonsense", b"{\"a\":1,}", b"{\"a\":1} trailing", b"{\"a\" 1}",
    b"\xef\xbb\xbf{\"a\"", b"{\"a\":01}", b"{\"a\":+1}", b"{\"a\":.5}", b"{\"a\":1.}", b"{\"a\":\"\\x\"}",
    b"{\"a\":\"\\u12\"}", b"{\"a\":tru}", b"{a:1}", b"/* */ {}", b"{\"a\":\"", b"{\"a\":[1 2]}",
]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_json__malformed__400_not_json(still_alive, hs, alice, room, name):
    refused(hs, alice, room, name, MALFORMED, ("M_NOT_JSON",))


@pytest.mark.parametrize("name", ENDPOINTS)
def test_json__control_character_in_string__400(still_alive, hs, alice, room, name):
    """RFC 8259, section 7: control characters must be escaped."""
    refused(hs, alice, room, name, [b"{\"a\":\"\x01\"}", b"{\"a\":\"\n\"}", b"{\"a\":\"\x00\"}"], J400)


@pytest.mark.parametrize("name", ENDPOINTS)
def test_json__not_a_number__400_not_json(still_alive, hs, alice, room, name):
    """Security 5.40: NaN and Infinity are no JSON."""
    refused(hs, alice, room, name,
            [b"NaN", b"{\"a\":NaN}", b"{\"a\":Infinity}", b"{\"a\":-Infinity}"], J400)


@pytest.mark.parametrize("name", ENDPOINTS)
def test_json__no_object__400_bad_json(still_alive, hs, alice, room, name):
    """_index.md, API Standards: a request body is a JSON object."""
    refused(hs, alice, room, name, [b"[]", b"5", b"\"text\"", b"null", b"true", b"[{}]"],
            J400 + ("M_MISSING_PARAM",))


@pytest.mark.parametrize("name", [item for item in ENDPOINTS if item not in SYNAPSE_LENIENT])
def test_json__empty_body__400_not_json(still_alive, hs, alice, room, name):
    """Where the body has no required field, servers may take none for {}."""
    if name in ("createRoom", "filter", "device", "tag", "read_markers", "account_data", "room_account_data"):
        request(alice, room, name, b"").expect((200, 400))
    else:
        refused(hs, alice, room, name, [b""], J400 + ("M_MISSING_PARAM",))


@pytest.mark.parametrize("name", ENDPOINTS)
def test_json__invalid_utf8__400(still_alive, hs, alice, room, name):
    refused(hs, alice, room, name, [
        b"{\"a\":\"\xff\"}", b"{\"a\":\"\xc3\"}", b"{\"a\":\"\xed\xa0\x80\"}", b"{\"a\":\"\xc0\xaf\"}",
        b"{\"a\":\"\xf5\x80\x80\x80\"}", b"{\"\xe2\x82\":1}"], J400 + ("M_UNKNOWN",))


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.peer("500", only=["typing"])
def test_json__nested_200_deep__answered_not_crashed(still_alive, alice, room, name):
    """200 levels are unusual, not forbidden: taken, or refused with a clear 400."""
    raw = b'{"a":' + b'{"a":' * 199 + b"1" + b"}" * 199 + b"}"
    reply = request(alice, room, name, raw)
    assert reply.status < 500, reply


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
@pytest.mark.parametrize("depth", [1000, 10000])
def test_json__nested_thousands_deep__400_not_crashed(still_alive, alice, room, opening, closing, depth):
    raw = b'{"a":' + opening * depth + b"1" + closing * depth + b"}"
    reply = request(alice, room, "account_data", raw)
    reply.expect((400, 413), J400 + ("M_TOO_LARGE",))


@pytest.mark.parametrize("name", ["send", "state", "createRoom", "account_data", "login", "filter", "displayname"])
@pytest.mark.peer("takes the last of two equal keys")
def test_json__duplicate_keys__400(still_alive, alice, room, name):
    """Security 5.40: two readers of one body must not read two meanings."""
    raw = {"login": b'{"type":"m.login.password","type":"m.login.password"}',
           "displayname": b'{"displayname":"a","displayname":"b"}'}.get(name, b'{"a":1,"a":2}')
    request(alice, room, name, raw).expect(400, J400)


@pytest.mark.parametrize("name", ["send", "state"])
@pytest.mark.peer("takes the last of two equal keys")
def test_json__duplicate_keys_written_differently__400(still_alive, alice, room, name):
    request(alice, room, name, b'{"o":{"a":1,"\\u0061":2}}').expect(400, J400)


# -- numbers in events (canonical JSON, room versions >= 6)

@pytest.mark.parametrize("version", ["6", "10", "11", "12"])
@pytest.mark.parametrize("number", [
    "1.5", "1.0", "1e3", "1E-2", "-0.0", "9007199254740992", "-9007199254740992", "1" + "0" * 30, "1e400", "1" * 400])
@pytest.mark.peer("500", only=["1e400"])
def test_event_number__not_canonical__400_bad_json(still_alive, alice, number, version):
    """rooms/v6.md: events must be canonical JSON; numbers are integers within +-(2^53 - 1)."""
    room = alice.create_room(room_version=version)
    raw = ('{"body":"x","msgtype":"m.text","n":{"deep":[%s]}}' % number).encode()
    for path in (path_of("rooms", room, "send", "m.room.message", unique("t")),
                 path_of("rooms", room, "state", "org.example.s", "")):
        reply = alice.request("PUT", path, raw=raw)
        reply.expect(400, J400)


@pytest.mark.parametrize("number", ["1.5", "9007199254740993", "1" + "0" * 30])
@pytest.mark.peer("500", only=["10000000"])
def test_event_number__version_5__taken_or_refused_not_changed(still_alive, alice, number):
    """Before version 6 such numbers may stand in events; whoever takes them must not round them."""
    room = alice.create_room(room_version="5")
    reply = alice.request("PUT", path_of("rooms", room, "send", "org.example.n", unique("t")),
                          raw=('{"n":%s}' % number).encode())
    if reply.status == 200:
        text = alice.event(room, reply["event_id"]).ok().raw.decode()
        assert number in text or json.loads(text)["content"]["n"] == json.loads(number)
    else:
        reply.expect(400, J400)


def test_event_number__edges__exact(still_alive, alice, room):
    for number in ("9007199254740991", "-9007199254740991", "0"):
        reply = alice.request("PUT", path_of("rooms", room, "send", "org.example.n", unique("t")),
                              raw=('{"n":%s}' % number).encode()).ok()
        assert alice.event(room, reply["event_id"]).ok()["content"]["n"] == int(number)


@pytest.mark.parametrize("number", ["1.5", "12345678901234567890", "1e3", "-1.25e-3", "1E400"])
@pytest.mark.peer("500", only=["E400"])
def test_account_data_number__any_json_number__kept_or_refused(still_alive, alice, number):
    """Account data is not an event: floats are allowed there and come back with the same value."""
    path = path_of("user", alice.user_id, "account_data", "org.example.n")
    reply = alice.request("PUT", path, raw=('{"n":%s}' % number).encode())
    if reply.status == 200:
        reply = alice.request("GET", path, check=False).ok()
        assert json.loads(reply.raw)["n"] == json.loads('{"n":%s}' % number)["n"]
    else:
        reply.expect(400, J400)


# -- strings

@pytest.mark.parametrize("text", ["a\u0000b", "\u0000", "\u0001\u001f", "\ufffe\uffff", "\U0010ffff", "\u2028", "\x7f",
                                  "e\u0301", "\u202e rtl", "\"\\/\b\f\n\r\t"])
def test_event_string__odd_characters__kept_exactly(still_alive, alice, room, text):
    """JSON lets U+0000 stand in a string; what is taken is not cut short."""
    content = {"msgtype": "m.text", "body": text, "k" + text: "key too"}
    reply = alice.put_event(room, "m.room.message", content)
    event = alice.event(room, reply.ok()["event_id"]).ok()
    assert event["content"] == content
    assert any(item["content"] == content for item in alice.sync().joined(room).timeline)


@pytest.mark.parametrize("raw", [b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d"', b'"\\ud83dx"'])
@pytest.mark.peer("500, or keeps a lone surrogate")
def test_event_string__lone_surrogate__400(still_alive, alice, room, raw):
    alice.request("PUT", path_of("rooms", room, "send", "m.room.message", unique("t")),
                  raw=b'{"msgtype":"m.text","body":' + raw + b"}").expect(400, J400)


def test_event_string__surrogate_pair__one_character(still_alive, alice, room):
    reply = alice.request("PUT", path_of("rooms", room, "send", "m.room.message", unique("t")),
                          raw=b'{"msgtype":"m.text","body":"\\ud83d\\ude42"}').ok()
    assert alice.event(room, reply["event_id"]).ok()["content"]["body"] == "🙂"


def nul_paths(user, room):
    return [
        ("PUT", path_of("rooms", room, "state", "org.example\u0000x", "key\u0000")),
        ("PUT", path_of("rooms", room, "send", "org.example\u0000x", unique("t") + "\u0000")),
        ("PUT", path_of("user", user.user_id, "account_data", "a\u0000b")),
        ("PUT", path_of("user", user.user_id, "rooms", room, "tags", "u.\u0000")),
        ("GET", path_of("rooms", room + "\u0000", "state")),
        ("GET", path_of("profile", user.user_id + "\u0000")),
        ("GET", path_of("directory", "room", "#a\u0000:hs1")),
        ("GET", path_of("devices", "D\u0000")),
        ("GET", path_of("user", user.user_id, "filter", "\u0000")),
    ]


@pytest.mark.parametrize("number", range(9))
def test_path__nul_character__4xx_or_taken_never_5xx(still_alive, alice, room, number):
    method, path = nul_paths(alice, room)[number]
    reply = alice.request(method, path, {} if method == "PUT" else None)
    assert reply.status < 500, reply


@pytest.mark.parametrize("name, body", [
    ("displayname", {"displayname": "nul\u0000name"}), ("account_data", {"a": "nul\u0000"}),
    ("tag", {"order": 0.5, "x": "\u0000"}), ("state", {"name": "\u0000"}), ("createRoom", {"name": "nul\u0000"}),
    ("device", {"display_name": "nul\u0000"}), ("filter", {"room": {"timeline": {"types": ["\u0000"]}}}),
    ("login", {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "a\u0000"}, "password": "\u0000"}),
    ("register", {"username": "a\u0000b", "password": "xx words"}), ("kick", {"user_id": "@a\u0000:hs1"}),
    ("invite", {"user_id": "@a\u0000:hs1", "reason": "\u0000"}), ("redact", {"reason": "\u0000"}),
    ("leave", {"reason": "\u0000"}), ("alias", {"room_id": "!\u0000:hs1"}), ("typing", {"typing": True, "x": "\u0000"}),
], ids=lambda value: value if isinstance(value, str) else "")
def test_body__nul_character__4xx_or_taken_never_5xx(alice, room, name, body):
    reply = request(alice, room, name, json.dumps(body).encode())
    assert reply.status < 500, reply


# -- sizes

@pytest.mark.parametrize("name", ["createRoom", "send", "account_data", "login", "register", "filter", "displayname"])
def test_body__far_over_the_limit__413_or_400_quickly(still_alive, hs, alice, room, name):
    """Bodies are bounded before they are parsed (security 5.35), whatever their content type."""
    if hs.is_synapse and name in ("createRoom", "account_data", "filter"):
        pytest.skip("takes 12 MiB")
    raw = b'{"a":"' + b"x" * (12 * 1024 * 1024) + b'"}'
    try:
        reply = request(alice, room, name, raw)
    except OSError:
        return  # the server may close the connection on a client that goes on sending
    assert reply.status in (400, 413), reply
    if reply.status == 413:
        assert reply.errcode == "M_TOO_LARGE"


def test_body__content_length_lies__connection_ends_server_lives(still_alive, alice):
    connection = socket.create_connection((alice.http.host, alice.http.port), timeout=seconds(5))
    connection.sendall(("POST /_matrix/client/v3/createRoom HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                        "Content-Length: 1000000\r\n\r\n{}" % alice.token).encode())
    connection.close()


@pytest.mark.parametrize("head", [
    b"GARBAGE\r\n\r\n", b"GET\r\n\r\n",
    pytest.param(b"GET / HTTP/9.9\r\n\r\n", marks=pytest.mark.one_process("HAProxy makes a proper request of it, for a page that is there")),
    b"\x00\x01\x02\r\n\r\n", b"\x16\x03\x01\x00",
    b"GET /_matrix/client/versions HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 100000 + b"\r\n\r\n",
    b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    # once leaked: the library gives up a request that it has announced
    b"GET /_matrix/client/versions?" + b"&".join([b"a=1"] * 2000) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
], ids=range(11))
def test_http__malformed_request__server_lives(still_alive, alice, head):
    with socket.create_connection((alice.http.host, alice.http.port), timeout=seconds(5)) as connection:
        try:
            connection.sendall(head)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        except OSError:
            answer = b""
    assert not answer or not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 5")) or b"501" in answer[:16] or (
        b"505" in answer[:16])


def test_http__chunked_body__read(still_alive, alice):
    with socket.create_connection((alice.http.host, alice.http.port), timeout=seconds(10)) as connection:
        connection.sendall(("POST /_matrix/client/v3/createRoom HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                            "Authorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "5\r\n{\"nam\r\n8\r\ne\":\"ch\"}\r\n0\r\n\r\n" % alice.token).encode())
        answer = b""
        while True:
            part = connection.recv(65536)
            if not part:
                break
            answer += part
    assert answer.startswith(b"HTTP/1.1 200"), answer


def whoami(alice, query=b"", more=b""):
    return (b"GET /_matrix/client/v3/account/whoami" + query + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + alice.token.encode() +
            b"\r\n" + more + b"\r\n")


def room_of(alice, headers, body):
    return (b"POST /_matrix/client/v3/createRoom HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + alice.token.encode() + b"\r\n" +
            headers + b"\r\n" + body)


def answers_to(alice, *requests):
    """Sent together on one connection; the statuses of the answers and the errcodes in them, until the server ends it."""
    got = b""
    with socket.create_connection((alice.http.host, alice.http.port), timeout=seconds(20)) as connection:
        connection.sendall(b"".join(requests))
        while part := connection.recv(65536):
            got += part
    return re.findall(rb"HTTP/1.1 (\d+)", got), re.findall(rb'"errcode":"(\w+)"', got)


@pytest.mark.parametrize("count, status", [(300, b"200"), (900, b"200"), (1000, b"200"), (1001, b"400"), (2500, b"400")])
def test_query__many_parameters__taken_or_refused_with_an_errcode(still_alive, alice, count, status):
    """Each was an entry in the library's memory; where that ran out it left the client without an answer, for a minute and a half."""
    statuses, errcodes = answers_to(alice, whoami(alice, b"?" + b"&".join([b"a=1"] * count)),
                                    whoami(alice, more=b"Connection: close\r\n"))
    assert statuses == [status, b"200"]
    assert errcodes == [b"M_INVALID_PARAM"] * (status == b"400")


LENGTH, CHUNKS = b"Content-Length: 12\r\n", b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("headers, body", [
    (b"Content-Length : 12\r\n", b'{"name":"x"}'), (b"Content-Length\t: 12\r\n", b'{"name":"x"}'),
    (b"Content-Length:\r\n 12\r\n", b'{"name":"x"}'), (b"X: a\rContent-Length: 12\r\n", b'{"name":"x"}'),
    (b"Transfer-Encoding : chunked\r\n", b'c\r\n{"name":"x"}\r\n0\r\n\r\n'),
    (b"Transfer-Encoding:\r\n chunked\r\n", b'c\r\n{"name":"x"}\r\n0\r\n\r\n'),
    (LENGTH + LENGTH, b'{"name":"x"}'), (LENGTH + b"Content-Length: 5\r\n", b'{"name":"x"}'),
    (LENGTH + CHUNKS, b"0\r\n\r\n"), (CHUNKS + LENGTH, b"0\r\n\r\n"), (CHUNKS + CHUNKS, b"0\r\n\r\n"),
    (b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), (b"X y: z\r\n", b""),
    # the library takes these three for the end of the head, and the length for the beginning of the next request
    (b": b\r\n" + LENGTH, b'{"name":"x"}'), (b":\r\n" + LENGTH, b'{"name":"x"}'), (b"X:\r\n:\r\n" + LENGTH, b'{"name":"x"}'),
    (b"Host: y\r\n" + LENGTH, b'{"name":"x"}'), (b"host:x\r\n" + LENGTH, b'{"name":"x"}'),
    # and of these three "Xb" for a name; of what is behind the request it then loses a line
    (b"X: a\r\n b\r\n" + LENGTH, b'{"name":"x"}'), (b"X: a\r\n\tb\r\n b\r\nY: z\r\n" + LENGTH, b'{"name":"x"}'),
    (b"X:\r\n b\r\n" + LENGTH, b'{"name":"x"}'),
], ids=range(21))
@pytest.mark.one_process("HAProxy refuses it in its own words")
def test_framing__read_in_two_ways__refused_and_nothing_behind_it_is_read(still_alive, alice, headers, body):
    """RFC 9112, 5.1 and 6.1: whoever reads such a request otherwise than a proxy in front lets one user write the head of another's."""
    assert answers_to(alice, room_of(alice, headers, body), whoami(alice)) == ([b"400"], [b"M_UNKNOWN"])


@pytest.mark.parametrize("version, headers, status", [
    (b"1.1", b"", b"400"), (b"1.1", b"X: y\r\n", b"400"), (b"1.1", b": b\r\nHost: x\r\n", b"400"), (b"1.1", b"Host:\r\n", b"200"),
    (b"1.0", b"", b"200"), (b"1.0", b"X: y\r\n", b"200"), (b"1.0", b"Host: x\r\nHost: x\r\n", b"400"),
], ids=range(7))
@pytest.mark.one_process("HAProxy refuses it in its own words, or adds what is missing")
def test_host__missing_or_twice__refused_with_an_errcode_that_a_page_can_read(still_alive, alice, version, headers, status):
    """RFC 9112, 3.2: before HTTP/1.1 it may be missing."""
    with socket.create_connection((alice.http.host, alice.http.port), timeout=seconds(20)) as connection:
        connection.sendall(b"GET /_matrix/client/versions HTTP/" + version + b"\r\n" + headers + b"\r\n")
        connection.shutdown(socket.SHUT_WR)
        got = b""
        while part := connection.recv(65536):
            got += part
    assert got.split(b" ")[1] == status, got
    assert (b'"errcode":"M_UNKNOWN"' in got) == (status == b"400"), got
    assert b"access-control-allow-origin: *" in got.lower(), got


def works_of_a_second(server):
    """Of which a thread that spins takes all that the machine has for it, and other work of the server is over some time."""
    before = cpu_of([server.process.pid])
    time.sleep(1)
    return cpu_of([server.process.pid]) - before


@pytest.mark.parametrize("line", [b"0" * 60000, b"c;x=" + b"y" * 60000], ids=["length", "extension"])
@pytest.mark.one_process("HAProxy does not pass it on")
def test_chunk__line_that_never_ends__no_thread_spins(make_server, line):
    """The library can neither use nor keep it, and wants its turn again at once: for as long as a body may take."""
    server = make_server().start()
    ann = accounts.register(server.url, "ann")
    with socket.create_connection((ann.http.host, ann.http.port), timeout=seconds(20)) as connection:
        connection.sendall(room_of(ann, CHUNKS, b""))
        connection.settimeout(0.5)
        with contextlib.suppress(OSError):
            connection.sendall(line)
        assert any(works_of_a_second(server) < 0.1 for _ in range(5))  # of the 30 that a body may take
        assert ann.get("/account/whoami").ok()


@pytest.mark.parametrize("target", [
    "/_matrix/client/v3/profile/%", "/_matrix/client/v3/profile/%4", "/_matrix/client/v3/profile/%zz",
    "/_matrix/client/v3/profile/%ff%fe", "/_matrix/client/v3/rooms/%C3/state", "/_matrix/client/v3/directory/room/%23%ED%A0%80:x",
    "/_matrix/client/v3/sync?filter=%", "/_matrix/client/v3/sync?since=%zz", "/_matrix/client/v3/sync?since=%ff",
    "/_matrix/client/v3/sync?filter=%ff", "/_matrix/client/v3/rooms/!x:y/messages?dir=b&from=%c3%28",
])
@pytest.mark.peer("502", only=["ED"])
def test_path_and_query__bad_percent_encoding__400(still_alive, alice, target):
    reply = alice.http.raw("GET", target, headers={"Authorization": "Bearer " + alice.token})
    assert reply.status in (400, 403, 404), reply
    assert reply.errcode, reply


@pytest.mark.parametrize("encoded", ["%21", "!"])
def test_path__sigil_escaped_or_not__same_room(alice, room, encoded):
    target = "/_matrix/client/v3/rooms/%s%s/state/m.room.create" % (encoded, room[1:].replace(":", "%3A"))
    alice.http.raw("GET", target, headers={"Authorization": "Bearer " + alice.token}).ok()


def long_ids(user, room):
    long_user = "@" + "u" * 260 + ":hs1"
    long_room = "!" + "r" * 260 + ":hs1"
    return [
        ("GET", path_of("profile", long_user), None), ("POST", path_of("rooms", long_room, "join"), {}),
        ("GET", path_of("rooms", long_room, "state"), None), ("GET", path_of("rooms", room, "event", "$" + "e" * 260), None),
        ("POST", path_of("rooms", room, "invite"), {"user_id": long_user}),
        ("POST", path_of("rooms", room, "kick"), {"user_id": long_user}),
        ("POST", path_of("rooms", room, "ban"), {"user_id": long_user}),
        ("GET", path_of("directory", "room", "#" + "a" * 260 + ":hs1"), None),
        ("PUT", path_of("rooms", room, "redact", "$" + "e" * 300, "t1"), {}),
        ("PUT", path_of("rooms", room, "state", "m.room.member", long_user), {"membership": "invite"}),
        ("GET", path_of("user", long_user, "filter", "1"), None),
        ("POST", path_of("join", "#" + "a" * 300 + ":hs1"), {}),
        ("POST", path_of("rooms", room, "receipt", "m.read", "$" + "e" * 300), {}),
    ]


@pytest.mark.parametrize("number", range(13))
def test_id__over_255_bytes__4xx(still_alive, alice, room, number, hs):
    method, path, body = long_ids(alice, room)[number]
    reply = alice.request(method, path, body)
    if hs.is_synapse and reply.status == 200:
        return
    assert 400 <= reply.status < 500, reply


# -- tokens of login

PRIVATE = ["/account/whoami", "/sync", "/joined_rooms", "/devices", "/capabilities"]


@pytest.mark.parametrize("path", PRIVATE)
def test_token__none_unknown_revoked__401_with_the_right_errcode(alice, path):
    alice.get(path, token=False).expect(401, "M_MISSING_TOKEN")
    alice.get(path, token="unknown").expect(401, "M_UNKNOWN_TOKEN")
    other = alice.login()
    other.get(path).ok()
    other.post("/logout").ok()
    other.get(path).expect(401, "M_UNKNOWN_TOKEN")


@pytest.mark.parametrize("name", sorted(set(ENDPOINTS) - {"register", "login", "refresh", "password", "deactivate"}))
def test_token__missing_on_writing_endpoints__401(alice, room, name):
    event = alice.send(room)
    method, path, body = bodies(alice, room, event)[name]
    alice.request(method, path, body, token=False).expect(401, "M_MISSING_TOKEN")
    alice.request(method, path, body, token="unknown").expect(401, "M_UNKNOWN_TOKEN")


def test_token__one_character_changed__401(alice):
    for place in range(0, len(alice.token), 3):
        changed = alice.token[:place] + ("x" if alice.token[place] != "x" else "y") + alice.token[place + 1:]
        alice.get("/account/whoami", token=changed).expect(401, "M_UNKNOWN_TOKEN")
    alice.get("/account/whoami", token=alice.token[:-1]).expect(401, "M_UNKNOWN_TOKEN")
    alice.get("/account/whoami", token=alice.token + "a").expect(401, "M_UNKNOWN_TOKEN")


@pytest.mark.parametrize("token", ["t0-0", "s0_0_0", "nonsense", "t999999999999-1", "-5", "😀", "t1-1_0_0_0_0_0_0_0_0_0_0_0"])
def test_pagination_token__forged__400_or_empty(still_alive, alice, room, token):
    reply = alice.messages(room, "b", **{"from": token})
    assert reply.status in (200, 400), reply


def test_pagination_token__of_one_room_in_another__no_foreign_events(still_alive, alice, bob, room):
    for number in range(15):
        alice.send(room, str(number))
    end = alice.messages(room, "b", limit=5).ok()["end"]
    other = bob.create_room()
    mine = bob.send(other, "mine")
    for direction in "bf":
        reply = bob.messages(other, direction, **{"from": end})
        assert reply.status in (200, 400)
        for event in reply.get("chunk", []):
            assert event["room_id"] == other
    assert mine
