"""The one way facts get in: a data set and a single mutation alike.

Stage → tell repetitions apart → lock the debtors concerned → write parents before children → derive.
Any order, repetition or parents-first split of the same facts leaves the same tables, surrogate ids apart.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.import_format import FORMAT, Chunk
from domain.rejections import RejectCode, sentence
from domain.storage.derived import derive
from domain.storage.ingest.consequences import follow_parents, touch
from domain.storage.ingest.events import record_events
from domain.storage.ingest.locks import lock_debtors, touched_unlocked
from domain.storage.ingest.report import MergeReport, Progress, Rejection, TableReport
from domain.storage.ingest.staging import REPETITION, stage
from domain.storage.ingest.upserts import Interleaved, upsert

#: How often a merge looks again when other writers keep changing what it looked at.
_ATTEMPTS = 8


class IngestContention(Exception):
    """Other writers kept inserting or moving the same rows; nothing was changed."""

    code = "INGEST_CONTENTION"


async def merge(
    connection: AsyncConnection,
    tenant_id: int,
    batches: Mapping[str, Iterable[Chunk]],
    *,
    now: datetime,
    strict: bool = False,
    progress: Progress | None = None,
    on_rejection: Callable[[Rejection], None] | None = None,
) -> MergeReport:
    """Merge rows (import table name → chunks) in the connection's transaction, which the caller commits.

    strict: one bad row undoes everything. on_rejection: told every bad line, table by table in the order of lines.

    Raises:
        IngestContention: other writers would not let it finish; safe to send again.
    """
    lines = await stage(connection, batches)
    staged = frozenset(lines)
    accepted = await _write(connection, tenant_id, staged, progress)
    await _reject_repetitions(connection, staged)
    report = MergeReport(
        {name: await _count(connection, name, lines[name], accepted[name]) for name in lines}
    )
    if on_rejection is not None and report.rejected:
        await _tell(connection, on_rejection)
    if strict and report.rejected:
        await connection.execute(text("ROLLBACK TO SAVEPOINT merged"))
        return MergeReport(report.tables, applied=False)
    merged = frozenset(name for name, count in accepted.items() if count)
    if merged:
        if progress:
            progress("derive", 0, 1)
        await derive(connection, tenant_id, merged=merged, now=now)
        if progress:
            progress("derive", 1, 1)
    return report


async def _write(
    connection: AsyncConnection, tenant_id: int, staged: frozenset[str], progress: Progress | None
) -> dict[str, int]:
    """Lock and write everything; answer how many rows of each table are new or changed. Leaves a savepoint `merged`."""
    for _ in range(_ATTEMPTS):
        await connection.execute(text("SAVEPOINT merged"))
        try:
            await lock_debtors(connection, tenant_id, staged)
            accepted = {}
            for done, name in enumerate(table for table in FORMAT if table in staged):
                if progress:
                    progress("merge", done, len(staged))
                accepted[name] = await _write_table(connection, tenant_id, name, staged)
            if not await touched_unlocked(connection):
                return accepted
        except Interleaved:
            pass
        await connection.execute(text("ROLLBACK TO SAVEPOINT merged"))
    raise IngestContention("Other writers kept changing the same rows. Nothing was changed; send it again.")


async def _write_table(connection: AsyncConnection, tenant_id: int, name: str, staged: frozenset[str]) -> int:
    if name == "events":
        count = await record_events(connection, tenant_id)
    else:
        count = await upsert(connection, tenant_id, name, staged)
    if count:
        await follow_parents(connection, tenant_id, name)
        await touch(connection, tenant_id, name)
    return count


async def _reject_repetitions(connection: AsyncConnection, staged: frozenset[str]) -> None:
    """A repetition of a rejected row is a bad line as well."""
    for name in staged:
        same_key = " AND ".join(f"again.{key} = s.{key}" for key in FORMAT[name].key)
        await connection.execute(
            text(
                f"INSERT INTO rejected SELECT '{name}', again.line, r.column_name, r.code FROM rejected r "
                f"JOIN staged_{name} s ON s.line = r.line JOIN staged_{name} again ON {same_key} "
                f"WHERE r.table_name = '{name}' AND again.fate = {REPETITION} AND s.fate <> {REPETITION}"
            )
        )


async def _count(connection: AsyncConnection, name: str, lines: int, accepted: int) -> TableReport:
    found = (
        await connection.execute(
            text(
                f"SELECT count(*) AS lines, count(DISTINCT s.fingerprint) AS rows FROM rejected r "
                f"JOIN staged_{name} s ON s.line = r.line WHERE r.table_name = '{name}'"
            )
        )
    ).one()
    return TableReport(lines, accepted, lines - accepted - found.lines, found.rows)


async def _tell(connection: AsyncConnection, on_rejection: Callable[[Rejection], None]) -> None:
    rows = await connection.stream(
        text("SELECT table_name, line, column_name, code FROM rejected ORDER BY table_name, line")
    )
    async for table, line, column, word in rows:
        code = RejectCode(word)
        known = FORMAT[table].by_name.get(column)
        expected = known.kind.expected if known else "a value"
        on_rejection(Rejection(table, line, column, code, sentence(code, column=column, expected=expected)))
