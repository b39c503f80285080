"""Users of this server come into rooms of others.  Spec: server-server API, "Joining Rooms", "Restricted rooms"."""
import concurrent.futures
import copy
import threading
import time

import pytest

from support.client import path_of, seconds, unique
from support.handshake import VERSIONS, Guest, add_signature, asked, membership
from support.inbox import Inbox
from support.remote_room import Pdu, RemoteRoom
from support.server import wait_until
from support.shared_room import Hold
from test_fed_invite import Invite

JOIN_PATHS = r"/_matrix/federation/v[12]/(make|send)_join/.*"


def join(user, room, via, **body):
    return user.post(path_of("join", getattr(room, "room_id", room)), body, query=[("via", name) for name in via])


@pytest.fixture
def room(remote):
    return RemoteRoom(remote).serve()


# -- the plain way

@pytest.mark.parametrize("version", VERSIONS)
def test_join__room_of_another_server__state_is_here(federated, remote, version):
    alice = federated.user()
    room = RemoteRoom(remote, version, more_state=[("m.room.name", "", {"name": "Far"})]).serve()
    assert join(alice, room, [remote.name]).ok()["room_id"] == room.room_id
    here = alice.state(room.room_id)
    assert set(here) == set(room.state)
    assert {key: event["event_id"] for key, event in here.items()} == {
        key: event.event_id for key, event in room.state.items()}
    assert here[("m.room.member", alice.user_id)]["content"]["membership"] == "join"
    assert room.room_id in alice.sync().rooms("join")


@pytest.mark.parametrize("version", ["1", "2"])
def test_join__another_event_under_an_id_that_is_known__the_known_one_stands(federated, remote, version):
    """Where servers name their events as they like, one can tell of another by the same name when somebody comes in again."""
    alice = federated.user()
    room = RemoteRoom(remote, version, more_state=[("org.example.first", "", {"told": 1})]).serve()
    join(alice, room, [remote.name]).ok()
    alice.leave(room.room_id).ok()
    first = room.state.pop(("org.example.first", ""))
    other = room.sign(room.draft("org.example.other", {"told": 2}, "", event_id=first.event_id))
    assert other.event_id == first.event_id
    for state in (room.state, *room.states.values()):
        state.pop(first.key, None)
        state[other.key] = other
    room.events[other.event_id] = other
    join(alice, room, [remote.name]).ok()
    here = alice.state(room.room_id)
    assert here[first.key]["content"] == {"told": 1}
    alice.get(path_of("rooms", room.room_id, "state", "org.example.other")).expect(404, "M_NOT_FOUND")


@pytest.mark.parametrize("version", ["1", "5", "6", "11"])
def test_depth__at_its_limit__stays_there_and_the_room_goes_on(federated, remote, version):
    """"If the room's depth is already at the limit, the depth must be set to the limit": 2^63-1, from version 6 on 2^53-1."""
    alice, bob = federated.user(), federated.user()
    room = RemoteRoom(remote, version).serve()
    room.message("as deep as it gets", depth=room.deepest)
    join(alice, room, [remote.name]).ok()
    assert asked(remote, "send_join")[-1].json["depth"] == room.deepest
    inbox = Inbox(remote)
    join(bob, room, []).ok()
    alice.send(room.room_id, "goes on")
    inbox.until(lambda i: i.bodies() == ["goes on"])
    assert [pdu["depth"] for pdu in inbox.pdus()] == [room.deepest] * 2


def test_join__password_changed_while_another_server_is_asked__goes_on(federated, remote, room):
    """Nobody waits on a worker: the request goes on by a session that is loaded anew."""
    alice = federated.user()
    hold = Hold(remote, "GET", JOIN_PATHS)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        joining = pool.submit(join, alice, room, [remote.name])
        assert hold.waiting.wait(seconds(20))
        alice.uia("POST", "/account/password", {"new_password": "quite another one"}).ok()
        hold.release()
        joining.result(seconds(60)).ok()
    assert room.state[("m.room.member", alice.user_id)]["content"]["membership"] == "join"


@pytest.mark.parametrize("version", ["1", "2"])
def test_join__versions_with_hashes_beside_ids__those_of_the_template(federated, remote, version):
    """rooms/v1, "Event format".  What is no hash is left out."""
    alice = federated.user()
    room = RemoteRoom(remote, version).serve()
    hash_of = room.hash_of
    (last,) = room.heads
    create = room.state[("m.room.create", "")].event_id
    room.hash_of = lambda event_id: {"sha256": "short"} if event_id == create else hash_of(event_id)
    join(alice, room, [remote.name]).ok()
    send, = asked(remote, "send_join")
    event = send.json
    assert event["prev_events"] == [[last, hash_of(last)]] and hash_of(last)
    assert dict(event["auth_events"])[create] == {}
    assert all(hashes == hash_of(event_id) for event_id, hashes in event["auth_events"] if event_id != create)


def test_join__signed_request_with_all_versions(federated, remote, room):
    alice = federated.user()
    join(alice, room, [remote.name]).ok()
    make, = asked(remote, "make_join")
    assert set(make.query["ver"]) == set(VERSIONS)
    send, = asked(remote, "send_join")
    event = send.json
    assert event["sender"] == event["state_key"] == alice.user_id
    assert send.path.endswith("/" + Pdu(room.version, event).event_id)
    assert set(event["signatures"]) == {federated.server_name}


def test_join__server_name_instead_of_via__the_same(federated, remote, room):
    alice = federated.user()
    alice.post(path_of("join", room.room_id), {}, query={"server_name": remote.name}).ok()


def test_join__by_alias_of_another_server(federated, remote, room):
    alice = federated.user()
    alias = "#%s:%s" % (unique("a"), remote.name)
    remote.on("GET", r"/_matrix/federation/v1/query/directory", lambda ask: (
        200, {"room_id": room.room_id, "servers": ["unreachable.invalid", remote.name]})
        if ask.query["room_alias"] == [alias] else (404, {"errcode": "M_NOT_FOUND", "error": "no such alias"}))
    assert alice.post(path_of("join", alias)).ok()["room_id"] == room.room_id
    alice.post(path_of("join", "#nothing:" + remote.name)).expect(404, "M_NOT_FOUND")


def test_alias_of_another_server__looked_up_there(federated, remote, room):
    """room_directory, GET /directory/room: "servers that are aware of this room"."""
    alice, alias = federated.user(), "#%s:%s" % (unique("a"), remote.name)
    remote.on("GET", r"/_matrix/federation/v1/query/directory", lambda ask: (
        200, {"room_id": room.room_id, "servers": [remote.name, 7, "no server"]}))
    answer = alice.get(path_of("directory", "room", alias)).ok()
    assert (answer["room_id"], answer["servers"]) == (room.room_id, [remote.name])
    alice.get(path_of("directory", "room", "#x:127.0.0.1:1")).expect(502)


def test_alias_of_ours__names_all_servers_in_the_room(federated, remote, room):
    alice, name = federated.user(), unique("a")
    join(alice, room, [remote.name]).ok()
    alias = "#%s:%s" % (name, federated.server_name)
    alice.put(path_of("directory", "room", alias), {"room_id": room.room_id}).ok()
    answer = alice.get(path_of("directory", "room", alias)).ok()
    assert answer["servers"] == [federated.server_name, remote.name]


def test_canonical_alias__of_another_server__has_to_lead_here(federated, remote):
    alice = federated.user()
    room, alias = alice.create_room(), "#%s:%s" % (unique("a"), remote.name)
    leads = {"room_id": "!elsewhere:" + remote.name, "servers": [remote.name]}
    remote.on("GET", r"/_matrix/federation/v1/query/directory", lambda ask: (200, leads))
    alice.put_state(room, "m.room.canonical_alias", {"alias": alias}).expect(400, "M_BAD_ALIAS")
    leads["room_id"] = room
    alice.put_state(room, "m.room.canonical_alias", {"alias": alias}).ok()


def test_join__nobody_named__404(federated, room):
    """Appendices, "Routing": room ids are not routable on their own."""
    federated.user().post(path_of("join", room.room_id)).expect(404, "M_NOT_FOUND")


def test_join__reason_and_profile__in_the_event(federated, remote, room):
    alice = federated.user()
    alice.put(path_of("profile", alice.user_id, "displayname"), {"displayname": "Alice 王"}).ok()
    join(alice, room, [remote.name], reason="for the choir").ok()
    send, = asked(remote, "send_join")
    assert send.json["content"] == {"membership": "join", "displayname": "Alice 王", "reason": "for the choir"}


def test_join__second_user__is_a_local_join(federated, remote, room):
    alice, bob = federated.user(), federated.user()
    join(alice, room, [remote.name]).ok()
    join(bob, room, [remote.name]).ok()
    assert len(asked(remote, "send_join")) == 1
    assert alice.state(room.room_id)[("m.room.member", bob.user_id)]["content"]["membership"] == "join"


@pytest.mark.tsan
@pytest.mark.one_process("those who join at once are joined within a process: two shake hands twice")
def test_join__several_users_at_once__one_handshake(federated, remote, room):
    users = [federated.user() for _ in range(5)]
    release = threading.Event()
    answer = remote.answer

    def slow(ask):
        if "/send_join/" in ask.path:
            release.wait(20)
        return answer(ask)
    remote.answer = slow
    replies = {}
    threads = [threading.Thread(target=lambda user=user: replies.update({user.user_id: join(user, room, [remote.name])}))
               for user in users]
    for thread in threads:
        thread.start()
    remote.next("GET", r".*/make_join/.*")
    release.set()
    for thread in threads:
        thread.join()
    assert all(reply.status == 200 for reply in replies.values()), replies
    assert len(asked(remote, "send_join")) == 1
    members = users[0].get(path_of("rooms", room.room_id, "joined_members")).ok()["joined"]
    assert {user.user_id for user in users} <= set(members)


def test_join__send_join_refused_with_an_odd_404__not_asked_again_by_v1(federated, remote, room):
    """Only M_UNRECOGNIZED, or no error of Matrix, says that the endpoint is not known."""
    remote.on("PUT", r"/_matrix/federation/v2/send_join/.*", lambda ask: (404, {"errcode": "M_UNKNOWN", "error": "gone"}))
    join(federated.user(), room, [remote.name]).expect(502)
    assert len(asked(remote, "send_join")) == 1


def test_join__version_1_of_send_join__where_that_is_all_they_know(federated, remote, room):
    remote.on("PUT", r"/_matrix/federation/v2/send_join/.*",
              lambda ask: (404, {"errcode": "M_UNRECOGNIZED", "error": "old"}))
    join(federated.user(), room, [remote.name]).ok()


def test_join__messages_go_on__after_it(federated, remote, room):
    alice = federated.user()
    join(alice, room, [remote.name]).ok()
    watch = alice.watch()
    remote.transaction(federated, [room.message("welcome")]).ok()
    watch.until(lambda sync: "welcome" in sync.joined(room.room_id).bodies())


# -- what is told meanwhile

def send_meanwhile(remote, room, send):
    """What is sent when the room has taken a join, and its answer is still on its way."""
    def take(ask):
        if ask.match.group(1) != room.room_id:
            return None
        answer = room.join_answer(room.add(ask.json))
        send()
        return 200, answer
    remote.on("PUT", r"/_matrix/federation/v2/send_join/([^/]+)/.+", take)


@pytest.mark.parametrize("is_known", [False, True], ids=["unknown room", "known room"])
@pytest.mark.parametrize("end", ["leave", "ban"])
def test_join__thrown_out_before_it_is_answered__out(federated, remote, room, end, is_known):
    """Nobody tells it twice: what is told of a room that is being joined waits until the join is here."""
    alice, told = federated.user(), []
    if is_known:
        room.add(Invite(remote, federated, federated.user().user_id, room=room).put().ok()["event"])

    def send():
        said = room.message("see them off")
        told.append(remote.transaction(federated, [said, room.send("m.room.member", {"membership": end}, alice.user_id)]))
    send_meanwhile(remote, room, send)
    watch = alice.watch()
    join(alice, room, [remote.name]).ok()
    assert list(told[0].ok()["pdus"].values()) == [{}, {}]
    watch.until(lambda sync: sync.left(room.room_id))
    assert membership(alice, room.room_id, alice.user_id) == end


def test_join__said_before_it_is_answered__comes_unless_the_access_list_shuts_the_server_out(federated, remote, make_remote):
    evil, alice = make_remote(host="localhost"), federated.user()
    mallory = "@mallory:" + evil.name
    room = RemoteRoom(remote).serve()
    room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, mallory, mallory), evil))
    room.send("m.room.server_acl", {"allow": ["*"], "deny": ["localhost"]}, "")

    def send():
        prev = list(room.heads)
        evil.transaction(federated, [room.sign(room.draft("m.room.message", {"body": "still here"}, sender=mallory, prev=prev), evil)]).ok()
        remote.transaction(federated, [room.message("hello")]).ok()
    send_meanwhile(remote, room, send)
    watch = alice.watch()
    join(alice, room, [remote.name]).ok()
    remote.transaction(federated, [room.message("the end")]).ok()
    watch.until(lambda sync: sync.joined(room.room_id) and "the end" in sync.joined(room.room_id).bodies())
    bodies = [event["content"].get("body") for event in alice.get(path_of("rooms", room.room_id, "messages"), {"dir": "b"}).ok()["chunk"]]
    assert bodies[:2] == ["the end", "hello"] and "still here" not in bodies


def test_join__told_before_it_is_answered_and_put_off__the_access_list_shuts_the_server_out(federated, remote, room, make_remote):
    """For want of the sender's key it is not judged when the join ends, but later: then the list counts too."""
    away, alice, key = make_remote(host="localhost"), federated.user(), r"/_matrix/key/v2/server"
    away.on("GET", key, lambda ask: (503, {"errcode": "M_UNKNOWN", "error": "away"}))
    mallory = "@mallory:" + away.name
    room.send("m.room.server_acl", {"allow": ["*"], "deny": ["localhost"]}, "")
    came = room.sign(room.draft("m.room.member", {"membership": "join"}, mallory, mallory), away)
    send_meanwhile(remote, room, lambda: remote.transaction(federated, [came]).ok())
    join(alice, room, [remote.name]).ok()
    away.next("GET", key)
    away.handlers.pop(0)
    wait_until(lambda: any("inbox.dropped" in line and came.event_id in line for line in federated.log().splitlines()),
               60, "the event was dropped")
    assert mallory not in alice.get(path_of("rooms", room.room_id, "joined_members")).ok()["joined"]


# -- who says no

@pytest.mark.parametrize("status, errcode, wanted", [
    (403, "M_FORBIDDEN", 403), (404, "M_NOT_FOUND", 404), (400, "M_UNABLE_TO_AUTHORISE_JOIN", 400),
    (400, "M_UNABLE_TO_GRANT_JOIN", 400), (400, "M_INCOMPATIBLE_ROOM_VERSION", 400)])
def test_join__refused__client_gets_the_errcode(federated, remote, status, errcode, wanted):
    body = {"errcode": errcode, "error": "No, thank you", "room_version": "org.example.odd"}
    remote.on("GET", r".*/make_join/.*", lambda ask: (status, body))
    reply = join(federated.user(), "!x:" + remote.name, [remote.name]).expect(wanted, errcode)
    assert "No, thank you" in reply["error"]
    if errcode == "M_INCOMPATIBLE_ROOM_VERSION":
        assert reply["room_version"] == "org.example.odd"


@pytest.mark.parametrize("errcode", ["M_INVALID_PARAM", "M_MISSING_PARAM", "M_BAD_JSON"])
def test_join__our_request_was_wrong__502(federated, remote, room, errcode):
    """joins-v2.yaml: "the Client-Server API request SHOULD fail with a 5xx error"."""
    remote.on("PUT", r".*/send_join/.*", lambda ask: (400, {"errcode": errcode, "error": "what?"}))
    join(federated.user(), room, [remote.name]).expect(502)


def test_join__first_refuses__next_is_asked(federated, make_remote):
    bad, good = make_remote(), make_remote()
    bad.on("GET", r".*/make_join/.*", lambda ask: (403, {"errcode": "M_FORBIDDEN", "error": "no"}))
    room = RemoteRoom(good).serve()
    join(federated.user(), room, [bad.name, "127.0.0.1:1", good.name]).ok()


def test_join__all_refuse__the_most_telling_answer(federated, make_remote):
    bad, worse = make_remote(), make_remote()
    bad.on("GET", r".*/make_join/.*", lambda ask: (403, {"errcode": "M_FORBIDDEN", "error": "banned"}))
    worse.on("GET", r".*/make_join/.*", lambda ask: (500, {"errcode": "M_UNKNOWN", "error": "oh"}))
    join(federated.user(), "!x:y", ["127.0.0.1:1", bad.name, worse.name]).expect(403, "M_FORBIDDEN")
    join(federated.user(), "!x:y", ["127.0.0.1:1"]).expect(502)


def test_join__first_hangs__next_is_asked(federated, make_remote):
    hanging, good = make_remote(), make_remote()
    hanging.on("GET", r".*/make_join/.*", lambda ask: hanging.closing.wait(60) and (500, {}))
    room = RemoteRoom(good).serve()
    try:
        join(federated.user(), room, [hanging.name, good.name]).ok()
    finally:
        hanging.closing.set()


# -- templates of others

def with_template(remote, room, change):
    """make_join answers with a changed template."""
    def answer(ask):
        user = ask.path.rpartition("/")[2]
        event = room.draft("m.room.member", {"membership": "join"}, user, user)
        change(event)
        return 200, {"room_version": room.version.identifier, "event": event}
    remote.on("GET", r".*/make_join/.*", answer)


OTHERS = {
    "sender": lambda event: event.update(sender="@admin:%s" % event["sender"].partition(":")[2]),
    "state_key": lambda event: event.update(state_key="@admin:%s" % event["sender"].partition(":")[2]),
    "both": lambda event: event.update(sender="@a:" + event["sender"].partition(":")[2],
                                       state_key="@a:" + event["sender"].partition(":")[2]),
    "type": lambda event: event.update(type="m.room.power_levels"),
    "no_state_key": lambda event: event.pop("state_key"),
    "membership": lambda event: event["content"].update(membership="leave"),
    "room": lambda event: event.update(room_id="!other:example.org"),
    "no_prev": lambda event: event.update(prev_events="all"),
    "odd_auth": lambda event: event.update(auth_events=[7]),
    "many_prev": lambda event: event.update(prev_events=["$%d" % i for i in range(21)]),
    "no_depth": lambda event: event.pop("depth"),
    "deep": lambda event: event.update(depth=2 ** 63 - 1),
    "shallow": lambda event: event.update(depth=-1),
}


@pytest.mark.parametrize("what", OTHERS)
def test_sec_5_21__template_of_another_event__never_signed(federated, remote, room, what):
    """CVE-2025-68667: a server must not be led to sign what its user has not asked for."""
    with_template(remote, room, OTHERS[what])
    alice = federated.user()
    join(alice, room, [remote.name]).expect(502)
    assert not asked(remote, "send_join")
    assert not asked(remote, "send")
    assert room.room_id not in alice.sync().rooms("join")


def test_sec_5_21__template_with_more_in_it__only_what_was_asked_for_is_signed(federated, remote, room):
    def change(event):
        event["content"].update({"displayname": "Evil", "org.example": {"a": 1}, "is_direct": True,
                                 "third_party_invite": {"signed": {}}, "reason": "because"})
        event.update({"redacts": "$x", "org.example": 1, "unsigned": {"a": 1}, "hashes": {"sha256": "x"},
                      "origin": "evil.example", "signatures": {federated.server_name: {"ed25519:x": "y"}}})
    with_template(remote, room, change)
    alice = federated.user()
    join(alice, room, [remote.name])
    send, = asked(remote, "send_join")
    name = alice.user_id[1:].partition(":")[0]
    assert send.json["content"] == {"membership": "join", "displayname": name}
    assert set(send.json) <= {"type", "content", "sender", "state_key", "room_id", "depth", "origin_server_ts",
                              "prev_events", "auth_events", "hashes", "signatures"}
    assert send.json["sender"] == send.json["state_key"] == alice.user_id


def test_sec_5_21__our_own_user_lets_in__not_signed(federated, remote, room):
    """The template may not make us say that a user of ours lets somebody in."""
    admin = federated.user()
    with_template(remote, room, lambda event: event["content"].update(
        join_authorised_via_users_server=admin.user_id))
    join(federated.user(), room, [remote.name])
    send, = asked(remote, "send_join")
    assert "join_authorised_via_users_server" not in send.json["content"]


def test_join__unknown_room_version__refused(federated, remote, room):
    remote.on("GET", r".*/make_join/.*", lambda ask: (200, {"room_version": "org.example.1", "event": {}}))
    reply = join(federated.user(), room, [remote.name]).expect(400, "M_INCOMPATIBLE_ROOM_VERSION")
    assert reply["room_version"] == "org.example.1"


@pytest.mark.parametrize("answer", [[], {}, {"event": 1}, {"room_version": 7, "event": {}}, b"nonsense", b""])
def test_join__template_is_none__502(federated, remote, answer):
    remote.on("GET", r".*/make_join/.*", lambda ask: (200, answer))
    join(federated.user(), "!x:" + remote.name, [remote.name]).expect(502)


# -- answers of others

def with_answer(remote, room, change):
    """send_join answers with a changed answer."""
    def answer(ask):
        body = copy.deepcopy(room.join_answer(room.add(ask.json)))
        changed = change(body)
        return 200, body if changed is None else changed
    remote.on("PUT", r"/_matrix/federation/v2/send_join/.*", answer)


def without(kind):
    def change(body):
        for name in ("state", "auth_chain"):
            body[name] = [event for event in body[name] if event["type"] != kind]
    return change


def flipped(kind):
    """The same with signatures that are wrong."""
    def change(body):
        # An event that stands in both lists is one object: once, or what was flipped flips back.
        for event in {id(event): event for event in body["state"] + body["auth_chain"]}.values():
            if event["type"] == kind:
                for keys in event["signatures"].values():
                    for key in keys:
                        keys[key] = ("B" if keys[key][0] == "A" else "A") + keys[key][1:]
    return change


BAD_ANSWERS = {
    "empty": lambda body: {},
    "array": lambda body: [],
    "state_is_none": lambda body: body.update(state=None),
    "state_is_object": lambda body: body.update(state={}),
    "no_auth_chain": lambda body: body.pop("auth_chain"),
    "all_gone": lambda body: body.update(state=[], auth_chain=[]),
    "no_create": without("m.room.create"),
    "no_power": without("m.room.power_levels"),
    "no_rules": without("m.room.join_rules"),
    "create_unsigned": flipped("m.room.create"),
    "power_unsigned": flipped("m.room.power_levels"),
    "members_omitted": lambda body: body.update(members_omitted=True),
}


@pytest.mark.parametrize("version", ["1", "6", "12"])
@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_sec_5_7__answer_without_what_the_join_stands_on__refused(federated, remote, what, version):
    """Synapse 1.15.2: a malicious server resets the state to a part of it."""
    room = RemoteRoom(remote, version).serve()
    with_answer(remote, room, BAD_ANSWERS[what])
    alice = federated.user()
    join(alice, room, [remote.name]).expect(502)
    assert room.room_id not in alice.sync().rooms("join")


@pytest.mark.parametrize("version", ["1", "11", "12"])
def test_sec_5_7__create_event_of_another_room__refused(federated, remote, version):
    other = RemoteRoom(remote, version, creation={"org.example": "other"})  # in version 12 the id is its hash
    room = RemoteRoom(remote, version).serve()

    def change(body):
        without("m.room.create")(body)
        create = other.state[("m.room.create", "")].json
        body["state"].append(create)
        body["auth_chain"].append(create)
    with_answer(remote, room, change)
    join(federated.user(), room, [remote.name]).expect(502)


def test_join__bad_answer__next_server_is_asked(federated, make_remote):
    bad, good = make_remote(), make_remote()
    room = RemoteRoom(good).serve()
    lying = RemoteRoom(good)
    lying.__dict__.update({**room.__dict__, "remote": bad})
    lying.serve()
    with_answer(bad, room, BAD_ANSWERS["no_create"])
    alice = federated.user()
    join(alice, room, [bad.name, good.name]).ok()
    assert asked(bad, "send_join") and asked(good, "send_join")
    assert set(alice.state(room.room_id)) == set(room.state)


def test_sec_5_5__events_with_wrong_signatures__left_out(federated, remote):
    """CVE-2022-39200: each way in looks at signatures."""
    room = RemoteRoom(remote, more_state=[("m.room.topic", "", {"topic": "good"}), ("org.example", "", {"a": 1})]).serve()
    with_answer(remote, room, flipped("m.room.topic"))
    alice = federated.user()
    join(alice, room, [remote.name]).ok()
    here = alice.state(room.room_id)
    assert ("m.room.topic", "") not in here and ("org.example", "") in here


def test_sec_5_6__events_of_another_room__left_out(federated, remote):
    other = RemoteRoom(remote, more_state=[("m.room.topic", "", {"topic": "of another room"})])
    room = RemoteRoom(remote).serve()
    with_answer(remote, room, lambda body: body["state"].append(other.state[("m.room.topic", "")].json))
    alice = federated.user()
    join(alice, room, [remote.name]).ok()
    assert ("m.room.topic", "") not in alice.state(room.room_id)


def test_join__state_twice_and_junk__each_event_once(federated, remote, room):
    def change(body):
        body["state"] += body["state"] + [None, 7, "x", [], {}, {"type": "m.room.topic"}, {"a": [[[]]]}] * 100
        body["auth_chain"] += body["state"]
    with_answer(remote, room, change)
    alice = federated.user()
    join(alice, room, [remote.name]).ok()
    assert set(alice.state(room.room_id)) == set(room.state)


@pytest.mark.parametrize("version", ["1", "2"])
def test_join__events_called_by_a_name_with_a_nul__the_room_is_joined_without_them(federated, remote, version):
    """Senders of these versions name their events as they like.  Such an event stands in the room's state and at its end."""
    room = RemoteRoom(remote, version).serve()
    before = list(room.heads)
    room.send("m.room.topic", {"topic": "x"}, "", event_id="$\0%s:%s" % (unique("e"), remote.name))
    room.heads += before
    alice = federated.user()
    join(alice, room, [remote.name]).ok()
    assert [event_id for event_id, _ in asked(remote, "send_join")[-1].json["prev_events"]] == before
    assert set(alice.state(room.room_id)) == set(room.state) - {("m.room.topic", "")}


@pytest.mark.parametrize("version", ["1", "11"])
def test_join__template_stands_on_nothing_known__502(federated, remote, version):
    room = RemoteRoom(remote, version).serve()
    room.heads = ["$\0:" + remote.name]
    join(federated.user(), room, [remote.name]).expect(502)


@pytest.mark.parametrize("omits", [False, True], ids=["all", "members_omitted"])
@pytest.mark.parametrize("version", ["1", "11", "12"])
def test_join__state_with_a_nul_in_its_keys__left_out_alone(federated, remote, version, omits):
    """The database takes none. Whoever could set state kept this server's users out of the room with one event."""
    room = RemoteRoom(remote, version, more_state=[("org.example\0", "", {}), ("org.example", "\0", {}), ("org.example", "", {})])
    room.omits_members = omits
    room.serve()
    alice = federated.user()
    join(alice, room, [remote.name]).ok()
    wanted = {key for key in room.state if "\0" not in "".join(key)}
    assert len(room.state) == len(wanted) + 2 and set(alice.state(room.room_id)) == wanted


def test_sec_5_10__deep_auth_chain__linear(federated, remote):
    """Continuwuity 26.9.1: auth events fetched over and over.  Each power level stands on the one before."""
    room = RemoteRoom(remote)
    for number in range(400):
        room.send("m.room.power_levels", {"users": {room.creator: 100}, "events": {"org.example": number % 50}}, "")
    room.serve()
    began = time.monotonic()
    join(federated.user(), room, [remote.name]).ok()
    assert time.monotonic() - began < seconds(60)


def test_sec_5_7__auth_events_in_a_circle__refused_in_no_time(federated, remote):
    """Versions 1 and 2 name ids, so events can be made that stand on each other."""
    room = RemoteRoom(remote, "1").serve()
    first = room.draft("org.example.first", {}, "", auth_events=[["$second:" + remote.name, {}]],
                       event_id="$first:" + remote.name)
    second = room.draft("org.example.second", {}, "", auth_events=[["$first:" + remote.name, {}]],
                        event_id="$second:" + remote.name)
    events = [room.sign(first).json, room.sign(second).json]

    def change(body):
        body["state"] += events
        body["auth_chain"] += events
    with_answer(remote, room, change)
    alice = federated.user()
    join(alice, room, [remote.name]).ok()
    assert ("org.example.first", "") not in alice.state(room.room_id)


# -- restricted rooms

def restricted(remote, version, allow=("!hall:example.org",)):
    return RemoteRoom(remote, version, more_state=[("m.room.join_rules", "", {"join_rule": "restricted", "allow": [
        {"type": "m.room_membership", "room_id": room} for room in allow]})])


def serve_restricted(remote, room, signs=True):
    room.serve()

    def template(ask):
        user = ask.path.rpartition("/")[2]
        content = {"membership": "join", "join_authorised_via_users_server": room.creator}
        return 200, {"room_version": room.version.identifier,
                     "event": room.draft("m.room.member", content, user, user)}

    def take(ask):
        event = copy.deepcopy(ask.json)
        if signs:
            add_signature(room.version.identifier, event, remote)
        return 200, room.join_answer(room.add(event))
    remote.on("GET", r".*/make_join/.*", template)
    remote.on("PUT", r".*/v2/send_join/.*", take)
    return room


@pytest.mark.parametrize("version", ["8", "9", "10", "11", "12"])
def test_restricted__resident_lets_in__joined_with_both_signatures(federated, remote, version):
    room = serve_restricted(remote, restricted(remote, version))
    alice = federated.user()
    join(alice, room, [remote.name]).ok()
    member = alice.state(room.room_id)[("m.room.member", alice.user_id)]
    assert member["content"]["join_authorised_via_users_server"] == room.creator


def test_restricted__resident_has_not_signed__refused(federated, remote):
    room = serve_restricted(remote, restricted(remote, "10"), signs=False)
    join(federated.user(), room, [remote.name]).expect(502)


# -- two of this server, and what comes of it

def test_two_servers__join_then_talk_both_ways(make_federated):
    one, two = make_federated().start(), make_federated().start()
    alice, bob = one.user(), two.user()
    room = alice.create_room(preset="public_chat", name="Choir")
    at_alice, at_bob = alice.watch(), bob.watch()
    join(bob, room, [one.server_name]).ok()
    at_alice.until(lambda sync: bob.user_id in sync.joined(room).members("timeline"))
    at_bob.until(lambda sync: sync.joined(room))
    alice.send(room, "hello from one")
    at_bob.until(lambda sync: "hello from one" in sync.joined(room).bodies())
    bob.send(room, "hello from two")
    at_alice.until(lambda sync: "hello from two" in sync.joined(room).bodies())
    bob.leave(room).ok()
    at_alice.until(lambda sync: membership(alice, room, bob.user_id) == "leave")
    join(bob, room, [one.server_name]).ok()
    assert membership(bob, room, bob.user_id) == "join"
    assert membership(alice, room, bob.user_id) == "join"


def test_send_join__others_in_the_room_hear_of_it(federated, make_remote):
    """"The resident server must also send the event to other servers participating in the room." """
    first, second = make_remote(), make_remote()
    alice = federated.user()
    room = alice.create_room(preset="public_chat")
    first.on("PUT", r"/_matrix/federation/v1/send/.*", lambda ask: (200, {"pdus": {}}))
    Guest(first, federated, room).join("@zoe:" + first.name)
    Guest(second, federated, room).join("@yan:" + second.name)
    while True:
        ask = first.next("PUT", r"/_matrix/federation/v1/send/.*")
        joins = [pdu for pdu in ask.json["pdus"] if pdu["type"] == "m.room.member"]
        if joins:
            break
    assert joins[0]["sender"] == "@yan:" + second.name
    assert not asked(second, "send")


def test_restricted__we_are_in_it_but_cannot_let_in__by_another_resident(federated, remote):
    """Whoever may let in is of another server: it signs the join, and the event comes in like any other."""
    alice, bob = federated.user(), federated.user()
    room = restricted(remote, "10")
    room.send("m.room.member", {"membership": "invite"}, bob.user_id)
    room.send("m.room.power_levels", {"users": {room.creator: 100}, "invite": 50}, "")
    serve_restricted(remote, room)
    remote.on("GET", r".*/make_join/.*/" + bob.user_id, lambda ask: (200, {
        "room_version": "10", "event": room.draft("m.room.member", {"membership": "join"}, bob.user_id, bob.user_id)}))
    join(bob, room, [remote.name]).ok()
    join(alice, room, []).ok()
    member = alice.state(room.room_id)[("m.room.member", alice.user_id)]
    assert member["content"]["join_authorised_via_users_server"] == room.creator
    assert len(asked(remote, "send_join")) == 2


def test_restricted__all_residents_refuse__client_hears_of_it(federated, remote):
    alice, bob = federated.user(), federated.user()
    room = restricted(remote, "10")
    room.send("m.room.member", {"membership": "invite"}, bob.user_id)
    room.serve()
    join(bob, room, [remote.name]).ok()
    remote.on("GET", r".*/make_join/.*", lambda ask: (403, {"errcode": "M_FORBIDDEN", "error": "not in the hall"}))
    join(alice, room, []).expect(403, "M_FORBIDDEN")


def test_restricted__others_have_not_heard_yet__joined_a_moment_later(federated, remote):
    """Quicker than the news: into the hall, and on into a room that it admits to."""
    alice, bob = federated.user(), federated.user()
    hall = alice.create_room(preset="public_chat")
    room = restricted(remote, "10", allow=[hall])
    room.send("m.room.member", {"membership": "invite"}, bob.user_id)
    room.send("m.room.power_levels", {"users": {room.creator: 100}, "invite": 50}, "")
    serve_restricted(remote, room)
    granted = remote.handlers[:]
    remote.on("GET", r".*/make_join/.*/" + bob.user_id, lambda ask: (200, {
        "room_version": "10", "event": room.draft("m.room.member", {"membership": "join"}, bob.user_id, bob.user_id)}))
    join(bob, room, [remote.name]).ok()

    def refuse_once(ask):
        remote.handlers[:] = granted
        return 403, {"errcode": "M_FORBIDDEN", "error": "not in the hall"}
    remote.on("GET", r".*/make_join/.*", refuse_once)
    join(alice, room, []).ok()
    assert membership(alice, room.room_id, alice.user_id) == "join"


def test_restricted__power_comes_here_while_others_refuse__granted_by_our_user(federated, remote):
    alice, bob = federated.user(), federated.user()
    hall = alice.create_room(preset="public_chat")
    room = restricted(remote, "10", allow=[hall])
    room.send("m.room.member", {"membership": "invite"}, bob.user_id)
    room.send("m.room.power_levels", {"users": {room.creator: 100}, "invite": 50}, "")
    room.serve()
    join(bob, room, [remote.name]).ok()
    power = room.send("m.room.power_levels", {"users": {room.creator: 100, bob.user_id: 50}, "invite": 50}, "")

    def refuse(ask):
        remote.transaction(federated, [power])
        return 403, {"errcode": "M_FORBIDDEN", "error": "not in the hall"}
    remote.on("GET", r".*/make_join/.*", refuse)
    join(alice, room, []).ok()
    member = alice.state(room.room_id)[("m.room.member", alice.user_id)]
    assert member["content"]["join_authorised_via_users_server"] == bob.user_id
