"""What Belfry is to reach in a row of the table: so many times what another one does, or a figure of its own.

An aim is (row, what is wanted …): the row a regular expression that its whole name matches. A want knows its text, and for the
medians of a row whether it is met (None: what it is compared to was not measured).
"""
import re


class Want:
    def __init__(self, text, is_met):
        self.text, self.is_met = text, is_met

    def told(self, row, medians):
        """medians: {row: {name: median}} of the whole run."""
        met = self.is_met(row, medians)
        return self.text + {True: " ✓", False: " ✗", None: " (not measured)"}[met]


def better(row, own, other):
    """How many times better; of rates the higher is better, of all else the lower. None without both."""
    if own is None or other is None or not (other if row.endswith("/s") else own):
        return None
    return own / other if row.endswith("/s") else other / own


def times(factor, name):
    """So many times as good as that target; `limit` is the machine."""
    def is_met(row, medians):
        ratio = better(row, medians[row].get("Belfry"), medians[row].get(name))
        return None if ratio is None else ratio >= factor
    return Want("≥ %g × %s" % (factor, name), is_met)


def at_most(figure):
    def is_met(row, medians):
        own = medians[row].get("Belfry")
        return None if own is None else own <= figure
    return Want("≤ %g" % figure, is_met)


def grows(factor, smallest):
    """At most so many times the figure of the same row for a room of so many members."""
    def is_met(row, medians):
        own = medians[row].get("Belfry")
        small = medians.get(re.sub(r"room of \d+", "room of %d" % smallest, row), {}).get("Belfry")
        return None if own is None or not small else own <= small * factor
    return Want("≤ %g × that of %d" % (factor, smallest), is_met)


AIMS = (
    (r"send, (16|64) in own rooms: messages/s", times(100, "Synapse"), times(3, "Tuwunel")),
    (r"send, (16|64) in one room: messages/s", times(80, "Synapse"), times(20, "Tuwunel")),
    (r"send, 1 in own rooms: p50, ms", at_most(1)),
    (r"send, .*: processor for 1,000, s", at_most(0.3), times(60, "Synapse")),
    (r"message to 1000 waiting: last one after the sender's answer, p50, ms", at_most(50)),
    (r"message to 1000 waiting: server time of a delivery, µs", at_most(20)),
    (r"(idle sync|whoami)(, \d+ at a time: requests/s|: server time, µs)", times(0.5, "limit")),
    (r"first sync of .*: whole, ms", times(20, "Synapse")),
    (r"first sync of .*: first byte, ms", at_most(20)),
    (r"(page|context|members|joined_members|state) of .*: p50, ms", times(10, "Synapse")),
    (r"(create a room|join|invite), .*/s", times(30, "Synapse"), times(1, "Tuwunel")),
    (r"upload of 50 one-time keys: p50, ms", times(20, "Synapse")),
    (r"claim of a key, .*/s", times(20, "Synapse")),
    (r"claims without a key .*", at_most(0)),
    (r"message of 800 bytes to a device, .*/s", times(20, "Synapse")),
    (r"memory of the fresh server, resident, MiB", at_most(20)),
    (r"memory, 10000 waiting syncs of .*, resident, MiB", at_most(100)),
    (r"room of 10000: (?!database|lazy).*", grows(1.1, 10)),
    (r"room of 10000: (database|lazy).*", grows(1.1, 100)),
    (r"start with .*", at_most(0.3)),
)


def aim_text(row, medians):
    """What is wanted of a row, and whether it was met; a dash where nothing is."""
    wants = [want for pattern, *wants in AIMS if re.fullmatch(pattern, row) for want in wants]
    return "; ".join(want.told(row, medians) for want in wants) or "–"
