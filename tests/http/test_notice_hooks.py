"""Webhooks by which other programs post notices of the school (docs/notices-api.md)."""
import hashlib
import hmac
import json
import urllib.parse

import pytest

from support import accounts
from support.client import unique
from support.notices import API, Hook, Program, bodies, class_room, notice, until_body, until_noted


@pytest.fixture(scope="module")
def school():
    from support.server import Server
    server = Server(settings={"log.level": "debug"}).start()
    notice(server, "sender", "office")
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def lin(school):
    return accounts.register(school.url)


PUSH = {"ref": "refs/heads/main", "repository": {"full_name": "school/site"}, "sender": {"login": "lin"},
        "commits": [{"id": "0123456789", "message": "x"}]}


def test_plain__fields_of_the_api__within_its_targets(school, lin):
    room, alias, watch = class_room(lin)
    _, beside, _ = class_room(lin)
    hook = Hook(school, "office", alias)
    zh, en = unique("停課"), unique("no school")
    number = hook.call(body={"texts": [{"lang": "zh-Hant", "text": zh}, {"lang": "en", "text": en}]}).ok()["notice_id"]
    assert until_body(watch, room, zh)["sender"] == "@office:hs1"
    until_noted(school, number)
    shown = Program(school, "office", alias).get("/notices/%d" % number).ok()
    assert shown["deliveries"][0]["state"] == "sent"
    hook.call(body={"text": "x", "targets": [beside]}).expect(403, "M_FORBIDDEN")
    assert "'txt'" in hook.call(body={"txt": "x"}).expect(400, "M_BAD_JSON")["error"]


def test_slack__json_or_form__ok_and_marks_are_kept(school, lin):
    room, alias, watch = class_room(lin)
    hook = Hook(school, "office", alias)
    first, second = unique("first"), unique("second")
    reply = hook.call("/slack", {"text": "*%s* <https://s.example|there>" % first, "channel": "#x", "username": "y"}).ok()
    assert reply.raw == b"ok" and reply.headers["content-type"].startswith("text/plain")
    content = until_body(watch, room, first)["content"]
    assert content["formatted_body"] == '<p><strong>%s</strong> <a href="https://s.example">there</a></p>' % first
    form = urllib.parse.urlencode({"payload": json.dumps({"attachments": [{"fallback": second + " 校"}]})}).encode()
    reply = hook.call("/slack", raw=form, headers={"Content-Type": "application/x-www-form-urlencoded"}).ok()
    assert reply.raw == b"ok"
    assert until_body(watch, room, second)["content"]["body"] == second + " 校"
    for raw in (b"text=x", b"payload=%7B", b"%zz", b""):
        hook.call("/slack", raw=raw, headers={"Content-Type": "application/x-www-form-urlencoded"}).expect(400, "M_NOT_JSON")
    hook.call("/slack", raw=b"payload=[]", headers={"Content-Type": "application/x-www-form-urlencoded"}).expect(
        400, "M_BAD_JSON")
    hook.call("/slack", {"text": ""}).expect(400, "M_MISSING_PARAM")


def test_github__delivered_twice__sent_once(school, lin):
    room, alias, watch = class_room(lin)
    hook = Hook(school, "office", alias)
    branch = unique("branch")
    push = {**PUSH, "ref": "refs/heads/" + branch}
    headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": unique("delivery")}
    numbers = {hook.call("/github", push, headers=headers).ok()["notice_id"] for _ in range(2)}
    assert len(numbers) == 1
    assert until_body(watch, room, branch)["content"]["body"] == "school/site · %s · +1 — lin\n- 0123456 x" % branch
    assert hook.call("/github", {"action": "created"}, headers={"X-GitHub-Event": "star"}).ok().json == {}
    form = urllib.parse.urlencode({"payload": json.dumps({**PUSH, "ref": "refs/heads/last"})}).encode()
    hook.call("/github", raw=form, headers={"X-GitHub-Event": "push", "Content-Type": "application/x-www-form-urlencoded"}).ok()
    until_body(watch, room, "last")
    assert len([body for body in bodies(lin, room) if branch in body]) == 1
    hook.call("/github", PUSH).expect(400, "M_MISSING_PARAM")


@pytest.mark.parametrize("form", ["", "/slack", "/github"])
def test_signed__only_with_its_secret(school, lin, form):
    room, alias, watch = class_room(lin)
    hook = Hook(school, "office", alias, signed=True)
    text = unique("signed")
    raw = json.dumps({**PUSH, "ref": "refs/heads/" + text} if form == "/github" else {"text": text}).encode()

    def call(signature):
        headers = {"X-GitHub-Event": "push", **({"X-Hub-Signature-256": signature} if signature is not None else {})}
        return hook.call(form, raw=raw, headers=headers)

    def sign(secret, what=raw):
        return hmac.new(secret.encode(), what, hashlib.sha256).hexdigest()
    right = sign(hook.secret)
    for wrong in (None, "", "sha256=", right, "sha256=" + right[:-1], "sha1=" + right, "sha256=" + sign(hook.token),
                  "sha256=" + sign(hook.secret, raw + b" "), "sha256=" + sign(Hook(school, "office", alias, signed=True).secret)):
        call(wrong).expect(403, "M_FORBIDDEN")
    call("sha256=" + right).ok()
    until_body(watch, room, text)


def test_address__public_address_ends_with_a_slash__the_path_begins_with_the_only_one(school, lin):
    _, alias, _ = class_room(lin)
    printed = notice(school, "hook", "office", alias, "--set", "public_base_url=https://matrix.school.example/")
    assert printed.startswith("https://matrix.school.example/_belfry/notices/v1/hooks/bnh_")


def test_token__is_good_for_its_hook_alone_and_ends_at_once(school, lin):
    _, alias, _ = class_room(lin)
    hook = Hook(school, "office", alias)
    program = Program(school, "office", alias)
    hook.client.get(API + "/notices", token=hook.token).expect(401, "M_UNKNOWN_TOKEN")
    for token in (program.token, "x", "bnh_" + "A" * 40):
        for form in ("", "/slack", "/github"):
            hook.client.post("%s/hooks/%s%s" % (API, token, form), {"text": "x"}).expect(401, "M_UNKNOWN_TOKEN")
    listed = notice(school, "tokens")
    assert hook.token not in listed
    number = [line.split()[0] for line in listed.splitlines() if line.split()[1] == "hook"][-1]
    hook.call(body={"txt": "x"}).expect(400)
    notice(school, "revoke", number)
    hook.call(body={"txt": "x"}).expect(401, "M_UNKNOWN_TOKEN")


def test_token__in_the_path__never_in_the_log(school, lin):
    hook = Hook(school, "office", class_room(lin)[1], signed=True)
    hook.call(body={"text": "x"}).expect(403)
    hook.client.post(hook.path + "x", {"text": "x"}).expect(401)
    hook.client.get(hook.path).expect(405)
    hook.client.post(hook.path + "/nowhere", {}).expect(404)
    hook.client.post(hook.path + "/%zz", {}).expect((400, 404))
    log = school.log()
    assert "noticeHook" in log
    assert hook.token not in log and hook.secret not in log
