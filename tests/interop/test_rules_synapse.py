"""Authorisation and state resolution, decision by decision, against Synapse's.

The unit test `rules_transcript` writes down what Belfry decides in random rooms; here Synapse decides the
same. Runs where the package `matrix-synapse` is installed; BELFRY_RULES_SEEDS=1,2,3 tries more rooms.
"""

import json
import os
import subprocess

import pytest

pytest.importorskip("synapse")

from synapse import event_auth  # noqa: E402
from synapse.api.errors import AuthError, SynapseError  # noqa: E402
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS  # noqa: E402
from synapse.events import make_event_from_dict  # noqa: E402
from synapse.state import v1, v2  # noqa: E402
from synapse.storage.databases.main.event_federation import StateDifference  # noqa: E402

SEEDS = os.environ.get("BELFRY_RULES_SEEDS", "1,2").split(",")


class Clock:
    async def sleep(self, *_):
        pass


class Store:
    """What resolution asks its database for: nothing that is not in the event map."""

    def __init__(self, events):
        self.events = events

    async def get_events(self, event_ids, allow_rejected=False):
        return {i: self.events[i] for i in event_ids if i in self.events}

    async def get_auth_chain_difference(self, room_id, sets, conflicted=None, reachable=None):
        subgraph = set() if conflicted is not None else None
        return StateDifference(auth_difference=set(), conflicted_subgraph=subgraph)


def finish(coroutine):
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class Room:
    def __init__(self, version):
        self.version = KNOWN_ROOM_VERSIONS[version]
        self.events = {}
        self.room_id = None

    def add(self, event_id, pdu):
        event = make_event_from_dict(pdu, self.version)
        assert event.event_id == event_id
        self.events[event_id] = event
        self.room_id = self.room_id or event.room_id

    def allows(self, event_id, state):
        try:
            event_auth.check_state_dependent_auth_rules(
                self.events[event_id], [self.events[i] for i in state])
        except (AuthError, SynapseError, ValueError):  # ValueError: a level that is no number
            return False
        return True

    def state(self, event_ids):
        return {(self.events[i].type, self.events[i].state_key): i for i in event_ids}

    def resolve(self, sets):
        maps = [self.state(s) for s in sets]
        if self.version.identifier == "1":
            result = v1.resolve_events_with_store(
                self.room_id, self.version, maps, dict(self.events), Store(self.events).get_events)
        else:
            result = v2.resolve_events_with_store(
                Clock(), self.room_id, self.version, maps, dict(self.events), Store(self.events))
        return dict(finish(result))


def transcript(path, seed):
    program = os.path.join(os.path.dirname(os.environ["BELFRY_BIN"]), "tests",
                           "unit_matrix_rules_transcript")
    if not os.path.exists(program):
        pytest.skip("unit_matrix_rules_transcript is not built")
    subprocess.run([program], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, "BELFRY_TRANSCRIPT": str(path), "BELFRY_TRANSCRIPT_SEED": seed})
    with open(path, encoding="utf-8") as lines:
        yield from map(json.loads, lines)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_decision_is_the_same(tmp_path, seed):
    room = None
    decisions = 0
    for line in transcript(tmp_path / "transcript", seed):
        where = f"version {room.version.identifier if room else '-'}, seed {seed}"
        if line["kind"] == "room":
            room = Room(line["version"])
        elif line["kind"] == "event":
            room.add(line["id"], line["pdu"])
        elif line["kind"] == "auth":
            assert room.allows(line["id"], line["state"]) == line["allowed"], (where, line["id"], line["rule"])
            decisions += 1
        else:
            assert room.resolve(line["sets"]) == room.state(line["result"]), where
            decisions += 1
    assert decisions > 3000
