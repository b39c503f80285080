"""Notices of the school: the command line, and rooms to post to."""
import re

from .client import Client, unique
from .processes import wait_until

API = "/_belfry/notices/v1"


def notice(server, *arguments):
    """What `belfry notice` prints."""
    done = server.run("notice", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(server, *arguments):
    """What it says on standard error."""
    done = server.run("notice", *arguments)
    assert done.returncode != 0 and done.stderr, done.stdout
    return done.stderr


def number(text):
    return re.search(r"notice (\d+)", text).group(1)


def class_room(client, **options):
    """A room with an alias, and a watch that has seen it."""
    alias = unique("class")
    room = client.create_room(preset="public_chat", room_alias_name=alias, **options)
    return room, "#" + alias, client.watch()


def until_event(watch, room, is_wanted):
    """The first event of the room that is wanted, once it is there; also one that came while another was waited for."""
    seen = vars(watch).setdefault("seen", {}).setdefault(room, list(watch.first.joined(room).timeline))

    def arrived(answer):
        seen.extend(answer.joined(room).timeline)
        return any(is_wanted(event) for event in seen)
    if not any(is_wanted(event) for event in seen):
        watch.until(arrived)
    return next(event for event in seen if is_wanted(event))


def until_body(watch, room, text):
    """The event with that in its body, once it is there."""
    return until_event(watch, room, lambda event: text in event["content"].get("body", ""))


def until_noted(server, made):
    """Until the notice knows of each of its rooms what it sent there: that is noted behind the event, and clients may have it before."""
    noted = "SELECT bool_and(event_id IS NOT NULL) FROM notice_deliveries WHERE notice_id = %s" % made
    wait_until(lambda: server.sql(noted).strip() == "t", 10, "notice %s noted as sent" % made)


def bodies(client, room):
    """What was said, the newest first."""
    return [event["content"]["body"] for event in client.messages(room, limit=50).ok()["chunk"]
            if event["type"] == "m.room.message"]


class Program:
    """Another program, with a token for some targets."""

    def __init__(self, server, sender, *targets, name="program"):
        self.token = notice(server, "token", sender, ",".join(targets), "--name", name).strip()
        self.client = Client(server.url, self.token)

    def get(self, path, **more):
        return self.client.get(API + path, **more)

    def post(self, path, body=None, **more):
        return self.client.post(API + path, body, **more)

    def send(self, text=None, **fields):
        """The number of a new notice."""
        return self.post("/notices", {**({"text": text} if text else {}), **fields}).ok()["notice_id"]


class Hook(Program):
    """An address that another program calls; `secret` is None for one that takes what is not signed."""

    def __init__(self, server, sender, *targets, signed=False):
        printed = notice(server, "hook", sender, ",".join(targets), *(["--signed"] if signed else [])).split()
        self.path = printed[0][printed[0].index(API):]
        self.token = self.path.rpartition("/")[2]
        self.secret = printed[2] if signed else None
        self.client = Client(server.url)

    def call(self, form="", body=None, **more):
        """`form`: "", "/slack" or "/github"."""
        return self.client.post(self.path + form, body, **more)
