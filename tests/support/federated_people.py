"""Who the tests of federation speak of, in place of the people of the server that ordinary tests share.

    from support.federated_people import alice, zoe  # noqa: F401
"""
import pytest


@pytest.fixture
def alice(federated):
    """A fresh user of ours."""
    return federated.user()


@pytest.fixture
def zoe(remote):
    """A user id of theirs."""
    return "@zoe:" + remote.name
