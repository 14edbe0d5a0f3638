"""Verbs about data sets: import one, simulate one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import edge

if TYPE_CHECKING:
    from api.databases import DatabaseServer
    from api.imports import ImportReport


#: A history reaches years back, and accounts fall due after it: all of them days that an import takes.
_FIRST_END, _LAST_END = 2000, 2150


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date; write it like 2026-03-01.") from None
    if not _FIRST_END <= day.year <= _LAST_END:
        raise typer.BadParameter(f"{text!r} lies outside the years {_FIRST_END} to {_LAST_END}.")
    return day


@edge.app.command("import")
def import_data_set(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A data set: one CSV or Parquet file per table."),
    ],
    tenant: edge.TenantOption,
    strict: Annotated[
        bool, typer.Option("--strict", help="One bad row rejects the whole data set; nothing changes.")
    ] = False,
    rejects: Annotated[
        Path,
        typer.Option(dir_okay=False, help="Where bad rows are listed: file, line, column, code, reason."),
    ] = Path("rejects.csv"),
) -> None:
    """Load a data set. When this returns, every KPI includes it; loading it again changes nothing.

    Bad rows never stop the good ones: they are counted, listed in the rejects file, and the exit status is 0, for all
    that could be loaded was. With --strict a bad row means exit status 1 and no change at all. A rejects file that
    cannot be written to its end is left empty, and means exit status 1 as well.
    """
    from api.imports import begin_rejects

    begin_rejects(folder, rejects)
    with edge.server() as server:
        report = edge.wait_for(_import(server, tenant, folder, strict=strict, rejects=rejects))
    _show(report)
    where = f"they are listed in {report.rejects}"
    if report.unlisted:
        where = f"{report.rejects} can't list them: {report.unlisted}. Import again with --rejects elsewhere."
    if not report.applied:
        raise edge.CommandError(
            "REJECTED", f"{report.rejected} bad row(s), so nothing was imported (--strict); {where}"
        )
    left_out = f"{report.rejected} bad row(s) were left out; {where}"
    if report.unlisted:
        raise edge.CommandError("REJECTS_NOT_WRITTEN", left_out)
    if report.rejected:
        edge.err.print(left_out, markup=False)


def import_quietly(server: DatabaseServer, tenant: str, folder: Path, rejects: Path) -> None:
    """Import a data set that is known to be good, with nothing but the progress bar to see."""
    edge.wait_for(_import(server, tenant, folder, strict=False, rejects=rejects))


async def _import(
    server: DatabaseServer, tenant: str, folder: Path, *, strict: bool, rejects: Path
) -> ImportReport:
    from api.imports import import_folder

    async with edge.tenant(server, tenant) as (database, tenant_id):
        with edge.progress_bar("Importing") as show:
            return await import_folder(
                database,
                tenant_id,
                folder,
                strict=strict,
                rejects=rejects,
                now=datetime.now(UTC),
                progress=lambda stage, done, of: show(stage, done / max(of, 1)),
            )


def _show(report: ImportReport) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("table")
    for title in ("rows", "new or changed", "known already", "rejected"):
        table.add_column(title, justify="right")
    for name, rows in sorted(report.tables.items()):
        accepted = rows.accepted if report.applied else 0
        table.add_row(name, f"{rows.rows:,}", f"{accepted:,}", f"{rows.duplicates:,}", f"{rows.rejected:,}")
    edge.out.print(table)


@edge.app.command()
def simulate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            file_okay=False,
            help="A new folder for the data set, or that of an earlier simulation, which goes.",
        ),
    ],
    debtors: Annotated[int, typer.Option(min=1, help="How many debtors.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same data.")],
    end: Annotated[
        date | None,
        typer.Option(
            parser=_day, metavar="DATE", help="The day before which the history ends. Default: today."
        ),
    ] = None,
) -> None:
    """Write a demo data set, and the truth behind it in DIR.truth."""
    with edge.progress_bar("Simulating"):
        truth = write_demo_portfolio(folder, debtors=debtors, seed=seed, end=end or datetime.now(UTC).date())
    edge.out.print(f"The data set is in {folder}, the truth behind it in {truth}.", markup=False)


def write_demo_portfolio(folder: Path, *, debtors: int, seed: int, end: date) -> Path:
    """Simulate and write; answers where the truth is.

    Raises:
        CommandError: FOLDER_IN_USE, FOLDER_NOT_WRITABLE.
    """
    from ml.simulator import simulate as live
    from ml.simulator import write

    if folder.resolve() == Path(folder.resolve().anchor):
        raise edge.CommandError("FOLDER_IN_USE", f"{folder} has no place beside it for the truth.")
    try:
        return write(live(debtors, seed=seed, end=end), folder)
    except FileExistsError as error:
        raise edge.CommandError("FOLDER_IN_USE", f"{error}.") from None
    except OSError as error:
        raise edge.CommandError(
            "FOLDER_NOT_WRITABLE", f"{folder} cannot be written: {error.strerror}."
        ) from None
