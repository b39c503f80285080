"""What a year leaves behind: sizes, and how long things take with it. Each function returns rows (what, figure) of the report."""
import glob
import json
import os
import statistics
import subprocess
import time

from servers import tree
from support.processes import cpu_of
from support.pump import Request, ask
from support.server import wait_until

from .load import API
from .school import quote

MIB = 1 << 20
TERMS = [("a word in most rooms", "作業"), ("two words", "數學 考試"), ("an English word", "homework"), ("a rare word", "颱風"), ("no match", "xyzzyqwv")]

TABLES = """
select c.relname, s.n_live_tup, pg_relation_size(c.oid), coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0),
	pg_indexes_size(c.oid), s.n_tup_upd, s.n_tup_hot_upd, s.n_dead_tup
from pg_class c join pg_stat_user_tables s on s.relid = c.oid
where c.relkind = 'r' order by pg_total_relation_size(c.oid) desc limit 14"""
INDEXES = """
select i.relname, i.indexrelname, pg_relation_size(i.indexrelid), i.idx_scan
from pg_stat_user_indexes i order by pg_relation_size(i.indexrelid) desc limit 20"""


def bytes_text(count):
    return "%.1f GiB" % (count / MIB / 1024) if count >= 2048 * MIB else "%.1f MiB" % (count / MIB) if count >= MIB else "%.0f KiB" % (count / 1024)


def seconds_text(value):
    return "%.1f s" % value if value >= 2 else "%.2f s" % value if value >= 0.2 else "%.1f ms" % (value * 1000)


def cells(server, text):
    return [line.split("|") for line in server.sql(text).splitlines() if line]


def wal_bytes(server):
    return int(cells(server, "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")[0][0])


def processor_time(server):
    """(server, database) in seconds so far."""
    database = tree(server.database_pid())
    return cpu_of(tree(server.process.pid) - database), cpu_of(database)


def memory(server):
    """Bytes of the server alone (anonymous), and of the database with its shared pages counted once."""
    own = _kib(server.process.pid, "status", "RssAnon:")
    return own * 1024, sum(_kib(pid, "smaps_rollup", "Pss:") for pid in server.database_pids()) * 1024


def _kib(pid, file, name):
    try:
        with open("/proc/%d/%s" % (pid, file), encoding="utf-8") as lines:
            return sum(int(line.split()[1]) for line in lines if line.startswith(name))
    except OSError:
        return 0


def sizes(server, events):
    rows = []
    for name, count, heap, toast, indexes, updated, hot, dead in cells(server, TABLES):
        total = int(heap) + int(toast) + int(indexes)
        rows.append((name, count, bytes_text(int(heap) + int(toast)), bytes_text(int(indexes)), "%.0f" % (total / max(1, events)),
                     "%s / %s" % (updated, hot), dead))
    return rows


def indexes(server):
    return [("%s" % index, bytes_text(int(size)), scans) for _, index, size, scans in cells(server, INDEXES)]


def database_bytes(server):
    return int(cells(server, "select pg_database_size(current_database())")[0][0])


def start_times(server, rounds=3):
    """From the start of the program to its first answer, the database was ended with it: (seconds, of these processor time)."""
    found = []
    for _ in range(rounds):
        server.terminate(60)
        begun = time.monotonic()
        server.launch()
        wait_until(server.answers, 60, "server ready", 0.005)
        found.append((time.monotonic() - begun, sum(processor_time(server))))
    server.known_children.clear()
    return found


def timed(function):
    begun = time.monotonic()
    value = function()
    return time.monotonic() - begun, value


def phone(server, person):
    """A first sync as phones ask for it, twice: (seconds, seconds when it is in memory, bytes, rooms)."""
    wish = {"room": {"timeline": {"limit": 20}, "state": {"lazy_load_members": True}}, "presence": {"types": []}}
    request = Request("GET", "%s/sync?filter=%s" % (API, quote(json.dumps(wish))), token=person.token)
    first, again = ask(server.port, request), ask(server.port, request)
    return first.seconds, again.seconds, len(first.body), len(first.good()["rooms"]["join"])


def searches(server, person):
    for what, term in TERMS:
        body = {"search_categories": {"room_events": {"search_term": term, "order_by": "recent"}}}
        took = [ask(server.port, Request("POST", API + "/search", body, person.token)) for _ in range(9)]
        yield what, statistics.median(answer.seconds for answer in took), took[0].good()["search_categories"]["room_events"].get("count", 0)


def paging(server, person, room):
    """Back through all of a room: (pages, seconds of the first five and the last five pages, median each, events)."""
    since, took, events = "", [], 0
    while since is not None:
        answer = ask(server.port, Request("GET", "%s/rooms/%s/messages?dir=b&limit=100%s" % (
            API, room.quoted, since and "&from=" + quote(since)), token=person.token))
        took.append(answer.seconds)
        events += len(answer.good()["chunk"])
        since = answer.json().get("end")
    return len(took), statistics.median(took[:5]), statistics.median(took[-5:]), events


def jump(server, person, room, at_ms):
    """To the first event after a time, by its date."""
    request = Request("GET", "/_matrix/client/v1/rooms/%s/timestamp_to_event?dir=f&ts=%d" % (room.quoted, at_ms), token=person.token)
    return statistics.median(ask(server.port, request).seconds for _ in range(5))


class Copies:
    """Backup by pg_dump, restored beside the database, and a vacuum; programs of the cluster's own account."""

    def __init__(self, server):
        self.server = server
        self.bin = os.path.dirname(sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1])
        self.name = cells(server, "select current_database()")[0][0]
        self.file = os.path.join(server.data, "postgres", "year.dump")

    def _run(self, program, *arguments):
        owner = self.server.database_owner()
        account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 and owner.pw_uid else {}
        where = ["-h", self.server.socket_folder(), "-U", self.server.database_user()]
        done = subprocess.run([os.path.join(self.bin, program), *where, *arguments], cwd="/", capture_output=True, text=True,
                              check=False, **account)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def vacuum(self):
        return timed(lambda: self._run("vacuumdb", "-q", "--analyze", self.name))[0]

    def dump(self):
        seconds, _ = timed(lambda: self._run("pg_dump", "-Fc", "-Z", "1", "-f", self.file, self.name))
        return seconds, os.path.getsize(self.file)

    def restore(self):
        self._run("createdb", "year_copy", "-T", "template0")
        seconds, _ = timed(lambda: self._run("pg_restore", "-j", "2", "-d", "year_copy", self.file))
        size = int(self._run("psql", "-XAt", "-d", "year_copy", "-c", "select pg_database_size(current_database())"))
        self._run("dropdb", "year_copy")
        os.unlink(self.file)
        return seconds, size
