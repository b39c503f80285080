"""The keys of this server, as others read them.  Spec: server-server API, "Retrieving server keys"."""
from signedjson.key import decode_verify_key_bytes
from signedjson.sign import verify_signed_json
from unpaddedbase64 import decode_base64


def test_server_keys__asked_over_tls__signed_by_themselves(federated, remote):
    keys = remote.raw(federated, "GET", "/_matrix/key/v2/server").ok()
    assert keys["server_name"] == federated.server_name
    (key_id, key), = keys["verify_keys"].items()
    verify_signed_json(keys.json, federated.server_name, decode_verify_key_bytes(key_id, decode_base64(key["key"])))
