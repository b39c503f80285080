"""Pushers of kind email: mails of missed messages.  Spec: client-server API, "POST /pushers/set" (kind "email").

A mail tells of what has been unread for an hour; the tests let the hour pass in the database (Missed), so that they may take their time.
"""
import re

import pytest

from support import accounts
from support.client import path_of, unique
from support.proofs import BASE, new_address, with_address
from support.server import Server, free_port, wait_until

SET = path_of("pushers", "set")
HOUR_MS = 3600 * 1000


def settings(box, **more):
    return {**box.settings(), "public_base_url": BASE, "registration.email": "optional",
            "mail.unread_after": "1h", "mail.unread_pause": "1s", **more}


@pytest.fixture(scope="module")
def server(box):
    started = Server(settings=settings(box)).start()
    yield started
    started.destroy()


@pytest.fixture
def alice(server):
    return accounts.register(server.url)


@pytest.fixture
def lin(server, box):
    """A user with an address."""
    return with_address(server, box)


def email_pusher(address, **more):
    return {"kind": "email", "app_id": "m.email", "pushkey": address, "app_display_name": "Email Notifications",
            "device_display_name": address, "lang": "zh-Hant", "data": {}, **more}


def subscribe(user, **more):
    user.post(SET, email_pusher(user.address, **more)).ok()


def listed(user):
    return user.get("/pushers").ok()["pushers"]


def room_of(alice, *others, **more):
    room = alice.create_room(invite=[other.user_id for other in others], **more)
    for other in others:
        other.join(room).ok()
    return room


class Bell:
    """Whoever delivers mails is woken when something is queued for anybody."""

    def __init__(self, server, box):
        self.ringer, listener = accounts.register(server.url), with_address(server, box)
        self.room = room_of(self.ringer, listener)
        subscribe(listener)

    def ring(self):
        self.ringer.send(self.room, "wake up")


@pytest.fixture(scope="module")
def bell(server, box):
    return Bell(server, box)


class Missed:
    """The mails of missed messages to a user, one after the other."""

    def __init__(self, server, box, user, bell=None):
        self.server, self.box, self.user, self.bell = server, box, user, bell
        self.before = len(box.to(user.address))

    def hour_passes(self):
        """Since all that has happened; without a bell the delivery notices it within seconds."""
        head = int(self.server.sql("SELECT position FROM stream_head"))
        wait_until(lambda: int(self.server.sql("SELECT position FROM consumers WHERE name = 'pushers'")) >= head, 20, "all is queued")
        self.server.sql("UPDATE push_queue AS q SET queued_at_ms = queued_at_ms - %(hour)d FROM pushers AS p "
                        "WHERE p.pusher_nid = q.pusher_nid AND p.user_id = '%(user)s'; "
                        "UPDATE pushers SET next_try_ms = next_try_ms - %(hour)d WHERE user_id = '%(user)s'"
                        % {"hour": HOUR_MS, "user": self.user.user_id})
        if self.bell is not None:
            self.bell.ring()

    def next(self):
        """The mail of what was missed, an hour later."""
        self.hour_passes()
        return self.mail()

    def mail(self):
        self.before += 1
        return self.box.wait(self.user.address, self.before)


@pytest.fixture
def missed(server, box, lin, bell):
    """Lin's mails."""
    return Missed(server, box, lin, bell)


def html(mail):
    return mail.message.get_body(("html",)).get_content()


# -- setting

def test_set__own_address__listed_as_given(lin):
    body = email_pusher(lin.address, data={"brand": "School"})
    lin.post(SET, body).ok()
    assert listed(lin) == [body]
    lin.post(SET, {"kind": None, "app_id": "m.email", "pushkey": lin.address}).ok()
    assert listed(lin) == []


def test_set__address_of_another_or_nobody__400(server, box, alice, lin):
    alice.post(SET, email_pusher(lin.address)).expect(400, "M_THREEPID_NOT_FOUND")
    alice.post(SET, email_pusher(new_address())).expect(400, "M_THREEPID_NOT_FOUND")
    lin.post(SET, email_pusher("no address")).expect(400, "M_THREEPID_NOT_FOUND")
    assert listed(alice) == listed(lin) == []


def test_set__server_without_mails__400(hs):
    hs.user().post(SET, email_pusher("lin@post.example")).expect(400, "M_INVALID_PARAM")


def test_log_out__of_the_device_that_set_it__stays(lin):
    phone = lin.login()
    phone.post(SET, email_pusher(lin.address)).ok()
    phone.post("/logout").ok()
    assert len(listed(lin)) == 1


def test_address_taken_away__ends(lin):
    subscribe(lin)
    lin.post("/account/3pid/delete", {"medium": "email", "address": lin.address}).ok()
    assert listed(lin) == []


# -- mails

def test_mail__unread_for_a_while__text_and_page_in_both_languages(server, box, alice, lin, missed):
    alice.put(path_of("profile", alice.user_id, "displayname"), {"displayname": "Mei <b>"}).ok()
    room = room_of(alice, lin, name="教室 & 101")
    subscribe(lin)
    alice.send(room, "明天\u202e有 <script>考試</script>\r\nBcc: all@hs1.example")
    alice.send(room, {"msgtype": "m.image", "body": "cat.png", "url": "mxc://hs1/cat"})
    due = "SELECT next_try_ms - set_at_ms FROM pushers WHERE user_id = '%s'" % lin.user_id
    wait_until(lambda: int(server.sql(due).strip() or 0) >= HOUR_MS, what="a mail within an hour")
    assert len(box.to(lin.address)) == missed.before, "it came too soon"
    mail = missed.next()
    assert "2 則未讀訊息" in mail.subject and "2 unread messages" in mail.subject
    assert "您在 hs1 有 2 則未讀訊息" in mail.text and "You have 2 unread messages on hs1" in mail.text
    assert "== 教室 & 101 ==" in mail.text
    assert "Mei <b>: 明天有 <script>考試</script> Bcc: all@hs1.example\n" in mail.text
    assert "Mei <b>: （圖片 / picture）cat.png\n" in mail.text
    assert mail.to == [lin.address] and mail.message["Bcc"] is None
    page = html(mail)
    assert "<script" not in page and "Mei &#60;b&#62;" in page and "教室 &#38; 101" in page and "cat.png" in page
    assert "overflow-wrap:anywhere" in page, "a long word makes no page wider than a phone"


def test_mail__encrypted_message__says_no_more(alice, lin, missed):
    room = room_of(alice, lin, initial_state=[{"type": "m.room.encryption", "state_key": "",
                                               "content": {"algorithm": "m.megolm.v1.aes-sha2"}}])
    subscribe(lin)
    alice.send(room, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "SECRETSECRET", "session_id": "s",
                      "sender_key": "k", "device_id": "d", "body": "PLAIN"}, "m.room.encrypted")
    mail = missed.next()
    assert "（加密訊息 / encrypted message）" in mail.text
    for text in (mail.text, html(mail)):
        assert "SECRET" not in text and "PLAIN" not in text


def test_mail__read_meanwhile_redacted_or_ignored__left_out(server, alice, lin, missed):
    noisy = accounts.register(server.url)
    read, other = room_of(alice, lin, name="read"), room_of(alice, lin, noisy, name="other")
    subscribe(lin)
    lin.receipt(read, alice.send(read, "one that was read")).ok()
    noisy.send(other, "noise")
    lin.account_data("m.ignored_user_list", {"ignored_users": {noisy.user_id: {}}}).ok()
    alice.redact(other, alice.send(other, "redacted")).ok()
    alice.send(other, "left over")
    mail = missed.next()
    assert "1 則未讀訊息" in mail.subject
    assert "left over" in mail.text and "was read" not in mail.text and "redacted" not in mail.text
    assert "noise" not in mail.text and "read ==" not in mail.text


def test_mail__all_read__none(server, alice, lin, missed):
    """That none came is shown by the next, which has the later message alone."""
    room = room_of(alice, lin)
    subscribe(lin)
    lin.receipt(room, alice.send(room, "read at once")).ok()
    queue = "SELECT count(*) FROM push_queue JOIN pushers USING (pusher_nid) WHERE user_id = '%s'" % lin.user_id
    missed.hour_passes()
    wait_until(lambda: int(server.sql(queue)) == 0, what="the queue is looked at")
    alice.send(room, "later")
    mail = missed.next()
    assert "1 則未讀訊息" in mail.subject and "later" in mail.text and "at once" not in mail.text


def test_mail__many__counted_and_cut(alice, lin, missed):
    subscribe(lin)
    for number in range(10):
        room = room_of(alice, lin, name="room %d" % number)
        if number < 9:
            alice.send(room, "hello")
    for number in range(9):
        alice.send(room, "message %d" % number)
    alice.send(room, "x" * 5000)
    mail = missed.next()
    assert "有 19 則" in mail.text and "4 earlier ones" in mail.text and "另有 2 個" in mail.text
    shown = mail.text.partition("== room 9 ==")[2].partition("==")[0]
    assert re.findall(r"message (\d)", shown) == ["4", "5", "6", "7", "8"] and "xxx…\n" in shown and len(shown) < 1000


def test_mail__nothing_read__next_one_waits_longer__read__soon_again(server, alice, lin, missed):
    room = room_of(alice, lin)
    subscribe(lin)
    pause = "SELECT mail_pause_ms FROM pushers WHERE user_id = '%s'" % lin.user_id
    alice.send(room, "first")
    assert "first" in missed.next().text
    wait_until(lambda: int(server.sql(pause)) == 1000, what="first pause")
    alice.send(room, "second")
    mail = missed.next()
    assert "second" in mail.text and "first" not in mail.text
    wait_until(lambda: int(server.sql(pause)) == 2000, what="second pause")
    last = alice.send(room, "third")
    lin.receipt(room, last).ok()
    wait_until(lambda: int(server.sql(pause)) == 0, what="no pause after reading")
    alice.send(room, "fourth")
    assert "fourth" in missed.next().text


def test_mail__invite__told(alice, lin, missed):
    subscribe(lin)
    alice.create_room(name="club", invite=[lin.user_id])
    mail = missed.next()
    assert "== club ==" in mail.text and "invites you" in mail.text


def test_mail__invite_accepted_or_refused_since__not_told(alice, lin, missed):
    subscribe(lin)
    rooms = [alice.create_room(name=name, invite=[lin.user_id]) for name in ("accepted", "refused", "waiting")]
    lin.join(rooms[0]).ok()
    lin.leave(rooms[1]).ok()
    alice.send(rooms[0], "welcome")
    mail = missed.next()
    assert "== waiting ==" in mail.text and mail.text.count("invites you") == 1
    assert "== accepted ==" in mail.text and "welcome" in mail.text and "refused" not in mail.text


def test_mail__inviter_ignored_since__not_told(server, alice, lin, missed):
    carol = accounts.register(server.url)
    subscribe(lin)
    carol.create_room(name="rubbish", invite=[lin.user_id])
    alice.create_room(name="club", invite=[lin.user_id])
    wait_until(lambda: int(server.sql("SELECT count(*) FROM push_queue q JOIN pushers p USING (pusher_nid) WHERE p.user_id = '%s'"
                                      % lin.user_id)) == 2, what="both invites queued")
    lin.account_data("m.ignored_user_list", {"ignored_users": {carol.user_id: {}}}).ok()
    mail = missed.next()
    assert "== club ==" in mail.text and "rubbish" not in mail.text


# -- ending them

def test_unsubscribe__by_the_mails_header__one_click(server, alice, lin, missed):
    room = room_of(alice, lin)
    subscribe(lin)
    alice.send(room, "hello")
    mail = missed.next()
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail.message["List-Unsubscribe"].strip("<>")
    assert link in mail.text and link.replace("&", "&#38;") in html(mail)
    assert link.startswith(BASE + "/")
    target, http = link[len(BASE):], server.anonymous().http
    for method in ("GET", "HEAD"):
        assert http.raw(method, target).status == 200
    assert len(listed(lin)) == 1, "following the link changes nothing"
    page = http.raw("GET", target).raw.decode()
    assert lin.address in page and "停止" in page and "Stop" in page
    for bad in (target[:-1] + "_", re.sub(r"pusher=\d+", "pusher=0", target), re.sub(r"pusher=\d+", "pusher=x", target),
                target.partition("?")[0]):
        assert http.raw("POST", bad).status == 404
        assert http.raw("GET", bad).status == 404
    assert len(listed(lin)) == 1
    reply = http.raw("POST", target, b"List-Unsubscribe=One-Click",
                     {"Content-Type": "application/x-www-form-urlencoded"})
    assert reply.status == 200 and "已停止" in reply.raw.decode()
    assert listed(lin) == []
    assert http.raw("POST", target).status == 404


def test_set_again__link_of_an_older_mail__still_ends_it(server, alice, lin, missed):
    room = room_of(alice, lin)
    subscribe(lin)
    alice.send(room, "hello")
    link = missed.next().message["List-Unsubscribe"].strip("<>")
    subscribe(lin, lang="en")
    assert server.anonymous().http.raw("POST", link[len(BASE):]).status == 200
    assert listed(lin) == []


# -- failures

def test_relay__busy__tried_again(box, alice, lin, missed):
    room = room_of(alice, lin)
    subscribe(lin)
    tries = box.tries
    box.busy = True
    try:
        alice.send(room, "through at last")
        missed.hour_passes()
        wait_until(lambda: box.tries > tries, 20, "a try")
    finally:
        box.busy = False
    assert "through at last" in missed.mail().text


def test_relay__refuses_the_address__dropped_and_others_go_on(server, box, alice, lin, missed, bell):
    other = with_address(server, box)
    room = room_of(alice, lin, other)
    for user in (lin, other):
        subscribe(user)
    box.refused.add(lin.address)
    alice.send(room, "for one of two")
    missed.hour_passes()
    assert "for one of two" in Missed(server, box, other, bell).next().text
    pause = "SELECT mail_pause_ms FROM pushers WHERE user_id = '%s'" % lin.user_id
    wait_until(lambda: int(server.sql(pause)) == 86400000, what="a day's pause")
    assert len(listed(lin)) == 1


def test_killed__before_the_mail__sent_after_the_start(make_server, box):
    server = make_server(settings=settings(box)).start()
    alice, lin = accounts.register(server.url), with_address(server, box)
    room = room_of(alice, lin)
    subscribe(lin)
    missed = Missed(server, box, lin)
    alice.send(room, "not lost")
    queue = "SELECT count(*) FROM push_queue"
    wait_until(lambda: int(server.sql(queue)) > 0, what="queued")
    server.kill()
    server.start()
    assert "not lost" in missed.next().text


# -- the queue of all pushers

def test_pusher_set_again__nothing_waits__sender_rests(make_server):
    """A pusher that is set anew with nothing to tell must not keep the delivery busy."""
    port = free_port()
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % port, "network.allow_addresses": "127.0.0.1"}).start()
    user = accounts.register(server.url)
    body = {"kind": "http", "app_id": "org.example", "pushkey": unique("key"), "app_display_name": "A", "lang": "en",
            "device_display_name": "P", "data": {"url": "http://127.0.0.1:1/_matrix/push/v1/notify"}}
    for _ in range(2):
        user.post(SET, body).ok()
    assert server.sql("SELECT count(*) FROM pushers WHERE next_try_ms IS NOT NULL").strip() == "0"
