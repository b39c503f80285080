"""Server-side search: POST /search.  Spec: client-server API, "Server Side Search"."""
import json
import os

import pytest

from support.client import of_whole_index, unique

VECTORS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "vectors", "data",
                       "search.json")


def search_reply(client, term, next_batch=None, **criteria):
    body = {"search_categories": {"room_events": {"search_term": term, **criteria}}}
    return of_whole_index(lambda: client.post("/search", body, query={"next_batch": next_batch} if next_batch else None))


def search(client, term, next_batch=None, **criteria):
    return search_reply(client, term, next_batch, **criteria).ok()["search_categories"]["room_events"]


def found(client, term, **criteria):
    """Event ids, in the order of the answer."""
    return [item["result"]["event_id"] for item in search(client, term, **criteria)["results"]]


# -- what is found

def test_search__every_query_of_the_list__finds_what_it_should(alice):
    with open(VECTORS, encoding="utf-8") as file:
        vectors = json.load(file)
    room_id = alice.create_room()
    names = {alice.send(room_id, text): name for name, text in vectors["texts"].items()}
    wrong = []
    for query, expected in vectors["queries"]:
        answer = search(alice, query, filter={"limit": 100, "rooms": [room_id]}, order_by="recent")
        hits = sorted(names[item["result"]["event_id"]] for item in answer["results"])
        if hits != sorted(expected) or answer["count"] != len(expected):
            wrong.append((query, hits, expected, answer["count"]))
    assert wrong == []


def test_search__sent_right_before__found(alice, room):
    for number in range(5):
        word = "word%d" % number
        event_id = alice.send(room, "some " + word)
        assert found(alice, word) == [event_id]


def test_search__name_and_topic__found_by_their_keys(alice):
    word = "klasse" + unique("").replace("-", "")
    room_id = alice.create_room(name=word, topic="About %s and more" % word)
    message = alice.send(room_id, word)
    state = alice.state(room_id)
    name = state["m.room.name", ""]["event_id"]
    topic = state["m.room.topic", ""]["event_id"]
    assert sorted(found(alice, word)) == sorted([message, name, topic])
    assert found(alice, word, keys=["content.name"]) == [name]
    assert found(alice, word, keys=["content.topic"]) == [topic]
    assert found(alice, word, keys=["content.body"]) == [message]
    assert found(alice, word, filter={"types": ["m.room.topic", "m.room.message"]}, order_by="recent") == [
        message, topic]
    assert found(alice, word, filter={"not_types": ["m.room.*"]}) == []


def test_search__topic_in_extensible_form__found(alice, room):
    event_id = alice.set_state(room, "m.room.topic", {"m.topic": {"m.text": [
        {"mimetype": "text/html", "body": "<b>nothingofthis</b>"}, {"body": "kindergarten plans"}]}})
    assert found(alice, "kindergarten") == [event_id]
    assert found(alice, "nothingofthis") == []


def test_search__reply_with_quotation__only_its_own_text(alice, room):
    first = alice.send(room, "giraffe")
    reply = alice.send(room, {"msgtype": "m.text", "body": "> <%s> giraffe\n\nelephant" % alice.user_id,
                              "m.relates_to": {"m.in_reply_to": {"event_id": first}}})
    assert found(alice, "giraffe") == [first]
    assert found(alice, "elephant") == [reply]


def test_search__filter__senders_rooms_and_urls(alice, bob, shared):
    other = alice.create_room()
    by_alice = alice.send(shared, "pineapple")
    by_bob = bob.send(shared, "pineapple")
    elsewhere = alice.send(other, "pineapple")
    image = alice.send(shared, {"msgtype": "m.image", "body": "pineapple", "url": "mxc://x/y"})
    assert set(found(alice, "pineapple")) == {by_alice, by_bob, elsewhere, image}
    assert found(alice, "pineapple", filter={"senders": [bob.user_id]}) == [by_bob]
    assert found(alice, "pineapple", filter={"senders": []}) == []
    assert by_bob not in found(alice, "pineapple", filter={"not_senders": [bob.user_id]})
    assert found(alice, "pineapple", filter={"rooms": [other]}) == [elsewhere]
    assert elsewhere not in found(alice, "pineapple", filter={"not_rooms": [other]})
    assert found(alice, "pineapple", filter={"contains_url": True}) == [image]
    assert image not in found(alice, "pineapple", filter={"contains_url": False})


@pytest.mark.parametrize("order_by", ["rank", "recent"])
def test_search__ignored_users__their_messages_are_left_out(alice, bob, shared, order_by):
    by_alice = alice.send(shared, "walnut")
    bob.send(shared, "walnut")
    alice.account_data("m.ignored_user_list", {"ignored_users": {bob.user_id: {}}}).ok()
    answer = search(alice, "walnut", order_by=order_by)
    assert [item["result"]["event_id"] for item in answer["results"]] == [by_alice]
    assert answer["count"] == 1


# -- order, pages, groups

def test_search__recent__newest_first(alice, room):
    ids = [alice.send(room, "lantern %d" % number) for number in range(4)]
    assert found(alice, "lantern", order_by="recent") == ids[::-1]


def test_search__rank__words_close_together_first(alice, room):
    far = alice.send(room, "sports are fine and here are many words before the day comes")
    near = alice.send(room, "the sports day")
    for filler in range(3):
        alice.send(room, "sports are nice but I would rather stay at home for the whole day %d" % filler)
    answer = search(alice, "sports day")
    ids = [item["result"]["event_id"] for item in answer["results"]]
    ranks = [item["rank"] for item in answer["results"]]
    assert ids[0] == near and far in ids and len(ids) == 5
    assert ranks == sorted(ranks, reverse=True) and ranks[0] > ranks[1] > 0


@pytest.mark.parametrize("order", ["rank", "recent"])
def test_search__pages__every_result_once(alice, room, order):
    ids = {alice.send(room, "daffodil " + "very " * (number % 3) + "yellow") for number in range(12)}
    seen, token = [], None
    for _ in range(10):
        answer = search(alice, "daffodil yellow", token, order_by=order, filter={"limit": 5})
        assert answer["count"] == 12
        seen += [item["result"]["event_id"] for item in answer["results"]]
        token = answer.get("next_batch")
        if token is None:
            break
        alice.send(room, "daffodil yellow, sent between the pages")
    assert len(seen) == 12 and set(seen) == ids


@pytest.mark.parametrize("order", ["rank", "recent"])
def test_search__page_after_the_last__empty_with_the_count(alice, room, order):
    for _ in range(4):
        alice.send(room, "crocus")
    token, sizes = None, []
    for _ in range(3):
        answer = search(alice, "crocus", token, order_by=order, filter={"limit": 2})
        assert answer["count"] == 4
        sizes.append(len(answer["results"]))
        token = answer.get("next_batch")
    assert sizes == [2, 2, 0] and token is None


def test_search__groups__by_room_and_sender_with_their_own_pages(alice, bob, shared):
    other = alice.create_room()
    ids = {shared: [], other: []}
    for number in range(6):
        ids[shared].append((alice if number % 2 else bob).send(shared, "tulip %d" % number))
        ids[other].append(alice.send(other, "tulip %d" % number))
    groups = {"group_by": [{"key": "room_id"}, {"key": "sender"}]}
    answer = search(alice, "tulip", order_by="recent", groupings=groups, filter={"limit": 4})
    by_room = answer["groups"]["room_id"]
    assert {room: group["results"] for room, group in by_room.items()} == {
        shared: ids[shared][:3:-1], other: ids[other][:3:-1]}
    assert sorted(group["order"] for group in by_room.values()) == [1, 2]
    assert set(answer["groups"]["sender"]) == {alice.user_id, bob.user_id}

    seen, token = list(by_room[shared]["results"]), by_room[shared]["next_batch"]
    while token:
        page = search(alice, "tulip", token, order_by="recent", groupings=groups, filter={"limit": 3})
        seen += [item["result"]["event_id"] for item in page["results"]]
        token = page.get("next_batch") and page["groups"]["room_id"][shared]["next_batch"]
    assert seen == ids[shared][::-1]

    token = answer["groups"]["sender"][bob.user_id]["next_batch"]
    page = search(alice, "tulip", token, order_by="recent")
    assert [item["result"]["event_id"] for item in page["results"]] == [ids[shared][2], ids[shared][0]]


def test_search__highlights__as_typed_and_as_found(alice, room):
    alice.send(room, "交数学作业了,Exams are near")
    highlights = search(alice, "數學作業 exam")["highlights"]
    assert {"數學作業", "数学作业", "exam", "exams"} == set(highlights)


# -- context and state

def test_search__context__before_and_after_with_profiles(alice, room):
    alice.put("/profile/%s/displayname" % alice.user_id, {"displayname": "Alice then"}).ok()
    before = [alice.send(room, "b%d" % number) for number in range(3)]
    target = alice.send(room, "marigold")
    after = [alice.send(room, "a%d" % number) for number in range(3)]
    alice.put("/profile/%s/displayname" % alice.user_id, {"displayname": "Alice now"}).ok()
    answer = search(alice, "marigold", event_context={"before_limit": 2, "after_limit": 1,
                                                      "include_profile": True})
    context = answer["results"][0]["context"]
    assert answer["results"][0]["result"]["event_id"] == target
    assert answer["results"][0]["result"]["room_id"] == room
    assert [event["event_id"] for event in context["events_before"]] == [before[2], before[1]]
    assert [event["event_id"] for event in context["events_after"]] == [after[0]]
    assert context["profile_info"][alice.user_id]["displayname"] == "Alice then"
    older = alice.messages(room, "b", limit=1, **{"from": context["start"]}).ok()
    assert older["chunk"][0]["event_id"] == before[0]
    newer = alice.messages(room, "f", limit=1, **{"from": context["end"]}).ok()
    assert newer["chunk"][0]["event_id"] == after[1]


def test_search__include_state__current_state_of_rooms_with_results(alice, room):
    alice.create_room(name="without results")
    alice.send(room, "primrose")
    state = search(alice, "primrose", include_state=True)["state"]
    assert list(state) == [room]
    assert {event["type"] for event in state[room]} >= {"m.room.create", "m.room.member"}
    assert "state" not in search(alice, "primrose")


# -- edits and redactions

def test_search__edit__the_newest_text_is_found(alice, bob, shared):
    event_id = alice.send(shared, "first magnolia")

    def edit(client, text):
        return client.send(shared, {"msgtype": "m.text", "body": "* " + text,
                                    "m.new_content": {"msgtype": "m.text", "body": text},
                                    "m.relates_to": {"rel_type": "m.replace", "event_id": event_id}})
    edit(alice, "second hibiscus")
    third = edit(alice, "third orchid")
    edit(bob, "forged petunia")
    assert found(bob, "magnolia") == [] and found(bob, "hibiscus") == [] and found(bob, "petunia") == []
    assert found(bob, "orchid") == [event_id]
    alice.redact(shared, third).ok()
    assert found(bob, "orchid") == [] and found(bob, "hibiscus") == [event_id]
    alice.redact(shared, event_id).ok()
    assert found(bob, "hibiscus") == [] and found(bob, "magnolia") == []


def test_search__redacted__no_longer_found(alice, room):
    event_id = alice.send(room, "chrysanthemum")
    assert found(alice, "chrysanthemum") == [event_id]
    alice.redact(room, event_id).ok()
    answer = search(alice, "chrysanthemum")
    assert answer["results"] == [] and answer["count"] == 0


def test_search__room_becomes_encrypted__not_searched(alice, room):
    alice.send(room, "snowdrop in the open")
    assert len(found(alice, "snowdrop")) == 1
    alice.set_state(room, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    alice.send(room, "snowdrop after")
    assert found(alice, "snowdrop") == []


# -- what may be seen

def test_sec_5_25__search_after_leaving__only_what_was_before(alice, bob, shared):
    before = alice.send(shared, "azalea before")
    edited = alice.send(shared, "begonia")
    bob.leave(shared).ok()
    alice.send(shared, "azalea after")
    alice.send(shared, {"msgtype": "m.text", "body": "* camellia", "m.new_content": {
        "msgtype": "m.text", "body": "camellia"}, "m.relates_to": {"rel_type": "m.replace", "event_id": edited}})
    answer = search(bob, "azalea", event_context={}, include_state=True)
    assert [item["result"]["event_id"] for item in answer["results"]] == [before]
    assert answer["count"] == 1 and "azalea after" not in json.dumps(answer)
    assert found(bob, "camellia") == [] and found(bob, "begonia") == [edited]


def test_sec_5_25__search_after_ban_and_forget__nothing_later_then_nothing(alice, bob, shared):
    before = alice.send(shared, "dahlia before")
    alice.ban(shared, bob).ok()
    alice.send(shared, "dahlia after")
    assert found(bob, "dahlia") == [before]
    bob.forget(shared).ok()
    assert found(bob, "dahlia") == []


def test_sec_5_26__search_by_strangers_and_invited__nothing(alice, bob, carol, room):
    alice.send(room, "freesia")
    alice.invite(room, bob).ok()
    for client in (bob, carol):
        answer = search(client, "freesia", filter={"rooms": [room]})
        assert answer["results"] == [] and answer["count"] == 0


@pytest.mark.parametrize("order_by", ["recent", "rank"])
@pytest.mark.parametrize("visibility,is_found", [("shared", True), ("joined", False), ("invited", False),
                                                 ("world_readable", True)])
def test_search__history_visibility__decides_what_was_before_joining(alice, bob, visibility, is_found, order_by):
    room_id = alice.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": visibility}}])
    before = alice.send(room_id, "gardenia before")
    bob.join(room_id).ok()
    after = alice.send(room_id, "gardenia after")
    answer = search(bob, "gardenia", order_by=order_by)
    expected = [after, before] if is_found else [after]
    assert [item["result"]["event_id"] for item in answer["results"]] == expected
    assert answer["count"] == len(expected)


@pytest.mark.parametrize("order_by", ["recent", "rank"])
def test_search__edit_of_an_event_before_joining__the_edit_is_found_and_nothing_of_the_original(alice, bob, order_by):
    """Who may see the edit and not what it edits finds it all the same, as it stands in the timeline."""
    room_id = alice.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}])
    original = alice.send(room_id, "lobelia")
    bob.join(room_id).ok()
    edit = alice.send(room_id, {"msgtype": "m.text", "body": "* wisteria", "m.new_content": {
        "msgtype": "m.text", "body": "wisteria"}, "m.relates_to": {"rel_type": "m.replace", "event_id": original}})
    later = alice.send(room_id, "later")
    assert found(alice, "wisteria", order_by=order_by) == [original]
    answer = search(bob, "wisteria", order_by=order_by, event_context={})
    result, = answer["results"]
    assert result["result"]["event_id"] == edit and answer["count"] == 1
    assert later in [event["event_id"] for event in result["context"]["events_after"]]
    assert original not in [event["event_id"] for event in result["context"]["events_before"]]
    assert "lobelia" not in json.dumps(answer) and found(bob, "lobelia") == []
    alice.redact(room_id, edit).ok()
    assert found(bob, "wisteria") == [] and found(bob, "lobelia") == []


@pytest.mark.parametrize("order_by", ["recent", "rank"])
def test_search__edit_that_may_not_be_seen__the_original_is_found_by_what_may(alice, bob, order_by):
    room_id = alice.create_room(preset="public_chat")

    def edit(text):
        alice.send(room_id, {"msgtype": "m.text", "body": "* " + text, "m.new_content": {"msgtype": "m.text", "body": text},
                             "m.relates_to": {"rel_type": "m.replace", "event_id": original}})
    original = alice.send(room_id, "aubrieta")
    alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "joined"})
    edit("verbena")
    bob.join(room_id).ok()
    assert found(alice, "verbena", order_by=order_by) == [original] and found(alice, "aubrieta", order_by=order_by) == []
    answer = search(bob, "aubrieta", order_by=order_by)
    assert [item["result"]["event_id"] for item in answer["results"]] == [original] and answer["count"] == 1
    assert "verbena" not in json.dumps(answer) and found(bob, "verbena", order_by=order_by) == []
    edit("gentian")
    assert found(bob, "gentian", order_by=order_by) == [original]
    assert found(bob, "aubrieta", order_by=order_by) == [] and found(bob, "verbena", order_by=order_by) == []


def test_search__visibility_changes__each_time_counts(alice, bob):
    room_id = alice.create_room(preset="public_chat")
    first = alice.send(room_id, "hyacinth one")
    alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "joined"})
    alice.send(room_id, "hyacinth two")
    alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "shared"})
    third = alice.send(room_id, "hyacinth three")
    bob.join(room_id).ok()
    bob.leave(room_id).ok()
    alice.send(room_id, "hyacinth four")
    bob.join(room_id).ok()
    last = alice.send(room_id, "hyacinth five")
    ids = found(bob, "hyacinth", order_by="recent")
    assert ids[0] == last and ids[-2:] == [third, first]


# -- bad input

@pytest.mark.parametrize("criteria,errcode", [
    ({}, ("M_MISSING_PARAM", "M_BAD_JSON")),
    ({"search_term": 1}, "M_BAD_JSON"),
    ({"search_term": "x" * 5000}, "M_INVALID_PARAM"),
    ({"search_term": "x", "order_by": "size"}, "M_INVALID_PARAM"),
    ({"search_term": "x", "keys": ["content.secret"]}, "M_INVALID_PARAM"),
    ({"search_term": "x", "keys": "content.body"}, "M_BAD_JSON"),
    ({"search_term": "x", "keys": [1]}, "M_INVALID_PARAM"),
    ({"search_term": "x", "groupings": {"group_by": [{"key": "type"}]}}, "M_INVALID_PARAM"),
    ({"search_term": "x", "filter": {"rooms": "all"}}, "M_BAD_JSON"),
    ({"search_term": "x", "event_context": {"before_limit": -1}}, ("M_BAD_JSON", "M_INVALID_PARAM")),
])
def test_search__bad_criteria__refused(alice, criteria, errcode):
    alice.post("/search", {"search_categories": {"room_events": criteria}}).expect(400, errcode)


@pytest.mark.parametrize("token", ["", "x", "a.1.2.3", "a.1.2.3.-4", "a.99999999999999.1.1.1", "r.1.1.1.1.!", "a.1.1.1.1", "a.1.1.1.1.1.1"])
def test_search__bad_token__refused(alice, token):
    search_reply(alice, "x", token or " ").expect(400, "M_INVALID_PARAM")


def test_search__no_category_no_words_no_token__handled(alice, nobody):
    assert alice.post("/search", {"search_categories": {}}).ok().json == {"search_categories": {}}
    alice.post("/search", {}).expect(400, ("M_MISSING_PARAM", "M_BAD_JSON"))
    nothing = search(alice, "?! '' \\ :* & | ( <->")
    assert nothing["results"] == [] and nothing["count"] == 0
    search_reply(nobody, "x").expect(401, "M_MISSING_TOKEN")


def test_search__restart__index_goes_on(fresh_server):
    from support import accounts
    alice = accounts.register(fresh_server.url)
    room_id = alice.create_room()
    first = alice.send(room_id, "edelweiss")
    fresh_server.kill()
    fresh_server.start()
    alice = type(alice)(fresh_server.url, alice.token, alice.user_id)
    second = alice.send(room_id, "edelweiss again")
    assert found(alice, "edelweiss", order_by="recent") == [second, first]
