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
from domain.storage.derived import SegmentsHeld, derive, own_segments
from domain.storage.ingest.consequences import follow_parents, touch
from domain.storage.ingest.events import record_events
from domain.storage.ingest.locks import lock_debtors, touched_unlocked, wait_for_turn
from domain.storage.ingest.report import MergeReport, Progress, Rejection, TableReport
from domain.storage.ingest.staging import REPETITION, Staged, plan_as_usual, stage
from domain.storage.ingest.touched_days import touch_days
from domain.storage.ingest.upserts import Interleaved, upsert

#: How often a merge looks again when other writers keep changing what it looked at, and from when on those whom that
#: befalls take turns: each is then held up by newcomers alone. Of sixteen who keep inventing the same rows, one merge
#: in a thousand needs nine or more; whoever is refused sends the same again, which costs no less than to go on.
_ATTEMPTS, _IN_TURN_FROM = 30, 2

_TOLD_AT_ONCE = 20_000
_TELL = f"""
    SELECT table_name, line, column_name, code FROM rejected
    WHERE (table_name, line) > (CAST(:table AS text), CAST(:line AS integer))
    ORDER BY table_name, line LIMIT {_TOLD_AT_ONCE}
"""


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
    staged = await stage(connection, batches)
    report = await _merge(connection, tenant_id, staged, now=now, strict=strict, progress=progress)
    if on_rejection is not None and report.rejected:
        await _tell(connection, on_rejection)
    if not report.applied:
        await connection.execute(text("ROLLBACK TO SAVEPOINT merged"))
    return report


async def _merge(
    connection: AsyncConnection,
    tenant_id: int,
    staged: Staged,
    *,
    now: datetime,
    strict: bool,
    progress: Progress | None,
) -> MergeReport:
    """Lock, write and derive everything. Where the report is not applied, the savepoint `merged` is to go back to."""
    others: set[int] = set()
    for attempt in range(1, _ATTEMPTS + 1):
        await connection.execute(text("SAVEPOINT merged"))
        waits_for_rules = False
        try:
            await lock_debtors(connection, tenant_id, staged.tables, others)
            report = await _write(connection, tenant_id, staged, progress)
            unlocked = await touched_unlocked(connection)
            if not unlocked:
                if strict and report.rejected:
                    return MergeReport(report.tables, applied=False)
                await _derive(connection, tenant_id, staged, report, now=now, progress=progress)
                return report
            others.update(unlocked)
        except Interleaved:
            pass
        except SegmentsHeld:
            waits_for_rules = True
        await connection.execute(text("ROLLBACK TO SAVEPOINT merged"))
        # Only now that nobody can wait for what this merge has locked; the turn first, for all who need both.
        if attempt >= _IN_TURN_FROM or waits_for_rules:
            await wait_for_turn(connection, tenant_id)
        if waits_for_rules:
            await own_segments(connection, tenant_id)
    raise IngestContention(
        "Other writers kept changing the same rows. None of them was written; send them again."
    )


async def _write(
    connection: AsyncConnection, tenant_id: int, staged: Staged, progress: Progress | None
) -> MergeReport:
    """Write every table, parents first."""
    accepted = {}
    for done, name in enumerate(table for table in FORMAT if table in staged.tables):
        if progress:
            progress("merge", done, len(staged.tables))
        accepted[name] = await _write_table(connection, tenant_id, name, staged)
    return MergeReport(
        {name: await _count(connection, staged, name, accepted[name]) for name in staged.lines}
    )


async def _derive(
    connection: AsyncConnection,
    tenant_id: int,
    staged: Staged,
    report: MergeReport,
    *,
    now: datetime,
    progress: Progress | None,
) -> None:
    merged = frozenset(name for name, table in report.tables.items() if table.accepted)
    if not merged:
        return
    if progress:
        progress("derive", 0, 1)
    await plan_as_usual(connection, staged)
    await derive(connection, tenant_id, merged=merged, now=now, may_wait=True)
    if progress:
        progress("derive", 1, 1)


async def _write_table(connection: AsyncConnection, tenant_id: int, name: str, staged: Staged) -> int:
    if name == "events":
        count = await record_events(connection, tenant_id, many=staged.many)
    else:
        count = await upsert(connection, tenant_id, name, staged.tables)
    if count:
        await follow_parents(connection, tenant_id, name)
        await touch(connection, tenant_id, name)
        await touch_days(connection, tenant_id, name)
    return count


async def _count(connection: AsyncConnection, staged: Staged, name: str, accepted: int) -> TableReport:
    """The table's report, once the repetitions of refused rows are listed as well: they are bad lines too."""
    lines, of_table = staged.lines[name], {"name": name}
    if name in staged.repeated:
        same_key = " AND ".join(f"again.{key} = r.{key}" for key in FORMAT[name].key)
        await connection.execute(
            text(
                "INSERT INTO rejected SELECT bad.table_name, again.line, bad.column_name, bad.code "
                f"FROM repeated_{name} r JOIN rejected bad ON bad.table_name = :name AND bad.line = r.first "
                f"JOIN staged_{name} again ON {same_key} AND again.fate = {REPETITION} WHERE NOT r.differs"
            ),
            of_table,
        )
    found = (
        await connection.execute(
            text(
                "SELECT count(*) AS lines, count(DISTINCT COALESCE(s.fingerprint, s.line)) AS rows FROM rejected r "
                f"JOIN staged_{name} s ON s.line = r.line WHERE r.table_name = :name"
            ),
            of_table,
        )
    ).one()
    return TableReport(lines, accepted, lines - accepted - found.lines, found.rows)


async def _tell(connection: AsyncConnection, on_rejection: Callable[[Rejection], None]) -> None:
    """Page by page: all bad lines need not fit into memory, and a cursor would keep `rejected` from being dropped."""
    last, page = ("", -1), _TOLD_AT_ONCE
    while page == _TOLD_AT_ONCE:
        page = 0
        for table, line, column, word in await connection.execute(
            text(_TELL), {"table": last[0], "line": last[1]}
        ):
            code = RejectCode(word)
            known = FORMAT[table].by_name.get(column)
            expected = known.kind.expected if known else "a value"
            reason = sentence(code, column=column, expected=expected)
            on_rejection(Rejection(table, line, column, code, reason))
            last, page = (table, line), page + 1
