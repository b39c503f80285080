"""Application services acting as their users.  Spec: application-service API, "Client-Server API Extensions"."""
import pytest

from support import accounts
from support.client import Client, Http, quote, unique
from support.keys import Person
from support.server import wait_until
from support.sliding import Sliding, ask, window


@pytest.fixture(scope="module")
def irc(bridged):
    """A bridge that has @_irc_… and #_irc_… for itself; what it is sent is nobody's concern here."""
    from support.appservice import AppService
    service = AppService("irc", users=["@_irc_.*"], aliases=["#_irc_.*"], listens=False)
    return service.register(bridged)


def name(prefix="_irc_"):
    return unique(prefix).replace("-", "_")


@pytest.fixture
def ghost(irc, bridged):
    return irc.ghost(bridged, name())


@pytest.fixture
def person(bridged):
    return accounts.register(Http(bridged.url))


def becomes(client, status):
    wait_until(lambda: client.get("/account/whoami").status == status, what="status %d" % status)


def register(irc, bridged, username, **more):
    body = {"type": "m.login.application_service", "username": username, "inhibit_login": True, **more}
    return irc.client(bridged).post("/register", body)


def login(irc, bridged, user, **more):
    body = {"type": "m.login.application_service", "identifier": {"type": "m.id.user", "user": user}}
    return irc.client(bridged).post("/login", body, **more)


# -- whom a request acts as

def test_whoami__without_user_id__is_the_sender(irc, bridged):
    reply = irc.client(bridged).get("/account/whoami").ok()
    assert reply.json == {"user_id": irc.user_id(bridged), "is_guest": False}


def test_whoami__as_a_user__is_that_user(irc, bridged, ghost):
    assert ghost.get("/account/whoami").ok()["user_id"] == ghost.user_id


def test_whoami__as_the_sender_by_name__is_the_sender(irc, bridged):
    reply = irc.client(bridged, irc.sender_localpart).get("/account/whoami").ok()
    assert reply["user_id"] == irc.user_id(bridged)


def test_whoami__token_in_the_query__counts_too(irc, bridged, ghost):
    query = {"user_id": ghost.user_id, "access_token": irc.as_token}
    assert Client(bridged.url).get("/account/whoami", query=query).ok()["user_id"] == ghost.user_id


def test_masquerade__user_that_is_not_registered__forbidden(irc, bridged):
    irc.client(bridged, name()).get("/account/whoami").expect(403, "M_FORBIDDEN")


def test_masquerade__user_outside_the_namespaces__forbidden(irc, bridged, person):
    localpart = person.user_id[1:].partition(":")[0]
    irc.client(bridged, localpart).get("/account/whoami").expect(403, "M_FORBIDDEN")


def test_masquerade__user_of_another_server__forbidden(irc, bridged):
    Client(bridged.url, irc.as_token).get("/account/whoami", query={"user_id": "@_irc_x:elsewhere"}).expect(
        403, "M_FORBIDDEN")


def test_masquerade__no_user_id__bad_request(irc, bridged):
    Client(bridged.url, irc.as_token).get("/account/whoami", query={"user_id": "lin"}).expect(400, "M_INVALID_PARAM")


def test_masquerade__user_id_of_an_ordinary_session__not_looked_at(bridged, person, ghost):
    reply = person.get("/account/whoami", query={"user_id": ghost.user_id, "device_id": "NONE"}).ok()
    assert reply["user_id"] == person.user_id


def test_masquerade__a_token_that_is_nobodys__unknown(bridged, ghost):
    ghost.with_token("nobody").get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")


def test_masquerade__account_management__forbidden(irc, bridged, ghost):
    ghost.post("/account/password", {"new_password": "long enough 1"}).expect(403, "M_FORBIDDEN")
    ghost.post("/account/deactivate", {}).expect(403, "M_FORBIDDEN")
    ghost.post("/account/3pid/add", {"sid": "1", "client_secret": "x"}).expect(403, "M_FORBIDDEN")


def test_masquerade__user_locked_and_unlocked__as_for_everybody(bridged, irc, ghost):
    localpart = ghost.user_id[1:].partition(":")[0]
    ghost.get("/account/whoami").ok()
    assert bridged.run("user", "lock", localpart).returncode == 0
    becomes(ghost, 401)
    ghost.get("/account/whoami").expect(401, "M_USER_LOCKED")
    assert bridged.run("user", "unlock", localpart).returncode == 0
    becomes(ghost, 200)


def test_sec_5_47__deactivated_user_of_a_service__no_way_in(bridged, irc, ghost):
    assert bridged.run("user", "deactivate", ghost.user_id[1:].partition(":")[0]).returncode == 0
    becomes(ghost, 403)
    ghost.get("/account/whoami").expect(403, "M_FORBIDDEN")
    login(irc, bridged, ghost.user_id).expect(403, "M_FORBIDDEN")


# -- devices

def make_device(client, device_id, **body):
    return client.put("/devices/" + device_id, body)


def test_devices__put_of_one_that_is_not_there__made(ghost):
    make_device(ghost, "BRIDGE", display_name="Bridge").expect(201)
    device = ghost.get("/devices/BRIDGE").ok()
    assert (device["device_id"], device["display_name"]) == ("BRIDGE", "Bridge")
    make_device(ghost, "BRIDGE", display_name="Renamed").expect(200)
    assert ghost.get("/devices/BRIDGE").ok()["display_name"] == "Renamed"
    make_device(ghost, "BRIDGE").expect(200)
    assert ghost.get("/devices/BRIDGE").ok()["display_name"] == "Renamed"


def test_devices__put_by_a_person__not_made(person):
    make_device(person, "NEW").expect(404, "M_NOT_FOUND")


@pytest.mark.parametrize("device_id", ["x" * 256, "a%01b"])
def test_devices__impossible_id__refused(ghost, device_id):
    make_device(ghost, device_id).expect(400, "M_INVALID_PARAM")


@pytest.mark.parametrize("parameter", ["device_id", "org.matrix.msc3202.device_id"])
def test_device__of_the_user__acted_with(ghost, parameter):
    make_device(ghost, "PHONE").expect(201)
    assert ghost.get("/account/whoami", query={parameter: "PHONE"}).ok()["device_id"] == "PHONE"
    assert "device_id" not in ghost.get("/account/whoami").ok().json


def test_device__that_is_not_there__unknown_device(ghost, irc, bridged):
    other = irc.ghost(bridged, name())
    make_device(other, "OTHER").expect(201)
    ghost.get("/account/whoami", query={"device_id": "OTHER"}).expect(400, "M_UNKNOWN_DEVICE")
    ghost.get("/account/whoami", query={"device_id": "a\0b"}).expect(400)


def test_device__of_the_sender__without_user_id(irc, bridged):
    sender = irc.client(bridged)
    make_device(sender, "BOT")
    assert sender.get("/account/whoami", query={"device_id": "BOT"}).ok()["device_id"] == "BOT"


def test_device__deleted__needs_no_authentication_and_ends_it(ghost):
    for device_id in ("ONE", "TWO", "THREE"):
        make_device(ghost, device_id).expect(201)
    ghost.get("/account/whoami", query={"device_id": "ONE"}).ok()
    ghost.delete("/devices/ONE").ok()
    ghost.post("/delete_devices", {"devices": ["TWO", "THREE"]}).ok()
    assert ghost.get("/devices").ok()["devices"] == []
    ghost.get("/account/whoami", query={"device_id": "ONE"}).expect(400, "M_UNKNOWN_DEVICE")


def test_device__deleted_and_made_again__does_not_go_on_with_what_the_one_before_had(irc, bridged, ghost):
    make_device(ghost, "SYNC").expect(201)
    ghost.create_room()
    device = irc.client(bridged, ghost.user_id[1:].partition(":")[0], "SYNC")
    watch = Sliding(device, {"all": window()})
    watch.next()
    ghost.delete("/devices/SYNC").ok()
    make_device(ghost, "SYNC").expect(201)
    ask(device, watch.body(), watch.pos).expect(400, "M_UNKNOWN_POS")


def test_keys__without_a_device__refused_and_with_one_taken(ghost):
    make_device(ghost, "CRYPTO").expect(201)
    ghost.post("/keys/upload", {}).expect(400)
    ghost.post("/keys/upload", {}, query={"device_id": "CRYPTO"}).ok()


def test_cross_signing__uploaded_twice__without_authentication(ghost):
    for _ in range(2):
        ghost.post("/keys/device_signing/upload", Person(ghost).body()).ok()


# -- registration and log-in

def test_devices__put_of_one_called_like_a_cross_key__forbidden(ghost):
    person = Person(ghost).upload()
    make_device(ghost, quote(person.master.public)).expect(403, "M_FORBIDDEN")


def test_register__in_the_namespace__made_without_password(irc, bridged):
    localpart = name()
    reply = register(irc, bridged, localpart).ok()
    assert reply.json == {"user_id": "@%s:%s" % (localpart, bridged.server_name)}
    register(irc, bridged, localpart).expect(400, "M_USER_IN_USE")
    Client(bridged.url).post("/login", {"type": "m.login.password", "password": "", "identifier": {
        "type": "m.id.user", "user": localpart}}).expect(403, "M_FORBIDDEN")


def test_register__without_inhibiting_the_login__session_of_the_user(irc, bridged):
    reply = register(irc, bridged, name(), inhibit_login=False, device_id="DEV").ok()
    session = Client(bridged.url, reply["access_token"])
    who = session.get("/account/whoami").ok()
    assert (who["user_id"], who["device_id"]) == (reply["user_id"], "DEV")


def test_register__outside_the_namespace__exclusive(irc, bridged):
    register(irc, bridged, name("lin")).expect(400, "M_EXCLUSIVE")


def test_register__names_that_people_may_not_have__taken_as_they_are(irc, bridged):
    localpart = name("_irc_Lin[m]~")
    assert register(irc, bridged, localpart).ok()["user_id"] == "@%s:%s" % (localpart, bridged.server_name)
    assert irc.client(bridged, localpart).get("/account/whoami").ok()["user_id"].startswith("@_irc_Lin[m]~")


@pytest.mark.parametrize("localpart", ["_irc_ a", "_irc_:x", "_irc_\u00e9", "_irc_" + "x" * 250, "@_irc_x:elsewhere", "_irc_\0"])
def test_register__impossible_names__invalid(irc, bridged, localpart):
    register(irc, bridged, localpart).expect(400, "M_INVALID_USERNAME")


def test_register__no_token_or_a_persons__says_so(irc, bridged, person):
    body = {"type": "m.login.application_service", "username": name()}
    Client(bridged.url).post("/register", body).expect(401, "M_MISSING_TOKEN")
    person.post("/register", body).expect(401, "M_UNKNOWN_TOKEN")
    Client(bridged.url).post("/login", body).expect(401, "M_MISSING_TOKEN")
    person.post("/login", body).expect(401, "M_UNKNOWN_TOKEN")


def test_login__flows__list_it(bridged):
    flows = Client(bridged.url).get("/login").ok()["flows"]
    assert {"type": "m.login.application_service"} in flows


@pytest.mark.parametrize("whole", [True, False])
def test_login__user_of_the_service__session(irc, bridged, ghost, whole):
    user = ghost.user_id if whole else ghost.user_id[1:].partition(":")[0]
    reply = login(irc, bridged, user).ok()
    assert Client(bridged.url, reply["access_token"]).get("/account/whoami").ok()["user_id"] == ghost.user_id


def test_login__the_sender__session(irc, bridged):
    assert login(irc, bridged, irc.user_id(bridged)).ok()["user_id"] == irc.user_id(bridged)


def test_login__others__refused(irc, bridged, person):
    login(irc, bridged, person.user_id).expect(400, "M_EXCLUSIVE")
    login(irc, bridged, name()).expect(403, "M_FORBIDDEN")


# -- what a service has for itself

def test_exclusive_user__for_people__refused(irc, bridged):
    http = Http(bridged.url)
    localpart = name()
    reply = Client(http).post("/register", {"username": localpart, "password": "long enough 1"})
    assert (reply.status, reply.errcode) == (400, "M_EXCLUSIVE")
    Client(http).get("/register/available", query={"username": localpart}).expect(400, "M_EXCLUSIVE")
    Client(http).get("/register/available", query={"username": irc.sender_localpart}).expect(400, "M_EXCLUSIVE")
    assert "reserved" in bridged.run("user", "add", localpart, "--generate").stderr


def test_exclusive_alias__for_people__refused(irc, bridged, person, ghost):
    room = person.create_room()
    alias = "#%s:%s" % (name(), bridged.server_name)
    put = lambda who: who.put("/directory/room/" + alias.replace("#", "%23"), {"room_id": room})  # noqa: E731
    put(person).expect(400, "M_EXCLUSIVE")
    person.post("/createRoom", {"room_alias_name": name()}).expect(400, "M_EXCLUSIVE")
    put(ghost).ok()  # although it is not in the room
    person.delete("/directory/room/" + alias.replace("#", "%23")).expect(400, "M_EXCLUSIVE")
    irc.client(bridged).delete("/directory/room/" + alias.replace("#", "%23")).ok()


def test_alias__of_a_service_outside_its_namespace__exclusive(bridged, ghost):
    room = ghost.create_room()
    alias = "%%23%s:%s" % (name("class"), bridged.server_name)
    ghost.put("/directory/room/" + alias, {"room_id": room}).expect(400, "M_EXCLUSIVE")
    ghost.post("/createRoom", {"room_alias_name": name("class")}).expect(400, "M_EXCLUSIVE")
    ghost.post("/createRoom", {"room_alias_name": name()}).ok()


# -- timestamps

def test_ts__on_send_and_state__is_the_events_time(ghost):
    room = ghost.create_room()
    sent = ghost.put(ghost.room(room, "send", "m.room.message", unique("t")), {"body": "x", "msgtype": "m.text"},
                     query={"ts": 1234567890123}).ok()["event_id"]
    assert ghost.event(room, sent).ok()["origin_server_ts"] == 1234567890123
    put = ghost.put(ghost.room(room, "state", "org.example", ""), {"a": 1}, query={"ts": 0}).ok()["event_id"]
    assert ghost.event(room, put).ok()["origin_server_ts"] == 0


@pytest.mark.parametrize("ts", ["-1", "x", "1.5", "9007199254740992", "99999999999999999999", ""])
def test_ts__that_no_event_can_have__bad_request(ghost, ts):
    room = ghost.create_room()
    for path in (("send", "m.room.message", unique("t")), ("state", "org.example", "")):
        ghost.put(ghost.room(room, *path), {"body": "x"}, query={"ts": ts}).expect(400, "M_INVALID_PARAM")


def test_ts__of_a_person__not_looked_at(person):
    room = person.create_room()
    sent = person.put(person.room(room, "send", "m.room.message", unique("t")), {"body": "x", "msgtype": "m.text"},
                      query={"ts": 5}).ok()["event_id"]
    assert person.event(room, sent).ok()["origin_server_ts"] > 1500000000000


# -- life as a user without a device

def test_ghost__without_device__does_what_people_do(bridged, ghost, person, irc):
    room = person.create_room(invite=[ghost.user_id])
    ghost.join(room).ok()
    txn = unique("t")
    first = ghost.send(room, "hello", txn=txn)
    assert ghost.send(room, "hello", txn=txn) == first
    ghost.put("/profile/%s/displayname" % ghost.user_id, {"displayname": "Lin (IRC)"}).ok()
    ghost.put("/presence/%s/status" % ghost.user_id, {"presence": "online"}).ok()
    ghost.typing(room).ok()
    ghost.receipt(room, first).ok()
    ghost.put("/sendToDevice/m.test/" + unique("t"), {"messages": {person.user_id: {"*": {"a": 1}}}}).ok()
    assert ghost.messages(room, limit=1).ok()["chunk"]
    sync = ghost.get("/sync", query={"filter": '{"room":{"state":{"lazy_load_members":true}}}'}).ok()
    assert room in sync["rooms"]["join"]
    assert ghost.get("/sync", query={"since": sync["next_batch"], "timeout": 0}).ok()
    other = irc.ghost(bridged, name())
    assert other.put_event(room, "m.room.message", {"body": "x"}).status == 403
    ghost.post("/logout", {}).ok()


def test_joined_members__another_user_of_the_service_is_joined__told(irc, bridged, ghost, person):
    """"unless it is an Application Service in which case any of the AS's users must be in the room"."""
    room = person.create_room(preset="public_chat")
    sender = irc.client(bridged)
    sender.get(sender.room(room, "joined_members")).expect(403, "M_FORBIDDEN")
    ghost.join(room).ok()
    assert set(sender.get(sender.room(room, "joined_members")).ok()["joined"]) == {person.user_id, ghost.user_id}
    sender.get(sender.room(room, "state")).expect(403, "M_FORBIDDEN")
    ghost.leave(room).ok()
    sender.get(sender.room(room, "joined_members")).expect(403, "M_FORBIDDEN")


def test_transaction_ids__of_two_users_of_a_service__are_apart(irc, bridged, ghost):
    other = irc.ghost(bridged, name())
    room = ghost.create_room(invite=[other.user_id])
    other.join(room).ok()
    txn = unique("t")
    assert ghost.send(room, "one", txn=txn) != other.send(room, "two", txn=txn)


def test_routes_of_services__for_people__forbidden(irc, person, bridged):
    path = "/directory/list/appservice/irc/%21r%3Ax"
    person.put(path, {"visibility": "public"}).expect(403, "M_FORBIDDEN")
    Client(bridged.url).put(path, {"visibility": "public"}).expect(401, "M_MISSING_TOKEN")
