"""What tests of the door share."""

import pytest

from tests.api.http.clock import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock to move."""
    return Clock()
