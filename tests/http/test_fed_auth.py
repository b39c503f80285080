"""Signed requests of other servers.  Spec: server-server API, "Request Authentication"."""
import functools
import threading
import time

import pytest
from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key

from support.client import quote, seconds
from support.remote import FEDERATION
from support.server import free_port, wait_until
from support.twins import waiting

TARGET = FEDERATION + "/query/profile?user_id="


def target(server, user="@nobody"):
    return TARGET + quote("%s:%s" % (user, server.server_name))


def ask(server, remote, path=None, **other):
    return remote.send(server, "GET", path or target(server), **other)


def is_admitted(reply):
    """Whatever the handler says of a user that is not there."""
    return reply.status in (200, 404)


def test_request__good_signature__admitted(federated, remote):
    assert is_admitted(ask(federated, remote))
    assert is_admitted(ask(federated, remote)), "the second time by the key in memory"
    assert [asked.path for asked in remote.asked] == ["/_matrix/key/v2/server"], "its key is asked for once"


def test_request__unsigned__401(federated, remote):
    for headers in ({}, {"Authorization": "Bearer abc"}, {"Authorization": "X-Matrix"},
                    {"Authorization": 'X-Matrix origin="%s"' % remote.name}):
        remote.raw(federated, "GET", target(federated), headers=headers).expect(401, "M_UNAUTHORIZED")
    assert remote.asked == [], "nobody is asked for the key of a request that is none"


@pytest.mark.parametrize("wrong", [
    {"destination": "other.example"}, {"origin": "127.0.0.1:1"}, {"key": "ed25519:other"}, {"key": "rsa:k1"},
    {"sig": "AAAA"}, {"sig": ""}, {"origin": ""}, {"origin": "not a name"},
], ids=lambda wrong: "%s=%s" % next(iter(wrong.items())))
def test_request__wrong_parameter__401(federated, remote, wrong):
    ask(federated, remote, **wrong).expect(401, "M_UNAUTHORIZED")


def test_request__no_destination__admitted_as_the_specification_asks(federated, remote):
    assert is_admitted(ask(federated, remote, destination=None))


def test_request__signed_for_another_server__401(federated, remote):
    """Without a destination in the header the signature alone tells."""
    path = target(federated)
    header = remote.authorization("GET", path, "other.example", destination=None)
    remote.raw(federated, "GET", path, headers={"Authorization": header}).expect(401, "M_UNAUTHORIZED")


POST = FEDERATION + "/user/keys/query"


@pytest.mark.parametrize("change", ["target", "method", "content", "content added", "content missing"])
def test_request__changed_after_signing__401(federated, remote, change):
    content = {"device_keys": {}, "x": 1}
    sign = {"method": "POST", "content": content}
    sign.update({"method": {"method": "PUT"}, "content added": {"content": None}}.get(change, {}))
    header = {"Authorization": remote.authorization(sign["method"], POST, federated.server_name, sign["content"])}
    where = POST + "?x=1" if change == "target" else POST
    body = {"content": b'{"device_keys":{},"x":2}', "content missing": None}.get(change, b'{"device_keys":{},"x":1}')
    remote.raw(federated, "POST", where, body, header).expect(401, "M_UNAUTHORIZED")


def test_request__spaces_and_escapes_in_its_body__signature_over_the_values(federated, remote):
    content = {"device_keys": {}, "x": "é\u2028\"/", "a": 1}
    header = {"Authorization": remote.authorization("POST", POST, federated.server_name, content)}
    body = b'{ "x" : "\\u00e9\\u2028\\u0022\\/", "device_keys":{ },"a" :1}'
    remote.raw(federated, "POST", POST, body, header).ok()


@pytest.mark.parametrize("body, errcode", [(b"{", "M_NOT_JSON"), (b"\xff{}", "M_NOT_JSON"), (b"[]", "M_BAD_JSON"),
                                           (b'{"a":1,"a":2}', "M_BAD_JSON"), (b"[" * 100000, "M_BAD_JSON")])
def test_request__body_that_cannot_be_signed__400(federated, remote, body, errcode):
    header = {"Authorization": remote.authorization("POST", POST, federated.server_name, {})}
    remote.raw(federated, "POST", POST, body, header).expect(400, errcode)


def test_request__own_name_as_origin__401(federated, remote):
    """Nobody signs as this server, whose key is known to it."""
    ask(federated, remote, origin=federated.server_name).expect(401, "M_UNAUTHORIZED")


def test_request__old_key__401(federated, make_remote):
    """old_verify_keys sign events only."""
    remote = make_remote()
    old, remote.key = remote.key, generate_signing_key("k2")
    remote.on("GET", "/_matrix/key/v2/server", lambda ask: (200, new.keys(old_verify_keys={
        "ed25519:k1": {"expired_ts": int(time.time() * 1000), "key": encode_verify_key_base64(get_verify_key(old))}})))
    new = Signer(remote, remote.key)
    remote.key = old
    ask(federated, remote).expect(401, "M_UNAUTHORIZED")
    remote.key = new.key
    assert is_admitted(ask(federated, remote))


class Signer:
    """The same server with another of its keys."""

    def __init__(self, remote, key):
        self.remote, self.key = remote, key

    def keys(self, **more):
        current, self.remote.key = self.remote.key, self.key
        try:
            return type(self.remote).keys(self.remote, **more)
        finally:
            self.remote.key = current


def test_request__key_past_its_end__asked_for_anew(federated, make_remote):
    remote = make_remote()
    soon = functools.cache(lambda: int((time.time() + seconds(1)) * 1000))  # from the first answer on, however long it took to be asked
    remote.on("GET", "/_matrix/key/v2/server", lambda ask: (200, remote.keys(valid_until_ts=soon())))
    assert is_admitted(ask(federated, remote))
    time.sleep(max(soon() / 1000 - time.time(), 0) + 0.05)  # an end is a time, and no event
    ask(federated, remote).expect(401, "M_UNAUTHORIZED")


def test_request__new_key__asked_for_once_a_while(federated, make_remote):
    """A key id that is not known makes a server be asked again, but not by every request."""
    remote = make_remote()
    began = time.monotonic()
    assert is_admitted(ask(federated, remote))
    for number in range(20):
        ask(federated, remote, key="ed25519:x%d" % number).expect(401, "M_UNAUTHORIZED")
    assert len(remote.asked) <= 2 + (time.monotonic() - began) / 10


@pytest.mark.one_process("those who wait for a key are joined within a process: two ask for it twice")
def test_unknown_servers__their_keys_do_not_come__others_are_served(make_federated, make_remote, remote):
    """More requests of silent servers than there are workers."""
    server = make_federated(settings={"http.local_workers": "2", "http.remote_workers": "2",
                                      "listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    assert is_admitted(ask(server, remote))
    silent = make_remote()
    held = threading.Event()

    def never(handler):
        held.wait(seconds(60))
        handler.close_connection = True
    silent.on("GET", "/_matrix/key/v2/server", lambda ask: never)
    answered = []
    for number in range(6):
        thread = threading.Thread(target=lambda: answered.append(ask(server, silent)), daemon=True)
        thread.start()
    wait_until(lambda: waiting(server) == 6, what="they wait for the key")
    for number in range(3):
        assert is_admitted(ask(server, remote))
    wait_until(lambda: silent.asked, what="the question about the key")  # it may be on its way as long as others were served
    assert answered == []
    assert len(silent.asked) == 1, "once, whoever waits"
    held.set()


def test_request__key_server_of_no_use__401_soon(federated, remote):
    """Nobody listens there."""
    begun = time.monotonic()
    ask(federated, remote, origin="127.0.0.1:1").expect(401, "M_UNAUTHORIZED")
    assert time.monotonic() - begun < seconds(5)


def test_notaries__old_answer__does_not_revive_a_key(make_federated, make_remote):
    """A key that its server gave up stays so, whatever a notary kept of better days."""
    remote, notary = make_remote(), make_remote()
    old, old_answer = remote.key, remote.keys()
    remote.key = generate_signing_key("k2")
    given_up = {"ed25519:k1": {"expired_ts": int(time.time() * 1000) - 1000,
                               "key": encode_verify_key_base64(get_verify_key(old))}}
    soon = int((time.time() + seconds(1)) * 1000)
    remote.on("GET", "/_matrix/key/v2/server", lambda ask: (200, remote.keys(old_verify_keys=given_up, valid_until_ts=soon)))
    notary.on("POST", "/_matrix/key/v2/query", lambda ask: (200, {"server_keys": [notary.sign(old_answer)]}))
    server = make_federated(settings={"federation.notaries": notary.name}).start()
    server.anonymous().request("GET", "/_matrix/key/v2/query" + "/" + remote.name, token=False).ok()
    remote.on("GET", "/_matrix/key/v2/server", lambda ask: (503, {}))
    remote.key = old
    deadline = time.monotonic() + seconds(30)
    while not [ask for ask in notary.asked if ask.path == "/_matrix/key/v2/query"]:  # not asked again within ten seconds
        assert time.monotonic() < deadline
        remote.send(server, "GET", "/query/profile?user_id=x", key="ed25519:k1").expect(401, "M_UNAUTHORIZED")
        time.sleep(0.2)
    remote.send(server, "GET", "/query/profile?user_id=x", key="ed25519:k1").expect(401, "M_UNAUTHORIZED")


def test_requests__more_than_a_user_may__answered(make_federated, remote):
    """A partner's server asks for all of its users: the budget of one user is not its own."""
    server = make_federated(settings={"rate_limits.enabled": "true", "rate_limits.read.per_minute": "1",
                                      "rate_limits.read.burst": "2"}).start()
    for _ in range(6):
        assert is_admitted(ask(server, remote))


def test_requests__wait_for_a_key__server_stops_at_once(make_federated, make_remote):
    """They are told to come again, not that they are not believed."""
    server, silent = make_federated().start(), make_remote()
    silent.on("GET", "/_matrix/key/v2/server", lambda ask: lambda handler: silent.closing.wait(seconds(60)))
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(ask(server, silent).status), daemon=True) for _ in range(5)]
    for thread in threads:
        thread.start()
    silent.next("GET", "/_matrix/key/v2/server")
    begun = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - begun < seconds(10)  # the threads would wait for twenty
    for thread in threads:
        thread.join(seconds(10))
    # one may have come after the end of listening
    assert replies and set(replies) == {503}
