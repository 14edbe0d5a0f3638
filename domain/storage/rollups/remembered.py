"""Columns of counted days, remembered by this process as they were read.

They are named by the version of their day, which is another whenever the day is counted again, and which a reader
learns in a snapshot of its own tenant: so what is remembered need not be checked for being right, only looked up.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any


class Remembered:
    """What was read of days, up to `most_bytes`; what has not been asked for the longest is forgotten first."""

    def __init__(self, most_bytes: int) -> None:
        self.bytes_held = 0
        self._most = most_bytes
        self._kept: OrderedDict[Hashable, tuple[Mapping[str, Any], int]] = OrderedDict()

    def get(self, name: Hashable) -> Mapping[str, Any] | None:
        """The columns of that name, if they are remembered."""
        found = self._kept.get(name)
        if found is None:
            return None
        self._kept.move_to_end(name)
        return found[0]

    def put(self, name: Hashable, columns: Mapping[str, Any]) -> None:
        """Remember columns: texts, bytes and numbers by their own names."""
        size = sum(len(value) if isinstance(value, bytes | str) else 0 for value in columns.values())
        former = self._kept.pop(name, None)
        self._kept[name] = columns, size + _FOR_EACH
        self.bytes_held += size + _FOR_EACH - (former[1] if former else 0)
        while self.bytes_held > self._most:
            _, (_, forgotten) = self._kept.popitem(last=False)
            self.bytes_held -= forgotten


#: What keeping them takes besides, more or less.
_FOR_EACH = 600
