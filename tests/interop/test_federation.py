"""Belfry and a real Synapse in common rooms, in both directions and every room version that Synapse creates."""
import pytest

from support.client import path_of, receipts_of, seconds, typing_of
from support.server import wait_until

VERSIONS = [str(number) for number in range(1, 13)]


@pytest.fixture
def ann(federated):
    """A user of Belfry."""
    return federated.user()


@pytest.fixture
def zoe(synapse):
    """A user of Synapse."""
    return synapse.user()


def via(server):
    return {"via": [server.server_name], "server_name": [server.server_name]}


def join_by(user, room_id, server):
    """Joins with the help of a server that is in the room."""
    pairs = [("via", server.server_name), ("server_name", server.server_name)]
    return user.post(path_of("join", room_id) + "?" + "&".join("%s=%s" % pair for pair in pairs), {})


def has(user, room_id, event_id, limit=20):
    """Waits until the user's server shows the event; returns it."""
    return wait_until(lambda: _event_or_none(user, room_id, event_id), limit, "event %s at %s" % (event_id, user.user_id))


def _event_or_none(user, room_id, event_id):
    reply = user.event(room_id, event_id)
    return reply.json if reply.status == 200 else None


def state_of(user, room_id):
    return {key: event["event_id"] for key, event in user.state(room_id).items()}


def same_state(one, other, room_id, limit=20):
    """Waits until both servers have the same state; returns it."""
    def equal():
        mine, theirs = state_of(one, room_id), state_of(other, room_id)
        return mine if mine == theirs else None
    return wait_until(equal, limit, "the same state on both servers")


def bodies(user, room_id):
    return [event["content"]["body"] for event in user.history(room_id)
            if event["type"] == "m.room.message" and "body" in event["content"]]


def talk(host, guest, room_id):
    """What two joined people do, checked on both sides."""
    first = host.send(room_id, "from the host")
    has(guest, room_id, first)
    second = guest.send(room_id, "from the guest")
    has(host, room_id, second)
    host.set_state(room_id, "m.room.topic", {"topic": "數學 maths"})
    topic = host.state(room_id)[("m.room.topic", "")]["event_id"]
    has(guest, room_id, topic)
    guest.redact(room_id, second).ok()
    wait_until(lambda: "redacted_because" in host.event(room_id, second).get("unsigned", {}), 20, "the redaction")
    last = guest.send(room_id, "after the redaction")
    has(host, room_id, last)
    same_state(host, guest, room_id)


@pytest.mark.parametrize("version", VERSIONS)
def test_room_of_synapse__joined_by_belfry__all_that_people_do(federated, synapse, ann, zoe, version):
    room_id = zoe.create_room(room_version=version, preset="public_chat", name="partner")
    before = zoe.send(room_id, "before the join")
    join_by(ann, room_id, synapse).ok()
    wait_until(lambda: state_of(zoe, room_id).get(("m.room.member", ann.user_id)), 20, "the join at Synapse")
    talk(zoe, ann, room_id)
    assert "before the join" in bodies(ann, room_id), "history from before the join is fetched"
    has(ann, room_id, before)
    ann.leave(room_id).ok()
    wait_until(lambda: zoe.state(room_id)[("m.room.member", ann.user_id)]["content"]["membership"] == "leave", 20, "the leave")


def test_room_of_synapse__members_left_out_of_the_join__all_there_afterwards(federated, synapse, ann, zoe):
    others = [synapse.user() for _ in range(3)]
    room_id = zoe.create_room(preset="public_chat", name="large")
    for other in others:
        other.join(room_id).ok()
    join_by(ann, room_id, synapse).ok()
    has(zoe, room_id, ann.send(room_id, "at once"))
    members = set(ann.get(path_of("rooms", room_id, "joined_members")).ok()["joined"])
    assert members == {user.user_id for user in (ann, zoe, *others)}
    assert int(federated.sql("SELECT whole_at FROM rooms WHERE room_id = '%s'" % room_id)) > 0, "they came later"
    same_state(zoe, ann, room_id)


@pytest.mark.parametrize("version", VERSIONS)
def test_room_of_belfry__joined_by_synapse__all_that_people_do(federated, synapse, ann, zoe, version):
    room_id = ann.create_room(room_version=version, preset="public_chat", name="ours")
    before = ann.send(room_id, "before the join")
    join_by(zoe, room_id, federated).ok()
    wait_until(lambda: state_of(ann, room_id).get(("m.room.member", zoe.user_id)), 20, "the join at Belfry")
    talk(ann, zoe, room_id)
    assert "before the join" in bodies(zoe, room_id)
    has(zoe, room_id, before)
    ann.kick(room_id, zoe).ok()
    wait_until(lambda: zoe.sync(full_state=True).left(room_id) or room_id not in zoe.sync().rooms("join"), 20, "the kick")


def test_invites__both_directions__accepted_and_rejected(federated, synapse, ann, zoe):
    for host, guest in ((ann, zoe), (zoe, ann)):
        for accepts in (True, False):
            room_id = host.create_room(preset="private_chat", name="invited")
            host.invite(room_id, guest).ok()
            wait_until(lambda: guest.sync().invited(room_id), 20, "the invite")
            stripped = guest.sync().stripped(room_id)
            assert stripped[("m.room.name", "")]["content"]["name"] == "invited"
            guest.post(path_of("join", room_id) if accepts else guest.room(room_id, "leave"), {}).ok()
            wanted = "join" if accepts else "leave"
            wait_until(lambda: host.state(room_id)[("m.room.member", guest.user_id)]["content"]["membership"] == wanted, 20,
                       "the answer to the invite")


def test_invite_taken_back__by_who_sent_it__gone_at_the_other_server(federated, synapse, ann, zoe):
    for host, guest in ((ann, zoe), (zoe, ann)):
        room_id = host.create_room(preset="private_chat")
        host.invite(room_id, guest).ok()
        wait_until(lambda: guest.sync().invited(room_id), 20, "the invite")
        host.kick(room_id, guest).ok()
        wait_until(lambda: not guest.sync().invited(room_id), 20, "the end of the invite")


def test_knock__both_directions__let_in(federated, synapse, ann, zoe):
    for host, guest, server in ((ann, zoe, federated), (zoe, ann, synapse)):
        room_id = host.create_room(preset="private_chat", initial_state=[
            {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}])
        guest.post(path_of("knock", room_id) + "?via=" + server.server_name, {"reason": "please"}).ok()
        wait_until(lambda: host.state(room_id).get(("m.room.member", guest.user_id)), 20, "the knock")
        host.invite(room_id, guest).ok()
        wait_until(lambda: guest.sync().invited(room_id), 20, "the invite")
        guest.join(room_id).ok()
        has(host, room_id, guest.send(room_id, "thanks"))


def test_alias_and_profile__asked_of_the_other_server__answered(federated, synapse, ann, zoe):
    for host, guest, server in ((ann, zoe, federated), (zoe, ann, synapse)):
        name = "school" + str(abs(hash(host.user_id)) % 10 ** 9)
        room_id = host.create_room(preset="public_chat", room_alias_name=name)
        alias = "#%s:%s" % (name, server.server_name)
        found = guest.get(path_of("directory", "room", alias)).ok()
        assert found["room_id"] == room_id and server.server_name in found["servers"]
        assert guest.post(path_of("join", alias), {}).ok()["room_id"] == room_id
        host.put(path_of("profile", host.user_id, "displayname"), {"displayname": "Dr. 林"}).ok()
        assert guest.get(path_of("profile", host.user_id)).ok()["displayname"] == "Dr. 林"


def shared_room(host, guest, server):
    room_id = host.create_room(preset="public_chat")
    join_by(guest, room_id, server).ok()
    wait_until(lambda: state_of(host, room_id).get(("m.room.member", guest.user_id)), 20, "the join")
    return room_id


def test_typing_and_receipts__both_directions__arrive(federated, synapse, ann, zoe):
    room_id = shared_room(ann, zoe, federated)
    for one, other in ((ann, zoe), (zoe, ann)):
        watch = other.watch()
        one.typing(room_id).ok()
        watch.until(lambda answer: typing_of(answer.joined(room_id)) == [one.user_id], 20)
        event_id = other.send(room_id, "read me")
        has(one, room_id, event_id)
        one.receipt(room_id, event_id).ok()
        watch.until(lambda answer: (event_id, "m.read", one.user_id) in receipts_of(answer.joined(room_id)), 20)
        one.typing(room_id, False).ok()


def test_to_device__both_directions__arrive_once(federated, synapse, ann, zoe):
    shared_room(ann, zoe, federated)
    for one, other in ((ann, zoe), (zoe, ann)):
        watch = other.watch()
        for number in range(3):
            one.put(path_of("sendToDevice", "org.example.note", "t%d" % number),
                    {"messages": {other.user_id: {other.device_id: {"number": number}}}}).ok()
        got = []

        def take(answer):
            got.extend(event for event in answer.get("to_device", {}).get("events", []) if event["type"] == "org.example.note")
            return len(got) >= 3
        watch.until(take, 20)
        assert [event["content"]["number"] for event in got] == [0, 1, 2] and got[0]["sender"] == one.user_id


def test_files__both_directions__downloaded(federated, synapse, ann, zoe):
    for one, other in ((ann, zoe), (zoe, ann)):
        uri = one.request("POST", "/_matrix/media/v3/upload?filename=plan.txt", raw=b"plan of the week",
                          headers={"Content-Type": "text/plain"}).ok()["content_uri"]
        got = other.get("/_matrix/client/v1/media/download/" + uri[len("mxc://"):], timeout=seconds(30)).ok()
        assert got.raw == b"plan of the week" and got.headers["content-type"].startswith("text/plain")


def test_partner_was_away__both_wrote__same_state_and_history_after(federated, synapse, ann, zoe):
    """A partition: each side goes on alone, also with state that conflicts; then both are the same."""
    room_id = shared_room(ann, zoe, federated)
    ann.set_state(room_id, "m.room.power_levels", {
        **ann.get_state(room_id, "m.room.power_levels").ok().json, "users": {zoe.user_id: 100}})
    same_state(ann, zoe, room_id)
    synapse.terminate()
    for number in range(5):
        ann.send(room_id, "ours %d" % number)
    ann.set_state(room_id, "m.room.topic", {"topic": "ours"})
    federated.terminate()
    synapse.start()
    for number in range(5):
        zoe.send(room_id, "theirs %d" % number)
    zoe.set_state(room_id, "m.room.topic", {"topic": "theirs"})
    zoe.set_state(room_id, "m.room.name", {"name": "theirs"})
    federated.start()
    marks = [ann.send(room_id, "ours again"), zoe.send(room_id, "theirs again")]
    for user in (ann, zoe):
        for mark in marks:
            has(user, room_id, mark, 60)
    last = ann.send(room_id, "last")
    has(zoe, room_id, last, 60)
    same_state(ann, zoe, room_id, 60)
    for user in (ann, zoe):
        wait_until(lambda: {"ours %d" % n for n in range(5)} | {"theirs %d" % n for n in range(5)} <= set(bodies(user, room_id)),
                   60, "all that was said")
        # Both branches in the order of the graph; how they are mixed is each server's.
        said = bodies(user, room_id)[::-1]
        for whose in ("ours", "theirs"):
            assert [body for body in said if body.startswith(whose)] == ["%s %d" % (whose, n) for n in range(5)] + [whose + " again"]
        assert said[-1] == "last"
