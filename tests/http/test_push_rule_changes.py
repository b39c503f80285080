"""Push rules that users make and change.  Spec: client-server API, "Push Rules: API"."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import Client, path_of, seconds

MATCH = {"kind": "event_match", "key": "content.body", "pattern": "tea"}
NOTIFY = ["notify", {"set_tweak": "sound", "value": "default"}]


def rule_path(kind, rule, *rest):
    return path_of("pushrules", "global", kind, rule, *rest)


def put_rule(user, kind, rule, query=None, **body):
    body.setdefault("actions", ["notify"])
    if kind == "content":
        body.setdefault("pattern", "tea")
    return user.put(rule_path(kind, rule), body, query=query)


def ids(user, kind):
    rules = user.get(path_of("pushrules") + "/").ok()["global"][kind]
    return [rule["rule_id"] for rule in rules]


def own_ids(user, kind):
    return [rule for rule in ids(user, kind) if not rule.startswith(".")]


@pytest.mark.parametrize("kind, rule, more", [
    ("override", "mine", {"conditions": [MATCH]}), ("underride", "mine", {"conditions": [MATCH]}),
    ("content", "tea", {"pattern": "te*"}), ("room", "!r:hs1", {}), ("sender", "@x:hs1", {})])
def test_put__each_kind__read_back_enabled(alice, kind, rule, more):
    put_rule(alice, kind, rule, actions=NOTIFY, **more).ok()
    got = alice.get(rule_path(kind, rule)).ok().json
    assert got == {"rule_id": rule, "default": False, "enabled": True, "actions": NOTIFY,
                   **({"conditions": more.get("conditions", [])} if kind in ("override", "underride") else {}),
                   **({"pattern": more["pattern"]} if kind == "content" else {})}
    assert got in alice.get(path_of("pushrules", "global") + "/").ok()[kind]
    alice.delete(rule_path(kind, rule)).ok()
    alice.get(rule_path(kind, rule)).expect(404, "M_NOT_FOUND")
    alice.delete(rule_path(kind, rule)).expect(404, "M_NOT_FOUND")


def test_put__before_and_after__the_place_asked_for(alice):
    for rule in ("c", "b", "a"):
        put_rule(alice, "content", rule).ok()
    assert own_ids(alice, "content") == ["a", "b", "c"]
    put_rule(alice, "content", "x", {"before": "b"}).ok()
    put_rule(alice, "content", "y", {"after": "b"}).ok()
    assert own_ids(alice, "content") == ["a", "x", "b", "y", "c"]
    put_rule(alice, "content", "a", {"after": "c"}).ok()
    put_rule(alice, "content", "c", {"before": "x", "after": "a"}).ok()
    assert own_ids(alice, "content") == ["c", "x", "b", "y", "a"]
    put_rule(alice, "content", "y", pattern="other").ok()
    assert own_ids(alice, "content") == ["c", "x", "b", "y", "a"], "without a neighbour it stays where it is"
    put_rule(alice, "content", "z", {"before": "z"}).expect(400, "M_UNKNOWN")


def test_put__override__behind_master_before_the_rest(alice):
    put_rule(alice, "override", "mine", conditions=[MATCH]).ok()
    assert ids(alice, "override")[:3] == [".m.rule.master", "mine", ".m.rule.suppress_notices"]


@pytest.mark.parametrize("neighbour", ["nobody", ".m.rule.message"])
@pytest.mark.parametrize("side", ["before", "after"])
def test_put__next_to_what_is_not_ones_own__400(alice, side, neighbour):
    reply = put_rule(alice, "underride", "mine", {side: neighbour}).expect(400, "M_UNKNOWN")
    assert neighbour in reply["error"]
    assert own_ids(alice, "underride") == []


@pytest.mark.parametrize("kind, rule, body, errcode", [
    ("content", ".mine", {}, "M_INVALID_PARAM"), ("override", ".m.rule.master", {}, "M_INVALID_PARAM"),
    ("content", "a/b", {}, "M_INVALID_PARAM"), ("content", "a\\b", {}, "M_INVALID_PARAM"),
    ("content", "a\0b", {}, "M_INVALID_PARAM"), ("nokind", "a", {}, "M_INVALID_PARAM"),
    ("content", "a", {"pattern": 5}, "M_BAD_JSON"), ("content", "a", {"actions": "notify"}, "M_BAD_JSON"),
    ("content", "a", {"actions": ["explode"]}, "M_INVALID_PARAM"),
    ("content", "a", {"actions": [5]}, "M_INVALID_PARAM"),
    ("override", "a", {"conditions": {}}, "M_BAD_JSON"), ("override", "a", {"conditions": [5]}, "M_BAD_JSON"),
    ("override", "a", {"conditions": [{}]}, "M_INVALID_PARAM"),
    ("override", "a", {"conditions": [{"kind": "event_match", "key": "type"}]}, "M_INVALID_PARAM"),
    ("override", "a", {"conditions": [{"kind": "room_member_count", "is": "many"}]}, "M_INVALID_PARAM")])
def test_put__malformed__400_and_nothing_made(alice, kind, rule, body, errcode):
    put_rule(alice, kind, rule, **body).expect(400, errcode)
    assert alice.get(path_of("user", alice.user_id, "account_data", "m.push_rules")).ok().json == \
        alice.get(path_of("pushrules") + "/").ok().json
    assert own_ids(alice, "content") == own_ids(alice, "override") == []


def test_put__without_actions_or_pattern__400(alice):
    alice.put(rule_path("content", "a"), {"pattern": "x"}).expect(400, "M_MISSING_PARAM")
    alice.put(rule_path("content", "a"), {"actions": []}).expect(400, "M_MISSING_PARAM")
    alice.put(rule_path("content", "a"), raw=b"nonsense").expect(400, "M_NOT_JSON")


def test_put__unknown_condition__taken(alice):
    put_rule(alice, "override", "new", conditions=[{"kind": "org.example.moon", "phase": "full"}]).ok()


def test_enabled_and_actions__own_and_predefined__changed(alice):
    put_rule(alice, "content", "mine").ok()
    for kind, rule in (("content", "mine"), ("underride", ".m.rule.message"), ("override", ".m.rule.master")):
        enabled = rule == ".m.rule.master"
        alice.put(rule_path(kind, rule, "enabled"), {"enabled": enabled}).ok()
        alice.put(rule_path(kind, rule, "actions"), {"actions": NOTIFY}).ok()
        assert alice.get(rule_path(kind, rule, "enabled")).ok().json == {"enabled": enabled}
        assert alice.get(rule_path(kind, rule, "actions")).ok().json == {"actions": NOTIFY}
        got = alice.get(rule_path(kind, rule)).ok().json
        assert (got["enabled"], got["actions"]) == (enabled, NOTIFY)
    put_rule(alice, "content", "mine", pattern="other").ok()
    assert alice.get(rule_path("content", "mine")).ok()["enabled"] is False, "it keeps whether it is enabled"


@pytest.mark.parametrize("kind, rule", [("content", "nobody"), ("nokind", "x"), ("override", ".m.rule.message")])
def test_enabled_and_actions__no_such_rule__404(alice, kind, rule):
    alice.put(rule_path(kind, rule, "enabled"), {"enabled": True}).expect(404, "M_NOT_FOUND")
    alice.put(rule_path(kind, rule, "actions"), {"actions": []}).expect(404, "M_NOT_FOUND")


def test_enabled_and_actions__malformed__400(alice):
    where = ("underride", ".m.rule.message")
    alice.put(rule_path(*where, "enabled"), {}).expect(400, "M_MISSING_PARAM")
    alice.put(rule_path(*where, "enabled"), {"enabled": "yes"}).expect(400, "M_BAD_JSON")
    alice.put(rule_path(*where, "actions"), {}).expect(400, "M_MISSING_PARAM")
    alice.put(rule_path(*where, "actions"), {"actions": {}}).expect(400, "M_BAD_JSON")


def test_delete__predefined__404_and_still_there(alice):
    alice.delete(rule_path("underride", ".m.rule.message")).expect(404, "M_NOT_FOUND")
    assert ".m.rule.message" in ids(alice, "underride")


def test_change__waiting_sync_of_another_device__gets_all_rules(alice):
    phone = Client(alice.http, alice.token, alice.user_id)
    since = phone.sync().since
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(phone.sync, since, 20000)
        put_rule(alice, "content", "mine").ok()
        answer = waiting.result(seconds(60))
    rules = answer.account("m.push_rules")
    assert rules == alice.get(path_of("pushrules") + "/").ok().json
    assert rules["global"]["content"][0]["rule_id"] == "mine"
    assert phone.sync(answer.since).account("m.push_rules") is None
    assert phone.sync().account("m.push_rules") == rules


def test_change__own_rules_of_others__untouched(alice, bob):
    put_rule(alice, "content", "mine").ok()
    assert own_ids(bob, "content") == []
    bob.get(rule_path("content", "mine")).expect(404)


def test_change__many_at_once__none_lost(alice):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: put_rule(alice, "content", "r%d" % n).ok(), range(24)))
    assert sorted(own_ids(alice, "content")) == sorted("r%d" % n for n in range(24))


def test_rules__killed_server__still_there(make_server):
    server = make_server().start()
    user = accounts.register(server.anonymous().http)
    put_rule(user, "content", "mine", pattern="tea").ok()
    user.put(rule_path("underride", ".m.rule.message", "enabled"), {"enabled": False}).ok()
    rules = user.get(path_of("pushrules") + "/").ok().json
    server.kill_everything()
    server.start()
    user.http.drop()
    assert user.get(path_of("pushrules") + "/").ok().json == rules
    assert user.sync().account("m.push_rules") == rules


def test_sec_5_30__rule_over_1_kib__413(alice):
    put_rule(alice, "content", "a" * 1025).expect(413, "M_TOO_LARGE")
    put_rule(alice, "content", "a", pattern="x" * 1025).expect(413, "M_TOO_LARGE")
    put_rule(alice, "override", "a", conditions=[MATCH] * 30).expect(413, "M_TOO_LARGE")
    alice.put(rule_path("underride", ".m.rule.message", "actions"),
              {"actions": [{"set_tweak": "x" * 1025}]}).expect(413, "M_TOO_LARGE")
    put_rule(alice, "content", "a", pattern="x" * 900).ok()


def test_sec_5_30__flood_of_rules__refused_before_it_hurts(alice, bob, shared):
    """Rules of the largest size, until the server says no, which it does before half a MiB; what it took is there, and goes on working."""
    put_rule(alice, "content", "first", pattern="needle", actions=["notify", {"set_tweak": "highlight"}]).ok()
    made, refused = ["first"], []
    for start in range(0, 1000, 50):
        names = ["r%d" % number for number in range(start, start + 50)]
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda name: put_rule(alice, "content", name, pattern="x" * 980), names))
        made += [name for name, reply in zip(names, replies) if reply.status == 200]
        refused = [reply for reply in replies if reply.status != 200]
        if refused:
            break
    assert refused and all(reply.status == 413 and reply.errcode == "M_TOO_LARGE" for reply in refused)
    assert 200 <= len(made) < (512 << 10) / 980
    assert sorted(own_ids(alice, "content")) == sorted(made)
    watch = alice.watch()
    bob.send(shared, "a needle")
    watch.until(lambda answer: answer.joined(shared).get("unread_notifications", {}).get("highlight_count") == 1)
    put_rule(alice, "content", "one more", pattern="x" * 980).expect(413, "M_TOO_LARGE")
    alice.delete(rule_path("content", "r0")).ok()
    put_rule(alice, "content", "one more", pattern="x" * 980).ok()


def test_sec_5_29__patterns_that_backtrack__send_and_sync_in_time(alice, bob, shared):
    import time
    for n in range(20):
        put_rule(bob, "content", "r%d" % n, pattern="*a" * 200 + "*b").ok()
    start = time.monotonic()
    since = bob.sync().since
    event_id = alice.send(shared, "a" * 30000)
    answer = bob.sync(since, 20000)
    assert event_id in answer.joined(shared).ids()
    assert time.monotonic() - start < seconds(10)
