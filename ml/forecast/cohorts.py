"""The messages of each day and what became of them, counted per segment and channel: all a forecast learns
from.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml.forecast.holidays import share_on_holiday
from ml.forecast.tally import Tally, first_day_after_silence
from ml.forecast.waits import Waits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LONGEST_HORIZON = 90
"""Days ahead that can be forecast at most."""
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


def cohorts_of(tally: Tally) -> Cohorts | None:
    """What was counted since the last long silence as arrays, up to the last UTC day that is over at `tally.as_of`;
    None when nothing was sent by then.
    """
    first = first_day_after_silence(tally.messages["day"])
    if first is None:
        return None
    sent, outcomes, payments, waits = (
        frame.filter(pl.col("day") >= first)
        for frame in (tally.messages, tally.outcomes, tally.payments, tally.waits)
    )
    days = (tally.as_of.astimezone(UTC).date() - first).days
    cells = sent.select("segment", "channel").unique().sort("segment", "channel")
    place = _Place(first, days, cells.with_row_index("cell"))
    currencies = tuple(str(name) for name in tally.currencies["currency"].unique().sort())
    steps = {step: outcomes.filter(pl.col("step") == step) for step in OUTCOMES}
    paid = {name: payments.filter(pl.col("currency") == name) for name in currencies}
    return Cohorts(
        first_day=first,
        segments=tuple(cells["segment"]),
        channels=tuple(cells["channel"]),
        currencies=currencies,
        sent=place.count(sent, "sent"),
        delivered=place.count(sent, "delivered"),
        outcomes={step: place.outcome(rows, "count") for step, rows in steps.items()},
        payments={name: place.outcome(rows, "count") for name, rows in paid.items()},
        money={name: place.outcome(rows, "money") for name, rows in paid.items()},
        variation=_variation(tally.amounts),
        waits=Waits(*place.of(waits), waits["seconds"].to_numpy()),
        holidays=share_on_holiday(tally.people, first, days + LONGEST_HORIZON),
    )


@dataclass(frozen=True)
class _Place:
    """Where days, segments and channels stand in the arrays. cells: segment, channel, cell."""

    first: date
    days: int
    cells: pl.DataFrame

    def of(self, rows: pl.DataFrame) -> tuple[Ints, Ints, Ints]:
        """(n,) each: number of the day, cell, lag."""
        placed = rows.join(self.cells, on=["segment", "channel"], maintain_order="left")
        number = (placed["day"] - self.first).dt.total_days()
        return (
            number.cast(pl.Int64).to_numpy(),
            placed["cell"].cast(pl.Int64).to_numpy(),
            placed["lag"].cast(pl.Int64).to_numpy(),
        )

    def count(self, rows: pl.DataFrame, column: str) -> Floats:
        """(days, cells)"""
        number, cell, _ = self.of(rows.with_columns(lag=0))
        flat = number * len(self.cells) + cell
        counted = np.bincount(flat, weights=rows[column].to_numpy(), minlength=self.days * len(self.cells))
        return np.asarray(counted.reshape(self.days, len(self.cells)))

    def outcome(self, rows: pl.DataFrame, column: str) -> Outcome:
        """Sparse counts, or sums of money."""
        return Outcome(*self.of(rows), rows[column].to_numpy())


def _variation(amounts: pl.DataFrame) -> float:
    """Standard deviation of single amounts as shares of their currency's mean amount; 1 where that says nothing."""
    count, total, squares = (amounts[name].to_numpy() for name in ("count", "total", "squares"))
    paid = count.sum()
    if paid < 2 or not (total > 0).all():
        return 1.0
    relative = (squares / (total / count) ** 2).sum()
    return float(np.sqrt(max(relative - paid, 0.0) / (paid - 1)))
