"""Account data, tags and stored filters."""
import pytest

from support.client import path_of


def test_account_data__set__read_back_exactly(alice):
    content = {"a": [1, "two", {"three": None}], "ü": "✓", "big": 9007199254740991}
    assert alice.account_data("org.example.x", content).ok().json == {}
    assert alice.get(path_of("user", alice.user_id, "account_data", "org.example.x")).ok().json == content


def test_account_data__overwritten__last_wins(alice):
    alice.account_data("org.example.x", {"v": 1}).ok()
    alice.account_data("org.example.x", {"v": 2}).ok()
    assert alice.get(path_of("user", alice.user_id, "account_data", "org.example.x")).ok().json == {"v": 2}


def test_account_data__never_set__404(alice, room):
    alice.get(path_of("user", alice.user_id, "account_data", "org.example.none")).expect(404, "M_NOT_FOUND")
    alice.get(path_of("user", alice.user_id, "rooms", room, "account_data", "org.example.none")).expect(
        404, "M_NOT_FOUND")


def test_account_data__of_another_user__403(alice, bob, room):
    for path in (path_of("user", bob.user_id, "account_data", "org.example.x"),
                 path_of("user", bob.user_id, "rooms", room, "account_data", "org.example.x")):
        alice.get(path).expect(403, "M_FORBIDDEN")
        alice.put(path, {}).expect(403, "M_FORBIDDEN")


@pytest.mark.parametrize("raw", [b"[]", b"5", b'"x"', b"null"])
def test_account_data__no_object__400(alice, raw):
    alice.request("PUT", path_of("user", alice.user_id, "account_data", "org.example.x"), raw=raw).expect(
        400, ("M_BAD_JSON", "M_NOT_JSON"))


@pytest.mark.parametrize("kind", ["m.fully_read", "m.push_rules"])
def test_account_data__controlled_by_the_server__405_bad_json(alice, room, kind):
    if kind == "m.push_rules":
        alice.account_data(kind, {"global": {}}).expect(405, "M_BAD_JSON")
    else:
        alice.account_data(kind, {"event_id": "$x"}, room).expect(405, "M_BAD_JSON")


def test_room_account_data__set__separate_from_global(alice, room):
    alice.account_data("org.example.x", {"where": "global"}).ok()
    alice.account_data("org.example.x", {"where": "room"}, room).ok()
    assert alice.get(path_of("user", alice.user_id, "account_data", "org.example.x")).ok()["where"] == "global"
    reply = alice.get(path_of("user", alice.user_id, "rooms", room, "account_data", "org.example.x"))
    assert reply.ok()["where"] == "room"


def test_room_account_data__not_a_room_id__400_invalid_param(alice):
    alice.account_data("org.example.x", {}, "nonsense").expect(400, "M_INVALID_PARAM")


def test_room_account_data__room_of_strangers__as_if_there_were_none(hs, alice, bob):
    theirs = bob.create_room()
    for room in (theirs, "!unknown:%s" % hs.server_name):
        replies = [alice.account_data("org.example.x", {}, room),
                   alice.get(path_of("user", alice.user_id, "rooms", room, "account_data", "org.example.x")),
                   alice.put(tags(alice, room, "u.x"), {})]
        assert {(reply.status, reply.errcode) for reply in replies} <= {(404, "M_NOT_FOUND"), (403, "M_FORBIDDEN")}


def test_account_data__large__kept(alice):
    content = {"text": "x" * 50000}
    alice.account_data("org.example.large", content).ok()
    assert alice.get(path_of("user", alice.user_id, "account_data", "org.example.large")).ok().json == content


def test_account_data__set__arrives_in_sync_of_all_own_devices_only(alice, bob):
    other = alice.login()
    watch, theirs = other.watch(), bob.watch()
    alice.account_data("org.example.sync", {"n": 1}).ok()
    watch.until(lambda answer: answer.account("org.example.sync") == {"n": 1})
    bob.account_data("org.example.barrier", {}).ok()
    answer, _ = theirs.until(lambda answer: answer.account("org.example.barrier") is not None)
    assert answer.account("org.example.sync") is None


def test_room_account_data__set__arrives_in_sync_of_the_room(alice, room):
    watch = alice.watch()
    alice.account_data("org.example.room", {"n": 1}, room).ok()
    answer, _ = watch.until(lambda answer: answer.joined(room).account_data)
    assert {"type": "org.example.room", "content": {"n": 1}} in answer.joined(room).account_data
    assert answer.joined(room).timeline == []


# -- tags

def tags(user, room, *rest):
    return path_of("user", user.user_id, "rooms", room, "tags", *rest)


def test_tags__none__empty(alice, room):
    assert alice.get(tags(alice, room)).ok()["tags"] == {}


def test_tags__added_and_removed__listed_accordingly(alice, room):
    alice.put(tags(alice, room, "m.favourite"), {"order": 0.25}).ok()
    alice.put(tags(alice, room, "u.work"), {}).ok()
    assert alice.get(tags(alice, room)).ok()["tags"] == {"m.favourite": {"order": 0.25}, "u.work": {}}
    alice.delete(tags(alice, room, "u.work")).ok()
    assert alice.get(tags(alice, room)).ok()["tags"] == {"m.favourite": {"order": 0.25}}


def test_tags__changed__m_tag_in_sync(alice, room):
    watch = alice.watch()
    alice.put(tags(alice, room, "u.työ"), {"order": 0.5}).ok()
    answer, _ = watch.until(lambda answer: answer.joined(room).account_data)
    assert {"type": "m.tag", "content": {"tags": {"u.työ": {"order": 0.5}}}} in answer.joined(room).account_data


def test_tags__of_another_user__403(alice, bob, room):
    alice.get(tags(bob, room)).expect(403, "M_FORBIDDEN")
    alice.put(tags(bob, room, "u.x"), {}).expect(403, "M_FORBIDDEN")
    alice.delete(tags(bob, room, "u.x")).expect(403, "M_FORBIDDEN")


@pytest.mark.peer("no limit")
def test_tags__without_end__refused(alice, room):
    for number in range(400):
        reply = alice.put(tags(alice, room, "u.%d." % number + "x" * 240), {})
        if reply.status != 200:
            break
    reply.expect((400, 413), "M_TOO_LARGE")


def test_tags__removed_though_never_set__200(alice, room):
    alice.delete(tags(alice, room, "u.never")).ok()


@pytest.mark.tsan
def test_tags__added_at_once_by_two_devices__both_kept(alice, room):
    from concurrent.futures import ThreadPoolExecutor
    other = alice.login()
    names = ["u.t%d" % number for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for reply in pool.map(lambda pair: pair[0].put(tags(alice, room, pair[1]), {}),
                              [((alice, other)[n % 2], name) for n, name in enumerate(names)]):
            reply.ok()
    assert set(alice.get(tags(alice, room)).ok()["tags"]) == set(names)


# -- filters

FILTER = {"room": {"timeline": {"limit": 5, "types": ["m.room.message"]}}, "event_fields": ["type", "content"]}


def test_filter__stored__read_back(alice):
    filter_id = alice.post(path_of("user", alice.user_id, "filter"), FILTER).ok()["filter_id"]
    assert isinstance(filter_id, str) and filter_id and not filter_id.startswith("{")
    assert alice.get(path_of("user", alice.user_id, "filter", filter_id)).ok().json == FILTER


def test_filter__used_again_and_again__stays_the_users_own(alice, bob):
    """Each user's ids may count from the same number."""
    mine = alice.post(path_of("user", alice.user_id, "filter"), FILTER).ok()["filter_id"]
    theirs = bob.post(path_of("user", bob.user_id, "filter"), {"room": {"rooms": []}}).ok()["filter_id"]
    for _ in range(2):
        assert alice.get(path_of("user", alice.user_id, "filter", mine)).ok().json == FILTER
        assert bob.get(path_of("user", bob.user_id, "filter", theirs)).ok().json == {"room": {"rooms": []}}


def test_filter__unknown__404(alice):
    alice.get(path_of("user", alice.user_id, "filter", "987654")).expect(404, "M_NOT_FOUND")


def test_filter__of_another_user__403(alice, bob):
    filter_id = bob.post(path_of("user", bob.user_id, "filter"), FILTER).ok()["filter_id"]
    alice.get(path_of("user", bob.user_id, "filter", filter_id)).expect(403, "M_FORBIDDEN")
    alice.post(path_of("user", bob.user_id, "filter"), FILTER).expect(403, "M_FORBIDDEN")


@pytest.mark.parametrize("body", [
    {"room": 5}, {"room": {"timeline": []}}, {"room": {"timeline": {"limit": "x"}}},
    {"room": {"timeline": {"types": "m.room.message"}}}, {"room": {"timeline": {"types": [5]}}},
    {"room": {"rooms": ["not-a-room"]}}, {"event_format": "none"}, {"room": {"include_leave": "yes"}},
    {"room": {"state": {"lazy_load_members": 1}}}, {"room": {"timeline": {"senders": [5]}}},
    {"event_fields": "type"}, {"presence": {"types": {}}},
], ids=str)
@pytest.mark.peer("500", only=["{'room': 5}", "'limit': 'x'"])
def test_filter__malformed__400(alice, body):
    alice.post(path_of("user", alice.user_id, "filter"), body).expect(
        400, ("M_BAD_JSON", "M_INVALID_PARAM", "M_UNKNOWN", "M_NOT_JSON"))


def test_filter__used_in_sync__applies(alice, room):
    filter_id = alice.post(path_of("user", alice.user_id, "filter"),
                           {"room": {"timeline": {"types": ["m.room.message"]}}}).ok()["filter_id"]
    event = alice.send(room)
    answer = alice.sync(filter=filter_id)
    assert answer.joined(room).ids() == [event]


def test_filter__unknown_id_in_sync__4xx(alice):
    alice.sync_reply(filter="987654").expect((400, 404))
