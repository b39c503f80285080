"""Takes the fixtures and options from tests/support/fixtures.py."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.fixtures import *  # noqa: E402,F401,F403
from support.fixtures import _peer  # noqa: E402,F401
