"""Buckets that hold one window's worth and fill evenly, one for whoever is counted; kept in this process alone."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WINDOW_SECONDS = 60
# Whole nanoseconds: sums of fractions would differ in their last digits, and refuse or pass one too many.
_SECOND = 1_000_000_000
_WINDOW = WINDOW_SECONDS * _SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Level:
    """How a bucket stands. remaining: how many are in it; reset: seconds until it is full; wait: until one is in it."""

    remaining: int
    reset: int
    wait: int


class Buckets:
    """limit: how many a bucket holds, and how many flow in a window."""

    def __init__(self, limit: int, clock: Callable[[], datetime]) -> None:
        self.limit = limit
        self._spacing = _WINDOW // limit
        self._clock = clock
        # When a bucket will be full again, in nanoseconds since the epoch; absent: it is full.
        self._full_at: OrderedDict[Hashable, int] = OrderedDict()

    def level(self, who: Hashable) -> Level:
        """How a bucket stands; `wait` is 0 when something is in it."""
        now = self._now()
        full_in = self._full_in(who, now)
        return Level(
            (_WINDOW - full_in) // self._spacing,
            _seconds(full_in),
            _seconds(max(0, full_in + self._spacing - _WINDOW)),
        )

    def take(self, who: Hashable) -> Level | None:
        """Take one out; how the bucket stands then, None when it is empty."""
        now = self._now()
        after = self._full_in(who, now) + self._spacing
        if after > _WINDOW:
            return None
        self._full_at[who] = now + after
        self._full_at.move_to_end(who)
        if len(self._full_at) > _REMEMBERED:
            self._full_at.popitem(last=False)
        return Level((_WINDOW - after) // self._spacing, _seconds(after), 0)

    def _now(self) -> int:
        return (self._clock() - _EPOCH) // _MICROSECOND * 1_000

    def _full_in(self, who: Hashable, now: int) -> int:
        full_at = self._full_at.get(who, now)
        if full_at > now + _WINDOW:  # a clock put back must lock nobody out: none is emptier than empty
            full_at = self._full_at[who] = now + _WINDOW
        return max(full_at - now, 0)


def _seconds(nanoseconds: int) -> int:
    """Whole seconds, rounded up."""
    return -(-nanoseconds // _SECOND)
