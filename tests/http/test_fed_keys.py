"""Keys of servers: this one's as others read them, and others' as this one hands them on.
Spec: server-server API, "Retrieving server keys"."""
import json
import time

import pytest
from signedjson.key import decode_signing_key_base64, decode_verify_key_bytes, encode_verify_key_base64, generate_signing_key, get_verify_key
from signedjson.sign import SignatureVerifyException, sign_json, verify_signed_json
from unpaddedbase64 import decode_base64

from support.client import seconds
from support.shared_room import SharedRoom

KEYS = "/_matrix/key/v2/server"
QUERY = "/_matrix/key/v2/query"


def verify(answer, name, keys):
    """The answer carries a signature of that server by one of these keys of it."""
    for key_id, key in keys["verify_keys"].items():
        if key_id in answer["signatures"][name]:
            verify_signed_json(answer, name, decode_verify_key_bytes(key_id, decode_base64(key["key"])))
            return
    raise SignatureVerifyException("no signature")


def own_keys(server):
    return server.anonymous().request("GET", KEYS, token=False).ok()


def query(server, name, **parameters):
    reply = server.anonymous().request("GET", QUERY + "/" + name, query=parameters, token=False).ok()
    return reply["server_keys"]


def test_server_keys__asked_over_tls__signed_by_themselves(federated, remote):
    keys = remote.raw(federated, "GET", KEYS).ok()
    assert keys["server_name"] == federated.server_name
    verify(keys.json, federated.server_name, keys)
    assert 3600 * 1000 < keys["valid_until_ts"] - time.time() * 1000 < 7 * 24 * 3600 * 1000
    assert keys["old_verify_keys"] == {}
    for older in ("/", "/ed25519:0"):
        assert remote.raw(federated, "GET", KEYS + older).ok()["verify_keys"] == keys["verify_keys"]


def test_key_rotation__old_key_stays_listed(make_federated):
    server = make_federated().start()
    before = own_keys(server)
    (old_id, old), = before["verify_keys"].items()
    refused = server.run("key", "rotate", settings={})
    assert refused.returncode == 1 and "stop that server first" in refused.stderr
    assert own_keys(server)["verify_keys"] == before["verify_keys"]
    server.terminate()
    earliest = time.time() * 1000
    assert server.run("key", "rotate", settings={}).returncode == 0
    listed = server.run("key", "list", settings={}).stdout.splitlines()
    assert len(listed) == 2 and "in use" in listed[0] and old_id in listed[1] and old["key"] in listed[1]
    server.start()
    after = own_keys(server)
    (new_id, new), = after["verify_keys"].items()
    assert new_id != old_id and new["key"] != old["key"]
    assert after["old_verify_keys"][old_id]["key"] == old["key"]
    assert earliest <= after["old_verify_keys"][old_id]["expired_ts"] <= time.time() * 1000
    verify(after.json, server.server_name, after)


def test_old_keys__file_of_another_form__server_says_so(make_federated):
    server = make_federated().start()
    server.terminate()
    with open(server.data + "/old_keys", "w", encoding="utf-8") as file:
        file.write("ed25519 a nonsense\n")
    server.launch().process.wait(seconds(30))
    assert "is not of the form" in server.log()


def test_version__names_the_program(federated):
    reply = federated.anonymous().request("GET", "/_matrix/federation/v1/version", token=False).ok()
    assert reply["server"]["name"] == "Belfry" and reply["server"]["version"]


def test_well_known__announced_or_missing(federated, make_server):
    path = "/.well-known/matrix/server"
    federated.anonymous().request("GET", path, token=False, check=False).expect(404, "M_NOT_FOUND")
    server = make_server(settings={"federation.announce": "matrix.school.example:443"}).start()
    assert server.anonymous().request("GET", path, token=False).ok().json == {"m.server": "matrix.school.example:443"}


# -- as a notary

def test_notary__another_server__its_answer_with_both_signatures(federated, remote):
    (answer,) = query(federated, remote.name)
    assert answer["server_name"] == remote.name
    verify(answer, remote.name, answer)
    verify(answer, federated.server_name, own_keys(federated))
    query(federated, remote.name)
    assert len(remote.asked) == 1, "what is known is not asked again"


def test_notary__own_name__own_keys(federated):
    (answer,) = query(federated, federated.server_name)
    assert answer["verify_keys"] == own_keys(federated)["verify_keys"]
    verify(answer, federated.server_name, answer)


def test_notary__unknown_fields__kept_as_signed(federated, make_remote):
    remote = make_remote()
    remote.on("GET", KEYS, lambda ask: (200, remote.keys(more={"z": [1.5, "é"], "a": None})))
    (answer,) = query(federated, remote.name)
    assert answer["more"] == {"z": [1.5, "é"], "a": None}
    verify(answer, remote.name, answer)


def test_notary__server_is_away__what_is_known_also_after_a_start(make_federated, make_remote):
    server, remote = make_federated().start(), make_remote()
    (before,) = query(server, remote.name)
    remote.stop()
    later = int(time.time() * 1000) + 3 * 24 * 3600 * 1000
    (answer,) = query(server, remote.name, minimum_valid_until_ts=later)
    assert answer["verify_keys"] == before["verify_keys"]
    server.terminate()
    server.start()
    (answer,) = query(server, remote.name)
    assert answer["verify_keys"] == before["verify_keys"]
    verify(answer, remote.name, before)


def test_notary__server_that_nobody_knows__empty(federated):
    assert query(federated, "127.0.0.1:1") == []
    federated.anonymous().request("GET", QUERY + "/no%20name", token=False, check=False).expect(400, "M_INVALID_PARAM")


def test_notary__keys_that_end_too_soon__asked_for_anew(federated, make_remote):
    remote = make_remote()
    hour = 3600 * 1000
    ends = [int(time.time() * 1000) + hour, int(time.time() * 1000) + 48 * hour]
    remote.on("GET", KEYS, lambda ask: (200, remote.keys(valid_until_ts=ends[min(len(remote.asked), 2) - 1])))
    assert query(federated, remote.name)[0]["valid_until_ts"] == ends[0]
    assert query(federated, remote.name)[0]["valid_until_ts"] == ends[0] and len(remote.asked) == 1
    deadline = time.monotonic() + seconds(20)
    while query(federated, remote.name, minimum_valid_until_ts=ends[0] + hour)[0]["valid_until_ts"] != ends[1]:
        assert time.monotonic() < deadline, "a server that has just answered is not asked for ten seconds"
        time.sleep(0.2)


def test_notary__several_servers__those_that_are_there(federated, make_remote):
    first, second = make_remote(), make_remote()
    names = {first.name: {}, second.name: {first.key_id: {"minimum_valid_until_ts": 5}}, "127.0.0.1:1": {}}
    reply = federated.anonymous().request("POST", QUERY, {"server_keys": names}, token=False).ok()
    assert {answer["server_name"] for answer in reply["server_keys"]} == {first.name, second.name}
    reply = federated.anonymous().request("POST", QUERY, {"server_keys": {}}, token=False).ok()
    assert reply.json == {"server_keys": []}


@pytest.mark.parametrize("body", [{}, {"server_keys": []}, {"server_keys": {"a b": {}}}, {"server_keys": {"x.example": 5}},
                                  {"server_keys": {"x.example": {"ed25519:1": {"minimum_valid_until_ts": "5"}}}},
                                  {"server_keys": {"x%d.example" % number: {} for number in range(101)}}],
                         ids=["nothing", "list", "no name", "no object", "no time", "too many"])
def test_notary__odd_query__400(federated, body):
    federated.anonymous().request("POST", QUERY, body, token=False, check=False).expect(400)


# -- what others say of their keys


def unsigned(remote):
    answer = remote.keys()
    del answer["signatures"]
    return answer


def changed(remote):
    return {**remote.keys(), "valid_until_ts": int(time.time() * 1000) + 5000}


LEAKED = decode_signing_key_base64("ed25519", "k1", "AZT9wvov/MBB0/8SBFtzyG5P+V/2YqXu6Cq99EotC3U")
"""The key that an installer made everywhere: everybody may sign with it."""


def leaked(remote):
    return sign_json({"server_name": remote.name, "valid_until_ts": int(time.time() * 1000) + 10 ** 7,
                      "verify_keys": {"ed25519:k1": {"key": encode_verify_key_base64(get_verify_key(LEAKED))}}},
                     remote.name, LEAKED)


WRONG = {
    "another's name": lambda remote: remote.keys(server_name="127.0.0.1:2"),
    "unsigned": unsigned, "changed": changed, "leaked key": leaked,
    "signed by a key that is not in it": lambda remote: sign_json(
        {**unsigned(remote)}, remote.name, generate_signing_key("k1")),
    "many keys": lambda remote: remote.keys(verify_keys={
        **{"ed25519:x%d" % number: {"key": "A" * 43} for number in range(300)}}),
    "keys are a list": lambda remote: remote.keys(verify_keys=[]),
    "no end": lambda remote: remote.keys(valid_until_ts="tomorrow"),
    "too large": lambda remote: remote.keys(more="x" * (300 * 1024)),
    "a list": lambda remote: [remote.keys()],
    "deep": lambda remote: json.loads("[" * 90 + "]" * 90),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_answer_about_keys__wrong__not_believed(federated, make_remote, name):
    remote = make_remote()
    remote.on("GET", KEYS, lambda ask: (200, WRONG[name](remote)))
    assert query(federated, remote.name) == []
    assert query(federated, "127.0.0.1:2") == []


def test_answer_about_keys__drips__given_up(federated, make_remote):
    remote = make_remote()

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not remote.closing.wait(0.3):
            handler.wfile.write(b" ")
            handler.wfile.flush()
    remote.on("GET", KEYS, lambda ask: drip)
    begun = time.monotonic()
    assert query(federated, remote.name) == []
    assert time.monotonic() - begun < seconds(20)


def test_sec_5_44__leaked_key_of_another_server__signs_nothing(federated, make_remote):
    """Whoever has the installer has it: requests signed by it are refused."""
    remote = make_remote()
    remote.key = LEAKED
    remote.on("GET", KEYS, lambda ask: (200, leaked(remote)))
    remote.send(federated, "GET", "/query/profile?user_id=x").expect(401, "M_UNAUTHORIZED")
    assert [ask.path for ask in remote.asked] == [KEYS]
    assert query(federated, remote.name) == []


# -- asking notaries

class Notary:
    """Another's keys from a remote; `forge` changes the answer before or after the notary signs it."""

    def __init__(self, remote, absent, forge=None):
        self.remote, self.absent, self.forge = remote, absent, forge
        self.old_key = generate_signing_key("k0")
        old = {"key": encode_verify_key_base64(get_verify_key(self.old_key)), "expired_ts": int(time.time() * 1000)}
        remote.on("GET", KEYS, lambda ask: (200, remote.keys(old_verify_keys={"ed25519:k0": old})))
        remote.on("POST", QUERY, self.answer)

    def answer(self, ask):
        assert set(ask.json["server_keys"]) == {self.absent.name}
        answer = self.absent.keys()
        if self.forge is None:
            answer = self.remote.sign(answer)
        elif self.forge == "signed by its old key":
            answer = sign_json(answer, self.remote.name, self.old_key)
        elif self.forge == "signed by another":
            answer = sign_json(answer, self.remote.name, generate_signing_key("k1"))
        elif self.forge == "changed":
            answer = self.remote.sign({**answer, "valid_until_ts": answer["valid_until_ts"] + 1})
        return 200, {"server_keys": [answer, {"server_name": "x.example"}, 5]}


@pytest.fixture
def absent(make_remote):
    remote = make_remote()
    remote.on("GET", KEYS, lambda ask: (503, {}))
    return remote


def test_notaries__server_is_away__its_keys_from_the_second_notary(make_federated, make_remote, absent):
    first, second = make_remote(), make_remote()
    first.on("POST", QUERY, lambda ask: (200, {"server_keys": []}))
    Notary(second, absent)
    server = make_federated(settings={"federation.notaries": "%s,%s" % (first.name, second.name)}).start()
    (answer,) = query(server, absent.name)
    assert answer["verify_keys"] == absent.keys()["verify_keys"]
    verify(answer, server.server_name, own_keys(server))
    absent.send(server, "GET", "/_matrix/federation/v1/version").ok()


@pytest.mark.parametrize("forge", ["unsigned", "signed by another", "signed by its old key", "changed"])
def test_notaries__answer_without_good_signatures__not_believed(make_federated, make_remote, absent, forge):
    notary = make_remote()
    Notary(notary, absent, forge)
    server = make_federated(settings={"federation.notaries": notary.name}).start()
    assert query(server, absent.name) == []
    assert [ask.path for ask in notary.asked] == [KEYS, QUERY]


def test_notaries__asked__for_the_key_that_is_needed_and_valid_now(make_federated, make_remote, absent):
    """"Servers MUST set the minimum_valid_until_ts property": without a key's id notaries in use ask nobody."""
    notary = make_remote()
    Notary(notary, absent)
    server = make_federated(settings={"federation.notaries": notary.name}).start()
    begun = int(time.time() * 1000)
    absent.send(server, "GET", "/query/profile?user_id=@x:y").expect(404)
    wish = notary.next("POST", QUERY).json["server_keys"][absent.name]
    assert set(wish) == {absent.key_id}
    assert begun <= wish[absent.key_id]["minimum_valid_until_ts"] <= int(time.time() * 1000)


def test_notaries__event_of_before__its_key_as_of_then(make_federated, make_remote, remote, absent):
    notary = make_remote()
    Notary(notary, absent)
    server = make_federated(settings={"federation.notaries": notary.name}).start()
    shared = SharedRoom(server, remote)
    user_id, then = "@yan:" + absent.name, int(time.time() * 1000) - 3600 * 1000
    join = shared.room.sign(shared.room.draft("m.room.member", {"membership": "join"}, user_id, user_id,
                                              origin_server_ts=then), signer=absent)
    shared.deliver(join)
    wish = notary.next("POST", QUERY).json["server_keys"][absent.name]
    assert wish == {absent.key_id: {"minimum_valid_until_ts": then}}


def test_notaries__more_ids_than_are_asked_for__of_all_keys(make_federated, make_remote, remote, absent):
    """Whoever passes events on can make up ids of another's keys: they keep no key that signed from being asked for."""
    notary = make_remote()
    Notary(notary, absent)
    server = make_federated(settings={"federation.notaries": notary.name}).start()
    shared = SharedRoom(server, remote)

    def joined(name, count):
        user_id = "@%s:%s" % (name, absent.name)
        pdu = shared.room.sign(shared.room.draft("m.room.member", {"membership": "join"}, user_id, user_id), signer=absent)
        pdu.json["signatures"][absent.name].update({"ed25519:made_up_%s_%d" % (name, n): "A" * 86 for n in range(count)})
        return pdu
    pdus = [joined("yan%d" % n, 7) for n in range(8)]
    remote.transaction(server, pdus).ok()
    assert notary.next("POST", QUERY).json["server_keys"][absent.name] == {}


def test_notaries__several_answers_of_one_server__all_their_keys(make_federated, make_remote, absent):
    """A notary that is asked for several keys may know them from several answers."""
    notary, before = make_remote(), generate_signing_key("k0")
    older = sign_json({"server_name": absent.name, "valid_until_ts": 5, "old_verify_keys": {}, "verify_keys": {
        "ed25519:k0": {"key": encode_verify_key_base64(get_verify_key(before))}}}, absent.name, before)
    notary.on("POST", QUERY, lambda ask: (200, {"server_keys": [notary.sign(older), notary.sign(absent.keys())]}))
    server = make_federated(settings={"federation.notaries": notary.name}).start()
    absent.send(server, "GET", "/query/profile?user_id=@x:y").expect(404)
    (answer,) = query(server, absent.name)
    assert answer["verify_keys"] == absent.keys()["verify_keys"]
    known = server.sql("SELECT string_agg(key_id, ' ' ORDER BY key_id) FROM server_keys WHERE server_name = '%s'" % absent.name)
    assert known.split() == ["ed25519:k0", "ed25519:k1"]
