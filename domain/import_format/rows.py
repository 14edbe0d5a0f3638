"""From raw columns to typed rows: each cell read, each row held to its own rules, each given a fingerprint."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from domain.import_format.kinds import Kind, ReadColumn
from domain.import_format.tables import ATTRIBUTE_PREFIX, TableFormat
from domain.rejections import RejectCode

#: Longest text of a custom attribute, and the longest name of one.
_ATTRIBUTE_LIMIT, _ATTRIBUTE_NAME_LIMIT = 2000, 63

#: Numbers of custom attributes lie within 64 bits: JSON readers fail on larger integers, which large floats become.
_NUMBER_LIMIT = 2**63


@dataclass(frozen=True)
class Unreadable:
    """A record of which no row can be made. `text`: what tells it from another, kept nowhere."""

    line: int
    code: RejectCode
    text: str


@dataclass(frozen=True)
class Chunk:
    """Raw rows of one table, by column.

    lines: where each row stands (file line, or index in a mutation). columns: name → cells, as long as lines; text as
    read, or typed. absent: name → rows that do not have the column at all (their cells are None); a column not in
    `columns` is absent from every row. unreadable: records beside these rows. problems: of rows found bad before.
    attributes: each row's custom attributes by name, where they come by row; then no column is one.
    """

    lines: Sequence[int]
    columns: Mapping[str, Sequence[Any]]
    absent: Mapping[str, frozenset[int]] = field(default_factory=dict)
    unreadable: Sequence[Unreadable] = ()
    problems: Mapping[int, tuple[str, RejectCode]] = field(default_factory=dict)
    attributes: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Rows:
    """Typed rows, all lists as long as `lines`.

    columns: name → values, for every column of the format but those absent throughout. attributes: custom attributes
    as a JSON object without nulls; cleared: names of those given empty. given: bit n is set where column n of the
    format is present. fingerprints: equal where the rows are equal in every value, within one process. problems: row →
    its first problem (column, code); such a row's values may be None.
    """

    lines: Sequence[int]
    columns: dict[str, list[Any]]
    attributes: list[str | None]
    cleared: list[list[str] | None]
    given: list[int]
    fingerprints: list[int]
    problems: dict[int, tuple[str, RejectCode]]


def read_rows(table: TableFormat, chunk: Chunk) -> Rows:
    """The typed rows of a chunk. Columns must be known to the table (`x_` ones are)."""
    problems = dict(chunk.problems)
    columns: dict[str, list[Any]] = {}
    canonical: list[Sequence[Any]] = []
    for column in table.columns:
        if column.name not in chunk.columns:
            continue
        cells = chunk.columns[column.name]
        read = column.kind.read(cells)
        columns[column.name] = read.values
        canonical.append(_canonical(column.kind, read, cells))
        for row, code in read.problems.items():
            problems.setdefault(row, (column.name, code))
        if column.required and None in read.values:
            for row, value in enumerate(read.values):
                if value is None:
                    problems.setdefault(row, (column.name, RejectCode.MISSING))
    count = len(chunk.lines)
    attributes, cleared, bad_attributes = _read_attributes(chunk, problems)
    _apply_rules(table, columns, count, problems)
    given = _given(table, chunk)
    canonical.append(given)
    if _has_attributes(chunk):
        canonical += [attributes, list(map(str, cleared))]
    canonical += [
        [found.get(row) for row in range(count)] for found in (chunk.problems, bad_attributes) if found
    ]
    return Rows(
        chunk.lines,
        columns,
        attributes,
        cleared,
        given,
        list(map(hash, zip(*canonical, strict=True))),
        problems,
    )


def fingerprint(record: Unreadable) -> int:
    """Equal where two unreadable records are equal."""
    return hash((record.code, record.text))


def _canonical(kind: Kind, read: ReadColumn, cells: Sequence[Any]) -> Sequence[Any]:
    """What tells rows apart: the values, and the raw cells of bad ones."""
    values = read.values
    if kind.python_type is Decimal:  # Python hashes numbers alike that others may choose, -1 and -2 for two
        values = [None if value is None else _digits(value) for value in values]
    if not read.problems:
        return values
    values = list(values)
    for row in read.problems:
        values[row] = ("bad", str(cells[row]))
    return values


def _digits(number: Decimal) -> str:
    """The same text for equal numbers, another for any other."""
    text = format(number, "f") if number else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _apply_rules(
    table: TableFormat,
    columns: Mapping[str, list[Any]],
    count: int,
    problems: dict[int, tuple[str, RejectCode]],
) -> None:
    if not table.rules:
        return
    nothing = [None] * count
    complete = {column.name: columns.get(column.name, nothing) for column in table.columns}
    for rule in table.rules:
        for row, name, code in rule(complete):
            problems.setdefault(row, (name, code))


def given_mask(table: TableFormat, names: Collection[str]) -> int:
    """`Rows.given` of a row that has the columns of these names."""
    return sum(1 << bit for bit, column in enumerate(table.columns) if column.name in names)


def _given(table: TableFormat, chunk: Chunk) -> list[int]:
    given = [given_mask(table, chunk.columns.keys())] * len(chunk.lines)
    bits = {column.name: bit for bit, column in enumerate(table.columns)}
    for name, rows in chunk.absent.items():
        for row in rows if name in bits else ():
            given[row] &= ~(1 << bits[name])
    return given


def _read_attributes(
    chunk: Chunk, problems: dict[int, tuple[str, RejectCode]]
) -> tuple[list[str | None], list[list[str] | None], dict[int, str]]:
    """(JSON objects, names given empty, the raw cells of bad rows)."""
    bad_cells: dict[int, str] = {}
    count = len(chunk.lines)
    if not _has_attributes(chunk):
        return [None] * count, [None] * count, bad_cells
    attributes: list[str | None] = []
    cleared: list[list[str] | None] = []
    for row, present in enumerate(_present_attributes(chunk)):
        bad = next((name for name, cell in present if not _is_attribute(name, cell)), None)
        if bad is not None:
            bad_cells[row] = repr(present)
            problems.setdefault(row, (bad, RejectCode.INVALID_ATTRIBUTE))
        kept = {name: _json_value(cell) for name, cell in present if cell is not None and cell != ""}
        attributes.append(json.dumps(kept, ensure_ascii=False) if kept and bad is None else None)
        cleared.append([name for name, _ in present if name not in kept] or None)
    return attributes, cleared, bad_cells


def _has_attributes(chunk: Chunk) -> bool:
    return any(chunk.attributes or ()) or any(name.startswith(ATTRIBUTE_PREFIX) for name in chunk.columns)


def _present_attributes(chunk: Chunk) -> Iterator[list[tuple[str, Any]]]:
    """(name, cell) of the attributes that each row has, empty ones too, by name."""
    if chunk.attributes is not None:
        yield from (sorted(row.items(), key=itemgetter(0)) for row in chunk.attributes)
        return
    names = sorted(name for name in chunk.columns if name.startswith(ATTRIBUTE_PREFIX))
    for row, cells in enumerate(zip(*(chunk.columns[name] for name in names), strict=True)):
        yield [
            (name, cell)
            for name, cell in zip(names, cells, strict=True)
            if row not in chunk.absent.get(name, ())
        ]


def _is_attribute(name: str, cell: Any) -> bool:
    if not len(ATTRIBUTE_PREFIX) < len(name) <= _ATTRIBUTE_NAME_LIMIT or not name.isprintable():
        return False
    if isinstance(cell, str):
        return (
            len(cell) <= _ATTRIBUTE_LIMIT
            and "\0" not in cell
            and cell.encode(errors="ignore").decode() == cell
        )
    if isinstance(cell, Decimal):
        return not cell.is_nan() and abs(cell) < _NUMBER_LIMIT
    if isinstance(cell, int | float):
        return abs(cell) < _NUMBER_LIMIT  # NaN is not either
    return cell is None or isinstance(cell, date | datetime)


def _json_value(cell: Any) -> Any:
    """Text, numbers and booleans as they are; dates and instants as ISO 8601; decimals as the nearest number."""
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return float(cell) if isinstance(cell, Decimal) else cell
