"""Accounts that ended with the wish to be erased: who joins later is served redacted copies of their events.

Client-server API, POST /account/deactivate, `erase`: "Users which had visibility on those events prior to the erasure are
still able to see unredacted copies."
"""
import pytest

from support.client import of_whole_index, path_of


def erase(user, wish=True):
    user.uia("POST", "/account/deactivate", {"erase": wish}).ok()


@pytest.fixture
def author(hs):
    return hs.user()


@pytest.fixture
def talk(author, bob):
    """A public room of bob's, and the author's events in it."""
    room = bob.create_room(preset="public_chat")
    author.put(path_of("profile", author.user_id, "displayname"), {"displayname": "Real Name"}).ok()
    author.join(room).ok()
    root, gone = author.send(room, "secret words"), author.send(room, "secret slip")
    author.redact(room, gone, reason="secret reason").ok()
    return room, {
        "root": root,
        "gone": gone,
        "answer": author.send(room, {"msgtype": "m.text", "body": "secret answer",
                                     "m.relates_to": {"rel_type": "m.thread", "event_id": root}}),
        "edit": author.send(room, {"msgtype": "m.text", "body": "* secret edit",
                                   "m.new_content": {"msgtype": "m.text", "body": "secret edit"},
                                   "m.relates_to": {"rel_type": "m.replace", "event_id": root}}),
    }


def everywhere(user, room, events):
    """All that a user is served of a room, but for sections of state, as texts."""
    first = user.login().sync(filter={"room": {"timeline": {"limit": 100}}}).joined(room)
    replies = [user.messages(room, limit=100), user.messages(room, "f", limit=100)]
    replies += [user.event(room, event) for event in events.values()]
    replies.append(user.get(path_of("rooms", room, "context", events["root"]), {"limit": 50}))
    replies.append(user.get("/_matrix/client/v1" + path_of("rooms", room, "relations", events["root"])))
    replies.append(user.get("/_matrix/client/v1" + path_of("rooms", room, "threads")))
    return [str(first.timeline)] + [str({key: value for key, value in reply.ok().json.items() if key != "state"})
                                    for reply in replies]


def test_erased__who_joins_later__gets_redacted_copies_everywhere(hs, author, bob, carol, talk):
    room, events = talk
    erase(author)
    carol.join(room).ok()
    for text in everywhere(carol, room, events):
        assert "secret" not in text and "Real Name" not in text, text
    shown = carol.event(room, events["root"]).ok()
    assert shown["content"] == {} and shown["type"] == "m.room.message" and shown["sender"] == author.user_id
    assert "redacted_because" not in shown["unsigned"], "no redactions are sent"
    bobs = everywhere(bob, room, events)
    assert all("secret" in text for text in bobs), "who saw it before, sees it still"
    assert bob.event(room, events["root"]).ok()["content"]["body"] == "secret words"


def test_deactivated_without_the_wish__nothing_hidden(author, carol, talk):
    room, events = talk
    erase(author, False)
    carol.join(room).ok()
    assert carol.event(room, events["root"]).ok()["content"]["body"] == "secret words"


def test_erased__membership__stays_a_membership(author, carol, talk):
    room, _ = talk
    erase(author)
    carol.join(room).ok()
    members = [event["content"] for event in carol.messages(room, limit=100).ok()["chunk"]
               if event.get("state_key") == author.user_id]
    assert members == [{"membership": "leave"}, {"membership": "join"}]


def test_erased__who_left_before_and_came_back__sees_what_was_said_in_the_own_time(author, bob, carol, talk):
    room, events = talk
    carol.join(room).ok()
    carol.leave(room).ok()
    later = author.send(room, "secret, without carol")
    erase(author)
    carol.join(room).ok()
    assert carol.event(room, events["root"]).ok()["content"]["body"] == "secret words"
    assert carol.event(room, later).ok()["content"] == {}
    assert bob.event(room, later).ok()["content"]["body"] == "secret, without carol"


def test_erased__world_readable_room__redacted_for_who_was_never_in(author, bob, carol, talk):
    room, _ = talk
    bob.set_state(room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    event = author.send(room, "secret, for everybody")
    erase(author)
    assert carol.event(room, event).ok()["content"] == {}
    assert bob.event(room, event).ok()["content"]["body"] == "secret, for everybody"


def test_erased__search__does_not_find_what_is_not_shown(author, bob, carol, talk):
    room, _ = talk
    ask = {"search_categories": {"room_events": {"search_term": "secret", "filter": {"rooms": [room]}}}}
    erase(author)
    carol.join(room).ok()
    found = [of_whole_index(lambda user=user: user.post("/search", ask)).ok()["search_categories"]["room_events"]["results"]
             for user in (bob, carol)]
    assert found[0] and found[1] == []


def test_erased__after_a_restart__still_hidden(make_server):
    from support import accounts
    server = make_server().start()
    author, owner, late = (accounts.register(server.url) for _ in range(3))
    room = owner.create_room(preset="public_chat")
    author.join(room).ok()
    event = author.send(room, "secret words")
    erase(author)
    server.kill()
    server.start()
    for user in (owner, late):
        user.http.drop()
    late.join(room).ok()
    assert late.event(room, event).ok()["content"] == {}
    assert owner.event(room, event).ok()["content"]["body"] == "secret words"
