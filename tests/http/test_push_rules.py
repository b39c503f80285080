"""Push rules as clients read them before their first sync: the predefined ones."""
import pytest

from support.client import path_of

KINDS = {"override", "content", "room", "sender", "underride"}


def rules_of(user):
    return user.get(path_of("pushrules") + "/").ok().json


def test_push_rules__fresh_user__predefined(alice):
    rules = rules_of(alice)["global"]
    assert set(rules) == KINDS
    assert rules["override"][0]["rule_id"] == ".m.rule.master" and rules["override"][0]["enabled"] is False
    every = [rule for kind in KINDS for rule in rules[kind]]
    assert all(rule["default"] is True for rule in every)
    assert {".m.rule.message", ".m.rule.invite_for_me"} <= {rule["rule_id"] for rule in every}


def test_push_rules__of_scope_and_of_sync__are_the_same(alice):
    rules = rules_of(alice)
    assert alice.get(path_of("pushrules", "global") + "/").ok().json == rules["global"]
    assert alice.get(path_of("user", alice.user_id, "account_data", "m.push_rules")).ok().json == rules
    assert alice.sync().account("m.push_rules") == rules


def test_push_rules__one_rule__and_its_parts(alice):
    rule = alice.get(path_of("pushrules", "global", "underride", ".m.rule.message")).ok().json
    assert rule in rules_of(alice)["global"]["underride"]
    for part in ("enabled", "actions"):
        reply = alice.get(path_of("pushrules", "global", "underride", ".m.rule.message", part)).ok()
        assert reply.json == {part: rule[part]}


@pytest.mark.parametrize("kind, rule", [("underride", "nobody"), ("override", ".m.rule.message")])
def test_push_rules__unknown__404(alice, kind, rule):
    for rest in ((), ("enabled",), ("actions",)):
        alice.get(path_of("pushrules", "global", kind, rule, *rest)).expect(404, "M_NOT_FOUND")


def test_push_rules__without_token__401(nobody):
    nobody.get(path_of("pushrules") + "/", token=False).expect(401, "M_MISSING_TOKEN")
