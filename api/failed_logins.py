"""How often an address may name a key or token that is not good: enough for mistakes, too little for guessing."""

from collections.abc import Callable
from datetime import datetime
from ipaddress import IPv6Address, ip_address

from api.buckets import WINDOW_SECONDS, Buckets
from api.callers import RateLimited

#: Whoever has one address of version 6 has all that begin with the same bits.
_OWN_BITS = 64


class FailedLogins:
    """Counts them by address, in this process. limit: so many a minute."""

    def __init__(self, limit: int, clock: Callable[[], datetime]) -> None:
        self._buckets = Buckets(limit, clock)

    def check(self, address: str | None) -> None:
        """Let an address try.

        Raises:
            RateLimited: it has failed too often.
        """
        wait = self._buckets.level(_counted_as(address)).wait
        if wait:
            raise RateLimited(
                f"More than {self._buckets.limit:,} keys or tokens from this address were not good in "
                f"{WINDOW_SECONDS} seconds; wait {wait} second(s).",
                wait,
            )

    def note(self, address: str | None) -> None:
        """Count a failure."""
        self._buckets.take(_counted_as(address))


def _counted_as(address: str | None) -> str:
    try:
        found = ip_address(address or "")
    except ValueError:  # a socket of the machine itself has none
        return address or ""
    if isinstance(found, IPv6Address):
        own = found.ipv4_mapped
        return str(own) if own else str(int(found) >> (128 - _OWN_BITS))
    return str(found)
