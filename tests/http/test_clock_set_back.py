"""A wall clock that is set back: what was put off by the clock that was ahead is not put off until that one is there again."""
import os
import struct
import subprocess

import pytest

from support.client import path_of
from support.gateway import Gateway, pusher
from support.handshake import Guest
from support.inbox import Inbox
from support.proofs import BASE, with_address
from support.server import FederatedServer, wait_until
from test_fed_partial import join, joined_members, large

CLOCK_SOURCE = os.path.join(os.path.dirname(__file__), "..", "soak", "clock.c")
HOURS_AHEAD = 2
PAUSES = {"federation.retry_first": "1s", "federation.retry_longest": "1d",
          "appservices.retry_first": "1s", "appservices.retry_longest": "1h"}


@pytest.fixture(scope="module")
def gateway():
    started = Gateway()
    yield started
    started.close()


@pytest.fixture
def ahead(authority, tmp_path, box):
    """A server whose clock is hours ahead, until server.set_back()."""
    library, skew = str(tmp_path / "clock.so"), tmp_path / "skew"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, CLOCK_SOURCE], check=True)
    skew.write_bytes(struct.pack("=q", HOURS_AHEAD * 3600))
    server = FederatedServer(authority=authority, settings={
        **PAUSES, **box.settings(), "public_base_url": BASE, "registration.email": "optional", "mail.unread_after": "1m"})
    server.environment = {"LD_PRELOAD": library, "SOAK_CLOCK": str(skew)}

    def set_back():
        with open(skew, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", 0))
    server.set_back = set_back
    yield server.start()
    server.destroy()


def await_failing(server, table, count):
    wait_until(lambda: server.sql("SELECT count(*) FROM %s WHERE failures > 0" % table).strip() == str(count), 30, table)


def test_clock_set_back__what_failed_before__is_tried_again(ahead, remote, make_remote, make_appservice, gateway, box):
    """Transactions to a server and to an application service, the members of a room that was joined without them, and pushers: one of a gateway
    that fails, and a mail that is due in a minute."""
    service, far = make_appservice("bot", users=["@_bot_.*"]), make_remote()
    service.register(ahead)
    bot, alice = service.client(ahead), ahead.user()
    shared, ours = alice.create_room(preset="public_chat"), alice.create_room(preset="public_chat")
    inbox, _ = Inbox(remote), Inbox(far)
    Guest(remote, ahead, shared).join("@zoe:" + remote.name)
    bot.join(ours).ok()
    partial = large(far)
    inbox.refuse = lambda ask: (500, {})
    far_answers, rules = far.handlers[:], service.rules[:]
    far.on("GET", r"/_matrix/federation/v1/state/.*", lambda ask: (500, {}))
    service.on("PUT", "/", lambda ask: (500, {}))
    lin = with_address(ahead, box)
    before = len(box.to(lin.address))
    lin.post(path_of("pushers", "set"), {
        "kind": "email", "app_id": "m.email", "pushkey": lin.address, "app_display_name": "Mails", "device_display_name": "Mail",
        "lang": "en", "data": {}}).ok()
    phone = ahead.user()
    phone.post(path_of("pushers", "set"), pusher(gateway, "phone")).ok()
    told = alice.create_room(invite=[lin.user_id, phone.user_id])
    for user in (lin, phone):
        user.join(told).ok()
    gateway.answer = lambda notification: (500, {})
    event = alice.send(told, "to a gateway, and by mail")
    wait_until(lambda: ahead.sql("SELECT count(*) FROM pushers WHERE next_try_ms > set_at_ms").strip() == "2", 30, "both wait")
    await_failing(ahead, "pushers", 1)
    alice.send(shared, "to a server")
    alice.send(ours, "to a service")
    join(alice, partial, far).ok()
    await_failing(ahead, "destinations", 1)
    await_failing(ahead, "appservice_deliveries", 1)
    wait_until(lambda: ahead.sql("SELECT count(*) FROM partial_joins WHERE attempts > 0").strip() == "1", 30, "an attempt")
    ahead.set_back()
    gateway.answer = lambda notification: (200, {"rejected": []})
    inbox.refuse, service.rules[:], far.handlers[:] = None, rules, far_answers
    assert gateway.until(lambda notification: notification.get("event_id") == event, 30)
    assert "to a gateway, and by mail" in box.wait(lin.address, before + 1, 30).text
    await_failing(ahead, "destinations", 0)
    await_failing(ahead, "appservice_deliveries", 0)
    wait_until(lambda: ahead.sql("SELECT count(*) FROM partial_joins").strip() == "0", 30, "the room is whole")
    assert joined_members(alice, partial) == {partial.creator, alice.user_id, *partial.far}
