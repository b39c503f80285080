"""What the workloads share.  Each is prepared once for a target and then run in rounds; a run gives {row: value}.

A row's name ends with its unit, from which the table knows what is better: a rate ("…/s") or less. Processor time is that of the server
and of its database; what the load generator uses is not in it.
"""
import time

from load import Load, ask

MS = 1000


class Workload:
    """`options` are those of the command line, `say` tells what is done."""

    def __init__(self, target, authority, options, say):
        self.target, self.options, self.say = target, options, say
        self.server = target.server
        self.prepare(authority)

    def prepare(self, authority):
        raise NotImplementedError

    def run(self):
        raise NotImplementedError

    def close(self):
        pass

    def measured(self, action):
        """Seconds that it took; processor seconds of server and database, with what they put off."""
        self.target.rest()
        before, begun = self.target.cpu(), time.monotonic()
        action()
        took = time.monotonic() - begun
        self.target.rest()
        after = self.target.cpu()
        return took, after[0] - before[0], after[1] - before[1]


class ClientWorkload(Workload):
    """One that speaks the client-server API by bench-load.  On the machine itself it measures limits instead."""

    def prepare(self, authority):
        self.load = Load(self.target.server.url, self.options.programs)
        if self.target.is_machine:
            self.prepare_limits()
        else:
            self.fill()

    def run(self):
        return self.rows()

    def close(self):
        if self.load.reopened:
            self.target.notes.append("%d connections of %s were made anew: the server had ended them, as they had been idle for long." % (
                self.load.reopened, type(self).__name__))

    def fill(self):
        """Before the first round."""

    def rows(self):
        raise NotImplementedError

    def prepare_limits(self):
        pass

    def limits(self, own):
        """The same rows, as far as there is something physical that bounds them; own(row): what Belfry had there."""
        return {}

    def read(self, lines):
        """Each line by itself, again and again: how long it takes, and how large its answer is."""
        rows = {}
        for name, line in lines.items():
            found = self.load.loop([line], 1, self.options.seconds / 2)
            rows.update({name + ": p50, ms": found["time_p50"], name + ": bytes": found["bytes"] / found["count"]})
        return rows

    def read_limits(self, own, names):
        """Of what is only read: a bare answer of as many bytes as Belfry's has."""
        return {name + ": p50, ms": self.server.bare(self.options.seconds / 4, 1, own(name + ": bytes"))[2] for name in names
                if own(name + ": bytes")}

    def users(self, count):
        """The first so many users of the target, whom its workloads share."""
        users = self.target.users
        users.extend(self.fresh(count - len(users)))
        return users[:count]

    def fresh(self, count):
        """New users, who are in no room."""
        if count <= 0:
            return []
        body = {"password": "password-of-bench", "auth": {"type": "m.login.dummy"}}
        names = ["bench%d" % self.target.next_number() for _ in range(count)]
        return self.load.once([ask("POST", "/register", body={"username": name, **body}) for name in names], 4)[1]

    def room(self, user, **more):
        return self.rooms([user], **more)[0]

    def rooms(self, users, connections=8, **more):
        """One room of each; ids."""
        lines = [ask("POST", "/createRoom", user["access_token"], {"preset": "public_chat", **more}) for user in users]
        return [answer["room_id"] for answer in self.load.once(lines, connections)[1]]

    def join(self, users, room_id, connections=8):
        return self.load.once([ask("POST", "/rooms/%s/join" % room_id, user["access_token"], {}) for user in users], connections)[0]


def message(user, room_id, text="bench-{n}- says something of usual length to the class"):
    """A line that sends another message each time."""
    return ask("PUT", "/rooms/%s/send/m.room.message/b{n}" % room_id, user["access_token"], {"msgtype": "m.text", "body": text})
