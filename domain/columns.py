"""Rows kept column by column: made one by one only where somebody asks for a row.

A column is any sequence; `Numbers` and `Words` are such that take no object per row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

Row = TypeVar("Row")
Value = TypeVar("Value")


class _Kept(Sequence[Value], Generic[Value]):
    """`size` values, each of them told by `_value`."""

    def __init__(self, size: int) -> None:
        self._size = size

    def _value(self, place: int) -> Value:
        raise NotImplementedError

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, at: int) -> Value: ...

    @overload
    def __getitem__(self, at: slice) -> list[Value]: ...

    def __getitem__(self, at: int | slice) -> Value | list[Value]:
        places = range(self._size)[at]
        return self._value(places) if isinstance(places, int) else [self._value(each) for each in places]

    def __iter__(self) -> Iterator[Value]:
        return map(self._value, range(self._size))


class Numbers(_Kept[int | float | None]):
    """Whole numbers or fractions in a buffer of 64 bits each; a fraction that is not a number stands for None."""

    def __init__(self, buffer: memoryview) -> None:
        super().__init__(len(buffer))
        self.buffer = buffer
        self.are_whole = buffer.format != "d"

    def _value(self, place: int) -> int | float | None:
        number: int | float = self.buffer[place]
        return number if number == number else None  # noqa: PLR0124 no number equals what is none


class Words(_Kept[Value]):
    """Values of which few are different: row i holds words[codes[i]]. codes: whole numbers in a buffer."""

    def __init__(self, words: Sequence[Value], codes: memoryview) -> None:
        super().__init__(len(codes))
        self.words = words
        self.codes = codes

    def _value(self, place: int) -> Value:
        return self.words[self.codes[place]]


def repeated(value: Value, size: int) -> Words[Value]:
    """The same value in each of `size` rows."""
    return Words((value,), memoryview(bytes(size)))


class Columns(_Kept[Row]):
    """`size` rows, each `make` of its values by field; a field's values are a sequence, in the order of rows."""

    def __init__(
        self, make: Callable[..., Row], size: int, columns: Mapping[str, "Sequence[Any] | Columns[Any]"]
    ) -> None:
        super().__init__(size)
        self._make = make
        self._columns = columns

    def column(self, field: str) -> "Sequence[Any] | Columns[Any] | None":
        """The values of a field that rows are made of; None: it is not kept as a column."""
        return self._columns.get(field)

    def _value(self, place: int) -> Row:
        return self._make(**{field: column[place] for field, column in self._columns.items()})
