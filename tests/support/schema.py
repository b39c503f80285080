"""Checks each answer of the client-server API against the specification's schema (client_api.json)."""
import functools
import json
import os
import re

import jsonschema

HERE = os.path.dirname(os.path.abspath(__file__))


def _pointer(name):
    return "#/$defs/" + name.replace("~", "~0").replace("/", "~1").replace("%", "%25")


def _rewrite(value):
    """Turns the file names in "$ref" into pointers within one document."""
    if isinstance(value, dict):
        return {"anyOf" if key == "oneOf" else key:  # the alternatives of the specification overlap
                _pointer(item) if key == "$ref" and isinstance(item, str) else _rewrite(item)
                for key, item in value.items() if key != "$schema"}
    if isinstance(value, list):
        return [_rewrite(item) for item in value]
    return value


class _Api:
    def __init__(self):
        with open(os.path.join(HERE, "client_api.json"), encoding="utf-8") as file:
            data = json.load(file)
        self.definitions = _rewrite(data["definitions"])
        self.by_method = {}
        for op in data["operations"]:
            pattern = re.escape(op["path"])
            pattern = re.sub(r"\\\{[^/]*?\\\}", "[^/]+", pattern)
            if op["path"].endswith("/state/{eventType}/{stateKey}"):
                pattern = pattern[:-len("/[^/]+")] + "(/[^/]*)?"  # an empty state key may be left out
            self.by_method.setdefault(op["method"], []).append(
                (op["path"].count("{"), re.compile(pattern + "$"), op))
        for rows in self.by_method.values():
            rows.sort(key=lambda row: row[0])  # literal paths before templates

    def find(self, method, path):
        for _, pattern, op in self.by_method.get(method, ()):
            if pattern.match(path):
                return op
        return None

    @functools.lru_cache(maxsize=None)
    def validator(self, op_id, status):
        for rows in self.by_method.values():
            for _, _, op in rows:
                if op["id"] == op_id:
                    schema = op["responses"].get(status)
                    if schema is None:
                        return None
                    return jsonschema.Draft202012Validator(
                        {"allOf": [_rewrite(schema)], "$defs": self.definitions})
        return None


_api = None


def operations():
    """Every operation of the client-server API: dicts with id, method, path, responses."""
    global _api
    _api = _api or _Api()
    return [op for rows in _api.by_method.values() for _, _, op in rows]


def violations(method, path, status, body):
    """The ways in which an answer does not fit the specification; [] when it fits or is not described."""
    global _api
    _api = _api or _Api()
    path = path.replace("/_matrix/client/r0/", "/_matrix/client/v3/")
    op = _api.find(method, path)
    if op is None:
        return []
    validator = _api.validator(op["id"], str(status))
    if validator is None:
        return []
    return ["%s: %s" % ("/".join(str(part) for part in error.absolute_path) or "body", error.message[:300])
            for error in validator.iter_errors(body)]
