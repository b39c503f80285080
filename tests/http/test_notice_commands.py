"""Commands by message to a sender of notices (docs/notices.md): who may, in which language, each once."""
import re

import pytest

from support import accounts
from support.client import Client, path_of, unique
from support.notices import until_noted
from support.server import Server

OFFICE = "@office:hs1"


@pytest.fixture(scope="module")
def school():
    server = Server(settings={"notices.time_zone": "Asia/Taipei"}).start()
    notice(server, "sender", "office")
    yield server
    server.destroy()


def notice(server, *arguments):
    done = server.run("notice", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def allowed(school):
    lin = accounts.register(school.url)
    notice(school, "allow", "office", lin.user_id)
    return lin


class Talk:
    """A direct room with the sender, who has come in."""

    def __init__(self, client):
        self.client, self.watch = client, client.watch()
        self.room = client.create_room(preset="trusted_private_chat", invite=[OFFICE], is_direct=True)
        self.watch.until(self.has_joined)

    def has_joined(self, answer):
        return any(event["type"] == "m.room.member" and event["state_key"] == OFFICE and
                   event["content"]["membership"] == "join"
                   for part in ("timeline", "state") for event in getattr(answer.joined(self.room), part))

    def say(self, content):
        return self.client.send(self.room, content)

    def answer_to(self, event_id):
        found = []

        def arrived(answer):
            found.extend(event for event in answer.joined(self.room).timeline if event["sender"] == OFFICE and
                         event["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id") == event_id)
            return found
        self.watch.until(arrived)
        assert found[0]["content"]["msgtype"] == "m.notice"
        return found[0]["content"]["body"]

    def ask(self, text):
        return self.answer_to(self.say(text))

    def answers(self):
        return [event["content"]["body"] for event in self.client.messages(self.room, limit=100).ok()["chunk"]
                if event["sender"] == OFFICE and event["type"] == "m.room.message"]


@pytest.fixture(scope="module")
def talk(school):
    return Talk(allowed(school))


def class_room(client):
    alias = unique("class")
    return client.create_room(preset="public_chat", room_alias_name=alias), "#" + alias


def bodies(client, room):
    return [event["content"]["body"] for event in client.messages(room, limit=50).ok()["chunk"]
            if event["type"] == "m.room.message"]


def until_body(watch, room, text):
    watch.until(lambda answer: any(text in body for body in answer.joined(room).bodies()))


def test_commands__english__answered_so(school, talk):
    room, alias = class_room(talk.client)
    text = unique("No school")
    watch = talk.client.watch()
    said = talk.ask("send %s **%s**" % (alias, text))
    made = re.match(r"Notice (\d+) is on its way", said).group(1)
    until_body(watch, room, text)
    assert bodies(talk.client, room) == [text]
    assert re.search(r"^%s · sent · - · \*\*%s\*\*$" % (made, text), talk.ask("list"), re.MULTILINE)
    assert text in talk.ask("show " + made)
    until_noted(school, made)
    assert "1 people: 0 confirmed" in talk.ask("seen " + made)
    assert talk.ask("remind %s confirmed" % made) == "1 people are reminded."
    assert "a moment ago" in talk.ask("remind %s confirmed" % made)
    assert "send #class-3b" in talk.ask("help")


def test_commands__chinese__answered_so(school, talk):
    _, alias = class_room(talk.client)
    said = talk.ask("排程 %s 2099-01-05 07:00 FREQ=WEEKLY;BYDAY=MO\n記得帶水壺" % alias)
    made = re.match(r"通知 (\d+) 已排定：2099-01-05 07:00（第一次）", said).group(1)
    assert re.search(r"^%s · 已排程 · 2099-01-05 07:00 · 記得帶水壺$" % made, talk.ask("列表"), re.MULTILINE)
    assert "記得帶水壺" in talk.ask("顯示 " + made)
    assert "已取消" in talk.ask("取消 " + made)
    assert re.search(r"^%s +cancelled" % made, notice(school, "list"), re.MULTILINE)
    assert "說明" in talk.ask("您好") and "發送 #class-3b" in talk.ask("說明")
    assert "編號" in talk.ask("已讀")


@pytest.mark.parametrize("command, why", [
    ("show 999999", "no notice 999999"), ("send nowhere hello", "neither a room id nor an alias"),
    ("schedule #x 2001-01-01 07:00 hello", "in the past"), ("schedule #x soon hello", "When?"), ("dance", "write: help"),
    ("顯示 999999", "沒有編號 999999 的通知"), ("發送", "要送到哪裡"), ("發送 nowhere 明天停課", "不是聊天室代號或別名"),
    ("排程 #x 2001-01-01 07:00 停課", "都已經過去了"), ("排程 #x 2099-01-01 07:00 FREQ=HOURLY 停課", "週期規則")])
def test_commands__wrong__says_why(talk, command, why):
    assert why in talk.ask(command)


def test_commands__other_senders_notice__not_shown(school, talk):
    notice(school, "sender", "library")
    made = re.search(r"notice (\d+)", notice(school, "schedule", "library", "#x", "2099-01-01T07:00", "books")).group(1)
    for command in ("show", "seen", "remind", "cancel"):
        assert "no notice " + made in talk.ask("%s %s" % (command, made))


def test_commands__stranger__not_let_in_and_told_once(school):
    lin, chen, other = allowed(school), accounts.register(school.url), Talk(allowed(school))
    talk = Talk(lin)
    notice(school, "disallow", "office", lin.user_id)
    first = talk.say("list")
    assert "沒有用它發送通知的權限" in talk.answer_to(first)
    talk.say("list")
    other.ask("list")  # behind it in the queue: it was looked at while its sender might not
    notice(school, "allow", "office", lin.user_id)
    talk.ask("show 999999")  # behind it in the queue
    assert len([said for said in talk.answers() if "權限" in said]) == 1
    # An invitation of who may not waits; one of who may, later in the stream, does not.
    room = chen.create_room(preset="trusted_private_chat", invite=[OFFICE], is_direct=True)
    Talk(lin)
    assert chen.get_state(room, "m.room.member", OFFICE).ok()["membership"] == "invite"


def test_commands__bots_edits_and_class_rooms__left_alone(school):
    lin = allowed(school)
    talk = Talk(lin)
    first = talk.say("list")
    talk.answer_to(first)
    talk.say({"msgtype": "m.notice", "body": "help"})
    talk.say({"msgtype": "m.text", "body": "* help", "m.new_content": {"msgtype": "m.text", "body": "help"},
              "m.relates_to": {"rel_type": "m.replace", "event_id": first}})
    room = lin.create_room(name="3B", invite=[OFFICE])
    watch = lin.watch()
    notice(school, "send", "office", room, "welcome")
    until_body(watch, room, "welcome")
    lin.send(room, "list")
    # Nor one of two without a name, to which nobody was invited as to a direct one.
    nameless = lin.create_room(invite=[OFFICE])
    notice(school, "send", "office", nameless, "welcome")
    until_body(watch, nameless, "welcome")
    lin.send(nameless, "list")
    talk.ask("show 999999")
    assert len(talk.answers()) == 2 and bodies(lin, room) == bodies(lin, nameless) == ["list", "welcome"]


def test_commands__in_clear_where_the_room_is_encrypted__not_obeyed(school):
    lin = allowed(school)
    talk = Talk(lin)
    room, alias = class_room(lin)
    watch = lin.watch()
    lin.set_state(talk.room, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    said = talk.say("send %s forged" % alias)
    answers = []

    def answered(answer):
        answers.extend(event for event in answer.joined(talk.room).timeline
                       if event["sender"] == OFFICE and event["type"] == "m.room.encrypted")
        return answers
    watch.until(answered)
    assert answers[0]["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == said
    Talk(lin).ask("list")  # behind it in the queue
    assert bodies(lin, room) == [] and "forged" not in notice(school, "list")


def test_commands__administrator__may(school):
    admin = accounts.register_by_secret(school.url, school.secret, admin=True)
    assert "send #class-3b" in Talk(admin).ask("help")


def test_commands__killed__each_once(make_server):
    server = make_server().start()
    notice(server, "sender", "office")
    lin = allowed(server)
    talk = Talk(lin)
    room, alias = class_room(lin)
    text = unique("once")
    asked = talk.say("send %s %s" % (alias, text))
    server.kill()
    server.start()
    client = Client(server.url, lin.token, lin.user_id)
    talk.client, talk.watch = client, client.watch()
    if not talk.answers():
        talk.answer_to(asked)
    watch = client.watch()
    if text not in bodies(client, room):
        until_body(watch, room, text)
    talk.ask("list")  # behind it in the queue
    assert bodies(client, room) == [text]
    assert len([said for said in talk.answers() if "on its way" in said]) == 1


@pytest.mark.parametrize("arguments, why", [
    (("allow", "nobody", "@x"), "no sender"), (("allow", "office", "x"), "no user"),
    (("disallow", "office", "@nobody"), "anyway"), (("allow", "office"), "words")])
def test_allow__wrong__says_why(school, arguments, why):
    done = school.run("notice", *arguments)
    assert done.returncode != 0 and why in done.stderr


def test_allowed__listed(school):
    lin = allowed(school)
    assert lin.user_id in notice(school, "managers", "office").split()
