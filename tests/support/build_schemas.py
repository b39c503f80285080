"""Makes client_api.json: response schemas of the client-server API, from the specification's data.

    python3 tests/support/build_schemas.py SPEC_JSON > tests/support/client_api.json

SPEC_JSON is a flattened copy of the OpenAPI documents of the Matrix specification
(https://github.com/matrix-org/matrix-spec, Apache-2.0): {"defs": {name: schema}, "ops": [...]}.
Only what the tests need is kept: method, path and the JSON schema of each status.
"""
import json
import sys


def refs_of(value):
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item
            else:
                yield from refs_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from refs_of(item)


def main():
    spec = json.load(open(sys.argv[1], encoding="utf-8"))
    operations = []
    for op in spec["ops"]:
        if op["api"] != "client-server":
            continue
        responses = {}
        for status, response in op["responses"].items():
            schema = response.get("types", {}).get("application/json")
            if schema is not None:
                responses[status] = schema
        operations.append({"id": op["id"], "method": op["method"], "path": op["path"].strip(),
                           "responses": responses})
    defs, todo = {}, list(refs_of(operations))
    while todo:
        name = todo.pop()
        if name not in defs:
            defs[name] = spec["defs"][name]
            todo.extend(refs_of(defs[name]))
    json.dump({"operations": operations, "definitions": dict(sorted(defs.items()))}, sys.stdout,
              sort_keys=True, separators=(",", ":"))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
