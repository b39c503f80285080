"""Guest access (modules/guest_access.md): what guests read, where they come in, when they have to go."""
import pytest

from support import accounts
from support.client import Client, of_whole_index, path_of, unique
from support.shared_room import SharedRoom

FORBIDDEN = "M_GUEST_ACCESS_FORBIDDEN"


@pytest.fixture(scope="module")
def running():
    from support.server import Server
    server = Server(settings={"registration.guests": "true"}).start()
    yield server
    server.destroy()


@pytest.fixture
def host(running):
    return accounts.register(running.url)


@pytest.fixture
def guest(running):
    reply = Client(running.url).post("/register", {}, query={"kind": "guest"}, token=False).ok()
    return Client(running.url, reply["access_token"], reply["user_id"], reply["device_id"])


def room_of(host, access="can_join", visibility="shared", **more):
    return host.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": access}},
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": visibility}}], **more)


def test_guest__can_join__joins_talks_and_leaves(host, guest):
    room = room_of(host)
    guest.join(room).ok()
    event = guest.send(room, "hello")
    assert host.event(room, event).ok()["sender"] == guest.user_id
    assert room in guest.sync().rooms("join")
    guest.put_state(room, "m.room.topic", {"topic": "x"}).expect(403, "M_FORBIDDEN")  # power, not guesthood
    guest.leave(room).ok()


@pytest.mark.parametrize("access", ["forbidden", "nonsense", None])
def test_guest__not_let_in__refused(host, guest, access):
    room = room_of(host, access) if access else host.create_room(preset="public_chat")
    guest.join(room).expect(403, FORBIDDEN)
    guest.put_state(room, "m.room.member", {"membership": "join"}, guest.user_id).expect(403, FORBIDDEN)
    host.invite(room, guest).ok()
    guest.join(room).expect(403, FORBIDDEN)
    assert host.get_state(room, "m.room.member", guest.user_id).ok()["membership"] == "invite"


def test_guest__not_let_in__not_by_a_signed_invite_either(host, guest):
    from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
    from signedjson.sign import sign_json
    room, key, token = host.create_room(), generate_signing_key("0"), unique("token")
    host.put_state(room, "m.room.guest_access", {"guest_access": "forbidden"}).ok()
    public = encode_verify_key_base64(get_verify_key(key))
    host.put_state(room, "m.room.third_party_invite", {"display_name": "g...", "public_keys": [{"public_key": public}]}, token).ok()
    signed = sign_json({"mxid": guest.user_id, "sender": host.user_id, "token": token}, "identity.example", key)
    guest.join(room, third_party_signed=signed).expect(403, FORBIDDEN)
    host.get_state(room, "m.room.member", guest.user_id).expect(404)
    host.put_state(room, "m.room.guest_access", {"guest_access": "can_join"}).ok()
    guest.join(room, third_party_signed=signed).ok()


def test_guest_access__taken_back__guests_leave_and_others_stay(running, host, guest):
    room = room_of(host)
    other = accounts.register(running.url)
    guest.join(room).ok()
    other.join(room).ok()
    watch = guest.watch()
    changed = host.set_state(room, "m.room.guest_access", {"guest_access": "forbidden"})
    answer, left = watch.until(lambda answer: answer.left(room))
    assert changed in left.ids() and left.timeline[-1]["content"]["membership"] == "leave"
    members = host.get(host.room(room, "joined_members")).ok()["joined"]
    assert set(members) == {host.user_id, other.user_id}
    guest.put_event(room, "m.room.message", {"body": "x"}).expect(403, "M_FORBIDDEN")
    guest.join(room).expect(403, FORBIDDEN)


def test_guest_access__taken_back_by_another_server__guests_leave_and_others_stay(make_federated, remote):
    server = make_federated(settings={"registration.guests": "true"}).start()
    shared = SharedRoom(server, remote)
    shared.deliver(shared.room.send("m.room.guest_access", {"guest_access": "can_join"}, ""))
    reply = Client(server.url).post("/register", {}, query={"kind": "guest"}, token=False).ok()
    visitor = Client(server.url, reply["access_token"], reply["user_id"], reply["device_id"])
    visitor.join(shared.room_id).ok()
    watch = visitor.watch()
    shared.deliver(shared.room.send("m.room.guest_access", {"guest_access": "forbidden"}, ""))
    _, left = watch.until(lambda answer: answer.left(shared.room_id))
    assert left.timeline[-1]["content"]["membership"] == "leave"
    assert set(shared.user.get(shared.user.room(shared.room_id, "joined_members")).ok()["joined"]) == {
        shared.user.user_id, shared.room.creator}


def test_guest_access__set_without_power__nobody_leaves(host, guest, running):
    room = room_of(host)
    guest.join(room).ok()
    guest.put_state(room, "m.room.guest_access", {"guest_access": "forbidden"}).expect(403, "M_FORBIDDEN")
    assert guest.user_id in host.get(host.room(room, "joined_members")).ok()["joined"]


def test_guest__world_readable__reads_without_joining(host, guest):
    room = room_of(host, "forbidden", "world_readable")
    event = host.send(room, "for all")
    assert guest.event(room, event).ok()["content"]["body"] == "for all"
    assert event in [item["event_id"] for item in guest.messages(room).ok()["chunk"]]
    guest.get(guest.room(room, "context", event)).ok()
    guest.get(guest.room(room, "state")).ok()
    guest.get_state(room, "m.room.create").ok()
    guest.get(guest.room(room, "members")).ok()


@pytest.mark.parametrize("visibility", ["shared", "invited", "joined"])
def test_guest__not_world_readable__nothing(host, guest, visibility):
    room = room_of(host, "can_join", visibility)
    event = host.send(room, "secret")
    guest.event(room, event).expect(404, "M_NOT_FOUND")
    guest.messages(room).expect(403)
    guest.get(guest.room(room, "context", event)).expect((403, 404))
    guest.get(guest.room(room, "state")).expect(403)
    guest.get_state(room, "m.room.create").expect(403)
    guest.get(guest.room(room, "members")).expect(403)


def test_guest__profile__display_name_only(guest):
    assert "displayname" not in guest.get(path_of("profile", guest.user_id)).json
    guest.put(path_of("profile", guest.user_id, "displayname"), {"displayname": "Visitor"}).ok()
    guest.put(path_of("profile", guest.user_id, "avatar_url"), {"avatar_url": "mxc://x.example/a"}).expect(403, FORBIDDEN)
    guest.delete(path_of("profile", guest.user_id, "avatar_url")).expect(403, FORBIDDEN)
    guest.delete(path_of("profile", guest.user_id, "displayname")).ok()


def test_guest__what_is_not_listed__refused(host, guest):
    room = room_of(host)
    guest.join(room).ok()
    for reply in (guest.post("/createRoom", {}), guest.post(path_of("join", room), {}), guest.invite(room, host),
                  guest.get("/joined_rooms"), guest.get(guest.room(room, "joined_members")),
                  guest.redact(room, "$x"), guest.post(guest.room(room, "upgrade"), {"new_version": "12"})):
        reply.expect(403, FORBIDDEN)


def upgrade(guest, **changes):
    """Registration of a guest as a user, as far as it comes."""
    body = {"username": guest.user_id[1:].split(":")[0], "password": "password-" + guest.user_id, "guest_access_token": guest.token,
            **changes}
    nobody = Client(guest.http)
    first = nobody.post("/register", body, token=False)
    if first.status != 401:
        return first
    return nobody.post("/register", {**body, "auth": {"type": "m.login.dummy", "session": first["session"]}}, token=False)


def test_guest__registers_with_the_own_token__is_a_user_of_the_same_name_who_stays_in_rooms(host, guest):
    room = room_of(host)
    guest.join(room).ok()
    guest.post("/createRoom", {}).expect(403, FORBIDDEN)
    reply = upgrade(guest).ok()
    assert reply["user_id"] == guest.user_id and reply["access_token"] != guest.token
    user = Client(guest.http, reply["access_token"], reply["user_id"], reply["device_id"], "password-" + guest.user_id)
    host.set_state(room, "m.room.guest_access", {"guest_access": "forbidden"})
    for session in (user, guest, user.login()):
        assert session.get("/account/whoami").ok()["is_guest"] is False
        session.send(room, "still here")
    user.create_room()
    found = of_whole_index(lambda: host.post("/user_directory/search", {"search_term": user.user_id})).ok()["results"]
    assert [item["user_id"] for item in found] == [user.user_id]
    upgrade(guest).expect(403, "M_FORBIDDEN")


def test_guest__registers_with_what_is_not_the_own_token_or_name__refused_and_still_a_guest(running, host, guest):
    other = Client(running.url).post("/register", {}, query={"kind": "guest"}, token=False).ok()
    upgrade(guest, guest_access_token=other["access_token"]).expect(403, "M_FORBIDDEN")
    upgrade(guest, guest_access_token=host.token).expect(403, "M_FORBIDDEN")
    upgrade(guest, guest_access_token="made-up").expect(403, "M_FORBIDDEN")
    upgrade(guest, username=unique("free")).expect(403, "M_FORBIDDEN")
    upgrade(guest, username=None).expect(400)
    upgrade(guest, guest_access_token=7).expect(400, "M_BAD_JSON")
    upgrade(host, guest_access_token=host.token).expect(403, "M_FORBIDDEN")
    assert guest.get("/account/whoami").ok()["is_guest"] is True
    guest.post("/createRoom", {}).expect(403, FORBIDDEN)


def test_guest__locked__stays_a_guest_who_cannot_register(running, guest):
    lock = "/_matrix/client/v1" + path_of("admin", "lock", guest.user_id)
    admin = accounts.register_by_secret(guest.http, running.secret, admin=True)
    admin.put(lock, {"locked": True}).ok()
    upgrade(guest).expect((400, 401, 403))
    admin.put(lock, {"locked": False}).ok()
    assert guest.get("/account/whoami").ok()["is_guest"] is True


def test_guest__registration_off__refused(make_server):
    server = make_server().start()
    server.anonymous().post("/register", {}, query={"kind": "guest"}, token=False).expect(403)
