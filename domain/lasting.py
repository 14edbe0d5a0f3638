"""Rows that last, together with what was made of them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

Row = TypeVar("Row")


class Lasting(tuple[Row, ...], Generic[Row]):
    """Rows that stay as they are, so that what is made of them lasts as long as they do.

    Of the latest few kinds alone: whoever asks in ever new ways takes no more memory for it.
    """

    _MOST = 2
    _made: OrderedDict[Hashable, bytes]

    def __new__(cls, rows: Iterable[Row] = ()) -> "Lasting[Row]":
        """Of the rows given, in their order."""
        found = super().__new__(cls, rows)
        found._made = OrderedDict()
        return found

    def made(self, kind: Hashable, make: Callable[[], bytes]) -> bytes:
        """What `make` makes of these rows, once per kind."""
        if kind not in self._made:
            self._made[kind] = make()
            while len(self._made) > self._MOST:
                self._made.popitem(last=False)
        self._made.move_to_end(kind)
        return self._made[kind]
