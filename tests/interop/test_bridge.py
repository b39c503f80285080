"""mautrix-python, the library under many bridges, bridges this homeserver: a bot that is invited, puppets that come into being when they are
wanted, join and speak; what people do comes by transactions."""
import asyncio
import json

import pytest
from mautrix.appservice import AppService
from mautrix.appservice.state_store import FileASStateStore
from mautrix.types import EventType, Membership

from support import accounts
from support.client import Http, seconds, unique
from support.server import Server, free_port, wait_until


@pytest.fixture(scope="module")
def server():
    server = Server().start()
    yield server
    server.destroy()


class Bridge:
    """Echoes what people say, by a puppet of theirs."""

    def __init__(self, server, folder):
        self.server, self.port = server, free_port()
        self.name = unique("mx").replace("-", "_")
        self.registration = {
            "id": self.name, "url": "http://127.0.0.1:%d" % self.port, "as_token": unique("as-token"),
            "hs_token": unique("hs-token"), "sender_localpart": self.name + "_bot", "receive_ephemeral": True,
            "rate_limited": False, "namespaces": {"users": [{
                "regex": "@%s_.*:%s" % (self.name, server.server_name), "exclusive": True}], "aliases": [], "rooms": []}}
        path = folder / "registration.yaml"
        path.write_text(json.dumps(self.registration))
        done = server.run("appservice", "add", str(path))
        assert done.returncode == 0, done.stderr
        self.seen, self.moments = [], []
        self.news = asyncio.Condition()
        self.az = AppService(
            server.url, server.server_name, self.registration["as_token"], self.registration["hs_token"],
            self.registration["sender_localpart"], self.registration["id"], ephemeral_events=True,
            query_user=self.make_puppet, state_store=FileASStateStore(path=str(folder / "state.json"), binary=False))
        self.az.matrix_event_handler(self.take)

    def user_id(self, name):
        return "@%s_%s:%s" % (self.name, name, self.server.server_name)

    async def make_puppet(self, user_id):
        await self.az.intent.user(user_id).ensure_registered()
        return {}

    async def take(self, event):
        if event.type.is_ephemeral:
            self.moments.append(event)
        else:
            await self.act(event)
            self.seen.append(event)
        async with self.news:
            self.news.notify_all()

    async def act(self, event):
        invited = event.type == EventType.ROOM_MEMBER and event.content.membership == Membership.INVITE
        if invited and event.state_key == self.az.bot_mxid:
            await self.az.intent.join_room_by_id(event.room_id)
        elif invited and event.state_key == self.user_id("lin"):
            await self.az.intent.user(event.state_key).join_room_by_id(event.room_id)
        elif event.type == EventType.ROOM_MESSAGE and not event.sender.startswith("@" + self.name):
            await self.az.intent.user(self.user_id("lin")).send_text(event.room_id, "echo: " + event.content.body)

    async def until(self, events, condition, what):
        async with self.news:
            try:
                await asyncio.wait_for(self.news.wait_for(lambda: any(map(condition, events))), seconds(20))
            except asyncio.TimeoutError:
                raise AssertionError("mautrix: not told of: %s; told: %s" % (what, events[-8:])) from None
        return next(filter(condition, events))


def test_bridge__bot_invited_puppet_made_when_invited__speaks_and_hears(server, tmp_path):
    async def conversation():
        bridge = Bridge(server, tmp_path)
        await bridge.az.start("127.0.0.1", bridge.port)
        try:
            alice = accounts.register(Http(server.url))
            bot = bridge.az.bot_mxid
            await asyncio.to_thread(wait_until, lambda: alice.get("/profile/" + bot).status == 200, 20, "the bot")
            await bridge.az.intent.ensure_registered()
            assert await bridge.az.ping_self("a ping") >= -1  # what the library makes of 0 ms; a ping that fails raises
            room_id = await asyncio.to_thread(alice.create_room, invite=[bot])
            await bridge.until(bridge.seen, lambda event: event.type == EventType.ROOM_MEMBER and
                               event.state_key == bot and event.content.membership == Membership.JOIN, "the bot joins")
            # The puppet does not exist: the bridge is asked, makes it, and joins as it.
            lin = bridge.user_id("lin")
            (await asyncio.to_thread(alice.invite, room_id, lin)).ok()
            await bridge.until(bridge.seen, lambda event: event.type == EventType.ROOM_MEMBER and
                               event.state_key == lin and event.content.membership == Membership.JOIN, "lin joins")
            await bridge.az.intent.user(lin).set_displayname("Lin (bridged)")
            said = await asyncio.to_thread(alice.send, room_id, "hello there")
            echo = await bridge.until(bridge.seen, lambda event: event.type == EventType.ROOM_MESSAGE and
                                      event.sender == lin, "the echo")
            assert echo.content.body == "echo: hello there"
            watch = await asyncio.to_thread(alice.sync)
            assert watch.joined(room_id).bodies()[-1] == "echo: hello there"
            (await asyncio.to_thread(alice.receipt, room_id, echo.event_id)).ok()
            (await asyncio.to_thread(alice.typing, room_id)).ok()
            await bridge.until(bridge.moments, lambda event: event.type == EventType.RECEIPT and
                               echo.event_id in event.content, "the receipt")
            await bridge.until(bridge.moments, lambda event: event.type == EventType.TYPING and
                               alice.user_id in event.content.user_ids, "typing")
            assert said in [event.event_id for event in bridge.seen]
        finally:
            await bridge.az.stop()
    asyncio.run(conversation())
