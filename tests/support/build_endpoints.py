"""Makes client_endpoints.json: who may use each endpoint of the client-server API, and the fields of its body.

    python3 tests/support/build_endpoints.py SPEC > tests/support/client_endpoints.json       (needs PyYAML)

SPEC is a copy of the data of the Matrix specification (https://github.com/matrix-org/matrix-spec, Apache-2.0)
with its list of endpoints as endpoints.json: [{"api", "method", "path", "id", "security", "guest",
"rate_limited", "file"}].
"""
import json
import os
import sys

import yaml


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def fields(schema, folder, depth=0):
    """{property: type or None} of a request's schema; references followed."""
    if depth > 8 or not isinstance(schema, dict):
        return {}
    found = {}
    reference = schema.get("$ref")
    if reference and not reference.startswith("#"):
        path = os.path.normpath(os.path.join(folder, reference.partition("#")[0]))
        if os.path.exists(path):
            found.update(fields(load(path), os.path.dirname(path), depth + 1))
    for part in ("allOf", "oneOf", "anyOf"):
        for item in schema.get(part, ()):
            found.update(fields(item, folder, depth + 1))
    for name, item in (schema.get("properties") or {}).items():
        kind = item.get("type") if isinstance(item, dict) else None
        found[name] = kind if isinstance(kind, str) else None
    return found


def main():
    folder = sys.argv[1]
    with open(os.path.join(folder, "endpoints.json"), encoding="utf-8") as file:
        endpoints = json.load(file)
    rows = {}
    for row in endpoints:
        if row["api"] != "client-server":
            continue
        api = os.path.join(folder, "api", "client-server")
        body = {}
        for operations in load(os.path.join(api, row["file"]))["paths"].values():
            operation = operations.get(row["method"].lower(), {})
            if operation.get("operationId") == row["id"]:
                content = operation.get("requestBody", {}).get("content", {})
                body = fields(content.get("application/json", {}).get("schema", {}), api)
        security = row["security"]
        rows[row["id"]] = {
            "token": "no" if not security else "optional" if "none" in security else "yes",
            "guest": row["guest"], "rate_limited": row["rate_limited"], "body": dict(sorted(body.items()))}
    json.dump(dict(sorted(rows.items())), sys.stdout, indent=0, separators=(",", ":"))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
