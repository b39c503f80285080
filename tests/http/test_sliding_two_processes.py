"""Two processes of one server on one database: a connection of simplified sliding sync may ask each in turn."""
import concurrent.futures

import pytest

from support import accounts
from support.sliding import Sliding, ask, window
from support.twins import at, twins


@pytest.fixture(scope="module")
def pair():
    with twins({"presence.enabled": "false"}) as servers:
        yield servers


@pytest.fixture
def people(pair):
    """Alice on the first, Bob on the second process, in a room of both."""
    alice = accounts.register(pair[0].url)
    bob = accounts.register(pair[1].url)
    room = alice.create_room(invite=[bob.user_id])
    bob.join(room).ok()
    alice.sync(bob.sync().since)
    return alice, bob, room


class Alternating(Sliding):
    """A connection whose requests reach one process and the other."""

    def __init__(self, pair, user, *arguments, **more):
        self.sessions, self.asked = [at(server, user) for server in pair], 0
        super().__init__(user, *arguments, **more)

    def peek(self, timeout=0, **query):
        self.asked += 1
        self.client = self.sessions[self.asked % 2]
        return super().peek(timeout, **query)


def test_one_connection__each_process_in_turn__everything_once(pair, people):
    alice, bob, room = people
    watch = Alternating(pair, bob, {"all": window(timeline=50, state=[("m.room.member", "$LAZY"), ("m.room.topic", "")])},
                        extensions={"account_data": {}, "to_device": {}, "receipts": {}, "e2ee": {}})
    assert watch.first.room(room)["initial"] is True
    sent, seen, told, topics, data = [], [], [], [], []

    def take(answer):
        part = answer.room(room)
        assert not part.get("initial") and not part.get("limited")
        seen.extend(part.ids())
        told.extend(event["content"]["n"] for event in answer.extension("to_device")["events"])
        topics.extend(event["content"]["topic"] for event in part.state.values() if event["type"] == "m.room.topic")
        data.extend(event["content"]["n"] for event in answer.extension("account_data").get("global", []))
        return sent[-1] in seen and len(told) == number + 1 and len(data) == number + 1

    for number in range(10):
        sender = (alice, bob)[number % 2]
        sender.put("/sendToDevice/m.test/%s-%d" % (room[1:9], number), {"messages": {bob.user_id: {bob.device_id: {"n": number}}}}).ok()
        bob.account_data("org.example.x", {"n": number}).ok()
        if number % 3 == 0:
            sent.append(alice.set_state(room, "m.room.topic", {"topic": str(number)}))
        sent.append(sender.send(room, str(number)))
        watch.until(take)
    assert seen == sent and told == data == list(range(10)) and topics == ["0", "3", "6", "9"]


def test_position__retried_at_the_other__same_answer(pair, people):
    alice, bob, room = people
    watch = Alternating(pair, bob, {"all": window()})
    event = alice.send(room, "x")
    bob.sync(alice.sync().since)
    answers = [watch.peek() for _ in range(4)]
    assert [answer.room(room).ids() for answer in answers] == [[event]] * 4
    watch.pos = answers[-1].pos
    assert watch.next().rooms == set()


def test_position__device_ends_and_one_of_its_name_comes__unknown_to_both(pair, people):
    _, bob, room = people
    session = bob.login(device_id="TABLET")
    watch = Alternating(pair, session, {"all": window()})
    watch.until_event(room, bob.send(room, "x"))
    watch.peek()  # both have its position in memory by now
    session.post("/logout").ok()
    for server in pair:
        ask(at(server, bob.login(device_id="TABLET")), watch.body(), watch.pos).expect(400, "M_UNKNOWN_POS")


def test_waiting__the_other_process_commits__wakes(pair, people):
    alice, bob, room = people
    watch = Sliding(bob, {"all": window()}, extensions={"typing": {}, "receipts": {}})
    watch.next()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(watch.next, 30000)
        event = alice.send(room, "wake up")
        assert event in waiting.result().room(room).ids()
        waiting = pool.submit(watch.until, lambda answer: (event, "m.read", alice.user_id) in answer.receipts(room))
        alice.receipt(room, event).ok()
        waiting.result()


def test_window__grows_at_the_other__only_new_rooms(pair, people):
    alice, _, room = people
    rooms = [alice.create_room() for _ in range(5)][::-1]
    at(pair[1], alice).sync(alice.sync().since)  # the other has heard of them
    watch = Alternating(pair, alice, {"all": window(last=1)})
    assert watch.first.rooms == set(rooms[:2])
    for last in (2, 3, 4):
        watch.lists["all"]["ranges"] = [[0, last]]
        assert watch.next().rooms == {rooms[last]}
    assert watch.next().rooms == set()
