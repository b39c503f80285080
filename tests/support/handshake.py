"""The joining server's side, for rooms of the server under test: templates, signed events, send_join and its like.

    guest = Guest(remote, hs, room_id)
    answer = guest.join("@zoe:" + remote.name)          make_join, sign, send_join; the body of the answer
    event = guest.sign(guest.make("leave", user_id))    step by step
    guest.hand_in("leave", event)
"""
import copy

from synapse.api.room_versions import KNOWN_ROOM_VERSIONS

from .client import path_of, unique
from .remote_room import Pdu, now_ms

VERSIONS = [str(number) for number in range(1, 13)]


def asked(remote, word):
    """What the remote was asked with this word in the path, oldest first."""
    return [ask for ask in remote.asked if "/%s/" % word in ask.path]


def membership(user, room, user_id):
    """What the user is told of somebody's membership; None: nothing."""
    event = user.state(room).get(("m.room.member", user_id))
    return event and event["content"]["membership"]


class Guest:
    def __init__(self, remote, server, room_id):
        self.remote, self.server, self.room_id = remote, server, room_id

    def ask(self, membership, user_id, versions=VERSIONS):
        """The reply to make_…"""
        query = "&".join("ver=" + version for version in versions)
        path = path_of("make_" + membership, self.room_id, user_id)
        return self.remote.send(self.server, "GET", path + ("?" + query if query and membership != "leave" else ""))

    def make(self, membership, user_id):
        """The template, ready to be signed: {"room_version", "event"}."""
        return self.ask(membership, user_id).ok().json

    def sign(self, template, signer=None, **more):
        """`more` sets or (None) removes keys of the event; the room version's rules are Synapse's."""
        from synapse.crypto.event_signing import add_hashes_and_signatures
        version = KNOWN_ROOM_VERSIONS[template["room_version"]]
        signer = signer or self.remote
        pdu = copy.deepcopy(template["event"])
        pdu["origin_server_ts"] = now_ms()
        if version.event_format == 1:
            pdu["event_id"] = "$%s:%s" % (unique("e"), signer.name)
        pdu.update(more)
        pdu = {key: value for key, value in pdu.items() if value is not None}
        add_hashes_and_signatures(version, pdu, signer.name, signer.key)
        return Pdu(version, pdu)

    def hand_in(self, membership, event, api="v2", event_id=None, query=""):
        """The reply to send_…"""
        api = "v1" if membership == "knock" else api
        path = "/_matrix/federation/%s%s" % (
            api, path_of("send_" + membership, self.room_id, event_id or event.event_id))
        return self.remote.send(self.server, "PUT", path + query, event.json)

    def enter(self, membership, user_id, **more):
        return self.hand_in(membership, self.sign(self.make(membership, user_id)), **more)

    def join(self, user_id, **more):
        return self.enter("join", user_id, **more).ok()


def add_signature(version, event, signer):
    """Adds the signature of a Remote to an event that others have signed."""
    from synapse.crypto.event_signing import compute_event_signature
    ours = compute_event_signature(KNOWN_ROOM_VERSIONS[version], event, signer.name, signer.key)
    event.setdefault("signatures", {}).update(ours)
    return event


def countersign(remote, ask):
    """What an honest server answers to PUT /invite, of either version."""
    if "/v1/" in ask.path:
        event = {key: value for key, value in ask.json.items() if key != "unsigned"}
        return 200, [200, {"event": add_signature("1", event, remote)}]
    return 200, {"event": add_signature(ask.json["room_version"], ask.json["event"], remote)}
