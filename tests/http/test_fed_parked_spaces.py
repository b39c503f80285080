"""Who looks at a space, or a room's summary, of a slow server waits without a worker: more of them than there are workers delay nobody else."""
import pytest

from support.client import unique
from support.metrics import Metrics
from support.remote import FEDERATION
from support.server import free_port, wait_until
from support.twins import waiting
from test_fed_parked import HANGING, WORKERS, Asks, Slow, assert_another_is_answered
from test_fed_queries import add, child_state, chunk, hierarchy, space
from test_fed_summary import asked, summary, tells


@pytest.fixture
def server(make_federated):
    return make_federated(settings={"http.remote_workers": WORKERS,
                                    "listen.metrics": "127.0.0.1:%d" % free_port()}).start()


def tree(remote, depth):
    """A space in a space, and so on: the id of the first, and all ids. Each is told of by a question of its own."""
    ids = ["!%s:%s" % (unique("far"), remote.name) for _ in range(depth)]
    for room_id, below in zip(ids, ids[1:] + [None]):
        tells(remote, room_id, *([child_state(remote, below)] if below else []), room_type="m.space")
    return ids


@pytest.mark.tsan
def test_hierarchy__of_slow_servers__others_are_asked_meanwhile_and_none_twice(server, make_remote):
    """A tree of which each space has to be asked for goes on where it was with each answer."""
    remotes, users = [make_remote() for _ in range(HANGING)], [server.user() for _ in range(HANGING)]
    trees = [tree(remote, 3) for remote in remotes]
    roots = [space(user) for user in users]
    for user, root, ids, remote in zip(users, roots, trees, remotes):
        add(user, root, ids[0], via=remote.name)
    slow = Slow("/hierarchy/", *remotes)
    hanging = Asks([lambda user=user, root=root: hierarchy(user, root, limit=50)["rooms"] for user, root in zip(users, roots)])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [[room["room_id"] for room in rooms] for rooms in hanging.all()] == [[root, *ids] for root, ids in zip(roots, trees)]
    assert [len(asked(remote)) for remote in remotes] == [3] * HANGING


@pytest.mark.tsan
@pytest.mark.parametrize("word", ["/hierarchy/", "/query/directory"])
def test_summary__of_slow_servers__others_are_asked_meanwhile_and_none_twice(server, make_remote, word):
    remotes, users = [make_remote() for _ in range(HANGING)], [server.user() for _ in range(HANGING)]
    rooms = [tells(remote, "!%s:%s" % (unique("room"), remote.name), name="Chess") for remote in remotes]
    for remote, room_id in zip(remotes, rooms):
        remote.on("GET", FEDERATION + "/query/directory", lambda ask, remote=remote, room_id=room_id: (
            200, {"room_id": room_id, "servers": [remote.name]}))
    slow = Slow(word, *remotes)
    hanging = Asks([lambda user=user, remote=remote: summary(user, "#chess:" + remote.name).ok()
                    for user, remote in zip(users, remotes)])
    try:
        slow.await_hanging(HANGING)
        assert_another_is_answered(server, make_remote)
    finally:
        slow.hurry()
    assert [reply["room_id"] for reply in hanging.all()] == rooms
    assert [len(asked(remote)) for remote in remotes] == [1] * HANGING
    assert [len(remote.asked) for remote in remotes] == [2] * HANGING


@pytest.mark.one_process("how much one process has parked")
def test_hierarchy__large_answers_before_it_waits_on__what_is_parked_is_counted(server, remote):
    """What earlier servers have told stays in memory while the next is asked."""
    user, metrics = server.user(), Metrics.of(server)
    root, far = space(user), tree(remote, 2)
    remote.on("GET", FEDERATION + "/hierarchy/" + far[0].replace("!", "[!]").replace(".", "[.]"), lambda ask: (200, {
        "room": chunk(far[0], child_state(remote, far[1]), room_type="m.space"),
        "children": [chunk("!%d:%s" % (number, remote.name), x=[0] * 80) for number in range(1000)]}))
    add(user, root, far[0], via=remote.name)
    slow = Slow("/hierarchy/" + far[1], remote)
    hanging = Asks([lambda: hierarchy(user, root)["rooms"]])
    try:
        slow.await_hanging(1)
        wait_until(lambda: waiting(server) == 1, 30)
        assert metrics["belfry_http_parked_bytes"] > 1 << 20
        assert metrics["belfry_federation_answers_read_bytes"] > 1 << 20
    finally:
        slow.hurry()
    assert [room["room_id"] for room in hanging.all()[0]] == [root, *far]
    wait_until(lambda: metrics["belfry_http_parked_bytes"] == metrics["belfry_federation_answers_read_bytes"] == 0, 30)
