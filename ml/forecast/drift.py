"""Whether forecasts have stopped holding: kept ones, against what came."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from ml.forecast.cohorts import Floats

_LONGEST_LEAD, _LEAST_DAYS, _MOST_DAYS = 14, 14, 56
_STILL_KEPT = 0.875
"""A promise of nine in ten is kept while seven in eight are held: days close together miss together."""
_OUTSIDE = np.array([0.2, 0.35, 0.5, 0.8])
"""Shares outside that are thought of where intervals do not hold."""
_STARTS, _STEP = 58, 7
"""On so many days, a week apart, intervals may have begun not to hold; forecasts are not kept any longer."""
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
    """How the 90 % intervals of a KPI did on its last days. drifted: since the first day they have at some time held so
    few of them that chance would ever explain it less than once in a thousand times.
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
        _drift(kpi, currency or None, hits)
        for (kpi, currency), hits in inside.items()
        if len(hits) >= _LEAST_DAYS
    ]


def _drift(kpi: str, currency: str | None, hits: list[bool]) -> Drift:
    lately = hits[-_MOST_DAYS:]
    drifted = bool(evidence(hits).max() >= 1 / _TOO_UNLIKELY)
    return Drift(kpi, currency, len(lately), sum(lately) / len(lately), drifted)


def evidence(hits: Sequence[bool]) -> Floats:
    """(n,) after each day, how many times likelier it is that intervals stopped holding than that they hold.

    An e-process, so that looking every day raises no more false alarms: while intervals hold, it ever reaches 1000 at
    most once in a thousand times (Ville's inequality). The likelihood is the mean over a start in every week and over
    the shares in `_OUTSIDE` (Ramdas, Grünwald, Vovk & Shafer 2023, "Game-theoretic statistics and safe anytime-valid
    inference").
    """
    share, begun, found = np.zeros(len(_OUTSIDE)), 0, np.empty(len(hits))
    inside, outside = (1 - _OUTSIDE) / _STILL_KEPT, _OUTSIDE / (1 - _STILL_KEPT)
    for day, hit in enumerate(hits):
        if day % _STEP == 0 and begun < _STARTS:
            share, begun = share + 1 / (_STARTS * len(_OUTSIDE)), begun + 1
        share = share * (inside if hit else outside)
        found[day] = share.sum() + 1 - begun / _STARTS
    return found
