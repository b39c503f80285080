"""Keys as a client with end-to-end encryption makes them: signed with real Ed25519, but never used to encrypt."""
import base64
import copy
import itertools

import nacl.public
import nacl.signing
from signedjson.sign import sign_json

_numbers = itertools.count(1)


def b64(data):
    return base64.b64encode(data).decode().rstrip("=")


class SigningKey:
    """An Ed25519 key in the shape that signedjson wants."""
    alg = "ed25519"

    def __init__(self, name=None):
        self.key = nacl.signing.SigningKey.generate()
        self.public = b64(bytes(self.key.verify_key))
        self.version = name or self.public

    @property
    def id(self):
        return "ed25519:" + self.version

    def sign(self, data):
        return self.key.sign(data)

    def over(self, value, user_id):
        """A copy of the object with this key's signature added."""
        return sign_json(copy.deepcopy(value), user_id, self)


def curve25519():
    return b64(bytes(nacl.public.PrivateKey.generate().public_key))


class Device:
    """The keys of one session."""

    def __init__(self, client):
        self.client, self.user_id, self.device_id = client, client.user_id, client.device_id
        self.signing = SigningKey(self.device_id)

    def identity(self, **changes):
        keys = {"user_id": self.user_id, "device_id": self.device_id,
                "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
                "keys": {"curve25519:" + self.device_id: curve25519(), self.signing.id: self.signing.public}}
        keys.update(changes)
        return self.signing.over(keys, self.user_id)

    def one_time(self, count=1, algorithm="signed_curve25519", **more):
        return {"%s:K%06d" % (algorithm, next(_numbers)):
                self.signing.over({"key": curve25519(), **more}, self.user_id) for _ in range(count)}

    def fallback(self):
        return self.one_time(fallback=True)

    def body(self, keys=0, fallback=False, identity=True, **more):
        """Of an upload of what is asked for."""
        body = dict(more)
        if identity:
            self.keys = body.setdefault("device_keys", self.identity())
        if keys:
            body.setdefault("one_time_keys", self.one_time(keys))
        if fallback:
            body.setdefault("fallback_keys", self.fallback())
        return body

    def upload(self, **what):
        """Uploads what is asked for, as body(); returns the body."""
        body = self.body(**what)
        self.client.post("/keys/upload", body).ok()
        return body


class Person:
    """The cross-signing keys of one user."""

    def __init__(self, client):
        self.client, self.user_id = client, client.user_id
        self.master, self.self_signing, self.user_signing = SigningKey(), SigningKey(), SigningKey()

    def key(self, usage, key, signer=None):
        value = {"user_id": self.user_id, "usage": [usage], "keys": {key.id: key.public}}
        return signer.over(value, self.user_id) if signer else value

    def body(self):
        return {"master_key": self.key("master", self.master),
                "self_signing_key": self.key("self_signing", self.self_signing, self.master),
                "user_signing_key": self.key("user_signing", self.user_signing, self.master)}

    def upload(self):
        self.client.post("/keys/device_signing/upload", self.body()).ok()
        return self


def query(client, *user_ids, **more):
    return client.post("/keys/query", {"device_keys": {user_id: [] for user_id in user_ids}, **more}).ok().json


def claim(client, *devices, algorithm="signed_curve25519"):
    """Claims a key of each device; {key id: key} by (user id, device id)."""
    wanted = {}
    for device in devices:
        wanted.setdefault(device.user_id, {})[device.device_id] = algorithm
    found = client.post("/keys/claim", {"one_time_keys": wanted}).ok()["one_time_keys"]
    return {(user, device): keys for user, devices in found.items() for device, keys in devices.items()}
