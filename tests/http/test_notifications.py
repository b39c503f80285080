"""GET /notifications.  Spec: client-server API, "Listing Notifications"."""
from support.client import path_of


def listed(user, **query):
    return user.get("/notifications", query).ok().json


def bodies(answer):
    return [one["event"]["content"]["body"] for one in answer["notifications"]
            if one["event"]["type"] == "m.room.message"]


def mention(other, body):
    return {"msgtype": "m.text", "body": body, "m.mentions": {"user_ids": [other.user_id]}}


def test_notifications__messages_of_all_rooms__newest_first(alice, bob, shared):
    other = alice.create_room(invite=[bob.user_id])
    bob.join(other).ok()
    alice.send(shared, "one")
    alice.send(other, "two")
    bob.send(shared, "mine")
    event = alice.send(shared, mention(bob, "three"))
    answer = listed(bob)
    assert bodies(answer) == ["three", "two", "one"]
    first = answer["notifications"][0]
    assert first["event"]["event_id"] == event and first["event"]["sender"] == alice.user_id
    assert (first["room_id"], first["read"]) == (shared, False)
    assert first["actions"] == ["notify", {"set_tweak": "sound", "value": "default"}, {"set_tweak": "highlight"}]
    assert first["ts"] == first["event"]["origin_server_ts"]
    assert bodies(listed(alice)) == ["mine"]


def test_notifications__read__told(alice, bob, shared):
    alice.send(shared, "one")
    event = alice.send(shared, "two")
    alice.send(shared, "three")
    bob.receipt(shared, event).ok()
    read = {one["event"]["content"]["body"]: one["read"] for one in listed(bob)["notifications"]
            if "body" in one["event"]["content"]}
    assert read == {"one": True, "two": True, "three": False}


def test_notifications__one_thread_read__what_is_in_others_is_not(alice, bob, shared):
    root = alice.send(shared, "root")
    alice.send(shared, {"msgtype": "m.text", "body": "in the thread",
                        "m.relates_to": {"rel_type": "m.thread", "event_id": root}})
    last = alice.send(shared, "last")

    def read():
        return {one["event"]["content"]["body"]: one["read"] for one in listed(bob)["notifications"]
                if "body" in one["event"]["content"]}
    bob.receipt(shared, last, thread_id="main").ok()
    assert read() == {"root": True, "in the thread": False, "last": True}
    bob.receipt(shared, last).ok()
    assert read() == {"root": True, "in the thread": True, "last": True}


def test_notifications__only_highlight__those(alice, bob, shared):
    alice.send(shared, "one")
    alice.send(shared, mention(bob, "two"))
    alice.send(shared, "three")
    assert bodies(listed(bob, only="highlight")) == ["two"]


def test_notifications__pages__all_once_and_an_end(alice, bob, shared):
    sent = [str(n) for n in range(7)]
    for body in sent:
        alice.send(shared, body)
        alice.send(shared, {"msgtype": "m.notice", "body": "notice"})
    found, token = [], None
    for _ in range(20):
        answer = listed(bob, limit=2, **({"from": token} if token else {}))
        assert len(answer["notifications"]) <= 2
        found += bodies(answer)
        token = answer.get("next_token")
        if token is None:
            break
    assert token is None and found == sent[::-1]


def test_notifications__own_rules_ignored_redacted_left__judged(alice, bob, carol, shared):
    bob.invite(shared, carol).ok()
    carol.join(shared).ok()
    quiet = alice.create_room(invite=[bob.user_id])
    gone = alice.create_room(invite=[bob.user_id])
    for room in (quiet, gone):
        bob.join(room).ok()
        alice.send(room, "unwanted")
    bob.leave(gone).ok()
    bob.put(path_of("pushrules", "global", "room", quiet), {"actions": []}).ok()
    bob.account_data("m.ignored_user_list", {"ignored_users": {carol.user_id: {}}}).ok()
    carol.send(shared, "unwanted")
    alice.redact(shared, alice.send(shared, "unwanted")).ok()
    alice.send(shared, "wanted")
    assert bodies(listed(bob)) == ["wanted"]


def test_notifications__malformed__400(alice, nobody):
    for query in ({"from": "nonsense"}, {"limit": "0"}, {"limit": "many"}):
        alice.get("/notifications", query).expect(400, "M_INVALID_PARAM")
    nobody.get("/notifications", token=False).expect(401, "M_MISSING_TOKEN")
    assert listed(alice)["notifications"] == []
