"""Instants seen on the debtor's own clock."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ml.arrays import Ints

MICROSECONDS = 1_000_000
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class LocalTime:
    """Each row's local weekday (Monday = 0), hour (0–23), day of the month (1–31) and date (days since
    1970-01-01)."""

    weekday: Ints
    hour: Ints
    day_of_month: Ints
    date: Ints

    @property
    def hour_of_week(self) -> Ints:
        """weekday · 24 + hour, 0–167."""
        return self.weekday * 24 + self.hour


def local_time(at: Ints, zones: pl.Series) -> LocalTime:
    """at: microseconds since the epoch, UTC; zones: IANA names, one per row. A zone the tz database
    lacks is read as UTC."""
    rows = pl.DataFrame({"row": np.arange(len(at)), "at": at, "zone": zones.cast(pl.String)})
    instants = rows.with_columns(pl.from_epoch("at", time_unit="us").dt.replace_time_zone("UTC"))
    parts = [_parts(group, str(zone)) for (zone,), group in instants.group_by("zone", maintain_order=True)]
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        return LocalTime(empty, empty, empty, empty)
    ordered = pl.concat(parts).sort("row")
    return LocalTime(*(ordered[name].to_numpy() for name in ("weekday", "hour", "day", "date")))


def _parts(group: pl.DataFrame, zone: str) -> pl.DataFrame:
    try:
        return _read_clock(group, zone)
    except pl.exceptions.ComputeError:
        return _read_clock(group, "UTC")


def _read_clock(group: pl.DataFrame, zone: str) -> pl.DataFrame:
    local = pl.col("at").dt.convert_time_zone(zone)
    return group.select(
        "row",
        weekday=local.dt.weekday().cast(pl.Int64) - 1,
        hour=local.dt.hour().cast(pl.Int64),
        day=local.dt.day().cast(pl.Int64),
        date=local.dt.date().to_physical().cast(pl.Int64),
    )


def microseconds(instants: pl.Series) -> Ints:
    """A Datetime column as microseconds since the epoch; null becomes `NEVER`."""
    return instants.dt.timestamp("us").fill_null(NEVER).to_numpy()


NEVER = np.iinfo(np.int64).max
"""The instant of what has not happened."""
