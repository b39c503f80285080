"""Key backups: versions, keys by all, room and session, which key stays."""
import threading

import pytest

from support.client import path_of

ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
VERSION = "/room_keys/version"


def create(client, **auth):
    return client.post(VERSION, {"algorithm": ALGORITHM, "auth_data": {"public_key": "abc", **auth}}).ok()["version"]


def key(index=1, forwarded=0, verified=False, data="x"):
    return {"first_message_index": index, "forwarded_count": forwarded, "is_verified": verified,
            "session_data": {"ciphertext": data, "ephemeral": "e", "mac": "m"}}


def put(client, version, *where, body):
    return client.put(path_of("room_keys", "keys", *where), body, query={"version": version})


def get(client, version, *where):
    return client.get(path_of("room_keys", "keys", *where), {"version": version})


def delete(client, version, *where):
    return client.delete(path_of("room_keys", "keys", *where), query={"version": version})


@pytest.fixture
def version(alice):
    return create(alice)


# -- versions

def test_backup__none__404(alice):
    alice.get(VERSION).expect(404, "M_NOT_FOUND")
    for name in ("1", "0", "x", "99999999999999999999"):
        alice.get(VERSION + "/" + name).expect(404, "M_NOT_FOUND")
        alice.delete(VERSION + "/" + name).expect(404, "M_NOT_FOUND")
        get(alice, name).expect(404, "M_NOT_FOUND")
        delete(alice, name).expect(404, "M_NOT_FOUND")
        put(alice, name, body={"rooms": {}}).expect(404, "M_NOT_FOUND")


def test_backup__created__told(alice, bob):
    version = create(alice, signatures={alice.user_id: {"ed25519:x": "y"}})
    expected = {"algorithm": ALGORITHM, "count": 0, "etag": "0", "version": version,
                "auth_data": {"public_key": "abc", "signatures": {alice.user_id: {"ed25519:x": "y"}}}}
    assert alice.get(VERSION).ok().json == expected
    assert alice.get(VERSION + "/" + version).ok().json == expected
    assert alice.get("/_matrix/client/unstable" + VERSION).ok().json == expected
    bob.get(VERSION).expect(404, "M_NOT_FOUND")


def test_backup__updated__auth_data_only(alice, version):
    where = VERSION + "/" + version
    alice.put(where, {"algorithm": ALGORITHM, "auth_data": {"public_key": "new"}, "version": version}).ok()
    assert alice.get(VERSION).ok()["auth_data"] == {"public_key": "new"}
    alice.put(where, {"algorithm": "m.other", "auth_data": {}}).expect(400, "M_INVALID_PARAM")
    alice.put(where, {"algorithm": ALGORITHM, "auth_data": {}, "version": "77"}).expect(400, "M_INVALID_PARAM")
    alice.put(VERSION + "/77", {"algorithm": ALGORITHM, "auth_data": {}}).expect(404, "M_NOT_FOUND")
    assert alice.get(VERSION).ok()["auth_data"] == {"public_key": "new"}


@pytest.mark.parametrize("body", [{}, {"algorithm": ALGORITHM}, {"auth_data": {}}, {"algorithm": 1, "auth_data": {}},
                                  {"algorithm": ALGORITHM, "auth_data": []}, {"algorithm": "", "auth_data": {}},
                                  {"algorithm": "x" * 256, "auth_data": {}}])
def test_backup__malformed_version__400(alice, body):
    alice.post(VERSION, body).expect(400)


def test_backup__deleted__gone_with_keys_and_number(alice, version):
    put(alice, version, body={"rooms": {"!r:hs1": {"sessions": {"s": key()}}}}).ok()
    alice.delete(VERSION + "/" + version).ok()
    alice.delete(VERSION + "/" + version).ok()  # it was deleted before
    alice.get(VERSION).expect(404, "M_NOT_FOUND")
    alice.get(VERSION + "/" + version).expect(404, "M_NOT_FOUND")
    alice.put(VERSION + "/" + version, {"algorithm": ALGORITHM, "auth_data": {}}).expect(404, "M_NOT_FOUND")
    get(alice, version).expect(404, "M_NOT_FOUND")
    put(alice, version, body={"rooms": {}}).expect(404, "M_NOT_FOUND")
    assert create(alice) != version


def test_backup__newer_version__old_one_read_only(alice, version):
    put(alice, version, body={"rooms": {"!r:hs1": {"sessions": {"s": key()}}}}).ok()
    newer = create(alice)
    for where, body in (((), {"rooms": {}}), (("!r:hs1",), {"sessions": {}}), (("!r:hs1", "s"), key())):
        refused = put(alice, version, *where, body=body).expect(403, "M_WRONG_ROOM_KEYS_VERSION")
        assert refused["current_version"] == newer
    assert get(alice, version).ok()["rooms"]["!r:hs1"]["sessions"]["s"] == key()
    assert get(alice, newer).ok()["rooms"] == {}
    put(alice, "77", body={"rooms": {}}).expect(403, "M_WRONG_ROOM_KEYS_VERSION")
    alice.delete(VERSION + "/" + newer).ok()
    put(alice, version, "!r:hs1", "s2", body=key()).ok()


def test_backup__one_of_two_deleted__the_other_and_its_keys_stay(alice, version):
    rooms = {"rooms": {"!r:hs1": {"sessions": {"s": key()}}}}
    middle = create(alice)
    put(alice, middle, body=rooms).ok()
    alice.delete(VERSION + "/" + version).ok()
    assert get(alice, middle).ok().json == rooms and alice.get(VERSION).ok()["version"] == middle
    alice.delete(VERSION + "/" + create(alice)).ok()
    assert get(alice, middle).ok().json == rooms and alice.get(VERSION).ok()["version"] == middle


def test_backup__too_many_versions__403(alice):
    for _ in range(50):
        version = create(alice)
    body = {"algorithm": ALGORITHM, "auth_data": {}}
    alice.post(VERSION, body).expect(403, "M_FORBIDDEN")
    alice.delete(VERSION + "/" + version).ok()
    alice.post(VERSION, body).ok()


# -- keys

def test_keys__put_and_got__by_all_room_and_session(alice, version):
    one, two, three, four = (key(number, data="d%d" % number) for number in range(1, 5))
    first = put(alice, version, body={"rooms": {"!a:hs1": {"sessions": {"s1": one, "s2": two}}}}).ok().json
    assert first == {"count": 2, "etag": first["etag"]}
    second = put(alice, version, "!b:hs1", body={"sessions": {"s1": three}}).ok().json
    third = put(alice, version, "!b", "s/2+=", body=four).ok().json
    assert (second["count"], third["count"]) == (3, 4) and len({first["etag"], second["etag"], third["etag"]}) == 3
    assert alice.get(VERSION).ok().json["count"] == 4 and alice.get(VERSION).ok()["etag"] == third["etag"]
    assert get(alice, version).ok()["rooms"] == {
        "!a:hs1": {"sessions": {"s1": one, "s2": two}}, "!b:hs1": {"sessions": {"s1": three}},
        "!b": {"sessions": {"s/2+=": four}}}
    assert get(alice, version, "!a:hs1").ok().json == {"sessions": {"s1": one, "s2": two}}
    assert get(alice, version, "!b", "s/2+=").ok().json == four


def test_keys__nothing_there__empty_or_404(alice, version):
    assert get(alice, version).ok().json == {"rooms": {}}
    assert get(alice, version, "!none:hs1").ok().json == {"sessions": {}}
    get(alice, version, "!none:hs1", "s").expect(404, "M_NOT_FOUND")
    assert delete(alice, version, "!none:hs1", "s").ok().json == {"count": 0, "etag": "0"}


def test_keys__of_others__not_seen(alice, bob, version):
    put(alice, version, "!a:hs1", "s", body=key()).ok()
    other = create(bob)
    assert get(bob, other).ok()["rooms"] == {}


def test_keys__deleted__by_session_room_and_all(alice, version):
    sessions = {"sessions": {"s1": key(), "s2": key()}}
    put(alice, version, body={"rooms": {"!a:hs1": sessions, "!b:hs1": sessions}}).ok()
    before = alice.get(VERSION).ok()["etag"]
    answer = delete(alice, version, "!a:hs1", "s1").ok().json
    assert answer["count"] == 3 and answer["etag"] != before
    assert delete(alice, version, "!b:hs1").ok()["count"] == 1
    assert get(alice, version).ok()["rooms"] == {"!a:hs1": {"sessions": {"s2": key()}}}
    assert delete(alice, version).ok()["count"] == 0
    assert get(alice, version).ok()["rooms"] == {} and alice.get(VERSION).ok()["count"] == 0


@pytest.mark.parametrize("stored, given, is_better", [
    (key(5, 5), key(5, 5), False),
    (key(5, 5), key(9, 9, True), True), (key(5, 5, True), key(1, 1), False),
    (key(5, 5), key(4, 9), True), (key(5, 5), key(6, 1), False),
    (key(5, 5, True), key(4, 9, True), True), (key(5, 5, True), key(6, 1, True), False),
    (key(5, 5), key(5, 4), True), (key(5, 5), key(5, 6), False),
])
def test_keys__second_one_of_a_session__better_one_stays(alice, version, stored, given, is_better):
    given["session_data"]["ciphertext"] = "given"
    before = put(alice, version, "!a:hs1", "s", body=stored).ok()["etag"]
    after = put(alice, version, "!a:hs1", body={"sessions": {"s": given}}).ok().json
    assert get(alice, version, "!a:hs1", "s").ok().json == (given if is_better else stored)
    assert after["count"] == 1 and (after["etag"] != before) == is_better


def test_keys__put_at_once__counted_right(alice, version):
    def run(number):
        sessions = {"s%d" % n: key() for n in range(number * 5, number * 5 + 10)}  # overlapping
        put(alice, version, body={"rooms": {"!a:hs1": {"sessions": sessions}}}).ok()
    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert alice.get(VERSION).ok()["count"] == 45 == len(get(alice, version).ok()["rooms"]["!a:hs1"]["sessions"])


@pytest.mark.parametrize("change", [
    {"first_message_index": -1}, {"first_message_index": "1"}, {"first_message_index": None}, {"forwarded_count": 1.5},
    {"is_verified": 1}, {"is_verified": None}, {"session_data": "x"}, {"session_data": []}], ids=str)
def test_keys__malformed__400_and_nothing_put(alice, version, change):
    bad = {**key(), **change}
    put(alice, version, "!a:hs1", "s", body=bad).expect(400)
    put(alice, version, body={"rooms": {"!a:hs1": {"sessions": {"good": key(), "bad": bad}}}}).expect(400)
    for name in change:
        put(alice, version, "!a:hs1", "s", body={k: v for k, v in bad.items() if k != name}).expect(400)
    assert get(alice, version).ok()["rooms"] == {}


@pytest.mark.parametrize("where, body", [
    ((), {}), ((), {"rooms": []}), ((), {"rooms": {"!a:hs1": {}}}), ((), {"rooms": {"a": {"sessions": {"s": key()}}}}),
    (("!a:hs1",), {}), (("!a:hs1",), {"sessions": {"": key()}}), (("!a:hs1",), {"sessions": {"x" * 256: key()}}),
    (("a:hs1", "s"), key()), (("!a:hs1", "s"), key(data="x" * 65536))])
def test_keys__malformed_body__400(alice, version, where, body):
    put(alice, version, *where, body=body).expect(400)
    assert alice.get(VERSION).ok()["count"] == 0


def test_keys__version_missing__400(alice, version):
    alice.get("/room_keys/keys").expect(400, "M_MISSING_PARAM")
    alice.put("/room_keys/keys", {"rooms": {}}).expect(400, "M_MISSING_PARAM")
    alice.delete("/room_keys/keys").expect(400, "M_MISSING_PARAM")


def test_keys__many_in_one_request__taken(alice, version):
    sessions = {"session-%05d" % number: key(data="c" * 500) for number in range(3000)}
    assert put(alice, version, "!a:hs1", body={"sessions": sessions}).ok()["count"] == 3000
    assert get(alice, version).ok()["rooms"]["!a:hs1"]["sessions"] == sessions


def test_backup__account_deactivated__gone(hs, alice, version):
    put(alice, version, "!a:hs1", "s", body=key()).ok()
    alice.uia("POST", "/account/deactivate", {}).ok()
    if hs.process is not None:
        assert hs.process.sql("SELECT count(*) FROM key_backups WHERE user_id = '%s'" % alice.user_id).strip() == "0"
