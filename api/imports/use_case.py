"""Importing a data set: read its folder, merge it, list what was refused.

All is merged in one transaction, but for the events where they are many: those follow in parts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from api.imports.folder import TableFile, check_beside, check_folder, open_folder
from api.imports.parts import PARTS, Parts, merge_in_parts
from api.imports.rejects import RejectsList
from domain.audit import Signature, operator
from domain.import_format import FORMAT, Chunk
from domain.storage.audit import record
from domain.storage.derived import rules_look_at
from domain.storage.ingest import MergeReport, Progress, Rejection, TableReport, merge
from domain.storage.sessions import Database


@dataclass(frozen=True)
class ImportReport:
    """tables: how each fared. rejects: where bad lines are listed. applied: False when --strict undid everything.

    unlisted: why `rejects` is empty, where it could not be written to its end.
    """

    tables: dict[str, TableReport]
    rejects: Path
    applied: bool
    unlisted: str | None = None

    @property
    def rejected(self) -> int:
        """Distinct rows refused, over all tables."""
        return sum(table.rejected for table in self.tables.values())


def begin_rejects(folder: Path, rejects: Path) -> None:
    """Begin the list of bad lines anew: whatever becomes of an import of `folder`, none of an earlier one stands there.

    Raises:
        ImportRefused: UNWRITABLE_REJECTS, NOT_A_FOLDER.
    """
    check_beside(folder, rejects)
    RejectsList(rejects).close()
    check_folder(folder)


async def import_folder(
    database: Database,
    tenant_id: int,
    folder: Path,
    *,
    strict: bool = False,
    rejects: Path,
    now: datetime,
    by: Signature | None = None,
    progress: Progress | None = None,
    parts: Parts = PARTS,
) -> ImportReport:
    """Import the data set in `folder`; every bad line goes to the CSV file `rejects`, which is always begun anew.

    by: who imports; default: a command.
    parts: how many events go into a transaction, where they need not all go into one (see `Parts`).
    progress is told "read <table>" by bytes or rows, then "merge" by tables and "derive".

    Raises:
        ImportRefused: the folder is no data set; nothing was changed.
        IngestContention: other writers would not let it finish; what was merged in parts stays, safe to repeat.
    """
    check_beside(folder, rejects)
    with closing(RejectsList(rejects)) as listing:
        data_set = open_folder(folder)

        def list_rejection(bad: Rejection) -> None:
            name = data_set.files[bad.table].path.name
            listing.add(name, bad.line, bad.column, bad.code.value, bad.reason)

        importing = _Import(database, tenant_id, by or operator(now), now, strict, list_rejection)
        files = {name: _with_progress(name, file, progress) for name, file in data_set.files.items()}
        in_parts = "events" in files and await importing.may_part(data_set.files["events"], parts)
        events = files.pop("events") if in_parts else iter(())
        report = await importing.merge(files, progress)
        tables = dict(report.tables)
        if in_parts:
            tables["events"] = await merge_in_parts(events, importing.merge_events, parts)
    of_tables = {name: tables[name] for name in FORMAT if name in tables}
    return ImportReport(of_tables, rejects, report.applied, listing.failure)


@dataclass(frozen=True)
class _Import:
    database: Database
    tenant_id: int
    by: Signature
    now: datetime
    strict: bool
    on_rejection: Callable[[Rejection], None]

    async def may_part(self, events: TableFile, parts: Parts) -> bool:
        """Whether events may go in parts. Where a segment rule looks at them, each would re-segment its debtors."""
        if self.strict:
            return False
        async with self.database.transaction(self.tenant_id) as connection:
            if await rules_look_at(connection, self.tenant_id, "events"):
                return False
        return parts.suit(events, "reference")

    async def merge(
        self, batches: Mapping[str, Iterable[Chunk]], progress: Progress | None = None
    ) -> MergeReport:
        """Merge in a transaction of its own, and record it there."""
        async with self.database.transaction(self.tenant_id) as connection:
            report = await merge(
                connection,
                self.tenant_id,
                batches,
                now=self.now,
                strict=self.strict,
                progress=progress,
                on_rejection=self.on_rejection,
            )
            if report.applied:
                counts = {name: table.accepted for name, table in report.tables.items()}
                await record(connection, self.tenant_id, self.by, "import", counts=counts)
        return report

    async def merge_events(self, part: Sequence[Chunk]) -> TableReport:
        return (await self.merge({"events": part})).tables["events"]


def _with_progress(name: str, file: TableFile, progress: Progress | None) -> Iterator[Chunk]:
    for done, chunk in file.chunks():
        yield chunk
        if progress:
            progress(f"read {name}", done, file.size)
