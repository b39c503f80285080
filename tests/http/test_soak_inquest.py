"""What a soak run says of its end in disagreement (tests/soak/inquest.py), with one that is forced."""
from types import SimpleNamespace

from soak.inquest import facts, inquest
from support.client import path_of
from support.server import wait_until
from support.shared_room import SharedRoom

NO = (404, {"errcode": "M_NOT_FOUND", "error": "no"})


def view(letter, server, user, room):
    messages = [event["event_id"] for event in user.history(room.room_id) if event["type"] == "m.room.message"]
    return SimpleNamespace(member=SimpleNamespace(server=server, letter=letter, is_synapse=False), room=room, messages=messages)


def test_disagreement__each_event_is_told_of_on_both_servers(make_federated, remote):
    poor, rich = make_federated().start(), make_federated().start()
    shared = SharedRoom(poor, remote)
    room, other = shared.room, rich.user()
    other.post(path_of("join", room.room_id), {}, query={"server_name": remote.name}).ok()
    start = room.message("start")
    behind = room.send("org.example.note", {}, "behind")
    missed = room.message("missed")
    after = room.message("after")
    for question in ("/get_missing_events/.*", "/backfill/.*"):
        remote.on("POST" if "missing" in question else "GET", "/_matrix/federation/v1" + question, lambda ask: NO)
    remote.on("GET", r"/_matrix/federation/v1/event/(.*)", lambda ask: NO if ask.match.group(1) == missed.event_id else None)
    shared.deliver(start)
    last = room.message("last")
    shared.deliver(last)  # `after` is fetched, and what is before that is not
    poor.sql("UPDATE room_gaps SET attempts = 7, retry_at_ms = (extract(epoch FROM now()) * 1000)::bigint + 3600000")
    remote.transaction(rich, [start, behind, missed, after, last]).ok()
    wait_until(lambda: other.event(room.room_id, last.event_id).status == 200, 20, "the last event on b")
    said = []
    views = [view("a", poor, shared.user, room), view("b", rich, other, room)]
    assert missed.event_id in views[1].messages and missed.event_id not in views[0].messages
    inquest(views, said.append)
    told = "\n".join(said)
    assert "what a does not show" in told and "what b does not show" not in told, told
    for text in ("a is missing at the gap at ", "a %s at " % after.event_id, "b is in the timeline at "):
        assert "%s: %s" % (missed.event_id, text) in told, (text, told)
    for text in ("a is kept because others stand on it at ", "b is in the timeline at "):  # not in the timeline: told of, too
        assert "%s: %s" % (behind.event_id, text) in told, (text, told)
    assert "a has a gap at" in told


def test_facts__of_what_is_staged_and_of_what_was_rejected(make_federated, remote):
    server = make_federated().start()
    shared = SharedRoom(server, remote)
    room = shared.room
    staged = room.sign(room.draft("m.room.message", {"body": "stands on nothing"}, prev=["$unknown"]))
    rejected = room.sign(room.draft("m.room.topic", {"topic": "no"}, "", sender="@nobody:" + remote.name))
    shared.send(staged, rejected)
    shared.sentinel()
    assert facts(server, room.room_id, staged.event_id)[0].startswith("is staged, from %s:" % remote.name)
    found = facts(server, room.room_id, rejected.event_id)
    assert found[0].startswith("is rejected at"), found
    assert any("inbox.event_rejected" in line for line in found), found
