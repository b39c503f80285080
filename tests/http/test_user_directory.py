"""Searching people, and rooms shared with them.  Spec: client-server API, "User Directory", "Mutual Rooms"."""
import pytest

from support import accounts
from support.client import of_whole_index, unique


def name_of(client, name, field="displayname"):
    client.put("/profile/%s/%s" % (client.user_id, field), {field: name}).ok()


def search(client, term, **more):
    return of_whole_index(lambda: client.post("/user_directory/search", {"search_term": term, **more})).ok()


def found(client, term, **more):
    return [item["user_id"] for item in search(client, term, **more)["results"]]


def word():
    """A name that nobody else has, of letters only."""
    return "n" + "".join(chr(ord("a") + int(digit, 16)) for digit in unique("").replace("-", ""))


def test_user_directory__shared_room__found_by_name_and_id(alice, bob, shared):
    name = word()
    name_of(bob, "Robert " + name)
    name_of(bob, "mxc://hs/picture", "avatar_url")
    result = search(alice, name)["results"]
    assert result == [{"user_id": bob.user_id, "display_name": "Robert " + name, "avatar_url": "mxc://hs/picture"}]
    assert found(alice, name[:-2].upper()) == [bob.user_id]
    assert found(alice, bob.user_id) == [bob.user_id]
    assert found(alice, "robert " + name) == [bob.user_id]
    assert found(alice, name + "zzz") == []


@pytest.mark.parametrize("name,query", [
    ("陳小明同學%s", "陈小明"), ("王美麗%s", "美丽"), ("王美丽%s", "王美麗"), ("田中ﾋﾛｼ%s", "ヒロシ"),
    ("김민수%s", "민수"), ("O’Brien%s", "obrien"), ("Ｗｉｄｅ Name%s", "wide na"), ("Jones%s", "jone")])
def test_user_directory__names_in_every_script__found(alice, bob, shared, name, query):
    name_of(bob, name % (" " + word()))
    assert bob.user_id in found(alice, query, limit=50)


def test_user_directory__stranger__not_found(alice, bob):
    name = word()
    name_of(bob, name)
    assert found(alice, name) == [] and found(alice, bob.user_id) == []


@pytest.mark.parametrize("state", [
    {"preset": "public_chat"},
    {"initial_state": [{"type": "m.room.history_visibility", "state_key": "",
                        "content": {"history_visibility": "world_readable"}}]}])
def test_user_directory__in_an_open_room__found_until_leaving_or_closing(alice, bob, carol, state):
    name = word()
    name_of(bob, name)
    room_id = bob.create_room(**state)
    assert found(alice, name) == [bob.user_id]
    bob.set_state(room_id, "m.room.join_rules", {"join_rule": "invite"})
    bob.set_state(room_id, "m.room.history_visibility", {"history_visibility": "shared"})
    assert found(alice, name) == []
    bob.set_state(room_id, "m.room.join_rules", {"join_rule": "public"})
    assert found(alice, name) == [bob.user_id]
    bob.leave(room_id).ok()
    assert found(alice, name) == []


def test_sec_5_26__user_directory_after_leaving__not_found_any_more(alice, bob, shared):
    name = word()
    name_of(bob, name)
    assert found(alice, name) == [bob.user_id]
    alice.leave(shared).ok()
    assert found(alice, name) == []


def test_user_directory__only_invited__not_found(alice, bob):
    name = word()
    name_of(bob, name)
    room_id = alice.create_room(invite=[bob.user_id])
    assert found(alice, name) == []
    bob.join(room_id).ok()
    assert found(alice, name) == [bob.user_id]


def test_user_directory__name_changes__only_the_new_one(alice, bob, shared):
    first, second = word(), word()
    name_of(bob, first)
    assert found(alice, first) == [bob.user_id]
    name_of(bob, second)
    assert found(alice, first) == [] and found(alice, second) == [bob.user_id]
    name_of(bob, "")
    assert found(alice, second) == [] and found(alice, bob.user_id) == [bob.user_id]


def test_user_directory__deactivated__not_found(alice, bob, shared):
    name = word()
    name_of(bob, name)
    assert found(alice, name) == [bob.user_id]
    bob.uia("POST", "/account/deactivate").ok()
    assert found(alice, name) == []


def test_user_directory__limit__says_whether_there_are_more(hs, alice):
    name = word()
    room_id = alice.create_room(preset="public_chat")
    for number in range(4):
        client = hs.user()
        name_of(client, "%s %d" % (name, number))
        client.join(room_id).ok()
    answer = search(alice, name, limit=3)
    assert len(answer["results"]) == 3 and answer["limited"] is True
    answer = search(alice, name, limit=4)
    assert len(answer["results"]) == 4 and answer["limited"] is False
    assert [item["display_name"] for item in answer["results"]] == ["%s %d" % (name, n) for n in range(4)]


def test_user_directory__whole_name__comes_first(hs, alice):
    name = word()
    room_id = alice.create_room(preset="public_chat")
    users = [hs.user() for _ in range(3)]
    for client, text in zip(users, ("a " + name, name + "son", name)):
        name_of(client, text)
        client.join(room_id).ok()
    assert found(alice, name) == [users[2].user_id, users[1].user_id, users[0].user_id]


def test_user_directory__oneself__not_found(alice):
    name = word()
    name_of(alice, name)
    alice.create_room(preset="public_chat")
    assert found(alice, name) == []


@pytest.mark.parametrize("body,errcode", [
    ({}, ("M_MISSING_PARAM", "M_BAD_JSON")), ({"search_term": 5}, "M_BAD_JSON"),
    ({"search_term": "x" * 2000}, "M_INVALID_PARAM"),
    ({"search_term": "x", "limit": "many"}, "M_BAD_JSON"), ({"search_term": "x", "limit": -1}, ("M_BAD_JSON", "M_INVALID_PARAM"))])
def test_user_directory__bad_body__refused(alice, body, errcode):
    alice.post("/user_directory/search", body).expect(400, errcode)


def test_user_directory__odd_terms__empty(alice, nobody):
    for term in ("", " ", "'", "\\", "& | !", ":*", "@", "@:"):
        assert found(alice, term) == []
    nobody.post("/user_directory/search", {"search_term": "x"}).expect(401, "M_MISSING_TOKEN")


def test_user_directory__school_option__finds_everybody_also_after_restart(make_server):
    server = make_server(settings={"user_directory.search_all_users": "true", "registration.guests": "true"}).start()
    alice, bob, gone = (accounts.register(server.url) for _ in range(3))
    guest = server.anonymous().post("/register", {}, query={"kind": "guest"}, token=False).ok()["user_id"]
    name = word()
    name_of(bob, name)
    assert found(alice, name) == [bob.user_id]
    assert found(alice, bob.user_id) == [bob.user_id]
    assert found(alice, gone.user_id) == [gone.user_id] and found(alice, guest) == []
    gone.uia("POST", "/account/deactivate").ok()
    assert found(alice, gone.user_id) == []


# -- mutual rooms

def mutual(client, other, **query):
    return client.get("/_matrix/client/v1/mutual_rooms", {"user_id": other, **query})


def test_mutual_rooms__joined_both__listed(alice, bob, shared):
    second = alice.create_room(preset="public_chat")
    alice.create_room(invite=[bob.user_id])
    bob.create_room()
    assert mutual(alice, bob.user_id).ok().json == {"joined": [shared], "count": 1}
    bob.join(second).ok()
    assert mutual(alice, bob.user_id).ok().json == {"joined": sorted([shared, second]), "count": 2}
    bob.leave(shared).ok()
    assert mutual(bob, alice.user_id).ok().json == {"joined": [second], "count": 1}


def test_mutual_rooms__bad_requests__refused(alice, nobody):
    assert mutual(alice, "@nobody:hs.example").ok().json == {"joined": [], "count": 0}
    mutual(alice, alice.user_id).expect(400, "M_INVALID_PARAM")
    for strange in ("nobody", "@:hs.example", "@no body:hs.example", "@nobödy:hs.example"):
        mutual(alice, strange).expect(400, "M_INVALID_PARAM")
    assert mutual(alice, "@NoBody!:hs.example").ok().json == {"joined": [], "count": 0}
    mutual(alice, "@a:b", **{"from": "?"}).expect(400, "M_INVALID_PARAM")
    alice.get("/_matrix/client/v1/mutual_rooms").expect(400, "M_MISSING_PARAM")
    mutual(nobody, alice.user_id).expect(401, "M_MISSING_TOKEN")
