"""The connection to the database breaks at the moment of COMMIT: what was acknowledged is there, what was not is not.

A proxy before PostgreSQL cuts the writer's connection before its COMMIT arrives, or loses the answer.  Then
- the database is there again at once: the server has to find out by itself, whoever asks sees nothing of it;
- it crashes, and the transaction's number goes to somebody else;
- it stays away: the client gets a 503, and what memory says afterwards has to be what the database says.
"""
import concurrent.futures

import pytest

from support import accounts
from support.client import path_of, receipts_of, seconds, unique
from support.database import OTHERS, Cluster, CommitProxy, HeldTable, burn_transactions
from support.server import PROCESSES, wait_until


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as it:
        yield it


@pytest.fixture
def proxied(cluster, make_server):
    """(server, proxy): the server speaks to its database through the proxy."""
    with CommitProxy(cluster) as proxy:
        server = make_server(server_name=unique("hs"), settings={"database.url": proxy.url})
        cluster.sql("DROP SCHEMA public CASCADE")
        cluster.sql("CREATE SCHEMA public")
        yield server.start(), proxy
        server.terminate()


def bodies(user, room):
    return [event["content"].get("body") for event in user.history(room, "f", limit=100)
            if event["type"] == "m.room.message"]


@pytest.mark.parametrize("what", ["commit", "answer", "race"])
def test_connection_cut_at_commit__many_times__each_write_once(proxied, what):
    server, proxy = proxied
    user, other = accounts.register(server.url), accounts.register(server.url)
    room = user.create_room(invite=[other.user_id])
    other.join(room).ok()
    sent = []
    watch = user.watch()
    for number in range(12):
        proxy.cut(what)
        sent.append(str(number))
        event = user.send(room, str(number))
        proxy.wait_cut()
        proxy.cut(what)
        other.receipt(room, event).ok()
        proxy.wait_cut()
        proxy.cut(what)
        user.account_data("org.example.number", {"n": number}).ok()
        proxy.wait_cut()
        told = []  # what was written last may come a moment later at the process that did not write it

        def has_last(answer, number=number, told=told):
            told.append(answer)
            return answer.account("org.example.number") == {"n": number}
        watch.until(has_last)
        assert [body for answer in told for body in answer.joined(room).bodies()] == [str(number)]
        assert [key for answer in told for key in receipts_of(answer.joined(room))] == [(event, "m.read", other.user_id)]
    assert bodies(user, room) == sent


@pytest.mark.parametrize("end", ["password", "logout/all", "deactivated", "locked", "logout", "device", "devices"])
def test_connection_cut_when_sessions_end__answer_is_lost__they_have_ended(proxied, end):
    """Memory says what the database says, also where the server could not know what came of it."""
    server, proxy = proxied
    user = accounts.register(server.url)
    other = user.login()
    admin = accounts.register_by_secret(server.url, server.secret, admin=True)
    other.get("/account/whoami").ok()
    proxy.cut("answer", of="device_delete" if end in ("logout", "device", "devices") else OTHERS)
    if end == "password":
        user.uia("POST", "/account/password", {"new_password": "another long password 1"})
    elif end == "deactivated":
        user.uia("POST", "/account/deactivate")
    elif end == "locked":
        admin.put("/_matrix/client/v1/admin" + path_of("lock", user.user_id), {"locked": True})
    elif end == "logout":
        other.post("/logout")
    elif end == "device":
        user.uia("DELETE", path_of("devices", other.device_id))
    elif end == "devices":
        user.uia("POST", "/delete_devices", {"devices": [other.device_id]})
    else:
        user.post("/" + end)
    proxy.wait_cut()
    wait_until(lambda: other.get("/account/whoami").status != 503, 30, "the database is there again")
    other.get("/account/whoami").expect(401)


def test_database_crashes_at_commit__number_of_the_transaction_used_again__not_taken_for_committed(cluster, proxied):
    """After a crash PostgreSQL gives out numbers anew that it never wrote down."""
    server, proxy = proxied
    user = accounts.register(server.url)
    room = user.create_room()
    acknowledged = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for number in range(5):
            user.send(room, "before %d" % number)
            proxy.cut("commit", then_refuse=True)
            reply = pool.submit(user.put_event, room, "m.room.message", {"msgtype": "m.text", "body": str(number)})
            proxy.wait_cut()
            cluster.crash()
            burn_transactions(cluster)
            proxy.allow()
            status = reply.result(seconds(60)).expect((200, 503)).status
            if status == 200:
                acknowledged.append(str(number))
            wait_until(lambda: user.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "again"}).status == 200,
                       60, "recovery")
    shown = [body for body in bodies(user, room) if body.isdigit()]
    assert shown == acknowledged


@pytest.mark.one_process("a second process, whose connections did not break, knows the outcome")
def test_outcome_unknown__sent_again_meanwhile__acknowledged_only_once_it_is_seen(cluster, proxied):
    """The room is read anew, with the message that was committed, before the server knows so."""
    server, proxy = proxied
    user = accounts.register(server.url)
    room = user.create_room()

    def put():
        return user.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "doubtful"}, txn="again")
    proxy.cut("answer", then_refuse=True)
    put().expect(503)
    with HeldTable(cluster.url, "stream_head"):
        proxy.allow()
        wait_until(lambda: user.messages(room).status == 200, 60, "the room is read")
        put().expect((503, 504))
        assert bodies(user, room) == []
    wait_until(lambda: put().status == 200, 60, "it is known")
    assert bodies(user, room) == ["doubtful"]


class Doubt:
    """A room of two, and what they do while the answer to a COMMIT never comes."""

    def __init__(self, server):
        self.user, self.other = accounts.register(server.url), accounts.register(server.url)
        self.room = self.user.create_room(invite=[self.other.user_id])
        self.other.join(self.room).ok()
        self.read = self.user.send(self.room, "read later")
        self.empty = self.user.create_room(preset="public_chat")
        for client in (self.user, self.other):  # everything in memory
            client.sync()

    def do(self, what):
        if what == "message":
            return self.user.put_event(self.room, "m.room.message", {"msgtype": "m.text", "body": "doubtful"})
        if what == "state":
            return self.user.put_state(self.room, "m.room.name", {"name": "doubtful"})
        if what == "redaction":
            return self.user.redact(self.room, self.read)
        if what == "membership":
            return self.other.join(self.empty)
        if what == "new room":
            return self.other.post("/createRoom", {"name": "doubtful"})
        if what == "receipt":
            return self.other.receipt(self.room, self.read)
        if what == "account data":
            return self.other.account_data("org.example.x", {"doubtful": True})
        if what == "push rule":
            return self.other.put(path_of("pushrules", "global", "room", self.room), {"actions": ["notify"]})
        assert what == "ignored"
        return self.other.account_data("m.ignored_user_list", {"ignored_users": {self.user.user_id: {}}})

    def sign(self, what):
        """What the other's next sync has to contain when it happened."""
        return {"redaction": '"redacts":"%s"' % self.read, "membership": self.empty, "receipt": '"m.read"',
                "ignored": "m.ignored_user_list", "push rule": '"m.push_rules"'}.get(what, "doubtful")


def shown_of(user):
    """What a sync says that may have changed, in a form that can be compared."""
    sync = user.sync()
    rooms = {}
    for room_id, room in sync.get("rooms", {}).get("join", {}).items():
        timeline = room.get("timeline", {}).get("events", [])
        for event in timeline:
            event["unsigned"].pop("age")
        rooms[room_id] = (timeline, room.get("ephemeral"),
                          room.get("unread_notifications"))
    return rooms, sync["account_data"]


WHATS = ["message", "state", "redaction", "membership", "new room", "receipt", "account data", "ignored", "push rule"]
REPEATED = {"message", "redaction"} if PROCESSES > 1 else set()
"""Has a transaction id: HAProxy asks the other process, whose connections did not break, and it is done once."""


@pytest.mark.parametrize("happened", [True, False], ids=["committed", "not-committed"])
def test_outcome_unknown__afterwards__memory_is_what_the_database_is(proxied, happened):
    server, proxy = proxied
    scenes = [(what, Doubt(server)) for what in WHATS]
    for what, doubt in scenes:
        watch = doubt.other.sync().since
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            parked = pool.submit(doubt.other.sync_reply, watch, 60000) if happened else None
            proxy.cut("answer" if happened else "commit", then_refuse=True)
            status = doubt.do(what).expect((200, 503) if what in REPEATED else 503).status
            proxy.allow()
            if happened:  # nobody writes anything: the server finds out by itself, and tells those who wait
                reply = parked.result(seconds(60)).ok()
                assert reply["next_batch"] != watch, what
                assert doubt.sign(what) in reply.raw.decode(), (what, reply)
        assert ("doubtful" in bodies(doubt.user, doubt.room)) == (what == "message" and (happened or status == 200))
        doubt.user.send(doubt.room, "after " + what)
        doubt.before = shown_of(doubt.user), shown_of(doubt.other), bodies(doubt.user, doubt.room)
    server.terminate()
    server.start()
    for what, doubt in scenes:
        doubt.user.http.drop()
        after = shown_of(doubt.user), shown_of(doubt.other), bodies(doubt.user, doubt.room)
        assert after == doubt.before, what
