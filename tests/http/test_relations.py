"""Finding events by what they relate to: /relations, /threads; and by time: /timestamp_to_event."""
import os
import time

import pytest

from support.client import path_of, unique
from support.database import ROOT
from support.server import wait_until

V1 = "/_matrix/client/v1"


def ids(events):
    return [event["event_id"] for event in events]


def related(parent, rel_type="m.reference", body="child", **more):
    return {"msgtype": "m.text", "body": body, "m.relates_to": {"rel_type": rel_type, "event_id": parent, **more}}


def relations(client, room_id, event_id, *kinds, **query):
    return client.get(V1 + path_of("rooms", room_id, "relations", event_id, *kinds), query)


def threads(client, room_id, **query):
    return client.get(V1 + path_of("rooms", room_id, "threads"), query)


def near(client, room_id, **query):
    return client.get(V1 + path_of("rooms", room_id, "timestamp_to_event"), query)


@pytest.fixture
def family(alice, room):
    """A parent with a reference, a reaction, another reference of another type; in order."""
    parent = alice.send(room, "parent")
    first = alice.send(room, related(parent))
    reaction = alice.send(room, {"m.relates_to": {"rel_type": "m.annotation", "event_id": parent, "key": "x"}},
                          kind="m.reaction")
    other = alice.send(room, related(parent), kind="org.example.other")
    return parent, first, reaction, other


# -- /relations

def test_relations__all__newest_first(alice, room, family):
    parent, *children = family
    reply = relations(alice, room, parent).ok()
    assert ids(reply["chunk"]) == children[::-1]
    assert "next_batch" not in reply and "prev_batch" not in reply and "recursion_depth" not in reply
    assert all(event["room_id"] == room for event in reply["chunk"])


def test_relations__forwards__oldest_first(alice, room, family):
    parent, *children = family
    assert ids(relations(alice, room, parent, dir="f").ok()["chunk"]) == children


def test_relations__by_kind_and_type__only_those(alice, room, family):
    parent, first, reaction, other = family
    assert ids(relations(alice, room, parent, "m.reference").ok()["chunk"]) == [other, first]
    assert ids(relations(alice, room, parent, "m.reference", "m.room.message").ok()["chunk"]) == [first]
    assert ids(relations(alice, room, parent, "m.annotation").ok()["chunk"]) == [reaction]
    assert relations(alice, room, parent, "org.example.none").ok()["chunk"] == []


@pytest.mark.parametrize("direction", ["b", "f"])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_relations__walked__each_once_in_order(alice, room, direction, limit):
    parent = alice.send(room, "parent")
    children = [alice.send(room, related(parent, body=str(number))) for number in range(7)]
    seen, query = [], {"dir": direction, "limit": limit}
    while True:
        reply = relations(alice, room, parent, **query).ok()
        assert len(reply["chunk"]) <= limit
        assert ("prev_batch" in reply) == ("from" in query)
        seen += ids(reply["chunk"])
        if "next_batch" not in reply:
            break
        query["from"] = reply["next_batch"]
    assert seen == (children[::-1] if direction == "b" else children)


def test_relations__from_sync_and_to__between_them(alice, room):
    parent = alice.send(room, "parent")
    before = alice.send(room, related(parent))
    since = alice.sync().since
    after = alice.send(room, related(parent))
    assert ids(relations(alice, room, parent, **{"from": since}).ok()["chunk"]) == [before]
    assert ids(relations(alice, room, parent, to=since).ok()["chunk"]) == [after]
    assert ids(relations(alice, room, parent, dir="f", **{"from": since}).ok()["chunk"]) == [after]
    assert ids(relations(alice, room, parent, dir="f", to=since).ok()["chunk"]) == [before]


def test_relations__recurse__three_levels(alice, room):
    parent = alice.send(room, "parent")
    chain = [parent]
    for _ in range(4):
        chain.append(alice.send(room, related(chain[-1])))
    reply = relations(alice, room, parent, recurse=True).ok()
    assert reply["recursion_depth"] >= 3
    assert ids(reply["chunk"])[-3:] == chain[3:0:-1]
    direct = relations(alice, room, parent, recurse=False).ok()
    assert ids(direct["chunk"]) == [chain[1]]
    page = relations(alice, room, parent, recurse=True, dir="f", limit=2).ok()
    assert ids(page["chunk"]) == chain[1:3]
    rest = relations(alice, room, parent, recurse=True, dir="f", limit=2, **{"from": page["next_batch"]}).ok()
    assert ids(rest["chunk"])[0] == chain[3]


def test_relations__recurse_with_kind__of_the_events_returned(alice, room):
    root = alice.send(room, "root")
    reply_id = alice.send(room, related(root, "m.thread"))
    reaction = alice.send(room, {"m.relates_to": {"rel_type": "m.annotation", "event_id": reply_id, "key": "x"}},
                          kind="m.reaction")
    assert ids(relations(alice, room, root, "m.annotation", recurse=True).ok()["chunk"]) == [reaction]


def test_relations__redacted_child__gone(alice, room, family):
    parent, first, reaction, other = family
    alice.redact(room, first).ok()
    assert ids(relations(alice, room, parent).ok()["chunk"]) == [other, reaction]


def test_relations__children__carry_bundles(alice, room):
    parent = alice.send(room, "parent")
    child = alice.send(room, related(parent))
    grandchild = alice.send(room, related(child))
    event, = relations(alice, room, parent).ok()["chunk"]
    assert event["unsigned"]["m.relations"]["m.reference"]["chunk"] == [{"event_id": grandchild}]


def test_relations__ignored_sender__left_out(alice, bob, shared):
    parent = alice.send(shared, "parent")
    bob.send(shared, related(parent))
    mine = alice.send(shared, related(parent))
    alice.account_data("m.ignored_user_list", {"ignored_users": {bob.user_id: {}}}).ok()
    assert ids(relations(alice, shared, parent).ok()["chunk"]) == [mine]
    assert ids(relations(alice, shared, parent, recurse=True).ok()["chunk"]) == [mine]


def test_relations__hidden_parent_or_stranger__not_found(alice, bob, carol):
    room = alice.create_room(preset="public_chat")
    alice.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    parent = alice.send(room, "parent")
    alice.send(room, related(parent))
    bob.join(room).ok()
    for client in (bob, carol):
        relations(client, room, parent).expect(404, "M_NOT_FOUND")
    relations(alice, room, "$nothing").expect(404, "M_NOT_FOUND")
    relations(alice, "!nowhere:x.example", parent).expect(404, "M_NOT_FOUND")


def test_relations__child_sent_after_leaving__not_shown(alice, bob, shared):
    """sec 5.25"""
    parent = alice.send(shared, "parent")
    seen = alice.send(shared, related(parent))
    bob.leave(shared).ok()
    alice.send(shared, related(parent))
    assert ids(relations(bob, shared, parent).ok()["chunk"]) == [seen]


def test_relations__event_of_another_room__not_found(alice, room, family):
    other = alice.create_room()
    relations(alice, other, family[0]).expect(404, "M_NOT_FOUND")


@pytest.mark.parametrize("query", [{"dir": "x"}, {"from": "nonsense"}, {"to": "nonsense"}, {"limit": 0},
                                   {"limit": "many"}, {"recurse": "perhaps"}])
def test_relations__bad_parameter__refused(alice, room, family, query):
    relations(alice, room, family[0], **query).expect(400, "M_INVALID_PARAM")


def test_thread__begun_at_a_child__refused(alice, room, family):
    """threading.md, "Validation of m.thread relationships": 400 M_UNKNOWN."""
    _, child, *_ = family
    alice.put_event(room, "m.room.message", related(child, "m.thread")).expect(400, "M_UNKNOWN")


# -- /threads

@pytest.fixture
def talk(alice, bob, shared):
    """Three threads of bob, the first with the newest reply; alice took part in the second."""
    roots = [bob.send(shared, "root %d" % number) for number in range(3)]
    for root in roots:
        bob.send(shared, related(root, "m.thread"))
    alice.send(shared, related(roots[1], "m.thread"))
    bob.send(shared, related(roots[2], "m.thread"))
    bob.send(shared, related(roots[0], "m.thread"))
    return roots


def test_threads__all__by_newest_reply(alice, shared, talk):
    reply = threads(alice, shared).ok()
    assert ids(reply["chunk"]) == [talk[0], talk[2], talk[1]]
    assert "next_batch" not in reply
    second = reply["chunk"][2]["unsigned"]["m.relations"]["m.thread"]
    assert second["count"] == 2 and second["current_user_participated"] is True


def test_threads__walked__each_once(alice, shared, talk):
    seen, query = [], {"limit": 1}
    while True:
        reply = threads(alice, shared, **query).ok()
        seen += ids(reply["chunk"])
        if "next_batch" not in reply:
            break
        query["from"] = reply["next_batch"]
    assert seen == [talk[0], talk[2], talk[1]]


def test_threads__reply_of_who_is_ignored__neither_counted_nor_shown(alice, bob, shared, talk):
    alice.account_data("m.ignored_user_list", {"ignored_users": {bob.user_id: {}}}).ok()
    bundle = alice.event(shared, talk[1]).ok()["unsigned"]["m.relations"]["m.thread"]
    assert bundle["count"] == 1 and bundle["latest_event"]["sender"] == alice.user_id


def test_threads__participated__sender_of_root_or_reply(alice, bob, shared, talk):
    alice.send(shared, {"m.relates_to": {"rel_type": "m.annotation", "event_id": talk[2], "key": "x"}}, "m.reaction")
    assert ids(threads(alice, shared, include="participated").ok()["chunk"]) == [talk[1]]
    assert len(threads(bob, shared, include="participated").ok()["chunk"]) == 3


def test_threads__only_reply_redacted__no_thread(alice, shared):
    root = alice.send(shared, "root")
    reply_id = alice.send(shared, related(root, "m.thread"))
    assert ids(threads(alice, shared).ok()["chunk"]) == [root]
    alice.redact(shared, reply_id).ok()
    assert threads(alice, shared).ok()["chunk"] == []


def test_threads__reaction_to_a_reply__does_not_move_it(alice, shared, talk):
    reply_id = relations(alice, shared, talk[1], "m.thread").ok()["chunk"][0]["event_id"]
    alice.send(shared, {"m.relates_to": {"rel_type": "m.annotation", "event_id": reply_id, "key": "x"}},
               kind="m.reaction")
    assert ids(threads(alice, shared).ok()["chunk"]) == [talk[0], talk[2], talk[1]]


def test_threads__root_of_ignored_user__redacted(alice, bob, carol, shared):
    """threads_list.yaml: "the event is returned redacted to the caller"."""
    alice.invite(shared, carol).ok()
    carol.join(shared).ok()
    root = bob.send(shared, "secret")
    bob.send(shared, {"msgtype": "m.text", "body": "* edited", "m.new_content": {"body": "edited"},
                      "m.relates_to": {"rel_type": "m.replace", "event_id": root}})
    carol.send(shared, related(root, "m.thread"))
    alice.account_data("m.ignored_user_list", {"ignored_users": {bob.user_id: {}}}).ok()
    event, = threads(alice, shared).ok()["chunk"]
    assert event["event_id"] == root and event["content"] == {}
    assert "m.replace" not in event["unsigned"]["m.relations"]
    assert event["unsigned"]["m.relations"]["m.thread"]["count"] == 1


def test_threads__only_replies_of_ignored_users__none(alice, bob, shared):
    root = alice.send(shared, "root")
    bob.send(shared, related(root, "m.thread"))
    alice.account_data("m.ignored_user_list", {"ignored_users": {bob.user_id: {}}}).ok()
    assert threads(alice, shared).ok()["chunk"] == []


def test_threads__stranger__forbidden(carol, shared, talk):
    threads(carol, shared).expect(403, "M_FORBIDDEN")
    threads(carol, "!nowhere:x.example").expect(403, "M_FORBIDDEN")


def test_threads__root_from_before_joining__hidden(alice, bob):
    room = alice.create_room(preset="public_chat")
    alice.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    hidden, shown = alice.send(room, "hidden"), None
    bob.join(room).ok()
    shown = alice.send(room, "shown")
    alice.send(room, related(shown, "m.thread"))
    alice.send(room, related(hidden, "m.thread"))
    assert ids(threads(bob, room).ok()["chunk"]) == [shown]


@pytest.mark.parametrize("query", [{"include": "some"}, {"from": "nonsense"}, {"limit": 0}])
def test_threads__bad_parameter__refused(alice, shared, query):
    threads(alice, shared, **query).expect(400, "M_INVALID_PARAM")


# -- /timestamp_to_event

def test_time__between_events__nearest_in_the_direction(alice, room):
    first = alice.event(room, alice.send(room, "first")).ok()
    wait_until(lambda: time.time() * 1000 > first["origin_server_ts"] + 3, 10, "a later time")
    second = alice.event(room, alice.send(room, "second")).ok()
    middle = second["origin_server_ts"] - 1
    forth = near(alice, room, ts=middle, dir="f").ok()
    assert forth["origin_server_ts"] == second["origin_server_ts"]
    back = near(alice, room, ts=middle, dir="b").ok()
    assert first["origin_server_ts"] <= back["origin_server_ts"] <= middle
    exact = near(alice, room, ts=second["origin_server_ts"], dir="b").ok()
    assert exact["event_id"] == second["event_id"]


def test_time__beyond_the_ends__not_found(alice, room):
    near(alice, room, ts=0, dir="b").expect(404, "M_NOT_FOUND")
    near(alice, room, ts=2**53, dir="f").expect(404, "M_NOT_FOUND")
    create = near(alice, room, ts=0, dir="f").ok()
    assert alice.event(room, create["event_id"]).ok()["type"] == "m.room.create"


def test_time__hidden_events__passed_over(alice, bob):
    room = alice.create_room(preset="public_chat")
    alice.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    for number in range(60):
        alice.send(room, "hidden %d" % number)
    bob.join(room).ok()
    found = near(bob, room, ts=0, dir="f").ok()
    assert bob.event(room, found["event_id"]).ok()


def test_time__stranger__forbidden(bob, room):
    near(bob, room, ts=0, dir="f").expect(403, "M_FORBIDDEN")
    near(bob, "!%s:x.example" % unique(), ts=0, dir="f").expect(403, "M_FORBIDDEN")


@pytest.mark.parametrize("query,errcode", [({"dir": "f"}, "M_MISSING_PARAM"), ({"ts": 1}, "M_MISSING_PARAM"),
                                           ({"ts": "x", "dir": "f"}, "M_INVALID_PARAM"),
                                           ({"ts": 1, "dir": "x"}, "M_INVALID_PARAM")])
def test_time__bad_parameter__refused(alice, room, query, errcode):
    near(alice, room, **query).expect(400, errcode)


def test_recursion__one_thread_has_most_relations__each_event_by_the_index(make_server):
    """By what the statistics know of such a database, reading all of it for each event looks cheap; it was 30 s for 15,000 replies."""
    server = make_server().start()
    server.sql("INSERT INTO relations (room_nid, parent_id, position, rel_type, type, sender) "
               "SELECT 1, '$root', n, 'm.thread', 'm.room.message', '@ann:hs1' FROM generate_series(1, 20000) n; ANALYZE relations")
    with open(os.path.join(ROOT, "storage", "sql", "relation.sql"), encoding="utf-8") as file:
        statement = file.read().split("-- name: relations_page_deep hot")[1].split("-- name:")[0].strip().rstrip(";")
    plan = server.sql("SET plan_cache_mode = force_generic_plan; "
                      "PREPARE deep (bigint, text, bigint, bigint, text, text, text[], boolean, bigint, bigint) AS %s; "
                      "EXPLAIN EXECUTE deep (1, '$root', 0, 100000, NULL, NULL, '{}', true, 6, 3)" % statement)
    assert plan.count("Index Scan using relations_pkey") == 2, plan
    assert "Seq Scan on relations" not in plan, plan
