"""A policy server: a Remote that also signs events of rooms, or does not.  Spec: server-server API, "Policy Servers".

    policy = PolicyServer(remote, version="11")
    alice.put_state(room, "m.room.policy", policy.content)
    policy.verdict = lambda pdu: refusal("spam") if "spam" in str(pdu["content"]) else None
    policy.asked                                     the PDUs that it was to sign
"""
import copy

from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
from signedjson.sign import verify_signed_json
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import compute_event_signature
from synapse.synapse_rust.events import redact_event_dict

PATH = "/_matrix/policy/v1/sign"
KEY_ID = "ed25519:policy_server"


def refusal(text, errcode="M_FORBIDDEN", status=400, **more):
    return status, {"errcode": errcode, "error": text, **more}


class PolicyServer:
    def __init__(self, remote, version="11"):
        self.remote, self.version = remote, KNOWN_ROOM_VERSIONS[version]
        self.asked, self.requests = [], []
        self.verdict = lambda pdu: None
        self.rotate()
        remote.on("POST", PATH, self._answer)

    def rotate(self):
        """A new key; rooms have to be told."""
        self.key = generate_signing_key("policy_server")

    @property
    def content(self):
        """Of m.room.policy."""
        return {"via": self.remote.name, "public_keys": {"ed25519": encode_verify_key_base64(get_verify_key(self.key))}}

    def signature(self, pdu, key=None):
        """That one alone, as /sign answers."""
        bare = {name: value for name, value in copy.deepcopy(pdu).items() if name != "signatures"}
        return compute_event_signature(self.version, bare, self.remote.name, key or self.key)

    def sign(self, event):
        """Adds its signature to a Pdu."""
        for name, keys in self.signature(event.json).items():
            event.json["signatures"].setdefault(name, {}).update(keys)
        return event

    def has_signed(self, pdu):
        """Whether a PDU as it travels carries its signature."""
        if KEY_ID not in pdu["signatures"].get(self.remote.name, {}):
            return False
        redacted = redact_event_dict(self.version, copy.deepcopy(pdu))
        redacted["signatures"] = {self.remote.name: {KEY_ID: pdu["signatures"][self.remote.name][KEY_ID]}}
        redacted.pop("unsigned", None)
        verify_signed_json(redacted, self.remote.name, get_verify_key(self.key))
        return True

    def bodies(self):
        """Of the messages that it was asked about, each as often as it was."""
        return [pdu["content"]["body"] for pdu in self.asked if pdu["type"] == "m.room.message"]

    def _answer(self, ask):
        self.asked.append(ask.json)
        self.requests.append(ask)
        said = self.verdict(ask.json)
        return (200, self.signature(ask.json)) if said is None else said
