"""Encrypted rooms that Belfry and a real Synapse share, with real client cryptography (encryption_federated.mjs), and the keys that
the servers hand each other for them.  Spec: server-server API, "End-to-End Encryption"."""
import threading

import pytest

from support.client import Client, path_of, seconds
from support.keys import Device, Person, claim, query
from support.server import wait_until
from test_notices import Hands, converse, notice


@pytest.fixture
def ann(federated):
    """A user of Belfry."""
    return federated.user()


@pytest.fixture
def zoe(synapse):
    """A user of Synapse."""
    return synapse.user()


def test_js_sdk__people_of_two_servers__verify_talk_and_change_devices(federated, synapse):
    office = notice(federated, "sender", "office").strip()
    converse("encryption_federated.mjs", Hands(federated), federated.url, synapse.url, office)


def test_one_time_keys__claimed_at_once_from_the_other_server__each_once(federated, synapse, ann, zoe):
    for asking, owner in ((ann, zoe), (zoe, ann)):
        device = Device(owner)
        uploaded = device.upload(keys=10)["one_time_keys"]
        got, lock = [], threading.Lock()

        def take(asking=asking, device=device, got=got, lock=lock):
            own = Client(asking.http, asking.token, asking.user_id)
            for _ in range(2):
                keys = claim(own, device)[owner.user_id, owner.device_id]
                with lock:
                    got.append(keys)
        threads = [threading.Thread(target=take) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds(60))
        merged = {key_id: key for keys in got for key_id, key in keys.items()}
        assert len(got) == 10 and merged == uploaded, "every key once, as it was uploaded"
        assert (owner.user_id, owner.device_id) not in claim(asking, device), "none is left"


def test_fallback_key__no_one_time_key_left__given_to_the_other_server_again_and_again(federated, synapse, ann, zoe):
    for asking, owner in ((ann, zoe), (zoe, ann)):
        device = Device(owner)
        fallback = device.upload(fallback=True)["fallback_keys"]
        for _ in range(2):
            assert claim(asking, device)[owner.user_id, owner.device_id] == fallback


def test_cross_signing_keys__of_the_other_server__seen_and_their_change_heard_of(federated, synapse, ann, zoe):
    room_id = ann.create_room(preset="public_chat")
    zoe.post(path_of("join", room_id) + "?via=" + federated.server_name, {}).ok()
    for viewer, owner in ((ann, zoe), (zoe, ann)):
        device, person = Device(owner), Person(owner)
        device.upload()
        for _ in range(2):  # the second time in the place of the first
            watch = viewer.watch()
            person = Person(owner)
            upload(owner, person)
            wait_until(lambda: seen(viewer, owner) == public(person), 20, "the keys at the other server")
            watch.until(lambda answer: owner.user_id in answer.get("device_lists", {}).get("changed", []), 20)
        signed = person.self_signing.over(device.keys, owner.user_id)
        owner.post("/keys/signatures/upload", {owner.user_id: {owner.device_id: signed}}).ok()
        wait_until(lambda: person.self_signing.id in query(viewer, owner.user_id)["device_keys"][owner.user_id]
                   [owner.device_id]["signatures"][owner.user_id], 20, "the signature of the device")
        assert "user_signing_keys" not in query(viewer, owner.user_id) or \
            owner.user_id not in query(viewer, owner.user_id)["user_signing_keys"]


def upload(owner, person):
    """The keys of a person; for others than the first, the password is asked."""
    reply = owner.post("/keys/device_signing/upload", person.body())
    if reply.status == 401:
        owner.uia("POST", "/keys/device_signing/upload", person.body()).ok()
    else:
        reply.ok()


def public(person):
    return person.master.id, person.self_signing.id


def seen(viewer, owner):
    found = query(viewer, owner.user_id)
    return tuple(next(iter(found.get(kind, {}).get(owner.user_id, {}).get("keys", {"": ""})))
                 for kind in ("master_keys", "self_signing_keys"))


def test_device__added_and_deleted__the_other_server_follows(federated, synapse, ann, zoe):
    room_id = ann.create_room(preset="public_chat")
    zoe.post(path_of("join", room_id) + "?via=" + federated.server_name, {}).ok()
    for viewer, owner in ((ann, zoe), (zoe, ann)):
        Device(owner).upload()

        def listed(viewer=viewer, owner=owner):
            return set(query(viewer, owner.user_id)["device_keys"].get(owner.user_id, {}))
        wait_until(lambda: listed() == {owner.device_id}, 20, "the first device")
        watch, tablet = viewer.watch(), owner.login()
        Device(tablet).upload()
        wait_until(lambda: listed() == {owner.device_id, tablet.device_id}, 20, "the new device")
        watch.until(lambda answer: owner.user_id in answer.get("device_lists", {}).get("changed", []), 20)
        owner.uia("DELETE", path_of("devices", tablet.device_id)).ok()
        wait_until(lambda: listed() == {owner.device_id}, 20, "the end of the device")
