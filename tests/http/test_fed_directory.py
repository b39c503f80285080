"""Who and what was in a room of others before anybody of this server came can be found.  Spec: "User Directory"."""
from support.client import of_whole_index, path_of, unique
from support.remote_room import RemoteRoom


def word():
    return "w" + unique("").replace("-", "")


def found(client, term):
    answer = of_whole_index(lambda: client.post("/user_directory/search", {"search_term": term})).ok()
    return [user["user_id"] for user in answer["results"]]


def test_user_directory__members_from_before__found_by_who_shares_the_room(federated, remote):
    alice, bob = federated.user(), federated.user()
    name = word()
    far = "@%s:%s" % (word(), remote.name)
    room = RemoteRoom(remote, join_rule="invite")
    room.send("m.room.member", {"membership": "invite"}, far)
    room.send("m.room.member", {"membership": "join", "displayname": name + "\u0000"}, far, sender=far)
    room.send("m.room.member", {"membership": "join", "displayname": name}, far, sender=far)
    room.send("m.room.join_rules", {"join_rule": "public"}, "")
    room.serve()
    assert found(alice, name) == []
    alice.post(path_of("join", room.room_id), {}, query={"via": remote.name}).ok()
    assert found(alice, name) == [far]
    assert found(bob, name) == [far]  # the room is public
