"""Waits until all servers agree, and says where they do not."""
import collections
import time

from support.client import path_of, seconds

from .hostile import FORGED


ROUND_S = 6
"""So often something is said anew: what one server alone was told by the hostile peer, others find behind what it says next."""
SLOW_S = 15
"""Reading a room that takes longer is told: somebody waited for another server."""


class View:
    """What one server shows of one room to one of its users."""

    def __init__(self, member, user, room):
        self.member, self.room = member, room
        self.state = {key: event["event_id"] for key, event in user.state(room.room_id).items()}
        chunk = user.get(path_of("rooms", room.room_id, "members")).ok()["chunk"]
        self.members = {event["state_key"]: event["content"]["membership"] for event in chunk}
        events = walk(user, room.room_id)
        self.messages = [event["event_id"] for event in reversed(events) if event["type"] == "m.room.message"]
        self.redacted = {event["event_id"] for event in events
                         if event["type"] == "m.room.message" and "redacted_because" in event.get("unsigned", {})}
        self.events = {event["event_id"]: event for event in events}

    def describe(self, event_id):
        event = self.events.get(event_id)
        return event_id if event is None else "%s %s %s %.80s" % (event_id, event["type"], event["sender"], event["content"])


def walk(user, room_id):
    """All of the history, newest first; a server may ask others meanwhile."""
    events, since = [], None
    while True:
        reply = user.get(path_of("rooms", room_id, "messages"), timeout=seconds(90),
                         query={"dir": "b", "limit": "100", **({"from": since} if since else {})}).ok()
        events += reply["chunk"]
        if reply.get("end") in (None, since):
            return events
        since = reply["end"]


class Judge:
    def __init__(self, world, rooms, people, say):
        self.world, self.rooms, self.people, self.say = world, rooms, people, say
        self.views, self.differences = {}, []

    def converge(self, limit_s):
        """Says something on every server until all show the same, or the time is up; whether they do."""
        deadline = time.monotonic() + seconds(limit_s)
        left, round_ = list(self.rooms), 0
        while left:
            for room in left:
                for member in self.world.members:
                    talker = self.people[member][0]
                    talker.say(room, "%s ends %d" % (talker.user.user_id, round_))
            round_ += 1
            pause = time.monotonic() + ROUND_S
            while left and time.monotonic() < pause:
                left = [room for room in left if not self._agree(room)]
                time.sleep(0.3)
            self.say("%d of %d rooms agree" % (len(self.rooms) - len(left), len(self.rooms)))
            if time.monotonic() > deadline:
                break
        return not left

    def _agree(self, room):
        try:
            views = [self._view(member, room) for member in self.world.members]
        except (OSError, AssertionError) as error:
            self.say("not answered: %.200r" % error)
            return False
        self.views[room] = views
        return not list(self._compare(room, views))

    def _view(self, member, room):
        began = time.monotonic()
        view = View(member, self.people[member][0].user, room)
        if time.monotonic() - began > SLOW_S:
            self.say("slow: version %s of %s took %.0f s" % (room.version, member.letter, time.monotonic() - began))
        return view

    def _compare(self, room, views):
        """What differs, a line each."""
        first = views[0]
        for view in views[1:]:
            pair = "%s/%s" % (first.member.letter, view.member.letter)
            for key in sorted(set(first.state) | set(view.state)):
                if first.state.get(key) != view.state.get(key):
                    yield "%s state %s: %s, %s" % (pair, key, first.describe(first.state.get(key)),
                                                   view.describe(view.state.get(key)))
            if first.members != view.members:
                yield "%s members: %s" % (pair, sorted(set(first.members.items()) ^ set(view.members.items())))
            for one, other in ((first, view), (view, first)):
                for event_id in set(one.messages) - set(other.messages):
                    yield "%s history: %s has not %s" % (pair, other.member.letter, one.describe(event_id))
            if first.redacted != view.redacted:
                yield "%s redacted: %s" % (pair, sorted(first.redacted ^ view.redacted))
        for view in views:
            yield from self._alone(room, view)

    def _alone(self, room, view):
        """What must hold for each server by itself."""
        letter = view.member.letter
        for event_id in set(room.said) - set(view.messages):
            yield "%s lost %s %r, which was acknowledged" % (letter, event_id, room.said[event_id])
        for event_id, count in collections.Counter(view.messages).items():
            if count > 1:
                yield "%s shows %s %d times" % (letter, event_id, count)
        bodies = collections.Counter(event["content"].get("body") for event in view.events.values()
                                     if event["type"] == "m.room.message")
        for body, count in bodies.items():
            if body is not None and count > 1:
                yield "%s shows %r as %d events" % (letter, body, count)
        yield from self._order(room, view)
        for event in view.events.values():
            if FORGED in str(event["content"]):
                yield "%s believes %s" % (letter, view.describe(event["event_id"]))

    def _order(self, room, view):
        """Whose messages do not stand in the order in which they were said."""
        place = {event_id: number for number, event_id in enumerate(view.messages)}
        for user_id, order in room.order.items():
            places = [place[event_id] for event_id in order if event_id in place]
            if places != sorted(places):
                wrong = next(i for i in range(1, len(places)) if places[i] < places[i - 1])
                yield "%s shows the messages of %s in another order: %s after %s" % (
                    view.member.letter, user_id, view.describe(view.messages[places[wrong - 1]]),
                    view.describe(view.messages[places[wrong]]))

    def verdict(self):
        """Prints the table; the differences that are left."""
        self.say("%-8s %-9s %8s %8s %8s %8s  %s" % ("version", "server", "state", "members", "messages", "redacted", "verdict"))
        for room in self.rooms:
            views = self.views.get(room, [])
            found = list(self._compare(room, views)) if views else ["no answers"]
            self.differences += ["room %s (version %s): %s" % (room.room_id, room.version, line) for line in found]
            for view in views:
                self.say("%-8s %-9s %8d %8d %8d %8d  %s" % (
                    room.version, view.member.letter + " " + view.member.kind, len(view.state), len(view.members),
                    len(view.messages), len(view.redacted), "differs" if found else "same"))
        return self.differences
