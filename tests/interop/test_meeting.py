"""A meeting by matrix-js-sdk, whose matrixrtc is what Element Call runs on (meeting.mjs)."""
import pytest

from support.server import binary
from test_notices import converse

pytestmark = [pytest.mark.skipif(not binary(), reason="needs the program"), pytest.mark.timeout(600)]


class Hands:
    """Nothing is asked of them."""

    def __init__(self, server):
        self.server = server


def test_js_sdk__meeting__whose_program_is_killed_is_taken_out(make_server, monkeypatch):
    server = make_server(settings={"rate_limits.enabled": "false"}).start()
    monkeypatch.setenv("BELFRY_TEST_SDK", "matrix-js-sdk-oauth")
    converse("meeting.mjs", Hands(server), server.url)
