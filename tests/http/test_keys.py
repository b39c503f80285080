"""Device keys, one-time and fallback keys: upload, query, claim, changes."""
import threading

import pytest

from support import accounts
from support.keys import Device, SigningKey, claim, curve25519, query
from support.processes import free_port, wait_until
from support.server import PROCESSES


# -- upload and query

def test_keys__uploaded__found_by_others_with_name_and_signature(alice, bob):
    device = Device(alice)
    alice.put("/devices/" + alice.device_id, {"display_name": "Alice's phone"}).ok()
    device.upload()
    found = query(bob, alice.user_id)["device_keys"][alice.user_id][alice.device_id]
    assert found.pop("unsigned") == {"device_display_name": "Alice's phone"}
    assert found == device.keys


def test_keys__query_of_some_devices__those_only(alice, bob):
    first, second = Device(alice), Device(alice.login())
    first.upload(), second.upload()
    body = {"device_keys": {alice.user_id: [second.device_id, "NOSUCH"]}}
    assert set(bob.post("/keys/query", body).ok()["device_keys"][alice.user_id]) == {second.device_id}
    assert set(query(bob, alice.user_id)["device_keys"][alice.user_id]) == {first.device_id, second.device_id}


def test_keys__device_without_keys__not_listed(alice, bob):
    alice.login()
    assert query(bob, alice.user_id)["device_keys"] == {alice.user_id: {}}


def test_keys__uploaded_again__the_same(alice, bob):
    device = Device(alice)
    body = device.upload(keys=2)
    alice.post("/keys/upload", body).ok()
    assert query(bob, alice.user_id)["device_keys"][alice.user_id][alice.device_id] == body["device_keys"]
    assert alice.post("/keys/upload", {}).ok()["one_time_key_counts"] == {"signed_curve25519": 2}


def test_keys__new_identity__old_one_time_keys_end(alice, bob):
    device = Device(alice)
    device.upload(keys=3, fallback=True)
    changed = Device(alice)
    changed.upload()
    assert alice.post("/keys/upload", {}).ok()["one_time_key_counts"] == {"signed_curve25519": 0}
    assert claim(bob, changed) == {}
    assert query(bob, alice.user_id)["device_keys"][alice.user_id][alice.device_id] == changed.keys


def test_upload__after_a_new_identity__keys_signed_by_it_alone(alice):
    """The identity that was met last is in memory."""
    device, changed = Device(alice), Device(alice)
    device.upload(keys=1)
    device.upload(keys=1, identity=False)
    changed.upload()
    answer = alice.post("/keys/upload", {"one_time_keys": changed.one_time(2)}).ok()
    assert answer["one_time_key_counts"] == {"signed_curve25519": 2}
    alice.post("/keys/upload", {"one_time_keys": device.one_time()}).expect(400, "M_INVALID_SIGNATURE")
    device.upload(keys=1)
    alice.post("/keys/upload", {"one_time_keys": changed.one_time()}).expect(400, "M_INVALID_SIGNATURE")
    answer = alice.post("/keys/upload", {"one_time_keys": device.one_time(3)}).ok()
    assert answer["one_time_key_counts"] == {"signed_curve25519": 4}


def test_upload__after_a_device_of_the_same_name_began_anew__its_identity_first(alice):
    other = alice.login()
    device = Device(other)
    device.upload()
    device.upload(keys=1, identity=False)
    other.post("/logout").ok()
    again = alice.login(device_id=other.device_id)
    _refused(again, {"one_time_keys": device.one_time()}, "M_INVALID_PARAM")
    assert again.post("/keys/upload", {}).ok()["one_time_key_counts"] == {"signed_curve25519": 0}


def test_sync__of_a_device_of_the_same_name_that_began_anew__no_keys(alice):
    other = alice.login()
    Device(other).upload(keys=3, fallback=True)
    before = other.sync()
    assert before["device_one_time_keys_count"] == {"signed_curve25519": 3}
    assert before["device_unused_fallback_key_types"] == ["signed_curve25519"]
    other.post("/logout").ok()
    after = alice.login(device_id=other.device_id).sync()
    assert after["device_one_time_keys_count"] == {"signed_curve25519": 0}
    assert after["device_unused_fallback_key_types"] == []


def start_with_metrics(make_server):
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % free_port()}, processes=1).start()
    return server, accounts.register(server.url)


@pytest.mark.parametrize("end", ["logout", "logout/all", "password", "deleted", "deactivated"])
def test_devices_that_ended__leave_the_memory(make_server, end):
    server, alice = start_with_metrics(make_server)
    devices = [alice.login() for _ in range(5)]
    for device in devices:
        device.sync()
    assert server.metric("belfry_e2ee_devices_active") == len(devices)
    if end == "logout":
        for device in devices:
            device.post("/logout").ok()
    elif end == "deleted":
        alice.uia("POST", "/delete_devices", {"devices": [device.device_id for device in devices]}).ok()
    elif end == "password":
        alice.uia("POST", "/account/password", {"new_password": "another long password 1"}).ok()
    elif end == "deactivated":
        alice.uia("POST", "/account/deactivate").ok()
    else:
        alice.post("/" + end).ok()
    assert server.metric("belfry_e2ee_devices_active") == 0


@pytest.mark.parametrize("command", ["password", "deactivate"])
def test_devices_that_a_command_ended__leave_the_memory(make_server, command):
    """It works beside the server. One of the same name is told no keys of theirs."""
    server, alice = start_with_metrics(make_server)
    other = alice.login()
    Device(other).upload(keys=3, fallback=True)
    assert other.sync()["device_one_time_keys_count"] == {"signed_curve25519": 3}
    words = ["--password-stdin"] if command == "password" else []
    done = server.run("user", command, alice.user_id, *words, input=alice.password + "\n")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: server.metric("belfry_e2ee_devices_active") == 0, 20, "no device in memory")
    if command == "password":
        after = alice.login(device_id=other.device_id).sync()
        assert after["device_one_time_keys_count"] == {"signed_curve25519": 0}
        assert after["device_unused_fallback_key_types"] == []


def test_upload__one_time_and_fallback_keys__sync_tells_both(alice, bob):
    device = Device(alice)
    device.upload()
    alice.sync()
    for count in (2, 4):
        answer = alice.post("/keys/upload", {"one_time_keys": device.one_time(2), "fallback_keys": device.fallback()}).ok()
        found = alice.sync()
        assert answer["one_time_key_counts"] == found["device_one_time_keys_count"] == {"signed_curve25519": count}
        assert found["device_unused_fallback_key_types"] == ["signed_curve25519"]
    assert len(claim(bob, device)) == 1
    assert device.upload(keys=1, identity=False)
    assert alice.sync()["device_one_time_keys_count"] == {"signed_curve25519": 4}
    assert device.upload(keys=1, identity=False)
    assert alice.sync()["device_one_time_keys_count"] == {"signed_curve25519": 5}


@pytest.mark.parametrize("body", [{"device_keys": 5}, {"one_time_keys": []}, {"fallback_keys": "x"},
                                  {"one_time_keys": {"nocolon": "x"}}, {"one_time_keys": {":x": "x"}},
                                  {"one_time_keys": {"curve25519:": "x"}}, {"one_time_keys": {"curve25519:a": 7}},
                                  {"one_time_keys": {"signed_curve25519:a": "x"}}])
def test_upload__malformed__400(alice, body):
    Device(alice).upload()
    alice.post("/keys/upload", body).expect(400)


@pytest.mark.parametrize("body", [{}, {"device_keys": []}, {"device_keys": {"alice": []}},
                                  {"device_keys": {"@a:b": {}}}, {"device_keys": {"@a:b": [1]}}])
def test_query__malformed__400(alice, body):
    alice.post("/keys/query", body).expect(400)


@pytest.mark.parametrize("body", [{}, {"one_time_keys": []}, {"one_time_keys": {"alice": {}}},
                                  {"one_time_keys": {"@a:b": []}}, {"one_time_keys": {"@a:b": {"D": 1}}}])
def test_claim__malformed__400(alice, body):
    alice.post("/keys/claim", body).expect(400)


def test_upload__another_identity_between_two_of_its_algorithms__not_added_again(make_server):
    """What was added of it may have been claimed, and ended with its identity. The trigger does what another upload may do at that moment."""
    server = make_server().start()
    alice = accounts.register(server.url)
    Device(alice).upload()
    server.sql("create function change() returns trigger language plpgsql as $$ begin update device_keys set ed25519 = '%s'; "
               "delete from one_time_key_counters where algorithm = 'curve25519'; return new; end $$; "
               "create trigger change before insert on one_time_key_counters for each row when (new.algorithm = 'other25519') "
               "execute function change()" % SigningKey().public)
    keys = {"curve25519:a": curve25519(), "other25519:b": curve25519()}
    alice.post("/keys/upload", {"one_time_keys": keys}).expect(409)
    assert alice.post("/keys/upload", {}).ok()["one_time_key_counts"] == {"signed_curve25519": 0}
    assert alice.post("/keys/upload", {"one_time_keys": keys}).ok()["one_time_key_counts"] == {
        "curve25519": 1, "other25519": 1, "signed_curve25519": 0}


@pytest.mark.parametrize("trouble, times, status", [
    ("deadlock_detected", 1, 200), ("deadlock_detected", 1000, 503), ("unique_violation", 1000, 409)])
@pytest.mark.parametrize("table, part", [
    ("device_keys", {"keys": 0}), ("one_time_key_counters", {"keys": 2, "identity": False}),
    ("fallback_keys", {"fallback": True, "identity": False})])
def test_upload__database_refuses_it__session_stays(make_server, table, part, trouble, times, status):
    """Only the end of the device is one of the session: its client loses its keys by that answer."""
    server = make_server().start()
    alice = accounts.register(server.url)
    device = Device(alice)
    if table != "device_keys":
        device.upload()
    server.sql("create sequence tries; create function refuse() returns trigger language plpgsql as $$ begin "
               "if nextval('tries') <= %d then raise 'refused' using errcode = '%s'; end if; return new; end $$; "
               "create trigger refuse before insert or update on %s for each row execute function refuse()" % (times, trouble, table))
    alice.post("/keys/upload", device.body(**part)).expect(status)
    server.sql("drop trigger refuse on %s" % table)
    alice.post("/keys/upload", device.body(**part)).ok()


def test_keys__without_token__401(nobody):
    for path in ("/keys/upload", "/keys/query", "/keys/claim"):
        nobody.post(path, {}).expect(401, "M_MISSING_TOKEN")
    nobody.get("/keys/changes").expect(401, "M_MISSING_TOKEN")


# -- security

def _refused(client, body, errcode):
    client.post("/keys/upload", body).expect(400, errcode)
    assert query(client, client.user_id)["device_keys"] == {client.user_id: {}}


def test_sec_5_14__device_keys_of_others__refused(alice, bob):
    device = Device(alice)
    _refused(alice, {"device_keys": device.identity(user_id=bob.user_id)}, "M_INVALID_PARAM")
    _refused(alice, {"device_keys": device.identity(device_id="OTHER")}, "M_INVALID_PARAM")


@pytest.mark.parametrize("changes", [
    {"algorithms": "m.olm"}, {"algorithms": [1]}, {"algorithms": ["x" * 256]}, {"algorithms": ["x"] * 33},
    {"keys": []}, {"keys": {}}, {"keys": {"ed25519:OTHER": SigningKey().public}}, {"keys": {"ed25519": "x"}},
    {"more": {"a": [1] * 9000}}, {"more": [[[[[[[[[1]]]]]]]]]}],
    ids=lambda value: str(value)[:30])
def test_sec_5_14__device_keys_malformed__refused(alice, changes):
    device = Device(alice)
    _refused(alice, {"device_keys": device.identity(**changes)}, ("M_INVALID_PARAM", "M_BAD_JSON"))


@pytest.mark.parametrize("key", ["", "short", "A" * 44, "A" * 43 + "=", 5, None])
def test_sec_5_14__public_key_of_another_size__refused(alice, key):
    device = Device(alice)
    keys = {"curve25519:" + alice.device_id: key, device.signing.id: device.signing.public}
    _refused(alice, {"device_keys": device.identity(keys=keys)}, "M_INVALID_PARAM")


@pytest.mark.parametrize("number", ["1.5", "1e400", "9007199254740993", "-9007199254740993"])
def test_sec_5_14__number_without_canonical_form__refused(alice, number):
    import json
    text = json.dumps({"device_keys": Device(alice).identity()})
    raw = text[:-2] + ', "more": ' + number + "}}"
    alice.post("/keys/upload", raw=raw.encode()).expect(400, "M_INVALID_PARAM")
    assert query(alice, alice.user_id)["device_keys"] == {alice.user_id: {}}


def test_sec_5_14__device_keys_not_signed_by_themselves__refused(alice):
    device, other = Device(alice), SigningKey(alice.device_id)
    keys = device.identity()
    _refused(alice, {"device_keys": {**keys, "signatures": []}}, "M_BAD_JSON")
    _refused(alice, {"device_keys": {**keys, "algorithms": ["m.other"]}}, "M_INVALID_SIGNATURE")
    del keys["signatures"]
    _refused(alice, {"device_keys": other.over(keys, alice.user_id)}, "M_INVALID_SIGNATURE")


def test_device_keys__not_signed_at_all__kept_as_they_are(alice, bob):
    """A missing signature forges nothing, and clients ignore such a device; Complement uploads some."""
    keys = {**Device(alice).identity(), "signatures": {}}
    alice.post("/keys/upload", {"device_keys": keys}).ok()
    told = query(bob, alice.user_id)["device_keys"][alice.user_id][alice.device_id]
    assert told["keys"] == keys["keys"] and not told.get("signatures", {}).get(alice.user_id)


def test_sec_5_14__foreign_signatures_in_device_keys__not_kept(alice, bob):
    device = Device(alice)
    keys = SigningKey("EVIL").over(device.identity(), bob.user_id)
    alice.post("/keys/upload", {"device_keys": keys}).ok()
    found = query(bob, alice.user_id)["device_keys"][alice.user_id][alice.device_id]
    assert set(found["signatures"]) == {alice.user_id}


def test_sec_5_14__one_time_key_with_false_signature__refused(alice, bob):
    device = Device(alice)
    device.upload()
    for part, made in (("one_time_keys", device.one_time()), ("fallback_keys", device.fallback())):
        (name, key), = made.items()
        for wrong in ({**key, "key": curve25519()}, {**key, "signatures": {}}):
            alice.post("/keys/upload", {part: {name: wrong}}).expect(400, "M_INVALID_SIGNATURE")
        alice.post("/keys/upload", {part: {name: {**key, "key": "x"}}}).expect(400, "M_INVALID_PARAM")
    assert claim(bob, device) == {}


def test_sec_5_14__one_time_keys_of_a_client_that_signs_wrongly__none_taken(alice, bob):
    """The signature of the first is checked; that of another is seen by who claims it, and has to be there."""
    device, wrong = Device(alice), SigningKey(alice.device_id)
    device.upload()
    good, = device.one_time().items()
    false = {"signed_curve25519:F%d" % n: wrong.over({"key": curve25519()}, alice.user_id) for n in range(5)}
    alice.post("/keys/upload", {"one_time_keys": false}).expect(400, "M_INVALID_SIGNATURE")
    alice.post("/keys/upload", {"one_time_keys": {"curve25519:a": "x", **false}}).expect(400, "M_INVALID_SIGNATURE")
    for signatures in ({}, {alice.user_id: {}}, {alice.user_id: {wrong.id: "c2hvcnQ"}}):
        more = {"signed_curve25519:Z": {"key": curve25519(), "signatures": signatures}}
        alice.post("/keys/upload", {"one_time_keys": {good[0]: good[1], **more}}).expect(400, "M_INVALID_SIGNATURE")
    assert claim(bob, device) == {}


@pytest.mark.one_process("where there are several, each upload is said to all by a notification, which is a query")
def test_keys__one_time_keys_after_the_devices_own__one_statement(make_server):
    """The first of an algorithm two more, for its counter. Who follows the stream asks something now and then, but not beside each."""
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    devices = [Device(accounts.register(server.url)) for _ in range(20)]
    for device in devices:
        device.upload()
    for statements in (3, 1):
        asked = []
        for device in devices:
            before = server.queries()
            device.upload(identity=False, keys=20)
            asked.append(server.queries() - before)
        assert min(asked) == statements, asked


def test_sec_5_14__one_time_keys_before_device_keys__refused(alice):
    alice.post("/keys/upload", {"one_time_keys": Device(alice).one_time()}).expect(400, "M_INVALID_PARAM")


def test_sec_5_14__too_many_one_time_keys__refused(alice):
    Device(alice).upload()
    alice.post("/keys/upload", {"one_time_keys": {"curve25519:%d" % n: "x" for n in range(501)}}).expect(
        400, "M_INVALID_PARAM")
    for start in (0, 500):
        alice.post("/keys/upload", {"one_time_keys": {"curve25519:%d" % (start + n): "x" for n in range(500)}}).ok()
    alice.post("/keys/upload", {"one_time_keys": {"curve25519:x": "x"}}).expect(400, "M_INVALID_PARAM")
    assert alice.post("/keys/upload", {}).ok()["one_time_key_counts"]["curve25519"] == 1000


def test_sec_5_16__users_of_other_servers__tell_nothing(alice):
    remote = "@somebody:elsewhere.example"
    found = query(alice, remote, timeout=100)
    assert set(found["failures"]) == {"elsewhere.example"} and found["device_keys"] == {}
    claimed = alice.post("/keys/claim", {"one_time_keys": {remote: {"D": "signed_curve25519"}}}).ok()
    assert set(claimed["failures"]) == {"elsewhere.example"} and claimed["one_time_keys"] == {}


def test_query__thousands_of_servers__each_a_failure(alice):
    remote = ["@u:s%d.example" % number for number in range(6000)]
    found = alice.post("/keys/query", {"device_keys": {user: [] for user in remote}, "timeout": 0}).ok()
    assert set(found["failures"]) == {user.partition(":")[2] for user in remote}
    two = ["@a:x.example", "@b:y.example", "@c:x.example"]
    assert set(query(alice, *two)["failures"]) == {"x.example", "y.example"}


def test_sec_5_16__unknown_user_of_ours__like_one_without_devices(hs, alice, bob):
    unknown = "@nosuch%s:%s" % (alice.device_id.lower(), hs.server_name)
    assert query(alice, unknown)["device_keys"] == {unknown: {}}
    assert query(alice, bob.user_id)["device_keys"] == {bob.user_id: {}}


# -- one-time and fallback keys

def test_one_time_key__same_again__ok_and_other_content__400(alice):
    device = Device(alice)
    device.upload()
    keys = device.one_time(2)
    assert alice.post("/keys/upload", {"one_time_keys": keys}).ok()["one_time_key_counts"] == {"signed_curve25519": 2}
    assert alice.post("/keys/upload", {"one_time_keys": keys}).ok()["one_time_key_counts"] == {"signed_curve25519": 2}
    name = next(iter(keys))
    other = {name: next(iter(device.one_time().values())), **device.one_time()}
    alice.post("/keys/upload", {"one_time_keys": other}).expect(400, "M_INVALID_PARAM")
    assert alice.post("/keys/upload", {}).ok()["one_time_key_counts"] == {"signed_curve25519": 2}


def test_claim__keys__each_once_in_order_of_upload(alice, bob):
    device = Device(alice)
    first, second = device.upload(keys=1), device.upload(keys=1, identity=False)
    assert claim(bob, device) == {(alice.user_id, alice.device_id): first["one_time_keys"]}
    assert alice.sync().get("device_one_time_keys_count") == {"signed_curve25519": 1}
    assert claim(bob, device) == {(alice.user_id, alice.device_id): second["one_time_keys"]}
    assert claim(bob, device) == {}
    assert alice.sync().get("device_one_time_keys_count") == {"signed_curve25519": 0}


def test_claim__keys_of_any_form__as_they_were_uploaded(alice, bob):
    """What is stored of a key in its shortest form comes back as it was, and so does any other."""
    device = Device(alice)
    device.upload()
    signed = device.one_time(3)
    signed.update(device.one_time(fallback=False, more={"a": [1, "ä\u0000\"\\"]}))
    other, padded = list(signed)[:2]
    signatures = signed[other]["signatures"]
    signatures["@somebody:else.example"] = {"ed25519:X": "not looked at"}
    signatures[alice.user_id]["ed25519:OTHER"] = "neither"
    own = signed[padded]["signatures"][alice.user_id]
    own["ed25519:" + device.device_id] += "=="
    plain = {"curve25519:%d" % n: "k" * n for n in (1, 43, 8000)}
    objects = {"made_up:\xe4": {"key": "", "signatures": {}}, "made_up:1": {"key": "x", "signatures": {alice.user_id: {"ed25519:" + device.device_id: "y"}}}}
    for keys in (signed, plain, objects):
        assert alice.post("/keys/upload", {"one_time_keys": keys}).ok()
        again = alice.post("/keys/upload", {"one_time_keys": keys}).ok()
        algorithm = next(iter(keys)).split(":")[0]
        assert again["one_time_key_counts"][algorithm] == len(keys)
        found = {}
        for _ in keys:
            got = bob.post("/keys/claim", {"one_time_keys": {alice.user_id: {device.device_id: algorithm}}}).ok()["one_time_keys"]
            found.update(got[alice.user_id][device.device_id])
        assert found == keys


def test_claim__as_soon_as_a_new_device_is_seen__its_keys_are_there(alice, bob):
    """Whoever hears of a device claims at once; one without a key would not read what is said then."""
    for _ in range(20):
        device = Device(alice.login())
        upload = threading.Thread(target=device.upload, kwargs={"keys": 50})
        upload.start()
        while device.device_id not in query(bob, alice.user_id)["device_keys"][alice.user_id]:
            pass
        given = claim(bob, device)
        upload.join()
        assert given


def test_claim__claimed_key_uploaded_again__not_given_again(alice, bob):
    device = Device(alice)
    body = device.upload(keys=1)
    assert claim(bob, device)
    assert alice.post("/keys/upload", body).ok()["one_time_key_counts"] == {"signed_curve25519": 0}
    assert claim(bob, device) == {}


def test_claim__several_devices_and_unknown_ones__those_that_are(alice, bob, carol):
    devices = [Device(alice), Device(alice.login()), Device(bob)]
    bodies = [device.upload(keys=1) for device in devices]
    wanted = {"one_time_keys": {alice.user_id: {devices[0].device_id: "signed_curve25519", "NOSUCH": "signed_curve25519",
                                                devices[1].device_id: "signed_curve25519"},
                                bob.user_id: {bob.device_id: "unknown_algorithm"}, carol.user_id: {}}}
    found = carol.post("/keys/claim", wanted).ok()
    assert found["failures"] == {}
    assert found["one_time_keys"] == {alice.user_id: {device.device_id: body["one_time_keys"]
                                                      for device, body in zip(devices[:2], bodies)}}


def test_fallback_key__no_one_time_key_left__given_again_and_again(alice, bob):
    device = Device(alice)
    body = device.upload(keys=1, fallback=True)
    assert alice.sync()["device_unused_fallback_key_types"] == ["signed_curve25519"]
    assert list(claim(bob, device).values()) == [body["one_time_keys"]]
    assert alice.sync()["device_unused_fallback_key_types"] == ["signed_curve25519"]
    for _ in range(2):
        assert list(claim(bob, device).values()) == [body["fallback_keys"]]
        assert alice.sync()["device_unused_fallback_key_types"] == []
    alice.post("/keys/upload", {"fallback_keys": body["fallback_keys"]}).ok()
    assert alice.sync()["device_unused_fallback_key_types"] == []  # the same key is as used as before
    second = device.upload(fallback=True, identity=False)
    assert alice.sync()["device_unused_fallback_key_types"] == ["signed_curve25519"]
    assert list(claim(bob, device).values()) == [second["fallback_keys"]]


def test_fallback_keys__two_of_one_algorithm__400(alice):
    device = Device(alice)
    device.upload()
    alice.post("/keys/upload", {"fallback_keys": {**device.fallback(), **device.fallback()}}).expect(
        400, "M_INVALID_PARAM")


@pytest.mark.tsan
def test_claim__by_many_at_once__each_key_once_and_none_left(hs, alice):
    devices = [Device(alice), Device(alice.login())]
    uploaded = {name for device in devices for name in device.upload(keys=40)["one_time_keys"]}
    given, lock = [], threading.Lock()
    clients = [hs.user() for _ in range(8)]

    def run(client, order):
        for _ in range(10):
            got = [name for keys in claim(client, *order).values() for name in keys]
            with lock:
                given.extend(got)
    threads = [threading.Thread(target=run, args=(client, devices[::1 if n % 2 else -1]))
               for n, client in enumerate(clients)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for _ in range(40):  # nobody got an empty answer while there was a key
        given.extend(name for keys in claim(alice, *devices).values() for name in keys)
    assert len(given) == len(set(given)) and set(given) == uploaded
    assert len(given) == 80


@pytest.mark.tsan
def test_claim__many_at_once_of_different_devices__everybody_gets_those_of_the_device(hs):
    owners = [hs.user() for _ in range(6)]
    devices = [Device(owner) for owner in owners]
    uploaded = {device.user_id: device.upload(keys=30)["one_time_keys"] for device in devices}
    wrong, given, lock = [], [], threading.Lock()

    def run(number):
        mine = [devices[number], devices[(number + 1) % 6], Device(owners[number])]
        mine[2].device_id = "NO_SUCH_DEVICE"
        for turn in range(15):
            asked = [mine[turn % 2], mine[2]] if turn % 3 else mine[:1]
            for (user_id, device_id), keys in claim(owners[number], *asked).items():
                with lock:
                    given.extend(keys)
                    wrong.extend(name for name, key in keys.items() if uploaded[user_id].get(name) != key)
                    wrong.extend([device_id] if device_id == "NO_SUCH_DEVICE" else [])
    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == [] and len(given) == len(set(given)) == 6 * 15


def test_claim__server_killed__no_key_twice(make_server):
    server = make_server().start()
    alice, bob = accounts.register(server.url), accounts.register(server.url)
    device = Device(alice)
    uploaded = set(device.upload(keys=30)["one_time_keys"])
    given = []

    def run():
        try:
            while True:
                keys = claim(bob, device)
                if not keys:
                    return
                given.extend(next(iter(keys.values())))
        except Exception:  # the server is gone
            pass
    thread = threading.Thread(target=run)
    thread.start()
    while len(given) < 5 and thread.is_alive():
        pass
    server.kill()
    thread.join()
    server.start()
    before = set(given)
    while True:
        keys = claim(bob, device)
        if not keys:
            break
        given.extend(next(iter(keys.values())))
    assert len(given) == len(set(given)) and set(given) <= uploaded
    assert before < set(given) or before == uploaded
    # What is under way at a process when it is killed may be lost (the client asks again when its connection ends), none may come twice.
    assert len(given) >= len(uploaded) - PROCESSES


# -- endings

def test_device__deleted__keys_gone(alice, bob):
    other = alice.login()
    device = Device(other)
    device.upload(keys=1, fallback=True)
    alice.uia("DELETE", "/devices/" + other.device_id).ok()
    assert query(bob, alice.user_id)["device_keys"] == {alice.user_id: {}}
    assert claim(bob, device) == {}


def test_logout__device__keys_gone(alice, bob):
    device = Device(alice)
    device.upload(keys=1)
    alice.post("/logout").ok()
    assert query(bob, alice.user_id)["device_keys"] == {alice.user_id: {}}
    assert claim(bob, device) == {}
