"""Verbs that ask a model: recommend, forecast, and card, which asks what it is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.answers import ForecastDimension, ForecastPolicy, Window
from api.cli import edge

if TYPE_CHECKING:
    import polars as pl

    from api.databases import DatabaseServer

_USUAL_WINDOW = timedelta(days=7)


def _a_file(out: Path) -> Path:
    """Not what is there as a device or a pipe: a file put in its place would do away with it."""
    if out.exists() and not out.is_file():
        raise typer.BadParameter(f"{out} is there and no file; name one to write.")
    return out


OutOption = Annotated[
    Path,
    typer.Option(
        metavar="FILE.parquet",
        callback=_a_file,
        dir_okay=False,
        help="The file to write, whole or not at all.",
    ),
]

FromOption = Annotated[
    datetime | None,
    typer.Option("--from", parser=edge.moment, metavar="INSTANT", help="Send no earlier. Default: now."),
]

ToOption = Annotated[
    datetime | None,
    typer.Option(
        "--to", parser=edge.moment, metavar="INSTANT", help="Send before this. Default: a week later."
    ),
]


@edge.app.command()
def recommend(
    tenant: edge.TenantOption,
    out: OutOption,
    start: FromOption = None,
    end: ToOption = None,
    as_of: edge.AsOfOption = None,
) -> None:
    """The next best action of every debtor, as a Parquet file. Logs nothing.

    A null channel means: leave this debtor alone. Weekday and hour are the debtor's own, send_at is UTC.
    """
    now = as_of or datetime.now(UTC)
    within = window_of(start, end, now)
    with edge.server() as server:
        written = edge.wait_for(_recommend(server, tenant, out, within, now))
    edge.out.print(f"{written:,} recommendations are in {out}", markup=False)


def window_of(start: datetime | None, end: datetime | None, now: datetime) -> Window:
    """When contacts may be: from `now` on, for a week, where nothing else was asked for.

    Raises:
        CommandError: BAD_PERIOD.
    """
    begin = start or now
    window = Window(begin, end or begin + _USUAL_WINDOW)
    if window.start >= window.end:
        raise edge.CommandError(
            "BAD_PERIOD", "--from must come before --to; without --from it is now (or --as-of)."
        )
    return window


async def _recommend(server: DatabaseServer, tenant: str, out: Path, within: Window, as_of: datetime) -> int:
    from api.recommendations.bulk import recommend_everybody
    from api.wiring import open_champions

    async with edge.tenant(server, tenant) as (database, tenant_id):
        with (
            open_champions(database, edge.settings()) as champions,
            edge.progress_bar("Recommending") as show,
            file_of_parts(out) as parts,
        ):
            return await recommend_everybody(
                database, champions, tenant_id, within=within, as_of=as_of, write=parts, progress=show
            )


class FileOfParts:
    """Takes frames one by one and leaves them as one file, which appears whole or not at all.

    Raises:
        CommandError: FILE_NOT_WRITABLE, from every method.
    """

    def __init__(self, out: Path, folder: Path) -> None:
        self._out = out
        self._folder = folder
        self._parts: list[Path] = []
        self._whole = folder / "whole.parquet"

    def __call__(self, frame: pl.DataFrame) -> None:
        """Take the next part."""
        self._parts.append(self._folder / f"{len(self._parts):06}.parquet")
        with _writing(self._out):
            frame.write_parquet(self._parts[-1])

    def join(self, kept: pl.Expr | None = None) -> None:
        """Make one file of all parts, not yet in its place: what is left to do needs no room any more.

        kept: of which rows; None: of all.
        """
        import polars as pl

        with _writing(self._out):
            rows = pl.scan_parquet(self._parts)
            (rows if kept is None else rows.filter(kept)).sink_parquet(self._whole)

    def settle(self) -> None:
        """Put the file in its place; no parts, no file."""
        if self._parts and not self._whole.exists():
            self.join()
        with _writing(self._out):
            if self._parts:
                self._whole.replace(self._out)


@contextmanager
def file_of_parts(out: Path) -> Iterator[FileOfParts]:
    """A file in parts, settled when all went well.

    Raises:
        CommandError: FILE_NOT_WRITABLE.
    """
    with _writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.")
    with folder as name:
        parts = FileOfParts(out, Path(name))
        yield parts
        parts.settle()


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Names what keeps a file from being written; polars tells a full disk in words of its own."""
    import polars as pl

    try:
        yield
    except OSError as error:
        raise edge.CommandError("FILE_NOT_WRITABLE", f"{out} cannot be written: {error.strerror}.") from None
    except pl.exceptions.ComputeError as error:
        message = f"{out} cannot be written; is there room on the disk? ({error})"
        raise edge.CommandError("FILE_NOT_WRITABLE", message) from None


@edge.app.command()
def forecast(
    tenant: edge.TenantOption,
    days: Annotated[int, typer.Option(min=1, max=90, help="How many days, from that of --as-of on.")],
    out: OutOption,
    by: Annotated[
        list[ForecastDimension] | None,
        typer.Option(help="Split by this; may be given more than once.", case_sensitive=False),
    ] = None,
    policy: Annotated[
        ForecastPolicy,
        typer.Option(help="As sent lately, or as recommended.", case_sensitive=False),
    ] = ForecastPolicy.CURRENT,
    as_of: edge.AsOfOption = None,
) -> None:
    """Forecast the KPIs of the coming days, as a Parquet file: a row per KPI, key and day, null day for the total."""
    now = as_of or datetime.now(UTC)
    with edge.server() as server:
        rows = edge.wait_for(_forecast(server, tenant, days, by or [], policy, now, out))
    edge.out.print(f"{rows:,} rows are in {out}", markup=False)


async def _forecast(
    server: DatabaseServer,
    tenant: str,
    days: int,
    by: Sequence[ForecastDimension],
    policy: ForecastPolicy,
    as_of: datetime,
    out: Path,
) -> int:
    from api.forecasting.rows import frame_of
    from api.wiring import services_of

    async with edge.tenant(server, tenant) as (database, tenant_id):
        with edge.progress_bar("Forecasting"), services_of(server, database, edge.settings()) as services:
            made = await services.forecasts.forecast(
                tenant_id, horizon_days=days, policy=policy, by=by, kpis=None, as_of=as_of
            )
    if made is None:
        raise edge.CommandError(
            "NOTHING_TO_FORECAST_FROM",
            f"No model decides at {as_of.isoformat()} yet, or nothing was sent before it. Import, then: dunwell train "
            f"--tenant {tenant}. A version that did not pass its gate decides once somebody has promoted it.",
        )
    frame = frame_of(made, by)
    with file_of_parts(out) as write:
        write(frame)
    return frame.height


@edge.app.command()
def card(
    tenant: edge.TenantOption,
    version: Annotated[
        int | None,
        typer.Option(min=1, max=2**31 - 1, help="Which of the tenant's versions. Default: the champion."),
    ] = None,
) -> None:
    """Print a model version's card, in Markdown: what it learned from, its figures, its gate, and its limits."""
    with edge.server() as server:
        found = edge.wait_for(_card(server, tenant, version))
    typer.echo(found)


async def _card(server: DatabaseServer, tenant: str, version: int | None) -> str:
    from api.training.cards import card_of
    from domain.storage.models import champion, numbered_version

    async with (
        edge.tenant(server, tenant) as (database, tenant_id),
        database.transaction(tenant_id) as connection,
    ):
        if version is None:
            found = await champion(connection, tenant_id)
        else:
            found = await numbered_version(connection, tenant_id, version)
    if found is None:
        which = (
            "no champion yet (--version tells of another)"
            if version is None
            else f"no model version {version}"
        )
        raise edge.CommandError("UNKNOWN_MODEL_VERSION", f"The tenant {tenant} has {which}.")
    return card_of(found)
