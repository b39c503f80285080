"""Presence (modules/presence.md): own status, what others see, and when."""
import threading

import pytest

from support import accounts
from support.client import Client, path_of
from support.server import Server, free_port, wait_until


@pytest.fixture(scope="module")
def server():
    """One on which nobody is idle or offline by the passing of time, however slow the test is."""
    started = Server(settings={"presence.idle_after": "1h", "presence.offline_after": "1h"}).start()
    yield started
    started.destroy()


@pytest.fixture(scope="module")
def quick():
    """A server on which users are idle and offline soon."""
    started = Server(settings={"presence.idle_after": "3s", "presence.offline_after": "1s"}).start()
    yield started
    started.destroy()


def two_in_a_room(server):
    lin, mo = (accounts.register(server.url) for _ in range(2))
    room = lin.create_room(invite=[mo.user_id])
    mo.join(room).ok()
    return lin, mo, room


@pytest.fixture
def pair(server):
    """Two users who share a room."""
    return two_in_a_room(server)


def status(client, other):
    return client.get(path_of("presence", other.user_id, "status"))


def put_status(client, presence, **more):
    return client.put(path_of("presence", client.user_id, "status"), {"presence": presence, **more})


def told(answer, user):
    """Content of the newest m.presence event of a user in a sync answer."""
    found = [event["content"] for event in answer.get("presence", {}).get("events", [])
             if event["type"] == "m.presence" and event["sender"] == user.user_id]
    return found[-1] if found else None


def until_told(watch, user, condition):
    return watch.until(lambda answer: told(answer, user) is not None and condition(told(answer, user)))[0]


def test_presence__first_sync__online_and_told_to_who_shares_a_room(pair):
    lin, mo, _ = pair
    watch = lin.watch()
    mo.sync()
    content = told(until_told(watch, mo, lambda content: content["presence"] == "online"), mo)
    assert content["currently_active"] is True and content["last_active_ago"] >= 0
    seen = status(lin, mo).ok()
    assert seen["presence"] == "online" and seen["currently_active"] is True


def test_presence__waiting_sync__woken(pair):
    lin, mo, _ = pair
    watch = lin.watch()
    put_status(mo, "unavailable", status_msg="lunch").ok()
    content = told(until_told(watch, mo, lambda content: content["presence"] == "unavailable"), mo)
    assert content["status_msg"] == "lunch"


def test_presence__initial_sync__who_is_here(pair):
    lin, mo, _ = pair
    mo.sync()
    assert told(lin.sync(), mo)["presence"] == "online"


def test_presence__told_once(pair):
    lin, mo, _ = pair
    mo.sync()
    put_status(mo, "online", status_msg="once").ok()
    answer = lin.sync()
    assert told(answer, mo)["status_msg"] == "once"
    again = told(lin.sync(answer.since), mo)
    assert again is None or again.get("status_msg") == "once"


def test_presence__ones_own__told_with_the_first_sync_and_when_it_changes(server, pair):
    lin, _, _ = pair
    alone = accounts.register(server.url)
    for user in (lin, alone):
        answer = user.sync()
        assert told(answer, user)["presence"] == "online"
        put_status(user, "online", status_msg="at my desk").ok()
        assert told(user.sync(answer.since), user)["status_msg"] == "at my desk"


def test_presence__ones_own__tells_the_other_device(pair):
    lin, _, _ = pair
    watch = lin.login().watch()
    put_status(lin, "online", status_msg="moved").ok()
    until_told(watch, lin, lambda content: content.get("status_msg") == "moved")


def status_messages(answer, but=None):
    return {event["sender"]: event["content"].get("status_msg") for event in answer["presence"]["events"]
            if but is None or event["sender"] != but.user_id}


def test_presence__joining__members_told_of_the_joiner_and_the_joiner_of_them(server, keep_syncing):
    lin, mo, out = (accounts.register(server.url) for _ in range(3))
    room = lin.create_room(preset="public_chat")
    for user, text in ((lin, "here for long"), (mo, "coming"), (out, "elsewhere")):
        keep_syncing(user)
        put_status(user, "online", status_msg=text).ok()
    lins, mos = lin.sync(), mo.sync()
    mo.join(room).ok()
    assert status_messages(lin.sync(lins.since), but=lin) == {mo.user_id: "coming"}
    answer = mo.sync(mos.since)
    assert status_messages(answer, but=mo) == {lin.user_id: "here for long"}
    assert status_messages(mo.sync(answer.since), but=mo) == {}


def test_presence__member_is_called_otherwise_in_the_room__told_nothing_anew(server, keep_syncing):
    lin, mo = (accounts.register(server.url) for _ in range(2))
    room = lin.create_room(invite=[mo.user_id])
    keep_syncing(mo)
    mo.join(room).ok()
    put_status(mo, "unavailable").ok()
    since = lin.sync().since
    mo.set_state(room, "m.room.member", {"membership": "join", "displayname": "Mo"}, mo.user_id)
    answer = lin.sync(since)
    assert answer.joined(room).members("timeline") == {mo.user_id}
    assert told(answer, mo) is None or told(answer, mo)["presence"] != "unavailable"


def test_presence__profile_changes__name_and_picture_told_to_who_sees_it(pair, server):
    """"An m.presence presence status update is sent, again containing the new values": client-server API, "Profiles"."""
    lin, mo, _ = pair
    watch, other, stranger = lin.watch(), mo.login().watch(), accounts.register(server.url).watch()
    for key, value, now in (("displayname", "Mo", {"displayname": "Mo"}),
                            ("avatar_url", "mxc://x.example/mo", {"displayname": "Mo", "avatar_url": "mxc://x.example/mo"}),
                            ("displayname", "", {"avatar_url": "mxc://x.example/mo"})):
        mo.put(path_of("profile", mo.user_id, key), {key: value}).ok()
        for each in (watch, other):
            answer = until_told(each, mo, lambda content: {
                name: content[name] for name in ("displayname", "avatar_url") if name in content} == now)
            assert told(answer, mo)["presence"] == "online"
    assert "displayname" not in status(lin, mo).ok()
    assert told(stranger.next(timeout=0), mo) is None


def test_presence__newcomer_ignored_or_filtered__not_told(server, keep_syncing):
    lin, mo = (accounts.register(server.url) for _ in range(2))
    room = lin.create_room(preset="public_chat")
    keep_syncing(mo)
    put_status(mo, "online").ok()
    since = lin.sync().since
    mo.join(room).ok()
    assert told(lin.sync(since), mo) is not None
    assert told(lin.sync(since, filter={"presence": {"not_types": ["*"]}}), mo) is None
    assert told(lin.sync(since, filter={"presence": {"not_senders": [mo.user_id]}}), mo) is None
    lin.account_data("m.ignored_user_list", {"ignored_users": {mo.user_id: {}}}).ok()
    assert told(lin.sync(since), mo) is None


def test_presence__stranger__neither_told_nor_allowed_to_ask(server, pair):
    lin, mo, _ = pair
    out = accounts.register(server.url)
    put_status(mo, "online", status_msg="private").ok()
    assert told(out.sync(), mo) is None
    status(out, mo).expect(403, "M_FORBIDDEN")
    status(lin, Client(lin.http, None, "@unknown:hs1")).expect(403, "M_FORBIDDEN")


def test_presence__after_leaving__not_told(pair):
    lin, mo, room = pair
    since = mo.sync().since
    mo.leave(room).ok()
    put_status(lin, "online", status_msg="mo must not know").ok()
    assert told(mo.sync(since), lin) is None
    status(mo, lin).expect(403, "M_FORBIDDEN")
    status(lin, mo).expect(403, "M_FORBIDDEN")


@pytest.fixture
def in_background():
    """Lets something be done again and again on a thread of its own, until what is returned is called or the test is over."""
    stops = []

    def start(do):
        over = threading.Event()

        def run():
            while not over.is_set():
                do()
        thread = threading.Thread(target=run)

        def stop():
            over.set()
            thread.join()
        stops.append(stop)
        thread.start()
        return stop
    yield start
    for stop in stops:
        stop()


@pytest.fixture
def keep_syncing(in_background):
    """Lets a client follow /sync in the background."""
    def start(client):
        watch = client.watch()
        return in_background(lambda: watch.next(timeout=1000))
    return start


def test_presence__last_sync_over__offline(quick, keep_syncing):
    lin, mo, _ = two_in_a_room(quick)
    watch = lin.watch()
    stop = keep_syncing(mo)
    until_told(watch, mo, lambda content: content["presence"] == "online")
    stop()
    until_told(watch, mo, lambda content: content["presence"] == "offline")
    # What was told may be of a pause between two syncs.
    wait_until(lambda: status(lin, mo).ok()["presence"] == "offline", what="being offline")


def test_presence__no_action__unavailable_then_online_by_an_action(quick, keep_syncing, in_background):
    lin, mo, room = two_in_a_room(quick)
    watch = lin.watch()
    keep_syncing(mo)
    answer = until_told(watch, mo, lambda content: content.get("currently_active") is False)
    if told(answer, mo)["presence"] != "unavailable":  # on a slow machine both come at once
        until_told(watch, mo, lambda content: content["presence"] == "unavailable")
    active = Client(quick.url, mo.token, mo.user_id)
    in_background(lambda: active.send(room, "here again"))  # as long as one is seen
    until_told(watch, mo, lambda content: content["presence"] == "online" and content["currently_active"])


def test_presence__set_presence_of_sync__offline_does_not_show_unavailable_does(pair):
    lin, mo, _ = pair
    mo.sync(set_presence="offline")
    assert status(lin, mo).ok()["presence"] == "offline"
    mo.sync(set_presence="unavailable")
    assert status(lin, mo).ok()["presence"] == "unavailable"
    mo.sync()
    assert status(lin, mo).ok()["presence"] == "online"
    mo.sync_reply(set_presence="busy").expect(400, "M_INVALID_PARAM")


def test_presence__two_devices__the_one_most_here_counts(pair):
    lin, mo, _ = pair
    phone = mo.login()
    mo.sync(set_presence="unavailable")
    phone.sync(set_presence="online")
    assert status(lin, mo).ok()["presence"] == "online"
    phone.sync(set_presence="offline")
    assert status(lin, mo).ok()["presence"] == "unavailable"


def test_presence__ignored_user_or_filtered__not_told(pair):
    lin, mo, _ = pair
    put_status(mo, "online", status_msg="x").ok()
    assert told(lin.sync(filter={"presence": {"types": []}}), mo) is None
    assert told(lin.sync(filter={"presence": {"not_senders": [mo.user_id]}}), mo) is None
    assert told(lin.sync(), mo) is not None
    lin.account_data("m.ignored_user_list", {"ignored_users": {mo.user_id: {}}}).ok()
    assert told(lin.sync(), mo) is None


def test_presence__status_message__kept_over_a_kill_and_taken_away(make_server):
    server = make_server().start()
    lin, mo = (accounts.register(server.url) for _ in range(2))
    room = lin.create_room(invite=[mo.user_id])
    mo.join(room).ok()
    put_status(mo, "online", status_msg="在圖書館").ok()
    server.kill()
    server.start()
    lin, mo = (Client(server.url, who.token, who.user_id) for who in (lin, mo))
    seen = status(lin, mo).ok()
    assert seen["presence"] == "offline" and seen["status_msg"] == "在圖書館"
    put_status(mo, "online").ok()
    assert status(lin, mo).ok().get("status_msg") is None


def test_presence__disabled__quiet(make_server):
    server = make_server(settings={"presence.enabled": "false"}).start()
    lin, mo = (accounts.register(server.url) for _ in range(2))
    room = lin.create_room(invite=[mo.user_id])
    mo.join(room).ok()
    mo.sync()
    put_status(mo, "online", status_msg="x").ok()
    assert lin.sync()["presence"]["events"] == []
    assert status(lin, mo).ok()["presence"] == "offline"


@pytest.mark.one_process("where there are several, each change is said to all by a notification, which is a query")
def test_presence__changes_on_their_way_to_others__no_database(make_server):
    """Each change is told to a waiting sync; the housekeeper asks something now and then, on a slow machine for most of them."""
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    lin, mo = (accounts.register(server.url) for _ in range(2))
    room = lin.create_room(invite=[mo.user_id])
    mo.join(room).ok()
    watch, since = lin.watch(), mo.sync().since
    until_told(watch, mo, lambda content: content["presence"] == "online")
    asked = []
    while 0 not in asked[::2] or 0 not in asked[1::2]:
        assert len(asked) < 60, asked
        wanted, before = ("unavailable", "online")[len(asked) % 2], server.queries()
        since = mo.sync(since, set_presence=wanted).since
        until_told(watch, mo, lambda content, wanted=wanted: content["presence"] == wanted)
        asked.append(server.queries() - before)


@pytest.mark.parametrize("body, status_code, errcode", [({}, 400, ("M_MISSING_PARAM", "M_BAD_JSON")),
                                                        ({"presence": "busy"}, 400, "M_INVALID_PARAM"),
                                                        ({"presence": 1}, 400, "M_BAD_JSON"),
                                                        ({"presence": "online", "status_msg": 1}, 400, "M_BAD_JSON"),
                                                        ({"presence": "online", "status_msg": "x" * 2000}, 413, "M_TOO_LARGE")])
def test_presence__bad_status__refused(pair, body, status_code, errcode):
    lin, _, _ = pair
    lin.put(path_of("presence", lin.user_id, "status"), body).expect(status_code, errcode)


def test_presence__of_another__403(pair):
    lin, mo, _ = pair
    lin.put(path_of("presence", mo.user_id, "status"), {"presence": "online"}).expect(403, "M_FORBIDDEN")
