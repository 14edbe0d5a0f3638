"""Whether forecasts have stopped holding: kept ones, against what came."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from scipy.stats import binom

from ml.forecast.bands import NOMINAL_COVERAGE

_LONGEST_LEAD, _LEAST_DAYS, _MOST_DAYS = 14, 14, 56
_TOO_UNLIKELY = 0.001


@dataclass(frozen=True)
class Judged:
    """A forecast whose day has settled. kpi: with its currency where it has one."""

    kpi: str
    currency: str | None
    made_on: date
    day: date
    p05: float
    p95: float
    actual: float


@dataclass(frozen=True)
class Drift:
    """How the 90 % intervals of a KPI did on its last days. drifted: they held so few of them that chance explains it
    less than once in a thousand times.
    """

    kpi: str
    currency: str | None
    days: int
    coverage: float
    drifted: bool


def drift_of(forecasts: Iterable[Judged]) -> list[Drift]:
    """By KPI and currency, those with two weeks of days at least.

    Each day counts once, as it was forecast from furthest off within two weeks. What was known when it was forecast (a
    past month) does not count.
    """
    furthest: dict[tuple[str, str, date], Judged] = {}
    for one in sorted(forecasts, key=lambda one: one.made_on, reverse=True):
        if (one.day - one.made_on).days <= _LONGEST_LEAD and one.p05 < one.p95:
            furthest[one.kpi, one.currency or "", one.day] = one
    inside: dict[tuple[str, str], list[bool]] = {}
    for (kpi, currency, _), one in sorted(furthest.items()):
        inside.setdefault((kpi, currency), []).append(one.p05 <= one.actual <= one.p95)
    return [
        _drift(kpi, currency or None, hits[-_MOST_DAYS:])
        for (kpi, currency), hits in inside.items()
        if len(hits) >= _LEAST_DAYS
    ]


def _drift(kpi: str, currency: str | None, hits: list[bool]) -> Drift:
    unlikely = float(binom.cdf(sum(hits), len(hits), NOMINAL_COVERAGE))
    return Drift(kpi, currency, len(hits), sum(hits) / len(hits), unlikely < _TOO_UNLIKELY)
