"""Importing a data set: read its folder, merge it in one transaction, list what was refused."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

from api.imports.folder import TableFile, open_folder
from api.imports.refusals import ImportRefused
from domain.audit import Signature, operator
from domain.import_format import Chunk
from domain.storage.audit import record
from domain.storage.ingest import Progress, Rejection, TableReport, merge
from domain.storage.sessions import Database

_REJECTS_HEADER = ("file", "line", "column", "code", "reason")


@dataclass(frozen=True)
class ImportReport:
    """tables: how each fared. rejects: where bad lines are listed. applied: False when --strict undid everything."""

    tables: dict[str, TableReport]
    rejects: Path
    applied: bool

    @property
    def rejected(self) -> int:
        """Distinct rows refused, over all tables."""
        return sum(table.rejected for table in self.tables.values())


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
) -> ImportReport:
    """Import the data set in `folder`; every bad line goes to the CSV file `rejects`, which is always written.

    by: who imports; default: a command.
    progress is told "read <table>" by bytes or rows, then "merge" by tables and "derive".

    Raises:
        ImportRefused: the folder is no data set; nothing was changed.
        IngestContention: other writers would not let it finish; nothing was changed, safe to repeat.
    """
    data_set = open_folder(folder)
    with _listing(rejects) as listing:
        writer = csv.writer(listing)
        writer.writerow(_REJECTS_HEADER)

        def list_rejection(bad: Rejection) -> None:
            name = data_set.files[bad.table].path.name
            writer.writerow((name, bad.line, bad.column, bad.code.value, bad.reason))

        async with database.transaction(tenant_id) as connection:
            report = await merge(
                connection,
                tenant_id,
                {name: _with_progress(name, file, progress) for name, file in data_set.files.items()},
                now=now,
                strict=strict,
                progress=progress,
                on_rejection=list_rejection,
            )
            if report.applied:
                counts = {name: table.accepted for name, table in report.tables.items()}
                await record(connection, tenant_id, by or operator(now), "import", counts=counts)
    return ImportReport(report.tables, rejects, report.applied)


def _listing(rejects: Path) -> TextIO:
    try:
        return rejects.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ImportRefused(
            "UNWRITABLE_REJECTS", f"The list of bad lines can't be written to {rejects}: {error.strerror}."
        ) from error


def _with_progress(name: str, file: TableFile, progress: Progress | None) -> Iterator[Chunk]:
    for done, chunk in file.chunks():
        yield chunk
        if progress:
            progress(f"read {name}", done, file.size)
