"""Who takes no invites (modules/invite_permission.md), forced forgetting, server ACLs, third-party invites and look-ups."""
import pytest

from support import accounts
from support.client import Client, path_of

BLOCK = {"default_action": "block"}


def blocked(client):
    client.account_data("m.invite_permission_config", BLOCK).ok()


def test_invite__blocked__403_and_no_event(alice, bob, room):
    blocked(bob)
    alice.invite(room, bob).expect(403, "M_INVITE_BLOCKED")
    alice.put_state(room, "m.room.member", {"membership": "invite"}, bob.user_id).expect(403, "M_INVITE_BLOCKED")
    alice.post("/createRoom", {"invite": [bob.user_id]}).expect(403, "M_INVITE_BLOCKED")
    alice.get_state(room, "m.room.member", bob.user_id).expect(404)


@pytest.mark.parametrize("content", [{}, {"default_action": "allow"}, {"default_action": 1}, {"default_action": "BLOCK"}])
def test_invite__permission_missing_or_unknown__arrives(alice, bob, room, content):
    blocked(bob)
    bob.account_data("m.invite_permission_config", content).ok()
    alice.invite(room, bob).ok()
    assert room in bob.sync().rooms("invite")


def test_invite__before_the_block__not_in_sync(alice, bob, room, carol):
    first = bob.sync().since
    alice.invite(room, bob).ok()
    blocked(bob)
    assert room not in bob.sync().rooms("invite")
    assert room not in bob.sync(first).rooms("invite")
    assert alice.get_state(room, "m.room.member", bob.user_id).ok()["membership"] == "invite"
    bob.account_data("m.invite_permission_config", {}).ok()
    assert room in bob.sync().rooms("invite")


def test_invite__before_the_block__not_in_sync_after_a_restart(fresh_server):
    alice, bob = (accounts.register(fresh_server.url) for _ in range(2))
    room = alice.create_room(invite=[bob.user_id])
    blocked(bob)
    fresh_server.kill()
    fresh_server.start()
    bob = Client(fresh_server.url, bob.token, bob.user_id)
    assert room not in bob.sync().rooms("invite")


def test_invite__blocked_but_already_joined__room_goes_on(alice, bob, shared):
    blocked(bob)
    event = alice.send(shared, "still here")
    assert event in bob.sync().joined(shared).ids()


# -- forgetting

@pytest.fixture(scope="module")
def forgetful():
    from support.server import Server
    server = Server(settings={"rooms.forget_on_leave": "true"}).start()
    yield server
    server.destroy()


def test_leave__forgets_on_leave__told_once_and_history_gone(forgetful):
    alice, bob = (accounts.register(forgetful.url) for _ in range(2))
    capabilities = bob.get("/capabilities").ok()["capabilities"]
    assert capabilities["m.forget_forced_upon_leave"] == {"enabled": True}
    rooms = {}
    for how in ("leave", "kick", "ban"):
        rooms[how] = alice.create_room(invite=[bob.user_id])
        bob.join(rooms[how]).ok()
    since = bob.sync().since
    bob.leave(rooms["leave"]).ok()
    alice.kick(rooms["kick"], bob).ok()
    alice.ban(rooms["ban"], bob).ok()
    answer = bob.sync(since)
    assert answer.rooms("leave") == set(rooms.values())
    assert bob.sync(answer.since).rooms("leave") == set()
    leaving = {"room": {"include_leave": True}}
    assert bob.sync(filter=leaving).rooms("leave") == set()
    for room in rooms.values():
        bob.messages(room).expect(403, "M_FORBIDDEN")
    alice.invite(rooms["leave"], bob).ok()
    bob.join(rooms["leave"]).ok()
    assert bob.messages(rooms["leave"]).ok()["chunk"]


def test_capability__default__not_forced(alice):
    assert alice.get("/capabilities").ok()["capabilities"]["m.forget_forced_upon_leave"] == {"enabled": False}


# -- server ACLs

@pytest.mark.parametrize("content", [{}, {"allow": []}, {"allow": ["other.example"]}, {"allow": ["*"], "deny": ["*"]},
                                     {"allow": ["*"], "deny": ["HS?", "*hs1*"]}], ids=str)
def test_sec_5_27__server_acl_that_shuts_out_ourselves__refused(alice, room, hs, content):
    content = {key: [item.replace("hs1", hs.server_name).replace("HS?", hs.server_name.upper()) for item in value]
               for key, value in content.items()}
    alice.put_state(room, "m.room.server_acl", content).expect(400, "M_BAD_STATE")
    alice.get_state(room, "m.room.server_acl").expect(404)
    alice.set_state(room, "m.room.server_acl", {"allow": ["*"], "deny": ["evil.example"], "allow_ip_literals": False})


def test_sec_5_27__server_acl_full_of_wildcards__room_goes_on(alice, room):
    content = {"allow": ["*"], "deny": ["*a" * 60 + "b%d" % number for number in range(400)]}
    alice.set_state(room, "m.room.server_acl", content)
    alice.send(room, "goes on")


# -- third-party invites and look-ups

THIRD_PARTY = {"id_server": "id.example", "id_access_token": "x", "medium": "email", "address": "a@b.example"}


def test_invite_by_mail__no_identity_server__denied(alice, bob, room):
    alice.post(alice.room(room, "invite"), THIRD_PARTY).expect(403, "M_THREEPID_DENIED")
    bob.post(bob.room(room, "invite"), THIRD_PARTY).expect(403, "M_FORBIDDEN")
    alice.post("/createRoom", {"invite_3pid": [THIRD_PARTY]}).expect(403, "M_THREEPID_DENIED")


@pytest.mark.parametrize("missing", sorted(THIRD_PARTY))
def test_invite_by_mail__field_missing__400(alice, room, missing):
    body = {key: value for key, value in THIRD_PARTY.items() if key != missing}
    alice.post(alice.room(room, "invite"), body).expect(400, "M_MISSING_PARAM")


def test_third_party__nothing_bridged__no_protocols_nothing_found(alice):
    assert alice.get("/thirdparty/protocols").ok().json == {}
    for path, query in (("/thirdparty/protocol/irc", None), ("/thirdparty/location/irc", {"channel": "#x"}),
                        ("/thirdparty/user/irc", {"nickname": "x"}), ("/thirdparty/location", {"alias": "#x:y.example"}),
                        ("/thirdparty/user", {"userid": alice.user_id})):
        alice.get(path, query).expect(404, "M_NOT_FOUND")
    for path in ("/thirdparty/location", "/thirdparty/user"):
        alice.get(path).expect(400, "M_MISSING_PARAM")


def test_appservice_directory__user__403(alice, room):
    alice.put(path_of("directory", "list", "appservice", "irc", room), {"visibility": "public"}).expect(403, "M_FORBIDDEN")


def test_policy_server__none__404(nobody):
    nobody.get("/.well-known/matrix/policy_server", token=False).expect(404, "M_NOT_FOUND")
