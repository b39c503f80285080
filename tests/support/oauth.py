"""A client of the OAuth 2.0 API: it registers, asks, exchanges codes, refreshes.  What a person does on the server's pages is done by
`allow` and `answer`, in the database: pages have tests of their own."""
import base64
import contextlib
import hashlib
import json
import secrets
import time
import urllib.parse

from .client import Client, Http, unique
from .server import Server

PATH = "/_matrix/client/belfry/oauth"
API = "urn:matrix:client:api:*"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
REDIRECT = "https://app.school.example/callback"
METADATA = {
    "client_name": "School chat", "client_uri": "https://school.example/", "redirect_uris": [REDIRECT],
    "grant_types": ["authorization_code", "refresh_token", DEVICE_CODE], "response_types": ["code"],
    "token_endpoint_auth_method": "none", "application_type": "web",
}


@contextlib.contextmanager
def served(**settings):
    """A server of its own that knows its address, without which there is no OAuth; "__" in a name stands for a dot."""
    started = Server()
    started.settings.update({"public_base_url": started.url, **{key.replace("__", "."): value for key, value in settings.items()}})
    try:
        yield started.start()
    finally:
        started.destroy()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def scope_of(device_id):
    return "%s urn:matrix:client:device:%s" % (API, device_id)


def error_of(reply, status=400):
    """The word of a refusal in OAuth's form."""
    assert reply.status == status, reply
    assert set(reply.json) == {"error", "error_description"} and reply.headers["cache-control"] == "no-store", reply
    return reply["error"]


class OAuth:
    """One client, registered with the server."""

    def __init__(self, server, **metadata):
        self.server = server
        self.http = Http(server.url)
        self.metadata = {**METADATA, **metadata}
        self.id = self.register().expect(201)["client_id"]

    def register(self):
        return self.http.raw("POST", PATH + "/register", json.dumps(self.metadata).encode(), {"Content-Type": "application/json"})

    def post(self, what, form, **headers):
        """Posts a form: a dict, or bytes as they are."""
        raw = form if isinstance(form, bytes) else urllib.parse.urlencode({k: v for k, v in form.items() if v is not None}).encode()
        return self.http.raw("POST", "%s/%s" % (PATH, what), raw, {"Content-Type": "application/x-www-form-urlencoded", **headers})

    def token(self, grant_type, **form):
        return self.post("token", {"client_id": self.id, "grant_type": grant_type, **form})

    # -- by a code

    def allow(self, user_id, device_id=None, lifetime=60, **more):
        """A code for what the user allowed, with what has to be shown with it."""
        code, verifier = "bfc_" + secrets.token_hex(20), secrets.token_urlsafe(32)
        data = {"client_id": self.id, "redirect_uri": REDIRECT, "scope": scope_of(device_id or unique("D")),
                "code_challenge": b64(hashlib.sha256(verifier.encode()).digest()), **more}
        self.server.sql("insert into account_secrets (kind, secret_hash, user_id, data, expires_at_ms) values ('oauth_code', sha256('%s'), "
                        "'%s', '%s', %d)" % (code, user_id, json.dumps(data), (time.time() + lifetime) * 1000))
        return {"code": code, "redirect_uri": REDIRECT, "code_verifier": verifier}

    def exchange(self, proof, **other):
        return self.token("authorization_code", **{**proof, **other})

    def log_in(self, user_id, device_id=None):
        """A session of the user's."""
        return self.session(user_id, self.exchange(self.allow(user_id, device_id)))

    def session(self, user_id, reply):
        reply.expect(200)
        session = Client(self.http, reply["access_token"], user_id, reply["scope"].rpartition(":")[2])
        session.refresh_token = reply["refresh_token"]
        return session

    # -- afterwards

    def refresh(self, token, **other):
        return self.token("refresh_token", refresh_token=token, **other)

    def revoke(self, token, **form):
        return self.post("revoke", {"token": token, "client_id": self.id, **form})

    # -- of a device without a browser

    def begin(self, device_id=None, **other):
        return self.post("device", {"client_id": self.id, "scope": scope_of(device_id or unique("D")), **other})

    def poll(self, begun, **other):
        return self.token(DEVICE_CODE, device_code=begun["device_code"], **other)

    def answer(self, begun, user_id, state="approved"):
        self.server.sql("update oauth_device_grants set user_id = '%s', state = '%s' where user_code = '%s'" % (
            user_id, state, begun["user_code"].replace("-", "")))
