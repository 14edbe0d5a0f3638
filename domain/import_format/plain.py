"""The quick way for files: a chunk of text as a frame, typed as a whole where nothing in it is out of the ordinary.

Millions of rows are read so in a fraction of the time that a Python object per cell takes. It takes a chunk entirely or
not at all, and accepts nothing that `read_rows` would not read to the same values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from domain.import_format.rows import Chunk
from domain.import_format.tables import TableFormat


@dataclass(frozen=True)
class TextCells(Mapping[str, list[str]]):
    """A frame of text as a chunk's columns: lists of cells, made when asked for; null is the empty text."""

    frame: pl.DataFrame

    def __getitem__(self, name: str) -> list[str]:
        """The cells of a column."""
        try:
            cells = self.frame.get_column(name)
        except pl.exceptions.ColumnNotFoundError:
            raise KeyError(name) from None
        return cells.fill_null("").to_list()

    def __iter__(self) -> Iterator[str]:
        """The names of the columns."""
        return iter(self.frame.columns)

    def __len__(self) -> int:
        """How many columns there are."""
        return self.frame.width


def text_of(chunk: Chunk) -> pl.DataFrame | None:
    """The cells of a chunk that has nothing but `TextCells`; None of any other."""
    if not isinstance(chunk.columns, TextCells) or chunk.absent or chunk.problems or chunk.unreadable:
        return None
    return chunk.columns.frame


def read_plain(table: TableFormat, chunk: Chunk) -> pl.DataFrame | None:
    """The typed columns of a chunk of `TextCells` in which every row is good; None where `read_rows` has to look."""
    if (
        not isinstance(chunk.columns, TextCells)
        or chunk.absent
        or chunk.problems
        or chunk.unreadable
        or table.rules
    ):
        return None
    frame = chunk.columns.frame
    if not table.by_name.keys() >= set(frame.columns):
        return None
    typed = []
    for name in frame.columns:
        column = table.by_name[name]
        if column.required and frame[name].null_count():
            return None
        values = column.kind.read_plain(frame[name])
        if values is None:
            return None
        typed.append(values)
    return pl.DataFrame(typed)
