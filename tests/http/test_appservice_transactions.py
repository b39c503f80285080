"""Transactions to application services: in order, each until it is taken, the same to the byte; nothing lost, nobody else held up.
Spec: application-service API, "Pushing events", "Registration", "Legacy routes"."""
import threading

import pytest

from support.appservice import AppService
from support.client import path_of, seconds, unique
from support.remote_room import RemoteRoom
from support.server import FederatedServer, Server, wait_until
from support.shared_room import SharedRoom

FAST = {"appservices.retry_first": "20ms", "appservices.retry_longest": "50ms",
        "appservices.transaction_timeout": "%ds" % seconds(1)}
TRANSACTIONS = "/_matrix/app/v1/transactions/"
OLDER = "/transactions/"


@pytest.fixture(scope="module")
def server(authority):
    """With federation, for all tests of this file."""
    server = FederatedServer(authority=authority, settings=FAST).start()
    yield server
    server.destroy()


@pytest.fixture
def make_service(server):
    services = []

    def make(at=server, **more):
        services.append(AppService(**more))
        return services[-1].register(at)
    yield make
    for service in services:
        service.stop()


def pattern():
    """A namespace of one test's own: the start of localparts, and the rule."""
    name = unique("_t").replace("-", "_")
    return name, ("@%s.*" % name, False)


@pytest.fixture
def bridged(server, make_service):
    """A service with a member in a room of alice: service, alice, member, room."""
    name, rule = pattern()
    service = make_service(users=[rule])
    alice, member = server.user(), server.user(name + "m")
    room_id = alice.create_room(preset="public_chat")
    member.join(room_id).ok()
    service.until_told(lambda event: event.get("state_key") == member.user_id)
    return service, alice, member, room_id


def say(user, room_id, count, text="m"):
    return [user.send(room_id, "%s %d" % (text, number)) for number in range(count)]


# -- what it is told, and how

def test_transaction__event__in_the_clients_format_with_the_services_token(server, bridged):
    service, alice, _, room_id = bridged
    event_id = alice.send(room_id, "hello")
    event = service.until_event(event_id)
    assert event["room_id"] == room_id and event["sender"] == alice.user_id
    assert event["type"] == "m.room.message" and event["content"]["body"] == "hello"
    assert isinstance(event["unsigned"]["age"], int) and "hashes" not in event and "auth_events" not in event
    ask = service.transactions()[-1]
    assert ask.path.startswith(TRANSACTIONS) and ask.headers["authorization"] == "Bearer " + service.hs_token
    assert ask.headers["content-type"] == "application/json" and "access_token" not in ask.query


def test_transaction__state_event__tells_what_it_replaced(server, bridged):
    service, alice, _, room_id = bridged
    alice.put_state(room_id, "m.room.topic", {"topic": "one"}).ok()
    event_id = alice.set_state(room_id, "m.room.topic", {"topic": "two"})
    event = service.until_event(event_id)
    assert event["state_key"] == "" and event["unsigned"]["prev_content"] == {"topic": "one"}


def test_transactions__many_rooms_and_senders__in_the_order_of_the_stream(server, bridged):
    service, alice, member, room_id = bridged
    other = member.create_room(preset="public_chat")
    sent = []
    for number in range(60):
        sent.append((alice if number % 3 else member).send(room_id, "a %d" % number))
        sent.append(member.send(other, "b %d" % number))
    service.until_event(sent[-1])
    told = service.ids()
    assert [event_id for event_id in told if event_id in sent] == sent
    assert len(set(told)) == len(told)


def test_transactions__more_than_a_hundred_wait__in_pieces_of_a_hundred(server, bridged):
    service, alice, _, room_id = bridged
    service.stop()
    sent = say(alice, room_id, 250)
    service.listen()
    service.until_event(sent[-1])
    assert [event_id for event_id in service.ids() if event_id in sent] == sent
    sizes = [len(ask.json["events"]) for ask in service.transactions()]
    assert max(sizes) == 100


def test_transactions__large_events__cut_by_size(server, bridged):
    service, alice, _, room_id = bridged
    service.stop()
    sent = [alice.send(room_id, "x" * 60000) for _ in range(45)]
    service.listen()
    service.until_event(sent[-1])
    assert [event_id for event_id in service.ids() if event_id in sent] == sent
    assert max(len(ask.body) for ask in service.transactions()) < 3 << 20


# -- who is interested

def test_interest__namespaces_of_rooms_aliases_users__each_its_own(server, make_service):
    alice = server.user()
    name = unique("al").replace("-", "_")
    plain, named, known = (alice.create_room(preset="public_chat") for _ in range(3))
    by_alias = make_service(aliases=[("#%s.*" % name, False)])
    by_room = make_service(rooms=[(known.replace("!", "\\!"), False)])
    alice.put("/directory/room/%23" + "%s:%s" % (name, server.server_name), {"room_id": named}).ok()
    sent = [[alice.send(room_id, "hello") for room_id in (plain, named, known)] for _ in range(2)]
    by_alias.until_event(sent[1][1])
    by_room.until_event(sent[1][2])
    assert by_alias.ids() == [sent[0][1], sent[1][1]]
    assert by_room.ids() == [sent[0][2], sent[1][2]]


def test_interest__user_is_invited_joins_leaves__from_the_invite_to_the_leave(server, make_service):
    name, rule = pattern()
    service = make_service(users=[rule])
    alice, member = server.user(), server.user(name)
    room_id = alice.create_room()
    before = alice.send(room_id, "before")
    alice.invite(room_id, member).ok()
    between = alice.send(room_id, "between")
    member.join(room_id).ok()
    inside = alice.send(room_id, "inside")
    member.leave(room_id).ok()
    after = alice.send(room_id, "after")
    alice.invite(room_id, member).ok()
    service.until_told(lambda event: event["content"].get("membership") == "invite" and
                       "replaces_state" in event["unsigned"])
    told = service.told()
    assert [event["content"].get("membership") for event in told] == ["invite", "join", None, "leave", "invite"]
    assert told[2]["event_id"] == inside and before not in service.ids() and after not in service.ids()
    assert between not in service.ids()
    assert told[1]["unsigned"]["prev_content"]["membership"] == "invite"


def test_invite__what_it_shows_of_the_room__told_with_it(server, make_service):
    name, rule = pattern()
    service = make_service(users=[rule])
    alice, member = server.user(), server.user(name)
    room_id = alice.create_room(name="Class 3B", invite=[member.user_id])
    event = service.until_told(lambda event: event.get("state_key") == member.user_id)
    shown = {(item["type"], item["state_key"]): item for item in event["unsigned"]["invite_room_state"]}
    assert shown["m.room.name", ""]["content"] == {"name": "Class 3B"}
    assert ("m.room.create", "") in shown and ("m.room.join_rules", "") in shown
    assert all(set(item) == {"type", "state_key", "sender", "content"} for item in shown.values())
    member.join(room_id).ok()
    joined = service.until_told(lambda event: event.get("state_key") == member.user_id and event["content"]["membership"] == "join")
    assert "invite_room_state" not in joined["unsigned"]


def test_knock__what_it_shows_of_the_room__told_with_it(server, make_service):
    name, rule = pattern()
    service = make_service(users=[rule])
    alice, member = server.user(), server.user(name)
    room_id = alice.create_room(name="Class 3B", preset="public_chat", initial_state=[
        {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}])
    member.post(path_of("knock", room_id), {}).ok()
    event = service.until_told(lambda event: event.get("state_key") == member.user_id)
    shown = {item["type"]: item["content"] for item in event["unsigned"]["knock_room_state"]}
    assert shown["m.room.name"] == {"name": "Class 3B"} and "invite_room_state" not in event["unsigned"]


def test_interest__kicked_by_another__told_of_the_kick_and_nothing_after(server, bridged):
    service, alice, member, room_id = bridged
    alice.kick(room_id, member).ok()
    after = alice.send(room_id, "after")
    member.join(room_id).ok()
    on = alice.send(room_id, "on")
    service.until_event(on)
    assert [event["content"].get("membership") for event in service.told()][-3:] == ["leave", "join", None]
    assert after not in service.ids()


def test_interest__two_members_one_leaves__still_told(server, bridged):
    service, alice, member, room_id = bridged
    second = server.user(member.user_id[1:].partition(":")[0] + "2")
    second.join(room_id).ok()
    member.leave(room_id).ok()
    still = alice.send(room_id, "still")
    service.until_event(still)
    second.leave(room_id).ok()
    none = alice.send(room_id, "none")
    second.join(room_id).ok()
    on = alice.send(room_id, "on")
    service.until_event(on)
    assert none not in service.ids()


def test_interest__users_of_other_servers_in_the_namespace__do_not_count(server, make_service, remote):
    service = make_service(users=[("@guest.*", False)])
    witness_name, rule = pattern()
    witness = make_service(users=[rule])
    shared = SharedRoom(server, remote)
    shared.deliver(shared.room.join("@guest:" + remote.name))
    member = server.user(witness_name)
    member.join(shared.room_id).ok()
    event_id = member.send(shared.room_id, "hello")
    witness.until_event(event_id)
    own = server.user("guest" + unique("g"))
    own_room = own.create_room()
    service.until_told(lambda event: event["room_id"] == own_room)
    assert service.ids(shared.room_id) == []


def test_interest__redaction_before_its_event__comes_with_that(server, remote, make_service):
    """Until then nobody can tell whether it may redact, and a bridge would redact by it."""
    name, rule = pattern()
    service = make_service(users=[rule])
    shared = SharedRoom(server, remote)
    room, member = shared.room, server.user(name)
    member.join(shared.room_id).ok()
    point = room.message("first")
    target = room.send("m.room.message", {"msgtype": "m.text", "body": "secret"}, prev=[point])
    redaction = room.send("m.room.redaction", {"redacts": target.event_id}, prev=[point])
    on = room.send("m.room.message", {"msgtype": "m.text", "body": "on"}, prev=[redaction])
    shared.send(point, redaction)
    shared.deliver(on)
    service.until_event(on.event_id)
    assert redaction.event_id not in service.ids(shared.room_id)
    shared.deliver(target)
    told = service.until_told(lambda event: event["event_id"] == target.event_id)
    assert told["content"] == {} and told["unsigned"]["redacted_because"]["event_id"] == redaction.event_id


def test_interest__two_services_in_a_room__both_told(server, bridged, make_service):
    first, alice, _, room_id = bridged
    second = make_service(rooms=[(room_id.replace("!", "\\!"), False)])
    sent = say(alice, room_id, 5)
    for service in (first, second):
        service.until_event(sent[-1])
        assert [event_id for event_id in service.ids() if event_id in sent] == sent


def test_interest__service_added_now__hears_only_of_what_comes(server, make_service):
    alice = server.user()
    room_id = alice.create_room()
    before = say(alice, room_id, 3)
    service = make_service(rooms=[(room_id.replace("!", "\\!"), False)])
    after = say(alice, room_id, 2)
    service.until_event(after[-1])
    assert service.ids() == after and not set(before) & set(service.ids())


def test_interest__service_without_address__nothing_fails(server, make_service):
    name, rule = pattern()
    silent = AppService(users=[rule], listens=False).register(server)
    witness = make_service(users=[rule])
    member = server.user(name)
    event_id = member.send(member.create_room(), "hello")
    witness.until_event(event_id)
    assert silent.asks == []


def test_remove__then_on__nothing_more_comes(server, bridged, make_service):
    service, alice, _, room_id = bridged
    service.stop()
    waiting = alice.send(room_id, "waits")
    done = server.run("appservice", "remove", service.id)
    assert done.returncode == 0, done.stderr
    witness = make_service(rooms=[(room_id.replace("!", "\\!"), False)])
    service.listen()
    event_id = alice.send(room_id, "after")
    witness.until_event(event_id)
    assert waiting not in service.ids() and event_id not in service.ids()


# -- federation

def test_remote__events_of_other_servers__told(server, make_service, remote):
    name, rule = pattern()
    service = make_service(users=[rule])
    shared = SharedRoom(server, remote)
    member = server.user(name)
    member.join(shared.room_id).ok()
    message = shared.room.message("from afar")
    shared.deliver(message)
    event = service.until_event(message.event_id)
    assert event["content"]["body"] == "from afar" and event["sender"].endswith(remote.name)


def test_remote__invite_of_a_user_by_another_server__told(server, make_service, remote):
    name, rule = pattern()
    service = make_service(users=[rule])
    member = server.user(name)
    room = RemoteRoom(remote, join_rule="invite")
    invite = room.sign(room.draft("m.room.member", {"membership": "invite"}, member.user_id))
    path = "/_matrix/federation/v2" + path_of("invite", room.room_id, invite.event_id)
    state = [room.state[key].json for key in (("m.room.create", ""), ("m.room.member", room.creator))]
    remote.send(server, "PUT", path, {"event": invite.json, "room_version": "11", "invite_room_state": state}).ok()
    event = service.until_told(lambda event: event.get("state_key") == member.user_id)
    assert event["content"]["membership"] == "invite" and event["room_id"] == room.room_id
    assert event["sender"] == room.creator and event["event_id"] == invite.event_id
    assert {item["type"] for item in event["unsigned"]["invite_room_state"]} >= {"m.room.create", "m.room.member"}
    member.leave(room.room_id).ok()
    service.until_told(lambda event: event["content"].get("membership") == "leave")


def test_remote__soft_failed_event__never_told(server, make_service, remote):
    name, rule = pattern()
    service = make_service(users=[rule])
    shared = SharedRoom(server, remote)
    room = shared.room
    member = server.user(name)
    guest = "@guest:" + remote.name
    joined = room.join(guest)
    shared.deliver(joined)
    member.join(shared.room_id).ok()
    late = room.send("m.room.message", {"msgtype": "m.text", "body": "late"}, sender=guest, prev=[joined])
    ban = room.send("m.room.member", {"membership": "ban"}, guest, prev=[joined])
    shared.deliver(ban)
    assert shared.send(late) == {late.event_id: {}}
    on = room.send("m.room.message", {"msgtype": "m.text", "body": "on"}, prev=[ban])
    shared.deliver(on)
    service.until_event(on.event_id)
    assert late.event_id not in service.ids()


# -- services that do not take it

def count_of(service, txn_path):
    return sum(ask.path == txn_path for ask in service.transactions())


@pytest.mark.parametrize("status", [500, 503, 401, 302])
def test_retry__service_refuses__the_same_bytes_under_the_same_id_until_it_takes_them(server, bridged, make_service, status):
    service, alice, _, room_id = bridged
    witness = make_service(rooms=[(room_id.replace("!", "\\!"), False)])
    left = [6]

    def refuse(ask):
        left[0] -= 1
        return (status, {"errcode": "M_UNKNOWN"}) if left[0] >= 0 else (200, {})
    service.on("PUT", "/", refuse)
    sent = say(alice, room_id, 1)
    service.wait_for(lambda ask: sent[0].encode() in ask.body)
    sent += say(alice, room_id, 10)
    service.until_event(sent[-1])
    witness.until_event(sent[-1])
    assert witness.ids() == sent
    assert [event_id for event_id in service.ids() if event_id in sent] == sent
    again = [ask for ask in service.transactions() if sent[0].encode() in ask.body]
    assert len({ask.path.rpartition("/")[2] for ask in again}) == 1 and len({ask.body for ask in again}) == 1
    assert len(again) == 7


def endless(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        handler.wfile.write(b" " * 65536)


def drip(stop):
    def write(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not stop.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()
    return write


def hang(stop):
    return lambda handler: stop.wait(60)


@pytest.mark.parametrize("kind", ["hangs", "endless", "drips"])
def test_retry__service_does_not_answer_well__cut_off_repeated_and_nobody_else_waits(server, bridged, make_service, kind):
    service, alice, _, room_id = bridged
    witness = make_service(rooms=[(room_id.replace("!", "\\!"), False)])
    stop = threading.Event()
    bad = {"hangs": hang(stop), "endless": endless, "drips": drip(stop)}[kind]
    first = []

    def once(ask):
        if not first:
            first.append(ask)
            return None, bad
        return 200, {}
    service.on("PUT", TRANSACTIONS, once)
    sent = say(alice, room_id, 1)
    service.wait_for(lambda ask: sent[0].encode() in ask.body)
    sent += say(alice, room_id, 3)
    witness.until_event(sent[-1])
    service.until_event(sent[-1])
    stop.set()
    assert [event_id for event_id in service.ids() if event_id in sent] == sent
    assert count_of(service, first[0].path) == 2


def test_retry__nobody_listens__told_once_it_does(server, bridged):
    service, alice, _, room_id = bridged
    service.stop()
    sent = say(alice, room_id, 3)
    service.listen()
    service.until_event(sent[-1])
    assert [event_id for event_id in service.ids() if event_id in sent] == sent


def test_list__service_takes_nothing__what_waits_since_when_and_why(server, bridged):
    service, alice, _, room_id = bridged
    service.on("PUT", "/", lambda ask: (503, {}))
    event_id = alice.send(room_id, "waits")
    service.wait_for(lambda ask: event_id.encode() in ask.body)
    alice.send(room_id, "waits too")

    def listed():
        done = server.run("appservice", "list")
        assert done.returncode == 0, done.stderr
        own = done.stdout[done.stdout.index(service.id):]
        return next(line for line in own.splitlines() if line.startswith("  queue"))
    wait_until(lambda: "1 waiting, failing since" in listed() and listed().endswith("status 503"), 20, "the list")
    service.rules.clear()
    wait_until(lambda: "0 waiting, last taken" in listed(), 20, "the list")


def test_older_path__service_knows_only_that__used_with_the_token_in_the_query(server, bridged):
    service, alice, _, room_id = bridged
    service.on("PUT", TRANSACTIONS, lambda ask: (404, {"errcode": "M_UNRECOGNIZED"}))
    sent = say(alice, room_id, 1)
    ask = service.wait_for(lambda ask: ask.path.startswith(OLDER))
    assert sent[0].encode() in ask.body and ask.query["access_token"] == service.hs_token
    assert count_of(service, TRANSACTIONS + ask.path.rpartition("/")[2]) == 1
    seen = len(service.transactions())
    sent += say(alice, room_id, 1)
    service.until_event(sent[1])
    assert all(ask.path.startswith(OLDER) for ask in service.transactions()[seen:])


# -- restarts

def test_restart__killed_while_events_wait__all_told_in_order(make_server):
    server = make_server(kind=Server, settings=FAST).start()
    service = AppService(users=[("@_k.*", False)]).register(server)
    alice, member = server_user(server), server_user(server, "_k")
    room_id = alice.create_room(preset="public_chat")
    member.join(room_id).ok()
    service.until_told(lambda event: event.get("state_key") == member.user_id)
    stop = threading.Event()
    service.on("PUT", TRANSACTIONS, lambda ask: (None, hang(stop)))
    sent = say(alice, room_id, 3)
    asked = service.wait_for(lambda ask: sent[0].encode() in ask.body)
    sent += say(alice, room_id, 20)
    server.kill()
    stop.set()
    service.rules.clear()
    server.start()
    service.until_event(sent[-1])
    assert [event_id for event_id in service.ids() if event_id in sent] == sent
    assert count_of(service, asked.path) >= 2  # told() has seen that the bytes are the same
    # Membership is counted anew: the room is known without an event of the member's.
    sent += say(alice, room_id, 1, "after")
    service.until_event(sent[-1])
    # Once more, database and all, with nothing on its way.
    server.kill_everything()
    server.start()
    sent += say(alice, room_id, 1, "on")
    service.until_event(sent[-1])
    assert [event_id for event_id in service.ids() if event_id in sent] == sent
    service.stop()


def server_user(server, name=None):
    from support import accounts
    from support.client import Http
    return accounts.register(Http(server.url), name)
