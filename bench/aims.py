"""What Belfry is to reach in a row of the table: so many times what another one does, or a figure of its own.

An aim is (row, what is wanted …): the row a regular expression that its whole name matches. A want knows its text, and for the
values of the whole run, {row: {name: [value …]}}, whether it is met (None: what it is compared to was not measured).
"""
import re
import statistics


class Want:
    def __init__(self, text, is_met, seen=lambda row, values: ""):
        self.text, self.is_met, self.seen = text, is_met, seen

    def told(self, row, values):
        met = self.is_met(row, values)
        return self.text + (" (not measured)" if met is None else self.seen(row, values) + (" ✓" if met else " ✗"))


def middle(values, row, name):
    """The median; None where there is none."""
    found = values.get(row, {}).get(name)
    return statistics.median(found) if found else None


def better(row, own, other):
    """How many times better; of rates the higher is better, of all else the lower. None without both."""
    if own is None or other is None or not (other if row.endswith("/s") else own):
        return None
    return own / other if row.endswith("/s") else other / own


def times(factor, name):
    """So many times as good as that target; `limit` is the machine."""
    def is_met(row, values):
        ratio = better(row, middle(values, row, "Belfry"), middle(values, row, name))
        return None if ratio is None else ratio >= factor
    return Want("≥ %g × %s" % (factor, name), is_met)


def at_most(figure):
    def is_met(row, values):
        own = middle(values, row, "Belfry")
        return None if own is None else own <= figure
    return Want("≤ %g" % figure, is_met)


def bounds(values):
    """Between which two of the values their median lies with 95 % (of fewer than six: all of them)."""
    ordered = sorted(values)
    least = max(0, int(len(ordered) / 2 - 0.98 * len(ordered) ** 0.5))
    return ordered[least], ordered[len(ordered) - 1 - least]


def grows(factor, smallest):
    """At most so many times the figure of the same row for a room of so many members, by the median of pairs: values that were measured
    one right after the other."""
    def ratios(row, values):
        small = values.get(re.sub(r"room of \d+", "room of %d" % smallest, row), {}).get("Belfry", ())
        return [own / other for own, other in zip(values.get(row, {}).get("Belfry", ()), small) if other]

    def is_met(row, values):
        found = ratios(row, values)
        return statistics.median(found) <= factor if found else None

    def seen(row, values):
        found = ratios(row, values)
        return ": %.2f" % statistics.median(found) + (" (%.2f to %.2f)" % bounds(found) if len(found) > 1 else "")
    return Want("≤ %g × that of %d" % (factor, smallest), is_met, seen)


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
    (r"room of 10000: (?!database|rows|lazy).*", grows(1.1, 10)),
    (r"room of 10000: (rows|lazy).*", grows(1.1, 100)),
    (r"start with .*", at_most(0.3)),
)


def aim_text(row, values):
    """What is wanted of a row, and whether it was met; a dash where nothing is."""
    wants = [want for pattern, *wants in AIMS if re.fullmatch(pattern, row) for want in wants]
    return "; ".join(want.told(row, values) for want in wants) or "–"
