"""The messages of each day and what became of them, counted per segment and channel: all a forecast learns
from.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml.forecast.holidays import share_on_holiday
from ml.forecast.waits import Waits, waits_of
from ml.frames import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LONGEST_HORIZON = 90
"""Days ahead that can be forecast at most."""
LONGEST_LAG = 30
"""Days after which an outcome is no longer waited for."""
OUTCOMES = ("opened", "clicked", "converted")


@dataclass(frozen=True)
class Outcome:
    """Sparse counts: `count` outcomes `lag` whole days (UTC dates) after the day `day`, for messages of
    `cell`.
    """

    day: Ints
    cell: Ints
    lag: Ints
    count: Floats

    def known_before(self, day: int) -> "Outcome":
        """What had happened before `day` began."""
        rows = self.day + self.lag < day
        return Outcome(self.day[rows], self.cell[rows], self.lag[rows], self.count[rows])

    def by_day(self, days: int, cells: int) -> Floats:
        """(days, cells) counts over all lags."""
        flat = np.bincount(self.day * cells + self.cell, weights=self.count, minlength=days * cells)
        return np.asarray(flat[: days * cells].reshape(days, cells), dtype=np.float64)


@dataclass(frozen=True)
class Cohorts:
    """Outbound messages per UTC day and cell; days are numbered from `first_day`, the last is the last whole
    one.

    cells: segment × channel, those ever used. sent, delivered: (days, cells). outcomes: opened, clicked,
    converted (first attributed payment). payments, money: attributed payments per currency, their number and
    their sum. variation: coefficient of variation of the amount of one payment within a currency. waits: how long
    each opened message waited for it. holidays: share of the debtors on a public holiday, per day and for some days
    to come.
    """

    first_day: date
    segments: tuple[str, ...]
    channels: tuple[str, ...]
    currencies: tuple[str, ...]
    sent: Floats
    delivered: Floats
    outcomes: dict[str, Outcome]
    payments: dict[str, Outcome]
    money: dict[str, Outcome]
    variation: float
    waits: Waits = field(default_factory=Waits.none)
    holidays: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def days(self) -> int:
        """Whole days of history."""
        return len(self.sent)

    @property
    def cells(self) -> int:
        """Pairs of segment and channel."""
        return len(self.segments)

    def on_holiday(self, first: int, days: int) -> Floats:
        """(days,) share of the debtors on a public holiday, from a numbered day on."""
        known = self.holidays[first : first + days]
        return np.concatenate([known, np.zeros(days - len(known))])

    @property
    def weekday(self) -> Ints:
        """(days,) Monday 0."""
        return (self.first_day.weekday() + np.arange(self.days)) % 7

    def day(self, number: int) -> date:
        """The date of a numbered day, also past the history."""
        return self.first_day + timedelta(days=number)


def cohorts_of(history: History) -> Cohorts | None:
    """The cohorts of `history` up to the last UTC day that is over at `as_of`; None when nothing was sent by
    then.
    """
    end = history.as_of.astimezone(UTC).date()
    sent = history.outbound.with_columns(
        day=pl.col("sent_at").dt.date(), segment=pl.col("segment").fill_null("NONE")
    ).filter(pl.col("day") < end)
    if sent.is_empty():
        return None
    cells = sent.select("segment", "channel").unique().sort("segment", "channel").with_row_index("cell")
    sent = sent.join(cells, on=["segment", "channel"], maintain_order="left")
    first = sent["day"].min()
    assert isinstance(first, date)  # noqa: S101 - the frame is not empty
    days = (end - first).days
    sent = sent.with_columns(
        number=(pl.col("day") - first).dt.total_days(), cell=pl.col("cell").cast(pl.Int64)
    )
    paid = _attributed(history, sent)
    first_paid = paid.sort("paid_at").unique("communication", keep="first")
    delivered = sent.filter("delivered")
    currencies = tuple(str(name) for name in history.accounts["currency"].unique().sort())
    return Cohorts(
        first_day=first,
        segments=tuple(cells["segment"]),
        channels=tuple(cells["channel"]),
        currencies=currencies,
        sent=_count(sent, days, len(cells)),
        delivered=_count(delivered, days, len(cells)),
        outcomes={
            "opened": _outcome(delivered, "opened_at"),
            "clicked": _outcome(delivered, "clicked_at"),
            "converted": _outcome(first_paid, "paid_at"),
        },
        payments={name: _outcome(paid.filter(pl.col("currency") == name), "paid_at") for name in currencies},
        money={
            name: _outcome(paid.filter(pl.col("currency") == name), "paid_at", "amount")
            for name in currencies
        },
        variation=_variation(paid),
        waits=waits_of(delivered, LONGEST_LAG),
        holidays=share_on_holiday(history.debtors, first, days + LONGEST_HORIZON),
    )


def _attributed(history: History, sent: pl.DataFrame) -> pl.DataFrame:
    """Unreversed payments attributed to the messages in `sent`, with their day and cell. Source: kpis.md."""
    paid = history.payments.filter(pl.col("communication").is_not_null() & pl.col("reversed_at").is_null())
    return paid.select("communication", "amount", "currency", "paid_at").join(
        sent.select("communication", "number", "cell", "sent_at", "day"), on="communication"
    )


def _variation(paid: pl.DataFrame) -> float:
    relative = paid.select((pl.col("amount") / pl.col("amount").mean().over("currency")).std())
    found = relative.item()
    return 1.0 if found is None else float(found)


def _count(rows: pl.DataFrame, days: int, cells: int) -> Floats:
    place = rows["number"].to_numpy() * cells + rows["cell"].to_numpy()
    return np.bincount(place, minlength=days * cells).astype(np.float64).reshape(days, cells)


def _outcome(rows: pl.DataFrame, at: str, weight: str | None = None) -> Outcome:
    """Lags over `LONGEST_LAG` are dropped: such an outcome is no longer waited for."""
    lag = (pl.col(at).dt.date() - pl.col("day")).dt.total_days().clip(lower_bound=0)
    found = rows.filter(pl.col(at).is_not_null()).with_columns(lag=lag).filter(pl.col("lag") <= LONGEST_LAG)
    counted = (
        found.group_by("number", "cell", "lag")
        .agg(count=pl.len().cast(pl.Float64) if weight is None else pl.col(weight).sum())
        .sort("number", "cell", "lag")
    )
    return Outcome(
        counted["number"].cast(pl.Int64).to_numpy(),
        counted["cell"].cast(pl.Int64).to_numpy(),
        counted["lag"].cast(pl.Int64).to_numpy(),
        counted["count"].to_numpy(),
    )


def open_balances(history: History) -> pl.DataFrame:
    """segment, currency, balance: what is still owed at `as_of` on accounts opened and not closed, for all
    debtors.
    """
    today: date = history.as_of.astimezone(UTC).date()
    paid = (
        history.payments.filter(pl.col("reversed_at").is_null())
        .group_by("account")
        .agg(paid=pl.col("amount").sum())
    )
    live = (pl.col("opened_on").is_null() | (pl.col("opened_on") <= today)) & (
        pl.col("closed_on").is_null() | (pl.col("closed_on") > today)
    )
    owed = (pl.col("principal") - pl.col("paid").fill_null(0.0)).clip(lower_bound=0.0)
    return (
        history.accounts.filter(live)
        .join(paid, on="account", how="left")
        .join(history.debtors.select("debtor", pl.col("segment").fill_null("NONE")), on="debtor")
        .group_by("segment", "currency")
        .agg(balance=owed.sum())
    )


def last_whole_day(as_of: datetime) -> date:
    """The UTC day before that of `as_of`."""
    return as_of.astimezone(UTC).date() - timedelta(days=1)
