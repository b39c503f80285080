"""What a server uses, sample by sample, and the verdict over all of them."""
import collections
import os
import statistics
import time

from support.processes import cpu_of, cpu_of_machine
from support.server import children_of

MIB = 1 << 20

# A run is judged by its rates of change only when its windows are long enough to mean something.
JUDGED_WINDOWS, JUDGED_SECONDS = 9, 30
WARM_UP = 1 / 3            # of the windows: caches fill
MEMORY_GROWTH = 0.04       # of the median, from the end of the warm-up to the end, by the median slope …
MEMORY_SLACK = 3 * MIB     # … or so much: pages, of which whole ones stay where little of them is used
HEAP_GROWTH = 0.02         # the same of what is in use in them, which a leak cannot hide from
HEAP_SLACK = 1 * MIB
COST_GROWTH = 1.25         # processor time of a request, last third against the middle one
LATENCY_GROWTH = 1.5       # p50, and p99, the same; when others used as much of the machine
FOREIGN_SLACK = 0.3        # processors

TABLES = ("stream_head", "writer_marks", "consumers", "rooms", "receipts", "device_messages", "one_time_key_counters", "one_time_key_batches", "access_tokens", "devices",
          "members", "states")
BOUNDED = ("stream_head", "writer_marks", "consumers")  # a handful of rows, updated all the time: pages are used again
BOUNDED_BYTES = 2 * MIB


def status_of(pid, name):
    with open("/proc/%d/status" % pid, encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


def descriptors(pid):
    """How many of each kind: sockets, files by name."""
    found = collections.Counter()
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            target = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except OSError:
            continue
        found["socket" if target.startswith("socket:") else "pipe" if target.startswith("pipe:") else target.partition(" ")[0]] += 1
    return found


class Window:
    """Answers since the last sample. While one is taken nobody reads answers: what was asked before is counted, its time is not."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.took, self.counts = collections.defaultdict(list), collections.Counter()
        self.begun = time.monotonic()

    def answered(self, kind, seconds):
        self.counts["requests"] += 1
        if time.monotonic() - seconds >= self.begun:
            self.took[kind].append(seconds)

    def count(self, what):
        self.counts[what] += 1

    def take(self):
        took = {kind: sorted(values) for kind, values in self.took.items()}
        return {"requests": self.counts["requests"], "hung_up": self.counts["hung up"],
                "latency": {kind: {"n": len(values), "p50": values[len(values) // 2], "p99": values[len(values) * 99 // 100]}
                            for kind, values in took.items()}}


class Watch:
    """Of one server."""

    def __init__(self, server):
        self.server = server
        self.samples = []
        self.begin()

    def begin(self):
        """The first window begins."""
        self.last = self._clocks()
        self.looks = []

    def look(self):
        """Several times in a window: what answers under way hold (8 MiB were seen) is no growth, so the least counts."""
        self.looks.append({
            "heap": self.server.metric("belfry_heap_used_bytes") or 0,  # there from the tenth second on, and 0 under a sanitizer
            "memory": status_of(self.server.process.pid, "RssAnon:") * 1024})

    def rested(self, is_over):
        """What is used between these two calls is of no window."""
        now = self._clocks()
        if is_over:
            self.last = {name: value + now[name] - self.resting_since[name] for name, value in self.last.items()}
        self.resting_since = now

    def _clocks(self):
        database = set(self.server.database_pids())
        own = {self.server.process.pid, *children_of(self.server.process.pid)} - database
        return {"server": cpu_of(own), "database": cpu_of(database), "machine": cpu_of_machine(), "loader": sum(os.times()[:2]),
                "clock": time.monotonic()}

    def still(self):
        """What it holds now; "own": descriptors but those of the database's connections, which come and go with the load."""
        pid = self.server.process.pid
        kinds = descriptors(pid)
        connections = int(self.server.sql("select count(*) from pg_stat_activity where application_name like 'belfry%'"))
        return {"descriptors": sum(kinds.values()), "own": sum(kinds.values()) - connections, "kinds": dict(kinds),
                "threads": status_of(pid, "Threads:"), "connections": connections, "memory": status_of(pid, "RssAnon:") * 1024}

    def sample(self, window):
        now, before = self._clocks(), self.last
        self.last = now
        used = {name: (now[name] - before[name]) for name in now}
        self.look()
        least, self.looks = {name: min(look[name] for look in self.looks) for name in self.looks[0]}, []
        sizes = self.server.sql("select relname, pg_relation_size(relid), n_live_tup, n_dead_tup from pg_stat_user_tables")
        tables = {name: [int(value) for value in rest] for name, *rest in (line.split("|") for line in sizes.splitlines()) if name in TABLES}
        self.samples.append({
            "seconds": used["clock"], **self.still(), **least, **window, "tables": tables,
            "server_ms": 1000 * used["server"] / max(1, window["requests"]), "database_ms": 1000 * used["database"] / max(1, window["requests"]),
            "foreign": max(0, used["machine"] - used["server"] - used["database"] - used["loader"]) / used["clock"]})
        return self.samples[-1]


def slope(values):
    """Median of the slopes between all pairs, each step one: what single outliers do not move."""
    pairs = [(later - earlier) / (n - m) for m, earlier in enumerate(values) for n, later in enumerate(values) if n > m]
    return statistics.median(pairs) if pairs else 0


def verdict(samples, tell):
    """Findings of one server's windows; figures are told."""
    warm = samples[int(len(samples) * WARM_UP):]
    findings = ["%s has grown to %d KiB" % (name, rows[name][0] // 1024) for rows in [samples[-1]["tables"]] for name in BOUNDED
                if rows[name][0] > BOUNDED_BYTES]
    growing = [finding for name, share, slack in (("memory", MEMORY_GROWTH, MEMORY_SLACK), ("heap", HEAP_GROWTH, HEAP_SLACK))
               for finding in _growth(name, [sample.get(name, 0) for sample in warm], share, slack, tell)]
    tell("most descriptors, threads, connections of the database: %d, %d, %d" % tuple(
        max(sample[name] for sample in samples) for name in ("descriptors", "threads", "connections")))
    third = len(samples) // 3
    middle, last = samples[third:2 * third] or samples, samples[-third:] or samples
    costs = [statistics.median(sample["server_ms"] + sample["database_ms"] for sample in part) for part in (middle, last)]
    foreign = [statistics.median(sample["foreign"] for sample in part) for part in (middle, last)]
    tell("processor time of a request: %.2f ms in the middle third, %.2f ms in the last; others used %.2f and %.2f processors" % (*costs, *foreign))
    slower = list(_latencies(middle, last, tell))
    if len(samples) < JUDGED_WINDOWS or samples[0]["seconds"] < JUDGED_SECONDS:
        tell("too short to judge memory, processor time and latency")
        return findings
    if not any(sample.get("heap", True) for sample in warm):
        tell("memory is not judged: most of it is what a sanitizer remembers of each piece that was ever touched")
    else:
        findings += growing
    if costs[1] > costs[0] * COST_GROWTH:
        findings.append("a request costs %.2f times as much as before" % (costs[1] / costs[0]))
    if foreign[1] <= foreign[0] + FOREIGN_SLACK:
        findings += slower
    return findings


def _growth(name, values, share, slack, tell):
    """A finding when they grow by their slope by more than a share of their median, and than the slack."""
    growth, limit = slope(values) * (len(values) - 1), max(slack, share * statistics.median(values))
    tell("%s: %.1f MiB, by its slope %+.2f MiB from the end of the warm-up to the end (limit %.1f)" % (
        name, statistics.median(values) / MIB, growth / MIB, limit / MIB))
    if growth > limit:
        yield "%s grows: %.1f MiB" % (name, growth / MIB)


def _latencies(middle, last, tell):
    kinds = sorted({kind for sample in middle + last for kind in sample["latency"]} - {"waiting sync"})
    for kind in kinds:
        told = []
        for percentile in ("p50", "p99"):
            before, after = (statistics.median([sample["latency"][kind][percentile] for sample in part if kind in sample["latency"]] or [0])
                             for part in (middle, last))
            told.append("%s %.1f → %.1f ms" % (percentile, before * 1000, after * 1000))
            if before and after > before * LATENCY_GROWTH + 0.002:
                yield "%s: %s" % (kind, told[-1])
        tell("%s: %s" % (kind, ", ".join(told)))
