"""matrix-nio, a client library of others, lives in this homeserver: two people, three sessions, one room."""
import asyncio
import time

import nio
import pytest

from support.client import seconds, unique


WIDE = {"room": {"timeline": {"limit": 50}}}


class Session:
    """A nio client that collects what /sync brings."""

    def __init__(self, url, name):
        self.client = nio.AsyncClient(url, name, config=nio.AsyncClientConfig(
            request_timeout=seconds(30), encryption_enabled=False, max_timeouts=1, max_limit_exceeded=0))
        self.events, self.ephemeral, self.left = [], [], set()
        self.client.add_event_callback(lambda room, event: self.events.append((room.room_id, event)), nio.Event)
        self.client.add_ephemeral_callback(lambda room, event: self.ephemeral.append((room.room_id, event)),
                                           nio.EphemeralEvent)

    async def until(self, condition, what, limit=20):
        """Syncs until condition() is true, and returns its value."""
        deadline = time.monotonic() + seconds(limit)
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, "nio: not seen by /sync: %s; last events: %s" % (
                what, [(event.event_id, type(event).__name__) for _, event in self.events[-8:]])
            answer = good(await self.client.sync(timeout=1000, sync_filter=WIDE), nio.SyncResponse)
            self.left |= set(answer.rooms.leave)

    def find(self, kind, **fields):
        return next((event for _, event in self.events if isinstance(event, kind) and all(
            getattr(event, name) == value for name, value in fields.items())), None)


def good(response, kind):
    assert isinstance(response, kind), "nio: expected %s, got %r" % (kind.__name__, response)
    return response


def text(body):
    return {"msgtype": "m.text", "body": body}


async def conversation(hs):
    ann_name, ben_name = unique("ann"), unique("ben")
    ann, ben = Session(hs.url, ann_name), Session(hs.url, ben_name)
    tablet = None
    try:
        # register
        good(await ann.client.register(ann_name, "ann's words", "Ann's phone"), nio.RegisterResponse)
        good(await ben.client.register(ben_name, "ben's words", "Ben's phone"), nio.RegisterResponse)
        ann_id, ben_id = ann.client.user_id, ben.client.user_id
        assert ann_id == "@%s:%s" % (ann_name, hs.server_name)
        good(await ann.client.set_displayname("Ann"), nio.ProfileSetDisplayNameResponse)

        # log in on a second device
        tablet = Session(hs.url, ann_id)
        good(await tablet.client.login("ann's words", device_name="Ann's tablet"), nio.LoginResponse)
        assert tablet.client.device_id != ann.client.device_id
        devices = good(await ann.client.devices(), nio.DevicesResponse).devices
        assert {device.id for device in devices} == {ann.client.device_id, tablet.client.device_id}
        for session in (ann, ben, tablet):
            good(await session.client.sync(timeout=0, full_state=True), nio.SyncResponse)

        # create, invite, join
        room = good(await ann.client.room_create(name="Staff room", topic="Talk"), nio.RoomCreateResponse).room_id
        good(await ann.client.room_invite(room, ben_id), nio.RoomInviteResponse)
        await ben.until(lambda: room in ben.client.invited_rooms, "the invite")
        assert ben.client.invited_rooms[room].name == "Staff room"
        good(await ben.client.join(room), nio.JoinResponse)
        await ben.until(lambda: room in ben.client.rooms, "the joined room")
        await tablet.until(lambda: ben_id in getattr(tablet.client.rooms.get(room), "users", {}), "ben on the tablet")
        assert ben.client.rooms[room].name == "Staff room"
        assert ben.client.rooms[room].user_name(ann_id) == "Ann"

        # talk, both ways, seen on every device in order
        ids = []
        for number in range(15):
            sender = (ann, ben)[number % 2]
            ids.append(good(await sender.client.room_send(room, "m.room.message", text("line %d" % number)),
                            nio.RoomSendResponse).event_id)
        for session in (ann, ben, tablet):
            await session.until(lambda session=session: session.find(nio.RoomMessageText, event_id=ids[-1]), "talk")
            seen = [event.event_id for _, event in session.events if isinstance(event, nio.RoomMessageText)]
            assert seen == ids

        # edit, react, redact
        edit = good(await ben.client.room_send(room, "m.room.message", {
            **text("* line one"), "m.new_content": text("line one"),
            "m.relates_to": {"rel_type": "m.replace", "event_id": ids[1]}}), nio.RoomSendResponse).event_id
        reaction = good(await ben.client.room_send(room, "m.reaction", {"m.relates_to": {
            "rel_type": "m.annotation", "event_id": ids[0], "key": "👍"}}), nio.RoomSendResponse).event_id
        await ann.until(lambda: ann.find(nio.RoomMessageText, event_id=edit), "the edit")
        await ann.until(lambda: ann.find(nio.ReactionEvent, event_id=reaction, key="👍", reacts_to=ids[0]), "the reaction")
        good(await ben.client.room_redact(room, ids[3], reason="wrong room"), nio.RoomRedactResponse)
        await ann.until(lambda: ann.find(nio.RedactionEvent, redacts=ids[3]), "the redaction")
        gone = good(await ann.client.room_get_event(room, ids[3]), nio.RoomGetEventResponse).event
        assert isinstance(gone, nio.RedactedEvent) and gone.redacter == ben_id

        # read receipts, read markers, typing
        good(await ben.client.room_read_markers(room, ids[-1], ids[-1]), nio.RoomReadMarkersResponse)
        await ann.until(lambda: any(isinstance(event, nio.ReceiptEvent) and any(
            receipt.user_id == ben_id and receipt.event_id == ids[-1] for receipt in event.receipts)
            for _, event in ann.ephemeral), "the receipt")
        good(await ben.client.room_typing(room, True, 20000), nio.RoomTypingResponse)
        await ann.until(lambda: ben_id in ann.client.rooms[room].typing_users, "typing")
        good(await ben.client.room_typing(room, False), nio.RoomTypingResponse)
        await ann.until(lambda: ben_id not in ann.client.rooms[room].typing_users, "the end of typing")

        # paginate back to the beginning
        start, older = ann.client.next_batch, []
        while True:
            page = good(await ann.client.room_messages(room, start, direction=nio.MessageDirection.back, limit=5),
                        nio.RoomMessagesResponse)
            older += page.chunk
            if not page.end or not page.chunk:
                break
            start = page.end
        assert [event.event_id for event in older if event.event_id in ids] == ids[::-1]
        assert isinstance(older[-1], nio.RoomCreateEvent)
        around = good(await ann.client.room_context(room, ids[7], limit=4), nio.RoomContextResponse)
        assert around.event.event_id == ids[7]
        members = good(await ann.client.joined_members(room), nio.JoinedMembersResponse).members
        assert {member.user_id for member in members} == {ann_id, ben_id}

        # leave, and what comes after is not heard
        good(await ben.client.room_leave(room), nio.RoomLeaveResponse)
        await ann.until(lambda: ben_id not in ann.client.rooms[room].users, "the leaving")
        good(await ann.client.room_send(room, "m.room.message", text("alone")), nio.RoomSendResponse)
        await ben.until(lambda: room in ben.left, "one's own leaving")
        assert not ben.find(nio.RoomMessageText, body="alone")
        good(await ben.client.room_forget(room), nio.RoomForgetResponse)

        # log out on one device; the other lives
        token = tablet.client.access_token
        good(await tablet.client.logout(), nio.LogoutResponse)
        tablet.client.access_token = token
        assert isinstance(await tablet.client.whoami(), nio.WhoamiError)
        good(await ann.client.whoami(), nio.WhoamiResponse)
    finally:
        for session in (ann, ben, tablet):
            if session is not None:
                await session.client.close()


@pytest.mark.timeout(600)
def test_nio__whole_conversation__works(hs):
    asyncio.run(conversation(hs))
