"""Cross-signing keys and signatures: upload, proof, who may sign what, who sees what."""
import pytest

from support.client import Client
from support.keys import Device, Person, SigningKey, query

UPLOAD = "/keys/device_signing/upload"
SIGN = "/keys/signatures/upload"


def found(client, user_id):
    """(master, self-signing, user-signing) key of a user as the client sees them; None where there is none."""
    answer = query(client, user_id)
    return tuple(answer[part].get(user_id) for part in ("master_keys", "self_signing_keys", "user_signing_keys"))


def unsigned(key):
    return {name: value for name, value in key.items() if name != "signatures"}


def sign(client, user_id, key_id, value):
    return client.post(SIGN, {user_id: {key_id: value}}).ok()["failures"]


def device_of(client, device, viewer=None):
    return query(viewer or client, device.user_id)["device_keys"][device.user_id][device.device_id]


@pytest.fixture
def ann(alice):
    alice.device = Device(alice)
    alice.device.upload()
    alice.person = Person(alice).upload()
    return alice


# -- keys

def test_cross_keys__uploaded__seen_by_others_but_the_user_signing_key(ann, bob):
    body = ann.person.body()
    assert found(bob, ann.user_id) == ({**body["master_key"], "signatures": {}}, body["self_signing_key"], None)
    assert found(ann, ann.user_id)[2] == body["user_signing_key"]


def test_cross_keys__first_upload_without_proof_and_the_same_again(ann):
    ann.post(UPLOAD, ann.person.body()).ok()
    ann.post(UPLOAD, {"master_key": ann.person.body()["master_key"]}).ok()
    ann.post("/_matrix/client/unstable" + UPLOAD, ann.person.body()).ok()


def test_cross_keys__new_ones__need_the_password(ann):
    other = Person(ann)
    ann.post(UPLOAD, other.body()).expect(401)
    assert found(ann, ann.user_id)[0]["keys"] == {ann.person.master.id: ann.person.master.public}
    ann.uia("POST", UPLOAD, other.body(), password="wrong").expect(401)
    ann.uia("POST", UPLOAD, other.body()).ok()
    assert [key["keys"] for key in found(ann, ann.user_id)] == [
        {key.id: key.public} for key in (other.master, other.self_signing, other.user_signing)]


def test_cross_keys__one_of_them_new__needs_the_password(ann):
    fresh = SigningKey()
    body = {"self_signing_key": ann.person.key("self_signing", fresh, ann.person.master)}
    ann.post(UPLOAD, body).expect(401)
    ann.uia("POST", UPLOAD, body).ok()
    master, self_signing, user_signing = found(ann, ann.user_id)
    assert master["keys"] == {ann.person.master.id: ann.person.master.public} and user_signing
    assert self_signing["keys"] == {fresh.id: fresh.public}


def test_cross_keys__new_master_alone__the_others_end(ann):
    other = Person(ann)
    ann.uia("POST", UPLOAD, {"master_key": other.body()["master_key"]}).ok()
    master, self_signing, user_signing = found(ann, ann.user_id)
    assert master["keys"] == {other.master.id: other.master.public}
    assert self_signing is None and user_signing is None


def test_cross_keys__without_any_master__400(alice):
    body = Person(alice).body()
    del body["master_key"]
    alice.post(UPLOAD, body).expect(400, "M_MISSING_PARAM")
    alice.post(UPLOAD, {}).expect(400, "M_MISSING_PARAM")


@pytest.mark.parametrize("change", [
    {"user_id": "@other:hs1"}, {"usage": []}, {"usage": ["self_signing"]}, {"usage": "master"}, {"keys": {}},
    {"keys": {"ed25519:x": "x"}}, {"keys": []}, {"keys": {"ed25519:a": SigningKey().public}}, {"more": 1.5}],
    ids=str)
def test_cross_keys__malformed__400(alice, change):
    person = Person(alice)
    alice.post(UPLOAD, {"master_key": {**person.key("master", person.master), **change}}).expect(400, "M_INVALID_PARAM")
    assert found(alice, alice.user_id) == (None, None, None)


def test_cross_keys__two_keys_in_one__400(alice):
    person, other = Person(alice), SigningKey()
    master = person.key("master", person.master)
    master["keys"][other.id] = other.public
    alice.post(UPLOAD, {"master_key": master}).expect(400, "M_INVALID_PARAM")


def test_cross_keys__one_key_for_two_purposes__400(alice):
    person = Person(alice)
    person.user_signing = person.self_signing
    alice.post(UPLOAD, person.body()).expect(400, "M_INVALID_PARAM")


@pytest.mark.parametrize("usage", ["self_signing", "user_signing"])
def test_sec_5_15__cross_key_not_signed_by_the_master__refused(alice, usage):
    person, other = Person(alice), SigningKey()
    key = getattr(person, usage)
    for signer in (None, other, key):
        body = {**person.body(), usage + "_key": person.key(usage, key, signer)}
        alice.post(UPLOAD, body).expect(400, "M_INVALID_SIGNATURE")
    body = person.body()
    body[usage + "_key"]["signatures"][alice.user_id][person.master.id] = "A" * 86
    alice.post(UPLOAD, body).expect(400, "M_INVALID_SIGNATURE")
    assert found(alice, alice.user_id) == (None, None, None)


def test_cross_keys__called_like_a_device__403(alice):
    person = Person(alice)
    alice.login(device_id=person.master.public)
    alice.post(UPLOAD, person.body()).expect(403, "M_FORBIDDEN")


@pytest.mark.parametrize("key", ["master", "self_signing", "user_signing"])
def test_login__device_called_like_a_cross_key__403(ann, bob, nobody, key):
    """"the requested device ID is the same as a cross-signing key ID"."""
    name = getattr(ann.person, key).public
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": ann.user_id},
            "password": ann.password, "device_id": name}
    nobody.post("/login", body, token=False).expect(403, "M_FORBIDDEN")
    assert name not in {device["device_id"] for device in ann.get("/devices").ok()["devices"]}
    bob.login(device_id=name)


def test_cross_keys__uploaded__lists_changed(alice, bob, shared):
    watch, own = bob.watch(), alice.watch()
    Person(alice).upload()
    assert watch.next()["device_lists"]["changed"] == [alice.user_id]
    assert own.next()["device_lists"]["changed"] == [alice.user_id]


def test_cross_keys__master_with_signature_of_a_device__kept_if_right(alice, bob):
    device = Device(alice)
    device.upload()
    person = Person(alice)
    body = person.body()
    wrong = {**body, "master_key": {**body["master_key"],
                                    "signatures": {alice.user_id: {device.signing.id: "A" * 86}}}}
    alice.post(UPLOAD, wrong).expect(400, "M_INVALID_SIGNATURE")
    body["master_key"] = device.signing.over(body["master_key"], alice.user_id)
    alice.post(UPLOAD, body).ok()
    assert found(bob, alice.user_id)[0] == body["master_key"]


def test_cross_keys__account_deactivated__gone(ann, bob):
    ann.uia("POST", "/account/deactivate", {}).ok()
    assert found(bob, ann.user_id) == (None, None, None)


# -- signatures

def test_sign__own_device_by_self_signing_key__seen_by_all(ann, bob):
    signed = ann.person.self_signing.over(ann.device.keys, ann.user_id)
    assert sign(ann, ann.user_id, ann.device_id, signed) == {}
    assert unsigned(device_of(bob, ann.device)) | {"unsigned": 0} == unsigned(signed) | {"unsigned": 0}
    assert device_of(bob, ann.device)["signatures"] == signed["signatures"]
    only = ann.person.self_signing.over(unsigned(ann.device.keys), ann.user_id)  # without the device's own
    assert sign(ann, ann.user_id, ann.device_id, only) == {}
    assert device_of(bob, ann.device)["signatures"] == signed["signatures"]


def signed_upload(ann, signer):
    """A new device that has the self-signing key before it uploads its keys, as one that was signed in by a QR code; and what it uploads."""
    device = Device(Client(ann.http, user_id=ann.user_id, password=ann.password).login())
    keys = signer.over(device.identity(), ann.user_id)
    device.client.post("/keys/upload", {"device_keys": keys}).ok()
    return device, keys


def test_upload__signed_by_the_self_signing_key__verified_for_all_at_once(ann, bob):
    device, keys = signed_upload(ann, ann.person.self_signing)
    assert len(keys["signatures"][ann.user_id]) == 2
    for viewer in (ann, bob, device.client):
        assert device_of(ann, device, viewer)["signatures"] == keys["signatures"]


def test_upload__signature_added_to_known_keys__told_once(ann, bob):
    since = ann.sync().since
    signed = ann.person.self_signing.over(ann.device.keys, ann.user_id)
    for changed in ([ann.user_id], []):
        ann.post("/keys/upload", {"device_keys": signed}).ok()
        assert device_of(ann, ann.device, bob)["signatures"] == signed["signatures"]
        told = ann.sync_reply(since).ok()
        assert told.get("device_lists", {}).get("changed", []) == changed
        since = told["next_batch"]


def test_sec_5_15__upload_signed_by_another_key__that_signature_left_out(ann, bob):
    forged = SigningKey(ann.person.self_signing.public)
    for signer in (forged, ann.person.master, ann.person.user_signing, SigningKey(), Person(bob).upload().self_signing):
        device, keys = signed_upload(ann, signer)
        assert set(device_of(ann, device, bob)["signatures"][ann.user_id]) == {device.signing.id}, signer.id


def test_sign__own_master_by_device__seen_by_all(ann, bob):
    signed = ann.device.signing.over(ann.person.body()["master_key"], ann.user_id)
    assert sign(ann, ann.user_id, ann.person.master.public, signed) == {}
    assert found(bob, ann.user_id)[0] == signed


def test_sign__others_master_by_user_signing_key__seen_by_the_signer_only(ann, bob, carol):
    person = Person(bob).upload()
    master = person.body()["master_key"]
    signed = ann.person.user_signing.over(master, ann.user_id)
    assert sign(ann, bob.user_id, person.master.public, signed) == {}
    assert found(ann, bob.user_id)[0] == signed
    for viewer in (bob, carol):
        assert found(viewer, bob.user_id)[0] == {**master, "signatures": {}}


def test_sign__told_to_those_who_can_see_it(ann, bob, carol):
    room = ann.create_room(invite=[bob.user_id, carol.user_id])
    bob.join(room).ok(), carol.join(room).ok()
    person = Person(bob).upload()
    watches = [client.watch() for client in (ann, bob, carol)]
    changed = lambda: [watch.next()["device_lists"]["changed"] for watch in watches]
    signed = ann.person.user_signing.over(person.body()["master_key"], ann.user_id)
    sign(ann, bob.user_id, person.master.public, signed)
    assert changed() == [[bob.user_id], [], []]
    sign(ann, bob.user_id, person.master.public, signed)  # nothing new
    assert changed() == [[], [], []]
    sign(ann, ann.user_id, ann.device_id, ann.person.self_signing.over(ann.device.keys, ann.user_id))
    assert changed() == [[ann.user_id]] * 3


def _refused(client, user_id, key_id, value, errcode="M_INVALID_SIGNATURE"):
    assert sign(client, user_id, key_id, value)[user_id][key_id]["errcode"] == errcode


def test_sec_5_15__forged_signatures__refused_each_and_not_stored(ann, bob):
    person, stranger = Person(bob).upload(), SigningKey()
    device, master = ann.device.keys, person.body()["master_key"]
    before = device_of(bob, ann.device), found(ann, bob.user_id)
    forged = unsigned(device)
    forged["signatures"] = {ann.user_id: {ann.person.self_signing.id: "A" * 86}}
    _refused(ann, ann.user_id, ann.device_id, forged)
    _refused(ann, ann.user_id, ann.device_id, stranger.over(unsigned(device), ann.user_id))
    _refused(ann, ann.user_id, ann.device_id, unsigned(device))
    # by a key that may not sign this one
    _refused(ann, ann.user_id, ann.device_id, ann.person.user_signing.over(unsigned(device), ann.user_id))
    _refused(ann, ann.user_id, ann.device_id, ann.person.master.over(unsigned(device), ann.user_id))
    _refused(ann, bob.user_id, person.master.public, ann.person.self_signing.over(master, ann.user_id))
    _refused(ann, bob.user_id, person.master.public, ann.device.signing.over(master, ann.user_id))
    # in somebody else's name
    _refused(ann, bob.user_id, person.master.public, person.user_signing.over(master, bob.user_id))
    # over another content
    changed = ann.person.self_signing.over({**unsigned(device), "algorithms": []}, ann.user_id)
    _refused(ann, ann.user_id, ann.device_id, changed)
    assert (device_of(bob, ann.device), found(ann, bob.user_id)) == before


def test_sec_5_15__other_users_devices_and_keys__not_to_be_signed(ann, bob):
    device = Device(bob)
    device.upload()
    person = Person(bob).upload()
    _refused(ann, bob.user_id, bob.device_id, ann.person.user_signing.over(unsigned(device.keys), ann.user_id))
    key = person.body()["self_signing_key"]
    _refused(ann, bob.user_id, person.self_signing.public, ann.person.user_signing.over(unsigned(key), ann.user_id))
    own = person.body()["user_signing_key"]  # which ann cannot even see
    _refused(ann, bob.user_id, person.user_signing.public, ann.person.user_signing.over(unsigned(own), ann.user_id))


def test_sec_5_15__one_wrong_among_right_ones__the_right_ones_taken(ann, bob):
    tablet = Device(ann.login())
    tablet.upload()
    good = ann.person.self_signing.over(ann.device.keys, ann.user_id)
    bad = SigningKey(ann.person.self_signing.public).over(unsigned(tablet.keys), ann.user_id)
    failures = ann.post(SIGN, {ann.user_id: {ann.device_id: good, tablet.device_id: bad, "NOSUCH": good},
                               "@no:hs1": {"x": {}}}).ok()["failures"]
    assert {(user, key): failure["errcode"] for user, keys in failures.items() for key, failure in keys.items()} == {
        (ann.user_id, tablet.device_id): "M_INVALID_SIGNATURE", (ann.user_id, "NOSUCH"): "M_NOT_FOUND",
        ("@no:hs1", "x"): "M_NOT_FOUND"}
    assert ann.person.self_signing.id in device_of(bob, ann.device)["signatures"][ann.user_id]
    assert set(device_of(bob, tablet)["signatures"][ann.user_id]) == {tablet.signing.id}


def test_sign__replaced_keys__old_signatures_end(ann, bob):
    sign(ann, ann.user_id, ann.device_id, ann.person.self_signing.over(ann.device.keys, ann.user_id))
    person = Person(bob).upload()
    sign(ann, bob.user_id, person.master.public, ann.person.user_signing.over(person.body()["master_key"], ann.user_id))
    ann.uia("POST", UPLOAD, Person(ann).body()).ok()
    assert set(device_of(bob, ann.device)["signatures"][ann.user_id]) == {ann.device.signing.id}
    assert found(ann, bob.user_id)[0]["signatures"] == {}


def test_sign__device_deleted_and_made_anew__old_signature_gone(ann, bob):
    tablet = ann.login(device_id="TABLET")
    device = Device(tablet)
    device.upload()
    sign(ann, ann.user_id, "TABLET", ann.person.self_signing.over(device.keys, ann.user_id))
    tablet.post("/logout").ok()
    again = Device(ann.login(device_id="TABLET"))
    again.upload()
    assert device_of(bob, again)["signatures"] == again.keys["signatures"]


@pytest.mark.parametrize("body", [[], {"alice": {}}, {"@a:b": []}])
def test_sign__malformed__400(ann, body):
    ann.post(SIGN, body).expect(400)


def test_sign__no_key_objects__failures(ann):
    for value in (5, [], {}, "x"):
        assert sign(ann, ann.user_id, ann.device_id, value)[ann.user_id][ann.device_id]["errcode"] == "M_INVALID_SIGNATURE"
