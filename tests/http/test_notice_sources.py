"""Sources of notices (docs/notices.md): feeds and calendars that are asked at intervals, each item posted once for ever."""
import datetime
import gzip
import re
import socket
import threading

import pytest

from support import accounts
from support.client import seconds, unique
from support.server import wait_until
from test_media_previews import Web
from test_notices import bodies, class_room, notice, refused, until_body

TAIPEI = datetime.timezone(datetime.timedelta(hours=8))


@pytest.fixture(scope="module")
def school():
    from support.server import Server
    server = Server(settings={"notices.time_zone": "Asia/Taipei", "network.allow_addresses": "127.0.0.1",
                              "notices.source_timeout": "%ds" % seconds(3)}).start()
    notice(server, "sender", "office")
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def lin(school):
    return accounts.register(school.url)


@pytest.fixture(scope="module")
def web():
    one = Web()
    yield one
    one.close()


class Page:
    """A file of the web server that knows whether it has changed."""

    def __init__(self, web, body="", kind="application/rss+xml"):
        self.path, self.body, self.kind, self.unchanged, self.status = "/" + unique("source"), body, kind, 0, 200
        self.url, web.pages[self.path] = web.url + self.path, self.answer

    def answer(self, handler):
        body = self.body.encode()
        tag = '"%x"' % (hash(body) & 0xffffffff)
        if self.status == 200 and handler.headers.get("If-None-Match") == tag:
            self.unchanged += 1
            handler.send_response(304)
            handler.end_headers()
            return
        handler.send_response(self.status)
        handler.send_header("Content-Type", self.kind)
        handler.send_header("ETag", tag)
        handler.end_headers()
        handler.wfile.write(body)


def rss(*titles):
    return "<rss version='2.0'><channel><title>News</title>%s</channel></rss>" % "".join(
        "<item><guid>%s</guid><title>%s</title><link>https://school.example/%s</link>"
        "<description>about *it*</description></item>" % (title, title, title) for title in titles)


def add(server, alias, url, *options):
    return re.search(r"source (\d+)", notice(server, "source", "add", "office", alias, url, *options)).group(1)


def row(server, source):
    """What `sources` says of one."""
    return re.search(r"^%s +(@.*?)(?=^\d|\Z)" % source, notice(server, "sources"), re.M | re.S).group(1)


def ask(server, source):
    """Has it asked, and waits until it was. @return what `sources` says then"""
    count = "SELECT coalesce(asked_at_ms, 0) + failures * 1000000000000000 FROM notice_sources WHERE source_id = %s" % source
    before = server.sql(count)
    notice(server, "source", "ask", source)
    wait_until(lambda: server.sql(count) != before, 10, "the source is asked")
    return row(server, source)


def check(server, *arguments):
    """Dry run, with the options that the server has."""
    return notice(server, "source", "check", *arguments, "--set", "network.allow_addresses=127.0.0.1",
                  "--set", "notices.time_zone=Asia/Taipei")


def first_asked(server, source):
    wait_until(lambda: "answered -" not in row(server, source), 10, "the source is asked for the first time")


def calendar(*events):
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-CALNAME:行事曆\r\n%sEND:VCALENDAR\r\n" % "".join(events)


def event(uid, start, *lines):
    """At a time of Taipei."""
    return "BEGIN:VEVENT\r\nUID:%s\r\nDTSTART;TZID=Asia/Taipei:%s\r\n%sEND:VEVENT\r\n" % (
        uid, start.strftime("%Y%m%dT%H%M%S"), "".join(line + "\r\n" for line in lines))


def in_hours(hours):
    return (datetime.datetime.now(TAIPEI) + datetime.timedelta(hours=hours)).replace(second=0, microsecond=0)


def test_feed__old_items_noted_and_new_ones_posted_once(school, lin, web):
    room, alias, watch = class_room(lin)
    old, new, newer = unique("old"), unique("new"), unique("newer")
    page = Page(web, rss(old))
    source = add(school, alias, page.url, "--lang", "en")
    first_asked(school, source)
    assert "0 posted" in row(school, source) and "News" in row(school, source)
    page.body = rss(newer, new, old)
    assert "2 posted" in ask(school, source)
    found = until_body(watch, room, newer)
    assert found["sender"] == "@office:hs1"
    assert found["content"]["body"] == "%s\n\nabout *it*" % newer or newer in found["content"]["body"]
    assert '<a href="https://school.example/%s">%s</a>' % (newer, newer) in found["content"]["formatted_body"]
    assert [new in text for text in reversed(bodies(lin, room))] == [True, False]  # the older one first
    unchanged = page.unchanged
    ask(school, source)
    assert page.unchanged == unchanged + 1
    page.body += " "  # sent again as a whole
    assert "2 posted" in ask(school, source)
    assert len(bodies(lin, room)) == 2
    notice(school, "source", "remove", source)
    assert "no source" in refused(school, "source", "show", source)


def test_feed__server_killed_between__posted_once(school, lin, web):
    room, alias, watch = class_room(lin)
    page = Page(web, rss(unique("old")))
    source = add(school, alias, page.url)
    first_asked(school, source)
    news = [unique("news") for _ in range(5)]
    page.body = rss(*news)
    hanging, asked = threading.Event(), threading.Event()
    answer = page.answer

    def late(handler):
        asked.set()
        hanging.wait(seconds(20))
        answer(handler)
    web.pages[page.path] = late
    notice(school, "source", "ask", source)
    assert asked.wait(seconds(20))
    school.kill()  # it was asked, and nothing of that is stored
    hanging.set()
    web.pages[page.path] = answer
    school.start()  # it is asked anew
    wait_until(lambda: "5 posted" in row(school, source), 20, "all are posted")
    for text in news:
        wait_until(lambda: sum(text in body for body in bodies(lin, room)) == 1, 10, text)
    notice(school, "source", "remove", source)
    assert watch


def test_calendar__event_announced__moved_and_cancelled_are_told(school, lin, web):
    room, alias, _ = class_room(lin)
    trip, sport, gone, later = unique("trip"), unique("sport"), unique("gone"), unique("later")
    soon = in_hours(2)
    old = event("old", in_hours(3), "SUMMARY:was there")
    page = Page(web, calendar(old), "text/calendar")
    # So that what is within a day is announced now.
    source = add(school, alias, page.url, "--days-before", "2", "--at", "00:00", "--lang", "zh-Hant")
    first_asked(school, source)
    events = {name: event(name, soon, "SUMMARY:" + name, "LOCATION:操場") for name in (trip, sport, gone)}
    events[later] = event(later, in_hours(24 * 9), "SUMMARY:" + later)
    events["void"] = event("void", soon, "SUMMARY:void", "STATUS:CANCELLED")
    page.body = calendar(old, *events.values())
    assert "3 posted" in ask(school, source)
    said = wait_until(lambda: len(found := bodies(lin, room)) == 3 and found, 10, "three notices")
    day = "日一二三四五六"[(soon.weekday() + 1) % 7]
    assert "%s\n%s (%s) %s · 操場" % (trip, soon.strftime("%Y-%m-%d"), day, soon.strftime("%H:%M")) in said
    # One is moved, one cancelled, one is no longer there; the others are as they were.
    moved = in_hours(5)
    page.body = calendar(old,
                         event(trip, moved, "SUMMARY:" + trip, "LOCATION:操場", "SEQUENCE:1"),
                         event(sport, soon, "SUMMARY:" + sport, "LOCATION:操場", "STATUS:CANCELLED"), events[later])
    assert "3 posted" in ask(school, source)
    said = wait_until(lambda: len(found := bodies(lin, room)) == 6 and found, 10, "three more")
    assert any(text.startswith("異動：%s\n%s" % (trip, moved.strftime("%Y-%m-%d"))) for text in said)
    assert any(text.startswith("取消：" + sport) for text in said)
    assert any(text.startswith("取消：" + gone) for text in said)
    # A calendar that cannot be asked is as it was; nothing is told twice.
    page.status = 503
    assert "trouble: It answers 503" in ask(school, source)
    page.status = 200
    assert "3 posted" in ask(school, source)
    # Moved before it was announced: told once, as it is.
    page.body = calendar(event(later, soon, "SUMMARY:" + later))
    ask(school, source)
    said = wait_until(lambda: [text for text in bodies(lin, room) if later in text], 10, later)
    assert len(said) == 1 and said[0].startswith(later)
    notice(school, "source", "remove", source)


def test_check__shows_what_would_be_posted_and_changes_nothing(school, lin, web):
    _, alias, _ = class_room(lin)
    page = Page(web, calendar(event("a", in_hours(1), "SUMMARY:Open_day"),
                              event("b", in_hours(1), "SUMMARY:Leap", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")))
    said = check(school, page.url, "--days-before", "1", "--at", "00:00", "--lang", "en")
    assert "calendar '行事曆': 1 item(s); to be posted now: 1" in said
    assert "1 of its 2 events cannot be read, and are left out; the first: 'Leap': The rule" in said
    assert re.search(r"\*\*Open\\_day\*\*\n\d{4}-\d\d-\d\d \(\w{3}\) \d\d:\d\d$", said, re.M)
    source = add(school, alias, page.url, "--days-before", "1", "--at", "00:00")
    first_asked(school, source)
    assert "note: 1 of its 2 events cannot be read" in row(school, source)
    assert "to be posted now: 0; only noted: 0" in check(school, source)
    page.body = calendar(event("c", in_hours(1), "SUMMARY:New"))
    assert "to be posted now: 1" in check(school, source)
    assert "to be posted now: 1" in check(school, source)
    assert "0 posted" in row(school, source)
    notice(school, "source", "remove", source)


def test_sources__wrong_ones__say_why_and_others_go_on(school, lin, web):
    room, alias, watch = class_room(lin)
    good = Page(web, rss(unique("old")))
    mute = socket.create_server(("127.0.0.1", 0))  # takes connections and says nothing

    packed = gzip.compress(b"<rss><channel>" + b" " * 100_000_000, 1)

    def huge(handler):
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(packed)
    web.pages["/huge"] = huge
    web.pages["/round"] = lambda handler: (handler.send_response(302), handler.send_header("Location", "/round"),
                                           handler.end_headers())
    web.pages["/bomb"] = ("text/xml", b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
                                      b"<rss><channel><title>&b;</title></channel></rss>")
    web.pages["/cut"] = ("text/calendar", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n")
    web.pages["/page"] = ("text/html", b"<html><p>News</p></html>")
    whys = {web.url + "/huge": "more than 8 MiB", web.url + "/round": "cannot be reached", web.url + "/bomb": "entit",
            web.url + "/cut": "ends in the middle", web.url + "/page": "neither RSS nor Atom", web.url + "/missing": "answers 404",
            "http://127.0.0.2:%d/" % web.port: "network.allow_addresses", "http://127.0.0.1:1/": "cannot be reached",
            "http://127.0.0.1:%d/" % mute.getsockname()[1]: "in time"}
    sources = {add(school, alias, url): why for url, why in whys.items()}
    source = add(school, alias, good.url)
    for broken, why in sources.items():
        said = wait_until(lambda: "trouble" in (found := row(school, broken)) and found, 10, why)
        assert why in said, said
    first_asked(school, source)
    text = unique("news")
    good.body = rss(text)
    ask(school, source)
    until_body(watch, room, text)
    for one in [source, *sources]:
        notice(school, "source", "remove", one)
    mute.close()


@pytest.mark.parametrize("arguments, why", [
    (("add", "nobody", "#x", "http://a.example/"), "no sender"), (("add", "office", "x", "http://a.example/"), "neither"),
    (("add", "office", "#x", "ftp://a.example/"), "no address"), (("add", "office", "#x"), "SENDER TARGETS URL"),
    (("add", "office", "#x", "http://a.example/", "--every", "5"), "15m"),
    (("add", "office", "#x", "http://a.example/", "--every", "5s"), "1m to 7d"),
    (("add", "office", "#x", "http://a.example/", "--days-before", "-1"), "--days-before"),
    (("add", "office", "#x", "http://a.example/", "--at", "7"), "07:00"),
    (("add", "office", "#x", "http://a.example/", "--lang", "中"), "no language"),
    (("show", "999999"), "no source"), (("remove", "x"), "no number"), (("ask", "999999"), "no source"),
    (("mend", "1"), "none of them"), (("check", "http://127.0.0.2:1/"), "network.allow_addresses")])
def test_source__wrong__says_why(school, arguments, why):
    assert why in refused(school, "source", *arguments)
