"""Rows kept column by column: made one by one only where somebody asks for a row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

Row = TypeVar("Row")


class Columns(Sequence[Row], Generic[Row]):
    """`size` rows, each `make` of its values by field; a field's values are a sequence, in the order of rows."""

    def __init__(
        self, make: Callable[..., Row], size: int, columns: Mapping[str, "Sequence[Any] | Columns[Any]"]
    ) -> None:
        self._make = make
        self._size = size
        self._columns = columns

    def column(self, field: str) -> "Sequence[Any] | Columns[Any] | None":
        """The values of a field that rows are made of; None: it is not kept as a column."""
        return self._columns.get(field)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, at: int) -> Row: ...

    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...

    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        if isinstance(at, slice):
            return [self[each] for each in range(self._size)[at]]
        place = range(self._size)[at]
        return self._make(**{field: column[place] for field, column in self._columns.items()})
