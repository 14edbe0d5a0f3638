"""From bands to the series that are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from ml.forecast.answers import UNITS, BacktestRow, Key, Kpi, Note, Point, Quantiles, Series
from ml.forecast.bands import Bands, Futures, Stretch, quantiles
from ml.forecast.cohorts import Floats

Difference = tuple[Floats, Floats, Floats]
"""(N,) low, middle, high of RECOMMENDED minus CURRENT over all days."""


@dataclass(frozen=True)
class Part:
    """What one source of KPIs adds to a forecast."""

    series: Mapping[Kpi, Sequence[Series]]
    rows: Sequence[BacktestRow] = ()
    notes: Sequence[Note] = ()


def differences(kpi: Kpi, recommended: Futures, current: Futures, stretch: Stretch) -> Difference:
    """Compared future by future, then widened as days had to be: what totals alone miss by befalls both policies."""
    low, high = quantiles(recommended.totals[kpi] - current.totals[kpi])
    middle = recommended.middles[kpi] - current.middles[kpi]
    half = (high - low) / 2
    low, high = low - max(stretch.days[0], 0.0) * half, high + max(stretch.days[1], 0.0) * half
    return np.minimum(low, middle), middle, np.maximum(high, middle)


def series_of(
    kpi: Kpi, keys: Sequence[Key], days: Sequence[date], bands: Bands, difference: Difference | None
) -> list[Series]:
    """One series per key, in the order of the bands' columns."""
    return [
        Series(
            kpi=kpi,
            unit=UNITS[kpi],
            key=key,
            points=tuple(
                Point(day, shown(bands.low[row, place], bands.mid[row, place], bands.high[row, place]))
                for row, day in enumerate(days)
            ),
            total=shown(bands.total_low[place], bands.total_mid[place], bands.total_high[place]),
            difference=None if difference is None else shown(*(part[place] for part in difference)),
        )
        for place, key in enumerate(keys)
    ]


def shown(low: float, middle: float, high: float) -> Quantiles:
    """Numbers as they are shown: all three, or none."""
    if np.isnan(low) or np.isnan(middle) or np.isnan(high):
        return Quantiles(None, None, None)
    return Quantiles(float(low), float(middle), float(high))


def undefined(kpi: Kpi, key: Key, days: Sequence[date]) -> Series:
    """A KPI for which there is nothing to forecast from."""
    nothing = Quantiles(None, None, None)
    return Series(kpi, UNITS[kpi], key, tuple(Point(day, nothing) for day in days), nothing)
