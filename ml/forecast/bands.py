"""Bands around a forecast: quantiles of possible futures, widened or narrowed by how such bands did before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ml.forecast.answers import UNITS, Kpi, Unit
from ml.forecast.cohorts import Floats
from ml.forecast.draws import LEVELS, Drawn, Shocks, Uncertainty, draw_days, draw_waits
from ml.forecast.losses import ATOMS, midpoints
from ml.forecast.outlook import Outlook
from ml.forecast.waits import middle

NOMINAL_COVERAGE = 0.9
UNPROVEN = 0.6
"""By how many half-widths a band is widened on each side when nothing has been seen of how it does."""
_LEAST_DEFINED = 0.05
_OUTER = (LEVELS[0], LEVELS[-1])
_LEAST_SCORES, _NARROWEST, _WIDEST = 20, -0.6, 20.0
_RATIOS = {
    Kpi.DELIVERY_RATE: ("delivered", "sent"),
    Kpi.OPEN_RATE: ("opened", "delivered"),
    Kpi.CLICK_RATE: ("clicked", "delivered"),
    Kpi.CONVERSION_RATE: ("converted", "delivered"),
    Kpi.PROMISES_KEPT_RATE: ("opened", "delivered"),  # promises as cohorts: `promises.promise_cohorts`
}


def measure(kpi: Kpi, sent: Floats, steps: Mapping[str, Floats], money: Floats) -> Floats:
    """(..., G) values of a KPI from (..., G) counts; nan where a rate has no denominator; COLLECTED: (..., G
    · currencies). A KPI of waits or of books is none of counts.
    """
    if kpi == Kpi.SENT:
        return sent
    if kpi == Kpi.COLLECTED:
        return money.reshape(*money.shape[:-2], money.shape[-2] * money.shape[-1])
    above, below = _RATIOS[kpi]
    counts = {"sent": sent, **steps}
    return np.where(
        counts[below] > 0, counts[above] / np.where(counts[below] > 0, counts[below], 1.0), np.nan
    )


@dataclass
class Bands:
    """low, mid, high: (D, N) per day; total_…: (N,) over all days; nan: undefined. N: groups, × currencies
    for money.
    """

    low: Floats
    mid: Floats
    high: Floats
    total_low: Floats
    total_mid: Floats
    total_high: Floats


@dataclass(frozen=True)
class Futures:
    """What policies are compared by, and what is scored. totals: per KPI (R, N) over all days of R possible futures;
    middles: per KPI (N,); cash: (D, R, currencies) collected each day by all groups; days: per KPI (`ATOMS`, D, N)
    equally likely values of each day, ascending; nan where its band is.
    """

    totals: Mapping[Kpi, Floats]
    middles: Mapping[Kpi, Floats]
    cash: Floats
    days: Mapping[Kpi, Floats]


@dataclass(frozen=True)
class Stretch:
    """By how many half-widths to move the lower and upper ends, of days and of totals."""

    days: tuple[float, float] = (UNPROVEN, UNPROVEN)
    total: tuple[float, float] = (UNPROVEN, UNPROVEN)


def quantiles(values: Floats, levels: Sequence[float] | Floats = _OUTER) -> Floats:
    """(levels, N) quantiles over the first axis of those futures in which there is a value, by default the outer
    `LEVELS`; nan where next to none has one.
    """
    ordered = np.sort(values, axis=0)
    valid = (~np.isnan(values)).sum(axis=0)
    rows = np.round(np.asarray(levels)[:, None] * (np.maximum(valid, 1) - 1)).astype(np.int64)
    picked = np.take_along_axis(ordered, rows, axis=0)
    return np.where(valid > _LEAST_DEFINED * len(values), picked, np.nan)


def draw_bands(
    rng: np.random.Generator,
    outlook: Outlook,
    shocks: Shocks,
    uncertainty: Uncertainty,
    kpis: Sequence[Kpi],
    limit: Floats | None = None,
) -> tuple[dict[Kpi, Bands], Futures]:
    """Bands per KPI, not yet stretched, and all futures over the whole horizon."""
    found: dict[Kpi, list[Floats]] = {kpi: [] for kpi in kpis}
    levels = np.concatenate([_OUTER, midpoints(ATOMS)])
    cash: list[Floats] = []

    def value(kpi: Kpi, drawn: Drawn, waits: Floats) -> Floats:
        if kpi == Kpi.SENT_TO_OPEN_P50:
            return draw_waits(rng, outlook, waits, drawn.steps["opened"], shocks)
        return measure(kpi, drawn.sent, drawn.steps, drawn.money)

    def keep(day: int, drawn: Drawn) -> None:
        cash.append(drawn.money.sum(axis=1))
        for kpi in kpis:
            found[kpi].append(quantiles(value(kpi, drawn, outlook.waits[day]), levels))

    total = draw_days(rng, outlook, shocks, uncertainty, keep, limit)
    of_days, of_all = _middles(outlook, kpis)
    totals = {kpi: value(kpi, total, outlook.waits.sum(axis=0)) for kpi in kpis}
    bands, days = {}, {}
    for kpi in kpis:
        low, high, *atoms = np.stack(found[kpi], axis=1)
        days[kpi] = np.stack(atoms)
        total_low, total_high = quantiles(totals[kpi])
        bands[kpi] = Bands(low, of_days[kpi], high, total_low, of_all[kpi], total_high)
    return bands, Futures(totals, of_all, np.stack(cash), days)


def _middles(outlook: Outlook, kpis: Sequence[Kpi]) -> tuple[dict[Kpi, Floats], dict[Kpi, Floats]]:
    """Per KPI (D, N) of each day and (N,) of all days, from what is expected: so parts add up to the whole."""
    sums = {name: part.sum(axis=0) for name, part in outlook.steps.items()}
    of_days: dict[Kpi, Floats] = {}
    of_all: dict[Kpi, Floats] = {}
    for kpi in kpis:
        if kpi == Kpi.SENT_TO_OPEN_P50:
            of_days[kpi], of_all[kpi] = middle(outlook.waits), middle(outlook.waits.sum(axis=0))
        else:
            of_days[kpi] = measure(kpi, outlook.sent, outlook.steps, outlook.money)
            of_all[kpi] = measure(kpi, outlook.sent.sum(axis=0), sums, outlook.money.sum(axis=0))
    return of_days, of_all


def stretched(bands: Bands, stretch: Stretch, kpi: Kpi) -> Bands:
    """The bands with their ends moved; never below 0, rates never above 1, the middle always inside."""
    low, high = _move(bands.low, bands.mid, bands.high, stretch.days, kpi)
    total_low, total_high = _move(bands.total_low, bands.total_mid, bands.total_high, stretch.total, kpi)
    return Bands(low, bands.mid, high, total_low, bands.total_mid, total_high)


def stretched_atoms(atoms: Floats, bands: Bands, shown: Bands, kpi: Kpi) -> Floats:
    """(K, D, N) the equally likely values behind the days of `bands`, on either side of their median drawn out so that
    their quantiles become those of `shown`: the shape stays.
    """
    middle, levels = atoms[len(atoms) // 2], midpoints(len(atoms))
    moved = np.empty_like(atoms)
    for side, end, goal in ((slice(None, len(atoms) // 2), bands.low, shown.low),
                            (slice(len(atoms) // 2, None), bands.high, shown.high)):  # fmt: skip
        width = np.abs(end - middle)
        # Where half of all values are one and the same there is no shape: evenly from the middle to the end.
        evenly = np.minimum(np.abs(levels[side] - 0.5) / (LEVELS[-1] - 0.5), 1.0)[:, None, None]
        away = np.where(width > 0, np.abs(atoms[side] - middle) / np.where(width > 0, width, 1.0), evenly)
        moved[side] = shown.mid + away * (goal - shown.mid)
    return np.clip(moved, 0.0, 1.0 if UNITS[kpi] == Unit.RATE else np.inf)


def half_width(low: Floats, high: Floats) -> Floats:
    """Half the width of a band, at least a thousandth of its upper end."""
    return np.maximum((high - low) / 2, 1e-3 * np.abs(high))


def _move(low: Floats, mid: Floats, high: Floats, by: tuple[float, float], kpi: Kpi) -> tuple[Floats, Floats]:
    half = half_width(low, high)
    ceiling = 1.0 if UNITS[kpi] == Unit.RATE else np.inf
    moved_low = np.clip(np.minimum(low - by[0] * half, mid), 0.0, None)
    return moved_low, np.clip(np.maximum(high + by[1] * half, mid), None, ceiling)


@dataclass
class Scores:
    """How far outcomes fell outside bands, in half-widths; negative inside."""

    below: list[Floats] = field(default_factory=list)
    above: list[Floats] = field(default_factory=list)

    def add(self, low: Floats, high: Floats, actual: Floats) -> None:
        """Bands and what came, of the same shape; nan is left out."""
        known = ~(np.isnan(low) | np.isnan(high) | np.isnan(actual))
        half = half_width(low, high)
        known &= half > 0  # a band of nothing cannot be stretched
        self.below.append((low[known] - actual[known]) / half[known])
        self.above.append((actual[known] - high[known]) / half[known])

    def of_additions(self, first: int | None, last: int | None) -> "Scores":
        """Those of some of the additions, as a slice."""
        return Scores(self.below[first:last], self.above[first:last])

    def outside(self, moves: tuple[float, float]) -> float:
        """The share outside bands whose ends are moved; 0 of nothing."""
        below, above = (np.concatenate(side) if side else np.zeros(0) for side in (self.below, self.above))
        return float(((below > moves[0]) | (above > moves[1])).mean()) if len(below) else 0.0

    def furthest(self) -> tuple[float, float]:
        """The moves that would have left nothing outside; none of nothing."""
        worst = [float(np.concatenate([[0.0], *side]).max()) for side in (self.below, self.above)]
        return min(worst[0], _WIDEST), min(worst[1], _WIDEST)

    def stretch(self) -> tuple[float, float] | None:
        """The moves that would have left 5 % outside on either side; None when too little was seen."""
        below, above = (np.concatenate(side) if side else np.zeros(0) for side in (self.below, self.above))
        if len(below) < _LEAST_SCORES:
            return None
        level = min(1.0, 0.95 * (1 + 1 / len(below)))
        moves = [float(np.clip(np.quantile(side, level), _NARROWEST, _WIDEST)) for side in (below, above)]
        return moves[0], moves[1]
