"""Makes users: by open registration, or by the shared secret (Synapse's admin register)."""
import hashlib
import hmac

from .client import Client, unique


def register(base, name=None, password=None, **more):
    """A new user's Client, by open registration with the dummy stage."""
    nobody = Client(base)
    name = name or unique("u")
    password = password or "password-" + name
    body = {"username": name, "password": password, "auth": {"type": "m.login.dummy"}}
    body.update(more)
    reply = nobody.post("/register", body, token=False)
    if reply.status == 401 and "session" in reply:
        body["auth"]["session"] = reply["session"]
        reply = nobody.post("/register", body, token=False)
    reply.ok()
    session = Client(nobody.http, reply.get("access_token"), reply["user_id"], reply.get("device_id"), password)
    session.refresh_token = reply.get("refresh_token")
    return session


def shared_secret_body(base, secret, name, password, admin=False):
    """The body of POST /_synapse/admin/v1/register, with a fresh nonce."""
    nonce = Client(base).get("/_synapse/admin/v1/register", token=False).ok()["nonce"]
    text = "\0".join((nonce, name, password, "admin" if admin else "notadmin"))
    mac = hmac.new(secret.encode(), text.encode(), hashlib.sha1).hexdigest()
    return {"nonce": nonce, "username": name, "password": password, "admin": admin, "mac": mac}


def register_by_secret(base, secret, name=None, password=None, admin=False):
    name = name or unique("s")
    password = password or "password-" + name
    body = shared_secret_body(base, secret, name, password, admin)
    reply = Client(base).post("/_synapse/admin/v1/register", body, token=False).ok()
    return Client(base, reply["access_token"], reply["user_id"], reply["device_id"], password)
