"""Debtors as they stand at an instant, ready for a decision: stage A's answers on every channel."""

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from ml.arrays import Bools, Floats, Ints
from ml.features import LEAST_OWED


@dataclass(frozen=True)
class Standing:
    """n debtors as they stand at an instant. margins: step → (n, channels) stage A log-odds; reachable:
    (n, channels); amount: (n, channels) expected payment, tenant's currency; owed, alone: (n,) money
    owed, P(pays within 30 days | left alone); rate: (n,) tenant's currency for one unit of `currency`,
    the debtor's main one; segment, rhythm: (n,) codes."""

    keys: pl.Series
    margins: dict[str, Floats]
    reachable: Bools
    amount: Floats
    owed: Floats
    alone: Floats
    segment: Ints
    rhythm: Ints
    currency: pl.Series
    rate: Floats

    def __len__(self) -> int:
        return len(self.owed)

    @property
    def owes(self) -> Bools:
        """(n,) whether there is anything to collect."""
        return np.asarray(self.owed > LEAST_OWED)

    def take(self, rows: Ints) -> "Standing":
        """The chosen debtors."""
        return Standing(
            keys=self.keys[rows],
            margins={name: table[rows] for name, table in self.margins.items()},
            reachable=self.reachable[rows],
            amount=self.amount[rows],
            owed=self.owed[rows],
            alone=self.alone[rows],
            segment=self.segment[rows],
            rhythm=self.rhythm[rows],
            currency=self.currency[rows],
            rate=self.rate[rows],
        )


@dataclass(frozen=True)
class Panel:
    """Debtors who stand for their segments: at most a thousand of each, those who owe something.

    weight: (n,) how many debtors each one stands for. month: step → (channels,) log-odds that lead from the day they
    are looked at to a mean day of the month. Segment decisions read the panel, not the portfolio.
    """

    standing: Standing
    weight: Floats
    month: dict[str, Floats] = field(default_factory=dict)

    def on_a_mean_day(self) -> Standing:
        """The debtors as they stand on a mean day of the month."""
        shifts = self.month
        margins = {name: table + shifts.get(name, 0.0) for name, table in self.standing.margins.items()}
        return replace(self.standing, margins=margins)
