"""Rows that last, together with what was made of them."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, TypeVar, overload

from domain.latest import Latest

Row = TypeVar("Row")


class Lasting(Sequence[Row], Generic[Row]):
    """Rows that stay as they are, so that what is made of them lasts as long as they do.

    Of the latest few kinds alone: whoever asks in ever new ways takes no more memory for it.
    """

    _MOST = 2

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._made: Latest[Hashable, bytes] = Latest(self._MOST)

    def made(self, kind: Hashable, make: Callable[[], bytes]) -> bytes:
        """What `make` makes of these rows, once per kind."""
        return self._made.get_or_make(kind, make)

    @property
    def bytes_made(self) -> int:
        """How much of what was made is kept."""
        return sum(map(len, self._made.values()))

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> Row: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...

    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        return self.rows[at]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)
