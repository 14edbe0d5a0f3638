"""How many sockets and streams each caller holds open, in this process."""

from collections import Counter

from api.callers import Caller, TooManyOpen

_Who = tuple[int, int | None, str | None]


class Openings:
    """most: how many a caller may hold at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[_Who] = Counter()

    def open(self, caller: Caller) -> None:
        """Count one more.

        Raises:
            TooManyOpen: the caller has as many as it may.
        """
        who = _who(caller)
        if self._held[who] >= self._most:
            raise TooManyOpen(self._most)
        self._held[who] += 1

    def close(self, caller: Caller) -> None:
        """Count one less."""
        who = _who(caller)
        self._held[who] -= 1
        if self._held[who] <= 0:
            del self._held[who]


def _who(caller: Caller) -> _Who:
    return caller.tenant_id, caller.key_id, caller.subject
