"""When: how segment, rhythm, channel, hour and weekday move the odds, as crossed random effects.

Each effect belongs to a factor (hour, segment × channel, segment × channel × hour, …); every factor has its own variance, estimated from
the data, so effects that a world does not have shrink to nothing and a small segment leans on what larger groups share. Fitted by
iteratively reweighted least squares on cell sums with backfitting; the variances by expectation–maximisation on the way.
Measured against boosted trees in this place: see docs/adr.
"""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Floats, Ints, sums_by
from ml.outcomes import CHANNELS

HOURS = 168
FACTORS = (
    "c", "h", "d", "ch", "cd", "cb", "bd", "cbk", "s", "sc", "sh", "sb", "sd",
    "scb", "sch", "scd", "sck", "sbk", "scbk", "rb", "rh", "rbk", "rc",
)  # fmt: skip
"""Letters name what is crossed: s segment, r rhythm, c channel, h hour, d weekday, b three-hour block, k weekend."""

_REWEIGHTINGS = 4
_SWEEPS = 25
_FIRST_VARIANCE = 0.1
_LEAST_VARIANCE = 1e-5
_NOTHING = 1e-9


@dataclass(frozen=True)
class Cells:
    """Where a contact falls: segment and rhythm codes, channel, local hour of week (0–167); one entry per contact."""

    segment: Ints
    rhythm: Ints
    channel: Ints
    slot: Ints

    def take(self, rows: Ints) -> "Cells":
        """The chosen contacts."""
        return Cells(self.segment[rows], self.rhythm[rows], self.channel[rows], self.slot[rows])


@dataclass(frozen=True)
class Shape:
    """How many segment and rhythm codes there are, the unknown ones included."""

    segments: int
    rhythms: int


@dataclass(frozen=True)
class SlotEffects:
    """intercept and, per factor, one log-odds effect per level."""

    shape: Shape
    intercept: float
    effects: tuple[Floats, ...]
    variances: Floats

    def shift(self, cells: Cells) -> Floats:
        """(n,) log-odds to add to stage A's margin."""
        total = np.full(len(cells.slot), self.intercept)
        for effect, code in zip(self.effects, _codes(cells, self.shape), strict=True):
            total += effect[code]
        return total

    def table(self, segments: Ints, channels: Ints) -> Floats:
        """(len(segments), rhythms, len(channels), 168) shifts."""
        axes = np.meshgrid(segments, np.arange(self.shape.rhythms), channels, np.arange(HOURS), indexing="ij")
        cells = Cells(*(axis.ravel() for axis in axes))
        return self.shift(cells).reshape(axes[0].shape)


def no_effects(shape: Shape) -> SlotEffects:
    """Effects of a step about which nothing could be learned."""
    effects = tuple(np.zeros(size) for size in _sizes(shape))
    return SlotEffects(shape, 0.0, effects, np.zeros(len(FACTORS)))


def fit_slot_effects(cells: Cells, start: Floats, label: Floats, weight: Floats, shape: Shape) -> SlotEffects:
    """start: (n,) margins of stage A; label in [0, 1]; weight ≥ 0, 0 leaving a row out."""
    rows = np.flatnonzero(weight > 0)
    start, label, weight = start[rows], label[rows], weight[rows]
    distinct, place = _distinct(cells.take(rows), shape)
    codes = _codes(distinct, shape)
    state = _State(codes, _sizes(shape))
    shift = np.zeros(len(distinct.slot))
    for _ in range(_REWEIGHTINGS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(start + shift[place], -30, 30)))
        score = sums_by(place, weight * (label - chance), len(shift))
        information = sums_by(place, weight * chance * (1 - chance), len(shift)) + _NOTHING
        state.backfit(score, information)
        shift = state.shift()
    return SlotEffects(shape, state.intercept, tuple(state.effects), np.array(state.variances))


class _State:
    """Effects on their way to the fit."""

    def __init__(self, codes: list[Ints], sizes: list[int]) -> None:
        self.codes = codes
        self.effects = [np.zeros(size) for size in sizes]
        self.variances = [_FIRST_VARIANCE] * len(sizes)
        self.intercept = 0.0

    def shift(self) -> Floats:
        total = np.full(len(self.codes[0]), self.intercept)
        for effect, code in zip(self.effects, self.codes, strict=True):
            total += effect[code]
        return total

    def backfit(self, score: Floats, information: Floats) -> None:
        """Sweeps over the factors; `score` is the gradient left to explain, used up in place."""
        weights = [
            sums_by(code, information, len(effect))
            for code, effect in zip(self.codes, self.effects, strict=True)
        ]
        total = information.sum()
        for _ in range(_SWEEPS):
            step = score.sum() / total
            self.intercept += step
            score -= information * step
            for factor, (code, level) in enumerate(zip(self.codes, weights, strict=True)):
                self._update(factor, code, level, score, information)

    def _update(self, factor: int, code: Ints, level: Floats, score: Floats, information: Floats) -> None:
        effect, precision = self.effects[factor], 1.0 / self.variances[factor]
        step = (sums_by(code, score, len(effect)) - effect * precision) / (level + precision)
        effect += step
        score -= information * step[code]
        seen = level > 1e-6
        if seen.any():
            spread = effect[seen] ** 2 + 1.0 / (level[seen] + precision)
            self.variances[factor] = max(float(spread.mean()), _LEAST_VARIANCE)


def _letters(cells: Cells, shape: Shape) -> dict[str, tuple[Ints, int]]:
    weekday, hour = cells.slot // 24, cells.slot % 24
    return {
        "s": (cells.segment, shape.segments),
        "r": (cells.rhythm, shape.rhythms),
        "c": (cells.channel, len(CHANNELS)),
        "h": (hour, 24),
        "d": (weekday, 7),
        "b": ((hour + 1) // 3, 9),
        "k": ((weekday >= 5).astype(np.int64), 2),
    }


def _codes(cells: Cells, shape: Shape) -> list[Ints]:
    letters = _letters(cells, shape)
    codes = []
    for factor in FACTORS:
        code = np.zeros(len(cells.slot), dtype=np.int64)
        for letter in factor:
            level, size = letters[letter]
            code = code * size + level
        codes.append(code)
    return codes


def _sizes(shape: Shape) -> list[int]:
    nobody = np.zeros(0, dtype=np.int64)
    letters = _letters(Cells(nobody, nobody, nobody, nobody), shape)
    return [int(np.prod([letters[letter][1] for letter in factor])) for factor in FACTORS]


def _distinct(cells: Cells, shape: Shape) -> tuple[Cells, Ints]:
    """The distinct cells, and for each row which one it is in."""
    key = (
        (cells.segment * shape.rhythms + cells.rhythm) * len(CHANNELS) + cells.channel
    ) * HOURS + cells.slot
    found, place = np.unique(key, return_inverse=True)
    rest, slot = np.divmod(found, HOURS)
    rest, channel = np.divmod(rest, len(CHANNELS))
    segment, rhythm = np.divmod(rest, shape.rhythms)
    return Cells(segment, rhythm, channel, slot), place
