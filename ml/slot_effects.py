"""When: how segment, rhythm, channel, hour and weekday move the odds, as crossed random effects.

Effects are levels (segment × channel, …), weekday effects, and smooth curves over the hours of the day,
for everybody, per channel, segment, segment × channel, rhythm, and per part of the segments' names
(EARLY-MIDDLE-CARD shares its parts' effects with EARLY-YOUNG-CARD), on all days and apart on weekends.
Some come twice: as they are now, and as a departure that fades in going back in time, so that a shift of
tastes is followed where the data show one. Every factor has its own variance, learned from the data on
top of a weak prior: effects that a world does not have shrink to nothing, and a small segment leans on
what larger groups share. Fitted by iteratively reweighted least squares on cell sums with backfitting;
variances by the Fellner–Schall fixed point (Wood & Fasiolo 2017). Measured against boosted trees in this
place: see docs/adr.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.arrays import Floats, Ints, sums_by
from ml.outcomes import CHANNELS

HOURS = 168
MOST_PARTS = 4
FADING_BUCKETS = 8
PRIOR_WEIGHT = 4.0
"""How many effects the prior variance of a factor weighs as much as."""

_REWEIGHTINGS, _SWEEPS = 8, 6
_REPLICATE_REWEIGHTINGS, _REPLICATE_SWEEPS = 2, 4
_NOTHING = 1e-9


@dataclass(frozen=True)
class Factor:
    """crossed: letters (s segment, r rhythm, c channel, d weekday, k weekend, p a part of the segment's
    name); curve: over the hours;
    past: a departure that fades in going back in time; spread: prior standard deviation."""

    crossed: str
    spread: float
    curve: bool = False
    past: bool = False


_LEVELS_NOW = {
    "c": 0.7, "s": 0.15, "p": 0.15, "sc": 0.2, "pc": 0.2, "rc": 0.08, "d": 0.12, "k": 0.12, "cd": 0.08, "ck": 0.08,
    "sd": 0.1, "sk": 0.12, "scd": 0.08, "sck": 0.08, "pd": 0.08, "pk": 0.1,
}  # fmt: skip
_CURVES_NOW = {
    "": 0.3, "c": 0.2, "s": 0.25, "p": 0.2, "sc": 0.15, "pc": 0.15, "r": 0.2, "k": 0.15, "ck": 0.12, "sk": 0.15,
    "pk": 0.12, "rk": 0.12,
}  # fmt: skip
_LEVELS_PAST = {"c": 0.2, "s": 0.1, "sc": 0.12, "pc": 0.12, "d": 0.08}
_CURVES_PAST = {"": 0.15, "c": 0.12, "s": 0.15, "p": 0.12}

FACTORS = (
    *(Factor(crossed, spread) for crossed, spread in _LEVELS_NOW.items()),
    *(Factor(crossed, spread, curve=True) for crossed, spread in _CURVES_NOW.items()),
    *(Factor(crossed, spread, past=True) for crossed, spread in _LEVELS_PAST.items()),
    *(Factor(crossed, spread, curve=True, past=True) for crossed, spread in _CURVES_PAST.items()),
)


@dataclass(frozen=True)
class Cells:
    """Where a contact falls: segment and rhythm codes, channel, local hour of week (0–167); past: 0 now
    … 1 long ago, in steps."""

    segment: Ints
    rhythm: Ints
    channel: Ints
    slot: Ints
    past: Ints | None = None

    def take(self, rows: Ints) -> "Cells":
        """The chosen contacts."""
        past = None if self.past is None else self.past[rows]
        return Cells(self.segment[rows], self.rhythm[rows], self.channel[rows], self.slot[rows], past)


@dataclass(frozen=True)
class Shape:
    """How many segment and rhythm codes there are, the unknown ones included; parts: per position in the
    segments' names, each segment's part code (the last of a position is the unknown segment's)."""

    segments: int
    rhythms: int
    parts: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Term:
    """A factor in this shape: which part of the segments' names `p` stands for (−1: none)."""

    factor: Factor
    part: int = -1


@dataclass(frozen=True)
class SlotEffects:
    """intercept and, per term, one log-odds effect per level (curves: level × 24 hours)."""

    shape: Shape
    intercept: float
    effects: tuple[Floats, ...]
    variances: Floats

    def shift(self, cells: Cells) -> Floats:
        """(n,) log-odds to add to stage A's margin, as things stand now."""
        return np.asarray(shifts((self,), cells)[0])

    def table(self, segments: Ints, channels: Ints) -> Floats:
        """(len(segments), rhythms, len(channels), 168) shifts."""
        axes = np.meshgrid(segments, np.arange(self.shape.rhythms), channels, np.arange(HOURS), indexing="ij")
        cells = Cells(*(axis.ravel() for axis in axes))
        return self.shift(cells).reshape(axes[0].shape)


def shifts(fits: "Sequence[SlotEffects]", cells: Cells) -> Floats:
    """(fits, n) log-odds of several fits of one shape."""
    total = np.tile(np.array([fit.intercept for fit in fits])[:, None], (1, len(cells.slot)))
    for place, term in enumerate(terms_of(fits[0].shape) if fits else []):
        if not term.factor.past:
            code = _codes(term, cells, fits[0].shape)
            for row, fit in enumerate(fits):
                total[row] += fit.effects[place][code]
    return total


def terms_of(shape: Shape) -> list[Term]:
    """The factors that this shape has, those of name parts once per position."""
    terms = []
    for factor in FACTORS:
        if "p" in factor.crossed:
            terms += [Term(factor, position) for position in range(len(shape.parts))]
        else:
            terms.append(Term(factor))
    return terms


def parts_of(segments: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Per position the codes of the parts of segment names, when all have as many parts and share them;
    one more for the unknown."""
    split = [re.split(r"[-_/|:. ]+", name) for name in segments]
    if len(segments) < 4 or len({len(parts) for parts in split}) != 1 or not 2 <= len(split[0]) <= MOST_PARTS:
        return ()
    positions = []
    for words in zip(*split, strict=True):
        known = sorted(set(words))
        if 1 < len(known) <= 0.6 * len(segments):
            positions.append((*(known.index(word) for word in words), len(known)))
    return tuple(positions)


def no_effects(shape: Shape) -> SlotEffects:
    """Effects of a step about which nothing could be learned."""
    terms = terms_of(shape)
    return SlotEffects(
        shape, 0.0, tuple(np.zeros(_size(term, shape)) for term in terms), np.zeros(len(terms))
    )


def fit_slot_effects(
    cells: Cells, start: Floats, label: Floats, weight: Floats, shape: Shape, near: SlotEffects | None = None
) -> SlotEffects:
    """start: (n,) margins of stage A; label in [0, 1]; weight ≥ 0, 0 leaving a row out. near: a fit to
    begin from (a replicate's original), whose variances are kept."""
    rows = np.flatnonzero(weight > 0)
    if not len(rows):
        return no_effects(shape)
    start, label, weight = start[rows], label[rows], weight[rows]
    distinct, place = _distinct(cells.take(rows), shape)
    fit = _Backfit(distinct, shape, near)
    for _ in range(_REWEIGHTINGS if near is None else _REPLICATE_REWEIGHTINGS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(start + fit.shift()[place], -30, 30)))
        score = sums_by(place, weight * (label - chance), len(distinct.slot))
        information = sums_by(place, weight * chance * (1 - chance), len(distinct.slot)) + _NOTHING
        fit.sweep(score, information, _SWEEPS if near is None else _REPLICATE_SWEEPS)
    return SlotEffects(shape, fit.intercept, tuple(fit.effects_everywhere()), np.array(fit.variances))


class _Backfit:
    """Effects on their way to the fit; each term in turn takes up what the others leave of the score.

    Curves are fitted over the hours that occur; the others follow from the kernel at the end.
    """

    def __init__(self, cells: Cells, shape: Shape, near: SlotEffects | None) -> None:
        self.terms = terms_of(shape)
        self.hours = np.unique(cells.slot % 24)
        compact = np.searchsorted(self.hours, np.arange(24))
        past = np.zeros(len(cells.slot)) if cells.past is None else cells.past / FADING_BUCKETS
        self.codes, self.sizes, self.scale = [], [], []
        for term in self.terms:
            code, size = _codes(term, cells, shape), _size(term, shape)
            if term.factor.curve:
                code, size = code // 24 * len(self.hours) + compact[code % 24], size // 24 * len(self.hours)
            self.codes.append(code)
            self.sizes.append(size)
            self.scale.append(past if term.factor.past else None)
        self.learns = near is None
        self.intercept = 0.0 if near is None else near.intercept
        self.variances = (
            [term.factor.spread**2 for term in self.terms] if near is None else near.variances.tolist()
        )
        self.effects = [np.zeros(size) for size in self.sizes]
        if near is not None:
            for place, (term, effect) in enumerate(zip(self.terms, near.effects, strict=True)):
                known = effect.reshape(-1, 24)[:, self.hours].ravel() if term.factor.curve else effect
                self.effects[place] = known.copy()

    def shift(self) -> Floats:
        """(cells,) log-odds as they stand."""
        total = np.full(len(self.codes[0]), self.intercept)
        for effect, code, scale in zip(self.effects, self.codes, self.scale, strict=True):
            total += effect[code] if scale is None else scale * effect[code]
        return total

    def sweep(self, score: Floats, information: Floats, sweeps: int) -> None:
        """Rounds over the terms; `score` is the gradient left to explain, used up in place. Variances
        follow at the end."""
        weights = [
            sums_by(code, information if scale is None else information * scale**2, size)
            for code, size, scale in zip(self.codes, self.sizes, self.scale, strict=True)
        ]
        solvers = [
            _Curves(weight, variance, self.hours) if term.factor.curve else _Levels(weight, variance)
            for term, weight, variance in zip(self.terms, weights, self.variances, strict=True)
        ]
        total = information.sum()
        for _ in range(sweeps):
            step = float(score.sum() / total)
            self.intercept += step
            score -= information * step
            for place, solver in enumerate(solvers):
                self._update(place, solver, weights[place], score, information)
        if self.learns:
            for place, (term, solver) in enumerate(zip(self.terms, solvers, strict=True)):
                energy = solver.energy(self.effects[place]) + PRIOR_WEIGHT * term.factor.spread**2
                self.variances[place] = energy / (solver.freedom + PRIOR_WEIGHT)

    def _update(
        self, place: int, solver: "_Levels | _Curves", weight: Floats, score: Floats, information: Floats
    ) -> None:
        code, scale, effect = self.codes[place], self.scale[place], self.effects[place]
        seen = score if scale is None else score * scale
        fitted = solver.fit(sums_by(code, seen, self.sizes[place]) + weight * effect)
        change = (fitted - effect)[code]
        score -= information * (change if scale is None else change * scale)
        self.effects[place] = fitted

    def effects_everywhere(self) -> list[Floats]:
        """Effects with curves carried to all 24 hours."""
        spread = _KERNEL[:, self.hours] @ np.linalg.inv(_KERNEL[np.ix_(self.hours, self.hours)])
        return [
            (effect.reshape(-1, len(self.hours)) @ spread.T).ravel() if term.factor.curve else effect
            for term, effect in zip(self.terms, self.effects, strict=True)
        ]


class _Levels:
    """Independent effects under one variance."""

    def __init__(self, weight: Floats, variance: float) -> None:
        self.precision = weight + 1.0 / variance
        self.freedom = float((weight / self.precision).sum())

    def fit(self, aim: Floats) -> Floats:
        """Posterior means; aim: weighted sums of what is to be explained."""
        return np.asarray(aim / self.precision)

    def energy(self, effect: Floats) -> float:
        """What the effects spend of their variance."""
        return float(np.sum(effect**2))


class _Curves:
    """Curves over hours, smooth a priori, under one variance; those nobody tells anything about stay
    flat."""

    def __init__(self, weight: Floats, variance: float, hours: Ints) -> None:
        self.inverse = np.linalg.inv(_KERNEL[np.ix_(hours, hours)])
        table = weight.reshape(-1, len(hours))
        self.told = np.flatnonzero(table.sum(axis=1) > 1e-6)
        system = self.inverse / variance + table[self.told][:, :, None] * np.eye(len(hours))
        self.covariance = np.linalg.inv(system)
        self.freedom = float(np.sum(np.diagonal(self.covariance, axis1=1, axis2=2) * table[self.told]))

    def fit(self, aim: Floats) -> Floats:
        """Posterior means; aim: weighted sums of what is to be explained."""
        width = len(self.inverse)
        fitted = np.zeros((len(aim) // width, width))
        fitted[self.told] = np.matmul(self.covariance, aim.reshape(-1, width)[self.told][:, :, None])[:, :, 0]
        return fitted.ravel()

    def energy(self, effect: Floats) -> float:
        """What the curves spend of their variance."""
        curves = effect.reshape(-1, len(self.inverse))
        return float(np.sum((curves @ self.inverse) * curves))


def _kernel() -> Floats:
    """(24, 24) covariance of a curve's hours: part smooth over a few hours, part over a long while, part
    rough."""
    gap = np.abs(np.arange(24)[:, None] - np.arange(24)[None, :])
    gap = np.minimum(gap, 24 - gap)
    smooth = 0.55 * np.exp(-0.5 * (gap / 2.0) ** 2) + 0.3 * np.exp(-0.5 * (gap / 5.0) ** 2)
    return np.asarray(smooth + 0.15 * np.eye(24))


_KERNEL = _kernel()


def _levels(term: Term, cells: Cells, shape: Shape) -> list[tuple[Ints, int]]:
    """The crossed codes of a term and how many there are of each."""
    weekday, hour = cells.slot // 24, cells.slot % 24
    levels: list[tuple[Ints, int]] = []
    for letter in term.factor.crossed:
        if letter == "p":
            codes = np.array(shape.parts[term.part], dtype=np.int64)
            levels.append((codes[cells.segment], int(codes.max()) + 1))
        else:
            known = {
                "s": (cells.segment, shape.segments),
                "r": (cells.rhythm, shape.rhythms),
                "c": (cells.channel, len(CHANNELS)),
                "d": (weekday, 7),
                "k": ((weekday >= 5).astype(np.int64), 2),
            }
            levels.append(known[letter])
    return [*levels, (hour, 24)] if term.factor.curve else levels


def _codes(term: Term, cells: Cells, shape: Shape) -> Ints:
    code = np.zeros(len(cells.slot), dtype=np.int64)
    for level, size in _levels(term, cells, shape):
        code = code * size + level
    return code


def _size(term: Term, shape: Shape) -> int:
    nobody = np.zeros(0, dtype=np.int64)
    return int(
        np.prod(
            [size for _, size in _levels(term, Cells(nobody, nobody, nobody, nobody), shape)], dtype=np.int64
        )
    )


def _distinct(cells: Cells, shape: Shape) -> tuple[Cells, Ints]:
    """The distinct cells, and for each row which one it is in."""
    past = np.zeros(len(cells.slot), dtype=np.int64) if cells.past is None else cells.past
    key = (
        (cells.segment * shape.rhythms + cells.rhythm) * len(CHANNELS) + cells.channel
    ) * HOURS + cells.slot
    found, place = np.unique(key * (FADING_BUCKETS + 1) + past, return_inverse=True)
    rest, past = np.divmod(found, FADING_BUCKETS + 1)
    rest, slot = np.divmod(rest, HOURS)
    rest, channel = np.divmod(rest, len(CHANNELS))
    segment, rhythm = np.divmod(rest, shape.rhythms)
    return Cells(segment, rhythm, channel, slot, past), place
