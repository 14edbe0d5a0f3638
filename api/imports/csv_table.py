"""CSV read as it comes, bad parts and all, with true line numbers.

RFC 4180 in UTF-8 (a byte order mark is skipped). Lines end in LF or CRLF. A blank line is nothing. What can't be read
as a record of the header's width becomes an `Unreadable` at its line, and reading goes on with the next line.

There is a quick way for lines in order, which nearly all are, and an exact way for any; both read the same.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
import polars as pl

from api.imports.refusals import ImportRefused
from domain.import_format import Chunk, TextCells, Unreadable
from domain.rejections import RejectCode

#: Bytes read at a time, and then to the end of the line.
_BLOCK = 4_000_000

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: What the csv module says of a quote that is still open; any other complaint is about the record itself.
_OPEN_QUOTE = "unexpected end of data"


class CsvTable:
    """One table's CSV file. columns: its header. size: in bytes."""

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            OSError: the file can't be opened.
            ImportRefused: UNREADABLE_FILE, it has no header, or its header is no UTF-8 CSV.
        """
        self.path = path
        self.size = path.stat().st_size
        # newline="\n": lines as an editor counts them
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
            self.columns, self._first_line = _read_header(file, path.name)

    def chunks(self) -> Iterator[tuple[int, Chunk]]:
        """(bytes read so far, the rows read since) in the order of the file."""
        with self.path.open("rb") as file:
            for _ in islice(file, self._first_line - 1):
                pass
            line, pending, at_end = self._first_line, b"", False
            while not at_end:
                block = file.read(_BLOCK) + file.readline()
                at_end, block = not block, pending + block
                cells = _plain_cells(block, self.columns) if block else None
                if cells is not None:
                    numbers, pending, line = range(line, line + cells.height), b"", line + cells.height
                    yield self._progress(file), Chunk(numbers, TextCells(cells))
                    continue
                lines = _lines(block)
                records = _parse(lines, line, width=len(self.columns), at_end=at_end)
                pending = "".join(lines[records.consumed :]).encode(errors="surrogateescape")
                line += records.consumed
                if records.rows or records.unreadable:
                    yield self._progress(file), self._chunk(records)

    def _progress(self, file: BinaryIO) -> int:
        return min(file.tell(), self.size)

    def _chunk(self, records: "_Records") -> Chunk:
        width, unreadable = len(self.columns), records.unreadable
        lines, rows = records.lines, records.rows
        if set(map(len, rows)) - {width} or not _is_utf8(rows):
            lines, rows = [], []
            for line, row in zip(records.lines, records.rows, strict=True):
                code = _flaw(row, width)
                if code is not None:
                    unreadable.append(Unreadable(line, code, "\0".join(row)))
                elif row:
                    lines.append(line)
                    rows.append(row)
        cells: list[Sequence[str]] = list(zip(*rows, strict=True)) or [()] * width
        return Chunk(lines, dict(zip(self.columns, cells, strict=True)), unreadable=unreadable)


@dataclass(frozen=True)
class _Records:
    """rows, and the line each starts at; records that can't be read; how many physical lines all these took."""

    lines: list[int]
    rows: list[list[str]]
    unreadable: list[Unreadable]
    consumed: int


def _read_header(file: TextIO, name: str) -> tuple[list[str], int]:
    """The column names, and the line the first record may start at."""
    reader = csv.reader(file, strict=True)
    try:
        header = next((row for row in reader if row), None)
    except csv.Error as error:
        raise ImportRefused(
            "UNREADABLE_FILE",
            f"The header of {name} is no CSV: it breaks the rules of quotes (RFC 4180), holds a field over 128 kB, or "
            "ends in a lone CR instead of LF or CRLF.",
        ) from error
    if header is None:
        raise ImportRefused("UNREADABLE_FILE", f"{name} is empty. It needs at least a header row.")
    if not _is_utf8([header]) or any("\0" in cell for cell in header):  # NUL: UTF-16 or the like
        raise ImportRefused("UNREADABLE_FILE", f"{name} is not UTF-8. Save it as CSV UTF-8.")
    if len(header) == 1 and set(header[0]) & set(";\t|"):
        raise ImportRefused(
            "UNREADABLE_FILE", f"The columns of {name} are not separated by commas. Save it as CSV."
        )
    return header, reader.line_num + 1


def _parse(lines: list[str], first: int, *, width: int, at_end: bool) -> _Records:
    """The records in `lines`, of which the first is line `first` of the file.

    A record that goes on after `lines` is left, unless that is the end, or it is longer already than one of `width`
    cells can be. A malformed one costs its first line only.
    """
    at = 0
    records = _Records([], [], [], 0)
    while at < len(lines):
        rows: list[list[str]] = []
        reader = csv.reader(map(lines.__getitem__, range(at, len(lines))), strict=True)
        complaint = None
        try:
            rows.extend(reader)  # what was read before an error stays
        except csv.Error as error:
            complaint = str(error)
        starts = _starts(rows, at, consecutive=complaint is None and reader.line_num == len(rows))
        at = starts.pop()
        records.lines.extend(first + start for start in starts)
        records.rows.extend(rows)
        if complaint is None:
            break
        if (
            complaint == _OPEN_QUOTE
            and not at_end
            and sum(map(len, islice(lines, at, None))) <= width * _longest()
        ):
            break
        records.unreadable.append(Unreadable(first + at, RejectCode.MALFORMED_CSV, lines[at]))
        at += 1
    return _Records(records.lines, records.rows, records.unreadable, at)


def _longest() -> int:
    """Characters of the longest cell in quotes, each doubled, and the comma after it."""
    return 2 * csv.field_size_limit() + 3


def _lines(block: bytes) -> list[str]:
    """As an editor counts them; bytes that are no UTF-8 become half surrogates, which no text has."""
    return list(StringIO(block.decode(errors="surrogateescape"), newline="\n"))


def _plain_cells(block: bytes, names: list[str]) -> pl.DataFrame | None:
    """The cells by column where every line is a record and every comma parts two cells; else None."""
    width = len(names)
    if b"\r" in block and block.count(b"\r") == block.count(b"\r\n"):
        block = block.replace(b"\r\n", b"\n")
    if width == 1 or b"\r" in block or b"\0" in block or block.startswith(_BYTE_ORDER_MARK):
        return None
    if not block.endswith(b"\n"):
        block += b"\n"
    # a line with a comma too many is an error to polars (where the line is ended), so that none has one too few if the
    # sum is right
    of_bytes = np.frombuffer(block, np.uint8)
    commas, lines = (np.count_nonzero(of_bytes == ord(mark)) for mark in ",\n")
    if commas != lines * (width - 1):
        return None
    try:
        cells = pl.read_csv(block, has_header=False, new_columns=names, infer_schema=False, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    longest = cells.select(pl.max_horizontal(pl.all().str.len_bytes().max())).item()
    if (longest or 0) > csv.field_size_limit():
        return None
    return _without_quotes(cells) if b'"' in block else cells


def _without_quotes(cells: pl.DataFrame) -> pl.DataFrame | None:
    """The cells where each is in quotes or none, and has none within; else None: a quote goes on in the next cell."""
    text, quote = pl.all().str, '"'
    quotes = text.count_matches(quote, literal=True)
    around = text.starts_with(quote) & text.ends_with(quote) & (quotes == 2)
    if not cells.select(pl.all_horizontal(((quotes == 0) | around).all())).item():
        return None
    return cells.select(text.strip_chars(quote).replace("", None))


def _starts(rows: list[list[str]], at: int, *, consecutive: bool) -> list[int]:
    """Where each row starts when the first starts at `at`, and where the next one would."""
    if consecutive:
        return list(range(at, at + len(rows) + 1))
    starts = [at]
    for row in rows:
        at += 1 + sum(cell.count("\n") for cell in row)
        starts.append(at)
    return starts


def _flaw(row: list[str], width: int) -> RejectCode | None:
    """Why a record is no row; a blank line is no record."""
    if not row:
        return None
    if not _is_utf8([row]):
        return RejectCode.INVALID_UTF8
    return RejectCode.RAGGED_ROW if len(row) != width else None


def _is_utf8(rows: list[list[str]]) -> bool:
    try:
        "".join(map("".join, rows)).encode()
    except UnicodeEncodeError:
        return False
    return True
