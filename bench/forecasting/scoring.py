"""Coverage, pinball loss, interval score and CRPS of forecasts and of what they must beat, over many days."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ml.forecast import Quantiles
from ml.forecast.cohorts import Floats
from ml.forecast.losses import crps, pinball

MISSED = 2 / 0.1
"""What a value outside costs, in its distance from a 90 % interval: the interval score's weight."""


@dataclass
class Tally:
    """Figures of one KPI. Losses are in units of the series' usual size, so that series of any size add up.

    hits: every day; drawn: one day of each horizon, so that no two share a forecast.
    """

    hits: list[bool] = field(default_factory=list)
    drawn: list[bool] = field(default_factory=list)
    pinball: dict[str, list[float]] = field(default_factory=dict)
    interval: dict[str, list[float]] = field(default_factory=dict)
    crps: dict[str, list[float]] = field(default_factory=dict)

    def add(self, came: Floats, forecasts: dict[str, Floats], size: float, pick: int) -> None:
        """came: (h,) what happened, nan where there is nothing to hold against; forecasts: name → (3, h), `ours` among
        them; pick: the day that is drawn.
        """
        ours = forecasts["ours"]
        known = ~(np.isnan(came) | np.isnan(ours).any(axis=0))
        inside = (ours[0] <= came + 1e-9) & (came <= ours[-1] + 1e-9)
        self.hits += inside[known].tolist()
        if known[pick % len(came)]:
            self.drawn.append(bool(inside[pick % len(came)]))
        for name, ends in forecasts.items():
            low, high = ends[0][known], ends[-1][known]
            beyond = np.maximum(low - came[known], 0) + np.maximum(came[known] - high, 0)
            self.pinball.setdefault(name, []).extend(pinball(ends[:, known], came[known]) / size)
            self.interval.setdefault(name, []).extend((high - low + MISSED * beyond) / size)

    def add_whole(self, came: Floats, atoms: dict[str, Floats], size: float) -> None:
        """As `add`, of whole distributions: name → (K, h) equally likely values, ascending."""
        known = ~(np.isnan(came) | np.isnan(atoms["ours"]).any(axis=0))
        for name, values in atoms.items():
            self.crps.setdefault(name, []).extend(crps(values[:, known], came[known]) / size)

    def ratio(self, what: dict[str, list[float]], against: str) -> float:
        """Our mean loss as a multiple of another's."""
        return float(np.mean(what["ours"]) / np.mean(what[against]))


def ends_of(points: Sequence[Quantiles]) -> Floats:
    """(3, len(points)); nan where undefined."""
    return np.array([[point.p05, point.p50, point.p95] for point in points], dtype=np.float64).T
