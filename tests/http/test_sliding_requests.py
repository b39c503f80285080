"""Simplified sliding sync (MSC4186): connections and their positions, waiting, what is refused."""
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import Client, seconds
from support.keys import Device
from support.server import free_port
from support.sliding import PATH, Answer, Sliding, ask, wanted, window

EVERYTHING = {name: {"enabled": True} for name in ("to_device", "e2ee", "account_data", "receipts", "typing")}


def in_background(watch, timeout=20000):
    """Asks in another thread; call it for the answer."""
    found = []
    thread = threading.Thread(target=lambda: found.append(watch.next(timeout=timeout)))
    thread.start()

    def result():
        thread.join(seconds(60))
        assert found, "no answer"
        return found[0]
    return result


# -- positions

def test_versions__says_that_it_is_there(nobody):
    assert nobody.get("/_matrix/client/versions").ok()["unstable_features"]["org.matrix.simplified_msc3575"] is True


def test_pos__same_again__same_answer(alice, bob, shared):
    watch = Sliding(bob, {"all": window()}, extensions={"account_data": {}})
    event = alice.send(shared, "x")
    bob.account_data("org.example.x", {"n": 1}).ok()
    answers = [watch.peek() for _ in range(3)]
    for answer in answers:
        assert answer.room(shared).ids() == [event] and not answer.room(shared).get("initial")
        assert answer.account("org.example.x") == {"n": 1}
    watch.pos = answers[-1].pos
    assert watch.next().rooms == set()


def test_pos__same_again_after_more_happened__both(alice, bob, shared):
    watch = Sliding(bob, {"all": window()})
    events = [alice.send(shared, "one")]
    assert watch.peek().room(shared).ids() == events
    events.append(alice.send(shared, "two"))
    assert watch.next().room(shared).ids() == events


def test_pos__same_again_with_another_body__answers_that(alice):
    rooms = [alice.create_room() for _ in range(3)][::-1]
    watch = Sliding(alice, {"all": window(last=0)})
    watch.lists["all"]["ranges"] = [[0, 2]]
    assert watch.peek().rooms == set(rooms[1:])
    watch.lists["all"]["ranges"] = [[0, 1]]
    assert watch.next().rooms == {rooms[1]}
    watch.lists["all"]["ranges"] = [[0, 2]]
    assert watch.next().rooms == {rooms[2]}


@pytest.mark.tsan
def test_pos__asked_by_many_at_once_while_things_happen__each_answer_right(alice, bob, shared):
    watch = Sliding(bob, {"all": window(timeline=100, state=[("m.room.member", "$LAZY")])}, extensions={name: {} for name in EVERYTHING})
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(watch.peek, number % 2) for number in range(40)]
        sent = list(pool.map(lambda number: alice.send(shared, str(number)), range(20)))
        answers = [future.result() for future in asked]
    history = [event["event_id"] for event in bob.history(shared, "f") if event["event_id"] in sent]
    for answer in answers:
        ids = answer.room(shared).ids()
        assert ids == history[:len(ids)]  # all from the position on, without a gap
    last = max(answers, key=lambda answer: len(answer.room(shared).ids()))
    reply = ask(bob, watch.body(), last.pos)
    assert reply.errcode == "M_UNKNOWN_POS" or last.room(shared).ids() + Answer(reply.json).room(shared).ids() == history
    assert watch.next().room(shared).ids() == history


def test_pos__first_request_again__everything_again(alice, room):
    watch = Sliding(alice, {"all": window()})
    watch.pos = None
    assert watch.next().room(room)["initial"] is True


def lost_or_unknown(watch, pos, rooms):
    """What an old position gets: it is not known any more, or nothing is missing in the answer to it."""
    reply = ask(watch.client, watch.body(), pos)
    if reply.status == 200:
        assert rooms <= Answer(reply.json).rooms
    else:
        reply.expect(400, "M_UNKNOWN_POS")


def test_pos__older_than_the_one_before__unknown_or_nothing_missing(alice, room):
    watch = Sliding(alice, {"all": window()})
    old, rooms = watch.pos, set()
    for _ in range(3):  # each answer tells something, so that each has a state of its own
        rooms.add(alice.create_room())
        watch.until(lambda answer: answer.rooms)
    lost_or_unknown(watch, old, rooms)


@pytest.mark.parametrize("pos", ["0", "999999999/s1_0", "nonsense", "s1_2_3", "1/", "/", "1/s1_1_1_1_1_1_1_1_1_1_1", "-1/s5", "a" * 3000, "1/s99999999999999999999999",
                                 "\x00", "é", "%2F", "1/s1_0/s1_0"], ids=range(14))
def test_pos__made_up__refused(alice, pos):
    ask(alice, {"lists": {"all": window()}}, pos).expect(400, ("M_UNKNOWN_POS", "M_INVALID_PARAM", "M_UNKNOWN"))


def test_pos__empty__not_a_failure(alice):
    ask(alice, {}, "").expect((200, 400))


def test_pos__of_another_connection_device_or_user__unknown(alice, bob, shared):
    watch = Sliding(alice, {"all": window()}, conn_id="main")
    ask(alice, {**watch.body(), "conn_id": "other"}, watch.pos).expect(400, "M_UNKNOWN_POS")
    ask(alice, {"lists": watch.lists}, watch.pos).expect(400, "M_UNKNOWN_POS")
    ask(alice.login(), watch.body(), watch.pos).expect(400, "M_UNKNOWN_POS")
    ask(bob, watch.body(), watch.pos).expect(400, "M_UNKNOWN_POS")
    watch.next()


@pytest.mark.peer("takes what names no room from everybody")
def test_pos__of_a_connection_without_rooms__of_its_device_alone_too(alice, bob):
    watch = Sliding(alice, extensions={"to_device": {}, "e2ee": {}})
    for other in (bob, alice.login()):
        ask(other, watch.body(), watch.pos).expect(400, "M_UNKNOWN_POS")
    ask(alice, watch.body(), alice.sync().since).expect(400, "M_UNKNOWN_POS")
    watch.next()


def test_connection__begun_anew_under_its_name__the_new_one_goes_on(alice, room):
    old = Sliding(alice, {"all": window()}, conn_id="main")
    new = Sliding(alice, {"all": window()}, conn_id="main")
    assert new.first.room(room)["initial"] is True
    event = alice.send(room, "x")
    lost_or_unknown(old, old.pos, {room})
    assert new.next().room(room).ids() == [event]


def test_connections__of_different_names__side_by_side(alice, bob, shared):
    main, nameless, other = (Sliding(bob, {"all": window()}, conn_id=name) for name in ("main", "", "other"))
    events = []
    for number in range(3):
        events.append(alice.send(shared, str(number)))
        main.until_event(shared, events[-1])
    for watch in (nameless, other):
        seen = []
        for answer in watch.until_event(shared, events[-1]):
            seen += answer.room(shared).ids()
        assert seen == events


def test_connections__many_of_one_device__the_newest_go_on(alice, room):
    watches = [Sliding(alice, {"all": window()}) for _ in range(40)]
    event = alice.send(room, "x")
    assert event in watches[-1].next().room(room).ids()
    reply = ask(alice, watches[0].body(), watches[0].pos)
    assert reply.status == 200 or reply.errcode == "M_UNKNOWN_POS"


@pytest.mark.peer("takes none of them there")
def test_pos__in_messages__from_there(alice, room):
    ids = [alice.send(room, str(number)) for number in range(3)]
    watch = Sliding(alice, {"all": window()})
    later = alice.send(room, "later")
    back = alice.messages(room, "b", limit=3, **{"from": watch.pos}).ok()
    assert [event["event_id"] for event in back["chunk"]] == ids[::-1]
    forth = alice.messages(room, "f", limit=3, **{"from": watch.pos}).ok()
    assert [event["event_id"] for event in forth["chunk"]] == [later]


@pytest.mark.peer("takes none of them there")
def test_pos__in_relations__taken(alice, room):
    event = alice.send(room, "x")
    watch = Sliding(alice, {"all": window()})
    alice.get("/_matrix/client/v1" + alice.room(room, "relations", event), query={"from": watch.pos}).ok()


@pytest.mark.peer("goes on with it")
@pytest.mark.parametrize("end", ["/logout", "/logout/all"])
def test_pos__device_ends_and_one_of_its_name_comes__unknown(alice, room, end):
    session = alice.login(device_id="TABLET")
    watch = Sliding(session, {"all": window()})
    session.post(end).ok()
    session = alice.login(device_id="TABLET")
    session.send(room, "x")
    ask(session, watch.body(), watch.pos).expect(400, "M_UNKNOWN_POS")


def test_pos__token_refreshed__goes_on(alice, nobody, room):
    session = alice.login(refresh_token=True)
    watch = Sliding(session, {"all": window()})
    fresh = nobody.post("/refresh", {"refresh_token": session.refresh_token}, token=False).ok()
    watch.client = Client(session.http.base, fresh["access_token"])
    event = alice.send(room, "x")
    part = watch.next().room(room)
    assert part.ids() == [event] and not part.get("initial")


# -- waiting

def test_wait__nothing_happens__empty_answer_after_the_time(alice, room):
    watch = Sliding(alice, {"all": window()}, extensions={name: {} for name in EVERYTHING})
    watch.next()
    answer = watch.next(timeout=300)
    assert answer.rooms == set() and answer.count() == 1
    watch.next()


def test_wait__first_request__answers_at_once(alice):
    assert Answer(ask(alice, {"lists": {"all": window()}}, timeout=600000).ok().json).rooms == set()


def message(alice, bob, shared):
    alice.send(shared, "wake up")
    return lambda answer: "wake up" in answer.room(shared).bodies()


def invite(alice, bob, shared):
    room = alice.create_room(invite=[bob.user_id])
    return lambda answer: answer.room(room).stripped


def typing(alice, bob, shared):
    alice.typing(shared).ok()
    return lambda answer: answer.typing(shared) == [alice.user_id]


def receipt(alice, bob, shared):
    event = alice.messages(shared, "b", limit=1).ok()["chunk"][0]["event_id"]
    alice.receipt(shared, event).ok()
    return lambda answer: (event, "m.read", alice.user_id) in answer.receipts(shared)


def account_data(alice, bob, shared):
    bob.account_data("org.example.x", {"n": 1}).ok()
    return lambda answer: answer.account("org.example.x") == {"n": 1}


def room_account_data(alice, bob, shared):
    bob.account_data("org.example.x", {"n": 1}, shared).ok()
    return lambda answer: answer.account("org.example.x", shared) == {"n": 1}


def tag(alice, bob, shared):
    bob.put("/user/%s/rooms/%s/tags/u.x" % (bob.user_id, shared), {}).ok()
    return lambda answer: "u.x" in answer.account("m.tag", shared)["tags"]


def push_rule(alice, bob, shared):
    bob.put("/pushrules/global/override/mine", {"actions": [], "conditions": []}).ok()
    return lambda answer: answer.account("m.push_rules")


def to_device(alice, bob, shared):
    alice.put("/sendToDevice/m.test/t-%s" % shared[1:9], {"messages": {bob.user_id: {bob.device_id: {"n": 1}}}}).ok()
    return lambda answer: [event["content"] for event in answer.extension("to_device")["events"]] == [{"n": 1}]


def device_list(alice, bob, shared):
    Device(alice).upload()
    return lambda answer: answer.extension("e2ee")["device_lists"]["changed"] == [alice.user_id]


def kick(alice, bob, shared):
    alice.kick(shared, bob).ok()
    return lambda answer: answer.room(shared)


def name(alice, bob, shared):
    alice.set_state(shared, "m.room.name", {"name": "N"})
    return lambda answer: answer.room(shared).get("name") == "N"


@pytest.mark.tsan
@pytest.mark.parametrize("happens", [message, invite, typing, receipt, account_data, room_account_data, tag, push_rule, to_device, device_list,
                                     kick, name], ids=lambda function: function.__name__)
def test_wait__something_happens__wakes_with_it(alice, bob, shared, happens):
    watch = Sliding(bob, {"all": window()}, extensions={name: {} for name in EVERYTHING})
    watch.next()
    result = in_background(watch)
    condition = happens(alice, bob, shared)
    assert condition(result())


def test_wait__what_is_not_asked_for__does_not_answer(alice, bob, shared):
    """It would be an answer without contents; the message that comes later is the first that it has."""
    watch = Sliding(bob, {"all": window()})
    watch.next()
    result = in_background(watch)
    bob.account_data("org.example.x", {"n": 1}).ok()
    alice.typing(shared).ok()
    event = alice.send(shared, "wake up")
    assert event in result().room(shared).ids()


def test_wait__room_outside_of_the_window__does_not_answer(alice, bob):
    outside = alice.create_room(invite=[bob.user_id])
    bob.join(outside).ok()
    alice.account_data("m.direct", {bob.user_id: [outside]}).ok()
    inside = alice.create_room()
    watch = Sliding(alice, {"all": window(filters={"is_dm": False})})
    watch.next()
    result = in_background(watch)
    bob.send(outside, "unheard")
    event = alice.send(inside, "heard")
    assert result().room(inside).ids() == [event]


# -- restart

def test_restart__the_position_goes_on(make_server):
    server = make_server().start()
    alice = accounts.register(server.url)
    rooms = [alice.create_room() for _ in range(3)][::-1]
    watch = Sliding(alice, {"all": window(last=1, state=[("m.room.member", "$LAZY")])}, extensions={"account_data": {}})
    server.kill()
    server.start()
    event = alice.send(rooms[0], "x")
    answer = watch.next()
    assert answer.rooms == {rooms[0]} and answer.room(rooms[0]).ids() == [event] and not answer.room(rooms[0]).get("initial")
    watch.lists["all"]["ranges"] = [[0, 5]]
    assert watch.next().rooms == {rooms[2]}


def test_pos__as_another_version_has_stored_it__unknown(make_server):
    server = make_server().start()
    alice = accounts.register(server.url)
    room = alice.create_room()
    watch = Sliding(alice, {"all": window()})
    server.sql("UPDATE sliding_positions SET state = decode('0107', 'hex') || substr(state, 2)")
    server.kill()
    server.start()
    ask(alice, watch.body(), watch.pos).expect(400, "M_UNKNOWN_POS")
    assert Sliding(alice, watch.lists, conn_id=watch.conn_id).first.rooms == {room}


# -- who may ask

def test_token__missing_or_wrong__401(alice, nobody):
    nobody.post(PATH, {}).expect(401, "M_MISSING_TOKEN")
    alice.with_token("nonsense").post(PATH, {}).expect(401, "M_UNKNOWN_TOKEN")


def test_guest__asks_as_a_user(make_server):
    server = make_server(settings={"registration.guests": "true"}).start()
    host = accounts.register(server.url)
    reply = Client(server.url).post("/register", {}, query={"kind": "guest"}, token=False).ok()
    guest = Client(server.url, reply["access_token"], reply["user_id"], reply["device_id"])
    room = host.create_room(preset="public_chat", initial_state=[{"type": "m.room.guest_access", "state_key": "",
                                                                  "content": {"guest_access": "can_join"}}])
    watch = Sliding(guest, {"all": window()})
    guest.join(room).ok()
    assert watch.until_room(room)["initial"] is True


# -- what is asked

LIST = window()
BAD = {
    "lists is a list": {"lists": []}, "list is a list": {"lists": {"a": []}}, "list is a number": {"lists": {"a": 1}},
    "ranges": {"lists": {"a": {**LIST, "ranges": "all"}}}, "range of one": {"lists": {"a": {**LIST, "ranges": [[0]]}}},
    "range of three": {"lists": {"a": {**LIST, "ranges": [[0, 1, 2]]}}}, "range of texts": {"lists": {"a": {**LIST, "ranges": [["0", "1"]]}}},
    "range below 0": {"lists": {"a": {**LIST, "ranges": [[-1, 5]]}}}, "range of fractions": {"lists": {"a": {**LIST, "ranges": [[0.5, 5]]}}},
    "limit is a text": {"lists": {"a": {**LIST, "timeline_limit": "10"}}}, "limit is a fraction": {"lists": {"a": {**LIST, "timeline_limit": 1.5}}},
    "limit is an object": {"lists": {"a": {**LIST, "timeline_limit": {}}}},
    "state is an object": {"lists": {"a": {**LIST, "required_state": {}}}}, "pair is a text": {"lists": {"a": {**LIST, "required_state": ["m.room.name"]}}},
    "pair of one": {"lists": {"a": {**LIST, "required_state": [["m.room.name"]]}}},
    "pair of three": {"lists": {"a": {**LIST, "required_state": [["m.room.name", "", ""]]}}},
    "pair of numbers": {"lists": {"a": {**LIST, "required_state": [[1, 2]]}}},
    "filters": {"lists": {"a": {**LIST, "filters": []}}}, "is_dm": {"lists": {"a": {**LIST, "filters": {"is_dm": "yes"}}}},
    "is_encrypted": {"lists": {"a": {**LIST, "filters": {"is_encrypted": 1}}}}, "is_invite": {"lists": {"a": {**LIST, "filters": {"is_invite": []}}}},
    "room_types": {"lists": {"a": {**LIST, "filters": {"room_types": "m.space"}}}}, "room_types of numbers": {"lists": {"a": {**LIST, "filters": {"room_types": [1]}}}},
    "tags": {"lists": {"a": {**LIST, "filters": {"tags": {}}}}}, "tags of null": {"lists": {"a": {**LIST, "filters": {"not_tags": [None]}}}},
    "spaces": {"lists": {"a": {**LIST, "filters": {"spaces": "!a:b"}}}},
    "subscriptions": {"room_subscriptions": []}, "subscription": {"room_subscriptions": {"!a:b": "x"}},
    "subscription's limit": {"room_subscriptions": {"!a:b": {**wanted(), "timeline_limit": "x"}}},
    "conn_id": {"conn_id": 5}, "extensions": {"extensions": []}, "extension": {"extensions": {"typing": []}},
    "enabled": {"extensions": {"typing": {"enabled": "yes"}}}, "extension's lists": {"extensions": {"typing": {"enabled": True, "lists": "all"}}},
    "extension's rooms": {"extensions": {"receipts": {"enabled": True, "rooms": [1]}}},
    "to_device's limit": {"extensions": {"to_device": {"enabled": True, "limit": "x"}}},
    "to_device's since": {"extensions": {"to_device": {"enabled": True, "since": 5}}},
    "to_device's since is no token": {"extensions": {"to_device": {"enabled": True, "since": "nonsense"}}},
    "too many lists": {"lists": {"l%d" % number: LIST for number in range(101)}},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_body__malformed__400(alice, body):
    ask(alice, body).expect(400, ("M_BAD_JSON", "M_INVALID_PARAM", "M_MISSING_PARAM", "M_TOO_LARGE"))


@pytest.mark.parametrize("body", [{"lists": {"l%d" % number: LIST for number in range(101)}},
                                  {"room_subscriptions": {"!%d:hs1" % number: wanted() for number in range(1001)}}], ids=["lists", "subscriptions"])
@pytest.mark.peer("says M_BAD_JSON, and takes any number of subscriptions")
def test_body__too_many_rules__invalid(alice, body):
    ask(alice, body).expect(400, "M_INVALID_PARAM")


@pytest.mark.parametrize("raw", [b"{", b"[]", b"null", b"\"x\"", b"", b"\xff\xfe"], ids=range(6))
def test_body__no_object__400(alice, raw):
    alice.post(PATH, raw=raw).expect(400, ("M_NOT_JSON", "M_BAD_JSON", "M_INVALID_PARAM"))


GOOD = {
    "empty": {}, "nulls": {"conn_id": None, "lists": None, "room_subscriptions": None, "extensions": None},
    "null in a list": {"lists": {"a": {**LIST, "filters": None}}}, "null filters": {"lists": {"a": {**LIST, "filters": {"is_dm": None, "tags": None, "spaces": None}}}},
    "unknown fields": {"x": 1, "lists": {"a": {**LIST, "x": 1, "sort": ["by_recency"], "include_heroes": True, "bump_event_types": ["m.room.message"]}}},
    "unknown extension": {"extensions": {"org.example.x": {"enabled": True}, "io.element.msc4308.thread_subscriptions": {"enabled": True, "limit": 10}}},
    "null extension": {"extensions": {"typing": None}}, "extension without enabled": {"extensions": {"typing": {}}},
    "extension off": {"extensions": {"to_device": {"enabled": False}}}, "null enabled": {"extensions": {"typing": {"enabled": None}}},
    "100 lists": {"lists": {"l%d" % number: {**LIST, "ranges": [[0, 0]]} for number in range(100)}},
    "huge range": {"lists": {"a": {**LIST, "ranges": [[0, 2**53 - 1]]}}}, "strange type": {"lists": {"a": {**LIST, "required_state": [["é\u0000", "\u0000"]]}}},
    "list of no name": {"lists": {"": LIST}},
}


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_body__unusual__answered(alice, room, body):
    answer = Answer(ask(alice, body).ok().json)
    assert ask(alice, body, answer.pos).status == 200


@pytest.mark.parametrize("body", [
    {"lists": {"a": {**LIST, "ranges": [[5, 1]]}}}, {"lists": {"a": {**LIST, "ranges": [[0, 2**70]]}}}, {"lists": {"a": {**LIST, "timeline_limit": -1}}},
    {"lists": {"a": {**LIST, "timeline_limit": 2**70}}}, {"lists": {"a": {**LIST, "timeline_limit": 100000}}},
    {"lists": {"a": {**LIST, "required_state": [["x%d" % number, ""] for number in range(2000)]}}}, {"lists": {"a": {}}}, {"lists": {"x" * 1000: LIST}},
    {"lists": {"a": {**LIST, "ranges": [[number, number] for number in range(5000)]}}}, {"room_subscriptions": {"!%d:hs1" % number: wanted() for number in range(2000)}},
    {"conn_id": "x" * 10000}, {"conn_id": "\u0000"}, {"extensions": {"to_device": {"enabled": True, "since": "99999999999999999999"}}},
    {"extensions": {"to_device": {"enabled": True, "limit": -5}}}, {"extensions": {"to_device": {"enabled": True, "since": "-5"}}},
    {"lists": {"a": {**LIST, "filters": {"spaces": ["x" * 3000]}}}}], ids=range(16))
@pytest.mark.peer("fails at its filter of spaces", only=["15"])
def test_body__extreme__answered_or_refused(alice, room, body):
    reply = ask(alice, body).expect((200, 400, 413))
    assert reply.status != 200 or Answer(reply.json)


@pytest.mark.parametrize("query", [{"timeout": "soon"}, {"timeout": "1.5"}, {"timeout": "-5"}])
def test_query__timeout_is_no_number__400_or_none(alice, query):
    alice.post(PATH, {}, query=query).expect((200, 400) if query["timeout"] == "-5" else 400, (None, "M_INVALID_PARAM", "M_UNKNOWN"))


@pytest.mark.peer("ignores it")
def test_query__unknown_presence__400(alice):
    alice.post(PATH, {}, query={"set_presence": "asleep"}).expect(400, "M_INVALID_PARAM")


@pytest.mark.parametrize("presence", ["online", "offline", "unavailable", None])
def test_query__presence__taken(alice, presence):
    ask(alice, {}, set_presence=presence).ok()


@pytest.mark.parametrize("asked, shown", [(None, "online"), ("online", "online"), ("unavailable", "unavailable"), ("offline", "offline")])
@pytest.mark.peer("runs without presence here")
def test_query__presence__shown_to_others(alice, bob, shared, asked, shown):
    ask(bob, {}, set_presence=asked).ok()
    assert alice.get("/presence/%s/status" % bob.user_id).ok()["presence"] == shown


def test_method__others__405(alice):
    for method in ("GET", "PUT", "DELETE"):
        alice.request(method, PATH, check=False).expect((404, 405), "M_UNRECOGNIZED")


# -- costs

@pytest.mark.one_process("where there are several, what one writes is read by the other")
def test_message_in_a_room_that_is_followed__no_database(make_server):
    """As long as what the client knows stays the same: its rooms and what it wants of them. The housekeeper asks something now and then."""
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % free_port()}).start()
    lin, mo = (accounts.register(server.url) for _ in range(2))
    room = lin.create_room(invite=[mo.user_id])
    mo.join(room).ok()
    extensions = {name: {} for name in EVERYTHING}
    watch = Sliding(mo, {"all": window(19, state=[("m.room.name", ""), ("m.room.member", "$LAZY")], filters={"not_room_types": ["m.space"]})},
                    extensions=extensions)
    asked = []
    for number in range(20):
        event = lin.send(room, "m%d" % number)
        before = server.queries()
        assert watch.next().room(room).ids() == [event]
        asked.append(server.queries() - before)
    assert min(asked) == 0, asked
