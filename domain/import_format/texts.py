"""Columns of text: free, from a closed list, or told by a shape."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, ClassVar

import polars as pl

from domain.import_format.kinds import BadCell, Kind, ReadColumn
from domain.rejections import RejectCode
from domain.time_zones import time_zones

_PLAIN = "^[!-~][ -~]*$"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Text(Kind):
    """Text of at most `limit` characters; a `reference` (any key, and an address) holds no control characters."""

    limit: int
    reference: bool = False
    python_type: ClassVar[type] = str

    @property
    def expected(self) -> str:
        """A bounded text."""
        return f"text of at most {self.limit:,} characters"

    def read(self, cells: Sequence[Any]) -> ReadColumn:
        """As a whole where it is all clean text, which is nearly always."""
        if not set(map(type, cells)) <= {str, NoneType}:
            return self.read_each(cells)
        values = [cell or None for cell in cells] if "" in cells else list(cells)
        if self._is_clean([value for value in values if value is not None] if None in values else values):
            return ReadColumn(values)
        return self.read_each(cells)

    def read_plain(self, cells: pl.Series) -> pl.Series | None:
        """Where all is printable ASCII that does not begin with a blank."""
        plain = cells.str.contains(_PLAIN).all() and (cells.str.len_bytes() <= self.limit).all()
        return cells if plain else None

    def _is_clean(self, texts: Sequence[Any]) -> bool:
        return (
            max(map(len, texts), default=0) <= self.limit
            and "".join(texts).isprintable()
            and not any(map(str.isspace, texts))
        )

    def read_cell(self, cell: Any) -> str | None:
        """Numbers become text: a reference may come as a typed integer. Nothing but blanks is nothing."""
        if isinstance(cell, int) and not isinstance(cell, bool):
            cell = str(cell)
        if not isinstance(cell, str) or "\0" in cell:
            raise BadCell(RejectCode.INVALID_TEXT)
        try:
            cell.encode()
        except UnicodeEncodeError:
            raise BadCell(RejectCode.INVALID_TEXT) from None
        if len(cell) > self.limit:
            raise BadCell(RejectCode.TOO_LONG)
        if self.reference and _CONTROL.search(cell):
            raise BadCell(RejectCode.INVALID_REFERENCE)
        return None if cell.isspace() else str(cell)


@dataclass(frozen=True)
class Word(Kind):
    """One of a closed list, spelled exactly so; a long list goes by a name."""

    words: Collection[str]
    code: RejectCode = RejectCode.UNKNOWN_WORD
    list_name: str | None = None
    python_type: ClassVar[type] = str

    @property
    def expected(self) -> str:
        """The words themselves, or what their list is called."""
        return self.list_name or f"one of {', '.join(self.words)}"

    def read_plain(self, cells: pl.Series) -> pl.Series | None:
        """Where all are such words."""
        return cells if bool(cells.is_in(list(self.words)).all()) else None

    def read_cell(self, cell: Any) -> str:
        """The word as plain text (members of an enum are one of these words too)."""
        if not isinstance(cell, str) or cell not in self.words:
            raise BadCell(self.code)
        return str(cell)


@dataclass(frozen=True)
class Shaped(Kind):
    """A code that is told by its shape."""

    pattern: str
    code: RejectCode
    expected_text: str
    python_type: ClassVar[type] = str

    @property
    def expected(self) -> str:
        """As declared."""
        return self.expected_text

    def read_cell(self, cell: Any) -> str:
        """The text when it has the shape."""
        if not isinstance(cell, str) or not re.fullmatch(self.pattern, cell):
            raise BadCell(self.code)
        return str(cell)


@dataclass(frozen=True)
class Zone(Kind):
    """An IANA time zone."""

    python_type: ClassVar[type] = str

    @property
    def expected(self) -> str:
        """An example."""
        return "an IANA time zone, such as Europe/Madrid"

    def read_cell(self, cell: Any) -> str:
        """The zone's name; spelled exactly so."""
        if not isinstance(cell, str) or cell not in time_zones():
            raise BadCell(RejectCode.UNKNOWN_TIME_ZONE)
        return str(cell)


@dataclass(frozen=True)
class Truth(Kind):
    """true or false, in capitals or not; empty is false."""

    python_type: ClassVar[type] = bool

    @property
    def expected(self) -> str:
        """The two words."""
        return "true or false"

    def read(self, cells: Sequence[Any]) -> ReadColumn:
        """Empty means false."""
        column = super().read(cells)
        values = [value or False for value in column.values] if None in column.values else column.values
        return ReadColumn(values, column.problems)

    def read_plain(self, cells: pl.Series) -> pl.Series | None:
        """Where all are in small letters, or empty."""
        return (
            (cells == "true").fill_null(value=False) if bool(cells.is_in(["true", "false"]).all()) else None
        )

    def read_cell(self, cell: Any) -> bool:
        """The boolean."""
        if isinstance(cell, bool):
            return cell
        word = cell.lower() if isinstance(cell, str) else None
        if word not in ("true", "false"):
            raise BadCell(RejectCode.NOT_A_BOOLEAN)
        return word == "true"
