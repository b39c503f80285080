"""Policy servers of rooms: what users of this server send.  What others send is in test_fed_policy_server_in.py.
Spec: server-server API, "Policy Servers"; client-server API, "m.room.policy"."""
import concurrent.futures

import pytest

from support import accounts
from support.client import Client, path_of, seconds, unique
from support.federated_people import alice  # noqa: F401
from support.handshake import VERSIONS, Guest, countersign
from support.inbox import Inbox
from support.policy_server import PATH, PolicyServer, refusal
from support.server import wait_until
from support.shared_room import Hold

PUBLIC = {"preset": "public_chat"}


def no_spam(pdu):
    return refusal("The message appears to contain possible spam") if "spam" in str(pdu["content"]) else None


@pytest.fixture
def policy(remote):
    return PolicyServer(remote)


def guarded(user, federated, policy, **options):
    """A room of a user that uses the policy server."""
    room = user.create_room(**{**PUBLIC, **options})
    Guest(policy.remote, federated, room).join("@watch:" + policy.remote.name)
    user.set_state(room, "m.room.policy", policy.content)
    return room


@pytest.fixture
def room(alice, federated, policy):
    return guarded(alice, federated, policy)


def pdu_of(remote, federated, event_id):
    return remote.send(federated, "GET", path_of("event", event_id)).ok()["pdus"][0]


def texts(user, room):
    return [event["content"].get("body") for event in user.history(room) if event["type"] == "m.room.message"]


# -- what it signs

@pytest.mark.parametrize("version", VERSIONS)
def test_send__every_version__signed_before_anybody_has_it(federated, remote, alice, version):
    policy = PolicyServer(remote, version)
    room = guarded(alice, federated, policy, room_version=version)
    event_id = alice.send(room, "hello")
    assert policy.bodies() == ["hello"]
    asked = policy.asked[-1]
    assert set(asked["signatures"]) == {federated.server_name} and "hashes" in asked
    pdu = pdu_of(remote, federated, event_id)
    assert policy.has_signed(pdu) and federated.server_name in pdu["signatures"]


def test_send__asked_by_a_signed_request(federated, remote, alice, policy, room):
    from signedjson.key import decode_verify_key_bytes
    from unpaddedbase64 import decode_base64
    alice.send(room, "hello")
    ask = policy.requests[-1]
    key_id = ask.authorization["key"]
    keys = remote.raw(federated, "GET", "/_matrix/key/v2/server").ok()
    key = decode_verify_key_bytes(key_id, decode_base64(keys["verify_keys"][key_id]["key"]))
    assert ask.is_signed_by(federated.server_name, key, remote.name)


def test_send__signed_event__reaches_others_with_its_signature(remote, alice, policy, room):
    inbox = Inbox(remote)
    event_id = alice.send(room, "hello")
    inbox.until(lambda i: i.bodies() == ["hello"])
    assert policy.has_signed(inbox.pdus()[-1])
    assert alice.event(room, event_id).ok()["content"]["body"] == "hello"


def test_send__all_kinds_of_events__asked_for_each(federated, alice, policy, room):
    bob = federated.user()
    message = alice.send(room, "hello")
    alice.redact(room, message).ok()
    alice.put_state(room, "m.room.topic", {"topic": "x"}).ok()
    alice.invite(room, bob).ok()
    bob.join(room).ok()
    alice.kick(room, bob).ok()
    alice.ban(room, bob).ok()
    alice.unban(room, bob).ok()
    alice.put(path_of("profile", alice.user_id, "displayname"), {"displayname": unique("Alice")}).ok()
    alice.put_state(room, "m.room.guest_access", {"guest_access": "forbidden"}).ok()
    alice.leave(room).ok()
    assert [(pdu["type"], pdu["content"].get("membership")) for pdu in policy.asked] == [
        ("m.room.message", None), ("m.room.redaction", None), ("m.room.topic", None), ("m.room.member", "invite"),
        ("m.room.member", "join"), ("m.room.member", "leave"), ("m.room.member", "ban"), ("m.room.member", "leave"),
        ("m.room.member", "join"), ("m.room.guest_access", None), ("m.room.member", "leave")]


def delay(user, room, body, ms=100):
    return user.put(user.room(room, "send", "m.room.message", unique("t")), {"msgtype": "m.text", "body": body},
                    query={"org.matrix.msc4140.delay": str(ms)}, check=False).ok()["delay_id"]


def test_delayed_events__due__signed_and_sent_once_each(alice, policy, room):
    """All of a meeting that has ended leave at once: each does not wait for a pause."""
    bodies = ["%02d" % number for number in range(12)]
    for body in bodies:
        delay(alice, room, body)
    wait_until(lambda: sorted(texts(alice, room)) == bodies, 30, "all")
    assert sorted(policy.bodies()) == bodies
    assert alice.get("/_matrix/client/unstable/org.matrix.msc4140/delayed_events").ok()["delayed_events"] == []


@pytest.mark.parametrize("action", ["cancel", "restart", "send"])
def test_delayed_event__put_off_cancelled_or_sent_while_it_is_signed__nothing_more_is_tried(make_federated, remote, policy, action):
    """Each further try would be a commit that fails, and loads the room anew."""
    server = make_federated().start()
    user = accounts.register(server.url)
    room = guarded(user, server, policy)
    hold = Hold(remote, "POST", PATH)
    where = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
    delay_id = delay(user, room, "later", int(2000 * seconds(1)))
    assert hold.waiting.wait(seconds(30))
    if action == "send":
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sent = pool.submit(user.post, "%s/%s/send" % (where, delay_id))
            wait_until(lambda: len([ask for ask in remote.asked if ask.path == PATH]) == 2, what="both are being signed")
            hold.release()
            assert sent.result().status in (200, 404)
    else:
        user.post("%s/%s/%s" % (where, delay_id, action)).ok()
        hold.release()
    user.send(room, "after")
    if action == "restart":
        user.post("%s/%s/cancel" % (where, delay_id)).ok()
    assert sorted(texts(user, room)) == ["after"] + ["later"] * (action == "send")
    server.terminate()  # once it has ended with this one
    assert "delayed.not_sent" not in server.log() and "rounds.failed" not in server.log()


def test_delayed_event__policy_server_hangs__keeps_no_stop_waiting_and_is_sent_afterwards(make_federated, remote, policy):
    server = make_federated().start()
    user = accounts.register(server.url)
    room = guarded(user, server, policy)
    hold = Hold(remote, "POST", PATH)
    delay(user, room, "later")
    assert hold.waiting.wait(seconds(30))
    server.terminate()
    assert "delayed.not_sent" not in server.log()  # it did not wait until the question had failed
    hold.release()
    server.start()
    user = Client(server.url, user.token, user.user_id)
    wait_until(lambda: texts(user, room) == ["later"], 30, "the message")


def test_policy_event__not_asked_for__but_its_namesakes_are(alice, policy, room):
    alice.set_state(room, "m.room.policy", {**policy.content, "again": 1})
    assert policy.asked == []
    alice.put_state(room, "m.room.policy", policy.content, "other").ok()
    alice.send(room, policy.content, "m.room.policy")
    assert [(pdu["type"], pdu.get("state_key")) for pdu in policy.asked] == [
        ("m.room.policy", "other"), ("m.room.policy", None)]


@pytest.mark.parametrize("change", [
    lambda content: {}, lambda content: {"via": content["via"]}, lambda content: {"public_keys": content["public_keys"]},
    lambda content: {**content, "via": 7}, lambda content: {**content, "via": "nobody.example"},
    lambda content: {**content, "public_keys": []}, lambda content: {**content, "public_keys": {"ed25519": 7}}],
    ids=["empty", "no keys", "no via", "via is no string", "nobody there", "keys are no object", "key is no string"])
def test_send__content_that_names_none__not_asked(alice, policy, room, change):
    alice.set_state(room, "m.room.policy", change(policy.content))
    alice.send(room, "hello")
    assert policy.asked == []


def test_send__policy_server_has_left__not_asked(federated, remote, alice, policy, room):
    guest = Guest(remote, federated, room)
    guest.enter("leave", "@watch:" + remote.name).ok()
    asked = len(policy.asked)  # the leaving itself is looked at
    alice.send(room, "hello")
    assert len(policy.asked) == asked


def test_send__key_in_the_room_has_changed__old_one_does_not_count(alice, policy, room):
    policy.rotate()
    alice.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "x"}).expect(403, "M_FORBIDDEN")
    alice.set_state(room, "m.room.policy", policy.content)
    alice.send(room, "hello")
    assert texts(alice, room) == ["hello"]


def test_send__key_that_is_none__refused_until_it_is_mended(alice, policy, room):
    alice.set_state(room, "m.room.policy", {**policy.content, "public_keys": {"ed25519": "AAAA"}})
    alice.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "x"}).expect(403, "M_FORBIDDEN")
    alice.set_state(room, "m.room.policy", policy.content)
    alice.send(room, "hello")


def test_send__this_server_is_named__refused_until_it_is_mended(federated, alice, policy):
    room = alice.create_room()
    alice.set_state(room, "m.room.policy", {**policy.content, "via": federated.server_name})
    alice.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "x"}).expect(404, "M_NOT_FOUND")
    alice.set_state(room, "m.room.policy", {})
    alice.send(room, "hello")


# -- transactions, and many at once

def test_send__same_transaction__asked_once(alice, policy, room):
    watch = alice.watch()
    txn = unique("t")
    content = {"msgtype": "m.text", "body": "once"}
    first = alice.put_event(room, "m.room.message", content, txn).ok()["event_id"]
    assert alice.put_event(room, "m.room.message", content, txn).ok()["event_id"] == first
    event = watch.timeline_until(room, first)[-1]
    assert event["unsigned"]["transaction_id"] == txn
    assert policy.bodies() == ["once"]


def test_send__same_transaction_while_it_is_asked__one_event(alice, policy, room, remote):
    hold = Hold(remote, "POST", PATH)
    txn = unique("t")
    content = {"msgtype": "m.text", "body": "once"}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(alice.put_event, room, "m.room.message", content, txn) for _ in range(2)]
        wait_until(lambda: len([ask for ask in remote.asked if ask.path == PATH]) == 2, what="both ask")
        hold.release()
        ids = {task.result().ok()["event_id"] for task in sent}
    assert len(ids) == 1 and texts(alice, room) == ["once"]


def test_send__many_at_once__all_arrive(federated, alice, policy, room):
    users = [federated.user() for _ in range(3)]
    for user in users:
        user.join(room).ok()
    bodies = ["m%d" % number for number in range(24)]

    def send(number):
        reply = None
        while reply is None or reply.status == 429:
            reply = users[number % 3].put_event(room, "m.room.message", {"msgtype": "m.text", "body": bodies[number]})
        return reply.ok()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(send, range(24)))
    assert sorted(texts(alice, room)) == sorted(bodies)


# -- what it refuses

def test_send__refused__its_words_for_the_client_and_nothing_sent(remote, alice, policy, room):
    inbox = Inbox(remote)
    policy.verdict = no_spam
    reply = alice.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "spam"}).expect(400, "M_FORBIDDEN")
    assert reply["error"] == "The message appears to contain possible spam"
    alice.send(room, "good")
    assert texts(alice, room) == ["good"]
    inbox.until(lambda i: "good" in i.bodies())
    assert inbox.bodies() == ["good"]


@pytest.mark.parametrize("said, status, errcode", [
    (refusal("no", status=403), 403, "M_FORBIDDEN"), (refusal("bad", "M_BAD_JSON"), 400, "M_BAD_JSON"),
    (refusal("where", "M_NOT_FOUND", 404), 404, "M_NOT_FOUND"),
    (refusal("what", "M_UNRECOGNIZED", 404), 404, "M_UNRECOGNIZED"),
    (refusal("who", "M_UNKNOWN_TOKEN", 401), 403, "M_FORBIDDEN"), (refusal("own", "M_OWN", 418), 403, "M_FORBIDDEN")])
def test_send__other_refusals__as_far_as_they_concern_the_client(alice, policy, room, said, status, errcode):
    policy.verdict = lambda pdu: said
    reply = alice.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "x"}).expect(status, errcode)
    assert reply["error"] == said[1]["error"]


def test_send__too_much_for_it__told_when_to_come_again(alice, policy, room):
    policy.verdict = lambda pdu: refusal("slow down", "M_LIMIT_EXCEEDED", 429, retry_after_ms=1234)
    reply = alice.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "x"}).expect(429, "M_LIMIT_EXCEEDED")
    assert reply["retry_after_ms"] == 1234
    policy.verdict = lambda pdu: None
    alice.send(room, "hello")


@pytest.mark.parametrize("answer", [{}, [], {"x": 1}, {"NAME": {}}, {"NAME": {"ed25519:policy_server": 7}},
                                    {"NAME": {"ed25519:policy_server": "AAAA"}}, {"NAME": {"ed25519:k1": "AAAA"}}])
def test_send__no_signature_in_its_answer__refused(remote, alice, policy, room, answer):
    named = {remote.name if key == "NAME" else key: value for key, value in answer.items()} if answer else answer
    policy.verdict = lambda pdu: (200, named)
    alice.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "x"}).expect(403, "M_FORBIDDEN")
    assert texts(alice, room) == []


def test_send__signature_of_another_event__refused(alice, policy, room):
    alice.send(room, "good")
    first = policy.signature(policy.asked[-1])
    policy.verdict = lambda pdu: (200, first)
    alice.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "x"}).expect(403, "M_FORBIDDEN")


def test_join__refused__user_is_not_in_the_room(federated, alice, policy, room):
    bob = federated.user()
    policy.verdict = lambda pdu: refusal("not you") if pdu["content"].get("membership") == "join" else None
    bob.join(room).expect(400, "M_FORBIDDEN")
    assert ("m.room.member", bob.user_id) not in alice.state(room)


def test_profile__refused_in_the_room__changed_all_the_same(alice, policy, room):
    policy.verdict = lambda pdu: refusal("keep your name")
    name = unique("Alice")
    alice.put(path_of("profile", alice.user_id, "displayname"), {"displayname": name}).ok()
    assert alice.get(path_of("profile", alice.user_id, "displayname")).ok()["displayname"] == name
    assert alice.state(room)[("m.room.member", alice.user_id)]["content"].get("displayname") != name


# -- invites, aliases, upgrades

def test_invite__of_another_servers_user__signed_before_that_server_has_it(make_remote, alice, policy, room):
    other = make_remote()
    other.on("PUT", r"/_matrix/federation/v2/invite/.*", lambda ask: countersign(other, ask))
    alice.invite(room, "@yan:" + other.name).ok()
    sent = other.next("PUT", r"/_matrix/federation/v2/invite/.*").json["event"]
    assert policy.has_signed(sent) and len(policy.asked) == 1


def test_invite__of_the_policy_servers_own_user__both_signatures_stay(federated, remote, alice, policy, room):
    remote.on("PUT", r"/_matrix/federation/v2/invite/.*", lambda ask: (
        200, {"event": _only_mine(countersign(remote, ask)[1]["event"], remote)}))
    yan = "@yan:" + remote.name
    alice.invite(room, yan).ok()
    assert len(policy.asked) == 1
    pdu = pdu_of(remote, federated, alice.state(room)[("m.room.member", yan)]["event_id"])
    assert policy.has_signed(pdu) and remote.key_id in pdu["signatures"][remote.name]


def _only_mine(event, remote):
    event["signatures"] = {remote.name: {remote.key_id: event["signatures"][remote.name][remote.key_id]}}
    return event


def test_invite__refused__other_server_never_hears_of_it(make_remote, alice, policy, room):
    other = make_remote()
    policy.verdict = lambda pdu: refusal("not that one")
    alice.invite(room, "@yan:" + other.name).expect(400, "M_FORBIDDEN")
    assert [ask for ask in other.asked if "/invite/" in ask.path] == []


def test_alias__room_refuses_to_let_it_go__stays(federated, alice, policy, room):
    alias = "#%s:%s" % (unique("a"), federated.server_name)
    alice.put(path_of("directory", "room", alias), {"room_id": room}).ok()
    alice.put_state(room, "m.room.canonical_alias", {"alias": alias}).ok()
    policy.verdict = lambda pdu: refusal("keep it")
    alice.delete(path_of("directory", "room", alias)).expect(400, "M_FORBIDDEN")
    assert alice.get(path_of("directory", "room", alias)).ok()["room_id"] == room
    policy.verdict = lambda pdu: None
    alice.delete(path_of("directory", "room", alias)).ok()
    alice.get(path_of("directory", "room", alias)).expect(404)
    assert alice.get_state(room, "m.room.canonical_alias").ok().json == {}


def test_upgrade__tombstone_refused__no_new_room(alice, policy, room):
    policy.verdict = lambda pdu: refusal("stay") if pdu["type"] == "m.room.tombstone" else None
    alice.post(alice.room(room, "upgrade"), {"new_version": "12"}).expect(400, "M_FORBIDDEN")
    assert ("m.room.tombstone", "") not in alice.state(room)
    assert alice.get("/joined_rooms").ok()["joined_rooms"] == [room]


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize("how", ["leaves", "is demoted"])
def test_upgrade__power_lost_while_the_tombstone_is_signed__no_new_room(federated, alice, policy, room, version, how):
    bob = federated.user()
    bob.join(room).ok()
    levels = alice.get_state(room, "m.room.power_levels").ok().json
    alice.set_state(room, "m.room.power_levels", {**levels, "users": {bob.user_id: 150}})

    def lose(pdu):
        if pdu["type"] == "m.room.tombstone" and how == "leaves":
            bob.post(bob.room(room, "leave")).ok()
        elif pdu["type"] == "m.room.tombstone":
            alice.set_state(room, "m.room.power_levels", levels)

    policy.verdict = lose
    bob.post(bob.room(room, "upgrade"), {"new_version": version}).expect(403, "M_FORBIDDEN")
    assert bob.get("/joined_rooms").ok()["joined_rooms"] == ([] if how == "leaves" else [room])


@pytest.mark.parametrize("version", ["11", "12"])
def test_upgrade__twice_at_once__the_first_counts_and_its_maker_is_told_of_it_again(federated, alice, policy, room, version):
    bob, made = federated.user(), []
    bob.join(room).ok()
    levels = alice.get_state(room, "m.room.power_levels").ok().json
    alice.set_state(room, "m.room.power_levels", {**levels, "users": {bob.user_id: 150}})

    def while_signed(pdu):
        if pdu["type"] == "m.room.tombstone" and pdu["sender"] == bob.user_id and not made:
            made.append(None)
            made[0] = alice.post(alice.room(room, "upgrade"), {"new_version": version}).ok()["replacement_room"]
        if pdu["type"] == "m.room.tombstone" and pdu["sender"] == alice.user_id and len(made) == 1:
            made.append(None)
            made[1] = alice.login().post(alice.room(room, "upgrade"), {"new_version": version}).ok()["replacement_room"]

    policy.verdict = while_signed
    bob.post(bob.room(room, "upgrade"), {"new_version": version}).expect(400, "M_BAD_STATE")
    assert len(made) == 2 and made[0] == made[1]
    assert alice.get_state(room, "m.room.tombstone").ok()["replacement_room"] == made[0]
    assert sorted(alice.get("/joined_rooms").ok()["joined_rooms"]) == sorted([room, made[0]])
    assert bob.get("/joined_rooms").ok()["joined_rooms"] == [room]


@pytest.mark.parametrize("version", ["11", "12"])
def test_upgrade__signed__old_room_leads_to_the_new_one(federated, remote, alice, policy, room, version):
    alias = "#%s:%s" % (unique("a"), federated.server_name)
    alice.put(path_of("directory", "room", alias), {"room_id": room}).ok()
    alice.put_state(room, "m.room.canonical_alias", {"alias": alias}).ok()
    new = alice.post(alice.room(room, "upgrade"), {"new_version": version}).ok()["replacement_room"]
    state = alice.state(room)
    assert state[("m.room.tombstone", "")]["content"]["replacement_room"] == new
    assert alice.get(path_of("directory", "room", alias)).ok()["room_id"] == new
    asked = [pdu["type"] for pdu in policy.asked]
    assert asked[-3:] == ["m.room.tombstone", "m.room.canonical_alias", "m.room.power_levels"]
    for kind in ("m.room.tombstone", "m.room.canonical_alias", "m.room.power_levels"):
        assert policy.has_signed(pdu_of(remote, federated, state[(kind, "")]["event_id"]))
    # In the new room nobody of the policy server is, so it is not used there.
    assert alice.get_state(new, "m.room.policy").ok().json == policy.content
    count = len(policy.asked)
    alice.send(new, "hello")
    assert len(policy.asked) == count


# -- when it is away

def test_send__away__told_so_and_left_alone_and_the_room_can_do_without_it(alice, policy, room):
    policy.verdict = lambda pdu: (500, {"errcode": "M_UNKNOWN", "error": "broken"})
    message = {"msgtype": "m.text", "body": "x"}
    alice.put_event(room, "m.room.message", message).expect(502)
    assert len(policy.asked) == 1

    def left_alone():
        """For two seconds at first, which may be over, and by each process for itself; after each further failure for twice as long."""
        asked = len(policy.asked)
        alice.put_event(room, "m.room.message", message).expect(502)
        return len(policy.asked) == asked
    wait_until(left_alone, 60, "a message for which it is not asked")
    alice.set_state(room, "m.room.policy", {})
    alice.send(room, "free")
    assert texts(alice, room) == ["free"]


@pytest.mark.one_process("how many wait for a policy server is counted by each process")
def test_send__hangs__harms_no_other_room_and_few_wait(federated, make_remote, alice, policy, room, remote):
    plain = alice.create_room()
    guarded_by_other = guarded(alice, federated, PolicyServer(make_remote()))
    hold = Hold(remote, "POST", PATH)
    message = {"msgtype": "m.text", "body": "held"}

    def asks():
        return len([ask for ask in remote.asked if ask.path == PATH])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(alice.put_event, room, "m.room.message", message) for _ in range(4)]
        wait_until(lambda: asks() == 4, what="four wait")
        # Nobody else waits for it: there are enough, or (on a slow machine) it has failed by now.
        assert alice.put_event(room, "m.room.message", message).status in (429, 502)
        assert asks() == 4
        # Nobody has the room: what needs no signature goes on, and so do other rooms, guarded ones too.
        alice.set_state(room, "m.room.policy", {**policy.content, "note": "still ours"})
        alice.send(plain, "hello")
        alice.send(guarded_by_other, "hello")
        hold.release()
        replies = [task.result() for task in sent]
    assert {reply.status for reply in replies} <= {200, 502, 504}
    assert len(texts(alice, room)) == len([reply for reply in replies if reply.status == 200])


def test_send__several_policy_servers_hang__rooms_of_others_go_on(federated, make_remote, alice, policy, room):
    """Names of servers cost nothing: whoever has three must not have all the places."""
    slow = [make_remote() for _ in range(3)]
    rooms = [guarded(alice, federated, PolicyServer(one)) for one in slow]
    holds = [Hold(one, "POST", PATH) for one in slow]

    def asks():
        return len([ask for one in slow for ask in one.asked if ask.path == PATH])
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(alice.put_event, each, "m.room.message", {"msgtype": "m.text", "body": "held"}) for each in rooms for _ in range(4)]
        wait_until(lambda: asks() >= 8, what="many waiting")
        for n in range(5):
            alice.send(room, str(n))
        for hold in holds:
            hold.release()
        assert {task.result().status for task in sent} <= {200, 502, 504}
