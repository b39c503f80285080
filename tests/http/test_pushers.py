"""Pushers and what push gateways hear.  Spec: client-server API, "Push Notifications"; push gateway API.

That something is *not* notified is shown by a later event that is: deliveries of one pusher come in order.
"""
import socket
import time

import pytest

from support import accounts
from support.client import path_of, seconds, unique
from support.gateway import Gateway, pusher

SET = path_of("pushers", "set")


@pytest.fixture(scope="module")
def server():
    from support.server import Server
    one = Server(settings={"network.allow_addresses": "127.0.0.1"}).start()
    yield one
    one.destroy()


@pytest.fixture
def alice(server):
    return accounts.register(server.anonymous().http)


@pytest.fixture
def bob(server):
    return accounts.register(server.anonymous().http)


@pytest.fixture
def gateway():
    one = Gateway()
    yield one
    one.close()


def set_pusher(user, gateway, pushkey=None, **more):
    pushkey = pushkey or unique("key")
    user.post(SET, pusher(gateway, pushkey, **more)).ok()
    return pushkey


def listed(user):
    return user.get("/pushers").ok()["pushers"]


# -- the API

def test_set__http_pusher__listed_as_given(alice, gateway):
    body = pusher(gateway, "key-1", profile_tag="tag", data={"format": "event_id_only", "org.example": {"a": 1}})
    alice.post(SET, body).ok()
    assert listed(alice) == [body]
    changed = dict(body, lang="zh-Hant", device_display_name="Tablet")
    alice.post(SET, changed).ok()
    assert listed(alice) == [changed]
    alice.post(SET, {"kind": None, "app_id": body["app_id"], "pushkey": "key-1"}).ok()
    assert listed(alice) == []
    alice.post(SET, {"kind": None, "app_id": body["app_id"], "pushkey": "key-1"}).ok()


def test_set__same_key_of_another_user__moves_unless_appended(alice, bob, gateway):
    set_pusher(alice, gateway, "shared-key")
    set_pusher(bob, gateway, "shared-key", append=True)
    assert len(listed(alice)) == len(listed(bob)) == 1
    set_pusher(bob, gateway, "shared-key", app_id="org.example.other")
    assert len(listed(alice)) == 1, "another application"
    set_pusher(bob, gateway, "shared-key")
    assert listed(alice) == [] and len(listed(bob)) == 2


@pytest.mark.parametrize("change, errcode", [
    ({"kind": "pigeon"}, "M_INVALID_PARAM"), ({"kind": 5}, "M_BAD_JSON"), ({"data": None}, "M_MISSING_PARAM"),
    ({"data": {}}, "M_MISSING_PARAM"), ({"data": {"url": 5}}, "M_INVALID_PARAM"), ({"data": []}, "M_BAD_JSON"),
    ({"lang": None}, "M_MISSING_PARAM"), ({"app_display_name": None}, "M_MISSING_PARAM"),
    ({"device_display_name": None}, "M_MISSING_PARAM"), ({"app_id": "a" * 65}, "M_INVALID_PARAM"),
    ({"pushkey": "a" * 513}, "M_INVALID_PARAM"), ({"append": "yes"}, "M_BAD_JSON"),
    ({"data": {"url": "https://x.example/_matrix/push/v1/notify", "x": "y" * 9000}}, "M_INVALID_PARAM")])
def test_set__malformed__400(alice, gateway, change, errcode):
    body = dict(pusher(gateway, "key"), **change)
    alice.post(SET, {key: value for key, value in body.items() if value is not None}).expect(400, errcode)
    for key in ("app_id", "pushkey", "kind"):
        body = pusher(gateway, "key")
        del body[key]
        alice.post(SET, body).expect(400, "M_MISSING_PARAM")
    assert listed(alice) == []


@pytest.mark.parametrize("url", [
    "http://push.example/_matrix/push/v1/notify", "http://10.0.0.1/_matrix/push/v1/notify", "ftp://x/_matrix/push/v1/notify",
    "https://push.example/", "https://push.example/other", "https:///_matrix/push/v1/notify",
    "https://user@push.example/_matrix/push/v1/notify", "http://127.0.0.1@push.example/_matrix/push/v1/notify",
    "https://push.example/_matrix/push/v1/notify#x", "/_matrix/push/v1/notify"])
def test_sec_5_39__url_that_may_not_be_asked__400(alice, gateway, url):
    alice.post(SET, dict(pusher(gateway, "key"), data={"url": url})).expect(400, "M_INVALID_PARAM")


def test_sec_5_39__name_of_this_machine__never_asked(server, alice, bob):
    """https to a name whose address is private: taken, as nobody looks a name up then; its connection is refused."""
    import socket
    with socket.socket() as trap, Closing(Gateway()) as good:
        trap.bind(("127.0.0.2", 0))
        trap.listen()
        trap.settimeout(0)
        room = dialogue(alice, bob)
        url = "https://%s:%d/_matrix/push/v1/notify" % ("0x7f000002", trap.getsockname()[1])
        bob.post(SET, dict(pusher(good, "bad"), data={"url": url})).ok()
        set_pusher(bob, good)
        alice.send(room, "hello")
        good.until(lambda n: n.get("content", {}).get("body") == "hello")
        with pytest.raises(BlockingIOError):
            trap.accept()


class Closing:
    def __init__(self, one):
        self.one = one

    def __enter__(self):
        return self.one

    def __exit__(self, *_):
        self.one.close()


def test_pushers__logged_out_device__gone(alice, gateway):
    phone = alice.login()
    set_pusher(phone, gateway, "phone")
    set_pusher(alice, gateway, "desk")
    phone.post("/logout").ok()
    assert [one["pushkey"] for one in listed(alice)] == ["desk"]


def test_pushers__of_others__not_seen(alice, bob, gateway):
    set_pusher(alice, gateway, "mine")
    assert listed(bob) == []
    bob.post(SET, {"kind": None, "app_id": "org.example.app", "pushkey": "mine"}).ok()
    assert len(listed(alice)) == 1


def test_pushers__too_many__403(alice, gateway):
    for n in range(100):
        set_pusher(alice, gateway, "k%d" % n)
    alice.post(SET, pusher(gateway, "more")).expect(403, "M_FORBIDDEN")
    set_pusher(alice, gateway, "k5")


def test_pushers__without_token__401(server, gateway):
    server.anonymous().get("/pushers", token=False).expect(401, "M_MISSING_TOKEN")


# -- what gateways hear

def dialogue(alice, bob, **options):
    room = alice.create_room(invite=[bob.user_id], **options)
    bob.join(room).ok()
    return room


def bodies(notifications):
    return [one["content"]["body"] for one in notifications if "body" in one.get("content", {})]


def test_notify__message__as_the_specification_says(alice, bob, gateway):
    room = dialogue(alice, bob, name="Class 3B")
    alice.put(path_of("profile", alice.user_id, "displayname"), {"displayname": "Lin"}).ok()
    before = int(time.time())
    key = set_pusher(bob, gateway, data={"org.example.x": 1})
    event = alice.send(room, "hello")
    got = gateway.until(lambda n: n.get("event_id") == event)[-1]
    device = got.pop("devices")[0]
    assert before <= device.pop("pushkey_ts") <= time.time() + 1
    assert device == {"app_id": "org.example.app", "pushkey": key, "data": {"org.example.x": 1},
                      "tweaks": {"sound": "default"}}
    assert got == {"event_id": event, "room_id": room, "type": "m.room.message", "sender": alice.user_id,
                   "sender_display_name": "Lin", "room_name": "Class 3B", "prio": "high", "counts": {"unread": 1},
                   "content": {"msgtype": "m.text", "body": "hello"}}
    path, headers = gateway.headers[-1]
    assert path == "/_matrix/push/v1/notify" and headers["User-Agent"].startswith("Belfry/")


def test_notify__event_id_only__no_more(alice, bob, gateway):
    room = dialogue(alice, bob, name="Class 3B")
    key = set_pusher(bob, gateway, data={"format": "event_id_only"})
    event = alice.send(room, "secret")
    got = gateway.until(lambda n: n.get("event_id") == event)[-1]
    assert set(got) == {"event_id", "room_id", "counts", "devices", "prio"}
    assert got["devices"][0]["data"] == {"format": "event_id_only"} and got["devices"][0]["pushkey"] == key


def test_notify__encrypted__without_content(alice, bob, gateway):
    room = dialogue(alice, bob)
    set_pusher(bob, gateway)
    event = alice.send(room, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AAAA"}, "m.room.encrypted")
    got = gateway.until(lambda n: n.get("event_id") == event)[-1]
    assert "content" not in got and got["type"] == "m.room.encrypted" and got["prio"] == "high"


def test_notify__own_and_silent_events__not(alice, bob, gateway):
    room = dialogue(alice, bob)
    set_pusher(bob, gateway)
    bob.send(room, "mine")
    alice.send(room, {"msgtype": "m.notice", "body": "notice"})
    alice.send(room, {"x": 1}, "org.example.silent")
    alice.send(room, "last")
    assert bodies(gateway.until(lambda n: n.get("content", {}).get("body") == "last")) == ["last"]


def test_notify__invite__is_target(alice, bob, gateway):
    set_pusher(bob, gateway)
    room = alice.create_room(invite=[bob.user_id], name="Staff")
    got = gateway.next()
    assert (got["room_id"], got["type"], got["user_is_target"]) == (room, "m.room.member", True)
    assert got["content"]["membership"] == "invite"


def test_notify__mention__highlight(alice, bob, gateway):
    room = dialogue(alice, bob)
    set_pusher(bob, gateway)
    alice.send(room, {"msgtype": "m.text", "body": "Bob!", "m.mentions": {"user_ids": [bob.user_id]}})
    got = gateway.until(lambda n: n.get("content", {}).get("body") == "Bob!")[-1]
    assert got["devices"][0]["tweaks"] == {"sound": "default", "highlight": True}


def test_notify__ignored_sender__not(server, alice, bob, gateway):
    carol = accounts.register(server.anonymous().http)
    room = alice.create_room(invite=[bob.user_id, carol.user_id])
    bob.join(room).ok()
    carol.join(room).ok()
    bob.account_data("m.ignored_user_list", {"ignored_users": {carol.user_id: {}}}).ok()
    set_pusher(bob, gateway)
    carol.send(room, "rubbish")
    alice.send(room, "last")
    assert bodies(gateway.until(lambda n: n.get("content", {}).get("body") == "last")) == ["last"]


def test_notify__after_leaving__nothing(alice, bob, gateway):
    left, stays = dialogue(alice, bob), dialogue(alice, bob)
    set_pusher(bob, gateway)
    bob.leave(left).ok()
    alice.send(left, "unheard")
    alice.send(stays, "last")
    assert bodies(gateway.until(lambda n: n.get("content", {}).get("body") == "last")) == ["last"]


def test_notify__several_pushers__each_hears(alice, bob, gateway):
    room = dialogue(alice, bob)
    keys = {set_pusher(bob, gateway), set_pusher(bob, gateway)}
    event = alice.send(room, "hello")
    got = [gateway.until(lambda n: n.get("event_id") == event)[-1] for _ in range(2)]
    assert {one["devices"][0]["pushkey"] for one in got} == keys


def test_notify__many__in_order_each_once(alice, bob, gateway):
    room = dialogue(alice, bob)
    set_pusher(bob, gateway)
    for n in range(30):
        alice.send(room, str(n))
    got = gateway.until(lambda n: n.get("content", {}).get("body") == "29")
    assert bodies(got) == [str(n) for n in range(30)]
    assert got[-1]["counts"] == {"unread": 30}


def rule(kind, name, **body):
    return path_of("pushrules", "global", kind, name), dict({"actions": ["notify"]}, **body)


@pytest.mark.parametrize("path_and_body, content, wanted", [
    (rule("override", "mute", conditions=[{"kind": "event_match", "key": "content.body", "pattern": "noise"}], actions=[]),
     {"body": "noise"}, None),
    (rule("content", "word", pattern="exam*", actions=["notify", {"set_tweak": "highlight"}, {"set_tweak": "sound", "value": "bell"}]),
     {"body": "the exams"}, {"highlight": True, "sound": "bell"}),
    (rule("override", "is", conditions=[{"kind": "event_property_is", "key": "content.n", "value": 5}],
          actions=["notify", {"set_tweak": "x", "value": 1}]), {"body": "5", "n": 5}, {"x": 1}),
    (rule("override", "has", conditions=[{"kind": "event_property_contains", "key": "content.l", "value": "a"}],
          actions=["notify", {"set_tweak": "x", "value": 2}]), {"body": "a", "l": ["b", "a"]}, {"x": 2}),
    (rule("override", "name", conditions=[{"kind": "contains_display_name"}],
          actions=["notify", {"set_tweak": "x", "value": 3}]), {"body": "hi Bobby Tables!"}, {"x": 3}),
    (rule("override", "two", conditions=[{"kind": "room_member_count", "is": "<=2"}],
          actions=["notify", {"set_tweak": "x", "value": 4}]), {"body": "two"}, {"x": 4}),
    (rule("override", "power", conditions=[{"kind": "sender_notification_permission", "key": "room"}],
          actions=["notify", {"set_tweak": "x", "value": 5}]), {"body": "power"}, {"x": 5}),
    (rule("override", "unknown", conditions=[{"kind": "org.example.moon"}],
          actions=["notify", {"set_tweak": "x", "value": 6}]), {"body": "moon"}, {"sound": "default"}),
])
def test_rules__each_condition__decides(alice, bob, gateway, path_and_body, content, wanted):
    bob.put(path_of("profile", bob.user_id, "displayname"), {"displayname": "Bobby Tables"}).ok()
    room = dialogue(alice, bob)
    bob.put(*path_and_body).ok()
    set_pusher(bob, gateway)
    event = alice.send(room, dict(content, msgtype="m.text"))
    last = alice.send(dialogue(alice, bob), {"msgtype": "m.text", "body": "last"})
    got = {one.get("event_id"): one for one in gateway.until(lambda n: n.get("event_id") == last)}
    if wanted is None:
        assert event not in got
    else:
        assert got[event]["devices"][0]["tweaks"] == wanted


@pytest.mark.parametrize("kind", ["room", "sender"])
def test_rules__room_or_sender_muted__the_others_notify(server, alice, bob, gateway, kind):
    carol = accounts.register(server.anonymous().http)
    quiet, loud = dialogue(carol, bob), dialogue(alice, bob)
    path, body = rule(kind, quiet if kind == "room" else carol.user_id, actions=[])
    bob.put(path, body).ok()
    set_pusher(bob, gateway)
    carol.send(quiet, "unheard")
    last = alice.send(loud, "last")
    assert bodies(gateway.until(lambda n: n.get("event_id") == last)) == ["last"]


def test_badge__read__counts_alone(alice, bob, gateway):
    room = dialogue(alice, bob)
    set_pusher(bob, gateway)
    event = alice.send(room, "hello")
    gateway.until(lambda n: n.get("event_id") == event)
    bob.receipt(room, event).ok()
    got = gateway.next()
    assert got["counts"] == {"unread": 0} and "event_id" not in got and got["prio"] == "low"


# -- when it does not go well

def test_gateway__fails__tried_again_in_order(alice, bob):
    failures = [500, 502, 400]
    with Closing(Gateway(lambda n: (failures.pop(), {}) if failures and "event_id" in n else (200, {}))) as gateway:
        room = dialogue(alice, bob)
        set_pusher(bob, gateway)
        for body in ("one", "two"):
            alice.send(room, body)
        got = gateway.until(lambda n: n.get("content", {}).get("body") == "two", 60)
        assert bodies(got) == ["one", "two"] and failures == []


def test_gateway__rejects_the_key__pusher_gone(alice, bob, gateway):
    key = unique("key")
    with Closing(Gateway(lambda n: (200, {"rejected": ["other", key]}))) as rejecting:
        room = dialogue(alice, bob)
        bob.post(SET, pusher(rejecting, key)).ok()
        kept = set_pusher(bob, gateway)
        alice.send(room, "one")
        rejecting.next()
        gateway.until(lambda n: n.get("content", {}).get("body") == "one")
        from support.server import wait_until
        wait_until(lambda: [one["pushkey"] for one in listed(bob)] == [kept], what="the rejected pusher to go")


def test_gateway__answers_nonsense__taken_as_delivered(alice, bob):
    with Closing(Gateway(lambda n: (200, ["nonsense"]))) as gateway:
        room = dialogue(alice, bob)
        set_pusher(bob, gateway)
        for body in ("one", "two"):
            alice.send(room, body)
        assert bodies(gateway.until(lambda n: n.get("content", {}).get("body") == "two")) == ["one", "two"]


class Silent:
    """Takes connections, and never answers."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d/_matrix/push/v1/notify" % self.listener.getsockname()[1]

    def accept(self):
        self.listener.settimeout(seconds(20))
        return self.listener.accept()[0]

    def close(self):
        self.listener.close()


def is_waited_for(connection):
    """Whether the other side still has it open: it is closed when an answer is not waited for any more."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
        return False
    except BlockingIOError:
        return True


def test_gateway__does_not_answer__others_are_served(alice, bob, gateway):
    """Meanwhile, not when it is given up."""
    with Closing(Silent()) as silent:
        room = dialogue(alice, bob)
        set_pusher(bob, silent)
        set_pusher(bob, gateway)
        alice.send(room, "0")
        with silent.accept() as connection:
            gateway.until(lambda n: n.get("content", {}).get("body") == "0")
            alice.send(room, "1")
            gateway.until(lambda n: n.get("content", {}).get("body") == "1")
            assert is_waited_for(connection)
        for n in range(2, 10):
            alice.send(room, str(n))
        gateway.until(lambda n: n.get("content", {}).get("body") == "9")


def test_gateway__does_not_answer_hundreds_of_pushers__others_are_served(server, alice, bob, gateway):
    """One user has a share of what is under way; what waits behind it waits for nobody else."""
    with Closing(Silent()) as silent:
        crowd = [accounts.register(server.anonymous().http) for _ in range(2)]
        room = dialogue(alice, bob)
        for one in crowd:
            alice.invite(room, one)
            one.join(room).ok()
            for _ in range(100):
                set_pusher(one, silent)
        alice.send(room, "0")
        with silent.accept() as connection:
            set_pusher(bob, gateway)
            for n in range(1, 10):
                alice.send(room, str(n))
            gateway.until(lambda n: n.get("content", {}).get("body") == "9")
            assert is_waited_for(connection)


def test_gateway__redirects__not_followed(alice, bob, gateway):
    """A gateway that is not ours to trust could send us anywhere."""
    with Closing(Gateway(lambda n: (200, {}))) as other:
        class Moving(Gateway):
            pass
        moving = Moving(lambda n: (302, {}))
        with Closing(moving):
            room = dialogue(alice, bob)
            set_pusher(bob, moving)
            set_pusher(bob, gateway)
            alice.send(room, "one")
            gateway.until(lambda n: n.get("content", {}).get("body") == "one")
            moving.heard.get(timeout=60)
            assert other.heard.empty()


def test_crash__between_event_and_delivery__delivered_after_restart(make_server):
    server = make_server(settings={"network.allow_addresses": "127.0.0.1"}).start()
    alice, bob = (accounts.register(server.anonymous().http) for _ in range(2))
    down = [True]
    with Closing(Gateway(lambda n: (503, {}) if down[0] else (200, {}))) as gateway:
        room = dialogue(alice, bob)
        set_pusher(bob, gateway)
        for n in range(5):
            alice.send(room, str(n))
        gateway.heard.get(timeout=60)
        server.kill_everything()
        down[0] = False
        server.start()
        alice.http.drop()
        alice.send(room, "after")
        got = gateway.until(lambda n: n.get("content", {}).get("body") == "after", 60)
        assert bodies(got) == ["0", "1", "2", "3", "4", "after"]


def test_crash__right_after_sending__nothing_lost(make_server):
    server = make_server(settings={"network.allow_addresses": "127.0.0.1"}).start()
    alice, bob = (accounts.register(server.anonymous().http) for _ in range(2))
    with Closing(Gateway()) as gateway:
        room = dialogue(alice, bob)
        set_pusher(bob, gateway)
        sent = []
        for n in range(3):
            sent.append("%d" % n)
            alice.send(room, sent[-1])
            server.kill()
            server.start()
            alice.http.drop()
        got = []
        gateway.until(lambda n: got.extend(bodies([n])) or set(got) == set(sent), 60)
        assert sorted(set(got)) == sent


def test_set__while_its_session_ends__401(make_server):
    """The trigger does what a logout may do at that moment."""
    server = make_server(settings={"network.allow_addresses": "127.0.0.1"}).start()
    alice = accounts.register(server.url)
    server.sql("create function leave() returns trigger language plpgsql as $$ begin delete from devices where user_id = new.user_id; "
               "return new; end $$; create trigger leave before insert on pushers for each row execute function leave()")
    with Closing(Gateway()) as gateway:
        alice.post("/pushers/set", pusher(gateway, "key")).expect(401, "M_UNKNOWN_TOKEN")
