"""Invites by mail address or phone number, once it is known whose it is.  Spec: server-server API, "Third-party invites"."""
import json

import pytest

from support.client import path_of, unique
from support.federated_people import alice, zoe  # noqa: F401
from support.handshake import asked, countersign, membership
from support.remote_room import RemoteRoom

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


# -- by who joins

def signed_for(identity, inviter, user_id, token):
    from signedjson.sign import sign_json
    return sign_json({"mxid": user_id, "sender": inviter, "token": token}, "identity.example", identity.key)


def join_signed(user, room, signed):
    return user.post(path_of("join", room), {"third_party_signed": signed})


def test_join__with_the_identity_servers_signature__into_a_room_for_invited_only(federated, remote, alice):
    identity, token, room, bob = IdentityServer(remote), unique("token"), alice.create_room(), federated.user()
    identity.promise(alice, room, token)
    bob.join(room).expect(403, "M_FORBIDDEN")
    join_signed(bob, room, signed_for(identity, alice.user_id, bob.user_id, token)).ok()
    assert membership(alice, room, bob.user_id) == "join"
    invite = [event for event in alice.history(room) if event.get("state_key") == bob.user_id][1]
    assert invite["content"]["membership"] == "invite" and invite["sender"] == alice.user_id
    assert invite["content"]["third_party_invite"]["signed"]["token"] == token
    assert identity.checked == [[identity.public]]


@pytest.mark.parametrize("preset", ["private_chat", "public_chat"])
def test_join__with_a_signature_that_redeems_nothing__refused_also_where_all_may_come_in(federated, remote, alice, preset):
    identity, token, bob = IdentityServer(remote), unique("token"), federated.user()
    room = alice.create_room(preset=preset)
    identity.promise(alice, room, token)
    good = signed_for(identity, alice.user_id, bob.user_id, token)
    join_signed(bob, room, signed_for(IdentityServer(), alice.user_id, bob.user_id, token)).expect(403, "M_FORBIDDEN")
    join_signed(bob, room, signed_for(identity, alice.user_id, bob.user_id, "other")).expect(404, "M_NOT_FOUND")
    join_signed(bob, room, signed_for(identity, bob.user_id, bob.user_id, token)).expect(403, "M_FORBIDDEN")
    join_signed(bob, room, signed_for(identity, alice.user_id, alice.user_id, token)).expect(400, "M_INVALID_PARAM")
    join_signed(bob, room, {**good, "signatures": {}}).expect(403, "M_FORBIDDEN")
    join_signed(bob, room, {}).expect(400, "M_INVALID_PARAM")
    join_signed(bob, room, "signed").expect(400, "M_BAD_JSON")
    identity.answer = (200, {"valid": False})
    join_signed(bob, room, good).expect(403, "M_FORBIDDEN")
    assert membership(alice, room, bob.user_id) is None


def test_join__invited_already__redeemed_once_more_only_for_another_promise(federated, remote, alice):
    identity, token, bob = IdentityServer(remote), unique("token"), federated.user()
    room = alice.create_room(invite=[bob.user_id])
    identity.promise(alice, room, token)
    good = signed_for(identity, alice.user_id, bob.user_id, token)
    join_signed(bob, room, signed_for(IdentityServer(), alice.user_id, bob.user_id, token)).expect(403, "M_FORBIDDEN")
    bind(remote, federated, bob.user_id, bound(bob.user_id, room, alice.user_id, good)).ok()
    join_signed(bob, room, good).ok()
    join_signed(bob, room, good).ok()
    told = [event["content"]["membership"] for event in alice.history(room) if event.get("state_key") == bob.user_id]
    assert told == ["join", "invite", "invite"]
    assert identity.checked == [[identity.public]]


def test_join__banned__the_signature_does_not_help(federated, remote, alice):
    identity, token, room, bob = IdentityServer(remote), unique("token"), alice.create_room(), federated.user()
    identity.promise(alice, room, token)
    alice.ban(room, bob).ok()
    join_signed(bob, room, signed_for(identity, alice.user_id, bob.user_id, token)).expect(403, "M_FORBIDDEN")
    assert membership(alice, room, bob.user_id) == "ban"


def on_exchange(remote, answer):
    remote.on("PUT", r".*/exchange_third_party_invite/.*", answer)


def test_join__room_of_others__their_server_is_shown_the_signature_once(federated, remote):
    """And is in the room, though nobody has said so."""
    bob, room, token = federated.user(), RemoteRoom(remote, "11").serve(), unique("token")
    signed = signed_for(IdentityServer(), room.creator, bob.user_id, token)
    on_exchange(remote, lambda ask: (200, {}))
    join_signed(bob, room.room_id, signed).ok()
    ask, = asked(remote, "exchange_third_party_invite")
    assert ask.json["room_id"] == room.room_id and ask.json["state_key"] == bob.user_id
    assert ask.json["content"]["third_party_invite"]["signed"] == signed
    assert membership(bob, room.room_id, bob.user_id) == "join"


@pytest.mark.parametrize("refusal, status", [("M_FORBIDDEN", 403), ("M_NOT_FOUND", 404), ("M_INVALID_PARAM", 502)])
def test_join__room_of_others__their_server_refuses_the_signature(federated, remote, refusal, status):
    bob, room = federated.user(), RemoteRoom(remote, "11").serve()
    signed = signed_for(IdentityServer(), room.creator, bob.user_id, "token")
    on_exchange(remote, lambda ask: ({502: 400}.get(status, status), {"errcode": refusal, "error": "no"}))
    join_signed(bob, room.room_id, signed).expect(status)
    assert not asked(remote, "make_join")


def test_join__room_with_others__comes_in_by_the_invite_that_they_add(federated, remote):
    """Until it has come nobody is let in, and they are asked once for each call."""
    first, bob, identity, token = federated.user(), federated.user(), IdentityServer(), unique("token")
    room = RemoteRoom(remote, "11").serve()
    first.post(path_of("join", room.room_id), {}, query={"via": remote.name}).ok()
    promise = room.send("m.room.third_party_invite", {"display_name": "b...", "public_key": identity.public,
                                                      "key_validity_url": identity.url}, token)
    closed = room.send("m.room.join_rules", {"join_rule": "invite"}, "")
    remote.transaction(federated, [promise, closed]).ok()
    signed = signed_for(identity, room.creator, bob.user_id, token)
    on_exchange(remote, lambda ask: (200, {}))
    join_signed(bob, room.room_id, signed).expect(504)
    assert len(asked(remote, "exchange_third_party_invite")) == 1

    def add_invite(ask):
        draft = room.draft("m.room.member", ask.json["content"], bob.user_id)
        draft["auth_events"] += room.refs([promise.event_id])
        remote.transaction(federated, [room.add(room.sign(draft))]).ok()
        return 200, {}
    on_exchange(remote, add_invite)
    join_signed(bob, room.room_id, signed).ok()
    assert len(asked(remote, "exchange_third_party_invite")) == 2
    assert membership(first, room.room_id, bob.user_id) == "join"
