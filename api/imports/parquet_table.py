"""Parquet read in batches, its typed columns as the plain values the import format understands.

Where a batch holds nothing but text, instants and booleans, each where such belong, it becomes a frame of text, as
lines of CSV do: frames are read in a fraction of the time that an object per cell takes, and to the same values.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from api.imports.refusals import ImportRefused
from domain.import_format import FORMAT, Chunk, Column, TextCells

_BATCH = 50_000

_WORDS = (pl.String, pl.Categorical, pl.Enum)
_UNSUPPORTED = (pl.List, pl.Array, pl.Struct, pl.Binary, pl.Time, pl.Duration, pl.Object)
_DIGITS = 38  # of a decimal of 128 bits, the widest that can be read

#: Beyond these Python has no such date; a value there becomes the smallest one, which is out of every column's range.
_FIRST, _LAST = datetime(2, 1, 1), datetime(9999, 12, 31)  # noqa: DTZ001 - compared with the wall clock of UTC
#: The same in days of 1970, as Parquet has them: it holds some that no timestamp can.
_FIRST_DAY, _LAST_DAY = ((day - datetime(1970, 1, 1)).days for day in (_FIRST, _LAST))  # noqa: DTZ001 - no clock at all


class ParquetTable:
    """One table's Parquet file. size: in rows."""

    def __init__(self, path: Path) -> None:
        """Read the schema.

        Raises:
            ImportRefused: UNREADABLE_FILE, it is no Parquet file; UNSUPPORTED_TYPE, a column holds lists, bytes or so.
        """
        self.path = path
        self._frame = pl.scan_parquet(path, glob=False)
        try:
            schema = self._frame.collect_schema()
            self.size: int = self._frame.select(pl.len()).collect().item()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise ImportRefused("UNREADABLE_FILE", f"{path.name} can't be read as Parquet.") from error
        except pl.exceptions.PanicException as error:  # of offsets that are no whole hours, for one
            raise ImportRefused(
                "UNREADABLE_FILE",
                f"{path.name} can't be read as Parquet; if it has instants in a zone that is no IANA name, "
                "write them in UTC.",
            ) from error
        self.columns = schema.names()
        for name, kind in schema.items():
            holds = str(kind.base_type()) if isinstance(kind, _UNSUPPORTED) else None
            if isinstance(kind, pl.Decimal) and kind.precision > _DIGITS:
                holds = f"decimals of more than {_DIGITS} digits"
            if holds is not None:
                raise ImportRefused(
                    "UNSUPPORTED_TYPE",
                    f"The column {name!r} of {path.name} holds {holds}; "
                    "give text, numbers, booleans, dates or instants.",
                )

    def chunks(self) -> Iterator[tuple[int, Chunk]]:
        """(rows read so far, the rows read since) in the order of the file; the first row is line 2, as in CSV."""
        done = 0
        try:
            for frame in self._frame.collect_batches(chunk_size=_BATCH, maintain_order=True):
                lines = range(done + 2, done + 2 + frame.height)
                done += frame.height
                yield done, Chunk(lines, self._columns(frame))
        except pl.exceptions.PolarsError as error:
            raise ImportRefused(
                "UNREADABLE_FILE", f"{self.path.name} is damaged after row {done}. Nothing was imported."
            ) from error

    def _columns(self, frame: pl.DataFrame) -> Mapping[str, Sequence[Any]]:
        known = FORMAT[self.path.stem].by_name
        texts = []
        for column in frame.iter_columns():
            text = _text(column, known[column.name]) if column.name in known else None
            if text is None:
                return {column.name: _cells(column) for column in frame.iter_columns()}
            texts.append(text)
        return TextCells(pl.DataFrame(texts))


def _text(cells: pl.Series, column: Column) -> pl.Series | None:
    """The cells as text that reads to the same values, null where empty; None where there is none."""
    kind, wanted = cells.dtype, column.kind.python_type
    if isinstance(kind, _WORDS):
        return cells.cast(pl.String).replace("", None)
    if kind == pl.Boolean and wanted is bool:
        return cells.cast(pl.String)
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None and wanted is datetime:
        instants = _in_utc(cells, kind)
        if not _is_in_calendar(instants.dt.replace_time_zone(None)).all():
            return None
        instants = instants.dt.cast_time_unit("us")
        to_the_second = (instants.dt.microsecond() == 0).all()
        return instants.dt.to_string("%Y-%m-%dT%H:%M:%SZ" if to_the_second else "%Y-%m-%dT%H:%M:%S%.6fZ")
    return None


def _cells(column: pl.Series) -> list[Any]:
    """Plain values. A 32-bit float becomes the shortest decimal that reads back as it, as a 64-bit one does later."""
    kind = column.dtype
    if isinstance(kind, pl.Float32):
        return [None if cell is None else Decimal(cell) for cell in column.cast(pl.String).to_list()]
    if isinstance(kind, pl.Datetime):
        column = _in_utc(column, kind)
        zone = UTC if kind.time_zone is not None else None
        inside = _is_in_calendar(column.dt.replace_time_zone(None))
        return _within_calendar(column, inside, datetime(1, 1, 1, tzinfo=zone))
    if isinstance(kind, pl.Date):
        days = column.to_physical()
        return _within_calendar(column, days.is_between(_FIRST_DAY, _LAST_DAY) | days.is_null(), date.min)
    return column.to_list()


def _in_utc(column: pl.Series, kind: pl.Datetime) -> pl.Series:
    """Instants in UTC, wall clocks as they are, in units that reach beyond the calendar."""
    if kind.time_unit == "ns":
        column = column.dt.cast_time_unit("us")
    return column if kind.time_zone is None else column.dt.convert_time_zone("UTC")


def _within_calendar(column: pl.Series, inside: pl.Series, impossible: date) -> list[Any]:
    if inside.all():
        return column.to_list()
    kept = column.zip_with(inside, pl.Series([None], dtype=column.dtype)).to_list()
    return [cell if good else impossible for cell, good in zip(kept, inside, strict=True)]


def _is_in_calendar(wall_clock: pl.Series) -> pl.Series:
    return wall_clock.is_between(_FIRST, _LAST) | wall_clock.is_null()
