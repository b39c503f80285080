"""Known failures of other homeservers, as far as the client API reaches them; numbers as in the list of
advisories that the project keeps (security.md)."""
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import path_of, seconds, unique
from support.server import Server


# -- 5.13: a malformed invite breaks a user's sync

ODD = [None, 5, -1, True, "", "x" * 1000, [], {}, [[]], {"a": {"b": []}}, "\u0000"]
STRIPPED = [("m.room.name", "name"), ("m.room.topic", "topic"), ("m.room.avatar", "url"),
            ("m.room.encryption", "algorithm"), ("m.room.name", "other")]


@pytest.mark.parametrize("kind, field", STRIPPED)
def test_sec_5_13__invite_state_of_any_shape__sync_still_200(alice, bob, kind, field):
    rooms = []
    for value in ODD:
        reply = alice.post("/createRoom", {"room_version": "11", "initial_state": [
            {"type": kind, "state_key": "", "content": {field: value}}], "invite": [bob.user_id]})
        reply.expect((200, 400))
        if reply.status == 200:
            rooms.append(reply["room_id"])
    assert bob.sync().rooms("invite") == set(rooms)
    for room in rooms:
        bob.join(room).ok()
    assert bob.sync().rooms("join") == set(rooms)


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.peer("500", only=["[%d]" % number for number in (1, 2, 3, 6, 7, 8, 9)])
def test_sec_5_13__member_event_of_any_shape__sync_still_200(alice, bob, value):
    room = alice.create_room(room_version="11")
    reply = alice.put_state(room, "m.room.member", {"membership": "invite", "displayname": value, "avatar_url": value,
                                                    "is_direct": value, "reason": value}, bob.user_id)
    reply.expect((200, 400, 403))
    bob.sync()
    alice.sync()
    alice.get(alice.room(room, "members")).ok()


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_sec_5_13__create_type_and_join_rules_of_any_shape__answered(alice, bob, value):
    reply = alice.post("/createRoom", {"room_version": "11", "creation_content": {"type": value},
                                       "invite": [bob.user_id]})
    assert reply.status in (200, 400)
    reply = alice.post("/createRoom", {"room_version": "11", "invite": [bob.user_id], "initial_state": [
        {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": value, "allow": value}}]})
    assert reply.status in (200, 400, 403)
    bob.sync()


# -- 5.19 and 5.20: redactions

def power(user, room, **users):
    content = user.get_state(room, "m.room.power_levels").ok().json
    content.setdefault("users", {}).update(users)
    user.set_state(room, "m.room.power_levels", content)


@pytest.mark.parametrize("version", ["1", "3", "6", "9", "11", "12"])
def test_sec_5_19__redaction_by_role__only_own_or_with_power(hs, alice, version):
    room = alice.create_room(room_version=version, preset="public_chat")
    roles = {name: hs.user() for name in ("moderator", "member", "former")}
    for user in roles.values():
        user.join(room).ok()
    power(alice, room, **{roles["moderator"].user_id: 50})
    roles["stranger"] = hs.user()
    own = {name: roles[name].send(room, "by " + name) for name in ("moderator", "member", "former")}
    own["creator"] = alice.send(room, "by creator")
    roles["former"].leave(room).ok()
    may = {"moderator": {"moderator", "member", "former", "creator"}, "member": {"member"}, "former": set(),
           "stranger": set()}
    for role, user in roles.items():
        for author, event_id in own.items():
            if author in may[role]:
                continue
            reply = user.redact(room, event_id)
            assert reply.status in (400, 403, 404), (role, author, reply)
            assert alice.event(room, event_id).ok()["content"]["body"] == "by " + author, (role, author)
    roles["member"].redact(room, own["member"]).ok()
    for author in ("creator", "former", "moderator"):
        roles["moderator"].redact(room, own[author]).ok()
    for event_id in own.values():
        assert alice.event(room, event_id).ok()["content"] == {}


@pytest.mark.parametrize("version", ["1", "11"])
def test_sec_5_19__redaction_level_raised__own_redaction_needs_it(alice, bob, version):
    """redaction.yaml: own events only with the level that sending m.room.redaction needs."""
    room = alice.create_room(room_version=version, preset="public_chat",
                             power_level_content_override={"events": {"m.room.redaction": 50}})
    bob.join(room).ok()
    event_id = bob.send(room, "mine")
    bob.redact(room, event_id).expect(403, "M_FORBIDDEN")
    assert alice.event(room, event_id).ok()["content"]["body"] == "mine"


def test_sec_5_19__redaction_sent_as_plain_event__same_check(alice, bob, shared):
    event_id = alice.send(shared, "not bob's")
    bob.put_event(shared, "m.room.redaction", {"redacts": event_id})
    assert alice.event(shared, event_id).ok()["content"]["body"] == "not bob's"


@pytest.mark.parametrize("version", ["1", "10", "11"])
def test_sec_5_20__redactions_of_redactions__end(alice, version):
    room = alice.create_room(room_version=version)
    event_id = alice.send(room, "first")
    chain = [event_id]
    for _ in range(6):
        chain.append(alice.redact(room, chain[-1]).ok()["event_id"])
    alice.redact(room, chain[1]).ok()
    for item in chain:
        alice.event(room, item).ok()
    alice.messages(room, limit=50).ok()
    alice.sync()
    assert alice.event(room, event_id).ok()["content"] == {}


def test_sec_5_20__redaction_naming_itself_ahead__ends(alice, room):
    """An event cannot know its id, but two strings that name one another may be tried."""
    first = alice.put_event(room, "m.room.redaction", {"redacts": "$" + "b" * 43})
    second = alice.put_event(room, "m.room.redaction", {"redacts": first.get("event_id", "$x")})
    assert first.status < 500 and second.status < 500
    alice.sync()


# -- 5.22, 5.23, 5.25, 5.26: membership and visibility

def test_sec_5_22__membership_of_another__never_join_or_knock_for_them(alice, bob, room):
    for membership in ("join", "knock"):
        alice.put_state(room, "m.room.member", {"membership": membership}, bob.user_id).expect((400, 403))
    alice.invite(room, bob).ok()
    alice.put_state(room, "m.room.member", {"membership": "join"}, bob.user_id).expect(403)
    assert bob.sync().rooms("join") == set()


@pytest.mark.peer("M_UNKNOWN instead of M_NOT_FOUND from /context")
def test_sec_5_23__event_of_a_foreign_room_under_an_own_room__same_bytes_as_missing(alice, bob, room):
    """Cross-room reads by event id."""
    secret = alice.send(room, "secret")
    own = bob.create_room()
    missing = "$" + "A" * 43
    for rest in (("event",), ("context",)):
        there = bob.get(path_of("rooms", own, *rest, secret))
        none = bob.get(path_of("rooms", own, *rest, missing))
        there.expect(404, "M_NOT_FOUND")
        assert there.status == none.status
        assert there.raw.replace(secret.encode(), b"") == none.raw.replace(missing.encode(), b"")
    bob.receipt(own, secret)
    bob.redact(own, secret)
    assert alice.event(room, secret).ok()["content"]["body"] == "secret"


@pytest.mark.parametrize("how", ["kick", "ban", "leave"])
def test_sec_5_25__after_leaving__no_later_state_even_with_an_old_token(alice, bob, shared, how):
    since = bob.sync().since
    if how == "leave":
        bob.leave(shared).ok()
    else:
        getattr(alice, how)(shared, bob).ok()
    alice.set_state(shared, "m.room.topic", {"topic": "later-secret"})
    alice.send(shared, "later-secret")
    for query in ({}, {"full_state": True}, {"filter": {"room": {"include_leave": True}}},
                  {"filter": {"room": {"include_leave": True, "timeline": {"limit": 100}}}, "full_state": True},
                  {"use_state_after": True}):
        assert "later-secret" not in str(dict(bob.sync(since, **query)))
        assert "later-secret" not in str(dict(bob.sync(**query)))


def test_sec_5_25__waiting_sync_while_kicked__nothing_later(alice, bob, shared):
    since = bob.sync().since
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bob.sync, since, 20000)
        alice.kick(shared, bob).ok()
        alice.send(shared, "later-secret")
        answer = waiting.result(seconds(30))
    assert "later-secret" not in str(dict(answer))
    assert "later-secret" not in str(dict(bob.sync(answer.since)))


def test_sec_5_26__non_member__nothing_from_lists_and_summaries(alice, bob, hs):
    local = unique("hidden")
    room = alice.create_room(name="hidden-name", room_alias_name=local)
    for path, query in (
            (path_of("rooms", room, "members"), None), (path_of("rooms", room, "joined_members"), None),
            (path_of("rooms", room, "aliases"), None), (path_of("rooms", room, "state"), None),
            (path_of("rooms", room, "state", "m.room.name", ""), None),
            (path_of("rooms", room, "messages"), {"dir": "b"}), (path_of("rooms", room, "initialSync"), None),
            ("/_matrix/client/v1/rooms/%s/hierarchy" % room, None),
            ("/_matrix/client/v1/room_summary/%s" % room, None),
            ("/_matrix/client/v1/rooms/%s/threads" % room, None),
            ("/_matrix/client/v1/rooms/%s/timestamp_to_event" % room, {"dir": "f", "ts": 0})):
        reply = bob.get(path, query)
        assert reply.status in (403, 404), reply
        assert alice.user_id not in reply.raw.decode() and "hidden-name" not in reply.raw.decode()


# -- 5.29: patterns

def test_sec_5_29__filter_with_many_wildcards__bounded_time(alice, room):
    alice.send(room, {}, kind="a" * 250)
    start = time.monotonic()
    for pattern in ("*a" * 120 + "*b", "a*" * 120 + "b", "*" * 200 + "b"):
        alice.sync(filter={"room": {"timeline": {"types": [pattern] * 8}}})
        alice.messages(room, filter={"types": [pattern] * 8})
    assert time.monotonic() - start < seconds(5)


# -- 5.42: lock contention

@pytest.mark.tsan
def test_sec_5_42__one_busy_room__others_are_served(hs, alice, bob, shared):
    """Many writers on one room must not starve a user elsewhere."""
    calm = hs.user()
    room = calm.create_room()
    stop = []

    def hammer(number):
        count = 0
        while not stop:
            (alice, bob)[number % 2].send(shared, "x")
            count += 1
        return count
    with ThreadPoolExecutor(8) as pool:
        busy = [pool.submit(hammer, number) for number in range(8)]
        times = []
        try:
            for _ in range(20):
                start = time.monotonic()
                calm.send(room)
                calm.sync()
                times.append(time.monotonic() - start)
        finally:
            stop.append(True)
        assert all(item.result(seconds(60)) > 0 for item in busy)
    assert max(times) < seconds(5), times


def test_sec_5_42__room_that_begins_with_thousands__refused(alice):
    """One request of 256 KiB may ask for 6,000 events; all others would wait for them."""
    many = {"invite": ["@u%d:hs1" % number for number in range(501)],
            "initial_state": [{"type": "org.example.%d" % number, "content": {}} for number in range(501)]}
    for field, items in many.items():
        alice.post("/createRoom", {field: items}).expect(413, "M_TOO_LARGE")
    room = alice.create_room(initial_state=many["initial_state"][:500])
    assert len(alice.state(room)) > 500


@pytest.mark.one_process("each process gives out its share of a limit: which request is refused depends on where the others went")
def test_sec_5_42__rooms_with_many_invites__charged_as_several(make_server):
    server = make_server(settings={"rate_limits.enabled": "true", "rate_limits.join.per_minute": "1",
                                   "rate_limits.join.burst": "10"}).start()
    user = accounts.register(server.url)
    wanted = {"invite": ["@u%d:hs1" % number for number in range(60)]}
    user.post("/createRoom", wanted).ok()
    reply = user.post("/createRoom", wanted).expect(429, "M_LIMIT_EXCEEDED")
    assert reply["retry_after_ms"] > 60000
    user.post("/createRoom").ok()


# -- 5.43: pagination past what is not shown

def test_sec_5_43__a_thousand_events_not_shown__pages_go_on(hs, alice, room):
    """Events that are filtered out stand in for rejected ones, which no client can make."""
    wanted = alice.send(room, {}, kind="org.example.wanted")
    number = 1100 if not hs.is_synapse else 150
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: alice.send(room, str(n)), range(number)))
    found, token = [], None
    for _ in range(200):
        reply = alice.messages(room, "b", limit=10, filter={"types": ["org.example.*"]},
                               **({"from": token} if token else {})).ok()
        found += [event["event_id"] for event in reply["chunk"]]
        if "end" not in reply:
            break
        token = reply["end"]
    assert found == [wanted]


def test_sec_5_43__ignored_senders_fill_the_page__sync_goes_on(alice, bob, shared):
    alice.account_data("m.ignored_user_list", {"ignored_users": {bob.user_id: {}}}).ok()
    since = alice.sync().since
    for _ in range(40):
        bob.send(shared, "ignored")
    mine = alice.send(shared, "mine")
    watch_ids = []
    for _ in range(10):
        answer = alice.sync(since, timeout=0)
        watch_ids += answer.joined(shared).ids()
        since = answer.since
    assert mine in watch_ids


# -- 5.44, 5.45, 5.46: secrets

def files_with(folder, needles):
    """(file, needle) for each needle found anywhere below the folder."""
    found = []
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            try:
                with open(path, "rb") as file:
                    data = file.read()
            except OSError:
                continue
            found += [(os.path.relpath(path, folder), label) for label, needle in needles.items() if needle in data]
    return found


def test_sec_5_46__secrets__neither_in_the_data_folder_nor_in_the_log(make_server):
    server = make_server().start()
    user = accounts.register(server.url, "canary", "CanaryPassword-7Qx", refresh_token=True)
    session = user.login(refresh_token=True)
    nobody = server.anonymous()
    nobody.post("/login", {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "canary"},
                           "password": "CanaryWrong-8Ry"}, token=False).expect(403)
    nobody.get("/account/whoami", token="CanaryToken-9Sz").expect(401)
    nobody.get("/sync", {"access_token": "CanaryQuery-1Ta"}, token=False).expect(401)
    refreshed = nobody.post("/refresh", {"refresh_token": session.refresh_token}, token=False).ok()
    user.uia("POST", "/account/password", {"new_password": "CanaryChanged-2Ub", "logout_devices": False}).ok()
    room = user.create_room()
    user.send(room, "CanaryMessage-3Vc")
    nobody.get("/_matrix/client/v3/no/such/CanaryPath-4Wd", token=user.token)
    accounts.register_by_secret(server.url, server.secret, "other", "CanaryBySecret-5Xe")
    made = server.run("token", "create")
    assert made.returncode == 0, made.stderr
    server.terminate()
    needles = {"password": b"CanaryPassword-7Qx", "wrong password": b"CanaryWrong-8Ry",
               "unknown token": b"CanaryToken-9Sz", "query token": b"CanaryQuery-1Ta",
               "new password": b"CanaryChanged-2Ub", "password by secret": b"CanaryBySecret-5Xe",
               "access token": user.token.encode(), "second token": session.token.encode(),
               "refresh token": session.refresh_token.encode(), "first refresh token": user.refresh_token.encode(),
               "new access token": refreshed["access_token"].encode(),
               "new refresh token": refreshed["refresh_token"].encode(),
               "shared secret": server.secret.encode()}
    assert files_with(server.data, needles) == []
    log = server.log().encode()
    assert [label for label, needle in needles.items() if needle in log] == []
    for text in (b"CanaryMessage-3Vc", made.stdout.split()[-1].encode()):
        assert text not in log


def test_sec_5_46__signing_key__file_0600_and_nowhere_else(make_server):
    server = make_server().start()
    keys = []
    for base, _, names in os.walk(server.data):
        for name in names:
            path = os.path.join(base, name)
            if "postgres" not in os.path.relpath(path, server.data) and "key" in name:
                keys.append(path)
                assert os.stat(path).st_mode & 0o077 == 0, path
    assert keys, "no key file found in the data folder"


def test_sec_5_44__signing_keys__differ_between_servers_and_stay_over_a_restart(make_server):
    def key(server):
        return server.anonymous().get("/_matrix/key/v2/server", token=False).ok()["verify_keys"]
    one, two = make_server().start(), make_server(server_name="hs2").start()
    first = key(one)
    assert {item["key"] for item in first.values()}.isdisjoint(item["key"] for item in key(two).values())
    one.terminate()
    one.start()
    assert key(one) == first


def test_sec_5_46__process_list__shows_no_generated_secret(make_server):
    """What the harness gives on the command line is its own affair; the server's children get nothing secret."""
    from support.server import children_of
    server = make_server(settings={"registration.shared_secret": "visible-by-choice-secret"}).start()
    assert isinstance(server, Server)
    for pid in children_of(server.process.pid):
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            assert b"visible-by-choice-secret" not in file.read()


# -- 5.47: login states

def test_sec_5_47__deactivated__no_way_in(hs, nobody):
    user = hs.user()
    session = user.login(refresh_token=True)
    user.uia("POST", "/account/deactivate", {"erase": True}).ok()
    localpart = user.user_id[1:].partition(":")[0]
    for identifier in (user.user_id, localpart, localpart.upper()):
        nobody.post("/login", {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": identifier},
                               "password": user.password}, token=False).expect(403)
        nobody.post("/login", {"type": "m.login.password", "user": identifier, "password": user.password},
                    token=False).expect(403)
    for password in ("", "x", None):
        nobody.post("/login", {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": localpart},
                               "password": password}, token=False).expect((400, 403))
    for token in (user.token, session.token):
        nobody.get("/account/whoami", token=token).expect(401, "M_UNKNOWN_TOKEN")
    nobody.post("/refresh", {"refresh_token": session.refresh_token}, token=False).expect((401, 403))
    nobody.post("/register", {"username": localpart, "password": "again words", "auth": {"type": "m.login.dummy"}},
                token=False).expect(400)
    nobody.post("/account/password", {"new_password": "again words", "auth": {
        "type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id},
        "password": user.password}}, token=False).expect((400, 401, 403))


def test_sec_5_47__deactivated_name_by_shared_secret__not_revived(hs, nobody):
    user = hs.user()
    user.uia("POST", "/account/deactivate").ok()
    body = accounts.shared_secret_body(hs.http, hs.secret, user.user_id[1:].partition(":")[0], "again words")
    nobody.post("/_synapse/admin/v1/register", body, token=False).expect(400)


# -- 5.49: user-interactive authentication (more in test_uia.py)

def test_sec_5_49__dummy_stage__opens_only_registration(alice):
    other = alice.login()
    for method, path, body in (("DELETE", "/devices/" + other.device_id, {}),
                               ("POST", "/delete_devices", {"devices": [other.device_id]}),
                               ("POST", "/account/password", {"new_password": "stolen words"}),
                               ("POST", "/account/deactivate", {})):
        session = alice.request(method, path, body).expect(401)["session"]
        for auth in ({"type": "m.login.dummy", "session": session}, {"type": "m.login.dummy"}, {"session": session}):
            reply = alice.request(method, path, {**body, "auth": auth})
            assert reply.status in (400, 401, 403), (path, auth, reply)
    alice.login()
    other.get("/account/whoami").ok()


@pytest.mark.peer("200 for the same request once more")
def test_sec_5_49__finished_session__single_use(alice):
    """Neither for another request nor, with all that it was finished with, for the same once more."""
    first, second = alice.login(), alice.login()
    session = alice.delete("/devices/" + first.device_id, {}).expect(401)["session"]
    auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": alice.user_id},
            "password": alice.password, "session": session}
    alice.delete("/devices/" + first.device_id, {"auth": auth}).ok()
    for again in ({"session": session}, {"type": "m.login.dummy", "session": session}):
        reply = alice.delete("/devices/" + second.device_id, {"auth": again})
        assert reply.status in (400, 401, 403), reply
    for again in (auth, {"session": session}):
        reply = alice.delete("/devices/" + first.device_id, {"auth": again}).expect(401)
        assert reply["session"] != session
    second.get("/account/whoami").ok()


# -- 5.50: power levels that are not there

@pytest.mark.parametrize("version", ["6", "11", "12"])
def test_sec_5_50__empty_power_levels__defaults_protect_state(alice, bob, version):
    """m.room.power_levels: state_default is 50 when the event is there and does not say."""
    room = alice.create_room(room_version=version, preset="public_chat")
    bob.join(room).ok()
    alice.set_state(room, "m.room.power_levels", {})
    bob.send(room)
    bob.put_state(room, "m.room.name", {"name": "x"}).expect(403, "M_FORBIDDEN")
    bob.put_state(room, "m.room.power_levels", {"users": {bob.user_id: 100}}).expect(403, "M_FORBIDDEN")
    bob.kick(room, alice).expect(403, "M_FORBIDDEN")
    bob.ban(room, alice).expect(403, "M_FORBIDDEN")
    bob.redact(room, alice.send(room)).expect(403, "M_FORBIDDEN")
    creator = alice.put_state(room, "m.room.name", {"name": "y"})
    creator.expect(200 if version == "12" else 403)


def test_sec_5_50__history_visibility_missing_in_state__shared(alice, bob):
    room = alice.create_room(room_version="11", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {}}])
    event = alice.send(room, "x")
    bob.event(room, event).expect((403, 404))
    bob.messages(room).expect(403)
