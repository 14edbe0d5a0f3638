"""How many requests a caller may make: a bucket per key that holds one window's worth and fills evenly.

Kept in this process alone: several servers count each for itself. Source of the header fields: RateLimit header fields
for HTTP (IETF draft), as three fields that clients know.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from api.buckets import WINDOW_SECONDS, Buckets
from api.callers import Caller, RateLimited


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
        self._buckets = Buckets(limit, clock)

    def take(self, caller: Caller) -> Allowance:
        """Count one request.

        Raises:
            RateLimited: the bucket is empty.
        """
        limit, who = self._buckets.limit, (caller.tenant_id, caller.key_id, caller.subject)
        level = self._buckets.take(who)
        if level is None:
            empty = self._buckets.level(who)
            left = Allowance(limit, 0, empty.reset)
            message = (
                f"More than {limit:,} requests in {WINDOW_SECONDS} seconds; wait {empty.wait} second(s)."
            )
            raise RateLimited(message, empty.wait, left.headers)
        return Allowance(limit, level.remaining, level.reset)
