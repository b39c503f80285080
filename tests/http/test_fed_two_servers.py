"""Two Belfry servers that share rooms: what users of one see of what users of the other do."""
import pytest

from support.client import path_of, unique
from support.keys import Device, query
from support.server import FederatedServer

pytestmark = pytest.mark.tsan
QUICK = {"federation.retry_first": "200ms", "federation.retry_longest": "1s"}


@pytest.fixture(scope="module")
def servers(authority):
    pair = [FederatedServer(authority=authority, settings=QUICK).start() for _ in range(2)]
    yield pair
    for server in pair:
        server.destroy()


@pytest.fixture
def pair(servers):
    """(user of the first, user of the second, room of the first that both are in)."""
    ann, ben = servers[0].user(), servers[1].user()
    room = ann.create_room(preset="public_chat")
    join(ben, room, servers[0])
    return ann, ben, room


def join(user, room, server):
    return user.post(path_of("join", room), {}, query={"server_name": server.server_name, "via": server.server_name}).ok()


def bodies(client, room):
    return [e["content"].get("body") for e in client.history(room, limit=100) if e["type"] == "m.room.message"]


def until_message(watch, room, body):
    answer, _ = watch.until(lambda a: body in [e["content"].get("body") for e in a.joined(room).timeline])
    return answer


def test_messages__in_both_directions__seen_by_the_other(pair):
    ann, ben, room = pair
    of_ann, of_ben = ann.watch(), ben.watch()
    ann.send(room, "from ann")
    until_message(of_ben, room, "from ann")
    ben.send(room, "from ben")
    until_message(of_ann, room, "from ben")


def test_messages__many_from_both_at_once__all_arrive(pair):
    ann, ben, room = pair
    of_ann, of_ben = ann.watch(), ben.watch()
    for n in range(20):
        ann.send(room, "a%d" % n)
        ben.send(room, "b%d" % n)
    wanted = {"%s%d" % (who, n) for who in "ab" for n in range(20)}
    for client, watch in ((ann, of_ann), (ben, of_ben)):
        watch.until(lambda _, client=client: wanted <= set(bodies(client, room)), 30)


def test_typing_and_receipts__of_the_other_server__seen(pair):
    ann, ben, room = pair
    of_ann, of_ben = ann.watch(), ben.watch()
    event_id = ann.send(room, "read this")
    until_message(of_ben, room, "read this")
    ben.typing(room)
    of_ann.until(lambda a: any(e["type"] == "m.typing" and ben.user_id in e["content"]["user_ids"]
                               for e in a.joined(room).ephemeral))
    ben.receipt(room, event_id)
    of_ann.until(lambda a: any(ben.user_id in e["content"].get(event_id, {}).get("m.read", {})
                               for e in a.joined(room).ephemeral if e["type"] == "m.receipt"))
    ben.typing(room, False)
    of_ann.until(lambda a: any(e["type"] == "m.typing" and e["content"]["user_ids"] == []
                               for e in a.joined(room).ephemeral))


def test_presence__of_the_other_server__seen(pair):
    ann, ben, _ = pair
    watch = ann.watch()
    ben.put(path_of("presence", ben.user_id, "status"), {"presence": "unavailable", "status_msg": "lunch"}).ok()
    watch.until(lambda a: any(e["sender"] == ben.user_id and e["content"].get("status_msg") == "lunch"
                              for e in a.get("presence", {}).get("events", [])))


def test_to_device__to_the_other_server__arrives_once(pair):
    ann, ben, room = pair
    watch = ben.watch()
    txn = unique("t")
    for _ in range(2):
        ann.put(path_of("sendToDevice", "m.test", txn), {"messages": {ben.user_id: {ben.device_id: {"n": 1}}}}).ok()
    ann.put(path_of("sendToDevice", "m.test", unique("t")), {"messages": {ben.user_id: {"*": {"n": 2}}}}).ok()
    got = []

    def all_there(answer):
        got.extend(e["content"]["n"] for e in answer.get("to_device", {}).get("events", []))
        return 2 in got
    watch.until(all_there)
    assert got == [1, 2]


def test_to_device__as_deep_as_a_client_may__arrives(pair):
    """A request may have 100 levels: what carries the message from server to server does not count."""
    ann, ben, room = pair
    watch = ben.watch()

    def message(levels):
        content = {"levels": levels}
        for _ in range(levels - 1):
            content = {"in": content}
        return {"messages": {ben.user_id: {ben.device_id: content}}}
    ann.put(path_of("sendToDevice", "m.test", unique("t")), message(98)).expect(400)
    for levels in (97, 1):
        ann.put(path_of("sendToDevice", "m.test", unique("t")), message(levels)).ok()
    got = []

    def all_there(answer):
        got.extend(e["content"] for e in answer.get("to_device", {}).get("events", []))
        return {"levels": 1} in got
    watch.until(all_there)
    assert got == [message(levels)["messages"][ben.user_id][ben.device_id] for levels in (97, 1)]


def test_device_lists__of_the_other_server__change_is_told_and_keys_are_found(pair):
    ann, ben, room = pair
    watch = ann.watch()
    device = Device(ben)
    device.upload()
    watch.until(lambda a: ben.user_id in a.get("device_lists", {}).get("changed", []))
    found = query(ann, ben.user_id)["device_keys"][ben.user_id]
    assert found[ben.device_id]["keys"][device.signing.id] == device.signing.public


def test_server__stopped_for_a_while__gets_what_it_missed(pair, servers):
    ann, ben, room = pair
    watch = ben.watch()
    servers[1].terminate()
    for n in range(15):
        ann.send(room, "missed %d" % n)
    servers[1].start()
    wanted = {"missed %d" % n for n in range(15)}
    watch.until(lambda _: wanted <= set(bodies(ben, room)), 60)


def test_leave__of_the_only_user_there__nothing_more_goes_there(pair):
    ann, ben, room = pair
    watch = ann.watch()
    ben.leave(room).ok()
    watch.until(lambda a: any(e.get("state_key") == ben.user_id and e["content"]["membership"] == "leave"
                              for e in a.joined(room).timeline))
    ann.send(room, "alone")
    assert "alone" not in bodies(ben, room)


def test_third_server__joins_by_one__the_other_hears_of_it_and_all_talk(pair, servers, make_federated):
    """Who takes a join in passes it on; afterwards each server sends to all others by itself."""
    ann, ben, room = pair
    third = make_federated(settings=QUICK).start()
    cat = third.user()
    watch = ben.watch()
    join(cat, room, servers[0])
    watch.until(lambda a: any(e.get("state_key") == cat.user_id and e["content"]["membership"] == "join"
                              for e in a.joined(room).timeline))
    of_ann, of_cat = ann.watch(), cat.watch()
    cat.send(room, "from cat")
    until_message(watch, room, "from cat")
    until_message(of_ann, room, "from cat")
    ben.send(room, "from ben")
    until_message(of_cat, room, "from ben")
    cat.leave(room)
    for each in (watch, of_ann):
        each.until(lambda a: any(e.get("state_key") == cat.user_id and e["content"]["membership"] == "leave"
                                 for e in a.joined(room).timeline))


def test_kick__of_the_only_user_there__its_server_is_told(pair):
    ann, ben, room = pair
    watch = ben.watch()
    ann.kick(room, ben).ok()
    answer, _ = watch.until(lambda a: room in a.rooms("leave"))
    (event,) = [e for e in answer.left(room).timeline if e.get("state_key") == ben.user_id]
    assert event["sender"] == ann.user_id and event["content"]["membership"] == "leave"


def restricted_room(ann, servers, version="10"):
    """(hall, room that lets in who is in the hall), both ann's and at the first server."""
    hall = ann.create_room(preset="public_chat")
    rules = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": hall}]}
    return hall, ann.create_room(preset="public_chat", room_version=version, initial_state=[
        {"type": "m.room.join_rules", "state_key": "", "content": rules}])


def test_restricted__joined_and_joined_again_for_a_name__who_let_in_is_not_taken_from_the_client(servers):
    """Only the server that lets in says so: a client's word would make an event that nobody has signed."""
    ann, ben = servers[0].user(), servers[1].user()
    hall, room = restricted_room(ann, servers)
    join(ben, hall, servers[0])
    join(ben, room, servers[0])
    ben.put_state(room, "m.room.member", {"membership": "join", "displayname": "Ben",
                                          "join_authorised_via_users_server": "unused"}, ben.user_id).ok()
    content = ben.get_state(room, "m.room.member", ben.user_id).ok().json
    assert content == {"membership": "join", "displayname": "Ben"}


def test_redact__event_that_has_not_come_here__allowed_to_who_has_the_power(pair):
    """It goes to the others, whose clients hear of it when the event has come."""
    ann, ben, room = pair
    watch = ben.watch()
    reply = ann.redact(room, "$" + "A" * 43).ok()
    ann.event(room, reply["event_id"]).ok()
    told = [event["event_id"] for event in watch.timeline_until(room, ann.send(room, "on"))]
    assert reply["event_id"] not in told
    ben.event(room, reply["event_id"]).expect(404, "M_NOT_FOUND")
    ben.redact(room, "$" + "A" * 43).expect(403, "M_FORBIDDEN")
    ann.redact(room, "$" + "A" * 600).expect(404, "M_NOT_FOUND")


def test_device_lists__user_comes_into_a_room__own_other_devices_hear_of_it(servers):
    ann, ben = servers[0].user(), servers[1].user()
    room = ann.create_room(preset="public_chat")
    watch = ben.watch()
    join(ben, room, servers[0])
    watch.until(lambda a: {ann.user_id, ben.user_id} <= set(a["device_lists"]["changed"]))


def test_invite__withdrawn_by_a_kick__the_other_server_forgets_it(pair, servers):
    ann, _, _ = pair
    eve = servers[1].user()
    room = ann.create_room(preset="private_chat")
    watch = eve.watch()
    ann.invite(room, eve)
    watch.until(lambda a: room in a.rooms("invite"))
    ann.kick(room, eve).ok()
    watch.until(lambda a: room in a.rooms("leave"))


def test_join__again_by_servers_that_the_client_names__only_these_are_asked(pair):
    """Spec: POST /join, `via`: "the servers to attempt to join the room through". Named nobody, those are that are known."""
    ann, ben, room = pair
    ben.leave(room).ok()
    nobody = {"via": "127.0.0.1:1"}
    reply = ben.post(path_of("join", room), {}, query=nobody)
    assert reply.status >= 400, reply
    assert room not in ben.sync().rooms("join")
    ben.post(path_of("join", room), {}).ok()


def test_history__of_before_the_join_with_the_invite_in_it__shown(servers):
    """The invite was kept before this server was in the room; then it came once more, as history."""
    ann, ben = servers[0].user(), servers[1].user()
    room = ann.create_room(preset="public_chat", invite=[ben.user_id])
    ids = [ann.send(room, "number %d" % n) for n in range(20)]
    join(ben, room, servers[0])
    since = ben.sync().since
    chunk = ben.messages(room, limit=6, **{"from": since}).ok()["chunk"]
    assert [event["event_id"] for event in chunk[1:]] == ids[:-6:-1]
    assert ids[::-1] == [event["event_id"] for event in ben.history(room, limit=5) if event["type"] == "m.room.message"]
    members = [event["content"]["membership"] for event in ben.history(room) if event.get("state_key") == ben.user_id]
    assert members == ["join", "invite"]
