"""A remote's half of transactions: it takes them, or refuses; and how a test lets it into rooms without a join."""
import threading
import types

from .client import seconds, unique
from .database import Cluster
from .server import wait_until

SEND = r"/_matrix/federation/v1/send/(.+)"
QUICK = {"federation.retry_first": "200ms", "federation.retry_longest": "1s",
         "federation.transaction_timeout": "%ds" % seconds(3)}


def federated_on(cluster, make_federated, **more):
    """A federated server with a database of its own, in which a test can let other servers into rooms."""
    name = "d" + unique("b").replace("-", "_").lower()
    cluster.sql("CREATE DATABASE %s" % name)
    place = types.SimpleNamespace(url=cluster.url.replace("/postgres?", "/%s?" % name))
    server = make_federated(settings={**QUICK, "database.url": place.url, **more})
    server.database = place.url
    server.sql = lambda text: Cluster.sql(place, text)
    return server.start()


def _member(server, room_id, names, membership):
    """A user of each server joins or leaves: as an event and state that stand in the database behind the server's back."""
    closing = membership != "join"
    server.sql("""
WITH moved AS (UPDATE stream_head SET position = position + %(n)d RETURNING position - %(n)d AS base),
given AS (SELECT r.room_nid, '@user:' || name AS user_id, base + n AS position, name
	FROM moved, rooms r, unnest('{%(names)s}'::text[]) WITH ORDINALITY AS u(name, n) WHERE r.room_id = '%(room)s'),
closed AS (UPDATE states s SET to_position = g.position FROM given g WHERE %(closing)s AND s.room_nid = g.room_nid
	AND s.type = 'm.room.member' AND s.state_key = g.user_id AND s.to_position = 9223372036854775807),
opened AS (INSERT INTO states (room_nid, type, state_key, from_position, event_position, event_id, membership)
	SELECT room_nid, 'm.room.member', user_id, position, position, '$fake' || position, '%(membership)s' FROM given),
member AS (INSERT INTO members (user_id, room_nid, membership, position, is_local)
	SELECT user_id, room_nid, '%(membership)s', position, false FROM given
	ON CONFLICT (user_id, room_nid) DO UPDATE SET membership = excluded.membership, position = excluded.position)
INSERT INTO events (room_nid, position, event_id, type, state_key, sender, origin_server_ts, depth, json, notify_seq,
	highlight_seq)
SELECT room_nid, position, '$fake' || position, 'm.room.member', user_id, user_id, 1, 1, '{}', 0, 0 FROM given
""" % {"n": len(names), "names": ",".join(names), "room": room_id, "membership": membership, "closing": closing})
    server.user().create_room()  # something is published, upon which the stream is read
    stays = ("SELECT count(*) FROM server_stays s JOIN rooms r USING (room_nid) WHERE r.room_id = '%s' "
             "AND s.server = ANY('{%s}'::text[]) AND (s.to_position = 9223372036854775807) = %s"
             % (room_id, ",".join(names), not closing))
    wait_until(lambda: server.sql(stays) == str(len(names)), what="the outbox knows who is in the room")


def let_in(server, room_id, *names):
    """Users of other servers are in the room from now on."""
    _member(server, room_id, names, "join")


def let_out(server, room_id, *names):
    """Those users leave."""
    _member(server, room_id, names, "leave")


class Inbox:
    """Takes the remote's transactions; what it answers can be changed."""

    def __init__(self, remote):
        self.remote, self.transactions, self.changed = remote, [], threading.Condition()
        self.taken = []  # those of them that were not refused
        self.refuse = None  # answer instead of taking it
        remote.on("PUT", SEND, self._take)

    def _take(self, ask):
        with self.changed:
            refuse = self.refuse
            self.transactions.append(ask)
            if refuse is None:
                self.taken.append(ask)
            self.changed.notify_all()
        return (200, {"pdus": {}}) if refuse is None else refuse(ask)

    def pdus(self):
        return [pdu for ask in self.transactions for pdu in ask.json["pdus"]]

    def bodies(self):
        return [pdu["content"]["body"] for pdu in self.pdus() if pdu["type"] == "m.room.message"]

    def edus(self, kind):
        """Contents of the EDUs of a type, in order."""
        return [edu["content"] for ask in self.transactions for edu in ask.json["edus"] if edu["edu_type"] == kind]

    def until(self, condition, limit=20, what="transactions"):
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), seconds(limit)), "%s: got %s" % (
                what, [(a.match.group(1), a.json["pdus"], a.json["edus"]) for a in self.transactions])
