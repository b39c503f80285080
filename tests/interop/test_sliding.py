"""matrix-js-sdk by simplified sliding sync (sliding.mjs)."""
import os
import shutil
import subprocess

import pytest

from support.client import SLOW, seconds

HERE = os.path.dirname(os.path.abspath(__file__))
SDK = "matrix-js-sdk-sliding"


@pytest.mark.timeout(600)
def test_js_sdk__conversation_by_sliding_sync__works(hs):
    node = shutil.which("node")
    assert node, "node is not installed (package nodejs)"
    assert os.path.isdir(os.path.join(HERE, "node_modules", SDK)), SDK + " is not installed: npm ci in tests/interop"
    done = subprocess.run([node, "sliding.mjs", hs.url, str(SLOW)], cwd=HERE, capture_output=True, text=True, timeout=seconds(210),
                          check=False, env={**os.environ, "BELFRY_TEST_SDK": SDK})
    assert done.returncode == 0, "matrix-js-sdk:\n%s\n%s" % (done.stdout[-3000:], done.stderr[-3000:])
