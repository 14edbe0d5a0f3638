"""How many requests a caller may make: a bucket per key that holds one window's worth and fills evenly.

Kept in this process alone: several servers count each for itself. Source of the header fields: RateLimit header fields
for HTTP (IETF draft), as three fields that clients know.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.callers import Caller, RateLimited

WINDOW_SECONDS = 60
# Whole nanoseconds: sums of fractions would differ in their last digits, and refuse or pass one request too many.
_SECOND = 1_000_000_000
_WINDOW = WINDOW_SECONDS * _SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller has left. limit: requests in a window; remaining: at once; reset: seconds until all are back."""

    limit: int
    remaining: int
    reset: int

    @property
    def headers(self) -> Mapping[str, str]:
        """The same for clients."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
            "RateLimit-Policy": f"{self.limit};w={WINDOW_SECONDS}",
        }


class Rates:
    """Counts the requests of each caller. limit: requests a window."""

    def __init__(self, limit: int, clock: Callable[[], datetime]) -> None:
        self._limit = limit
        self._spacing = _WINDOW // limit
        self._clock = clock
        # When the bucket of a caller will be full again, in nanoseconds since the epoch; absent: it is full.
        self._full_at: OrderedDict[tuple[int, int | None, str | None], int] = OrderedDict()

    def take(self, caller: Caller) -> Allowance:
        """Count one request.

        Raises:
            RateLimited: the bucket is empty.
        """
        now = (self._clock() - _EPOCH) // _MICROSECOND * 1_000
        who = (caller.tenant_id, caller.key_id, caller.subject)
        # A clock that was put back must not lock anybody out: no bucket is emptier than empty.
        full_at = min(max(self._full_at.pop(who, now), now), now + _WINDOW)
        after = full_at + self._spacing
        if after - now > _WINDOW:
            self._remember(who, full_at)
            left = Allowance(self._limit, 0, _seconds(full_at - now))
            raise RateLimited(self._limit, WINDOW_SECONDS, _seconds(after - now - _WINDOW), left.headers)
        self._remember(who, after)
        return Allowance(self._limit, (_WINDOW - (after - now)) // self._spacing, _seconds(after - now))

    def _remember(self, who: tuple[int, int | None, str | None], full_at: int) -> None:
        self._full_at[who] = full_at
        if len(self._full_at) > _REMEMBERED:
            self._full_at.popitem(last=False)


def _seconds(nanoseconds: int) -> int:
    """Whole seconds, rounded up."""
    return -(-nanoseconds // _SECOND)
