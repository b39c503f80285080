"""Who comes into, knocks at, or leaves a room of a slow server, invites its users, or waits for a policy server waits without a worker: more of
them than there are workers delay nobody else."""
import http.client
import itertools
import json
import threading

import pytest

from support.client import path_of, unique
from support.handshake import Guest, asked, membership
from support.metrics import Metrics
from support.policy_server import PATH as POLICY, PolicyServer
from support.proofs import BASE, addresses, with_address
from support.remote_room import RemoteRoom
from support.server import free_port, wait_until
from support.twins import waiting
from test_fed_invite import INVITE_V2, countersign
from test_fed_join import restricted, serve_restricted
from test_fed_partial import joined_members, large
from test_fed_third_party import IdentityServer as KeyServer, bind as bound_at, bound
from test_identity_server import BIND, DETAILS, LOOKUP, STORE, UNBIND, IdentityServer, bind, bound_answer

WORKERS = 1  # for requests that may wait for another server
HANGING = WORKERS + 2
LARGEST_ANSWER = 1 << 20


@pytest.fixture(scope="module")
def identity():
    started = IdentityServer()
    yield started
    started.close()


@pytest.fixture(scope="module")
def server(authority, identity, box):
    from support.server import FederatedServer
    server = FederatedServer(authority, settings={
        "http.remote_workers": WORKERS, "federation.max_join_answer": LARGEST_ANSWER,
        "identity_server": "http://" + identity.name, **box.settings(), "public_base_url": BASE + "/",
        "registration.email": "optional"}).start()
    yield server
    server.destroy()


class Slow:
    """Remotes whose answers wait: each request of that kind is counted, and held until the end."""

    def __init__(self, word, *remotes):
        self.word = word
        self.release, self.arrived = threading.Event(), threading.Semaphore(0)
        for remote in remotes:
            remote.answer = self.slowed(remote.answer)

    def slowed(self, answer):
        def slow(ask):
            if self.word in ask.path:
                self.arrived.release()
                assert self.release.wait(120)
            return answer(ask)
        return slow

    def await_hanging(self, count):
        for _ in range(count):
            assert self.arrived.acquire(timeout=120)

    def hurry(self):
        """Goes on, and is not slow any more."""
        self.release.set()


class Asks:
    """Requests of users, each in a thread."""

    def __init__(self, asks):
        self.replies = {}
        self.threads = [threading.Thread(target=self.run, args=(at, ask)) for at, ask in enumerate(asks)]
        for thread in self.threads:
            thread.start()

    def run(self, at, ask):
        self.replies[at] = ask()

    def all(self):
        for thread in self.threads:
            thread.join()
        return [self.replies[at] for at in range(len(self.threads))]


def assert_another_is_answered(server, make_remote):
    quick, user = make_remote(), server.user()
    quick.on("GET", r"/_matrix/federation/v1/query/profile", lambda ask: (200, {"displayname": "Zoë"}))
    assert user.get(path_of("profile", "@zoe:" + quick.name)).ok()["displayname"] == "Zoë"


def join(user, target, remote):
    return user.post(path_of("join", target), {}, query={"via": remote.name})


@pytest.mark.tsan
@pytest.mark.parametrize("word", ["/make_join/", "/send_join/", "/key/v2/server"])
def test_join__many_hang_at_a_slow_server__others_are_asked_meanwhile(server, make_remote, word):
    remotes = [make_remote() for _ in range(HANGING)]
    rooms = [RemoteRoom(remote).serve() for remote in remotes]
    users = [server.user() for _ in rooms]
    slow = Slow(word, *remotes)
    joins = Asks([lambda user=user, room=room: join(user, room.room_id, room.remote) for user, room in zip(users, rooms)])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply.status for reply in joins.all()] == [200] * HANGING
    for user, room in zip(users, rooms):
        assert membership(user, room.room_id, user.user_id) == "join"
        assert [len(asked(room.remote, step)) for step in ("make_join", "send_join")] == [1, 1]


@pytest.mark.one_process("those who join at once are joined within a process: two shake hands twice")
def test_join__many_wait_for_one_of_the_same_room__one_handshake(server, make_remote):
    remote = make_remote()
    room = RemoteRoom(remote).serve()
    users = [server.user() for _ in range(HANGING)]
    slow = Slow("/send_join/", remote)
    first = Asks([lambda: join(users[0], room.room_id, remote)])
    try:
        slow.await_hanging(1)
        others = Asks([lambda user=user: join(user, room.room_id, remote) for user in users[1:]])
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply.status for reply in first.all() + others.all()] == [200] * HANGING
    members = users[0].get(path_of("rooms", room.room_id, "joined_members")).ok()["joined"]
    assert {user.user_id for user in users} <= set(members)
    assert len(asked(remote, "send_join")) == 1


def test_join__first_of_several_is_refused_late__next_asks_anew(server, make_remote):
    remote = make_remote()
    room = RemoteRoom(remote).serve()
    refused, taken = server.user(), server.user()
    remote.on("PUT", r".*/send_join/.*/?", lambda ask: (
        (403, {"errcode": "M_FORBIDDEN", "error": "not you"}) if ask.json["sender"] == refused.user_id
        else (200, room.join_answer(room.add(ask.json)))))
    slow = Slow("/send_join/", remote)
    first = Asks([lambda: join(refused, room.room_id, remote)])
    try:
        slow.await_hanging(1)
        second = Asks([lambda: join(taken, room.room_id, remote)])
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    first.all()[0].expect(403, "M_FORBIDDEN")
    second.all()[0].ok()
    assert membership(taken, room.room_id, taken.user_id) == "join"


def test_join__several_servers__each_is_asked_once(server, make_remote):
    """A run that goes on does not begin with the first one again."""
    bad, good = make_remote(), make_remote()
    bad.on("GET", r".*/make_join/.*", lambda ask: (403, {"errcode": "M_FORBIDDEN", "error": "no"}))
    room = RemoteRoom(good).serve()
    good.on("PUT", r".*/v2/send_join/.*", lambda ask: (404, {"errcode": "M_UNRECOGNIZED", "error": "old"}))
    user = server.user()
    user.post(path_of("join", room.room_id), {}, query=[("via", bad.name), ("via", good.name)]).ok()
    assert [ask.path.split("/")[3:5] for ask in bad.asked + good.asked if "_join" in ask.path] == [
        ["v1", "make_join"], ["v1", "make_join"], ["v2", "send_join"], ["v1", "send_join"]]
    events = [ask.json for ask in asked(good, "send_join")]
    assert events[0] == events[1]


def test_restricted__resident_here__others_let_in_and_hang(server, make_remote):
    remote, member = make_remote(), server.user()
    room = restricted(remote, "10")
    room.send("m.room.member", {"membership": "invite"}, member.user_id)
    room.send("m.room.power_levels", {"users": {room.creator: 100}, "invite": 50}, "")
    serve_restricted(remote, room)
    remote.on("GET", r".*/make_join/.*/" + member.user_id, lambda ask: (200, {
        "room_version": "10", "event": room.draft("m.room.member", {"membership": "join"}, member.user_id, member.user_id)}))
    join(member, room.room_id, remote).ok()
    users = [server.user() for _ in range(HANGING)]
    slow = Slow("/make_join/", remote)
    joins = Asks([lambda user=user: join(user, room.room_id, remote) for user in users])
    try:
        slow.await_hanging(1)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply.status for reply in joins.all()] == [200] * HANGING
    for user in users:
        assert membership(user, room.room_id, user.user_id) == "join"


def test_alias__of_a_slow_server__others_are_asked_meanwhile(server, make_remote):
    remote = make_remote()
    room = RemoteRoom(remote).serve()
    remote.on("GET", r"/_matrix/federation/v1/query/directory", lambda ask: (
        200, {"room_id": room.room_id, "servers": [remote.name]}))
    users = [server.user() for _ in range(HANGING)]
    slow = Slow("/query/directory", remote)
    joins = Asks([lambda user=user: user.post(path_of("join", "#a:" + remote.name)) for user in users])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply.ok()["room_id"] for reply in joins.all()] == [room.room_id] * HANGING
    assert sum("/query/directory" in ask.path for ask in remote.asked) == HANGING


@pytest.mark.tsan
@pytest.mark.parametrize("word, ask", [
    ("/query/profile", lambda user, remote: user.get(path_of("profile", "@zoe:" + remote.name))),
    ("/query/profile", lambda user, remote: user.get(path_of("profile", "@zoe:" + remote.name, "displayname"))),
    ("/publicRooms", lambda user, remote: user.get("/publicRooms", {"server": remote.name})),
    ("/publicRooms", lambda user, remote: user.post("/publicRooms", {}, query={"server": remote.name}))],
    ids=["profile", "field", "rooms", "search"])
def test_question__to_a_slow_server__others_are_asked_meanwhile(server, make_remote, word, ask):
    remotes, user = [make_remote() for _ in range(HANGING)], server.user()
    for remote in remotes:
        remote.on("GET", r"/_matrix/federation/v1/query/profile", lambda ask: (200, {"displayname": "Zoë"}))
        remote.on("POST", r"/_matrix/federation/v1/publicRooms", lambda ask: (200, {"chunk": [], "total_room_count_estimate": 7}))
    slow = Slow(word, *remotes)
    asks = Asks([lambda remote=remote: ask(user, remote) for remote in remotes])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    wanted = {"displayname": "Zoë"} if "profile" in word else {"chunk": [], "total_room_count_estimate": 7}
    assert [reply.ok().json for reply in asks.all()] == [wanted] * HANGING
    assert [sum(word in asked.path for asked in remote.asked) for remote in remotes] == [1] * HANGING


def test_knock_and_leave__at_a_slow_server__others_are_asked_meanwhile(server, make_remote):
    remotes = [make_remote() for _ in range(HANGING)]
    rooms = [RemoteRoom(remote, "10", join_rule="knock").serve() for remote in remotes]
    users = [server.user() for _ in rooms]
    for word, step, wanted in [("/send_knock/", lambda user, room: user.post(
            path_of("knock", room.room_id), {}, query={"via": room.remote.name}), "knock"),
            ("/send_leave/", lambda user, room: user.leave(room.room_id), None)]:
        slow = Slow(word, *remotes)
        steps = Asks([lambda user=user, room=room: step(user, room) for user, room in zip(users, rooms)])
        try:
            slow.await_hanging(HANGING)
            assert_another_is_answered(server, make_remote)
        finally:
            slow.hurry()
        assert [reply.status for reply in steps.all()] == [200] * HANGING
        for user, room in zip(users, rooms):
            assert (room.room_id in user.sync().rooms("knock")) == (wanted == "knock")


def test_invite__at_a_slow_server__others_are_asked_meanwhile(server, make_remote):
    remotes, user = [make_remote() for _ in range(HANGING)], server.user()
    for remote in remotes:
        remote.on("PUT", INVITE_V2, lambda ask, remote=remote: countersign(remote, ask))
    room_id = user.create_room()
    slow = Slow("/invite/", *remotes)
    invites = Asks([lambda remote=remote: user.invite(room_id, "@zoe:" + remote.name) for remote in remotes])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply.status for reply in invites.all()] == [200] * HANGING
    for remote in remotes:
        assert membership(user, room_id, "@zoe:" + remote.name) == "invite"
        assert len(asked(remote, "invite")) == 1


def test_invite__by_state_event__others_are_asked_meanwhile(server, make_remote):
    remotes, user = [make_remote() for _ in range(HANGING)], server.user()
    for remote in remotes:
        remote.on("PUT", INVITE_V2, lambda ask, remote=remote: countersign(remote, ask))
    room_id = user.create_room()
    slow = Slow("/invite/", *remotes)
    invites = Asks([lambda remote=remote: user.put_state(
        room_id, "m.room.member", {"membership": "invite"}, "@zoe:" + remote.name) for remote in remotes])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    state = {reply.ok()["event_id"] for reply in invites.all()}
    for remote in remotes:
        assert user.state(room_id)["m.room.member", "@zoe:" + remote.name]["event_id"] in state
        assert len(asked(remote, "invite")) == 1


def test_create_room__invites_at_slow_servers__one_room_and_others_are_asked_meanwhile(server, make_remote):
    """Each room invites two: who hangs, and somebody after them."""
    remotes, second = [make_remote() for _ in range(HANGING)], make_remote()
    for remote in (*remotes, second):
        remote.on("PUT", INVITE_V2, lambda ask, remote=remote: countersign(remote, ask))
    users = [server.user() for _ in remotes]
    slow = Slow("/invite/", *remotes)
    made = Asks([lambda user=user, remote=remote: user.post("/createRoom", {
        "invite": ["@zoe:" + remote.name, "@yan:" + second.name], "room_alias_name": unique("a"), "name": "Hall"})
        for user, remote in zip(users, remotes)])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    for user, remote, reply in zip(users, remotes, made.all()):
        room_id = reply.ok()["room_id"]
        assert user.get("/joined_rooms").ok()["joined_rooms"] == [room_id]
        assert {membership(user, room_id, who) for who in ("@zoe:" + remote.name, "@yan:" + second.name)} == {"invite"}
        assert len(asked(remote, "invite")) == 1
    assert len(asked(second, "invite")) == HANGING


def test_create_room__server_of_invitees_refuses_late__made_all_the_same_or_said(server, make_remote):
    remote, user = make_remote(), server.user()
    remote.on("PUT", INVITE_V2, lambda ask: (403, {"errcode": "M_FORBIDDEN", "error": "nobody of us"}))
    slow = Slow("/invite/", remote)
    alone = Asks([lambda: user.post("/createRoom", {"invite": ["@zoe:" + remote.name]})])
    try:
        slow.await_hanging(1)
    finally:
        slow.hurry()
    assert "nobody of us" in alone.all()[0].expect(403, "M_FORBIDDEN")["error"]
    local = server.user()
    room_id = user.create_room(invite=["@zoe:" + remote.name, local.user_id])
    assert membership(user, room_id, local.user_id) == "invite"
    assert membership(user, room_id, "@zoe:" + remote.name) is None


class SlowIdentity:
    """The answers of some paths wait, as those of Slow."""

    def __init__(self, identity, path, answers):
        self.release, self.arrived = threading.Event(), threading.Semaphore(0)
        identity.asked.clear()
        identity.answers = {**answers, path: self.slowed(answers[path])}

    def slowed(self, answer):
        def slow(body):
            self.arrived.release()
            assert self.release.wait(120)
            return answer(body) if callable(answer) else answer
        return slow

    await_hanging, hurry = Slow.await_hanging, Slow.hurry


@pytest.mark.parametrize("path", [DETAILS, LOOKUP, STORE], ids=["hash_details", "lookup", "store-invite"])
def test_invite__by_mail_at_a_slow_identity_server__others_are_asked_meanwhile(server, make_remote, identity, path):
    """By POST /invite, and with a new room; each address is written to once."""
    user, numbers = server.user(), itertools.count()
    room_id = user.create_room()
    token = unique("token")
    answers = {DETAILS: (200, {"algorithms": ["none"], "lookup_pepper": "salt"}), LOOKUP: (200, {"mappings": {}}),
               STORE: lambda body: (200, {"token": "%s-%d" % (token, next(numbers)), "display_name": "somebody", "public_keys": [
                   {"public_key": "key", "key_validity_url": "http://%s/valid" % identity.name}]})}
    ask = {"id_server": identity.name, "id_access_token": "id-token", "medium": "email"}
    slow = SlowIdentity(identity, path, answers)
    invites = Asks([lambda number=number: user.post(user.room(room_id, "invite"), {**ask, "address": "m%d@post.example" % number})
                    for number in range(HANGING)] + [
        lambda: user.post("/createRoom", {"invite_3pid": [{**ask, "address": "new@post.example"}]})])
    try:
        slow.await_hanging(HANGING + 1)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    *_, made = [reply.ok() for reply in invites.all()]
    kept = [body["address"] for asked_path, _, body in identity.asked if asked_path == STORE]
    assert sorted(kept) == sorted(["m%d@post.example" % number for number in range(HANGING)] + ["new@post.example"])
    promises = [key for room in (room_id, made["room_id"]) for key in user.state(room) if key[0] == "m.room.third_party_invite"]
    assert len(promises) == HANGING + 1


@pytest.mark.tsan
@pytest.mark.parametrize("what", ["delete", "unbind", "bind"])
def test_address__taken_back_at_a_slow_identity_server__others_are_asked_meanwhile(server, make_remote, identity, box, what):
    users = [with_address(server, box) for _ in range(HANGING)]
    answers = {BIND: lambda body: bound_answer(*[user for user in users if user.user_id == body["mxid"]], address=[
        user.address for user in users if user.user_id == body["mxid"]][0]), UNBIND: (200, {})}
    if what != "bind":
        identity.answers = answers
        for user in users:
            bind(user, identity).ok()
    slow = SlowIdentity(identity, BIND if what == "bind" else UNBIND, answers)
    asks = Asks([lambda user=user: bind(user, identity) if what == "bind" else user.post(
        "/account/3pid/" + what, {"medium": "email", "address": user.address}) for user in users])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply.ok().json for reply in asks.all()] == [{} if what == "bind" else {"id_server_unbind_result": "success"}] * HANGING
    assert [addresses(user) for user in users] == [[] if what == "delete" else [user.address.lower()] for user in users]
    assert len(identity.asked) == HANGING


@pytest.mark.tsan
def test_onbind__slow_servers__each_invite_asked_about_once_and_others_are_asked_meanwhile(server, make_remote):
    """Each has an invite of another server's user, one to a room of ours by a key of which a slow server knows, and one more of the first."""
    alice, remotes, users = server.user(), [make_remote() for _ in range(HANGING)], [server.user() for _ in range(HANGING)]
    rooms, promises = [alice.create_room() for _ in users], [KeyServer(remote) for remote in remotes]
    for remote, room, promise in zip(remotes, rooms, promises):
        promise.promise(alice, room, "token")
        remote.on("PUT", r".*/exchange_third_party_invite/.*", lambda ask: (200, {}))

    def invites(user, remote, room, promise):
        signed = promise.sign(user.user_id, "token")
        far = bound(user.user_id, "!far:" + remote.name, "@zoe:" + remote.name, signed)
        return [far, bound(user.user_id, room, alice.user_id, signed), far]
    slow = Slow("exchange_third_party_invite", *remotes)
    late = Slow("/valid", *remotes)
    asks = Asks([lambda parts=parts: bound_at(parts[1], server, parts[0].user_id, *invites(*parts))
                 for parts in zip(users, remotes, rooms, promises)])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
        slow.hurry()
        late.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
        late.hurry()
    assert [reply.status for reply in asks.all()] == [200] * HANGING
    for user, remote, room, promise in zip(users, remotes, rooms, promises):
        assert membership(alice, room, user.user_id) == "invite"
        assert len(asked(remote, "exchange_third_party_invite")) == 2 and promise.checked == [[promise.public]]


@pytest.mark.tsan
def test_upgrade__slow_policy_server__one_new_room_and_others_are_asked_meanwhile(server, make_remote):
    alice, versions = server.user(), ["11", "12", "12"]
    policies, rooms = [PolicyServer(make_remote()) for _ in versions], []
    for policy in policies:
        room_id = alice.create_room(preset="public_chat", room_version="11")
        Guest(policy.remote, server, room_id).join("@watch:" + policy.remote.name)
        alias = "#%s:%s" % (unique("a"), server.server_name)
        alice.put(path_of("directory", "room", alias), {"room_id": room_id}).ok()
        alice.set_state(room_id, "m.room.canonical_alias", {"alias": alias})
        alice.set_state(room_id, "m.room.policy", policy.content)
        rooms.append(room_id)
    slow = Slow(POLICY, *(policy.remote for policy in policies))
    upgrades = Asks([lambda room=room, version=version: alice.post(alice.room(room, "upgrade"), {"new_version": version})
                     for room, version in zip(rooms, versions)])
    try:
        slow.await_hanging(len(versions))
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    new = [reply.ok()["replacement_room"] for reply in upgrades.all()]
    assert sorted(alice.get("/joined_rooms").ok()["joined_rooms"]) == sorted(rooms + new)
    for room, after, policy in zip(rooms, new, policies):
        assert alice.get_state(room, "m.room.tombstone").ok()["replacement_room"] == after
        assert [pdu["type"] for pdu in policy.asked] == ["m.room.tombstone", "m.room.canonical_alias", "m.room.power_levels"]
        assert "alias" not in alice.get_state(room, "m.room.canonical_alias").ok().json


def test_create_room__client_goes_away__all_are_invited_all_the_same(server, make_remote):
    remotes, user = [make_remote() for _ in range(2)], server.user()
    for remote in remotes:
        remote.on("PUT", INVITE_V2, lambda ask, remote=remote: countersign(remote, ask))
    slow = Slow("/invite/", remotes[0])
    host, port = server.url.split("//")[1].split(":")
    client = http.client.HTTPConnection(host, int(port))
    client.request("POST", "/_matrix/client/v3/createRoom", json.dumps({"invite": ["@zoe:" + remote.name for remote in remotes]}),
                   {"Authorization": "Bearer " + user.token, "Content-Type": "application/json"})
    try:
        slow.await_hanging(1)
        client.close()
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    remotes[1].next("PUT", INVITE_V2)
    room_id, = user.get("/joined_rooms").ok()["joined_rooms"]
    for remote in remotes:
        wait_until(lambda remote=remote: membership(user, room_id, "@zoe:" + remote.name) == "invite", what="the invite")


def test_policy_server__slow__who_sends_waits_without_a_worker(server, make_remote):
    """Two rooms, since not more than four questions go to one policy server at a time."""
    user, rooms, policies = server.user(), [], []
    for _ in range(2):
        policy = PolicyServer(make_remote())
        rooms.append(user.create_room(preset="public_chat"))
        policies.append(policy)
        Guest(policy.remote, server, rooms[-1]).join("@watch:" + policy.remote.name)
    bob = server.user()
    bob.join(rooms[0]).ok()
    message = user.send(rooms[1], "to be redacted")
    for room, policy in zip(rooms, policies):
        user.set_state(room, "m.room.policy", policy.content)
    name, invited = unique("Name"), make_remote()
    invited.on("PUT", INVITE_V2, lambda ask: countersign(invited, ask))
    slow = Slow(POLICY, *(policy.remote for policy in policies))
    asks = Asks([lambda: user.put_event(rooms[0], "m.room.message", {"msgtype": "m.text", "body": "hello"}),
                 lambda: user.put_state(rooms[0], "m.room.topic", {"topic": "x"}),
                 lambda: user.kick(rooms[0], bob),
                 lambda: user.redact(rooms[1], message),
                 lambda: user.invite(rooms[1], "@zoe:" + invited.name),
                 lambda: bob.join(rooms[1])])
    try:
        slow.await_hanging(6)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply.status for reply in asks.all()] == [200] * 6
    assert user.get_state(rooms[0], "m.room.topic").ok()["topic"] == "x"
    assert membership(user, rooms[0], bob.user_id) == "leave" and membership(user, rooms[1], bob.user_id) == "join"
    assert membership(user, rooms[1], "@zoe:" + invited.name) == "invite"
    assert [event["content"]["body"] for event in user.history(rooms[0]) if event["type"] == "m.room.message"] == ["hello"]
    assert "body" not in user.event(rooms[1], message).ok()["content"]
    assert [len(policy.asked) for policy in policies] == [3, 3]
    user.put(path_of("profile", user.user_id, "displayname"), {"displayname": name}).ok()
    assert [len(policy.asked) for policy in policies] == [4, 4], "one event in each room"
    for room in rooms:
        assert user.state(room)["m.room.member", user.user_id]["content"]["displayname"] == name


def test_restricted__join_stands_on_what_a_slow_server_has__others_are_asked_meanwhile(server, make_remote):
    """The join is taken in where others may be waited for: not by the worker."""
    remote, member = make_remote(), server.user()
    room = restricted(remote, "10")
    room.send("m.room.member", {"membership": "invite"}, member.user_id)
    serve_restricted(remote, room)
    remote.on("GET", r".*/make_join/.*/" + member.user_id, lambda ask: (200, {
        "room_version": "10", "event": room.draft("m.room.member", {"membership": "join"}, member.user_id, member.user_id)}))
    join(member, room.room_id, remote).ok()
    for number in range(3):
        room.send("m.room.message", {"msgtype": "m.text", "body": "unheard %d" % number})
    users = [server.user() for _ in range(HANGING)]
    slow = Slow("/get_missing_events", remote)
    joins = Asks([lambda user=user: join(user, room.room_id, remote) for user in users])
    try:
        slow.await_hanging(1)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply.status for reply in joins.all()] == [200] * HANGING
    for user in users:
        assert membership(user, room.room_id, user.user_id) == "join"
    assert len(asked(remote, "send_join")) == HANGING + 1
    texts = [event["content"]["body"] for event in member.history(room.room_id) if event["type"] == "m.room.message"]
    assert sorted(texts) == ["unheard %d" % number for number in range(3)]


@pytest.mark.one_process("each process has its own budget of memory")
def test_join__answers_of_those_that_wait__no_more_than_the_budget(server, make_remote):
    """Joins of large rooms that wait for somebody's keys hold what was answered: together they have a ceiling."""
    silent = [make_remote() for _ in range(3)]
    rooms = [RemoteRoom(make_remote()).serve() for _ in silent]
    for room, other in zip(rooms, silent):
        for number in range(15):
            room.send("org.example.large", {"text": "x" * 55000}, str(number))
        far = "@far:" + other.name
        room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, far, far), other))
    users = [server.user() for _ in rooms]
    slow = Slow("/key/v2/server", *silent)
    joins = Asks([lambda user=user, room=room: join(user, room.room_id, room.remote) for user, room in zip(users[:2], rooms)])
    try:
        slow.await_hanging(2)
        join(users[2], rooms[2].room_id, rooms[2].remote).expect(429, "M_LIMIT_EXCEEDED")
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply.status for reply in joins.all()] == [200] * 2
    join(users[2], rooms[2].room_id, rooms[2].remote).ok()


@pytest.mark.one_process("each process has its own budget of memory")
def test_join__answer_that_was_checked__its_text_leaves_the_budget_to_the_next(make_federated, make_remote):
    """Two texts fit: while one join waits for what it stands on, whose answer was checked, two others are answered."""
    server = make_federated(settings={"federation.max_join_answer": LARGEST_ANSWER, "listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    metrics, rooms, member = Metrics.of(server), [restricted(make_remote(), "10") for _ in range(3)], server.user()
    for room in rooms:
        for number in range(13):
            room.send("org.example.large", {"text": "x" * 55000}, str(number))
        room.send("m.room.member", {"membership": "invite"}, member.user_id)
        serve_restricted(room.remote, room)
        room.remote.on("GET", r".*/make_join/.*/" + member.user_id, lambda ask, room=room: (200, {
            "room_version": "10", "event": room.draft("m.room.member", {"membership": "join"}, member.user_id, member.user_id)}))
        join(member, room.room_id, room.remote).ok()
        room.send("m.room.message", {"msgtype": "m.text", "body": "unheard"})
    user, slow = server.user(), Slow("/get_missing_events", *[room.remote for room in rooms])
    asks = [lambda room=room: join(user, room.room_id, room.remote) for room in rooms]
    first = Asks(asks[:1])
    try:
        slow.await_hanging(1)
        others = Asks(asks[1:])
        wait_until(lambda: metrics["belfry_federation_answers_waiting"] == 1, 20, what="all have come, and one waits to be read")
    finally:
        slow.hurry()
    assert [reply.status for reply in [*first.all(), *others.all()]] == [200] * 3


@pytest.mark.tsan
@pytest.mark.one_process("each process has its own budget of memory")
def test_join__answers_that_are_read__no_more_than_the_budget_and_the_next_waits(make_federated, make_remote):
    """What was read takes several times its text until its request is over: there is room for two such trees, and none for the third."""
    server = make_federated(settings={"http.remote_workers": WORKERS, "federation.max_join_answer": LARGEST_ANSWER,
                                      "listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    metrics = Metrics.of(server)
    silent = [make_remote() for _ in range(3)]
    rooms = [RemoteRoom(make_remote()).serve() for _ in silent]
    for room, other in zip(rooms, silent):
        for number in range(9):
            room.send("org.example.large", {"text": "x" * 55000}, str(number))
        far = "@far:" + other.name
        room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, far, far), other))
    users, slow = [server.user() for _ in rooms], Slow("/key/v2/server", *silent)
    joins = Asks([lambda user=user, room=room: join(user, room.room_id, room.remote) for user, room in zip(users, rooms)])
    try:
        slow.await_hanging(2)
        wait_until(lambda: metrics["belfry_federation_answers_waiting"] == 1, 60)
        assert 2 << 20 < metrics["belfry_federation_answers_read_bytes"] < 19 << 20
        assert_another_is_answered(server, make_remote)
        assert metrics["belfry_federation_answers_waiting"] == 1
    finally:
        slow.hurry()
    assert [reply.status for reply in joins.all()] == [200] * 3
    wait_until(lambda: metrics["belfry_federation_answers_read_bytes"] == 0, 60)


def test_join__keys_of_many_servers__asked_once_each(server, make_remote):
    """Those that say nothing of use are not asked again by the run that follows: their members are left out."""
    remote, silent, late = make_remote(), make_remote(), make_remote()
    silent.on("GET", r"/_matrix/key/v2/server", lambda ask: (500, {}))
    room = RemoteRoom(remote).serve()
    for other in (silent, late):
        far = "@far:" + other.name
        room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, far, far), other))
    user = server.user()
    slow = Slow("/key/v2/server", late)
    joins = Asks([lambda: join(user, room.room_id, remote)])
    try:
        slow.await_hanging(1)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    joins.all()[0].ok()
    assert membership(user, room.room_id, "@far:" + late.name) == "join"
    assert membership(user, room.room_id, "@far:" + silent.name) is None
    assert sum("/key/" in ask.path for ask in silent.asked) == 1


def test_partial__many_wait_for_the_members__others_are_asked_meanwhile(server, make_remote):
    remote = make_remote()
    room, users = large(remote), [server.user() for _ in range(HANGING)]
    slow, before = Slow("/v1/state/", remote), room.state["m.room.join_rules", ""]
    join(users[0], room.room_id, remote).ok()
    try:
        slow.await_hanging(1)
        asks = Asks([lambda: users[0].get(path_of("rooms", room.room_id, "members")),
                     lambda: users[0].get(path_of("rooms", room.room_id, "joined_members")),
                     lambda: users[0].get(path_of("rooms", room.room_id, "state")),
                     lambda: users[0].get(path_of("rooms", room.room_id, "event", before.event_id)),
                     lambda: users[0].get(path_of("rooms", room.room_id, "context", before.event_id)),
                     lambda: users[0].get(path_of("rooms", room.room_id, "messages"), {"dir": "b"}),
                     lambda: users[0].get("/_matrix/client/v1" + path_of("rooms", room.room_id, "timestamp_to_event"),
                                          {"ts": before["origin_server_ts"], "dir": "b"}),
                     lambda: join(users[1], room.room_id, remote),
                     lambda: users[0].invite(room.room_id, users[2])])
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply.status for reply in asks.all()] == [200] * 9
    assert joined_members(users[1], room) == {room.creator, users[0].user_id, users[1].user_id, *room.far}


@pytest.mark.one_process("how many wait is counted by each process")
def test_stop__while_joins_hang__ends_and_says_so(make_federated, make_remote):
    server, remote = make_federated(settings={"listen.metrics": "127.0.0.1:%d" % free_port()}).start(), make_remote()
    room = RemoteRoom(remote).serve()
    users = [server.user() for _ in range(2)]
    slow = Slow("/make_join/", remote)
    joins = Asks([lambda user=user: join(user, room.room_id, remote) for user in users])
    try:
        slow.await_hanging(1)
        wait_until(lambda: waiting(server) == len(users), 60, "both hang")
        server.terminate()
    finally:
        slow.hurry()
    for reply in joins.all():
        reply.expect(503)
