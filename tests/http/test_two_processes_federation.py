"""Two processes of one server are one to other servers and to application services: which of them is asked, and which one sends, makes no
difference. One of the two sends (it has the leases); so what is to be the same at both is tried at both.

No test here waits for a process to look for itself what the other one has done: that would be in time only by chance.
"""
import itertools
import threading

import pytest

from support import accounts
from support.client import Http, path_of, seconds, unique
from support.inbox import Inbox
from support.remote_room import RemoteRoom
from support.server import FederatedServer, wait_until
from support.shared_room import Hold, SharedRoom
from support.twins import Process, at

POLICY = "/_belfry/admin/v1/federation"
HOUR = 3600 * 1000


@pytest.fixture(scope="module")
def server(authority):
    server = FederatedServer(authority=authority, processes=2, settings={
        "federation.retry_first": "2s", "federation.retry_longest": "1h", "federation.transaction_timeout": "60s",
        "appservices.retry_first": "2s", "appservices.retry_longest": "1h"}).start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def processes(server):
    return [Process(server, number) for number in range(2)]


def both_orders(processes):
    """Pairs of one process and the other: each is the first once."""
    return itertools.permutations(processes, 2)


# -- pauses

def rest_for_an_hour(server, table, which):
    """What the database says of a pause; the process that sends reads it anew."""
    server.sql("UPDATE %s SET interval_ms = %d, retry_at_ms = (extract(epoch FROM now()) * 1000)::bigint + %d WHERE %s"
               % (table, HOUR, HOUR, which))


def test_server_that_failed__asks_one_process__what_waits_is_sent_at_once_by_whichever_sends(server, processes, remote):
    inbox = Inbox(remote)
    shared = SharedRoom(server, remote)
    witness = server.user()
    for number, process in enumerate(processes):
        inbox.refuse = lambda ask: (500, {})
        shared.user.send(shared.room_id, "number %d" % number)
        failing = "SELECT count(*) FROM destinations WHERE failures > 0"
        wait_until(lambda: server.sql(failing).strip() == "1", what="the failure is noted")
        while server.sql("SELECT min(interval_ms) FROM destinations").strip() != str(HOUR):  # it may have been tried meanwhile
            rest_for_an_hour(server, "destinations", "server = '%s'" % remote.name)
            begun = server.log().count("outbox.begins_anew")
            server.sql("UPDATE consumers SET position = position - 1 WHERE name = 'outbox'")
            witness.create_room()
            wait_until(lambda: server.log().count("outbox.begins_anew") > begun, what="the outbox begins anew")
            has_read = "SELECT position >= (SELECT position FROM stream_head) FROM consumers WHERE name = 'outbox'"
            wait_until(lambda: server.sql(has_read).strip() == "t", what="the outbox has read its rows, and went on")
        inbox.refuse = None
        inbox.transactions.clear()
        assert remote.send(process, "GET", "/user/devices/%40a%3A" + server.server_name).status == 200
        inbox.until(lambda i: "number %d" % number in i.bodies(), 10)
        wait_until(lambda: server.sql(failing).strip() == "0", what="that it was reached is noted")


def test_service_that_failed__asks_one_process__what_waits_is_sent_at_once_by_whichever_sends(server, processes, make_appservice):
    alice = server.user()
    room = alice.create_room(preset="public_chat")
    service = make_appservice(rooms=[(room.replace("!", "\\!"), False)])
    service.register(server)
    bot = service.client(server)
    for process in processes:
        service.on("PUT", "/", lambda ask: (503, {}))
        event_id = alice.send(room, "hello")
        service.wait_for(lambda ask: event_id.encode() in ask.body)
        failing = "SELECT failures FROM appservice_deliveries WHERE appservice_id = '%s'" % service.id
        wait_until(lambda: server.sql(failing).strip() != "0", what="the failure is noted")
        rest_for_an_hour(server, "appservice_deliveries", "appservice_id = '%s'" % service.id)
        make_appservice().register(server)  # then rows are read anew
        service.rules.clear()
        at(process, bot).get("/account/whoami").ok()
        wait_until(lambda: server.sql(failing).strip() == "0", what="that it was taken")


# -- whom this server federates with

def test_policy__changed_at_one__counts_at_the_other_when_answered(server, processes, remote):
    admin = accounts.register_by_secret(Http(server.url), server.secret, admin=True)
    target = "/user/devices/%40a%3A" + server.server_name
    for one, other in itertools.islice(itertools.cycle(both_orders(processes)), 10):
        at(one, admin).put("%s/servers/%s" % (POLICY, remote.name), {"rule": "deny"}).ok()
        assert remote.send(other, "GET", target).status == 403
        at(one, admin).delete("%s/servers/%s" % (POLICY, remote.name)).ok()
        assert remote.send(other, "GET", target).status != 403


# -- who is in a room

def test_join__at_one_process__typing_right_after_it_goes_to_the_servers_in_the_room(server, processes, remote):
    inbox = Inbox(remote)
    for process in [*processes, *processes]:
        room = RemoteRoom(remote).serve()
        alice = at(process, server.user())
        alice.post(path_of("join", room.room_id), {}, query={"server_name": remote.name}).ok()
        alice.typing(room.room_id).ok()
        inbox.until(lambda i, room=room: [edu for edu in i.edus("m.typing") if edu["room_id"] == room.room_id])


def test_joins__of_one_room_at_both_at_once__all_are_in_it(server, processes, remote):
    for _ in range(3):
        room = RemoteRoom(remote).serve()
        users = [at(process, server.user()) for process in processes * 3]
        replies = []
        joins = [threading.Thread(target=lambda user=user, room=room: replies.append(
            user.post(path_of("join", room.room_id), {}, query={"server_name": remote.name}))) for user in users]
        for join in joins:
            join.start()
        for join in joins:
            join.join()
        assert [reply.status for reply in replies] == [200] * len(users), replies
        wanted = {user.user_id for user in users} | {room.creator}
        for user in users:
            assert set(user.get(path_of("rooms", room.room_id, "joined_members")).ok()["joined"]) == wanted


def test_knock__refusal_told_to_the_other_process_before_it_is_answered__gone(server, processes, remote):
    for one, other in both_orders(processes):
        room, told = RemoteRoom(remote, join_rule="knock").serve(), []
        alice = at(one, server.user())

        def take(ask, room=room, other=other, alice=alice, told=told):
            if ask.match.group(1) != room.room_id:
                return None
            room.add(ask.json)
            told.append(remote.transaction(other, [room.send("m.room.member", {"membership": "leave"}, alice.user_id)]))
            return 200, {"knock_room_state": [room.state[("m.room.create", "")].json]}
        remote.on("PUT", r"/_matrix/federation/v1/send_knock/([^/]+)/.+", take)
        watch = alice.watch()
        alice.post(path_of("knock", room.room_id), {}, query={"via": remote.name}).ok()
        assert list(told[0].ok()["pdus"].values()) == [{}]
        watch.until(lambda sync, room=room: sync.left(room.room_id))


def test_knock__refusal_told_to_a_process_that_began_meanwhile__gone(server, processes, remote):
    """It asks the others for what is under way."""
    room, alice = RemoteRoom(remote, join_rule="knock").serve(), at(processes[0], server.user())

    def take(ask):
        if ask.match.group(1) != room.room_id:
            return None
        room.add(ask.json)
        server.kill_one(1)
        server.start_one(1)
        refusal = room.send("m.room.member", {"membership": "leave"}, alice.user_id)
        wait_until(lambda: remote.transaction(processes[1], [refusal]).ok()["pdus"] == {refusal.event_id: {}}, what="it is taken")
        return 200, {"knock_room_state": [room.state[("m.room.create", "")].json]}
    remote.on("PUT", r"/_matrix/federation/v1/send_knock/([^/]+)/.+", take)
    watch = alice.watch()
    alice.post(path_of("knock", room.room_id), {}, query={"via": remote.name}).ok()
    watch.until(lambda sync: sync.left(room.room_id))


# -- what only others have

def test_event_of_long_ago__the_other_process_took_it_in_meanwhile__found_by_both(server, processes, remote):
    """Both ask for the same, by its time; the second one's answer comes when the first one has the event."""
    for (one, other), wanted in itertools.product(both_orders(processes), ("message", "state")):
        room = RemoteRoom(remote, age_ms=10 ** 8).serve()
        said = room.message("long ago") if wanted == "message" else room.send("m.room.topic", {"topic": "long ago"}, "")
        for number in range(5):
            room.message(str(number))
        alice = server.user()
        alice.post(path_of("join", room.room_id), {}, query={"server_name": remote.name}).ok()
        hold = Hold(remote, "GET", r"/_matrix/federation/v1/timestamp_to_event/.*")
        replies = []
        asking = threading.Thread(target=lambda: replies.append(at(other, alice).get(
            "/_matrix/client/v1" + path_of("rooms", room.room_id, "timestamp_to_event"),
            {"ts": said["origin_server_ts"], "dir": "b"})))
        asking.start()
        assert hold.waiting.wait(seconds(30))
        at(one, alice).event(room.room_id, said.event_id).ok()
        hold.release()
        asking.join()
        assert replies[0].ok()["event_id"] == said.event_id


# -- a room whose members are not known yet

def test_partial__who_waits_at_the_other_process__waits_on_until_it_is_whole(server, processes, remote):
    for one, other in both_orders(processes):
        room = RemoteRoom(remote).serve()
        room.omits_members = True
        far = room.join("@far:" + remote.name)["sender"]
        Inbox(remote)
        hold = Hold(remote, "GET", r"/_matrix/federation/v1/state/.*")
        alice = at(one, server.user())
        alice.post(path_of("join", room.room_id), {}, query={"server_name": remote.name}).ok()
        replies = []
        asking = threading.Thread(target=lambda: replies.append(
            at(other, alice).get(path_of("rooms", room.room_id, "joined_members"))))
        asking.start()
        assert hold.waiting.wait(seconds(30))
        for number in range(3):  # each is told to the process where the request waits
            alice.put(path_of("rooms", room.room_id, "state", "m.room.member", alice.user_id),
                      {"membership": "join", "displayname": "name %d" % number}).ok()
        hold.release()
        asking.join()
        assert far in replies[0].ok()["joined"]


# -- EDUs

def test_presence__of_a_user_elsewhere__said_to_one_process__shown_by_both(server, processes, remote):
    for process, words in zip(processes, ("online", "unavailable")):
        shared = SharedRoom(server, remote)
        creator = shared.room.creator
        users = [at(each, shared.user) for each in processes]
        watches = [user.watch() for user in users]
        push = [{"user_id": creator, "presence": words, "status_msg": "said to one", "last_active_ago": 5}]
        remote.transaction(process, edus=[{"edu_type": "m.presence", "content": {"push": push}}]).ok()

        def is_shown(answer, creator=creator, words=words):
            return [event for event in answer.get("presence", {}).get("events", [])
                    if event["sender"] == creator and event["content"]["presence"] == words]
        for user, watch in zip(users, watches):
            watch.until(is_shown)
            seen = user.get(path_of("presence", creator, "status")).ok()
            assert (seen["presence"], seen["status_msg"]) == (words, "said to one")


def test_edus__one_waits_for_another_server__what_came_by_the_other_process_waits_behind_it(server, processes, remote):
    """A user's devices are fetched once, and what was said of them later is not overtaken."""
    for one, other in both_orders(processes):
        shared = SharedRoom(server, remote)
        user = "@%s:%s" % (unique("u"), remote.name)
        shared.deliver(shared.room.join(user))
        answer = {"user_id": user, "stream_id": 9, "devices": []}
        remote.on("GET", r"/_matrix/federation/v1/user/devices/.*", lambda ask, answer=answer: (200, answer))
        remote.on("POST", r"/_matrix/federation/v1/user/keys/query", lambda ask: (200, {"device_keys": {}}))
        shared.user.post("/keys/query", {"device_keys": {user: []}}).ok()  # from here on changes count
        hold = Hold(remote, "GET", r"/_matrix/federation/v1/user/devices/.*")

        def update(process, stream_id, prev):
            remote.transaction(process, edus=[{"edu_type": "m.device_list_update", "content": {
                "user_id": user, "device_id": "D", "stream_id": stream_id, "prev_id": prev}}]).ok()
        asked = len(remote.asked)
        update(one, 20, [15])  # 15 was missed: the list is fetched
        assert hold.waiting.wait(seconds(30))
        for number in range(21, 26):
            update(other, number, [number - 1])
        shared.sentinel()
        answer["stream_id"] = 25
        hold.release()
        known = "SELECT stream_id FROM remote_device_lists WHERE user_id = '%s' AND NOT is_stale" % user
        wait_until(lambda: server.sql(known).strip() == "25", 30, "the list is known")
        left = "SELECT count(*) FROM inbox WHERE queue = '%s'" % remote.name
        wait_until(lambda: server.sql(left).strip() == "0", 30, "all is worked off")
        assert len([ask for ask in remote.asked[asked:] if "/user/devices/" in ask.path]) == 1
