"""A clock that stands until a test moves it."""

from datetime import datetime

from tests.api.portfolio import NOW


class Clock:
    """Tells `now`, at first that of the sample portfolio."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now
