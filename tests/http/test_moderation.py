"""Administrators suspend and lock accounts, and see where they are used (client-server API, "Server administration")."""
import pytest

from support.client import Client, path_of


def suspend_path(user):
    return "/_matrix/client/v1" + path_of("admin", "suspend", user)


def lock_path(user):
    return "/_matrix/client/v1" + path_of("admin", "lock", user)


@pytest.fixture
def admin(hs):
    return hs.admin()


def suspend(admin, user, suspended=True):
    assert admin.put(suspend_path(user.user_id), {"suspended": suspended}).ok().json == {"suspended": suspended}


def lock(admin, user, locked=True):
    assert admin.put(lock_path(user.user_id), {"locked": locked}).ok().json == {"locked": locked}


def test_suspend__set_and_lifted__shown(admin, alice):
    assert admin.get(suspend_path(alice.user_id)).ok()["suspended"] is False
    suspend(admin, alice)
    assert admin.get(suspend_path(alice.user_id)).ok()["suspended"] is True
    suspend(admin, alice, False)
    assert admin.get(suspend_path(alice.user_id)).ok()["suspended"] is False


def test_suspended__what_acts__forbidden(hs, admin, alice, bob):
    own = alice.create_room()
    open_room = bob.create_room(preset="public_chat")
    knock_room = bob.create_room(initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}])
    invited = bob.create_room(invite=[alice.user_id])
    theirs = alice.create_room(preset="public_chat")
    bob.join(theirs).ok()
    foreign = bob.send(theirs, "redact me")
    suspend(admin, alice)
    refused = [
        alice.put_event(own, "m.room.message", {"msgtype": "m.text", "body": "x"}),
        alice.put_state(own, "m.room.topic", {"topic": "x"}),
        alice.join(open_room), alice.join(invited),
        alice.post(path_of("knock", knock_room)),
        alice.invite(own, bob),
        alice.post("/createRoom", {}),
        alice.put(path_of("profile", alice.user_id, "displayname"), {"displayname": "x"}),
        alice.put(path_of("profile", alice.user_id, "avatar_url"), {"avatar_url": "mxc://hs1/x"}),
        alice.redact(theirs, foreign),
    ]
    for reply in refused:
        reply.expect(403, "M_USER_SUSPENDED")
    suspend(admin, alice, False)
    alice.send(own, "again")


def test_suspended__redactions_by_either_endpoint__of_ones_own_only(admin, alice, bob):
    """Also where the user has the power to redact everything."""
    room = alice.create_room(preset="public_chat")
    bob.join(room).ok()
    own = [alice.send(room, "mine"), alice.send(room, "mine too")]
    foreign = bob.send(room, "not hers")
    suspend(admin, alice)
    alice.redact(room, foreign).expect(403, "M_USER_SUSPENDED")
    alice.put_event(room, "m.room.redaction", {"redacts": foreign}).expect(403, "M_USER_SUSPENDED")
    alice.redact(room, own[0]).ok()
    alice.put_event(room, "m.room.redaction", {"redacts": own[1]}).ok()
    assert bob.event(room, foreign).ok()["content"]["body"] == "not hers"
    assert [bob.event(room, event).ok()["content"] for event in own] == [{}, {}]
    suspend(admin, alice, False)
    alice.redact(room, foreign).ok()


def test_suspended__reading_leaving_own_things__allowed(hs, admin, alice, bob):
    own = alice.create_room()
    said = alice.send(own, "mine")
    invited = bob.create_room(invite=[alice.user_id])
    shared = bob.create_room(preset="public_chat")
    alice.join(shared).ok()
    suspend(admin, alice)
    seen = bob.send(shared, "still readable")
    assert seen in alice.sync().joined(shared).ids()
    alice.messages(shared).ok()
    alice.receipt(shared, seen).ok()
    alice.redact(own, said).ok()
    alice.leave(shared).ok()
    alice.leave(invited).ok()
    alice.account_data("org.example.note", {"a": 1}).ok()
    session = alice.login()
    session.put(path_of("profile", alice.user_id, "displayname"), {"displayname": "x"}).expect(403, "M_USER_SUSPENDED")
    session.post("/logout").ok()
    alice.uia("POST", "/account/deactivate").ok()


def test_lock__session_in_use_and_waiting__ends_softly_until_unlocked(hs, admin, alice):
    alice.get("/account/whoami").ok()
    lock(admin, alice)
    assert admin.get(lock_path(alice.user_id)).ok()["locked"] is True
    assert alice.get("/account/whoami").expect(401, "M_USER_LOCKED")["soft_logout"] is True
    assert alice.get("/sync").expect(401, "M_USER_LOCKED")["soft_logout"] is True
    lock(admin, alice, False)
    alice.get("/account/whoami").ok()


def test_lock__refresh_token__nothing_until_unlocked(admin, alice):
    session = alice.login(refresh_token=True)
    lock(admin, alice)
    body = {"refresh_token": session.refresh_token}
    assert session.post("/refresh", body, token=False).expect(401, "M_USER_LOCKED")["soft_logout"] is True
    lock(admin, alice, False)
    session.post("/refresh", body, token=False).ok()


def test_lock_and_suspension__each_of_its_own__neither_lifts_the_other(admin, alice):
    suspend(admin, alice)
    lock(admin, alice)
    assert admin.get(suspend_path(alice.user_id)).ok()["suspended"] is True
    lock(admin, alice, False)
    assert admin.get(suspend_path(alice.user_id)).ok()["suspended"] is True
    alice.post("/createRoom", {}).expect(403, "M_USER_SUSPENDED")


def test_moderation__not_an_administrator__403_before_any_look_up(alice, bob):
    for target in (bob.user_id, "@nobody-at-all:hs1", "@x:elsewhere.example", alice.user_id):
        for path, key in ((suspend_path(target), "suspended"), (lock_path(target), "locked")):
            alice.get(path).expect(403, "M_FORBIDDEN")
            alice.put(path, {key: True}).expect(403, "M_FORBIDDEN")


def test_moderation__whom_it_does_not_concern__refused(hs, admin, alice):
    other = hs.admin()
    gone = hs.user()
    gone.uia("POST", "/account/deactivate").ok()
    for path_for, key in ((suspend_path, "suspended"), (lock_path, "locked")):
        admin.put(path_for(admin.user_id), {key: True}).expect(403, "M_FORBIDDEN")
        admin.get(path_for(other.user_id)).expect(403, "M_FORBIDDEN")
        admin.put(path_for(other.user_id), {key: True}).expect(403, "M_FORBIDDEN")
        for missing in (gone.user_id, "@nobody-at-all:" + hs.server_name):
            admin.get(path_for(missing)).expect(404, "M_NOT_FOUND")
            admin.put(path_for(missing), {key: True}).expect(404, "M_NOT_FOUND")
        for foreign in ("@x:elsewhere.example", "no-user-id"):
            admin.get(path_for(foreign)).expect(400, "M_INVALID_PARAM")
            admin.put(path_for(foreign), {key: True}).expect(400, "M_INVALID_PARAM")
        admin.put(path_for(alice.user_id), {key: "yes"}).expect(400, "M_BAD_JSON")
        admin.put(path_for(alice.user_id), {}).expect(400, "M_MISSING_PARAM")
    alice.get("/account/whoami").ok()


def test_capabilities__account_moderation__administrators_only(admin, alice):
    assert admin.get("/capabilities").ok()["capabilities"]["m.account_moderation"] == {"suspend": True, "lock": True}
    assert "m.account_moderation" not in alice.get("/capabilities").ok()["capabilities"]


def connections(reply, device_id):
    return [connection for session in reply["devices"][device_id]["sessions"] for connection in session["connections"]]


@pytest.mark.one_process("another process tells what this one has seen once that is written, within a minute")
def test_whois__own_and_by_administrator__where_and_by_what(admin, alice):
    alice.get("/account/whoami", headers={"User-Agent": "Bell/1.0 (test)"}).ok()
    reply = admin.get(path_of("admin", "whois", alice.user_id)).ok()
    assert reply["user_id"] == alice.user_id
    seen, = connections(reply, alice.device_id)
    assert seen["ip"] == "127.0.0.1" and seen["user_agent"] == "Bell/1.0 (test)" and seen["last_seen"] > 0
    alice.get(path_of("admin", "whois", alice.user_id)).ok()


@pytest.mark.one_process("another process tells what this one has seen once that is written, within a minute")
def test_whois__session_read_anew_since__what_was_seen_is_kept(admin, alice):
    alice.get("/account/whoami", headers={"User-Agent": "Bell/3.0"}).ok()
    suspend(admin, alice)  # from here on her session is not in memory
    seen, = connections(admin.get(path_of("admin", "whois", alice.user_id)).ok(), alice.device_id)
    assert seen["user_agent"] == "Bell/3.0"


def test_whois__others__403_and_unknown_to_administrators_404(hs, admin, alice, bob):
    alice.get(path_of("admin", "whois", bob.user_id)).expect(403, "M_FORBIDDEN")
    alice.get(path_of("admin", "whois", "@nobody-at-all:" + hs.server_name)).expect(403, "M_FORBIDDEN")
    admin.get(path_of("admin", "whois", "@nobody-at-all:" + hs.server_name)).expect(404, "M_NOT_FOUND")
    admin.get(path_of("admin", "whois", "@x:elsewhere.example")).expect(404, "M_NOT_FOUND")


def test_sec_5_47__each_state__log_in(hs, admin):
    """active and suspended come in, locked and deactivated do not; nobody learns a state without the password."""
    def log_in(user, password=None):
        return Client(hs.url).post("/login", {
            "type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id},
            "password": password or user.password}, token=False)
    for is_suspended in (False, True):
        user = hs.user()
        suspend(admin, user, is_suspended)
        log_in(user).ok()
        lock(admin, user)
        log_in(user).expect(401, "M_USER_LOCKED")
        log_in(user, "wrong").expect(403, "M_FORBIDDEN")
        lock(admin, user, False)
        log_in(user).ok()
        user.uia("POST", "/account/deactivate").ok()
        log_in(user).expect(403, "M_FORBIDDEN")
