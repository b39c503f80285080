"""matrix-js-sdk, by a script for Node (conversation.mjs)."""
import os
import shutil
import subprocess

import pytest

from support.client import SLOW, seconds

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.mark.timeout(600)
def test_js_sdk__whole_conversation__works(hs):
    node = shutil.which("node")
    assert node, "node is not installed (package nodejs)"
    assert os.path.isdir(os.path.join(HERE, "node_modules", "matrix-js-sdk")), (
        "matrix-js-sdk is not installed: npm ci in tests/interop")
    done = subprocess.run([node, "conversation.mjs", hs.url, str(SLOW)], cwd=HERE, capture_output=True, text=True,
                          timeout=seconds(180), check=False)
    assert done.returncode == 0, "matrix-js-sdk:\n%s\n%s" % (done.stdout[-3000:], done.stderr[-3000:])
