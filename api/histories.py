"""A tenant's history from PostgreSQL as frames: by way of files, or that of a few debtors at once."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.history import Rows, debtor_history, export_history
from domain.storage.history_frames import CHANNEL_SEPARATOR
from ml.frames import INSTANT, SCHEMAS, History

_ABOUT = "history.json"
_KEY = pl.Int64()


async def export(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    as_of: datetime,
    folder: Path,
    debtor_ids: Sequence[int] | None = None,
) -> None:
    """Write what was known at `as_of`, of all debtors or of some, into `folder`, for `load`; replaces what is there."""
    await asyncio.to_thread(_empty, folder)
    exported = await export_history(connection, tenant_id, as_of=as_of, to=folder, debtor_ids=debtor_ids)
    about = {
        "as_of": exported.as_of.isoformat(),
        "currency": exported.currency,
        "rates": {currency: float(rate) for currency, rate in exported.rates.items()},
    }
    # Written last: a folder without it was left by an interrupted export.
    await asyncio.to_thread((folder / _ABOUT).write_text, json.dumps(about), "utf-8")


def exported(folder: Path) -> bool:
    """Whether `folder` holds a whole export."""
    return (folder / _ABOUT).exists()


def load(folder: Path) -> History:
    """The history that `export` wrote.

    Raises:
        OSError: there is none.
        HistoryError: a value cannot be read as its type.
    """
    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    frames = {name: _typed(pl.read_csv(folder / f"{name}.csv", infer_schema=False), name) for name in SCHEMAS}
    return History(
        as_of=datetime.fromisoformat(about["as_of"]),
        currency=about["currency"],
        rates=about["rates"],
        **{name: _numbers_where_all_are(frame) for name, frame in frames.items()},
    ).in_order()


async def read_history_of(
    connection: AsyncConnection,
    tenant_id: int,
    debtor_ids: Sequence[int],
    *,
    as_of: datetime,
    attributes: Sequence[str] = (),
) -> History:
    """The history of a few debtors, read from their rows alone.

    attributes: names of custom `x_…` columns that the debtors' frame must have, null where nobody here has one.
    """
    read = await debtor_history(connection, tenant_id, as_of=as_of, debtor_ids=debtor_ids)
    frames = {name: _typed(_texts(rows, name), name) for name, rows in read.frames.items()}
    missing = [name for name in attributes if name not in frames["debtors"].columns]
    frames["debtors"] = frames["debtors"].with_columns(
        pl.lit(None, pl.String).alias(name) for name in missing
    )
    rates = {currency: float(rate) for currency, rate in read.rates.items()}
    return History(as_of=read.as_of, currency=read.currency, rates=rates, **frames)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


def _texts(rows: Rows, name: str) -> pl.DataFrame:
    """A frame's rows as polars finds them; numbers as floats at once, for its decimals hold fewer digits than ours."""
    numbers = [at for at, column in enumerate(rows.columns) if SCHEMAS[name].get(column) == pl.Float64()]
    cells = [list(row) for row in rows.rows]
    for row in cells:
        for at in numbers:
            if row[at] is not None:
                row[at] = float(row[at])
    return pl.DataFrame(cells, schema=list(rows.columns), orient="row", infer_schema_length=None)


def _typed(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """A frame as PostgreSQL spells it, by the types of `ml.frames`; custom attributes stay text."""
    expressions = []
    for column in frame.columns:
        wanted = SCHEMAS[name].get(column, pl.String()) or _KEY
        expressions.append(_read(pl.col(column), frame.schema[column], wanted))
    return frame.with_columns(expressions)


def _read(column: pl.Expr, found: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    if found == pl.String and isinstance(wanted, pl.List):
        # No channel at all comes as an empty text, which CSV does not tell from null.
        split = column.fill_null("").str.split(CHANNEL_SEPARATOR)
        return split.list.eval(pl.element().filter(pl.element() != ""))
    if found == pl.String and wanted == INSTANT:
        naive = column.str.strip_suffix("+00").str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
        return naive.dt.replace_time_zone("UTC")
    if found == pl.String and wanted == pl.Date:
        return column.str.to_date("%Y-%m-%d")
    return column.cast(wanted)


def _numbers_where_all_are(frame: pl.DataFrame) -> pl.DataFrame:
    """Custom attributes whose every value is a number become numbers."""
    attributes = [name for name in frame.columns if name.startswith("x_")]
    numbers = frame.select(pl.col(name).cast(pl.Float64, strict=False) for name in attributes)
    numeric = [name for name in attributes if numbers[name].null_count() == frame[name].null_count()]
    return frame.with_columns(numbers[name] for name in numeric)
