"""The figures of a year in one text, tables as docs/scaling.md has them."""
import os
import time

from support.processes import cpu_of_machine

from . import measure
from .measure import bytes_text, seconds_text


class Report:
    def __init__(self, server, loader):
        self.server, self.loader = server, loader
        self.values = {"rows": [], "tables": [], "indexes": []}
        self.before = None

    def add(self, what, figure):
        self.values["rows"].append((what, figure))
        self.loader.say("%s: %s" % (what, figure))

    def _now(self):
        return {"clock": time.monotonic(), "cpu": measure.processor_time(self.server), "wal": measure.wal_bytes(self.server),
                "size": measure.database_bytes(self.server), "machine": cpu_of_machine(), "own": sum(os.times()[:2]),
                "events": int(self.server.sql("select count(*) from events"))}

    def settled(self):
        school = self.loader.school
        self.before = self._now()
        self.add("people, rooms, memberships", "%d, %d, %d" % (
            len(school.people), len(school.rooms), sum(len(room.members) for room in school.rooms)))
        self.add("database before the first day", bytes_text(self.before["size"]))

    def lived(self, days):
        counts, before, now = self.loader.counts, self.before, self._now()
        stored = now["events"] - before["events"]
        assert stored == counts["events"], "%d events were acknowledged, %d are in the database" % (counts["events"], stored)
        events, took = max(1, counts["events"]), now["clock"] - before["clock"]
        server, database = (after - since for after, since in zip(now["cpu"], before["cpu"]))
        self.add("days lived, events, receipts with read markers", "%d, %d, %d" % (len(days), counts["events"], counts["read"]))
        self.add("of these: " + ", ".join(kind for kind in sorted(counts) if kind.startswith("m.")),
                 ", ".join("%d" % counts[kind] for kind in sorted(counts) if kind.startswith("m.")))
        self.add("loaded in", "%s, %.0f requests/s" % (seconds_text(took), counts["requests"] / took))
        used = server + database + now["own"] - before["own"]
        self.add("processors that server, database, loader, and others used", "%.2f, %.2f, %.2f, %.2f" % (
            server / took, database / took, (now["own"] - before["own"]) / took, max(0, now["machine"] - before["machine"] - used) / took))
        self.add("processor time for 1,000 events with their receipts, server + database", "%.2f + %.2f s" % (
            server * 1000 / events, database * 1000 / events))
        self.add("growth of the database for each event", "%.0f bytes" % ((now["size"] - before["size"]) / events))
        self.add("write-ahead log for each event, with receipts", "%.0f bytes" % ((now["wal"] - before["wal"]) / events))
        self.add("files; their bytes as loaded; at full size", "%d; %s; %s" % (
            counts["uploads"], bytes_text(self.loader.media_bytes), bytes_text(self.loader.media_told_bytes)))
        server, database = measure.memory(self.server)
        self.add("memory after the load: server, database", "%s, %s" % (bytes_text(server), bytes_text(database)))

    def measure(self):
        server, school, events = self.server, self.loader.school, max(1, self.loader.counts["events"])
        copies = measure.Copies(server)
        self.add("vacuum and analyse", seconds_text(copies.vacuum()))
        self.values["tables"] = measure.sizes(server, events)
        self.values["indexes"] = measure.indexes(server)
        self.add("database", bytes_text(measure.database_bytes(server)))
        self.add("start until the first answer; processor time of that", "; ".join(
            ", ".join(seconds_text(value) for value in values) for values in zip(*measure.start_times(server))))
        own, database = measure.memory(server)
        self.add("memory after the start: server, database", "%s, %s" % (bytes_text(own), bytes_text(database)))
        room = max((room for room in school.rooms if room.kind == "class"), key=lambda room: len(room.said))
        student = next(person for person in room.members if person.kind == "student")
        teacher = room.members[0]
        for who, person in (("a student", student), ("a teacher", teacher)):
            first, again, size, rooms = measure.phone(server, person)
            self.add("first sync of %s's phone, %d rooms, %s: after the start, again" % (who, rooms, bytes_text(size)),
                     "%s, %s" % (seconds_text(first), seconds_text(again)))
        for what, took, count in measure.searches(server, teacher):
            self.add("search: %s (%d matches)" % (what, count), seconds_text(took))
        pages, newest, oldest, count = measure.paging(server, teacher, room)
        self.add("a class room back to its beginning: events, pages of 100; a page at the end, at the beginning",
                 "%d, %d; %s, %s" % (count, pages, seconds_text(newest), seconds_text(oldest)))
        self.add("jump to a date half a year ago", seconds_text(measure.jump(server, teacher, room, int(time.time() - 182 * 86400) * 1000)))
        took, size = copies.dump()
        self.add("pg_dump (custom format, fastest compression)", "%s, %s" % (seconds_text(took), bytes_text(size)))
        took, size = copies.restore()
        self.add("pg_restore with two jobs, into", "%s, %s" % (seconds_text(took), bytes_text(size)))

    def text(self):
        lines = ["| what | figure |", "|---|---|"]
        lines += ["| %s | %s |" % row for row in self.values["rows"]]
        lines += ["", "| table | rows | heap | indexes | bytes an event | updates / HOT | dead rows |", "|---|---|---|---|---|---|---|"]
        lines += ["| `%s` | %s | %s | %s | %s | %s | %s |" % tuple(row) for row in self.values["tables"]]
        lines += ["", "| index | size | look-ups |", "|---|---|---|"]
        lines += ["| `%s` | %s | %s |" % tuple(row) for row in self.values["indexes"]]
        return "\n".join(lines)
