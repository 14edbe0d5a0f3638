"""What a column of the import format may hold: one kind each, that reads a whole column at a time.

A kind takes what files and the API hand over (text, or values already typed) and answers typed values, None where a
cell is empty or bad, with a code for each bad cell. Each has a quick way for a column in order and an exact way,
cell by cell, for one that is not; both accept the same. Some have a third way for a frame's column of text, which takes
it only as a whole and only where nothing in it is out of the ordinary.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, ClassVar

import polars as pl

from domain.rejections import RejectCode


class BadCell(Exception):
    """One cell is not what its column holds."""

    def __init__(self, code: RejectCode) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class ReadColumn:
    """values: typed, None where empty or bad; problems: position of each bad cell → its code."""

    values: list[Any]
    problems: dict[int, RejectCode] = field(default_factory=dict)


class _Memo(dict[Any, Any]):
    """Each distinct text read once; a bad one answers its BadCell."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        super().__init__({"": None, None: None})
        self._read = read
        self.any_bad = False

    def __missing__(self, cell: Any) -> Any:
        value: Any
        try:
            value = self._read(cell)
        except BadCell as bad:
            self.any_bad, value = True, bad
        self[cell] = value
        return value


class Kind(ABC):
    """A kind of column. `python_type` is the type of its values; `expected` completes "give …" in a reason."""

    python_type: ClassVar[type]

    @property
    @abstractmethod
    def expected(self) -> str:
        """What to give, for people."""

    @abstractmethod
    def read_cell(self, cell: Any) -> Any:
        """The typed value of one cell that is neither None nor "".

        Raises:
            BadCell: it is not what the column holds.
        """

    def read(self, cells: Sequence[Any]) -> ReadColumn:
        """The typed values of a column."""
        if set(map(type, cells)) <= {
            str,
            NoneType,
        }:  # equal texts are one key; 1, True and 1.0 would be one as well
            memo = _Memo(self.read_cell)
            values = list(map(memo.__getitem__, cells))
            if not memo.any_bad:
                return ReadColumn(values)
            return _without_bad(values)
        return self.read_each(cells)

    def read_plain(self, cells: pl.Series) -> pl.Series | None:  # noqa: ARG002 - kinds that have no such way
        """The typed values of a column of text without empty texts; None where the other ways must look, or always."""
        return None

    def read_each(self, cells: Sequence[Any]) -> ReadColumn:
        """The exact way: cell by cell."""
        return _without_bad([self._value_or_bad(cell) for cell in cells])

    def _value_or_bad(self, cell: Any) -> Any:
        if cell is None or cell == "":
            return None
        try:
            return self.read_cell(cell)
        except BadCell as bad:
            return bad


def _without_bad(values: list[Any]) -> ReadColumn:
    problems = {at: value.code for at, value in enumerate(values) if value.__class__ is BadCell}
    for at in problems:
        values[at] = None
    return ReadColumn(values, problems)
