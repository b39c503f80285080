"""OpenID Connect for clients of before the OAuth 2.0 API was specified: a token that says who logged in, and the key that it is signed by."""
import base64
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from support import accounts
from support.client import unique
from support.oauth import PATH, OAuth, scope_of, served
from support.server import binary

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")
CONFIGURATION = ".well-known/openid-configuration"


@pytest.fixture(scope="module")
def server():
    with served() as started:
        yield started


@pytest.fixture(scope="module")
def app(server):
    return OAuth(server)


@pytest.fixture
def ann(server):
    return accounts.register(server.url)


def get(server, url):
    return server.anonymous().get(url.removeprefix(server.url), token=False).ok()


def unpack(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_of(server, token):
    """What a token says, after its signature was checked as a client would that knows the issuer alone."""
    keys = get(server, get(server, get(server, "/_matrix/client/v1/auth_metadata")["issuer"] + CONFIGURATION)["jwks_uri"])["keys"]
    header, claims, signature = token.split(".")
    key = next(key for key in keys if key["kid"] == json.loads(unpack(header))["kid"])
    assert json.loads(unpack(header))["alg"] == key["alg"] == "EdDSA" and (key["kty"], key["crv"]) == ("OKP", "Ed25519")
    Ed25519PublicKey.from_public_bytes(unpack(key["x"])).verify(unpack(signature), ("%s.%s" % (header, claims)).encode())
    return json.loads(unpack(claims))


def test_configuration__below_the_issuer__as_the_metadata(server):
    metadata = get(server, "/_matrix/client/v1/auth_metadata")
    assert metadata["issuer"].endswith("/") and metadata["issuer"] == server.url + PATH + "/"
    assert get(server, metadata["issuer"] + CONFIGURATION).json == metadata.json


@pytest.mark.parametrize("nonce", [None, "n-0S6_WzA2Mj"])
def test_id_token__scope_openid__signed_and_about_this_log_in(server, app, ann, nonce):
    scope = "openid " + scope_of(unique("D"))
    reply = app.exchange(app.allow(ann.user_id, scope=scope, **({"nonce": nonce} if nonce else {}))).ok()
    assert reply["scope"] == scope
    claims = claims_of(server, reply["id_token"])
    begin = claims.pop("iat")
    assert abs(begin - time.time()) < 600 and 0 < claims.pop("exp") - begin <= 3600
    assert claims == {"iss": server.url + PATH + "/", "sub": ann.user_id, "aud": app.id, **({"nonce": nonce} if nonce else {})}
    refreshed = app.refresh(reply["refresh_token"]).ok()
    assert "id_token" not in refreshed.json and refreshed["scope"] == scope


def test_id_token__scope_without_openid__none(app, ann):
    assert "id_token" not in app.exchange(app.allow(ann.user_id, nonce="x")).ok().json


def test_id_token__used_as_an_access_token__opens_nothing(server, app, ann):
    token = app.exchange(app.allow(ann.user_id, scope="openid " + scope_of(unique("D")))).ok()["id_token"]
    server.anonymous().get("/account/whoami", token=token).expect(401, "M_UNKNOWN_TOKEN")
