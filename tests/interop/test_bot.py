"""matrix-bot-sdk, by a script for Node (bot.mjs): an application service with puppets, and a bot that syncs."""
import json
import os
import shutil
import subprocess

import pytest

from support.client import SLOW, Client, seconds, unique
from support.server import Server, free_port, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def server():
    server = Server(settings={"appservices.retry_first": "20ms", "appservices.retry_longest": "50ms"}).start()
    yield server
    server.destroy()


def registration(name):
    """As the library's own documentation writes them."""
    return {
        "id": name, "url": "http://127.0.0.1:%d" % free_port(), "as_token": unique("as-token"), "hs_token": unique("hs-token"),
        "sender_localpart": name + "_bot", "rate_limited": False, "protocols": [name],
        "de.sorunome.msc2409.push_ephemeral": True, "namespaces": {
            "users": [{"regex": "@%s_.*" % name, "exclusive": True}],
            "aliases": [{"regex": "#%s_.*" % name, "exclusive": True}], "rooms": []}}


@pytest.mark.timeout(300)
def test_bot_sdk__service_with_puppets_and_a_bot_that_syncs__works(server, tmp_path):
    node = shutil.which("node")
    assert node, "node is not installed (package nodejs)"
    assert os.path.isdir(os.path.join(HERE, "node_modules", "matrix-bot-sdk")), (
        "matrix-bot-sdk is not installed: npm ci in tests/interop")
    path, service = tmp_path / "registration.yaml", registration(unique("bot").replace("-", "_"))
    path.write_text(json.dumps(service))
    done = server.run("appservice", "add", str(path))
    assert done.returncode == 0, done.stderr
    wait_until(lambda: Client(server.url, service["as_token"]).get("/account/whoami").status == 200, 20, "the service is known")
    done = subprocess.run([node, "bot.mjs", server.url, str(path), str(SLOW)], cwd=HERE, capture_output=True, text=True,
                          timeout=seconds(120), check=False)
    assert done.returncode == 0, "matrix-bot-sdk:\n%s\n%s" % (done.stdout[-3000:], done.stderr[-3000:])
