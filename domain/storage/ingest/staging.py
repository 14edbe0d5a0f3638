"""Rows on their way in: COPY into temporary tables, repeated and contradictory ones told apart.

`staged_<table>` holds every row of the data set as read: its columns, typed as in the table they go to, and

- line: where it stands; given: a bit per column present; fingerprint: equal for equal rows, null until it is needed
  where a chunk was read as a frame;
- fate: 0 to be merged, 1 rejected, 2 the repetition of another row.

`rejected` holds every bad line, `locked_debtor`, `touched_debtor` and `touched_day` what their names say. All go with
the transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import polars as pl
from sqlalchemy import Column as SqlColumn
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.import_format import (
    FORMAT,
    Chunk,
    Column,
    Rows,
    TableFormat,
    fingerprint,
    given_mask,
    read_plain,
    read_rows,
    text_of,
)
from domain.names import name_key
from domain.rejections import RejectCode
from domain.storage.ingest.key_order import KeyOrder
from domain.storage.ingest.targets import TARGETS
from domain.storage.ingest.temporary import SOME_ROWS, tell_planner
from domain.storage.rollups.changes import TOUCHED_DAY_COLUMNS

CANDIDATE, REJECTED, REPETITION = 0, 1, 2

#: From this many on they are joined by hashing whole tables, with memory for it: what the planner believes of those
#: that they go to may be from before a former import. Not where the largest of these is known to have far more rows:
#: looking up each costs less than reading all.
_MANY_ROWS, _FAR_MORE = 50_000, 20
_COMMUNICATIONS = "SELECT reltuples FROM pg_class WHERE oid = 'communication'::regclass"

_PLAN_FOR_MANY = (
    "SELECT set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true), "
    "set_config('work_mem', '128MB', true), set_config('plan_cache_mode', 'force_custom_plan', true)"
)
_WORKING_TABLES = {
    "rejected": "table_name text, line integer, column_name text, code text",
    "locked_debtor": 'id bigint, reference text COLLATE "C"',
    "touched_debtor": "debtor_id bigint PRIMARY KEY",
    "touched_day": TOUCHED_DAY_COLUMNS,
}
_REJECTED_COLUMNS = ("table_name", "line", "column_name", "code")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


@dataclass(frozen=True)
class Staged:
    """lines: table → how many lines came. repeated: tables in which some key came more than once. many: planned so."""

    lines: dict[str, int]
    repeated: frozenset[str]
    many: bool

    @property
    def tables(self) -> frozenset[str]:
        """The tables that came."""
        return frozenset(self.lines)


async def stage(connection: AsyncConnection, batches: Mapping[str, Iterable[Chunk]]) -> Staged:
    """Fill the temporary tables; leaves those that later steps fill, empty. Those of a merge before are dropped.

    Chunks are read one at a time, so memory holds one of them whatever the size of a table.
    """
    driver = await _driver(connection)
    await driver.execute(_create_tables(list(batches)))
    lines: dict[str, int] = {}
    may_repeat: dict[str, KeyOrder] = {}
    for name in FORMAT:
        if name in batches:
            order = KeyOrder(FORMAT[name])
            lines[name] = await _stage_table(connection, FORMAT[name], batches[name], order)
            if not order.ascending:
                may_repeat[name] = order
    most = max(lines.values(), default=0)
    many = most >= _MANY_ROWS and most * _FAR_MORE >= await _known_communications(connection)
    if many:
        await connection.execute(text(_PLAN_FOR_MANY))
    repeated = [
        name
        for name, count in lines.items()
        if count > 1
        and name in may_repeat
        and await _settle_repetitions(connection, FORMAT[name], may_repeat[name])
    ]
    return Staged(lines, frozenset(repeated), many)


async def _known_communications(connection: AsyncConnection) -> float:
    return float(await connection.scalar(text(_COMMUNICATIONS)) or 0)


async def plan_as_usual(connection: AsyncConnection, staged: Staged) -> None:
    """Give the planner its freedom back, where it was taken."""
    if staged.many:
        for setting in ("enable_nestloop", "enable_mergejoin", "plan_cache_mode"):
            await connection.execute(text(f"SET LOCAL {setting} TO DEFAULT"))


def _create_tables(names: list[str]) -> str:
    """All at once: a round trip is what a small merge pays for most."""
    created = _WORKING_TABLES | {f"staged_{name}": _staged_columns(FORMAT[name]) for name in names}
    made_later = [f"{step}_{name}" for step in ("repeated", "resolved") for name in names]
    former = ", ".join(f"pg_temp.{name}" for name in [*created, *made_later])
    creations = [f"CREATE TEMP TABLE {name} ({columns}) ON COMMIT DROP" for name, columns in created.items()]
    return ";".join([f"DROP TABLE IF EXISTS {former}", *creations])


def _staged_columns(table: TableFormat) -> str:
    columns = ", ".join(f"{column.name} {_sql_type(table, column)}" for column in table.columns)
    extra = ', name_key text COLLATE "C"' if table.name == "debtors" else ""
    return (
        f"fate smallint DEFAULT {CANDIDATE}, line integer, given bigint, {columns}{extra}, "
        "fingerprint bigint, attributes jsonb, cleared text[]"
    )


async def _stage_table(
    connection: AsyncConnection, table: TableFormat, chunks: Iterable[Chunk], order: KeyOrder
) -> int:
    count = 0
    for chunk in chunks:
        count += len(chunk.lines) + len(chunk.unreadable)
        came, plain = text_of(chunk), read_plain(table, chunk)
        if came is not None and plain is not None:
            order.follow_plain(plain)
            await _copy_plain(connection, table, chunk.lines, came, plain)
            continue
        rows = read_rows(table, chunk)
        order.follow(rows)
        await _copy_chunk(connection, table, chunk, rows)
    if count >= SOME_ROWS:
        await tell_planner(connection, f"staged_{table.name}")
    return count


def _sql_type(table: TableFormat, column: Column) -> str:
    """As in the table it goes to; a reference to a parent is text there compared with references."""
    target: SqlColumn[Any] | None = TARGETS[table.name].table.columns.get(column.name)
    if target is None:
        return 'text COLLATE "C"'
    return str(target.type.compile(dialect=_DIALECT))


async def _copy_chunk(connection: AsyncConnection, table: TableFormat, chunk: Chunk, rows: Rows) -> None:
    if rows.lines:
        fates = [CANDIDATE] * len(rows.lines)
        for row in rows.problems:
            fates[row] = REJECTED
        columns: dict[str, Iterable[Any]] = {
            "line": rows.lines,
            "given": rows.given,
            "fingerprint": rows.fingerprints,
            "fate": fates,
            **rows.columns,
            **_custom_attributes(rows),
        }
        if table.name == "debtors":
            columns["name_key"] = [name and name_key(name) for name in rows.columns["name"]]
        await _copy(connection, f"staged_{table.name}", columns)
    rejected = [
        (table.name, rows.lines[row], column, code.value) for row, (column, code) in rows.problems.items()
    ]
    rejected += [(table.name, record.line, "", record.code.value) for record in chunk.unreadable]
    if chunk.unreadable:
        await _copy(
            connection,
            f"staged_{table.name}",
            {
                "line": [record.line for record in chunk.unreadable],
                "fingerprint": map(fingerprint, chunk.unreadable),
                "fate": [REJECTED] * len(chunk.unreadable),
            },
        )
    if rejected:
        await _copy(
            connection, "rejected", dict(zip(_REJECTED_COLUMNS, zip(*rejected, strict=True), strict=True))
        )


async def _copy_plain(
    connection: AsyncConnection,
    table: TableFormat,
    lines: Sequence[int],
    came: pl.DataFrame,
    typed: pl.DataFrame,
) -> None:
    """Rows that are all good; as text, which a frame writes faster than asyncpg encodes a value per cell."""
    # PostgreSQL reads an instant that `read_plain` reads, and a frame takes long to write one
    instants = [name for name, kind in typed.schema.items() if isinstance(kind, pl.Datetime)]
    staged = typed.with_columns(
        *came.select(instants).get_columns(),
        pl.Series(lines, dtype=pl.Int32).alias("line"),
        pl.lit(given_mask(table, typed.columns)).alias("given"),
    )
    if table.name == "debtors":
        staged = staged.with_columns(name_key=pl.Series(list(map(name_key, typed["name"]))))
    text_of_rows = BytesIO()
    staged.write_csv(text_of_rows, include_header=False)
    text_of_rows.seek(0)
    driver = await _driver(connection)
    await driver.copy_to_table(
        f"staged_{table.name}", source=text_of_rows, columns=staged.columns, format="csv"
    )


def _custom_attributes(rows: Rows) -> dict[str, Iterable[Any]]:
    if not any(rows.attributes) and not any(rows.cleared):
        return {}
    return {"attributes": rows.attributes, "cleared": rows.cleared}


async def _copy(connection: AsyncConnection, table: str, columns: Mapping[str, Iterable[Any]]) -> None:
    driver = await _driver(connection)
    await driver.copy_records_to_table(
        table, records=zip(*columns.values(), strict=True), columns=list(columns)
    )


async def _driver(connection: AsyncConnection) -> Any:
    """asyncpg's own connection: it has COPY, and takes several statements at once."""
    return (await connection.get_raw_connection()).driver_connection


async def _settle_repetitions(connection: AsyncConnection, table: TableFormat, order: KeyOrder) -> bool:
    """Of equal rows of one key keep the first, of unequal ones none; whether there were any."""
    staged, keys = f"staged_{table.name}", ", ".join(table.key)
    same_key = " AND ".join(f"s.{key} = r.{key}" for key in table.key)
    if order.any_plain:  # those of Python, where a row has one, can't be compared with any made here
        values = ", ".join(["given", "attributes", "cleared", *(column.name for column in table.columns)])
        await connection.execute(
            text(
                f"UPDATE {staged} SET fingerprint = hash_record_extended(ROW({values}), 0) WHERE fate = {CANDIDATE}"
            )
        )
    found = await connection.execute(
        text(
            f"CREATE TEMP TABLE repeated_{table.name} ON COMMIT DROP AS "
            f"SELECT {keys}, min(line) AS first, min(fingerprint) <> max(fingerprint) AS differs FROM {staged} "
            f"WHERE {' AND '.join(f'{key} IS NOT NULL' for key in table.key)} GROUP BY {keys} HAVING count(*) > 1"
        )
    )
    if not found.rowcount:
        return False
    await connection.execute(
        text(
            f"INSERT INTO rejected SELECT '{table.name}', s.line, '{table.key[-1]}', '{RejectCode.CONFLICT.value}' "
            f"FROM {staged} s JOIN repeated_{table.name} r ON {same_key} WHERE r.differs AND s.fate = {CANDIDATE}"
        )
    )
    await connection.execute(
        text(
            f"UPDATE {staged} s SET fate = CASE WHEN r.differs THEN {REJECTED} ELSE {REPETITION} END "
            f"FROM repeated_{table.name} r WHERE {same_key} AND s.fate = {CANDIDATE} "
            f"AND (r.differs OR s.line <> r.first)"
        )
    )
    return True
