"""JSON as SQL text, written as `orjson` and the API's scalars write it.

A value is `Parts`: constant text and SQL expressions of type text, in order. An expression that is null makes the
object around it null, which is never answered: what may be missing says so here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True)
class Constant:
    """Text that is the same in every answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Sql:
    """A SQL expression of type text."""

    text: str


Parts = tuple[Constant | Sql, ...]
NULL: Parts = (Constant("null"),)

#: In place of an object of which something is null against what is said here: no JSON has it. A null would be taken
#: for a row that is not there, or left out of a list.
FLAW = "\x01"


def literal(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def expression(parts: Iterable[Constant | Sql]) -> str:
    """The SQL expression of all parts, one after the other."""
    joined: list[Constant | Sql] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Constant) and isinstance(last, Constant):
            joined[-1] = Constant(last.text + part.text)
        else:
            joined.append(part)
    texts = (f"{literal(part.text)}::text" if isinstance(part, Constant) else part.text for part in joined)
    return f"({' || '.join(texts)})"


def members(pairs: Iterable[tuple[str, Parts]]) -> Parts:
    """An object of names (which need no escaping) and values."""
    parts: list[Constant | Sql] = [Constant("{")]
    for name, value in pairs:
        comma = "," if len(parts) > 1 else ""
        parts += [Constant(f'{comma}"{name}":'), *value]
    return (*parts, Constant("}"))


def row(parts: Iterable[Constant | Sql]) -> str:
    """The SQL expression of a row's object, never null."""
    return f"coalesce({expression(parts)}, E'\\x01')"


def or_null(sql: str) -> Parts:
    """A value that may be missing."""
    return (Sql(f"coalesce({sql}, 'null')"),)


def _quoted(sql: str, *, nullable: bool) -> Parts:
    """Text that needs no escaping."""
    if nullable:
        return or_null(f"'\"' || {sql} || '\"'")
    return Constant('"'), Sql(sql), Constant('"')


def text(sql: str, *, nullable: bool = False) -> Parts:
    """Any text, escaped."""
    escaped = f"to_json({sql})::text"
    return or_null(escaped) if nullable else (Sql(escaped),)


def word(sql: str, *, nullable: bool = False) -> Parts:
    """A word of an enumeration."""
    return _quoted(sql, nullable=nullable)


def integer(sql: str) -> Parts:
    """A whole number."""
    return (Sql(f"({sql})::text"),)


def decimal(sql: str) -> Parts:
    """An exact decimal, as a string."""
    return _quoted(f"({sql})::text", nullable=False)


def day(sql: str, *, nullable: bool = False) -> Parts:
    """A calendar day."""
    return _quoted(_day(sql), nullable=nullable)


def _day(sql: str) -> str:
    return f"to_char({sql}, 'YYYY-MM-DD')"


def instant(sql: str, *, nullable: bool = False) -> Parts:
    """An instant in UTC: six digits of a second's fraction, or none when it is whole."""
    written = f"to_char(({sql}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
    return _quoted(f"replace({written}, '.000000', '') || 'Z'", nullable=nullable)


def global_id(kind: str, sql: str) -> Parts:
    """The global id of a row (`api.graphql.ids`)."""
    return _quoted(f"encode(convert_to('{kind}:' || ({sql})::text, 'UTF8'), 'base64')", nullable=False)


def cursor(prefix: str, values: Sequence[tuple[str, ColumnElement[Any]]]) -> str:
    """SQL of a position's cursor (`api.graphql.cursors`). values: SQL of each sort value, and the column it is of."""
    packed = " || ',' || ".join(f"coalesce({_packed(sql, column)}, 'null')" for sql, column in values)
    encoded = f"encode(convert_to({prefix} || ',' || {packed} || ']', 'UTF8'), 'base64')"
    return f"rtrim(translate({encoded}, E'+/\\n', '-_'), '=')"


def _packed(sql: str, column: ColumnElement[Any]) -> str:
    kind = column.type.python_type
    if kind is datetime:
        return f"(extract(epoch FROM {sql}) * 1000000)::bigint::text"
    if kind is date:
        return f"'\"' || {_day(sql)} || '\"'"
    return f"({sql})::text" if kind is int else f"to_json({sql})::text"


def listed(items: str, *, only: str = "") -> str:
    """An aggregate that makes a JSON array of rows' texts, in the order in which a sorted subquery gives the rows."""
    condition = f" FILTER (WHERE {only})" if only else ""
    return f"'[' || coalesce(string_agg({items}, ','){condition}, '') || ']'"
