"""Invites by mail address or phone number, once it is known whose it is.  Spec: server-server API, "Third-party invites"."""
import json

import pytest

from support.client import path_of, unique
from support.federated_people import alice, zoe  # noqa: F401
from support.handshake import asked, countersign, membership

INVITE_V2 = r"/_matrix/federation/v2/invite/.*"


class IdentityServer:
    """Its key, what it signs, and whether it stands by the key: where the remote answers for it, if there is one."""

    def __init__(self, remote=None):
        from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
        self.key = generate_signing_key("0")
        self.public = encode_verify_key_base64(get_verify_key(self.key))
        self.answer, self.checked, self.url = (200, {"valid": True}), [], "https://identity.example/valid"
        if remote is not None:
            self.url = "https://%s/valid?of=%s" % (remote.name, unique("key"))
            remote.on("GET", "/valid", self.check)

    def check(self, ask):
        self.checked.append(ask.query["public_key"])
        return self.answer

    def sign(self, user_id, token):
        from signedjson.sign import sign_json
        return sign_json({"mxid": user_id, "token": token}, "identity.example", self.key)

    def promise(self, user, room, token, name="z...@example.org"):
        user.put_state(room, "m.room.third_party_invite", {
            "display_name": name, "public_key": self.public, "key_validity_url": self.url,
            "public_keys": [{"public_key": self.public}]}, token).ok()


def exchange(remote, server, room, inviter, user_id, signed, **more):
    body = {"type": "m.room.member", "room_id": room, "sender": inviter, "state_key": user_id,
            "content": {"membership": "invite", "third_party_invite": {"display_name": "x", "signed": signed}}, **more}
    return remote.send(server, "PUT", "/_matrix/federation/v1" + path_of("exchange_third_party_invite", room), body)


def test_exchange__signed_by_the_identity_server__invited(federated, remote, alice, zoe):
    identity, token, room = IdentityServer(remote), unique("token"), alice.create_room()
    identity.promise(alice, room, token)
    remote.on("PUT", INVITE_V2, lambda ask: countersign(remote, ask))
    exchange(remote, federated, room, alice.user_id, zoe, identity.sign(zoe, token)).ok()
    member = alice.state(room)[("m.room.member", zoe)]
    assert member["content"]["membership"] == "invite"
    assert member["content"]["third_party_invite"]["display_name"] == "z...@example.org"
    assert member["sender"] == alice.user_id
    assert identity.checked == [[identity.public]]


@pytest.mark.parametrize("answer, status", [((200, {"valid": False}), 403), ((200, {"valid": "true"}), 502), ((200, []), 502),
                                            ((404, {"valid": True}), 502), ((200, b"?"), 502)])
def test_exchange__key_that_its_server_does_not_stand_by__refused(federated, remote, alice, zoe, answer, status):
    identity, token, room = IdentityServer(remote), unique("token"), alice.create_room()
    identity.promise(alice, room, token)
    identity.answer = answer
    remote.on("PUT", INVITE_V2, lambda ask: countersign(remote, ask))
    exchange(remote, federated, room, alice.user_id, zoe, identity.sign(zoe, token)).expect(status)
    assert not asked(remote, "invite")
    assert membership(alice, room, zoe) is None


def test_exchange__signed_by_a_key_without_such_an_address__valid_for_ever(federated, remote, alice, zoe):
    identity, token, room = IdentityServer(remote), unique("token"), alice.create_room()
    identity.promise(alice, room, token)
    content = alice.get_state(room, "m.room.third_party_invite", token).ok().json
    alice.set_state(room, "m.room.third_party_invite", {**content, "public_key": IdentityServer().public}, token)
    identity.answer = (200, {"valid": False})
    remote.on("PUT", INVITE_V2, lambda ask: countersign(remote, ask))
    exchange(remote, federated, room, alice.user_id, zoe, identity.sign(zoe, token)).ok()
    assert identity.checked == []


def test_exchange__signed_by_another_key_or_for_another_user__refused(federated, remote, alice, zoe):
    identity, token, room = IdentityServer(remote), unique("token"), alice.create_room()
    identity.promise(alice, room, token)
    remote.on("PUT", INVITE_V2, lambda ask: countersign(remote, ask))
    other = "@other:" + remote.name
    exchange(remote, federated, room, alice.user_id, zoe, IdentityServer().sign(zoe, token)).expect(403, "M_FORBIDDEN")
    exchange(remote, federated, room, alice.user_id, zoe, identity.sign(other, token)).expect(403, "M_FORBIDDEN")
    exchange(remote, federated, room, alice.user_id, zoe, identity.sign(zoe, "other")).expect(404, "M_NOT_FOUND")
    assert not asked(remote, "invite")
    assert membership(alice, room, zoe) is None


@pytest.mark.parametrize("change", [
    {"type": "m.room.power_levels"}, {"room_id": "!x:y"}, {"state_key": "@x:elsewhere.example"}, {"state_key": 7},
    {"sender": "@x:elsewhere.example"}, {"content": {"membership": "join"}}, {"content": []}, {"content": {
        "membership": "invite", "third_party_invite": {"signed": []}}}])
def test_sec_5_21__exchange_of_something_else__400(federated, remote, alice, zoe, change):
    identity, token, room = IdentityServer(remote), unique("token"), alice.create_room()
    identity.promise(alice, room, token)
    exchange(remote, federated, room, alice.user_id, zoe, identity.sign(zoe, token), **change).expect(400, "M_INVALID_PARAM")


def test_exchange__in_the_name_of_who_has_not_promised__403(federated, remote, alice, zoe):
    bob = federated.user()
    identity, token, room = IdentityServer(remote), unique("token"), alice.create_room(invite=[bob.user_id])
    bob.join(room).ok()
    identity.promise(alice, room, token)
    exchange(remote, federated, room, bob.user_id, zoe, identity.sign(zoe, token)).expect(403, "M_FORBIDDEN")


def bind(remote, server, user_id, *invites, method="PUT", **more):
    """An identity server signs no requests."""
    body = {"medium": "email", "address": "a@example.org", "mxid": user_id, "invites": list(invites), **more}
    return remote.raw(server, method, "/_matrix/federation/v1/3pid/onbind", json.dumps(body),
                      {"Content-Type": "application/json"})


def bound(user_id, room, sender, signed):
    return {"medium": "email", "address": "a@example.org", "mxid": user_id, "room_id": room, "sender": sender,
            "signed": signed}


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_onbind__room_of_ours__invited(federated, remote, alice, method):
    """POST is what identity servers in use send."""
    bob = federated.user()
    identity, token, room = IdentityServer(remote), unique("token"), alice.create_room()
    identity.promise(alice, room, token)
    bind(remote, federated, bob.user_id, bound(bob.user_id, room, alice.user_id, identity.sign(bob.user_id, token)),
         method=method).ok()
    assert membership(alice, room, bob.user_id) == "invite"
    assert identity.checked == [[identity.public]]


def test_onbind__no_invites_wait__taken(federated, remote, alice):
    bind(remote, federated, alice.user_id).ok()
    body = {"medium": "email", "address": "a@example.org", "mxid": alice.user_id}
    for invites, status in (({}, 200), ({"invites": None}, 400), ({"invites": {}}, 400)):
        assert remote.raw(federated, "PUT", "/_matrix/federation/v1/3pid/onbind", json.dumps({**body, **invites}),
                          {"Content-Type": "application/json"}).status == status


def test_onbind__forged__nobody_is_invited(federated, remote, alice):
    bob = federated.user()
    identity, token, room = IdentityServer(remote), unique("token"), alice.create_room()
    identity.promise(alice, room, token)
    forged = IdentityServer().sign(bob.user_id, token)
    bind(remote, federated, bob.user_id, bound(bob.user_id, room, alice.user_id, forged), {}, {"signed": 7}).ok()
    assert membership(alice, room, bob.user_id) is None


def test_onbind__room_of_others__asked_of_the_inviters_server(federated, remote):
    bob, token = federated.user(), unique("token")
    sender, signed = "@zoe:" + remote.name, IdentityServer().sign(bob.user_id, token)
    remote.on("PUT", r".*/exchange_third_party_invite/.*", lambda ask: (200, {}))
    bind(remote, federated, bob.user_id, bound(bob.user_id, "!far:" + remote.name, sender, signed)).ok()
    ask, = asked(remote, "exchange_third_party_invite")
    assert ask.json["type"] == "m.room.member" and ask.json["state_key"] == bob.user_id
    assert ask.json["content"]["third_party_invite"]["signed"] == signed


def test_onbind__no_user_of_ours__400(federated, remote):
    bind(remote, federated, "@x:elsewhere.example").expect(400, "M_INVALID_PARAM")
    bind(remote, federated, "@nobody-at-all:" + federated.server_name).expect(400, "M_INVALID_PARAM")
