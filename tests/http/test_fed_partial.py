"""Joins whose answer leaves the room's members out: what users may do at once, what waits, and how the room becomes whole.
Spec: server-server API, "Joining Rooms" (send_join, `omit_members`), "Retrieving events" (GET /state)."""
import threading

import pytest

from support.client import path_of, unique
from support.handshake import asked
from support.inbox import Inbox
from support.policy_server import PolicyServer
from support.remote_room import RemoteRoom
from support.server import FederatedServer, wait_until
from support.shared_room import Hold

STATE = r"/_matrix/federation/v1/state/.*"
SEND = r"/_matrix/federation/v1/send/.*"
LAZY = {"room": {"state": {"lazy_load_members": True}}}
QUICK = {"federation.retry_first": "200ms", "federation.retry_longest": "1s"}


@pytest.fixture(scope="module")
def quick(authority):
    """A server that soon asks again."""
    server = FederatedServer(authority=authority, settings=QUICK).start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def patient(authority):
    """A server that does not ask again while a test runs."""
    server = FederatedServer(authority=authority, settings={"federation.retry_first": "1h"}).start()
    yield server
    server.destroy()


def large(remote, version="11", members=5, **more):
    """A room whose members are left out of answers to joins."""
    room = RemoteRoom(remote, version, **more).serve()
    room.omits_members = True
    room.far = [room.join("@far%d:%s" % (number, remote.name)).json["sender"] for number in range(members)]
    return room


def join(user, room, remote):
    return user.post(path_of("join", room.room_id), {}, query={"via": remote.name})


def joined_members(user, room):
    return set(user.get(path_of("rooms", room.room_id, "joined_members")).ok()["joined"])


class Later:
    """A request that may take long: result() waits for it."""

    def __init__(self, request):
        self.thread = threading.Thread(target=self._run, args=(request,), daemon=True)
        self.thread.start()

    def _run(self, request):
        self.reply = request()

    def result(self):
        self.thread.join()
        return self.reply


@pytest.fixture
def partial(federated, remote):
    """(user, room, Hold of what is missing) of a room that is joined and not whole."""
    room = large(remote, age_ms=10 ** 8)  # what users of the server say is later, by whatever clock
    hold = Hold(remote, "GET", STATE)
    room.inbox = Inbox(remote)
    user = federated.user()
    join(user, room, remote).ok()
    yield user, room, hold
    hold.release()


# -- policy servers

@pytest.mark.parametrize("is_there", [True, False])
def test_policy_server__members_omitted__asked_if_it_is_said_to_be_there(federated, remote, make_remote, is_there):
    policy = PolicyServer(make_remote())
    room = large(remote)
    watch = "@watch:" + policy.remote.name
    if is_there:
        room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, watch, watch), policy.remote))
    room.send("m.room.policy", policy.content, "")
    hold = Hold(remote, "GET", STATE)
    alice = federated.user()
    join(alice, room, remote).ok()
    event_id = alice.send(room.room_id, "before the members are known")
    assert policy.bodies() == (["before the members are known"] if is_there else [])
    assert alice.event(room.room_id, event_id).ok()["content"]["body"] == "before the members are known"
    hold.release()
    assert (watch in joined_members(alice, room)) == is_there
    alice.send(room.room_id, "afterwards")
    assert policy.bodies() == (["before the members are known", "afterwards"] if is_there else [])


# -- the plain way

@pytest.mark.parametrize("version", ["1", "6", "12"])
def test_join__members_omitted__whole_afterwards(federated, remote, version):
    room, alice = large(remote, version), federated.user()
    join(alice, room, remote).ok()
    assert asked(remote, "send_join")[0].query["omit_members"] == ["true"]
    assert joined_members(alice, room) == {room.creator, alice.user_id, *room.far}
    here = alice.state(room.room_id)
    assert {key: event["event_id"] for key, event in here.items()} == {
        key: event.event_id for key, event in room.state.items()}
    assert len(asked(remote, "state")) == 1


def test_join__answer_with_all_members__nothing_more_is_asked(federated, remote):
    room, alice = large(remote), federated.user()
    room.omits_members = False
    join(alice, room, remote).ok()
    assert joined_members(alice, room) == {room.creator, alice.user_id, *room.far}
    assert not asked(remote, "state")


def test_join__invite_only_room__what_the_join_stands_on_is_state(federated, remote):
    alice = federated.user()
    room = large(remote)
    room.send("m.room.join_rules", {"join_rule": "invite"}, "")
    room.send("m.room.member", {"membership": "invite"}, alice.user_id)
    hold = Hold(remote, "GET", STATE)
    join(alice, room, remote).ok()
    alice.send(room.room_id, "in")
    hold.release()
    assert joined_members(alice, room) >= {alice.user_id, *room.far}


# -- as long as members are missing

def test_partial__message__goes_to_the_servers_that_were_named(partial, remote):
    alice, room, _ = partial
    event_id = alice.send(room.room_id, "at once")
    room.inbox.until(lambda inbox: inbox.bodies() == ["at once"])
    assert event_id == room.add(room.inbox.pdus()[0]).event_id


def test_partial__lazy_sync__shows_the_room_and_later_its_size(partial):
    alice, room, hold = partial
    watch = alice.watch(filter=LAZY)
    shown = watch.first.joined(room.room_id)
    assert ("m.room.create", "") in shown.keyed() and shown.members() <= {alice.user_id}
    event_id = alice.send(room.room_id, "hello")
    assert watch.timeline_until(room.room_id, event_id)[-1]["content"]["body"] == "hello"
    hold.release()
    size = len(room.far) + 2
    answer, _ = watch.until(lambda sync: sync.joined(room.room_id).get("summary", {}).get("m.joined_member_count") == size)
    assert event_id not in answer.joined(room.room_id).ids()


def test_partial__sync_with_all_members__shows_the_room_when_whole(partial):
    alice, room, hold = partial
    since = alice.sync(filter={"room": {"rooms": []}}).since  # of before, for a client that does not load lazily
    hold.release()
    answer = alice.sync(since, timeout=20000)
    while room.room_id not in answer.rooms("join"):
        answer = alice.sync(answer.since, timeout=20000)
    shown = answer.joined(room.room_id)
    assert shown.members() | shown.members("timeline") == {room.creator, alice.user_id, *room.far}


@pytest.mark.tsan
@pytest.mark.parametrize("path", ["members", "joined_members", "state"])
def test_partial__who_is_in_it__waits(partial, path):
    alice, room, hold = partial
    later = Later(lambda: alice.get(path_of("rooms", room.room_id, path)))
    assert hold.waiting.wait(60)
    hold.release()
    reply = later.result().ok()
    text = reply.raw.decode()
    assert all(user in text for user in room.far)


def test_partial__member_event_of_somebody__waits(partial):
    alice, room, hold = partial
    later = Later(lambda: alice.get_state(room.room_id, "m.room.member", room.far[0]))
    assert hold.waiting.wait(60)
    hold.release()
    assert later.result().ok()["membership"] == "join"


def test_partial__invite_of_who_is_in_it__refused_when_whole(partial):
    alice, room, hold = partial
    later = Later(lambda: alice.invite(room.room_id, room.far[0]))
    assert hold.waiting.wait(60)
    hold.release()
    later.result().expect(403, "M_FORBIDDEN")


@pytest.mark.tsan
def test_partial__join_of_who_is_banned__refused_when_whole(federated, remote):
    alice, bob, room = federated.user(), federated.user(), large(remote)
    room.send("m.room.member", {"membership": "ban"}, bob.user_id)
    hold = Hold(remote, "GET", STATE)
    join(alice, room, remote).ok()
    later = Later(lambda: bob.join(room.room_id))
    assert hold.waiting.wait(60)
    hold.release()
    later.result().expect(403, "M_FORBIDDEN")
    assert bob.user_id not in joined_members(alice, room)


def test_partial__own_name__changes_at_once(partial):
    alice, room, hold = partial
    alice.put_state(room.room_id, "m.room.member", {"membership": "join", "displayname": "Alice"}, alice.user_id).ok()
    hold.release()
    joined_members(alice, room)
    assert alice.state(room.room_id)[("m.room.member", alice.user_id)]["content"]["displayname"] == "Alice"


@pytest.mark.tsan
def test_partial__events_of_others__acknowledged_and_shown_when_whole(partial, remote, federated):
    alice, room, hold = partial
    watch = alice.watch(filter=LAZY)
    kick = room.send("m.room.member", {"membership": "leave"}, room.far[0])
    said = room.message("of one who was left out", sender=room.far[1])
    assert remote.transaction(federated, [kick, said]).ok()["pdus"] == {kick.event_id: {}, said.event_id: {}}
    assert said.event_id not in alice.sync(filter=LAZY).joined(room.room_id).ids()
    hold.release()
    seen = watch.timeline_until(room.room_id, said.event_id, 30)
    assert [event["event_id"] for event in seen if event["event_id"] in (kick.event_id, said.event_id)] == [
        kick.event_id, said.event_id]
    assert joined_members(alice, room) == {room.creator, alice.user_id, *room.far[1:]}


def test_partial__history_of_before__not_fetched_until_whole(partial, remote):
    alice, room, hold = partial
    later = Later(lambda: alice.history(room.room_id, limit=50))
    assert hold.waiting.wait(60)
    hold.release()
    types = [event["type"] for event in later.result()]
    assert "m.room.create" in types
    assert joined_members(alice, room) == {room.creator, alice.user_id, *room.far}


def test_partial__event_of_before_by_its_time__found_when_whole(partial, remote):
    alice, room, hold = partial
    before = room.state[("m.room.join_rules", "")]
    later = Later(lambda: alice.get("/_matrix/client/v1" + path_of("rooms", room.room_id, "timestamp_to_event"),
                                    {"ts": before["origin_server_ts"], "dir": "b"}))
    assert hold.waiting.wait(60)
    alice.send(room.room_id, "meanwhile")
    hold.release()
    assert later.result().ok()["event_id"] == before.event_id


@pytest.mark.parametrize("how", ["event", "context"])
def test_partial__event_of_before_by_its_id__found_when_whole(partial, remote, how):
    alice, room, hold = partial
    before = room.state[("m.room.join_rules", "")]
    later = Later(lambda: alice.get(path_of("rooms", room.room_id, how, before.event_id)))
    assert hold.waiting.wait(60)
    alice.send(room.room_id, "meanwhile")
    hold.release()
    found = later.result().ok()
    assert (found["event"] if how == "context" else found)["event_id"] == before.event_id


def test_partial__keys_of_members__told_as_changed_when_whole(partial):
    alice, room, hold = partial
    watch = alice.watch(filter=LAZY)
    hold.release()
    changed = set()

    def told(sync):
        changed.update(sync.get("device_lists", {}).get("changed", []))
        return set(room.far) <= changed
    watch.until(told)


def test_partial__members__found_in_the_directory_when_whole(federated, remote):
    room, alice, name = large(remote), federated.user(), unique("Name")
    room.send("m.room.member", {"membership": "join", "displayname": name}, room.far[0], room.far[0])
    hold = Hold(remote, "GET", STATE)
    join(alice, room, remote).ok()
    alice.send(room.room_id, "the stream has gone on by then")
    hold.release()

    def found():
        results = alice.post("/user_directory/search", {"search_term": name}).ok()["results"]
        return [user["user_id"] for user in results] == [room.far[0]]
    wait_until(found, 30, "member in the directory")


def test_partial__left__joined_again_with_all_members(partial, remote):
    alice, room, hold = partial
    alice.leave(room.room_id).ok()
    room.inbox.until(lambda inbox: inbox.pdus())
    leave, = room.inbox.pdus()
    assert leave["content"]["membership"] == "leave"
    room.add(leave)
    hold.release()
    join(alice, room, remote).ok()
    assert "omit_members" not in asked(remote, "send_join")[1].query
    assert joined_members(alice, room) == {room.creator, alice.user_id, *room.far}
    watch = alice.watch()
    assert watch.first.joined(room.room_id).members() | watch.first.joined(room.room_id).members("timeline") >= set(room.far)


# -- how it becomes whole

def test_rest__refused_by_one__another_gives_it(federated, make_remote):
    remote, other = make_remote(), make_remote()
    room = large(remote)
    guest = room.sign(room.draft("m.room.member", {"membership": "join"}, "@guest:" + other.name, "@guest:" + other.name), other)
    room.add(guest)
    remote.on("GET", STATE, lambda ask: (500, {"errcode": "M_UNKNOWN", "error": "no"}))
    twin = RemoteRoom(other)
    twin.__dict__.update({**room.__dict__, "remote": other})
    twin.serve()
    alice = federated.user()
    join(alice, room, remote).ok()
    assert joined_members(alice, room) == {room.creator, alice.user_id, guest["sender"], *room.far}
    assert asked(other, "state")


BAD_STATES = {
    "no_state": lambda room, answer: answer.pop("pdus"),
    "no_auth_chain": lambda room, answer: answer.pop("auth_chain"),
    "nothing": lambda room, answer: answer.update(pdus=[], auth_chain=[]),
    "no_create": lambda room, answer: drop(answer, "m.room.create"),
    "no_rules": lambda room, answer: drop(answer, "m.room.join_rules"),
    "other_room": lambda room, answer: answer.update(other_room(room)),
}


def drop(answer, kind):
    for part in ("pdus", "auth_chain"):
        answer[part] = [event for event in answer[part] if event["type"] != kind]


def other_room(room):
    other = RemoteRoom(room.remote)
    state = [event.json for event in other.state.values()]
    return {"pdus": state, "auth_chain": state}


@pytest.mark.parametrize("what", BAD_STATES)
def test_rest__answer_that_cannot_be_used__asked_again(quick, remote, what):
    room, alice, failed = large(remote), quick.user(), threading.Event()

    def answer(ask):
        status, body = room._state(ask, False)
        if not failed.is_set():
            failed.set()
            BAD_STATES[what](room, body)
        return status, body
    remote.on("GET", STATE, answer)
    join(alice, room, remote).ok()
    assert failed.wait(60)
    watch = alice.watch(filter=LAZY)
    size = len(room.far) + 2
    if watch.first.joined(room.room_id)["summary"]["m.joined_member_count"] != size:
        watch.until(lambda sync: sync.joined(room.room_id).get("summary", {}).get("m.joined_member_count") == size, 60)
    assert joined_members(alice, room) == {room.creator, alice.user_id, *room.far}


def test_rest__other_state_than_was_given__the_given_one_stays(federated, remote):
    """Members are judged by their signatures; what is known is not replaced."""
    room, alice = large(remote), federated.user()
    room.send("m.room.topic", {"topic": "given"}, "")
    forged = RemoteRoom(remote)
    forged.__dict__.update({**room.__dict__, "state": dict(room.state)})
    topic = forged.sign(forged.draft("m.room.topic", {"topic": "another"}, ""))
    unsigned = room.draft("m.room.member", {"membership": "join"}, "@nobody:" + remote.name, "@nobody:" + remote.name)

    def answer(ask):
        status, body = room._state(ask, False)
        body["pdus"] = [event for event in body["pdus"] if event["type"] != "m.room.topic"] + [
            topic.json, {**unsigned, "hashes": {}, "signatures": {}}]
        return status, body
    remote.on("GET", STATE, answer)
    join(alice, room, remote).ok()
    assert joined_members(alice, room) == {room.creator, alice.user_id, *room.far}
    assert alice.state(room.room_id)[("m.room.topic", "")]["content"]["topic"] == "given"


@pytest.mark.parametrize("what", ["missing", "no_array"])
def test_join__servers_are_not_named__refused(federated, remote, what):
    """joins-v2.yaml, servers_in_room: "Required if members_omitted is true"."""
    room = large(remote)

    def answer(ask):
        body = room.join_answer_without_members(room.add(ask.json))
        body.pop("servers_in_room")
        if what == "no_array":
            body["servers_in_room"] = remote.name
        return 200, body
    remote.on("PUT", r"/_matrix/federation/v2/send_join/.*", answer)
    join(federated.user(), room, remote).expect(502)


def test_rest__killed_while_members_are_missing__whole_after_the_restart(make_federated, remote):
    server = make_federated().start()
    room, alice = large(remote), server.user()
    hold = Hold(remote, "GET", STATE)
    join(alice, room, remote).ok()
    event_id = alice.send(room.room_id, "before the crash")
    said = room.message("meanwhile")
    remote.transaction(server, [said]).ok()
    assert hold.waiting.wait(60)
    server.kill_everything()
    hold.release()
    server.start()
    watch = alice.watch(filter=LAZY)
    seen = {event["event_id"] for event in watch.first.joined(room.room_id).timeline}
    if said.event_id not in seen:
        watch.timeline_until(room.room_id, said.event_id, 30)
    assert joined_members(alice, room) == {room.creator, alice.user_id, *room.far}
    assert alice.event(room.room_id, event_id).status == 200


def test_rest__crash_between_storing_and_telling__not_asked_again(make_federated, remote):
    """The state is stored at once, so no mixture of two servers' states can come of it."""
    server = make_federated().start()
    room, alice = large(remote), server.user()
    join(alice, room, remote).ok()
    joined_members(alice, room)
    server.terminate()
    with server.database_alone():
        server.sql("UPDATE rooms SET whole_at = 9223372036854775807; INSERT INTO partial_joins "
                   "(room_nid, join_event_id, servers, retry_at_ms) SELECT room_nid, event_id, '[]', 0 "
                   "FROM events WHERE type = 'm.room.member' AND sender = '%s'" % alice.user_id)
    server.start()
    assert joined_members(alice, room) == {room.creator, alice.user_id, *room.far}
    assert len(asked(remote, "state")) == 1


def hears(server, text):
    """Waits for a message among what is sent to it."""
    told = []
    while text not in told:
        told = [pdu["content"].get("body") for pdu in server.next("PUT", SEND).json["pdus"]]


def test_rest__server_that_was_named_and_is_not_there__gets_no_more(federated, make_remote):
    remote, stranger = make_remote(), make_remote()
    room, alice = large(remote), federated.user()

    def answer(ask):
        body = room.join_answer_without_members(room.add(ask.json))
        body["servers_in_room"] = [remote.name, stranger.name, "", 7, "no server"]
        return 200, body
    remote.on("PUT", r"/_matrix/federation/v2/send_join/.*", answer)
    stranger.on("PUT", SEND, lambda ask: (200, {"pdus": {}}))
    remote.on("PUT", SEND, lambda ask: (200, {"pdus": {}}))
    hold = Hold(remote, "GET", STATE)
    join(alice, room, remote).ok()
    alice.send(room.room_id, "to both")
    hears(stranger, "to both")
    hold.release()
    joined_members(alice, room)
    alice.send(room.room_id, "to one")
    hears(remote, "to one")
    # What was for both has been put into both queues by now, and goes before what comes later.
    alice.put(path_of("sendToDevice", "org.example", unique("t")), {"messages": {"@x:" + stranger.name: {"*": {}}}}).ok()
    bodies = [stranger.next("PUT", SEND).json]
    while not any(edu["edu_type"] == "m.direct_to_device" for edu in bodies[-1].get("edus", [])):
        bodies.append(stranger.next("PUT", SEND).json)
    assert "to one" not in [pdu["content"].get("body") for body in bodies for pdu in body["pdus"]]


# -- others, meanwhile

def test_partial__another_server_joins_by_us__waits(federated, make_remote):
    remote, third = make_remote(), make_remote()
    room, alice = large(remote), federated.user()
    hold = Hold(remote, "GET", STATE)
    join(alice, room, remote).ok()
    user = "@third:" + third.name
    later = Later(lambda: third.send(federated, "GET", "/make_join/%s/%s?ver=11" % (
        path_of(room.room_id)[1:], path_of(user)[1:])))
    assert hold.waiting.wait(60)
    hold.release()
    template = later.result().ok()["event"]
    assert template["state_key"] == user


# -- thrown out before the members are known

def forbidden(ask):
    return 403, {"errcode": "M_FORBIDDEN", "error": "Your server is not in that room"}


def left(user, room_id):
    """The membership with which the room is told to be over."""
    def look():
        sync = user.get("/sync", {"filter": '{"room":{"include_leave":true}}'}).ok().json
        gone = sync.get("rooms", {}).get("leave", {}).get(room_id)
        events = gone["state"]["events"] + gone["timeline"]["events"] if gone else []
        own = [event for event in events if event.get("state_key") == user.user_id]
        return own and own[-1]["content"]["membership"]
    return wait_until(look, what="the user is out of the room")


@pytest.mark.parametrize("membership", ["ban", "leave"])
def test_partial__thrown_out__the_user_hears_of_it(quick, remote, membership):
    """Nobody gives the members to a server that is not in the room any more, so it takes the word of who had the power."""
    room, alice = large(remote), quick.user()
    remote.on("GET", STATE, forbidden)
    join(alice, room, remote).ok()
    end = room.send("m.room.member", {"membership": membership}, alice.user_id)
    assert remote.transaction(quick, [end]).ok()["pdus"] == {end.event_id: {}}
    assert left(alice, room.room_id) == membership
    alice.put(path_of("rooms", room.room_id, "send", "m.room.message", unique()), {"body": "in?"}).expect(403, "M_FORBIDDEN")
    # The other server lets the user in again, and the room is as ever.
    room.serve()
    if membership == "ban":
        room.send("m.room.member", {"membership": "leave"}, alice.user_id)
    join(alice, room, remote).ok()
    assert joined_members(alice, room) == {room.creator, alice.user_id, *room.far}


def test_partial__thrown_out_before_the_join_is_answered__the_user_hears_of_it(quick, remote):
    room, alice, told = large(remote), quick.user(), []

    def take(ask):
        if ask.match.group(1) != room.room_id:
            return None
        answer = room.join_answer_without_members(room.add(ask.json))
        told.append(remote.transaction(quick, [room.send("m.room.member", {"membership": "ban"}, alice.user_id)]))
        return 200, answer
    remote.on("PUT", r"/_matrix/federation/v2/send_join/([^/]+)/.+", take)
    remote.on("GET", STATE, forbidden)
    join(alice, room, remote).ok()
    assert list(told[0].ok()["pdus"].values()) == [{}]
    assert left(alice, room.room_id) == "ban"


def test_partial__thrown_out_after_the_members_were_refused__the_user_hears_of_it(patient, remote):
    """The ban is on its way when the members are refused: it is taken in when it comes, not when they are asked for again."""
    room, alice = large(remote), patient.user()
    remote.on("GET", STATE, forbidden)
    join(alice, room, remote).ok()
    wait_until(lambda: "fed.join_rest.late room=" + room.room_id in patient.log(), what="the members are refused")
    end = room.send("m.room.member", {"membership": "ban"}, alice.user_id)
    assert remote.transaction(patient, [end]).ok()["pdus"] == {end.event_id: {}}
    assert left(alice, room.room_id) == "ban"
    assert len(asked(remote, "state")) == 1


@pytest.mark.parametrize("who", ["without power", "not of this join"])
def test_sec_5_7__partial__thrown_out_by_who_may_not__stays(quick, remote, who):
    room, alice = large(remote), quick.user()
    moderator = "@moderator:" + remote.name
    room.join(moderator)
    room.send("m.room.power_levels", {"users": {room.creator: 100, moderator: 60}}, "")
    remote.on("GET", STATE, forbidden)
    before = list(room.heads), room.state
    join(alice, room, remote).ok()
    sender = room.far[0] if who == "without power" else moderator
    if who == "not of this join":
        room.heads, room.state = before
    end = room.send("m.room.member", {"membership": "ban"}, alice.user_id, sender=sender)
    assert remote.transaction(quick, [end]).ok()["pdus"] == {end.event_id: {}}
    asked_before = len(asked(remote, "state"))
    wait_until(lambda: len(asked(remote, "state")) > asked_before + 1, what="it was looked at")
    alice.send(room.room_id, "still in")
