"""Events of others that stand on forks, come too late, or before what they are about: what clients see of them.
Spec: server-server API, "Soft failure", "Rejection"; rooms/v2, "State resolution"; rooms/v3, "Handling redactions"."""
import concurrent.futures

import pytest

from support.client import path_of, seconds
from support.database import Cluster, HeldTable, in_time
from support.handshake import VERSIONS
from support.inbox import federated_on
from support.remote_room import Pdu
from support.server import free_port, wait_until
from support.shared_room import SharedRoom

MISSING = r"/_matrix/federation/v1/get_missing_events/.*"


def topic(user, room_id):
    return user.state(room_id)[("m.room.topic", "")]["content"]["topic"]


def state_ids(user, room_id):
    return {key: event["event_id"] for key, event in user.state(room_id).items()}


def synced_state(user, room_id):
    """What a client that begins now takes the state to be."""
    room = user.get("/sync", {"filter": '{"room":{"timeline":{"limit":1}}}'}).ok()["rooms"]["join"][room_id]
    events = room["state"]["events"] + [event for event in room["timeline"]["events"] if "state_key" in event]
    return {(event["type"], event["state_key"]): event["event_id"] for event in events}


@pytest.mark.parametrize("version", VERSIONS)
def test_fork__state_on_both_sides__resolved_and_told(federated, remote, version):
    shared = SharedRoom(federated, remote, version=version)
    room, alice = shared.room, shared.user
    point = room.message("here it parts")
    shared.deliver(point)
    one = room.send("m.room.topic", {"topic": "one"}, "", prev=[point])
    other = room.send("m.room.topic", {"topic": "other"}, "", prev=[point])
    name = room.send("m.room.name", {"name": "of one side"}, "", prev=[one])
    shared.deliver(one)
    shared.deliver(other)
    shared.deliver(name)
    resolved = topic(alice, room.room_id)
    assert resolved in ("one", "other")
    assert alice.state(room.room_id)[("m.room.name", "")]["content"]["name"] == "of one side"
    alice.send(room.room_id, {"msgtype": "m.text", "body": "both sides"})
    assert topic(alice, room.room_id) == resolved
    assert synced_state(alice, room.room_id) == state_ids(alice, room.room_id)


def test_fork__message_of_somebody_banned_meanwhile__soft_failed(federated, remote):
    shared = SharedRoom(federated, remote)
    room = shared.room
    guest = "@guest:" + remote.name
    joined = room.join(guest)
    shared.deliver(joined)
    late = room.send("m.room.message", {"msgtype": "m.text", "body": "late"}, sender=guest, prev=[joined])
    ban = room.send("m.room.member", {"membership": "ban"}, guest, prev=[joined])
    shared.deliver(ban)
    assert shared.send(late) == {late.event_id: {}}
    shown = shared.deliver(room.send("m.room.message", {"msgtype": "m.text", "body": "on"}, prev=[ban]))
    assert late.event_id not in [event["event_id"] for event in shown]
    assert not shared.knows(late)
    # Others stand on it: that is no reason to refuse them.
    after = room.send("m.room.message", {"msgtype": "m.text", "body": "after"}, prev=[late])
    shared.deliver(after)
    assert not shared.knows(late)


def asked_for(shared, *latest, earliest=(), **more):
    reply = shared.remote.send(shared.server, "POST", "/get_missing_events" + path_of(shared.room_id), {
        "latest_events": [event.event_id for event in latest], "earliest_events": [event.event_id for event in earliest],
        **more}).ok()
    return [pdu["content"].get("body", pdu["content"].get("membership")) for pdu in reply["events"]]


@pytest.mark.parametrize("visibility", ["shared", "joined"])
def test_soft_failed__others_stand_on_it__in_what_servers_are_told_of_that(federated, remote, visibility):
    """"soft failed events are returned in /backfill and /get_missing_events responses only if the requests include events
    referencing the soft-failed events"."""
    shared = SharedRoom(federated, remote)
    room, guest = shared.room, "@guest:" + remote.name
    opened = room.send("m.room.history_visibility", {"history_visibility": visibility}, "")
    joined = room.join(guest)
    shared.deliver(opened, joined)
    base = room.message("base")
    late = room.send("m.room.message", {"msgtype": "m.text", "body": "late"}, sender=guest, prev=[joined])
    later = room.send("m.room.message", {"msgtype": "m.text", "body": "later"}, sender=guest, prev=[late])
    ban = room.send("m.room.member", {"membership": "ban"}, guest, prev=[base])
    shared.deliver(base, ban)
    assert shared.send(late, later) == {late.event_id: {}, later.event_id: {}}
    before = room.send("m.room.message", {"msgtype": "m.text", "body": "before"}, prev=[ban])
    shared.deliver(before)
    assert not shared.knows(late) and not shared.knows(later)
    assert asked_for(shared, before, earliest=[base]) == ["ban"]
    both = room.send("m.room.message", {"msgtype": "m.text", "body": "both"}, prev=[before, later])
    last = room.send("m.room.message", {"msgtype": "m.text", "body": "last"}, prev=[both, late])
    shared.deliver(both, last)
    shown = [text if visibility == "shared" else None for text in ("late", "later")]
    assert asked_for(shared, last, earliest=[before, joined]) == shown + ["both"]
    assert asked_for(shared, both, earliest=[before, joined]) == shown
    assert asked_for(shared, later, earliest=[joined]) == shown[:1]
    few = asked_for(shared, last, earliest=[before, joined], limit=2)
    assert len(few) == 2 and "both" in few
    target = "/backfill" + path_of(room.room_id) + "?limit=6&v=" + last.event_id
    pdus = [Pdu(room.version, pdu).event_id for pdu in remote.send(federated, "GET", target).ok()["pdus"]]
    assert pdus[:2] == [last.event_id, both.event_id] and pdus.index(later.event_id) < pdus.index(late.event_id), pdus


@pytest.mark.one_process("where there are several, others ask beside")
def test_soft_failed__many_in_one_answer__asked_for_together(make_federated, remote):
    server = make_federated(settings={"listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    shared = SharedRoom(server, remote)
    room, guest = shared.room, "@guest:" + remote.name
    joined = room.join(guest)
    shared.deliver(joined)
    base = room.message("base")
    late = [room.send("m.room.message", {"msgtype": "m.text", "body": "late"}, sender=guest, prev=[joined]) for _ in range(16)]
    ban = room.send("m.room.member", {"membership": "ban"}, guest, prev=[base])
    shared.deliver(base, ban)
    assert shared.send(*late) == {event.event_id: {} for event in late}
    few = room.send("m.room.message", {"msgtype": "m.text", "body": "few"}, prev=[ban, *late[:1]])
    many = room.send("m.room.message", {"msgtype": "m.text", "body": "many"}, prev=[few, *late[1:]])
    shared.deliver(few, many)
    asked = {}
    for latest, earliest, count in ((few, joined, 1), (many, few, len(late) - 1)) * 3:
        before = server.queries()
        assert asked_for(shared, latest, earliest=[earliest, ban], limit=20).count("late") == count
        asked.setdefault(count, []).append(server.queries() - before)
    assert min(asked[len(late) - 1]) < min(asked[1]) + 4, asked


def missed(remote):
    """Missing events are not given, so what stands on them comes with the state before it."""
    remote.on("POST", MISSING, lambda ask: (404, {"errcode": "M_NOT_FOUND", "error": "no"}))


def known_from_paging(user, room_id):
    return [event["event_id"] for event in user.history(room_id)]


@pytest.mark.parametrize("version", ["1", "6", "11", "12"])
def test_gap__member_who_joined_in_it__not_soft_failed_on_a_fork(federated, remote, version):
    """What was missed is no reason to take a member for a stranger, also when this server went on meanwhile."""
    shared = SharedRoom(federated, remote, version)
    room, alice = shared.room, shared.user
    guest = "@guest:" + remote.name
    shared.sentinel()
    alice.send(room.room_id, "meanwhile here")
    joined = room.join(guest)
    said = room.message("hello", sender=guest)
    missed(remote)
    shared.deliver(room.message("and on", sender=guest))  # the state before `said` is given
    assert shared.knows(said)
    assert alice.state(room.room_id)[("m.room.member", guest)]["event_id"] == joined.event_id
    history = known_from_paging(alice, room.room_id)
    assert history.index(said.event_id) < history.index(joined.event_id)


def test_sec_5_7__gap_with_a_state_that_forgets_a_ban__still_soft_failed(federated, remote):
    """Whoever is banned does not come in by a gap of his own making."""
    shared = SharedRoom(federated, remote)
    room = shared.room
    guest = "@guest:" + remote.name
    joined = room.join(guest)
    shared.deliver(joined)
    ban = room.send("m.room.member", {"membership": "ban"}, guest, prev=[joined])
    shared.deliver(ban)
    room.heads, room.state = [joined.event_id], room.states[joined.event_id]
    room.message("missed")
    late = room.message("late", sender=guest)
    missed(remote)
    shared.send(room.message("later", sender=guest))  # the state before `late` is given
    shared.deliver(room.send("m.room.message", {"msgtype": "m.text", "body": "on"}, prev=[ban]))
    assert not shared.knows(late)


def test_gap__behind_a_soft_failed_event__fetched_when_others_stand_on_it(federated, remote):
    shared = SharedRoom(federated, remote)
    room, alice = shared.room, shared.user
    guest = "@guest:" + remote.name
    joined = room.join(guest)
    shared.deliver(joined)
    ban = room.send("m.room.member", {"membership": "ban"}, guest, prev=[joined])
    shared.deliver(ban)
    room.heads, room.state = [joined.event_id], room.states[joined.event_id]
    honest = [room.message("honest %d" % number) for number in range(3)]
    late = room.message("late", sender=guest)
    missed(remote)
    shared.deliver(room.message("on the late one"))  # the state before `late` is given
    assert not shared.knows(late)
    history = known_from_paging(alice, room.room_id)
    assert [event_id for event_id in history if event_id in {event.event_id for event in honest}] == [
        event.event_id for event in reversed(honest)]
    assert late.event_id not in history and not shared.knows(late)


def early_redaction(shared, target, **more):
    """A redaction comes before what it redacts; whether clients are told of it then."""
    redacts = {"content": {"redacts": target.event_id}} if shared.room.version.identifier == "11" else {
        "content": {}, "redacts": target.event_id}
    redaction = shared.room.send("m.room.redaction", redacts.pop("content"), **redacts, **more)
    shared.send(redaction)
    on = shared.room.send("m.room.message", {"msgtype": "m.text", "body": "on"}, prev=[redaction])
    is_told = redaction.event_id in [event["event_id"] for event in shared.deliver(on)]
    assert is_told == shared.knows(redaction) == (redaction.event_id in known_from_paging(shared.user, shared.room_id))
    return redaction, is_told


@pytest.mark.parametrize("version", ["1", "3", "11"])
def test_redaction__before_its_event__clients_are_told_when_that_comes(make_federated, remote, version):
    """"they should not be sent to clients until both the redaction event and the event the redaction affects have been received,
    and can be validated"; in old rooms an auth rule says whether it is right."""
    server = make_federated().start()
    shared = SharedRoom(server, remote, version)
    room, user = shared.room, shared.user
    point = room.message("first")
    shared.deliver(point)
    target = room.send("m.room.message", {"msgtype": "m.text", "body": "secret"}, prev=[point])
    redaction, is_told = early_redaction(shared, target, prev=[point])
    assert is_told == (version == "1")
    server.kill()
    server.start()
    user.http.drop()
    assert shared.knows(redaction) == is_told
    (shown,) = [event for event in shared.deliver(target) if event["event_id"] == target.event_id]
    assert shown["content"] == {} and shown["unsigned"]["redacted_because"]["event_id"] == redaction.event_id
    assert shared.knows(redaction) and redaction.event_id in known_from_paging(user, room.room_id)
    fresh = user.get("/sync").ok()["rooms"]["join"][room.room_id]["timeline"]["events"]
    assert redaction.event_id in [event["event_id"] for event in fresh]
    server.terminate()


def test_redaction__before_an_event_that_it_may_not_redact__clients_never_hear_of_it(federated, make_remote):
    remote, other = make_remote(), make_remote()
    shared = SharedRoom(federated, remote)
    room, bad, guest = shared.room, "@bad:" + remote.name, "@guest:" + other.name
    joined = room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, guest, guest), other))
    shared.deliver(joined, room.join(bad))
    heads, state = list(room.heads), room.state
    target = room.add(room.sign(room.draft("m.room.message", {"msgtype": "m.text", "body": "stays"}, sender=guest), other))
    room.heads, room.state = heads, state
    redaction, is_told = early_redaction(shared, target, sender=bad)
    assert not is_told
    shared.deliver(target)
    assert shared.user.event(room.room_id, target.event_id).ok()["content"]["body"] == "stays"
    assert not shared.knows(redaction) and redaction.event_id not in known_from_paging(shared.user, room.room_id)


def test_redaction__before_its_event__counts_for_nothing(federated, remote):
    """What nobody sees notifies nobody, and a thread whose newest it would be is shown as it is."""
    shared = SharedRoom(federated, remote)
    room, user = shared.room, shared.user
    root = room.message("root")
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": root.event_id}}
    reply = room.send("m.room.message", {"msgtype": "m.text", "body": "in the thread", **thread})
    shared.deliver(root, reply)
    user.receipt(room.room_id, reply.event_id).ok()
    target = room.add(room.sign(room.draft("m.room.message", {"msgtype": "m.text", "body": "to come"})))
    room.heads = [reply]
    redaction = room.send("m.room.redaction", {
        "redacts": target.event_id, "m.mentions": {"user_ids": [user.user_id]}, **thread}, prev=[reply])
    on = room.send("m.room.topic", {"topic": "on"}, "", prev=[redaction])
    shared.send(redaction)
    shared.deliver(on)
    assert not shared.knows(redaction)
    part = user.get("/sync").ok()["rooms"]["join"][room.room_id]
    assert part["unread_notifications"] == {"notification_count": 0, "highlight_count": 0}
    summary = user.event(room.room_id, root.event_id).ok()["unsigned"]["m.relations"]["m.thread"]
    assert summary["count"] == 1 and summary["latest_event"]["event_id"] == reply.event_id


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("may", [False, True])
def test_redaction__before_its_event__redacted_itself__held_back_all_the_same(make_federated, make_remote, may, is_known):
    """Its redacted form names what it redacts, so clients would redact by it."""
    server, remote, other = make_federated().start(), make_remote(), make_remote()
    shared = SharedRoom(server, remote)
    room, guest = shared.room, "@guest:" + other.name
    by = room.creator if may else "@bad:" + remote.name
    joined = room.add(room.sign(room.draft("m.room.member", {"membership": "join"}, guest, guest), other))
    shared.deliver(joined, *([] if may else [room.join(by)]))
    heads, state = list(room.heads), room.state
    target = room.add(room.sign(room.draft("m.room.message", {"msgtype": "m.text", "body": "stays"}, sender=guest), other))
    room.heads, room.state = heads, state
    redaction = room.send("m.room.redaction", {"redacts": target.event_id, "reason": "none of your business"}, sender=by, prev=heads)
    again = room.send("m.room.redaction", {"redacts": redaction.event_id}, sender=by, prev=heads)
    for event in (redaction, again) if is_known else (again, redaction):
        assert shared.send(event) == {event.event_id: {}}
    shared.deliver(room.send("m.room.message", {"msgtype": "m.text", "body": "on"}, prev=[redaction, again]))
    assert shared.knows(again) and not shared.knows(redaction)
    server.kill()
    server.start()
    shared.user.http.drop()
    assert shared.knows(again) and not shared.knows(redaction)
    shared.deliver(target)
    assert shared.knows(redaction) == may
    assert ("body" in shared.user.event(room.room_id, target.event_id).ok()["content"]) != may
    if may:
        assert "reason" not in shared.user.event(room.room_id, redaction.event_id).ok()["content"]


def test_sec_5_19__redaction_by_who_may_not__clients_do_not_hear_of_it(federated, remote):
    """rooms/v3, "Handling redactions": it is sent to clients if it is applied.  They would redact by it themselves."""
    shared = SharedRoom(federated, remote)
    room, bad = shared.room, "@bad:" + remote.name
    shared.deliver(room.join(bad))
    said = shared.user.send(shared.room_id, "mine")
    redaction = room.send("m.room.redaction", {"redacts": said}, sender=bad)
    assert shared.send(redaction) == {redaction.event_id: {}}
    own = room.message("of its own", sender=bad)
    allowed = room.send("m.room.redaction", {"redacts": own.event_id}, sender=bad)
    told = shared.deliver(own, allowed)
    assert [event["event_id"] for event in told][-2:] == [own.event_id, allowed.event_id]
    assert redaction.event_id not in [event["event_id"] for event in told] and not shared.knows(redaction)
    assert shared.user.event(shared.room_id, said).ok()["content"]["body"] == "mine"
    assert shared.user.event(shared.room_id, own.event_id).ok()["content"] == {}


class School:
    """A room of the remote on a server with a database of its own, in which users of the server may redact."""

    def __init__(self, cluster, make_federated, remote):
        self.given = cluster, make_federated, remote
        self.server = federated_on(cluster, make_federated, **{"listen.metrics": "127.0.0.1:%d" % free_port()})
        self.shared = SharedRoom(self.server, remote, more_state=[
            ("m.room.power_levels", "", {"users": {"@creator:" + remote.name: 100}, "redact": 0})])
        self.shared.sentinel()

    def anew(self):
        self.server.terminate()
        return School(*self.given)


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as it:
        yield it


@pytest.fixture
def school(cluster, make_federated, remote):
    return School(cluster, make_federated, remote)


@in_time
def test_redaction__while_its_event_is_being_committed__applied(school):
    """A client that sees events on another server may be quicker than the way between the two."""
    server, shared = school.server, school.shared
    event = shared.room.message("seen elsewhere")
    with concurrent.futures.ThreadPoolExecutor(1) as pool, HeldTable(server.database, "events") as held:
        shared.send(event)
        wait_until(held.is_waited_for, what="it is being committed")
        reply = pool.submit(shared.user.redact, shared.room_id, event.event_id)
        wait_until(lambda: server.metric('belfry_http_lane_busy{lane="local"}') == 1, what="it is redacted")
        held.release()
        reply.result(seconds(60)).ok()
    assert "redacted_because" in shared.user.event(shared.room_id, event.event_id).ok()["unsigned"]


def test_rejected__topic_without_power__never_shown(federated, remote):
    shared = SharedRoom(federated, remote)
    room = shared.room
    guest = "@guest:" + remote.name
    shared.deliver(room.join(guest))
    before = list(room.heads)
    bad = room.send("m.room.topic", {"topic": "mine"}, "", sender=guest, prev=before)
    shared.send(bad)
    shared.deliver(room.send("m.room.message", {"msgtype": "m.text", "body": "on"}, prev=before))
    assert not shared.knows(bad)
    assert ("m.room.topic", "") not in shared.user.state(room.room_id)


def test_rejected__others_stand_on_it__gone_through_and_not_handed_on(federated, remote):
    shared = SharedRoom(federated, remote)
    room, guest = shared.room, "@guest:" + remote.name
    shared.deliver(room.join(guest))
    before = room.message("before")
    bad = room.send("m.room.topic", {"topic": "mine"}, "", sender=guest, prev=[before])
    shared.deliver(before)
    assert shared.send(bad) == {bad.event_id: {}}
    on = room.message("on", prev=[bad])
    shared.deliver(on)
    assert asked_for(shared, on, limit=1) == ["before"]
    target = "/backfill" + path_of(room.room_id) + "?limit=2&v=" + on.event_id
    pdus = remote.send(federated, "GET", target).ok()["pdus"]
    assert [pdu["content"].get("body") for pdu in pdus] == ["on", "before"]


@pytest.mark.parametrize("missed_n", [0, 2, 30])
def test_branch__off_history_that_was_fetched_later__taken_in_with_its_state(federated, remote, missed_n):
    """Who was apart goes on from what this server has only as history of a gap, without the state after it."""
    shared = SharedRoom(federated, remote)
    room, alice = shared.room, shared.user
    shared.sentinel()
    gap = [room.message("gap %d" % number) for number in range(40)]
    shared.deliver(room.message("over the gap"))
    known_from_paging(alice, room.room_id)
    assert shared.knows(gap[10])
    newest, state = list(room.heads), room.state
    room.heads, room.state = [gap[10].event_id], room.states[gap[10].event_id]
    topic = room.send("m.room.topic", {"topic": "of the branch"}, "")
    branch = [topic] + [room.message("branch %d" % number) for number in range(missed_n)]
    shared.deliver(branch[-1])
    room.heads, room.state = newest + [branch[-1].event_id], {**state, **room.state}
    shared.deliver(room.message("on both"))
    assert alice.state(room.room_id)[("m.room.topic", "")]["event_id"] == topic.event_id
    known_from_paging(alice, room.room_id)
    assert all(shared.knows(event) for event in branch)
