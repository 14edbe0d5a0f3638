"""Rows on their way in: COPY into temporary tables, repeated and contradictory ones told apart.

`staged_<table>` holds every row of the data set as read: its columns, typed as in the table they go to, and

- line: where it stands; given: a bit per column present; fingerprint: equal for equal rows;
- fate: 0 to be merged, 1 rejected, 2 the repetition of another row.

`rejected` holds every bad line. Both go with the transaction.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Column as SqlColumn
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.import_format import FORMAT, Chunk, Column, Rows, TableFormat, fingerprint, read_rows
from domain.names import name_key
from domain.rejections import RejectCode
from domain.storage.ingest.targets import TARGETS

CANDIDATE, REJECTED, REPETITION = 0, 1, 2

#: From this many rows on the planner is told about them, and sorts get more memory.
MANY_ROWS = 5_000

_REJECTED_COLUMNS = ("table_name", "line", "column_name", "code")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


async def stage(connection: AsyncConnection, batches: Mapping[str, Iterable[Chunk]]) -> dict[str, int]:
    """Fill the temporary tables; answer how many lines each table has.

    Chunks are read one at a time, so memory holds one of them whatever the size of a table.
    """
    await connection.execute(
        text(
            "CREATE TEMP TABLE rejected (table_name text, line integer, column_name text, code text) ON COMMIT DROP"
        )
    )
    counts = {}
    for name, table in FORMAT.items():
        if name in batches:
            counts[name] = await _stage_table(connection, table, batches[name])
    if sum(counts.values()) >= MANY_ROWS:
        await connection.execute(text("SET LOCAL work_mem = '128MB'"))
    for name in counts:
        await _settle_repetitions(connection, FORMAT[name])
    return counts


async def _stage_table(connection: AsyncConnection, table: TableFormat, chunks: Iterable[Chunk]) -> int:
    columns = ", ".join(f"{column.name} {_sql_type(table, column)}" for column in table.columns)
    extra = ', name_key text COLLATE "C"' if table.name == "debtors" else ""
    await connection.execute(
        text(
            f"CREATE TEMP TABLE staged_{table.name} (line integer, given bigint, fingerprint bigint, fate smallint, "
            f"attributes jsonb, cleared text[], {columns}{extra}) ON COMMIT DROP"
        )
    )
    count = 0
    for chunk in chunks:
        count += len(chunk.lines) + len(chunk.unreadable)
        await _copy_chunk(connection, table, chunk)
    if count >= MANY_ROWS:
        await connection.execute(text(f"ANALYZE staged_{table.name}"))
    return count


def _sql_type(table: TableFormat, column: Column) -> str:
    """As in the table it goes to; a reference to a parent is text there compared with references."""
    target: SqlColumn[Any] | None = TARGETS[table.name].table.columns.get(column.name)
    if target is None:
        return 'text COLLATE "C"'
    return str(target.type.compile(dialect=_DIALECT))


async def _copy_chunk(connection: AsyncConnection, table: TableFormat, chunk: Chunk) -> None:
    rows = read_rows(table, chunk)
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


def _custom_attributes(rows: Rows) -> dict[str, Iterable[Any]]:
    if not any(rows.attributes) and not any(rows.cleared):
        return {}
    return {"attributes": rows.attributes, "cleared": rows.cleared}


async def _copy(connection: AsyncConnection, table: str, columns: Mapping[str, Iterable[Any]]) -> None:
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    await driver.copy_records_to_table(
        table, records=zip(*columns.values(), strict=True), columns=list(columns)
    )


async def _settle_repetitions(connection: AsyncConnection, table: TableFormat) -> None:
    """Of equal rows of one key keep the first; of unequal ones none."""
    staged, keys = f"staged_{table.name}", ", ".join(table.key)
    same_key = " AND ".join(f"s.{key} = r.{key}" for key in table.key)
    found = await connection.execute(
        text(
            f"CREATE TEMP TABLE repeated_{table.name} ON COMMIT DROP AS "
            f"SELECT {keys}, min(line) AS first, min(fingerprint) <> max(fingerprint) AS differs FROM {staged} "
            f"WHERE {' AND '.join(f'{key} IS NOT NULL' for key in table.key)} GROUP BY {keys} HAVING count(*) > 1"
        )
    )
    if not found.rowcount:
        return
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
